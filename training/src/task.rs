//! What a table is asked, target by target: which columns and rows each is learned, compared and judged on. Fits
//! nothing.

use std::collections::BTreeSet;

use rekindle_models::artifact::LeakEntry;
use rekindle_models::behaviour::AttributeKind;
use rekindle_models::classifiers::boosting::BinnedTable;
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::Frame;
use rekindle_models::seed::{hash_text, mix2};

use crate::error::{Error, Result};
use crate::guard::{Action, Leak, Scan, leaks};
use crate::label::Target;
use crate::marks;
use crate::options::{FitOptions, ModelChoice};
use crate::roles::{Roles, check_roles};
use crate::split::{Shares, Split, by_customer, by_cutoff, by_time};

/// Share of the training rows on which classifiers are compared.
const VALIDATION_SHARE: f64 = 0.2;

/// The targets of a table, and what its columns are for.
#[derive(Debug)]
pub(crate) struct Asked {
    targets: Vec<Target>,
    /// The models' names, by target.
    names: Vec<String>,
    /// Ids, weights and times.
    pub roles: Roles,
}

impl Asked {
    /// # Errors
    /// When the options contradict each other or do not fit the table.
    pub fn find(frame: &Frame, options: &FitOptions) -> Result<Asked> {
        check_options(options)?;
        let targets: Vec<Target> =
            options.targets.iter().map(|spec| spec.find(frame)).collect::<Result<_>>()?;
        let roles = Roles::find(frame, options, &targets)?;
        let columns = frame.schema().fields().iter().map(|field| field.name.as_str());
        let columns: Vec<&str> = columns.collect();
        marks::check(&columns, &options.groups, &options.marketing)?;
        let names = model_names(&targets)?;
        Ok(Asked { targets, names, roles })
    }

    /// A task for each target, without the features that know its answer.
    ///
    /// # Errors
    /// When a part has too few rows, or no feature is left.
    pub fn tasks<'a>(
        &'a self,
        frame: &'a Frame,
        options: &'a FitOptions,
        progress: &'a dyn Fn(&str),
    ) -> Result<Vec<Task<'a>>> {
        let task = |(target, name): (&'a Target, &'a String)| {
            Task::new(frame, options, &self.roles, target, name, progress)
        };
        self.targets.iter().zip(&self.names).map(task).collect()
    }
}

/// A target with the features and rows that choices among features are made from: never the rows that
/// calibrate or judge.
#[derive(Debug)]
pub(crate) struct Chooser {
    /// The model's name.
    pub name: String,
    /// The answers.
    pub target: Target,
    /// Places of the features.
    pub features: Vec<usize>,
    /// Rows to learn from.
    pub learn: Vec<u32>,
    /// Rows to compare on.
    pub validation: Vec<u32>,
}

