//! Customers in, scores out.

use actix_web::http::header::ContentType;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use rekindle_models::reasons::Reason;
use serde::Serialize;
use utoipa::ToSchema;

use crate::customers::Warnings;
use crate::error::ApiError;
use crate::payload;
use crate::routes::answer::{Asked, ScoreQuery};
use crate::routes::receive::receive;
use crate::scoring::{Decision, Scored, Why};
use crate::state::AppState;
use crate::values::CustomerId;

/// The scores of one model.
#[derive(Serialize, ToSchema)]
pub struct Reply<'a> {
    /// The model that answered.
    model_name: &'a str,
    /// Its version; where a canary answered for some customers, theirs stands with their scores.
    model_version: u32,
    /// From this probability on a customer is decided positive.
    threshold: f64,
    /// In the order of the customers.
    scores: Vec<ScoreEntry<'a>>,
    #[serde(skip_serializing_if = "Warnings::is_empty")]
    warnings: &'a Warnings,
}

/// The scores: of one model, or of several where `models` names them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answer<'a> {
    /// Of one model.
    One(Reply<'a>),
    /// Of several.
    Several {
        /// In the order in which they were asked for.
        models: Vec<Reply<'a>>,
    },
}

#[derive(Serialize, ToSchema)]
pub(super) struct ScoreEntry<'a> {
    /// As in the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    /// The version that answered, where it is another one than the reply says.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<u32>,
    /// Of the target, 0 to 1.
    probability: f64,
    /// Place in the reference population, 1 to 100.
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ReasonEntry>>)]
    reasons: Option<Vec<Reason<'a>>>,
}

/// Why a customer has its score, as the document shows it.
#[derive(ToSchema)]
#[schema(as = Reason)]
#[expect(
    dead_code,
    reason = "the form of rekindle_models::reasons::Reason, for the document alone"
)]
pub struct ReasonEntry {
    /// The feature.
    feature: String,
    /// Its cell; null where it is missing or was never seen.
    value: serde_json::Value,
    /// The user's group of the feature.
    group: Option<String>,
    /// How far it moved the log odds.
    contribution: f64,
    /// The reason, in words.
    text: String,
}

/// Scores one customer, an object of named features, or an array of them.
#[utoipa::path(
    post,
    path = "/v1/score",
    tag = "scoring",
    params(ScoreQuery),
    request_body(
        content = serde_json::Value,
        description = "One customer or an array of customers: features by name, and the column that names a customer. \
                       A missing key is a missing cell.",
        example = json!({"customer": "7590-VHVEG", "recency_days": 12.5, "spend": 30, "plan": "gold"}),
    ),
    responses((status = 200, description = "The scores; those of several models where `models` names them.",
        body = Answer,
        example = json!({
            "model_name": "churn", "model_version": 1, "threshold": 0.31,
            "scores": [{"customer_id": "7590-VHVEG", "probability": 0.64, "percentile": 93,
                        "decision": {"positive": true}}],
        }))),
)]
pub async fn score(
    state: web::Data<AppState>,
    query: web::Query<ScoreQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let (why, several) = (query.why()?, query.asks_several());
    let choices = query.choices(&state, deadline).await?;
    let body = receive(&state, deadline, &request, body).await?;
    let (bytes, limits) = (body.len(), state.limits);
    let reader = move |model: &crate::model::Model| payload::parse(&body, &model.fields, limits);
    let write = move |scored: Vec<Scored>| replies(&scored, why, several);
    let reply = Asked { deadline, choices, why }.answer(&state, bytes, reader, write).await?;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}

fn replies(scored: &[Scored], why: Why, several: bool) -> Result<Vec<u8>, ApiError> {
    let answer = match several {
        true => Answer::Several {
            models: scored.iter().map(|one| reply(one, why)).collect::<Result<_, _>>()?,
        },
        false => Answer::One(reply(&scored[0], why)?),
    };
    Ok(serde_json::to_vec(&answer).expect("names, numbers and texts are JSON"))
}

fn reply(scored: &Scored, why: Why) -> Result<Reply<'_>, ApiError> {
    let mut reasons = scored.reasons(why)?.map(Vec::into_iter);
    let answering = scored.answering();
    let ids = scored.customers.ids.iter().enumerate();
    let entries = ids.zip(&scored.scores).map(|((place, id), score)| ScoreEntry {
        customer_id: id.as_ref(),
        model_version: Some(scored.version(place)).filter(|v| *v != answering.version),
        probability: score.probability,
        percentile: score.percentile,
        decision: Decision { positive: score.positive },
        reasons: reasons.as_mut().and_then(Iterator::next),
    });
    Ok(Reply {
        model_name: answering.name(),
        model_version: answering.version,
        threshold: answering.scorer.threshold,
        scores: entries.collect(),
        warnings: &scored.customers.warnings,
    })
}
