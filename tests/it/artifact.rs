//! Saved models: damaged, cut off, foreign and newer files are refused, never scored with.

use std::path::{Path, PathBuf};

use rekindle_models::artifact::{Artifact, Golden, MOST_GOLDEN, Registry};
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::{Rows, Schema};

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
    assert!(refusal(&newer).contains("newer: format 9, this program reads up to 2"));
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

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden");

/// Scores of 40 rows with missing cells and unknown levels, a line each, probabilities as bits.
fn scored(artifact: &Artifact) -> String {
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
    scored.iter().map(line).collect()
}

/// The model that was written once by a format and is read by every later program.
fn kept(format: u32) -> Artifact {
    let artifact = Artifact::load(&Path::new(GOLDEN).join(format!("model-v{format}.rekindle")));
    let artifact = artifact.unwrap();
    let scores = Path::new(GOLDEN).join(format!("model-v{format}.scores.txt"));
    assert_eq!(scored(&artifact), std::fs::read_to_string(scores).unwrap());
    artifact
}

#[test]
fn the_model_of_format_1_scores_as_it_did_and_has_no_golden_rows() {
    let artifact = kept(1);
    assert!(artifact.golden.is_empty());
    artifact.golden.check(&artifact.scorer).unwrap();
}

/// `REKINDLE_BLESS=1` writes the file anew: only for a new format version, never to make this test pass.
#[test]
fn the_model_of_format_2_scores_as_it_did_and_so_do_its_golden_rows() {
    if std::env::var_os("REKINDLE_BLESS").is_some() {
        let artifact = small_model::artifact("golden", 0.0);
        artifact.save(&Path::new(GOLDEN).join("model-v2.rekindle")).unwrap();
        let scores = Path::new(GOLDEN).join("model-v2.scores.txt");
        std::fs::write(scores, scored(&artifact)).unwrap();
    }
    let artifact = kept(2);
    assert_eq!(artifact.golden.len(), MOST_GOLDEN);
    artifact.golden.check(&artifact.scorer).unwrap();
}

#[test]
fn golden_rows_tell_a_model_that_is_not_the_one_they_were_kept_of() {
    let good = small_model::artifact("churn", 0.0);
    let (other, trees) = (small_model::artifact("churn", 0.4), boosted());
    good.golden.check(&good.scorer).unwrap();
    let mut higher = good.scorer.clone();
    higher.threshold = 0.9;
    let mut other_places = good.scorer.clone();
    other_places.reference = other.scorer.reference.clone();
    for changed in [&higher, &other_places, &other.scorer, &trees.scorer] {
        let said = good.golden.check(changed).unwrap_err().to_string();
        assert!(said.contains("golden row ") && said.contains("expected probability"), "{said}");
    }
    // The first that differs is named: rows lie in the order of their margins.
    let said = good.golden.check(&higher).unwrap_err().to_string();
    let kept = good.scorer.threshold;
    let first = good.scorer.score(&rows_of(&good)).iter().position(|s| s.probability >= kept);
    let row = format!("golden row {}: ", first.unwrap() + 1);
    assert!(said.starts_with(&row) && said.contains(", not positive; expected"), "{said}");
    let mut narrow = good.scorer;
    narrow.schema = Schema::new(narrow.schema.fields()[..2].to_vec()).unwrap();
    let said = good.golden.check(&narrow).unwrap_err().to_string();
    assert!(said.contains("found a model of 2 features"), "{said}");
}

/// The golden rows of a small model: those of its own table.
fn rows_of(artifact: &Artifact) -> Rows {
    let kept = small_model::rows();
    let margins = artifact.scorer.model.margins(&kept);
    let cells =
        Golden::places(&margins).into_iter().flat_map(|row| kept.row(row as usize).to_vec());
    Rows::from_cells(kept.width(), cells.collect())
}

#[test]
fn rows_that_are_kept_are_the_lowest_the_highest_and_those_evenly_between() {
    let check = |margins: &[f64], expected: &[u32]| assert_eq!(Golden::places(margins), expected);
    check(&[], &[]);
    check(&[2.0], &[0]);
    check(&[3.0, f64::INFINITY, 1.0, 1.0], &[2, 3, 0, 1]);
    let falling: Vec<f64> = (0..31).map(|row| -f64::from(row)).collect();
    let every_other: Vec<u32> = (0..31).rev().step_by(2).collect();
    check(&falling, &every_other);
}

#[test]
fn a_sound_checksum_does_not_make_impossible_golden_rows() {
    let good = small_model::artifact("churn", 0.0);
    let bytes = good.to_bytes().unwrap();
    let content = &bytes[..bytes.len() - 32];
    // The last golden score: probability (8 bytes), percentile, positive.
    let (score, cells) = (content.len() - 10, content.len() - 16 * 10 - 1 - 16 * 4 * 8);
    let sealed = |content: &[u8]| [content, blake3::hash(content).as_bytes()].concat();
    assert_eq!(Artifact::from_bytes(&sealed(content), "model").unwrap(), good);
    let with = |place: usize, new: &[u8]| {
        let mut changed = content.to_vec();
        changed[place..place + new.len()].copy_from_slice(new);
        refusal(&sealed(&changed))
    };
    let cases: [(usize, &[u8]); 6] = [
        (score, &1.5_f64.to_le_bytes()),
        (score, &f64::NAN.to_le_bytes()),
        (score + 8, &[0]),
        (score + 8, &[101]),
        (cells + 3 * 8, &2.0_f64.to_le_bytes()),
        (cells + 3 * 8, &0.5_f64.to_le_bytes()),
    ];
    for (place, new) in cases {
        let said = with(place, new);
        assert!(said.contains("its golden rows cannot be"), "{place} {new:?}: {said}");
    }
    // An unknown level, a missing one and an infinite number are cells as any.
    for (place, cell) in [(3, -1.0), (3, f64::NAN), (0, f64::INFINITY)] {
        let mut changed = content.to_vec();
        changed[cells + place * 8..cells + place * 8 + 8].copy_from_slice(&cell.to_le_bytes());
        Artifact::from_bytes(&sealed(&changed), "model").unwrap();
    }
    // More rows than can be: 17 scores, and lengths beyond the file.
    let mut many = good.clone();
    let cells = vec![1.0; 17 * 4];
    many.golden = Golden::of(&good.scorer, Rows::from_cells(4, cells));
    let said = many.to_bytes().unwrap_err().to_string();
    assert!(said.contains("17 golden rows, at most 16"), "{said}");
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
