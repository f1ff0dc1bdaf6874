//! `rekindle evaluate`: judges a saved model on rows it has not seen.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use rekindle_models::frame::{ReadOptions, read};
use rekindle_models::metrics::{Campaign, Judged};
use rekindle_models::seed::hash_text;

use crate::commands::fit::LimitArgs;
use crate::commands::{Found, colour, load_model, print};
use crate::evaluate::{Question, evaluate};
use crate::label::TargetSpec;
use crate::report::{Report, terminal};

/// Judge a saved model on a table it has not seen
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  rekindle evaluate registry/churn holdout.csv --max-error-rate \
0.45 --max-miss-rate 0.30\n\nExit codes: 0 usable, 1 unusable, 2 could not judge."
)]
pub struct Evaluate {
    /// A model's folder in a registry, a version's folder, or a model file
    model: PathBuf,
    /// Table with the target: CSV, Parquet or Arrow IPC; - for standard input
    table: PathBuf,
    #[command(flatten)]
    limits: LimitArgs,
    /// Byte between the fields of a CSV file [default: found in the header]
    #[arg(long, value_name = "BYTE", value_parser = super::delimiter)]
    delimiter: Option<u8>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub(super) fn run(self) -> Result<u8> {
        let Found { artifact, version } = load_model(&self.model)?;
        let limits = self.limits.limits();
        limits.validate()?;
        let manifest = &artifact.manifest;
        let (target, weight) = (&manifest.target, manifest.weight_column.as_deref());
        let mut more = vec![target.column.as_str()];
        more.extend(weight);
        more.extend(manifest.profit.iter().flat_map(Campaign::columns));
        let id = manifest.id_column.as_deref();
        let scorer = &artifact.scorer;
        let reading = ReadOptions {
            delimiter: self.delimiter,
            ..ReadOptions::for_model(&scorer.schema, &manifest.missing_markers, id, &more)
        };
        let frame = read(&self.table, &reading)?;
        let mut warnings = Vec::new();
        let binding = super::score::bind(scorer, &frame, &mut warnings)?;
        let question = TargetSpec { given: format!("{}={}", target.column, target.value) };
        let answers = question.find(&frame)?;
        if answers.answered.len() < frame.rows() {
            let left_out = frame.rows() - answers.answered.len();
            warnings.push(format!("{left_out} rows have no {} and were left out", target.column));
        }
        let rows = &answers.answered;
        let weights: Vec<f64> = match weight.map(|column| (column, frame.schema().place(column))) {
            None => vec![1.0; rows.len()],
            Some((column, None)) => bail!(
                "{}: no column {column:?}; the model was fitted with it as weights, and only they \
                 make figures hold for the population",
                self.table.display()
            ),
            Some((_, Some(place))) => {
                let all = crate::roles::weights(&frame, place)?;
                rows.iter().map(|&row| all[row as usize]).collect()
            }
        };
        let id_place = id.and_then(|column| frame.schema().place(column));
        let group: Option<Vec<u64>> = id_place.map(|place| {
            let id = |&row: &u32| frame.text(place, row as usize).map_or(0, |t| hash_text(&t));
            rows.iter().map(id).collect()
        });
        let positive: Vec<bool> = rows.iter().map(|&r| answers.positive[r as usize]).collect();
        let block = |span: std::ops::Range<usize>| binding.rows_at(&frame, &rows[span]);
        let scores = scorer.score_blocks(rows.len(), block);
        let probability: Vec<f64> = scores.iter().map(|s| s.probability).collect();
        let judged = Judged {
            probability: &probability,
            target: &positive,
            weight: &weights,
            group: group.as_deref(),
        };
        let fitted = &manifest.rows.train;
        let fitted_base_rate = match fitted.weight > 0.0 {
            true => fitted.positive_weight / fitted.weight,
            // An imported model does not say what it was fitted on.
            false => {
                let of = |(weight, positive): (&f64, &bool)| if *positive { *weight } else { 0.0 };
                weights.iter().zip(&positive).map(of).sum::<f64>() / weights.iter().sum::<f64>()
            }
        };
        let profit = manifest.profit.as_ref();
        let stakes = profit.map(|profit| crate::roles::stakes(&frame, profit)).transpose()?;
        let feature = &scorer.schema.fields()[artifact.baseline.feature()].name;
        let evaluation = evaluate(
            &judged,
            &Question {
                threshold: scorer.threshold,
                limits: &limits,
                fitted_base_rate,
                rule: (artifact.baseline.name(), feature),
                rule_scores: &artifact.baseline.scores(&binding.rows_at(&frame, rows)),
                stakes: stakes.map(|stakes| stakes.at(rows)).as_ref(),
                seed: self.seed,
            },
        );
        let report = Report::new(
            manifest,
            scorer.calibration.name(),
            version,
            self.table.display().to_string(),
            Some(&evaluation),
            &warnings,
        );
        print(&if self.json { report.json() } else { terminal(&report, colour()) })?;
        Ok(evaluation.verdict.verdict.exit_code())
    }
}
