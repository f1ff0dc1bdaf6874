//! Customers as an Arrow IPC stream, record batch by record batch. What is claimed is not believed: messages are framed
//! and measured here before arrow-rs sees them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, root_as_message};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use crate::customers::{Column, Gathering, Heading};
use crate::fields::Role;
use crate::rows::Broken;
use crate::values::Value;

/// The record batches of a stream.
pub struct Batches<R> {
    input: R,
    schema: SchemaRef,
    /// The values of dictionaries, by id.
    dictionaries: HashMap<i64, ArrayRef>,
    /// Bytes of the dictionaries that are kept, by id.
    kept: BTreeMap<i64, usize>,
    /// Longest message.
    most: usize,
}

/// Longest metadata of a message: those of 10,000 columns have about 2 MB.
const METADATA: usize = 16 << 20;

impl<R: Read> Batches<R> {
    /// Reads the schema. Messages of more than `most` bytes are refused.
    ///
    /// # Errors
    /// When the stream does not begin with one.
    pub fn new(input: R, most: usize) -> Result<Batches<R>, Broken> {
        let mut batches = Batches {
            input,
            schema: Arc::new(Schema::empty()),
            dictionaries: HashMap::new(),
            kept: BTreeMap::new(),
            most,
        };
        let first = batches.message()?;
        let Some(Told::Schema(schema)) = first else {
            return Err(Broken::Table(
                "no Arrow IPC stream: it does not begin with a schema".to_owned(),
            ));
        };
        batches.schema = schema;
        Ok(batches)
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<Cow<'_, str>> {
        self.schema.fields().iter().map(|field| Cow::Borrowed(field.name().as_str())).collect()
    }

    /// The next record batch.
    ///
    /// # Errors
    /// When the stream breaks off or makes no sense.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, Broken> {
        loop {
            match self.message()? {
                None => return Ok(None),
                Some(Told::Rows(batch)) => return Ok(Some(batch)),
                Some(Told::Schema(_)) => return Err(no_sense("a second schema".to_owned())),
                Some(Told::Dictionary | Told::Nothing) => {}
            }
        }
    }

    /// Reads a message; `None` at the stream's end.
    fn message(&mut self) -> Result<Option<Told>, Broken> {
        let mut word = [0; 4];
        if !self.whole(&mut word)? {
            return Ok(None);
        }
        if word == [0xff; 4] && !self.whole(&mut word)? {
            return Err(broken_off());
        }
        let length = u32::from_le_bytes(word) as usize;
        if length == 0 {
            return Ok(None);
        }
        if length > METADATA {
            return Err(no_sense(format!("metadata of {length} bytes")));
        }
        let metadata = self.more(length)?;
        let message = root_as_message(&metadata).map_err(|error| no_sense(error.to_string()))?;
        let body = self.check(&message)?;
        let body = Buffer::from(self.more(body)?);
        // arrow-rs panics on some damaged bytes.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode(&message, &body)));
        match decoded {
            Ok(Ok(told)) => Ok(Some(told)),
            Ok(Err(error)) => Err(no_sense(error.to_string())),
            Err(_) => Err(no_sense("its bytes fit no schema".to_owned())),
        }
    }

    fn decode(&mut self, message: &Message<'_>, body: &Buffer) -> Result<Told, ArrowError> {
        let version = message.version();
        if let Some(schema) = message.header_as_schema() {
            return Ok(Told::Schema(Arc::new(fb_to_schema(schema))));
        }
        if let Some(batch) = message.header_as_dictionary_batch() {
            read_dictionary(body, batch, &self.schema, &mut self.dictionaries, &version)?;
            return Ok(Told::Dictionary);
        }
        let Some(batch) = message.header_as_record_batch() else { return Ok(Told::Nothing) };
        let schema = Arc::clone(&self.schema);
        read_record_batch(body, batch, schema, &self.dictionaries, None, &version).map(Told::Rows)
    }

    /// The bytes that follow a message's metadata.
    fn check(&mut self, message: &Message<'_>) -> Result<usize, Broken> {
        let body = usize::try_from(message.bodyLength()).unwrap_or(usize::MAX);
        if body > self.most {
            return Err(Broken::Table(format!(
                "a record batch of {body} bytes, expected at most {}; send smaller ones",
                self.most
            )));
        }
        let dictionary = message.header_as_dictionary_batch();
        let rows = match &dictionary {
            Some(dictionary) => dictionary.data(),
            None => message.header_as_record_batch(),
        };
        let claimed = rows.map_or(0, |rows| rows.length());
        if !usize::try_from(claimed).is_ok_and(|claimed| claimed <= body.saturating_mul(8)) {
            // A column that needs no bytes, as that of nulls, may claim any number of rows.
            return Err(Broken::Table(format!(
                "a record batch of {claimed} rows in {body} bytes, expected at least a bit a row"
            )));
        }
        if rows.is_some_and(|rows| rows.compression().is_some()) {
            // A few bytes may claim to be gigabytes, and arrow-rs would believe them.
            return Err(Broken::Table(
                "compressed record batches, expected plain ones; compress the body by gzip"
                    .to_owned(),
            ));
        }
        if let Some(dictionary) = dictionary {
            self.kept.insert(dictionary.id(), body);
            if self.kept.values().sum::<usize>() > self.most {
                return Err(Broken::Table(format!(
                    "dictionaries of more than {} bytes",
                    self.most
                )));
            }
        }
        Ok(body)
    }

    /// Fills a word; whether there was one.
    fn whole(&mut self, word: &mut [u8; 4]) -> Result<bool, Broken> {
        let mut read = 0;
        while read < 4 {
            match self.input.read(&mut word[read..])? {
                0 if read == 0 => return Ok(false),
                0 => return Err(broken_off()),
                more => read += more,
            }
        }
        Ok(true)
    }

    /// So many bytes, as they come: no more memory is taken than they need.
    fn more(&mut self, count: usize) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        match self.input.by_ref().take(count as u64).read_to_end(&mut bytes)? {
            read if read == count => Ok(bytes),
            _ => Err(broken_off()),
        }
    }
}

