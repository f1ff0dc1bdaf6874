//! Customers' newest events.

use rekindle_store::{Store, StoredEvent};

use crate::both::in_both;

pub fn event(at: i64) -> StoredEvent {
    StoredEvent {
        occurred_at_micros: at,
        kind: "purchase".to_owned(),
        amount: Some(0.1 + 0.2),
        product: Some("tea\t\\N".to_owned()),
        channel: None,
    }
}

#[test]
fn events_are_told_newest_first_and_replace_those_of_their_customer() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let of = async |customer: &str| store.customer(customer).await.unwrap().events;
        store.put_events(&[]).await.unwrap();
        let visit = StoredEvent { kind: "visit".to_owned(), amount: None, ..event(5) };
        let ann = vec![event(-3), event(5), visit.clone(), event(9)];
        let given = [("ann".to_owned(), ann), ("bob".to_owned(), vec![event(1)])];
        store.put_events(&given).await.unwrap();
        assert_eq!(of("ann").await, [event(9), event(5), visit, event(-3)]);
        store.put_events(&[("ann".to_owned(), vec![event(2)])]).await.unwrap();
        assert_eq!((of("ann").await, of("bob").await), (vec![event(2)], vec![event(1)]));
        store.put_events(&[("ann".to_owned(), Vec::new())]).await.unwrap();
        assert!(store.customer("ann").await.unwrap().is_unknown());
        // More customers than a statement takes away.
        let all: Vec<_> =
            (0..600).map(|c| (format!("c{c}"), vec![event(c), event(c + 1)])).collect();
        for _ in 0..2 {
            store.put_events(&all).await.unwrap();
        }
        assert_eq!(of("c599").await, [event(600), event(599)]);
        store.close().await;
    });
}

#[test]
fn events_that_cannot_be_are_refused_and_none_is_kept() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let ann = |event| ("ann".to_owned(), vec![event]);
        let cases = [
            (ann(StoredEvent { kind: String::new(), ..event(1) }), "an event's kind is empty"),
            (ann(StoredEvent { amount: Some(f64::NAN), ..event(1) }), "an event's amount is NaN"),
            (ann(StoredEvent { channel: Some("\0".to_owned()), ..event(1) }), "an event's channel"),
            ((String::new(), Vec::new()), "customer_id is empty"),
            (("bob".to_owned(), Vec::new()), "\"bob\" again"),
        ];
        for (bad, expected) in cases {
            let given = [("bob".to_owned(), vec![event(1)]), bad];
            let said = store.put_events(&given).await.unwrap_err().to_string();
            assert!(said.contains("customer with events 2: ") && said.contains(expected), "{said}");
            assert!(store.customer("bob").await.unwrap().is_unknown());
        }
        store.close().await;
    });
}
