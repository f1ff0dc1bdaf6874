//! A table of customers whose true probability of churning is known, with a leak in it: for tests of
//! what learns from tables. It simulates no events: the world of the demo does.

use std::f64::consts::E;
use std::sync::Arc;

use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Poisson, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use rekindle_models::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema};

/// The target's column.
pub const TARGET: &str = "churned";
/// The customer's column.
pub const ID: &str = "customer_id";
/// A column that only churned customers can have: whoever answers the exit survey is gone.
pub const LEAK: &str = "exit_survey_score";

/// Kinds of event and how many of each a customer of average activity has a day.
const KINDS: [(&str, f64); 10] = [
    ("session", 0.30),
    ("app_open", 0.40),
    ("search", 0.25),
    ("cart", 0.08),
    ("purchase", 0.04),
    ("return", 0.006),
    ("email_open", 0.10),
    ("email_click", 0.02),
    ("support_ticket", 0.008),
    ("review", 0.005),
];
/// Places of kinds that the truth or the amounts refer to.
const PURCHASE: usize = 4;
const AMOUNTS: [usize; 3] = [3, 4, 5];
/// Days before the cutoff that features look back.
const WINDOWS: [u32; 7] = [7, 14, 30, 60, 90, 180, 365];
const NOISE_COLUMNS: usize = 30;
const CITIES: usize = 40;
const CHANNELS: [&str; 6] = ["search", "social", "referral", "email", "store", "partner"];
const PLANS: [&str; 3] = ["basic", "plus", "premium"];

/// A world to draw customers from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct World {
    /// Every draw follows from it.
    pub seed: u64,
    /// Customers to draw; at least 1. The first `n` customers are the same in a larger world.
    pub customers: usize,
}

/// A table with the truth about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated {
    /// A row per customer: [`ID`], about 200 features, [`LEAK`] and [`TARGET`].
    pub table: Frame,
    /// The true probability that each customer churns.
    pub probability: Vec<f64>,
}

impl World {
    /// Draws the customers.
    pub fn simulate(&self) -> Simulated {
        let drawn: Vec<Customer> =
            (0..self.customers).into_par_iter().map(|i| Customer::draw(self.seed, i)).collect();
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut add = |name: String, kind: Kind, column: Column| {
            fields.push(Field { name, kind });
            columns.push(column);
        };
        let ids: Arc<[String]> = (0..self.customers).map(|i| format!("C{i:07}")).collect();
        let codes = (0..self.customers as u32).collect();
        add(ID.to_owned(), Kind::Categorical(ids), Column::Category(codes));
        for (place, (name, levels)) in level_columns().into_iter().enumerate() {
            let codes = drawn.iter().map(|c| c.levels[place]).collect();
            add(name.to_owned(), Kind::Categorical(levels), Column::Category(codes));
        }
        for (place, name) in number_names().into_iter().enumerate() {
            let values = drawn.iter().map(|c| c.numbers[place]).collect();
            let kind = if name == "newsletter" { Kind::Boolean } else { Kind::Numeric };
            add(name, kind, Column::Number(values));
        }
        let churned = drawn.iter().map(|c| f64::from(u8::from(c.churned))).collect();
        add(TARGET.to_owned(), Kind::Numeric, Column::Number(churned));
        let schema = Schema::new(fields).expect("the simulator's names are unique");
        let table = Frame::new(schema, columns).expect("every customer fills every column");
        Simulated { table, probability: drawn.iter().map(|c| c.probability).collect() }
    }
}

/// One customer's cells, in the order of [`level_columns`] and [`number_names`].
struct Customer {
    levels: Vec<u32>,
    numbers: Vec<f64>,
    probability: f64,
    churned: bool,
}

/// What a customer is like; nobody sees it, behaviour and churn both follow from it.
struct Character {
    activity: f64,
    /// How activity grows or fades: log of recent over past rates.
    trend: f64,
    spending: f64,
    satisfaction: f64,
    tenure_days: f64,
    plan: usize,
    city: usize,
    channel: usize,
}

