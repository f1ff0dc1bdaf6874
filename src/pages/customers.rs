//! The list of customers: filtered, ordered, page by page, and as CSV. Its address is all that it takes to see it again.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{self, Bytes};
use futures_util::stream;
use maud::{Markup, html};
use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};

use crate::error::ApiError;
use crate::keys::Scope;
use crate::pages::empty;
use crate::pages::frame::{self, Section};
use crate::pages::locale::{UNKNOWN, count, percent};
use crate::pages::search::{Column, Search};
use crate::pages::visitor::Visitor;
use crate::pages::words::{Said, no_tier, unknown};
use crate::population::{Population, Slice};
use crate::spreadsheet::{self, plain};
use crate::state::{About, AppState};

/// Customers of a page.
const MOST: usize = 50;
/// Rows of CSV written at a time.
const ROWS: usize = 4_096;
/// Most reasons that are offered as a filter.
const REASONS: usize = 200;

/// The page.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    pairs: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().customers;
    let Some(population) = state.people.now() else {
        return Ok(empty::no_people(&state, &visitor, Section::Customers));
    };
    if population.len() == 0 {
        return Ok(empty::no_customers(&visitor, Section::Customers));
    }
    let search = Search::read(&pairs, &population)?;
    let (people, asked) = (Arc::clone(&population), search.clone());
    let look = move || people.slice(&asked.filter, asked.sort, &asked.cursor, MOST);
    let slice = state.heavy.run(state.deadline(), look).await?;
    let body = html! {
        div.heading {
            h1 { (texts.title) }
            p.lead { ((texts.matched)(&count(slice.matched), &count(population.len() as u64))) }
        }
        (filter_form(&visitor, &search, &population))
        div.actions {
            @if visitor.may(Scope::Plan) {
                a.button href=(search.path("/customers.csv", &[])) download { (texts.download) }
                a.button href=(plan_path(&search)) { (texts.plan_these) }
            }
        }
        @if slice.rows.is_empty() {
            div.empty { h2 { (texts.none) } p { (texts.none_what) " " a href="/customers" { (texts.clear) } } }
        } @else {
            (table(&visitor, &search, &population, &slice))
            (turn(&visitor, &search, &population, &slice))
        }
    };
    Ok(frame::page(&visitor, Section::Customers, texts.title, body))
}

fn plan_path(search: &Search) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(search.filter_pairs());
    match query.finish() {
        query if query.is_empty() => "/plan".to_owned(),
        query => format!("/plan?{query}"),
    }
}

fn filter_form(visitor: &Visitor, search: &Search, population: &Population) -> Markup {
    let texts = &visitor.texts().customers;
    html! {
        details.filter open[!search.is_open()] {
            summary { (texts.filter) }
            form method="get" action="/customers" {
                (filter_fields(visitor, search, population))
                fieldset.columns-choice {
                    legend { (texts.columns) }
                    @for column in Column::ALL {
                        label.check {
                            input type="checkbox" name="column" value=(column.word()) checked[search.columns.contains(&column)];
                            " " (heading(visitor, search, population, column))
                        }
                    }
                }
                @if let Some(sort) = search.typed("sort") { input type="hidden" name="sort" value=(sort); }
                @if let Some(order) = search.typed("order") { input type="hidden" name="order" value=(order); }
                div.actions {
                    button.primary type="submit" { (texts.apply) }
                    a.button href="/customers" { (texts.clear) }
                }
            }
        }
    }
}

