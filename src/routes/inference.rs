//! The Open Inference Protocol v2, as Triton, KServe and MLServer speak it.

use std::sync::{Arc, OnceLock};

use actix_web::http::header::{ContentType, HeaderName};
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::fields::Role;
use crate::model::Model;
use crate::routes::answer::{Asked, choice};
use crate::routes::receive::receive;
use crate::scoring::{Scored, Why};
use crate::state::AppState;
use crate::tensors::{Datatype, Parts, without_nan};
use crate::values::CustomerId;

/// What is answered for each customer, and its type.
const OUTPUTS: [(&str, Datatype); 4] = [
    ("probability", Datatype::Fp64),
    ("percentile", Datatype::Int32),
    ("positive", Datatype::Bool),
    ("customer_id", Datatype::Bytes),
];
/// How many bytes of a body are JSON, where binary data follow.
const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// The server.
#[derive(Serialize, ToSchema)]
pub struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

/// A model.
#[derive(Serialize, ToSchema)]
pub struct ModelMetadata {
    name: String,
    versions: Vec<String>,
    platform: &'static str,
    inputs: Vec<TensorMetadata>,
    outputs: Vec<TensorMetadata>,
}

#[derive(Serialize, ToSchema)]
struct TensorMetadata {
    name: String,
    datatype: Datatype,
    /// -1: any number of customers.
    shape: [i64; 1],
}

/// Whether a model can answer.
#[derive(Serialize, ToSchema)]
pub struct ModelReady {
    name: String,
    ready: bool,
}

/// The scores as tensors.
#[derive(Serialize, ToSchema)]
pub struct InferenceReply {
    model_name: String,
    model_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outputs: Vec<OutputTensor>,
}

#[derive(Serialize, ToSchema)]
struct OutputTensor {
    name: &'static str,
    datatype: Datatype,
    shape: [usize; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<OutputParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    data: Option<Column>,
}

#[derive(Serialize, ToSchema)]
struct OutputParameters {
    binary_data_size: usize,
}

/// The server's name, version and extensions.
#[utoipa::path(get, path = "/v2", tag = "Open Inference Protocol v2",
    responses((status = 200, description = "The server.", body = ServerMetadata)))]
pub async fn server() -> HttpResponse {
    let (name, version) = ("rekindle", env!("CARGO_PKG_VERSION"));
    HttpResponse::Ok().json(ServerMetadata { name, version, extensions: ["binary_tensor_data"] })
}

/// Whether the process answers.
#[utoipa::path(get, path = "/v2/health/live", operation_id = "server_live", tag = "Open Inference Protocol v2",
    responses((status = 200, description = "It does.")))]
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Whether a model can answer.
#[utoipa::path(get, path = "/v2/health/ready", operation_id = "server_ready", tag = "Open Inference Protocol v2",
    responses((status = 200, description = "One can.")))]
pub async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    state.ready()?;
    Ok(HttpResponse::Ok().finish())
}

/// A model's inputs and outputs.
#[utoipa::path(get, path = "/v2/models/{name}", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "The model.", body = ModelMetadata)))]
pub async fn model(
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    describe(state, name.into_inner(), None).await
}

/// The inputs and outputs of a version.
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 1)),
    responses((status = 200, description = "The model.", body = ModelMetadata)))]
pub async fn model_version(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    describe(state, name, Some(version)).await
}

async fn describe(
    state: web::Data<AppState>,
    name: String,
    version: Option<u32>,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let choice = choice(&state, deadline, Some(&name), version).await?;
    let models = state.models.clone();
    let asked = name.clone();
    let versions = state.heavy.run(deadline, move || models.versions(&asked)).await??;
    let tensor =
        |name: &str, datatype| TensorMetadata { name: name.to_owned(), datatype, shape: [-1] };
    let inputs = choice.model().fields.features().iter().map(|field| {
        let datatype = match &field.role {
            Role::Boolean => Datatype::Bool,
            Role::Categorical(_) => Datatype::Bytes,
            Role::Numeric | Role::Date(_) | Role::Id | Role::Ignored => Datatype::Fp64,
        };
        tensor(&field.name, datatype)
    });
    Ok(HttpResponse::Ok().json(ModelMetadata {
        name,
        versions: versions.iter().map(u32::to_string).collect(),
        platform: "rekindle",
        inputs: inputs.collect(),
        outputs: OUTPUTS.iter().map(|(name, datatype)| tensor(name, *datatype)).collect(),
    }))
}

