//! Saved models: one file per version, and the registry folder they lie in.
