//! What was estimated without answers beside what came true, once answers are known.

use rekindle_models::metrics::{Confusion, Interval, Judged, Ranked};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::drift::estimate::{Estimate, Unanswered, variance};

/// What came true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matured {
    /// Rows whose answer is known.
    pub rows: usize,
    /// Of these, positives.
    pub positives: usize,
    /// Figure by figure.
    pub figures: Vec<CameTrue>,
    /// Weight of the positives that the probabilities promised.
    pub expected_positives: f64,
    /// Weight of the positives.
    pub observed_positives: f64,
    /// How many standard deviations of the outcomes alone lie between the two.
    pub z: f64,
    /// How likely so large a one is where the probabilities are right.
    pub p_value: f64,
}

/// An estimate beside the truth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CameTrue {
    /// `error_rate`, `miss_rate`, `base_rate` or `roc_auc`.
    pub figure: &'static str,
    /// What was estimated of the same rows, without their answers.
    pub estimated: Interval,
    /// What came true; null where it is not defined.
    pub came_true: f64,
    /// Whether it lies in the interval.
    pub within: bool,
}

impl Matured {
    /// The rows with their answers beside what was estimated of them.
    pub fn new(judged: &Judged<'_>, threshold: f64, estimate: &Estimate) -> Matured {
        let counts = Confusion::at(judged, threshold);
        let ranked = Ranked::new(judged);
        let truth = [
            ("error_rate", estimate.error_rate, counts.error_rate().unwrap_or(f64::NAN)),
            ("miss_rate", estimate.miss_rate, counts.miss_rate().unwrap_or(f64::NAN)),
            ("base_rate", estimate.base_rate, judged.base_rate()),
            ("roc_auc", estimate.roc_auc, ranked.roc_auc(ranked.weights())),
        ];
        let figures = truth.map(|(figure, estimated, came_true)| {
            let within = (estimated.low..=estimated.high).contains(&came_true);
            CameTrue { figure, estimated, came_true, within }
        });
        let rows = || judged.probability.iter().zip(judged.weight);
        let expected: f64 = rows().map(|(p, w)| p * w).sum();
        let observed = counts.true_positives + counts.false_negatives;
        let unanswered = Unanswered {
            probability: judged.probability,
            weight: Some(judged.weight),
            group: judged.group,
        };
        let z = (observed - expected) / variance(&unanswered, threshold).deviation();
        Matured {
            rows: judged.len(),
            positives: judged.positives(),
            figures: figures.to_vec(),
            expected_positives: expected,
            observed_positives: observed,
            z,
            p_value: 2.0 * Normal::standard().sf(z.abs()),
        }
    }

    /// Whether the rates that came true lie where they were estimated.
    pub fn held(&self) -> bool {
        self.figures.iter().all(|figure| figure.within || figure.came_true.is_nan())
    }
}
