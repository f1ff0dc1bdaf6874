//! The customers met in one partition, each with a number of its own and how many events it has.
//! Knows no events.

use std::fmt;

use hashbrown::HashTable;
use rekindle_models::seed::mix;
use twox_hash::XxHash3_64;

use crate::error::{Error, Result};
use crate::ingest::Ids;

/// Who a customer is: ordered by number, then by the bytes of the text. A text that is a whole
/// number as Rust writes it (`-7`, not `007` or `+7`) is that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CustomerId<'a> {
    /// A whole number.
    Number(i64),
    /// Anything else.
    Text(&'a str),
}

/// Customers by id, as they arrive.
#[derive(Debug, Default)]
pub(crate) struct Register {
    found: HashTable<u32>,
    customers: Customers,
}

/// Customers in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Customers {
    ids: Vec<StoredId>,
    text: String,
    counts: Vec<u32>,
    /// The last line of each in milliseconds, `i64::MIN` for none; empty: of none is it known.
    last_lines: Vec<i64>,
}

#[derive(Debug, Clone, Copy)]
enum StoredId {
    Number(i64),
    Text { start: u32, length: u32 },
}

impl<'a> CustomerId<'a> {
    /// The customer that a text names.
    pub fn of_text(text: &'a str) -> CustomerId<'a> {
        let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
        let canonical = match digits {
            [b'0'] => digits.len() == text.len(),
            [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        match text.parse() {
            Ok(number) if canonical => CustomerId::Number(number),
            _ => CustomerId::Text(text),
        }
    }

    /// The same on every run and machine.
    pub(crate) fn hash(self) -> u64 {
        match self {
            // The constant keeps 0 and small numbers apart, as in `seed::mix2`.
            CustomerId::Number(n) => mix((n as u64).wrapping_add(0x9e37_79b9_7f4a_7c15)),
            CustomerId::Text(text) => XxHash3_64::oneshot(text.as_bytes()),
        }
    }
}

impl fmt::Display for CustomerId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CustomerId::Number(number) => number.fmt(f),
            CustomerId::Text(text) => text.fmt(f),
        }
    }
}

impl Ids {
    /// The customer of an event; `None` where `ends` do not fit the text or `place` is past the end.
    pub(super) fn get(&self, place: usize) -> Option<CustomerId<'_>> {
        match self {
            Ids::Numbers(numbers) => numbers.get(place).copied().map(CustomerId::Number),
            Ids::Texts { text, ends } => {
                let end = *ends.get(place)? as usize;
                let start = if place == 0 { 0 } else { ends[place - 1] as usize };
                text.get(start..end).map(CustomerId::of_text)
            }
        }
    }
}

impl Register {
    /// The number of a customer, the next one where it was not met before.
    ///
    /// # Errors
    /// When there are more customers, or more text of ids, than 32 bits tell apart.
    pub fn number(&mut self, id: CustomerId<'_>, hash: u64) -> Result<u32> {
        let customers = &mut self.customers;
        if let Some(&number) = self.found.find(hash, |&n| customers.id(n) == id) {
            return Ok(number);
        }
        let number = u32::try_from(customers.ids.len()).ok().filter(|n| *n < u32::MAX);
        let number = number.ok_or_else(|| too_many("customers"))?;
        let stored = match id {
            CustomerId::Number(number) => StoredId::Number(number),
            CustomerId::Text(text) => {
                let start = customers.text.len();
                let end = start + text.len();
                u32::try_from(end).map_err(|_| too_many("bytes of customer ids"))?;
                customers.text.push_str(text);
                StoredId::Text { start: start as u32, length: text.len() as u32 }
            }
        };
        customers.ids.push(stored);
        customers.counts.push(0);
        if !customers.last_lines.is_empty() {
            customers.last_lines.push(i64::MIN);
        }
        self.found.insert_unique(hash, number, |&n| customers.id(n).hash());
        Ok(number)
    }

