//! Conditions: each figure against its limit, each rival beaten or not, one by one.

use rekindle_models::metrics::{Confusion, Interval, wilson_upper};
use schemars::JsonSchema;
use serde::Serialize;

use crate::verdict::Limits;

/// Something that was asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Condition {
    /// The figure: `error_rate`, `miss_rate`, `roc_auc`, ...; or `beats` and what.
    pub name: String,
    /// What is asked, in words.
    pub asks: String,
    /// The figure (of `beats`, how much better it is).
    pub value: f64,
    /// What it may be at worst, with the confidence asked.
    pub at_worst: f64,
    /// The limit.
    pub limit: f64,
    /// What came of it.
    pub outcome: Outcome,
    /// In a sentence.
    pub reason: String,
}

/// What came of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With confidence.
    Kept,
    /// The figure is beyond its limit.
    Broken,
    /// The figure is within its limit, but may be beyond it.
    NotSure,
}

/// What a verdict rests on.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Decisions at the threshold.
    pub confusion: &'a Confusion,
    /// Effective rows that were predicted positive, and that were positive.
    pub effective_predicted: f64,
    /// See above.
    pub effective_positive: f64,
    /// Figures that may be limited besides the two rates.
    pub figures: Figures,
    /// What it is compared with: the simple rule first, then what else it must beat.
    pub rivals: Vec<Beaten>,
}

/// Figures that may be limited besides the two rates, with intervals whose ends hold one-sided with the confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Area under the ROC curve.
    pub roc_auc: Interval,
    /// Average precision.
    pub average_precision: Interval,
    /// Expected calibration error.
    pub ece: Interval,
    /// Mean log loss.
    pub log_loss: Interval,
    /// Brier score.
    pub brier_score: Interval,
}

/// How much better a model is than something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Beaten {
    /// What it is compared with, in words that follow "than the".
    pub rival: String,
    /// By which figure.
    pub by: By,
    /// How much better it is, one-sided.
    pub gain: Interval,
}

/// What two models are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// ROC AUC: how they rank.
    RocAuc,
    /// Log loss: how their probabilities fit.
    LogLoss,
}

impl By {
    fn text(self) -> &'static str {
        match self {
            By::RocAuc => "ROC AUC",
            By::LogLoss => "log loss",
        }
    }
}

/// How many times as many rows would make a condition sure; `None` where no number would, or none is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) times: Option<f64>,
}

/// All that is asked, and what came of it.
pub(super) fn conditions(evidence: &Evidence<'_>, limits: &Limits) -> Vec<(Condition, Need)> {
    let confusion = evidence.confusion;
    let rates = [
        Rate {
            key: "error_rate",
            name: "error rate",
            value: confusion.error_rate(),
            limit: limits.max_error_rate,
            rows: evidence.effective_predicted,
        },
        Rate {
            key: "miss_rate",
            name: "miss rate",
            value: confusion.miss_rate(),
            limit: limits.max_miss_rate,
            rows: evidence.effective_positive,
        },
    ];
    let f = &evidence.figures;
    let figures = [
        ("roc_auc", "ROC AUC", f.roc_auc, limits.min_auc, false),
        (
            "average_precision",
            "average precision",
            f.average_precision,
            limits.min_average_precision,
            false,
        ),
        ("ece", "ECE", f.ece, limits.max_ece, true),
        ("log_loss", "log loss", f.log_loss, limits.max_log_loss, true),
        ("brier_score", "Brier score", f.brier_score, limits.max_brier_score, true),
    ];
    let rates = rates.iter().filter_map(|rate| rate.condition(limits.confidence));
    let alike = all_alike(confusion).filter(|_| !limits.of_rates()).map(tells_nobody);
    let figures = figures.into_iter().filter_map(|(key, name, figure, limit, at_most)| {
        Some(figure_condition((key, name), figure, limit?, at_most))
    });
    let beaten = evidence.rivals.iter().map(Beaten::condition);
    rates.chain(figures).chain(alike).chain(beaten).collect()
}

/// The threshold decides alike of all, and nothing asked says how it should.
fn tells_nobody(alike: String) -> (Condition, Need) {
    let condition = Condition {
        name: "threshold".to_owned(),
        asks: "the threshold tells customers apart".to_owned(),
        value: f64::NAN,
        at_worst: f64::NAN,
        limit: f64::NAN,
        outcome: Outcome::Broken,
        reason: format!(
            "{alike}, so that its decisions are worth no more than that; set limits ([limits], --max-error-rate) or \
             costs ([costs]) for a threshold that tells customers apart"
        ),
    };
    (condition, Need { times: None })
}

