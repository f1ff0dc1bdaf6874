//! Files in object stores (S3, Google Cloud Storage, Azure, HTTP), read from other threads as if they were
//! on disk. Credentials come from options and are never shown.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, parse_url_opts};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Runtime;
use url::Url;

use crate::error::{Error, Result};
use crate::ingest::files::{FilePlace, GLOB, LogFile, is_log};
use crate::ingest::source::without_secrets;

/// What drives connections to stores: one for the process, made when the first store is asked for.
static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();

fn runtime() -> io::Result<Arc<Runtime>> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(Arc::clone(runtime));
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = Arc::new(builder.worker_threads(2).enable_all().build()?);
    Ok(Arc::clone(RUNTIME.get_or_init(|| runtime)))
}

/// Object stores by URL.
#[derive(Debug)]
pub(crate) struct Stores {
    options: Vec<(String, String)>,
}

/// An object of a store.
#[derive(Debug)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    runtime: Arc<Runtime>,
}

impl Stores {
    /// Options are those of the stores, as `aws_region`; others are ignored.
    pub fn new(options: Vec<(String, String)>) -> Stores {
        Stores { options }
    }

    /// The objects that a URL names: one, those of a folder, or those that a glob fits; sorted.
    ///
    /// # Errors
    /// When the URL is none, or the store cannot be reached.
    pub(super) fn files(&self, given: &str) -> Result<Vec<LogFile>> {
        let bad = |reason: String| unusable(given, &reason);
        let (store, path, runtime) = self.place(given)?;
        let text = percent(path.as_ref());
        let objects = match text.contains(['*', '?', '[']) {
            false => runtime.block_on(whole(&*store, &path)),
            true => {
                let fixed = &text[..text.find(['*', '?', '[']).unwrap_or(0)];
                let prefix = Path::from(fixed.rsplit_once('/').map_or("", |(folder, _)| folder));
                let pattern = glob::Pattern::new(&text).map_err(|e| bad(e.msg.to_owned()))?;
                let all = runtime.block_on(listed(&*store, &prefix));
                all.map(|mut all| {
                    all.retain(|object| pattern.matches_with(object.location.as_ref(), GLOB));
                    all
                })
            }
        };
        let mut objects = objects.map_err(|e| bad(e.to_string()))?;
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        let root = given.split_once("://").map_or("", |(scheme, rest)| {
            &given[..scheme.len() + 3 + rest.find('/').unwrap_or(rest.len())]
        });
        let file = |object: ObjectMeta| LogFile {
            name: format!("{root}/{}", object.location),
            bytes: object.size,
            changed: object.last_modified.timestamp_millis(),
            place: FilePlace::Store(Arc::new(Remote {
                store: Arc::clone(&store),
                path: object.location,
                bytes: object.size,
                runtime: Arc::clone(&runtime),
            })),
        };
        Ok(objects.into_iter().map(file).collect())
    }

    /// The store that a URL is of, the path in it, and what drives it.
    ///
    /// # Errors
    /// When the URL is none, or is of no store that is known.
    pub fn place(&self, given: &str) -> Result<(Arc<dyn ObjectStore>, Path, Arc<Runtime>)> {
        let bad = |reason: String| unusable(given, &reason);
        let url = Url::parse(given).map_err(|e| bad(e.to_string()))?;
        if url.scheme() == "file" {
            return Err(bad("found file://, expected the plain path".to_owned()));
        }
        // They would be told with every place in the log; a signature would not be sent either.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("found a user or password in the URL".to_owned()));
        }
        if url.query().is_some() {
            return Err(bad(
                "found a ? and more after the path, which is not read (globs of stores \
                            have * and [...])"
                    .to_owned(),
            ));
        }
        let plain = [("allow_http".to_owned(), "true".to_owned())];
        let plain = plain.into_iter().filter(|_| url.scheme() == "http");
        let options = self.options.iter().cloned().chain(plain);
        let (store, path) = parse_url_opts(&url, options).map_err(|e| bad(e.to_string()))?;
        let runtime = runtime().map_err(|e| bad(e.to_string()))?;
        Ok((Arc::from(store), path, runtime))
    }
}

