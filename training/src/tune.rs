//! Better parameters of the booster for one target, by successive halving (Jamieson and Talwalkar 2016): many are
//! tried on few customers, the best third of them on three times as many, and so on. Looks at training and validation
//! rows only.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rekindle_models::classifiers::boosting::{BinnedTable, Boosting, FittedBoosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::Rows;
use rekindle_models::metrics::{Confusion, Judged, Ranked};
use rekindle_models::seed::{mix2, unit};
use rekindle_models::threshold::{Threshold, ThresholdRule};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};

/// Of so many tried one goes on to so many times the customers.
const HALVING: usize = 3;
/// Most steps from few customers to all.
const MOST_RUNGS: u32 = 3;
/// Fewest rows, and rows with the target, on which parameters are tried.
const FEWEST: (usize, usize) = (3_000, 200);

/// How long parameters are looked for, and what the best are best at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// How long.
    pub budget: Budget,
    /// What for.
    pub objective: Objective,
}

/// How long parameters are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// As long as so many fits of the defaults take; the same on any machine.
    Fits(usize),
    /// As many fits as take about so long, told by the first one.
    Seconds(u64),
}

/// What parameters are best at, on validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The area under the ROC curve
    #[value(name = "auc")]
    RocAuc,
    /// The lowest miss rate within --max-error-rate
    MissRate,
    /// The lowest cost of wrong decisions by --cost, per row
    Cost,
    /// The largest profit of the campaign of --profit, per row
    Profit,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Budget, String> {
        let bad =
            || format!("found {text:?}, expected fits, as 30, or seconds, as 60s; at least 1");
        let (number, seconds) = match text.strip_suffix('s') {
            Some(number) => (number, true),
            None => (text, false),
        };
        match number.trim().parse::<u64>() {
            Ok(n @ 1..=1_000_000) if seconds => Ok(Budget::Seconds(n)),
            Ok(n @ 1..=1_000_000) => Ok(Budget::Fits(n as usize)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Objective::RocAuc => "ROC AUC",
            Objective::MissRate => "miss rate within the error limit",
            Objective::Cost => "cost per row",
            Objective::Profit => "profit per row",
        })
    }
}

/// Parameters that were tried.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Trial {
    /// Number of the draw; 0 are the parameters given.
    pub draw: usize,
    /// Share of the customers learned from.
    pub share: f64,
    /// The objective on validation rows.
    pub value: f64,
    /// Trees.
    pub num_iterations: usize,
    /// Weight of each.
    pub learning_rate: f64,
    /// Leaves of each.
    pub num_leaves: usize,
    /// See [`Boosting`].
    pub min_data_in_leaf: f64,
    /// See [`Boosting`].
    pub lambda_l2: f64,
    /// See [`Boosting`].
    pub feature_fraction: f64,
    /// See [`Boosting`].
    pub bagging_fraction: f64,
    /// See [`Boosting`].
    pub cat_smooth: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tuned {
    /// What the best are best at.
    pub objective: Objective,
    /// The budget in fits: the same trials again with `--budget` of it.
    pub fits: usize,
    /// Number of the draw that was taken.
    pub taken: usize,
    /// All trials: those on most customers first, of them the best first.
    pub trials: Vec<Trial>,
    /// The best parameters.
    #[serde(skip)]
    pub params: Boosting,
}

/// What parameters are tried on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The features in bins.
    pub table: &'a BinnedTable,
    /// Rows to learn from.
    pub data: &'a Dataset<'a>,
    /// Rows to compare on.
    pub validation: &'a Dataset<'a>,
    /// The customers of the frame's rows.
    pub keys: &'a [u64],
    /// How the threshold is chosen, for objectives that need one.
    pub rule: ThresholdRule,
    /// What contacting each row to compare on would bring, where there is a campaign.
    pub gains: Option<&'a [f64]>,
}

