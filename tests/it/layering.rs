//! ARCHITECTURE.md says which module may import which; the code is held to it here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The `layers` blocks: folder, and per module in order the modules it may import.
type Layers = Vec<(String, BTreeSet<String>)>;

fn layers() -> Vec<(String, Layers)> {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut blocks = Vec::new();
    for block in page.split("```layers ").skip(1) {
        let (folder, rest) = block.split_once('\n').unwrap();
        let lines = rest.split("```").next().unwrap().lines();
        let modules = lines.map(|line| {
            let (module, allowed) = line.split_once(':').unwrap();
            (module.to_owned(), allowed.split_whitespace().map(str::to_owned).collect())
        });
        blocks.push((folder.trim().to_owned(), modules.collect()));
    }
    blocks
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => rust_files(&path, files),
            false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            false => {}
        }
    }
}

/// The modules of its own crate that a file names, outside comments.
fn imports(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let names = code.flat_map(|line| line.split("crate::").skip(1).zip(line.split("crate::")));
    let own =
        names.filter(|(_, before)| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    own.map(|(name, _)| {
        name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>()
    })
    .filter(|name| !name.is_empty())
    .collect()
}

#[test]
fn modules_import_only_what_architecture_md_allows() {
    let blocks = layers();
    assert_eq!(blocks.len(), 5, "ARCHITECTURE.md has a block per crate");
    let mut wrong = Vec::new();
    for (folder, modules) in &blocks {
        let source = root().join(folder);
        let allowed: BTreeMap<_, _> = modules.iter().cloned().collect();
        let mut files = Vec::new();
        rust_files(&source, &mut files);
        for file in files {
            let within = file.strip_prefix(&source).unwrap();
            let first = within.components().next().unwrap().as_os_str().to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            // Tests may look further than what they test.
            if module == "lib" || module == "main" || file.ends_with("tests.rs") {
                continue;
            }
            let Some(allowed) = allowed.get(&module) else {
                wrong.push(format!("{folder}/{module} is not in ARCHITECTURE.md"));
                continue;
            };
            for import in imports(&file).iter().filter(|i| **i != module) {
                // Names that `lib.rs` re-exports (`Error`, `Result`) start in upper case.
                if !allowed.contains(import) {
                    wrong.push(format!("{} imports {import}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "against ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

#[test]
fn imports_go_one_way_up_the_list() {
    for (folder, modules) in layers() {
        let mut seen = BTreeSet::new();
        for (module, allowed) in modules {
            let later: Vec<_> = allowed.difference(&seen).collect();
            assert!(later.is_empty(), "{folder}/{module} may import {later:?}, which come later");
            seen.insert(module);
        }
    }
}

#[test]
fn libraries_of_machine_learning_stay_in_one_file_each() {
    let mut files = Vec::new();
    for folder in ["models/src", "store/src", "training/src", "src"] {
        rust_files(&root().join(folder), &mut files);
    }
    let arrow = [
        "frame/arrow.rs",
        "sheet.rs",
        "snapshot.rs",
        "ingest/",
        "distributed/sample.rs",
        "simulate/",
        "src/rows/arrow.rs",
        "src/batch/output.rs",
    ];
    for (library, homes) in [
        ("linfa", &["classifiers/logistic.rs"][..]),
        ("smartcore", &["classifiers/forest.rs"]),
        ("arrow_array", &arrow),
    ] {
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            let used =
                text.lines().any(|line| line.trim_start().starts_with(&format!("use {library}")));
            let tests = file.ends_with("tests.rs");
            let path = file.display().to_string();
            let at_home = homes.iter().any(|home| path.contains(home));
            assert!(!used || tests || at_home, "{path} uses {library}");
        }
    }
}

#[test]
fn the_crates_of_the_two_programs_do_not_meet() {
    let manifest = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let section = |text: &str, name: &str| {
        let after = text.split(&format!("\n[{name}]\n")).nth(1).unwrap_or_default().to_owned();
        after.split("\n[").next().unwrap_or_default().to_owned()
    };
    let service = section(&manifest("Cargo.toml"), "dependencies");
    assert!(service.contains("rekindle-models") && !service.contains("rekindle-training"));
    let training = section(&manifest("training/Cargo.toml"), "dependencies");
    assert!(!training.contains("actix") && !training.contains("\nrekindle."));
    let models = section(&manifest("models/Cargo.toml"), "dependencies");
    let store = section(&manifest("store/Cargo.toml"), "dependencies");
    // It takes decisions of plans, and learns and scores nothing.
    assert!(!store.contains("rekindle-training") && !store.contains("actix"));
    for (crate_name, section) in [("training", &training), ("the service", &service)] {
        assert!(!section.contains("sqlx"), "{crate_name} asks the store, not the database");
    }
    for heavy in ["actix", "tokio", "datafusion", "sqlx", "reqwest", "rekindle-training"] {
        assert!(!models.contains(heavy), "models depends on {heavy}");
    }
}

#[test]
fn what_became_known_late_explains_scores_and_makes_none() {
    let mut files = Vec::new();
    for folder in ["models/src", "store/src", "training/src", "src"] {
        rust_files(&root().join(folder), &mut files);
    }
    let homes = ["behaviour/history.rs", "attributes/store.rs", "training/src/change.rs"];
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let path = file.display().to_string();
        let at_home = homes.iter().any(|home| path.ends_with(home));
        let text = fs::read_to_string(file).unwrap();
        assert!(at_home || !text.contains(".as_known("), "{path} looks beyond a cutoff");
    }
}
