//! Campaigns: all of them, those that run as a part of the first page, and one with what it changed, its lists, and what is
//! sent in.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use rekindle_models::customer::LapseTier;
use rekindle_models::policy::PlanSpec;
use rekindle_store::{Campaign, CampaignState, Revisions, Tally};

use crate::campaigns::{now_micros, spec_of};
use crate::conduct::{found, looks};
use crate::effects::{Between, Course, GroupEffect};
use crate::error::ApiError;
use crate::keys::Scope;
use crate::looks::Look;
use crate::pages::charts::{self, Axes, Point};
use crate::pages::frame::{self, Section};
use crate::pages::locale::{UNKNOWN, count, number, percent, points};
use crate::pages::visitor::Visitor;
use crate::pages::words::{Said, no_tier};
use crate::state::AppState;

const DAY: i64 = 86_400_000_000;
/// How long until a page whose effect is worked out is looked at again.
const AGAIN_SECONDS: u32 = 2;
/// Campaigns whose effect stands in the list; of older ones it stands on their own page.
const SHOWN: usize = 20;

/// All campaigns.
pub async fn list(state: web::Data<AppState>, visitor: Visitor) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().campaigns;
    let (campaigns, revisions) = all(&state).await?;
    let begun: Vec<&Campaign> = campaigns
        .iter()
        .filter(|campaign| campaign.started_at_micros.is_some())
        .take(SHOWN)
        .collect();
    let seen = looks(&state, &begun, revisions).await;
    let seen_of = |campaign: &Campaign| {
        let place = begun.iter().position(|own| std::ptr::eq(*own, campaign))?;
        seen[place].clone()
    };
    let rows: Vec<_> = campaigns.iter().map(|campaign| (campaign, seen_of(campaign))).collect();
    let body = html! {
        div.heading { h1 { (texts.title) } p.lead { (texts.what) } }
        div.actions {
            @if visitor.may(Scope::Plan) { a.button.primary href="/plan" { (texts.plan_one) } }
        }
        @if rows.is_empty() {
            div.empty {
                h2 { (visitor.texts().empty.no_campaigns) }
                p { (visitor.texts().empty.no_campaigns_what) }
            }
        } @else {
            div.box tabindex="0" role="region" aria-label=(texts.title) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.name) }
                        th scope="col" { (texts.state) }
                        th scope="col" { (texts.started) }
                        th.number scope="col" { (texts.difference) }
                        th.number scope="col" { (texts.profit) }
                    } }
                    tbody {
                        @for (campaign, seen) in &rows {
                            tr {
                                th scope="row" { a href=(path(campaign)) { (campaign.made.name) } }
                                td { (badge(campaign, &visitor)) " " span.faint { (day_of(campaign, &visitor)) } }
                                td { (campaign.started_at_micros.map_or_else(|| UNKNOWN.to_owned(), |at| visitor.day(at))) }
                                (effect_cells(campaign, seen.as_deref(), &visitor))
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(frame::page(&visitor, Section::Campaigns, texts.title, body))
}

async fn all(state: &AppState) -> Result<(Vec<Campaign>, Revisions), ApiError> {
    let read = |store: rekindle_store::Store| async move {
        Ok((store.campaigns().await?, store.revisions().await?))
    };
    state.ask(state.deadline(), read).await
}

fn path(campaign: &Campaign) -> String {
    format!("/campaigns/{}", campaign.made.campaign_id)
}

fn badge(campaign: &Campaign, visitor: &Visitor) -> Markup {
    html! { span.badge.(campaign.state.text()) { (campaign.state.said(visitor.language)) } }
}

/// The day of a campaign that runs.
fn day_of(campaign: &Campaign, visitor: &Visitor) -> String {
    let (Some(since), CampaignState::Running) = (campaign.counts_from_micros(), campaign.state)
    else {
        return String::new();
    };
    let day = (now_micros() - since).max(0) / DAY + 1;
    let planned = spec_of(campaign).map_or(0, |spec| spec.plan.watch_days);
    (visitor.texts().campaigns.day)(day as u32, planned)
}

/// The difference and the profit of all, as two cells.
fn effect_cells(campaign: &Campaign, seen: Option<&Look>, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let Some(look) = seen else {
        let told = if campaign.started_at_micros.is_some() { texts.computing } else { UNKNOWN };
        return html! { td.number { span.faint { (told) } } td.number { span.faint { (UNKNOWN) } } };
    };
    let all = &look.effect.all;
    html! {
        td.number {
            @match &all.response {
                Some(response) => (between(&response.absolute, true, |share| points(share, 1))),
                None => span.faint { (texts.too_early) },
            }
        }
        td.number { (profit_of(all, true, visitor)) }
    }
}

fn profit_of(group: &GroupEffect, judged: bool, visitor: &Visitor) -> Markup {
    match &group.profit {
        Some(profit) => between(&profit.total, judged, |amount| visitor.money(amount)),
        None => html! { span.faint { (UNKNOWN) } },
    }
}

/// A figure between its bounds; `judged` colours what is surely above or below nothing. Of groups that would mislead: of
/// several one may by chance.
fn between(interval: &Between, judged: bool, told: impl Fn(f64) -> String) -> Markup {
    let class = match (interval.low > 0.0, interval.high < 0.0) {
        _ if !judged => "",
        (true, _) => "good-text",
        (_, true) => "bad-text",
        _ => "",
    };
    html! {
        span.(class) { (told(interval.value)) } " "
        span.faint.nowrap { "[" (told(interval.low)) ", " (told(interval.high)) "]" }
    }
}

/// The campaigns that run, as a part of the first page.
pub async fn running(state: &web::Data<AppState>, visitor: &Visitor) -> Result<Markup, ApiError> {
    let texts = &visitor.texts().overview;
    let (campaigns, revisions) = all(state).await?;
    let runs = campaigns.iter().filter(|campaign| campaign.state == CampaignState::Running);
    let runs: Vec<&Campaign> = runs.take(SHOWN).collect();
    let seen = looks(state, &runs, revisions).await;
    let rows: Vec<_> = runs.into_iter().zip(seen).collect();
    Ok(html! {
        section aria-labelledby="running" {
            h2 #running { (texts.running) }
            @if rows.is_empty() {
                p.note {
                    (texts.no_running) " "
                    a href="/campaigns" { (visitor.texts().campaigns.title) }
                }
            } @else {
                p.note { (texts.running_what) }
                ul.running {
                    @for (campaign, seen) in &rows {
                        li.card {
                            h3 {
                                a href=(path(campaign)) { (campaign.made.name) } " "
                                span.faint { (day_of(campaign, visitor)) }
                            }
                            p { (seen.as_deref().map_or(visitor.texts().campaigns.computing, |look| look.sentence(visitor.language))) }
                        }
                    }
                }
            }
        }
    })
}

/// One campaign.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    shown(&state, &visitor, &id, None).await
}

/// One campaign, with what became of what was sent in.
pub async fn shown(
    state: &web::Data<AppState>,
    visitor: &Visitor,
    id: &str,
    told: Option<Markup>,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let campaign = found(state, deadline, id).await?;
    let read = |store: rekindle_store::Store| async move { store.revisions().await };
    let revisions = state.ask(deadline, read).await?;
    let began = campaign.started_at_micros.is_some();
    let seen = match began {
        true => looks(state, &[&campaign], revisions).await.pop().flatten(),
        false => None,
    };
    let failed = seen.is_none() && state.looks.failed(id);
    let draft = if began { None } else { Some(added_up(state, id, revisions).await?) };
    let spec = spec_of(&campaign)?;
    let texts = &visitor.texts().campaigns;
    let body = html! {
        div.heading {
            p.crumbs { a href="/campaigns" { (texts.title) } }
            h1 { (campaign.made.name) }
            p.lead { (badge(&campaign, visitor)) " " (day_of(&campaign, visitor)) (dates(&campaign, visitor)) }
        }
        @if let Some(told) = &told { (told) }
        @if failed { p.card.bad role="alert" { (texts.failed) } }
        @else if began { (concluded(seen.as_deref(), visitor)) }
        (actions(&campaign, visitor))
        @if let Some(look) = seen.as_deref() { (totals(&look.tally, visitor)) }
        @if let Some(tally) = &draft { (totals(tally, visitor)) }
        @if let Some(look) = seen.as_deref() {
            (groups(look, visitor))
            (over_time(look, visitor))
        }
        div.columns {
            (lists(&campaign, &spec, visitor))
            (settings(&campaign, &spec, visitor))
        }
        (upload(&campaign, visitor))
    };
    // What was sent in is not sent again by looking again.
    let again = (began && seen.is_none() && !failed && told.is_none()).then_some(AGAIN_SECONDS);
    Ok(frame::page_that(visitor, Section::Campaigns, &campaign.made.name, again, body))
}

/// What a campaign that has not begun decided.
async fn added_up(
    state: &AppState,
    id: &str,
    revisions: Revisions,
) -> Result<Arc<Tally>, ApiError> {
    if let Some(tally) = state.looks.draft(id, revisions.campaigns) {
        return Ok(tally);
    }
    let asked = id.to_owned();
    let read = |store: rekindle_store::Store| async move { store.tally(&asked).await };
    let tally = Arc::new(state.ask(state.deadline(), read).await?);
    state.looks.keep_draft(id, revisions.campaigns, Arc::clone(&tally));
    Ok(tally)
}

fn dates(campaign: &Campaign, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let dates = [
        (texts.made, Some(campaign.made.created_at_micros)),
        (texts.started, campaign.started_at_micros),
        (texts.finished, campaign.finished_at_micros),
    ];
    html! {
        span.faint {
            @for (name, at) in dates {
                @if let Some(at) = at { " · " (name) " " (visitor.day(at)) }
            }
        }
    }
}

/// What to conclude, and what not.
fn concluded(seen: Option<&Look>, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let Some(look) = seen else {
        return html! { section.card aria-live="polite" { h2 { (texts.concluded) } progress {} p { (texts.computing) } } };
    };
    let effect = &look.effect;
    html! {
        section.card aria-labelledby="concluded" {
            h2 #concluded { (texts.concluded) }
            p.big { (look.sentence(visitor.language)) }
            @if effect.not_reached > 0 { p.note { ((texts.not_reached)(&count(effect.not_reached))) } }
            @if effect.contacted_controls > 0 {
                p.note { ((texts.contacted_controls)(&count(effect.contacted_controls))) }
            }
            p.note { ((texts.as_of)(&visitor.instant(look.at_micros))) }
            details {
                summary { (texts.not_concluded) }
                ul { @for caution in texts.cautions { li { (caution) } } }
            }
        }
    }
}

fn actions(campaign: &Campaign, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    if !visitor.may(Scope::Plan) {
        return html! {};
    }
    let offered = match campaign.state {
        CampaignState::Draft => Some(("start", texts.start, texts.start_what)),
        CampaignState::Running => Some(("finish", texts.finish, texts.finish_what)),
        CampaignState::Finished => None,
    };
    html! {
        @if let Some((action, name, what)) = offered {
            form.act method="post" action=(format!("{}/{action}", path(campaign))) {
                (frame::form_token(visitor))
                button.primary[action == "start"] type="submit" data-confirm=(what) { (name) }
                span.note { (what) }
            }
        }
    }
}

fn totals(tally: &Tally, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let lines = tally.lines.iter().filter(|line| line.action != "none");
    let (mut contacted, mut control, mut cost, mut profit) = (0, 0, 0.0, 0.0);
    for line in lines {
        match line.control {
            true => control += line.customers,
            false => {
                contacted += line.customers;
                cost += line.cost;
                profit += line.expected_profit;
            }
        }
    }
    let tiles = [
        (texts.contacted, count(contacted)),
        (texts.control, count(control)),
        (texts.cost, visitor.money(cost)),
        (texts.expected_profit, visitor.money(profit)),
        (texts.contacts, count(tally.contacts)),
        (texts.outcomes, count(tally.outcomes)),
    ];
    html! {
        dl.tiles {
            @for (name, value) in &tiles { div.tile { dt { (name) } dd { strong { (value) } } } }
        }
    }
}

/// A group's name; `unknown` is what those are called of whom it is not known.
fn named(name: &str, unknown: &str, visitor: &Visitor) -> String {
    match LapseTier::ALL.into_iter().find(|tier| tier.text() == name) {
        Some(tier) => tier.said(visitor.language).to_owned(),
        None if name == "unknown" => unknown.to_owned(),
        None => name.to_owned(),
    }
}

/// What those are called whose action, tier or grade is not known.
fn unknowns(visitor: &Visitor) -> [&'static str; 3] {
    [UNKNOWN, no_tier(visitor.language), visitor.texts().overview.no_grade]
}

fn groups(look: &Look, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let effect = &look.effect;
    let parts = [
        (texts.by_action, &effect.actions),
        (texts.by_tier, &effect.lapse_tiers),
        (texts.by_grade, &effect.grades),
    ];
    html! {
        section aria-labelledby="effect" {
            h2 #effect { (texts.effect) }
            p.note { (texts.cautions[0]) }
            div.box tabindex="0" role="region" aria-label=(texts.effect) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.group) }
                        th.number scope="col" { (texts.contacted) }
                        th.number scope="col" { (texts.control) }
                        th.number scope="col" { (texts.response_treated) }
                        th.number scope="col" { (texts.response_control) }
                        th.number scope="col" { (texts.difference) }
                        th.number scope="col" { (texts.profit_total) }
                    } }
                    tbody { (group_row(&effect.all, texts.all, visitor)) }
                    @for ((name, groups), none) in parts.into_iter().zip(unknowns(visitor)) {
                        tbody {
                            tr { th.group colspan="7" scope="rowgroup" { (name) } }
                            @for group in groups { (group_row(group, &named(&group.name, none, visitor), visitor)) }
                        }
                    }
                }
            }
        }
    }
}

