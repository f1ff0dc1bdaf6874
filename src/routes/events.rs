//! One customer's raw events and attributes in, a score out.

use actix_web::http::header::ContentType;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use rekindle_models::reasons::Reason;
use serde::Serialize;
use utoipa::ToSchema;

use crate::customers::Warnings;
use crate::error::ApiError;
use crate::model::Model;
use crate::routes::answer::{Asked, ScoreQuery};
use crate::routes::receive::receive;
use crate::routes::score::ReasonEntry;
use crate::scoring::{Decision, Scored, Why};
use crate::state::AppState;
use crate::values::CustomerId;

/// The score of one customer by its events.
#[derive(Serialize, ToSchema)]
pub struct EventsReply<'a> {
    model_name: &'a str,
    model_version: u32,
    threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    /// As in the request: what is not before it does not count.
    cutoff: &'a str,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ReasonEntry>>)]
    reasons: Option<Vec<Reason<'a>>>,
    /// Events of the request.
    events: usize,
    /// Those of them that were known at the cutoff.
    events_before_cutoff: usize,
    #[serde(skip_serializing_if = "Warnings::is_empty")]
    warnings: &'a Warnings,
}

/// The score of one customer: by one model, or by several where `models` names them.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventsAnswer<'a> {
    /// By one model.
    One(EventsReply<'a>),
    /// By several.
    Several {
        /// In the order in which they were asked for.
        models: Vec<EventsReply<'a>>,
    },
}

/// Scores one customer by its events, its attributes and a cutoff, with the kernel that made the training rows.
#[utoipa::path(
    post,
    path = "/v1/score/events",
    tag = "scoring",
    params(ScoreQuery),
    request_body(
        content = serde_json::Value,
        description = "A customer's events in any order, its attributes as known at the cutoff, and the cutoff.",
        example = json!({
            "customer_id": "17850", "cutoff": "2011-09-08",
            "events": [{"time": "2011-08-30T10:12:00Z", "kind": "purchase", "amount": 15.3, "product": "85123A"}],
            "attributes": {"city": "Ghent"},
        }),
    ),
    responses((status = 200, description = "The score; those of several models where `models` names them.",
        body = EventsAnswer)),
)]
pub async fn score_events(
    state: web::Data<AppState>,
    query: web::Query<ScoreQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let (why, several) = (query.why()?, query.asks_several());
    let choices = query.choices(&state, deadline).await?;
    let body = receive(&state, deadline, &request, body).await?;
    let (bytes, text_bytes) = (body.len(), state.limits.text_bytes);
    let reader = move |model: &Model| match &model.from_events {
        Some(from_events) => from_events.read(&body, text_bytes),
        None => Err(ApiError::NotFromEvents { model: model.name().to_owned() }),
    };
    let write = move |scored: Vec<Scored>| replies(&scored, why, several);
    let reply = Asked { deadline, choices, why }.answer(&state, bytes, reader, write).await?;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}

fn replies(scored: &[Scored], why: Why, several: bool) -> Result<Vec<u8>, ApiError> {
    let answer = match several {
        true => EventsAnswer::Several {
            models: scored.iter().map(|one| reply(one, why)).collect::<Result<_, _>>()?,
        },
        false => EventsAnswer::One(reply(&scored[0], why)?),
    };
    Ok(serde_json::to_vec(&answer).expect("names, numbers and texts are JSON"))
}

fn reply(scored: &Scored, why: Why) -> Result<EventsReply<'_>, ApiError> {
    let (model, score) = (scored.answering(), scored.scores[0]);
    let history = scored.customers.history.as_ref().expect("the row was made from events");
    Ok(EventsReply {
        model_name: model.name(),
        model_version: model.version,
        threshold: model.scorer.threshold,
        customer_id: scored.customers.ids[0].as_ref(),
        cutoff: &history.cutoff,
        probability: score.probability,
        percentile: score.percentile,
        decision: Decision { positive: score.positive },
        reasons: scored.reasons(why)?.and_then(|of_rows| of_rows.into_iter().next()),
        events: history.events,
        events_before_cutoff: history.counted,
        warnings: &scored.customers.warnings,
    })
}
