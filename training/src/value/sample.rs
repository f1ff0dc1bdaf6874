//! What is learned from, in its shortest form: customers who are alike are one row with their number. All
//! sums run block by block in the order of rows, so that their bits do not depend on threads.

use rayon::prelude::*;
use rekindle_models::value::{Repeats, Spend};

/// Repeat purchases of a population: equal ones once, with the number of customers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    rows: Vec<(Repeats, f64)>,
    customers: f64,
    repeaters: f64,
    longest_age: f64,
}

/// What purchases bring: mean margins by customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpendSample {
    rows: Vec<Spend>,
}

const BLOCK: usize = 2_048;

impl Sample {
    /// Of these customers, in any order.
    pub fn new(customers: impl IntoIterator<Item = Repeats>) -> Sample {
        let mut all: Vec<Repeats> = customers.into_iter().collect();
        // Ages are at least 0, so that their bits are in their order.
        all.par_sort_unstable_by_key(|of| {
            (of.count(), (of.last_age() + 0.0).to_bits(), (of.age() + 0.0).to_bits())
        });
        Sample::of(all.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect())
    }

    fn of(rows: Vec<(Repeats, f64)>) -> Sample {
        let number =
            |rows: &mut dyn Iterator<Item = &(Repeats, f64)>| rows.fold(0.0, |sum, (_, n)| sum + n);
        let customers = number(&mut rows.iter());
        let repeaters = number(&mut rows.iter().filter(|(of, _)| of.count() > 0));
        let longest_age = rows.iter().fold(0.0_f64, |longest, (of, _)| longest.max(of.age()));
        Sample { rows, customers, repeaters, longest_age }
    }

    /// Every so many-th customer, in the order of rows: about `customers` of them, or all.
    pub fn thinned(&self, customers: f64) -> Sample {
        let every = (self.customers / customers).floor().max(1.0);
        let mut before = 0.0;
        let rows = self.rows.iter().filter_map(|(of, n)| {
            let taken = ((before + n) / every).floor() - (before / every).floor();
            before += n;
            (taken > 0.0).then_some((*of, taken))
        });
        Sample::of(rows.collect())
    }

    /// Number of customers.
    pub fn customers(&self) -> f64 {
        self.customers
    }

    /// The highest age.
    pub fn longest_age(&self) -> f64 {
        self.longest_age
    }

    /// Number of those with a repeat.
    pub fn repeaters(&self) -> f64 {
        self.repeaters
    }

    /// Rows and their customers, by count, last age and age.
    pub fn rows(&self) -> &[(Repeats, f64)] {
        &self.rows
    }

    /// Sums over all customers.
    pub fn sums<const N: usize>(
        &self,
        block: impl Fn(&[(Repeats, f64)]) -> [f64; N] + Sync,
    ) -> [f64; N] {
        summed(&self.rows, block)
    }
}

impl SpendSample {
    /// Of the customers that have an amount.
    pub fn new(customers: impl IntoIterator<Item = Spend>) -> SpendSample {
        let mut rows: Vec<Spend> = customers.into_iter().filter(|s| s.days > 0).collect();
        rows.par_sort_unstable_by_key(|spend| (spend.days, spend.mean.to_bits()));
        SpendSample { rows }
    }

    /// By days and mean.
    pub fn rows(&self) -> &[Spend] {
        &self.rows
    }

    /// Sums over all customers.
    pub fn sums<const N: usize>(&self, block: impl Fn(&[Spend]) -> [f64; N] + Sync) -> [f64; N] {
        summed(&self.rows, block)
    }
}

fn summed<T: Sync, const N: usize>(
    rows: &[T],
    block: impl Fn(&[T]) -> [f64; N] + Sync,
) -> [f64; N] {
    let parts: Vec<[f64; N]> = rows.par_chunks(BLOCK).map(&block).collect();
    parts.iter().fold([0.0; N], |sums, part| std::array::from_fn(|i| sums[i] + part[i]))
}
