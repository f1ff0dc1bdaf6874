//! What a plan comes to, soon enough to be seen while it is changed: of a sample where there are many customers, scaled up
//! to all. Shows nothing.

use rayon::prelude::*;
use rekindle_models::effect::{daily_quantile, detectable, enough_control};
use rekindle_models::policy::{Customers, Decision, PlanSpec, Totals};

use crate::effects::CONFIDENCE;
use crate::error::ApiError;
use crate::pages::plan::chosen::{Chosen, columns};
use crate::pages::plan::typed::Asked;
use crate::plans::Planned;
use crate::population::{Filter, Population};

/// Customers that figures are made of at most.
const SAMPLE: usize = 20_000;
/// Customers that the profit over the budget is made of at most: a plan for each budget.
const CURVE_SAMPLE: usize = 1_000;
/// Budgets of that picture, from nothing to as much as pays.
const STEPS: u32 = 8;
/// How often an effect as large as can be detected is to be seen.
pub const POWER: f64 = 0.8;

/// What a plan comes to.
pub struct Figures {
    /// Customers it is for.
    pub chosen: u64,
    /// Customers it was worked out for.
    pub sampled: u64,
    /// Customers that were chosen, but whose stage is not known.
    pub unstaged: u64,
    /// The plan added up, for all customers.
    pub totals: Totals,
    /// What the control group can show.
    pub control: Control,
    /// Profit by budget, the smallest first.
    pub curve: Vec<Step>,
    /// Customers that it was worked out for.
    pub curve_sampled: u64,
}

/// What a control group can show.
pub struct Control {
    /// The share that does what is hoped for without a contact, 0 to 1.
    pub base_rate: f64,
    /// Whether models say so, not the visitor.
    pub base_known: bool,
    /// What the plan is expected to change on average, as a difference of shares; NaN where nobody is contacted.
    pub expected: f64,
    /// The smallest difference that is seen 4 times in 5.
    pub detectable: f64,
    /// The share that has to be held out for what is expected to be seen; `None` where none is enough.
    pub enough: Option<f64>,
}

/// A budget and what it brings.
pub struct Step {
    /// The most that may be spent; the largest: as much as pays.
    pub budget: f64,
    /// Customers contacted.
    pub contacted: u64,
    /// What they are expected to bring.
    pub profit: f64,
    /// Whether it is the plan's own.
    pub own: bool,
}

impl Figures {
    /// Works a plan out for the customers that pass a filter; `None` where there are none.
    ///
    /// # Errors
    /// When what was asked makes no plan.
    pub fn of(
        population: &Population,
        filter: &Filter,
        asked: &Asked,
    ) -> Result<Option<Figures>, ApiError> {
        let chosen = Chosen::by(population, filter);
        if chosen.rows.is_empty() {
            return Ok(None);
        }
        let mut spec = asked.spec.clone();
        spec.draw_for(&asked.campaign_id);
        let all = chosen.rows.len() as f64;
        let rows = chosen.sample(population, SAMPLE);
        let share = rows.len() as f64 / all;
        let few = chosen.sample(population, CURVE_SAMPLE);
        let curve_share = few.len() as f64 / all;
        let (planned, curve) = rayon::join(
            || {
                let customers = columns(population, &rows, asked);
                match share < 1.0 {
                    true => Planned::soon(scaled(&spec, share), customers),
                    false => Planned::of(spec.clone(), customers),
                }
            },
            || curve(&spec, &columns(population, &few, asked), curve_share),
        );
        let planned = planned?;
        let totals = scaled_up(planned.totals(), &spec, share);
        let control = Control::of(&planned, &totals, asked);
        Ok(Some(Figures {
            chosen: chosen.rows.len() as u64,
            sampled: rows.len() as u64,
            unstaged: chosen.unstaged,
            control,
            curve: with_own(curve?, &totals),
            totals,
            curve_sampled: few.len() as u64,
        }))
    }

    /// Whether they are estimated from a sample.
    pub fn estimated(&self) -> bool {
        self.sampled < self.chosen
    }

    /// What all that pays would cost.
    pub fn most_spent(&self) -> f64 {
        self.curve.last().map_or(0.0, |step| step.budget)
    }
}

