//! Parquet and Arrow IPC files into a frame, by arrow-rs. Their cells have types: nothing is
//! inferred, and text is treated as in CSV files (blanks cut off, markers of missing cells).

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Float64Array, types};
use arrow_cast::cast;
use arrow_ipc::reader::FileReader;
use arrow_schema::{ArrowError, DataType, Schema as ArrowSchema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::frame::levels::Levels;
use crate::frame::read::{ReadKind, ReadOptions, Source};
use crate::frame::schema::nearest_name;
use crate::frame::{Column, DateFormat, Field, Frame, Kind, Schema};

/// Columns of a Parquet file decoded by one task: enough to pay for opening the file.
const COLUMNS_A_TASK: usize = 8;
/// Rows decoded at a time.
const BATCH: usize = 8_192;

/// Reads a Parquet file: groups of columns in parallel, each straight into its place.
pub(super) fn read_parquet(source: &Source, options: &ReadOptions) -> Result<Frame> {
    let metadata = parquet_metadata(source)?;
    let columns = plan(source, metadata.schema(), options)?;
    let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    let groups: Vec<Vec<Growing>> = columns
        .par_chunks(COLUMNS_A_TASK)
        .map(|group| {
            let mut growing: Vec<Growing> = group.iter().map(|c| c.start(rows)).collect();
            let roots = group.iter().map(|column| column.place);
            let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
            let file = source.restart()?;
            let batches =
                ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                    .with_projection(mask)
                    .with_batch_size(BATCH)
                    .build()
                    .map_err(|e| damaged(source, &e))?;
            let mut row = 0;
            for batch in batches {
                let batch = batch.map_err(|e| damaged(source, &e))?;
                for ((growing, column), cells) in growing.iter_mut().zip(group).zip(batch.columns())
                {
                    growing.append(source, column, cells, options, row)?;
                }
                row += batch.num_rows();
            }
            Ok(growing)
        })
        .collect::<Result<_>>()?;
    finish(columns, groups.into_iter().flatten().collect())
}

/// Reads an Arrow IPC file (also known as Feather 2), one record batch after the other.
pub(super) fn read_ipc(source: &Source, options: &ReadOptions) -> Result<Frame> {
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

pub(super) fn parquet_header(source: &Source) -> Result<Vec<String>> {
    Ok(names(parquet_metadata(source)?.schema()))
}

pub(super) fn ipc_header(source: &Source) -> Result<Vec<String>> {
    Ok(names(&ipc_reader(source, None)?.schema()))
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
struct Wanted {
    place: usize,
    name: String,
    kind: ReadKind,
}

/// The wanted columns in the file's order, each with the kind it becomes.
fn plan(source: &Source, schema: &ArrowSchema, options: &ReadOptions) -> Result<Vec<Wanted>> {
    let names = names(schema);
    if options.columns.is_none() {
        for name in options.kinds.keys() {
            if !names.contains(name) {
                let nearest = nearest_name(name, names.iter().map(String::as_str));
                return Err(Error::NoSuchColumn { column: name.clone(), nearest });
            }
        }
    }
    let wanted = names.into_iter().enumerate().filter(|(_, name)| options.wants(name));
    wanted
        .map(|(place, name)| {
            let typed = schema.field(place).data_type();
            let kind = match options.kinds.get(&name) {
                Some(kind) => kind.clone(),
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
        let missing = |text: &str| text.is_empty() || options.missing.iter().any(|m| m == text);
        let is_text = matches!(kind_of(cells.data_type()), Ok(ReadKind::Categorical));
        match self {
            Growing::Levels(levels) => {
                let cells = to(&DataType::Utf8)?;
                for cell in cells.as_string::<i32>() {
                    match cell.map(str::trim) {
                        Some(text) if !missing(text) => levels.push(text),
                        _ => levels.push_missing(1),
                    }
                }
            }
            Growing::Numbers(values) if is_text => {
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
                let days = to_days(cells).map_err(|e| damaged(source, &e))?;
                if !extend_numbers(values, days.as_ref().unwrap_or(cells)) {
                    return Err(bad(0, &cells.data_type().to_string(), "numbers or text"));
                }
            }
        }
        Ok(())
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
        match cells.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => values.extend(cells.values().iter().map(|&v| number(v))),
            Some(nulls) => {
                values.extend(cells.values().iter().zip(nulls.iter()).map(|(&value, there)| {
                    match there {
                        true => number(value),
                        false => f64::NAN,
                    }
                }))
            }
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
        ReadKind::Boolean if text.eq_ignore_ascii_case("true") || text == "1" => Some(1.0),
        ReadKind::Boolean if text.eq_ignore_ascii_case("false") || text == "0" => Some(0.0),
        ReadKind::Boolean => None,
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
