//! Public data sets, where they lie beside the repository: they are not part of it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::programs::{rekindle, reports};

/// A file of the data sets, or a loud word that the test is skipped.
pub fn data(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(file);
    if !path.is_file() {
        eprintln!("SKIPPED: {file} is not beside the repository; nothing was tested with it");
        return None;
    }
    Some(path)
}

/// Fits a real table and returns a report per target.
fn fit(file: &str, words: &[&str]) -> Option<Vec<Value>> {
    let path = data(file)?;
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(rekindle())
        .arg("fit")
        .arg(path)
        .args(words)
        .args(["--model", "logistic", "--json", "-o"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("rekindle:"), "{said}");
    Some(reports(&output.stdout))
}

fn auc(report: &Value) -> f64 {
    report["evaluation"]["roc_auc"]["value"].as_f64().unwrap()
}

#[test]
fn telco() {
    let Some(reports) =
        fit("telco_ibm/Telco-Customer-Churn.csv", &["--target", "Churn=Yes", "--id", "customerID"])
    else {
        return;
    };
    assert!(auc(&reports[0]) > 0.80, "{}", reports[0]);
    assert_eq!(reports[0]["features"], 19);
    assert_eq!(reports[0]["leaks"].as_array().unwrap().len(), 0);
}

#[test]
fn bank_churn_av() {
    let Some(reports) = fit(
        "bank_churn_av/churn_prediction.csv.gz",
        &["--target", "churn=1", "--id", "customer_id"],
    ) else {
        return;
    };
    assert!(auc(&reports[0]) > 0.78, "{}", reports[0]);
}

#[test]
fn mlc_churn() {
    let Some(reports) = fit("mlc_churn/mlc_churn.csv", &["--target", "churn=yes"]) else { return };
    assert!(auc(&reports[0]) > 0.75, "{}", reports[0]);
    assert_eq!(reports[0]["leaks"].as_array().unwrap().len(), 0);
}

#[test]
fn kdd09_natural_learns_three_targets_in_one_run() {
    let targets = ["--target", "churn", "--target", "appetency", "--target", "upselling"];
    let Some(reports) = fit("kdd09/kdd09_natural_50000.csv.gz", &targets) else { return };
    let floors = [0.62, 0.70, 0.70];
    assert_eq!(reports.len(), 3);
    assert!(reports.iter().all(|report| report["leaks"].as_array().unwrap().is_empty()));
    for (report, floor) in reports.iter().zip(floors) {
        assert!(auc(report) > floor, "{report}");
    }
}

#[test]
fn bank_churners_loses_exactly_the_two_columns_that_know_the_answer() {
    let Some(reports) = fit(
        "bank_churners/BankChurners.csv",
        &["--target", "Attrition_Flag=Attrited Customer", "--id", "CLIENTNUM"],
    ) else {
        return;
    };
    let leaks = reports[0]["leaks"].as_array().unwrap();
    assert_eq!(leaks.len(), 2, "{leaks:?}");
    for leak in leaks {
        assert!(leak["feature"].as_str().unwrap().starts_with("Naive_Bayes"), "{leak}");
        assert_eq!(leak["action"], "excluded");
    }
    let auc = reports[0]["evaluation"]["roc_auc"]["value"].as_f64().unwrap();
    assert!((0.85..0.99).contains(&auc), "{auc}");
}
