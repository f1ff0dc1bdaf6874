//! How sure an area under the ROC curve is, and the difference of two over the same rows: DeLong, DeLong and
//! Clarke-Pearson (1988), with weights, and with rows of one customer taken together (Obuchowski 1997). Nothing is drawn.

use crate::metrics::paired::variance;
use crate::metrics::{Difference, Interval, Judged, Ranked, normal_quantile, wilson};

/// An area under the ROC curve with how far each row moves it.
#[derive(Debug, Clone)]
pub struct Auc {
    value: f64,
    /// By row, in the order given: its weight times how far its rank among the other class is from the area, over the
    /// weight of its class.
    moved: Vec<f64>,
    /// Effective rows of the smaller class.
    fewest: f64,
}

impl Auc {
    /// The area of a ranking of rows.
    pub fn new(ranked: &Ranked) -> Auc {
        let (targets, weights) = (ranked.targets(), ranked.weights());
        let (mut positives, mut negatives) = ([0.0; 2], [0.0; 2]);
        for (target, weight) in targets.iter().zip(weights) {
            let of = if *target { &mut positives } else { &mut negatives };
            of[0] += weight;
            of[1] += weight * weight;
        }
        let value = ranked.roc_auc(weights);
        let effective = |[sum, squares]: [f64; 2]| sum * sum / squares;
        let (of_positives, of_negatives) = (effective(positives), effective(negatives));
        // An unbiased variance divides by one row less than there are.
        let widened = |rows: f64| if rows > 1.0 { (rows / (rows - 1.0)).sqrt() } else { 1.0 };
        let scale = [widened(of_negatives) / negatives[0], widened(of_positives) / positives[0]];
        let mut moved = vec![0.0; targets.len()];
        let (mut above, mut start) = ([0.0; 2], 0);
        for (&end, run) in ranked.ties().iter().zip(ranked.runs(weights)) {
            let end = end as usize;
            // Of the negatives the share that ranks below, of the positives the share that ranks above.
            let below = (negatives[0] - above[1] - run.1 / 2.0) / negatives[0];
            let over = (above[0] + run.0 / 2.0) / positives[0];
            for place in start..end {
                let (target, weight) = (targets[place], weights[place]);
                let rank = if target { below } else { over };
                moved[ranked.order()[place] as usize] =
                    weight * scale[usize::from(target)] * (rank - value);
            }
            above = [above[0] + run.0, above[1] + run.1];
            start = end;
        }
        Auc { value, moved, fewest: of_positives.min(of_negatives) }
    }

    /// The area, 0 to 1; NaN where there is one class.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its interval at `confidence` (0.5 to 1), two-sided, symmetric in log odds; of an area of 0 or 1 as Wilson's with the
    /// rows of the smaller class. `group` as in [`Judged::group`].
    pub fn interval(&self, group: Option<&[u64]>, confidence: f64) -> Interval {
        let value = self.value;
        if value <= 0.0 || value >= 1.0 {
            let (low, high) = wilson(value, self.fewest, confidence);
            return Interval { value, low, high };
        }
        let error = variance(&self.moved, group).sqrt() / (value * (1.0 - value));
        let odds = (value / (1.0 - value)).ln();
        let far = normal_quantile(0.5 + confidence / 2.0) * error;
        let back = |odds: f64| 1.0 / (1.0 + (-odds).exp());
        Interval { value, low: back(odds - far), high: back(odds + far) }
    }

    /// How much larger this area is than another of the same rows. `group` as in [`Judged::group`].
    pub fn difference(&self, other: &Auc, group: Option<&[u64]>) -> Difference {
        let apart: Vec<f64> = self.moved.iter().zip(&other.moved).map(|(a, b)| a - b).collect();
        Difference { value: self.value - other.value, error: variance(&apart, group).sqrt() }
    }

    /// The same, one-sided: the difference is above `low` with the confidence (0.5 to 1), and below `high` with it.
    pub fn gain(&self, other: &Auc, group: Option<&[u64]>, confidence: f64) -> Interval {
        self.difference(other, group).one_sided(confidence)
    }
}

