//! Lines of CSV and NDJSON files: the columns that are needed, as texts. Lines that are no records are
//! told, not dropped.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema};
use rekindle_models::frame::CsvBlock;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::decimal;
use crate::ingest::mapping::{Lines, Rows};

/// The lines of a block, and those that are no records.
pub(super) struct Block {
    pub rows: Rows,
    /// Lines that are none, and what was found there.
    pub malformed: Vec<(u64, String)>,
}

/// The columns that are needed as they grow.
struct Columns {
    names: Vec<String>,
    builders: Vec<StringBuilder>,
    lines: Vec<u64>,
    malformed: Vec<(u64, String)>,
}

impl Columns {
    fn new(names: &[String]) -> Columns {
        Columns {
            names: names.to_vec(),
            builders: names.iter().map(|_| StringBuilder::new()).collect(),
            lines: Vec::new(),
            malformed: Vec::new(),
        }
    }

    fn finish(mut self) -> Block {
        let field = |name: &String| Field::new(name, DataType::Utf8, true);
        let schema = Arc::new(Schema::new(self.names.iter().map(field).collect::<Vec<_>>()));
        let columns = self.builders.iter_mut().map(|b| Arc::new(b.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.lines.len()));
        let cells = RecordBatch::try_new_with_options(schema, columns, &options)
            .expect("columns of texts are as long as there are lines");
        Block { rows: Rows { cells, lines: Lines::Each(self.lines) }, malformed: self.malformed }
    }
}

/// How the records of a CSV file are read.
pub(super) struct Csv<'a> {
    pub delimiter: u8,
    /// Fields of a record.
    pub width: usize,
    /// Names of the columns that are needed, and their places.
    pub names: &'a [String],
    pub places: &'a [usize],
    /// Cells that count as missing.
    pub missing: &'a [String],
    /// For each column whether it has numbers with a decimal comma; none has where this is empty.
    pub commas: &'a [bool],
}

impl Csv<'_> {
    /// Reads the records of a block.
    pub fn read(&self, block: &CsvBlock) -> Block {
        let mut columns = Columns::new(self.names);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .from_reader(&block.bytes[..]);
        let mut record = csv::ByteRecord::new();
        // Blocks are in memory: reading them cannot fail.
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            // The record's place is before the blank lines that were skipped.
            let (line, start) =
                record.position().map_or((1, 0), |at| (at.line(), at.byte() as usize));
            let blank = block.bytes[start..].iter().take_while(|b| matches!(b, b'\n' | b'\r'));
            let line = block.line - 1 + line + blank.filter(|b| **b == b'\n').count() as u64;
            if record.len() != self.width {
                let found = format!("found {} fields, expected {}", record.len(), self.width);
                columns.malformed.push((line, found));
                continue;
            }
            let cells = self.places.iter().map(|&place| record.get(place).unwrap_or_default());
            if cells.clone().any(|cell| std::str::from_utf8(cell).is_err()) {
                columns.malformed.push((line, "found bytes that are not UTF-8".to_owned()));
                continue;
            }
            for (place, (cell, builder)) in cells.zip(&mut columns.builders).enumerate() {
                let text = std::str::from_utf8(cell).unwrap_or_default().trim();
                match text.is_empty() || self.missing.iter().any(|missing| missing == text) {
                    true => builder.append_null(),
                    false if self.commas.get(place) == Some(&true) => {
                        builder.append_value(decimal::cell(text));
                    }
                    false => builder.append_value(text),
                }
            }
            columns.lines.push(line);
        }
        columns.finish()
    }
}

/// Blocks of whole lines of a file.
pub(super) struct LineBlocks<R> {
    bytes: R,
    pending: Vec<u8>,
    line: u64,
    ended: bool,
}

/// Bytes of a block of lines.
const BLOCK: usize = 512 << 10;
/// Longest line: a longer one is no event.
const MOST_LINE: usize = 64 << 20;

impl<R: Read> LineBlocks<R> {
    pub fn new(bytes: R) -> LineBlocks<R> {
        LineBlocks { bytes, pending: Vec::new(), line: 1, ended: false }
    }

    fn block(&mut self) -> io::Result<Option<CsvBlock>> {
        loop {
            let end = match self.ended {
                true => self.pending.len(),
                false => memchr::memrchr(b'\n', &self.pending).map_or(0, |place| place + 1),
            };
            if end > 0 {
                let rest = self.pending.split_off(end);
                let bytes = std::mem::replace(&mut self.pending, rest);
                let line = self.line;
                self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                return Ok(Some(CsvBlock { bytes, line }));
            }
            if self.ended {
                return Ok(None);
            }
            if self.pending.len() > MOST_LINE {
                return Err(io::Error::other(format!(
                    "line {} is over {} MiB long; expected a JSON object a line",
                    self.line,
                    MOST_LINE >> 20
                )));
            }
            let wanted = BLOCK as u64;
            let read = self.bytes.by_ref().take(wanted).read_to_end(&mut self.pending)?;
            self.ended = (read as u64) < wanted;
        }
    }
}

