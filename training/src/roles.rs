//! What the columns of a table are for, besides being features: ids, weights, times, targets.

use std::collections::{BTreeSet, HashMap};

use rekindle_models::artifact::TimeRange;
use rekindle_models::frame::{Column, DateFormat, Frame, Kind};
use rekindle_models::metrics::{Campaign, Stakes};

use crate::error::{Error, Result};
use crate::label::Target;
use crate::options::FitOptions;
use crate::split::keys;

/// The columns with a role, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Roles {
    /// Places of the columns that are features of no target.
    pub not_features: BTreeSet<usize>,
    /// The key of every row's customer.
    pub keys: Vec<u64>,
    /// The weight of every row, 1 where there is no column of weights.
    pub weight: Vec<f64>,
    /// The time of every row, where a column was named.
    pub time: Option<Vec<f64>>,
    /// Whether that is a column of dates: days since 1970-01-01.
    pub dates: bool,
    /// A campaign's amounts by row, where there is one.
    pub stakes: Option<Stakes>,
}

impl Roles {
    /// Finds and checks them.
    ///
    /// # Errors
    /// When a column is not there, an id repeats though it may not, or a cell that every row needs
    /// is missing or cannot be.
    pub fn find(frame: &Frame, options: &FitOptions, targets: &[Target]) -> Result<Roles> {
        let place = |name: &Option<String>| match name {
            Some(name) => Ok::<_, Error>(Some(frame.schema().require(name)?)),
            None => Ok(None),
        };
        let (id, weight, time) =
            (place(&options.id)?, place(&options.weight)?, place(&options.time)?);
        for (target, column) in &options.exclude_for {
            if !targets.iter().any(|t| t.column == *target) {
                return Err(Error::BadOptions(format!(
                    "--exclude-for {target}={column}: {target} is no target of this run"
                )));
            }
        }
        let mut not_features: BTreeSet<usize> = targets.iter().map(|t| t.place).collect();
        not_features.extend([id, weight, time].into_iter().flatten());
        if let Some(place) = id {
            check_ids(frame, place, options.repeated_ids)?;
        }
        let features: Vec<usize> =
            (0..frame.schema().len()).filter(|p| !not_features.contains(p)).collect();
        Ok(Roles {
            keys: keys(frame, id, &features),
            weight: match weight {
                Some(place) => weights(frame, place)?,
                None => vec![1.0; frame.rows()],
            },
            dates: time
                .is_some_and(|place| matches!(frame.schema().fields()[place].kind, Kind::Date(_))),
            time: time.map(|place| times(frame, place)).transpose()?,
            stakes: options.profit.as_ref().map(|profit| stakes(frame, profit)).transpose()?,
            not_features,
        })
    }

    /// A campaign's amounts for some rows.
    pub fn stakes_at(&self, rows: &[u32]) -> Option<Stakes> {
        self.stakes.as_ref().map(|stakes| stakes.at(rows))
    }

    /// What contacting some rows would bring, where there is a campaign.
    pub fn gains(&self, rows: &[u32], target: &[bool]) -> Option<Vec<f64>> {
        self.stakes_at(rows).map(|stakes| stakes.gains(target))
    }

    /// First and last time of some rows, where there are any.
    pub fn time_range(&self, rows: &[u32]) -> Option<TimeRange> {
        let times = self.time.as_ref().filter(|_| !rows.is_empty())?;
        let (first, last) = rows
            .iter()
            .map(|&row| times[row as usize])
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(t), b.max(t)));
        Some(TimeRange { first, last, dates: self.dates })
    }
}

/// Refuses a column that was named for two things.
///
/// # Errors
/// When there is one.
pub fn check_roles(options: &FitOptions) -> Result<()> {
    let roles = [("--id", &options.id), ("--weight", &options.weight), ("--time", &options.time)];
    let named = roles.iter().filter_map(|(role, column)| Some((*role, column.as_deref()?)));
    let named: Vec<(&str, &str)> =
        named.chain(options.exclude.iter().map(|c| ("--exclude", c.as_str()))).collect();
    let twice = |column: &str, first: &str, second: &str| {
        Err(Error::BadOptions(format!(
            "column {column:?} is named by {first} and {second}; expected one role a column"
        )))
    };
    for (place, (role, column)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..place].iter().find(|(r, c)| r != role && c == column) {
            return twice(column, other, role);
        }
        let is_target =
            |target: &str| target == *column || target.starts_with(&format!("{column}="));
        if options.targets.iter().any(|target| is_target(&target.given)) {
            return twice(column, "--target", role);
        }
    }
    Ok(())
}

