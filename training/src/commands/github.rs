//! What GitHub Actions shows of a judgement: a summary of the job, annotations beside it. Does nothing elsewhere.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result};

use crate::report::{Document, annotations, failed, summary};

/// Appends to the job's summary where there is one, and annotates what was not kept where workflow commands are read.
pub(super) fn tell(document: &Document<'_>) -> Result<()> {
    tell_of(&summary(document), &annotations(document))
}

/// The same of a summary and annotations.
pub(super) fn tell_of(summary: &str, annotations: &str) -> Result<()> {
    append(summary)?;
    write(annotations);
    Ok(())
}

/// Annotates what could not be done.
pub fn annotate(message: &str) {
    write(&failed(message));
}

fn write(annotations: &str) {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true") {
        // On standard error, where commands are read as well: standard output may be JSON.
        let _ = std::io::stderr().write_all(annotations.as_bytes());
    }
}

/// Appends Markdown to the job's summary where there is one.
pub(super) fn append(text: &str) -> Result<()> {
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        let text = text.to_owned() + "\n";
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| {
            format!("GITHUB_STEP_SUMMARY: failed to append to {}", path.to_string_lossy())
        })?;
    }
    Ok(())
}