impl Judged<'_> {
    /// The area under the ROC curve with its interval.
    pub fn roc_auc(&self, confidence: f64) -> Interval {
        Auc::new(&Ranked::new(self)).interval(self.group, confidence)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seed::{mix2, unit};

    /// Placements by all pairs, and DeLong's S10 / m + S01 / n.
    fn by_pairs(p: &[[f64; 2]], y: &[bool]) -> ([f64; 2], f64) {
        let won = |a: f64, b: f64| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b));
        let of = |class: bool| (0..y.len()).filter(move |&i| y[i] == class).collect::<Vec<_>>();
        let (positives, negatives) = (of(true), of(false));
        let (m, n) = (positives.len() as f64, negatives.len() as f64);
        let by_positive = |k: usize| -> Vec<f64> {
            let share =
                |&i: &usize| negatives.iter().map(|&j| won(p[i][k], p[j][k])).sum::<f64>() / n;
            positives.iter().map(share).collect()
        };
        let by_negative = |k: usize| -> Vec<f64> {
            let share =
                |&j: &usize| positives.iter().map(|&i| won(p[i][k], p[j][k])).sum::<f64>() / m;
            negatives.iter().map(share).collect()
        };
        let (v, w) = ([by_positive(0), by_positive(1)], [by_negative(0), by_negative(1)]);
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let of_difference = |x: &[Vec<f64>; 2]| {
            let d: Vec<f64> = x[0].iter().zip(&x[1]).map(|(a, b)| a - b).collect();
            let (centre, n) = (mean(&d), d.len() as f64);
            d.iter().map(|d| (d - centre).powi(2)).sum::<f64>() / (n - 1.0) / n
        };
        ([mean(&v[0]), mean(&v[1])], of_difference(&v) + of_difference(&w))
    }

    proptest! {
        #[test]
        fn differences_are_as_sure_as_delong_says(
            rows in prop::collection::vec((0_u8..9, 0_u8..9, any::<bool>()), 6..60)
        ) {
            let y: Vec<bool> = rows.iter().map(|r| r.2).collect();
            let positives = y.iter().filter(|y| **y).count();
            prop_assume!(positives > 1 && y.len() - positives > 1);
            let both: Vec<[f64; 2]> = rows.iter().map(|r| [f64::from(r.0), f64::from(r.1)]).collect();
            let weight = vec![1.0; y.len()];
            let auc = |k: usize| {
                let p: Vec<f64> = both.iter().map(|p| p[k]).collect();
                let judged = Judged { probability: &p, target: &y, weight: &weight, group: None };
                Auc::new(&Ranked::new(&judged))
            };
            let (areas, variance) = by_pairs(&both, &y);
            let (first, second) = (auc(0), auc(1));
            prop_assert!((first.value - areas[0]).abs() < 1e-12);
            let gain = first.gain(&second, None, 0.95);
            prop_assert!((gain.value - (areas[0] - areas[1])).abs() < 1e-12);
            let far = 1.644_853_626_951_472 * variance.sqrt();
            prop_assert!((gain.value - gain.low - far).abs() < 1e-9, "{gain:?} {far}");
        }
    }

    #[test]
    fn rows_of_one_customer_tell_less_than_as_many_customers() {
        let rows = 1_000;
        let y: Vec<bool> = (0..rows).map(|r| (r / 10) % 3 == 0).collect();
        let p: Vec<f64> = (0..rows)
            .map(|r| unit(mix2(1, r as u64 / 10)) + 0.3 * f64::from(u8::from(y[r])))
            .collect();
        let weight = vec![1.0; rows];
        let group: Vec<u64> = (0..rows as u64).map(|r| r / 10).collect();
        let width = |group| {
            let judged = Judged { probability: &p, target: &y, weight: &weight, group };
            let auc = judged.roc_auc(0.95);
            auc.high - auc.low
        };
        assert!(width(Some(group.as_slice())) > 2.5 * width(None));
    }

    #[test]
    fn a_ranking_gains_nothing_on_itself_and_a_perfect_one_is_not_sure_to_be_so() {
        let y: Vec<bool> = (0..40).map(|r| r % 4 == 0).collect();
        let p: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y))).collect();
        let weight = vec![1.0; 40];
        let judged = Judged { probability: &p, target: &y, weight: &weight, group: None };
        let auc = Auc::new(&Ranked::new(&judged));
        let gain = auc.gain(&auc, None, 0.95);
        assert_eq!((gain.value, gain.low, gain.high), (0.0, 0.0, 0.0));
        let sure = auc.interval(None, 0.95);
        assert!(sure.value == 1.0 && sure.low < 0.75 && sure.high == 1.0, "{sure:?}");
    }
}
