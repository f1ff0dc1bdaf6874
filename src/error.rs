//! Every error of the service and the reply it becomes. The only place that knows statuses.

use std::fmt;

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// What keeps a request from its answer.
#[derive(Debug)]
pub enum ApiError {
    /// The body could not be received.
    Unreceived {
        /// What went wrong.
        reason: String,
    },
    /// The body is not JSON.
    MalformedJson {
        /// Line of the body, from 1.
        line: usize,
        /// Column of that line, from 1; 0 at a line's end.
        column: usize,
        /// What the parser met.
        reason: String,
    },
    /// The query string cannot be understood.
    InvalidQuery {
        /// What was found.
        reason: String,
    },
    /// No such URL.
    UnknownRoute {
        /// The path asked for.
        path: String,
    },
    /// The URL exists, the method does not.
    MethodNotAllowed {
        /// The method used.
        method: String,
        /// The one to use.
        allowed: &'static str,
    },
    /// No such model.
    UnknownModel {
        /// The name asked for.
        model: String,
        /// The names there are.
        models: Vec<String>,
    },
    /// No such version of a model.
    UnknownVersion {
        /// The model.
        model: String,
        /// The version asked for.
        version: u32,
        /// The versions there are.
        versions: Vec<u32>,
    },
    /// The body is longer than the settings allow.
    BodyTooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// The request has more customers than the settings allow.
    TooManyCustomers {
        /// Customers allowed.
        limit: usize,
    },
    /// Several models are served and the request names none.
    ModelNotNamed {
        /// The names there are.
        models: Vec<String>,
    },
    /// The body is JSON, but not customers that the model can score.
    InvalidFeatures {
        /// The first of the bad fields.
        fields: Vec<BadField>,
        /// How many there are.
        total: usize,
    },
    /// The body is JSON, but not one customer's events.
    InvalidEvents {
        /// Line of the body, from 1; 0 where the place is not known.
        line: usize,
        /// Column of that line, from 1.
        column: usize,
        /// What was found and what was expected.
        reason: String,
    },
    /// The body is JSON, but makes no plan.
    InvalidPlan {
        /// Where, what was found and what was expected.
        reason: String,
    },
    /// The model does not know how its features are made from events.
    NotFromEvents {
        /// The model.
        model: String,
    },
    /// The model does not say why customers have their scores.
    NoReasons {
        /// The model.
        model: String,
        /// Why it does not.
        reason: String,
    },
    /// The body is JSON or CSV, but no table that can be read.
    InvalidTable {
        /// What was found and what was expected.
        reason: String,
    },
    /// The body is of a kind that is not taken here.
    UnsupportedMediaType {
        /// The kind, or the encoding.
        found: String,
        /// Those that are taken.
        expected: &'static str,
    },
    /// The answer cannot have a form that the client takes.
    NotAcceptable {
        /// The forms that the client takes.
        found: String,
        /// Those that there are.
        expected: &'static str,
    },
    /// No key, or none that is good.
    Unauthorized,
    /// The key is good for other things.
    Forbidden {
        /// The scope that is asked for.
        scope: &'static str,
    },
    /// Another site's page asks for a change.
    ForeignPage,
    /// The caller has sent more requests than it may.
    TooManyRequests {
        /// When the next may come.
        wait: Duration,
    },
    /// The service has more to do than it can.
    Overloaded,
    /// The answer would have come too late.
    DeadlineExceeded {
        /// The time it had.
        limit: Duration,
    },
    /// A version that cannot be served.
    VersionRefused {
        /// The model.
        model: String,
        /// The version.
        version: u32,
        /// Why.
        reason: String,
    },
    /// An administrative request that cannot be done as things stand.
    Conflict {
        /// Why.
        reason: String,
    },
    /// The audit log cannot be written, so that nothing is changed.
    NotAudited,
    /// Rows of a request that cannot be kept.
    InvalidRows {
        /// Where, what was found and what was expected.
        reason: String,
    },
    /// No such campaign.
    UnknownCampaign {
        /// The id asked for.
        campaign: String,
    },
    /// Nothing is kept of the customer.
    UnknownCustomer,
    /// The service has no store.
    NotKept,
    /// The store cannot be reached now.
    StoreAway,
    /// The service is asked to end, and finishes what it has begun.
    Draining,
    /// No model is loaded.
    NotReady,
    /// What the client can do nothing about; `reason` is for the log only.
    Internal {
        /// What went wrong.
        reason: String,
    },
}

