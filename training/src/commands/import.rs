//! `rekindle import`: a model that LightGBM wrote, as a model of a registry.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use rekindle_models::artifact::{
    Artifact, CalibrationEntry, Candidate, Golden, Manifest, PartCount, ReferencePopulation,
    Registry, RowCounts, TargetEntry, ThresholdEntry, check_model_name,
};
use rekindle_models::baseline::Baseline;
use rekindle_models::calibration::{Calibration, Platt};
use rekindle_models::classifiers::Fitted;
use rekindle_models::dataset::Dataset;
use rekindle_models::exchange::lightgbm;
use rekindle_models::frame::{
    Column, Frame, Kind, MISSING_CODE, ReadOptions, Rows, Schema, UNKNOWN_CODE, read,
};
use rekindle_models::metrics::Judged;
use rekindle_models::scorer::{Reference, Scorer};
use rekindle_models::seed::mix2;

use crate::commands::fit::check_question;
use crate::commands::{Talk, print};
use crate::holdout::bind;
use crate::label::{Target, TargetSpec};
use crate::reference::reference;

/// Take a model from LightGBM into a registry
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rekindle import model.txt -o registry/ --name churn\n  \
rekindle import model.txt -o registry/ --name churn --data customers.csv --target Churn=Yes\n\n\
model.txt is what LightGBM's save_model wrote for a yes/no question (objective binary).\nWhat \
LightGBM does not keep is not there: `rekindle evaluate` judges the model on rows it has not seen.")]
pub struct Import {
    /// The model in LightGBM's text format; - for standard input
    model: PathBuf,
    /// Registry folder
    #[arg(short, long, value_name = "FOLDER", default_value = "registry")]
    output: PathBuf,
    /// The model's name in the registry [default: the file's name]
    #[arg(long)]
    name: Option<String>,
    /// Table of customers: percentiles are places among them, and with a target the model is
    /// compared with the best simple rule on them
    #[arg(long, value_name = "TABLE")]
    data: Option<PathBuf>,
    /// What the model predicts, as COLUMN=VALUE [default: the model's name, =1]
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Leave the version in force as it is
    #[arg(long)]
    no_promote: bool,
}

/// What a table of customers tells of an imported model.
struct Known {
    reference: Reference,
    baseline: Baseline,
    target: Option<(TargetEntry, PartCount)>,
    population: Option<ReferencePopulation>,
    golden: Rows,
}

