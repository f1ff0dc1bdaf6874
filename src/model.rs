//! One model as it is served.

use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::reasons::{NoReasons, Reasons};
use rekindle_models::scorer::Scorer;

use crate::events::FromEvents;
use crate::fields::Fields;

/// A model that is served. A request holds one of these from its first byte to its reply.
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
}

impl Model {
    /// An artefact that was loaded as `version`.
    ///
    /// # Errors
    /// When it says how its features are made from events, and they cannot be made so.
    pub fn new(artifact: Artifact, version: u32) -> rekindle_models::Result<Model> {
        let Artifact { manifest, scorer, .. } = artifact;
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
        Ok(Model { version, manifest, scorer, fields, reasons, from_events })
    }
}
