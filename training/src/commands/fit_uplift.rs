//! `rekindle fit-uplift`: an experiment in, a judged model of uplift out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::{UpliftArtifact, UpliftManifest};
use rekindle_models::frame::{Frame, ReadKind, read};
use rekindle_models::uplift::Outcome;

use crate::commands::fit::share;
use crate::commands::{ReadArgs, Talk, colour, format_of, print, write_whole};
use crate::label::TargetSpec;
use crate::pipeline::crate_versions;
use crate::report::{UpliftDocument, uplift_terminal};
use crate::roles::check_ids;
use crate::sheet::{Cells, Sheet};
use crate::split::keys;
use crate::uplift::{
    Columns, CrossFitted, Experiment, Judge, Learner, Learning, Propensities, Worth, judge,
};

/// Learn what actions change from an experiment, judge and save it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle fit-uplift experiment.csv --action segment --control 'No E-Mail' \
--outcome visit --exclude conversion,spend --cost 'Mens E-Mail=0.1' -o uplift.rekindle\n  rekindle fit-uplift \
contacts.parquet --action offer --outcome spend --money --propensity propensity -o uplift.rekindle\n\nA contact \
can do harm, and who is likely to leave is not thereby easy to win back: what is learned here is the\ndifference \
that each action makes, against customers who were left alone.\n\nExit codes: 0 usable, 1 unusable, 2 could not \
judge."
)]
pub struct FitUplift {
    /// Table with a row for each contact, or customer left alone: CSV, Parquet or Arrow IPC; - for standard input
    table: PathBuf,
    /// Column that says which action each customer had
    #[arg(long, value_name = "COLUMN")]
    action: String,
    /// Its value for customers who were left alone
    #[arg(long, value_name = "VALUE", default_value = "none")]
    control: String,
    /// What the actions are to bring: COLUMN=VALUE, a column of 0 and 1, or with --money a column of amounts
    #[arg(long, value_name = "COLUMN[=VALUE]")]
    outcome: String,
    /// The outcome is an amount, not yes or no
    #[arg(long)]
    money: bool,
    /// What an outcome is worth: of a yes, or of a unit of the amount (the margin)
    #[arg(long, value_name = "AMOUNT", default_value_t = 1.0)]
    value: f64,
    /// What a contact costs, of each action or of one; may be given several times
    #[arg(long, value_name = "[ACTION=]AMOUNT")]
    cost: Vec<String>,
    /// Column with how likely each row was to get the action it got, above 0 and at most 1 [default: estimated]
    #[arg(long, value_name = "COLUMN")]
    propensity: Option<String>,
    /// Column that names the customer: never a feature; a customer's rows stay together
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Feature with the days or months since the last purchase: the plan must beat ranking by it
    #[arg(long, value_name = "COLUMN")]
    recency: Option<String>,
    /// Columns that are no features (all that was known only after the contact is none); several: A,B
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    exclude: Vec<String>,
    /// How to learn
    #[arg(long, value_enum, default_value_t = Learner::Auto)]
    learner: Learner,
    /// How sure the plan must be better than simple ones; also of the intervals shown
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share)]
    confidence: f64,
    /// Seed of every draw: the same table, options and seed give the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to save the model to
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// File for what models that had not seen a row say of it (.csv, .parquet, .ndjson): predicted uplifts, scores
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadArgs,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl FitUplift {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let predictions = self
            .predictions
            .as_deref()
            .map(|file| Ok::<_, anyhow::Error>((file, format_of(file)?)));
        let predictions = predictions.transpose()?;
        if !(0.5..1.0).contains(&self.confidence) {
            bail!("--confidence: found {}, expected 0.5 to below 1", self.confidence);
        }
        talk.say(&format!("reading {}", self.table.display()));
        let frame = read(&self.table, &self.read_options())?;
        let columns = self.columns(&frame)?;
        let experiment = Experiment::new(&frame, columns)?;
        let worth = self.worth(&experiment)?;
        let recency = self.numbers(&frame, "recency", self.recency.as_deref())?;
        let propensities = self.propensities(&frame, &experiment)?;
        let learning = Learning::usual(self.learner, self.seed);
        talk.say(&format!(
            "{} rows, {} features, {} actions beside {}; fitting on folds",
            experiment.rows.len(),
            experiment.features.len(),
            experiment.actions(),
            experiment.arms[0]
        ));
        let fitted = CrossFitted::new(&experiment, &learning, &propensities.of)?;
        let figures = Judge {
            experiment: &experiment,
            fitted: &fitted,
            propensity: &propensities.of,
            worth: &worth,
            recency,
            confidence: self.confidence,
            seed: self.seed,
        }
        .figures();
        let verdict = judge(&figures.policies, experiment.rows.len(), propensities.thin);
        let document =
            UpliftDocument::new(&experiment, &learning, &worth, &propensities, figures, &verdict);
        if let Some((file, format)) = predictions {
            let sheet = predicted(&experiment, &fitted, &frame, self.id.as_deref());
            write_whole(file, |mut to| sheet.write(&mut to, format))?;
        }
        match self.json {
            true => print(&document.json())?,
            false => print(&uplift_terminal(&document, colour()))?,
        }
        if let Some(file) = &self.output {
            talk.say("fitting on all rows");
            self.save(file, &experiment, &learning, &propensities.of, &document)?;
        }
        Ok(verdict.word.exit_code())
    }

    fn read_options(&self) -> rekindle_models::frame::ReadOptions {
        let mut options = self.reading.options();
        options.skip = self.exclude.clone();
        if let Some(id) = &self.id {
            options.kinds.insert(id.clone(), ReadKind::Categorical);
        }
        options
    }

    fn columns(&self, frame: &Frame) -> Result<Columns<'_>> {
        let schema = frame.schema();
        let action = schema.require(&self.action).context("--action")?;
        let (outcome_place, outcome, kind) = self.outcome(frame)?;
        let mut taken = vec![action, outcome_place];
        let id = self.id.as_deref().map(|id| schema.require(id).context("--id")).transpose()?;
        taken.extend(id);
        if let Some(column) = &self.propensity {
            taken.push(schema.require(column).context("--propensity")?);
        }
        taken.sort_unstable();
        if let Some(twice) = taken.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!(
                "column {:?} is named for two things; expected one of --action, --outcome, --id, --propensity a column",
                schema.fields()[twice[0]].name
            );
        }
        let features: Vec<usize> =
            (0..schema.len()).filter(|place| !taken.contains(place)).collect();
        if let Some(place) = id {
            check_ids(frame, place, true)?;
        }
        let keys = keys(frame, id, &features);
        Ok(Columns { action, control: &self.control, features, outcome, kind, keys })
    }

    /// Place, value by row and kind of the outcome.
    fn outcome(&self, frame: &Frame) -> Result<(usize, Vec<f64>, Outcome)> {
        if self.money {
            let place = frame.schema().require(&self.outcome).context("--outcome")?;
            let amounts = frame.numbers(place).with_context(|| {
                format!(
                    "--outcome {}: found text, expected a column of amounts with --money",
                    self.outcome
                )
            })?;
            if let Some(row) = amounts.iter().position(|x| x.is_infinite()) {
                bail!(
                    "--outcome {}: row {} has {}, expected a finite amount",
                    self.outcome,
                    row + 1,
                    amounts[row]
                );
            }
            return Ok((place, amounts.to_vec(), Outcome::Amount));
        }
        let target = TargetSpec { given: self.outcome.clone() }
            .find(frame)
            .context("--outcome (of an amount, say --money)")?;
        let mut outcome = vec![f64::NAN; frame.rows()];
        for &row in &target.answered {
            outcome[row as usize] = f64::from(u8::from(target.positive[row as usize]));
        }
        Ok((target.place, outcome, Outcome::YesNo))
    }

    fn worth(&self, experiment: &Experiment<'_>) -> Result<Worth> {
        let amount = |text: &str, what: &str| match text.parse::<f64>() {
            Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
            _ => bail!("{what}: found {text:?}, expected an amount of at least 0"),
        };
        amount(&self.value.to_string(), "--value")?;
        let mut costs = BTreeMap::new();
        let mut usual = 0.0;
        for given in &self.cost {
            match given.rsplit_once('=') {
                None => usual = amount(given, "--cost")?,
                Some((action, text)) => {
                    if !experiment.arms[1..].iter().any(|name| name == action) {
                        bail!(
                            "--cost {given}: no action {action:?}; there is {}",
                            experiment.arms[1..].join(", ")
                        );
                    }
                    costs.insert(action, amount(text, &format!("--cost {action}"))?);
                }
            }
        }
        let costs = experiment.arms[1..]
            .iter()
            .map(|name| costs.get(name.as_str()).copied().unwrap_or(usual));
        Ok(Worth { value: self.value, costs: costs.collect() })
    }

    fn numbers<'f>(
        &self,
        frame: &'f Frame,
        role: &str,
        column: Option<&str>,
    ) -> Result<Option<&'f [f64]>> {
        let Some(column) = column else { return Ok(None) };
        let place = frame.schema().require(column).with_context(|| format!("--{role}"))?;
        let numbers = frame.numbers(place);
        Ok(Some(
            numbers.with_context(|| format!("--{role} {column}: found text, expected numbers"))?,
        ))
    }

    fn propensities(&self, frame: &Frame, experiment: &Experiment<'_>) -> Result<Propensities> {
        let Some(logged) = self.numbers(frame, "propensity", self.propensity.as_deref())? else {
            return Ok(Propensities::estimate(experiment, self.seed)?);
        };
        Ok(Propensities::logged(experiment, logged.to_vec())?)
    }

    fn save(
        &self,
        file: &Path,
        experiment: &Experiment<'_>,
        learning: &Learning,
        propensity: &[f64],
        document: &UpliftDocument,
    ) -> Result<()> {
        let uplift = learning.fit(experiment, &experiment.rows, propensity)?.uplift;
        let manifest = UpliftManifest {
            outcome: self.outcome.clone(),
            control: experiment.arms[0].clone(),
            actions: experiment.arms[1..].to_vec(),
            features: UpliftArtifact::features_of(&uplift),
            id_column: self.id.clone(),
            missing_markers: self.reading.options().missing,
            value: self.value,
            verdict: document.verdict.text().to_owned(),
            reason: document.reason.clone(),
            report: serde_json::to_value(document).context("failed to write the report")?,
            seed: self.seed,
            data_fingerprint: experiment.frame.fingerprint(),
            crate_versions: crate_versions(),
        };
        Ok(UpliftArtifact { manifest, uplift }.save(file)?)
    }
}

