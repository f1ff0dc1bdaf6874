//! What nobody else knows: the probability that a customer does not buy, solved exactly from the
//! hidden state, and what contacting would change. Draws nothing.
//!
//! A customer is a chain over (mood, level, ticks since the last purchase). Its days, described in
//! `life`, are gone through backwards: `open[s]` is the probability that no purchase falls in the
//! rest of the horizon, given state `s` in the morning before a campaign. In the horizon a path
//! ends with its first purchase; in the gap before it, purchases are let through.

use crate::simulate::calendar::Calendar;
use crate::simulate::catalogue::ACTIONS;
use crate::simulate::character::{Character, LEVELS, MOODS, Mood, Response, State};
use crate::simulate::life::{AUDIENCE, Hidden, annoyed, campaign, is_randomised};

/// Most steps between purchases.
const STEPS: usize = 3;
/// Most ticks in a day of the gap that are told apart; more have no noticeable probability.
const TICKS: usize = 24;
const STATES: usize = MOODS.len() * LEVELS.len();

/// The days that a question is about, as days of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The day that begins with the cutoff.
    pub(super) cutoff: u32,
    /// The first day of the horizon.
    pub(super) from: u32,
    /// The day after the horizon.
    pub(super) to: u32,
}

/// One number for each hidden place.
type Values = [[f64; STEPS]; STATES];

/// The answers for one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Solved {
    /// Probability of no purchase in the horizon.
    pub(super) probability: f64,
    /// By action: how much more likely a purchase in the horizon is if the customer is contacted
    /// so on the cutoff's day than if left alone on that day.
    pub(super) uplift: [f64; ACTIONS.len()],
}

/// Solves one customer's future from the morning of the cutoff.
pub(super) fn solve(calendar: &Calendar, who: &Character, hidden: Hidden, span: Span) -> Solved {
    let solver = Solver { calendar, who };
    let mut later = [[1.0; STEPS]; STATES];
    for day in (span.cutoff + 1..span.to).rev() {
        let alone = solver.day(day, &later, day >= span.from);
        later = solver.with_campaign(day, &alone, day >= span.from);
    }
    let counts = span.cutoff >= span.from;
    let alone = solver.day(span.cutoff, &later, counts);
    let planned = solver.with_campaign(span.cutoff, &alone, counts);
    let (state, tick) = (place(hidden.state), usize::from(hidden.tick));
    let mut uplift = [0.0; ACTIONS.len()];
    for (action, uplift) in uplift.iter_mut().enumerate().skip(1) {
        let response = who.response(action, hidden.state.mood);
        *uplift = alone[state][tick] - answered(&alone, hidden.state, tick, response, counts);
    }
    Solved { probability: planned[state][tick], uplift }
}

struct Solver<'a> {
    calendar: &'a Calendar,
    who: &'a Character,
}

impl Solver<'_> {
    /// A day without a campaign, and the midnight after it. `counts`: a purchase ends the path.
    fn day(&self, day: u32, later: &Values, counts: bool) -> Values {
        let steps = usize::from(self.who.steps);
        let busy = self.calendar.busy(self.who.rhythm, day);
        let mut next = [[0.0; STEPS]; STATES];
        let changed = self.midnight(later);
        for (number, next) in next.iter_mut().enumerate() {
            let state = state(number);
            let mean = self.who.buys(state) * busy * steps as f64;
            let upset = place(State { mood: Mood::Upset, ..state });
            for (tick, open) in next.iter_mut().enumerate().take(steps) {
                let most = if counts { steps - tick } else { TICKS };
                let mut probability = (-mean).exp();
                for ticks in 0..most {
                    let (purchases, at) = ((tick + ticks) / steps, (tick + ticks) % steps);
                    let calm = match state.mood {
                        Mood::Content => (1.0 - self.who.disappointment).powi(purchases as i32),
                        Mood::Upset | Mood::Fading | Mood::Lapsed => 1.0,
                    };
                    let after = calm * changed[number][at] + (1.0 - calm) * later[upset][at];
                    *open += probability * after;
                    probability *= mean / (ticks + 1) as f64;
                }
            }
        }
        next
    }

    /// The state may change by itself.
    fn midnight(&self, later: &Values) -> Values {
        let mut before = *later;
        for (number, before) in before.iter_mut().enumerate() {
            for (to, probability) in self.who.changes(state(number)) {
                let to = place(to);
                for tick in 0..STEPS {
                    before[tick] += probability * (later[to][tick] - later[number][tick]);
                }
            }
        }
        before
    }

    /// The morning of a day on which a campaign may contact the customer.
    fn with_campaign(&self, day: u32, alone: &Values, counts: bool) -> Values {
        let Some(campaign) = campaign(day) else { return *alone };
        let mut before = *alone;
        for (number, before) in before.iter_mut().enumerate() {
            let state = state(number);
            let shares = self.who.propensities(is_randomised(campaign), state.mood);
            for (action, share) in shares.into_iter().enumerate() {
                let response = self.who.response(action, state.mood);
                for (tick, open) in before.iter_mut().enumerate().take(usize::from(self.who.steps))
                {
                    let contacted = answered(alone, state, tick, response, counts);
                    *open += AUDIENCE * share * (contacted - alone[number][tick]);
                }
            }
        }
        before
    }
}

/// The value of a state after a contact.
fn answered(alone: &Values, state: State, tick: usize, response: Response, counts: bool) -> f64 {
    let fading = place(State { mood: annoyed(state.mood), ..state });
    let content = place(State { mood: Mood::Content, ..state });
    let bought = if counts { 0.0 } else { alone[content][0] };
    response.buys * bought
        + response.annoyed * alone[fading][tick]
        + (1.0 - response.buys - response.annoyed) * alone[place(state)][tick]
}

fn place(state: State) -> usize {
    state.mood as usize * LEVELS.len() + usize::from(state.level)
}

fn state(place: usize) -> State {
    State { mood: MOODS[place / LEVELS.len()], level: (place % LEVELS.len()) as u8 }
}
