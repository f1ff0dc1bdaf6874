//! `rekindle evaluate`: judges saved models on rows they have not seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::{Artifact, Registry};
use rekindle_models::frame::nearest_name;
use serde::Deserialize;

use crate::commands::fit::LimitArgs;
use crate::commands::reading::Reading;
use crate::commands::{Found, Talk, colour, load_model, print, write_whole};
use crate::holdout::{Asked, Holdout, HoldoutOptions, Judgement};
use crate::quality::DataQuality;
use crate::report::{
    Document, Report, beside_terminal, could_not_judge, html, junit, markdown, open_metrics,
    terminal,
};
use crate::segments::Segments;
use crate::verdict::Limits;

/// Judge saved models on a table they have not seen
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle evaluate registry/churn holdout.csv --max-error-rate 0.45 --max-miss-rate \
0.30\n  rekindle evaluate registry/ holdout.parquet --conditions conditions.toml --by channel -o judged/\n  \
rekindle evaluate registry/churned rekindle.toml --cutoff 2025-06-01 --by lapse_tier\n\nWith -o FOLDER: report.html, \
report.json, report.md, junit.xml and metrics.txt. Where GITHUB_STEP_SUMMARY is set, a table is appended to it; in \
GitHub Actions, failures are annotated.\n\nExit codes: 0 usable, 1 unusable, 2 could not judge."
)]
pub struct Evaluate {
    /// Models, then the table: each model a folder in a registry, a version's folder, a file, or a registry whose models
    /// in force are all judged; the table CSV, Parquet or Arrow IPC, - for standard input, or with --cutoff a project
    #[arg(required_unless_present = "schema", num_args = 2.., value_names = ["MODEL", "TABLE"])]
    models_and_table: Vec<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    /// TOML file with limits for all models ([limits]), for one ([targets.NAME]) and segments ([segments])
    #[arg(long, value_name = "FILE", help_heading = "Judging")]
    conditions: Option<PathBuf>,
    /// Columns to tell segments by; several: A,B
    #[arg(long, value_name = "COLUMN", help_heading = "Segments")]
    by: Vec<String>,
    /// Fewest rows of a segment; smaller ones are told together [default: 200]
    #[arg(long, value_name = "ROWS", help_heading = "Segments")]
    smallest_segment: Option<usize>,
    /// The limits must be kept in every segment, too
    #[arg(long, help_heading = "Segments")]
    each_segment: bool,
    /// The table is a project: its log is told at this cutoff, with the features that the model asks for
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    #[command(flatten)]
    log: super::log::LogArgs,
    /// Column of row weights [default: the model's]
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Features that are no columns of the table count as missing, instead of being refused
    #[arg(long)]
    allow_absent: bool,
    /// Byte between the fields of a CSV file [default: found in the header]
    #[arg(long, value_name = "BYTE", value_parser = super::delimiter)]
    delimiter: Option<u8>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder to write reports to
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of report.json; judge nothing
    #[arg(long)]
    schema: bool,
}

/// What is written besides `junit.xml`.
const REPORTS: [&str; 4] = ["report.html", "report.json", "report.md", "metrics.txt"];

/// A file of conditions.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Conditions {
    limits: toml::Table,
    targets: BTreeMap<String, toml::Table>,
    segments: SegmentsTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SegmentsTable {
    by: Vec<String>,
    smallest: Option<usize>,
    each: bool,
}

impl Conditions {
    fn read(path: &Path) -> Result<Conditions> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("--conditions {}: failed to read it", path.display()))?;
        let read = |e: toml::de::Error| anyhow::anyhow!("--conditions {}: {e}", path.display());
        let conditions: Conditions = toml::from_str(&text).map_err(read)?;
        // Each by itself, so that a misspelt key is told of its own table.
        let tables = conditions.targets.iter().map(|(name, t)| (format!("targets.{name}"), t));
        for (name, table) in tables.chain([("limits".to_owned(), &conditions.limits)]) {
            let limits: Limits = table.clone().try_into().map_err(|e: toml::de::Error| {
                anyhow::anyhow!(
                    "--conditions {}: [{name}]: {}",
                    path.display(),
                    e.message().trim_end()
                )
            })?;
            limits.validate().with_context(|| format!("--conditions {}", path.display()))?;
        }
        Ok(conditions)
    }

    /// The limits of a model: its own before those of all.
    fn limits(&self, model: &str) -> Result<Limits> {
        let mut table = self.limits.clone();
        table.extend(self.targets.get(model).cloned().unwrap_or_default());
        table.try_into().context("limits of all models and of one do not go together")
    }

    /// Every target named is one of the models'.
    fn check(&self, models: &[&str]) -> Result<()> {
        match self.targets.keys().find(|name| !models.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let near = nearest_name(name, models.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("; the nearest is {near}"));
                bail!(
                    "--conditions: [targets.{name}] is none of the models judged ({}){near}",
                    models.join(", ")
                )
            }
        }
    }
}

/// A model with its judgement.
struct Held {
    artifact: Artifact,
    version: Option<u32>,
    judgement: Judgement,
    quality: DataQuality,
    warnings: Vec<String>,
}

impl Held {
    fn report(&self, judged_on: &str) -> Report<'_> {
        Report::new(
            &self.artifact.manifest,
            self.artifact.scorer.calibration.name(),
            self.version,
            judged_on.to_owned(),
            Some(&self.judgement.evaluation),
            &self.warnings,
        )
        .with_curves(self.judgement.curves.as_ref())
        .with_segments(&self.judgement.segments)
        .with_quality(&self.quality)
    }
}

