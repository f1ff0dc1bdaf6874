//! The protocols that other clients speak: the Open Inference Protocol v2 and MLflow's. One scoring path lies behind all
//! of them, so each must give the bits that `/v1/score` gives.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::app::{App, registry_of, spawn_app, spawn_app_with};
use crate::client::{self, Reply};
use crate::customers::{self, Customer};
use crate::small_model;

const JSON: (&str, &str) = ("content-type", "application/json");
const CSV: (&str, &str) = ("content-type", "text/csv");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const ARROW: (&str, &str) = ("content-type", "application/vnd.apache.arrow.stream");
const INFER: &str = "/v2/models/churn/infer";

fn post(app: &App, path: &str, body: &Value) -> Reply {
    client::post(&format!("{}{path}", app.url), &[JSON], body.to_string().as_bytes())
}

/// The bits of an answered list of numbers.
fn bits(numbers: &Value) -> Vec<u64> {
    let numbers = numbers.as_array().unwrap_or_else(|| panic!("no list: {numbers}"));
    numbers.iter().map(|n| n.as_f64().unwrap().to_bits()).collect()
}

/// The probabilities of an answer of `/v1/score` or `/invocations`.
fn told(answer: &Value, list: &str) -> Vec<u64> {
    let entries = answer[list].as_array().unwrap_or_else(|| panic!("no {list}: {answer}"));
    bits(&entries.iter().map(|entry| entry["probability"].clone()).collect())
}

fn column<T: serde::Serialize>(all: &[Customer], of: impl Fn(&Customer) -> T) -> Vec<T> {
    all.iter().map(of).collect()
}

