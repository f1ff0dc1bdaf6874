//! `rekindle compare`: two models on the same rows, and whether one may take the other's place.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rekindle_models::artifact::Artifact;
use rekindle_models::frame::Rows;

use crate::commands::foreign::{Compared, Given, both};
use crate::commands::reading::Reading;
use crate::commands::{Talk, colour, print, speed, write_whole};
use crate::compare::{Ask, Asked, By, Comparison, Pair, Said, Size, Speed, Truth, compare};
use crate::holdout::{Holdout, HoldoutOptions};
use crate::report::{ComparedModel, ComparedReport};

/// Compare two models on a table that neither has seen
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle compare registry/churn/1 registry/churn/2 holdout.csv\n  rekindle compare \
registry/churn registry/churn/3 holdout.csv --require-better -o compared/\n  rekindle compare registry/churn model.txt \
holdout.parquet --allow-worse 0.002 --by roc_auc,log_loss\n  rekindle compare registry/churn/1 registry/churn/2 \
rekindle.toml --cutoff 2025-06-01\n\nThe gate is judged one-sided at the confidence: B must be surely better \
(--require-better), or surely worse by no more than that (--allow-worse).\nWith -o FOLDER: compare.json, compare.md and \
junit.xml. Where GITHUB_STEP_SUMMARY is set, a table is appended to it.\n\nExit codes: 0 passed, or nothing was asked; 1 \
not passed; 2 could not judge: bad input or not enough data."
)]
pub struct Compare {
    /// The model that is compared with, in force: a folder in a registry, a version's folder, a model file, or trees in
    /// LightGBM's text format or ONNX
    a: PathBuf,
    /// The candidate: the same
    b: PathBuf,
    /// Table of rows with answers: CSV, Parquet or Arrow IPC, - for standard input, or with --cutoff a project
    table: PathBuf,
    /// B must be surely better than A
    #[arg(long, help_heading = "Gate")]
    require_better: bool,
    /// B must surely be worse than A by no more than this: a share, as 0.002 or 0.2%; of profit an amount
    #[arg(long, value_name = "AMOUNT", help_heading = "Gate", conflicts_with = "require_better", value_parser = amount, allow_hyphen_values = true)]
    allow_worse: Option<f64>,
    /// Figures that the gate is judged by, all of them; several: A,B [default: roc_auc]
    #[arg(long, value_enum, value_name = "FIGURE", value_delimiter = ',', help_heading = "Gate")]
    by: Vec<Figure>,
    /// How sure: of the intervals two-sided, of the gate one-sided
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    confidence: f64,
    /// The table is a project: its log is told at this cutoff, with the features that each model asks for
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    #[command(flatten)]
    log: super::log::LogArgs,
    /// What is asked, where neither model says so
    #[arg(long, value_name = "COLUMN=VALUE")]
    target: Option<String>,
    /// Compare although the models name different populations: both are judged on all rows of the table
    #[arg(long)]
    any_population: bool,
    /// Column of row weights [default: the models']
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
    /// Do not measure speed: the same input gives the same bytes
    #[arg(long)]
    no_speed: bool,
    /// Folder to write reports to
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// File to write every customer's change to, the largest first, as CSV
    #[arg(long, value_name = "FILE")]
    changes: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// How much worse something may be.
fn amount(text: &str) -> std::result::Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 100.0),
        None => (text, 1.0),
    };
    let amount = number.parse::<f64>().map_err(|_| format!("{text:?} is no number"))? / scale;
    match amount >= 0.0 && amount.is_finite() {
        true => Ok(amount),
        false => Err(format!("found {text}, expected 0 or more, as 0.002")),
    }
}

/// A figure as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Figure {
    RocAuc,
    AveragePrecision,
    LogLoss,
    BrierScore,
    ErrorRate,
    MissRate,
    Profit,
}

impl Figure {
    fn by(self) -> By {
        match self {
            Figure::RocAuc => By::RocAuc,
            Figure::AveragePrecision => By::AveragePrecision,
            Figure::LogLoss => By::LogLoss,
            Figure::BrierScore => By::BrierScore,
            Figure::ErrorRate => By::ErrorRate,
            Figure::MissRate => By::MissRate,
            Figure::Profit => By::Profit,
        }
    }
}

