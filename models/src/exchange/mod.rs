//! Boosted trees in the formats of other programs: LightGBM's text, read and written, and ONNX,
//! written. Other classifiers, calibration by points and Rekindle's own files are not here.

pub mod lightgbm;
pub mod onnx;

#[cfg(test)]
mod tests;
