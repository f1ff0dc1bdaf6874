//! The first page: how awake customers are, who moved, what they are worth, how good models are, what campaigns change.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_models::metrics::{Spread, psi};

use crate::error::ApiError;
use crate::figures::interval;
use crate::keys::Scope;
use crate::model::Model;
use crate::pages::charts::{self, Band};
use crate::pages::frame::{self, Section};
use crate::pages::judged::{age_days, rate, verdict_badge};
use crate::pages::locale::{change, count, number, percent};
use crate::pages::visitor::Visitor;
use crate::pages::words::{Said, no_tier};
use crate::pages::{campaign, empty};
use crate::population::{GradeLine, Population, Summary};
use crate::state::AppState;

/// Classes of the tiers' colours, of what is not known, and of what was not there.
const CLASSES: [&str; 6] = ["tier-0", "tier-1", "tier-2", "tier-3", "tier-none", "tier-new"];

/// The page.
pub async fn page(state: web::Data<AppState>, visitor: Visitor) -> Result<HttpResponse, ApiError> {
    let texts = visitor.texts();
    let Some(population) = state.people.now() else {
        return Ok(empty::no_people(&state, &visitor, Section::Overview));
    };
    if population.len() == 0 {
        return Ok(empty::no_customers(&visitor, Section::Overview));
    }
    let running = campaign::running(&state, &visitor).await?;
    let (served, people) = (state.models.served(), Arc::clone(&population));
    let judge = move || {
        let current = served.values().map(|served| Arc::clone(&served.current));
        current.map(|model| (Arc::clone(&model), stability(&model, &people))).collect::<Vec<_>>()
    };
    let judged = state.heavy.run(state.deadline(), judge).await?;
    let body = html! {
        div.heading {
            h1 { (texts.overview.title) }
            p.lead { (lead(&visitor, &population)) }
        }
        (questions(&visitor, &population))
        (tiers(&visitor, &population))
        (flow(&visitor, &population))
        div.columns {
            (stages(&visitor, &population))
            (value(&visitor, &population.summary))
        }
        (models(&visitor, &judged))
        (running)
    };
    Ok(frame::page(&visitor, Section::Overview, texts.overview.title, body))
}

fn lead(visitor: &Visitor, population: &Population) -> String {
    let texts = &visitor.texts().overview;
    let customers = count(population.len() as u64);
    let Some(as_of) = population.as_of_micros else { return (texts.as_of_scores)(&customers) };
    let mut told = (texts.as_of)(&customers, &visitor.day(as_of));
    if let Some(before) = population.before_micros {
        told.push_str(" · ");
        told.push_str(&(texts.moved)(&count(population.summary.moved()), &visitor.day(before)));
    }
    told
}

/// The questions that people come with, each a click from its answer.
fn questions(visitor: &Visitor, population: &Population) -> Markup {
    let texts = &visitor.texts().overview;
    let at_risk: u64 = population.summary.grades.iter().map(|line| line.at_risk).sum();
    let asked = [
        (
            "/customers?tier=drowsy&tier=half_asleep&sort=predicted",
            texts.ask_leaving,
            (texts.ask_leaving_what)(&count(at_risk)),
        ),
        ("/plan", texts.ask_wake, texts.ask_wake_what.to_owned()),
        ("/customers?advised=yes&sort=predicted", texts.ask_with, texts.ask_with_what.to_owned()),
        ("/campaigns", texts.ask_worked, texts.ask_worked_what.to_owned()),
    ];
    html! {
        ul.questions {
            @for (path, question, answer) in asked.iter().filter(|(path, ..)| *path != "/plan" || visitor.may(Scope::Plan)) {
                li { a href=(path) { strong { (question) } span { (answer) } } }
            }
        }
    }
}

