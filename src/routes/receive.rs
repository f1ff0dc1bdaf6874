//! A request's body, within its limits.

use std::io::Read;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::heavy::Deadline;
use crate::memory::Taken;
use crate::state::AppState;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// By gzip.
    Gzip,
}

/// How the body of a request is packed.
///
/// # Errors
/// When it is packed otherwise than known.
pub fn encoding(request: &HttpRequest) -> Result<Encoding, ApiError> {
    let Some(encoding) = request.headers().get(CONTENT_ENCODING) else {
        return Ok(Encoding::Plain);
    };
    match encoding.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::Plain),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        other => Err(ApiError::UnsupportedMediaType {
            found: format!("the content encoding {other:?}"),
            expected: "gzip, or the body as it is",
        }),
    }
}

/// The whole body, whatever its content type: `curl -d` says that it sends a form.
///
/// # Errors
/// When it is longer than allowed, also once unpacked; does not come in time; cannot be unpacked; or the bodies under
/// way hold as much as they may.
pub async fn receive(
    state: &AppState,
    deadline: Deadline,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<Bytes, ApiError> {
    let limit = state.settings.max_body_bytes;
    let encoding = encoding(request)?;
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let body = deadline.meet(&state.counters, gather(state, body)).await??;
    match encoding {
        Encoding::Plain => Ok(body),
        Encoding::Gzip => state.heavy.run(deadline, move || unpack(&body, limit)).await?,
    }
}

/// Bodies up to this are not counted: connections are limited, and so many are the common ones.
const SMALL: usize = 32 << 10;

/// A body with the memory that it takes, given back when the last who reads it is done.
struct Held {
    bytes: BytesMut,
    _taken: Taken,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

async fn gather(state: &AppState, mut body: web::Payload) -> Result<Bytes, ApiError> {
    let limit = state.settings.max_body_bytes;
    let mut bytes = BytesMut::new();
    let mut taken = state.bodies.taken();
    let mut counted = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::Unreceived { reason: error.to_string() })?;
        if bytes.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
        // What is set aside counts, which is up to twice of what came.
        if bytes.len() > SMALL && bytes.capacity() > counted {
            if !taken.grow(bytes.capacity() - counted) {
                state.counters.shed("memory");
                return Err(ApiError::Overloaded);
            }
            counted = bytes.capacity();
        }
    }
    Ok(match counted {
        0 => bytes.freeze(),
        _ => Bytes::from_owner(Held { bytes, _taken: taken }),
    })
}

/// Unpacks no more than allowed: a few bytes may claim to be gigabytes.
fn unpack(packed: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let mut body = Vec::new();
    let unpacked = flate2::read::MultiGzDecoder::new(packed).take(limit as u64 + 1);
    match { unpacked }.read_to_end(&mut body) {
        Ok(_) if body.len() > limit => Err(ApiError::BodyTooLarge { limit }),
        Ok(_) => Ok(body.into()),
        Err(error) => {
            Err(ApiError::Unreceived { reason: format!("it cannot be unpacked: {error}") })
        }
    }
}
