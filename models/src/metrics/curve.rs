//! What every threshold would do, thinned to what a picture can show; and how probabilities are spread. ROC,
//! precision-recall, gains and lift are all read off the same points.

use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::{Interval, Ranked, Stakes, wilson};

/// Steps of a curve along either axis, at most.
const STEPS: f64 = 200.0;

/// What a threshold does: those of at least its probability are predicted positive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Point {
    /// The threshold: a probability that some row has.
    pub threshold: f64,
    /// Rows predicted positive.
    pub predicted_rows: usize,
    /// Their weight.
    pub predicted: f64,
    /// Weight of those of them with the target.
    pub true_positives: f64,
    /// Share of the predicted without the target, with Wilson's interval.
    pub error_rate: Interval,
    /// Share of those with the target who are not predicted, with Wilson's interval.
    pub miss_rate: Interval,
    /// What contacting the predicted brings per row, in money, where there is a campaign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profit: Option<f64>,
}

/// A corner of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct RocPoint {
    /// Share of those without the target who are predicted positive.
    pub false_positive_rate: f64,
    /// Share of those with the target who are.
    pub true_positive_rate: f64,
}

/// Rows whose probability lies in `low <= p < high` (the last bin: `<=`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct HistogramBin {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Weight of its rows with the target.
    pub positives: f64,
    /// Weight of its rows without.
    pub negatives: f64,
}

/// Sums over the rows from the first to some place.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    positives: f64,
    negatives: f64,
    squares: f64,
    positive_squares: f64,
    money: f64,
}

impl Ranked {
    /// Thresholds from the highest to that of all rows: among them `threshold` (what it does, at the lowest probability that
    /// reaches it), and otherwise one wherever a hundredth half of either class has come in. Both classes have some weight.
    /// `stakes` are in the ranking's order; `confidence`: 0.5 to 1.
    pub fn curve(&self, threshold: f64, stakes: Option<&Stakes>, confidence: f64) -> Vec<Point> {
        let (all, last) = (self.sums_to_end(), self.ties().len() - 1);
        let effective = all.positives * all.positives / all.positive_squares;
        let mut points = Vec::new();
        let mut shown = Sums::default();
        self.walk(stakes, |tie, end, sums| {
            let here = self.probability()[end - 1];
            let is_it = here >= threshold
                && self.probability().get(end).is_none_or(|next| *next < threshold);
            let far = (sums.positives - shown.positives) * STEPS >= all.positives
                || (sums.negatives - shown.negatives) * STEPS >= all.negatives;
            if !(far || is_it || tie == last) {
                return;
            }
            shown = sums;
            let predicted = sums.positives + sums.negatives;
            let rate = |value: f64, rows: f64| {
                let (low, high) = wilson(value, rows, confidence);
                Interval { value, low, high }
            };
            points.push(Point {
                threshold: here,
                predicted_rows: end,
                predicted,
                true_positives: sums.positives,
                error_rate: rate(sums.negatives / predicted, predicted * predicted / sums.squares),
                miss_rate: rate(
                    (all.positives - sums.positives).max(0.0) / all.positives,
                    effective,
                ),
                profit: stakes.map(|_| sums.money / (all.positives + all.negatives)),
            });
        });
        points
    }

    /// The ROC curve from (0, 0) to (1, 1), thinned. Both classes have some weight.
    pub fn roc_curve(&self) -> Vec<RocPoint> {
        let (all, last) = (self.sums_to_end(), self.ties().len() - 1);
        let corner = |sums: Sums| RocPoint {
            false_positive_rate: sums.negatives / all.negatives,
            true_positive_rate: sums.positives / all.positives,
        };
        let mut shown = Sums::default();
        let mut corners = vec![corner(shown)];
        self.walk(None, |tie, _, sums| {
            let far = (sums.positives - shown.positives) * STEPS >= all.positives
                || (sums.negatives - shown.negatives) * STEPS >= all.negatives;
            if far || tie == last {
                shown = sums;
                corners.push(corner(sums));
            }
        });
        corners
    }

