//! The best mixture of some allocations that stays within all limits, and what the limits are worth in it: a small
//! linear program, by the simplex method on a dense inverse. Makes no allocations itself.
//!
//! Maximise `sum w_t value_t` with `sum w_t use_tk <= supply_k`, `sum w_t = 1`, `w >= 0` (Dantzig and Wolfe 1960).

/// A part of the solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// An allocation's weight.
    Weight(usize),
    /// What is left of a supply.
    Rest(usize),
}

/// Allocations, and the basis of the last solution. The first allocation is that of nothing: it always fits.
#[derive(Debug)]
pub(super) struct Master {
    supply: Vec<f64>,
    values: Vec<f64>,
    /// Of each allocation, the shares of the supplies that it uses, then 1.
    uses: Vec<Vec<f64>>,
    basis: Vec<Part>,
}

/// The best mixture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mixture {
    /// What it brings.
    pub value: f64,
    /// What one more of each supply would bring; at least 0.
    pub prices: Vec<f64>,
    /// Allocations with a weight above 0, and their weights, which add up to 1.
    pub weights: Vec<(usize, f64)>,
}

/// Pivots after which the solution is taken as it is: it is sound at any time.
const MOST_PIVOTS: usize = 20_000;

/// Pivots without gain after which the first part that gains is taken (Bland's rule), so that no basis comes back.
const STALLED: usize = 40;

impl Master {
    /// All supplies are above 0.
    pub fn new(supply: Vec<f64>) -> Master {
        let rests = (0..supply.len()).map(Part::Rest);
        let basis = rests.chain([Part::Weight(0)]).collect();
        let nothing = [vec![0.0; supply.len()], vec![1.0]].concat();
        Master { supply, values: vec![0.0], uses: vec![nothing], basis }
    }

    /// Adds an allocation and tells its number.
    pub fn add(&mut self, value: f64, demand: &[f64]) -> usize {
        let shares = demand.iter().zip(&self.supply).map(|(demand, supply)| demand / supply);
        self.uses.push(shares.chain([1.0]).collect());
        self.values.push(value);
        self.values.len() - 1
    }

    /// The best mixture of all that were added.
    pub fn solve(&mut self) -> Mixture {
        let size = self.basis.len();
        let unit =
            self.values.iter().fold(0.0_f64, |most, value| most.max(value.abs())).max(1e-300);
        let mut inverse = self.inverse();
        let mut amounts: Vec<f64> =
            inverse.chunks_exact(size).map(|row| row.iter().sum()).collect();
        let mut stalled = 0;
        let mut duals = vec![0.0; size];
        for _ in 0..MOST_PIVOTS {
            duals.fill(0.0);
            for (part, row) in self.basis.iter().zip(inverse.chunks_exact(size)) {
                let value = self.value(*part) / unit;
                duals.iter_mut().zip(row).for_each(|(dual, cell)| *dual += value * cell);
            }
            let Some(entering) = self.entering(&duals, unit, stalled > STALLED) else { break };
            let column = self.column(entering);
            let direction: Vec<f64> = inverse
                .chunks_exact(size)
                .map(|row| row.iter().zip(&column).map(|(a, b)| a * b).sum())
                .collect();
            let ratio = |place: &usize| amounts[*place].max(0.0) / direction[*place];
            let places = (0..size).filter(|place| direction[*place] > 1e-11);
            // Of equal ratios the largest divisor, for accuracy.
            let leaving = places.min_by(|a, b| {
                ratio(a).total_cmp(&ratio(b)).then(direction[*b].total_cmp(&direction[*a]))
            });
            let Some(leaving) = leaving else { break };
            let step = ratio(&leaving);
            stalled = if step > 1e-12 { 0 } else { stalled + 1 };
            pivot(&mut inverse, &mut amounts, &direction, leaving, step);
            self.basis[leaving] = entering;
        }
        self.mixture(&amounts, &duals, unit)
    }

