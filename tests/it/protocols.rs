//! The protocols that other clients speak: the Open Inference Protocol v2 and MLflow's. One scoring path lies behind all
//! of them, so each must give the bits that `/v1/score` gives.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::app::{App, registry_of, spawn_app_with};
use crate::client::{self, Reply};
use crate::customers::{self, Customer};
use crate::small_model;

pub const JSON: (&str, &str) = ("content-type", "application/json");
const CSV: (&str, &str) = ("content-type", "text/csv");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const ARROW: (&str, &str) = ("content-type", "application/vnd.apache.arrow.stream");
pub const INFER: &str = "/v2/models/churn/infer";

pub fn post(app: &App, path: &str, body: &Value) -> Reply {
    client::post(&format!("{}{path}", app.url), &[JSON], body.to_string().as_bytes())
}

/// The bits of an answered list of numbers.
pub fn bits(numbers: &Value) -> Vec<u64> {
    let numbers = numbers.as_array().unwrap_or_else(|| panic!("no list: {numbers}"));
    numbers.iter().map(|n| n.as_f64().unwrap().to_bits()).collect()
}

/// The probabilities of an answer of `/v1/score` or `/invocations`.
pub fn told(answer: &Value, list: &str) -> Vec<u64> {
    let entries = answer[list].as_array().unwrap_or_else(|| panic!("no {list}: {answer}"));
    bits(&entries.iter().map(|entry| entry["probability"].clone()).collect())
}

pub fn column<T: serde::Serialize>(all: &[Customer], of: impl Fn(&Customer) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}

/// One input a column.
pub fn columns(all: &[Customer]) -> Value {
    let n = all.len();
    json!({"inputs": [
        {"name": "plan", "shape": [n, 1], "datatype": "BYTES", "data": column(all, |c| c.plan),
         "parameters": {"content_type": "str"}},
        {"name": "customer", "shape": [n], "datatype": "BYTES", "data": column(all, |c| c.id.clone())},
        {"name": "recency_days", "shape": [n], "datatype": "FP64", "data": column(all, |c| [c.recency])},
        {"name": "spend", "shape": [n, 1], "datatype": "FP64", "data": column(all, |c| c.spend)},
        {"name": "subscribed", "shape": [n], "datatype": "BOOL", "data": column(all, |c| c.subscribed)},
    ]})
}

/// A request of binary tensors: its JSON's length and its body.
pub fn binary(mut request: Value, data: &[Vec<u8>]) -> (String, Vec<u8>) {
    for (input, bytes) in request["inputs"].as_array_mut().unwrap().iter_mut().zip(data) {
        input["parameters"] = json!({"binary_data_size": bytes.len()});
    }
    let json = request.to_string().into_bytes();
    (json.len().to_string(), [json, data.concat()].concat())
}

pub fn texts(texts: impl Iterator<Item = String>) -> Vec<u8> {
    let long = |text: String| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    texts.flat_map(long).collect()
}

/// Every form of a body for `/invocations`, with its content type.
fn mlflow_forms(all: &[Customer]) -> Vec<(&'static str, (&'static str, &'static str), String)> {
    let names = json!(["spend", "customer", "plan", "recency_days", "subscribed"]);
    let rows: Value =
        column(all, |c| json!([c.spend, c.id, c.plan, c.recency, c.subscribed])).into();
    let in_order: Value = all
        .iter()
        .map(|c| json!([c.recency, c.spend, c.subscribed, c.plan]))
        .collect::<Vec<_>>()
        .into();
    let objects = json!(column(all, Customer::json));
    let lists = json!({
        "spend": column(all, |c| c.spend), "customer": column(all, |c| c.id.clone()),
        "plan": column(all, |c| c.plan), "recency_days": column(all, |c| c.recency),
        "subscribed": column(all, |c| c.subscribed),
    });
    vec![
        (
            "split",
            JSON,
            format!(
                "{{\"dataframe_split\": {{\"columns\": {names}, \"index\": [0], \"data\": {rows}}}}}"
            ),
        ),
        (
            "split, data first",
            JSON,
            format!(
                "{{\"dataframe_split\": {{\"data\": {rows}, \"columns\": {names}}}, \"params\": {{\"a\": 1}}}}"
            ),
        ),
        ("records", JSON, json!({"dataframe_records": objects}).to_string()),
        ("instances", JSON, json!({"instances": objects}).to_string()),
        ("instances in order", JSON, json!({"instances": in_order}).to_string()),
        ("inputs", JSON, json!({"inputs": lists}).to_string()),
        ("inputs as a list", JSON, json!({"params": null, "inputs": objects}).to_string()),
        ("csv", CSV, customers::csv(all)),
    ]
}

