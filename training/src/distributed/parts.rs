//! A folder of parts while a job fills it: what was asked, what is done, what is still to do.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::ingest::stores;

/// The folder, within the one that is filled, of what a job has found out so far.
const WORK: &str = "_rekindle";
/// The file that says that all parts are there.
pub(crate) const FINISHED: &str = "rekindle.json";

/// A folder of parts, and the job that fills it.
#[derive(Debug)]
pub struct Parts {
    depot: Depot,
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
    /// on. Tells whether it was begun before.
    ///
    /// # Errors
    /// When the folder has something else in it.
    pub fn begin(&self, asked: &str) -> Result<bool> {
        let address = self.depot.address();
        let busy = |found: &str| {
            Err(Error::BadOptions(format!(
                "{address}: found {found}; expected a new or empty folder, or one that the same command has begun: \
                 name another one, or remove it"
            )))
        };
        let asked = blake3::hash(asked.as_bytes()).to_hex();
        if let Some(begun) = self.depot.get(&format!("{WORK}/job"))? {
            return match begun == asked.as_bytes() {
                true => Ok(true),
                false => busy("the beginning of another job"),
            };
        }
        match self.depot.files("")?.first() {
            Some(file) => busy(file),
            None => {
                self.put(&format!("{WORK}/job"), asked.as_bytes())?;
                Ok(false)
            }
        }
    }

    /// Whether a job that fills the folder has not ended.
    pub(super) fn begun(&self) -> Result<bool> {
        Ok(!self.depot.files(WORK)?.is_empty())
    }

    /// The depot.
    pub fn depot(&self) -> &Depot {
        &self.depot
    }

    /// The path or URL of the folder.
    pub fn address(&self) -> &str {
        self.depot.address()
    }

    fn put(&self, file: &str, bytes: &[u8]) -> Result<()> {
        self.depot
            .put(file, |to| to.write_all(bytes).map_err(|e| Error::BadOptions(e.to_string())))?;
        Ok(())
    }

    /// Keeps what a call found out, under the name of its step and its own.
    pub(super) fn keep<T: Serialize>(&self, step: &str, name: &str, found: &T) -> Result<()> {
        self.put(&format!("{WORK}/{step}/{name}"), super::json(found).as_bytes())
    }

    /// Keeps bytes likewise.
    pub(super) fn keep_bytes(&self, step: &str, name: &str, bytes: &[&[u8]]) -> Result<()> {
        self.depot.put(&format!("{WORK}/{step}/{name}"), |to| {
            let all = bytes.iter().try_for_each(|bytes| to.write_all(bytes));
            all.map_err(|e| Error::BadOptions(e.to_string()))
        })?;
        Ok(())
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

    /// The names of those calls of a step that are done, sorted.
    pub(super) fn done(&self, step: &str) -> Result<Vec<String>> {
        self.depot.files(&format!("{WORK}/{step}"))
    }

    /// What the calls of a step found out, in order of name.
    pub(super) fn found<T: DeserializeOwned>(&self, step: &str) -> Result<Vec<(String, T)>> {
        let read = |name: String| {
            let bytes = self.kept_bytes(step, &name)?;
            let found = serde_json::from_slice(&bytes).map_err(|e| {
                let file = self.depot.name(&format!("{WORK}/{step}/{name}"));
                Error::BadOptions(format!(
                    "{file}: it cannot be read: {e}; remove the folder and run the job again"
                ))
            })?;
            Ok((name, found))
        };
        self.done(step)?.into_iter().map(read).collect()
    }

    /// Forgets what the calls of a step found out.
    pub(super) fn forget(&self, step: &str) -> Result<()> {
        self.depot.remove(&format!("{WORK}/{step}"))
    }

    /// Removes what was found out, where no parts are wanted.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn abandon(&self) -> Result<()> {
        self.depot.remove(WORK)
    }

    /// Says that all parts are there, and removes what was found out on the way.
    pub(super) fn finish<T: Serialize>(&self, summary: &T) -> Result<()> {
        self.put(FINISHED, super::json(summary).as_bytes())?;
        self.depot.remove(WORK)
    }
}
