//! A file that a form sends, once it is sure that the form is one of ours: its fields come in the form's order, the token
//! before the file. Small files lie in memory, large ones on the disk.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use actix_multipart::{Field, Multipart};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::ApiError;
use crate::memory::Taken;
use crate::pace::Pace;
use crate::pages::visitor::{FORM_TOKEN, Visitor};
use crate::state::AppState;

/// Longest field that is no file.
const FIELD_BYTES: usize = 4_096;
/// Most fields before the file.
const FIELDS: usize = 20;
/// How many times as long as a body a file on the disk may be: 128 MiB where nothing else was set.
const TIMES_A_BODY: usize = 16;
/// Bytes that are written at a time.
const PIECE: usize = 1 << 20;

/// A file of no more than a request's body.
pub struct Uploaded {
    /// What it holds.
    pub content: Bytes,
    _taken: Taken,
}

/// A file on the disk, with the fields before it. It has no name there.
pub struct Spooled {
    fields: Vec<(String, String)>,
    /// The file's name on the visitor's machine, where it was said. To be shown, never to be opened.
    pub name: Option<String>,
    /// What it holds.
    pub file: File,
    /// Its length.
    pub bytes: u64,
}

/// The fields before a file, and the file that comes now; `None` where the form has none.
struct Begun {
    fields: Vec<(String, String)>,
    file: Option<(Option<String>, Field)>,
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
        let read = async {
            let missing = || ApiError::Unreceived { reason: "the form has no file".to_owned() };
            let mut form = form;
            let (_, mut file) = begin(visitor, &mut form).await?.file.ok_or_else(missing)?;
            let mut taken = state.bodies.taken();
            let limit = state.settings.max_body_bytes;
            let content = bytes(&mut file, limit, Some((state, &mut taken))).await?;
            Ok(Uploaded { content, _taken: taken })
        };
        state.deadline().meet(&state.counters, read).await?
    }
}

impl Spooled {
    /// Longest file.
    pub fn limit(state: &AppState) -> usize {
        state.settings.max_body_bytes.saturating_mul(TIMES_A_BODY)
    }

    /// Reads a form with one file, for as long as it keeps coming; without one, the file is empty and has no name.
    ///
    /// # Errors
    /// When it is too long or comes too slowly, the disk does not take it, or the form is none of ours.
    pub async fn read(
        state: &AppState,
        visitor: &Visitor,
        mut form: Multipart,
    ) -> Result<Spooled, ApiError> {
        let begun = begin(visitor, &mut form);
        let begun = state.deadline().meet(&state.counters, begun).await??;
        let file = tempfile::tempfile().map_err(unkept)?;
        let mut spooled = Spooled { fields: begun.fields, name: None, file, bytes: 0 };
        if let Some((name, field)) = begun.file {
            spooled.name = name.filter(|name| !name.is_empty());
            let patience = Duration::from_millis(state.settings.request_timeout_ms);
            spooled.fill(field, Spooled::limit(state), Pace::new(patience)).await?;
        }
        Ok(spooled)
    }

    async fn fill(
        &mut self,
        mut field: Field,
        limit: usize,
        mut pace: Pace,
    ) -> Result<(), ApiError> {
        let mut waiting = BytesMut::new();
        while let Some(piece) = pace.next(&mut field).await {
            let piece =
                piece.map_err(|error| ApiError::Unreceived { reason: error.to_string() })?;
            self.bytes += piece.len() as u64;
            // A browser that still sends reads no answer: what is a little too much is received and dropped.
            match self.bytes as usize {
                bytes if bytes > 2 * limit => return Err(ApiError::BodyTooLarge { limit }),
                bytes if bytes > limit => waiting.clear(),
                _ => waiting.extend_from_slice(&piece),
            }
            if waiting.len() >= PIECE {
                self.write(waiting.split().freeze()).await?;
            }
        }
        match self.bytes as usize > limit {
            true => Err(ApiError::BodyTooLarge { limit }),
            false => self.write(waiting.freeze()).await,
        }
    }

    /// Files block.
    async fn write(&self, bytes: Bytes) -> Result<(), ApiError> {
        let mut file = self.file.try_clone().map_err(unkept)?;
        let written = web::block(move || file.write_all(&bytes)).await;
        written.map_err(unkept)?.map_err(unkept)
    }

    /// The first field of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

async fn begin(visitor: &Visitor, form: &mut Multipart) -> Result<Begun, ApiError> {
    let (mut fields, mut ours) = (Vec::new(), false);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(broken)?;
        let name = field.name().unwrap_or_default().to_owned();
        let disposition = field.content_disposition();
        let file = disposition.and_then(|d| d.get_filename()).map(str::to_owned);
        if name == "file" {
            return match ours {
                true => Ok(Begun { fields, file: Some((file, field)) }),
                false => Err(ApiError::ForeignPage),
            };
        }
        let value = bytes(&mut field, FIELD_BYTES, None).await?;
        let value = String::from_utf8_lossy(&value).into_owned();
        match name.as_str() {
            FORM_TOKEN => ours = value == *visitor.form_token,
            _ if fields.len() < FIELDS => fields.push((name, value)),
            _ => {
                return Err(ApiError::Unreceived {
                    reason: "the form has too many fields".to_owned(),
                });
            }
        }
    }
    match ours {
        true => Ok(Begun { fields, file: None }),
        false => Err(ApiError::ForeignPage),
    }
}

/// A field's bytes; those of files count as what bodies hold.
async fn bytes(
    field: &mut Field,
    limit: usize,
    mut counted: Option<(&AppState, &mut Taken)>,
) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = field.next().await {
        let piece = piece.map_err(broken)?;
        if bytes.len() + piece.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        if let Some((state, taken)) = &mut counted
            && !taken.grow(2 * piece.len())
        {
            state.counters.shed("memory");
            return Err(ApiError::Overloaded);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn broken(error: actix_multipart::MultipartError) -> ApiError {
    ApiError::Unreceived { reason: error.to_string() }
}

fn unkept(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal { reason: format!("a file that was sent cannot be kept: {error}") }
}
