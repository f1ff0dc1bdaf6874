//! Shadows: copies of some features whose rows are shuffled, so that they know nothing and are treated like those that
//! may know something.

use rayon::prelude::*;
use rekindle_models::frame::{Column, Field, Frame};
use rekindle_models::seed::{mix2, unit};

use crate::error::Result;

/// Most shadows. The more there are, the surer the line that the best of them draw.
const MOST_SHADOWS: usize = 100;

/// A table with shadows after its own columns.
#[derive(Debug)]
pub struct Shadowed {
    /// The table.
    pub frame: Frame,
    /// Places of the shadows.
    pub shadows: Vec<usize>,
}

impl Shadowed {
    /// Adds shadows of some of the features (places), drawn by the seed.
    ///
    /// # Errors
    /// When a column has a shadow's name.
    pub fn new(frame: Frame, features: &[usize], seed: u64) -> Result<Shadowed> {
        let mut chosen = features.to_vec();
        chosen.sort_by_key(|&place| mix2(seed, place as u64));
        chosen.truncate(MOST_SHADOWS);
        let shadow = |&place: &usize| {
            let field = &frame.schema().fields()[place];
            let order = shuffled(frame.rows(), mix2(!seed, place as u64));
            let column = match &frame.columns()[place] {
                Column::Number(values) => {
                    Column::Number(order.iter().map(|&row| values[row as usize]).collect())
                }
                Column::Category(codes) => {
                    Column::Category(order.iter().map(|&row| codes[row as usize]).collect())
                }
            };
            let name = format!("shadow of {}", field.name);
            (Field { name, kind: field.kind.clone() }, column)
        };
        let shadows: Vec<(Field, Column)> = chosen.par_iter().map(shadow).collect();
        let first = frame.schema().len();
        let places = (first..first + shadows.len()).collect();
        Ok(Shadowed { frame: frame.with_columns(shadows)?, shadows: places })
    }

    /// The table without the shadows.
    pub fn into_frame(self) -> Frame {
        let own = self.frame.schema().len() - self.shadows.len();
        self.frame.first_columns(own)
    }
}

/// Rows in an order that follows from the seed (Fisher and Yates).
fn shuffled(rows: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for place in (1..rows).rev() {
        let other = (unit(mix2(seed, place as u64)) * (place + 1) as f64) as usize;
        order.swap(place, other);
    }
    order
}
