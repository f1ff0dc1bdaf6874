//! The README's commands are run as written, against the programs of this checkout.

use std::path::Path;
use std::process::Command;

use crate::programs::rekindle;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The lines of the README's code blocks that start with `rekindle `.
fn commands() -> Vec<String> {
    let page = readme();
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines());
    lines.filter(|line| line.starts_with("rekindle ")).map(str::to_owned).collect()
}

#[test]
fn the_two_commands_stand_first() {
    let page = readme();
    let demo = page.find("cargo run --release -p rekindle-training -- demo").unwrap();
    let tests = page.find("\ncargo test\n").unwrap();
    let others = page.find("\nrekindle ").unwrap();
    assert!(demo < others && tests < others);
    assert!(!page.contains("@@"), "something was to be filled in");
}

#[test]
fn its_commands_do_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let churn = table(0..2_000);
    std::fs::write(folder.path().join("churn.csv"), &churn).unwrap();
    std::fs::write(folder.path().join("holdout.csv"), table(2_000..4_000)).unwrap();
    std::fs::write(folder.path().join("customers.csv"), table(4_000..4_010)).unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/lightgbm.txt");
    std::fs::copy(model, folder.path().join("model.txt")).unwrap();
    std::fs::create_dir(folder.path().join("events")).unwrap();
    let mut ran = Vec::new();
    let log = "rekindle simulate --customers 600 --days 500 -o events/a.csv".to_owned();
    for command in [log].into_iter().chain(commands()) {
        let command = command.split("  #").next().unwrap().replace('\'', "");
        let words: Vec<&str> = command.split_whitespace().collect();
        let run = |words: &[&str]| {
            let done =
                Command::new(rekindle()).args(words).current_dir(folder.path()).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            // What comes of a small log may be unusable, or not be judged.
            let of_log = words[0] == "run" || words[..2] == ["fit", "snapshots.parquet"];
            let judged = of_log && said.contains("saved");
            assert!(done.status.success() || judged, "{command}: {said}");
        };
        run(&words[1..]);
        if words[1] == "fit" {
            // Promoting version 2 needs a version 2.
            run(&words[1..]);
        }
        ran.push(words[1].to_owned());
    }
    let all =
        ["select", "init", "features", "run", "customers", "fit", "evaluate", "score", "models"];
    for expected in all.into_iter().chain(["import", "export", "plan", "value", "fit-uplift"]) {
        assert!(ran.iter().any(|r| r == expected), "the README runs no `rekindle {expected}`");
    }
    let scores = std::fs::read_to_string(folder.path().join("scores.csv")).unwrap();
    assert_eq!(scores.lines().count(), 11);
    assert!(scores.starts_with(
        "customer_id,probability,percentile,positive,model_name,model_version\n4000,"
    ));
}

/// Customers whose churn follows from two columns and chance.
fn table(customers: std::ops::Range<u64>) -> String {
    let mut text = "customerID,tenure,contract,MonthlyCharges,Churn\n".to_owned();
    for customer in customers {
        let draw = |k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(customer, k));
        let (tenure, monthly) = ((draw(1) * 72.0).round(), draw(2) < 0.5);
        let p = if monthly && tenure < 36.0 { 0.85 } else { 0.05 };
        let churn = if draw(3) < p { "Yes" } else { "No" };
        let contract = if monthly { "month" } else { "year" };
        text += &format!("{customer},{tenure},{contract},{:.2},{churn}\n", 20.0 + 80.0 * draw(4));
    }
    text
}
