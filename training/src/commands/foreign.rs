//! Models that are compared: our own, or trees of another program, which are read straight from their file and take from a
//! model of ours what the file does not hold. Compares nothing.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::{Artifact, Golden, PartCount};
use rekindle_models::baseline::Baseline;
use rekindle_models::calibration::{Calibration, Isotonic};
use rekindle_models::classifiers::Fitted;
use rekindle_models::exchange::onnx::Scale;
use rekindle_models::exchange::{lightgbm, onnx};
use rekindle_models::frame::{Kind, ReadOptions, Schema};

use crate::commands::import::{manifest, missing_markers, scorer, target_of};
use crate::commands::{Found, load_model};

/// A model to compare.
pub(super) struct Compared {
    /// The model; one of another program has the target and the threshold of the other model.
    pub artifact: Artifact,
    pub version: Option<u32>,
    /// What its file is: `rekindle`, `lightgbm`, `onnx`.
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
    Foreign(Box<Foreign>),
}

/// Trees of another program, without a question and a threshold.
pub(super) struct Foreign {
    path: PathBuf,
    format: &'static str,
    bytes: u64,
    model: Fitted,
    /// Its features, where the file names them.
    schema: Option<Schema>,
    scale: Scale,
}

impl Given {
    /// Opens a model's folder in a registry, a version's folder, or a file of ours, of LightGBM or ONNX, told by its first
    /// bytes. `width` is how many features an ONNX file has that does not say so itself.
    pub(super) fn open(path: &Path, width: Option<usize>) -> Result<Given> {
        let format = if path.is_file() { format_of(path)? } else { None };
        if let Some(format) = format {
            return Ok(Given::Foreign(Box::new(Foreign::open(path, format, width)?)));
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

    /// How many features it asks for.
    pub(super) fn width(&self) -> usize {
        match self {
            Given::Own(compared) => compared.artifact.scorer.schema.len(),
            Given::Foreign(foreign) => foreign.width(),
        }
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

/// What another program's file is: LightGBM's text begins with the word `tree`, an ONNX file with the number of its version.
fn format_of(path: &Path) -> Result<Option<&'static str>> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(16).read_to_end(&mut start))
        .with_context(|| format!("failed to read {}", path.display()))?;
    if start.first() == Some(&0x08) || path.extension().is_some_and(|ending| ending == "onnx") {
        return Ok(Some("onnx"));
    }
    let rest = start.trim_ascii_start().strip_prefix(b"tree");
    let word = rest.is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace));
    Ok(word.then_some("lightgbm"))
}

impl Foreign {
    fn open(path: &Path, format: &'static str, width: Option<usize>) -> Result<Foreign> {
        let bytes =
            std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        let shown = path.display().to_string();
        let (model, schema, scale) = match format {
            "onnx" => {
                let found = onnx::read(&bytes, &shown, width)?;
                (found.model, found.schema, found.scale)
            }
            _ => {
                let found = lightgbm::read(&bytes, &shown)?;
                (found.model, Some(found.schema), Scale::Margin)
            }
        };
        let (path, bytes) = (path.to_owned(), bytes.len() as u64);
        Ok(Foreign { path, format, bytes, model: Fitted::Boosting(model), schema, scale })
    }

    /// How many features it asks for.
    fn width(&self) -> usize {
        match &self.model {
            Fitted::Boosting(model) => model.features(),
            Fitted::Logistic(_) | Fitted::Forest(_) => unreachable!("trees were read"),
        }
    }

    fn beside(self, other: Option<&Artifact>, target: Option<&str>) -> Result<Compared> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut warnings = Vec::new();
        let width = self.width();
        let schema = match (self.schema, other) {
            (Some(theirs), None) => theirs,
            (None, None) => bail!(
                "{name}: it does not name its {width} features; expected a model of rekindle beside it that does"
            ),
            (theirs, Some(own)) => {
                as_ours(theirs, width, &own.scorer.schema, (&name, &mut warnings))?
            }
        };
        let mut scorer = scorer(self.model, schema);
        if self.scale == Scale::Probability {
            let same = Isotonic::from_saved(vec![0.0, 1.0], vec![0.0, 1.0]).expect("two points");
            scorer.calibration = Calibration::Isotonic(same);
        }
        let missing = missing_markers(&scorer.schema, ReadOptions::default().missing);
        let question = target_of(target, &name);
        let mut manifest = manifest(name.clone(), &scorer, question, missing, PartCount::default());
        manifest.population = format!("not known: read from {}", self.format);
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
        let (baseline, golden) =
            (Baseline::flat(&scorer.schema), Golden::none(scorer.schema.len()));
        let artifact = Artifact { manifest, scorer, baseline, golden };
        let (format, bytes) = (self.format, self.bytes);
        Ok(Compared { artifact, version: None, format, bytes, warnings })
    }
}

/// The features under the names that our model has for them: LightGBM cannot hold all names, and writes numbers for what
/// we know as dates. Where it names none of them but has as many as our model, they are ours, in their order.
fn as_ours(
    theirs: Option<Schema>,
    width: usize,
    ours: &Schema,
    (name, warnings): (&str, &mut Vec<String>),
) -> Result<Schema> {
    let written = lightgbm::feature_names(ours);
    let place = |field: &str| {
        ours.place(field).or_else(|| written.iter().position(|written| written == field))
    };
    let knows = |theirs: &Schema| theirs.fields().iter().any(|f| place(&f.name).is_some());
    let Some(theirs) = theirs.filter(knows) else {
        if width != ours.len() {
            bail!(
                "{name}: it asks for {width} features and names none that the other model knows; that asks for {} ({}, ...)",
                ours.len(),
                ours.fields()[0].name
            );
        }
        warnings.push(format!(
            "{name} names none of the other model's features; as it has as many, {width}, they were taken to be these, in \
             their order"
        ));
        return Ok(ours.clone());
    };
    let fields = theirs.fields().iter().cloned().map(|mut field| {
        if let Some(place) = place(&field.name) {
            let our = &ours.fields()[place];
            field.name = our.name.clone();
            if let (Kind::Numeric | Kind::Date(_), Kind::Date(_) | Kind::Boolean) =
                (&field.kind, &our.kind)
            {
                field.kind = our.kind.clone();
            }
        }
        field
    });
    Ok(Schema::new(fields.collect())?)
}