/// What is left of the two tables once they were read: the models say it of the same rows.
struct Held {
    said: Pair<Vec<f64>>,
    target: Vec<bool>,
    weight: Vec<f64>,
    group: Option<Vec<u64>>,
    gain: Option<Vec<f64>>,
    /// Rows that speed is measured on, in each model's order of features; none where it is not.
    sample: Option<Pair<Rows>>,
    /// What names each row, where a file asks for it: the id, or its place in the table.
    names: Option<(&'static str, Vec<String>)>,
}

impl Compare {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let asked = self.asked()?;
        let a = Given::open(&self.a, None);
        let b = Given::open(&self.b, a.as_ref().ok().map(Given::width))?;
        // An ONNX file that does not say how many features it takes has those of the other.
        let a = a.or_else(|_| Given::open(&self.a, Some(b.width())))?;
        let [a, b] = both(a, b, self.target.as_deref())?;
        let mut models = Pair { a, b };
        self.check_question(&models)?;
        let mut warnings: Vec<String> =
            [&models.a, &models.b].iter().flat_map(|m| m.warnings.clone()).collect();
        self.agree(&mut models, &mut warnings)?;
        if asked.gate.as_ref().is_some_and(|(_, by)| by.contains(&By::Profit))
            && models.a.artifact.manifest.profit.is_none()
        {
            bail!("--by profit: neither model knows a campaign; fit with [profit] or --clv, ...");
        }
        let (held, judged_on) = self.hold(&models, talk, &mut warnings)?;
        let truth = Truth {
            target: &held.target,
            weight: &held.weight,
            group: held.group.as_deref(),
            gain: held.gain.as_deref(),
        };
        let said = |probability, model: &Compared| Said {
            probability,
            threshold: model.artifact.scorer.threshold,
        };
        let said = Pair { a: said(&held.said.a, &models.a), b: said(&held.said.b, &models.b) };
        let comparison = compare(&said, &truth, &asked);
        let scorers = Pair { a: &models.a.artifact.scorer, b: &models.b.artifact.scorer };
        let speed = held.sample.as_ref().map(|sample| speed::measure(&scorers, sample));
        if let Some(path) = &self.changes {
            write_changes(path, &held, &said)?;
            talk.say(&format!("changes written to {}", path.display()));
        }
        let report = report(&models, &comparison, (judged_on, speed), &warnings);
        self.tell(&report, talk)?;
        Ok(report.exit_code)
    }

    fn asked(&self) -> Result<Asked> {
        if !(0.5..1.0).contains(&self.confidence) {
            bail!("--confidence {}: expected 0.5 to below 1, as 0.95", self.confidence);
        }
        let ask = match (self.require_better, self.allow_worse) {
            (true, _) => Some(Ask::Better),
            (false, Some(amount)) if amount.is_finite() && amount >= 0.0 => {
                Some(Ask::WorseByAtMost(amount))
            }
            (false, Some(amount)) => {
                bail!("--allow-worse {amount}: expected an amount of at least 0, as 0.002")
            }
            (false, None) => None,
        };
        if ask.is_none() && !self.by.is_empty() {
            bail!("--by: expected --require-better or --allow-worse AMOUNT with it");
        }
        let mut by: Vec<By> = Vec::new();
        for figure in &self.by {
            if !by.contains(&figure.by()) {
                by.push(figure.by());
            }
        }
        if by.is_empty() {
            by.push(By::RocAuc);
        }
        Ok(Asked { confidence: self.confidence, seed: self.seed, gate: ask.map(|ask| (ask, by)) })
    }

    /// The models answer the same question of the same people.
    fn check_question(&self, models: &Pair<Compared>) -> Result<()> {
        let [a, b] = [&models.a, &models.b].map(|model| &model.artifact.manifest);
        if a.target != b.target {
            bail!(
                "A ({}) answers {}={}, B ({}) answers {}={}; expected the same question",
                self.a.display(),
                a.target.column,
                a.target.value,
                self.b.display(),
                b.target.column,
                b.target.value
            );
        }
        let known = |population: &str| !population.starts_with("not known");
        if a.population != b.population
            && known(&a.population)
            && known(&b.population)
            && !self.any_population
        {
            bail!(
                "A ({}) is asked of {:?}, B ({}) of {:?}; expected the same population; with --any-population both are \
                 judged on all rows of the table",
                self.a.display(),
                a.population,
                self.b.display(),
                b.population
            );
        }
        Ok(())
    }

