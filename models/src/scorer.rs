//! Model, calibration, threshold and reference population in one: rows in, scores out. The command
//! line and the service call the same [`Scorer::score`].

use rayon::prelude::*;

use crate::calibration::Calibration;
use crate::classifiers::Fitted;
use crate::frame::{Rows, Schema};

/// What the model says of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Calibrated probability of the target, 0 to 1.
    pub probability: f64,
    /// Place in the reference population, 1 (least likely) to 100 (most likely).
    pub percentile: u8,
    /// Whether the probability reaches the threshold: `probability >= threshold`.
    pub positive: bool,
}

/// Everything that turns a customer's features into a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scorer {
    /// The features the model asks for, in its order.
    pub schema: Schema,
    /// The fitted classifier.
    pub model: Fitted,
    /// Margin to probability.
    pub calibration: Calibration,
    /// The probability from which a customer is predicted positive.
    pub threshold: f64,
    /// Margins of the reference population.
    pub reference: Reference,
}

impl Scorer {
    /// Scores rows in the order of the scorer's schema. A row's score depends on that row alone:
    /// it is the same to the bit in a batch of any size.
    pub fn score(&self, rows: &Rows) -> Vec<Score> {
        self.model.margins(rows).into_iter().map(|margin| self.score_margin(margin)).collect()
    }

    /// Scores many rows on all cores: blocks of rows are made by `block`, which is asked for the
    /// spans of `0..count` in any order. The answer is in row order.
    pub fn score_blocks(
        &self,
        count: usize,
        block: impl Fn(std::ops::Range<usize>) -> Rows + Sync,
    ) -> Vec<Score> {
        (0..count.div_ceil(BLOCK))
            .into_par_iter()
            .flat_map_iter(|i| self.score(&block(i * BLOCK..((i + 1) * BLOCK).min(count))))
            .collect()
    }

    fn score_margin(&self, margin: f64) -> Score {
        let probability = self.calibration.probability(margin);
        Score {
            probability,
            percentile: self.reference.percentile(margin),
            positive: probability >= self.threshold,
        }
    }
}

/// Rows scored at a time: enough to pay for the hand-over, few enough to stay in cache.
const BLOCK: usize = 1_024;

/// Where the hundredths of a reference population lie, by margin.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    cuts: Vec<f64>,
}

impl Reference {
    /// Cuts from the margins of the reference population and their weights; at least one row.
    pub fn new(margins: &[f64], weights: &[f64]) -> Reference {
        assert!(!margins.is_empty() && margins.len() == weights.len(), "a weight for each margin");
        let mut order: Vec<usize> = (0..margins.len()).collect();
        order.sort_by(|&a, &b| margins[a].total_cmp(&margins[b]));
        let total: f64 = order.iter().map(|&i| weights[i]).sum();
        let mut cuts = Vec::with_capacity(99);
        let mut below = 0.0;
        for &i in &order {
            below += weights[i];
            while cuts.len() < 99 && below >= total * (cuts.len() + 1) as f64 / 100.0 {
                cuts.push(margins[i]);
            }
        }
        cuts.resize(99, margins[order[order.len() - 1]]);
        Reference { cuts }
    }

    /// Cuts as they were saved: 99 margins in rising order, or `None`.
    pub fn from_cuts(cuts: Vec<f64>) -> Option<Reference> {
        let rising = cuts.windows(2).all(|w| w[0] <= w[1]) && cuts.iter().all(|c| c.is_finite());
        (cuts.len() == 99 && rising).then_some(Reference { cuts })
    }

    /// The 99 margins between hundredths, rising.
    pub fn cuts(&self) -> &[f64] {
        &self.cuts
    }

    /// 1 to 100: one more than the number of cuts below `margin`.
    pub fn percentile(&self, margin: f64) -> u8 {
        self.cuts.partition_point(|&cut| cut < margin) as u8 + 1
    }
}
