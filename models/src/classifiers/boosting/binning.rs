//! Where the values of a feature are cut into bins. Knows nothing of how bins are stored.

use std::hint::select_unpredictable;

use crate::classifiers::boosting::tree::LevelSet;
use crate::dataset::Dataset;
use crate::frame::UNKNOWN_LEVEL;
use crate::seed::{mix2, unit};

/// Rows that cuts are learned from; of more, a sample is taken.
const SAMPLE: usize = 100_000;
/// A level with less weight of training rows is binned with missing.
const RARE_WEIGHT: f64 = 5.0;

/// How the cells of one feature become bins. The bin after the last is for missing cells.
#[derive(Debug, Clone, PartialEq)]
pub enum Bins {
    /// Bin `b` holds `cuts[b - 1] < x <= cuts[b]`.
    Number {
        /// Rising, never NaN.
        cuts: Vec<f64>,
    },
    /// One bin a level; rare ones are with missing.
    Levels {
        /// The bin of each level.
        bin: Vec<u8>,
        /// Number of bins without the missing one.
        bins: usize,
    },
}

impl Bins {
    /// Learns the bins of a feature (its place among the dataset's features) from the dataset's rows.
    pub fn fit(data: &Dataset<'_>, feature: usize, max_bin: usize) -> Bins {
        let (cells, weights) = (data.cells(feature), data.weights());
        let equal = weights.iter().all(|weight| *weight == weights[0]);
        match data.levels(feature) {
            Some(levels) => Bins::of_levels(&cells, &weights, levels, max_bin),
            None if equal => Bins::of_numbers(distinct(cells), max_bin),
            None => Bins::of_numbers(distinct_weighted(&cells, &weights), max_bin),
        }
    }

    /// Cuts between distinct values, given rising with their weights.
    fn of_numbers(values: Vec<(f64, f64)>, max_bin: usize) -> Bins {
        let cut = |place: usize| between(values[place].0, values[place + 1].0);
        if values.len() <= max_bin {
            return Bins::Number { cuts: (1..values.len()).map(|place| cut(place - 1)).collect() };
        }
        let total: f64 = values.iter().map(|(_, weight)| weight).sum();
        // A value as heavy as a whole bin gets one of its own: zero above all. The others share
        // what is left in equal parts. Where light values stand between many heavy ones that makes
        // too many bins: then all values share alike.
        let alone = equal_parts(&values, max_bin, total / max_bin as f64);
        let places = match alone.len() < max_bin {
            true => alone,
            false => equal_parts(&values, max_bin, f64::INFINITY),
        };
        Bins::Number { cuts: places.into_iter().take(max_bin - 1).map(cut).collect() }
    }

    fn of_levels(cells: &[f64], weights: &[f64], levels: usize, max_bin: usize) -> Bins {
        let mut weight = vec![0.0; levels];
        for (&cell, &w) in cells.iter().zip(weights) {
            if cell >= 0.0 {
                weight[cell as usize] += w;
            }
        }
        let mut heaviest: Vec<usize> = (0..levels).filter(|&l| weight[l] >= RARE_WEIGHT).collect();
        heaviest.sort_by(|&a, &b| weight[b].total_cmp(&weight[a]).then(a.cmp(&b)));
        heaviest.truncate(max_bin);
        // Rare levels go with missing, as levels do that no training row has: what is learned of them is
        // what an unknown level meets.
        let bins = heaviest.len();
        let mut bin = vec![bins as u8; levels];
        heaviest.iter().enumerate().for_each(|(place, &level)| bin[level] = place as u8);
        Bins::Levels { bin, bins }
    }

    /// Bins without the missing one; 1 or less where a feature tells nothing but what is missing.
    pub fn count(&self) -> usize {
        match self {
            Bins::Number { cuts } => cuts.len() + 1,
            Bins::Levels { bins, .. } => *bins,
        }
    }

    /// The bin of missing cells and unknown levels.
    pub fn missing(&self) -> u8 {
        self.count() as u8
    }

    /// The bin of a cell, as [`crate::frame::Rows`] holds cells.
    pub fn bin(&self, cell: f64) -> u8 {
        match self {
            Bins::Number { .. } if cell.is_nan() => self.missing(),
            Bins::Number { cuts } => cuts.partition_point(|cut| *cut < cell) as u8,
            Bins::Levels { .. } if cell.is_nan() || cell == UNKNOWN_LEVEL => self.missing(),
            Bins::Levels { bin, .. } => bin[cell as usize],
        }
    }

