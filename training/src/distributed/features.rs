//! Snapshots of logs, part by part: events are read piece by piece and gathered by part, the features are chosen once all
//! are known, and each part's snapshots are built by [`build::write_panel`] as those of a log of its own.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use rekindle_models::behaviour::FeatureSpec;
use serde::{Deserialize, Serialize};

use super::{Before, Engine, Function, Job, Parts, json, part_name, shared};
use crate::build::{self, GatheredLog, Written};
use crate::error::{Error, Result};
use crate::ingest::{
    Account, EventBatch, Found, Gathering, Ids, LogNames, PARTITIONS, Piece, ReadReport,
    ReadingOptions, Sink, Source, Trait, read_piece, stores,
};
use crate::panel::{Cutoffs, Panel};
use crate::project::Project;
use crate::snapshot::{About, Snapshots};
use crate::support::{Support, sample_step};

const READ: &str = "read";
const EVENTS: &str = "events";
/// Followed by which partitions were sampled.
const GATHERED: &str = "gathered";
const BUILT: &str = "built";

/// Bytes of a log that are read by one call.
const PIECE_BYTES: u64 = 64 << 20;
/// Bytes of a log that become a part, where nobody says how many parts there are to be.
const PART_BYTES: u64 = 16 << 20;

/// About how many bytes an event has in a log, as it is stored.
const EVENT_BYTES: u64 = 12;

/// What all who read and gather a log are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatherWork {
    project: String,
    folder: PathBuf,
    output: String,
    parts: usize,
    memory: u64,
    before: i64,
    step: usize,
    /// Parts that are gathered already.
    done: BTreeSet<u32>,
}

/// What all who build snapshots are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildWork {
    project: String,
    output: String,
    memory: u64,
    about: About,
    cutoffs: Vec<i64>,
}

/// What was gathered of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct GatheredPart {
    events: u64,
    support: Support,
}

/// What was built of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BuiltPart {
    customers: u64,
    written: Written,
}

/// A log that is gathered on many machines.
#[derive(Debug)]
pub struct Logs<'a> {
    project: &'a Project,
    sources: Vec<Source>,
    found: Found,
    pieces: Vec<Piece>,
    parts: &'a Parts,
    asked: GatherWork,
}

/// A log, once it is gathered.
#[derive(Debug)]
pub struct GatheredLogs {
    /// What became of its lines.
    pub report: ReadReport,
    /// Events, duplicates included.
    pub events: u64,
    support: Support,
}

