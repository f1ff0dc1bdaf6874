//! Versions beside the one in force: shadows and canaries, from the command line and in the registry's files.

use std::fs;
use std::path::Path;

use rekindle_models::artifact::{Canary, Registry, Rollout};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::{done, refused};
use crate::small_model;

/// A registry with three versions of `churn`, the second in force.
fn registry() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(&folder.path().join("registry")).unwrap();
    for shift in [0.0, 0.1, 0.2] {
        registry.add(&small_model::artifact("churn", shift), &[]).unwrap();
    }
    registry.promote("churn", 1).unwrap();
    registry.promote("churn", 2).unwrap();
    folder
}

fn rollout(at: &Path) -> Rollout {
    Registry::open(&at.join("registry")).unwrap().rollout("churn").unwrap()
}

#[test]
fn a_shadow_becomes_a_canary_and_then_the_version_in_force() {
    let folder = registry();
    let at = folder.path();
    assert_eq!(rollout(at), Rollout::default());
    let said = done(at, &["models", "shadow", "registry/churn", "3"]);
    assert_eq!(said, "churn: version 3 is a shadow: it scores and never answers\n");
    assert_eq!(rollout(at), Rollout { shadow: Some(3), canary: None });

    let said = done(at, &["models", "canary", "registry/churn", "3", "--share", "0.07"]);
    assert_eq!(said, "churn: version 3 is a canary: it answers for 7 % of the customers\n");
    let canary = Some(Canary { version: 3, share: 0.07 });
    assert_eq!(rollout(at), Rollout { shadow: None, canary });
    done(at, &["models", "shadow", "registry/churn", "1"]);
    assert_eq!(rollout(at), Rollout { shadow: Some(1), canary });
    let file = fs::read_to_string(at.join("registry/churn/rollout")).unwrap();
    assert_eq!(file, "{\"shadow\":1,\"canary\":{\"version\":3,\"share\":0.07}}\n");

    done(at, &["models", "promote", "registry/churn", "3"]);
    assert_eq!(rollout(at), Rollout { shadow: Some(1), canary: None });
    assert_eq!(
        done(at, &["models", "shadow", "registry/churn", "--off"]),
        "churn: no version is a shadow\n"
    );
    assert_eq!(rollout(at), Rollout::default());
    // A rollback ends what comes into force, too.
    done(at, &["models", "canary", "registry/churn", "2", "--share", "0.5"]);
    done(at, &["models", "rollback", "registry/churn"]);
    assert_eq!(rollout(at), Rollout::default());
    assert_eq!(
        done(at, &["models", "canary", "registry/churn", "--off"]),
        "churn: no version is a canary\n"
    );
}

#[test]
fn the_list_shows_what_each_version_does() {
    let folder = registry();
    let at = folder.path();
    done(at, &["models", "shadow", "registry/churn", "1"]);
    done(at, &["models", "canary", "registry/churn", "3", "--share", "0.05"]);
    let list = done(at, &["models", "list", "registry"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].contains("serves"), "{list}");
    assert!(lines[1].contains("1") && lines[1].contains("shadow"), "{list}");
    assert!(lines[2].contains("2") && lines[2].contains("in force"), "{list}");
    assert!(lines[3].contains("3") && lines[3].contains("canary 5 %"), "{list}");
    let list: Vec<Value> =
        serde_json::from_str(&done(at, &["models", "list", "registry", "--json"])).unwrap();
    let told = |entry: &Value| json!([entry["current"], entry["shadow"], entry["canary_share"]]);
    let told: Vec<Value> = list.iter().map(told).collect();
    let expected =
        [json!([false, true, null]), json!([true, false, null]), json!([false, false, 0.05])];
    assert_eq!(told, expected);
}

#[test]
fn what_cannot_stand_beside_the_version_in_force_is_refused_in_a_sentence() {
    let folder = registry();
    let at = folder.path();
    let check = |words: &[&str], expected: &str| {
        let said = refused(at, &[&["models"], words].concat());
        assert!(said.contains(expected), "{words:?}: {said}");
        assert_eq!(rollout(at), Rollout::default());
    };
    let model = "registry/churn";
    check(&["shadow", model, "2"], "version 2 of model churn is in force and cannot be its own");
    check(&["canary", model, "2", "--share", "0.1"], "cannot be its own canary");
    check(&["shadow", model, "7"], "model churn has no version 7; there is 1, 2, 3");
    for share in ["0", "1", "1.5", "NaN"] {
        let words = ["canary", model, "3", "--share", share];
        check(&words, "expected a number above 0 and below 1");
    }
    check(&["canary", model, "3"], "--share");
    check(&["canary", model, "--share", "0.1"], "VERSION");
    check(&["shadow", model], "VERSION");
    check(&["shadow", model, "3", "--off"], "cannot be used with");
    check(&["shadow", "registry/chrun", "3"], "no such model");

    let registry = Registry::open(&at.join("registry")).unwrap();
    let twice = Rollout { shadow: Some(3), canary: Some(Canary { version: 3, share: 0.1 }) };
    let said = registry.set_rollout("churn", &twice).unwrap_err().to_string();
    assert!(said.contains("cannot be shadow and canary at once"), "{said}");
    registry.add(&small_model::artifact("fresh", 0.0), &[]).unwrap();
    let shadow = Rollout { shadow: Some(1), canary: None };
    let said = registry.set_rollout("fresh", &shadow).unwrap_err().to_string();
    assert!(said.contains("no version of model fresh is in force"), "{said}");
}

#[test]
fn a_rollout_file_that_cannot_be_is_refused_with_what_to_do() {
    let folder = registry();
    let at = folder.path();
    let registry = Registry::open(&at.join("registry")).unwrap();
    for (text, expected) in [
        ("", "EOF"),
        ("{\"shadow\":3,\"share\":1}", "unknown field `share`"),
        ("{\"shadow\":-1}", "invalid value"),
        ("{\"shadow\":9}", "found version 9 as shadow, expected one of [1, 2, 3]"),
        ("{\"canary\":{\"version\":3}}", "missing field `share`"),
        ("{\"canary\":{\"version\":3,\"share\":1}}", "found a share of 1, expected a number"),
    ] {
        fs::write(at.join("registry/churn/rollout"), text).unwrap();
        let said = registry.rollout("churn").unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("delete the file"), "{text}: {said}");
    }
}
