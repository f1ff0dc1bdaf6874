//! Which versions of models answer, changed with a line in the audit log. Speaks no HTTP.

use std::sync::Arc;

use actix_web::web;

use crate::error::ApiError;
use crate::model::Served;
use crate::registry::Change;
use crate::state::{About, AppState, Asker};

/// Writes what is asked for to the audit log, does it, and writes what came of it. `action` is the audit log's word.
///
/// # Errors
/// When it cannot be written down before, so that it is not done; or with what it failed of.
pub async fn changed(
    state: &web::Data<AppState>,
    asker: Asker,
    name: String,
    action: &'static str,
    change: Change,
) -> Result<Arc<Served>, ApiError> {
    let version = match change {
        Change::Promote(version) | Change::Shadow(Some(version)) => Some(version),
        Change::Canary(canary) => canary.map(|(version, _)| version),
        Change::Rollback | Change::Shadow(None) => None,
    };
    let data = state.clone();
    let done = state.heavy.run(state.deadline(), move || {
        // What cannot be written down is not done.
        let about = About::Model(&name, version);
        data.audited(&asker, action, about, "asked")?;
        let done = data.models.change(&name, change);
        let outcome = done.as_ref().map_or_else(ApiError::code, |_| "done");
        // It is done all the same: that the line is not there degrades the service and is in its log.
        drop(data.audited(&asker, action, about, outcome));
        done
    });
    done.await?
}

/// The share of a canary.
///
/// # Errors
/// When it is none.
pub fn share(share: f64) -> Result<f64, ApiError> {
    match share > 0.0 && share < 1.0 {
        true => Ok(share),
        false => Err(ApiError::InvalidQuery {
            reason: format!("share is {share}, expected a number between 0 and 1"),
        }),
    }
}
