//! The tables of a store, step by step: each file of `migrations/` runs once, in a transaction, and never changes.

use sqlx::SqlSafeStr;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType};

/// Where a database keeps which steps it has: a name of our own, for other programs may keep theirs beside it.
pub const TABLE: &str = "rekindle_migrations";

/// Why a database is not ready.
pub enum Unready {
    /// Its tables are not those of this program: what they are, and what to do.
    Tables(String),
    /// It failed.
    Database(sqlx::Error),
}

/// Takes the steps that a database lacks. Of two programs that do so at once, the second waits.
pub async fn bring_up_to_date<C: Migrate>(connection: &mut C) -> Result<(), Unready> {
    connection.lock().await?;
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    let missing = missing_steps(&applied).map_err(Unready::Tables)?;
    for step in &missing {
        connection.apply(TABLE, step).await?;
    }
    Ok(connection.unlock().await?)
}

/// Whether a database has all steps and no others, where its table of steps is there.
pub async fn check<C: Migrate>(connection: &mut C, table_is_there: bool) -> Result<(), Unready> {
    let applied = match table_is_there {
        true => connection.list_applied_migrations(TABLE).await?,
        false => Vec::new(),
    };
    match missing_steps(&applied).map_err(Unready::Tables)?.is_empty() {
        true => Ok(()),
        false => Err(Unready::Tables(
            "its tables are not there or older than this program; `rekindle score ... --store` \
             brings them up to date"
                .to_owned(),
        )),
    }
}

fn steps() -> Vec<Migration> {
    let step = |version, name: &'static str, text: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    vec![
        step(1, "customer scores", include_str!("../migrations/0001_customer_scores.sql")),
        step(2, "campaigns", include_str!("../migrations/0002_campaigns.sql")),
        step(3, "customer states", include_str!("../migrations/0003_customer_states.sql")),
        step(4, "deliveries", include_str!("../migrations/0004_deliveries.sql")),
        step(5, "pages", include_str!("../migrations/0005_pages.sql")),
    ]
}

/// The steps that are not applied, or why those that are cannot be gone on from.
fn missing_steps(applied: &[AppliedMigration]) -> Result<Vec<Migration>, String> {
    let steps = steps();
    for applied in applied {
        match steps.iter().find(|step| step.version == applied.version) {
            None => {
                return Err(format!(
                    "its tables are newer: step {} is not known to this program; update Rekindle",
                    applied.version
                ));
            }
            Some(step) if step.checksum != applied.checksum => {
                return Err(format!(
                    "its tables are not those of a released Rekindle: step {} differs; use another \
                     database",
                    step.version
                ));
            }
            Some(_) => {}
        }
    }
    let is_applied = |step: &Migration| applied.iter().any(|a| a.version == step.version);
    Ok(steps.into_iter().filter(|step| !is_applied(step)).collect())
}

impl From<MigrateError> for Unready {
    fn from(error: MigrateError) -> Unready {
        Unready::Database(match error {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => source,
            other => other.into(),
        })
    }
}

impl From<sqlx::Error> for Unready {
    fn from(error: sqlx::Error) -> Unready {
        Unready::Database(error)
    }
}
