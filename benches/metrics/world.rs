//! Populations whose figures are known, and how often intervals of small samples hold them. `intervals.rs` and a test
//! simulate with it.

use rayon::prelude::*;
use rekindle_models::metrics::{
    Auc, Bootstrap, Confusion, Interval, Judged, LIFT_SHARES, Ranked, effective_rows,
    normal_quantile, wilson,
};
use rekindle_models::seed::{mix2, unit};

/// Predicted positive from here on.
const THRESHOLD: f64 = 0.2;
/// Customers that stand for the population: at equal steps of the normal distribution.
const GRID: usize = 20_000;
const CONFIDENCE: f64 = 0.95;

/// Customers with a normal trait each, of which the log odds of the target are a line.
#[derive(Debug, Clone)]
pub struct World {
    /// Those that stand for the population.
    grid: Vec<f64>,
    intercept: f64,
    slope: f64,
    /// What a model says of log odds: so many times them, and so much more.
    said: (f64, f64),
}

/// A figure, and how its intervals fared.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Its name in reports.
    pub figure: String,
    /// What it is in the population.
    pub truth: f64,
    /// Share of the intervals that hold it.
    pub share: f64,
    /// Share that lies wholly above it.
    pub above: f64,
    /// Mean width.
    pub width: f64,
}

impl World {
    /// A world of a base rate; `said` as above: `(1.0, 0.0)` is calibrated.
    pub fn new(base_rate: f64, slope: f64, said: (f64, f64)) -> World {
        let at = |k: usize| normal_quantile((k as f64 + 0.5) / GRID as f64);
        let grid = (0..GRID).map(at).collect();
        let mut world = World { grid, intercept: 0.0, slope, said };
        let (mut low, mut high) = (-20.0, 20.0);
        for _ in 0..60 {
            world.intercept = (low + high) / 2.0;
            let rate = world.grid.iter().map(|of| world.chance(*of)).sum::<f64>() / GRID as f64;
            if rate < base_rate { low = world.intercept } else { high = world.intercept }
        }
        world
    }

    fn chance(&self, of: f64) -> f64 {
        logistic(self.intercept + self.slope * of)
    }

    fn probability(&self, of: f64) -> f64 {
        logistic(self.said.0 * (self.intercept + self.slope * of) + self.said.1)
    }

    /// The figures of the population: every customer of the grid twice, with the target and without, by their chances.
    pub fn truth(&self) -> Vec<(String, f64)> {
        let both = |of: &f64| [(*of, true), (*of, false)];
        let rows: Vec<(f64, bool)> = self.grid.iter().flat_map(both).collect();
        let probability: Vec<f64> = rows.iter().map(|row| self.probability(row.0)).collect();
        let target: Vec<bool> = rows.iter().map(|row| row.1).collect();
        let chance = |&(of, target): &(f64, bool)| {
            let chance = self.chance(of);
            if target { chance } else { 1.0 - chance }
        };
        let weight: Vec<f64> = rows.iter().map(chance).collect();
        let judged =
            Judged { probability: &probability, target: &target, weight: &weight, group: None };
        let (ranked, counts) = (Ranked::new(&judged), Confusion::at(&judged, THRESHOLD));
        let w = ranked.weights();
        let mut figures = vec![
            ("base_rate".to_owned(), judged.base_rate()),
            ("error_rate".to_owned(), counts.error_rate().unwrap_or(f64::NAN)),
            ("miss_rate".to_owned(), counts.miss_rate().unwrap_or(f64::NAN)),
            ("roc_auc".to_owned(), ranked.roc_auc(w)),
            ("average_precision".to_owned(), ranked.average_precision(w)),
            ("log_loss".to_owned(), ranked.log_loss(w)),
            ("brier_score".to_owned(), ranked.brier_score(w)),
            ("ece".to_owned(), ranked.ece()),
        ];
        let lift = |share: &f64| (format!("lift at {share}"), ranked.lift(w, *share));
        figures.extend(LIFT_SHARES.iter().map(lift));
        figures
    }

    /// So many evaluations of so many rows each, and how often their intervals hold the truth.
    pub fn coverage(&self, evaluations: u64, rows: u64) -> Vec<Coverage> {
        let truth = self.truth();
        let all: Vec<Vec<Interval>> =
            (0..evaluations).into_par_iter().map(|seed| self.intervals(seed, rows)).collect();
        let of = |(place, (figure, truth)): (usize, (String, f64))| {
            let intervals: Vec<Interval> = all.iter().map(|one| one[place]).collect();
            let share = |keep: &dyn Fn(&Interval) -> bool| {
                intervals.iter().filter(|i| keep(i)).count() as f64 / evaluations as f64
            };
            Coverage {
                figure,
                truth,
                share: share(&|i| i.low <= truth && truth <= i.high),
                above: share(&|i| i.low > truth),
                width: intervals.iter().map(|i| i.high - i.low).sum::<f64>() / evaluations as f64,
            }
        };
        truth.into_iter().enumerate().map(of).collect()
    }

    /// The intervals of one evaluation, made as reports make them, in the order of [`World::truth`].
    fn intervals(&self, seed: u64, rows: u64) -> Vec<Interval> {
        let draw = |row: u64, what: u64| unit(mix2(mix2(seed, row), what));
        let traits: Vec<f64> = (0..rows).map(|row| normal(draw(row, 0), draw(row, 1))).collect();
        let probability: Vec<f64> = traits.iter().map(|of| self.probability(*of)).collect();
        let target: Vec<bool> =
            (0..).zip(&traits).map(|(row, of)| draw(row, 2) < self.chance(*of)).collect();
        let weight = vec![1.0; target.len()];
        let judged =
            Judged { probability: &probability, target: &target, weight: &weight, group: None };
        let (ranked, counts) = (Ranked::new(&judged), Confusion::at(&judged, THRESHOLD));
        let by_wilson = |share: Option<f64>, among: &dyn Fn(usize) -> bool| {
            let value = share.unwrap_or(f64::NAN);
            let among = (0..target.len()).filter(|row| among(*row)).map(|_| 1.0);
            let (low, high) = wilson(value, effective_rows(among), CONFIDENCE);
            Interval { value, low, high }
        };
        let figures = Bootstrap::new(&judged, seed, CONFIDENCE).figures(&ranked);
        let mut intervals = vec![
            by_wilson(Some(judged.base_rate()), &|_| true),
            by_wilson(counts.error_rate(), &|row| probability[row] >= THRESHOLD),
            by_wilson(counts.miss_rate(), &|row| target[row]),
            Auc::new(&ranked).interval(None, CONFIDENCE),
            figures.average_precision,
            figures.log_loss,
            figures.brier_score,
            figures.ece,
        ];
        intervals.extend(figures.lift);
        intervals
    }
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// Box and Muller's.
fn normal(u: f64, v: f64) -> f64 {
    (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
