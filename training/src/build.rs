//! From gathered logs to snapshots: the panel's rows, partition by partition, in an order that depends on the
//! customers alone.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::errors::ParquetError;
use rayon::prelude::*;
use rekindle_models::behaviour::{Attribute, Duplicates, FeatureSpec, Recoding, Timeline};
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::error::{Error, Result};
use crate::ingest::{CustomerId, Gathered, LogNames, Room};
use crate::panel::{Block, Panel, PanelScratch, Population};
use crate::project::Project;
use crate::snapshot::{About, Encoded, Encoder, Open, PAGE_ROWS, Snapshots, TargetAbout};

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

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// Rows of the file.
    pub rows: u64,
    /// Who was asked.
    pub populations: Vec<Population>,
    /// Events that are equal to another one of their customer but for when they were received.
    pub duplicates: u64,
    /// Customers with labels or attributes who are not in the log.
    pub not_in_log: usize,
    /// Rows left out as their customers were contacted.
    pub contacted: u64,
    /// Rows of customers who were held out, which stand for more than one.
    pub held_out: u64,
    /// How many rows those stand for.
    pub held_out_stand_for: f64,
}

/// How much is made before it is put away, in bytes of features: a few threads' worth is to be small beside a
/// memory limit, whatever the number of cutoffs and features.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// From which rows are encoded.
    block: usize,
    /// From which encoded rows are a row group. What a file says of its row groups is in memory to its end:
    /// they are not to be many either.
    group: usize,
}

impl Sizes {
    /// What takes the least memory: a thread has some groups at hand, each column of each group is told of at the
    /// end. Depends on the log and the panel alone, as the file does.
    fn new(log: &GatheredLog, panel: &Panel) -> Sizes {
        let of_file = (cells(log, panel) * size_of::<f64>()) as f64;
        let of_a_group = (columns(panel) * COLUMN_CHUNK_BYTES) as f64;
        let group = (of_file * of_a_group).sqrt() as usize;
        Sizes { block: 4 << 20, group: group.clamp(4 << 20, 256 << 20) }
    }
}

/// What is known of a column of a row group, in memory, while a file is written.
const COLUMN_CHUNK_BYTES: usize = 700;
/// Partitions that are told by one thread in a row, at most: not so many that threads have nothing to do.
const PARTITIONS_IN_A_ROW: usize = 16;
/// Customers without events whose rows are made at a time.
const SILENT_AT_A_TIME: usize = 4_096;

/// About how much memory [`write_panel`] takes besides the log, in bytes.
pub fn writing_bytes(log: &GatheredLog, panel: &Panel) -> u64 {
    let (threads, sizes) = (rayon::current_num_threads(), Sizes::new(log, panel));
    let all = cells(log, panel) * size_of::<f64>();
    let groups = all / sizes.group + log.events.partitions() / PARTITIONS_IN_A_ROW;
    // A group that is made and one that is written for each thread, at a quarter of their cells' bytes; a page
    // of each column being filled; the blocks; what the file says of its row groups.
    let encoded = 2 * threads * sizes.group.min(all) / 4;
    let pages = threads * columns(panel) * PAGE_ROWS * size_of::<f64>() * 2;
    (encoded + pages + threads * 4 * sizes.block + groups * columns(panel) * COLUMN_CHUNK_BYTES)
        as u64
}

/// Columns of numbers.
fn columns(panel: &Panel) -> usize {
    panel.width() + panel.targets().len()
}

