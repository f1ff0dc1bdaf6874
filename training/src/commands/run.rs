//! `rekindle run`: from logs to judged models in one command.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::read;
use rekindle_models::threshold::ThresholdRule;

use crate::commands::contacts::ContactArgs;
use crate::commands::features::Prepared;
use crate::commands::log::{LogArgs, gather};
use crate::commands::{Talk, fit};
use crate::label::TargetSpec;
use crate::options::{FitOptions, ModelChoice};
use crate::panel::one_sided;
use crate::project::Project;
use crate::report::populations_terminal;
use crate::snapshot::{self, CUSTOMER};
use crate::split::Shares;
use crate::verdict::Word;

/// From logs to judged models: build snapshots, learn every target, judge and save
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle run rekindle.toml -o registry/\n  rekindle run rekindle.toml --contacts customers.db\n\nExit codes: 0 usable or \
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
    #[command(flatten)]
    contacts: ContactArgs,
    /// Seed of every draw
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave the version in force as it is
    #[arg(long)]
    no_promote: bool,
    /// Print the reports as JSON
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
        let one_sided =
            build(&self.project, &project, (&self.log, &self.contacts), &self.snapshots, talk)?;
        let asked = project.targets.len().max(1);
        if one_sided.len() == asked {
            bail!(
                "{}: no target has both answers: {}; nothing can be learned",
                self.project.display(),
                one_sided.join(", ")
            );
        }
        let learning = Learning {
            seed: self.seed,
            no_promote: self.no_promote,
            json: self.json,
            left_out: one_sided,
        };
        learn(&project, &self.snapshots, &self.output, learning, talk)
    }
}

/// How models are learned and kept.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    pub seed: u64,
    pub no_promote: bool,
    pub json: bool,
    /// Targets that cannot be learned.
    pub left_out: Vec<String>,
}

/// Builds the snapshots of a project. Returns the targets that all or nobody has: they cannot be learned.
pub(super) fn build(
    path: &Path,
    project: &Project,
    (memory, contacts): (&LogArgs, &ContactArgs),
    snapshots: &Path,
    talk: Talk,
) -> Result<Vec<String>> {
    let folder = memory.folder(path);
    let (mut gathered, report, told) = gather(&folder, project, memory, talk)?;
    let prepared = Prepared::new(&folder, project, (&mut gathered, told), &report, talk)?;
    let prepared = prepared.left_alone(project, contacts, talk)?;
    talk.say(&format!("building {} features", prepared.spec.columns().len()));
    let written = prepared.write(project, (&mut gathered, memory.limit()), snapshots, talk)?;
    talk.say(&format!(
        "{}: {} rows\n{}",
        snapshots.display(),
        written.rows,
        populations_terminal(&written.populations)
    ));
    Ok(one_sided(&written.populations).into_iter().map(|(target, _)| target).collect())
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
    let names = about.targets.iter().map(|target| &target.name);
    let learned = names.filter(|name| !learning.left_out.contains(name));
    let options = FitOptions {
        targets: learned.map(|name| TargetSpec { given: name.clone() }).collect(),
        id: Some(CUSTOMER.to_owned()),
        repeated_ids: true,
        weight: about.weight(),
        sampled: false,
        time: about.time(),
        embargo: about.embargo_days(|_| true),
        feature_spec: Some(about.features),
        untimed: about.untimed,
        recency: None,
        exclude: learning.left_out.clone(),
        exclude_for: Vec::new(),
        allow_leak: project.features.allow_leak.clone(),
        features: None,
        selection: Default::default(),
        groups: project.groups.clone(),
        marketing: project.marketing.clone(),
        model: ModelChoice::Auto,
        boosting: Boosting::default(),
        tuning: None,
        shares: Shares::default(),
        profit: project.profit.clone(),
        threshold: project.costs.map(|costs| ThresholdRule::Cost {
            false_positive: costs.false_positive,
            false_negative: costs.miss,
        }),
        limits: project.limits.clone(),
        seed: learning.seed,
        population: "customers of the project's snapshots whom each target is asked of".to_owned(),
        missing: reading.missing,
    };
    let saving = fit::Saving { registry, no_promote: learning.no_promote, influence: true };
    let code = fit::learn(frame, &options, saving, learning.json, talk)?;
    // A target that could not be learned could not be judged.
    Ok(if learning.left_out.is_empty() || code != 0 {
        code
    } else {
        Word::NotEnoughData.exit_code()
    })
}
