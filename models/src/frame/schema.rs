//! The names and kinds of a table's columns. Holds no cells.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Numbers; missing is NaN.
    Numeric,
    /// `true` / `false`, held as 1 and 0; missing is NaN.
    Boolean,
    /// Points in time, held as days since 1970-01-01 00:00 UTC (fractions are parts of a day);
    /// missing is NaN. A column is a date only when the user says so.
    Date(DateFormat),
    /// One of a set of levels; cells are places in this list. Sorted by their bytes where they come
    /// from a table, in the other program's order where a model was imported.
    Categorical(Arc<[String]>),
}

impl Kind {
    /// The word for this kind in messages and manifests.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Numeric => "numeric",
            Kind::Boolean => "boolean",
            Kind::Date(_) => "date",
            Kind::Categorical(_) => "categorical",
        }
    }
}

/// How a date is written, as `strftime` has it (`%d.%m.%Y`); empty means ISO 8601: a date, or a
/// date and a time with or without a zone (none means UTC).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DateFormat(pub String);

impl DateFormat {
    /// Days since 1970-01-01 00:00 UTC, or `None` when `text` is not written in this format.
    pub fn parse(&self, text: &str) -> Option<f64> {
        use chrono::{DateTime, NaiveDate, NaiveDateTime};
        let days = |t: NaiveDateTime| {
            let t = t.and_utc();
            (t.timestamp() as f64 + f64::from(t.timestamp_subsec_nanos()) * 1e-9) / 86_400.0
        };
        let midnight = |d: NaiveDate| d.and_hms_opt(0, 0, 0);
        if self.0.is_empty() {
            return DateTime::parse_from_rfc3339(text)
                .map(|t| t.naive_utc())
                .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
                .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"))
                .ok()
                .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(midnight))
                .map(days);
        }
        DateTime::parse_from_str(text, &self.0)
            .map(|t| t.naive_utc())
            .or_else(|_| NaiveDateTime::parse_from_str(text, &self.0))
            .ok()
            .or_else(|| NaiveDate::parse_from_str(text, &self.0).ok().and_then(midnight))
            .map(days)
    }

    /// The day of so many days since 1970-01-01, as `2024-02-29`; the number itself beyond the calendar.
    pub fn day(days: f64) -> String {
        let day = chrono::DateTime::from_timestamp((days * 86_400.0).floor() as i64, 0);
        day.map_or_else(|| days.to_string(), |day| day.format("%Y-%m-%d").to_string())
    }
}

/// A column's name and kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The column's name as in the header, without surrounding blanks.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
}

/// The fields of a table in order; names are unique and not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    fields: Vec<Field>,
    places: HashMap<String, usize>,
}

impl Schema {
    /// # Errors
    /// When two fields have the same name, or one has none.
    pub fn new(fields: Vec<Field>) -> Result<Schema> {
        let mut places = HashMap::with_capacity(fields.len());
        for (place, field) in fields.iter().enumerate() {
            if field.name.is_empty() {
                return Err(Error::UnnamedColumn { place: place + 1 });
            }
            if let Some(first) = places.insert(field.name.clone(), place) {
                return Err(Error::DuplicateColumn {
                    column: field.name.clone(),
                    first: first + 1,
                    second: place + 1,
                });
            }
        }
        Ok(Schema { fields, places })
    }

    /// The fields in column order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The place of a column by its exact name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The place of a column that the user named.
    ///
    /// # Errors
    /// When there is no such column: the message offers the nearest name.
    pub fn require(&self, name: &str) -> Result<usize> {
        self.place(name).ok_or_else(|| Error::NoSuchColumn {
            column: name.to_owned(),
            nearest: nearest_name(name, self.fields.iter().map(|f| f.name.as_str())),
        })
    }

    /// The schema of some of the columns, in the order given.
    pub fn select(&self, places: &[usize]) -> Schema {
        let fields: Vec<Field> = places.iter().map(|&p| self.fields[p].clone()).collect();
        Schema::new(fields).expect("a selection of distinct columns keeps their names unique")
    }
}

/// The candidate that is fewest edits away from `name`, if any is near enough to be meant.
/// Upper and lower case count as the same letter.
pub fn nearest_name<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .map(|c| (strsim::osa_distance(&wanted, &c.to_lowercase()), c))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(names: &[&str]) -> Result<Schema> {
        let field = |name: &&str| Field { name: (*name).to_owned(), kind: Kind::Numeric };
        Schema::new(names.iter().map(field).collect())
    }

    #[test]
    fn swapped_letters_are_one_mistake() {
        let near = |name: &str| nearest_name(name, ["keep", "drop"].into_iter());
        assert_eq!(near("dorp").as_deref(), Some("drop"));
        assert_eq!(near("KEPE").as_deref(), Some("keep"));
        assert_eq!(near("left"), None);
    }

    #[test]
    fn columns_are_found_by_name_and_a_wrong_name_meets_the_nearest() {
        let schema = numbers(&["recency_days", "visits", "spend"]).unwrap();
        assert_eq!(schema.require("visits").unwrap(), 1);
        assert_eq!(schema.place("Visits"), None);
        let nearest = |name: &str| match schema.require(name).unwrap_err() {
            Error::NoSuchColumn { nearest, .. } => nearest,
            other => panic!("{other}"),
        };
        assert_eq!(nearest("Visits").as_deref(), Some("visits"));
        assert_eq!(nearest("recencydays").as_deref(), Some("recency_days"));
        assert_eq!(nearest("spnd").as_deref(), Some("spend"));
        assert_eq!(nearest("zzz"), None);
        let picked = schema.select(&[2, 0]);
        assert_eq!((picked.place("spend"), picked.place("recency_days")), (Some(0), Some(1)));
    }

    #[test]
    fn names_are_there_and_differ() {
        assert!(matches!(numbers(&["a", ""]), Err(Error::UnnamedColumn { place: 2 })));
        let twice = numbers(&["a", "b", "b"]);
        assert!(matches!(twice, Err(Error::DuplicateColumn { first: 2, second: 3, .. })));
    }

    #[test]
    fn dates_are_days_since_1970() {
        let iso = DateFormat::default();
        for (text, days) in [
            ("1970-01-01", Some(0.0)),
            ("1969-12-31", Some(-1.0)),
            ("2026-11-23T12:00:00Z", Some(20_780.5)),
            ("2026-11-23 12:00:00", Some(20_780.5)),
            ("2026-11-23T12:00:00.000", Some(20_780.5)),
            ("2026-11-23T12:00:00+12:00", Some(20_780.0)),
            ("2024-02-29", Some(19_782.0)),
            ("2026-02-29", None),
            ("23.11.2026", None),
            ("2026-11-23T25:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(iso.parse(text), days, "{text}");
        }
        let minutes = DateFormat("%d.%m.%Y %H:%M".to_owned());
        assert_eq!(minutes.parse("23.11.2026 06:00"), Some(20_780.25));
        let zoned = DateFormat("%d.%m.%Y %H:%M %z".to_owned());
        assert_eq!(zoned.parse("23.11.2026 06:00 +0600"), Some(20_780.0));
        assert_eq!(DateFormat("%Q nonsense %".to_owned()).parse("1"), None);
    }
}
