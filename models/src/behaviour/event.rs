//! The events of one customer, column by column, in an order that does not depend on how they
//! arrived. Knows no cutoff.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::seed::hash_text;

/// The code of a kind, channel or group that is not in its [`Dictionary`].
pub const OTHER: u16 = u16::MAX;
/// The code of a channel or group that an event does not have.
pub const NONE: u16 = u16::MAX - 1;

/// Names and their codes: a code is a name's place. Sorted, so that codes do not depend on the order
/// in which names were met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary {
    names: Vec<String>,
}

impl Dictionary {
    /// Names in any order, repeated or not; at most 65,534 different ones.
    pub fn new(names: Vec<String>) -> Dictionary {
        Dictionary::of(names).expect("codes are 16 bits wide")
    }

    /// The same of names that were not counted: `None` where they are too many.
    pub fn of(mut names: Vec<String>) -> Option<Dictionary> {
        names.sort_unstable();
        names.dedup();
        (names.len() <= usize::from(NONE)).then_some(Dictionary { names })
    }

    /// The names, sorted; a name's place is its code.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The code of a name, [`OTHER`] where it is not listed.
    pub fn code(&self, name: &str) -> u16 {
        match self.names.binary_search_by(|n| n.as_str().cmp(name)) {
            Ok(place) => place as u16,
            Err(_) => OTHER,
        }
    }
}

/// The names that events are told apart by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionaries {
    /// Kinds of event.
    pub kinds: Dictionary,
    /// Channels.
    pub channels: Dictionary,
    /// Product groups.
    pub groups: Dictionary,
}

/// What codes become, by code: those of other dictionaries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recoding {
    /// Of kinds.
    pub kinds: Vec<u16>,
    /// Of channels.
    pub channels: Vec<u16>,
    /// Of product groups.
    pub groups: Vec<u16>,
}

impl Dictionaries {
    /// The codes of these names in other dictionaries.
    pub fn recoding(&self, to: &Dictionaries) -> Recoding {
        let codes = |from: &Dictionary, to: &Dictionary| {
            from.names.iter().map(|name| to.code(name)).collect()
        };
        Recoding {
            kinds: codes(&self.kinds, &to.kinds),
            channels: codes(&self.channels, &to.channels),
            groups: codes(&self.groups, &to.groups),
        }
    }
}

impl Recoding {
    /// Gives events their codes; [`NONE`] stays, and a code that is not listed becomes [`OTHER`].
    pub fn apply(&self, events: &mut Events) {
        let Recoding { kinds, channels, groups } = self;
        let columns = [&mut events.kinds, &mut events.channels, &mut events.groups];
        for (column, codes) in columns.into_iter().zip([kinds, channels, groups]) {
            let listed = column.iter_mut().filter(|code| **code != NONE);
            listed.for_each(|code| {
                *code = codes.get(usize::from(*code)).copied().unwrap_or(OTHER);
            });
        }
    }
}

/// A product's key: a hash of its name, never 0. 0 stands for no product.
pub fn product_key(name: &str) -> u64 {
    hash_text(name).max(1)
}

/// What happens to an event that is equal to another one in all it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// It counts: two equal lines of an order are two things bought.
    #[default]
    Keep,
    /// It is left out: the log may deliver an event more than once.
    Drop,
}

/// Events as columns of equal length. A column that no event has is empty instead: see each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// When it happened, in milliseconds since 1970-01-01 00:00 UTC.
    pub times: Vec<i64>,
    /// Codes of [`Dictionaries::kinds`].
    pub kinds: Vec<u16>,
    /// Codes of [`Dictionaries::channels`]; empty: no event has one.
    pub channels: Vec<u16>,
    /// Codes of [`Dictionaries::groups`]; empty: no event has one.
    pub groups: Vec<u16>,
    /// Keys by [`product_key`], 0 for none; empty: no event has one.
    pub products: Vec<u64>,
    /// When the company came to know it, in milliseconds; empty: when it happened.
    pub received: Vec<i64>,
    /// Numbers of an event, by measure: the first is the amount, NaN where missing. Each as long as
    /// `times`, or empty: no event has one.
    pub measures: Vec<Vec<f64>>,
}

impl Events {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Removes all events and keeps the room.
    pub fn clear(&mut self) {
        self.times.clear();
        self.kinds.clear();
        self.channels.clear();
        self.groups.clear();
        self.products.clear();
        self.received.clear();
        self.measures.iter_mut().for_each(Vec::clear);
    }

    /// Appends one event of another set that has the same columns.
    pub fn push_from(&mut self, from: &Events, place: usize) {
        self.times.push(from.times[place]);
        self.kinds.push(from.kinds[place]);
        copy(&mut self.channels, &from.channels, place);
        copy(&mut self.groups, &from.groups, place);
        copy(&mut self.products, &from.products, place);
        copy(&mut self.received, &from.received, place);
        self.measures.resize_with(from.measures.len(), Vec::new);
        for (to, from) in self.measures.iter_mut().zip(&from.measures) {
            copy(to, from, place);
        }
    }

    /// The order of two events: by time, then by everything else they hold, so that only events
    /// equal in all they hold are equal.
    pub fn compare(&self, a: usize, b: usize) -> Ordering {
        let by = |column: &[u16]| compare_column(column, a, b);
        self.times[a]
            .cmp(&self.times[b])
            .then_with(|| self.kinds[a].cmp(&self.kinds[b]))
            .then_with(|| by(&self.channels))
            .then_with(|| by(&self.groups))
            .then_with(|| compare_column(&self.products, a, b))
            .then_with(|| {
                let by_measure = |m: &Vec<f64>| {
                    m.get(a).zip(m.get(b)).map_or(Ordering::Equal, |(x, y)| x.total_cmp(y))
                };
                self.measures.iter().map(by_measure).fold(Ordering::Equal, Ordering::then)
            })
            .then_with(|| compare_column(&self.received, a, b))
    }

    /// The places of the events in their order, whatever order they stand in, and how many were
    /// left out as duplicates: events that differ at most in when they were received, of which the
    /// earliest received stays.
    pub fn order(&self, duplicates: Duplicates, order: &mut Vec<u32>) -> usize {
        order.clear();
        order.extend(0..self.len() as u32);
        let rising = self.times.windows(2).all(|w| w[0] < w[1]);
        if rising {
            return 0;
        }
        order.sort_unstable_by(|&a, &b| self.compare(a as usize, b as usize));
        if duplicates == Duplicates::Keep {
            return 0;
        }
        let before = order.len();
        order.dedup_by(|later, earlier| self.same(*later as usize, *earlier as usize));
        before - order.len()
    }

    /// Whether two events are equal but for when they were received.
    pub fn same(&self, a: usize, b: usize) -> bool {
        let number = |m: &Vec<f64>| m.is_empty() || m[a].to_bits() == m[b].to_bits();
        self.times[a] == self.times[b]
            && self.kinds[a] == self.kinds[b]
            && compare_column(&self.channels, a, b).is_eq()
            && compare_column(&self.groups, a, b).is_eq()
            && compare_column(&self.products, a, b).is_eq()
            && self.measures.iter().all(number)
    }
}

fn copy<T: Copy>(to: &mut Vec<T>, from: &[T], place: usize) {
    if !from.is_empty() {
        to.push(from[place]);
    }
}

fn compare_column<T: Ord>(column: &[T], a: usize, b: usize) -> Ordering {
    match column.is_empty() {
        true => Ordering::Equal,
        false => column[a].cmp(&column[b]),
    }
}
