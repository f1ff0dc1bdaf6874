//! The page that plans campaigns: figures from the store's customers, what is typed wrongly, a plan kept and started.

use std::collections::BTreeMap;

use rekindle::settings::{Secret, Settings};
use rekindle_store::{CampaignState, Choice, CustomerState, NextOrder, Store, StoredScore};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, registry_of, spawn_app_with};
use crate::client::{self, Reply, until};
use crate::security::{create, spawn_with_keys};
use crate::small_model;

const CUSTOMERS: usize = 900;
const TIERS: [&str; 4] = ["awake", "drowsy", "half_asleep", "dormant"];
const GRADES: [&str; 3] = ["A", "B", "C"];

fn id(place: usize) -> String {
    format!("c{place:04}")
}

/// Every second customer's value is known, and of every third how likely it comes back by itself.
fn value(place: usize) -> Option<f64> {
    place.is_multiple_of(2).then_some(20.0 + (place % 60) as f64)
}

fn baseline(place: usize) -> Option<f64> {
    place.is_multiple_of(3).then_some((place % 10) as f64 / 100.0)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// A store of customers who have lapsed, a quarter in each tier.
fn store() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.db").display().to_string();
    let state = |place: usize| CustomerState {
        customer_id: id(place),
        lapse_tier: Some(TIERS[place % 4].to_owned()),
        lifecycle_stage: Some("lapsed".to_owned()),
        grade: Some(GRADES[place % 3].to_owned()),
        historic_value: Some(10.0),
        predicted_value: value(place),
        probability_alive: None,
        predicted_orders: None,
        next_order: NextOrder::default(),
    };
    let score = |place: usize| {
        Some(StoredScore {
            customer_id: id(place),
            model_name: "returned".to_owned(),
            model_version: 1,
            probability: baseline(place)?,
            percentile: 50,
            positive: false,
            lapse_tier: None,
            lifecycle_stage: None,
            grade: None,
            cutoff: None,
            scored_at_micros: 1_700_000_000_000_000,
            reasons: Vec::new(),
        })
    };
    let states: Vec<CustomerState> = (0..CUSTOMERS).map(state).collect();
    let scores: Vec<StoredScore> = (0..CUSTOMERS).filter_map(score).collect();
    runtime().block_on(async {
        let store = Store::open(&file).await.unwrap();
        store.put_states(1_700_000_000_000_000, &states).await.unwrap();
        store.put_scores(&scores).await.unwrap();
        store.close().await;
    });
    (folder, file)
}

fn with_store(file: &str) -> impl FnOnce(&mut Settings) {
    move |settings: &mut Settings| settings.store = Some(Secret(file.to_owned()))
}

/// The service with its customers in memory.
fn app() -> (App, TempDir, String) {
    let (folder, file) = store();
    let models = registry_of(&[small_model::artifact("churn", 0.0)]);
    let app = spawn_app_with(models, with_store(&file));
    until("customers are read", || app.get("/plan").text.contains("data-figures"));
    (app, folder, file)
}

/// What stands between two texts, behind the first.
fn between<'a>(page: &'a str, from: &str, until: &str) -> &'a str {
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {page}"));
    rest.split_once(until).unwrap().0
}

/// A figure of a tile.
fn tile(page: &str, name: &str) -> String {
    between(page, &format!("<dt>{name}</dt><dd><strong>"), "</strong>").to_owned()
}

fn form_token(page: &str) -> String {
    between(page, "name=\"form_token\" value=\"", "\"").to_owned()
}

fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).finish()
}

/// Sends the form to be saved.
fn save(app: &App, path: &str, pairs: &[(&str, &str)]) -> Reply {
    let token = form_token(&app.get("/plan").text);
    let body = query(&[pairs, &[("form_token", token.as_str())]].concat());
    let kind = ("content-type", "application/x-www-form-urlencoded");
    client::post(&format!("{}{path}", app.url), &[("origin", &app.url), kind], body.as_bytes())
}

const PLAN: [(&str, &str); 20] = [
    ("whom", "chosen"),
    ("tier", "drowsy"),
    ("tier", "dormant"),
    ("action_1", "reminder"),
    ("channel_1", "email"),
    ("cost_1", "0.02"),
    ("strength_1", "50"),
    ("action_2", "letter"),
    ("channel_2", "post"),
    ("offer_2", "voucher"),
    ("cost_2", "0.8"),
    ("offer_cost_2", "5"),
    ("most_2", "90"),
    ("budget", "150"),
    ("control", "20"),
    ("value_of", "each"),
    ("value", "30"),
    ("baseline", "returned"),
    ("consent", "yes"),
    ("name", "Spring <b>"),
];

