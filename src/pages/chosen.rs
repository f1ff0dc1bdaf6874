//! What a visitor chooses for all pages: language and colours.

use actix_web::HttpResponse;
use actix_web::cookie::time::Duration;
use actix_web::web;
use rekindle_models::language::Language;
use serde::Deserialize;

use crate::error::ApiError;
use crate::pages::frame;
use crate::pages::visitor::{LANGUAGE, THEME, cookie};
use crate::state::AppState;

/// What is chosen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    language: Option<Language>,
    theme: Option<ThemeWord>,
    /// What to look at then.
    next: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ThemeWord {
    Light,
    Dark,
}

/// Remembers a choice and goes back.
pub async fn choose(
    state: web::Data<AppState>,
    choice: web::Query<Choice>,
) -> Result<HttpResponse, ApiError> {
    let mut response = frame::see(frame::own_path(choice.next.as_deref()));
    let theme = choice.theme.map(|theme| match theme {
        ThemeWord::Light => "light",
        ThemeWord::Dark => "dark",
    });
    let chosen = [(LANGUAGE, choice.language.map(frame::tag)), (THEME, theme)];
    for (name, value) in chosen {
        let Some(value) = value else { continue };
        let mut cookie = cookie(&state, name, value.to_owned());
        cookie.set_max_age(Duration::days(365));
        let added = response.add_cookie(&cookie);
        added.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    }
    Ok(response)
}
