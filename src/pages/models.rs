//! Models: all of them with their versions, and one with what it asks, how good it was and what it goes by.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use rekindle_models::artifact::{Share, TimeRange};

use crate::error::ApiError;
use crate::figures::Figures;
use crate::keys::Scope;
use crate::model::Served;
use crate::pages::frame::{self, Section};
use crate::pages::judged::{age_days, figure, rate, verdict_badge};
use crate::pages::locale::{UNKNOWN, count, number, percent};
use crate::pages::visitor::Visitor;
use crate::pages::{charts, compare, empty};
use crate::registry::{Shelf, Told, Version};
use crate::state::AppState;

/// How long versions are read before a page is shown without the rest.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long until a page that shows the rest is looked at again.
const AGAIN_SECONDS: u32 = 2;
/// Microseconds of a day.
const DAY: f64 = 86_400_000_000.0;
/// Nothing in a report does anything but show: a report may have come from anywhere.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// All models.
pub async fn list(state: web::Data<AppState>, visitor: Visitor) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().models;
    let models = state.models.clone();
    let read = move || models.shelves(Instant::now() + PATIENCE);
    let shelves = state.heavy.run(state.deadline(), read).await??;
    let body = html! {
        div.heading { h1 { (texts.title) } p.lead { (texts.what) } }
        @if shelves.is_empty() { (empty::no_model(&visitor)) }
        (waiting(&visitor, &shelves))
        @for shelf in &shelves {
            section aria-labelledby=(format!("model-{}", shelf.name)) {
                h2 id=(format!("model-{}", shelf.name)) { a href=(path(&shelf.name)) { (shelf.name) } }
                @if shelf.served.is_none() { p.note { (texts.not_served) } }
                (versions(&visitor, shelf))
            }
        }
        @if let Some(confidence) = shelves.iter().find_map(confidence) {
            p.note { ((texts.intervals)(&percent(confidence, 0))) }
        }
    };
    let again = shelves.iter().any(is_partial).then_some(AGAIN_SECONDS);
    Ok(frame::page_that(&visitor, Section::Models, texts.title, again, body))
}

fn path(name: &str) -> String {
    format!("/models/{name}")
}

fn is_partial(shelf: &Shelf) -> bool {
    shelf.versions.iter().any(|version| matches!(version.told, Told::NotYet))
}

fn waiting(visitor: &Visitor, shelves: &[Shelf]) -> Markup {
    html! {
        @if shelves.iter().any(is_partial) {
            p.note aria-live="polite" { (visitor.texts().models.reading) }
        }
    }
}

/// The confidence of a model's intervals: that of its newest version that tells it.
fn confidence(shelf: &Shelf) -> Option<f64> {
    let told = shelf.versions.iter().filter_map(|version| figures_of(version));
    told.filter_map(|figures| figures.judged.as_ref()?.confidence).next()
}

fn figures_of(version: &Version) -> Option<&Figures> {
    match &version.told {
        Told::Figures(figures) => Some(figures),
        Told::NotYet | Told::Away | Told::Unreadable(_) => None,
    }
}

/// A model's versions as a table.
fn versions(visitor: &Visitor, shelf: &Shelf) -> Markup {
    let texts = &visitor.texts().models;
    html! {
        div.box tabindex="0" role="region" aria-label=((texts.compare_title)(&shelf.name)) {
            table.full {
                thead { tr {
                    th scope="col" { (texts.version) }
                    th scope="col" { (texts.verdict) }
                    th.number scope="col" { (texts.error_rate) }
                    th.number scope="col" { (texts.miss_rate) }
                    th.number scope="col" { (texts.roc_auc) }
                    th scope="col" { (texts.classifier) }
                    th.number scope="col" { (texts.features) }
                    th.number scope="col" { (texts.age) }
                    td {}
                } }
                tbody { @for version in &shelf.versions { (version_row(visitor, shelf, version)) } }
            }
        }
    }
}

