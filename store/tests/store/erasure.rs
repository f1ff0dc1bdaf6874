//! All that is held of a customer: told, and erased.

use rekindle_store::{Customer, Store, StoredEvent};

use crate::both::{dump, in_both, texts};
use crate::campaigns::{campaign, contact, decision, outcome};
use crate::events::event;
use crate::scores::score;
use crate::states::state;

/// A store with many customers, each with something in every table.
async fn full(address: &str, customers: &[String]) -> Store {
    let store = Store::open(address).await.unwrap();
    let of = |model: &'static str| customers.iter().map(move |c| score(c, model, 1));
    store.put_scores(&of("churn").chain(of("paid")).collect::<Vec<_>>()).await.unwrap();
    let events: Vec<(String, Vec<StoredEvent>)> =
        customers.iter().map(|c| (c.clone(), vec![event(1), event(2)])).collect();
    store.put_events(&events).await.unwrap();
    for (at, tier) in [(1, None), (2, Some("drowsy"))] {
        let states: Vec<_> = customers.iter().map(|c| state(c, tier)).collect();
        store.put_states(at, &states).await.unwrap();
    }
    let decisions: Vec<_> = customers.iter().map(|c| decision(c, "voucher", false)).collect();
    for id in ["spring", "autumn"] {
        store.create_campaign(&campaign(id), &decisions).await.unwrap();
        let contacts: Vec<_> = customers.iter().map(|c| contact(c, 3)).collect();
        store.record_contacts(id, &contacts).await.unwrap();
        let outcomes: Vec<_> = customers
            .iter()
            .enumerate()
            .map(|(row, c)| outcome(&format!("o{row}"), c, 1.0, 4))
            .collect();
        store.record_outcomes(id, &outcomes).await.unwrap();
    }
    store
}

#[test]
fn a_customer_is_told_with_all_that_is_held() {
    in_both(|address| async move {
        let customers = ["ann".to_owned(), "bob".to_owned()];
        let store = full(&address, &customers).await;
        let ann = store.customer("ann").await.unwrap();
        assert_eq!(ann.scores, [score("ann", "churn", 1), score("ann", "paid", 1)]);
        let tiers: Vec<_> = ann.states.iter().map(|s| s.state.lapse_tier.as_deref()).collect();
        assert_eq!(tiers, [None, Some("drowsy")]);
        let campaigns: Vec<_> = ann.decisions.iter().map(|d| d.campaign_id.as_str()).collect();
        assert_eq!(campaigns, ["autumn", "spring"]);
        assert_eq!(ann.decisions[0].of, decision("ann", "voucher", false));
        assert_eq!((ann.contacts.len(), &ann.contacts[0].of), (2, &contact("ann", 3)));
        assert_eq!((ann.outcomes.len(), &ann.outcomes[0].of), (2, &outcome("o0", "ann", 1.0, 4)));
        // What is told is every row that holds the customer, in whatever table.
        let told = ann.scores.len() + ann.states.len() + ann.decisions.len();
        let told = told + ann.contacts.len() + ann.outcomes.len();
        assert_eq!(ann.events, [event(2), event(1)]);
        assert_eq!(ann.past_scores.len(), 2);
        let told = told + ann.past_scores.len() + ann.events.len();
        let held = dump(&address).await.iter().filter(|row| row.contains("ann")).count();
        assert_eq!(told, held);
        assert!(store.customer("zoe").await.unwrap().is_unknown());
        assert_eq!(store.customer("nul\0").await.unwrap(), Customer::default());
        store.close().await;
    });
}

#[test]
fn a_customer_who_is_erased_leaves_no_trace_and_no_other_is_touched() {
    in_both(|address| async move {
        let customers: Vec<String> = (0..3_000).map(|c| format!("<customer {c:05}>")).collect();
        let store = full(&address, &customers).await;
        // Changed rows leave copies behind, if any do.
        store
            .put_scores(&customers.iter().map(|c| score(c, "paid", 2)).collect::<Vec<_>>())
            .await
            .unwrap();
        let mut before = dump(&address).await;
        for erased in ["<customer 00017>", "<customer 01500>", "<customer 02999>"] {
            let rows = store.erase(erased).await.unwrap();
            let expected = [
                ("decisions", 2),
                ("contacts", 2),
                ("outcomes", 2),
                ("customer_states", 2),
                ("customer_scores", 2),
                ("score_history", 3),
                ("customer_events", 2),
            ];
            assert_eq!(
                (rows.rows.as_slice(), rows.total(), rows.log_remains),
                (&expected[..], 15, false)
            );
            before.retain(|row| !row.contains(erased));
            assert!(store.customer(erased).await.unwrap().is_unknown());
        }
        let mut after = dump(&address).await;
        // That something was erased is counted, not what.
        for rows in [&mut before, &mut after] {
            rows.retain(|row| !row.starts_with("revisions: "));
        }
        before.sort();
        after.sort();
        assert_eq!(before, after);
        assert_eq!(store.erase("zoe").await.unwrap().total(), 0);
        assert_eq!(store.erase("nul\0").await.unwrap().total(), 0);
        // What comes late of an erased customer is not kept.
        let late = [outcome("late", "<customer 00017>", 1.0, 9)];
        assert_eq!(store.record_outcomes("spring", &late).await.unwrap().unknown, 1);
        if !address.starts_with("postgres") {
            for name in [address.clone(), format!("{address}-wal")] {
                let bytes = std::fs::read(&name).unwrap();
                for erased in ["<customer 00017>", "<customer 01500>", "<customer 02999>"] {
                    let copies = bytes.windows(erased.len()).filter(|w| *w == erased.as_bytes());
                    assert_eq!(copies.count(), 0, "{erased} in {name}");
                }
            }
        }
        store.close().await;
    });
}

#[test]
fn every_table_with_customers_is_told_and_erased() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let tables = match address.starts_with("postgres") {
            true => {
                "SELECT table_name::text FROM information_schema.columns WHERE column_name = 'customer_id'"
            }
            false => {
                "SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c \
                 WHERE m.type = 'table' AND c.name = 'customer_id'"
            }
        };
        let mut tables = texts(&address, tables).await;
        let erased = store.erase("ann").await.unwrap();
        let mut listed: Vec<String> =
            erased.rows.iter().map(|(table, _)| (*table).to_owned()).collect();
        tables.sort();
        listed.sort();
        assert_eq!(tables, listed);
        store.close().await;
    });
}

#[test]
fn who_is_erased_while_outcomes_come_in_is_gone() {
    in_both(|address| async move {
        let customers: Vec<String> = (0..60).map(|c| format!("c{c:02}")).collect();
        let store = full(&address, &customers).await;
        let recording = {
            let (address, customers) = (address.clone(), customers.clone());
            tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                for round in 0..60 {
                    let outcomes: Vec<_> = customers
                        .iter()
                        .map(|c| outcome(&format!("{round} {c}"), c, 1.0, round))
                        .collect();
                    store.record_outcomes("spring", &outcomes).await.unwrap();
                }
                store.close().await;
            })
        };
        for customer in &customers[..30] {
            store.erase(customer).await.unwrap();
        }
        recording.await.unwrap();
        for customer in &customers[..30] {
            assert!(store.customer(customer).await.unwrap().is_unknown(), "{customer}");
        }
        for customer in &customers[30..] {
            assert_eq!(store.customer(customer).await.unwrap().outcomes.len(), 62);
        }
        store.close().await;
    });
}
