//! Everything that is tested from the outside, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod campaigns;
mod client;
mod customers;
mod demo;
mod small_model;

mod arrow_batches;
mod batches;
mod encryption;
mod inference;
mod limits;
mod long_batches;
mod object_store;
mod observation;
mod overload;
mod pages_plan;
mod pages_score;
mod protocols;
mod reactivation;
mod security;
mod service;
mod shutdown;
mod versions;

mod programs;

mod artifact;
mod behaviour;
mod cli;
mod compare;
mod drift;
mod evaluate;
mod exchange;
mod explain;
mod finished;
mod laws;
mod layering;
mod logs;
mod money;
mod on_a_cluster;
mod pages;
mod plan;
mod project;
mod readme;
mod real_data;
mod reasons;
mod rollout;
mod store;
mod traps;
mod uplift;
mod value;
