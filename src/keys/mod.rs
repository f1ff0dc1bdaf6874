//! API keys: who calls, and what they may do. Holds no HTTP and no log lines; the caller decides
//! what a refusal looks like from outside.
//!
//! A key is `rk_<id>_<secret>`. The `file` keeps its id, name, [`Scopes`] and the hash of its
//! secret; [`Keys`] is that file ready for look-ups; a [`KeyRing`] holds the [`Keys`] in force and
//! reads a changed file again; [`KeysCommand`] is `rekindle-server keys ...`, which edits it.

mod scope;
mod token;

mod file;
mod verify;

mod ring;

mod command;

pub use command::KeysCommand;
pub use file::KeysError;
pub use ring::KeyRing;
pub use scope::{Scope, Scopes};
pub use verify::{Caller, Keys, Refused, claimed_id};

#[cfg(test)]
mod tests;
