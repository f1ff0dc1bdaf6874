//! Why customers have their scores: in batch and service alike, in the user's words, and only what may be shown.

use std::fs;

use rekindle_models::classifiers::forest::Forest;
use rekindle_models::frame::write_csv;
use rekindle_training::simulate::table::World;
use serde_json::Value;
use tempfile::TempDir;

use crate::app::{self, App};
use crate::programs::{done, refused};
use crate::small_model;

/// A model of simulated customers, without `recency_days` for marketing and with words of its own; its scores with three
/// reasons in Chinese, and the contributions of all features.
fn world() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut text = Vec::new();
    write_csv(&World { seed: 5, customers: 1_500 }.simulate().table, &mut text).unwrap();
    fs::write(at.join("customers.csv"), text).unwrap();
    let marketing = "hide = [\"recency*\"]\n[words.zh]\nplan = \"套餐\"\nmoney = \"花费\"\n";
    fs::write(at.join("marketing.toml"), marketing).unwrap();
    let fit = ["fit", "customers.csv", "--target", "churned", "--id", "customer_id"];
    let more = ["--exclude", "exit_survey_score", "--no-influence", "--model", "boosting"];
    let marks = ["--marketing", "marketing.toml", "--group", "money=*purchase*"];
    done(at, &[&fit[..], &more, &marks].concat());
    let score = ["score", "registry/churned", "customers.csv", "-o", "scores.csv"];
    let why = ["--reasons", "3", "--language", "zh", "--contributions", "why.csv"];
    done(at, &[&score[..], &why].concat());
    folder
}

fn records(folder: &TempDir, file: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(folder.path().join(file)).unwrap();
    reader.records().map(|record| record.unwrap()).collect()
}

#[test]
fn batch_and_service_say_the_same_of_what_may_be_shown() {
    let folder = world();
    let (table, scores) = (records(&folder, "customers.csv"), records(&folder, "scores.csv"));
    let contributions = records(&folder, "why.csv");
    let names =
        csv::Reader::from_path(folder.path().join("why.csv")).unwrap().headers().unwrap().clone();
    let header = csv::Reader::from_path(folder.path().join("customers.csv"))
        .unwrap()
        .headers()
        .unwrap()
        .clone();
    let registry = tempfile::tempdir().unwrap();
    let from = rekindle_models::artifact::Registry::open(&folder.path().join("registry")).unwrap();
    let to = rekindle_models::artifact::Registry::create(registry.path()).unwrap();
    to.add(&from.load("churned", 1).unwrap(), &[]).unwrap();
    to.promote("churned", 1).unwrap();
    let service = app::spawn_app_with(registry, |_| {});
    let customers: Vec<Value> =
        table.iter().take(300).map(|record| app::customer(&header, record)).collect();
    let body = Value::from(customers).to_string();
    let answer = service.post("/v1/score?reasons=3&language=zh", &body).json();
    let plain = service.post("/v1/score", &body).json();
    let mut groups = 0;
    for (row, score) in answer["scores"].as_array().unwrap().iter().enumerate() {
        assert_eq!(score["probability"], plain["scores"][row]["probability"]);
        assert!(plain["scores"][row].get("reasons").is_none());
        let reasons = score["reasons"].as_array().unwrap();
        assert!(!reasons.is_empty() && reasons.len() <= 3, "{score}");
        let told: Vec<&str> =
            reasons.iter().map(|reason| reason["text"].as_str().unwrap()).collect();
        let batch: Vec<&str> =
            (6..9).map(|at| &scores[row][at]).filter(|text| !text.is_empty()).collect();
        assert_eq!(told, batch);
        for reason in reasons {
            let (feature, text) =
                (reason["feature"].as_str().unwrap(), reason["text"].as_str().unwrap());
            assert!(!feature.contains("recency"), "{reason}");
            assert!(feature != "plan" || text.starts_with("套餐"), "{reason}");
            let of = |name: &str| -> f64 {
                contributions[row][names.iter().position(|n| n == name).unwrap()].parse().unwrap()
            };
            let expected = match reason.get("group") {
                None => of(feature),
                Some(group) => {
                    groups += 1;
                    assert!(group == "money" && text.starts_with("花费，"), "{reason}");
                    names
                        .iter()
                        .filter(|name| name.contains("purchase") && !name.contains("recency"))
                        .map(of)
                        .sum()
                }
            };
            assert!((reason["contribution"].as_f64().unwrap() - expected).abs() < 1e-9, "{reason}");
        }
    }
    assert!(groups > 0, "the group was never a reason");
}

