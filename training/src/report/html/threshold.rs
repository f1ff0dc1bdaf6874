//! What every threshold would do: the two rates against it, the chosen one with its intervals, and a slider to try
//! others.

use maud::{Markup, PreEscaped, html};
use rekindle_models::metrics::{Interval, Point};
use serde::Serialize;

use super::axis::{Axis, Unit};
use super::canvas::Side;
use super::influence::sentence;
use super::palette::Colour;
use super::plot::{Plot, Shape, Strip};
use super::{Place, Section, table};
use crate::evaluate::Evaluation;
use crate::report::{Report, amount, grouped, percent, rate};

/// What the script knows of the thresholds, from the lowest on.
#[derive(Debug, Serialize)]
struct Known {
    /// Rows judged.
    rows: usize,
    /// Their weight, and that of those with the target.
    weight: f64,
    positives: f64,
    /// Place of the chosen one.
    chosen: usize,
    points: Vec<Told>,
}

/// Threshold; predicted: rows, weight, weight with the target; error rate's and miss rate's ends; profit. An array in JSON:
/// there are hundreds.
#[derive(Debug, Serialize)]
struct Told(f64, usize, f64, f64, [f64; 2], [f64; 2], Option<f64>);

/// The rates against the threshold with its slider; `None` where there are no curves.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let (evaluation, curves) = (report.evaluation?, report.curves?);
    let points: Vec<&Point> = curves.thresholds.iter().rev().collect();
    let [first, .., _] = points.as_slice() else { return None };
    // The point of the chosen threshold is the lowest that still reaches it.
    let chosen = points.partition_point(|point| point.threshold < evaluation.threshold);
    let chosen = chosen.min(points.len() - 1);
    let end = |of: &Interval| [of.low, of.high];
    let known = Known {
        rows: evaluation.rows,
        weight: first.predicted,
        positives: first.true_positives,
        chosen,
        points: points
            .iter()
            .map(|p| {
                let (error, miss) = (end(&p.error_rate), end(&p.miss_rate));
                let (rows, weight) = (p.predicted_rows, p.predicted);
                Told(p.threshold, rows, weight, p.true_positives, error, miss, p.profit)
            })
            .collect(),
    };
    // A script element is no place for "<": a text might end it.
    let known = serde_json::to_string(&known).ok()?.replace('<', "\\u003c");
    let body = html! {
        p { "A customer is predicted positive from a probability of "
            strong { (format!("{:.4}", evaluation.threshold)) } " on: " (table::name(report.threshold_rule)) "."
            @if let Some(campaign) = report.campaign { " " (sentence(&campaign.describe())) } }
        div class="threshold" data-prefix=(place.prefix) {
            div {
                (rates(evaluation, &points, place).figure())
                @if let Some(profit) = profit(evaluation, &points, place) { (profit.figure()) }
            }
            (tried(evaluation, (chosen, points.len()), place))
        }
        @if (first.predicted - evaluation.rows as f64).abs() > 1e-6 {
            p class="note" { "Rows have weights: those with the target, those without and the missed are sums of them." }
        }
        script type="application/json" id=(place.id("points")) { (PreEscaped(known)) }
    };
    Some(Section { id: "threshold", title: "Threshold", body })
}

/// What the point does, in a line.
pub fn told(point: &Point) -> String {
    let mut told = format!(
        "threshold {:.4}: {} predicted; error rate {}; miss rate {}",
        point.threshold,
        grouped(point.predicted_rows),
        rate(&point.error_rate),
        rate(&point.miss_rate)
    );
    if let Some(profit) = point.profit {
        told += &format!("; profit {profit:.2} per customer");
    }
    told
}

fn axis(points: &[&Point]) -> Axis {
    Axis::over("threshold (probability)", Unit::Number, points.iter().map(|p| p.threshold))
}

fn strips(points: &[&Point]) -> Vec<Strip> {
    points.iter().map(|p| Strip { at: p.threshold, tells: told(p) }).collect()
}

fn rates(evaluation: &Evaluation, points: &[&Point], place: &Place) -> Plot {
    let line =
        |of: fn(&Point) -> Interval| points.iter().map(|p| (p.threshold, of(p).value)).collect();
    let band = |of: fn(&Point) -> Interval| {
        points.iter().map(|p| (p.threshold, of(p).low, of(p).high)).collect()
    };
    let (error, miss) = (|p: &Point| p.error_rate, |p: &Point| p.miss_rate);
    let at = evaluation.threshold;
    let whisker = |of: &Interval| (at, of.low, of.high);
    // Error rates fall from the left on and miss rates rise: there the texts are mostly clear of their lines.
    let limits = [
        (Colour::Blue, "error rate", evaluation.limits.max_error_rate, Side::Left),
        (Colour::Orange, "miss rate", evaluation.limits.max_miss_rate, Side::Right),
    ];
    let limits = limits.into_iter().filter_map(|(colour, of, limit, side)| {
        let limit = limit?;
        Some(Shape::Limit(
            colour,
            limit,
            format!("{of}: limit {}", Unit::Percent.short(limit)),
            side,
        ))
    });
    Plot {
        id: place.id("rates"),
        title: "Error rate and miss rate by threshold",
        says: format!(
            "At {at:.4}: error rate {}, miss rate {}.",
            rate(&evaluation.error_rate),
            rate(&evaluation.miss_rate)
        ),
        x: axis(points),
        y: Axis::share("rate"),
        shapes: limits
            .chain([
                Shape::Band(Colour::Blue, band(error)),
                Shape::Band(Colour::Orange, band(miss)),
                Shape::Line(Colour::Blue, line(error)),
                Shape::Line(Colour::Orange, line(miss)),
                Shape::Upright(Colour::Green, at),
                Shape::Whiskers(
                    Colour::Ink,
                    vec![whisker(&evaluation.error_rate), whisker(&evaluation.miss_rate)],
                ),
                Shape::Dots(Colour::Blue, vec![(at, evaluation.error_rate.value)]),
                Shape::Dots(Colour::Orange, vec![(at, evaluation.miss_rate.value)]),
            ])
            .collect(),
        legend: vec![
            (Colour::Blue, "error rate".to_owned()),
            (Colour::Orange, "miss rate".to_owned()),
            (Colour::Green, "chosen threshold".to_owned()),
        ],
        strips: strips(points),
        moves: "threshold",
    }
}

