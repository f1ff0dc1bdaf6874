//! The newest events of each customer, to be shown. The log itself stands elsewhere.

use std::collections::HashSet;

use crate::cell::{Batch, Cell, Fields, Table, Told, Written};
use crate::check::Check;
use crate::database::Transaction;
use crate::error::Result;
use crate::store::Store;

/// Something a customer did, or that was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub occurred_at_micros: i64,
    /// What it was; not empty.
    pub kind: String,
    /// The money it was about, where there was any.
    pub amount: Option<f64>,
    /// The product it was about.
    pub product: Option<String>,
    /// By which way.
    pub channel: Option<String>,
}

pub(crate) const EVENTS: Table = Table {
    name: "customer_events",
    columns: &[
        "customer_id",
        "place",
        "occurred_at_micros",
        "kind",
        "amount",
        "product",
        "channel",
    ],
};

/// Customers whose events are taken away by one statement.
const TOGETHER: usize = 256;

impl Store {
    /// Keeps events of customers, in the place of all that was kept of each of them; of equally new ones the first given
    /// counts as the newer. Customers who are not given keep theirs. All are kept or, on an error, none.
    ///
    /// # Errors
    /// When an event is out of range, a customer is given twice, or the database refuses.
    pub async fn put_events(&self, customers: &[(String, Vec<StoredEvent>)]) -> Result<()> {
        let mut met = HashSet::with_capacity(customers.len());
        for (place, (customer_id, events)) in customers.iter().enumerate() {
            let check = Check { noun: "customer with events", place: place + 1 };
            check.text("customer_id", customer_id)?;
            if !met.insert(customer_id.as_str()) {
                let again = format!("{customer_id:?} again");
                check.bad("customer_id", &again, "each customer once")?;
            }
            events.iter().try_for_each(|event| event.check(check))?;
        }
        if customers.is_empty() {
            return Ok(());
        }
        let put = put(self.write("keep events").await?, customers).await;
        put.map_err(|source| self.failed("keep events", source))
    }
}

/// The statement for all events of a customer, the newest first.
pub(crate) fn of_customer() -> String {
    let columns = EVENTS.columns[2..].join(", ");
    format!("SELECT {columns} FROM customer_events WHERE customer_id = $1 ORDER BY place")
}

async fn put(mut all: Transaction, customers: &[(String, Vec<StoredEvent>)]) -> sqlx::Result<()> {
    if let Transaction::Postgres(_) = &all {
        // Two that replace the same customers do so one after the other. (In SQLite one writes at a time.)
        all.execute("LOCK TABLE customer_events IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
    }
    // In the order of the key, neighbours fall into one page.
    let mut customers: Vec<&(String, Vec<StoredEvent>)> = customers.iter().collect();
    customers.sort_by(|a, b| a.0.cmp(&b.0));
    for together in customers.chunks(TOGETHER) {
        let cells: Vec<Cell<'_>> = together.iter().map(|(id, _)| Cell::Text(id)).collect();
        let places: Vec<String> = (1..=cells.len()).map(|place| format!("${place}")).collect();
        let those = places.join(", ");
        let text = format!("DELETE FROM customer_events WHERE customer_id IN ({those})");
        all.execute(&text, &cells).await?;
    }
    let rows: Vec<Row<'_>> = customers.iter().flat_map(|(id, events)| placed(id, events)).collect();
    all.insert(&Batch { table: &EVENTS, lead: &[], rows: &rows }).await?;
    all.commit().await
}

/// An event in its place.
struct Row<'a> {
    customer_id: &'a str,
    place: usize,
    event: &'a StoredEvent,
}

fn placed<'a>(customer_id: &'a str, events: &'a [StoredEvent]) -> impl Iterator<Item = Row<'a>> {
    let mut newest_first: Vec<&StoredEvent> = events.iter().collect();
    newest_first.sort_by_key(|event| std::cmp::Reverse(event.occurred_at_micros));
    let placed = newest_first.into_iter().enumerate();
    placed.map(move |(place, event)| Row { customer_id, place, event })
}

impl StoredEvent {
    fn check(&self, check: Check) -> Result<()> {
        check.text("an event's kind", &self.kind)?;
        check.may_be_number("an event's amount", self.amount)?;
        check.may_be_text("an event's product", self.product.as_deref())?;
        check.may_be_text("an event's channel", self.channel.as_deref())
    }
}

impl Written for Row<'_> {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(self.customer_id),
            Cell::Whole(self.place as i64),
            Cell::Whole(self.event.occurred_at_micros),
            Cell::Text(&self.event.kind),
            Cell::MaybeNumber(self.event.amount),
            Cell::MaybeText(self.event.product.as_deref()),
            Cell::MaybeText(self.event.channel.as_deref()),
        ]);
    }
}

impl Told for StoredEvent {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<StoredEvent> {
        Ok(StoredEvent {
            occurred_at_micros: row.next()?,
            kind: row.next()?,
            amount: row.next()?,
            product: row.next()?,
            channel: row.next()?,
        })
    }
}
