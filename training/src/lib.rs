//! Learns from a table of customers what they will do, judges the model and saves it. The `rekindle`
//! command is a thin shell around this library.

pub mod error;
pub mod sheet;

pub mod ingest;

pub mod depot;

pub mod attributes;

pub mod families;
pub mod question;

pub mod contacted;
pub mod newest;
pub mod panel;
pub mod snapshot;

pub mod marks;
pub mod terms;
pub mod verdict;

pub mod project;

pub mod guess;

pub mod build;
pub mod support;

pub mod label;
pub mod labels;
pub mod split;

mod ranks;
pub mod reference;
mod shadow;

pub mod options;
pub mod roles;

pub mod quality;

pub mod compare;
pub mod evaluate;
pub mod segments;

pub mod holdout;

pub mod scored;
pub mod why;

pub mod distributed;

pub mod drift;

pub mod change;

pub mod passages;

pub mod customers;

pub mod trials;

pub mod planning;

pub mod value;

pub mod guard;
mod task;
pub mod tune;

pub mod pipeline;

pub mod influence;

pub mod select;

pub mod uplift;

pub mod report;

pub mod simulate;

pub mod commands;

pub use error::{Error, Result};
