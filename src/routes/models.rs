//! What is served, how good it is, and which versions answer.

use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use rekindle_models::artifact::{Manifest, TargetEntry, VerdictEntry};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;
use crate::model::Served;
use crate::registry::Change;
use crate::rollouts;
use crate::state::{AppState, Asker};

/// What is served.
#[derive(Serialize, ToSchema)]
pub struct ModelList<'a> {
    models: Vec<ModelLine<'a>>,
}

#[derive(Serialize, ToSchema)]
struct ModelLine<'a> {
    model_name: &'a str,
    /// The version in force.
    model_version: u32,
    /// A version that scores as well, unseen.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<u32>,
    /// A version that answers for a share of the customers.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryLine>,
    classifier: &'a str,
    #[schema(value_type = TargetLine)]
    target: &'a TargetEntry,
    population: &'a str,
    threshold: f64,
    #[schema(value_type = Option<VerdictLine>)]
    verdict: &'a Option<VerdictEntry>,
}

/// A version that answers for a share of the customers.
#[derive(Serialize, ToSchema)]
struct CanaryLine {
    model_version: u32,
    /// Of the customers with a name, between 0 and 1: always the same ones.
    share: f64,
}

/// The question that a model answers: is the column equal to the value?
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of TargetEntry, for the document alone")]
struct TargetLine {
    column: String,
    value: String,
}

/// A verdict in words.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of VerdictEntry, for the document alone")]
struct VerdictLine {
    /// `usable`, `unusable` or `not enough data`.
    verdict: String,
    reason: String,
}

/// A model with all that it says of itself.
#[derive(Serialize, ToSchema)]
pub struct ModelPage<'a> {
    /// The version that answers when a request names none.
    current: u32,
    /// The versions in the registry.
    versions: Vec<u32>,
    #[serde(flatten)]
    #[schema(value_type = serde_json::Map<String, serde_json::Value>)]
    manifest: &'a Manifest,
}

/// Which versions of a model answer now.
#[derive(Serialize, ToSchema)]
pub struct InForce<'a> {
    model_name: &'a str,
    model_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryLine>,
}

/// A canary's share.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CanaryQuery {
    /// Of the customers with a name, between 0 and 1.
    #[param(exclusive_minimum = 0.0, exclusive_maximum = 1.0, example = 0.1)]
    share: f64,
}

impl CanaryLine {
    fn of(served: &Served) -> Option<CanaryLine> {
        let canary = served.canary.as_ref()?;
        Some(CanaryLine { model_version: canary.model.version, share: canary.share })
    }
}

/// Lists the models.
#[utoipa::path(get, path = "/v1/models", tag = "models",
    responses((status = 200, description = "A line for each model.", body = ModelList)))]
pub async fn list(state: web::Data<AppState>) -> HttpResponse {
    let served = state.models.served();
    let models = served.values().map(|served| {
        let model = &served.current;
        ModelLine {
            model_name: model.name(),
            model_version: model.version,
            shadow: served.shadow.as_ref().map(|shadow| shadow.version),
            canary: CanaryLine::of(served),
            classifier: &model.manifest.classifier,
            target: &model.manifest.target,
            population: &model.manifest.population,
            threshold: model.scorer.threshold,
            verdict: &model.manifest.verdict,
        }
    });
    HttpResponse::Ok().json(ModelList { models: models.collect() })
}

/// Shows a model's versions and all that the one in force says of itself.
#[utoipa::path(get, path = "/v1/models/{name}", tag = "models",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "The model.", body = ModelPage)))]
pub async fn show(
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let served = state.models.find(Some(&name))?;
    let models = Arc::clone(&state.models);
    let name = name.into_inner();
    let versions = state.heavy.run(state.deadline(), move || models.versions(&name)).await??;
    let model = &served.current;
    let page = ModelPage { current: model.version, versions, manifest: &model.manifest };
    Ok(HttpResponse::Ok().json(page))
}

/// Puts a version in force, after its golden rows have come back as they were stored.
#[utoipa::path(post, path = "/v1/models/{name}/versions/{version}:promote", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 2)),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn promote(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    change(state, request, name, "promote", Change::Promote(version)).await
}

/// Puts the version in force that was before.
#[utoipa::path(post, path = "/v1/models/{name}:rollback", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn rollback(
    state: web::Data<AppState>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    change(state, request, name.into_inner(), "rollback", Change::Rollback).await
}

/// Lets a version score all that is asked, beside the one in force; its scores are compared and not told.
#[utoipa::path(post, path = "/v1/models/{name}/versions/{version}:shadow", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 2)),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn shadow(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    change(state, request, name, "shadow", Change::Shadow(Some(version))).await
}

/// Ends the shadow.
#[utoipa::path(post, path = "/v1/models/{name}:end-shadow", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn end_shadow(
    state: web::Data<AppState>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    change(state, request, name.into_inner(), "end-shadow", Change::Shadow(None)).await
}

/// Lets a version answer for a share of the customers: always the same ones.
#[utoipa::path(post, path = "/v1/models/{name}/versions/{version}:canary", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 2), CanaryQuery),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn canary(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
    query: web::Query<CanaryQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    let share = rollouts::share(query.share)?;
    change(state, request, name, "canary", Change::Canary(Some((version, share)))).await
}

/// Ends the canary.
#[utoipa::path(post, path = "/v1/models/{name}:end-canary", tag = "administration",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "What answers now.", body = InForce)))]
pub async fn end_canary(
    state: web::Data<AppState>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    change(state, request, name.into_inner(), "end-canary", Change::Canary(None)).await
}

/// Changes which versions answer, and says which do then.
async fn change(
    state: web::Data<AppState>,
    request: HttpRequest,
    name: String,
    action: &'static str,
    change: Change,
) -> Result<HttpResponse, ApiError> {
    let asker = request.extensions().get::<Asker>().cloned().unwrap_or_default();
    let served = rollouts::changed(&state, asker, name, action, change).await?;
    Ok(HttpResponse::Ok().json(InForce {
        model_name: served.current.name(),
        model_version: served.current.version,
        shadow: served.shadow.as_ref().map(|shadow| shadow.version),
        canary: CanaryLine::of(&served),
    }))
}
