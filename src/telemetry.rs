//! Log lines and counts for every request. Bodies are never logged.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web;
use tracing::level_filters::LevelFilter;

use crate::error::ApiError;
use crate::settings::{LogFormat, LogLevel};
use crate::state::AppState;

/// Writes log lines to standard error from now on. Called once, by the binary.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Around every request: its log line, its counts, and its id, which the reply carries.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let start = Instant::now();
    let id = request_id(&request);
    let mut response = next.call(request).await?;
    let took = start.elapsed();
    let status = response.status();
    let request = response.request();
    let (method, path) = (request.method().as_str(), request.path());
    if let Some(state) = request.app_data::<web::Data<AppState>>() {
        // A method that a client made up must not become a label.
        let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
        let method = if known.contains(&method) { method } else { "other" };
        let route = request.match_pattern();
        let route = route.as_deref().unwrap_or("unknown");
        state.counters.request(method, route, status.as_str(), took.as_secs_f64());
    }
    let request_id = id.to_str().unwrap_or_default();
    tracing::info!(
        method,
        path,
        status = status.as_u16(),
        microseconds = took.as_micros() as u64,
        request_id,
        "request"
    );
    let error = response.response().error().and_then(|e| e.as_error::<ApiError>());
    if let Some(reason) = error.and_then(ApiError::internal_reason) {
        tracing::error!(request_id, reason, "request failed");
    }
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

/// The client's own id where it is short and plain, else a new one: the process's random prefix
/// and a count.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    static PREFIX: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let plain = |id: &&HeaderValue| {
        (1..=64).contains(&id.len())
            && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    match request.headers().get(REQUEST_ID).filter(plain) {
        Some(id) => id.clone(),
        None => {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            HeaderValue::from_str(&format!("{:016x}-{count}", *PREFIX))
                .expect("digits and a hyphen make a header value")
        }
    }
}
