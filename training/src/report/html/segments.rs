//! The figures of segments beside each other, as dots with their intervals.

use maud::{Markup, html};
use rekindle_models::metrics::Interval;

use super::axis::Unit;
use super::ladder::{Ladder, Mark, Rung};
use super::palette::Colour;
use super::ranking::legend;
use super::states::is_state;
use super::{Place, Section, table};
use crate::evaluate::Evaluation;
use crate::report::{Report, figure, grouped, outcome, percent, rate};
use crate::segments::Segment;
use crate::verdict::Limits;

/// Most segments drawn.
const DRAWN: usize = 24;

/// A figure of which segments are compared.
struct Compared {
    id: &'static str,
    title: &'static str,
    axis: &'static str,
    unit: Unit,
    of: fn(&Segment) -> Interval,
    overall: fn(&Evaluation) -> Interval,
    limit: fn(&Limits) -> Option<f64>,
    reach: Option<f64>,
    written: fn(&Interval) -> String,
}

const COMPARED: [Compared; 3] = [
    Compared {
        id: "error",
        title: "Error rate by segment",
        axis: "error rate",
        unit: Unit::Percent,
        of: |segment| segment.error_rate,
        overall: |all| all.error_rate,
        limit: |limits| limits.max_error_rate,
        reach: Some(0.0),
        written: |rate| percent(rate.value),
    },
    Compared {
        id: "miss",
        title: "Miss rate by segment",
        axis: "miss rate",
        unit: Unit::Percent,
        of: |segment| segment.miss_rate,
        overall: |all| all.miss_rate,
        limit: |limits| limits.max_miss_rate,
        reach: Some(0.0),
        written: |rate| percent(rate.value),
    },
    Compared {
        id: "auc",
        title: "ROC AUC by segment",
        axis: "ROC AUC",
        unit: Unit::Number,
        of: |segment| segment.roc_auc,
        overall: |all| all.roc_auc,
        limit: |limits| limits.min_auc,
        reach: None,
        written: |auc| {
            if auc.value.is_nan() { "none".to_owned() } else { format!("{:.3}", auc.value) }
        },
    },
];

/// Ladders and a table of all segments, tiers and stages apart; `None` where there are none.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let segments: Vec<&Segment> =
        report.segments.iter().filter(|segment| !is_state(&segment.column)).collect();
    let evaluation = report.evaluation?;
    if segments.is_empty() {
        return None;
    }
    let body = html! {
        div class="plots ladders" {
            @for compared in &COMPARED { (drawn(compared, &segments, evaluation, place)) }
        }
        (in_table(&segments))
    };
    Some(Section { id: "segments", title: "Segments", body })
}

fn drawn(compared: &Compared, segments: &[&Segment], all: &Evaluation, place: &Place) -> Markup {
    let rung = |segment: &&Segment| {
        let of = (compared.of)(segment);
        let few = if segment.judged { "" } else { "; too few rows to judge" };
        Rung {
            name: segment.name(),
            written: (compared.written)(&of),
            value: of.value,
            interval: Some((of.low, of.high)),
            mark: Mark::Dot(if segment.judged { Colour::Blue } else { Colour::Pale }),
            beside: None,
            tells: format!(
                "{}: {} {} [{} to {}], {} rows{few}",
                super::ladder::shortened(&segment.name(), 200),
                compared.axis,
                (compared.written)(&of),
                (compared.written)(&Interval { value: of.low, ..of }),
                (compared.written)(&Interval { value: of.high, ..of }),
                grouped(segment.rows)
            ),
        }
    };
    let overall = (compared.overall)(all);
    let left = segments.len().saturating_sub(DRAWN);
    let rest = match left {
        0 => String::new(),
        left => format!("; {left} more segments are in the table"),
    };
    let mut means =
        legend(&[(Colour::Blue, "segment, with interval"), (Colour::Orange, "all rows")]);
    if segments.iter().any(|segment| !segment.judged) {
        means.push((Colour::Pale, "too few rows to judge".to_owned()));
    }
    let limit = (compared.limit)(&all.limits);
    if let Some(limit) = limit {
        means.push((Colour::Ink, format!("limit {}", compared.unit.short(limit))));
    }
    Ladder {
        id: place.id(&format!("segments-{}", compared.id)),
        title: compared.title.to_owned(),
        says: format!("Of all rows: {}{rest}.", (compared.written)(&overall)),
        axis: compared.axis.to_owned(),
        unit: compared.unit,
        rungs: segments.iter().take(DRAWN).map(rung).collect(),
        line: Some(overall.value),
        limit,
        reach: compared.reach,
        legend: means,
    }
    .figure()
}

fn in_table(segments: &[&Segment]) -> Markup {
    let row = |segment: &&Segment| {
        let limits = match segment.judged {
            true => segment.worst().map_or("-", outcome),
            false => "too few rows",
        };
        [
            segment.name(),
            limits.to_owned(),
            grouped(segment.rows),
            rate(&segment.base_rate),
            percent(segment.mean_probability),
            rate(&segment.error_rate),
            rate(&segment.miss_rate),
            figure(&segment.roc_auc),
        ]
    };
    let rows: Vec<[String; 8]> = segments.iter().map(row).collect();
    let header = [
        "segment",
        "limits",
        "rows",
        "base rate",
        "mean probability",
        "error rate",
        "miss rate",
        "ROC AUC",
    ];
    table::of_texts("Segments", &header, 2, &rows)
}
