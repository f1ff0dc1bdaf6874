//! Requests that no handler is there for.

use actix_web::error::{PathError, QueryPayloadError};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::ApiError;

/// No such URL.
pub async fn route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::UnknownRoute { path: request.path().to_owned() })
}

/// A URL that only knows GET.
pub async fn get(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed { method: request.method().to_string(), allowed: "GET" })
}

/// A URL that knows GET and POST.
pub async fn get_or_post(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let method = request.method().to_string();
    Err(ApiError::MethodNotAllowed { method, allowed: "GET, POST" })
}

/// A URL that only knows POST.
pub async fn post(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed { method: request.method().to_string(), allowed: "POST" })
}

/// A query string that does not parse.
pub fn query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    let reason = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    };
    ApiError::InvalidQuery { reason }.into()
}

/// A part of a path that does not parse, as a version that is no number.
pub fn path(_: PathError, request: &HttpRequest) -> actix_web::Error {
    ApiError::UnknownRoute { path: request.path().to_owned() }.into()
}
