//! Tables of attributes, a row for a customer and a time of knowing: how one is described, and its
//! reading. Keeps no values.

use std::path::Path;

use rekindle_models::behaviour::{AttributeKind, Zone};
use rekindle_models::frame::{Column, Frame, Kind, MISSING_CODE, ReadKind, ReadOptions, read};
use serde::{Deserialize, Serialize};

use crate::attributes::{ALWAYS, AttributeLog, AttributeValue};
use crate::error::{Error, Result};
use crate::ingest::CustomerId;

/// An `[[attributes]]` table of a project. A value without a time of knowing would tell of the future:
/// either `known_at` or `always_known = true` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributesSpec {
    /// CSV, Parquet or Arrow IPC file, beside the project's file.
    pub path: String,
    /// Its column of customers.
    pub customer: String,
    /// Its column of the times from which the company knew what the row says: dates (known from the start
    /// of that local day) or times. Cutoffs after that see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// Whether what it says was known from the start and never changes. Being listed then says nothing: it
    /// makes no history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub always_known: bool,
    /// The columns that are attributes; without it, all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Of them, those that are dates; without it, a column whose texts all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<String>,
    /// Of them, those that are categories though they look like numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl AttributesSpec {
    /// # Errors
    /// When the time of knowing is not said once, or columns are named for two things.
    pub fn validate(&self) -> Result<()> {
        let bad = |found: &str, expected: &str| {
            let file = &self.path;
            Err(Error::BadOptions(format!(
                "attributes of {file}: found {found}, expected {expected}"
            )))
        };
        match (&self.known_at, self.always_known) {
            (None, false) => {
                return bad(
                    "no known_at",
                    "known_at = \"COLUMN\" with the time each row was known from, or \
                     always_known = true where values never change: what is known later would tell \
                     the model of the future",
                );
            }
            (Some(_), true) => return bad("known_at and always_known", "one of them"),
            _ => {}
        }
        let keys = [Some(&self.customer), self.known_at.as_ref()];
        if keys[1] == keys[0] {
            return bad("one column for customer and known_at", "two");
        }
        let listed = self.columns.iter().flatten().chain(&self.dates).chain(&self.categories);
        if let Some(key) = listed.into_iter().find(|name| keys.contains(&Some(*name))) {
            return bad(
                &format!("{key:?} among the attributes"),
                "columns besides those of the customer and the time of knowing",
            );
        }
        if let Some(both) = self.dates.iter().find(|name| self.categories.contains(name)) {
            return bad(&format!("{both:?} in dates and categories"), "one of them");
        }
        if let Some(columns) = &self.columns {
            let typed = self.dates.iter().chain(&self.categories);
            if let Some(name) = typed.into_iter().find(|name| !columns.contains(name)) {
                return bad(&format!("{name:?} in dates or categories"), "one of columns");
            }
        }
        Ok(())
    }

    /// Reads the table into `log`. A missing cell says nothing: the value known before stays. A relative
    /// path is beside `folder`, that of the project's file; times without a zone are local to `zone`.
    /// Returns its rows.
    ///
    /// # Errors
    /// When the spec is malformed, the file cannot be read or lacks a column, or a row has no customer, no
    /// time of knowing or a date that is none: with the file, the column and the row.
    pub fn read(&self, folder: &Path, zone: &Zone, log: &mut AttributeLog) -> Result<usize> {
        self.validate()?;
        let path = folder.join(&self.path);
        let table = read(&path, &self.options()).map_err(|e| with_file(&path, e))?;
        let table = Table { path: &path, zone, frame: &table };
        let keys = [Some(&self.customer), self.known_at.as_ref()];
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => {
                let names = table.frame.schema().fields().iter().map(|field| &field.name);
                names.filter(|name| !keys.contains(&Some(*name))).cloned().collect()
            }
        };
        let (codes, ids) = table.texts(table.place(&self.customer)?);
        let customers: Vec<CustomerId<'_>> = ids.iter().map(|id| CustomerId::of_text(id)).collect();
        if let Some(row) = codes.iter().position(|code| *code == MISSING_CODE) {
            return Err(table.bad(&self.customer, row, "no customer", "an id in every row"));
        }
        let known_at = match &self.known_at {
            Some(name) => table.times(name, true)?,
            None => vec![ALWAYS; codes.len()],
        };
        for name in &columns {
            let place = table.place(name)?;
            if self.dates.contains(name) {
                table.times(name, false)?;
                log.kind(name, AttributeKind::Date);
            }
            if self.categories.contains(name) {
                log.kind(name, AttributeKind::Category);
            }
            let cells = table.cells(place);
            for ((&code, &known_at), value) in codes.iter().zip(&known_at).zip(cells) {
                if let Some(value) = value {
                    log.add(customers[code as usize], known_at, name, value)?;
                }
            }
        }
        Ok(codes.len())
    }

    fn options(&self) -> ReadOptions {
        let keys = || [Some(&self.customer), self.known_at.as_ref()].into_iter().flatten();
        let texts = keys().chain(&self.dates).chain(&self.categories);
        ReadOptions {
            kinds: texts.map(|name| (name.clone(), ReadKind::Categorical)).collect(),
            columns: self.columns.as_ref().map(|columns| keys().chain(columns).cloned().collect()),
            dates_as_text: true,
            ..ReadOptions::default()
        }
    }
}

