//! Everything that a score needs: tables, classifiers, calibration, threshold, metrics, the scorer
//! and its saved form. No async, no network, no clock, no environment: what is computed here
//! depends on the arguments alone.
//!
//! [`behaviour`] holds what customers did, [`customer`] says what each is at a cutoff,
//! [`value`] what each is worth.
//!
//! In reading order: a [`frame::Frame`] is read, a [`dataset::Dataset`] points at the rows and
//! columns to learn from, a [`classifiers::Classifier`] is fitted, its margins are turned into
//! probabilities by a [`calibration::Calibration`], a [`threshold::Threshold`] turns those into
//! decisions, [`metrics`] judge them beside a [`baseline::Baseline`], a [`scorer::Scorer`] holds all of it together, and
//! [`artifact`] saves and loads it. An [`explain::Explainer`] says which features moved a boosted model's margin,
//! [`reasons`] say so in words, in a [`language`].
//! [`exchange`] speaks the formats of other programs.

pub mod error;
pub mod frame;

pub mod dataset;

pub mod seed;

pub mod behaviour;

pub mod customer;

pub mod value;

pub mod classifiers;

pub mod explain;

pub mod calibration;
pub mod metrics;
pub mod threshold;

pub mod baseline;

pub mod scorer;

pub mod uplift;

pub mod effect;

pub mod language;

pub mod artifact;

pub mod reasons;

pub mod policy;

pub mod exchange;

pub use error::{Error, Result};
