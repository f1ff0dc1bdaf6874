//! `rekindle compare` from the outside: two versions, a model against itself, and trees of other programs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_models::frame::write_csv;
use rekindle_training::simulate::table::World;
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{done, refused, rekindle, run};

/// A folder with a table to learn from, one to compare on, and two versions of a model: a small booster and a better one,
/// told that `exit_survey_score` is no feature.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("customers.csv", 5), ("holdout.csv", 6)] {
        let table = World { seed, customers: 2_000 }.simulate().table;
        let mut text = Vec::new();
        write_csv(&table, &mut text).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    fit(folder.path(), "registry", &["--model", "boosting", "--param", "num_iterations=1"]);
    fit(folder.path(), "registry", &["--model", "logistic"]);
    folder
}

fn fit(at: &Path, registry: &str, more: &[&str]) {
    let fit = ["fit", "customers.csv", "--target", "churned", "--id", "customer_id"];
    let rest = ["--exclude", "exit_survey_score", "--no-influence", "-o", registry];
    done(at, &[&fit[..], &rest, more].concat());
}

const VERSIONS: [&str; 4] = ["compare", "registry/churned/1", "registry/churned/2", "holdout.csv"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn code(at: &Path, words: &[&str]) -> i32 {
    run(at, words).status.code().unwrap()
}

#[test]
fn two_versions_are_compared_on_the_same_rows_and_the_better_one_passes() {
    let folder = folder();
    let at = folder.path();
    let gate = ["--require-better", "--by", "roc_auc,log_loss", "--no-speed"];
    let files = ["-o", "compared", "--changes", "changes.csv", "--json"];
    let text = done(at, &[&VERSIONS[..], &gate, &files].concat());
    let report = json(&text);
    let auc = &report["figures"]["roc_auc"];
    let number = |value: &Value| value.as_f64().unwrap();
    let difference = number(&auc["difference"]["value"]);
    assert!(difference > 0.01, "{auc}");
    assert!((number(&auc["b"]["value"]) - number(&auc["a"]["value"]) - difference).abs() < 1e-12);
    assert_eq!((&report["gate"]["outcome"], &report["exit_code"]), (&"kept".into(), &0.into()));
    assert_eq!(report["gate"]["conditions"].as_array().unwrap().len(), 2);
    assert_eq!((&report["speed"], &report["same_model"]), (&Value::Null, &false.into()));
    assert_eq!(report["size"]["a"]["trees"], 1);
    // The figures of each are those of `evaluate`.
    for (model, letter) in [("registry/churned/1", "a"), ("registry/churned/2", "b")] {
        let judged = json(&done(at, &["evaluate", model, "holdout.csv", "--json"]));
        let evaluation = &judged["reports"][0]["evaluation"];
        for name in ["roc_auc", "error_rate", "miss_rate", "average_precision", "log_loss", "ece"] {
            assert_eq!(report["figures"][name][letter], evaluation[name], "{letter} {name}");
        }
    }
    // Whoever changed side stands in the file of changes.
    let changes = fs::read_to_string(at.join("changes.csv")).unwrap();
    let mut lines = changes.lines();
    let header = "id,probability_a,probability_b,positive_a,positive_b,outcome";
    assert_eq!(lines.next(), Some(header));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len() as u64, report["rows"].as_u64().unwrap());
    let gained = rows.iter().filter(|r| r[3..] == ["false", "true", "true"]).count();
    assert_eq!(report["with_target"]["only_b"]["rows"], gained);
    let moved =
        |row: &Vec<&str>| (row[1].parse::<f64>().unwrap() - row[2].parse::<f64>().unwrap()).abs();
    assert!(rows.windows(2).all(|pair| moved(&pair[0]) >= moved(&pair[1])));
    // Ids stand nowhere else.
    let saved = fs::read_to_string(at.join("compared/compare.json")).unwrap();
    assert!(saved == text && !saved.contains(rows[0][0]));
    let page = fs::read_to_string(at.join("compared/compare.md")).unwrap();
    assert!(page.contains("**passed**: B's ROC AUC is") && page.contains("| ROC AUC |"), "{page}");
    let xml = fs::read_to_string(at.join("compared/junit.xml")).unwrap();
    assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"0\""), "{xml}");
    // Without speed the same input gives the same bytes; with it there is one of each.
    assert_eq!(done(at, &[&VERSIONS[..], &gate, &["--json"]].concat()), text);
    let timed = json(&done(at, &[&VERSIONS[..], &["--json"]].concat()));
    assert!(number(&timed["speed"]["b"]["rows_per_second"]) > 0.0, "{timed}");
    assert_eq!(timed["gate"], Value::Null);
    let told = done(at, &VERSIONS);
    for words in ["churned version 2 (B) against churned version 1 (A)", "ROC AUC", "B finds "] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_worse_model_does_not_pass_and_a_model_is_not_better_than_itself() {
    let folder = folder();
    let at = folder.path();
    let back = ["compare", "registry/churned/2", "registry/churned/1", "holdout.csv", "--no-speed"];
    assert_eq!(code(at, &[&back[..], &["--require-better"]].concat()), 1);
    assert_eq!(code(at, &[&back[..], &["--allow-worse", "0.002"]].concat()), 1);
    assert_eq!(code(at, &[&back[..], &["--allow-worse", "0.9"]].concat()), 0);
    assert_eq!(code(at, &back), 0);
    let same = ["compare", "registry/churned/2", "registry/churned/2", "holdout.csv", "--no-speed"];
    let gate = ["--require-better", "--json"];
    let output = run(at, &[&same[..], &gate].concat());
    assert_eq!(output.status.code(), Some(1));
    let report = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(report["same_model"], true);
    for (name, figure) in report["figures"].as_object().unwrap() {
        for end in ["value", "low", "high"] {
            assert_eq!(figure["difference"][end], 0.0, "{name}");
        }
    }
    assert_eq!(report["with_target"]["only_a"]["rows"], 0);
    assert_eq!(code(at, &[&same[..], &["--allow-worse", "0"]].concat()), 0);
    // Twenty rows tell nothing.
    let table = fs::read_to_string(at.join("holdout.csv")).unwrap();
    let few: String = table.lines().take(21).map(|line| format!("{line}\n")).collect();
    fs::write(at.join("few.csv"), few).unwrap();
    let few = ["compare", "registry/churned/1", "registry/churned/2", "few.csv", "--no-speed"];
    assert_eq!(code(at, &[&few[..], &["--require-better"]].concat()), 2);
}

