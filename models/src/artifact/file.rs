//! The bytes of a saved model: framing, checksum, save and load.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::artifact::golden::{Golden, WireGolden};
use crate::artifact::manifest::Manifest;
use crate::artifact::registry::write_whole;
use crate::artifact::wire;
use crate::baseline::Baseline;
use crate::error::{Error, Result};
use crate::scorer::Scorer;

/// A model that scores; format 2.
const MODEL: Form =
    Form { magic: *b"\x89RKD\r\n\x1a\n", version: 2, what: "model", writer: "rekindle fit" };
/// The first format with golden rows behind the model.
const WITH_GOLDEN: u32 = 2;
const HEADER: usize = 24;
const CHECKSUM: usize = 32;
/// Longest manifest: 500 features with thousands of levels each stay far below.
const MAX_MANIFEST: usize = 64 << 20;
/// Longest file: beyond it something else was named by mistake.
const MAX_FILE: u64 = 4 << 30;

/// What files of a kind begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub magic: [u8; 8],
    /// The format this code writes, and the newest it reads.
    pub version: u32,
    /// What is in them.
    pub what: &'static str,
    /// The command that writes them.
    pub writer: &'static str,
}

/// A saved model: what it says of itself, and what scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What scores.
    pub scorer: Scorer,
    /// The best simple rule on the same training rows, to judge the model against.
    pub baseline: Baseline,
    /// Rows with the scores they had when the model was made.
    pub golden: Golden,
}

