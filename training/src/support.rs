//! Which features are told of a log: those of families over names with support, counted among customers. Tells no
//! features.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rekindle_models::behaviour::{
    Attribute, Dictionary, Events, FeatureSpec, Metric, NONE, Selector, Timeline,
};
use rekindle_models::frame::nearest_name;
use serde::{Deserialize, Serialize};

use crate::build::GatheredLog;
use crate::error::{Error, Result};
use crate::families::Supported;
use crate::ingest::Room;
use crate::project::Project;

/// Events from which support is counted in a sample of the customers instead of in all.
const SAMPLED_EVENTS: u64 = 5_000_000;
/// The sample: one partition in so many, which is a random share of the customers.
const SAMPLE: usize = 8;

/// One partition in so many is looked at in a log of that many events.
pub fn sample_step(events: u64) -> usize {
    if events > SAMPLED_EVENTS { SAMPLE } else { 1 }
}

/// What the features depend on besides their definitions, from the log and the project: names with
/// support among the events before `before` (milliseconds), so that nothing later decides them.
///
/// # Errors
/// When spilled events cannot be read.
pub fn feature_spec(log: &GatheredLog, project: &Project, before: i64) -> Result<FeatureSpec> {
    let support = Support::count(log, project, before, sample_step(log.events.events()))?;
    support.feature_spec(project, log.attributes.list())
}

impl Support {
    /// The features that have support; `attributes` are those that the log is looked up with.
    ///
    /// # Errors
    /// When a feature cannot be, or names what the log does not have.
    pub fn feature_spec(&self, project: &Project, attributes: &[Attribute]) -> Result<FeatureSpec> {
        let features = &project.features;
        let least = features.min_support * self.customers as f64;
        let purchase = &project.log.purchase;
        let mut supported = Supported {
            kinds: top(&self.kinds, least, features.max_kinds),
            channels: top(&self.channels, least, features.max_channels),
            groups: top(&self.groups, least, features.max_groups),
            measures: project.measures()[1..].to_vec(),
            products: self.products,
            ..Supported::default()
        };
        let met = |kind: &&String| self.kinds.get(*kind).is_some_and(|n| *n > 0);
        let there = |kind: &String| Some(kind).filter(met).cloned();
        supported.purchase = there(purchase);
        supported.returned = there(&project.log.returned);
        let roles = [&supported.purchase, &supported.returned];
        for role in roles.into_iter().flatten() {
            if !supported.kinds.contains(role) {
                supported.kinds.push(role.clone());
            }
        }
        let paid = |kind: &&String| self.with_amount.get(*kind).is_some_and(|n| *n as f64 >= least);
        supported.with_amount = supported.kinds.iter().filter(paid).cloned().collect();
        let list = features.build(&supported);
        let questions = project.questions()?;
        let asked = questions.selectors();
        let selectors: Vec<_> = list
            .iter()
            .flat_map(|f| [Some(&f.of), f.with.as_ref()])
            .flatten()
            .chain(&asked)
            .collect();
        // Sorted by the dictionary; names that only a question or a feature of the user's own has are in it too,
        // and where names are counted, those with support.
        let names = |of: &dyn Fn(&&Selector) -> Vec<String>,
                     counted: Metric,
                     supported: &[String]| {
            let counted = list.iter().any(|f| f.metric == counted).then_some(supported);
            let counted = counted.into_iter().flatten().cloned();
            Dictionary::new(selectors.iter().flat_map(of).chain(counted).collect()).names().to_vec()
        };
        let spec = FeatureSpec {
            timezone: project.log.timezone.clone(),
            kinds: names(&|s| s.kinds.clone(), Metric::Kinds, &supported.kinds),
            channels: names(&|s| s.channels.clone(), Metric::Channels, &supported.channels),
            groups: names(&|s| s.groups.clone(), Metric::Groups, &supported.groups),
            measures: project.measures(),
            windows: FeatureSpec::windows_of(&list),
            duplicates: project.log.duplicates,
            features: list,
            attributes: attributes.to_vec(),
        };
        spec.validate()?;
        check_known(&spec, self)?;
        Ok(spec)
    }
}

/// A name that the log does not have is most likely misspelt.
fn check_known(spec: &FeatureSpec, support: &Support) -> Result<()> {
    let lists = [
        ("kind", &spec.kinds, &support.kinds),
        ("channel", &spec.channels, &support.channels),
        ("product group", &spec.groups, &support.groups),
    ];
    for (what, asked, known) in lists {
        if let Some(name) = asked.iter().find(|name| !known.contains_key(*name)) {
            let names = known.keys().map(String::as_str);
            let near = nearest_name(name, names.clone());
            let near = near.map_or_else(
                || format!("; there is {}", names.take(20).collect::<Vec<_>>().join(", ")),
                |near| format!("; did you mean {near:?}?"),
            );
            return Err(Error::BadOptions(format!(
                "no event of the log has the {what} {name:?} that a target or feature names{near}"
            )));
        }
    }
    Ok(())
}

