//! Text cells into codes and levels, as a categorical column grows.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::frame::{Column, Kind, MISSING_CODE};

/// A growing categorical column.
#[derive(Debug, Default)]
pub(super) struct Levels {
    codes: Vec<u32>,
    places: HashMap<String, u32>,
}

impl Levels {
    /// An empty column with room for some cells.
    pub fn with_capacity(cells: usize) -> Levels {
        Levels { codes: Vec::with_capacity(cells), places: HashMap::new() }
    }

    /// Appends missing cells.
    pub fn push_missing(&mut self, cells: usize) {
        self.codes.resize(self.codes.len() + cells, MISSING_CODE);
    }

    /// Appends a cell.
    pub fn push(&mut self, level: &str) {
        let code = self.code(level);
        self.codes.push(code);
    }

    /// Appends cells given as places in levels of their own, or [`MISSING_CODE`].
    pub fn append(&mut self, codes: &[u32], levels: &[String]) {
        let places: Vec<u32> = levels.iter().map(|level| self.code(level)).collect();
        let code = |&c: &u32| if c == MISSING_CODE { c } else { places[c as usize] };
        self.codes.extend(codes.iter().map(code));
    }

    /// The column, its levels in the order of their bytes: they do not depend on the order of rows.
    pub fn finish(mut self) -> (Kind, Column) {
        let mut levels: Vec<(String, u32)> = self.places.into_iter().collect();
        levels.sort_unstable();
        let mut places = vec![0; levels.len()];
        for (place, (_, code)) in levels.iter().enumerate() {
            places[*code as usize] = place as u32;
        }
        for code in self.codes.iter_mut().filter(|code| **code != MISSING_CODE) {
            *code = places[*code as usize];
        }
        self.codes.shrink_to_fit();
        let levels: Arc<[String]> = levels.into_iter().map(|(level, _)| level).collect();
        (Kind::Categorical(levels), Column::Category(self.codes))
    }

    fn code(&mut self, level: &str) -> u32 {
        let next = self.places.len() as u32;
        *self.places.entry_ref(level).or_insert(next)
    }
}
