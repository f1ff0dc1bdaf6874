//! Everything that is tested from the outside, in one binary.

mod app;
mod small_model;

mod service;
mod shutdown;
