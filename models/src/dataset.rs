//! What a classifier learns from: some rows and columns of a frame with a target. Copies nothing.

use crate::frame::{
    Binding, Column, Frame, Kind, MISSING_CODE, Rows, Schema, UNKNOWN_CODE, UNKNOWN_LEVEL,
};

/// Rows and feature columns of a frame with the answer for each row.
#[derive(Debug, Clone, Copy)]
pub struct Dataset<'a> {
    /// The table.
    pub frame: &'a Frame,
    /// Places of the feature columns, in the order of the model's schema; at least one.
    pub features: &'a [usize],
    /// Places of the rows to learn from; at least one row of each class is among them.
    pub rows: &'a [u32],
    /// The target of every row of the frame.
    pub target: &'a [bool],
    /// The weight of every row of the frame, finite and positive; 1 where none was given.
    pub weight: &'a [f64],
}

impl<'a> Dataset<'a> {
    /// The same columns and target over other rows.
    pub fn with_rows(&self, rows: &'a [u32]) -> Dataset<'a> {
        Dataset { rows, ..*self }
    }

    /// The schema of the features: what a fitted model asks for.
    pub fn schema(&self) -> Schema {
        self.frame.schema().select(self.features)
    }

    /// The cells of one feature (its place among [`Dataset::features`]) for the dataset's rows, as
    /// [`Rows`] holds them: a category as the place of its level, missing as NaN.
    pub fn cells(&self, feature: usize) -> Vec<f64> {
        let rows = self.rows.iter().map(|&row| row as usize);
        match &self.frame.columns()[self.features[feature]] {
            Column::Number(values) => rows.map(|row| values[row]).collect(),
            Column::Category(codes) => rows
                .map(|row| match codes[row] {
                    MISSING_CODE => f64::NAN,
                    UNKNOWN_CODE => UNKNOWN_LEVEL,
                    code => f64::from(code),
                })
                .collect(),
        }
    }

    /// The number of levels of one feature, `None` where it is no categorical one.
    pub fn levels(&self, feature: usize) -> Option<usize> {
        match &self.frame.schema().fields()[self.features[feature]].kind {
            Kind::Categorical(levels) => Some(levels.len()),
            Kind::Numeric | Kind::Boolean | Kind::Date(_) => None,
        }
    }

    /// The dataset's rows in the order of its features.
    pub fn to_rows(&self) -> Rows {
        let binding = Binding::new(&self.schema(), self.frame.schema())
            .expect("features are columns of the frame itself");
        binding.rows_at(self.frame, self.rows)
    }

    /// The target of the dataset's rows, in their order.
    pub fn targets(&self) -> Vec<bool> {
        self.rows.iter().map(|&r| self.target[r as usize]).collect()
    }

    /// The weight of the dataset's rows, in their order.
    pub fn weights(&self) -> Vec<f64> {
        self.rows.iter().map(|&r| self.weight[r as usize]).collect()
    }
}
