//! What a table is like that a model was made from or is judged on: what is absent, missing, constant, or was never seen
//! before. Judges nothing.

use std::cmp::Reverse;
use std::collections::HashSet;

use rayon::prelude::*;
use rekindle_models::frame::{Column, Frame, Kind, MISSING_CODE, Schema};
use schemars::JsonSchema;
use serde::Serialize;

/// Most features named in a list; the rest is counted.
const MOST: usize = 20;

/// A table as a model sees it. Shares are of the rows with an answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DataQuality {
    /// What the table was for.
    pub table: Table,
    /// Rows read.
    pub rows: usize,
    /// Rows left out because they have no answer.
    pub unanswered: usize,
    /// Features of the model.
    pub features: usize,
    /// Features that are no columns of the table.
    pub absent: Names,
    /// Features with no cell in any row, absent ones apart.
    pub wholly_missing: Names,
    /// Features with the same cell in every row that has one.
    pub constant: Names,
    /// Features with a missing cell, absent ones apart.
    pub some_missing: usize,
    /// Those with the most, wholly missing ones apart; the largest share first.
    pub missing: Vec<Missing>,
    /// Features with levels that were not seen when the model was fitted.
    pub with_unknown_levels: usize,
    /// Those with the most rows of such, the most first.
    pub unknown_levels: Vec<UnknownLevels>,
}

/// What a table was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// The model was made from it, and judged on its test rows.
    Fitted,
    /// The model was judged on it.
    Judged,
}

/// Some features: the first by name, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Names {
    /// All of them.
    pub count: usize,
    /// The first, in the model's order.
    pub first: Vec<String>,
}

/// A feature with missing cells.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Missing {
    /// The feature.
    pub feature: String,
    /// Share of rows without a cell, 0 to 1.
    pub share: f64,
}

/// A feature with levels that the model does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnknownLevels {
    /// The feature.
    pub feature: String,
    /// Such levels.
    pub levels: usize,
    /// One of them.
    pub example: String,
    /// Rows that have one.
    pub rows: usize,
}

/// What the cells of a column tell.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    missing: usize,
    constant: bool,
    unknown: usize,
}

impl DataQuality {
    /// Looks at the rows with an answer (places in the table), once at each cell of a feature, on all cores.
    pub fn new(table: Table, features: &Schema, frame: &Frame, answered: &[u32]) -> DataQuality {
        let columns: Vec<(&str, Option<usize>, Vec<&str>)> = features
            .fields()
            .iter()
            .map(|field| {
                let place = frame.schema().place(&field.name);
                let unknown = place.map_or_else(Vec::new, |place| {
                    unknown(&field.kind, &frame.schema().fields()[place].kind)
                });
                (field.name.as_str(), place, unknown)
            })
            .collect();
        let seen: Vec<Option<Seen>> = columns
            .par_iter()
            .map(|(_, place, unknown)| place.map(|place| look(frame, place, unknown, answered)))
            .collect();
        let all = answered.len();
        let named = |keep: &dyn Fn(Option<Seen>) -> bool| {
            let kept = columns.iter().zip(&seen).filter(|(_, seen)| keep(**seen));
            let names: Vec<&str> = kept.map(|((name, ..), _)| *name).collect();
            let first = names.iter().take(MOST).map(|name| (*name).to_owned()).collect();
            Names { count: names.len(), first }
        };
        let there = || columns.iter().zip(&seen).filter_map(|(c, seen)| Some((c, (*seen)?)));
        let mut missing: Vec<Missing> = there()
            .filter(|(_, seen)| seen.missing > 0 && seen.missing < all)
            .map(|((name, ..), seen)| Missing {
                feature: (*name).to_owned(),
                share: seen.missing as f64 / all as f64,
            })
            .collect();
        missing.sort_by(|a, b| b.share.total_cmp(&a.share));
        missing.truncate(MOST);
        let mut unknown_levels: Vec<UnknownLevels> = there()
            .filter(|(_, seen)| seen.unknown > 0)
            .map(|((name, _, levels), seen)| UnknownLevels {
                feature: (*name).to_owned(),
                levels: levels.len(),
                example: levels.first().map_or("", |level| level).to_owned(),
                rows: seen.unknown,
            })
            .collect();
        unknown_levels.sort_by_key(|levels| Reverse(levels.rows));
        let with_unknown_levels = unknown_levels.len();
        unknown_levels.truncate(MOST);
        DataQuality {
            table,
            rows: frame.rows(),
            unanswered: frame.rows() - all,
            features: features.len(),
            absent: named(&|seen| seen.is_none()),
            wholly_missing: named(&|seen| seen.is_some_and(|s| all > 0 && s.missing == all)),
            constant: named(&|seen| seen.is_some_and(|s| s.constant && s.missing < all)),
            some_missing: there().filter(|(_, seen)| seen.missing > 0).count(),
            missing,
            with_unknown_levels,
            unknown_levels,
        }
    }
}

