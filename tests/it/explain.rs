//! Why a score changed, by `rekindle explain` from the outside: the parts, the words, what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{done, refused};

const PROJECT: &str = "[[source]]\npath = \"events.csv\"\ncustomer = \"customer_id\"\ntime = \"time\"\nkind = \"kind\"\n\
    amount = \"amount\"\nreceived_at = \"received_at\"\n\
    [[attributes]]\npath = \"attributes.csv\"\ncustomer = \"customer_id\"\nknown_at = \"known_at\"\n\
    [log]\nend = \"2024-10-01\"\n[panel]\ncutoffs = [\"2024-05-01\", \"2024-06-15\", \"2024-08-01\"]\n\
    [features]\nfamilies = [\"counts\", \"amounts\", \"recency\"]\nwindows = [\"30d\", \"all\"]\n\
    [targets.churned]\nhorizon = \"40d\"\n";

/// Customers by number, each with purchases at a rhythm of its own until some day; and three by hand: `late`, of whose
/// purchases one is known a fortnight later; `silent`, who does nothing after April; `moved`, whose city is known in June.
fn log() -> String {
    let mut log = "customer_id,time,kind,amount,received_at\n".to_owned();
    let mut add = |customer: &str, day: u64, kind: &str, amount: u64, late: u64| {
        let date = |day: u64| format!("2024-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
        log += &format!("{customer},{},{kind},{amount},{}\n", date(day), date(day + late));
    };
    for customer in 0..300_u64 {
        let (step, until) = (3 + customer * 7 % 23, 60 + customer * 37 % 200);
        for day in (customer % 11..until.min(240)).step_by(step as usize) {
            let kind = if day % 3 == 0 { "visit" } else { "purchase" };
            add(&format!("c{customer}"), day, kind, 5 + day % 40, 0);
        }
    }
    for day in [10, 40, 70, 100] {
        add("late", day, "purchase", 20, 0);
        add("silent", day, "purchase", 20, 0);
        add("moved", day, "purchase", 20, 0);
    }
    // 2024-04-25, known on 2024-05-11.
    add("late", 108, "purchase", 50, 14);
    // 2024-05-11.
    add("late", 122, "visit", 0, 0);
    log
}

/// Versions 1 (boosting), 2 (logistic) and 3 (forest) of a model, and the snapshots that they were fitted on.
fn models() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("events.csv"), log()).unwrap();
    let mut attributes = "customer_id,known_at,city\n".to_owned();
    for customer in 0..300 {
        let city = if customer % 3 == 0 { "Ghent" } else { "Lyon" };
        attributes += &format!("c{customer},2024-01-01,{city}\n");
    }
    fs::write(at.join("attributes.csv"), attributes + "moved,2024-05-20,Ghent\n").unwrap();
    fs::write(at.join("rekindle.toml"), PROJECT).unwrap();
    done(at, &["features", "-q"]);
    let fit = ["fit", "snapshots.parquet", "--target", "churned", "--no-influence", "-q"];
    for model in ["boosting", "logistic", "forest"] {
        done(at, &[&fit[..], &["-o", "registry", "--model", model]].concat());
    }
    folder
}

fn told(at: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&done(at, &[&["explain", "-q", "--json"], words].concat())).unwrap()
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap()
}

/// The parts add up to the difference of the scores; what features moved, to the parts.
fn check_sums(change: &Value) {
    for scale in ["probability", "margin"] {
        let part = |name: &str| number(&change["parts"][name][scale]);
        let sum = part("late_data") + part("behaviour") + part("model");
        let apart = number(&change["to"][scale]) - number(&change["from"][scale]);
        assert!((sum - apart).abs() < 1e-12, "{scale}: {sum} {apart} {change:#}");
    }
    let of = |name: &str| number(&change["parts"][name]);
    let model = number(&change["parts"]["model"]["probability"]);
    assert!((of("model_margin") + of("model_calibration") - model).abs() < 1e-12, "{change:#}");
    for part in ["late_data", "behaviour"].into_iter().filter(|part| !change[part].is_null()) {
        let moved = change[part]["told"].as_array().unwrap().iter();
        let sum: f64 = moved.map(|moved| number(&moved["contribution"])).sum();
        let sum = sum + number(&change[part]["hidden"]);
        let apart = number(&change["parts"][part]["margin"]);
        assert!((sum - apart).abs() < 1e-9, "{part}: {sum} {apart}");
    }
}