fn name(frame: &Frame, place: usize) -> String {
    frame.schema().fields()[place].name.clone()
}

pub(crate) fn check_ids(frame: &Frame, place: usize, repeated_ids: bool) -> Result<()> {
    let mut first_row: HashMap<std::borrow::Cow<'_, str>, usize> = HashMap::new();
    let mut found: Option<(String, usize, usize)> = None;
    let mut repeated = BTreeSet::new();
    for row in 0..frame.rows() {
        let Some(id) = frame.text(place, row) else {
            return Err(Error::BadRow {
                role: "id",
                column: name(frame, place),
                row: row + 1,
                found: "no value".to_owned(),
                expected: "an id in every row; drop the row or leave out --id",
            });
        };
        if let Some(&first) = first_row.get(&id) {
            repeated.insert(first);
            found.get_or_insert((id.into_owned(), first, row));
        } else {
            first_row.insert(id, row);
        }
    }
    match found {
        Some((value, first, second)) if !repeated_ids => Err(Error::RepeatedId {
            column: name(frame, place),
            value,
            first: first + 1,
            second: second + 1,
            repeated: repeated.len(),
        }),
        _ => Ok(()),
    }
}

pub(crate) fn weights(frame: &Frame, place: usize) -> Result<Vec<f64>> {
    let Some(weights) = frame.numbers(place) else {
        return Err(Error::BadColumn {
            role: "weight",
            column: name(frame, place),
            reason: "it is categorical, expected numbers above 0".to_owned(),
        });
    };
    match weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
        None => Ok(weights.to_vec()),
        Some(row) => Err(Error::BadRow {
            role: "weight",
            column: name(frame, place),
            row: row + 1,
            found: frame.text(place, row).map_or("no value".to_owned(), |t| t.into_owned()),
            expected: "a finite number above 0; drop rows of weight 0",
        }),
    }
}

/// A campaign's amounts by row of a table.
///
/// # Errors
/// When a column is not there, or one of its cells is no amount.
pub(crate) fn stakes(frame: &Frame, profit: &Campaign) -> Result<Stakes> {
    profit.validate()?;
    profit.stakes(frame.rows(), |column| {
        let place = frame.schema().require(column)?;
        let Some(amounts) = frame.numbers(place) else {
            return Err(Error::BadColumn {
                role: "profit",
                column: column.to_owned(),
                reason: "it is categorical, expected amounts of money".to_owned(),
            });
        };
        match amounts.iter().position(|amount| !amount.is_finite()) {
            None => Ok(amounts.to_vec()),
            Some(row) => Err(Error::BadRow {
                role: "profit",
                column: column.to_owned(),
                row: row + 1,
                found: frame.text(place, row).map_or("no value".to_owned(), |t| t.into_owned()),
                expected: "an amount of money in every row; drop the row or give one amount for all",
            }),
        }
    })
}

/// Numbers as they are, dates and text in ISO 8601 as days since 1970.
fn times(frame: &Frame, place: usize) -> Result<Vec<f64>> {
    let bad = |row: usize, found: String| Error::BadRow {
        role: "time",
        column: name(frame, place),
        row: row + 1,
        found,
        expected: "a number or an ISO 8601 date in every row; \
                   give another format with --date COLUMN=FORMAT, drop rows without a time",
    };
    let times: Vec<f64> = match (&frame.columns()[place], &frame.schema().fields()[place].kind) {
        (Column::Number(values), _) => values.clone(),
        (Column::Category(codes), Kind::Categorical(levels)) => {
            let days: Vec<Option<f64>> =
                levels.iter().map(|level| DateFormat::default().parse(level)).collect();
            let of_row = |(row, &code): (usize, &u32)| match days.get(code as usize) {
                None => Ok(f64::NAN),
                Some(Some(days)) => Ok(*days),
                Some(None) => Err(bad(row, format!("{:?}", levels[code as usize]))),
            };
            codes.iter().enumerate().map(of_row).collect::<Result<_>>()?
        }
        (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
    };
    match times.iter().position(|t| !t.is_finite()) {
        None => Ok(times),
        Some(row) => {
            let missing = times.iter().filter(|t| !t.is_finite()).count();
            Err(bad(row, format!("no time (as {missing} rows in all)")))
        }
    }
}
