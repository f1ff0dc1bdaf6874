//! A seeded world of customers and the log they leave, with the truth about them: who will not buy
//! and what a contact would change. For the demo, which then needs no download, for tests, which then
//! know the truth, and for measuring speed. Learns nothing and reads no clock.
//!
//! Behind a log stands, for each customer, a hidden chain of moods (content, upset, fading, lapsed)
//! and of levels (life events) that changes at midnight only; purchases follow its rates by a clock
//! of one to three steps, other events follow its moods. See `life` for the order of a day and
//! `truth` for how the chain is solved. [`table`] is an older, smaller world: one table, no log.

mod calendar;
mod catalogue;
mod character;
mod deeds;
pub mod experiment;
mod life;
mod parquet;
pub mod table;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod truth;
mod write;

use chrono::NaiveDate;
use rayon::prelude::*;
use rekindle_models::behaviour::DAY_MS;

use crate::error::{Error, Result};
use calendar::Calendar;
use catalogue::{Catalogue, NO_CODE, NO_PRODUCT};
use deeds::{Deeds, Habits, Shop};
use life::{Decision, Life, campaign, is_randomised};
use truth::{Span, solve};

pub use catalogue::{ACTIONS, CHANNELS, GROUPS, KINDS};
pub use character::Mood;
pub use write::Written;

/// A world to draw customers from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Every draw follows from it.
    pub seed: u64,
    /// Customers, 1 to 4,000,000,000. The first `n` customers are the same in a larger world.
    pub customers: usize,
    /// Days that are simulated, 1 to 3,660.
    pub days: u32,
    /// The first day, 1970 to 2100; it begins at midnight UTC.
    pub start: NaiveDate,
    /// Multiplies the rate of events that are no purchase and do not go with one; 0.01 to 1,000.
    /// With 1 the log has about 25 events a customer and year. Moods, purchases and contacts
    /// do not depend on it, nor does the truth.
    pub activity: f64,
}

impl Default for World {
    fn default() -> World {
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day of the calendar");
        World { seed: 1, customers: 10_000, days: 730, start, activity: 1.0 }
    }
}

/// One event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened, in milliseconds since 1970-01-01 00:00 UTC.
    pub time: i64,
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Money: positive for a purchase and a cart, negative for a return, else missing.
    pub amount: Option<f64>,
    /// The product's name, where the event is about one.
    pub product: Option<String>,
    /// One of [`GROUPS`], where the event is about one.
    pub product_group: Option<&'static str>,
    /// One of [`CHANNELS`].
    pub channel: &'static str,
    /// Share of the price that was let off, 0 to 0.5; purchases and returns only.
    pub discount: Option<f64>,
    /// When the company came to know it, in milliseconds; never before `time`.
    pub received_at: i64,
}

/// What the company knows of a customer besides the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    /// Day of sign-up, in milliseconds since 1970 (midnight UTC); up to 1,000 days before the world's start.
    pub sign_up: i64,
    /// From when the attributes are known, in milliseconds: the day after sign-up.
    pub known_at: i64,
    /// Years, 16 to 95; missing for about 15 % of the customers.
    pub age: Option<u8>,
    /// `city_00` to `city_39`, low ones frequent.
    pub city: String,
    /// `basic`, `plus` or `premium`.
    pub plan: &'static str,
}

/// A decision of a campaign for one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// When, in milliseconds since 1970: midnight UTC of the campaign's day. An answer falls on that day.
    pub time: i64,
    /// The campaign, from 0.
    pub campaign: u32,
    /// Place in [`ACTIONS`]; 0: was considered and left alone.
    pub action: usize,
    /// Probability with which this action was drawn for this customer, above 0 to 1.
    pub propensity: f64,
    /// Whether all actions were equally likely for everybody; else by the shop's own score, which
    /// seeks out good customers who are leaving.
    pub randomised: bool,
}

/// One customer from the first day to the last.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerLife {
    /// `C0000000`, `C0000001` and so on.
    pub id: String,
    /// By time.
    pub events: Vec<Event>,
    /// What else is known.
    pub attributes: Attributes,
    /// Decisions of campaigns, by time.
    pub contacts: Vec<Contact>,
    /// Whether a program, not a person.
    pub bot: bool,
}

