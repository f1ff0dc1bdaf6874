//! Snapshots as files: Parquet with the definitions of features and attributes inside, or CSV. Knows no events.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Float64Array, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rekindle_models::behaviour::{Attribute, AttributeKind, FeatureSpec};
use rekindle_models::frame::{DateFormat, ReadKind, ReadOptions, parts};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::panel::Block;
use crate::sheet::{instant, number};

/// The column that names the customer.
pub const CUSTOMER: &str = "customer_id";
/// The column of cutoffs.
pub const CUTOFF: &str = "cutoff";
/// The column of how many rows each row stands for, where contacts were looked at.
pub const WEIGHT: &str = "weight";
/// The key of [`About`] in a Parquet file's metadata.
pub const ABOUT_KEY: &str = "rekindle.snapshot";
/// The last column of a CSV file of snapshots: [`About::fingerprint`], the same in every row.
pub const FINGERPRINT: &str = "spec_fingerprint";

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
    /// Columns of attributes of which some values have no time of knowing: the user says they never change.
    #[serde(default)]
    pub untimed: Vec<String>,
    /// Whether rows have a weight: who was contacted has none, who was held out stands for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weighted: bool,
}

/// A target of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetAbout {
    /// Its column.
    pub name: String,
    /// How many days after a cutoff its answer is known: gap and horizon, or as said of given labels.
    pub known_after_days: u32,
}

impl About {
    /// The columns of a snapshot in order: customer, cutoff, features, attributes, targets, weight.
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
        let weight = self.weight().map(number);
        let all = first.into_iter().chain(features).chain(targets).chain(weight);
        Schema::new(all.collect::<Vec<_>>())
    }
}

impl About {
    /// The column of time: that of cutoffs where there are several.
    pub fn time(&self) -> Option<String> {
        (self.cutoffs > 1).then(|| CUTOFF.to_owned())
    }

    /// The column of weights, where there is one.
    pub fn weight(&self) -> Option<String> {
        self.weighted.then(|| WEIGHT.to_owned())
    }

    /// Days after a cutoff within which some targets' answers are not yet known; `None` without a column of
    /// time.
    pub fn embargo_days(&self, asked: impl Fn(&str) -> bool) -> Option<f64> {
        let asked = self.targets.iter().filter(|target| asked(&target.name));
        let days = asked.map(|target| target.known_after_days).max().unwrap_or(0);
        self.time().map(|_| f64::from(days))
    }

    /// Where a CSV file's own account is: beside it.
    pub fn beside(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{name}.about.json"))
    }
}

/// What a file of snapshots, or a folder of parts of them, says of itself; `None` for any other.
///
/// # Errors
/// When it is one of snapshots and what it says cannot be read, or does not fit its fingerprint.
pub fn about(path: &Path) -> Result<Option<About>> {
    let parts = if path.is_dir() { parts(path)? } else { vec![path.to_owned()] };
    let [first, others @ ..] = parts.as_slice() else { return Ok(None) };
    let said = about_file(first)?;
    for other in others {
        let fingerprint = |about: &Option<About>| about.as_ref().map(|a| a.fingerprint.clone());
        if fingerprint(&about_file(other)?) != fingerprint(&said) {
            return Err(Error::BadOptions(format!(
                "{}: its features are not those of {}; expected parts of one table",
                other.display(),
                first.display()
            )));
        }
    }
    Ok(said)
}

fn about_file(path: &Path) -> Result<Option<About>> {
    let (json, fingerprint) = match of_csv(path) {
        Some((json, fingerprint)) => (json, Some(fingerprint)),
        None => match of_parquet(path) {
            Some(json) => (json, None),
            None => return Ok(None),
        },
    };
    let bad = |reason: String| {
        Err(Error::BadOptions(format!(
            "{}: what it says of its features cannot be used: {reason}; build it again with \
             `rekindle features`",
            path.display()
        )))
    };
    match serde_json::from_str::<About>(&json) {
        Ok(about) if about.features.fingerprint() != about.fingerprint => {
            bad("its fingerprint is another one".to_owned())
        }
        Ok(about) if fingerprint.is_some_and(|found| found != about.fingerprint) => {
            bad(format!("{} is of another file", About::beside(path).display()))
        }
        Ok(about) => Ok(Some(about)),
        Err(error) => bad(error.to_string()),
    }
}