/// One input a column.
fn columns(all: &[Customer]) -> Value {
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
fn binary(mut request: Value, data: &[Vec<u8>]) -> (String, Vec<u8>) {
    for (input, bytes) in request["inputs"].as_array_mut().unwrap().iter_mut().zip(data) {
        input["parameters"] = json!({"binary_data_size": bytes.len()});
    }
    let json = request.to_string().into_bytes();
    (json.len().to_string(), [json, data.concat()].concat())
}

fn texts(texts: impl Iterator<Item = String>) -> Vec<u8> {
    let long = |text: String| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    texts.flat_map(long).collect()
}

#[test]
fn v2_tells_what_the_server_and_its_models_are() {
    let app = spawn_app();
    let server = app.get("/v2").json();
    assert_eq!(
        (&server["name"], &server["extensions"]),
        (&json!("rekindle"), &json!(["binary_tensor_data"]))
    );
    for path in ["/v2/health/live", "/v2/health/ready"] {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
    let ready = app.get("/v2/models/churn/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));
    assert_eq!(app.get("/v2/models/churn/versions/1/ready").status, 200);
    let model = app.get("/v2/models/churn").json();
    assert_eq!(model["versions"], json!(["1"]));
    let kinds = |list: &str| -> Vec<String> {
        let tensors = model[list].as_array().unwrap().iter();
        tensors
            .map(|t| format!("{} {} {}", t["name"], t["datatype"], t["shape"]).replace('"', ""))
            .collect()
    };
    let inputs =
        ["recency_days FP64 [-1]", "spend FP64 [-1]", "subscribed BOOL [-1]", "plan BYTES [-1]"];
    assert_eq!(kinds("inputs"), inputs);
    assert_eq!(kinds("outputs")[0], "probability FP64 [-1]");
    assert_eq!(app.get("/v2/models/churn/versions/1").json(), model);
    for path in
        ["/v2/models/none", "/v2/models/none/ready", "/v2/models/churn/versions/9", "/v2/no"]
    {
        let answer = app.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.text);
    }
}

#[test]
fn v2_answers_the_outputs_that_are_asked_for_and_echoes_the_id() {
    let app = spawn_app();
    let all = customers::random(3);
    let mut request = columns(&all);
    request["id"] = json!("job 7");
    let answer = post(&app, INFER, &request).json();
    assert_eq!(answer["id"], "job 7");
    assert_eq!((&answer["model_name"], &answer["model_version"]), (&json!("churn"), &json!("1")));
    let names = |answer: &Value| -> Vec<Value> {
        answer["outputs"].as_array().unwrap().iter().map(|o| o["name"].clone()).collect()
    };
    assert_eq!(names(&answer), ["probability", "percentile", "positive", "customer_id"]);
    assert_eq!(answer["outputs"][3]["data"], json!(["c-0", "c-1", "c-2"]));
    for output in answer["outputs"].as_array().unwrap() {
        assert_eq!(output["shape"], json!([3]));
    }
    request["outputs"] = json!([{"name": "positive"}, {"name": "probability"}]);
    assert_eq!(names(&post(&app, INFER, &request).json()), ["positive", "probability"]);
    request["outputs"] = json!([{"name": "label"}]);
    let answer = post(&app, INFER, &request);
    assert!(answer.status < 500 && answer.status >= 400);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("label") && error.contains("probability"), "{error}");
}

#[test]
fn v2_takes_and_answers_binary_tensors() {
    let app = spawn_app();
    let all = customers::random(20);
    let expected = told(&app.score(&json!(column(&all, Customer::json)).to_string()), "scores");
    let mut request = columns(&all);
    for input in request["inputs"].as_array_mut().unwrap() {
        input.as_object_mut().unwrap().remove("data");
    }
    // What is missing is NaN, an empty text, or a column of 0, 1 and NaN.
    request["inputs"][4]["datatype"] = json!("FP64");
    request["parameters"] = json!({"binary_data_output": true});
    let floats = |of: &dyn Fn(&Customer) -> Option<f64>| -> Vec<u8> {
        all.iter().flat_map(|c| of(c).unwrap_or(f64::NAN).to_le_bytes()).collect()
    };
    let data = [
        texts(all.iter().map(|c| c.plan.unwrap_or_default().to_owned())),
        texts(all.iter().map(|c| c.id.clone())),
        floats(&|c| c.recency),
        floats(&|c| c.spend),
        floats(&|c| c.subscribed.map(|s| f64::from(u8::from(s)))),
    ];
    let (json_bytes, body) = binary(request, &data);
    let length = ("inference-header-content-length", &*json_bytes);
    let headers = [("content-type", "application/octet-stream"), length];
    let answer = client::post(&format!("{}{INFER}", app.url), &headers, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let json_bytes: usize =
        answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let (json, rest) = answer.bytes.split_at(json_bytes);
    let json: Value = serde_json::from_slice(json).unwrap();
    let size =
        |i: usize| json["outputs"][i]["parameters"]["binary_data_size"].as_u64().unwrap() as usize;
    assert_eq!((size(0), size(1), size(2)), (160, 80, 20));
    let (cells, _) = rest.as_chunks::<8>();
    let found: Vec<u64> = cells[..20].iter().map(|cell| u64::from_le_bytes(*cell)).collect();
    assert_eq!(found, expected);
    let ids = texts(all.iter().map(|c| c.id.clone()));
    assert_eq!(&rest[260..], &ids[..]);
    // Lengths that do not fit the body are told.
    for length in ["0", "5", "100000", "x", "-1"] {
        let headers = [JSON, ("inference-header-content-length", length)];
        let answer = client::post(&format!("{}{INFER}", app.url), &headers, &body);
        assert!((400..500).contains(&answer.status), "{length}: {}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn v2_takes_one_tensor_of_all_features() {
    let app = spawn_app();
    // Eighths are the same in 32 and 64 bits.
    let eighths = |cell: f64| (cell * 8.0).round() / 8.0;
    let mut all = customers::random(50);
    for c in &mut all {
        (c.recency, c.spend) = (c.recency.map(eighths), c.spend.map(eighths));
    }
    let expected = told(&app.score(&json!(column(&all, Customer::json)).to_string()), "scores");
    let cells = |cell: f64| if cell.is_nan() { Value::Null } else { json!(cell) };
    let nested: Vec<Vec<Value>> = all.iter().map(|c| c.cells().map(cells).to_vec()).collect();
    let flat = nested.concat();
    for datatype in ["FP64", "FP32"] {
        for data in [json!(nested), json!(flat)] {
            let input = json!({"name": "x", "shape": [50, 4], "datatype": datatype, "data": data});
            let answer = post(&app, INFER, &json!({"inputs": [input]}));
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            assert_eq!(bits(&answer["outputs"][0]["data"]), expected, "{datatype}");
            assert_eq!(answer["outputs"].as_array().unwrap().len(), 3, "nobody has a name");
        }
        let bytes: Vec<u8> = match datatype {
            "FP64" => all.iter().flat_map(Customer::cells).flat_map(f64::to_le_bytes).collect(),
            _ => all
                .iter()
                .flat_map(Customer::cells)
                .flat_map(|c| (c as f32).to_le_bytes())
                .collect(),
        };
        let request = json!({"inputs": [{"name": "x", "shape": [50, 4], "datatype": datatype}]});
        let (length, body) = binary(request, &[bytes]);
        let headers = [("inference-header-content-length", &*length)];
        let answer = client::post(&format!("{}{INFER}", app.url), &headers, &body);
        assert_eq!(bits(&answer.json()["outputs"][0]["data"]), expected, "binary {datatype}");
    }
}

#[test]
fn v2_says_in_its_own_form_what_was_found_and_expected() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_customers = 10;
        settings.max_fields = 6;
    });
    let check = |inputs: Value, words: &[&str]| {
        let answer = post(&app, INFER, &json!({"inputs": inputs}));
        let text = answer.text();
        assert!((400..500).contains(&answer.status), "{inputs}: {text}");
        let body = answer.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{text}");
        let error = body["error"].as_str().unwrap();
        words.iter().for_each(|word| assert!(error.contains(word), "{word} in {error}"));
    };
    let spend = |shape: Value, data: Value| json!({"name": "spend", "shape": shape, "datatype": "FP64", "data": data});
    check(json!([]), &["no inputs"]);
    check(json!(7), &["invalid type"]);
    check(json!([spend(json!([2]), json!([1.0]))]), &["spend", "1 cells", "2"]);
    check(json!([spend(json!([2]), json!([1, 2, 3]))]), &["spend", "2"]);
    check(
        json!([spend(json!([2, 3]), json!([1, 2, 3, 4, 5, 6]))]),
        &["[2, 3]", "[2, 1]", "[2, 4]"],
    );
    check(json!([spend(json!([]), json!([]))]), &["shape"]);
    check(json!([spend(json!([2, 1, 1]), json!([1, 2]))]), &["[2, 1, 1]"]);
    check(json!([spend(json!([-1]), json!([1]))]), &["invalid value"]);
    check(
        json!([spend(json!([1]), json!([1])), spend(json!([1]), json!([1]))]),
        &["spend", "twice"],
    );
    check(json!([spend(json!([11]), json!(vec![1; 11]))]), &["more than 10 customers"]);
    check(json!([spend(json!([u64::MAX]), json!([1]))]), &["more than 10 customers"]);
    check(
        json!([{"name": "x", "shape": [4, u64::MAX / 2], "datatype": "FP64", "data": [1]}]),
        &["shape"],
    );
    check(
        json!([spend(json!([2]), json!([1, "3"]))]),
        &["customer 1", "spend", "text \"3\"", "a number"],
    );
    check(json!([spend(json!([1]), json!([{"a": 1}]))]), &["spend", "map"]);
    check(json!([{"name": "spend", "shape": [1], "datatype": "FP16", "data": [1]}]), &["FP16"]);
    check(json!([{"name": "spend", "shape": [1], "datatype": "FP64"}]), &["spend", "data"]);
    let many =
        |i: u32| json!({"name": format!("x{i}"), "shape": [1], "datatype": "FP64", "data": [1]});
    check((0..7).map(many).collect(), &["7 columns", "6"]);
    let plan = json!({"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1, 2, 1, 2]});
    check(json!([plan]), &["customer 0", "plan", "0 to 1"]);
    let deep = format!(
        "{{\"inputs\": [{{\"name\": \"spend\", \"shape\": [1], \"datatype\": \"FP64\", \"data\": {}1{}}}]}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let answer = client::post(&format!("{}{INFER}", app.url), &[JSON], deep.as_bytes());
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    let answer = app.post("/v2/models/none/infer", "{}");
    assert_eq!((answer.status, answer.json()["error"].is_string()), (404, true));
    assert_eq!(app.get(INFER).status, 405);
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
    let body = json!({"dataframe_split": {"columns": [a, b], "data": [[1, 2]]}}).to_string();
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
