//! `rekindle features`: logs in, snapshots of features and answers out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::behaviour::{Duplicates, FeatureSpec, Zone};

use crate::attributes::{AttributeLog, Attributes};
use crate::build::{self, GatheredLog};
use crate::commands::cluster::{ClusterArgs, Watched, everywhere, output, refuse};
use crate::commands::contacts::{ContactArgs, contacted};
use crate::commands::log::{LogArgs, gather, log_end, settled, warn_of_silence};
use crate::commands::{Bar, Talk, format_of, print, write_whole};
use crate::distributed::{Before, Connect, Engine, Logs, Parts};
use crate::ingest::ReadReport;
use crate::panel::{Cutoffs, Panel, Population, check_begun, check_covered, one_sided};
use crate::project::Project;
use crate::report::populations_terminal;
use crate::sheet::Format;
use crate::snapshot::{About, CUSTOMER, CUTOFF, FINGERPRINT, Snapshots, WEIGHT};
use crate::support::feature_spec;

/// Where snapshots go if nobody says.
const OUTPUT: &str = "snapshots.parquet";

/// Build snapshots of features and targets from logs
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle features rekindle.toml -o snapshots.parquet\n  rekindle \
features rekindle.toml --list\n  rekindle features rekindle.toml --contacts customers.db\n  rekindle fit snapshots.parquet --target churned -o registry/"
)]
pub struct FeaturesCommand {
    /// The project: where the logs are, what is told of customers and what is asked
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// File to write: .parquet, or .csv with an account of itself beside it; with --cluster a folder or URL, snapshots
    /// where none is named
    #[arg(short, long, value_name = "FILE", default_value = OUTPUT)]
    output: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    contacts: ContactArgs,
    /// Print every feature with a sentence on what it is; write nothing
    #[arg(long)]
    list: bool,
    /// Print what was built as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Parts that the cluster writes: 1, 2, 4 and so on to 256 [default: by the log's size]
    #[arg(long, value_name = "NUMBER", requires = "cluster", help_heading = "On a cluster")]
    parts: Option<usize>,
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
    contacted: u64,
    held_out: u64,
    held_out_stand_for: f64,
    populations: &'a [Population],
}

impl FeaturesCommand {
    pub(super) fn run(self, talk: Talk, connect: Option<&dyn Connect>) -> Result<u8> {
        let project = Project::read(&self.project)?;
        if let Some(engine) = self.cluster.engine(connect)? {
            return self.on_cluster(&project, &*engine, talk);
        }
        let folder = self.log.folder(&self.project);
        let (mut log, report, told) = gather(&folder, &project, &self.log, talk)?;
        let built = Prepared::new(&folder, &project, (&mut log, told), &report, talk)?;
        let built = built.left_alone(&project, &self.contacts, talk)?;
        if self.list {
            return list(&built.spec);
        }
        let written = built.write(&project, (&mut log, self.log.limit()), &self.output, talk)?;
        let counts = (log.events.customers(), log.events.events(), log.events.spilled_bytes());
        let shown = self.output.display().to_string();
        self.tell(&shown, &Summary::new(&report, counts, &built.spec, &written))
    }

    fn tell(&self, written: &str, summary: &Summary<'_>) -> Result<u8> {
        if self.json {
            print(&(serde_json::to_string_pretty(summary)? + "\n"))?;
            return Ok(0);
        }
        print(&format!(
            "{written}: {} rows, {} features\n{}",
            summary.rows,
            summary.features + summary.attributes,
            populations_terminal(summary.populations)
        ))?;
        Ok(0)
    }