#[test]
fn every_form_of_every_protocol_gives_the_bits_of_v1_score() {
    let artifact = small_model::artifact("churn", 0.0);
    let app = spawn_app_with(registry_of(std::slice::from_ref(&artifact)), |_| {});
    // One customer, a few that are scored in place, and many that are not.
    for count in [1, 7, 900] {
        let all = customers::random(count);
        let scores = artifact.scorer.score(&customers::rows(&all));
        let expected: Vec<u64> = scores.iter().map(|s| s.probability.to_bits()).collect();
        let answer = app.score(&json!(column(&all, Customer::json)).to_string());
        assert_eq!(told(&answer, "scores"), expected, "v1, {count}");
        for (form, kind, body) in mlflow_forms(&all) {
            let answer =
                client::post(&format!("{}/invocations", app.url), &[kind], body.as_bytes());
            assert_eq!(answer.status, 200, "{form}: {}", answer.text());
            let answer = answer.json();
            assert_eq!(told(&answer, "predictions"), expected, "{form}, {count}");
            if form != "instances in order" {
                assert_eq!(answer["predictions"][0]["customer_id"], "c-0", "{form}");
            }
        }
        let answer = post(&app, INFER, &columns(&all)).json();
        assert_eq!(bits(&answer["outputs"][0]["data"]), expected, "v2, {count}");
        let bodies = [(CSV, customers::csv(&all)), (NDJSON, customers::ndjson(&all))];
        let bodies = bodies.map(|(kind, text)| (kind, text.into_bytes()));
        for (kind, body) in bodies.into_iter().chain([(ARROW, customers::arrow(&all))]) {
            let headers = [kind, ("accept", NDJSON.1)];
            let answer = client::post(&format!("{}/v1/score/batch", app.url), &headers, &body);
            assert_eq!(answer.status, 200, "{}: {}", kind.1, answer.text());
            let lines: Vec<Value> =
                answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let lines = &lines[..lines.len() - 1];
            let found = bits(&lines.iter().map(|line| line["probability"].clone()).collect());
            assert_eq!(found, expected, "batch of {}, {count}", kind.1);
        }
    }
}

