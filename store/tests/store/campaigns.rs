//! Campaigns, contacts, outcomes, and what came of them.

use std::time::Instant;

use rekindle_store::{
    CampaignState, Choice, Contact, Counted, Decision, NewCampaign, Outcome, Recorded, Store, Trial,
};

use crate::both::{dump, in_both};

pub fn campaign(id: &str) -> NewCampaign {
    NewCampaign {
        campaign_id: id.to_owned(),
        name: format!("Wake \t{id}"),
        settings: r#"{"budget": 100.5, "note": "a\\b"}"#.to_owned(),
        assumed: true,
        created_at_micros: 5,
    }
}

pub fn decision(customer: &str, action: &str, control: bool) -> Decision {
    Decision {
        customer_id: customer.to_owned(),
        action: action.to_owned(),
        offer: None,
        channel: (action != "none").then(|| "mail".to_owned()),
        cost: 0.1 + 0.2,
        uplift: 1.0 / 3.0,
        expected_profit: -1e-300,
        control,
        propensity: 0.9,
        lapse_tier: Some("dormant".to_owned()),
        lifecycle_stage: None,
        grade: Some("B".to_owned()),
        score: Some(0.25),
        predicted_value: None,
        sentence: Some("Because\nit \\N pays".to_owned()),
        contact_on: Some("2025-06-01".to_owned()),
    }
}

pub fn contact(customer: &str, at: i64) -> Contact {
    Contact {
        customer_id: customer.to_owned(),
        action: "voucher".to_owned(),
        channel: Some("mail".to_owned()),
        contacted_at_micros: at,
        propensity: Some(0.9),
    }
}

pub fn outcome(id: &str, customer: &str, amount: f64, at: i64) -> Outcome {
    Outcome {
        outcome_id: id.to_owned(),
        customer_id: customer.to_owned(),
        kind: "purchase".to_owned(),
        amount,
        occurred_at_micros: at,
        received_at_micros: at + 1,
    }
}

/// A store with a campaign of ann (voucher), bob (its control), cy (call) and dee (none).
async fn woken(address: &str) -> Store {
    let store = Store::open(address).await.unwrap();
    let decisions = [
        decision("dee", "none", false),
        decision("bob", "voucher", true),
        decision("ann", "voucher", false),
        decision("cy", "call", false),
    ];
    store.create_campaign(&campaign("spring"), &decisions).await.unwrap();
    store
}

fn ids(decisions: &[Decision]) -> Vec<&str> {
    decisions.iter().map(|d| d.customer_id.as_str()).collect()
}

#[test]
fn a_campaign_is_made_whole_or_not_at_all() {
    in_both(|address| async move {
        let store = woken(&address).await;
        let kept = store.campaign("spring").await.unwrap().unwrap();
        assert_eq!((kept.made, kept.state), (campaign("spring"), CampaignState::Draft));
        assert_eq!(store.campaign("autumn").await.unwrap(), None);
        assert_eq!(store.campaign("nul\0").await.unwrap(), None);

        let said = store.create_campaign(&campaign("spring"), &[]).await.unwrap_err().to_string();
        assert!(said.contains("there is a campaign \"spring\" already"), "{said}");
        let cases = [
            (
                vec![decision("a", "x", false), decision("a", "y", false)],
                "decision 2: customer_id is \"a\" again",
            ),
            (
                vec![Decision { cost: f64::NAN, ..decision("a", "x", false) }],
                "decision 1: cost is NaN",
            ),
            (vec![Decision { propensity: 1.5, ..decision("a", "x", false) }], "propensity is 1.5"),
            (
                vec![Decision { offer: Some("\0".into()), ..decision("a", "x", false) }],
                "offer is a text with",
            ),
        ];
        for (decisions, expected) in cases {
            let said = store.create_campaign(&campaign("autumn"), &decisions).await;
            let said = said.unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert_eq!(store.campaign("autumn").await.unwrap(), None);
        }
        store
            .create_campaign(&NewCampaign { created_at_micros: 6, ..campaign("z") }, &[])
            .await
            .unwrap();
        store.create_campaign(&campaign("b"), &[]).await.unwrap();
        let order = store.campaigns().await.unwrap();
        let order: Vec<&str> = order.iter().map(|c| c.made.campaign_id.as_str()).collect();
        assert_eq!(order, ["z", "b", "spring"]);
        store.close().await;
    });
}

