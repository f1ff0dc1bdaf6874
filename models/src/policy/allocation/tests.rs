//! The allocation beside all allocations there are, and its promises on random problems.

use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use super::*;
use crate::seed::{mix2, unit};

/// A problem that owns what it is made of.
#[derive(Debug, Clone)]
struct Case {
    keys: Vec<u64>,
    actions: usize,
    profits: Vec<f64>,
    costs: Vec<f64>,
    budget: Option<f64>,
    limits: Vec<Limit>,
    held_out: Vec<bool>,
}

impl Case {
    fn problem(&self) -> Problem<'_> {
        Problem {
            keys: &self.keys,
            actions: self.actions,
            profits: &self.profits,
            costs: match self.costs.len() == self.actions {
                true => Costs::PerAction(&self.costs),
                false => Costs::PerCell(&self.costs),
            },
            budget: self.budget,
            limits: &self.limits,
            minimum: 0.0,
            held_out: &self.held_out,
            search: true,
        }
    }

    /// Customers in two channels and three offers; profits with `levels` values (0: any).
    fn drawn(customers: usize, actions: usize, levels: u64, seed: u64) -> Case {
        let draw = |a: u64, b: u64| unit(mix2(mix2(seed, a), b));
        let cell = |place: usize| {
            let (row, action) = ((place / actions) as u64, (place % actions) as u64);
            let value = match levels {
                0 => draw(row, 1_000 + action),
                levels => (draw(row, 1_000 + action) * levels as f64).floor() / levels as f64,
            };
            let worth = 20.0 * value * (1.0 + action as f64) - 2.0;
            if draw(row, 2_000 + action) < 0.1 { f64::NAN } else { worth }
        };
        let group = |share: f64, of: &dyn Fn(usize) -> bool| Limit {
            actions: (0..actions).filter(|action| of(*action)).collect(),
            most: (share * customers as f64) as u64,
        };
        Case {
            keys: (0..customers as u64).map(|row| mix2(7, row)).collect(),
            actions,
            profits: (0..customers * actions).map(cell).collect(),
            costs: (0..actions).map(|action| 0.5 + 1.5 * action as f64).collect(),
            budget: Some(customers as f64),
            limits: vec![
                group(0.3, &|action| action % 2 == 0),
                group(0.25, &|action| action % 2 == 1),
                group(0.1, &|action| action % 3 == 1),
            ],
            held_out: Vec::new(),
        }
    }

    /// The slow twin: the most that any allocation within the limits brings.
    fn best(&self) -> f64 {
        fn tried(case: &Case, customer: usize, chosen: &mut Vec<Option<usize>>) -> f64 {
            if customer == case.keys.len() {
                return if case.within(chosen) { case.profit(chosen) } else { f64::NEG_INFINITY };
            }
            let all = [None].into_iter().chain((0..case.actions).map(Some));
            let possible = all.filter(|action| match action {
                Some(action) => !case.profits[customer * case.actions + action].is_nan(),
                None => true,
            });
            let mut best = f64::NEG_INFINITY;
            for action in possible.collect::<Vec<_>>() {
                chosen.push(action);
                best = best.max(tried(case, customer + 1, chosen));
                chosen.pop();
            }
            best
        }
        tried(self, 0, &mut Vec::new())
    }

    fn chosen<'a>(
        &'a self,
        chosen: &'a [Option<usize>],
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let part = |customer: &usize| !self.held_out.get(*customer).copied().unwrap_or(false);
        (0..chosen.len()).filter(part).filter_map(|c| chosen[c].map(|action| (c, action)))
    }

    fn profit(&self, chosen: &[Option<usize>]) -> f64 {
        self.chosen(chosen).map(|(c, a)| self.profits[c * self.actions + a]).sum()
    }

    fn cost(&self, chosen: &[Option<usize>]) -> f64 {
        self.chosen(chosen).map(|(c, a)| self.problem().cost(c, a)).sum()
    }

    fn within(&self, chosen: &[Option<usize>]) -> bool {
        let paid = self.budget.is_none_or(|budget| self.cost(chosen) <= budget + 1e-6);
        paid && self.limits.iter().all(|limit| {
            let taken = self.chosen(chosen).filter(|(_, action)| limit.actions.contains(action));
            taken.count() as u64 <= limit.most
        })
    }

    /// What holds of every allocation.
    fn check(&self, found: &Allocation) {
        assert!(self.within(&found.actions), "a limit is exceeded: {self:?}");
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        assert!(near(found.profit, self.profit(&found.actions)));
        assert!(near(found.cost, self.cost(&found.actions)));
        assert!(found.bound >= found.profit && (0.0..=1.0).contains(&found.gap));
        assert!(near(found.gap * found.bound, found.bound - found.profit));
    }
}

