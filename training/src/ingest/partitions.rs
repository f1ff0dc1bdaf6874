//! Events gathered from many threads, in partitions by customer: in memory and, over a limit, in a
//! spill file. Does not put them in order: [`Gathered::load`] does.
//!
//! A batch's events are grouped by partition first, and each partition is locked once a batch. A
//! partition writes into one open chunk. When that is full it stays in memory while the limit
//! allows; else it goes to the spill file and its bytes are filled again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rekindle_models::behaviour::Events;

use crate::error::{Error, Result};
use crate::ingest::chunk::{Chunk, Columns, MOST_MEASURES};
use crate::ingest::customers::{Register, too_many};
use crate::ingest::gathered::{Gathered, Kept, Stored};
use crate::ingest::packet::{Glance, Packet};
use crate::ingest::spill::SpillFile;
use crate::ingest::{EventBatch, Ids, LogNames};

/// How many parts customers are divided into: so many that a part of a log of 20 million events fits
/// a core's cache while it is sorted, so few that a batch has some hundred events for each.
pub const PARTITIONS: usize = 256;
/// Bytes of a chunk where memory is not short.
const CHUNK_BYTES: usize = 64 << 10;
/// Bytes of the smallest chunk.
const LEAST_CHUNK_BYTES: usize = 4 << 10;

/// Events being gathered.
#[derive(Debug)]
pub struct Gathering {
    partitions: Vec<Mutex<Growing>>,
    measures: usize,
    chunk_bytes: usize,
    limit: u64,
    used: AtomicU64,
    spill: SpillFile,
}

/// One partition as it grows.
#[derive(Debug, Default)]
struct Growing {
    customers: Register,
    columns: Option<Columns>,
    events: u64,
    full: Vec<Stored>,
    open: Option<Chunk>,
}

/// The rows of a batch by partition.
struct Grouped {
    /// The hash of each row's customer.
    hashes: Vec<u64>,
    /// The rows, those of a partition together.
    rows: Vec<u32>,
    /// Where each partition's rows end.
    ends: Vec<usize>,
}

impl Gathering {
    /// No events yet. `memory_limit` is in bytes and includes what [`Gathered::load`] needs on all
    /// threads of the pool; the ids of customers are kept in memory even if they alone are over it.
    /// `measures` is how many measures events may have. The spill file is made when it is needed.
    ///
    /// # Errors
    /// When there are more than 57 measures.
    pub fn new(memory_limit: u64, spill_folder: &Path, measures: usize) -> Result<Gathering> {
        if measures > MOST_MEASURES {
            return Err(Error::BadOptions(format!(
                "{measures} measures of events; expected at most {MOST_MEASURES}: tell several of \
                 them apart by kind instead"
            )));
        }
        // Open chunks take an eighth of the memory at most.
        let share = usize::try_from(memory_limit / 8).unwrap_or(usize::MAX) / PARTITIONS;
        Ok(Gathering {
            partitions: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
            measures,
            chunk_bytes: share.clamp(LEAST_CHUNK_BYTES, CHUNK_BYTES),
            limit: memory_limit,
            used: AtomicU64::new(0),
            spill: SpillFile::new(spill_folder),
        })
    }

    /// Adds a batch. May be called from many threads; what comes out does not depend on the order.
    ///
    /// # Errors
    /// When the batch's columns do not fit together, a partition is too large for 32-bit numbers,
    /// or events cannot be spilled. Some of the batch may have been added then.
    pub fn add(&self, batch: EventBatch) -> Result<()> {
        let columns = Columns::of(&batch.events, batch.customers.len(), self.measures)?;
        let grouped = Grouped::new(&batch.customers)?;
        let mut numbers = Vec::new();
        grouped.each(|partition, rows| {
            let mut growing = self.partition(partition);
            let before = growing.customers.bytes();
            growing.enter(&batch.customers, rows, &grouped.hashes, &mut numbers)?;
            self.used.fetch_add(growing.customers.bytes() - before, Ordering::Relaxed);
            self.append(&mut growing, columns, &batch.events, rows, &numbers)
        })
    }

