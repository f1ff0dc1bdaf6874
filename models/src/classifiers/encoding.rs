//! Cells into the numbers that classifiers without missing values and categories need. Everything
//! is learned from the training rows only.
//!
//! A number becomes `asinh((x - middle) / spread)`-like where its tail is heavy, else itself; it is
//! standardised, a missing one takes the training mean (0 after standardising) and an indicator
//! column of its own says that it was missing. A category becomes one column per level, where rare
//! levels share one; a level never seen in training is a rare one, and missing is a level.

use crate::classifiers::relative_weights;
use crate::dataset::Dataset;
use crate::frame::UNKNOWN_LEVEL;

/// A level with at least this weight of training rows gets a column of its own.
pub(super) const MIN_LEVEL_WEIGHT: f64 = 20.0;
/// Most levels of a feature with a column of their own; the heaviest are taken.
pub(super) const MAX_LEVELS: usize = 32;
/// A standardised value beyond this many standard deviations makes a tail heavy.
const HEAVY: f64 = 8.0;
/// Most multiples of its scale that a number keeps before its `asinh`, so that this is finite.
const FARTHEST: f64 = 1e300;

/// How the cells of one feature become columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Encoder {
    /// The same value in every training row: no column.
    Constant,
    Number(NumberEncoder),
    Levels(LevelEncoder),
}

/// A number's transformation: `(squash(clamp(x)) - mean) / deviation`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NumberEncoder {
    /// The finite training range; values beyond are moved to its ends.
    pub low: f64,
    pub high: f64,
    /// Scale of `asinh(x / scale)` where the tail is heavy.
    pub squash: Option<f64>,
    pub mean: f64,
    pub deviation: f64,
    /// Whether any training row lacks it: then there is a second column, 1 where missing.
    pub has_missing: bool,
}

/// A category's columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LevelEncoder {
    /// The column of each level.
    pub column: Vec<usize>,
    /// The column of rare and unknown levels, of missing, and the number of columns.
    pub rare: usize,
    pub missing: usize,
    pub width: usize,
}

impl Encoder {
    /// Learns from a feature of the dataset.
    pub fn fit(data: &Dataset<'_>, feature: usize) -> Encoder {
        let cells = data.cells(feature);
        let weights = relative_weights(data);
        match data.levels(feature) {
            Some(levels) => LevelEncoder::fit(&cells, &weights, levels),
            None => NumberEncoder::fit(&cells, &weights),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Encoder::Constant => 0,
            Encoder::Number(number) => 1 + usize::from(number.has_missing),
            Encoder::Levels(levels) => levels.width,
        }
    }

    /// Writes a cell's columns over zeros.
    pub fn encode(&self, cell: f64, columns: &mut [f64]) {
        match self {
            Encoder::Constant => {}
            Encoder::Number(number) if cell.is_nan() => {
                if number.has_missing {
                    columns[1] = 1.0;
                }
            }
            Encoder::Number(number) => columns[0] = number.standardised(cell),
            Encoder::Levels(levels) => columns[levels.place(cell)] = 1.0,
        }
    }
}

impl NumberEncoder {
    fn fit(cells: &[f64], weights: &[f64]) -> Encoder {
        let finite = || cells.iter().zip(weights).filter(|(x, _)| x.is_finite());
        let (low, high) = finite()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (&x, _)| (l.min(x), h.max(x)));
        let has_missing = cells.iter().any(|x| x.is_nan());
        let mut encoder =
            NumberEncoder { low, high, squash: None, mean: 0.0, deviation: 1.0, has_missing };
        if low > high {
            return Encoder::Constant;
        }
        encoder.standardise(cells, weights);
        let reach = (encoder.standardised(low).abs()).max(encoder.standardised(high).abs());
        // Squares of huge numbers are infinite: then the tail is heavy, whatever the reach.
        if !(reach <= HEAVY && encoder.deviation.is_finite()) {
            // Half of the values that are not zero lie on each side of where the line bends.
            let mut sizes: Vec<f64> =
                finite().map(|(x, _)| x.abs()).filter(|size| *size > 0.0).collect();
            sizes.sort_by(f64::total_cmp);
            let scale = sizes[sizes.len() / 2];
            encoder.squash = Some(scale);
            encoder.low = low.max(-FARTHEST * scale);
            encoder.high = high.min(FARTHEST * scale);
            encoder.standardise(cells, weights);
        }
        if low == high && !has_missing {
            return Encoder::Constant;
        }
        Encoder::Number(encoder)
    }

    fn standardise(&mut self, cells: &[f64], weights: &[f64]) {
        let values = || {
            let present = cells.iter().zip(weights).filter(|(x, _)| !x.is_nan());
            present.map(|(&x, &w)| (self.squashed(x), w))
        };
        let weight: f64 = values().map(|(_, w)| w).sum();
        let mean = values().map(|(x, w)| w * x).sum::<f64>() / weight;
        let variance = values().map(|(x, w)| w * (x - mean) * (x - mean)).sum::<f64>() / weight;
        self.mean = mean;
        self.deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    }

    /// The clamped value, its tail drawn in where it is heavy.
    pub fn squashed(&self, x: f64) -> f64 {
        let x = x.clamp(self.low, self.high);
        self.squash.map_or(x, |scale| (x / scale).asinh())
    }

    fn standardised(&self, x: f64) -> f64 {
        (self.squashed(x) - self.mean) / self.deviation
    }
}

impl LevelEncoder {
    fn fit(cells: &[f64], weights: &[f64], levels: usize) -> Encoder {
        let mut weight = vec![0.0; levels];
        let mut missing_weight = 0.0;
        for (&cell, &w) in cells.iter().zip(weights) {
            match cell.is_nan() {
                true => missing_weight += w,
                false if cell == UNKNOWN_LEVEL => {}
                false => weight[cell as usize] += w,
            }
        }
        let mut heaviest: Vec<usize> =
            (0..levels).filter(|&l| weight[l] >= MIN_LEVEL_WEIGHT).collect();
        heaviest.sort_by(|&a, &b| weight[b].total_cmp(&weight[a]).then(a.cmp(&b)));
        heaviest.truncate(MAX_LEVELS);
        let rare = heaviest.len();
        let mut column = vec![rare; levels];
        heaviest.iter().enumerate().for_each(|(place, &level)| column[level] = place);
        let seen = weight.iter().filter(|w| **w > 0.0).count() + usize::from(missing_weight > 0.0);
        if seen < 2 {
            return Encoder::Constant;
        }
        Encoder::Levels(LevelEncoder { column, rare, missing: rare + 1, width: rare + 2 })
    }

    /// The column that is 1 for a cell.
    pub fn place(&self, cell: f64) -> usize {
        match cell.is_nan() {
            true => self.missing,
            false if cell == UNKNOWN_LEVEL => self.rare,
            false => self.column[cell as usize],
        }
    }
}
