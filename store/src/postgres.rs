//! A store in PostgreSQL: rows go by COPY into a table of the transaction, and from there where they belong.

use std::fmt::Write;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::time::timeout;

use crate::schema::{self, Unready};
use crate::score::{COLUMNS, StoredScore, UPSERT};

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

/// Keeps all of these scores or, on an error, none.
pub async fn put(pool: &PgPool, scores: &[StoredScore]) -> sqlx::Result<()> {
    let mut all = pool.begin().await?;
    let table = "CREATE TEMPORARY TABLE incoming_scores (LIKE customer_scores, place BIGINT NOT NULL) ON COMMIT DROP";
    sqlx::query(table).execute(&mut *all).await?;
    let statement = format!("COPY incoming_scores ({COLUMNS}, place) FROM STDIN");
    let mut copy = all.copy_in_raw(&statement).await?;
    let mut text = String::with_capacity(MESSAGE + MESSAGE / 8);
    for (place, score) in scores.iter().enumerate() {
        write_line(&mut text, place, score);
        if text.len() >= MESSAGE {
            copy.send(text.as_bytes()).await?;
            text.clear();
        }
    }
    copy.send(text.as_bytes()).await?;
    copy.finish().await?;
    // A statement may change a row once: of a customer's scores by a model the newest is taken, of equally new ones
    // the last given. In the order of the key, so that two programs that write at once wait for each other, not in a ring.
    let insert = format!(
        "INSERT INTO customer_scores ({COLUMNS}) \
         SELECT DISTINCT ON (customer_id, model_name) {COLUMNS} FROM incoming_scores \
         ORDER BY customer_id, model_name, scored_at_micros DESC, place DESC {UPSERT}"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&mut *all).await?;
    all.commit().await
}

/// A line of COPY's text format. Numbers are the shortest text that reads back to the same bits.
fn write_line(text: &mut String, place: usize, score: &StoredScore) {
    write_text(text, Some(&score.customer_id));
    write_text(text, Some(&score.model_name));
    let (version, probability) = (score.model_version, score.probability);
    let (percentile, positive) = (score.percentile, score.positive);
    write!(text, "{version}\t{probability}\t{percentile}\t{positive}\t").expect("a string grows");
    for optional in [&score.lapse_tier, &score.lifecycle_stage, &score.grade, &score.cutoff] {
        write_text(text, optional.as_deref());
    }
    writeln!(text, "{}\t{place}", score.scored_at_micros).expect("a string grows");
}

/// A field and its end; `\N` is none.
fn write_text(text: &mut String, field: Option<&str>) {
    match field {
        None => text.push_str("\\N"),
        Some(field) => field.chars().for_each(|c| match c {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }),
    }
    text.push('\t');
}
