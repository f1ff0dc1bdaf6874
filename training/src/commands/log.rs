//! Reading a project's logs for a command: where they are, how much memory they may take, what is said
//! meanwhile. Builds no features.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use bytesize::ByteSize;
use clap::Args;
use rekindle_models::behaviour::{DAY_MS, Zone};

use crate::attributes::{AttributeLog, AttributeValue, Attributes};
use crate::build::GatheredLog;
use crate::commands::{Bar, Talk};
use crate::ingest::{
    CustomerId, EventBatch, Gathering, Ids, LogNames, Progress, ReadReport, ReadingOptions, Sink,
    Trait, TraitValue, read_sources, stores,
};
use crate::project::Project;

/// What `--memory-limit` is without it.
const MEMORY_LIMIT: ByteSize = ByteSize::gib(4);
/// What reading takes of it; the rest is for events.
const AT_WORK: ByteSize = ByteSize::mib(192);

/// Where logs are, and how much memory they may take.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// Folder that relative paths of the project begin at [default: the project's own]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Memory for the log: reading, and events; events that do not fit go to a file on disk
    #[arg(long, value_name = "SIZE", default_value_t = MEMORY_LIMIT)]
    memory_limit: ByteSize,
    /// Folder of that file [default: the system's folder of temporary files]
    #[arg(long, value_name = "FOLDER")]
    spill_folder: Option<PathBuf>,
}

impl Default for LogArgs {
    fn default() -> LogArgs {
        LogArgs { data: None, memory_limit: MEMORY_LIMIT, spill_folder: None }
    }
}

impl LogArgs {
    /// Where the relative paths of a project begin.
    pub(super) fn folder(&self, project: &Path) -> PathBuf {
        let own = project.parent().unwrap_or_else(|| Path::new(""));
        self.data.clone().unwrap_or_else(|| own.to_owned())
    }

    /// Whether a folder for events that do not fit is named.
    pub(super) fn has_spill_folder(&self) -> bool {
        self.spill_folder.is_some()
    }

    /// Bytes that the log may take.
    pub(super) fn limit(&self) -> u64 {
        self.memory_limit.as_u64()
    }
}

/// Reads a project's logs. What they tell of attributes is [`settled`] once it is clear when one looks.
pub(super) fn gather(
    folder: &Path,
    project: &Project,
    memory: &LogArgs,
    talk: Talk,
) -> Result<(GatheredLog, ReadReport, AttributeLog)> {
    let sources = project.checked_sources()?;
    let options = ReadingOptions {
        folder,
        store_options: stores(),
        end: project.log_end()?,
        max_bad_lines: project.log.max_bad_lines,
        want_lines: project.labels.as_ref().is_some_and(|l| l.cutoff_after_last_line.is_some()),
    };
    let spill = memory.spill_folder.clone().unwrap_or_else(std::env::temp_dir);
    let limit = memory.limit();
    let for_events = limit.saturating_sub(AT_WORK.as_u64()).max(limit / 4);
    let gathering = Gathering::new(for_events, &spill, project.measures().len())?;
    let names = LogNames::default();
    let bar = Bar::new(talk, "reading");
    let mut attributes = AttributeLog::default();
    let zone = Zone::named(&project.log.timezone)?;
    for table in &project.attributes {
        let rows = table.read(folder, &zone, &mut attributes)?;
        talk.say(&format!("attributes ({}): {rows} rows", table.path));
    }
    let sink = Gathered { events: gathering, attributes: Mutex::new(attributes) };
    let report = read_sources(&sources, &options, &names, &sink, &|p: Progress| {
        bar.show(p.bytes_read, p.bytes_total, p.lines);
    });
    bar.end();
    let report = report?;
    talk.say(&report.to_string());
    let attributes = sink.attributes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let events = sink.events.finish()?;
    let duplicates = project.log.duplicates;
    let log = GatheredLog { events, names, attributes: Arc::default(), duplicates };
    Ok((log, report, attributes))
}

/// Attributes in order: which there are and of what kind is told by what was known before an instant.
pub(super) fn settled(
    attributes: AttributeLog,
    zone: &Zone,
    before: i64,
    talk: Talk,
) -> Result<Arc<Attributes>> {
    let attributes = attributes.finish(zone, before)?;
    if attributes.contradictions() > 0 {
        talk.say(&format!(
            "attributes: {} times a customer has different values of one attribute known at the same \
             instant: the greatest counts",
            attributes.contradictions()
        ));
    }
    Ok(Arc::new(attributes))
}

/// Where a log ends: as the project says, else just after its last event.
pub(super) fn log_end(project: &Project, report: &ReadReport, zone: &Zone) -> Result<i64> {
    let Some(last) = report.last_event() else {
        match project.log_end()? {
            Some(end) => bail!(
                "the log has no event before {}, where [log] says that it ends; expected a later end",
                zone.text(end)
            ),
            None => bail!("the log has no event"),
        }
    };
    if let Some(end) = project.log_end()? {
        return Ok(end);
    }
    if let Some(stray) = report.stray() {
        bail!(
            "{} of the log's events come more than 30 days after all others, the last at {}; expected a log \
             that ends with its events: say in [log] where it ends, as end = \"{}\", and later ones are left \
             out, or as end = \"{}\" where they are right",
            stray.events,
            zone.text(last),
            zone.text(zone.instant(stray.end)),
            zone.text(zone.instant((zone.day(last) + 1) * DAY_MS))
        );
    }
    Ok(last + 1)
}

/// Refuses a cutoff that is not within a log; `named` is how it was typed.
pub(super) fn check_within(named: &str, cutoff: i64, span: (i64, i64), zone: &Zone) -> Result<()> {
    let (start, end) = span;
    if start < cutoff && cutoff <= end {
        return Ok(());
    }
    bail!(
        "{named} {}: the log is from {} to {}; expected a cutoff within it",
        zone.text(cutoff),
        zone.text(start),
        zone.text(end)
    )
}

/// The days after which silence at a log's end is told.
const SILENT_DAYS: i64 = 30;

/// Says so where a log is said to end long after its last event: silence until then counts as such.
pub(super) fn warn_of_silence(report: &ReadReport, end: i64, zone: &Zone, talk: Talk) {
    if let Some(last) = report.last_event().filter(|last| end - last > SILENT_DAYS * DAY_MS) {
        talk.say(&format!(
            "warning: [log] says that it ends {}, but its last event is at {}: all are taken for silent \
             since; correct end where the log is not complete until then",
            zone.text(end),
            zone.text(last)
        ));
    }
}

/// Where lines go.
struct Gathered {
    events: Gathering,
    attributes: Mutex<AttributeLog>,
}

impl Sink for Gathered {
    fn events(&self, events: EventBatch) -> crate::Result<()> {
        self.events.add(events)
    }

    fn lines(&self, customers: &Ids, times: &[i64]) -> crate::Result<()> {
        self.events.add_lines(customers, times)
    }

    fn traits(&self, told: Vec<Trait>) -> crate::Result<()> {
        let mut attributes = self.attributes.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().try_for_each(|told| {
            let value = match &told.value {
                TraitValue::Number(number) => AttributeValue::Number(*number),
                TraitValue::Text(text) => AttributeValue::Text(text),
            };
            attributes.add(CustomerId::of_text(&told.customer), told.known_at, &told.name, value)
        })
    }
}