fn version_row(visitor: &Visitor, shelf: &Shelf, version: &Version) -> Markup {
    let texts = &visitor.texts().models;
    html! {
        tr {
            th scope="row" {
                (version.version) " "
                @if let Some(served) = &shelf.served { (state(visitor, served, version.version)) }
            }
            @match &version.told {
                Told::Figures(figures) => (figure_cells(visitor, figures)),
                Told::NotYet => td colspan="7" { span.faint { (texts.not_yet) } },
                Told::Away => td colspan="7" { span.faint { (texts.away) } },
                Told::Unreadable(reason) => td colspan="7" {
                    span.badge.bad { (texts.unreadable) } " " span lang="en" { (reason) }
                },
            }
            td { (links(visitor, shelf, version)) }
        }
    }
}

/// Which part a version has in answering.
fn state(visitor: &Visitor, served: &Served, version: u32) -> Markup {
    let texts = &visitor.texts().models;
    let is_shadow = served.shadow.as_ref().is_some_and(|shadow| shadow.version == version);
    let canary = served.canary.as_ref().filter(|canary| canary.model.version == version);
    html! {
        @if served.current.version == version { span.badge.good { (texts.in_force) } }
        @if is_shadow { span.badge { (texts.shadow) } }
        @if let Some(canary) = canary { span.badge { ((texts.canary)(&percent(canary.share, 0))) } }
    }
}

fn figure_cells(visitor: &Visitor, figures: &Figures) -> Markup {
    let judged = figures.judged.as_ref();
    let days = visitor.texts().overview.days_old;
    html! {
        td { (verdict_badge(figures.verdict.as_ref(), visitor)) }
        td.number { (rate(judged.and_then(|judged| judged.error_rate.as_ref()))) }
        td.number { (rate(judged.and_then(|judged| judged.miss_rate.as_ref()))) }
        td.number { (figure(judged.and_then(|judged| judged.roc_auc.as_ref()))) }
        td { (figures.classifier) }
        td.number { (count(figures.features.len() as u64)) }
        td.number {
            @match figures.written {
                Some(_) => (days(age_days(figures.written))),
                None => (UNKNOWN),
            }
        }
    }
}

fn links(visitor: &Visitor, shelf: &Shelf, version: &Version) -> Markup {
    let texts = &visitor.texts().models;
    let own = version.version;
    let current = shelf.served.as_ref().map(|served| served.current.version);
    html! {
        @if version.has_report {
            a href=(format!("{}/{own}/report", path(&shelf.name))) target="_blank" rel="noopener" { (texts.report) }
            " "
        }
        @if let Some(current) = current.filter(|current| *current != own) {
            a href=(format!("{}/compare?a={current}&b={own}", path(&shelf.name))) { (texts.compare) }
        }
    }
}

/// One model.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().models;
    let (models, asked) = (state.models.clone(), name.into_inner());
    let read = move || models.shelf(&asked, Instant::now() + PATIENCE);
    let shelf = state.heavy.run(state.deadline(), read).await??;
    let current = shelf.served.as_ref().map(|served| served.current.version);
    // The version in force, or else the newest that can be read.
    let in_force = shelf.versions.iter().filter(|version| Some(version.version) == current);
    let shown = in_force.chain(&shelf.versions).find_map(|v| Some((v.version, figures_of(v)?)));
    let numbers: Vec<u32> = shelf.versions.iter().rev().map(|version| version.version).collect();
    let newest = numbers.last().copied().unwrap_or(1);
    let before = current.filter(|current| *current != newest);
    let pair = (before.unwrap_or_else(|| second_last(&numbers)), newest);
    let body = html! {
        div.heading {
            p.crumbs { a href="/models" { (texts.title) } }
            h1 { (shelf.name) }
            @if let Some((_, figures)) = shown {
                p.lead { ((texts.question)(&figures.target.column, &figures.target.value)) }
            }
        }
        (waiting(&visitor, std::slice::from_ref(&shelf)))
        @if shelf.served.is_none() { p.card { (texts.not_served) } }
        @if let Some((version, figures)) = shown { (about(&visitor, version, figures)) }
        section aria-labelledby="versions" {
            h2 #versions { (texts.versions) }
            p.note {
                (texts.versions_what) " "
                @if let Some(confidence) = confidence(&shelf) { ((texts.intervals)(&percent(confidence, 0))) }
            }
            (versions(&visitor, &shelf))
        }
        @if let Some((_, figures)) = shown { (influence(&visitor, figures)) }
        (compare::chooser(&visitor, &shelf.name, &numbers, pair))
        @if visitor.may(Scope::Admin) { (answers(&visitor, &shelf)) }
    };
    let again = is_partial(&shelf).then_some(AGAIN_SECONDS);
    Ok(frame::page_that(&visitor, Section::Models, &shelf.name, again, body))
}

