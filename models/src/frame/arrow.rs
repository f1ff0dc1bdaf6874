//! Parquet and Arrow IPC files into a frame, by arrow-rs. Their cells have types: nothing is
//! inferred, and text is treated as in CSV files (blanks cut off, markers of missing cells).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array, types};
use arrow_cast::cast;
use arrow_ipc::reader::{FileReader, read_footer_length};
use arrow_ipc::{Block, root_as_footer};
use arrow_schema::{ArrowError, DataType, Schema as ArrowSchema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::frame::levels::Levels;
use crate::frame::read::{ReadKind, ReadOptions, Source};
use crate::frame::{Column, DateFormat, Field, Frame, Kind, Schema};

/// Columns of a Parquet file decoded by one task: enough to pay for opening the file.
const COLUMNS_A_TASK: usize = 8;
/// Most rows that room is made for before they are read: a damaged file may state any number.
const MOST_EXPECTED: usize = 1 << 24;
/// Rows decoded at a time: fewer cost more calls than they save cache.
const BATCH: usize = 32_768;

/// Reads a table of one Parquet file or several parts: groups of columns in parallel, each straight into its place.
pub(super) fn read_parquet(parts: &[Source], options: &ReadOptions) -> Result<Frame> {
    let parts = parts.iter().map(|part| without_panics(part, || Opened::of(part, options)));
    decode_parquet(&parts.collect::<Result<Vec<_>>>()?, options)
}

/// Reads an Arrow IPC file (also known as Feather 2), one record batch after the other.
pub(super) fn read_ipc(source: &Source, options: &ReadOptions) -> Result<Frame> {
    without_panics(source, || decode_ipc(source, options))
}

/// arrow-rs panics on some damaged files (a precision of floats that it does not know, for one).
/// What is half read is dropped here, so that nothing broken is seen afterwards.
fn without_panics<T>(source: &Source, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(damaged(source, &"its bytes make no sense")))
}

/// A Parquet file whose structure is known.
struct Opened<'a> {
    source: &'a Source,
    metadata: ArrowReaderMetadata,
    columns: Vec<Wanted>,
}

