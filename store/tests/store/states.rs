//! What customers were and are.

use rekindle_store::{CustomerState, NextOrder, PutStates, StateSpan, Store};

use crate::both::{in_both, statement, texts};

pub fn state(customer: &str, tier: Option<&str>) -> CustomerState {
    CustomerState {
        customer_id: customer.to_owned(),
        lapse_tier: tier.map(str::to_owned),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: None,
        historic_value: Some(0.1 + 0.2),
        predicted_value: None,
        probability_alive: Some(0.5),
        predicted_orders: None,
        next_order: NextOrder::default(),
    }
}

fn put(changed: u64, same: u64, older: u64) -> PutStates {
    PutStates { changed, same, older }
}

#[test]
fn a_state_is_kept_from_when_it_was_seen_first_to_when_it_was_seen_last() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let span = |tier: Option<&str>, from, to| StateSpan {
            state: state("ann", tier),
            valid_from_micros: from,
            as_of_micros: to,
        };
        let kept = async || store.states_of("ann").await.unwrap();
        let put_one = async |at, tier: Option<&str>| {
            store.put_states(at, &[state("ann", tier)]).await.unwrap()
        };
        assert_eq!(kept().await, []);
        assert_eq!(store.put_states(1, &[]).await.unwrap(), put(0, 0, 0));
        assert_eq!(put_one(-5, None).await, put(1, 0, 0));
        assert_eq!(put_one(10, None).await, put(0, 1, 0));
        assert_eq!(put_one(20, Some("drowsy")).await, put(1, 0, 0));
        assert_eq!(put_one(20, Some("drowsy")).await, put(0, 1, 0));
        assert_eq!(put_one(30, Some("drowsy")).await, put(0, 1, 0));
        let so_far = [span(None, -5, 10), span(Some("drowsy"), 20, 30)];
        assert_eq!(kept().await, so_far);
        // Older ones change nothing, whatever they say.
        assert_eq!(put_one(25, Some("dormant")).await, put(0, 0, 1));
        assert_eq!(put_one(29, Some("drowsy")).await, put(0, 0, 1));
        assert_eq!(put_one(-9, None).await, put(0, 0, 1));
        assert_eq!(kept().await, so_far);
        // Equally new ones: the last put is taken.
        assert_eq!(put_one(30, Some("dormant")).await, put(1, 0, 0));
        assert_eq!(kept().await[2..], [span(Some("dormant"), 30, 30)]);
        assert_eq!(put_one(30, Some("drowsy")).await, put(1, 0, 0));
        assert_eq!(kept().await, so_far);
        // Figures are those of the last time.
        let richer = CustomerState { historic_value: None, ..state("ann", Some("drowsy")) };
        store.put_states(40, std::slice::from_ref(&richer)).await.unwrap();
        let last = kept().await.pop().unwrap();
        assert_eq!((last.state, last.valid_from_micros, last.as_of_micros), (richer, 20, 40));
        assert_eq!(store.states_of("bob").await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn figures_that_are_missing_stay_what_they_were_at_the_same_instant() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let valued = |tier| CustomerState {
            predicted_value: Some(7.0),
            predicted_orders: Some(1.5),
            next_order: NextOrder {
                on: Some("2025-06-03".to_owned()),
                from: Some("2025-06-01".to_owned()),
                until: None,
            },
            ..state("ann", tier)
        };
        let bare = |tier| CustomerState {
            historic_value: None,
            probability_alive: None,
            ..state("ann", tier)
        };
        let put = async |at, state: CustomerState| store.put_states(at, &[state]).await.unwrap();
        let last = async || store.states_of("ann").await.unwrap().pop().unwrap();
        put(10, valued(None)).await;
        put(10, bare(None)).await;
        assert_eq!(last().await.state, valued(None));
        // Another state of the same instant, first as it replaces one, then as it follows one.
        put(10, bare(Some("drowsy"))).await;
        assert_eq!(last().await.state, valued(Some("drowsy")));
        put(20, valued(Some("drowsy"))).await;
        put(20, CustomerState { historic_value: Some(1.0), ..bare(Some("dormant")) }).await;
        let dormant = CustomerState { historic_value: Some(1.0), ..valued(Some("dormant")) };
        assert_eq!((last().await.state, last().await.valid_from_micros), (dormant, 20));
        // Of a later instant nothing is known of them.
        put(30, bare(Some("dormant"))).await;
        assert_eq!(last().await.state, bare(Some("dormant")));
        put(40, bare(None)).await;
        assert_eq!(last().await.state, bare(None));
        statement(&address, "UPDATE customer_states SET next_order_on = 'soon'").await;
        let said = store.states_of("ann").await.unwrap_err().to_string();
        assert!(said.contains("\"soon\"") && said.contains("another program"), "{said}");
        store.close().await;
    });
}

