//! From a log to a project, its customers and its snapshots: `rekindle init`, `customers`, and CSV files of
//! snapshots, from the outside.

use std::fs;
use std::process::Command;

use rekindle_models::frame::{ReadOptions, read};
use tempfile::TempDir;

use crate::demo;
use crate::programs::{done, refused, run};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Customers `a` to `e` and when they bought, in days of 2024.
fn log() -> String {
    let purchases: [(&str, &[u32]); 5] = [
        ("a", &[1, 20, 41, 60, 79, 100, 121, 140, 161, 180]),
        ("b", &[10, 170]),
        ("c", &[150]),
        ("d", &[3, 30]),
        ("e", &[100, 130, 160]),
    ];
    let mut text = "Customer ID;When;Action;Value\n".to_owned();
    for (customer, days) in purchases {
        for day in days {
            let date = chrono_day(*day);
            text += &format!("{customer};{date} 12:00;order;{}.5\n", day % 30 + 1);
        }
        text += &format!("{customer};{} 18:30;visit;\n", chrono_day(200));
    }
    text
}

/// A day of 2024 as `31.12.2024`.
fn chrono_day(day: u32) -> String {
    let months = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (mut left, mut month) = (day, 0);
    while left > months[month] {
        left -= months[month];
        month += 1;
    }
    format!("{left:02}.{:02}.2024", month + 1)
}

const PROJECT: &str = "[[source]]\npath = \"log.csv\"\ncustomer = \"`Customer ID`\"\ntime = \"When\"\n\
                       time_format = \"%d.%m.%Y %H:%M\"\nkind = \"Action\"\namount = \"Value\"\n\
                       [log]\npurchase = \"order\"\n\
                       [panel]\ncutoffs = [\"2024-05-01\", \"2024-06-01\"]\n";

#[test]
fn init_guesses_a_project_that_runs_and_never_writes_over_one() {
    let folder = folder(&[("log.csv", &log())]);
    let folder = folder.path();
    let said = done(folder, &["init", "log.csv"]);
    assert!(said.contains("rekindle run rekindle.toml"), "{said}");
    let text = fs::read_to_string(folder.join("rekindle.toml")).unwrap();
    for expected in [
        "customer = \"`Customer ID`\"",
        "time_format = \"%d.%m.%Y %H:%M\"",
        "purchase = \"order\"",
        "[targets.churned]\nhorizon = \"30d\"",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    let list = done(folder, &["features", "--list", "-q"]);
    assert!(list.contains("recency_days(order)\t"), "{list}");
    assert!(refused(folder, &["init", "log.csv"]).contains("--force"));
    done(folder, &["init", "log.csv", "--force", "-q"]);
    assert!(refused(folder, &["init", "missing.csv", "-o", "x.toml"]).contains("missing.csv"));
    fs::write(folder.join("table.csv"), "a,b\n1,2\n").unwrap();
    let unknown = refused(folder, &["init", "table.csv", "-o", "x.toml"]);
    assert!(unknown.contains("no customer") && unknown.contains("a, b"), "{unknown}");
    assert!(!folder.join("x.toml").exists());
}

#[test]
fn the_demo_goes_from_a_log_to_models_whose_scores_of_raw_events_are_the_batchs() {
    let registry = tempfile::tempdir().unwrap();
    let folder = registry.path();
    let before = demo::now_micros();
    let output = run(folder, &["demo", "--customers", "500", "-o", "demo"]);
    demo::holds_what_was_said(&folder.join("demo"), before);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("nobody can rank better than the truth"), "{said}");
    for file in ["events.parquet", "attributes.csv", "truth.csv", "rekindle.toml", "customer.json"]
    {
        assert!(folder.join("demo").join(file).exists(), "{file} was not written");
    }
    assert!(said.contains("--store demo/customers.db\n"), "{said}");
    assert!(said.ends_with("open http://localhost:8080/\n"), "{said}");
    let shown = said.lines().find(|line| line.starts_with("customer C")).unwrap();
    let request = fs::read_to_string(folder.join("demo/customer.json")).unwrap();
    let models = tempfile::tempdir().unwrap();
    for model in ["churned", "repaid"] {
        let to = models.path().join(model);
        Command::new("cp")
            .arg("-r")
            .arg(folder.join("demo/registry").join(model))
            .arg(to)
            .status()
            .unwrap();
    }
    let app = crate::app::spawn_app_with(models, |_| {});
    let answer = app.post("/v1/score/events?model=churned", &request);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let score = answer.json();
    let probability = format!("probability {:.3},", score["probability"].as_f64().unwrap());
    assert!(shown.contains(&probability), "{shown}: {score}");
}

