//! `rekindle drift` from the outside: exit codes, reports, models that cannot be compared.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use rekindle_models::seed::{mix2, unit};

use crate::programs::{done, refused, rekindle, run};
use crate::small_model;

/// Customers who leave the likelier the longer they were away; `away` stretches that. Without `answers`, nobody knows yet
/// who left.
fn table(seed: u64, rows: u64, away: f64, answers: bool) -> String {
    let mut text = format!("id,days_away,visits,plan{}\n", if answers { ",left" } else { "" });
    for row in 0..rows {
        let draw = |of: u64| unit(mix2(mix2(seed, of), row));
        let (days, visits) = (100.0 * draw(0) * away, (10.0 * draw(1)).floor());
        let plan = ["basic", "gold"][usize::from(draw(2) < 0.3)];
        let z = 0.05 * (days - 50.0) - 0.1 * (visits - 5.0);
        let left = u8::from(draw(3) < 1.0 / (1.0 + (-z).exp()));
        write!(text, "c{seed}_{row},{days:.1},{visits},{plan}").unwrap();
        if answers {
            write!(text, ",{left}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn fitted(folder: &Path) {
    fs::write(folder.join("fit.csv"), table(1, 4_000, 1.0, true)).unwrap();
    let fit = ["fit", "fit.csv", "--target", "left", "--id", "id", "--model", "logistic", "-q"];
    done(folder, &[fit.as_slice(), &["-o", "registry"]].concat());
}

#[test]
fn customers_as_they_were_are_no_drift_and_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fitted(at);
    fs::write(at.join("same.csv"), table(2, 2_000, 1.0, false)).unwrap();
    fs::write(at.join("moved.csv"), table(3, 2_000, 1.6, false)).unwrap();

    let same = run(at, &["drift", "registry/left", "same.csv"]);
    let said = String::from_utf8(same.stdout).unwrap();
    assert_eq!(same.status.code(), Some(0), "{said}");
    assert!(said.contains("NO DRIFT") && said.contains("estimated without answers"), "{said}");

    let moved = run(at, &["drift", "registry/left", "moved.csv", "--json", "-o", "out"]);
    assert_eq!(moved.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&moved.stdout).unwrap();
    let of = &json["tables"][0];
    assert_eq!((&json["verdict"], &of["verdict"]), (&"drift".into(), &"drift".into()));
    assert_eq!(of["features"][0]["feature"], "days_away");
    assert_eq!(of["features"][0]["drift"], "large");
    assert_eq!(of["estimate"]["trusted"], false);
    assert!(of["matured"].is_null());
    let written = fs::read_to_string(at.join("out/drift.json")).unwrap();
    assert_eq!(written.as_bytes(), moved.stdout);
    let page = fs::read_to_string(at.join("out/drift.md")).unwrap();
    assert!(page.contains("**drift**") && page.contains("| days_away | large |"), "{page}");

    // A limit of one's own.
    let wide = ["drift", "registry/left", "moved.csv", "--max-psi", "9", "--max-weighted-psi", "9"];
    assert_eq!(run(at, &wide).status.code(), Some(0));
    // Too few to say.
    fs::write(at.join("few.csv"), table(4, 50, 1.0, false)).unwrap();
    assert_eq!(run(at, &["drift", "registry/left", "few.csv"]).status.code(), Some(2));
    assert!(
        refused(at, &["drift", "registry/left", "same.csv", "--max-psi=-1"])
            .contains("--max-psi -1")
    );
    assert!(refused(at, &["drift", "registry/left", "same.csv", "--matured"]).contains("--cutoff"));
}

#[test]
fn answers_stand_beside_what_was_estimated() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fitted(at);
    fs::write(at.join("answered.csv"), table(5, 3_000, 1.0, true)).unwrap();
    let summary = at.join("summary.md");
    let output = std::process::Command::new(rekindle())
        .args(["drift", "registry/left", "answered.csv", "--json", "-q"])
        .env("GITHUB_STEP_SUMMARY", &summary)
        .current_dir(at)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = json["tables"][0]["matured"]["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 4);
    for figure in figures {
        let (estimated, truth) = (&figure["estimated"]["value"], &figure["came_true"]);
        let off = estimated.as_f64().unwrap() - truth.as_f64().unwrap();
        assert!(off.abs() < 0.03 && figure["within"] == true, "{figure}");
    }
    assert!(fs::read_to_string(summary).unwrap().contains("| answered.csv | no drift |"));
}

#[test]
fn a_model_without_a_reference_population_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    small_model::artifact("churn", 0.0).save(&at.join("old.rekindle")).unwrap();
    fs::write(at.join("t.csv"), "recency_days,spend,subscribed,plan\n1,2,true,gold\n").unwrap();
    let said = refused(at, &["drift", "old.rekindle", "t.csv"]);
    assert!(said.contains("reference population") && said.contains("fit it again"), "{said}");
}

#[test]
fn a_reference_population_that_does_not_fit_the_features_is_refused() {
    use rekindle_models::artifact::{Artifact, Distribution};
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fitted(at);
    let artifact = Artifact::load(&at.join("registry/left/1/model.rekindle")).unwrap();
    let read = Artifact::from_bytes(&artifact.to_bytes().unwrap(), "m").unwrap();
    assert_eq!(read.manifest.reference, artifact.manifest.reference);
    let mut fewer = artifact.clone();
    fewer.manifest.reference.as_mut().unwrap().features.pop();
    let mut unsorted = artifact;
    let features = &mut unsorted.manifest.reference.as_mut().unwrap().features;
    let Distribution::Numbers { edges, .. } = &mut features[0] else { panic!("days are numbers") };
    edges.reverse();
    for bad in [fewer, unsorted] {
        let error = Artifact::from_bytes(&bad.to_bytes().unwrap(), "m").unwrap_err().to_string();
        assert!(error.contains("reference population"), "{error}");
    }
}
