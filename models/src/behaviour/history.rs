//! What was known of a customer at a cutoff. [`Timeline::history`] leaves out what happened, or became known, at the cutoff
//! or later: features take a history and so cannot look ahead. No [`History`] holds what happened later; with what became
//! known later one is made by [`Timeline::as_known`] alone, which explains scores and makes none.

use std::ops::Range;

use crate::behaviour::event::Events;

/// All events of one customer, past and future, in the order of [`Events::order`].
#[derive(Debug, Clone, Copy)]
pub struct Timeline<'a> {
    events: &'a Events,
    start: usize,
    end: usize,
}

/// The events of one customer before a cutoff, received before it too.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    cutoff: i64,
    events: Timeline<'a>,
}

impl<'a> Timeline<'a> {
    /// The events at `span`, which are one customer's and in order.
    pub fn new(events: &'a Events, span: Range<usize>) -> Timeline<'a> {
        debug_assert!(events.times[span.clone()].is_sorted(), "events are in order of time");
        Timeline { events, start: span.start, end: span.end }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Times in milliseconds, rising or equal.
    pub fn times(&self) -> &'a [i64] {
        &self.events.times[self.start..self.end]
    }

    /// Codes of kinds.
    pub fn kinds(&self) -> &'a [u16] {
        &self.events.kinds[self.start..self.end]
    }

    /// Codes of channels; empty where no event has one.
    pub fn channels(&self) -> &'a [u16] {
        self.column(&self.events.channels)
    }

    /// Codes of product groups; empty where no event has one.
    pub fn groups(&self) -> &'a [u16] {
        self.column(&self.events.groups)
    }

    /// Keys of products; empty where no event has one.
    pub fn products(&self) -> &'a [u64] {
        self.column(&self.events.products)
    }

    /// When events were received; empty where that is not known.
    pub fn received(&self) -> &'a [i64] {
        self.column(&self.events.received)
    }

    /// A measure of the events; empty where no event has it.
    pub fn measure(&self, measure: usize) -> &'a [f64] {
        self.events.measures.get(measure).map_or(&[], |m| self.column(m))
    }

    /// The events in `[from, to)`, in milliseconds.
    pub fn between(&self, from: i64, to: i64) -> Timeline<'a> {
        let times = self.times();
        let start = times.partition_point(|&t| t < from);
        let end = times.partition_point(|&t| t < to).max(start);
        Timeline { start: self.start + start, end: self.start + end, ..*self }
    }

    /// What was known at `cutoff`. Where some events before it were received at or after it, the
    /// others are copied into `kept`.
    pub fn history<'b>(&self, cutoff: i64, kept: &'b mut Events) -> History<'b>
    where
        'a: 'b,
    {
        self.as_known(cutoff, cutoff, kept)
    }

    /// What was known at `known` (not before `cutoff`) of the events before `cutoff`: with what was received late. It
    /// tells why a score was to be corrected, and nothing else: what learns, scores or judges takes
    /// [`Timeline::history`], since nobody can know at a cutoff what is received after it.
    pub fn as_known<'b>(&self, cutoff: i64, known: i64, kept: &'b mut Events) -> History<'b>
    where
        'a: 'b,
    {
        assert!(cutoff <= known, "what was known is looked at from the cutoff on");
        let events = self.between(i64::MIN, cutoff);
        let received = events.received();
        if received.iter().all(|&at| at < known) {
            return History { cutoff, events };
        }
        kept.clear();
        for (place, _) in received.iter().enumerate().filter(|(_, at)| **at < known) {
            kept.push_from(events.events, events.start + place);
        }
        let end = kept.len();
        History { cutoff, events: Timeline::new(kept, 0..end) }
    }

    fn column<T>(&self, column: &'a [T]) -> &'a [T] {
        if column.is_empty() { column } else { &column[self.start..self.end] }
    }
}

impl<'a> History<'a> {
    /// The instant a prediction is made at, in milliseconds.
    pub fn cutoff(&self) -> i64 {
        self.cutoff
    }

    /// The events, all before the cutoff.
    pub fn events(&self) -> Timeline<'a> {
        self.events
    }
}