impl<'a> Logs<'a> {
    /// Finds the log and divides it. `text` is the project's file, `folder` where its relative paths begin, `number` how
    /// many parts there are to be; `before` is [`Support::count`]'s, in milliseconds; `memory` is for each call, in bytes.
    ///
    /// # Errors
    /// When the log is not there, or the project asks for what is not told part by part.
    pub fn find(
        (text, project, folder): (String, &'a Project, PathBuf),
        (parts, number): (&'a Parts, Option<usize>),
        before: i64,
        memory: u64,
    ) -> Result<Logs<'a>> {
        check(project)?;
        let sources = project.checked_sources()?;
        let found = Found::of(&sources, &options(project, &folder)?)?;
        let pieces = found.pieces(&sources, PIECE_BYTES)?;
        let number = match number {
            Some(number) if number.is_power_of_two() && number <= PARTITIONS => number,
            Some(number) => {
                return Err(Error::BadOptions(format!(
                    "--parts {number}: expected 1, 2, 4 and so on up to {PARTITIONS}"
                )));
            }
            None => {
                let parts = found.bytes().div_ceil(PART_BYTES).max(1) as usize;
                parts.next_power_of_two().min(PARTITIONS)
            }
        };
        let output = parts.address().to_owned();
        let asked = GatherWork {
            project: text,
            folder,
            output,
            parts: number,
            memory,
            before,
            // A guess: what is right is known once the log is read.
            step: sample_step(found.bytes() / EVENT_BYTES),
            done: BTreeSet::new(),
        };
        Ok(Logs { project, sources, found, pieces, parts, asked })
    }

    /// Reads the log and gathers its events by part.
    ///
    /// # Errors
    /// When the engine fails, or the log is not as it should be.
    pub fn gather(
        &mut self,
        engine: &dyn Engine,
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<GatheredLogs> {
        let mut gathered = self.gathered(engine, watch)?;
        let step = sample_step(gathered.events);
        if step != self.asked.step {
            self.asked.step = step;
            gathered = self.gathered(engine, watch)?;
        }
        Ok(gathered)
    }

    /// Whether the job is begun, goes on, or has ended already.
    ///
    /// # Errors
    /// When the folder has something else in it.
    pub fn begin(&self) -> Result<Before> {
        self.parts.begin(&self.name())
    }

    /// Whether all parts are there.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn is_finished(&self) -> Result<bool> {
        Ok(self.parts.finished(&self.name())?.is_some())
    }

    /// All that the parts depend on.
    fn name(&self) -> String {
        let GatherWork { folder, parts, before, .. } = &self.asked;
        json(&(format!("{:?}", self.project), folder, parts, before, &self.pieces))
    }

    fn gathered(
        &mut self,
        engine: &dyn Engine,
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<GatheredLogs> {
        let parts = self.parts;
        let step = format!("{GATHERED}-{}", self.asked.step);
        let complete = "complete".to_owned();
        let mut done = parts.done(&step)?;
        if !done.contains(&complete) {
            self.asked.done = done.iter().filter_map(|name| name.parse().ok()).collect();
            let tasks = self.pieces.iter().enumerate();
            let job = Job {
                name: "rekindle features: reading".to_owned(),
                function: Function::Gather,
                parts: self.asked.parts,
                shared: shared(&self.asked),
                tasks: tasks.map(|(number, piece)| json(&(number, piece))).collect(),
            };
            let pieces = self.pieces.len();
            let ran = engine.run(&job, &mut |id| {
                let read = parts.done(READ).map_or(0, |names| names.len());
                watch(id, read, pieces);
            });
            if ran.is_err() && parts.done(READ)?.is_empty() {
                // Nothing is to be kept: the project may have to be another one.
                parts.abandon()?;
            }
            ran?;
            parts.keep(&step, &complete, &())?;
            done = parts.done(&step)?;
        }
        let account = |(number, piece): (usize, &Piece)| {
            Ok((piece.source, parts.kept::<Account>(READ, &account_name(number))?))
        };
        let accounts = self.pieces.iter().enumerate().map(account).collect::<Result<Vec<_>>>()?;
        let report = self.found.settle(&self.sources, accounts, self.project.log.max_bad_lines);
        // What is wrong with the log stays so: its events are of no use.
        let report = report.inspect_err(|_| _ = parts.abandon())?;
        let mut all = GatheredLogs { report, events: 0, support: Support::default() };
        for name in done.iter().filter(|name| **name != complete) {
            let part: GatheredPart = parts.kept(&step, name)?;
            all.events += part.events;
            all.support = all.support.plus(part.support);
        }
        let read: u64 = all.report.sources.iter().map(|source| source.tally.events).sum();
        if read != all.events {
            return Err(incomplete(parts, &format!("{} of {read} events", all.events)).into());
        }
        Ok(all)
    }

    /// Guesses another step than the log's size does.
    #[cfg(test)]
    pub(super) fn guess(&mut self, step: usize) {
        self.asked.step = step;
    }

    /// The features that a gathered log has support for.
    ///
    /// # Errors
    /// When a feature cannot be, or names what the log does not have.
    pub fn feature_spec(&self, gathered: &GatheredLogs) -> Result<FeatureSpec> {
        gathered.support.feature_spec(self.project, &[])
    }

    /// Builds the snapshots of all parts that have none yet; tells how many customers there are, too.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn build(
        &self,
        engine: &dyn Engine,
        (about, cutoffs): (&About, &[i64]),
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<(u64, Written)> {
        let parts = self.parts;
        let asked = BuildWork {
            project: self.asked.project.clone(),
            output: self.asked.output.clone(),
            memory: self.asked.memory,
            about: about.clone(),
            cutoffs: cutoffs.to_vec(),
        };
        let all = parts.done(EVENTS)?;
        let todo = |all: &[String]| -> Result<Vec<String>> {
            let (said, files) = (parts.done(BUILT)?, parts.depot().files("")?);
            let file = |name: &str| name.parse().map(part_name).unwrap_or_default();
            let there = |name: &&String| files.iter().any(|other| other.name == file(name));
            let empty = |name: &String| {
                said.contains(name)
                    && parts.kept::<BuiltPart>(BUILT, name).is_ok_and(|part| part.written.rows == 0)
            };
            let is_done = |name: &&String| (said.contains(name) && there(name)) || empty(name);
            Ok(all.iter().filter(|name| !is_done(name)).cloned().collect())
        };
        let tasks: Vec<String> = todo(&all)?.iter().map(|name| json(&name)).collect();
        if !tasks.is_empty() {
            let job = Job {
                name: "rekindle features: building".to_owned(),
                function: Function::Build,
                parts: 0,
                shared: shared(&asked),
                tasks,
            };
            engine.run(&job, &mut |id| {
                let done = parts.done(BUILT).map_or(0, |names| names.len());
                watch(id, done, all.len());
            })?;
        }
        if let Some(missing) = todo(&all)?.first() {
            return Err(incomplete(parts, &format!("no part {missing}")).into());
        }
        let (mut customers, mut written) = (0, Written::new(&asked.panel()?));
        for name in &all {
            let part: BuiltPart = parts.kept(BUILT, name)?;
            customers += part.customers;
            written.add(part.written);
        }
        Ok((customers, written))
    }

    /// Says that all parts are there.
    ///
    /// # Errors
    /// When the folder does not take it.
    pub fn finish<T: Serialize>(&self, summary: &T) -> Result<()> {
        self.parts.finish(summary)
    }
}

/// The name of the account of a piece.
fn account_name(number: usize) -> String {
    format!("{number:07}")
}

/// The error of a folder that lacks something that was put there.
pub(super) fn incomplete(parts: &Parts, found: &str) -> Error {
    Error::BadOptions(format!(
        "{}: found {found}; expected all that the job has put there: do all machines see the same folder? Remove it, and run \
         the job again",
        parts.address()
    ))
}

/// What is not told part by part.
fn check(project: &Project) -> Result<()> {
    let refused = |found: &str| {
        Err(Error::BadOptions(format!(
            "{found} with --cluster: expected a project without; attributes and labels are told on one machine so far: run \
             it without --cluster"
        )))
    };
    if project.labels.is_some() {
        return refused("[labels]");
    }
    if !project.attributes.is_empty() {
        return refused("[[attributes]]");
    }
    if project.sources.iter().any(|source| source.preset.is_some()) {
        return refused("preset = \"segment\", whose lines tell attributes,");
    }
    Ok(())
}

fn options<'a>(project: &Project, folder: &'a std::path::Path) -> Result<ReadingOptions<'a>> {
    Ok(ReadingOptions {
        folder,
        store_options: stores(),
        end: project.log_end()?,
        max_bad_lines: project.log.max_bad_lines,
        want_lines: false,
    })
}

