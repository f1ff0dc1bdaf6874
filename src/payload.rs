//! Customers as JSON objects of named features, straight into a model's rows, with no table of names and values in
//! between: each key is compared with the next feature and looked up only when it is another one.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::customers::{Customers, Gathering, Limits};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::values::{ReadObject, Value, ValueVisitor};

/// Reads one customer (an object of named features) or many (an array of such objects).
///
/// # Errors
/// When the body is not JSON, has too many customers, or has fields that the model cannot read;
/// the first of these are named.
pub fn parse(body: &[u8], fields: &Fields, limits: Limits) -> Result<Customers, ApiError> {
    let mut gathering = Gathering::new(fields, limits);
    // All of it is looked at once for whether it is text: every key would be else.
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => read(serde_json::Deserializer::from_str(text), body, &mut gathering),
        Err(_) => read(serde_json::Deserializer::from_slice(body), body, &mut gathering),
    };
    finish(gathering, parsed)
}

fn read<'de, R: serde_json::de::Read<'de>>(
    mut json: serde_json::Deserializer<R>,
    body: &[u8],
    gathering: &mut Gathering<'_>,
) -> Result<(), serde_json::Error> {
    let many = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    match many {
        true => json.deserialize_seq(Many(gathering))?,
        false => One(gathering).deserialize(&mut json)?,
    }
    json.end()
}

/// One customer more, from the JSON text of an object.
///
/// # Errors
/// When it is not JSON.
pub fn parse_one(text: &[u8], gathering: &mut Gathering<'_>) -> Result<(), serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(text);
    One(gathering).deserialize(&mut json).and_then(|()| json.end())
}

/// The customers of a body whose parser has ended so.
///
/// # Errors
/// When it has ended with an error, or customers have bad fields.
pub fn finish(
    gathering: Gathering<'_>,
    parsed: Result<(), serde_json::Error>,
) -> Result<Customers, ApiError> {
    match parsed {
        Ok(()) => gathering.finish(),
        Err(error) if is_too_many(&error) => {
            Err(ApiError::TooManyCustomers { limit: gathering.limits().customers })
        }
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

/// Of a body that is JSON but no `T`: line, column and what was found, with its path; else the error that it is.
pub fn place_told<'b, T: Deserialize<'b>>(
    body: &'b [u8],
    error: &serde_json::Error,
) -> Result<(usize, usize, String), ApiError> {
    let (line, column, reason) = match malformed(error) {
        ApiError::MalformedJson { line, column, reason } if error.is_data() => {
            (line, column, reason)
        }
        other => return Err(other),
    };
    // Read once more, with an eye on the place.
    let mut json = serde_json::Deserializer::from_slice(body);
    let again: Result<T, _> = serde_path_to_error::deserialize(&mut json);
    let path = again.err().map(|error| error.path().to_string()).unwrap_or_default();
    let reason = reason
        .replace("invalid type: ", "found ")
        .replace("invalid value: ", "found ")
        .replace("expected f64", "expected a number");
    Ok(match path.as_str() {
        "" | "." => (line, column, reason),
        _ => (line, column, format!("{path}: {reason}")),
    })
}

/// A body with `null` wherever it has `NaN` outside texts, as Python's json writes it; `None` where it has none.
pub fn without_nan(body: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(body, b"NaN")?;
    let mut clean = Vec::with_capacity(body.len() + body.len() / 8);
    let (mut in_text, mut at, mut found) = (false, 0, false);
    while let Some(&byte) = body.get(at) {
        match byte {
            b'\\' if in_text => {
                clean.extend(&body[at..(at + 2).min(body.len())]);
                at += 2;
                continue;
            }
            b'"' => in_text = !in_text,
            b'N' if !in_text && body[at..].starts_with(b"NaN") => {
                clean.extend(b"null");
                (at, found) = (at + 3, true);
                continue;
            }
            _ => {}
        }
        clean.push(byte);
        at += 1;
    }
    found.then_some(clean)
}

/// What the parser is stopped with when there are too many customers.
const TOO_MANY: &str = "too many customers";

/// Whether a parser was stopped because there are too many customers. A client's text that says so stands in quotes.
pub fn is_too_many(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.contains(TOO_MANY) && !text.contains(&format!("\"{TOO_MANY}"))
}

/// A customer: an object; anything else is noted as bad.
pub struct One<'r, 'm>(pub &'r mut Gathering<'m>);

impl<'de> DeserializeSeed<'de> for One<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.add();
        let value = deserializer.deserialize_any(ValueVisitor(&mut Object(&mut *self.0)))?;
        if value != Value::Object {
            self.0.bad(None, value.to_string(), "an object of named features".to_owned());
        }
        Ok(())
    }
}

/// An array of customers.
pub struct Many<'r, 'm>(pub &'r mut Gathering<'m>);

impl<'de> Visitor<'de> for Many<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of customers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let gathering = self.0;
        while !gathering.is_full() {
            if array.next_element_seed(One(gathering))?.is_none() {
                return Ok(());
            }
        }
        no_more(array)
    }
}

/// The end of an array that may hold no more.
///
/// # Errors
/// When there is more.
pub fn no_more<'de, A: SeqAccess<'de>>(mut array: A) -> Result<(), A::Error> {
    match array.next_element::<IgnoredAny>()? {
        Some(_) => Err(Error::custom(TOO_MANY)),
        None => Ok(()),
    }
}

/// The fields of the customer added last.
struct Object<'r, 'm>(&'r mut Gathering<'m>);

impl ReadObject for Object<'_, '_> {
    fn read<'de, A: MapAccess<'de>>(&mut self, mut object: A) -> Result<(), A::Error> {
        let gathering = &mut *self.0;
        let fields = gathering.fields();
        let mut guess = 0;
        while let Some(key) = object.next_key_seed(KeySeed { fields, guess })? {
            let place = match key {
                Key::Known(place) => place,
                Key::Unknown(name) => {
                    object.next_value::<IgnoredAny>()?;
                    gathering.unknown_field(name);
                    continue;
                }
            };
            guess = place + 1;
            if !gathering.meets(place) {
                object.next_value::<IgnoredAny>()?;
                gathering.twice(&fields.known()[place].name);
            } else {
                object.next_value_seed(CellSeed { gathering, place })?;
            }
        }
        Ok(())
    }
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

/// A value into a cell of the customer added last.
pub struct CellSeed<'r, 'm> {
    /// Where customers are gathered.
    pub gathering: &'r mut Gathering<'m>,
    /// The field's place.
    pub place: usize,
}

impl CellSeed<'_, '_> {
    #[inline(never)]
    fn set(self, value: &Value<'_>) {
        let fields = self.gathering.fields();
        self.gathering.set(self.place, &fields.known()[self.place].role, value);
    }

    #[inline]
    fn number(self, number: f64, value: &Value<'_>) {
        match self.gathering.fields().is_numeric(self.place) {
            true => self.gathering.number(self.place, number),
            false => self.set(value),
        }
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_, '_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Numbers and `null` take the short way; every other value becomes a [`Value`] first.
impl<'de> Visitor<'de> for CellSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    #[inline]
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value, &Value::Float(value));
        Ok(())
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64, &Value::Whole(value));
        Ok(())
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64, &Value::Negative(value));
        Ok(())
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        // The cell was missing when the customer was added.
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.set(&Value::Bool(value));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.set(&Value::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.set(&Value::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        self.set(&Value::Array);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.set(&Value::Object);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
