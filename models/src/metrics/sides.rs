//! What two models decide of the same rows: who changed side, and how the rates and the profit of their decisions differ,
//! by a bootstrap of the same draws for both. Neither thresholds nor probabilities are here.

use rayon::prelude::*;
use serde::Serialize;
use statrs::function::beta::beta_reg;

use crate::metrics::bootstrap::{Bootstrap, DRAWS};
use crate::metrics::draws::{LANES, Lanes, each};
use crate::metrics::{Difference, Interval};

/// Two models' decisions on the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Decisions<'a> {
    /// Whom the first predicts positive.
    pub first: &'a [bool],
    /// Whom the second predicts positive.
    pub second: &'a [bool],
    /// What was true.
    pub target: &'a [bool],
    /// Weights, finite and positive.
    pub weight: &'a [f64],
    /// What contacting each row would bring, in money, where there is a campaign.
    pub gain: Option<&'a [f64]>,
}

/// Rows of one outcome by what two models decide; in reports the first is called A, the second B.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sides {
    /// Predicted positive by both.
    pub both: Crowd,
    /// By the first alone.
    #[serde(rename = "only_a")]
    pub only_first: Crowd,
    /// By the second alone.
    #[serde(rename = "only_b")]
    pub only_second: Crowd,
    /// By neither.
    pub neither: Crowd,
    /// McNemar's exact test, two-sided, of as many rows changing to the one side as to the other: of rows without their
    /// weights. Null where customers have several rows, which do not change independently of each other.
    pub mcnemar_p: Option<f64>,
}

/// How many rows, and their weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Crowd {
    /// Rows.
    pub rows: usize,
    /// Their weight.
    pub weight: f64,
}

/// Rates of both models' decisions, and how much higher the second's are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// FP / (TP + FP).
    pub error_rate: Difference,
    /// FN / (TP + FN).
    pub miss_rate: Difference,
    /// Each model's profit per row, and the difference, where there is a campaign.
    pub profit: Option<([Interval; 2], Difference)>,
}

/// Weights by outcome (4) and the decisions of the first (2) and the second (1).
type Cells = [f64; 8];

impl Decisions<'_> {
    fn cell(&self, row: usize) -> usize {
        usize::from(self.target[row]) * 4
            + usize::from(self.first[row]) * 2
            + usize::from(self.second[row])
    }

    /// Who changed side among those with the target, and among those without. `alone`: no customer has several rows.
    pub fn sides(&self, alone: bool) -> [Sides; 2] {
        let mut crowds = [Crowd::default(); 8];
        for row in 0..self.target.len() {
            let crowd = &mut crowds[self.cell(row)];
            crowd.rows += 1;
            crowd.weight += self.weight[row];
        }
        let of = |from: usize| Sides {
            both: crowds[from + 3],
            only_first: crowds[from + 2],
            only_second: crowds[from + 1],
            neither: crowds[from],
            mcnemar_p: alone.then(|| mcnemar(crowds[from + 2].rows, crowds[from + 1].rows)),
        };
        [of(4), of(0)]
    }
}

/// The chance that of so many rows that changed side at least as many changed to one side, were either as likely.
fn mcnemar(one: usize, other: usize) -> f64 {
    let (fewer, all) = (one.min(other), one + other);
    if one == other {
        return 1.0;
    }
    // At most `fewer` of `all` heads of a fair coin, as the regularised incomplete beta function.
    let tail = beta_reg((all - fewer) as f64, fewer as f64 + 1.0, 0.5);
    (2.0 * tail).min(1.0)
}

/// What is summed of decisions.
#[derive(Clone, Copy)]
struct Sums<T> {
    cells: [T; 8],
    /// Money that each model brings.
    money: [T; 2],
}

/// What decisions come to: of each model the error rate, the miss rate and the profit per row.
fn figures(cells: &Cells, money: [f64; 2]) -> [[f64; 3]; 2] {
    let all: f64 = cells.iter().sum();
    [2, 1].map(|bit: usize| {
        let of = |target: usize, positive: bool| -> f64 {
            let cells = cells.iter().enumerate();
            let here =
                cells.filter(|(cell, _)| cell & 4 == target && (cell & bit != 0) == positive);
            here.map(|(_, weight)| weight).sum()
        };
        let (hits, wrong, missed) = (of(4, true), of(0, true), of(4, false));
        [wrong / (hits + wrong), missed / (hits + missed), money[2 - bit] / all]
    })
}

impl Bootstrap<'_> {
    /// How the rates of two models' decisions differ; the draws are of the rows that the bootstrap was made for.
    pub fn rates(&self, decisions: &Decisions<'_>) -> Rates {
        let drawn: Vec<[[f64; 3]; 2]> = (0..DRAWS / LANES as u64)
            .into_par_iter()
            .flat_map_iter(|chunk| {
                let sums = self.sums(decisions, chunk);
                (0..LANES).map(move |lane| {
                    figures(&sums.cells.map(|c| c[lane]), sums.money.map(|m| m[lane]))
                })
            })
            .collect();
        let [first, second] = told(decisions);
        let of = |model: usize, place: usize| -> Vec<f64> {
            drawn.iter().map(|draw| draw[model][place]).collect()
        };
        let apart = |place: usize| {
            Difference::of_draws(second[place] - first[place], &of(0, place), &of(1, place))
        };
        let profit = decisions.gain.map(|_| {
            let of = |model: usize, value: f64| {
                Interval::of_draws(value, of(model, 2), self.confidence())
            };
            ([of(0, first[2]), of(1, second[2])], apart(2))
        });
        Rates { error_rate: apart(0), miss_rate: apart(1), profit }
    }

    /// The sums of a chunk of draws.
    fn sums(&self, decisions: &Decisions<'_>, chunk: u64) -> Sums<Lanes> {
        let mut sums = Sums { cells: [[0.0; LANES]; 8], money: [[0.0; LANES]; 2] };
        let mut drawn = [0.0; LANES];
        for row in 0..decisions.target.len() {
            self.times(row as u32, chunk, &mut drawn);
            let weight = decisions.weight[row];
            let cell = decisions.cell(row);
            each(&mut sums.cells[cell], &drawn, |sum, times| *sum += times * weight);
            let Some(gain) = decisions.gain else { continue };
            let gain = gain[row] * weight;
            for (money, bit) in sums.money.iter_mut().zip([2, 1]) {
                if cell & bit != 0 {
                    each(money, &drawn, |sum, times| *sum += times * gain);
                }
            }
        }
        sums
    }
}

/// The figures of the rows as they are.
fn told(decisions: &Decisions<'_>) -> [[f64; 3]; 2] {
    let mut sums = Sums { cells: [0.0; 8], money: [0.0; 2] };
    for row in 0..decisions.target.len() {
        let cell = decisions.cell(row);
        sums.cells[cell] += decisions.weight[row];
        let gain = decisions.gain.map_or(0.0, |gain| gain[row] * decisions.weight[row]);
        for (money, bit) in sums.money.iter_mut().zip([2, 1]) {
            *money += if cell & bit != 0 { gain } else { 0.0 };
        }
    }
    figures(&sums.cells, sums.money)
}

#[cfg(test)]
mod tests;
