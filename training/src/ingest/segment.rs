//! Segment's `identify` calls among the lines of a log: their traits are attributes of customers.

use arrow_array::{Array, RecordBatch, StringArray};
use serde_json::{Map, Value};

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

    /// Tells the traits that are texts, numbers, or yes and no; those of an object in them are told as
    /// `address.city`. Returns the first thing found that is left out, if any: a list, or traits that
    /// cannot be read as an object.
    pub fn tell(
        &self,
        row: usize,
        customer: &str,
        known_at: i64,
        told: &mut Vec<Trait>,
    ) -> Option<String> {
        if self.traits.is_null(row) {
            return None;
        }
        let Ok(traits) = serde_json::from_str(self.traits.value(row)) else {
            return Some("found traits that cannot be read as an object".to_owned());
        };
        let mut left_out = None;
        leaves("", traits, &mut |name, value| {
            let value = match value {
                Value::String(text) if !text.trim().is_empty() => TraitValue::Text(text),
                Value::Bool(truth) => TraitValue::Number(f64::from(u8::from(truth))),
                Value::Number(number) => match number.as_f64() {
                    Some(number) => TraitValue::Number(number),
                    None => return,
                },
                Value::Array(_) => {
                    left_out.get_or_insert_with(|| format!("found the list {name}"));
                    return;
                }
                Value::String(_) | Value::Null | Value::Object(_) => return,
            };
            told.push(Trait { customer: customer.to_owned(), known_at, name, value });
        });
        left_out
    }
}

/// Hands on what an object holds, and what the objects in it hold, with dots in the names. Objects are no
/// deeper than JSON may be read, 128.
fn leaves(prefix: &str, object: Map<String, Value>, with: &mut impl FnMut(String, Value)) {
    for (key, value) in object {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(inner) => leaves(&format!("{name}."), inner, with),
            value => with(name, value),
        }
    }
}
