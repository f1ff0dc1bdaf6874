//! A small real model for tests of the service: fitted on 400 customers whose recency, spend and
//! plan tell who leaves. Its rows serve for everything at once, which no real model's do.

use rekindle_models::artifact::{
    Artifact, CalibrationEntry, Golden, Manifest, PartCount, RowCounts, TargetEntry, ThresholdEntry,
};
use rekindle_models::baseline::Baseline;
use rekindle_models::calibration::Calibration;
use rekindle_models::classifiers::Classifier;
use rekindle_models::classifiers::logistic::Logistic;
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Binding, Column, Field, Frame, Kind, MISSING_CODE, Rows, Schema};
use rekindle_models::scorer::{Reference, Scorer};
use rekindle_models::seed;

const ROWS: u32 = 400;

/// A logistic model of that name; the higher the `shift`, the more customers leave.
pub fn artifact(name: &str, shift: f64) -> Artifact {
    artifact_of(&Logistic::default(), name, shift)
}

/// The same with another classifier.
pub fn artifact_of(classifier: &dyn Classifier, name: &str, shift: f64) -> Artifact {
    let (frame, target) = table(shift);
    let rows: Vec<u32> = (0..ROWS).collect();
    let weight = vec![1.0; rows.len()];
    let features: Vec<usize> = (0..frame.schema().len()).collect();
    let data = Dataset {
        frame: &frame,
        features: &features,
        rows: &rows,
        target: &target,
        weight: &weight,
    };
    let model = classifier.fit(&data).unwrap();
    let margins = model.margins(&data.to_rows());
    let scorer = Scorer {
        schema: data.schema(),
        model,
        calibration: Calibration::fit(&margins, &target, &weight).unwrap(),
        threshold: 0.5,
        reference: Reference::new(&margins, &weight),
    };
    let positives = target.iter().filter(|t| **t).count();
    let manifest = manifest(name, &scorer, positives);
    let golden = Golden::of(&scorer, data.with_rows(&Golden::places(&margins)).to_rows());
    Artifact { manifest, scorer, baseline: Baseline::recency(&data, 0), golden }
}

/// The rows of its table.
pub fn rows() -> Rows {
    let (frame, _) = table(0.0);
    let binding = Binding::new(frame.schema(), frame.schema()).unwrap();
    binding.rows(&frame, 0..frame.rows())
}

fn table(shift: f64) -> (Frame, Vec<bool>) {
    let levels = ["basic", "gold"].map(str::to_owned);
    let kinds = [
        ("recency_days", Kind::Numeric),
        ("spend", Kind::Numeric),
        ("subscribed", Kind::Boolean),
        ("plan", Kind::Categorical(levels.into())),
    ];
    let field = |(name, kind): (&str, Kind)| Field { name: name.to_owned(), kind };
    let draw = |row: u32, column: u64| seed::unit(seed::mix2(row.into(), column));
    let recency = |row| 100.0 * draw(row, 0);
    let spend = |row| if row % 9 == 0 { f64::NAN } else { 200.0 * draw(row, 1) };
    let subscribed = |row| f64::from(u8::from(draw(row, 2) < 0.5));
    let plan = |row| match row % 11 {
        0 => MISSING_CODE,
        _ => u32::from(draw(row, 3) < 0.4),
    };
    let leaves = |row| {
        let gold = if plan(row) == 1 { 1.0 } else { 0.0 };
        let margin = 0.06 * (recency(row) - 50.0) - gold + shift;
        draw(row, 4) < 1.0 / (1.0 + (-margin).exp())
    };
    let columns = vec![
        Column::Number((0..ROWS).map(recency).collect()),
        Column::Number((0..ROWS).map(spend).collect()),
        Column::Number((0..ROWS).map(subscribed).collect()),
        Column::Category((0..ROWS).map(plan).collect()),
    ];
    let schema = Schema::new(kinds.map(field).into()).unwrap();
    (Frame::new(schema, columns).unwrap(), (0..ROWS).map(leaves).collect())
}

fn manifest(name: &str, scorer: &Scorer, positives: usize) -> Manifest {
    let part = PartCount {
        rows: ROWS as usize,
        positives,
        weight: f64::from(ROWS),
        positive_weight: positives as f64,
        time: None,
    };
    Manifest {
        model_name: name.to_owned(),
        classifier: scorer.model.name().to_owned(),
        target: TargetEntry { column: "churned".to_owned(), value: "1".to_owned() },
        population: "all customers".to_owned(),
        features: Manifest::features_of(&scorer.schema),
        feature_spec: None,
        id_column: Some("customer".to_owned()),
        time_column: None,
        weight_column: None,
        ignored_columns: vec!["customer".to_owned(), "churned".to_owned()],
        missing_markers: vec!["NA".to_owned()],
        rows: RowCounts { train: part.clone(), calibration: part.clone(), test: part },
        training_time: None,
        leaks: Vec::new(),
        influence: None,
        selection: Vec::new(),
        reference: None,
        expected_addends: None,
        words: Default::default(),
        profit: None,
        threshold: ThresholdEntry { value: 0.5, rule: "one half".to_owned(), met: true },
        calibration: CalibrationEntry::of(&scorer.calibration),
        candidates: Vec::new(),
        metrics: None,
        verdict: None,
        seed: 0,
        data_fingerprint: String::new(),
        crate_versions: std::collections::BTreeMap::new(),
    }
}
