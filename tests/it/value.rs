//! `rekindle value` from the outside: on a simulated log, on tables, and where there is nothing to learn.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::rekindle;

const PROJECT: &str = r#"
[[source]]
path = "events.csv"
customer = "customer_id"
time = "time"
kind = "kind"
amount = "amount"

[panel]
cutoffs = ["2025-06-01"]
"#;

fn run(folder: &Path, words: &[&str], threads: &str) -> Output {
    let command = &mut Command::new(rekindle());
    command.args(words).current_dir(folder).env("RAYON_NUM_THREADS", threads).output().unwrap()
}

fn said(folder: &Path, words: &[&str]) -> String {
    let done = run(folder, words, "2");
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    String::from_utf8(done.stderr).unwrap()
}

fn shop(more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = ["simulate", "--customers", "1500", "--days", "730", "-o", "events.csv"];
    assert!(run(folder.path(), &words, "2").status.success());
    std::fs::write(folder.path().join("rekindle.toml"), format!("{PROJECT}{more}")).unwrap();
    folder
}

fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

fn number(row: &HashMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or(f64::NAN)
}

#[test]
fn a_log_becomes_a_value_for_each_customer_the_same_on_any_number_of_threads() {
    let value =
        "[value]\nmargin = 0.4\ncost_to_serve = 1.5\ncost_of_return = 3\nkey_customers = 6\n";
    let folder = shop(value);
    let words = ["value", "--span", "180d", "--json", "--quiet", "-o"];
    let of = |file: &str, threads: &str| {
        let done = run(folder.path(), &[&words[..], &[file]].concat(), threads);
        assert!(done.status.success(), "{done:?}");
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        (serde_json::from_slice::<Value>(&done.stdout).unwrap(), bytes)
    };
    let (document, bytes) = of("values.csv", "1");
    assert_eq!((document.clone(), bytes), of("again.csv", "3"));
    assert_eq!(document["chosen_by"], "out_of_time");
    let trial = document["trial"].as_object().unwrap();
    assert_eq!(trial["days"], 180);
    for candidate in trial["candidates"].as_array().unwrap() {
        assert!(candidate["missing"].is_null(), "{candidate}");
        let errors = &candidate["profit"];
        assert!(errors["root_mean_squared_error"].as_f64().unwrap() > 0.0, "{candidate}");
    }
    let key = document["key_customers"].as_array().unwrap();
    assert_eq!(key.len(), 6);
    let rows = rows(&folder.path().join("values.csv"));
    assert_eq!(rows.len() as u64, document["customers"].as_u64().unwrap());
    let (mut orders, mut far) = (0.0, 0);
    for row in &rows {
        let alive = number(row, "probability_alive");
        if number(row, "historic_number_of_orders") == 0.0 {
            assert!(alive.is_nan() && row["grade"].is_empty(), "{row:?}");
            continue;
        }
        assert!((0.0..=1.0).contains(&alive), "{row:?}");
        assert!((alive + number(row, "churn_probability") - 1.0).abs() < 1e-12);
        let total = number(row, "historic_clv") + number(row, "predicted_clv");
        assert_eq!(number(row, "total_clv"), total);
        assert!(["A", "B", "C"].contains(&row["grade"].as_str()), "{row:?}");
        let next = NEXT.map(|column| row[column].as_str());
        // The end may be too far to be a date.
        assert!(next[1] <= next[0] && (next[2].is_empty() || next[0] <= next[2]), "{row:?}");
        far += usize::from(!next[2].is_empty() && next[1] < next[0] && next[0] < next[2]);
        orders += number(row, "predicted_number_of_orders");
    }
    assert!(far > rows.len() / 4, "{far} intervals of {} customers", rows.len());
    let told = document["predicted_number_of_orders"].as_f64().unwrap();
    assert!((orders - told).abs() < 1e-6 * told, "{orders} {told}");
    // Who is listed as key is not among those of grade C.
    for key in key {
        let id = key["customer_id"].as_str().unwrap();
        assert!(rows.iter().any(|row| row["customer_id"] == id && row["grade"] != "C"), "{key}");
    }
}

#[test]
fn margins_and_costs_move_the_value_and_a_cutoff_hides_what_comes_later() {
    let folder = shop("");
    let sum = |more: &str, cutoff: &[&str]| {
        let project = format!("{PROJECT}{more}");
        std::fs::write(folder.path().join("rekindle.toml"), project).unwrap();
        let words = [&["value", "--json", "--quiet", "--span", "90d"], cutoff].concat();
        let done = run(folder.path(), &words, "2");
        assert!(done.status.success(), "{done:?}");
        let document: Value = serde_json::from_slice(&done.stdout).unwrap();
        document["historic_value"].as_f64().unwrap()
    };
    let all = sum("", &[]);
    let half = sum("[value]\nmargin = 0.5\n", &[]);
    assert!((half / all - 0.5).abs() < 1e-9);
    assert!(sum("[value]\ncost_to_serve = 1\n", &[]) < all);
    assert!(sum("", &["--cutoff", "2025-01-01"]) < all);
    let error = said(folder.path(), &["value", "--cutoff", "2031-01-01"]);
    assert!(error.contains("expected a cutoff within it"), "{error}");
    let project = format!("{PROJECT}[value]\nmargn = 1\n");
    std::fs::write(folder.path().join("rekindle.toml"), project).unwrap();
    let error = said(folder.path(), &["value"]);
    assert!(error.contains("did you mean \"margin\"?"), "{error}");
}

