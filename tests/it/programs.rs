//! The programs of the workspace, built once for all tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The path of `rekindle`. It belongs to another package than these tests, so cargo has not built it
/// for them.
pub fn rekindle() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        // target/PROFILE/deps/it-HASH
        let tests = std::env::current_exe().unwrap();
        let folder = tests.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--locked",
            "-p",
            "rekindle-training",
            "--bin",
            "rekindle",
        ]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
        assert!(built.success(), "rekindle could not be built");
        folder.join(format!("rekindle{}", std::env::consts::EXE_SUFFIX))
    };
    BUILT.get_or_init(build).clone()
}

/// Runs `rekindle` in a folder.
pub fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(rekindle()).args(words).current_dir(folder).output().unwrap()
}

/// What it prints when it does what was asked, whatever its verdict.
pub fn done(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0..=2)) && !said.contains("rekindle:"), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The reports of a document in JSON, as `fit`, `run` and `evaluate` print it.
pub fn reports(json: &[u8]) -> Vec<serde_json::Value> {
    let document: serde_json::Value = serde_json::from_slice(json)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(json)));
    document["reports"].as_array().unwrap().clone()
}

/// What it says when it refuses.
pub fn refused(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}
