//! All sources of a log, read in parallel: lines in, batches of events out, and an account of every
//! line. Keeps no events itself.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use rekindle_models::behaviour::DAY_MS;
use rekindle_models::frame::{CsvBlocks, CsvFailure, nearest_name};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ingest::columnar::{ParquetFile, Stopped};
use crate::ingest::files::{LogFile, files};
use crate::ingest::mapping::{Lines, Reading, Rows, place};
use crate::ingest::remote::Stores;
use crate::ingest::source::{FileFormat, Source};
use crate::ingest::tally::{Fault, SentTally, Tally};
use crate::ingest::text::{Block, Csv, LineBlocks, Wanted, paths};
use crate::ingest::{EventBatch, Ids, LogNames};

/// How a log is read.
#[derive(Debug, Clone)]
pub struct ReadingOptions<'a> {
    /// Where relative paths begin.
    pub folder: &'a Path,
    /// Options of object stores, as `aws_region`; environment variables usually.
    pub store_options: Vec<(String, String)>,
    /// The instant the log ends at, in milliseconds; events at or after it are left out.
    pub end: Option<i64>,
    /// Share of bad lines of a source above which nothing is made of it, 0 to 1.
    pub max_bad_lines: f64,
    /// Whether lines of customers are wanted that are no events.
    pub want_lines: bool,
}

/// Days without events before those that are most likely misdated,
const STRAY_DAYS: i64 = 30;
/// which are fewer than one in so many.
const STRAY_ONE_IN: u64 = 1_000;

/// Where a log goes to. Called from several threads, in no particular order.
pub trait Sink: Sync {
    /// Takes events.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn events(&self, events: EventBatch) -> Result<()>;
    /// Takes lines, where they are wanted: whose they are and when, in milliseconds.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn lines(&self, customers: &Ids, times: &[i64]) -> Result<()>;
    /// Takes what lines tell of customers' attributes.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn traits(&self, told: Vec<Trait>) -> Result<()>;
}

/// An attribute that a line of the log tells, as Segment's `identify` does.
#[derive(Debug, Clone, PartialEq)]
pub struct Trait {
    /// Whose it is.
    pub customer: String,
    /// When the company came to know it, in milliseconds.
    pub known_at: i64,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: TraitValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum TraitValue {
    /// A number; 1 and 0 for yes and no.
    Number(f64),
    /// A text.
    Text(String),
}

/// How far reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read, as they are stored.
    pub bytes_read: u64,
    /// Bytes in all.
    pub bytes_total: u64,
    /// Lines read.
    pub lines: u64,
}

/// An account of a log.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReadReport {
    /// One for each source, in the project's order.
    pub sources: Vec<SourceReport>,
}

/// Events long after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// How many.
    pub events: u64,
    /// A day after the day (UTC) of the last event before them, in milliseconds: after it in any zone.
    pub end: i64,
}

/// An account of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceReport {
    /// Its place in the project and its paths.
    pub source: String,
    /// Its files.
    pub files: usize,
    /// What became of its lines.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A part of a log that can be read by itself: a file, or some row groups of one in Parquet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The source's place in the project.
    pub source: usize,
    /// The file's place in the source.
    pub file: usize,
    /// The file's path or URL.
    pub name: String,
    /// About how many bytes it has, as they are stored.
    pub bytes: u64,
    /// When the file was written, in milliseconds since 1970.
    pub changed: i64,
    /// The first row group and the one after the last; none: the whole file.
    pub groups: Option<(usize, usize)>,
}

/// An account of a part of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What became of its lines.
    pub tally: SentTally,
    /// Which of the columns that are needed it had.
    pub had: Vec<bool>,
    /// The currencies of its amounts.
    pub currencies: Vec<String>,
}

/// The files of a log, by source.
#[derive(Debug)]
pub struct Found {
    files: Vec<Vec<LogFile>>,
}

impl Found {
    /// Finds the files of all sources.
    ///
    /// # Errors
    /// When a path has none, or a store does not answer.
    pub fn of(sources: &[Source], options: &ReadingOptions<'_>) -> Result<Found> {
        let stores = Stores::new(options.store_options.clone());
        let found = sources.iter().map(|s| files(&s.name, &s.paths, options.folder, &stores));
        Ok(Found { files: found.collect::<Result<_>>()? })
    }

    /// Bytes of all files, as they are stored.
    pub fn bytes(&self) -> u64 {
        self.files.iter().flatten().map(|file| file.bytes).sum()
    }

