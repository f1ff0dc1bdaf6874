//! A folder of parts while a job fills it: what was asked, what is done, what is still to do.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::ingest::stores;

/// The folder, within the one that is filled, of what a job has found out so far.
const WORK: &str = "_rekindle";
/// The file that says that all parts are there: without it, a folder that a job has begun is no table.
const FINISHED: &str = "rekindle.json";

/// A folder of parts, and the job that fills it.
#[derive(Debug)]
pub struct Parts {
    depot: Depot,
}

/// What became of a job in a folder before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nothing: it begins now.
    Nothing,
    /// It was begun and goes on.
    Begun,
    /// All of its parts are there; this is what was said of them.
    Finished(serde_json::Value),
}

/// What is said of a folder whose parts are all there.
#[derive(Serialize, Deserialize)]
struct Finished<T> {
    job: String,
    /// The files of the parts.
    parts: Vec<String>,
    summary: T,
}

/// The name of a job: what tells it from others.
fn job(asked: &str) -> String {
    blake3::hash(format!("{}\n{asked}", super::version()).as_bytes()).to_hex().to_string()
}

/// The file of a part.
pub fn part_name(part: usize) -> String {
    format!("part-{part:05}.parquet")
}

impl Parts {
    /// The folder at an address: a path that all machines see, or a URL.
    ///
    /// # Errors
    /// When the address is none.
    pub fn at(address: &str) -> Result<Parts> {
        Ok(Parts { depot: Depot::open(address, stores())? })
    }

    /// The folder, for a job: an empty one, or one that the same job has begun. `asked` is all that its results depend
    /// on, besides the version of the code.
    ///
    /// # Errors
    /// When the folder has something else in it.
    pub fn begin(&self, asked: &str) -> Result<Before> {
        let busy = |found: &str| {
            Err(Error::BadOptions(format!(
                "{}: found {found}; expected a new or empty folder, or one that the same command has begun, on the same \
                 input and with the same version: name another one, or remove it",
                self.address()
            )))
        };
        let (job, begun) = (job(asked), format!("{WORK}/job"));
        if let Some(said) = self.finished(asked)? {
            return self.tables().map(|_| Before::Finished(said));
        }
        if self.depot.get(FINISHED)?.is_some() {
            return busy("the parts of another job");
        }
        match self.depot.get(&begun)? {
            Some(other) if other == job.as_bytes() => return Ok(Before::Begun),
            Some(_) => return busy("the beginning of another job"),
            None => {}
        }
        if let Some(file) = self.depot.files("")?.first() {
            return busy(&file.name);
        }
        match self.depot.put_new(&begun, job.as_bytes())? {
            true => Ok(Before::Nothing),
            // Somebody else was quicker.
            false => self.begin(asked),
        }
    }

    /// What was said of the parts of a job, if they are all there. Begins nothing.
    pub(super) fn finished(&self, asked: &str) -> Result<Option<serde_json::Value>> {
        let said = self.depot.get(FINISHED)?;
        let said = said.and_then(|said| serde_json::from_slice::<Finished<_>>(&said).ok());
        Ok(said.filter(|said| said.job == job(asked)).map(|said| said.summary))
    }

    /// The depot.
    pub fn depot(&self) -> &Depot {
        &self.depot
    }

    /// The path or URL of the folder.
    pub fn address(&self) -> &str {
        self.depot.address()
    }

    /// The files of a table in parts.
    ///
    /// # Errors
    /// When there is none, or a job that fills the folder has not ended.
    pub fn tables(&self) -> Result<Vec<String>> {
        let said = self.depot.get(FINISHED)?;
        if said.is_none() && self.depot.get(&format!("{WORK}/job"))?.is_some() {
            return Err(Error::BadOptions(format!(
                "{}: the job that fills it has not ended; expected all of its parts: run its command again, which goes on \
                 where it stopped",
                self.address()
            )));
        }
        let tables = self.parquet()?;
        if let Some(said) = said {
            let said = serde_json::from_slice::<Finished<serde_json::Value>>(&said);
            let said = said.map(|said| said.parts).unwrap_or_default();
            rekindle_models::frame::check_parts(self.address(), &said, &tables)?;
        }
        match tables.is_empty() {
            true => Err(Error::BadOptions(format!(
                "{}: found no file that ends in .parquet; expected a folder of a table in parts, as `rekindle features \
                 --cluster` writes it",
                self.address()
            ))),
            false => Ok(tables),
        }
    }

    fn parquet(&self) -> Result<Vec<String>> {
        let files = self.depot.files("")?.into_iter().map(|file| file.name);
        Ok(files.filter(|name| name.ends_with(".parquet") && !name.starts_with('_')).collect())
    }

    /// What tells one state of a table from another: the names, sizes and times of its files.
    pub(super) fn state(&self) -> Result<String> {
        Ok(super::json(&self.depot.files("")?))
    }

    /// Keeps what a call found out, under the name of its step and its own.
    pub(super) fn keep<T: Serialize>(&self, step: &str, name: &str, found: &T) -> Result<()> {
        self.keep_bytes(step, name, &[super::json(found).as_bytes()])
    }

    /// Keeps bytes likewise.
    pub(super) fn keep_bytes(&self, step: &str, name: &str, bytes: &[&[u8]]) -> Result<()> {
        self.depot.put_bytes(&format!("{WORK}/{step}/{name}"), bytes)
    }

    /// Bytes that were kept.
    pub(super) fn kept_bytes(&self, step: &str, name: &str) -> Result<Vec<u8>> {
        let file = format!("{WORK}/{step}/{name}");
        self.depot.get(&file)?.ok_or_else(|| {
            Error::BadOptions(format!(
                "{}: it is not there, expected what an earlier step of the job has kept; run the job again",
                self.depot.name(&file)
            ))
        })
    }

    /// What a call found out.
    pub(super) fn kept<T: DeserializeOwned>(&self, step: &str, name: &str) -> Result<T> {
        let bytes = self.kept_bytes(step, name)?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let file = self.depot.name(&format!("{WORK}/{step}/{name}"));
            Error::BadOptions(format!(
                "{file}: it cannot be read: {e}; remove the folder and run the job again"
            ))
        })
    }

    /// The names of those calls of a step that are done, sorted.
    pub(super) fn done(&self, step: &str) -> Result<Vec<String>> {
        let files = self.depot.files(&format!("{WORK}/{step}"))?;
        Ok(files.into_iter().map(|file| file.name).collect())
    }

    /// Removes what was found out, where no parts are wanted.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn abandon(&self) -> Result<()> {
        self.depot.remove(WORK)?;
        self.depot.remove_empty();
        Ok(())
    }

    /// Says that all parts are there, and removes what was found out on the way.
    pub(super) fn finish<T: Serialize>(&self, summary: &T) -> Result<()> {
        let job =
            String::from_utf8_lossy(&self.depot.get(&format!("{WORK}/job"))?.unwrap_or_default())
                .into_owned();
        let said = super::json(&Finished { job, parts: self.parquet()?, summary });
        self.depot.put_bytes(FINISHED, &[said.as_bytes()])?;
        // The parts are there: what is left of the work is in nobody's way.
        let _ = self.depot.remove(WORK);
        Ok(())
    }
}
