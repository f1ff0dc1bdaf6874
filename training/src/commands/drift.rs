//! `rekindle drift`: whether customers are still like those that a model's figures stand on, and how often it errs now.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::behaviour::Zone;
use rekindle_models::frame::DateFormat;

use crate::commands::at_cutoff::AtCutoff;
use crate::commands::fit::share;
use crate::commands::reading::check_table;
use crate::commands::{Found, Talk, colour, github, load_model, print, write_whole};
use crate::drift::{DriftLimits, Present};
use crate::holdout::HoldoutOptions;
use crate::project::Project;
use crate::report::{Compared, DriftDocument};

/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;

/// Say how far customers have moved from those a model was made for, and how often it is likely to err now
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle drift registry/churn customers.csv\n  rekindle drift registry/churned \
rekindle.toml --cutoff 2025-09-01\n  rekindle drift registry/churned rekindle.toml --cutoff 2025-05-01 --cutoff \
2025-06-01 --matured\n  rekindle drift registry/churned rekindle.toml --backtest\n\nFeatures stand in the order of their \
PSI times their influence share. Error rate, miss rate, base rate and ROC AUC are estimated from calibrated \
probabilities, without answers; where the table has answers, and with --matured and --backtest, they stand beside what \
came true. With -o FOLDER: drift.json and drift.md. Where GITHUB_STEP_SUMMARY is set, a table is appended to it.\n\nExit \
codes: 0 no drift, 1 drift beyond a limit, 2 could not judge."
)]
pub struct Drift {
    /// A model's folder in a registry, a version's folder, or a model file
    model: PathBuf,
    /// The customers now: CSV, Parquet or Arrow IPC, - for standard input, or with --cutoff or --backtest a project;
    /// answers may be missing
    table: PathBuf,
    /// The table is a project: its log is told at this cutoff, with the features that the model asks for; may be given
    /// several times
    #[arg(long, value_name = "DATE")]
    cutoff: Vec<String>,
    /// The log reaches to the end of each cutoff's horizon: say what came true, too
    #[arg(long, requires = "cutoff")]
    matured: bool,
    /// The table is a project: at every cutoff of its panel after those that the model learned from, say what was to be
    /// expected and what came true
    #[arg(long, conflicts_with_all = ["cutoff", "matured"])]
    backtest: bool,
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
    /// Features that are no columns of the table count as missing, instead of being refused
    #[arg(long)]
    allow_absent: bool,
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
        check_table(&self.table, self.backtest || !self.cutoff.is_empty())?;
        let Found { artifact, version } = load_model(&self.model)?;
        let options = HoldoutOptions {
            delimiter: self.delimiter,
            weight: self.weight.clone(),
            by: Vec::new(),
            allow_absent: self.allow_absent,
        };
        let compare = |present: Present, table: String| -> Result<Compared> {
            let drift = crate::drift::Drift::new(&artifact, &present, &limits, self.seed)?;
            Ok(Compared { table, drift })
        };
        let cutoffs = self.cutoffs(&artifact.manifest)?;
        let tables = match cutoffs.is_empty() {
            true => {
                let present = Present::read(&artifact, &self.table, &options)?;
                vec![compare(present, self.table.display().to_string())?]
            }
            false => {
                let at = |cutoff: &String| {
                    let (present, shown) = self.at(&artifact, cutoff, &options, talk)?;
                    compare(present, shown)
                };
                cutoffs.iter().map(at).collect::<Result<_>>()?
            }
        };
        let document = DriftDocument::new(&artifact.manifest, version, tables);
        self.tell(&document, talk)?;
        Ok(document.exit_code)
    }

    /// The cutoffs as given, or of a back-test those of the project's panel that the model has not learned from.
    fn cutoffs(&self, manifest: &Manifest) -> Result<Vec<String>> {
        if !self.backtest {
            return Ok(self.cutoff.clone());
        }
        // What probabilities were checked on is no news either.
        let rows = &manifest.rows;
        let parts = [&rows.train, &rows.calibration, &rows.test].map(|part| part.time.as_ref());
        let last = parts.iter().flatten().map(|time| time.last).reduce(f64::max);
        let Some(last) = last else {
            bail!(
                "--backtest: {} does not say from which times it learned: it was fitted without a time column; name \
                 the cutoffs with --cutoff DATE --matured",
                manifest.model_name
            );
        };
        let project = Project::read(&self.table)?;
        let zone = Zone::named(&project.log.timezone)?;
        let later: Vec<i64> = project
            .cutoffs()?
            .into_iter()
            .filter(|&cutoff| cutoff as f64 / DAY_MS > last)
            .collect();
        if later.is_empty() {
            bail!(
                "--backtest: the project's panel has no cutoff after {}, the last that {} learned from; expected one, \
                 or name cutoffs with --cutoff DATE --matured",
                DateFormat::day(last),
                manifest.model_name
            );
        }
        Ok(later.into_iter().map(|cutoff| zone.text(cutoff)).collect())
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
        let answers = self.matured || self.backtest;
        let frame = log.table(artifact, answers)?;
        Ok((Present::new(artifact, frame, options, &shown, answers)?, shown))
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
