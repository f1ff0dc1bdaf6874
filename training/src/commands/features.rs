//! `rekindle features`: logs in, snapshots of features and answers out.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::behaviour::{Duplicates, FeatureSpec, Zone};

use crate::attributes::{AttributeLog, AttributeValue};
use crate::build::{self, GatheredLog};
use crate::commands::customers::format;
use crate::commands::{Talk, print, write_whole};
use crate::ingest::{
    CustomerId, EventBatch, Gathering, Ids, LogNames, Progress, ReadReport, ReadingOptions, Sink,
    Trait, TraitValue, read_sources,
};
use crate::panel::{Cutoffs, Panel, Population, check_covered};
use crate::project::Project;
use crate::report::populations_terminal;
use crate::sheet::Format;
use crate::snapshot::{About, Snapshots};

/// Build snapshots of features and targets from logs
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle features rekindle.toml -o snapshots.parquet\n  rekindle \
features rekindle.toml --list\n  rekindle fit snapshots.parquet --target churned -o registry/"
)]
pub struct FeaturesCommand {
    /// The project: where the logs are, what is told of customers and what is asked
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// Parquet file to write
    #[arg(short, long, value_name = "FILE", default_value = "snapshots.parquet")]
    output: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// Print every feature with a sentence on what it is; write nothing
    #[arg(long)]
    list: bool,
    /// Print what was built as JSON
    #[arg(long)]
    json: bool,
}

/// Where logs are, and how much memory they may take.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// Folder that relative paths of the project begin at [default: the project's own]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Memory for the log's events; what is more goes to a file on disk
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = size)]
    memory_limit: u64,
    /// Folder of that file [default: the system's folder of temporary files]
    #[arg(long, value_name = "FOLDER")]
    spill_folder: Option<PathBuf>,
}

/// A size as `512MiB`, `4GiB`, `2GB` or bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        _ => return Err(format!("unit {unit:?}; expected KiB, MiB, GiB, KB, MB or GB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no size, as 4GiB"))?;
    Ok((number * scale) as u64)
}

/// What was built, for machines.
#[derive(serde::Serialize)]
struct Summary<'a> {
    log: &'a ReadReport,
    customers: u64,
    events: u64,
    spilled_bytes: u64,
    features: usize,
    attributes: usize,
    duplicates: u64,
    fingerprint: String,
    rows: u64,
    populations: &'a [Population],
}

/// What `--memory-limit` is without it.
const MEMORY_LIMIT: u64 = 4 << 30;

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
}

impl FeaturesCommand {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let project = Project::read(&self.project)?;
        let folder = self.log.folder(&self.project);
        let (log, report) = gather(&folder, &project, &self.log, talk)?;
        let built = Prepared::new(&folder, &project, &log, &report)?;
        if self.list {
            let features = built.spec.features.iter().map(|f| (f.name(), f.explain()));
            let attributes = built.spec.attributes.iter().map(|a| (a.column(), a.explain()));
            let all = features.chain(attributes);
            print(&all.map(|(name, text)| format!("{name}\t{text}\n")).collect::<String>())?;
            return Ok(0);
        }
        let written = built.write(&project, &log, &self.output, talk)?;
        if self.json {
            let summary = Summary {
                log: &report,
                customers: log.events.customers(),
                events: log.events.events(),
                spilled_bytes: log.events.spilled_bytes(),
                features: built.spec.features.len(),
                fingerprint: built.spec.fingerprint(),
                attributes: built.spec.attributes.len(),
                duplicates: written.duplicates,
                rows: written.rows,
                populations: &written.populations,
            };
            print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
            return Ok(0);
        }
        print(&format!(
            "{}: {} rows, {} features\n{}",
            self.output.display(),
            written.rows,
            built.spec.columns().len(),
            populations_terminal(&written.populations)
        ))?;
        Ok(0)
    }
}

/// Reads a project's logs.
pub(super) fn gather(
    folder: &Path,
    project: &Project,
    memory: &LogArgs,
    talk: Talk,
) -> Result<(GatheredLog, ReadReport)> {
    let sources = project.checked_sources()?;
    let options = ReadingOptions {
        folder,
        store_options: stores(),
        end: project.log_end()?,
        max_bad_lines: project.log.max_bad_lines,
        want_lines: project.labels.as_ref().is_some_and(|l| l.cutoff_after_last_line.is_some()),
    };
    let spill = memory.spill_folder.clone().unwrap_or_else(std::env::temp_dir);
    let gathering = Gathering::new(memory.memory_limit, &spill, project.measures().len())?;
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
    let attributes = Arc::new(attributes.finish(&zone)?);
    if attributes.contradictions() > 0 {
        talk.say(&format!(
            "attributes: {} times a customer has different values of one attribute known at the same \
             instant: the greatest counts",
            attributes.contradictions()
        ));
    }
    let events = sink.events.finish()?;
    let duplicates = project.log.duplicates;
    Ok((GatheredLog { events, names, attributes, duplicates }, report))
}

