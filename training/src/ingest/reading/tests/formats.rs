//! The same events in every format are the same events.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use chrono::DateTime;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};

use super::*;

/// A row as it is meant.
struct Row {
    customer: i64,
    time: i64,
    kind: &'static str,
    amount: Option<f64>,
    product: Option<String>,
    channel: Option<&'static str>,
    received: Option<i64>,
}

const ROWS: usize = 3_000;

fn rows() -> Vec<Row> {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let row = |_| {
        let time = NEW_YEAR + draw(366 * 86_400) as i64 * 1_000 + draw(4) as i64 * 250;
        Row {
            customer: draw(40) as i64 - 3,
            time,
            kind: ["purchase", "visit", "Ö,\"x\""][draw(3) as usize],
            amount: (draw(3) > 0).then(|| draw(100_000) as f64 / 100.0),
            product: (draw(4) > 0).then(|| format!("p{}", draw(40))),
            channel: [None, Some("web"), Some("store")][draw(3) as usize],
            received: (draw(2) > 0).then(|| time + draw(9) as i64 * 60_000),
        }
    };
    (0..ROWS).map(row).collect()
}

fn iso(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The cells of a row as texts, in the order of [`COLUMNS`].
fn cells(row: &Row) -> [Option<String>; 7] {
    [
        Some(row.customer.to_string()),
        Some(iso(row.time)),
        Some(row.kind.to_owned()),
        row.amount.map(|amount| amount.to_string()),
        row.product.clone(),
        row.channel.map(str::to_owned),
        row.received.map(iso),
    ]
}

const COLUMNS: [&str; 7] = ["customer", "time", "kind", "amount", "product", "channel", "received"];

fn as_csv(rows: &[Row]) -> Vec<u8> {
    let mut to = ::csv::Writer::from_writer(Vec::new());
    to.write_record(COLUMNS).unwrap();
    for row in rows {
        to.write_record(cells(row).map(Option::unwrap_or_default)).unwrap();
    }
    to.into_inner().unwrap()
}

fn as_ndjson(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    for row in rows {
        let mut object = Map::new();
        for (name, cell) in COLUMNS.iter().zip(cells(row)) {
            let value = match (*name, cell) {
                ("customer", _) => Value::from(row.customer),
                ("amount", _) => row.amount.map_or(Value::Null, Value::from),
                (_, None) => continue,
                (_, Some(text)) => Value::from(text),
            };
            object.insert((*name).to_owned(), value);
        }
        text += &(Value::Object(object).to_string() + "\n");
    }
    text.into_bytes()
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(700)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// All columns as texts of one Arrow type.
fn as_texts(rows: &[Row], array: fn(Vec<Option<String>>) -> ArrayRef) -> Vec<u8> {
    let column = |place: usize| rows.iter().map(|row| cells(row)[place].clone()).collect();
    parquet((0..7).map(|place| (COLUMNS[place], array(column(place)))).collect())
}

/// Every column in the type that fits it.
fn typed(rows: &[Row]) -> Vec<u8> {
    fn of<T>(rows: &[Row], cell: impl Fn(&Row) -> T) -> Vec<T> {
        rows.iter().map(cell).collect()
    }
    let kinds: DictionaryArray<Int32Type> = of(rows, |r| r.kind).into_iter().collect();
    let channels: DictionaryArray<Int32Type> = of(rows, |r| r.channel).into_iter().collect();
    let micros = of(rows, |r| r.received.map(|ms| ms * 1_000));
    parquet(vec![
        ("customer", Arc::new(Int64Array::from(of(rows, |r| r.customer)))),
        (
            "time",
            Arc::new(TimestampMillisecondArray::from(of(rows, |r| r.time)).with_timezone("UTC")),
        ),
        ("kind", Arc::new(kinds)),
        ("amount", Arc::new(Float64Array::from(of(rows, |r| r.amount)))),
        ("product", Arc::new(StringArray::from(of(rows, |r| r.product.clone())))),
        ("channel", Arc::new(channels)),
        ("received", Arc::new(TimestampMicrosecondArray::from(micros))),
    ])
}

/// The bytes of a typed Parquet file and of a gzipped CSV file with the same events.
pub(super) fn two_files() -> (Vec<u8>, Vec<u8>) {
    let rows = rows();
    (typed(&rows), gzipped(&as_csv(&rows)))
}

pub(super) fn source(file: &str) -> String {
    plain(file) + "product = \"product\"\nchannel = \"channel\"\nreceived_at = \"received\"\n"
}

#[test]
fn the_same_events_are_read_from_every_format() {
    let rows = rows();
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        expected.entry(row.customer.to_string()).or_default().push(format!(
            "{} {} {} - {} {} {}",
            row.time,
            row.kind,
            row.channel.unwrap_or("-"),
            row.product.as_deref().unwrap_or("-"),
            row.received.unwrap_or(row.time),
            row.amount.unwrap_or(f64::NAN)
        ));
    }
    expected.values_mut().for_each(|events| events.sort());
    let (csv, ndjson) = (as_csv(&rows), as_ndjson(&rows));
    let files = [
        ("log.csv", csv.clone()),
        ("log.csv.gz", gzipped(&csv)),
        ("log.ndjson", ndjson.clone()),
        ("log.ndjson.gz", gzipped(&ndjson)),
        ("texts.parquet", as_texts(&rows, |cells| Arc::new(StringArray::from(cells)))),
        ("large.parquet", as_texts(&rows, |cells| Arc::new(LargeStringArray::from(cells)))),
        ("views.parquet", as_texts(&rows, |cells| Arc::new(StringViewArray::from(cells)))),
        ("typed.parquet", typed(&rows)),
        // Formats are told by content, not by names.
        ("a.txt", ndjson),
        ("b.txt", typed(&rows)),
    ];
    for (name, bytes) in files {
        let folder = folder(&[(name, &bytes)]);
        let found = read_log(folder.path(), &source(name), &Asked::default()).unwrap();
        assert!(found.events == expected, "{name}");
        let tally = found.tally();
        assert_eq!((tally.lines, tally.events), (ROWS as u64, ROWS as u64), "{name}");
        assert!(tally.faults.is_empty(), "{name}: {tally}");
        assert_eq!(tally.first_event, rows.iter().map(|row| row.time).min(), "{name}");
        assert_eq!(tally.last_event, rows.iter().map(|row| row.time).max(), "{name}");
    }
}

#[test]
fn files_of_several_blocks_are_read_to_the_end() {
    let rows = rows();
    let repeat = |bytes: &[u8], header: usize| -> Vec<u8> {
        let body = bytes[header..].repeat(10);
        [&bytes[..header], &body].concat()
    };
    let csv = as_csv(&rows);
    let header = csv.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let once = folder(&[("once.csv", &csv), ("log.csv", &repeat(&csv, header))]);
    std::fs::write(once.path().join("log.ndjson"), repeat(&as_ndjson(&rows), 0)).unwrap();
    let events = |file: &str| {
        let found = read_log(once.path(), &source(file), &Asked::default()).unwrap();
        let events: Vec<usize> = found.events.values().map(Vec::len).collect();
        (events, found.tally().lines)
    };
    let (single, _) = events("once.csv");
    let tenfold: Vec<usize> = single.iter().map(|n| n * 10).collect();
    assert_eq!(events("log.csv"), (tenfold.clone(), 10 * ROWS as u64));
    assert_eq!(events("log.ndjson"), (tenfold, 10 * ROWS as u64));
}

#[test]
fn names_of_rows_that_are_left_out_are_not_names_of_the_log() {
    let texts = |cells: [&str; 3]| Arc::new(StringArray::from(cells.to_vec())) as ArrayRef;
    let bytes = parquet(vec![
        ("customer", texts(["a", "b", "c"])),
        ("time", texts(["2024-01-01"; 3])),
        ("kind", texts(["buy", "test", "buy"])),
        ("amount", texts(["1", "2", "3"])),
        ("currency", texts(["EUR", "USD", "EUR"])),
    ]);
    let folder = folder(&[("log.parquet", &bytes)]);
    let spec = plain("log.parquet") + "currency = \"currency\"\nfilter = \"kind = 'buy'\"\n";
    let found = read_log(folder.path(), &spec, &Asked::default()).unwrap();
    assert_eq!(found.events.len(), 2);
    assert_eq!(found.kinds, ["buy"]);
}

#[test]
fn a_customer_whose_id_is_a_float_is_the_same_in_every_batch() {
    let file = |ids: Vec<Option<f64>>| {
        let n = ids.len();
        let texts = |text: &'static str| Arc::new(StringArray::from(vec![text; n])) as ArrayRef;
        let ids: ArrayRef = Arc::new(Float64Array::from(ids));
        let amounts = texts("1");
        parquet(vec![
            ("customer", ids),
            ("time", texts("2024-01-01")),
            ("kind", texts("buy")),
            ("amount", amounts),
        ])
    };
    let folder = folder(&[
        ("one.parquet", &file(vec![Some(1.0), Some(0.0)])),
        ("two.parquet", &file(vec![Some(1.0), Some(-0.0), Some(f64::INFINITY)])),
        ("three.parquet", &file(vec![Some(1.0), Some(1.5), Some(f64::NAN), None])),
    ]);
    let found = read_log(folder.path(), &plain("*.parquet"), &Asked::default()).unwrap();
    let counts: Vec<(&str, usize)> =
        found.events.iter().map(|(customer, events)| (customer.as_str(), events.len())).collect();
    assert_eq!(counts, [("0", 2), ("1", 3), ("1.5", 1), ("inf", 1)]);
    assert_eq!(found.tally().faults[&Fault::NoCustomer].lines, 2);
}

#[test]
fn places_in_parquet_are_rows_of_the_file() {
    let cells = |place: usize, odd: &str| -> ArrayRef {
        let cell = |row| match row == place {
            true => Some(odd).filter(|odd| !odd.is_empty()),
            false => Some(if place == 1_000 { "2024-01-01" } else { "a" }),
        };
        Arc::new((1..=1_500).map(cell).collect::<StringArray>())
    };
    let amounts: Vec<Option<&str>> = (1..=1_500).map(|row| (row == 701).then_some("x")).collect();
    let bytes = parquet(vec![
        ("customer", cells(1_400, "")),
        ("time", cells(1_000, "soon")),
        ("kind", cells(700, "")),
        ("amount", Arc::new(StringArray::from(amounts))),
    ]);
    let folder = folder(&[("log.parquet", &bytes)]);
    let found = read_log(folder.path(), &plain("log.parquet"), &Asked::default()).unwrap();
    assert_eq!(
        found.faults(Fault::BadTime),
        [
            "log.parquet: row 1000: found time \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\""
        ]
    );
    assert_eq!(found.faults(Fault::NoCustomer), ["log.parquet: row 1400: found none"]);
    assert_eq!(found.faults(Fault::NoKind), ["log.parquet: row 700: found none"]);
    assert_eq!(
        found.faults(Fault::NotANumber),
        ["log.parquet: row 701: found amount \"x\", expected a finite number"]
    );
    assert_eq!(found.tally().events, 1_497);
}
