//! Rows on their way into a database and out of it, whichever it is. Knows no table.

use std::fmt;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row, Sqlite, Type};

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A text.
    Text(&'a str),
    /// A text or nothing.
    MaybeText(Option<&'a str>),
    /// A whole number.
    Whole(i64),
    /// A number; it comes back to the bit.
    Number(f64),
    /// A number or nothing.
    MaybeNumber(Option<f64>),
    /// Yes or no.
    Truth(bool),
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Text(text) | Cell::MaybeText(Some(text)) => write!(f, "{text:?}"),
            Cell::Whole(number) => write!(f, "{number}"),
            Cell::Number(number) | Cell::MaybeNumber(Some(number)) => write!(f, "{number}"),
            Cell::Truth(truth) => write!(f, "{truth}"),
            Cell::MaybeText(None) | Cell::MaybeNumber(None) => f.write_str("nothing"),
        }
    }
}

/// A table, and its columns in the order in which rows are written and read.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
}

impl Table {
    /// All columns, for a statement.
    pub fn list(&self) -> String {
        self.columns.join(", ")
    }

    /// All columns but the first, which says the campaign.
    pub fn list_in_campaign(&self) -> String {
        self.columns[1..].join(", ")
    }

    /// What the table is called while rows wait to be put into it.
    pub fn incoming(&self) -> String {
        format!("incoming_{}", self.name)
    }
}

/// What can be written as a row.
pub trait Written {
    /// Appends its values in the order of its table's columns, without those that all rows of a batch have.
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>);
}

impl<T: Written> Written for &T {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        (**self).cells(to);
    }
}

/// What can be read from a row.
pub trait Told: Sized {
    /// Takes its values in the order of its table's columns.
    ///
    /// # Errors
    /// When a value is of another kind, or out of its range.
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Self>;
}

/// Rows of a table that are written together.
pub struct Batch<'a, T> {
    /// The table.
    pub table: &'static Table,
    /// The values of the first columns, the same in all rows.
    pub lead: &'a [Cell<'a>],
    /// The other values.
    pub rows: &'a [T],
}

impl<'a, T: Written> Batch<'a, T> {
    /// The values of a row, in place of what `to` held.
    pub fn fill(&self, row: usize, to: &mut Vec<Cell<'a>>) {
        to.clear();
        to.extend_from_slice(self.lead);
        self.rows[row].cells(to);
        debug_assert_eq!(to.len(), self.table.columns.len(), "a value for each column");
    }
}

/// A row that was read, value after value.
pub struct Fields<'r> {
    row: Either<'r>,
    next: usize,
}

enum Either<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

impl<'r> From<&'r SqliteRow> for Fields<'r> {
    fn from(row: &'r SqliteRow) -> Fields<'r> {
        Fields { row: Either::Sqlite(row), next: 0 }
    }
}

impl<'r> From<&'r PgRow> for Fields<'r> {
    fn from(row: &'r PgRow) -> Fields<'r> {
        Fields { row: Either::Postgres(row), next: 0 }
    }
}

impl Fields<'_> {
    /// The next value.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn next<T>(&mut self) -> sqlx::Result<T>
    where
        T: for<'a> Decode<'a, Sqlite>
            + Type<Sqlite>
            + for<'a> Decode<'a, Postgres>
            + Type<Postgres>,
    {
        self.next += 1;
        match self.row {
            Either::Sqlite(row) => row.try_get(self.next - 1),
            Either::Postgres(row) => row.try_get(self.next - 1),
        }
    }
}

/// A value that no Rekindle writes.
pub fn misfit(field: &str, found: &dyn fmt::Display) -> sqlx::Error {
    sqlx::Error::Decode(format!("{field} is {found}; another program wrote it").into())
}

impl Told for i64 {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<i64> {
        row.next()
    }
}

impl<A: Told, B: Told> Told for (A, B) {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<(A, B)> {
        Ok((A::of(row)?, B::of(row)?))
    }
}

impl Told for String {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<String> {
        row.next()
    }
}
