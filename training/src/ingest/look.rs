//! A first look at a log: its columns with some of their cells. Guesses nothing.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use arrow_array::StringArray;
use rekindle_models::behaviour::Zone;
use rekindle_models::frame::{CsvBlocks, ReadOptions};

use crate::error::{Error, Result};
use crate::ingest::columnar;
use crate::ingest::evaluate::Cells;
use crate::ingest::files::{LogFile, files};
use crate::ingest::mapping::Rows;
use crate::ingest::remote::Stores;
use crate::ingest::source::FileFormat;
use crate::ingest::text::{Csv, LineBlocks, Wanted, paths};
use crate::ingest::times::TimeFormat;

/// The first lines of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// How many files it has.
    pub files: usize,
    /// The format of the first.
    pub format: FileFormat,
    /// Its columns; of JSON objects the paths, as `properties.revenue`.
    pub columns: Vec<Sampled>,
}

/// A column with some of its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Its name.
    pub name: String,
    /// Cells as text, `None` where missing.
    pub cells: Vec<Option<String>>,
}

/// Lines looked at.
const LINES: usize = 5_000;

/// Looks at the first file that a path, glob, folder or URL names.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn look(path: &str, store_options: Vec<(String, String)>) -> Result<Look> {
    let paths = [path.to_owned()];
    let all = files("the log", &paths, Path::new(""), &Stores::new(store_options))?;
    let Some(file) = all.first() else {
        return Err(Error::BadOptions(format!("{path}: found no file")));
    };
    let failed = |source| Error::Read { path: file.name.clone(), source };
    let bad = |reason: String| Error::BadLog { path: file.name.clone(), reason };
    let format = file.format(None).map_err(failed)?;
    let columns = match format {
        FileFormat::Parquet => parquet(file).map_err(|e| bad(e.to_string()))?,
        FileFormat::Csv => csv(file)?,
        FileFormat::Ndjson => ndjson(file)?,
    };
    if columns.first().is_none_or(|column| column.cells.is_empty()) {
        return Err(bad("it has no lines; expected some events".to_owned()));
    }
    Ok(Look { files: all.len(), format, columns })
}

fn parquet(file: &LogFile) -> parquet::errors::Result<Vec<Sampled>> {
    let Some(batch) = columnar::sample(file, LINES)? else { return Ok(Vec::new()) };
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    Ok(names
        .zip(batch.columns())
        .map(|(name, c)| sampled(name, Cells::Column(c.clone())))
        .collect())
}

fn csv(file: &LogFile) -> Result<Vec<Sampled>> {
    let bad = |reason: String| Error::BadLog { path: file.name.clone(), reason };
    let read = AtomicU64::new(0);
    let bytes = file.open(&read).map_err(|e| bad(e.to_string()))?;
    let mut blocks = CsvBlocks::new(bytes, None);
    let names = blocks.header().map_err(|e| bad(e.to_string()))?;
    let places: Vec<usize> = (0..names.len()).collect();
    let missing = ReadOptions::default().missing;
    let csv = Csv {
        delimiter: blocks.delimiter(),
        width: names.len(),
        names: &names,
        places: &places,
        missing: &missing,
        commas: &[],
    };
    let block = blocks.next_block().map_err(|e| bad(e.to_string()))?;
    Ok(block.map_or_else(Vec::new, |block| of_rows(&names, &csv.read(&block).rows)))
}

fn ndjson(file: &LogFile) -> Result<Vec<Sampled>> {
    let failed = |source| Error::Read { path: file.name.clone(), source };
    let read = AtomicU64::new(0);
    let bytes: Box<dyn Read + Send> = file.open(&read).map_err(failed)?;
    let block = LineBlocks::new(bytes).next().transpose().map_err(failed)?;
    let Some(block) = block else { return Ok(Vec::new()) };
    let paths = paths(block.bytes.split(|byte| *byte == b'\n').take(LINES));
    let mut had = vec![false; paths.len()];
    Ok(of_rows(&paths, &Wanted::new(&paths).read(&block, &paths, &mut had).rows))
}