/// A figure against its limit, by the end of its interval.
fn figure_condition(
    (key, name): (&str, &str),
    figure: Interval,
    limit: f64,
    at_most: bool,
) -> (Condition, Need) {
    let (value, at_worst) = (figure.value, if at_most { figure.high } else { figure.low });
    // Above 0 where the limit is kept.
    let room = |of: f64| if at_most { limit - of } else { of - limit };
    let (beyond, bound) = if at_most { ("above", "at most") } else { ("below", "at least") };
    let (outcome, reason) = match () {
        () if value.is_nan() => (Outcome::NotSure, format!("there is no {name}")),
        () if room(value) < 0.0 => {
            (Outcome::Broken, format!("the {name} is {value:.4}, {beyond} the limit of {limit}"))
        }
        () if room(at_worst) >= 0.0 => {
            let surely = if at_most { "surely below" } else { "surely above" };
            (Outcome::Kept, format!("{name} {surely} {at_worst:.4} (limit {limit})"))
        }
        () => {
            let reason =
                format!("the {name} is {value:.4} but may be {at_worst:.4} (limit {limit})");
            (Outcome::NotSure, reason)
        }
    };
    // An interval narrows with the root of the rows.
    let times = ((at_worst - value) / room(value)).powi(2);
    let condition = Condition {
        name: key.to_owned(),
        asks: format!("{name} {bound} {limit}"),
        value,
        at_worst,
        limit,
        outcome,
        reason,
    };
    (condition, Need { times: times.is_finite().then_some(times) })
}

impl Beaten {
    fn condition(&self) -> (Condition, Need) {
        let (gain, by, rival) = (self.gain, self.by.text(), &self.rival);
        let better = match self.by {
            By::RocAuc => "ranks better",
            By::LogLoss => "has better probabilities",
        };
        let (outcome, reason) = match () {
            () if gain.value.is_nan() || gain.value <= 0.0 => {
                let no_better = match self.by {
                    By::RocAuc => "its ranking is no better than that of the",
                    By::LogLoss => "its probabilities are no better than those of the",
                };
                (
                    Outcome::Broken,
                    format!("{no_better} {rival} by itself ({by} {:+.4})", gain.value),
                )
            }
            () if gain.low > 0.0 => (
                Outcome::Kept,
                format!(
                    "it {better} than the {rival} ({by} {:+.4}, at worst {:+.4})",
                    gain.value, gain.low
                ),
            ),
            () => (
                Outcome::NotSure,
                format!(
                    "it {better} than the {rival} ({by} {:+.4}), but not surely so (at worst {:+.4})",
                    gain.value, gain.low
                ),
            ),
        };
        let condition = Condition {
            name: format!("beats {rival}"),
            asks: format!("{better} than the {rival}"),
            value: gain.value,
            at_worst: gain.low,
            limit: 0.0,
            outcome,
            reason,
        };
        // An interval narrows with the root of the rows.
        let times = ((gain.value - gain.low) / gain.value).powi(2);
        (condition, Need { times: times.is_finite().then_some(times) })
    }
}

/// Share of the rows from which on a decision is that of all.
const AS_GOOD_AS_ALL: f64 = 0.99;

/// Whether a threshold decides alike of as good as all rows, in words.
pub(super) fn all_alike(confusion: &Confusion) -> Option<String> {
    let (predicted, rows) = (confusion.predicted_positive_rows, confusion.rows);
    let share = predicted as f64 / rows as f64;
    let told = |what: &str| {
        format!("the threshold predicts {predicted} of {rows} rows positive: as good as {what}")
    };
    match share {
        share if share >= AS_GOOD_AS_ALL => Some(told("all")),
        _ if predicted == 0 => Some(told("none")),
        _ => None,
    }
}

/// A rate, its limit, and the effective rows it is a share of.
struct Rate {
    key: &'static str,
    name: &'static str,
    value: Option<f64>,
    limit: Option<f64>,
    rows: f64,
}

impl Rate {
    /// The condition that its limit makes; `None` without one.
    fn condition(&self, confidence: f64) -> Option<(Condition, Need)> {
        let (limit, name) = (self.limit?, self.name);
        let value = self.value.unwrap_or(f64::NAN);
        let at_worst = wilson_upper(value, self.rows, confidence);
        let (shown, worst, most) = (percent(value), percent(at_worst), percent(limit));
        let (outcome, reason) = match () {
            () if value.is_nan() => {
                (Outcome::Broken, format!("nobody is predicted positive, so there is no {name}"))
            }
            () if value > limit => {
                (Outcome::Broken, format!("the {name} is {shown}, above the limit of {most}"))
            }
            () if at_worst <= limit => {
                (Outcome::Kept, format!("{name} surely below {worst} (limit {most})"))
            }
            () => {
                let reason = format!("the {name} is {shown} but may be {worst} (limit {most})");
                (Outcome::NotSure, reason)
            }
        };
        let times = match outcome {
            Outcome::NotSure => self.rows_needed(confidence).map(|rows| rows / self.rows.max(1.0)),
            Outcome::Kept | Outcome::Broken => None,
        };
        let condition = Condition {
            name: self.key.to_owned(),
            asks: format!("{name} at most {most}"),
            value,
            at_worst,
            limit,
            outcome,
            reason,
        };
        Some((condition, Need { times }))
    }

    /// Effective rows with which the same rate would surely be within the limit; `None` where no
    /// number of rows would do.
    fn rows_needed(&self, confidence: f64) -> Option<f64> {
        let (value, limit) = (self.value?, self.limit?);
        let enough = |rows: f64| wilson_upper(value, rows, confidence) <= limit;
        let mut high = self.rows.max(1.0);
        while !enough(high) {
            high *= 2.0;
            if high > 1e12 {
                return None;
            }
        }
        let mut low = high / 2.0;
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if enough(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
