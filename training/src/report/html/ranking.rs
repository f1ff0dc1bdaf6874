//! How well the model ranks: ROC, precision-recall, cumulative gains and lift, all read off the same thresholds.

use maud::html;
use rekindle_models::metrics::Point;

use super::axis::{Axis, Unit};
use super::palette::Colour;
use super::plot::{Plot, Shape, Strip};
use super::threshold::told;
use super::{Place, Section};
use crate::evaluate::{Curves, Evaluation};
use crate::report::{Report, amount, figure, percent};

/// The four curves; `None` where there are none.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let (evaluation, curves) = (report.evaluation?, report.curves?);
    let all = curves.thresholds.last()?;
    let all = All { weight: all.predicted, positives: all.true_positives };
    let drawn = Drawn { evaluation, curves, all, place };
    let body = html! {
        div class="plots" {
            (drawn.roc().figure())
            (drawn.precision_recall().figure())
            (drawn.gains().figure())
            (drawn.lift().figure())
        }
    };
    Some(Section { id: "ranking", title: "Ranking", body })
}

/// Weight of all rows, and of those with the target.
#[derive(Clone, Copy)]
struct All {
    weight: f64,
    positives: f64,
}

struct Drawn<'a> {
    evaluation: &'a Evaluation,
    curves: &'a Curves,
    all: All,
    place: &'a Place,
}

impl Drawn<'_> {
    /// Every threshold's place on a curve, and what it tells there.
    fn along(&self, at: impl Fn(&Point) -> (f64, f64)) -> (Vec<(f64, f64)>, Vec<Strip>) {
        let points = &self.curves.thresholds;
        let strip = |p: &Point| Strip { at: at(p).0, tells: told(p) };
        (points.iter().map(&at).collect(), points.iter().map(strip).collect())
    }

    /// Where the chosen threshold is on a curve.
    fn chosen(&self, at: impl Fn(&Point) -> (f64, f64)) -> Shape {
        let chosen = self.curves.thresholds.iter().rev();
        let chosen = chosen.clone().find(|p| p.threshold >= self.evaluation.threshold);
        Shape::Dots(Colour::Green, chosen.map(at).into_iter().collect())
    }

    fn roc(&self) -> Plot {
        let all = self.all;
        let at = move |p: &Point| {
            let false_positives = p.predicted - p.true_positives;
            (false_positives / (all.weight - all.positives), p.true_positives / all.positives)
        };
        let (line, strips) = self.along(at);
        let rule = &self.evaluation.baselines.rule;
        let corners = &self.curves.rule_roc;
        let corners = corners.iter().map(|c| (c.false_positive_rate, c.true_positive_rate));
        Plot {
            id: self.place.id("roc"),
            title: "ROC curve",
            says: format!(
                "Area {}; {}: {}.",
                figure(&self.evaluation.roc_auc),
                rule.name,
                figure(&rule.roc_auc)
            ),
            x: Axis::share("false positive rate"),
            y: Axis::share("true positive rate"),
            shapes: vec![
                Shape::Line(Colour::Grey, vec![(0.0, 0.0), (1.0, 1.0)]),
                Shape::Line(Colour::Orange, corners.collect()),
                Shape::Line(Colour::Blue, [(0.0, 0.0)].into_iter().chain(line).collect()),
                self.chosen(at),
            ],
            legend: legend(&[
                (Colour::Blue, "model"),
                (Colour::Orange, &rule.name),
                (Colour::Grey, "chance"),
                (Colour::Green, "chosen"),
            ]),
            strips,
            moves: "roc",
        }
    }

    fn precision_recall(&self) -> Plot {
        let at = |p: &Point| (1.0 - p.miss_rate.value, 1.0 - p.error_rate.value);
        let (line, strips) = self.along(at);
        let band = self.curves.thresholds.iter();
        let band = band
            .map(|p| (1.0 - p.miss_rate.value, 1.0 - p.error_rate.high, 1.0 - p.error_rate.low));
        let base = self.evaluation.base_rate.value;
        Plot {
            id: self.place.id("precision-recall"),
            title: "Precision and recall",
            says: format!(
                "Average precision {}; base rate {}.",
                figure(&self.evaluation.average_precision),
                percent(base)
            ),
            x: Axis::share("recall (1 - miss rate)"),
            y: Axis::share("precision (1 - error rate)"),
            shapes: vec![
                Shape::Level(Colour::Grey, base),
                Shape::Band(Colour::Blue, band.collect()),
                Shape::Line(Colour::Blue, line),
                self.chosen(at),
            ],
            legend: legend(&[
                (Colour::Blue, "model, with interval"),
                (Colour::Grey, "base rate"),
                (Colour::Green, "chosen"),
            ]),
            strips,
            moves: "precision-recall",
        }
    }

    fn gains(&self) -> Plot {
        let all = self.all;
        let at = move |p: &Point| (p.predicted / all.weight, p.true_positives / all.positives);
        let (line, strips) = self.along(at);
        let tenth = self.curves.thresholds.iter().find(|p| at(p).0 >= 0.1).map(at);
        let says = tenth.map_or_else(String::new, |(of, found)| {
            format!(
                "The likeliest {} of customers hold {} of those with the target.",
                percent(of),
                percent(found)
            )
        });
        Plot {
            id: self.place.id("gains"),
            title: "Cumulative gains",
            says,
            x: Axis::share("share of customers, likeliest first"),
            y: Axis::share("share of targets found"),
            shapes: vec![
                Shape::Line(Colour::Grey, vec![(0.0, 0.0), (1.0, 1.0)]),
                Shape::Line(Colour::Blue, [(0.0, 0.0)].into_iter().chain(line).collect()),
                self.chosen(at),
            ],
            legend: legend(&[
                (Colour::Blue, "model"),
                (Colour::Grey, "chance"),
                (Colour::Green, "chosen"),
            ]),
            strips,
            moves: "gains",
        }
    }

    fn lift(&self) -> Plot {
        let all = self.all;
        let at = move |p: &Point| {
            (
                p.predicted / all.weight,
                p.true_positives / p.predicted / (all.positives / all.weight),
            )
        };
        let (line, strips) = self.along(at);
        let lifts = &self.evaluation.lift_at_k;
        let says = lifts
            .iter()
            .map(|lift| format!("{} at {:.0} %", amount(&lift.lift), lift.share * 100.0));
        let whiskers = lifts.iter().map(|lift| (lift.share, lift.lift.low, lift.lift.high));
        let values = line.iter().map(|(_, lift)| *lift).chain(lifts.iter().map(|l| l.lift.high));
        Plot {
            id: self.place.id("lift"),
            title: "Lift",
            says: format!("Times the base rate: {}.", says.collect::<Vec<_>>().join(", ")),
            x: Axis::share("share of customers, likeliest first"),
            y: Axis::over("lift (times the base rate)", Unit::Number, values.chain([0.0]))
                .with_zero(),
            shapes: vec![
                Shape::Level(Colour::Grey, 1.0),
                Shape::Line(Colour::Blue, line),
                Shape::Whiskers(Colour::Ink, whiskers.collect()),
                self.chosen(at),
            ],
            legend: legend(&[
                (Colour::Blue, "model"),
                (Colour::Ink, "interval"),
                (Colour::Grey, "chance"),
                (Colour::Green, "chosen"),
            ]),
            strips,
            moves: "lift",
        }
    }
}

/// What colours mean.
pub fn legend(of: &[(Colour, &str)]) -> Vec<(Colour, String)> {
    of.iter().map(|(colour, means)| (*colour, (*means).to_owned())).collect()
}
