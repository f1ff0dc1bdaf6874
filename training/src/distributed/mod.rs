//! Jobs on more than one machine: what each machine is asked, and what is made of the answers. The same code reads logs,
//! tells features and scores as on one machine; each call of it gets a part of the work. What runs the calls, and brings
//! packets from one machine to another, is an [`Engine`]: this module knows none.
//!
//! Whatever a call finds out it puts into the job's depot, a folder that all machines see: a job that was interrupted
//! goes on from there, and nothing but packets of events is sent from machine to machine.

mod features;
mod parts;
mod sample;
mod scores;

pub use features::{BuildWork, GatherWork, GatheredLogs, Logs};
pub use parts::{Before, Parts, part_name};
pub use sample::{SampleWork, Sampled, Sampling};
pub use scores::{AllScored, ScoreWork, Scoring};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What is called, by the name it has on all machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// [`read`] on each task, then [`gather`] on the packets of each part.
    Gather,
    /// [`call`]: snapshots of a part.
    Build,
    /// [`call`]: scores of a part.
    Score,
    /// [`call`]: how many rows of a part there are to choose from.
    Count,
    /// [`call`]: the rows of a part that are in a sample.
    Sample,
}

/// Work for an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What people see of it.
    pub name: String,
    /// What is called.
    pub function: Function,
    /// What all calls are told: JSON.
    pub shared: String,
    /// How many parts packets are gathered in; 0 where there are none.
    pub parts: usize,
    /// What each call is told: JSON. Every task is called at least once; what a call leaves in the depot is the same
    /// however often.
    pub tasks: Vec<String>,
}

/// Runs jobs, on whatever machines.
pub trait Engine {
    /// Runs a job to its end. `watch` is called every now and then meanwhile, with the job's id once it has one.
    ///
    /// # Errors
    /// When a call fails, machines are lost, or the user ends it.
    fn run(&self, job: &Job, watch: &mut dyn FnMut(&str)) -> anyhow::Result<()>;
}

/// What makes an engine of a cluster's address.
pub trait Connect {
    /// Connects; `url` is the scheduler's, as `http://scheduler:50050`.
    ///
    /// # Errors
    /// When nothing that can be used answers there.
    fn connect(&self, url: &str) -> anyhow::Result<Box<dyn Engine>>;
}

/// What all calls of a job are told, with who says so.
#[derive(Debug, Serialize, Deserialize)]
struct Shared<T> {
    version: String,
    work: T,
}

/// The version of the code, as machines compare it: the release, and a checksum of its sources.
pub fn version() -> String {
    format!("{}+{}", env!("CARGO_PKG_VERSION"), env!("REKINDLE_SOURCES"))
}

fn shared<T: Serialize>(work: &T) -> String {
    serde_json::to_string(&Shared { version: version(), work }).expect("names and numbers are JSON")
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("names and numbers are JSON")
}

/// Refuses what another version says.
fn told<T: DeserializeOwned>(shared: &str) -> Result<T> {
    let unread = |e: serde_json::Error| {
        Error::BadOptions(format!(
            "a job that cannot be read: {e}; run one version of rekindle everywhere"
        ))
    };
    let said: Shared<serde_json::Value> = serde_json::from_str(shared).map_err(unread)?;
    if said.version != version() {
        return Err(Error::BadOptions(format!(
            "the job comes from rekindle {}, and this executor is {}: expected one version everywhere, as results could \
             differ; start executors, scheduler and rekindle from the same build",
            said.version,
            version()
        )));
    }
    serde_json::from_value(said.work).map_err(unread)
}

/// The name of a file or part, which is nothing but that.
fn named(text: &str) -> Result<String> {
    let name: String = task(text)?;
    match name.contains(['/', '\\']) || name.starts_with('.') {
        true => Err(Error::BadOptions(format!("{name:?} is no name of a file of the job"))),
        false => Ok(name),
    }
}

fn task<T: DeserializeOwned>(task: &str) -> Result<T> {
    serde_json::from_str(task)
        .map_err(|e| Error::BadOptions(format!("a task that cannot be read: {e}")))
}

/// [`Function::Gather`], first half: reads a piece of a log and tells the packets it becomes, each with its part.
///
/// # Errors
/// When the piece cannot be read, or another version asks.
pub fn read(shared: &str, task_text: &str) -> Result<Vec<(u32, Vec<u8>)>> {
    told::<GatherWork>(shared)?.read(&task(task_text)?)
}

/// [`Function::Gather`], second half: keeps the packets of a part in the depot, and counts what they have.
///
/// # Errors
/// When packets are damaged, the depot does not take them, or another version asks.
pub fn gather(shared: &str, part: u32, packets: &[&[u8]]) -> Result<()> {
    told::<GatherWork>(shared)?.gather(part, packets)
}

/// A function that needs nothing but its task.
///
/// # Errors
/// When it cannot be done, or another version asks.
pub fn call(function: Function, shared: &str, task_text: &str) -> Result<()> {
    match function {
        Function::Gather => {
            Err(Error::BadOptions("gathering takes packets: it is no call".to_owned()))
        }
        Function::Build => told::<BuildWork>(shared)?.build(named(task_text)?),
        Function::Score => told::<ScoreWork>(shared)?.score(&named(task_text)?),
        Function::Count => told::<SampleWork>(shared)?.count(&named(task_text)?),
        Function::Sample => told::<SampleWork>(shared)?.sample(&named(task_text)?),
    }
}

#[cfg(test)]
mod tests;
