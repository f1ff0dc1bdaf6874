//! Logistic regression by linfa-logistic. What is kept is our own: a line or a table of addends per
//! feature, so that scoring a row is a sum.

use linfa::prelude::*;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::classifiers::encoding::Encoder;
use crate::classifiers::{Classifier, Fitted, check_classes};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::frame::{Rows, UNKNOWN_LEVEL};

/// The word for it on the command line and in reports.
pub const NAME: &str = "logistic";

/// Most copies of the rows that weights may lead to, as a multiple of the rows.
const MAX_COPIES: f64 = 2.0;

/// Most rows that tell what is expected of a feature.
const EXPECTED_FROM: usize = 100_000;

/// Parameters of the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logistic {
    /// Strength of the L2 penalty on the standardised coefficients: finite and at least 0. It is
    /// added to the sum of the rows' losses, so it matters less the more rows there are.
    pub lambda_l2: f64,
    /// Most steps of L-BFGS, at least 1.
    pub max_iterations: u64,
}

impl Default for Logistic {
    fn default() -> Logistic {
        Logistic { lambda_l2: 5.0, max_iterations: 50 }
    }
}

impl Logistic {
    /// # Errors
    /// When a parameter is out of its range.
    pub fn validate(&self) -> Result<()> {
        let bad = |parameter, found: String, expected| {
            Err(Error::BadParameter { parameter, found, expected })
        };
        if !(self.lambda_l2.is_finite() && self.lambda_l2 >= 0.0) {
            return bad("lambda_l2", self.lambda_l2.to_string(), "a finite number of at least 0");
        }
        if self.max_iterations == 0 {
            return bad("max_iterations", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}

impl Classifier for Logistic {
    fn name(&self) -> &'static str {
        NAME
    }

    /// linfa-logistic knows no weights: rows are repeated in proportion to theirs, exactly where
    /// weights are small whole multiples of the smallest, else as evenly as whole copies allow.
    fn fit(&self, data: &Dataset<'_>) -> Result<Fitted> {
        self.validate()?;
        check_classes(data)?;
        let encoders: Vec<Encoder> =
            (0..data.features.len()).map(|feature| Encoder::fit(data, feature)).collect();
        let width: usize = encoders.iter().map(Encoder::width).sum();
        if width == 0 {
            return Ok(Fitted::Logistic(FittedLogistic::constant(data)));
        }
        let copies = copies(&data.weights());
        let matrix = design(data, &encoders, &copies, width);
        let target: Array1<bool> =
            data.targets().iter().zip(&copies).flat_map(|(&t, &n)| vec![t; n]).collect();
        let rows = target.len() as f64;
        let model = LogisticRegression::default()
            .alpha(self.lambda_l2)
            .max_iterations(self.max_iterations)
            .gradient_tolerance(1e-7 * rows)
            .fit(&linfa::Dataset::new(matrix, target))
            .map_err(|e| Error::Fit { classifier: NAME, reason: e.to_string() })?;
        // linfa takes the more frequent class as positive, whichever that is.
        let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
        let coefficients: Vec<f64> = model.params().iter().map(|c| sign * c).collect();
        let fitted = FittedLogistic::fold(&encoders, &coefficients, sign * model.intercept());
        match fitted.is_finite() {
            true => Ok(Fitted::Logistic(fitted)),
            false => Err(Error::Fit {
                classifier: NAME,
                reason: "its coefficients did not stay finite; raise lambda_l2".to_owned(),
            }),
        }
    }
}

/// How often each row is repeated: by its weight over the smallest, scaled down where that would be
/// more than [`MAX_COPIES`] times the rows. Rounding errors are carried on to the next row, so that
/// the copies of any run of rows match their weight to within one.
fn copies(weights: &[f64]) -> Vec<usize> {
    let smallest = weights.iter().copied().fold(f64::INFINITY, f64::min);
    let total: f64 = weights.iter().map(|w| w / smallest).sum();
    let scale = (MAX_COPIES * weights.len() as f64 / total).min(1.0) / smallest;
    let mut carried = 0.0;
    let mut copies = |weight: &f64| {
        let wanted = weight * scale + carried;
        let whole = wanted.round().max(0.0);
        carried = wanted - whole;
        whole as usize
    };
    weights.iter().map(&mut copies).collect()
}

fn design(data: &Dataset<'_>, encoders: &[Encoder], copies: &[usize], width: usize) -> Array2<f64> {
    let rows = copies.iter().sum();
    let mut matrix = vec![0.0; rows * width];
    let mut first = 0;
    for (feature, encoder) in encoders.iter().enumerate() {
        let columns = first..first + encoder.width();
        let mut encoded = matrix.chunks_exact_mut(width);
        for (cell, &times) in data.cells(feature).into_iter().zip(copies) {
            for row in encoded.by_ref().take(times) {
                encoder.encode(cell, &mut row[columns.clone()]);
            }
        }
        first = columns.end;
    }
    Array2::from_shape_vec((rows, width), matrix).expect("as many cells as rows times columns")
}

/// A fitted logistic regression: the margin is a constant plus an addend per feature.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedLogistic {
    pub(crate) intercept: f64,
    pub(crate) numbers: Vec<Line>,
    pub(crate) categories: Vec<Addends>,
}

/// What a number adds: `slope * squash(clamp(x, low, high))`, or a constant when missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub feature: usize,
    pub low: f64,
    pub high: f64,
    pub squash: Option<f64>,
    pub slope: f64,
    pub missing: f64,
}