    /// Gives both the same columns of ids and weights and the same campaign: what is paired must be of the same rows.
    fn agree(&self, models: &mut Pair<Compared>, warnings: &mut Vec<String>) -> Result<()> {
        let [a, b] = [&mut models.a, &mut models.b].map(|model| &mut model.artifact.manifest);
        let weight = match (&self.weight, &a.weight_column, &b.weight_column) {
            (Some(given), _, _) => Some(given.clone()),
            (None, Some(a), Some(b)) if a != b => bail!(
                "A was fitted with {a} as weights, B with {b}; name the weights that figures are to hold for: --weight \
                 COLUMN"
            ),
            (None, a, b) => a.clone().or_else(|| b.clone()),
        };
        let id = match (&a.id_column, &b.id_column) {
            (Some(a), Some(b)) if a != b => {
                warnings.push(format!("A names customers by {a}, B by {b}: {a} was used"));
                Some(a.clone())
            }
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let profit = match (&a.profit, &b.profit) {
            (Some(a), Some(b)) if a != b => {
                warnings.push(
                    "A and B were made for different campaigns: the profit is that of A's"
                        .to_owned(),
                );
                Some(a.clone())
            }
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        if a.missing_markers != b.missing_markers {
            warnings.push(
                "A and B were fitted with different cells counting as missing: each is read in its own way".to_owned(),
            );
        }
        for manifest in [a, b] {
            manifest.weight_column = weight.clone();
            manifest.id_column = id.clone();
            manifest.profit = profit.clone();
        }
        Ok(())
    }

    /// Reads the table for each model, and keeps what is compared.
    fn hold(
        &self,
        models: &Pair<Compared>,
        talk: Talk,
        warnings: &mut Vec<String>,
    ) -> Result<(Held, String)> {
        let options = HoldoutOptions {
            delimiter: self.delimiter,
            allow_absent: self.allow_absent,
            ..HoldoutOptions::default()
        };
        let cutoff = self.cutoff.as_deref();
        let reading = Reading::new(&self.table, options, (cutoff, &self.log), talk)?;
        let read = |letter: &str, model: &Artifact, warnings: &mut Vec<String>| {
            let holdout = reading.holdout(model).with_context(|| letter.to_owned())?;
            warnings.extend(holdout.warnings.iter().map(|warning| format!("{letter}: {warning}")));
            Ok::<Holdout, anyhow::Error>(holdout)
        };
        let a = read("A", &models.a.artifact, warnings)?;
        let b = read("B", &models.b.artifact, warnings)?;
        check_rows(&a, &b)?;
        let (first, second) = (a.judged(), b.judged());
        let names = self.changes.as_ref().map(|_| names(&a, &models.a.artifact));
        let held = Held {
            said: Pair { a: first.probability.to_vec(), b: second.probability.to_vec() },
            target: first.target.to_vec(),
            weight: first.weight.to_vec(),
            group: first.group.map(<[u64]>::to_vec),
            gain: a.gains(),
            sample: (!self.no_speed)
                .then(|| Pair { a: a.sample(speed::SAMPLE), b: b.sample(speed::SAMPLE) }),
            names,
        };
        Ok((held, reading.shown()))
    }

    /// Prints the report and writes it wherever it is wanted.
    fn tell(&self, report: &ComparedReport<'_>, talk: Talk) -> Result<()> {
        if let Some(folder) = &self.output {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("failed to make {}", folder.display()))?;
            for (name, text) in [
                ("compare.json", report.json()),
                ("compare.md", report.markdown()),
                ("junit.xml", report.junit()),
            ] {
                write_whole(&folder.join(name), |to| to.write_all(text.as_bytes()))?;
            }
            talk.say(&format!("reports written to {}", folder.display()));
        }
        super::github::tell_of(&report.summary(), &report.annotations())?;
        if self.json { print(&report.json()) } else { print(&report.terminal(colour())) }
    }
}

/// Both models were read the same rows with the same answers.
fn check_rows(a: &Holdout, b: &Holdout) -> Result<()> {
    let (first, second) = (a.judged(), b.judged());
    let same = a.places() == b.places()
        && first.target == second.target
        && first.weight == second.weight
        && first.group == second.group;
    if !same {
        bail!(
            "A has an answer in {} rows, B in {}, or they differ: the models read the target's or the weights' column in \
             different ways (cells that count as missing); expected the same rows; make the column plain, as 0 and 1",
            first.len(),
            second.len()
        );
    }
    Ok(())
}

/// What names the rows: the ids, or their places in the table, from 1.
fn names(holdout: &Holdout, artifact: &Artifact) -> (&'static str, Vec<String>) {
    let frame = holdout.frame();
    let id = artifact.manifest.id_column.as_deref().and_then(|id| frame.schema().place(id));
    let places = holdout.places().iter().map(|place| *place as usize);
    match id {
        Some(id) => {
            let text = |row| frame.text(id, row).map_or_else(String::new, |t| t.to_string());
            ("id", places.map(text).collect())
        }
        None => ("row", places.map(|row| (row + 1).to_string()).collect()),
    }
}

/// Every customer's change, the largest first.
fn write_changes(path: &Path, held: &Held, said: &Pair<Said<'_>>) -> Result<()> {
    let Some((column, names)) = &held.names else { return Ok(()) };
    let (a, b) = (&held.said.a, &held.said.b);
    let mut order: Vec<usize> = (0..a.len()).collect();
    let moved = |row: usize| (b[row] - a[row]).abs();
    order.sort_by(|x, y| moved(*y).total_cmp(&moved(*x)).then(x.cmp(y)));
    let truth = |of: bool| if of { "true" } else { "false" };
    write_whole(path, |to| {
        let mut writer = csv::Writer::from_writer(to);
        let header =
            [column, "probability_a", "probability_b", "positive_a", "positive_b", "outcome"];
        writer.write_record(header)?;
        for row in order {
            writer.write_record([
                names[row].as_str(),
                &a[row].to_string(),
                &b[row].to_string(),
                truth(a[row] >= said.a.threshold),
                truth(b[row] >= said.b.threshold),
                truth(held.target[row]),
            ])?;
        }
        writer.flush()
    })
}

fn report<'a>(
    models: &'a Pair<Compared>,
    comparison: &'a Comparison,
    (judged_on, speed): (String, Option<Pair<Speed>>),
    warnings: &'a [String],
) -> ComparedReport<'a> {
    let target = &models.a.artifact.manifest.target;
    let populations = [&models.a, &models.b].map(|m| m.artifact.manifest.population.as_str());
    let [a, b] = [&models.a, &models.b].map(|model| {
        let (manifest, scorer) = (&model.artifact.manifest, &model.artifact.scorer);
        ComparedModel {
            model_name: &manifest.model_name,
            model_version: model.version,
            format: model.format,
            classifier: &manifest.classifier,
            calibration: if model.format == "rekindle" {
                scorer.calibration.name()
            } else {
                "as in the file"
            },
            threshold: scorer.threshold,
            threshold_rule: &manifest.threshold.rule,
        }
    });
    let size = models.map(|model| {
        let scorer = &model.artifact.scorer;
        let (trees, leaves) = scorer.model.trees_and_leaves().unzip();
        Size { bytes: model.bytes, features: scorer.schema.len(), trees, leaves }
    });
    ComparedReport {
        schema_version: crate::report::COMPARED_VERSION,
        exit_code: comparison.exit_code(),
        target: format!("{}={}", target.column, target.value),
        population: populations
            .into_iter()
            .find(|p| !p.starts_with("not known"))
            .unwrap_or(populations[0]),
        judged_on,
        same_model: models.a.artifact.scorer == models.b.artifact.scorer,
        models: Pair { a, b },
        comparison,
        size,
        speed,
        warnings,
    }
}