#[test]
fn mlflow_says_in_its_own_form_what_was_found_and_expected() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_customers = 3;
    });
    let check = |kind: (&str, &str), body: &str, status: u16, words: &[&str]| {
        let answer = client::post(&format!("{}/invocations", app.url), &[kind], body.as_bytes());
        let text = answer.text();
        assert_eq!(answer.status, status, "{body}: {text}");
        let error = answer.json();
        let mut keys: Vec<&String> = error.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["error_code", "message"]);
        let message = error["message"].as_str().unwrap();
        words.iter().for_each(|word| assert!(message.contains(word), "{word} in {message}"));
    };
    let json = |body: &str, status: u16, words: &[&str]| check(JSON, body, status, words);
    json("{}", 422, &["dataframe_split", "dataframe_records", "instances", "inputs"]);
    json("[]", 422, &["dataframe_split"]);
    json("{", 400, &["JSON"]);
    json("", 400, &["JSON"]);
    json("{\"inputs\": [], \"instances\": []}", 422, &["inputs and instances"]);
    json("{\"frame\": []}", 422, &["frame", "dataframe_split"]);
    let split = |columns: &str, data: &str| {
        format!("{{\"dataframe_split\": {{\"columns\": {columns}, \"data\": {data}}}}}")
    };
    let ragged = "[[1, 2], [1], [1, 2, 3]]";
    json(&split("[\"spend\", \"x\"]", ragged), 422, &["customer 1", "1 cells", "2, one a column"]);
    json(&split("[\"spend\", \"spend\"]", "[]"), 422, &["spend", "twice"]);
    json(&split("[\"x\", \"x\"]", "[]"), 422, &["x", "twice"]);
    json(&split("[\"spend\"]", "[[1], [2], [3], [4]]"), 413, &["more than 3 customers"]);
    json(
        &split("[\"spend\"]", "[[\"a\"]]"),
        422,
        &["customer 0", "spend", "text \"a\"", "a number"],
    );
    json("{\"dataframe_split\": {\"columns\": [\"spend\"]}}", 422, &["lacks columns or data"]);
    json("{\"dataframe_split\": {\"data\": [[1]]}}", 422, &["lacks columns or data"]);
    json("{\"dataframe_split\": {\"data\": [[1]], \"rows\": 1}}", 422, &["rows"]);
    json("{\"dataframe_records\": [{}, {}, {}, {}]}", 413, &["more than 3"]);
    json("{\"instances\": [{}, {}, {}, {}]}", 413, &["more than 3"]);
    json("{\"instances\": [[1, 2, true]]}", 422, &["3 cells", "4"]);
    json("{\"inputs\": {\"spend\": [1, 2, 3, 4]}}", 413, &["more than 3"]);
    json("{\"inputs\": {\"spend\": [1, 2], \"plan\": [\"gold\"]}}", 422, &["plan", "1 cells", "2"]);
    json(
        "{\"inputs\": {\"spend\": [1], \"plan\": [\"gold\", null]}}",
        422,
        &["plan", "2 cells", "1"],
    );
    json("{\"inputs\": {\"spend\": [1], \"spend\": [1]}}", 422, &["spend", "twice"]);
    // Long names are others where their ends are.
    let (a, b) = ("x".repeat(120) + "a", "x".repeat(120) + "b");
    let body =
        json!({"dataframe_split": {"columns": [a, b, "spend"], "data": [[1, 2, 3]]}}).to_string();
    assert_eq!(app.post("/invocations", &body).status, 200);
    // JSON of another shape is told as a table that cannot be read, not as broken JSON.
    for body in [
        "{\"dataframe_split\": 7}",
        "{\"dataframe_split\": {\"columns\": 7, \"data\": []}}",
        "{\"dataframe_split\": {\"columns\": [\"spend\"], \"data\": [7]}}",
        "{\"dataframe_split\": {\"data\": [7], \"columns\": [\"spend\"]}}",
        "{\"dataframe_records\": {\"spend\": 1}}",
        "{\"instances\": \"too many customers\"}",
        "{\"inputs\": {\"spend\": 7}}",
        "{\"inputs\": null}",
    ] {
        json(body, 422, &["the table cannot be read", "expected"]);
    }
    check(CSV, "", 422, &["no header"]);
    check(CSV, "spend,spend\n1,2\n", 422, &["spend", "twice"]);
    check(CSV, "spend,plan\n1,gold\n1\n", 422, &["customer 1", "1 cells", "2"]);
    check(CSV, "spend\n1\n1\n1\n1\n", 413, &["more than 3"]);
    check(CSV, "spend\nmuch\n", 422, &["customer 0", "spend", "much", "a number"]);
    check(("content-type", "text/html"), "x", 415, &["text/html", "text/csv"]);
    assert_eq!(app.get("/ping").status, 200);
    assert_eq!(app.get("/health").status, 200);
    assert_eq!(app.get("/version").text, env!("CARGO_PKG_VERSION"));
    let answer = app.get("/invocations");
    assert_eq!((answer.status, &answer.json()["error_code"]), (405, &json!("METHOD_NOT_ALLOWED")));
    let answer = post(&app, "/invocations?models=churn", &json!({"inputs": []}));
    assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!("INVALID_QUERY")));
    let empty = spawn_app_with(registry_of(&[]), |_| {});
    assert_eq!((empty.get("/ping").status, empty.get("/v2/health/ready").status), (503, 503));
}

