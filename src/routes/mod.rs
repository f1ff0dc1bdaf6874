//! The handlers, one noun each. The table of URLs is in [`crate::startup`].

pub mod health;
pub mod metrics;
pub mod missing;
pub mod models;
pub mod score;
