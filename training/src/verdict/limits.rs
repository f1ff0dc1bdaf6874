//! What the user asks of a model, as flags, a project or a file of conditions say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What the user asks of a model. What is `None` is not asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Highest error rate, 0 to 1.
    pub max_error_rate: Option<f64>,
    /// Highest miss rate, 0 to 1.
    pub max_miss_rate: Option<f64>,
    /// Lowest area under the ROC curve, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_auc: Option<f64>,
    /// Lowest average precision, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_average_precision: Option<f64>,
    /// Highest expected calibration error, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ece: Option<f64>,
    /// Highest mean log loss, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_log_loss: Option<f64>,
    /// Highest mean squared error of the probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_brier_score: Option<f64>,
    /// What it must beat besides the simple rule: `recency`, `base`, or another model by its path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_beat: Vec<String>,
    /// How sure the limits must be kept, 0.5 to 1; also of every interval shown.
    pub confidence: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_error_rate: None,
            max_miss_rate: None,
            min_auc: None,
            min_average_precision: None,
            max_ece: None,
            max_log_loss: None,
            max_brier_score: None,
            must_beat: Vec::new(),
            confidence: 0.95,
        }
    }
}

impl Limits {
    /// Whether any of the two rates is limited.
    pub(super) fn of_rates(&self) -> bool {
        self.max_error_rate.is_some() || self.max_miss_rate.is_some()
    }

    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        for (name, limit, most) in [
            ("max_error_rate", self.max_error_rate, 1.0),
            ("max_miss_rate", self.max_miss_rate, 1.0),
            ("min_auc", self.min_auc, 1.0),
            ("min_average_precision", self.min_average_precision, 1.0),
            ("max_ece", self.max_ece, 1.0),
            ("max_log_loss", self.max_log_loss, f64::MAX),
            ("max_brier_score", self.max_brier_score, 1.0),
        ] {
            if let Some(limit) = limit.filter(|limit| !(0.0..=most).contains(limit)) {
                let range =
                    if most == 1.0 { "0 to 1, as 0.45 for 45 %" } else { "a number of at least 0" };
                return Err(Error::BadOptions(format!(
                    "limits.{name} = {limit}: expected {range}"
                )));
            }
        }
        match (0.5..1.0).contains(&self.confidence) {
            true => Ok(()),
            false => Err(Error::BadOptions(format!(
                "limits.confidence = {}: expected 0.5 to below 1, as 0.95",
                self.confidence
            ))),
        }
    }
}
