//! What a customer is like from the first day to the last: drawn once, seen by nobody but through
//! behaviour. Knows nothing of what happens day by day.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::simulate::calendar::RHYTHMS;
use crate::simulate::catalogue::{ACTIONS, GROUPS, channel};

/// How a customer feels about the shop; hidden, changes at midnight only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Buys at the own rhythm.
    Content,
    /// Something went wrong: writes tickets, cools down or forgets it.
    Upset,
    /// Comes and buys less and less.
    Fading,
    /// Has left, and may come back.
    Lapsed,
}

/// All moods; a mood's place is its number.
pub(super) const MOODS: [Mood; 4] = [Mood::Content, Mood::Upset, Mood::Fading, Mood::Lapsed];
/// How often a customer of a mood buys, against the own rate.
pub(super) const BUYS: [f64; 4] = [1.0, 0.8, 0.40, 0.06];
/// How often a customer of a mood does anything else, against the own rate.
pub(super) const ACTS: [f64; 4] = [1.0, 1.1, 0.40, 0.06];
/// What life events multiply the rate of purchases by: little money, as usual, plenty.
pub(super) const LEVELS: [f64; 3] = [0.45, 1.0, 2.0];
/// Share of customers at each level.
const LEVEL_SHARES: [f64; 3] = [0.2, 0.6, 0.2];
/// Life events a day.
const LIFE_EVENTS: f64 = 1.0 / 400.0;
/// Customers in so many of which one is a bot.
const BOT_EVERY: u32 = 2_000;
/// Days before the start of the world in which customers may have signed up.
const EARLIER_DAYS: i32 = 1_000;

/// A place in the hidden chain: mood and level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) mood: Mood,
    pub(super) level: u8,
}

/// What a contact does to a customer of some mood, each a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Response {
    /// Buys on the day and is content.
    pub(super) buys: f64,
    /// Is annoyed and fades, where not lapsed already.
    pub(super) annoyed: f64,
}

/// A customer's lasting traits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Character {
    /// Day of sign-up; negative: before the world begins.
    pub(super) sign_up: i32,
    pub(super) bot: bool,
    /// Purchases a busy day when content at the usual level.
    pub(super) purchase_rate: f64,
    /// Steps between purchases: 1 is memoryless, 3 is regular.
    pub(super) steps: u8,
    /// Other deeds a busy day when content.
    pub(super) deed_rate: f64,
    pub(super) rhythm: usize,
    /// Which hours of the day; see `deeds`.
    pub(super) hours: usize,
    pub(super) favourites: [u8; 2],
    pub(super) channels: [u8; 2],
    pub(super) has_app: bool,
    /// How a discount tempts, 0 to 1.
    pub(super) bargains: f64,
    /// Probability that a purchase disappoints.
    pub(super) disappointment: f64,
    pub(super) age: Option<u8>,
    pub(super) city: u8,
    pub(super) plan: u8,
    /// Daily probabilities of leaving each mood for the next in [`Character::onward`].
    hazards: [[f64; 2]; 4],
    /// `1 / -ln(1 - h)` of the day's whole hazard, by mood.
    waits: [f64; 4],
    persuadable: f64,
    touchy: f64,
}

/// Where each mood leads, with probabilities `Character::hazards`.
const ONWARD: [[Mood; 2]; 4] = [
    [Mood::Upset, Mood::Fading],
    [Mood::Content, Mood::Fading],
    [Mood::Content, Mood::Lapsed],
    [Mood::Content, Mood::Content],
];

impl Character {
    /// Draws a customer of a world of so many days, and the state on the first day.
    pub(super) fn draw(
        rng: &mut Xoshiro256PlusPlus,
        days: u32,
        group: impl Fn(u32) -> u8,
    ) -> (Character, State) {
        let sign_up = rng.random_range(-EARLIER_DAYS..days as i32);
        let bot = rng.random_range(0..BOT_EVERY) == 0;
        let eager = normal(rng);
        let satisfaction = normal(rng);
        let plan = pick(rng, &[0.6, 0.3]);
        let city = (40.0_f64.powf(rng.random()) - 1.0) as u8;
        let age = (38.0 + 13.0 * normal(rng)).clamp(16.0, 95.0).round() as u8;
        let bits = rng.next_u64();
        let bargains = unit16(bits);
        let has_app = unit16(bits >> 16) < 0.65 - 0.004 * f64::from(age);
        let calm = (-0.45 * satisfaction - 0.3 * f64::from(plan)).exp();
        let hazards = [
            [0.0025 * calm, 0.0022 * calm],
            [0.025 / calm.sqrt(), 0.018 * calm],
            [0.016 / calm.sqrt(), 0.022],
            [0.0030 / calm, 0.0],
        ];
        let waits = hazards.map(|[a, b]| -1.0 / (-(a + b + LIFE_EVENTS)).ln_1p());
        let favourite = group((bits >> 32) as u32);
        let second = ((bits >> 52) % GROUPS.len() as u64) as u8;
        let who = Character {
            sign_up,
            bot,
            purchase_rate: 0.024 * (0.45 * eager).exp(),
            steps: 1 + pick(rng, &[0.5, 0.35]),
            deed_rate: 0.076 * (0.5 * eager + 0.35 * satisfaction + 0.5 * normal(rng)).exp(),
            rhythm: usize::from(rng.random_range(0..RHYTHMS as u8)),
            hours: usize::from(rng.random_range(0..4_u8)),
            favourites: [favourite, second],
            channels: channels(rng, has_app),
            has_app,
            bargains,
            disappointment: 0.05 * calm.min(3.0),
            age: (rng.random::<f64>() >= 0.15).then_some(age),
            city,
            plan,
            hazards,
            waits,
            persuadable: rng.random(),
            touchy: rng.random(),
        };
        let level = pick(rng, &LEVEL_SHARES[..2]);
        let state = State { mood: Mood::Content, level };
        let first = who.settle(rng, state);
        (who, first)
    }

