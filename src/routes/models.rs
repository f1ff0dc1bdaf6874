//! What is served, and how good it is.

use actix_web::{HttpResponse, web};
use rekindle_models::artifact::{Manifest, TargetEntry, VerdictEntry};
use serde::Serialize;

use crate::error::ApiError;
use crate::state::AppState;

#[derive(Serialize)]
struct ModelList<'a> {
    models: Vec<ModelLine<'a>>,
}

#[derive(Serialize)]
struct ModelLine<'a> {
    model_name: &'a str,
    model_version: u32,
    classifier: &'a str,
    target: &'a TargetEntry,
    population: &'a str,
    threshold: f64,
    verdict: &'a Option<VerdictEntry>,
}

#[derive(Serialize)]
struct ModelPage<'a> {
    /// The version that answers when a request names none.
    current: u32,
    /// The versions in the registry.
    versions: Vec<u32>,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// `GET /v1/models`: a line for each.
pub async fn list(state: web::Data<AppState>) -> HttpResponse {
    let models = state
        .models
        .current()
        .map(|model| ModelLine {
            model_name: &model.manifest.model_name,
            model_version: model.version,
            classifier: &model.manifest.classifier,
            target: &model.manifest.target,
            population: &model.manifest.population,
            threshold: model.scorer.threshold,
            verdict: &model.manifest.verdict,
        })
        .collect();
    HttpResponse::Ok().json(ModelList { models })
}

/// `GET /v1/models/{name}`: its versions and the manifest of the current one.
pub async fn show(
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let model = state.models.find(Some(&name))?;
    let versions = state.models.versions(&name).await?;
    let page = ModelPage { current: model.version, versions, manifest: &model.manifest };
    Ok(HttpResponse::Ok().json(page))
}
