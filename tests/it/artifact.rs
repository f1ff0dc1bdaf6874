//! Saved models: damaged, cut off, foreign and newer files are refused, never scored with.

use std::path::{Path, PathBuf};

use rekindle_models::artifact::{Artifact, Registry};
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::Rows;

use crate::small_model;

fn refusal(bytes: &[u8]) -> String {
    match Artifact::from_bytes(bytes, "model") {
        Ok(_) => panic!("a damaged file was taken for a model"),
        Err(error) => error.to_string(),
    }
}

fn boosted() -> Artifact {
    let params = Boosting { min_data_in_leaf: 5.0, min_data_per_group: 5.0, ..Boosting::default() };
    small_model::artifact_of(&params, "churn", 0.0)
}

#[test]
fn what_was_saved_is_read_back_whole() {
    for artifact in [small_model::artifact("churn", 0.0), boosted()] {
        let bytes = artifact.to_bytes().unwrap();
        let read = Artifact::from_bytes(&bytes, "model").unwrap();
        assert_eq!(read, artifact);
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
}

/// Trees that ask for a feature which the manifest does not have.
#[test]
fn boosted_trees_are_not_walked_beyond_their_features() {
    let mut artifact = boosted();
    artifact.manifest.features.truncate(1);
    let said = refusal(&artifact.to_bytes().unwrap());
    assert!(said.contains("its classifier cannot be"), "{said}");
}

#[test]
fn no_byte_of_a_saved_model_can_change_unseen() {
    let bytes = small_model::artifact("churn", 0.0).to_bytes().unwrap();
    for place in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= change;
            refusal(&changed);
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_refused_by_name() {
    let bytes = small_model::artifact("churn", 0.0).to_bytes().unwrap();
    for length in 0..bytes.len() {
        let said = refusal(&bytes[..length]);
        assert!(length < 8 || said.contains("truncated"), "{length}: {said}");
    }
    let longer = [bytes.as_slice(), b"\n"].concat();
    assert!(refusal(&longer).contains("damaged"));
    assert!(refusal(b"PK\x03\x04 not a model at all").contains("foreign"));
    let mut newer = bytes;
    newer[8] = 9;
    assert!(refusal(&newer).contains("newer: format 9, this program reads up to 1"));
}

/// A sound frame around a model that could not score: the frame alone is not trusted.
#[test]
fn a_sound_checksum_does_not_make_an_impossible_model() {
    let good = small_model::artifact("churn", 0.0);
    let mut missing_feature = good.clone();
    missing_feature.manifest.features.pop();
    let mut other_name = good.clone();
    other_name.manifest.classifier = "forest".to_owned();
    let mut no_threshold = good;
    no_threshold.manifest.threshold.value = f64::NAN;
    for impossible in [missing_feature, other_name, no_threshold] {
        refusal(&impossible.to_bytes().unwrap());
    }
}

/// Written once by format 1 and read by every later program. `REKINDLE_BLESS=1` writes it anew: only
/// for a new format version, never to make this test pass.
#[test]
fn the_model_of_format_1_scores_as_it_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let (model, scores) = (folder.join("model-v1.rekindle"), folder.join("model-v1.scores.txt"));
    let table = |artifact: &Artifact| {
        let cell = |row: u64, feature: u64| match row % 7 {
            3 if feature == 1 => f64::NAN,
            _ if feature == 2 => (row % 2) as f64,
            _ if feature == 3 => (row % 3) as f64 - 1.0,
            _ => (row * (feature + 3)) as f64 * 1.5,
        };
        let width = artifact.scorer.schema.len();
        let cells = (0..40).flat_map(|row| (0..width as u64).map(move |f| cell(row, f))).collect();
        let scored = artifact.scorer.score(&Rows::from_cells(width, cells));
        let line = |s: &rekindle_models::scorer::Score| {
            format!("{:016x} {} {}\n", s.probability.to_bits(), s.percentile, s.positive)
        };
        scored.iter().map(line).collect::<String>()
    };
    if std::env::var_os("REKINDLE_BLESS").is_some() {
        let artifact = small_model::artifact("golden", 0.0);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&model, artifact.to_bytes().unwrap()).unwrap();
        std::fs::write(&scores, table(&artifact)).unwrap();
    }
    let artifact = Artifact::load(&model).unwrap();
    assert_eq!(table(&artifact), std::fs::read_to_string(&scores).unwrap());
}

#[test]
fn a_registry_counts_versions_and_remembers_promotions() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(folder.path()).unwrap();
    let artifact = small_model::artifact("churn", 0.0);
    let said = |result: rekindle_models::Result<_>| match result {
        Ok(()) => panic!("it should have been refused"),
        Err(error) => error.to_string(),
    };
    for version in 1..=3 {
        assert_eq!(registry.add(&artifact, &[("report.md", b"# report")]).unwrap(), version);
    }
    assert_eq!(registry.current("churn").unwrap(), None);
    for version in [1, 3, 2] {
        registry.promote("churn", version).unwrap();
    }
    assert_eq!(registry.rollback("churn").unwrap(), 3);
    assert_eq!(registry.rollback("churn").unwrap(), 1);
    assert!(said(registry.rollback("churn").map(drop)).contains("no earlier promotion"));
    assert_eq!(registry.current("churn").unwrap(), Some(1));
    assert!(said(registry.promote("churn", 7)).contains("no version 7; there is 1, 2, 3"));
    assert!(said(registry.promote("chrun", 1)).contains("it holds churn"));
    assert!(said(registry.promote("../churn", 1)).contains("cannot name a model"));
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path().join("churn"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "temporary files are left: {left:?}");
}
