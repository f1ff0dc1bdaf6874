//! The files of a source: found on disk or in an object store, opened, and told apart by their content.
//! Parses nothing.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use glob::{Pattern, PatternError};
use walkdir::{DirEntry, WalkDir};

use crate::error::{Error, Result};
use crate::ingest::remote::{Remote, Stores};
use crate::ingest::source::FileFormat;

/// A file of a log.
#[derive(Debug, Clone)]
pub(super) struct LogFile {
    /// Its path or URL, for messages.
    pub name: String,
    /// Its size as it is stored, in bytes.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970.
    pub changed: i64,
    pub place: FilePlace,
}

/// Where a file is.
#[derive(Debug, Clone)]
pub(super) enum FilePlace {
    Disk(PathBuf),
    Store(Arc<Remote>),
}

/// Endings of files that a folder is searched for, before `.gz`.
const ENDINGS: [&str; 7] = ["csv", "tsv", "txt", "ndjson", "jsonl", "json", "parquet"];

/// The files that some paths name, each once, sorted by name for each path; `source` is whose they are,
/// for messages, and `folder` where relative ones begin.
///
/// # Errors
/// When a path is not there, a pattern finds nothing, a folder cannot be read, or a store cannot be reached.
pub(super) fn files(
    source: &str,
    paths: &[String],
    folder: &Path,
    stores: &Stores,
) -> Result<Vec<LogFile>> {
    let (mut files, mut known) = (Vec::new(), HashSet::new());
    for path in paths {
        let found = match path.contains("://") {
            true => stores.files(path)?,
            false => on_disk(path, folder)?,
        };
        if found.is_empty() {
            return Err(Error::BadOptions(format!(
                "{source}: {path} has no file; expected a file, a glob as \"events/*.csv\", or a folder with \
                 files that end in .{} (or those with .gz)",
                ENDINGS.join(", .")
            )));
        }
        for file in found {
            // Links and globs may lead to a file twice.
            let place = match &file.place {
                FilePlace::Disk(path) => path.canonicalize().map_err(|e| failed(path, e))?,
                FilePlace::Store(_) => PathBuf::from(&file.name),
            };
            if known.insert(place) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Whether a file in a folder is of a log: hidden ones and markers as `_SUCCESS` are not.
pub(super) fn is_log(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let ending = plain.rsplit_once('.').map_or("", |(_, ending)| ending);
    !name.starts_with(['.', '_']) && ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

/// How globs are matched, on disk and in stores: `*` stays in its folder and finds no hidden files.
pub(super) const GLOB: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Characters that make a path a glob.
const GLOB_SIGNS: [char; 3] = ['*', '?', '['];

fn on_disk(path: &str, folder: &Path) -> Result<Vec<LogFile>> {
    let whole = folder.join(path);
    let mut found = match whole.metadata() {
        Ok(kind) if kind.is_dir() => {
            let shown = |name: &str| !name.starts_with(['.', '_']);
            walked(&whole, usize::MAX, &|at| shown(name(at)), &|at| is_log(name(at)))?
        }
        Ok(_) => vec![whole],
        Err(error) if !path.contains(GLOB_SIGNS) => return Err(failed(&whole, error)),
        Err(_) => Glob::new(path, folder)?.files()?,
    };
    found.sort();
    let file = |path: PathBuf| {
        let found = path.metadata().map_err(|e| failed(&path, e))?;
        let changed = found.modified().map_err(|e| failed(&path, e))?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        let (name, bytes) = (path.display().to_string(), found.len());
        Ok(LogFile { name, bytes, changed, place: FilePlace::Disk(path) })
    };
    found.into_iter().map(file).collect()
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Read { path: path.display().to_string(), source }
}

/// The name of a file or folder; empty where it is no Unicode.
fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// The files below a folder, at most so deep, that are `wanted`, in the folders that one `enters`. Links are
/// followed, but for those that go round in circles.
fn walked(
    folder: &Path,
    depth: usize,
    enters: &dyn Fn(&Path) -> bool,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let walk = WalkDir::new(folder).follow_links(true).min_depth(1).max_depth(depth);
    let entered = |entry: &DirEntry| {
        entry.depth() == 0 || !entry.file_type().is_dir() || enters(entry.path())
    };
    for entry in walk.into_iter().filter_entry(entered) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if wanted(entry.path()) => found.push(entry.into_path()),
            Ok(_) => {}
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let error = io::Error::from(error);
                // A link to nothing that is no file of the log.
                if error.kind() != io::ErrorKind::NotFound || wanted(&path) {
                    return Err(failed(&path, error));
                }
            }
        }
    }
    Ok(found)
}

/// A glob: the folder that it begins in, and what is matched below that.
struct Glob {
    base: PathBuf,
    pattern: Pattern,
    /// Its parts up to a `**`: folders that do not match them are not entered.
    parts: Vec<Pattern>,
    depth: usize,
}

impl Glob {
    fn new(path: &str, folder: &Path) -> Result<Glob> {
        let bad = |e: PatternError| {
            Error::BadOptions(format!("{path}: {}; expected a glob as \"events/*.csv\"", e.msg))
        };
        let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
        let plain = parts.iter().take_while(|part| !part.contains(GLOB_SIGNS)).count();
        let (base, rest) = parts.split_at(plain);
        // What begins with a slash is not below the folder.
        let base = if path.starts_with('/') { base.join("/") + "/" } else { base.join("/") };
        let depth = if rest.contains(&"**") { usize::MAX } else { rest.len() };
        let pattern = Pattern::new(&rest.join("/")).map_err(bad)?;
        let parts = rest.iter().take_while(|part| **part != "**").map(|part| Pattern::new(part));
        let parts = parts.collect::<std::result::Result<_, _>>().map_err(bad)?;
        let base = folder.join(base);
        // No folder is the current one, which has no empty name.
        let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
        Ok(Glob { base, pattern, parts, depth })
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        if !self.base.is_dir() {
            return Ok(Vec::new());
        }
        let below = |path: &Path| {
            path.strip_prefix(&self.base).unwrap_or(path).to_string_lossy().into_owned()
        };
        let enters = |path: &Path| {
            let below = below(path);
            let mut parts = below.split('/').zip(&self.parts);
            parts.all(|(name, part)| part.matches_with(name, GLOB))
        };
        let wanted = |path: &Path| self.pattern.matches_with(&below(path), GLOB);
        walked(&self.base, self.depth, &enters, &wanted)
    }
}

impl LogFile {
    /// Its bytes from the start, unzipped where it is gzipped. What is read is counted in `read`.
    pub fn open<'a>(&self, read: &'a AtomicU64) -> io::Result<Box<dyn Read + Send + 'a>> {
        let gzipped = *self.start(2)? == [0x1f, 0x8b];
        let bytes: Box<dyn Read + Send> = match &self.place {
            FilePlace::Disk(path) => Box::new(File::open(path)?),
            FilePlace::Store(remote) => Box::new(remote.stream()?),
        };
        let counted = Counted { bytes, read };
        Ok(match gzipped {
            true => Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted))),
            false => Box::new(counted),
        })
    }

    /// Its format, by its content where none was stated.
    pub fn format(&self, stated: Option<FileFormat>) -> io::Result<FileFormat> {
        if let Some(format) = stated {
            return Ok(format);
        }
        if *self.start(4)? == *b"PAR1" {
            return Ok(FileFormat::Parquet);
        }
        let mut start = Vec::new();
        self.open(&AtomicU64::new(0))?.take(4096).read_to_end(&mut start)?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
        match start.trim_ascii_start() {
            [b'{', ..] => Ok(FileFormat::Ndjson),
            [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{") => {
                Err(io::Error::other(
                    "found a JSON array, expected NDJSON: a JSON object a line, as `jq -c '.[]'` makes of it",
                ))
            }
            _ => Ok(FileFormat::Csv),
        }
    }

    /// Its first bytes as they are stored; fewer where it has fewer.
    fn start(&self, bytes: u64) -> io::Result<Bytes> {
        match &self.place {
            FilePlace::Disk(path) => {
                let mut start = Vec::new();
                File::open(path)?.take(bytes).read_to_end(&mut start)?;
                Ok(start.into())
            }
            FilePlace::Store(remote) => remote.range(0..bytes.min(self.bytes)),
        }
    }
}

/// Bytes that are counted as they are read.
struct Counted<'a> {
    bytes: Box<dyn Read + Send>,
    read: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(to)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_without_a_folder_finds_files_of_the_current_one() {
        // Tests run in the crate's folder.
        let found = |glob: &str| on_disk(glob, Path::new("")).unwrap().len();
        assert_eq!(found("Cargo.tom?"), 1);
        assert_eq!(found("./Cargo.tom?"), 1);
        assert_eq!(found("*/lib.rs"), 1);
    }

    #[test]
    fn a_json_array_is_told_from_csv_and_ndjson() {
        let format = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let path = file.path().display().to_string();
            on_disk(&path, Path::new("")).unwrap()[0].format(None)
        };
        assert_eq!(format("{\"a\": 1}\n").unwrap(), FileFormat::Ndjson);
        assert_eq!(format("[id],[name]\n1,2\n").unwrap(), FileFormat::Csv);
        let error = format("\n[\n  {\"a\": 1}\n]\n").unwrap_err().to_string();
        assert!(error.contains("expected NDJSON"), "{error}");
    }
}
