//! Sessions of browsers: begun with a key, over after some hours, when somebody signs out, or with the key. They live in
//! memory: a restart signs everybody out.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::ApiError;

/// How long a session lasts: a day's work.
pub const LASTS: Duration = Duration::from_secs(8 * 3_600);
/// Most sessions of a key at a time; its oldest one ends when another begins.
const MOST: usize = 200;

/// The sessions there are. Tokens are kept as hashes: who reads the memory of one cannot go on with it.
pub struct Sessions {
    by_token: Mutex<HashMap<blake3::Hash, Session>>,
    /// Stands in forms of visitors without a session, where there are no keys.
    unsigned: Arc<str>,
}

/// A browser that has shown a key.
#[derive(Debug, Clone)]
pub struct Session {
    /// The key's id.
    pub key_id: Arc<str>,
    /// What forms of this session carry, and no other page knows.
    pub form_token: Arc<str>,
    ends: SystemTime,
}

impl Sessions {
    /// No session yet.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn new() -> Result<Sessions, getrandom::Error> {
        Ok(Sessions { by_token: Mutex::default(), unsigned: drawn()?.into() })
    }

    /// Begins a session and says its token, for the browser alone.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn begin(&self, key_id: &Arc<str>, now: SystemTime) -> Result<String, ApiError> {
        let failed = |error: getrandom::Error| ApiError::Internal { reason: error.to_string() };
        let (token, form_token) = (drawn().map_err(failed)?, drawn().map_err(failed)?);
        let session = Session {
            key_id: Arc::clone(key_id),
            form_token: form_token.into(),
            ends: now + LASTS,
        };
        let mut sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.ends > now);
        let own = || sessions.iter().filter(|(_, session)| session.key_id == *key_id);
        let oldest = own().min_by_key(|(_, session)| session.ends).map(|(hash, _)| *hash);
        if let Some(oldest) = oldest.filter(|_| own().count() >= MOST) {
            sessions.remove(&oldest);
        }
        sessions.insert(blake3::hash(token.as_bytes()), session);
        Ok(token)
    }

    /// The session of a token, where it is not over.
    pub fn find(&self, token: &str, now: SystemTime) -> Option<Session> {
        let sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&blake3::hash(token.as_bytes())).filter(|session| session.ends > now).cloned()
    }

    /// Ends a session.
    pub fn end(&self, token: &str) {
        let mut sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&blake3::hash(token.as_bytes()));
    }

    /// What forms carry where there is no session.
    pub fn unsigned(&self) -> Arc<str> {
        Arc::clone(&self.unsigned)
    }
}

/// 256 random bits as text.
///
/// # Errors
/// When the operating system gives none.
pub fn drawn() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(64);
    bytes.iter().for_each(|byte| write!(text, "{byte:02x}").expect("a text takes every write"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_time_and_by_signing_out_and_is_no_other_one() {
        let sessions = Sessions::new().unwrap();
        let (now, key) = (SystemTime::UNIX_EPOCH + LASTS, Arc::from("abcdef12"));
        let (one, two) = (sessions.begin(&key, now).unwrap(), sessions.begin(&key, now).unwrap());
        assert_ne!(one, two);
        let found = sessions.find(&one, now).unwrap();
        assert_eq!(&*found.key_id, "abcdef12");
        assert_ne!(found.form_token, sessions.find(&two, now).unwrap().form_token);
        assert!(sessions.find(&one, now + LASTS).is_none());
        assert!(sessions.find("", now).is_none() && sessions.find(&one[1..], now).is_none());
        sessions.end(&one);
        assert!(sessions.find(&one, now).is_none() && sessions.find(&two, now).is_some());
    }

    #[test]
    fn sessions_do_not_grow_without_end() {
        let sessions = Sessions::new().unwrap();
        let (key, other) = (Arc::from("abcdef12"), Arc::from("abcdef13"));
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let first = sessions.begin(&key, at(0)).unwrap();
        let others = sessions.begin(&other, at(0)).unwrap();
        (1..=MOST as u64)
            .for_each(|number| drop(sessions.begin(&key, at(1 + number / 10)).unwrap()));
        assert!(sessions.find(&first, at(1)).is_none());
        assert!(sessions.find(&others, at(1)).is_some(), "a key ends its own sessions alone");
        assert_eq!(sessions.by_token.lock().unwrap().len(), MOST + 1);
    }
}