#[test]
fn several_models_answer_one_request_in_the_order_asked_for() {
    let models = [small_model::artifact("churn", 0.0), small_model::artifact("repaid", 1.0)];
    let app = spawn_app_with(registry_of(&models), |_| {});
    let body = json!(column(&customers::random(5), Customer::json)).to_string();
    let both = app.post("/v1/score?models=repaid,churn", &body).json();
    let alone = |name: &str| app.post(&format!("/v1/score?model={name}"), &body).json();
    assert_eq!(both, json!({"models": [alone("repaid"), alone("churn")]}));
    assert_eq!(
        app.post("/v1/score?models=churn", &body).json(),
        json!({"models": [alone("churn")]})
    );
    for (query, status) in [
        ("models=churn,none", 404),
        ("models=churn,churn", 400),
        ("models=", 404),
        ("models=churn&model=repaid", 400),
        ("models=churn&version=1", 400),
        ("reasons=21", 400),
        ("reasons=-1", 400),
        ("language=xx", 400),
    ] {
        let answer = app.post(&format!("/v1/score?{query}"), &body);
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
        answer.code();
    }
}

/// Bodies that are nearly right: cut, doubled and changed in places.
fn damaged(bodies: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edits =
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..5_u8), 1..4);
    (prop::sample::select(bodies), edits).prop_map(|(mut body, edits)| {
        for (at, byte, edit) in edits {
            if body.is_empty() {
                break;
            }
            let at = at.index(body.len());
            match edit {
                0 => body.truncate(at),
                1 => body.insert(at, byte),
                2 => drop(body.remove(at)),
                3 => body.extend(body.clone()),
                _ => body[at] = byte,
            }
        }
        body
    })
}

#[test]
fn no_body_makes_any_protocol_fail() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_customers = 50;
        settings.request_timeout_ms = 5_000;
    });
    let all = customers::random(3);
    let mut forms: Vec<(String, &str, Vec<u8>)> = Vec::new();
    for (_, kind, body) in mlflow_forms(&all) {
        forms.push(("/invocations".to_owned(), kind.1, body.into_bytes()));
    }
    forms.push((INFER.to_owned(), JSON.1, columns(&all).to_string().into_bytes()));
    let tensor = json!({"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 1, 0]});
    forms.push((INFER.to_owned(), JSON.1, json!({"inputs": [tensor]}).to_string().into_bytes()));
    for (kind, body) in [
        (CSV.1, customers::csv(&all).into_bytes()),
        (CSV.1, b"spend,\"plan\"\r\n1,\"go\"\"ld\"\r\n\"2\n\",x".to_vec()),
        (NDJSON.1, customers::ndjson(&all).into_bytes()),
        (ARROW.1, customers::arrow(&all)),
        (ARROW.1, customers::arrow(&all)),
        (ARROW.1, customers::arrow(&all)),
    ] {
        forms.push(("/v1/score/batch".to_owned(), kind, body));
    }
    let strategy = prop::sample::select(forms).prop_flat_map(|(path, kind, body)| {
        (
            Just(path),
            Just(kind),
            prop_oneof![
                8 => damaged(vec![body]),
                1 => proptest::collection::vec(any::<u8>(), 0..200),
            ],
        )
    });
    let config =
        ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((path, kind, body) in strategy)| {
        let answer = client::post(&format!("{}{path}", app.url), &[("content-type", kind)], &body);
        let mut hex = String::new();
        body.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
        prop_assert!(answer.status < 500, "{} {}: {} {}", path, kind, hex, answer.text());
    });
    // A binary tensor and its length, too.
    let config =
        ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let request = json!({"inputs": [{"name": "plan", "shape": [2], "datatype": "BYTES"}]});
    let (length, body) = binary(request, &[texts(["gold", ""].map(str::to_owned).into_iter())]);
    let length: usize = length.parse().unwrap();
    proptest!(config, |(body in damaged(vec![body]), length in length - 2..length + 2)| {
        let headers = [("inference-header-content-length", &*length.to_string())];
        let answer = client::post(&format!("{}{INFER}", app.url), &headers, &body);
        prop_assert!(answer.status < 500, "{}", answer.text());
    });
}