impl Import {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let name = self.name()?;
        let shown = self.model.display().to_string();
        let found = lightgbm::read(&self.bytes()?, &shown)?;
        let scorer = scorer(Fitted::Boosting(found.model), found.schema);
        let defaults = ReadOptions::default().missing;
        let missing = missing_markers(&scorer.schema, defaults);
        let known = match &self.data {
            Some(table) => self.look_at(table, &scorer, &missing, talk)?,
            None => {
                talk.say(
                    "no --data: percentiles are those of the probability itself, and there is no \
                     simple rule to judge the model against",
                );
                let (reference, baseline) = (even_reference(), Baseline::flat(&scorer.schema));
                let golden = Rows::new(scorer.schema.len());
                Known { reference, baseline, target: None, population: None, golden }
            }
        };
        let (target, rows) = match known.target {
            Some((target, rows)) => (target, rows),
            None => (target_of(self.target.as_deref(), &name), PartCount::default()),
        };
        let scorer = Scorer { reference: known.reference, ..scorer };
        let mut manifest = manifest(name, &scorer, target, missing, rows);
        manifest.reference = known.population;
        let golden = Golden::of(&scorer, known.golden);
        let artifact = Artifact { manifest, scorer, baseline: known.baseline, golden };
        self.save(&artifact, talk)?;
        Ok(0)
    }

    fn name(&self) -> Result<String> {
        let of_file = || {
            let stem = self.model.file_stem().unwrap_or_default();
            stem.to_string_lossy().to_lowercase()
        };
        let name = self.name.clone().unwrap_or_else(of_file);
        let checked = check_model_name(&name).map_err(anyhow::Error::msg);
        checked.context("give the model a name with --name, as --name churn")?;
        Ok(name)
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if self.model == Path::new("-") {
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.context("failed to read standard input")?;
            return Ok(bytes);
        }
        std::fs::read(&self.model)
            .with_context(|| format!("failed to read {}", self.model.display()))
    }

    fn look_at(
        &self,
        table: &Path,
        scorer: &Scorer,
        missing: &[String],
        talk: Talk,
    ) -> Result<Known> {
        let column =
            self.target.as_deref().map(|t| t.rsplit_once('=').map_or(t, |(c, _)| c.trim()));
        let more: Vec<&str> = column.into_iter().collect();
        let frame = read(table, &ReadOptions::for_model(&scorer.schema, missing, None, &more))?;
        let mut warnings = Vec::new();
        let binding = bind(&scorer.schema, &frame, &mut warnings)?;
        warnings.iter().for_each(|warning| talk.say(&format!("warning: {warning}")));
        let rows = binding.rows(&frame, 0..frame.rows());
        let margins = scorer.model.margins(&rows);
        let reference = Reference::new(&margins, &vec![1.0; margins.len()]);
        let golden = binding.rows_at(&frame, &Golden::places(&margins));
        let Some(given) = self.target.clone() else {
            talk.say("no --target: there is no simple rule to judge the model against");
            let baseline = Baseline::flat(&scorer.schema);
            let population = Some(population(scorer, &rows, &margins, None)?);
            return Ok(Known { reference, baseline, target: None, population, golden });
        };
        let target = TargetSpec { given }.find(&frame)?;
        let population = Some(population(scorer, &rows, &margins, Some(&target))?);
        let baseline = baseline(&scorer.schema, &rows, &target)?;
        let part = part(&target);
        let entry = TargetEntry { column: target.column, value: target.value };
        Ok(Known { reference, baseline, target: Some((entry, part)), population, golden })
    }

    fn save(&self, artifact: &Artifact, talk: Talk) -> Result<()> {
        let name = &artifact.manifest.model_name;
        let registry = Registry::create(&self.output)?;
        check_question(&registry, &artifact.manifest)?;
        let version = registry.add(artifact, &[])?;
        let folder = registry.folder(name, version);
        if self.no_promote {
            talk.say(&format!("saved {}, not in force (as asked)", folder.display()));
        } else {
            registry.promote(name, version)?;
            talk.say(&format!("saved {}, now in force", folder.display()));
        }
        let Fitted::Boosting(model) = &artifact.scorer.model else {
            unreachable!("trees were imported");
        };
        print(&format!(
            "{name} version {version}: {} trees, {} features, not judged; to judge it: rekindle \
             evaluate {} TABLE\n",
            model.trees().len(),
            model.features(),
            registry.root().join(name).display()
        ))
    }
}

/// A scorer whose probabilities are LightGBM's own.
pub(super) fn scorer(model: Fitted, schema: Schema) -> Scorer {
    let identity = Platt::from_saved(1.0, 0.0).expect("a sigmoid of slope 1");
    let calibration = Calibration::Platt(identity);
    Scorer { schema, model, calibration, threshold: 0.5, reference: even_reference() }
}

/// A population in which each percentile is a hundredth of the probability.
fn even_reference() -> Reference {
    let log_odds = |percent: u32| {
        let share = f64::from(percent) / 100.0;
        (share / (1.0 - share)).ln()
    };
    Reference::from_cuts((1..100).map(log_odds).collect()).expect("99 rising cuts")
}

/// The usual cells that count as missing, but for those that are a level of the model.
pub(super) fn missing_markers(schema: &Schema, usual: Vec<String>) -> Vec<String> {
    let is_level = |text: &String| {
        schema.fields().iter().any(|field| match &field.kind {
            Kind::Categorical(levels) => levels.contains(text),
            Kind::Numeric | Kind::Boolean | Kind::Date(_) => false,
        })
    };
    usual.into_iter().filter(|text| !is_level(text)).collect()
}

/// The target as given without a table to find it in.
pub(super) fn target_of(given: Option<&str>, name: &str) -> TargetEntry {
    let (column, value) = match given {
        Some(given) => given.rsplit_once('=').unwrap_or((given, "1")),
        None => (name, "1"),
    };
    TargetEntry { column: column.trim().to_owned(), value: value.trim().to_owned() }
}

/// The best single feature, made from one half of the rows and chosen on the other.
fn baseline(schema: &Schema, rows: &Rows, target: &Target) -> Result<Baseline> {
    let frame = frame_of(schema, rows)?;
    let features: Vec<usize> = (0..schema.len()).collect();
    let weight = vec![1.0; frame.rows()];
    let halves: (Vec<u32>, Vec<u32>) =
        target.answered.iter().partition(|row| mix2(2, u64::from(**row)).is_multiple_of(2));
    let data = |rows| Dataset {
        frame: &frame,
        features: &features,
        rows,
        target: &target.positive,
        weight: &weight,
    };
    let one_class = |rows: &[u32]| {
        let positives = rows.iter().filter(|row| target.positive[**row as usize]).count();
        positives == 0 || positives == rows.len()
    };
    if one_class(&halves.0) || one_class(&halves.1) {
        return Ok(Baseline::flat(schema));
    }
    Ok(Baseline::best_feature(&data(&halves.0), &data(&halves.1)).0)
}

