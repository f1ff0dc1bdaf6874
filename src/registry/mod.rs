//! The models in memory: of every model of the registry the versions in force, replaced all at once when the registry
//! says so, and other versions from the first time a request names them.

mod shelf;
mod source;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rekindle_models::artifact::{Registry, check_model_name};

use crate::counters::Counters;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::figures::Figures;
use crate::model::{Canary, Model, Served};
use crate::scoring::Choice;
use crate::settings::Settings;

pub use shelf::{Shelf, Told, Version};
pub use source::Source;

/// The models that are served.
pub struct LoadedModels {
    source: Source,
    counters: Counters,
    /// By name.
    served: ArcSwap<BTreeMap<String, Arc<Served>>>,
    /// Versions that requests have named, the last used last. Versions never change, so none is ever out of date.
    named: Mutex<Vec<Arc<Model>>>,
    /// Versions in force that cannot be served, with the reason: told once, not at every look.
    refused: Mutex<BTreeMap<(String, u32), String>>,
    /// What versions say of themselves, by name and version.
    figures: Mutex<BTreeMap<(String, u32), Arc<Figures>>>,
    /// Held by whoever changes what is served.
    changing: Mutex<()>,
}

/// Most versions kept because requests have named them: a client must not fill the memory with all there are.
const NAMED: usize = 8;

/// What may be done to a model's versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Put a version in force.
    Promote(u32),
    /// Put the version in force that was before.
    Rollback,
    /// Let a version score as well, unseen.
    Shadow(Option<u32>),
    /// Let a version answer for a share of the customers.
    Canary(Option<(u32, f64)>),
}

impl LoadedModels {
    /// Loads what is in force of every model. A model of which no version was promoted is left out, with a line in
    /// the log.
    ///
    /// # Errors
    /// When the registry cannot be read, or no version in force can be served though there are some.
    pub fn load(
        settings: &Settings,
        counters: Counters,
        faults: &Faults,
    ) -> anyhow::Result<LoadedModels> {
        let source = Source::open(&settings.registry, settings.registry_cache.as_deref())?;
        let models = LoadedModels {
            source,
            counters,
            served: ArcSwap::default(),
            named: Mutex::default(),
            refused: Mutex::default(),
            figures: Mutex::default(),
            changing: Mutex::new(()),
        };
        let reached = models.source.sync();
        // A store that is away is no reason not to start with what is kept of it.
        let kept = models.registry().models()?;
        match reached {
            Err(error) if kept.is_empty() => return Err(error),
            reached => faults.set("registry", reached.err().map(|error| format!("{error:#}"))),
        }
        let mut served = BTreeMap::new();
        let mut fault = None;
        for name in kept {
            match models.in_force(&name, None) {
                Ok(Some(one)) => {
                    let (version, features) = (one.current.version, one.current.fields.width());
                    tracing::info!(model = name, version, features, "model loaded");
                    served.insert(name, Arc::new(one));
                }
                Ok(None) => {
                    tracing::warn!(
                        model = name,
                        "no version was promoted: the model is not served"
                    );
                }
                Err(error) => {
                    tracing::error!(model = name, %error, "the model is not served");
                    models.counters.refused(&name);
                    fault.get_or_insert(error);
                }
            }
        }
        // One that is damaged does not keep the others from being served.
        match fault {
            Some(error) if served.is_empty() => return Err(error.into()),
            Some(error) => faults.set("registry", Some(error.to_string())),
            None => {}
        }
        models.served.store(Arc::new(served));
        Ok(models)
    }

    fn registry(&self) -> &Registry {
        self.source.registry()
    }

    /// What is served at this moment, by name.
    pub fn served(&self) -> Arc<BTreeMap<String, Arc<Served>>> {
        self.served.load_full()
    }

    /// What a request asks: a name, or the only model there is; a version, or what is in force.
    ///
    /// # Errors
    /// When there is no such model, or none is named and there are several.
    pub fn find(&self, name: Option<&str>) -> Result<Arc<Served>, ApiError> {
        let served = self.served.load();
        let models = || served.keys().cloned().collect();
        match name {
            Some(name) => served
                .get(name)
                .cloned()
                .ok_or_else(|| ApiError::UnknownModel { model: name.to_owned(), models: models() }),
            None => match served.values().next() {
                None => Err(ApiError::NotReady),
                Some(only) if served.len() == 1 => Ok(Arc::clone(only)),
                Some(_) => Err(ApiError::ModelNotNamed { models: models() }),
            },
        }
    }

