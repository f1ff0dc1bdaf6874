//! JSON values of customers and what they mean to a model's features.

use std::borrow::Cow;
use std::fmt;

use rekindle_models::frame::UNKNOWN_LEVEL;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};

use crate::fields::{Missing, Role};

/// A JSON value; what is inside arrays and objects is checked to be JSON and dropped.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'de> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number from -2^63 to -1.
    Negative(i64),
    /// A whole number from 0 to 2^64 - 1.
    Whole(u64),
    /// Any other number.
    Float(f64),
    /// Text, borrowed from the body where it has no escapes.
    Text(Cow<'de, str>),
    /// `[...]`.
    Array,
    /// `{...}`.
    Object,
}

/// How a customer is named in the reply: as in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum CustomerId {
    /// Text.
    Text(String),
    /// A negative whole number.
    Negative(i64),
    /// A whole number.
    Whole(u64),
}

impl utoipa::PartialSchema for CustomerId {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(kind).build();
        OneOfBuilder::new().item(of(Type::String)).item(of(Type::Integer)).into()
    }
}

impl utoipa::ToSchema for CustomerId {}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CustomerId::Text(text) => f.write_str(text),
            CustomerId::Negative(number) => number.fmt(f),
            CustomerId::Whole(number) => number.fmt(f),
        }
    }
}

/// A value as a cell of a feature.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// The cell; NaN is missing.
    Known(f64),
    /// Text that is none of the feature's levels.
    UnknownLevel(String),
    /// The feature cannot have such a value; what it can have, in words.
    Wrong(String),
}

impl Cell {
    /// The cell in a model's row; a wrong one is missing.
    pub fn number(&self) -> f64 {
        match self {
            Cell::Known(number) => *number,
            Cell::UnknownLevel(_) => UNKNOWN_LEVEL,
            Cell::Wrong(_) => f64::NAN,
        }
    }
}

/// What a value means to a feature. Ids and ignored fields have no cells.
pub fn cell(value: &Value<'_>, role: &Role, missing: &Missing) -> Cell {
    match role {
        Role::Numeric => numeric(value, missing)
            .map_or_else(|| Cell::Wrong("a number or null".to_owned()), Cell::Known),
        Role::Boolean => boolean(value)
            .map_or_else(|| Cell::Wrong("true, false, 1, 0 or null".to_owned()), Cell::Known),
        Role::Date(format) => {
            let days = match value {
                Value::Text(text) if missing.text(text.trim_ascii()) => Some(f64::NAN),
                Value::Text(text) => format.parse(text.trim_ascii()),
                _ => numeric(value, missing),
            };
            let format = if format.0.is_empty() { "ISO 8601" } else { &format.0 };
            days.map_or_else(
                || Cell::Wrong(format!("a date as {format}, days since 1970-01-01, or null")),
                Cell::Known,
            )
        }
        Role::Categorical(levels) => {
            // A number or a truth value may stand for a level that was read from such a text.
            let text: Cow<'_, str> = match value {
                Value::Null => return Cell::Known(f64::NAN),
                Value::Text(text) => Cow::Borrowed(text),
                Value::Whole(number) => number.to_string().into(),
                Value::Negative(number) => number.to_string().into(),
                Value::Bool(truth) => truth.to_string().into(),
                Value::Float(_) | Value::Array | Value::Object => {
                    return Cell::Wrong("text, a whole number, true, false or null".to_owned());
                }
            };
            level(&text, levels, missing)
        }
        Role::Id | Role::Ignored => Cell::Known(f64::NAN),
    }
}

fn level(text: &str, levels: &hashbrown::HashMap<Box<str>, f64>, missing: &Missing) -> Cell {
    if let Some(&cell) = levels.get(text) {
        return Cell::Known(cell);
    }
    // Tables are read without the blanks around their cells.
    let text = text.trim_ascii();
    match levels.get(text) {
        Some(&cell) => Cell::Known(cell),
        None if missing.text(text) => Cell::Known(f64::NAN),
        None => Cell::UnknownLevel(text.to_owned()),
    }
}

fn numeric(value: &Value<'_>, missing: &Missing) -> Option<f64> {
    let number = match value {
        Value::Null => return Some(f64::NAN),
        Value::Float(number) => *number,
        Value::Whole(number) => *number as f64,
        Value::Negative(number) => *number as f64,
        Value::Bool(_) | Value::Text(_) | Value::Array | Value::Object => return None,
    };
    Some(if missing.number(number) { f64::NAN } else { number })
}

fn boolean(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Whole(number @ (0 | 1)) => Some(*number as f64),
        // Tools that hold missing values as NaN send a column of 0 and 1 as 0.0 and 1.0.
        Value::Float(number) if *number == 0.0 || *number == 1.0 => Some(number.abs()),
        _ => None,
    }
}

/// A customer's name, `None` for `null`.
///
/// # Errors
/// What can name a customer, in words, when the value cannot. Fractions and numbers beyond 64 bits
/// cannot: they would come back changed.
pub fn customer_id(value: &Value<'_>) -> Result<Option<CustomerId>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(CustomerId::Text(text.to_string()))),
        Value::Whole(number) => Ok(Some(CustomerId::Whole(*number))),
        Value::Negative(number) => Ok(Some(CustomerId::Negative(*number))),
        Value::Bool(_) | Value::Float(_) | Value::Array | Value::Object => {
            Err("text, a whole number of at most 64 bits, or null")
        }
    }
}

/// Longest text shown in messages, in characters.
const SHOWN: usize = 100;

/// A text as messages show it.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The value as messages show it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "null"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Negative(number) => write!(f, "number {number}"),
            Value::Whole(number) => write!(f, "number {number}"),
            Value::Float(number) => write!(f, "number {number:?}"),
            Value::Text(text) => write!(f, "text {:?}", shorten(text)),
            Value::Array => write!(f, "an array"),
            Value::Object => write!(f, "an object"),
        }
    }
}

/// What to do with the fields of an object.
pub trait ReadObject {
    /// Reads all of them.
    ///
    /// # Errors
    /// When they are not JSON.
    fn read<'de, A: MapAccess<'de>>(&mut self, object: A) -> Result<(), A::Error>;
}

/// Checks that they are JSON and drops them.
struct Skip;

impl ReadObject for Skip {
    fn read<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(ValueVisitor(&mut Skip))
    }
}

/// Any value; the fields of an object are handed on.
pub struct ValueVisitor<'a, O>(pub &'a mut O);

impl<'de, O: ReadObject> Visitor<'de> for ValueVisitor<'_, O> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Negative(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value<'de>, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Value<'de>, A::Error> {
        self.0.read(object)?;
        Ok(Value::Object)
    }
}
