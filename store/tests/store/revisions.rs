//! That something changed.

use rekindle_store::{CampaignState, Revisions, Store};

use crate::both::{in_both, statement};
use crate::campaigns::{campaign, contact, decision, outcome};
use crate::events::event;
use crate::scores::score;
use crate::states::state;

#[test]
fn whatever_is_written_is_counted_and_what_is_read_or_refused_is_not() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let mut expected = Revisions::default();
        let at = async || store.revisions().await.unwrap();
        assert_eq!(at().await, expected);
        store.put_scores(&[score("ann", "churn", 1)]).await.unwrap();
        store.put_states(1, &[state("ann", None)]).await.unwrap();
        store.put_events(&[("ann".to_owned(), vec![event(1)])]).await.unwrap();
        expected.customers += 2;
        assert_eq!(at().await, expected);
        store
            .create_campaign(&campaign("spring"), &[decision("ann", "letter", false)])
            .await
            .unwrap();
        store.move_campaign("spring", CampaignState::Running, 2).await.unwrap();
        store.record_contacts("spring", &[contact("ann", 3)]).await.unwrap();
        store.record_outcomes("spring", &[outcome("o", "ann", 1.0, 4)]).await.unwrap();
        store.move_campaign("spring", CampaignState::Finished, 5).await.unwrap();
        expected.campaigns += 3;
        expected.records += 2;
        assert_eq!(at().await, expected);
        store.customer("ann").await.unwrap();
        store.campaigns().await.unwrap();
        store.put_scores(&[score("", "churn", 1)]).await.unwrap_err();
        store.create_campaign(&campaign("spring"), &[]).await.unwrap_err();
        store.record_outcomes("spring", &[outcome("o", "ann", 2.0, 4)]).await.unwrap_err();
        assert_eq!(at().await, expected);
        store.erase("ann").await.unwrap();
        let erased = Revisions {
            customers: expected.customers + 1,
            campaigns: expected.campaigns + 1,
            records: expected.records + 1,
        };
        assert_eq!(at().await, erased);
        statement(&address, "DELETE FROM revisions WHERE noun = 'campaigns'").await;
        let said = store.revisions().await.unwrap_err().to_string();
        assert!(said.contains("another program"), "{said}");
        store.close().await;
    });
}
