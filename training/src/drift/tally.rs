//! How the cells of a table are spread over the cells of a reference population: one pass over each column, columns side
//! by side, nothing copied.

use std::collections::HashMap;

use rayon::prelude::*;
use rekindle_models::artifact::{Distribution, FEWEST_ROWS, MISSING_CELL};
use rekindle_models::frame::{
    Column, Field, Frame, Kind, MISSING_CODE, Schema, UNKNOWN_CODE, UNKNOWN_LEVEL,
};
use serde::Serialize;

/// Most unknown levels that are named.
const MOST_NAMED: usize = 5;

/// A feature's cells in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// Weight of each cell, in the order of [`Distribution::cells`].
    pub cells: Vec<f64>,
    /// Levels that the model does not know.
    pub new: NewLevels,
}

/// Levels of a feature that the model does not know: for it they all are one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewLevels {
    /// How many.
    pub count: usize,
    /// Share of the weight that has one of them.
    pub share: f64,
    /// The most frequent that 20 rows have at least.
    pub most_frequent: Vec<String>,
}

/// The spread of every feature of a model. A feature without a column is missing in every row.
pub fn tally(
    frame: &Frame,
    features: &Schema,
    reference: &[Distribution],
    weight: Option<&[f64]>,
) -> Vec<Tally> {
    let total = weight.map_or(frame.rows() as f64, |weight| weight.iter().sum());
    let of_feature = |(field, then): (&Field, &Distribution)| {
        let mut cells = vec![0.0; then.cells().len()];
        let Some(place) = frame.schema().place(&field.name) else {
            cells[MISSING_CELL] = total;
            return Tally { cells, new: NewLevels::default() };
        };
        match &frame.columns()[place] {
            Column::Number(values) => {
                add(&mut cells, values.iter().map(|&value| then.cell_of(value)), weight);
                Tally { cells, new: NewLevels::default() }
            }
            Column::Category(codes) => {
                let levels = Levels::new(&frame.schema().fields()[place], field, then);
                add(&mut cells, codes.iter().map(|&code| levels.cell_of(code)), weight);
                Tally { cells, new: levels.unknown(codes, weight, total) }
            }
        }
    };
    features.fields().par_iter().zip(reference).map(of_feature).collect()
}

/// The spread of numbers that are no column, as probabilities.
pub fn spread(values: &[f64], then: &Distribution, weight: Option<&[f64]>) -> Vec<f64> {
    let mut cells = vec![0.0; then.cells().len()];
    add(&mut cells, values.iter().map(|&value| then.cell_of(value)), weight);
    cells
}

fn add(cells: &mut [f64], places: impl Iterator<Item = usize>, weight: Option<&[f64]>) {
    match weight {
        None => places.for_each(|place| cells[place] += 1.0),
        Some(weight) => places.zip(weight).for_each(|(place, w)| cells[place] += w),
    }
}

/// The levels of a table's column, each with its cell.
struct Levels<'a> {
    given: &'a [String],
    cells: Vec<usize>,
    known: Vec<bool>,
    unknown_cell: usize,
}

impl<'a> Levels<'a> {
    fn new(column: &'a Field, feature: &'a Field, then: &Distribution) -> Levels<'a> {
        let of = |field: &'a Field| match &field.kind {
            Kind::Categorical(levels) => levels.as_ref(),
            Kind::Numeric | Kind::Boolean | Kind::Date(_) => &[],
        };
        let (given, model) = (of(column), of(feature));
        let places: HashMap<&str, usize> =
            model.iter().enumerate().map(|(place, level)| (level.as_str(), place)).collect();
        let place = |level: &String| places.get(level.as_str()).copied();
        let cell = |level| then.cell_of(place(level).map_or(UNKNOWN_LEVEL, |p| p as f64));
        Levels {
            given,
            cells: given.iter().map(cell).collect(),
            known: given.iter().map(|level| place(level).is_some()).collect(),
            unknown_cell: then.cell_of(UNKNOWN_LEVEL),
        }
    }

    fn cell_of(&self, code: u32) -> usize {
        match code {
            MISSING_CODE => MISSING_CELL,
            UNKNOWN_CODE => self.unknown_cell,
            code => self.cells[code as usize],
        }
    }

    /// The levels that the model does not know.
    fn unknown(&self, codes: &[u32], weight: Option<&[f64]>, total: f64) -> NewLevels {
        if self.known.iter().all(|known| *known) {
            return NewLevels::default();
        }
        let (mut rows, mut unknown) = (vec![0_usize; self.given.len()], 0.0);
        for (row, &code) in codes.iter().enumerate() {
            if self.known.get(code as usize).is_some_and(|known| !known) {
                rows[code as usize] += 1;
                unknown += weight.map_or(1.0, |weight| weight[row]);
            }
        }
        let mut seen: Vec<usize> = (0..rows.len()).filter(|&level| rows[level] > 0).collect();
        seen.sort_by(|&a, &b| rows[b].cmp(&rows[a]).then(a.cmp(&b)));
        let often = seen.iter().filter(|&&level| rows[level] >= FEWEST_ROWS);
        NewLevels {
            count: seen.len(),
            share: unknown / total,
            most_frequent: often.take(MOST_NAMED).map(|&l| self.given[l].clone()).collect(),
        }
    }
}
