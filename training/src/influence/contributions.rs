//! How far each feature moves a model's margin, row by row: exactly for trees that add up and for logistic
//! regression, by swapping cells for forests. Sums nothing up.

use rekindle_models::classifiers::Fitted;
use rekindle_models::classifiers::logistic::FittedLogistic;
use rekindle_models::dataset::Dataset;
use rekindle_models::explain::Explainer;
use rekindle_models::frame::Rows;

/// A model asked for contributions to its margin.
pub(super) enum Contributions<'a> {
    /// Exact Shapley values of trees.
    Trees(Explainer),
    /// What a cell adds, less what the training rows' cells add in the mean: the Shapley values of a sum.
    Addends { model: &'a FittedLogistic, expected: Vec<f64> },
    /// How far the margin falls when a cell is taken from another of the rows.
    Swaps { model: &'a Fitted, donors: Rows },
}

impl<'a> Contributions<'a> {
    /// `expected` are the addends that a logistic regression expects ([`Fitted::expected_addends`]), `explained` the rows
    /// that will be asked for.
    pub(super) fn new(
        model: &'a Fitted,
        expected: Option<Vec<f64>>,
        explained: &Dataset<'_>,
    ) -> Contributions<'a> {
        match model {
            Fitted::Boosting(trees) => Contributions::Trees(Explainer::new(trees)),
            Fitted::Logistic(model) => {
                let expected = expected.expect("a logistic regression expects addends");
                Contributions::Addends { model, expected }
            }
            Fitted::Forest(_) => Contributions::Swaps { model, donors: explained.to_rows() },
        }
    }

    /// The contributions of some of the rows to explain, `first..first + rows.len()` of them: row-major, a number a
    /// feature.
    pub(super) fn of(&self, first: usize, rows: &Rows) -> Vec<f64> {
        match self {
            Contributions::Trees(explainer) => {
                let width = rows.width();
                let all = explainer.contributions(rows);
                all.chunks_exact(width + 1).flat_map(|row| &row[..width]).copied().collect()
            }
            Contributions::Addends { model, expected } => model.contributions(rows, expected),
            Contributions::Swaps { model, donors } => swapped(model, donors, first, rows),
        }
    }
}

/// The donor of a row stands half of all rows further on.
fn swapped(model: &Fitted, donors: &Rows, first: usize, rows: &Rows) -> Vec<f64> {
    let (width, all) = (rows.width(), donors.len());
    let margins = model.margins(rows);
    let mut contributions = vec![0.0; rows.len() * width];
    for feature in 0..width {
        let mut cells = rows.cells().to_vec();
        for (place, row) in cells.chunks_exact_mut(width).enumerate() {
            row[feature] = donors.row((first + place + all / 2) % all)[feature];
        }
        let swapped = model.margins(&Rows::from_cells(width, cells));
        for (place, (margin, swapped)) in margins.iter().zip(swapped).enumerate() {
            contributions[place * width + feature] = margin - swapped;
        }
    }
    contributions
}
