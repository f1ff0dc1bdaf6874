//! Customers' latest scores by each model.

use crate::cell::{Batch, Cell, Fields, Table, Told, Written, misfit};
use crate::check::Check;
use crate::database::Transaction;
use crate::error::Result;
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
    ],
};

/// What an insert does with a customer who has a score by that model: an older one is no reason to change anything.
const UPSERT: &str = "ON CONFLICT (customer_id, model_name) DO UPDATE SET \
     model_version = excluded.model_version, probability = excluded.probability, \
     percentile = excluded.percentile, positive = excluded.positive, lapse_tier = excluded.lapse_tier, \
     lifecycle_stage = excluded.lifecycle_stage, grade = excluded.grade, cutoff = excluded.cutoff, \
     scored_at_micros = excluded.scored_at_micros \
     WHERE excluded.scored_at_micros >= customer_scores.scored_at_micros";

impl Store {
    /// Keeps scores: of each customer and model the newest, of equally new ones the last given. One that is older than
    /// what is kept changes nothing. All of them are kept or, on an error, none.
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
    if let Transaction::Sqlite(connection) = &mut all {
        // In the order of the key, neighbours fall into one page. Of equal ones the last given stays the last.
        let mut rows: Vec<&StoredScore> = scores.iter().collect();
        rows.sort_by(|a, b| (&a.customer_id, &a.model_name).cmp(&(&b.customer_id, &b.model_name)));
        let batch = Batch { table: &SCORES, lead: &[], rows: &rows };
        sqlite::insert(connection, &batch, UPSERT).await?;
        return all.commit().await;
    }
    all.stage(&Batch { table: &SCORES, lead: &[], rows: scores }).await?;
    // A statement may change a row once: of a customer's scores by a model the newest is taken, of equally new ones
    // the last given. In the order of the key, so that two programs that write at once wait for each other, not in a ring.
    let (columns, incoming) = (SCORES.list(), SCORES.incoming());
    let insert = format!(
        "INSERT INTO customer_scores ({columns}) \
         SELECT DISTINCT ON (customer_id, model_name) {columns} FROM {incoming} \
         ORDER BY customer_id, model_name, scored_at_micros DESC, place DESC {UPSERT}"
    );
    all.execute(&insert, &[]).await?;
    all.commit_staged(&incoming).await
}

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
        check.may_be_text("cutoff", self.cutoff.as_deref())
    }
}

impl Written for StoredScore {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.customer_id),
            Cell::Text(&self.model_name),
            Cell::Whole(i64::from(self.model_version)),
            Cell::Number(self.probability),
            Cell::Whole(i64::from(self.percentile)),
            Cell::Truth(self.positive),
            Cell::MaybeText(self.lapse_tier.as_deref()),
            Cell::MaybeText(self.lifecycle_stage.as_deref()),
            Cell::MaybeText(self.grade.as_deref()),
            Cell::MaybeText(self.cutoff.as_deref()),
            Cell::Whole(self.scored_at_micros),
        ]);
    }
}

impl Told for StoredScore {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<StoredScore> {
        let version = |v: i64| u32::try_from(v).map_err(|_| misfit("model_version", &v));
        let percentile = |p: i32| u8::try_from(p).map_err(|_| misfit("percentile", &p));
        Ok(StoredScore {
            customer_id: row.next()?,
            model_name: row.next()?,
            model_version: version(row.next()?)?,
            probability: row.next()?,
            percentile: percentile(row.next()?)?,
            positive: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            cutoff: row.next()?,
            scored_at_micros: row.next()?,
        })
    }
}