impl Control {
    fn of(planned: &Planned, totals: &Totals, asked: &Asked) -> Control {
        let known = mean_baseline(planned.customers(), planned.decisions());
        let base_rate = known.unwrap_or(asked.base_rate);
        let contacted = planned.decisions().iter().filter(|decision| decision.action.is_some());
        let (count, uplift) = contacted
            .fold((0.0, 0.0), |(count, sum), decision| (count + 1.0, sum + decision.uplift));
        let days = planned.spec().plan.watch_days;
        let quantile = daily_quantile(CONFIDENCE, days, days);
        let (treated, control) = (totals.contacted as f64, totals.control as f64);
        let expected = uplift / count;
        Control {
            base_rate,
            base_known: known.is_some(),
            expected,
            detectable: detectable(treated, control, base_rate, quantile, POWER),
            enough: enough_control(treated + control, expected, base_rate, quantile, POWER),
        }
    }
}

/// The mean chance without a contact of those who are planned to have something; `None` where no model says it.
fn mean_baseline(customers: &Customers, decisions: &[Decision]) -> Option<f64> {
    let baselines = customers.baselines.as_ref()?;
    let planned =
        baselines.iter().zip(decisions).filter(|(_, decision)| decision.planned.is_some());
    let known = planned.map(|(baseline, _)| *baseline).filter(|baseline| !baseline.is_nan());
    let (count, sum) =
        known.fold((0.0, 0.0), |(count, sum), baseline| (count + 1.0, sum + baseline));
    (count > 0.0).then(|| sum / count)
}

/// A plan for a share of the customers: with that share of the money and of the places.
fn scaled(spec: &PlanSpec, share: f64) -> PlanSpec {
    let mut spec = spec.clone();
    // A few places of all are one of a sample at least, or nobody would seem to get one.
    let part = |most: &mut Option<u64>| {
        *most = most.map(|most| ((most as f64 * share).round() as u64).max(most.min(1)));
    };
    if share < 1.0 {
        spec.plan.budget = spec.plan.budget.map(|budget| budget * share);
        spec.channels.values_mut().for_each(|channel| part(&mut channel.capacity));
        spec.offers.values_mut().for_each(|offer| part(&mut offer.stock));
    }
    spec
}

/// The totals of a share of the customers, as of all of them.
fn scaled_up(mut totals: Totals, spec: &PlanSpec, share: f64) -> Totals {
    if share >= 1.0 {
        return totals;
    }
    let count = |count: &mut u64| *count = (*count as f64 / share).round() as u64;
    let sum = |sum: &mut f64| *sum /= share;
    [&mut totals.customers, &mut totals.contacted, &mut totals.control].into_iter().for_each(count);
    [&mut totals.contact_cost, &mut totals.offer_cost, &mut totals.expected_profit]
        .into_iter()
        .for_each(sum);
    sum(&mut totals.spent);
    sum(&mut totals.bound);
    totals.budget = spec.plan.budget;
    totals.why.values_mut().for_each(count);
    for group in &mut totals.groups {
        [&mut group.contacted, &mut group.control].into_iter().for_each(count);
        [&mut group.cost, &mut group.expected_profit].into_iter().for_each(sum);
    }
    for stratum in &mut totals.strata {
        [&mut stratum.contacted, &mut stratum.control].into_iter().for_each(count);
    }
    for places in &mut totals.places {
        let most = match places.what {
            "channel" => spec.channels.get(&places.name).and_then(|channel| channel.capacity),
            _ => spec.offers.get(&places.name).and_then(|offer| offer.stock),
        };
        count(&mut places.taken);
        // Places of a sample are whole ones, too.
        places.most = most.unwrap_or(places.most);
        places.taken = places.taken.min(places.most);
    }
    totals
}

/// What budgets from nothing to as much as pays bring.
fn curve(spec: &PlanSpec, customers: &Customers, share: f64) -> Result<Vec<Step>, ApiError> {
    let with = |budget: Option<f64>| {
        let mut spec = spec.clone();
        spec.plan.budget = budget;
        let planned = Planned::soon(scaled(&spec, share), customers.clone())?;
        Ok::<_, ApiError>(scaled_up(planned.totals(), &spec, share))
    };
    let all = with(None)?;
    // Most is gained by the first money: steps are small there.
    let part = |step: u32| all.spent * (f64::from(step) / f64::from(STEPS - 1)).powi(2);
    let mut budgets: Vec<f64> = (0..STEPS - 1).map(part).collect();
    budgets.dedup();
    let steps = budgets
        .par_iter()
        .map(|budget| Ok::<_, ApiError>(Step::of(&with(Some(*budget))?, Some(*budget), false)));
    let mut curve = steps.collect::<Result<Vec<Step>, _>>()?;
    curve.push(Step::of(&all, None, false));
    Ok(curve)
}