fn cases() -> impl Strategy<Value = Case> {
    (1_usize..=5, 1_usize..=3).prop_flat_map(|(customers, actions)| {
        let cells = customers * actions;
        let profit = prop_oneof![Just(f64::NAN), (-4_i32..20).prop_map(f64::from), 0.0..9.0_f64];
        let costs = prop_oneof![
            prop::collection::vec((0_u32..5).prop_map(f64::from), actions),
            prop::collection::vec(0.0..4.0_f64, cells),
        ];
        let limit = (prop::collection::vec(any::<bool>(), actions), 0_u64..4);
        let limit = limit.prop_map(|(of, most)| Limit {
            actions: (0..of.len()).filter(|action| of[*action]).collect(),
            most,
        });
        (
            prop::collection::vec(profit, cells),
            costs,
            prop::option::of((0_u32..12).prop_map(f64::from)),
            prop::collection::vec(limit, 0..3),
            prop::collection::vec(any::<u64>(), customers),
        )
            .prop_map(move |(profits, costs, budget, limits, keys)| Case {
                keys,
                actions,
                profits,
                costs,
                budget,
                limits,
                held_out: Vec::new(),
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn few_customers_get_the_best_allocation_there_is(case in cases()) {
        let found = allocate(&case.problem()).unwrap();
        case.check(&found);
        let best = case.best();
        prop_assert!(found.exact, "given up: {:?}", found);
        prop_assert!((found.profit - best).abs() <= 1e-9 * (1.0 + best), "{} {best}", found.profit);
        prop_assert!(found.bound >= best - 1e-9 * (1.0 + best));
    }
}

#[test]
fn many_customers_come_within_a_thousandth_of_the_bound() {
    for (customers, levels, seed) in [
        (300, 0, 1),
        (1_000, 0, 7),
        (2_000, 0, 2),
        (2_000, 3, 3),
        (5_000, 1, 4),
        (30_000, 0, 5),
        (60_000, 2, 6),
    ] {
        let case = Case::drawn(customers, 10, levels, seed);
        let found = allocate(&case.problem()).unwrap();
        case.check(&found);
        assert!(found.gap < 1e-3, "{customers} x {levels}: {} of {}", found.gap, found.bound);
    }
}

#[test]
fn equal_customers_fill_every_limit() {
    let mut case = Case::drawn(10_000, 3, 0, 1);
    case.profits = [5.0, 4.0, 3.0].repeat(10_000);
    case.costs = vec![1.0, 1.0, 1.0];
    case.budget = Some(4_000.0);
    case.limits =
        vec![Limit { actions: vec![0], most: 1_000 }, Limit { actions: vec![1, 2], most: 9_000 }];
    let found = allocate(&case.problem()).unwrap();
    case.check(&found);
    assert_eq!(found.profit, 1_000.0 * 5.0 + 3_000.0 * 4.0);
    assert!(found.gap < 1e-9, "{found:?}");
    assert!((found.marginal_budget.unwrap() - 4.0).abs() < 1e-6);
    assert!((found.marginal_places[0] - 1.0).abs() < 1e-6);
    assert_eq!(found.marginal_places[1], 0.0);
}

#[test]
fn a_bigger_budget_never_earns_less_beyond_the_gap() {
    let mut case = Case::drawn(3_000, 5, 0, 9);
    let mut before: Option<Allocation> = None;
    for budget in [0.0, 1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 1e6] {
        case.budget = Some(budget);
        let found = allocate(&case.problem()).unwrap();
        case.check(&found);
        if let Some(before) = before {
            assert!(found.bound >= before.profit);
            assert!(found.profit >= before.profit * (1.0 - found.gap) - 1e-9);
        }
        before = Some(found);
    }
}

#[test]
fn one_more_unit_of_budget_brings_what_is_said() {
    let mut case = Case::drawn(20_000, 4, 0, 3);
    let found = allocate(&case.problem()).unwrap();
    case.budget = case.budget.map(|budget| budget + 200.0);
    let more = allocate(&case.problem()).unwrap();
    let (said, brought) = (found.marginal_budget.unwrap(), (more.profit - found.profit) / 200.0);
    assert!((said - brought).abs() < 0.1 * said, "{said} {brought}");
}

#[test]
fn neither_threads_nor_the_order_of_rows_change_a_bit() {
    for levels in [0, 2] {
        let case = Case::drawn(40_000, 6, levels, 11);
        let on = |threads: usize, case: &Case| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| allocate(&case.problem()).unwrap())
        };
        let found = on(1, &case);
        assert_eq!(on(3, &case), found);
        let customers = case.keys.len();
        let mut turned = case.clone();
        for row in 0..customers {
            let from = customers - 1 - row;
            turned.keys[row] = case.keys[from];
            let cells = &case.profits[from * 6..(from + 1) * 6];
            turned.profits[row * 6..(row + 1) * 6].copy_from_slice(cells);
        }
        let other = on(2, &turned);
        assert_eq!(other.profit.to_bits(), found.profit.to_bits());
        let back: Vec<_> = other.actions.iter().rev().copied().collect();
        assert!(back == found.actions);
    }
}

#[test]
fn those_held_out_are_told_what_they_would_have_had_and_cost_nothing() {
    for levels in [0, 1] {
        let mut case = Case::drawn(20_000, 4, levels, 5);
        case.held_out = case.keys.iter().map(|key| unit(mix2(1, *key)) < 0.2).collect();
        let found = allocate(&case.problem()).unwrap();
        case.check(&found);
        let share = |held: bool| {
            let rows = (0..20_000).filter(|row| case.held_out[*row] == held);
            let of: Vec<bool> = rows.map(|row| found.actions[row].is_some()).collect();
            of.iter().filter(|some| **some).count() as f64 / of.len() as f64
        };
        assert!((share(true) - share(false)).abs() < 0.02, "{} {}", share(true), share(false));
    }
}

#[test]
fn where_all_are_held_out_each_would_have_had_its_best() {
    let mut case = Case::drawn(40, 4, 0, 5);
    case.held_out = vec![true; 40];
    let found = allocate(&case.problem()).unwrap();
    case.check(&found);
    assert_eq!((found.profit, found.cost), (0.0, 0.0));
    let some = found.actions.iter().filter(|action| action.is_some()).count();
    assert!(some > 20, "{some}");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let case = Case::drawn(5, 2, 0, 1);
    let refused = |case: &Case, text: &str| {
        let error = allocate(&case.problem()).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(&Case { costs: vec![1.0, -1.0], ..case.clone() }, "cost 2: found -1");
    refused(&Case { budget: Some(f64::NAN), ..case.clone() }, "budget: found NaN");
    refused(&Case { actions: 0, ..case.clone() }, "1 to 254");
    refused(&Case { profits: vec![f64::INFINITY; 10], ..case.clone() }, "infinite");
    let limits = vec![Limit { actions: vec![2], most: 1 }];
    refused(&Case { limits, ..case }, "places below 2");
}
