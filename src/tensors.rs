//! Customers as tensors of the Open Inference Protocol v2: one input a column, or one of shape `[n, features]`; in JSON,
//! or in binary behind the JSON (Triton's binary data extension). Knows no model but its fields.

use std::borrow::Cow;
use std::fmt;

use rekindle_models::frame::UNKNOWN_LEVEL;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::customers::{Column, Customers, Gathering, Limits};
use crate::error::ApiError;
use crate::fields::{Fields, Role};
use crate::values::{Cell, Value, shorten};

/// A request as typed.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// Echoed.
    pub id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    parameters: RequestParameters,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    outputs: Vec<Output>,
}

#[derive(Debug, Default, Deserialize)]
struct RequestParameters {
    /// Whether outputs are answered in binary where they do not say it themselves.
    #[serde(default, deserialize_with = "or_default")]
    binary_data_output: bool,
}

#[derive(Debug, Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<usize>,
    datatype: Datatype,
    #[serde(default, deserialize_with = "or_default")]
    parameters: InputParameters,
    /// Absent where the data lie in binary behind the JSON.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    parameters: OutputParameters,
}

#[derive(Debug, Default, Deserialize)]
struct OutputParameters {
    binary_data: Option<bool>,
}

/// What stands there, or the default for `null`: MLServer's own client writes what it does not say so.
fn or_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What the cells of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp32,
    Fp64,
    Bytes,
}

/// A body: its JSON, and what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    json: &'a [u8],
    binary: &'a [u8],
}

/// The JSON of a body that has `NaN` in it, as Python's json writes missing numbers: with `null` in its place.
pub fn without_nan(body: &[u8], json_bytes: Option<usize>) -> Option<(Vec<u8>, Option<usize>)> {
    let (json, binary) = body.split_at_checked(json_bytes.unwrap_or(body.len()))?;
    let mut clean = crate::payload::without_nan(json)?;
    let json_bytes = json_bytes.map(|_| clean.len());
    clean.extend(binary);
    Some((clean, json_bytes))
}

impl<'a> Parts<'a> {
    /// A body whose JSON has `json_bytes`, as `Inference-Header-Content-Length` says; all of it without.
    ///
    /// # Errors
    /// When the body is shorter.
    pub fn new(body: &'a [u8], json_bytes: Option<usize>) -> Result<Parts<'a>, ApiError> {
        let (json, binary) =
            body.split_at_checked(json_bytes.unwrap_or(body.len())).ok_or_else(|| {
                invalid(format!(
                    "Inference-Header-Content-Length is {}, the body has {} bytes",
                    json_bytes.unwrap_or_default(),
                    body.len()
                ))
            })?;
        Ok(Parts { json, binary })
    }

    /// The request.
    ///
    /// # Errors
    /// When it is not JSON or no request.
    pub fn request(&self) -> Result<Request<'a>, ApiError> {
        serde_json::from_slice(self.json).map_err(|error| match error.is_data() {
            true => invalid(format!("the request cannot be read: {error}")),
            false => crate::payload::malformed(&error),
        })
    }
}

