//! The one way from customers to scores, behind every protocol: which versions answer, canaries and shadows, counts.
//! Knows no protocol: it is handed a reader of customers and gives scores.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use rekindle_models::frame::Rows;
use rekindle_models::language::Language;
use rekindle_models::reasons::{MOST_REASONS, Reason};
use rekindle_models::scorer::Score;
use serde::Serialize;
use utoipa::ToSchema;

use crate::counters::Counters;
use crate::customers::Customers;
use crate::error::ApiError;
use crate::model::{Model, Served};

/// Who answers a request.
#[derive(Clone)]
pub enum Choice {
    /// The version in force, with its canary and shadow.
    Served(Arc<Served>),
    /// A version that the request names.
    Version(Arc<Model>),
}

/// Whether scores come with reasons.
#[derive(Debug, Clone, Copy, Default)]
pub struct Why {
    /// Most reasons of a customer; 0: none is told.
    pub reasons: u8,
    /// The language of reasons.
    pub language: Language,
}

/// What to do.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Decision {
    /// Whether the probability reaches the threshold.
    pub positive: bool,
}

/// Customers with their scores.
pub struct Scored {
    /// What answered, for all but the canary's customers.
    pub model: Arc<Model>,
    /// The customers.
    pub customers: Customers,
    /// A score for each.
    pub scores: Vec<Score>,
    /// The canary's part, where it has any of the customers.
    pub canary: Option<CanaryPart>,
}

/// The customers of a request that a canary answers for.
pub struct CanaryPart {
    /// The canary's version.
    pub model: Arc<Model>,
    /// Their places among all, rising.
    pub places: Vec<usize>,
    /// Their rows.
    pub rows: Rows,
}

impl Choice {
    /// The model that reads and answers, but for a canary's customers.
    pub fn model(&self) -> &Arc<Model> {
        match self {
            Choice::Served(served) => &served.current,
            Choice::Version(model) => model,
        }
    }
}

impl Why {
    /// What a request asks for.
    ///
    /// # Errors
    /// When it asks for too many reasons.
    pub fn new(reasons: u8, language: Language) -> Result<Why, ApiError> {
        match reasons > MOST_REASONS {
            false => Ok(Why { reasons, language }),
            true => Err(ApiError::InvalidQuery {
                reason: format!("reasons is {reasons}, expected 0 to {MOST_REASONS}"),
            }),
        }
    }
}

impl Scored {
    /// Scores customers by a model, those of a canary's part by the canary, and counts both.
    pub fn new(model: &Arc<Model>, customers: Customers, canary: Option<CanaryPart>) -> Scored {
        let mut scores = model.scorer.score(&customers.rows);
        let (fields, levels) = (customers.unknown_fields, customers.unknown_levels);
        match &canary {
            None => model.counters.scored(&customers.rows, &scores, fields, levels),
            Some(part) => {
                let is_ours = |place: &usize| part.places.binary_search(place).is_err();
                let ours: Vec<usize> = (0..scores.len()).filter(is_ours).collect();
                let of_ours: Vec<Score> = ours.iter().map(|&place| scores[place]).collect();
                let rows = rows_at(&customers.rows, &ours);
                model.counters.scored(&rows, &of_ours, fields, levels);
                let theirs = part.model.scorer.score(&part.rows);
                part.model.counters.scored(&part.rows, &theirs, 0, 0);
                part.places.iter().zip(theirs).for_each(|(&place, score)| scores[place] = score);
            }
        }
        Scored { model: Arc::clone(model), customers, scores, canary }
    }

    /// The version that answered for a customer.
    pub fn version(&self, place: usize) -> u32 {
        match &self.canary {
            Some(part) if part.places.binary_search(&place).is_ok() => part.model.version,
            _ => self.model.version,
        }
    }

    /// The model that answered for all customers, or for most of them where a canary has some.
    pub fn answering(&self) -> &Model {
        match &self.canary {
            Some(part) if part.places.len() == self.scores.len() => &part.model,
            _ => &self.model,
        }
    }

    /// The reasons of the customers, in their order; `None` where none is asked for.
    ///
    /// # Errors
    /// When the model tells none.
    pub fn reasons(&self, why: Why) -> Result<Option<Vec<Vec<Reason<'_>>>>, ApiError> {
        if why.reasons == 0 {
            return Ok(None);
        }
        let mut reasons = reasons_of(&self.model, &self.customers.rows, why)?;
        if let Some(part) = &self.canary {
            // None of its customers where the canary tells none.
            let theirs = reasons_of(&part.model, &part.rows, why).unwrap_or_default();
            let mut theirs = theirs.into_iter();
            for &place in &part.places {
                reasons[place] = theirs.next().unwrap_or_default();
            }
        }
        Ok(Some(reasons))
    }
}

