//! Logs in every format, with every fault, through `read_sources`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use rekindle_models::behaviour::{NONE, Zone};

use super::*;
use crate::ingest::LogRules;

/// What reading gave, in an order of its own: customer, time, kind, amount.
#[derive(Debug, Default)]
struct Kept {
    events: Vec<(String, i64, u16, Option<f64>)>,
    channels: Vec<u16>,
    lines: Vec<(String, i64)>,
    traits: Vec<Trait>,
}

#[derive(Default)]
struct Collect(Mutex<Kept>);

impl Sink for Collect {
    fn events(&self, batch: EventBatch) -> Result<()> {
        let mut kept = self.0.lock().unwrap();
        for place in 0..batch.customers.len() {
            let amount = batch.events.measures[0].get(place).copied().filter(|a| !a.is_nan());
            let (time, kind) = (batch.events.times[place], batch.events.kinds[place]);
            kept.events.push((batch.customers.get(place).unwrap().to_string(), time, kind, amount));
            kept.channels.extend(batch.events.channels.get(place));
        }
        Ok(())
    }

    fn lines(&self, customers: &Ids, times: &[i64]) -> Result<()> {
        let all = times.iter().enumerate();
        let line =
            |(place, time): (usize, &i64)| (customers.get(place).unwrap().to_string(), *time);
        self.0.lock().unwrap().lines.extend(all.map(line));
        Ok(())
    }

    fn traits(&self, told: Vec<Trait>) -> Result<()> {
        self.0.lock().unwrap().traits.extend(told);
        Ok(())
    }
}

type Event = (String, i64, String, Option<f64>);

struct Done {
    events: Vec<Event>,
    kept: Kept,
    tally: Tally,
}

/// Reads one source of a folder; `log` is more for its rules.
fn read_with(
    folder: &Path,
    spec: &str,
    change: impl FnOnce(&mut LogRules, &mut ReadingOptions<'_>),
) -> Result<Done> {
    let mut rules = LogRules {
        timezone: "UTC".to_owned(),
        purchase: "purchase".to_owned(),
        returned: "return".to_owned(),
        currency: None,
        measures: vec!["amount".to_owned()],
    };
    let mut options = ReadingOptions {
        folder,
        store_options: vec![("aws_secret_access_key".to_owned(), "hush".to_owned())],
        end: None,
        max_bad_lines: 1.0,
        want_lines: false,
    };
    change(&mut rules, &mut options);
    let source = Source::new(&toml::from_str(spec).unwrap(), 1, &rules)?;
    let (names, sink) = (LogNames::default(), Collect::default());
    let report = read_sources(&[source], &options, &names, &sink, &|_| {})?;
    let kept = sink.0.into_inner().unwrap();
    let known: BTreeMap<u16, String> =
        names.kinds.sorted().into_iter().map(|(name, code)| (code, name)).collect();
    let named = |(customer, time, kind, amount): &(String, i64, u16, Option<f64>)| {
        (customer.clone(), *time, known[kind].clone(), *amount)
    };
    let mut events: Vec<Event> = kept.events.iter().map(named).collect();
    events.sort_by(|a, b| a.partial_cmp(b).unwrap());
    Ok(Done { events, kept, tally: report.sources[0].tally.clone() })
}

fn read(folder: &Path, spec: &str) -> Result<Done> {
    read_with(folder, spec, |_, _| {})
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap()
}

const MAPPED: &str =
    "customer = \"customer\"\ntime = \"time\"\nkind = \"kind\"\namount = \"amount\"\n";

/// Events `(customer, seconds, kind, amount)` that every format can hold.
fn events() -> Vec<(String, i64, &'static str, Option<f32>)> {
    let kinds = ["visit", "purchase", "return, late"];
    let event = |i: i64| {
        let amount = (i % 3 != 0).then_some(i as f32 / 4.0);
        (format!("{}", i * 7 % 40), 1_700_000_000 + i * 3_601, kinds[(i % 3) as usize], amount)
    };
    (0..3_000).map(event).collect()
}

fn as_csv(zone: &Zone) -> String {
    let mut text = "customer,time,unused,kind,amount\r\n".to_owned();
    for (customer, seconds, kind, amount) in events() {
        let time = zone.text(seconds * 1_000);
        let amount = amount.map_or(String::new(), |a| a.to_string());
        text += &format!("{customer},{time},\"line\nend\",\"{kind}\",{amount}\r\n");
    }
    text
}

fn as_ndjson() -> String {
    let mut text = String::new();
    for (customer, seconds, kind, amount) in events() {
        let line = serde_json::json!({
            "time": seconds, "nested": {"deep": [1, 2]}, "kind": kind, "customer": customer, "amount": amount,
        });
        text += &format!("{line}\n");
    }
    text
}

fn as_parquet() -> Vec<u8> {
    let all = events();
    let numbers = all
        .iter()
        .map(|e| Some(e.0.parse::<f64>().unwrap()))
        .collect::<arrow_array::Float64Array>();
    let times: Vec<i64> = all.iter().map(|e| e.1 * 1_000_000).collect();
    let kinds: DictionaryArray<Int32Type> = all.iter().map(|e| Some(e.2)).collect();
    let amounts: Float32Array = all.iter().map(|e| e.3).collect();
    let unused: StringArray = all.iter().map(|_| Some("x")).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("unused", Arc::new(unused) as ArrayRef, true),
        ("customer", Arc::new(numbers) as ArrayRef, true),
        ("time", Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef, true),
        ("kind", Arc::new(kinds) as ArrayRef, true),
        ("amount", Arc::new(amounts) as ArrayRef, true),
    ])
    .unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(700)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn the_same_events_in_every_format_are_the_same() {
    let csv = as_csv(&Zone::default()).into_bytes();
    let (json, parquet) = (as_ndjson().into_bytes(), as_parquet());
    let folder = folder(&[
        ("a.csv", &csv),
        ("a.csv.gz", &gzipped(&csv)),
        ("a.json", &json),
        ("a.jsonl.gz", &gzipped(&json)),
        ("a.parquet", &parquet),
    ]);
    let mut expected: Vec<Event> = events()
        .into_iter()
        .map(|(c, s, kind, a)| (c, s * 1_000, kind.to_owned(), a.map(f64::from)))
        .collect();
    expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
    for (file, format) in [
        ("a.csv", "iso"),
        ("a.csv.gz", "iso"),
        ("a.json", "epoch_s"),
        ("a.jsonl.gz", "epoch_s"),
        ("a.parquet", "iso"),
    ] {
        let spec = format!("path = \"{file}\"\ntime_format = \"{format}\"\n{MAPPED}");
        let done = read(folder.path(), &spec).unwrap();
        assert!(done.events == expected, "{file} has other events");
        assert_eq!((done.tally.lines, done.tally.events), (3_000, 3_000), "{file}");
        assert!(done.tally.faults.is_empty(), "{file}: {}", done.tally);
    }
}

