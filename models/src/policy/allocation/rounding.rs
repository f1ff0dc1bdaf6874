//! From a mixture of allocations to one action or none for each customer: shares are dealt out, what is over a limit is
//! taken back where it costs least, what is free is given where it brings most. Knows no bound.

use rayon::prelude::*;

use crate::policy::allocation::cells::{BLOCK, Cells, Charges, NONE, units, units_within};
use crate::policy::allocation::prices::Priced;
use crate::seed::mix2;

/// Every row its action in one of the mixture's allocations, so that each is followed in its share: within the rows
/// that differ in the same way, shares are kept as evenly as can be. Rows held out are dealt with by themselves.
pub(super) fn deal(cells: &Cells, priced: &Priced) -> Vec<u8> {
    let charges: Vec<(Option<Charges>, f64)> = priced
        .mixture
        .iter()
        .map(|(prices, share)| (prices.as_ref().map(|prices| cells.charges(prices)), *share))
        .collect();
    let action = |row: usize, charges: &Option<Charges>| {
        charges.as_ref().map_or(NONE, |charges| cells.best(row, charges))
    };
    let mut choice: Vec<u8> = (0..cells.customers.len())
        .into_par_iter()
        .map(|row| charges.first().map_or(NONE, |(charges, _)| action(row, charges)))
        .collect();
    // Rows whose action differs between the allocations, by how.
    let mut torn: Vec<(bool, u64, u32)> = (0..cells.customers.len())
        .into_par_iter()
        .filter_map(|row| {
            let mut kind = 0;
            let mut same = true;
            for (charges, _) in &charges {
                let own = action(row, charges);
                same &= own == choice[row];
                kind = mix2(kind, u64::from(own));
            }
            (!same).then_some((row >= cells.free, kind, row as u32))
        })
        .collect();
    torn.par_sort_unstable();
    let mut place = 0;
    for (number, (held, _, row)) in torn.iter().enumerate() {
        place = if number > 0 && torn[number - 1].0 != *held { 0 } else { place + 1 };
        // Multiples of the golden ratio lie evenly between 0 and 1, however many are taken.
        let mut at = (place as f64 * 0.618_033_988_749_894_9).fract();
        let chosen = charges.iter().find(|(_, share)| {
            at -= share;
            at < 0.0
        });
        let chosen = chosen.or(charges.last());
        choice[*row as usize] = chosen.map_or(NONE, |(charges, _)| action(*row as usize, charges));
    }
    choice
}

/// A choice for the rows that take part, with what it uses.
pub(super) struct Draft<'a> {
    pub cells: &'a Cells,
    pub charges: &'a Charges,
    pub choice: Vec<u8>,
    spent: i128,
    budget: i128,
    taken: Vec<u64>,
}

/// A possible change: by what it loses or gains, the row, the action.
type Change = (f64, u32, u8);

/// Changes kept of a block of rows in a pass.
const KEPT: usize = 2_048;

/// Passes in search of changes that gain.
const PASSES: usize = 24;

