//! The service over HTTP: what it answers, and what it refuses.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;
use rekindle_models::artifact::{Artifact, Registry};
use rekindle_models::classifiers::Classifier;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::classifiers::forest::Forest;
use rekindle_models::classifiers::logistic::Logistic;
use rekindle_models::frame::{Rows, UNKNOWN_LEVEL};
use rekindle_models::scorer::Score;
use serde_json::json;

use crate::app::{App, registry_of, spawn_app, spawn_app_with};
use crate::small_model;

fn two_models() -> App {
    let models = [small_model::artifact("churn", 0.0), small_model::artifact("repaid", 1.0)];
    spawn_app_with(registry_of(&models), |_| {})
}

/// What the model `churn` says without a service around it.
fn scored(cells: Vec<f64>) -> Vec<Score> {
    static CHURN: LazyLock<Artifact> = LazyLock::new(|| small_model::artifact("churn", 0.0));
    CHURN.scorer.score(&Rows::from_cells(4, cells))
}

#[test]
fn one_customer_gets_a_score_with_model_version_and_threshold() {
    let body = r#"{"customer": "c7", "recency_days": 12.5, "spend": 30, "subscribed": true,
                   "plan": "gold"}"#;
    let score = scored(vec![12.5, 30.0, 1.0, 1.0])[0];
    let expected = json!({
        "model_name": "churn",
        "model_version": 1,
        "threshold": 0.5,
        "scores": [{
            "customer_id": "c7",
            "probability": score.probability,
            "percentile": score.percentile,
            "decision": {"positive": score.positive},
        }],
    });
    assert_eq!(spawn_app().score(body), expected);
}

