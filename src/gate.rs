//! Who may come in: looked at before anything of a request's body is read.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::ServiceRequest;

use crate::error::ApiError;
use crate::lag::Lag;
use crate::state::AppState;

/// What a key may be good for.
pub type Scope = &'static str;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// The key's id; `None` where there are no keys.
    pub key: Option<Arc<str>>,
    /// The request's id.
    pub request_id: String,
}

/// What a key must be good for to ask this; `None` where nobody is asked for one. `path` may be a pattern.
pub fn scope_of(method: &str, path: &str) -> Option<Scope> {
    match path {
        "/v2" | "/ping" | "/health" | "/version" | "/openapi.json" => None,
        _ if path.starts_with("/health/") || path.starts_with("/v2/health/") => None,
        _ if path == "/docs" || path.starts_with("/docs/") => None,
        _ if is_administrative(path) => Some("admin"),
        _ if path.starts_with("/v1/reactivation/") => Some("plan"),
        _ if method == "POST" => Some("score"),
        _ => Some("read"),
    }
}

/// Whether a path changes what is served.
pub fn is_administrative(path: &str) -> bool {
    path.starts_with("/v1/models/") && path.contains(':')
}

/// Lets a request in, and says who asks.
///
/// # Errors
/// When it has no key that is good for what it asks, comes too often, or there is too much to do.
pub fn admit(request: &ServiceRequest, state: &AppState, now: Instant) -> Result<Asker, ApiError> {
    let path = request.path();
    let needs = scope_of(request.method().as_str(), path);
    let asker = Asker::default();
    // Whoever looks after the service must get in when it is late.
    let urgent = matches!(needs, None | Some("admin")) || path == "/metrics";
    let late = request.app_data::<Rc<Lag>>().map(|lag| lag.at(now)).unwrap_or_default();
    if !urgent && late.as_millis() as u64 > state.settings.max_lag_ms {
        state.counters.shed("lag");
        return Err(ApiError::Overloaded);
    }
    Ok(asker)
}