/// Numbers in all, if every customer has a row at each cutoff.
fn cells(log: &GatheredLog, panel: &Panel) -> usize {
    log.events.customers() as usize * panel.cutoffs() * columns(panel)
}

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
        sizes: Sizes::new(log, panel),
    };
    let all = log.events.partitions();
    let mut written = Written::new(panel);
    let partitions: Vec<usize> = (0..all).collect();
    let runs: Vec<&[usize]> = partitions.chunks(task.partitions_in_a_row()).collect();
    let mut desks: Vec<Desk> =
        (0..rayon::current_num_threads()).map(|_| Desk::new(&task)).collect();
    let mut before = Vec::new();
    for at_once in runs.chunks(desks.len()) {
        // While some partitions are told, those before them are written.
        let (told, appended) = rayon::join(
            || {
                let told = at_once.par_iter().zip(&mut desks);
                told.map(|(run, desk)| task.told(run, desk)).collect::<Result<Vec<_>>>()
            },
            || before.drain(..).try_for_each(|rows| to.append(rows)),
        );
        appended.map_err(failed)?;
        for (rows, more) in told? {
            before.extend(rows);
            written.add(more);
        }
        let done = at_once.last().and_then(|run| run.last()).map_or(0, |last| last + 1);
        watch(Built { done, all });
    }
    before.into_iter().try_for_each(|rows| to.append(rows)).map_err(failed)?;
    let unmet = silent.unmet();
    silent.check_labelled(&unmet)?;
    written.not_in_log = unmet.len();
    let mut desk = Desk::new(&task);
    for customers in unmet.chunks(SILENT_AT_A_TIME) {
        let Desk { scratch, block, .. } = &mut desk;
        panel.add_silent(customers.iter().map(String::as_str), scratch, block);
        task.put(&mut desk)?;
        if desk.open.bytes() >= task.sizes.group {
            to.append(task.closed(&mut desk)?).map_err(failed)?;
        }
    }
    to.append(task.closed(&mut desk)?).map_err(failed)?;
    written.add(desk.written);
    to.finish().map_err(failed)?;
    Ok(written)
}

fn failed(error: ParquetError) -> Error {
    Error::BadOptions(format!("failed to write the snapshots: {error}"))
}

impl Written {
    /// Nothing of a panel yet.
    pub(crate) fn new(panel: &Panel) -> Written {
        Written { populations: panel.populations(std::iter::empty()), ..Written::default() }
    }

