//! What an order of rows is worth, and how probabilities fit: ROC AUC, average precision, log loss,
//! Brier score, expected calibration error, lift. Rows are sorted once; each measure is then one pass,
//! also for the other weights of a bootstrap.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::{Judged, effective_rows, wilson};

/// Probabilities are kept this far from 0 and 1 in the log loss.
const TINY: f64 = 1e-15;
/// Bins of the calibration error.
const BINS: usize = 10;

/// Rows sorted by falling probability.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Places of the rows in the order given.
    order: Vec<u32>,
    /// Probability and target in sorted order.
    probability: Vec<f64>,
    target: Vec<bool>,
    /// Where runs of equal probability end in sorted order.
    ties: Vec<u32>,
    /// Weights in sorted order.
    weight: Vec<f64>,
}

/// Rows of like probability: what was said and what was true.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Bin {
    /// Mean probability.
    pub probability: f64,
    /// Share with the target, with Wilson's interval.
    pub rate: f64,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Its rows.
    pub rows: usize,
    /// Weight of its rows.
    pub weight: f64,
}

impl Ranked {
    /// Sorts rows; at least one.
    pub fn new(judged: &Judged<'_>) -> Ranked {
        let mut sorted: Vec<(f64, u32)> = judged.probability.iter().copied().zip(0..).collect();
        sorted.par_sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let order: Vec<u32> = sorted.iter().map(|(_, row)| *row).collect();
        let probability: Vec<f64> = sorted.into_iter().map(|(p, _)| p).collect();
        let mut ties: Vec<u32> = (1..probability.len())
            .filter(|&i| probability[i] != probability[i - 1])
            .map(|i| i as u32)
            .collect();
        ties.push(probability.len() as u32);
        let target = order.iter().map(|&r| judged.target[r as usize]).collect();
        let weight = order.iter().map(|&r| judged.weight[r as usize]).collect();
        Ranked { order, probability, target, ties, weight }
    }

    /// The rows' weights in sorted order: what the measures take.
    pub fn weights(&self) -> &[f64] {
        &self.weight
    }

    /// Places of the rows in sorted order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Probabilities in sorted order, highest first.
    pub fn probability(&self) -> &[f64] {
        &self.probability
    }

    /// Targets in sorted order.
    pub(super) fn targets(&self) -> &[bool] {
        &self.target
    }

    /// Where runs of equal probability end in sorted order.
    pub(super) fn ties(&self) -> &[u32] {
        &self.ties
    }