/// What is no Parquet file, or a damaged one, is told by who reads its rows.
fn of_parquet(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).ok()?;
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let said = pairs.into_iter().flatten().find(|pair| pair.key == ABOUT_KEY);
    said.and_then(|pair| pair.value.clone())
}

/// A CSV file with an account beside it: that, and the fingerprint in its first row.
fn of_csv(path: &Path) -> Option<(String, String)> {
    let json = std::fs::read_to_string(About::beside(path)).ok()?;
    let mut reader = csv::Reader::from_path(path).ok()?;
    let place = reader.headers().ok()?.iter().position(|name| name == FINGERPRINT)?;
    let first = reader.records().next()?.ok()?;
    Some((json, first.get(place)?.to_owned()))
}

/// How a file of snapshots is read: who a row is of is no number, and when it is of a date where there are
/// several cutoffs. The fingerprint of CSV files is left out, and with one cutoff that too.
pub fn reading(path: &Path, about: &About) -> ReadOptions {
    let mut options = ReadOptions::default();
    if of_csv(path).is_some() {
        options.skip.push(FINGERPRINT.to_owned());
        // In Parquet files they have that type already.
        let texts = about.features.attributes.iter().filter(|a| a.kind == AttributeKind::Category);
        options.kinds.extend(texts.map(|a| (a.column(), ReadKind::Categorical)));
    }
    options.kinds.insert(CUSTOMER.to_owned(), ReadKind::Categorical);
    match about.cutoffs > 1 {
        true => {
            options.kinds.insert(CUTOFF.to_owned(), ReadKind::Date(DateFormat::default()));
        }
        false => options.skip.push(CUTOFF.to_owned()),
    }
    options
}

/// Writes snapshots block by block: row groups of Parquet, or lines of CSV.
pub struct Snapshots<W: Write + Send> {
    to: To<W>,
    encoder: Encoder,
}

enum To<W: Write + Send> {
    Parquet(SerializedFileWriter<W>),
    Csv(W),
}

/// Rows as they go into a file; none where there are no columns or lines.
pub struct Encoded(Rows<ArrowColumnChunk>);

/// Rows that more are added to: of one row group.
pub struct Open {
    rows: Rows<ArrowColumnWriter>,
    bytes: usize,
}

enum Rows<C> {
    Columns(Vec<C>),
    Lines(Vec<u8>),
}

/// Encodes blocks, on any thread.
#[derive(Clone)]
pub struct Encoder {
    /// `None` for CSV.
    factory: Option<Arc<ArrowRowGroupWriterFactory>>,
    schema: Arc<Schema>,
    /// Features and attributes.
    features: usize,
    targets: usize,
    weighted: bool,
    fingerprint: String,
}

impl<W: Write + Send> Snapshots<W> {
    /// A Parquet file.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn parquet(to: W, about: &About) -> std::result::Result<Snapshots<W>, ParquetError> {
        let schema = Arc::new(about.schema());
        let json = serde_json::to_string(about).expect("names and numbers are JSON");
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_statistics_enabled(EnabledStatistics::None)
            // Pages are held encoded until their row group is whole; the index of pages until the end.
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_offset_index_disabled(true)
            .set_key_value_metadata(Some(vec![KeyValue::new(ABOUT_KEY.to_owned(), json)]));
        for feature in about.features.features.iter().filter(|f| !f.metric.info().whole) {
            // A dictionary of numbers that hardly repeat is as long as the column.
            let column = ColumnPath::new(vec![feature.name()]);
            properties = properties.set_column_dictionary_enabled(column, false);
        }
        let properties = properties.build();
        let types = ArrowSchemaConverter::new().convert(&schema)?;
        let writer = SerializedFileWriter::new(to, types.root_schema_ptr(), Arc::new(properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        let encoder = Encoder::new(about, schema, Some(Arc::new(factory)));
        Ok(Snapshots { to: To::Parquet(writer), encoder })
    }

    /// A CSV file, whose last column is the fingerprint. [`About::beside`] says where the rest of what it
    /// says of itself belongs.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn csv(mut to: W, about: &About) -> std::result::Result<Snapshots<W>, ParquetError> {
        let schema = Arc::new(about.schema());
        let names = schema.fields().iter().map(|field| field.name().as_str());
        to.write_all(&line(names.chain([FINGERPRINT])))?;
        Ok(Snapshots { to: To::Csv(to), encoder: Encoder::new(about, schema, None) })
    }

