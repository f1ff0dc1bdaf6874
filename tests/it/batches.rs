//! `POST /v1/score/batch`: tables of any length scored while they are read.

use std::io::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::app::{App, registry_of, spawn_app, spawn_app_with};
use crate::client::{self, Reply};
use crate::customers;
use crate::small_model;

pub const CSV: &str = "text/csv";
pub const NDJSON: &str = "application/x-ndjson";
pub const ARROW: &str = "application/vnd.apache.arrow.stream";

pub fn send(app: &App, query: &str, kind: &str, accept: &str, body: &[u8]) -> Reply {
    let headers = [("content-type", kind), ("accept", accept)];
    client::post(&format!("{}/v1/score/batch{query}", app.url), &headers, body)
}

/// The lines of an answer in NDJSON, and its trailer.
pub fn lines(app: &App, query: &str, kind: &str, body: impl AsRef<[u8]>) -> (Vec<Value>, Value) {
    let answer = send(app, query, kind, NDJSON, body.as_ref());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let trailer = lines.pop().unwrap()["trailer"].clone();
    (lines, trailer)
}

/// Rows, scored and failed of a trailer, and whether it is complete.
pub fn counts(trailer: &Value) -> (u64, u64, u64, bool) {
    let count = |name: &str| trailer[name].as_u64().unwrap();
    (count("rows"), count("scored"), count("failed"), trailer["complete"].as_bool().unwrap())
}

/// What an answer of any form says: id, bits of the probability, and error by row; and its trailer.
pub fn read(accept: &str, bytes: &[u8]) -> (Vec<(String, u64)>, Value) {
    let text = || std::str::from_utf8(bytes).unwrap();
    match accept {
        NDJSON => {
            let mut lines: Vec<Value> =
                text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let trailer = lines.pop().unwrap()["trailer"].clone();
            let row = |line: &Value| {
                let probability = line["probability"].as_f64().unwrap_or(-1.0);
                (line["customer_id"].as_str().unwrap_or("").to_owned(), probability.to_bits())
            };
            (lines.iter().map(row).collect(), trailer)
        }
        CSV => {
            let (table, last) = text().split_at(text().rfind("# rows=").unwrap());
            let mut reader = csv::Reader::from_reader(table.as_bytes());
            let header = reader.headers().unwrap().iter().collect::<Vec<_>>().join(",");
            let expected = "row,customer_id,model_version,probability,percentile,positive,error";
            assert_eq!(header, expected);
            let row = |record: csv::Result<csv::StringRecord>| {
                let record = record.unwrap();
                (record[1].to_owned(), record[3].parse().unwrap_or(-1.0_f64).to_bits())
            };
            let mut trailer = json!({});
            for pair in last.trim().trim_start_matches("# ").split(' ') {
                let (name, value) = pair.split_once('=').unwrap();
                trailer[name] = serde_json::from_str(value).unwrap();
            }
            (reader.records().map(row).collect(), trailer)
        }
        _ => {
            let mut rows = Vec::new();
            for batch in StreamReader::try_new(bytes, None).unwrap() {
                let batch = batch.unwrap();
                let ids = batch.column_by_name("customer_id").unwrap().as_string::<i32>().clone();
                let cells = batch.column_by_name("probability").unwrap();
                let cells = cells.as_primitive::<Float64Type>();
                rows.extend((0..batch.num_rows()).map(|row| {
                    let id = if ids.is_valid(row) { ids.value(row) } else { "" };
                    let cell = if cells.is_valid(row) { cells.value(row) } else { -1.0 };
                    (id.to_owned(), cell.to_bits())
                }));
            }
            (rows, arrow_trailer(bytes))
        }
    }
}

/// The metadata `rekindle.trailer` of a stream's last message.
fn arrow_trailer(mut bytes: &[u8]) -> Value {
    let mut trailer = Value::Null;
    loop {
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        if length == 0 {
            assert_eq!(bytes.len(), 8, "nothing follows the stream's end");
            return trailer;
        }
        let message = arrow_ipc::root_as_message(&bytes[8..8 + length]).unwrap();
        if let Some(pairs) = message.custom_metadata() {
            let pair = pairs.iter().find(|pair| pair.key() == Some("rekindle.trailer")).unwrap();
            trailer = serde_json::from_str(pair.value().unwrap()).unwrap();
        }
        bytes = &bytes[8 + length + message.bodyLength() as usize..];
    }
}