impl<R: Read> Iterator for LineBlocks<R> {
    type Item = io::Result<CsvBlock>;

    fn next(&mut self) -> Option<io::Result<CsvBlock>> {
        self.block().transpose()
    }
}

/// The paths that are wanted of JSON objects: `properties.revenue` is `revenue` in `properties`, or a key
/// of that very name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The column of what stands here.
    column: Option<usize>,
    children: Vec<(String, Wanted)>,
}

impl Wanted {
    pub fn new(paths: &[String]) -> Wanted {
        let mut all = Wanted::default();
        for (column, path) in paths.iter().enumerate() {
            all.child(path).column = Some(column);
            let mut node = &mut all;
            for part in path.split('.') {
                node = node.child(part);
            }
            node.column = Some(column);
        }
        all
    }

    fn child(&mut self, name: &str) -> &mut Wanted {
        let place =
            self.children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                self.children.push((name.to_owned(), Wanted::default()));
                self.children.len() - 1
            });
        &mut self.children[place].1
    }

    /// Reads the lines of a block; a column for every path. `had` says of each path whether a line has had
    /// it, with a value or `null`.
    pub fn read(&self, block: &CsvBlock, paths: &[String], had: &mut [bool]) -> Block {
        let mut columns = Columns::new(paths);
        let mut cells: Vec<Option<String>> = vec![None; paths.len()];
        for (line, bytes) in (block.line..).zip(block.bytes.split(|byte| *byte == b'\n')) {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
            if bytes.is_empty() {
                continue;
            }
            cells.fill(None);
            let mut json = serde_json::Deserializer::from_slice(bytes);
            let read = Taking { wanted: self, cells: &mut cells, had }.deserialize(&mut json);
            if let Err(error) = read.and_then(|()| json.end()) {
                let text = error.to_string();
                let what = text.split(" at line ").next().unwrap_or_default();
                let column = error.column();
                columns
                    .malformed
                    .push((line, format!("not a JSON object: {what} at column {column}")));
                continue;
            }
            for (cell, builder) in cells.iter().zip(&mut columns.builders) {
                builder.append_option(cell.as_deref().filter(|text| !text.is_empty()));
            }
            columns.lines.push(line);
        }
        columns.finish()
    }
}

/// Takes what is wanted of an object.
struct Taking<'a> {
    wanted: &'a Wanted,
    cells: &'a mut [Option<String>],
    had: &'a mut [bool],
}

impl<'de> DeserializeSeed<'de> for Taking<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Taking<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let Some((_, wanted)) = self.wanted.children.iter().find(|(name, _)| *name == key)
            else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?.get();
            if let Some(column) = wanted.column {
                self.cells[column] = scalar(value);
                self.had[column] = true;
            }
            if !wanted.children.is_empty() && value.starts_with('{') {
                let mut json = serde_json::Deserializer::from_str(value);
                Taking { wanted, cells: self.cells, had: self.had }
                    .deserialize(&mut json)
                    .map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Most paths of JSON objects that are told.
const MOST_PATHS: usize = 200;

/// The paths of the scalars in some JSON objects, a line each, in the order in which they are met.
pub(super) fn paths<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut paths = Vec::new();
    for line in lines {
        let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
        for (key, value) in read.into_iter().flatten() {
            add_paths(&key, &value, &mut paths);
        }
    }
    paths
}

fn add_paths(path: &str, value: &serde_json::Value, paths: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(inner) if path.matches('.').count() < 2 => {
            inner.iter().for_each(|(key, value)| add_paths(&format!("{path}.{key}"), value, paths));
        }
        serde_json::Value::Object(_) | serde_json::Value::Array(_) | serde_json::Value::Null => {}
        _ if paths.len() < MOST_PATHS && !paths.iter().any(|known| known == path) => {
            paths.push(path.to_owned());
        }
        _ => {}
    }
}

/// A value as text: strings without quotes, `null` as none, objects and lists as they stand.
fn scalar(value: &str) -> Option<String> {
    match value.as_bytes().first() {
        Some(b'"') => serde_json::from_str(value).ok(),
        Some(b'n') => None,
        _ => Some(value.to_owned()),
    }
}
