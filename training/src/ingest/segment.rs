//! Segment's `identify` calls among the lines of a log: their traits are attributes of customers.

use arrow_array::{Array, RecordBatch, StringArray};

use crate::ingest::evaluate::Cells;
use crate::ingest::{Trait, TraitValue};

/// Which lines are such calls, and what they tell.
pub(super) struct Identify {
    types: StringArray,
    traits: StringArray,
}

impl Identify {
    pub fn new(cells: &RecordBatch) -> Identify {
        let texts = |name: &str| {
            let none = || StringArray::new_null(cells.num_rows());
            cells.column_by_name(name).map_or_else(none, |c| Cells::Column(c.clone()).texts())
        };
        Identify { types: texts("type"), traits: texts("traits") }
    }

    /// Whether a line is one.
    pub fn is(&self, row: usize) -> bool {
        self.types.is_valid(row) && self.types.value(row) == "identify"
    }

    /// Tells the traits that are texts, numbers, or yes and no; what is nested is no attribute.
    pub fn tell(&self, row: usize, customer: &str, known_at: i64, told: &mut Vec<Trait>) {
        if self.traits.is_null(row) {
            return;
        }
        let read = serde_json::from_str::<serde_json::Map<_, _>>(self.traits.value(row));
        for (name, value) in read.into_iter().flatten() {
            let value = match value {
                serde_json::Value::String(text) if !text.trim().is_empty() => {
                    TraitValue::Text(text)
                }
                serde_json::Value::Bool(truth) => TraitValue::Number(f64::from(u8::from(truth))),
                serde_json::Value::Number(number) => match number.as_f64() {
                    Some(number) => TraitValue::Number(number),
                    None => continue,
                },
                _ => continue,
            };
            told.push(Trait { customer: customer.to_owned(), known_at, name, value });
        }
    }
}
