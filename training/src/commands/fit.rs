//! `rekindle fit`: a table in, judged and saved models out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rekindle_models::artifact::{Manifest, Registry};
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::{Frame, ReadKind, read};
use rekindle_models::metrics::Campaign;
use rekindle_models::threshold::ThresholdRule;
use serde::Deserialize;

use crate::commands::cluster::{ClusterArgs, Watched, everywhere, refuse};
use crate::commands::select::FeaturesLock;
use crate::commands::{ReadArgs, Talk, colour, print, write_whole};
use crate::distributed::{Connect, Engine, Parts, Sampled, Sampling};
use crate::influence::add_influence;
use crate::label::TargetSpec;
use crate::marks::{Groups, Marketing};
use crate::options::{FitOptions, ModelChoice};
use crate::pipeline::{Trained, fit};
use crate::report::{Document, Report, beside_terminal, html, influence_svg, markdown, terminal};
use crate::snapshot::{self, About, CUSTOMER};
use crate::split::Shares;
use crate::tune::{Budget, Objective, Tuning};
use crate::verdict::{Limits, Word};

/// Fit models on a table, judge and save them
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle fit churn.csv --target Churn=Yes --id customerID -o \
registry/\n  rekindle fit table.parquet --target churn=1 --target upselling=1 --exclude-for \
churn=closed_at\n  rekindle fit panel.csv --target churned --id customer --repeated-ids --time month \
--max-error-rate 0.4\n\nExit codes: 0 usable or not judged, 1 a model is unusable, 2 could not \
judge."
)]
pub struct Fit {
    /// CSV (plain or gzipped), Parquet or Arrow IPC file, or a folder of Parquet parts; - for standard input. With
    /// --cluster a folder or URL of parts
    table: PathBuf,
    /// What to learn: COLUMN=VALUE, or a column of 0 and 1, -1 and 1, true and false; may be given
    /// several times
    #[arg(long, value_name = "COLUMN[=VALUE]", required = true)]
    target: Vec<String>,
    /// Registry folder to save to
    #[arg(short, long, value_name = "FOLDER", default_value = "registry")]
    output: PathBuf,
    #[command(flatten)]
    learning: LearningArgs,
    #[command(flatten)]
    reading: ReadArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Leave the version in force as it is
    #[arg(long)]
    no_promote: bool,
    /// Do not tell what part features have in the predictions: saves a fit
    #[arg(long)]
    no_influence: bool,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Rows of the snapshots that are learned from: drawn on the cluster, those with rare answers rather than others, and
    /// weighted for all they stand for
    #[arg(long, value_name = "ROWS", default_value_t = 1_000_000, requires = "cluster", value_parser = clap::value_parser!(u64).range(100..), help_heading = "On a cluster")]
    sample: u64,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Learning")]
pub(super) struct LearningArgs {
    /// Column that names the customer: never a feature, and what rows are split by
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// A customer may have several rows; they stay together
    #[arg(long, requires = "id")]
    repeated_ids: bool,
    /// Column of row weights: never a feature
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Column of times: the model is judged on the latest rows; never a feature
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// For snapshots, whose --time is the cutoff: days from a cutoff until its answer is known (gap
    /// and horizon). The latest cutoffs judge, and rows whose answer was unknown then are left out
    #[arg(long, value_name = "DAYS", requires = "time")]
    embargo: Option<f64>,
    /// Feature with the days since the last event: the model must beat ranking by it
    #[arg(long, value_name = "COLUMN")]
    recency: Option<String>,
    /// Columns that are no features; several: A,B
    #[arg(long, value_name = "COLUMN")]
    exclude: Vec<String>,
    /// A column that is no feature for one target
    #[arg(long, value_name = "TARGET=COLUMN")]
    exclude_for: Vec<String>,
    /// A feature that stays though it seems to know the answer; several: A,B
    #[arg(long, value_name = "FEATURE")]
    allow_leak: Vec<String>,
    /// List of `rekindle select`: learn from its features
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// A name for features that a pattern with * means, as 'visits=*visit*', to add their influence shares; may be
    /// given several times
    #[arg(long, value_name = "NAME=PATTERN")]
    group: Vec<String>,
    /// TOML file with what marketing is told of features, as reasons: show, hide, words
    #[arg(long, value_name = "FILE")]
    marketing: Option<PathBuf>,
    /// Classifier; auto compares all on validation rows
    #[arg(long, value_enum, default_value_t = Model::Auto)]
    model: Model,
    /// A parameter of the booster, by LightGBM's name, as num_leaves=31 or
    /// 'monotone_constraints={recency_days=1}'; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Look for better parameters of the booster: as many fits, or about so long, as 60s; those given with
    /// --param stay
    #[arg(long, value_name = "FITS or 60s")]
    budget: Option<Budget>,
    /// What the parameters are to be best at, on validation rows
    #[arg(long, value_enum, default_value_t = Objective::RocAuc, requires = "budget")]
    objective: Objective,
    /// Share of customers for calibration and the threshold
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().calibration)]
    calibration_share: f64,
    /// Share of customers for judging; 0: judge later, with `rekindle evaluate`
    #[arg(long, value_name = "SHARE", default_value_t = Shares::default().test)]
    test_share: f64,
    /// Who the rows are, for reports
    #[arg(long, value_name = "TEXT", default_value = "all rows of the table")]
    population: String,
    /// Seed of every draw: the same table, options and seed give the same bytes
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threshold with the highest F1
    #[arg(long, group = "rule")]
    f1: bool,
    /// Threshold with the lowest cost: of a false positive, of a miss
    #[arg(long, value_name = "FP,MISS", group = "rule", value_delimiter = ',', num_args = 1)]
    cost: Vec<f64>,
    /// Threshold of the largest profit of a campaign: clv, incentive_cost, incentive_fraction, contact_cost, alpha,
    /// beta, as clv=200 or clv=COLUMN; may be given several times
    #[arg(long, value_name = "NAME=VALUE", group = "rule")]
    profit: Vec<String>,
    /// Threshold that predicts this share positive, as 5%
    #[arg(long, value_name = "SHARE", group = "rule", value_parser = share)]
    top: Option<f64>,
}

