//! Scores of a table in parts, each written beside the others under its own name.

use std::ops::Range;

use rekindle_models::artifact::Artifact;
use rekindle_models::frame::{ReadOptions, read};
use rekindle_models::language::Language;
use serde::{Deserialize, Serialize};

use super::features::incomplete;
use super::{Before, Engine, Function, Job, Parts, json, shared};
use crate::error::{Error, Result};
use crate::scored::{Scores, write_scores};
use crate::sheet::Format;
use crate::why::Why;

const SCORED: &str = "scored";
const MODEL: &str = "model";

/// What all who score are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScoreWork {
    table: String,
    output: String,
    /// The checksum of the model, which lies beside what was found out.
    fingerprint: String,
    version: Option<u32>,
    reasons: usize,
    language: Language,
}

/// A table in parts to be scored, and by what.
#[derive(Debug)]
pub struct Scoring<'a> {
    asked: ScoreWork,
    model: &'a [u8],
    files: Vec<String>,
    state: String,
    output: &'a Parts,
}

/// What became of a part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ScoredPart {
    customers: u64,
    warnings: Vec<String>,
}

/// What became of all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllScored {
    /// Rows that were scored.
    pub customers: u64,
    /// Parts written.
    pub parts: usize,
    /// What users should know, once each.
    pub warnings: Vec<String>,
}

impl<'a> Scoring<'a> {
    /// `table` is the folder of parts, `model` the bytes of an artefact with its version, `reasons` how many of them are
    /// told and in what language.
    ///
    /// # Errors
    /// When the table has no parts.
    pub fn new(
        table: &Parts,
        (model, version): (&'a [u8], Option<u32>),
        (reasons, language): (usize, Language),
        output: &'a Parts,
    ) -> Result<Scoring<'a>> {
        let (files, state) = (table.tables()?, table.state()?);
        let asked = ScoreWork {
            table: table.address().to_owned(),
            output: output.address().to_owned(),
            fingerprint: blake3::hash(model).to_hex().to_string(),
            version,
            reasons,
            language,
        };
        Ok(Scoring { asked, model, files, state, output })
    }

    /// Scores all parts that are not scored yet.
    ///
    /// # Errors
    /// When the engine fails, or the folder of the output has something else in it.
    pub fn run(
        &self,
        engine: &dyn Engine,
        watch: &mut dyn FnMut(&str, usize, usize),
    ) -> anyhow::Result<AllScored> {
        let parts = self.output;
        let asked = json(&(&self.asked, &self.files, &self.state));
        if let Before::Finished(said) = parts.begin(&asked)? {
            return Ok(serde_json::from_value(said)?);
        }
        parts.keep_bytes(MODEL, "artefact", &[self.model])?;
        let todo = || -> Result<Vec<&String>> {
            let (said, there) = (parts.done(SCORED)?, parts.depot().files("")?);
            let there = |file: &String| there.iter().any(|other| other.name == *file);
            Ok(self.files.iter().filter(|file| !said.contains(file) || !there(file)).collect())
        };
        let tasks: Vec<String> = todo()?.into_iter().map(json).collect();
        if !tasks.is_empty() {
            let job = Job {
                name: "rekindle score".to_owned(),
                function: Function::Score,
                parts: 0,
                shared: shared(&self.asked),
                tasks,
            };
            let ran = engine.run(&job, &mut |id| {
                let done = parts.done(SCORED).map_or(0, |names| names.len());
                watch(id, done, self.files.len());
            });
            // The same command may have been given twice, and the other was quicker.
            match (ran, parts.finished(&asked)?) {
                (Err(_), Some(said)) => return Ok(serde_json::from_value(said)?),
                (ran, _) => ran?,
            }
        }
        if let Some(missing) = todo()?.first() {
            return Err(incomplete(parts, &format!("no {missing}")).into());
        }
        let mut all = AllScored::default();
        for file in &self.files {
            let part: ScoredPart = parts.kept(SCORED, file)?;
            all.customers += part.customers;
            all.parts += 1;
            for warning in part.warnings {
                if !all.warnings.contains(&warning) {
                    all.warnings.push(warning);
                }
            }
        }
        parts.finish(&all)?;
        Ok(all)
    }
}

impl ScoreWork {
    fn artifact(&self, parts: &Parts) -> Result<Artifact> {
        let bytes = parts.kept_bytes(MODEL, "artefact")?;
        let found = blake3::hash(&bytes).to_hex().to_string();
        if found != self.fingerprint {
            return Err(Error::BadOptions(format!(
                "the model has the checksum {found}, and the job was made for {}: expected the same model everywhere; run \
                 the job again",
                self.fingerprint
            )));
        }
        Ok(Artifact::from_bytes(&bytes, &parts.depot().name("the model"))?)
    }

    pub(super) fn score(&self, file: &str) -> Result<()> {
        let (table, output) = (Parts::at(&self.table)?, Parts::at(&self.output)?);
        let Artifact { manifest, scorer, .. } = &self.artifact(&output)?;
        let id = manifest.id_column.as_deref();
        let reading = ReadOptions::for_model(&scorer.schema, &manifest.missing_markers, id, &[]);
        let local = table.depot().local(file)?;
        let frame = read(local.path(), &reading);
        let frame = frame.map_err(|e| table.depot().of_local(file, &local, &e))?;
        let mut warnings = Vec::new();
        let binding = crate::holdout::bind(&scorer.schema, &frame, &mut warnings)?;
        let block = |span: Range<usize>| binding.rows(&frame, span);
        let scores = scorer.score_blocks(frame.rows(), block);
        let why = match self.reasons {
            0 => None,
            most => Some(Why::of(manifest, scorer, (&binding, &frame), most)?),
        };
        let scores = Scores {
            frame: &frame,
            id: id.and_then(|column| frame.schema().place(column)),
            scores: &scores,
            model: &manifest.model_name,
            version: self.version,
            why: why.as_ref().map(|why| (why, self.reasons, self.language)),
        };
        let failed = |e: std::io::Error| {
            Error::BadOptions(format!("{}: failed to write it: {e}", output.depot().name(file)))
        };
        output
            .depot()
            .put(file, |to| write_scores(to, Format::Parquet, &scores).map_err(failed))?;
        let customers = frame.rows() as u64;
        output.keep(SCORED, file, &ScoredPart { customers, warnings })
    }
}