/// The truth about one customer at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Index of the customer in the world.
    pub customer: usize,
    /// Days from the last purchase to the cutoff, counted from the purchase's midnight, at least 1;
    /// `None` without a purchase.
    pub purchase_days_ago: Option<u32>,
    /// The mood on the cutoff's morning; hidden from any log.
    pub mood: Mood,
    /// Probability that there is no purchase in the horizon, given all that is hidden at the cutoff.
    pub probability: f64,
    /// Whether there was none.
    pub churned: bool,
    /// By action of [`ACTIONS`]: P(a purchase in the horizon if contacted so on the cutoff's day) -
    /// P(same if left alone that day). Below 0 where a contact annoys more than it wins.
    pub uplift: [f64; ACTIONS.len()],
}

impl World {
    /// Checks the world.
    ///
    /// # Errors
    /// When a number is out of its range; the message says which.
    pub fn check(&self) -> Result<()> {
        let years = NaiveDate::from_ymd_opt(1970, 1, 1)..NaiveDate::from_ymd_opt(2100, 1, 1);
        let bad = |what: &str, found: &dyn std::fmt::Display, expected: &str| {
            Err(Error::BadOptions(format!("{what}: found {found}, expected {expected}")))
        };
        if !(1..=4_000_000_000).contains(&self.customers) {
            return bad("customers", &self.customers, "1 to 4000000000");
        }
        if !(1..=3_660).contains(&self.days) {
            return bad("days", &self.days, "1 to 3660");
        }
        if !years.contains(&Some(self.start)) {
            return bad("start", &self.start, "a day from 1970-01-01 to 2099-12-31");
        }
        if !(0.01..=1_000.0).contains(&self.activity) {
            return bad("activity", &self.activity, "0.01 to 1000");
        }
        Ok(())
    }

    /// Customer `index`, the same in every world of this seed, start, length and activity.
    ///
    /// # Errors
    /// Those of [`World::check`], and an index that is not below [`World::customers`].
    pub fn customer(&self, index: usize) -> Result<CustomerLife> {
        let stage = Stage::new(self)?;
        if index >= self.customers {
            return Err(Error::BadOptions(format!(
                "customer {index}: the world has {}, expected an index below that",
                self.customers
            )));
        }
        let life = stage.life(index, None);
        let mut deeds = Deeds::default();
        deeds.record(&stage.shop(), self.seed, index, &life);
        let mut order: Vec<usize> = (0..deeds.len()).collect();
        order.sort_by_key(|place| deeds.times[*place]);
        Ok(CustomerLife {
            id: id(index),
            events: order.into_iter().map(|place| stage.event(&deeds, place)).collect(),
            attributes: stage.attributes(&life),
            contacts: life.decisions.iter().map(|d| stage.contact(d)).collect(),
            bot: life.who.bot,
        })
    }

    /// The truth about everybody who signed up before the cutoff, by index.
    ///
    /// It is exact for the hidden chain, not an average over draws, and takes the campaigns to come
    /// into account: who they will consider is not known at the cutoff.
    ///
    /// # Errors
    /// Those of [`World::check`], a cutoff that is not at midnight UTC of a day of the world, and a
    /// horizon that is empty or ends after the world does (silence is then not known).
    pub fn truth(&self, cutoff_ms: i64, gap_days: u32, horizon_days: u32) -> Result<Vec<Truth>> {
        let stage = Stage::new(self)?;
        let span = self.span(cutoff_ms, gap_days, horizon_days)?;
        let truths: Vec<Option<Truth>> =
            (0..self.customers).into_par_iter().map(|index| stage.truth(index, span)).collect();
        Ok(truths.into_iter().flatten().collect())
    }

