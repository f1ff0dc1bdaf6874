//! The document as one page that needs nothing else.

use crate::report::{Document, markdown};

/// The document as HTML.
pub fn html(document: &Document<'_>) -> String {
    format!("<!doctype html><pre>{}</pre>", markdown(document).replace('<', "&lt;"))
}
