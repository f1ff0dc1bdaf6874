//! What every customer of a log is at a cutoff, and how customers passed from stage to stage on the way
//! there. Predicts nothing.

use rayon::prelude::*;
use rekindle_models::behaviour::{Dictionary, Events, History, Timeline, Zone};
use rekindle_models::customer::{
    BoundRules, CustomerRules, CustomerState, Grade, GradeCuts, Scratch, describe,
};
use serde::Serialize;

use crate::build::{GatheredLog, Silent};
use crate::error::{Error, Result};
use crate::ingest::Room;
use crate::passages::{MIN_CUSTOMERS, PassageReport, Passages};
use crate::sheet::{Cells, Sheet};

/// The customers of a log.
#[derive(Debug)]
pub struct Customers {
    /// Who is known at the last cutoff, and what each is.
    pub known: Vec<(String, CustomerState)>,
    /// The last cutoff, in milliseconds.
    pub cutoff: i64,
    /// Where grades begin; `None` where nobody has bought.
    pub cuts: Option<GradeCuts>,
    /// How customers passed from cutoff to cutoff; `None` with one cutoff.
    pub passages: Option<PassageReport>,
}

/// How many customers are of a sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// `lifecycle_stage`, `lapse_tier`, `grade` or `loyalty_type`.
    pub what: &'static str,
    /// The sort; `none` for customers who have none.
    pub is: &'static str,
    /// How many.
    pub customers: u64,
}

/// The rules with the kinds of a log. The usual kind of returns is left out where no event has it.
///
/// # Errors
/// When a rule is out of its range, or names a kind that no event has.
pub fn bound(rules: &CustomerRules, returned: &str, kinds: &Dictionary) -> Result<BoundRules> {
    let mut rules = rules.clone();
    if rules.returns.is_empty() && kinds.names().iter().any(|kind| kind == returned) {
        rules.returns.push(returned.to_owned());
    }
    Ok(rules.bind(kinds)?)
}

impl Customers {
    /// Describes the customers of a log at cutoffs, in milliseconds and rising. A customer is known from
    /// the first event, or the first attribute, on.
    ///
    /// # Errors
    /// When spilled events cannot be read, or there is no cutoff.
    pub fn describe(
        log: &GatheredLog,
        rules: &BoundRules,
        zone: &Zone,
        cutoffs: &[i64],
    ) -> Result<Customers> {
        let Some(&cutoff) = cutoffs.last() else {
            return Err(Error::BadOptions("no cutoff; expected one at least".to_owned()));
        };
        let recoding = log.names.recoding(&log.names.dictionaries());
        let silent = Silent::of_attributes(log);
        let at = At { log, rules, zone, cutoffs };
        let parts: Vec<(Vec<(String, CustomerState)>, Passages)> = (0..log.events.partitions())
            .into_par_iter()
            .map_init(
                || (Room::default(), Scratch::default(), Events::default()),
                |(room, scratch, kept), partition| {
                    let (mut known, mut passages) = (Vec::new(), Passages::default());
                    let loaded = log.events.load(partition, &recoding, log.duplicates, room)?;
                    for (customer, span) in loaded.customers() {
                        silent.met(customer);
                        let timeline = Timeline::new(loaded.events(), span);
                        let id = customer.to_string();
                        at.count(id, &timeline, (scratch, kept), &mut known, &mut passages);
                    }
                    Ok::<_, Error>((known, passages))
                },
            )
            .collect::<Result<_>>()?;
        let (mut known, mut passages) = (Vec::new(), Passages::default());
        for (more, passed) in parts {
            known.extend(more);
            passages.merge(&passed);
        }
        let (mut scratch, mut kept, nothing) =
            (Scratch::default(), Events::default(), Events::default());
        for id in silent.unmet() {
            let timeline = Timeline::new(&nothing, 0..0);
            at.count(id, &timeline, (&mut scratch, &mut kept), &mut known, &mut passages);
        }
        let bought: Vec<&CustomerState> =
            known.iter().map(|(_, state)| state).filter(|state| state.purchase_days > 0).collect();
        let values: Vec<f64> = bought.iter().map(|state| state.graded_amount).collect();
        let visits: Vec<f64> = bought.iter().map(|state| state.graded_visit_days as f64).collect();
        let cuts = match bought.is_empty() {
            true => None,
            false => Some(GradeCuts::learn(&values, &visits, &rules.rules().grades)?),
        };
        let several = cutoffs.len() > 1;
        let passages = several.then(|| passages.report(0.95, MIN_CUSTOMERS)).transpose()?;
        Ok(Customers { known, cutoff, cuts, passages })
    }

