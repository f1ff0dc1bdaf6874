//! How good probabilities and decisions are, with intervals. Rows count by their weight.

mod bootstrap;
mod confusion;
mod curve;
mod delong;
mod draws;
mod gaps;
mod paired;
mod profit;
mod ranking;
mod sides;
mod stability;
mod uplift;

pub use bootstrap::{Bootstrap, Interval, Measure, times_drawn};
pub use confusion::{Confusion, effective_rows, normal_quantile, wilson, wilson_upper};
pub use curve::{HistogramBin, Point, RocPoint};
pub use delong::Auc;
pub use draws::{FigureDifferences, Figures, LIFT_SHARES};
pub use paired::{Difference, mean_gain};
pub use profit::{Amount, Campaign, Stakes};
pub use ranking::{Bin, Ranked, log_loss};
pub use sides::{Crowd, Decisions, Rates, Sides};
pub use stability::{Spread, psi};
pub use uplift::{Treated, UpliftAreas, uplift_areas};

/// Rows with what was said of them and what was true.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// What was said: the calibrated probability, 0 to 1, or for a rule without one any finite
    /// score that grows with the target.
    pub probability: &'a [f64],
    /// What was true.
    pub target: &'a [bool],
    /// Weights, finite and positive; 1 where there are none.
    pub weight: &'a [f64],
    /// Which customer each row is of, where some have several rows: a customer's rows are drawn
    /// together in the bootstrap.
    pub group: Option<&'a [u64]>,
}

impl Judged<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.target.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.target.is_empty()
    }

    /// Rows with the target.
    pub fn positives(&self) -> usize {
        self.target.iter().filter(|t| **t).count()
    }

    /// Effective rows among those kept; a customer's rows go together and tell no more than one.
    pub fn effective_rows(&self, keep: impl Fn(usize) -> bool) -> f64 {
        let kept = (0..self.len()).filter(|&row| keep(row));
        let Some(group) = self.group else {
            return effective_rows(kept.map(|row| self.weight[row]));
        };
        let mut rows: Vec<(u64, f64)> = kept.map(|row| (group[row], self.weight[row])).collect();
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let customers = rows.chunk_by(|a, b| a.0 == b.0);
        effective_rows(customers.map(|rows| rows.iter().map(|row| row.1).sum()))
    }

    /// The weighted share of rows with the target, NaN without rows.
    pub fn base_rate(&self) -> f64 {
        let hits = self.target.iter().zip(self.weight).filter(|(t, _)| **t).map(|(_, w)| w);
        hits.sum::<f64>() / self.weight.iter().sum::<f64>()
    }
}