/// What a message was.
enum Told {
    Schema(SchemaRef),
    Dictionary,
    Rows(RecordBatch),
    Nothing,
}

fn broken_off() -> Broken {
    Broken::Received("the Arrow stream breaks off".to_owned())
}

fn no_sense(reason: String) -> Broken {
    Broken::Table(format!("the Arrow stream makes no sense: {reason}"))
}

/// The columns of a record batch as a model takes them: none for those that it does not know.
pub struct Cells(Vec<Option<(usize, ArrayRef)>>);

impl Cells {
    /// Casts the columns that a heading knows.
    ///
    /// # Errors
    /// When a column is of a type that its feature cannot have.
    pub fn new(
        batch: &RecordBatch,
        names: &[Cow<'_, str>],
        heading: &Heading<'_>,
    ) -> Result<Cells, Broken> {
        let columns = heading.columns().iter().zip(batch.columns()).zip(names);
        let cells = columns.map(|((column, array), name)| match column {
            Column::Known(place, role) => {
                cast(array, role).map(|array| Some((*place, array))).ok_or_else(|| {
                    Broken::Table(format!(
                        "column {name:?} is of type {}, which its feature cannot have",
                        array.data_type()
                    ))
                })
            }
            Column::Unknown => Ok(None),
        });
        Ok(Cells(cells.collect::<Result<_, _>>()?))
    }

    /// Adds a row as a customer.
    pub fn read(&self, row: usize, gathering: &mut Gathering<'_>) {
        gathering.add();
        for (place, array) in self.0.iter().flatten() {
            let (array, row) = match array.data_type() {
                DataType::Dictionary(..) => {
                    let coded = array.as_dictionary::<Int64Type>();
                    let Some(key) = coded.key(row) else { continue };
                    (coded.values(), key)
                }
                _ => (array, row),
            };
            if array.is_null(row) {
                continue;
            }
            let role = &gathering.fields().known()[*place].role;
            match array.data_type() {
                DataType::Float64 => {
                    let number = array.as_primitive::<Float64Type>().value(row);
                    match role {
                        _ if number.is_nan() => {}
                        Role::Numeric => gathering.number(*place, number),
                        role => gathering.set(*place, role, &Value::Float(number)),
                    }
                }
                DataType::Int64 => {
                    let number = array.as_primitive::<Int64Type>().value(row);
                    let value = u64::try_from(number).map_or(Value::Negative(number), Value::Whole);
                    gathering.set(*place, role, &value);
                }
                DataType::UInt64 => {
                    let number = array.as_primitive::<UInt64Type>().value(row);
                    gathering.set(*place, role, &Value::Whole(number));
                }
                DataType::Date32 => {
                    let days = array.as_primitive::<Date32Type>().value(row);
                    gathering.set(*place, role, &Value::Float(days.into()));
                }
                DataType::Boolean => {
                    gathering.set(*place, role, &Value::Bool(array.as_boolean().value(row)));
                }
                DataType::Utf8View => {
                    let text = array.as_string_view().value(row);
                    gathering.set(*place, role, &Value::Text(Cow::Borrowed(text)));
                }
                _ => {
                    let text = array.as_string::<i32>().value(row);
                    gathering.set(*place, role, &Value::Text(Cow::Borrowed(text)));
                }
            }
        }
    }
}

/// A column as one of the types that [`Cells::read`] knows. Texts that many rows share stay shared: written out for
/// each, a few bytes would be gigabytes.
fn cast(array: &ArrayRef, role: &Role) -> Option<ArrayRef> {
    let (found, coded) = match array.data_type() {
        DataType::Dictionary(_, values) => (&**values, true),
        found => (found, false),
    };
    let text = matches!(found, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let whole = found.is_integer();
    let to = match role {
        Role::Ignored => return Some(arrow_array::new_null_array(&DataType::Boolean, array.len())),
        _ if *found == DataType::Null => {
            return Some(arrow_array::new_null_array(&DataType::Boolean, array.len()));
        }
        _ if *found == DataType::Boolean => DataType::Boolean,
        Role::Numeric if found.is_numeric() => DataType::Float64,
        Role::Boolean if found.is_numeric() => DataType::Float64,
        Role::Date(_)
            if matches!(found, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) =>
        {
            DataType::Date32
        }
        Role::Date(_) if text => DataType::Utf8,
        Role::Date(_) if found.is_numeric() => DataType::Float64,
        Role::Categorical(_) | Role::Id if text => DataType::Utf8,
        Role::Categorical(_) | Role::Id if *found == DataType::UInt64 => DataType::UInt64,
        Role::Categorical(_) | Role::Id if whole => DataType::Int64,
        _ => return None,
    };
    let to = match to {
        DataType::Utf8 if *found == DataType::Utf8View => DataType::Utf8View,
        to => to,
    };
    let to = if coded { DataType::Dictionary(DataType::Int64.into(), to.into()) } else { to };
    arrow_cast::cast(array, &to).ok()
}
