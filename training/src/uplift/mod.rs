//! Uplift: what actions change, learned from experiments or from contacts with known propensities, and judged before
//! anything is planned with it. In reading order: an [`Experiment`] is found in a table, [`Propensities`] say who was
//! likely to get what, a [`Learning`] fits models, [`CrossFitted`] asks them about rows they have not seen, [`Judge`]
//! makes figures of the answers, [`judge`] the verdict.

mod crossfit;
mod experiment;
mod judge;
mod learner;
mod propensity;
mod verdict;

#[cfg(test)]
mod tests;

pub use crossfit::{CrossFitted, FOLDS};
pub use experiment::{Columns, Experiment, FEWEST_ROWS};
pub use judge::{ActionFigures, Decile, Figures, Judge, PolicyFigures, Worth};
pub use learner::{Learned, Learner, Learning, score};
pub use propensity::{Assignment, LEAST, Propensities};
pub use verdict::{UpliftVerdict, judge};
