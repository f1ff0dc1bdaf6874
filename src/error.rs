//! Every error of the service and the reply it becomes. The only place that knows statuses.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

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
    /// No model is loaded.
    NotReady,
    /// What the client can do nothing about; `reason` is for the log only.
    Internal {
        /// What went wrong.
        reason: String,
    },
}

/// A field of a customer that the model cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// The body of every error.
#[derive(Serialize)]
struct ErrorBody<'a> {
    /// For machines; never changes.
    code: &'static str,
    /// For people.
    message: String,
    details: Details<'a>,
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
            ApiError::NotFromEvents { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "not_from_events"),
            ApiError::NoReasons { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_reasons"),
            ApiError::NotReady => (StatusCode::SERVICE_UNAVAILABLE, "no_model_loaded"),
            ApiError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    fn details(&self) -> Details<'_> {
        match self {
            ApiError::InvalidFeatures { fields, .. } => Details::Fields(fields),
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
            | ApiError::NotFromEvents { .. }
            | ApiError::NoReasons { .. }
            | ApiError::NotReady
            | ApiError::Internal { .. } => Details::None([]),
        }
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
                write!(f, "nothing is at {path}; customers are scored at POST /v1/score")
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
            ApiError::NotReady => {
                write!(f, "no model is loaded; `rekindle fit` makes one, then start again")
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
        let (status, code) = self.table();
        let mut response = HttpResponse::build(status);
        if let ApiError::MethodNotAllowed { allowed, .. } = self {
            response.insert_header((header::ALLOW, *allowed));
        }
        response.json(ErrorBody { code, message: self.to_string(), details: self.details() })
    }
}
