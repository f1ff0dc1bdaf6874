//! `rekindle init`: looks at a log and writes a first project file, with comments.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::commands::{Bar, Talk, print, write_whole};
use crate::guess::{Guess, Seen};
use crate::ingest::{
    EventBatch, Ids, LogNames, Progress, ReadingOptions, Sink, Trait, look, read_sources, stores,
};
use crate::project::Project;

/// Look at a log and write a first project file, with comments, to be corrected by hand
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle init events.csv\n  rekindle init 's3://bucket/events/*.parquet' -o \
rekindle.toml\n\nWhat columns mean is guessed by their names and cells: read the file before it is used."
)]
pub struct Init {
    /// File, glob, folder or URL of a log
    log: String,
    /// Project file to write
    #[arg(short, long, value_name = "FILE", default_value = "rekindle.toml")]
    output: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        if self.output.exists() && !self.force {
            bail!(
                "{}: it is there already; --force writes over it, -o names another file",
                self.output.display()
            );
        }
        let look = look(&self.log, stores())?;
        let (guess, seen) = read_best(Guess::new(&self.path()?, &look), talk)?;
        let text = guess.project(&seen);
        Project::parse(&text, &self.output.display().to_string())
            .context("the first project file that was guessed cannot be used: write one by hand")?;
        write_whole(&self.output, |to| to.write_all(text.as_bytes()))?;
        let name = self.output.display();
        print(&format!(
            "{name}: read it, correct what was guessed wrongly, then\n  rekindle features {name} \
             --list\n  rekindle run {name}\n"
        ))?;
        Ok(0)
    }

    /// The log's path as the project file, which may be elsewhere, has to name it.
    fn path(&self) -> Result<String> {
        let beside = self.output.parent().is_none_or(|folder| folder.as_os_str().is_empty());
        if self.log.contains("://") || beside || Path::new(&self.log).is_absolute() {
            return Ok(self.log.clone());
        }
        let here = std::env::current_dir().context("failed to find the current folder")?;
        Ok(here.join(&self.log).to_string_lossy().into_owned())
    }
}

/// Reads the log as it was guessed and, where day and month may be the other way round, so too: what reads
/// more lines is taken.
fn read_best(mut guess: Guess, talk: Talk) -> Result<(Guess, Seen)> {
    let seen = read(&guess, talk)?;
    let Some(other) = guess.other_way() else { return Ok((guess, seen)) };
    let other_seen = read(&other, Talk { quiet: true })?;
    match other_seen.bad_lines().cmp(&seen.bad_lines()) {
        Ordering::Less => return Ok((other, other_seen)),
        Ordering::Equal => talk.say(&guess.note_either_way(&other)),
        Ordering::Greater => {}
    }
    Ok((guess, seen))
}

/// Reads all of the log as it was guessed, and keeps what the project file should say of it.
fn read(guess: &Guess, talk: Talk) -> Result<Seen> {
    let source = guess.source()?;
    let names = LogNames::default();
    let options = ReadingOptions {
        folder: Path::new(""),
        store_options: stores(),
        end: None,
        max_bad_lines: 1.0,
        want_lines: false,
    };
    let paid = Paid::default();
    let bar = Bar::new(talk, "reading");
    let report = read_sources(&[source], &options, &names, &paid, &|p: Progress| {
        bar.show(p.bytes_read, p.bytes_total, p.lines);
    });
    bar.end();
    let report = report?;
    talk.say(&report.to_string());
    let paid = paid.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Seen::new(guess, &report, &names, &paid))
}

/// How many events of each kind's code there are, and how many of them have an amount.
#[derive(Default)]
struct Paid(Mutex<Vec<(u64, u64)>>);

impl Sink for Paid {
    fn events(&self, batch: EventBatch) -> crate::Result<()> {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (place, kind) in batch.events.kinds.iter().map(|kind| usize::from(*kind)).enumerate() {
            if counts.len() <= kind {
                counts.resize(kind + 1, (0, 0));
            }
            let amount = batch.events.measures[0].get(place).copied().unwrap_or(f64::NAN);
            counts[kind].0 += 1;
            counts[kind].1 += u64::from(!amount.is_nan());
        }
        Ok(())
    }

    fn lines(&self, _: &Ids, _: &[i64]) -> crate::Result<()> {
        Ok(())
    }

    fn traits(&self, _: Vec<Trait>) -> crate::Result<()> {
        Ok(())
    }
}
