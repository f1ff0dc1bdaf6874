//! The first thing read: usable or not, why in a sentence, what the user should know, and the figures that say most.

use maud::{Markup, html};
use rekindle_models::metrics::Interval;

use super::influence::sentence;
use super::{Place, table};
use crate::evaluate::Evaluation;
use crate::report::{Report, figure, grouped, outcome, percent, rate};
use crate::verdict::Word;

/// The head of a report.
pub fn head(report: &Report<'_>, place: &Place) -> Markup {
    let (word, class) = match report.evaluation.map(|e| e.verdict.verdict) {
        Some(word) => (word.text(), class(word)),
        None => ("not judged", "unsure"),
    };
    html! {
        header class={ "verdict " (class) } {
            @if place.several { h2 id=(place.id("verdict")) { (table::name(&report.model())) } }
            @else { h1 id=(place.id("verdict")) { (table::name(&report.model())) } }
            p class="question" { (table::name(&report.target)) ", asked of " (table::name(report.population)) }
            p class="word" { strong class="badge" { (word) } }
            p class="reason" { (reason(report)) }
            @if !report.warnings.is_empty() {
                ul class="warnings" {
                    @for warning in report.warnings.iter().take(table::ROWS) { li { (table::name(warning)) } }
                }
            }
            @if let Some(evaluation) = report.evaluation { (tiles(report, evaluation)) }
        }
    }
}

/// The cells of a model's line beside others, the name apart.
pub fn line(report: &Report<'_>) -> Vec<Markup> {
    let of = |told: &dyn Fn(&Evaluation) -> String| {
        let text = report.evaluation.map_or_else(|| "-".to_owned(), told);
        table::number(&text)
    };
    let badge = match report.evaluation.map(|e| e.verdict.verdict) {
        Some(word) => html! { span class={ "badge small " (class(word)) } { (word.text()) } },
        None => html! { span class="badge small unsure" { "not judged" } },
    };
    vec![
        table::name(&report.target),
        badge,
        of(&|e| grouped(e.rows)),
        of(&|e| rate(&e.error_rate)),
        of(&|e| rate(&e.miss_rate)),
        of(&|e| figure(&e.roc_auc)),
    ]
}

/// What was asked, one by one.
pub fn conditions(report: &Report<'_>) -> Markup {
    let Some(evaluation) = report.evaluation else { return html! {} };
    if evaluation.verdict.conditions.is_empty() {
        return html! {};
    }
    let rows = evaluation.verdict.conditions.iter().map(|condition| {
        [condition.asks.clone(), outcome(condition.outcome).to_owned(), condition.reason.clone()]
    });
    table::of_texts("What was asked", &["asked", "came out", "why"], 3, &rows.collect::<Vec<_>>())
}

fn reason(report: &Report<'_>) -> String {
    let why = match report.evaluation {
        Some(evaluation) => evaluation.verdict.reason.as_str(),
        None => "no rows were kept for judging: run rekindle evaluate on rows it has not seen",
    };
    sentence(why)
}

fn class(word: Word) -> &'static str {
    match word {
        Word::Usable => "usable",
        Word::Unusable => "unusable",
        Word::NotEnoughData => "unsure",
    }
}

fn tiles(report: &Report<'_>, evaluation: &Evaluation) -> Markup {
    let between = |i: &Interval, digits: usize, times: f64| match i.value.is_nan() {
        true => "not defined here".to_owned(),
        false => format!("{:.digits$} to {:.digits$}", i.low * times, i.high * times),
    };
    let limit = |limit: Option<f64>| limit.map(|l| format!("at most {}", percent(l)));
    let rule = &evaluation.baselines.rule;
    let beside = |rate: Option<f64>| rate.map_or("-".to_owned(), percent);
    let tile = |name: &str, value: String, interval: String, beside: String| {
        html! { div class="tile" {
            dt { (name) }
            dd { strong { (value) } span { (interval) } span { (beside) } }
        } }
    };
    let rated = |name: &str, of: &Interval, asked: Option<f64>, of_rule: Option<f64>| {
        let beside = format!("{}: {}", rule.name, beside(of_rule));
        let asked = limit(asked).map_or_else(String::new, |asked| format!(", {asked} asked"));
        tile(name, percent(of.value), between(of, 1, 100.0) + " %" + &asked, beside)
    };
    let (limits, auc) = (&evaluation.limits, &evaluation.roc_auc);
    let judged = format!(
        "{} with the target, {}",
        grouped(evaluation.positives),
        percent(evaluation.base_rate.value)
    );
    html! {
        dl class="tiles" {
            (rated("error rate", &evaluation.error_rate, limits.max_error_rate, rule.error_rate))
            (rated("miss rate", &evaluation.miss_rate, limits.max_miss_rate, rule.miss_rate))
            (tile("ROC AUC", digits(auc.value, 3), between(auc, 3, 1.0), format!("{}: {}", rule.name, digits(rule.roc_auc.value, 3))))
            (tile("rows judged", grouped(evaluation.rows), judged, report.judged_on.clone()))
        }
        p class="note" { "Intervals hold with " (format!("{:.0} %", limits.confidence * 100.0)) " confidence; the "
            (rule.name) " ranks by " (table::name(&rule.feature)) "." }
    }
}

fn digits(value: f64, digits: usize) -> String {
    if value.is_nan() { "none".to_owned() } else { format!("{value:.digits$}") }
}