impl GatherWork {
    fn project(&self) -> Result<Project> {
        Project::parse(&self.project, "the project")
    }

    fn part_of(&self, partition: usize) -> u32 {
        (partition * self.parts / PARTITIONS) as u32
    }

    pub(super) fn read(&self, (number, piece): &(usize, Piece)) -> Result<Vec<(u32, Vec<u8>)>> {
        let project = self.project()?;
        let sources = project.checked_sources()?;
        let names = LogNames::default();
        let spill = std::env::temp_dir();
        let events = Gathering::new(self.memory, &spill, project.measures().len())?;
        let sink = Sent { events };
        let options = options(&project, &self.folder)?;
        let account = read_piece(&sources, piece, &options, &names, &sink)?;
        let packets = sink.events.finish()?.packets(&names)?.into_iter();
        let packets = packets.map(|(partition, bytes)| (self.part_of(partition), bytes));
        let wanted = packets.filter(|(part, _)| !self.done.contains(part)).collect();
        Parts::at(&self.output)?.keep(READ, &account_name(*number), &account)?;
        Ok(wanted)
    }

    pub(super) fn gather(&self, part: u32, packets: &[&[u8]]) -> Result<()> {
        let project = self.project()?;
        // Events are looked at of a sample of the partitions; of the others it is known which names they have.
        let names = LogNames::default();
        let (mut sampled, mut events) = (Vec::new(), 0);
        for packet in packets {
            let (partition, more) = Gathering::glance(packet, &names)?;
            events += more;
            if partition % self.step == 0 {
                sampled.push(*packet);
            }
        }
        let log = gathered_log(&project, self.memory, names, &sampled)?;
        let support = Support::count(&log, &project, self.before, self.step)?;
        let parts = Parts::at(&self.output)?;
        let lengths: Vec<[u8; 8]> =
            packets.iter().map(|p| (p.len() as u64).to_le_bytes()).collect();
        let bytes: Vec<&[u8]> = lengths
            .iter()
            .zip(packets)
            .flat_map(|(length, packet)| [&length[..], packet])
            .collect();
        let name = format!("{part:05}");
        parts.keep_bytes(EVENTS, &name, &bytes)?;
        parts.keep(&format!("{GATHERED}-{}", self.step), &name, &GatheredPart { events, support })
    }
}

