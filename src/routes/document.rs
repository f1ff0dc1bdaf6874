//! The OpenAPI document, made from the handlers, and a page to read it.

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::error::{ApiError, ErrorBody, InferenceError, InvocationError, Protocol};
use crate::gate;
use crate::routes::{
    batch, campaigns, customers, events, health, inference, invocations, metrics, models,
    reactivation, score,
};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rekindle",
        description = "Scores customers with judged models: who will stay, pay, leave or come back, and why.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        score::score, events::score_events, batch::score_batch, reactivation::plan,
        campaigns::make, campaigns::list, campaigns::show, campaigns::start, campaigns::finish, campaigns::contact_list,
        campaigns::deliver, campaigns::record_contacts, campaigns::record_outcomes, campaigns::effect,
        customers::show, models::list, models::show, models::promote, models::rollback, models::shadow, models::end_shadow,
        models::canary, models::end_canary,
        inference::server, inference::live, inference::ready, inference::model, inference::model_version,
        inference::model_ready, inference::version_ready, inference::infer, inference::infer_version,
        invocations::invocations, invocations::ping, invocations::health,
        invocations::version,
        health::live, health::ready, metrics::metrics, openapi,
    ),
    components(schemas(ErrorBody<'static>, InferenceError, InvocationError)),
    modifiers(&Common),
)]
struct Document;

/// What all operations have in common: errors, and the key.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("key", bearer);
        for (path, item) in &mut document.paths.paths {
            let methods = [("GET", &mut item.get), ("POST", &mut item.post)];
            for (method, operation) in methods {
                if let Some(operation) = operation {
                    complete(path, method, operation);
                }
            }
        }
    }
}

/// Adds the errors that an operation may answer, in its protocol's form, and the key that it needs.
fn complete(path: &str, method: &str, operation: &mut Operation) {
    let needs = gate::scope_of(method, path);
    if needs.is_some() {
        operation.security = Some(vec![SecurityRequirement::new("key", [] as [&str; 0])]);
    }
    let form = match Protocol::of(path) {
        Protocol::Own | Protocol::Page => "ErrorBody",
        Protocol::Inference => "InferenceError",
        Protocol::Mlflow => "InvocationError",
    };
    let statuses = [
        ("400", "The body is not JSON, or the query makes no sense.", true),
        ("401", "No valid key.", needs.is_some()),
        ("403", "The key lacks the scope.", needs.is_some()),
        ("404", "No such model, version, campaign or customer.", true),
        ("405", "The method is another one.", true),
        (
            "406",
            "The answer has no form that is accepted.",
            path.ends_with("/batch") || path.ends_with("/list"),
        ),
        ("408", "The request came too slowly.", true),
        (
            "409",
            "It cannot be done as things stand.",
            gate::changes(method, path) || path.ends_with("/list") || path.ends_with("/effect"),
        ),
        ("413", "The body is too large, or has too many customers.", method == "POST"),
        ("415", "The body is of a kind that is not taken here.", method == "POST"),
        ("422", "The body holds no customers or rows that can be read.", method == "POST"),
        ("429", "Too many requests of this key; Retry-After says when to come again.", true),
        ("500", "Something is wrong in the service; its log says what.", true),
        ("503", "Overloaded, or no model is loaded; Retry-After says when to come again.", true),
        ("504", "The answer would have come too late.", true),
    ];
    for (status, what, possible) in statuses {
        if possible && !operation.responses.responses.contains_key(status) {
            let schema = RefOr::Ref(Ref::from_schema_name(form));
            let content = Content::new(Some(schema));
            let response = ResponseBuilder::new()
                .description(what)
                .content("application/json", content)
                .build();
            operation.responses.responses.insert(status.to_owned(), response.into());
        }
    }
}

/// The document as JSON.
static JSON: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_json().expect("names and texts are JSON"));

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "The document.", body = serde_json::Value)))]
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(JSON.as_str())
}

/// The page that reads the document: nothing of it comes from elsewhere.
pub async fn docs(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let config = std::sync::Arc::new(Config::from("/openapi.json"));
    let missing = || ApiError::UnknownRoute { path: request.path().to_owned() };
    let file = utoipa_swagger_ui::serve(&path, config);
    let SwaggerFile { bytes, content_type, .. } = file.ok().flatten().ok_or_else(missing)?;
    let bytes = match bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(HttpResponse::Ok().content_type(content_type).body(bytes))
}
