//! What is known of customers between runs, in a SQLite file or in PostgreSQL: scores and states with their
//! history, newest events, campaigns with their decisions, contacts and outcomes. Knows nothing of how any of it is made, and reads no clock.
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

mod past_score;
mod reason;
mod revision;
mod score;

mod event;

mod decision;
mod delivery;

mod campaign;

mod contact;
mod outcome;
mod record;
mod tally;
mod trial;

mod customer;
mod customer_state;
mod population;

pub use campaign::{Campaign, CampaignState, NewCampaign};
pub use contact::Contact;
pub use customer::{Customer, Erased, InCampaign};
pub use customer_state::{CustomerState, NextOrder, PutStates, StateSpan};
pub use decision::{Choice, Decision};
pub use delivery::{Delivery, DeliveryState};
pub use error::{Error, Result};
pub use event::StoredEvent;
pub use outcome::Outcome;
pub use past_score::PastScore;
pub use population::{PersonAdvice, PersonRow, PersonScore, PersonState};
pub use reason::StoredReason;
pub use record::Recorded;
pub use revision::Revisions;
pub use score::StoredScore;
pub use store::Store;
pub use tally::{Tally, TallyLine};
pub use trial::{Counted, Trial};
