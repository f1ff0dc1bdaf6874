//! From a table to judged models, one per target: split, fit, compare, calibrate, choose a threshold,
//! judge. Reads and writes no files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use rekindle_models::artifact::{
    Artifact, CalibrationEntry, Candidate, Golden, Manifest, PartCount, ReferencePopulation,
    RowCounts, TargetEntry, ThresholdEntry, TimeRange, VerdictEntry,
};
use rekindle_models::baseline::Baseline;
use rekindle_models::behaviour::{Attribute, AttributeKind, FeatureSpec};
use rekindle_models::calibration::Calibration;
use rekindle_models::classifiers::boosting::{BinnedTable, Boosting};
use rekindle_models::classifiers::forest::Forest;
use rekindle_models::classifiers::logistic::Logistic;
use rekindle_models::classifiers::{Classifier, Fitted};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Binding, Field, Frame, Kind};
use rekindle_models::metrics::{Judged, Ranked};
use rekindle_models::scorer::{Reference, Scorer};
use rekindle_models::threshold::Threshold;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::evaluate::{Curves, Evaluation, Question, evaluate, rivals};
use crate::label::Target;
use crate::marks::mark;
use crate::options::{FitOptions, ModelChoice};
use crate::quality::{DataQuality, Table};
use crate::reference::reference;
use crate::roles::Roles;
use crate::split::Split;
use crate::task::{Asked, Task, common_table};
use crate::tune::{Ground, Tuned, tune};

/// A fitted model with its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// What is saved.
    pub artifact: Artifact,
    /// The judgement; `None` where no rows were kept for it.
    pub evaluation: Option<Evaluation>,
    /// What its pictures are drawn from; `None` where one class is not there.
    pub curves: Option<Curves>,
    /// What the answered rows of the table are like.
    pub quality: DataQuality,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// The parameters that were tried, where better ones were looked for.
    pub tuned: Option<Tuned>,
    /// The answers by row of the table.
    pub target: Target,
    /// The rows it was made from and judged on.
    pub split: Split,
    /// The best features by themselves, best first.
    pub single_features: Vec<SingleFeature>,
}

/// A feature by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SingleFeature {
    /// Its name.
    pub feature: String,
    /// Its ROC AUC on validation rows.
    pub roc_auc: f64,
}

/// Learns every target of the table. `progress` is told what is being done.
///
/// # Errors
/// When the options do not fit the table, a part has too few rows, or a fit fails.
pub fn fit(frame: &Frame, options: &FitOptions, progress: &dyn Fn(&str)) -> Result<Vec<Trained>> {
    let asked = Asked::find(frame, options)?;
    let tasks = asked.tasks(frame, options, progress)?;
    let fingerprint = frame.fingerprint();
    let table = match options.model {
        ModelChoice::Auto | ModelChoice::Boosting => tasks.first().and_then(|first| {
            let rows: Vec<&[u32]> = tasks.iter().map(|task| task.split.train.as_slice()).collect();
            let features: BTreeSet<usize> =
                tasks.iter().flat_map(|task| task.features.clone()).collect();
            let features: Vec<usize> = features.into_iter().collect();
            progress(&format!("binning {} features", features.len()));
            let data = Dataset { features: &features, ..first.data(&[]) };
            common_table(&data, &rows, options.boosting.max_bin)
        }),
        ModelChoice::Logistic | ModelChoice::Forest => None,
    };
    tasks.iter().map(|task| task.run(&fingerprint, table.as_ref())).collect()
}

/// Fits a model's classifier once more, as it was fitted, to other columns: those of the dataset, of which `table` has
/// bins.
///
/// # Errors
/// When the fit fails.
pub(crate) fn fit_again(
    model: &Trained,
    data: &Dataset<'_>,
    table: Option<&BinnedTable>,
    options: &FitOptions,
) -> Result<Fitted> {
    let seed = options.seed;
    let params =
        model.tuned.as_ref().map_or_else(|| options.booster(), |tuned| tuned.params.clone());
    Ok(match &model.artifact.scorer.model {
        Fitted::Boosting(_) => Binned { params, table }.fit(data)?,
        Fitted::Logistic(_) => Logistic::default().fit(data)?,
        Fitted::Forest(_) => Forest { seed, ..Forest::default() }.fit(data)?,
    })
}

