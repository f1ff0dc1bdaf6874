//! Customers times actions as they are searched: in the keys' order, those held out last, without those who can have
//! nothing. Sums are taken over blocks of rows that do not depend on threads.

use rayon::prelude::*;

use crate::policy::allocation::problem::{Costs, Problem};
use crate::seed::mix;

/// No action.
pub(super) const NONE: u8 = u8::MAX;

/// Rows summed one after the other.
pub(super) const BLOCK: usize = 16_384;

/// Money is counted in whole millionths where it must not be exceeded: sums then do not depend on their order.
const UNITS: f64 = 1e6;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Cells {
    /// The customer of each row.
    pub customers: Vec<u32>,
    /// Rows before this one take part; those from here on are held out.
    pub free: usize,
    /// Number of actions.
    pub actions: usize,
    /// Negative infinity where not allowed.
    pub profits: Vec<f64>,
    costs: Costing,
    /// The limits that each action counts in, by their place in `limits`.
    pub counted: Vec<Vec<usize>>,
    /// The most customers of each limit.
    pub limits: Vec<u64>,
    /// The most that may be spent.
    pub budget: Option<f64>,
}

#[derive(Debug)]
enum Costing {
    PerAction(Vec<f64>),
    PerCell(Vec<f64>),
}

/// What an allocation takes and brings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    /// The profits' sum.
    pub profit: f64,
    /// The costs' sum.
    pub cost: f64,
    /// Customers by action.
    pub customers: Vec<u64>,
}

/// What the use of limits costs: first the budget's price where there is a budget, then each limit's.
pub(super) type Prices = Vec<f64>;

/// Prices as a row needs them: of a unit of money, and of each action's places together.
#[derive(Debug)]
pub(super) struct Charges {
    money: f64,
    places: Vec<f64>,
}

impl Cells {
    /// Puts a sound problem in order.
    pub fn new(problem: &Problem<'_>) -> Cells {
        let actions = problem.actions;
        let limits: Vec<_> = problem.limits.iter().filter(|l| !l.actions.is_empty()).collect();
        let shut: Vec<bool> = (0..actions)
            .map(|action| limits.iter().any(|l| l.most == 0 && l.actions.contains(&action)))
            .collect();
        let budget = problem.budget.map(units_within);
        let worth = |customer: usize, action: usize| -> f64 {
            let profit = problem.profits[customer * actions + action];
            let enough = profit > 0.0 && profit >= problem.minimum && !shut[action];
            let paid = |most: i128| units(problem.cost(customer, action)) <= most;
            if enough && budget.is_none_or(paid) { profit } else { f64::NEG_INFINITY }
        };
        let held = |customer: usize| problem.held_out.get(customer).copied().unwrap_or(false);
        // Mixed: the first rows are a sample, whatever the keys are.
        let mut order: Vec<(bool, u64, u32)> = (0..problem.customers())
            .into_par_iter()
            .filter(|customer| (0..actions).any(|action| worth(*customer, action) > 0.0))
            .map(|customer| (held(customer), mix(problem.keys[customer]), customer as u32))
            .collect();
        order.par_sort_unstable();
        let free = order.partition_point(|(held, ..)| !held);
        let customers: Vec<u32> = order.into_iter().map(|(.., customer)| customer).collect();
        let mut profits = vec![0.0; customers.len() * actions];
        profits.par_chunks_mut(actions).zip(&customers).for_each(|(row, customer)| {
            (0..actions).for_each(|action| row[action] = worth(*customer as usize, action));
        });
        let costs = match problem.costs {
            Costs::PerAction(costs) => Costing::PerAction(costs.to_vec()),
            Costs::PerCell(costs) => {
                let mut own = vec![0.0; profits.len()];
                own.par_chunks_mut(actions).zip(&customers).for_each(|(row, customer)| {
                    let from = *customer as usize * actions;
                    row.copy_from_slice(&costs[from..from + actions]);
                });
                // Where nothing is allowed, a cost may be anything: infinity less NaN would be no number.
                own.par_iter_mut().filter(|cost| !cost.is_finite()).for_each(|cost| *cost = 0.0);
                Costing::PerCell(own)
            }
        };
        let open: Vec<_> = limits.into_iter().filter(|limit| limit.most > 0).collect();
        let counted = (0..actions).map(|action| {
            (0..open.len()).filter(|place| open[*place].actions.contains(&action)).collect()
        });
        Cells {
            free,
            actions,
            counted: counted.collect(),
            limits: open.iter().map(|limit| limit.most).collect(),
            budget: problem.budget.filter(|budget| *budget > 0.0),
            customers,
            profits,
            costs,
        }
    }

