//! `rekindle score`: a table of customers in, their scores out.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::classifiers::Fitted;
use rekindle_models::explain::Explainer;
use rekindle_models::frame::{Frame, ReadKind, ReadOptions, Schema, read};
use rekindle_models::language::Language;
use rekindle_models::reasons::{MOST_REASONS, Reason, Reasons};
use rekindle_models::scorer::Score as Scored;

use crate::commands::keeping::{KEPT, Keeping};
use crate::commands::why::Why;
use crate::commands::{Found, Talk, load_model, write_whole};
use crate::holdout::bind;

/// Score the customers of a table
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle score registry/churn customers.csv -o scores.csv\n  rekindle \
score registry/churn customers.csv -o scores.csv --reasons 3 --language zh\n  rekindle score \
registry/churn customers.csv -o scores.csv --contributions why.csv\n  rekindle score registry/churn \
customers.csv --store customers.db"
)]
pub struct Score {
    /// A model's folder in a registry, a version's folder, or a model file
    model: PathBuf,
    /// Table of customers: CSV, Parquet or Arrow IPC; - for standard input
    table: PathBuf,
    /// CSV file to write; - for standard output [default: -, or nothing with --store]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Put each customer's score into a store, where the latest of each model is kept: a SQLite file
    /// (customers.db, sqlite:FILE) or postgres://USER@HOST/DATABASE, with its password in PGPASSWORD.
    /// The table's columns cutoff, lapse_tier, lifecycle_stage and grade are kept beside it
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
    /// Add so many columns with what moved each customer's score most, in words, the strongest first; with
    /// --store they are kept beside the score, in every language
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=i64::from(MOST_REASONS)))]
    reasons: u8,
    /// The language of reasons: en, zh
    #[arg(long, value_name = "CODE", default_value = "en", requires = "reasons")]
    language: Language,
    /// CSV file to write how far each feature moved each customer's margin (log odds, before
    /// calibration): exact SHAP values; boosting models only
    #[arg(long, value_name = "FILE")]
    contributions: Option<PathBuf>,
    /// Byte between the fields of a CSV file [default: found in the header]
    #[arg(long, value_name = "BYTE", value_parser = super::delimiter)]
    delimiter: Option<u8>,
}

impl Score {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let Found { artifact, version } = load_model(&self.model)?;
        let manifest = &artifact.manifest;
        let explainer = match (&self.contributions, &artifact.scorer.model) {
            (None, _) => None,
            (Some(_), Fitted::Boosting(model)) => Some(Explainer::new(model)),
            (Some(_), other) => bail!(
                "--contributions: {} is a {} model, expected boosting; fit it with --model boosting",
                self.model.display(),
                other.name()
            ),
        };
        let store = self.store.as_deref();
        let store = store.map(|address| Keeping::open(address, manifest, version)).transpose()?;
        let most = usize::from(self.reasons);
        let reasons = match (most, Reasons::new(manifest, &artifact.scorer)) {
            (0, _) => None,
            (_, Ok(reasons)) => Some(reasons),
            (_, Err(why)) => bail!("--reasons: {} tells none: {why}", self.model.display()),
        };
        let id = manifest.id_column.as_deref();
        let schema = &artifact.scorer.schema;
        let more: &[&str] = if store.is_some() { &KEPT } else { &[] };
        let mut reading = ReadOptions {
            delimiter: self.delimiter,
            ..ReadOptions::for_model(schema, &manifest.missing_markers, id, more)
        };
        // As they stand there, where the model does not read them otherwise.
        for column in more {
            reading.kinds.entry((*column).to_owned()).or_insert(ReadKind::Categorical);
        }
        let frame = read(&self.table, &reading)?;
        if let (Some(_), Some(id)) = (&store, id) {
            let missing = || format!("--store: {} does not say who is who", self.table.display());
            frame.schema().require(id).with_context(missing)?;
        }
        let id = id.and_then(|column| frame.schema().place(column));
        let mut warnings = Vec::new();
        let binding = bind(&artifact.scorer.schema, &frame, &mut warnings)?;
        warnings.iter().for_each(|warning| talk.say(&format!("warning: {warning}")));
        let block = |span: std::ops::Range<usize>| binding.rows(&frame, span);
        let scores = artifact.scorer.score_blocks(frame.rows(), block);
        let version = version.map(|v| v.to_string()).unwrap_or_default();
        let names = [manifest.model_name.as_str(), version.as_str()];
        if let (Some(explainer), Some(path)) = (&explainer, &self.contributions) {
            let blocks = |span| explainer.contributions(&binding.rows(&frame, span));
            write_whole(path, |to| write_contributions(to, &frame, id, schema, &blocks))?;
            talk.say(&format!("contributions written to {}", path.display()));
        }
        let why =
            reasons.map(|reasons| Why::find(reasons, &artifact.scorer, (&binding, &frame), most));
        if let Some((store, id)) = store.zip(id) {
            let stored = |span: Range<usize>| match &why {
                Some(why) => why.stored(span),
                None => vec![Vec::new(); span.len()],
            };
            store.put((&scores, &stored), (&frame, id), talk)?;
        }
        let Some(output) = self.output.or_else(|| self.store.is_none().then(|| "-".into())) else {
            return Ok(0);
        };
        let told = |span: Range<usize>| match &why {
            Some(why) => why.told(span, self.language),
            None => vec![Vec::new(); span.len()],
        };
        let columns = (names, (most, &told as &dyn Fn(_) -> _));
        deliver(&output, |to| write(to, &frame, id, &scores, columns))?;
        if output != Path::new("-") {
            talk.say(&format!("{} customers scored into {}", scores.len(), output.display()));
        }
        Ok(0)
    }
}