/// The fields of a filter, for every form that chooses customers.
pub fn filter_fields(visitor: &Visitor, search: &Search, population: &Population) -> Markup {
    let texts = &visitor.texts().customers;
    let language = visitor.language;
    let tiers: Vec<(&str, &str)> =
        LapseTier::ALL.map(|tier| (tier.text(), tier.said(language))).to_vec();
    let stages: Vec<(&str, &str)> =
        LifecycleStage::ALL.map(|stage| (stage.text(), stage.said(language))).to_vec();
    let grades: Vec<(&str, &str)> = Grade::ALL.map(|grade| (grade.text(), grade.text())).to_vec();
    let names = |names: &[String]| names.iter().map(|n| (n.clone(), n.clone())).collect::<Vec<_>>();
    let borrowed = |names: &[(&str, &str)]| {
        names
            .iter()
            .map(|(word, name)| ((*word).to_owned(), (*name).to_owned()))
            .collect::<Vec<_>>()
    };
    let mut was = borrowed(&tiers);
    was.push(("none".to_owned(), no_tier(language).to_owned()));
    was.push(("absent".to_owned(), visitor.texts().overview.new.to_owned()));
    let mut was_stage = borrowed(&stages);
    was_stage.push(("none".to_owned(), unknown(language).to_owned()));
    was_stage.push(("absent".to_owned(), visitor.texts().overview.new.to_owned()));
    let models: Vec<String> = population.scores.iter().map(|s| s.model.clone()).collect();
    let features = search.model.map(|model| {
        let mut features = population.scores[model].features.clone();
        features.sort();
        features.truncate(REASONS);
        features
    });
    html! {
        div.fields {
            (checks(texts.tier, "tier", &tiers, search, no_tier(language)))
            (checks(texts.stage, "stage", &stages, search, unknown(language)))
            (checks(texts.grade, "grade", &grades, search, visitor.texts().overview.no_grade))
            @if !models.is_empty() {
                fieldset {
                    legend { (search.model.map_or(String::new(), |m| (texts.probability)(&population.scores[m].model))) }
                    @if models.len() > 1 || search.typed("model").is_some() {
                        (select(texts.model, "model", &names(&models), search, None))
                    }
                    (range(visitor, search, ("probability_from", "probability_until"), "%"))
                    @if let Some(features) = features.filter(|features| !features.is_empty() || search.typed("reason").is_some()) {
                        (select(texts.reason_short, "reason", &names(&features), search, Some(texts.any)))
                    }
                }
            }
            fieldset {
                legend { (texts.predicted) }
                (range(visitor, search, ("value_from", "value_until"), visitor.currency.as_deref().unwrap_or("")))
            }
            fieldset {
                legend { (texts.advice) }
                label.check {
                    input type="checkbox" name="advised" value="yes" checked[search.chose("advised", "yes")];
                    " " (texts.advised_anything)
                }
                @if !population.actions.is_empty() || search.typed("advice").is_some() || search.typed("channel").is_some() {
                    (select(texts.advice_which, "advice", &names(&population.actions), search, Some(texts.any)))
                    (select(texts.channel, "channel", &names(&population.channels), search, Some(texts.any)))
                }
                label { (texts.id_starts)
                    input type="text" name="id" value=[search.typed("id")] autocomplete="off" spellcheck="false";
                }
            }
            @if population.before_micros.is_some() || search.typed("was_tier").is_some() || search.typed("was_stage").is_some() {
                fieldset {
                    legend { (visitor.texts().overview.flow) }
                    (select(texts.was_tier, "was_tier", &was, search, Some(texts.any)))
                    (select(texts.was_stage, "was_stage", &was_stage, search, Some(texts.any)))
                }
            }
        }
    }
}

fn checks(legend: &str, key: &str, values: &[(&str, &str)], search: &Search, none: &str) -> Markup {
    let all = values.iter().copied().chain([("none", none)]);
    html! {
        fieldset {
            legend { (legend) }
            @for (word, name) in all {
                label.check {
                    input type="checkbox" name=(key) value=(word) checked[search.chose(key, word)];
                    " " (name)
                }
            }
        }
    }
}

fn select(
    label: &str,
    key: &str,
    values: &[(String, String)],
    search: &Search,
    any: Option<&str>,
) -> Markup {
    html! {
        label { (label)
            select name=(key) {
                @if let Some(any) = any { option value="" { (any) } }
                @for (word, name) in values {
                    option value=(word) selected[search.chose(key, word)] { (name) }
                }
                // What was chosen is kept, also where it is offered no more.
                @if let Some(word) = search.typed(key).filter(|typed| values.iter().all(|(word, _)| word != typed)) {
                    option value=(word) selected { (word) }
                }
            }
        }
    }
}

fn range(visitor: &Visitor, search: &Search, (from, until): (&str, &str), unit: &str) -> Markup {
    let texts = &visitor.texts().customers;
    html! {
        div.range {
            @for (key, label) in [(from, texts.at_least), (until, texts.at_most)] {
                label { (label) " " (unit)
                    input type="number" step="any" name=(key) value=[search.typed(key)] inputmode="decimal";
                }
            }
        }
    }
}