/// A table that was read, with its file for messages.
struct Table<'a> {
    path: &'a Path,
    zone: &'a Zone,
    frame: &'a Frame,
}

impl<'a> Table<'a> {
    fn place(&self, name: &str) -> Result<usize> {
        if let Some(place) = self.frame.schema().place(name) {
            return Ok(place);
        }
        // Only the columns asked for were read; the nearest name is among all.
        let all = ReadOptions { dates_as_text: true, ..ReadOptions::default() };
        let place = read(self.path, &all).and_then(|table| table.schema().require(name));
        place.map_err(|error| with_file(self.path, error))
    }

    /// The cells of a column that was read as text: places among its texts.
    fn texts(&self, place: usize) -> (&'a [u32], &'a [String]) {
        match (&self.frame.columns()[place], &self.frame.schema().fields()[place].kind) {
            (Column::Category(codes), Kind::Categorical(texts)) => (codes, texts),
            _ => unreachable!("the column was asked for as text"),
        }
    }

    /// The times of a column in milliseconds, [`ALWAYS`] where one is missing and may be.
    fn times(&self, name: &str, needed: bool) -> Result<Vec<i64>> {
        let (codes, texts) = self.texts(self.place(name)?);
        let times: Vec<Option<i64>> = texts.iter().map(|text| self.zone.parse(text)).collect();
        let time = |(row, &code): (usize, &u32)| match times.get(code as usize) {
            None if needed => Err(self.bad(name, row, "no time", "a date or a time in every row")),
            None => Ok(ALWAYS),
            Some(Some(time)) => Ok(*time),
            Some(None) => {
                let found = format!("{:?}", texts[code as usize]);
                Err(self.bad(name, row, &found, "a date or a time, as \"2024-02-03\""))
            }
        };
        codes.iter().enumerate().map(time).collect()
    }

    /// The values of a column, `None` where missing.
    fn cells(&self, place: usize) -> Box<dyn Iterator<Item = Option<AttributeValue<'a>>> + 'a> {
        match &self.frame.columns()[place] {
            Column::Number(numbers) => {
                Box::new(numbers.iter().map(|number| Some(AttributeValue::Number(*number))))
            }
            Column::Category(_) => {
                let (codes, texts) = self.texts(place);
                let text = |code: &u32| texts.get(*code as usize);
                Box::new(codes.iter().map(move |c| text(c).map(|t| AttributeValue::Text(t))))
            }
        }
    }

    fn bad(&self, column: &str, row: usize, found: &str, expected: &str) -> Error {
        Error::BadOptions(format!(
            "{}: column {column}, row {} of the table: found {found}, expected {expected}",
            self.path.display(),
            row + 1
        ))
    }
}

/// Errors of reading that do not name the file.
fn with_file(path: &Path, error: rekindle_models::Error) -> Error {
    match error {
        rekindle_models::Error::NoSuchColumn { .. } => {
            Error::BadOptions(format!("{}: {error}", path.display()))
        }
        other => Error::Models(other),
    }
}