/// `names` are those met before.
fn gathered_log(
    project: &Project,
    memory: u64,
    names: LogNames,
    packets: &[&[u8]],
) -> Result<GatheredLog> {
    let gathering = Gathering::new(memory, &std::env::temp_dir(), project.measures().len())?;
    packets.iter().try_for_each(|packet| gathering.add_packet(packet, &names))?;
    let duplicates = project.log.duplicates;
    Ok(GatheredLog { events: gathering.finish()?, names, attributes: Arc::default(), duplicates })
}

impl BuildWork {
    fn panel(&self) -> Result<Panel> {
        let project = Project::parse(&self.project, "the project")?;
        let cutoffs = Cutoffs::Common(self.cutoffs.clone());
        Panel::new(&self.about.features, &project.questions()?, None, cutoffs)
    }

    pub(super) fn build(&self, name: String) -> Result<()> {
        let spec = &self.about.features;
        if spec.fingerprint() != self.about.fingerprint {
            return Err(Error::BadOptions(format!(
                "the features have the fingerprint {} here, and {} where the job comes from: expected one version of \
                 rekindle everywhere",
                spec.fingerprint(),
                self.about.fingerprint
            )));
        }
        let project = Project::parse(&self.project, "the project")?;
        let parts = Parts::at(&self.output)?;
        let bytes = parts.kept_bytes(EVENTS, &name)?;
        let log = gathered_log(&project, self.memory, LogNames::default(), &packets(&bytes)?)?;
        drop(bytes);
        let panel = self.panel()?;
        let part = name.parse().map_err(|_| Error::BadOptions(format!("{name:?} is no part")))?;
        let mut written = Written::new(&panel);
        let failed = |e: &dyn std::fmt::Display| {
            Error::BadOptions(format!("{}: {e}", parts.depot().name(&part_name(part))))
        };
        // A part without rows has no file: it would be no table.
        parts.depot().put_if(&part_name(part), |to: &mut (dyn Write + Send)| {
            let file = Snapshots::parquet(to, &self.about).map_err(|e| failed(&e))?;
            let built = build::write_panel(&log, spec, &panel, file, &|_| ());
            written.add(built.map_err(|e| failed(&e))?);
            Ok(written.rows > 0)
        })?;
        parts.keep(BUILT, &name, &BuiltPart { customers: log.events.customers(), written })
    }
}

/// The packets of a part, as they were kept one after the other.
fn packets(mut bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let packet = bytes.split_first_chunk().and_then(|(length, rest)| {
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
        });
        let cut =
            || Error::BadOptions("the events of a part are cut off; run the job again".to_owned());
        let (packet, rest) = packet.ok_or_else(cut)?;
        packets.push(packet);
        bytes = rest;
    }
    Ok(packets)
}

/// Where the lines of a piece go.
struct Sent {
    events: Gathering,
}

impl Sink for Sent {
    fn events(&self, events: EventBatch) -> Result<()> {
        self.events.add(events)
    }

    fn lines(&self, _customers: &Ids, _times: &[i64]) -> Result<()> {
        Ok(())
    }

    fn traits(&self, _told: Vec<Trait>) -> Result<()> {
        Err(Error::BadOptions("lines that tell attributes are read on one machine only".to_owned()))
    }
}
