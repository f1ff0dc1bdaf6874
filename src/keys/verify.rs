//! From a token to its caller. Reads no file and no clock.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::file::{self, KeysError, Record};
use super::scope::{Scope, Scopes};
use super::token;

/// The keys of a file, by id. Their `Debug` form is a count.
pub struct Keys {
    by_id: HashMap<Arc<str>, Key>,
}

struct Key {
    caller: Caller,
    expires: Option<SystemTime>,
    revoked: bool,
    hash: blake3::Hash,
}

/// Who calls. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The public part of its key: for logs, audit and rate limits.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// What it may do.
    pub scopes: Scopes,
    /// Requests a second, where they are not the service's default.
    pub per_second: Option<NonZeroU32>,
}

impl Caller {
    /// Whether it may do what `scope` stands for.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.allows(scope)
    }
}

/// Why a token is not taken. For the log: a client that is told which of these it was learns which
/// keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not of a token's form.
    Malformed,
    /// No such id, or another secret.
    Unknown,
    /// The right secret of a key whose time is over.
    Expired,
    /// The right secret of a key that was withdrawn.
    Revoked,
}

impl Refused {
    /// Its word in the log and in counts.
    pub fn word(self) -> &'static str {
        match self {
            Refused::Malformed => "malformed",
            Refused::Unknown => "unknown",
            Refused::Expired => "expired",
            Refused::Revoked => "revoked",
        }
    }
}

impl Keys {
    /// Reads the text of a key file; `path` is for errors only.
    ///
    /// # Errors
    /// With the first place that is not sound.
    pub fn parse(text: &str, path: &Path) -> Result<Keys, KeysError> {
        let keys = file::parse(text, path)?.into_iter().map(Key::from);
        Ok(Keys { by_id: keys.map(|key| (key.caller.id.clone(), key)).collect() })
    }

    /// Who sent a token at `now`: the key's caller where the secret is right, `now` lies before
    /// its `expires`, and it is not revoked.
    ///
    /// Allocates nothing. An id that does not exist costs the hash and the comparison that one
    /// that exists costs, so that time does not tell which ids there are; the comparison takes the
    /// same time wherever two hashes differ (`blake3::Hash` promises it).
    ///
    /// # Errors
    /// [`Refused`]; `Expired` and `Revoked` only to those who have the secret.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Caller, Refused> {
        const NOBODY: blake3::Hash = blake3::Hash::from_bytes([0; 32]);
        let (id, secret) = token::split(token).ok_or(Refused::Malformed)?;
        let found = self.by_id.get(id);
        let same = token::hash(secret) == found.map_or(NOBODY, |key| key.hash);
        match found {
            Some(key) if same && key.revoked => Err(Refused::Revoked),
            Some(key) if same && key.expires.is_some_and(|end| now >= end) => Err(Refused::Expired),
            Some(key) if same => Ok(key.caller.clone()),
            _ => Err(Refused::Unknown),
        }
    }

    /// Whose key an id is, where it is in force at `now`.
    pub fn in_force(&self, id: &str, now: SystemTime) -> Option<Caller> {
        let key = self.by_id.get(id)?;
        let over = key.revoked || key.expires.is_some_and(|end| now >= end);
        (!over).then(|| key.caller.clone())
    }

    /// How many keys there are, in force or not.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.len())
    }
}

/// The id that a token names, right or not: for the log line of a refusal. It is plain text of at
/// most 32 letters and digits, and holds nothing of the secret.
pub fn claimed_id(token: &str) -> Option<&str> {
    token::split(token).map(|(id, _)| id)
}

impl From<Record> for Key {
    fn from(record: Record) -> Key {
        Key {
            caller: Caller {
                id: record.id.into(),
                name: record.name.into(),
                scopes: record.scopes,
                per_second: record.per_second,
            },
            expires: record.expires,
            revoked: record.revoked.is_some(),
            hash: record.hash,
        }
    }
}
