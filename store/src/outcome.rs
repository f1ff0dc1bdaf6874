//! What customers did in a campaign's time.

use crate::cell::{Cell, Fields, Table, Told, Written};
use crate::check::Check;
use crate::error::Result;
use crate::record::{Kind, Recorded};
use crate::store::Store;

/// Something a customer of a campaign did, known by its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What it is known by in its campaign; not empty.
    pub outcome_id: String,
    /// The customer; not empty.
    pub customer_id: String,
    /// What was done; not empty.
    pub kind: String,
    /// The money it brought; 0 where it brought none.
    pub amount: f64,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub occurred_at_micros: i64,
    /// When it came to be known, in microseconds. That of the first time is kept.
    pub received_at_micros: i64,
}

pub(crate) const OUTCOMES: Table = Table {
    name: "outcomes",
    columns: &[
        "campaign_id",
        "outcome_id",
        "customer_id",
        "kind",
        "amount",
        "occurred_at_micros",
        "received_at_micros",
    ],
};

const KIND: Kind = Kind {
    noun: "outcome",
    action: "record outcomes",
    table: &OUTCOMES,
    key: &["outcome_id"],
    same: &["customer_id", "kind", "amount", "occurred_at_micros"],
};

impl Store {
    /// Records outcomes of a campaign; those that are known change nothing. All or, on an error, none: when this
    /// returns, they are on disk.
    ///
    /// # Errors
    /// When there is no such campaign, an outcome is out of range or is kept with other contents, or the database
    /// refuses.
    pub async fn record_outcomes(
        &self,
        campaign_id: &str,
        outcomes: &[Outcome],
    ) -> Result<Recorded> {
        for (row, outcome) in outcomes.iter().enumerate() {
            let check = Check { noun: "outcome", place: row + 1 };
            check.key("outcome_id", &outcome.outcome_id)?;
            check.key("customer_id", &outcome.customer_id)?;
            check.key("kind", &outcome.kind)?;
            check.money("amount", outcome.amount)?;
        }
        self.record(&KIND, campaign_id, outcomes).await
    }
}

impl Written for Outcome {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.outcome_id),
            Cell::Text(&self.customer_id),
            Cell::Text(&self.kind),
            Cell::Number(self.amount),
            Cell::Whole(self.occurred_at_micros),
            Cell::Whole(self.received_at_micros),
        ]);
    }
}

impl Told for Outcome {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Outcome> {
        Ok(Outcome {
            outcome_id: row.next()?,
            customer_id: row.next()?,
            kind: row.next()?,
            amount: row.next()?,
            occurred_at_micros: row.next()?,
            received_at_micros: row.next()?,
        })
    }
}
