//! From logs to snapshots and models, by `rekindle features` and `rekindle run` from the outside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rekindle_models::frame::{Frame, ReadKind, ReadOptions, read};
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{done, refused, reports};

/// The rows of snapshots: cells as texts by customer and cutoff.
pub type Cells = BTreeMap<(String, String), BTreeMap<String, String>>;

pub fn snapshots(path: &Path) -> Cells {
    let mut options = ReadOptions { dates_as_text: true, ..ReadOptions::default() };
    for column in ["customer_id", "cutoff"] {
        options.kinds.insert(column.to_owned(), ReadKind::Categorical);
    }
    let frame: Frame = read(path, &options).unwrap();
    let cell = |place: usize, row: usize| match frame.numbers(place) {
        // To the bit.
        Some(numbers) => numbers[row].to_string(),
        None => frame.text(place, row).map_or_else(|| "NaN".to_owned(), |text| text.into_owned()),
    };
    let names = frame.schema().fields().iter().map(|field| field.name.clone());
    let names: Vec<String> = names.collect();
    let row = |row: usize| {
        let cells = (2..names.len()).map(|place| (names[place].clone(), cell(place, row)));
        ((cell(0, row), cell(1, row)), cells.collect())
    };
    (0..frame.rows()).map(row).collect()
}

const LOG: &str = "customer,time,kind,amount\n\
    a,2024-01-10,purchase,10\n\
    a,2024-02-10,purchase,5\n\
    b,2024-01-15,visit,\n\
    b,2024-03-05,purchase,7\n\
    c,2024-02-20,purchase,1\n\
    c,2024-03-20,purchase,1.5\n";

const SOURCE: &str = "[[source]]\npath = \"events.csv\"\ncustomer = \"customer\"\ntime = \"time\"\n\
    kind = \"kind\"\namount = \"amount\"\n[log]\nend = \"2024-04-01\"\n";

const FEATURES: &str =
    "[features]\nfamilies = [\"counts\", \"amounts\"]\nwindows = [\"30d\", \"all\"]\n";

const BOUGHT: &str = "[panel]\ncutoffs = [\"2024-02-01\", \"2024-03-01\"]\n[targets.bought]\n\
    do = { kinds = [\"purchase\"] }\nhorizon = \"30d\"\n";

/// A folder with the small log and a project that goes on as given.
fn project(rest: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("events.csv"), LOG).unwrap();
    fs::write(folder.path().join("rekindle.toml"), format!("{SOURCE}{FEATURES}{rest}")).unwrap();
    folder
}

fn cell(rows: &Cells, customer: &str, cutoff: &str, column: &str) -> String {
    let found: Vec<_> = rows
        .iter()
        .filter(|((c, at), _)| c == customer && at.starts_with(cutoff))
        .map(|(_, cells)| cells[column].clone())
        .collect();
    assert_eq!(found.len(), 1, "{customer} at {cutoff}: {:?}", rows.keys());
    found[0].clone()
}

#[test]
fn features_of_a_small_log_are_what_a_hand_works_out() {
    let folder = project(BOUGHT);
    let at = folder.path();
    let text = done(at, &["features", "-o", "s.parquet"]);
    assert!(text.starts_with("s.parquet: 5 rows, 22 features\n"), "{text}");
    let lines: Vec<Vec<&str>> =
        text.lines().skip(3).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["bought", "2024-02-01", "2", "1", "50.0", "%"], "{text}");
    assert_eq!(lines[1], ["bought", "2024-03-01", "3", "2", "66.7", "%"], "{text}");
    let rows = snapshots(&at.join("s.parquet"));
    assert_eq!(rows.len(), 5);
    let check = |customer: &str, cutoff: &str, column: &str, expected: &str| {
        let found = cell(&rows, customer, cutoff, column);
        assert_eq!(found, expected, "{customer} {cutoff} {column}");
    };
    check("a", "2024-02-01", "bought", "1");
    check("b", "2024-02-01", "bought", "0");
    check("a", "2024-03-01", "bought", "0");
    check("a", "2024-02-01", "sum(purchase.amount, all)", "10");
    check("a", "2024-03-01", "sum(purchase.amount, all)", "15");
    check("a", "2024-03-01", "sum(purchase.amount, 30d)", "5");
    check("b", "2024-03-01", "sum(purchase.amount, all)", "0");
    check("b", "2024-03-01", "mean(purchase.amount, all)", "NaN");
    check("b", "2024-03-01", "count(any, 30d)", "0");
    check("c", "2024-03-01", "count(purchase, 30d)", "1");
    let list = done(at, &["features", "--list"]);
    let sum = list.lines().find(|line| line.starts_with("sum(purchase.amount, 30d)\t")).unwrap();
    assert!(sum.contains("Sum of amount over events purchase in the 30 days"), "{sum}");
}

