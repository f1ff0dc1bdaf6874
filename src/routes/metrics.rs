//! What the service has counted, as Prometheus text.

use actix_web::{HttpResponse, web};

use crate::state::AppState;

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "The metrics.", body = String)))]
pub async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    state.models.count_ages();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.counters.text())
}
