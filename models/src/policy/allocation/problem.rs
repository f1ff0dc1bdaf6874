//! What is to be divided: who would bring how much by which action, at what cost, within which limits. Decides nothing.

use crate::error::{Error, Result};

/// Most actions that can be chosen from.
pub const MOST_ACTIONS: usize = 254;

/// The most that anything may cost: sums of it can be counted.
pub const MOST_MONEY: f64 = 1e15;

/// What each action costs, in the budget's currency; at least 0 and at most [`MOST_MONEY`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Costs<'a> {
    /// The same for every customer: one cost an action.
    PerAction(&'a [f64]),
    /// Customer by customer: row after row, as the profits.
    PerCell(&'a [f64]),
}

/// No more than so many customers may have one of these actions: a channel's capacity, an offer's stock.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Places of the actions.
    pub actions: Vec<usize>,
    /// The most customers that may have one of them.
    pub most: u64,
}

/// Customers times actions, and the limits. Every customer has one action or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem<'a> {
    /// A hash of each customer's id: equal customers come in its order, whatever the order of rows.
    pub keys: &'a [u64],
    /// Number of actions, 1 to [`MOST_ACTIONS`].
    pub actions: usize,
    /// What each action is expected to bring of each customer, row after row; NaN: not allowed. Those at or below 0 are
    /// never chosen.
    pub profits: &'a [f64],
    /// What each costs.
    pub costs: Costs<'a>,
    /// The most that may be spent; `None`: as much as pays.
    pub budget: Option<f64>,
    /// The most customers by action.
    pub limits: &'a [Limit],
    /// Profits below it are not chosen; at least 0.
    pub minimum: f64,
    /// Customers who are held out: they are told what they would have had, take no place and cost nothing. Empty:
    /// nobody is.
    pub held_out: &'a [bool],
    /// Whether the best allocation itself is searched for where few customers are in doubt.
    pub search: bool,
}

impl Problem<'_> {
    /// Number of customers.
    pub fn customers(&self) -> usize {
        self.keys.len()
    }

    /// What an action costs of a customer.
    pub fn cost(&self, customer: usize, action: usize) -> f64 {
        match self.costs {
            Costs::PerAction(costs) => costs[action],
            Costs::PerCell(costs) => costs[customer * self.actions + action],
        }
    }

    /// # Errors
    /// When lengths do not fit each other or a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let cells = self.customers() * self.actions;
        let wrong = |place: &str, found: String, expected: String| {
            Err(Error::BadPlan { place: place.to_owned(), found, expected })
        };
        if !(1..=MOST_ACTIONS).contains(&self.actions) {
            let found = format!("{} of them", self.actions);
            return wrong("actions", found, format!("1 to {MOST_ACTIONS}"));
        }
        if self.profits.len() != cells {
            return wrong("profits", format!("{} cells", self.profits.len()), format!("{cells}"));
        }
        let (costs, expected) = match self.costs {
            Costs::PerAction(costs) => (costs, self.actions),
            Costs::PerCell(costs) => (costs, cells),
        };
        if costs.len() != expected {
            return wrong("costs", format!("{} of them", costs.len()), format!("{expected}"));
        }
        // A cost that nobody can have may be anything.
        let bad = (0..costs.len()).find(|place| {
            let idle = expected == cells && self.profits[*place].is_nan();
            !idle && !(0.0..=MOST_MONEY).contains(&costs[*place])
        });
        if let Some(bad) = bad {
            let place = format!("cost {}", bad + 1);
            return wrong(
                &place,
                format!("{}", costs[bad]),
                "a number of at least 0, at most 1e15".to_owned(),
            );
        }
        if self.profits.iter().any(|profit| profit.is_infinite()) {
            return wrong("profits", "an infinite one".to_owned(), "numbers".to_owned());
        }
        if let Some(budget) = self.budget.filter(|budget| !(0.0..=MOST_MONEY).contains(budget)) {
            return wrong(
                "budget",
                format!("{budget}"),
                "a number of at least 0, at most 1e15".to_owned(),
            );
        }
        if !(0.0..=MOST_MONEY).contains(&self.minimum) {
            let found = format!("{}", self.minimum);
            return wrong(
                "minimum profit",
                found,
                "a number of at least 0, at most 1e15".to_owned(),
            );
        }
        if self.limits.iter().flat_map(|limit| &limit.actions).any(|a| *a >= self.actions) {
            let expected = format!("places below {}", self.actions);
            return wrong("limits", "an action that is not there".to_owned(), expected);
        }
        if ![0, self.customers()].contains(&self.held_out.len()) {
            let found = format!("{} of them", self.held_out.len());
            return wrong("held_out", found, format!("{}, or none", self.customers()));
        }
        Ok(())
    }
}
