//! What customers did, and what is told from it: events, the history before a cutoff, the features
//! and attributes asked for, and the kernel that fills the features. The same kernel serves the batch and the service.
//!
//! Reads no files and knows no spec file: names have become codes when events come here.

mod event;
mod history;
mod zone;

mod attribute;
mod feature;
mod matcher;
mod metric;
mod spec;

mod counts;
mod kernel;
mod plan;

pub use attribute::{Attribute, AttributeKind, days_before};
pub use event::{Dictionaries, Dictionary, Duplicates, Events, NONE, OTHER, Recoding, product_key};
pub use feature::{Feature, Selector, Window};
pub use history::{History, Timeline};
pub use kernel::{Kernel, Scratch};
pub use matcher::Matcher;
pub use metric::{Metric, MetricInfo, Part};
pub use spec::FeatureSpec;
pub use zone::Zone;

/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests;