#[test]
fn the_page_shows_what_a_plan_for_the_stores_customers_comes_to() {
    let (app, _folder, _) = app();
    let page = app.get("/plan").text;
    // Three of four tiers are chosen where nobody says whom.
    assert_eq!(tile(&page, "Chosen"), "675");
    assert!(page.contains("name=\"action_3\" value=\"call\""), "the first plan");
    assert!(page.contains("assumed here, by the success rates"), "{page}");
    assert!(page.contains("would be seen 4 times in 5"), "{page}");

    let page = app.get(&format!("/plan?{}", query(&PLAN))).text;
    assert_eq!(tile(&page, "Chosen"), "450");
    let count = |name| tile(&page, name).replace(',', "").parse::<usize>().unwrap();
    assert_eq!(count("Woken") + count("Left alone"), 450);
    assert!(count("Held out") > 0 && count("Woken") > 90);
    assert!(page.contains("<span class=\"faint\">150.00</span>"), "{page}");
    assert!(!page.contains("Spring <b>") && page.contains("Spring &lt;b&gt;"));
    // The fragment is the part of the page.
    let part = app.get(&format!("/plan/figures?{}", query(&PLAN)));
    assert!(part.status == 200 && page.contains(&part.text), "{}", part.text);
    assert!(part.text.starts_with("<div data-most-spent=\""), "{}", part.text);
    // Whoever is left out of the filter is left out of the plan.
    let none = app.get("/plan/figures?id=nobody").text;
    assert!(none.contains("Nobody passes the filter"), "{none}");
}

#[test]
fn what_is_typed_wrongly_is_told_at_its_field_and_stays_there() {
    let (app, _folder, file) = app();
    let wrong = [&PLAN[..13], &[("budget", "abc"), ("control", "77")]].concat();
    let page = app.get(&format!("/plan?{}", query(&wrong)));
    assert_eq!(page.status, 422);
    let field = between(&page.text, "id=\"plan-budget\"", "</label>");
    assert!(field.contains("value=\"abc\"") && field.contains("aria-invalid=\"true\""), "{field}");
    assert!(field.contains("&quot;abc&quot; is there, expected an amount"), "{field}");
    assert!(page.text.contains("name=\"offer_2\" value=\"voucher\""), "the rest stays");
    assert!(between(&page.text, "id=\"plan-control\"", "</label>").contains("from 0 to 50"));
    let part = app.get(&format!("/plan/figures?{}", query(&wrong)));
    assert!(part.status == 422 && part.text.contains("role=\"alert\""), "{}", part.text);
    // A filter that is not understood is told, and the rest of it holds.
    let page = app.get("/plan?tier=drowsy&value_from=lots");
    assert_eq!((page.status, tile(&page.text, "Chosen").as_str()), (422, "225"));
    assert!(page.text.contains("value_from is &quot;lots&quot;"), "{}", page.text);

    // Nothing of it is kept.
    let check = |pairs: &[(&str, &str)], id: &str, told: &str| {
        let mut all = PLAN.to_vec();
        all.retain(|(key, _)| pairs.iter().all(|(own, _)| own != key));
        let reply = save(&app, "/plan", &[&all, pairs].concat());
        let page = reply.text();
        assert_eq!(reply.status, 422, "{page}");
        let field = between(&page, &format!("id=\"plan-{id}\""), "</label>");
        assert!(field.contains(told), "{field}");
    };
    check(&[("budget", "-5")], "budget", "an amount of at least 0");
    check(&[("action_2", "reminder")], "action_2", "a name that no other action has");
    check(&[("campaign_id", "a/b")], "campaign_id", "1 to 64 letters");
    check(&[("campaign_id", "")], "campaign_id", "1 to 64 letters");
    assert_eq!(app.get("/v1/campaigns").json()["campaigns"], json!([]));
    let saved = save(&app, "/plan", &[&PLAN[..], &[("campaign_id", "first")]].concat());
    assert_eq!(saved.status, 303, "{}", saved.text());
    check(&[("campaign_id", "first")], "campaign_id", "an id that no campaign has yet");
    drop(file);
}

/// The decisions of a campaign, as the store has them.
fn kept(file: &str, campaign: &str) -> (CampaignState, Value, Vec<rekindle_store::Decision>) {
    runtime().block_on(async {
        let store = Store::open_existing(file).await.unwrap();
        let found = store.campaign(campaign).await.unwrap().unwrap();
        let decisions = store.decisions(campaign, &Choice::default(), "", 10_000).await.unwrap();
        store.close().await;
        (found.state, serde_json::from_str(&found.made.settings).unwrap(), decisions)
    })
}

