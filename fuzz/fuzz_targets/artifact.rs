//! Saved models: any bytes are refused or can be written again.
//! Seeds: `tests/it/golden/model-v*.rekindle`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle_models::artifact::Artifact;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(artifact) = Artifact::from_bytes(bytes, "fuzz") {
        assert!(artifact.to_bytes().is_ok());
    }
});
