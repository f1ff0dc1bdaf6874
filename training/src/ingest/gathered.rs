//! Gathered events, read partition by partition. Does not say what order a customer's events have:
//! `ordering` does.

use std::ops::Range;

use rekindle_models::behaviour::{Duplicates, Events, Recoding};

use crate::error::Result;
use crate::ingest::chunk::{Chunk, Columns, Scatter, Shape};
use crate::ingest::customers::Customers;
use crate::ingest::ordering::Ordering;
use crate::ingest::packet::Packet;
use crate::ingest::partitions::partition_of;
use crate::ingest::spill::{Block, SpillFile};
use crate::ingest::{CustomerId, LogNames};

/// All events of a log by customer, in memory and on disk. May be read several times, and from many
/// threads. The spill file goes with it.
#[derive(Debug)]
pub struct Gathered {
    partitions: Vec<Kept>,
    /// Those that any event has: the same for all partitions.
    columns: Columns,
    measures: usize,
    spill: SpillFile,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Kept {
    pub customers: Customers,
    pub events: u64,
    pub chunks: Vec<Stored>,
}

/// A chunk in memory or on disk.
#[derive(Debug)]
pub(super) enum Stored {
    Memory(Chunk),
    Disk(Block, Shape),
}

/// How many partitions a thread may have loaded: one it works on, and one that waits for others.
pub const ROOMS_A_THREAD: usize = 2;

/// Room to load partitions into, one after the other: one for each thread.
#[derive(Debug, Default)]
pub struct Room {
    events: Events,
    /// Customers' numbers in order of id.
    customers: Vec<u32>,
    /// Where each one's events end, in that order.
    ends: Vec<u32>,
    /// By customer's number, where its next event goes.
    free: Vec<u32>,
    places: Vec<u32>,
    bytes: Vec<u8>,
    ordering: Ordering,
}

/// The customers of one partition in order of id, with their events.
#[derive(Debug, Clone, Copy)]
pub struct Partition<'a> {
    room: &'a Room,
    kept: &'a Customers,
    duplicates: u64,
}

impl Gathered {
    pub(super) fn new(
        partitions: Vec<Kept>,
        columns: Columns,
        measures: usize,
        spill: SpillFile,
    ) -> Gathered {
        Gathered { partitions, columns, measures, spill }
    }

    /// Number of partitions. Which customers are in which depends on their ids alone.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The partition that a customer is in, if it is in any.
    pub fn partition_of(&self, customer: CustomerId<'_>) -> usize {
        partition_of(customer.hash())
    }

    /// Number of customers, with those that have lines but no events.
    pub fn customers(&self) -> u64 {
        self.partitions.iter().map(|p| p.customers.len() as u64).sum()
    }

    /// Number of events, duplicates included.
    pub fn events(&self) -> u64 {
        self.partitions.iter().map(|p| p.events).sum()
    }

    /// Bytes on disk.
    pub fn spilled_bytes(&self) -> u64 {
        self.spill.len()
    }

    /// Bytes in memory: events that were not spilled, and customers.
    pub fn memory_bytes(&self) -> u64 {
        let chunks = self.partitions.iter().flat_map(|p| &p.chunks);
        let customers: u64 = self.partitions.iter().map(|p| p.customers.bytes()).sum();
        chunks.map(Stored::memory_bytes).sum::<u64>() + customers
    }

    /// Bytes that a [`Room`] comes to need for the largest partition.
    pub fn room_bytes(&self) -> u64 {
        let of = |p: &Kept| {
            let most = u64::from(p.customers.most_events());
            let events = p.events * (self.columns.width() as u64 - 4);
            events + p.customers.len() as u64 * 12 + Ordering::bytes(most)
        };
        self.partitions.iter().map(of).max().unwrap_or(0)
    }

    /// Spills chunks until they and [`ROOMS_A_THREAD`] rooms for each thread of the pool are within `limit` bytes, or
    /// nothing is left to spill.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn shrink_to(&mut self, limit: u64) -> Result<()> {
        let rooms = (rayon::current_num_threads() * ROOMS_A_THREAD) as u64;
        let rooms = self.room_bytes().saturating_mul(rooms);
        let mut used = self.memory_bytes().saturating_add(rooms);
        for stored in self.partitions.iter_mut().flat_map(|p| &mut p.chunks) {
            if used <= limit {
                break;
            }
            used -= stored.put_on_disk(&self.spill)?;
        }
        Ok(())
    }

    /// Loads one partition (of `0..partitions()`): its customers in order of id, each with its events
    /// in the order of [`Events::order`] once their codes are those of the dictionaries. What is
    /// loaded depends on the events and `codes` alone, not on how they were gathered.
    ///
    /// Time is linear in the events, but for those of customers whose events did not arrive in order.
    ///
    /// # Errors
    /// When spilled events cannot be read or are not what was written.
    pub fn load<'a>(
        &'a self,
        partition: usize,
        codes: &Recoding,
        duplicates: Duplicates,
        room: &'a mut Room,
    ) -> Result<Partition<'a>> {
        let kept = &self.partitions[partition];
        let most = self.partitions.iter().map(|p| p.events).max().unwrap_or(0) as usize;
        kept.customers.sorted(&mut room.customers);
        self.place(kept, most, room)?;
        // What is equal is told by the names that the log has, the order by those of the dictionaries.
        let duplicates = room.ordering.settle(&mut room.events, &mut room.ends, duplicates);
        codes.apply(&mut room.events);
        room.ordering.settle(&mut room.events, &mut room.ends, Duplicates::Keep);
        Ok(Partition { room, kept: &kept.customers, duplicates })
    }
}

