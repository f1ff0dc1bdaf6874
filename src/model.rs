//! One model as it is served.

use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::scorer::Scorer;

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
}

impl Model {
    /// An artefact that was loaded as `version`.
    pub fn new(artifact: Artifact, version: u32) -> Model {
        let Artifact { manifest, scorer, .. } = artifact;
        let fields = Fields::new(
            &scorer.schema,
            manifest.id_column.as_deref(),
            &manifest.ignored_columns,
            &manifest.missing_markers,
        );
        Model { version, manifest, scorer, fields }
    }
}
