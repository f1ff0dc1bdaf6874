//! How well a ranking finds those whom an action changes: Qini and area under the uplift curve, where some rows were
//! treated and some left alone. Rankings by probability are judged elsewhere.

use rayon::prelude::*;

use crate::metrics::Interval;
use crate::metrics::bootstrap::times_drawn;

/// Draws of the bootstrap.
const DRAWS: u64 = 200;

/// Rows of an experiment, each by how likely it was to be on its side.
#[derive(Debug, Clone, Copy)]
pub struct Treated<'a> {
    /// The predicted uplift of each row, by which rows are ranked, the largest first. Finite.
    pub uplift: &'a [f64],
    /// Whether each row was treated; the others were left alone.
    pub treated: &'a [bool],
    /// The outcome of each row: 0 or 1, or an amount.
    pub outcome: &'a [f64],
    /// What each row counts for: 1, or one over the propensity of its side.
    pub weight: &'a [f64],
    /// The key of each row's customer.
    pub key: &'a [u64],
}

/// Areas under curves over the share of rows treated, the best first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpliftAreas {
    /// Area between the curve of outcomes gained and the straight line of treating at random, per treated row:
    /// `Y1(k) - Y0(k) n1(k) / n0(k)` over the first k rows, divided by all treated rows (Radcliffe 2007). 0 for a ranking
    /// that tells nothing.
    pub qini: f64,
    /// Area under the curve of `(mean1(k) - mean0(k)) k / n` (Gutierrez and Gérardy 2017): half the mean effect for a
    /// ranking that tells nothing.
    pub auuc: f64,
}

impl Treated<'_> {
    /// The rows in their order, the largest uplift first; equal ones stand together.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.uplift.len() as u32).collect();
        order.sort_by(|a, b| self.uplift[*b as usize].total_cmp(&self.uplift[*a as usize]));
        order
    }

    /// Both areas. NaN where one side has no rows.
    pub fn areas(&self) -> UpliftAreas {
        self.areas_of(&self.order(), self.weight)
    }

    /// The areas that each draw of a bootstrap of customers gives.
    fn drawn(&self, seed: u64) -> Vec<UpliftAreas> {
        let order = self.order();
        let one = |draw| {
            let both = self.weight.iter().zip(self.key);
            let weight: Vec<f64> =
                both.map(|(weight, key)| weight * times_drawn(seed, draw, *key)).collect();
            self.areas_of(&order, &weight)
        };
        (0..DRAWS).into_par_iter().map(one).collect()
    }

    fn areas_of(&self, order: &[u32], weight: &[f64]) -> UpliftAreas {
        let (mut sums, mut counts) = ([0.0; 2], [0.0; 2]);
        let (mut qini, mut auuc, mut at) = (0.0, 0.0, 0.0);
        let (mut gained, mut lifted) = (0.0, 0.0);
        let all: f64 = weight.iter().sum();
        let tied = order.chunk_by(|a, b| self.uplift[*a as usize] == self.uplift[*b as usize]);
        for rows in tied {
            for &row in rows {
                let row = row as usize;
                let side = usize::from(self.treated[row]);
                sums[side] += weight[row] * self.outcome[row];
                counts[side] += weight[row];
            }
            let share = (counts[0] + counts[1]) / all;
            // Before both sides have a row, nothing is known to be gained.
            let known = counts[0] > 0.0 && counts[1] > 0.0;
            let now = if known { sums[1] - sums[0] * counts[1] / counts[0] } else { 0.0 };
            let lift =
                if known { (sums[1] / counts[1] - sums[0] / counts[0]) * share } else { 0.0 };
            qini += (gained + now) / 2.0 * (share - at);
            auuc += (lifted + lift) / 2.0 * (share - at);
            (gained, lifted, at) = (now, lift, share);
        }
        let nothing = counts[0] == 0.0 || counts[1] == 0.0;
        match nothing {
            true => UpliftAreas { qini: f64::NAN, auuc: f64::NAN },
            false => UpliftAreas { qini: (qini - gained / 2.0) / counts[1], auuc },
        }
    }
}