/// The booster on a table that was cut before, where there is one.
struct Binned<'a> {
    params: Boosting,
    table: Option<&'a BinnedTable>,
}

impl Classifier for Binned<'_> {
    fn name(&self) -> &'static str {
        self.params.name()
    }

    fn fit(&self, data: &Dataset<'_>) -> rekindle_models::error::Result<Fitted> {
        match self.table {
            Some(table) => Ok(Fitted::Boosting(self.params.fit_binned(table, data)?)),
            None => self.params.fit(data),
        }
    }
}

impl Task<'_> {
    fn run(&self, fingerprint: &str, table: Option<&BinnedTable>) -> Result<Trained> {
        let (split, features) = (&self.split, &self.features);
        let data = |rows| self.data(rows);
        let train = data(&split.train);
        let (fit_rows, validation_rows) = self.validation()?;
        let (fit_data, validation) = (data(&fit_rows), data(&validation_rows));
        (self.progress)(&format!("{}: comparing single features", self.name));
        let (best_feature, single) = Baseline::best_feature(&fit_data, &validation);
        let baseline = match &self.options.recency {
            Some(column) => Baseline::recency(&train, self.recency_feature(features, column)?),
            None => best_feature,
        };
        let tuned = self.tuned(&fit_data, &validation, table)?;
        let params = tuned.as_ref().map_or_else(|| self.options.booster(), |t| t.params.clone());
        let (model, candidates) = self.choose(params, &fit_data, &validation, &train, table)?;
        let calibration_data = data(&split.calibration);
        let margins = margins(&model, &calibration_data);
        let (targets, weights) = (calibration_data.targets(), calibration_data.weights());
        let calibration = Calibration::fit(&margins, &targets, &weights)?;
        let probabilities: Vec<f64> = margins.iter().map(|&m| calibration.probability(m)).collect();
        let rule = self.options.threshold_rule();
        let gains = self.roles.gains(&split.calibration, &targets);
        let gains = gains.as_deref();
        let threshold = Threshold::choose(rule, &probabilities, &targets, &weights, gains)?;
        let scorer = Scorer {
            schema: train.schema(),
            model,
            calibration,
            threshold: threshold.value,
            reference: Reference::new(&margins, &weights),
        };
        (self.progress)(&format!("{}: judging on {} rows", self.name, split.test.len()));
        let test = data(&split.test);
        let said = said_of(&scorer, &test);
        let judgement = (!split.test.is_empty())
            .then(|| judge((&scorer, &said), &baseline, &test, &train, self.options, self.roles));
        let reference =
            self.reference(&scorer, (&calibration_data, &probabilities), (&test, &said));
        let (evaluation, curves) = match judgement.transpose()? {
            Some((evaluation, curves)) => (Some(evaluation), curves),
            None => (None, None),
        };
        let named = |s: &rekindle_models::baseline::SingleFeature| SingleFeature {
            feature: scorer.schema.fields()[s.feature].name.clone(),
            roc_auc: s.roc_auc,
        };
        let single_features: Vec<SingleFeature> = single.iter().take(10).map(named).collect();
        let warnings = self.warnings(&threshold);
        let counts = RowCounts {
            train: part_count(&train, self.roles),
            calibration: part_count(&calibration_data, self.roles),
            test: part_count(&test, self.roles),
        };
        let mut manifest = self.manifest(
            &scorer,
            &threshold,
            counts,
            candidates,
            evaluation.as_ref(),
            fingerprint,
            self.roles.time_range(&split.train),
        );
        let quality =
            DataQuality::new(Table::Fitted, &scorer.schema, self.frame, &self.target.answered);
        manifest.reference = Some(reference);
        let kept = Golden::places(&margins);
        let kept: Vec<u32> = kept.into_iter().map(|row| split.calibration[row as usize]).collect();
        let golden = Golden::of(&scorer, data(&kept).to_rows());
        let artifact = Artifact { manifest, scorer, baseline, golden };
        let (target, split) = (self.target.clone(), self.split.clone());
        Ok(Trained {
            artifact,
            evaluation,
            curves,
            quality,
            warnings,
            tuned,
            target,
            split,
            single_features,
        })
    }

    /// What the calibration rows were like, and how far what was said of the test rows is off.
    fn reference(
        &self,
        scorer: &Scorer,
        (calibration, said): (&Dataset<'_>, &[f64]),
        (test, said_of_test): (&Dataset<'_>, &[f64]),
    ) -> ReferencePopulation {
        let group = |data: &Dataset<'_>| customers(data, self.options, self.roles);
        let (target, weight, keys) =
            (calibration.targets(), calibration.weights(), group(calibration));
        let judged =
            Judged { probability: said, target: &target, weight: &weight, group: keys.as_deref() };
        let (target, weight, keys) = (test.targets(), test.weights(), group(test));
        let tested = Judged {
            probability: said_of_test,
            target: &target,
            weight: &weight,
            group: keys.as_deref(),
        };
        let tested = (!tested.is_empty()).then_some(&tested);
        reference(calibration, &judged, scorer.threshold, tested, true)
    }

    /// How the model's features are made from events and attributes: `None` unless all of them are, in
    /// the spec's order of the two.
    fn feature_spec(&self, scorer: &Scorer) -> Option<FeatureSpec> {
        let spec = self.options.feature_spec.as_ref()?;
        let columns = spec.columns();
        let places: HashMap<&str, usize> =
            columns.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let fields = scorer.schema.fields();
        let of_model = fields.iter().map(|f| places.get(f.name.as_str()).copied());
        let selected = spec.select(&of_model.collect::<Option<Vec<usize>>>()?);
        let texts = |a: &Attribute| a.kind == AttributeKind::Category;
        let texts =
            selected.features.iter().map(|_| false).chain(selected.attributes.iter().map(texts));
        let of_kind = |field: &Field, text| matches!(field.kind, Kind::Categorical(_)) == text;
        let same = fields.iter().map(|f| &f.name).eq(&selected.columns())
            && fields.iter().zip(texts).all(|(field, text)| of_kind(field, text));
        same.then_some(selected)
    }

    fn recency_feature(&self, features: &[usize], column: &str) -> Result<usize> {
        let place = self.frame.schema().require(column)?;
        let bad = |reason: &str| Error::BadColumn {
            role: "recency",
            column: column.to_owned(),
            reason: reason.to_owned(),
        };
        if self.frame.numbers(place).is_none() {
            return Err(bad("it is categorical, expected a number of days since the last event"));
        }
        features
            .iter()
            .position(|&feature| feature == place)
            .ok_or_else(|| bad("it is excluded, expected a feature of the model"))
    }

    /// Better parameters, where they are to be looked for.
    fn tuned(
        &self,
        data: &Dataset<'_>,
        validation: &Dataset<'_>,
        table: Option<&BinnedTable>,
    ) -> Result<Option<Tuned>> {
        let Some(tuning) = self.options.tuning else { return Ok(None) };
        let params = self.options.booster();
        let own = table.is_none().then(|| BinnedTable::new(data, params.max_bin));
        let table = table.or(own.as_ref()).expect("a table of all targets, or of this one");
        let rule = self.options.threshold_rule();
        let gains = self.roles.gains(validation.rows, &validation.targets());
        let gains = gains.as_deref();
        let ground = Ground { table, data, validation, keys: &self.roles.keys, rule, gains };
        let say = |step: &str| (self.progress)(&format!("{}: {step}", self.name));
        tune(&params, tuning, &ground, &say).map(Some)
    }

    /// Fits the classifier asked for, or all of them, and the best once more on all training rows.
    fn choose(
        &self,
        params: Boosting,
        fit_data: &Dataset<'_>,
        validation: &Dataset<'_>,
        train: &Dataset<'_>,
        table: Option<&BinnedTable>,
    ) -> Result<(Fitted, Vec<Candidate>)> {
        let seed = self.options.seed;
        let logistic = Logistic::default();
        let forest = Forest { seed, ..Forest::default() };
        let boosting = Binned { params, table };
        let all: [&dyn Classifier; 3] = [&boosting, &logistic, &forest];
        let fit = |classifier: &dyn Classifier| -> Result<Fitted> {
            let (name, rows) = (classifier.name(), train.rows.len());
            (self.progress)(&format!("{}: fitting {name} on {rows} rows", self.name));
            Ok(classifier.fit(train)?)
        };
        let alone = |classifier: &dyn Classifier| -> Result<(Fitted, Vec<Candidate>)> {
            let name = classifier.name().to_owned();
            Ok((fit(classifier)?, vec![Candidate { classifier: name, roc_auc: None }]))
        };
        match self.options.model {
            ModelChoice::Logistic => return alone(&logistic),
            ModelChoice::Forest => return alone(&forest),
            ModelChoice::Boosting => return alone(&boosting),
            ModelChoice::Auto => {}
        }
        let names = all.map(Classifier::name).join(", ");
        let rows = validation.rows.len();
        (self.progress)(&format!("{}: comparing {names} on {rows} validation rows", self.name));
        let (target, weight) = (validation.targets(), validation.weights());
        let auc = |fitted: &Fitted| {
            let scores = margins(fitted, validation);
            let judged =
                Judged { probability: &scores, target: &target, weight: &weight, group: None };
            let ranked = Ranked::new(&judged);
            ranked.roc_auc(ranked.weights())
        };
        // The logistic regression runs on one core: trees grow on the others meanwhile.
        let aucs: Vec<f64> = all
            .par_iter()
            .map(|classifier| classifier.fit(fit_data).map(|fitted| auc(&fitted)))
            .collect::<std::result::Result<_, _>>()?;
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| aucs[b].total_cmp(&aucs[a]));
        let candidate = |&place: &usize| Candidate {
            classifier: all[place].name().to_owned(),
            roc_auc: Some(aucs[place]),
        };
        Ok((fit(all[order[0]])?, order.iter().map(candidate).collect()))
    }

    fn warnings(&self, threshold: &Threshold) -> Vec<String> {
        let mut warnings = Vec::new();
        let unanswered = self.frame.rows() - self.target.answered.len();
        if unanswered > 0 {
            warnings.push(format!(
                "{unanswered} of {} rows have no {} and were left out",
                self.frame.rows(),
                self.target.column
            ));
        }
        if !threshold.met {
            warnings.push(format!(
                "no threshold has the {} on the calibration rows; the nearest was taken",
                threshold.rule.describe()
            ));
        }
        warnings
    }

    #[expect(clippy::too_many_arguments, reason = "every part of the manifest, gathered once")]
    fn manifest(
        &self,
        scorer: &Scorer,
        threshold: &Threshold,
        rows: RowCounts,
        candidates: Vec<Candidate>,
        evaluation: Option<&Evaluation>,
        fingerprint: &str,
        training_time: Option<TimeRange>,
    ) -> Manifest {
        let feature = |name: &String| scorer.schema.place(name).is_some();
        let columns = self.frame.schema().fields().iter().map(|f| &f.name);
        let ignored: BTreeSet<String> =
            columns.chain(&self.options.exclude).filter(|c| !feature(c)).cloned().collect();
        let mut features = Manifest::features_of(&scorer.schema);
        mark(&mut features, &self.options.groups, &self.options.marketing);
        Manifest {
            model_name: self.name.to_owned(),
            classifier: scorer.model.name().to_owned(),
            target: TargetEntry {
                column: self.target.column.clone(),
                value: self.target.value.clone(),
            },
            population: self.options.population.clone(),
            features,
            feature_spec: self.feature_spec(scorer),
            id_column: self.options.id.clone(),
            time_column: self.options.time.clone(),
            weight_column: self.options.weight.clone().filter(|_| !self.options.sampled),
            ignored_columns: ignored.into_iter().collect(),
            missing_markers: self.options.missing.clone(),
            rows,
            training_time,
            leaks: self.leak_entries(),
            influence: None,
            selection: self.options.selection.get(&self.target.name()).cloned().unwrap_or_default(),
            reference: None,
            expected_addends: scorer.model.expected_addends(&self.data(&self.split.train)),
            words: self.options.marketing.words.clone(),
            profit: self.options.profit.clone(),
            threshold: ThresholdEntry {
                value: threshold.value,
                rule: threshold.rule.describe(),
                met: threshold.met,
            },
            calibration: CalibrationEntry::of(&scorer.calibration),
            candidates,
            metrics: evaluation.map(|e| serde_json::to_value(e).expect("figures have a JSON form")),
            verdict: evaluation.map(|e| VerdictEntry {
                verdict: e.verdict.verdict.text().to_owned(),
                reason: e.verdict.reason.clone(),
            }),
            seed: self.options.seed,
            data_fingerprint: fingerprint.to_owned(),
            crate_versions: crate_versions(),
        }
    }
}

