//! How likely each customer was to get the action it got: logged, or the arms' shares where nothing tells who gets what,
//! or estimated from the features.

use rayon::prelude::*;
use rekindle_models::classifiers::boosting::{Boosting, probability};
use rekindle_models::dataset::Dataset;
use rekindle_models::metrics::{Interval, mean_gain};
use rekindle_models::seed::mix2;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::uplift::experiment::Experiment;

/// The least propensity that is divided by: a row counts for 50 others at most.
pub const LEAST: f64 = 0.02;

/// Where propensities come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// The user logged them.
    Logged,
    /// The features tell nothing of who got what: the shares of the arms.
    Random,
    /// The features tell who got what: what is not among them and decided, too, makes uplifts wrong.
    Estimated,
}

/// How customers came to their arms.
#[derive(Debug, Clone, Serialize)]
pub struct Propensities {
    /// Where they come from.
    pub assignment: Assignment,
    /// How much better the features tell the arm than its share does: mean gain of log likelihood a row, on rows not
    /// learned from. Not looked at where propensities are logged.
    pub told_by_features: Option<Interval>,
    /// The smallest propensity of a row and an arm; where they are logged, of the arm that a row got.
    pub smallest: f64,
    /// The share of rows that hardly ever got some arm (propensity below 0.02; where they are logged, of the arm that they
    /// got): of what that arm does with them is little known. A propensity counts as 0.02 at least.
    pub thin: f64,
    /// By row of the table, how likely it was to get the arm that it got.
    #[serde(skip)]
    pub of: Vec<f64>,
}

impl Propensities {
    /// As they were logged: by row of the table, above 0 and below 1 where it has an arm.
    ///
    /// # Errors
    /// When one is out of range, or those of an arm do not stand for all customers: their inverses add up to less than
    /// half, or more than twice, the rows.
    pub fn logged(experiment: &Experiment<'_>, of: Vec<f64>) -> Result<Propensities> {
        let wrong = |reason: String| Err(Error::BadOptions(format!("--propensity: {reason}")));
        let sound = |row: &u32| of[*row as usize] > 0.0 && of[*row as usize] < 1.0;
        if let Some(&row) = experiment.rows.iter().find(|row| !sound(row)) {
            return wrong(format!(
                "row {} has {}, expected a probability above 0 and below 1: who could have no other arm tells nothing \
                 of what it changes",
                row + 1,
                of[row as usize]
            ));
        }
        let all = experiment.rows.len() as f64;
        for (arm, name) in experiment.arms.iter().enumerate() {
            let rows = experiment.of_arm(&experiment.rows, arm);
            let stands: f64 = rows.iter().map(|row| 1.0 / of[*row as usize]).sum();
            if stands < all / 2.0 || stands > all * 2.0 {
                return wrong(format!(
                    "by them the {} rows with {name} stand for {stands:.0} customers, expected about all {all}: each is \
                     to be the probability of the arm that its row got",
                    rows.len()
                ));
            }
        }
        let least = of.clone();
        Ok(Propensities::clip(experiment, of, &least, Assignment::Logged, None))
    }

    /// Estimates them by boosting, one arm against the rest, each half of the rows by models of the other half. Where
    /// those do not tell better than the arms' shares, customers were assigned at random, and shares are surer.
    ///
    /// # Errors
    /// When an arm cannot be learned.
    pub fn estimate(experiment: &Experiment<'_>, seed: u64) -> Result<Propensities> {
        let rows = &experiment.rows;
        let params = Boosting {
            num_iterations: 30,
            learning_rate: 0.2,
            num_leaves: 4,
            min_data_in_leaf: (rows.len() as f64 / 40.0).min(100.0),
            feature_fraction: 0.7,
            seed,
            ..Boosting::default()
        };
        let arms = experiment.arms.len();
        let share: Vec<f64> = (0..arms)
            .map(|arm| experiment.of_arm(rows, arm).len() as f64 / rows.len() as f64)
            .collect();
        let halves = experiment.parts(rows, 2, mix2(seed, 0x9207));
        let mut estimated = vec![f64::NAN; experiment.frame.rows()];
        let mut least = estimated.clone();
        for (learned, asked) in [(0, 1), (1, 0)] {
            let (learned, asked) = (&halves[learned], &halves[asked]);
            let cells = experiment.cells_of(asked);
            let one = |arm: usize| {
                let is: Vec<bool> =
                    experiment.arm.iter().map(|other| usize::from(*other) == arm).collect();
                let data = Dataset { target: &is, ..experiment.data(learned) };
                let model = params.fit_targets(&experiment.table, &[(data, None)])?.remove(0);
                Ok(model.margins(&cells).into_iter().map(probability).collect())
            };
            let by_arm: Vec<Vec<f64>> =
                (0..arms).into_par_iter().map(one).collect::<Result<_>>()?;
            for (at, &row) in asked.iter().enumerate() {
                let all: f64 = by_arm.iter().map(|arm| arm[at]).sum();
                estimated[row as usize] =
                    by_arm[usize::from(experiment.arm[row as usize])][at] / all;
                least[row as usize] = by_arm.iter().map(|arm| arm[at] / all).fold(1.0, f64::min);
            }
        }
        let of_share = |row: u32| share[usize::from(experiment.arm[row as usize])];
        let gains: Vec<f64> = rows
            .iter()
            .map(|&row| estimated[row as usize].max(1e-6).ln() - of_share(row).ln())
            .collect();
        let keys: Vec<u64> = rows.iter().map(|&row| experiment.keys[row as usize]).collect();
        let told = mean_gain(&gains, &vec![1.0; gains.len()], Some(&keys), 0.99);
        let (of, assignment) = match told.low > 0.0 {
            true => (estimated, Assignment::Estimated),
            false => {
                let mut of = vec![f64::NAN; experiment.frame.rows()];
                rows.iter().for_each(|&row| of[row as usize] = of_share(row));
                least.fill(share.iter().copied().fold(1.0, f64::min));
                (of, Assignment::Random)
            }
        };
        Ok(Propensities::clip(experiment, of, &least, assignment, Some(told)))
    }

    fn clip(
        experiment: &Experiment<'_>,
        mut of: Vec<f64>,
        least: &[f64],
        assignment: Assignment,
        told_by_features: Option<Interval>,
    ) -> Propensities {
        let rows = &experiment.rows;
        let smallest = rows.iter().map(|&row| least[row as usize]).fold(1.0, f64::min);
        let below = rows.iter().filter(|row| least[**row as usize] < LEAST).count();
        of.iter_mut().for_each(|of| *of = of.max(LEAST));
        let thin = below as f64 / rows.len() as f64;
        Propensities { assignment, told_by_features, smallest, thin, of }
    }
}
