//! A folder that several machines see: on a shared disk or in an object store. What is put there is there whole or not at
//! all. Knows no tables.

use std::fs::{DirEntry, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures_util::StreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, WriteMultipart};
use serde::Serialize;
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

/// A file of a depot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Listed {
    /// Its name within its folder.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was written, in milliseconds since 1970, by the clock of the disk or store.
    pub changed: i64,
}

impl Listed {
    /// What a folder's entry is; `None` where it is no file, or is gone meanwhile.
    fn of(entry: &DirEntry) -> io::Result<Option<Listed>> {
        let found = match entry.metadata() {
            Ok(found) if found.is_file() => found,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let changed = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Some(Listed { name, bytes: found.len(), changed: changed.as_millis() as i64 }))
    }
}

/// The folder, on a disk, of files that are being written.
const UNFINISHED: &str = "_rekindle/unfinished";

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

    /// Writes a file. A file of that name is replaced.
    ///
    /// # Errors
    /// When the disk or the store does not take it, and those of `write`.
    pub fn put(
        &self,
        file: &str,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
    ) -> Result<()> {
        self.put_if(file, |to| write(to).map(|()| true))
    }

    /// Writes a file, and keeps it if `write` says so.
    ///
    /// # Errors
    /// As [`Depot::put`].
    pub fn put_if(
        &self,
        file: &str,
        write: impl FnOnce(&mut (dyn Write + Send)) -> Result<bool>,
    ) -> Result<()> {
        let failed = |e: io::Error| self.failed("write", file, &e);
        let temporary = self.temporary().map_err(failed)?;
        let mut to = BufWriter::new(temporary.as_file());
        let kept = write(&mut to)?;
        to.flush().map_err(failed)?;
        drop(to);
        if !kept {
            return Ok(());
        }
        match &self.place {
            Place::Disk(folder) => {
                let path = folder.join(file);
                std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
                readable(&temporary).map_err(failed)?;
                temporary.persist(&path).map_err(|e| failed(e.error))?;
            }
            Place::Store(store, folder, runtime) => {
                let from = temporary.reopen().map_err(failed)?;
                let to = object(folder, file);
                runtime.block_on(upload(from, &**store, &to)).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the disk or the store does not take them.
    pub fn put_bytes(&self, file: &str, bytes: &[&[u8]]) -> Result<()> {
        self.put(file, |to| {
            let all = bytes.iter().try_for_each(|bytes| to.write_all(bytes));
            all.map_err(|e| self.failed("write", file, &e))
        })
    }

    /// Writes bytes where there is no file of that name; tells whether there was none.
    ///
    /// # Errors
    /// When the disk or the store does not take them.
    pub fn put_new(&self, file: &str, bytes: &[u8]) -> Result<bool> {
        let failed = |e: io::Error| self.failed("write", file, &e);
        match &self.place {
            Place::Disk(folder) => {
                let path = folder.join(file);
                std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
                let mut temporary = self.temporary().map_err(failed)?;
                temporary.write_all(bytes).and_then(|()| temporary.flush()).map_err(failed)?;
                readable(&temporary).map_err(failed)?;
                match temporary.persist_noclobber(&path) {
                    Ok(_) => Ok(true),
                    Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(false),
                    Err(e) => Err(failed(e.error)),
                }
            }
            Place::Store(store, folder, runtime) => {
                let to = object(folder, file);
                let put = store.put_opts(&to, bytes.to_vec().into(), PutMode::Create.into());
                match runtime.block_on(put) {
                    Ok(_) => Ok(true),
                    Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                    Err(error) => Err(failed(error.into())),
                }
            }
        }
    }

    /// A file that is nobody's yet; on a disk, where it needs only another name to be somebody's.
    fn temporary(&self) -> io::Result<NamedTempFile> {
        match &self.place {
            Place::Disk(folder) => {
                let folder = folder.join(UNFINISHED);
                std::fs::create_dir_all(&folder)?;
                NamedTempFile::new_in(folder)
            }
            Place::Store(..) => NamedTempFile::new(),
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
                Err(error) if error.kind() == ErrorKind::NotADirectory => Err(self.no_folder()),
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
        let (store, folder, runtime) = match &self.place {
            Place::Disk(folder) => return Ok(Local::Own(folder.join(file))),
            Place::Store(store, folder, runtime) => (store, folder, runtime),
        };
        let failed = |e: io::Error| self.failed("read", file, &e);
        let mut copy = NamedTempFile::new().map_err(failed)?;
        runtime
            .block_on(async {
                let mut bytes = store.get(&object(folder, file)).await?.into_stream();
                while let Some(some) = bytes.next().await {
                    copy.write_all(&some?)?;
                }
                copy.flush()
            })
            .map_err(failed)?;
        Ok(Local::Copy(copy))
    }

    /// The files in a folder of this one (`""`: of itself), sorted by name; none where there is no such folder.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn files(&self, folder: &str) -> Result<Vec<Listed>> {
        let mut found = match &self.place {
            Place::Disk(whole) => {
                let failed = |e: io::Error| self.failed("list", folder, &e);
                let entries = match std::fs::read_dir(whole.join(folder)) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                    Err(error) if error.kind() == ErrorKind::NotADirectory => {
                        return Err(self.no_folder());
                    }
                    Err(error) => return Err(failed(error)),
                };
                let listed = |entry: io::Result<DirEntry>| Listed::of(&entry?);
                let listed = entries.map(listed).filter_map(io::Result::transpose);
                listed.collect::<io::Result<Vec<_>>>().map_err(failed)?
            }
            Place::Store(store, whole, runtime) => {
                let listed = runtime.block_on(async {
                    let prefix = object(whole, folder);
                    store.list_with_delimiter(Some(&prefix)).await
                });
                let listed = listed.map_err(|e| self.failed("list", folder, &e))?;
                let listed = listed.objects.into_iter().filter_map(|object| {
                    Some(Listed {
                        name: object.location.filename()?.to_owned(),
                        bytes: object.size,
                        changed: object.last_modified.timestamp_millis(),
                    })
                });
                listed.collect::<Vec<_>>()
            }
        };
        // Those that are being written begin with a dot.
        found.retain(|file| !file.name.starts_with('.'));
        found.sort_unstable();
        Ok(found)
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

    /// Removes the folder itself, where it is one on a disk and nothing is in it.
    pub fn remove_empty(&self) {
        if let Place::Disk(folder) = &self.place {
            let _ = std::fs::remove_dir(folder);
        }
    }

    fn no_folder(&self) -> Error {
        Error::BadOptions(format!(
            "{}: found a file, expected a folder with a table in parts; a table of one file needs no --cluster",
            self.address
        ))
    }

    /// What is wrong with a local copy, told of the file itself.
    pub fn of_local(&self, file: &str, local: &Local, error: &dyn std::fmt::Display) -> Error {
        let copy = local.path().display().to_string();
        Error::BadOptions(error.to_string().replace(&copy, &self.name(file)))
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
        if let Err(error) = parts.wait_for_capacity(PARTS).await {
            // What is there so far is nobody's.
            let _ = parts.abort().await;
            return Err(error.into());
        }
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

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn depots() -> (tempfile::TempDir, [Depot; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let store = Place::Store(
            Arc::new(InMemory::new()),
            ObjectPath::from("some/where"),
            Arc::new(runtime),
        );
        let disk = Place::Disk(folder.path().join("some/where"));
        let depots = [disk, store].map(|place| Depot { address: "some/where".to_owned(), place });
        (folder, depots)
    }

    #[test]
    fn a_disk_and_a_store_keep_files_alike() {
        let (_folder, depots) = depots();
        for depot in depots {
            let names = |folder: &str| -> Vec<String> {
                depot.files(folder).unwrap().into_iter().map(|file| file.name).collect()
            };
            assert!(names("").is_empty() && names("work/a").is_empty());
            assert_eq!(depot.get("part").unwrap(), None);
            depot.put_bytes("part", &[b"a", b"bc"]).unwrap();
            depot.put_bytes("work/a/1", &[b"1"]).unwrap();
            depot.put_bytes("work/b", &[]).unwrap();
            assert_eq!(depot.get("part").unwrap().unwrap(), b"abc");
            assert_eq!(std::fs::read(depot.local("part").unwrap().path()).unwrap(), b"abc");
            assert_eq!(depot.files("").unwrap()[0].bytes, 3);
            assert_eq!(
                (names(""), names("work"), names("work/a")),
                (vec!["part".to_owned()], vec!["b".to_owned()], vec!["1".to_owned()],)
            );
            assert!(
                !depot.put_new("part", b"other").unwrap() && depot.put_new("new", b"n").unwrap()
            );
            assert_eq!(depot.get("part").unwrap().unwrap(), b"abc");
            depot
                .put_if("none", |to| {
                    to.write_all(b"half").unwrap();
                    Ok(false)
                })
                .unwrap();
            let failing = depot.put("none", |_| Err(Error::BadOptions("no".to_owned())));
            assert_eq!(failing.unwrap_err().to_string(), "no");
            assert_eq!(depot.get("none").unwrap(), None);
            depot.remove("work").unwrap();
            depot.remove("work").unwrap();
            assert!(names("work/a").is_empty() && names("") == ["new", "part"]);
            let lacking = depot.local("none").map(|local| std::fs::read(local.path()));
            assert!(lacking.is_err() || lacking.unwrap().is_err());
        }
    }

    #[test]
    fn what_is_longer_than_a_part_is_sent_in_parts() {
        let (_folder, [_, store]) = depots();
        for length in [PART - 1, PART, PART + 1, 3 * PART + 5] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            store.put_bytes("long", &[&bytes]).unwrap();
            assert!(store.get("long").unwrap().unwrap() == bytes, "{length}");
        }
    }
}
