//! How the features were widened and pruned, step by step.

use maud::html;
use rekindle_models::artifact::SelectionStep;
use rekindle_models::metrics::Interval;

use super::axis::{Axis, Unit};
use super::palette::Colour;
use super::plot::{Plot, Shape, Strip};
use super::ranking::legend;
use super::{Place, Section, table};
use crate::report::{Report, figure, grouped, rate};

/// The curve; `None` where nobody selected.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let steps = report.selection;
    let last = steps.last()?;
    let of = |rate_of: &Option<Interval>| rate_of.as_ref().map_or("none".to_owned(), rate);
    let rows: Vec<[String; 6]> = steps
        .iter()
        .map(|step| {
            [
                step.step.clone(),
                grouped(step.tried),
                grouped(step.dimensions),
                of(&step.error_rate),
                of(&step.miss_rate),
                figure(&step.roc_auc),
            ]
        })
        .collect();
    let header = ["step", "tried", "kept", "error rate", "miss rate", "ROC AUC"];
    let body = html! {
        p { "Features were tried batch by batch and pruned again; " (grouped(last.dimensions)) " were chosen. All figures
            are of validation rows, which neither calibrate nor judge." }
        div class="plots" {
            (auc(steps, place).figure())
            (rates(steps, place).figure())
            (kept(steps, place).figure())
        }
        (table::of_texts("Steps of the selection", &header, 1, &rows))
    };
    Some(Section { id: "selection", title: "Selection", body })
}

fn numbered(steps: &[SelectionStep]) -> impl Iterator<Item = (f64, &SelectionStep)> {
    steps.iter().enumerate().map(|(place, step)| (place as f64 + 1.0, step))
}

fn axis(steps: &[SelectionStep]) -> Axis {
    let high = steps.len() as f64 + 0.5;
    Axis { name: "step".to_owned(), low: 0.5, high, unit: Unit::Whole }
}

fn strips(steps: &[SelectionStep]) -> Vec<Strip> {
    let tells = |step: &SelectionStep| {
        let kept = format!("{} of {} kept", grouped(step.dimensions), grouped(step.tried));
        format!("{}: {kept}, ROC AUC {}", step.step, figure(&step.roc_auc))
    };
    numbered(steps).map(|(at, step)| Strip { at, tells: tells(step) }).collect()
}

fn auc(steps: &[SelectionStep], place: &Place) -> Plot {
    let line = || numbered(steps).map(|(at, step)| (at, step.roc_auc.value));
    let whiskers = numbered(steps).map(|(at, step)| (at, step.roc_auc.low, step.roc_auc.high));
    let values = steps.iter().flat_map(|step| [step.roc_auc.low, step.roc_auc.high]);
    Plot {
        id: place.id("selection-auc"),
        title: "ROC AUC by step",
        says: "Widened batch by batch, then pruned.".to_owned(),
        x: axis(steps),
        y: Axis::over("ROC AUC", Unit::Number, values).roomy(),
        shapes: vec![
            Shape::Line(Colour::Blue, line().collect()),
            Shape::Whiskers(Colour::Ink, whiskers.collect()),
            Shape::Dots(Colour::Blue, line().collect()),
        ],
        legend: legend(&[(Colour::Blue, "ROC AUC, with interval")]),
        strips: strips(steps),
        moves: "",
    }
}

fn rates(steps: &[SelectionStep], place: &Place) -> Plot {
    let of = |rate: fn(&SelectionStep) -> Option<Interval>| {
        let there = numbered(steps).filter_map(move |(at, step)| Some((at, rate(step)?)));
        let there: Vec<(f64, Interval)> = there.collect();
        let line: Vec<(f64, f64)> = there.iter().map(|(at, i)| (*at, i.value)).collect();
        let band: Vec<(f64, f64, f64)> = there.iter().map(|(at, i)| (*at, i.low, i.high)).collect();
        (line, band)
    };
    let ((error, error_band), (miss, miss_band)) = (of(|s| s.error_rate), of(|s| s.miss_rate));
    Plot {
        id: place.id("selection-rates"),
        title: "Error rate and miss rate by step",
        says: "Each half of the customers by the threshold of the other.".to_owned(),
        x: axis(steps),
        y: Axis::share("rate"),
        shapes: vec![
            Shape::Band(Colour::Blue, error_band),
            Shape::Band(Colour::Orange, miss_band),
            Shape::Line(Colour::Blue, error.clone()),
            Shape::Line(Colour::Orange, miss.clone()),
            Shape::Dots(Colour::Blue, error),
            Shape::Dots(Colour::Orange, miss),
        ],
        legend: legend(&[(Colour::Blue, "error rate"), (Colour::Orange, "miss rate")]),
        strips: strips(steps),
        moves: "",
    }
}

fn kept(steps: &[SelectionStep], place: &Place) -> Plot {
    let bars = |from: f64, to: f64, of: fn(&SelectionStep) -> usize| {
        let bars = numbered(steps).map(|(at, step)| (at + from, at + to, of(step) as f64));
        bars.collect::<Vec<_>>()
    };
    let most = steps.iter().map(|step| step.tried.max(step.dimensions) as f64);
    Plot {
        id: place.id("selection-kept"),
        title: "Features tried and kept",
        says: "At each step.".to_owned(),
        x: axis(steps),
        y: Axis::over("features", Unit::Whole, most.chain([0.0])).with_zero(),
        shapes: vec![
            Shape::Bars(Colour::Pale, bars(-0.35, 0.0, |s| s.tried)),
            Shape::Bars(Colour::Blue, bars(0.0, 0.35, |s| s.dimensions)),
        ],
        legend: legend(&[(Colour::Pale, "tried"), (Colour::Blue, "kept")]),
        strips: strips(steps),
        moves: "",
    }
}