/// Options of object stores: they take their credentials from the environment, as their own tools do.
pub fn stores() -> Vec<(String, String)> {
    std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn unusable(given: &str, reason: &str) -> Error {
    Error::BadOptions(format!(
        "{}: {reason}; expected a URL as s3://bucket/events/*.parquet, gs://..., az://... or \
         https://..., and credentials in the environment, as AWS_ACCESS_KEY_ID",
        without_secrets(given)
    ))
}

/// A path with the characters of globs, which URLs have encoded.
fn percent(path: &str) -> String {
    path.replace("%2A", "*").replace("%3F", "?").replace("%5B", "[").replace("%5D", "]")
}

/// The object at a path, or those under it.
async fn whole(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Vec<ObjectMeta>> {
    match store.head(path).await {
        Ok(object) => Ok(vec![object]),
        Err(missing @ object_store::Error::NotFound { .. }) => {
            let found = listed(store, path).await;
            found.ok().filter(|all| !all.is_empty()).ok_or(missing)
        }
        Err(other) => Err(other),
    }
}

async fn listed(store: &dyn ObjectStore, prefix: &Path) -> object_store::Result<Vec<ObjectMeta>> {
    let mut stream = store.list(Some(prefix));
    let mut found = Vec::new();
    while let Some(object) = stream.next().await {
        let object = object?;
        if object.location.filename().is_some_and(is_log) {
            found.push(object);
        }
    }
    Ok(found)
}

impl Remote {
    /// Some of its bytes.
    pub fn range(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        Ok(self.runtime.block_on(self.store.get_range(&self.path, range))?)
    }

    /// All of its bytes, as they come.
    pub fn stream(self: &Arc<Remote>) -> io::Result<Streamed> {
        let object = self.runtime.block_on(self.store.get(&self.path))?;
        let stream = object.into_stream();
        Ok(Streamed { remote: Arc::clone(self), stream: Mutex::new(stream), now: Bytes::new() })
    }
}

/// The bytes of an object, one after the other.
pub(super) struct Streamed {
    remote: Arc<Remote>,
    stream: Mutex<BoxStream<'static, object_store::Result<Bytes>>>,
    now: Bytes,
}

impl Read for Streamed {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let stream = self.stream.get_mut().unwrap_or_else(PoisonError::into_inner);
        while self.now.is_empty() {
            match self.remote.runtime.block_on(stream.next()) {
                Some(bytes) => self.now = bytes?,
                None => return Ok(0),
            }
        }
        let length = to.len().min(self.now.len());
        self.now.copy_to_slice(&mut to[..length]);
        Ok(length)
    }
}

/// A Parquet file in a store. Bytes are fetched in pieces and the latest ones kept, so that a page does
/// not cost a request for its header and one for the rest.
#[derive(Debug)]
pub(super) struct Pieces {
    remote: Arc<Remote>,
    kept: Mutex<Vec<(u64, Bytes)>>,
}

/// Bytes of a piece.
const PIECE: u64 = 4 << 20;
/// Pieces that are kept: one for each column that is read at the same time.
const KEPT: usize = 16;

impl Pieces {
    pub fn new(remote: &Arc<Remote>) -> Pieces {
        Pieces { remote: Arc::clone(remote), kept: Mutex::default() }
    }

    fn bytes(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let length = length.min(self.remote.bytes.saturating_sub(start));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |(first, bytes): &&(u64, Bytes)| {
            *first <= start && start + length <= first + bytes.len() as u64
        };
        if let Some((first, bytes)) = kept.iter().find(holds) {
            let from = (start - first) as usize;
            return Ok(bytes.slice(from..from + length as usize));
        }
        let end = (start + length.max(PIECE)).min(self.remote.bytes);
        let bytes = self.remote.range(start..end)?;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((start, bytes.clone()));
        Ok(bytes.slice(..(length as usize).min(bytes.len())))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.remote.bytes
    }
}

impl ChunkReader for Pieces {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> std::result::Result<Self::T, ParquetError> {
        let rest = self.remote.bytes.saturating_sub(start);
        // Headers of pages are read so: none is longer than a piece.
        Ok(Box::new(self.bytes(start, rest.min(PIECE / 4))?.reader()))
    }

    fn get_bytes(&self, start: u64, length: usize) -> std::result::Result<Bytes, ParquetError> {
        let bytes = self.bytes(start, length as u64)?;
        match bytes.len() == length {
            true => Ok(bytes),
            false => Err(ParquetError::EOF(format!("expected {length} bytes at {start}"))),
        }
    }
}
