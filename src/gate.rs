//! Who may come in: looked at before anything of a request's body is read.

use std::rc::Rc;
use std::time::{Instant, SystemTime};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName, ORIGIN};

use crate::error::{ApiError, Protocol};
use crate::keys::{Caller, KeyRing, Scope, claimed_id};
use crate::lag::Lag;
use crate::state::{AppState, Asker};

/// Where a key stands that is not sent as `Authorization: Bearer`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The path that the table of URLs is asked for: letters that a client has escaped needlessly are plain in it, so that
/// `%3Apromote` is judged as what it does.
pub fn path_of(request: &ServiceRequest) -> &str {
    request.match_info().as_str()
}

/// What a key must be good for to ask this; `None` where nobody is asked for one. `path` may be a pattern.
pub fn scope_of(method: &str, path: &str) -> Option<Scope> {
    match path {
        // Pages ask for sessions themselves.
        _ if is_page(path) => None,
        "/v2" | "/ping" | "/health" | "/version" | "/openapi.json" => None,
        _ if path.starts_with("/health/") || path.starts_with("/v2/health/") => None,
        _ if path == "/docs" || path.starts_with("/docs/") => None,
        _ if is_administrative(path) => Some(Scope::Admin),
        _ if path.starts_with("/v1/reactivation/") || changes(method, path) => Some(Scope::Plan),
        // Whole lists of customers are for those who contact them.
        _ if path.starts_with("/v1/campaigns/") && path.ends_with("/list") => Some(Scope::Plan),
        _ if method == "POST" => Some(Scope::Score),
        _ => Some(Scope::Read),
    }
}

/// Whether a path is that of a page for people.
pub fn is_page(path: &str) -> bool {
    Protocol::of(path) == Protocol::Page
}

/// Whether a path changes what is served.
pub fn is_administrative(path: &str) -> bool {
    path.starts_with("/v1/models/") && path.contains(':')
}

/// Whether a request changes what is served, or what is kept of customers.
pub fn changes(method: &str, path: &str) -> bool {
    let campaigns = path == "/v1/campaigns" || path.starts_with("/v1/campaigns/");
    is_administrative(path) || campaigns && !matches!(method, "GET" | "HEAD")
}

/// Lets a request in, and says who asks.
///
/// # Errors
/// When it has no key that is good for what it asks, comes too often, or there is too much to do.
pub fn admit(request: &ServiceRequest, state: &AppState, now: Instant) -> Result<Asker, ApiError> {
    let path = path_of(request);
    let method = request.method().as_str();
    let (needs, changes) = (scope_of(method, path), changes(method, path));
    let caller = match (&state.keys, needs) {
        (Some(keys), Some(scope)) => Some(known(request, keys, scope)?),
        (None, Some(scope)) if changes && !state.settings.listen.ip().is_loopback() => {
            // --allow-without-keys lets anyone score, not change what is served or kept.
            return Err(ApiError::Forbidden { scope: scope.word() });
        }
        _ => None,
    };
    if changes && from_foreign_page(request, state) {
        return Err(ApiError::ForeignPage);
    }
    let document = path.starts_with("/docs") || path == "/openapi.json";
    let probe = needs.is_none() && !document && !is_page(path);
    if !probe && !path.starts_with("/assets/") {
        limited(request, state, caller.as_ref())?;
    }
    // Whoever looks after the service must get in when it is late.
    let urgent = probe || needs == Some(Scope::Admin) || path == "/metrics";
    let late = request.app_data::<Rc<Lag>>().map(|lag| lag.at(now)).unwrap_or_default();
    if !urgent && late.as_millis() as u64 > state.settings.max_lag_ms {
        state.counters.shed("lag");
        return Err(ApiError::Overloaded);
    }
    Ok(Asker { caller, request_id: String::new() })
}

/// Whether a page of another origin asks: a browser sends simple requests of any page to any address, loopback too.
fn from_foreign_page(request: &ServiceRequest, state: &AppState) -> bool {
    let origin = request.headers().get(ORIGIN).map(|origin| origin.as_bytes());
    origin.is_some_and(|origin| {
        state.settings.cors_origins.iter().all(|allowed| allowed.as_bytes() != origin)
    })
}

/// Whose key a request has. What is wrong with a key is logged, and not told.
fn known(request: &ServiceRequest, keys: &KeyRing, scope: Scope) -> Result<Caller, ApiError> {
    let headers = request.headers();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()));
    let token = bearer.or_else(|| headers.get(API_KEY).and_then(|value| value.to_str().ok()));
    let Some(token) = token else { return Err(ApiError::Unauthorized) };
    let caller = keys.verify(token, SystemTime::now()).map_err(|refused| {
        tracing::warn!(key = claimed_id(token), reason = refused.word(), "a key was refused");
        ApiError::Unauthorized
    })?;
    match caller.allows(scope) {
        true => Ok(caller),
        false => Err(ApiError::Forbidden { scope: scope.word() }),
    }
}

/// That a caller does not come too often: by key, or by address where there are no keys.
fn limited(
    request: &ServiceRequest,
    state: &AppState,
    caller: Option<&Caller>,
) -> Result<(), ApiError> {
    let in_time = match (caller, request.peer_addr()) {
        (Some(caller), _) => state.rates.check(&caller.id, caller.per_second),
        (None, Some(peer)) => state.rates.check_peer(peer.ip()),
        (None, None) => Ok(()),
    };
    in_time.map_err(|wait| {
        state.counters.shed("rate");
        ApiError::TooManyRequests { wait }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_campaigns_or_lists_customers_takes_the_scope_plan() {
        let check = |method, path, scope| assert_eq!(scope_of(method, path), Some(scope), "{path}");
        check("POST", "/v1/reactivation/plan", Scope::Plan);
        check("POST", "/v1/campaigns", Scope::Plan);
        check("POST", "/v1/campaigns/spring:start", Scope::Plan);
        check("POST", "/v1/campaigns/spring/outcomes", Scope::Plan);
        check("GET", "/v1/campaigns/spring/list", Scope::Plan);
        check("GET", "/v1/campaigns/spring/effect", Scope::Read);
        check("GET", "/v1/campaigns", Scope::Read);
        check("POST", "/v1/score", Scope::Score);
        check("POST", "/v1/models/churn:rollback", Scope::Admin);
        assert!(changes("POST", "/v1/campaigns/spring:deliver"));
        assert!(changes("POST", "/v1/models/churn:rollback"));
        assert!(!changes("HEAD", "/v1/campaigns") && !changes("POST", "/v1/score"));
    }
}