#[test]
fn the_instants_at_which_states_were_put_are_told() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let seen = async || {
            let text = "SELECT CAST(as_of_micros AS TEXT) FROM snapshots ORDER BY as_of_micros";
            texts(&address, text).await
        };
        store.put_states(5, &[]).await.unwrap();
        assert!(seen().await.is_empty());
        for at in [-5, 20, 10, 20, 30] {
            store.put_states(at, &[state("ann", None)]).await.unwrap();
        }
        // At 10 nothing was put: it is older than what is kept.
        assert_eq!(seen().await, ["-5", "20", "30"]);
        store.put_states(10, &[state("bob", None)]).await.unwrap();
        assert_eq!(seen().await, ["-5", "10", "20", "30"]);
        store.close().await;
    });
}

#[test]
fn spans_are_those_that_a_slow_way_finds() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let mut draw = 7_u64;
        let mut next = |below: u64| {
            draw = draw
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) % below
        };
        let tiers = [None, Some("drowsy"), Some("dormant")];
        let mut seen: Vec<Vec<StateSpan>> = vec![Vec::new(); 40];
        let mut at = 0;
        for _ in 0..12 {
            at += next(2) as i64;
            let mut states = Vec::new();
            for (customer, spans) in seen.iter_mut().enumerate() {
                if next(3) == 0 {
                    continue;
                }
                let state = state(&format!("c{customer}"), tiers[next(3) as usize]);
                states.push(state.clone());
                // The slow way: the last of an instant stands.
                match spans.last_mut() {
                    Some(last) if last.state == state => last.as_of_micros = at,
                    Some(last) if last.valid_from_micros == at => last.state = state,
                    _ => spans.push(StateSpan { state, valid_from_micros: at, as_of_micros: at }),
                }
            }
            store.put_states(at, &states).await.unwrap();
        }
        for (customer, spans) in seen.iter_mut().enumerate() {
            // Neighbours that a correction made alike are one.
            spans.dedup_by(|next, last| {
                let alike = next.state == last.state;
                if alike {
                    last.as_of_micros = next.as_of_micros;
                }
                alike
            });
            assert_eq!(store.states_of(&format!("c{customer}")).await.unwrap(), *spans);
        }
        store.close().await;
    });
}

#[test]
fn states_that_cannot_be_are_refused_and_none_is_kept() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let good = state("ann", None);
        let until = |date: &str| CustomerState {
            next_order: NextOrder { until: Some(date.to_owned()), ..NextOrder::default() },
            ..state("ann", None)
        };
        let cases = [
            (
                CustomerState { probability_alive: Some(1.5), ..good.clone() },
                "probability_alive is 1.5",
            ),
            (
                CustomerState { historic_value: Some(f64::NAN), ..good.clone() },
                "historic_value is NaN",
            ),
            (
                CustomerState { predicted_orders: Some(f64::INFINITY), ..good.clone() },
                "predicted_orders is inf",
            ),
            (until("2025-13-01"), "next_order_until is \"2025-13-01\""),
            (until("1. 6. 2025"), "expected a date as 2025-06-01"),
            (until("zwölf Tage"), "expected a date as 2025-06-01"),
            (CustomerState { customer_id: String::new(), ..good.clone() }, "customer_id is empty"),
            (good.clone(), "\"ann\" again"),
        ];
        for (bad, expected) in cases {
            let said = store.put_states(1, &[good.clone(), bad]).await.unwrap_err().to_string();
            assert!(said.contains("customer state 2: ") && said.contains(expected), "{said}");
        }
        assert_eq!(store.states_of("ann").await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn writers_of_states_wait_for_each_other() {
    in_both(|address| async move {
        Store::open(&address).await.unwrap().close().await;
        let mut writers = Vec::new();
        for writer in 0..4_i64 {
            let address = address.clone();
            writers.push(tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                let states: Vec<CustomerState> = (0..256)
                    .map(|c| state(&format!("c{}", (c * (2 * writer + 1)) % 256), None))
                    .collect();
                for at in 0..5 {
                    store.put_states(at * 4 + writer, &states).await.unwrap();
                }
                store.close().await;
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let store = Store::open_existing(&address).await.unwrap();
        for customer in 0..256 {
            let spans = store.states_of(&format!("c{customer}")).await.unwrap();
            assert_eq!((spans.len(), spans[0].as_of_micros), (1, 19));
        }
        store.close().await;
    });
}