#[test]
fn each_form_in_gives_each_form_out_with_the_bits_of_the_scorer() {
    let artifact = small_model::artifact("churn", 0.0);
    let app = spawn_app_with(registry_of(std::slice::from_ref(&artifact)), |_| {});
    // Several blocks of rows and record batches, the last ones not full.
    let all = customers::random(3_333);
    let scores = artifact.scorer.score(&customers::rows(&all));
    let expected: Vec<(String, u64)> =
        all.iter().zip(scores).map(|(c, s)| (c.id.clone(), s.probability.to_bits())).collect();
    let bodies = [
        (CSV, customers::csv(&all).into_bytes()),
        (NDJSON, customers::ndjson(&all).into_bytes()),
        (ARROW, customers::arrow(&all)),
    ];
    for (kind, body) in &bodies {
        for accept in [CSV, NDJSON, ARROW] {
            let answer = send(&app, "", kind, accept, body);
            assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
            assert!(answer.header("content-type").unwrap().starts_with(accept));
            let (rows, trailer) = read(accept, &answer.bytes);
            assert!(rows == expected, "{kind} to {accept}");
            assert_eq!(counts(&trailer), (3_333, 3_333, 0, true), "{kind} to {accept}");
        }
    }
    // What accepts anything gets the form of its table.
    let answer = send(&app, "", NDJSON, "text/html, */*;q=0.1", b"{}\n");
    assert_eq!(answer.header("content-type"), Some(NDJSON));
    // A table without rows has a trailer, too.
    let no_batch = StreamWriter::try_new(Vec::new(), &customers::batch(&all).schema()).unwrap();
    let no_batch = no_batch.into_inner().unwrap();
    for (kind, body) in [(CSV, &b"spend\n"[..]), (NDJSON, b""), (ARROW, &no_batch[..])] {
        for accept in [CSV, NDJSON, ARROW] {
            let answer = send(&app, "", kind, accept, body);
            let (rows, trailer) = read(accept, &answer.bytes);
            assert_eq!((rows.len(), counts(&trailer)), (0, (0, 0, 0, true)), "{kind} to {accept}");
        }
    }
}

#[test]
fn a_row_that_cannot_be_read_is_told_by_row_and_line_and_stops_nothing() {
    let app = spawn_app();
    let body =
        "customer,spend,plan\na,1,gold\nb,much,gold\n\n\"c\nd\",2,basic\ne,1\nf,1,gold,9\ng,,\n";
    let (rows, trailer) = lines(&app, "", CSV, body);
    assert_eq!(counts(&trailer), (6, 3, 3, true));
    let ids: Vec<&Value> = rows.iter().map(|row| &row["customer_id"]).collect();
    assert_eq!(json!(ids), json!(["a", null, "c\nd", null, null, "g"]));
    assert_eq!(
        json!(rows.iter().map(|row| &row["row"]).collect::<Vec<_>>()),
        json!([1, 2, 3, 4, 5, 6])
    );
    let error = json!({"line": 3, "field": "spend", "found": "text \"much\"", "expected": "a number or a missing cell"});
    assert_eq!(rows[1]["error"], error);
    // Blank lines and line breaks within quotes are counted as lines.
    assert_eq!(
        (&rows[3]["error"]["line"], &rows[3]["error"]["found"]),
        (&json!(7), &json!("2 cells"))
    );
    assert_eq!(
        (&rows[4]["error"]["line"], &rows[4]["error"]["found"]),
        (&json!(8), &json!("4 cells"))
    );
    let answer = send(&app, "", CSV, CSV, body.as_bytes()).text();
    let line = answer.lines().nth(2).unwrap();
    assert_eq!(
        line,
        "2,,,,,,\"line 3, field \"\"spend\"\": found text \"\"much\"\", expected a number or a missing cell\""
    );
    assert_eq!(answer.lines().last().unwrap(), "# rows=6 scored=3 failed=3 complete=true");
    let answer = send(&app, "", CSV, ARROW, body.as_bytes());
    let (rows, _) = read(ARROW, &answer.bytes);
    assert_eq!((rows[1].1, rows[2].0.as_str()), ((-1.0_f64).to_bits(), "c\nd"));

    // Every line is judged alone: what was wrong with one says nothing of the next.
    let body = "{\"customer\": 1, \"spend\": \"x\", \"y\": 1}\n{\"customer\": 2, \"spend\": 1, \"y\": 1}\n\
                {\"spend\": 1\n[1]\n\n7\n{\"spend\": 1, \"spend\": 2}\n{\"z\": 1, \"z\": 2}\n\
                {\"customer\": 3, \"z\": 1, \"spend\": null}\n{} {}\n{\"customer\": 4, \"spend\": 2}";
    let (rows, trailer) = lines(&app, "", NDJSON, body);
    let failed: Vec<bool> = rows.iter().map(|row| row["error"].is_object()).collect();
    assert_eq!(
        failed,
        [true, false, true, true, true, true, true, false, true, false],
        "{rows:#?}"
    );
    assert_eq!(counts(&trailer), (10, 3, 7, true));
    assert_eq!(rows[0]["error"]["line"], 1);
    assert_eq!(rows[4]["error"]["line"], 6);
    assert_eq!(rows[5]["error"]["found"], "the key twice");
    assert_eq!(rows[9]["customer_id"], 4);
}