impl<'a> Draft<'a> {
    pub fn new(cells: &'a Cells, charges: &'a Charges, choice: Vec<u8>) -> Draft<'a> {
        let spent = choice.par_iter().enumerate();
        let spent = spent.map(|(row, action)| units(cells.cost(row, *action))).sum();
        let mut taken = vec![0; cells.limits.len()];
        for (action, customers) in cells.tally(&choice).customers.iter().enumerate() {
            cells.counted[action].iter().for_each(|limit| taken[*limit] += customers);
        }
        let budget = cells.budget.map_or(i128::MAX, units_within);
        Draft { cells, charges, choice, spent, budget, taken }
    }

    /// Takes back what is over a limit, then gives what is free.
    pub fn settle(&mut self) {
        for limit in 0..self.taken.len() {
            self.bring_down(Some(limit));
        }
        self.bring_down(None);
        for _ in 0..PASSES {
            if !self.fill() {
                break;
            }
        }
    }

    fn counts(&self, limit: usize, action: u8) -> bool {
        action != NONE && self.cells.counted[usize::from(action)].contains(&limit)
    }

    fn over(&self, limit: Option<usize>) -> bool {
        match limit {
            Some(limit) => self.taken[limit] > self.cells.limits[limit],
            None => self.spent > self.budget,
        }
    }

    /// Whether a row may change to an action without going over any limit further than now.
    fn fits(&self, row: usize, to: u8) -> bool {
        let from = self.choice[row];
        let more = units(self.cells.cost(row, to)) - units(self.cells.cost(row, from));
        if to == NONE {
            return true;
        }
        self.affords(more)
            && self.cells.counted[usize::from(to)].iter().all(|limit| {
                self.counts(*limit, from) || self.taken[*limit] < self.cells.limits[*limit]
            })
    }

    /// Whether so much more money may be spent.
    pub fn affords(&self, more: i128) -> bool {
        more <= 0 || self.spent + more <= self.budget
    }

    /// Whether two rows may change at once, as far as places go.
    pub fn fits_both(&self, changes: [(usize, u8); 2]) -> bool {
        (0..self.taken.len()).all(|limit| {
            let more: i128 = changes
                .iter()
                .map(|(row, to)| {
                    let counts = |action: u8| i128::from(self.counts(limit, action));
                    counts(*to) - counts(self.choice[*row])
                })
                .sum();
            more <= 0 || self.taken[limit] as i128 + more <= self.cells.limits[limit] as i128
        })
    }

    pub fn change(&mut self, row: usize, to: u8) {
        let from = std::mem::replace(&mut self.choice[row], to);
        self.spent += units(self.cells.cost(row, to)) - units(self.cells.cost(row, from));
        if from != NONE {
            self.cells.counted[usize::from(from)].iter().for_each(|limit| self.taken[*limit] -= 1);
        }
        if to != NONE {
            self.cells.counted[usize::from(to)].iter().for_each(|limit| self.taken[*limit] += 1);
        }
    }

    /// Changes rows to what uses less of a limit (the budget where `None`), the cheapest changes first, until it holds.
    fn bring_down(&mut self, limit: Option<usize>) {
        while self.over(limit) {
            let mut changes: Vec<Change> = (0..self.cells.free)
                .into_par_iter()
                .filter_map(|row| self.relief(row, limit).map(|(loss, to)| (loss, row as u32, to)))
                .collect();
            changes.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            for (_, row, _) in changes {
                if !self.over(limit) {
                    break;
                }
                // Other changes may have taken the place that was free.
                if let Some((_, to)) = self.relief(row as usize, limit) {
                    self.change(row as usize, to);
                }
            }
        }
    }

    /// The change of a row that relieves a limit at the least loss, by what is saved where that is money.
    fn relief(&self, row: usize, limit: Option<usize>) -> Option<(f64, u8)> {
        let from = self.choice[row];
        if from == NONE || limit.is_some_and(|limit| !self.counts(limit, from)) {
            return None;
        }
        let own = self.cells.left(row, from, self.charges);
        let paid = self.cells.cost(row, from);
        let mut best: Option<(f64, u8)> = None;
        for to in (0..self.cells.actions as u8).chain([NONE]) {
            let left = self.cells.left(row, to, self.charges);
            if to == from || left == f64::NEG_INFINITY {
                continue;
            }
            let saved = paid - self.cells.cost(row, to);
            let relieves = match limit {
                Some(limit) => !self.counts(limit, to),
                None => units(paid) > units(self.cells.cost(row, to)),
            };
            let loss = match limit {
                Some(_) => own - left,
                None => (own - left) / saved,
            };
            let better = best.is_none_or(|(least, _)| loss < least);
            if relieves && better && self.fits(row, to) {
                best = Some((loss, to));
            }
        }
        best
    }

    /// Changes rows to what brings more and fits, those first that lose least beyond the charges; false where none was.
    pub fn fill(&mut self) -> bool {
        let blocks: Vec<Vec<Change>> = (0..self.cells.free.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let rows = block * BLOCK..((block + 1) * BLOCK).min(self.cells.free);
                let mut changes: Vec<Change> = Vec::new();
                rows.for_each(|row| self.gains(row, &mut changes));
                if changes.len() > KEPT {
                    changes.select_nth_unstable_by(KEPT, by_gain);
                    changes.truncate(KEPT);
                }
                changes
            })
            .collect();
        let mut changes = blocks.concat();
        changes.sort_unstable_by(by_gain);
        let mut changed = false;
        for (_, row, to) in changes {
            let row = row as usize;
            let gain = self.cells.profit(row, to) - self.cells.profit(row, self.choice[row]);
            if gain > 0.0 && self.fits(row, to) {
                self.change(row, to);
                changed = true;
            }
        }
        changed
    }

    fn gains(&self, row: usize, changes: &mut Vec<Change>) {
        let from = self.choice[row];
        let (now, own) = (self.cells.profit(row, from), self.cells.left(row, from, self.charges));
        for to in 0..self.cells.actions as u8 {
            if self.cells.profit(row, to) > now && self.fits(row, to) {
                changes.push((self.cells.left(row, to, self.charges) - own, row as u32, to));
            }
        }
    }
}

/// The most first; equal ones by row and action.
fn by_gain(a: &Change, b: &Change) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
}
