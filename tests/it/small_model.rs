//! A small real model for tests of the service.

use rekindle_models::artifact::{
    Artifact, Manifest, PartCount, RowCounts, TargetEntry, ThresholdEntry,
};
use rekindle_models::frame::{Field, Kind, Schema};
use rekindle_models::scorer::{Reference, Scorer};

/// The features: two numbers, a truth value, a category.
pub fn schema() -> Schema {
    let levels = ["basic", "gold"].map(str::to_owned);
    let kinds = [
        ("recency_days", Kind::Numeric),
        ("spend", Kind::Numeric),
        ("subscribed", Kind::Boolean),
        ("plan", Kind::Categorical(levels.into())),
    ];
    let field = |(name, kind): (&str, Kind)| Field { name: name.to_owned(), kind };
    Schema::new(kinds.map(field).into()).unwrap()
}

/// A model of that name; models of different `shift` give different scores.
pub fn artifact(name: &str, shift: f64) -> Artifact {
    let scorer = scorer(shift);
    let part = PartCount { rows: 100, positives: 50, weight: 100.0 };
    let manifest = Manifest {
        model_name: name.to_owned(),
        classifier: scorer.model.name().to_owned(),
        target: TargetEntry { column: "churned".to_owned(), value: "1".to_owned() },
        population: "all customers".to_owned(),
        features: Manifest::features_of(&scorer.schema),
        id_column: Some("customer".to_owned()),
        time_column: None,
        time_format: None,
        weight_column: None,
        ignored_columns: vec!["customer".to_owned(), "churned".to_owned()],
        missing_markers: vec!["NA".to_owned()],
        rows: RowCounts { train: part.clone(), calibration: part.clone(), test: part },
        training_time: None,
        threshold: ThresholdEntry { value: 0.5, rule: "F1".to_owned(), met: true },
        calibration: rekindle_models::artifact::wire::Calibration {},
        candidates: Vec::new(),
        metrics: None,
        verdict: None,
        seed: 1,
        data_fingerprint: String::new(),
        crate_versions: std::collections::BTreeMap::new(),
    };
    Artifact { manifest, scorer, baseline: rekindle_models::baseline::Baseline }
}

fn scorer(shift: f64) -> Scorer {
    let margins: Vec<f64> = (0..200).map(|i| f64::from(i) / 50.0 - 2.0).collect();
    Scorer {
        schema: schema(),
        model: rekindle_models::classifiers::Fitted::Logistic(
            rekindle_models::classifiers::logistic::FittedLogistic {
                intercept: shift - 0.3,
                slopes: vec![0.031, -0.007, 0.4, 0.9],
            },
        ),
        calibration: rekindle_models::calibration::Calibration::Platt,
        threshold: 0.5,
        reference: Reference::new(&margins, &vec![1.0; 200]),
    }
}