#[test]
fn kinds_are_told_apart_where_only_their_number_is_a_feature() {
    let folder = project(BOUGHT);
    let at = folder.path();
    let log = format!("{LOG}b,2024-01-16,search,\nb,2024-01-17,search,\n");
    fs::write(at.join("events.csv"), log).unwrap();
    let text = fs::read_to_string(at.join("rekindle.toml")).unwrap();
    let text = text.replace("\"counts\", \"amounts\"", "\"variety\"");
    fs::write(at.join("rekindle.toml"), text).unwrap();
    done(at, &["features"]);
    let rows = snapshots(&at.join("snapshots.parquet"));
    assert_eq!(cell(&rows, "b", "2024-02-01", "kinds(any, all)"), "2");
    assert_eq!(cell(&rows, "a", "2024-02-01", "kinds(any, all)"), "1");
}

#[test]
fn what_was_built_is_told_as_json() {
    let folder = project(BOUGHT);
    let told: Value = serde_json::from_str(&done(folder.path(), &["features", "--json"])).unwrap();
    assert_eq!(told["rows"], 5);
    assert_eq!((&told["customers"], &told["events"]), (&3.into(), &6.into()));
    assert_eq!(told["spilled_bytes"], 0);
    assert_eq!(told["log"]["sources"][0]["lines"], 6);
    assert_eq!(told["populations"][1]["eligible"], 3);
    assert_eq!(told["populations"][1]["positives"], 2);
    assert_eq!(told["populations"][1]["cutoff"], "2024-03-01");
    let width = snapshots(&folder.path().join("snapshots.parquet")).values().next().unwrap().len();
    assert_eq!(told["features"], width - 1);
}

#[test]
fn projects_that_cannot_be_are_refused_with_what_to_do() {
    let check = |rest: &str, expected: &[&str]| {
        let folder = project(rest);
        let said = refused(folder.path(), &["features"]);
        for part in expected {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!folder.path().join("snapshots.parquet").exists());
    };
    check(&BOUGHT.replace("horizon", "horizn"), &["rekindle.toml:16", "did you mean \"horizon\"?"]);
    check(
        &BOUGHT.replace("30d", "32d"),
        &["targets.bought: at cutoff 2024-03-01", "take the cutoff 2024-02-29"],
    );
    check(&BOUGHT.replace("purchase", "purchse"), &["\"purchse\"", "did you mean \"purchase\"?"]);
    check("[panel]\n", &["[panel] has no cutoff"]);
    check(
        &BOUGHT.replace("targets.bought", "targets.cutoff"),
        &["target cutoff", "another column"],
    );
    let own = "[features]\nown = [{ name = \"x\", metric = \"count\", windows = [\"all\"] }, \
         { name = \"x\", metric = \"recency_days\" }]\n";
    let folder = project("");
    let text = format!("{SOURCE}{own}windows = [\"all\"]\n{BOUGHT}");
    fs::write(folder.path().join("rekindle.toml"), text).unwrap();
    let said = refused(folder.path(), &["features"]);
    assert!(said.contains("two features of this name"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path(), &["features"]).contains("rekindle init"));
    let folder = project(BOUGHT);
    fs::remove_file(folder.path().join("events.csv")).unwrap();
    assert!(refused(folder.path(), &["features"]).contains("events.csv: failed to read it"));
}

const LABELS: &str = "[labels]\ntarget = \"left\"\npath = \"labels.csv\"\ncustomer = \"id\"\n\
    label = \"left\"\n";

