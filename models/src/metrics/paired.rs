//! How sure a sum over rows is, where rows, or customers with all their rows, are independent of each other; and the mean
//! difference of two costs of the same rows.

use crate::metrics::{Interval, normal_quantile};

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
