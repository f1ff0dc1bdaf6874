//! `rekindle models`: what a registry holds, which version is in force, and which stand beside it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::NOTHING};
use rekindle_models::artifact::{Canary, Registry, Rollout};

use crate::commands::{load_model, print};

/// List, show, promote and roll back the models of a registry; try a version beside the one in force
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rekindle models list registry/\n  rekindle models show \
registry/churn\n  rekindle models promote registry/churn 2\n  rekindle models rollback \
registry/churn\n  rekindle models shadow registry/churn 3\n  rekindle models canary registry/churn 3 \
--share 0.05\n  rekindle models canary registry/churn --off")]
pub struct Models {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List models and versions
    List {
        /// Registry folder
        #[arg(default_value = "registry")]
        registry: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a model says of itself, as JSON
    Show {
        /// A model's folder, a version's folder, or a model file
        model: PathBuf,
    },
    /// Put a version in force
    Promote {
        /// A model's folder
        model: PathBuf,
        /// Its version
        // Not `version`: clap has an argument of that name, for `--version`.
        #[arg(value_name = "VERSION")]
        wanted: u32,
    },
    /// Put the version in force that was before
    Rollback {
        /// A model's folder
        model: PathBuf,
    },
    /// Let a version score beside the one in force, without ever answering
    Shadow {
        /// A model's folder
        model: PathBuf,
        /// Its version
        #[arg(value_name = "VERSION", required_unless_present = "off")]
        wanted: Option<u32>,
        /// End it
        #[arg(long, conflicts_with = "wanted")]
        off: bool,
    },
    /// Let a version answer for a share of the customers
    Canary {
        /// A model's folder
        model: PathBuf,
        /// Its version
        #[arg(value_name = "VERSION", required_unless_present = "off", requires = "share")]
        wanted: Option<u32>,
        /// Its share of the customers: above 0 and below 1
        #[arg(long, requires = "wanted")]
        share: Option<f64>,
        /// End it
        #[arg(long, conflicts_with_all = ["wanted", "share"])]
        off: bool,
    },
}

impl Models {
    pub(super) fn run(self) -> Result<u8> {
        match self.action {
            Action::List { registry, json } => list(&Registry::open(&registry)?, json)?,
            Action::Show { model } => {
                let manifest = load_model(&model)?.artifact.manifest;
                print(&(serde_json::to_string_pretty(&manifest)? + "\n"))?;
            }
            Action::Promote { model, wanted } => {
                let (registry, name) = registry_of(&model)?;
                registry.promote(&name, wanted)?;
                print(&format!("{name}: version {wanted} is in force\n"))?;
            }
            Action::Rollback { model } => {
                let (registry, name) = registry_of(&model)?;
                let version = registry.rollback(&name)?;
                print(&format!("{name}: version {version} is in force again\n"))?;
            }
            Action::Shadow { model, wanted, off: _ } => set_shadow(&model, wanted)?,
            Action::Canary { model, wanted, share, off: _ } => {
                let canary = wanted.zip(share).map(|(version, share)| Canary { version, share });
                set_canary(&model, canary)?;
            }
        }
        Ok(0)
    }
}

/// The registry that a model's folder lies in, and the model's name.
fn registry_of(model: &Path) -> Result<(Registry, String)> {
    let path = model
        .canonicalize()
        .with_context(|| format!("{}: no such model; see rekindle models list", model.display()))?;
    match (path.parent(), path.file_name()) {
        (Some(root), Some(name)) => {
            Ok((Registry::open(root)?, name.to_string_lossy().into_owned()))
        }
        _ => bail!("{}: expected a model's folder, as registry/churn", model.display()),
    }
}

/// `None` ends the shadow. A version that was the canary is it no longer.
fn set_shadow(model: &Path, shadow: Option<u32>) -> Result<()> {
    let (registry, name) = registry_of(model)?;
    let before = registry.rollout(&name)?;
    let canary = before.canary.filter(|canary| Some(canary.version) != shadow);
    registry.set_rollout(&name, &Rollout { shadow, canary })?;
    print(&match shadow {
        Some(version) => {
            format!("{name}: version {version} is a shadow: it scores and never answers\n")
        }
        None => format!("{name}: no version is a shadow\n"),
    })
}

/// `None` ends the canary. A version that was the shadow is it no longer.
fn set_canary(model: &Path, canary: Option<Canary>) -> Result<()> {
    let (registry, name) = registry_of(model)?;
    let before = registry.rollout(&name)?;
    let shadow = before.shadow.filter(|shadow| Some(*shadow) != canary.map(|c| c.version));
    registry.set_rollout(&name, &Rollout { shadow, canary })?;
    print(&match canary {
        Some(Canary { version, share }) => {
            format!(
                "{name}: version {version} is a canary: it answers for {} of the customers\n",
                percent(share)
            )
        }
        None => format!("{name}: no version is a canary\n"),
    })
}

/// A share as `5 %`.
fn percent(share: f64) -> String {
    // To a millionth of the share: 0.07 * 100 is not quite 7.
    format!("{} %", (share * 1e8).round() / 1e6)
}

fn list(registry: &Registry, json: bool) -> Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["model", "version", "serves", "classifier", "ROC AUC", "verdict"]);
    let mut entries = Vec::new();
    for model in registry.models()? {
        let current = registry.current(&model)?;
        let Rollout { shadow, canary } = registry.rollout(&model)?;
        for version in registry.versions(&model)? {
            let manifest = registry.load(&model, version)?.manifest;
            let auc = manifest.metrics.as_ref().and_then(|m| m["roc_auc"]["value"].as_f64());
            let verdict = manifest.verdict.as_ref().map(|v| v.verdict.as_str());
            let in_force = current == Some(version);
            let is_shadow = shadow == Some(version);
            let share = canary.filter(|canary| canary.version == version).map(|c| c.share);
            let serves = match share {
                _ if in_force => "in force".to_owned(),
                _ if is_shadow => "shadow".to_owned(),
                Some(share) => format!("canary {}", percent(share)),
                None => String::new(),
            };
            table.add_row([
                model.clone(),
                version.to_string(),
                serves,
                manifest.classifier.clone(),
                auc.map_or("-".to_owned(), |auc| format!("{auc:.4}")),
                verdict.unwrap_or("not judged").to_owned(),
            ]);
            entries.push(serde_json::json!({
                "model_name": model,
                "model_version": version,
                "current": in_force,
                "shadow": is_shadow,
                "canary_share": share,
                "classifier": manifest.classifier,
                "roc_auc": auc,
                "verdict": verdict,
            }));
        }
    }
    let lines = table.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    print(&match json {
        true => serde_json::to_string_pretty(&entries)? + "\n",
        false => lines.join("\n") + "\n",
    })
}