/// The same with the plan's own among them, in the place of one with the same budget. What is more than all that pays
/// costs brings no more.
fn with_own(mut curve: Vec<Step>, totals: &Totals) -> Vec<Step> {
    let top = curve.last().map_or(0.0, |step| step.budget);
    let own = totals.budget.filter(|budget| *budget < top);
    match own {
        Some(budget) => curve.retain(|step| step.budget != budget),
        None => drop(curve.pop()),
    }
    curve.push(Step::of(totals, own, true));
    curve.sort_by(|a, b| a.budget.total_cmp(&b.budget));
    curve
}

impl Step {
    /// A plan with a budget; without one, what it spends is one.
    fn of(totals: &Totals, budget: Option<f64>, own: bool) -> Step {
        Step {
            budget: budget.unwrap_or(totals.spent),
            contacted: totals.contacted,
            profit: totals.expected_profit,
            own,
        }
    }
}

#[cfg(test)]
mod tests {
    use rekindle_models::language::Language;

    use super::*;
    use crate::pages::plan::chosen::tests::population;
    use crate::pages::plan::typed::{Typed, first_plan};
    use crate::pages::texts::Texts;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut typed = Typed::of(&pairs);
        typed.fill_actions(&first_plan());
        typed.fill("value_of", "each");
        typed.fill_defaults();
        typed.asked(&[], &Texts::of(Language::English).plan).unwrap()
    }

    #[test]
    fn figures_of_a_sample_are_those_of_all_within_a_few_percent() {
        let population = population(60_000);
        let filter = Filter { tiers: vec![1, 2, 3], ..Filter::default() };
        for pairs in [&[("budget", "2000"), ("most_2", "1500")][..], &[("budget", "9000")], &[]] {
            let asked = asked(pairs);
            let figures = Figures::of(&population, &filter, &asked).unwrap().unwrap();
            assert!(figures.estimated() && figures.chosen == 43_800);
            let rows = Chosen::by(&population, &filter).rows;
            let planned = Planned::of(asked.spec.clone(), columns(&population, &rows, &asked));
            let exact = planned.unwrap().totals();
            let near = |found: f64, exact: f64, what: &str| {
                let off = (found - exact).abs() / exact.abs().max(1.0);
                assert!(off < 0.03, "{pairs:?} {what}: {found} instead of {exact}");
            };
            let found = &figures.totals;
            near(found.customers as f64, exact.customers as f64, "customers");
            near(found.contacted as f64, exact.contacted as f64, "contacted");
            near(found.control as f64, exact.control as f64, "control");
            near(found.expected_profit, exact.expected_profit, "profit");
            near(found.spent, exact.spent, "spent");
            if let (Some(found), Some(exact)) = (found.marginal_budget, exact.marginal_budget) {
                near(found, exact, "marginal");
            }
            assert_eq!(found.budget, exact.budget);
            for (found, exact) in found.places.iter().zip(&exact.places) {
                assert_eq!(found.most, exact.most);
                near(found.taken as f64, exact.taken as f64, "taken");
            }
        }
    }

    #[test]
    fn profit_rises_with_the_budget_and_the_plans_own_stands_among_them() {
        let population = population(1_000);
        for (budget, place) in [("100", None), ("", Some(7)), ("1e9", Some(7))] {
            let asked = asked(&[("budget", budget)]);
            let figures = Figures::of(&population, &Filter::default(), &asked).unwrap().unwrap();
            let curve = &figures.curve;
            let rises = curve
                .windows(2)
                .all(|pair| pair[0].budget < pair[1].budget && pair[0].profit <= pair[1].profit);
            assert!(rises && curve[0].budget == 0.0, "{budget}");
            let own: Vec<usize> = (0..curve.len()).filter(|place| curve[*place].own).collect();
            assert_eq!(own.len(), 1, "{budget}");
            assert!(place.is_none_or(|place| own == [place]), "{budget} {own:?}");
            let step = &curve[own[0]];
            assert_eq!(step.contacted, figures.totals.contacted, "all are in both");
        }
    }

    #[test]
    fn nobody_chosen_is_no_plan_and_the_others_are_told() {
        let population = population(1_000);
        let none = Filter { id: "x".to_owned(), ..Filter::default() };
        assert!(Figures::of(&population, &none, &asked(&[])).unwrap().is_none());
        let all = Figures::of(&population, &Filter::default(), &asked(&[])).unwrap().unwrap();
        assert_eq!((all.chosen, all.unstaged, all.estimated()), (980, 20, false));
        assert!(!all.control.base_known && all.control.base_rate == 0.05);
        assert!(all.totals.assumed);
    }
}
