//! What budget and places are worth: the dual of the linear program, by generating allocations at prices until the best
//! mixture of them brings what the prices say (Dantzig and Wolfe 1960, prices smoothed as by Wentges 1997). Rounds
//! nothing.

use crate::policy::allocation::cells::{Cells, Prices};
use crate::policy::allocation::master::{Master, Mixture};

/// The dual solved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Priced {
    /// The prices with the lowest bound.
    pub prices: Prices,
    /// No allocation brings more, in fractions neither.
    pub bound: f64,
    /// Prices whose best allocations make the best mixture found, and their shares, which add up to 1; `None`: that of
    /// nothing.
    pub mixture: Vec<(Option<Prices>, f64)>,
}

/// How hard to try.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// Passes over the rows.
    passes: usize,
    /// The share of the bound that the mixture may bring less.
    tolerance: f64,
}

/// Rows up to which all are looked at from the start, and the number looked at first otherwise.
const SAMPLE: usize = 20_000;

/// How far to go from the master's prices to those with the lowest bound: all are tried in a pass.
const SMOOTHINGS: [f64; 4] = [0.0, 0.5, 0.8, 0.95];

/// Solves the dual. With many rows the prices of a sample come first: few passes over all are then needed.
pub(super) fn solve(cells: &Cells) -> Priced {
    let (all, none) = (cells.free, vec![0.0; cells.supply(1.0).len()]);
    let mut start = vec![none];
    let mut rows = SAMPLE;
    while rows < all {
        let sample = descend(cells, rows, &start, Effort { passes: 400, tolerance: 1e-6 });
        start = sample.mixture.into_iter().filter_map(|(prices, _)| prices).collect();
        start.push(sample.prices);
        rows *= 16;
    }
    let passes = if all > SAMPLE { 40 } else { 1_000 };
    descend(cells, all, &start, Effort { passes, tolerance: 1e-5 })
}

/// Allocations of the first rows, their prices, and the lowest bound so far.
struct Descent<'a> {
    cells: &'a Cells,
    rows: usize,
    supply: Vec<f64>,
    master: Master,
    /// Prices of the master's allocations; `None` for the first, which is that of nothing.
    priced: Vec<Option<Prices>>,
    bound: f64,
    centre: Prices,
}

fn descend(cells: &Cells, rows: usize, start: &[Prices], effort: Effort) -> Priced {
    let supply = cells.supply(rows as f64 / cells.free.max(1) as f64);
    let mut descent = Descent {
        cells,
        rows,
        master: Master::new(supply.clone()),
        priced: vec![None],
        bound: f64::INFINITY,
        centre: vec![0.0; supply.len()],
        supply,
    };
    descent.look(start);
    let mut mixture = descent.master.solve();
    for _ in 0..effort.passes {
        if descent.bound - mixture.value <= effort.tolerance * descent.bound {
            break;
        }
        let mut tried: Vec<Prices> = Vec::with_capacity(SMOOTHINGS.len());
        for smoothing in SMOOTHINGS {
            let pairs = descent.centre.iter().zip(&mixture.prices);
            let prices = pairs.map(|(c, p)| smoothing * c + (1.0 - smoothing) * p).collect();
            if !tried.contains(&prices) {
                tried.push(prices);
            }
        }
        descent.look(&tried);
        mixture = descent.master.solve();
    }
    descent.end(mixture)
}

impl Descent<'_> {
    /// Takes the best allocations at some prices in.
    fn look(&mut self, tried: &[Prices]) {
        let charges: Vec<_> = tried.iter().map(|prices| self.cells.charges(prices)).collect();
        for (prices, tally) in tried.iter().zip(self.cells.tallies(self.rows, &charges)) {
            let demand = self.cells.demand(&tally);
            // What is left of the supplies is worth its price too: weak duality.
            let rests = prices.iter().zip(self.supply.iter().zip(&demand));
            let rest: f64 = rests.map(|(price, (supply, demand))| price * (supply - demand)).sum();
            if tally.profit + rest < self.bound {
                self.bound = tally.profit + rest;
                self.centre.clone_from(prices);
            }
            self.master.add(tally.profit, &demand);
            self.priced.push(Some(prices.clone()));
        }
    }

    fn end(self, mixture: Mixture) -> Priced {
        let weights = mixture.weights.iter();
        Priced {
            mixture: weights
                .map(|(number, weight)| (self.priced[*number].clone(), *weight))
                .collect(),
            prices: self.centre,
            bound: self.bound,
        }
    }
}
