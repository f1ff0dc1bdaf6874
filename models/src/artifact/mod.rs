//! Saved models: one file per version, and the registry folder they lie in.
//!
//! A file is laid out as
//! ```text
//! magic (8) | format version u32 | manifest length u32 | payload length u64
//! | manifest (JSON) | payload (postcard) | BLAKE3 of everything before (32)
//! ```
//! with little-endian numbers. The payload is the model, and since format 2 its golden rows behind it. Lengths are checked against the file before anything is allocated,
//! the checksum before anything is parsed, and every index of the model before it is used.

mod file;
mod golden;
mod manifest;
mod population;
mod registry;
mod rollout;
mod uplift;
mod wire;

pub use file::Artifact;
pub use golden::{Golden, MOST_GOLDEN};
pub use manifest::{
    Candidate, FeatureEntry, FeatureKind, Influence, LeakEntry, Manifest, PartCount, RowCounts,
    SelectionStep, Share, TargetEntry, ThresholdEntry, TimeRange, VerdictEntry,
};
pub use population::{
    CalibrationCheck, Distribution, FEWEST_ROWS, MISSING_CELL, ReferencePopulation,
};
pub use registry::{Registry, check_model_name};
pub use rollout::{Canary, Rollout};
pub use uplift::{UpliftArtifact, UpliftManifest};
pub use wire::Calibration as CalibrationEntry;
