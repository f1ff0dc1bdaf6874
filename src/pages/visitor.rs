//! Who looks at a page, and whether they may: the session's key and its scopes, the language and colours they chose, and
//! that a request that changes something comes from one of our own pages. Looked at before a body is read.

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ACCEPT_LANGUAGE, HOST, ORIGIN, REFERER};
use actix_web::middleware::Next;
use actix_web::web;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use rekindle_models::language::Language;

use crate::error::ApiError;
use crate::keys::{Caller, Scope};
use crate::pages::frame;
use crate::pages::texts::Texts;
use crate::sessions::LASTS;
use crate::state::{AppState, Asker};

/// Who looks at a page.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The language they read.
    pub language: Language,
    /// The colours they chose; `None`: those of their system.
    pub theme: Option<Theme>,
    /// Whose key it is; `None` where there are no keys, or nobody has signed in yet.
    pub caller: Option<Caller>,
    /// Whether there are keys, so that people sign in and out.
    pub signs_in: bool,
    /// What forms carry, and no other page knows.
    pub form_token: Arc<str>,
    /// The currency of money.
    pub currency: Option<Arc<str>>,
    /// What they look at, with its query: what a switch of language or colours comes back to.
    pub here: String,
    /// The request's id.
    pub request_id: String,
    /// Whether what they may do includes changes.
    may_change: bool,
}

/// Colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark letters on light.
    Light,
    /// Light letters on dark.
    Dark,
}

impl Theme {
    /// Its word, as in the cookie.
    pub fn word(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// The cookie of the language.
pub const LANGUAGE: &str = "rekindle_language";
/// The cookie of the colours.
pub const THEME: &str = "rekindle_theme";
/// What forms carry.
pub const FORM_TOKEN: &str = "form_token";

/// What somebody must be allowed to see or do something; nothing where anyone may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: to sign in, and what pages look like.
    Nothing,
    /// One of some scopes.
    Any(&'static [Scope]),
}

impl Visitor {
    /// Whether they may do what `scope` stands for.
    pub fn may(&self, scope: Scope) -> bool {
        let changes = matches!(scope, Scope::Plan | Scope::Admin);
        match &self.caller {
            Some(caller) => caller.allows(scope),
            None => !self.signs_in && (self.may_change || !changes),
        }
    }

    /// Somebody who reads a language, for tests.
    #[cfg(test)]
    pub fn of(language: Language, currency: Option<&str>) -> Visitor {
        Visitor {
            language,
            theme: None,
            caller: None,
            signs_in: false,
            form_token: Arc::from("token"),
            currency: currency.map(Arc::from),
            here: "/".to_owned(),
            request_id: String::new(),
            may_change: true,
        }
    }

    /// The texts of their language.
    pub fn texts(&self) -> &'static Texts {
        Texts::of(self.language)
    }

    /// Who asks, for the audit log.
    pub fn asker(&self) -> Asker {
        Asker { caller: self.caller.clone(), request_id: self.request_id.clone() }
    }
}

impl FromRequest for Visitor {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Visitor, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visitor = request.extensions().get::<Visitor>().cloned();
        let missing = || ApiError::Internal { reason: "a page without a visitor".to_owned() };
        std::future::ready(visitor.ok_or_else(missing))
    }
}

/// Lets a visitor see a page or sends them to sign in, and tells errors as pages.
pub async fn admit(
    needs: Needs,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        return Err(ApiError::Internal { reason: "no state".to_owned() }.into());
    };
    let visitor = visitor(&request, &state);
    if let Err(error) = checked(needs, &request, &state, &visitor) {
        let reply = match error {
            ApiError::Unauthorized if request.method() == "GET" => to_sign_in(&visitor),
            error => frame::error(&visitor, &error),
        };
        return Ok(request.into_response(frame::hardened(reply)));
    }
    request.extensions_mut().insert(visitor.clone());
    let response = next.call(request).await?;
    let error = response.response().error().and_then(|e| e.as_error::<ApiError>());
    let Some(error) = error else {
        return Ok(response.map_body(|head, body| {
            frame::harden(&mut head.headers);
            body.boxed()
        }));
    };
    if let Some(reason) = error.internal_reason() {
        tracing::error!(request_id = visitor.request_id, reason, "request failed");
    }
    let reply = frame::hardened(frame::error(&visitor, error));
    Ok(response.into_response(reply))
}

/// Whether a visitor may.
fn checked(
    needs: Needs,
    request: &ServiceRequest,
    state: &AppState,
    visitor: &Visitor,
) -> Result<(), ApiError> {
    let host = host(request);
    let public = state.settings.public_url.as_deref().and_then(|url| url.split_once("://"));
    let ours = public.is_some_and(|(_, public)| host.as_deref() == Some(public));
    if !visitor.signs_in && !ours && !is_no_foreign_name(host.as_deref()) {
        // A page elsewhere may have its name point here.
        return Err(ApiError::Conflict {
            reason: "without keys these pages answer to an address or to localhost alone: open them as http://localhost, \
                     give the server keys (`rekindle-server keys create`), or say its name with --public-url"
                .to_owned(),
        });
    }
    if request.method() == "POST" {
        let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let own = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let from_public = public.is_some_and(|(_, public)| own == Some(public));
        if own.is_none() || (own != host.as_deref() && !from_public) {
            return Err(ApiError::ForeignPage);
        }
    }
    if let Some(caller) = &visitor.caller
        && let Err(wait) = state.rates.check(&caller.id, caller.per_second)
    {
        state.counters.shed("rate");
        return Err(ApiError::TooManyRequests { wait });
    }
    let Needs::Any(scopes) = needs else { return Ok(()) };
    match (scopes.iter().any(|scope| visitor.may(*scope)), &visitor.caller) {
        (true, _) => Ok(()),
        (false, None) if visitor.signs_in => Err(ApiError::Unauthorized),
        (false, _) => Err(ApiError::Forbidden { scope: scopes[0].word() }),
    }
}