/// What is asked of a model.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Judging")]
pub(super) struct LimitArgs {
    /// Highest share of wrong ones among those predicted positive
    #[arg(long, value_name = "RATE", value_parser = share)]
    max_error_rate: Option<f64>,
    /// Highest share of missed ones among those truly positive
    #[arg(long, value_name = "RATE", value_parser = share)]
    max_miss_rate: Option<f64>,
    /// Lowest ROC AUC
    #[arg(long, value_name = "AUC", value_parser = share)]
    min_auc: Option<f64>,
    /// Highest expected calibration error
    #[arg(long, value_name = "ECE", value_parser = share)]
    max_ece: Option<f64>,
    /// What the model must beat besides the best simple rule: recency, base (the base rate), or with `rekindle evaluate`
    /// another model; may be given several times
    #[arg(long, value_name = "WHAT")]
    must_beat: Vec<String>,
    /// How sure the limits must be kept; also of the intervals shown [default: 0.95]
    #[arg(long, value_name = "SHARE")]
    confidence: Option<f64>,
}

impl LimitArgs {
    pub(super) fn limits(&self) -> Limits {
        self.over(Limits::default())
    }

    /// These limits, and where they say nothing others.
    pub(super) fn over(&self, others: Limits) -> Limits {
        Limits {
            max_error_rate: self.max_error_rate.or(others.max_error_rate),
            max_miss_rate: self.max_miss_rate.or(others.max_miss_rate),
            min_auc: self.min_auc.or(others.min_auc),
            max_ece: self.max_ece.or(others.max_ece),
            must_beat: {
                let mut all = others.must_beat;
                let more = self.must_beat.iter().filter(|name| !all.contains(name)).cloned();
                let more: BTreeSet<String> = more.collect();
                all.extend(more);
                all
            },
            confidence: self.confidence.unwrap_or(others.confidence),
            ..others
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Model {
    Auto,
    Logistic,
    Forest,
    Boosting,
}

/// A share as `0.05` or `5%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number.trim(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().map_err(|_| format!("{text:?} is no number"))? / scale;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("found {text}, expected 0 to 1, or 0% to 100%")),
    }
}

impl Fit {
    pub(super) fn run(mut self, talk: Talk, connect: Option<&dyn Connect>) -> Result<u8> {
        let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
        let mut sampled = false;
        if let Some(engine) = self.cluster.engine(connect)? {
            let sample = folder.path().join("sample.parquet");
            // Weights of their own are asked for wherever the model is judged, those of the sample nowhere else.
            sampled = !self.draw(&*engine, &sample, talk)?.weighted;
            self.table = sample;
        }
        let how = (&self.reading, self.limits.limits());
        let (frame, options) =
            table_and_options(self.learning, &self.table, &self.target, how, talk)?;
        let options = FitOptions { sampled, ..options };
        let saving = Saving {
            registry: &self.output,
            no_promote: self.no_promote,
            influence: !self.no_influence,
        };
        learn(frame, &options, saving, self.json, talk)
    }
}

impl Fit {
    /// Draws a sample of snapshots in parts into one file here.
    fn draw(&self, engine: &dyn Engine, to: &Path, talk: Talk) -> Result<Sampled> {
        let table = Parts::at(&everywhere(&self.table)?)?;
        refuse(&[("--weight", self.learning.weight.is_some())])?;
        if let Some(target) = self.target.iter().find(|target| target.contains('=')) {
            bail!(
                "--target {target}: expected the name of a target of the snapshots with --cluster, as churned"
            );
        }
        let (targets, seed) = (self.target.clone(), self.learning.seed);
        // Beside the snapshots, where all machines can write.
        let asked = blake3::hash(format!("{targets:?} {} {seed}", self.sample).as_bytes()).to_hex();
        let work = format!("_sample-{}", &asked[..12]);
        let parts = Parts::at(&table.depot().name(&work))?;
        let sampling = Sampling::new(&table, targets, seed, &parts)?;
        let mut watched = Watched::new(talk, "sampling");
        let mut drawn = None;
        let written = write_whole(to, |to| {
            let done = sampling
                .run(engine, self.sample, to, &mut |id, done, all| watched.see(id, done, all));
            let failed = || std::io::Error::other("no sample was drawn");
            drawn.insert(done).as_ref().map(|_| ()).map_err(|_| failed())
        });
        drop(watched);
        // What went wrong while drawing says more than that writing stopped.
        let drawn: Sampled = drawn.context("no sample was drawn")??;
        written?;
        table.depot().remove(&work)?;
        let strata = drawn
            .strata
            .iter()
            .map(|(answers, (rows, share))| format!("{answers}: {:.2} % of {rows}", 100.0 * share));
        let strata: Vec<String> = strata.collect();
        talk.say(&format!(
            "a sample of {} of {} rows, by their answers (1, 0, - for not asked): {}",
            drawn.rows,
            drawn.all,
            strata.join("; ")
        ));
        Ok(drawn)
    }
}

/// Reads the table, and says what to learn from it: of snapshots as they say themselves.
pub(super) fn table_and_options(
    mut learning: LearningArgs,
    table: &Path,
    targets: &[String],
    (reading, limits): (&ReadArgs, Limits),
    talk: Talk,
) -> Result<(Frame, FitOptions)> {
    let about = snapshot::about(table)?;
    if let Some(about) = &about {
        learning.of_snapshots(about, targets)?;
    }
    let mut reading = reading.options();
    reading.skip = listed(&learning.exclude);
    for (column, kind) in
        [(&learning.id, ReadKind::Categorical), (&learning.weight, ReadKind::Numeric)]
    {
        if let Some(column) = column {
            reading.kinds.insert(column.clone(), kind);
        }
    }
    if let Some(about) = &about {
        let said = snapshot::reading(table, about);
        reading.skip.extend(said.skip);
        said.kinds.into_iter().for_each(|(column, kind)| {
            reading.kinds.entry(column).or_insert(kind);
        });
    }
    let mut options = learning.options(targets, limits, &reading.missing)?;
    if let Some(about) = about {
        options.untimed = about.untimed;
        options.feature_spec = Some(about.features);
    }
    talk.say(&format!("reading {}", table.display()));
    let frame = read(table, &reading)?;
    talk.say(&format!("{} rows, {} columns", frame.rows(), frame.schema().len()));
    Ok((frame, options))
}

/// What is saved of models, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saving<'a> {
    /// The registry's folder.
    pub registry: &'a Path,
    /// Whether the version in force stays.
    pub no_promote: bool,
    /// Whether influence shares are told.
    pub influence: bool,
}

