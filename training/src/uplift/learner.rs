//! The three ways to learn uplift from an experiment, on the booster. Each is fitted on some rows and is told nothing of
//! others; judging is not here.
//!
//! All begin with models of the outcome by arm, one set for each half of the rows. A row's *score* of an arm,
//!
//! ```text
//! score(arm) = m(arm) + [its arm is this] (outcome - m(arm)) / propensity
//! ```
//!
//! with `m` from the half that the row is not in, has the arm's mean outcome as its mean whether `m` is right or not
//! (Robins, Rotnitzky, Zhao 1994). How much of a learner's differences between customers is to be believed is measured
//! by such scores: each half's model is asked about the other half, and scores are regressed on its answers.

use rayon::prelude::*;
use rekindle_models::classifiers::boosting::tree::Tree;
use rekindle_models::classifiers::boosting::{Boosting, FittedBoosting};
use rekindle_models::frame::Rows;
use rekindle_models::seed::mix2;
use rekindle_models::uplift::{ActionEffect, Expected, Outcome, Uplift, sum};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::uplift::experiment::Experiment;

/// A way to learn uplift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// T-learner: the difference of two models of the outcome, with the action and without.
    T,
    /// X-learner: models of each side's difference from the other side's model (Künzel et al. 2019).
    X,
    /// Doubly robust: a model of the difference of scores (Kennedy 2023).
    Dr,
}

/// How uplift is learned.
#[derive(Debug, Clone)]
pub struct Learning {
    /// The way.
    pub learner: Learner,
    /// The booster for outcomes.
    pub outcome: Boosting,
    /// The booster for differences.
    pub effect: Boosting,
    /// Seed of every draw.
    pub seed: u64,
}

/// A model of uplift, and what it was made with.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The model.
    pub uplift: Uplift,
    /// By half, the outcome of each arm.
    outcomes: Vec<Vec<Expected>>,
}

impl Learned {
    /// By arm, the outcome expected of each row.
    pub fn outcomes(&self, rows: &Rows) -> Vec<Vec<f64>> {
        let arms = self.outcomes[0].len();
        let mean = |arm: usize| {
            let mut mean = vec![0.0; rows.len()];
            for half in &self.outcomes {
                let share = 1.0 / self.outcomes.len() as f64;
                mean.iter_mut().zip(half[arm].of(rows)).for_each(|(mean, x)| *mean += share * x);
            }
            mean
        };
        (0..arms).into_par_iter().map(mean).collect()
    }
}

/// The score of an arm for a row: see the head of this file.
pub fn score(expected: f64, had: bool, outcome: f64, propensity: f64) -> f64 {
    if had { expected + (outcome - expected) / propensity } else { expected }
}

impl Learning {
    /// The usual way: small trees, slowly; an uplift is a faint signal.
    pub fn usual(learner: Learner, seed: u64) -> Learning {
        let small = Boosting {
            num_iterations: 100,
            learning_rate: 0.05,
            num_leaves: 6,
            min_data_in_leaf: 100.0,
            feature_fraction: 0.7,
            max_bin: 63,
            lambda_l2: 5.0,
            seed,
            ..Boosting::default()
        };
        let effect = Boosting {
            num_iterations: 60,
            num_leaves: 4,
            min_data_in_leaf: 200.0,
            seed: seed ^ 1,
            ..small.clone()
        };
        Learning { learner, outcome: small, effect, seed }
    }

