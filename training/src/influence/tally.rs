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

/// For every draw, the first being the rows as they are, by feature the sum of absolute contributions.
pub(super) struct Tally {
    width: usize,
    sums: Vec<f64>,
}

impl Tally {
    /// Explains the dataset's rows. A customer's rows (`keys` by row of the frame) are drawn together, by the seed;
    /// without one, only the rows as they are count.
    pub(super) fn new(
        contributions: &Contributions<'_>,
        data: &Dataset<'_>,
        keys: &[u64],
        seed: Option<u64>,
    ) -> Tally {
        let width = data.features.len();
        let draws = 1 + seed.map_or(0, |_| DRAWS);
        let binding = Binding::new(&data.schema(), data.frame.schema())
            .expect("the features are columns of the frame itself");
        let of_block = |(block, rows): (usize, &[u32])| {
            let cells = binding.rows_at(data.frame, rows);
            let mut moved = contributions.of(block * BLOCK, &cells);
            moved.iter_mut().for_each(|one| *one = one.abs());
            let mut sums = vec![0.0; draws * width];
            for (rows, moved) in rows.chunks(TILE).zip(moved.chunks(TILE * width)) {
                for (draw, sums) in sums.chunks_exact_mut(width).enumerate() {
                    for (row, moved) in rows.iter().zip(moved.chunks_exact(width)) {
                        let key = keys[*row as usize];
                        let drawn = seed.filter(|_| draw > 0);
                        let times = drawn.map_or(1.0, |seed| times_drawn(seed, draw as u64, key));
                        let times = times * data.weight[*row as usize];
                        if times > 0.0 {
                            sums.iter_mut().zip(moved).for_each(|(sum, one)| *sum += times * one);
                        }
                    }
                }
            }
            sums
        };
        // Blocks are added in order, so that sums do not depend on threads.
        let blocks: Vec<Vec<f64>> = data.rows.par_chunks(BLOCK).enumerate().map(of_block).collect();
        let mut sums = vec![0.0; draws * width];
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, one)| *sum += one);
        }
        Tally { width, sums }
    }

    /// The share of some of the features (places) of what those of `all` move. 0 where those move nothing.
    pub(super) fn share(&self, of: &[usize], all: &[usize], confidence: f64) -> Interval {
        let share = |sums: &[f64]| {
            let sum = |places: &[usize]| places.iter().map(|&place| sums[place]).sum::<f64>();
            let whole = sum(all);
            if whole > 0.0 { sum(of) / whole } else { 0.0 }
        };
        let mut draws = self.sums.chunks_exact(self.width);
        let value = draws.next().map_or(0.0, share);
        Interval::of_draws(value, draws.map(share).collect(), confidence)
    }
}