impl Request<'_> {
    /// The outputs to answer, each with whether in binary; all of `known`, in JSON, where none is named.
    ///
    /// # Errors
    /// When one is named that is not among `known`.
    pub fn outputs(&self, known: &[&'static str]) -> Result<Vec<(&'static str, bool)>, ApiError> {
        let binary = self.parameters.binary_data_output;
        if self.outputs.is_empty() {
            return Ok(known.iter().map(|name| (*name, binary)).collect());
        }
        let twice = |(at, output): (usize, &Output)| {
            self.outputs[..at].iter().any(|other| other.name == output.name)
        };
        if self.outputs.len() > known.len() || self.outputs.iter().enumerate().any(twice) {
            return Err(invalid("an output is named twice, expected each once".to_owned()));
        }
        let wanted = self.outputs.iter().map(|output| {
            let name = known.iter().find(|name| **name == output.name).ok_or_else(|| {
                invalid(format!(
                    "no output {:?}; there is {}",
                    shorten(&output.name),
                    known.join(", ")
                ))
            })?;
            Ok((*name, output.parameters.binary_data.unwrap_or(binary)))
        });
        wanted.collect()
    }

    /// The customers.
    ///
    /// # Errors
    /// When inputs do not fit each other or their data, are too many, or have cells that the model cannot read.
    pub fn customers<'b>(
        &'b self,
        parts: &Parts<'b>,
        fields: &Fields,
        limits: Limits,
    ) -> Result<Customers, ApiError> {
        let Some(first) = self.inputs.first() else {
            return Err(invalid("no inputs, expected one a feature, or one of all".to_owned()));
        };
        let customers = first.shape.first().copied().unwrap_or(0);
        if customers > limits.customers {
            return Err(ApiError::TooManyCustomers { limit: limits.customers });
        }
        let mut gathering = Gathering::new(fields, limits);
        let mut binary = parts.binary;
        match first.shape[..] {
            [_, width] if self.inputs.len() == 1 && width == fields.width() && width > 1 => {
                let data = first.data(&mut binary)?;
                first.rows(data, &mut gathering)?;
            }
            _ => self.columns(customers, &mut binary, &mut gathering)?,
        }
        match binary.len() {
            0 => gathering.finish(),
            more => Err(invalid(format!("{more} bytes follow the data of the inputs"))),
        }
    }

    fn columns<'b>(
        &'b self,
        customers: usize,
        binary: &mut &'b [u8],
        gathering: &mut Gathering<'_>,
    ) -> Result<(), ApiError> {
        let names: Vec<Cow<'_, str>> =
            self.inputs.iter().map(|input| Cow::Borrowed(&*input.name)).collect();
        let heading = gathering.heading(&names)?;
        let mut added = false;
        for (input, column) in self.inputs.iter().zip(heading.columns()) {
            match input.shape[..] {
                [rows] | [rows, 1] if rows == customers => {}
                _ => {
                    return Err(invalid(format!(
                        "input {:?} has the shape {:?}, expected [{customers}] or [{customers}, 1] as a column of the \
                         first input's length, or alone [{customers}, {}], all features in their order",
                        shorten(&input.name),
                        input.shape,
                        gathering.fields().width()
                    )));
                }
            }
            let data = input.data(binary)?;
            let cells = input.cells(data, customers)?;
            // Customers are added once data of their number have been seen.
            if !std::mem::replace(&mut added, true) {
                gathering.reserve(customers);
                (0..customers).for_each(|_| gathering.add());
            }
            let Column::Known(place, role) = *column else { continue };
            for (customer, value) in cells.iter().enumerate() {
                gathering.seek(customer);
                match (role, value) {
                    (_, Value::Null) => {}
                    (Role::Numeric, Value::Float(number)) => gathering.number(place, *number),
                    _ => gathering.set(place, role, value),
                }
            }
        }
        Ok(())
    }
}