    /// The state on the first day of the world: that of sign-up, after the days since.
    fn settle(&self, rng: &mut Xoshiro256PlusPlus, mut state: State) -> State {
        let mut day = i64::from(self.sign_up) + self.wait(rng, state.mood);
        while day <= 0 {
            state = self.next(rng, state);
            day += self.wait(rng, state.mood);
        }
        state
    }

    /// Days until a mood or level changes by itself, at least 1: each midnight is as likely as the
    /// other.
    pub(super) fn wait(&self, rng: &mut Xoshiro256PlusPlus, mood: Mood) -> i64 {
        let unit: f64 = rand_distr::Exp1.sample(rng);
        1 + (unit * self.waits[mood as usize]) as i64
    }

    /// What the state changes to when it does.
    pub(super) fn next(&self, rng: &mut Xoshiro256PlusPlus, state: State) -> State {
        let total: f64 = self.changes(state).map(|(_, p)| p).sum();
        let mut left = rng.random::<f64>() * total;
        let mut last = state;
        for (to, probability) in self.changes(state) {
            last = to;
            left -= probability;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// The states that may follow at midnight, with their daily probabilities.
    pub(super) fn changes(&self, from: State) -> impl Iterator<Item = (State, f64)> {
        let mood = from.mood as usize;
        let moods = ONWARD[mood].into_iter().zip(self.hazards[mood]);
        // From the middle either way; from the ends back to the middle.
        let levels = match from.level {
            1 => [(0, LIFE_EVENTS / 2.0), (2, LIFE_EVENTS / 2.0)],
            _ => [(1, LIFE_EVENTS), (1, 0.0)],
        };
        let moods = moods.map(move |(mood, p)| (State { mood, ..from }, p));
        moods.chain(levels.into_iter().map(move |(level, p)| (State { level, ..from }, p)))
    }

    /// Purchases a busy day in a state.
    pub(super) fn buys(&self, state: State) -> f64 {
        if self.bot {
            return 0.0;
        }
        self.purchase_rate * BUYS[state.mood as usize] * LEVELS[usize::from(state.level)]
    }

    /// What an action, by its place in [`ACTIONS`], does to this customer in a mood.
    pub(super) fn response(&self, action: usize, mood: Mood) -> Response {
        if action == 0 || self.bot {
            return Response { buys: 0.0, annoyed: 0.0 };
        }
        let pull = [0.0, 0.5, 0.7 + 0.8 * self.bargains, if self.has_app { 0.6 } else { 0.0 }, 1.2];
        let push = [0.0, 0.3, 0.2, if self.has_app { 0.6 } else { 0.0 }, 1.4];
        let open = [0.06, 0.08, 0.30, 0.16][mood as usize];
        let hurt = [0.10, 0.30, 0.20, 0.0][mood as usize];
        let persuadable = self.persuadable * self.persuadable;
        let touchy = self.touchy * self.touchy;
        Response {
            buys: (2.0 * open * persuadable * pull[action]).min(0.9),
            annoyed: (0.8 * hurt * touchy * push[action]).min(0.1_f64.max(0.5 * hurt)),
        }
    }

    /// Probability that a biased campaign contacts the customer: those who bought often and are
    /// going, by a score of the shop's that sees more than its log tells.
    pub(super) fn sought(&self, mood: Mood) -> f64 {
        let going = [0.10, 0.25, 0.60, 0.45][mood as usize];
        let worth = (self.purchase_rate / 0.03).sqrt();
        (going * worth).clamp(0.05, 0.90)
    }

    /// What each action is assigned with, by its place in [`ACTIONS`].
    pub(super) fn propensities(&self, randomised: bool, mood: Mood) -> [f64; ACTIONS.len()] {
        if randomised {
            return [0.2; ACTIONS.len()];
        }
        let sought = self.sought(mood);
        [1.0 - sought, 0.4 * sought, 0.4 * sought, 0.15 * sought, 0.05 * sought]
    }
}

/// The usual and the second channel of purchases.
fn channels(rng: &mut Xoshiro256PlusPlus, has_app: bool) -> [u8; 2] {
    let any = [channel::WEB, channel::STORE, channel::MARKETPLACE, channel::PHONE];
    let second = any[usize::from(pick(rng, &[0.5, 0.25, 0.2]))];
    let usual = match has_app {
        true => channel::APP,
        false => any[usize::from(pick(rng, &[0.6, 0.25, 0.12]))],
    };
    [usual, second]
}

/// The place of a drawn share; one past the last where none is hit.
pub(super) fn pick(rng: &mut Xoshiro256PlusPlus, shares: &[f64]) -> u8 {
    let mut left: f64 = rng.random();
    for (place, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return place as u8;
        }
    }
    shares.len() as u8
}

fn normal(rng: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(rng)
}

/// A number from 0 to 1 from the low 16 bits.
pub(super) fn unit16(bits: u64) -> f64 {
    f64::from(bits as u16) / 65_536.0
}
