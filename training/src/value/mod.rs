//! What customers are worth: fits of the models of `rekindle_models::value`, the choice between them out
//! of time, every customer's value, key customers.

mod accounts;
mod boosted;
mod choice;
mod fit;
mod forecast;
mod key_customers;
mod likelihood;
mod minimise;
mod rfm;
mod sample;
mod valued;

#[cfg(test)]
mod tests;

pub use accounts::{Account, Accounts, BEFORE_DAYS, Dates, Snapshot, Totals, Watch};
pub use boosted::Boosted;
pub use choice::{Candidate, Errors, Trial};
pub use fit::{FEWEST_REPEATERS, PurchaseFit, SpendFit, fit_purchases, fit_spend};
pub use forecast::{Bringing, Forecast, PerOrder};
pub use key_customers::{KeyCustomer, key_customers};
pub use rfm::RfmTable;
pub use sample::{Sample, SpendSample};
pub use valued::{Valued, Worth};
