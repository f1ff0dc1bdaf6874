//! The application: its URL table, and the server around it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use rekindle_models::artifact::Registry;

use crate::counters::Counters;
use crate::registry::LoadedModels;
use crate::routes::{events, health, metrics, missing, models, score};
use crate::settings::Settings;
use crate::state::AppState;
use crate::telemetry;

/// A service that listens.
pub struct Service {
    server: Server,
    address: SocketAddr,
}

impl Service {
    /// Loads the models and starts to listen. Must be called inside an actix runtime.
    ///
    /// # Errors
    /// When the registry cannot be read, a current model is damaged, or the address is taken.
    pub fn start(settings: &Settings) -> anyhow::Result<Service> {
        let registry = Registry::open(&settings.registry)?;
        let models = LoadedModels::load(registry).context("failed to load the models")?;
        let state = web::Data::new(AppState {
            models: Arc::new(models),
            counters: Counters::new(),
            max_body_bytes: settings.max_body_bytes,
            max_customers: settings.max_customers,
        });
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .app_data(web::QueryConfig::default().error_handler(missing::query))
                .wrap(from_fn(telemetry::observe))
                .configure(urls)
        })
        .workers(settings.workers)
        .shutdown_timeout(settings.shutdown_timeout_seconds)
        .client_disconnect_timeout(Duration::from_secs(5))
        .bind(settings.listen)
        .with_context(|| format!("failed to listen on {}", settings.listen))?;
        let address = server.addrs()[0];
        tracing::info!(%address, workers = settings.workers, "listening");
        Ok(Service { server: server.run(), address })
    }

    /// Where it listens; tells the port where the settings left it open.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        self.server.await
    }
}

/// Every URL of the service.
fn urls(app: &mut web::ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::get));
    app.service(
        web::resource("/v1/score")
            .route(web::post().to(score::score))
            .default_service(web::to(missing::post)),
    )
    .service(
        web::resource("/v1/score/events")
            .route(web::post().to(events::score_events))
            .default_service(web::to(missing::post)),
    )
    .service(get("/v1/models").route(web::get().to(models::list)))
    .service(get("/v1/models/{name}").route(web::get().to(models::show)))
    .service(get("/health/live").route(web::get().to(health::live)))
    .service(get("/health/ready").route(web::get().to(health::ready)))
    .service(get("/metrics").route(web::get().to(metrics::metrics)))
    .default_service(web::to(missing::route));
}
