//! Events of one partition in blocks of bytes of one size, column after column, with the columns that
//! occur. Knows no customers beyond their numbers, and no files.
//!
//! Blocks are of one size whatever their columns: one that was spilled is filled again, and nothing
//! is ever moved because a list grew.

use rekindle_models::behaviour::{Events, NONE};

use crate::error::{Error, Result};

/// Which columns there are, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns(u64);

const CUSTOMER: usize = 0;
const TIME: usize = 1;
const KIND: usize = 2;
const CHANNEL: usize = 3;
const GROUP: usize = 4;
const PRODUCT: usize = 5;
const RECEIVED: usize = 6;
/// Measures come last.
const MEASURE: usize = 7;
/// Most measures: their bits must fit.
pub(super) const MOST_MEASURES: usize = 64 - MEASURE;

/// A block of events.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    shape: Shape,
}

/// How the bytes of a chunk are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    columns: Columns,
    /// Events there is room for.
    room: usize,
    /// Events there are.
    len: usize,
}

impl Columns {
    /// Those that every event has.
    pub const LEAST: Columns = Columns(1 << CUSTOMER | 1 << TIME | 1 << KIND);

    /// The columns of a batch.
    ///
    /// # Errors
    /// When columns differ in length or there are more measures than were announced.
    pub fn of(events: &Events, rows: usize, measures: usize) -> Result<Columns> {
        let mut columns = Columns::LEAST;
        let optional = [
            (CHANNEL, events.channels.len()),
            (GROUP, events.groups.len()),
            (PRODUCT, events.products.len()),
            (RECEIVED, events.received.len()),
        ];
        let numbers = (MEASURE..).zip(events.measures.iter().map(Vec::len));
        let mut sound = events.times.len() == rows && events.kinds.len() == rows;
        sound &= events.measures.len() <= measures;
        for (column, length) in optional.into_iter().chain(numbers).filter(|(_, len)| *len > 0) {
            sound &= length == rows && column < 64;
            columns.0 |= 1_u64.checked_shl(column as u32).unwrap_or(0);
        }
        match sound {
            true => Ok(columns),
            false => Err(Error::BadOptions(format!(
                "a batch of {rows} customers with {} events, columns of different lengths or more \
                 than {measures} measures; expected a value of every column for each event",
                events.len()
            ))),
        }
    }

    /// These and those.
    pub fn and(self, others: Columns) -> Columns {
        Columns(self.0 | others.0)
    }

    fn has(self, column: usize) -> bool {
        self.0 >> column & 1 == 1
    }

    /// Bytes of an event.
    pub fn width(self) -> usize {
        (0..64).filter(|&c| self.has(c)).map(width).sum()
    }

    /// Where a column starts in a chunk with room for `room` events.
    fn start(self, column: usize, room: usize) -> usize {
        (0..column).filter(|&c| self.has(c)).map(width).sum::<usize>() * room
    }

    /// Empties `events` and gives it `len` events that have nothing in these columns, `most` being
    /// what it may come to need.
    pub fn prepare(self, events: &mut Events, measures: usize, len: usize, most: usize) {
        let codes = |has: bool, column: &mut Vec<u16>| fill(column, has, NONE, len, most);
        fill(&mut events.times, true, 0, len, most);
        codes(true, &mut events.kinds);
        codes(self.has(CHANNEL), &mut events.channels);
        codes(self.has(GROUP), &mut events.groups);
        fill(&mut events.products, self.has(PRODUCT), 0, len, most);
        fill(&mut events.received, self.has(RECEIVED), 0, len, most);
        events.measures.resize_with(measures, Vec::new);
        for (measure, column) in events.measures.iter_mut().enumerate() {
            fill(column, self.has(MEASURE + measure), f64::NAN, len, most);
        }
    }
}

fn fill<T: Clone>(column: &mut Vec<T>, has: bool, value: T, len: usize, most: usize) {
    column.clear();
    if has {
        // Exactly what the largest needs: a list that doubles would hold twice that.
        column.reserve_exact(most.max(len));
        column.resize(len, value);
    }
}

fn width(column: usize) -> usize {
    match column {
        CUSTOMER => 4,
        KIND | CHANNEL | GROUP => 2,
        _ => 8,
    }
}

impl Chunk {
    /// No events yet, and `bytes` for some.
    pub fn new(columns: Columns, bytes: usize) -> Chunk {
        Chunk::reuse(columns, vec![0; bytes])
    }

    /// No events yet, in bytes that held others.
    pub fn reuse(columns: Columns, bytes: Vec<u8>) -> Chunk {
        let shape = Shape { columns, room: bytes.len() / columns.width(), len: 0 };
        Chunk { bytes, shape }
    }

