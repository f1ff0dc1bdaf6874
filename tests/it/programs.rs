//! The programs of the workspace, built once for all tests.

use std::path::PathBuf;
use std::process::Command;
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
