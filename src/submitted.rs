//! Rows of a request that are kept as they are: contacts and outcomes, as a JSON array, an object a line, or CSV. Where a
//! row cannot be read, its place, field, what was found and what was expected are told.

use std::fmt;

use chrono::DateTime;
use rekindle_models::policy::day_of;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::error::ApiError;
use crate::payload::malformed;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON array of objects.
    Json,
    /// A JSON object a line.
    Ndjson,
    /// CSV with a header.
    Csv,
}

impl Form {
    /// The form of a content type; JSON where it is none of the others, for `curl -d` says that it sends a form.
    pub fn of(content_type: &str) -> Form {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "text/csv" => Form::Csv,
            "application/x-ndjson" | "application/jsonl" => Form::Ndjson,
            _ => Form::Json,
        }
    }
}

/// The rows of a body.
///
/// # Errors
/// When it is not of its form, or a row cannot be read.
pub fn rows<T: DeserializeOwned>(form: Form, body: &[u8]) -> Result<Vec<T>, ApiError> {
    match form {
        Form::Json => {
            // Row by row: one that is wrong ends it before the others take room.
            let mut json = serde_json::Deserializer::from_slice(body);
            let rows = serde_path_to_error::deserialize(&mut json).map_err(|error| {
                let path = error.path().clone();
                let error = error.into_inner();
                if error.is_data() {
                    wrong_at(&path, &error.to_string())
                } else {
                    malformed(&error)
                }
            })?;
            json.end().map_err(|error| malformed(&error))?;
            Ok(rows)
        }
        Form::Ndjson => {
            let lines = body.split(|byte| *byte == b'\n').enumerate();
            let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
            lines
                .map(|(place, line)| {
                    let at = format!("line {}", place + 1);
                    let row = serde_json::from_slice(line);
                    read(&at, row.map_err(|error| invalid(format!("{at}: {error}")))?)
                })
                .collect()
        }
        Form::Csv => records(body),
    }
}

fn records<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, ApiError> {
    let mut reader = csv::Reader::from_reader(body);
    let wrong = |error: csv::Error| invalid(error.to_string());
    let header = reader.headers().map_err(wrong)?.clone();
    let records = reader.records().map(|record| {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = header.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        let row: Map<String, Value> =
            cells.map(|(name, cell)| (name.trim().to_owned(), cell.into())).collect();
        read(&format!("line {line}"), Value::Object(row))
    });
    records.collect()
}

fn read<T: DeserializeOwned>(at: &str, row: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(row).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { format!(", {path}") };
        let reason = error.into_inner().to_string();
        invalid(format!("{at}{field}: {}", plain(&reason)))
    })
}

/// What is wrong at a path of an array of rows, as `[2].amount`.
fn wrong_at(path: &Path, reason: &str) -> ApiError {
    let mut segments = path.iter();
    let Some(Segment::Seq { index }) = segments.next() else {
        return invalid("expected an array of objects".to_owned());
    };
    let field: String = segments.map(|segment| format!(", {segment}")).collect();
    invalid(format!("row {}{field}: {}", index + 1, plain(reason)))
}

/// What serde says, in our words.
fn plain(reason: &str) -> String {
    reason.replace("invalid type: ", "found ").replace("invalid value: ", "found ")
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidRows { reason }
}

/// An id: a text, or a whole number.
pub fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Id;
    impl Visitor<'_> for Id {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a whole number")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Id)
}

/// A number, or a text that is one.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = f64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
            Ok(number)
        }
        fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
            Ok(number as f64)
        }
        fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
            Ok(number as f64)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Number)
}

/// An instant in microseconds since 1970: RFC 3339, or a date, which is its beginning in UTC.
pub fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    const DAY: i64 = 86_400_000_000;
    let day = || day_of(&text).map(|day| i64::from(day) * DAY);
    let time = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.timestamp_micros());
    time.or_else(day).ok_or_else(|| {
        let expected = "a time as 2026-03-01T10:30:00Z or a date as 2026-03-01";
        D::Error::invalid_value(serde::de::Unexpected::Str(&text), &expected)
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        #[serde(deserialize_with = "id")]
        customer_id: String,
        #[serde(default, deserialize_with = "number")]
        amount: f64,
        #[serde(deserialize_with = "instant")]
        at: i64,
    }

    fn row(customer: &str, amount: f64, at: i64) -> Row {
        Row { customer_id: customer.to_owned(), amount, at }
    }

    #[test]
    fn rows_are_the_same_in_every_form() {
        let expected = [row("0017", 1.5, 1_000_000), row("17", 0.0, 86_400_000_000)];
        let json = r#"[{"customer_id": "0017", "amount": 1.5, "at": "1970-01-01T01:00:01+01:00"},
            {"customer_id": 17, "at": "1970-01-02"}]"#;
        assert_eq!(rows::<Row>(Form::Json, json.as_bytes()).unwrap(), expected);
        let lines = "{\"customer_id\": \"0017\", \"amount\": 1.5, \"at\": \"1970-01-01T00:00:01Z\"}\r\n\n\
                     {\"customer_id\": 17, \"at\": \"1970-01-02\"}";
        assert_eq!(rows::<Row>(Form::Ndjson, lines.as_bytes()).unwrap(), expected);
        let csv = "at,customer_id,amount\n1970-01-01T00:00:01Z,0017,1.5\n1970-01-02,17,\n";
        assert_eq!(rows::<Row>(Form::Csv, csv.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        let said = |form, body: &str| rows::<Row>(form, body.as_bytes()).unwrap_err().to_string();
        let csv = "customer_id,amount,at\na,1,2026-01-01\nb,much,2026-01-01\n";
        assert_eq!(
            said(Form::Csv, csv),
            "nothing was kept: line 3, amount: found string \"much\", expected a number"
        );
        let text = said(Form::Json, r#"[{"customer_id": "a", "at": "2026-02-30"}]"#);
        assert!(text.contains("row 1, at: found string \"2026-02-30\", expected a time"), "{text}");
        let text = said(Form::Ndjson, "{\"customer_id\": \"a\", \"when\": 1}");
        assert!(text.contains("line 1, when: unknown field `when`, expected"), "{text}");
        let text =
            said(Form::Json, r#"[{"customer_id": "a", "at": "2026-02-03"}, {"customer_id": []}]"#);
        assert!(text.contains("row 2, customer_id: found sequence, expected a text"), "{text}");
        assert!(said(Form::Json, "[] x").starts_with("the body is not JSON"));
        assert!(said(Form::Json, "{}").contains("expected an array of objects"));
        assert!(said(Form::Json, "[{").starts_with("the body is not JSON"));
        assert!(said(Form::Csv, "customer_id,amount,at\na,1\n").contains("found record with 2"));
        assert!(
            said(Form::Csv, "customer_id,amount,at\na,NaN,2026-01-01\n")
                .contains("expected a number")
        );
    }
}