#[test]
fn fields_that_few_customers_have_are_no_doubles_however_long_the_table() {
    let app = spawn_app();
    let mut body = String::new();
    for row in 0..5_000 {
        match row % 1_024 {
            7 | 100 => body += &format!("{{\"customer\": {row}, \"spend\": 1, \"other\": 2}}\n"),
            _ => body += &format!("{{\"customer\": {row}}}\n"),
        }
    }
    let (rows, trailer) = lines(&app, "", NDJSON, body);
    let failed: Vec<&Value> = rows.iter().filter(|row| row["error"].is_object()).collect();
    assert_eq!(counts(&trailer), (5_000, 5_000, 0, true), "{failed:?}");
    // Nor do ever new names fill anything up: each row may have as many as one request.
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_fields = 2_000;
    });
    let body: String = (0..6_000).map(|row| format!("{{\"x{row}\": 1}}\n")).collect();
    let (_, trailer) = lines(&app, "", NDJSON, body);
    assert_eq!(counts(&trailer), (6_000, 6_000, 0, true));
}

#[test]
fn csv_is_read_however_programs_write_it() {
    let app = spawn_app();
    let plain = "customer,spend,plan\na,30,gold\n\"b, c\",1e1,\n";
    let (expected, _) = lines(&app, "", CSV, plain);
    assert_eq!(expected[1]["customer_id"], "b, c");
    for (what, body) in [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("no final newline", plain.trim_end().to_owned()),
        ("CRLF, no final newline", plain.replace('\n', "\r\n").trim_end().to_owned()),
        ("byte order mark", format!("\u{feff}{plain}")),
        (
            "byte order mark and quotes",
            format!("\u{feff}{}", plain.replace("customer", "\"customer\"")),
        ),
        (
            "quotes everywhere",
            "\"customer\",\"spend\",\"plan\"\r\n\"a\",\"30\",\"gold\"\r\n\"b, c\",\"1e1\",\"\"\r\n"
                .to_owned(),
        ),
        ("quotes at the end", "customer,spend,plan\na,30,gold\n\"b, c\",1e1,\"\"".to_owned()),
        ("blank lines", "\n\ncustomer,spend,plan\n\r\na,30,gold\n\n\n\"b, c\",1e1,\n\n".to_owned()),
        ("blanks", "customer, spend ,plan\na, 30 , gold\n\"b, c\",\t1e1,NA\n".to_owned()),
    ] {
        let (rows, trailer) = lines(&app, "", CSV, &body);
        assert_eq!((&rows, counts(&trailer)), (&expected, (2, 2, 0, true)), "{what}");
    }
    let (rows, _) = lines(
        &app,
        "",
        CSV,
        "customer,spend\n\"say \"\"a\"\"\r\nand b\",1\n\"\u{e9}\",2\n5\"\" pipe,3\n",
    );
    let ids: Vec<&Value> = rows.iter().map(|row| &row["customer_id"]).collect();
    assert_eq!(json!(ids), json!(["say \"a\"\r\nand b", "\u{e9}", "5\"\" pipe"]));
    // A quote that is never closed would take the rest of the table into one field.
    for end in ["\n", "", "\"\"", "\r\n"] {
        let body = format!("customer,spend,plan\na,1,gold\nb,2,\"gold\nc,3,gold{end}");
        let (rows, trailer) = lines(&app, "", CSV, body);
        assert_eq!((rows.len(), counts(&trailer)), (1, (1, 1, 0, false)), "{end:?}: {rows:?}");
        let error = trailer["error"].as_str().unwrap();
        assert!(error.contains("line 3: found a quote that nothing closes"), "{error}");
    }
    for closed in ["5\"", "\"\"", "\"5\"\"\"", "\"5\"x"] {
        let body = format!("spend,customer\n1,{closed}");
        assert_eq!(counts(&lines(&app, "", CSV, body).1), (1, 1, 0, true), "{closed}");
    }
    // Bytes that are no text, and a mark before JSON.
    let (rows, _) = lines(&app, "", CSV, b"customer,spend\n\xff,1\nb,2\n");
    assert!(rows[0]["error"]["found"].as_str().unwrap().contains("no text"), "{rows:?}");
    let (rows, _) = lines(&app, "", NDJSON, "\u{feff}{\"customer\": 1}\r\n{\"customer\": 2}");
    assert_eq!(json!([rows[0]["customer_id"], rows[1]["customer_id"]]), json!([1, 2]));
}

