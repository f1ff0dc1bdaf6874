//! Logs from files or object stores to the events of each customer.
//!
//! Sources are read in parallel as [`EventBatch`]es, in no particular order; what is told of a customer
//! does not depend on that order, since events are sorted by everything they hold and names are coded
//! in sorted order once all are known.

mod batch;

mod expression;

mod evaluate;
mod times;

mod source;
mod tally;

mod naming;
mod segment;

mod decimal;
mod mapping;

mod files;
mod remote;

mod columnar;
mod text;

mod reading;

mod look;

mod chunk;
mod customers;
mod gathered;
mod ordering;
mod packet;
mod partitions;
mod spill;

#[cfg(test)]
mod tests;

pub use batch::{EventBatch, Ids, LogNames, Names};
pub use customers::CustomerId;
pub(crate) use customers::{Customers, Register};
pub(crate) use decimal::with_point;
pub use gathered::{Gathered, Partition, ROOMS_A_THREAD, Room};
pub use look::{Look, NEARLY_ALL, Sampled, look, other_way, time_format};
pub use partitions::{Gathering, PARTITIONS};
pub use reading::{
    Account, Found, Piece, Progress, ReadReport, ReadingOptions, Sink, SourceReport, Stray, Trait,
    TraitValue, read_piece, read_sources,
};
pub(crate) use remote::Stores;
pub use remote::stores;
pub use source::{FileFormat, LogRules, Paths, Preset, Source, SourceSpec};
pub use tally::{Fault, Faults, SentTally, Tally};
