//! The models in memory: the current version of every model of the registry, loaded at the start,
//! and other versions from the first time a request names them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::web;
use rekindle_models::artifact::Registry;

use crate::error::ApiError;
use crate::model::Model;

/// The models that are served.
pub struct LoadedModels {
    registry: Registry,
    current: BTreeMap<String, Arc<Model>>,
    /// By model and version: those that a request has named. Versions never change, so none is
    /// ever out of date.
    named: RwLock<BTreeMap<(String, u32), Arc<Model>>>,
}

impl LoadedModels {
    /// Loads the current version of every model. A model of which no version was promoted is
    /// left out, with a line in the log.
    ///
    /// # Errors
    /// When the registry cannot be read, or a current version is damaged.
    pub fn load(registry: Registry) -> rekindle_models::Result<LoadedModels> {
        let mut current = BTreeMap::new();
        for name in registry.models()? {
            let Some(version) = registry.current(&name)? else {
                tracing::warn!(model = name, "no version was promoted: the model is not served");
                continue;
            };
            let model = Model::new(registry.load(&name, version)?, version)?;
            tracing::info!(model = name, version, features = model.fields.width(), "model loaded");
            current.insert(name, Arc::new(model));
        }
        Ok(LoadedModels { registry, current, named: RwLock::default() })
    }

    /// The current version of every model, sorted by name.
    pub fn current(&self) -> impl ExactSizeIterator<Item = &Arc<Model>> {
        self.current.values()
    }

    /// The model that a request names; without a name, the only one there is.
    ///
    /// # Errors
    /// When there is no such model, or none is named and there are several.
    pub fn find(&self, name: Option<&str>) -> Result<&Arc<Model>, ApiError> {
        let models = || self.current.keys().cloned().collect();
        match name {
            Some(name) => self
                .current
                .get(name)
                .ok_or_else(|| ApiError::UnknownModel { model: name.to_owned(), models: models() }),
            None => match self.current.values().next() {
                None => Err(ApiError::NotReady),
                Some(only) if self.current.len() == 1 => Ok(only),
                Some(_) => Err(ApiError::ModelNotNamed { models: models() }),
            },
        }
    }

    /// Another version of a model that is served, read from the registry the first time.
    ///
    /// # Errors
    /// When there is no such version, or it is damaged.
    pub async fn find_version(
        self: &Arc<LoadedModels>,
        current: &Arc<Model>,
        version: u32,
    ) -> Result<Arc<Model>, ApiError> {
        if version == current.version {
            return Ok(Arc::clone(current));
        }
        let key = (current.manifest.model_name.clone(), version);
        if let Some(model) = self.named.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(model));
        }
        let models = Arc::clone(self);
        off_the_event_loop(move || models.load_version(key)).await?
    }

    fn load_version(&self, key: (String, u32)) -> Result<Arc<Model>, ApiError> {
        let (name, version) = &key;
        let versions = self.registry.versions(name).map_err(internal)?;
        if !versions.contains(version) {
            let (model, version) = key;
            return Err(ApiError::UnknownVersion { model, version, versions });
        }
        let artifact = self.registry.load(name, *version).map_err(internal)?;
        let model = Arc::new(Model::new(artifact, *version).map_err(internal)?);
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(named.entry(key).or_insert(model)))
    }

    /// The versions of a model in the registry at this moment, rising.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn versions(self: &Arc<LoadedModels>, name: &str) -> Result<Vec<u32>, ApiError> {
        let (models, name) = (Arc::clone(self), name.to_owned());
        off_the_event_loop(move || models.registry.versions(&name).map_err(internal)).await?
    }
}

/// Runs what takes longer than about a millisecond on another thread, so that the requests of the
/// same worker do not wait for it.
///
/// # Errors
/// When the work panicked.
pub async fn off_the_event_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    web::block(work).await.map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal { reason: error.to_string() }
}
