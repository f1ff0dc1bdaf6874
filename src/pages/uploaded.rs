//! A file that a form sends, once it is sure that the form is one of ours: its fields come in the form's order, the token
//! before the file.

use actix_multipart::{Field, Multipart};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::pages::visitor::{FORM_TOKEN, Visitor};
use crate::state::AppState;

/// Longest field that is no file.
const FIELD_BYTES: usize = 4_096;

/// A file, and the fields before it.
pub struct Uploaded {
    /// Fields before the file, but for the token.
    pub fields: Vec<(String, String)>,
    /// The file's name on the visitor's machine, where it was said. To be shown, never to be opened.
    pub name: Option<String>,
    /// What it holds.
    pub content: Bytes,
}

impl Uploaded {
    /// Reads a form with one file.
    ///
    /// # Errors
    /// When it is too long, comes too late, or is none of ours.
    pub async fn read(
        state: &AppState,
        visitor: &Visitor,
        form: Multipart,
    ) -> Result<Uploaded, ApiError> {
        let deadline = state.deadline();
        deadline.meet(&state.counters, gather(state, visitor, form)).await?
    }

    /// The first field of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

async fn gather(
    state: &AppState,
    visitor: &Visitor,
    mut form: Multipart,
) -> Result<Uploaded, ApiError> {
    let (mut fields, mut ours) = (Vec::new(), false);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(broken)?;
        let name = field.name().unwrap_or_default().to_owned();
        let disposition = field.content_disposition();
        let file = disposition.and_then(|d| d.get_filename()).map(str::to_owned);
        if name == "file" {
            if !ours {
                return Err(ApiError::ForeignPage);
            }
            let content = bytes(&mut field, state.settings.max_body_bytes).await?;
            return Ok(Uploaded { fields, name: file, content });
        }
        let value = bytes(&mut field, FIELD_BYTES).await?;
        let value = String::from_utf8_lossy(&value).into_owned();
        match name.as_str() {
            FORM_TOKEN => ours = value == *visitor.form_token,
            _ => fields.push((name, value)),
        }
    }
    Err(ApiError::Unreceived { reason: "the form has no file".to_owned() })
}

async fn bytes(field: &mut Field, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = field.next().await {
        let piece = piece.map_err(broken)?;
        if bytes.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn broken(error: actix_multipart::MultipartError) -> ApiError {
    ApiError::Unreceived { reason: error.to_string() }
}