    /// How probabilities are spread, by outcome: so many bins of equal width from 0 to the largest probability.
    pub fn histogram(&self, bins: usize) -> Vec<HistogramBin> {
        let most = self.probability().first().copied().filter(|p| *p > 0.0).unwrap_or(1.0);
        let end = |bin: usize| most * bin as f64 / bins as f64;
        let mut counts: Vec<HistogramBin> = (0..bins)
            .map(|bin| HistogramBin {
                low: end(bin),
                high: end(bin + 1),
                positives: 0.0,
                negatives: 0.0,
            })
            .collect();
        let rows = self.probability().iter().zip(self.targets()).zip(self.weights());
        for ((probability, target), weight) in rows {
            let bin = (probability / most * bins as f64).clamp(0.0, bins as f64 - 1.0) as usize;
            match target {
                true => counts[bin].positives += weight,
                false => counts[bin].negatives += weight,
            }
        }
        counts
    }

    fn sums_to_end(&self) -> Sums {
        let mut all = Sums::default();
        self.walk(None, |_, _, sums| all = sums);
        all
    }

    /// Tells, after each run of equal probability, its number, where it ends and the sums so far.
    fn walk(&self, stakes: Option<&Stakes>, mut tell: impl FnMut(usize, usize, Sums)) {
        let (targets, weights) = (self.targets(), self.weights());
        let (mut sums, mut place) = (Sums::default(), 0);
        for (tie, &end) in self.ties().iter().enumerate() {
            while place < end as usize {
                let weight = weights[place];
                sums.squares += weight * weight;
                match targets[place] {
                    true => {
                        sums.positives += weight;
                        sums.positive_squares += weight * weight;
                    }
                    false => sums.negatives += weight,
                }
                sums.money += stakes.map_or(0.0, |s| weight * s.gain(place, targets[place]));
                place += 1;
            }
            tell(tie, place, sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{Campaign, Confusion, Judged};

    proptest! {
        #[test]
        fn points_are_what_their_thresholds_do(
            rows in prop::collection::vec((0_u8..30, any::<bool>(), 1_u8..4), 2..400),
            threshold in 0_u8..31
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 30.0).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let w: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            prop_assume!(y.contains(&true) && y.contains(&false));
            let judged = Judged { probability: &p, target: &y, weight: &w, group: None };
            let ranked = Ranked::new(&judged);
            let stakes = Campaign::default()
                .stakes::<crate::error::Error>(p.len(), |_| unreachable!("no column"))
                .unwrap();
            let sorted = ranked.stakes(&stakes);
            let threshold = f64::from(threshold) / 30.0;
            let points = ranked.curve(threshold, Some(&sorted), 0.95);
            for point in &points {
                let counts = Confusion::at(&judged, point.threshold);
                prop_assert_eq!(counts.predicted_positive_rows, point.predicted_rows);
                prop_assert!((counts.error_rate().unwrap() - point.error_rate.value).abs() < 1e-12);
                prop_assert!((counts.miss_rate().unwrap() - point.miss_rate.value).abs() < 1e-12);
                let profit = ranked.profit_at(&sorted, ranked.weights(), point.threshold);
                prop_assert!((profit - point.profit.unwrap()).abs() < 1e-9);
            }
            let asked = Confusion::at(&judged, threshold).predicted_positive_rows;
            prop_assert!(asked == 0 || points.iter().any(|point| point.predicted_rows == asked));
            prop_assert_eq!(points.last().unwrap().predicted_rows, p.len());
            let corners = ranked.roc_curve();
            let area: f64 = corners.windows(2).map(|two| {
                let width = two[1].false_positive_rate - two[0].false_positive_rate;
                width * (two[0].true_positive_rate + two[1].true_positive_rate) / 2.0
            }).sum();
            prop_assert!((area - ranked.roc_auc(ranked.weights())).abs() < 0.01);
            let spread: f64 = ranked.histogram(7).iter().map(|b| b.positives + b.negatives).sum();
            prop_assert!((spread - w.iter().sum::<f64>()).abs() < 1e-9);
        }
    }
}
