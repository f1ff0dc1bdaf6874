//! Whether a candidate may take the place of the model in force: what is asked of it, figure by figure, and what came of it.

use rekindle_models::metrics::Interval;
use serde::Serialize;

use crate::compare::{Compared, Comparison};
use crate::verdict::{Condition, FEWEST_ROWS, Outcome};

/// What a candidate must do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask {
    /// Be better, surely.
    Better,
    /// Be worse by no more than this, surely; at least 0.
    WorseByAtMost(f64),
}

/// A figure that candidates are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// ROC AUC, by DeLong.
    RocAuc,
    /// Average precision; this and all below by paired bootstrap.
    AveragePrecision,
    /// Mean log loss.
    LogLoss,
    /// Brier score.
    BrierScore,
    /// Error rate at each model's threshold.
    ErrorRate,
    /// Miss rate at each model's threshold.
    MissRate,
    /// Profit per customer at each model's threshold, where there is a campaign.
    Profit,
}

impl By {
    /// The figure's key.
    pub fn key(self) -> &'static str {
        match self {
            By::RocAuc => "roc_auc",
            By::AveragePrecision => "average_precision",
            By::LogLoss => "log_loss",
            By::BrierScore => "brier_score",
            By::ErrorRate => "error_rate",
            By::MissRate => "miss_rate",
            By::Profit => "profit",
        }
    }
}

/// What was asked of a candidate and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gate {
    /// The worst of all conditions: broken before not sure before kept.
    pub outcome: Outcome,
    /// In a sentence.
    pub reason: String,
    /// One for each figure. `value` is how much better B is (below 0: worse), `at_worst` the same at worst with the
    /// confidence, one-sided; `limit` is what it must not be below.
    pub conditions: Vec<Condition>,
}

impl Gate {
    /// Judges a candidate by figures of a comparison; those that it does not have are left out. With fewer than 20 rows
    /// of a class nothing is sure.
    pub(super) fn judge(comparison: &Comparison, ask: Ask, figures: &[By]) -> Gate {
        let fewest = comparison.positives.min(comparison.rows - comparison.positives);
        let few = (fewest < FEWEST_ROWS).then(|| {
            format!(
                "{} of {} rows have the target, and at least {FEWEST_ROWS} with and without it are needed to judge",
                comparison.positives, comparison.rows
            )
        });
        let found = figures.iter().filter_map(|by| comparison.figure(by.key()));
        let conditions: Vec<Condition> = found
            .map(|figure| {
                let condition = condition(figure, ask, comparison.confidence);
                match &few {
                    None => condition,
                    Some(why) => {
                        let reason = why.clone();
                        Condition { outcome: Outcome::NotSure, reason, ..condition }
                    }
                }
            })
            .collect();
        let has = |outcome| conditions.iter().any(|c| c.outcome == outcome);
        let outcome = match () {
            () if has(Outcome::Broken) => Outcome::Broken,
            () if has(Outcome::NotSure) || conditions.is_empty() => Outcome::NotSure,
            () => Outcome::Kept,
        };
        let telling = conditions.iter().filter(|c| c.outcome == outcome);
        let mut reasons: Vec<&str> = telling.map(|c| c.reason.as_str()).collect();
        reasons.dedup();
        Gate { outcome, reason: reasons.join(", and "), conditions }
    }

    /// 0 where all is kept, 1 where something is broken, 2 where it could not be judged.
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            Outcome::Kept => 0,
            Outcome::Broken => 1,
            Outcome::NotSure => 2,
        }
    }
}

/// What is asked of one figure, and what came of it.
fn condition(figure: &Compared, ask: Ask, confidence: f64) -> Condition {
    let better = if figure.higher_is_better { figure.apart } else { -figure.apart };
    let Interval { value, low, .. } = better.one_sided(confidence);
    let limit = match ask {
        Ask::Better => 0.0,
        Ask::WorseByAtMost(most) => -most,
    };
    let kept = match ask {
        Ask::Better => low > limit,
        Ask::WorseByAtMost(_) => low >= limit,
    };
    let broken = match ask {
        Ask::Better => value <= limit,
        Ask::WorseByAtMost(_) => value < limit,
    };
    let outcome = match () {
        () if kept => Outcome::Kept,
        () if broken => Outcome::Broken,
        () => Outcome::NotSure,
    };
    let asks = match ask {
        Ask::Better => format!("B's {} is better", figure.name),
        Ask::WorseByAtMost(most) => format!("B's {} is worse by at most {most}", figure.name),
    };
    Condition {
        name: figure.key.to_owned(),
        asks,
        value,
        at_worst: low,
        limit,
        outcome,
        reason: reason(figure, ask, (value, low), outcome),
    }
}

fn reason(figure: &Compared, ask: Ask, (value, low): (f64, f64), outcome: Outcome) -> String {
    if value.is_nan() {
        return format!("there is no {} of both to compare", figure.name);
    }
    let name = figure.name;
    let found = match value {
        0.0 => format!("B's {name} is A's, {:.4}", figure.a.value),
        _ => {
            format!("B's {name} is {:.4}, A's {:.4}: {}", figure.b.value, figure.a.value, by(value))
        }
    };
    match (ask, outcome) {
        (_, _) if low.is_nan() => format!("{found}, and how sure that is cannot be told"),
        (Ask::Better, Outcome::Kept) => format!("{found}, surely {}", by(low)),
        (Ask::Better, Outcome::Broken) => format!("{found}, so that it is no better"),
        (Ask::Better, Outcome::NotSure) => format!("{found}, but it may be {}", by(low)),
        (Ask::WorseByAtMost(most), Outcome::Kept) => {
            format!("{found}, at worst {} ({most} is allowed)", by(low))
        }
        (Ask::WorseByAtMost(most), Outcome::Broken) => {
            format!("{found}, more than the {most} that is allowed")
        }
        (Ask::WorseByAtMost(most), Outcome::NotSure) => {
            format!("{found}, but it may be {} ({most} is allowed)", by(low))
        }
    }
}

/// How much better or worse.
fn by(gain: f64) -> String {
    let word = if gain < 0.0 { "worse" } else { "better" };
    format!("{word} by {}", digits(gain.abs()))
}

/// Four digits behind the point, and no nought where the amount is none.
fn digits(amount: f64) -> String {
    match amount {
        0.0 => "0".to_owned(),
        small if small < 0.000_05 => format!("{small:.1e}"),
        _ => format!("{amount:.4}"),
    }
}