    /// The same, each part of the customers somewhere, into a folder of parts.
    fn on_cluster(&self, project: &Project, engine: &dyn Engine, talk: Talk) -> Result<u8> {
        refuse(&[
            ("--contacts", self.contacts.contacts.is_some()),
            ("--spill-folder", self.log.has_spill_folder()),
        ])?;
        let text = std::fs::read_to_string(&self.project)
            .with_context(|| format!("failed to read {}", self.project.display()))?;
        let folder = PathBuf::from(everywhere(&self.log.folder(&self.project))?);
        let named = match self.output.as_path() {
            unsaid if unsaid == Path::new(OUTPUT) => Path::new("snapshots"),
            named => named,
        };
        let parts = Parts::at(&output(named)?)?;
        let zone = Zone::named(&project.log.timezone)?;
        let mut cutoffs = project.cutoffs()?;
        cutoffs.sort_unstable();
        cutoffs.dedup();
        let before = learned_before(&cutoffs)?;
        let limit = self.log.limit();
        let mut logs = Logs::find((text, project, folder), (&parts, self.parts), before, limit)?;
        let before_it = logs.begin()?;
        if let (Before::Finished(said), false) = (&before_it, self.list) {
            talk.say(&format!("{}: all parts are there already", parts.address()));
            if self.json {
                print(&(serde_json::to_string_pretty(said)? + "\n"))?;
            }
            return Ok(0);
        }
        let mut watched = Watched::new(talk, "reading");
        let gathered = logs.gather(engine, &mut |id, done, all| watched.see(id, done, all));
        drop(watched);
        let Some(gathered) = or_finished(gathered, &logs, talk)? else { return Ok(0) };
        talk.say(&gathered.report.to_string());
        let spec = check_log(project, &gathered.report, &cutoffs, &zone, talk).and_then(|()| {
            let spec = logs.feature_spec(&gathered);
            let spec = spec.with_context(|| {
                format!("failed to choose features before {}", zone.text(before))
            })?;
            check_targets(&spec, project).map(|()| spec)
        });
        if self.list && before_it != Before::Begun || spec.is_err() {
            parts.abandon()?;
        }
        let spec = spec?;
        if self.list {
            return list(&spec);
        }
        let about = build::about(&spec, project, cutoffs.len(), &Attributes::default())?;
        let mut watched = Watched::new(talk, "building");
        let written =
            logs.build(engine, (&about, &cutoffs), &mut |id, done, all| watched.see(id, done, all));
        drop(watched);
        let Some((customers, written)) = or_finished(written, &logs, talk)? else { return Ok(0) };
        say(&written, (false, project.log.duplicates), talk);
        let counts = (customers, gathered.events, 0);
        let summary = Summary::new(&gathered.report, counts, &spec, &written);
        logs.finish(&summary)?;
        self.tell(parts.address(), &summary)
    }
}

