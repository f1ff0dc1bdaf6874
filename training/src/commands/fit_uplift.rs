//! `rekindle fit-uplift`: an experiment in, a judged model of uplift out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::artifact::{UpliftArtifact, UpliftManifest};
use rekindle_models::frame::{Frame, ReadKind, read};
use rekindle_models::uplift::Outcome;

use crate::commands::finished::Finished;
use crate::commands::fit::share;
use crate::commands::{ReadArgs, Talk, colour, format_of, print, write_whole};
use crate::label::TargetSpec;
use crate::pipeline::crate_versions;
use crate::report::{UpliftDocument, uplift_terminal};
use crate::roles::check_ids;
use crate::sheet::{Cells, Format, Sheet};
use crate::split::keys;
use crate::trials::{self, Joined, TrialRules, join};
use crate::uplift::{
    Columns, CrossFitted, Experiment, Judge, LEAST, Learner, Learning, Propensities, Worth, judge,
};

/// Learn what actions change from an experiment, judge and save it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle fit-uplift experiment.csv --action segment --control 'No E-Mail' \
--outcome visit --exclude conversion,spend --cost 'Mens E-Mail=0.1' -o uplift.rekindle\n  rekindle fit-uplift \
contacts.parquet --action offer --outcome spend --money --propensity propensity -o uplift.rekindle\n  rekindle \
fit-uplift --store customers.db --within 30 --value 30 --cost 0.5 -o uplift.rekindle\n  rekindle fit-uplift \
before.parquet --store customers.db --id customer_id --only letter -o letter.rekindle\n\nWith --store the rows are \
the decisions of finished campaigns that were drawn at random: customers planned to\nhave an action, contacted or held \
out; of others nothing can be learned. Features are what was known when it was\ndecided (lapse_tier, lifecycle_stage, \
grade; score and success_value: the baseline and the value of a success that the\nplan took) and the columns of TABLE, \
which must have been known by then, too.\n\nA contact \
can do harm, and who is likely to leave is not thereby easy to win back: what is learned here is the\ndifference \
that each action makes, against customers who were left alone.\n\nExit codes: 0 usable, 1 unusable, 2 could not \
judge."
)]
pub struct FitUplift {
    /// Table with a row for each contact, or customer left alone: CSV, Parquet or Arrow IPC; - for standard input.
    /// With --store: a row for each customer, whose columns are features
    #[arg(required_unless_present = "store")]
    table: Option<PathBuf>,
    /// Learn from the finished campaigns of a store: a SQLite file (customers.db, sqlite:FILE) or
    /// postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["action", "control", "propensity"])]
    store: Option<String>,
    /// With --store: count outcomes of so many days from each campaign's start on [default: until its end]
    #[arg(long, value_name = "DAYS", requires = "store", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    within: Option<u32>,
    /// With --store: learn of this action alone, from customers who were planned to have it
    #[arg(long, value_name = "ACTION", requires = "store")]
    only: Option<String>,
    /// Column that says which action each customer had
    #[arg(long, value_name = "COLUMN", required_unless_present = "store")]
    action: Option<String>,
    /// Its value for customers who were left alone
    #[arg(long, value_name = "VALUE", default_value = "none")]
    control: String,
    /// What the actions are to bring: COLUMN=VALUE, a column of 0 and 1, or with --money a column of amounts. With
    /// --store: the kind of outcomes that are counted [default there: that of the plan's success]
    #[arg(long, value_name = "COLUMN[=VALUE]", required_unless_present = "store")]
    outcome: Option<String>,
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
        let predictions =
            self.predictions.clone().map(|file| format_of(&file).map(|format| (file, format)));
        let predictions = predictions.transpose()?;
        if !(0.5..1.0).contains(&self.confidence) {
            bail!("--confidence: found {}, expected 0.5 to below 1", self.confidence);
        }
        let (asked, frame) = self.asked(talk)?;
        asked.fit(&frame, predictions, talk)
    }

    /// What is asked of which table; of a store, of the table that its campaigns make.
    fn asked(self, talk: Talk) -> Result<(FitUplift, Frame)> {
        let table = self.table.as_ref().map(|table| {
            talk.say(&format!("reading {}", table.display()));
            read(table, &self.read_options()).map_err(anyhow::Error::from)
        });
        let table = table.transpose()?;
        let Some(address) = &self.store else {
            return Ok((self, table.context("no table")?));
        };
        let rules = TrialRules { money: self.money, only: self.only.clone() };
        let (kind, within_days) = (self.outcome.clone(), self.within);
        let finished = Finished { kind, within_days, rules }.read(address, talk)?;
        let frame = match table {
            None => finished,
            Some(table) => self.beside(&finished, &table, talk)?,
        };
        let text = |text: &str| Some(text.to_owned());
        let asked = FitUplift {
            action: text(trials::ACTION),
            control: trials::HELD_OUT.to_owned(),
            outcome: text(trials::OUTCOME),
            propensity: text(trials::PROPENSITY),
            id: text(trials::CUSTOMER),
            ..self
        };
        Ok((asked, frame))
    }

    /// The rows of campaigns, with the columns that a table has of their customers.
    fn beside(&self, finished: &Frame, table: &Frame, talk: Talk) -> Result<Frame> {
        let id = self.id_column().unwrap_or(trials::CUSTOMER);
        let id = table.schema().require(id).context("--id")?;
        check_ids(table, id, false)?;
        let Joined { frame, absent, doubled } = join(finished, table, id)?;
        if absent > 0 {
            talk.say(&format!(
                "warning: {absent} of {} decisions are of customers who are not in the table; they are left out",
                finished.rows()
            ));
        }
        if !doubled.is_empty() {
            talk.say(&format!(
                "note: columns {} of the table are left out: campaigns say them as they were when it was decided",
                doubled.join(", ")
            ));
        }
        Ok(frame)
    }

    fn fit(self, frame: &Frame, predictions: Option<(PathBuf, Format)>, talk: Talk) -> Result<u8> {
        let columns = self.columns(frame)?;
        let experiment = Experiment::new(frame, columns);
        let experiment = match self.store {
            Some(_) => {
                experiment.context("campaigns tell too little; --only ACTION leaves others out")?
            }
            None => experiment?,
        };
        let worth = self.worth(&experiment)?;
        let recency = self.numbers(frame, "recency", self.recency.as_deref())?;
        let propensities = self.propensities(frame, &experiment)?;
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
            let sheet = predicted(&experiment, &fitted, frame, self.id.as_deref());
            write_whole(&file, |mut to| sheet.write(&mut to, format))?;
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
        if self.store.is_none() {
            options.skip = self.exclude.clone();
        }
        if let Some(id) = self.id_column() {
            options.kinds.insert(id.to_owned(), ReadKind::Categorical);
        }
        options
    }

    /// The column of customers' ids; beside campaigns there is one.
    fn id_column(&self) -> Option<&str> {
        self.id.as_deref().or(self.store.as_ref().map(|_| trials::CUSTOMER))
    }

    fn columns(&self, frame: &Frame) -> Result<Columns<'_>> {
        let schema = frame.schema();
        let action = schema.require(said(&self.action)).context("--action")?;
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
        if self.store.is_some() {
            // Of a table they were not even read.
            let excluded = self.exclude.iter().map(|name| schema.require(name));
            taken.extend(excluded.collect::<Result<Vec<_>, _>>().context("--exclude")?);
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
        let outcome = said(&self.outcome);
        if self.money {
            let place = frame.schema().require(outcome).context("--outcome")?;
            let amounts = frame.numbers(place).with_context(|| {
                format!(
                    "--outcome {}: found text, expected a column of amounts with --money",
                    outcome
                )
            })?;
            if let Some(row) = amounts.iter().position(|x| x.is_infinite()) {
                bail!(
                    "--outcome {}: row {} has {}, expected a finite amount",
                    outcome,
                    row + 1,
                    amounts[row]
                );
            }
            return Ok((place, amounts.to_vec(), Outcome::Amount));
        }
        let target = TargetSpec { given: outcome.to_owned() }
            .find(frame)
            .context("--outcome (of an amount, say --money)")?;
        let mut happened = vec![f64::NAN; frame.rows()];
        for &row in &target.answered {
            happened[row as usize] = f64::from(u8::from(target.positive[row as usize]));
        }
        Ok((target.place, happened, Outcome::YesNo))
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
        if self.store.is_none() || experiment.actions() == 1 {
            return Ok(Propensities::logged(experiment, logged.to_vec())?);
        }
        // Who was planned to have which of several actions was not drawn, only who was held out.
        let mut propensities = Propensities::estimate(experiment, self.seed)?;
        for (row, of) in propensities.of.iter_mut().enumerate() {
            if experiment.arm[row] == 0 {
                *of = logged[row].max(LEAST);
            }
        }
        Ok(propensities)
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
            outcome: said(&self.outcome).to_owned(),
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

/// A column that must be named; of campaigns it is known.
fn said(column: &Option<String>) -> &str {
    column
        .as_deref()
        .expect("clap asks for it where there is no store, `asked` says it where there is")
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
