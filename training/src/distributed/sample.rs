//! A sample of snapshots in parts, small enough to be learned from on one machine. Rows are drawn by customer and by what
//! became of them: those with the rarer answers are kept rather than the others, and each row's weight says for how many
//! it stands.

use std::collections::BTreeMap;
use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, BooleanArray, Float64Array, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rekindle_models::seed::{hash_text, mix2, unit};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::sync::Arc;

use super::features::incomplete;
use super::{Engine, Function, Job, Parts, json, part_name, shared};
use crate::depot::Local;
use crate::error::{Error, Result};
use crate::snapshot::{self, ABOUT_KEY, About, CUSTOMER, WEIGHT};

const COUNTED: &str = "counted";
const SAMPLED: &str = "sampled";

/// Rows with the same answers to all targets that are asked: `1`, `0` or `-` for each.
type Answers = String;

/// What all who count or draw are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SampleWork {
    table: String,
    output: String,
    targets: Vec<String>,
    seed: u64,
    /// The share of the customers with these answers that is kept; empty while rows are counted.
    shares: BTreeMap<Answers, f64>,
}

/// The rows of a part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Counted {
    rows: BTreeMap<Answers, u64>,
    /// Whether they have weights of their own.
    weighted: bool,
}

/// Snapshots in parts, and what of them is wanted.
#[derive(Debug)]
pub struct Sampling<'a> {
    asked: SampleWork,
    files: Vec<String>,
    state: String,
    work: &'a Parts,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sampled {
    /// Rows there are.
    pub all: u64,
    /// Rows that were drawn.
    pub rows: u64,
    /// The rows with each combination of answers, and the share of them that was drawn.
    pub strata: BTreeMap<String, (u64, f64)>,
    /// Whether the rows had weights before they were drawn.
    pub weighted: bool,
}

