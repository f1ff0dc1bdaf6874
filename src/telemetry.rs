//! Around every request: its id, who may come in, what is counted and logged of it, and headers of every answer. Bodies,
//! paths and customers are never logged.

use std::cell::RefCell;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use futures_util::{FutureExt, Stream, StreamExt};
use prometheus::IntGauge;
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::{ApiError, Protocol};
use crate::gate;
use crate::settings::{LogFormat, LogLevel};
use crate::spans::{Answered, TraceParent};
use crate::state::{AppState, Asker};

/// Writes log lines to standard error from now on. Called once, by the binary.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // It calls a client's broken request an error of the service's.
    let targets = Targets::new().with_default(level).with_target("actix_http", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(targets)).init();
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// One request that is being answered, until it is dropped.
struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Lets a request in or refuses it, has it answered, and tells what came of it.
pub(crate) async fn observe<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let start = Instant::now();
    let body = (request.version() == Version::HTTP_2).then(|| Shared::of(&mut request));
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    state.counters.in_flight.inc();
    let _in_flight = InFlight(state.counters.in_flight.clone());
    let id = request_id(&request);
    let trace = request.headers().get(TRACE_PARENT);
    let trace = trace.and_then(|header| TraceParent::parse(header.to_str().ok()?));
    let protocol = Protocol::of(gate::path_of(&request));
    let secure = state.settings.tls_certificate.is_some();
    let response = match gate::admit(&request, &state, start) {
        Err(error) => request.into_response(error.reply(protocol)).map_into_right_body(),
        Ok(asker) => {
            let path = gate::path_of(&request);
            if gate::changes(request.method().as_str(), path) || gate::is_page(path) {
                let request_id = id.to_str().unwrap_or_default().to_owned();
                request.extensions_mut().insert(Asker { request_id, ..asker });
            }
            let method = known_method(request.method().as_str());
            let route = request.match_pattern();
            let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
            let Ok(response) = answered else {
                let route = route.as_deref().unwrap_or("unknown");
                state.counters.request(method, route, "500", start.elapsed());
                let request_id = id.to_str().unwrap_or_default();
                tracing::error!(method, route, request_id, "a request panicked");
                return Err(Panicked { protocol, id, secure }.into());
            };
            let response = response?;
            in_form(response, protocol, &id)
        }
    };
    let took = start.elapsed();
    let status = response.status();
    // A method or path that a client made up must not become a label.
    let method = known_method(response.request().method().as_str());
    let route = response.request().match_pattern();
    let route = route.as_deref().unwrap_or("unknown");
    state.counters.request(method, route, status.as_str(), took);
    tracing::info!(
        method,
        route,
        status = status.as_u16(),
        microseconds = took.as_micros() as u64,
        request_id = id.to_str().unwrap_or_default(),
        trace_id = trace.as_ref().map(|trace| trace.trace_id.as_str()),
        "request"
    );
    if let Some(spans) = &state.spans {
        let (status, request_id) = (status.as_u16(), id.to_str().unwrap_or_default());
        let parent = trace.as_ref();
        spans.record(&Answered { method, route, status, took, request_id, parent });
    }
    let mut response = response;
    let is_page = route.starts_with("/docs");
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    harden(headers, secure, is_page);
    if let Some(body) = body.filter(|_| !status.is_success()) {
        take_the_rest(body).await;
    }
    Ok(response)
}

/// A body that is still there when its handler has let go of it.
#[derive(Clone)]
struct Shared(Rc<RefCell<Payload>>);

impl Shared {
    fn of(request: &mut ServiceRequest) -> Shared {
        let shared = Shared(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(shared.clone()) });
        shared
    }
}

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// Takes what a refused request still sends, if it is not much: over HTTP/2 the stream is reset where it was not taken,
/// and clients then do not look at the answer.
async fn take_the_rest(mut payload: Shared) {
    const MOST: usize = 1 << 20;
    let mut taken = 0;
    let rest = async {
        while let Some(Ok(piece)) = payload.next().await {
            taken += piece.len();
            if taken > MOST {
                return;
            }
        }
    };
    // Who sends slowly is cut off.
    drop(timeout(Duration::from_secs(1), rest).await);
}

/// A request whose handler panicked: nothing is left of it but this.
#[derive(Debug)]
struct Panicked {
    protocol: Protocol,
    id: HeaderValue,
    secure: bool,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a request panicked")
    }
}

impl ResponseError for Panicked {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = ApiError::Internal { reason: self.to_string() }.reply(self.protocol);
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
        harden(response.headers_mut(), self.secure, false);
        response
    }
}

/// An error in its protocol's own form; what is internal is logged.
fn in_form<B: MessageBody>(
    response: ServiceResponse<B>,
    protocol: Protocol,
    id: &HeaderValue,
) -> ServiceResponse<EitherBody<B>> {
    let error = response.response().error().and_then(|e| e.as_error::<ApiError>());
    let Some(error) = error else { return response.map_into_left_body() };
    if let Some(reason) = error.internal_reason() {
        tracing::error!(request_id = id.to_str().unwrap_or_default(), reason, "request failed");
    }
    if protocol == Protocol::Own {
        return response.map_into_left_body();
    }
    let reply = error.reply(protocol);
    response.into_response(reply).map_into_right_body()
}

fn known_method(method: &str) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];
    known.into_iter().find(|name| *name == method).unwrap_or("other")
}

/// Headers that keep browsers from doing more with an answer than they should.
fn harden(headers: &mut HeaderMap, secure: bool, is_page: bool) {
    const PAGE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                        frame-ancestors 'none'";
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Style sheets say themselves how long they may be kept.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // What shows no page has nothing to run, to frame or to refer from: JSON is not looked into.
    if is_page {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
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
            let mut id = String::with_capacity(32);
            write!(id, "{:016x}-{count}", *PREFIX).expect("a text takes every write");
            HeaderValue::from_str(&id).expect("digits and a hyphen make a header value")
        }
    }
}