#[test]
fn a_changed_score_is_told_in_parts_that_add_up() {
    let folder = models();
    let at = folder.path();
    let dates = ["2024-05-01", "2024-06-15", "--model"];
    for version in ["registry/churned/1", "registry/churned/2", "registry/churned/3"] {
        for customer in ["late", "silent", "moved", "c7", "c100"] {
            let words = [&dates[..], &[version, "--customer", customer]].concat();
            let change = told(at, &words);
            check_sums(&change);
            assert_eq!(change["parts"]["model"]["probability"], 0.0);
            assert_eq!(change["behaviour"].is_null(), version.ends_with('3'), "{change:#}");
        }
    }
    // A purchase that was received late, and nothing else: not what happened after.
    let late = told(at, &[&dates[..], &["registry/churned/2", "--customer", "late"]].concat());
    let events = &late["events"];
    assert_eq!(
        events["late"],
        serde_json::json!([{"kind": "purchase", "events": 1, "amount": 50.0}])
    );
    assert_eq!(
        events["between"],
        serde_json::json!([{"kind": "visit", "events": 1, "amount": 0.0}])
    );
    assert_ne!(late["parts"]["late_data"]["margin"], 0.0);
    assert_eq!((&late["from"]["events"], &late["to"]["events"]), (&4.into(), &6.into()));
    // Before it was received, it is in neither score.
    let words = ["2024-04-28", "2024-05-02", "--model", "registry/churned/2", "--customer", "late"];
    let early = told(at, &words);
    assert_eq!(
        (&early["events"]["not_yet_received"], &early["events"]["late"]),
        (&1.into(), &Value::Array(Vec::new()))
    );
    // An attribute that became known.
    let moved = told(at, &[&dates[..], &["registry/churned/2", "--customer", "moved"]].concat());
    let of_city = |change: &Value, part: &str| {
        let told = change[part]["told"].as_array().unwrap().clone();
        told.into_iter().any(|moved| moved["feature"] == "attribute(city)")
    };
    assert!(of_city(&moved, "late_data") && !of_city(&moved, "behaviour"), "{moved:#}");
    let text = done(
        at,
        &[&["explain", "-q"], &dates[..], &["registry/churned/2", "--customer", "silent"]].concat(),
    );
    assert!(
        text.starts_with("silent, churned=1: from 0.") && text.contains("): behaviour +0."),
        "{text}"
    );
    assert!(text.contains("nothing happened; 45 more days of silence, 59 in all"), "{text}");
    assert!(
        text.contains("no purchase for 59 days")
            && text.contains("before: no purchase for 14 days"),
        "{text}"
    );
}

#[test]
fn scores_are_those_of_the_batch_and_what_is_the_same_has_no_parts() {
    let folder = models();
    let at = folder.path();
    let (one, two) = ("registry/churned/1", "registry/churned/2");
    let august = PROJECT.replace("\"2024-05-01\", \"2024-06-15\", ", "");
    fs::write(at.join("august.toml"), august).unwrap();
    done(at, &["features", "august.toml", "-q", "-o", "august.parquet"]);
    let mut scores: BTreeMap<(String, &str), f64> = BTreeMap::new();
    for version in [one, two] {
        done(at, &["score", version, "august.parquet", "-o", "scores.csv"]);
        let mut reader = csv::Reader::from_path(at.join("scores.csv")).unwrap();
        for record in reader.records().map(|record| record.unwrap()) {
            scores.insert((record[0].to_owned(), version), record[1].parse().unwrap());
        }
    }
    for customer in ["c10", "c101", "c102", "c106"] {
        let words = [one, two, "--cutoff", "2024-08-01", "--customer", customer];
        let change = told(at, &words);
        check_sums(&change);
        for part in ["late_data", "behaviour"] {
            assert_eq!(
                (&change["parts"][part]["margin"], &change[part]["told"]),
                (&0.0.into(), &Value::Array(Vec::new()))
            );
        }
        for (side, version) in [("from", one), ("to", two)] {
            // To the bit.
            let batch = scores[&(customer.to_owned(), version)];
            assert_eq!(batch, number(&change[side]["probability"]), "{change:#}");
        }
        let same = [
            &format!("{one}@2024-08-01")[..],
            &format!("{one}@2024-08-01"),
            "--customer",
            customer,
        ];
        let change = told(at, &same);
        let parts = change["parts"].to_string();
        assert!(!parts.contains(|c: char| c.is_ascii_digit() && c != '0'), "{parts}");
        assert!(done(at, &[&["explain", "-q"], &same[..]].concat()).contains("nothing changed"));
    }
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_to_type() {
    let folder = models();
    let at = folder.path();
    let check = |words: &[&str], customer: &str, expected: &str| {
        let said = refused(at, &[&["explain", "-q", "--customer", customer], words].concat());
        assert!(said.contains(expected), "{expected}: {said}");
    };
    let model = ["--model", "registry/churned"];
    let dated = |from: &'static str, to: &'static str| [&[from, to], &model[..]].concat();
    check(&["2024-05-01", "2024-06-15"], "late", "add --model MODEL");
    check(&["registry/churned/1", "registry/churned/2"], "late", "registry/churned/1@2025-06-01");
    check(&dated("2024-05-01", "2025-06-15"), "late", "the log is from 2024-01-01 to 2024-10-01");
    check(&dated("2024-06-15", "2024-05-01"), "late", "expected A before B: swap them");
    check(&dated("2024-05-01", "2024-06-15"), "nobody", "as the log writes it, as c");
    check(
        &dated("2024-01-05", "2024-06-15"),
        "late",
        "the first event is at 2024-01-11: take a later date",
    );
    let table = "id,spend,churned\n".to_owned()
        + &(0..400)
            .map(|n| format!("{n},{},{}\n", n % 17, u8::from((n % 17 > 8) != (n % 5 == 0))))
            .collect::<String>();
    fs::write(at.join("table.csv"), table).unwrap();
    let fit = ["fit", "table.csv", "--target", "churned", "--id", "id", "--model", "logistic"];
    done(at, &[&fit[..], &["--no-influence", "-o", "tables", "-q"]].concat());
    let words = ["2024-05-01", "2024-06-15", "--model", "tables/churned"];
    check(&words, "late", "whose features were not made from events");
}