fn level_columns() -> Vec<(&'static str, Arc<[String]>)> {
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
    let cities = (0..CITIES).map(|i| format!("city_{i:02}")).collect();
    // Levels are sorted, as a reader would have them.
    let mut channels = CHANNELS;
    channels.sort_unstable();
    vec![("city", cities), ("acquisition_channel", texts(&channels)), ("plan", texts(&PLANS))]
}

fn number_names() -> Vec<String> {
    let mut names: Vec<String> = ["age", "newsletter", "tenure_days"].map(str::to_owned).to_vec();
    for (kind, _) in KINDS {
        names.extend(WINDOWS.iter().map(|w| format!("count({kind}, {w}d)")));
        names.push(format!("recency_days({kind})"));
        names.extend(ratios().map(|(a, b)| format!("ratio({kind}, {a}d/{b}d)")));
    }
    for kind in AMOUNTS.map(|k| KINDS[k].0) {
        names.extend(WINDOWS.iter().map(|w| format!("sum({kind}.amount, {w}d)")));
        names.extend(WINDOWS.iter().map(|w| format!("mean({kind}.amount, {w}d)")));
    }
    names.extend((0..NOISE_COLUMNS).map(|i| format!("noise_{i:02}")));
    names.push(LEAK.to_owned());
    names
}

/// Pairs of windows whose counts are compared.
fn ratios() -> impl Iterator<Item = (u32, u32)> {
    [(7, 30), (30, 90), (90, 365)].into_iter()
}

impl Customer {
    fn draw(seed: u64, index: usize) -> Customer {
        // A generator for each customer: customers do not depend on each other's number of draws.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (index as u64).wrapping_mul(GOLDEN));
        let who = Character::draw(&mut rng);
        let mut numbers = vec![
            missing_at(&mut rng, 0.15, |rng| (38.0 + 12.0 * normal(rng)).clamp(16.0, 95.0).round()),
            f64::from(u8::from(rng.random::<f64>() < 0.4)),
            who.tenure_days,
        ];
        let mut purchase_recency = f64::NAN;
        let mut counts = [[0.0; WINDOWS.len()]; KINDS.len()];
        for (kind, &(_, rate)) in KINDS.iter().enumerate() {
            let rate = rate * who.mood(kind);
            counts[kind] = who.counts(&mut rng, rate);
            let recency = who.recency(&mut rng, rate, &counts[kind]);
            if kind == PURCHASE {
                purchase_recency = recency;
            }
            numbers.extend(counts[kind]);
            numbers.push(recency);
            let at = |w: u32| counts[kind][WINDOWS.iter().position(|x| *x == w).unwrap_or(0)];
            numbers.extend(ratios().map(|(a, b)| round(at(a) / at(b), 4)));
        }
        for kind in AMOUNTS {
            numbers.extend(who.amounts(&mut rng, &counts[kind]));
        }
        numbers.extend(
            (0..NOISE_COLUMNS).map(|_| missing_at(&mut rng, 0.05, |r| round(normal(r), 3))),
        );
        let probability = who.churn_probability(purchase_recency, counts[5][4]);
        let churned = rng.random::<f64>() < probability;
        let survey = if churned { 0.10 } else { 1.0 };
        numbers.push(missing_at(&mut rng, survey, |rng| f64::from(rng.random_range(1..=10_u8))));
        let levels = vec![
            if rng.random::<f64>() < 0.03 { MISSING_CODE } else { who.city as u32 },
            who.channel as u32,
            who.plan as u32,
        ];
        Customer { levels, numbers, probability, churned }
    }
}

impl Character {
    fn draw(rng: &mut Xoshiro256PlusPlus) -> Character {
        let mut pick = |count: usize| {
            // Low places are much more frequent than high ones, as cities are.
            let u: f64 = rng.random();
            ((count as f64).powf(u) - 1.0) as usize
        };
        let (city, channel, plan) = (pick(CITIES), pick(CHANNELS.len()), pick(PLANS.len()));
        let activity = normal(rng);
        Character {
            activity,
            trend: 0.8 * normal(rng),
            spending: 0.4 * activity + 0.9 * normal(rng),
            satisfaction: normal(rng),
            tenure_days: (rng.random::<f64>() * 2_000.0).floor() + 30.0,
            plan,
            city,
            channel,
        }
    }

