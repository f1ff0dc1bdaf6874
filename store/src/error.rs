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
    /// A row cannot be kept; none of those given with it was.
    #[error("{noun} {place}: {field} is {found}, expected {expected}")]
    BadRow {
        /// What it is: a score, a decision, an outcome.
        noun: &'static str,
        /// Its place among those given, from 1.
        place: usize,
        /// What of it.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A row that is kept came again as another; none of those given with it was kept.
    #[error(
        "{noun} {place} ({id}): {field} is {found}, but {kept} where it is kept; expected the same: \
         one that is another needs a key of its own"
    )]
    Differs {
        /// What it is: a contact, an outcome.
        noun: &'static str,
        /// Its place among those given, from 1.
        place: usize,
        /// What it is known by.
        id: String,
        /// What of it.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What is kept.
        kept: String,
    },
    /// There is no such campaign.
    #[error("{store}: no campaign {campaign:?}; make it first")]
    NoCampaign {
        /// The store.
        store: String,
        /// The id that was asked for.
        campaign: String,
    },
    /// There is such a campaign already.
    #[error("{store}: there is a campaign {campaign:?} already; expected an id that is new")]
    CampaignExists {
        /// The store.
        store: String,
        /// Its id.
        campaign: String,
    },
    /// A campaign goes from draft to running to finished, and not back.
    #[error("{store}: campaign {campaign:?} is {from} and cannot become {to}")]
    CampaignState {
        /// The store.
        store: String,
        /// Its id.
        campaign: String,
        /// What it is.
        from: &'static str,
        /// What it was to become.
        to: &'static str,
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
