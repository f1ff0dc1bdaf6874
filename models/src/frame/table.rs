//! The table itself: columns of equal length under a schema.

use crate::error::{Error, Result};
use crate::frame::schema::{Field, Kind, Schema};

/// The code of a categorical cell with no value.
pub const MISSING_CODE: u32 = u32::MAX;
/// The code of a categorical cell with a value that is not among the levels. A table read without
/// a model has none; they arise where a table is bound to a model's levels.
pub const UNKNOWN_CODE: u32 = u32::MAX - 1;

/// The cells of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numeric, boolean and date columns; NaN is missing.
    Number(Vec<f64>),
    /// Categorical columns: places in the field's levels, or [`MISSING_CODE`] or [`UNKNOWN_CODE`].
    Category(Vec<u32>),
}

impl Column {
    /// Number of cells.
    pub fn len(&self) -> usize {
        match self {
            Column::Number(values) => values.len(),
            Column::Category(codes) => codes.len(),
        }
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A table: a schema and one column for each of its fields, all of the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    schema: Schema,
    columns: Vec<Column>,
    rows: usize,
}

impl Frame {
    /// # Errors
    /// When columns and fields differ in number or kind, columns differ in length, or a code is
    /// not a place among its field's levels.
    pub fn new(schema: Schema, columns: Vec<Column>) -> Result<Frame> {
        let rows = columns.first().map_or(0, Column::len);
        let malformed = |reason: String| Err(Error::MalformedFrame { reason });
        if columns.len() != schema.len() {
            return malformed(format!("{} columns for {} fields", columns.len(), schema.len()));
        }
        for (field, column) in schema.fields().iter().zip(&columns) {
            if column.len() != rows {
                return malformed(format!(
                    "column {} has {} rows, the first has {rows}",
                    field.name,
                    column.len()
                ));
            }
            match (&field.kind, column) {
                (Kind::Categorical(levels), Column::Category(codes)) => {
                    let known = |c: &u32| (*c as usize) < levels.len() || *c >= UNKNOWN_CODE;
                    if !codes.iter().all(known) {
                        return malformed(format!(
                            "column {} has a code beyond its levels",
                            field.name
                        ));
                    }
                }
                (Kind::Numeric | Kind::Boolean | Kind::Date(_), Column::Number(_)) => {}
                (kind, _) => {
                    return malformed(format!("column {} is not {}", field.name, kind.name()));
                }
            }
        }
        Ok(Frame { schema, columns, rows })
    }

    /// The table with more columns after its own, which are not copied.
    ///
    /// # Errors
    /// As [`Frame::new`], and when a name is taken.
    pub fn with_columns(self, more: Vec<(Field, Column)>) -> Result<Frame> {
        let (fields, columns): (Vec<Field>, Vec<Column>) = more.into_iter().unzip();
        let fields = self.schema.fields().iter().cloned().chain(fields).collect();
        let columns = self.columns.into_iter().chain(columns).collect();
        Frame::new(Schema::new(fields)?, columns)
    }

    /// The table's first columns.
    pub fn first_columns(self, count: usize) -> Frame {
        let places: Vec<usize> = (0..count.min(self.columns.len())).collect();
        let schema = self.schema.select(&places);
        let columns = self.columns.into_iter().take(count).collect();
        Frame { schema, columns, rows: self.rows }
    }

    /// Names and kinds of the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The columns in the schema's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A numeric, boolean or date column's values, `None` for a categorical one.
    pub fn numbers(&self, place: usize) -> Option<&[f64]> {
        match &self.columns[place] {
            Column::Number(values) => Some(values),
            Column::Category(_) => None,
        }
    }

    /// A cell as text: numbers in their shortest form, `None` where missing.
    pub fn text(&self, place: usize, row: usize) -> Option<std::borrow::Cow<'_, str>> {
        match (&self.columns[place], &self.schema.fields()[place].kind) {
            (Column::Number(values), kind) => {
                let value = values[row];
                (!value.is_nan()).then(|| match kind {
                    Kind::Boolean if value == 1.0 => "true".into(),
                    Kind::Boolean if value == 0.0 => "false".into(),
                    _ => value.to_string().into(),
                })
            }
            (Column::Category(codes), Kind::Categorical(levels)) => {
                levels.get(codes[row] as usize).map(|l| l.as_str().into())
            }
            (Column::Category(_), _) => unreachable!("`Frame::new` pairs categories with levels"),
        }
    }

    /// A fingerprint of names, kinds and cells, in hexadecimal. Two files with the same table, in
    /// whatever format, have the same one.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = Vec::new();
        for (field, column) in self.schema.fields().iter().zip(&self.columns) {
            let mut text = |s: &str| {
                hasher.update(&(s.len() as u64).to_le_bytes());
                hasher.update(s.as_bytes());
            };
            text(&field.name);
            text(field.kind.name());
            if let Kind::Categorical(levels) = &field.kind {
                levels.iter().for_each(|l| text(l));
            }
            for block in 0..self.rows.div_ceil(BLOCK) {
                let span = block * BLOCK..((block + 1) * BLOCK).min(self.rows);
                bytes.clear();
                match column {
                    Column::Number(values) => values[span].iter().for_each(|v| {
                        // Every NaN is the same missing cell, whatever its bits.
                        let v = if v.is_nan() { f64::NAN } else { *v };
                        bytes.extend_from_slice(&v.to_bits().to_le_bytes());
                    }),
                    Column::Category(codes) => {
                        codes[span].iter().for_each(|c| bytes.extend_from_slice(&c.to_le_bytes()))
                    }
                }
                hasher.update(&bytes);
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Cells hashed at a time.
const BLOCK: usize = 8_192;