/// A field of a customer that the model cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BadField {
    /// Place of the customer in the request, from 0.
    pub customer: usize,
    /// The field; absent where the customer as a whole is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

impl fmt::Display for BadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customer {}", self.customer)?;
        if let Some(field) = &self.field {
            write!(f, ", field {field:?}")?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)
    }
}

/// The body of every error under `/v1`.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "code": "invalid_features",
    "message": "1 field cannot be read",
    "details": [{"customer": 0, "field": "spend", "found": "text \"3\"", "expected": "a number or null"}],
}))]
pub struct ErrorBody<'a> {
    /// For machines; never changes.
    code: &'static str,
    /// For people.
    message: String,
    #[schema(value_type = serde_json::Value)]
    details: Details<'a>,
}

/// The body of every error under `/v2`.
#[derive(Serialize, ToSchema)]
pub struct InferenceError {
    /// For people.
    error: String,
}

/// The body of every error of MLflow's protocol.
#[derive(Serialize, ToSchema)]
pub struct InvocationError {
    /// For machines.
    error_code: String,
    /// For people.
    message: String,
}

/// Whose form an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Rekindle's own.
    Own,
    /// The Open Inference Protocol v2.
    Inference,
    /// MLflow's scoring server.
    Mlflow,
    /// A page for people.
    Page,
}

