//! The `rekindle` command from the outside: what it prints, writes, refuses and returns.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rekindle_models::artifact::Artifact;
use rekindle_models::frame::write_csv;
use rekindle_training::simulate::table::World;
use serde_json::Value;
use tempfile::TempDir;

use crate::app;
use crate::programs::{done, refused, rekindle, reports, run};

/// A folder with a simulated table, `customers.csv`.
fn world(customers: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = World { seed: 5, customers }.simulate().table;
    let mut text = Vec::new();
    write_csv(&table, &mut text).unwrap();
    fs::write(folder.path().join("customers.csv"), text).unwrap();
    folder
}

const FIT: [&str; 10] = [
    "fit",
    "customers.csv",
    "--target",
    "churned",
    "--id",
    "customer_id",
    "--exclude",
    "exit_survey_score",
    "--model",
    "logistic",
];

fn model_bytes(folder: &Path, path: &str) -> Vec<u8> {
    fs::read(folder.join(path).join("model.rekindle")).unwrap()
}

#[test]
fn a_table_becomes_a_judged_model_that_scores_as_the_service_does() {
    let folder = world(2_000);
    let at = folder.path();
    let text = done(at, &[&FIT[..], &["--json"]].concat());
    let report = &reports(text.as_bytes())[0];
    for name in [
        "verdict",
        "reason",
        "error_rate",
        "miss_rate",
        "roc_auc",
        "average_precision",
        "log_loss",
        "brier_score",
        "ece",
        "lift_at_k",
        "base_rate",
        "baselines",
    ] {
        assert!(report["evaluation"].get(name).is_some(), "{name} is not in {report}");
    }
    assert!(report["evaluation"]["roc_auc"]["value"].as_f64().unwrap() > 0.7, "{report}");
    let manifest: Value =
        serde_json::from_str(&done(at, &["models", "show", "registry/churned"])).unwrap();
    let features: Vec<&str> = manifest["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["name"].as_str().unwrap())
        .collect();
    for role in ["customer_id", "churned", "exit_survey_score"] {
        assert!(!features.contains(&role), "{role} is a feature");
    }
    let saved = Artifact::load(&at.join("registry/churned/1/model.rekindle")).unwrap();
    assert_eq!(saved.golden.len(), 16);
    saved.golden.check(&saved.scorer).unwrap();
    done(at, &["score", "registry/churned", "customers.csv", "-o", "scores.csv"]);
    let scores = fs::read_to_string(at.join("scores.csv")).unwrap();
    let probabilities: Vec<f64> =
        scores.lines().skip(1).map(|l| l.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(probabilities.len(), 2_000);

    // The same customers over HTTP, to the bit.
    let registry = tempfile::tempdir().unwrap();
    copy(&at.join("registry"), registry.path());
    let service = app::spawn_app_with(registry, |_| {});
    let mut reader = csv::Reader::from_path(at.join("customers.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let customers: Vec<Value> = reader
        .records()
        .map(|record| record.unwrap())
        .take(200)
        .map(|record| app::customer(&header, &record))
        .collect();
    let answer = service.post("/v1/score", &Value::from(customers).to_string()).json();
    let served = answer["scores"].as_array().unwrap();
    assert_eq!(served.len(), 200);
    for (score, expected) in served.iter().zip(&probabilities) {
        assert_eq!(score["probability"].as_f64().unwrap().to_bits(), expected.to_bits());
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_same_table_gives_the_same_bytes_on_any_number_of_threads_and_in_any_format() {
    let folder = world(800);
    let at = folder.path();
    let csv = fs::read(at.join("customers.csv")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(at.join("c.csv.gz")).unwrap(),
        Default::default(),
    );
    gzip.write_all(&csv).unwrap();
    gzip.finish().unwrap();
    let mut expected: Option<Vec<u8>> = None;
    for (threads, table) in
        [("1", "customers.csv"), ("2", "customers.csv"), ("3", "c.csv.gz"), ("8", "-")]
    {
        let words = [&["fit", table], &FIT[2..8], &["--model", "auto", "-o", threads]].concat();
        let input = if table == "-" {
            fs::File::open(at.join("customers.csv")).unwrap().into()
        } else {
            Stdio::null()
        };
        let output = Command::new(rekindle())
            .args(&words)
            .env("RAYON_NUM_THREADS", threads)
            .current_dir(at)
            .stdin(input)
            .output()
            .unwrap();
        assert!(matches!(output.status.code(), Some(0..=2)));
        let bytes = model_bytes(at, &format!("{threads}/churned/1"));
        assert!(*expected.get_or_insert(bytes.clone()) == bytes, "{threads} threads differ");
    }
}

#[test]
fn bad_input_is_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let long: String = (0..60).map(|i| format!("{i},{},{}\n", i % 7, i % 2)).collect();
    for (text, words, expected) in [
        ("a,b,y\n1,2,0\n1,2\n", &["--target", "y"][..], "t.csv:3: found 2 fields, expected 3"),
        ("a,b,a\n1,2,0\n", &["--target", "a"], "stands twice in the header (columns 1 and 3)"),
        ("a,b,y\n", &["--target", "y"], "no rows"),
        ("", &["--target", "y"], "it is empty"),
        (&format!("a,b,y\n{long}"), &["--target", "z"], "no column \"z\""),
        (&format!("a,b,yes\n{long}"), &["--target", "yess=1"], "did you mean \"yes\"?"),
        (
            &format!("a,b,y\n{long}"),
            &["--target", "y=7"],
            "0 of 60 rows have it (values: 0 (30), 1 (30))",
        ),
        (&format!("a,b,y\n{long}"), &["--target", "b"], "name the value that counts as yes"),
        (&format!("a,b,y\n{long}"), &["--target", "y", "--id", "b"], "stands in rows 1 and 8"),
        (
            &format!("a,b,y\n{long}"),
            &["--target", "y", "--weight", "b"],
            "row 1 has 0, expected a finite number above 0",
        ),
        (
            &format!("a,b,y\nx,2,1\n{long}"),
            &["--target", "y", "--numeric", "a"],
            "t.csv:2: column a: found \"x\"",
        ),
        (&format!("a,b,y\nx,2,1\n{long}"), &["--target", "y", "--time", "a"], "time column a"),
        (
            &format!("a,b,y\n{long}"),
            &["--target", "y", "--exclude", "a,b"],
            "no column is left to learn from",
        ),
        (&format!("a,b,y\n{long}"), &["--target", "y", "--top", "140%"], "expected 0 to 1"),
        (
            &format!("a,b,y\n{long}"),
            &["--target", "y", "--test-share", "0.95"],
            "left for training",
        ),
        ("a,b,y\n1,2,0\n1,3,1\n", &["--target", "y"], "bring more rows"),
    ] {
        fs::write(at.join("t.csv"), text).unwrap();
        let said = refused(at, &[&["fit", "t.csv"], words].concat());
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(!at.join("registry/y").exists(), "{words:?} left a model");
    }
    assert!(
        refused(at, &["fit", "none.csv", "--target", "y"]).contains("none.csv: failed to read")
    );
    assert!(refused(at, &["score", "registry/y", "t.csv"]).contains("no such model"));
}

#[test]
fn several_targets_versions_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let draw = |row: u64, k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(row, k));
    let table = |rows: std::ops::Range<u64>| {
        let line = |row: u64| {
            let (signal, noise) = (draw(row, 1), draw(row, 2));
            let sure = u8::from(draw(row, 3) < if signal > 0.6 { 0.75 } else { 0.05 });
            let random = u8::from(draw(row, 4) < 0.4);
            format!("{row},{signal:.3},{noise:.3},{},{sure},{random}\n", row % 50)
        };
        "id,signal,noise,later,sure,random\n".to_owned() + &rows.map(line).collect::<String>()
    };
    fs::write(at.join("t.csv"), table(0..3_000)).unwrap();
    fs::write(at.join("h.csv"), table(3_000..6_000)).unwrap();
    let fit = [
        "fit",
        "t.csv",
        "--target",
        "sure=1",
        "--target",
        "random=1",
        "--id",
        "id",
        "--model",
        "logistic",
        "--exclude-for",
        "sure=later",
    ];
    let told = done(at, &fit);
    let beside: Vec<&str> = told.lines().skip_while(|line| !line.contains("all targets")).collect();
    assert!(beside[1].contains("sure=1") && beside[2].contains("random=1"), "{told}");
    let features = |model: &str| {
        let text = done(at, &["models", "show", model]);
        let manifest: Value = serde_json::from_str(&text).unwrap();
        let features = manifest["features"].as_array().unwrap().iter();
        features.map(|f| f["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(features("registry/sure"), ["signal", "noise"]);
    assert_eq!(features("registry/random"), ["signal", "noise", "later"]);
    let code = |words: &[&str]| run(at, words).status.code();
    let judge = ["evaluate", "registry/random", "h.csv"];
    assert_eq!(code(&[&judge[..], &["--max-error-rate", "0.05"]].concat()), Some(1));
    let few: String = table(3_000..3_020);
    fs::write(at.join("few.csv"), few).unwrap();
    assert_eq!(code(&["evaluate", "registry/sure", "few.csv"]), Some(2));
    let other = ["fit", "t.csv", "--target", "sure=0", "--id", "id", "--model", "logistic"];
    assert!(refused(at, &other).contains("version 1 answers sure=1, this run sure=0"));
    // Another fit adds a version; rolling back puts the first in force again.
    done(at, &fit);
    let list: Value =
        serde_json::from_str(&done(at, &["models", "list", "registry", "--json"])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 4);
    assert!(model_bytes(at, "registry/sure/1") == model_bytes(at, "registry/sure/2"));
    assert!(
        done(at, &["models", "rollback", "registry/sure"]).contains("version 1 is in force again")
    );
    assert!(refused(at, &["models", "rollback", "registry/sure"]).contains("no earlier promotion"));
}

#[test]
fn shares_of_the_prediction_are_printed_saved_and_drawn() {
    let folder = world(1_500);
    let at = folder.path();
    let group = ["--group", "silence=recency*", "--json"];
    let printed = &reports(done(at, &[&FIT[..], &group].concat()).as_bytes())[0];
    let saved = &reports(&fs::read(at.join("registry/churned/1/report.json")).unwrap())[0];
    let shown = done(at, &["models", "show", "registry/churned"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let influence = &printed["influence"];
    assert_eq!((influence, influence), (&saved["influence"], &shown["influence"]));
    for list in ["features", "groups"] {
        let shares = influence[list].as_array().unwrap().iter();
        let sum: f64 = shares.map(|share| share["share"]["value"].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{list}: {sum}");
    }
    let names: Vec<&str> =
        influence["groups"].as_array().unwrap().iter().filter_map(|g| g["name"].as_str()).collect();
    assert!(names.contains(&"silence") && names.contains(&"others"), "{names:?}");
    let best = influence["features"][0]["name"].as_str().unwrap();
    let page = fs::read_to_string(at.join("registry/churned/1/report.md")).unwrap();
    assert!(page.contains("## Influence") && page.contains(&format!("| {best} | 1 |")), "{page}");
    let plot = fs::read_to_string(at.join("registry/churned/1/influence.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.contains(best) && plot.contains("noise line"));
    // Without it nothing of the kind is saved, and the model is the same to the bit.
    let other = ["--no-influence", "-o", "other"];
    done(at, &[&FIT[..], &other].concat());
    assert!(!at.join("other/churned/1/influence.svg").exists());
    let refusal = refused(at, &[&FIT[..], &["--group", "silence"]].concat());
    assert!(refusal.contains("--group silence: expected NAME=PATTERN"), "{refusal}");
}

#[test]
fn a_feature_that_knows_one_target_is_left_out_for_it_alone_unless_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let draw = |row: u64, k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(row, k));
    let line = |row: u64| {
        let signal = draw(row, 1);
        let churn = u8::from(draw(row, 2) < 0.5 - 0.4 * signal);
        let upselling = u8::from(draw(row, 3) < 0.2 + 0.3 * signal);
        let called = f64::from(churn) * 3.0 + draw(row, 4);
        format!("{row},{signal:.3},{called:.3},{churn},{upselling}\n")
    };
    let table = "id,signal,called_back,churn,upselling\n".to_owned()
        + &(0..3_000).map(line).collect::<String>();
    fs::write(at.join("t.csv"), table).unwrap();
    let fit = [
        "fit",
        "t.csv",
        "--target",
        "churn",
        "--target",
        "upselling",
        "--id",
        "id",
        "--model",
        "logistic",
    ];
    let told = |words: &[&str]| {
        run(at, words);
        ["churn", "upselling"].map(|model| {
            let text = done(at, &["models", "show", &format!("registry/{model}")]);
            let manifest: Value = serde_json::from_str(&text).unwrap();
            let features = manifest["features"].as_array().unwrap().len();
            (
                features,
                manifest["leaks"][0]["feature"].clone(),
                manifest["leaks"][0]["action"].clone(),
            )
        })
    };
    let (leak, none) = (Value::from("called_back"), Value::Null);
    let kept = (2, none.clone(), none);
    assert_eq!(told(&fit), [(1, leak.clone(), Value::from("excluded")), kept.clone()]);
    let allowed = [&fit[..], &["--allow-leak", "called_back"]].concat();
    assert_eq!(told(&allowed), [(2, leak, Value::from("allowed")), kept]);
    let misspelt = [&fit[..], &["--allow-leak", "caled_back"]].concat();
    assert!(refused(at, &misspelt).contains("called_back"));
}

#[test]
fn boosting_learns_explains_and_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = world(3_000);
    let at = folder.path();
    let fit = |registry: &str, threads: &str| {
        let words = [&FIT[..9], &["boosting", "--param", "num_leaves=7", "-o", registry, "--json"]];
        let command = Command::new(rekindle())
            .args(words.concat())
            .env("RAYON_NUM_THREADS", threads)
            .current_dir(at)
            .output()
            .unwrap();
        reports(&command.stdout).remove(0)
    };
    let report = fit("one", "1");
    fit("three", "3");
    assert_eq!(report["classifier"], "boosting");
    assert!(report["evaluation"]["roc_auc"]["value"].as_f64().unwrap() > 0.75, "{report}");
    assert_eq!(model_bytes(at, "one/churned/1"), model_bytes(at, "three/churned/1"));

    let words =
        ["score", "one/churned", "customers.csv", "-o", "s.csv", "--contributions", "why.csv"];
    done(at, &words);
    let manifest: Value =
        serde_json::from_str(&done(at, &["models", "show", "one/churned"])).unwrap();
    let Some(slope) = manifest["calibration"]["slope"].as_f64() else { return };
    let intercept = manifest["calibration"]["intercept"].as_f64().unwrap();
    let mut why = csv::Reader::from_path(at.join("why.csv")).unwrap();
    assert_eq!(&why.headers().unwrap()[0], "customer_id");
    let mut scores = csv::Reader::from_path(at.join("s.csv")).unwrap();
    for (why, score) in why.records().zip(scores.records()) {
        let (why, score) = (why.unwrap(), score.unwrap());
        assert_eq!(why[0], score[0]);
        let margin: f64 = why.iter().skip(1).map(|x| x.parse::<f64>().unwrap()).sum();
        let probability = 1.0 / (1.0 + (-(slope * margin + intercept)).exp());
        let expected: f64 = score[1].parse().unwrap();
        assert!((probability - expected).abs() < 1e-9, "{probability} {expected}");
    }
}

#[test]
fn parameters_of_the_booster_are_checked_by_name_and_range() {
    let folder = world(100);
    let said = |param: &str| {
        refused(folder.path(), &[&FIT[..9], &["boosting", "--param", param]].concat())
    };
    let check = |param: &str, expected: &str| {
        let said = said(param);
        assert!(said.contains(expected), "{param}: {said}");
    };
    check("num_leafs=7", "unknown field `num_leafs`");
    check("num_leaves=1", "num_leaves is 1, expected 2 to 65,536");
    check("num_leaves=many", "--param num_leaves=many");
    check("num_leaves", "expected NAME=VALUE");
    check("metric=\"auc\"", "roc_auc");
    check("monotone_constraints={recencydays=1}", "no column \"recencydays\"");
    check("seed=3", "give the seed with --seed");
    let logistic = [&FIT[..], &["--param", "num_leaves=7"]].concat();
    assert!(refused(folder.path(), &logistic).contains("expected with --model boosting or auto"));
    let time = [&FIT[..9], &["boosting", "--param", "early_stopping_round=5", "--repeated-ids"]];
    assert!(refused(folder.path(), &time.concat()).contains("early_stopping_round"));
    done(folder.path(), &FIT);
    let words = ["score", "registry/churned", "customers.csv", "--contributions", "why.csv"];
    assert!(refused(folder.path(), &words).contains("is a logistic model, expected boosting"));
}
