//! The log as Parquet: row groups are encoded by any thread and appended in order.
//! Decides nothing about what is in them.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::types::{Int8Type, Int16Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, PrimitiveArray, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::simulate::catalogue::{CHANNELS, Catalogue, GROUPS, KINDS, NO_CODE, NO_PRODUCT};
use crate::simulate::deeds::Deeds;
use crate::simulate::id;
use crate::simulate::text::COLUMNS;

/// A row group, encoded.
pub(super) type Group = Vec<ArrowColumnChunk>;

/// The names behind codes, as arrays that row groups share.
#[derive(Clone)]
struct Names {
    kinds: ArrayRef,
    products: ArrayRef,
    groups: ArrayRef,
    channels: ArrayRef,
}

/// A Parquet file that takes events.
pub(super) struct EventFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    schema: SchemaRef,
    names: Names,
}

/// Makes row groups for a file, on any thread.
pub(super) struct Encoder {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    names: Names,
}

impl<W: Write + Send> EventFile<W> {
    pub(super) fn new(to: W, catalogue: &Catalogue) -> io::Result<EventFile<W>> {
        let schema = event_schema();
        let writer = open(to, &schema)?;
        let names = Names {
            kinds: texts(&KINDS),
            products: Arc::new(StringArray::from_iter_values(&catalogue.names)),
            groups: texts(&GROUPS),
            channels: texts(&CHANNELS),
        };
        Ok(EventFile { writer, schema, names })
    }

    pub(super) fn encoder(&self) -> Encoder {
        let factory = ArrowRowGroupWriterFactory::new(&self.writer, Arc::clone(&self.schema));
        Encoder { factory, schema: Arc::clone(&self.schema), names: self.names.clone() }
    }

    pub(super) fn append(&mut self, group: Group) -> io::Result<()> {
        append(&mut self.writer, group)
    }

    pub(super) fn close(self) -> io::Result<()> {
        let mut to = self.writer.into_inner().map_err(failed)?;
        to.flush()
    }
}

impl Encoder {
    /// The `number`th row group of the file, from 0.
    pub(super) fn encode(&self, number: usize, deeds: &Deeds) -> io::Result<Group> {
        let columns = columns(deeds, &self.names)?;
        encode(&self.factory, &self.schema, number, &columns)
    }
}

fn open<W: Write + Send>(to: W, schema: &SchemaRef) -> io::Result<SerializedFileWriter<W>> {
    let converted = ArrowSchemaConverter::new().convert(schema).map_err(failed)?;
    let root = converted.root_schema_ptr();
    SerializedFileWriter::new(to, root, Arc::new(properties())).map_err(failed)
}

/// Times rise or nearly do: differences are short. All other columns have few values.
fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("rekindle".to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(1 << 20)
        .set_write_batch_size(8_192);
    for column in ["time", "received_at"] {
        let path = ColumnPath::from(column);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    builder.build()
}

fn encode(
    factory: &ArrowRowGroupWriterFactory,
    schema: &SchemaRef,
    number: usize,
    columns: &[ArrayRef],
) -> io::Result<Group> {
    let writers = factory.create_column_writers(number).map_err(failed)?;
    let mut chunks = Vec::with_capacity(columns.len());
    for ((mut writer, field), column) in writers.into_iter().zip(schema.fields()).zip(columns) {
        for leaf in compute_leaves(field, column).map_err(failed)? {
            writer.write(&leaf).map_err(failed)?;
        }
        chunks.push(writer.close().map_err(failed)?);
    }
    Ok(chunks)
}

fn append<W: Write + Send>(writer: &mut SerializedFileWriter<W>, group: Group) -> io::Result<()> {
    let mut row_group = writer.next_row_group().map_err(failed)?;
    for chunk in group {
        chunk.append_to_row_group(&mut row_group).map_err(failed)?;
    }
    row_group.close().map_err(failed)?;
    Ok(())
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}

fn instants() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn event_schema() -> SchemaRef {
    let by = |key: DataType| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    let kinds = [
        by(DataType::Int32),
        instants(),
        by(DataType::Int8),
        DataType::Float64,
        by(DataType::Int16),
        by(DataType::Int8),
        by(DataType::Int8),
        DataType::Float64,
        instants(),
    ];
    let nullable = |name: &str| matches!(name, "amount" | "product" | "product_group" | "discount");
    let fields =
        COLUMNS.iter().zip(kinds).map(|(name, kind)| Field::new(*name, kind, nullable(name)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// The columns of a block, in the order of [`COLUMNS`].
fn columns(deeds: &Deeds, names: &Names) -> io::Result<Vec<ArrayRef>> {
    let other = |e| io::Error::other(e);
    let by_i8 = |codes: &[u8], names: &ArrayRef| -> io::Result<ArrayRef> {
        let keys: PrimitiveArray<Int8Type> =
            codes.iter().map(|code| (*code != NO_CODE).then_some(*code as i8)).collect();
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(names)).map_err(other)?))
    };
    let products: PrimitiveArray<Int16Type> =
        deeds.products.iter().map(|p| (*p != NO_PRODUCT).then_some(*p as i16)).collect();
    let products = DictionaryArray::try_new(products, Arc::clone(&names.products));
    let numbers = |values: &[f64]| -> ArrayRef {
        let values = values.iter().map(|value| (!value.is_nan()).then_some(*value));
        Arc::new(values.collect::<Float64Array>())
    };
    Ok(vec![
        customers(&deeds.customers)?,
        times(&deeds.times),
        by_i8(&deeds.kinds, &names.kinds)?,
        numbers(&deeds.amounts),
        Arc::new(products.map_err(other)?),
        by_i8(&deeds.groups, &names.groups)?,
        by_i8(&deeds.channels, &names.channels)?,
        numbers(&deeds.discounts),
        times(&deeds.received),
    ])
}

/// The customers of a block are neighbours in the world.
fn customers(indices: &[u32]) -> io::Result<ArrayRef> {
    let first = indices.iter().copied().min().unwrap_or(0);
    let last = indices.iter().copied().max().unwrap_or(0);
    let mut names = StringBuilder::new();
    (first..=last).for_each(|index| names.append_value(id(index as usize)));
    let keys: PrimitiveArray<Int32Type> =
        indices.iter().map(|index| (index - first) as i32).collect::<Vec<i32>>().into();
    let ids = DictionaryArray::try_new(keys, Arc::new(names.finish()));
    Ok(Arc::new(ids.map_err(io::Error::other)?))
}

fn times(ms: &[i64]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(ms.to_vec()).with_timezone("UTC"))
}
