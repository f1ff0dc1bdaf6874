//! What a campaign's effect is measured on, and uplift learned from: each decision for an action, with the contacts that
//! were made and what came of it.

use crate::cell::{Cell, Fields, Told};
use crate::error::Result;
use crate::store::Store;

/// A decision for an action, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The customer.
    pub customer_id: String,
    /// The action; of a control, the one it would have had. Never `none`.
    pub action: String,
    /// Held out at random: not to be contacted.
    pub control: bool,
    /// With which probability the customer came to be treated so, 0 to 1.
    pub propensity: f64,
    /// The lapse tier then, where it was known.
    pub lapse_tier: Option<String>,
    /// The lifecycle stage then, where it was known.
    pub lifecycle_stage: Option<String>,
    /// The grade then, where it was known.
    pub grade: Option<String>,
    /// A score from before the campaign.
    pub score: Option<f64>,
    /// The value that was expected then, in money.
    pub predicted_value: Option<f64>,
    /// How many contacts were made.
    pub contacts: u64,
    /// How many outcomes were counted.
    pub outcomes: u64,
    /// The sum of their amounts, in money.
    pub amount: f64,
    /// When the first of them occurred, in microseconds.
    pub first_outcome_micros: Option<i64>,
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
    /// At most `most` trials of a campaign, of customers whose id comes behind `after` in the database's order of texts,
    /// in that order: `""` begins, the last customer of a page goes on, an empty page ends. Each page is as of when it was
    /// read. Empty where there is no such campaign.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn trials(
        &self,
        campaign_id: &str,
        counted: &Counted,
        after: &str,
        most: u32,
    ) -> Result<Vec<Trial>> {
        let unkept = |text: &str| text.contains('\0');
        if unkept(campaign_id) || unkept(after) || counted.kind.as_deref().is_some_and(unkept) {
            return Ok(Vec::new());
        }
        let cells = [
            Cell::Text(campaign_id),
            Cell::Text(after),
            Cell::Whole(i64::from(most)),
            Cell::Whole(counted.from_micros),
            Cell::Whole(counted.until_micros),
            Cell::MaybeText(counted.kind.as_deref()),
        ];
        self.read("read what came of a campaign", &statement(), &cells).await
    }
}

/// The columns of a decision that count here.
const COLUMNS: [&str; 9] = [
    "customer_id",
    "action",
    "control",
    "propensity",
    "lapse_tier",
    "lifecycle_stage",
    "grade",
    "score",
    "predicted_value",
];

/// A page of decisions, then what is there of its customers, each read once.
fn statement() -> String {
    let page =
        "campaign_id = $1 AND customer_id > $2 AND customer_id <= (SELECT max(customer_id) FROM d)";
    format!(
        "WITH d AS MATERIALIZED (SELECT {} FROM decisions WHERE campaign_id = $1 AND customer_id > $2 \
         AND action <> 'none' ORDER BY customer_id LIMIT $3), \
         c AS MATERIALIZED (SELECT customer_id, count(*) AS number FROM contacts WHERE {page} GROUP BY customer_id), \
         o AS MATERIALIZED (SELECT customer_id, count(*) AS number, sum(amount) AS amount, min(occurred_at_micros) AS first FROM outcomes WHERE {page} \
         AND occurred_at_micros >= $4 AND occurred_at_micros < $5 AND ($6 IS NULL OR kind = $6) GROUP BY customer_id) \
         SELECT {}, coalesce(c.number, 0), coalesce(o.number, 0), coalesce(o.amount, 0.0), o.first \
         FROM d LEFT JOIN c ON c.customer_id = d.customer_id LEFT JOIN o ON o.customer_id = d.customer_id \
         ORDER BY d.customer_id",
        COLUMNS.join(", "),
        COLUMNS.map(|column| format!("d.{column}")).join(", ")
    )
}

impl Told for Trial {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Trial> {
        Ok(Trial {
            customer_id: row.next()?,
            action: row.next()?,
            control: row.next()?,
            propensity: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            score: row.next()?,
            predicted_value: row.next()?,
            contacts: row.next::<i64>()?.unsigned_abs(),
            outcomes: row.next::<i64>()?.unsigned_abs(),
            amount: row.next()?,
            first_outcome_micros: row.next()?,
        })
    }
}