    /// Who one is.
    pub fn id(&self, number: u32) -> CustomerId<'_> {
        self.customers.id(number)
    }

    /// So many more events of a customer. The caller sees to it that there are less than 2^32.
    pub fn count(&mut self, number: u32, events: u32) {
        self.customers.counts[number as usize] += events;
    }

    /// A line of a customer at a time in milliseconds.
    pub fn line(&mut self, number: u32, time: i64) {
        let lines = &mut self.customers.last_lines;
        lines.resize(self.customers.ids.len(), i64::MIN);
        lines[number as usize] = lines[number as usize].max(time);
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.found.allocation_size() as u64 + self.customers.bytes()
    }

    /// The customers, without what finds them by id.
    pub fn finish(mut self) -> Customers {
        self.customers.ids.shrink_to_fit();
        self.customers.counts.shrink_to_fit();
        self.customers.text.shrink_to_fit();
        self.customers.last_lines.shrink_to_fit();
        self.customers
    }
}

impl Customers {
    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Who one is.
    pub fn id(&self, number: u32) -> CustomerId<'_> {
        match self.ids[number as usize] {
            StoredId::Number(number) => CustomerId::Number(number),
            StoredId::Text { start, length } => {
                CustomerId::Text(&self.text[start as usize..][..length as usize])
            }
        }
    }

    /// How many events one has.
    pub fn events(&self, number: u32) -> u32 {
        self.counts[number as usize]
    }

    /// The most events that one has.
    pub fn most_events(&self) -> u32 {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    /// The time of the last line of one, in milliseconds.
    pub fn last_line(&self, number: u32) -> Option<i64> {
        self.last_lines.get(number as usize).copied().filter(|time| *time != i64::MIN)
    }

    /// All, in order of id.
    pub fn sorted(&self, order: &mut Vec<u32>) {
        order.clear();
        order.extend(0..self.len() as u32);
        order.sort_unstable_by_key(|&number| self.id(number));
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let ids = self.ids.capacity() * size_of::<StoredId>() + self.text.capacity();
        (ids + self.counts.capacity() * 4 + self.last_lines.capacity() * 8) as u64
    }
}

/// The error of a partition that numbers of 32 bits are not enough for.
pub(super) fn too_many(what: &str) -> Error {
    Error::BadOptions(format!(
        "one part of the log holds more than 4,294,967,295 {what}; expected them to spread over many \
         customers: is the customer's column the right one?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_text_are_one_customer_other_spellings_are_not() {
        for number in [0, 7, -7, 10, i64::MAX, i64::MIN] {
            assert_eq!(CustomerId::of_text(&number.to_string()), CustomerId::Number(number));
        }
        for text in
            ["", "-", "-0", "00", "007", "+7", " 7", "7.0", "7a", "9223372036854775808", "٣"]
        {
            assert_eq!(CustomerId::of_text(text), CustomerId::Text(text));
        }
    }

    #[test]
    fn customers_are_sorted_by_number_then_text() {
        let mut register = Register::default();
        for id in ["b", "10", "", "9", "a", "-3", "9", "é", "Z"].map(CustomerId::of_text) {
            let number = register.number(id, id.hash()).unwrap();
            register.count(number, 1);
        }
        let customers = register.finish();
        let mut order = Vec::new();
        customers.sorted(&mut order);
        let names: Vec<String> = order.iter().map(|&n| customers.id(n).to_string()).collect();
        assert_eq!(names, ["-3", "9", "10", "", "Z", "a", "b", "é"]);
        assert_eq!(customers.events(order[1]), 2);
        assert_eq!(customers.last_line(0), None);
    }

    #[test]
    fn the_last_line_is_the_latest_whichever_came_first() {
        let mut register = Register::default();
        let mut number = |n| register.number(CustomerId::Number(n), CustomerId::Number(n).hash());
        let (a, b) = (number(1).unwrap(), number(2).unwrap());
        [5, 9, 3].into_iter().for_each(|time| register.line(b, time));
        let id = CustomerId::Number(3);
        let c = register.number(id, id.hash()).unwrap();
        let customers = register.finish();
        assert_eq!([a, b, c].map(|n| customers.last_line(n)), [None, Some(9), None]);
    }
}
