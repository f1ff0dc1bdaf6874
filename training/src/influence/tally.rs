//! Sums of absolute contributions over the rows, and over the rows as drawn again and again: what shares and their
//! intervals are taken from.

use rayon::prelude::*;
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::Binding;
use rekindle_models::metrics::{Interval, times_drawn};

use crate::influence::contributions::Contributions;

/// Draws of the customers.
const DRAWS: usize = 200;
/// Rows that are explained at a time, and those whose sums are added while they lie in the cache.
const BLOCK: usize = 1_024;
const TILE: usize = 32;

/// For every draw, the first being the rows as they are, the share of each feature in what all features move.
pub(super) struct Tally {
    width: usize,
    shares: Vec<f64>,
}

impl Tally {
    /// Explains the dataset's rows. Shares are of what the first `own` features move together. A customer's rows (`keys`
    /// by row of the frame) are drawn together, by the seed; without one, only the rows as they are count.
    pub(super) fn new(
        contributions: &Contributions<'_>,
        (data, own): (&Dataset<'_>, usize),
        keys: &[u64],
        seed: Option<u64>,
    ) -> Tally {
        let width = data.features.len();
        let draws = 1 + seed.map_or(0, |_| DRAWS);
        let binding = Binding::new(&data.schema(), data.frame.schema())
            .expect("the features are columns of the frame itself");
        let times = |draw: usize, row: u32| {
            let drawn = seed.filter(|_| draw > 0);
            let key = keys[row as usize];
            let times = drawn.map_or(1.0, |seed| times_drawn(seed, draw as u64, key));
            times * data.weight[row as usize]
        };
        let of_block = |(block, rows): (usize, &[u32])| {
            let moved = contributions.of(block * BLOCK, &binding.rows_at(data.frame, rows));
            let mut sums = vec![0.0; draws * width];
            for (rows, moved) in rows.chunks(TILE).zip(moved.chunks(TILE * width)) {
                for (draw, sums) in sums.chunks_exact_mut(width).enumerate() {
                    for (row, moved) in rows.iter().zip(moved.chunks_exact(width)) {
                        add(sums, moved, times(draw, *row));
                    }
                }
            }
            sums
        };
        // Blocks are added in order, so that sums do not depend on threads.
        let blocks: Vec<Vec<f64>> = data.rows.par_chunks(BLOCK).enumerate().map(of_block).collect();
        let mut shares = vec![0.0; draws * width];
        for block in blocks {
            shares.iter_mut().zip(block).for_each(|(sum, one)| *sum += one);
        }
        for sums in shares.chunks_exact_mut(width) {
            let whole: f64 = sums[..own].iter().sum();
            if whole > 0.0 {
                sums.iter_mut().for_each(|sum| *sum /= whole);
            }
        }
        Tally { width, shares }
    }

    /// The share of each feature, of the rows as they are. 0 where no feature moves anything.
    pub(super) fn values(&self) -> &[f64] {
        &self.shares[..self.width]
    }

    /// The share of some of the features (places) together.
    pub(super) fn share(&self, of: &[usize], confidence: f64) -> Interval {
        let share = |shares: &[f64]| of.iter().map(|&place| shares[place]).sum();
        let drawn = self.shares.chunks_exact(self.width).skip(1).map(share).collect();
        Interval::of_draws(share(self.values()), drawn, confidence)
    }
}

/// Adds a row's absolute contributions as often as it counts.
fn add(sums: &mut [f64], moved: &[f64], times: f64) {
    if times > 0.0 {
        sums.iter_mut().zip(moved).for_each(|(sum, one)| *sum += times * one.abs());
    }
}