fn service_of(models: &[rekindle_models::artifact::Artifact]) -> App {
    app::spawn_app_with(app::registry_of(models), |_| {})
}

#[test]
fn a_logistic_model_says_why_and_others_say_why_not() {
    let mut told = small_model::artifact("told", 0.0);
    told.manifest.expected_addends = Some(vec![0.0; 4]);
    let service = service_of(&[
        told,
        small_model::artifact("old", 0.0),
        small_model::artifact_of(&Forest { trees: 5, ..Forest::default() }, "forest", 0.0),
    ]);
    let body = r#"{"customer": "7", "recency_days": 90, "spend": 10, "plan": "gold"}"#;
    let answer = service.post("/v1/score?model=told&reasons=2", body).json();
    let reasons = answer["scores"][0]["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 2, "{answer}");
    let strongest = reasons[0]["contribution"].as_f64().unwrap();
    assert!(strongest > 0.0 && reasons[0]["feature"] == "recency_days", "{answer}");
    assert_eq!(reasons[0]["value"], 90.0);
    assert_eq!(reasons[0]["text"], format!("recency days: 90: {strongest:+.2}"));
    for (query, status, code, words) in [
        ("model=old&reasons=1", 422, "no_reasons", "fit it again"),
        ("model=forest&reasons=1", 422, "no_reasons", "it is a forest"),
        ("model=told&reasons=21", 400, "invalid_query", "expected 0 to 20"),
        ("model=told&reasons=-1", 400, "invalid_query", ""),
        ("model=told&reasons=1&language=de", 400, "invalid_query", "expected `en` or `zh`"),
    ] {
        let answer = service.post(&format!("/v1/score?{query}"), body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
        assert!(answer.text.contains(words), "{}", answer.text);
    }
    assert_eq!(service.post("/v1/score?model=forest", body).status, 200);
    let none = service.post("/v1/score?model=told&reasons=3", "[]");
    assert_eq!((none.status, none.json()["scores"].as_array().unwrap().len()), (200, 0));
}

#[test]
fn what_cannot_be_told_is_refused_with_what_was_expected() {
    let folder = world();
    let at = folder.path();
    let score = ["score", "registry/churned", "customers.csv", "-o", "-"];
    for (words, expected) in [
        (&["--reasons", "21"][..], "0..=20"),
        (&["--reasons", "2", "--language", "de"], "expected en or zh"),
        (&["--language", "zh"], "--reasons"),
    ] {
        let said = refused(at, &[&score[..], words].concat());
        assert!(said.contains(expected), "{said}");
    }
    let fit = ["fit", "customers.csv", "--target", "churned", "--marketing", "marketing.toml"];
    for (text, expected) in [
        ("hide = [\"recencyy*\"]", "means no column"),
        ("hidden = []", "unknown field `hidden`"),
        ("[words.de]\nplan = \"Tarif\"", "expected `en` or `zh`"),
    ] {
        fs::write(at.join("marketing.toml"), text).unwrap();
        let said = refused(at, &fit);
        assert!(said.contains(expected) && said.contains("marketing"), "{said}");
    }
}

#[test]
fn a_damaged_expectation_is_refused() {
    let mut model = small_model::artifact("told", 0.0);
    for expected in [vec![0.0; 3], vec![f64::NAN, 0.0, 0.0, 0.0]] {
        model.manifest.expected_addends = Some(expected);
        let bytes = model.to_bytes().unwrap();
        let error =
            rekindle_models::artifact::Artifact::from_bytes(&bytes, "it").unwrap_err().to_string();
        // JSON has no NaN: it is written as null, which is no number.
        assert!(error.contains("expected addends") || error.contains("does not parse"), "{error}");
    }
}
