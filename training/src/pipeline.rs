//! From a table to judged models, one per target: split, fit, compare, calibrate, choose a threshold,
//! judge. Reads and writes no files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use rekindle_models::artifact::{
    Artifact, CalibrationEntry, Candidate, Manifest, PartCount, RowCounts, TargetEntry,
    ThresholdEntry, TimeRange, VerdictEntry,
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
use rekindle_models::seed::hash_text;
use rekindle_models::threshold::{Threshold, ThresholdRule};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Question, evaluate};
use crate::label::Target;
use crate::options::{FitOptions, ModelChoice};
use crate::roles::{Roles, check_roles};
use crate::split::{Shares, Split, by_customer, by_cutoff, by_time};

/// A feature that ranks this well by itself may know the answer.
const LEAK_AUC: f64 = 0.95;
/// Share of the training rows on which classifiers are compared.
const VALIDATION_SHARE: f64 = 0.2;

/// A fitted model with its judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// What is saved.
    pub artifact: Artifact,
    /// The judgement; `None` where no rows were kept for it.
    pub evaluation: Option<Evaluation>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
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
    options.shares.validate()?;
    options.limits.validate()?;
    if let Some(rule) = options.threshold {
        rule.validate()?;
    }
    check_roles(options)?;
    if let Some(days) = options.embargo.filter(|days| !(*days >= 0.0 && days.is_finite())) {
        return Err(Error::BadOptions(format!("--embargo {days}: expected days, 0 or more")));
    }
    options.boosting.validate()?;
    if options.boosting.early_stopping_round > 0 && (options.repeated_ids || options.time.is_some())
    {
        return Err(Error::BadOptions(
            "early_stopping_round holds back rows at random, which with repeated ids or a time column \
             are no judges; expected 0: choose num_iterations instead"
                .to_owned(),
        ));
    }
    let targets: Vec<Target> =
        options.targets.iter().map(|spec| spec.find(frame)).collect::<Result<_>>()?;
    let roles = Roles::find(frame, options, &targets)?;
    let names = model_names(&targets)?;
    let fingerprint = frame.fingerprint();
    let tasks: Vec<Task<'_>> = targets
        .iter()
        .zip(&names)
        .map(|(target, name)| Task::new(frame, options, &roles, target, name, progress))
        .collect::<Result<_>>()?;
    let table = match options.model {
        ModelChoice::Auto | ModelChoice::Boosting => common_table(&tasks),
        ModelChoice::Logistic | ModelChoice::Forest => None,
    };
    tasks.iter().map(|task| task.run(&fingerprint, table.as_ref())).collect()
}

