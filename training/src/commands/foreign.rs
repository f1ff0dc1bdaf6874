//! Models that are compared: our own, or trees of another program, which are read straight from their file and take from a
//! model of ours what the file does not hold. Compares nothing.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::{Artifact, PartCount};
use rekindle_models::classifiers::Fitted;
use rekindle_models::exchange::lightgbm;
use rekindle_models::frame::{Kind, ReadOptions, Schema};
use rekindle_models::scorer::Scorer;

use crate::commands::import::{manifest, missing_markers, scorer, target_of};
use crate::commands::{Found, load_model};

/// A model to compare.
pub(super) struct Compared {
    /// The model; one of another program has the target and the threshold of the other model.
    pub artifact: Artifact,
    pub version: Option<u32>,
    /// What wrote it: `rekindle`, `lightgbm`.
    pub format: &'static str,
    /// Bytes of its file.
    pub bytes: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A model as it is given.
pub(super) enum Given {
    /// Of our own.
    Own(Box<Compared>),
    /// Trees of another program.
    Foreign(Foreign),
}

/// Trees of another program, without a question and a threshold.
pub(super) struct Foreign {
    path: PathBuf,
    format: &'static str,
    bytes: u64,
    model: Fitted,
    schema: Schema,
}

impl Given {
    /// Opens a model's folder in a registry, a version's folder, or a file of ours or of LightGBM, told by its first bytes.
    pub(super) fn open(path: &Path) -> Result<Given> {
        if path.is_file() && starts_as_lightgbm(path)? {
            let bytes = std::fs::read(path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            let found = lightgbm::read(&bytes, &path.display().to_string())?;
            return Ok(Given::Foreign(Foreign {
                path: path.to_owned(),
                format: "lightgbm",
                bytes: bytes.len() as u64,
                model: Fitted::Boosting(found.model),
                schema: found.schema,
            }));
        }
        let Found { artifact, version } = load_model(path)?;
        let bytes = artifact.to_bytes()?.len() as u64;
        Ok(Given::Own(Box::new(Compared {
            artifact,
            version,
            format: "rekindle",
            bytes,
            warnings: Vec::new(),
        })))
    }

    fn own(&self) -> Option<&Artifact> {
        match self {
            Given::Own(compared) => Some(&compared.artifact),
            Given::Foreign(_) => None,
        }
    }

    /// With what the other model knows; `target` as typed, where neither is of our own.
    fn beside(self, other: Option<&Artifact>, target: Option<&str>) -> Result<Compared> {
        match self {
            Given::Own(compared) => Ok(*compared),
            Given::Foreign(foreign) => foreign.beside(other, target),
        }
    }
}

/// Both models; of two that are not of our own, the question must be given.
pub(super) fn both(a: Given, b: Given, target: Option<&str>) -> Result<[Compared; 2]> {
    if let (None, None, None) = (a.own(), b.own(), target) {
        bail!(
            "neither model is of rekindle, so that the question is not known; expected one of a registry among them, or \
             --target COLUMN=VALUE"
        );
    }
    if let (Some(own), Some(given)) = (a.own().or(b.own()), target) {
        let target = &own.manifest.target;
        if format!("{}={}", target.column, target.value) != given {
            bail!(
                "--target {given}: {} answers {}={}; leave --target out, it is for two files of other programs",
                own.manifest.model_name,
                target.column,
                target.value
            );
        }
    }
    let (of_a, of_b) = (a.own().cloned(), b.own().cloned());
    Ok([a.beside(of_b.as_ref(), target)?, b.beside(of_a.as_ref(), target)?])
}

/// LightGBM's text begins with the word `tree`.
fn starts_as_lightgbm(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(16).read_to_end(&mut start))
        .with_context(|| format!("failed to read {}", path.display()))?;
    let start = start.trim_ascii_start();
    Ok(start
        .strip_prefix(b"tree")
        .is_some_and(|rest| rest.first().is_none_or(|byte| byte.is_ascii_whitespace())))
}

impl Foreign {
    fn beside(self, other: Option<&Artifact>, target: Option<&str>) -> Result<Compared> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut warnings = Vec::new();
        let schema = match other {
            None => self.schema,
            Some(own) => as_ours(self.schema, &own.scorer.schema, &name, &mut warnings)?,
        };
        let mut scorer = scorer(self.model, schema);
        let missing = missing_markers(&scorer.schema, ReadOptions::default().missing);
        let question = target_of(target, &name);
        let mut manifest = manifest(name.clone(), &scorer, question, missing, PartCount::default());
        match other {
            None => warnings.push(format!(
                "{name} has no threshold: those of a probability of at least one half are predicted positive"
            )),
            Some(own) => {
                let ours = &own.manifest;
                scorer.threshold = own.scorer.threshold;
                manifest.target = ours.target.clone();
                manifest.population = ours.population.clone();
                manifest.id_column = ours.id_column.clone();
                manifest.weight_column = ours.weight_column.clone();
                manifest.missing_markers = ours.missing_markers.clone();
                manifest.feature_spec = ours.feature_spec.clone();
                manifest.profit = ours.profit.clone();
                manifest.threshold.value = own.scorer.threshold;
                manifest.threshold.rule = format!("that of {}: {name} has none", ours.model_name);
                warnings.push(format!(
                    "{name} has no threshold of its own and takes that of {}, {:.4}: where its probabilities are \
                     calibrated otherwise, rates at it tell little",
                    ours.model_name, own.scorer.threshold
                ));
            }
        }
        let artifact = Artifact { manifest, baseline: flat(&scorer), scorer };
        let (format, bytes) = (self.format, self.bytes);
        Ok(Compared { artifact, version: None, format, bytes, warnings })
    }
}

fn flat(scorer: &Scorer) -> rekindle_models::baseline::Baseline {
    rekindle_models::baseline::Baseline::flat(&scorer.schema)
}

/// The features under the names that our model has for them: LightGBM cannot hold all names, and writes numbers for what
/// we know as dates. Where it has names of its own for as many features as our model has, they are ours, in their order.
fn as_ours(
    theirs: Schema,
    ours: &Schema,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<Schema> {
    let written = lightgbm::feature_names(ours);
    let place = |field: &str| {
        ours.place(field).or_else(|| written.iter().position(|written| written == field))
    };
    let known = theirs.fields().iter().filter(|field| place(&field.name).is_some()).count();
    if known == 0 && theirs.len() == ours.len() {
        warnings.push(format!(
            "{name} names none of the other model's features; as it has as many, {}, they were taken to be these, in \
             their order",
            ours.len()
        ));
        return Ok(ours.clone());
    }
    if known == 0 {
        bail!(
            "{name}: it asks for {} features ({}, ...), none of which the other model knows; that asks for {} ({}, ...)",
            theirs.len(),
            theirs.fields()[0].name,
            ours.len(),
            ours.fields()[0].name
        );
    }
    let fields = theirs.fields().iter().cloned().map(|mut field| {
        if let Some(place) = place(&field.name) {
            let our = &ours.fields()[place];
            field.name = our.name.clone();
            if let (Kind::Numeric, Kind::Date(_) | Kind::Boolean) = (&field.kind, &our.kind) {
                field.kind = our.kind.clone();
            }
        }
        field
    });
    Ok(Schema::new(fields.collect())?)
}