/// Levels of a table's column that a feature does not have.
fn unknown<'a>(feature: &Kind, column: &'a Kind) -> Vec<&'a str> {
    let (Kind::Categorical(known), Kind::Categorical(given)) = (feature, column) else {
        return Vec::new();
    };
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    given.iter().map(String::as_str).filter(|level| !known.contains(level)).collect()
}

/// Looks at the rows of a column.
fn look(frame: &Frame, place: usize, unknown: &[&str], rows: &[u32]) -> Seen {
    match (&frame.columns()[place], &frame.schema().fields()[place].kind) {
        (Column::Category(codes), Kind::Categorical(levels)) => {
            let unknown: HashSet<&str> = unknown.iter().copied().collect();
            let strange: Vec<bool> =
                levels.iter().map(|level| unknown.contains(level.as_str())).collect();
            let strange = |code: &u32| strange.get(*code as usize).copied().unwrap_or(true);
            let codes = rows.iter().map(|&row| codes[row as usize]);
            let missing = |code: &u32| *code == MISSING_CODE;
            let unknown = codes.clone().filter(|code| !missing(code) && strange(code)).count();
            Seen { unknown, ..seen(codes, missing) }
        }
        (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
        (Column::Number(cells), _) => {
            seen(rows.iter().map(|&row| cells[row as usize]), |cell| cell.is_nan())
        }
    }
}

/// One pass counts what is missing; another, for what is constant, ends at the second of two different cells.
fn seen<T: PartialEq>(
    cells: impl Iterator<Item = T> + Clone,
    missing: impl Fn(&T) -> bool + Copy,
) -> Seen {
    let mut there = cells.clone().filter(|cell| !missing(cell));
    let first = there.next();
    Seen {
        constant: there.all(|cell| Some(cell) == first),
        missing: cells.filter(missing).count(),
        unknown: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rekindle_models::frame::Field;

    use super::*;

    fn levels(of: &[&str]) -> Kind {
        Kind::Categorical(of.iter().map(|level| (*level).to_owned()).collect::<Arc<[String]>>())
    }

    fn schema(fields: Vec<(&str, Kind)>) -> Schema {
        let field = |(name, kind): (&str, Kind)| Field { name: name.to_owned(), kind };
        Schema::new(fields.into_iter().map(field).collect()).unwrap()
    }

    #[test]
    fn each_feature_is_told_for_what_it_is_on_the_rows_with_an_answer() {
        let nan = f64::NAN;
        let features = schema(vec![
            ("gone", Kind::Numeric),
            ("empty", Kind::Numeric),
            ("same", Kind::Numeric),
            ("half", Kind::Numeric),
            ("quarter", Kind::Numeric),
            ("city", levels(&["Ulm"])),
        ]);
        let table = schema(vec![
            ("empty", Kind::Numeric),
            ("same", Kind::Numeric),
            ("half", Kind::Numeric),
            ("quarter", Kind::Numeric),
            ("city", levels(&["Bonn", "Ulm"])),
        ]);
        let columns = vec![
            Column::Number(vec![nan, nan, nan, nan, 1.0]),
            Column::Number(vec![7.0, 7.0, nan, 7.0, 8.0]),
            Column::Number(vec![1.0, nan, 3.0, nan, nan]),
            Column::Number(vec![1.0, 2.0, 3.0, nan, nan]),
            Column::Category(vec![0, 1, MISSING_CODE, 0, 0]),
        ];
        let frame = Frame::new(table, columns).unwrap();
        let quality = DataQuality::new(Table::Judged, &features, &frame, &[0, 1, 2, 3]);
        assert_eq!((quality.rows, quality.unanswered, quality.features), (5, 1, 6));
        assert_eq!(quality.absent.first, ["gone"]);
        assert_eq!(quality.wholly_missing.first, ["empty"]);
        assert_eq!(quality.constant.first, ["same"]);
        assert_eq!(quality.some_missing, 5);
        let shares: Vec<(&str, f64)> =
            quality.missing.iter().map(|m| (m.feature.as_str(), m.share)).collect();
        assert_eq!(shares, [("half", 0.5), ("same", 0.25), ("quarter", 0.25), ("city", 0.25)]);
        let unknown = UnknownLevels {
            feature: "city".to_owned(),
            levels: 1,
            example: "Bonn".to_owned(),
            rows: 2,
        };
        assert_eq!(quality.unknown_levels, [unknown]);
    }
}