impl Protocol {
    /// The protocol that a path belongs to.
    pub fn of(path: &str) -> Protocol {
        match path {
            "/invocations" | "/ping" | "/health" | "/version" => Protocol::Mlflow,
            _ if path == "/v2" || path.starts_with("/v2/") => Protocol::Inference,
            _ => match path.trim_start_matches('/').split('/').next() {
                Some(
                    "" | "assets" | "campaigns" | "choose" | "customers" | "customers.csv"
                    | "models" | "plan" | "score" | "sign-in" | "sign-out",
                ) => Protocol::Page,
                _ => Protocol::Own,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    None([(); 0]),
    Fields(&'a [BadField]),
    Place { line: usize, column: usize },
    Models { models: &'a [String] },
    Versions { versions: &'a [u32] },
    Limit { limit: usize },
}

impl ApiError {
    /// The one table from error to status and code.
    fn table(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Unreceived { .. } => (StatusCode::BAD_REQUEST, "body_not_received"),
            ApiError::MalformedJson { .. } => (StatusCode::BAD_REQUEST, "malformed_json"),
            ApiError::InvalidQuery { .. } => (StatusCode::BAD_REQUEST, "invalid_query"),
            ApiError::UnknownRoute { .. } => (StatusCode::NOT_FOUND, "unknown_route"),
            ApiError::UnknownModel { .. } => (StatusCode::NOT_FOUND, "unknown_model"),
            ApiError::UnknownVersion { .. } => (StatusCode::NOT_FOUND, "unknown_version"),
            ApiError::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
            }
            ApiError::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            ApiError::TooManyCustomers { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_many_customers")
            }
            ApiError::ModelNotNamed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "model_not_named"),
            ApiError::InvalidFeatures { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid_features")
            }
            ApiError::InvalidEvents { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_events"),
            ApiError::InvalidPlan { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_plan"),
            ApiError::NotFromEvents { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not_from_events"),
            ApiError::NoReasons { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_reasons"),
            ApiError::InvalidTable { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_table"),
            ApiError::UnsupportedMediaType { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            ApiError::NotAcceptable { .. } => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            ApiError::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            ApiError::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden"),
            ApiError::ForeignPage => (StatusCode::FORBIDDEN, "foreign_page"),
            ApiError::TooManyRequests { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
            }
            ApiError::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            ApiError::DeadlineExceeded { .. } => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
            ApiError::VersionRefused { .. } => (StatusCode::CONFLICT, "version_refused"),
            ApiError::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
            ApiError::NotAudited => (StatusCode::SERVICE_UNAVAILABLE, "not_audited"),
            ApiError::InvalidRows { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_rows"),
            ApiError::UnknownCampaign { .. } => (StatusCode::NOT_FOUND, "unknown_campaign"),
            ApiError::UnknownCustomer => (StatusCode::NOT_FOUND, "unknown_customer"),
            ApiError::NotKept => (StatusCode::NOT_FOUND, "not_kept"),
            ApiError::StoreAway => (StatusCode::SERVICE_UNAVAILABLE, "store_away"),
            ApiError::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            ApiError::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "no_model_loaded"),
            ApiError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    fn details(&self) -> Details<'_> {
        match self {
            ApiError::InvalidFeatures { fields, .. } => Details::Fields(fields),
            // What is wrong with an event is told by its path.
            ApiError::InvalidEvents { line: 0, .. } => Details::None([]),
            ApiError::MalformedJson { line, column, .. }
            | ApiError::InvalidEvents { line, column, .. } => {
                Details::Place { line: *line, column: *column }
            }
            ApiError::UnknownModel { models, .. } | ApiError::ModelNotNamed { models } => {
                Details::Models { models }
            }
            ApiError::UnknownVersion { versions, .. } => Details::Versions { versions },
            ApiError::BodyTooLarge { limit } | ApiError::TooManyCustomers { limit } => {
                Details::Limit { limit: *limit }
            }
            ApiError::Unreceived { .. }
            | ApiError::InvalidQuery { .. }
            | ApiError::UnknownRoute { .. }
            | ApiError::MethodNotAllowed { .. }
            | ApiError::InvalidPlan { .. }
            | ApiError::InvalidRows { .. }
            | ApiError::UnknownCampaign { .. }
            | ApiError::NotFromEvents { .. }
            | ApiError::NoReasons { .. }
            | ApiError::InvalidTable { .. }
            | ApiError::UnsupportedMediaType { .. }
            | ApiError::NotAcceptable { .. }
            | ApiError::Unauthorized
            | ApiError::Forbidden { .. }
            | ApiError::ForeignPage
            | ApiError::TooManyRequests { .. }
            | ApiError::Overloaded
            | ApiError::DeadlineExceeded { .. }
            | ApiError::VersionRefused { .. }
            | ApiError::Conflict { .. }
            | ApiError::NotAudited
            | ApiError::UnknownCustomer
            | ApiError::NotKept
            | ApiError::StoreAway
            | ApiError::Draining
            | ApiError::NotReady
            | ApiError::Internal { .. } => Details::None([]),
        }
    }

    /// The reply, in a protocol's own form.
    pub fn reply(&self, protocol: Protocol) -> HttpResponse {
        let (status, code) = self.table();
        let mut response = HttpResponse::build(status);
        match self {
            ApiError::MethodNotAllowed { allowed, .. } => {
                response.insert_header((header::ALLOW, *allowed));
            }
            ApiError::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            ApiError::TooManyRequests { wait } => {
                response.insert_header((header::RETRY_AFTER, whole_seconds(*wait)));
            }
            ApiError::Overloaded | ApiError::StoreAway | ApiError::DeadlineExceeded { .. } => {
                response.insert_header((header::RETRY_AFTER, 1));
            }
            _ => {}
        }
        match protocol {
            Protocol::Own => response.json(ErrorBody {
                code,
                message: self.to_string(),
                details: self.details(),
            }),
            Protocol::Inference => response.json(InferenceError { error: self.in_full() }),
            Protocol::Mlflow => response.json(InvocationError {
                error_code: code.to_ascii_uppercase(),
                message: self.in_full(),
            }),
            // Of a request that did not come as far as the pages: they tell their own errors.
            Protocol::Page => {
                let text = format!("{self}\n");
                response.content_type("text/plain; charset=utf-8").body(text)
            }
        }
    }

    /// The sentence, with the first bad field where the form of the reply has no room for all.
    fn in_full(&self) -> String {
        match self {
            ApiError::InvalidFeatures { fields, .. } if !fields.is_empty() => {
                format!("{self}: {}", fields[0])
            }
            _ => self.to_string(),
        }
    }

    /// The stable word for the error.
    pub fn code(&self) -> &'static str {
        self.table().1
    }

    /// What the log says and the client does not get to see.
    pub fn internal_reason(&self) -> Option<&str> {
        match self {
            ApiError::Internal { reason } => Some(reason),
            _ => None,
        }
    }
}

/// The sentence that the client gets.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Unreceived { reason } => write!(f, "the body was not received: {reason}"),
            ApiError::MalformedJson { line, column, reason } => {
                write!(f, "the body is not JSON: {reason} at line {line}, column {column}")
            }
            ApiError::InvalidQuery { reason } => write!(f, "the query string is wrong: {reason}"),
            ApiError::UnknownRoute { path } => {
                write!(f, "nothing is at {path}; /docs shows what there is")
            }
            ApiError::MethodNotAllowed { method, allowed } => {
                write!(f, "{method} is not possible here; use {allowed}")
            }
            ApiError::UnknownModel { model, models } => {
                write!(f, "no model {model:?}; {}", there_is(models))
            }
            ApiError::UnknownVersion { model, version, versions } => {
                let versions: Vec<String> = versions.iter().map(u32::to_string).collect();
                write!(f, "model {model} has no version {version}; {}", there_is(&versions))
            }
            ApiError::BodyTooLarge { limit } => {
                write!(f, "the body is larger than {limit} bytes; send fewer customers at a time")
            }
            ApiError::TooManyCustomers { limit } => {
                write!(f, "more than {limit} customers; send fewer at a time")
            }
            ApiError::ModelNotNamed { models } => {
                write!(f, "name a model with ?model=NAME; {}", there_is(models))
            }
            ApiError::InvalidFeatures { fields, total } if *total > fields.len() => {
                write!(f, "{total} fields cannot be read, the first {} are listed", fields.len())
            }
            ApiError::InvalidFeatures { total: 1, .. } => write!(f, "1 field cannot be read"),
            ApiError::InvalidFeatures { total, .. } => write!(f, "{total} fields cannot be read"),
            ApiError::InvalidEvents { line: 0, reason, .. } => {
                write!(f, "the events cannot be scored: {reason}")
            }
            ApiError::InvalidEvents { line, column, reason } => {
                write!(f, "the events cannot be read: {reason} at line {line}, column {column}")
            }
            ApiError::NotFromEvents { model } => write!(
                f,
                "model {model} was not made from events; send its features to POST /v1/score, or fit \
                 it on snapshots of `rekindle features`"
            ),
            ApiError::NoReasons { model, reason } => {
                write!(f, "model {model} tells no reasons: {reason}")
            }
            ApiError::InvalidTable { reason } => write!(f, "the table cannot be read: {reason}"),
            ApiError::InvalidPlan { reason } => write!(f, "the plan cannot be made: {reason}"),
            ApiError::UnsupportedMediaType { found, expected } => {
                write!(f, "{found} is not taken here; send {expected}")
            }
            ApiError::NotAcceptable { found, expected } => {
                write!(f, "{found:?} cannot be answered; accept {expected}")
            }
            ApiError::Unauthorized => {
                write!(f, "no valid key; send one as Authorization: Bearer KEY")
            }
            ApiError::Forbidden { scope } => {
                write!(f, "the key lacks the scope {scope}; ask for one that has it")
            }
            ApiError::ForeignPage => write!(
                f,
                "a page of another site asks for a change; the setting cors_origins says which may"
            ),
            ApiError::TooManyRequests { wait } => {
                write!(f, "too many requests; come again in {} s", whole_seconds(*wait))
            }
            ApiError::Overloaded => write!(f, "the service is overloaded; come again in 1 s"),
            ApiError::DeadlineExceeded { limit } => {
                write!(
                    f,
                    "no answer within {} ms; send less at a time, or come again",
                    limit.as_millis()
                )
            }
            ApiError::VersionRefused { model, version, reason } => {
                write!(f, "version {version} of model {model} is refused: {reason}")
            }
            ApiError::Conflict { reason } => write!(f, "{reason}"),
            ApiError::NotAudited => {
                write!(
                    f,
                    "the audit log cannot be written, and what is not written there is not done"
                )
            }
            ApiError::InvalidRows { reason } => write!(f, "nothing was kept: {reason}"),
            ApiError::UnknownCampaign { campaign } => write!(
                f,
                "no campaign {campaign:?}; GET /v1/campaigns tells which there are, POST makes one"
            ),
            ApiError::UnknownCustomer => {
                write!(
                    f,
                    "nothing is kept of this customer; `rekindle score --store` keeps scores, `rekindle plan --store` \
                     campaigns"
                )
            }
            ApiError::NotKept => write!(
                f,
                "the service has no store; `rekindle score --store` makes one, the setting store says where it is"
            ),
            ApiError::StoreAway => {
                write!(f, "the store cannot be reached now; come again later")
            }
            ApiError::Draining => write!(f, "the service ends; ask another one"),
            ApiError::NotReady => {
                write!(f, "no model is loaded; `rekindle fit` makes one, then promote it")
            }
            ApiError::Internal { .. } => {
                write!(f, "something is wrong in the service; its log says what")
            }
        }
    }
}

fn there_is(names: &[String]) -> String {
    if names.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there is {}", names.join(", "))
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.table().0
    }

    fn error_response(&self) -> HttpResponse {
        self.reply(Protocol::Own)
    }
}

/// Seconds as `Retry-After` has them: at least 1.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}