fn tiers(visitor: &Visitor, population: &Population) -> Markup {
    let texts = &visitor.texts().overview;
    let (language, summary) = (visitor.language, &population.summary);
    let before = |tier: usize| {
        let known = summary.tier_moves.iter().take(LapseTier::ALL.len() + 1);
        known.map(|to| to.iter().sum::<u64>()).nth(tier).unwrap_or(0)
    };
    html! {
        section aria-labelledby="tiers" {
            h2 #tiers { (texts.tiers) }
            p.note { (texts.tiers_what) }
            ul.tiles {
                @for (place, tier) in LapseTier::ALL.into_iter().enumerate() {
                    @let customers = summary.tiers[place];
                    li {
                        a.tile.(CLASSES[place]) href=(format!("/customers?tier={}", tier.text())) {
                            span.name { (tier.said(language)) }
                            strong { (count(customers)) }
                            span.faint {
                                (percent(customers as f64 / population.len() as f64, 1))
                                @if let Some(then) = population.before_micros {
                                    " · " (change(customers as i64 - before(place) as i64)) " "
                                    (((texts.since)(&visitor.day(then))))
                                }
                            }
                        }
                    }
                }
            }
            @if summary.tiers[LapseTier::ALL.len()] > 0 {
                p.note {
                    a href="/customers?tier=none" {
                        (no_tier(language)) ": " (count(summary.tiers[LapseTier::ALL.len()]))
                    }
                }
            }
        }
    }
}

