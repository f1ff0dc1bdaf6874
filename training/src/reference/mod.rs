//! The reference population of a model, told compactly and without anyone's data, for later tables to be compared with.
//! Compares nothing: `drift` does.

mod check;
mod spread;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use rayon::prelude::*;
use rekindle_models::artifact::ReferencePopulation;
use rekindle_models::dataset::Dataset;
use rekindle_models::metrics::{Judged, effective_rows};

pub(crate) use check::log_odds;
use spread::{FEATURE_BINS, PROBABILITY_BINS, levels, numbers};

/// What the calibration rows were like: `data` and what was said of them. How far probabilities are off is told of
/// `test`, which neither the model nor the calibration has seen; without it of the calibration rows themselves. `judged`
/// need not be true where `answered` is not.
///
/// Cost: a sort of each feature's cells, on all cores.
pub fn reference(
    data: &Dataset<'_>,
    judged: &Judged<'_>,
    threshold: f64,
    test: Option<&Judged<'_>>,
    answered: bool,
) -> ReferencePopulation {
    let weight = judged.weight;
    let of_feature = |feature: usize| {
        let cells = data.cells(feature);
        match data.levels(feature) {
            None => numbers(&cells, weight, FEATURE_BINS),
            Some(count) => levels(&cells, weight, count),
        }
    };
    let total: f64 = weight.iter().sum();
    let mean = |of: &dyn Fn(f64) -> f64| {
        judged.probability.iter().zip(weight).map(|(&p, w)| w * of(p)).sum::<f64>() / total
    };
    let calibration = match test {
        Some(test) => check::check(test, true),
        None if answered => check::check(judged, false),
        None => None,
    };
    ReferencePopulation {
        rows: judged.len(),
        effective_rows: independent_rows(judged.weight, judged.group),
        features: (0..data.features.len()).into_par_iter().map(of_feature).collect(),
        probabilities: numbers(judged.probability, weight, PROBABILITY_BINS),
        mean_probability: mean(&|p| p),
        predicted_positive: mean(&|p| f64::from(u8::from(p >= threshold))),
        calibration,
    }
}

/// Rows of equal weight that tell as much as these: of each customer's rows, which are alike, one.
pub(crate) fn independent_rows(weight: &[f64], customer: Option<&[u64]>) -> f64 {
    let rows = effective_rows(weight.iter().copied());
    match customer {
        None => rows,
        Some(keys) => rows.min(keys.iter().collect::<HashSet<_>>().len() as f64),
    }
}
