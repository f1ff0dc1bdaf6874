//! The Rekindle service: customers in as JSON, scores out, over HTTP. A request is parsed straight
//! into a model's rows and scored by the same [`rekindle_models::scorer::Scorer`] as the command
//! line uses.
//!
//! In reading order: [`settings`] are validated, [`startup`] loads the registry's models and binds
//! the address, `routes` answer requests through `payload`, and `error` is the one place where
//! errors become replies.

pub mod cli;
pub mod settings;
pub mod telemetry;

pub mod startup;

mod routes;

mod events;
mod payload;
mod values;

pub mod audit;
pub mod keys;
pub mod rates;
pub mod tls;

mod counters;
mod error;
mod fields;
mod model;
mod registry;
mod state;
