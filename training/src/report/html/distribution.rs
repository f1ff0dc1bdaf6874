//! Whether probabilities can be taken at their word, and how they are spread: calibration in bins with their counts,
//! scores by outcome.

use maud::html;
use rekindle_models::metrics::{Bin, HistogramBin};

use super::axis::{Axis, Unit};
use super::palette::Colour;
use super::plot::{Plot, Shape, Strip};
use super::ranking::legend;
use super::{Place, Section, table};
use crate::evaluate::{Curves, Evaluation};
use crate::report::{Report, figure, grouped, percent};

/// Calibration and histograms; `None` where nothing was judged.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let evaluation = report.evaluation?;
    let row = |bin: &Bin| {
        [
            percent(bin.probability),
            grouped(bin.rows),
            format!("{} [{:.1}, {:.1}]", percent(bin.rate), bin.low * 100.0, bin.high * 100.0),
        ]
    };
    let rows: Vec<[String; 3]> = evaluation.ece_bins.iter().map(row).collect();
    let header = ["mean probability", "rows", "with the target"];
    let body = html! {
        div class="plots" {
            (calibration(evaluation, report.calibration, place).figure())
            @if let Some(curves) = report.curves { (histogram(evaluation, curves, place).figure()) }
        }
        details {
            summary { "The bins of the calibration plot" }
            (table::of_texts("Bins of the calibration plot", &header, 0, &rows))
        }
    };
    Some(Section { id: "probabilities", title: "Probabilities", body })
}

fn calibration(evaluation: &Evaluation, how: &str, place: &Place) -> Plot {
    let bins = &evaluation.ece_bins;
    let most = bins.iter().flat_map(|bin| [bin.probability, bin.high]).fold(0.0, f64::max);
    let axis = |name| Axis { high: (most * 1.04).clamp(0.001, 1.0), ..Axis::share(name) };
    let tells = |bin: &Bin| {
        let (low, high) = (bin.low * 100.0, bin.high * 100.0);
        let rate = format!("{} [{low:.1}, {high:.1}]", percent(bin.rate));
        format!(
            "{} rows: mean probability {}, with the target {rate}",
            grouped(bin.rows),
            percent(bin.probability)
        )
    };
    Plot {
        id: place.id("calibration"),
        title: "Calibration",
        says: format!(
            "Bins of equal weight; expected calibration error {}. Calibrated by {how}.",
            figure(&evaluation.ece)
        ),
        x: axis("mean probability of the bin"),
        y: axis("share with the target"),
        shapes: vec![
            Shape::Line(
                Colour::Grey,
                vec![(0.0, 0.0), (1.0, 1.0)]
                    .into_iter()
                    .map(|(x, y)| {
                        let most = (most * 1.04).clamp(0.001, 1.0);
                        (x * most, y * most)
                    })
                    .collect(),
            ),
            Shape::Whiskers(
                Colour::Ink,
                bins.iter().map(|b| (b.probability, b.low, b.high)).collect(),
            ),
            Shape::Dots(Colour::Blue, bins.iter().map(|b| (b.probability, b.rate)).collect()),
        ],
        legend: legend(&[(Colour::Blue, "bin, with interval"), (Colour::Grey, "as it should be")]),
        strips: bins.iter().map(|bin| Strip { at: bin.probability, tells: tells(bin) }).collect(),
        moves: "",
    }
}

fn histogram(evaluation: &Evaluation, curves: &Curves, place: &Place) -> Plot {
    let bins = &curves.histogram;
    let sum =
        |of: fn(&HistogramBin) -> f64| bins.iter().map(of).sum::<f64>().max(f64::MIN_POSITIVE);
    let (with, without) = (sum(|b| b.positives), sum(|b| b.negatives));
    let bars = |from: f64, to: f64, of: fn(&HistogramBin) -> f64, all: f64| {
        let bar = move |b: &HistogramBin| {
            let at = |part: f64| b.low + (b.high - b.low) * part;
            (at(from), at(to), of(b) / all)
        };
        bins.iter().map(bar).collect::<Vec<_>>()
    };
    let negatives = bars(0.0, 0.5, |b| b.negatives, without);
    let positives = bars(0.5, 1.0, |b| b.positives, with);
    let heights = negatives.iter().chain(&positives).map(|bar| bar.2);
    let tells = |b: &HistogramBin| Strip {
        at: (b.low + b.high) / 2.0,
        tells: format!(
            "probability {:.3} to {:.3}: {:.0} with the target, {:.0} without",
            b.low, b.high, b.positives, b.negatives
        ),
    };
    Plot {
        id: place.id("scores"),
        title: "Scores by outcome",
        says: format!(
            "{} rows with the target, {} without; the bars of each add up to 100\u{a0}%.",
            grouped(evaluation.positives),
            grouped(evaluation.rows - evaluation.positives)
        ),
        x: Axis::over("probability", Unit::Number, bins.iter().flat_map(|b| [b.low, b.high])),
        y: Axis::over("share of the outcome's rows", Unit::Percent, heights.chain([0.0]))
            .with_zero(),
        shapes: vec![
            Shape::Bars(Colour::Blue, negatives),
            Shape::Bars(Colour::Orange, positives),
            Shape::Upright(Colour::Green, evaluation.threshold),
        ],
        legend: legend(&[
            (Colour::Blue, "without the target"),
            (Colour::Orange, "with the target"),
            (Colour::Green, "chosen threshold"),
        ]),
        strips: bins.iter().map(tells).collect(),
        moves: "",
    }
}