/// Judges a scorer on the rows of a dataset.
fn judge(
    (scorer, probability): (&Scorer, &[f64]),
    baseline: &Baseline,
    test: &Dataset<'_>,
    train: &Dataset<'_>,
    options: &FitOptions,
    roles: &Roles,
) -> Result<(Evaluation, Option<Curves>)> {
    let (target, weight) = (test.targets(), test.weights());
    let fitted = part_weights(train);
    let group = customers(test, options, roles);
    let judged = Judged { probability, target: &target, weight: &weight, group: group.as_deref() };
    let feature = &scorer.schema.fields()[baseline.feature()].name;
    let stakes = roles.stakes_at(test.rows);
    let rows = test.to_rows();
    let model = (&scorer.schema, baseline);
    let cells = |place| rows.iter().map(|row| row[place]).collect();
    let question = Question {
        threshold: scorer.threshold,
        limits: &options.limits,
        fitted_base_rate: fitted.0 / fitted.1,
        rule: (baseline.name(), feature),
        rule_scores: &baseline.scores(&rows),
        rivals: rivals(&options.limits.must_beat, model, &cells, (&target, &weight))?,
        stakes: stakes.as_ref(),
        seed: options.seed,
    };
    Ok(evaluate(&judged, &question))
}

/// What the scorer says of a dataset's rows.
fn said_of(scorer: &Scorer, data: &Dataset<'_>) -> Vec<f64> {
    let margins = margins(&scorer.model, data).into_iter();
    margins.map(|margin| scorer.calibration.probability(margin)).collect()
}