    /// A version of a model that is served, where it is in memory.
    pub fn in_memory(&self, served: &Served, version: u32) -> Option<Choice> {
        let canary = served.canary.as_ref().map(|canary| &canary.model);
        let at_hand = [Some(&served.current), served.shadow.as_ref(), canary];
        if let Some(model) = at_hand.into_iter().flatten().find(|model| model.version == version) {
            return Some(Choice::Version(Arc::clone(model)));
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |m: &Arc<Model>| m.version == version && m.name() == served.current.name();
        let place = named.iter().position(is_it)?;
        let model = named.remove(place);
        named.push(Arc::clone(&model));
        Some(Choice::Version(model))
    }

    /// A version of a model that is served, read from the registry.
    ///
    /// # Errors
    /// When there is no such version, or it is damaged.
    pub fn read_version(&self, name: &str, version: u32) -> Result<Choice, ApiError> {
        self.fetched(name, version)?;
        let model = self.read(name, version).map(Arc::new).map_err(internal)?;
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|other| other.version != version || other.name() != name);
        named.push(Arc::clone(&model));
        let over = named.len().saturating_sub(NAMED);
        named.drain(..over);
        Ok(Choice::Version(model))
    }

    fn require(&self, name: &str, version: u32) -> Result<Arc<Model>, ApiError> {
        self.fetched(name, version)?;
        self.read(name, version).map(Arc::new).map_err(|error| self.refusal(name, version, error))
    }

    /// Makes sure that the folder has a version of a model.
    fn fetched(&self, name: &str, version: u32) -> Result<(), ApiError> {
        let unknown = || {
            let models = self.served.load().keys().cloned().collect();
            ApiError::UnknownModel { model: name.to_owned(), models }
        };
        check_model_name(name).map_err(|_| unknown())?;
        let versions = self.versions(name)?;
        if versions.is_empty() {
            return Err(unknown());
        }
        if !versions.contains(&version) {
            return Err(ApiError::UnknownVersion { model: name.to_owned(), version, versions });
        }
        self.source.fetch(name, version).map_err(internal)
    }

