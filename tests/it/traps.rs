//! Features that know the answer, planted in the simulated shop and in real tables: all are found, nothing else is left
//! out, and other targets keep them.

use std::fs;

use rekindle_models::frame::{Column, Field, Frame, Kind, ReadOptions, Schema, read, write_csv};
use rekindle_models::seed::{mix2, unit};

use crate::programs::{done, reports, run};
use crate::real_data::data;

const PROJECT: &str = r#"
[[source]]
path = "events.parquet"
preset = "PRESET"

[[attributes]]
path = "attributes.csv"
customer = "customer_id"
known_at = "known_at"

[[attributes]]
path = "traps.csv"
customer = "customer_id"
known_at = "known_at"
columns = ["call_seconds", "exit_survey"]

[[attributes]]
path = "traps.csv"
customer = "customer_id"
always_known = true
columns = ["service_note", "last_order"]

[log]
end = "2025-08-23"

[panel]
cutoffs = ["2025-05-01"]

[features]
windows = ["30d", "90d", "365d"]
families = ["counts", "amounts", "recency", "gaps"]

[targets.churned]
horizon = "90d"
"#;

#[test]
fn traps_of_every_sort_are_found_in_the_shop_and_nothing_else_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let world = ["simulate", "--customers", "4000", "--days", "600", "-o", "events.parquet"];
    let beside = ["--customers-table", "attributes.csv", "--traps", "traps.csv"];
    done(at, &[&world[..], &beside, &["--cutoff", "2025-05-01", "--horizon", "90d"]].concat());
    done(at, &["init", "events.parquet"]);
    let guessed = fs::read_to_string(at.join("rekindle.toml")).unwrap();
    let source: Vec<&str> = guessed
        .lines()
        .skip_while(|line| !line.starts_with("[[source]]"))
        .take_while(|line| !line.starts_with('[') || line.starts_with("[[source]]"))
        .collect();
    let project = PROJECT.replace(
        "[[source]]\npath = \"events.parquet\"\npreset = \"PRESET\"\n",
        &(source.join("\n") + "\n"),
    );
    fs::write(at.join("rekindle.toml"), project).unwrap();
    let told = run(at, &["run", "-o", "registry", "--json"]);
    let report = &reports(&told.stdout)[0];
    let leaks: Vec<[&str; 3]> = report["leaks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|leak| leak["action"] == "excluded")
        .map(|leak| ["feature", "test", "target"].map(|key| leak[key].as_str().unwrap()))
        .collect();
    let of = |feature, test| [feature, test, "churned=1"];
    assert_eq!(
        leaks,
        [
            of("attribute(call_seconds)", "by value"),
            of("attribute(exit_survey)", "by missing or not"),
            of("days_since(last_order)", "by construction"),
            of("attribute(service_note)", "by construction"),
        ]
    );
    let auc = report["evaluation"]["roc_auc"]["value"].as_f64().unwrap();
    assert!((0.55..0.9).contains(&auc), "{auc} is not to be believed");
}

#[test]
fn a_column_that_knows_one_target_of_kdd09_stays_for_the_other_two() {
    let Some(path) = data("kdd09/kdd09_natural_50000.csv.gz") else { return };
    let frame = read(&path, &ReadOptions::default()).unwrap();
    let churn = frame.numbers(frame.schema().place("churn").unwrap()).unwrap();
    // Wrong for one in a hundred, and hidden among noise.
    let draw = |row: usize, of: u64| unit(mix2(of, row as u64));
    let planted = churn.iter().enumerate().map(|(row, &churn)| {
        let knows = if draw(row, 1) < 0.01 { draw(row, 2) < 0.5 } else { churn > 0.0 };
        10.0 * draw(row, 3) + if knows { 9.5 } else { 0.0 }
    });
    let planted = Column::Number(planted.collect());
    let fields = frame.schema().fields().iter().cloned();
    let fields =
        fields.chain([Field { name: "planted".to_owned(), kind: Kind::Numeric }]).collect();
    let columns = frame.columns().iter().cloned().chain([planted]).collect();
    let table = Frame::new(Schema::new(fields).unwrap(), columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    write_csv(&table, &mut text).unwrap();
    fs::write(folder.path().join("kdd09.csv"), text).unwrap();
    let fit = ["fit", "kdd09.csv", "--target", "churn", "--target", "appetency"];
    let more = ["--target", "upselling", "--model", "logistic", "--no-influence", "--json"];
    let told = run(folder.path(), &[&fit[..], &more].concat());
    let reports = reports(&told.stdout);
    assert_eq!(reports.len(), 3, "{}", String::from_utf8_lossy(&told.stderr));
    for report in &reports {
        let leaks: Vec<&str> = report["leaks"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|l| l["feature"].as_str())
            .collect();
        let of_churn = report["model_name"] == "churn";
        assert_eq!(leaks, if of_churn { vec!["planted"] } else { vec![] }, "{report}");
        let features = report["features"].as_u64().unwrap();
        assert_eq!(features, frame.schema().len() as u64 - 3 + u64::from(!of_churn));
    }
}
