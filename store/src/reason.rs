//! Why a customer has its score, as it is kept: in words, in each language. The store does not look into them.

use serde::{Deserialize, Serialize};

use crate::cell::misfit;
use crate::check::Check;
use crate::error::Result;

/// What moved a customer's score, in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredReason {
    /// The feature that says it.
    pub feature: String,
    /// How far it moved the margin (log odds, before calibration).
    pub contribution: f64,
    /// In English.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

/// Whether these can be kept.
pub(crate) fn check(check: Check, reasons: &[StoredReason]) -> Result<()> {
    reasons.iter().try_for_each(|reason| {
        check.number("a reason's contribution", reason.contribution)?;
        check.text("a reason's feature", &reason.feature)?;
        check.may_be_text("a reason's english", Some(&reason.english))?;
        check.may_be_text("a reason's chinese", Some(&reason.chinese))
    })
}

/// Reasons that have been looked at, as JSON; nothing of none.
pub(crate) fn written(reasons: &[StoredReason]) -> Option<String> {
    let text = || serde_json::to_string(reasons).expect("texts and finite numbers are JSON");
    (!reasons.is_empty()).then(text)
}

/// Reasons as they are kept.
pub(crate) fn told(text: Option<&str>) -> sqlx::Result<Vec<StoredReason>> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let reasons: Vec<StoredReason> =
        serde_json::from_str(text).map_err(|error| misfit("reasons", &error))?;
    let fit = check(Check { noun: "reasons", place: 1 }, &reasons);
    fit.map_err(|error| misfit("reasons", &error))?;
    Ok(reasons)
}