/// Looks for parameters better than those given, which are among the trials; those that differ from the defaults
/// stay as they are.
///
/// # Errors
/// When a fit fails, or the objective does not fit the rule of the threshold.
pub fn tune(
    given: &Boosting,
    tuning: Tuning,
    ground: &Ground<'_>,
    progress: &dyn Fn(&str),
) -> Result<Tuned> {
    tuning.objective.check(ground.rule)?;
    let bench = Bench::new(ground, tuning.objective);
    let start = Instant::now();
    let own = bench.value(given, 1.0)?;
    let fits = match tuning.budget {
        Budget::Fits(fits) => fits,
        Budget::Seconds(seconds) => fits_within(seconds, start.elapsed()),
    };
    let shares = bench.shares();
    let first = (fits * HALVING.pow(shares.len() as u32 - 1)).div_ceil(shares.len());
    let mut going: Vec<(usize, Boosting)> =
        (1..=first).map(|number| (number, draw(given, number))).collect();
    let mut trials = vec![trial(0, given, 1.0, own)];
    let mut best: Option<(f64, usize, Boosting)> = None;
    for &share in &shares {
        progress(&format!(
            "trying {} parameters on {:.0} % of the customers",
            going.len(),
            share * 100.0
        ));
        let mut values = Vec::with_capacity(going.len());
        for (number, params) in &going {
            let value = bench.value(params, share)?;
            trials.push(trial(*number, params, share, value));
            values.push(value);
        }
        let mut order: Vec<usize> = (0..going.len()).collect();
        order.sort_by(|&a, &b| tuning.objective.compare(values[a], values[b]));
        if share == 1.0 {
            best = order.first().map(|&at| (values[at], going[at].0, going[at].1.clone()));
            break;
        }
        order.truncate(going.len().div_ceil(HALVING));
        going = order.into_iter().map(|at| going[at].clone()).collect();
    }
    let better = best.filter(|(value, ..)| tuning.objective.compare(*value, own).is_lt());
    let (taken, params) = better.map_or((0, given.clone()), |(_, number, params)| (number, params));
    trials.sort_by(|a, b| {
        b.share.total_cmp(&a.share).then(tuning.objective.compare(a.value, b.value))
    });
    Ok(Tuned { objective: tuning.objective, fits, taken, trials, params })
}

fn fits_within(seconds: u64, one: Duration) -> usize {
    (Duration::from_secs(seconds).as_secs_f64() / one.as_secs_f64().max(1e-3)).max(1.0) as usize
}

impl Objective {
    fn check(self, rule: ThresholdRule) -> Result<()> {
        let bad = |text: &str| Err(Error::BadOptions(text.to_owned()));
        match (self, rule) {
            (Objective::RocAuc, _)
            | (Objective::MissRate, ThresholdRule::MaxErrorRate { .. })
            | (Objective::Cost, ThresholdRule::Cost { .. })
            | (Objective::Profit, ThresholdRule::Profit) => Ok(()),
            (Objective::MissRate, _) => bad("--objective miss-rate: expected --max-error-rate"),
            (Objective::Cost, _) => bad("--objective cost: expected --cost FP,MISS"),
            (Objective::Profit, _) => bad("--objective profit: expected --profit"),
        }
    }

    /// The better first.
    fn compare(self, a: f64, b: f64) -> std::cmp::Ordering {
        match self {
            Objective::RocAuc | Objective::Profit => b.total_cmp(&a),
            Objective::MissRate | Objective::Cost => a.total_cmp(&b),
        }
    }

