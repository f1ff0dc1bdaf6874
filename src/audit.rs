//! The audit log: a line of JSON for every administrative call, in a file that only grows. Which
//! calls are administrative is not decided here.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

/// Where administrative calls are written down.
#[derive(Debug)]
pub struct Audit {
    path: Option<PathBuf>,
    /// One line at a time.
    turn: Mutex<()>,
}

/// An administrative call. Holds no token and no body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was answered.
    pub at: SystemTime,
    /// The id of the caller's key, or what stands for a caller without one.
    pub caller_id: Arc<str>,
    /// The name of the caller's key.
    pub caller_name: Arc<str>,
    /// What was asked for, like `promote`.
    pub action: &'static str,
    /// The model that it is about.
    pub model: Option<String>,
    /// The campaign that it is about.
    pub campaign: Option<String>,
    /// The model's version.
    pub version: Option<u32>,
    /// `done`, or the `code` of the error.
    pub outcome: &'static str,
    /// The request's id, as in the log and the reply.
    pub request_id: String,
}

/// How an entry looks in the file.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    caller_id: &'a str,
    caller_name: &'a str,
    action: &'a str,
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<&'a str>,
    version: Option<u32>,
    outcome: &'a str,
    request_id: &'a str,
}

impl Audit {
    /// An audit log that is appended to `path`, made where it is missing and readable for its
    /// owner alone; without one, entries go to the service's log only.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn open(path: Option<PathBuf>) -> io::Result<Audit> {
        if let Some(path) = &path {
            append_to(path)?;
        }
        Ok(Audit { path, turn: Mutex::new(()) })
    }

    /// Writes an entry to the service's log and, as one line, to the file; it is on the disk when
    /// this returns. Blocks for milliseconds, so it has no place on an event loop.
    ///
    /// The file is opened anew each time: such calls are rare, and a file that was rotated away is
    /// not written to any more.
    ///
    /// # Errors
    /// When the file cannot be written; the service's log has the entry nevertheless.
    pub fn record(&self, entry: &Entry) -> io::Result<()> {
        tracing::info!(
            target: "audit",
            caller_id = &*entry.caller_id,
            caller_name = &*entry.caller_name,
            action = entry.action,
            model = entry.model.as_deref(),
            campaign = entry.campaign.as_deref(),
            version = entry.version,
            outcome = entry.outcome,
            request_id = entry.request_id,
            "administrative call"
        );
        let Some(path) = &self.path else { return Ok(()) };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = append_to(path)?;
        // After a disk that was full the last line may have no end: it stays alone.
        let mut line = if ends_within_a_line(&mut file)? { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, &Line::from(entry))?;
        line.push(b'\n');
        file.write_all(&line)?;
        file.sync_data()
    }
}

impl<'a> From<&'a Entry> for Line<'a> {
    fn from(entry: &'a Entry) -> Line<'a> {
        Line {
            at: humantime::format_rfc3339_millis(entry.at).to_string(),
            caller_id: &entry.caller_id,
            caller_name: &entry.caller_name,
            action: entry.action,
            model: entry.model.as_deref(),
            campaign: entry.campaign.as_deref(),
            version: entry.version,
            outcome: entry.outcome,
            request_id: &entry.request_id,
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        let advice = "its folder must be there, and the service's user must be able to write it";
        io::Error::new(error.kind(), format!("audit file {}: {error}; {advice}", path.display()))
    })
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn entry(request_id: &str) -> Entry {
        Entry {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            caller_id: "5f0c1d9e82ab".into(),
            caller_name: "ops".into(),
            action: "promote",
            model: Some("churn".to_owned()),
            campaign: None,
            version: Some(3),
            outcome: "done",
            request_id: request_id.to_owned(),
        }
    }

    #[test]
    fn entries_are_lines_of_json_behind_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Audit::open(Some(path.clone())).unwrap().record(&entry("a")).unwrap();
        let nameless = Entry { model: None, version: None, ..entry("b\n\"") };
        Audit::open(Some(path.clone())).unwrap().record(&nameless).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"at":"2023-11-14T22:13:20.250Z","caller_id":"5f0c1d9e82ab","caller_name":"ops","action":"promote","model":"churn","version":3,"outcome":"done","request_id":"a"}"#
        );
        let second: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(second["request_id"], "b\n\"");
        assert!(second["model"].is_null());
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn threads_do_not_mix_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::open(Some(path.clone())).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10).for_each(|_| audit.record(&entry("x")).unwrap()));
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 40);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn a_torn_line_stays_alone_and_a_rotated_file_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::write(&path, "{\"at\":\"2023").unwrap();
        let audit = Audit::open(Some(path.clone())).unwrap();
        audit.record(&entry("a")).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("{\"at\":\"2023\n{\"at\":"));
        fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
        audit.record(&entry("b")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("audit.jsonl");
        let error = Audit::open(Some(path.clone())).unwrap_err().to_string();
        assert!(error.contains("audit.jsonl") && error.contains("folder must be there"), "{error}");
        fs::create_dir(folder.path().join("missing")).unwrap();
        let audit = Audit::open(Some(path)).unwrap();
        fs::remove_dir_all(folder.path().join("missing")).unwrap();
        assert!(audit.record(&entry("a")).is_err());
        Audit::open(None).unwrap().record(&entry("a")).unwrap();
    }
}