    /// Events there is room for still, where they have these columns; 0 where it lacks one of them.
    pub fn free(&self, columns: Columns) -> usize {
        let lacks = columns.0 & !self.shape.columns.0 != 0;
        if lacks { 0 } else { self.shape.room - self.shape.len }
    }

    /// Appends the events at `rows` of a batch, whose customers' numbers are given.
    pub fn append(&mut self, events: &Events, rows: &[u32], customers: &[u32]) {
        let shape = self.shape;
        let mut put = Put { bytes: &mut self.bytes, shape, rows };
        put.column(CUSTOMER, customers.iter().map(|n| n.to_le_bytes()));
        put.values(TIME, &events.times, 0_i64, i64::to_le_bytes);
        put.values(KIND, &events.kinds, NONE, u16::to_le_bytes);
        put.values(CHANNEL, &events.channels, NONE, u16::to_le_bytes);
        put.values(GROUP, &events.groups, NONE, u16::to_le_bytes);
        put.values(PRODUCT, &events.products, 0, u64::to_le_bytes);
        let received = match events.received.is_empty() {
            true => &events.times,
            false => &events.received,
        };
        put.values(RECEIVED, received, 0, i64::to_le_bytes);
        for measure in 0..MOST_MEASURES {
            let column = events.measures.get(measure).map_or(&[][..], |m| m);
            put.values(MEASURE + measure, column, f64::NAN, f64::to_le_bytes);
        }
        self.shape.len += rows.len();
    }

    /// The bytes, and how to read them.
    pub fn parts(&self) -> (&[u8], Shape) {
        (&self.bytes, self.shape)
    }

    /// The bytes, to be used again.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

struct Put<'a> {
    bytes: &'a mut [u8],
    shape: Shape,
    rows: &'a [u32],
}

impl Put<'_> {
    fn values<T: Copy, const N: usize>(
        &mut self,
        column: usize,
        values: &[T],
        none: T,
        bytes: fn(T) -> [u8; N],
    ) {
        if !self.shape.columns.has(column) {
            return;
        }
        let rows = self.rows;
        match values.is_empty() {
            true => self.column(column, rows.iter().map(|_| bytes(none))),
            false => self.column(column, rows.iter().map(|&row| bytes(values[row as usize]))),
        }
    }

    fn column<const N: usize>(&mut self, column: usize, values: impl Iterator<Item = [u8; N]>) {
        let start = self.shape.columns.start(column, self.shape.room) + self.shape.len * N;
        let places = self.bytes[start..][..self.rows.len() * N].as_chunks_mut().0;
        for (place, value) in places.iter_mut().zip(values) {
            *place = value;
        }
    }
}

/// Moves the events of a chunk to where they belong.
pub(super) struct Scatter<'a> {
    /// The chunk's bytes.
    pub bytes: &'a [u8],
    /// How to read them.
    pub shape: Shape,
}

impl Scatter<'_> {
    /// Writes each event to the next free place of its customer: `free` has that by number, and is
    /// counted up. `places` is room to work in.
    pub fn to(&self, free: &mut [u32], places: &mut Vec<u32>, events: &mut Events) {
        places.clear();
        places.extend(self.column::<4>(CUSTOMER).iter().map(|number| {
            let free = &mut free[u32::from_le_bytes(*number) as usize];
            *free += 1;
            *free - 1
        }));
        self.values(TIME, places, &mut events.times, i64::from_le_bytes);
        self.values(KIND, places, &mut events.kinds, u16::from_le_bytes);
        self.values(CHANNEL, places, &mut events.channels, u16::from_le_bytes);
        self.values(GROUP, places, &mut events.groups, u16::from_le_bytes);
        self.values(PRODUCT, places, &mut events.products, u64::from_le_bytes);
        let has_received = self.shape.columns.has(RECEIVED);
        let received = if has_received { RECEIVED } else { TIME };
        if !events.received.is_empty() {
            self.values(received, places, &mut events.received, i64::from_le_bytes);
        }
        for (measure, column) in events.measures.iter_mut().enumerate() {
            self.values(MEASURE + measure, places, column, f64::from_le_bytes);
        }
    }

    fn column<const N: usize>(&self, column: usize) -> &[[u8; N]] {
        let start = self.shape.columns.start(column, self.shape.room);
        self.bytes[start..][..self.shape.len * N].as_chunks().0
    }

    fn values<T, const N: usize>(
        &self,
        column: usize,
        places: &[u32],
        to: &mut [T],
        value: impl Fn([u8; N]) -> T,
    ) {
        if !self.shape.columns.has(column) {
            return;
        }
        for (bytes, &place) in self.column::<N>(column).iter().zip(places) {
            to[place as usize] = value(*bytes);
        }
    }
}