    /// Of probabilities, on the rows judged.
    fn of(self, judged: &Judged<'_>, rule: ThresholdRule, gains: Option<&[f64]>) -> Result<f64> {
        let Judged { probability, target, weight, .. } = judged;
        let threshold = || Threshold::choose(rule, probability, target, weight, gains);
        let decided = || -> Result<Confusion> { Ok(Confusion::at(judged, threshold()?.value)) };
        Ok(match (self, rule) {
            (Objective::MissRate, ThresholdRule::MaxErrorRate { limit, .. }) => {
                let counts = decided()?;
                // Beyond the limit, the farther the worse, and worse than to miss all.
                let beyond = (counts.error_rate().unwrap_or(1.0) - limit).max(0.0);
                let missed = counts.miss_rate().unwrap_or(1.0);
                if beyond > 0.0 { 1.0 + beyond } else { missed }
            }
            (Objective::Cost, ThresholdRule::Cost { false_positive, false_negative }) => {
                let counts = decided()?;
                let rows: f64 = judged.weight.iter().sum();
                (false_positive * counts.false_positives + false_negative * counts.false_negatives)
                    / rows
            }
            (Objective::Profit, _) => {
                let from = threshold()?.value;
                let gains = gains.unwrap_or_default().iter().zip(*weight).zip(*probability);
                let taken = gains.filter(|(_, p)| **p >= from).map(|((gain, w), _)| w * gain);
                taken.sum::<f64>() / weight.iter().sum::<f64>()
            }
            _ => {
                let ranked = Ranked::new(judged);
                ranked.roc_auc(ranked.weights())
            }
        })
    }
}

/// Rows to try parameters on.
struct Bench<'a> {
    ground: Ground<'a>,
    objective: Objective,
    /// The validation rows.
    rows: Rows,
    target: Vec<bool>,
    weight: Vec<f64>,
}

