//! The handlers, one noun each. The table of URLs is in `startup.rs`.

pub mod events;
pub mod health;
pub mod metrics;
pub mod missing;
pub mod models;
pub mod score;