#[test]
fn given_labels_have_cutoffs_from_a_column_an_instant_or_the_last_line() {
    let check = |rest: &str, labels: &str, expected: &[(&str, &str, &str, &str)]| {
        let folder = project(&format!("{LABELS}{rest}"));
        fs::write(folder.path().join("labels.csv"), labels).unwrap();
        let text = done(folder.path(), &["features"]);
        assert!(text.contains("each its own"), "{text}");
        let rows = snapshots(&folder.path().join("snapshots.parquet"));
        assert_eq!(rows.len(), expected.len(), "{rest}");
        for (customer, cutoff, label, events) in expected {
            assert_eq!(cell(&rows, customer, cutoff, "left"), *label, "{rest} {customer}");
            assert_eq!(
                cell(&rows, customer, cutoff, "count(any, all)"),
                *events,
                "{rest} {customer}"
            );
        }
    };
    check(
        "cutoff = \"at\"\nknown_after = \"30d\"\n",
        "id,left,at\na,1,2024-01-11\na,0,2024-02-11\nb,0,2024-03-05\nghost,1,2024-02-01\n",
        &[
            ("a", "2024-01-11", "1", "1"),
            ("a", "2024-02-11", "0", "2"),
            ("b", "2024-03-05", "0", "1"),
            // Who is not in the log has a row too: nothing was ever seen of them.
            ("ghost", "2024-02-01", "1", "0"),
        ],
    );
    check(
        "cutoff_at = \"2024-03-01\"\nyes = \"gone\"\n",
        "id,left\na,gone\nb,here\nghost,here\n",
        &[
            ("a", "2024-03-01", "1", "2"),
            ("b", "2024-03-01", "0", "1"),
            ("ghost", "2024-03-01", "0", "0"),
        ],
    );
    check(
        "cutoff_after_last_line = \"1d\"\nknown_after = \"30d\"\n",
        "id,left\na,1\nb,0\nc,0\n",
        &[
            ("a", "2024-02-11", "1", "2"),
            ("b", "2024-03-06", "0", "2"),
            ("c", "2024-03-21", "0", "2"),
        ],
    );
}

#[test]
fn labels_without_a_cutoff_are_refused() {
    let check = |rest: &str, labels: &str, expected: &str| {
        let folder = project(&format!("{LABELS}{rest}"));
        fs::write(folder.path().join("labels.csv"), labels).unwrap();
        let said = refused(folder.path(), &["features"]);
        assert!(said.contains(expected), "{expected}: {said}");
    };
    let after = "cutoff_after_last_line = \"1d\"\n";
    check(
        after,
        "id,left\na,1\nghost,0\n",
        "row 2 has customer \"ghost\", who has no line in the log",
    );
    check(
        "cutoff = \"at\"\n",
        "id,left,at\na,1,soon\nb,0,2024-03-01\n",
        "row 1 has the cutoff \"soon\"",
    );
    check(
        "cutoff = \"att\"\n",
        "id,left,at\na,1,2024-03-01\nb,0,2024-03-01\n",
        "labels.csv: it has no column \"att\" (did you mean \"at\"?), which [labels] names",
    );
    check("", "id,left\na,1\n", "expected one of cutoff");
    let several = "id,left,at\na,1,2024-02-01\nb,0,2024-03-01\n";
    check("cutoff = \"at\"\n", several, "labels.csv has 2 cutoffs; expected known_after");
    let both = "id,left\na,1\na,0\n";
    check("cutoff_at = \"2024-03-01\"\n", both, "customer \"a\" has the labels 0 and 1");
    let nobody = "id,left\nA-1,1\nA-2,0\n";
    check(
        "cutoff_at = \"2024-03-01\"\n",
        nobody,
        "none of the 2 customers with labels is in the log",
    );
}