#[test]
fn files_are_found_by_list_glob_and_folder_and_others_left_alone() {
    let line = |c: &str| format!("customer,time,kind,amount\n{c},2024-01-01,visit,\n").into_bytes();
    let folder = folder(&[
        ("log/a.csv", &line("a")),
        ("log/deep/b.csv", &line("b")),
        ("log/_SUCCESS", b""),
        ("log/.hidden.csv", &line("h")),
        ("log/notes.md", b"no log"),
        ("c.csv", &line("c")),
    ]);
    let check = |path: &str, expected: &[&str]| {
        let done = read(folder.path(), &format!("path = {path}\n{MAPPED}")).unwrap();
        let customers: Vec<&str> = done.events.iter().map(|e| e.0.as_str()).collect();
        assert_eq!(customers, expected, "{path}");
    };
    check("\"log\"", &["a", "b"]);
    check("\"log/*.csv\"", &["a"]);
    check("[\"c.csv\", \"log/deep\"]", &["b", "c"]);
    let error = |path: &str| {
        let read = read(folder.path(), &format!("path = \"{path}\"\n{MAPPED}"));
        read.err().unwrap().to_string()
    };
    assert!(error("d.csv").contains("d.csv"));
    assert!(error("log/*.parquet").contains("has no file"), "{}", error("log/*.parquet"));
}