/// What was done; nothing, where another run of the same command has filled the folder meanwhile.
fn or_finished<T>(done: Result<T>, logs: &Logs<'_>, talk: Talk) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) => match logs.is_finished() {
            Ok(true) => {
                talk.say("another run of the same command has written all parts meanwhile");
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

fn list(spec: &FeatureSpec) -> Result<u8> {
    let features = spec.features.iter().map(|f| (f.name(), f.explain()));
    let attributes = spec.attributes.iter().map(|a| (a.column(), a.explain()));
    let all = features.chain(attributes);
    print(&all.map(|(name, text)| format!("{name}\t{text}\n")).collect::<String>())?;
    Ok(0)
}

impl<'a> Summary<'a> {
    fn new(
        log: &'a ReadReport,
        (customers, events, spilled_bytes): (u64, u64, u64),
        spec: &FeatureSpec,
        written: &'a build::Written,
    ) -> Summary<'a> {
        Summary {
            log,
            customers,
            events,
            spilled_bytes,
            features: spec.features.len(),
            fingerprint: spec.fingerprint(),
            attributes: spec.attributes.len(),
            duplicates: written.duplicates,
            rows: written.rows,
            contacted: written.contacted,
            held_out: written.held_out,
            held_out_stand_for: written.held_out_stand_for,
            populations: &written.populations,
        }
    }
}

/// The instant before which events decide which features there are, of rising cutoffs: the last cutoff judges where there
/// are several, and what comes after the others is not used.
fn learned_before(cutoffs: &[i64]) -> Result<i64> {
    match cutoffs {
        [.., earlier, _] | [earlier] => Ok(*earlier),
        [] => bail!("no customer of the labels; expected some"),
    }
}

/// Refuses a log that does not cover its cutoffs.
fn check_log(
    project: &Project,
    report: &ReadReport,
    cutoffs: &[i64],
    zone: &Zone,
    talk: Talk,
) -> Result<()> {
    let end = log_end(project, report, zone)?;
    warn_of_silence(report, end, zone, talk);
    let start = report.first_event().unwrap_or(end);
    check_covered(&project.questions()?, cutoffs, (start, end), zone)?;
    // Attributes may tell of customers before the first event.
    if project.attributes.is_empty()
        && let Some(early) = check_begun(cutoffs, start, zone)?
    {
        talk.say(&format!("warning: {early}"));
    }
    Ok(())
}

/// Refuses targets whose names other columns have.
fn check_targets(spec: &FeatureSpec, project: &Project) -> Result<()> {
    let questions = project.questions()?;
    let label = project.labels.as_ref().map(|labels| labels.target.as_str());
    let columns = spec.columns();
    for target in questions.names().chain(label) {
        if [CUSTOMER, CUTOFF, FINGERPRINT, WEIGHT].contains(&target)
            || columns.iter().any(|column| column == target)
        {
            bail!(
                "target {target}: the snapshots have another column of that name; expected one of its own"
            );
        }
    }
    Ok(())
}

/// For how long after a cutoff the last answer is not known, in milliseconds.
fn reach(project: &Project) -> Result<i64> {
    if let Some(labels) = &project.labels {
        let Some(days) = labels.known_after else {
            bail!(
                "--contacts: [labels] does not say when a label is known; expected known_after, as \"90d\": contacts until \
                 then count"
            );
        };
        return Ok(days.ms());
    }
    let questions = project.questions()?;
    Ok(questions.by_name.iter().map(|(_, question)| question.reach_ms()).max().unwrap_or(0))
}

/// Features and panel of a project, ready to be written.
pub(super) struct Prepared {
    pub spec: FeatureSpec,
    panel: Panel,
    cutoffs: Vec<i64>,
    weighted: bool,
}

impl Prepared {
    pub(super) fn new(
        folder: &Path,
        project: &Project,
        (log, told): (&mut GatheredLog, AttributeLog),
        report: &ReadReport,
        talk: Talk,
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
                check_log(project, report, cutoffs, &zone, talk)?;
                cutoffs.clone()
            }
            Cutoffs::Each(labels) => labels.values().flatten().map(|(cutoff, _)| *cutoff).collect(),
        };
        all.sort_unstable();
        all.dedup();
        let before = learned_before(&all)?;
        if let Some(labels) = project.labels.as_ref().filter(|l| l.known_after.is_none())
            && all.len() > 1
        {
            bail!(
                "[labels]: {} has {} cutoffs; expected known_after, as \"90d\": how long after its cutoff a \
                 label is known, so that none is learned from before that",
                labels.path,
                all.len()
            );
        }
        log.attributes = settled(told, &zone, before, talk)?;
        let spec = feature_spec(log, project, before)
            .with_context(|| format!("failed to choose features before {}", zone.text(before)))?;
        let label = project.labels.as_ref().map(|labels| labels.target.as_str());
        check_targets(&spec, project)?;
        let panel = Panel::new(&spec, &questions, label, cutoffs)?;
        let panel = panel.with_attributes(Arc::clone(&log.attributes))?;
        Ok(Prepared { spec, panel, cutoffs: all, weighted: false })
    }

    /// Asks as if customers were left alone, where a store says who was contacted.
    pub(super) fn left_alone(
        self,
        project: &Project,
        contacts: &ContactArgs,
        talk: Talk,
    ) -> Result<Prepared> {
        let Some(address) = &contacts.contacts else { return Ok(self) };
        let reach_ms = reach(project)?;
        let (Some(first), Some(last)) = (self.cutoffs.first(), self.cutoffs.last()) else {
            return Ok(self);
        };
        let contacted = contacted(address, (*first, *last + reach_ms), talk)?;
        let panel = self.panel.left_alone(contacted, reach_ms);
        Ok(Prepared { panel, weighted: true, ..self })
    }

    pub(super) fn write(
        &self,
        project: &Project,
        (log, limit): (&mut GatheredLog, u64),
        output: &Path,
        talk: Talk,
    ) -> Result<build::Written> {
        let about = build::about(&self.spec, project, self.cutoffs.len(), &log.attributes)?;
        let about = About { weighted: self.weighted, ..about };
        let format = match format_of(output)? {
            Format::Ndjson => bail!("{}: expected .parquet or .csv", output.display()),
            format => format,
        };
        // Reading is over; its share of the memory, and of the events' what wide rows need besides, is for writing.
        let writing = build::writing_bytes(log, &self.panel);
        log.events.shrink_to(limit.saturating_sub(writing))?;
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
        say(&built, (self.weighted, log.duplicates), talk);
        Ok(built)
    }
}

/// Tells what users should know of snapshots that were built.
fn say(built: &build::Written, (weighted, duplicates): (bool, Duplicates), talk: Talk) {
    for (target, found) in one_sided(&built.populations) {
        talk.say(&format!(
            "warning: targets.{target}: {found}, so that there is nothing to learn; expected some with it and \
             some without: see its do or do_not (kinds, min_amount, times), its horizon, and eligible"
        ));
    }
    if built.not_in_log > 0 {
        talk.say(&format!(
            "{} customers with labels or attributes are not in the log",
            built.not_in_log
        ));
    }
    if weighted {
        talk.say(&format!(
            "contacts: {} rows are of customers who were contacted before their answer was known, and are left out; {} \
             of customers who were held out stand for {:.0}",
            built.contacted, built.held_out, built.held_out_stand_for
        ));
        if built.contacted > 0 && built.held_out == 0 {
            talk.say(
                "warning: nobody was held out: nothing tells what those who were contacted would have done, and the \
                 models are of the others; expected campaigns with control_share above 0",
            );
        }
    }
    if built.duplicates > 0 {
        talk.say(&format!(
            "{} events are equal to another one of their customer: {}",
            built.duplicates,
            match duplicates {
                Duplicates::Keep => "kept, as duplicates = \"keep\" in [log] says",
                Duplicates::Drop => "left out, as duplicates = \"drop\" in [log] says",
            }
        ));
    }
}
