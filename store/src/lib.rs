//! What is known of customers between runs, in a SQLite file or in PostgreSQL: for now each customer's latest score by
//! each model. Knows nothing of how scores are made, and reads no clock.
//!
//! ```no_run
//! # async fn example(scores: &[rekindle_store::StoredScore]) -> rekindle_store::Result<()> {
//! let store = rekindle_store::Store::open("customers.db").await?;
//! store.put_scores(scores).await?;
//! let latest = store.scores_of("C0000031").await?;
//! # let _ = latest;
//! store.close().await;
//! # Ok(())
//! # }
//! ```

mod error;

mod address;
mod cell;
mod schema;

mod postgres;
mod sqlite;

mod database;
mod store;

mod check;
mod score;

pub use error::{Error, Result};
pub use score::StoredScore;
pub use store::Store;
