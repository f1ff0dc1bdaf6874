//! What saved models are judged on: a table, or a project's log at a cutoff. Judges nothing.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::Artifact;
use tempfile::NamedTempFile;

use crate::commands::Talk;
use crate::commands::at_cutoff::{AtCutoff, STATES};
use crate::commands::log::LogArgs;
use crate::holdout::{Holdout, HoldoutOptions};

/// What models are judged on, and how it is read.
pub(super) struct Reading<'a> {
    table: &'a Path,
    log: Option<AtCutoff>,
    options: HoldoutOptions,
    /// Standard input, which each model reads anew.
    copy: Option<NamedTempFile>,
}

impl<'a> Reading<'a> {
    /// With a cutoff the table is a project, whose log is read here.
    pub(super) fn new(
        table: &'a Path,
        options: HoldoutOptions,
        (cutoff, args): (Option<&str>, &LogArgs),
        talk: Talk,
    ) -> Result<Reading<'a>> {
        check_table(table, cutoff.is_some())?;
        let log = cutoff.map(|cutoff| AtCutoff::read(table, cutoff, args, talk)).transpose()?;
        let copy = (table == Path::new("-")).then(|| {
            let mut copy = NamedTempFile::new()?;
            std::io::copy(&mut std::io::stdin().lock(), &mut copy)?;
            Ok::<_, std::io::Error>(copy)
        });
        let copy = copy.transpose().context("failed to keep a copy of standard input")?;
        Ok(Reading { table, log, options, copy })
    }

    fn path(&self) -> &Path {
        self.copy.as_ref().map_or(self.table, NamedTempFile::path)
    }

    /// What was judged on, in words.
    pub(super) fn shown(&self) -> String {
        let table = self.table.display();
        match &self.log {
            None if self.copy.is_some() => "standard input".to_owned(),
            None => table.to_string(),
            Some(log) => format!("{table} at {}", log.shown()),
        }
    }

    /// Columns that say what each customer is, besides those of the table.
    pub(super) fn states(&self) -> &'static [&'static str] {
        if self.log.is_some() { &STATES } else { &[] }
    }

    /// The table that a model is judged on.
    pub(super) fn holdout(&self, artifact: &Artifact) -> Result<Holdout> {
        Ok(match &self.log {
            None => Holdout::read(artifact, self.path(), &self.options)?,
            Some(log) => {
                let frame = log.table(artifact, true)?;
                Holdout::new(artifact, frame, &self.options, &self.shown())?
            }
        })
    }
}

/// Refuses a project without a cutoff, and a cutoff with anything else.
pub(super) fn check_table(table: &Path, cutoff: bool) -> Result<()> {
    match (table.extension().is_some_and(|ending| ending == "toml"), cutoff) {
        (true, false) => bail!(
            "{}: found a project; expected --cutoff DATE with it, when its log is looked at, or a table",
            table.display()
        ),
        (false, true) => bail!(
            "{}: found a table; expected a project (rekindle.toml) with --cutoff, whose log is told at that time",
            table.display()
        ),
        _ => Ok(()),
    }
}
