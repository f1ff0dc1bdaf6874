//! Finished campaigns as the table of an experiment: a row for each decision that was drawn at random. Reads no store
//! and learns nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rekindle_models::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema};
use rekindle_store::Trial;

use crate::error::{Error, Result};

/// The column of actions, and its value for customers who were held out.
pub const ACTION: &str = "action";
/// See [`ACTION`].
pub const HELD_OUT: &str = "none";
/// The column of what came of it: 0 and 1, or an amount.
pub const OUTCOME: &str = "outcome";
/// The column of how likely each customer was to be treated so.
pub const PROPENSITY: &str = "propensity";
/// The column of customers' ids.
pub const CUSTOMER: &str = "customer_id";
/// The feature that is the probability of the outcome without a contact, as the plan took it.
pub const SCORE: &str = "score";
/// The feature that is the profit of a success, as the plan took it.
pub const SUCCESS_VALUE: &str = "success_value";

/// What is asked of decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialRules {
    /// Whether the outcome is the sum of amounts, not whether there was one.
    pub money: bool,
    /// Customers planned to have this action alone; `None`: any.
    pub only: Option<String>,
}

/// Decisions that were drawn, as they come; and how many were not, and why.
#[derive(Debug, Clone, Default)]
pub struct Trials {
    rules: TrialRules,
    customers: Vec<String>,
    actions: Vec<String>,
    outcomes: Vec<f64>,
    propensities: Vec<f64>,
    tiers: Vec<Option<String>>,
    stages: Vec<Option<String>>,
    grades: Vec<Option<String>>,
    scores: Vec<f64>,
    values: Vec<f64>,
    /// What became of all decisions.
    pub counts: TrialCounts,
}

/// What became of decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrialCounts {
    /// Decisions for an action, looked at.
    pub decisions: u64,
    /// Planned to have another action than the one asked for: they tell nothing of it.
    pub not_planned: u64,
    /// Planned to have an action, but not by chance: nobody like them was held out.
    pub not_drawn: u64,
    /// Held out and contacted all the same. They count as held out.
    pub contacted_controls: u64,
    /// To be contacted and not. They count as contacted: what is learned is the effect of the decision.
    pub without_contact: u64,
    /// Held out.
    pub held_out: u64,
    /// With an outcome.
    pub with_outcome: u64,
}

impl Trials {
    /// None yet.
    pub fn new(rules: TrialRules) -> Trials {
        Trials { rules, ..Trials::default() }
    }

    /// Takes a decision with what came of it.
    pub fn push(&mut self, trial: Trial) {
        let Trial { contacts, outcomes, amount, .. } = trial;
        let counts = &mut self.counts;
        counts.decisions += 1;
        let other = self.rules.only.as_ref().is_some_and(|only| *only != trial.action);
        if other {
            counts.not_planned += 1;
            return;
        }
        if !(trial.propensity > 0.0 && trial.propensity < 1.0) {
            counts.not_drawn += 1;
            return;
        }
        counts.held_out += u64::from(trial.control);
        counts.contacted_controls += u64::from(trial.control && contacts > 0);
        counts.without_contact += u64::from(!trial.control && contacts == 0);
        counts.with_outcome += u64::from(outcomes > 0);
        let happened = f64::from(u8::from(outcomes > 0));
        self.customers.push(trial.customer_id);
        self.actions.push(if trial.control { HELD_OUT.to_owned() } else { trial.action });
        self.outcomes.push(if self.rules.money { amount } else { happened });
        self.propensities.push(trial.propensity);
        self.tiers.push(trial.lapse_tier);
        self.stages.push(trial.lifecycle_stage);
        self.grades.push(trial.grade);
        self.scores.push(trial.score.unwrap_or(f64::NAN));
        self.values.push(trial.predicted_value.unwrap_or(f64::NAN));
    }

    /// Decisions that were drawn.
    pub fn len(&self) -> usize {
        self.customers.len()
    }

