//! `rekindle run`: from logs to judged models in one command.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::read;
use rekindle_models::threshold::ThresholdRule;

use crate::commands::features::Prepared;
use crate::commands::log::{LogArgs, gather};
use crate::commands::{Talk, fit};
use crate::label::TargetSpec;
use crate::options::{FitOptions, ModelChoice};
use crate::project::Project;
use crate::report::populations_terminal;
use crate::snapshot::{self, CUSTOMER};
use crate::split::Shares;
use crate::verdict::Limits;

/// From logs to judged models: build snapshots, learn every target, judge and save
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  rekindle run rekindle.toml -o registry/\n\nExit codes: 0 usable or \
not judged, 1 a model is unusable, 2 could not judge."
)]
pub struct Run {
    /// The project
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// Registry folder to save models to
    #[arg(short, long, value_name = "FOLDER", default_value = "registry")]
    output: PathBuf,
    /// Parquet file to keep the snapshots in
    #[arg(long, value_name = "FILE", default_value = "snapshots.parquet")]
    snapshots: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave the version in force as it is
    #[arg(long)]
    no_promote: bool,
    /// Print the reports as JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let project = Project::read(&self.project)?;
        if project.targets.is_empty() && project.labels.is_none() {
            bail!(
                "{}: no [targets] and no [labels]; expected something to learn",
                self.project.display()
            );
        }
        build(&self.project, &project, &self.log, &self.snapshots, talk)?;
        learn(
            &project,
            &self.snapshots,
            &self.output,
            Learning { seed: self.seed, no_promote: self.no_promote, json: self.json },
            talk,
        )
    }
}

/// How models are learned and kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Learning {
    pub seed: u64,
    pub no_promote: bool,
    pub json: bool,
}

/// Builds the snapshots of a project.
pub(super) fn build(
    path: &Path,
    project: &Project,
    log: &LogArgs,
    snapshots: &Path,
    talk: Talk,
) -> Result<()> {
    let folder = log.folder(path);
    let (mut log, report, told) = gather(&folder, project, log, talk)?;
    let prepared = Prepared::new(&folder, project, (&mut log, told), &report, talk)?;
    talk.say(&format!("building {} features", prepared.spec.columns().len()));
    let written = prepared.write(project, &log, snapshots, talk)?;
    talk.say(&format!(
        "{}: {} rows\n{}",
        snapshots.display(),
        written.rows,
        populations_terminal(&written.populations)
    ));
    Ok(())
}

/// Learns every target of a project's snapshots.
pub(super) fn learn(
    project: &Project,
    snapshots: &Path,
    registry: &Path,
    learning: Learning,
    talk: Talk,
) -> Result<u8> {
    let Some(about) = snapshot::about(snapshots)? else {
        bail!("{}: found no snapshots of `rekindle features`", snapshots.display());
    };
    let reading = snapshot::reading(snapshots, &about);
    let frame = read(snapshots, &reading)?;
    let limits = Limits::default();
    let options = FitOptions {
        targets: about.targets.iter().map(|t| TargetSpec { given: t.name.clone() }).collect(),
        id: Some(CUSTOMER.to_owned()),
        repeated_ids: true,
        weight: None,
        time: about.time(),
        embargo: about.embargo_days(|_| true),
        feature_spec: Some(about.features),
        recency: None,
        exclude: Vec::new(),
        exclude_for: Vec::new(),
        model: ModelChoice::Auto,
        boosting: Boosting::default(),
        shares: Shares::default(),
        threshold: project.costs.map(|costs| ThresholdRule::Cost {
            false_positive: costs.false_positive,
            false_negative: costs.miss,
        }),
        limits: Limits {
            max_error_rate: project.limits.max_error_rate,
            max_miss_rate: project.limits.max_miss_rate,
            confidence: project.limits.confidence.unwrap_or(limits.confidence),
        },
        seed: learning.seed,
        population: "customers of the project's snapshots whom each target is asked of".to_owned(),
        missing: reading.missing,
    };
    fit::learn(frame, &options, registry, learning.no_promote, learning.json, talk)
}