#[test]
fn a_saved_plan_is_that_of_the_api_for_the_same_customers_and_that_of_the_figures() {
    let (app, _folder, file) = app();
    let plan = [&PLAN[..], &[("campaign_id", "spring")]].concat();
    let shown = app.get(&format!("/plan/figures?{}", query(&plan))).text;
    let reply = save(&app, "/plan", &plan);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/campaigns/spring")));
    let (state, settings, decisions) = kept(&file, "spring");
    assert_eq!((state, decisions.len()), (CampaignState::Draft, 450));
    assert!(app.get("/campaigns/spring").text.contains("Spring &lt;b&gt;"));

    let places = (0..CUSTOMERS).filter(|place| matches!(place % 4, 1 | 3));
    let customer = |place: usize| {
        let mut customer = json!({
            "customer_id": id(place), "lifecycle_stage": "lapsed", "lapse_tier": TIERS[place % 4],
            "grade": GRADES[place % 3],
        });
        let known = [("predicted_value", value(place)), ("baseline", baseline(place))];
        for (key, number) in known {
            number.into_iter().for_each(|number| customer[key] = json!(number));
        }
        customer
    };
    let body = json!({"spec": settings, "customers": places.map(customer).collect::<Vec<_>>()});
    let planned = app.post("/v1/reactivation/plan", &body.to_string());
    assert_eq!(planned.status, 200, "{}", planned.text);
    let planned = planned.json();
    let expected: BTreeMap<&str, &Value> = planned["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|decision| (decision["customer_id"].as_str().unwrap(), decision))
        .collect();
    assert_eq!(expected.len(), decisions.len());
    for decision in &decisions {
        let expected = expected[decision.customer_id.as_str()];
        assert_eq!(expected["planned"], json!(decision.action), "{expected}");
        assert_eq!(expected["control"], json!(decision.control), "{expected}");
        assert_eq!(expected["expected_profit"], json!(decision.expected_profit), "{expected}");
        assert_eq!(expected["propensity"], json!(decision.propensity), "{expected}");
        assert_eq!(expected["reason"].as_str(), decision.sentence.as_deref());
    }
    let totals = &planned["totals"];
    assert!(totals["places"][0]["taken"].as_u64().unwrap() <= 90, "{totals}");
    let number = |name| tile(&shown, name).replace(',', "").parse::<u64>().unwrap();
    assert_eq!(totals["contacted"], number("Woken"), "what is shown is what is kept");
    assert_eq!(totals["control"], number("Held out"));

    // The next plan begins with these actions, and an id of its own.
    let next = app.get("/plan").text;
    assert!(
        next.contains("name=\"action_1\" value=\"reminder\"")
            && next.contains("name=\"action_3\" value=\"\"")
    );
    assert!(
        next.contains("name=\"strength_1\" value=\"50\"")
            && next.contains("name=\"most_2\" value=\"90\"")
    );
    assert!(next.contains("name=\"campaign_id\" value=\"plan-"));
}

#[test]
fn a_plan_that_is_saved_and_started_runs_and_a_form_of_elsewhere_is_refused() {
    let (app, _folder, file) = app();
    let plan = [&PLAN[..], &[("campaign_id", "now")]].concat();
    let url = format!("{}/plan", app.url);
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let body = query(&plan);
    let without = client::post(&url, &[("origin", &app.url), kind], body.as_bytes());
    assert_eq!(without.status, 403, "no token");
    let token = form_token(&app.get("/plan").text);
    let body = query(&[&plan[..], &[("form_token", token.as_str())]].concat());
    let foreign =
        client::post(&url, &[("origin", "http://elsewhere.example"), kind], body.as_bytes());
    assert_eq!(foreign.status, 403);
    let reply = save(&app, "/plan?start=yes", &plan);
    assert_eq!((reply.status, reply.header("location")), (303, Some("/campaigns/now")));
    assert_eq!(kept(&file, "now").0, CampaignState::Running);
    // The list can be downloaded.
    assert!(app.get("/campaigns/now/list.csv").text.starts_with("\u{feff}customer_id,"));
}

#[test]
fn a_session_whose_key_may_not_plan_is_refused() {
    let (folder, file) = store();
    let keys = folder.path().join("keys.toml");
    let reader = create(&keys, "read", &[]);
    let planner = create(&keys, "plan", &[]);
    let (app, _) = spawn_with_keys(folder.path(), with_store(&file));
    let session = |key: &str| {
        let token = form_token(&app.get("/sign-in").text);
        let body = query(&[("key", key), ("form_token", token.as_str())]);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let url = format!("{}/sign-in", app.url);
        let reply = client::post(&url, &[("origin", &app.url), kind], body.as_bytes());
        assert_eq!(reply.status, 303, "{}", reply.text());
        reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    };
    let see = |cookie: &str, path: &str| {
        client::get(&format!("{}{path}", app.url), &[("cookie", cookie)])
    };
    let (reader, planner) = (session(&reader), session(&planner));
    until("customers are read", || see(&planner, "/plan").text().contains("data-figures"));
    for path in ["/plan", "/plan/figures"] {
        assert_eq!(see(&reader, path).status, 403, "{path}");
        assert_eq!(see(&planner, path).status, 200, "{path}");
        // Whoever has not signed in is sent to do so.
        assert_eq!(client::get(&format!("{}{path}", app.url), &[]).status, 303, "{path}");
    }
    let token = form_token(&see(&planner, "/plan").text());
    let body =
        query(&[&PLAN[..], &[("campaign_id", "spring"), ("form_token", token.as_str())]].concat());
    let headers = |cookie| {
        [
            ("origin", app.url.as_str()),
            ("cookie", cookie),
            ("content-type", "application/x-www-form-urlencoded"),
        ]
    };
    let post =
        |cookie| client::post(&format!("{}/plan", app.url), &headers(cookie), body.as_bytes());
    assert_eq!(post(&reader).status, 403);
    assert_eq!(post(&planner).status, 303);
}
