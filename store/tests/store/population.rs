//! All customers, row after row.

use rekindle_store::{CampaignState, PersonRow, Store, StoredReason};

use crate::both::{in_both, statement};
use crate::campaigns::{campaign, decision};
use crate::scores::score;
use crate::states::state;

/// Rows in an order of their own, for databases have none.
async fn people(store: &Store) -> Vec<String> {
    let mut rows = Vec::new();
    let take = |row| {
        rows.push(match row {
            PersonRow::Snapshots { last, before } => format!("{last:?} {before:?}"),
            PersonRow::State(s) => {
                format!("{} {} {:?}", s.customer_id, s.valid_from_micros, s.lapse_tier)
            }
            PersonRow::Score(s) => format!("{} {} {:?}", s.customer_id, s.model_version, s.feature),
            PersonRow::Advice(a) => format!("{} {} {}", a.customer_id, a.action, a.control),
        });
    };
    store.each_person(take).await.unwrap();
    rows.sort();
    rows
}

#[test]
fn each_customer_is_told_as_it_is_and_as_it_was_at_the_snapshot_before() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        assert_eq!(people(&store).await, ["None None"]);
        let tiers = [(10, "awake", "awake"), (20, "drowsy", "awake"), (30, "dormant", "awake")];
        for (at, ann, bob) in tiers {
            let states = [state("ann", Some(ann)), state("bob", Some(bob))];
            store.put_states(at, &states).await.unwrap();
        }
        // What was before the snapshot before is left out; who has not changed since is there once.
        let states = [
            "Some(30) Some(20)",
            "ann 20 Some(\"drowsy\")",
            "ann 30 Some(\"dormant\")",
            "bob 10 Some(\"awake\")",
        ];
        assert_eq!(people(&store).await, states);
        let reason = StoredReason {
            feature: "visits".to_owned(),
            contribution: 0.5,
            english: "many".to_owned(),
            chinese: "很多".to_owned(),
        };
        let scored = rekindle_store::StoredScore { reasons: vec![reason], ..score("bob", "m", 1) };
        store.put_scores(&[scored]).await.unwrap();
        let decisions = [decision("ann", "letter", true), decision("bob", "none", false)];
        store.create_campaign(&campaign("spring"), &decisions).await.unwrap();
        assert!(people(&store).await.contains(&"bob 3 Some(\"visits\")".to_owned()));
        assert!(!people(&store).await.contains(&"ann letter true".to_owned()), "a draft");
        store.move_campaign("spring", CampaignState::Running, 2).await.unwrap();
        assert!(people(&store).await.contains(&"ann letter true".to_owned()));
        assert_eq!(people(&store).await.len(), 6, "none is no advice");
        // A reason that another program wrote badly hides neither its customer nor others.
        statement(&address, "UPDATE customer_scores SET reasons = '{'").await;
        assert!(people(&store).await.contains(&"bob 3 None".to_owned()));
        store.close().await;
    });
}