impl<'a> Sampling<'a> {
    /// `table` is the folder of the snapshots, `work` a folder of the job's own; targets are columns of the snapshots.
    ///
    /// # Errors
    /// When the table has no parts.
    pub fn new(
        table: &Parts,
        targets: Vec<String>,
        seed: u64,
        work: &'a Parts,
    ) -> Result<Sampling<'a>> {
        let (files, state) = (table.tables()?, table.state()?);
        let table = table.address().to_owned();
        let output = work.address().to_owned();
        let asked = SampleWork { table, output, targets, seed, shares: BTreeMap::new() };
        Ok(Sampling { asked, files, state, work })
    }

    /// Draws about `rows` rows, and writes them into one file of snapshots.
    ///
    /// # Errors
    /// When the engine fails, the table is none of snapshots, or the file cannot be written.
    pub fn run(
        mut self,
        engine: &dyn Engine,
        rows: u64,
        to: &mut (dyn Write + Send),
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<Sampled> {
        self.work.begin(&json(&(&self.asked, &self.files, &self.state, rows)))?;
        self.each(engine, Function::Count, COUNTED, watch)?;
        let mut counts = BTreeMap::<Answers, u64>::new();
        let mut weighted = false;
        for file in &self.files {
            let part: Counted = self.work.kept(COUNTED, file)?;
            weighted |= part.weighted;
            part.rows.into_iter().for_each(|(answers, n)| *counts.entry(answers).or_default() += n);
        }
        self.asked.shares = shares(&counts, rows);
        self.each(engine, Function::Sample, SAMPLED, watch)?;
        let drawn = self.united(to)?;
        let share = |answers: &Answers| self.asked.shares.get(answers).copied().unwrap_or(0.0);
        let strata = counts.iter().map(|(a, n)| (a.clone(), (*n, share(a)))).collect();
        Ok(Sampled { all: counts.values().sum(), rows: drawn, strata, weighted })
    }

    fn each(
        &self,
        engine: &dyn Engine,
        function: Function,
        step: &str,
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<()> {
        let done = self.work.done(step)?;
        let tasks = self.files.iter().filter(|file| !done.contains(file));
        let tasks: Vec<String> = tasks.map(|file| json(&file)).collect();
        if tasks.is_empty() {
            return Ok(());
        }
        let name = format!("rekindle fit: {step}");
        let job = Job { name, function, parts: 0, shared: shared(&self.asked), tasks };
        engine.run(&job, &mut |id| {
            let done = self.work.done(step).map_or(0, |names| names.len());
            watch(id, done, self.files.len());
        })?;
        let done = self.work.done(step)?;
        match self.files.iter().find(|file| !done.contains(file)) {
            Some(missing) => Err(incomplete(self.work, &format!("nothing of {missing}")).into()),
            None => Ok(()),
        }
    }

    /// The drawn rows of all parts in one file, in the order of the parts.
    fn united(&self, to: &mut (dyn Write + Send)) -> anyhow::Result<u64> {
        let mut writer: Option<ArrowWriter<&mut (dyn Write + Send)>> = None;
        let mut to = Some(to);
        let mut rows = 0;
        for number in 0..self.files.len() {
            let file = self.work.depot().local(&part_name(number))?;
            let (about, schema, batches) = opened(&file)?;
            if let Some(to) = to.take() {
                writer = Some(snapshots(to, &about, schema)?);
            }
            for batch in batches {
                let batch = batch?;
                rows += batch.num_rows() as u64;
                if let Some(writer) = &mut writer {
                    writer.write(&batch)?;
                }
            }
        }
        if let Some(writer) = writer {
            writer.close()?;
        }
        Ok(rows)
    }
}

/// As many rows of each sort, as far as there are so many: those of the rare ones all, and none of them drawn twice.
fn shares(counts: &BTreeMap<Answers, u64>, rows: u64) -> BTreeMap<Answers, f64> {
    // Nothing is learned from who is asked nothing.
    let asked = counts.iter().filter(|(answers, _)| answers.contains(['0', '1']));
    let mut rarest: Vec<(&Answers, u64)> = asked.map(|(a, n)| (a, *n)).collect();
    rarest.sort_by_key(|(_, n)| *n);
    let (mut left, mut sorts) = (rows, rarest.len() as u64);
    let share = |(answers, n): (&Answers, u64)| {
        let wanted = n.min(left / sorts.max(1));
        left -= wanted;
        sorts -= 1;
        (answers.clone(), wanted as f64 / n.max(1) as f64)
    };
    rarest.into_iter().map(share).collect()
}

impl SampleWork {
    /// What a job that counts rows, of no target, tells its calls.
    pub fn counting(table: &str, output: &str) -> String {
        let (table, output) = (table.to_owned(), output.to_owned());
        let (targets, shares) = (Vec::new(), BTreeMap::new());
        shared(&SampleWork { table, output, targets, seed: 0, shares })
    }

    pub(super) fn count(&self, file: &str) -> Result<()> {
        let (about, batches) = self.opened(file)?;
        let unknown =
            self.targets.iter().find(|target| about.targets.iter().all(|t| t.name != **target));
        if let Some(target) = unknown {
            let known: Vec<&str> =
                about.targets.iter().map(|target| target.name.as_str()).collect();
            return Err(Error::BadOptions(format!(
                "--target {target}: the snapshots have no such target; expected {} with --cluster",
                known.join(" or ")
            )));
        }
        let mut counted = Counted { weighted: about.weighted, ..Counted::default() };
        for batch in batches {
            let batch = batch.map_err(|e| self.damaged(file, &e))?;
            let answers = self.answers(file, &batch)?;
            let rows = &mut counted.rows;
            (0..batch.num_rows()).for_each(|row| *rows.entry(answers(row)).or_default() += 1);
        }
        Parts::at(&self.output)?.keep(COUNTED, file, &counted)
    }

    pub(super) fn sample(&self, file: &str) -> Result<()> {
        let table = Parts::at(&self.table)?;
        let output = Parts::at(&self.output)?;
        let number = table.tables()?.iter().position(|name| name == file);
        let number = number.ok_or_else(|| self.damaged(file, &"it is not there any more"))?;
        let (about, batches) = self.opened(file)?;
        let mut rows = 0_u64;
        output.depot().put(&part_name(number), |to| {
            let weighted = About { weighted: true, ..about };
            let mut to = Some(to);
            let mut writer = None;
            for batch in batches {
                let batch = batch.map_err(|e| self.damaged(file, &e))?;
                let drawn = self.drawn(file, &batch)?;
                rows += drawn.num_rows() as u64;
                if let Some(to) = to.take() {
                    writer = Some(snapshots(to, &weighted, drawn.schema())?);
                }
                if let Some(writer) = &mut writer {
                    writer.write(&drawn).map_err(|e| self.damaged(file, &e))?;
                }
            }
            match writer {
                Some(writer) => writer.close().map(|_| ()).map_err(|e| self.damaged(file, &e)),
                None => Err(self.damaged(file, &"it has no rows")),
            }
        })?;
        output.keep(SAMPLED, file, &rows)
    }

    /// The rows of a batch that are in the sample, with their weights.
    fn drawn(&self, file: &str, batch: &RecordBatch) -> Result<RecordBatch> {
        let answers = self.answers(file, batch)?;
        let customers = batch.column_by_name(CUSTOMER);
        let customers = customers.and_then(|column| column.as_string_opt::<i32>());
        let customers = customers.ok_or_else(|| self.lacks(file, CUSTOMER))?;
        let before = batch.column_by_name(WEIGHT).and_then(|w| w.as_primitive_opt::<Float64Type>());
        let (mut kept, mut weights) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            let share = self.shares.get(&answers(row)).copied().unwrap_or(0.0);
            // A customer is in the sample with all rows of a sort, or with none of them.
            // By other numbers than those that rows are divided by to learn and to judge.
            let draw = mix2(self.seed, hash_text("sample"));
            let place = unit(mix2(draw, hash_text(customers.value(row))));
            kept.push(place < share);
            weights.push(before.map_or(1.0, |before| before.value(row)) / share);
        }
        let place = batch.schema().index_of(WEIGHT).ok();
        let mut columns = batch.columns().to_vec();
        let mut fields = batch.schema().fields().to_vec();
        let weights = Arc::new(Float64Array::from(weights));
        match place {
            Some(place) => columns[place] = weights,
            None => {
                columns.push(weights);
                fields.push(Arc::new(Field::new(WEIGHT, DataType::Float64, true)));
            }
        }
        let whole = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        let kept = BooleanArray::from(kept);
        let drawn = whole.and_then(|whole| filter_record_batch(&whole, &kept));
        drawn.map_err(|e| self.damaged(file, &e))
    }

    /// The answers of each row of a batch.
    fn answers<'b>(
        &self,
        file: &str,
        batch: &'b RecordBatch,
    ) -> Result<impl Fn(usize) -> Answers + use<'b>> {
        let column = |target: &String| {
            let column = batch.column_by_name(target);
            let numbers = column.and_then(|column| column.as_primitive_opt::<Float64Type>());
            numbers.ok_or_else(|| self.lacks(file, target))
        };
        let columns = self.targets.iter().map(column).collect::<Result<Vec<_>>>()?;
        Ok(move |row: usize| {
            let answer =
                |column: &&Float64Array| match column.is_valid(row).then(|| column.value(row)) {
                    Some(1.0) => '1',
                    Some(0.0) => '0',
                    _ => '-',
                };
            columns.iter().map(answer).collect()
        })
    }

    fn opened(&self, file: &str) -> Result<(About, impl Iterator<Item = Batch> + use<>)> {
        let table = Parts::at(&self.table)?;
        let local = table.depot().local(file)?;
        let (about, _, batches) = opened(&local)?;
        // A copy stays until its rows are read.
        Ok((about, batches.inspect(move |_| _ = local.path())))
    }

    fn lacks(&self, file: &str, column: &str) -> Error {
        self.damaged(
            file,
            &format!("it has no column of numbers or texts {column:?}; expected snapshots"),
        )
    }

    fn damaged(&self, file: &str, error: &dyn std::fmt::Display) -> Error {
        Error::BadOptions(format!("{}/{file}: {error}", self.table))
    }
}

