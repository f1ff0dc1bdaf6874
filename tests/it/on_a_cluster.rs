//! `--cluster` without the executable that clusters are reached by. What happens with it: `cluster/tests`.

use std::process::Command;

use crate::programs::{done, rekindle};

#[test]
fn what_is_missing_is_told_with_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    done(here, &["simulate", "--customers", "50", "--days", "300", "-o", "events.csv"]);
    done(here, &["init", "events.csv", "-o", "rekindle.toml"]);
    // Somewhere else, so that no other executable lies beside it.
    let alone = here.join("rekindle");
    std::fs::copy(rekindle(), &alone).unwrap();
    for words in [
        &["features", "-o", "snapshots"][..],
        &["score", "registry/churned", "snapshots", "-o", "scores"],
        &["fit", "snapshots", "--target", "churned"],
    ] {
        let mut command = Command::new(&alone);
        command
            .args(words)
            .args(["--cluster", "http://127.0.0.1:9"])
            .current_dir(here)
            .env("PATH", "");
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        assert!(
            told.contains("--cluster is run by rekindle-cluster, which cannot be started"),
            "{told}"
        );
        assert!(told.contains("cargo build --release -p rekindle-cluster"), "{told}");
    }
    let parts =
        Command::new(&alone).args(["features", "--parts", "4"]).current_dir(here).output().unwrap();
    assert!(String::from_utf8_lossy(&parts.stderr).contains("--cluster"));
}
