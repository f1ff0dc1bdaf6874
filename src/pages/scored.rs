//! What came of a file that was scored: counts, columns, lines that could not be read, the first customers, and the link to
//! the scored file.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::{Markup, html};
use rekindle_models::customer::LapseTier;

use crate::error::ApiError;
use crate::kept_files::KEPT_MINUTES;
use crate::model::Model;
use crate::pages::charts;
use crate::pages::customers::customer_path;
use crate::pages::frame::{self, Section};
use crate::pages::locale::{UNKNOWN, count, number, percent};
use crate::pages::visitor::Visitor;
use crate::pages::words::{Said, unknown};
use crate::scored_file::{Advice, Columns, Line, ScoredFile, Wrong};
use crate::state::AppState;

/// The share of a model's columns that a file should have.
const ENOUGH: f64 = 0.8;
/// Names of columns that are told of a kind.
const NAMED: usize = 50;

/// The page; the scored file is kept for its download.
///
/// # Errors
/// When it cannot be kept.
pub fn page(
    state: &AppState,
    visitor: &Visitor,
    model: &Model,
    name: Option<&str>,
    scored: ScoredFile,
) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().score;
    let title = name.unwrap_or(texts.this_file);
    let all_wrong = scored.trailer.scored == 0;
    let kept = match all_wrong {
        true => None,
        false => Some(keep(state, visitor, &scored)?),
    };
    let by = (texts.scored_by)(model.name(), model.version, &number(scored.took.as_secs_f64(), 1));
    let body = html! {
        div.heading {
            p.crumbs { a href="/score" { (texts.title) } }
            h1 { (title) }
            p.lead { (by) }
        }
        @if all_wrong { p.card.bad role="alert" { (texts.all_wrong) } }
        @if let Some(error) = &scored.trailer.error {
            div.card.bad role="alert" { p { (texts.incomplete) } p lang="en" { (error) } }
        }
        @if let Some(kept) = &kept {
            div.actions {
                a.button.primary href=(format!("/score/files/{kept}")) download { (texts.download) }
                a.button href="/score" { (texts.another) }
            }
            p.note { ((texts.kept)(KEPT_MINUTES)) }
        }
        @if few(&scored.columns) {
            @let all = scored.columns.known.len() + scored.columns.missing.len();
            p.card.bad role="alert" { ((texts.few_columns)(&count(scored.columns.known.len() as u64), &count(all as u64))) }
        }
        (counts(visitor, model, &scored))
        (wrong(visitor, &scored))
        (preview(visitor, &scored))
        div.columns {
            (columns(visitor, &scored.columns))
            (tiers(visitor, &scored))
        }
        (levels(visitor, &scored))
        @if !scored.reasons { p.note { (texts.no_reasons) } }
        @if !scored.advice { p.note { (texts.no_advice) } }
    };
    let mut response = frame::page(visitor, Section::Score, title, body);
    if all_wrong {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Whether so many of a model's columns are missing that its scores say little.
fn few(columns: &Columns) -> bool {
    let all = columns.known.len() + columns.missing.len();
    (columns.known.len() as f64) < ENOUGH * all as f64
}

/// Keeps the scored file for its download; its name.
fn keep(state: &AppState, visitor: &Visitor, scored: &ScoredFile) -> Result<String, ApiError> {
    let file = scored.file.try_clone().map_err(|error| ApiError::Internal {
        reason: format!("a scored file cannot be kept: {error}"),
    })?;
    state.kept_files.keep(&visitor.form_token, file, scored.bytes, Instant::now())
}

fn counts(visitor: &Visitor, model: &Model, scored: &ScoredFile) -> Markup {
    let texts = &visitor.texts().score;
    let share = scored.positives as f64 / scored.trailer.scored.max(1) as f64;
    html! {
        div role="status" { dl.tiles {
            div.tile { dt { (texts.rows) } dd { strong { (count(scored.trailer.scored)) } } }
            div.tile { dt { (texts.failed) } dd { strong { (count(scored.trailer.failed)) } } }
            div.tile {
                dt { (texts.positives) }
                dd {
                    strong { (count(scored.positives)) } " "
                    span.faint {
                        (percent(share, 1)) " · "
                        ((texts.positives_what)(&percent(model.scorer.threshold, 1)))
                    }
                }
            }
        } }
    }
}

/// Columns of a file beside those of the model.
pub fn columns(visitor: &Visitor, columns: &Columns) -> Markup {
    let texts = &visitor.texts().score;
    let all = columns.known.len() + columns.missing.len();
    let (known, all) = (count(columns.known.len() as u64), count(all as u64));
    html! {
        section aria-labelledby="columns" {
            h2 #columns { (texts.columns) }
            @if let Some(id) = columns.id.as_deref().filter(|_| !columns.has_id) {
                p.bad { ((texts.without_id)(id)) }
            }
            dl.pairs {
                div { dt { (texts.recognised) } dd { ((texts.recognised_of)(&known, &all)) } }
                @if !columns.missing.is_empty() {
                    div {
                        dt { (texts.missing) br; span.faint { (texts.missing_what) } }
                        dd { (names(visitor, columns.missing.iter().map(|name| html! { (name) }))) }
                    }
                }
                @if !columns.unknown.is_empty() {
                    div {
                        dt { (texts.unknown) br; span.faint { (texts.unknown_what) } }
                        dd { (names(visitor, columns.unknown.iter().map(|one| unknown_column(visitor, one)))) }
                    }
                }
                @if !columns.ignored.is_empty() {
                    div {
                        dt { (texts.ignored) br; span.faint { (texts.ignored_what) } }
                        dd { (names(visitor, columns.ignored.iter().map(|name| html! { (name) }))) }
                    }
                }
            }
        }
    }
}

fn unknown_column(visitor: &Visitor, (name, near): &(String, Option<String>)) -> Markup {
    let texts = &visitor.texts().score;
    html! { (name) @if let Some(near) = near { " " strong { ((texts.meant)(near)) } } }
}

/// The first of some names, and how many more there are.
fn names(visitor: &Visitor, all: impl ExactSizeIterator<Item = Markup>) -> Markup {
    let left = all.len().saturating_sub(NAMED);
    html! {
        ul.plain {
            @for name in all.take(NAMED) { li { (name) } }
            @if left > 0 { li.faint { ((visitor.texts().score.and_more)(&count(left as u64))) } }
        }
    }
}

fn tiers(visitor: &Visitor, scored: &ScoredFile) -> Markup {
    let texts = &visitor.texts().score;
    let (known, all) = (LapseTier::ALL.len(), scored.trailer.scored);
    if scored.tiers[..known].iter().all(|customers| *customers == 0) {
        return html! {};
    }
    let language = visitor.language;
    let named = LapseTier::ALL.map(|tier| tier.said(language));
    html! {
        section aria-labelledby="tiers" {
            h2 #tiers { (texts.tiers) }
            table.full {
                thead { tr {
                    th scope="col" { (visitor.texts().customers.tier) }
                    th.number scope="col" { (visitor.texts().overview.customers) }
                    th.number scope="col" { (visitor.texts().overview.share) }
                    td.wide {}
                } }
                tbody {
                    @for (name, customers) in named.into_iter().chain([unknown(language)]).zip(scored.tiers) {
                        @let share = customers as f64 / all.max(1) as f64;
                        tr {
                            th scope="row" { (name) }
                            td.number { (count(customers)) }
                            td.number { (percent(share, 1)) }
                            td.wide aria-hidden="true" { (charts::bar(share, "series")) }
                        }
                    }
                }
            }
        }
    }
}

fn levels(visitor: &Visitor, scored: &ScoredFile) -> Markup {
    if scored.unknown_levels.is_empty() {
        return html! {};
    }
    html! {
        section {
            p { ((visitor.texts().score.new_levels)(&count(scored.unknown_level_cells))) }
            ul.plain {
                @for (feature, value) in &scored.unknown_levels { li { (feature) ": " code { (value) } } }
            }
        }
    }
}

fn wrong(visitor: &Visitor, scored: &ScoredFile) -> Markup {
    let texts = &visitor.texts().score;
    if scored.wrong.is_empty() {
        return html! {};
    }
    let shown = scored.wrong.len() as u64;
    html! {
        section aria-labelledby="wrong" {
            h2 #wrong { (texts.wrong) }
            p.note {
                @if shown < scored.trailer.failed {
                    ((texts.wrong_first)(&count(shown), &count(scored.trailer.failed))) " "
                }
                (texts.wrong_what)
            }
            div.box tabindex="0" role="region" aria-label=(texts.wrong) {
                table.full {
                    thead { tr {
                        th.number scope="col" { (texts.line) }
                        th scope="col" { (visitor.texts().customers.id) }
                        th scope="col" { (texts.column) }
                        th scope="col" { (texts.found) }
                        th scope="col" { (texts.should) }
                    } }
                    tbody { @for line in &scored.wrong { (wrong_row(visitor, line)) } }
                }
            }
        }
    }
}

fn wrong_row(visitor: &Visitor, wrong: &Wrong) -> Markup {
    html! {
        tr {
            th.number scope="row" { (count(wrong.line)) }
            td { @if wrong.id.is_empty() { span.faint { (UNKNOWN) } } @else { (wrong.id) } }
            td { (wrong.field.as_deref().unwrap_or(visitor.texts().score.whole_line)) }
            td lang="en" { (wrong.found) }
            td lang="en" { (wrong.expected) }
        }
    }
}

fn preview(visitor: &Visitor, scored: &ScoredFile) -> Markup {
    let texts = &visitor.texts().score;
    if scored.shown.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="preview" {
            h2 #preview { (texts.preview) }
            p.note { ((texts.preview_what)(&count(scored.shown.len() as u64))) }
            div.box tabindex="0" role="region" aria-label=(texts.preview) {
                table.full {
                    thead { tr {
                        th scope="col" { (visitor.texts().customers.id) }
                        th.number scope="col" { (texts.probability) }
                        th.number scope="col" { (texts.percentile) }
                        th scope="col" { (texts.positive) }
                        th scope="col" { (visitor.texts().customers.tier) }
                        @if scored.reasons { th scope="col" { (texts.reason) } }
                        @if scored.advice { th scope="col" { (visitor.texts().customers.advice) } }
                    } }
                    tbody { @for line in &scored.shown { (preview_row(visitor, scored, line)) } }
                }
            }
        }
    }
}