fn heading(visitor: &Visitor, search: &Search, population: &Population, column: Column) -> String {
    let texts = &visitor.texts().customers;
    let model = search.model.map_or("", |model| population.scores[model].model.as_str());
    match column {
        Column::Tier => texts.tier.to_owned(),
        Column::Stage => texts.stage.to_owned(),
        Column::Grade => texts.grade.to_owned(),
        Column::Probability => (texts.probability)(model),
        Column::Predicted => texts.predicted.to_owned(),
        Column::Historic => texts.historic.to_owned(),
        Column::Alive => texts.alive.to_owned(),
        Column::Advice => texts.advice.to_owned(),
        Column::Channel => texts.channel.to_owned(),
        Column::Reason => (texts.reason)(model),
    }
}

fn is_number(column: Column) -> bool {
    use Column::{Alive, Historic, Predicted, Probability};
    matches!(column, Probability | Predicted | Historic | Alive)
}

fn table(visitor: &Visitor, search: &Search, population: &Population, slice: &Slice) -> Markup {
    let texts = &visitor.texts().customers;
    html! {
        div.box tabindex="0" role="region" aria-label=(texts.title) {
            table.list {
                thead { tr {
                    (head(visitor, search, "id", texts.id, false))
                    @for column in &search.columns {
                        (head(visitor, search, column.word(), &heading(visitor, search, population, *column), is_number(*column)))
                    }
                } }
                tbody {
                    @for row in &slice.rows {
                        @let row = *row as usize;
                        tr {
                            th scope="row" { a href=(customer_path(population.id(row))) { (population.id(row)) } }
                            @for column in &search.columns {
                                td.number[is_number(*column)] { (cell(visitor, search, population, row, *column)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a customer's page is.
pub fn customer_path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    // A `+` is a plus in a path.
    format!("/customers/{}", id.replace('+', "%20"))
}

fn head(visitor: &Visitor, search: &Search, word: &str, name: &str, number: bool) -> Markup {
    let texts = &visitor.texts().customers;
    let Some(by) = search.sort_by(word) else {
        return html! { th.number[number] scope="col" { (name) } };
    };
    let here = search.sort.by == by;
    let falling = if here { !search.sort.falling } else { number };
    let order = if falling { "falling" } else { "rising" };
    let sorted = match (here, search.sort.falling) {
        (false, _) => None,
        (true, true) => Some("descending"),
        (true, false) => Some("ascending"),
    };
    let title = if falling { texts.sort_falling } else { texts.sort_rising };
    html! {
        th.number[number] scope="col" aria-sort=[sorted] {
            a href=(search.path("/customers", &[("sort", word), ("order", order)])) title=(title) {
                (name)
                @match sorted {
                    Some("descending") => span aria-hidden="true" { " ↓" },
                    Some(_) => span aria-hidden="true" { " ↑" },
                    None => {},
                }
            }
        }
    }
}

fn cell(
    visitor: &Visitor,
    search: &Search,
    population: &Population,
    row: usize,
    column: Column,
) -> Markup {
    let language = visitor.language;
    let faint = || html! { span.faint { (UNKNOWN) } };
    let text = |text: Option<&str>| text.map_or_else(faint, |text| html! { (text) });
    let money = |amount: f64| match amount.is_nan() {
        true => faint(),
        false => html! { (visitor.money(amount)) },
    };
    match column {
        Column::Tier => match population.tier_of(row) {
            Some(tier) => html! { span.dot.(tier.text()) {} (tier.said(language)) },
            None => faint(),
        },
        Column::Stage => text(population.stage_of(row).map(|stage| stage.said(language))),
        Column::Grade => text(population.grade_of(row).map(|grade| grade.said(language))),
        Column::Probability => {
            let scores = search.model.map(|model| population.scores[model].probability[row]);
            html! { (percent(scores.unwrap_or(f64::NAN), 1)) }
        }
        Column::Predicted => money(population.predicted[row]),
        Column::Historic => money(population.historic[row]),
        Column::Alive => html! { (percent(population.alive[row], 0)) },
        Column::Advice => match population.action_of(row) {
            Some(action) if population.held_out[row] => {
                html! { (visitor.texts().customers.held_out) " " span.faint { (action) } }
            }
            action => text(action),
        },
        Column::Channel => text(population.channel_of(row)),
        Column::Reason => {
            text(search.model.and_then(|model| population.scores[model].reason_of(row)))
        }
    }
}

/// The links to the pages before and after.
fn turn(visitor: &Visitor, search: &Search, population: &Population, slice: &Slice) -> Markup {
    let texts = &visitor.texts().customers;
    let (Some(first), Some(last)) = (slice.rows.first(), slice.rows.last()) else {
        return html! {};
    };
    let (from, until) = (slice.before + 1, slice.before + slice.rows.len() as u64);
    let before = search.place(population, *first);
    let after = search.place(population, *last);
    html! {
        nav.turn aria-label=(texts.title) {
            @if slice.before > 0 {
                a.button href=(search.path("/customers", &[])) { (texts.first) }
                a.button rel="prev" href=(search.path("/customers", &[("before", &before)])) { "← " (texts.earlier) }
            }
            span { ((texts.range)(&count(from), &count(until), &count(slice.matched))) }
            @if until < slice.matched {
                a.button rel="next" href=(search.path("/customers", &[("after", &after)])) { (texts.later) " →" }
            }
        }
    }
}

/// The list as CSV, in its order, all pages together. Who takes all customers away stands in the audit log.
pub async fn csv(
    state: web::Data<AppState>,
    visitor: Visitor,
    pairs: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, ApiError> {
    let population = state.people.now().ok_or(match state.kept {
        Some(_) => ApiError::StoreAway,
        None => ApiError::NotKept,
    })?;
    let (data, asker) = (state.clone(), visitor.asker());
    let audit = move || data.audited(&asker, "export-customers", About::Nothing, "done");
    state.heavy.run(state.deadline(), audit).await??;
    let search = Search::read(&pairs, &population)?;
    let (people, asked) = (Arc::clone(&population), search);
    let order = move || people.ordered(&asked.filter, asked.sort);
    let rows = Arc::new(state.heavy.run(state.deadline(), order).await?);
    let pieces = stream::unfold(Some(0), move |first| {
        let (population, rows) = (Arc::clone(&population), Arc::clone(&rows));
        async move {
            let first = first?;
            if first > 0 && first >= rows.len() {
                return None;
            }
            let next = (first + ROWS).min(rows.len().max(1));
            // Others are answered meanwhile.
            let write = move || {
                let piece = &rows[first.min(rows.len())..next.min(rows.len())];
                written(&population, piece, first == 0)
            };
            let piece = web::block(write).await;
            let failed = |error: actix_web::error::BlockingError| ApiError::Internal {
                reason: error.to_string(),
            };
            Some((piece.map_err(failed).and_then(|piece| piece), Some(next)))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"customers.csv\""))
        .streaming(Box::pin(pieces)))
}

fn written(population: &Population, rows: &[u32], head: bool) -> Result<Bytes, ApiError> {
    let failed = |error: csv::Error| ApiError::Internal { reason: error.to_string() };
    let start = if head { spreadsheet::MARK.as_bytes() } else { &[] };
    let mut writer = csv::Writer::from_writer(start.to_vec());
    if head {
        let fixed = [
            "customer_id",
            "lapse_tier",
            "lifecycle_stage",
            "grade",
            "historic_value",
            "predicted_value",
            "probability_alive",
            "action",
            "channel",
            "control",
        ];
        let scores = population.scores.iter().flat_map(|scores| {
            [format!("probability_{}", scores.model), format!("reason_{}", scores.model)]
        });
        writer.write_record(fixed.map(str::to_owned).into_iter().chain(scores)).map_err(failed)?;
    }
    let number = |number: f64| if number.is_nan() { String::new() } else { number.to_string() };
    for row in rows.iter().map(|row| *row as usize) {
        let text = |text: Option<&str>| plain(text.unwrap_or_default());
        let action = population.action_of(row);
        let fixed = [
            plain(population.id(row)),
            text(population.tier_of(row).map(LapseTier::text)),
            text(population.stage_of(row).map(LifecycleStage::text)),
            text(population.grade_of(row).map(Grade::text)),
            number(population.historic[row]),
            number(population.predicted[row]),
            number(population.alive[row]),
            text(action),
            text(population.channel_of(row)),
            action.map_or_else(String::new, |_| population.held_out[row].to_string()),
        ];
        let scores = population
            .scores
            .iter()
            .flat_map(|scores| [number(scores.probability[row]), text(scores.reason_of(row))]);
        writer.write_record(fixed.into_iter().chain(scores)).map_err(failed)?;
    }
    let bytes =
        writer.into_inner().map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    Ok(bytes.into())
}