    /// What encodes blocks for this file.
    pub fn encoder(&self) -> Encoder {
        self.encoder.clone()
    }

    /// Appends encoded rows; the file's order is that of the calls.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, rows: Encoded) -> std::result::Result<(), ParquetError> {
        match (&mut self.to, rows.0) {
            (To::Parquet(writer), Rows::Columns(chunks)) if !chunks.is_empty() => {
                let mut group = writer.next_row_group()?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group)?;
                }
                group.close()?;
            }
            (To::Csv(to), Rows::Lines(lines)) => to.write_all(&lines)?,
            // No rows; an encoder makes what its own file takes.
            _ => {}
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> std::result::Result<(), ParquetError> {
        match self.to {
            To::Parquet(writer) => {
                writer.close()?;
            }
            To::Csv(mut to) => to.flush()?,
        }
        Ok(())
    }
}

/// A line of CSV.
fn line<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(cells)
        .and_then(|()| writer.flush().map_err(Into::into))
        .expect("memory takes all");
    writer.into_inner().expect("memory takes all")
}

impl Encoder {
    fn new(
        about: &About,
        schema: Arc<Schema>,
        factory: Option<Arc<ArrowRowGroupWriterFactory>>,
    ) -> Encoder {
        Encoder {
            factory,
            schema,
            features: about.features.features.len() + about.features.attributes.len(),
            targets: about.targets.len(),
            weighted: about.weighted,
            fingerprint: about.fingerprint.clone(),
        }
    }

    /// No rows yet.
    pub fn open(&self) -> Open {
        let rows = match &self.factory {
            Some(_) => Rows::Columns(Vec::new()),
            None => Rows::Lines(Vec::new()),
        };
        Open { rows, bytes: 0 }
    }

    /// Adds a block's rows.
    ///
    /// # Errors
    /// When a column cannot be encoded.
    pub fn add(&self, block: &Block, open: &mut Open) -> std::result::Result<(), ParquetError> {
        if block.customers.is_empty() {
            return Ok(());
        }
        open.bytes += size_of_val(&block.features[..]);
        match (&self.factory, &mut open.rows) {
            (Some(factory), Rows::Columns(writers)) => {
                if writers.is_empty() {
                    *writers = factory.create_column_writers(0)?;
                }
                self.columns(block, writers)
            }
            (_, Rows::Columns(_)) => Ok(()),
            (_, Rows::Lines(lines)) => {
                lines.extend(self.lines(block));
                Ok(())
            }
        }
    }

