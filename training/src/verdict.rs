//! Whether a model is good enough to use, and why, in one sentence: conditions, each of which is kept, broken or not
//! sure.

use rekindle_models::metrics::{Confusion, Interval, wilson_upper};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Fewest rows of either class that anything is judged on.
pub const FEWEST_ROWS: usize = 20;

/// What the user asks of a model. What is `None` is not asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Highest error rate, 0 to 1.
    pub max_error_rate: Option<f64>,
    /// Highest miss rate, 0 to 1.
    pub max_miss_rate: Option<f64>,
    /// Lowest area under the ROC curve, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_auc: Option<f64>,
    /// Lowest average precision, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_average_precision: Option<f64>,
    /// Highest expected calibration error, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ece: Option<f64>,
    /// Highest mean log loss, at least 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_log_loss: Option<f64>,
    /// Highest mean squared error of the probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_brier_score: Option<f64>,
    /// What it must beat besides the simple rule: `recency`, `base`, or another model by its path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub must_beat: Vec<String>,
    /// How sure the limits must be kept, 0.5 to 1; also of every interval shown.
    pub confidence: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_error_rate: None,
            max_miss_rate: None,
            min_auc: None,
            min_average_precision: None,
            max_ece: None,
            max_log_loss: None,
            max_brier_score: None,
            must_beat: Vec::new(),
            confidence: 0.95,
        }
    }
}

impl Limits {
    /// Whether any of the two rates is limited.
    fn of_rates(&self) -> bool {
        self.max_error_rate.is_some() || self.max_miss_rate.is_some()
    }

    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        for (name, limit, most) in [
            ("max_error_rate", self.max_error_rate, 1.0),
            ("max_miss_rate", self.max_miss_rate, 1.0),
            ("min_auc", self.min_auc, 1.0),
            ("min_average_precision", self.min_average_precision, 1.0),
            ("max_ece", self.max_ece, 1.0),
            ("max_log_loss", self.max_log_loss, f64::MAX),
            ("max_brier_score", self.max_brier_score, 1.0),
        ] {
            if let Some(limit) = limit.filter(|limit| !(0.0..=most).contains(limit)) {
                let range =
                    if most == 1.0 { "0 to 1, as 0.45 for 45 %" } else { "a number of at least 0" };
                return Err(Error::BadOptions(format!(
                    "limits.{name} = {limit}: expected {range}"
                )));
            }
        }
        match (0.5..1.0).contains(&self.confidence) {
            true => Ok(()),
            false => Err(Error::BadOptions(format!(
                "limits.confidence = {}: expected 0.5 to below 1, as 0.95",
                self.confidence
            ))),
        }
    }
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// `usable`, `unusable` or `not enough data`.
    pub verdict: Word,
    /// Why, in one sentence.
    pub reason: String,
    /// About how many more rows with the target are needed, where that is what is missing.
    pub more_positives: Option<u64>,
    /// What was asked, one by one, and what came of it.
    pub conditions: Vec<Condition>,
}

/// Something that was asked of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With confidence.
    Kept,
    /// The figure is beyond its limit.
    Broken,
    /// The figure is within its limit, but may be beyond it.
    NotSure,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Word {
    /// Both rates are within the limits with confidence, and the model beats the baseline.
    #[serde(rename = "usable")]
    Usable,
    /// A rate is beyond its limit, or a simple rule is as good.
    #[serde(rename = "unusable")]
    Unusable,
    /// The rows do not tell.
    #[serde(rename = "not enough data")]
    NotEnoughData,
}

impl Word {
    /// As it is printed.
    pub fn text(self) -> &'static str {
        match self {
            Word::Usable => "usable",
            Word::Unusable => "unusable",
            Word::NotEnoughData => "not enough data",
        }
    }

    /// What a process that ends with this verdict returns: 0 usable, 1 unusable, 2 could not judge.
    pub fn exit_code(self) -> u8 {
        match self {
            Word::Usable => 0,
            Word::Unusable => 1,
            Word::NotEnoughData => 2,
        }
    }
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

/// Figures that may be limited besides the two rates, with their intervals.
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

