//! Thresholds by money: `--profit`, its figures against sums by hand, and what is refused.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use crate::programs::{done, refused, reports, run};

/// Customers who churn the likelier the larger `x`, with a value of their own; and as many to judge on.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, from) in [("customers.csv", 0_u64), ("later.csv", 1_000_000)] {
        let mut text = "id,x,worth,churned\n".to_owned();
        for id in from..from + 3_000 {
            let draw = |k: u64| rekindle_models::seed::unit(rekindle_models::seed::mix2(id, k));
            let (x, worth) = (draw(1), (50.0 + 300.0 * draw(2)).round());
            let churned = u8::from(draw(3) < 0.6 * x * x);
            writeln!(text, "{id},{x},{worth},{churned}").unwrap();
        }
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

const FIT: [&str; 9] = [
    "fit",
    "customers.csv",
    "--target",
    "churned",
    "--id",
    "id",
    "--model",
    "logistic",
    "--no-influence",
];

#[test]
fn the_figures_in_money_are_the_sums_over_the_judged_customers() {
    let folder = shop();
    let at = folder.path();
    let campaign = ["--profit", "clv=worth", "--profit", "incentive_cost=5", "--profit", "alpha=8"];
    let text = done(at, &[&FIT[..], &campaign].concat());
    for words in ["largest profit of the campaign", "value of a customer kept by worth", "EMPC"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let report = run(at, &["evaluate", "registry/churned", "later.csv", "--json"]);
    let report = &reports(&report.stdout)[0];
    assert_eq!(report["campaign"]["clv"], "worth");
    let figures = &report["evaluation"];
    let threshold = figures["threshold"].as_f64().unwrap();

    done(at, &["score", "registry/churned", "later.csv", "-o", "scores.csv"]);
    let scores = fs::read_to_string(at.join("scores.csv")).unwrap();
    let table = fs::read_to_string(at.join("later.csv")).unwrap();
    let mut rows: Vec<(f64, f64, bool)> = scores
        .lines()
        .zip(table.lines())
        .skip(1)
        .map(|(score, row)| {
            let cells: Vec<&str> = row.split(',').collect();
            let probability = score.split(',').nth(1).unwrap().parse().unwrap();
            (probability, cells[2].parse().unwrap(), cells[3] == "1")
        })
        .collect();
    let gain = |&(_, worth, churned): &(f64, f64, bool)| match churned {
        true => 8.0 / 22.0 * (worth - 5.0) - 1.0,
        false => -6.0,
    };
    let n = rows.len() as f64;
    let at_threshold: f64 = rows.iter().filter(|row| row.0 >= threshold).map(gain).sum();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = (0.0_f64, 0.0);
    for (place, row) in rows.iter().enumerate() {
        best.1 += gain(row);
        // Customers of one probability are contacted together.
        if rows.get(place + 1).is_none_or(|next| next.0 < row.0) {
            best.0 = best.0.max(best.1);
        }
    }
    let figure = |name: &str| figures[name]["value"].as_f64().unwrap();
    assert!((figure("profit") - at_threshold / n).abs() < 1e-9, "{figures}");
    assert!((figure("empb") - best.0 / n).abs() < 1e-9, "{figures}");
    // The expected largest profit is no less than the largest expected one.
    assert!(figure("empc") >= figure("mpc"), "{figures}");
    let everybody = figures["money_baselines"]["everybody"]["value"].as_f64().unwrap();
    assert!((everybody - rows.iter().map(gain).sum::<f64>() / n).abs() < 1e-9);
    // Chosen on other customers, it comes near the best of these.
    assert!(figure("profit") > 0.9 * figure("empb"), "{figures}");
}

#[test]
fn parameters_are_looked_for_by_profit() {
    let folder = shop();
    let words =
        ["fit", "customers.csv", "--target", "churned", "--id", "id", "--model", "boosting"];
    let more = ["--no-influence", "--profit", "clv=worth", "--objective", "profit"];
    let text = done(folder.path(), &[&words[..], &more, &["--budget", "3"]].concat());
    assert!(text.contains("profit per row"), "{text}");
}

#[test]
fn a_campaign_that_cannot_be_is_refused_by_name() {
    let folder = shop();
    let at = folder.path();
    for (given, words) in [
        (&["--profit", "clvv=3"][..], "unknown field `clvv`"),
        (&["--profit", "clv"], "expected NAME=VALUE"),
        (&["--profit", "clv=wroth"], "did you mean \"worth\"?"),
        (&["--profit", "alpha=0"], "profit alpha is 0, expected a number above 0"),
        (&["--profit", "alpha=many"], "alpha"),
        (&["--profit", "clv=1", "--profit", "clv=2"], "clv is given twice"),
        (&["--profit", "clv=1", "--cost", "1,2"], "cannot be used with"),
        (&["--objective", "profit", "--budget", "3"], "expected --profit"),
    ] {
        let model = ["fit", "customers.csv", "--target", "churned", "--id", "id"];
        let text = refused(at, &[&model[..], given].concat());
        assert!(text.contains(words), "{words} is not in {text}");
    }
    // A cell without an amount has a row.
    let table = fs::read_to_string(at.join("customers.csv")).unwrap();
    let mut lines: Vec<&str> = table.lines().collect();
    lines[7] = "6,0.5,,0";
    fs::write(at.join("customers.csv"), lines.join("\n")).unwrap();
    let text = refused(at, &[&FIT[..], &["--profit", "clv=worth"]].concat());
    assert!(text.contains("row 7") && text.contains("amount of money"), "{text}");
}