    fn mixture(&self, amounts: &[f64], duals: &[f64], unit: f64) -> Mixture {
        let parts = self.basis.iter().zip(amounts);
        let weights: Vec<(usize, f64)> = parts
            .filter_map(|(part, amount)| match part {
                Part::Weight(number) if *amount > 1e-9 => Some((*number, *amount)),
                _ => None,
            })
            .collect();
        let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
        let prices = duals.iter().zip(&self.supply);
        Mixture {
            value: weights.iter().map(|(number, weight)| weight * self.values[*number]).sum(),
            prices: prices.map(|(dual, supply)| dual.max(0.0) * unit / supply).collect(),
            weights: weights.into_iter().map(|(number, weight)| (number, weight / all)).collect(),
        }
    }

    /// The part that gains most, or the first that gains.
    fn entering(&self, duals: &[f64], unit: f64, first: bool) -> Option<Part> {
        let price = |uses: &[f64]| uses.iter().zip(duals).map(|(a, b)| a * b).sum::<f64>();
        let weights = self.values.iter().zip(&self.uses).enumerate();
        let weights =
            weights.map(|(t, (value, uses))| (Part::Weight(t), value / unit - price(uses)));
        let rests = (0..self.supply.len()).map(|k| (Part::Rest(k), -duals[k]));
        let mut gaining = rests.chain(weights).filter(|(_, gain)| *gain > 1e-11);
        let chosen = match first {
            true => gaining.next(),
            false => gaining.max_by(|a, b| a.1.total_cmp(&b.1)),
        };
        chosen.map(|(part, _)| part)
    }

    fn value(&self, part: Part) -> f64 {
        match part {
            Part::Weight(number) => self.values[number],
            Part::Rest(_) => 0.0,
        }
    }

    fn column(&self, part: Part) -> Vec<f64> {
        match part {
            Part::Weight(number) => self.uses[number].clone(),
            Part::Rest(place) => {
                (0..=self.supply.len()).map(|k| f64::from(u8::from(k == place))).collect()
            }
        }
    }

    /// The basis's inverse, row after row; begins anew where rounding has made the basis useless.
    fn inverse(&mut self) -> Vec<f64> {
        let columns: Vec<Vec<f64>> = self.basis.iter().map(|part| self.column(*part)).collect();
        inverted(&columns).unwrap_or_else(|| {
            let rests = (0..self.supply.len()).map(Part::Rest);
            self.basis = rests.chain([Part::Weight(0)]).collect();
            let columns: Vec<Vec<f64>> = self.basis.iter().map(|part| self.column(*part)).collect();
            inverted(&columns).expect("rests and the allocation of nothing are a unit matrix")
        })
    }
}

/// One part comes in for another.
fn pivot(inverse: &mut [f64], amounts: &mut [f64], direction: &[f64], leaving: usize, step: f64) {
    let size = amounts.len();
    let own: Vec<f64> = inverse[leaving * size..(leaving + 1) * size]
        .iter()
        .map(|x| x / direction[leaving])
        .collect();
    for (place, row) in inverse.chunks_exact_mut(size).enumerate() {
        if place == leaving {
            row.copy_from_slice(&own);
            amounts[place] = step;
        } else {
            row.iter_mut().zip(&own).for_each(|(cell, own)| *cell -= direction[place] * own);
            amounts[place] -= direction[place] * step;
        }
    }
}

/// The inverse of the matrix with these columns, by Gauss and Jordan; `None` where it has none.
fn inverted(columns: &[Vec<f64>]) -> Option<Vec<f64>> {
    let size = columns.len();
    let mut rows: Vec<Vec<f64>> = (0..size)
        .map(|r| {
            let left = columns.iter().map(|column| column[r]);
            left.chain((0..size).map(|c| f64::from(u8::from(c == r)))).collect()
        })
        .collect();
    for place in 0..size {
        let best = (place..size).max_by(|a, b| {
            rows[*a][place].abs().total_cmp(&rows[*b][place].abs()).then(b.cmp(a))
        })?;
        rows.swap(place, best);
        let divisor = rows[place][place];
        if divisor.abs() < 1e-10 {
            return None;
        }
        rows[place].iter_mut().for_each(|cell| *cell /= divisor);
        let own = rows[place].clone();
        for (r, row) in rows.iter_mut().enumerate().filter(|(r, _)| *r != place) {
            let factor = row[place];
            debug_assert!(r < size);
            row.iter_mut().zip(&own).for_each(|(cell, own)| *cell -= factor * own);
        }
    }
    Some(rows.into_iter().flat_map(|row| row[size..].to_vec()).collect())
}
