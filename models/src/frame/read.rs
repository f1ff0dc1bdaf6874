//! A table from a file or standard input, whatever its format, and the options of reading.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::frame::schema::nearest_name;
use crate::frame::{DateFormat, Frame, Kind, Schema, arrow, csv};

/// What a user may say of a table before it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// The byte between fields of a CSV file; `None`: the one of `,` `;` tab and `|` that stands
    /// most often in the header line.
    pub delimiter: Option<u8>,
    /// Cells that count as missing, besides empty and blank ones, compared without surrounding
    /// blanks.
    pub missing: Vec<String>,
    /// Kinds that are not to be inferred, by column name.
    pub kinds: BTreeMap<String, ReadKind>,
    /// Read these columns only, as far as they are there; `None`: all.
    pub columns: Option<Vec<String>>,
    /// With `columns`: and those whose names begin with one of these.
    pub prefixes: Vec<String>,
    /// Leave these columns out; they must be there.
    pub skip: Vec<String>,
    /// Read columns of Arrow's dates and times as ISO texts, where no kind is given, instead of
    /// refusing them.
    pub dates_as_text: bool,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        let missing = ["NA", "N/A", "NaN", "nan", "NULL", "null", "\\N"];
        ReadOptions {
            delimiter: None,
            missing: missing.map(str::to_owned).to_vec(),
            kinds: BTreeMap::new(),
            columns: None,
            prefixes: Vec::new(),
            skip: Vec::new(),
            dates_as_text: false,
        }
    }
}

impl ReadOptions {
    /// Options that read the features of a model as the kinds they had when it was fitted, the
    /// column of ids as text, `more` columns as whatever they are, and nothing else.
    pub fn for_model(
        features: &Schema,
        missing: &[String],
        id: Option<&str>,
        more: &[&str],
    ) -> ReadOptions {
        let kinds = features.fields().iter().map(|f| (f.name.clone(), ReadKind::of(&f.kind)));
        let id = id.map(|id| (id.to_owned(), ReadKind::Categorical));
        let kinds: BTreeMap<String, ReadKind> = kinds.chain(id).collect();
        let more = more.iter().map(|name| (*name).to_owned());
        ReadOptions {
            missing: missing.to_vec(),
            columns: Some(kinds.keys().cloned().chain(more).collect()),
            kinds,
            ..ReadOptions::default()
        }
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        let chosen = |columns: &Vec<String>| {
            columns.iter().any(|c| c == name) || self.prefixes.iter().any(|p| name.starts_with(p))
        };
        self.columns.as_ref().is_none_or(chosen) && !self.skip.iter().any(|c| c == name)
    }

    /// Refuses names of columns that the table does not have. A model's features may be absent from
    /// a table that is scored: kinds are checked only where columns were not chosen.
    pub(super) fn check_names(&self, header: &[String]) -> Result<()> {
        let kinds = self.columns.is_none().then_some(self.kinds.keys()).into_iter().flatten();
        for name in kinds.chain(&self.skip) {
            if !header.contains(name) {
                let nearest = nearest_name(name, header.iter().map(String::as_str));
                return Err(Error::NoSuchColumn { column: name.clone(), nearest });
            }
        }
        Ok(())
    }
}

/// A kind as the user names it: without levels, which come from the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadKind {
    /// Numbers; a cell that is none is an error.
    Numeric,
    /// `true` / `false` (any case) or 1 / 0; any other cell is an error.
    Boolean,
    /// Dates in a format; any other cell is an error.
    Date(DateFormat),
    /// Text, also where it looks like numbers.
    Categorical,
}

impl ReadKind {
    /// The kind to read a column as so that it gets the kind given.
    pub fn of(kind: &Kind) -> ReadKind {
        match kind {
            Kind::Numeric => ReadKind::Numeric,
            Kind::Boolean => ReadKind::Boolean,
            Kind::Date(format) => ReadKind::Date(format.clone()),
            Kind::Categorical(_) => ReadKind::Categorical,
        }
    }
}

/// Reads a table: Parquet, Arrow IPC (file format), or CSV, plain or gzipped. The format is told
/// by the content. `-` is standard input; a folder is a table in parts, of those of its files that end in
/// `.parquet`, in order of name.
///
/// Kinds are inferred from all rows: a column is numeric when every cell that is not missing is a
/// number, boolean when every one is `true` or `false`, else categorical.
///
/// # Errors
/// When the file cannot be read, is not a table, a line has the wrong number of fields, a cell is
/// not of the kind asked for, a header name is empty or stands twice, an option names a column that
/// is not there, or there are no rows.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Frame> {
    let parts = match path.is_dir() {
        true => parts(path)?,
        false => vec![path.to_owned()],
    };
    let sources = parts.iter().map(|part| Source::open(part)).collect::<Result<Vec<_>>>()?;
    let [source, others @ ..] = sources.as_slice() else { return Err(no_parts(path)) };
    for part in others.iter().chain([source]).filter(|_| !others.is_empty()) {
        if part.format()? != Format::Parquet {
            return Err(
                part.bad("it is no Parquet file; expected one, as its name says".to_owned())
            );
        }
    }
    let frame = match source.format()? {
        Format::Parquet => arrow::read_parquet(&sources, options)?,
        Format::ArrowIpc => arrow::read_ipc(source, options)?,
        Format::Csv | Format::GzippedCsv => csv::read(source, options)?,
    };
    if let (true, Some(wanted)) = (frame.schema().is_empty(), &options.columns) {
        return Err(source.bad(format!(
            "it has none of the {} columns asked for ({}, ...); expected a table with the columns \
             that the model was fitted on",
            wanted.len(),
            wanted.first().map_or("", String::as_str)
        )));
    }
    if frame.rows() == 0 {
        return Err(source.bad("it has a header and no rows; expected at least one".to_owned()));
    }
    Ok(frame)
}

