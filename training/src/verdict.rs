//! Whether a model is good enough to use, and why, in one sentence: conditions, each of which is kept, broken or not
//! sure.

mod conditions;
mod limits;
#[cfg(test)]
mod tests;

use rekindle_models::metrics::Confusion;
use schemars::JsonSchema;
use serde::Serialize;

pub use conditions::{Beaten, By, Condition, Evidence, Figures, Outcome};
pub use limits::Limits;

use conditions::{Need, all_alike, conditions};

/// How many times as many rows are named as what is missing, at most: nobody has a hundred times as many.
const MOST_TIMES: f64 = 100.0;
/// Fewest rows of either class that anything is judged on.
pub const FEWEST_ROWS: usize = 20;

/// The judgement.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
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
            let times: Option<Vec<f64>> =
                unsure.map(|(_, need)| need.times.filter(|t| *t < MOST_TIMES)).collect();
            let times = times.and_then(|times| times.into_iter().reduce(f64::max));
            let more = times.map(|t| (confusion.positive_rows as f64 * (t - 1.0)).ceil().max(1.0));
            let more_positives = more.map(|more| more as u64);
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

impl Verdict {
    /// The judgement by the limits alone: without what must be beaten, and whatever the threshold tells.
    pub fn of_limits(&self) -> Verdict {
        let own = |c: &&Condition| !c.name.starts_with("beats ") && c.name != "threshold";
        let limits = self.conditions.iter().filter(own);
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

    /// The judgement where some segments had too few rows to be asked: it says so, and without any that had enough there is
    /// not enough data.
    pub fn without(self, unjudged: &[String], some_judged: bool) -> Verdict {
        if unjudged.is_empty() {
            return self;
        }
        let why = format!("too few rows to judge {}", unjudged.join(", "));
        match (self.verdict, some_judged) {
            (Word::Usable, false) => {
                Verdict { verdict: Word::NotEnoughData, reason: why, more_positives: None, ..self }
            }
            _ => Verdict { reason: format!("{}; {why}", self.reason), ..self },
        }
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
