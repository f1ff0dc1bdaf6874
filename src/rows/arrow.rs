//! Customers as an Arrow IPC stream, record batch by record batch. What is claimed is not believed: messages are framed
//! and measured here before arrow-rs sees them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, root_as_message};
use arrow_schema::{ArrowError, DataType};

use crate::customers::{Column, Gathering, Heading};
use crate::fields::Role;
use crate::rows::Broken;
use crate::values::Value;

/// The record batches of a stream.
pub struct Batches<R> {
    input: R,
    decoder: StreamDecoder,
    /// Longest message.
    most: usize,
    /// Bytes of the dictionaries that are kept, by id.
    dictionaries: BTreeMap<i64, usize>,
    names: Vec<String>,
}

/// Longest metadata of a message: those of 10,000 columns have about 2 MB.
const METADATA: usize = 16 << 20;
/// What stands before the length of a message.
const CONTINUES: [u8; 4] = [0xff; 4];

impl<R: Read> Batches<R> {
    /// Reads the schema. Messages of more than `most` bytes are refused.
    ///
    /// # Errors
    /// When the stream does not begin with one.
    pub fn new(input: R, most: usize) -> Result<Batches<R>, Broken> {
        let (decoder, dictionaries) = (StreamDecoder::new(), BTreeMap::new());
        let mut batches = Batches { input, decoder, most, dictionaries, names: Vec::new() };
        let first = batches.message()?;
        if first.is_none() || batches.decoder.schema().is_none() {
            return Err(Broken::Table(
                "no Arrow IPC stream: it does not begin with a schema".to_owned(),
            ));
        }
        let schema = batches.decoder.schema().expect("checked above");
        batches.names = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(batches)
    }

    /// The names of the columns.
    pub fn names(&self) -> Vec<Cow<'_, str>> {
        self.names.iter().map(|name| Cow::Borrowed(name.as_str())).collect()
    }

    /// The next record batch.
    ///
    /// # Errors
    /// When the stream breaks off or makes no sense.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, Broken> {
        loop {
            match self.message()? {
                None => return Ok(None),
                Some(Some(batch)) => return Ok(Some(batch)),
                Some(None) => {}
            }
        }
    }

    /// Reads a message: `None` at the stream's end, else the record batch in it, if there is one.
    fn message(&mut self) -> Result<Option<Option<RecordBatch>>, Broken> {
        let mut word = [0; 4];
        if !self.whole(&mut word)? {
            return Ok(None);
        }
        if word == CONTINUES && !self.whole(&mut word)? {
            return Err(broken_off());
        }
        let metadata = u32::from_le_bytes(word) as usize;
        if metadata == 0 {
            return Ok(None);
        }
        if metadata > METADATA {
            return Err(no_sense(format!("metadata of {metadata} bytes")));
        }
        let mut bytes = Vec::new();
        self.more(metadata, &mut bytes)?;
        let body = {
            let message = root_as_message(&bytes).map_err(|error| no_sense(error.to_string()))?;
            self.check(&message)?
        };
        self.more(body, &mut bytes)?;
        // The decoder takes a message without a body for whole only when it sees that another one begins.
        bytes.extend(CONTINUES);
        // arrow-rs panics on some damaged bytes.
        let decoder = &mut self.decoder;
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            decoder.decode(&mut Buffer::from(word.to_vec()))?;
            let mut buffer = Buffer::from(bytes);
            let batch = decoder.decode(&mut buffer)?;
            decoder.decode(&mut buffer)?;
            Ok(batch)
        }));
        match decoded {
            Ok(Ok(batch)) => Ok(Some(batch)),
            Ok(Err(error)) => Err(no_sense(ArrowError::to_string(&error))),
            Err(_) => Err(no_sense("its bytes fit no schema".to_owned())),
        }
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
            self.dictionaries.insert(dictionary.id(), body);
            if self.dictionaries.values().sum::<usize>() > self.most {
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

    /// Appends so many bytes, as they come: no more memory is taken than they need.
    fn more(&mut self, count: usize, bytes: &mut Vec<u8>) -> Result<(), Broken> {
        match self.input.by_ref().take(count as u64).read_to_end(bytes)? {
            read if read == count => Ok(()),
            _ => Err(broken_off()),
        }
    }
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
