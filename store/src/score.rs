//! Customers' latest scores by each model, with why. Each is appended to the history as well.

use crate::cell::{Batch, Cell, Fields, Table, Told, Written};
use crate::check::Check;
use crate::database::Transaction;
use crate::error::Result;
use crate::past_score::{self, HISTORY};
use crate::reason::{self, StoredReason};
use crate::revision::{self, Noun};
use crate::sqlite;
use crate::store::Store;

/// What a model said of a customer, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScore {
    /// The customer; not empty.
    pub customer_id: String,
    /// The model's name in its registry; not empty.
    pub model_name: String,
    /// The model's version, from 1.
    pub model_version: u32,
    /// Calibrated probability of the target, 0 to 1. Read back to the bit.
    pub probability: f64,
    /// Place in the reference population, 1 to 100.
    pub percentile: u8,
    /// Whether the probability reached the threshold.
    pub positive: bool,
    /// How long since the last purchase, where that is known.
    pub lapse_tier: Option<String>,
    /// Where in its life the customer stood, where that is known.
    pub lifecycle_stage: Option<String>,
    /// The customer's grade, where it has one.
    pub grade: Option<String>,
    /// The instant the prediction was made at, as the user wrote it; `None` for a table without one.
    pub cutoff: Option<String>,
    /// When it was scored, in microseconds since 1970-01-01T00:00:00Z.
    pub scored_at_micros: i64,
    /// What moved it most, the strongest first; empty where nobody asked.
    pub reasons: Vec<StoredReason>,
}

pub(crate) const SCORES: Table = Table {
    name: "customer_scores",
    columns: &[
        "customer_id",
        "model_name",
        "model_version",
        "probability",
        "percentile",
        "positive",
        "lapse_tier",
        "lifecycle_stage",
        "grade",
        "cutoff",
        "scored_at_micros",
        "reasons",
    ],
};

/// What an insert does with a customer who has a score by that model: an older one is no reason to change anything.
const UPSERT: &str = "ON CONFLICT (customer_id, model_name) DO UPDATE SET \
     model_version = excluded.model_version, probability = excluded.probability, \
     percentile = excluded.percentile, positive = excluded.positive, lapse_tier = excluded.lapse_tier, \
     lifecycle_stage = excluded.lifecycle_stage, grade = excluded.grade, cutoff = excluded.cutoff, \
     scored_at_micros = excluded.scored_at_micros, reasons = excluded.reasons \
     WHERE excluded.scored_at_micros >= customer_scores.scored_at_micros";

impl Store {
    /// Keeps scores: of each customer and model the newest with its reasons, of equally new ones the last given. All others
    /// are history, of each instant the last given. All of them are kept or, on an error, none.
    ///
    /// # Errors
    /// When a score is out of range, or the database refuses.
    pub async fn put_scores(&self, scores: &[StoredScore]) -> Result<()> {
        scores.iter().enumerate().try_for_each(|(at, score)| score.check(at + 1))?;
        if scores.is_empty() {
            return Ok(());
        }
        let put = put(self.write("keep scores").await?, scores).await;
        put.map_err(|source| self.failed("keep scores", source))
    }

    /// A customer's latest score by each model, in the order of the models' names; empty for a customer that is not
    /// known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn scores_of(&self, customer_id: &str) -> Result<Vec<StoredScore>> {
        // PostgreSQL keeps no text with a NUL, and refuses to look for one.
        if customer_id.contains('\0') {
            return Ok(Vec::new());
        }
        let scores = self.read("read scores", &of_customer(), &[Cell::Text(customer_id)]).await?;
        Ok(in_order(scores))
    }
}

/// The statement for all scores of a customer.
pub(crate) fn of_customer() -> String {
    format!("SELECT {} FROM customer_scores WHERE customer_id = $1", SCORES.list())
}

/// Here, not in SQL: the databases order text differently.
pub(crate) fn in_order(mut scores: Vec<StoredScore>) -> Vec<StoredScore> {
    scores.sort_by(|a, b| a.model_name.cmp(&b.model_name));
    scores
}

