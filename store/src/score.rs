//! A customer's score as it is kept.

use crate::error::{Error, Result};

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

impl StoredScore {
    /// Whether it can be kept, the `place`-th of those given.
    pub(crate) fn check(&self, place: usize) -> Result<()> {
        let bad = |field, found: &dyn ToString, expected| {
            Err(Error::BadScore { place, field, found: found.to_string(), expected })
        };
        if !(0.0..=1.0).contains(&self.probability) {
            return bad("probability", &self.probability, "a number from 0 to 1");
        }
        if !(1..=100).contains(&self.percentile) {
            return bad("percentile", &self.percentile, "a number from 1 to 100");
        }
        if self.model_version == 0 {
            return bad("model_version", &self.model_version, "a number from 1");
        }
        let needed = [("customer_id", &self.customer_id), ("model_name", &self.model_name)];
        if let Some((field, _)) = needed.into_iter().find(|(_, text)| text.is_empty()) {
            return bad(field, &"empty", "a text");
        }
        let optional = [
            ("lapse_tier", &self.lapse_tier),
            ("lifecycle_stage", &self.lifecycle_stage),
            ("grade", &self.grade),
            ("cutoff", &self.cutoff),
        ];
        let given = optional.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?)));
        match needed.into_iter().chain(given).find(|(_, text)| text.contains('\0')) {
            // PostgreSQL keeps no such text.
            Some((field, _)) => bad(field, &"a text with a NUL byte", "one without"),
            None => Ok(()),
        }
    }
}

/// The columns in the order of [`Row`].
pub(crate) const COLUMNS: &str = "customer_id, model_name, model_version, probability, percentile, positive, \
     lapse_tier, lifecycle_stage, grade, cutoff, scored_at_micros";
/// How many.
pub(crate) const WIDTH: usize = 11;

/// What an insert does with a customer who has a score by that model: an older one is no reason to change anything.
pub(crate) const UPSERT: &str = "ON CONFLICT (customer_id, model_name) DO UPDATE SET \
     model_version = excluded.model_version, probability = excluded.probability, \
     percentile = excluded.percentile, positive = excluded.positive, lapse_tier = excluded.lapse_tier, \
     lifecycle_stage = excluded.lifecycle_stage, grade = excluded.grade, cutoff = excluded.cutoff, \
     scored_at_micros = excluded.scored_at_micros \
     WHERE excluded.scored_at_micros >= customer_scores.scored_at_micros";

/// A row as both databases give it.
pub(crate) type Row = (
    String,
    String,
    i64,
    f64,
    i32,
    bool,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
);

/// A row as it is kept, `None` where a number is out of its range: another program wrote it.
pub(crate) fn of_row(row: Row) -> Option<StoredScore> {
    let (
        customer_id,
        model_name,
        version,
        probability,
        percentile,
        positive,
        tier,
        stage,
        grade,
        cutoff,
        at,
    ) = row;
    Some(StoredScore {
        customer_id,
        model_name,
        model_version: u32::try_from(version).ok()?,
        probability,
        percentile: u8::try_from(percentile).ok()?,
        positive,
        lapse_tier: tier,
        lifecycle_stage: stage,
        grade,
        cutoff,
        scored_at_micros: at,
    })
}