/// Learns every target of a table, judges and saves the models, and returns the exit code.
pub(super) fn learn(
    frame: Frame,
    options: &FitOptions,
    saving: Saving<'_>,
    json: bool,
    talk: Talk,
) -> Result<u8> {
    let say = |step: &str| talk.say(step);
    let mut trained = fit(&frame, options, &say)?;
    if saving.influence {
        add_influence(frame, options, &mut trained, &say)?;
    }
    let registry = Registry::create(saving.registry)?;
    let mut reports = Vec::new();
    for model in &trained {
        let version = save(&registry, model, saving.no_promote, talk)?;
        let report = report_of(model, version);
        if !json {
            print(&(terminal(&report, colour()) + "\n"))?;
        }
        reports.push(report);
    }
    let document = Document::new(reports);
    if json {
        print(&document.json())?;
    } else if document.reports.len() > 1 {
        print(&(beside_terminal(&document.reports) + "\n"))?;
    }
    Ok(document.exit_code)
}

/// Saves a model with its reports and puts it in force, unless that was forbidden or it is unusable
/// while another is in force.
pub(super) fn save(
    registry: &Registry,
    model: &Trained,
    no_promote: bool,
    talk: Talk,
) -> Result<u32> {
    let name = &model.artifact.manifest.model_name;
    check_question(registry, &model.artifact.manifest)?;
    let next = registry.versions(name)?.last().map_or(1, |last| last + 1);
    let document = Document::new(vec![report_of(model, next)]);
    let (json, page, html) = (document.json(), markdown(&document), html(&document));
    let report = &document.reports[0];
    let plot = report.influence.and_then(|shares| influence_svg(&report.target, shares));
    let mut files = vec![
        ("report.html", html.as_bytes()),
        ("report.json", json.as_bytes()),
        ("report.md", page.as_bytes()),
    ];
    files.extend(plot.as_ref().map(|plot| ("influence.svg", plot.as_bytes())));
    let version = registry.add(&model.artifact, &files)?;
    let folder = registry.folder(name, version);
    let unusable = model.evaluation.as_ref().is_some_and(|e| e.verdict.verdict == Word::Unusable);
    let held_back = unusable && registry.current(name)?.is_some();
    if no_promote || held_back {
        let why = if held_back { "it is unusable" } else { "as asked" };
        talk.say(&format!(
            "saved {}, not in force ({why}); to put it there: rekindle models promote {} {version}",
            folder.display(),
            registry.root().join(name).display()
        ));
    } else {
        registry.promote(name, version)?;
        talk.say(&format!("saved {}, now in force", folder.display()));
    }
    Ok(version)
}