fn second_last(numbers: &[u32]) -> u32 {
    numbers.iter().rev().nth(1).or(numbers.last()).copied().unwrap_or(1)
}

fn about(visitor: &Visitor, version: u32, figures: &Figures) -> Markup {
    let texts = &visitor.texts().models;
    html! {
        section.card aria-labelledby="about" {
            h2 #about { (texts.version) " " (version) " " (verdict_badge(figures.verdict.as_ref(), visitor)) }
            @if let Some(said) = &figures.verdict { p lang="en" { (said.reason) } }
            dl.pairs {
                div { dt { (texts.population) } dd { (figures.population) } }
                div { dt { (texts.threshold) } dd { (threshold(visitor, figures)) } }
                div { dt { (texts.learned_from) } dd { ((texts.customers)(&count(figures.training_rows as u64))) } }
                @if let Some(time) = &figures.training_time {
                    div { dt { (texts.trained) } dd { (span(visitor, time)) } }
                }
                div { dt { (texts.judged_on) } dd {
                    @match &figures.judged {
                        Some(judged) => ((texts.customers)(&count(judged.rows))),
                        None => span.faint { (texts.not_judged) },
                    }
                } }
            }
            p.note { (texts.drift) " " a href="/#models" { (visitor.texts().overview.title) } }
        }
    }
}

/// A threshold, and where it comes from.
pub fn threshold(visitor: &Visitor, figures: &Figures) -> Markup {
    let (texts, threshold) = (&visitor.texts().models, &figures.threshold);
    html! {
        ((texts.threshold_what)(&percent(threshold.value, 1), &threshold.rule))
        @if !threshold.met { " " span.faint { (texts.threshold_unmet) } }
    }
}

/// A span of the time column.
pub fn span(visitor: &Visitor, time: &TimeRange) -> String {
    let told = |at: f64| match time.dates {
        true => visitor.day((at * DAY) as i64),
        false => number(at, 0),
    };
    format!("{} – {}", told(time.first), told(time.last))
}

