//! The events of a partition as bytes, to be gathered elsewhere: a customer's events stand together, names are told by
//! a dictionary of the packet's own. Knows no files and no network.

use hashbrown::HashMap;
use rekindle_models::behaviour::{Events, NONE};

use crate::error::{Error, Result};
use crate::ingest::{Ids, LogNames, Names, PARTITIONS};

/// What a packet begins with; another version begins otherwise.
const MARK: &[u8; 4] = b"RKP1";

/// Events of one partition, grouped by customer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Packet {
    pub partition: usize,
    /// Customers that are numbers, then those that are texts.
    pub numbers: Vec<i64>,
    pub texts: String,
    pub ends: Vec<u32>,
    /// How many events each customer has, in that order.
    pub counts: Vec<u32>,
    /// Their events, one customer's after the other's.
    pub events: Events,
}

impl Packet {
    /// The customers of each sort.
    pub fn ids(&self) -> [Ids; 2] {
        let texts = Ids::Texts { text: self.texts.clone(), ends: self.ends.clone() };
        [Ids::Numbers(self.numbers.clone()), texts]
    }

    /// The packet as bytes, whose codes are those of `names`: what it is and which names it has, then its columns,
    /// compressed.
    ///
    /// # Errors
    /// When it is larger than lengths of 32 bits tell.
    pub fn bytes(&self, names: &LogNames) -> Result<Vec<u8>> {
        let Events { times, kinds, channels, groups, products, received, measures } = &self.events;
        let mut to = MARK.to_vec();
        to.extend((self.partition as u32).to_le_bytes());
        to.extend((self.events.len() as u32).to_le_bytes());
        let kinds = coded(&mut to, kinds, &names.kinds);
        let channels = coded(&mut to, channels, &names.channels);
        let groups = coded(&mut to, groups, &names.groups);
        let mut columns = Vec::with_capacity(64 + times.len() * (26 + 8 * measures.len()));
        column(&mut columns, &self.numbers, i64::to_le_bytes);
        column(&mut columns, self.texts.as_bytes(), u8::to_le_bytes);
        column(&mut columns, &self.ends, u32::to_le_bytes);
        column(&mut columns, &self.counts, u32::to_le_bytes);
        column(&mut columns, times, i64::to_le_bytes);
        [kinds, channels, groups].iter().for_each(|c| column(&mut columns, c, u16::to_le_bytes));
        let (different, places) = places(products);
        column(&mut columns, &different, u64::to_le_bytes);
        column(&mut columns, &places, u32::to_le_bytes);
        // Most are known as they happen.
        let late = received.iter().zip(times).map(|(received, time)| received.wrapping_sub(*time));
        column(&mut columns, &late.collect::<Vec<_>>(), i64::to_le_bytes);
        columns.extend((measures.len() as u32).to_le_bytes());
        measures.iter().for_each(|measure| column(&mut columns, measure, f64::to_le_bytes));
        if u32::try_from(columns.len()).is_err() {
            return Err(Error::BadOptions(format!(
                "the events of one file are {} bytes for one of {PARTITIONS} parts of the customers; expected less than 4 \
                 GiB: divide the file into several, or into row groups of Parquet",
                columns.len()
            )));
        }
        to.extend(lz4_flex::compress_prepend_size(&columns));
        Ok(to)
    }

    /// Reads a packet; names that `names` lacks are added to it.
    ///
    /// # Errors
    /// When the bytes are no packet.
    pub fn read(bytes: &[u8], names: &LogNames) -> Result<Packet> {
        let Glance { partition, events: told_events, names, columns } = Glance::of(bytes, names)?;
        // So large at most, that who sends what is none cannot ask for all memory there is.
        let size = columns.first_chunk().map_or(0, |size| u32::from_le_bytes(*size));
        if size as usize > columns.len().saturating_mul(MOST_COMPRESSED) {
            return Err(damaged("it is larger than can be"));
        }
        let columns = lz4_flex::decompress_size_prepended(columns);
        let columns = columns.map_err(|e| damaged(&e.to_string()))?;
        let mut from = Reader(&columns);
        let numbers = from.column(i64::from_le_bytes)?;
        let texts = String::from_utf8(from.column(u8::from_le_bytes)?);
        let texts = texts.map_err(|_| damaged("customers that are no text"))?;
        let ends = from.column(u32::from_le_bytes)?;
        let counts = from.column(u32::from_le_bytes)?;
        let [kinds, channels, groups] = &names;
        let mut events = Events {
            times: from.column(i64::from_le_bytes)?,
            kinds: from.coded(kinds)?,
            channels: from.coded(channels)?,
            groups: from.coded(groups)?,
            products: {
                let different = from.column(u64::from_le_bytes)?;
                let places = from.column(u32::from_le_bytes)?.into_iter();
                let product = |place: u32| different.get(place as usize).copied();
                let products = places.map(product).collect::<Option<_>>();
                products.ok_or_else(|| damaged("a product that it does not have"))?
            },
            received: from.column(i64::from_le_bytes)?,
            measures: {
                let measures = from.length()?;
                (0..measures).map(|_| from.column(f64::from_le_bytes)).collect::<Result<_>>()?
            },
        };
        for (late, time) in events.received.iter_mut().zip(&events.times) {
            *late = late.wrapping_add(*time);
        }
        let told: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let all = events.len();
        let fits = told == all as u64 && told_events == all && from.0.is_empty();
        if !fits || numbers.len() + ends.len() != counts.len() {
            return Err(damaged("its parts do not fit together"));
        }
        Ok(Packet { partition, numbers, texts, ends, counts, events })
    }
}

