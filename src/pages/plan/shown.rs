//! What a plan comes to, as a part of the page: the script asks for it alone while the plan is changed.

use maud::{Markup, html};
use rekindle_models::customer::LapseTier;
use rekindle_models::effect::FEWEST;
use rekindle_models::policy::{Group, Totals};

use crate::pages::charts::{self, Axes, Point};
use crate::pages::locale::{UNKNOWN, count, number, percent};
use crate::pages::plan::typed::Wrong;
use crate::pages::plan::weigh::{Control, Figures};
use crate::pages::visitor::Visitor;
use crate::pages::words::Said;

/// A command that learns from finished campaigns, and one that plans with what was learned.
const LEARN: [&str; 2] = [
    "rekindle fit-uplift --store customers.db -o uplift.rekindle",
    "rekindle plan spring.toml stages.csv --uplift uplift.rekindle --store customers.db --campaign spring",
];

/// What a plan comes to; `None` where nobody was chosen.
pub fn figures(figures: Option<&Figures>, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    let Some(figures) = figures else { return html! { p.empty { (texts.none_chosen) } } };
    let totals = &figures.totals;
    let woken = count(totals.contacted);
    let alone = count(totals.customers.saturating_sub(totals.contacted));
    let profit = visitor.short_money(totals.expected_profit);
    html! {
        div data-most-spent=(figures.most_spent()) {
            p.lead data-summary { ((texts.summary)(&woken, &alone, &profit)) }
            p.note {
                @if figures.estimated() { ((texts.estimated)(&count(figures.sampled), &count(figures.chosen))) }
                @else { (texts.exact) }
                @if figures.unstaged > 0 { " " ((texts.unstaged)(&count(figures.unstaged))) }
            }
            @if !figures.control.base_known { p.card.unsure { (texts.nobody_anyway) } }
            (tiles(figures, visitor))
            (control(&figures.control, totals, visitor))
            (curve(figures, visitor))
            (why(totals, visitor))
            (groups(totals, visitor))
            (limits(totals, visitor))
            (rests_on(totals, visitor))
        }
    }
}

/// Why there are no figures.
pub fn wrong(wrong: &[Wrong], visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    html! {
        div.card.bad role="alert" {
            p { strong { (texts.not_understood) } }
            ul { @for wrong in wrong { li { ((texts.wrong)(&wrong.found, &wrong.expected)) } } }
        }
    }
}

fn tiles(figures: &Figures, visitor: &Visitor) -> Markup {
    let (texts, totals) = (&visitor.texts().plan, &figures.totals);
    let cost = totals.contact_cost + totals.offer_cost;
    let budget = totals.budget.map_or_else(|| texts.no_budget.to_owned(), |b| visitor.money(b));
    let marginal = totals.marginal_budget.filter(|marginal| *marginal > 0.0);
    let alone = totals.customers.saturating_sub(totals.contacted);
    let tiles = [
        (texts.chosen, count(figures.chosen)),
        (texts.woken, count(totals.contacted)),
        (texts.left_alone, count(alone)),
        (texts.held_out, count(totals.control)),
        (texts.total_cost, visitor.money(cost)),
        (texts.profit, visitor.money(totals.expected_profit)),
    ];
    html! {
        dl.tiles {
            @for (name, value) in &tiles { div.tile { dt { (name) } dd { strong { (value) } } } }
            div.tile { dt { (texts.spent) } dd { strong { (visitor.money(totals.spent)) } span.faint { (budget) } } }
            div.tile { dt { (texts.marginal) } dd { @match marginal {
                Some(marginal) => strong { (visitor.money(marginal)) },
                None => span { (texts.marginal_none) },
            } } }
        }
    }
}

/// How many are held out, and what that can show.
fn control(control: &Control, totals: &Totals, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    let points = |share: f64| number(100.0 * share, 1);
    let (held_out, woken) = (count(totals.control), count(totals.contacted));
    let few = totals.control.min(totals.contacted) < FEWEST as u64;
    let seen = !few && control.expected >= control.detectable;
    html! {
        section aria-labelledby="can-show" {
            h3 #can-show { (texts.can_show) }
            @if totals.control_share == 0.0 {
                p { (texts.no_control) }
            } @else {
                @if few { p { ((texts.few_control)(&held_out, &count(FEWEST as u64))) } }
                @else { p { ((texts.detects)(&held_out, &woken, &points(control.detectable))) } }
                @if seen { p { ((texts.above)(&points(control.expected))) } }
                @else if !few { p { ((texts.below)(&points(control.expected))) } }
            }
            @if !seen { p { (enough(control, totals, visitor)) } }
            p.note {
                @let base = percent(control.base_rate, 1);
                @if control.base_known { ((texts.base_modelled)(&base)) } @else { ((texts.base_said)(&base)) }
            }
        }
    }
}

/// The share that has to be held out.
fn enough(control: &Control, totals: &Totals, visitor: &Visitor) -> String {
    let texts = &visitor.texts().plan;
    let planned = (totals.contacted + totals.control) as f64;
    // With fewer than some nothing is told, whatever the figures say.
    let fewest = FEWEST as f64 / planned;
    let share = control.enough.map(|share| share.max(fewest)).filter(|share| *share <= 0.5);
    match share {
        Some(share) => (texts.enough)(&percent((100.0 * share).ceil() / 100.0, 0)),
        None => texts.never_enough.to_owned(),
    }
}

