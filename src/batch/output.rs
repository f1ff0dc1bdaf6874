//! The answer to a batch as CSV, NDJSON or an Arrow stream, block by block, with counts at its end.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt8Array, UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rekindle_models::reasons::Reason;
use serde::Serialize;

use crate::batch::{Gone, Row, Taker, Trailer};
use crate::error::BadField;
use crate::scoring::{Decision, Scored, Why};
use crate::values::CustomerId;

/// How a table is written, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `text/csv` with a header.
    Csv,
    /// `application/x-ndjson`: an object a line.
    Ndjson,
    /// `application/vnd.apache.arrow.stream`.
    Arrow,
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Form::Csv => "text/csv; charset=utf-8",
            Form::Ndjson => "application/x-ndjson",
            Form::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The form of a media type, as requests name it.
    pub fn of(media_type: &str) -> Option<Form> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str()
        {
            "text/csv" | "application/csv" => Some(Form::Csv),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => Some(Form::Ndjson),
            "application/vnd.apache.arrow.stream" => Some(Form::Arrow),
            _ => None,
        }
    }
}

/// Writes the answer to a batch.
pub struct Output<'s> {
    form: Form,
    send: &'s mut dyn FnMut(Vec<u8>) -> Result<(), Gone>,
    /// Rows written.
    row: u64,
    /// Whether several models were asked for.
    several: bool,
    why: Why,
    /// Of an Arrow stream, from its first block on.
    arrow: Option<(SchemaRef, StreamWriter<Vec<u8>>)>,
}

/// A row of NDJSON.
#[derive(Serialize)]
struct Line<'a> {
    row: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    #[serde(flatten)]
    scores: Scores<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Scores<'a> {
    One(Entry<'a>),
    Several { scores: Vec<Entry<'a>> },
    Failed { error: Unread<'a> },
}

/// What of a row could not be read.
#[derive(Serialize)]
struct Unread<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    found: &'a str,
    expected: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    model_name: &'a str,
    model_version: u32,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<&'a [Reason<'a>]>,
}

/// The reasons of a block's rows, by model; `None` where none is asked for.
type Reasons<'a> = Option<Vec<Vec<Vec<Reason<'a>>>>>;