    /// Whether no decision was drawn.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// The table: customer, action, outcome, propensity, and what was known when it was decided, as far as anything was.
    ///
    /// # Errors
    /// When there are more rows than a table has.
    pub fn frame(self) -> Result<Frame> {
        let some = |texts: Vec<String>| texts.into_iter().map(Some).collect();
        let kind = if self.rules.money { Kind::Numeric } else { Kind::Boolean };
        let mut columns = vec![
            category(CUSTOMER, some(self.customers)),
            category(ACTION, some(self.actions)),
            number(OUTCOME, kind, self.outcomes),
            number(PROPENSITY, Kind::Numeric, self.propensities),
        ];
        let words =
            [("lapse_tier", self.tiers), ("lifecycle_stage", self.stages), ("grade", self.grades)];
        for (name, texts) in words {
            if texts.iter().any(Option::is_some) {
                columns.push(category(name, texts));
            }
        }
        for (name, numbers) in [(SCORE, self.scores), (SUCCESS_VALUE, self.values)] {
            if numbers.iter().any(|number| !number.is_nan()) {
                columns.push(number(name, Kind::Numeric, numbers));
            }
        }
        let (fields, columns): (Vec<Field>, Vec<Column>) = columns.into_iter().unzip();
        Ok(Frame::new(Schema::new(fields)?, columns)?)
    }
}

/// A table of trials beside more columns of their customers.
#[derive(Debug)]
pub struct Joined {
    /// The rows whose customer is in the table, with its columns.
    pub frame: Frame,
    /// Rows whose customer is not, which were left out.
    pub absent: usize,
    /// Columns of the table that the trials have, too: those of the trials are kept.
    pub doubled: Vec<String>,
}

/// Puts the columns of `table`, whose ids stand in `id` once each, beside the rows of `trials`.
///
/// # Errors
/// When no customer of the trials is in the table.
pub fn join(trials: &Frame, table: &Frame, id: usize) -> Result<Joined> {
    let ids = (0..table.rows()).filter_map(|row| Some((table.text(id, row)?, row)));
    let places: HashMap<_, usize> = ids.collect();
    let customer = trials.schema().require(CUSTOMER)?;
    let found = |row: usize| Some((row, *places.get(&trials.text(customer, row)?)?));
    let rows: Vec<(usize, usize)> = (0..trials.rows()).filter_map(found).collect();
    if rows.is_empty() {
        let name = &table.schema().fields()[id].name;
        return Err(Error::BadOptions(format!(
            "none of the {} customers of the campaigns is in column {name} of the table; expected their ids there: \
             --id COLUMN",
            trials.rows()
        )));
    }
    let (of_trials, of_table): (Vec<usize>, Vec<usize>) = rows.into_iter().unzip();
    let absent = trials.rows() - of_trials.len();
    let (mut fields, mut columns, mut doubled) = (Vec::new(), Vec::new(), Vec::new());
    for (frame, rows) in [(trials, &of_trials), (table, &of_table)] {
        for (place, field) in frame.schema().fields().iter().enumerate() {
            let of_table = std::ptr::eq(frame, table);
            if of_table && place == id {
                continue;
            }
            if of_table && trials.schema().place(&field.name).is_some() {
                doubled.push(field.name.clone());
                continue;
            }
            fields.push(field.clone());
            columns.push(taken(&frame.columns()[place], rows));
        }
    }
    Ok(Joined { frame: Frame::new(Schema::new(fields)?, columns)?, absent, doubled })
}

/// Some cells of a column.
fn taken(column: &Column, rows: &[usize]) -> Column {
    match column {
        Column::Number(cells) => Column::Number(rows.iter().map(|row| cells[*row]).collect()),
        Column::Category(codes) => Column::Category(rows.iter().map(|row| codes[*row]).collect()),
    }
}

fn number(name: &str, kind: Kind, cells: Vec<f64>) -> (Field, Column) {
    (Field { name: name.to_owned(), kind }, Column::Number(cells))
}

