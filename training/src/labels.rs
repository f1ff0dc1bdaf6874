//! Labels given in a table: who had the target, each at a cutoff of its own.

use std::collections::HashMap;
use std::path::Path;

use rekindle_models::behaviour::{DAY_MS, Zone};
use rekindle_models::frame::{Frame, ReadKind, ReadOptions, nearest_name, read};

use crate::error::{Error, Result};
use crate::ingest::{Gathered, Room};
use crate::label::TargetSpec;
use crate::project::{Labels, Project};

/// Reads the labels of a project: cutoffs in milliseconds with 1 or 0, by customer. A relative
/// path of the table begins at `folder`.
///
/// # Errors
/// When the table cannot be read, a label or a cutoff is none, or a labelled customer has no cutoff.
pub fn given(
    folder: &Path,
    project: &Project,
    labels: &Labels,
    log: &Gathered,
) -> Result<HashMap<String, Vec<(i64, f64)>>> {
    let file = folder.join(&labels.path);
    let mut options = ReadOptions {
        columns: Some(
            [Some(&labels.customer), Some(&labels.label), labels.cutoff.as_ref()]
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        ),
        ..ReadOptions::default()
    };
    for column in [Some(&labels.customer), labels.cutoff.as_ref()].into_iter().flatten() {
        options.kinds.insert(column.clone(), ReadKind::Categorical);
    }
    let frame = read(&file, &options)?;
    check_columns(&file, &options, &frame)?;
    let customer = frame.schema().require(&labels.customer)?;
    let asked = match &labels.yes {
        Some(yes) => format!("{}={yes}", labels.label),
        None => labels.label.clone(),
    };
    let target = TargetSpec { given: asked }.find(&frame)?;
    let cutoffs = CutoffOf::new(project, labels, &frame, log)?;
    let mut given: HashMap<String, Vec<(i64, f64)>> = HashMap::new();
    for &row in &target.answered {
        let row = row as usize;
        let bad = |column: &str, found: String, expected: &'static str| Error::BadRow {
            role: "labels",
            column: column.to_owned(),
            row: row + 1,
            found,
            expected,
        };
        let Some(id) = frame.text(customer, row) else {
            return Err(bad(&labels.customer, "no customer".to_owned(), "one in every row"));
        };
        let cutoff = cutoffs.of(&id, row, &frame).map_err(|found| {
            bad(&labels.customer, found, "a cutoff for every labelled customer")
        })?;
        let label = f64::from(u8::from(target.positive[row]));
        given.entry(id.into_owned()).or_default().push((cutoff, label));
    }
    for (customer, list) in &mut given {
        list.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        list.dedup();
        if let Some(pair) = list.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let zone = Zone::named(&project.log.timezone)?;
            return Err(Error::BadOptions(format!(
                "{}: customer {customer:?} has the labels 0 and 1 at the cutoff {}; expected one",
                file.display(),
                zone.text(pair[0].0)
            )));
        }
    }
    Ok(given)
}

/// Refuses a table without one of the columns that are read of it.
fn check_columns(file: &Path, options: &ReadOptions, frame: &Frame) -> Result<()> {
    let asked = options.columns.iter().flatten();
    let Some(missing) = asked.into_iter().find(|name| frame.schema().place(name).is_none()) else {
        return Ok(());
    };
    let all = read(file, &ReadOptions { dates_as_text: true, ..ReadOptions::default() })?;
    let names = || all.schema().fields().iter().map(|field| field.name.as_str());
    let near = nearest_name(missing, names());
    let near = near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"));
    Err(Error::BadLog {
        path: file.display().to_string(),
        reason: format!(
            "it has no column {missing:?}{near}, which [labels] names; it has {}",
            names().take(40).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// Where a customer's cutoff comes from.
enum CutoffOf {
    Column(usize, Zone),
    At(i64),
    AfterLastLine(HashMap<String, i64>, Zone, i64),
}

impl CutoffOf {
    fn new(project: &Project, labels: &Labels, frame: &Frame, log: &Gathered) -> Result<CutoffOf> {
        let zone = Zone::named(&project.log.timezone)?;
        if let Some(column) = &labels.cutoff {
            return Ok(CutoffOf::Column(frame.schema().require(column)?, zone));
        }
        if let Some(text) = &labels.cutoff_at {
            return Ok(CutoffOf::At(project.instant("labels.cutoff_at", text)?));
        }
        let days = i64::from(labels.cutoff_after_last_line.unwrap_or_default().0);
        Ok(CutoffOf::AfterLastLine(last_lines(log)?, zone, days))
    }

    fn of(&self, customer: &str, row: usize, frame: &Frame) -> std::result::Result<i64, String> {
        match self {
            CutoffOf::At(cutoff) => Ok(*cutoff),
            CutoffOf::Column(place, zone) => {
                let text = frame.text(*place, row).unwrap_or_default();
                zone.parse(&text).ok_or_else(|| format!("the cutoff {text:?}"))
            }
            CutoffOf::AfterLastLine(lines, zone, days) => {
                let last = lines
                    .get(customer)
                    .ok_or_else(|| format!("customer {customer:?}, who has no line in the log"))?;
                let day = zone.local(*last).div_euclid(DAY_MS);
                Ok(zone.instant((day + days) * DAY_MS))
            }
        }
    }
}

/// The time of every customer's last line.
fn last_lines(log: &Gathered) -> Result<HashMap<String, i64>> {
    let mut lines = HashMap::new();
    let (mut room, codes) = (Room::default(), Default::default());
    for partition in 0..log.partitions() {
        let loaded = log.load(partition, &codes, Default::default(), &mut room)?;
        for place in 0..loaded.len() {
            if let Some(last) = loaded.last_line(place) {
                lines.insert(loaded.customer(place).0.to_string(), last);
            }
        }
    }
    Ok(lines)
}
