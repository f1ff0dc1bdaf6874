//! The allocation: who gets which action, so that all together bring most within the limits. Knows no words, no
//! columns and no campaigns.
//!
//! The linear program's dual is solved by generating allocations at prices ([`prices`] on [`master`]); the best mixture
//! of them is rounded and repaired ([`rounding`], [`swaps`]); where few customers are left in doubt the optimum itself is searched
//! ([`search`]).

mod cells;
mod master;
mod prices;
mod problem;
mod rounding;
mod search;
mod swaps;

#[cfg(test)]
mod tests;

pub use problem::{Costs, Limit, MOST_ACTIONS, MOST_MONEY, Problem};

use crate::error::Result;
use crate::policy::allocation::cells::{Cells, NONE, Tally};
use crate::policy::allocation::prices::Priced;
use crate::policy::allocation::rounding::{Draft, deal};

/// Who gets what, and how good that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// Each customer's action, in the problem's order; `None`: no action. Of customers held out, the one they would
    /// have had.
    pub actions: Vec<Option<usize>>,
    /// What it is expected to bring: the sum of profits of those who take part.
    pub profit: f64,
    /// What it costs.
    pub cost: f64,
    /// No allocation within the limits brings more: the linear program's bound, or `profit` itself where `exact`.
    pub bound: f64,
    /// The share of the bound that is missing, 0 to 1.
    pub gap: f64,
    /// Whether nothing better exists, which was found out by searching: always so where no limit is reached, mostly so
    /// where few customers take part (a few hundred), never sure where many do.
    pub exact: bool,
    /// What one more unit of budget would bring; `None` without a budget.
    pub marginal_budget: Option<f64>,
    /// What one more place of each limit would bring, in the problem's order; 0 where places are left. A limit of no
    /// place has no price: NaN.
    pub marginal_places: Vec<f64>,
}

/// Divides actions among customers.
///
/// The same problem gives the same allocation on any number of threads and in any order of its rows (as long as keys
/// differ). Limits are never exceeded: money is counted in millionths, costs rounded up. Takes a few passes over all
/// cells: one to two seconds for 1,000,000 customers and 10 actions on two cores.
///
/// # Errors
/// As [`Problem::validate`].
pub fn allocate(problem: &Problem<'_>) -> Result<Allocation> {
    problem.validate()?;
    let cells = Cells::new(problem);
    let priced = prices::solve(&cells);
    let charges = cells.charges(&priced.prices);
    let dealt = match cells.free {
        // Nobody takes part: nothing is scarce, and those held out would have had what is best for each.
        0 => {
            let free = cells.charges(&vec![0.0; priced.prices.len()]);
            (0..cells.customers.len()).map(|row| cells.best(row, &free)).collect()
        }
        _ => deal(&cells, &priced),
    };
    let (free, held) = dealt.split_at(cells.free);
    let mut draft = Draft::new(&cells, &charges, free.to_vec());
    draft.settle();
    swaps::swap(&mut draft, priced.bound);
    let mut choice = draft.choice;
    let mut tally = cells.tally(&choice);
    let mut exact = tally.profit >= priced.bound;
    if !exact && problem.search {
        let found = search::best(&cells, &charges, priced.bound, &choice, tally.profit);
        exact = found.is_some();
        choice = found.unwrap_or(choice);
        tally = cells.tally(&choice);
    }
    choice.extend(held);
    Ok(report(problem, &cells, &priced, (&choice, &tally), exact))
}

fn report(
    problem: &Problem<'_>,
    cells: &Cells,
    priced: &Priced,
    (choice, tally): (&[u8], &Tally),
    exact: bool,
) -> Allocation {
    let mut actions = vec![None; problem.customers()];
    for (customer, action) in cells.customers.iter().zip(choice) {
        actions[*customer as usize] = (*action != NONE).then_some(usize::from(*action));
    }
    let bound = if exact { tally.profit } else { priced.bound.max(tally.profit) };
    let mut places = priced.prices[usize::from(cells.budget.is_some())..].iter();
    let marginal_places = problem.limits.iter().map(|limit| match limit {
        limit if limit.actions.is_empty() => 0.0,
        limit if limit.most == 0 => f64::NAN,
        _ => places.next().copied().unwrap_or(0.0),
    });
    Allocation {
        actions,
        profit: tally.profit,
        cost: tally.cost,
        bound,
        gap: if bound > 0.0 { (bound - tally.profit) / bound } else { 0.0 },
        exact,
        marginal_budget: cells.budget.map(|_| priced.prices[0]),
        marginal_places: marginal_places.collect(),
    }
}
