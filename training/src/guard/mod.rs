//! The leak guard: which features know the answer, by what evidence, and which of them are left out. It looks
//! at training rows with their answers; of other rows at features only, and for warnings only.

mod construction;
mod counts;
mod identity;
mod time;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use rekindle_models::frame::{Field, Frame};

use counts::{Bins, Counts, Rows, Sample};

/// A table and a target to look for leaks in.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// The table.
    pub frame: &'a Frame,
    /// Places of the features.
    pub features: &'a [usize],
    /// Training rows, rising: the only ones whose answers are looked at.
    pub train: &'a [u32],
    /// Rows that will judge, of which features alone are looked at.
    pub later: &'a [u32],
    /// The target of every row.
    pub target: &'a [bool],
    /// The customer of every row.
    pub keys: &'a [u64],
    /// The time of every row, where there is one.
    pub time: Option<&'a [f64]>,
    /// Places of features whose source has no time of knowing: the user says they never change.
    pub untimed: &'a BTreeSet<usize>,
    /// Places of features that are dates, told in days before the cutoff: below 0 where they lie after it.
    pub dates: &'a BTreeSet<usize>,
    /// Places of features that stay, whatever is found.
    pub allowed: &'a BTreeSet<usize>,
}

/// What a feature was tested for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// It ranks too well by itself.
    Value,
    /// Having a value tells.
    Missing,
    /// Its source has no time of knowing, or it tells of the horizon.
    Construction,
    /// What it is or tells does not last.
    Time,
    /// It is an id, the order of the rows, the target itself or half of it.
    Identity,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is no feature of this target.
    Excluded,
    /// It would be excluded, but the user allows it.
    Allowed,
    /// It is suspicious and stays.
    Warned,
}

/// A feature that is suspected of knowing the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// Its place in the table.
    pub feature: usize,
    /// The test that speaks most clearly.
    pub test: Test,
    /// The test's figure: a ROC AUC, or a share.
    pub value: f64,
    /// What was found, in a sentence with the figure it is compared with.
    pub evidence: String,
    /// What follows.
    pub action: Action,
}

impl Test {
    /// The word for it in reports and files.
    pub fn word(self) -> &'static str {
        match self {
            Test::Value => "by value",
            Test::Missing => "by missing or not",
            Test::Construction => "by construction",
            Test::Time => "by time",
            Test::Identity => "by identity",
        }
    }
}

impl Action {
    /// The word for it in reports and files.
    pub fn word(self) -> &'static str {
        match self {
            Action::Excluded => "excluded",
            Action::Allowed => "allowed",
            Action::Warned => "warned",
        }
    }
}

/// The features that are suspected, in the order of [`Scan::features`], each once. Where the halves of the
/// customers have fewer than 10 rows of each class, nothing is told from answers.
pub fn leaks(scan: &Scan<'_>) -> Vec<Leak> {
    let mut case = Case::new(*scan);
    identity::names_and_numbers(&mut case);
    if case.enough() {
        value::by_missing(&mut case);
        construction::dates_ahead(&mut case);
        value::by_value(&mut case);
        identity::pairs(&mut case);
        time::lost_power(&mut case);
        time::moved(&mut case);
    }
    case.found.into_values().collect()
}

/// The table as it is looked at, and what was found so far.
struct Case<'a> {
    scan: Scan<'a>,
    sample: Sample,
    features: Vec<Feature>,
    /// By place among the features.
    found: BTreeMap<usize, Leak>,
}

/// A feature's cells beside the target.
struct Feature {
    bins: Bins,
    counts: Counts,
    /// ROC AUC by itself, on each half of the customers.
    halves: [f64; 2],
}

impl Feature {
    /// What both halves agree on.
    fn auc(&self) -> f64 {
        self.halves[0].min(self.halves[1])
    }
}

impl<'a> Case<'a> {
    fn new(scan: Scan<'a>) -> Case<'a> {
        let sample = Sample::new(scan.train, scan.target, scan.keys, scan.time);
        let feature = |&place: &usize| {
            let column = &scan.frame.columns()[place];
            let bins = Bins::new(column, &scan.frame.schema().fields()[place].kind, &sample.rows);
            let places = bins.places(column, &sample.rows);
            let counts = Counts::new(bins.present() + 1, &places, &sample);
            let halves = counts.halves();
            Feature { bins, counts, halves }
        };
        let features = scan.features.par_iter().map(feature).collect();
        Case { scan, sample, features, found: BTreeMap::new() }
    }

    /// Whether each half has rows of both classes.
    fn enough(&self) -> bool {
        let any = self.features.first();
        any.is_some_and(|any| [0, 1].iter().all(|&half| any.counts.enough(Rows::All(half))))
    }

    fn field(&self, feature: usize) -> &'a Field {
        &self.scan.frame.schema().fields()[self.scan.features[feature]]
    }

    fn name(&self, feature: usize) -> &'a str {
        &self.field(feature).name
    }

    /// The bins of a feature's cells in the sample.
    fn places(&self, feature: usize) -> Vec<u32> {
        let column = &self.scan.frame.columns()[self.scan.features[feature]];
        self.features[feature].bins.places(column, &self.sample.rows)
    }

    /// Whether it is known to leak, left out or not.
    fn leaks(&self, feature: usize) -> bool {
        self.found.get(&feature).is_some_and(|leak| leak.action != Action::Warned)
    }

    /// The features that are not known to leak, the best by itself first.
    fn best_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> =
            (0..self.features.len()).filter(|&feature| !self.leaks(feature)).collect();
        order.sort_by(|&a, &b| self.features[b].auc().total_cmp(&self.features[a].auc()));
        order
    }

    fn exclude(&mut self, feature: usize, test: Test, value: f64, evidence: String) {
        if !self.leaks(feature) {
            let place = self.scan.features[feature];
            let allowed = self.scan.allowed.contains(&place);
            let action = if allowed { Action::Allowed } else { Action::Excluded };
            self.found.insert(feature, Leak { feature: place, test, value, evidence, action });
        }
    }

    fn warn(&mut self, feature: usize, test: Test, value: f64, evidence: String) {
        let leak = Leak {
            feature: self.scan.features[feature],
            test,
            value,
            evidence,
            action: Action::Warned,
        };
        self.found.entry(feature).or_insert(leak);
    }

    /// How the halves of the customers agree, and among how many.
    fn population(&self, [first, second]: [f64; 2]) -> String {
        let rows = self.sample.rows.len();
        format!("{first:.3} and {second:.3} on two halves of the customers, {rows} training rows")
    }
}

/// The odds that one with the target ranks above one without it.
fn odds(auc: f64) -> f64 {
    auc / (1.0 - auc)
}

#[cfg(test)]
mod tests;