    /// The versions of a model in the registry at this moment, rising.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, ApiError> {
        self.source.versions(name).map_err(internal)
    }

    fn read(&self, name: &str, version: u32) -> rekindle_models::Result<Model> {
        let artifact = self.registry().load(name, version)?;
        let written = std::fs::metadata(self.registry().path(name, version));
        let written = written.and_then(|file| file.modified()).ok();
        Model::new(artifact, version, written, &self.counters)
    }

    /// The versions that the registry says are in force of a model, those that are served already as they are.
    ///
    /// # Errors
    /// When the version in force cannot be served. A shadow or canary that cannot be is left out, with a line in the
    /// log.
    fn in_force(
        &self,
        name: &str,
        before: Option<&Served>,
    ) -> rekindle_models::Result<Option<Served>> {
        let Some(version) = self.registry().current(name)? else { return Ok(None) };
        let load = |version: u32| match before.and_then(|b| b.version(version)) {
            Some(model) => Ok(model),
            None => self.read(name, version).map(Arc::new),
        };
        let current = load(version)?;
        let rollout = self.registry().rollout(name)?;
        let optional = |version: u32, what: &str| match load(version) {
            Ok(model) => Some(model),
            Err(error) => {
                self.refuse(name, version, &error, what);
                None
            }
        };
        let shadow = rollout.shadow.and_then(|version| optional(version, "shadow"));
        let canary = rollout.canary.and_then(|canary| {
            let model = optional(canary.version, "canary")?;
            Some(Canary { model, share: canary.share })
        });
        Ok(Some(Served { current, shadow, canary }))
    }

    /// Looks at the registry and serves what it says is in force. What cannot be read or is refused leaves what is
    /// served as it is.
    pub fn refresh(&self, faults: &Faults) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fault = self.source.sync().err().map(|error| format!("{error:#}"));
        let before = self.served.load_full();
        let mut served = (*before).clone();
        let names = self.registry().models().unwrap_or_else(|error| {
            fault.get_or_insert(error.to_string());
            Vec::new()
        });
        for gone in before.keys().filter(|name| !names.contains(name)) {
            fault.get_or_insert(format!(
                "model {gone} is gone from the registry; it is served still"
            ));
        }
        for name in names {
            match self.in_force(&name, before.get(&name).map(|one| &**one)) {
                Ok(Some(one)) => {
                    let same = before.get(&name).is_some_and(|old| old.same_as(&one));
                    if !same {
                        self.tell(&name, before.get(&name).map(|old| old.current.version), &one);
                        served.insert(name, Arc::new(one));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let version = self.registry().current(&name).ok().flatten().unwrap_or(0);
                    self.refuse(&name, version, &error, "version in force");
                    fault.get_or_insert(format!("model {name}: {error}"));
                }
            }
        }
        self.served.store(Arc::new(served));
        faults.set("registry", fault);
    }

    /// Changes which versions of a model answer, in the registry and here, and says which are in force then.
    ///
    /// # Errors
    /// When there is no such model or version, it cannot be served, or the registry cannot be written. Then nothing
    /// has changed.
    pub fn change(&self, name: &str, change: Change) -> Result<Arc<Served>, ApiError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.find(Some(name)).or_else(|error| match change {
            // A model that was never promoted is not served yet.
            Change::Promote(version) if check_model_name(name).is_ok() => self
                .require(name, version)
                .map(|current| Arc::new(Served { current, shadow: None, canary: None })),
            _ => Err(error),
        })?;
        // Another server may have changed it since the last look.
        self.source.pull(name).map_err(internal)?;
        let registry = self.registry();
        let kept = self.source.pointers(name);
        let conflict = |error: rekindle_models::Error| ApiError::Conflict { reason: reason(error) };
        let mut rollout = registry.rollout(name).map_err(internal)?;
        match change {
            Change::Promote(version) => {
                self.verified(name, version, &before)?;
                registry.promote(name, version).map_err(conflict)?;
            }
            Change::Rollback => {
                let version = registry.rollback(name).map_err(conflict)?;
                if let Err(error) = self.verified(name, version, &before) {
                    // Which version that is, the registry alone knows: what cannot be served is put back.
                    registry.promote(name, before.current.version).map_err(internal)?;
                    registry.set_rollout(name, &rollout).map_err(internal)?;
                    return Err(error);
                }
            }
            Change::Shadow(version) => {
                version.map_or(Ok(()), |version| self.verified(name, version, &before))?;
                rollout.shadow = version;
                registry.set_rollout(name, &rollout).map_err(conflict)?;
            }
            Change::Canary(canary) => {
                canary.map_or(Ok(()), |(version, _)| self.verified(name, version, &before))?;
                rollout.canary = canary
                    .map(|(version, share)| rekindle_models::artifact::Canary { version, share });
                registry.set_rollout(name, &rollout).map_err(conflict)?;
            }
        }
        if let Err(error) = self.source.publish(name) {
            // What the registry does not know of must not take force here at the next look.
            self.source.restore(name, kept).map_err(internal)?;
            return Err(internal(error));
        }
        let after = self.in_force(name, Some(&before)).map_err(internal)?;
        let after = Arc::new(after.ok_or(ApiError::NotReady)?);
        let was = self.served.load().get(name).map(|old| old.current.version);
        self.tell(name, was, &after);
        let mut served = (*self.served.load_full()).clone();
        served.insert(name.to_owned(), Arc::clone(&after));
        self.served.store(Arc::new(served));
        Ok(after)
    }

    /// That a version can be served.
    fn verified(&self, name: &str, version: u32, served: &Served) -> Result<(), ApiError> {
        if served.version(version).is_some() {
            return Ok(());
        }
        self.fetched(name, version)?;
        self.read(name, version).map(drop).map_err(|error| self.refusal(name, version, error))
    }

    /// What a client is told of a version that cannot be served.
    fn refusal(&self, name: &str, version: u32, error: rekindle_models::Error) -> ApiError {
        self.refuse(name, version, &error, "version");
        ApiError::VersionRefused { model: name.to_owned(), version, reason: reason(error) }
    }

    /// Says that a version cannot be served: once for each reason, though the registry is looked at again and again.
    fn refuse(&self, name: &str, version: u32, error: &rekindle_models::Error, what: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let told = refused.insert((name.to_owned(), version), error.to_string());
        if told.is_none_or(|told| told != error.to_string()) {
            tracing::error!(model = name, version, %error, "the {what} is refused");
            self.counters.refused(name);
        }
    }

    fn tell(&self, name: &str, was: Option<u32>, now: &Served) {
        let (version, shadow) =
            (now.current.version, now.shadow.as_ref().map(|model| model.version));
        let canary = now.canary.as_ref().map(|canary| canary.model.version);
        tracing::info!(model = name, was, version, shadow, canary, "versions in force");
        if was != Some(version) {
            self.counters.swapped(name);
        }
    }

    /// Brings the metrics of ages up to date.
    pub fn count_ages(&self) {
        let served = self.served();
        let models = served.values().map(|one| &one.current);
        self.counters.ages(models.map(|model| (model.name(), model.version, model.written)));
    }
}

impl Served {
    /// A version, where it is one of these.
    fn version(&self, version: u32) -> Option<Arc<Model>> {
        let canary = self.canary.as_ref().map(|canary| &canary.model);
        let all = [Some(&self.current), self.shadow.as_ref(), canary];
        all.into_iter().flatten().find(|model| model.version == version).cloned()
    }

    fn same_as(&self, other: &Served) -> bool {
        let told = |served: &Served| {
            let canary = served.canary.as_ref().map(|canary| (canary.model.version, canary.share));
            (served.current.version, served.shadow.as_ref().map(|model| model.version), canary)
        };
        told(self) == told(other)
    }
}

/// What a client may be told of an error: no path of the server's.
fn reason(error: rekindle_models::Error) -> String {
    use rekindle_models::Error;
    match error {
        Error::BadArtifact { reason, .. } | Error::BadFile { reason, .. } => reason,
        Error::Registry { reason, .. } => reason,
        Error::Io { action, .. } => format!("failed to {action} a file of the registry"),
        Error::GoldenRow { .. } => error.to_string(),
        _ => "it is not sound".to_owned(),
    }
}

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal { reason: format!("{error:#}") }
}
