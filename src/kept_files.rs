//! Files that were made for somebody, until they have downloaded them: for a while, under names that nobody can guess, for
//! whoever they were made for alone. They have no names on the disk, so that none outlives the service.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::ApiError;
use crate::sessions::drawn;

/// How long a file is kept.
pub const KEPT_MINUTES: u64 = 15;
/// Most files at a time; the oldest goes when there is one more.
const MOST: usize = 64;
/// Bytes that there is room for, however small the settings.
const LEAST_BYTES: u64 = 1 << 20;

/// The files there are, the oldest first.
pub struct KeptFiles {
    files: Mutex<Vec<KeptFile>>,
    /// Most bytes of all together.
    most_bytes: u64,
}

struct KeptFile {
    name: String,
    /// The form token of the session that it was made for.
    owner: Arc<str>,
    file: Arc<File>,
    bytes: u64,
    since: Instant,
}

impl KeptFiles {
    /// None yet, for so many bytes.
    pub fn new(most_bytes: u64) -> KeptFiles {
        KeptFiles { files: Mutex::default(), most_bytes: most_bytes.max(LEAST_BYTES) }
    }

    /// Most bytes that a file may have.
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// Keeps a file for a session, known by the token of its forms, and says the file's name. Older files make room.
    ///
    /// # Errors
    /// When the file alone is larger than all may be, or the operating system gives no random numbers.
    pub fn keep(
        &self,
        owner: &Arc<str>,
        file: File,
        bytes: u64,
        now: Instant,
    ) -> Result<String, ApiError> {
        if bytes > self.most_bytes {
            let limit = usize::try_from(self.most_bytes).unwrap_or(usize::MAX);
            return Err(ApiError::BodyTooLarge { limit });
        }
        let name = drawn().map_err(|error| ApiError::Internal { reason: error.to_string() })?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|kept| kept.is_young(now));
        while files.len() >= MOST
            || files.iter().map(|kept| kept.bytes).sum::<u64>() + bytes > self.most_bytes
        {
            files.remove(0);
        }
        let (owner, file) = (Arc::clone(owner), Arc::new(file));
        files.push(KeptFile { name: name.clone(), owner, file, bytes, since: now });
        Ok(name)
    }

    /// The file of a name and its length, where it was made for that session and is kept still.
    pub fn find(&self, owner: &str, name: &str, now: Instant) -> Option<(Arc<File>, u64)> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = files.iter().filter(|kept| &*kept.owner == owner && kept.is_young(now));
        own.find(|kept| kept.name == name).map(|kept| (Arc::clone(&kept.file), kept.bytes))
    }

    /// Drops what was kept for long enough.
    pub fn tidy(&self, now: Instant) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|kept| kept.is_young(now));
    }
}

impl KeptFile {
    fn is_young(&self, now: Instant) -> bool {
        now.duration_since(self.since) < Duration::from_secs(60 * KEPT_MINUTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[test]
    fn a_file_is_for_its_session_alone_and_for_a_while() {
        let (files, now) = (KeptFiles::new(0), Instant::now());
        let (one, two): (Arc<str>, Arc<str>) = (Arc::from("one"), Arc::from("two"));
        let name = files.keep(&one, file(), 40, now).unwrap();
        assert_eq!(files.find(&one, &name, now).unwrap().1, 40);
        assert!(files.find(&two, &name, now).is_none() && files.find(&one, "", now).is_none());
        let later = now + Duration::from_secs(60 * KEPT_MINUTES);
        assert!(files.find(&one, &name, later).is_none());
        files.tidy(later);
        assert!(files.files.lock().unwrap().is_empty());
    }

    #[test]
    fn older_files_make_room() {
        let (files, now, own) = (KeptFiles::new(0), Instant::now(), Arc::from("own"));
        let first = files.keep(&own, file(), 600 << 10, now).unwrap();
        let second = files.keep(&own, file(), 600 << 10, now).unwrap();
        assert!(files.find(&own, &first, now).is_none());
        assert!(files.find(&own, &second, now).is_some());
        assert!(matches!(
            files.keep(&own, file(), LEAST_BYTES + 1, now),
            Err(ApiError::BodyTooLarge { limit: 1_048_576 })
        ));
        (0..2 * MOST).for_each(|_| drop(files.keep(&own, file(), 0, now).unwrap()));
        assert_eq!(files.files.lock().unwrap().len(), MOST);
    }
}