/// A model's versions answer one question: another target under its name would be served in its
/// place.
pub(super) fn check_question(registry: &Registry, asked: &Manifest) -> Result<()> {
    let Some(&last) = registry.versions(&asked.model_name)?.last() else { return Ok(()) };
    let before = registry.load(&asked.model_name, last)?.manifest.target;
    if before == asked.target {
        return Ok(());
    }
    anyhow::bail!(
        "{}: version {last} answers {}={}, this run {}={}; save it to another registry with -o",
        registry.root().join(&asked.model_name).display(),
        before.column,
        before.value,
        asked.target.column,
        asked.target.value
    )
}

/// The report on a model that was just fitted.
pub(super) fn report_of(model: &Trained, version: u32) -> Report<'_> {
    Report::new(
        &model.artifact.manifest,
        model.artifact.scorer.calibration.name(),
        Some(version),
        "the table's test rows".to_owned(),
        model.evaluation.as_ref(),
        &model.warnings,
    )
    .with_tuned(model.tuned.as_ref())
    .with_curves(model.curves.as_ref())
    .with_quality(&model.quality)
}

/// Names as typed, divided at commas outside brackets: features have some, as `sum(purchase.amount, 30d)`.
pub(super) fn listed(given: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    for text in given {
        let (mut depth, mut first) = (0_i32, 0);
        for (at, letter) in text.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth <= 0 => {
                    names.push(&text[first..at]);
                    first = at + 1;
                }
                _ => {}
            }
        }
        names.push(&text[first..]);
    }
    names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// What marketing is told, from a file.
