//! CSV into a frame: blocks of whole records are parsed on all cores and appended in order.
//!
//! ```text
//! file -> Blocks (one thread)  -> block::parse (all cores) -> Columns (in order) -> Frame
//!         bytes up to the last    cells of each column        one growing vector
//!         record end              of the block                per column
//! ```
//! A column starts out as whatever its first cells look like. When a later block contradicts (text
//! after numbers), its cells so far are dropped and the file is read once more for such columns
//! alone, as text: the frame is the only copy, and kinds are those of the whole file.

mod block;
mod blocks;
mod columns;
mod fields;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;

use crossbeam_channel::bounded;
use flate2::read::MultiGzDecoder;

use crate::error::Result;
use crate::frame::read::{Format, ReadKind, ReadOptions, Source};
use crate::frame::{Frame, Schema};

pub use block::{Block as CsvBlock, number, short_decimal};
pub use blocks::{Blocks as CsvBlocks, Failure as CsvFailure};
pub use write::write_csv;

use block::{Block, Parsed, Plan};
use blocks::Blocks;
use columns::Columns;

/// Reads a CSV file.
pub(super) fn read(source: &Source, options: &ReadOptions) -> Result<Frame> {
    let (header, _) = open(source, options)?;
    let mut plans = plan(source, &header, options)?;
    let mut columns = Columns::new(&header, &plans);
    scan(source, options, &header, &plans, &mut columns)?;
    let contradicted = columns.contradicted();
    if !contradicted.is_empty() {
        plans.iter_mut().for_each(|plan| *plan = Plan::Skip);
        contradicted.iter().for_each(|&place| plans[place] = Plan::Categorical);
        let mut second = Columns::new(&header, &plans);
        scan(source, options, &header, &plans, &mut second)?;
        columns.replace(&contradicted, second);
    }
    columns.into_frame()
}

fn open(source: &Source, options: &ReadOptions) -> Result<(Vec<String>, Blocks<'static>)> {
    let file = source.restart()?;
    let bytes: Box<dyn Read + Send> = match source.format()? {
        Format::GzippedCsv => Box::new(MultiGzDecoder::new(std::io::BufReader::new(file))),
        _ => Box::new(file),
    };
    let mut blocks = Blocks::new(bytes, options.delimiter);
    let header = blocks.header().map_err(|failure| failure.into_error(source))?;
    // Names are checked here, before any row is read.
    let fields = header
        .iter()
        .map(|name| crate::frame::Field { name: name.clone(), kind: crate::frame::Kind::Numeric });
    Schema::new(fields.collect())?;
    Ok((header, blocks))
}

/// What to do with each column. Options that name no column of the file are refused.
fn plan(source: &Source, header: &[String], options: &ReadOptions) -> Result<Vec<Plan>> {
    options.check_names(header)?;
    if header.len() == 1 && header[0].len() > 200 {
        return Err(source.bad(
            "its header is one very long field; give the byte between fields with --delimiter"
                .to_owned(),
        ));
    }
    let plan = |name: &String| match options.kinds.get(name) {
        _ if !options.wants(name) => Plan::Skip,
        None => Plan::Infer,
        Some(ReadKind::Numeric) => Plan::Numeric,
        Some(ReadKind::Boolean) => Plan::Boolean,
        Some(ReadKind::Date(format)) => Plan::Date(format.clone()),
        Some(ReadKind::Categorical) => Plan::Categorical,
    };
    Ok(header.iter().map(plan).collect())
}

/// One pass over the file: blocks are parsed by as many threads as there are cores and appended to
/// `columns` in the file's order.
fn scan(
    source: &Source,
    options: &ReadOptions,
    header: &[String],
    plans: &[Plan],
    columns: &mut Columns,
) -> Result<()> {
    let (_, mut blocks) = open(source, options)?;
    columns.reserve(blocks.estimated_rows(source.size()?));
    let markers = block::Markers::new(&options.missing);
    let delimiter = blocks.delimiter();
    let threads = rayon::current_num_threads();
    let (to_parse, parse_from) = bounded::<(usize, Block)>(threads);
    let (to_append, append_from) = bounded::<(usize, Parsed)>(2 * threads);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> std::result::Result<(), blocks::Failure> {
            let mut index = 0;
            while let Some(block) = blocks.next_block()? {
                // The other end is gone when an earlier block failed: nothing more is needed.
                if to_parse.send((index, block)).is_err() {
                    return Ok(());
                }
                index += 1;
            }
            Ok(())
        });
        for _ in 0..threads {
            let (parse_from, to_append) = (parse_from.clone(), to_append.clone());
            let markers = &markers;
            scope.spawn(move || {
                let mut parser = block::Parser::new(delimiter, plans, markers);
                for (index, block) in parse_from {
                    if to_append.send((index, parser.parse(block))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((parse_from, to_append));
        let appended = append_in_order(append_from, source, header, columns);
        let read = reader.join().expect("the reading thread does not panic");
        appended.and(read.map_err(|failure| failure.into_error(source)))
    })
}

fn append_in_order(
    parsed: crossbeam_channel::Receiver<(usize, Parsed)>,
    source: &Source,
    header: &[String],
    columns: &mut Columns,
) -> Result<()> {
    let mut waiting: BTreeMap<usize, Parsed> = BTreeMap::new();
    let mut next = 0;
    for (index, block) in parsed {
        waiting.insert(index, block);
        while let Some(block) = waiting.remove(&next) {
            match block {
                Parsed::Cells(cells) => columns.append(cells),
                Parsed::Fault(fault) => return Err(fault.into_error(source, header)),
            }
            next += 1;
        }
    }
    Ok(())
}
