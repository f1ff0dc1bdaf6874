//! x
pub mod error;
pub mod frame;
pub mod dataset;
pub mod classifiers;
pub use error::{Error, Result};
