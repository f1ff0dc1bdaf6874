//! Policy.
pub mod allocation;
