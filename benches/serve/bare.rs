//! The floor that the service is measured against: an actix handler that parses customers with
//! serde_json, or csv-core and fast-float2, into numbers, and knows nothing of models, kinds or
//! errors. It answers at the service's own URLs: one customer, and batches as MLflow's split table,
//! CSV, and a v2 tensor in JSON or bytes. `bare WORKERS PORT`

use std::borrow::Cow;
use std::fmt;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use csv_core::ReadRecordResult;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A number, or the length of a text, or NaN.
struct Number(f64);

/// The values of an object or an array, in the order they come.
struct Numbers(Vec<f64>);

/// MLflow's `dataframe_split`: names once, then a row for each customer.
#[derive(serde::Deserialize)]
struct Split {
    dataframe_split: Table,
}

#[derive(serde::Deserialize)]
struct Table {
    #[serde(rename = "columns")]
    _columns: IgnoredAny,
    data: Vec<Numbers>,
}

/// The Open Inference Protocol's request; the tensor's numbers may follow it as bytes.
#[derive(serde::Deserialize)]
struct Inference {
    inputs: Vec<Tensor>,
}

#[derive(serde::Deserialize)]
struct Tensor {
    shape: [usize; 2],
    data: Option<Numbers>,
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text or null")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
        Ok(Number(value.len() as f64))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number(f64::NAN))
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        deserializer.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(512);
        while object.next_key::<Cow<'de, str>>()?.is_some() {
            numbers.push(object.next_value::<Number>()?.0);
        }
        Ok(Numbers(numbers))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(512);
        while let Some(Number(number)) = array.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }
}

async fn parse(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Numbers>(&body) {
        Ok(Numbers(numbers)) => {
            let sum = sum(&numbers);
            HttpResponse::Ok()
                .content_type("application/json")
                .body(format!("{{\"probability\":{sum}}}"))
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

async fn parse_batch(request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let json_length = header("inference-header-content-length").and_then(|n| n.parse().ok());
    let sums = if header("content-type").is_some_and(|kind| kind.starts_with("text/csv")) {
        lines(&body)
    } else if request.path().starts_with("/v2") {
        tensor(&body, json_length.unwrap_or(body.len()))
    } else {
        split(&body)
    };
    match sums {
        Ok(sums) => HttpResponse::Ok().json(serde_json::json!({ "predictions": sums })),
        Err(error) => HttpResponse::BadRequest().body(error),
    }
}

fn split(body: &[u8]) -> Result<Vec<f64>, String> {
    let table: Split = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(table.dataframe_split.data.iter().map(|Numbers(row)| sum(row)).collect())
}

/// Of a tensor: in the JSON, or as bytes from `json_length` on.
fn tensor(body: &[u8], json_length: usize) -> Result<Vec<f64>, String> {
    let (json, bytes) = body.split_at_checked(json_length).ok_or("shorter than its header")?;
    let inference: Inference = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let [Tensor { shape: [rows, width], data }] = &inference.inputs[..] else {
        return Err("expected one input".into());
    };
    let read: Vec<f64>;
    let numbers = match data {
        Some(Numbers(numbers)) => numbers,
        None => {
            let (numbers, _) = bytes.as_chunks::<8>();
            read = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
            &read
        }
    };
    if *width == 0 || rows.checked_mul(*width) != Some(numbers.len()) {
        return Err(format!("shape {rows} x {width}, but {} numbers", numbers.len()));
    }
    Ok(numbers.chunks_exact(*width).map(sum).collect())
}

/// Of CSV whose first line has the names.
fn lines(body: &[u8]) -> Result<Vec<f64>, String> {
    let mut reader = csv_core::Reader::new();
    let (mut text, mut ends) = (vec![0; 64 << 10], vec![0; 1 << 10]);
    let (mut rest, mut written, mut fields) = (body, 0, 0);
    let (mut rows, mut names_read) = (Vec::new(), false);
    loop {
        let (result, read, more_text, more_fields) =
            reader.read_record(rest, &mut text[written..], &mut ends[fields..]);
        rest = &rest[read..];
        written += more_text;
        fields += more_fields;
        match result {
            ReadRecordResult::Record if names_read => {
                rows.push(numbers(&text, &ends[..fields])?);
                (written, fields) = (0, 0);
            }
            ReadRecordResult::Record => (names_read, written, fields) = (true, 0, 0),
            ReadRecordResult::InputEmpty => {} // the next call ends the last line
            ReadRecordResult::End => return Ok(rows.iter().map(|row| sum(row)).collect()),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                return Err("a line is too long".into());
            }
        }
    }
}

/// A line's numbers, which end at `ends` of `text`; an empty cell is NaN.
fn numbers(text: &[u8], ends: &[usize]) -> Result<Vec<f64>, String> {
    let mut from = 0;
    let number = |end: &usize| match &text[std::mem::replace(&mut from, *end)..*end] {
        [] => Ok(f64::NAN),
        cell => fast_float2::parse(cell).map_err(|error| error.to_string()),
    };
    ends.iter().map(number).collect()
}

fn sum(numbers: &[f64]) -> f64 {
    numbers.iter().filter(|number| !number.is_nan()).sum()
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse().expect("bare WORKERS PORT"));
    let mut next = || arguments.next().expect("bare WORKERS PORT");
    let (workers, port): (u16, u16) = (next(), next());
    actix_web::rt::System::new().block_on(async {
        let app = || {
            App::new()
                .app_data(web::PayloadConfig::new(64 << 20))
                .route("/health/ready", web::get().to(HttpResponse::Ok))
                .route("/v1/score", web::post().to(parse))
                .route("/v1/score/batch", web::post().to(parse_batch))
                .route("/invocations", web::post().to(parse_batch))
                .route("/v2/models/churn/infer", web::post().to(parse_batch))
        };
        HttpServer::new(app).workers(workers.into()).bind(("127.0.0.1", port))?.run().await
    })
}
