//! `rekindle evaluate` from the outside: conditions, segments, several models, logs at a cutoff, and what CI systems read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rekindle_models::frame::write_csv;
use rekindle_training::simulate::table::World;
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{done, refused, rekindle, reports, run};

/// A folder with `customers.csv` and `holdout.csv`, and a model of the first.
fn fitted() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("customers.csv", 5), ("holdout.csv", 6)] {
        let table = World { seed, customers: 2_000 }.simulate().table;
        let mut text = Vec::new();
        write_csv(&table, &mut text).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    }
    done(folder.path(), &[&FIT[..], &["--model", "logistic", "-o", "registry"]].concat());
    folder
}

const FIT: [&str; 9] = [
    "fit",
    "customers.csv",
    "--target",
    "churned",
    "--id",
    "customer_id",
    "--exclude",
    "exit_survey_score",
    "--no-influence",
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name)
}

/// Compares a text with a golden file; with `REKINDLE_GOLDEN=write` the file is written instead.
fn check_golden(path: &Path, found: &str) {
    if std::env::var("REKINDLE_GOLDEN").is_ok_and(|v| v == "write") {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap();
    let differ = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        expected == found,
        "{} differs, first in {differ:?}; REKINDLE_GOLDEN=write rewrites it",
        path.display()
    );
}

/// Numbers to six digits: the last ones may differ between machines.
fn rounded(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.6}", number.as_f64().unwrap());
            *value = serde_json::from_str(&text).unwrap();
        }
        Value::Array(values) => values.iter_mut().for_each(rounded),
        Value::Object(values) => values.values_mut().for_each(rounded),
        _ => {}
    }
}

const CONDITIONS: &str = "[limits]\nmax_error_rate = 0.7\nmax_miss_rate = 0.6\n\n[targets.churned]\n\
                          max_ece = 0.2\nmin_auc = 0.9\nmust_beat = [\"base\"]\n\n[segments]\nby = [\"plan\"]\n\
                          smallest = 300\neach = true\n";

#[test]
fn the_published_schema_is_that_of_the_code() {
    // `checks/documents.py` holds reports to it.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/report.schema.json");
    check_golden(&path, &done(Path::new("."), &["evaluate", "--schema"]));
}