fn preview_row(visitor: &Visitor, scored: &ScoredFile, line: &Line) -> Markup {
    let texts = &visitor.texts().score;
    html! {
        tr {
            th scope="row" { (id(line)) }
            td.number { (percent(line.probability, 1)) }
            td.number { (line.percentile) }
            td { (if line.positive { texts.yes } else { texts.no }) }
            td { (tier(visitor, line.tier.as_deref())) }
            @if scored.reasons {
                td { @match &line.reason { Some(reason) => (reason), None => span.faint { (UNKNOWN) } } }
            }
            @if scored.advice { td { (advice(visitor, line.advice.as_ref())) } }
        }
    }
}

/// A customer's id, with the way to their page where there is one.
fn id(line: &Line) -> Markup {
    html! {
        @if line.id.is_empty() { span.faint { (UNKNOWN) } }
        @else if line.is_kept { a href=(customer_path(&line.id)) { (line.id) } }
        @else { (line.id) }
    }
}

fn tier(visitor: &Visitor, text: Option<&str>) -> Markup {
    let found = LapseTier::ALL.into_iter().find(|tier| Some(tier.text()) == text);
    html! {
        @match (found, text) {
            (Some(tier), _) => { span.dot.(tier.text()) {} (tier.said(visitor.language)) }
            (None, Some(text)) => (text),
            (None, None) => span.faint { (UNKNOWN) },
        }
    }
}

fn advice(visitor: &Visitor, advice: Option<&Advice>) -> Markup {
    html! {
        @match advice {
            None => span.faint { (UNKNOWN) },
            Some(advice) if advice.held_out => {
                span.faint { (advice.action) " · " (visitor.texts().customers.held_out) }
            }
            Some(advice) => ((visitor.texts().customer.advice_do)(&advice.action, &advice.channel)),
        }
    }
}