impl Artifact {
    /// The file's bytes. Equal artefacts have equal bytes.
    ///
    /// # Errors
    /// When the manifest is longer than the format allows, or there are too many golden rows.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let manifest = serde_json::to_vec(&self.manifest).map_err(|e| unwritable(&e))?;
        let golden = WireGolden::of(&self.golden).map_err(|e| unwritable(&e))?;
        let payload =
            postcard::to_stdvec(&(wire::Payload::of(self), golden)).map_err(|e| unwritable(&e))?;
        MODEL.frame(&manifest, &payload)
    }

    /// Reads a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// When they are foreign, newer than this code, truncated, damaged, or not a model.
    pub fn from_bytes(bytes: &[u8], path: &str) -> Result<Artifact> {
        let bad = |reason: String| Error::BadArtifact { path: path.to_owned(), reason };
        let (version, manifest, payload) = MODEL.unframe(bytes).map_err(bad)?;
        let manifest: Manifest = serde_json::from_slice(manifest)
            .map_err(|e| bad(format!("its manifest does not parse: {e}")))?;
        let (payload, rest): (wire::Payload, _) = postcard::take_from_bytes(payload)
            .map_err(|e| bad(format!("its payload does not parse: {e}")))?;
        let (scorer, baseline) = payload.into_parts(&manifest).map_err(bad)?;
        let (golden, rest) = golden_rows(version, rest, &scorer).map_err(bad)?;
        if !rest.is_empty() {
            return Err(bad(format!("{} bytes follow its payload", rest.len())));
        }
        Ok(Artifact { manifest, scorer, baseline, golden })
    }

    /// Writes the file whole or not at all: a temporary file beside it, then a rename.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_bytes()?)
    }

    /// Reads what a file says of itself alone. Its frame and checksum are looked at, the model behind it is not parsed.
    ///
    /// # Errors
    /// When it cannot be read, is foreign, newer than this code, truncated or damaged.
    pub fn load_manifest(path: &Path) -> Result<Manifest> {
        let bytes = bytes_of(path)?;
        let bad = |reason: String| Error::BadArtifact { path: path.display().to_string(), reason };
        let (_, manifest, _) = MODEL.unframe(&bytes).map_err(bad)?;
        serde_json::from_slice(manifest)
            .map_err(|e| bad(format!("its manifest does not parse: {e}")))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Artifact::from_bytes`], and when it cannot be read.
    pub fn load(path: &Path) -> Result<Artifact> {
        Artifact::from_bytes(&bytes_of(path)?, &path.display().to_string())
    }
}

/// A file's bytes, where it is no longer than a model can be.
///
/// # Errors
/// When it cannot be read, or is too long.
pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { path: path.to_owned(), action: "read", source };
    let mut file = fs::File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > MAX_FILE {
        let reason = format!("it has {size} bytes, expected at most {MAX_FILE}");
        return Err(Error::BadArtifact { path: path.display().to_string(), reason });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.by_ref().take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// The golden rows behind a model of this format, and the bytes behind them.
fn golden_rows<'a>(
    version: u32,
    bytes: &'a [u8],
    scorer: &Scorer,
) -> std::result::Result<(Golden, &'a [u8]), String> {
    let width = scorer.schema.len();
    if version < WITH_GOLDEN {
        return Ok((Golden::none(width), bytes));
    }
    let most = WireGolden::most_bytes(width);
    if bytes.len() > most {
        return Err(format!(
            "its golden rows cannot be: {} bytes, expected at most {most}; fit the model again",
            bytes.len()
        ));
    }
    let (golden, rest): (WireGolden, _) = postcard::take_from_bytes(bytes)
        .map_err(|e| format!("its golden rows do not parse: {e}"))?;
    Ok((golden.live(&scorer.schema)?, rest))
}

impl Form {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When the manifest is longer than the format allows.
    pub fn frame(&self, manifest: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
        if manifest.len() > MAX_MANIFEST {
            return Err(unwritable(&format!(
                "its manifest has {} bytes, at most {MAX_MANIFEST} can be saved; \
                 exclude columns with very many levels",
                manifest.len()
            )));
        }
        let mut bytes = Vec::with_capacity(HEADER + manifest.len() + payload.len() + CHECKSUM);
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(manifest);
        bytes.extend_from_slice(payload);
        let checksum = blake3::hash(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        Ok(bytes)
    }

    /// Format, manifest and payload of a file whose frame is sound.
    pub fn unframe<'b>(
        &self,
        bytes: &'b [u8],
    ) -> std::result::Result<(u32, &'b [u8], &'b [u8]), String> {
        if !bytes.starts_with(&self.magic) {
            return Err(format!(
                "it is foreign: it does not start as a Rekindle {} does; name a file that `{}` wrote",
                self.what, self.writer
            ));
        }
        let truncated = |found: usize, expected: u64| {
            format!("it is truncated: {found} bytes, expected {expected}; copy it again")
        };
        if bytes.len() < HEADER + CHECKSUM {
            return Err(truncated(bytes.len(), (HEADER + CHECKSUM) as u64));
        }
        let four =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let version = four(8);
        if version > self.version {
            return Err(format!(
                "it is newer: format {version}, this program reads up to {}; update Rekindle",
                self.version
            ));
        }
        if version == 0 {
            return Err("it is damaged: format 0 was never written; copy it again".to_owned());
        }
        let manifest = four(12) as usize;
        let payload = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
        if manifest > MAX_MANIFEST {
            return Err(format!("it is damaged: a manifest of {manifest} bytes; copy it again"));
        }
        let expected = ((HEADER + manifest + CHECKSUM) as u64).saturating_add(payload);
        if (bytes.len() as u64) < expected {
            return Err(truncated(bytes.len(), expected));
        }
        if bytes.len() as u64 > expected {
            return Err(format!(
                "it is damaged: {} bytes, expected {expected}; copy it again",
                bytes.len()
            ));
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if blake3::hash(content).as_bytes() != checksum {
            return Err("it is damaged: its checksum does not match; copy it again".to_owned());
        }
        let (manifest, payload) = content[HEADER..].split_at(manifest);
        Ok((version, manifest, payload))
    }
}

pub(super) fn unwritable(reason: &dyn std::fmt::Display) -> Error {
    Error::BadArtifact { path: "<new model>".to_owned(), reason: reason.to_string() }
}
