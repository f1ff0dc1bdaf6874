//! `rekindle drift`: whether customers are still like those that a model's figures stand on, and how often it errs now.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::Artifact;

use crate::commands::at_cutoff::AtCutoff;
use crate::commands::fit::share;
use crate::commands::{Found, Talk, colour, github, load_model, print, write_whole};
use crate::drift::{DriftLimits, Present};
use crate::holdout::HoldoutOptions;
use crate::report::{Compared, DriftDocument};

/// Say how far customers have moved from those a model was made for, and how often it is likely to err now
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle drift registry/churn customers.csv\n  rekindle drift registry/churned \
rekindle.toml --cutoff 2025-09-01\n  rekindle drift registry/churned rekindle.toml --cutoff 2025-05-01 --cutoff \
2025-06-01 --matured\n\nFeatures stand in the order of their PSI times their influence share. Error rate, miss rate, \
base rate and ROC AUC\nare estimated from calibrated probabilities, without answers; where the table has answers, or with \
--matured, they stand\nbeside what came true. With -o FOLDER: drift.json and drift.md. Where GITHUB_STEP_SUMMARY is set, a \
table is appended to it.\n\nExit codes: 0 no drift, 1 drift beyond a limit, 2 could not judge."
)]
pub struct Drift {
    /// A model's folder in a registry, a version's folder, or a model file
    model: PathBuf,
    /// The customers now: CSV, Parquet or Arrow IPC, - for standard input, or with --cutoff a project; answers may be
    /// missing
    table: PathBuf,
    /// The table is a project: its log is told at this cutoff, with the features that the model asks for; may be given
    /// several times
    #[arg(long, value_name = "DATE")]
    cutoff: Vec<String>,
    /// The log reaches to the end of each cutoff's horizon: say what came true, too
    #[arg(long, requires = "cutoff")]
    matured: bool,
    /// Highest population stability index of a feature that matters, and of the probabilities
    #[arg(long, value_name = "PSI", default_value_t = DriftLimits::default().max_psi, help_heading = "Judging")]
    max_psi: f64,
    /// Highest sum over features of PSI times influence share
    #[arg(long, value_name = "PSI", default_value_t = DriftLimits::default().max_weighted_psi, help_heading = "Judging")]
    max_weighted_psi: f64,
    /// Fewest rows that are judged; a customer's rows count as one
    #[arg(long, value_name = "ROWS", default_value_t = DriftLimits::default().fewest_rows, help_heading = "Judging")]
    fewest_rows: usize,
    /// Confidence of the estimate's intervals
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = DriftLimits::default().confidence, help_heading = "Judging")]
    confidence: f64,
    #[command(flatten)]
    log: super::log::LogArgs,
    /// Column of row weights [default: the model's]
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Byte between the fields of a CSV file [default: found in the header]
    #[arg(long, value_name = "BYTE", value_parser = super::delimiter)]
    delimiter: Option<u8>,
    /// Seed of the draws that intervals are taken from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder to write drift.json and drift.md to
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Drift {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let limits = DriftLimits {
            max_psi: self.max_psi,
            max_weighted_psi: self.max_weighted_psi,
            fewest_rows: self.fewest_rows,
            confidence: self.confidence,
        };
        limits.validate()?;
        let Found { artifact, version } = load_model(&self.model)?;
        let options = HoldoutOptions {
            delimiter: self.delimiter,
            weight: self.weight.clone(),
            by: Vec::new(),
        };
        let compare = |present: Present, table: String| -> Result<Compared> {
            let drift = crate::drift::Drift::new(&artifact, &present, &limits, self.seed)?;
            Ok(Compared { table, drift })
        };
        let tables = match self.cutoff.is_empty() {
            true => {
                let present = Present::read(&artifact, &self.table, &options)?;
                vec![compare(present, self.table.display().to_string())?]
            }
            false => {
                let at = |cutoff: &String| {
                    let (present, shown) = self.at(&artifact, cutoff, &options, talk)?;
                    compare(present, shown)
                };
                self.cutoff.iter().map(at).collect::<Result<_>>()?
            }
        };
        let document = DriftDocument::new(&artifact.manifest, version, tables);
        self.tell(&document, talk)?;
        Ok(document.exit_code)
    }

    /// The project's customers at a cutoff, with the cutoff as it is shown.
    fn at(
        &self,
        artifact: &Artifact,
        cutoff: &str,
        options: &HoldoutOptions,
        talk: Talk,
    ) -> Result<(Present, String)> {
        if self.delimiter.is_some() {
            bail!("--delimiter: with --cutoff the table is a project, whose sources say theirs");
        }
        let log = AtCutoff::read(&self.table, cutoff, &self.log, talk)?;
        let shown = format!("{} at {}", self.table.display(), log.shown());
        let frame = log.table(artifact, self.matured)?;
        Ok((Present::new(artifact, frame, options, &shown, self.matured)?, shown))
    }

    /// Prints the document and writes it wherever it is wanted.
    fn tell(&self, document: &DriftDocument, talk: Talk) -> Result<()> {
        if let Some(folder) = &self.output {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
            for (name, text) in [("drift.json", document.json()), ("drift.md", document.markdown())]
            {
                write_whole(&folder.join(name), |to| to.write_all(text.as_bytes()))?;
            }
            talk.say(&format!("reports written to {}", folder.display()));
        }
        github::append(&document.summary())?;
        match self.json {
            true => print(&document.json()),
            false => print(&document.terminal(colour())),
        }
    }
}
