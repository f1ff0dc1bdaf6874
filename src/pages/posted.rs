//! What a form sends: its fields, once it is sure that the form is one of ours.

use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::pages::visitor::{FORM_TOKEN, Visitor};
use crate::state::AppState;

/// Longest form. What forms send is typed by people; files come another way.
const MOST_BYTES: usize = 64 << 10;

/// A form's fields, in its order.
#[derive(Debug, Default, PartialEq)]
pub struct Posted(Vec<(String, String)>);

impl Posted {
    /// Reads a form.
    ///
    /// # Errors
    /// When it is too long or comes too late, or is none of ours.
    pub async fn read(
        state: &AppState,
        visitor: &Visitor,
        body: web::Payload,
    ) -> Result<Posted, ApiError> {
        let body = state.deadline().meet(&state.counters, gather(body)).await??;
        let posted = Posted(url::form_urlencoded::parse(&body).into_owned().collect());
        match posted.get(FORM_TOKEN) {
            Some(token) if token == &*visitor.form_token => Ok(posted),
            _ => Err(ApiError::ForeignPage),
        }
    }

    /// Some fields, for tests.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Posted {
        Posted(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    /// The first field of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

async fn gather(mut body: web::Payload) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::Unreceived { reason: error.to_string() })?;
        if bytes.len() + piece.len() > MOST_BYTES {
            return Err(ApiError::BodyTooLarge { limit: MOST_BYTES });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
