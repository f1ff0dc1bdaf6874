//! What every request can see.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::counters::Counters;
use crate::customers::Limits;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::gate::Asker;
use crate::heavy::{Deadline, Heavy};
use crate::registry::LoadedModels;
use crate::scoring::Shadows;
use crate::settings::Settings;

/// The application's one state.
pub(crate) struct AppState {
    pub settings: Settings,
    /// How much a request may hold.
    pub limits: Limits,
    pub models: Arc<LoadedModels>,
    pub shadows: Shadows,
    pub heavy: Heavy,
    /// Batches that may be read still.
    pub batches: Arc<Semaphore>,
    pub counters: Counters,
    pub faults: Faults,
}

impl AppState {
    /// When the answer of a request that has just come would be too late.
    pub fn deadline(&self) -> Deadline {
        Deadline::after(Duration::from_millis(self.settings.request_timeout_ms))
    }

    /// Writes an administrative call to the audit log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audited(
        &self,
        asker: &Asker,
        action: &'static str,
        model: &str,
        version: Option<u32>,
        outcome: &'static str,
    ) -> Result<(), ApiError> {
        let request_id = &asker.request_id;
        tracing::info!(target: "audit", key = asker.key.as_deref(), action, model, version, outcome, request_id);
        Ok(())
    }
}