#[test]
fn reports_stay_as_they_were() {
    let folder = fitted();
    let at = folder.path();
    fs::write(at.join("conditions.toml"), CONDITIONS).unwrap();
    let words = ["evaluate", "registry/churned", "holdout.csv", "--conditions", "conditions.toml"];
    let output = run(at, &[&words[..], &["-o", "judged"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| fs::read_to_string(at.join("judged").join(name)).unwrap();
    for name in ["report.md", "junit.xml", "metrics.txt"] {
        let text = read(name);
        let text = match name {
            "metrics.txt" => text.lines().map(rounded_line).collect(),
            _ => text,
        };
        check_golden(&golden(name), &text);
    }
    let mut report: Value = serde_json::from_str(&read("report.json")).unwrap();
    rounded(&mut report);
    check_golden(&golden("report.json"), &(serde_json::to_string_pretty(&report).unwrap() + "\n"));
    assert!(read("report.html").starts_with("<!DOCTYPE html>"));
}

fn rounded_line(line: &str) -> String {
    let (name, value) = line.rsplit_once(' ').unwrap();
    format!("{name} {:.6}\n", value.parse::<f64>().unwrap())
}

#[test]
fn every_condition_may_be_what_makes_a_model_unusable() {
    let folder = fitted();
    let at = folder.path();
    for (more, code, words) in [
        (&["--max-error-rate", "0.9", "--max-miss-rate", "0.9"][..], 0, "surely below"),
        (&["--max-error-rate", "0.2"], 1, "above the limit of 20.0 %"),
        (&["--max-miss-rate", "0.01"], 1, "above the limit of 1.0 %"),
        (&["--min-auc", "0.99"], 1, "below the limit of 0.99"),
        (&["--min-auc", "0.6"], 0, "ROC AUC surely above"),
        (&["--max-ece", "0.001"], 1, "above the limit of 0.001"),
        (&["--must-beat", "base"], 0, "better probabilities than the base rate"),
        (
            &["--must-beat", "recency"],
            0,
            "ranks better than the recency rule, recency_days(purchase)",
        ),
        (
            &["--must-beat", "registry/churned"],
            1,
            "no better than that of the model registry/churned",
        ),
    ] {
        let output = run(at, &[&["evaluate", "registry/churned", "holdout.csv"], more].concat());
        let said = String::from_utf8_lossy(&output.stdout).replace("\n                ", " ");
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        assert!(said.contains(words), "{more:?}: {said}");
    }
    for (more, words) in [
        (&["--must-beat", "registry/nobody"][..], "expected recency, base or a model"),
        (&["--max-ece", "3"], "found 3, expected 0 to 1"),
        (&["--each-segment"], "expected columns to tell segments by"),
        (&["--by", "pln"], "plan"),
        (&["--conditions", "none.toml"], "none.toml"),
        (&["--cutoff", "2025-01-01"], "holdout.csv"),
    ] {
        let said = refused(at, &[&["evaluate", "registry/churned", "holdout.csv"], more].concat());
        assert!(said.contains(words), "{more:?}: {said}");
    }
}

#[test]
fn files_of_conditions_say_what_is_wrong_with_them() {
    let folder = fitted();
    let at = folder.path();
    for (text, words) in [
        ("[limits]\nmax_eror_rate = 0.4\n", "[limits]: unknown field `max_eror_rate`"),
        ("[limits]\nmax_error_rate = 4\n", "limits.max_error_rate = 4: expected 0 to 1"),
        (
            "[targets.chruned]\nmin_auc = 0.7\n",
            "none of the models judged (churned); the nearest is churned",
        ),
        ("[targets.churned]\nmin_auc = \"high\"\n", "[targets.churned]: invalid type"),
        ("limits = 3\n", "conditions.toml"),
        ("[segment]\nby = [\"plan\"]\n", "unknown field `segment`"),
    ] {
        fs::write(at.join("conditions.toml"), text).unwrap();
        let words_of = ["evaluate", "registry/", "holdout.csv", "--conditions", "conditions.toml"];
        let said = refused(at, &words_of);
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn segments_are_the_rows_they_say_and_small_ones_are_told_together() {
    let folder = fitted();
    let at = folder.path();
    let words = ["evaluate", "registry/churned", "holdout.csv", "--json"];
    let more = ["--by", "acquisition_channel,plan", "--smallest-segment", "400"];
    let report = reports(&run(at, &[&words[..], &more].concat()).stdout).remove(0);
    let segments = report["segments"].as_array().unwrap();
    let of = |column: &'static str| segments.iter().filter(move |s| s["column"] == column);
    for column in ["acquisition_channel", "plan"] {
        let rows: u64 = of(column).map(|s| s["rows"].as_u64().unwrap()).sum();
        assert_eq!(rows, 2_000, "{column}");
    }
    assert!(of("acquisition_channel").any(|s| s["value"].as_str().unwrap().contains("small ones")));
    // One of them, counted by hand from the scores.
    done(at, &["score", "registry/churned", "holdout.csv", "-o", "scores.csv", "-q"]);
    let scores = csv_columns(&at.join("scores.csv"));
    let table = csv_columns(&at.join("holdout.csv"));
    let segment = of("plan").find(|s| s["judged"] == true).unwrap();
    let value = segment["value"].as_str().unwrap();
    let (mut predicted, mut wrong) = (0.0, 0.0);
    for (row, plan) in table["plan"].iter().enumerate() {
        if plan == value && scores["positive"][row] == "true" {
            predicted += 1.0;
            wrong += f64::from(u8::from(table["churned"][row] == "0"));
        }
    }
    let told = segment["error_rate"]["value"].as_f64().unwrap();
    assert!(
        predicted > 0.0 && (told - wrong / predicted).abs() < 1e-12,
        "{told} {wrong} {predicted}"
    );
}

/// The columns of a CSV file by name.
fn csv_columns(path: &Path) -> std::collections::HashMap<String, Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.unwrap();
        record.iter().zip(&mut columns).for_each(|(cell, column)| column.push(cell.to_owned()));
    }
    names.into_iter().zip(columns).collect()
}

#[test]
fn github_gets_a_summary_and_annotations_and_standard_output_stays_json() {
    let folder = fitted();
    let at = folder.path();
    fs::write(at.join("summary.md"), "before\n").unwrap();
    let output = Command::new(rekindle())
        .args(["evaluate", "registry/churned", "holdout.csv", "--min-auc", "0.99", "--json"])
        .env("GITHUB_STEP_SUMMARY", at.join("summary.md"))
        .env("GITHUB_ACTIONS", "true")
        .current_dir(at)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(reports(&output.stdout).len(), 1);
    let summary = fs::read_to_string(at.join("summary.md")).unwrap();
    assert!(summary.starts_with("before\n| model |"), "{summary}");
    assert!(summary.contains("| ROC AUC at least 0.99 | all rows | broken |"), "{summary}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("::error title=churned version 1%3A ROC AUC at least 0.99::the ROC AUC is")
    );
}

#[test]
fn all_models_of_a_registry_are_judged_also_from_standard_input_and_the_worst_decides() {
    let folder = fitted();
    let at = folder.path();
    let renamed =
        fs::read_to_string(at.join("customers.csv")).unwrap().replacen("churned", "gone", 1);
    fs::write(at.join("renamed.csv"), renamed).unwrap();
    let mut fit = FIT;
    (fit[1], fit[3]) = ("renamed.csv", "gone");
    done(at, &[&fit[..], &["--model", "logistic", "-o", "registry"]].concat());
    // Both targets in one table.
    let table = fs::read_to_string(at.join("holdout.csv")).unwrap();
    let both: String = table
        .lines()
        .enumerate()
        .map(|(n, line)| match n {
            0 => format!("{line},gone\n"),
            _ => format!("{line},{}\n", line.rsplit(',').next().unwrap()),
        })
        .collect();
    fs::write(at.join("both.csv"), &both).unwrap();
    fs::write(at.join("conditions.toml"), "[targets.gone]\nmin_auc = 0.99\n").unwrap();
    let words = ["evaluate", "registry/", "both.csv", "--conditions", "conditions.toml", "--json"];
    let output = run(at, &words);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Vec<(String, String)> = reports(&output.stdout)
        .iter()
        .map(|r| {
            let text = |v: &Value| v.as_str().unwrap().to_owned();
            (text(&r["model_name"]), text(&r["evaluation"]["verdict"]))
        })
        .collect();
    let said = |name: &str, verdict: &str| (name.to_owned(), verdict.to_owned());
    assert_eq!(verdicts, [said("churned", "usable"), said("gone", "unusable")]);
    let mut piped = Command::new(rekindle())
        .args(["evaluate", "registry/", "-", "--conditions", "conditions.toml", "--json", "-q"])
        .current_dir(at)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut piped.stdin.take().unwrap(), both.as_bytes()).unwrap();
    let piped = reports(&piped.wait_with_output().unwrap().stdout);
    let figures = |r: &[Value]| r.iter().map(|r| r["evaluation"].clone()).collect::<Vec<_>>();
    assert!(figures(&piped) == figures(&reports(&output.stdout)));
}

#[test]
fn too_few_rows_are_not_judged_and_no_row_of_a_class_is_no_panic() {
    let folder = fitted();
    let at = folder.path();
    let table = fs::read_to_string(at.join("holdout.csv")).unwrap();
    let (header, rows) = table.split_once('\n').unwrap();
    let positive = |line: &&str| line.ends_with(",1");
    let ten = rows.lines().filter(positive).take(10);
    let others = || rows.lines().filter(|line| !positive(line)).take(300);
    let lines: Vec<&str> = ten.chain(others()).collect();
    fs::write(at.join("few.csv"), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let words = ["evaluate", "registry/churned", "few.csv", "--by", "plan", "-o", "few"];
    let output = run(at, &words);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("NOT ENOUGH DATA") && said.contains("10 more with it"), "{said}");
    let junit = fs::read_to_string(at.join("few/junit.xml")).unwrap();
    assert!(junit.contains("errors=\"2\"") && junit.contains("failures=\"0\""), "{junit}");
    let lines: Vec<&str> = others().collect();
    fs::write(at.join("none.csv"), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let said = refused(at, &["evaluate", "registry/churned", "none.csv"]);
    assert!(said.contains("expected some rows with the value and some without"), "{said}");
}

#[test]
fn a_model_is_judged_on_a_log_at_a_later_cutoff_by_tier_and_stage() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let log = ["simulate", "--customers", "1500", "--days", "500", "-o", "events.csv"];
    done(at, &log);
    done(at, &["init", "events.csv"]);
    let project = fs::read_to_string(at.join("rekindle.toml")).unwrap();
    let panel = "\n[panel]\nfirst = \"2024-06-01\"\nlast = \"2024-09-29\"\nevery = \"60d\"\n";
    let without = without_table(&project, "[panel]");
    let without = without_table(&without, "[targets.");
    let target = "\n[targets.churned]\nhorizon = \"60d\"\n";
    let features =
        "\n[features]\nwindows = [\"30d\", \"90d\"]\nfamilies = [\"counts\", \"recency\"]\n";
    let without = without_table(&without, "[features]");
    fs::write(at.join("rekindle.toml"), without + panel + features + target).unwrap();
    done(at, &["run", "-o", "registry"]);
    let words =
        ["evaluate", "registry/churned", "rekindle.toml", "--cutoff", "2025-02-01", "--json"];
    let output = run(at, &words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=2)) && !said.contains("rekindle:"), "{said}");
    let report = reports(&output.stdout).remove(0);
    assert!(
        report["judged_on"].as_str().unwrap().contains("rekindle.toml at 2025-02-01"),
        "{report}"
    );
    assert!(report["evaluation"]["baselines"]["rule"]["roc_auc"]["value"].is_number());
    let columns: std::collections::BTreeSet<&str> = report["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|segment| segment["column"].as_str().unwrap())
        .collect();
    assert_eq!(columns.into_iter().collect::<Vec<_>>(), ["lapse_tier", "lifecycle_stage"]);
    // The same rows as a table of snapshots made at that cutoff.
    let project = fs::read_to_string(at.join("rekindle.toml")).unwrap();
    let later = project.replace("first = \"2024-06-01\"", "first = \"2025-02-01\"");
    let later = later.replace("last = \"2024-09-29\"", "last = \"2025-02-01\"");
    fs::write(at.join("later.toml"), later).unwrap();
    done(at, &["features", "later.toml", "-o", "later.parquet"]);
    let table =
        reports(&run(at, &["evaluate", "registry/churned", "later.parquet", "--json"]).stdout);
    assert!(table[0]["evaluation"] == report["evaluation"]);
    let late = ["evaluate", "registry/churned", "rekindle.toml", "--cutoff", "2025-05-01"];
    assert!(refused(at, &late).contains("its horizon ends"), "{}", refused(at, &late));
}

/// A project without its tables of a name.
fn without_table(project: &str, name: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in project.lines() {
        if line.starts_with('[') {
            inside = line.starts_with(name);
        }
        if !inside {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}
