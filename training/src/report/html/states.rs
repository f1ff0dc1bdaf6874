//! Customers by lapse tier and lifecycle stage: how many have the target, and how many the model expects.

use maud::{Markup, html};

use super::axis::Unit;
use super::ladder::{Ladder, Mark, Rung};
use super::palette::Colour;
use super::ranking::legend;
use super::{Place, Section, table};
use crate::report::{Report, figure, grouped, percent, rate};
use crate::segments::Segment;

/// The columns that say where a customer is, in the order of the days or of the way to loyalty.
const STATES: [(&str, &str, &[&str]); 2] = [
    ("lapse_tier", "Lapse tiers", &["awake", "drowsy", "half_asleep", "dormant"]),
    (
        "lifecycle_stage",
        "Lifecycle stages",
        &["potential", "first_time", "repeat", "loyal", "lapsed"],
    ),
];

/// Whether a column is told here and not among the segments.
pub fn is_state(column: &str) -> bool {
    STATES.iter().any(|(state, ..)| *state == column)
}

/// A ladder and a table for each of the two that was told; `None` where none was.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let told = STATES.iter().filter_map(|(column, title, order)| {
        let mut of: Vec<&Segment> =
            report.segments.iter().filter(|segment| segment.column == *column).collect();
        let rank = |s: &&Segment| order.iter().position(|v| *v == s.value).unwrap_or(order.len());
        of.sort_by_key(rank);
        (!of.is_empty()).then_some((*column, *title, of))
    });
    let told: Vec<(&str, &str, Vec<&Segment>)> = told.collect();
    if told.is_empty() {
        return None;
    }
    let body = html! {
        p { "The share with the target beside the mean probability: where the ring lies outside the interval, the model
            expects too many or too few." }
        div class="plots" {
            @for (column, title, of) in &told { (drawn(column, title, of, report, place)) }
        }
        @for (_, title, of) in &told { (in_table(title, of)) }
        @if told.iter().any(|(.., of)| of.iter().any(|segment| !segment.judged)) {
            p class="note" { "Where rows are few, intervals are wide and limits are not judged." }
        }
    };
    Some(Section { id: "states", title: "Tiers and stages", body })
}

fn drawn(column: &str, title: &str, of: &[&Segment], report: &Report<'_>, place: &Place) -> Markup {
    let rung = |segment: &&Segment| {
        let base = &segment.base_rate;
        Rung {
            name: segment.value.clone(),
            written: format!("{} of {}", grouped(segment.positives), grouped(segment.rows)),
            value: base.value,
            interval: Some((base.low, base.high)),
            mark: Mark::Bar(Colour::Pale),
            beside: Some(segment.mean_probability),
            tells: format!(
                "{}: {} rows, {} with the target ({}), mean probability {}",
                segment.name(),
                grouped(segment.rows),
                grouped(segment.positives),
                rate(base),
                percent(segment.mean_probability)
            ),
        }
    };
    let overall = report.evaluation.map(|e| e.base_rate.value);
    Ladder {
        id: place.id(&format!("states-{column}")),
        title: title.to_owned(),
        says: overall.map_or_else(String::new, |all| format!("Of all judged, {}.", percent(all))),
        axis: "share with the target".to_owned(),
        unit: Unit::Percent,
        rungs: of.iter().map(rung).collect(),
        line: None,
        limit: None,
        reach: None,
        legend: legend(&[
            (Colour::Pale, "with the target, with interval"),
            (Colour::Orange, "mean probability (ring)"),
        ]),
    }
    .figure()
}

fn in_table(title: &str, of: &[&Segment]) -> Markup {
    let row = |segment: &&Segment| {
        [
            segment.value.clone(),
            grouped(segment.rows),
            grouped(segment.positives),
            rate(&segment.base_rate),
            percent(segment.mean_probability),
            grouped(segment.predicted_positive_rows),
            rate(&segment.error_rate),
            rate(&segment.miss_rate),
            figure(&segment.roc_auc),
        ]
    };
    let rows: Vec<[String; 9]> = of.iter().map(row).collect();
    let header = [
        title,
        "rows",
        "with the target",
        "base rate",
        "mean probability",
        "predicted",
        "error rate",
        "miss rate",
        "ROC AUC",
    ];
    table::of_texts(title, &header, 1, &rows)
}