#[test]
fn init_reads_a_simulated_log_of_each_format() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for log in ["log.parquet", "log.csv", "log.ndjson"] {
        done(at, &["simulate", "--customers", "60", "--days", "120", "-o", log, "-q"]);
        done(at, &["init", log, "-q"]);
        let guessed = fs::read_to_string(at.join("rekindle.toml")).unwrap();
        assert!(guessed.contains("time = \"time\""), "{log}: {guessed}");
        assert!(guessed.contains("received_at = \"received_at\""), "{log}: {guessed}");
        done(at, &["features", "--list", "-q"]);
        fs::remove_file(at.join("rekindle.toml")).unwrap();
    }
}

#[test]
fn customers_are_told_apart_by_the_rules_of_the_project() {
    let project = format!("{PROJECT}[customers]\ntiers = {{ days = [20, 60, 100] }}\n");
    let folder = folder(&[("log.csv", &log()), ("rekindle.toml", &project)]);
    let folder = folder.path();
    let said = done(folder, &["customers", "-o", "c.csv", "-q"]);
    assert!(said.contains("Passages between stages"), "{said}");
    let text = fs::read_to_string(folder.join("c.csv")).unwrap();
    let line = |customer: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{customer},"))).unwrap();
        line.split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    // 2024-06-01 is day 153: a bought on day 140, b on 10, c on 150, d on 30, e on 130.
    assert_eq!(line("a")[2..4], ["loyal", "awake"]);
    assert_eq!(line("b")[2..4], ["lapsed", "dormant"]);
    assert_eq!(line("c")[2..4], ["first_time", "awake"]);
    assert_eq!(line("d")[2..4], ["lapsed", "dormant"]);
    assert_eq!(line("e")[2..4], ["repeat", "drowsy"]);
    assert_eq!((line("a")[6].as_str(), line("a")[9].as_str()), ("13", "8"));
    let early = done(folder, &["customers", "--cutoff", "2024-01-15", "--json", "-q"]);
    let early: serde_json::Value = serde_json::from_str(&early).unwrap();
    assert_eq!(early["customers"], 3);
    assert_eq!(early["passages"], serde_json::Value::Null);
    assert!(refused(folder, &["customers", "-o", "c.txt"]).contains(".parquet"));
    let late = refused(folder, &["customers", "--cutoff", "2035-01-01"]);
    assert!(late.contains("2035-01-01") && late.contains("is after the log's end"), "{late}");
}

#[test]
fn snapshots_as_csv_hold_the_same_as_parquet_and_are_known_by_fit() {
    let project = format!("{PROJECT}[targets.churned]\nhorizon = \"30d\"\n");
    let folder = folder(&[("log.csv", &log()), ("rekindle.toml", &project)]);
    let folder = folder.path();
    done(folder, &["features", "-o", "s.csv", "-q"]);
    done(folder, &["features", "-o", "s.parquet", "-q"]);
    let options = ReadOptions { skip: vec!["cutoff".to_owned()], ..ReadOptions::default() };
    let csv = read(&folder.join("s.csv"), &options).unwrap();
    let parquet = read(&folder.join("s.parquet"), &options).unwrap();
    assert_eq!(csv.rows(), parquet.rows());
    for field in parquet.schema().fields() {
        let place = parquet.schema().place(&field.name).unwrap();
        let Some(numbers) = parquet.numbers(place) else { continue };
        let also = csv.numbers(csv.schema().require(&field.name).unwrap());
        let bits = |all: &[f64]| all.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let also = also.unwrap_or_else(|| panic!("{} is no number in CSV", field.name));
        assert_eq!(bits(numbers), bits(also), "{}", field.name);
    }
    // What a CSV file says of itself stands beside it, and must fit it.
    let beside = folder.join("s.csv.about.json");
    let said = fs::read_to_string(&beside).unwrap();
    let said = said.replace("\"fingerprint\": \"", "\"fingerprint\": \"0");
    fs::write(&beside, said).unwrap();
    let error = refused(folder, &["fit", "s.csv", "--target", "churned", "-o", "registry"]);
    assert!(error.contains("rekindle features"), "{error}");
}

