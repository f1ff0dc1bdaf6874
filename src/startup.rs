//! The application, and the servers around it: one for requests, one on a thread of its own for health and metrics, and
//! the thread that looks after what may change.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use actix_cors::Cors;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpServer, rt, web};
use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::background::Background;
use crate::counters::Counters;
use crate::customers::Limits;
use crate::deliveries;
use crate::faults::Faults;
use crate::heavy::Heavy;
use crate::kept::Kept;
use crate::kept_files::KeptFiles;
use crate::keys::KeyRing;
use crate::lag::Lag;
use crate::looks::Looks;
use crate::memory::Memory;
use crate::pages;
use crate::rates::RateLimits;
use crate::registry::LoadedModels;
use crate::routes;
use crate::scoring::Shadows;
use crate::sessions::Sessions;
use crate::settings::{Monitor, Settings};
use crate::spans::Spans;
use crate::state::AppState;
use crate::telemetry;
use crate::tls::Tls;
use crate::webhooks::Webhooks;

/// Most bytes of scored files that wait to be fetched: folders for temporary files may be small.
const KEPT_FILES_BYTES: u64 = 256 << 20;

/// A service that listens.
pub struct Service {
    server: Server,
    address: SocketAddr,
    monitor: Option<(SocketAddr, ServerHandle)>,
    state: web::Data<AppState>,
    /// Ends the thread that looks after what may change, when it is dropped.
    _watch: mpsc::Sender<()>,
    /// Sends lists to webhooks until it is dropped.
    _webhooks: Option<Background>,
}

impl Service {
    /// Loads the models and starts to listen. Must be called inside an actix runtime.
    ///
    /// # Errors
    /// When the registry cannot be read, a version in force is damaged, or the address is taken.
    pub fn start(settings: &Settings) -> anyhow::Result<Service> {
        let state = web::Data::new(state(settings)?);
        let watch = watch(state.clone())?;
        let webhooks = deliveries::start(state.clone())?;
        let monitor = match settings.monitor {
            Monitor::Off => None,
            Monitor::At(address) => Some(monitor(address, state.clone())?),
        };
        let (app, origins) = (state.clone(), settings.cors_origins.clone());
        let with_pages = settings.pages;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(app.clone())
                .app_data(Lag::watch(app.counters.clone()))
                .app_data(web::QueryConfig::default().error_handler(routes::query))
                .app_data(web::PathConfig::default().error_handler(routes::path))
                .wrap(from_fn(telemetry::observe))
                .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
                .configure(|app| {
                    if with_pages {
                        pages::urls(app)
                    }
                })
                .configure(routes::urls)
        })
        .workers(settings.workers)
        .max_connections(settings.max_connections.div_ceil(settings.workers))
        .client_request_timeout(Duration::from_millis(settings.header_timeout_ms))
        .client_disconnect_timeout(Duration::from_secs(5))
        .shutdown_timeout(settings.shutdown_timeout_seconds)
        .keep_alive(Duration::from_secs(75));
        let bound = match &state.tls {
            None => server.bind(settings.listen),
            Some(tls) => server.bind_rustls_0_23(settings.listen, tls.server_config()),
        };
        let server = bound.with_context(|| format!("failed to listen on {}", settings.listen))?;
        let address = server.addrs()[0];
        let monitored = monitor.as_ref().map(|(address, _)| tracing::field::display(*address));
        tracing::info!(%address, monitor = monitored, workers = settings.workers, "listening");
        if state.models.served().is_empty() {
            tracing::warn!(
                registry = ?settings.registry,
                "no model answers: the registry has none in force; it is the folder that `rekindle fit -o` made, not \
                 the one of a model in it, and `rekindle models promote` puts a version in force"
            );
        }
        rt::spawn(drain(state.clone()));
        Ok(Service {
            server: server.run(),
            address,
            monitor,
            state,
            _watch: watch,
            _webhooks: webhooks,
        })
    }

    /// Where it listens; tells the port where the settings left it open.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are answered on a thread of their own.
    pub fn monitor(&self) -> Option<SocketAddr> {
        self.monitor.as_ref().map(|(address, _)| *address)
    }

    /// A handle to stop it with.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Answers requests until SIGTERM, then finishes those in flight.
    ///
    /// # Errors
    /// When the sockets fail.
    pub async fn run(self) -> std::io::Result<()> {
        let done = self.server.await;
        // Probes are answered until the last request is.
        if let Some((_, monitor)) = self.monitor {
            drop(monitor.stop(false));
        }
        if let Some(spans) = &self.state.spans {
            spans.end();
        }
        done
    }
}

