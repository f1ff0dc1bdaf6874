//! How good a model of uplift is, by what it says of rows that it was not learned from: areas by action, predicted
//! against estimated uplift by decile, and what a policy by it would bring beside simple ones.

use rekindle_models::metrics::{Interval, Treated, mean_gain, normal_quantile, uplift_areas};
use schemars::JsonSchema;
use serde::Serialize;

use crate::uplift::crossfit::{CrossFitted, FOLDS};
use crate::uplift::experiment::Experiment;

/// Groups of rows of rising uplift.
const GROUPS: usize = 10;

/// What a contact costs and what an outcome is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worth {
    /// What an outcome is worth: of a yes, or of a unit of the amount.
    pub value: f64,
    /// By action, what a contact costs.
    pub costs: Vec<f64>,
}

/// The judgement of one action.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ActionFigures {
    /// The action.
    pub action: String,
    /// Rows that had it.
    pub rows: usize,
    /// Mean effect over all rows, doubly robust.
    pub mean_uplift: Interval,
    /// Area between the Qini curve and the line of treating at random, per treated row.
    pub qini: Interval,
    /// Area under the uplift curve.
    pub auuc: Interval,
    /// Slope of estimated on predicted uplift: 1 where differences between customers are as large as predicted, 0 where
    /// there are none; not defined (null) where the same is predicted for all.
    pub calibration_slope: Interval,
    /// By tenths of rows, the lowest predicted uplift first.
    pub deciles: Vec<Decile>,
}

/// Rows of about the same predicted uplift.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Decile {
    /// Rows.
    pub rows: usize,
    /// Mean predicted uplift.
    pub predicted: f64,
    /// Estimated uplift, doubly robust.
    pub estimated: Interval,
}

/// What a way to choose actions would bring.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicyFigures {
    /// The way, in words.
    pub policy: String,
    /// The share of customers contacted.
    pub contacted: f64,
    /// Profit a customer over contacting nobody, doubly robust.
    pub profit: Interval,
    /// How much more a customer the model's policy brings; `None` of itself.
    pub model_gains: Option<Interval>,
}

/// The figures of a model of uplift.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Figures {
    /// By action.
    pub actions: Vec<ActionFigures>,
    /// The model's policy first, then the simple ones it must beat.
    pub policies: Vec<PolicyFigures>,
}