impl<'a> Bench<'a> {
    fn new(ground: &Ground<'a>, objective: Objective) -> Bench<'a> {
        let validation = ground.validation;
        let (target, weight) = (validation.targets(), validation.weights());
        Bench { ground: *ground, objective, rows: validation.to_rows(), target, weight }
    }

    /// Shares of the customers, rising to all: as many steps as leave enough rows in the first.
    fn shares(&self) -> Vec<f64> {
        let rows = self.ground.data.rows.len();
        let positives = self.ground.data.targets().into_iter().filter(|t| *t).count();
        let enough = |share: &f64| {
            let of = |count: usize| (count as f64 * share) as usize;
            *share == 1.0 || (of(rows) >= FEWEST.0 && of(positives) >= FEWEST.1)
        };
        let share = |steps: u32| 1.0 / (HALVING.pow(steps)) as f64;
        (0..MOST_RUNGS).rev().map(share).filter(enough).collect()
    }

    /// The objective of a model of a share of the customers.
    fn value(&self, params: &Boosting, share: f64) -> Result<f64> {
        let Ground { table, data, keys, rule, gains, .. } = self.ground;
        let kept = |row: &u32| unit(mix2(params.seed ^ SHARE, keys[*row as usize])) < share;
        let rows: Vec<u32> = data.rows.iter().copied().filter(kept).collect();
        let model: FittedBoosting = params.fit_binned(table, &data.with_rows(&rows))?;
        let margins = model.margins(&self.rows);
        let probability: Vec<f64> = margins.iter().map(|m| 1.0 / (1.0 + (-m).exp())).collect();
        let judged = Judged {
            probability: &probability,
            target: &self.target,
            weight: &self.weight,
            group: None,
        };
        self.objective.of(&judged, rule, gains)
    }
}

/// Keeps the draw of customers apart from others of the same seed.
const SHARE: u64 = 0x7475_6e65;

/// A draw of parameters around those given.
fn draw(given: &Boosting, number: usize) -> Boosting {
    let plain = Boosting::default();
    let dice = |which: u64| unit(mix2(mix2(given.seed, number as u64), which));
    // As likely between 1 and 2 as between 2 and 4.
    let between = |which, low: f64, high: f64| low * (high / low).powf(dice(which));
    let mut params = given.clone();
    if given.num_iterations == plain.num_iterations {
        params.num_iterations = between(0, 100.0, 800.0).round() as usize;
    }
    if given.learning_rate == plain.learning_rate {
        // Trees times their weight: how much is learned in all.
        params.learning_rate = (between(1, 4.0, 25.0) / params.num_iterations as f64).min(0.3);
    }
    if given.num_leaves == plain.num_leaves {
        params.num_leaves = between(2, 4.0, 64.0) as usize;
    }
    if given.min_data_in_leaf == plain.min_data_in_leaf {
        params.min_data_in_leaf = between(3, 5.0, 300.0).round();
    }
    if given.lambda_l2 == plain.lambda_l2 {
        params.lambda_l2 = between(4, 0.1, 100.0);
    }
    if given.feature_fraction == plain.feature_fraction {
        params.feature_fraction = between(5, 0.1, 1.0);
    }
    if given.bagging_fraction == plain.bagging_fraction && given.top_rate == 0.0 {
        params.bagging_fraction = between(6, 0.5, 1.0);
    }
    if given.cat_smooth == plain.cat_smooth {
        params.cat_smooth = between(7, 1.0, 100.0);
    }
    params
}

fn trial(draw: usize, params: &Boosting, share: f64, value: f64) -> Trial {
    Trial {
        draw,
        share,
        value,
        num_iterations: params.num_iterations,
        learning_rate: params.learning_rate,
        num_leaves: params.num_leaves,
        min_data_in_leaf: params.min_data_in_leaf,
        lambda_l2: params.lambda_l2,
        feature_fraction: params.feature_fraction,
        bagging_fraction: params.bagging_fraction,
        cat_smooth: params.cat_smooth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_fits_or_seconds() {
        assert_eq!("30".parse(), Ok(Budget::Fits(30)));
        assert_eq!("60s".parse(), Ok(Budget::Seconds(60)));
        for text in ["0", "-3", "1h", "", "1.5", "0s"] {
            let error = text.parse::<Budget>().unwrap_err();
            assert!(error.contains("expected fits, as 30, or seconds"), "{error}");
        }
        assert_eq!(fits_within(60, Duration::from_secs(4)), 15);
        assert_eq!(fits_within(1, Duration::from_secs(4)), 1);
    }

    #[test]
    fn draws_follow_from_seed_and_number_and_leave_what_was_given() {
        let given = Boosting { num_leaves: 7, ..Boosting::default() };
        for number in 1..200 {
            let drawn = draw(&given, number);
            drawn.validate().unwrap();
            assert_eq!(drawn.num_leaves, 7);
            assert_eq!(drawn, draw(&given, number));
            assert_ne!(drawn, draw(&given, number + 1));
        }
        let other = Boosting { seed: 1, ..given.clone() };
        assert_ne!(draw(&given, 1).lambda_l2, draw(&other, 1).lambda_l2);
    }

    #[test]
    fn objectives_put_the_better_first() {
        let target = [true, true, false, false, true, false];
        let weight = [1.0; 6];
        let gains = target.map(|target| if target { 4.0 } else { -1.0 });
        let of = |objective: Objective, probability: &[f64], rule| {
            let judged = Judged { probability, target: &target, weight: &weight, group: None };
            objective.of(&judged, rule, Some(&gains)).unwrap()
        };
        let (good, bad) = ([0.9, 0.8, 0.3, 0.2, 0.7, 0.1], [0.1, 0.8, 0.9, 0.2, 0.3, 0.7]);
        let limit = ThresholdRule::MaxErrorRate { limit: 0.4, confidence: 0.5 };
        let cost = ThresholdRule::Cost { false_positive: 1.0, false_negative: 2.0 };
        for (objective, rule, best) in [
            (Objective::RocAuc, ThresholdRule::F1, 1.0),
            (Objective::MissRate, limit, 0.0),
            (Objective::Cost, cost, 0.0),
            (Objective::Profit, ThresholdRule::Profit, 2.0),
        ] {
            let (a, b) = (of(objective, &good, rule), of(objective, &bad, rule));
            assert_eq!(a, best);
            assert!(objective.compare(a, b).is_lt(), "{objective} {a} {b}");
            objective.check(rule).unwrap();
        }
        assert!(Objective::Cost.check(ThresholdRule::F1).is_err());
        assert!(Objective::Profit.check(ThresholdRule::F1).is_err());
        assert!(Objective::MissRate.check(ThresholdRule::F1).is_err());
    }
}