#[test]
fn where_nothing_can_be_learned_a_message_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rekindle.toml"), PROJECT).unwrap();
    let log = |lines: &str| {
        let text = format!("customer_id,time,kind,amount\n{lines}");
        std::fs::write(folder.path().join("events.csv"), text).unwrap();
    };
    // Nobody came again.
    log(&(1..60)
        .map(|i| format!("c{i},2025-01-{:02},purchase,9\n", i % 28 + 1))
        .collect::<String>());
    let error = said(folder.path(), &["value"]);
    assert!(error.contains("0 of 59 customers purchased on a second day"), "{error}");
    // Amounts of nothing and below: purchases are told, values are losses or 0.
    let lines = (1..60).flat_map(|i| {
        [1, 9, 20 + i % 7].map(|day| format!("c{i},2025-01-{day:02},purchase,{}\n", -(i % 2)))
    });
    log(&lines.collect::<String>());
    let done = run(folder.path(), &["value", "--span", "30d"], "2");
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("no amounts above 0: values are not known"), "{text}");
}

#[test]
fn a_table_of_frequency_recency_and_t_is_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let table = include_str!("../../training/src/value/draws.csv");
    std::fs::write(folder.path().join("rfm.csv"), table).unwrap();
    let words = ["value", "--table", "rfm.csv", "--json"];
    let done = run(folder.path(), &words, "2");
    assert!(done.status.success(), "{done:?}");
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(document["customers"], 400);
    let fit = |model: &str| {
        let all = document["purchase_models"].as_array().unwrap();
        let of = all.iter().find(|fit| fit["model"] == model).unwrap();
        of["parameters"][0]["value"].as_f64().unwrap()
    };
    assert!((fit("bg_nbd") - 0.949_665).abs() < 1e-4);
    assert_eq!(rows(&folder.path().join("values.csv")).len(), 400);
    for (text, message) in [
        ("frequency,recency\n1,2\n", "no column T; found frequency, recency"),
        ("frequency,recency,T\n1,2,x\n", "line 2: T: found \"x\", expected a number"),
        ("frequency,recency,T\n1.5,2,3\n", "expected a whole number"),
        ("frequency,recency,T\n0,0,9\n1,20,10\n", "line 3: a customer's repeat purchases"),
        ("frequency,recency,T\n", "it has no row"),
        ("frequency,recency,T\n0,0,9\n", "0 of 1 customers"),
    ] {
        std::fs::write(folder.path().join("rfm.csv"), text).unwrap();
        let error = said(folder.path(), &words);
        assert!(error.contains(message), "{error}");
    }
}

/// The day of the next order, and the interval around it.
const NEXT: [&str; 3] = [
    "expected_date_of_next_order",
    "expected_date_of_next_order_from",
    "expected_date_of_next_order_until",
];

#[test]
fn values_are_kept_with_tier_stage_and_grade_in_one_row() {
    let folder = shop("");
    let at = folder.path();
    let words = ["value", "--cutoff", "2025-06-01", "--store", "customers.db"];
    let done = run(at, &words, "2");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("states put into customers.db: "), "{said}");
    let rows = rows(&at.join("values.csv"));
    let bought = rows.iter().find(|row| !row["predicted_value"].is_empty()).unwrap();
    let never = rows.iter().find(|row| row["predicted_value"].is_empty());
    for row in [Some(bought), never].into_iter().flatten() {
        let done = run(at, &["store", "export", "customers.db", &row["customer_id"]], "2");
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(told["states"].as_array().unwrap().len(), 1, "{told}");
        let state = &told["states"][0];
        assert_eq!(state["as_of"], "2025-06-01T00:00:00.000000Z");
        for column in ["lapse_tier", "lifecycle_stage", "grade"] {
            assert_eq!(state[column].as_str().unwrap_or_default(), row[column], "{told}");
        }
        for column in ["historic_value", "predicted_value", "probability_alive"] {
            match state[column].as_f64() {
                Some(kept) => assert_eq!(kept, number(row, column), "{told}"),
                None => assert!(number(row, column).is_nan(), "{told}"),
            }
        }
        for column in NEXT {
            assert_eq!(state[column].as_str().unwrap_or_default(), row[column], "{told}");
        }
        let orders = state["predicted_number_of_orders"].as_f64().unwrap_or(f64::NAN);
        assert_eq!(orders.to_bits(), number(row, "predicted_number_of_orders").to_bits(), "{told}");
    }
    // Seen again, nobody has changed.
    let done = run(at, &words, "2");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains(&format!("0 new or changed, {} as they were", rows.len())), "{said}");
}
