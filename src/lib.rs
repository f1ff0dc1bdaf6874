//! The Rekindle service: customers in, scores out, over HTTP. A request is parsed straight into a model's rows and
//! scored by the same [`rekindle_models::scorer::Scorer`] as the command line uses.
//!
//! In reading order: [`settings`] are validated, [`startup`] loads the registry's models and binds the address,
//! `telemetry` and `gate` stand around every request, `routes` answer it through a reader of its form (`payload`, `table`,
//! `tensors`, `rows`, `events`) and the one `scoring`, and `error` is the one place where errors become replies.

pub mod cli;
pub mod settings;
pub mod telemetry;

pub mod startup;

mod gate;
mod pages;
mod routes;

mod batch;
mod scoring;

mod campaigns;
mod conduct;
mod customers;
mod effects;
mod events;
mod figures;
mod payload;
mod plans;
mod population;
mod rollouts;
mod rows;
mod scored_file;
mod submitted;
mod table;
mod tensors;
mod values;

pub mod audit;
pub mod keys;
pub mod rates;
pub mod tls;

mod background;
mod counters;
mod deliveries;
mod error;
mod faults;
mod fields;
mod heavy;
mod kept;
mod kept_files;
mod lag;
mod looks;
mod memory;
mod model;
mod pace;
mod people;
mod registry;
mod sessions;
mod spans;
mod spreadsheet;
mod state;
mod webhooks;