    /// How much more often than others a content customer does something: e-mails are opened with
    /// pleasure, tickets and returns come from displeasure.
    fn mood(&self, kind: usize) -> f64 {
        let pleasure = match KINDS[kind].0 {
            "email_open" | "email_click" | "review" => 0.7,
            "support_ticket" | "return" => -0.9,
            _ => 0.0,
        };
        E.powf(pleasure * self.satisfaction)
    }

    /// Events of a kind in each window: windows are nested, so a longer one has no fewer.
    fn counts(&self, rng: &mut Xoshiro256PlusPlus, rate: f64) -> [f64; WINDOWS.len()] {
        let mut counts = [0.0; WINDOWS.len()];
        let (mut total, mut from) = (0.0, 0);
        for (count, to) in counts.iter_mut().zip(WINDOWS) {
            // The trend shows fully in the last week and not at all a year ago.
            let recent = 1.0 - f64::from(from) / 365.0;
            let mean =
                rate * E.powf(0.7 * self.activity + self.trend * recent) * f64::from(to - from);
            total += Poisson::new(mean.max(1e-9)).map_or(0.0, |p: Poisson<f64>| p.sample(rng));
            (*count, from) = (total, to);
        }
        counts
    }

    /// Days since the last event of a kind, missing where there is none within a year.
    fn recency(&self, rng: &mut Xoshiro256PlusPlus, rate: f64, counts: &[f64]) -> f64 {
        let Some(window) = counts.iter().position(|&count| count > 0.0) else { return f64::NAN };
        let from = if window == 0 { 0 } else { WINDOWS[window - 1] };
        let daily = rate * E.powf(0.7 * self.activity + self.trend);
        let wait = -(1.0 - rng.random::<f64>()).ln() / daily;
        (f64::from(from) + wait).min(f64::from(WINDOWS[window]) - 1.0).floor()
    }

    /// Sums, then means, of the amounts of so many events; a mean of no events is missing.
    fn amounts(&self, rng: &mut Xoshiro256PlusPlus, counts: &[f64; WINDOWS.len()]) -> Vec<f64> {
        let price = E.powf(3.0 + 0.6 * self.spending + 0.2 * normal(rng));
        let noise = WINDOWS.map(|_| E.powf(0.3 * normal(rng)));
        let sums = counts.iter().zip(noise).map(|(count, noise)| round(count * price * noise, 2));
        let sums: Vec<f64> = sums.collect();
        let means = sums.iter().zip(counts).map(|(sum, count)| round(sum / count, 2));
        sums.iter().copied().chain(means).collect()
    }

    /// The truth: fading activity, a long silence, returns, a short tenure, a cheap plan and a
    /// channel that brings fickle customers, with an interaction between silence and trend.
    fn churn_probability(&self, purchase_recency_days: f64, returns: f64) -> f64 {
        let silence = if purchase_recency_days.is_nan() { 365.0 } else { purchase_recency_days };
        let silence = (1.0 + silence).ln() - 3.0;
        let logit = -2.2 - 1.6 * self.trend + 0.3 * silence - 0.3 * silence * self.trend
            + 0.4 * (1.0_f64 + returns).ln()
            - 0.25 * (self.tenure_days / 365.0).ln()
            - 0.9 * self.satisfaction
            + [0.3, 0.0, -0.6][self.plan]
            + [0.0, 0.5, -0.4, 0.2, 0.0, 0.3][self.channel];
        1.0 / (1.0 + E.powf(-logit))
    }
}

/// An odd number that spreads successive indices over all bits (2^64 over the golden ratio).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn missing_at(
    rng: &mut Xoshiro256PlusPlus,
    share: f64,
    value: impl Fn(&mut Xoshiro256PlusPlus) -> f64,
) -> f64 {
    if rng.random::<f64>() < share { f64::NAN } else { value(rng) }
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
