//! A table to be written: named columns as Parquet, CSV or JSON lines. Reads nothing.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use chrono::{DateTime, Datelike};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rekindle_models::behaviour::DAY_MS;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Parquet, texts by dictionary, Zstandard.
    Parquet,
    /// CSV with a header; times as `2024-01-31T09:05:07.123Z`; missing cells are empty.
    Csv,
    /// One JSON object a line; missing cells are left out.
    Ndjson,
}

/// A column's cells.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Texts; an empty one is missing.
    Text(Vec<String>),
    /// Numbers, NaN where missing.
    Number(Vec<f64>),
    /// Instants, in milliseconds since 1970.
    Time(Vec<i64>),
    /// Yes or no.
    Flag(Vec<bool>),
}

/// A table: named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// Names and cells.
    pub columns: Vec<(String, Cells)>,
}

impl Format {
    /// The format by the ending of a file's name: `.parquet`, `.csv`, `.ndjson`.
    pub fn of(name: &str) -> Option<Format> {
        let ending = name.rsplit_once('.')?.1;
        match ending.to_ascii_lowercase().as_str() {
            "parquet" => Some(Format::Parquet),
            "csv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            _ => None,
        }
    }
}

impl Sheet {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| match cells {
            Cells::Text(texts) => texts.len(),
            Cells::Number(numbers) => numbers.len(),
            Cells::Time(times) => times.len(),
            Cells::Flag(flags) => flags.len(),
        })
    }

    /// A column's cells; `None` where there is no such column.
    pub fn column(&self, name: &str) -> Option<&Cells> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, cells)| cells)
    }

    /// Appends a column, as long as the others.
    pub fn add(&mut self, name: &str, cells: Cells) {
        self.columns.push((name.to_owned(), cells));
    }

    /// Writes the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write<W: Write + Send>(&self, to: &mut W, format: Format) -> io::Result<()> {
        let mut writer = SheetWriter::new(to, format);
        writer.append(self)?;
        writer.finish()
    }

    fn batch(&self) -> io::Result<RecordBatch> {
        let array = |cells: &Cells| -> ArrayRef {
            match cells {
                Cells::Text(texts) => {
                    let texts = texts.iter().map(|t| (!t.is_empty()).then_some(t.as_str()));
                    Arc::new(texts.collect::<StringArray>())
                }
                Cells::Number(numbers) => {
                    let numbers = numbers.iter().map(|n| (!n.is_nan()).then_some(*n));
                    Arc::new(numbers.collect::<Float64Array>())
                }
                Cells::Time(ms) => {
                    Arc::new(TimestampMillisecondArray::from(ms.clone()).with_timezone("UTC"))
                }
                Cells::Flag(flags) => Arc::new(BooleanArray::from(flags.clone())),
            }
        };
        let columns = self.columns.iter().map(|(name, cells)| (name, array(cells), true));
        RecordBatch::try_from_iter_with_nullable(columns).map_err(io::Error::other)
    }
}

/// Writes a table of which some rows are known at a time.
pub struct SheetWriter<W: Write + Send> {
    to: To<W>,
}

enum To<W: Write + Send> {
    /// Nothing is written before the columns are known.
    Nothing(W, Format),
    Parquet(ArrowWriter<W>),
    Csv(csv::Writer<W>),
    Ndjson(W),
    /// Writing failed.
    Nowhere,
}

impl<W: Write + Send> SheetWriter<W> {
    /// Nothing yet.
    pub fn new(to: W, format: Format) -> SheetWriter<W> {
        SheetWriter { to: To::Nothing(to, format) }
    }

    /// Appends rows; all sheets have the same columns.
    ///
    /// # Errors
    /// Those of writing.
    pub fn append(&mut self, rows: &Sheet) -> io::Result<()> {
        self.to = match std::mem::replace(&mut self.to, To::Nowhere) {
            To::Nothing(to, Format::Parquet) => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_created_by("rekindle".to_owned())
                    .build();
                To::Parquet(ArrowWriter::try_new(to, rows.batch()?.schema(), Some(properties))?)
            }
            To::Nothing(to, Format::Csv) => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(rows.columns.iter().map(|(name, _)| name))?;
                To::Csv(writer)
            }
            To::Nothing(to, Format::Ndjson) => To::Ndjson(to),
            begun => begun,
        };
        match &mut self.to {
            To::Parquet(writer) => Ok(writer.write(&rows.batch()?)?),
            To::Csv(writer) => rows.csv(writer),
            To::Ndjson(to) => rows.ndjson(to),
            To::Nothing(..) | To::Nowhere => Err(io::Error::other("writing has failed before")),
        }
    }

    /// Ends the table, which has no header where nothing was appended.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(self) -> io::Result<()> {
        match self.to {
            To::Parquet(writer) => writer.close().map(|_| ()).map_err(Into::into),
            To::Csv(mut writer) => writer.flush(),
            To::Ndjson(mut to) | To::Nothing(mut to, _) => to.flush(),
            To::Nowhere => Err(io::Error::other("writing has failed before")),
        }
    }
}

impl Sheet {
    fn csv<W: Write>(&self, writer: &mut csv::Writer<W>) -> io::Result<()> {
        let mut text = String::new();
        for row in 0..self.rows() {
            for (_, cells) in &self.columns {
                cell(cells, row, &mut text);
                writer.write_field(&text)?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    /// An object a row; missing cells are left out.
    fn ndjson(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = String::new();
        for row in 0..self.rows() {
            let mut line = String::new();
            for (name, cells) in &self.columns {
                let is_text = cell(cells, row, &mut text);
                if text.is_empty() {
                    continue;
                }
                line.push(if line.is_empty() { '{' } else { ',' });
                line += &serde_json::to_string(name)?;
                line.push(':');
                match is_text {
                    true => line += &serde_json::to_string(&text)?,
                    false => line += &text,
                }
            }
            to.write_all(if line.is_empty() { b"{" } else { line.as_bytes() })?;
            to.write_all(b"}\n")?;
        }
        Ok(())
    }
}

/// A cell as text and whether it is a text in JSON too.
fn cell(cells: &Cells, row: usize, text: &mut String) -> bool {
    match cells {
        Cells::Text(texts) => {
            text.clear();
            text.push_str(&texts[row]);
            true
        }
        Cells::Number(numbers) => {
            number(numbers[row], text);
            false
        }
        Cells::Time(times) => {
            instant(times[row], text);
            true
        }
        Cells::Flag(flags) => {
            text.clear();
            text.push_str(if flags[row] { "true" } else { "false" });
            false
        }
    }
}

/// The shortest text that reads back to the same bits; nothing where missing.
pub fn number(value: f64, text: &mut String) {
    use std::fmt::Write;
    text.clear();
    if !value.is_nan() {
        write!(text, "{value}").expect("a text takes all that is written to it");
    }
}

/// `2024-01-31T09:05:07.123Z`.
pub fn instant(ms: i64, text: &mut String) {
    use std::fmt::Write;
    text.clear();
    let date = DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive();
    let within = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, ms) = (within / 1_000 % 60, within % 1_000);
    let (year, month, day) = (date.year(), date.month(), date.day());
    write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
        .expect("a text takes all that is written to it");
}
