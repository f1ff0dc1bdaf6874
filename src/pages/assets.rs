//! The style sheet, the script and the icon: parts of the program, named by what they hold, so that browsers keep them.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web;

use crate::error::ApiError;

/// A file of the pages.
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static str,
    path: LazyLock<String>,
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            content: include_str!($name),
            path: LazyLock::new(|| {
                let hash = blake3::hash(include_bytes!($name)).to_hex();
                format!("/assets/{}?v={}", $name, &hash[..12])
            }),
        }
    };
}

/// How pages look.
pub static STYLE: Asset = asset!("style.css", "text/css; charset=utf-8");
/// What pages do at once.
pub static SCRIPT: Asset = asset!("script.js", "text/javascript; charset=utf-8");
/// What stands beside a page's name.
pub static ICON: Asset = asset!("icon.svg", "image/svg+xml");

impl Asset {
    /// Where it is; another path when it is another file.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Answers with a file.
pub async fn asset(file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let found = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == *file);
    let asset = found.ok_or_else(|| ApiError::UnknownRoute { path: format!("/assets/{file}") })?;
    Ok(HttpResponse::Ok()
        .content_type(asset.kind)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.content))
}