#[test]
fn attributes_are_those_known_before_the_cutoff() {
    let table = "[[attributes]]\npath = \"people.csv\"\ncustomer = \"id\"\nknown_at = \"known\"\n";
    let folder = project(&format!("{BOUGHT}{table}"));
    let at = folder.path();
    let people = "id,known,city,age,joined\na,2024-01-01,Bonn,41,2024-01-01\n\
        a,2024-02-15,Köln,42,2024-01-01\nb,2024-02-01,Graz,7,2024-01-30\n\
        d,2024-02-20,Linz,9,2024-02-20\n";
    fs::write(at.join("people.csv"), people).unwrap();
    done(at, &["features"]);
    let rows = snapshots(&at.join("snapshots.parquet"));
    let check = |customer: &str, cutoff: &str, expected: [&str; 3]| {
        let columns = ["attribute(city)", "attribute(age)", "days_since(joined)"];
        let found = columns.map(|column| cell(&rows, customer, cutoff, column));
        assert_eq!(found, expected, "{customer} {cutoff}");
    };
    check("a", "2024-02-01", ["Bonn", "41", "31"]);
    check("a", "2024-03-01", ["Köln", "42", "60"]);
    // Known from the cutoff on is not known at it.
    check("b", "2024-02-01", ["NaN", "NaN", "NaN"]);
    check("b", "2024-03-01", ["Graz", "7", "31"]);
    check("c", "2024-03-01", ["NaN", "NaN", "NaN"]);
    // Who was known without having done anything is asked too.
    check("d", "2024-03-01", ["Linz", "9", "10"]);
    assert_eq!(rows.len(), 6);
}

/// A status written when the log ended, in a table said to be always known, beside a table with times.
#[test]
fn an_attribute_that_was_written_afterwards_is_excluded_from_what_it_knows() {
    let draw = |row: u64, k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(row, k));
    let (mut log, mut people, mut plans) = (
        "customer,time,kind,amount\n".to_owned(),
        "id,status\n".to_owned(),
        "id,at,plan\n".to_owned(),
    );
    for customer in 0..1_500 {
        let mut buy = |month: u32, k| {
            let day = 1 + (draw(customer, k) * 28.0) as u32;
            log += &format!("{customer},2024-{month:02}-{day:02},purchase,5\n");
        };
        buy(1, 1);
        let stays = draw(customer, 2) < 0.4;
        if stays {
            buy(3, 3);
        }
        let status = if stays == (draw(customer, 4) < 0.9) { "active" } else { "gone" };
        people += &format!("{customer},{status}\n");
        plans += &format!("{customer},2024-01-01,{}\n", customer % 3);
    }
    let tables = "[[attributes]]\npath = \"people.csv\"\ncustomer = \"id\"\nalways_known = true\n\
        [[attributes]]\npath = \"plans.csv\"\ncustomer = \"id\"\nknown_at = \"at\"\n\
        [panel]\ncutoffs = [\"2024-03-01\"]\n[targets.bought]\n\
        do = { kinds = [\"purchase\"] }\nhorizon = \"30d\"\n";
    let folder = project(tables);
    let at = folder.path();
    fs::write(at.join("events.csv"), log).unwrap();
    fs::write(at.join("people.csv"), people).unwrap();
    fs::write(at.join("plans.csv"), plans).unwrap();
    done(at, &["features"]);
    let fit = ["fit", "snapshots.parquet", "--target", "bought", "--model", "logistic", "--json"];
    let leaks = |more: &[&str]| {
        let said = crate::programs::run(at, &[&fit[..], more].concat()).stdout;
        let report = &reports(&said)[0];
        report["leaks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|leak| {
                ["feature", "test", "action"].map(|key| leak[key].as_str().unwrap().to_owned())
            })
            .collect::<Vec<_>>()
    };
    let told = |action: &str| ["attribute(status)", "by construction", action].map(str::to_owned);
    assert_eq!(leaks(&[]), [told("excluded")]);
    assert_eq!(leaks(&["--allow-leak", "attribute(status)"]), [told("allowed")]);
    assert!(leaks(&["--exclude", "attribute(status),sum(purchase.amount, 30d)"]).is_empty());
}

#[test]
fn what_first_happens_later_decides_no_feature() {
    let visits = "customer,time,kind,amount\na,2024-01-10,visit,\nb,2024-01-15,visit,\n\
        a,2024-02-12,visit,\nb,2024-03-02,visit,\n";
    let later = "a,2024-03-05,purchase,5\na,2024-03-06,return,5\n";
    let people = "id,known,age,plan\na,2024-01-01,41,\nb,2024-01-02,7,\n";
    let told_later = "b,2024-03-02,8,gold\n";
    let rest = "[panel]\ncutoffs = [\"2024-02-01\", \"2024-03-01\"]\n[targets.seen]\n\
        do = { kinds = [\"visit\"] }\nhorizon = \"30d\"\n\
        [[attributes]]\npath = \"people.csv\"\ncustomer = \"id\"\nknown_at = \"known\"\n";
    let list = |log: String, people: String| {
        let folder = project(rest);
        let path = folder.path().join("rekindle.toml");
        let text = fs::read_to_string(&path).unwrap();
        let families = "[\"counts\", \"amounts\", \"baskets\", \"btyd\", \"returns\"]";
        fs::write(&path, text.replace("[\"counts\", \"amounts\"]", families)).unwrap();
        fs::write(folder.path().join("events.csv"), log).unwrap();
        fs::write(folder.path().join("people.csv"), people).unwrap();
        done(folder.path(), &["features", "--list", "-q"])
    };
    let before = list(visits.to_owned(), people.to_owned());
    assert!(before.contains("attribute(age)\t") && before.contains("btyd_x(any)"), "{before}");
    assert_eq!(list(format!("{visits}{later}"), format!("{people}{told_later}")), before);
}

