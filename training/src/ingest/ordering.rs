//! Puts the events of each customer of a partition in their order, and finds duplicates. The order
//! itself is that of `Events::order`.

use std::ops::Range;

use rekindle_models::behaviour::{Duplicates, Events};

/// Room to work in.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    /// Time and place of each event of a customer.
    keys: Vec<(i64, u32)>,
    codes: Vec<u16>,
    instants: Vec<i64>,
    products: Vec<u64>,
    numbers: Vec<f64>,
    /// Places of duplicates, rising.
    duplicates: Vec<u32>,
}

impl Ordering {
    /// Bytes needed for a customer with so many events.
    pub fn bytes(events: u64) -> u64 {
        // A key, and a value of each type.
        events * (16 + 2 + 8 + 8 + 8)
    }

    /// Sorts each customer's events, which end at `ends`, and tells how many are duplicates. Where
    /// these are dropped, events and ends close up.
    pub fn settle(&mut self, events: &mut Events, ends: &mut [u32], rule: Duplicates) -> u64 {
        self.duplicates.clear();
        let (mut start, mut found) = (0, 0);
        for end in ends.iter() {
            let span = start..*end as usize;
            start = span.end;
            let rising = events.times[span.clone()].windows(2).all(|w| w[0] < w[1]);
            if !rising {
                self.sort(events, span.clone());
                found += self.find_duplicates(events, span, rule);
            }
        }
        if !self.duplicates.is_empty() {
            self.close_up(events, ends);
        }
        found
    }

    fn sort(&mut self, events: &mut Events, span: Range<usize>) {
        let start = span.start;
        self.keys.clear();
        self.keys.extend(span.clone().map(|place| (events.times[place], place as u32)));
        self.keys.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| events.compare(a.1 as usize, b.1 as usize))
        });
        for (time, key) in events.times[span].iter_mut().zip(&self.keys) {
            *time = key.0;
        }
        let keys = &self.keys;
        permute(&mut events.kinds, keys, start, &mut self.codes);
        permute(&mut events.channels, keys, start, &mut self.codes);
        permute(&mut events.groups, keys, start, &mut self.codes);
        permute(&mut events.products, keys, start, &mut self.products);
        permute(&mut events.received, keys, start, &mut self.instants);
        for measure in &mut events.measures {
            permute(measure, keys, start, &mut self.numbers);
        }
    }

    /// Counts the events of a sorted span that are the same as the one before, and notes them where
    /// they are to be dropped.
    fn find_duplicates(&mut self, events: &Events, span: Range<usize>, rule: Duplicates) -> u64 {
        let places = span.skip(1).filter(|&place| events.same(place - 1, place));
        if rule == Duplicates::Keep {
            return places.count() as u64;
        }
        let before = self.duplicates.len();
        self.duplicates.extend(places.map(|place| place as u32));
        (self.duplicates.len() - before) as u64
    }

    fn close_up(&self, events: &mut Events, ends: &mut [u32]) {
        let dropped = &self.duplicates;
        without(&mut events.times, dropped);
        without(&mut events.kinds, dropped);
        without(&mut events.channels, dropped);
        without(&mut events.groups, dropped);
        without(&mut events.products, dropped);
        without(&mut events.received, dropped);
        events.measures.iter_mut().for_each(|measure| without(measure, dropped));
        let mut gone = 0;
        for end in ends {
            gone += dropped[gone..].partition_point(|place| place < end);
            *end -= gone as u32;
        }
    }
}

/// Puts the values from `start` on in the order of the places that `keys` name.
fn permute<T: Copy>(column: &mut [T], keys: &[(i64, u32)], start: usize, room: &mut Vec<T>) {
    if column.is_empty() {
        return;
    }
    room.clear();
    room.extend(keys.iter().map(|key| column[key.1 as usize]));
    column[start..][..room.len()].copy_from_slice(room);
}

/// Leaves out the values at places, which rise.
fn without<T: Copy>(column: &mut Vec<T>, places: &[u32]) {
    if column.is_empty() {
        return;
    }
    let mut to = places[0] as usize;
    for (nth, &place) in places.iter().enumerate() {
        let next = places.get(nth + 1).map_or(column.len(), |&p| p as usize);
        column.copy_within(place as usize + 1..next, to);
        to += next - (place as usize + 1);
    }
    column.truncate(to);
}
