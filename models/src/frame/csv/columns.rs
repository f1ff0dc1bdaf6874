//! The growing columns of a file: blocks are appended in order, kinds are settled on the way.

use std::sync::Arc;

use crate::error::Result;
use crate::frame::csv::block::{Cells, Plan};
use crate::frame::levels::Levels;
use crate::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema};

/// The columns read so far.
pub(super) struct Columns {
    names: Vec<String>,
    plans: Vec<Plan>,
    growing: Vec<Growing>,
    /// Rows that the file is expected to have.
    expected: usize,
}

enum Growing {
    Skipped,
    /// Nothing but missing cells so far, and how many.
    Missing(usize),
    Numbers(Vec<f64>),
    Booleans(Vec<f64>),
    Levels(Levels),
    /// Blocks disagree: the column must be read again as text.
    Contradicted,
}

impl Columns {
    pub fn new(names: &[String], plans: &[Plan]) -> Columns {
        let start = |plan: &Plan| match plan {
            Plan::Skip => Growing::Skipped,
            _ => Growing::Missing(0),
        };
        let growing = plans.iter().map(start).collect();
        Columns { names: names.to_vec(), plans: plans.to_vec(), growing, expected: 0 }
    }

    /// Makes room for about this many rows, so that columns do not move while they grow.
    pub fn reserve(&mut self, rows: usize) {
        self.expected = rows;
    }

    /// Appends a block's cells.
    pub fn append(&mut self, cells: Vec<Cells>) {
        for (growing, cells) in self.growing.iter_mut().zip(cells) {
            growing.append(cells, self.expected);
        }
    }

    /// The columns that must be read again as text.
    pub fn contradicted(&self) -> Vec<usize> {
        let contradicted = |g: &Growing| matches!(g, Growing::Contradicted);
        (0..self.growing.len()).filter(|&c| contradicted(&self.growing[c])).collect()
    }

    /// Takes some columns from a second reading.
    pub fn replace(&mut self, places: &[usize], mut second: Columns) {
        for &place in places {
            self.growing[place] = std::mem::replace(&mut second.growing[place], Growing::Skipped);
        }
    }

    /// The table, without the skipped columns.
    pub fn into_frame(self) -> Result<Frame> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for ((name, plan), growing) in self.names.into_iter().zip(self.plans).zip(self.growing) {
            if let Some((kind, column)) = growing.finish(&plan) {
                fields.push(Field { name, kind });
                columns.push(column);
            }
        }
        Frame::new(Schema::new(fields)?, columns)
    }
}

impl Growing {
    fn append(&mut self, cells: Cells, expected: usize) {
        if let Growing::Missing(rows) = self {
            let rows = *rows;
            *self = match &cells {
                Cells::Numbers(_) => Growing::Numbers(missing_numbers(rows, expected)),
                Cells::Booleans(_) => Growing::Booleans(missing_numbers(rows, expected)),
                Cells::Levels { .. } => {
                    let mut levels = Levels::with_capacity(expected.max(rows));
                    levels.push_missing(rows);
                    Growing::Levels(levels)
                }
                Cells::Missing(more) => Growing::Missing(rows + more),
                Cells::Skipped => Growing::Skipped,
            };
            if matches!(self, Growing::Missing(_)) {
                return;
            }
        }
        match (&mut *self, cells) {
            (Growing::Numbers(all), Cells::Numbers(more))
            | (Growing::Booleans(all), Cells::Booleans(more)) => all.extend_from_slice(&more),
            (Growing::Numbers(all) | Growing::Booleans(all), Cells::Missing(rows)) => {
                all.resize(all.len() + rows, f64::NAN);
            }
            (Growing::Levels(all), Cells::Levels { codes, levels }) => all.append(&codes, &levels),
            (Growing::Levels(all), Cells::Missing(rows)) => {
                all.push_missing(rows);
            }
            (Growing::Skipped | Growing::Contradicted, _) => {}
            (Growing::Numbers(_) | Growing::Booleans(_) | Growing::Levels(_), _) => {
                *self = Growing::Contradicted;
            }
            (Growing::Missing(_), _) => unreachable!("settled above"),
        }
    }

    fn finish(self, plan: &Plan) -> Option<(Kind, Column)> {
        let number = |mut values: Vec<f64>| {
            values.shrink_to_fit();
            Column::Number(values)
        };
        Some(match self {
            Growing::Skipped => return None,
            Growing::Missing(rows) => match plan {
                Plan::Categorical => {
                    (Kind::Categorical(Arc::from([])), Column::Category(vec![MISSING_CODE; rows]))
                }
                Plan::Boolean => (Kind::Boolean, number(vec![f64::NAN; rows])),
                Plan::Date(format) => (Kind::Date(format.clone()), number(vec![f64::NAN; rows])),
                Plan::Numeric | Plan::Infer | Plan::Skip => {
                    (Kind::Numeric, number(vec![f64::NAN; rows]))
                }
            },
            Growing::Numbers(values) => match plan {
                Plan::Date(format) => (Kind::Date(format.clone()), number(values)),
                _ => (Kind::Numeric, number(values)),
            },
            Growing::Booleans(values) => (Kind::Boolean, number(values)),
            Growing::Levels(levels) => levels.finish(),
            Growing::Contradicted => unreachable!("contradicted columns are read again first"),
        })
    }
}

fn missing_numbers(rows: usize, expected: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(expected.max(rows));
    values.resize(rows, f64::NAN);
    values
}