/// Qini and area under the uplift curve of rankings of several parts of the rows, each part by its own: their means by
/// the parts' rows, between quantiles of what a bootstrap of customers gives. `confidence`: 0.5 to 1.
///
/// Predictions of models of different folds must not be ranked together: what a fold's rows had less of, the others,
/// of which its model was made, had more of, so that a model that knows nothing but the mean would rank backwards.
pub fn uplift_areas(parts: &[Treated<'_>], seed: u64, confidence: f64) -> (Interval, Interval) {
    let all: usize = parts.iter().map(|part| part.uplift.len()).sum();
    let mut drawn = vec![(0.0, 0.0); DRAWS as usize];
    let (mut qini, mut auuc) = (0.0, 0.0);
    for part in parts {
        let share = part.uplift.len() as f64 / all as f64;
        let areas = part.areas();
        qini += share * areas.qini;
        auuc += share * areas.auuc;
        for (sum, areas) in drawn.iter_mut().zip(part.drawn(seed)) {
            *sum = (sum.0 + share * areas.qini, sum.1 + share * areas.auuc);
        }
    }
    let (qinis, auucs) = drawn.into_iter().unzip();
    (Interval::of_draws(qini, qinis, confidence), Interval::of_draws(auuc, auucs, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{mix2, unit};

    fn draw(row: usize, column: u64) -> f64 {
        unit(mix2(row as u64, column))
    }

    /// Half the rows gain 0.3 by the action, the others nothing.
    fn experiment(rows: usize) -> (Vec<f64>, Vec<bool>, Vec<f64>) {
        let gains = |row: usize| if draw(row, 0) < 0.5 { 0.3 } else { 0.0 };
        let treated: Vec<bool> = (0..rows).map(|row| draw(row, 1) < 0.5).collect();
        let outcome = |row: usize| {
            let chance = 0.2 + if treated[row] { gains(row) } else { 0.0 };
            f64::from(u8::from(draw(row, 2) < chance))
        };
        let outcome = (0..rows).map(outcome).collect();
        ((0..rows).map(gains).collect(), treated, outcome)
    }

    #[test]
    fn a_ranking_by_the_truth_has_the_area_that_follows_from_it() {
        let (uplift, treated, outcome) = experiment(200_000);
        let (weight, key) = (vec![1.0; 200_000], (0..200_000).collect::<Vec<u64>>());
        let judged = Treated {
            uplift: &uplift,
            treated: &treated,
            outcome: &outcome,
            weight: &weight,
            key: &key,
        };
        let areas = judged.areas();
        // Curve: up to 0.15 at one half, then level; the line goes to 0.15 at the end.
        assert!((areas.qini - (0.15 * 0.25 + 0.15 * 0.5 - 0.075)).abs() < 0.003, "{areas:?}");
        assert!((areas.auuc - (0.15 * 0.25 + 0.15 * 0.5)).abs() < 0.003, "{areas:?}");
        let constant = vec![0.0; 200_000];
        let areas = Treated { uplift: &constant, ..judged }.areas();
        assert!(areas.qini.abs() < 1e-12 && (areas.auuc - 0.075).abs() < 0.003, "{areas:?}");
        let (qini, auuc) = uplift_areas(&[judged], 1, 0.95);
        assert!(qini.low < qini.value && qini.value < qini.high && qini.low > 0.03, "{qini:?}");
        assert!(auuc.low < auuc.value && auuc.value < auuc.high, "{auuc:?}");
    }

    #[test]
    fn the_areas_are_those_of_the_definition() {
        let (_, treated, outcome) = experiment(300);
        let uplift: Vec<f64> = (0..300).map(|row| (draw(row, 9) * 40.0).floor()).collect();
        let (weight, key) = (vec![1.0; 300], (0..300).collect::<Vec<u64>>());
        let judged = Treated {
            uplift: &uplift,
            treated: &treated,
            outcome: &outcome,
            weight: &weight,
            key: &key,
        };
        // The slow way: the curve at each value of the uplift, from its rows.
        let mut cuts = uplift.clone();
        cuts.sort_by(|a, b| b.total_cmp(a));
        cuts.dedup();
        let of = |cut: f64, side: bool| {
            let rows = (0..300).filter(|r| uplift[*r] >= cut && treated[*r] == side);
            rows.fold((0.0, 0.0), |(n, y), r| (n + 1.0, y + outcome[r]))
        };
        let mut points = vec![(0.0, 0.0)];
        points.extend(cuts.iter().map(|cut| {
            let ((n1, y1), (n0, y0)) = (of(*cut, true), of(*cut, false));
            ((n1 + n0) / 300.0, if n1 * n0 > 0.0 { y1 - y0 * n1 / n0 } else { 0.0 })
        }));
        let area: f64 =
            points.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
        let last = points.last().unwrap().1;
        let all = treated.iter().filter(|t| **t).count() as f64;
        assert!((judged.areas().qini - (area - last / 2.0) / all).abs() < 1e-12);
    }

    #[test]
    fn one_side_alone_tells_nothing() {
        let judged = Treated {
            uplift: &[1.0, 2.0],
            treated: &[true, true],
            outcome: &[1.0, 0.0],
            weight: &[1.0, 1.0],
            key: &[1, 2],
        };
        assert!(judged.areas().qini.is_nan());
    }
}
