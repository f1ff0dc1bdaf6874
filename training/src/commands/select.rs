//! `rekindle select`: a table in, the list of features worth learning from out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::SelectionStep;
use serde::{Deserialize, Serialize};

use crate::commands::fit::{LearningArgs, LimitArgs, table_and_options};
use crate::commands::{ReadArgs, Talk, print, write_whole};
use crate::options::{FitOptions, ModelChoice};
use crate::pipeline::fit;
use crate::report::{SelectedReport, selected_terminal};
use crate::select::{Batches, Chosen, Ground, Progress, SelectOptions, Step, parse_list};

/// Widen the features batch by batch, prune them again, and write the list worth learning from
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle select churn.csv --target Churn=Yes --id customerID -o \
features.lock\n  rekindle fit churn.csv --target Churn=Yes --id customerID --features features.lock\n\nA \
selection that was interrupted goes on where it was when the same command is given again."
)]
pub struct Select {
    /// CSV (plain or gzipped), Parquet or Arrow IPC file; snapshots of `rekindle features`
    table: PathBuf,
    /// What to learn, as for fit; may be given several times
    #[arg(long, value_name = "COLUMN[=VALUE]", required = true)]
    target: Vec<String>,
    /// The list to write
    #[arg(short, long, value_name = "FILE", default_value = "features.lock")]
    output: PathBuf,
    /// Features in a batch: of snapshots by family and window, else in the order of columns
    #[arg(long, value_name = "FEATURES", default_value_t = 100, conflicts_with = "batches")]
    batch: usize,
    /// File with the batches: a feature a line, an empty line between batches
    #[arg(long, value_name = "FILE")]
    batches: Option<PathBuf>,
    /// Batches in a row that bring nothing, after which no more are tried
    #[arg(long, value_name = "BATCHES", default_value_t = 2)]
    patience: usize,
    /// Most features chosen for a target
    #[arg(long, value_name = "FEATURES")]
    max_features: Option<usize>,
    /// Rank correlation from which one feature stands for another; above 1: never
    #[arg(long, value_name = "CORRELATION", default_value_t = 0.95)]
    alike: f64,
    /// Begin anew where another selection was interrupted
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Print the curve and the judgement as JSON
    #[arg(long)]
    json: bool,
}

/// `features.lock`: what was chosen, by target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeaturesLock {
    /// The fingerprint of the table it was chosen from.
    pub data_fingerprint: String,
    /// By `column=value`.
    pub targets: BTreeMap<String, Chosen>,
}

const HEADER: &str = "# Features chosen by `rekindle select`. To learn from them: rekindle fit ... --features \
                      features.lock\n\n";

impl FeaturesLock {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<FeaturesLock> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("failed to read {}; `rekindle select` writes it", path.display())
        })?;
        toml::from_str(&text).with_context(|| {
            format!("{}: it is no list of `rekindle select`; write it anew", path.display())
        })
    }

    /// The steps that led to it, by target.
    pub(super) fn steps(&self) -> BTreeMap<String, Vec<SelectionStep>> {
        let of = |chosen: &Chosen| chosen.steps.iter().filter_map(Step::entry).collect();
        self.targets.iter().map(|(target, chosen)| (target.clone(), of(chosen))).collect()
    }

    /// The features, by target.
    pub(super) fn features(self) -> BTreeMap<String, Vec<String>> {
        self.targets.into_iter().map(|(target, chosen)| (target, chosen.features)).collect()
    }
}

impl Select {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let limits = self.limits.limits();
        let (frame, fitting) = table_and_options(
            self.learning.clone(),
            &self.table,
            &self.target,
            (&self.reading, limits),
            talk,
        )?;
        if !matches!(fitting.model, ModelChoice::Auto | ModelChoice::Boosting) {
            bail!("--model: features are selected with the booster; expected boosting or auto");
        }
        if fitting.shares.test == 0.0 {
            bail!(
                "--test-share 0: expected rows on which the full and the chosen model are judged"
            );
        }
        let batches = match &self.batches {
            None => Batches::Of(self.batch),
            Some(path) => Batches::Listed(parse_list(
                &std::fs::read_to_string(path)
                    .with_context(|| format!("--batches: failed to read {}", path.display()))?,
            )),
        };
        let options = SelectOptions {
            fit: FitOptions { model: ModelChoice::Boosting, ..fitting },
            batches,
            patience: self.patience,
            most: self.max_features,
            alike: self.alike,
        };
        let say = |step: &str| talk.say(step);
        let data_fingerprint = frame.fingerprint();
        let mut progress = self.progress(&options.fingerprint(&data_fingerprint), talk)?;
        let ground = Ground::new(frame, &options, &say)?;
        let path = self.progress_file();
        let mut save = |progress: &Progress| {
            let text = toml::to_string(progress).expect("progress has a TOML form");
            write_whole(&path, |to| to.write_all(text.as_bytes()))
                .map_err(|error| crate::Error::BadOptions(format!("{error:#}")))
        };
        let selected = ground.select(&options, &mut progress, &mut save, &say)?;
        let frame = ground.into_frame();
        let chosen = selected.iter().map(|s| (s.target.clone(), s.chosen.features.clone()));
        let chosen = chosen.collect();
        talk.say("judging the full and the chosen model on test rows");
        let full = fit(&frame, &options.fit, &|_| {})?;
        let of_chosen = FitOptions { features: Some(chosen), ..options.fit.clone() };
        let small = fit(&frame, &of_chosen, &|_| {})?;
        let lock = FeaturesLock {
            data_fingerprint,
            targets: selected.iter().map(|s| (s.target.clone(), s.chosen.clone())).collect(),
        };
        let text = HEADER.to_owned() + &toml::to_string(&lock).context("failed to write TOML")?;
        write_whole(&self.output, |to| to.write_all(text.as_bytes()))?;
        if let Err(error) = std::fs::remove_file(self.progress_file())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            talk.say(&format!("failed to remove {}: {error}", self.progress_file().display()));
        }
        let reports: Vec<SelectedReport<'_>> = selected
            .iter()
            .zip(full.iter().zip(&small))
            .map(|(selected, (full, small))| SelectedReport::new(selected, full, small))
            .collect();
        print(&match self.json {
            true => serde_json::to_string_pretty(&reports).context("failed to write JSON")? + "\n",
            false => reports.iter().map(selected_terminal).collect::<Vec<_>>().join("\n"),
        })?;
        talk.say(&format!("wrote {}", self.output.display()));
        Ok(0)
    }

    /// Where it is kept how far the selection is.
    fn progress_file(&self) -> PathBuf {
        let name = self.output.file_name().unwrap_or_default().to_string_lossy();
        self.output.with_file_name(format!("{name}.progress"))
    }

    /// How far the same selection was when it was interrupted.
    fn progress(&self, asked: &str, talk: Talk) -> Result<Progress> {
        let path = self.progress_file();
        let fresh = Progress { asked: asked.to_owned(), ..Progress::default() };
        let text = match std::fs::read_to_string(&path) {
            _ if self.restart => return Ok(fresh),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(fresh),
            text => text.with_context(|| format!("failed to read {}", path.display()))?,
        };
        match toml::from_str::<Progress>(&text) {
            Ok(progress) if progress.asked == asked => {
                talk.say(&format!("going on from {}", path.display()));
                Ok(progress)
            }
            _ => bail!(
                "{}: another selection, of other data or options, was interrupted; expected the same command \
                 again, or --restart to begin anew",
                path.display()
            ),
        }
    }
}
