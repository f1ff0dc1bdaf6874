//! What customers are worth: fits of the models of `rekindle_models::value`, the choice between them out
//! of time, every customer's value, key customers.

mod fit;
mod likelihood;
mod minimise;
mod sample;

#[cfg(test)]
mod tests;

pub use fit::{FEWEST_REPEATERS, PurchaseFit, SpendFit, fit_purchases, fit_spend};
pub use sample::{Sample, SpendSample};
