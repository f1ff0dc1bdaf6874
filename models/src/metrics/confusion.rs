//! Decisions against the truth: the four counts, error rate, miss rate, and Wilson's interval.

use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::Judged;

/// How often decisions and truth met, by weight and by rows.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, JsonSchema)]
pub struct Confusion {
    /// Weight of rows predicted positive that were.
    pub true_positives: f64,
    /// Weight of rows predicted positive that were not.
    pub false_positives: f64,
    /// Weight of rows predicted negative that were not positive.
    pub true_negatives: f64,
    /// Weight of rows predicted negative that were positive.
    pub false_negatives: f64,
    /// Rows predicted positive.
    pub predicted_positive_rows: usize,
    /// Rows that were positive.
    pub positive_rows: usize,
    /// All rows.
    pub rows: usize,
}

impl Confusion {
    /// Counts decisions `probability >= threshold`.
    pub fn at(judged: &Judged<'_>, threshold: f64) -> Confusion {
        let mut counts = Confusion { rows: judged.len(), ..Confusion::default() };
        let rows = judged.probability.iter().zip(judged.target).zip(judged.weight);
        for ((&probability, &target), &weight) in rows {
            let predicted = probability >= threshold;
            let cell = match (predicted, target) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
                (false, true) => &mut counts.false_negatives,
            };
            *cell += weight;
            counts.predicted_positive_rows += usize::from(predicted);
            counts.positive_rows += usize::from(target);
        }
        counts
    }

    /// Of those predicted positive, the share that was not: FP / (TP + FP). `None` where nobody was
    /// predicted positive.
    pub fn error_rate(&self) -> Option<f64> {
        share(self.false_positives, self.true_positives)
    }

    /// Of those truly positive, the share that was not found: FN / (TP + FN) (1 - recall). `None`
    /// where nobody was positive.
    pub fn miss_rate(&self) -> Option<f64> {
        share(self.false_negatives, self.true_positives)
    }
}

fn share(part: f64, rest: f64) -> Option<f64> {
    (part + rest > 0.0).then(|| part / (part + rest))
}

/// Kish's effective number of rows: the rows of weight 1 whose mean is as certain. The number of
/// rows where weights are equal, fewer otherwise; 0 without rows.
pub fn effective_rows(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Wilson's score interval (1927) of a share seen in `rows` rows (weighted: effective rows), two-sided
/// at `confidence` (0.5 to 1). The whole of 0 to 1 where there are no rows.
pub fn wilson(share: f64, rows: f64, confidence: f64) -> (f64, f64) {
    wilson_at(share, rows, normal_quantile(0.5 + confidence / 2.0))
}

/// The upper end of Wilson's one-sided interval: the share is below it with `confidence`.
pub fn wilson_upper(share: f64, rows: f64, confidence: f64) -> f64 {
    wilson_at(share, rows, normal_quantile(confidence)).1
}

fn wilson_at(share: f64, rows: f64, z: f64) -> (f64, f64) {
    if rows <= 0.0 {
        return (0.0, 1.0);
    }
    let (z2, n) = (z * z, rows);
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The standard normal quantile of `p` (0 to 1) by bisection of the error function's series: exact
/// to the double's last digits, and called a few times a report.
pub fn normal_quantile(p: f64) -> f64 {
    if p < 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let (mut low, mut high) = (0.0, 9.0);
    for _ in 0..70 {
        let middle = (low + high) / 2.0;
        match normal_above_mean(middle) < p - 0.5 {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// Student's quantile of `p` (0 to 1) by the expansion in the normal one (Fisher 1925; Abramowitz and Stegun 26.7.5): within
/// 1 % from 3 degrees of freedom on, which it takes fewer for.
pub(super) fn student_quantile(p: f64, degrees: f64) -> f64 {
    let (z, n) = (normal_quantile(p), degrees.max(3.0));
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    z + (z3 + z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n * n)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n * n * n)
}

/// P(0 < Z < z): the density times z + z^3/3 + z^5/15 + ... (Marsaglia 2004).
pub(super) fn normal_above_mean(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term > 1e-17 * sum {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    sum * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shares_of_the_predicted_and_of_the_true() {
        let judged = Judged {
            probability: &[0.9, 0.8, 0.5, 0.4, 0.1],
            target: &[true, false, true, true, false],
            weight: &[1.0, 2.0, 1.0, 4.0, 1.0],
            group: None,
        };
        let counts = Confusion::at(&judged, 0.5);
        assert_eq!((counts.true_positives, counts.false_positives), (2.0, 2.0));
        assert_eq!((counts.true_negatives, counts.false_negatives), (1.0, 4.0));
        assert_eq!(counts.error_rate(), Some(0.5));
        assert_eq!(counts.miss_rate(), Some(4.0 / 6.0));
        assert_eq!((counts.predicted_positive_rows, counts.positive_rows), (3, 3));
        assert_eq!(Confusion::at(&judged, 0.95).error_rate(), None);
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        // 81 of 263 (Newcombe 1998, method 3): 0.2553 to 0.3662.
        let (low, high) = wilson(81.0 / 263.0, 263.0, 0.95);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        // 0 of 20: 0 to 0.1611.
        let (low, high) = wilson(0.0, 20.0, 0.95);
        assert!(low == 0.0 && (high - 0.1611).abs() < 5e-5, "{low} {high}");
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((normal_quantile(0.95) - 1.644_853_626_951_472).abs() < 1e-12);
        assert_eq!(wilson(0.5, 0.0, 0.95), (0.0, 1.0));
        for (degrees, expected) in
            [(3.0, 3.182_446), (10.0, 2.228_139), (50.0, 2.008_559), (1e9, 1.959_964)]
        {
            let found = student_quantile(0.975, degrees);
            assert!((found / expected - 1.0).abs() < 0.01, "{degrees}: {found} {expected}");
        }
        assert!((student_quantile(0.975, 50.0) - 2.008_559).abs() < 1e-5);
    }

    #[test]
    fn equal_weights_count_fully_and_one_heavy_row_counts_as_one() {
        assert_eq!(effective_rows([3.0; 7].into_iter()), 7.0);
        assert!(effective_rows([1e9, 1.0, 1.0].into_iter()) < 1.001);
        assert_eq!(effective_rows(std::iter::empty()), 0.0);
    }
}
