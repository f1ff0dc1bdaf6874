//! The key file: TOML with a version, read, checked, and written whole (temp file + rename). Holds
//! hashes of secrets, never a secret. Says nothing of which keys are in force now.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::scope::{Scope, Scopes};
use super::token::is_id;

/// The only version of the format so far.
const VERSION: u32 = 1;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read.
    #[error(
        "key file {}: {reason}; `rekindle-server keys create --keys FILE` makes one, and whoever \
         runs the service must be able to read it",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// It is read, and is not a sound key file.
    #[error("key file {}: {place}: found {found}, expected {expected}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, or the key.
        place: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
}

/// A key as the file has it, checked. No `Debug`: nothing shall print the hash by accident.
#[derive(Clone)]
pub(super) struct Record {
    pub id: String,
    pub name: String,
    pub scopes: Scopes,
    pub created: SystemTime,
    /// The first moment at which it is no longer taken.
    pub expires: Option<SystemTime>,
    pub revoked: Option<SystemTime>,
    /// The key that `keys rotate` made in its place.
    pub replaced_by: Option<String>,
    /// Requests a second, where they are not the service's default.
    pub per_second: Option<NonZeroU32>,
    pub hash: blake3::Hash,
}

/// How a record looks in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireKey {
    id: String,
    name: String,
    scopes: Vec<Scope>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_second: Option<NonZeroU32>,
    /// BLAKE3 of the secret, in hexadecimal.
    hash: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    version: u32,
    #[serde(default)]
    keys: Vec<WireKey>,
}

/// The text of a key file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn text(path: &Path) -> Result<String, KeysError> {
    fs::read_to_string(path)
        .map_err(|reason| KeysError::Unreadable { path: path.to_owned(), reason })
}

/// The keys of a text; `path` is for errors only.
///
/// # Errors
/// With the first place that is not sound. An error never repeats a line of the file.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Record>, KeysError> {
    let wrong = |place: String, found: String, expected: &str| KeysError::Wrong {
        path: path.to_owned(),
        place,
        found,
        expected: expected.to_owned(),
    };
    let wire: WireFile = toml::from_str(text).map_err(|e| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let place = format!("line {}", before.matches('\n').count() + 1);
        // `Display` of this error quotes the line, `message` does not.
        wrong(place, e.message().trim_end().to_owned(), "a key file as `keys create` writes it")
    })?;
    if wire.version != VERSION {
        let found = format!("version {}", wire.version);
        return Err(wrong("version".to_owned(), found, "version 1; use the program that wrote it"));
    }
    let mut records = Vec::with_capacity(wire.keys.len());
    let mut ids = HashSet::new();
    for (index, key) in wire.keys.into_iter().enumerate() {
        let place = format!("key {} ({})", index + 1, key.name.escape_debug());
        let record = record(key).map_err(|(found, expected)| wrong(place, found, expected))?;
        if !ids.insert(record.id.clone()) {
            let found = format!("id {} twice", record.id);
            return Err(wrong(format!("key {}", index + 1), found, "an id of its own; remove one"));
        }
        records.push(record);
    }
    Ok(records)
}

fn record(key: WireKey) -> Result<Record, (String, &'static str)> {
    let time = |text: String| {
        humantime::parse_rfc3339(&text)
            .map_err(|_| (format!("time {text:?}"), "UTC like 2027-01-31T00:00:00Z"))
    };
    let optional = |text: Option<String>| text.map(time).transpose();
    if !is_id(&key.id) {
        return Err((format!("id {:?}", key.id), "8 to 32 lower-case letters and digits"));
    }
    if !is_name(&key.name) {
        return Err((format!("name {:?}", key.name), NAME_RULE));
    }
    if key.scopes.is_empty() {
        return Err(("no scopes".to_owned(), "at least one of score, read, plan, admin"));
    }
    if key.replaced_by.as_deref().is_some_and(|id| !is_id(id)) {
        return Err((format!("replaced_by {:?}", key.replaced_by), "the id of a key"));
    }
    let hash = blake3::Hash::from_hex(&key.hash)
        .map_err(|_| ("another hash".to_owned(), "64 hexadecimal digits of BLAKE3"))?;
    Ok(Record {
        id: key.id,
        name: key.name,
        scopes: Scopes::of(&key.scopes),
        created: time(key.created)?,
        expires: optional(key.expires)?,
        revoked: optional(key.revoked)?,
        replaced_by: key.replaced_by,
        per_second: key.per_second,
        hash,
    })
}

/// What a name may be, for messages.
pub(super) const NAME_RULE: &str = "1 to 64 characters without line breaks";

/// Whether a text may be a key's name.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// RFC 3339 in UTC to the second, as in the file.
pub(super) fn shown(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn to_text(records: &[Record]) -> anyhow::Result<String> {
    let keys = records.iter().map(|record| WireKey {
        id: record.id.clone(),
        name: record.name.clone(),
        scopes: record.scopes.iter().collect(),
        created: shown(record.created),
        expires: record.expires.map(shown),
        revoked: record.revoked.map(shown),
        replaced_by: record.replaced_by.clone(),
        per_second: record.per_second,
        hash: record.hash.to_string(),
    });
    let wire = WireFile { version: VERSION, keys: keys.collect() };
    let body = toml::to_string(&wire).context("failed to write the keys as TOML")?;
    Ok(format!("# API keys of rekindle-server; edited by `rekindle-server keys`.\n{body}"))
}

/// Changes a key file, or makes it where there is none. `change` sees the keys that are there and
/// leaves those that shall be. Commands that run at the same time wait for each other, so that no
/// key is lost; they do so by a lock on `FILE.lock`, which stays, because the key file itself is
/// replaced and a lock on it would be one on the old file.
///
/// # Errors
/// When the file is damaged, cannot be read or written, or `change` refuses; the file is then as
/// it was.
pub(super) fn edit<T>(
    path: &Path,
    change: impl FnOnce(&mut Vec<Record>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // The file that a link stands for is replaced, not the link.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock = lock_file(path)?;
    lock.lock().with_context(|| format!("failed to lock {}", lock_path(path).display()))?;
    // Else a lock that root has made would keep the file's owner out.
    keep_access(path, &lock)?;
    let mut records = match path.exists() {
        true => parse(&text(path)?, path)?,
        false => Vec::new(),
    };
    let outcome = change(&mut records)?;
    write(path, &to_text(&records)?)
        .with_context(|| format!("failed to write the key file {}", path.display()))?;
    Ok(outcome)
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    let place = lock_path(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&place).with_context(|| {
        format!(
            "failed to open {}; its folder must be there and yours to write, and a lock file that \
             belongs to another user may be removed",
            place.display()
        )
    })
}

/// Readable for the owner alone (and the group, where the file already was): hashes give no key
/// away, but names and scopes tell who is worth attacking.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // `tempfile` makes files of mode 0600.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    keep_access(path, file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // Else a power cut could bring a revoked key back.
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Gives a new file the old one's owner, so that a service of another user still reads it after
/// root has added a key.
#[cfg(unix)]
fn keep_access(old: &Path, new: &File) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let Ok(old) = fs::metadata(old) else { return Ok(()) };
    let made = new.metadata()?;
    if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid())).with_context(|| {
            let (user, group) = (old.uid(), old.gid());
            format!("it belongs to user {user} and group {group}; run this as them, or as root")
        })?;
    }
    new.set_permissions(fs::Permissions::from_mode(0o600 | (old.mode() & 0o040)))?;
    Ok(())
}

#[cfg(not(unix))]
fn keep_access(_: &Path, _: &File) -> anyhow::Result<()> {
    Ok(())
}
