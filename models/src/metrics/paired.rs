//! How sure a sum over rows is, where rows, or customers with all their rows, are independent of each other; the mean
//! difference of two costs of the same rows; and what the difference of any figure of the same rows may be.

use crate::metrics::{Interval, normal_quantile};

/// How much higher a figure of one model is than that of another on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The figure less the other's; NaN where one of them is not defined.
    pub value: f64,
    /// Its standard error; NaN where it cannot be told.
    pub error: f64,
}

impl Difference {
    /// The standard error is the deviation of what the same draws gave for the two. Draws in which one of them is not
    /// defined do not count; where they are more than half, there is no error.
    pub(super) fn of_draws(value: f64, other: &[f64], figure: &[f64]) -> Difference {
        let mut drawn: Vec<f64> = figure.iter().zip(other).map(|(f, o)| f - o).collect();
        let draws = drawn.len();
        drawn.retain(|d| d.is_finite());
        if drawn.len() < 2 || drawn.len() * 2 < draws || !value.is_finite() {
            return Difference { value, error: f64::NAN };
        }
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let squares: f64 = drawn.iter().map(|d| (d - mean).powi(2)).sum();
        Difference { value, error: (squares / (drawn.len() as f64 - 1.0)).sqrt() }
    }

    /// Where the difference lies with the confidence (0.5 to 1).
    pub fn two_sided(&self, confidence: f64) -> Interval {
        self.one_sided(0.5 + confidence / 2.0)
    }

    /// Each end by itself: the difference is above `low` with the confidence (0.5 to 1), and below `high` with it.
    pub fn one_sided(&self, confidence: f64) -> Interval {
        let far = normal_quantile(confidence) * self.error;
        Interval { value: self.value, low: self.value - far, high: self.value + far }
    }
}

impl std::ops::Neg for Difference {
    type Output = Difference;

    /// The same the other way round.
    fn neg(self) -> Difference {
        Difference { value: -self.value, ..self }
    }
}

/// The variance of a sum of what rows add, or customers with all their rows.
pub(super) fn variance(moved: &[f64], group: Option<&[u64]>) -> f64 {
    let Some(group) = group else { return moved.iter().map(|m| m * m).sum() };
    let mut by_customer: Vec<(u64, f64)> =
        group.iter().copied().zip(moved.iter().copied()).collect();
    by_customer.sort_by_key(|(customer, _)| *customer);
    let customers = by_customer.chunk_by(|a, b| a.0 == b.0);
    customers.map(|rows| rows.iter().map(|r| r.1).sum::<f64>().powi(2)).sum()
}

/// The weighted mean of what rows differ by. One-sided: it is above `low` with the confidence (0.5 to 1), and below `high`
/// with it. `group` names each row's customer, where some have several rows.
pub fn mean_gain(
    apart: &[f64],
    weight: &[f64],
    group: Option<&[u64]>,
    confidence: f64,
) -> Interval {
    let all: f64 = weight.iter().sum();
    let value = apart.iter().zip(weight).map(|(d, w)| d * w).sum::<f64>() / all;
    let moved: Vec<f64> = apart.iter().zip(weight).map(|(d, w)| w * (d - value) / all).collect();
    let far = normal_quantile(confidence) * variance(&moved, group).sqrt();
    Interval { value, low: value - far, high: value + far }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_as_sure_as_its_rows_are_many() {
        let apart: Vec<f64> = (0..400).map(|r| if r % 4 == 0 { 1.0 } else { 0.0 }).collect();
        let weight = vec![1.0; 400];
        let alone = mean_gain(&apart, &weight, None, 0.95);
        let expected = 1.644_853_626_951_472 * (0.25_f64 * 0.75 / 400.0).sqrt();
        assert!((alone.value - 0.25).abs() < 1e-12 && (alone.high - 0.25 - expected).abs() < 1e-12);
        // Each customer has four rows that are alike.
        let group: Vec<u64> = (0..400).map(|r| (r % 100) as u64).collect();
        let together = mean_gain(&apart, &weight, Some(&group), 0.95);
        assert!((together.high - 0.25 - 2.0 * expected).abs() < 1e-12, "{together:?}");
    }
}