    /// The grade of one of them; `None` for who has not bought.
    pub fn grade(&self, state: &CustomerState) -> Option<Grade> {
        self.cuts.as_ref().and_then(|cuts| state.grade(cuts))
    }

    /// The customers as a table, a row each.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        let states = || self.known.iter().map(|(_, state)| state);
        let text = |of: &dyn Fn(&CustomerState) -> Option<&'static str>| {
            Cells::Text(states().map(|s| of(s).unwrap_or_default().to_owned()).collect())
        };
        let number = |of: &dyn Fn(&CustomerState) -> Option<f64>| {
            Cells::Number(states().map(|s| of(s).unwrap_or(f64::NAN)).collect())
        };
        let ids = self.known.iter().map(|(id, _)| id.clone()).collect();
        sheet.add("customer_id", Cells::Text(ids));
        sheet.add("cutoff", Cells::Time(vec![self.cutoff; self.known.len()]));
        sheet.add("lifecycle_stage", text(&|s| Some(s.lifecycle_stage.text())));
        sheet.add("lapse_tier", text(&|s| s.lapse_tier.map(|tier| tier.text())));
        sheet.add("grade", text(&|s| self.grade(s).map(Grade::text)));
        sheet.add("loyalty_type", text(&|s| s.loyalty_type.map(|loyalty| loyalty.text())));
        sheet.add("recency_days", number(&|s| s.recency_days.map(|days| days as f64)));
        sheet.add("tenure_days", number(&|s| s.tenure_days.map(|days| days as f64)));
        sheet.add("median_gap_days", number(&|s| s.median_gap_days));
        sheet.add("purchases", number(&|s| Some(s.purchases as f64)));
        sheet.add("purchase_days", number(&|s| Some(s.purchase_days as f64)));
        sheet.add("amount_sum", number(&|s| Some(s.amount_sum)));
        sheet
    }

    /// How many customers are of each stage, tier, grade and loyalty type.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        let mut count =
            |what: &'static str, of: &dyn Fn(&CustomerState) -> Option<&'static str>| {
                let mut counts: std::collections::BTreeMap<&'static str, u64> = Default::default();
                for (_, state) in &self.known {
                    *counts.entry(of(state).unwrap_or("none")).or_default() += 1;
                }
                shares.extend(counts.into_iter().map(|(is, customers)| Share {
                    what,
                    is,
                    customers,
                }));
            };
        count("lifecycle_stage", &|s| Some(s.lifecycle_stage.text()));
        count("lapse_tier", &|s| s.lapse_tier.map(|tier| tier.text()));
        count("grade", &|s| self.grade(s).map(Grade::text));
        count("loyalty_type", &|s| s.loyalty_type.map(|loyalty| loyalty.text()));
        shares
    }
}

/// Customers being described.
struct At<'a> {
    log: &'a GatheredLog,
    rules: &'a BoundRules,
    zone: &'a Zone,
    cutoffs: &'a [i64],
}

impl At<'_> {
    fn count(
        &self,
        id: String,
        timeline: &Timeline<'_>,
        (scratch, kept): (&mut Scratch, &mut Events),
        known: &mut Vec<(String, CustomerState)>,
        passages: &mut Passages,
    ) {
        let store = &self.log.attributes;
        let told = (!store.is_empty()).then(|| store.of(crate::ingest::CustomerId::of_text(&id)));
        let mut cells = vec![f64::NAN; store.list().len()];
        let mut state = |cutoff: i64| {
            let history: History<'_> = timeline.history(cutoff, kept);
            let mut listed = || told.as_ref().is_some_and(|told| told.at(cutoff, &mut cells));
            let is_known = !history.events().is_empty() || listed();
            is_known.then(|| describe(&history, self.rules, self.zone, scratch))
        };
        let states: Vec<Option<CustomerState>> =
            self.cutoffs.iter().map(|cutoff| state(*cutoff)).collect();
        passages.count_all(&states);
        if let Some(Some(last)) = states.last() {
            known.push((id, *last));
        }
    }
}
