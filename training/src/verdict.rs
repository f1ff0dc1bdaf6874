//! Whether a model is good enough to use, and why, in one sentence.

use rekindle_models::metrics::{Confusion, Interval, wilson_upper};
use serde::Serialize;

use crate::error::{Error, Result};

/// Fewest rows of either class that anything is judged on.
pub const FEWEST_ROWS: usize = 20;

/// What the user asks of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Highest error rate, 0 to 1.
    pub max_error_rate: Option<f64>,
    /// Highest miss rate, 0 to 1.
    pub max_miss_rate: Option<f64>,
    /// How sure the limits must be kept, 0.5 to 1; also of every interval shown.
    pub confidence: f64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_error_rate: None, max_miss_rate: None, confidence: 0.95 }
    }
}

impl Limits {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let rate = |name: &str, limit: Option<f64>| match limit {
            Some(limit) if !(0.0..=1.0).contains(&limit) => {
                Err(Error::BadOptions(format!("{name} is {limit}, expected 0 to 1")))
            }
            _ => Ok(()),
        };
        rate("--max-error-rate", self.max_error_rate)?;
        rate("--max-miss-rate", self.max_miss_rate)?;
        match (0.5..1.0).contains(&self.confidence) {
            true => Ok(()),
            false => Err(Error::BadOptions(format!(
                "--confidence is {}, expected 0.5 to below 1, as 0.95",
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
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Decisions at the threshold.
    pub confusion: &'a Confusion,
    /// Effective rows that were predicted positive, and that were positive.
    pub effective_predicted: f64,
    /// See above.
    pub effective_positive: f64,
    /// How much higher the model's AUC is than the baseline's, one-sided.
    pub auc_gain: Interval,
    /// What the baseline is, in words.
    pub baseline: &'a str,
}

impl Verdict {
    /// Judges, in this order:
    /// 1. fewer than 20 rows of a class: not enough data;
    /// 2. a rate above its limit: unusable; nobody predicted positive under an error limit: unusable;
    /// 3. an AUC not above the baseline's: unusable;
    /// 4. no limits, and a threshold that tells nobody from the others: unusable;
    /// 5. a rate within its limit, but its one-sided Wilson bound is not: not enough data;
    /// 6. an AUC above the baseline's, but not with confidence: not enough data;
    /// 7. else usable.
    pub fn judge(evidence: &Evidence<'_>, limits: &Limits) -> Verdict {
        let confusion = evidence.confusion;
        let negatives = confusion.rows - confusion.positive_rows;
        let fewest = confusion.positive_rows.min(negatives);
        if fewest < FEWEST_ROWS {
            let more = FEWEST_ROWS.saturating_sub(confusion.positive_rows) as u64;
            let reason = format!(
                "{} of {} rows have the target, and at least {FEWEST_ROWS} with and without it are \
                 needed to judge",
                confusion.positive_rows, confusion.rows
            );
            let reason = match more {
                0 => reason,
                _ => format!("{reason}: {more} more with it"),
            };
            let more_positives = (more > 0).then_some(more);
            return Verdict { verdict: Word::NotEnoughData, reason, more_positives };
        }
        let rates = [
            Rate {
                name: "error rate",
                value: confusion.error_rate(),
                limit: limits.max_error_rate,
                rows: evidence.effective_predicted,
            },
            Rate {
                name: "miss rate",
                value: confusion.miss_rate(),
                limit: limits.max_miss_rate,
                rows: evidence.effective_positive,
            },
        ];
        if let Some(reason) = rates.iter().find_map(Rate::broken) {
            return Verdict { verdict: Word::Unusable, reason, more_positives: None };
        }
        let gain = evidence.auc_gain;
        if gain.value.is_nan() || gain.value <= 0.0 {
            let reason = format!(
                "its ranking is no better than the {} by itself (ROC AUC {:+.4})",
                evidence.baseline, gain.value
            );
            return Verdict { verdict: Word::Unusable, reason, more_positives: None };
        }
        let limited = rates.iter().any(|rate| rate.limit.is_some());
        if let Some(alike) = all_alike(confusion).filter(|_| !limited) {
            let reason = format!(
                "{alike}, so that its decisions are worth no more than that; set limits ([limits], \
                 --max-error-rate) or costs ([costs]) for a threshold that tells customers apart"
            );
            return Verdict { verdict: Word::Unusable, reason, more_positives: None };
        }
        let uncertain: Vec<&Rate> =
            rates.iter().filter(|rate| !rate.is_sure(limits.confidence)).collect();
        if !uncertain.is_empty() {
            let scale = |rate: &Rate| {
                let needed = rate.rows_needed(limits.confidence)? / rate.rows.max(1.0);
                Some((confusion.positive_rows as f64 * (needed - 1.0)).ceil() as u64)
            };
            let more = uncertain.iter().map(|rate| scale(rate)).collect::<Option<Vec<u64>>>();
            let words: Vec<String> =
                uncertain.iter().map(|rate| rate.unsure(limits.confidence)).collect();
            return not_enough(words.join(", and "), more.and_then(|m| m.into_iter().max()));
        }
        if gain.low <= 0.0 {
            // An interval narrows with the root of the rows.
            let ratio = ((gain.value - gain.low) / gain.value).powi(2);
            let more = (confusion.positive_rows as f64 * (ratio - 1.0)).ceil().max(1.0);
            let reason = format!(
                "it ranks better than the {} (ROC AUC {:+.4}), but not surely so (at worst {:+.4})",
                evidence.baseline, gain.value, gain.low
            );
            return not_enough(reason, (more < 1e9).then_some(more as u64));
        }
        Verdict {
            verdict: Word::Usable,
            reason: usable_reason(&rates, evidence, limits),
            more_positives: None,
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

fn not_enough(reason: String, more_positives: Option<u64>) -> Verdict {
    let reason = match more_positives {
        Some(more) => format!("{reason}; about {more} more rows with the target would tell"),
        None => reason,
    };
    Verdict { verdict: Word::NotEnoughData, reason, more_positives }
}

fn usable_reason(rates: &[Rate], evidence: &Evidence<'_>, limits: &Limits) -> String {
    let within: Vec<String> = rates
        .iter()
        .filter_map(|rate| {
            let upper = wilson_upper(rate.value?, rate.rows, limits.confidence);
            Some(format!(
                "{} surely below {} (limit {})",
                rate.name,
                percent(upper),
                percent(rate.limit?)
            ))
        })
        .collect();
    let beats = format!(
        "ranks better than the {} (ROC AUC {:+.4}, at worst {:+.4})",
        evidence.baseline, evidence.auc_gain.value, evidence.auc_gain.low
    );
    match (within.is_empty(), all_alike(evidence.confusion)) {
        (true, _) => format!("it {beats}; no limits for error rate and miss rate were set"),
        (false, None) => format!("{}, and it {beats}", within.join(" and ")),
        (false, Some(alike)) => format!("{}, and it {beats}; but {alike}", within.join(" and ")),
    }
}

/// A rate, its limit, and the effective rows it is a share of.
struct Rate {
    name: &'static str,
    value: Option<f64>,
    limit: Option<f64>,
    rows: f64,
}

impl Rate {
    fn broken(&self) -> Option<String> {
        let limit = self.limit?;
        match self.value {
            None => Some(format!("nobody is predicted positive, so there is no {}", self.name)),
            Some(value) if value > limit => Some(format!(
                "the {} is {}, above the limit of {}",
                self.name,
                percent(value),
                percent(limit)
            )),
            Some(_) => None,
        }
    }

    fn is_sure(&self, confidence: f64) -> bool {
        match (self.value, self.limit) {
            (Some(value), Some(limit)) => wilson_upper(value, self.rows, confidence) <= limit,
            _ => true,
        }
    }

    fn unsure(&self, confidence: f64) -> String {
        let value = self.value.unwrap_or(1.0);
        format!(
            "the {} is {} but may be {} (limit {})",
            self.name,
            percent(value),
            percent(wilson_upper(value, self.rows, confidence)),
            percent(self.limit.unwrap_or(1.0))
        )
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
            auc_gain: Interval { value, low, high: value },
            baseline: "recency rule",
        };
        Verdict::judge(&evidence, &Limits { max_error_rate, max_miss_rate, confidence: 0.95 })
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
