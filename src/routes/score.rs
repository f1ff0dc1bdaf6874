//! Customers in, scores out.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_LENGTH, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use rekindle_models::frame::Rows;
use rekindle_models::language::Language;
use rekindle_models::reasons::{MOST_REASONS, Reason};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::model::Model;
use crate::payload::{self, Customers, Warnings};
use crate::registry::off_the_event_loop;
use crate::state::AppState;
use crate::values::CustomerId;

/// Which model is asked, and whether it says why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreQuery {
    pub model: Option<String>,
    pub version: Option<u32>,
    /// Most reasons of a customer; 0: none is told.
    #[serde(default)]
    pub reasons: u8,
    /// The language of reasons: `en`, `zh`.
    #[serde(default)]
    pub language: Language,
}

impl ScoreQuery {
    /// The reasons of rows, in their order; of each none where none is asked for.
    ///
    /// # Errors
    /// When too many are asked for, or the model tells none.
    pub fn reasons_of<'a>(
        &self,
        model: &'a Model,
        rows: &Rows,
    ) -> Result<Option<Vec<Vec<Reason<'a>>>>, ApiError> {
        match (self.reasons, &model.reasons) {
            (0, _) => Ok(None),
            (most, _) if most > MOST_REASONS => Err(ApiError::InvalidQuery {
                reason: format!("reasons is {most}, expected 0 to {MOST_REASONS}"),
            }),
            (most, Ok(reasons)) => {
                let most = usize::from(most);
                Ok(Some(reasons.of_rows(&model.scorer.model, rows, most, self.language)))
            }
            (_, Err(why)) => Err(ApiError::NoReasons {
                model: model.manifest.model_name.clone(),
                reason: why.to_string(),
            }),
        }
    }
}

#[derive(Serialize)]
struct Reply<'a> {
    model_name: &'a str,
    model_version: u32,
    threshold: f64,
    scores: Vec<ScoreEntry<'a>>,
    #[serde(skip_serializing_if = "Warnings::is_empty")]
    warnings: &'a Warnings,
}

#[derive(Serialize)]
struct ScoreEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<Reason<'a>>>,
}

#[derive(Serialize)]
struct Decision {
    /// Whether the probability reaches the threshold.
    positive: bool,
}

/// Longest body that is parsed in place: about a tenth of a millisecond, and above the 12 KB of a
/// customer with 500 features.
const SMALL_BODY: usize = 32 << 10;
/// Most customers that are scored in place, at up to about 0.1 ms each for a large forest.
const FEW: usize = 8;

/// `POST /v1/score?model=NAME&version=N&reasons=3&language=en`: one customer or an array of them.
pub async fn score(
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
    let reply = if body.len() <= SMALL_BODY {
        let customers = payload::parse(&body, &model.fields, state.max_customers)?;
        if customers.ids.len() <= FEW && query.reasons == 0 {
            reply(&state, &model, &customers, &query)?
        } else {
            off_the_event_loop(move || reply(&state, &model, &customers, &query)).await??
        }
    } else {
        off_the_event_loop(move || {
            let customers = payload::parse(&body, &model.fields, state.max_customers)?;
            reply(&state, &model, &customers, &query)
        })
        .await??
    };
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}

/// The whole body, whatever its content type: `curl -d` says that it sends a form.
pub async fn receive(
    request: &HttpRequest,
    body: web::Payload,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    body.to_bytes_limited(limit)
        .await
        .map_err(|_| ApiError::BodyTooLarge { limit })?
        .map_err(|error| ApiError::Unreceived { reason: error.to_string() })
}

fn reply(
    state: &AppState,
    model: &Model,
    customers: &Customers,
    query: &ScoreQuery,
) -> Result<Vec<u8>, ApiError> {
    let reasons = query.reasons_of(model, &customers.rows)?;
    let scores = model.scorer.score(&customers.rows);
    let name = &model.manifest.model_name;
    state.counters.scored(
        name,
        scores.len() as u64,
        customers.unknown_fields,
        customers.unknown_levels,
    );
    let mut reasons = reasons.map(Vec::into_iter);
    let entries = scores.iter().zip(&customers.ids).map(|(score, id)| ScoreEntry {
        customer_id: id.as_ref(),
        probability: score.probability,
        percentile: score.percentile,
        decision: Decision { positive: score.positive },
        reasons: reasons.as_mut().and_then(Iterator::next),
    });
    let reply = Reply {
        model_name: name,
        model_version: model.version,
        threshold: model.scorer.threshold,
        scores: entries.collect(),
        warnings: &customers.warnings,
    };
    Ok(serde_json::to_vec(&reply).expect("names, numbers and texts are JSON"))
}