    /// Weights of the positives and of the negatives in each run of equal probability, highest first.
    pub(super) fn runs<'a>(&'a self, weight: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
        let mut start = 0;
        self.ties.iter().map(move |&end| {
            let (mut positive, mut negative) = (0.0, 0.0);
            let run = start..end as usize;
            for (target, weight) in self.target[run.clone()].iter().zip(&weight[run]) {
                match target {
                    true => positive += weight,
                    false => negative += weight,
                }
            }
            start = end as usize;
            (positive, negative)
        })
    }

    /// The chance that a row with the target ranks above one without; ties count half. NaN where a
    /// class has no weight.
    pub fn roc_auc(&self, weight: &[f64]) -> f64 {
        let (mut above, mut positives, mut negatives) = (0.0, 0.0, 0.0);
        for (positive, negative) in self.runs(weight) {
            above += negative * (positives + positive / 2.0);
            positives += positive;
            negatives += negative;
        }
        above / (positives * negatives)
    }

    /// The mean of the precision at each found positive, as scikit-learn's `average_precision_score`:
    /// rows of equal probability are found together. NaN without positives.
    pub fn average_precision(&self, weight: &[f64]) -> f64 {
        let (mut sum, mut positives, mut all) = (0.0, 0.0, 0.0);
        for (positive, negative) in self.runs(weight) {
            positives += positive;
            all += positive + negative;
            if positive > 0.0 {
                sum += positive * positives / all;
            }
        }
        sum / positives
    }

    /// Mean of -ln of the probability given to what was true, each at least 1e-15.
    pub fn log_loss(&self, weight: &[f64]) -> f64 {
        self.mean(weight, log_loss)
    }

    /// What each row adds to the log loss, in sorted order.
    pub(super) fn log_losses(&self) -> Vec<f64> {
        self.probability.iter().zip(&self.target).map(|(p, target)| log_loss(*p, *target)).collect()
    }

    /// Mean squared distance of the probability from what was true.
    pub fn brier_score(&self, weight: &[f64]) -> f64 {
        self.mean(weight, |p, target| (p - f64::from(u8::from(target))).powi(2))
    }

    fn mean(&self, weight: &[f64], of: impl Fn(f64, bool) -> f64) -> f64 {
        let rows = self.probability.iter().zip(&self.target).zip(weight);
        let (sum, total) =
            rows.fold((0.0, 0.0), |(s, t), ((&p, &y), &w)| (s + w * of(p, y), t + w));
        sum / total
    }

    /// Ten bins of equal weight by probability, lowest first; rows of equal probability share a bin,
    /// so there may be fewer. `confidence` of the rates' intervals: 0.5 to 1.
    pub fn bins(&self, confidence: f64) -> Vec<Bin> {
        let bin = |span: std::ops::Range<usize>| {
            let (mut p, mut hits, mut all) = (0.0, 0.0, 0.0);
            for place in span.clone() {
                let weight = self.weight[place];
                p += weight * self.probability[place];
                hits += if self.target[place] { weight } else { 0.0 };
                all += weight;
            }
            let rate = hits / all;
            let effective = effective_rows(self.weight[span.clone()].iter().copied());
            let (low, high) = wilson(rate, effective, confidence);
            Bin { probability: p / all, rate, low, high, rows: span.len(), weight: all }
        };
        self.spans().into_iter().map(bin).collect()
    }

    /// The places of the bins, lowest probability first.
    fn spans(&self) -> Vec<std::ops::Range<usize>> {
        let total: f64 = self.weight.iter().sum();
        let (mut spans, mut below, mut end) = (Vec::with_capacity(BINS), 0.0, self.target.len());
        for tie in (0..self.ties.len()).rev() {
            let start = if tie == 0 { 0 } else { self.ties[tie - 1] as usize };
            let run = start..self.ties[tie] as usize;
            below += self.weight[run].iter().sum::<f64>();
            let full = below >= total * (spans.len() + 1) as f64 / BINS as f64 * (1.0 - 1e-12);
            if full || tie == 0 {
                spans.push(start..end);
                end = start;
            }
        }
        spans
    }

    /// Where the bins begin in sorted order, highest probability first.
    pub(super) fn bin_starts(&self) -> Vec<u32> {
        self.spans().iter().rev().map(|span| span.start as u32).collect()
    }

    /// Expected calibration error: the mean distance of probability and rate over [`Ranked::bins`],
    /// by weight.
    pub fn ece(&self) -> f64 {
        let gap = |span: std::ops::Range<usize>| {
            let apart = |place| self.probability[place] - f64::from(u8::from(self.target[place]));
            span.map(|place: usize| self.weight[place] * apart(place)).sum::<f64>().abs()
        };
        self.spans().into_iter().map(gap).sum::<f64>() / self.weight.iter().sum::<f64>()
    }

    /// How many times the base rate the target's rate is among the first `share` (0 to 1) of the
    /// weight. Rows of equal probability at the cut are shared in proportion. NaN without positives.
    pub fn lift(&self, weight: &[f64], share: f64) -> f64 {
        let (mut positives, mut all) = (0.0, 0.0);
        for (positive, negative) in self.runs(weight) {
            positives += positive;
            all += positive + negative;
        }
        let mut left = all * share;
        let mut found = 0.0;
        for (positive, negative) in self.runs(weight) {
            let run = positive + negative;
            if left <= 0.0 {
                break;
            }
            if run > 0.0 {
                found += positive * (left / run).min(1.0);
            }
            left -= run;
        }
        found / (all * share) / (positives / all)
    }
}

