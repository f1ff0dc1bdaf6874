//! One model as it is served, and which versions of it answer.

use std::sync::Arc;
use std::time::SystemTime;

use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::reasons::{NoReasons, Reasons};
use rekindle_models::scorer::Scorer;
use twox_hash::XxHash3_64;

use crate::counters::{Counters, ModelCounters};
use crate::events::FromEvents;
use crate::fields::Fields;
use crate::values::CustomerId;

/// A version of a model. A request holds one of these from its first byte to its reply.
pub struct Model {
    /// Its version in the registry.
    pub version: u32,
    /// What the model says of itself.
    pub manifest: Manifest,
    /// What scores.
    pub scorer: Scorer,
    /// The fields it knows.
    pub fields: Fields,
    /// Why customers have their scores, or why that is not told.
    pub reasons: Result<Reasons, NoReasons>,
    /// How its features are made from events and attributes, where that is known.
    pub from_events: Option<FromEvents>,
    /// What is counted of it.
    pub counters: ModelCounters,
    /// When its file was written, where the file says so.
    pub written: Option<SystemTime>,
}

/// The versions of a model that answer requests which name none.
#[derive(Clone)]
pub struct Served {
    /// The version in force.
    pub current: Arc<Model>,
    /// A version that scores as well, whose scores nobody is told.
    pub shadow: Option<Arc<Model>>,
    /// A version that answers for a share of the customers.
    pub canary: Option<Canary>,
}

/// A version that answers for a share of the customers: always the same ones.
#[derive(Clone)]
pub struct Canary {
    /// The version.
    pub model: Arc<Model>,
    /// The share, between 0 and 1.
    pub share: f64,
}

impl Model {
    /// An artefact that was loaded as `version`, after its golden rows came back as they were stored.
    ///
    /// # Errors
    /// When they did not, or it says how its features are made from events, and they cannot be made so.
    pub fn new(
        artifact: Artifact,
        version: u32,
        written: Option<SystemTime>,
        counters: &Counters,
    ) -> rekindle_models::Result<Model> {
        let Artifact { manifest, scorer, golden, .. } = artifact;
        golden.check(&scorer)?;
        let fields = Fields::new(
            &scorer.schema,
            manifest.id_column.as_deref(),
            &manifest.ignored_columns,
            &manifest.missing_markers,
        );
        let spec = manifest.feature_spec.clone();
        let from_events = spec
            .map(|spec| FromEvents::new(spec, &scorer.schema, &manifest.missing_markers))
            .transpose()?;
        let reasons = Reasons::new(&manifest, &scorer);
        let counters = counters.of_model(&manifest.model_name, version);
        Ok(Model { version, manifest, scorer, fields, reasons, from_events, counters, written })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.manifest.model_name
    }
}

impl Canary {
    /// Whether it answers for a customer. That depends on the customer's name and the model's alone, so it is the
    /// same at every request, on every server; a customer without a name is not among them.
    pub fn answers_for(&self, id: Option<&CustomerId>) -> bool {
        let text;
        let id = match id {
            None => return false,
            Some(CustomerId::Text(id)) => id,
            // As a table or another client may write the same number as text.
            Some(CustomerId::Whole(number)) => {
                text = number.to_string();
                &text
            }
            Some(CustomerId::Negative(number)) => {
                text = number.to_string();
                &text
            }
        };
        let seed = XxHash3_64::oneshot(self.model.name().as_bytes());
        let hash = XxHash3_64::oneshot_with_seed(seed, id.as_bytes());
        (hash as f64) < self.share * 2_f64.powi(64)
    }
}