    /// A row's profits.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.profits[row * self.actions..(row + 1) * self.actions]
    }

    /// What an action costs in a row; nothing for none.
    pub fn cost(&self, row: usize, action: u8) -> f64 {
        match (&self.costs, action) {
            (_, NONE) => 0.0,
            (Costing::PerAction(costs), _) => costs[usize::from(action)],
            (Costing::PerCell(costs), _) => costs[row * self.actions + usize::from(action)],
        }
    }

    /// What an action brings in a row; nothing for none.
    pub fn profit(&self, row: usize, action: u8) -> f64 {
        if action == NONE { 0.0 } else { self.profits[row * self.actions + usize::from(action)] }
    }

    /// How much there is of what prices are for, in their order, for a share of the rows.
    pub fn supply(&self, share: f64) -> Vec<f64> {
        let limits = self.limits.iter().map(|most| *most as f64);
        self.budget.into_iter().chain(limits).map(|most| most * share).collect()
    }

    /// How much of it an allocation takes.
    pub fn demand(&self, tally: &Tally) -> Vec<f64> {
        let mut customers = vec![0_u64; self.limits.len()];
        for (counted, count) in self.counted.iter().zip(&tally.customers) {
            counted.iter().for_each(|limit| customers[*limit] += count);
        }
        let customers = customers.into_iter().map(|count| count as f64);
        self.budget.map(|_| tally.cost).into_iter().chain(customers).collect()
    }

    /// Prices as rows need them.
    pub fn charges(&self, prices: &[f64]) -> Charges {
        let (money, limits) = match self.budget {
            Some(_) => (prices[0], &prices[1..]),
            None => (0.0, prices),
        };
        let places = self.counted.iter().enumerate().map(|(action, counted)| {
            let places: f64 = counted.iter().map(|limit| limits[*limit]).sum();
            match &self.costs {
                Costing::PerAction(costs) => places + money * costs[action],
                Costing::PerCell(_) => places,
            }
        });
        Charges { places: places.collect(), money }
    }

    /// What an action brings in a row beyond its charges; 0 for none.
    pub fn left(&self, row: usize, action: u8, charges: &Charges) -> f64 {
        if action == NONE {
            return 0.0;
        }
        let place = row * self.actions + usize::from(action);
        let left = self.profits[place] - charges.places[usize::from(action)];
        match &self.costs {
            Costing::PerAction(_) => left,
            Costing::PerCell(costs) => left - charges.money * costs[place],
        }
    }

    /// The action that brings most beyond its charges, the first of equal ones; none where nothing is left.
    pub fn best(&self, row: usize, charges: &Charges) -> u8 {
        let (mut best, mut most) = (NONE, 0.0);
        let profits = self.row(row);
        match &self.costs {
            Costing::PerAction(_) => {
                for (action, (profit, place)) in profits.iter().zip(&charges.places).enumerate() {
                    let left = profit - place;
                    (best, most) = if left > most { (action as u8, left) } else { (best, most) };
                }
            }
            Costing::PerCell(costs) => {
                let costs = &costs[row * self.actions..(row + 1) * self.actions];
                for (action, (profit, cost)) in profits.iter().zip(costs).enumerate() {
                    let left = profit - charges.places[action] - charges.money * cost;
                    (best, most) = if left > most { (action as u8, left) } else { (best, most) };
                }
            }
        }
        best
    }

    /// What the first `rows` rows take and bring when each has its best action, for several charges at once.
    pub fn tallies(&self, rows: usize, all: &[Charges]) -> Vec<Tally> {
        let blocks: Vec<Vec<Tally>> = (0..rows.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let mut tallies = vec![Tally::none(self.actions); all.len()];
                for row in block * BLOCK..((block + 1) * BLOCK).min(rows) {
                    for (charges, tally) in all.iter().zip(&mut tallies) {
                        tally.add(self, row, self.best(row, charges));
                    }
                }
                tallies
            })
            .collect();
        let mut sums = vec![Tally::none(self.actions); all.len()];
        for block in &blocks {
            sums.iter_mut().zip(block).for_each(|(sum, tally)| sum.join(tally));
        }
        sums
    }

    /// What a choice for the first rows takes and brings.
    pub fn tally(&self, choice: &[u8]) -> Tally {
        let blocks: Vec<Tally> = choice
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, choice)| {
                let mut tally = Tally::none(self.actions);
                let rows = block * BLOCK..;
                rows.zip(choice).for_each(|(row, action)| tally.add(self, row, *action));
                tally
            })
            .collect();
        let mut sum = Tally::none(self.actions);
        blocks.iter().for_each(|tally| sum.join(tally));
        sum
    }
}

impl Tally {
    fn none(actions: usize) -> Tally {
        Tally { profit: 0.0, cost: 0.0, customers: vec![0; actions] }
    }

    fn add(&mut self, cells: &Cells, row: usize, action: u8) {
        if action != NONE {
            self.profit += cells.profits[row * cells.actions + usize::from(action)];
            self.cost += cells.cost(row, action);
            self.customers[usize::from(action)] += 1;
        }
    }

    fn join(&mut self, other: &Tally) {
        self.profit += other.profit;
        self.cost += other.cost;
        self.customers.iter_mut().zip(&other.customers).for_each(|(sum, more)| *sum += more);
    }
}

/// A cost in millionths, rounded up (a rounding error of the multiplication is none).
pub(super) fn units(cost: f64) -> i128 {
    (cost * UNITS - 1e-6).ceil() as i128
}

/// A budget in millionths, rounded down.
pub(super) fn units_within(budget: f64) -> i128 {
    (budget * UNITS + 1e-6).floor() as i128
}
