//! The keys in force: read from a file at the start, and again when it has changed. Knows no
//! timer; who holds a ring says when to look.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::file::{self, KeysError};
use super::verify::{Caller, Keys, Refused};

/// The keys of one file, swapped as a whole while requests read them.
#[derive(Debug)]
pub struct KeyRing {
    path: PathBuf,
    keys: ArcSwap<Keys>,
    /// The text that `keys` was read from, hashed. The text and not the file's times: it also
    /// holds for links that are turned (mounted secrets) and for two changes in one tick.
    read: Mutex<blake3::Hash>,
}

impl KeyRing {
    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read or is not sound.
    pub fn open(path: &Path) -> Result<KeyRing, KeysError> {
        let text = file::text(path)?;
        let keys = ArcSwap::from_pointee(Keys::parse(&text, path)?);
        Ok(KeyRing { path: path.to_owned(), keys, read: Mutex::new(blake3::hash(text.as_bytes())) })
    }

    /// The keys in force now.
    pub fn current(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// [`Keys::verify`] by the keys in force now.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Caller, Refused> {
        self.keys.load().verify(token, now)
    }

    /// Reads the file again and swaps the keys where its text has changed: true then. Reads a
    /// small file, so it blocks for as long as the disk does.
    ///
    /// # Errors
    /// When the file is gone or damaged. The old keys stay in force, and every call says so again
    /// until the file is sound.
    pub fn reload_if_changed(&self) -> Result<bool, KeysError> {
        // Held all along: of two that reload at once, the later one must not put back older keys.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let text = file::text(&self.path)?;
        let now = blake3::hash(text.as_bytes());
        if now == *read {
            return Ok(false);
        }
        self.keys.store(Arc::new(Keys::parse(&text, &self.path)?));
        *read = now;
        Ok(true)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
