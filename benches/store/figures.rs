//! How long the store takes with many customers: scores upserted, states, a campaign, its outcomes, a customer looked up.
//!
//! ```text
//! checks/postgres cargo run --release -p rekindle-store --example store_figures -- 1000000
//! ```
//! Runs in a SQLite file in the folder for temporary files, then in the database that `REKINDLE_TEST_POSTGRES` names.

use std::time::Instant;

use rekindle_store::{
    Contact, Counted, CustomerState, Decision, NewCampaign, NextOrder, Outcome, Result, Store,
    StoredScore,
};

/// Customers looked up.
const LOOKUPS: u32 = 20_000;

/// Ids that lie anywhere, as users' do.
fn name(row: u32) -> String {
    format!("customer-{:08x}", row.wrapping_mul(2_654_435_769))
}

fn score(row: u32, at: i64) -> StoredScore {
    StoredScore {
        customer_id: name(row),
        model_name: "churned".to_owned(),
        model_version: 1,
        probability: f64::from(row % 9_973) / 9_973.0,
        percentile: (row % 100 + 1) as u8,
        positive: row.is_multiple_of(7),
        lapse_tier: Some("drowsy".to_owned()),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: Some("B".to_owned()),
        cutoff: Some("2025-06-01".to_owned()),
        scored_at_micros: at,
        reasons: Vec::new(),
    }
}

fn state(row: u32, at: i64) -> CustomerState {
    let tier = if at == 1 || row.is_multiple_of(3) { "drowsy" } else { "half_asleep" };
    CustomerState {
        customer_id: name(row),
        lapse_tier: Some(tier.to_owned()),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: Some("B".to_owned()),
        historic_value: Some(f64::from(row % 1_000)),
        predicted_value: Some(f64::from(row % 777) / 3.0),
        probability_alive: Some(0.5),
        predicted_orders: None,
        next_order: NextOrder::default(),
    }
}

fn decision(row: u32) -> Decision {
    Decision {
        customer_id: name(row),
        action: ["voucher", "call", "none"][row as usize % 3].to_owned(),
        offer: Some("ten percent".to_owned()),
        channel: Some("mail".to_owned()),
        cost: 0.4,
        uplift: f64::from(row % 997) / 9_970.0,
        expected_profit: 1.25,
        control: row.is_multiple_of(10),
        propensity: 0.9,
        lapse_tier: Some("drowsy".to_owned()),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: Some("B".to_owned()),
        score: Some(0.3),
        predicted_value: Some(17.5),
        sentence: Some("A voucher by mail is expected to bring 1.25 beyond its cost.".to_owned()),
        contact_on: Some("2025-06-05".to_owned()),
    }
}

fn contact(row: u32) -> Contact {
    Contact {
        customer_id: name(row),
        action: "voucher".to_owned(),
        channel: Some("mail".to_owned()),
        contacted_at_micros: 3,
        propensity: Some(0.9),
    }
}

fn outcome(row: u32) -> Outcome {
    Outcome {
        outcome_id: format!("order-{row}"),
        customer_id: name(row),
        kind: "purchase".to_owned(),
        amount: 12.5,
        occurred_at_micros: 4,
        received_at_micros: 5,
    }
}

async fn fill(store: &Store, rows: u32) -> Result<()> {
    let say = |what: &str, start: Instant| {
        println!("  {what}: {:.2} s", start.elapsed().as_secs_f64());
    };
    for (at, what) in [(1, "scores, new"), (2, "scores, known")] {
        let scores: Vec<StoredScore> = (0..rows).map(|row| score(row, at)).collect();
        let start = Instant::now();
        store.put_scores(&scores).await?;
        say(what, start);
    }
    for (at, what) in [(1, "states, new"), (2, "states, two thirds changed")] {
        let states: Vec<CustomerState> = (0..rows).map(|row| state(row, at)).collect();
        let start = Instant::now();
        store.put_states(at, &states).await?;
        say(what, start);
    }
    let campaign = NewCampaign {
        campaign_id: "spring".to_owned(),
        name: "Spring".to_owned(),
        settings: "{}".to_owned(),
        assumed: true,
        created_at_micros: 2,
    };
    let decisions: Vec<Decision> = (0..rows).map(decision).collect();
    let start = Instant::now();
    store.create_campaign(&campaign, &decisions).await?;
    say("a campaign with a decision for each", start);
    let contacts: Vec<Contact> = (0..rows / 4).map(contact).collect();
    let start = Instant::now();
    store.record_contacts("spring", &contacts).await?;
    say("contacts with a quarter", start);
    let outcomes: Vec<Outcome> = (0..rows / 4).map(outcome).collect();
    let start = Instant::now();
    store.record_outcomes("spring", &outcomes).await?;
    say("outcomes of a quarter", start);
    Ok(())
}

async fn ask(store: &Store, rows: u32) -> Result<()> {
    let mut micros = Vec::new();
    for lookup in 0..LOOKUPS {
        let row = lookup.wrapping_mul(2_246_822_519) % rows;
        let start = Instant::now();
        let customer = store.customer(&name(row)).await?;
        micros.push(start.elapsed().as_micros());
        let (scores, states) = (customer.scores.len(), customer.states.len());
        assert!(scores == 1 && states > 0 && customer.decisions.len() == 1);
    }
    micros.sort_unstable();
    let at = |share: f64| micros[(share * (micros.len() - 1) as f64) as usize] as f64 / 1_000.0;
    println!(
        "  a customer looked up: median {:.2} ms, p99 {:.2} ms, at most {:.2} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    let start = Instant::now();
    let (mut after, mut met, mut amount): (String, usize, f64) = (String::new(), 0, 0.0);
    loop {
        let page = store.trials("spring", &Counted::default(), &after, 10_000).await?;
        met += page.len();
        amount += page.iter().map(|trial| trial.amount).sum::<f64>();
        let Some(last) = page.last() else { break };
        after = last.customer_id.clone();
    }
    let acted = |rows: u32| (0..rows).filter(|row| row % 3 != 2).count();
    assert!(met == acted(rows) && amount == acted(rows / 4) as f64 * 12.5);
    println!(
        "  what came of the {met} decisions for an action: {:.2} s",
        start.elapsed().as_secs_f64()
    );
    let start = Instant::now();
    for row in 0..10 {
        store.erase(&name(row)).await?;
    }
    println!("  a customer erased: {:.1} ms", start.elapsed().as_secs_f64() * 100.0);
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let rows: u32 = std::env::args().nth(1).as_deref().unwrap_or("1000000").parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("customers.db").display().to_string();
    let server = std::env::var("REKINDLE_TEST_POSTGRES").ok();
    for address in [Some(file), server].into_iter().flatten() {
        runtime.block_on(async {
            let store = Store::open(&address).await?;
            println!("{rows} customers in {}", store.shown());
            fill(&store, rows).await?;
            ask(&store, rows).await?;
            store.close().await;
            Ok::<(), rekindle_store::Error>(())
        })?;
    }
    Ok(())
}
