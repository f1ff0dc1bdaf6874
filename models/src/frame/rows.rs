//! Cells row by row, in a model's order of features: what a model is scored on. A table from a
//! file and a customer from a request become the same rows, so they get the same score to the bit.

use std::collections::HashMap;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::frame::schema::{Kind, Schema};
use crate::frame::table::{Column, Frame};

/// The cell of a categorical feature whose value is not among the model's levels.
pub const UNKNOWN_LEVEL: f64 = -1.0;

/// Rows of a model's features, row-major. A numeric cell is its value; a categorical one is the
/// place of its level, or [`UNKNOWN_LEVEL`]; a missing one is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    width: usize,
    cells: Vec<f64>,
}

impl Rows {
    /// No rows yet, of `width` cells each (at least 1).
    pub fn new(width: usize) -> Rows {
        assert!(width > 0, "rows have at least one cell");
        Rows { width, cells: Vec::new() }
    }

    /// Rows from cells in row-major order; `cells.len()` is a multiple of `width`.
    pub fn from_cells(width: usize, cells: Vec<f64>) -> Rows {
        assert!(width > 0 && cells.len().is_multiple_of(width), "cells fill whole rows");
        Rows { width, cells }
    }

    /// Appends a row of missing cells and lends it to be filled.
    pub fn push_missing(&mut self) -> &mut [f64] {
        let start = self.cells.len();
        self.cells.resize(start + self.width, f64::NAN);
        &mut self.cells[start..]
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cells in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// One row's cells.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.width..(row + 1) * self.width]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.cells.chunks_exact(self.width)
    }

    /// All cells, row-major.
    pub fn cells(&self) -> &[f64] {
        &self.cells
    }
}

/// How the columns of one table serve as the features of a model: made once, used for every row.
#[derive(Debug, Clone)]
pub struct Binding {
    sources: Vec<Source>,
    absent: Vec<String>,
    unused: Vec<String>,
    unknown_levels: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
enum Source {
    /// The table has no such column: every cell is missing.
    Absent,
    Number(usize),
    /// The table's codes, each with its cell for the model.
    Category(usize, Vec<f64>),
}

impl Binding {
    /// Pairs the features of a model with the columns of a table by name.
    ///
    /// # Errors
    /// When a column has another kind than the model's feature of that name.
    pub fn new(features: &Schema, table: &Schema) -> Result<Binding> {
        let mut binding = Binding {
            sources: Vec::with_capacity(features.len()),
            absent: Vec::new(),
            unused: Vec::new(),
            unknown_levels: Vec::new(),
        };
        for feature in features.fields() {
            let Some(place) = table.place(&feature.name) else {
                binding.absent.push(feature.name.clone());
                binding.sources.push(Source::Absent);
                continue;
            };
            let source = match (&feature.kind, &table.fields()[place].kind) {
                (Kind::Categorical(known), Kind::Categorical(given)) => {
                    let places: HashMap<&str, usize> =
                        known.iter().enumerate().map(|(i, l)| (l.as_str(), i)).collect();
                    let cells = given.iter().map(|level| {
                        places.get(level.as_str()).map_or_else(
                            || {
                                binding.unknown_levels.push((feature.name.clone(), level.clone()));
                                UNKNOWN_LEVEL
                            },
                            |&place| place as f64,
                        )
                    });
                    Source::Category(place, cells.collect())
                }
                (Kind::Categorical(_), _) | (_, Kind::Categorical(_)) => {
                    return Err(Error::KindMismatch {
                        column: feature.name.clone(),
                        found: table.fields()[place].kind.name(),
                        expected: feature.kind.name(),
                    });
                }
                _ => Source::Number(place),
            };
            binding.sources.push(source);
        }
        let known = |name: &str| features.place(name).is_some();
        binding.unused =
            table.fields().iter().map(|f| f.name.clone()).filter(|name| !known(name)).collect();
        Ok(binding)
    }

    /// Features of the model that the table has no column for: their cells are missing.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// Columns of the table that are not features of the model.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Levels of the table that the model has never seen, as (feature, level).
    pub fn unknown_levels(&self) -> &[(String, String)] {
        &self.unknown_levels
    }

    /// Some rows of the table in the model's order of features. `frame` has the schema that the
    /// binding was made with.
    pub fn rows(&self, frame: &Frame, span: Range<usize>) -> Rows {
        self.gather(frame, span.len(), span)
    }

    /// The rows of the table at the places given.
    pub fn rows_at(&self, frame: &Frame, places: &[u32]) -> Rows {
        self.gather(frame, places.len(), places.iter().map(|&p| p as usize))
    }