    /// Adds lines that customers have in the log, whether or not they became events: of each customer
    /// the latest is kept. A customer that has lines only is there with no events.
    ///
    /// # Errors
    /// As [`Gathering::add`].
    pub fn add_lines(&self, ids: &Ids, times: &[i64]) -> Result<()> {
        if ids.len() != times.len() {
            let (ids, times) = (ids.len(), times.len());
            return Err(Error::BadOptions(format!(
                "{ids} customers of lines and {times} times; expected a time for each"
            )));
        }
        let grouped = Grouped::new(ids)?;
        grouped.each(|partition, rows| {
            let mut growing = self.partition(partition);
            let before = growing.customers.bytes();
            for &row in rows {
                let row = row as usize;
                let number = growing.customers.number(id(ids, row)?, grouped.hashes[row])?;
                growing.customers.line(number, times[row]);
            }
            self.used.fetch_add(growing.customers.bytes() - before, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Which partition a packet is of and how many events it has; its names are added to `names`.
    ///
    /// # Errors
    /// When the bytes are no packet.
    pub fn glance(bytes: &[u8], names: &LogNames) -> Result<(usize, u64)> {
        Glance::of(bytes, names).map(|glance| (glance.partition, glance.events as u64))
    }

    /// Adds events that were gathered and packed elsewhere, by [`Gathered::packets`]. Their names are added to `names`.
    ///
    /// # Errors
    /// When the bytes are no packet, and as [`Gathering::add`].
    pub fn add_packet(&self, bytes: &[u8], names: &LogNames) -> Result<()> {
        let packet = Packet::read(bytes, names)?;
        let columns = Columns::of(&packet.events, packet.events.len(), self.measures)?;
        if packet.partition >= PARTITIONS {
            return Err(too_many("partitions"));
        }
        let mut growing = self.partition(packet.partition);
        let before = growing.customers.bytes();
        let mut numbers = Vec::with_capacity(packet.events.len());
        let mut counts = packet.counts.iter();
        for ids in packet.ids() {
            for (place, &count) in (0..ids.len()).zip(&mut counts) {
                let customer = id(&ids, place)?;
                let number = growing.customers.number(customer, customer.hash())?;
                growing.customers.count(number, count);
                numbers.extend(std::iter::repeat_n(number, count as usize));
            }
        }
        growing.events += packet.events.len() as u64;
        if growing.events >= u64::from(u32::MAX) {
            return Err(too_many("events"));
        }
        self.used.fetch_add(growing.customers.bytes() - before, Ordering::Relaxed);
        let rows: Vec<u32> = (0..packet.events.len() as u32).collect();
        self.append(&mut growing, columns, &packet.events, &rows, &numbers)
    }

    /// All events, to be read. Spills more where reading them needs the memory.
    ///
    /// # Errors
    /// When events cannot be spilled.
    pub fn finish(self) -> Result<Gathered> {
        let mut columns = Columns::LEAST;
        let partitions = self.partitions.into_iter().map(|growing| {
            let growing = growing.into_inner().unwrap_or_else(PoisonError::into_inner);
            columns = columns.and(growing.columns.unwrap_or(Columns::LEAST));
            let open = growing.open.map(Stored::Memory);
            let mut chunks = growing.full;
            chunks.extend(open);
            chunks.shrink_to_fit();
            Kept { customers: growing.customers.finish(), events: growing.events, chunks }
        });
        let partitions = partitions.collect();
        let mut gathered = Gathered::new(partitions, columns, self.measures, self.spill);
        gathered.shrink_to(self.limit)?;
        Ok(gathered)
    }

    /// Bytes in memory now: chunks and customers.
    pub fn memory_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn partition(&self, partition: usize) -> MutexGuard<'_, Growing> {
        self.partitions[partition].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(
        &self,
        growing: &mut Growing,
        columns: Columns,
        events: &Events,
        mut rows: &[u32],
        mut numbers: &[u32],
    ) -> Result<()> {
        // Columns stay once they occurred: chunks are not cut short by sources that take turns.
        let all = growing.columns.map_or(columns, |before| before.and(columns));
        growing.columns = Some(all);
        while !rows.is_empty() {
            let free = growing.open.as_ref().map_or(0, |chunk| chunk.free(columns));
            if free == 0 {
                growing.open = Some(self.next_chunk(growing, all)?);
                continue;
            }
            let (now, later) = rows.split_at(free.min(rows.len()));
            let (numbers_now, numbers_later) = numbers.split_at(now.len());
            if let Some(chunk) = &mut growing.open {
                chunk.append(events, now, numbers_now);
            }
            (rows, numbers) = (later, numbers_later);
        }
        Ok(())
    }

    /// An empty chunk; the open one is put away. Over the limit, no memory is added: the chunk that
    /// is full is spilled, and with it those that this partition still has in memory, since
    /// customers' ids go on growing.
    fn next_chunk(&self, growing: &mut Growing, columns: Columns) -> Result<Chunk> {
        let bytes = self.chunk_bytes.max(16 * columns.width());
        // What is left of the limit is for loading.
        let share = self.limit - self.limit / 4;
        let over = || self.used.load(Ordering::Relaxed) + bytes as u64 > share;
        let Some(open) = growing.open.take() else {
            self.used.fetch_add(bytes as u64, Ordering::Relaxed);
            return Ok(Chunk::new(columns, bytes));
        };
        if !over() {
            growing.full.push(Stored::Memory(open));
            self.used.fetch_add(bytes as u64, Ordering::Relaxed);
            return Ok(Chunk::new(columns, bytes));
        }
        growing.full.push(Stored::spilled(&open, &self.spill)?);
        let mut bytes_again = open.into_bytes();
        for stored in growing.full.iter_mut().rev() {
            if !over() {
                break;
            }
            let freed = stored.put_on_disk(&self.spill)?;
            self.used.fetch_sub(freed, Ordering::Relaxed);
        }
        if bytes_again.len() < bytes {
            self.used.fetch_add((bytes - bytes_again.len()) as u64, Ordering::Relaxed);
            bytes_again.resize(bytes, 0);
        }
        Ok(Chunk::reuse(columns, bytes_again))
    }
}

impl Growing {
    /// The numbers of the customers of some rows.
    fn enter(
        &mut self,
        ids: &Ids,
        rows: &[u32],
        hashes: &[u64],
        numbers: &mut Vec<u32>,
    ) -> Result<()> {
        numbers.clear();
        self.events += rows.len() as u64;
        if self.events >= u64::from(u32::MAX) {
            return Err(too_many("events"));
        }
        for &row in rows {
            let row = row as usize;
            let number = self.customers.number(id(ids, row)?, hashes[row])?;
            self.customers.count(number, 1);
            numbers.push(number);
        }
        Ok(())
    }
}

impl Grouped {
    fn new(ids: &Ids) -> Result<Grouped> {
        if u32::try_from(ids.len()).is_err() {
            return Err(too_many("events in one batch"));
        }
        let hashes = (0..ids.len()).map(|row| Ok(id(ids, row)?.hash()));
        let hashes = hashes.collect::<Result<Vec<u64>>>()?;
        let mut ends = vec![0; PARTITIONS];
        hashes.iter().for_each(|&hash| ends[partition_of(hash)] += 1);
        let mut before = 0;
        for end in &mut ends {
            before += std::mem::replace(end, before);
        }
        let mut rows = vec![0; hashes.len()];
        for (row, &hash) in hashes.iter().enumerate() {
            let place = &mut ends[partition_of(hash)];
            rows[*place] = row as u32;
            *place += 1;
        }
        Ok(Grouped { hashes, rows, ends })
    }

    /// Calls `with` for every partition that has rows. Threads start at different ones, so that they
    /// seldom wait for each other.
    fn each(&self, mut with: impl FnMut(usize, &[u32]) -> Result<()>) -> Result<()> {
        let first = rayon::current_thread_index().unwrap_or(0) * 97;
        for partition in (first..first + PARTITIONS).map(|p| p % PARTITIONS) {
            let start = if partition == 0 { 0 } else { self.ends[partition - 1] };
            let rows = &self.rows[start..self.ends[partition]];
            if !rows.is_empty() {
                with(partition, rows)?;
            }
        }
        Ok(())
    }
}

/// Where a customer is. The hash's lowest and highest bits find it within its partition: these are others.
pub(super) fn partition_of(hash: u64) -> usize {
    (hash >> 40) as usize % PARTITIONS
}

fn id(ids: &Ids, row: usize) -> Result<crate::ingest::CustomerId<'_>> {
    ids.get(row).ok_or_else(|| {
        Error::BadOptions(format!("a batch whose text of customers has no part for row {row}"))
    })
}