/// The answers on rows not learned from, a row each.
fn predicted(
    experiment: &Experiment<'_>,
    fitted: &CrossFitted,
    frame: &Frame,
    id: Option<&str>,
) -> Sheet {
    let rows = || experiment.rows.iter().map(|row| *row as usize);
    let mut sheet = Sheet::default();
    sheet.add("row", Cells::Number(rows().map(|row| (row + 1) as f64).collect()));
    if let Some(place) = id.and_then(|id| frame.schema().place(id)) {
        let ids = rows().map(|row| frame.text(place, row).unwrap_or_default().into_owned());
        sheet.add("customer_id", Cells::Text(ids.collect()));
    }
    sheet.add("fold", Cells::Number(fitted.fold.iter().map(|fold| f64::from(*fold)).collect()));
    let arm = |row: usize| experiment.arms[usize::from(experiment.arm[row])].clone();
    sheet.add("action", Cells::Text(rows().map(arm).collect()));
    sheet.add("outcome", Cells::Number(rows().map(|row| experiment.outcome[row]).collect()));
    sheet.add("untreated", Cells::Number(fitted.untreated.clone()));
    for (name, uplift) in experiment.arms[1..].iter().zip(&fitted.uplift) {
        sheet.add(&format!("uplift_{name}"), Cells::Number(uplift.clone()));
    }
    for (name, scores) in experiment.arms.iter().zip(&fitted.scores) {
        sheet.add(&format!("score_{name}"), Cells::Number(scores.clone()));
    }
    sheet
}