    fn span(&self, cutoff_ms: i64, gap_days: u32, horizon_days: u32) -> Result<Span> {
        let since = cutoff_ms - start_ms(self.start);
        let wrong = |message: String| Err(Error::BadOptions(message));
        if since < 0 || since % DAY_MS != 0 || since / DAY_MS >= i64::from(self.days) {
            return wrong(format!(
                "cutoff {cutoff_ms} ms: expected midnight UTC of one of the {} days from {}",
                self.days, self.start
            ));
        }
        let cutoff = (since / DAY_MS) as u32;
        let to = u64::from(cutoff) + u64::from(gap_days) + u64::from(horizon_days);
        if horizon_days == 0 {
            return wrong("horizon: found 0 days, expected at least 1".to_owned());
        }
        if to > u64::from(self.days) {
            return wrong(format!(
                "the horizon ends {to} days after the start and the world after {}; simulate more \
                 days or take an earlier cutoff",
                self.days
            ));
        }
        Ok(Span { cutoff, from: cutoff + gap_days, to: to as u32 })
    }
}

/// What all customers of a world share, made once.
pub(super) struct Stage {
    world: World,
    calendar: Calendar,
    catalogue: Catalogue,
    habits: Habits,
}

impl Stage {
    fn new(world: &World) -> Result<Stage> {
        world.check()?;
        let calendar = Calendar::new(start_ms(world.start), world.days);
        let catalogue = Catalogue::new(world.seed);
        Ok(Stage { world: *world, calendar, catalogue, habits: Habits::new() })
    }

    fn shop(&self) -> Shop<'_> {
        let Stage { world, calendar, catalogue, habits } = self;
        Shop { calendar, catalogue, habits, activity: world.activity }
    }

    fn life(&self, index: usize, asked: Option<u32>) -> Life {
        let group = |number| self.catalogue.group(number);
        Life::draw(&self.calendar, self.world.seed, index, asked, group)
    }

    fn truth(&self, index: usize, span: Span) -> Option<Truth> {
        let life = self.life(index, Some(span.cutoff));
        if i64::from(life.who.sign_up) >= i64::from(span.cutoff) {
            return None;
        }
        let hidden = life.hidden?;
        let solved = solve(&self.calendar, &life.who, hidden, span);
        Some(Truth {
            customer: index,
            purchase_days_ago: life.last_purchase(span.cutoff).map(|day| span.cutoff - day),
            mood: hidden.state.mood,
            probability: solved.probability,
            churned: !life.buys_within(span.from, span.to),
            uplift: solved.uplift,
        })
    }

    fn event(&self, deeds: &Deeds, place: usize) -> Event {
        let number = |value: f64| (!value.is_nan()).then_some(value);
        let (product, group) = (deeds.products[place], deeds.groups[place]);
        Event {
            time: deeds.times[place],
            kind: KINDS[usize::from(deeds.kinds[place])],
            amount: number(deeds.amounts[place]),
            product: (product != NO_PRODUCT)
                .then(|| self.catalogue.names[usize::from(product)].clone()),
            product_group: (group != NO_CODE).then(|| GROUPS[usize::from(group)]),
            channel: CHANNELS[usize::from(deeds.channels[place])],
            discount: number(deeds.discounts[place]),
            received_at: deeds.received[place],
        }
    }

    fn attributes(&self, life: &Life) -> Attributes {
        let who = &life.who;
        let sign_up = self.calendar.begins(0) + i64::from(who.sign_up) * DAY_MS;
        Attributes {
            sign_up,
            known_at: sign_up + DAY_MS,
            age: who.age,
            city: format!("city_{:02}", who.city),
            plan: ["basic", "plus", "premium"][usize::from(who.plan)],
        }
    }

    fn contact(&self, decision: &Decision) -> Contact {
        let campaign = campaign(decision.day).unwrap_or_default();
        Contact {
            time: self.calendar.begins(decision.day),
            campaign,
            action: usize::from(decision.action),
            propensity: decision.propensity,
            randomised: is_randomised(campaign),
        }
    }
}

/// Milliseconds since 1970 at which a day begins in UTC.
pub fn start_ms(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

/// A customer's name.
pub fn id(index: usize) -> String {
    format!("C{index:07}")
}
