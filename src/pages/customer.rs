//! One customer: what is known, what is expected, why, what is advised, and all that happened.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_models::language::Language;
use rekindle_store::{
    Campaign, CampaignState, Customer, CustomerState, Decision, InCampaign, PastScore, StateSpan,
    StoredScore,
};

use crate::campaigns::now_micros;
use crate::error::ApiError;
use crate::pages::charts::{self, Axes, Point};
use crate::pages::frame::{self, Section};
use crate::pages::locale::{UNKNOWN, count, number, percent};
use crate::pages::visitor::Visitor;
use crate::pages::words::{Said, no_tier, unknown};
use crate::state::AppState;

const DAY: i64 = 86_400_000_000;
/// Most lines of the timeline, and scores of a model.
const LINES: usize = 200;

/// The page.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (id, texts) = (id.into_inner(), visitor.texts());
    let asked = id.clone();
    let read = |store: rekindle_store::Store| async move { store.customer(&asked).await };
    let customer = state.ask(state.deadline(), read).await?;
    if customer.is_unknown() {
        return Err(ApiError::UnknownCustomer);
    }
    let title = (texts.customer.title)(&id);
    let last = customer.states.last();
    let body = html! {
        div.heading {
            p.crumbs { a href="/customers" { (texts.customers.title) } }
            h1 { (title) }
            @if let Some(span) = last { (now(&visitor, span)) }
        }
        (advice(&visitor, &customer))
        div.columns {
            @if let Some(span) = last { (value(&visitor, &span.state)) }
            (reasons(&visitor, &customer.scores))
        }
        (scores(&visitor, &customer))
        div.columns {
            (tried(&visitor, &customer))
            (history(&visitor, &customer.states))
        }
        (timeline(&visitor, &customer))
    };
    Ok(frame::page(&visitor, Section::Customers, &title, body))
}

fn tier(text: Option<&String>, language: Language) -> String {
    let known = |tier: &LapseTier| Some(tier.text()) == text.map(String::as_str);
    let found = LapseTier::ALL.into_iter().find(known);
    found.map_or_else(|| no_tier(language), |tier| tier.said(language)).to_owned()
}

fn stage(text: Option<&String>, language: Language) -> String {
    let known = |stage: &LifecycleStage| Some(stage.text()) == text.map(String::as_str);
    let found = LifecycleStage::ALL.into_iter().find(known);
    found.map_or_else(|| unknown(language), |stage| stage.said(language)).to_owned()
}

/// Tier, stage and grade now.
fn now(visitor: &Visitor, span: &StateSpan) -> Markup {
    let (texts, language) = (visitor.texts(), visitor.language);
    let StateSpan { state, valid_from_micros, as_of_micros } = span;
    let class = state.lapse_tier.as_deref().unwrap_or("none");
    let known = LapseTier::ALL.map(LapseTier::text).contains(&class);
    html! {
        p.lead {
            span.dot.(if known { class } else { "none" }) {}
            strong { (tier(state.lapse_tier.as_ref(), language)) }
            " · " (stage(state.lifecycle_stage.as_ref(), language))
            @if let Some(grade) = state.grade.as_deref().filter(|g| Grade::ALL.map(Grade::text).contains(g)) {
                " · " (texts.overview.grade) " " (grade)
            }
            " " span.faint {
                @if valid_from_micros < as_of_micros {
                    ((texts.customer.since)(&visitor.day(*valid_from_micros))) " · "
                }
                ((texts.customer.as_of)(&visitor.day(*as_of_micros)))
            }
        }
    }
}

/// Decisions with their campaigns, the newest campaign first.
fn decided(customer: &Customer) -> Vec<(&Campaign, &Decision)> {
    let campaigns = customer.campaigns.iter();
    let decided = campaigns.flat_map(|campaign| {
        let id = &campaign.made.campaign_id;
        let own = customer.decisions.iter().filter(move |decision| decision.campaign_id == *id);
        own.map(move |decision| (campaign, &decision.of))
    });
    decided.collect()
}