/// One target of a table.
pub(crate) struct Task<'a> {
    pub frame: &'a Frame,
    pub options: &'a FitOptions,
    pub roles: &'a Roles,
    pub target: &'a Target,
    pub name: &'a str,
    pub progress: &'a dyn Fn(&str),
    /// Places of the columns to learn from.
    pub features: Vec<usize>,
    pub split: Split,
    /// Features that are suspected of knowing the answer; those excluded are not among the features.
    pub leaks: Vec<Leak>,
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
        let (features, split, leaks) = Default::default();
        let task = Task { frame, options, roles, target, name, progress, features, split, leaks };
        let task = Task { features: task.features()?, split: task.split()?, ..task };
        let leaks = task.scan()?;
        let leaves = |place: &usize| {
            let excluded = |leak: &&Leak| leak.feature == *place && leak.action == Action::Excluded;
            !leaks.iter().any(|leak| excluded(&leak))
        };
        let features: Vec<usize> = task.features.iter().copied().filter(leaves).collect();
        if features.is_empty() {
            return Err(Error::BadOptions(format!(
                "target {}: every feature knows the answer ({}); expected at least one that does not, or \
                 --allow-leak",
                target.column,
                leaks.first().map_or("", |leak| leak.evidence.as_str())
            )));
        }
        Ok(Task { features, leaks, ..task })
    }

    /// Features that are suspected of knowing the answer.
    fn scan(&self) -> Result<Vec<Leak>> {
        let places = |names: &[String]| -> Result<BTreeSet<usize>> {
            names.iter().map(|name| Ok(self.frame.schema().require(name)?)).collect()
        };
        // Those that the user excludes are no columns.
        let untimed = self.options.untimed.iter();
        let untimed = untimed.filter_map(|name| self.frame.schema().place(name)).collect();
        let spec = self.options.feature_spec.iter();
        let dates =
            spec.flat_map(|spec| &spec.attributes).filter(|a| a.kind == AttributeKind::Date);
        let dates = dates.filter_map(|a| self.frame.schema().place(&a.column())).collect();
        (self.progress)(&format!("{}: looking for leaks", self.name));
        Ok(leaks(&Scan {
            frame: self.frame,
            features: &self.features,
            train: &self.split.train,
            later: &self.split.test,
            target: &self.target.positive,
            keys: &self.roles.keys,
            time: self.roles.time.as_deref(),
            untimed: &untimed,
            dates: &dates,
            allowed: &places(&self.options.allow_leak)?,
        }))
    }

    /// What was found, by name.
    pub fn leak_entries(&self) -> Vec<LeakEntry> {
        let name = |place: usize| self.frame.schema().fields()[place].name.clone();
        let entry = |leak: &Leak| LeakEntry {
            feature: name(leak.feature),
            target: self.target.name(),
            test: leak.test.word().to_owned(),
            evidence: leak.evidence.clone(),
            action: leak.action.word().to_owned(),
        };
        self.leaks.iter().map(entry).collect()
    }

    pub fn data<'b>(&'b self, rows: &'b [u32]) -> Dataset<'b> {
        Dataset {
            frame: self.frame,
            features: &self.features,
            rows,
            target: &self.target.positive,
            weight: &self.roles.weight,
        }
    }

    /// What choices among features are made from.
    ///
    /// # Errors
    /// When a part has too few rows.
    pub fn chooser(&self) -> Result<Chooser> {
        let (learn, validation) = self.validation()?;
        Ok(Chooser {
            name: self.name.to_owned(),
            target: self.target.clone(),
            features: self.features.clone(),
            learn,
            validation,
        })
    }

    /// Places of the columns to learn from.
    fn features(&self) -> Result<Vec<usize>> {
        let mut left_out: BTreeSet<usize> = self.roles.not_features.clone();
        for (target, column) in &self.options.exclude_for {
            if *target == self.target.column {
                left_out.insert(self.frame.schema().require(column)?);
            }
        }
        let chosen = self.chosen()?;
        let features: Vec<usize> = (0..self.frame.schema().len())
            .filter(|place| !left_out.contains(place))
            .filter(|place| chosen.as_ref().is_none_or(|chosen| chosen.contains(place)))
            .collect();
        match features.is_empty() {
            true => Err(Error::BadOptions(format!(
                "target {}: no column is left to learn from; expected at least one feature besides \
                 ids, weights, times, targets and excluded columns",
                self.target.column
            ))),
            false => Ok(features),
        }
    }

    /// Places of the columns that were chosen for the target, where a choice was made.
    fn chosen(&self) -> Result<Option<BTreeSet<usize>>> {
        let Some(chosen) = &self.options.features else { return Ok(None) };
        let target = self.target.name();
        let Some(names) = chosen.get(&target) else {
            let known: Vec<&str> = chosen.keys().map(String::as_str).collect();
            return Err(Error::BadOptions(format!(
                "--features: it has no features of the target {target}; found {}",
                known.join(", ")
            )));
        };
        let place = |name: &String| Ok(self.frame.schema().require(name)?);
        names.iter().map(place).collect::<Result<_>>().map(Some)
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
    pub fn validation(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let shares = Shares { calibration: VALIDATION_SHARE, test: 0.0 };
        let inner = match &self.roles.time {
            Some(time) if self.options.embargo.is_none() => {
                by_time(&self.split.train, time, shares)
            }
            _ => by_customer(
                &self.split.train,
                &self.roles.keys,
                &self.target.positive,
                shares,
                // Another seed: rows that were kept from the test are not kept from validation.
                mix2(self.options.seed, 1),
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
}

fn check_options(options: &FitOptions) -> Result<()> {
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
    if options.tuning.is_some() {
        if matches!(options.model, ModelChoice::Logistic | ModelChoice::Forest) {
            return Err(Error::BadOptions(
                "--budget: the booster's parameters are looked for; expected --model boosting or auto"
                    .to_owned(),
            ));
        }
        if options.boosting.early_stopping_round > 0 {
            return Err(Error::BadOptions(
                "--budget: the number of trees is looked for, too; expected early_stopping_round=0"
                    .to_owned(),
            ));
        }
    }
    if options.boosting.early_stopping_round > 0 && (options.repeated_ids || options.time.is_some())
    {
        return Err(Error::BadOptions(
            "early_stopping_round holds back rows at random, which with repeated ids or a time column \
             are no judges; expected 0: choose num_iterations instead"
                .to_owned(),
        ));
    }
    Ok(())
}

/// The features of a dataset in bins: cut once for several targets. Cuts are learned from rows that every target
/// trains on; `None` where those are fewer than half of the smallest set, so that each target needs a table of its own.
pub(crate) fn common_table(
    data: &Dataset<'_>,
    trained: &[&[u32]],
    max_bin: usize,
) -> Option<BinnedTable> {
    let mut met = vec![0_usize; data.frame.rows()];
    trained.iter().copied().flatten().for_each(|&row| met[row as usize] += 1);
    let common: Vec<u32> =
        (0..).zip(&met).filter(|(_, n)| **n == trained.len()).map(|(row, _)| row).collect();
    let fewest = trained.iter().map(|rows| rows.len()).min()?;
    (2 * common.len() >= fewest).then(|| BinnedTable::new(&data.with_rows(&common), max_bin))
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