impl<'s> Output<'s> {
    /// An answer whose pieces go to `send`.
    pub fn new(
        form: Form,
        several: bool,
        why: Why,
        send: &'s mut dyn FnMut(Vec<u8>) -> Result<(), Gone>,
    ) -> Output<'s> {
        Output { form, send, row: 0, several, why, arrow: None }
    }

    fn header(&self, models: &[&str]) -> Vec<u8> {
        let mut names = vec!["row".to_owned(), "customer_id".to_owned()];
        for model in models {
            names.extend(self.columns_of(model));
        }
        names.push("error".to_owned());
        (names.join(",") + "\n").into_bytes()
    }

    /// The columns of a model, under its name where there are several.
    fn columns_of(&self, model: &str) -> Vec<String> {
        let told: &[&str] = match self.why.reasons {
            0 => &["model_version", "probability", "percentile", "positive"],
            _ => &["model_version", "probability", "percentile", "positive", "reasons"],
        };
        let named = |column: &&str| match self.several {
            true => format!("{model}_{column}"),
            false => (*column).to_owned(),
        };
        told.iter().map(named).collect()
    }

    fn csv(&self, first: u64, rows: &[Row], blocks: &[Scored], reasons: &Reasons<'_>) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 * rows.len());
        if first == 1 {
            text = self.header(&blocks.iter().map(|block| block.model.name()).collect::<Vec<_>>());
        }
        for (number, row) in (first..).zip(rows) {
            write!(text, "{number}").expect(VECTOR);
            match row {
                Row::Scored(place) => {
                    quoted(&name(blocks[0].customers.ids[*place].as_ref()), &mut text);
                    for (at, block) in blocks.iter().enumerate() {
                        let (version, score) = (block.version(*place), &block.scores[*place]);
                        let (probability, percentile) = (score.probability, score.percentile);
                        write!(text, ",{version},{probability},{percentile},{}", score.positive)
                            .expect(VECTOR);
                        if let Some(reasons) = reasons {
                            quoted(&in_words(&reasons[at][*place]), &mut text);
                        }
                    }
                    text.push(b',');
                }
                Row::Failed(bad, line) => {
                    let columns =
                        blocks.iter().map(|block| self.columns_of(block.model.name()).len());
                    text.resize(text.len() + 1 + columns.sum::<usize>(), b',');
                    quoted(&told(bad, *line), &mut text);
                }
            }
            text.push(b'\n');
        }
        text
    }

    fn ndjson<'a>(
        &self,
        first: u64,
        rows: &[Row],
        blocks: &'a [Scored],
        reasons: &'a Reasons<'a>,
    ) -> Vec<u8> {
        let mut text = Vec::with_capacity(128 * rows.len());
        for (number, row) in (first..).zip(rows) {
            let written = match row {
                Row::Scored(place) => {
                    let entry = |at: usize, block: &'a Scored| Entry {
                        model_name: block.model.name(),
                        model_version: block.version(*place),
                        probability: block.scores[*place].probability,
                        percentile: block.scores[*place].percentile,
                        decision: Decision { positive: block.scores[*place].positive },
                        reasons: reasons.as_ref().map(|reasons| &*reasons[at][*place]),
                    };
                    let entries = blocks.iter().enumerate();
                    let mut entries: Vec<Entry<'_>> =
                        entries.map(|(at, block)| entry(at, block)).collect();
                    let scores = match self.several {
                        true => Scores::Several { scores: entries },
                        false => Scores::One(entries.swap_remove(0)),
                    };
                    Line {
                        row: number,
                        customer_id: blocks[0].customers.ids[*place].as_ref(),
                        scores,
                    }
                }
                Row::Failed(bad, line) => {
                    let (found, expected) = (&*bad.found, &*bad.expected);
                    let error =
                        Unread { line: *line, field: bad.field.as_deref(), found, expected };
                    Line { row: number, customer_id: None, scores: Scores::Failed { error } }
                }
            };
            text.extend(line(&written));
        }
        text
    }

    fn record_batch(
        &mut self,
        first: u64,
        rows: &[Row],
        blocks: &[Scored],
        reasons: &Reasons<'_>,
    ) -> Vec<u8> {
        let numbers = UInt64Array::from_iter_values(first..first + rows.len() as u64);
        let place = |row: &Row| match row {
            Row::Scored(place) => Some(*place),
            Row::Failed(..) => None,
        };
        let places: Vec<Option<usize>> = rows.iter().map(place).collect();
        let ids: StringArray = places
            .iter()
            .map(|place| {
                place.and_then(|p| blocks[0].customers.ids[p].as_ref()).map(CustomerId::to_string)
            })
            .collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(ids)];
        for (at, block) in blocks.iter().enumerate() {
            let scores = || places.iter().map(|place| place.map(|p| &block.scores[p]));
            let versions = places.iter().map(|place| place.map(|p| u64::from(block.version(p))));
            columns.push(Arc::new(versions.collect::<UInt64Array>()));
            columns
                .push(Arc::new(scores().map(|s| Some(s?.probability)).collect::<Float64Array>()));
            columns.push(Arc::new(scores().map(|s| Some(s?.percentile)).collect::<UInt8Array>()));
            columns.push(Arc::new(scores().map(|s| Some(s?.positive)).collect::<BooleanArray>()));
            if let Some(reasons) = reasons {
                let texts = places.iter().map(|place| place.map(|p| in_words(&reasons[at][p])));
                columns.push(Arc::new(texts.collect::<StringArray>()));
            }
        }
        let mut errors = StringBuilder::new();
        for row in rows {
            errors.append_option(match row {
                Row::Scored(_) => None,
                Row::Failed(bad, line) => Some(told(bad, *line)),
            });
        }
        columns.push(Arc::new(errors.finish()));
        let models: Vec<&str> = blocks.iter().map(|block| block.model.name()).collect();
        let (schema, writer) = self.arrow(&models);
        let batch = RecordBatch::try_new(schema, columns).expect("columns are as the schema says");
        writer.write(&batch).expect("a vector takes every write");
        std::mem::take(writer.get_mut())
    }

    /// The stream's schema and writer.
    fn arrow(&mut self, models: &[&str]) -> (SchemaRef, &mut StreamWriter<Vec<u8>>) {
        if self.arrow.is_none() {
            let mut fields = vec![
                Field::new("row", DataType::UInt64, false),
                Field::new("customer_id", DataType::Utf8, true),
            ];
            let types = [
                DataType::UInt64,
                DataType::Float64,
                DataType::UInt8,
                DataType::Boolean,
                DataType::Utf8,
            ];
            for model in models {
                let columns = self.columns_of(model).into_iter().zip(types.clone());
                fields.extend(columns.map(|(name, kind)| Field::new(name, kind, true)));
            }
            fields.push(Field::new("error", DataType::Utf8, true));
            let schema = Arc::new(Schema::new(fields));
            let writer =
                StreamWriter::try_new(Vec::new(), &schema).expect("a vector takes every write");
            self.arrow = Some((schema, writer));
        }
        let (schema, writer) = self.arrow.as_mut().expect("made above");
        (Arc::clone(schema), writer)
    }

    fn last_batch(&mut self, trailer: &Trailer) -> Vec<u8> {
        let models: Vec<&str> = trailer.models.iter().map(|m| m.model_name.as_str()).collect();
        let (schema, writer) = self.arrow(&models);
        let json = serde_json::to_string(trailer).expect("names, numbers and texts are JSON");
        let mut bytes = std::mem::take(writer.get_mut());
        bytes.extend(empty_batch(&schema, &json));
        writer.finish().expect("a vector takes every write");
        bytes.append(writer.get_mut());
        bytes
    }
}