    pub(crate) fn add(&mut self, more: Written) {
        self.rows += more.rows;
        self.duplicates += more.duplicates;
        self.contacted += more.contacted;
        self.held_out += more.held_out;
        self.held_out_stand_for += more.held_out_stand_for;
        for (total, more) in self.populations.iter_mut().zip(more.populations) {
            total.eligible += more.eligible;
            total.positives += more.positives;
            total.stand_for += more.stand_for;
            total.stand_for_positives += more.stand_for_positives;
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
    sizes: Sizes,
}

/// Where rows are made: room that is used again.
struct Desk {
    room: Room,
    scratch: PanelScratch,
    block: Block,
    open: Open,
    written: Written,
}

impl Desk {
    fn new(task: &Task<'_>) -> Desk {
        Desk {
            room: Room::default(),
            scratch: task.panel.scratch(),
            block: Block::default(),
            open: task.encoder.open(),
            written: Written::new(task.panel),
        }
    }
}

impl Task<'_> {
    /// So many that their rows are a row group, if all customers have one at each cutoff. Depends on the log and
    /// the panel alone, as the file does.
    fn partitions_in_a_row(&self) -> usize {
        let bytes =
            cells(self.log, self.panel) * size_of::<f64>() / self.log.events.partitions().max(1);
        (self.sizes.group / bytes.max(1)).clamp(1, PARTITIONS_IN_A_ROW)
    }

    /// The rows of some partitions, encoded, and what they are.
    fn told(&self, partitions: &[usize], desk: &mut Desk) -> Result<(Vec<Encoded>, Written)> {
        let mut encoded = Vec::new();
        let mut room = std::mem::take(&mut desk.room);
        for &partition in partitions {
            let loaded =
                self.log.events.load(partition, &self.codes, self.spec.duplicates, &mut room)?;
            for (customer, span) in loaded.customers() {
                let timeline = Timeline::new(loaded.events(), span);
                self.silent.met(customer);
                let Desk { scratch, block, .. } = desk;
                self.panel.add(&customer.to_string(), &timeline, scratch, block);
                if size_of_val(&desk.block.features[..]) >= self.sizes.block {
                    self.put(desk)?;
                }
                if desk.open.bytes() >= self.sizes.group {
                    encoded.push(self.closed(desk)?);
                }
            }
            desk.written.duplicates += loaded.duplicates();
        }
        desk.room = room;
        self.put(desk)?;
        encoded.push(self.closed(desk)?);
        Ok((encoded, std::mem::replace(&mut desk.written, Written::new(self.panel))))
    }

    /// Encodes the desk's block.
    fn put(&self, desk: &mut Desk) -> Result<()> {
        let Desk { block, open, written, .. } = desk;
        self.encoder.add(block, open).map_err(failed)?;
        let held_out = block.weights.iter().filter(|weight| **weight != 1.0);
        written.add(Written {
            rows: block.customers.len() as u64,
            contacted: block.contacted,
            held_out: held_out.clone().count() as u64,
            held_out_stand_for: held_out.sum(),
            populations: self.panel.populations(std::iter::once(&*block)),
            ..Written::default()
        });
        block.clear();
        Ok(())
    }

    /// The desk's encoded rows.
    fn closed(&self, desk: &mut Desk) -> Result<Encoded> {
        std::mem::replace(&mut desk.open, self.encoder.open()).close().map_err(failed)
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
pub fn about(
    spec: &FeatureSpec,
    project: &Project,
    cutoffs: usize,
    attributes: &Attributes,
) -> Result<About> {
    let questions = project.questions()?;
    let asked = questions.by_name.iter().map(|(name, question)| TargetAbout {
        name: name.clone(),
        known_after_days: question.gap.0 + question.horizon.0,
    });
    let given = project.labels.iter().map(|labels| TargetAbout {
        name: labels.target.clone(),
        known_after_days: labels.known_after.unwrap_or_default().0,
    });
    Ok(About {
        weighted: false,
        fingerprint: spec.fingerprint(),
        features: spec.clone(),
        cutoffs,
        targets: asked.chain(given).collect(),
        untimed: attributes.untimed().map(Attribute::column).collect(),
    })
}

#[cfg(test)]
mod tests {
    use rekindle_models::behaviour::{Events, Feature, Metric, Selector, Window};

    use super::*;
    use crate::ingest::{EventBatch, Gathering, Ids};
    use crate::panel::Cutoffs;
    use crate::question::Questions;

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
        let panel = Panel::new(
            &spec,
            &Questions::default(),
            None,
            Cutoffs::Common(vec![500, 1_000, 2_000]),
        )
        .unwrap();
        let about = About {
            weighted: false,
            fingerprint: spec.fingerprint(),
            features: spec.clone(),
            cutoffs: 3,
            targets: Vec::new(),
            untimed: Vec::new(),
        };
        let told = |sizes: Sizes, in_a_row: usize| {
            let mut lines = Vec::new();
            let mut to = Snapshots::csv(&mut lines, &about).unwrap();
            let silent = Silent::new(&log, &panel);
            let codes = log.names.recoding(&spec.dictionaries());
            let encoder = to.encoder();
            let (log, spec, panel, silent) = (&log, &spec, &panel, &silent);
            let task = Task { log, spec, panel, silent, codes, encoder, sizes };
            let mut desk = Desk::new(&task);
            let (mut rows, mut groups) = (0, 0);
            let partitions: Vec<usize> = (0..log.events.partitions()).collect();
            for run in partitions.chunks(in_a_row) {
                let (encoded, written) = task.told(run, &mut desk).unwrap();
                (rows, groups) = (rows + written.rows, groups + encoded.len());
                encoded.into_iter().for_each(|some| to.append(some).unwrap());
            }
            to.finish().unwrap();
            (lines, rows, groups)
        };
        let partitions = log.events.partitions();
        let (whole, rows, groups) = told(Sizes { block: usize::MAX, group: usize::MAX }, 1);
        assert!(rows > 1_500 && groups == partitions, "{rows} {groups}");
        for (sizes, in_a_row, expected) in [
            (Sizes { block: 1, group: usize::MAX }, 1, partitions),
            (Sizes { block: 100, group: usize::MAX }, partitions, 1),
            (Sizes { block: 1, group: 1 }, partitions, 700 + 1),
        ] {
            let (cut, cut_rows, groups) = told(sizes, in_a_row);
            assert!(cut == whole && cut_rows == rows);
            assert_eq!(groups, expected);
        }
    }
}
