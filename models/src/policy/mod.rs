//! Whom to contact, with what, when, and whom to leave alone: plans for campaigns. Reads no file, learns no uplift, sends
//! nothing.
//!
//! A [`PlanSpec`] says what a campaign may do, [`Customers`] whom it may be done with. [`decide`] works out what each
//! action is expected to bring of each customer ([`expect`]; by learned uplifts, or by assumed ones: [`success`]), has
//! [`allocate`] divide the actions within budget, capacities and stocks, holds a share out as control ([`held_out`]) and
//! finds the day of contact ([`Occasion`]). [`total`] adds the plan up, [`Speaker`] says it in words, [`Decided`] with names.
//!
//! Those held out are drawn first and take no place. What they would have had is worked out by the same rule as for the
//! others, so that the treated and the control among those planned to have an action differ by chance alone.

mod allocation;
mod assumed;
mod control;
mod customers;
mod decide;
mod decided;
mod expectation;
mod occasion;
mod sentences;
mod spec;
mod totals;

#[cfg(test)]
mod tests;

pub use allocation::{Allocation, Costs, Limit, MOST_ACTIONS, MOST_MONEY, Problem, allocate};
pub use assumed::{AssumedRate, default_success, success};
pub use control::held_out;
pub use customers::Customers;
pub use decide::{Decision, Plan, Why, decide, decide_soon, limits};
pub use decided::Decided;
pub use expectation::{Expected, Uplift, expect};
pub use occasion::{CustomerDays, Occasion, Window, contact_day, date_text, day_of};
pub use sentences::Speaker;
pub use spec::{Action, Channel, Covers, Offer, Outcome, PlanRules, PlanSpec};
pub use totals::{Group, Places, Stratum, Totals, total};
