//! The subcommands of `rekindle`, one a file, and what they share.

mod at_cutoff;
mod cluster;
mod compare;
mod contacts;
mod customers;
mod demo;
mod drift;
mod evaluate;
mod explain;
mod export;
mod features;
mod finished;
mod fit;
mod fit_uplift;
mod foreign;
mod github;
mod import;
mod init;
mod keeping;
mod log;
mod models;
mod plan;
mod reading;
mod run;
mod score;
mod select;
mod simulate;
mod speed;
mod store;
mod value;

use github::annotate;

use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use rekindle_models::artifact::{Artifact, Registry};
use rekindle_models::frame::{DateFormat, ReadKind, ReadOptions};

use crate::depot::readable;
use crate::distributed::Connect;
use crate::sheet::Format;

/// Learns from what customers do who will stay, pay, leave or come back, and says honestly whether
/// the model is good enough to use.
#[derive(Debug, Parser)]
#[command(
    name = "rekindle",
    version,
    after_help = "Exit codes: 0 usable \
(or done), 1 unusable, 2 could not judge: bad input or not enough data.\n\nExamples:\n  \
rekindle demo\n  rekindle fit churn.csv --target Churn=Yes --id customerID -o registry/\n  \
rekindle evaluate registry/churn holdout.csv --max-error-rate 0.45 --max-miss-rate 0.30\n  \
rekindle score registry/churn customers.csv -o scores.csv"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say only what goes wrong.
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Features(features::FeaturesCommand),
    Run(run::Run),
    Customers(customers::CustomersCommand),
    Value(value::ValueCommand),
    Fit(Box<fit::Fit>),
    FitUplift(Box<fit_uplift::FitUplift>),
    Select(Box<select::Select>),
    Evaluate(Box<evaluate::Evaluate>),
    Compare(Box<compare::Compare>),
    Drift(Box<drift::Drift>),
    Score(score::Score),
    Explain(explain::Explain),
    Plan(plan::PlanCommand),
    Models(models::Models),
    Export(export::Export),
    Import(import::Import),
    Simulate(simulate::Simulate),
    Store(store::StoreCommand),
}

impl Cli {
    /// Runs the command and returns the exit code.
    ///
    /// `connect` is what `--cluster` is reached by; without it another executable is asked to.
    ///
    /// # Errors
    /// When the command could not do its work: exit code 2.
    pub fn run(self, connect: Option<&dyn Connect>) -> Result<u8> {
        let talk = Talk { quiet: self.quiet };
        match self.command {
            Command::Demo(demo) => demo.run(talk),
            Command::Init(init) => init.run(talk),
            Command::Features(features) => features.run(talk, connect),
            Command::Run(run) => run.run(talk),
            Command::Customers(customers) => customers.run(talk),
            Command::Value(value) => value.run(talk),
            Command::Fit(fit) => fit.run(talk, connect),
            Command::FitUplift(fit) => fit.run(talk),
            Command::Select(select) => select.run(talk),
            Command::Evaluate(evaluate) => evaluate.run(talk),
            Command::Compare(compare) => compare.run(talk),
            Command::Drift(drift) => drift.run(talk),
            Command::Score(score) => score.run(talk, connect),
            Command::Explain(explain) => explain.run(talk),
            Command::Plan(plan) => plan.run(talk),
            Command::Models(models) => models.run(),
            Command::Export(export) => export.run(talk),
            Command::Import(import) => import.run(talk),
            Command::Simulate(simulate) => simulate.run(talk),
            Command::Store(store) => store.run(talk),
        }
    }
}

/// The command as a process: its arguments, its messages, its exit code. `connect` is as [`Cli::run`] has it.
pub fn main_on(connect: Option<&dyn Connect>) -> ExitCode {
    match Cli::parse().run(connect) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // The exit code tells it too, where nobody reads.
            let _ = writeln!(std::io::stderr(), "rekindle: {}", sentence(&error));
            annotate(&sentence(&error));
            ExitCode::from(2)
        }
    }
}

/// An error with its causes, without those that the error before them already tells.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}

/// Messages on standard error.
#[derive(Debug, Clone, Copy)]
struct Talk {
    quiet: bool,
}

impl Talk {
    /// Says it where somebody listens: a standard error that is closed (`2>&1 | head`) ends no work.
    fn say(self, message: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{message}");
        }
    }
}

/// The format of a table that a file's ending says.
fn format_of(path: &Path) -> Result<Format> {
    Format::of(&path.to_string_lossy()).with_context(|| {
        format!(
            "{}: found no ending that says the format, expected .parquet, .csv or .ndjson",
            path.display()
        )
    })
}

/// A progress bar on a terminal: how far, rows a second, time left.
struct Bar(ProgressBar);

