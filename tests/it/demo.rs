//! What `rekindle demo` keeps in its store, for the service's pages to show.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rekindle_models::artifact::Artifact;
use rekindle_models::policy::day_of;
use rekindle_models::reasons::Reasons;
use rekindle_store::{CampaignState, Choice, Counted, Customer, Decision, Store, Trial};

const DAY: i64 = 86_400_000_000;

/// That a demo's store, made since `before_micros`, holds what the demo says.
pub fn holds_what_was_said(demo: &Path, before_micros: i64) {
    let file = demo.join("customers.db");
    // A forest tells no reasons.
    let told = ["churned", "repaid"].map(|name| {
        let file = demo.join("registry").join(name).join("1/model.rekindle");
        let model = Artifact::load(&file).unwrap();
        (name, Reasons::new(&model.manifest, &model.scorer).is_ok())
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open_existing(&file.display().to_string()).await.unwrap();
        let today = *store.snapshots().await.unwrap().last().unwrap();
        assert!((before_micros / DAY * DAY..=now_micros()).contains(&today) && today % DAY == 0);
        let days: Vec<i64> = (0..=5).rev().map(|back| today - back * 60 * DAY).collect();
        assert_eq!(store.snapshots().await.unwrap(), days);
        campaigns(&store, today).await;
        customers(&store, today, &BTreeMap::from(told)).await;
        store.close().await;
    });
}

pub fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

async fn campaigns(store: &Store, today: i64) {
    let campaigns = store.campaigns().await.unwrap();
    let states: Vec<_> = campaigns.iter().map(|campaign| campaign.state).collect();
    let expected = [CampaignState::Draft, CampaignState::Running, CampaignState::Finished];
    assert_eq!(states, expected);
    let days_ago = |at: Option<i64>| at.map(|at| (today - at + DAY - 1) / DAY);
    assert_eq!(days_ago(Some(campaigns[0].made.created_at_micros)), Some(1));
    assert_eq!(days_ago(campaigns[1].started_at_micros), Some(12));
    assert_eq!(days_ago(campaigns[2].started_at_micros), Some(95));
    assert_eq!(days_ago(campaigns[2].finished_at_micros), Some(65));
    for campaign in &campaigns {
        let id = &campaign.made.campaign_id;
        let tally = store.tally(id).await.unwrap();
        let treated: u64 = planned(&tally, false);
        let held_out = planned(&tally, true);
        assert!(treated > 20 && held_out > 2, "{id}: {tally:?}");
        let ran = campaign.state != CampaignState::Draft;
        assert_eq!(tally.contacts, if ran { treated } else { 0 }, "{id}");
        assert_eq!(tally.outcomes > 10, ran, "{id}: {tally:?}");
    }
    // Whoever was contacted came back more often than who was held out.
    let finished = &campaigns[2].made.campaign_id;
    let trials = store.trials(finished, &Counted::default(), "", 100_000).await.unwrap();
    let rate = |control: bool| {
        let of: Vec<&Trial> = trials.iter().filter(|trial| trial.control == control).collect();
        of.iter().filter(|trial| trial.outcomes > 0).count() as f64 / of.len() as f64
    };
    assert!(rate(false) > rate(true) + 0.02, "{} {}", rate(false), rate(true));
    assert!(trials.iter().all(|trial| (trial.contacts == 0) == trial.control));
}

fn planned(tally: &rekindle_store::Tally, control: bool) -> u64 {
    let lines = tally.lines.iter().filter(|line| line.action != "none" && line.control == control);
    lines.map(|line| line.customers).sum()
}

/// Of those who are in the newest campaign, there is all that a page shows.
async fn customers(store: &Store, today: i64, told: &BTreeMap<&str, bool>) {
    let draft = &store.campaigns().await.unwrap()[0].made.campaign_id;
    let decisions: Vec<Decision> =
        store.decisions(draft, &Choice::default(), "", 100_000).await.unwrap();
    let (mut explained, mut history) = (0, 0);
    for decision in &decisions {
        let customer: Customer = store.customer(&decision.customer_id).await.unwrap();
        let state = &customer.states.last().unwrap().state;
        assert!(state.historic_value.is_some() && state.predicted_orders.is_some(), "{state:?}");
        let from = state.next_order.from.as_deref().and_then(day_of).unwrap();
        assert!(i64::from(from) >= today / DAY, "{state:?}");
        assert!(state.next_order.from <= state.next_order.on, "{state:?}");
        assert!((1..=50).contains(&customer.events.len()));
        let times: Vec<i64> = customer.events.iter().map(|e| e.occurred_at_micros).collect();
        assert!(times.is_sorted_by(|a, b| a >= b) && times[0] < today);
        for score in &customer.scores {
            let at_last_cutoff = score.scored_at_micros == today - 60 * DAY;
            let reasons = if at_last_cutoff && told[score.model_name.as_str()] { 3 } else { 0 };
            assert_eq!(score.reasons.len(), reasons, "{score:?}");
            assert!(score.lapse_tier.is_some() && score.grade.is_some(), "{score:?}");
            explained += usize::from(at_last_cutoff);
        }
        history += usize::from(customer.past_scores.len() > customer.scores.len());
    }
    let enough = decisions.len() / 2;
    assert!(explained > enough && history > enough, "{explained} {history} {enough}");
}
