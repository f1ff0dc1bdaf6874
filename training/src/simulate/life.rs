//! A customer's hidden days and what follows from them at once: moods, purchases, contacts. Holds no
//! other event and no product.
//!
//! The order of a day, which `truth` solves and this file draws:
//! 1. midnight: a disappointing purchase of yesterday upsets a content customer, else the state may
//!    change by itself;
//! 2. a campaign may contact the customer, who may buy and be content, or be annoyed and fade;
//! 3. the clock of purchases ticks at the state's rate; each `steps`th tick is a purchase.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rekindle_models::seed::mix2;

use crate::simulate::calendar::Calendar;
use crate::simulate::catalogue::ACTIONS;
use crate::simulate::character::{Character, Mood, State};

/// Days of campaigns: the first, and from one to the next.
const FIRST_CAMPAIGN: u32 = 40;
const CAMPAIGN_EVERY: u32 = 30;
/// Share of customers that a campaign considers, drawn anew each time.
pub(super) const AUDIENCE: f64 = 0.12;

/// Which campaign falls on a day, from 0.
pub(super) fn campaign(day: u32) -> Option<u32> {
    let since = day.checked_sub(FIRST_CAMPAIGN)?;
    since.is_multiple_of(CAMPAIGN_EVERY).then_some(since / CAMPAIGN_EVERY)
}

/// Campaigns take turns: one draws its actions by lot, one by the shop's own score.
pub(super) fn is_randomised(campaign: u32) -> bool {
    campaign.is_multiple_of(2)
}

/// A stretch of days in one state; it ends where the next begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spell {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) state: State,
}

/// A day on which the customer buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) day: u32,
    pub(super) disappoints: bool,
}

/// What a campaign decided for one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decision {
    pub(super) day: u32,
    pub(super) action: u8,
    pub(super) propensity: f64,
    pub(super) bought: bool,
}

/// What is hidden on the morning of a day, before a campaign of that day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hidden {
    pub(super) state: State,
    /// Ticks since the last purchase.
    pub(super) tick: u8,
}

/// A life from the first day of the world, or from sign-up, to the last.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) who: Character,
    pub(super) spells: Vec<Spell>,
    pub(super) purchases: Vec<Purchase>,
    pub(super) decisions: Vec<Decision>,
    /// Days on which the customer got upset for a reason that is no purchase.
    pub(super) troubles: Vec<u32>,
    /// What was hidden on the asked day; `None` where the customer was not there yet.
    pub(super) hidden: Option<Hidden>,
}

/// What is being drawn of a life.
struct Drawing<'a> {
    calendar: &'a Calendar,
    rng: Xoshiro256PlusPlus,
    life: Life,
    state: State,
    tick: u8,
    /// What is left to the next tick, of mean 1.
    left: f64,
    day: u32,
    /// When the state changes by itself.
    change: i64,
    /// When the next campaign considers the customer.
    considered: u32,
    asked: Option<u32>,
}

impl Life {
    /// The life of a customer by its index; `asked` is the day whose hidden state is wanted.
    pub(super) fn draw(
        calendar: &Calendar,
        seed: u64,
        index: usize,
        asked: Option<u32>,
        group: impl Fn(u32) -> u8,
    ) -> Life {
        // A generator for each customer: nobody depends on another's number of draws.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix2(seed, 2 * index as u64));
        let (who, state) = Character::draw(&mut rng, calendar.days(), group);
        let day = who.sign_up.max(0) as u32;
        let tick = if who.sign_up < 0 { rng.random_range(0..who.steps) } else { 0 };
        let left = Exp1.sample(&mut rng);
        let change = i64::from(day) + who.wait(&mut rng, state.mood);
        let life = Life {
            who,
            spells: Vec::new(),
            purchases: Vec::new(),
            decisions: Vec::new(),
            troubles: Vec::new(),
            hidden: None,
        };
        let mut drawing =
            Drawing { calendar, rng, life, state, tick, left, day, change, considered: 0, asked };
        drawing.considered = drawing.next_considered(day);
        while drawing.day < calendar.days() {
            drawing.spell();
        }
        drawing.life
    }

    /// Days of purchases, rising, within `from..to`.
    pub(super) fn buys_within(&self, from: u32, to: u32) -> bool {
        self.purchases.iter().any(|p| from <= p.day && p.day < to)
    }