/// Whether a model can answer.
#[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    responses((status = 200, description = "It can.", body = ModelReady)))]
pub async fn model_ready(
    state: web::Data<AppState>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let name = name.into_inner();
    state.models.find(Some(&name))?;
    Ok(HttpResponse::Ok().json(ModelReady { name, ready: true }))
}

/// Whether a version can answer.
#[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/ready", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 1)),
    responses((status = 200, description = "It can.", body = ModelReady)))]
pub async fn version_ready(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    choice(&state, state.deadline(), Some(&name), Some(version)).await?;
    Ok(HttpResponse::Ok().json(ModelReady { name, ready: true }))
}

/// Scores customers: an input for each feature, of shape `[n]` or `[n, 1]`, or one numeric input of shape
/// `[n, features]`.
#[utoipa::path(post, path = "/v2/models/{name}/infer", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn")),
    request_body(content((serde_json::Value = "application/json"), (Vec<u8> = "application/octet-stream")),
        description = "Tensors, in JSON or in binary behind it.",
        example = json!({"inputs": [
            {"name": "recency_days", "shape": [2], "datatype": "FP64", "data": [12.5, 90]},
            {"name": "plan", "shape": [2], "datatype": "BYTES", "data": ["gold", "basic"]},
        ]})),
    responses((status = 200, description = "The scores; binary outputs behind the JSON.",
        content((InferenceReply = "application/json"), (Vec<u8> = "application/octet-stream")))))]
pub async fn infer(
    state: web::Data<AppState>,
    name: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    answer(state, name.into_inner(), None, request, body).await
}

/// Scores customers by a version.
#[utoipa::path(post, path = "/v2/models/{name}/versions/{version}/infer", tag = "Open Inference Protocol v2",
    params(("name" = String, Path, description = "The model.", example = "churn"),
           ("version" = u32, Path, description = "The version.", example = 1)),
    request_body(content((serde_json::Value = "application/json"), (Vec<u8> = "application/octet-stream")),
        description = "Tensors, in JSON or in binary behind it."),
    responses((status = 200, description = "The scores; binary outputs behind the JSON.",
        content((InferenceReply = "application/json"), (Vec<u8> = "application/octet-stream")))))]
pub async fn infer_version(
    state: web::Data<AppState>,
    path: web::Path<(String, u32)>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    answer(state, name, Some(version), request, body).await
}