fn advice(visitor: &Visitor, customer: &Customer) -> Markup {
    let texts = &visitor.texts().customer;
    let decided = decided(customer);
    let running = decided.iter().find(|(campaign, _)| campaign.state == CampaignState::Running);
    let done = running.and_then(|(campaign, _)| {
        let id = &campaign.made.campaign_id;
        customer.contacts.iter().rev().find(|contact| contact.campaign_id == *id)
    });
    html! {
        section.card.advice aria-labelledby="advice" {
            h2 #advice { (texts.advice) }
            @match running {
                None => p { (texts.advice_none) },
                Some((_, decision)) if decision.action == "none" => {
                    p { (texts.advice_none) }
                    @if let Some(sentence) = &decision.sentence { p.note { (sentence) } }
                }
                Some((campaign, decision)) if decision.control => {
                    p { strong { (texts.advice_held_out) } }
                    p.note { (texts.campaign) ": " a href=(campaign_path(campaign)) { (campaign.made.name) } }
                }
                Some((campaign, decision)) => {
                    @if let Some(contact) = done {
                        p { strong { ((texts.advice_done)(&contact.of.action, &visitor.day(contact.of.contacted_at_micros))) } }
                    }
                    p.big {
                        strong { ((texts.advice_do)(&decision.action, decision.channel.as_deref().unwrap_or(UNKNOWN))) }
                        @if let Some(offer) = &decision.offer { " · " (offer) }
                    }
                    @if let Some(sentence) = &decision.sentence { p.note { (sentence) } }
                    p.note {
                        (texts.expected_profit) ": " (visitor.money(decision.expected_profit))
                        @if let Some(on) = &decision.contact_on {
                            " · " (texts.contact_on) ": " (visitor.date_text(on))
                        }
                        " · " a href=(campaign_path(campaign)) { (campaign.made.name) }
                    }
                }
            }
        }
    }
}

fn campaign_path(campaign: &Campaign) -> String {
    format!("/campaigns/{}", campaign.made.campaign_id)
}

fn value(visitor: &Visitor, state: &CustomerState) -> Markup {
    let texts = &visitor.texts().customer;
    let money = |amount: Option<f64>| {
        amount.map_or_else(|| UNKNOWN.to_owned(), |amount| visitor.money(amount))
    };
    let next = &state.next_order;
    html! {
        section aria-labelledby="value" {
            h2 #value { (texts.value) }
            dl.pairs {
                div { dt { (texts.historic) } dd { (money(state.historic_value)) } }
                div { dt { (texts.predicted) } dd { (money(state.predicted_value)) } }
                div { dt { (texts.alive) } dd { (percent(state.probability_alive.unwrap_or(f64::NAN), 0)) } }
                div { dt { (texts.orders) } dd { (number(state.predicted_orders.unwrap_or(f64::NAN), 1)) } }
                div {
                    dt { (texts.next_order) }
                    dd {
                        (next.on.as_deref().map_or_else(|| UNKNOWN.to_owned(), |on| visitor.date_text(on)))
                        @if let (Some(from), Some(until)) = (&next.from, &next.until) {
                            " " span.faint { ((texts.between)(&visitor.date_text(from), &visitor.date_text(until))) }
                        }
                    }
                }
            }
        }
    }
}

