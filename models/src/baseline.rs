//! The best simple rule: what a model must beat to be worth its trouble. Either the one feature that
//! ranks best by itself, or recency, where the user names the feature that holds it.

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::frame::{Kind, Rows, Schema, UNKNOWN_LEVEL};
use crate::metrics::{Judged, Ranked};
use crate::seed::mix2;

/// Most bins of a number.
const BINS: usize = 32;
/// Weight of the base rate in a bin's rate, in rows.
const SMOOTHING: f64 = 20.0;
/// Most rows that features are compared on: a rule with 32 bins needs no more.
const MOST_ROWS: usize = 50_000;

/// A rule on one feature. Its scores rank rows; they are no probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    pub(crate) feature: usize,
    pub(crate) rule: Rule,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    /// The recency rule: `sign * x`, where missing is longer ago than any training row.
    Recency { sign: f64, missing: f64 },
    /// The target rate of the bin (`cuts[i - 1] < x <= cuts[i]`) that a number falls into.
    Bins { cuts: Vec<f64>, rates: Vec<f64>, missing: f64 },
    /// The target rate of a level.
    Levels { rates: Vec<f64>, unknown: f64, missing: f64 },
}

/// A feature by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SingleFeature {
    /// Its place in the model's schema.
    pub feature: usize,
    /// Its ROC AUC on rows that its rule was not made from.
    pub roc_auc: f64,
}

impl Baseline {
    /// Makes a rule of every feature from the rows of `data` and compares them on the rows of
    /// `validation`: the best one, and all of them, best first.
    pub fn best_feature(
        data: &Dataset<'_>,
        validation: &Dataset<'_>,
    ) -> (Baseline, Vec<SingleFeature>) {
        let (learn, judge) = (thin(data.rows), thin(validation.rows));
        let (data, validation) = (data.with_rows(&learn), validation.with_rows(&judge));
        let (target, weight) = (validation.targets(), validation.weights());
        let mut found: Vec<(SingleFeature, Rule)> = (0..data.features.len())
            .into_par_iter()
            .map(|feature| {
                let rule = Rule::of_rates(&data, feature);
                let cells = validation.cells(feature);
                let scores: Vec<f64> = cells.iter().map(|&cell| rule.score(cell)).collect();
                let ranked = Ranked::new(&Judged {
                    probability: &scores,
                    target: &target,
                    weight: &weight,
                    group: None,
                });
                let roc_auc = ranked.roc_auc(ranked.weights());
                let roc_auc = if roc_auc.is_nan() { 0.5 } else { roc_auc };
                (SingleFeature { feature, roc_auc }, rule)
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| b.roc_auc.total_cmp(&a.roc_auc));
        let (best, rule) = &found[0];
        let best = Baseline { feature: best.feature, rule: rule.clone() };
        (best, found.into_iter().map(|(single, _)| single).collect())
    }

    /// The recency rule on a numeric feature (its place): whether the target goes with long or short
    /// recency is learned from the rows.
    pub fn recency(data: &Dataset<'_>, feature: usize) -> Baseline {
        let cells = data.cells(feature);
        let longest = cells.iter().copied().filter(|x| x.is_finite()).fold(0.0, f64::max) + 1.0;
        let days: Vec<f64> = cells.iter().map(|&x| if x.is_nan() { longest } else { x }).collect();
        let (target, weight) = (data.targets(), data.weights());
        let judged = Judged { probability: &days, target: &target, weight: &weight, group: None };
        let ranked = Ranked::new(&judged);
        let sign = if ranked.roc_auc(ranked.weights()) >= 0.5 { 1.0 } else { -1.0 };
        Baseline { feature, rule: Rule::Recency { sign, missing: sign * longest } }
    }

    /// The rule that knows nothing, where no rows are there to make one from: everyone has the same
    /// score. `features` has at least one field.
    pub fn flat(features: &Schema) -> Baseline {
        let rule = match &features.fields()[0].kind {
            Kind::Categorical(levels) => {
                Rule::Levels { rates: vec![0.0; levels.len()], unknown: 0.0, missing: 0.0 }
            }
            Kind::Numeric | Kind::Boolean | Kind::Date(_) => {
                Rule::Bins { cuts: Vec::new(), rates: vec![0.0], missing: 0.0 }
            }
        };
        Baseline { feature: 0, rule }
    }

    /// The feature's place in the model's schema.
    pub fn feature(&self) -> usize {
        self.feature
    }

    /// What kind of rule it is, for reports.
    pub fn name(&self) -> &'static str {
        match self.rule {
            Rule::Recency { .. } => "recency rule",
            Rule::Bins { .. } | Rule::Levels { .. } => "best single feature",
        }
    }