/// The host that a request names: over HTTP/2 it is a part of the address.
fn host(request: &ServiceRequest) -> Option<String> {
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    header.or(authority).map(str::to_owned)
}

/// Whether a host is an address, or this machine's own name: no name that somebody else may point here.
fn is_no_foreign_name(host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

fn visitor(request: &ServiceRequest, state: &AppState) -> Visitor {
    let now = SystemTime::now();
    let token = request.cookie(cookie_name(state)).map(|cookie| cookie.value().to_owned());
    let session = token.and_then(|token| state.sessions.find(&token, now));
    // A key that was withdrawn takes its sessions along.
    let caller = match (&state.keys, &session) {
        (Some(keys), Some(session)) => keys.current().in_force(&session.key_id, now),
        _ => None,
    };
    let form_token = match (&session, &caller) {
        (Some(session), Some(_)) => Arc::clone(&session.form_token),
        _ => state.sessions.unsigned(),
    };
    let request_id = request.extensions().get::<Asker>().map(|asker| asker.request_id.clone());
    Visitor {
        language: language(request),
        theme: request.cookie(THEME).and_then(|cookie| match cookie.value() {
            "light" => Some(Theme::Light),
            "dark" => Some(Theme::Dark),
            _ => None,
        }),
        caller,
        signs_in: state.keys.is_some(),
        form_token,
        currency: state.settings.currency.as_deref().map(Arc::from),
        here: here(request),
        request_id: request_id.unwrap_or_default(),
        may_change: state.settings.listen.ip().is_loopback(),
    }
}

/// The page that is looked at. What is sent somewhere comes from the page before.
fn here(request: &ServiceRequest) -> String {
    let own = request.uri().path_and_query().map(ToString::to_string);
    let before = request.headers().get(REFERER).and_then(|before| before.to_str().ok());
    let before = before.and_then(|before| url::Url::parse(before).ok());
    let before = before.map(|before| before[url::Position::BeforePath..].to_owned());
    let here = if request.method() == "POST" { before } else { own };
    here.unwrap_or_else(|| "/".to_owned())
}

/// The language that was chosen, or the first that the browser asks for and there is.
fn language(request: &ServiceRequest) -> Language {
    if let Some(chosen) = request.cookie(LANGUAGE).and_then(|cookie| cookie.value().parse().ok()) {
        return chosen;
    }
    let asked = request.headers().get(ACCEPT_LANGUAGE).and_then(|asked| asked.to_str().ok());
    let of = |tag: &str| match tag.trim().get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("zh") => Some(Language::Chinese),
        Some("en") => Some(Language::English),
        _ => None,
    };
    asked.and_then(|asked| asked.split(',').find_map(of)).unwrap_or_default()
}

/// The session's cookie: where TLS is spoken, one that no other host and no plain connection can set.
pub fn cookie_name(state: &AppState) -> &'static str {
    match is_secure(state) {
        true => "__Host-rekindle_session",
        false => "rekindle_session",
    }
}

/// Whether people reach the pages over TLS, here or before here.
fn is_secure(state: &AppState) -> bool {
    let public = state.settings.public_url.as_deref();
    state.tls.is_some() || public.is_some_and(|url| url.starts_with("https://"))
}

/// A cookie that scripts do not see and other sites do not send along with what changes something.
pub fn cookie<'c>(state: &AppState, name: &'c str, value: String) -> Cookie<'c> {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(is_secure(state));
    cookie
}

/// The cookie of a session that has just begun.
pub fn session_cookie(state: &AppState, token: String) -> Cookie<'static> {
    let mut cookie = cookie(state, cookie_name(state), token);
    cookie.set_max_age(actix_web::cookie::time::Duration::seconds(LASTS.as_secs() as i64));
    cookie
}

fn to_sign_in(visitor: &Visitor) -> HttpResponse {
    const SIGN_IN: &str = "/sign-in?";
    let mut to = url::form_urlencoded::Serializer::for_suffix(SIGN_IN.to_owned(), SIGN_IN.len());
    to.append_pair("next", &visitor.here);
    frame::see(&to.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_others_may_point_here_is_told_from_addresses() {
        let check = |host, expected| assert_eq!(is_no_foreign_name(host), expected, "{host:?}");
        check(Some("localhost:8080"), true);
        check(Some("127.0.0.1"), true);
        check(Some("[::1]:8080"), true);
        check(Some("192.168.1.2:8080"), true);
        check(Some("localhost.example.com"), false);
        check(Some("evil.example:8080"), false);
        check(None, false);
    }
}
