//! A table with a schema, column by column, and its readers and writers.
//!
//! Numbers are `f64`. A threshold learned from a CSV file must split the same value sent as JSON,
//! and a model read from another library must answer as it does there: both work with doubles, and
//! an `f32` would move `0.1` across a cut. Counts, cents and epoch seconds are exact up to 2^53.

mod levels;
mod rows;
mod schema;
mod table;

mod arrow;
mod csv;
mod read;

pub use csv::{CsvBlock, CsvBlocks, CsvFailure, number, short_decimal, write_csv};
pub use read::{ReadKind, ReadOptions, check_parts, parts, read};
pub use rows::{Binding, Rows, UNKNOWN_LEVEL};
pub use schema::{DateFormat, Field, Kind, Schema, nearest_name};
pub use table::{Column, Frame, MISSING_CODE, UNKNOWN_CODE};
