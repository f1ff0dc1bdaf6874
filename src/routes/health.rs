//! Is the service alive, and can it score?

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::state::AppState;

/// The process answers.
#[derive(Serialize, ToSchema)]
pub struct Live {
    live: bool,
}

/// At least one model can answer.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    ready: bool,
    /// Models that are served.
    models: usize,
    /// Parts that have failed while the service goes on without them: `registry`, `keys`, `tls`, `store`, `audit`, `watch`; the log
    /// says
    /// what is the matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<&'static str>,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", tag = "operation",
    responses((status = 200, description = "It does.", body = Live)))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Live { live: true })
}

/// Whether a model can answer, and what the service does without.
#[utoipa::path(get, path = "/health/ready", tag = "operation",
    responses((status = 200, description = "One can.", body = Ready)))]
pub async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    state.ready()?;
    let (models, degraded) = (state.models.served().len(), state.faults.parts());
    Ok(HttpResponse::Ok().json(Ready { ready: true, models, degraded }))
}