    /// The log in pieces of about so many bytes. Files other than Parquet are not divided.
    ///
    /// # Errors
    /// When a file cannot be opened.
    pub fn pieces(&self, sources: &[Source], bytes_each: u64) -> Result<Vec<Piece>> {
        let each = self.files.iter().zip(sources).enumerate().flat_map(|(source, (files, of))| {
            files.iter().enumerate().map(move |(place, file)| (source, of, place, file))
        });
        let cut = each.map(|(source, of, file, log)| {
            let piece = |groups, bytes| Piece {
                source,
                file,
                name: log.name.clone(),
                bytes,
                changed: log.changed,
                groups,
            };
            let format = log.format(of.format).map_err(|source| unread(log, source))?;
            if format != FileFormat::Parquet {
                return Ok(vec![piece(None, log.bytes)]);
            }
            let groups = ParquetFile::open(log).map_err(|e| damaged(log, &e))?.groups();
            let parts =
                log.bytes.div_ceil(bytes_each.max(1)).clamp(1, groups.max(1) as u64) as usize;
            let at = |part: usize| part * groups / parts;
            let bytes = log.bytes / parts as u64;
            Ok((0..parts).map(|p| piece(Some((at(p), at(p + 1))), bytes)).collect())
        });
        Ok(cut.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// What became of a log whose pieces were read one by one: their accounts, each with the place of its source.
    ///
    /// # Errors
    /// As [`read_sources`], as far as the whole log has to be known.
    pub fn settle(
        &self,
        sources: &[Source],
        accounts: Vec<(usize, Account)>,
        max_bad_lines: f64,
    ) -> Result<ReadReport> {
        let mut all = vec![Account::default(); sources.len()];
        for (source, account) in accounts {
            all[source] = std::mem::take(&mut all[source]).and(account);
        }
        let currencies = all.iter().flat_map(|account| account.currencies.clone()).collect();
        let settled = all.into_iter().zip(sources).zip(&self.files);
        let settled =
            settled.map(|((account, source), files)| account.settle(source, files, max_bad_lines));
        let report = ReadReport { sources: settled.collect::<Result<_>>()? };
        check_currencies(sources, currencies)?;
        Ok(report)
    }
}

impl Account {
    fn and(self, other: Account) -> Account {
        let mut tally = Tally::from(self.tally);
        tally.add(other.tally.into());
        let columns = self.had.len().max(other.had.len());
        let had = |had: &[bool], place: usize| had.get(place).copied().unwrap_or(false);
        let either = (0..columns).map(|place| had(&self.had, place) || had(&other.had, place));
        Account {
            tally: tally.into(),
            had: either.collect(),
            currencies: [self.currencies, other.currencies].concat(),
        }
    }

    /// Refuses a source that has too many bad lines, or lacks a column it names.
    fn settle(
        self,
        source: &Source,
        files: &[LogFile],
        max_bad_lines: f64,
    ) -> Result<SourceReport> {
        check_paths(source, files, &self.had)?;
        let tally = self.tally.into();
        let one = SourceReport { source: source.name.clone(), files: files.len(), tally };
        one.check(max_bad_lines)?;
        Ok(one)
    }
}

/// Reads all sources of a log.
///
/// # Errors
/// When files are missing or damaged, columns are not there, more lines than `max_bad_lines` are bad, or
/// the log does not say which of several currencies counts.
pub fn read_sources(
    sources: &[Source],
    options: &ReadingOptions<'_>,
    names: &LogNames,
    sink: &dyn Sink,
    watch: &(dyn Fn(Progress) + Sync),
) -> Result<ReadReport> {
    let found = Found::of(sources, options)?;
    let bytes_total = found.bytes();
    let reading = Reading { names, end: options.end, want_lines: options.want_lines };
    let (bytes, lines) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut report = ReadReport::default();
    for (source, files) in sources.iter().zip(&found.files) {
        let task = Task::new(source, reading, sink, (&bytes, &lines));
        let watch = || {
            let bytes_read = bytes.load(Ordering::Relaxed);
            watch(Progress { bytes_read, bytes_total, lines: lines.load(Ordering::Relaxed) });
        };
        files
            .par_iter()
            .enumerate()
            .try_for_each(|(place, file)| task.file(place, file, None, &watch))?;
        report.sources.push(task.account().settle(source, files, options.max_bad_lines)?);
    }
    check_currencies(
        sources,
        names.currencies.sorted().into_iter().map(|(name, _)| name).collect(),
    )?;
    Ok(report)
}

/// Reads a piece of a log. Whether the log as a whole is as it should be, [`Found::settle`] tells.
///
/// # Errors
/// When the file is missing or damaged, or columns are not there.
pub fn read_piece(
    sources: &[Source],
    piece: &Piece,
    options: &ReadingOptions<'_>,
    names: &LogNames,
    sink: &dyn Sink,
) -> Result<Account> {
    let source = sources.get(piece.source).ok_or_else(|| {
        let (place, sources) = (piece.source + 1, sources.len());
        Error::BadOptions(format!("a piece of source {place}; expected one of {sources}"))
    })?;
    let stores = Stores::new(options.store_options.clone());
    // Found as the others are: a name alone may be taken for a glob.
    let found = files(&source.name, &source.paths, options.folder, &stores)?;
    let Some(file) = found.iter().find(|file| file.name == piece.name) else {
        let reason =
            "it is not there any more; expected a log that stays as it is while it is read";
        return Err(Error::BadLog { path: piece.name.clone(), reason: reason.to_owned() });
    };
    let reading = Reading { names, end: options.end, want_lines: options.want_lines };
    let (bytes, lines) = (AtomicU64::new(0), AtomicU64::new(0));
    let task = Task::new(source, reading, sink, (&bytes, &lines));
    task.file(piece.file, file, piece.groups, &|| ())?;
    let mut account = task.account();
    account.currencies = names.currencies.sorted().into_iter().map(|(name, _)| name).collect();
    Ok(account)
}

/// Refuses amounts of several currencies where nobody said which counts.
fn check_currencies(sources: &[Source], mut met: Vec<String>) -> Result<()> {
    met.sort_unstable();
    met.dedup();
    if sources.iter().any(|s| s.mapping.wanted_currency.is_some()) || met.len() < 2 {
        return Ok(());
    }
    Err(Error::BadOptions(format!(
        "amounts in {} currencies ({}); expected one: say which with currency = {:?} in [log], \
         then amounts in others are missing, or convert them by an expression for amount",
        met.len(),
        met.join(", "),
        met[0]
    )))
}

fn damaged(file: &LogFile, error: &dyn std::fmt::Display) -> Error {
    let reason = format!("it cannot be read as Parquet: {error}");
    Error::BadLog { path: file.name.clone(), reason }
}

fn unread(file: &LogFile, source: io::Error) -> Error {
    Error::Read { path: file.name.clone(), source }
}

impl SourceReport {
    /// Stops what has too many bad lines.
    fn check(&self, max_bad_lines: f64) -> Result<()> {
        let (bad, lines) = (self.tally.bad_lines(), self.tally.lines);
        if bad as f64 <= max_bad_lines * lines as f64 {
            return Ok(());
        }
        Err(Error::BadOptions(format!(
            "{self}\n{bad} of {lines} lines are bad ({:.1} %), more than max_bad_lines = {max_bad_lines}; \
             correct the [[source]], or raise max_bad_lines in [log] where such lines are known to be \
             worthless",
            100.0 * bad as f64 / lines.max(1) as f64
        )))
    }
}

impl ReadReport {
    /// The time of the first event, in milliseconds.
    pub fn first_event(&self) -> Option<i64> {
        self.sources.iter().filter_map(|source| source.tally.first_event).min()
    }

    /// The time of the last event, in milliseconds.
    pub fn last_event(&self) -> Option<i64> {
        self.sources.iter().filter_map(|source| source.tally.last_event).max()
    }

    /// Events that are most likely misdated: fewer than one in 1,000, more than 30 days after all others. A
    /// log without a stated end would seem to end with them.
    pub fn stray(&self) -> Option<Stray> {
        let mut all = Tally::default();
        self.sources.iter().for_each(|source| all.add(source.tally.clone()));
        let days: Vec<(i64, u64)> = all.days.into_iter().collect();
        let (mut events, mut found) = (0, None);
        for (earlier, later) in days.windows(2).rev().map(|pair| (pair[0].0, pair[1])) {
            events += later.1;
            if events * STRAY_ONE_IN >= all.events {
                break;
            }
            if later.0 - earlier > STRAY_DAYS {
                found = Some(Stray { events, end: (earlier + 2) * DAY_MS });
            }
        }
        found
    }
}

impl std::fmt::Display for SourceReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files =
            if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        write!(f, "{}: {files}, {}", self.source, self.tally)
    }
}

