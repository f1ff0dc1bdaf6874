//! What every request can see.

use std::sync::Arc;

use crate::counters::Counters;
use crate::registry::LoadedModels;

/// The application's one state.
pub(crate) struct AppState {
    pub models: Arc<LoadedModels>,
    pub counters: Counters,
    pub max_body_bytes: usize,
    pub max_customers: usize,
}