/// A column of texts, its levels in the order of their bytes.
fn category(name: &str, texts: Vec<Option<String>>) -> (Field, Column) {
    let levels: BTreeSet<&str> = texts.iter().flatten().map(String::as_str).collect();
    let places: HashMap<&str, u32> = levels.iter().copied().zip(0..).collect();
    let code = |text: &Option<String>| text.as_ref().map_or(MISSING_CODE, |t| places[t.as_str()]);
    let codes = texts.iter().map(code).collect();
    let levels: Arc<[String]> = levels.into_iter().map(str::to_owned).collect();
    let kind = Kind::Categorical(levels);
    (Field { name: name.to_owned(), kind }, Column::Category(codes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(customer: &str, action: &str, control: bool, propensity: f64) -> Trial {
        Trial {
            customer_id: customer.to_owned(),
            action: action.to_owned(),
            control,
            propensity,
            lapse_tier: Some("dormant".to_owned()),
            lifecycle_stage: None,
            grade: (customer == "ann").then(|| "A".to_owned()),
            score: Some(0.25),
            predicted_value: None,
            contacts: 1,
            outcomes: 2,
            amount: 7.5,
            first_outcome_micros: None,
        }
    }

    #[test]
    fn rows_are_the_decisions_that_were_drawn() {
        for (money, only, expected) in [(false, None, 3), (true, Some("mail".to_owned()), 2)] {
            let mut trials = Trials::new(TrialRules { money, only });
            trials.push(trial("ann", "mail", false, 0.8));
            trials.push(trial("bob", "mail", true, 0.2));
            trials.push(trial("cem", "letter", false, 0.8));
            trials.push(trial("eve", "mail", false, 1.0));
            assert_eq!(trials.len(), expected);
            let TrialCounts { decisions, not_drawn, contacted_controls, held_out, .. } =
                trials.counts;
            assert_eq!((decisions, not_drawn, contacted_controls, held_out), (4, 1, 1, 1));
            let frame = trials.frame().unwrap();
            let names: Vec<&str> =
                frame.schema().fields().iter().map(|field| field.name.as_str()).collect();
            // Nothing is known of stages and values.
            let known = [CUSTOMER, ACTION, OUTCOME, PROPENSITY, "lapse_tier", "grade", SCORE];
            assert_eq!(names, known);
            assert_eq!(frame.text(1, 0).unwrap(), "mail");
            assert_eq!(frame.text(1, 1).unwrap(), HELD_OUT);
            assert_eq!(frame.numbers(2).unwrap()[0], if money { 7.5 } else { 1.0 });
            assert_eq!(frame.numbers(3).unwrap()[..2], [0.8, 0.2]);
            assert_eq!(frame.text(5, 1), None);
        }
    }

    #[test]
    fn columns_of_a_table_are_put_beside_and_customers_without_are_counted() {
        let mut trials = Trials::new(TrialRules::default());
        for customer in ["ann", "bob", "cem"] {
            trials.push(trial(customer, "mail", false, 0.8));
        }
        let trials = trials.frame().unwrap();
        let ids = ["cem", "xav", "ann"].map(|id| Some(id.to_owned())).to_vec();
        let columns = [
            category("id", ids),
            number("visits", Kind::Numeric, vec![3.0, 9.0, 1.0]),
            category("grade", vec![None; 3]),
        ];
        let (fields, columns) = columns.into_iter().unzip();
        let table = Frame::new(Schema::new(fields).unwrap(), columns).unwrap();
        let Joined { frame, absent, doubled } = join(&trials, &table, 0).unwrap();
        assert_eq!((frame.rows(), absent), (2, 1));
        assert_eq!(doubled, ["grade"]);
        let visits = frame.schema().require("visits").unwrap();
        assert_eq!(frame.numbers(visits).unwrap(), [1.0, 3.0]);
        assert_eq!(frame.text(0, 1).unwrap(), "cem");
        assert_eq!(frame.schema().place("id"), None);

        let nobody = Frame::new(
            Schema::new(vec![category("id", vec![Some("zoe".to_owned())]).0]).unwrap(),
            vec![category("id", vec![Some("zoe".to_owned())]).1],
        );
        let error = join(&trials, &nobody.unwrap(), 0).unwrap_err().to_string();
        assert!(error.contains("none of the 3 customers"), "{error}");
    }
}
