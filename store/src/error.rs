//! What can go wrong with a store. No message holds a password: stores are named by their address without it.

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of opening, writing or reading a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text does not name a store.
    #[error("{shown}: {reason}")]
    BadAddress {
        /// What of the text can be shown.
        shown: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// Nothing lies where the store should.
    #[error("{store}: {reason}")]
    Missing {
        /// The store.
        store: String,
        /// What is not there, and what to do.
        reason: String,
    },
    /// Its tables are not those of this program.
    #[error("{store}: {reason}")]
    Schema {
        /// The store.
        store: String,
        /// Whether they are older, newer or foreign, and what to do.
        reason: String,
    },
    /// A score cannot be kept; none of those given with it was.
    #[error("score {place}: {field} is {found}, expected {expected}")]
    BadScore {
        /// Its place among those given, from 1.
        place: usize,
        /// What of it.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// The database refused, or could not be reached.
    #[error("{store}: failed to {action}: {source}")]
    Database {
        /// The store.
        store: String,
        /// What was tried, as a verb with its object.
        action: &'static str,
        /// The database's answer.
        source: sqlx::Error,
    },
}