#[test]
fn trees_of_lightgbm_are_compared_straight_from_their_file() {
    let folder = folder();
    let at = folder.path();
    done(at, &["export", "registry/churned/1", "--format", "lightgbm", "-o", "model.txt"]);
    let words = ["compare", "registry/churned/1", "model.txt", "-", "--json", "--no-speed"];
    let output = Command::new(rekindle())
        .args(words)
        .current_dir(at)
        .stdin(Stdio::from(fs::File::open(at.join("holdout.csv")).unwrap()))
        .output()
        .unwrap();
    let report = json(&String::from_utf8(output.stdout).unwrap());
    // The order of customers is the same, their probabilities are not: the file holds no calibration.
    assert_eq!(report["figures"]["roc_auc"]["difference"]["value"], 0.0, "{report}");
    assert_eq!(report["models"]["b"]["format"], "lightgbm");
    assert_eq!(report["models"]["a"]["threshold"], report["models"]["b"]["threshold"]);
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("has no threshold of its own and takes that of churned"),
        "{warnings}"
    );
    // Two files of LightGBM: only the question is not known.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    fs::copy(golden.join("lightgbm.txt"), at.join("golden.txt")).unwrap();
    let rows = fs::read_to_string(golden.join("lightgbm.rows.csv")).unwrap();
    let line = |(at, line): (usize, &str)| match at {
        0 => format!("{line},left\n"),
        _ => format!("{line},{}\n", if at % 3 == 0 { "yes" } else { "no" }),
    };
    fs::write(at.join("rows.csv"), rows.lines().enumerate().map(line).collect::<String>()).unwrap();
    let alone = ["compare", "golden.txt", "golden.txt", "rows.csv", "--no-speed"];
    assert!(refused(at, &alone).contains("neither model is of rekindle"));
    let asked = json(&done(at, &[&alone[..], &["--target", "left=yes", "--json"]].concat()));
    assert_eq!((&asked["same_model"], &asked["target"]), (&true.into(), &"left=yes".into()));
}

#[test]
fn trees_in_onnx_are_compared_whatever_the_file_is_called() {
    let folder = folder();
    let at = folder.path();
    done(at, &["export", "registry/churned/1", "--format", "onnx", "-o", "trees.bin"]);
    let words = ["compare", "trees.bin", "registry/churned/1", "holdout.csv", "--no-speed"];
    let report = json(&done(at, &[&words[..], &["--json"]].concat()));
    assert_eq!(report["models"]["a"]["format"], "onnx");
    let apart = report["figures"]["roc_auc"]["difference"]["value"].as_f64().unwrap();
    assert!(apart.abs() < 1e-12, "{report}");
    // A calibration by a sigmoid is in the file; one by points is not.
    let held = report["models"]["b"]["calibration"] != "isotonic";
    let moved = report["moved"]["largest"].as_f64().unwrap();
    assert_eq!(moved < 1e-12, held, "{report}");
    let bytes = fs::read(at.join("trees.bin")).unwrap();
    fs::write(at.join("cut.onnx"), &bytes[..bytes.len() / 2]).unwrap();
    let cut = ["compare", "cut.onnx", "registry/churned/1", "holdout.csv", "--no-speed"];
    assert!(refused(at, &cut).contains("cut.onnx: it is no ONNX file, or damaged"));
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_was_found() {
    let folder = folder();
    let at = folder.path();
    let other = ["fit", "customers.csv", "--target", "churned=0", "--id", "customer_id"];
    done(at, &[&other[..], &["--model", "logistic", "--no-influence", "-o", "other"]].concat());
    fit(at, "asked", &["--model", "logistic", "--population", "those of the north"]);
    let with = |b: &str, more: &[&str]| {
        let words = ["compare", "registry/churned", b, "holdout.csv", "--no-speed"];
        refused(at, &[&words[..], more].concat())
    };
    let said = with("other/churned", &[]);
    assert!(said.contains("answers churned=1, B (other/churned) answers churned=0"), "{said}");
    let said = with("asked/churned", &[]);
    assert!(said.contains("is asked of \"all rows of the table\""), "{said}");
    assert!(said.contains("\"those of the north\""), "{said}");
    let any = ["compare", "registry/churned", "asked/churned", "holdout.csv", "--any-population"];
    assert_eq!(code(at, &any), 0);
    for (more, expected) in [
        (&["--by", "log_loss"][..], "expected --require-better or --allow-worse"),
        (&["--allow-worse=-1"], "found -1, expected 0 or more"),
        (&["--require-better", "--by", "profit"], "neither model knows a campaign"),
        (&["--confidence", "95"], "--confidence 95: expected 0.5 to below 1"),
        (&["--target", "left=1"], "answers churned=1; leave --target out"),
    ] {
        let said = with("registry/churned/1", more);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    fs::write(at.join("noise.txt"), "tree of life").unwrap();
    assert!(with("noise.txt", &[]).contains("noise.txt"), "{}", with("noise.txt", &[]));
    assert!(with("nowhere", &[]).contains("no such model"));
}