impl std::fmt::Display for ReadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, source) in self.sources.iter().enumerate() {
            write!(f, "{}{source}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// One source being read.
struct Task<'a> {
    source: &'a Source,
    /// The columns that are needed.
    columns: Vec<String>,
    reading: Reading<'a>,
    sink: &'a dyn Sink,
    tally: Mutex<Tally>,
    /// Which columns a file or a line has had.
    had: Mutex<Vec<bool>>,
    bytes: &'a AtomicU64,
    lines: &'a AtomicU64,
}

impl<'a> Task<'a> {
    fn new(
        source: &'a Source,
        reading: Reading<'a>,
        sink: &'a dyn Sink,
        (bytes, lines): (&'a AtomicU64, &'a AtomicU64),
    ) -> Task<'a> {
        let columns = source.mapping.columns();
        let had = Mutex::new(vec![false; columns.len()]);
        Task { source, columns, reading, sink, tally: Mutex::default(), had, bytes, lines }
    }

    /// What became of all that was read.
    fn account(self) -> Account {
        let tally = self.tally.into_inner().unwrap_or_else(PoisonError::into_inner).into();
        let had = self.had.into_inner().unwrap_or_else(PoisonError::into_inner);
        Account { tally, had, currencies: Vec::new() }
    }

    /// Reads a file, or some row groups of it.
    fn file(
        &self,
        place: usize,
        file: &LogFile,
        groups: Option<(usize, usize)>,
        watch: &(dyn Fn() + Sync),
    ) -> Result<()> {
        match file.format(self.source.format).map_err(|e| unread(file, e))? {
            FileFormat::Parquet => self.parquet(place, file, groups, watch),
            FileFormat::Csv => self.csv(place, file, watch),
            FileFormat::Ndjson => self.ndjson(place, file, watch),
        }
    }

