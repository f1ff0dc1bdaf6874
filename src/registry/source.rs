//! Where the registry lies: in a folder, or in an object store of which a folder holds what is needed.

use std::fs;
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use rekindle_models::artifact::{Registry, check_model_name};
use tempfile::TempDir;
use url::Url;

use crate::background::Background;
use crate::settings::RegistryAt;

/// A registry to read and to promote in. Its functions wait for disk or network: none is called on the event loop.
pub enum Source {
    /// A folder.
    Folder(Registry),
    /// An object store.
    Store(Box<Mirror>),
}

/// A folder with what is needed of a registry in an object store.
pub struct Mirror {
    registry: Registry,
    store: Arc<dyn ObjectStore>,
    root: Path,
    background: Background,
    /// The folder where none is kept.
    _temporary: Option<TempDir>,
}

/// What said which versions of a model answer: files and what stood in them.
pub struct Pointers(Vec<(PathBuf, Option<Vec<u8>>)>);

/// The files beside a model's versions that say which of them answer.
const POINTERS: [&str; 2] = ["current", "rollout"];
const MODEL_FILE: &str = "model.rekindle";
/// Largest pointer that is read.
const POINTER_BYTES: u64 = 1 << 20;
/// Longest file beside a model that is read.
const BESIDE_BYTES: u64 = 64 << 20;

impl Source {
    /// Opens a registry; one in an object store is not asked yet. `cache` is where its models are kept.
    ///
    /// # Errors
    /// When the folder is not there, or the URL names no store.
    pub fn open(at: &RegistryAt, cache: Option<&FilePath>) -> anyhow::Result<Source> {
        match at {
            RegistryAt::Folder(folder) => Ok(Source::Folder(Registry::open(folder)?)),
            RegistryAt::Url(url) => Ok(Source::Store(Box::new(Mirror::new(url, cache)?))),
        }
    }

    /// The folder to read versions from.
    pub fn registry(&self) -> &Registry {
        match self {
            Source::Folder(registry) => registry,
            Source::Store(mirror) => &mirror.registry,
        }
    }