/// Writes a file or to standard output, whose reader may have seen enough (`| head`).
fn deliver(output: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    if output != Path::new("-") {
        return write_whole(output, |to| write(to));
    }
    match write(&mut std::io::stdout().lock()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(e).context("failed to write to standard output")
        }
        _ => Ok(()),
    }
}

/// Numbers explained at a time.
const BLOCK: usize = 1 << 22;

/// One column a feature, then the margin that all start from.
fn write_contributions(
    to: &mut dyn Write,
    frame: &Frame,
    id: Option<usize>,
    schema: &Schema,
    explain: &dyn Fn(Range<usize>) -> Vec<f64>,
) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    if id.is_some() {
        writer.write_field("customer_id")?;
    }
    schema.fields().iter().try_for_each(|field| writer.write_field(&field.name))?;
    writer.write_field("expected_margin")?;
    writer.write_record(None::<&[u8]>)?;
    let block = (BLOCK / (schema.len() + 1)).clamp(64, 8_192);
    for first in (0..frame.rows()).step_by(block) {
        let span = first..(first + block).min(frame.rows());
        let contributions = explain(span.clone());
        for (row, numbers) in span.zip(contributions.chunks_exact(schema.len() + 1)) {
            if let Some(id) = id {
                writer.write_field(frame.text(id, row).unwrap_or_default().as_bytes())?;
            }
            numbers.iter().try_for_each(|number| writer.write_field(number.to_string()))?;
            writer.write_record(None::<&[u8]>)?;
        }
    }
    writer.flush()
}

/// Reasons of a span of rows, so many at most of each.
type Told<'a> = (usize, &'a dyn Fn(Range<usize>) -> Vec<Vec<Reason<'a>>>);

/// Rows whose reasons are told together.
const TOLD: usize = 8_192;

fn write(
    to: &mut dyn Write,
    frame: &Frame,
    id: Option<usize>,
    scores: &[Scored],
    ([name, version], (most, told)): ([&str; 2], Told<'_>),
) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let header = ["probability", "percentile", "positive", "model_name", "model_version"];
    let header = ["customer_id"].into_iter().filter(|_| id.is_some()).chain(header);
    let reasons = (1..=most).map(|number| format!("reason_{number}"));
    writer.write_record(header.map(str::to_owned).chain(reasons))?;
    for first in (0..scores.len()).step_by(TOLD) {
        let span = first..(first + TOLD).min(scores.len());
        for (row, reasons) in span.clone().zip(told(span)) {
            let score = &scores[row];
            if let Some(id) = id {
                writer.write_field(frame.text(id, row).unwrap_or_default().as_bytes())?;
            }
            // The shortest text that reads back to the same bits.
            writer.write_field(score.probability.to_string())?;
            writer.write_field(score.percentile.to_string())?;
            writer.write_field(if score.positive { "true" } else { "false" })?;
            writer.write_field(name)?;
            writer.write_field(version)?;
            for place in 0..most {
                writer.write_field(reasons.get(place).map_or("", |reason| reason.text.as_str()))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
    }
    writer.flush()
}
