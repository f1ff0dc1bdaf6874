//! A folder that several machines see: on a shared disk or in an object store. What is put there is there whole or not at
//! all. Knows no tables.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::ingest::Stores;

/// The folder.
#[derive(Debug)]
pub struct Depot {
    address: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Disk(PathBuf),
    Store(Arc<dyn ObjectStore>, ObjectPath, Arc<Runtime>),
}

/// A file of a depot that can be read as one on this machine's disk.
#[derive(Debug)]
pub enum Local {
    /// It is one.
    Own(PathBuf),
    /// A copy of it, deleted with this.
    Copy(NamedTempFile),
}

impl Local {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Local::Own(path) => path,
            Local::Copy(file) => file.path(),
        }
    }
}

impl Depot {
    /// `address` is a folder, or the URL of one in an object store, as `s3://bucket/snapshots`; `options` are those of
    /// stores, as `aws_region`. Makes nothing.
    ///
    /// # Errors
    /// When the URL is none, or is of no store that is known.
    pub fn open(address: &str, options: Vec<(String, String)>) -> Result<Depot> {
        let place = match address.contains("://") {
            true => {
                let (store, path, runtime) = Stores::new(options).place(address)?;
                Place::Store(store, path, runtime)
            }
            false => Place::Disk(PathBuf::from(address)),
        };
        Ok(Depot { address: address.trim_end_matches('/').to_owned(), place })
    }

    /// The folder's path or URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The path or URL of a file of it.
    pub fn name(&self, file: &str) -> String {
        format!("{}/{file}", self.address)
    }

    /// Writes a file, and tells how many bytes it has. A file of that name is replaced.
    ///
    /// # Errors
    /// When the disk or the store does not take it.
    pub fn put(
        &self,
        file: &str,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
    ) -> Result<u64> {
        let failed = |e: io::Error| self.failed("write", file, &e);
        match &self.place {
            Place::Disk(folder) => {
                let path = folder.join(file);
                let folder = path.parent().unwrap_or(folder);
                std::fs::create_dir_all(folder).map_err(failed)?;
                let temporary = NamedTempFile::new_in(folder).map_err(failed)?;
                let bytes = written(&temporary, write, &failed)?;
                readable(&temporary).map_err(failed)?;
                temporary.persist(&path).map_err(|e| failed(e.error))?;
                Ok(bytes)
            }
            Place::Store(store, folder, runtime) => {
                let temporary = NamedTempFile::new().map_err(failed)?;
                let bytes = written(&temporary, write, &failed)?;
                let from = temporary.reopen().map_err(failed)?;
                let to = object(folder, file);
                runtime.block_on(upload(from, &**store, &to)).map_err(failed)?;
                Ok(bytes)
            }
        }
    }

    /// The bytes of a file; `None` where there is none of that name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, file: &str) -> Result<Option<Vec<u8>>> {
        match &self.place {
            Place::Disk(folder) => match std::fs::read(folder.join(file)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed("read", file, &error)),
            },
            Place::Store(store, folder, runtime) => {
                let got = runtime
                    .block_on(async { store.get(&object(folder, file)).await?.bytes().await });
                match got {
                    Ok(bytes) => Ok(Some(bytes.to_vec())),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(self.failed("read", file, &error)),
                }
            }
        }
    }

    /// A file, on this machine's disk.
    ///
    /// # Errors
    /// When it is not there, or the disk does not take a copy.
    pub fn local(&self, file: &str) -> Result<Local> {
        if let Place::Disk(folder) = &self.place {
            return Ok(Local::Own(folder.join(file)));
        }
        let bytes = self.get(file)?;
        let bytes = bytes.ok_or_else(|| self.failed("read", file, &"it is not there"))?;
        let failed = |e: io::Error| self.failed("copy", file, &e);
        let mut copy = NamedTempFile::new().map_err(failed)?;
        copy.write_all(&bytes).and_then(|()| copy.flush()).map_err(failed)?;
        Ok(Local::Copy(copy))
    }

    /// The names of the files in a folder of this one (`""`: of itself), sorted; none where there is no such folder.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn files(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = match &self.place {
            Place::Disk(whole) => {
                let failed = |e: io::Error| self.failed("list", folder, &e);
                let entries = match std::fs::read_dir(whole.join(folder)) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                    Err(error) => return Err(failed(error)),
                };
                let entries = entries.collect::<io::Result<Vec<_>>>().map_err(failed)?;
                let files = entries.iter().filter(|entry| !entry.path().is_dir());
                files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            }
            Place::Store(store, whole, runtime) => {
                let listed = runtime.block_on(async {
                    let prefix = object(whole, folder);
                    store.list_with_delimiter(Some(&prefix)).await
                });
                let listed = listed.map_err(|e| self.failed("list", folder, &e))?;
                let names = listed.objects.iter().filter_map(|object| object.location.filename());
                names.map(str::to_owned).collect::<Vec<String>>()
            }
        };
        // Those that are being written begin with a dot.
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    /// Removes a folder of this one, with all that is in it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, folder: &str) -> Result<()> {
        match &self.place {
            Place::Disk(whole) => match std::fs::remove_dir_all(whole.join(folder)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(self.failed("remove", folder, &error))
                }
                _ => Ok(()),
            },
            Place::Store(store, whole, runtime) => {
                let prefix = object(whole, folder);
                let removed = runtime.block_on(async {
                    let all = store.list(Some(&prefix)).map(|o| o.map(|o| o.location)).boxed();
                    let mut removed = store.delete_stream(all);
                    while let Some(one) = removed.next().await {
                        one?;
                    }
                    Ok::<(), object_store::Error>(())
                });
                removed.map_err(|e| self.failed("remove", folder, &e))
            }
        }
    }

    fn failed(&self, what: &str, file: &str, error: &dyn std::fmt::Display) -> Error {
        Error::BadOptions(format!("{}: failed to {what} it: {error}", self.name(file)))
    }
}

fn object(folder: &ObjectPath, file: &str) -> ObjectPath {
    file.split('/')
        .filter(|part| !part.is_empty())
        .fold(folder.clone(), |path, part| path.join(part))
}

fn written(
    file: &NamedTempFile,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
    failed: &dyn Fn(io::Error) -> Error,
) -> Result<u64> {
    let mut to = BufWriter::new(file.as_file());
    write(&mut to).map_err(|e| failed(io::Error::other(e.to_string())))?;
    to.flush().map_err(failed)?;
    Ok(file.as_file().metadata().map_err(failed)?.len())
}

/// Bytes sent at once; what is longer is sent in parts.
const PART: usize = 8 << 20;
/// Parts on their way at a time.
const PARTS: usize = 4;

async fn upload(mut from: File, store: &dyn ObjectStore, to: &ObjectPath) -> io::Result<()> {
    let mut part = Vec::new();
    let mut next = |part: &mut Vec<u8>| {
        part.clear();
        Read::by_ref(&mut from).take(PART as u64).read_to_end(part)
    };
    if next(&mut part)? < PART {
        store.put(to, part.into()).await?;
        return Ok(());
    }
    let mut parts = WriteMultipart::new_with_chunk_size(store.put_multipart(to).await?, PART);
    while !part.is_empty() {
        parts.wait_for_capacity(PARTS).await?;
        parts.write(&part);
        next(&mut part)?;
    }
    parts.finish().await?;
    Ok(())
}

/// A temporary file is private to its owner; what is kept is for others too.
#[cfg(unix)]
pub(crate) fn readable(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
pub(crate) fn readable(_file: &NamedTempFile) -> io::Result<()> {
    Ok(())
}
