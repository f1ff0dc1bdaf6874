//! Writes a world's log and tables: blocks of customers are drawn and encoded by all threads and
//! written in order. Knows no file names.

use std::io::{self, Write};

use rayon::prelude::*;

use crate::sheet::Format;
use crate::simulate::deeds::Deeds;
use crate::simulate::parquet::{EventFile, Group};
use crate::simulate::{Stage, World, text};

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Events.
    pub events: u64,
    /// Events whose `received_at` is more than a minute after their time.
    pub late: u64,
}

/// A block's customers: a quarter of a million events of an ordinary world.
const BLOCK: usize = 4_096;
/// Events that a block is made for: with more activity it has fewer customers.
const BLOCK_ACTIVITY: f64 = 2.0;
/// Blocks a thread encodes before what is done is written.
const BLOCKS_A_THREAD: usize = 4;

/// A block as it goes into the file.
enum Encoded {
    Group(Group),
    Text(Vec<u8>),
}

/// Where encoded blocks go.
enum Sink<'a, W: Write + Send> {
    Parquet(Box<EventFile<&'a mut W>>),
    Text(&'a mut W),
}

impl World {
    /// Writes the log. Events stand in blocks of customers (at most 4,096), in a block by time:
    /// neighbouring lines are of different customers, as in a real log, and yet a block can be made
    /// without the others. A block is a row group of Parquet. The same world gives the same bytes on
    /// any number of threads. `progress` is told the number of customers done.
    ///
    /// # Errors
    /// Those of [`World::check`] (as `InvalidInput`) and of writing.
    pub fn write_events<W: Write + Send>(
        &self,
        to: &mut W,
        format: Format,
        progress: &(dyn Fn(usize) + Sync),
    ) -> io::Result<Written> {
        let stage = Stage::new(self).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let mut sink = match format {
            Format::Parquet => Sink::Parquet(Box::new(EventFile::new(to, &stage.catalogue)?)),
            Format::Csv => {
                to.write_all(text::CSV_HEADER)?;
                Sink::Text(to)
            }
            Format::Ndjson => Sink::Text(to),
        };
        let block = self.block();
        let blocks: Vec<usize> = (0..self.customers.div_ceil(block)).collect();
        let wave = BLOCKS_A_THREAD * rayon::current_num_threads();
        let mut written = Written::default();
        let mut ready: Vec<(Encoded, Written)> = Vec::new();
        for wave in blocks.chunks(wave) {
            let encoder = sink.encoder();
            let encode = |number: &usize| {
                let deeds = stage.block(*number * block, block);
                let count = count(&deeds);
                let encoded = match (&encoder, format) {
                    (Some(encoder), _) => Encoded::Group(encoder.encode(*number, &deeds)?),
                    (None, Format::Ndjson) => Encoded::Text(text::ndjson(&stage, &deeds)),
                    (None, _) => Encoded::Text(text::csv(&stage, &deeds)),
                };
                io::Result::Ok((encoded, count))
            };
            // One wave is written while the next is drawn.
            let (put, next) = rayon::join(
                || put(&mut sink, std::mem::take(&mut ready), &mut written),
                || wave.par_iter().map(encode).collect::<io::Result<Vec<_>>>(),
            );
            put?;
            ready = next?;
            progress(((wave[wave.len() - 1] + 1) * block).min(self.customers));
        }
        put(&mut sink, ready, &mut written)?;
        match sink {
            Sink::Parquet(file) => file.close()?,
            Sink::Text(to) => to.flush()?,
        }
        Ok(written)
    }

    /// Customers of a block.
    fn block(&self) -> usize {
        let years = f64::from(self.days) / 365.0;
        let events = years * (0.5 + 0.5 * self.activity) / BLOCK_ACTIVITY;
        ((BLOCK as f64 / events) as usize).clamp(16, BLOCK)
    }
}

impl<'a, W: Write + Send> Sink<'a, W> {
    fn encoder(&self) -> Option<crate::simulate::parquet::Encoder> {
        match self {
            Sink::Parquet(file) => Some(file.encoder()),
            Sink::Text(_) => None,
        }
    }
}

/// Writes what is ready, in order.
fn put<W: Write + Send>(
    sink: &mut Sink<'_, W>,
    ready: Vec<(Encoded, Written)>,
    written: &mut Written,
) -> io::Result<()> {
    for (encoded, count) in ready {
        written.events += count.events;
        written.late += count.late;
        match (&mut *sink, encoded) {
            (Sink::Parquet(file), Encoded::Group(group)) => file.append(group)?,
            (Sink::Text(to), Encoded::Text(text)) => to.write_all(&text)?,
            _ => unreachable!("a sink is given what its encoder made"),
        }
    }
    Ok(())
}

fn count(deeds: &Deeds) -> Written {
    let minute = 60_000;
    let late = deeds.times.iter().zip(&deeds.received).filter(|(t, r)| **r - **t > minute).count();
    Written { events: deeds.len() as u64, late: late as u64 }
}

impl Stage {
    /// The events of some customers, by time, then customer, then as they were drawn.
    fn block(&self, first: usize, customers: usize) -> Deeds {
        let mut drawn = Deeds::default();
        let shop = self.shop();
        for index in first..(first + customers).min(self.world.customers) {
            drawn.record(&shop, self.world.seed, index, &self.life(index, None));
        }
        drawn.by_time()
    }
}
