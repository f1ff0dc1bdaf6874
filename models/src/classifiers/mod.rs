//! Classifiers behind one small trait. Each library's types stay in one file: linfa's in
//! `logistic.rs`, smartcore's in `forest.rs`; what is kept of a fitted model is our own.

pub mod boosting;
mod encoding;
pub mod forest;
pub mod logistic;

#[cfg(test)]
mod tests;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::frame::Rows;

/// Something that learns to tell the rows with the target from those without.
pub trait Classifier: Send + Sync {
    /// The word for it on the command line and in reports.
    fn name(&self) -> &'static str;

    /// Learns from the dataset's rows. The same dataset and parameters give the same model on any
    /// number of threads.
    ///
    /// # Errors
    /// When a parameter is out of its range, or only one class is among the rows.
    fn fit(&self, data: &Dataset<'_>) -> Result<Fitted>;
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub enum Fitted {
    /// Coefficients over encoded features.
    Logistic(logistic::FittedLogistic),
    /// Trees whose leaves hold shares of the target.
    Forest(forest::FittedForest),
    /// Trees whose leaves add up to the margin.
    Boosting(boosting::FittedBoosting),
}

impl Fitted {
    /// The word for it on the command line and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Fitted::Logistic(_) => logistic::NAME,
            Fitted::Forest(_) => forest::NAME,
            Fitted::Boosting(_) => boosting::NAME,
        }
    }

    /// Trees and leaves; `None` of a model that has none.
    pub fn trees_and_leaves(&self) -> Option<(usize, usize)> {
        match self {
            Fitted::Logistic(_) => None,
            Fitted::Forest(model) => Some(model.trees_and_leaves()),
            Fitted::Boosting(model) => {
                let leaves = model.trees().iter().map(|tree| tree.leaves.len());
                Some((model.trees().len(), leaves.sum()))
            }
        }
    }

    /// The margin of each row: the log odds of the target, finite, growing with its probability,
    /// not yet calibrated. `rows` are in the order of the features the model was fitted on.
    pub fn margins(&self, rows: &Rows) -> Vec<f64> {
        match self {
            Fitted::Logistic(model) => model.margins(rows),
            Fitted::Forest(model) => model.margins(rows),
            Fitted::Boosting(model) => model.margins(rows),
        }
    }

    /// What each feature of a logistic regression adds to the margin in the mean over the rows it was fitted on; `None`
    /// of others, whose contributions need no such.
    pub fn expected_addends(&self, learned: &Dataset<'_>) -> Option<Vec<f64>> {
        match self {
            Fitted::Logistic(model) => Some(model.expected_addends(learned)),
            Fitted::Forest(_) | Fitted::Boosting(_) => None,
        }
    }
}

/// The weights of the dataset's rows with a mean of 1. Where rows are counted by weight (to tell a
/// rare level, to smooth a rate), the unit that weights are given in must not matter.
fn relative_weights(data: &Dataset<'_>) -> Vec<f64> {
    let weights = data.weights();
    if weights.iter().all(|w| *w == weights[0]) {
        return vec![1.0; weights.len()];
    }
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.iter().map(|w| w / mean).collect()
}

/// # Errors
/// When only one class is among the rows.
fn check_classes(data: &Dataset<'_>) -> Result<()> {
    let positives = data.rows.iter().filter(|&&row| data.target[row as usize]).count();
    let rows = data.rows.len();
    match positives == 0 || positives == rows {
        true => Err(Error::OneClass { part: "training", positives, rows }),
        false => Ok(()),
    }
}
