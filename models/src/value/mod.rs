//! What a customer is worth: profit minus cost so far, and models of the purchases and the money to come.
//! Fits nothing: `rekindle-training` finds the parameters.

mod bg_nbd;
mod gamma_gamma;
mod ledger;
mod model;
mod pareto_nbd;
mod repeats;
pub mod special;

#[cfg(test)]
mod tests;

pub use bg_nbd::BgNbd;
pub use gamma_gamma::GammaGamma;
pub use ledger::{Ledger, PurchaseDay, Spend, Terms};
pub use model::{PurchaseFamily, PurchaseModel};
pub use pareto_nbd::ParetoNbd;
pub use repeats::Repeats;
