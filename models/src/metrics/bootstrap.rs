//! Intervals by the bootstrap: rows, or customers with all their rows, are drawn again with
//! replacement. Draws follow from the seed alone, on any number of threads.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{Judged, Ranked};
use crate::seed::mix2;

/// Draws of a bootstrap.
pub(super) const DRAWS: u64 = 200;

/// A figure and where it may lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The figure; NaN (null in JSON) where it is not defined.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// A figure between the quantiles of what the draws of a bootstrap gave for it. `confidence`: 0.5 to 1. Draws that
    /// are not finite do not count; without others both ends are NaN.
    pub fn of_draws(value: f64, drawn: Vec<f64>, confidence: f64) -> Interval {
        between(value, drawn, (1.0 - confidence) / 2.0)
    }
}

/// A measure of ranked rows under the weights given, in the ranking's order.
pub type Measure<'a> = &'a (dyn Fn(&Ranked, &[f64]) -> f64 + Sync);

/// Times that rows are drawn. Every group (or row) is drawn a Poisson(1) number of times, which for
/// many groups is the bootstrap with replacement (Chamandy et al. 2012) and needs no memory.
#[derive(Debug, Clone)]
pub struct Bootstrap<'a> {
    group: Option<&'a [u64]>,
    seed: u64,
    confidence: f64,
}

impl<'a> Bootstrap<'a> {
    /// `confidence` of the intervals: 0.5 to 1.
    pub fn new(judged: &Judged<'a>, seed: u64, confidence: f64) -> Bootstrap<'a> {
        Bootstrap { group: judged.group, seed, confidence }
    }

    /// Measures of the ranked rows, each with the interval between the quantiles of 200 draws. All
    /// measures are taken of the same draws.
    pub fn intervals(&self, ranked: &Ranked, measures: &[Measure<'_>]) -> Vec<Interval> {
        let draws: Vec<Vec<f64>> = (0..DRAWS)
            .into_par_iter()
            .map(|draw| {
                let weights = self.weights(ranked, draw);
                measures.iter().map(|measure| measure(ranked, &weights)).collect()
            })
            .collect();
        let interval = |(place, measure): (usize, &Measure<'_>)| {
            let drawn = draws.iter().map(|draw| draw[place]).collect();
            Interval::of_draws(measure(ranked, ranked.weights()), drawn, self.confidence)
        };
        measures.iter().enumerate().map(interval).collect()
    }

    /// The weights of a draw, in the ranking's order.
    pub(super) fn weights(&self, ranked: &Ranked, draw: u64) -> Vec<f64> {
        let times = |row: &u32| times_drawn(self.seed, draw, self.key(*row));
        ranked.order().iter().zip(ranked.weights()).map(|(row, w)| w * times(row)).collect()
    }

    /// What is drawn: the row's customer, or the row.
    pub(super) fn key(&self, row: u32) -> u64 {
        self.group.map_or(u64::from(row), |group| group[row as usize])
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn confidence(&self) -> f64 {
        self.confidence
    }
}

/// The value between the quantiles of what was drawn that leave `tail` on either side.
fn between(value: f64, mut drawn: Vec<f64>, tail: f64) -> Interval {
    drawn.retain(|x| x.is_finite());
    drawn.sort_by(f64::total_cmp);
    if drawn.is_empty() {
        return Interval { value, low: f64::NAN, high: f64::NAN };
    }
    let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
    Interval { value, low: at(tail).min(value), high: at(1.0 - tail).max(value) }
}

/// How often a draw of the bootstrap that follows from the seed takes the rows of a customer: a Poisson(1) number. Four
/// draws share a hash.
pub fn times_drawn(seed: u64, draw: u64, key: u64) -> f64 {
    let bits = mix2(mix2(seed, draw / 4), key);
    times_of((bits >> (16 * (draw % 4))) as u16)
}

/// A Poisson(1) number from 16 bits, by its distribution function.
pub(super) fn times_of(bits: u16) -> f64 {
    // Of 65,536 numbers, how many are below 1, 2, 3, ...
    const BELOW: [u16; 8] = [24_109, 48_219, 60_274, 64_292, 65_297, 65_497, 65_531, 65_535];
    let times = BELOW.iter().map(|below| u8::from(bits >= *below)).sum::<u8>();
    f64::from(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::unit;

    #[test]
    fn rows_are_drawn_once_on_average() {
        let drawn: Vec<f64> = (0..=u16::MAX).map(times_of).collect();
        let mean = drawn.iter().sum::<f64>() / 65_536.0;
        let variance = drawn.iter().map(|d| (d - 1.0).powi(2)).sum::<f64>() / 65_536.0;
        assert!((mean - 1.0).abs() < 5e-5 && (variance - 1.0).abs() < 5e-4, "{mean} {variance}");
        assert_eq!(times_drawn(1, 6, 9), times_of((mix2(mix2(1, 1), 9) >> 32) as u16));
    }

    #[test]
    fn intervals_hold_the_truth_about_as_often_as_they_say() {
        // 200 tables of 300 rows whose true AUC is known: two normals one apart, 0.7602.
        let held = (0..200).filter(|&table| {
            let draw = |row: u64, k: u64| unit(mix2(mix2(table, row), k));
            let target: Vec<bool> = (0..300).map(|row| draw(row, 0) < 0.4).collect();
            let normal = |row: u64| {
                let radius = (-2.0 * (1.0 - draw(row, 1)).ln()).sqrt();
                radius * (2.0 * std::f64::consts::PI * draw(row, 2)).cos()
            };
            let score: Vec<f64> = (0..300)
                .map(|row| normal(row) + f64::from(u8::from(target[row as usize])))
                .collect();
            let weight = vec![1.0; 300];
            let judged =
                Judged { probability: &score, target: &target, weight: &weight, group: None };
            let ranked = Ranked::new(&judged);
            let auc = Bootstrap::new(&judged, 7, 0.95).intervals(&ranked, &[&Ranked::roc_auc])[0];
            auc.low <= 0.7602 && 0.7602 <= auc.high
        });
        let held = held.count();
        assert!((180..=198).contains(&held), "{held} of 200");
    }

    #[test]
    fn rows_of_one_customer_are_drawn_together() {
        // Every customer has ten equal rows: as uncertain as one row each, not as ten.
        let rows = 1_000;
        let target: Vec<bool> = (0..rows).map(|r| (r / 10) % 3 == 0).collect();
        let score: Vec<f64> = (0..rows)
            .map(|r| unit(mix2(1, r as u64 / 10)) + 0.3 * f64::from(u8::from(target[r])))
            .collect();
        let weight = vec![1.0; rows];
        let group: Vec<u64> = (0..rows as u64).map(|r| r / 10).collect();
        let width = |group: Option<&[u64]>| {
            let judged = Judged { probability: &score, target: &target, weight: &weight, group };
            let ranked = Ranked::new(&judged);
            let auc = Bootstrap::new(&judged, 3, 0.95).intervals(&ranked, &[&Ranked::roc_auc])[0];
            auc.high - auc.low
        };
        assert!(width(Some(&group)) > 2.0 * width(None));
    }
}
