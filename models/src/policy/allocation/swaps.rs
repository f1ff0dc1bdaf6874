//! Changes of two rows at once that bring more: what one gives back the other takes. They fill the last of a budget, which
//! no row alone fits into. Looks at the changes that lose least beyond the charges, and nowhere else.

use rayon::prelude::*;

use crate::policy::allocation::cells::{NONE, units};
use crate::policy::allocation::rounding::Draft;

/// Changes that are paired with each other.
const PAIRED: usize = 2_000;

/// Pairs changed at most.
const MOST_SWAPS: usize = 60;

/// The share of the bound that is not worth looking for.
const NEAR: f64 = 2e-5;

/// A row's change to an action.
#[derive(Debug, Clone, Copy)]
struct Change {
    loss: f64,
    row: u32,
    to: u8,
    profit: f64,
    cost: i128,
}

/// Makes the best swap there is, until none brings more or the draft is near the bound.
pub(super) fn swap(draft: &mut Draft<'_>, bound: f64) {
    for _ in 0..MOST_SWAPS {
        let profit = draft.cells.tally(&draft.choice).profit;
        let gap = bound - profit;
        if gap <= NEAR * bound {
            return;
        }
        let changes = changes(draft, gap);
        let best = (0..changes.len())
            .into_par_iter()
            .filter_map(|first| best_with(draft, &changes, first, 1e-9 * bound))
            .max_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
        let Some((_, first, second)) = best else { return };
        for place in [first, second] {
            draft.change(changes[place].row as usize, changes[place].to);
        }
        while draft.fill() {}
    }
}

/// The changes that lose least, at most `gap`: others are in no better allocation.
fn changes(draft: &Draft<'_>, gap: f64) -> Vec<Change> {
    let cells = draft.cells;
    let own = |row: usize| {
        let from = draft.choice[row];
        let (left, profit) = (cells.left(row, from, draft.charges), cells.profit(row, from));
        let cost = units(cells.cost(row, from));
        let others = (0..cells.actions as u8).chain([NONE]).filter(move |to| *to != from);
        others.map(move |to| Change {
            loss: left - cells.left(row, to, draft.charges),
            row: row as u32,
            to,
            profit: cells.profit(row, to) - profit,
            cost: units(cells.cost(row, to)) - cost,
        })
    };
    let all = (0..cells.free).into_par_iter().flat_map_iter(own);
    let mut changes: Vec<Change> = all.filter(|change| change.loss <= gap).collect();
    let order =
        |a: &Change, b: &Change| a.loss.total_cmp(&b.loss).then((a.row, a.to).cmp(&(b.row, b.to)));
    if changes.len() > PAIRED {
        changes.select_nth_unstable_by(PAIRED, order);
        changes.truncate(PAIRED);
    }
    changes.sort_unstable_by(order);
    changes
}

/// The best change of another row beside one, later in the list: what both bring, and their places.
fn best_with(
    draft: &Draft<'_>,
    changes: &[Change],
    first: usize,
    least: f64,
) -> Option<(f64, usize, usize)> {
    let (one, mut most, mut best) = (&changes[first], least, None);
    for (second, other) in changes.iter().enumerate().skip(first + 1) {
        let profit = one.profit + other.profit;
        let better = profit > most && one.row != other.row;
        let both = [(one.row as usize, one.to), (other.row as usize, other.to)];
        if better && draft.affords(one.cost + other.cost) && draft.fits_both(both) {
            (most, best) = (profit, Some((profit, first, second)));
        }
    }
    best
}
