//! Either database, asked in the same words: statements with `$1`, `$2`, ... that both understand. Knows no table.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Sqlite, SqlitePool};

use crate::cell::{Batch, Cell, Fields, Told, Written};
use crate::{postgres, sqlite};

/// Connections to a database.
#[derive(Clone)]
pub enum Pool {
    /// To a file.
    Sqlite(SqlitePool),
    /// To a server.
    Postgres(PgPool),
}

/// What is read or done together; undone where it is dropped before [`Transaction::commit`].
pub enum Transaction {
    /// In a file.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On a server.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Pool {
    /// Begins to write. In SQLite one writes at a time, and the others wait.
    pub async fn write(&self) -> sqlx::Result<Transaction> {
        Ok(match self {
            Pool::Sqlite(pool) => Transaction::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Begins to read: all statements see the same moment.
    pub async fn read(&self) -> sqlx::Result<Transaction> {
        const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(match self {
            Pool::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => Transaction::Postgres(pool.begin_with(MOMENT).await?),
        })
    }

    /// The rows of one statement.
    pub async fn fetch<T: Told>(&self, text: &str, cells: &[Cell<'_>]) -> sqlx::Result<Vec<T>> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Pool::Sqlite(pool) => {
                let query = cells.iter().fold(sqlx::query(text), |q, cell| sqlite::bind(q, *cell));
                let rows = query.fetch_all(pool).await?;
                rows.iter().map(|row| T::of(&mut Fields::from(row))).collect()
            }
            Pool::Postgres(pool) => {
                let query =
                    cells.iter().fold(sqlx::query(text), |q, cell| postgres::bind(q, *cell));
                let rows = query.fetch_all(pool).await?;
                rows.iter().map(|row| T::of(&mut Fields::from(row))).collect()
            }
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transaction {
    /// Runs a statement and says how many rows it wrote.
    pub async fn execute(&mut self, text: &str, cells: &[Cell<'_>]) -> sqlx::Result<u64> {
        let text = AssertSqlSafe(text.to_owned());
        Ok(match self {
            Transaction::Sqlite(all) => {
                let query = cells.iter().fold(sqlx::query(text), |q, cell| sqlite::bind(q, *cell));
                query.execute(&mut **all).await?.rows_affected()
            }
            Transaction::Postgres(all) => {
                let query =
                    cells.iter().fold(sqlx::query(text), |q, cell| postgres::bind(q, *cell));
                query.execute(&mut **all).await?.rows_affected()
            }
        })
    }

    /// The rows of a statement.
    pub async fn fetch<T: Told>(&mut self, text: &str, cells: &[Cell<'_>]) -> sqlx::Result<Vec<T>> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Transaction::Sqlite(all) => {
                let query = cells.iter().fold(sqlx::query(text), |q, cell| sqlite::bind(q, *cell));
                let rows = query.fetch_all(&mut **all).await?;
                rows.iter().map(|row| T::of(&mut Fields::from(row))).collect()
            }
            Transaction::Postgres(all) => {
                let query =
                    cells.iter().fold(sqlx::query(text), |q, cell| postgres::bind(q, *cell));
                let rows = query.fetch_all(&mut **all).await?;
                rows.iter().map(|row| T::of(&mut Fields::from(row))).collect()
            }
        }
    }

    /// Hands over the rows of a statement one by one, so that they need not lie in memory together.
    pub async fn each<T: Told>(
        &mut self,
        text: &str,
        cells: &[Cell<'_>],
        take: &mut (impl FnMut(T) + Send),
    ) -> sqlx::Result<()> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Transaction::Sqlite(all) => {
                let query = cells.iter().fold(sqlx::query(text), |q, cell| sqlite::bind(q, *cell));
                let mut rows = query.fetch(&mut **all);
                while let Some(row) = rows.try_next().await? {
                    take(T::of(&mut Fields::from(&row))?);
                }
            }
            Transaction::Postgres(all) => {
                let query =
                    cells.iter().fold(sqlx::query(text), |q, cell| postgres::bind(q, *cell));
                let mut rows = query.fetch(&mut **all);
                while let Some(row) = rows.try_next().await? {
                    take(T::of(&mut Fields::from(&row))?);
                }
            }
        }
        Ok(())
    }

    /// Puts rows into their table, none of which is there.
    pub async fn insert<T: Written>(&mut self, batch: &Batch<'_, T>) -> sqlx::Result<()> {
        match self {
            Transaction::Sqlite(all) => sqlite::insert(all, batch, "").await,
            Transaction::Postgres(all) => postgres::insert(all, batch).await,
        }
    }

    /// Puts rows, numbered from 0 in the column `place`, into the table beside their own, [`Table::incoming`], for
    /// statements to put them where they belong; [`Transaction::commit_staged`] takes it away.
    ///
    /// [`Table::incoming`]: crate::cell::Table::incoming
    pub async fn stage<T: Written>(&mut self, batch: &Batch<'_, T>) -> sqlx::Result<()> {
        match self {
            Transaction::Sqlite(all) => sqlite::stage(all, batch).await,
            Transaction::Postgres(all) => postgres::stage(all, batch).await,
        }
    }

    /// Takes away a table of [`Transaction::stage`] and makes all else last.
    pub async fn commit_staged(mut self, incoming: &str) -> sqlx::Result<()> {
        if let Transaction::Sqlite(all) = &mut self {
            sqlite::unstage(all, incoming).await?;
        }
        self.commit().await
    }

    /// Makes all of it last: when this returns, it is on disk.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Transaction::Sqlite(all) => all.commit().await,
            Transaction::Postgres(all) => all.commit().await,
        }
    }
}