fn group_row(group: &GroupEffect, name: &str, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let judged = group.name == "all";
    html! {
        tr {
            th scope="row" { (name) }
            td.number { (count(group.treated as u64)) }
            td.number { (count(group.control as u64)) }
            @match &group.response {
                Some(response) => {
                    td.number { (percent(response.treated_mean, 1)) }
                    td.number { (percent(response.control_mean, 1)) }
                    td.number { (between(&response.absolute, judged, |share| points(share, 1))) }
                }
                None => td.number colspan="3" { span.faint { (texts.too_early) } },
            }
            td.number { (profit_of(group, judged, visitor)) }
        }
    }
}

fn over_time(look: &Look, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let courses = &look.courses;
    let parts = [
        (texts.by_action, &courses.actions),
        (texts.by_tier, &courses.lapse_tiers),
        (texts.by_grade, &courses.grades),
    ];
    let Some(all) = courses.all.as_ref().filter(|course| !course.days.is_empty()) else {
        return html! {};
    };
    html! {
        section aria-labelledby="over-time" {
            h2 #over-time { (texts.over_time) }
            p.note { ((texts.over_time_what)(texts.all)) }
            div.beside {
                figure {
                    (course_plot(all, texts.all, visitor))
                    (course_table(all, visitor))
                }
                div {
                    @for (place, ((name, courses), none)) in parts.into_iter().zip(unknowns(visitor)).enumerate() {
                        @if courses.iter().any(|course| !course.days.is_empty()) {
                            details open[place == 0] {
                                summary { (name) }
                                div.plots {
                                    @for course in courses.iter().filter(|course| !course.days.is_empty()) {
                                        figure {
                                            figcaption { strong { (named(&course.name, none, visitor)) } }
                                            (course_plot(course, &named(&course.name, none, visitor), visitor))
                                            (course_table(course, visitor))
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

fn course_plot(course: &Course, name: &str, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let points: Vec<Point> = course
        .days
        .iter()
        .map(|on| Point {
            x: f64::from(on.day),
            y: on.difference.value,
            low: on.difference.low,
            high: on.difference.high,
        })
        .collect();
    let axes = Axes {
        label: &(texts.over_time_what)(name),
        y: &|share| number(100.0 * share, 1),
        x: &|day| (texts.on_day)(day as u32),
        within: None,
    };
    charts::line(&points, &axes)
}

fn course_table(course: &Course, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    html! {
        details {
            summary { (visitor.texts().shell.as_table) }
            table {
                thead { tr {
                    th.number scope="col" { (texts.day_axis) }
                    th.number scope="col" { (texts.difference) }
                } }
                tbody {
                    @for on in &course.days {
                        @let difference = Between::from(on.difference);
                        tr {
                            th.number scope="row" { (on.day) }
                            td.number { (between(&difference, false, |share| points(share, 1))) }
                        }
                    }
                }
            }
        }
    }
}

fn lists(campaign: &Campaign, spec: &PlanSpec, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    if !visitor.may(Scope::Plan) {
        return html! {};
    }
    let began = campaign.started_at_micros.is_some();
    let list = |action: &str| {
        let action: String = url::form_urlencoded::byte_serialize(action.as_bytes()).collect();
        format!("{}/list.csv?action={action}", path(campaign))
    };
    html! {
        section aria-labelledby="lists" {
            h2 #lists { (texts.lists) }
            p.note { (if began { texts.lists_what } else { texts.lists_later }) }
            @if began {
                ul.links {
                    li { a href=(format!("{}/list.csv", path(campaign))) download { (texts.all) } }
                    @for action in &spec.actions {
                        li {
                            a href=(list(&action.name)) download { (action.name) } " "
                            span.faint { (action.channel) }
                        }
                    }
                }
            }
        }
    }
}

fn settings(campaign: &Campaign, spec: &PlanSpec, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    let budget = spec.plan.budget.map_or_else(|| texts.no_budget.to_owned(), |b| visitor.money(b));
    html! {
        section aria-labelledby="settings" {
            h2 #settings { (texts.settings) }
            p { (if campaign.made.assumed { texts.assumed } else { texts.learned }) }
            dl.pairs {
                div { dt { (texts.budget) } dd { (budget) } }
                div { dt { (texts.control_share) } dd { (percent(spec.plan.control_share, 0)) } }
                div { dt { (texts.watch_days) } dd { (spec.plan.watch_days) } }
            }
        }
    }
}

fn upload(campaign: &Campaign, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().campaigns;
    if !visitor.may(Scope::Plan) || campaign.started_at_micros.is_none() {
        return html! {};
    }
    let forms = [("contacts", texts.upload_contacts), ("outcomes", texts.upload_outcomes)];
    html! {
        section aria-labelledby="upload" {
            h2 #upload { (texts.upload) }
            p.note { (texts.upload_what) }
            div.columns {
                @for (what, columns) in forms {
                    form.card method="post" enctype="multipart/form-data" action=(format!("{}/{what}", path(campaign))) {
                        (frame::form_token(visitor))
                        label { (columns)
                            input type="file" name="file" required accept=".csv,text/csv";
                        }
                        button type="submit" { (texts.send) }
                    }
                }
            }
        }
    }
}