#[test]
fn bodies_may_be_packed_by_gzip_and_broken_ones_are_told() {
    let app = spawn_app();
    let all = customers::random(20_000);
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(customers::csv(&all).as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let headers = [("content-type", CSV), ("content-encoding", "gzip"), ("accept", CSV)];
    let url = format!("{}/v1/score/batch", app.url);
    let (rows, trailer) = read(CSV, &client::post(&url, &headers, &packed).bytes);
    assert_eq!((rows.len(), counts(&trailer)), (20_000, (20_000, 20_000, 0, true)));
    let (rows, trailer) = {
        let headers = [("content-type", CSV), ("content-encoding", "gzip"), ("accept", NDJSON)];
        read(NDJSON, &client::post(&url, &headers, &packed[..packed.len() / 2]).bytes)
    };
    assert!(rows.len() > 1_000 && !counts(&trailer).3, "{trailer}");
    assert!(trailer["error"].is_string(), "{trailer}");
    let answer = client::post(&url, &headers, b"spend\n1\n");
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("body_not_received")));
    let headers = [("content-type", CSV), ("content-encoding", "br")];
    assert_eq!(client::post(&url, &headers, b"x").status, 415);
}

#[test]
fn what_is_no_table_gets_a_status_that_says_so() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_row_bytes = 2_000;
        settings.max_fields = 5;
    });
    let check = |kind: &str, accept: &str, body: &str, status: u16, words: &str| {
        let answer = send(&app, "", kind, accept, body.as_bytes());
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(words), "{words} in {}", answer.text());
    };
    check(CSV, CSV, "", 422, "no header");
    check(CSV, CSV, "spend,spend\n1,1\n", 422, "twice");
    // Another separator, no header, a name alone, bytes that are packed.
    for strange in
        ["customer;spend\na;1\n", "a,1,gold\nb,2,gold\n", "customer\na\n", "\u{1f}\u{8b}\u{8}\n"]
    {
        check(CSV, CSV, strange, 422, "that the model does not know");
    }
    check(CSV, CSV, "a,b,c,d,e,f\n1,1,1,1,1,1\n", 422, "at most 5");
    check(CSV, CSV, &"x".repeat(400_000), 422, "line 1 is longer than 2000 bytes");
    check(CSV, CSV, &"x".repeat(3_000), 422, "line 1 is longer than 2000 bytes");
    check(
        CSV,
        CSV,
        &format!("spend\n\"{}\"", "x\n".repeat(200_000)),
        422,
        "longer than 2000 bytes",
    );
    check("text/html", CSV, "x", 415, "text/html");
    check("application/json", CSV, "[]", 415, "application/x-ndjson");
    check(CSV, "text/html", "spend\n1\n", 406, "text/html");
    check(ARROW, CSV, "spend\n1\n", 422, "makes no sense");
    check(ARROW, CSV, "", 422, "schema");
    // A row that is too long ends the table; the rows before it have been answered.
    for long in [3_000, 400_000] {
        let body = format!("customer,spend\na,1\nb,2\n{},3\nd,4\n", "c".repeat(long));
        let (rows, trailer) = lines(&app, "", CSV, body);
        assert_eq!((rows.len(), counts(&trailer)), (2, (2, 2, 0, false)));
        let error = trailer["error"].as_str().unwrap();
        assert!(error.contains("line 4 is longer than 2000 bytes"), "{error}");
        let body = format!("{{}}\n{{\"customer\": \"{}\"}}\n{{}}\n", "c".repeat(long));
        assert_eq!(counts(&lines(&app, "", NDJSON, body).1), (1, 1, 0, false));
    }
    let answer = client::post(&format!("{}/v1/score/batch", app.url), &[], b"spend\n1\n");
    assert_eq!(answer.status, 415, "{}", answer.text());
    assert_eq!(send(&app, "?model=none", CSV, CSV, b"spend\n1\n").status, 404);
    assert_eq!(send(&app, "?reasons=21", CSV, CSV, b"spend\n1\n").status, 400);
}

