//! Rows of Parquet files: the columns that are needed, a row group at a time on each thread.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use crate::ingest::files::{FilePlace, LogFile};
use crate::ingest::mapping::{Lines, Rows};
use crate::ingest::remote::Pieces;

/// Rows decoded at a time.
const BATCH: usize = 1 << 18;

/// A Parquet file whose structure is known.
pub(super) struct ParquetFile<'a> {
    file: &'a LogFile,
    metadata: ArrowReaderMetadata,
}

/// Runs what may panic on damaged bytes: arrow-rs does on some. What is half read is dropped.
fn without_panics<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("its bytes make no sense".to_owned())))
}

impl<'a> ParquetFile<'a> {
    pub fn open(file: &'a LogFile) -> Result<ParquetFile<'a>> {
        let options = ArrowReaderOptions::new();
        let plain = without_panics(|| match &file.place {
            FilePlace::Disk(path) => ArrowReaderMetadata::load(&File::open(path)?, options.clone()),
            FilePlace::Store(remote) => {
                ArrowReaderMetadata::load(&Pieces::new(remote), options.clone())
            }
        })?;
        // Texts that repeat are decoded once a value, not once a row.
        let schema = with_dictionaries(plain.schema());
        let known = Arc::clone(plain.metadata());
        let metadata = ArrowReaderMetadata::try_new(known, options.with_schema(schema));
        let metadata = metadata.unwrap_or(plain);
        Ok(ParquetFile { file, metadata })
    }

    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub fn rows(&self, group: usize) -> u64 {
        self.metadata.metadata().row_group(group).num_rows().max(0) as u64
    }

    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Reads some columns of a row group, batch by batch, until `with` says no.
    pub fn read(
        &self,
        group: usize,
        columns: &[String],
        mut with: impl FnMut(Rows) -> crate::error::Result<()>,
    ) -> std::result::Result<(), Stopped> {
        let first: u64 = (0..group).map(|g| self.rows(g)).sum();
        let mut batches = match &self.file.place {
            FilePlace::Disk(path) => {
                let file = File::open(path).map_err(ParquetError::from);
                self.batches(file.map_err(Stopped::Damaged)?, group, columns)
            }
            FilePlace::Store(remote) => self.batches(Pieces::new(remote), group, columns),
        }
        .map_err(Stopped::Damaged)?;
        let mut row = first + 1;
        loop {
            let batch =
                without_panics(|| Ok(batches.next().transpose()?)).map_err(Stopped::Damaged)?;
            let Some(cells) = batch else { return Ok(()) };
            let rows = cells.num_rows() as u64;
            with(Rows { cells, lines: Lines::From(row) }).map_err(Stopped::By)?;
            row += rows;
        }
    }

    fn batches(
        &self,
        bytes: impl ChunkReader + 'static,
        group: usize,
        columns: &[String],
    ) -> Result<ParquetRecordBatchReader> {
        let metadata = self.metadata.clone();
        let fields = self.metadata.schema().fields().iter().enumerate();
        let wanted =
            fields.filter(|(_, field)| columns.contains(field.name())).map(|(place, _)| place);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), wanted);
        without_panics(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(BATCH)
                .build()
        })
    }
}

/// Why reading stopped.
pub(super) enum Stopped {
    Damaged(ParquetError),
    By(crate::error::Error),
}

fn with_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let texts = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(field.as_ref().clone().with_data_type(texts))
        }
        _ => Arc::clone(field),
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The first rows of a file, all columns.
pub(super) fn sample(file: &LogFile, rows: usize) -> Result<Option<RecordBatch>> {
    let parquet = ParquetFile::open(file)?;
    let names: Vec<String> = parquet.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut batches = match &file.place {
        FilePlace::Disk(path) => parquet.batches(File::open(path)?, 0, &names)?,
        FilePlace::Store(remote) => parquet.batches(Pieces::new(remote), 0, &names)?,
    };
    let batch = without_panics(|| Ok(batches.next().transpose()?))?;
    Ok(batch.map(|batch| batch.slice(0, rows.min(batch.num_rows()))))
}