#[test]
fn a_log_whose_last_events_are_misdated_is_asked_where_it_ends() {
    // 1,200 visits in 2024, and one that says 2099: the horizon of no cutoff would seem to be beyond the log.
    let mut text = "customer,time,kind\n".to_owned();
    for visit in 0..1_200_u32 {
        text += &format!("{},2024-{:02}-{:02},visit\n", visit % 40, visit % 6 + 1, visit % 28 + 1);
    }
    text += "7,2099-01-01,visit\n";
    let folder = folder(&[("log.csv", &text)]);
    let folder = folder.path();
    done(folder, &["init", "log.csv", "-q"]);
    let guessed = fs::read_to_string(folder.join("rekindle.toml")).unwrap();
    assert!(guessed.contains("end = \"2024-06-30\""), "{guessed}");
    done(folder, &["features", "-q"]);
    let project = guessed.replace("end = \"2024-06-30\"", "");
    fs::write(folder.join("rekindle.toml"), &project).unwrap();
    let said = refused(folder, &["features", "-q"]);
    assert!(
        said.contains("1 of the log's events") && said.contains("end = \"2024-06-30\""),
        "{said}"
    );
    let meant = project.replace("[log]", "[log]\nend = \"2099-01-02\"");
    fs::write(folder.join("rekindle.toml"), meant).unwrap();
    done(folder, &["features", "-q"]);
}

#[test]
fn a_target_that_nobody_meets_is_named_and_the_others_are_learned() {
    let project = format!(
        "{PROJECT}[targets.churned]\nhorizon = \"20d\"\n[targets.rich]\nhorizon = \"20d\"\n\
         do = {{ kinds = [\"order\"], min_amount = 1e9 }}\n"
    );
    let folder = folder(&[("log.csv", &log()), ("rekindle.toml", &project)]);
    let folder = folder.path();
    let said = run(folder, &["features"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("targets.rich: none of the") && said.contains("min_amount"), "{said}");
    assert!(!said.contains("targets.churned:"), "{said}");
    let alone = project.replace("[targets.churned]\nhorizon = \"20d\"\n", "");
    fs::write(folder.join("rekindle.toml"), alone).unwrap();
    let refused = refused(folder, &["run"]);
    assert!(refused.contains("no target has both answers: rich"), "{refused}");
}

#[test]
fn a_closed_standard_error_ends_no_work() {
    let folder = folder(&[("log.csv", &log())]);
    let mut child = Command::new(crate::programs::rekindle())
        .args(["init", "log.csv"])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(folder.path().join("rekindle.toml").exists());
}

#[test]
fn init_finds_which_way_round_day_and_month_are_and_asks_where_both_fit() {
    let lines = |dates: &[&str]| {
        let line = |date: &&str| format!("c,{date},buy,\"9,99\"\n");
        "customer,date,kind,amount\n".to_owned() + &dates.iter().map(line).collect::<String>()
    };
    let folder = folder(&[
        ("either.csv", &lines(&["01/02/2024", "03/04/2024", "05/06/2024"])),
        ("month.csv", &lines(&["01/02/2024", "12/31/2024"])),
    ]);
    let folder = folder.path();
    let said = run(folder, &["init", "eithe?.csv", "-o", "either.toml"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("%d/%m/%Y or %m/%d/%Y"), "{said}");
    let text = fs::read_to_string(folder.join("either.toml")).unwrap();
    assert!(text.contains("TODO: %m/%d/%Y fits as well"), "{text}");
    assert!(text.contains("decimal = \",\"") && text.contains("# [limits]"), "{text}");
    let said = run(folder, &["init", "month.csv", "-o", "month.toml"]);
    assert!(!String::from_utf8_lossy(&said.stderr).contains("was taken"));
    let text = fs::read_to_string(folder.join("month.toml")).unwrap();
    assert!(text.contains("time_format = \"%m/%d/%Y\"  # iso where"), "{text}");
}