impl<'a> Opened<'a> {
    fn of(source: &'a Source, options: &ReadOptions) -> Result<Opened<'a>> {
        let metadata = parquet_metadata(source)?;
        let columns = plan(source, metadata.schema(), options)?;
        Ok(Opened { source, metadata, columns })
    }

    fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Refuses a part whose columns are not the first one's.
    fn check(&self, first: &Opened<'_>) -> Result<()> {
        let other = self.columns.iter().zip(&first.columns).find(|(own, first)| own != first);
        let (found, expected) = match other {
            Some((own, first)) => (&own.name, &first.name),
            None if self.columns.len() == first.columns.len() => return Ok(()),
            None => (&self.source.name, &first.source.name),
        };
        Err(self.source.bad(format!(
            "its columns are not those of {}: found {found}, expected {expected}; the parts of a table have the \
             same columns in the same order",
            first.source.name
        )))
    }

    /// Appends some of the columns.
    fn append(
        &self,
        places: &[Wanted],
        growing: &mut [Growing],
        options: &ReadOptions,
    ) -> Result<()> {
        let Opened { source, metadata, .. } = self;
        let roots = places.iter().map(|column| column.place);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let file = source.restart()?;
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_projection(mask)
            .with_batch_size(BATCH)
            .build()
            .map_err(|e| damaged(source, &e))?;
        let mut row = 0;
        for batch in batches {
            let batch = batch.map_err(|e| damaged(source, &e))?;
            for ((growing, column), cells) in growing.iter_mut().zip(places).zip(batch.columns()) {
                growing.append(source, column, cells, options, row)?;
            }
            row += batch.num_rows();
        }
        Ok(())
    }
}

fn decode_parquet(parts: &[Opened<'_>], options: &ReadOptions) -> Result<Frame> {
    let first = &parts[0];
    parts.iter().try_for_each(|part| part.check(first))?;
    let rows = parts.iter().map(Opened::rows).sum::<usize>().min(MOST_EXPECTED);
    let groups: Vec<Vec<Growing>> = first
        .columns
        .par_chunks(COLUMNS_A_TASK)
        .map(|group| {
            let mut growing: Vec<Growing> = group.iter().map(|c| c.start(rows)).collect();
            for part in parts {
                without_panics(part.source, || part.append(group, &mut growing, options))?;
            }
            Ok(growing)
        })
        .collect::<Result<_>>()?;
    finish(first.columns.clone(), groups.into_iter().flatten().collect())
}

fn decode_ipc(source: &Source, options: &ReadOptions) -> Result<Frame> {
    check_blocks(source)?;
    let reader = ipc_reader(source, None)?;
    let columns = plan(source, &reader.schema(), options)?;
    let mut growing: Vec<Growing> = columns.iter().map(|column| column.start(0)).collect();
    let places = columns.iter().map(|column| column.place).collect();
    let mut row = 0;
    for batch in ipc_reader(source, Some(places))? {
        let batch = batch.map_err(|e| damaged(source, &e))?;
        growing
            .par_iter_mut()
            .zip(&columns)
            .zip(batch.columns())
            .try_for_each(|((g, column), cells)| g.append(source, column, cells, options, row))?;
        row += batch.num_rows();
    }
    finish(columns, growing)
}

/// Refuses an IPC file whose footer promises more bytes than there are: arrow-rs makes room for
/// them first, and a process without the memory ends there.
fn check_blocks(source: &Source) -> Result<()> {
    const TRAILER: usize = 10;
    let mut file = source.restart()?;
    let mut end = |from_end: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; from_end];
        let start = i64::try_from(from_end).unwrap_or(i64::MAX);
        file.seek(SeekFrom::End(-start)).map_err(|e| damaged(source, &e))?;
        file.read_exact(&mut bytes).map_err(|e| damaged(source, &e))?;
        Ok(bytes)
    };
    let size = source.size()?;
    let trailer = end(TRAILER)?.try_into().expect("as many bytes as asked for");
    let length = read_footer_length(trailer).map_err(|e| damaged(source, &e))?;
    if length as u64 > size {
        return Err(damaged(source, &"its footer is longer than the file"));
    }
    let footer = end(length + TRAILER)?;
    let footer = root_as_footer(&footer[..length]).map_err(|e| damaged(source, &e))?;
    let inside = |block: &Block| {
        let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()];
        let parts = parts.map(|part| u64::try_from(part).unwrap_or(u64::MAX));
        parts.iter().fold(0, |sum: u64, part| sum.saturating_add(*part)) <= size
    };
    let blocks = [footer.dictionaries(), footer.recordBatches()].into_iter().flatten();
    match blocks.flatten().all(inside) {
        true => Ok(()),
        false => Err(damaged(source, &"its blocks lie beyond its end")),
    }
}

fn names(schema: &ArrowSchema) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().trim().to_owned()).collect()
}

fn parquet_metadata(source: &Source) -> Result<ArrowReaderMetadata> {
    ArrowReaderMetadata::load(&source.restart()?, Default::default())
        .map_err(|e| damaged(source, &e))
}

fn ipc_reader(source: &Source, columns: Option<Vec<usize>>) -> Result<FileReader<BufReader<File>>> {
    FileReader::try_new(BufReader::new(source.restart()?), columns).map_err(|e| damaged(source, &e))
}

fn damaged(source: &Source, error: &dyn std::fmt::Display) -> Error {
    source.bad(format!("it cannot be decoded: {error}; write it again"))
}

/// A column of the file that is wanted.
#[derive(Clone, PartialEq, Eq)]
struct Wanted {
    place: usize,
    name: String,
    kind: ReadKind,
}

/// The wanted columns in the file's order, each with the kind it becomes.
fn plan(source: &Source, schema: &ArrowSchema, options: &ReadOptions) -> Result<Vec<Wanted>> {
    let names = names(schema);
    options.check_names(&names)?;
    let wanted = names.into_iter().enumerate().filter(|(_, name)| options.wants(name));
    wanted
        .map(|(place, name)| {
            let typed = schema.field(place).data_type();
            let kind = match options.kinds.get(&name) {
                Some(kind) => kind.clone(),
                None if options.dates_as_text && typed.is_temporal() => ReadKind::Categorical,
                None => kind_of(typed)
                    .map_err(|todo| source.bad(format!("column {name}: found {typed}; {todo}")))?,
            };
            Ok(Wanted { place, name, kind })
        })
        .collect()
}