#[test]
fn several_models_and_reasons_are_told_row_by_row() {
    let models = [small_model::artifact("churn", 0.0), small_model::artifact("repaid", 1.0)];
    let app = spawn_app_with(registry_of(&models), |_| {});
    let all = customers::random(2_000);
    let (rows, trailer) = lines(&app, "?models=repaid,churn", CSV, customers::csv(&all));
    assert_eq!(trailer["models"][0], json!({"model_name": "repaid", "model_version": 1}));
    for (at, model) in [(0, &models[1]), (1, &models[0])] {
        let scores = model.scorer.score(&customers::rows(&all));
        for (row, score) in rows.iter().zip(scores) {
            assert_eq!(row["scores"][at]["probability"].as_f64(), Some(score.probability));
        }
    }
    let answer = send(&app, "?models=repaid,churn", CSV, CSV, b"spend\n1\nx\n").text();
    assert!(
        answer.starts_with("row,customer_id,repaid_model_version,repaid_probability,"),
        "{answer}"
    );
    assert!(
        answer.lines().all(|line| line.starts_with('#') || line.split(',').count() >= 11),
        "{answer}"
    );
    let answer = send(&app, "?models=repaid,churn", CSV, ARROW, b"spend\n1\nx\n");
    let batch = StreamReader::try_new(&answer.bytes[..], None).unwrap().next().unwrap().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (2, 11));
    let versions = batch.column_by_name("churn_model_version").unwrap();
    assert_eq!(versions.as_primitive::<UInt64Type>().value(0), 1);
    // A model that tells no reasons is refused before a row is read; one that does tells as /v1/score does.
    let (one, batch) = (
        app.post("/v1/score?model=churn&reasons=2", "{\"spend\": 3}"),
        send(&app, "?model=churn&reasons=2", NDJSON, NDJSON, b"{\"spend\": 3}\n"),
    );
    assert_eq!(one.status, batch.status);
    match one.status {
        200 => {
            let line: Value = serde_json::from_str(batch.text().lines().next().unwrap()).unwrap();
            assert_eq!(line["reasons"], one.json()["scores"][0]["reasons"]);
        }
        _ => assert_eq!(one.code(), batch.json()["code"].as_str().unwrap()),
    }
}
