//! LightGBM's text format, as version 4 writes it: a header, a block of `key=value` lines per tree,
//! and a tail with the parameters and the levels of pandas' categories. Scores are LightGBM's.
//!
//! A categorical column of a pandas table becomes a categorical feature with pandas' levels, in their
//! order; one that LightGBM was given as integers stays a number, as its levels have no names.

mod block;
mod features;
mod read;
mod write;

use crate::classifiers::boosting::FittedBoosting;
use crate::frame::Schema;

pub use read::read;
pub use write::{feature_names, write};

/// A model from another program.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The trees.
    pub model: FittedBoosting,
    /// Names and kinds of its features, in the order of the model's rows.
    pub schema: Schema,
}

/// The bits of `decision_type`; above them stands what counts as missing: 0 none, 1 zero, 2 NaN.
mod decision {
    pub const CATEGORICAL: u8 = 1;
    pub const DEFAULT_LEFT: u8 = 2;
    pub const MISSING_SHIFT: u8 = 2;
}