    fn gather(
        &self,
        frame: &Frame,
        count: usize,
        places: impl Iterator<Item = usize> + Clone,
    ) -> Rows {
        let width = self.sources.len();
        let mut cells = vec![f64::NAN; width * count];
        for (feature, source) in self.sources.iter().enumerate() {
            let targets = cells.iter_mut().skip(feature).step_by(width);
            match source {
                Source::Absent => {}
                Source::Number(place) => {
                    let Column::Number(values) = &frame.columns()[*place] else {
                        unreachable!("bound to a column of numbers")
                    };
                    targets.zip(places.clone()).for_each(|(cell, row)| *cell = values[row]);
                }
                Source::Category(place, levels) => {
                    let Column::Category(codes) = &frame.columns()[*place] else {
                        unreachable!("bound to a column of categories")
                    };
                    targets.zip(places.clone()).for_each(|(cell, row)| {
                        *cell = match codes[row] {
                            crate::frame::MISSING_CODE => f64::NAN,
                            crate::frame::UNKNOWN_CODE => UNKNOWN_LEVEL,
                            code => levels[code as usize],
                        }
                    });
                }
            }
        }
        Rows::from_cells(width.max(1), cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Field, MISSING_CODE, UNKNOWN_CODE};

    fn schema(fields: &[(&str, Kind)]) -> Schema {
        let field =
            |(name, kind): &(&str, Kind)| Field { name: (*name).into(), kind: kind.clone() };
        Schema::new(fields.iter().map(field).collect()).unwrap()
    }

    fn levels(levels: &[&str]) -> Kind {
        Kind::Categorical(levels.iter().map(|l| (*l).to_owned()).collect())
    }

    fn bits(rows: &Rows) -> Vec<u64> {
        rows.cells().iter().map(|x| x.to_bits()).collect()
    }

    fn table() -> Frame {
        let schema = schema(&[
            ("more", Kind::Numeric),
            ("town", levels(&["Kyoto", "Nara", "Osaka"])),
            ("spend", Kind::Numeric),
        ]);
        let columns = vec![
            Column::Number(vec![0.0; 5]),
            Column::Category(vec![2, 1, MISSING_CODE, UNKNOWN_CODE, 0]),
            Column::Number(vec![1.0, f64::NAN, 3.0, -0.0, f64::INFINITY]),
        ];
        Frame::new(schema, columns).unwrap()
    }

    #[test]
    fn cells_come_in_the_models_order_and_levels_at_the_models_places() {
        let features = schema(&[
            ("spend", Kind::Boolean),
            ("gone", Kind::Numeric),
            ("town", levels(&["Osaka", "Tokyo", "Kyoto"])),
        ]);
        let table = table();
        let binding = Binding::new(&features, table.schema()).unwrap();
        assert_eq!(binding.absent(), ["gone"]);
        assert_eq!(binding.unused(), ["more"]);
        assert_eq!(binding.unknown_levels(), [("town".to_owned(), "Nara".to_owned())]);
        let rows = binding.rows(&table, 0..5);
        let (nan, unknown) = (f64::NAN, UNKNOWN_LEVEL);
        let expected = Rows::from_cells(
            3,
            vec![
                1.0,
                nan,
                0.0,
                nan,
                nan,
                unknown,
                3.0,
                nan,
                nan,
                -0.0,
                nan,
                unknown,
                f64::INFINITY,
                nan,
                2.0,
            ],
        );
        assert_eq!(bits(&rows), bits(&expected));
        assert_eq!((rows.len(), rows.width()), (5, 3));
        let some = binding.rows_at(&table, &[4, 0, 4]);
        let picked = [4, 0, 4].iter().flat_map(|&row| expected.row(row).to_vec()).collect();
        assert_eq!(bits(&some), bits(&Rows::from_cells(3, picked)));
        assert_eq!(
            bits(&binding.rows(&table, 2..3)),
            bits(&Rows::from_cells(3, expected.row(2).to_vec()))
        );
    }

    #[test]
    fn no_rows_are_no_rows() {
        let table = table();
        let binding = Binding::new(table.schema(), table.schema()).unwrap();
        assert!(binding.rows(&table, 3..3).is_empty());
        assert!(binding.rows_at(&table, &[]).is_empty());
    }

    #[test]
    fn a_category_does_not_serve_as_a_number_nor_a_number_as_a_category() {
        for (kind, found) in [(Kind::Numeric, "categorical"), (Kind::Boolean, "categorical")] {
            let bound = Binding::new(&schema(&[("town", kind)]), table().schema());
            assert!(matches!(bound, Err(Error::KindMismatch { found: f, .. }) if f == found));
        }
        let bound = Binding::new(&schema(&[("spend", levels(&["1"]))]), table().schema());
        assert!(matches!(bound, Err(Error::KindMismatch { found: "numeric", .. })));
    }

    #[test]
    fn rows_grow_by_missing_cells() {
        let mut rows = Rows::new(2);
        assert!(rows.is_empty());
        rows.push_missing()[1] = 5.0;
        rows.push_missing();
        assert_eq!(rows.len(), 2);
        assert!(rows.row(0)[0].is_nan() && rows.row(0)[1] == 5.0);
        assert!(rows.iter().nth(1).unwrap().iter().all(|x| x.is_nan()));
    }
}
