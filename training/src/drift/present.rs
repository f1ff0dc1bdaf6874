//! A table of customers with what a model says of them, answers known or not. Compares and judges nothing.

use std::path::Path;

use rekindle_models::artifact::Artifact;
use rekindle_models::frame::{Frame, ReadOptions, read};

use crate::error::Result;
use crate::holdout::{HoldoutOptions, bind, check_complete, customers_of, weights_of};
use crate::label::TargetSpec;

/// The rows as they are now.
#[derive(Debug)]
pub struct Present {
    /// The table.
    pub frame: Frame,
    /// Calibrated probabilities by row.
    pub probability: Vec<f64>,
    /// Weights by row, where the model was fitted with weights.
    pub weight: Option<Vec<f64>>,
    /// Which customer each row is of, where an id is there.
    pub group: Option<Vec<u64>>,
    /// The rows whose answer is known, and the answers of all; `None` where none is, or all are alike.
    pub answers: Option<(Vec<u32>, Vec<bool>)>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}

impl Present {
    /// Reads a table for a model. It need not have the target's column.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn read(artifact: &Artifact, table: &Path, options: &HoldoutOptions) -> Result<Present> {
        let manifest = &artifact.manifest;
        let weight = options.weight.as_ref().or(manifest.weight_column.as_ref());
        let mut more = vec![manifest.target.column.as_str()];
        more.extend(weight.map(String::as_str));
        let id = manifest.id_column.as_deref();
        let reading = ReadOptions {
            delimiter: options.delimiter,
            ..ReadOptions::for_model(&artifact.scorer.schema, &manifest.missing_markers, id, &more)
        };
        let frame = read(table, &reading)?;
        Present::new(artifact, frame, options, &table.display().to_string(), true)
    }

    /// Scores a table. `shown` is its name in messages; `answers` says whether its target means anything.
    ///
    /// # Errors
    /// When columns that the model needs are not there, or do not fit.
    pub fn new(
        artifact: &Artifact,
        frame: Frame,
        options: &HoldoutOptions,
        shown: &str,
        answers: bool,
    ) -> Result<Present> {
        let manifest = &artifact.manifest;
        let mut warnings = Vec::new();
        let binding = bind(&artifact.scorer.schema, &frame, &mut warnings)?;
        check_complete(&binding, options, shown)?;
        let rows: Vec<u32> = (0..frame.rows() as u32).collect();
        let weighted = options.weight.is_some() || manifest.weight_column.is_some();
        let weight =
            weighted.then(|| weights_of(manifest, &frame, options, shown, &rows)).transpose()?;
        let group = customers_of(manifest, &frame, &rows);
        let scores = artifact.scorer.score_blocks(frame.rows(), |span| binding.rows(&frame, span));
        let probability = scores.into_iter().map(|score| score.probability).collect();
        let asked = &manifest.target;
        let answers = match answers && frame.schema().place(&asked.column).is_some() {
            false => None,
            true => {
                let given = format!("{}={}", asked.column, asked.value);
                match (TargetSpec { given }).find(&frame) {
                    Ok(found) => Some((found.answered, found.positive)),
                    Err(why) => {
                        warnings.push(format!("answers are not looked at: {why}"));
                        None
                    }
                }
            }
        };
        Ok(Present { frame, probability, weight, group, answers, warnings })
    }
}