    /// Learns from some rows of an experiment. `propensity` has, for each row of the table, how likely it was to get the
    /// arm that it got.
    ///
    /// # Errors
    /// When a parameter of the boosters is out of its range.
    pub fn fit(
        &self,
        experiment: &Experiment<'_>,
        rows: &[u32],
        propensity: &[f64],
    ) -> Result<Learned> {
        let at = At { learning: self, experiment, propensity };
        let halves = experiment.parts(rows, 2, mix2(self.seed, 0x4a1f));
        let outcomes: Vec<Vec<Expected>> =
            halves.par_iter().map(|half| at.outcomes(half)).collect::<Result<_>>()?;
        let mut scores = vec![vec![f64::NAN; experiment.frame.rows()]; experiment.arms.len()];
        for (half, other) in halves.iter().zip(outcomes.iter().rev()) {
            at.score(half, other, &mut scores);
        }
        let differences: Vec<Vec<f64>> =
            scores[1..].iter().map(|arm| apart(arm, &scores[0])).collect();
        let asked: Vec<Vec<Vec<f64>>> = (0..2)
            .into_par_iter()
            .map(|half| {
                let effects = at.effects(&halves[half], Some(&outcomes[half]), &differences)?;
                let cells = experiment.cells_of(&halves[1 - half]);
                Ok(effects.iter().map(|addends| sum(addends, &cells)).collect())
            })
            .collect::<Result<_>>()?;
        let whole = match self.learner {
            Learner::T | Learner::X => Some(at.outcomes(rows)?),
            Learner::Dr => None,
        };
        let untreated = match &whole {
            Some(whole) => whole[0].clone(),
            None => at.outcome(&experiment.of_arm(rows, 0))?,
        };
        let effects = at.effects(rows, whole.as_deref(), &differences)?;
        let cells = experiment.cells_of(rows);
        let actions = effects.into_par_iter().enumerate().map(|(action, addends)| {
            let difference = &differences[action];
            let answers: Vec<(&[u32], &[f64])> = (0..2)
                .map(|half| (halves[1 - half].as_slice(), asked[half][action].as_slice()))
                .collect();
            ActionEffect {
                name: experiment.arms[action + 1].clone(),
                centre: mean(sum(&addends, &cells).into_iter()),
                mean: mean(rows.iter().map(|&row| difference[row as usize])),
                slope: believed(&answers, difference),
                addends,
            }
        });
        let uplift = Uplift {
            schema: experiment.schema(),
            outcome: experiment.kind,
            untreated,
            actions: actions.collect(),
        };
        Ok(Learned { uplift, outcomes })
    }
}

/// Learning from an experiment.
#[derive(Clone, Copy)]
struct At<'a> {
    learning: &'a Learning,
    experiment: &'a Experiment<'a>,
    propensity: &'a [f64],
}

/// By factor, the models that add up to an effect.
type Addends = Vec<(f64, Expected)>;