#[test]
fn every_fault_is_counted_with_its_place_and_treated_as_told() {
    let text = "customer,time,kind,amount\na,2024-01-01,visit,1\n,2024-01-01,visit,\na,soon,visit,\n\
                a,2024-01-02,,\na,2024-01-03,visit,many\na,2024-01-04\na,2024-01-05,purchase,-3\n\n\
                a,2024-02-01,visit,\nNULL,2024-01-01,visit,\n";
    let folder = folder(&[("a.csv", text.as_bytes())]);
    let spec = format!("path = \"a.csv\"\n{MAPPED}");
    let end = Zone::default().parse("2024-02-01");
    let done = read_with(folder.path(), &spec, |_, options| options.end = end).unwrap();
    let kinds: Vec<(&str, Option<f64>)> = done.events.iter().map(|e| (e.2.as_str(), e.3)).collect();
    assert_eq!(kinds, [("visit", Some(1.0)), ("visit", None), ("return", Some(-3.0))]);
    let check = |fault: Fault, lines: u64, place: &str, found: &str| {
        let faults = &done.tally.faults[&fault];
        assert_eq!(faults.lines, lines, "{fault:?}");
        let first = &faults.examples[0];
        assert!(
            first.contains(&format!("a.csv: line {place}: ")) && first.contains(found),
            "{first}"
        );
    };
    check(Fault::NoCustomer, 2, "3", "none");
    check(Fault::BadTime, 1, "4", "\"soon\"");
    check(Fault::NoKind, 1, "5", "none");
    check(Fault::NotANumber, 1, "6", "text");
    check(Fault::Malformed, 1, "7", "2 fields, expected 4");
    check(Fault::NegativePurchase, 1, "8", "-3");
    check(Fault::AfterEnd, 1, "10", "2024-02-01");
    assert_eq!((done.tally.lines, done.tally.bad_lines()), (9, 6));
    let stopped = read_with(folder.path(), &spec, |_, options| options.max_bad_lines = 0.5);
    let error = stopped.err().unwrap().to_string();
    assert!(
        error.contains("6 of 9 lines are bad (66.7 %)") && error.contains("max_bad_lines"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_is_told_with_the_file_and_what_to_do() {
    let folder = folder(&[
        ("a.csv", b"customer_id,time,kind,amount\n1,2024-01-01,v,2\n"),
        ("empty.csv", b""),
        ("open.csv", b"customer,time,kind,amount\n1,\"2024,v,2\n"),
        (
            "latin.csv",
            b"customer,time,kind,amount,name\n1,2024-01-01,v\xe9,2,x\n2,2024-01-01,v,2,\xe9\n",
        ),
        ("cut.parquet", &as_parquet()[..5_000]),
    ]);
    let error = |path: &str| {
        let read = read(folder.path(), &format!("path = \"{path}\"\n{MAPPED}"));
        read.err().unwrap().to_string()
    };
    let missing = error("a.csv");
    assert!(
        missing.contains("no column \"customer\"") && missing.contains("customer_id"),
        "{missing}"
    );
    assert!(error("empty.csv").contains("it is empty"));
    assert!(error("open.csv").contains("line 2") && error("open.csv").contains("quote"));
    assert!(error("cut.parquet").contains("cut.parquet"), "{}", error("cut.parquet"));
    let latin = read(folder.path(), &format!("path = \"latin.csv\"\n{MAPPED}")).unwrap();
    assert_eq!((latin.events.len(), latin.tally.faults[&Fault::Malformed].lines), (1, 1));
}

#[test]
fn filters_units_zones_delimiters_and_unpivoting_do_what_they_say() {
    let folder = folder(&[(
        "a.csv",
        "\u{feff}id;day;views;clicks;bot\n1;31.05.2024 14:00;3;0;no\n1;31.05.2024 15:00;0;2;yes\n"
            .as_bytes(),
    )]);
    let spec = "path = \"a.csv\"\ncustomer = \"id\"\ntime = \"day\"\ntime_format = \"%d.%m.%Y %H:%M\"\n\
                timezone = \"Europe/Paris\"\nunpivot = [\"views\", \"clicks\"]\n";
    let noon = 1_717_156_800_000;
    let done = read(folder.path(), spec).unwrap();
    let expected = [
        ("1".to_owned(), noon, "views".to_owned(), Some(3.0)),
        ("1".to_owned(), noon + 3_600_000, "clicks".to_owned(), Some(2.0)),
    ];
    assert_eq!(done.events, expected);
    let people = format!("{spec}filter = \"bot != 'yes'\"\n");
    let done = read_with(folder.path(), &people, |_, options| options.want_lines = true).unwrap();
    assert_eq!((done.events.len(), done.tally.filtered), (1, 1));
    assert_eq!(done.kept.lines, [("1".to_owned(), noon)]);
}

const CALLS: &str = r#"{"type":"identify","userId":"u1","timestamp":"2024-01-01T10:00:00Z","receivedAt":"2024-01-02T10:00:00Z","traits":{"age":41,"city":"Ghent","vip":true,"address":{"street":"x"},"note":null}}
{"type":"track","event":"Order Completed","userId":"u1","timestamp":"2024-01-03T10:00:00Z","receivedAt":"2024-01-03T10:00:01Z","properties":{"revenue":25.5,"currency":"EUR","products":[{"id":1}]}}
{"type":"track","event":"Order Refunded","userId":"u1","timestamp":"2024-01-04T10:00:00Z","properties":{"total":5,"currency":"EUR"}}
{"type":"page","anonymousId":"a9","timestamp":"2024-01-05T10:00:00Z","context":{"campaign":{"medium":"email"}}}
{"type":"group","userId":"u1","timestamp":"2024-01-05T10:00:00Z"}
not json
{"type":"track","event":"Order Completed","userId":"u2","timestamp":"2024-01-06T10:00:00Z","properties":{"revenue":7,"currency":"USD"}}
"#;

#[test]
fn segment_exports_need_no_mapping() {
    let folder = folder(&[("calls.ndjson", CALLS.as_bytes())]);
    let spec = "path = \"calls.ndjson\"\npreset = \"segment\"\n";
    let error = read(folder.path(), spec).err().unwrap().to_string();
    assert!(error.contains("2 currencies (EUR, USD)") && error.contains("currency ="), "{error}");
    let euros =
        |rules: &mut LogRules, _: &mut ReadingOptions<'_>| rules.currency = Some("EUR".to_owned());
    let done = read_with(folder.path(), spec, euros).unwrap();
    let events: Vec<(&str, &str, Option<f64>)> =
        done.events.iter().map(|e| (e.0.as_str(), e.2.as_str(), e.3)).collect();
    assert_eq!(
        events,
        [
            ("a9", "page", None),
            ("u1", "purchase", Some(25.5)),
            ("u1", "return", Some(5.0)),
            ("u2", "purchase", None),
        ]
    );
    assert_eq!(done.kept.channels.iter().filter(|code| **code != NONE).count(), 1);
    assert_eq!((done.tally.filtered, done.tally.attributes), (1, 3));
    assert_eq!(done.tally.faults[&Fault::Malformed].lines, 1);
    assert_eq!(done.tally.faults[&Fault::OtherCurrency].lines, 1);
    let known = Zone::default().parse("2024-01-02T10:00:00Z").unwrap();
    assert!(done.kept.traits.iter().all(|told| told.customer == "u1" && told.known_at == known));
    let names: Vec<&str> = done.kept.traits.iter().map(|told| told.name.as_str()).collect();
    assert_eq!(names, ["age", "city", "vip"]);
}

/// Serves files by `GET` and `HEAD`, whole or in ranges, as long as the test runs.
fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let files = Arc::new(files);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let files = Arc::clone(&files);
            std::thread::spawn(move || answer(stream, &files));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: std::net::TcpStream, files: &[(&str, Vec<u8>)]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(first)) = lines.next() {
        let headers: Vec<String> = lines
            .by_ref()
            .map_while(std::result::Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let Some((_, bytes)) = files.iter().find(|(name, _)| format!("/{name}") == path) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").unwrap();
            continue;
        };
        let range = headers
            .iter()
            .find_map(|h| h.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let (mut status, mut part, mut extra) = ("200 OK", 0..bytes.len(), String::new());
        if let Some((from, to)) = range.as_deref().and_then(|range| range.split_once('-')) {
            let to = to.parse::<usize>().map_or(bytes.len(), |to| (to + 1).min(bytes.len()));
            part = from.parse().unwrap()..to;
            status = "206 Partial Content";
            extra =
                format!("content-range: bytes {}-{}/{}\r\n", part.start, part.end - 1, bytes.len());
        }
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{extra}last-modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
             etag: \"1\"\r\n\r\n",
            part.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        if method == "GET" {
            stream.write_all(&bytes[part]).unwrap();
        }
    }
}

#[test]
fn logs_are_read_by_url_and_nothing_secret_is_told() {
    let csv = as_csv(&Zone::default()).into_bytes();
    let url = serve(vec![("log/a.csv.gz", gzipped(&csv)), ("log/a.parquet", as_parquet())]);
    let here = folder(&[("a.csv", &csv)]);
    let spec = |path: &str| format!("path = \"{path}\"\n{MAPPED}");
    let local = read(here.path(), &spec("a.csv")).unwrap().events;
    for file in ["a.csv.gz", "a.parquet"] {
        let remote = read(here.path(), &spec(&format!("{url}/log/{file}"))).unwrap();
        assert!(remote.events == local, "{file} has other events by URL");
    }
    let error = read(here.path(), &spec(&format!("{url}/log/b.csv"))).err().unwrap().to_string();
    assert!(error.contains("/log/b.csv") && error.contains("credentials"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    let error = read(here.path(), &spec("ftp://x/y.csv")).err().unwrap().to_string();
    assert!(error.contains("s3://"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let mut csv = as_csv(&Zone::default()).into_bytes();
        csv.truncate(2_000);
        let mut json = CALLS.as_bytes().to_vec();
        let mut parquet = as_parquet();
        for (place, byte) in &places {
            for bytes in [&mut csv, &mut json, &mut parquet] {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
        }
        let folder = folder(&[("a.csv", &csv), ("b.ndjson", &json), ("c.parquet", &parquet), ("d.csv", &bytes), ("e.ndjson", &bytes)]);
        for file in ["a.csv", "c.parquet", "d.csv"] {
            let _ = read(folder.path(), &format!("path = \"{file}\"\n{MAPPED}"));
        }
        for file in ["b.ndjson", "e.ndjson"] {
            let _ = read(folder.path(), &format!("path = \"{file}\"\npreset = \"segment\"\n"));
        }
    }
}
