//! How good a model is on validation rows: a line of the curve.

use rekindle_models::classifiers::boosting::FittedBoosting;
use rekindle_models::dataset::Dataset;
use rekindle_models::metrics::{Auc, Confusion, Interval, Judged, Ranked, effective_rows, wilson};
use rekindle_models::seed::mix2;
use rekindle_models::threshold::Threshold;

use crate::error::Result;
use crate::options::FitOptions;
use crate::roles::Roles;
use crate::select::Step;

/// A model's figures.
pub struct Figures {
    auc: Auc,
    /// That of no model at all.
    nothing: Auc,
    group: Vec<u64>,
    error_rate: Interval,
    miss_rate: Interval,
    roc_auc: Interval,
    confidence: f64,
}

impl Figures {
    /// Judges a model on the rows of a dataset. The threshold is chosen on one half of the customers for the other,
    /// and the other way round.
    pub fn new(
        model: &FittedBoosting,
        data: &Dataset<'_>,
        roles: &Roles,
        options: &FitOptions,
    ) -> Result<Figures> {
        let margins = model.margins(&data.to_rows());
        let scores: Vec<f64> = margins.into_iter().map(|m| 1.0 / (1.0 + (-m).exp())).collect();
        let (target, weight) = (data.targets(), data.weights());
        let group: Vec<u64> = data.rows.iter().map(|&row| roles.keys[row as usize]).collect();
        let gains = roles.gains(data.rows, &target);
        let gains = gains.as_deref();
        let judged =
            Judged { probability: &scores, target: &target, weight: &weight, group: Some(&group) };
        let predicted = decisions(&judged, &group, gains, options)?;
        let decided: Vec<f64> = predicted.iter().map(|p| f64::from(u8::from(*p))).collect();
        let by_decision =
            Judged { probability: &decided, target: &target, weight: &weight, group: None };
        let counts = Confusion::at(&by_decision, 0.5);
        let rate = |share: Option<f64>, of: &[bool]| {
            let rows =
                effective_rows(weight.iter().zip(of).filter(|(_, of)| **of).map(|(w, _)| *w));
            let value = share.unwrap_or(f64::NAN);
            let (low, high) = match share {
                Some(value) => wilson(value, rows, options.limits.confidence),
                None => (f64::NAN, f64::NAN),
            };
            Interval { value, low, high }
        };
        let (error_rate, miss_rate) =
            (rate(counts.error_rate(), &predicted), rate(counts.miss_rate(), &target));
        let confidence = options.limits.confidence;
        let alike = vec![0.5; scores.len()];
        let auc = |probability| Auc::new(&Ranked::new(&Judged { probability, ..judged }));
        let (nothing, auc) = (auc(&alike), auc(&scores));
        let roc_auc = auc.interval(Some(&group), confidence);
        Ok(Figures { auc, nothing, error_rate, miss_rate, roc_auc, confidence, group })
    }

    /// Area under the ROC curve.
    pub fn roc_auc(&self) -> f64 {
        self.roc_auc.value
    }

    /// The line of the curve for a model of `dimensions` features out of those `tried`, after another.
    pub fn step(
        &self,
        step: String,
        (tried, dimensions): (usize, usize),
        before: Option<&Figures>,
    ) -> Step {
        let before = before.map_or(&self.nothing, |before| &before.auc);
        let gain = self.auc.gain(before, Some(&self.group), self.confidence);
        Step {
            step,
            tried,
            dimensions,
            error_rate: self.error_rate,
            miss_rate: self.miss_rate,
            roc_auc: self.roc_auc,
            gain,
        }
    }
}

/// Who is predicted positive, each by the threshold of the other half.
fn decisions(
    judged: &Judged<'_>,
    group: &[u64],
    gains: Option<&[f64]>,
    options: &FitOptions,
) -> Result<Vec<bool>> {
    let Judged { probability: scores, target, weight, .. } = *judged;
    let half = |row: usize| mix2(options.seed, group[row]) >> 63 == 1;
    let rule = options.threshold_rule();
    let mut predicted = vec![false; scores.len()];
    for side in [false, true] {
        let rows: Vec<usize> = (0..scores.len()).filter(|&row| half(row) == side).collect();
        let positives = rows.iter().filter(|&&row| target[row]).count();
        // A half of one class chooses no threshold: then the whole does.
        let whole: Vec<usize> = (0..scores.len()).collect();
        let choose = if positives == 0 || positives == rows.len() { &whole } else { &rows };
        let pick = |of: &[f64]| -> Vec<f64> { choose.iter().map(|&row| of[row]).collect() };
        let targets: Vec<bool> = choose.iter().map(|&row| target[row]).collect();
        let gains = gains.map(pick);
        let (scores_there, weights) = (pick(scores), pick(weight));
        let threshold =
            Threshold::choose(rule, &scores_there, &targets, &weights, gains.as_deref())?;
        for row in (0..scores.len()).filter(|&row| half(row) != side) {
            predicted[row] = scores[row] >= threshold.value;
        }
    }
    Ok(predicted)
}
