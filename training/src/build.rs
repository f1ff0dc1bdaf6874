//! From gathered logs to snapshots: which names have support, then the panel's rows, partition by
//! partition, in an order that depends on the customers alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::errors::ParquetError;
use rayon::prelude::*;
use rekindle_models::behaviour::{
    Dictionary, Duplicates, Events, FeatureSpec, Metric, NONE, Recoding, Selector, Timeline,
};

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::families::Supported;
use crate::ingest::{CustomerId, Gathered, LogNames, ROOMS_A_THREAD, Room};
use crate::panel::{Block, Panel, PanelScratch, Population};
use crate::project::Project;
use crate::snapshot::{About, Encoded, Encoder, Snapshots, TargetAbout};

/// A log in memory and on disk, with the names met in it.
#[derive(Debug)]
pub struct GatheredLog {
    /// The events by customer.
    pub events: Gathered,
    /// Kinds, channels and product groups.
    pub names: LogNames,
    /// What is known of customers besides.
    pub attributes: Arc<Attributes>,
    /// What happens to events that are equal.
    pub duplicates: Duplicates,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Built {
    /// Partitions done.
    pub done: usize,
    /// Partitions in all.
    pub all: usize,
}

/// Events from which support is counted in a sample of the customers instead of in all.
const SAMPLED_EVENTS: u64 = 5_000_000;
/// The sample: one partition in so many, which is a random share of the customers.
const SAMPLE: usize = 8;

/// What the features depend on besides their definitions, from the log and the project: names with
/// support among the events before `before` (milliseconds), so that nothing later decides them.
///
/// # Errors
/// When spilled events cannot be read.
pub fn feature_spec(log: &GatheredLog, project: &Project, before: i64) -> Result<FeatureSpec> {
    let support = Support::count(log, project, before)?;
    let features = &project.features;
    let least = features.min_support * support.customers as f64;
    let purchase = &project.log.purchase;
    let mut supported = Supported {
        kinds: top(&support.kinds, least, features.max_kinds),
        channels: top(&support.channels, least, features.max_channels),
        groups: top(&support.groups, least, features.max_groups),
        measures: project.measures()[1..].to_vec(),
        products: support.products,
        ..Supported::default()
    };
    let met = |kind: &&String| support.kinds.get(*kind).is_some_and(|n| *n > 0);
    let there = |kind: &String| Some(kind).filter(met).cloned();
    supported.purchase = there(purchase);
    supported.returned = there(&project.log.returned);
    let roles = [&supported.purchase, &supported.returned];
    for role in roles.into_iter().flatten() {
        if !supported.kinds.contains(role) {
            supported.kinds.push(role.clone());
        }
    }
    let paid = |kind: &&String| support.with_amount.get(*kind).is_some_and(|n| *n as f64 >= least);
    supported.with_amount = supported.kinds.iter().filter(paid).cloned().collect();
    let list = features.build(&supported);
    let questions = project.questions()?;
    let asked = questions.iter().flat_map(|(_, q)| q.selectors());
    let selectors: Vec<_> =
        list.iter().flat_map(|f| [Some(&f.of), f.with.as_ref()]).flatten().chain(asked).collect();
    // Sorted by the dictionary; names that only a question or a feature of the user's own has are in it too,
    // and where names are counted, those with support.
    let names = |of: &dyn Fn(&&Selector) -> Vec<String>, counted: Metric, supported: &[String]| {
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
        attributes: log.attributes.list().to_vec(),
    };
    spec.validate()?;
    check_known(&spec, &support)?;
    Ok(spec)
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
            let near = rekindle_models::frame::nearest_name(name, names.clone());
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
#[derive(Debug, Default)]
struct Support {
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
    fn count(log: &GatheredLog, project: &Project, before: i64) -> Result<Support> {
        let names = log.names.dictionaries();
        let recoding = log.names.recoding(&names);
        let step = if log.events.events() > SAMPLED_EVENTS { SAMPLE } else { 1 };
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

/// What was built.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Written {
    /// Rows of the file.
    pub rows: u64,
    /// Who was asked.
    pub populations: Vec<Population>,
    /// Events that are equal to another one of their customer but for when they were received.
    pub duplicates: u64,
    /// Customers with labels or attributes who are not in the log.
    pub not_in_log: usize,
}

/// Bytes of features from which rows are put away as a row group of their own: what a few threads make at a
/// time is to be small beside a memory limit, whatever the number of cutoffs and features.
const BLOCK_BYTES: usize = 24 << 20;
/// Customers without events whose rows are made at a time.
const SILENT_AT_A_TIME: usize = 4_096;

/// Writes all rows of a panel and tells who was asked.
///
/// # Errors
/// When spilled events cannot be read or the file cannot be written.
pub fn write_panel<W: Write + Send>(
    log: &GatheredLog,
    spec: &FeatureSpec,
    panel: &Panel,
    mut to: Snapshots<W>,
    watch: &dyn Fn(Built),
) -> Result<Written> {
    let silent = Silent::new(log, panel);
    let task = Task {
        log,
        spec,
        panel,
        silent: &silent,
        codes: log.names.recoding(&spec.dictionaries()),
        encoder: to.encoder(),
        block_bytes: BLOCK_BYTES,
    };
    let all = log.events.partitions();
    let mut written =
        Written { populations: panel.populations(std::iter::empty()), ..Written::default() };
    // A few partitions at a time: their rows are in memory until they are written in order.
    let at_once = rayon::current_num_threads() * ROOMS_A_THREAD;
    let partitions: Vec<usize> = (0..all).collect();
    let mut desks: Vec<Desk> = (0..at_once).map(|_| Desk::new(panel)).collect();
    let mut before = Vec::new();
    for group in partitions.chunks(at_once) {
        // While some partitions are told, those before them are written.
        let (told, appended) = rayon::join(
            || {
                let told =
                    group.par_iter().zip(&mut desks).map(|(&p, desk)| task.partition(p, desk));
                told.collect::<Result<Vec<_>>>()
            },
            || before.drain(..).try_for_each(|block| to.append(block)),
        );
        appended.map_err(failed)?;
        for (block, more) in told?.into_iter().flatten() {
            before.push(block);
            written.add(more);
        }
        watch(Built { done: group[group.len() - 1] + 1, all });
    }
    before.into_iter().try_for_each(|block| to.append(block)).map_err(failed)?;
    let unmet = silent.unmet();
    silent.check_labelled(&unmet)?;
    written.not_in_log = unmet.len();
    let mut scratch = panel.scratch();
    for customers in unmet.chunks(SILENT_AT_A_TIME) {
        let mut block = Block::default();
        panel.add_silent(customers.iter().map(String::as_str), &mut scratch, &mut block);
        let (block, more) = task.encode(&block)?;
        written.add(more);
        to.append(block).map_err(failed)?;
    }
    to.finish().map_err(failed)?;
    Ok(written)
}

fn failed(error: ParquetError) -> Error {
    Error::BadOptions(format!("failed to write the snapshots: {error}"))
}

impl Written {
    fn add(&mut self, more: Written) {
        self.rows += more.rows;
        self.duplicates += more.duplicates;
        for (total, more) in self.populations.iter_mut().zip(more.populations) {
            total.eligible += more.eligible;
            total.positives += more.positives;
        }
    }
}

/// What rows are made of, and how they are put away.
struct Task<'a> {
    log: &'a GatheredLog,
    spec: &'a FeatureSpec,
    panel: &'a Panel,
    silent: &'a Silent<'a>,
    codes: Recoding,
    encoder: Encoder,
    block_bytes: usize,
}

/// Where a partition's rows are made: room that the next one uses again.
struct Desk {
    room: Room,
    scratch: PanelScratch,
    block: Block,
}

impl Desk {
    fn new(panel: &Panel) -> Desk {
        Desk { room: Room::default(), scratch: panel.scratch(), block: Block::default() }
    }
}

impl Task<'_> {
    /// The rows of one partition, encoded block by block.
    fn partition(&self, partition: usize, desk: &mut Desk) -> Result<Vec<(Encoded, Written)>> {
        let Desk { room, scratch, block } = desk;
        let loaded = self.log.events.load(partition, &self.codes, self.spec.duplicates, room)?;
        let mut encoded = Vec::new();
        block.clear();
        for (customer, span) in loaded.customers() {
            let timeline = Timeline::new(loaded.events(), span);
            self.silent.met(customer);
            self.panel.add(&customer.to_string(), &timeline, scratch, block);
            if size_of_val(&block.features[..]) >= self.block_bytes {
                encoded.push(self.encode(block)?);
                block.clear();
            }
        }
        let (last, written) = self.encode(block)?;
        encoded.push((last, Written { duplicates: loaded.duplicates(), ..written }));
        Ok(encoded)
    }

    fn encode(&self, block: &Block) -> Result<(Encoded, Written)> {
        let populations = self.panel.populations(std::iter::once(block));
        let rows = block.customers.len() as u64;
        let encoded = self.encoder.encode(block).map_err(failed)?;
        Ok((encoded, Written { rows, populations, ..Written::default() }))
    }
}

/// Customers who may have rows without being in the log: those with labels, or with attributes.
pub(crate) struct Silent<'a> {
    labelled: Option<Vec<&'a str>>,
    attributes: &'a Attributes,
    met: Vec<AtomicBool>,
}

