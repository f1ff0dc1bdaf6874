//! Two versions of a model beside each other.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};
use rekindle_models::metrics::Interval;
use serde::Deserialize;

use crate::error::ApiError;
use crate::figures::{Figures, Judged};
use crate::pages::beside::{Conclusion, Good, Standing, Which, decisive};
use crate::pages::frame::{self, Section};
use crate::pages::judged::{between, verdict_badge};
use crate::pages::locale::{UNKNOWN, count, number, percent, points};
use crate::pages::models::{span, threshold};
use crate::pages::visitor::Visitor;
use crate::state::AppState;

/// Names of features that only one version has that are told.
const NAMED: usize = 20;

/// Which versions.
#[derive(Debug, Deserialize)]
pub struct Pair {
    a: u32,
    b: u32,
}

/// A version with its figures.
struct Side {
    version: u32,
    figures: std::sync::Arc<Figures>,
}

/// The page.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    name: web::Path<String>,
    pair: web::Query<Pair>,
) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().models;
    let (models, asked, Pair { a, b }) = (state.models.clone(), name.clone(), pair.into_inner());
    let read = move || -> Result<_, ApiError> {
        let side = |version| Ok(Side { version, figures: models.figures(&asked, version)? });
        Ok((side(a)?, side(b)?, models.versions(&asked)?))
    };
    let (first, second, versions) = state.heavy.run(state.deadline(), read).await??;
    let title = (texts.compare_title)(&name);
    let body = html! {
        div.heading {
            p.crumbs {
                a href="/models" { (texts.title) } " / " a href=(format!("/models/{name}")) { (name) }
            }
            h1 { (title) }
            p.lead { ((texts.compare_what)(a, b)) }
        }
        (concluded(&visitor, &name, &first, &second))
        (figures(&visitor, &first, &second))
        (about(&visitor, &first, &second))
        (features(&visitor, &first, &second))
        (chooser(&visitor, &name, &versions, (a, b)))
    };
    Ok(frame::page(&visitor, Section::Models, &title, body))
}

/// What to conclude in plain sentences.
fn concluded(visitor: &Visitor, name: &str, first: &Side, second: &Side) -> Markup {
    let texts = &visitor.texts().models;
    let version = |which| match which {
        Which::First => first.version,
        Which::Second => second.version,
    };
    let conclusion = Conclusion::of(&first.figures, &second.figures);
    let told = match conclusion {
        Conclusion::Unjudged(which) => (texts.conclude_unjudged)(version(which)),
        Conclusion::OtherQuestion => texts.conclude_question.to_owned(),
        Conclusion::OtherCustomers => texts.conclude_customers.to_owned(),
        Conclusion::Better(which) => {
            let (better, worse) = match which {
                Which::First => (first.version, second.version),
                Which::Second => (second.version, first.version),
            };
            (texts.conclude_better)(better, worse)
        }
        Conclusion::Mixed => texts.conclude_mixed.to_owned(),
        Conclusion::Chance => texts.conclude_chance.to_owned(),
    };
    let comparable = !matches!(
        conclusion,
        Conclusion::Unjudged(_) | Conclusion::OtherQuestion | Conclusion::OtherCustomers
    );
    let judged = first.figures.judged.as_ref().zip(second.figures.judged.as_ref());
    let command = format!(
        "rekindle compare registry/{name}/{} registry/{name}/{} customers.csv",
        first.version, second.version
    );
    html! {
        section.card aria-labelledby="concluded" {
            h2 #concluded { (texts.concluded) }
            p.big { (told) }
            @if let Some((one, other)) = judged.filter(|_| comparable) {
                ul { @for line in sentences(visitor, (first.version, one), (second.version, other)) { li { (line) } } }
            }
            p.note { (texts.own_rows) }
            pre tabindex="0" { code { (command) } }
        }
    }
}

