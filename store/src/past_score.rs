//! What models said of customers over time. Rows come from [`StoredScore`](crate::StoredScore), in the same transaction.

use crate::cell::{Fields, Table, Told, misfit};

/// A score that a model gave a customer once; the latest is one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct PastScore {
    /// The model's name in its registry.
    pub model_name: String,
    /// When it was scored, in microseconds since 1970-01-01T00:00:00Z.
    pub scored_at_micros: i64,
    /// The model's version, from 1.
    pub model_version: u32,
    /// Calibrated probability of the target, 0 to 1.
    pub probability: f64,
    /// Place in the reference population, 1 to 100.
    pub percentile: u8,
}

pub(crate) const HISTORY: Table = Table {
    name: "score_history",
    columns: &[
        "customer_id",
        "model_name",
        "scored_at_micros",
        "model_version",
        "probability",
        "percentile",
    ],
};

/// What an insert does with a score of the same instant.
pub(crate) const REPLACE: &str = "ON CONFLICT (customer_id, model_name, scored_at_micros) DO UPDATE SET \
     model_version = excluded.model_version, probability = excluded.probability, percentile = excluded.percentile";

/// The statement for all scores that a customer ever had.
pub(crate) fn of_customer() -> String {
    let columns = HISTORY.columns[1..].join(", ");
    format!("SELECT {columns} FROM score_history WHERE customer_id = $1")
}

/// By model, then time. Here, not in SQL: the databases order text differently.
pub(crate) fn in_order(mut scores: Vec<PastScore>) -> Vec<PastScore> {
    let key = |score: &PastScore| (score.model_name.clone(), score.scored_at_micros);
    scores.sort_by_cached_key(key);
    scores
}

/// A version as it is kept.
pub(crate) fn version(number: i64) -> sqlx::Result<u32> {
    u32::try_from(number).map_err(|_| misfit("model_version", &number))
}

/// A percentile as it is kept.
pub(crate) fn percentile(number: i32) -> sqlx::Result<u8> {
    u8::try_from(number).map_err(|_| misfit("percentile", &number))
}

impl Told for PastScore {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<PastScore> {
        Ok(PastScore {
            model_name: row.next()?,
            scored_at_micros: row.next()?,
            model_version: version(row.next()?)?,
            probability: row.next()?,
            percentile: percentile(row.next()?)?,
        })
    }
}
