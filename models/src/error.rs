//! What can go wrong in this crate, with the numbers and names a caller needs.

use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of reading, fitting, saving or loading. Messages say where, what was found, what was
/// expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{path}: failed to {action}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A line of a CSV file has more or fewer fields than the header.
    #[error(
        "{path}:{line}: found {found} fields, expected {expected} as in the header; \
         check for a stray delimiter or quote in or before this line"
    )]
    RaggedRow {
        /// The file, or `<stdin>`.
        path: String,
        /// Line in the file, from 1, where the record starts.
        line: u64,
        /// Fields in the record.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// A cell is not of the kind its column has.
    #[error("{path}:{line}: column {column}: found {value:?}, expected {expected}")]
    BadCell {
        /// The file, or `<stdin>`.
        path: String,
        /// Line in the file, from 1, or the row for files without lines.
        line: u64,
        /// The column's name.
        column: String,
        /// The cell as it stands in the file, shortened when long.
        value: String,
        /// What it should have been, and what to do.
        expected: String,
    },
    /// The file is not what its name says, or is damaged.
    #[error("{path}: {reason}")]
    BadFile {
        /// The file, or `<stdin>`.
        path: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// A line of a model file in a text format is not what it should be.
    #[error("{path}:{line}: {reason}")]
    BadLine {
        /// The file, or `<stdin>`.
        path: String,
        /// Line in the file, from 1.
        line: u64,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// A header field is empty.
    #[error("column {place} has no name; give every column of the header a name")]
    UnnamedColumn {
        /// Its place, from 1.
        place: usize,
    },
    /// Two columns have the same name.
    #[error(
        "column {column:?} stands twice in the header (columns {first} and {second}); rename one"
    )]
    DuplicateColumn {
        /// The name.
        column: String,
        /// Place of the first, from 1.
        first: usize,
        /// Place of the second, from 1.
        second: usize,
    },
    /// The user named a column that the table does not have.
    #[error("no column {column:?} in the table{}", did_you_mean(nearest))]
    NoSuchColumn {
        /// The name asked for.
        column: String,
        /// The nearest name there is.
        nearest: Option<String>,
    },
    /// A column has another kind than the model was fitted on.
    #[error(
        "column {column} is {found}, the model expects {expected}; \
         read it with the model's schema or override its kind"
    )]
    KindMismatch {
        /// The column.
        column: String,
        /// Its kind in the table.
        found: &'static str,
        /// The kind in the model.
        expected: &'static str,
    },
    /// Columns and fields do not make a table.
    #[error("malformed table: {reason}")]
    MalformedFrame {
        /// Which rule is broken.
        reason: String,
    },
    /// A parameter is outside its range.
    #[error("{parameter} is {found}, expected {expected}")]
    BadParameter {
        /// Its name.
        parameter: &'static str,
        /// The value given.
        found: String,
        /// The range.
        expected: &'static str,
    },
    /// A part of a plan for campaigns, or of what it is made from, is not as it should be.
    #[error("{place}: found {found}, expected {expected}")]
    BadPlan {
        /// Where: a key, a column, a row.
        place: String,
        /// What stands there.
        found: String,
        /// What should, and what to do.
        expected: String,
    },
    /// A feature's parts do not fit together.
    #[error("feature {feature}: found {found}, expected {expected}")]
    BadFeature {
        /// Its name.
        feature: String,
        /// What stands there.
        found: String,
        /// What should, and what to do.
        expected: String,
    },
    /// The rows to learn or judge from hold one class only.
    #[error(
        "{part} rows: {positives} of {rows} have the target, so there is nothing to tell apart; \
         check the target's value or bring more rows"
    )]
    OneClass {
        /// Which rows: `training`, `calibration`, ...
        part: &'static str,
        /// Rows with the target.
        positives: usize,
        /// Rows in all.
        rows: usize,
    },
    /// A library underneath refused to fit.
    #[error("{classifier} could not be fitted: {reason}")]
    Fit {
        /// The classifier's name.
        classifier: &'static str,
        /// What it said.
        reason: String,
    },
    /// A saved model cannot be trusted.
    #[error("{path}: not a usable Rekindle model: {reason}")]
    BadArtifact {
        /// The file.
        path: String,
        /// Whether it is foreign, truncated, newer or damaged, and what to do.
        reason: String,
    },
    /// A golden row of a saved model has another score than when the model was made.
    #[error(
        "golden row {row}: found {found}; expected {expected}, as when the model was made; the model or this program \
         was changed: fit the model again, or score with the program that fitted it"
    )]
    GoldenRow {
        /// Its place, from 1.
        row: usize,
        /// The score it has now.
        found: String,
        /// The score it had.
        expected: String,
    },
    /// The registry has no such model or version.
    #[error("registry {registry}: {reason}")]
    Registry {
        /// The registry's folder.
        registry: PathBuf,
        /// What was asked, what is there.
        reason: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(
        || "; see its header for the names there are".to_owned(),
        |name| format!("; did you mean {name:?}?"),
    )
}