fn of_rows(names: &[String], rows: &Rows) -> Vec<Sampled> {
    let rows = rows.cells.slice(0, LINES.min(rows.cells.num_rows()));
    let columns = names.iter().zip(rows.columns());
    columns.map(|(name, column)| sampled(name.clone(), Cells::Column(column.clone()))).collect()
}

fn sampled(name: String, cells: Cells) -> Sampled {
    let texts = cells.texts();
    let text =
        |text: Option<&str>| text.map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
    Sampled { name, cells: texts.iter().map(text).collect() }
}

/// The first of the usual formats of times that fits nearly all of some cells.
pub fn time_format(cells: &[Option<String>]) -> Option<&'static str> {
    let texts: StringArray = cells.iter().take(1_000).map(Option::as_deref).collect();
    let there = cells.iter().take(1_000).flatten().count();
    if there == 0 {
        return None;
    }
    // Numbers since 1970 are told apart by their size: years 1990 to 2060.
    let numbers: Vec<f64> = cells.iter().take(1_000).flatten().flat_map(|c| c.parse()).collect();
    let most = |n: usize| n as f64 >= NEARLY_ALL * there as f64;
    if most(numbers.len()) {
        let is_within = |n: &&f64, scale: f64| (0.63e9..2.84e9).contains(&(**n / scale));
        let within = |scale: f64| most(numbers.iter().filter(|n| is_within(n, scale)).count());
        let scales = [(1.0, "epoch_s"), (1e3, "epoch_ms"), (1e6, "epoch_us"), (1e9, "epoch_ns")];
        if let Some((_, name)) = scales.into_iter().find(|(scale, _)| within(*scale)) {
            return Some(name);
        }
    }
    let column = Cells::Texts(texts);
    TIME_FORMATS.into_iter().find(|name| most(read_by(name, &column)))
}

/// Share of some cells from which on they are of a kind: a few may be bad.
pub const NEARLY_ALL: f64 = 0.95;

/// How many cells a format reads as times.
fn read_by(format: &str, column: &Cells) -> usize {
    let format = TimeFormat::parse(format).expect("the formats of the list are some");
    format.instants(column, &Zone::default()).iter().flatten().count()
}

/// The format with day and month the other way round.
pub fn other_way(format: &str) -> Option<&'static str> {
    let other = format.replace("%d/%m", "%m/%d");
    TIME_FORMATS.into_iter().find(|known| other != format && *known == other)
}

/// Formats tried, the day before the month where both would do.
const TIME_FORMATS: [&str; 13] = [
    "iso",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d-%b-%y",
    "%Y%m%d",
    "%Y/%m/%d %H:%M:%S",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_times_are_told_by_the_cells() {
        let check = |cells: &[&str], expected: Option<&str>| {
            let cells: Vec<Option<String>> =
                cells.iter().map(|cell| Some((*cell).to_owned())).chain([None]).collect();
            assert_eq!(time_format(&cells), expected, "{cells:?}");
        };
        check(&["2024-05-01", "2024-05-31 12:00:00"], Some("iso"));
        check(&["01.05.2024", "31.05.2024"], Some("%d.%m.%Y"));
        check(&["1714521600", "1717156800"], Some("epoch_s"));
        check(&["1714521600000"], Some("epoch_ms"));
        check(&["20240501", "20240531"], Some("%Y%m%d"));
        let mut most = vec!["1714521600000"; 99];
        most.push("yesterday");
        check(&most, Some("epoch_ms"));
        check(&["1714521600000", "yesterday"], None);
        check(&["1", "2", "17"], None);
        check(&["12.5", "20"], None);
        check(&["12345678", "87654321"], None);
        check(&[], None);
    }
}