/// Which pages may call from a browser. Keys are sent as headers, so cookies never are.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers([
            "authorization",
            "content-type",
            "x-api-key",
            "x-request-id",
            "traceparent",
        ])
        .expose_headers(["x-request-id", "retry-after"])
        .max_age(3_600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// Says that the service ends, once it is asked to: actix finishes what was begun.
async fn drain(state: web::Data<AppState>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    terminate.recv().await;
    tracing::info!("asked to end: requests in flight are finished");
    state.draining.store(true, Ordering::Relaxed);
}

/// What every request of a service with these settings can see.
pub(crate) fn state(settings: &Settings) -> anyhow::Result<AppState> {
    let counters = Counters::new();
    let faults = Arc::new(Faults::new(counters.clone()));
    // On a thread of its own: an object store is waited for, which an event loop must not.
    let load = || LoadedModels::load(settings, counters.clone(), &faults);
    let loaded = std::thread::scope(|scope| scope.spawn(load).join());
    let models = loaded
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        .context("failed to load the models")?;
    Ok(AppState {
        draining: AtomicBool::new(false),
        limits: Limits {
            customers: settings.max_customers,
            fields: settings.max_fields,
            text_bytes: settings.max_text_bytes,
        },
        bodies: Memory::of(settings.max_bodies_bytes),
        models: Arc::new(models),
        shadows: Shadows::start()?,
        keys: settings.keys.as_deref().map(KeyRing::open).transpose()?,
        kept: settings.store.clone().map(Kept::start).transpose()?,
        people: Arc::default(),
        looks: Looks::default(),
        kept_files: KeptFiles::new(settings.max_answer_bytes.min(KEPT_FILES_BYTES)),
        sessions: Sessions::new().context("failed to draw random numbers")?,
        webhooks: settings.webhooks.as_deref().map(Webhooks::open).transpose()?,
        rates: RateLimits::new(
            NonZeroU32::new(settings.requests_per_second),
            settings.burst.and_then(NonZeroU32::new),
        ),
        audit: Audit::open(settings.audit_log.clone()).context("failed to open the audit log")?,
        tls: match (&settings.tls_certificate, &settings.tls_key) {
            (Some(chain), Some(key)) => Some(Arc::new(Tls::open(chain, key)?)),
            _ => None,
        },
        heavy: Heavy::new(settings.workers, settings.queue, counters.clone()),
        effects: Semaphore::new(1),
        looks_turn: Semaphore::new(1),
        saves_turn: Semaphore::new(1),
        batches: Arc::new(Semaphore::new(settings.max_batches)),
        spans: settings.otlp_endpoint.as_deref().map(Spans::start).transpose()?,
        counters,
        faults,
        settings: settings.clone(),
    })
}

/// The server for health and metrics, with a thread and a runtime of its own: it answers while all others are busy.
fn monitor(
    address: SocketAddr,
    state: web::Data<AppState>,
) -> anyhow::Result<(SocketAddr, ServerHandle)> {
    let (tell, told) = mpsc::channel();
    std::thread::Builder::new().name("monitor".to_owned()).spawn(move || {
        rt::System::new().block_on(async move {
            let app = state.clone();
            let server = HttpServer::new(move || {
                App::new().app_data(app.clone()).configure(routes::monitor)
            });
            let bound = server.workers(1).disable_signals().bind(address).map(|server| {
                let address = server.addrs()[0];
                (address, server.run())
            });
            match bound {
                Ok((address, server)) => {
                    drop(tell.send(Ok((address, server.handle()))));
                    if let Err(error) = server.await {
                        tracing::error!(%error, "the monitor failed");
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
    })?;
    let bound = told.recv().context("the monitor's thread ended")?;
    bound.with_context(|| {
        format!(
            "failed to answer health and metrics on {address}; name another address with --monitor"
        )
    })
}

/// The thread that looks at the registry, keys and certificates again and again, until what it returns is dropped.
fn watch(state: web::Data<AppState>) -> anyhow::Result<mpsc::Sender<()>> {
    let (alive, ended) = mpsc::channel::<()>();
    let period = Duration::from_secs(state.settings.registry_poll_seconds);
    std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
        loop {
            let looked = catch_unwind(AssertUnwindSafe(|| look(&state)));
            let fault = looked.is_err().then(|| "looking at what may change panicked".to_owned());
            state.faults.set("watch", fault);
            if ended.recv_timeout(period) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
        }
    })?;
    Ok(alive)
}

/// Looks whether anything has changed that is read from files or the registry. What is no longer sound leaves what is in
/// force as it is.
fn look(state: &AppState) {
    if let Some(keys) = &state.keys {
        let looked = keys.reload_if_changed();
        if let Ok(true) = looked {
            tracing::info!(keys = keys.current().len(), "keys read again");
        }
        state.faults.set("keys", looked.err().map(|error| error.to_string()));
    }
    if let Some(tls) = &state.tls {
        let looked = tls.reload_if_changed();
        if let Ok(true) = looked {
            tracing::info!("certificate read again");
        }
        state.faults.set("tls", looked.err().map(|error| error.to_string()));
        state.counters.certificate_days.set(tls.days_left(SystemTime::now()));
    }
    if let Some(kept) = &state.kept {
        kept.look(&state.faults);
        if state.settings.pages {
            state.people.look(kept, &state.faults);
        }
    }
    state.rates.tidy();
    state.kept_files.tidy(Instant::now());
    // Last: a registry may take long to answer.
    state.models.refresh(&state.faults);
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpResponse, test};
    use rekindle_models::artifact::Registry;

    use super::*;
    use crate::settings::Flags;

    #[actix_web::test]
    async fn a_panic_in_one_request_is_counted_told_in_its_protocol_and_hurts_no_other() {
        let folder = tempfile::tempdir().unwrap();
        Registry::create(folder.path()).unwrap();
        let registry = folder.path().to_str().unwrap().to_owned();
        let flags = Flags { registry: Some(registry), ..Flags::default() };
        let state = super::state(&Settings::resolve(&flags).unwrap()).unwrap();
        let state = web::Data::new(state);
        async fn fails() -> HttpResponse {
            panic!("on purpose")
        }
        async fn answers() -> HttpResponse {
            HttpResponse::Ok().finish()
        }
        let app = App::new()
            .app_data(state.clone())
            .wrap(from_fn(telemetry::observe))
            .route("/v2/health/fails", web::get().to(fails))
            .route("/health/answers", web::get().to(answers));
        let app = test::init_service(app).await;
        let request = test::TestRequest::get().uri("/v2/health/fails").to_request();
        let error = test::try_call_service(&app, request).await.err().unwrap();
        let response = error.error_response();
        assert_eq!(response.status(), 500);
        assert!(response.headers().contains_key("x-request-id"));
        assert!(response.headers().contains_key("x-content-type-options"));
        let body = actix_web::body::to_bytes(response.into_body()).await.ok().unwrap();
        assert!(body.starts_with(b"{\"error\":"), "{body:?}");
        let request = test::TestRequest::get().uri("/health/answers").to_request();
        assert_eq!(test::call_service(&app, request).await.status(), 200);
        let line =
            r#"rekindle_requests_total{method="GET",route="/v2/health/fails",status="500"} 1"#;
        assert!(state.counters.text().contains(line), "{}", state.counters.text());
        assert_eq!(state.counters.in_flight.get(), 0);
    }
}