/// Rows, or what is wrong with the file they stand in.
type Batch = std::result::Result<RecordBatch, ArrowError>;

/// A file of snapshots: what it says of itself, its columns, its rows.
fn opened(local: &Local) -> Result<(About, SchemaRef, impl Iterator<Item = Batch> + use<>)> {
    let path = local.path().display();
    let bad = |e: &dyn std::fmt::Display| Error::BadOptions(format!("{path}: {e}"));
    let about = snapshot::about(local.path())?;
    let about =
        about.ok_or_else(|| bad(&"found no snapshots, expected some of `rekindle features`"))?;
    let file = File::open(local.path()).map_err(|e| bad(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| bad(&e))?;
    let schema = Arc::clone(reader.schema());
    let batches = reader.with_batch_size(4_096).build().map_err(|e| bad(&e))?;
    Ok((about, schema, batches))
}

/// A file of snapshots to be written.
fn snapshots<W: Write + Send>(to: W, about: &About, schema: SchemaRef) -> Result<ArrowWriter<W>> {
    let said = KeyValue::new(ABOUT_KEY.to_owned(), json(about));
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_key_value_metadata(Some(vec![said]))
        .build();
    let schema = Arc::new(Schema::new(schema.fields().clone()));
    ArrowWriter::try_new(to, schema, Some(properties)).map_err(|e| Error::BadOptions(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rare_are_all_kept_and_the_others_share_what_is_left() {
        let counts = [("11", 100), ("01", 10_000), ("-0", 50_000), ("--", 90_000)];
        let counts = counts.map(|(a, n)| (a.to_owned(), n)).into();
        let shares = shares(&counts, 2_100);
        assert_eq!(shares["11"], 1.0);
        assert_eq!((shares["01"] * 10_000.0).round(), 1_000.0);
        assert_eq!((shares["-0"] * 50_000.0).round(), 1_000.0);
        assert!(!shares.contains_key("--"));
    }
}
