//! What is told of customers besides events, each value with the time it was known from: gathered from
//! tables and logs, then looked up by customer and cutoff. Knows no features.

mod log;
mod store;
mod table;

pub use log::{ALWAYS, AttributeLog, AttributeValue};
pub use store::{Attributes, Known};
pub use table::AttributesSpec;

#[cfg(test)]
mod tests;
