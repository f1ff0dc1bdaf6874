//! Uplift from an experiment to a plan, as a user goes; bad inputs are told where they are.

use std::path::Path;
use std::process::{Command, Output};

use crate::programs::rekindle;

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(rekindle()).args(words).current_dir(folder).output().unwrap()
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn an_experiment_becomes_a_judged_model_and_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let words = ["simulate", "--customers", "9000", "--days", "3", "-o", "log.csv"];
    let files = ["--experiment", "experiment.csv", "--experiment-truth", "truth.csv"];
    let done = run(at, &[words.as_slice(), &files].concat());
    assert!(done.status.success(), "{}", said(&done));
    let fit = ["fit-uplift", "experiment.csv", "--action", "action", "--outcome", "bought"];
    let worth = ["--value", "40", "--cost", "0.5", "--cost", "letter=4", "--id", "customer_id"];
    let rest = ["--exclude", "propensity", "-o", "u.rekindle", "--predictions", "p.csv", "--json"];
    let done = run(at, &[fit.as_slice(), &worth, &rest].concat());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(report["verdict"], "usable");
    assert_eq!(report["assignment"]["assignment"], "random");
    assert_eq!(report["arms"][0]["action"], "letter");
    assert_eq!(report["arms"][0]["cost"], 4.0);
    assert_eq!(report["policies"].as_array().unwrap().len(), 7);
    assert_eq!(report["actions"][0]["deciles"].as_array().unwrap().len(), 10);
    let predictions = std::fs::read_to_string(at.join("p.csv")).unwrap();
    assert!(
        predictions.starts_with("row,customer_id,fold,action,outcome,untreated,uplift_letter,")
    );
    assert_eq!(predictions.lines().count(), 9_001);

    let plan = "[plan]\nconsent_default = true\nvalue = 40.0\ncontrol_share = 0.2\n\n[[actions]]\nname = \"letter\"\n\
                channel = \"post\"\ncost = 4.0\n\n[[actions]]\nname = \"reminder\"\nchannel = \"email\"\ncost = 0.5\n";
    std::fs::write(at.join("plan.toml"), plan).unwrap();
    let words = [
        "plan",
        "plan.toml",
        "experiment.csv",
        "--uplift",
        "u.rekindle",
        "--json",
        "-o",
        "plan.csv",
    ];
    let done = run(at, &words);
    assert!(done.status.success(), "{}", said(&done));
    let truth = std::fs::read_to_string(at.join("truth.csv")).unwrap();
    let column =
        |name: &str| truth.lines().next().unwrap().split(',').position(|c| c == name).unwrap();
    let (letter, reminder) = (column("uplift_letter"), column("uplift_reminder"));
    let decisions = std::fs::read_to_string(at.join("plan.csv")).unwrap();
    let (mut gained, mut contacted) = (0.0, 0);
    for (decision, truth) in decisions.lines().zip(truth.lines()).skip(1) {
        let cell = |place: usize| truth.split(',').nth(place).unwrap().parse::<f64>().unwrap();
        gained += match decision.split(',').nth(1).unwrap() {
            "letter" => 40.0 * cell(letter) - 4.0,
            "reminder" => 40.0 * cell(reminder) - 0.5,
            _ => continue,
        };
        contacted += 1;
    }
    assert!(contacted > 1_000 && gained / f64::from(contacted) > 2.0, "{gained} of {contacted}");

    // A column beside the model's own answer is one too many.
    let table = std::fs::read_to_string(at.join("experiment.csv")).unwrap();
    let table: Vec<String> = table
        .lines()
        .enumerate()
        .map(|(line, text)| format!("{text},{}", if line == 0 { "uplift_letter" } else { "0.1" }))
        .collect();
    std::fs::write(at.join("both.csv"), table.join("\n")).unwrap();
    let done = run(at, &["plan", "plan.toml", "both.csv", "--uplift", "u.rekindle"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(said(&done).contains("uplift_letter"), "{}", said(&done));
}

#[test]
fn without_any_effect_nothing_may_be_planned_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut table = "id,x,action,bought\n".to_owned();
    for row in 0..3_000_u64 {
        let draw = |k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(row, k));
        let action = if draw(1) < 0.5 { "none" } else { "letter" };
        table += &format!("{row},{},{action},{}\n", draw(2), u8::from(draw(3) < 0.2));
    }
    std::fs::write(at.join("t.csv"), table).unwrap();
    let fit = ["fit-uplift", "t.csv", "--action", "action", "--outcome", "bought", "--id", "id"];
    let done = run(at, &[fit.as_slice(), &["--cost", "0.1", "-o", "u.rekindle"]].concat());
    assert_ne!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stdout));
    let check = |words: &[&str], expected: &str| {
        let done = run(at, words);
        assert_eq!(done.status.code(), Some(2), "{words:?}");
        assert!(said(&done).contains(expected), "{words:?}: {}", said(&done));
    };
    check(&[fit.as_slice(), &["--control", "left"]].concat(), "no row has \"left\"");
    check(&[fit.as_slice(), &["--cost", "post=1"]].concat(), "no action \"post\"; there is letter");
    check(&[fit.as_slice(), &["--propensity", "bought"]].concat(), "named for two things");
    check(&["fit-uplift", "t.csv", "--action", "actoin", "--outcome", "bought"], "actoin");
    let plan = "[plan]\nvalue = 9.0\nconsent_default = true\n[[actions]]\nname = \"letter\"\nchannel = \"post\"\ncost = 0.0\n";
    std::fs::write(at.join("letters.toml"), plan).unwrap();
    let table = std::fs::read_to_string(at.join("t.csv")).unwrap();
    let table = table.replacen("id,", "customer_id,", 1);
    std::fs::write(at.join("c.csv"), &table).unwrap();
    let words = ["plan", "letters.toml", "c.csv", "--uplift", "u.rekindle"];
    check(&words, "--even-unusable");
    let done = run(at, &[words.as_slice(), &["--even-unusable", "--json"]].concat());
    assert!(done.status.success(), "{}", said(&done));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_ne!(report["uplift_model"]["verdict"], "usable");
    assert!(report["notes"][0].as_str().unwrap().contains("the verdict on the model"), "{report}");
    std::fs::write(at.join("c.csv"), table.replacen(",x,", ",y,", 1)).unwrap();
    check(&[words.as_slice(), &["--even-unusable"]].concat(), "has none of the model's");
    std::fs::write(
        at.join("plan.toml"),
        "[plan]\n[[actions]]\nname = \"letter\"\nchannel = \"post\"\ncost = 1.0\n",
    )
    .unwrap();
    check(&["plan", "plan.toml", "t.csv", "--uplift", "t.csv"], "it is foreign");
}
