//! What a campaign's effect is measured on, and uplift learned from: each decision, with the contacts that were made
//! and what came of it.

use crate::cell::{Cell, Fields, Told};
use crate::decision::{DECISIONS, Decision};
use crate::error::Result;
use crate::store::Store;

/// A decision and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The campaign.
    pub campaign_id: String,
    /// What was decided, control or not.
    pub decision: Decision,
    /// How many contacts were made.
    pub contacts: u64,
    /// When the first was, in microseconds since 1970-01-01T00:00:00Z.
    pub contacted_at_micros: Option<i64>,
    /// How many outcomes were counted.
    pub outcomes: u64,
    /// The sum of their amounts, in money.
    pub amount: f64,
}

/// Of which campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialsOf<'a> {
    /// Of this one.
    Campaign(&'a str),
    /// Of all that are finished.
    Finished,
}

/// Which outcomes are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Those of this kind; `None`: of every kind.
    pub kind: Option<String>,
    /// Those that occurred at or after it, in microseconds.
    pub from_micros: i64,
    /// Those that occurred before it, in microseconds.
    pub until_micros: i64,
}

impl Default for Counted {
    /// All.
    fn default() -> Counted {
        Counted { kind: None, from_micros: i64::MIN, until_micros: i64::MAX }
    }
}

impl Store {
    /// At most `most` trials behind `after`, the last of the page before, by campaign and customer in the database's
    /// order of texts; an empty page ends. Each page is as of when it was read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn trials(
        &self,
        of: TrialsOf<'_>,
        counted: &Counted,
        after: Option<&Trial>,
        most: u32,
    ) -> Result<Vec<Trial>> {
        let (campaign, customer) = match after {
            Some(trial) => (trial.campaign_id.as_str(), trial.decision.customer_id.as_str()),
            None => ("", ""),
        };
        let (campaign, which) = match of {
            TrialsOf::Campaign(id) => (id, "d.campaign_id = $1 AND d.customer_id > $2"),
            TrialsOf::Finished => (
                campaign,
                "(d.campaign_id, d.customer_id) > ($1, $2) AND d.campaign_id IN \
                 (SELECT campaign_id FROM campaigns WHERE state = 'finished')",
            ),
        };
        let texts = [Some(campaign), counted.kind.as_deref()];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Ok(Vec::new());
        }
        let cells = [
            Cell::Text(campaign),
            Cell::Text(customer),
            Cell::Whole(i64::from(most)),
            Cell::Whole(counted.from_micros),
            Cell::Whole(counted.until_micros),
            Cell::MaybeText(counted.kind.as_deref()),
        ];
        self.read("read what came of campaigns", &statement(which), &cells).await
    }
}

fn statement(which: &str) -> String {
    let decision: Vec<String> = DECISIONS.columns.iter().map(|c| format!("d.{c}")).collect();
    let contacts =
        "FROM contacts AS c WHERE c.campaign_id = d.campaign_id AND c.customer_id = d.customer_id";
    let outcomes = "FROM outcomes AS o WHERE o.customer_id = d.customer_id AND o.campaign_id = d.campaign_id \
                    AND o.occurred_at_micros >= $4 AND o.occurred_at_micros < $5 AND ($6 IS NULL OR o.kind = $6)";
    format!(
        "SELECT {}, (SELECT count(*) {contacts}), (SELECT min(c.contacted_at_micros) {contacts}), \
         (SELECT count(*) {outcomes}), (SELECT coalesce(sum(o.amount), 0.0) {outcomes}) \
         FROM decisions AS d WHERE {which} ORDER BY d.campaign_id, d.customer_id LIMIT $3",
        decision.join(", ")
    )
}

impl Told for Trial {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Trial> {
        Ok(Trial {
            campaign_id: row.next()?,
            decision: Decision::of(row)?,
            contacts: row.next::<i64>()?.unsigned_abs(),
            contacted_at_micros: row.next()?,
            outcomes: row.next::<i64>()?.unsigned_abs(),
            amount: row.next()?,
        })
    }
}
