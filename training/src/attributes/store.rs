//! Values in order of customer, attribute and time of knowing, and what was known at a cutoff. Takes no
//! more values.

use std::cmp::Ordering;
use std::sync::Arc;

use rekindle_models::behaviour::{Attribute, AttributeKind, days_before};

use crate::attributes::ALWAYS;
use crate::ingest::{CustomerId, Customers};

/// A value of a customer with the time it was known from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub known_at: i64,
    /// In a log, the number or the code of the text; in a store, what the attribute's kind has.
    pub value: f64,
    pub customer: u32,
    pub attribute: u16,
    /// Whether the value arrived as text.
    pub text: bool,
}

/// The attributes of all customers. Customers are numbered in order of id.
#[derive(Debug, Default)]
pub struct Attributes {
    pub(super) list: Vec<Attribute>,
    pub(super) texts: Arc<[Box<str>]>,
    pub(super) customers: Customers,
    pub(super) by_id: Vec<u32>,
    /// By customer, attribute, time of knowing; no two are equal in all three.
    pub(super) entries: Vec<Entry>,
    pub(super) contradictions: u64,
}

/// All that was ever known of one customer. [`Known::at`] tells of it, and only of what was known before a cutoff;
/// [`Known::as_known`] explains scores and makes none.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    list: &'a [Attribute],
    entries: &'a [Entry],
}

impl Entry {
    pub fn compare(&self, other: &Entry) -> Ordering {
        let place = |e: &Entry| (e.customer, e.attribute, e.known_at);
        place(self).cmp(&place(other)).then_with(|| self.value.total_cmp(&other.value))
    }

    pub fn same_time(&self, other: &Entry) -> bool {
        let place = |e: &Entry| (e.customer, e.attribute, e.known_at);
        place(self) == place(other)
    }
}

impl Attributes {
    /// The attributes in order of name.
    pub fn list(&self) -> &[Attribute] {
        &self.list
    }

    /// The texts of all categories, sorted: what the cells of categories are places in.
    pub fn texts(&self) -> &Arc<[Box<str>]> {
        &self.texts
    }

    /// The attributes of which some values are known [`ALWAYS`].
    pub fn untimed(&self) -> impl Iterator<Item = &Attribute> {
        let mut untimed = vec![false; self.list.len()];
        let always = self.entries.iter().filter(|entry| entry.known_at == ALWAYS);
        always.for_each(|entry| untimed[usize::from(entry.attribute)] = true);
        self.list
            .iter()
            .zip(untimed)
            .filter(|(_, untimed)| *untimed)
            .map(|(attribute, _)| attribute)
    }

    /// How often a customer had different values of an attribute known at the same time.
    pub fn contradictions(&self) -> u64 {
        self.contradictions
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no customer.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The customers in order of id; a customer's place is its number.
    pub fn customers(&self) -> impl ExactSizeIterator<Item = CustomerId<'_>> {
        self.by_id.iter().map(|&number| self.customers.id(number))
    }

    /// A customer's number, by which who was met already can be noted; `None` for one without attributes.
    pub fn number(&self, customer: CustomerId<'_>) -> Option<usize> {
        self.by_id.binary_search_by(|&number| self.customers.id(number).cmp(&customer)).ok()
    }

    /// What is known of a customer; nothing of one who is not listed.
    pub fn of(&self, customer: CustomerId<'_>) -> Known<'_> {
        let entries = self.number(customer).map_or(&[][..], |number| {
            let number = number as u32;
            let start = self.entries.partition_point(|e| e.customer < number);
            let length = self.entries[start..].partition_point(|e| e.customer == number);
            &self.entries[start..start + length]
        });
        Known { list: &self.list, entries }
    }
}

impl Known<'_> {
    /// Fills a cell for each attribute with the value known last with `known_at < cutoff`: a number, days
    /// before the cutoff, or a place in [`Attributes::texts`]; NaN where none was.
    ///
    /// Whether the customer was known at all by then: whether any value with a time of knowing is told.
    /// Values that are known [`ALWAYS`] do not count: a table that lists who came later says nothing of when.
    pub fn at(&self, cutoff: i64, row: &mut [f64]) -> bool {
        self.as_known(cutoff, cutoff, row)
    }

    /// The same of what was known before `known` (not before the cutoff), told as of the cutoff: with what became known
    /// late. It tells why a score was to be corrected, and nothing else.
    pub fn as_known(&self, cutoff: i64, known: i64, row: &mut [f64]) -> bool {
        assert!(cutoff <= known, "what was known is looked at from the cutoff on");
        assert_eq!(row.len(), self.list.len(), "a cell for each attribute");
        row.fill(f64::NAN);
        let mut any = false;
        for entry in self.entries.iter().filter(|e| e.known_at < known) {
            let place = usize::from(entry.attribute);
            any |= entry.known_at != ALWAYS;
            row[place] = match self.list[place].kind {
                AttributeKind::Number | AttributeKind::Category => entry.value,
                AttributeKind::Date => days_before(cutoff, entry.value as i64),
            };
        }
        any
    }
}