/// -ln of the probability given to what was true, at least 1e-15.
pub fn log_loss(p: f64, target: bool) -> f64 {
    let p = p.clamp(TINY, 1.0 - TINY);
    if target { -p.ln() } else { -(-p).ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn auc_by_pairs(p: &[f64], y: &[bool], w: &[f64]) -> f64 {
        let (mut above, mut pairs) = (0.0, 0.0);
        for i in (0..p.len()).filter(|&i| y[i]) {
            for j in (0..p.len()).filter(|&j| !y[j]) {
                let won =
                    f64::from(u8::from(p[i] > p[j])) + 0.5 * f64::from(u8::from(p[i] == p[j]));
                above += w[i] * w[j] * won;
                pairs += w[i] * w[j];
            }
        }
        above / pairs
    }

    fn average_precision_by_thresholds(p: &[f64], y: &[bool], w: &[f64]) -> f64 {
        let sum = |keep: &dyn Fn(usize) -> bool| -> f64 {
            (0..p.len()).filter(|&i| keep(i)).map(|i| w[i]).sum()
        };
        let all = sum(&|i| y[i]);
        let mut thresholds = p.to_vec();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        thresholds.dedup();
        let (mut result, mut before) = (0.0, 0.0);
        for t in thresholds {
            let recall = sum(&|i| y[i] && p[i] >= t) / all;
            result += (recall - before) * sum(&|i| y[i] && p[i] >= t) / sum(&|i| p[i] >= t);
            before = recall;
        }
        result
    }

    proptest! {
        #[test]
        fn ranks_agree_with_slow_twins_on_ties_and_weights(
            rows in prop::collection::vec((0_u8..12, any::<bool>(), 1_u8..4), 2..60)
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 12.0).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let w: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            prop_assume!(y.contains(&true) && y.contains(&false));
            let judged = Judged { probability: &p, target: &y, weight: &w, group: None };
            let ranked = Ranked::new(&judged);
            let auc = ranked.roc_auc(ranked.weights());
            prop_assert!((auc - auc_by_pairs(&p, &y, &w)).abs() < 1e-12);
            let ap = ranked.average_precision(ranked.weights());
            prop_assert!((ap - average_precision_by_thresholds(&p, &y, &w)).abs() < 1e-12);
            prop_assert!((ranked.lift(ranked.weights(), 1.0) - 1.0).abs() < 1e-9);
            let weight: f64 = ranked.bins(0.95).iter().map(|b| b.weight).sum();
            prop_assert!((weight - w.iter().sum::<f64>()).abs() < 1e-9);
        }

        #[test]
        fn a_row_of_weight_two_counts_as_two_rows_everywhere(
            rows in prop::collection::vec((0_u8..9, any::<bool>(), any::<bool>()), 2..40)
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 10.0 + 0.05).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            prop_assume!(y.contains(&true) && y.contains(&false));
            let w: Vec<f64> = rows.iter().map(|r| if r.2 { 2.0 } else { 1.0 }).collect();
            let twice: Vec<usize> =
                (0..rows.len()).flat_map(|i| vec![i; w[i] as usize]).collect();
            let p2: Vec<f64> = twice.iter().map(|&i| p[i]).collect();
            let y2: Vec<bool> = twice.iter().map(|&i| y[i]).collect();
            let w2 = vec![1.0; twice.len()];
            let a = Ranked::new(&Judged { probability: &p, target: &y, weight: &w, group: None });
            let b = Ranked::new(&Judged { probability: &p2, target: &y2, weight: &w2, group: None });
            for measure in [
                Ranked::roc_auc, Ranked::average_precision, Ranked::log_loss, Ranked::brier_score,
                |r: &Ranked, _: &[f64]| r.ece(), |r: &Ranked, w: &[f64]| r.lift(w, 0.1),
            ] {
                let (x, y) = (measure(&a, a.weights()), measure(&b, b.weights()));
                prop_assert!((x - y).abs() < 1e-9, "{x} {y}");
            }
        }
    }

    #[test]
    fn measures_agree_with_scikit_learn() {
        let p = [0.1, 0.4, 0.35, 0.8, 0.8, 0.65, 0.2, 0.9];
        let y = [false, false, true, true, false, true, false, true];
        let w = [1.0, 2.0, 1.0, 0.5, 1.0, 3.0, 1.0, 1.0];
        let ranked = Ranked::new(&Judged { probability: &p, target: &y, weight: &w, group: None });
        // sklearn.metrics of scikit-learn 1.9, sample_weight = w.
        for (ours, theirs) in [
            (ranked.roc_auc(&ranked.weight), SKLEARN[0]),
            (ranked.average_precision(&ranked.weight), SKLEARN[1]),
            (ranked.log_loss(&ranked.weight), SKLEARN[2]),
            (ranked.brier_score(&ranked.weight), SKLEARN[3]),
        ] {
            assert!((ours - theirs).abs() < 1e-12, "{ours} {theirs}");
        }
    }

    const SKLEARN: [f64; 4] =
        [0.7727272727272727, 0.800291686922703, 0.525590132478961, 0.1742857142857143];

    #[test]
    fn lift_and_calibration_error_of_a_known_table() {
        let p: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let y: Vec<bool> = (0..100).map(|i| i >= 90).collect();
        let w = vec![1.0; 100];
        let ranked = Ranked::new(&Judged { probability: &p, target: &y, weight: &w, group: None });
        assert!((ranked.lift(&w, 0.1) - 10.0).abs() < 1e-9);
        assert!((ranked.lift(&w, 0.5) - 2.0).abs() < 1e-9);
        // Bin k holds probabilities with mean k/10 + 0.045 and rate 0, the last one rate 1.
        let expected = (0..9).map(|k| f64::from(k) / 10.0 + 0.045).sum::<f64>() + (1.0 - 0.945);
        assert!((ranked.ece() - expected / 10.0).abs() < 1e-9);
        assert_eq!(ranked.bins(0.95).len(), 10);
    }
}