fn marketing(path: &Path) -> Result<Marketing> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--marketing {}: failed to read it", path.display()))?;
    toml::from_str(&text).map_err(|e| anyhow::anyhow!("--marketing {}: {e}", path.display()))
}

/// Groups as typed, by name.
fn groups(given: &[String]) -> Result<Groups> {
    let mut groups = Groups::new();
    for one in given {
        let parts = one
            .split_once('=')
            .filter(|(name, pattern)| !name.trim().is_empty() && !pattern.trim().is_empty());
        let (name, pattern) = parts.with_context(|| {
            format!("--group {one}: expected NAME=PATTERN, as 'visits=*visit*'")
        })?;
        groups.entry(name.trim().to_owned()).or_default().push(pattern.trim().to_owned());
    }
    Ok(groups)
}

/// Parameters as typed: each is a line of TOML.
fn boosting(given: &[String], model: Model) -> Result<Boosting> {
    if !given.is_empty() && matches!(model, Model::Logistic | Model::Forest) {
        anyhow::bail!("--param: expected with --model boosting or auto: it sets the booster");
    }
    for one in given {
        if one.split('=').next().is_some_and(|name| name.trim() == "seed") {
            anyhow::bail!("--param {one}: give the seed with --seed");
        }
        toml::from_str::<Boosting>(one).map_err(|e| {
            let why = e.message().trim_end();
            anyhow::anyhow!("--param {one}: {why}; expected NAME=VALUE, as --param num_leaves=31")
        })?;
    }
    let params: Boosting = toml::from_str(&given.join("\n"))
        .map_err(|e| anyhow::anyhow!("--param: {}; give each once", e.message().trim_end()))?;
    params.validate()?;
    Ok(params)
}

/// A campaign as typed: what has no number is the name of a column.
fn profit(given: &[String]) -> Result<Option<Campaign>> {
    let mut table = toml::Table::new();
    for one in given {
        let parts = one.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let (name, value) = parts
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .with_context(|| format!("--profit {one}: expected NAME=VALUE, as clv=200"))?;
        let value = match value.parse::<f64>() {
            Ok(number) => toml::Value::Float(number),
            Err(_) => toml::Value::String(value.to_owned()),
        };
        if table.insert(name.to_owned(), value.clone()).is_some() {
            anyhow::bail!("--profit {one}: {name} is given twice; expected it once");
        }
        // Alone, so that the message is about this one.
        let alone = toml::Table::from_iter([(name.to_owned(), value)]);
        Campaign::deserialize(alone)
            .map_err(|e| anyhow::anyhow!("--profit {one}: {}", e.message().trim_end()))?;
    }
    if given.is_empty() {
        return Ok(None);
    }
    let campaign = Campaign::deserialize(table).context("--profit")?;
    campaign.validate()?;
    Ok(Some(campaign))
}

