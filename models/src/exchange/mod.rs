//! Boosted trees in the formats of other programs: LightGBM's text and ONNX, read and written. Other
//! classifiers, calibration by points and Rekindle's own files are not here.

pub mod lightgbm;
pub mod onnx;

#[cfg(test)]
mod tests;
