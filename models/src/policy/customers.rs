//! The customers that a plan is made for, column by column, and what sound columns are. Decides nothing.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::customer::{Grade, LapseTier, LifecycleStage};
use crate::error::Result;
use crate::policy::allocation::MOST_MONEY;
use crate::policy::occasion::CustomerDays;
use crate::policy::spec::{Outcome, PlanSpec, check};

/// Customers, one place in every column each. Columns that are not known are `None` (or empty, `consents`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Customers {
    /// Who they are.
    pub ids: Vec<String>,
    /// Lifecycle stages; needed where an uplift is assumed.
    pub stages: Option<Vec<Option<LifecycleStage>>>,
    /// Lapse tiers; `None` for those without a purchase.
    pub tiers: Option<Vec<Option<LapseTier>>>,
    /// Grades.
    pub grades: Option<Vec<Option<Grade>>>,
    /// The profit of a success; NaN where missing.
    pub values: Option<Vec<f64>>,
    /// The probability of the outcome without a contact, 0 to 1; NaN where missing.
    pub baselines: Option<Vec<f64>>,
    /// Learned uplifts by the plan's actions, -1 to 1, or money; NaN: the action is not for the customer.
    pub uplifts: Vec<Option<Vec<f64>>>,
    /// Consent by channel; `None` where nothing is said.
    pub consents: BTreeMap<String, Vec<Option<bool>>>,
    /// Contacts within the plan's `within_days`; NaN where missing, which counts as none.
    pub contacts: Option<Vec<f64>>,
    /// Who must not be contacted.
    pub excluded: Option<Vec<bool>>,
    /// Days of the last purchase.
    pub last_purchases: Option<Vec<f64>>,
    /// Usual gaps between purchase days.
    pub median_gap_days: Option<Vec<f64>>,
    /// Birthdays.
    pub birthdays: Option<Vec<f64>>,
    /// Months of the season, 1 to 12.
    pub season_months: Option<Vec<f64>>,
}

impl Customers {
    /// Whether an action's uplift is learned.
    pub fn learned(&self, action: usize) -> Option<&[f64]> {
        self.uplifts.get(action)?.as_deref()
    }

    /// What is known of a customer's days.
    pub fn days(&self, customer: usize) -> CustomerDays {
        CustomerDays {
            last_purchase: number(&self.last_purchases, customer),
            median_gap_days: number(&self.median_gap_days, customer),
            birthday: number(&self.birthdays, customer),
            season_month: number(&self.season_months, customer),
        }
    }

    /// # Errors
    /// When columns have different lengths, a customer stands twice or has no id, a number is out of its range, a column
    /// that the plan needs is missing, or a stage that an assumed uplift needs.
    pub fn validate(&self, spec: &PlanSpec) -> Result<()> {
        self.check_lengths()?;
        self.check_ids()?;
        let rules = &spec.plan;
        let capped = rules.max_contacts.is_none() || self.contacts.is_some();
        let expected = "it, as [plan] has max_contacts: the contacts within within_days";
        check(capped, "column contacts", "no such column", expected)?;
        let timed = spec.plan.baseline.is_none() || self.baselines.is_some();
        check(timed, "[plan] baseline", "no such column", "a column of the customers' table")?;
        ranged("contacts", &self.contacts, 0.0..=f64::MAX, "a number of at least 0")?;
        let baseline = rules.baseline.as_deref().unwrap_or("baseline");
        ranged(baseline, &self.baselines, 0.0..=1.0, "a probability, 0 to 1")?;
        ranged(
            "predicted_value",
            &self.values,
            -MOST_MONEY..=MOST_MONEY,
            "a number, at most 1e15",
        )?;
        for (action, uplift) in spec.actions.iter().zip(&self.uplifts) {
            let column = format!("uplift_{}", action.name);
            match rules.outcome {
                Outcome::YesNo => ranged(
                    &column,
                    uplift,
                    -1.0..=1.0,
                    "a difference of probabilities, -1 to 1; of money with [plan] outcome = \"money\"",
                )?,
                Outcome::Money => {
                    ranged(&column, uplift, -MOST_MONEY..=MOST_MONEY, "a number, at most 1e15")?
                }
            }
        }
        self.check_stages(spec)?;
        let valued = self.values.is_some() || rules.value.is_some();
        let all_money = rules.outcome == Outcome::Money
            && (0..spec.actions.len()).all(|action| self.learned(action).is_some());
        let expected = "it, or [plan] value: what a success brings";
        check(valued || all_money, "column predicted_value", "no such column", expected)
    }

    fn check_lengths(&self) -> Result<()> {
        let customers = self.ids.len();
        let numbers = [
            &self.values,
            &self.baselines,
            &self.contacts,
            &self.last_purchases,
            &self.median_gap_days,
            &self.birthdays,
            &self.season_months,
        ];
        let mut lengths: Vec<usize> = numbers.into_iter().flatten().map(Vec::len).collect();
        lengths.extend(self.uplifts.iter().flatten().map(Vec::len));
        lengths.extend(self.consents.values().map(Vec::len));
        lengths.extend(self.stages.iter().map(Vec::len));
        lengths.extend(self.tiers.iter().map(Vec::len));
        lengths.extend(self.grades.iter().map(Vec::len));
        lengths.extend(self.excluded.iter().map(Vec::len));
        let odd = lengths.into_iter().find(|length| *length != customers);
        let found = format!("a column of {} cells", odd.unwrap_or_default());
        check(odd.is_none(), "customers", found, &format!("{customers}, as there are ids"))
    }

    fn check_ids(&self) -> Result<()> {
        let mut rows: HashMap<&str, usize> = HashMap::with_capacity(self.ids.len());
        for (row, id) in self.ids.iter().enumerate() {
            let place = || format!("column customer_id, row {}", row + 1);
            check(!id.is_empty(), &place(), "no id", "an id for every customer")?;
            if let Some(first) = rows.insert(id, row) {
                let found = format!("{id:?}, as in row {} already", first + 1);
                check(false, &place(), found, "one row a customer")?;
            }
        }
        Ok(())
    }

    /// Where an uplift is assumed, the stage must be known.
    fn check_stages(&self, spec: &PlanSpec) -> Result<()> {
        let assumed = (0..spec.actions.len()).find(|action| self.learned(*action).is_none());
        let Some(assumed) = assumed else { return Ok(()) };
        let name = &spec.actions[assumed].name;
        let why =
            format!("it, as there is no column uplift_{name}: its uplift is assumed by stage");
        check(self.stages.is_some(), "column lifecycle_stage", "no such column", &why)?;
        let stages = self.stages.as_deref().unwrap_or_default();
        let Some(row) = stages.iter().position(Option::is_none) else { return Ok(()) };
        let names = LifecycleStage::ALL.map(LifecycleStage::text).join(", ");
        let place = format!("column lifecycle_stage, row {}", row + 1);
        check(false, &place, "nothing", &format!("one of {names}: uplift is assumed by stage"))
    }
}

/// A cell of a column that may be missing; NaN then.
pub(super) fn number(column: &Option<Vec<f64>>, customer: usize) -> f64 {
    column.as_ref().map_or(f64::NAN, |column| column[customer])
}

fn ranged(
    name: &str,
    column: &Option<Vec<f64>>,
    range: std::ops::RangeInclusive<f64>,
    expected: &str,
) -> Result<()> {
    let cells = column.as_deref().unwrap_or_default();
    match cells.iter().position(|cell| !cell.is_nan() && !range.contains(cell)) {
        Some(row) => check(false, &format!("column {name}, row {}", row + 1), cells[row], expected),
        None => Ok(()),
    }
}