#[test]
fn of_many_who_make_the_same_campaign_at_once_one_does() {
    in_both(|address| async move {
        Store::open(&address).await.unwrap().close().await;
        let mut makers = Vec::new();
        for maker in 0..6 {
            let address = address.clone();
            makers.push(tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                let decisions: Vec<Decision> = (0..500)
                    .map(|c| decision(&format!("c{c}"), &format!("a{maker}"), false))
                    .collect();
                let made = store.create_campaign(&campaign("spring"), &decisions).await;
                store.close().await;
                made.is_ok()
            }));
        }
        let mut made = 0;
        for maker in makers {
            made += u32::from(maker.await.unwrap());
        }
        assert_eq!(made, 1);
        let store = Store::open_existing(&address).await.unwrap();
        let kept = store.decisions("spring", &Choice::default(), "", 1_000).await.unwrap();
        assert_eq!(kept.len(), 500);
        assert!(kept.iter().all(|d| d.action == kept[0].action));
        store.close().await;
    });
}

#[test]
fn a_campaign_goes_on_and_not_back() {
    in_both(|address| async move {
        let store = woken(&address).await;
        let state = async || store.campaign("spring").await.unwrap().unwrap();
        store.move_campaign("spring", CampaignState::Draft, 6).await.unwrap();
        store.move_campaign("spring", CampaignState::Running, 7).await.unwrap();
        store.move_campaign("spring", CampaignState::Running, 8).await.unwrap();
        let said = store.move_campaign("spring", CampaignState::Draft, 9).await.unwrap_err();
        assert!(said.to_string().contains("is running and cannot become draft"), "{said}");
        store.move_campaign("spring", CampaignState::Finished, 10).await.unwrap();
        let said = store.move_campaign("spring", CampaignState::Running, 11).await.unwrap_err();
        assert!(said.to_string().contains("is finished and cannot become running"), "{said}");
        let now = state().await;
        assert_eq!((now.started_at_micros, now.finished_at_micros), (Some(7), Some(10)));
        let said = store.move_campaign("no", CampaignState::Running, 11).await.unwrap_err();
        assert!(said.to_string().contains("no campaign \"no\""), "{said}");
        store.close().await;
    });
}

