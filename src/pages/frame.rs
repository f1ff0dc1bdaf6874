//! What stands around every page: head, navigation, switches of language and colours, headers of the answer. Also the page
//! of an error.

use actix_web::HttpResponse;
use actix_web::ResponseError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use maud::{DOCTYPE, Markup, html};
use rekindle_models::language::Language;

use crate::error::ApiError;
use crate::keys::{Caller, Scope};
use crate::pages::assets::{ICON, SCRIPT, STYLE};
use crate::pages::texts::Texts;
use crate::pages::visitor::{FORM_TOKEN, Theme, Visitor};

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What there is.
    Overview,
    /// Lists of customers, and one.
    Customers,
    /// Whom to wake.
    Plan,
    /// What was planned, and what came of it.
    Campaigns,
    /// A file of customers.
    Score,
    /// Models and their reports.
    Models,
    /// None of them.
    Outside,
}

/// The parts, where they are, and what a key must be good for to see them.
const SECTIONS: [(Section, &str, &[Scope]); 6] = [
    (Section::Overview, "/", &[Scope::Read]),
    (Section::Customers, "/customers", &[Scope::Read]),
    (Section::Plan, "/plan", &[Scope::Plan]),
    (Section::Campaigns, "/campaigns", &[Scope::Read, Scope::Plan]),
    (Section::Score, "/score", &[Scope::Score]),
    (Section::Models, "/models", &[Scope::Read]),
];

impl Section {
    fn name(self, texts: &Texts) -> &'static str {
        let names = &texts.shell;
        match self {
            Section::Overview => names.overview,
            Section::Customers => names.customers,
            Section::Plan => names.plan,
            Section::Campaigns => names.campaigns,
            Section::Score => names.score,
            Section::Models => names.models,
            Section::Outside => "",
        }
    }
}

/// A page: its title and what stands on it, in the frame of its section.
pub fn page(visitor: &Visitor, section: Section, title: &str, body: Markup) -> HttpResponse {
    page_that(visitor, section, title, None, body)
}

/// A page that is looked at again after some seconds, as what it shows is on its way.
pub fn page_that(
    visitor: &Visitor,
    section: Section,
    title: &str,
    again_after_seconds: Option<u32>,
    body: Markup,
) -> HttpResponse {
    let texts = visitor.texts();
    let theme = visitor.theme.map(Theme::word);
    let document = html! {
        (DOCTYPE)
        html lang=(tag(visitor.language)) data-theme=[theme] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="description" content=(texts.shell.described);
                @if let Some(seconds) = again_after_seconds {
                    meta http-equiv="refresh" content=(seconds);
                }
                title { (title) " · Rekindle" }
                link rel="icon" type="image/svg+xml" href=(ICON.path());
                link rel="stylesheet" href=(STYLE.path());
                script defer src=(SCRIPT.path()) {}
            }
            body {
                a.skip href="#main" { (texts.shell.skip) }
                (top(visitor, section))
                main #main tabindex="-1" { (body) }
            }
        }
    };
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(document.into_string())
}

fn top(visitor: &Visitor, section: Section) -> Markup {
    let texts = visitor.texts();
    html! {
        header.top {
            a.brand href="/" {
                svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true" {
                    path d="M12 2c1 4 6 6.5 6 12a6 6 0 0 1-12 0c0-2.6 1.4-4.4 2.6-6 .3 1.6 1 2.6 2 3.2C10.400 8 10.600 5 12 2z" fill="currentColor" {}
                }
                span { "Rekindle" }
            }
            nav aria-label=(texts.shell.navigation) {
                ul {
                    @for (own, path, _) in open_to(visitor) {
                        li {
                            a href=(path) aria-current=[(own == section).then_some("page")] {
                                (own.name(texts))
                            }
                        }
                    }
                }
            }
            div.switches {
                (language_switch(visitor))
                (theme_switch(visitor))
                @if let Some(caller) = &visitor.caller {
                    form method="post" action="/sign-out" {
                        (form_token(visitor))
                        button.quiet type="submit" title=((texts.shell.signed_in_as)(&caller.name)) {
                            (texts.shell.sign_out)
                        }
                    }
                }
            }
        }
    }
}

/// The parts that a visitor may see.
fn open_to(visitor: &Visitor) -> impl Iterator<Item = (Section, &'static str, &'static [Scope])> {
    SECTIONS.into_iter().filter(|(.., scopes)| scopes.iter().any(|scope| visitor.may(*scope)))
}

