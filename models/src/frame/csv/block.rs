//! One block of records into cells, column by column. Knows nothing of other blocks.

use hashbrown::HashMap;

use crate::error::Error;
use crate::frame::csv::fields::Fields;
use crate::frame::read::Source;
use crate::frame::{DateFormat, MISSING_CODE};

/// Whole records of a file.
#[derive(Debug)]
pub struct Block {
    /// The records as they stand in the file.
    pub bytes: Vec<u8>,
    /// Line of the file, from 1, that the bytes start in.
    pub line: u64,
}

/// What is known of a column before it is parsed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    Skip,
    Infer,
    Numeric,
    Boolean,
    Date(DateFormat),
    Categorical,
}

/// What became of a block.
pub(super) enum Parsed {
    /// Cells of every column that is not skipped, and the number of rows.
    Cells(Vec<Cells>),
    Fault(Fault),
}

/// The cells of one column of a block.
pub(super) enum Cells {
    Skipped,
    /// No cell has a value: fits any kind.
    Missing(usize),
    Numbers(Vec<f64>),
    Booleans(Vec<f64>),
    /// Codes are places among the block's own levels.
    Levels {
        codes: Vec<u32>,
        levels: Vec<String>,
    },
}

/// The first thing wrong with a block.
pub(super) enum Fault {
    Ragged { line: u64, found: usize, expected: usize },
    Cell { line: u64, column: usize, value: String, expected: String },
}

impl Fault {
    pub fn into_error(self, source: &Source, header: &[String]) -> Error {
        let path = source.name.clone();
        match self {
            Fault::Ragged { line, found, expected } => {
                Error::RaggedRow { path, line, found, expected }
            }
            Fault::Cell { line, column, value, expected } => {
                Error::BadCell { path, line, column: header[column].clone(), value, expected }
            }
        }
    }
}

/// The cells that count as missing.
pub(super) struct Markers {
    texts: Vec<Vec<u8>>,
    /// Whether one of them reads as a number, so that numbers must be compared too.
    numeric: bool,
}

impl Markers {
    pub fn new(markers: &[String]) -> Markers {
        let texts: Vec<Vec<u8>> = markers.iter().map(|m| m.trim().as_bytes().to_vec()).collect();
        let is_value = |t: &Vec<u8>| number(t).is_some_and(|value| !value.is_nan());
        Markers { numeric: texts.iter().any(is_value), texts }
    }

    /// `cell` has no surrounding blanks.
    fn is_missing(&self, cell: &[u8]) -> bool {
        cell.is_empty() || self.texts.iter().any(|marker| marker == cell)
    }
}

/// Parses blocks one after the other; its buffers serve every block.
pub(super) struct Parser<'a> {
    delimiter: u8,
    plans: &'a [Plan],
    markers: &'a Markers,
    fields: Fields,
}