#[test]
fn decisions_are_read_by_action_and_channel_page_after_page() {
    in_both(|address| async move {
        let store = woken(&address).await;
        let page = async |choice: &Choice, after: &str, most| {
            store.decisions("spring", choice, after, most).await.unwrap()
        };
        let all = Choice::default();
        let first = page(&all, "", 3).await;
        assert_eq!(ids(&first), ["ann", "bob", "cy"]);
        assert_eq!(first[0], decision("ann", "voucher", false));
        assert_eq!(ids(&page(&all, "cy", 3).await), ["dee"]);
        assert_eq!(page(&all, "dee", 3).await, []);
        let some = |text: &str| Some(text.to_owned());
        let vouchers = Choice { action: some("voucher"), ..Choice::default() };
        assert_eq!(ids(&page(&vouchers, "", 9).await), ["ann", "bob"]);
        let treated = Choice { control: Some(false), channel: some("mail"), ..Choice::default() };
        assert_eq!(ids(&page(&treated, "", 9).await), ["ann", "cy"]);
        let nobody = Choice { channel: some("nul\0"), ..Choice::default() };
        assert_eq!(page(&nobody, "", 9).await, []);
        assert_eq!(store.decisions("autumn", &all, "", 9).await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn what_is_recorded_twice_is_kept_once() {
    in_both(|address| async move {
        let store = woken(&address).await;
        let recorded = |new, known, unknown| Recorded { new, known, unknown };
        let contacts =
            [contact("ann", 10), contact("ann", 11), contact("zoe", 10), contact("ann", 10)];
        assert_eq!(store.record_contacts("spring", &contacts).await.unwrap(), recorded(2, 1, 1));
        assert_eq!(store.record_contacts("spring", &contacts).await.unwrap(), recorded(0, 3, 1));
        assert_eq!(store.record_contacts("spring", &[]).await.unwrap(), recorded(0, 0, 0));

        let outcomes = [outcome("o1", "ann", 0.1, 20), outcome("o2", "bob", 7.0, 21)];
        assert_eq!(store.record_outcomes("spring", &outcomes).await.unwrap(), recorded(2, 0, 0));
        // Received again, later: the same.
        let again = Outcome { received_at_micros: 99, ..outcomes[0].clone() };
        let more = [again, outcome("o3", "ann", 1.0, 22), outcome("o4", "zoe", 1.0, 22)];
        assert_eq!(store.record_outcomes("spring", &more).await.unwrap(), recorded(1, 1, 1));
        let before = dump(&address).await;

        let said = async |outcomes: &[Outcome]| {
            store.record_outcomes("spring", outcomes).await.unwrap_err().to_string()
        };
        let other = [outcome("new", "ann", 1.0, 1), outcome("o1", "ann", 0.2, 20)];
        let text = said(&other).await;
        assert!(
            text.contains("outcome 2 (\"o1\"): amount is 0.2, but 0.1 where it is kept"),
            "{text}"
        );
        let text = said(&[outcome("o1", "bob", 0.1, 20)]).await;
        assert!(text.contains("customer_id is \"bob\", but \"ann\" where it is kept"), "{text}");
        // Two of one id in one go, the second another.
        let text = said(&[outcome("n", "ann", 1.0, 1), outcome("n", "ann", 1.0, 2)]).await;
        assert!(text.contains("outcome 2 (\"n\"): occurred_at_micros is 2, but 1"), "{text}");
        let text = said(&[outcome("n", "ann", f64::INFINITY, 1)]).await;
        assert!(text.contains("outcome 1: amount is inf"), "{text}");
        let other = Contact { channel: None, ..contact("ann", 10) };
        let text = store.record_contacts("spring", &[other]).await.unwrap_err().to_string();
        assert!(
            text.contains("contact 1 (\"ann\" \"voucher\" 10): channel is nothing, but \"mail\""),
            "{text}"
        );
        let text = store.record_outcomes("autumn", &outcomes).await.unwrap_err().to_string();
        assert!(text.contains("no campaign \"autumn\""), "{text}");
        let mut after = dump(&address).await;
        let mut before = before;
        before.sort();
        after.sort();
        assert_eq!(before, after);

        let counts = store.contacts_since(11).await.unwrap();
        assert_eq!(counts, [("ann".to_owned(), 1)]);
        assert_eq!(store.contacts_since(0).await.unwrap(), [("ann".to_owned(), 2)]);
        let ann = |time| ("spring".to_owned(), "ann".to_owned(), time);
        assert_eq!(store.contacts_between(0, i64::MAX).await.unwrap().len(), 2);
        assert_eq!(store.contacts_between(10, 11).await.unwrap(), [ann(10)]);
        assert_eq!(store.contacts_between(11, 11).await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn writers_at_once_count_each_outcome_once() {
    in_both(|address| async move {
        woken(&address).await.close().await;
        let mut writers = Vec::new();
        for writer in 0..4_usize {
            let address = address.clone();
            writers.push(tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                let mut new = 0;
                // All write the same outcomes, each in another order.
                for batch in 0..8_usize {
                    let outcomes: Vec<Outcome> = (0..64_usize)
                        .map(|row| (row * (2 * writer + 1)) % 64 + 64 * ((batch + writer) % 8))
                        .map(|id| outcome(&format!("o{id}"), "ann", 1.0, id as i64))
                        .collect();
                    new += store.record_outcomes("spring", &outcomes).await.unwrap().new;
                }
                store.close().await;
                new
            }));
        }
        let mut new = 0;
        for writer in writers {
            new += writer.await.unwrap();
        }
        assert_eq!(new, 512);
        let store = Store::open_existing(&address).await.unwrap();
        assert_eq!(store.customer("ann").await.unwrap().outcomes.len(), 512);
        store.close().await;
    });
}

#[test]
fn each_decision_comes_with_what_came_of_it() {
    in_both(|address| async move {
        let store = woken(&address).await;
        store.record_contacts("spring", &[contact("ann", 12), contact("ann", 11)]).await.unwrap();
        let visit = Outcome { kind: "visit".to_owned(), ..outcome("v", "ann", 0.0, 30) };
        let outcomes = [
            outcome("o1", "ann", 0.5, 20),
            outcome("o2", "ann", 7.0, 21),
            outcome("o3", "bob", 1.0, 9),
            visit,
        ];
        store.record_outcomes("spring", &outcomes).await.unwrap();
        store
            .create_campaign(&campaign("autumn"), &[decision("ann", "call", false)])
            .await
            .unwrap();
        let trials = async |of: &str, counted: &Counted| {
            let (mut all, mut after): (Vec<Trial>, String) = (Vec::new(), String::new());
            loop {
                let page = store.trials(of, counted, &after, 2).await.unwrap();
                let Some(last) = page.last() else { return all };
                after = last.customer_id.clone();
                all.extend(page);
            }
        };
        let told = |trials: &[Trial]| -> Vec<(String, u64, u64, f64)> {
            let of = |t: &Trial| {
                let customer = t.customer_id.clone();
                (customer, t.contacts, t.outcomes, t.amount)
            };
            trials.iter().map(of).collect()
        };
        let of = |customer: &str, contacts, outcomes, amount| {
            (customer.to_owned(), contacts, outcomes, amount)
        };
        let spring = "spring";
        let all = trials(spring, &Counted::default()).await;
        let expected = [of("ann", 2, 3, 7.5), of("bob", 0, 1, 1.0), of("cy", 0, 0, 0.0)];
        assert_eq!(told(&all), expected);
        let bob = decision("bob", "voucher", true);
        assert_eq!((&all[1].action, all[1].control, all[1].propensity), (&bob.action, true, 0.9));
        assert_eq!((&all[1].lapse_tier, &all[1].grade), (&bob.lapse_tier, &bob.grade));
        assert_eq!((all[1].score, all[1].predicted_value), (Some(0.25), None));
        let kind = Some("purchase".to_owned());
        let late = Counted { kind, from_micros: 10, until_micros: 21 };
        let late = told(&trials(spring, &late).await);
        assert_eq!(late[..2], [of("ann", 2, 1, 0.5), of("bob", 0, 0, 0.0)]);
        // What came of the same customers in another campaign is another's.
        assert_eq!(told(&trials("autumn", &Counted::default()).await), [of("ann", 0, 0, 0.0)]);
        assert_eq!(trials("winter", &Counted::default()).await, []);
        store.close().await;
    });
}

/// A campaign may decide for a million; so many rows here that a slow way would be seen.
#[test]
fn a_campaign_of_many_is_made_and_read() {
    in_both(|address| async move {
        let rows: u32 =
            std::env::var("REKINDLE_TEST_ROWS").map_or(20_000, |rows| rows.parse().unwrap());
        let store = Store::open(&address).await.unwrap();
        let name = |row: u32| format!("customer-{:08x}", row.wrapping_mul(2_654_435_769));
        let decisions: Vec<Decision> =
            (0..rows).map(|row| decision(&name(row), "voucher", row % 10 == 0)).collect();
        let start = Instant::now();
        store.create_campaign(&campaign("spring"), &decisions).await.unwrap();
        let made = start.elapsed().as_secs_f64();
        let outcomes: Vec<Outcome> =
            (0..rows / 4).map(|row| outcome(&format!("o{row}"), &name(row), 1.0, 1)).collect();
        let start = Instant::now();
        let recorded = store.record_outcomes("spring", &outcomes).await.unwrap();
        assert_eq!(recorded.new, u64::from(rows / 4));
        let outcomes = start.elapsed().as_secs_f64();
        let (mut met, mut after) = (0, String::new());
        let start = Instant::now();
        loop {
            let page = store.trials("spring", &Counted::default(), &after, 10_000).await.unwrap();
            met += page.iter().map(|t| t.outcomes).sum::<u64>();
            let Some(last) = page.last() else { break };
            after = last.customer_id.clone();
        }
        assert_eq!(met, u64::from(rows / 4));
        let read = start.elapsed().as_secs_f64();
        println!(
            "{rows} decisions in {made:.2} s, a quarter's outcomes in {outcomes:.2} s, all read in {read:.2} s: {store:?}"
        );
        store.close().await;
    });
}