    /// The rows' scores, growing with the target.
    pub fn scores(&self, rows: &Rows) -> Vec<f64> {
        rows.iter().map(|row| self.rule.score(row[self.feature])).collect()
    }
}

impl Rule {
    fn of_rates(data: &Dataset<'_>, feature: usize) -> Rule {
        let (cells, target, weight) = (data.cells(feature), data.targets(), data.weights());
        match data.levels(feature) {
            Some(levels) => {
                let place = |cell: f64| match cell.is_nan() {
                    true => levels,
                    false if cell == UNKNOWN_LEVEL => levels + 1,
                    false => cell as usize,
                };
                let mut rates = rates(&cells, &target, &weight, levels + 2, place);
                let (unknown, missing) = (rates.pop(), rates.pop());
                let last = |rate: Option<f64>| rate.expect("two places follow the levels");
                Rule::Levels { rates, unknown: last(unknown), missing: last(missing) }
            }
            None => {
                let mut sorted: Vec<f64> = cells.iter().copied().filter(|x| !x.is_nan()).collect();
                sorted.sort_by(f64::total_cmp);
                let mut cuts: Vec<f64> = (1..BINS)
                    .filter_map(|bin| sorted.get(sorted.len() * bin / BINS).copied())
                    .collect();
                cuts.dedup();
                let bins = cuts.len() + 1;
                let place = |cell: f64| match cell.is_nan() {
                    true => bins,
                    false => bin_of(&cuts, cell),
                };
                let mut rates = rates(&cells, &target, &weight, bins + 1, place);
                let missing = rates.pop().expect("missing follows the bins");
                Rule::Bins { cuts, rates, missing }
            }
        }
    }

    fn score(&self, cell: f64) -> f64 {
        match self {
            Rule::Recency { missing, .. }
            | Rule::Bins { missing, .. }
            | Rule::Levels { missing, .. }
                if cell.is_nan() =>
            {
                *missing
            }
            Rule::Recency { sign, .. } => sign * cell,
            Rule::Bins { cuts, rates, .. } => rates[bin_of(cuts, cell)],
            Rule::Levels { unknown, .. } if cell == UNKNOWN_LEVEL => *unknown,
            Rule::Levels { rates, .. } => rates[cell as usize],
        }
    }

    /// Whether it can score every row of so many levels (`None`: of a number).
    pub(crate) fn is_sound(&self, levels: Option<usize>) -> bool {
        match self {
            Rule::Recency { sign, missing } => {
                levels.is_none() && sign.abs() == 1.0 && missing.is_finite()
            }
            Rule::Bins { cuts, rates, missing } => {
                levels.is_none()
                    && rates.len() == cuts.len() + 1
                    && rates.iter().chain([missing]).all(|r| r.is_finite())
            }
            Rule::Levels { rates, unknown, missing } => {
                levels == Some(rates.len())
                    && rates.iter().chain([unknown, missing]).all(|r| r.is_finite())
            }
        }
    }
}

/// The bin of a number: `cuts[bin - 1] < x <= cuts[bin]`.
fn bin_of(cuts: &[f64], x: f64) -> usize {
    cuts.partition_point(|&cut| cut < x)
}

/// The target rate of each place, drawn towards the base rate where rows are few.
fn rates(
    cells: &[f64],
    target: &[bool],
    weight: &[f64],
    places: usize,
    place: impl Fn(f64) -> usize,
) -> Vec<f64> {
    let (mut hits, mut all) = (vec![0.0; places], vec![0.0; places]);
    for ((&cell, &target), &weight) in cells.iter().zip(target).zip(weight) {
        let place = place(cell);
        all[place] += weight;
        hits[place] += if target { weight } else { 0.0 };
    }
    let base = hits.iter().sum::<f64>() / all.iter().sum::<f64>();
    hits.iter().zip(&all).map(|(h, a)| (h + SMOOTHING * base) / (a + SMOOTHING)).collect()
}

/// At most [`MOST_ROWS`] of the rows, those with the lowest hash, in order.
fn thin(rows: &[u32]) -> Vec<u32> {
    let mut kept = rows.to_vec();
    if kept.len() > MOST_ROWS {
        kept.sort_unstable_by_key(|&row| mix2(1, u64::from(row)));
        kept.truncate(MOST_ROWS);
        kept.sort_unstable();
    }
    kept
}