impl<'a> Parser<'a> {
    pub fn new(delimiter: u8, plans: &'a [Plan], markers: &'a Markers) -> Parser<'a> {
        Parser { delimiter, plans, markers, fields: Fields::new(plans.len()) }
    }

    pub fn parse(&mut self, mut block: Block) -> Parsed {
        let rows = match self.fields.split(&mut block, self.delimiter) {
            Ok(rows) => rows,
            Err(fault) => return Parsed::Fault(fault),
        };
        let mut cells = Vec::with_capacity(self.plans.len());
        for column in 0..self.plans.len() {
            match self.column(column, rows) {
                Ok(parsed) => cells.push(parsed),
                Err((row, expected)) => {
                    let mut value = String::from_utf8_lossy(self.field(column, row)).into_owned();
                    if value.chars().count() > SHOWN {
                        value = value.chars().take(SHOWN).chain("...".chars()).collect();
                    }
                    let line = self.fields.line_of(&block, self.delimiter, row);
                    return Parsed::Fault(Fault::Cell { line, column, value, expected });
                }
            }
        }
        Parsed::Cells(cells)
    }

    /// A field without surrounding blanks.
    fn field(&self, column: usize, row: usize) -> &[u8] {
        self.fields.get(column, row).trim_ascii()
    }

    /// The cells of a column, or the first row that does not fit its plan and what was expected.
    fn column(&self, column: usize, rows: usize) -> Result<Cells, (usize, String)> {
        match &self.plans[column] {
            Plan::Skip => Ok(Cells::Skipped),
            Plan::Infer => match self.numbers(column, rows) {
                // A NaN that is spelt out in another way than the markers is a value, or it would
                // be missing or a level by where blocks end.
                Ok(numbers) => Ok(match numbers.iter().all(|v| v.is_nan()) {
                    true if self.all_missing(column, rows) => Cells::Missing(rows),
                    _ => Cells::Numbers(numbers),
                }),
                Err(_) => match self.booleans(column, rows, false) {
                    Ok(booleans) => Ok(Cells::Booleans(booleans)),
                    Err(_) => self.levels(column, rows),
                },
            },
            Plan::Numeric => self.numbers(column, rows).map(Cells::Numbers).map_err(|row| {
                let expected = "a number or a missing cell; name further markers of missing cells \
                                with --missing, or read the column with --categorical";
                (row, expected.to_owned())
            }),
            Plan::Boolean => self
                .booleans(column, rows, true)
                .map(Cells::Booleans)
                .map_err(|row| (row, "true or false (or 1 or 0), or a missing cell".to_owned())),
            Plan::Date(format) => {
                self.dates(column, rows, format).map(Cells::Numbers).map_err(|row| {
                    let written = match format.0.as_str() {
                        "" => "a date as 2026-11-23 or 2026-11-23T08:00:00Z".to_owned(),
                        format => format!("a date written as {format}"),
                    };
                    (row, format!("{written}; give its format with --date COLUMN=FORMAT"))
                })
            }
            Plan::Categorical => self.levels(column, rows),
        }
    }

    fn all_missing(&self, column: usize, rows: usize) -> bool {
        (0..rows).all(|row| self.markers.is_missing(self.field(column, row)))
    }

    /// The column as numbers, or the first row that holds none.
    fn numbers(&self, column: usize, rows: usize) -> Result<Vec<f64>, usize> {
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            // Most cells are short numbers without blanks; an empty one is missing.
            let cell = self.fields.get(column, row);
            values.push(match short_decimal(cell) {
                Some(value) if !self.markers.numeric => value,
                _ if cell.is_empty() => f64::NAN,
                _ => self.any_number(cell.trim_ascii()).ok_or(row)?,
            });
        }
        Ok(values)
    }

    /// A number, NaN where missing, `None` for anything else.
    fn any_number(&self, cell: &[u8]) -> Option<f64> {
        match number(cell) {
            Some(_) if self.markers.numeric && self.markers.is_missing(cell) => Some(f64::NAN),
            None if self.markers.is_missing(cell) => Some(f64::NAN),
            found => found,
        }
    }

    /// The column as 0 and 1, or the first row that is neither; digits count where they are allowed.
    fn booleans(&self, column: usize, rows: usize, digits: bool) -> Result<Vec<f64>, usize> {
        let value = |row| {
            let cell = self.field(column, row);
            match cell {
                b"1" | b"1.0" if digits => Ok(1.0),
                b"0" | b"0.0" if digits => Ok(0.0),
                _ if cell.eq_ignore_ascii_case(b"true") => Ok(1.0),
                _ if cell.eq_ignore_ascii_case(b"false") => Ok(0.0),
                _ if self.markers.is_missing(cell) => Ok(f64::NAN),
                _ => Err(row),
            }
        };
        (0..rows).map(value).collect()
    }

    /// The column as days since 1970, or the first row that is no date.
    fn dates(&self, column: usize, rows: usize, format: &DateFormat) -> Result<Vec<f64>, usize> {
        let value = |row| {
            let cell = self.field(column, row);
            if self.markers.is_missing(cell) {
                return Ok(f64::NAN);
            }
            std::str::from_utf8(cell).ok().and_then(|text| format.parse(text)).ok_or(row)
        };
        (0..rows).map(value).collect()
    }

    fn levels(&self, column: usize, rows: usize) -> Result<Cells, (usize, String)> {
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let mut levels = Vec::new();
        let mut codes = Vec::with_capacity(rows);
        for row in 0..rows {
            let cell = self.field(column, row);
            if self.markers.is_missing(cell) {
                codes.push(MISSING_CODE);
                continue;
            }
            let code = match places.get(cell) {
                Some(&code) => code,
                None => {
                    let text = std::str::from_utf8(cell).map_err(|_| {
                        (row, "UTF-8 text; convert the file to UTF-8 first".to_owned())
                    })?;
                    levels.push(text.to_owned());
                    let code = levels.len() as u32 - 1;
                    places.insert(cell, code);
                    code
                }
            };
            codes.push(code);
        }
        match levels.is_empty() {
            true => Ok(Cells::Missing(rows)),
            false => Ok(Cells::Levels { codes, levels }),
        }
    }
}

/// Characters of a faulty cell that are shown.
const SHOWN: usize = 60;

/// A number written as up to 15 digits with at most one point and no exponent; `None` for any other
/// cell, also where it is a number. Digits and power of ten are exact doubles, so that their quotient
/// is the nearest double to what is written (Clinger 1990), as [`number`] gives.
pub fn short_decimal(cell: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, cell) = match cell {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, cell),
    };
    if cell.len() > 16 {
        return None;
    }
    let (mut digits, mut count, mut point) = (0_u64, 0, None);
    for &byte in cell {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            digits = digits * 10 + u64::from(digit);
            count += 1;
        } else if byte == b'.' && point.is_none() {
            point = Some(count);
        } else {
            return None;
        }
    }
    if count == 0 || count > 15 {
        return None;
    }
    let value = digits as f64;
    let value = point.map_or(value, |whole| value / POWERS[count - whole]);
    Some(if negative { -value } else { value })
}

/// A finite or infinite number, or NaN where it is spelt out; `None` for anything else.
pub fn number(cell: &[u8]) -> Option<f64> {
    fast_float2::parse(cell).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn short_decimals_are_the_nearest_doubles(text in "-?[0-9]{0,10}\\.?[0-9]{0,9}") {
            let bits = |x: f64| x.to_bits();
            if let Some(value) = short_decimal(text.as_bytes()) {
                prop_assert_eq!(number(text.as_bytes()).map(bits), Some(bits(value)), "{}", text);
                prop_assert_eq!(text.parse::<f64>().ok().map(bits), Some(bits(value)), "{}", text);
            }
        }

        #[test]
        fn what_is_no_number_is_no_short_decimal(text in "[-+.0-9eE ]{0,8}") {
            if number(text.as_bytes()).is_none() {
                prop_assert_eq!(short_decimal(text.as_bytes()), None, "{}", text);
            }
        }
    }

    #[test]
    fn common_cells_are_short_decimals() {
        for (text, value) in [("0", 0.0), ("-12.50", -12.5), ("999999999999999", 999999999999999.0)]
        {
            assert_eq!(short_decimal(text.as_bytes()), Some(value));
        }
        for text in ["", "-", ".", "1e3", "+1", "1.2.3", "1234567890123456", " 1"] {
            assert_eq!(short_decimal(text.as_bytes()), None, "{text:?}");
        }
    }
}