impl Gathered {
    /// The events of each partition that has some, as bytes for [`super::Gathering::add_packet`].
    ///
    /// # Errors
    /// When spilled events cannot be read.
    pub fn packets(&self, names: &LogNames) -> Result<Vec<(usize, Vec<u8>)>> {
        let mut room = Room::default();
        let some = self.partitions.iter().enumerate().filter(|(_, kept)| kept.events > 0);
        let packed = some.map(|(partition, kept)| {
            let customers = 0..kept.customers.len() as u32;
            let is_number = |n: &u32| matches!(kept.customers.id(*n), CustomerId::Number(_));
            let (numbers, texts): (Vec<u32>, Vec<u32>) = customers.partition(is_number);
            room.customers = [&numbers[..], &texts].concat();
            self.place(kept, 0, &mut room)?;
            let mut packet = Packet { partition, ..Packet::default() };
            for &number in &room.customers {
                match kept.customers.id(number) {
                    CustomerId::Number(id) => packet.numbers.push(id),
                    CustomerId::Text(id) => {
                        packet.texts.push_str(id);
                        packet.ends.push(packet.texts.len() as u32);
                    }
                }
                packet.counts.push(kept.customers.events(number));
            }
            packet.events = std::mem::take(&mut room.events);
            let bytes = packet.bytes(names)?;
            room.events = packet.events;
            Ok((partition, bytes))
        });
        packed.collect()
    }

    /// Puts a partition's events into a room, those of a customer together, in the order that the room's customers have.
    fn place(&self, kept: &Kept, most: usize, room: &mut Room) -> Result<()> {
        self.columns.prepare(&mut room.events, self.measures, kept.events as usize, most);
        room.assign(&kept.customers);
        for stored in &kept.chunks {
            let (bytes, shape) = match stored {
                Stored::Memory(chunk) => chunk.parts(),
                Stored::Disk(block, shape) => {
                    self.spill.read(block, &mut room.bytes)?;
                    (&room.bytes[..], *shape)
                }
            };
            let scatter = Scatter { bytes, shape };
            scatter.to(&mut room.free, &mut room.places, &mut room.events);
        }
        Ok(())
    }
}

impl Stored {
    /// A full chunk, on disk.
    pub fn spilled(chunk: &Chunk, spill: &SpillFile) -> Result<Stored> {
        let (bytes, shape) = chunk.parts();
        Ok(Stored::Disk(spill.write(bytes)?, shape))
    }

    /// Moves a chunk to disk and tells how many bytes of memory that frees.
    pub fn put_on_disk(&mut self, spill: &SpillFile) -> Result<u64> {
        let freed = self.memory_bytes();
        if let Stored::Memory(chunk) = self {
            *self = Stored::spilled(chunk, spill)?;
        }
        Ok(freed)
    }

    fn memory_bytes(&self) -> u64 {
        match self {
            Stored::Memory(chunk) => chunk.parts().0.len() as u64,
            Stored::Disk(..) => 0,
        }
    }
}

impl Room {
    /// Gives each customer its span, in the order they are in.
    fn assign(&mut self, customers: &Customers) {
        self.ends.clear();
        self.free.clear();
        self.free.resize(customers.len(), 0);
        let mut end = 0;
        for &number in &self.customers {
            self.free[number as usize] = end;
            end += customers.events(number);
            self.ends.push(end);
        }
    }
}

impl<'a> Partition<'a> {
    /// The events of all its customers: see [`Partition::customers`] for whose is which.
    pub fn events(&self) -> &'a Events {
        &self.room.events
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        self.room.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.room.ends.is_empty()
    }

    /// How many events are equal to another one but for when they were received. They are counted
    /// whether they are kept or dropped.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The customer at a place of `0..len()`, and which of [`Partition::events`] are its; none, where
    /// it has lines only.
    pub fn customer(&self, place: usize) -> (CustomerId<'a>, Range<usize>) {
        let start = if place == 0 { 0 } else { self.room.ends[place - 1] as usize };
        (self.kept.id(self.room.customers[place]), start..self.room.ends[place] as usize)
    }

    /// All customers in order of id.
    pub fn customers(&self) -> impl Iterator<Item = (CustomerId<'a>, Range<usize>)> + '_ {
        (0..self.len()).map(|place| self.customer(place))
    }

    /// When the last line of the customer at a place was, in milliseconds; `None` where no lines
    /// were added for it.
    pub fn last_line(&self, place: usize) -> Option<i64> {
        self.kept.last_line(self.room.customers[place])
    }
}