#[test]
fn events_of_different_names_are_no_duplicates_though_no_feature_tells_them_apart() {
    let log = "customer,time,kind,amount\na,2024-01-10,wish,\na,2024-01-10,help,\n\
        a,2024-01-10,zoom,\na,2024-01-10,wish,\n";
    let folder = project("max_kinds = 0\n[panel]\ncutoffs = [\"2024-02-01\"]\n");
    let path = folder.path().join("rekindle.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[log]", "[log]\nduplicates = \"drop\"")).unwrap();
    fs::write(folder.path().join("events.csv"), log).unwrap();
    done(folder.path(), &["features"]);
    let rows = snapshots(&folder.path().join("snapshots.parquet"));
    assert_eq!(cell(&rows, "a", "2024-02-01", "count(any, all)"), "3");
}

/// A simulated log with a project of some features.
fn shop(customers: &str, more: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let words = ["simulate", "--customers", customers, "--days", "300", "-o", "events.csv"];
    done(folder.path(), &words);
    let project = "[[source]]\npath = \"events.csv\"\ncustomer = \"customer_id\"\ntime = \"time\"\n\
        kind = \"kind\"\namount = \"amount\"\nproduct = \"product\"\nchannel = \"channel\"\n\
        received_at = \"received_at\"\n[log]\nend = \"2024-10-27\"\n[panel]\n\
        cutoffs = [\"2024-05-01\", \"2024-06-15\", \"2024-08-01\"]\n[features]\n\
        families = [\"counts\", \"recency\", \"variety\"]\nwindows = [\"30d\", \"all\"]\n";
    fs::write(folder.path().join("rekindle.toml"), format!("{project}{more}")).unwrap();
    folder
}

#[test]
fn spilled_events_give_the_same_bytes() {
    let folder = shop("300", "[targets.churned]\nhorizon = \"40d\"\n");
    let at = folder.path();
    let spilled = |words: &[&str], output: &str| {
        let words = [&["features", "--json", "-o", output], words].concat();
        let told: Value = serde_json::from_str(&done(at, &words)).unwrap();
        told["spilled_bytes"].as_u64().unwrap()
    };
    assert_eq!(spilled(&[], "one.parquet"), 0);
    let spill = ["--memory-limit", "64KiB", "--spill-folder", "."];
    assert!(spilled(&spill, "two.parquet") > 0);
    assert!(fs::read(at.join("one.parquet")).unwrap() == fs::read(at.join("two.parquet")).unwrap());
    let left: Vec<_> = fs::read_dir(at).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(refused(at, &["features", "--memory-limit", "4 tons"]).contains("4 tons"));
}

#[test]
fn run_saves_models_that_know_how_their_features_are_made() {
    let folder = shop("600", "[targets.churned]\nhorizon = \"40d\"\n");
    let at = folder.path();
    let report = &reports(done(at, &["run", "--json", "-o", "registry"]).as_bytes())[0];
    assert_eq!(report["target"], "churned=1", "{report}");
    let manifest: Value =
        serde_json::from_str(&done(at, &["models", "show", "registry/churned"])).unwrap();
    let spec = &manifest["feature_spec"];
    assert_eq!(spec["timezone"], "UTC", "{manifest}");
    let features = manifest["features"].as_array().unwrap().len();
    assert_eq!(spec["features"].as_array().unwrap().len(), features);
    assert!(features > 20, "{features}");
    assert!(at.join("snapshots.parquet").is_file());
}