/// A sentence for each figure that conclusions are drawn from, where they differ.
fn sentences(
    visitor: &Visitor,
    (first, one): (u32, &Judged),
    (second, other): (u32, &Judged),
) -> Vec<String> {
    let texts = &visitor.texts().models;
    let rate = |share: f64| percent(share, 1);
    let auc = |area: f64| number(area, 3);
    type Said = fn(u32, &str, &str) -> String;
    type Pair<'a> = (&'a Option<Interval>, &'a Option<Interval>);
    type Part<'a> = (Said, Pair<'a>, &'a dyn Fn(f64) -> String);
    let parts: [Part<'_>; 3] = [
        (texts.misses_fewer, (&one.miss_rate, &other.miss_rate), &rate),
        (texts.errs_less, (&one.error_rate, &other.error_rate), &rate),
        (texts.ranks_better, (&one.roc_auc, &other.roc_auc), &auc),
    ];
    let standings = decisive(one, other).into_iter().zip(parts);
    let told = standings.filter_map(|(standing, (said, (a, b), written))| {
        let (which, how) = match standing {
            Standing::Apart(which) => (which, texts.apart),
            Standing::Overlap(which) => (which, texts.overlap),
            Standing::Unbounded(which) => (which, texts.no_bounds),
            Standing::Unknown | Standing::Same => return None,
        };
        let (a, b) = (written(a.as_ref()?.value), written(b.as_ref()?.value));
        Some(match which {
            Which::First => format!("{} {how}", said(first, &a, &b)),
            Which::Second => format!("{} {how}", said(second, &b, &a)),
        })
    });
    told.collect()
}

/// A figure as it stands in the table.
struct Figure<'a> {
    name: &'a str,
    pair: (Option<&'a Interval>, Option<&'a Interval>),
    /// `None` where it says nothing of the model.
    good: Option<Good>,
    is_rate: bool,
}

fn figures(visitor: &Visitor, first: &Side, second: &Side) -> Markup {
    let texts = &visitor.texts().models;
    let (one, other) = (first.figures.judged.as_ref(), second.figures.judged.as_ref());
    let figure = |name, of: fn(&Judged) -> Option<&Interval>, good, is_rate| Figure {
        name,
        pair: (one.and_then(of), other.and_then(of)),
        good,
        is_rate,
    };
    let figures = [
        figure(texts.miss_rate, |j| j.miss_rate.as_ref(), Some(Good::Low), true),
        figure(texts.error_rate, |j| j.error_rate.as_ref(), Some(Good::Low), true),
        figure(texts.roc_auc, |j| j.roc_auc.as_ref(), Some(Good::High), false),
        figure(texts.average_precision, |j| j.average_precision.as_ref(), Some(Good::High), false),
        figure(texts.ece, |j| j.ece.as_ref(), Some(Good::Low), false),
        figure(texts.log_loss, |j| j.log_loss.as_ref(), Some(Good::Low), false),
        figure(texts.base_rate, |j| j.base_rate.as_ref(), None, true),
    ];
    let confidence = one.or(other).and_then(|judged| judged.confidence);
    html! {
        section aria-labelledby="figures" {
            h2 #figures { (texts.figures) }
            @if let Some(confidence) = confidence { p.note { ((texts.intervals)(&percent(confidence, 0))) } }
            div.box tabindex="0" role="region" aria-label=(texts.figures) {
                table.full {
                    thead { tr {
                        td {}
                        th.number scope="col" { (texts.version) " " (first.version) }
                        th.number scope="col" { (texts.version) " " (second.version) }
                        th.number scope="col" { (texts.difference) }
                        th scope="col" { (texts.better) }
                    } }
                    tbody { @for figure in &figures { (figure_row(visitor, figure, (first.version, second.version))) } }
                }
            }
        }
    }
}

fn figure_row(visitor: &Visitor, figure: &Figure<'_>, versions: (u32, u32)) -> Markup {
    let texts = &visitor.texts().models;
    let (a, b) = figure.pair;
    let written = |value: f64| match figure.is_rate {
        true => percent(value, 1),
        false => number(value, 3),
    };
    let difference = match (a, b, figure.is_rate) {
        (Some(a), Some(b), true) => points(b.value - a.value, 1),
        (Some(a), Some(b), false) => signed(b.value - a.value),
        _ => UNKNOWN.to_owned(),
    };
    html! {
        tr {
            th scope="row" {
                (figure.name)
                @match figure.good {
                    Some(Good::Low) => { " " span.faint { (texts.lower) } }
                    Some(Good::High) => { " " span.faint { (texts.higher) } }
                    None => {}
                }
            }
            td.number { (between(a, written)) }
            td.number { (between(b, written)) }
            td.number { (difference) }
            td { @if let Some(good) = figure.good { (better(visitor, Standing::of(a, b, good), versions)) } }
        }
    }
}