fn influence(visitor: &Visitor, figures: &Figures) -> Markup {
    let texts = &visitor.texts().models;
    let most = figures.influence.first().map_or(1.0, |share| share.share.value.max(1e-9));
    html! {
        section aria-labelledby="influence" {
            h2 #influence { (texts.influence) }
            @if figures.influence.is_empty() {
                p.note { (texts.no_influence) }
            } @else {
                p.note { (texts.influence_what) }
                div.box tabindex="0" role="region" aria-label=(texts.influence) {
                    table.full {
                        thead { tr {
                            th scope="col" { (texts.feature) }
                            th.number scope="col" { (texts.share) }
                            td.wide {}
                            th scope="col" { (texts.direction) }
                        } }
                        tbody {
                            @for share in &figures.influence {
                                tr {
                                    th scope="row" { (share.name) }
                                    td.number { (rate(Some(&share.share))) }
                                    td.wide aria-hidden="true" { (charts::bar(share.share.value / most, "series")) }
                                    td { (direction(visitor, share)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn direction(visitor: &Visitor, share: &Share) -> Markup {
    let texts = &visitor.texts().models;
    let known = match share.direction.as_str() {
        "up" => Some(texts.up),
        "down" => Some(texts.down),
        "up when missing" => Some(texts.up_missing),
        "down when missing" => Some(texts.down_missing),
        "both ways" => Some(texts.both_ways),
        "none" => Some(texts.none),
        _ => None,
    };
    html! {
        @match known { Some(known) => (known), None => span lang="en" { (share.direction) } }
        @if !share.above_noise { " " span.faint { (texts.noise) } }
    }
}

/// What whoever looks after models may change.
fn answers(visitor: &Visitor, shelf: &Shelf) -> Markup {
    let texts = &visitor.texts().models;
    let current = shelf.served.as_ref().map(|served| served.current.version);
    let others: Vec<u32> =
        shelf.versions.iter().map(|v| v.version).filter(|v| Some(*v) != current).collect();
    let shadow = shelf.served.as_ref().is_some_and(|served| served.shadow.is_some());
    let canary = shelf.served.as_ref().is_some_and(|served| served.canary.is_some());
    let path = path(&shelf.name);
    html! {
        section aria-labelledby="answers" {
            h2 #answers { (texts.answers) }
            p.note { (texts.answers_what) }
            div.columns {
                @if !others.is_empty() {
                    form.card method="post" action=(format!("{path}/promote")) {
                        (frame::form_token(visitor))
                        (version_choice(visitor, &others))
                        button.primary type="submit" data-confirm=(texts.promote_sure) { (texts.promote) }
                        p.note { (texts.promote_what) }
                    }
                    @if current.is_some() {
                        form.card method="post" action=(format!("{path}/shadow")) {
                            (frame::form_token(visitor))
                            (version_choice(visitor, &others))
                            button type="submit" { (texts.try_shadow) }
                            p.note { (texts.shadow_what) }
                        }
                        form.card method="post" action=(format!("{path}/canary")) {
                            (frame::form_token(visitor))
                            (version_choice(visitor, &others))
                            label { (texts.canary_share)
                                input type="number" name="percent" min="0.1" max="99.9" step="0.1" value="10" required;
                            }
                            button type="submit" { (texts.try_canary) }
                            p.note { (texts.canary_what) }
                        }
                    }
                }
                @if current.is_some() {
                    (bare(visitor, (&path, "rollback"), texts.rollback, Some(texts.rollback_sure), Some(texts.rollback_what)))
                }
                @if shadow { (bare(visitor, (&path, "end-shadow"), texts.end_shadow, None, None)) }
                @if canary { (bare(visitor, (&path, "end-canary"), texts.end_canary, None, None)) }
            }
        }
    }
}

fn version_choice(visitor: &Visitor, versions: &[u32]) -> Markup {
    html! {
        label { (visitor.texts().models.version)
            select name="version" {
                @for version in versions { option value=(version) { (version) } }
            }
        }
    }
}

/// A form that is a button alone.
fn bare(
    visitor: &Visitor,
    (path, action): (&str, &str),
    name: &str,
    sure: Option<&str>,
    what: Option<&str>,
) -> Markup {
    html! {
        form.card method="post" action=(format!("{path}/{action}")) {
            (frame::form_token(visitor))
            button type="submit" data-confirm=[sure] { (name) }
            @if let Some(what) = what { p.note { (what) } }
        }
    }
}

/// The report of a version as it was written, so that nothing in it runs.
pub async fn report(
    state: web::Data<AppState>,
    visitor: Visitor,
    path: web::Path<(String, u32)>,
) -> Result<HttpResponse, ApiError> {
    let (name, version) = path.into_inner();
    let (models, asked) = (state.models.clone(), name.clone());
    let read = move || models.report(&asked, version);
    let report = state.heavy.run(state.deadline(), read).await??;
    match report {
        Some(report) => Ok(HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, REPORT_POLICY))
            .body(report)),
        None => Ok(no_report(&visitor, &name, version)),
    }
}

fn no_report(visitor: &Visitor, name: &str, version: u32) -> HttpResponse {
    let texts = &visitor.texts().models;
    let command = format!("rekindle evaluate registry/{name}/{version} customers.csv -o judged/");
    let body = html! {
        div.empty {
            h1 { (texts.no_report) }
            p { (texts.no_report_what) }
            pre tabindex="0" { code { (command) } }
            p { a href=(format!("/models/{name}")) { (name) } }
        }
    };
    let mut response = frame::page(visitor, Section::Models, texts.no_report, body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
