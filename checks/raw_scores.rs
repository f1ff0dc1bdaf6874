//! Raw scores of a saved boosting model for the rows of a table, as bits: what `exchange.py` compares
//! with LightGBM. `cargo run -p rekindle-models --example raw_scores -- MODEL.rekindle TABLE.csv`

use std::path::Path;

use rekindle_models::artifact::Artifact;
use rekindle_models::classifiers::Fitted;
use rekindle_models::frame::{Binding, ReadOptions, read};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, table] = words.as_slice() else {
        return Err("expected a model file and a table".into());
    };
    let artifact = Artifact::load(Path::new(model))?;
    let schema = &artifact.scorer.schema;
    let Fitted::Boosting(model) = &artifact.scorer.model else {
        return Err("expected a boosting model".into());
    };
    let reading = ReadOptions::for_model(schema, &artifact.manifest.missing_markers, None, &[]);
    let frame = read(Path::new(table), &reading)?;
    let rows = Binding::new(schema, frame.schema())?.rows(&frame, 0..frame.rows());
    for row in rows.iter() {
        println!("{:016x}", model.raw_score(row).to_bits());
    }
    Ok(())
}
