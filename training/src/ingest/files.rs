//! The files of a source: found on disk or in an object store, opened, and told apart by their content.
//! Parses nothing.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

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

/// The files that some paths name, sorted by name for each; `source` is whose they are, for messages, and
/// `folder` where relative ones begin.
///
/// # Errors
/// When a path is not there, a pattern finds nothing, or a store cannot be reached.
pub(super) fn files(
    source: &str,
    paths: &[String],
    folder: &Path,
    stores: &Stores,
) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
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
        files.extend(found);
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

fn on_disk(path: &str, folder: &Path) -> Result<Vec<LogFile>> {
    let whole = folder.join(path);
    let failed = |e: io::Error| Error::Read { path: whole.display().to_string(), source: e };
    let mut found = Vec::new();
    match whole.metadata() {
        Ok(kind) if kind.is_dir() => walk(&whole, 0, &mut found).map_err(failed)?,
        Ok(_) => found.push(whole.clone()),
        Err(error) => {
            if !path.contains(['*', '?', '[']) {
                return Err(failed(error));
            }
            // The folder's own name is no pattern.
            let folder = glob::Pattern::escape(&folder.to_string_lossy());
            let pattern = Path::new(&folder).join(path);
            let paths = glob::glob_with(&pattern.to_string_lossy(), GLOB).map_err(|e| {
                Error::BadOptions(format!("{path}: {}; expected a glob as \"events/*.csv\"", e.msg))
            })?;
            found.extend(paths.flatten().filter(|path| path.is_file()));
        }
    }
    found.sort();
    let file = |path: PathBuf| {
        let name = path.display().to_string();
        let bytes = path.metadata().map_err(failed)?.len();
        Ok(LogFile { name, bytes, place: FilePlace::Disk(path) })
    };
    found.into_iter().map(file).collect()
}

/// Deepest folder in a folder: links may go round in circles.
const MOST_DEPTH: usize = 16;

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if depth < MOST_DEPTH && !name.starts_with(['.', '_']) {
                walk(&path, depth + 1, found)?;
            }
        } else if is_log(&name) {
            found.push(path);
        }
    }
    Ok(())
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