/// What is judged.
pub struct Judge<'a> {
    /// The experiment.
    pub experiment: &'a Experiment<'a>,
    /// The answers on its rows.
    pub fitted: &'a CrossFitted,
    /// By row of the table, how likely it was to get its arm.
    pub propensity: &'a [f64],
    /// What actions cost and bring.
    pub worth: &'a Worth,
    /// By row of the table, days or months since the last purchase, where a column was named.
    pub recency: Option<&'a [f64]>,
    /// How sure intervals are, 0.5 to 1.
    pub confidence: f64,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Judge<'_> {
    /// Judges.
    pub fn figures(&self) -> Figures {
        let actions = (0..self.experiment.actions()).map(|action| self.action(action));
        Figures { actions: actions.collect(), policies: self.policies() }
    }

    fn keys(&self) -> Vec<u64> {
        self.experiment.rows.iter().map(|&row| self.experiment.keys[row as usize]).collect()
    }

    /// The mean over some of the experiment's rows, with its two-sided interval.
    fn mean(&self, numbers: &[f64], keys: &[u64]) -> Interval {
        let sure = 0.5 + self.confidence / 2.0;
        mean_gain(numbers, &vec![1.0; numbers.len()], Some(keys), sure)
    }

    fn action(&self, action: usize) -> ActionFigures {
        let (experiment, fitted) = (self.experiment, self.fitted);
        let predicted = &fitted.uplift[action];
        let estimated: Vec<f64> =
            fitted.scores[action + 1].iter().zip(&fitted.scores[0]).map(|(a, n)| a - n).collect();
        let keys = self.keys();
        let (qini, auuc) = self.areas(action, &keys);
        ActionFigures {
            action: experiment.arms[action + 1].clone(),
            rows: experiment.of_arm(&experiment.rows, action + 1).len(),
            mean_uplift: self.mean(&estimated, &keys),
            qini,
            auuc,
            calibration_slope: self.slope(predicted, &estimated),
            deciles: self.deciles(predicted, &estimated, &keys),
        }
    }

    /// Qini and area under the uplift curve of an action, fold by fold.
    fn areas(&self, action: usize, keys: &[u64]) -> (Interval, Interval) {
        let experiment = self.experiment;
        let row = |place: &usize| experiment.rows[*place] as usize;
        let arm = |place: &usize| usize::from(experiment.arm[row(place)]);
        let folds: Vec<Vec<usize>> = (0..FOLDS)
            .map(|fold| {
                let mine = |place: &usize| usize::from(self.fitted.fold[*place]) == fold;
                let either = |place: &usize| arm(place) == 0 || arm(place) == action + 1;
                (0..experiment.rows.len()).filter(|place| mine(place) && either(place)).collect()
            })
            .collect();
        let columns: Vec<Columns> = folds
            .iter()
            .map(|places| {
                (
                    places.iter().map(|place| self.fitted.uplift[action][*place]).collect(),
                    places.iter().map(|place| arm(place) != 0).collect(),
                    places.iter().map(|place| experiment.outcome[row(place)]).collect(),
                    self.weights(places),
                    places.iter().map(|place| keys[*place]).collect(),
                )
            })
            .collect();
        uplift_areas(&columns.iter().map(treated).collect::<Vec<_>>(), self.seed, self.confidence)
    }

    /// One over the propensity, with a mean of 1 so that areas are by row.
    fn weights(&self, places: &[usize]) -> Vec<f64> {
        let of = |place: &usize| 1.0 / self.propensity[self.experiment.rows[*place] as usize];
        let weights: Vec<f64> = places.iter().map(of).collect();
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        weights.into_iter().map(|weight| weight / mean).collect()
    }

    /// The slope of a regression of estimates on predictions, each less its fold's mean, with the standard error that allows for unequal spread
    /// (White 1980).
    fn slope(&self, predicted: &[f64], estimated: &[f64]) -> Interval {
        let (mut within, mut with) = (0.0, 0.0);
        let (x, y) = (self.by_fold(predicted), self.by_fold(estimated));
        for (x, y) in x.iter().zip(&y) {
            within += x * x;
            with += x * y;
        }
        if within <= 1e-18 * predicted.len() as f64 {
            return Interval { value: f64::NAN, low: f64::NAN, high: f64::NAN };
        }
        let slope = with / within;
        let spread: f64 = x.iter().zip(&y).map(|(x, y)| (x * (y - slope * x)).powi(2)).sum();
        let far = normal_quantile(0.5 + self.confidence / 2.0) * spread.sqrt() / within;
        Interval { value: slope, low: slope - far, high: slope + far }
    }

    /// Numbers less the mean of their fold.
    fn by_fold(&self, numbers: &[f64]) -> Vec<f64> {
        let (mut sums, mut counts) = ([0.0; FOLDS], [0.0; FOLDS]);
        for (number, fold) in numbers.iter().zip(&self.fitted.fold) {
            sums[usize::from(*fold)] += number;
            counts[usize::from(*fold)] += 1.0;
        }
        let mean = |fold: &u8| sums[usize::from(*fold)] / counts[usize::from(*fold)];
        numbers.iter().zip(&self.fitted.fold).map(|(number, fold)| number - mean(fold)).collect()
    }

    /// Tenths of each fold by predicted uplift, those of the same rank together.
    fn deciles(&self, predicted: &[f64], estimated: &[f64], keys: &[u64]) -> Vec<Decile> {
        let mut groups = vec![Vec::new(); GROUPS];
        for fold in 0..FOLDS {
            let mine = |place: &usize| usize::from(self.fitted.fold[*place]) == fold;
            let mut order: Vec<usize> = (0..predicted.len()).filter(mine).collect();
            order.sort_by(|a, b| predicted[*a].total_cmp(&predicted[*b]));
            let bound = |group: usize| group * order.len() / GROUPS;
            for (group, places) in groups.iter_mut().enumerate() {
                places.extend_from_slice(&order[bound(group)..bound(group + 1)]);
            }
        }
        let decile = |places: Vec<usize>| {
            let take = |of: &[f64]| places.iter().map(|place| of[*place]).collect::<Vec<_>>();
            let keys: Vec<u64> = places.iter().map(|place| keys[*place]).collect();
            Decile {
                rows: places.len(),
                predicted: take(predicted).iter().sum::<f64>() / places.len().max(1) as f64,
                estimated: self.mean(&take(estimated), &keys),
            }
        };
        groups.into_iter().map(decile).collect()
    }

    /// What an action would bring with a row, over leaving it alone.
    fn profit(&self, place: usize, arm: usize) -> f64 {
        match arm {
            0 => 0.0,
            _ => {
                let gained = self.fitted.scores[arm][place] - self.fitted.scores[0][place];
                self.worth.value * gained - self.worth.costs[arm - 1]
            }
        }
    }

    /// The arm that the model chooses for a row.
    fn chosen(&self, place: usize) -> usize {
        let expected = |action: usize| {
            self.worth.value * self.fitted.uplift[action][place] - self.worth.costs[action]
        };
        let best = (0..self.experiment.actions())
            .map(|action| (action + 1, expected(action)))
            // The first among equals.
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.filter(|(_, profit)| *profit > 0.0).map_or(0, |(arm, _)| arm)
    }

    /// The arm of the action that brings most in the mean, by what was known of the other folds.
    fn usual(&self, place: usize) -> usize {
        let means = &self.fitted.means[usize::from(self.fitted.fold[place])];
        let profit = |action: usize| self.worth.value * means[action] - self.worth.costs[action];
        let best = (0..means.len()).max_by(|a, b| profit(*a).total_cmp(&profit(*b)));
        best.map_or(0, |action| action + 1)
    }

    /// The model's policy and those it must beat.
    fn policies(&self) -> Vec<PolicyFigures> {
        let (rows, actions) = (self.experiment.rows.len(), self.experiment.actions());
        let all: Vec<usize> = (0..rows).collect();
        let chosen: Vec<usize> = all.iter().map(|place| self.chosen(*place)).collect();
        let by = |arms: &[usize]| -> Vec<f64> {
            all.iter().map(|place| self.profit(*place, arms[*place])).collect()
        };
        let model = by(&chosen);
        let contacted = chosen.iter().filter(|arm| **arm > 0).count();
        let share = contacted as f64 / rows as f64;
        let keys = self.keys();
        let beside = |policy: String, share: f64, profits: Vec<f64>| {
            let gains: Vec<f64> = model.iter().zip(&profits).map(|(m, p)| m - p).collect();
            PolicyFigures {
                policy,
                contacted: share,
                profit: self.mean(&profits, &keys),
                model_gains: Some(self.mean(&gains, &keys)),
            }
        };
        let mut policies = vec![PolicyFigures {
            policy: "the model's plan".to_owned(),
            contacted: share,
            profit: self.mean(&model, &keys),
            model_gains: None,
        }];
        policies.push(beside("nobody".to_owned(), 0.0, vec![0.0; rows]));
        for action in 1..=actions {
            let name = format!("everybody {}", self.experiment.arms[action]);
            policies.push(beside(name, 1.0, by(&vec![action; rows])));
        }
        // As many of each action, drawn at random: in the mean over draws.
        let shares: Vec<f64> = (1..=actions)
            .map(|arm| chosen.iter().filter(|c| **c == arm).count() as f64 / rows as f64)
            .collect();
        let random = |place: usize| {
            (1..=actions).map(|arm| shares[arm - 1] * self.profit(place, arm)).sum::<f64>()
        };
        policies.push(beside(
            "as many at random".to_owned(),
            share,
            all.iter().map(|p| random(*p)).collect(),
        ));
        let first = |by: &dyn Fn(usize) -> f64| {
            let mut order = all.clone();
            order.sort_by(|a, b| by(*a).total_cmp(&by(*b)).then(keys[*a].cmp(&keys[*b])));
            let mut arms = vec![0; rows];
            let contacts = order.iter().take(contacted);
            contacts.for_each(|place| arms[*place] = self.usual(*place));
            arms
        };
        let risk = first(&|place| self.fitted.untreated[place]);
        policies.push(beside("as many, by risk".to_owned(), share, by(&risk)));
        if let Some(recency) = self.recency {
            let days = |place: usize| recency[self.experiment.rows[place] as usize];
            // Missing is last.
            let recent =
                first(&|place| if days(place).is_nan() { f64::INFINITY } else { days(place) });
            policies.push(beside("as many, by recency".to_owned(), share, by(&recent)));
        }
        policies
    }
}

/// Uplift, whether treated, outcome, weight and customer of some rows.
type Columns = (Vec<f64>, Vec<bool>, Vec<f64>, Vec<f64>, Vec<u64>);

fn treated((uplift, treated, outcome, weight, key): &Columns) -> Treated<'_> {
    Treated { uplift, treated, outcome, weight, key }
}
