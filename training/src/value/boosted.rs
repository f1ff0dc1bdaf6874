//! A boosted regression of future profit: what customers with such an account brought within so many days.

use rekindle_models::classifiers::boosting::{BinnedTable, Boosting, FittedBoosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Column, Field, Frame, Kind, Rows, Schema};

use crate::error::Result;
use crate::value::accounts::{FEATURES, Snapshot};

/// Fewest customers it is learned from.
pub const FEWEST_CUSTOMERS: usize = 500;

/// A fitted regression.
#[derive(Debug, Clone)]
pub struct Boosted {
    model: FittedBoosting,
}

impl Boosted {
    /// Learns from accounts and the profit that followed, a finite number.
    ///
    /// # Errors
    /// When there is no customer.
    pub fn fit(customers: &[(Snapshot, f64)]) -> Result<Boosted> {
        let fields = FEATURES.map(|name| Field { name: name.to_owned(), kind: Kind::Numeric });
        let column = |place: usize| {
            Column::Number(customers.iter().map(|(at, _)| cell(at, place)).collect())
        };
        let columns = (0..FEATURES.len()).map(column).collect();
        let frame = Frame::new(Schema::new(fields.to_vec())?, columns)?;
        let rows: Vec<u32> = (0..customers.len() as u32).collect();
        let features: Vec<usize> = (0..FEATURES.len()).collect();
        let (target, weight) = (vec![false; rows.len()], vec![1.0; rows.len()]);
        let data = Dataset {
            frame: &frame,
            features: &features,
            rows: &rows,
            target: &target,
            weight: &weight,
        };
        // Small trees, slowly: money has heavy tails.
        let boosting = Boosting {
            num_iterations: 120,
            learning_rate: 0.05,
            num_leaves: 6,
            min_data_in_leaf: 60.0,
            lambda_l2: 5.0,
            ..Boosting::default()
        };
        let table = BinnedTable::new(&data, boosting.max_bin);
        let response: Vec<f64> = customers.iter().map(|(_, profit)| *profit).collect();
        Ok(Boosted { model: boosting.fit_response(&table, &data, &response)? })
    }

    /// The profit expected of each account.
    pub fn predict<'a>(&self, customers: impl Iterator<Item = &'a Snapshot>) -> Vec<f64> {
        let mut rows = Rows::new(FEATURES.len());
        for at in customers {
            let cells = rows.push_missing();
            (0..FEATURES.len()).for_each(|place| cells[place] = cell(at, place));
        }
        self.model.margins(&rows)
    }
}

fn cell(at: &Snapshot, place: usize) -> f64 {
    f64::from(at.features[place])
}