/// The campaign's profit against the threshold, where there is one.
fn profit(evaluation: &Evaluation, points: &[&Point], place: &Place) -> Option<Plot> {
    let line: Vec<(f64, f64)> =
        points.iter().filter_map(|p| Some((p.threshold, p.profit?))).collect();
    let (at, money) = (evaluation.threshold, evaluation.money.as_ref()?);
    let profit = &money.profit;
    let values = line.iter().map(|(_, profit)| *profit).chain([profit.low, profit.high, 0.0]);
    Some(Plot {
        id: place.id("profit"),
        title: "Profit by threshold",
        says: format!("At {at:.4}: {} per customer; contacting nobody brings 0.", amount(profit)),
        x: axis(points),
        y: Axis::over("profit per customer (money)", Unit::Number, values).roomy(),
        shapes: vec![
            Shape::Level(Colour::Grey, 0.0),
            Shape::Line(Colour::Blue, line),
            Shape::Upright(Colour::Green, at),
            Shape::Whiskers(Colour::Ink, vec![(at, profit.low, profit.high)]),
            Shape::Dots(Colour::Blue, vec![(at, profit.value)]),
        ],
        legend: vec![
            (Colour::Blue, "profit".to_owned()),
            (Colour::Green, "chosen threshold".to_owned()),
        ],
        strips: strips(points),
        moves: "threshold",
    })
}

/// What the chosen threshold does: name, key of the script, figure.
fn done(evaluation: &Evaluation) -> Vec<(&'static str, &'static str, String)> {
    let counts = &evaluation.confusion;
    let whole = |count: f64| grouped(count.round().max(0.0) as usize);
    let share = percent(counts.predicted_positive_rows as f64 / evaluation.rows as f64);
    let predicted = format!("{} ({share})", grouped(counts.predicted_positive_rows));
    let mut rows = vec![
        ("threshold", "threshold", format!("{:.4}", evaluation.threshold)),
        ("predicted positive", "predicted", predicted),
        ("of them with the target", "true", whole(counts.true_positives)),
        ("of them without", "false", whole(counts.false_positives)),
        ("missed", "missed", whole(counts.false_negatives)),
        ("error rate", "error", rate(&evaluation.error_rate)),
        ("miss rate", "miss", rate(&evaluation.miss_rate)),
    ];
    if let Some(money) = &evaluation.money {
        let positive = counts.true_positives + counts.false_positives;
        let all = positive + counts.true_negatives + counts.false_negatives;
        let profit = money.profit.value;
        rows.push(("profit per customer", "money", format!("{profit:.2}")));
        rows.push(("profit of all judged", "all-money", whole_money(profit * all)));
    }
    rows
}

/// What the chosen threshold does, and beside it the one that is tried: `chosen` of so many points at first.
fn tried(evaluation: &Evaluation, (chosen, points): (usize, usize), place: &Place) -> Markup {
    let slider = place.id("slider");
    html! {
        div class="tried" {
            div class="scripted slide" {
                label for=(slider) { "Try another threshold" }
                input type="range" id=(slider) min="0" max=(points - 1) value=(chosen) step="1"
                    aria-describedby=(place.id("tried"));
                button type="button" { "Back to the chosen" }
            }
            table {
                thead { tr {
                    th scope="col" { span class="hidden" { "figure" } }
                    th scope="col" class="number" { "chosen" }
                    th scope="col" class="number scripted" { "tried" }
                } }
                tbody {
                    @for (name, key, value) in done(evaluation) { tr {
                        th scope="row" { (name) }
                        td class="number" { (table::number(&value)) }
                        td class="number scripted" { span data-tells=(key) { (table::number(&value)) } }
                    } }
                }
            }
            p id=(place.id("tried")) class="scripted note" aria-live="polite" data-tells="sentence" {
                "Drag the slider, or the line in the plot; arrow keys move it by a step."
            }
        }
    }
}

fn whole_money(money: f64) -> String {
    let sign = if money < -0.5 { "-" } else { "" };
    sign.to_owned() + &grouped(money.abs().round() as usize)
}
