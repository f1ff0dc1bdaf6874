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
use rekindle_models::reasons::{MOST_REASONS, Reasons};

use crate::commands::cluster::{ClusterArgs, Watched, everywhere, output, refuse};
use crate::commands::keeping::{KEPT, Keeping};
use crate::commands::{Found, Talk, load_model, write_whole};
use crate::distributed::{Connect, Engine, Parts, Scoring};
use crate::holdout::bind;
use crate::scored::{Scores, write_scores};
use crate::sheet::Format;
use crate::why::Why;

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
    /// Table of customers: CSV, Parquet or Arrow IPC, or a folder of Parquet parts; - for standard input. With --cluster a
    /// folder or URL of parts
    table: PathBuf,
    /// File to write: .csv, .parquet or .ndjson; - for CSV on standard output; with --cluster
    /// a folder or URL [default: -, or nothing with --store]
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
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Score {
    pub(super) fn run(self, talk: Talk, connect: Option<&dyn Connect>) -> Result<u8> {
        if let Some(engine) = self.cluster.engine(connect)? {
            return self.on_cluster(&*engine, talk);
        }
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
        let scored = Scores {
            frame: &frame,
            id,
            scores: &scores,
            model: &manifest.model_name,
            version,
            why: why.as_ref().map(|why| (why, most, self.language)),
        };
        let format = match output == Path::new("-") {
            true => Format::Csv,
            false => Format::of(&output.to_string_lossy()).unwrap_or(Format::Csv),
        };
        deliver(&output, |to| write_scores(to, format, &scored))?;
        if output != Path::new("-") {
            talk.say(&format!("{} customers scored into {}", scores.len(), output.display()));
        }
        Ok(0)
    }
}

impl Score {
    /// Scores a table in parts, each part somewhere, into parts of the same names.
    fn on_cluster(self, engine: &dyn Engine, talk: Talk) -> Result<u8> {
        refuse(&[
            ("--store", self.store.is_some()),
            ("--contributions", self.contributions.is_some()),
            ("--delimiter", self.delimiter.is_some()),
        ])?;
        let Found { artifact, version } = load_model(&self.model)?;
        let most = usize::from(self.reasons);
        if let (1.., Err(why)) = (most, Reasons::new(&artifact.manifest, &artifact.scorer)) {
            bail!("--reasons: {} tells none: {why}", self.model.display());
        }
        let file = model_file(&self.model, version);
        let bytes =
            std::fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let named = self.output.as_deref();
        let named = named
            .context("--cluster: expected -o FOLDER, a folder or URL that all machines see")?;
        let (table, output) = (Parts::at(&everywhere(&self.table)?)?, Parts::at(&output(named)?)?);
        let scoring = Scoring::new(&table, (&bytes, version), (most, self.language), &output)?;
        let mut watched = Watched::new(talk, "scoring");
        let scored = scoring.run(engine, &mut |id, done, all| watched.see(id, done, all));
        drop(watched);
        let scored = scored?;
        scored.warnings.iter().for_each(|warning| talk.say(&format!("warning: {warning}")));
        talk.say(&format!(
            "{} customers scored into {} parts of {}",
            scored.customers,
            scored.parts,
            output.address()
        ));
        Ok(0)
    }
}

/// The file of a model that was found at a path.
fn model_file(path: &Path, version: Option<u32>) -> PathBuf {
    let file = |folder: &Path| folder.join("model.rekindle");
    match version {
        Some(version) if !file(path).is_file() => file(&path.join(version.to_string())),
        Some(_) => file(path),
        None => path.to_owned(),
    }
}

/// Writes a file or to standard output, whose reader may have seen enough (`| head`).
fn deliver(
    output: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> std::io::Result<()>,
) -> Result<()> {
    if output != Path::new("-") {
        return write_whole(output, |to| write(to));
    }
    match write(&mut std::io::stdout()) {
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
