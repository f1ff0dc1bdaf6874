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
//!
//! No model of the outcome is fitted again on all rows: what is expected is the mean of both halves' margins. Effects are.

use rayon::prelude::*;
use rekindle_models::classifiers::boosting::tree::Tree;
use rekindle_models::classifiers::boosting::{Boosting, FittedBoosting};
use rekindle_models::frame::Rows;
use rekindle_models::seed::mix2;
use rekindle_models::uplift::{ActionEffect, Expected, Outcome, Uplift, sum};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::uplift::experiment::Experiment;

/// Standard errors that a slope is above 0 where it is believed: 95 % of slopes that are 0 are not.
const SURE: f64 = 1.645;

/// How to learn uplift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// For each action, the one of the three whose answers explain most on rows not learned from.
    Auto,
    /// T-learner: the difference of two models of the outcome, with the action and without.
    T,
    /// X-learner: models of each side's difference from the other side's model (Künzel et al. 2019).
    X,
    /// Doubly robust: a model of the difference of scores (Kennedy 2023).
    Dr,
}

/// A way to learn what one action changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    T,
    X,
    Dr,
}

impl Learner {
    fn ways(self) -> &'static [Way] {
        match self {
            Learner::Auto => &[Way::T, Way::X, Way::Dr],
            Learner::T => &[Way::T],
            Learner::X => &[Way::X],
            Learner::Dr => &[Way::Dr],
        }
    }
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
    /// By arm, the outcome.
    outcomes: Vec<Expected>,
}

impl Learned {
    /// By arm, the outcome expected of each row; the first is the model's own of customers left alone.
    pub fn outcomes(&self, rows: &Rows) -> Vec<Vec<f64>> {
        self.outcomes.par_iter().map(|arm| arm.of(rows)).collect()
    }
}

/// The score of an arm for a row: see the head of this file.
pub fn score(expected: f64, had: bool, outcome: f64, propensity: f64) -> f64 {
    if had { expected + (outcome - expected) / propensity } else { expected }
}

