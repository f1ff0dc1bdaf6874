//! What models of uplift say of rows that they were not learned from: each fold by a model of the other folds.

use rayon::prelude::*;
use rekindle_models::seed::mix2;

use crate::error::Result;
use crate::uplift::experiment::Experiment;
use crate::uplift::learner::{Learning, score};

/// Folds; each model learns from four fifths.
pub const FOLDS: usize = 5;

/// Answers of models that had not seen the row. Each list has a number for each of the experiment's rows, in their
/// order.
#[derive(Debug)]
pub struct CrossFitted {
    /// By action, the predicted uplift.
    pub uplift: Vec<Vec<f64>>,
    /// What is expected of the row when it is left alone.
    pub untreated: Vec<f64>,
    /// By arm, the row's score: its mean over any rows estimates what they would bring with that arm.
    pub scores: Vec<Vec<f64>>,
    /// By fold and action, the mean effect over the rows that the fold's model was learned from.
    pub means: Vec<Vec<f64>>,
    /// The row's fold. Predictions of different folds are of different models.
    pub fold: Vec<u8>,
}

impl CrossFitted {
    /// Fits a model for each fold. `propensity` is by row of the table.
    ///
    /// # Errors
    /// When a model cannot be fitted.
    pub fn new(
        experiment: &Experiment<'_>,
        learning: &Learning,
        propensity: &[f64],
    ) -> Result<CrossFitted> {
        let folds = experiment.parts(&experiment.rows, FOLDS, mix2(learning.seed, 0xf01d));
        let answers: Vec<Answers> = (0..FOLDS)
            .into_par_iter()
            .map(|fold| Answers::new(experiment, learning, propensity, &folds, fold))
            .collect::<Result<_>>()?;
        let rows = experiment.rows.len();
        let none = || vec![f64::NAN; rows];
        let mut all = CrossFitted {
            uplift: vec![none(); experiment.actions()],
            untreated: none(),
            scores: vec![none(); experiment.arms.len()],
            means: Vec::new(),
            fold: vec![0; rows],
        };
        let place = |row: &u32| {
            experiment.rows.binary_search(row).expect("folds hold the experiment's rows")
        };
        for (number, (fold, answers)) in folds.iter().zip(answers).enumerate() {
            all.means.push(answers.means);
            for (at, place) in fold.iter().map(place).enumerate() {
                all.untreated[place] = answers.untreated[at];
                all.fold[place] = number as u8;
                for (all, of) in all.uplift.iter_mut().zip(&answers.uplift) {
                    all[place] = of[at];
                }
                for (all, of) in all.scores.iter_mut().zip(&answers.scores) {
                    all[place] = of[at];
                }
            }
        }
        Ok(all)
    }
}

/// The answers on one fold.
struct Answers {
    uplift: Vec<Vec<f64>>,
    untreated: Vec<f64>,
    scores: Vec<Vec<f64>>,
    means: Vec<f64>,
}

impl Answers {
    fn new(
        experiment: &Experiment<'_>,
        learning: &Learning,
        propensity: &[f64],
        folds: &[Vec<u32>],
        fold: usize,
    ) -> Result<Answers> {
        let others = folds.iter().enumerate().filter(|(other, _)| *other != fold);
        let mut rows: Vec<u32> = others.flat_map(|(_, rows)| rows.iter().copied()).collect();
        rows.sort_unstable();
        let learned = learning.fit(experiment, &rows, propensity)?;
        let cells = experiment.cells_of(&folds[fold]);
        let mut outcomes = learned.outcomes(&cells);
        let scores = outcomes
            .iter()
            .enumerate()
            .map(|(arm, expected)| {
                let rows = folds[fold].iter().map(|row| *row as usize);
                rows.zip(expected)
                    .map(|(row, &expected)| {
                        let had = usize::from(experiment.arm[row]) == arm;
                        score(expected, had, experiment.outcome[row], propensity[row])
                    })
                    .collect()
            })
            .collect();
        let means = learned.uplift.actions.iter().map(|action| action.mean).collect();
        Ok(Answers {
            uplift: learned.uplift.uplifts(&cells),
            untreated: outcomes.swap_remove(0),
            scores,
            means,
        })
    }
}
