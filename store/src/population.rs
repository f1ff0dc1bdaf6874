//! All customers, row after row: what each is and was, its scores, what running campaigns decided. For whoever keeps
//! columns of them in memory; nothing is looked up here.

use crate::cell::{Cell, Fields, Told};
use crate::database::Transaction;
use crate::error::Result;
use crate::reason;
use crate::store::Store;

/// A span of a customer's history.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonState {
    /// The customer.
    pub customer_id: String,
    /// When it was seen so first, in microseconds.
    pub valid_from_micros: i64,
    /// How long since the last purchase, where that is known.
    pub lapse_tier: Option<String>,
    /// Where in its life the customer stands, where that is known.
    pub lifecycle_stage: Option<String>,
    /// The customer's grade, where it has one.
    pub grade: Option<String>,
    /// Profit minus cost until then, in money.
    pub historic_value: Option<f64>,
    /// What is expected from then on, in money.
    pub predicted_value: Option<f64>,
    /// The probability that the customer will buy again at all, 0 to 1.
    pub probability_alive: Option<f64>,
    /// How many orders are expected within the span of `predicted_value`.
    pub predicted_orders: Option<f64>,
}

/// A latest score, and the reason that counts most.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonScore {
    /// The customer.
    pub customer_id: String,
    /// The model.
    pub model_name: String,
    /// Its version.
    pub model_version: i64,
    /// 0 to 1.
    pub probability: f64,
    /// The feature that moved it most, where reasons are kept.
    pub feature: Option<String>,
}

/// What a running campaign decided for a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonAdvice {
    /// The customer.
    pub customer_id: String,
    /// The action; never `none`.
    pub action: String,
    /// By which way.
    pub channel: Option<String>,
    /// Held out at random: not to be contacted.
    pub control: bool,
}

/// A row about a customer.
#[derive(Debug, Clone, PartialEq)]
pub enum PersonRow {
    /// Before all others, of nobody: the last instant at which states were put, and the one before it, in microseconds.
    Snapshots {
        /// The last.
        last: Option<i64>,
        /// The one before.
        before: Option<i64>,
    },
    /// Each customer's last span, and those that were seen at or after the snapshot before the last; in no order.
    State(PersonState),
    /// Each customer's latest score by each model; in no order.
    Score(PersonScore),
    /// What running campaigns decided, the campaign that was started last at the end.
    Advice(PersonAdvice),
}

const SNAPSHOTS: &str = "SELECT as_of_micros FROM snapshots ORDER BY as_of_micros DESC LIMIT 2";
/// A span that is the customer's last, or was seen at or after `$1`.
const STATES: &str = "SELECT customer_id, valid_from_micros, lapse_tier, lifecycle_stage, grade, \
     historic_value, predicted_value, probability_alive, predicted_orders FROM customer_states AS k WHERE as_of_micros >= $1 OR NOT EXISTS \
     (SELECT 1 FROM customer_states AS l WHERE l.customer_id = k.customer_id \
     AND l.valid_from_micros > k.valid_from_micros)";
const SCORES: &str =
    "SELECT customer_id, model_name, model_version, probability, reasons FROM customer_scores";
const ADVICE: &str = "SELECT d.customer_id, d.action, d.channel, d.control FROM decisions AS d JOIN campaigns AS c \
     ON c.campaign_id = d.campaign_id WHERE c.state = 'running' AND d.action <> 'none' \
     ORDER BY c.started_at_micros, c.campaign_id";

impl Store {
    /// Hands over all rows about customers as of one moment: the last two snapshots, states, scores, advice.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn each_person(&self, mut take: impl FnMut(PersonRow) + Send) -> Result<()> {
        let moment = self.moment("read all customers").await?;
        let read = read(moment, &mut take).await;
        read.map_err(|source| self.failed("read all customers", source))
    }
}

async fn read(
    mut moment: Transaction,
    take: &mut (impl FnMut(PersonRow) + Send),
) -> sqlx::Result<()> {
    let mut last: Vec<i64> = moment.fetch(SNAPSHOTS, &[]).await?;
    last.resize_with(2, || i64::MAX);
    let known = |micros: i64| Some(micros).filter(|micros| *micros != i64::MAX);
    take(PersonRow::Snapshots { last: known(last[0]), before: known(last[1]) });
    let since = [Cell::Whole(last[1])];
    moment.each(STATES, &since, &mut |state| take(PersonRow::State(state))).await?;
    moment.each(SCORES, &[], &mut |score| take(PersonRow::Score(score))).await?;
    moment.each(ADVICE, &[], &mut |advice| take(PersonRow::Advice(advice))).await?;
    moment.commit().await
}

impl Told for PersonState {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<PersonState> {
        Ok(PersonState {
            customer_id: row.next()?,
            valid_from_micros: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            historic_value: row.next()?,
            predicted_value: row.next()?,
            probability_alive: row.next()?,
            predicted_orders: row.next()?,
        })
    }
}

impl Told for PersonScore {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<PersonScore> {
        Ok(PersonScore {
            customer_id: row.next()?,
            model_name: row.next()?,
            model_version: row.next()?,
            probability: row.next()?,
            feature: first_feature(row.next()?),
        })
    }
}

/// What cannot be read is told with the customer: it must not hide all others.
fn first_feature(reasons: Option<String>) -> Option<String> {
    let reasons = reason::told(reasons.as_deref()).ok()?;
    reasons.into_iter().next().map(|reason| reason.feature)
}

impl Told for PersonAdvice {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<PersonAdvice> {
        Ok(PersonAdvice {
            customer_id: row.next()?,
            action: row.next()?,
            channel: row.next()?,
            control: row.next()?,
        })
    }
}