impl Verdict {
    /// Judges every condition by itself, then all: with fewer than 20 rows of a class, not enough data; with a broken one,
    /// unusable (a rate above its limit; a figure beyond its limit; nobody predicted positive under an error limit; no
    /// better than the simple rule, or than what must be beaten; without limits for rates, a threshold that tells nobody
    /// from the others); with one that is not sure, not enough data; else usable.
    pub fn judge(evidence: &Evidence<'_>, limits: &Limits) -> Verdict {
        let confusion = evidence.confusion;
        let (conditions, needs): (Vec<Condition>, Vec<Need>) =
            conditions(evidence, limits).into_iter().unzip();
        let fewest = confusion.positive_rows.min(confusion.rows - confusion.positive_rows);
        if fewest < FEWEST_ROWS {
            return too_few(confusion, conditions);
        }
        let with = |outcome: Outcome| conditions.iter().filter(move |c| c.outcome == outcome);
        let joined = |outcome: Outcome| {
            with(outcome).map(|c| c.reason.as_str()).collect::<Vec<_>>().join(", and ")
        };
        if with(Outcome::Broken).next().is_some() {
            let reason = joined(Outcome::Broken);
            return Verdict { verdict: Word::Unusable, reason, more_positives: None, conditions };
        }
        if with(Outcome::NotSure).next().is_some() {
            let unsure =
                conditions.iter().zip(&needs).filter(|(c, _)| c.outcome == Outcome::NotSure);
            // Where no number of rows would do for one of them, none is named.
            let times: Option<Vec<f64>> = unsure.map(|(_, need)| need.times).collect();
            let times = times.and_then(|times| times.into_iter().reduce(f64::max));
            let more = times.map(|t| (confusion.positive_rows as f64 * (t - 1.0)).ceil().max(1.0));
            let more_positives = more.filter(|more| *more < 1e9).map(|more| more as u64);
            let reason = joined(Outcome::NotSure);
            let reason = match more_positives {
                Some(more) => {
                    format!("{reason}; about {more} more rows with the target would tell")
                }
                None => reason,
            };
            return Verdict { verdict: Word::NotEnoughData, reason, more_positives, conditions };
        }
        let kept: Vec<&str> = conditions.iter().map(|c| c.reason.as_str()).collect();
        let (beaten, within): (Vec<&str>, Vec<&str>) =
            kept.into_iter().partition(|reason| reason.starts_with("it "));
        let mut reason = match within.is_empty() {
            true => beaten.join(", and "),
            false => format!("{}, and {}", within.join(" and "), beaten.join(", and ")),
        };
        if !limits.of_rates() {
            reason += "; no limits for error rate and miss rate were set";
        } else if let Some(alike) = all_alike(confusion) {
            reason += &format!("; but {alike}");
        }
        Verdict { verdict: Word::Usable, reason, more_positives: None, conditions }
    }
}

fn too_few(confusion: &Confusion, conditions: Vec<Condition>) -> Verdict {
    let more = FEWEST_ROWS.saturating_sub(confusion.positive_rows) as u64;
    let reason = format!(
        "{} of {} rows have the target, and at least {FEWEST_ROWS} with and without it are needed to judge",
        confusion.positive_rows, confusion.rows
    );
    let unsure = |c| Condition { outcome: Outcome::NotSure, reason: reason.clone(), ..c };
    let conditions = conditions.into_iter().map(unsure).collect();
    let more_positives = (more > 0).then_some(more);
    let reason = match more {
        0 => reason,
        _ => format!("{reason}: {more} more with it"),
    };
    Verdict { verdict: Word::NotEnoughData, reason, more_positives, conditions }
}

/// How many times as many rows would make a condition sure; `None` where no number would, or none is needed.
#[derive(Debug, Clone, Copy)]
struct Need {
    times: Option<f64>,
}

