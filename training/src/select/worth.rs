//! What each feature is worth on rows that were not learned from, and whether that is more than chance would
//! give: beside the features stand shadows.

use std::ops::Range;

use rayon::prelude::*;
use rekindle_models::classifiers::boosting::{BinnedTable, Boosting, FittedBoosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::explain::Explainer;
use rekindle_models::frame::Binding;
use rekindle_models::seed::{mix2, unit};

use crate::error::Result;

/// Parts of the customers.
const FOLDS: usize = 2;
/// Rows explained at a time.
const BLOCK: usize = 1_024;

/// What the features of a dataset are worth, in its order: for each the sum over customers of how its contributions to
/// rows not learned from go with what the other features leave unsaid (to first order, how much the log loss would fall
/// if they were larger), in units of its standard error. A feature that knows nothing has 0 give or take 1.
///
/// The customers are dealt into [`FOLDS`] parts; each is explained by a model of the others. `keys` are the customers of
/// the frame's rows.
///
/// # Errors
/// When a fit fails.
pub fn worth(
    params: &Boosting,
    table: &BinnedTable,
    data: &Dataset<'_>,
    keys: &[u64],
    seed: u64,
) -> Result<Vec<f64>> {
    let fold = |row: u32| (unit(mix2(seed, keys[row as usize])) * FOLDS as f64) as usize;
    let mut sums = vec![Sums::default(); data.features.len()];
    for part in 0..FOLDS {
        let (mut explained, learned): (Vec<u32>, Vec<u32>) =
            data.rows.iter().partition(|row| fold(**row) == part);
        // A customer's rows count as one: side by side they are summed first.
        explained.sort_by_key(|&row| (keys[row as usize], row));
        let model = params.fit_binned(table, &data.with_rows(&learned))?;
        let told = told(&model, &data.with_rows(&explained), keys);
        sums.iter_mut().zip(told).for_each(|(a, b)| a.add(b));
    }
    Ok(sums.into_iter().map(Sums::in_standard_errors).collect())
}

/// A sum over customers, and that of its terms' squares.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, other: Sums) {
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn in_standard_errors(self) -> f64 {
        if self.squares > 0.0 { self.sum / self.squares.sqrt() } else { 0.0 }
    }
}

/// By feature, the sums of what its contributions are worth. The rows of a customer stand side by side.
fn told(model: &FittedBoosting, data: &Dataset<'_>, keys: &[u64]) -> Vec<Sums> {
    let explainer = Explainer::new(model);
    let binding = Binding::new(&data.schema(), data.frame.schema())
        .expect("the features are columns of the frame itself");
    let width = data.features.len();
    let blocks = blocks(data.rows, keys);
    let of_block = |rows: &Range<usize>| {
        let rows = &data.rows[rows.clone()];
        let cells = binding.rows_at(data.frame, rows);
        let all = explainer.contributions(&cells);
        let mut sums = vec![Sums::default(); width];
        let mut of_customer = vec![0.0; width];
        for (place, (row, contributions)) in
            rows.iter().zip(all.chunks_exact(width + 1)).enumerate()
        {
            let row = *row as usize;
            let margin: f64 = contributions.iter().sum();
            let odds = (-margin).exp();
            let target = f64::from(u8::from(data.target[row]));
            for (sum, contribution) in of_customer.iter_mut().zip(contributions) {
                if *contribution != 0.0 {
                    let without = 1.0 / (1.0 + odds * contribution.exp());
                    *sum += data.weight[row] * contribution * (target - without);
                }
            }
            let last = rows.get(place + 1).is_none_or(|next| keys[*next as usize] != keys[row]);
            if last {
                for (sums, one) in sums.iter_mut().zip(&mut of_customer) {
                    sums.add(Sums { sum: *one, squares: *one * *one });
                    *one = 0.0;
                }
            }
        }
        sums
    };
    // Blocks are added in order, so that sums do not depend on threads.
    let all: Vec<Vec<Sums>> = blocks.par_iter().map(of_block).collect();
    let mut sums = vec![Sums::default(); width];
    for block in all {
        sums.iter_mut().zip(block).for_each(|(a, b)| a.add(b));
    }
    sums
}

/// Spans of about [`BLOCK`] rows that divide no customer.
fn blocks(rows: &[u32], keys: &[u64]) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < rows.len() {
        let mut end = (first + BLOCK).min(rows.len());
        while end < rows.len() && keys[rows[end] as usize] == keys[rows[end - 1] as usize] {
            end += 1;
        }
        blocks.push(first..end);
        first = end;
    }
    blocks
}
