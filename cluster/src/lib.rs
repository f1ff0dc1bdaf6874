//! Rekindle's jobs on many machines, by Apache DataFusion Ballista: the functions of [`rekindle_training::distributed`]
//! registered with scheduler and executors, and the plans that call them. What a function does is told there; how work is
//! divided, sent, tried again and accounted for is Ballista's.

pub mod functions;

pub mod plans;

pub mod client;
pub mod nodes;
