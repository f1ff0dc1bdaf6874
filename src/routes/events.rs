//! One customer's raw events and attributes in, a score out.

use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use rekindle_models::reasons::Reason;
use serde::Serialize;

use crate::error::ApiError;
use crate::model::Model;
use crate::payload::Warnings;
use crate::registry::off_the_event_loop;
use crate::routes::score::{ScoreQuery, receive};
use crate::state::AppState;
use crate::values::CustomerId;

#[derive(Serialize)]
struct Reply<'a> {
    model_name: &'a str,
    model_version: u32,
    threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    cutoff: &'a str,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<Reason<'a>>>,
    /// Events of the request, and those of them that were known at the cutoff.
    events: usize,
    events_before_cutoff: usize,
    #[serde(skip_serializing_if = "Warnings::is_empty")]
    warnings: &'a Warnings,
}

#[derive(Serialize)]
struct Decision {
    positive: bool,
}

/// `POST /v1/score/events?model=NAME&version=N&reasons=3&language=en`: the events of one customer, its attributes and a
/// cutoff.
pub async fn score_events(
    state: web::Data<AppState>,
    query: web::Query<ScoreQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let current = state.models.find(query.model.as_deref())?;
    let model = match query.version {
        None => Arc::clone(current),
        Some(version) => state.models.find_version(current, version).await?,
    };
    let body = receive(&request, body, state.max_body_bytes).await?;
    let reply = match body.len() <= SMALL_BODY && query.reasons == 0 {
        true => reply(&state, &model, &body, &query)?,
        false => off_the_event_loop(move || reply(&state, &model, &body, &query)).await??,
    };
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}

/// Longest body that is scored in place: a few hundred events, well under a millisecond.
const SMALL_BODY: usize = 32 << 10;

fn reply(
    state: &AppState,
    model: &Model,
    body: &[u8],
    query: &ScoreQuery,
) -> Result<Vec<u8>, ApiError> {
    let name = &model.manifest.model_name;
    let from_events = model
        .from_events
        .as_ref()
        .ok_or_else(|| ApiError::NotFromEvents { model: name.clone() })?;
    let told = from_events.read(body)?;
    let reasons = query.reasons_of(model, &told.rows)?;
    let score = model.scorer.score(&told.rows)[0];
    state.counters.scored(name, 1, 0, told.unknown_levels);
    let reply = Reply {
        model_name: name,
        model_version: model.version,
        threshold: model.scorer.threshold,
        customer_id: told.id.as_ref(),
        cutoff: &told.cutoff,
        probability: score.probability,
        percentile: score.percentile,
        decision: Decision { positive: score.positive },
        reasons: reasons.and_then(|of_rows| of_rows.into_iter().next()),
        events: told.events,
        events_before_cutoff: told.counted,
        warnings: &told.warnings,
    };
    Ok(serde_json::to_vec(&reply).expect("names, numbers and texts are JSON"))
}
