//! A store in a SQLite file: how rows go into it, many in one statement.

use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr, Sqlite};
use tokio::time::sleep;

use crate::cell::{Batch, Cell, Written};
use crate::schema::{self, Unready};

/// Rows of a statement. SQLite takes 32,766 values at most; more rows a statement are not faster.
const ROWS: usize = 256;
/// What a connection keeps of the file in memory: 64 MiB, as SQLite writes it.
const CACHE: &str = "-65536";
/// How long to wait for another program's transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two of so many tries, for as long.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES: u32 = 1_500;

/// How the file is opened; made where it may be and is not there.
pub fn options(file: &Path, create: bool) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(create)
        .busy_timeout(PATIENCE)
        // What was erased or replaced is overwritten, not only forgotten.
        .pragma("secure_delete", "ON")
        .pragma("cache_size", CACHE)
        .disable_statement_logging()
}

/// Connections that are made when they are needed.
pub fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options)
}

/// Takes the steps that the file lacks.
pub async fn bring_up_to_date(options: &SqliteConnectOptions) -> Result<(), Unready> {
    let mut connection = first_connection(options).await?;
    // SQLite has no lock for it but a transaction around all steps.
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
    schema::bring_up_to_date(&mut *all).await?;
    all.commit().await?;
    Ok(connection.close().await?)
}

/// A connection that has put the file into WAL mode, which it stays in: who reads does not wait for who writes. While
/// another program does the same SQLite refuses at once, whatever its timeout.
async fn first_connection(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    for _ in 1..TRIES {
        match options.connect().await {
            Err(sqlx::Error::Database(e)) if is_busy(&*e) => sleep(PAUSE).await,
            other => return other,
        }
    }
    options.connect().await
}

/// Whether another connection holds the file: the low byte of SQLite's code is 5 (`SQLITE_BUSY`).
fn is_busy(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// Whether the file has all steps.
pub async fn check(options: &SqliteConnectOptions) -> Result<(), Unready> {
    let mut connection = options.connect().await?;
    let table = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1";
    let table = sqlx::query(table).bind(schema::TABLE).fetch_optional(&mut connection).await?;
    schema::check(&mut connection, table.is_some()).await?;
    Ok(connection.close().await?)
}

/// Puts rows into their table; `conflict` says what of those that are there.
pub async fn insert<T: Written>(
    connection: &mut SqliteConnection,
    batch: &Batch<'_, T>,
    conflict: &str,
) -> sqlx::Result<()> {
    put(connection, batch, (batch.table.name, false), conflict).await
}

/// Puts rows, numbered from 0 in the column `place`, into a table beside their own; [`unstage`] takes it away.
pub async fn stage<T: Written>(
    connection: &mut SqliteConnection,
    batch: &Batch<'_, T>,
) -> sqlx::Result<()> {
    let (incoming, columns) = (batch.table.incoming(), batch.table.list());
    let make = format!(
        "CREATE TEMPORARY TABLE {incoming} AS SELECT {columns}, 0 AS place FROM {} LIMIT 0",
        batch.table.name
    );
    sqlx::query(AssertSqlSafe(make)).execute(&mut *connection).await?;
    put(connection, batch, (&incoming, true), "").await
}

/// Takes away what [`stage`] made.
pub async fn unstage(connection: &mut SqliteConnection, incoming: &str) -> sqlx::Result<()> {
    let text = format!("DROP TABLE temp.{incoming}");
    sqlx::query(AssertSqlSafe(text)).persistent(false).execute(connection).await.map(drop)
}

async fn put<T: Written>(
    connection: &mut SqliteConnection,
    batch: &Batch<'_, T>,
    (table, with_place): (&str, bool),
    conflict: &str,
) -> sqlx::Result<()> {
    let place = if with_place { ", place" } else { "" };
    let columns = format!("{}{place}", batch.table.list());
    let row = vec!["?"; batch.table.columns.len() + usize::from(with_place)].join(",");
    let statement = |rows: usize| {
        let rows = vec![format!("({row})"); rows].join(",");
        format!("INSERT INTO {table} ({columns}) VALUES {rows} {conflict}")
    };
    let whole = AssertSqlSafe(statement(ROWS)).into_sql_str();
    let mut cells = Vec::with_capacity(batch.table.columns.len());
    for first in (0..batch.rows.len()).step_by(ROWS) {
        let rows = first..(first + ROWS).min(batch.rows.len());
        let mut query = match rows.len() {
            ROWS => sqlx::query(whole.clone()),
            rows => sqlx::query(AssertSqlSafe(statement(rows))).persistent(false),
        };
        for row in rows {
            batch.fill(row, &mut cells);
            query = cells.iter().fold(query, |query, cell| bind(query, *cell));
            if with_place {
                query = query.bind(row as i64);
            }
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// A statement with one more value.
pub fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    cell: Cell<'q>,
) -> Query<'q, Sqlite, SqliteArguments> {
    match cell {
        Cell::Text(text) => query.bind(text),
        Cell::MaybeText(text) => query.bind(text),
        Cell::Whole(number) => query.bind(number),
        Cell::Number(number) => query.bind(number),
        Cell::MaybeNumber(number) => query.bind(number),
        Cell::Truth(truth) => query.bind(truth),
    }
}