async fn put(mut all: Transaction, scores: &[StoredScore]) -> sqlx::Result<()> {
    let row = |score| Row { score, reasons: reason::written(&score.reasons) };
    let mut rows: Vec<Row<'_>> = scores.iter().map(row).collect();
    if let Transaction::Sqlite(connection) = &mut all {
        // In the order of the key, neighbours fall into one page. Of equal ones the last given stays the last.
        rows.sort_by(|a, b| {
            let (a, b) = (a.score, b.score);
            (&a.customer_id, &a.model_name).cmp(&(&b.customer_id, &b.model_name))
        });
        let batch = Batch { table: &SCORES, lead: &[], rows: &rows };
        sqlite::insert(connection, &batch, UPSERT).await?;
        let past: Vec<Past<'_>> = rows.iter().map(|row| Past(row.score)).collect();
        let batch = Batch { table: &HISTORY, lead: &[], rows: &past };
        sqlite::insert(connection, &batch, past_score::REPLACE).await?;
        revision::raise(&mut all, Noun::Customers).await?;
        return all.commit().await;
    }
    all.stage(&Batch { table: &SCORES, lead: &[], rows: &rows }).await?;
    // A statement may change a row once: of a customer's scores by a model the newest is taken, of equally new ones
    // the last given. In the order of the key, so that two programs that write at once wait for each other, not in a ring.
    let (columns, incoming) = (SCORES.list(), SCORES.incoming());
    let insert = format!(
        "INSERT INTO customer_scores ({columns}) \
         SELECT DISTINCT ON (customer_id, model_name) {columns} FROM {incoming} \
         ORDER BY customer_id, model_name, scored_at_micros DESC, place DESC {UPSERT}"
    );
    all.execute(&insert, &[]).await?;
    let (columns, replace) = (HISTORY.list(), past_score::REPLACE);
    let append = format!(
        "INSERT INTO score_history ({columns}) \
         SELECT DISTINCT ON (customer_id, model_name, scored_at_micros) {columns} FROM {incoming} \
         ORDER BY customer_id, model_name, scored_at_micros DESC, place DESC {replace}"
    );
    all.execute(&append, &[]).await?;
    revision::raise(&mut all, Noun::Customers).await?;
    all.commit_staged(&incoming).await
}

/// A score with its reasons as they are written.
struct Row<'a> {
    score: &'a StoredScore,
    reasons: Option<String>,
}

/// A score as it is history.
struct Past<'a>(&'a StoredScore);

impl StoredScore {
    /// Whether it can be kept, the `place`-th of those given.
    fn check(&self, place: usize) -> Result<()> {
        let check = Check { noun: "score", place };
        check.share("probability", self.probability)?;
        if !(1..=100).contains(&self.percentile) {
            return check.bad("percentile", &self.percentile, "a number from 1 to 100");
        }
        if self.model_version == 0 {
            return check.bad("model_version", &self.model_version, "a number from 1");
        }
        check.text("customer_id", &self.customer_id)?;
        check.text("model_name", &self.model_name)?;
        check.may_be_text("lapse_tier", self.lapse_tier.as_deref())?;
        check.may_be_text("lifecycle_stage", self.lifecycle_stage.as_deref())?;
        check.may_be_text("grade", self.grade.as_deref())?;
        check.may_be_text("cutoff", self.cutoff.as_deref())?;
        reason::check(check, &self.reasons)
    }
}

impl Written for Row<'_> {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        let score = self.score;
        to.extend([
            Cell::Text(&score.customer_id),
            Cell::Text(&score.model_name),
            Cell::Whole(i64::from(score.model_version)),
            Cell::Number(score.probability),
            Cell::Whole(i64::from(score.percentile)),
            Cell::Truth(score.positive),
            Cell::MaybeText(score.lapse_tier.as_deref()),
            Cell::MaybeText(score.lifecycle_stage.as_deref()),
            Cell::MaybeText(score.grade.as_deref()),
            Cell::MaybeText(score.cutoff.as_deref()),
            Cell::Whole(score.scored_at_micros),
            Cell::MaybeText(self.reasons.as_deref()),
        ]);
    }
}

impl Written for Past<'_> {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.0.customer_id),
            Cell::Text(&self.0.model_name),
            Cell::Whole(self.0.scored_at_micros),
            Cell::Whole(i64::from(self.0.model_version)),
            Cell::Number(self.0.probability),
            Cell::Whole(i64::from(self.0.percentile)),
        ]);
    }
}

impl Told for StoredScore {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<StoredScore> {
        Ok(StoredScore {
            customer_id: row.next()?,
            model_name: row.next()?,
            model_version: past_score::version(row.next()?)?,
            probability: row.next()?,
            percentile: past_score::percentile(row.next()?)?,
            positive: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            cutoff: row.next()?,
            scored_at_micros: row.next()?,
            reasons: reason::told(row.next::<Option<String>>()?.as_deref())?,
        })
    }
}
