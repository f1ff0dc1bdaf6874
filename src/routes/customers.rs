//! What is kept of a customer.

use std::time::SystemTime;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::scoring::Decision;
use crate::state::AppState;

/// The latest scores of a customer.
#[derive(Serialize, ToSchema)]
pub struct CustomerPage {
    customer_id: String,
    /// By each model, in the order of their names.
    scores: Vec<KeptScore>,
}

#[derive(Serialize, ToSchema)]
struct KeptScore {
    model_name: String,
    model_version: u32,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapse_tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<String>,
    /// What was known of the customer then.
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<String>,
    /// When it was scored, RFC 3339 in UTC.
    scored_at: String,
    /// Seconds since.
    age_seconds: u64,
}

/// Shows the latest scores of a customer, as `rekindle score --store` kept them, with their age.
#[utoipa::path(get, path = "/v1/customers/{id}", operation_id = "show_customer", tag = "customers",
    params(("id" = String, Path, description = "The customer, as in the scored table.", example = "7590-VHVEG")),
    responses((status = 200, description = "Its scores.", body = CustomerPage)))]
pub async fn show(
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let kept = state.kept.as_ref().ok_or(ApiError::NotKept)?;
    let customer_id = id.into_inner();
    let scores = state.deadline().meet(&state.counters, kept.of(customer_id.clone())).await??;
    if scores.is_empty() {
        return Err(ApiError::UnknownCustomer);
    }
    let now = SystemTime::now();
    let scores = scores.into_iter().map(|score| {
        let scored_at = SystemTime::UNIX_EPOCH
            + std::time::Duration::from_micros(score.scored_at_micros.max(0) as u64);
        KeptScore {
            model_name: score.model_name,
            model_version: score.model_version,
            probability: score.probability,
            percentile: score.percentile,
            decision: Decision { positive: score.positive },
            lapse_tier: score.lapse_tier,
            lifecycle_stage: score.lifecycle_stage,
            grade: score.grade,
            cutoff: score.cutoff,
            scored_at: humantime::format_rfc3339_seconds(scored_at).to_string(),
            age_seconds: now.duration_since(scored_at).unwrap_or_default().as_secs(),
        }
    });
    Ok(HttpResponse::Ok().json(CustomerPage { customer_id, scores: scores.collect() }))
}
