//! Lists on their way to other programs, and campaigns counted.

use rekindle_store::{CampaignState, Choice, Delivery, DeliveryState, Store};

use crate::both::in_both;
use crate::campaigns::{campaign, contact, decision, outcome};

async fn running(address: &str) -> Store {
    let store = Store::open(address).await.unwrap();
    let decisions = [
        decision("ann", "voucher", false),
        decision("bob", "voucher", true),
        decision("cy", "call", false),
        decision("dee", "none", false),
        decision("eve", "voucher", false),
    ];
    store.create_campaign(&campaign("spring"), &decisions).await.unwrap();
    store.move_campaign("spring", CampaignState::Running, 6).await.unwrap();
    store
}

#[test]
fn a_campaign_is_counted_by_action_and_side() {
    in_both(|address| async move {
        let store = running(&address).await;
        store.record_contacts("spring", &[contact("ann", 10), contact("ann", 11)]).await.unwrap();
        store.record_outcomes("spring", &[outcome("o1", "bob", 2.0, 12)]).await.unwrap();
        let tally = store.tally("spring").await.unwrap();
        let told: Vec<(&str, bool, u64)> =
            tally.lines.iter().map(|l| (l.action.as_str(), l.control, l.customers)).collect();
        let expected =
            [("call", false, 1), ("none", false, 1), ("voucher", false, 2), ("voucher", true, 1)];
        assert_eq!(told, expected);
        assert_eq!((tally.contacts, tally.outcomes), (2, 1));
        assert_eq!(tally.lines[2].cost, 2.0 * (0.1 + 0.2));
        assert_eq!(store.tally("other").await.unwrap(), Default::default());
        store.close().await;
    });
}

#[test]
fn a_delivery_is_taken_by_one_at_a_time_and_goes_on_where_it_stopped() {
    in_both(|address| async move {
        let store = running(&address).await;
        let all = Choice::default();
        let begun = store.begin_delivery("spring", "crm", &all, 5).await.unwrap();
        assert_eq!(begun.state, DeliveryState::Sending);
        assert_eq!(store.take_delivery(4, 100).await.unwrap(), None);
        let taken = store.take_delivery(5, 100).await.unwrap().unwrap();
        // Taken: nobody else gets it before its time, nor is it begun a second time.
        assert_eq!(store.take_delivery(50, 200).await.unwrap(), None);
        assert_eq!(store.begin_delivery("spring", "crm", &all, 6).await.unwrap(), taken);
        let page = store.decisions("spring", &taken.choice(), &taken.after, 2).await.unwrap();
        let ids: Vec<&str> = page.iter().map(|d| d.customer_id.as_str()).collect();
        assert_eq!(ids, ["ann", "cy"]);
        let next =
            Delivery { after: "cy".to_owned(), customers: 2, due_at_micros: 7, ..taken.clone() };
        assert!(store.note_delivery(&taken, &next).await.unwrap());
        assert!(!store.note_delivery(&taken, &next).await.unwrap());

        // One that took too long is taken by another; the first then changes nothing.
        let slow = store.take_delivery(7, 8).await.unwrap().unwrap();
        let quick = store.take_delivery(9, 20).await.unwrap().unwrap();
        assert!(
            !store.note_delivery(&slow, &Delivery { customers: 99, ..slow.clone() }).await.unwrap()
        );
        let failed = Delivery {
            state: DeliveryState::Failed,
            attempts: 3,
            fault: Some("500".to_owned()),
            ..quick.clone()
        };
        assert!(store.note_delivery(&quick, &failed).await.unwrap());
        assert_eq!(store.take_delivery(99, 100).await.unwrap(), None);
        let again = store.begin_delivery("spring", "crm", &all, 40).await.unwrap();
        assert_eq!((again.attempts, again.after.as_str(), again.customers), (0, "cy", 2));

        // Parts are deliveries of their own.
        let calls = Choice { action: Some("call".to_owned()), ..Choice::default() };
        store.begin_delivery("spring", "crm", &calls, 41).await.unwrap();
        assert_eq!(store.deliveries("spring").await.unwrap().len(), 2);
        // What is over goes to nobody any more.
        store.move_campaign("spring", CampaignState::Finished, 50).await.unwrap();
        assert_eq!(store.take_delivery(99, 100).await.unwrap(), None);
        let ended = store.deliveries("spring").await.unwrap();
        assert!(ended.iter().all(|d| d.state == DeliveryState::Failed), "{ended:?}");
        store.close().await;
    });
}

#[test]
fn who_is_erased_is_no_place_to_go_on_from() {
    in_both(|address| async move {
        let store = running(&address).await;
        store.begin_delivery("spring", "crm", &Choice::default(), 5).await.unwrap();
        let taken = store.take_delivery(5, 6).await.unwrap().unwrap();
        let at = |customer: &str| Delivery { after: customer.to_owned(), ..taken.clone() };
        store.note_delivery(&taken, &at("cy")).await.unwrap();
        store.erase("cy").await.unwrap();
        assert_eq!(store.deliveries("spring").await.unwrap()[0].after, "bob");
        // Nor is one who was erased while the page was on its way.
        let taken = store.take_delivery(7, 8).await.unwrap().unwrap();
        store.erase("eve").await.unwrap();
        store
            .note_delivery(&taken, &Delivery { after: "eve".to_owned(), ..taken.clone() })
            .await
            .unwrap();
        assert_eq!(store.deliveries("spring").await.unwrap()[0].after, "dee");
        store.close().await;
    });
}

#[test]
fn a_customer_knows_its_campaigns_the_newest_first() {
    in_both(|address| async move {
        let store = running(&address).await;
        let later = rekindle_store::NewCampaign { created_at_micros: 9, ..campaign("autumn") };
        store.create_campaign(&later, &[decision("ann", "call", false)]).await.unwrap();
        let names = |customer: rekindle_store::Customer| -> Vec<String> {
            customer.campaigns.into_iter().map(|c| c.made.campaign_id).collect()
        };
        assert_eq!(names(store.customer("ann").await.unwrap()), ["autumn", "spring"]);
        assert_eq!(names(store.customer("bob").await.unwrap()), ["spring"]);
        store.close().await;
    });
}