fn curve(figures: &Figures, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    if figures.most_spent() <= 0.0 {
        return html! {};
    }
    let point = |x: f64, y: f64| Point { x, y, low: y, high: y };
    let points: Vec<Point> = figures.curve.iter().map(|s| point(s.budget, s.profit)).collect();
    let money = |amount: f64| visitor.short_money(amount);
    let axes = Axes { label: texts.curve_what, y: &money, x: &money, within: None };
    html! {
        section aria-labelledby="curve" {
            h3 #curve { (texts.curve) }
            p.note {
                (texts.curve_what)
                @if figures.curve_sampled < figures.chosen { " " ((texts.curve_estimated)(&count(figures.curve_sampled))) }
            }
            figure {
                (charts::line(&points, &axes))
                details {
                    summary { (visitor.texts().shell.as_table) }
                    table {
                        thead { tr {
                            th.number scope="col" { (texts.budget) }
                            th.number scope="col" { (texts.woken) }
                            th.number scope="col" { (texts.profit) }
                        } }
                        tbody {
                            @for step in &figures.curve {
                                tr aria-current=[step.own.then_some("true")] {
                                    th.number scope="row" {
                                        (visitor.money(step.budget))
                                        @if step.own { " " span.badge { (texts.own_budget) } }
                                    }
                                    td.number { (count(step.contacted)) }
                                    td.number { (visitor.money(step.profit)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn why(totals: &Totals, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    let alone = totals.why.iter().filter(|(why, customers)| **why != "chosen" && **customers > 0);
    html! {
        section aria-labelledby="why" {
            h3 #why { (texts.why) }
            dl.pairs {
                @for (why, customers) in alone {
                    div { dt { ((texts.why_what)(why)) } dd { (count(*customers)) } }
                }
            }
        }
    }
}

fn groups(totals: &Totals, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    let parts = [
        ("action", texts.by_action),
        ("channel", texts.by_channel),
        ("lapse_tier", texts.by_tier),
        ("grade", texts.by_grade),
    ];
    html! {
        section aria-labelledby="groups" {
            h3 #groups { (texts.by_group) }
            div.box tabindex="0" role="region" aria-label=(texts.by_group) {
                table.full {
                    thead { tr {
                        th scope="col" { (texts.group) }
                        th.number scope="col" { (texts.woken) }
                        th.number scope="col" { (texts.held_out) }
                        th.number scope="col" { (texts.total_cost) }
                        th.number scope="col" { (texts.profit) }
                    } }
                    @for (what, name) in parts {
                        tbody {
                            tr { th.group colspan="5" scope="rowgroup" { (name) } }
                            @for group in in_order(&totals.groups, what) {
                                tr {
                                    th scope="row" { (named(group, visitor)) }
                                    td.number { (count(group.contacted)) }
                                    td.number { (count(group.control)) }
                                    td.number { (visitor.money(group.cost)) }
                                    td.number { (visitor.money(group.expected_profit)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Groups of a kind; tiers from the one that is most awake on.
fn in_order<'a>(groups: &'a [Group], what: &str) -> Vec<&'a Group> {
    let mut groups: Vec<&Group> = groups.iter().filter(|group| group.what == what).collect();
    groups.sort_by_key(|group| LapseTier::ALL.iter().position(|tier| tier.text() == group.is));
    groups
}

fn named(group: &Group, visitor: &Visitor) -> String {
    let tier = LapseTier::ALL.into_iter().find(|tier| tier.text() == group.is);
    match (group.what, tier) {
        ("lapse_tier", Some(tier)) => tier.said(visitor.language).to_owned(),
        ("lapse_tier" | "grade", None) if group.is == "none" => {
            visitor.texts().plan.no_grade.to_owned()
        }
        _ => group.is.clone(),
    }
}

fn limits(totals: &Totals, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    if totals.places.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="limits" {
            h3 #limits { (texts.limits) }
            table {
                thead { tr {
                    th scope="col" { (texts.channel) }
                    th.number scope="col" { (texts.taken) }
                    th.number scope="col" { (texts.of_most) }
                    th.number scope="col" { (texts.one_more) }
                } }
                tbody {
                    @for places in &totals.places {
                        tr {
                            th scope="row" { (places.name) }
                            td.number { (count(places.taken)) }
                            td.number { (count(places.most)) }
                            td.number { (places.marginal.map_or_else(|| UNKNOWN.to_owned(), |m| visitor.money(m))) }
                        }
                    }
                }
            }
        }
    }
}

/// Whether it is learned or assumed what contacts change.
fn rests_on(totals: &Totals, visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().plan;
    let commands = [None, Some(LEARN[0]), Some(LEARN[1])];
    html! {
        section aria-labelledby="rests-on" {
            h3 #rests-on { (texts.rests_on) }
            @if totals.assumed {
                p { (texts.assumed) }
                ol {
                    @for (step, command) in texts.assumed_steps.iter().zip(commands) {
                        li { (step) @if let Some(command) = command { pre tabindex="0" { code { (command) } } } }
                    }
                }
            } @else {
                p { (texts.learned) }
            }
        }
    }
}