impl Evaluate {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        if self.schema {
            print(&Document::schema())?;
            return Ok(0);
        }
        let done = self.judge_all(talk);
        if let (Err(error), Some(folder)) = (&done, self.output.as_ref().filter(|f| f.is_dir())) {
            // What an earlier run left must not pass for this one's.
            for name in REPORTS {
                let _ = std::fs::remove_file(folder.join(name));
            }
            let text = could_not_judge(&format!("{error:#}"));
            write_whole(&folder.join("junit.xml"), |to| to.write_all(text.as_bytes()))?;
        }
        done
    }

    fn judge_all(&self, talk: Talk) -> Result<u8> {
        let Some((table, paths)) = self.models_and_table.split_last() else { bail!("no table") };
        let conditions = match &self.conditions {
            Some(path) => Conditions::read(path)?,
            None => Conditions::default(),
        };
        let by = [conditions.segments.by.clone(), super::fit::listed(&self.by)].concat();
        let defaults = Segments::default();
        let segments = Segments {
            by,
            smallest: self
                .smallest_segment
                .or(conditions.segments.smallest)
                .unwrap_or(defaults.smallest),
            each: self.each_segment || conditions.segments.each,
            told: Vec::new(),
        };
        if segments.each && segments.by.is_empty() {
            bail!("--each-segment: expected columns to tell segments by, as --by channel");
        }
        let found = models(paths)?;
        let names: Vec<&str> =
            found.iter().map(|f| f.artifact.manifest.model_name.as_str()).collect();
        conditions.check(&names)?;
        let limits = names.iter().map(|name| {
            let limits = self.limits.over(conditions.limits(name)?);
            limits.validate()?;
            Ok(limits)
        });
        let limits = limits.collect::<Result<Vec<Limits>>>()?;
        let options = HoldoutOptions {
            delimiter: self.delimiter,
            weight: self.weight.clone(),
            by: segments.by.clone(),
            allow_absent: self.allow_absent,
        };
        let cutoff = self.cutoff.as_deref();
        let reading = Reading::new(table, options, (cutoff, &self.log), talk)?;
        // Of a log, what each customer is then is told as well.
        let told = reading.states().iter().take(2).map(|state| (*state).to_owned());
        let told = told.filter(|state| !segments.by.contains(state)).collect();
        let segments = Segments { told, ..segments };
        let judged: Vec<Held> = found
            .into_iter()
            .zip(&limits)
            .map(|(found, limits)| self.judge(found, (limits, &segments), &reading))
            .collect::<Result<_>>()?;
        let judged_on = reading.shown();
        let document = Document::new(judged.iter().map(|held| held.report(&judged_on)).collect());
        self.tell(&document, talk)?;
        Ok(document.exit_code)
    }

    /// Judges one model; its table is gone afterwards.
    fn judge(
        &self,
        Found { artifact, version }: Found,
        (limits, segments): (&Limits, &Segments),
        reading: &Reading<'_>,
    ) -> Result<Held> {
        let holdout = reading.holdout(&artifact)?;
        let models = rivals(reading, &artifact, limits)?;
        let asked = Asked { limits, models: &models, segments, seed: self.seed };
        let judgement = holdout.judge(&artifact, &asked)?;
        let Holdout { quality, warnings, .. } = holdout;
        Ok(Held { artifact, version, judgement, quality, warnings })
    }

    /// Prints the document and writes it wherever it is wanted.
    fn tell(&self, document: &Document<'_>, talk: Talk) -> Result<()> {
        if let Some(folder) = &self.output {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
            for (name, text) in [
                ("report.html", html(document)),
                ("report.json", document.json()),
                ("report.md", markdown(document)),
                ("junit.xml", junit(document)),
                ("metrics.txt", open_metrics(document)),
            ] {
                write_whole(&folder.join(name), |to| to.write_all(text.as_bytes()))?;
            }
            talk.say(&format!("reports written to {}", folder.display()));
        }
        super::github::tell(document)?;
        if self.json {
            return print(&document.json());
        }
        for report in &document.reports {
            print(&(terminal(report, colour()) + "\n"))?;
        }
        if document.reports.len() > 1 {
            print(&(beside_terminal(&document.reports) + "\n"))?;
        }
        Ok(())
    }
}

/// Other models that a model must beat, with what they say of the same rows.
fn rivals(
    reading: &Reading<'_>,
    artifact: &Artifact,
    limits: &Limits,
) -> Result<Vec<(String, Vec<f64>)>> {
    let named =
        limits.must_beat.iter().filter(|name| !["base", "recency"].contains(&name.as_str()));
    let said = |name: &String| {
        let rival = load_model(Path::new(name))
            .with_context(|| format!("must beat {name}: expected recency, base or a model"))?
            .artifact;
        let (ours, theirs) = (&artifact.manifest.target, &rival.manifest.target);
        if ours != theirs {
            bail!(
                "must beat {name}: it answers {}={}, {} answers {}={}; expected the same question",
                theirs.column,
                theirs.value,
                artifact.manifest.model_name,
                ours.column,
                ours.value
            );
        }
        Ok((name.clone(), reading.holdout(&rival)?.judged().probability.to_vec()))
    };
    named.map(said).collect()
}

/// The models named: of a registry, all in force.
fn models(paths: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in paths {
        let inner = Registry::open(path).and_then(|registry| registry.models());
        match inner {
            Ok(names) if path.is_dir() && !names.is_empty() => {
                for name in names {
                    found.push(load_model(&path.join(name))?);
                }
            }
            _ => found.push(load_model(path).with_context(|| {
                format!("{}: expected a model: models come first, the table last", path.display())
            })?),
        }
    }
    Ok(found)
}
