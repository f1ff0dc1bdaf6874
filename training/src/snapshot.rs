//! Snapshots as files: Parquet with the definitions of features and attributes inside, or CSV. Knows no events.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Float64Array, PrimitiveArray, StringArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rekindle_models::behaviour::{Attribute, AttributeKind, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::panel::Block;

/// The column that names the customer.
pub const CUSTOMER: &str = "customer_id";
/// The column of cutoffs.
pub const CUTOFF: &str = "cutoff";
/// The key of [`About`] in a Parquet file's metadata.
pub const ABOUT_KEY: &str = "rekindle.snapshot";

/// What a file of snapshots says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The features with all they depend on.
    pub features: FeatureSpec,
    /// [`FeatureSpec::fingerprint`] of them.
    pub fingerprint: String,
    /// Different cutoffs among its rows.
    pub cutoffs: usize,
    /// The targets' columns.
    pub targets: Vec<TargetAbout>,
}

/// A target of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetAbout {
    /// Its column.
    pub name: String,
    /// How many days after a cutoff its answer is known: gap and horizon. 0 where labels were given.
    pub known_after_days: u32,
}

impl About {
    /// The columns of a snapshot in order: customer, cutoff, features, attributes, targets.
    fn schema(&self) -> Schema {
        let number = |name: String| Field::new(name, DataType::Float64, true);
        let utc = Some(Arc::from("UTC"));
        let first = [
            Field::new(CUSTOMER, DataType::Utf8, false),
            Field::new(CUTOFF, DataType::Timestamp(TimeUnit::Millisecond, utc), false),
        ];
        let features = self.features.features.iter().map(|f| number(f.name()));
        let attribute = |attribute: &Attribute| match attribute.kind {
            AttributeKind::Number | AttributeKind::Date => number(attribute.column()),
            AttributeKind::Category => Field::new(attribute.column(), DataType::Utf8, true),
        };
        let features = features.chain(self.features.attributes.iter().map(attribute));
        let targets = self.targets.iter().map(|t| number(t.name.clone()));
        Schema::new(first.into_iter().chain(features).chain(targets).collect::<Vec<_>>())
    }
}

/// What a file of snapshots says of itself; `None` for any other file.
///
/// # Errors
/// When it is one of snapshots and what it says cannot be read, or does not fit its fingerprint.
pub fn about(path: &Path) -> Result<Option<About>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    // What is no Parquet file, or a damaged one, is told by who reads its rows.
    let Ok(metadata) = ArrowReaderMetadata::load(&file, Default::default()) else {
        return Ok(None);
    };
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let said = pairs.into_iter().flatten().find(|pair| pair.key == ABOUT_KEY);
    let Some(json) = said.and_then(|pair| pair.value.as_deref()) else { return Ok(None) };
    let bad = |reason: String| {
        Err(Error::BadOptions(format!(
            "{}: what it says of its features cannot be used: {reason}; build it again with \
             `rekindle features`",
            path.display()
        )))
    };
    match serde_json::from_str::<About>(json) {
        Ok(about) if about.features.fingerprint() == about.fingerprint => Ok(Some(about)),
        Ok(_) => bad("its fingerprint is another one".to_owned()),
        Err(error) => bad(error.to_string()),
    }
}

/// Writes a Parquet file, a row group for each block.
pub struct ParquetSnapshots<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    encoder: Encoder,
}

/// Encodes blocks, on any thread.
#[derive(Clone)]
pub struct Encoder {
    factory: Arc<ArrowRowGroupWriterFactory>,
    schema: Arc<Schema>,
    /// Features and attributes.
    features: usize,
    targets: usize,
}

impl<W: Write + Send> ParquetSnapshots<W> {
    /// # Errors
    /// When `to` cannot be written.
    pub fn new(to: W, about: &About) -> std::result::Result<ParquetSnapshots<W>, ParquetError> {
        let schema = Arc::new(about.schema());
        let json = serde_json::to_string(about).expect("names and numbers are JSON");
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
            .set_key_value_metadata(Some(vec![KeyValue::new(ABOUT_KEY.to_owned(), json)]))
            .build();
        let types = ArrowSchemaConverter::new().convert(&schema)?;
        let writer = SerializedFileWriter::new(to, types.root_schema_ptr(), Arc::new(properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        let encoder = Encoder {
            factory: Arc::new(factory),
            schema,
            features: about.features.columns().len(),
            targets: about.targets.len(),
        };
        Ok(ParquetSnapshots { writer, encoder })
    }

    /// What encodes blocks for this file.
    pub fn encoder(&self) -> Encoder {
        self.encoder.clone()
    }

    /// Appends an encoded block; the file's order is that of the calls.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(
        &mut self,
        chunks: Vec<ArrowColumnChunk>,
    ) -> std::result::Result<(), ParquetError> {
        if chunks.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> std::result::Result<(), ParquetError> {
        self.writer.close()?;
        Ok(())
    }
}

impl Encoder {
    /// Encodes a block's columns; nothing for a block without rows.
    ///
    /// # Errors
    /// When a column cannot be encoded.
    pub fn encode(
        &self,
        block: &Block,
    ) -> std::result::Result<Vec<ArrowColumnChunk>, ParquetError> {
        if block.customers.is_empty() {
            return Ok(Vec::new());
        }
        let cutoffs = PrimitiveArray::<TimestampMillisecondType>::from(block.cutoffs.clone());
        let first: [ArrayRef; 2] = [
            Arc::new(StringArray::from_iter_values(&block.customers)),
            Arc::new(cutoffs.with_timezone("UTC")),
        ];
        let mut writers = self.factory.create_column_writers(0)?.into_iter();
        let mut chunks = Vec::with_capacity(self.schema.fields().len());
        let cells = |place: usize| block.features.iter().skip(place).step_by(self.features);
        let is_text =
            |place: usize| *self.schema.field(first.len() + place).data_type() == DataType::Utf8;
        let features = (0..self.features).map(|place| match is_text(place) {
            true => texts(cells(place), &block.texts),
            false => column(&block.features, place, self.features),
        });
        let targets = (0..self.targets).map(|t| column(&block.answers, t, self.targets));
        let columns = first.iter().cloned().chain(features).chain(targets);
        for (field, column) in self.schema.fields().iter().zip(columns) {
            let mut writer = writers.next().expect("a writer for each column");
            for leaf in compute_leaves(field, &column)? {
                writer.write(&leaf)?;
            }
            chunks.push(writer.close()?);
        }
        Ok(chunks)
    }
}

/// A column of places in `texts` as these; NaN becomes null.
fn texts<'a>(cells: impl Iterator<Item = &'a f64>, texts: &[Box<str>]) -> ArrayRef {
    let text = |cell: &f64| (!cell.is_nan()).then(|| &*texts[*cell as usize]);
    Arc::new(cells.map(text).collect::<StringArray>())
}

/// A column of numbers that stand row by row; NaN becomes null.
fn column(cells: &[f64], place: usize, width: usize) -> ArrayRef {
    let values: Vec<f64> = cells.iter().skip(place).step_by(width).copied().collect();
    match values.iter().any(|v| v.is_nan()) {
        true => {
            Arc::new(values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect::<Float64Array>())
        }
        false => Arc::new(Float64Array::from(values)),
    }
}
