//! A store in PostgreSQL: how rows go into it, by COPY.

use std::fmt::Write;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Postgres};
use tokio::time::timeout;

use crate::cell::{Batch, Cell, Written};
use crate::schema::{self, Unready};

/// How long to wait for the server.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a message.
const MESSAGE: usize = 1 << 20;

/// Connections that are made when they are needed.
pub fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE).connect_lazy_with(options)
}

/// Takes the steps that the database lacks.
pub async fn bring_up_to_date(options: &PgConnectOptions) -> Result<(), Unready> {
    let mut connection = connect(options).await?;
    schema::bring_up_to_date(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Whether the database has all steps.
pub async fn check(options: &PgConnectOptions) -> Result<(), Unready> {
    let mut connection = connect(options).await?;
    let table = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(schema::TABLE);
    let is_there: bool = table.fetch_one(&mut connection).await?;
    schema::check(&mut connection, is_there).await?;
    Ok(connection.close().await?)
}

/// A pool tries again until its time is up and does not say why it could not connect; this does.
async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    timeout(PATIENCE, options.connect()).await.unwrap_or_else(|_| {
        let why = format!("the server did not answer within {} s", PATIENCE.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
    })
}

/// Puts rows into their table, where none of them is yet.
pub async fn insert<T: Written>(
    connection: &mut PgConnection,
    batch: &Batch<'_, T>,
) -> sqlx::Result<()> {
    let statement = format!("COPY {} ({}) FROM STDIN", batch.table.name, batch.table.list());
    copy(connection, &statement, batch, false).await
}

/// Puts rows, numbered from 0 in the column `place`, into a table beside their own that is gone with the transaction.
pub async fn stage<T: Written>(
    connection: &mut PgConnection,
    batch: &Batch<'_, T>,
) -> sqlx::Result<()> {
    let (incoming, table) = (batch.table.incoming(), batch.table.name);
    let make = format!(
        "CREATE TEMPORARY TABLE {incoming} (LIKE {table}, place BIGINT NOT NULL) ON COMMIT DROP"
    );
    sqlx::query(AssertSqlSafe(make)).execute(&mut *connection).await?;
    let statement = format!("COPY {incoming} ({}, place) FROM STDIN", batch.table.list());
    copy(connection, &statement, batch, true).await?;
    // Nobody else will look at what it holds before it is used.
    sqlx::query(AssertSqlSafe(format!("ANALYZE {incoming}"))).execute(connection).await.map(drop)
}

async fn copy<T: Written>(
    connection: &mut PgConnection,
    statement: &str,
    batch: &Batch<'_, T>,
    with_place: bool,
) -> sqlx::Result<()> {
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut text = String::with_capacity(MESSAGE + MESSAGE / 8);
    let mut cells = Vec::with_capacity(batch.table.columns.len());
    for row in 0..batch.rows.len() {
        batch.fill(row, &mut cells);
        cells.iter().for_each(|cell| write_cell(&mut text, *cell));
        match with_place {
            true => writeln!(text, "{row}").expect("a string grows"),
            // Each cell ends with a tab, the last with the line.
            false => text.replace_range(text.len() - 1.., "\n"),
        }
        if text.len() >= MESSAGE {
            copy.send(text.as_bytes()).await?;
            text.clear();
        }
    }
    copy.send(text.as_bytes()).await?;
    copy.finish().await.map(drop)
}

/// A value and a tab, in COPY's text format. Numbers are the shortest text that reads back to the same bits.
fn write_cell(text: &mut String, cell: Cell<'_>) {
    match cell {
        Cell::Text(field) | Cell::MaybeText(Some(field)) => write_text(text, field),
        Cell::Whole(number) => {
            write!(text, "{number}").expect("a string grows");
        }
        Cell::Number(number) | Cell::MaybeNumber(Some(number)) => {
            write!(text, "{number}").expect("a string grows");
        }
        Cell::Truth(truth) => text.push_str(if truth { "t" } else { "f" }),
        Cell::MaybeText(None) | Cell::MaybeNumber(None) => {
            text.push_str("\\N");
        }
    }
    text.push('\t');
}

fn write_text(text: &mut String, field: &str) {
    if !field.contains(['\\', '\t', '\n', '\r']) {
        return text.push_str(field);
    }
    field.chars().for_each(|c| match c {
        '\\' => text.push_str("\\\\"),
        '\t' => text.push_str("\\t"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        c => text.push(c),
    });
}

/// A statement with one more value.
pub fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    cell: Cell<'q>,
) -> Query<'q, Postgres, PgArguments> {
    match cell {
        Cell::Text(text) => query.bind(text),
        Cell::MaybeText(text) => query.bind(text),
        Cell::Whole(number) => query.bind(number),
        Cell::Number(number) => query.bind(number),
        Cell::MaybeNumber(number) => query.bind(number),
        Cell::Truth(truth) => query.bind(truth),
    }
}
