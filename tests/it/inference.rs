//! The Open Inference Protocol v2: what its clients ask, and what they are told.

use serde_json::{Value, json};

use crate::app::{registry_of, spawn_app, spawn_app_with};
use crate::client;
use crate::customers::{self, Customer};
use crate::protocols::{INFER, JSON, binary, bits, column, columns, post, texts, told};
use crate::small_model;

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
        json!([{"name": "spend", "shape": [4, u64::MAX / 2], "datatype": "FP64", "data": [1]}]),
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
