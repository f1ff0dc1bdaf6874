//! Golden rows: a few rows with the scores that the model gave them when it was made. Whoever loads it scores them
//! again: another answer tells that the file, or the program, is not what it was. Holds no names of customers, but their
//! cells as they were: a model's file is to be kept as the table that it was learned from.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::{Kind, Rows, Schema, UNKNOWN_LEVEL};
use crate::scorer::{Score, Scorer};

/// Most golden rows of a model.
pub const MOST_GOLDEN: usize = 16;
/// How far probabilities may be apart: the last place of `exp` differs between platforms.
const TOLERANCE: f64 = 1e-12;

/// Rows of a model's features with the scores they had when it was made. Equal when all bits are.
#[derive(Debug, Clone)]
pub struct Golden {
    rows: Rows,
    scores: Vec<Score>,
}

impl Golden {
    /// These rows, in the order of the scorer's schema, with the scores they have now. A model with more than
    /// [`MOST_GOLDEN`] cannot be saved.
    pub fn of(scorer: &Scorer, rows: Rows) -> Golden {
        let scores = scorer.score(&rows);
        Golden { rows, scores }
    }

    /// No rows, of `width` cells each (at least 1): any scorer gives the right answer.
    pub fn none(width: usize) -> Golden {
        Golden { rows: Rows::new(width), scores: Vec::new() }
    }

    /// Which of the rows with these margins to keep: the lowest, the highest and others evenly between them, at most
    /// [`MOST_GOLDEN`], by rising margin; of equal margins the first row is the lower.
    pub fn places(margins: &[f64]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..margins.len() as u32).collect();
        order.sort_by(|&a, &b| margins[a as usize].total_cmp(&margins[b as usize]).then(a.cmp(&b)));
        let (count, last) = (order.len().min(MOST_GOLDEN), order.len().saturating_sub(1));
        (0..count).map(|step| order[step * last / (count - 1).max(1)]).collect()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there is no row: so it is in files of format 1, and where a model was imported without a table.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// Whether the scorer still says of every row what was kept: the same decision and percentile, and a probability
    /// not more than 1e-12 away.
    ///
    /// # Errors
    /// Names the first row that differs, what was expected and what was found.
    pub fn check(&self, scorer: &Scorer) -> Result<()> {
        if !fit(&self.rows, &scorer.schema) {
            return Err(Error::GoldenRow {
                row: 1,
                found: format!("a model of {} features that it does not fit", scorer.schema.len()),
                expected: format!("one of {} features, with its levels", self.rows.width()),
            });
        }
        let found = scorer.score(&self.rows);
        match found.iter().zip(&self.scores).position(|(found, kept)| !same(found, kept)) {
            None => Ok(()),
            Some(row) => Err(Error::GoldenRow {
                row: row + 1,
                found: told(&found[row]),
                expected: told(&self.scores[row]),
            }),
        }
    }
}

impl PartialEq for Golden {
    fn eq(&self, other: &Golden) -> bool {
        // Missing cells are NaN, which no comparison of numbers finds equal.
        let bits = |golden: &Golden| -> Vec<u64> {
            golden.rows.cells().iter().map(|cell| cell.to_bits()).collect()
        };
        self.rows.width() == other.rows.width()
            && bits(self) == bits(other)
            && self.scores == other.scores
    }
}

/// Equal bits are equal even where both are no number at all.
fn same(found: &Score, kept: &Score) -> bool {
    let equal = found.probability.to_bits() == kept.probability.to_bits();
    (equal || (found.probability - kept.probability).abs() <= TOLERANCE)
        && found.percentile == kept.percentile
        && found.positive == kept.positive
}

fn told(score: &Score) -> String {
    let decision = if score.positive { "positive" } else { "not positive" };
    format!("probability {}, percentile {}, {decision}", score.probability, score.percentile)
}

/// Whether these are rows of the schema: a categorical cell is missing, unknown or a level's place.
fn fit(rows: &Rows, schema: &Schema) -> bool {
    let fits = |(cell, kind): (&f64, &Kind)| match kind {
        Kind::Categorical(levels) => {
            let place = *cell >= 0.0 && *cell < levels.len() as f64 && cell.fract() == 0.0;
            cell.is_nan() || *cell == UNKNOWN_LEVEL || place
        }
        Kind::Numeric | Kind::Boolean | Kind::Date(_) => true,
    };
    let kinds = || schema.fields().iter().map(|field| &field.kind);
    rows.width() == schema.len() && rows.iter().all(|row| row.iter().zip(kinds()).all(fits))
}

/// Golden rows in a saved file: behind the payload, since format 2.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireGolden {
    /// Row-major, in the manifest's order of features.
    cells: Vec<f64>,
    /// Probability, percentile, positive.
    scores: Vec<(f64, u8, bool)>,
}

impl WireGolden {
    /// The saved form, or why there is none.
    pub fn of(golden: &Golden) -> std::result::Result<WireGolden, String> {
        if golden.len() > MOST_GOLDEN {
            let found = golden.len();
            return Err(format!("it has {found} golden rows, at most {MOST_GOLDEN} can be saved"));
        }
        let score = |score: &Score| (score.probability, score.percentile, score.positive);
        Ok(WireGolden {
            cells: golden.rows.cells().to_vec(),
            scores: golden.scores.iter().map(score).collect(),
        })
    }

    /// Most bytes that golden rows of so many cells each can have: 8 a cell, 10 a score, 10 a length.
    pub fn most_bytes(width: usize) -> usize {
        MOST_GOLDEN.saturating_mul(width.saturating_mul(8).saturating_add(10)).saturating_add(20)
    }

    /// The rows, or why they cannot be those of a model with this schema.
    pub fn live(self, schema: &Schema) -> std::result::Result<Golden, String> {
        let (rows, width) = (self.scores.len(), schema.len());
        if rows > MOST_GOLDEN || self.cells.len() != rows * width {
            return Err(format!(
                "its golden rows cannot be: {} cells and {rows} scores for {width} features; fit \
                 the model again",
                self.cells.len()
            ));
        }
        let in_range = |(probability, percentile, _): &(f64, u8, bool)| {
            (0.0..=1.0).contains(probability) && (1..=100).contains(percentile)
        };
        let rows = Rows::from_cells(width, self.cells);
        if !self.scores.iter().all(in_range) || !fit(&rows, schema) {
            return Err("its golden rows cannot be: a score or a level is out of range; fit the \
                        model again"
                .to_owned());
        }
        let score =
            |(probability, percentile, positive)| Score { probability, percentile, positive };
        Ok(Golden { rows, scores: self.scores.into_iter().map(score).collect() })
    }
}