impl Bar {
    fn new(talk: Talk, what: &'static str) -> Bar {
        let style = "{prefix} [{bar:30}] {percent} %  {msg}, {eta} left";
        let style = ProgressStyle::with_template(style).expect("the template is well formed");
        let bar = match talk.quiet {
            true => ProgressBar::hidden(),
            // Shows nothing where standard error is no terminal.
            false => ProgressBar::new(0),
        };
        Bar(bar.with_style(style.progress_chars("=> ")).with_prefix(what))
    }

    /// `done` of `all` is done; it was made of so many rows.
    fn show(&self, done: u64, all: u64, rows: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
        let (rows, seconds) = (rows as f64 / 1e6, self.0.elapsed().as_secs_f64());
        let speed = rows / seconds.max(1e-9);
        self.0.set_message(format!("{rows:.1} million rows, {speed:.2} million a second"));
    }

    /// `done` of `all` tasks are done.
    fn show_tasks(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
        self.0.set_message(format!("{done} of {all} tasks"));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Colour on a terminal, and never with `NO_COLOR`.
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Data on standard output. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(e).context("failed to write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> std::io::Result<()>,
) -> Result<()> {
    let failed = || format!("failed to write {}", path.display());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    let mut buffered = BufWriter::new(&file);
    write(&mut buffered).and_then(|()| buffered.flush()).with_context(failed)?;
    drop(buffered);
    readable(&file).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// How a table is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading the table")]
struct ReadArgs {
    /// Byte between the fields of a CSV file [default: found in the header]
    #[arg(long, value_name = "BYTE", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// A cell that counts as missing, besides empty ones; may be given several times
    /// [default: NA N/A NaN nan NULL null \N]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    missing: Vec<String>,
    /// Read a column as categories, also where it looks like numbers; several: A,B
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Read a column as numbers: a cell that is none is an error; several: A,B
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    numeric: Vec<String>,
    /// Read a column as dates, written in ISO 8601 or in a format as %d.%m.%Y: they become days
    #[arg(long, value_name = "COLUMN[=FORMAT]")]
    date: Vec<String>,
}

impl ReadArgs {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions { delimiter: self.delimiter, ..ReadOptions::default() };
        if !self.missing.is_empty() {
            options.missing = self.missing.clone();
        }
        let columns = |columns: &[String], kind: ReadKind| -> BTreeMap<String, ReadKind> {
            columns.iter().map(|column| (column.clone(), kind.clone())).collect()
        };
        options.kinds.extend(columns(&self.categorical, ReadKind::Categorical));
        options.kinds.extend(columns(&self.numeric, ReadKind::Numeric));
        options.kinds.extend(self.date.iter().map(|given| {
            let (column, format) = given.split_once('=').unwrap_or((given, ""));
            (column.to_owned(), ReadKind::Date(DateFormat(format.to_owned())))
        }));
        options
    }
}

fn delimiter(text: &str) -> std::result::Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ if text.len() == 1 && text != "\"" && text != "\n" => Ok(text.as_bytes()[0]),
        _ => Err("expected one ASCII character (tab as \\t)".to_owned()),
    }
}

/// A saved model with its version where it lies in a registry.
struct Found {
    artifact: Artifact,
    version: Option<u32>,
}

/// Loads a model by its path: a model's folder in a registry (the version in force is taken), a
/// version's folder, or a file.
fn load_model(path: &Path) -> Result<Found> {
    if path.is_file() {
        return Ok(Found { artifact: Artifact::load(path)?, version: None });
    }
    if !path.is_dir() {
        bail!(
            "{}: no such model; name a model's folder in a registry (registry/churn), a version's \
             folder (registry/churn/2) or a model file",
            path.display()
        );
    }
    let path = path.canonicalize().with_context(|| format!("failed to find {}", path.display()))?;
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let above = |path: &Path| path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let folder = name(&path).unwrap_or_default();
    if let Ok(version) = folder.parse::<u32>()
        && path.join("model.rekindle").is_file()
    {
        let artifact = Artifact::load(&path.join("model.rekindle"))?;
        return Ok(Found { artifact, version: Some(version) });
    }
    let registry = Registry::open(&above(&path))?;
    if registry.versions(&folder).unwrap_or_default().is_empty() {
        bail!(
            "{}: no model lies there; name a model's folder in a registry, as registry/churn{}",
            path.display(),
            match Registry::open(&path).and_then(|inner| inner.models()) {
                Ok(models) if !models.is_empty() => format!("; it holds {}", models.join(", ")),
                _ => String::new(),
            }
        );
    }
    let Some(version) = registry.current(&folder)? else {
        bail!(
            "{}: no version is in force; promote one: rekindle models promote {} VERSION",
            path.display(),
            path.display()
        );
    };
    Ok(Found { artifact: registry.load(&folder, version)?, version: Some(version) })
}