/// How many times as large a packet may be as its compressed bytes: LZ4 does no more.
const MOST_COMPRESSED: usize = 256;

/// What a packet says of itself.
pub(super) struct Glance<'a> {
    pub partition: usize,
    pub events: usize,
    /// The codes of its kinds, channels and groups.
    names: [Vec<u16>; 3],
    columns: &'a [u8],
}

impl<'a> Glance<'a> {
    /// Reads what a packet says of itself; names that `names` lacks are added to it.
    ///
    /// # Errors
    /// When the bytes are no packet.
    pub fn of(bytes: &'a [u8], names: &LogNames) -> Result<Glance<'a>> {
        let mut from = Reader(bytes);
        if from.take(MARK.len())? != MARK {
            return Err(damaged("it begins as none does"));
        }
        let (partition, events) = (from.length()?, from.length()?);
        let names =
            [from.names(&names.kinds)?, from.names(&names.channels)?, from.names(&names.groups)?];
        Ok(Glance { partition, events, names, columns: from.0 })
    }
}

/// How many values there are, then their bytes: the first of each, then the second of each, and so on. What values have in
/// common, as the high bytes of times, then stands together and is compressed to nothing.
fn column<T: Copy, const N: usize>(to: &mut Vec<u8>, values: &[T], bytes: fn(T) -> [u8; N]) {
    to.extend((values.len() as u32).to_le_bytes());
    for place in 0..N {
        to.extend(values.iter().map(|value| bytes(*value)[place]));
    }
}

/// The different keys of products, and the place of each event's: keys are hashes, which nothing makes shorter.
fn places(products: &[u64]) -> (Vec<u64>, Vec<u32>) {
    let (mut known, mut different) = (HashMap::new(), Vec::new());
    let mut place = |product: &u64| {
        *known.entry(*product).or_insert_with(|| {
            different.push(*product);
            (different.len() - 1) as u32
        })
    };
    let places = products.iter().map(&mut place).collect();
    (different, places)
}

/// Writes the names that occur, and tells their places for codes.
fn coded(to: &mut Vec<u8>, codes: &[u16], names: &Names) -> Vec<u16> {
    let known = names.sorted();
    let mut places = vec![NONE; known.len()];
    let mut there = vec![false; known.len()];
    for code in codes {
        if let Some(there) = there.get_mut(usize::from(*code)) {
            *there = true;
        }
    }
    let met = || known.iter().filter(|(_, code)| there[usize::from(*code)]);
    to.extend((met().count() as u32).to_le_bytes());
    for (place, (name, code)) in (0..).zip(met()) {
        places[usize::from(*code)] = place;
        column(to, name.as_bytes(), u8::to_le_bytes);
    }
    codes.iter().map(|code| places.get(usize::from(*code)).copied().unwrap_or(NONE)).collect()
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or_else(|| damaged("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize> {
        let bytes = self.take(4)?.try_into().map_err(|_| damaged("it is cut off"))?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn column<T, const N: usize>(&mut self, value: fn([u8; N]) -> T) -> Result<Vec<T>> {
        let length = self.length()?;
        let bytes = self.take(length.checked_mul(N).ok_or_else(|| damaged("it is cut off"))?)?;
        let at = |row: usize| std::array::from_fn(|place| bytes[place * length + row]);
        Ok((0..length).map(|row| value(at(row))).collect())
    }

    /// The codes of a packet's names.
    fn names(&mut self, names: &Names) -> Result<Vec<u16>> {
        let known = (0..self.length()?).map(|_| {
            let name = String::from_utf8(self.column(u8::from_le_bytes)?);
            names.code(&name.map_err(|_| damaged("names that are no text"))?)
        });
        known.collect()
    }

    fn coded(&mut self, known: &[u16]) -> Result<Vec<u16>> {
        let mut codes = self.column(u16::from_le_bytes)?;
        for code in codes.iter_mut().filter(|code| **code != NONE) {
            let known = known.get(usize::from(*code));
            *code = *known.ok_or_else(|| damaged("a name that it does not have"))?;
        }
        Ok(codes)
    }
}

fn damaged(found: &str) -> Error {
    Error::BadOptions(format!(
        "events on their way are damaged: {found}; expected what this version packs: run the same version everywhere, and \
         the job again"
    ))
}