fn reasons(visitor: &Visitor, scores: &[StoredScore]) -> Markup {
    let texts = &visitor.texts().customer;
    let told: Vec<&StoredScore> = scores.iter().filter(|s| !s.reasons.is_empty()).collect();
    html! {
        section aria-labelledby="reasons" {
            h2 #reasons { (texts.reasons) }
            @if told.is_empty() { p.note { (texts.no_reasons) } }
            @else { p.note { (texts.reasons_what) } }
            @for score in told {
                h3 {
                    ((texts.by_version)(&score.model_name, score.model_version)) " · "
                    (percent(score.probability, 1))
                }
                ol.reasons {
                    @for reason in &score.reasons {
                        @let up = reason.contribution > 0.0;
                        li {
                            span.sign.(if up { "up" } else { "down" }) aria-hidden="true" { @if up { "▲" } @else { "▼" } }
                            span {
                                (match visitor.language {
                                    Language::English => &reason.english,
                                    Language::Chinese => &reason.chinese,
                                })
                                " " span.faint { (if up { texts.raises } else { texts.lowers }) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn scores(visitor: &Visitor, customer: &Customer) -> Markup {
    let texts = &visitor.texts().customer;
    let mut models: BTreeMap<&str, Vec<&PastScore>> = BTreeMap::new();
    for score in &customer.past_scores {
        models.entry(&score.model_name).or_default().push(score);
    }
    html! {
        section aria-labelledby="scores" {
            h2 #scores { (texts.scores) }
            @if models.is_empty() { p.note { (texts.no_scores) } }
            @else { p.note { (texts.scores_what) } }
            div.plots {
                @for (model, scores) in &models { (model_scores(visitor, customer, model, scores)) }
            }
        }
    }
}

fn model_scores(
    visitor: &Visitor,
    customer: &Customer,
    model: &str,
    scores: &[&PastScore],
) -> Markup {
    let texts = &visitor.texts().customer;
    let scores = &scores[scores.len().saturating_sub(LINES)..];
    let latest = customer.scores.iter().find(|score| score.model_name == model);
    let points: Vec<Point> = scores
        .iter()
        .map(|score| {
            let y = score.probability;
            Point { x: score.scored_at_micros as f64, y, low: y, high: y }
        })
        .collect();
    let label = format!("{}: {model}", texts.scores);
    let axes = Axes {
        label: &label,
        y: &|share| percent(share, 0),
        x: &|micros| visitor.day(micros as i64),
        within: Some((0.0, 1.0)),
    };
    html! {
        figure {
            figcaption {
                strong { (model) }
                @if let Some(score) = latest {
                    " · " (percent(score.probability, 1)) " "
                    span.faint {
                        ((texts.percentile)(score.percentile)) " · "
                        ((texts.age_days)(((now_micros() - score.scored_at_micros).max(0) / DAY) as u64))
                    }
                }
            }
            (charts::line(&points, &axes))
            details {
                summary { (visitor.texts().shell.as_table) }
                table {
                    thead { tr {
                        th scope="col" { (texts.scored) }
                        th.number scope="col" { (texts.probability) }
                        th.number scope="col" { (visitor.texts().overview.version) }
                    } }
                    tbody {
                        @for score in scores.iter().rev() {
                            tr {
                                th scope="row" { (visitor.instant(score.scored_at_micros)) }
                                td.number { (percent(score.probability, 1)) }
                                td.number { (score.model_version) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn history(visitor: &Visitor, states: &[StateSpan]) -> Markup {
    let (texts, language) = (&visitor.texts().customer, visitor.language);
    html! {
        section aria-labelledby="history" {
            h2 #history { (texts.history) }
            p.note { (texts.history_what) }
            div.box tabindex="0" role="region" aria-label=(texts.history) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.from) }
                        th scope="col" { (visitor.texts().customers.tier) }
                        th scope="col" { (visitor.texts().customers.stage) }
                        th scope="col" { (visitor.texts().customers.grade) }
                        th scope="col" { (texts.until) }
                    } }
                    tbody {
                        @for span in states.iter().rev() {
                            tr {
                                th scope="row" { (visitor.day(span.valid_from_micros)) }
                                td { (tier(span.state.lapse_tier.as_ref(), language)) }
                                td { (stage(span.state.lifecycle_stage.as_ref(), language)) }
                                td { (span.state.grade.as_deref().unwrap_or(UNKNOWN)) }
                                td { (visitor.day(span.as_of_micros)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn tried(visitor: &Visitor, customer: &Customer) -> Markup {
    let texts = &visitor.texts().customer;
    let mut decided = decided(customer);
    // What is but planned was not tried.
    decided.retain(|(campaign, _)| campaign.started_at_micros.is_some());
    fn of<T>(all: &[InCampaign<T>], campaign: &Campaign) -> u64 {
        all.iter().filter(|one| one.campaign_id == campaign.made.campaign_id).count() as u64
    }
    html! {
        section aria-labelledby="tried" {
            h2 #tried { (texts.tried) }
            @if decided.is_empty() { p.note { (texts.tried_none) } }
            @else {
                div.box tabindex="0" role="region" aria-label=(texts.tried) {
                    table.full {
                        thead { tr {
                            th scope="col" { (texts.campaign) }
                            th scope="col" { (texts.planned) }
                            th.number scope="col" { (texts.contacts) }
                            th.number scope="col" { (texts.outcomes) }
                        } }
                        tbody {
                            @for (campaign, decision) in &decided {
                                tr {
                                    th scope="row" {
                                        a href=(campaign_path(campaign)) { (campaign.made.name) } " "
                                        span.faint { (campaign.state.said(visitor.language)) }
                                    }
                                    td {
                                        @if decision.action == "none" { (UNKNOWN) }
                                        @else if decision.control {
                                            span.faint { (decision.action) " · " (visitor.texts().customers.held_out) }
                                        } @else { (decision.action) }
                                    }
                                    td.number { (count(of(&customer.contacts, campaign))) }
                                    td.number { (count(of(&customer.outcomes, campaign))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A line of the timeline.
struct Line {
    at_micros: i64,
    class: &'static str,
    what: String,
    amount: Option<f64>,
    detail: String,
}

fn lines(visitor: &Visitor, customer: &Customer) -> Vec<Line> {
    let texts = &visitor.texts().customer;
    let details = |parts: [Option<&String>; 2]| {
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" · ")
    };
    let events = customer.events.iter().map(|event| Line {
        at_micros: event.occurred_at_micros,
        class: "event",
        what: event.kind.clone(),
        amount: event.amount,
        detail: details([event.product.as_ref(), event.channel.as_ref()]),
    });
    let contacts = customer.contacts.iter().map(|contact| Line {
        at_micros: contact.of.contacted_at_micros,
        class: "contact",
        what: (texts.contacted)(&contact.of.action),
        amount: None,
        detail: details([contact.of.channel.as_ref(), Some(&contact.campaign_id)]),
    });
    let outcomes = customer.outcomes.iter().map(|outcome| Line {
        at_micros: outcome.of.occurred_at_micros,
        class: "outcome",
        what: (texts.outcome)(&outcome.of.kind),
        amount: Some(outcome.of.amount),
        detail: outcome.campaign_id.clone(),
    });
    let mut lines: Vec<Line> = events.chain(contacts).chain(outcomes).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.at_micros));
    lines.truncate(LINES);
    lines
}

fn timeline(visitor: &Visitor, customer: &Customer) -> Markup {
    let texts = &visitor.texts().customer;
    let lines = lines(visitor, customer);
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { (texts.timeline) }
            p.note { (texts.timeline_what) }
            @if customer.events.is_empty() { p.note { (texts.timeline_none) } }
            @if !lines.is_empty() {
                div.box tabindex="0" role="region" aria-label=(texts.timeline) {
                    table.full.timeline {
                        thead { tr {
                            th scope="col" { (texts.when) }
                            th scope="col" { (texts.what) }
                            th.number scope="col" { (texts.amount) }
                            th scope="col" { (texts.detail) }
                        } }
                        tbody {
                            @for line in &lines {
                                tr.(line.class) {
                                    th scope="row" { (visitor.instant(line.at_micros)) }
                                    td { span.mark aria-hidden="true" {} (line.what) }
                                    td.number { @if let Some(amount) = line.amount { (visitor.money(amount)) } }
                                    td.faint { (line.detail) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
