//! MLflow's scoring server: `POST /invocations` and what its clients ask before.

use actix_web::http::header::{CONTENT_TYPE, ContentType};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::customers::{Customers, Limits};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::routes::answer::{Asked, ScoreQuery};
use crate::routes::receive::receive;
use crate::rows::csv;
use crate::scoring::Scored;
use crate::state::AppState;
use crate::table;
use crate::values::CustomerId;

/// A prediction for each customer.
#[derive(Serialize, ToSchema)]
pub struct Predictions<'a> {
    predictions: Vec<Prediction<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Prediction<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    probability: f64,
    percentile: u8,
    positive: bool,
}

/// Scores customers as MLflow's clients send them: JSON with exactly one of `dataframe_split`, `dataframe_records`,
/// `instances` and `inputs`, or CSV.
#[utoipa::path(
    post,
    path = "/invocations",
    tag = "MLflow",
    params(ScoreQuery),
    request_body(
        content((serde_json::Value = "application/json"), (String = "text/csv")),
        description = "A table of customers.",
    ),
    responses((status = 200, description = "A prediction for each customer, in their order.", body = Predictions)),
)]
pub async fn invocations(
    state: web::Data<AppState>,
    query: web::Query<ScoreQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    if query.asks_several() || query.reasons > 0 {
        return Err(ApiError::InvalidQuery {
            reason: "this protocol has no form for several models or reasons; POST /v1/score has"
                .to_owned(),
        });
    }
    let read = form_of(&request)?;
    let (why, choices) = (query.why()?, query.choices(&state, deadline).await?);
    let body = receive(&state, deadline, &request, body).await?;
    let (bytes, limits) = (body.len(), state.limits);
    let reader = move |model: &crate::model::Model| read(&body, &model.fields, limits);
    let write = |scored: Vec<Scored>| Ok(predictions(&scored[0]));
    let reply = Asked { deadline, choices, why }.answer(&state, bytes, reader, write).await?;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}

/// What reads customers from a body.
type Read = fn(&[u8], &Fields, Limits) -> Result<Customers, ApiError>;

/// What reads the body of a request, by its content type; JSON where there is none or `curl -d` says a form.
fn form_of(request: &HttpRequest) -> Result<Read, ApiError> {
    let Some(given) = request.headers().get(CONTENT_TYPE) else { return Ok(table::parse) };
    let given = given.to_str().unwrap_or_default();
    match given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" | "application/x-www-form-urlencoded" | "" => Ok(table::parse),
        "text/csv" => Ok(csv::parse),
        other => Err(ApiError::UnsupportedMediaType {
            found: format!("the content type {other:?}"),
            expected: "application/json or text/csv",
        }),
    }
}

fn predictions(scored: &Scored) -> Vec<u8> {
    let each = scored.customers.ids.iter().zip(&scored.scores);
    let predictions = each.map(|(id, score)| Prediction {
        customer_id: id.as_ref(),
        probability: score.probability,
        percentile: score.percentile,
        positive: score.positive,
    });
    let reply = Predictions { predictions: predictions.collect() };
    serde_json::to_vec(&reply).expect("names, numbers and texts are JSON")
}

/// Whether models are loaded, as MLflow's clients ask.
#[utoipa::path(
    get,
    path = "/ping",
    tag = "MLflow",
    responses((status = 200, description = "A model can answer.", body = String)),
)]
pub async fn ping(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    state.ready()?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("\n"))
}

/// The same as `/ping`.
#[utoipa::path(
    get,
    path = "/health",
    tag = "MLflow",
    responses((status = 200, description = "A model can answer.", body = String)),
)]
pub async fn health(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    ping(state).await
}

/// The version of the service.
#[utoipa::path(
    get,
    path = "/version",
    tag = "MLflow",
    responses((status = 200, description = "The version.", body = String)),
)]
pub async fn version() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(env!("CARGO_PKG_VERSION"))
}