fn signed(difference: f64) -> String {
    let plus = if difference >= 0.0 { "+" } else { "" };
    format!("{plus}{}", number(difference, 3))
}

fn better(visitor: &Visitor, standing: Standing, (first, second): (u32, u32)) -> Markup {
    let texts = &visitor.texts().models;
    let version = |which| if which == Which::First { first } else { second };
    html! {
        @match standing {
            Standing::Apart(which) => span.badge.good { ((texts.better_one)(version(which))) },
            Standing::Overlap(which) | Standing::Unbounded(which) => {
                span.faint { ((texts.better_unsure)(version(which))) }
            }
            Standing::Same => span.faint { (texts.better_neither) },
            Standing::Unknown => span.faint { (texts.better_unknown) },
        }
    }
}

/// What else of both is told.
fn about(visitor: &Visitor, first: &Side, second: &Side) -> Markup {
    let texts = &visitor.texts().models;
    html! {
        div.columns {
            @for side in [first, second] {
                @let figures = &side.figures;
                section {
                    h2 { (texts.version) " " (side.version) }
                    dl.pairs {
                        div { dt { (texts.verdict) } dd {
                            (verdict_badge(figures.verdict.as_ref(), visitor))
                            @if let Some(said) = &figures.verdict { p.note lang="en" { (said.reason) } }
                        } }
                        div { dt { (texts.threshold) } dd { (threshold(visitor, figures)) } }
                        div { dt { (texts.classifier) } dd { (figures.classifier) } }
                        div { dt { (texts.population) } dd { (figures.population) } }
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
                }
            }
        }
    }
}

fn features(visitor: &Visitor, first: &Side, second: &Side) -> Markup {
    let texts = &visitor.texts().models;
    let (only_first, common) = split(&first.figures.features, &second.figures.features);
    let (only_second, _) = split(&second.figures.features, &first.figures.features);
    html! {
        section aria-labelledby="features" {
            h2 #features { (texts.other_features) }
            @if only_first.is_empty() && only_second.is_empty() {
                p { ((texts.same_features)(&count(common as u64))) }
            } @else {
                p.note { ((texts.both_have)(&count(common as u64))) }
                div.columns {
                    @for (side, only) in [(first, &only_first), (second, &only_second)] {
                        div {
                            h3 { ((texts.only_in)(side.version, &count(only.len() as u64))) }
                            ul.plain {
                                @for name in only.iter().take(NAMED) { li { (name) } }
                                @if only.len() > NAMED {
                                    li.faint { ((texts.and_more)(&count((only.len() - NAMED) as u64))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The names that others do not have, and how many both have.
fn split<'a>(own: &'a [String], others: &[String]) -> (Vec<&'a str>, usize) {
    let others: std::collections::HashSet<&str> = others.iter().map(String::as_str).collect();
    let only: Vec<&str> =
        own.iter().map(String::as_str).filter(|name| !others.contains(name)).collect();
    let common = own.len() - only.len();
    (only, common)
}

/// Which versions to compare.
pub fn chooser(visitor: &Visitor, name: &str, versions: &[u32], (a, b): (u32, u32)) -> Markup {
    let texts = &visitor.texts().models;
    if versions.len() < 2 {
        return html! {};
    }
    html! {
        form.card method="get" action=(format!("/models/{name}/compare")) {
            h2 { (texts.choose) }
            div.fields {
                @for (key, chosen) in [("a", a), ("b", b)] {
                    label { (texts.version)
                        select name=(key) {
                            @for version in versions.iter().rev() {
                                option value=(version) selected[*version == chosen] { (version) }
                            }
                        }
                    }
                }
            }
            div.actions { button type="submit" { (texts.compare) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_of_one_or_of_both() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (a, b) = (names(&["x", "y", "z"]), names(&["z", "w"]));
        assert_eq!(split(&a, &b), (vec!["x", "y"], 1));
        assert_eq!(split(&b, &a), (vec!["w"], 1));
        assert_eq!(split(&a, &a), (vec![], 3));
    }
}
