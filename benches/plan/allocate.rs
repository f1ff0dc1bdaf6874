//! How long an allocation takes and how far from its bound it ends.
//! `cargo run --release -p rekindle-models --example allocate -- CUSTOMERS ACTIONS KIND`, KIND being `values` (a value for
//! each customer), `rates` (the same value for all: many equal rows) or `offers` (costs customer by customer).

use std::time::Instant;

use rekindle_models::policy::{Costs, Limit, Problem, allocate};
use rekindle_models::seed::{mix2, unit};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [customers, actions, kind] = words.as_slice() else {
        return Err(
            "expected how many customers, how many actions, and values, rates or offers".into()
        );
    };
    let (customers, actions): (usize, usize) = (customers.parse()?, actions.parse()?);
    let draw = |row: usize, what: u64| unit(mix2(mix2(1, row as u64), what));
    let rates = [0.06, 0.15, 0.5, 0.5];
    let (mut profits, mut costs) = (Vec::new(), Vec::new());
    for row in 0..customers {
        let stage = (4.0 * draw(row, 0)) as usize;
        let value = match kind.as_str() {
            "rates" => 40.0,
            _ => 40.0 * (-2.0 * draw(row, 1).max(1e-9).ln() * 0.5),
        };
        for action in 0..actions {
            let effect = 0.2 + 0.8 * (action + 1) as f64 / actions as f64;
            let noise = if kind == "rates" { 1.0 } else { 0.5 + draw(row, 100 + action as u64) };
            let (contact, offer) = (0.1 + 0.3 * action as f64, 0.5 * action as f64);
            let uplift = 0.3 * rates[stage] * effect * noise;
            let cost = contact + uplift * offer;
            let consents = draw(row, 10 + (action % 3) as u64) < 0.7;
            profits.push(if consents { uplift * value - cost } else { f64::NAN });
            costs.push(cost);
        }
    }
    let contacts: Vec<f64> = (0..actions).map(|action| 0.1 + 0.3 * action as f64).collect();
    let keys: Vec<u64> = (0..customers as u64).map(|row| mix2(5, row)).collect();
    let of = |every: usize, from: usize| (0..actions).filter(|a| a % every == from).collect();
    let most = |share: f64| (share * customers as f64) as u64;
    let mut limits: Vec<Limit> =
        (0..3).map(|from| Limit { actions: of(3, from), most: most(0.2) }).collect();
    limits.extend((0..4).map(|from| Limit { actions: of(4, from), most: most(0.12) }));
    let problem = Problem {
        keys: &keys,
        actions,
        profits: &profits,
        costs: if kind == "offers" { Costs::PerCell(&costs) } else { Costs::PerAction(&contacts) },
        budget: Some(0.4 * customers as f64),
        limits: &limits,
        minimum: 0.0,
        held_out: &[],
        search: true,
    };
    let begun = Instant::now();
    let found = allocate(&problem)?;
    println!(
        "{customers} x {actions} {kind}: {:.2} s, profit {:.2}, bound {:.2}, gap {:.6} %, one more unit of budget {:.4}",
        begun.elapsed().as_secs_f64(),
        found.profit,
        found.bound,
        100.0 * found.gap,
        found.marginal_budget.unwrap_or(0.0)
    );
    Ok(())
}