/// Which customer each row is of, where some have several.
fn customers(data: &Dataset<'_>, options: &FitOptions, roles: &Roles) -> Option<Vec<u64>> {
    options.repeated_ids.then(|| data.rows.iter().map(|&row| roles.keys[row as usize]).collect())
}

/// The model's margins of a dataset's rows, on all cores.
fn margins(model: &Fitted, data: &Dataset<'_>) -> Vec<f64> {
    let binding = Binding::new(&data.schema(), data.frame.schema())
        .expect("the features are columns of the frame itself");
    let of_block = |rows: &[u32]| model.margins(&binding.rows_at(data.frame, rows));
    data.rows.par_chunks(1_024).flat_map_iter(of_block).collect()
}

/// Weight of the positives and of all rows.
fn part_weights(data: &Dataset<'_>) -> (f64, f64) {
    let (target, weight) = (data.targets(), data.weights());
    let positive = target.iter().zip(&weight).filter(|(t, _)| **t).map(|(_, w)| w).sum();
    (positive, weight.iter().sum())
}

fn part_count(data: &Dataset<'_>, roles: &Roles) -> PartCount {
    let (positive_weight, weight) = part_weights(data);
    let positives = data.targets().iter().filter(|t| **t).count();
    let time = roles.time_range(data.rows);
    PartCount { rows: data.rows.len(), positives, weight, positive_weight, time }
}

/// Versions of what fitted the model, from the lock file that this program was built with.
pub(crate) fn crate_versions() -> BTreeMap<String, String> {
    let wanted = ["linfa-logistic", "rekindle-models", "rekindle-training", "smartcore"];
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &str| {
        let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some((name.to_owned(), after.split('"').next()?.to_owned()))
    };
    wanted.into_iter().filter_map(version).collect()
}
