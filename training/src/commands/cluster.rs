//! `--cluster`: the same command on many machines. What runs it there is linked into another executable,
//! `rekindle-cluster`, which is the same command too; this one hands over to it.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::commands::{Bar, Talk};
use crate::distributed::{Connect, Engine};

/// The executable that clusters are reached by.
const OTHER: &str = "rekindle-cluster";

/// Where else than here.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "On a cluster")]
pub(super) struct ClusterArgs {
    /// Run on many machines: the address of their rekindle-scheduler, as http://scheduler:50050. Input and output are
    /// folders or URLs that all of them see; see docs/cluster.md
    #[arg(long, value_name = "URL")]
    pub cluster: Option<String>,
}

impl ClusterArgs {
    /// The cluster, where one is asked for.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn engine(&self, connect: Option<&dyn Connect>) -> Result<Option<Box<dyn Engine>>> {
        match (&self.cluster, connect) {
            (None, _) => Ok(None),
            (Some(url), Some(connect)) => connect.connect(url).map(Some),
            (Some(_), None) => Err(hand_over()),
        }
    }
}

/// Becomes the other executable, with the same arguments; returns only where there is none.
fn hand_over() -> anyhow::Error {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(OTHER));
    let beside = beside.filter(|path| path.is_file()).map(PathBuf::into_os_string);
    let mut other = std::process::Command::new(beside.unwrap_or_else(|| OTHER.into()));
    other.args(std::env::args_os().skip(1));
    let failed = become_it(&mut other);
    anyhow::anyhow!(
        "--cluster is run by {OTHER}, which cannot be started: {failed}; build it with `cargo build --release -p \
         rekindle-cluster`, and put it beside this executable or on the PATH"
    )
}

#[cfg(unix)]
fn become_it(other: &mut std::process::Command) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    other.exec()
}

#[cfg(not(unix))]
fn become_it(other: &mut std::process::Command) -> std::io::Error {
    match other.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(2)),
        Err(error) => error,
    }
}

/// A path that other machines understand as well; URLs stay.
pub(super) fn everywhere(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| {
        format!(
            "{}: found a path that is no text; expected one that other machines can be told",
            path.display()
        )
    })?;
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    if path == Path::new("-") {
        bail!(
            "-: expected a folder or URL with --cluster: other machines cannot see standard input and output"
        );
    }
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let mut whole = PathBuf::new();
    // The same folder is to have the same name, from wherever it is named.
    for part in here.join(path).components() {
        match part {
            Component::ParentDir => _ = whole.pop(),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    Ok(whole.into_os_string().into_string().unwrap_or_else(|_| text.to_owned()))
}

/// The folder that a cluster writes to.
pub(super) fn output(path: &Path) -> Result<String> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if ["parquet", "csv", "ndjson"].contains(&ending.as_str()) || path.is_file() {
        bail!(
            "-o {}: found a file's name, expected a folder's with --cluster, as -o snapshots: it gets a file for each part",
            path.display()
        );
    }
    everywhere(path)
}

/// Refuses what is not done on a cluster.
pub(super) fn refuse(flags: &[(&str, bool)]) -> Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => bail!(
            "{flag} with --cluster is not done yet: expected the command without one of them; what a cluster has written is a \
             table for commands without --cluster"
        ),
        None => Ok(()),
    }
}

/// Tells of a job that runs elsewhere: its id once, then how far it is.
pub(super) struct Watched {
    talk: Talk,
    bar: Bar,
    what: &'static str,
    told: String,
}

impl Watched {
    pub fn new(talk: Talk, what: &'static str) -> Watched {
        Watched { talk, bar: Bar::new(talk, what), what, told: String::new() }
    }

    /// `done` of `all` tasks are done.
    pub fn see(&mut self, id: &str, done: usize, all: usize) {
        if self.told != id {
            self.told = id.to_owned();
            self.talk
                .say(&format!("{}, as job {id}: Ctrl-C ends it, what is done is kept", self.what));
        }
        self.bar.show_tasks(done as u64, all as u64);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.bar.end();
    }
}