impl Taker for Output<'_> {
    /// Writes a block: of each row what the models say of it, in the models' order.
    fn block(&mut self, rows: &[Row], blocks: &[Scored]) -> Result<(), Gone> {
        let why = self.why;
        let reasons: Reasons<'_> = (why.reasons > 0).then(|| {
            // A model that tells none was refused before the first row.
            blocks.iter().map(|block| of_block(block, why)).collect()
        });
        let first = self.row + 1;
        self.row += rows.len() as u64;
        let bytes = match self.form {
            Form::Csv => self.csv(first, rows, blocks, &reasons),
            Form::Ndjson => self.ndjson(first, rows, blocks, &reasons),
            Form::Arrow => self.record_batch(first, rows, blocks, &reasons),
        };
        (self.send)(bytes)
    }

    /// Writes the counts, as the form has them: a last line, or the metadata of a last, empty record batch.
    fn end(&mut self, trailer: &Trailer) -> Result<(), Gone> {
        let bytes = match self.form {
            Form::Csv => {
                let mut text = Vec::new();
                if self.row == 0 {
                    text = self.header(
                        &trailer.models.iter().map(|m| m.model_name.as_str()).collect::<Vec<_>>(),
                    );
                }
                let mut line = format!(
                    "# rows={} scored={} failed={} complete={}",
                    trailer.rows, trailer.scored, trailer.failed, trailer.complete
                );
                if let Some(error) = &trailer.error {
                    line.push_str(&format!(" error={:?}", error));
                }
                text.extend(line.as_bytes());
                text.push(b'\n');
                text
            }
            Form::Ndjson => {
                #[derive(Serialize)]
                struct Last<'a> {
                    trailer: &'a Trailer,
                }
                line(&Last { trailer })
            }
            Form::Arrow => self.last_batch(trailer),
        };
        (self.send)(bytes)
    }
}

/// A record batch without rows whose message carries the trailer as metadata: what pyarrow's
/// `read_next_batch_with_custom_metadata` gives. arrow-rs writes no such metadata itself.
fn empty_batch(schema: &Schema, trailer: &str) -> Vec<u8> {
    use arrow_ipc::{
        Buffer, FieldNode, KeyValue, KeyValueArgs, Message, MessageArgs, MessageHeader,
        MetadataVersion, RecordBatchArgs,
    };
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let nodes = vec![FieldNode::new(0, 0); schema.fields().len()];
    // Validity and values; a text has offsets besides.
    let buffers = schema
        .fields()
        .iter()
        .map(|field| if *field.data_type() == DataType::Utf8 { 3 } else { 2 });
    let buffers = vec![Buffer::new(0, 0); buffers.sum()];
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(&buffers));
    let batch = RecordBatchArgs {
        nodes: Some(nodes),
        buffers: Some(buffers),
        ..RecordBatchArgs::default()
    };
    let batch = arrow_ipc::RecordBatch::create(&mut builder, &batch);
    let (key, value) = (builder.create_string("rekindle.trailer"), builder.create_string(trailer));
    let pair = KeyValue::create(&mut builder, &KeyValueArgs { key: Some(key), value: Some(value) });
    let metadata = builder.create_vector(&[pair]);
    let message = MessageArgs {
        version: MetadataVersion::V5,
        header_type: MessageHeader::RecordBatch,
        header: Some(batch.as_union_value()),
        bodyLength: 0,
        custom_metadata: Some(metadata),
    };
    let message = Message::create(&mut builder, &message);
    builder.finish(message, None);
    let message = builder.finished_data();
    // The metadata's length is a multiple of eight, with the eight bytes before it.
    let padded = message.len().next_multiple_of(8);
    let mut bytes = vec![0xff; 4];
    bytes.extend((padded as u32).to_le_bytes());
    bytes.extend(message);
    bytes.resize(8 + padded, 0);
    bytes
}

/// The reasons of a block's rows.
fn of_block(block: &Scored, why: Why) -> Vec<Vec<Reason<'_>>> {
    block.reasons(why).ok().flatten().unwrap_or_default()
}

fn line(object: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(object).expect("names, numbers and texts are JSON");
    text.push(b'\n');
    text
}

const VECTOR: &str = "a vector takes every write";

/// A cell behind a comma. It is quoted where it must be, and where it holds the mark of the last line.
fn quoted(cell: &str, text: &mut Vec<u8>) {
    text.push(b',');
    match cell.contains([',', '"', '\n', '\r', '#']) {
        false => text.extend(cell.as_bytes()),
        true => write!(text, "\"{}\"", cell.replace('"', "\"\"")).expect(VECTOR),
    }
}

fn name(id: Option<&CustomerId>) -> String {
    id.map_or_else(String::new, CustomerId::to_string)
}

fn told(bad: &BadField, line: Option<u64>) -> String {
    let line = line.map_or_else(String::new, |line| format!("line {line}, "));
    match &bad.field {
        Some(field) => {
            format!("{line}field {field:?}: found {}, expected {}", bad.found, bad.expected)
        }
        None => format!("{line}found {}, expected {}", bad.found, bad.expected),
    }
}

fn in_words(reasons: &[Reason<'_>]) -> String {
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}
