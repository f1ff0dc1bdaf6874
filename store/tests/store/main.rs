//! A store from the outside: the same tests in a SQLite file and, where `REKINDLE_TEST_POSTGRES` holds the address of a
//! server that databases may be made on, in PostgreSQL. `checks/postgres cargo test -p rekindle-store` runs both.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod both;
mod campaigns;
mod deliveries;
mod erasure;
mod events;
mod killed;
mod migrations;
mod population;
mod revisions;
mod scores;
mod states;
