//! What is known of contacts that were made: who was left alone, who was contacted with which action, and what came of
//! it.

use std::collections::{BTreeSet, HashMap};

use rekindle_models::classifiers::boosting::{BinnedTable, Boosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Frame, Rows, Schema};
use rekindle_models::seed::mix2;
use rekindle_models::uplift::Outcome;

use crate::error::{Error, Result};

/// Fewest rows with an action, and fewest left alone: below, nothing can be learned of it.
pub const FEWEST_ROWS: usize = 100;
/// Most actions besides `none`.
const MOST_ACTIONS: usize = 64;

/// Contacts with their outcomes, in a table.
#[derive(Debug)]
pub struct Experiment<'a> {
    /// The table.
    pub frame: &'a Frame,
    /// Places of the feature columns.
    pub features: Vec<usize>,
    /// The names of arms: first the value that means `none`, then the actions in the order of their names.
    pub arms: Vec<String>,
    /// The arm of every row of the table.
    pub arm: Vec<u8>,
    /// The outcome of every row: 0 or 1, or an amount.
    pub outcome: Vec<f64>,
    /// Whether it happened: an outcome above 0.
    pub happened: Vec<bool>,
    /// What the outcome is.
    pub kind: Outcome,
    /// The key of every row's customer.
    pub keys: Vec<u64>,
    /// The rows that have an arm and an outcome, rising.
    pub rows: Vec<u32>,
    /// The features in bins.
    pub table: BinnedTable,
    /// The features of all rows, as models take them.
    pub cells: Rows,
    ones: Vec<f64>,
}

/// The columns that are no features.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    /// Which action each row had.
    pub action: usize,
    /// Its value that means: left alone.
    pub control: &'a str,
    /// The features.
    pub features: Vec<usize>,
    /// The outcome of every row, NaN where it has none.
    pub outcome: Vec<f64>,
    /// What the outcome is.
    pub kind: Outcome,
    /// The key of every row's customer.
    pub keys: Vec<u64>,
}

impl<'a> Experiment<'a> {
    /// # Errors
    /// When the column of actions has too many values or not the control's, an arm has too few rows, or there is no
    /// feature.
    pub fn new(frame: &'a Frame, columns: Columns<'_>) -> Result<Experiment<'a>> {
        let Columns { action, control, features, outcome, kind, keys } = columns;
        if features.is_empty() {
            return Err(Error::BadOptions(
                "no feature is left; expected one column at least besides the action, the outcome, --id, \
                 --propensity and --exclude"
                    .to_owned(),
            ));
        }
        let (arms, arm) = arms(frame, action, control)?;
        let whole = |row: &u32| arm[*row as usize].is_some() && !outcome[*row as usize].is_nan();
        let rows: Vec<u32> = (0..frame.rows() as u32).filter(whole).collect();
        let arm: Vec<u8> = arm.into_iter().map(Option::unwrap_or_default).collect();
        for (place, name) in arms.iter().enumerate() {
            let count = rows.iter().filter(|row| usize::from(arm[**row as usize]) == place).count();
            if count < FEWEST_ROWS {
                let column = frame.schema().fields()[action].name.clone();
                let reason = format!(
                    "{name} has {count} rows with an outcome, expected {FEWEST_ROWS} at least; gather more, or \
                     leave its rows out"
                );
                return Err(Error::BadColumn { role: "action", column, reason });
            }
        }
        let happened: Vec<bool> = outcome.iter().map(|y| *y > 0.0).collect();
        let ones = vec![1.0; frame.rows()];
        let all: Vec<u32> = (0..frame.rows() as u32).collect();
        let data =
            Dataset { frame, features: &features, rows: &rows, target: &happened, weight: &ones };
        let table = BinnedTable::new(&data, Boosting::default().max_bin);
        let cells = data.with_rows(&all).to_rows();
        Ok(Experiment {
            frame,
            features,
            arms,
            arm,
            outcome,
            happened,
            kind,
            keys,
            rows,
            table,
            cells,
            ones,
        })
    }

    /// Actions besides `none`.
    pub fn actions(&self) -> usize {
        self.arms.len() - 1
    }

    /// The features.
    pub fn schema(&self) -> Schema {
        self.frame.schema().select(&self.features)
    }

    /// Some rows as something to learn whether the outcome happened from.
    pub fn data<'s>(&'s self, rows: &'s [u32]) -> Dataset<'s> {
        Dataset {
            frame: self.frame,
            features: &self.features,
            rows,
            target: &self.happened,
            weight: &self.ones,
        }
    }

    /// The features of some rows.
    pub fn cells_of(&self, rows: &[u32]) -> Rows {
        let mut cells = Vec::with_capacity(rows.len() * self.cells.width());
        rows.iter().for_each(|&row| cells.extend_from_slice(self.cells.row(row as usize)));
        Rows::from_cells(self.cells.width(), cells)
    }

    /// Those of some rows that had an arm.
    pub fn of_arm(&self, rows: &[u32], arm: usize) -> Vec<u32> {
        rows.iter().copied().filter(|row| usize::from(self.arm[*row as usize]) == arm).collect()
    }

    /// Divides rows into `parts`, a customer's rows together, by a seed.
    pub fn parts(&self, rows: &[u32], parts: usize, seed: u64) -> Vec<Vec<u32>> {
        let mut divided = vec![Vec::with_capacity(rows.len() / parts + 1); parts];
        for &row in rows {
            let hash = mix2(seed, self.keys[row as usize]);
            divided[((u128::from(hash) * parts as u128) >> 64) as usize].push(row);
        }
        divided
    }
}

/// The names of arms, `none` first, and the arm of every row; `None` where the action is missing.
fn arms(frame: &Frame, place: usize, control: &str) -> Result<(Vec<String>, Vec<Option<u8>>)> {
    let field = &frame.schema().fields()[place];
    let bad = |reason: String| {
        Err(Error::BadColumn { role: "action", column: field.name.clone(), reason })
    };
    let (values, codes) = values(frame, place);
    let Some(none) = values.iter().position(|value| value == control) else {
        let found: Vec<&str> = values.iter().take(6).map(String::as_str).collect();
        return bad(format!(
            "no row has {control:?}, the value of customers who were left alone; found {}; name it: --control VALUE",
            found.join(", ")
        ));
    };
    if values.len() > MOST_ACTIONS + 1 {
        return bad(format!(
            "it has {} values, expected {MOST_ACTIONS} actions at most",
            values.len()
        ));
    }
    if values.len() < 2 {
        return bad(format!("every row has {control:?}, expected rows with an action, too"));
    }
    let mut order: Vec<usize> = (0..values.len()).filter(|value| *value != none).collect();
    order.insert(0, none);
    let mut arm_of = vec![0_u8; values.len()];
    order.iter().zip(0..).for_each(|(&value, arm)| arm_of[value] = arm);
    let names = order.into_iter().map(|value| values[value].clone()).collect();
    let arms = codes.into_iter().map(|code| code.map(|code| arm_of[code as usize])).collect();
    Ok((names, arms))
}

/// The values that a column has, in order, and the place of each row's among them.
fn values(frame: &Frame, place: usize) -> (Vec<String>, Vec<Option<u32>>) {
    let texts: Vec<_> = (0..frame.rows()).map(|row| frame.text(place, row)).collect();
    let met: BTreeSet<&str> = texts.iter().flatten().map(|text| &**text).collect();
    let places: HashMap<&str, u32> = met.iter().copied().zip(0..).collect();
    let codes = texts.iter().map(|text| text.as_ref().map(|text| places[&**text])).collect();
    (met.into_iter().map(str::to_owned).collect(), codes)
}
