//! `rekindle models`: what a registry holds, and which version is in force.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::NOTHING};
use rekindle_models::artifact::Registry;

use crate::commands::{load_model, print};

/// List, show, promote and roll back the models of a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rekindle models list registry/\n  rekindle models show \
registry/churn\n  rekindle models promote registry/churn 2\n  rekindle models rollback \
registry/churn")]
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

fn list(registry: &Registry, json: bool) -> Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["model", "version", "in force", "classifier", "ROC AUC", "verdict"]);
    let mut entries = Vec::new();
    for model in registry.models()? {
        let current = registry.current(&model)?;
        for version in registry.versions(&model)? {
            let manifest = registry.load(&model, version)?.manifest;
            let auc = manifest.metrics.as_ref().and_then(|m| m["roc_auc"]["value"].as_f64());
            let verdict = manifest.verdict.as_ref().map(|v| v.verdict.as_str());
            let in_force = current == Some(version);
            table.add_row([
                model.clone(),
                version.to_string(),
                if in_force { "yes" } else { "" }.to_owned(),
                manifest.classifier.clone(),
                auc.map_or("-".to_owned(), |auc| format!("{auc:.4}")),
                verdict.unwrap_or("not judged").to_owned(),
            ]);
            entries.push(serde_json::json!({
                "model_name": model,
                "model_version": version,
                "current": in_force,
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