    /// The levels in some bins: those for which `in_bin` holds.
    pub fn levels(&self, in_bin: impl Fn(u8) -> bool) -> LevelSet {
        match self {
            Bins::Number { .. } => LevelSet::default(),
            Bins::Levels { bin, .. } => {
                let chosen = bin.iter().enumerate().filter(|(_, b)| in_bin(**b));
                LevelSet::new(chosen.map(|(level, _)| level as u32))
            }
        }
    }
}

/// The bins of many numbers: as [`Bins::bin`], without a branch, so that several are searched at a
/// time.
#[derive(Debug)]
pub struct Searcher {
    /// The cuts, then infinities.
    cuts: [f64; 256],
    /// A power of two above half the number of cuts.
    half: usize,
    missing: u8,
}

impl Searcher {
    /// For the cuts of a feature of numbers.
    pub fn new(cuts: &[f64], missing: u8) -> Searcher {
        let mut padded = [f64::INFINITY; 256];
        padded[..cuts.len()].copy_from_slice(cuts);
        Searcher { cuts: padded, half: (cuts.len() + 1).next_power_of_two() / 2, missing }
    }

    /// The bin of each value.
    pub fn bins(&self, values: &[f64], bins: &mut [u8]) {
        for (x, bin) in values.iter().zip(bins) {
            let (mut low, mut half) = (0_usize, self.half);
            while half > 0 {
                // The sum stays below 256; the mask spares the check of it.
                low += select_unpredictable(self.cuts[(low + half - 1) & 255] < *x, half, 0);
                half /= 2;
            }
            *bin = if x.is_nan() { self.missing } else { low as u8 };
        }
    }
}

/// A number `c` with `a <= c < b`, half way where there is one.
fn between(a: f64, b: f64) -> f64 {
    let middle = a / 2.0 + b / 2.0;
    if a <= middle && middle < b { middle } else { a }
}

/// The values after which to cut, so that bins have equal weight: those of at least `heavy` get bins of
/// their own.
fn equal_parts(values: &[(f64, f64)], max_bin: usize, heavy: f64) -> Vec<usize> {
    let heavies = values.iter().filter(|(_, weight)| *weight >= heavy);
    let (count, sum) = heavies.fold((0, 0.0), |(n, sum), (_, weight)| (n + 1, sum + weight));
    let mut left_bins = (max_bin - count.min(max_bin - 1)) as f64;
    let mut left_weight = values.iter().map(|(_, weight)| weight).sum::<f64>() - sum;
    let (mut places, mut filled) = (Vec::with_capacity(max_bin), 0.0);
    for place in 0..values.len() - 1 {
        let is_heavy = values[place].1 >= heavy;
        if !is_heavy {
            filled += values[place].1;
        }
        let full = filled > 0.0 && filled >= left_weight / left_bins;
        if full || is_heavy || values[place + 1].1 >= heavy {
            places.push(place);
            if filled > 0.0 {
                left_weight -= filled;
                left_bins = (left_bins - 1.0).max(1.0);
                filled = 0.0;
            }
        }
    }
    places
}

/// The rows that cuts are learned from: all, or a sample where there are very many.
pub fn sample(rows: &[u32]) -> Vec<u32> {
    let share = SAMPLE as f64 / rows.len() as f64;
    let drawn = |row: &u32| share >= 1.0 || unit(mix2(0x62_69_6e, u64::from(*row))) < share;
    rows.iter().copied().filter(drawn).collect()
}

/// Distinct numbers, rising, with how often they stand there; NaN left out.
fn distinct(mut cells: Vec<f64>) -> Vec<(f64, f64)> {
    cells.retain(|x| !x.is_nan());
    // Zero has one sign from here on, so equal numbers have equal keys.
    let mut keys: Vec<u64> = cells.into_iter().map(|x| key(x + 0.0)).collect();
    keys.sort_unstable();
    let equal = keys.chunk_by(|a, b| a == b);
    equal.map(|same| (number(same[0]), same.len() as f64)).collect()
}

fn distinct_weighted(cells: &[f64], weights: &[f64]) -> Vec<(f64, f64)> {
    let present = cells.iter().zip(weights).filter(|(x, _)| !x.is_nan());
    let mut pairs: Vec<(u64, f64)> = present.map(|(&x, &w)| (key(x + 0.0), w)).collect();
    pairs.sort_by_key(|(key, _)| *key);
    let equal = pairs.chunk_by(|a, b| a.0 == b.0);
    equal.map(|same| (number(same[0].0), same.iter().map(|(_, w)| w).sum())).collect()
}

/// Numbers as whole numbers in the same order.
fn key(x: f64) -> u64 {
    let bits = x.to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

fn number(key: u64) -> f64 {
    f64::from_bits(key ^ (((!key as i64 >> 63) as u64) | 1 << 63))
}
