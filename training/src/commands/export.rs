//! `rekindle export`: a boosting model in the format of another program.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rekindle_models::calibration::Calibration;
use rekindle_models::classifiers::Fitted;
use rekindle_models::classifiers::boosting::FittedBoosting;
use rekindle_models::exchange::{lightgbm, onnx};
use rekindle_models::frame::Schema;

use crate::commands::{Talk, load_model, write_whole};

/// Write a boosting model for LightGBM or an ONNX runtime
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rekindle export registry/churn --format lightgbm -o \
churn.txt\n  rekindle export registry/churn --format onnx -o churn.onnx\n\nLightGBM scores as the \
model does before calibration. An ONNX file holds the calibration too where that is a \
sigmoid.\nIts input `rows` takes doubles: numbers, places of levels (-1: unknown), NaN where \
missing.")]
pub struct Export {
    /// A model's folder in a registry, a version's folder, or a model file
    model: PathBuf,
    /// Format to write
    #[arg(long, value_enum)]
    format: Format,
    /// File to write; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// LightGBM's text format
    Lightgbm,
    /// ONNX with a TreeEnsembleClassifier
    Onnx,
}

impl Export {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let artifact = load_model(&self.model)?.artifact;
        let scorer = &artifact.scorer;
        let Fitted::Boosting(model) = &scorer.model else {
            bail!(
                "{}: the model is a {} model, expected a boosting one: only those have a form in \
                 other programs",
                self.model.display(),
                scorer.model.name()
            );
        };
        let bytes = match self.format {
            Format::Lightgbm => for_lightgbm(model, &scorer.schema, talk),
            Format::Onnx => for_onnx(model, &scorer.schema, &scorer.calibration, talk),
        };
        if self.output != Path::new("-") {
            write_whole(&self.output, |to| to.write_all(&bytes))?;
            let trees = model.trees().len();
            talk.say(&format!("{trees} trees written to {}", self.output.display()));
            return Ok(0);
        }
        let mut out = std::io::stdout().lock();
        if self.format == Format::Onnx && out.is_terminal() {
            bail!("ONNX is no text for a terminal; name a file with -o, as -o model.onnx");
        }
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(e).context("failed to write to standard output")
            }
            _ => Ok(0),
        }
    }
}

fn for_lightgbm(model: &FittedBoosting, schema: &Schema, talk: Talk) -> Vec<u8> {
    let names = lightgbm::feature_names(schema);
    let renamed: Vec<_> =
        schema.fields().iter().zip(&names).filter(|(field, name)| field.name != **name).collect();
    if let Some((field, name)) = renamed.first() {
        talk.say(&format!(
            "{} features have names that LightGBM cannot hold, as {:?}, written as {name}",
            renamed.len(),
            field.name
        ));
    }
    talk.say("the file holds no calibration: LightGBM's probabilities are the uncalibrated ones");
    lightgbm::write(model, schema).into_bytes()
}

fn for_onnx(
    model: &FittedBoosting,
    schema: &Schema,
    calibration: &Calibration,
    talk: Talk,
) -> Vec<u8> {
    let (slope, intercept) = match calibration {
        Calibration::Platt(platt) => (platt.slope(), platt.intercept()),
        Calibration::Isotonic(_) => {
            talk.say(
                "the model's calibration is isotonic, which trees in ONNX cannot hold: the file's \
                 probabilities are the uncalibrated ones",
            );
            (1.0, 0.0)
        }
    };
    onnx::write(model, schema, slope, intercept)
}
