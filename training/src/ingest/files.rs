//! The files of a source: found on disk or in an object store, opened, and told apart by their content.
//! Parses nothing.

use std::collections::HashSet;
use std::fs::{DirEntry, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use glob::{Pattern, PatternError};

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
    let (mut found, mut entered) = (Vec::new(), HashSet::new());
    match whole.metadata() {
        Ok(kind) if kind.is_dir() => walk(&whole, &mut entered, &mut found)?,
        Ok(_) => found.push(whole),
        Err(error) if !path.contains(GLOB_SIGNS) => return Err(failed(&whole, error)),
        Err(_) => {
            let bad = |e: PatternError| {
                Error::BadOptions(format!("{path}: {}; expected a glob as \"events/*.csv\"", e.msg))
            };
            let parts = Path::new(path).components().map(|part| Part::of(part).map_err(bad));
            let parts = parts.collect::<Result<Vec<_>>>()?;
            matching(folder, &parts, &mut entered, &mut found)?;
        }
    }
    found.sort();
    let file = |path: PathBuf| {
        let bytes = path.metadata().map_err(|e| failed(&path, e))?.len();
        Ok(LogFile { name: path.display().to_string(), bytes, place: FilePlace::Disk(path) })
    };
    found.into_iter().map(file).collect()
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Read { path: path.display().to_string(), source }
}

/// Folders that were entered, without links, and what was still to match below them: links may go round
/// in circles.
type Entered = HashSet<(PathBuf, usize)>;

/// The log's files in a folder and those in it.
fn walk(folder: &Path, entered: &mut Entered, found: &mut Vec<PathBuf>) -> Result<()> {
    if !enters(folder, 0, entered)? {
        return Ok(());
    }
    for (name, path) in entries(folder)? {
        if is_folder(&path)? {
            if !name.starts_with(['.', '_']) {
                walk(&path, entered, found)?;
            }
        } else if is_log(&name) {
            found.push(path);
        }
    }
    Ok(())
}

/// A part of a glob, between slashes.
enum Part<'a> {
    /// `**`: any folders, or none.
    Folders,
    Pattern(Pattern),
    Plain(Component<'a>),
}

impl<'a> Part<'a> {
    fn of(part: Component<'a>) -> std::result::Result<Part<'a>, PatternError> {
        match &*part.as_os_str().to_string_lossy() {
            "**" => Ok(Part::Folders),
            text if text.contains(GLOB_SIGNS) => Pattern::new(text).map(Part::Pattern),
            _ => Ok(Part::Plain(part)),
        }
    }
}

/// The files that match the parts of a glob from `path` on.
fn matching(
    path: &Path,
    parts: &[Part<'_>],
    entered: &mut Entered,
    found: &mut Vec<PathBuf>,
) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else {
        let absent = path.symlink_metadata().is_err_and(|e| is_absent(&e));
        if !absent && !is_folder(path)? {
            found.push(path.to_owned());
        }
        return Ok(());
    };
    match part {
        Part::Plain(name) => matching(&path.join(name), rest, entered, found),
        _ if !is_folder(path)? => Ok(()),
        Part::Pattern(pattern) => {
            let mut entries = entries(path)?;
            entries.retain(|(name, _)| pattern.matches_with(name, GLOB));
            entries.iter().try_for_each(|(_, path)| matching(path, rest, entered, found))
        }
        Part::Folders => {
            if !enters(path, parts.len(), entered)? {
                return Ok(());
            }
            matching(path, rest, entered, found)?;
            let mut entries = entries(path)?;
            entries.retain(|(name, _)| !name.starts_with('.'));
            entries.iter().try_for_each(|(_, path)| matching(path, parts, entered, found))
        }
    }
}

/// Whether a folder is entered for the first time.
fn enters(folder: &Path, parts: usize, entered: &mut Entered) -> Result<bool> {
    let place = folder.canonicalize().map_err(|e| failed(folder, e))?;
    Ok(entered.insert((place, parts)))
}

/// What a folder holds, sorted by name.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let name = |entry: io::Result<DirEntry>| {
        entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
    };
    let entries = std::fs::read_dir(folder).and_then(|all| all.map(name).collect());
    let mut entries: Vec<_> = entries.map_err(|e| failed(folder, e))?;
    entries.sort();
    Ok(entries)
}

/// Whether a folder is there.
fn is_folder(path: &Path) -> Result<bool> {
    match path.metadata() {
        Ok(kind) => Ok(kind.is_dir()),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(failed(path, error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
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
        Ok(match start.trim_ascii_start().first() {
            Some(b'{') => FileFormat::Ndjson,
            _ => FileFormat::Csv,
        })
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
