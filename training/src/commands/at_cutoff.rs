//! A project's log told at one cutoff: the features that a model asks for, the answer, and what each customer is then.
//! Judges nothing.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::behaviour::{DAY_MS, FeatureSpec, Zone};
use rekindle_models::frame::{
    Column, Field, Frame, Kind, MISSING_CODE, ReadOptions, nearest_name, read,
};

use crate::build::{self, GatheredLog};
use crate::commands::Talk;
use crate::commands::log::{LogArgs, check_within, gather, log_end, settled};
use crate::customers::{Customers, bound};
use crate::holdout::LearnedUntil;
use crate::panel::{Cutoffs, Panel, check_covered};
use crate::project::Project;
use crate::question::Questions;
use crate::sheet::Cells;
use crate::snapshot::{CUSTOMER, Snapshots};

/// What a customer is at the cutoff, by column: segments may be told by each.
pub(super) const STATES: [&str; 4] = ["lapse_tier", "lifecycle_stage", "grade", "loyalty_type"];

/// A log at a cutoff.
pub(super) struct AtCutoff {
    project: Project,
    zone: Zone,
    log: GatheredLog,
    cutoff: i64,
    /// From the first event to the end of the log.
    span: (i64, i64),
    states: Customers,
}

impl AtCutoff {
    /// Reads a project's log, to be told at a cutoff as typed.
    pub(super) fn read(path: &Path, cutoff: &str, args: &LogArgs, talk: Talk) -> Result<AtCutoff> {
        let project = Project::read(path)?;
        let cutoff = project.instant("--cutoff", cutoff)?;
        let (mut log, report, told) = gather(&args.folder(path), &project, args, talk)?;
        let zone = Zone::named(&project.log.timezone)?;
        let end = log_end(&project, &report, &zone)?;
        let start = report.first_event().unwrap_or(end);
        check_within("--cutoff", cutoff, (start, end), &zone)?;
        log.attributes = settled(told, &zone, cutoff, talk)?;
        let rules = project.customer_rules();
        let rules = bound(&rules, &project.log.returned, &log.names.dictionaries().kinds)?;
        let states = Customers::describe(&log, &rules, &zone, &[cutoff])?;
        Ok(AtCutoff { project, zone, log, cutoff, span: (start, end), states })
    }

    /// The cutoff as it is shown.
    pub(super) fn shown(&self) -> String {
        self.zone.text(self.cutoff)
    }

    /// Who is asked the model's target at the cutoff, with the features that it asks for, what each customer is, and the
    /// answer. With `answers`, the log must reach to the end of the horizon; without, they mean nothing.
    pub(super) fn table(&self, artifact: &Artifact, answers: bool) -> Result<Frame> {
        let manifest = &artifact.manifest;
        let spec = spec_of(manifest)?;
        let target = &manifest.target.column;
        let questions = self.question(target)?;
        if let Some(learned) = LearnedUntil::of(manifest).filter(|_| answers)
            && self.cutoff as f64 / DAY_MS as f64 <= learned.last
        {
            bail!(
                "--cutoff {}: {} learned from cutoffs up to {}; expected a later one: on those it looks better than it is",
                self.shown(),
                manifest.model_name,
                learned.shown()
            );
        }
        if answers {
            check_covered(&questions, &[self.cutoff], self.span, &self.zone)?;
        }
        let panel = Panel::new(spec, &questions, None, Cutoffs::Common(vec![self.cutoff]))?;
        let panel = panel.with_attributes(Arc::clone(&self.log.attributes))?;
        let mut about = build::about(spec, &self.project, 1, &self.log.attributes)?;
        about.targets.retain(|about| about.name == *target);
        let failed = "failed to write a temporary file of snapshots";
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().context(failed)?;
        let snapshots = Snapshots::parquet(File::create(file.path()).context(failed)?, &about);
        build::write_panel(&self.log, spec, &panel, snapshots.context(failed)?, &|_| {})?;
        let reading = ReadOptions::for_model(
            &artifact.scorer.schema,
            &manifest.missing_markers,
            Some(CUSTOMER),
            &[target],
        );
        let asked = format!("nobody is asked {target} at {}", self.shown());
        let frame = read(file.path(), &reading).context(asked)?;
        self.with_states(frame)
    }

    /// The question that a target asks.
    fn question(&self, target: &str) -> Result<Questions> {
        let mut questions = self.project.questions()?;
        questions.by_name.retain(|(name, _)| name == target);
        if questions.by_name.is_empty() {
            let all = self.project.questions()?;
            let near = nearest_name(target, all.names());
            let near = near.map_or_else(String::new, |near| format!("; the nearest is {near}"));
            bail!("the project has no [targets.{target}], which the model answers{near}");
        }
        Ok(questions)
    }

    /// The table with what each customer is.
    fn with_states(&self, frame: Frame) -> Result<Frame> {
        let sheet = self.states.sheet();
        let texts = |name: &str| match sheet.column(name) {
            Some(Cells::Text(texts)) => texts.as_slice(),
            _ => &[],
        };
        let ids = texts(CUSTOMER);
        let row_of: HashMap<&str, usize> =
            ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
        let place = frame.schema().require(CUSTOMER)?;
        let rows: Vec<Option<usize>> = (0..frame.rows())
            .map(|row| frame.text(place, row).and_then(|id| row_of.get(&*id).copied()))
            .collect();
        let columns = STATES.iter().map(|name| {
            let cells = texts(name);
            let mut levels: Vec<String> = cells.iter().filter(|c| !c.is_empty()).cloned().collect();
            levels.sort();
            levels.dedup();
            let code = |row: &Option<usize>| {
                let found = row.and_then(|row| levels.binary_search(&cells[row]).ok());
                found.map_or(MISSING_CODE, |code| code as u32)
            };
            let codes = rows.iter().map(code).collect();
            let kind = Kind::Categorical(Arc::from(levels.as_slice()));
            (Field { name: (*name).to_owned(), kind }, Column::Category(codes))
        });
        Ok(frame.with_columns(columns.collect())?)
    }
}

/// How a model's features are made from events.
fn spec_of(manifest: &Manifest) -> Result<&FeatureSpec> {
    manifest.feature_spec.as_ref().with_context(|| {
        format!(
            "{}: it was fitted on a table whose features were not made from events; expected a table with them, \
             without --cutoff",
            manifest.model_name
        )
    })
}
