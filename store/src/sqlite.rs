//! A store in a SQLite file: many rows in one statement, all statements in one transaction.

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

use crate::schema::{self, Unready};
use crate::score::{COLUMNS, StoredScore, UPSERT, WIDTH};

/// Rows of a statement. SQLite takes 32,766 values at most; more rows a statement are not faster.
const ROWS: usize = 256;
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

/// Keeps all of these scores or, on an error, none.
pub async fn put(pool: &SqlitePool, scores: &[StoredScore]) -> sqlx::Result<()> {
    let mut all = pool.begin_with("BEGIN IMMEDIATE").await?;
    let whole = AssertSqlSafe(statement(ROWS)).into_sql_str();
    for chunk in scores.chunks(ROWS) {
        let query = match chunk.len() {
            ROWS => sqlx::query(whole.clone()),
            rows => sqlx::query(AssertSqlSafe(statement(rows))).persistent(false),
        };
        chunk.iter().fold(query, bind).execute(&mut *all).await?;
    }
    all.commit().await
}

fn statement(rows: usize) -> String {
    let row = format!("({})", ["?"; WIDTH].join(","));
    let rows = vec![row; rows].join(",");
    format!("INSERT INTO customer_scores ({COLUMNS}) VALUES {rows} {UPSERT}")
}

type Insert<'a> = Query<'a, Sqlite, SqliteArguments>;

fn bind<'a>(query: Insert<'a>, score: &'a StoredScore) -> Insert<'a> {
    query
        .bind(score.customer_id.as_str())
        .bind(score.model_name.as_str())
        .bind(i64::from(score.model_version))
        .bind(score.probability)
        .bind(i32::from(score.percentile))
        .bind(score.positive)
        .bind(score.lapse_tier.as_deref())
        .bind(score.lifecycle_stage.as_deref())
        .bind(score.grade.as_deref())
        .bind(score.cutoff.as_deref())
        .bind(score.scored_at_micros)
}
