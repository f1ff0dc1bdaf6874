//! How often what is kept has been written to, so that who holds a copy sees cheaply that it is old.

use crate::cell::misfit;
use crate::database::Transaction;
use crate::error::Result;
use crate::store::Store;

/// How often what is kept has been written to. Only whether a number is another than before means something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Scores and states.
    pub customers: i64,
    /// Campaigns and their decisions.
    pub campaigns: i64,
    /// Contacts and outcomes.
    pub records: i64,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Noun {
    Customers,
    Campaigns,
    Records,
}

impl Noun {
    fn text(self) -> &'static str {
        match self {
            Noun::Customers => "customers",
            Noun::Campaigns => "campaigns",
            Noun::Records => "records",
        }
    }
}

impl Store {
    /// How often what is kept has been written to: two answers that are the same say that nothing changed
    /// between them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn revisions(&self) -> Result<Revisions> {
        const ACTION: &str = "read what has changed";
        let rows: Vec<(String, i64)> =
            self.read(ACTION, "SELECT noun, revision FROM revisions", &[]).await?;
        let of = |noun: Noun| {
            let found = rows.iter().find(|(name, _)| name == noun.text());
            let missing = || self.failed(ACTION, misfit("revisions", &"without its rows"));
            found.map(|(_, revision)| *revision).ok_or_else(missing)
        };
        Ok(Revisions {
            customers: of(Noun::Customers)?,
            campaigns: of(Noun::Campaigns)?,
            records: of(Noun::Records)?,
        })
    }
}

/// Counts a change. Last before the commit, for others wait from here on; of several nouns, in their order, so that two
/// programs that write at once wait for each other, not in a ring.
pub(crate) async fn raise(all: &mut Transaction, noun: Noun) -> sqlx::Result<()> {
    let text =
        format!("UPDATE revisions SET revision = revision + 1 WHERE noun = '{}'", noun.text());
    all.execute(&text, &[]).await.map(drop)
}
