//! Models that come from and go to other programs, through the `rekindle` command and the service.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rekindle_models::artifact::Artifact;
use rekindle_models::classifiers::Fitted;
use rekindle_models::exchange::lightgbm;
use rekindle_models::frame::{Binding, ReadOptions, read};
use tempfile::TempDir;

use crate::app;
use crate::programs::{rekindle, reports};
use crate::small_model;

const MODEL: &str = "lightgbm.txt";

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(rekindle()).args(words).current_dir(folder).output().unwrap()
}

fn done(folder: &Path, words: &[&str]) -> (String, String) {
    let output = run(folder, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {said}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), said)
}

fn refused(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert!(said.contains("rekindle: ") && !said.contains("panicked"), "{said}");
    said
}

/// A folder with a model that LightGBM saved and rows to score, whose target is `left`.
fn folder() -> TempDir {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden.join(MODEL), folder.path().join(MODEL)).unwrap();
    let rows = fs::read_to_string(golden.join("lightgbm.rows.csv")).unwrap();
    let line = |(at, line): (usize, &str)| match at {
        0 => format!("{line},left\n"),
        _ => format!("{line},{}\n", if at % 3 == 0 { "yes" } else { "no" }),
    };
    let table: String = rows.lines().enumerate().map(line).collect();
    fs::write(folder.path().join("customers.csv"), table).unwrap();
    folder
}

/// The probabilities that LightGBM gave the rows.
fn expected() -> Vec<f64> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let scores = fs::read_to_string(golden.join("lightgbm.scores.txt")).unwrap();
    let raw = |bits: &str| f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
    scores.lines().map(|bits| 1.0 / (1.0 + (-1.5 * raw(bits)).exp())).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart <= 1e-12, "apart by {apart:e}");
}

#[test]
fn an_imported_model_scores_as_lightgbm_does_from_a_file_and_over_http() {
    let folder = folder();
    let at = folder.path();
    let (printed, said) =
        done(at, &["import", MODEL, "-o", "registry", "--name", "churn", "--target", "left=yes"]);
    assert!(printed.starts_with("churn version 1: 4 trees, 6 features, not judged"), "{printed}");
    assert!(said.contains("no --data: percentiles are those of the probability"), "{said}");
    done(at, &["score", "registry/churn", "customers.csv", "-o", "scores.csv"]);
    let scores = fs::read_to_string(at.join("scores.csv")).unwrap();
    let cells = scores.lines().skip(1).map(|line| line.split(',').next().unwrap());
    close(&cells.map(|cell| cell.parse().unwrap()).collect::<Vec<f64>>(), &expected());

    let artifact = Artifact::load(&at.join("registry/churn/1/model.rekindle")).unwrap();
    assert!(artifact.golden.is_empty());
    let service = app::spawn_app_with(app::registry_of(&[artifact]), |_| {});
    let reply = service.score(
        r#"{"recency_days":125,"spend":44.96,"plan":"gold","year":"100","mail":true,"unused":1}"#,
    );
    close(&[reply["scores"][0]["probability"].as_f64().unwrap()], &expected()[1..2]);
}

#[test]
fn with_data_an_imported_model_has_percentiles_and_a_rule_to_be_judged_against() {
    let folder = folder();
    let at = folder.path();
    let words = ["--data", "customers.csv", "--target", "left=yes", "--no-promote"];
    let import = ["import", MODEL, "-o", "registry", "--name", "churn"];
    done(at, &[&import[..], &words[..]].concat());
    let model = at.join("registry/churn/1/model.rekindle");
    let artifact = Artifact::load(&model).unwrap();
    assert_eq!(artifact.manifest.rows.calibration.rows, 60);
    assert_eq!(artifact.manifest.rows.calibration.positives, 20);
    assert_eq!(artifact.manifest.rows.train.rows, 0);
    assert_eq!(artifact.golden.len(), 16);
    artifact.golden.check(&artifact.scorer).unwrap();
    let schema = &artifact.scorer.schema;
    let frame =
        read(&at.join("customers.csv"), &ReadOptions::for_model(schema, &[], None, &[])).unwrap();
    let rows = Binding::new(schema, frame.schema()).unwrap().rows(&frame, 0..60);
    let percentiles = artifact.scorer.score(&rows).iter().map(|s| s.percentile).collect::<Vec<_>>();
    let spread = percentiles.iter().any(|p| *p < 30) && percentiles.iter().any(|p| *p > 70);
    assert!(spread, "{percentiles:?}");
    let judged = run(at, &["evaluate", "registry/churn/1", "customers.csv", "--json"]);
    let report = &reports(&judged.stdout)[0];
    assert!(report["evaluation"]["roc_auc"]["value"].is_number(), "{report}");
}

#[test]
fn a_model_goes_out_and_comes_back_the_same() {
    let folder = folder();
    let at = folder.path();
    done(at, &["import", MODEL, "-o", "registry", "--name", "churn"]);
    let (text, said) = done(at, &["export", "registry/churn", "--format", "lightgbm"]);
    assert!(said.contains("holds no calibration"), "{said}");
    let back = lightgbm::read(text.as_bytes(), "back").unwrap();
    let artifact = Artifact::load(&at.join("registry/churn/1/model.rekindle")).unwrap();
    assert_eq!(Fitted::Boosting(back.model), artifact.scorer.model);
    assert_eq!(back.schema, artifact.scorer.schema);
    done(at, &["export", "registry/churn", "--format", "onnx", "-o", "churn.onnx"]);
    let bytes = fs::read(at.join("churn.onnx")).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("TreeEnsembleClassifier") && holds("recency_days"));
    assert_eq!(fs::read_dir(at).unwrap().count(), 4, "temporary files are left");
}

#[test]
fn what_cannot_be_exchanged_is_refused_with_what_to_do() {
    let folder = folder();
    let at = folder.path();
    small_model::artifact("churn", 0.0).save(&at.join("logistic.rekindle")).unwrap();
    let said = refused(at, &["export", "logistic.rekindle", "--format", "onnx", "-o", "x.onnx"]);
    assert!(said.contains("the model is a logistic model, expected a boosting one"), "{said}");
    let text = fs::read_to_string(at.join(MODEL)).unwrap();
    fs::write(at.join("bad.txt"), text.replacen("num_cat=3", "num_cat=4", 1)).unwrap();
    let said = refused(at, &["import", "bad.txt", "-o", "registry"]);
    assert!(said.contains("bad.txt:27: cat_boundaries: found 4 numbers, expected 5"), "{said}");
    assert!(!at.join("registry").exists(), "a registry was made for a model that is none");
    let said = refused(at, &["import", "none.txt", "--name", "churn"]);
    assert!(said.contains("failed to read none.txt"), "{said}");
    fs::copy(at.join(MODEL), at.join("My Model.txt")).unwrap();
    let said = refused(at, &["import", "My Model.txt"]);
    assert!(said.contains("--name"), "{said}");
    done(at, &["import", MODEL, "--name", "churn", "--target", "left=yes"]);
    let said = refused(at, &["import", MODEL, "--name", "churn", "--target", "stayed=yes"]);
    assert!(said.contains("version 1 answers left=yes"), "{said}");
}