/// All features of all targets in bins: cut once for all. Cuts are learned from rows that every target
/// trains on; `None` where those are few, so that each target needs a table of its own.
fn common_table(tasks: &[Task<'_>]) -> Option<BinnedTable> {
    let first = tasks.first()?;
    let mut trained = vec![0_usize; first.frame.rows()];
    tasks.iter().flat_map(|task| &task.split.train).for_each(|&row| trained[row as usize] += 1);
    let rows: Vec<u32> =
        (0..).zip(&trained).filter(|(_, n)| **n == tasks.len()).map(|(row, _)| row).collect();
    let fewest = tasks.iter().map(|task| task.split.train.len()).min()?;
    if 2 * rows.len() < fewest {
        return None;
    }
    let features: BTreeSet<usize> = tasks.iter().flat_map(|task| task.features.clone()).collect();
    let features: Vec<usize> = features.into_iter().collect();
    (first.progress)(&format!("binning {} features", features.len()));
    let data = Dataset { rows: &rows, features: &features, ..first.data(&rows) };
    Some(BinnedTable::new(&data, first.options.boosting.max_bin))
}

/// One model's name per target: its column, with the value where one column has several targets, and
/// with a hash of both where names are still alike. It depends on the target, not on the order.
fn model_names(targets: &[Target]) -> Result<Vec<String>> {
    let plain = |text: &str| {
        let slug: String = text
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .collect();
        let slug: String = slug.trim_matches(['-', '_']).chars().take(30).collect();
        if slug.is_empty() { "target".to_owned() } else { slug }
    };
    let short = |target: &Target| plain(&target.column);
    let long = |target: &Target| format!("{}-{}", short(target), plain(&target.value));
    let name = |target: &Target| {
        let others = || targets.iter().filter(|t| !std::ptr::eq(*t, target));
        if others().any(|t| t.place == target.place && t.positive == target.positive) {
            return Err(Error::BadOptions(format!(
                "target {}={} is given twice; expected each target once",
                target.column, target.value
            )));
        }
        if others().all(|t| short(t) != short(target)) {
            return Ok(short(target));
        }
        if others().all(|t| long(t) != long(target)) {
            return Ok(long(target));
        }
        let start: String = long(target).chars().take(56).collect();
        let hash = hash_text(&format!("{}={}", target.column, target.value)) >> 40;
        Ok(format!("{start}-{hash:06x}"))
    };
    targets.iter().map(name).collect()
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

/// One target of a table.
struct Task<'a> {
    frame: &'a Frame,
    options: &'a FitOptions,
    roles: &'a Roles,
    target: &'a Target,
    name: &'a str,
    progress: &'a dyn Fn(&str),
    /// Places of the columns to learn from.
    features: Vec<usize>,
    split: Split,
}

impl<'a> Task<'a> {
    fn new(
        frame: &'a Frame,
        options: &'a FitOptions,
        roles: &'a Roles,
        target: &'a Target,
        name: &'a str,
        progress: &'a dyn Fn(&str),
    ) -> Result<Task<'a>> {
        let (features, split) = Default::default();
        let task = Task { frame, options, roles, target, name, progress, features, split };
        Ok(Task { features: task.features()?, split: task.split()?, ..task })
    }

    fn data<'b>(&'b self, rows: &'b [u32]) -> Dataset<'b> {
        Dataset {
            frame: self.frame,
            features: &self.features,
            rows,
            target: &self.target.positive,
            weight: &self.roles.weight,
        }
    }

    fn run(&self, fingerprint: &str, table: Option<&BinnedTable>) -> Result<Trained> {
        let (split, features) = (&self.split, &self.features);
        let data = |rows| self.data(rows);
        let train = data(&split.train);
        let (fit_rows, validation_rows) = self.validation(split)?;
        let (fit_data, validation) = (data(&fit_rows), data(&validation_rows));
        (self.progress)(&format!("{}: comparing single features", self.name));
        let (best_feature, single) = Baseline::best_feature(&fit_data, &validation);
        let baseline = match &self.options.recency {
            Some(column) => Baseline::recency(&train, self.recency_feature(features, column)?),
            None => best_feature,
        };
        let (model, candidates) = self.choose(&fit_data, &validation, &train, table)?;
        let calibration_data = data(&split.calibration);
        let margins = margins(&model, &calibration_data);
        let (targets, weights) = (calibration_data.targets(), calibration_data.weights());
        let calibration = Calibration::fit(&margins, &targets, &weights)?;
        let probabilities: Vec<f64> = margins.iter().map(|&m| calibration.probability(m)).collect();
        let rule = self.options.threshold.unwrap_or(match self.options.limits.max_error_rate {
            Some(limit) => {
                ThresholdRule::MaxErrorRate { limit, confidence: self.options.limits.confidence }
            }
            None => ThresholdRule::F1,
        });
        let threshold = Threshold::choose(rule, &probabilities, &targets, &weights)?;
        let scorer = Scorer {
            schema: train.schema(),
            model,
            calibration,
            threshold: threshold.value,
            reference: Reference::new(&margins, &weights),
        };
        (self.progress)(&format!("{}: judging on {} rows", self.name, split.test.len()));
        let evaluation = (!split.test.is_empty()).then(|| {
            judge(&scorer, &baseline, &data(&split.test), &train, self.options, self.roles)
        });
        let named = |s: &rekindle_models::baseline::SingleFeature| SingleFeature {
            feature: scorer.schema.fields()[s.feature].name.clone(),
            roc_auc: s.roc_auc,
        };
        let single_features: Vec<SingleFeature> = single.iter().take(10).map(named).collect();
        let warnings = self.warnings(&single_features, &threshold);
        let counts = RowCounts {
            train: part_count(&train),
            calibration: part_count(&calibration_data),
            test: part_count(&data(&split.test)),
        };
        let manifest = self.manifest(
            &scorer,
            &threshold,
            counts,
            candidates,
            evaluation.as_ref(),
            fingerprint,
            self.roles.time_range(&split.train),
        );
        let artifact = Artifact { manifest, scorer, baseline };
        Ok(Trained { artifact, evaluation, warnings, single_features })
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

    /// Places of the columns to learn from.
    fn features(&self) -> Result<Vec<usize>> {
        let mut left_out: BTreeSet<usize> = self.roles.not_features.clone();
        for (target, column) in &self.options.exclude_for {
            if *target == self.target.column {
                left_out.insert(self.frame.schema().require(column)?);
            }
        }
        let features: Vec<usize> =
            (0..self.frame.schema().len()).filter(|place| !left_out.contains(place)).collect();
        match features.is_empty() {
            true => Err(Error::BadOptions(format!(
                "target {}: no column is left to learn from; expected at least one feature besides \
                 ids, weights, times, targets and excluded columns",
                self.target.column
            ))),
            false => Ok(features),
        }
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

    fn split(&self) -> Result<Split> {
        let rows = &self.target.answered;
        let split = match (&self.roles.time, self.options.embargo) {
            (Some(time), Some(embargo)) => by_cutoff(
                rows,
                time,
                embargo,
                (&self.roles.keys, &self.target.positive),
                self.options.shares,
                self.options.seed,
            ),
            (Some(time), None) => by_time(rows, time, self.options.shares),
            (None, _) => by_customer(
                rows,
                &self.roles.keys,
                &self.target.positive,
                self.options.shares,
                self.options.seed,
            ),
        };
        self.check_part("training", &split.train)?;
        self.check_part("calibration", &split.calibration)?;
        if self.options.shares.test > 0.0 && split.test.is_empty() {
            return Err(self.too_few("test", &split.test));
        }
        Ok(split)
    }

    /// Divides the training rows into those to fit on and those to compare classifiers on.
    fn validation(&self, split: &Split) -> Result<(Vec<u32>, Vec<u32>)> {
        let shares = Shares { calibration: VALIDATION_SHARE, test: 0.0 };
        let inner = match &self.roles.time {
            Some(time) if self.options.embargo.is_none() => by_time(&split.train, time, shares),
            _ => by_customer(
                &split.train,
                &self.roles.keys,
                &self.target.positive,
                shares,
                // Another seed: rows that were kept from the test are not kept from validation.
                rekindle_models::seed::mix2(self.options.seed, 1),
            ),
        };
        self.check_part("training", &inner.train)?;
        self.check_part("validation", &inner.calibration)?;
        Ok((inner.train, inner.calibration))
    }

    fn check_part(&self, part: &'static str, rows: &[u32]) -> Result<()> {
        let positives = rows.iter().filter(|&&row| self.target.positive[row as usize]).count();
        match positives == 0 || positives == rows.len() {
            true => Err(self.too_few(part, rows)),
            false => Ok(()),
        }
    }

    fn too_few(&self, part: &'static str, rows: &[u32]) -> Error {
        let positives = rows.iter().filter(|&&row| self.target.positive[row as usize]).count();
        let todo = match self.roles.time {
            Some(_) => {
                "expected both classes in each span of time; bring more rows or other shares"
            }
            None => "expected both classes in each part; bring more rows or other shares",
        };
        Error::TooFewRows { part, rows: rows.len(), positives, todo }
    }

    /// Fits the classifier asked for, or all of them, and the best once more on all training rows.
    fn choose(
        &self,
        fit_data: &Dataset<'_>,
        validation: &Dataset<'_>,
        train: &Dataset<'_>,
        table: Option<&BinnedTable>,
    ) -> Result<(Fitted, Vec<Candidate>)> {
        let seed = self.options.seed;
        let logistic = Logistic::default();
        let forest = Forest { seed, ..Forest::default() };
        let boosting = Binned { params: Boosting { seed, ..self.options.boosting.clone() }, table };
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

    fn warnings(&self, single: &[SingleFeature], threshold: &Threshold) -> Vec<String> {
        let mut warnings = self.roles.warnings.clone();
        let unanswered = self.frame.rows() - self.target.answered.len();
        if unanswered > 0 {
            warnings.push(format!(
                "{unanswered} of {} rows have no {} and were left out",
                self.frame.rows(),
                self.target.column
            ));
        }
        for feature in single.iter().filter(|f| f.roc_auc >= LEAK_AUC) {
            warnings.push(format!(
                "{} alone reaches a ROC AUC of {:.3}: it may be known only after the fact; \
                 if so, leave it out: --exclude-for \"{}={}\"",
                feature.feature, feature.roc_auc, self.target.column, feature.feature
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
        Manifest {
            model_name: self.name.to_owned(),
            classifier: scorer.model.name().to_owned(),
            target: TargetEntry {
                column: self.target.column.clone(),
                value: self.target.value.clone(),
            },
            population: self.options.population.clone(),
            features: Manifest::features_of(&scorer.schema),
            feature_spec: self.feature_spec(scorer),
            id_column: self.options.id.clone(),
            time_column: self.options.time.clone(),
            weight_column: self.options.weight.clone(),
            ignored_columns: ignored.into_iter().collect(),
            missing_markers: self.options.missing.clone(),
            rows,
            training_time,
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
    scorer: &Scorer,
    baseline: &Baseline,
    test: &Dataset<'_>,
    train: &Dataset<'_>,
    options: &FitOptions,
    roles: &Roles,
) -> Evaluation {
    let (target, weight) = (test.targets(), test.weights());
    let fitted = part_weights(train);
    let margins = margins(&scorer.model, test);
    let probability: Vec<f64> =
        margins.iter().map(|&margin| scorer.calibration.probability(margin)).collect();
    let group: Option<Vec<u64>> = options
        .repeated_ids
        .then(|| test.rows.iter().map(|&row| roles.keys[row as usize]).collect());
    let judged = Judged {
        probability: &probability,
        target: &target,
        weight: &weight,
        group: group.as_deref(),
    };
    let feature = &scorer.schema.fields()[baseline.feature()].name;
    let question = Question {
        threshold: scorer.threshold,
        limits: &options.limits,
        fitted_base_rate: fitted.0 / fitted.1,
        rule: (baseline.name(), feature),
        rule_scores: &baseline.scores(&test.to_rows()),
        seed: options.seed,
    };
    evaluate(&judged, &question)
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

fn part_count(data: &Dataset<'_>) -> PartCount {
    let (positive_weight, weight) = part_weights(data);
    let positives = data.targets().iter().filter(|t| **t).count();
    PartCount { rows: data.rows.len(), positives, weight, positive_weight }
}

/// Versions of what fitted the model, from the lock file that this program was built with.
fn crate_versions() -> BTreeMap<String, String> {
    let wanted = ["linfa-logistic", "rekindle-models", "rekindle-training", "smartcore"];
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &str| {
        let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some((name.to_owned(), after.split('"').next()?.to_owned()))
    };
    wanted.into_iter().filter_map(version).collect()
}