async fn answer(
    state: web::Data<AppState>,
    name: String,
    version: Option<u32>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let choices = vec![choice(&state, deadline, Some(&name), version).await?];
    let json_bytes = match request.headers().get(JSON_LENGTH) {
        None => None,
        Some(text) => {
            Some(text.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
                ApiError::InvalidTable {
                    reason: "Inference-Header-Content-Length is no number of bytes".to_owned(),
                }
            })?)
        }
    };
    let body = receive(&state, deadline, &request, body).await?;
    let (bytes, limits) = (body.len(), state.limits);
    // What the request says besides its customers, noted when it is read.
    let told = Arc::new(OnceLock::new());
    let noted = Arc::clone(&told);
    let read = move |body: &[u8], json_bytes: Option<usize>, model: &Model| {
        let parts = Parts::new(body, json_bytes)?;
        let request = parts.request()?;
        let wanted = request.outputs(&OUTPUTS.map(|(name, _)| name))?;
        let customers = request.customers(&parts, &model.fields, limits)?;
        noted.get_or_init(|| (request.id, wanted));
        Ok(customers)
    };
    let reader = move |model: &Model| {
        let read_so = read(&body, json_bytes, model);
        if !matches!(read_so, Err(ApiError::MalformedJson { .. })) {
            return read_so;
        }
        let clean = without_nan(&body, json_bytes);
        clean.map_or(read_so, |(body, json_bytes)| read(&body, json_bytes, model))
    };
    let write = move |scored: Vec<Scored>| {
        let (id, wanted) = told.get().expect("the request has been read");
        Ok(reply(&scored[0], id.clone(), wanted))
    };
    let asked = Asked { deadline, choices, why: Why::default() };
    let reply = asked.answer(&state, bytes, reader, write).await?;
    let (json, whole) = reply.split_last_chunk::<8>().expect("the JSON's length stands at the end");
    let json_bytes = u64::from_le_bytes(*whole) as usize;
    let mut response = HttpResponse::Ok();
    match json.len() == json_bytes {
        true => response.insert_header(ContentType::json()),
        false => response
            .insert_header(ContentType::octet_stream())
            .insert_header((JSON_LENGTH, json_bytes)),
    };
    Ok(response.body(json.to_vec()))
}

/// A column of an answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Column {
    Probabilities(Vec<f64>),
    Percentiles(Vec<i32>),
    Decisions(Vec<bool>),
    Ids(Vec<Option<CustomerId>>),
}

impl Column {
    fn of(name: &str, scored: &Scored) -> Column {
        let scores = scored.scores.iter();
        match name {
            "probability" => Column::Probabilities(scores.map(|score| score.probability).collect()),
            "percentile" => {
                Column::Percentiles(scores.map(|score| score.percentile.into()).collect())
            }
            "positive" => Column::Decisions(scores.map(|score| score.positive).collect()),
            _ => Column::Ids(scored.customers.ids.clone()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Column::Probabilities(all) => all.iter().for_each(|v| out.extend(v.to_le_bytes())),
            Column::Percentiles(all) => all.iter().for_each(|v| out.extend(v.to_le_bytes())),
            Column::Decisions(all) => out.extend(all.iter().map(|v| u8::from(*v))),
            Column::Ids(all) => {
                for id in all {
                    let text = id.as_ref().map_or_else(String::new, CustomerId::to_string);
                    out.extend((text.len() as u32).to_le_bytes());
                    out.extend(text.as_bytes());
                }
            }
        }
    }
}

/// The JSON, binary data behind it, and the JSON's length as eight bytes.
fn reply(scored: &Scored, id: Option<String>, wanted: &[(&'static str, bool)]) -> Vec<u8> {
    let (mut binary, model) = (Vec::new(), scored.answering());
    let named = scored.customers.ids.iter().any(Option::is_some);
    // Nobody asked for names that nobody gave.
    let wanted = wanted.iter().filter(|(name, _)| *name != "customer_id" || named);
    let outputs = wanted.map(|&(name, in_binary)| {
        let column = Column::of(name, scored);
        let start = binary.len();
        if in_binary {
            column.write(&mut binary);
        }
        let datatype = OUTPUTS.iter().find(|(output, _)| *output == name).map(|(_, d)| *d);
        OutputTensor {
            name,
            datatype: datatype.expect("wanted outputs are among those there are"),
            shape: [scored.scores.len()],
            parameters: in_binary
                .then(|| OutputParameters { binary_data_size: binary.len() - start }),
            data: (!in_binary).then_some(column),
        }
    });
    let reply = InferenceReply {
        model_name: model.name().to_owned(),
        model_version: model.version.to_string(),
        id,
        outputs: outputs.collect(),
    };
    let mut bytes = serde_json::to_vec(&reply).expect("names, numbers and texts are JSON");
    let json_bytes = bytes.len() as u64;
    bytes.extend(binary);
    bytes.extend(json_bytes.to_le_bytes());
    bytes
}
