//! Either database, for a test to run in, and what lies in it.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// Runs a test in a new SQLite file, then in a new database of PostgreSQL.
pub fn in_both<F: Future<Output = ()>>(test: impl Fn(String) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(test(folder.path().join("customers.db").display().to_string()));
    let Ok(server) = std::env::var("REKINDLE_TEST_POSTGRES") else {
        println!(
            "SKIPPED in PostgreSQL: REKINDLE_TEST_POSTGRES is not set; checks/postgres sets it"
        );
        return;
    };
    static MADE: AtomicU32 = AtomicU32::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("rekindle_test_{}_{made}", std::process::id());
    let on_server = |text: String| async {
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    runtime.block_on(on_server(format!("CREATE DATABASE {name}")));
    let (front, _) = server.rsplit_once('/').unwrap();
    runtime.block_on(test(format!("{front}/{name}")));
    runtime.block_on(on_server(format!("DROP DATABASE {name} WITH (FORCE)")));
}

/// Runs a statement as another program would.
pub async fn statement(address: &str, text: &str) {
    let text = AssertSqlSafe(text.to_owned());
    match address.starts_with("postgres") {
        true => {
            let mut connection = PgConnection::connect(address).await.unwrap();
            sqlx::query(text).execute(&mut connection).await.unwrap();
        }
        false => {
            let url = format!("sqlite:{address}");
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(text).execute(&mut connection).await.unwrap();
        }
    }
}

/// The texts of a statement's first column, as another program reads them.
pub async fn texts(address: &str, text: &str) -> Vec<String> {
    let text = AssertSqlSafe(text.to_owned());
    match address.starts_with("postgres") {
        true => {
            let mut connection = PgConnection::connect(address).await.unwrap();
            sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap()
        }
        false => {
            let url = format!("sqlite:{address}");
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap()
        }
    }
}

/// Every row of every table, each behind its table's name, in no order.
pub async fn dump(address: &str) -> Vec<String> {
    let is_postgres = address.starts_with("postgres");
    let tables = match is_postgres {
        true => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
        false => "SELECT name FROM sqlite_master WHERE type = 'table'",
    };
    let mut rows = Vec::new();
    for table in texts(address, tables).await {
        let row = match is_postgres {
            true => "t::text".to_owned(),
            false => {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let columns = texts(address, &columns).await;
                let columns: Vec<String> = columns.iter().map(|c| format!("quote({c})")).collect();
                columns.join(" || ',' || ")
            }
        };
        let all = texts(address, &format!("SELECT {row} FROM {table} AS t")).await;
        rows.extend(all.into_iter().map(|row| format!("{table}: {row}")));
    }
    rows
}