/// All that is asked, and what came of it.
fn conditions(evidence: &Evidence<'_>, limits: &Limits) -> Vec<(Condition, Need)> {
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

impl Verdict {
    /// The judgement by the limits alone: without what must be beaten, and whatever the threshold tells.
    pub fn of_limits(&self) -> Verdict {
        let limits = self.conditions.iter().filter(|c| !c.name.starts_with("beats "));
        let conditions: Vec<Condition> = limits.cloned().collect();
        let word = |outcome| conditions.iter().any(|c| c.outcome == outcome);
        let (verdict, of) = match () {
            () if word(Outcome::Broken) => (Word::Unusable, Outcome::Broken),
            () if word(Outcome::NotSure) => (Word::NotEnoughData, Outcome::NotSure),
            () => (Word::Usable, Outcome::Kept),
        };
        let reasons = conditions.iter().filter(|c| c.outcome == of).map(|c| c.reason.as_str());
        let reason = reasons.collect::<Vec<_>>().join(", and ");
        Verdict { verdict, reason, more_positives: None, conditions }
    }

    /// The judgement where the limits must be kept in segments, too: the worst of all.
    pub fn with_segments<'a>(self, told: impl Iterator<Item = (String, &'a Verdict)>) -> Verdict {
        let told: Vec<(String, &Verdict)> = told.collect();
        let worse = [Word::Unusable, Word::NotEnoughData].into_iter().find_map(|word| {
            let of: Vec<String> = told
                .iter()
                .filter(|(_, verdict)| verdict.verdict == word)
                .map(|(name, verdict)| format!("of {name} {}", verdict.reason))
                .collect();
            (!of.is_empty()).then(|| (word, of.join("; ")))
        });
        let rank = |word: Word| match word {
            Word::Usable => 0,
            Word::NotEnoughData => 1,
            Word::Unusable => 2,
        };
        match worse {
            Some((word, reason)) if rank(word) > rank(self.verdict) => {
                Verdict { verdict: word, reason, more_positives: None, ..self }
            }
            Some((word, reason)) if word == self.verdict => {
                Verdict { reason: format!("{}; {reason}", self.reason), ..self }
            }
            _ => self,
        }
    }
}

/// Share of the rows from which on a decision is that of all.
const AS_GOOD_AS_ALL: f64 = 0.99;

