//! The folder that models are kept in: `<registry>/<model>/<version>/model.rekindle`, versions
//! counted from 1 and never changed, and a file `<registry>/<model>/current` that says which
//! version is served. What stands beside it is in `rollout.rs`. Holds no model in memory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::artifact::{Artifact, Manifest};
use crate::error::{Error, Result};

/// A registry folder.
#[derive(Debug, Clone)]
pub struct Registry {
    root: PathBuf,
}

/// The model's file in a version's folder.
const MODEL_FILE: &str = "model.rekindle";
/// Promotions of a model, one version a line, the last one in force.
const CURRENT_FILE: &str = "current";
/// Promotions that `current` remembers for rolling back.
const REMEMBERED: usize = 100;

impl Registry {
    /// An existing registry.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(root: &Path) -> Result<Registry> {
        let registry = Registry { root: root.to_owned() };
        if root.is_dir() {
            return Ok(registry);
        }
        Err(registry.error("no such folder; `rekindle fit ... -o FOLDER` makes one".to_owned()))
    }

    /// A registry that may be new.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(root: &Path) -> Result<Registry> {
        fs::create_dir_all(root).map_err(|e| io(root, "create", e))?;
        Registry::open(root)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The models with at least one version, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn models(&self) -> Result<Vec<String>> {
        let mut models = Vec::new();
        for name in folder_names(&self.root)? {
            if check_model_name(&name).is_ok() && !self.versions(&name)?.is_empty() {
                models.push(name);
            }
        }
        models.sort();
        Ok(models)
    }

    /// The versions of a model, rising; empty when there is no such model.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn versions(&self, model: &str) -> Result<Vec<u32>> {
        check_model_name(model).map_err(|reason| self.error(reason))?;
        let folder = self.root.join(model);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut versions: Vec<u32> =
            folder_names(&folder)?.iter().filter_map(|name| version_of(name)).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// The version in force, `None` where none was promoted yet.
    ///
    /// # Errors
    /// When the pointer cannot be read, or names a version that is not there.
    pub fn current(&self, model: &str) -> Result<Option<u32>> {
        let Some(&version) = self.promotions(model)?.last() else { return Ok(None) };
        self.require(model, version)?;
        Ok(Some(version))
    }

    /// The path of a version's model file.
    pub fn path(&self, model: &str, version: u32) -> PathBuf {
        self.folder(model, version).join(MODEL_FILE)
    }

    /// The folder of a version: its model and its reports.
    pub fn folder(&self, model: &str, version: u32) -> PathBuf {
        self.root.join(model).join(version.to_string())
    }

    /// Reads a version.
    ///
    /// # Errors
    /// When there is no such version, or its file is not usable.
    pub fn load(&self, model: &str, version: u32) -> Result<Artifact> {
        self.require(model, version)?;
        Artifact::load(&self.path(model, version))
    }

    /// Reads what a version says of itself, without the model: much faster than [`Registry::load`].
    ///
    /// # Errors
    /// When there is no such version, or its file is damaged.
    pub fn load_manifest(&self, model: &str, version: u32) -> Result<Manifest> {
        self.require(model, version)?;
        Artifact::load_manifest(&self.path(model, version))
    }

    /// Adds a version with its reports (file name, content); it is not served before it is
    /// promoted. The folder appears whole or not at all.
    ///
    /// # Errors
    /// When the name cannot be a folder's, or the folder cannot be written.
    pub fn add(&self, artifact: &Artifact, reports: &[(&str, &[u8])]) -> Result<u32> {
        let name = &artifact.manifest.model_name;
        check_model_name(name).map_err(|reason| self.error(reason))?;
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).map_err(|e| io(&folder, "create", e))?;
        let staged = tempfile::Builder::new()
            .prefix(".adding-")
            .tempdir_in(&folder)
            .map_err(|e| io(&folder, "create", e))?;
        artifact.save(&staged.path().join(MODEL_FILE))?;
        for (file, content) in reports {
            write_whole(&staged.path().join(file), content)?;
        }
        readable_by_others(staged.path())?;
        let mut version = self.versions(name)?.last().copied().unwrap_or(0) + 1;
        // Another process may add at the same moment: a rename onto a full folder fails, and the
        // next number is tried.
        loop {
            let target = self.folder(name, version);
            match fs::rename(staged.path(), &target) {
                Ok(()) => break,
                Err(_) if target.exists() => version += 1,
                Err(e) => return Err(io(&target, "write", e)),
            }
        }
        // The folder has moved: there is nothing left for the guard to delete.
        let _ = staged.keep();
        Ok(version)
    }

    /// Puts a version in force; a shadow or canary of it ends.
    ///
    /// # Errors
    /// When there is no such version, or the pointer cannot be written.
    pub fn promote(&self, model: &str, version: u32) -> Result<()> {
        self.require(model, version)?;
        let mut promotions = self.promotions(model)?;
        self.end_rollout_of(model, version)?;
        if promotions.last() != Some(&version) {
            promotions.push(version);
        }
        self.write_promotions(model, &promotions)
    }

    /// Puts the version in force that was before the current one, and returns it; a shadow or canary of it ends.
    ///
    /// # Errors
    /// When there was none before, or the pointer cannot be written.
    pub fn rollback(&self, model: &str) -> Result<u32> {
        self.require_model(model)?;
        let mut promotions = self.promotions(model)?;
        promotions.pop();
        let Some(&version) = promotions.last() else {
            return Err(self.error(format!("model {model} has no earlier promotion to go back to")));
        };
        self.require(model, version)?;
        self.end_rollout_of(model, version)?;
        self.write_promotions(model, &promotions)?;
        Ok(version)
    }

    fn promotions(&self, model: &str) -> Result<Vec<u32>> {
        check_model_name(model).map_err(|reason| self.error(reason))?;
        let path = self.root.join(model).join(CURRENT_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io(&path, "read", e)),
        };
        let version = |line: &str| {
            version_of(line).ok_or_else(|| Error::BadFile {
                path: path.display().to_string(),
                reason: format!(
                    "found {line:?}, expected a version number a line; \
                     delete the file and run `rekindle models promote`"
                ),
            })
        };
        text.lines().map(version).collect()
    }

    fn write_promotions(&self, model: &str, promotions: &[u32]) -> Result<()> {
        let newest = &promotions[promotions.len().saturating_sub(REMEMBERED)..];
        let text: String = newest.iter().map(|v| format!("{v}\n")).collect();
        write_whole(&self.root.join(model).join(CURRENT_FILE), text.as_bytes())
    }

    pub(super) fn require_model(&self, model: &str) -> Result<Vec<u32>> {
        let versions = self.versions(model)?;
        if versions.is_empty() {
            let there = match self.models()? {
                models if models.is_empty() => "it holds no model yet".to_owned(),
                models => format!("it holds {}", models.join(", ")),
            };
            return Err(self.error(format!("no model {model:?}; {there}")));
        }
        Ok(versions)
    }

    pub(super) fn require(&self, model: &str, version: u32) -> Result<()> {
        let versions = self.require_model(model)?;
        if versions.contains(&version) {
            return Ok(());
        }
        let there: Vec<String> = versions.iter().map(u32::to_string).collect();
        Err(self.error(format!(
            "model {model} has no version {version}; there is {}",
            there.join(", ")
        )))
    }

    pub(super) fn error(&self, reason: String) -> Error {
        Error::Registry { registry: self.root.clone(), reason }
    }
}

