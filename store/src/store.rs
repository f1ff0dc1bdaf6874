//! The store: opened, reached, closed. What can be asked of it stands with what it holds: scores, campaigns, customers.

use std::fmt;
use std::path::Path;

use crate::address::{Address, Place};
use crate::cell::{Cell, Told};
use crate::database::{Pool, Transaction};
use crate::error::{Error, Result};
use crate::schema::Unready;
use crate::{postgres, sqlite};

/// What is known of customers between runs. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    shown: String,
    pool: Pool,
}

impl Store {
    /// A store that may be new, by its address: `sqlite:FILE`, a path that ends in `.db`, `.sqlite` or `.sqlite3`, or
    /// `postgres://USER@HOST/DATABASE`. Tables that are not there are made; older ones are brought up to date.
    ///
    /// # Errors
    /// When the address names no store, the database cannot be reached, or its tables are newer than this program.
    pub async fn open(address: &str) -> Result<Store> {
        let Address { shown, place } = Address::parse(address)?;
        let (pool, ready) = match place {
            Place::Sqlite(file) => {
                if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty())
                    && !folder.is_dir()
                {
                    let reason = format!("no folder {}; make it first", folder.display());
                    return Err(Error::Missing { store: shown, reason });
                }
                let options = sqlite::options(&file, true);
                let ready = sqlite::bring_up_to_date(&options).await;
                (Pool::Sqlite(sqlite::pool(options)), ready)
            }
            Place::Postgres(options) => {
                let ready = postgres::bring_up_to_date(&options).await;
                (Pool::Postgres(postgres::pool(*options)), ready)
            }
        };
        Store::ready(shown, pool, ready)
    }

    /// A store that is there with all its tables; nothing is made or changed.
    ///
    /// # Errors
    /// As [`Store::open`], and when there is no such file or a table is not as this program has it.
    pub async fn open_existing(address: &str) -> Result<Store> {
        let Address { shown, place } = Address::parse(address)?;
        let (pool, ready) = match place {
            Place::Sqlite(file) => {
                if !Path::is_file(&file) {
                    let reason = "no such file; `rekindle score ... --store` makes it".to_owned();
                    return Err(Error::Missing { store: shown, reason });
                }
                let options = sqlite::options(&file, false);
                let ready = sqlite::check(&options).await;
                (Pool::Sqlite(sqlite::pool(options)), ready)
            }
            Place::Postgres(options) => {
                let ready = postgres::check(&options).await;
                (Pool::Postgres(postgres::pool(*options)), ready)
            }
        };
        Store::ready(shown, pool, ready)
    }

    /// The address as it may be shown: without its password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        self.read::<i64>("reach it", "SELECT CAST(1 AS BIGINT)", &[]).await.map(drop)
    }

    /// Ends all connections, those of clones too.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Empties SQLite's log into its file, so that it holds no copy of what was erased; whether it could.
    pub(crate) async fn empty_log(&self) -> Result<bool> {
        match &self.pool {
            Pool::Sqlite(_) => {
                let text = "PRAGMA wal_checkpoint(TRUNCATE)";
                let busy: Vec<i64> = self.read("empty its log", text, &[]).await?;
                Ok(busy == [0])
            }
            Pool::Postgres(_) => Ok(true),
        }
    }

    /// Begins to write.
    pub(crate) async fn write(&self, action: &'static str) -> Result<Transaction> {
        self.pool.write().await.map_err(|source| self.failed(action, source))
    }

    /// Begins to read several things as they are at one moment.
    pub(crate) async fn moment(&self, action: &'static str) -> Result<Transaction> {
        self.pool.read().await.map_err(|source| self.failed(action, source))
    }

    /// Reads the rows of one statement.
    pub(crate) async fn read<T: Told>(
        &self,
        action: &'static str,
        text: &str,
        cells: &[Cell<'_>],
    ) -> Result<Vec<T>> {
        self.pool.fetch(text, cells).await.map_err(|source| self.failed(action, source))
    }

    fn ready(store: String, pool: Pool, ready: std::result::Result<(), Unready>) -> Result<Store> {
        match ready {
            Ok(()) => Ok(Store { shown: store, pool }),
            Err(Unready::Tables(reason)) => Err(Error::Schema { store, reason }),
            Err(Unready::Database(source)) => {
                Err(Error::Database { store, action: "open it", source })
            }
        }
    }

    /// The database's answer, with what was tried.
    pub(crate) fn failed(&self, action: &'static str, source: sqlx::Error) -> Error {
        Error::Database { store: self.shown.clone(), action, source }
    }
}

impl fmt::Debug for Store {
    // The options of connections hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("shown", &self.shown).finish_non_exhaustive()
    }
}
