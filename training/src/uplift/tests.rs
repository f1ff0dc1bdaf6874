//! Laws of uplift.