    /// Brings the folder up to date: what is in force, and the versions that takes.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn sync(&self) -> anyhow::Result<()> {
        match self {
            Source::Folder(registry) => {
                Registry::open(registry.root()).map(drop).map_err(Into::into)
            }
            Source::Store(mirror) => mirror.background.wait(mirror.sync()),
        }
    }

    /// Makes sure that the folder has a version, where the registry has it.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn fetch(&self, model: &str, version: u32) -> anyhow::Result<()> {
        match self {
            Source::Folder(_) => Ok(()),
            Source::Store(mirror) => mirror.background.wait(mirror.fetch(model, version)).map(drop),
        }
    }

    /// The versions of a model, rising.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn versions(&self, model: &str) -> anyhow::Result<Vec<u32>> {
        match self {
            Source::Folder(registry) => Ok(registry.versions(model)?),
            Source::Store(mirror) => mirror.background.wait(mirror.versions(model)),
        }
    }

    /// Whether a file lies beside a version's model, or may: an object store is not asked.
    pub fn may_have(&self, model: &str, version: u32, file: &str) -> bool {
        match self {
            Source::Folder(registry) => registry.folder(model, version).join(file).is_file(),
            Source::Store(_) => true,
        }
    }

    /// A file that lies beside a version's model; `None` where there is none.
    ///
    /// # Errors
    /// When the registry cannot be reached, or the file is too long.
    pub fn beside(&self, model: &str, version: u32, file: &str) -> anyhow::Result<Option<Vec<u8>>> {
        match self {
            Source::Folder(registry) => {
                let path = registry.folder(model, version).join(file);
                match fs::metadata(&path) {
                    Ok(found) if found.len() > BESIDE_BYTES => bail!(too_long(file, found.len())),
                    Ok(_) => {
                        Ok(Some(fs::read(&path).with_context(|| format!("failed to read {file}"))?))
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error).with_context(|| format!("failed to read {file}")),
                }
            }
            Source::Store(mirror) => mirror.background.wait(mirror.beside(model, version, file)),
        }
    }

    /// Brings over what the registry says is in force of a model at this moment.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn pull(&self, model: &str) -> anyhow::Result<()> {
        match self {
            Source::Folder(_) => Ok(()),
            Source::Store(mirror) => mirror.background.wait(mirror.pointers(model)),
        }
    }

    /// What the folder says is in force of a model, to go back to; nothing where the folder is the registry.
    pub fn pointers(&self, model: &str) -> Pointers {
        match self {
            Source::Folder(_) => Pointers(Vec::new()),
            Source::Store(mirror) => {
                let paths =
                    POINTERS.iter().map(|file| mirror.registry.root().join(model).join(file));
                Pointers(paths.map(|path| (path.clone(), fs::read(path).ok())).collect())
            }
        }
    }

    /// Goes back to what the folder said.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn restore(&self, model: &str, pointers: Pointers) -> anyhow::Result<()> {
        tracing::warn!(model, "the registry did not take a change: it is undone");
        for (path, content) in pointers.0 {
            match content {
                Some(content) => write_whole(&path, &content)?,
                None if path.exists() => fs::remove_file(&path)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Tells the registry what the folder says is in force of a model.
    ///
    /// # Errors
    /// When the registry cannot be reached.
    pub fn publish(&self, model: &str) -> anyhow::Result<()> {
        match self {
            Source::Folder(_) => Ok(()),
            Source::Store(mirror) => mirror.background.wait(mirror.publish(model)),
        }
    }
}

impl Mirror {
    fn new(url: &str, cache: Option<&FilePath>) -> anyhow::Result<Mirror> {
        let parsed = Url::parse(url).with_context(|| format!("{url:?} is no URL"))?;
        // They would be told in every message.
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some()
        {
            bail!(
                "the registry's URL has a password or a ? and more; credentials come from the environment"
            );
        }
        let plain = [("allow_http".to_owned(), "true".to_owned())];
        let plain = plain.into_iter().filter(|_| parsed.scheme() == "http");
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?.to_ascii_lowercase(), value.into_string().ok()?))
        });
        let (store, root) = parse_url_opts(&parsed, environment.chain(plain))
            .with_context(|| format!("{parsed} names no object store"))?;
        let (folder, temporary): (PathBuf, _) = match cache {
            Some(folder) => (folder.to_owned(), None),
            None => {
                let temporary = TempDir::with_prefix("rekindle-registry-")?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        Ok(Mirror {
            registry: Registry::create(&folder)?,
            store: Arc::from(store),
            root,
            background: Background::start("registry")?,
            _temporary: temporary,
        })
    }

    async fn sync(&self) -> anyhow::Result<()> {
        let listed = in_time(self.store.list_with_delimiter(Some(&self.root))).await?;
        let listed = listed.context("the object store does not answer")?;
        for prefix in listed.common_prefixes {
            let Some(model) = prefix.filename() else { continue };
            if check_model_name(model).is_err() {
                continue;
            }
            self.pointers(model).await?;
            for version in self.wanted(model) {
                self.fetch(model, version).await?;
            }
        }
        Ok(())
    }

    /// Brings over what says which versions answer.
    async fn pointers(&self, model: &str) -> anyhow::Result<()> {
        for file in POINTERS {
            let object = self.root.clone().join(model).join(file);
            let path = self.registry.root().join(model).join(file);
            let content = match in_time(self.store.get(&object)).await? {
                Ok(found) if found.meta.size > POINTER_BYTES => {
                    bail!("{object} has {} bytes, expected a few", found.meta.size)
                }
                Ok(found) => found.bytes().await.with_context(|| format!("{object} broke off"))?,
                Err(object_store::Error::NotFound { .. }) => {
                    if file == "rollout" && path.exists() {
                        fs::remove_file(&path)?;
                    }
                    continue;
                }
                Err(error) => {
                    return Err(error).with_context(|| format!("{object} cannot be read"));
                }
            };
            if fs::read(&path).ok().as_deref() != Some(&content[..]) {
                write_whole(&path, &content)?;
            }
        }
        Ok(())
    }

    /// The versions that may have to answer: the last two promoted, so that a rollback finds one, a shadow, a canary.
    fn wanted(&self, model: &str) -> Vec<u32> {
        let text = |file: &str| {
            fs::read_to_string(self.registry.root().join(model).join(file)).unwrap_or_default()
        };
        let current = text("current");
        let mut versions: Vec<u32> =
            current.lines().rev().take(2).filter_map(|line| line.parse().ok()).collect();
        let rollout: serde_json::Value = serde_json::from_str(&text("rollout")).unwrap_or_default();
        let named = [&rollout["shadow"], &rollout["canary"]["version"]];
        versions
            .extend(named.iter().filter_map(|v| v.as_u64().and_then(|v| u32::try_from(v).ok())));
        versions
    }

    /// Brings over a version, whole or not at all; whether there is one.
    async fn fetch(&self, model: &str, version: u32) -> anyhow::Result<bool> {
        let target = self.registry.folder(model, version);
        if target.is_dir() {
            return Ok(true);
        }
        let object = self.root.clone().join(model).join(version.to_string()).join(MODEL_FILE);
        let content = match self.store.get(&object).await {
            Ok(found) => found.bytes().await.with_context(|| format!("{object} broke off"))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error).with_context(|| format!("{object} cannot be read")),
        };
        let folder = self.registry.root().join(model);
        fs::create_dir_all(&folder)?;
        let staged = TempDir::with_prefix_in(".adding-", &folder)?;
        write_whole(&staged.path().join(MODEL_FILE), &content)?;
        match fs::rename(staged.path(), &target) {
            Ok(()) => drop(staged.keep()),
            // Another thread was faster.
            Err(_) if target.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// A file that lies beside a version's model. It is not kept in the folder.
    async fn beside(
        &self,
        model: &str,
        version: u32,
        file: &str,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let object = self.root.clone().join(model).join(version.to_string()).join(file);
        let found = match in_time(self.store.get(&object)).await? {
            Ok(found) if found.meta.size > BESIDE_BYTES => bail!(too_long(file, found.meta.size)),
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{object} cannot be read")),
        };
        let content = found.bytes().await.with_context(|| format!("{object} broke off"))?;
        Ok(Some(content.into()))
    }

    async fn versions(&self, model: &str) -> anyhow::Result<Vec<u32>> {
        let root = self.root.clone().join(model);
        let listed = self.store.list_with_delimiter(Some(&root)).await;
        let listed = listed.context("the object store does not answer")?;
        let names = listed.common_prefixes.iter().filter_map(|prefix| prefix.filename());
        let mut versions: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    async fn publish(&self, model: &str) -> anyhow::Result<()> {
        for file in POINTERS {
            let Ok(content) = fs::read(self.registry.root().join(model).join(file)) else {
                continue;
            };
            let object = self.root.clone().join(model).join(file);
            let put = in_time(self.store.put(&object, PutPayload::from(content))).await?;
            put.with_context(|| format!("{object} cannot be written"))?;
        }
        Ok(())
    }
}

/// Longest wait for what is a few bytes. The store's client asks again for minutes, and keys and certificates, too, are
/// looked at by the thread that waits.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

fn too_long(file: &str, bytes: u64) -> String {
    format!("{file} has {bytes} bytes, expected at most {BESIDE_BYTES}")
}

/// What the store answers.
///
/// # Errors
/// When it does not.
async fn in_time<T>(asked: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(SHORT_PATIENCE, asked).await.context("the object store does not answer")
}

/// Writes a file so that it is there whole or not at all.
fn write_whole(path: &FilePath, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("the file lies in a folder")?;
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