    fn parquet(
        &self,
        place: usize,
        file: &LogFile,
        groups: Option<(usize, usize)>,
        watch: &(dyn Fn() + Sync),
    ) -> Result<()> {
        let parquet = ParquetFile::open(file).map_err(|e| damaged(file, &e))?;
        let columns = &self.columns;
        let there = parquet.schema().fields().iter().map(|field| field.name().as_str());
        self.check_columns(file, &there.collect::<Vec<_>>())?;
        let all = (0..parquet.groups()).map(|group| parquet.rows(group)).sum::<u64>().max(1);
        let (first, end) = groups.unwrap_or((0, parquet.groups()));
        (first..end.min(parquet.groups())).into_par_iter().try_for_each(|group| {
            let done = parquet.read(group, columns, |rows| {
                let count = rows.cells.num_rows() as u64;
                self.rows(place, file, &rows, Vec::new())?;
                let bytes = (file.bytes as f64 * (count as f64 / all as f64)) as u64;
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
                watch();
                Ok(())
            });
            done.map_err(|stopped| match stopped {
                Stopped::Damaged(error) => damaged(file, &error),
                Stopped::By(error) => error,
            })
        })
    }

    fn csv(&self, place: usize, file: &LogFile, watch: &(dyn Fn() + Sync)) -> Result<()> {
        let failed = |failure: CsvFailure| match failure {
            CsvFailure::Io(source) => Error::Read { path: file.name.clone(), source },
            other => Error::BadLog { path: file.name.clone(), reason: other.to_string() },
        };
        let bytes = file.open(self.bytes).map_err(|e| failed(CsvFailure::Io(e)))?;
        let mut blocks = CsvBlocks::new(bytes, self.source.delimiter);
        let header = blocks.header().map_err(failed)?;
        let names = &self.columns;
        self.check_columns(file, &header.iter().map(String::as_str).collect::<Vec<_>>())?;
        let at = |name: &String| header.iter().position(|known| known == name).unwrap_or(0);
        let places: Vec<usize> = names.iter().map(at).collect();
        let commas = self.source.with_commas(names);
        let csv = Csv {
            delimiter: blocks.delimiter(),
            commas: &commas,
            width: header.len(),
            names,
            places: &places,
            missing: &self.source.missing,
        };
        let blocks = std::iter::from_fn(|| blocks.next_block().transpose());
        blocks.par_bridge().try_for_each(|block| {
            let Block { rows, malformed } = csv.read(&block.map_err(failed)?);
            self.rows(place, file, &rows, malformed)?;
            watch();
            Ok(())
        })
    }

