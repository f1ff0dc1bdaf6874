//! The best allocation itself, where few customers are in doubt: depth first, cut by the bound (Land and Doig 1960;
//! rows whose other actions lose more than the gap are settled beforehand). Gives up after a number of steps.

use crate::policy::allocation::cells::{Cells, Charges, NONE, units, units_within};

/// Rows in doubt up to which the search is begun.
const MOST_ROWS: usize = 400;

/// Steps after which it is given up.
const MOST_STEPS: usize = 2_000_000;

struct Search<'a> {
    cells: &'a Cells,
    /// Rows in doubt, and of each the actions with their loss beyond the best one, the least first.
    doubts: Vec<(usize, Vec<(f64, u8)>)>,
    spent: i128,
    budget: i128,
    taken: Vec<u64>,
    /// What the rows in doubt bring so far, and the most they have brought.
    profit: f64,
    most: f64,
    chosen: Vec<u8>,
    found: Option<Vec<u8>>,
    steps: usize,
}

/// Looks for a choice that brings more than `choice`, which brings `achieved`; `None` where that was given up, else the
/// best there is. `bound` is the dual's at `charges`.
pub(super) fn best(
    cells: &Cells,
    charges: &Charges,
    bound: f64,
    choice: &[u8],
    achieved: f64,
) -> Option<Vec<u8>> {
    // Rounding of the bound's sum must not settle what is in doubt.
    let slack = 1e-9 * bound.abs();
    let gap = bound - achieved + slack;
    let mut settled = choice.to_vec();
    let mut doubts = Vec::new();
    for (row, settled) in settled.iter_mut().enumerate().take(cells.free) {
        let top = cells.left(row, cells.best(row, charges), charges);
        let all = (0..cells.actions as u8).chain([NONE]);
        let losses = all.map(|action| (top - cells.left(row, action, charges), action));
        let mut open: Vec<(f64, u8)> = losses.filter(|(loss, _)| *loss <= gap).collect();
        open.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match open.as_slice() {
            [(_, only)] => *settled = *only,
            _ => doubts.push((row, open)),
        }
        if doubts.len() > MOST_ROWS {
            return None;
        }
    }
    doubts.iter().for_each(|(row, _)| settled[*row] = NONE);
    let fixed = cells.tally(&settled);
    let mut taken = vec![0; cells.limits.len()];
    for (action, customers) in fixed.customers.iter().enumerate() {
        cells.counted[action].iter().for_each(|limit| taken[*limit] += customers);
    }
    let spent = settled.iter().enumerate().map(|(row, a)| units(cells.cost(row, *a))).sum();
    let budget = cells.budget.map_or(i128::MAX, units_within);
    let most = achieved - fixed.profit;
    let chosen = vec![NONE; doubts.len()];
    let mut search = Search {
        cells,
        doubts,
        spent,
        budget,
        taken,
        profit: 0.0,
        most,
        chosen,
        found: None,
        steps: 0,
    };
    let within = bound + slack - fixed.profit;
    if !search.descend(0, within) {
        return None;
    }
    let Some(found) = search.found else { return Some(choice.to_vec()) };
    search.doubts.iter().zip(found).for_each(|((row, _), action)| settled[*row] = action);
    Some(settled)
}

impl Search<'_> {
    /// Tries all that may be better from a doubt on; `within` is the bound of what the rows in doubt can bring. False
    /// when given up.
    fn descend(&mut self, place: usize, within: f64) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        if place == self.doubts.len() {
            if self.profit > self.most {
                self.most = self.profit;
                self.found = Some(self.chosen.clone());
            }
            return true;
        }
        let row = self.doubts[place].0;
        for option in 0..self.doubts[place].1.len() {
            let (loss, action) = self.doubts[place].1[option];
            if within - loss <= self.most {
                break;
            }
            if !self.take(row, action) {
                continue;
            }
            self.chosen[place] = action;
            let on = self.descend(place + 1, within - loss);
            self.give_back(row, action);
            if !on {
                return false;
            }
        }
        true
    }

    fn take(&mut self, row: usize, action: u8) -> bool {
        let cost = units(self.cells.cost(row, action));
        if action == NONE {
            return true;
        }
        let counted = &self.cells.counted[usize::from(action)];
        let room = counted.iter().all(|limit| self.taken[*limit] < self.cells.limits[*limit]);
        if !room || self.spent + cost > self.budget {
            return false;
        }
        counted.iter().for_each(|limit| self.taken[*limit] += 1);
        self.spent += cost;
        self.profit += self.cells.profit(row, action);
        true
    }

    fn give_back(&mut self, row: usize, action: u8) {
        if action == NONE {
            return;
        }
        self.cells.counted[usize::from(action)].iter().for_each(|limit| self.taken[*limit] -= 1);
        self.spent -= units(self.cells.cost(row, action));
        self.profit -= self.cells.profit(row, action);
    }
}
