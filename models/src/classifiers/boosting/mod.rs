//! Gradient boosting of trees on histograms, of our own.

pub mod binning;
mod engine;
mod fit;
mod grower;
mod histogram;
mod loss;
pub mod params;
mod splitting;
pub mod table;
pub mod tree;

#[cfg(test)]
mod tests;

pub use loss::probability;
pub use params::{Boosting, Metric};
pub use table::BinnedTable;

use crate::classifiers::boosting::engine::Engine;
use crate::classifiers::boosting::tree::Tree;
use crate::classifiers::{Classifier, Fitted};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::frame::Rows;
use crate::seed::{mix2, unit};

/// The word for it on the command line and in reports.
pub const NAME: &str = "boosting";

impl Classifier for Boosting {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fit(&self, data: &Dataset<'_>) -> Result<Fitted> {
        self.validate()?;
        let table = BinnedTable::new(data, self.max_bin);
        Ok(Fitted::Boosting(self.fit_binned(&table, data)?))
    }
}

impl Boosting {
    /// Learns one target from a table in bins. With early stopping, some of the dataset's rows are held
    /// back to choose the number of trees.
    ///
    /// # Errors
    /// As [`Boosting::fit_targets`].
    pub fn fit_binned(&self, table: &BinnedTable, data: &Dataset<'_>) -> Result<FittedBoosting> {
        let held = |row: &u32| {
            self.early_stopping_round > 0
                && unit(mix2(!self.seed, u64::from(*row))) < self.validation_fraction
        };
        let (watched, learned): (Vec<u32>, Vec<u32>) = data.rows.iter().partition(|row| held(row));
        let watch = (!watched.is_empty()).then(|| data.with_rows(&watched));
        let mut models = self.fit_targets(table, &[(data.with_rows(&learned), watch)])?;
        Ok(models.remove(0))
    }
}

/// A fitted model: the sum of its trees, times a factor, is the margin.
#[derive(Debug, Clone)]
pub struct FittedBoosting {
    features: usize,
    trees: Vec<Tree>,
    average: bool,
    sigmoid: f64,
    engine: Engine,
}

/// What scores fast follows from the rest.
impl PartialEq for FittedBoosting {
    fn eq(&self, other: &FittedBoosting) -> bool {
        let of = |model: &FittedBoosting| (model.features, model.average, model.sigmoid);
        of(self) == of(other) && self.trees == other.trees
    }
}

impl FittedBoosting {
    /// A model from its trees, or `None` where they cannot be: each must be sound
    /// ([`Tree::is_sound`]) for rows of `features` cells, `features` must be 1 or more, and
    /// `sigmoid` finite and above 0. With `average` the raw score is the mean of the trees and not their
    /// sum.
    pub fn new(
        features: usize,
        trees: Vec<Tree>,
        average: bool,
        sigmoid: f64,
    ) -> Option<FittedBoosting> {
        let sound = (1..=tree::MAX_FEATURES).contains(&features)
            && sigmoid.is_finite()
            && sigmoid > 0.0
            && !trees.is_empty()
            && trees.iter().map(|tree| tree.leaves.len()).sum::<usize>() <= tree::MAX_LEAVES
            && trees.iter().all(|tree| tree.is_sound(features));
        sound.then(|| {
            let engine = Engine::new(&trees, features);
            FittedBoosting { features, trees, average, sigmoid, engine }
        })
    }

    /// Number of features in a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The trees, in the order in which they are added.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Whether the raw score is the mean of the trees, not their sum.
    pub fn average(&self) -> bool {
        self.average
    }

    /// Raw score to margin: `margin = sigmoid * raw`. 1 for models of our own.
    pub fn sigmoid(&self) -> f64 {
        self.sigmoid
    }

    /// The raw score of a row: the sum (or mean) of its leaves, added in the order of the trees.
    pub fn raw_score(&self, row: &[f64]) -> f64 {
        self.mean(self.engine.sum(row))
    }

    /// The margin of each row.
    pub fn margins(&self, rows: &Rows) -> Vec<f64> {
        let mut sums = Vec::with_capacity(rows.len());
        self.engine.sums(rows.cells(), &mut sums);
        sums.into_iter().map(|sum| self.sigmoid * self.mean(sum)).collect()
    }

    fn mean(&self, sum: f64) -> f64 {
        if self.average { sum / self.trees.len() as f64 } else { sum }
    }
}