    fn ndjson(&self, place: usize, file: &LogFile, watch: &(dyn Fn() + Sync)) -> Result<()> {
        let failed = |source: io::Error| Error::Read { path: file.name.clone(), source };
        let wanted = Wanted::new(&self.columns);
        let blocks = LineBlocks::new(file.open(self.bytes).map_err(failed)?);
        blocks.par_bridge().try_for_each(|block| {
            let mut had = vec![false; self.columns.len()];
            let Block { rows, malformed } =
                wanted.read(&block.map_err(failed)?, &self.columns, &mut had);
            self.add_had(&had);
            self.rows(place, file, &rows, malformed)?;
            watch();
            Ok(())
        })
    }

    /// Maps lines and hands on what they became.
    fn rows(
        &self,
        number: usize,
        file: &LogFile,
        rows: &Rows,
        malformed: Vec<(u64, String)>,
    ) -> Result<()> {
        let mapped = self.source.mapping.map(rows, (number, &file.name), &self.reading)?;
        let mut tally = mapped.tally;
        tally.lines += malformed.len() as u64;
        for (line, found) in malformed {
            let text = || format!("{}: {found}", place(&file.name, &Lines::Each(Vec::new()), line));
            tally.count(Fault::Malformed, (number, line), text);
        }
        self.lines.fetch_add(tally.lines, Ordering::Relaxed);
        if let Some((customers, times)) = &mapped.lines {
            self.sink.lines(customers, times)?;
        }
        if !mapped.traits.is_empty() {
            self.sink.traits(mapped.traits)?;
        }
        if !mapped.events.customers.is_empty() {
            self.sink.events(mapped.events)?;
        }
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
        Ok(())
    }

    fn add_had(&self, had: &[bool]) {
        let mut all = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().zip(had).for_each(|(all, had)| *all |= had);
    }

    /// Refuses a file without a column that is needed.
    fn check_columns(&self, file: &LogFile, there: &[&str]) -> Result<()> {
        let Some(missing) = self.columns.iter().find(|name| !there.contains(&name.as_str())) else {
            self.add_had(&vec![true; self.columns.len()]);
            return Ok(());
        };
        Err(Error::BadLog {
            path: file.name.clone(),
            reason: format!(
                "it has no column {missing:?}{}, which {} names; it has {}. {QUOTES}",
                did_you_mean(missing, there),
                self.source.name,
                listed(there)
            ),
        })
    }
}

/// Refuses a path that the project names and no line has had, where there were lines.
fn check_paths(source: &Source, files: &[LogFile], had: &[bool]) -> Result<()> {
    let columns = source.mapping.columns();
    let lacks = |column: &&String| {
        let place = columns.iter().position(|known| known == *column);
        place.is_some_and(|place| !had.get(place).copied().unwrap_or(false))
    };
    let Some(missing) = source.named.iter().find(lacks) else { return Ok(()) };
    let there = first_paths(files, source.format);
    if there.is_empty() {
        return Ok(());
    }
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    Err(Error::BadOptions(format!(
        "{}: no line has {missing:?}{}, which it names; lines have {}. Correct the name, or leave it out \
         until lines have it. {QUOTES}",
        source.name,
        did_you_mean(missing, &there),
        listed(&there)
    )))
}

/// How names that are none are mistaken for columns.
const QUOTES: &str = "Texts of expressions stand in quotes, as 'purchase', and columns whose names are \
                      not plain words in backquotes, as `order-id`";

fn did_you_mean(missing: &str, there: &[&str]) -> String {
    let near = nearest_name(missing, there.iter().copied());
    near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

fn listed(names: &[&str]) -> String {
    names.iter().take(40).copied().collect::<Vec<_>>().join(", ")
}

/// The paths of the first lines of the first NDJSON file that has some.
fn first_paths(files: &[LogFile], stated: Option<FileFormat>) -> Vec<String> {
    let of = |file: &LogFile| -> io::Result<Vec<String>> {
        let block = match file.format(stated)? {
            FileFormat::Ndjson => LineBlocks::new(file.open(&AtomicU64::new(0))?).next(),
            FileFormat::Csv | FileFormat::Parquet => None,
        };
        let bytes = block.transpose()?.map_or_else(Vec::new, |block| block.bytes);
        Ok(paths(bytes.split(|byte| *byte == b'\n')))
    };
    files.iter().flat_map(of).find(|paths| !paths.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