/// The first page that a key may see, for who has signed in to look at the overview.
pub fn first_page(caller: &Caller) -> &'static str {
    let open = |scopes: &[Scope]| scopes.iter().any(|scope| caller.allows(*scope));
    let mut open = SECTIONS.into_iter().filter(|(.., scopes)| open(scopes));
    open.next().map_or("/", |(_, path, _)| path)
}

fn language_switch(visitor: &Visitor) -> Markup {
    // The other language, in its own words.
    let (other, name) = match visitor.language {
        Language::English => (Language::Chinese, "中文"),
        Language::Chinese => (Language::English, "English"),
    };
    let path = choose(visitor, "language", tag(other));
    html! { a.quiet href=(path) lang=(tag(other)) hreflang=(tag(other)) { (name) } }
}

fn theme_switch(visitor: &Visitor) -> Markup {
    let texts = visitor.texts();
    let links = [
        (Theme::Light, "to-light", texts.shell.to_light),
        (Theme::Dark, "to-dark", texts.shell.to_dark),
    ];
    html! {
        @for (theme, class, name) in links {
            // Which of both is shown, the style sheet knows: it sees the system's colours.
            a.quiet.(class) href=(choose(visitor, "theme", theme.word())) title=(name) {
                span.hidden { (name) }
                span aria-hidden="true" { @if theme == Theme::Light { "☀" } @else { "☾" } }
            }
        }
    }
}

fn choose(visitor: &Visitor, what: &str, to: &str) -> String {
    const CHOOSE: &str = "/choose?";
    let mut path = url::form_urlencoded::Serializer::for_suffix(CHOOSE.to_owned(), CHOOSE.len());
    path.append_pair(what, to).append_pair("next", &visitor.here);
    path.finish()
}

/// The language as HTML names it.
pub fn tag(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Chinese => "zh",
    }
}

/// What every form carries.
pub fn form_token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(visitor.form_token); }
}

/// Sends a browser to another page, to look at it.
pub fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// Where a visitor may be sent back to: a path of ours alone.
pub fn own_path(next: Option<&str>) -> &str {
    let own = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains(['\\', '\r', '\n', '\t'])
            && !path.starts_with("/choose")
            && !path.starts_with("/sign-in")
    };
    next.filter(own).unwrap_or("/")
}

/// The page of an error: what happened and what to do.
pub fn error(visitor: &Visitor, error: &ApiError) -> HttpResponse {
    let texts = visitor.texts();
    let (title, advice) = texts.errors.of(error);
    let home = open_to(visitor).next().map_or("/", |(_, path, _)| path);
    let body = html! {
        div.empty {
            h1 { (title) }
            @if let Some(advice) = advice { p { (advice) } }
            @if let Some(detail) = detail(error) { p.note lang="en" { (detail) } }
            @if !visitor.request_id.is_empty() {
                p.note { (texts.errors.request) " " code { (visitor.request_id) } }
            }
            p { a href=(home) { (texts.errors.home) } }
        }
    };
    let mut response = page(visitor, Section::Outside, title, body);
    *response.head_mut() = {
        let mut head = response.head().clone();
        head.status = error.status_code();
        head
    };
    response
}

/// What else an error says, where that helps.
fn detail(error: &ApiError) -> Option<String> {
    match error {
        ApiError::Conflict { .. }
        | ApiError::InvalidQuery { .. }
        | ApiError::InvalidRows { .. }
        | ApiError::InvalidPlan { .. }
        | ApiError::InvalidTable { .. }
        | ApiError::VersionRefused { .. }
        | ApiError::UnknownModel { .. }
        | ApiError::Forbidden { .. }
        | ApiError::UnknownVersion { .. } => Some(error.to_string()),
        _ => None,
    }
}

/// An answer that is no [`page`], with the headers of one.
pub fn hardened(mut response: HttpResponse) -> HttpResponse {
    harden(response.headers_mut());
    response
}

/// Headers that keep a browser from doing more with a page than it should. What a page sets itself stays.
pub fn harden(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self'";
    let put = |headers: &mut HeaderMap, name, value| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    put(headers, header::REFERRER_POLICY, "same-origin");
    put(headers, header::X_FRAME_OPTIONS, "DENY");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        let check = |next, expected| assert_eq!(own_path(next), expected, "{next:?}");
        check(Some("/customers?tier=dormant"), "/customers?tier=dormant");
        check(Some("https://evil.example"), "/");
        check(Some("//evil.example"), "/");
        check(Some("/\\evil.example"), "/");
        check(Some("/\t/evil.example"), "/");
        check(Some("/sign-in?next=/"), "/");
        check(Some(""), "/");
        check(None, "/");
    }
}