/// Whether a threshold decides alike of as good as all rows, in words.
fn all_alike(confusion: &Confusion) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(
        (tp, fp, tn, fn_): (usize, usize, usize, usize),
        (max_error_rate, max_miss_rate): (Option<f64>, Option<f64>),
        (value, low): (f64, f64),
    ) -> Verdict {
        let confusion = Confusion {
            true_positives: tp as f64,
            false_positives: fp as f64,
            true_negatives: tn as f64,
            false_negatives: fn_ as f64,
            predicted_positive_rows: tp + fp,
            positive_rows: tp + fn_,
            rows: tp + fp + tn + fn_,
        };
        let evidence = Evidence {
            confusion: &confusion,
            effective_predicted: (tp + fp) as f64,
            effective_positive: (tp + fn_) as f64,
            figures: FIGURES,
            rivals: vec![Beaten {
                rival: "recency rule".to_owned(),
                by: By::RocAuc,
                gain: Interval { value, low, high: value },
            }],
        };
        Verdict::judge(&evidence, &Limits { max_error_rate, max_miss_rate, ..Limits::default() })
    }

    const fn of(value: f64) -> Interval {
        Interval { value, low: value - 0.02, high: value + 0.02 }
    }

    const FIGURES: Figures = {
        Figures {
            roc_auc: of(0.8),
            average_precision: of(0.5),
            ece: of(0.03),
            log_loss: of(0.3),
            brier_score: of(0.1),
        }
    };

    #[test]
    fn every_limit_is_a_condition_of_its_own() {
        let confusion = Confusion {
            true_positives: 800.0,
            false_positives: 533.0,
            true_negatives: 8_000.0,
            false_negatives: 200.0,
            predicted_positive_rows: 1_333,
            positive_rows: 1_000,
            rows: 9_533,
        };
        let gain = Interval { value: 0.01, low: 0.002, high: 0.02 };
        let evidence = Evidence {
            confusion: &confusion,
            effective_predicted: 1_333.0,
            effective_positive: 1_000.0,
            figures: FIGURES,
            rivals: [By::RocAuc, By::LogLoss]
                .map(|by| Beaten { rival: "base rate".to_owned(), by, gain })
                .to_vec(),
        };
        let check = |limits: Limits, expected: Word, words: &str| {
            let verdict = Verdict::judge(&evidence, &limits);
            assert_eq!(verdict.verdict, expected, "{verdict:?}");
            assert!(verdict.reason.contains(words), "{}", verdict.reason);
            verdict
        };
        let asked = Limits { min_auc: Some(0.75), max_ece: Some(0.06), ..Limits::default() };
        let all = check(asked.clone(), Word::Usable, "ROC AUC surely above 0.7800 (limit 0.75)");
        assert_eq!(all.conditions.len(), 4);
        assert!(all.reason.contains("has better probabilities than the base rate"));
        let asked = Limits { max_brier_score: Some(0.05), min_auc: Some(0.9), ..asked };
        check(
            asked,
            Word::Unusable,
            "the ROC AUC is 0.8000, below the limit of 0.9, and the Brier score",
        );
        let unsure = Limits { min_average_precision: Some(0.49), ..Limits::default() };
        let unsure = check(unsure, Word::NotEnoughData, "may be 0.4800 (limit 0.49)");
        // Twice as near: four times the rows.
        assert_eq!(unsure.more_positives, Some(3_000));
        let kept = unsure.conditions.iter().filter(|c| c.outcome == Outcome::Kept).count();
        assert_eq!((kept, unsure.conditions.len()), (2, 3));
        let asked = Limits { max_log_loss: Some(0.31), ..Limits::default() };
        check(asked, Word::NotEnoughData, "the log loss is 0.3000 but may be 0.3200");
    }

    #[test]
    fn verdicts_at_their_edges() {
        let good = (0.05, 0.02);
        let both = (Some(0.45), Some(0.30));
        for (counts, limits, gain, expected, words) in [
            // 40 % and 20 %, surely within.
            ((800, 533, 8_000, 200), both, good, Word::Usable, "surely below 42.2 %"),
            ((800, 533, 8_000, 200), (None, None), good, Word::Usable, "no limits"),
            // One more per cent than allowed.
            ((540, 460, 8_000, 100), both, good, Word::Unusable, "error rate is 46.0 %"),
            ((690, 300, 8_000, 310), both, good, Word::Unusable, "miss rate is 31.0 %"),
            // Within, but few rows.
            ((24, 16, 400, 6), both, good, Word::NotEnoughData, "may be 53.0 %"),
            // No better than the simple rule, or not surely.
            ((800, 533, 8_000, 200), both, (-0.01, -0.02), Word::Unusable, "no better"),
            ((800, 533, 8_000, 200), both, (0.01, -0.01), Word::NotEnoughData, "not surely"),
            // Nothing to judge by.
            ((10, 2, 400, 5), both, good, Word::NotEnoughData, "needed to judge: 5 more with it"),
            ((400, 2, 3, 50), both, good, Word::NotEnoughData, "450 of 455"),
            ((0, 0, 400, 50), both, good, Word::Unusable, "nobody is predicted positive"),
            // Everybody, or nobody, where nothing is asked.
            (
                (500, 400, 0, 0),
                (None, None),
                good,
                Word::Unusable,
                "900 of 900 rows positive: as good as all",
            ),
            ((500, 391, 9, 0), (None, None), good, Word::Unusable, "as good as all"),
            ((500, 390, 10, 0), (None, None), good, Word::Usable, "no limits"),
            ((0, 0, 400, 50), (None, None), good, Word::Unusable, "as good as none"),
            ((900, 100, 0, 0), (Some(0.2), None), good, Word::Usable, "but the threshold predicts"),
        ] {
            let verdict = judge(counts, limits, gain);
            assert_eq!(verdict.verdict, expected, "{counts:?} {verdict:?}");
            assert!(verdict.reason.contains(words), "{}", verdict.reason);
        }
    }

    #[test]
    fn as_many_more_rows_as_it_says_would_do() {
        let few = judge((24, 16, 400, 6), (Some(0.45), Some(0.30)), (0.05, 0.02));
        let more = few.more_positives.unwrap() as usize;
        // To the nearest row, so that the rates stay as they are.
        let times = |n: usize| (n * (30 + more) + 15) / 30;
        let later = (times(24), times(16), times(400), times(6));
        let verdict = judge(later, (Some(0.45), Some(0.30)), (0.05, 0.02));
        assert_eq!(verdict.verdict, Word::Usable, "{more} {verdict:?}");
        let fewer = |n: usize| n * (30 + more * 9 / 10) / 30;
        let sooner = (fewer(24), fewer(16), fewer(400), fewer(6));
        let verdict = judge(sooner, (Some(0.45), Some(0.30)), (0.05, 0.02));
        assert_eq!(verdict.verdict, Word::NotEnoughData, "{more} {verdict:?}");
    }
}