    /// Numbers as the shortest text that reads back to the same bits, missing cells empty.
    fn lines(&self, block: &Block) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut text = String::new();
        for (row, customer) in block.customers.iter().enumerate() {
            let mut put = |cell: &str| writer.write_field(cell).expect("memory takes all");
            put(customer);
            instant(block.cutoffs[row], &mut text);
            put(&text);
            let features = &block.features[row * self.features..][..self.features];
            for (place, &cell) in features.iter().enumerate() {
                if self.is_text(place) && !cell.is_nan() {
                    put(&block.texts[cell as usize]);
                } else {
                    number(cell, &mut text);
                    put(&text);
                }
            }
            for &answer in &block.answers[row * self.targets..][..self.targets] {
                number(answer, &mut text);
                put(&text);
            }
            if self.weighted {
                number(block.weights[row], &mut text);
                put(&text);
            }
            put(&self.fingerprint);
            writer.write_record(None::<&[u8]>).expect("memory takes all");
        }
        writer.into_inner().expect("memory takes all")
    }

    /// Whether the feature or attribute at a place is one of texts. Two columns stand before.
    fn is_text(&self, place: usize) -> bool {
        *self.schema.field(2 + place).data_type() == DataType::Utf8
    }

    fn columns(
        &self,
        block: &Block,
        writers: &mut [ArrowColumnWriter],
    ) -> std::result::Result<(), ParquetError> {
        let cutoffs = PrimitiveArray::<TimestampMillisecondType>::from(block.cutoffs.clone());
        let first: [ArrayRef; 2] = [
            Arc::new(StringArray::from_iter_values(&block.customers)),
            Arc::new(cutoffs.with_timezone("UTC")),
        ];
        let features = columns(&block.features, self.features).enumerate();
        let features = features.map(|(place, cells)| match self.is_text(place) {
            true => texts(&cells, &block.texts),
            false => numbers(cells),
        });
        let targets = columns(&block.answers, self.targets).map(numbers);
        let weights = self.weighted.then(|| numbers(block.weights.clone().into()));
        let columns = first.iter().cloned().chain(features).chain(targets).chain(weights);
        for ((field, column), writer) in self.schema.fields().iter().zip(columns).zip(writers) {
            for leaf in compute_leaves(field, &column)? {
                writer.write(&leaf)?;
            }
        }
        Ok(())
    }
}

impl Open {
    /// Bytes of the features that were added, before they were encoded.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the rows.
    ///
    /// # Errors
    /// When a column cannot be encoded.
    pub fn close(self) -> std::result::Result<Encoded, ParquetError> {
        Ok(Encoded(match self.rows {
            Rows::Columns(writers) => {
                let chunks = writers.into_iter().map(ArrowColumnWriter::close);
                Rows::Columns(chunks.collect::<std::result::Result<_, _>>()?)
            }
            Rows::Lines(lines) => Rows::Lines(lines),
        }))
    }
}

/// Rows of a page.
pub(crate) const PAGE_ROWS: usize = 2_048;
/// Rows that are turned into columns at a time: so few that theirs and the columns' pages are all at hand.
const AT_A_TIME: usize = 64;

/// The columns of cells that stand row by row.
fn columns(cells: &[f64], width: usize) -> impl Iterator<Item = ScalarBuffer<f64>> {
    let rows = cells.len().checked_div(width).unwrap_or(0);
    let mut columns = vec![0.0; cells.len()];
    for (some, first) in cells.chunks(AT_A_TIME * width.max(1)).zip((0..).step_by(AT_A_TIME)) {
        for place in 0..width {
            let column = columns[place * rows + first..].iter_mut();
            column.zip(some.iter().skip(place).step_by(width)).for_each(|(to, cell)| *to = *cell);
        }
    }
    let columns = Buffer::from_vec(columns);
    (0..width).map(move |place| ScalarBuffer::new(columns.clone(), place * rows, rows))
}

/// A column of places in `texts` as these; NaN becomes null.
fn texts(cells: &[f64], texts: &[Box<str>]) -> ArrayRef {
    let text = |cell: &f64| (!cell.is_nan()).then(|| &*texts[*cell as usize]);
    Arc::new(cells.iter().map(text).collect::<StringArray>())
}

/// A column of numbers; NaN becomes null.
fn numbers(cells: ScalarBuffer<f64>) -> ArrayRef {
    let there: NullBuffer = cells.iter().map(|cell| !cell.is_nan()).collect();
    Arc::new(Float64Array::new(cells, Some(there).filter(|there| there.null_count() > 0)))
}
