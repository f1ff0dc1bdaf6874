//! Each customer's newest events before a cutoff, as a store keeps them to be shown. Scores are not made from these.

use rekindle_models::behaviour::{Events, History, Timeline};
use rekindle_store::StoredEvent;

use crate::build::GatheredLog;
use crate::error::Result;
use crate::ingest::Room;

/// What is taken of a log.
#[derive(Debug, Clone, Copy)]
pub struct Newest {
    /// What happened, or became known, from then on is left out; in milliseconds.
    pub cutoff: i64,
    /// Events of a customer.
    pub most: usize,
}

impl Newest {
    /// The newest events of each customer of a partition who had one, the newest first. A product is told by its group:
    /// of products themselves a log keeps no names.
    ///
    /// # Errors
    /// When spilled events cannot be read.
    pub fn of_partition(
        self,
        log: &GatheredLog,
        partition: usize,
        room: &mut Room,
    ) -> Result<Vec<(String, Vec<StoredEvent>)>> {
        let names = log.names.dictionaries();
        let recoding = log.names.recoding(&names);
        let loaded = log.events.load(partition, &recoding, log.duplicates, room)?;
        let (mut customers, mut kept) = (Vec::new(), Events::default());
        for (customer, span) in loaded.customers() {
            let timeline = Timeline::new(loaded.events(), span);
            let history = timeline.history(self.cutoff, &mut kept);
            if history.events().is_empty() {
                continue;
            }
            let told = |list: &[String], code: Option<&u16>| {
                code.and_then(|code| list.get(usize::from(*code))).cloned()
            };
            let event = |place: usize, history: &History<'_>| {
                let events = history.events();
                let amount = events.measure(0).get(place).copied();
                StoredEvent {
                    occurred_at_micros: events.times()[place].saturating_mul(1_000),
                    kind: told(names.kinds.names(), events.kinds().get(place)).unwrap_or_default(),
                    amount: amount.filter(|amount| amount.is_finite()),
                    product: told(names.groups.names(), events.groups().get(place)),
                    channel: told(names.channels.names(), events.channels().get(place)),
                }
            };
            let places = (0..history.events().len()).rev().take(self.most);
            let events = places.map(|place| event(place, &history)).collect();
            customers.push((customer.to_string(), events));
        }
        Ok(customers)
    }
}