/// The kind that a type becomes, or what to do where it becomes none by itself.
fn kind_of(typed: &DataType) -> std::result::Result<ReadKind, &'static str> {
    match typed {
        DataType::Boolean => Ok(ReadKind::Boolean),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(ReadKind::Categorical),
        DataType::Dictionary(_, values) => kind_of(values),
        DataType::Null => Ok(ReadKind::Numeric),
        typed if typed.is_numeric() => Ok(ReadKind::Numeric),
        typed if typed.is_temporal() => {
            Err("dates become numbers only when told: read it with --date, or --exclude it")
        }
        _ => Err("expected numbers, booleans or text: --exclude it"),
    }
}

impl Wanted {
    fn start(&self, rows: usize) -> Growing {
        match self.kind {
            ReadKind::Categorical => Growing::Levels(Levels::with_capacity(rows)),
            _ => Growing::Numbers(Vec::with_capacity(rows)),
        }
    }
}

enum Growing {
    Numbers(Vec<f64>),
    Levels(Levels),
}

impl Growing {
    /// Appends a batch's cells; `first` is the row of the file that the batch begins at.
    fn append(
        &mut self,
        source: &Source,
        column: &Wanted,
        cells: &ArrayRef,
        options: &ReadOptions,
        first: usize,
    ) -> Result<()> {
        let bad = |row: usize, value: &str, expected: &str| Error::BadCell {
            path: source.name.clone(),
            line: (first + row) as u64 + 1,
            column: column.name.clone(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let to = |typed: &DataType| {
            cast(cells, typed)
                .map_err(|_| bad(0, &cells.data_type().to_string(), "numbers or text"))
        };
        let missing =
            |text: &str| text.is_empty() || options.missing.iter().any(|m| m.trim() == text);
        let from_text = match (&column.kind, kind_of(cells.data_type())) {
            (_, Ok(ReadKind::Categorical)) => true,
            // 20261123 may be a date and 1 may be true: numbers are asked what texts are.
            (ReadKind::Date(_), _) => !cells.data_type().is_temporal(),
            (ReadKind::Boolean, kind) => kind != Ok(ReadKind::Boolean),
            _ => false,
        };
        match self {
            Growing::Levels(levels) => {
                let cells = match in_utc(cells.data_type()) {
                    Some(utc) => {
                        cast(&to(&utc)?, &DataType::Utf8).map_err(|e| damaged(source, &e))?
                    }
                    None => to(&DataType::Utf8)?,
                };
                for cell in cells.as_string::<i32>() {
                    match cell.map(str::trim) {
                        Some(text) if !missing(text) => levels.push(text),
                        _ => levels.push_missing(1),
                    }
                }
            }
            Growing::Numbers(values) if from_text => {
                let cells = to(&DataType::Utf8)?;
                for (row, cell) in cells.as_string::<i32>().iter().enumerate() {
                    values.push(match cell.map(str::trim) {
                        Some(text) if !missing(text) => number_of(&column.kind, text)
                            .ok_or_else(|| bad(row, text, &expected_of(&column.kind)))?,
                        _ => f64::NAN,
                    });
                }
            }
            Growing::Numbers(values) => {
                let start = values.len();
                let days = to_days(cells).map_err(|e| damaged(source, &e))?;
                if !extend_numbers(values, days.as_ref().unwrap_or(cells)) {
                    return Err(bad(0, &cells.data_type().to_string(), "numbers or text"));
                }
                let markers =
                    options.missing.iter().filter_map(|m| fast_float2::parse(m.trim()).ok());
                let markers: Vec<f64> = markers.collect();
                let marked = |value: &&mut f64| markers.contains(*value);
                if column.kind == ReadKind::Numeric {
                    values[start..].iter_mut().filter(marked).for_each(|value| *value = f64::NAN);
                }
            }
        }
        Ok(())
    }
}

/// The type of times with a zone told in UTC: arrow-rs writes texts of offsets, not of named zones.
fn in_utc(typed: &DataType) -> Option<DataType> {
    match typed {
        DataType::Timestamp(unit, Some(_)) => {
            Some(DataType::Timestamp(*unit, Some(Arc::from("+00:00"))))
        }
        _ => None,
    }
}

/// Times as days since 1970-01-01 00:00 UTC; `None` where the cells are no times.
fn to_days(cells: &ArrayRef) -> std::result::Result<Option<ArrayRef>, ArrowError> {
    if !cells.data_type().is_temporal() {
        return Ok(None);
    }
    let micros = cast(cells, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = cast(&micros, &DataType::Int64)?;
    let days = micros.as_primitive::<types::Int64Type>();
    let days: Float64Array = days.unary(|micros| micros as f64 / 86_400e6);
    Ok(Some(Arc::new(days)))
}

/// Appends numbers of any type, missing ones as NaN; `false` where the cells are no numbers.
fn extend_numbers(values: &mut Vec<f64>, cells: &ArrayRef) -> bool {
    fn extend<T: ArrowPrimitiveType>(
        values: &mut Vec<f64>,
        cells: &ArrayRef,
        number: impl Fn(T::Native) -> f64,
    ) -> bool {
        let cells = cells.as_primitive::<T>();
        let start = values.len();
        values.extend(cells.values().iter().map(|&value| number(value)));
        if let Some(nulls) = cells.nulls().filter(|nulls| nulls.null_count() > 0) {
            // Few cells are missing: they are visited by their bits, after a loop without branches.
            let missing = !nulls.inner();
            missing.set_indices().for_each(|place| values[start + place] = f64::NAN);
        }
        true
    }
    match cells.data_type() {
        DataType::Int8 => extend::<types::Int8Type>(values, cells, f64::from),
        DataType::Int16 => extend::<types::Int16Type>(values, cells, f64::from),
        DataType::Int32 => extend::<types::Int32Type>(values, cells, f64::from),
        DataType::Int64 => extend::<types::Int64Type>(values, cells, |v| v as f64),
        DataType::UInt8 => extend::<types::UInt8Type>(values, cells, f64::from),
        DataType::UInt16 => extend::<types::UInt16Type>(values, cells, f64::from),
        DataType::UInt32 => extend::<types::UInt32Type>(values, cells, f64::from),
        DataType::UInt64 => extend::<types::UInt64Type>(values, cells, |v| v as f64),
        DataType::Float32 => extend::<types::Float32Type>(values, cells, f64::from),
        DataType::Float64 => extend::<types::Float64Type>(values, cells, |v| v),
        // Booleans, decimals, half floats, dictionaries of numbers, all null.
        _ => match cast(cells, &DataType::Float64) {
            Ok(numbers) => extend::<types::Float64Type>(values, &numbers, |v| v),
            Err(_) => false,
        },
    }
}

/// A text cell as a number of the kind.
fn number_of(kind: &ReadKind, text: &str) -> Option<f64> {
    match kind {
        ReadKind::Boolean => match text {
            "1" | "1.0" => Some(1.0),
            "0" | "0.0" => Some(0.0),
            _ if text.eq_ignore_ascii_case("true") => Some(1.0),
            _ => text.eq_ignore_ascii_case("false").then_some(0.0),
        },
        ReadKind::Date(format) => format.parse(text),
        ReadKind::Numeric | ReadKind::Categorical => fast_float2::parse(text).ok(),
    }
}

/// What a text cell of a column of the kind should have been.
fn expected_of(kind: &ReadKind) -> String {
    match kind {
        ReadKind::Boolean => "true or false (or 1 or 0), or a missing cell".to_owned(),
        ReadKind::Date(DateFormat(format)) if format.is_empty() => "an ISO 8601 date".to_owned(),
        ReadKind::Date(DateFormat(format)) => format!("a date written as {format}"),
        ReadKind::Numeric | ReadKind::Categorical => "a number or a missing cell".to_owned(),
    }
}

fn finish(wanted: Vec<Wanted>, growing: Vec<Growing>) -> Result<Frame> {
    let mut fields = Vec::with_capacity(wanted.len());
    let mut columns = Vec::with_capacity(wanted.len());
    for (wanted, growing) in wanted.into_iter().zip(growing) {
        let (kind, column) = match growing {
            Growing::Levels(levels) => levels.finish(),
            Growing::Numbers(values) => {
                let kind = match wanted.kind {
                    ReadKind::Boolean => Kind::Boolean,
                    ReadKind::Date(format) => Kind::Date(format),
                    ReadKind::Numeric | ReadKind::Categorical => Kind::Numeric,
                };
                (kind, Column::Number(values))
            }
        };
        fields.push(Field { name: wanted.name, kind });
        columns.push(column);
    }
    Frame::new(Schema::new(fields)?, columns)
}

#[cfg(test)]
mod tests;
