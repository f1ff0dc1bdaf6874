//! Is the service alive, and can it score?

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::error::ApiError;
use crate::state::AppState;

/// `GET /health/live`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "live": true }))
}

/// `GET /health/ready`: at least one model is loaded, else 503.
pub async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    match state.models.current().len() {
        0 => Err(ApiError::NotReady),
        models => Ok(HttpResponse::Ok().json(json!({ "ready": true, "models": models }))),
    }
}
