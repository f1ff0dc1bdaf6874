//! What an action is expected to bring of a customer, after what it costs. Chooses nothing.
//!
//! With a yes/no outcome:
//!
//! ```text
//! profit = uplift x value - cost - success x offer_cost
//! success = baseline + uplift, kept within 0 and 1
//! ```
//!
//! `value` is the profit of a success; `baseline` the probability of the outcome without a contact: those who would have
//! bought anyway take the offer too, and it costs with them what it costs with the others. Where no baseline is known it
//! counts as 0, which makes offers look cheaper than they are.
//!
//! Where uplift is assumed, the assumed rate is that of success: `uplift = max(success - baseline, 0)`. Without a
//! baseline this takes all successes for the contact's own.
//!
//! With an outcome in money:
//!
//! ```text
//! profit = uplift x margin - cost - baseline x offer_cost
//! ```

use crate::policy::spec::{Action, Outcome};

/// What is known of a customer and an action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Uplift {
    /// Learned: of the outcome's probability, or of money.
    Learned(f64),
    /// Assumed: the rate of success among those contacted.
    Success(f64),
}

/// What an action is expected to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Of the outcome's probability, or of money.
    pub uplift: f64,
    /// What the offer costs on average.
    pub offer_cost: f64,
    /// What the action brings after all costs; NaN where the value is missing.
    pub profit: f64,
}

/// What an action is expected to do, by the formulas at the file's head. `value` is NaN where missing and `baseline`
/// where unknown.
pub fn expect(
    action: &Action,
    uplift: Uplift,
    outcome: Outcome,
    (value, margin, baseline): (f64, f64, f64),
) -> Expected {
    let known = if baseline.is_nan() { 0.0 } else { baseline };
    let (uplift, success, brings) = match (uplift, outcome) {
        (Uplift::Learned(uplift), Outcome::YesNo) => {
            (uplift, (known + uplift).clamp(0.0, 1.0), uplift * value)
        }
        (Uplift::Success(success), _) => {
            let uplift = (success - known).max(0.0);
            (uplift, known + uplift, uplift * value)
        }
        (Uplift::Learned(uplift), Outcome::Money) => (uplift, known, uplift * margin),
    };
    let offer_cost = success * action.offer_cost;
    Expected { uplift, offer_cost, profit: brings - action.cost - offer_cost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uplift: Uplift, outcome: Outcome, baseline: f64, expected: [f64; 3]) {
        let action = Action {
            name: "mail".to_owned(),
            offer: "voucher".to_owned(),
            channel: "email".to_owned(),
            cost: 0.5,
            offer_cost: 4.0,
        };
        let found = expect(&action, uplift, outcome, (20.0, 0.3, baseline));
        let found = [found.uplift, found.offer_cost, found.profit];
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{uplift:?} {outcome:?} {baseline}: {found:?}, expected {expected:?}");
    }

    #[test]
    fn offers_cost_with_those_who_would_have_bought_anyway() {
        use Outcome::{Money, YesNo};
        use Uplift::{Learned, Success};
        check(Learned(0.1), YesNo, f64::NAN, [0.1, 0.4, 2.0 - 0.5 - 0.4]);
        check(Learned(0.1), YesNo, 0.3, [0.1, 1.6, 2.0 - 0.5 - 1.6]);
        check(Learned(0.1), YesNo, 0.95, [0.1, 4.0, 2.0 - 0.5 - 4.0]);
        check(Learned(-0.2), YesNo, 0.1, [-0.2, 0.0, -4.0 - 0.5]);
        check(Success(0.15), YesNo, f64::NAN, [0.15, 0.6, 3.0 - 0.5 - 0.6]);
        check(Success(0.15), YesNo, 0.1, [0.05, 0.6, 1.0 - 0.5 - 0.6]);
        check(Success(0.15), YesNo, 0.4, [0.0, 1.6, -0.5 - 1.6]);
        check(Learned(10.0), Money, f64::NAN, [10.0, 0.0, 3.0 - 0.5]);
        check(Learned(10.0), Money, 0.2, [10.0, 0.8, 3.0 - 0.5 - 0.8]);
        check(Success(0.15), Money, 0.1, [0.05, 0.6, 1.0 - 0.5 - 0.6]);
    }
}