/// The data of an input.
enum Data<'a> {
    Json(&'a RawValue),
    Binary(&'a [u8]),
}

impl Input<'_> {
    fn data<'a>(&'a self, binary: &mut &'a [u8]) -> Result<Data<'a>, ApiError> {
        match (self.data, self.parameters.binary_data_size) {
            (Some(text), None) => Ok(Data::Json(text)),
            (None, Some(size)) => {
                let (data, rest) = binary.split_at_checked(size).ok_or_else(|| {
                    let left = binary.len();
                    self.wrong(&format!("{size} bytes of binary data, {left} are left in the body"))
                })?;
                *binary = rest;
                Ok(Data::Binary(data))
            }
            _ => Err(self.wrong("needs either data, or binary_data_size and data behind the JSON")),
        }
    }

    fn wrong(&self, reason: &str) -> ApiError {
        invalid(format!("input {:?}: {reason}", shorten(&self.name)))
    }

    /// Cells row by row, `[n, features]`: numbers, truth values as 0 and 1, dates as days since 1970-01-01, places of
    /// levels (-1: unknown); NaN or `null` where missing.
    fn rows(&self, data: Data<'_>, gathering: &mut Gathering<'_>) -> Result<(), ApiError> {
        let (rows, width) = (self.shape[0], self.shape[1]);
        if self.datatype == Datatype::Bytes {
            return Err(self.wrong("BYTES cannot hold all features; send an input for each"));
        }
        let cells = self.cells(data, rows.saturating_mul(width))?;
        gathering.reserve(rows);
        let names: Vec<Cow<'_, str>> = {
            let features = gathering.fields().features();
            features.iter().map(|field| Cow::Borrowed(&*field.name)).collect()
        };
        let heading = gathering.heading(&names)?;
        for row in cells.chunks_exact(width) {
            gathering.add();
            for (value, column) in row.iter().zip(heading.columns()) {
                let Column::Known(place, role) = *column else { continue };
                match (role, value) {
                    (_, Value::Null) => {}
                    (Role::Numeric, Value::Float(number)) => gathering.number(place, *number),
                    (Role::Categorical(levels), value) => {
                        gathering.cell(place, level_place(value, levels.len()), value);
                    }
                    (role, value) => gathering.set(place, role, value),
                }
            }
        }
        Ok(())
    }

    /// As many cells as expected.
    fn cells<'a>(&self, data: Data<'a>, expected: usize) -> Result<Vec<Value<'a>>, ApiError> {
        let cells = match data {
            Data::Json(text) => {
                let mut cells = Vec::with_capacity(expected.min(text.get().len()));
                let mut json = serde_json::Deserializer::from_str(text.get());
                Flat { cells: &mut cells, most: expected }
                    .deserialize(&mut json)
                    .map_err(|error| self.wrong(&format!("its data cannot be read: {error}")))?;
                cells
            }
            Data::Binary(bytes) => self.binary_cells(bytes, expected)?,
        };
        let rounded = |cell| match cell {
            // As other servers take a tensor of 32 bits.
            Value::Float(number) if self.datatype == Datatype::Fp32 => {
                Value::Float((number as f32).into())
            }
            cell => cell,
        };
        match cells.len() {
            found if found == expected => Ok(cells.into_iter().map(rounded).collect()),
            found => Err(self.wrong(&format!("{found} cells, its shape says {expected}"))),
        }
    }

    fn binary_cells<'a>(
        &self,
        bytes: &'a [u8],
        expected: usize,
    ) -> Result<Vec<Value<'a>>, ApiError> {
        fn all<'a, const N: usize>(
            bytes: &'a [u8],
            value: impl Fn([u8; N]) -> Value<'a>,
        ) -> Option<Vec<Value<'a>>> {
            let (cells, rest) = bytes.as_chunks::<N>();
            rest.is_empty().then(|| cells.iter().map(|cell| value(*cell)).collect())
        }
        let whole = |number: i64| match u64::try_from(number) {
            Ok(number) => Value::Whole(number),
            Err(_) => Value::Negative(number),
        };
        let float = |number: f64| match number.is_nan() {
            true => Value::Null,
            false => Value::Float(number),
        };
        let cells = match self.datatype {
            Datatype::Bool => all(bytes, |[byte]| Value::Bool(byte != 0)),
            Datatype::Uint8 => all(bytes, |[byte]| Value::Whole(byte.into())),
            Datatype::Uint16 => all(bytes, |cell| Value::Whole(u16::from_le_bytes(cell).into())),
            Datatype::Uint32 => all(bytes, |cell| Value::Whole(u32::from_le_bytes(cell).into())),
            Datatype::Uint64 => all(bytes, |cell| Value::Whole(u64::from_le_bytes(cell))),
            Datatype::Int8 => all(bytes, |cell| whole(i8::from_le_bytes(cell).into())),
            Datatype::Int16 => all(bytes, |cell| whole(i16::from_le_bytes(cell).into())),
            Datatype::Int32 => all(bytes, |cell| whole(i32::from_le_bytes(cell).into())),
            Datatype::Int64 => all(bytes, |cell| whole(i64::from_le_bytes(cell))),
            Datatype::Fp32 => all(bytes, |cell| float(f32::from_le_bytes(cell).into())),
            Datatype::Fp64 => all(bytes, |cell| float(f64::from_le_bytes(cell))),
            Datatype::Bytes => texts(bytes, expected),
        };
        cells.ok_or_else(|| {
            self.wrong(&format!("its {} bytes are no whole {:?} cells", bytes.len(), self.datatype))
        })
    }
}

/// Texts, each behind its length as four bytes.
fn texts(mut bytes: &[u8], most: usize) -> Option<Vec<Value<'_>>> {
    let mut texts = Vec::new();
    while !bytes.is_empty() && texts.len() <= most {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(Value::Text(String::from_utf8_lossy(text)));
        bytes = rest;
    }
    Some(texts)
}

/// The place of one of `levels` levels, as exported models take it.
fn level_place(value: &Value<'_>, levels: usize) -> Cell {
    let number = match value {
        Value::Whole(number) => *number as f64,
        Value::Negative(number) => *number as f64,
        Value::Float(number) => *number,
        _ => f64::NAN,
    };
    let whole = number.fract() == 0.0;
    if whole && number == UNKNOWN_LEVEL {
        Cell::UnknownLevel("-1".to_owned())
    } else if whole && number >= 0.0 && number < levels as f64 {
        Cell::Known(number.abs())
    } else {
        Cell::Wrong(format!("the place of a level, 0 to {}, or -1", levels.saturating_sub(1)))
    }
}

/// Cells of arrays in arrays, one after the other.
struct Flat<'c, 'de> {
    cells: &'c mut Vec<Value<'de>>,
    /// Most cells that are read.
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Flat<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers, texts, truth values and nulls")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.cells.push(Value::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.cells.push(Value::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.cells.push(Value::Negative(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.cells.push(Value::Whole(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.cells.push(Value::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        self.cells.push(Value::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.cells.push(Value::Text(Cow::Owned(value.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let Flat { cells, most } = self;
        while array.next_element_seed(Flat { cells, most })?.is_some() {
            if cells.len() > most {
                return Err(serde::de::Error::custom(format!("more than {most} cells")));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(serde::de::Error::invalid_type(serde::de::Unexpected::Map, &"a cell"))
    }
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidTable { reason }
}