    /// The last day before `day` with a purchase.
    pub(super) fn last_purchase(&self, day: u32) -> Option<u32> {
        self.purchases.iter().rev().map(|p| p.day).find(|d| *d < day)
    }
}

impl Drawing<'_> {
    /// One stretch of days without a change, a contact or a disappointment, and what ends it.
    fn spell(&mut self) {
        let from = self.day;
        if self.asked.is_some_and(|asked| from <= asked) {
            self.note();
        }
        if self.considered == from {
            self.consider();
            if self.asked.is_some_and(|asked| from < asked) {
                self.note();
            }
        }
        let end = i64::from(self.calendar.days().min(self.considered));
        let mut until = self.change.min(end) as u32;
        let upset = self.buy(from, &mut until);
        self.life.spells.push(Spell { from, to: until, state: self.state });
        self.day = until;
        if upset {
            self.enter(State { mood: Mood::Upset, ..self.state });
        } else if i64::from(until) == self.change {
            let next = self.life.who.next(&mut self.rng, self.state);
            if next.mood == Mood::Upset && self.state.mood == Mood::Content {
                self.life.troubles.push(until);
            }
            self.enter(next);
        }
    }

    fn note(&mut self) {
        self.life.hidden = Some(Hidden { state: self.state, tick: self.tick });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.change = i64::from(self.day) + self.life.who.wait(&mut self.rng, state.mood);
    }

    /// The first campaign from a day on that considers the customer.
    fn next_considered(&mut self, from: u32) -> u32 {
        let first = from.saturating_sub(FIRST_CAMPAIGN).div_ceil(CAMPAIGN_EVERY);
        let mut day = FIRST_CAMPAIGN + first * CAMPAIGN_EVERY;
        while day < self.calendar.days() && self.rng.random::<f64>() >= AUDIENCE {
            day += CAMPAIGN_EVERY;
        }
        day
    }

    /// A campaign decides, and the customer answers.
    fn consider(&mut self) {
        let day = self.day;
        let randomised = campaign(day).is_some_and(is_randomised);
        let propensities = self.life.who.propensities(randomised, self.state.mood);
        let mut left: f64 = self.rng.random();
        let mut action = 0;
        while action + 1 < ACTIONS.len() && left >= propensities[action] {
            left -= propensities[action];
            action += 1;
        }
        let response = self.life.who.response(action, self.state.mood);
        let answer: f64 = self.rng.random();
        let bought = answer < response.buys;
        if bought {
            self.life.purchases.push(Purchase { day, disappoints: false });
            self.tick = 0;
            self.enter(State { mood: Mood::Content, ..self.state });
        } else if answer < response.buys + response.annoyed {
            self.enter(State { mood: annoyed(self.state.mood), ..self.state });
        }
        let propensity = propensities[action];
        self.life.decisions.push(Decision { day, action: action as u8, propensity, bought });
        self.considered = self.next_considered(day + 1);
    }

    /// Purchases of the days `from..until`. One that disappoints a content customer ends the
    /// stretch with its day: `until` is moved, and the answer is true.
    fn buy(&mut self, from: u32, until: &mut u32) -> bool {
        let Character { rhythm, steps, disappointment, .. } = self.life.who;
        let rate = self.life.who.buys(self.state) * f64::from(steps);
        if rate <= 0.0 {
            return false;
        }
        let mut upset = false;
        let mut at = self.calendar.before(rhythm, from);
        let mut end = self.calendar.before(rhythm, *until);
        loop {
            let next = at + self.left / rate;
            if next >= end {
                self.left -= rate * (end - at);
                return upset;
            }
            at = next;
            self.left = Exp1.sample(&mut self.rng);
            self.tick += 1;
            let day = self.calendar.day(rhythm, at).clamp(from, *until - 1);
            if self.tick == steps {
                self.tick = 0;
                let disappoints = self.rng.random::<f64>() < disappointment;
                self.life.purchases.push(Purchase { day, disappoints });
                if disappoints && self.state.mood == Mood::Content && !upset {
                    upset = true;
                    *until = day + 1;
                    end = self.calendar.before(rhythm, *until);
                }
            }
            if let (Some(asked), Some(hidden)) = (self.asked, &mut self.life.hidden)
                && day < asked
            {
                hidden.tick = self.tick;
            }
        }
    }
}

/// The mood of an annoyed customer.
pub(super) fn annoyed(mood: Mood) -> Mood {
    if mood == Mood::Lapsed { Mood::Lapsed } else { Mood::Fading }
}