/// Whether `name` can name a model: 1 to 64 lower-case letters, digits, `_` and `-`, the first a
/// letter or digit. It becomes a folder's name and a part of URLs.
///
/// # Errors
/// With the sentence to show when it cannot.
pub fn check_model_name(name: &str) -> std::result::Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=64).contains(&name.len())
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || c == '_' || c == '-');
    if fits {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot name a model; expected 1 to 64 lower-case letters, digits, _ and -, \
         the first a letter or digit"
    ))
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        readable(file.path(), 0o644)?;
        file.persist(path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|e| io(path, "write", e))
}

/// Temporary files and folders are private to their owner; what is kept is for the service too.
fn readable_by_others(folder: &Path) -> Result<()> {
    readable(folder, 0o755).map_err(|e| io(folder, "write", e))
}

#[cfg(unix)]
fn readable(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn readable(_path: &Path, _mode: u32) -> std::io::Result<()> {
    Ok(())
}

fn folder_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| io(folder, "read", e))? {
        let entry = entry.map_err(|e| io(folder, "read", e))?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// A version as it stands in a folder's name: a positive number without leading zeros or signs.
fn version_of(name: &str) -> Option<u32> {
    name.parse().ok().filter(|v: &u32| *v > 0 && v.to_string() == name)
}

pub(super) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), action, source }
}