fn flow(visitor: &Visitor, population: &Population) -> Markup {
    let texts = &visitor.texts().overview;
    let (language, summary) = (visitor.language, &population.summary);
    let (Some(before), Some(now)) = (population.before_micros, population.as_of_micros) else {
        return html! {
            section aria-labelledby="flow" { h2 #flow { (texts.flow) } p.note { (texts.flow_none) } }
        };
    };
    let mut names: Vec<&str> = LapseTier::ALL.map(|tier| tier.said(language)).to_vec();
    names.push(no_tier(language));
    names.push(texts.new);
    let moves: Vec<Vec<u64>> = summary.tier_moves.iter().map(|to| to.to_vec()).collect();
    let band = |place: usize, customers: u64| Band {
        name: names[place].to_owned(),
        told: count(customers),
        class: CLASSES[place],
    };
    let from: Vec<Band> =
        moves.iter().enumerate().map(|(place, to)| band(place, to.iter().sum())).collect();
    let to: Vec<Band> = summary.tiers.iter().enumerate().map(|(p, n)| band(p, *n)).collect();
    let words: Vec<&str> =
        LapseTier::ALL.map(LapseTier::text).into_iter().chain(["none", "absent"]).collect();
    let what = (texts.flow_what)(&visitor.day(before), &visitor.day(now));
    html! {
        section aria-labelledby="flow" {
            h2 #flow { (texts.flow) }
            p.note { (what) }
            div.beside {
                figure { (charts::flow(&format!("{}. {what}", texts.flow), &from, &to, &moves)) }
                details open {
                    summary { (visitor.texts().shell.as_table) }
                    div.box tabindex="0" role="region" aria-label=(texts.flow) {
                        table {
                            thead { tr {
                                th scope="col" { (texts.from) }
                                @for place in 0..to.len() {
                                    @if summary.tiers[place] > 0 { th.number scope="col" { (names[place]) } }
                                }
                            } }
                            tbody {
                                @for (source, row) in moves.iter().enumerate().filter(|(_, r)| r.iter().sum::<u64>() > 0) {
                                    tr {
                                        th scope="row" { (names[source]) }
                                        @for (goal, customers) in row.iter().enumerate().filter(|(g, _)| summary.tiers[*g] > 0) {
                                            td.number {
                                                @if *customers == 0 { "0" } @else {
                                                    a href=(format!("/customers?was_tier={}&tier={}", words[source], words[goal])) {
                                                        (count(*customers))
                                                    }
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn stages(visitor: &Visitor, population: &Population) -> Markup {
    let texts = &visitor.texts().overview;
    let (language, summary) = (visitor.language, &population.summary);
    let all = population.len() as f64;
    html! {
        section aria-labelledby="stages" {
            h2 #stages { (texts.stages) }
            p.note { (texts.stages_what) }
            table.full {
                thead { tr {
                    th scope="col" { (texts.stage) }
                    th.number scope="col" { (texts.customers) }
                    th.number scope="col" { (texts.share) }
                    th.wide aria-hidden="true" {}
                } }
                tbody {
                    @for (place, stage) in LifecycleStage::ALL.into_iter().enumerate() {
                        @let customers = summary.stages[place];
                        tr {
                            th scope="row" {
                                a href=(format!("/customers?stage={}", stage.text())) { (stage.said(language)) }
                            }
                            td.number { (count(customers)) }
                            td.number { (percent(customers as f64 / all, 1)) }
                            td.wide aria-hidden="true" { (charts::bar(customers as f64 / all, "series")) }
                        }
                    }
                }
            }
            (passages(visitor, population))
        }
    }
}

fn passages(visitor: &Visitor, population: &Population) -> Markup {
    let texts = &visitor.texts().overview;
    let (language, summary) = (visitor.language, &population.summary);
    let (Some(before), Some(now)) = (population.before_micros, population.as_of_micros) else {
        return html! {};
    };
    let stages = LifecycleStage::ALL;
    let was = stages.map(Some).into_iter().enumerate().chain([(stages.len() + 1, None)]);
    html! {
        details {
            summary { (texts.passages) }
            p.note { ((texts.passages_what)(&visitor.day(before), &visitor.day(now))) }
            div.box tabindex="0" role="region" aria-label=(texts.passages) {
                table {
                    thead { tr {
                        th scope="col" { (texts.came_from) }
                        @for stage in stages { th.number scope="col" { (stage.said(language)) } }
                    } }
                    tbody {
                        @for (place, from) in was {
                            tr {
                                th scope="row" { (from.map_or(texts.new, |stage| stage.said(language))) }
                                @for (goal, to) in stages.into_iter().enumerate() {
                                    @let customers = summary.stage_moves[place][goal];
                                    @let word = from.map_or("absent", LifecycleStage::text);
                                    td.number {
                                        @if customers == 0 { "0" } @else {
                                            a href=(format!("/customers?was_stage={word}&stage={}", to.text())) { (count(customers)) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn value(visitor: &Visitor, summary: &Summary) -> Markup {
    let texts = &visitor.texts().overview;
    let grades = Grade::ALL.map(Some).into_iter().chain([None]);
    let lines: Vec<(Option<Grade>, GradeLine)> =
        grades.zip(summary.grades).filter(|(_, line)| line.customers > 0).collect();
    let mut total = GradeLine::default();
    for (_, line) in &lines {
        total.customers += line.customers;
        total.historic += line.historic;
        total.predicted += line.predicted;
        total.at_risk += line.at_risk;
        total.predicted_at_risk += line.predicted_at_risk;
    }
    let word = |grade: Option<Grade>| grade.map_or("none", Grade::text);
    let name = |grade: Option<Grade>| grade.map_or(texts.no_grade, Grade::text);
    let cells = |line: &GradeLine| {
        html! {
            td.number { (visitor.short_money(line.historic)) }
            td.number { (visitor.short_money(line.predicted)) }
        }
    };
    html! {
        section aria-labelledby="value" {
            h2 #value { (texts.value) }
            p.note { (texts.value_what) }
            @if summary.valued == 0 { p.note { (texts.no_value) } }
            div.box tabindex="0" role="region" aria-label=(texts.value) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.grade) }
                        th.number scope="col" { (texts.customers) }
                        th.number scope="col" { (texts.historic) }
                        th.number scope="col" { (texts.predicted) }
                        th.number scope="col" { (texts.at_risk) }
                        th.number scope="col" { (texts.at_risk_value) }
                    } }
                    tbody {
                        @for (grade, line) in &lines {
                            tr {
                                th scope="row" { a href=(format!("/customers?grade={}", word(*grade))) { (name(*grade)) } }
                                td.number { (count(line.customers)) }
                                (cells(line))
                                td.number {
                                    a href=(format!("/customers?grade={}&tier=drowsy&tier=half_asleep&sort=predicted", word(*grade))) {
                                        (count(line.at_risk))
                                    }
                                }
                                td.number { (visitor.short_money(line.predicted_at_risk)) }
                            }
                        }
                    }
                    tfoot { tr {
                        th scope="row" { (texts.total) }
                        td.number { (count(total.customers)) }
                        (cells(&total))
                        td.number { (count(total.at_risk)) }
                        td.number { (visitor.short_money(total.predicted_at_risk)) }
                    } }
                }
            }
        }
    }
}

fn models(visitor: &Visitor, models: &[(Arc<Model>, Option<f64>)]) -> Markup {
    let texts = &visitor.texts().overview;
    if models.is_empty() {
        return empty::no_model(visitor);
    }
    html! {
        section aria-labelledby="models" {
            h2 #models { (texts.models) }
            p.note { (texts.models_what) }
            div.box tabindex="0" role="region" aria-label=(texts.models) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.model) }
                        th scope="col" { (texts.verdict) }
                        th.number scope="col" { (texts.error_rate) }
                        th.number scope="col" { (texts.miss_rate) }
                        th.number scope="col" { (texts.age) }
                        th scope="col" { (texts.drift) }
                    } }
                    tbody {
                        @for (model, psi) in models {
                            tr {
                                th scope="row" {
                                    a href=(format!("/models/{}", model.name())) { (model.name()) }
                                    " " span.faint { (texts.version) " " (model.version) }
                                }
                                td { (verdict_badge(model.manifest.verdict.as_ref(), visitor)) }
                                td.number { (judged(model, "error_rate")) }
                                td.number { (judged(model, "miss_rate")) }
                                td.number { ((texts.days_old)(age_days(model.written))) }
                                td { (drift(*psi, visitor)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A rate of the judgement, between its bounds.
fn judged(model: &Model, name: &str) -> String {
    let metrics = model.manifest.metrics.as_ref();
    rate(metrics.and_then(|metrics| interval(metrics, name)).as_ref())
}

/// Below the first PSI customers are as they were, from the second on they are others (the field's usual limits).
const SMALL: f64 = 0.1;
const LARGE: f64 = 0.25;
/// Fewest customers that are compared.
const FEWEST: usize = 100;

/// How far the store's latest scores by a version are from those that it was made with; `None` where too few are known.
fn stability(model: &Model, population: &Population) -> Option<f64> {
    let reference = model.manifest.reference.as_ref()?;
    let scores = population.scores.iter().find(|scores| scores.model == model.name())?;
    let then = reference.probabilities.cells();
    let mut now = vec![0.0; then.len()];
    let mut rows = 0;
    for (probability, version) in scores.probability.iter().zip(&scores.version) {
        // Scores of another version say nothing of this one.
        if !probability.is_nan() && *version == i64::from(model.version) {
            now[reference.probabilities.cell_of(*probability)] += 1.0;
            rows += 1;
        }
    }
    let then = Spread { cells: &then, rows: reference.effective_rows };
    (rows >= FEWEST).then(|| psi(then, Spread { cells: &now, rows: rows as f64 }))
}

fn drift(psi: Option<f64>, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().overview;
    let (class, told) = match psi {
        None => return html! { span.faint { (texts.drift_none) } },
        Some(psi) if psi < SMALL => ("good", texts.drift_small),
        Some(psi) if psi < LARGE => ("unsure", texts.drift_some),
        Some(_) => ("bad", texts.drift_large),
    };
    html! {
        span.badge.(class) { (told) } " "
        span.faint { "PSI " (number(psi.unwrap_or(f64::NAN), 2)) }
    }
}