/// What each level of a category adds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Addends {
    pub feature: usize,
    pub levels: Vec<f64>,
    pub unknown: f64,
    pub missing: f64,
}

impl Line {
    fn addend(&self, x: f64) -> f64 {
        if x.is_nan() {
            return self.missing;
        }
        let x = x.clamp(self.low, self.high);
        self.slope * self.squash.map_or(x, |scale| (x / scale).asinh())
    }
}

impl Addends {
    fn addend(&self, cell: f64) -> f64 {
        match cell.is_nan() {
            true => self.missing,
            false if cell == UNKNOWN_LEVEL => self.unknown,
            false => self.levels[cell as usize],
        }
    }
}

impl FittedLogistic {
    /// The log odds of the target for a row of cells.
    pub fn margin(&self, row: &[f64]) -> f64 {
        let numbers = self.numbers.iter().map(|line| line.addend(row[line.feature]));
        let categories = self.categories.iter().map(|a| a.addend(row[a.feature]));
        // One after the other, from the intercept: sums depend on their order.
        numbers.chain(categories).fold(self.intercept, |margin, addend| margin + addend)
    }

    /// What each cell of a row adds to the margin besides the intercept; 0 for features that are not asked for.
    /// Missing cells and unknown levels add their own. `addends` has as many places as the row cells.
    pub fn addends_into(&self, row: &[f64], addends: &mut [f64]) {
        addends.fill(0.0);
        for line in &self.numbers {
            addends[line.feature] = line.addend(row[line.feature]);
        }
        for category in &self.categories {
            addends[category.feature] = category.addend(row[category.feature]);
        }
    }

    /// What each feature adds to the margin in the mean over the rows of a dataset, whose features are the model's, by
    /// weight; over some of them, evenly taken, where they are very many.
    pub fn expected_addends(&self, data: &Dataset<'_>) -> Vec<f64> {
        let step = data.rows.len().div_ceil(EXPECTED_FROM).max(1);
        let taken: Vec<u32> = data.rows.iter().step_by(step).copied().collect();
        let width = data.features.len();
        let (mut sums, mut weights, mut addends) = (vec![0.0; width], 0.0, vec![0.0; width]);
        for rows in taken.chunks(1_024) {
            let part = data.with_rows(rows);
            for (cells, weight) in part.to_rows().iter().zip(part.weights()) {
                self.addends_into(cells, &mut addends);
                sums.iter_mut().zip(&addends).for_each(|(sum, addend)| *sum += weight * addend);
                weights += weight;
            }
        }
        sums.into_iter().map(|sum| sum / weights).collect()
    }

    /// How far each cell of rows moved the margin from the expected one, by [`FittedLogistic::expected_addends`]: the
    /// Shapley values of a sum. Row-major, a number a feature.
    pub fn contributions(&self, rows: &Rows, expected: &[f64]) -> Vec<f64> {
        let width = rows.width();
        let mut all = vec![0.0; rows.len() * width];
        for (row, out) in rows.iter().zip(all.chunks_exact_mut(width)) {
            self.addends_into(row, out);
            out.iter_mut().zip(expected).for_each(|(addend, expected)| *addend -= expected);
        }
        all
    }

    /// The margins of rows.
    pub fn margins(&self, rows: &Rows) -> Vec<f64> {
        rows.iter().map(|row| self.margin(row)).collect()
    }

    /// Where no feature tells anything, everyone has the base rate.
    fn constant(data: &Dataset<'_>) -> FittedLogistic {
        let (targets, weights) = (data.targets(), data.weights());
        let weight_of = |class| {
            let rows = targets.iter().zip(&weights).filter(move |(t, _)| **t == class);
            rows.map(|(_, w)| w).sum::<f64>()
        };
        let intercept = (weight_of(true) / weight_of(false)).ln();
        FittedLogistic { intercept, numbers: Vec::new(), categories: Vec::new() }
    }

    /// Folds standardisation and indicators into one addend per feature.
    fn fold(encoders: &[Encoder], coefficients: &[f64], intercept: f64) -> FittedLogistic {
        let mut fitted = FittedLogistic { intercept, numbers: Vec::new(), categories: Vec::new() };
        let mut first = 0;
        for (feature, encoder) in encoders.iter().enumerate() {
            let own = &coefficients[first..first + encoder.width()];
            first += encoder.width();
            match encoder {
                Encoder::Constant => {}
                Encoder::Number(number) => {
                    let slope = own[0] / number.deviation;
                    let at_mean = slope * number.mean;
                    fitted.intercept -= at_mean;
                    fitted.numbers.push(Line {
                        feature,
                        low: number.low,
                        high: number.high,
                        squash: number.squash,
                        slope,
                        missing: at_mean + own.get(1).copied().unwrap_or(0.0),
                    });
                }
                Encoder::Levels(levels) => fitted.categories.push(Addends {
                    feature,
                    levels: levels.column.iter().map(|&column| own[column]).collect(),
                    unknown: own[levels.rare],
                    missing: own[levels.missing],
                }),
            }
        }
        fitted
    }

    /// Whether every margin it can give is finite.
    pub(crate) fn is_finite(&self) -> bool {
        let line = |l: &Line| {
            let ends = [l.low, l.high, l.slope, l.missing].iter().all(|x| x.is_finite());
            ends && l.low <= l.high && l.squash.is_none_or(|s| s.is_finite() && s > 0.0)
        };
        let addends =
            |a: &Addends| a.levels.iter().chain([&a.unknown, &a.missing]).all(|x| x.is_finite());
        self.intercept.is_finite()
            && self.numbers.iter().all(line)
            && self.categories.iter().all(addends)
    }
}