/// The names with the most customers, at least `least`, at most `most` of them.
fn top(counts: &BTreeMap<String, u64>, least: f64, most: usize) -> Vec<String> {
    let mut names: Vec<(&String, u64)> = counts.iter().map(|(name, n)| (name, *n)).collect();
    names.retain(|(_, n)| *n > 0 && *n as f64 >= least);
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    names.into_iter().take(most).map(|(name, _)| name.clone()).collect()
}

/// Customers with each name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Support {
    customers: u64,
    kinds: BTreeMap<String, u64>,
    with_amount: BTreeMap<String, u64>,
    channels: BTreeMap<String, u64>,
    groups: BTreeMap<String, u64>,
    products: bool,
}

/// The same by code.
#[derive(Debug, Clone, Default)]
struct Counts {
    customers: u64,
    products: bool,
    /// Kinds, kinds with an amount, channels, groups.
    lists: [Vec<u64>; 4],
}

impl Support {
    /// Counts the customers with each name before an instant (milliseconds), in one partition of `step`.
    ///
    /// # Errors
    /// When spilled events cannot be read.
    pub fn count(
        log: &GatheredLog,
        project: &Project,
        before: i64,
        step: usize,
    ) -> Result<Support> {
        let names = log.names.dictionaries();
        let recoding = log.names.recoding(&names);
        let lengths = [&names.kinds, &names.kinds, &names.channels, &names.groups];
        let empty = || Counts {
            lists: lengths.map(|list| vec![0; list.names().len()]),
            ..Counts::default()
        };
        let partitions: Vec<usize> = (0..log.events.partitions()).step_by(step).collect();
        let counts = partitions
            .par_iter()
            .map_init(Default::default, |(room, kept): &mut (Room, Events), &partition| {
                let mut counts = empty();
                let duplicates = project.log.duplicates;
                let loaded = log.events.load(partition, &recoding, duplicates, room)?;
                for (_, span) in loaded.customers() {
                    counts.customer(&Timeline::new(loaded.events(), span), before, kept);
                }
                Ok::<Counts, Error>(counts)
            })
            .try_reduce(empty, |a, b| Ok(a.plus(&b)))?;
        let named = |list: &Dictionary, counts: &[u64]| {
            list.names().iter().cloned().zip(counts.iter().copied()).collect()
        };
        let [kinds, with_amount, channels, groups] = &counts.lists;
        Ok(Support {
            customers: counts.customers,
            products: counts.products,
            kinds: named(&names.kinds, kinds),
            with_amount: named(&names.kinds, with_amount),
            channels: named(&names.channels, channels),
            groups: named(&names.groups, groups),
        })
    }

    /// These customers and others.
    pub fn plus(mut self, other: Support) -> Support {
        self.customers += other.customers;
        self.products |= other.products;
        let Support { kinds, with_amount, channels, groups, .. } = &mut self;
        let lists = [kinds, with_amount, channels, groups];
        let more = [other.kinds, other.with_amount, other.channels, other.groups];
        for (list, more) in lists.into_iter().zip(more) {
            more.into_iter().for_each(|(name, count)| *list.entry(name).or_default() += count);
        }
        self
    }
}

impl Counts {
    fn customer(&mut self, timeline: &Timeline<'_>, before: i64, kept: &mut Events) {
        // What was received later was not known then, whenever it happened.
        let history = timeline.history(before, kept);
        let events = history.events();
        if events.is_empty() {
            return;
        }
        self.customers += 1;
        self.products |= events.products().iter().any(|product| *product != 0);
        let amounts = events.measure(0);
        let paid = |place: &usize| amounts.get(*place).is_some_and(|a| !a.is_nan());
        let with_amount: Vec<u16> =
            (0..events.len()).filter(paid).map(|place| events.kinds()[place]).collect();
        let codes = [events.kinds(), &with_amount, events.channels(), events.groups()];
        for (list, codes) in self.lists.iter_mut().zip(codes) {
            let mut codes: Vec<u16> = codes.iter().copied().filter(|c| *c != NONE).collect();
            codes.sort_unstable();
            codes.dedup();
            for code in codes {
                if let Some(count) = list.get_mut(usize::from(code)) {
                    *count += 1;
                }
            }
        }
    }

    fn plus(mut self, other: &Counts) -> Counts {
        self.customers += other.customers;
        self.products |= other.products;
        for (list, more) in self.lists.iter_mut().zip(&other.lists) {
            list.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        }
        self
    }
}
