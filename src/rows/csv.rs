//! Customers as CSV, straight into a model's rows. Cells mean what they mean in a training table.

use std::borrow::Cow;
use std::io::Read;

use csv_core::ReadRecordResult;
use rekindle_models::frame::{number, short_decimal};

use crate::customers::{Column, Customers, Gathering, Heading, Limits};
use crate::error::ApiError;
use crate::fields::{Fields, Role};
use crate::rows::Broken;
use crate::rows::lines::Lines;
use crate::values::{Cell, Value, shorten};

/// The records of a stream, one at a time.
pub struct Records<R> {
    lines: Lines<R>,
    parser: csv_core::Reader,
    /// Fields of a record with quotes: their bytes, and where each ends.
    texts: Vec<u8>,
    ends: Vec<usize>,
    /// The names of the columns.
    names: Vec<String>,
}

/// A record.
pub enum Record<'a> {
    /// A line without quotes.
    Plain(&'a [u8]),
    /// Fields without their quotes: their bytes, and where each ends.
    Quoted(&'a [u8], &'a [usize]),
}

impl Record<'_> {
    /// Calls `each` with the number and the bytes of every field, and returns how many there are.
    #[inline]
    pub fn for_each(&self, mut each: impl FnMut(usize, &[u8])) -> usize {
        match self {
            Record::Plain(line) => {
                let mut count = 0;
                for field in line.split(|byte| *byte == b',') {
                    each(count, field);
                    count += 1;
                }
                count
            }
            Record::Quoted(texts, ends) => {
                let mut start = 0;
                for (number, &end) in ends.iter().enumerate() {
                    each(number, &texts[start..end]);
                    start = end;
                }
                ends.len()
            }
        }
    }

    /// Adds the record as a customer.
    pub fn read(&self, gathering: &mut Gathering<'_>, heading: &Heading<'_>) {
        gathering.add();
        let columns = heading.columns();
        let found = self.for_each(|number, field| {
            if let Some(&Column::Known(place, role)) = columns.get(number) {
                cell(gathering, place, role, field);
            }
        });
        if found != columns.len() {
            gathering.bad(
                None,
                format!("{found} cells"),
                format!("{}, one a column of the header", columns.len()),
            );
        }
    }
}

/// A field's bytes into a cell.
#[inline]
fn cell(gathering: &mut Gathering<'_>, place: usize, role: &Role, field: &[u8]) {
    // Most cells are short numbers without blanks, or empty: then the cell is missing, as it was when it was added.
    if let Role::Numeric = role {
        if let Some(value) = short_decimal(field) {
            return gathering.number(place, value);
        }
        if field.is_empty() {
            return;
        }
    }
    any_cell(gathering, place, role, field.trim_ascii());
}

fn any_cell(gathering: &mut Gathering<'_>, place: usize, role: &Role, field: &[u8]) {
    let Ok(text) = std::str::from_utf8(field) else {
        let name = &gathering.fields().known()[place].name;
        let found = format!("bytes that are no text: {:?}", String::from_utf8_lossy(field));
        return gathering.bad(Some(name), shorten(&found), "UTF-8 text".to_owned());
    };
    let value = Value::Text(Cow::Borrowed(text));
    let missing = &gathering.fields().missing;
    match role {
        Role::Ignored => {}
        _ if missing.text(text) => {}
        Role::Numeric => match number(field) {
            Some(found) => gathering.number(place, found),
            None => {
                let expected = Cell::Wrong("a number or a missing cell".to_owned());
                gathering.cell(place, expected, &value);
            }
        },
        Role::Boolean => {
            let truth = match text {
                "1" | "1.0" => Some(true),
                "0" | "0.0" => Some(false),
                _ if text.eq_ignore_ascii_case("true") => Some(true),
                _ if text.eq_ignore_ascii_case("false") => Some(false),
                _ => None,
            };
            match truth {
                Some(truth) => gathering.set(place, role, &Value::Bool(truth)),
                None => {
                    let expected = Cell::Wrong("true, false, 1, 0 or a missing cell".to_owned());
                    gathering.cell(place, expected, &value);
                }
            }
        }
        Role::Date(_) | Role::Categorical(_) | Role::Id => gathering.set(place, role, &value),
    }
}