impl LearningArgs {
    /// Snapshots say what their columns are: the customer, the cutoff, and targets, of which those that
    /// are not asked for are no features.
    fn of_snapshots(&mut self, about: &About, targets: &[String]) -> Result<()> {
        let asked = |name: &str| {
            targets
                .iter()
                .any(|t| t == name || t.strip_prefix(name).is_some_and(|t| t.starts_with('=')))
        };
        for target in about.targets.iter().filter(|t| !asked(&t.name)) {
            self.exclude.push(target.name.clone());
        }
        self.id.get_or_insert_with(|| CUSTOMER.to_owned());
        self.repeated_ids = true;
        match (&self.weight, about.weight()) {
            (None, weight) => self.weight = weight,
            (Some(own), Some(weight)) if *own != weight => self.exclude.push(weight),
            (Some(_), _) => {}
        }
        self.time = self.time.take().or(about.time());
        if self.time == about.time() {
            self.embargo = self.embargo.or(about.embargo_days(asked));
        }
        Ok(())
    }

    fn options(
        &self,
        targets: &[String],
        limits: Limits,
        missing: &[String],
    ) -> Result<FitOptions> {
        let threshold = match (self.f1, self.cost.as_slice(), self.top) {
            (true, _, _) => Some(ThresholdRule::F1),
            (_, [false_positive, false_negative], _) => Some(ThresholdRule::Cost {
                false_positive: *false_positive,
                false_negative: *false_negative,
            }),
            (_, [], Some(share)) => Some(ThresholdRule::Top { share }),
            (_, [], None) => None,
            _ => anyhow::bail!("--cost: expected two numbers, as --cost 1,10"),
        };
        let pair = |given: &String| {
            let (target, column) = given.split_once('=').with_context(|| {
                format!("--exclude-for {given}: expected TARGET=COLUMN, as churn=closed_at")
            })?;
            Ok((target.to_owned(), column.to_owned()))
        };
        let lock = self.features.as_deref().map(FeaturesLock::read).transpose()?;
        Ok(FitOptions {
            targets: targets.iter().map(|given| TargetSpec { given: given.clone() }).collect(),
            id: self.id.clone(),
            repeated_ids: self.repeated_ids,
            weight: self.weight.clone(),
            sampled: false,
            time: self.time.clone(),
            embargo: self.embargo,
            feature_spec: None,
            recency: self.recency.clone(),
            exclude: listed(&self.exclude),
            exclude_for: self.exclude_for.iter().map(pair).collect::<Result<_>>()?,
            allow_leak: listed(&self.allow_leak),
            untimed: Vec::new(),
            selection: lock.as_ref().map(FeaturesLock::steps).unwrap_or_default(),
            features: lock.map(FeaturesLock::features),
            groups: groups(&self.group)?,
            marketing: self.marketing.as_deref().map(marketing).transpose()?.unwrap_or_default(),
            model: match self.model {
                Model::Auto => ModelChoice::Auto,
                Model::Logistic => ModelChoice::Logistic,
                Model::Forest => ModelChoice::Forest,
                Model::Boosting => ModelChoice::Boosting,
            },
            boosting: boosting(&self.param, self.model)?,
            tuning: self.budget.map(|budget| Tuning { budget, objective: self.objective }),
            shares: Shares { calibration: self.calibration_share, test: self.test_share },
            profit: profit(&self.profit)?,
            threshold,
            limits,
            seed: self.seed,
            population: self.population.clone(),
            missing: missing.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_divided_at_commas_that_no_name_has() {
        let check = |given: &[&str], expected: &[&str]| {
            let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(listed(&given), expected);
        };
        check(&["a, b", "c"], &["a", "b", "c"]);
        check(&["sum(purchase.amount, 30d),x"], &["sum(purchase.amount, 30d)", "x"]);
        check(&["a) (odd),b", ","], &["a) (odd)", "b"]);
    }
}
