//! What actions change, for each customer: models of the uplift of some actions over `none`. How they are learned and
//! judged is not here.

use crate::classifiers::boosting::{FittedBoosting, probability};
use crate::frame::{Rows, Schema};

/// What an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Yes or no: uplifts are differences of its probability, -1 to 1.
    YesNo,
    /// An amount: uplifts are differences of its mean, in its unit.
    Amount,
}

/// A model of one number, and what its margin says.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The model.
    pub model: FittedBoosting,
    /// Whether the margin is the log odds of the number, and not the number itself.
    pub log_odds: bool,
}

impl Expected {
    /// The number expected of each row.
    pub fn of(&self, rows: &Rows) -> Vec<f64> {
        let mut margins = self.model.margins(rows);
        if self.log_odds {
            margins.iter_mut().for_each(|margin| *margin = probability(*margin));
        }
        margins
    }
}

/// The sum of factor times model, for each row.
pub fn sum(addends: &[(f64, Expected)], rows: &Rows) -> Vec<f64> {
    let mut sums = vec![0.0; rows.len()];
    for (factor, model) in addends {
        sums.iter_mut().zip(model.of(rows)).for_each(|(sum, x)| *sum += factor * x);
    }
    sums
}

/// What one action changes: `mean + slope * (sum of factor * model - centre)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionEffect {
    /// The action.
    pub name: String,
    /// The models, each with its factor.
    pub addends: Vec<(f64, Expected)>,
    /// Mean of the models' sum over the rows learned from.
    pub centre: f64,
    /// Mean effect over the rows learned from.
    pub mean: f64,
    /// How much of the models' differences between customers is believed, 0 (none: all customers have the mean) to 1.
    pub slope: f64,
}

impl ActionEffect {
    /// The uplift of each row: what is expected with the action less what is expected without any.
    pub fn uplift(&self, rows: &Rows) -> Vec<f64> {
        let mut uplift = sum(&self.addends, rows);
        uplift.iter_mut().for_each(|x| *x = self.mean + self.slope * (*x - self.centre));
        uplift
    }
}

/// Models of what some actions change.
#[derive(Debug, Clone, PartialEq)]
pub struct Uplift {
    /// The features, in the order of rows.
    pub schema: Schema,
    /// What the outcome is.
    pub outcome: Outcome,
    /// The outcome of customers who are left alone.
    pub untreated: Expected,
    /// The actions besides `none`.
    pub actions: Vec<ActionEffect>,
}

impl Uplift {
    /// What is expected of each row when it is left alone: a probability, or an amount.
    pub fn untreated(&self, rows: &Rows) -> Vec<f64> {
        self.untreated.of(rows)
    }

    /// By action, the uplift of each row.
    pub fn uplifts(&self, rows: &Rows) -> Vec<Vec<f64>> {
        self.actions.iter().map(|action| action.uplift(rows)).collect()
    }
}