impl<R: Read> Records<R> {
    /// Reads the header. Records of more than `most` bytes are refused.
    ///
    /// # Errors
    /// When there is none, or the stream breaks off.
    pub fn new(input: R, most: usize) -> Result<Records<R>, Broken> {
        let mut records = Records {
            lines: Lines::new(input, most),
            parser: csv_core::Reader::new(),
            texts: Vec::new(),
            ends: Vec::new(),
            names: Vec::new(),
        };
        let mut names = Vec::new();
        match records.next()? {
            Some((header, _)) => {
                header.for_each(|number, name| {
                    // Some programs begin their files with a mark of the encoding.
                    let name =
                        name.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 0).unwrap_or(name);
                    names.push(String::from_utf8_lossy(name.trim_ascii()).into_owned());
                });
            }
            None => {
                let reason = "no header, expected the names of the columns in the first line";
                return Err(Broken::Table(reason.to_owned()));
            }
        }
        records.names = names;
        Ok(records)
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<Cow<'_, str>> {
        self.names.iter().map(|name| Cow::Borrowed(name.as_str())).collect()
    }

    /// The next record, and the line that it ends in, from 1; blank lines are none.
    ///
    /// # Errors
    /// When the stream breaks off, or a record is too long.
    pub fn next(&mut self) -> Result<Option<(Record<'_>, u64)>, Broken> {
        loop {
            let Some((length, whole)) = self.lines.peek()? else { return Ok(None) };
            let line = &self.lines.bytes()[..length];
            if line.is_empty() {
                self.lines.take(whole, 1);
                continue;
            }
            if memchr::memchr(b'"', line).is_some() {
                return self.quoted().map(Some);
            }
            self.lines.take(whole, 1);
            return Ok(Some((
                Record::Plain(&self.lines.taken(whole)[..length]),
                self.lines.number(),
            )));
        }
    }

    /// A record with quotes, which may go over several lines.
    fn quoted(&mut self) -> Result<(Record<'_>, u64), Broken> {
        loop {
            let bytes = self.lines.bytes();
            // Not a clone: that of csv-core 0.1.13 forgets which states end a record.
            self.parser.reset();
            self.texts.resize(bytes.len() + 1, 0);
            let (mut read, mut written, mut fields) = (0, 0, 0);
            let result = loop {
                if self.ends.len() < fields + 64 {
                    self.ends.resize(2 * fields + 64, 0);
                }
                let input = &bytes[read..];
                let (result, more, texts, ends) = self.parser.read_record(
                    input,
                    &mut self.texts[written..],
                    &mut self.ends[fields..],
                );
                (read, written, fields) = (read + more, written + texts, fields + ends);
                match result {
                    ReadRecordResult::OutputEndsFull => {}
                    // Nothing is left and nothing will come: the parser is asked once more, to end the record.
                    ReadRecordResult::InputEmpty if self.lines.ended() && !input.is_empty() => {}
                    other => break other,
                }
            };
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => {
                    // The parser leaves the second half of a line's end to the next record.
                    read += usize::from(
                        bytes[..read].ends_with(b"\r") && bytes[read..].starts_with(b"\n"),
                    );
                    self.lines.short(read)?;
                    if self.lines.ended() && read == bytes.len() && ends_in_quotes(bytes) {
                        let line = self.lines.number() + 1;
                        return Err(Broken::Table(format!(
                            "line {line}: found a quote that nothing closes before the end, expected a second one"
                        )));
                    }
                    let lines = memchr::memchr_iter(b'\n', &bytes[..read]).count().max(1);
                    self.lines.take(read, lines as u64);
                    let record = Record::Quoted(&self.texts[..written], &self.ends[..fields]);
                    return Ok((record, self.lines.number()));
                }
                _ => self.lines.fill()?,
            }
        }
    }
}

/// Whether a record ends within quotes: they begin where a field does, and two of them stand for one.
fn ends_in_quotes(record: &[u8]) -> bool {
    let (mut within, mut begins) = (false, true);
    let mut bytes = record.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if within => within = bytes.next_if(|next| **next == b'"').is_some(),
            b'"' => within = begins,
            _ => {}
        }
        begins = !within && matches!(byte, b',' | b'\n' | b'\r');
    }
    within
}

/// Reads a whole table.
///
/// # Errors
/// When it is no table, has too many customers, or cells that the model cannot read.
pub fn parse(body: &[u8], fields: &Fields, limits: Limits) -> Result<Customers, ApiError> {
    let invalid = |broken: Broken| ApiError::InvalidTable { reason: broken.to_string() };
    let mut gathering = Gathering::new(fields, limits);
    let mut records = Records::new(body, body.len().max(1)).map_err(invalid)?;
    let heading = gathering.heading(&records.names())?;
    while let Some((record, _)) = records.next().map_err(invalid)? {
        if gathering.is_full() {
            return Err(ApiError::TooManyCustomers { limit: limits.customers });
        }
        record.read(&mut gathering, &heading);
    }
    gathering.finish()
}
