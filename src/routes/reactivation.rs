//! Whom to wake, with what and how: a plan for customers, as `rekindle plan` makes it.

use actix_web::http::header::ContentType;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use rekindle_models::language::Language;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::plans::{self, PlanReply};
use crate::routes::receive::receive;
use crate::state::AppState;

/// How a plan is told.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// The language of reasons: `en` or `zh`.
    #[serde(default)]
    #[param(value_type = String, example = "en")]
    pub language: Language,
}

/// Plans a campaign: for each customer one action or none, so that all together are expected to bring most within the
/// budget, capacities and stocks. A share is held out at random as control.
#[utoipa::path(
    post,
    path = "/v1/reactivation/plan",
    tag = "reactivation",
    params(PlanQuery),
    request_body(
        content = serde_json::Value,
        description = "What the campaign may do (`spec`, as a plan file of `rekindle plan`), and its customers. Without \
            `uplift` of an action it is assumed by stage and tier, and the reply says so.",
        example = json!({
            "spec": {
                "plan": {"budget": 100.0, "control_share": 0.1, "consent_default": true},
                "actions": [
                    {"name": "reminder", "channel": "email", "cost": 0.02},
                    {"name": "letter", "offer": "voucher_5", "channel": "post", "cost": 1.1, "offer_cost": 5.0},
                ],
                "channels": {"post": {"capacity": 100}},
            },
            "customers": [{
                "customer_id": "17850", "lifecycle_stage": "lapsed", "lapse_tier": "dormant", "grade": "A",
                "predicted_value": 40.0, "uplift": {"letter": 0.12, "reminder": 0.02}, "consent": {"post": true},
            }],
        }),
    ),
    responses((status = 200, description = "The plan.", body = PlanReply)),
)]
pub async fn plan(
    state: web::Data<AppState>,
    query: web::Query<PlanQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let body = receive(&state, deadline, &request, body).await?;
    let (limits, language) = (state.limits, query.language);
    let work = move || {
        let plan = plans::plan(&body, limits, language)?;
        Ok::<_, ApiError>(serde_json::to_vec(&plan).expect("names, numbers and texts are JSON"))
    };
    let reply = state.heavy.run(deadline, work).await??;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}