impl At<'_> {
    /// The outcome by arm, learned from some rows.
    fn outcomes(&self, rows: &[u32]) -> Result<Vec<Expected>> {
        let arms = (0..self.experiment.arms.len()).into_par_iter();
        arms.map(|arm| self.outcome(&self.experiment.of_arm(rows, arm))).collect()
    }

    /// The outcome of rows of one arm.
    fn outcome(&self, rows: &[u32]) -> Result<Expected> {
        let (data, table) = (self.experiment.data(rows), &self.experiment.table);
        match self.experiment.kind {
            Outcome::Amount => self.number(&self.learning.outcome, rows, &self.experiment.outcome),
            Outcome::YesNo => {
                let yes = data.targets().iter().filter(|yes| **yes).count();
                let model = match yes == 0 || yes == rows.len() {
                    // Nothing can be told apart; half a row of each keeps the odds finite.
                    true => {
                        self.constant(((yes as f64 + 0.5) / ((rows.len() - yes) as f64 + 0.5)).ln())
                    }
                    false => self.learning.outcome.fit_targets(table, &[(data, None)])?.remove(0),
                };
                Ok(Expected { model, log_odds: true })
            }
        }
    }

    /// A number of some rows.
    fn number(&self, params: &Boosting, rows: &[u32], response: &[f64]) -> Result<Expected> {
        let model = match rows.is_empty() {
            true => self.constant(0.0),
            false => {
                let data = self.experiment.data(rows);
                params.fit_response(&self.experiment.table, &data, response)?
            }
        };
        Ok(Expected { model, log_odds: false })
    }

    fn constant(&self, margin: f64) -> FittedBoosting {
        let features = self.experiment.features.len();
        FittedBoosting::new(features, vec![Tree::constant(margin)], false, 1.0)
            .expect("a constant tree is sound")
    }

    /// Writes the scores of some rows, by models that were not learned from them.
    fn score(&self, rows: &[u32], outcomes: &[Expected], scores: &mut [Vec<f64>]) {
        let cells = self.experiment.cells_of(rows);
        scores.par_iter_mut().enumerate().for_each(|(arm, scores)| {
            for (&row, expected) in rows.iter().zip(outcomes[arm].of(&cells)) {
                let row = row as usize;
                let had = usize::from(self.experiment.arm[row]) == arm;
                let outcome = self.experiment.outcome[row];
                scores[row] = score(expected, had, outcome, self.propensity[row]);
            }
        });
    }

    /// By action, the learner's models on some rows; `outcomes` were learned from the same rows.
    fn effects(
        &self,
        rows: &[u32],
        outcomes: Option<&[Expected]>,
        differences: &[Vec<f64>],
    ) -> Result<Vec<Addends>> {
        let outcomes = outcomes.unwrap_or_default();
        let one = |action: usize| match self.learning.learner {
            Learner::T => {
                Ok(vec![(1.0, outcomes[action + 1].clone()), (-1.0, outcomes[0].clone())])
            }
            Learner::X => self.crossed(rows, &outcomes[0], (action + 1, &outcomes[action + 1])),
            Learner::Dr => {
                let model = self.number(&self.learning.effect, rows, &differences[action])?;
                Ok(vec![(1.0, model)])
            }
        };
        (0..self.experiment.actions()).into_par_iter().map(one).collect()
    }

    /// The X-learner's two models of an action, each with the other side's share.
    fn crossed(
        &self,
        rows: &[u32],
        alone: &Expected,
        (arm, with): (usize, &Expected),
    ) -> Result<Addends> {
        let side = |arm: usize, other: &Expected, sign: f64| {
            let mine = self.experiment.of_arm(rows, arm);
            let expected = other.of(&self.experiment.cells_of(&mine));
            let mut imputed = vec![f64::NAN; self.experiment.frame.rows()];
            for (&row, expected) in mine.iter().zip(expected) {
                imputed[row as usize] = sign * (self.experiment.outcome[row as usize] - expected);
            }
            Ok::<_, crate::Error>((
                mine.len(),
                self.number(&self.learning.effect, &mine, &imputed)?,
            ))
        };
        let (left, contacted) = rayon::join(|| side(0, with, -1.0), || side(arm, alone, 1.0));
        let ((without, left), (contacts, contacted)) = (left?, contacted?);
        let share = contacts as f64 / (contacts + without).max(1) as f64;
        Ok(vec![(share, left), (1.0 - share, contacted)])
    }
}

fn apart(arm: &[f64], none: &[f64]) -> Vec<f64> {
    arm.iter().zip(none).map(|(a, b)| a - b).collect()
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.sum::<f64>() / count
}

/// How much of the answers' differences is surely there: the slope of scores on answers, each half less its mean, less
/// one standard error (White 1980); 0 to 1. An uplift is a faint signal, and differences that are none cost more than
/// those that are missed: with a wrong action for many customers.
fn believed(answers: &[(&[u32], &[f64])], difference: &[f64]) -> f64 {
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for (rows, answers) in answers {
        let middle = mean(answers.iter().copied());
        let level = mean(rows.iter().map(|&row| difference[row as usize]));
        let both = rows.iter().zip(*answers);
        pairs.extend(both.map(|(&row, x)| (x - middle, difference[row as usize] - level)));
    }
    let within: f64 = pairs.iter().map(|(x, _)| x * x).sum();
    if within <= 0.0 {
        return 0.0;
    }
    let slope = pairs.iter().map(|(x, y)| x * y).sum::<f64>() / within;
    let spread: f64 = pairs.iter().map(|(x, y)| (x * (y - slope * x)).powi(2)).sum();
    (slope - spread.sqrt() / within).clamp(0.0, 1.0)
}
