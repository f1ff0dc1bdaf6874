//! The store: what can be asked of it, whichever database it is.

use std::fmt;
use std::path::Path;

use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use crate::address::{Address, Place};
use crate::error::{Error, Result};
use crate::schema::Unready;
use crate::score::{COLUMNS, Row, StoredScore, of_row};
use crate::{postgres, sqlite};

/// What is known of customers between runs. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    shown: String,
    pool: Pool,
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
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

    /// Keeps scores: of each customer and model the newest, of equally new ones the last given. One that is older than
    /// what is kept changes nothing. All of them are kept or, on an error, none.
    ///
    /// # Errors
    /// When a score is out of range, or the database refuses.
    pub async fn put_scores(&self, scores: &[StoredScore]) -> Result<()> {
        scores.iter().enumerate().try_for_each(|(at, score)| score.check(at + 1))?;
        if scores.is_empty() {
            return Ok(());
        }
        let put = match &self.pool {
            Pool::Sqlite(pool) => sqlite::put(pool, scores).await,
            Pool::Postgres(pool) => postgres::put(pool, scores).await,
        };
        put.map_err(|source| self.failed("keep scores", source))
    }

    /// A customer's latest score by each model, in the order of the models' names; empty for a customer that is not
    /// known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn scores_of(&self, customer_id: &str) -> Result<Vec<StoredScore>> {
        let text = format!("SELECT {COLUMNS} FROM customer_scores WHERE customer_id = $1");
        let text = AssertSqlSafe(text);
        // PostgreSQL keeps no text with a NUL, and refuses to look for one.
        if customer_id.contains('\0') {
            return Ok(Vec::new());
        }
        let rows: sqlx::Result<Vec<Row>> = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(text).bind(customer_id).fetch_all(pool).await,
            Pool::Postgres(pool) => sqlx::query_as(text).bind(customer_id).fetch_all(pool).await,
        };
        let rows = rows.map_err(|source| self.failed("read scores", source))?;
        let scores: Option<Vec<StoredScore>> = rows.into_iter().map(of_row).collect();
        let mut scores = scores.ok_or_else(|| Error::Schema {
            store: self.shown.clone(),
            reason: "a score's number is out of range; another program wrote it".to_owned(),
        })?;
        // Here, not in SQL: the databases order text differently.
        scores.sort_by(|a, b| a.model_name.cmp(&b.model_name));
        Ok(scores)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        let answered = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query("SELECT 1").execute(pool).await.map(drop),
            Pool::Postgres(pool) => sqlx::query("SELECT 1").execute(pool).await.map(drop),
        };
        answered.map_err(|source| self.failed("reach it", source))
    }

    /// Ends all connections, those of clones too.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
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

    fn failed(&self, action: &'static str, source: sqlx::Error) -> Error {
        Error::Database { store: self.shown.clone(), action, source }
    }
}

impl fmt::Debug for Store {
    // The options of connections hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("shown", &self.shown).finish_non_exhaustive()
    }
}
