//! What the registry holds, for people: all versions of all models with what each says of itself. Versions never change, so
//! a manifest is read once and kept.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use rekindle_models::artifact::check_model_name;

use crate::error::ApiError;
use crate::figures::Figures;
use crate::model::Served;
use crate::registry::{LoadedModels, internal, reason};

/// A model with its versions.
pub struct Shelf {
    /// Its name.
    pub name: String,
    /// The versions that answer; `None` where none was promoted, or the one that was cannot be served.
    pub served: Option<Arc<Served>>,
    /// Its versions, the newest first.
    pub versions: Vec<Version>,
}

/// A version of a model.
pub struct Version {
    /// Its number.
    pub version: u32,
    /// What it says of itself.
    pub told: Told,
    /// Whether its report lies beside it; of a registry in an object store that is not known before it is asked for.
    pub has_report: bool,
}

/// What a version says of itself.
#[derive(Debug, Clone)]
pub enum Told {
    /// This.
    Figures(Arc<Figures>),
    /// It was not read yet.
    NotYet,
    /// It lies in the object store alone, and is fetched when somebody asks for it.
    Away,
    /// It cannot be read, for this reason.
    Unreadable(String),
}

/// Most versions whose figures are kept; some 20 kB each.
const KEPT: usize = 1_000;
const REPORT_FILE: &str = "report.html";

impl LoadedModels {
    /// All models, by name. What is not in memory is read until a moment; the rest is [`Told::NotYet`].
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub fn shelves(&self, until: Instant) -> Result<Vec<Shelf>, ApiError> {
        let names = self.registry().models().map_err(internal)?;
        names.into_iter().map(|name| self.shelf_of(name, until)).collect()
    }

    /// One model.
    ///
    /// # Errors
    /// When there is none of this name, or the registry cannot be read.
    pub fn shelf(&self, name: &str, until: Instant) -> Result<Shelf, ApiError> {
        let unknown = || {
            let models = self.served.load().keys().cloned().collect();
            ApiError::UnknownModel { model: name.chars().take(80).collect(), models }
        };
        check_model_name(name).map_err(|_| unknown())?;
        let shelf = self.shelf_of(name.to_owned(), until)?;
        if shelf.versions.is_empty() { Err(unknown()) } else { Ok(shelf) }
    }

    fn shelf_of(&self, name: String, until: Instant) -> Result<Shelf, ApiError> {
        let served = self.served.load().get(&name).cloned();
        let numbers = self.versions(&name)?;
        let version = |number: &u32| Version {
            version: *number,
            told: self.told(&name, *number, served.as_deref(), until),
            has_report: self.source.may_have(&name, *number, REPORT_FILE),
        };
        let versions = numbers.iter().rev().map(version).collect();
        Ok(Shelf { name, served, versions })
    }

    fn told(&self, name: &str, version: u32, served: Option<&Served>, until: Instant) -> Told {
        let key = (name.to_owned(), version);
        if let Some(kept) =
            self.figures.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
        {
            return Told::Figures(kept);
        }
        if let Some(model) = served.and_then(|served| served.version(version)) {
            return Told::Figures(self.keep(key, Figures::of(&model.manifest, model.written)));
        }
        let path = self.registry().path(name, version);
        if !path.exists() {
            return Told::Away;
        }
        if Instant::now() > until {
            return Told::NotYet;
        }
        match self.registry().load_manifest(name, version) {
            Ok(manifest) => {
                let written = std::fs::metadata(path).and_then(|file| file.modified()).ok();
                Told::Figures(self.keep(key, Figures::of(&manifest, written)))
            }
            Err(error) => Told::Unreadable(reason(error)),
        }
    }

    fn keep(&self, key: (String, u32), figures: Figures) -> Arc<Figures> {
        let figures = Arc::new(figures);
        let mut kept = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&figures));
        figures
    }

    /// What one version says of itself, fetched where it lies elsewhere.
    ///
    /// # Errors
    /// When there is no such model or version, or it cannot be read.
    pub fn figures(&self, name: &str, version: u32) -> Result<Arc<Figures>, ApiError> {
        self.fetched(name, version)?;
        let served = self.served.load().get(name).cloned();
        let late = Instant::now() + std::time::Duration::from_secs(3_600);
        match self.told(name, version, served.as_deref(), late) {
            Told::Figures(figures) => Ok(figures),
            Told::Unreadable(reason) => {
                Err(ApiError::VersionRefused { model: name.to_owned(), version, reason })
            }
            Told::NotYet | Told::Away => {
                Err(ApiError::Internal { reason: format!("{name} {version} was not fetched") })
            }
        }
    }

    /// The report that lies beside a version; `None` where none was made.
    ///
    /// # Errors
    /// When there is no such model or version, or the registry cannot be read.
    pub fn report(&self, name: &str, version: u32) -> Result<Option<Vec<u8>>, ApiError> {
        check_model_name(name).map_err(|_| ApiError::UnknownModel {
            model: name.chars().take(80).collect(),
            models: self.served.load().keys().cloned().collect(),
        })?;
        let versions = self.versions(name)?;
        if !versions.contains(&version) {
            return Err(ApiError::UnknownVersion { model: name.to_owned(), version, versions });
        }
        self.source.beside(name, version, REPORT_FILE).map_err(internal)
    }
}
