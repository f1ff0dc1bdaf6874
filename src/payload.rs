//! A request's body straight into a model's rows, with no table of names and values in between:
//! each key is compared with the next feature and looked up only when it is another one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rekindle_models::frame::Rows;
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::{ApiError, BadField};
use crate::fields::{Fields, Role};
use crate::values::{
    Cell, CustomerId, ReadObject, Value, ValueVisitor, cell, customer_id, shorten,
};

/// The customers of a request.
#[derive(Debug, PartialEq)]
pub struct Customers {
    /// A row for each, in the order of the model's features.
    pub rows: Rows,
    /// How each is named in the reply.
    pub ids: Vec<Option<CustomerId>>,
    /// What the client should hear about.
    pub warnings: Warnings,
    /// Fields that the model does not know, counted in every customer.
    pub unknown_fields: u64,
    /// Cells with a level that the model does not know.
    pub unknown_levels: u64,
}

/// What is odd about the customers, yet no error. Each list is shortened to the first
/// [`LISTED`].
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Warnings {
    /// Fields that are no features of the model, sorted: they did not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_fields: Vec<String>,
    /// Levels that the model has never seen, by feature.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_levels: Vec<UnknownLevel>,
    /// Features that no customer of the request has, not even as `null`: they count as missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_fields: Vec<String>,
    /// Kinds of events that the model does not know, where it knows one of a near name: most likely misspelt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_kinds: Vec<UnknownKind>,
    /// Whether no event was known at the cutoff: the model has most likely never learned of such a customer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_history: bool,
    /// How many more there are than the lists hold.
    #[serde(skip_serializing_if = "is_zero")]
    not_listed: usize,
}

/// A level that the model has never seen.
#[derive(Debug, PartialEq, Serialize)]
struct UnknownLevel {
    feature: String,
    value: String,
}

/// A kind of events that the model does not know.
#[derive(Debug, PartialEq, Serialize)]
struct UnknownKind {
    kind: String,
    /// The nearest that it knows.
    nearest: String,
}

/// Most bad fields, and most warnings of a kind, in one reply.
pub const LISTED: usize = 100;

impl Warnings {
    /// Of one customer's events: levels that the model has never seen, each with its feature; kinds that it does
    /// not know, each with the nearest that it does; whether there is no history.
    pub fn of_events(
        levels: Vec<(String, String)>,
        kinds: Vec<(String, String)>,
        no_history: bool,
    ) -> Warnings {
        let mut not_listed = 0;
        let level =
            |(feature, value): (String, String)| UnknownLevel { feature, value: shorten(&value) };
        let unknown_levels = listed(levels.into_iter().map(level), &mut not_listed);
        let kind =
            |(kind, nearest): (String, String)| UnknownKind { kind: shorten(&kind), nearest };
        let unknown_kinds = listed(kinds.into_iter().map(kind), &mut not_listed);
        Warnings { unknown_levels, unknown_kinds, no_history, not_listed, ..Warnings::default() }
    }

    /// Whether there is nothing to warn of.
    pub fn is_empty(&self) -> bool {
        *self == Warnings::default()
    }
}

/// Reads one customer (an object of named features) or many (an array of such objects), at most
/// `limit`.
///
/// # Errors
/// When the body is not JSON, has too many customers, or has fields that the model cannot read;
/// the first [`LISTED`] of these are named.
pub fn parse(body: &[u8], fields: &Fields, limit: usize) -> Result<Customers, ApiError> {
    let mut reader = Reader::new(fields, limit);
    let mut json = serde_json::Deserializer::from_slice(body);
    let many = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let parsed = if many {
        json.deserialize_seq(Many(&mut reader))
    } else {
        One(&mut reader).deserialize(&mut json)
    };
    match parsed.and_then(|()| json.end()) {
        Ok(()) => reader.finish(),
        Err(_) if reader.over_limit => Err(ApiError::TooManyCustomers { limit }),
        Err(error) => Err(malformed(&error)),
    }
}

/// What a parser of JSON complains of.
pub fn malformed(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    // The place is told apart from the reason, which ends with it.
    let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
    ApiError::MalformedJson { line: error.line(), column: error.column(), reason }
}

struct Reader<'m> {
    fields: &'m Fields,
    limit: usize,
    over_limit: bool,
    /// Row-major, one row for each of `ids`.
    cells: Vec<f64>,
    ids: Vec<Option<CustomerId>>,
    /// For each field the model knows, the last customer that has it, counted from 1.
    last_seen: Vec<usize>,
    /// The same for fields it does not know.
    unknown_fields: BTreeMap<String, usize>,
    unknown_field_count: u64,
    /// Unknown levels by place of the feature.
    unknown_levels: BTreeMap<usize, BTreeSet<String>>,
    unknown_level_count: u64,
    bad: Vec<BadField>,
    bad_count: usize,
}

impl<'m> Reader<'m> {
    fn new(fields: &'m Fields, limit: usize) -> Reader<'m> {
        Reader {
            fields,
            limit,
            over_limit: false,
            cells: Vec::with_capacity(fields.width()),
            ids: Vec::new(),
            last_seen: vec![0; fields.known().len()],
            unknown_fields: BTreeMap::new(),
            unknown_field_count: 0,
            unknown_levels: BTreeMap::new(),
            unknown_level_count: 0,
            bad: Vec::new(),
            bad_count: 0,
        }
    }

    /// Adds a customer with missing cells.
    fn add(&mut self) {
        self.ids.push(None);
        self.cells.resize(self.cells.len() + self.fields.width(), f64::NAN);
    }

    /// The fields of the customer added last.
    fn read_fields<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        let fields = self.fields;
        let number = self.ids.len();
        let mut guess = 0;
        while let Some(key) = object.next_key_seed(KeySeed { fields, guess })? {
            let place = match key {
                Key::Known(place) => place,
                Key::Unknown(name) => {
                    object.next_value::<IgnoredAny>()?;
                    self.unknown_field(name, number);
                    continue;
                }
            };
            guess = place + 1;
            let field = &fields.known()[place];
            if std::mem::replace(&mut self.last_seen[place], number) == number {
                object.next_value::<IgnoredAny>()?;
                self.twice(&field.name);
                continue;
            }
            match &field.role {
                Role::Ignored => {
                    object.next_value::<IgnoredAny>()?;
                }
                Role::Id => self.id(&field.name, &object.next_value()?),
                role => self.feature(place, role, &object.next_value()?),
            }
        }
        Ok(())
    }