#[test]
fn many_customers_are_scored_in_their_order() {
    let reply = spawn_app()
        .score(r#"[{"customer": 2, "recency_days": 90}, {"customer": 1, "recency_days": 1}, {}]"#);
    let ids: Vec<_> =
        reply["scores"].as_array().unwrap().iter().map(|s| &s["customer_id"]).collect();
    assert_eq!(ids, [&json!(2), &json!(1), &json!(null)]);
    assert!(
        reply["scores"][0]["probability"].as_f64() > reply["scores"][1]["probability"].as_f64()
    );
}

#[test]
fn what_the_model_does_not_know_is_warned_of() {
    let reply = spawn_app().score(r#"{"recency_days": 3, "plan": "silver", "Spend": 3}"#);
    let expected = json!({
        "unknown_fields": ["Spend"],
        "unknown_levels": [{"feature": "plan", "value": "silver"}],
        "missing_fields": ["spend", "subscribed"],
    });
    assert_eq!(reply["warnings"], expected);
}

#[test]
fn every_bad_field_is_named_with_what_was_found_and_expected() {
    let answer =
        spawn_app().post("/v1/score", r#"[{"spend": "3"}, {"subscribed": "yes", "plan": []}]"#);
    assert_eq!((answer.status, &*answer.code()), (422, "invalid_features"));
    let details = &answer.json()["details"];
    let first = json!({
        "customer": 0, "field": "spend", "found": "text \"3\"", "expected": "a number or null",
    });
    assert_eq!(details[0], first);
    assert_eq!(details[1]["field"], "subscribed");
    assert_eq!((&details[2]["customer"], &details[2]["field"]), (&json!(1), &json!("plan")));
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_body_bytes = 2_000;
        settings.max_customers = 3;
    });
    let check = |path: &str, body: &str, status: u16, code: &str| {
        let answer = app.post(path, body);
        assert_eq!((answer.status, &*answer.code()), (status, code), "{path} {body}");
    };
    check("/v1/score", "{\"spend\": }", 400, "malformed_json");
    check("/v1/score", "", 400, "malformed_json");
    check("/v1/score", "{\"spend\": 1, \"spend\": 1}", 422, "invalid_features");
    check("/v1/score", "7", 422, "invalid_features");
    check("/v1/score", &" ".repeat(3_000), 413, "body_too_large");
    check("/v1/score", "[{},{},{},{}]", 413, "too_many_customers");
    check("/v1/score?model=repaid", "{}", 404, "unknown_model");
    check("/v1/score?version=7", "{}", 404, "unknown_version");
    check("/v1/score?version=seven", "{}", 400, "invalid_query");
    check("/v1/score?modle=churn", "{}", 400, "invalid_query");
    check("/v1/scores", "{}", 404, "unknown_route");
    check("/v1/models", "{}", 405, "method_not_allowed");
    let answer = app.get("/v1/score");
    assert_eq!((answer.status, &*answer.code()), (405, "method_not_allowed"));
    assert_eq!(answer.header("allow"), Some("POST"));
    assert_eq!(app.delete("/health/live").code(), "method_not_allowed");
    assert_eq!(app.get("/v1/models/repaid").code(), "unknown_model");
    let place = app.post("/v1/score", "{\n\"spend\": x}").json();
    assert_eq!(place["details"], json!({"line": 2, "column": 10}));
}

#[test]
fn a_model_must_be_named_only_where_there_are_several() {
    let app = two_models();
    let answer = app.post("/v1/score", "{}");
    assert_eq!((answer.status, &*answer.code()), (422, "model_not_named"));
    assert_eq!(answer.json()["details"], json!({"models": ["churn", "repaid"]}));
    assert_eq!(app.post("/v1/score?model=repaid", "{}").json()["model_name"], "repaid");
}

#[test]
fn an_earlier_version_answers_when_it_is_named() {
    let models = [small_model::artifact("churn", 0.0), small_model::artifact("churn", 1.0)];
    let app = spawn_app_with(registry_of(&models), |_| {});
    let probability = |query: &str, version: u32| {
        let reply = app.post(&format!("/v1/score{query}"), "{}").json();
        assert_eq!(reply["model_version"], version);
        reply["scores"][0]["probability"].as_f64().unwrap()
    };
    let (current, first) = (probability("", 2), probability("?version=1", 1));
    assert!(current > first);
    assert_eq!(probability("?model=churn&version=2", 2), current);
    assert_eq!(probability("?version=1", 1), first);
}

#[test]
fn the_models_tell_what_they_ask_for_and_how_good_they_are() {
    let app = two_models();
    let list = app.get("/v1/models").json();
    assert_eq!(list["models"][1]["model_name"], "repaid");
    assert_eq!(list["models"][0]["target"], json!({"column": "churned", "value": "1"}));
    let page = app.get("/v1/models/churn").json();
    assert_eq!((&page["current"], &page["versions"]), (&json!(1), &json!([1])));
    assert_eq!(page["features"][3]["levels"], json!(["basic", "gold"]));
    assert_eq!(page["threshold"]["value"], 0.5);
}

#[test]
fn a_service_without_models_is_alive_but_not_ready() {
    let app = spawn_app_with(registry_of(&[]), |_| {});
    assert_eq!(app.get("/health/live").status, 200);
    assert_eq!(app.get("/health/ready").status, 503);
    assert_eq!(app.post("/v1/score", "{}").code(), "no_model_loaded");
    assert_eq!(spawn_app().get("/health/ready").status, 200);
}

#[test]
fn the_metrics_count_requests_customers_and_what_was_unknown() {
    let app = spawn_app();
    app.score(r#"[{"plan": "silver", "x": 1}, {"plan": "silver"}]"#);
    app.post("/v1/score", "oops");
    let text = app.get("/metrics").text;
    for line in [
        r#"rekindle_requests_total{method="POST",route="/v1/score",status="200"} 1"#,
        r#"rekindle_requests_total{method="POST",route="/v1/score",status="400"} 1"#,
        r#"rekindle_request_seconds_count{route="/v1/score"} 2"#,
        r#"rekindle_customers_scored_total{model="churn",version="1"} 2"#,
        r#"rekindle_unknown_fields_total{model="churn",version="1"} 1"#,
        r#"rekindle_unknown_levels_total{model="churn",version="1"} 2"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn a_damaged_model_keeps_the_service_from_starting() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let path = Registry::open(registry.path()).unwrap().path("churn", 1);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = assert_cmd::Command::cargo_bin("rekindle-server")
        .unwrap()
        .args(["--listen", "127.0.0.1:0", "--registry"])
        .arg(registry.path())
        .assert()
        .code(1);
    let message = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(message.contains("model.rekindle") && message.contains("damaged"), "{message}");
}

#[test]
fn a_damaged_version_that_is_named_is_an_internal_error_that_tells_nothing() {
    let models = [small_model::artifact("churn", 0.0), small_model::artifact("churn", 1.0)];
    let app = spawn_app_with(registry_of(&models), |_| {});
    fs::write(app.registry.path().join("churn/1/model.rekindle"), "oops").unwrap();
    let answer = app.post("/v1/score?version=1", "{}");
    assert_eq!((answer.status, &*answer.code()), (500, "internal_error"));
    assert!(!answer.text.contains("churn"), "{}", answer.text);
}

#[test]
fn large_and_small_batches_and_one_customer_get_the_bits_of_the_scorer() {
    let classifiers: [&dyn Classifier; 3] = [
        &Logistic::default(),
        &Forest { trees: 20, ..Forest::default() },
        &Boosting { min_data_in_leaf: 5.0, min_data_per_group: 5.0, ..Boosting::default() },
    ];
    for classifier in classifiers {
        let artifact = small_model::artifact_of(classifier, "churn", 0.0);
        let app = spawn_app_with(registry_of(std::slice::from_ref(&artifact)), |_| {});
        let (customers, cells) = customers(2_000);
        let expected = artifact.scorer.score(&Rows::from_cells(4, cells));
        let expected: Vec<u64> = expected.iter().map(|s| s.probability.to_bits()).collect();
        let bits = |customers: &[serde_json::Value]| -> Vec<u64> {
            let reply = app.score(&serde_json::to_string(customers).unwrap());
            let scores = reply["scores"].as_array().unwrap();
            scores.iter().map(|s| s["probability"].as_f64().unwrap().to_bits()).collect()
        };
        assert_eq!(bits(&customers), expected);
        assert_eq!(bits(&customers[..20]), expected[..20]);
        assert_eq!(bits(&customers[7..8]), expected[7..8]);
    }
}

/// Customers as JSON and as cells.
fn customers(count: u32) -> (Vec<serde_json::Value>, Vec<f64>) {
    let customer = |i: u32| {
        let (recency, spend) = (f64::from(i) * 0.1, (f64::from(i) * 0.37).sin() * 100.0);
        let (plan, level) = [("basic", 0.0), ("gold", 1.0), ("new", UNKNOWN_LEVEL)][i as usize % 3];
        let subscribed = i.is_multiple_of(4);
        let json = json!({
            "recency_days": recency, "spend": spend, "subscribed": subscribed, "plan": plan,
        });
        (json, [recency, spend, f64::from(u8::from(subscribed)), level])
    };
    let (json, cells): (Vec<_>, Vec<[f64; 4]>) = (0..count).map(customer).unzip();
    (json, cells.concat())
}

#[test]
fn concurrent_requests_get_their_own_answers() {
    let app = spawn_app();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let app = &app;
            scope.spawn(move || {
                for i in 0..50 {
                    let id = thread * 1_000 + i;
                    let recency = f64::from(id) * 0.01;
                    let body = json!({"customer": id, "recency_days": recency});
                    let score = &app.score(&body.to_string())["scores"][0];
                    let expected = scored(vec![recency, f64::NAN, f64::NAN, f64::NAN])[0];
                    assert_eq!(score["customer_id"], id);
                    assert_eq!(score["probability"], expected.probability);
                }
            });
        }
    });
}

#[test]
fn a_reply_carries_the_id_of_its_request() {
    let app = spawn_app();
    let first = app.get("/health/live");
    let second = app.get("/health/live");
    assert!(first.header("x-request-id").is_some());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_eq!(app.get_as("/health/live", "shop-7").header("x-request-id"), Some("shop-7"));
    // An id that could forge a log line is replaced.
    assert_ne!(app.get_as("/health/live", "a b=c").header("x-request-id"), Some("a b=c"));
}

#[test]
fn no_body_makes_the_service_fail() {
    let app = spawn_app();
    let texts = prop_oneof![
        r#"[\[\]{}",: \\0-9a-fntru.eE+-]{0,80}"#,
        r#"\{"(spend|plan|customer|x)": ([0-9]{1,40}|"[a-z]*"|null|\[\[\]\]|\{\})\}"#,
        ".*",
    ];
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(body in texts)| {
        let answer = app.post("/v1/score", &body);
        prop_assert!([200, 400, 422].contains(&answer.status), "{}: {}", body, answer.text);
    });
}
