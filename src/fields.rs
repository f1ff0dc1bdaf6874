//! The fields that a model knows: tables that lead from a request's names and texts to the cells of
//! the model's rows. Made once when the model is loaded.

use hashbrown::HashMap;
use rekindle_models::frame::{DateFormat, Kind, Schema};

/// The fields that a customer may have without a warning.
pub struct Fields {
    /// What texts and numbers mean no value.
    pub missing: Missing,
    /// First the features, in the order of the model's rows, then the others.
    known: Vec<KnownField>,
    places: HashMap<Box<str>, usize>,
    width: usize,
    /// The names one after the other, where each ends, and whether its field is a number: what most keys of most
    /// customers are looked up in lies close together.
    names: Vec<u8>,
    ends: Vec<u32>,
    numeric: Vec<bool>,
}

/// A field that the model knows.
pub struct KnownField {
    /// Its name.
    pub name: Box<str>,
    /// What becomes of its value.
    pub role: Role,
}

/// What becomes of a field's value.
pub enum Role {
    /// A number.
    Numeric,
    /// `true` and `false`, as 1 and 0.
    Boolean,
    /// Text in this format, or days since 1970-01-01.
    Date(DateFormat),
    /// One of the levels, as its cell.
    Categorical(HashMap<Box<str>, f64>),
    /// It names the customer and is echoed.
    Id,
    /// A column of the training table that is no feature: a target, a weight, an excluded one.
    Ignored,
}

/// What counts as missing besides `null`: the same cells as when the training table was read, so
/// that a customer gets the same score from a file and from a request.
pub struct Missing {
    markers: Vec<String>,
    numbers: Vec<f64>,
}

impl Fields {
    /// The features of `schema`, the column that names a customer, and columns of the training
    /// table that are no features; `markers` are the cells that counted as missing there.
    pub fn new(
        schema: &Schema,
        id: Option<&str>,
        ignored: &[String],
        markers: &[String],
    ) -> Fields {
        let features = schema.fields().iter().map(|f| (f.name.as_str(), Role::of(&f.kind)));
        let id = id.map(|name| (name, Role::Id));
        let ignored = ignored.iter().map(|name| (name.as_str(), Role::Ignored));
        let mut known: Vec<KnownField> = Vec::new();
        let mut places: HashMap<Box<str>, usize> = HashMap::new();
        for (name, role) in features.chain(id).chain(ignored) {
            // The id column is among the ignored ones too: the first role counts.
            if !places.contains_key(name) {
                places.insert(name.into(), known.len());
                known.push(KnownField { name: name.into(), role });
            }
        }
        let mut names = Vec::new();
        let end = |field: &KnownField| {
            names.extend_from_slice(field.name.as_bytes());
            names.len() as u32
        };
        let ends = std::iter::once(0).chain(known.iter().map(end)).collect();
        let numeric = known.iter().map(|field| matches!(field.role, Role::Numeric)).collect();
        let (missing, width) = (Missing::new(markers), schema.len());
        Fields { missing, known, places, width, names, ends, numeric }
    }

    /// The fields in order; the first [`Fields::width`] are the cells of a row.
    pub fn known(&self) -> &[KnownField] {
        &self.known
    }

    /// The features, in the order of the model's rows.
    pub fn features(&self) -> &[KnownField] {
        &self.known[..self.width]
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The place of a field among [`Fields::known`]. `guess` is tried first: clients mostly send
    /// the fields in the order of the training table.
    #[inline]
    pub fn place(&self, name: &str, guess: usize) -> Option<usize> {
        let span = self.ends.get(guess).zip(self.ends.get(guess + 1));
        let guessed = span.and_then(|(&start, &end)| self.names.get(start as usize..end as usize));
        match guessed.is_some_and(|guessed| same(guessed, name.as_bytes())) {
            true => Some(guess),
            false => self.places.get(name).copied(),
        }
    }

    /// Whether the field at a place is a number.
    #[inline]
    pub fn is_numeric(&self, place: usize) -> bool {
        self.numeric[place]
    }
}

/// Whether two names are the same. Most have 8 to 16 bytes: two comparisons, without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(first), Some(other_first), Some(last), Some(other_last)) if a.len() <= 16 => {
            u64::from_le_bytes(*first) == u64::from_le_bytes(*other_first)
                && u64::from_le_bytes(*last) == u64::from_le_bytes(*other_last)
        }
        _ => a == b,
    }
}

impl Role {
    /// What becomes of the values of a feature.
    pub fn of(kind: &Kind) -> Role {
        match kind {
            Kind::Numeric => Role::Numeric,
            Kind::Boolean => Role::Boolean,
            Kind::Date(format) => Role::Date(format.clone()),
            Kind::Categorical(levels) => {
                let cell = |(place, level): (usize, &String)| (level.as_str().into(), place as f64);
                Role::Categorical(levels.iter().enumerate().map(cell).collect())
            }
        }
    }
}

impl Missing {
    /// The empty cell, and those like one of `markers`.
    pub fn new(markers: &[String]) -> Missing {
        let markers: Vec<String> = markers.iter().map(|m| m.trim().to_owned()).collect();
        let numbers = markers.iter().filter_map(|m| m.parse().ok()).filter(|n: &f64| !n.is_nan());
        Missing { numbers: numbers.collect(), markers }
    }

    /// Whether a text without surrounding blanks is missing.
    pub fn text(&self, text: &str) -> bool {
        text.is_empty() || self.markers.iter().any(|marker| marker == text)
    }

    /// Whether a number is missing: some tables write 999 for it.
    pub fn number(&self, number: f64) -> bool {
        self.numbers.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_the_same_as_texts_are(a in "[ab]{0,20}", b in "[ab]{0,20}", at in 0_usize..20) {
            prop_assert_eq!(same(a.as_bytes(), b.as_bytes()), a == b);
            prop_assert!(same(a.as_bytes(), a.clone().as_bytes()));
            let mut other = a.clone().into_bytes();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 3;
                prop_assert!(!same(a.as_bytes(), &other));
            }
        }
    }
}