/// Options of object stores: they take their credentials from the environment, as their own tools do.
pub(super) fn stores() -> Vec<(String, String)> {
    std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
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

/// A progress line on a terminal: share done, rows a second, time left.
pub(super) struct Bar {
    shown: bool,
    what: &'static str,
    start: Instant,
    last: Mutex<Instant>,
}

impl Bar {
    pub(super) fn new(talk: Talk, what: &'static str) -> Bar {
        let start = Instant::now();
        let shown = !talk.quiet && std::io::stderr().is_terminal();
        Bar { shown, what, start, last: Mutex::new(start) }
    }

    pub(super) fn show(&self, done: u64, all: u64, rows: u64) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !self.shown || last.elapsed().as_millis() < 200 {
            return;
        }
        *last = Instant::now();
        let seconds = self.start.elapsed().as_secs_f64();
        let share = done as f64 / all.max(1) as f64;
        let left = seconds / share.max(1e-9) * (1.0 - share).max(0.0);
        eprint!(
            "\r{} {:3.0} %  {:.1} million rows, {:.2} million a second, {left:.0} s left   ",
            self.what,
            100.0 * share,
            rows as f64 / 1e6,
            rows as f64 / 1e6 / seconds.max(1e-9)
        );
    }

    pub(super) fn end(&self) {
        if self.shown {
            eprint!("\r{:78}\r", "");
        }
    }
}

/// Features and panel of a project, ready to be written.
pub(super) struct Prepared {
    pub spec: FeatureSpec,
    panel: Panel,
    cutoffs: usize,
}

impl Prepared {
    pub(super) fn new(
        folder: &Path,
        project: &Project,
        log: &GatheredLog,
        report: &ReadReport,
    ) -> Result<Prepared> {
        let questions = project.questions()?;
        let zone = Zone::named(&project.log.timezone)?;
        let cutoffs = match &project.labels {
            Some(labels) => {
                Cutoffs::Each(crate::labels::given(folder, project, labels, &log.events)?)
            }
            None => Cutoffs::Common(project.cutoffs()?),
        };
        let mut all: Vec<i64> = match &cutoffs {
            Cutoffs::Common(cutoffs) => {
                let last = report.last_event().map(|last| last + 1);
                let Some(end) = project.log_end()?.or(last) else { bail!("the log has no event") };
                check_covered(&questions, cutoffs, end, &zone)?;
                cutoffs.clone()
            }
            Cutoffs::Each(labels) => labels.values().flatten().map(|(cutoff, _)| *cutoff).collect(),
        };
        all.sort_unstable();
        all.dedup();
        // The last cutoff judges where there are several: what comes after the others is not used.
        let before = match (&cutoffs, all.as_slice()) {
            (Cutoffs::Common(_), [.., earlier, _]) => *earlier,
            (_, [.., last]) => *last,
            (_, []) => bail!("no customer of the labels; expected some"),
        };
        let spec = build::feature_spec(log, project, before)
            .with_context(|| format!("failed to choose features before {}", zone.text(before)))?;
        let label = project.labels.as_ref().map(|labels| labels.target.as_str());
        let panel = Panel::new(&spec, &questions, label, cutoffs)?;
        let panel = panel.with_attributes(Arc::clone(&log.attributes))?;
        Ok(Prepared { spec, panel, cutoffs: all.len() })
    }

    pub(super) fn write(
        &self,
        project: &Project,
        log: &GatheredLog,
        output: &Path,
        talk: Talk,
    ) -> Result<build::Written> {
        let about = build::about(&self.spec, project, self.cutoffs)?;
        let format = match format(output)? {
            Format::Ndjson => bail!("{}: expected .parquet or .csv", output.display()),
            format => format,
        };
        let bar = Bar::new(talk, "building");
        let events = log.events.events();
        let watch = |built: build::Built| {
            let done = built.done as u64;
            bar.show(done, built.all as u64, events * done / built.all.max(1) as u64);
        };
        let mut outcome = None;
        let written = write_whole(output, |to| {
            let file = match format {
                Format::Csv => Snapshots::csv(to, &about),
                _ => Snapshots::parquet(to, &about),
            };
            let done = file
                .map_err(|e| crate::Error::BadOptions(e.to_string()))
                .and_then(|file| build::write_panel(log, &self.spec, &self.panel, file, &watch));
            let failed = || std::io::Error::other("the snapshots could not be built");
            outcome.insert(done).as_ref().map(|_| ()).map_err(|_| failed())
        });
        bar.end();
        // What went wrong while building says more than that writing stopped.
        let built = outcome.transpose()?;
        written?;
        if format == Format::Csv {
            let json = serde_json::to_string_pretty(&about)? + "\n";
            write_whole(&About::beside(output), |to| to.write_all(json.as_bytes()))?;
        }
        let built = built.context("nothing was written")?;
        if built.duplicates > 0 {
            talk.say(&format!(
                "{} events are equal to another one of their customer: {}",
                built.duplicates,
                match log.duplicates {
                    Duplicates::Keep => "kept, as duplicates = \"keep\" in [log] says",
                    Duplicates::Drop => "left out, as duplicates = \"drop\" in [log] says",
                }
            ));
        }
        Ok(built)
    }
}
