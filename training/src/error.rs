//! What can go wrong while learning and judging.

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the pipeline. Messages say what was found, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading, fitting or saving failed.
    #[error(transparent)]
    Models(#[from] rekindle_models::Error),
    /// The target's column holds more than two values and none was named.
    #[error(
        "target {column}: found {found}; expected 0 and 1, -1 and 1, or true and false; \
         name the value that counts as yes: --target {column}=VALUE"
    )]
    NoYesOrNo {
        /// The column.
        column: String,
        /// Some of its values.
        found: String,
    },
    /// No row has the value that counts as yes, or every row has it.
    #[error("target {column}={value}: {found}; expected some rows with the value and some without")]
    OneClass {
        /// The column.
        column: String,
        /// The value that counts as yes.
        value: String,
        /// How many rows have it, and which values there are.
        found: String,
    },
    /// A customer has several rows and nobody said that this is meant.
    #[error(
        "id column {column}: {value:?} stands in rows {first} and {second} of the table \
         ({repeated} ids are repeated); expected one row a customer; \
         with --repeated-ids a customer's rows stay together in one part"
    )]
    RepeatedId {
        /// The column.
        column: String,
        /// The first repeated id.
        value: String,
        /// Its first row, from 1.
        first: usize,
        /// Its second row.
        second: usize,
        /// How many ids are repeated.
        repeated: usize,
    },
    /// A cell that every row needs is missing or cannot be.
    #[error("{role} column {column}: row {row} has {found}, expected {expected}")]
    BadRow {
        /// What the column is for: `id`, `weight`, `time`.
        role: &'static str,
        /// The column.
        column: String,
        /// The row of the table, from 1.
        row: usize,
        /// What was found.
        found: String,
        /// What was expected, and what to do.
        expected: &'static str,
    },
    /// A column cannot be used for what it was named for.
    #[error("{role} column {column}: {reason}")]
    BadColumn {
        /// What the column is for.
        role: &'static str,
        /// The column.
        column: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// A file of a log cannot be read.
    #[error("{path}: failed to read it: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a log is not as it should be.
    #[error("{path}: {reason}")]
    BadLog {
        /// The file.
        path: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// Options contradict each other or the table.
    #[error("{0}")]
    BadOptions(String),
    /// There are too few rows to divide.
    #[error("{part} rows: {rows} with {positives} that have the target; {todo}")]
    TooFewRows {
        /// The part that is too small.
        part: &'static str,
        /// Its rows.
        rows: usize,
        /// Its rows with the target.
        positives: usize,
        /// What to do.
        todo: &'static str,
    },
    /// Events that do not fit into memory could not be put on disk, or not be read back.
    #[error(
        "spilled events: could not {doing} a temporary file in {folder}: {reason}; expected {bytes} \
         bytes of it so far, more may come; make room there, name a folder with room by \
         --spill-folder, or let more events stay in memory by --memory-limit"
    )]
    Spill {
        /// `create`, `write` or `read`.
        doing: &'static str,
        /// The folder.
        folder: String,
        /// How long the file must be at least, in bytes.
        bytes: u64,
        /// What the system said, or what was found.
        reason: String,
    },
}
