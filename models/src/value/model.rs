//! One of the models of purchases.

use crate::error::Result;
use crate::value::{BgNbd, ParetoNbd, Repeats};

/// A model of purchases with the parameters of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PurchaseModel {
    /// Leaving after purchases.
    BgNbd(BgNbd),
    /// Leaving at any time.
    ParetoNbd(ParetoNbd),
}

/// Which model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurchaseFamily {
    /// See [`PurchaseModel::BgNbd`].
    BgNbd,
    /// See [`PurchaseModel::ParetoNbd`].
    ParetoNbd,
}

impl PurchaseFamily {
    /// All of them.
    pub const ALL: [PurchaseFamily; 2] = [PurchaseFamily::BgNbd, PurchaseFamily::ParetoNbd];

    /// Its name in tables and reports.
    pub fn text(self) -> &'static str {
        match self {
            PurchaseFamily::BgNbd => "bg_nbd",
            PurchaseFamily::ParetoNbd => "pareto_nbd",
        }
    }

    /// The names of its parameters.
    pub fn names(self) -> [&'static str; 4] {
        match self {
            PurchaseFamily::BgNbd => BgNbd::NAMES,
            PurchaseFamily::ParetoNbd => ParetoNbd::NAMES,
        }
    }

    /// The model with these parameters.
    ///
    /// # Errors
    /// When one is not above 0.
    pub fn with(self, parameters: [f64; 4]) -> Result<PurchaseModel> {
        Ok(match self {
            PurchaseFamily::BgNbd => PurchaseModel::BgNbd(BgNbd::new(parameters)?),
            PurchaseFamily::ParetoNbd => PurchaseModel::ParetoNbd(ParetoNbd::new(parameters)?),
        })
    }
}

impl PurchaseModel {
    /// Which it is.
    pub fn family(&self) -> PurchaseFamily {
        match self {
            PurchaseModel::BgNbd(_) => PurchaseFamily::BgNbd,
            PurchaseModel::ParetoNbd(_) => PurchaseFamily::ParetoNbd,
        }
    }

    /// Its parameters, named by [`PurchaseFamily::names`].
    pub fn parameters(&self) -> [f64; 4] {
        match self {
            PurchaseModel::BgNbd(model) => model.parameters(),
            PurchaseModel::ParetoNbd(model) => model.parameters(),
        }
    }

    /// The logarithm of the likelihood of one customer.
    pub fn log_likelihood(&self, of: &Repeats) -> f64 {
        match self {
            PurchaseModel::BgNbd(model) => model.log_likelihood(of),
            PurchaseModel::ParetoNbd(model) => model.log_likelihood(of),
        }
    }

    /// Probability that the customer has not left, in [0, 1].
    pub fn probability_alive(&self, of: &Repeats) -> f64 {
        match self {
            PurchaseModel::BgNbd(model) => model.probability_alive(of),
            PurchaseModel::ParetoNbd(model) => model.probability_alive(of),
        }
    }

    /// Expected purchases (days with one) of a customer who has not left, within `days` from the cutoff on.
    pub fn expected_if_alive(&self, of: &Repeats, days: f64) -> f64 {
        match self {
            PurchaseModel::BgNbd(model) => model.expected_if_alive(of, days),
            PurchaseModel::ParetoNbd(model) => model.expected_if_alive(of, days),
        }
    }

    /// Expected purchases within `days` from the cutoff on, at least 0.
    pub fn expected_purchases(&self, of: &Repeats, days: f64) -> f64 {
        self.expected_if_alive(of, days) * self.probability_alive(of)
    }

    /// Days within which the customer, if they have not left, buys again with a probability of `share`, in [0, 1); at 1/2
    /// the median of the wait.
    pub fn wait_quantile(&self, of: &Repeats, share: f64) -> f64 {
        match self {
            PurchaseModel::BgNbd(model) => model.wait_quantile(of, share),
            PurchaseModel::ParetoNbd(model) => model.wait_quantile(of, share),
        }
    }
}