/// The reasons of rows, in their order.
///
/// # Errors
/// When the model tells none.
pub fn reasons_of<'a>(
    model: &'a Model,
    rows: &Rows,
    why: Why,
) -> Result<Vec<Vec<Reason<'a>>>, ApiError> {
    match &model.reasons {
        Ok(reasons) => {
            Ok(reasons.of_rows(&model.scorer.model, rows, why.reasons.into(), why.language))
        }
        Err(reason) => {
            Err(ApiError::NoReasons { model: model.name().to_owned(), reason: reason.to_string() })
        }
    }
}

/// Reads customers in a model's fields. It is asked once for each version that has a say.
pub trait ReadCustomers: Send + Sync + 'static {
    /// The customers of the request.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, model: &Model) -> Result<Customers, ApiError>;
}

impl<F> ReadCustomers for F
where
    F: Fn(&Model) -> Result<Customers, ApiError> + Send + Sync + 'static,
{
    fn read(&self, model: &Model) -> Result<Customers, ApiError> {
        self(model)
    }
}

/// Scores the customers that a choice's model has read.
pub fn score(
    choice: &Choice,
    customers: Customers,
    reader: &Arc<impl ReadCustomers>,
    shadows: &Shadows,
    counters: &Counters,
) -> Scored {
    let served = match choice {
        Choice::Served(served) => Some(&**served),
        Choice::Version(_) => None,
    };
    let part = served.and_then(|served| served.canary.as_ref()).and_then(|canary| {
        let ids = customers.ids.iter().enumerate();
        let places = ids.filter(|(_, id)| canary.answers_for(id.as_ref()));
        canary_part(&canary.model, places.map(|(place, _)| place).collect(), &**reader, counters)
    });
    let scored = Scored::new(choice.model(), customers, part);
    if let Some(shadow) = served.and_then(|served| served.shadow.as_ref()) {
        shadows.compare(shadow, &scored.scores, Arc::clone(reader), counters);
    }
    scored
}

/// The canary's customers as its own version reads them; `None` where there are none, or it cannot read them: then
/// the version in force answers for all.
fn canary_part(
    model: &Arc<Model>,
    places: Vec<usize>,
    reader: &impl ReadCustomers,
    counters: &Counters,
) -> Option<CanaryPart> {
    if places.is_empty() {
        return None;
    }
    match reader.read(model) {
        Ok(all) => {
            let rows = rows_at(&all.rows, &places);
            Some(CanaryPart { model: Arc::clone(model), places, rows })
        }
        Err(error) => {
            counters.canary_failed.inc();
            tracing::warn!(
                model = model.name(),
                version = model.version,
                reason = error.code(),
                "the canary cannot read a request that the version in force can"
            );
            None
        }
    }
}

/// Some rows, in the order of `places`.
fn rows_at(rows: &Rows, places: &[usize]) -> Rows {
    let cells = places.iter().flat_map(|&place| rows.row(place)).copied().collect();
    Rows::from_cells(rows.width(), cells)
}

/// The thread on which shadows score, so that no answer waits for them. When it is behind, comparisons are left out.
pub struct Shadows {
    queue: SyncSender<Box<dyn FnOnce() + Send>>,
}

/// Comparisons that may wait.
const WAITING: usize = 64;

impl Shadows {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start() -> std::io::Result<Shadows> {
        let (queue, waiting) = sync_channel::<Box<dyn FnOnce() + Send>>(WAITING);
        std::thread::Builder::new().name("shadows".to_owned()).spawn(move || {
            for compare in waiting {
                // A shadow that panics must not end those to come.
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare));
                if done.is_err() {
                    tracing::error!("a shadow panicked");
                }
            }
        })?;
        Ok(Shadows { queue })
    }

    fn compare<R: ReadCustomers>(
        &self,
        shadow: &Arc<Model>,
        answered: &[Score],
        reader: Arc<R>,
        counters: &Counters,
    ) {
        let (shadow, answered, counted) = (Arc::clone(shadow), answered.to_vec(), counters.clone());
        let compare = move || match reader.read(&shadow) {
            Ok(customers) => {
                told(&shadow, &answered, &shadow.scorer.score(&customers.rows), &counted);
            }
            Err(error) => tracing::warn!(
                model = shadow.name(),
                version = shadow.version,
                reason = error.code(),
                "the shadow cannot read a request that the version in force can"
            ),
        };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Box::new(compare)) {
            counters.shadow_dropped.inc();
        }
    }
}

/// Counts and logs how a shadow's scores differ from those that were answered.
pub fn told(shadow: &Model, answered: &[Score], theirs: &[Score], counters: &Counters) {
    counters.shadow(shadow.name(), shadow.version, answered, theirs);
    let gaps = answered.iter().zip(theirs).map(|(a, b)| (a.probability - b.probability).abs());
    let (sum, most) = gaps.fold((0.0, 0.0_f64), |(sum, most), gap| (sum + gap, most.max(gap)));
    let flips = answered.iter().zip(theirs).filter(|(a, b)| a.positive != b.positive).count();
    tracing::info!(
        model = shadow.name(),
        version = shadow.version,
        customers = answered.len(),
        mean_difference = sum / answered.len().max(1) as f64,
        largest_difference = most,
        decided_otherwise = flips,
        "shadow"
    );
}