/// The folder, within one of a table in parts, of a job that has not written all of them yet.
const UNFINISHED: &str = "_rekindle";

/// The file there that says that all are.
const FINISHED: &str = "rekindle.json";

/// The files of a table in parts, in order of name.
///
/// # Errors
/// When the folder cannot be read, has none, or a job that fills it has not ended.
pub fn parts(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(UNFINISHED).is_dir() && !folder.join(FINISHED).is_file() {
        let reason = "the job that fills it has not ended; expected all of its parts: run its command again, \
                      which goes on where it stopped";
        let path = folder.display().to_string();
        return Err(Error::BadFile { path, reason: reason.to_owned() });
    }
    let entries = std::fs::read_dir(folder).map_err(|e| io_error(folder, e))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    let mut paths = paths.map_err(|e| io_error(folder, e))?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".parquet") && !name.starts_with(['.', '_']) && path.is_file()
    });
    paths.sort_unstable();
    if let Ok(said) = std::fs::read(folder.join(FINISHED))
        && let Ok(said) = serde_json::from_slice::<Finished>(&said)
    {
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let found: Vec<String> = paths.iter().map(name).collect();
        check_parts(&folder.display().to_string(), &said.parts, &found)?;
    }
    if paths.is_empty() {
        return Err(no_parts(folder));
    }
    Ok(paths)
}

/// What is said of a folder whose parts are all there.
#[derive(serde::Deserialize)]
struct Finished {
    parts: Vec<String>,
}

/// Holds the parts that are there to those that there should be.
///
/// # Errors
/// When one is missing, or is of another table.
pub fn check_parts(folder: &str, expected: &[String], found: &[String]) -> Result<()> {
    let missing = expected.iter().find(|part| !found.contains(part));
    let other = found.iter().find(|part| !expected.contains(part));
    let reason = match (missing, other) {
        (None, None) => return Ok(()),
        (Some(part), _) => format!("{part} is not there"),
        (None, Some(part)) => format!("{part} is none of its parts"),
    };
    let reason = format!(
        "{reason}; expected the parts that {FINISHED} lists, and no others: build the table again"
    );
    Err(Error::BadFile { path: folder.to_owned(), reason })
}

fn no_parts(folder: &Path) -> Error {
    let reason = "it is a folder without files that end in .parquet; name a CSV, Parquet or Arrow file, or the \
                  folder of a table in parts";
    Error::BadFile { path: folder.display().to_string(), reason: reason.to_owned() }
}

/// Something that can be read from its start more than once.
pub(crate) struct Source {
    /// The file's name in messages.
    pub name: String,
    path: PathBuf,
    /// The copy of what can be read only once; deleted with it.
    copy: Option<NamedTempFile>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    ArrowIpc,
    Csv,
    GzippedCsv,
}

impl Source {
    /// Opens a file. Standard input and pipes are copied to a temporary file on disk first, as
    /// Parquet is read from its end and some CSV columns need a second look.
    pub fn open(path: &Path) -> Result<Source> {
        let failed = |e| io_error(path, e);
        if path == Path::new("-") {
            let copy = Some(spool(&mut io::stdin().lock()).map_err(failed)?);
            return Ok(Source { name: "<stdin>".to_owned(), path: path.to_owned(), copy });
        }
        let name = path.display().to_string();
        let kind = std::fs::metadata(path).map_err(failed)?;
        if kind.is_dir() {
            let reason = "it is a folder; name a CSV, Parquet or Arrow file".to_owned();
            return Err(Error::BadFile { path: name, reason });
        }
        let copy = match kind.is_file() {
            true => None,
            false => Some(File::open(path).and_then(|mut pipe| spool(&mut pipe)).map_err(failed)?),
        };
        Ok(Source { name, path: path.to_owned(), copy })
    }

    /// Its bytes on disk.
    pub fn size(&self) -> Result<u64> {
        Ok(self.restart()?.metadata().map_err(|e| self.io(e))?.len())
    }

    /// The file from its start, with a position of its own.
    pub fn restart(&self) -> Result<File> {
        match &self.copy {
            Some(copy) => copy.reopen(),
            None => File::open(&self.path),
        }
        .map_err(|e| self.io(e))
    }

    pub fn format(&self) -> Result<Format> {
        let mut start = Vec::new();
        self.restart()?.take(6).read_to_end(&mut start).map_err(|e| self.io(e))?;
        Ok(match start.as_slice() {
            [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
            b"ARROW1" => Format::ArrowIpc,
            [0x1f, 0x8b, ..] => Format::GzippedCsv,
            _ => Format::Csv,
        })
    }

    pub fn bad(&self, reason: String) -> Error {
        Error::BadFile { path: self.name.clone(), reason }
    }

    pub fn io(&self, source: io::Error) -> Error {
        io_error(&self.path, source)
    }
}

fn spool(from: &mut dyn Read) -> io::Result<NamedTempFile> {
    let mut copy = NamedTempFile::new()?;
    io::copy(from, copy.as_file_mut())?;
    Ok(copy)
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), action: "read", source }
}