impl Learning {
    /// The usual way: few small trees; an uplift is a faint signal.
    pub fn usual(learner: Learner, seed: u64) -> Learning {
        let small = Boosting {
            num_iterations: 50,
            learning_rate: 0.1,
            num_leaves: 6,
            min_data_in_leaf: 100.0,
            feature_fraction: 0.7,
            lambda_l2: 5.0,
            seed,
            ..Boosting::default()
        };
        let effect = Boosting {
            num_iterations: 30,
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
        let parts = experiment.parts(rows, 2, mix2(self.seed, 0x4a1f));
        let halves: Vec<Half> =
            parts.into_par_iter().map(|rows| at.half(rows)).collect::<Result<_>>()?;
        let expected = at.expected(&halves);
        let mut scores = vec![vec![f64::NAN; experiment.frame.rows()]; experiment.arms.len()];
        for (half, expected) in halves.iter().zip(&expected) {
            at.score(&half.rows, expected, &mut scores);
        }
        let outcomes: Vec<Expected> = (0..experiment.arms.len())
            .map(|arm| between(&halves[0].outcomes[arm], &halves[1].outcomes[arm]))
            .collect();
        let cells = experiment.cells_of(rows);
        let action = |action: usize| {
            let difference = apart(&scores[action + 1], &scores[0]);
            let (way, slope) = at.choose(action, &halves, &expected, &difference)?;
            let addends = at.effect(way, action, rows, &outcomes, &difference)?;
            Ok(ActionEffect {
                name: experiment.arms[action + 1].clone(),
                centre: mean(sum(&addends, &cells).into_iter()),
                mean: mean(rows.iter().map(|&row| difference[row as usize])),
                slope,
                addends,
            })
        };
        let actions: Vec<ActionEffect> =
            (0..experiment.actions()).into_par_iter().map(action).collect::<Result<_>>()?;
        let untreated = outcomes[0].clone();
        let uplift =
            Uplift { schema: experiment.schema(), outcome: experiment.kind, untreated, actions };
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

/// Half of the rows.
struct Half {
    rows: Vec<u32>,
    cells: Rows,
    /// By arm, the outcome, learned from these rows.
    outcomes: Vec<Expected>,
}

impl At<'_> {
    /// Some rows with their models of the outcome by arm.
    fn half(&self, rows: Vec<u32>) -> Result<Half> {
        let arms = (0..self.experiment.arms.len()).into_par_iter();
        let outcomes = arms
            .map(|arm| self.outcome(&self.experiment.of_arm(&rows, arm)))
            .collect::<Result<_>>()?;
        Ok(Half { cells: self.experiment.cells_of(&rows), rows, outcomes })
    }

    /// By half and arm, the outcomes that the other half's models expect.
    fn expected(&self, halves: &[Half]) -> Vec<Vec<Vec<f64>>> {
        let one = |half: usize| {
            let of = |arm: &Expected| arm.of(&halves[half].cells);
            halves[1 - half].outcomes.par_iter().map(of).collect()
        };
        (0..2).into_par_iter().map(one).collect()
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

    /// Writes the scores of some rows, by what is expected of them by arm.
    fn score(&self, rows: &[u32], expected: &[Vec<f64>], scores: &mut [Vec<f64>]) {
        for (arm, (scores, expected)) in scores.iter_mut().zip(expected).enumerate() {
            for (&row, expected) in rows.iter().zip(expected) {
                let row = row as usize;
                let had = usize::from(self.experiment.arm[row]) == arm;
                let outcome = self.experiment.outcome[row];
                scores[row] = score(*expected, had, outcome, self.propensity[row]);
            }
        }
    }

    /// The way to learn an action's effect and how much of its answers is believed: each half's models are asked about the
    /// other half, and the way whose answers explain most of the scores is taken.
    fn choose(
        &self,
        action: usize,
        halves: &[Half],
        expected: &[Vec<Vec<f64>>],
        difference: &[f64],
    ) -> Result<(Way, f64)> {
        let one = |way: &Way| {
            let ask = |half: usize| {
                let (asked, Half { rows, outcomes, .. }) = (1 - half, &halves[half]);
                if *way == Way::T {
                    // Nothing but what is known already.
                    let of = &expected[asked];
                    return Ok::<_, crate::Error>(apart(&of[action + 1], &of[0]));
                }
                let addends = self.effect(*way, action, rows, outcomes, difference)?;
                Ok(sum(&addends, &halves[asked].cells))
            };
            let (of_second, of_first) = rayon::join(|| ask(0), || ask(1));
            let answers = [(&halves[1].rows[..], of_second?), (&halves[0].rows[..], of_first?)];
            Ok((*way, Believed::new(&answers, difference)))
        };
        let ways = self.learning.learner.ways();
        let tried: Vec<(Way, Believed)> = ways.par_iter().map(one).collect::<Result<_>>()?;
        // The first among equals.
        let best =
            tried.into_iter().reduce(|a, b| if b.1.explained > a.1.explained { b } else { a });
        let (way, believed) = best.expect("a learner has one way at least");
        Ok((way, believed.slope))
    }

    /// The models of one action learned from some rows in a way; `outcomes` expect the rows of an arm without having seen
    /// those of the others.
    fn effect(
        &self,
        way: Way,
        action: usize,
        rows: &[u32],
        outcomes: &[Expected],
        difference: &[f64],
    ) -> Result<Addends> {
        match way {
            Way::T => Ok(vec![(1.0, outcomes[action + 1].clone()), (-1.0, outcomes[0].clone())]),
            Way::X => self.crossed(rows, &outcomes[0], (action + 1, &outcomes[action + 1])),
            Way::Dr => Ok(vec![(1.0, self.number(&self.learning.effect, rows, difference)?)]),
        }
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

/// The model whose margin is the mean of two models' margins: all trees of both, each halved.
fn between(first: &Expected, second: &Expected) -> Expected {
    let mut trees: Vec<Tree> = [first, second].map(|half| half.model.trees().to_vec()).concat();
    for tree in &mut trees {
        tree.leaves.iter_mut().for_each(|leaf| leaf.value *= 0.5);
        tree.nodes.iter_mut().for_each(|node| node.value *= 0.5);
    }
    let model = FittedBoosting::new(first.model.features(), trees, false, 1.0);
    let model = model.expect("halved trees of sound models are sound");
    Expected { model, log_odds: first.log_odds }
}

fn apart(arm: &[f64], none: &[f64]) -> Vec<f64> {
    arm.iter().zip(none).map(|(a, b)| a - b).collect()
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.sum::<f64>() / count
}

/// What the answers of models about rows that they have not seen are worth.
struct Believed {
    /// How much of their differences is there: the slope of scores on answers, each half less its mean, less one
    /// standard error (White 1980), at most 1; 0 where it is not surely above 0. An uplift is a faint signal, and differences
    /// that are none cost more than those that are missed: with a wrong action for many customers.
    slope: f64,
    /// The part of the scores' squares that the answers explain, at least 0.
    explained: f64,
}

impl Believed {
    /// From the rows asked about with the answers, and all rows' scores.
    fn new(answers: &[(&[u32], Vec<f64>)], difference: &[f64]) -> Believed {
        let mut pairs: Vec<(f64, f64)> = Vec::new();
        for (rows, answers) in answers {
            let middle = mean(answers.iter().copied());
            let level = mean(rows.iter().map(|&row| difference[row as usize]));
            let both = rows.iter().zip(answers);
            pairs.extend(both.map(|(&row, x)| (x - middle, difference[row as usize] - level)));
        }
        let within: f64 = pairs.iter().map(|(x, _)| x * x).sum();
        if within <= 0.0 {
            return Believed { slope: 0.0, explained: 0.0 };
        }
        let slope = pairs.iter().map(|(x, y)| x * y).sum::<f64>() / within;
        let spread: f64 = pairs.iter().map(|(x, y)| (x * (y - slope * x)).powi(2)).sum();
        let error = spread.sqrt() / within;
        Believed {
            slope: if slope > SURE * error { (slope - error).min(1.0) } else { 0.0 },
            explained: slope.max(0.0) * slope.max(0.0) * within,
        }
    }
}