    fn feature(&mut self, place: usize, role: &Role, value: &Value<'_>) {
        let cell = cell(value, role, &self.fields.missing);
        let row = self.cells.len() - self.fields.width();
        self.cells[row + place] = cell.number();
        match cell {
            Cell::Known(_) => {}
            Cell::UnknownLevel(level) => {
                self.unknown_level_count += 1;
                self.unknown_levels.entry(place).or_default().insert(level);
            }
            Cell::Wrong(expected) => {
                self.bad(Some(&self.fields.known()[place].name), value.to_string(), expected);
            }
        }
    }

    fn id(&mut self, name: &str, value: &Value<'_>) {
        match customer_id(value) {
            Ok(id) => *self.ids.last_mut().expect("the customer has been added") = id,
            Err(expected) => self.bad(Some(name), value.to_string(), expected.to_owned()),
        }
    }

    fn unknown_field(&mut self, name: Cow<'_, str>, number: usize) {
        self.unknown_field_count += 1;
        if let Some(last) = self.unknown_fields.get_mut(&*name) {
            if std::mem::replace(last, number) == number {
                self.twice(&shorten(&name));
            }
            return;
        }
        self.unknown_fields.insert(name.into_owned(), number);
    }

    fn twice(&mut self, name: &str) {
        self.bad(Some(name), "the key twice".to_owned(), "every key once".to_owned());
    }

    /// Notes a bad field of the customer that is being read.
    fn bad(&mut self, field: Option<&str>, found: String, expected: String) {
        self.bad_count += 1;
        if self.bad.len() < LISTED {
            let customer = self.ids.len() - 1;
            let field = field.map(str::to_owned);
            self.bad.push(BadField { customer, field, found, expected });
        }
    }

    fn finish(self) -> Result<Customers, ApiError> {
        if self.bad_count > 0 {
            return Err(ApiError::InvalidFeatures { fields: self.bad, total: self.bad_count });
        }
        let known = self.fields.known();
        let mut not_listed = 0;
        let features = known.iter().zip(&self.last_seen).take(self.fields.width());
        let absent = features.filter(|(_, last)| **last == 0).map(|(f, _)| f.name.to_string());
        let missing_fields = match self.ids.is_empty() {
            true => Vec::new(),
            false => listed(absent, &mut not_listed),
        };
        let levels = self.unknown_levels.iter().flat_map(|(&place, levels)| {
            levels.iter().map(move |level| UnknownLevel {
                feature: known[place].name.to_string(),
                value: shorten(level),
            })
        });
        let unknown_levels = listed(levels, &mut not_listed);
        let names = self.unknown_fields.keys().map(|name| shorten(name));
        let unknown_fields = listed(names, &mut not_listed);
        let warnings = Warnings {
            unknown_fields,
            unknown_levels,
            missing_fields,
            not_listed,
            ..Warnings::default()
        };
        Ok(Customers {
            rows: Rows::from_cells(self.fields.width(), self.cells),
            ids: self.ids,
            warnings,
            unknown_fields: self.unknown_field_count,
            unknown_levels: self.unknown_level_count,
        })
    }
}

/// The first [`LISTED`]; the others are counted.
fn listed<T>(mut all: impl Iterator<Item = T>, not_listed: &mut usize) -> Vec<T> {
    let first = all.by_ref().take(LISTED).collect();
    *not_listed += all.count();
    first
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A key of a customer.
enum Key<'de> {
    /// The place of a field that the model knows.
    Known(usize),
    Unknown(Cow<'de, str>),
}

struct KeySeed<'m> {
    fields: &'m Fields,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_> {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Key<'de>, E> {
        let unknown = || Key::Unknown(Cow::Borrowed(name));
        Ok(self.fields.place(name, self.guess).map_or_else(unknown, Key::Known))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key<'de>, E> {
        let unknown = || Key::Unknown(Cow::Owned(name.to_owned()));
        Ok(self.fields.place(name, self.guess).map_or_else(unknown, Key::Known))
    }
}

impl ReadObject for Reader<'_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, object: A) -> Result<(), A::Error> {
        self.read_fields(object)
    }
}

/// A customer: an object; anything else is noted as bad.
struct One<'r, 'm>(&'r mut Reader<'m>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.add();
        let value = deserializer.deserialize_any(ValueVisitor(&mut *self.0))?;
        if value != Value::Object {
            self.0.bad(None, value.to_string(), "an object of named features".to_owned());
        }
        Ok(())
    }
}

/// An array of customers.
struct Many<'r, 'm>(&'r mut Reader<'m>);

impl<'de> Visitor<'de> for Many<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of customers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let reader = self.0;
        while reader.ids.len() < reader.limit {
            if array.next_element_seed(One(reader))?.is_none() {
                return Ok(());
            }
        }
        if array.next_element::<IgnoredAny>()?.is_some() {
            reader.over_limit = true;
            return Err(Error::custom("too many customers"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