impl<'a> Silent<'a> {
    fn new(log: &'a GatheredLog, panel: &'a Panel) -> Silent<'a> {
        Silent::of(log, panel.labelled())
    }

    /// Those with attributes.
    pub fn of_attributes(log: &'a GatheredLog) -> Silent<'a> {
        Silent::of(log, None)
    }

    fn of(log: &'a GatheredLog, labelled: Option<Vec<&'a str>>) -> Silent<'a> {
        let number = labelled.as_ref().map_or(log.attributes.customers().len(), Vec::len);
        let met = (0..number).map(|_| AtomicBool::new(false)).collect();
        Silent { labelled, attributes: &log.attributes, met }
    }

    /// Notes that a customer is in the log.
    pub fn met(&self, customer: CustomerId<'_>) {
        let number = match &self.labelled {
            Some(labelled) => labelled.binary_search(&customer.to_string().as_str()).ok(),
            None => self.attributes.number(customer),
        };
        if let Some(met) = number.and_then(|number| self.met.get(number)) {
            met.store(true, Ordering::Relaxed);
        }
    }

    /// Refuses labels of nobody: their ids are most likely written otherwise than the log's.
    fn check_labelled(&self, unmet: &[String]) -> Result<()> {
        let someone = self.attributes.customers().len() > 0 || unmet.len() < self.met.len();
        match unmet {
            [first, ..] if self.labelled.is_some() && !someone => Err(Error::BadOptions(format!(
                "none of the {} customers with labels is in the log, as {first:?}; expected the ids of the log: \
                 is `customer` in [labels] the right column, and are the ids written as there?",
                unmet.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Those who were not met, in an order of their own.
    pub fn unmet(&self) -> Vec<String> {
        let all: Box<dyn Iterator<Item = String>> = match &self.labelled {
            Some(labelled) => Box::new(labelled.iter().map(|customer| (*customer).to_owned())),
            None => Box::new(self.attributes.customers().map(|customer| customer.to_string())),
        };
        let both = all.zip(&self.met).filter(|(_, met)| !met.load(Ordering::Relaxed));
        both.map(|(customer, _)| customer).collect()
    }
}

/// What a file of snapshots says of itself.
pub fn about(spec: &FeatureSpec, project: &Project, cutoffs: usize) -> Result<About> {
    let questions = project.questions()?;
    let asked = questions.iter().map(|(name, question)| TargetAbout {
        name: name.clone(),
        known_after_days: question.gap.0 + question.horizon.0,
    });
    let given = project.labels.iter().map(|labels| TargetAbout {
        name: labels.target.clone(),
        known_after_days: labels.known_after.unwrap_or_default().0,
    });
    Ok(About {
        fingerprint: spec.fingerprint(),
        features: spec.clone(),
        cutoffs,
        targets: asked.chain(given).collect(),
    })
}

#[cfg(test)]
mod tests {
    use rekindle_models::behaviour::{Feature, Window};

    use super::*;
    use crate::ingest::{EventBatch, Gathering, Ids};
    use crate::panel::Cutoffs;

    #[test]
    fn rows_are_the_same_in_however_many_blocks() {
        let names = LogNames::default();
        let kind = names.kinds.code("visit").unwrap();
        let gathering = Gathering::new(1 << 24, &std::env::temp_dir(), 1).unwrap();
        let customers: Vec<i64> = (0..3_000).map(|event| event % 700).collect();
        let events = Events {
            times: (0..3_000).map(|event| event / 2).collect(),
            kinds: vec![kind; 3_000],
            measures: vec![Vec::new()],
            ..Events::default()
        };
        gathering.add(EventBatch { customers: Ids::Numbers(customers), events }).unwrap();
        let events = gathering.finish().unwrap();
        let log =
            GatheredLog { events, names, attributes: Arc::default(), duplicates: Duplicates::Keep };
        let count = Feature::new(Metric::Count, Selector::default(), Window::All);
        let spec = FeatureSpec {
            timezone: "UTC".to_owned(),
            kinds: vec!["visit".to_owned()],
            channels: Vec::new(),
            groups: Vec::new(),
            measures: vec!["amount".to_owned()],
            windows: vec![Window::All],
            duplicates: Duplicates::Keep,
            features: vec![count],
            attributes: Vec::new(),
        };
        let panel = Panel::new(&spec, &[], None, Cutoffs::Common(vec![500, 1_000, 2_000])).unwrap();
        let about = About {
            fingerprint: spec.fingerprint(),
            features: spec.clone(),
            cutoffs: 3,
            targets: Vec::new(),
        };
        let told = |block_bytes: usize| {
            let to = Snapshots::csv(Vec::new(), &about).unwrap();
            let silent = Silent::new(&log, &panel);
            let codes = log.names.recoding(&spec.dictionaries());
            let encoder = to.encoder();
            let (log, spec, panel, silent) = (&log, &spec, &panel, &silent);
            let task = Task { log, spec, panel, silent, codes, encoder, block_bytes };
            let mut desk = Desk::new(panel);
            let (mut lines, mut rows, mut blocks) = (Vec::new(), 0, 0);
            for partition in 0..log.events.partitions() {
                for (block, written) in task.partition(partition, &mut desk).unwrap() {
                    let Encoded::Lines(some) = block else { panic!("the file is one of lines") };
                    lines.extend(some);
                    (rows, blocks) = (rows + written.rows, blocks + 1);
                }
            }
            (lines, rows, blocks)
        };
        let (whole, rows, blocks) = told(usize::MAX);
        assert!(rows > 1_500 && blocks == log.events.partitions(), "{rows} {blocks}");
        let (cut, cut_rows, cut_blocks) = told(1);
        assert!(cut == whole && cut_rows == rows);
        assert_eq!(cut_blocks, blocks + 700);
    }
}