/// What the rows are like, and, where answers are known, how far the model's probabilities are off: it was fitted on none
/// of them, as far as is known.
fn population(
    scorer: &Scorer,
    rows: &Rows,
    margins: &[f64],
    target: Option<&Target>,
) -> Result<ReferencePopulation> {
    let frame = frame_of(&scorer.schema, rows)?;
    let features: Vec<usize> = (0..scorer.schema.len()).collect();
    let all: Vec<u32> = (0..margins.len() as u32).collect();
    let (unknown, weight) = (vec![false; all.len()], vec![1.0; all.len()]);
    let answers = target.map_or(&unknown, |target| &target.positive);
    let probability: Vec<f64> =
        margins.iter().map(|&margin| scorer.calibration.probability(margin)).collect();
    let data = Dataset {
        frame: &frame,
        features: &features,
        rows: &all,
        target: answers,
        weight: &weight,
    };
    let judged = |probability, target, weight| Judged { probability, target, weight, group: None };
    let answered = target.map_or(&[][..], |target| &target.answered);
    let of = |row: &u32| *row as usize;
    let said: Vec<f64> = answered.iter().map(|row| probability[of(row)]).collect();
    let known: Vec<bool> = answered.iter().map(|row| answers[of(row)]).collect();
    let test = judged(&said, &known, &weight[..known.len()]);
    let whole = judged(&probability, answers, &weight);
    let test = target.is_some().then_some(&test);
    Ok(reference(&data, &whole, scorer.threshold, test, false))
}

/// The rows as a table with the model's own levels.
fn frame_of(schema: &Schema, rows: &Rows) -> Result<Frame> {
    let cells = |feature: usize| rows.iter().map(move |row| row[feature]);
    let code = |cell: f64| match cell {
        cell if cell.is_nan() => MISSING_CODE,
        cell if cell < 0.0 => UNKNOWN_CODE,
        cell => cell as u32,
    };
    let column = |(feature, field): (usize, &rekindle_models::frame::Field)| match &field.kind {
        Kind::Categorical(_) => Column::Category(cells(feature).map(code).collect()),
        Kind::Numeric | Kind::Boolean | Kind::Date(_) => Column::Number(cells(feature).collect()),
    };
    let columns = schema.fields().iter().enumerate().map(column).collect();
    Ok(Frame::new(schema.clone(), columns)?)
}

fn part(target: &Target) -> PartCount {
    let positives = target.answered.iter().filter(|r| target.positive[**r as usize]).count();
    let rows = target.answered.len();
    let (weight, positive_weight) = (rows as f64, positives as f64);
    PartCount { rows, positives, weight, positive_weight, time: None }
}

/// `rows` are those of the reference population; what the model was fitted on is not known.
pub(super) fn manifest(
    model_name: String,
    scorer: &Scorer,
    target: TargetEntry,
    missing_markers: Vec<String>,
    rows: PartCount,
) -> Manifest {
    let classifier = scorer.model.name().to_owned();
    Manifest {
        model_name,
        classifier: classifier.clone(),
        ignored_columns: vec![target.column.clone()],
        target,
        population: "not known: imported from LightGBM".to_owned(),
        features: Manifest::features_of(&scorer.schema),
        feature_spec: None,
        id_column: None,
        time_column: None,
        weight_column: None,
        missing_markers,
        rows: RowCounts {
            train: PartCount::default(),
            calibration: rows,
            test: PartCount::default(),
        },
        training_time: None,
        leaks: Vec::new(),
        influence: None,
        selection: Vec::new(),
        reference: None,
        expected_addends: None,
        words: BTreeMap::new(),
        profit: None,
        threshold: ThresholdEntry {
            value: scorer.threshold,
            rule: "one half, as nothing was known of the model".to_owned(),
            met: true,
        },
        calibration: CalibrationEntry::of(&scorer.calibration),
        candidates: vec![Candidate { classifier, roc_auc: None }],
        metrics: None,
        verdict: None,
        seed: 0,
        data_fingerprint: String::new(),
        crate_versions: BTreeMap::from([(
            "rekindle-training".to_owned(),
            env!("CARGO_PKG_VERSION").to_owned(),
        )]),
    }
}
