//! LightGBM's text: any bytes are refused or score, and what was read can be written and read again.
//! Seeds: `tests/it/golden/lightgbm.txt`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rekindle_models::exchange::lightgbm::{read, write};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(found) = read(bytes, "fuzz") {
        let row = vec![0.0; found.schema.len()];
        assert!(!found.model.raw_score(&row).is_nan());
        let again = write(&found.model, &found.schema);
        assert!(read(again.as_bytes(), "again").is_ok());
    }
});
