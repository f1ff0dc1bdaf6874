//! How good a version of a model was when it was judged, and what it is: what of its manifest pages tell. Versions never
//! change, so this is read once.

use std::time::SystemTime;

use rekindle_models::artifact::{
    Manifest, Share, TargetEntry, ThresholdEntry, TimeRange, VerdictEntry,
};
use rekindle_models::metrics::Interval;
use serde_json::Value;

/// Features of the largest influence that are kept.
const INFLUENCE: usize = 10;

/// What of a version is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Which classifier it is.
    pub classifier: String,
    /// The question it answers.
    pub target: TargetEntry,
    /// Who the question is asked of, in the user's words.
    pub population: String,
    /// Its features, in the order of its rows.
    pub features: Vec<String>,
    /// From which probability a customer is predicted positive.
    pub threshold: ThresholdEntry,
    /// Whether it is good for use.
    pub verdict: Option<VerdictEntry>,
    /// Its judgement; `None` where it was not judged.
    pub judged: Option<Judged>,
    /// First and last time of the training rows.
    pub training_time: Option<TimeRange>,
    /// Rows it learned from.
    pub training_rows: usize,
    /// What its predictions rest on most.
    pub influence: Vec<Share>,
    /// When its file was written, where the file says so.
    pub written: Option<SystemTime>,
}

/// A judgement on rows that were not learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Rows judged.
    pub rows: u64,
    /// The confidence of intervals, where it is told.
    pub confidence: Option<f64>,
    /// Share of rows with the target.
    pub base_rate: Option<Interval>,
    /// Of the predicted, those without the target.
    pub error_rate: Option<Interval>,
    /// Of those with the target, those that were not predicted.
    pub miss_rate: Option<Interval>,
    /// Area under the ROC curve.
    pub roc_auc: Option<Interval>,
    /// Average precision.
    pub average_precision: Option<Interval>,
    /// Expected calibration error.
    pub ece: Option<Interval>,
    /// Mean log loss.
    pub log_loss: Option<Interval>,
}

impl Figures {
    /// Those of a manifest.
    pub fn of(manifest: &Manifest, written: Option<SystemTime>) -> Figures {
        let shares = manifest.influence.as_ref().map(|influence| influence.features.as_slice());
        Figures {
            classifier: manifest.classifier.clone(),
            target: manifest.target.clone(),
            population: manifest.population.clone(),
            features: manifest.features.iter().map(|feature| feature.name.clone()).collect(),
            threshold: manifest.threshold.clone(),
            verdict: manifest.verdict.clone(),
            judged: manifest.metrics.as_ref().map(Judged::of),
            training_time: manifest.training_time.clone(),
            training_rows: manifest.rows.train.rows,
            influence: shares.unwrap_or_default().iter().take(INFLUENCE).cloned().collect(),
            written,
        }
    }
}

impl Judged {
    /// Reads a judgement as `report.json` has it; what it lacks is not known.
    fn of(metrics: &Value) -> Judged {
        let interval = |name: &str| interval(metrics, name);
        Judged {
            rows: metrics["rows"].as_u64().unwrap_or(0),
            confidence: metrics["limits"]["confidence"].as_f64(),
            base_rate: interval("base_rate"),
            error_rate: interval("error_rate"),
            miss_rate: interval("miss_rate"),
            roc_auc: interval("roc_auc"),
            average_precision: interval("average_precision"),
            ece: interval("ece"),
            log_loss: interval("log_loss"),
        }
    }
}

/// A figure of a judgement between its bounds, NaN where there is none; `None` where the figure itself is not known, as
/// the error rate where nobody is predicted positive.
pub fn interval(metrics: &Value, name: &str) -> Option<Interval> {
    let part = |key: &str| metrics[name][key].as_f64();
    let bound = |key: &str| part(key).unwrap_or(f64::NAN);
    Some(Interval { value: part("value")?, low: bound("low"), high: bound("high") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_that_are_null_or_absent_are_not_known() {
        let judged = Judged::of(&json!({
            "rows": 900,
            "limits": {"confidence": 0.95},
            "error_rate": {"value": null, "low": null, "high": null},
            "miss_rate": {"value": 0.2, "low": 0.1, "high": 0.3},
            "roc_auc": {"value": 0.8, "low": null, "high": null},
        }));
        assert_eq!((judged.rows, judged.confidence), (900, Some(0.95)));
        assert_eq!(judged.error_rate, None);
        assert_eq!(judged.miss_rate, Some(Interval { value: 0.2, low: 0.1, high: 0.3 }));
        assert!(judged.roc_auc.unwrap().low.is_nan() && judged.ece.is_none());
    }
}
