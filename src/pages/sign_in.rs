//! Signing in with an API key, and out.

use actix_web::cookie::time::Duration;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use serde::Deserialize;
use std::time::SystemTime;

use crate::error::ApiError;
use crate::keys::claimed_id;
use crate::pages::frame::{self, Section};
use crate::pages::posted::Posted;
use crate::pages::visitor::{Visitor, cookie, cookie_name, session_cookie};
use crate::state::{About, AppState, Asker};

/// What to look at afterwards.
#[derive(Debug, Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// The form.
pub async fn form(visitor: Visitor, next: web::Query<Next>) -> HttpResponse {
    match visitor.signs_in && visitor.caller.is_none() {
        true => shown(&visitor, next.next.as_deref(), false),
        false => frame::see(frame::own_path(next.next.as_deref())),
    }
}

fn shown(visitor: &Visitor, next: Option<&str>, refused: bool) -> HttpResponse {
    let texts = &visitor.texts().sign_in;
    let body = html! {
        form.card.narrow method="post" action="/sign-in" {
            h1 { (texts.title) }
            (frame::form_token(visitor))
            input type="hidden" name="next" value=(frame::own_path(next));
            @if refused { p.bad role="alert" { (texts.refused) } }
            label for="key" { (texts.key) }
            input #key type="password" name="key" required autocomplete="current-password"
                spellcheck="false" aria-describedby="key-note";
            p.note #key-note { (texts.note) " " code { "rekindle-server keys create --scope read --scope plan" } }
            button.primary type="submit" { (texts.sign_in) }
        }
    };
    let mut response = frame::page(visitor, Section::Outside, texts.title, body);
    if refused {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

/// Begins a session with a key.
pub async fn sign_in(
    state: web::Data<AppState>,
    visitor: Visitor,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let posted = Posted::read(&state, &visitor, body).await?;
    let next = frame::own_path(posted.get("next")).to_owned();
    let Some(keys) = &state.keys else { return Ok(frame::see(&next)) };
    let (now, key) = (SystemTime::now(), posted.get("key").unwrap_or_default().trim());
    let caller = match keys.verify(key, now) {
        Ok(caller) => caller,
        Err(refused) => {
            tracing::warn!(key = claimed_id(key), reason = refused.word(), "a key was refused");
            return Ok(shown(&visitor, Some(&next), true));
        }
    };
    let next = if next == "/" { frame::first_page(&caller).to_owned() } else { next };
    if let Some(before) = request.cookie(cookie_name(&state)) {
        state.sessions.end(before.value());
    }
    let token = state.sessions.begin(&caller.id, now)?;
    let asker = Asker { caller: Some(caller), request_id: visitor.request_id.clone() };
    audited(&state, asker, "sign-in").await?;
    let mut response = frame::see(&next);
    let added = response.add_cookie(&session_cookie(&state, token));
    added.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    Ok(response)
}

/// Ends the session.
pub async fn sign_out(
    state: web::Data<AppState>,
    visitor: Visitor,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    Posted::read(&state, &visitor, body).await?;
    let name = cookie_name(&state);
    if let Some(session) = request.cookie(name) {
        state.sessions.end(session.value());
        if visitor.caller.is_some() {
            audited(&state, visitor.asker(), "sign-out").await?;
        }
    }
    let mut response = frame::see("/sign-in");
    let mut over = cookie(&state, name, String::new());
    over.set_max_age(Duration::ZERO);
    let added = response.add_cookie(&over);
    added.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    Ok(response)
}

async fn audited(
    state: &web::Data<AppState>,
    asker: Asker,
    action: &'static str,
) -> Result<(), ApiError> {
    let data = state.clone();
    // Files block.
    let written = state
        .heavy
        .run(state.deadline(), move || data.audited(&asker, action, About::Nothing, "done"));
    written.await?
}
