//! The pages for people: who may see them, what stands on them, what they refuse.

use std::path::Path;

use rekindle::settings::Secret;
use rekindle_models::policy::PlanSpec;
use rekindle_store::{
    CampaignState, CustomerState, Decision, NewCampaign, NextOrder, Store, StoredEvent,
    StoredReason, StoredScore,
};
use serde_json::json;
use tempfile::TempDir;

use crate::app::{App, registry_of, spawn_app_with};
use crate::client::{self, Reply, until};
use crate::security::spawn_with_keys;
use crate::small_model;

/// A customer whose name is markup.
const MARKUP: &str = "<script>alert(1)</script>&\"'";
const DAY: i64 = 86_400_000_000;
/// 2026-01-01.
const NEW_YEAR: i64 = 1_767_225_600_000_000;

fn state(id: &str, tier: &str, value: f64) -> CustomerState {
    CustomerState {
        customer_id: id.to_owned(),
        lapse_tier: Some(tier.to_owned()),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: Some("A".to_owned()),
        historic_value: Some(100.0),
        predicted_value: Some(value),
        probability_alive: Some(0.75),
        predicted_orders: Some(2.5),
        next_order: NextOrder {
            on: Some("2026-03-01".to_owned()),
            from: Some("2026-02-01".to_owned()),
            until: Some("2026-06-01".to_owned()),
        },
    }
}

fn score(id: &str, probability: f64, at: i64) -> StoredScore {
    StoredScore {
        customer_id: id.to_owned(),
        model_name: "churn".to_owned(),
        model_version: 1,
        probability,
        percentile: 40,
        positive: false,
        lapse_tier: None,
        lifecycle_stage: None,
        grade: None,
        cutoff: None,
        scored_at_micros: at,
        reasons: vec![StoredReason {
            feature: "calls".to_owned(),
            contribution: 0.5,
            english: format!("many calls {MARKUP}"),
            chinese: "来电很多".to_owned(),
        }],
    }
}

fn decision(id: &str, control: bool) -> Decision {
    Decision {
        customer_id: id.to_owned(),
        action: "letter".to_owned(),
        offer: None,
        channel: Some("post".to_owned()),
        cost: 1.0,
        uplift: 0.1,
        expected_profit: 3.0,
        control,
        propensity: 0.5,
        lapse_tier: Some("drowsy".to_owned()),
        lifecycle_stage: None,
        grade: Some("A".to_owned()),
        score: None,
        predicted_value: Some(30.0),
        sentence: Some("a letter is expected to pay".to_owned()),
        contact_on: None,
    }
}

fn spec() -> PlanSpec {
    let spec = json!({
        "plan": {"control_share": 0.5, "value": 30.0, "watch_days": 30},
        "actions": [{"name": "letter", "channel": "post", "cost": 1.0}],
    });
    serde_json::from_value(spec).unwrap()
}

/// A store of 121 customers: c000 to c119, whose tiers moved, and one whose name is markup.
fn filled(folder: &Path) -> String {
    let file = folder.join("customers.db").display().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&file).await.unwrap();
        let names = |tier: fn(usize) -> &'static str| {
            let states = (0..120).map(move |n| state(&format!("c{n:03}"), tier(n), n as f64));
            states.chain([state(MARKUP, "dormant", 1.0)]).collect::<Vec<_>>()
        };
        let before = names(|n| if n < 60 { "awake" } else { "drowsy" });
        let after = names(|n| if n < 40 { "awake" } else { "half_asleep" });
        store.put_states(NEW_YEAR, &before).await.unwrap();
        store.put_states(NEW_YEAR + 30 * DAY, &after).await.unwrap();
        for at in [NEW_YEAR, NEW_YEAR + 30 * DAY] {
            let scores = (0..120).map(|n| score(&format!("c{n:03}"), n as f64 / 200.0, at));
            let scores: Vec<_> = scores.chain([score(MARKUP, 0.9, at)]).collect();
            store.put_scores(&scores).await.unwrap();
        }
        let event = |kind: &str| StoredEvent {
            occurred_at_micros: NEW_YEAR,
            kind: kind.to_owned(),
            amount: Some(12.5),
            product: Some(MARKUP.to_owned()),
            channel: None,
        };
        store.put_events(&[(MARKUP.to_owned(), vec![event("purchase")])]).await.unwrap();
        let campaign = NewCampaign {
            campaign_id: "spring".to_owned(),
            name: format!("Spring {MARKUP}"),
            settings: serde_json::to_string(&spec()).unwrap(),
            assumed: true,
            created_at_micros: NEW_YEAR,
        };
        let decisions = (0..120).map(|n| decision(&format!("c{n:03}"), n % 2 == 0));
        let decisions: Vec<_> = decisions.chain([decision(MARKUP, false)]).collect();
        store.create_campaign(&campaign, &decisions).await.unwrap();
        let now = chrono::Utc::now().timestamp_micros();
        store.move_campaign("spring", CampaignState::Running, now - 3 * DAY).await.unwrap();
        store.close().await;
    });
    file
}

/// A service whose customers are in memory.
fn site() -> (App, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.store = Some(Secret(file));
        settings.currency = Some("EUR".to_owned());
    });
    until("customers are read", || app.get("/").text.contains("121 customers"));
    (app, folder)
}

/// A page with a cookie.
fn see(app: &App, path: &str, cookie: &str) -> Reply {
    client::get(&format!("{}{path}", app.url), &[("cookie", cookie)])
}

/// What a page's forms carry.
fn token(page: &str) -> String {
    let start = page.find("name=\"form_token\" value=\"").expect("the page has a form") + 25;
    page[start..].split('"').next().unwrap().to_owned()
}

/// Sends a form as a browser does from one of our own pages.
fn send(app: &App, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let headers = [
        ("origin", app.url.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", cookie),
    ];
    client::post(&format!("{}{path}", app.url), &headers, body.as_bytes())
}

/// The cookie of a session that is begun with a key.
fn signed_in(app: &App, key: &str) -> String {
    let form = see(app, "/sign-in", "");
    let reply = send(app, "/sign-in", "", &[("form_token", &token(&form.text())), ("key", key)]);
    assert_eq!(reply.status, 303, "{}", reply.text());
    let set = reply.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

#[test]
fn the_overview_tells_who_moved_and_each_figure_leads_to_its_list() {
    let (app, _folder) = site();
    let page = app.get("/").text;
    // From awake to half asleep: c040 to c059; from drowsy: c060 to c119.
    assert!(
        page.contains("<a href=\"/customers?was_tier=awake&amp;tier=half_asleep\">20</a>"),
        "{page}"
    );
    assert!(
        page.contains("<a href=\"/customers?was_tier=drowsy&amp;tier=half_asleep\">60</a>"),
        "{page}"
    );
    assert!(page.contains("80 changed tier since 1 Jan 2026"), "{page}");
    let list = app.get("/customers?was_tier=awake&tier=half_asleep").text;
    assert!(list.contains("20 of 121 customers"), "{list}");
    // Value at risk of the 80 who are half asleep: 40 + ... + 119.
    assert!(page.contains("€6,360"), "{page}");
    let chinese = see(&app, "/", "rekindle_language=zh").text();
    assert!(
        chinese.contains("lang=\"zh\"") && chinese.contains("自 2026年1月1日 以来 80 位"),
        "{chinese}"
    );
    let asked = client::get(&app.url, &[("accept-language", "zh-CN,zh;q=0.9")]).text();
    assert!(asked.contains("lang=\"zh\""));
    let dark = see(&app, "/", "rekindle_theme=dark").text();
    assert!(dark.contains("data-theme=\"dark\""));
}

#[test]
fn lists_are_filtered_sorted_and_turned_page_by_page_without_losing_anybody() {
    let (app, _folder) = site();
    let mut path = "/customers?tier=awake&tier=half_asleep&sort=predicted".to_owned();
    let mut met = Vec::new();
    loop {
        let page = app.get(&path).text;
        let ids = page.split("<th scope=\"row\"><a href=\"/customers/").skip(1);
        met.extend(ids.map(|rest| rest.split('"').next().unwrap().to_owned()));
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    let expected: Vec<String> = (0..120).rev().map(|n| format!("c{n:03}")).collect();
    assert_eq!(met, expected);
    let csv = app.get("/customers.csv?probability_from=58&sort=id");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = csv.text.strip_prefix('\u{feff}').expect("a mark for spreadsheets");
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("customer_id,lapse_tier,lifecycle_stage,grade,"), "{}", rows[0]);
    assert!(rows[1].starts_with("\"<script>"), "{}", rows[1]);
    assert!(
        rows[2].starts_with("c116,half_asleep,repeat,A,100,116,0.75,letter,post,true,0.58,calls"),
        "{}",
        rows[2]
    );
    assert_eq!(rows.len(), 1 + 5);
    assert!(app.get("/customers?id=c11").text.contains("10 of 121 customers"));
    assert!(
        app.get("/customers?advice=letter&channel=post&reason=calls").text.contains("121 of 121")
    );
    assert!(app.get("/customers?id=nobody").text.contains("No customer fits"));
    let wrong = app.get("/customers?tier=sleepy");
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.text.contains("tier is &quot;sleepy&quot;, expected one of awake"),
        "{}",
        wrong.text
    );
    assert_eq!(app.get("/customers?sort=shoe_size").status, 400);
    assert_eq!(app.get("/customers?probability_from=many").status, 400);
    assert_eq!(app.get("/customers?after=nowhere").status, 400);
}

#[test]
fn markup_in_names_comes_out_as_text_everywhere() {
    let (app, _folder) = site();
    let id: String = url::form_urlencoded::byte_serialize(MARKUP.as_bytes()).collect();
    for path in
        ["/", "/customers?sort=id", &format!("/customers/{id}"), "/campaigns", "/campaigns/spring"]
    {
        let page = app.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(!page.text.contains("<script>alert"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    let page = app.get(&format!("/customers/{id}")).text;
    assert!(page.contains("many calls &lt;script&gt;"), "{page}");
    assert!(
        page.contains("1 Mar 2026") && page.contains("between 1 Feb 2026 and 1 Jun 2026"),
        "{page}"
    );
    assert!(page.contains("letter by post") && page.contains("€12.50"), "{page}");
    assert!(
        see(&app, &format!("/customers/{id}"), "rekindle_language=zh").text().contains("来电很多")
    );
    let nobody = app.get("/customers/nobody");
    assert_eq!(nobody.status, 404);
    assert!(
        nobody.text.contains("No such customer") && nobody.text.contains("<html"),
        "{}",
        nobody.text
    );
}

#[test]
fn nobody_sees_a_page_without_a_session_and_its_key_says_what_they_see() {
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    let keys = folder.path().join("keys.toml");
    let key = |scope: &str| crate::security::create(&keys, scope, &[]);
    let (reader, planner) = (key("read"), key("plan"));
    let (app, _) = spawn_with_keys(folder.path(), |settings| {
        settings.store = Some(Secret(file));
    });
    let turned_away = client::get(&format!("{}/customers?tier=awake", app.url), &[]);
    assert_eq!(turned_away.status, 303);
    assert_eq!(turned_away.header("location"), Some("/sign-in?next=%2Fcustomers%3Ftier%3Dawake"));
    let form = see(&app, "/sign-in?next=/campaigns", "").text();
    let wrong = send(&app, "/sign-in", "", &[("form_token", &token(&form)), ("key", "rk_wrong")]);
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("This key is not valid"), "{}", wrong.text());
    let reading = signed_in(&app, &reader);
    until("customers are read", || see(&app, "/", &reading).text().contains("121 customers"));
    assert!(!see(&app, "/customers", &reading).text().contains("customers.csv"));
    let refused = see(&app, "/customers.csv", &reading);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("Your key does not allow this"));
    // The session is for pages alone: the API asks for a key.
    assert_eq!(see(&app, "/v1/campaigns", &reading).status, 401);
    let planning = signed_in(&app, &planner);
    assert_eq!(see(&app, "/customers.csv", &planning).status, 200);
    assert_eq!(see(&app, "/", &planning).status, 403);
    // Signed out, the session is over, also for who kept its cookie.
    let page = see(&app, "/", &reading).text();
    let out = send(&app, "/sign-out", &reading, &[("form_token", &token(&page))]);
    assert_eq!(out.status, 303);
    assert_eq!(see(&app, "/", &reading).status, 303);
    // A key that is withdrawn takes its sessions along.
    let id = planner.split('_').nth(1).unwrap();
    crate::security::keys(&["revoke", id, "--keys", keys.to_str().unwrap()]);
    until("the session is over", || see(&app, "/customers.csv", &planning).status == 303);
}

#[test]
fn what_changes_something_must_come_from_one_of_our_own_pages() {
    let (app, _folder) = site();
    let path = "/campaigns/spring/finish";
    let own = token(&app.get("/campaigns/spring").text);
    let body = format!("form_token={own}");
    let url = format!("{}{path}", app.url);
    for origin in [Some("https://evil.example"), Some("null"), None] {
        let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
        let reply = client::post(&url, &headers, body.as_bytes());
        assert_eq!(reply.status, 403, "{origin:?}");
        assert!(reply.text().contains("Nothing was changed"), "{}", reply.text());
    }
    assert_eq!(send(&app, path, "", &[("form_token", "guessed")]).status, 403);
    assert_eq!(send(&app, path, "", &[]).status, 403);
    // A name elsewhere that points here is not this machine's.
    let host = app.url.replace("http://", "");
    let foreign =
        client::raw(&host, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert!(foreign.starts_with("HTTP/1.1 409"), "{foreign}");
    assert!(!foreign.contains("121 customers"));
    let finished = send(&app, path, "", &[("form_token", &own)]);
    assert_eq!(finished.status, 303, "{}", finished.text());
    assert_eq!(app.get("/v1/campaigns/spring").json()["state"], "finished");
}

#[test]
fn outcomes_are_sent_in_by_a_form_and_the_effect_follows() {
    let (app, _folder) = site();
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    // Every second of the treated buys, and every sixth of those held out.
    let bought = |n: &usize| if n % 2 == 1 { n % 4 == 1 } else { n.is_multiple_of(6) };
    let rows: String =
        (0..120).filter(bought).map(|n| format!("o{n},c{n:03},{today},20\n")).collect();
    let csv = format!("outcome_id,customer_id,occurred_at,amount\n{rows}");
    let upload = |content: &str| {
        let own = token(&app.get("/campaigns/spring").text);
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"form_token\"\r\n\r\n{own}\r\n--b\r\nContent-Disposition: \
             form-data; name=\"file\"; filename=\"o.csv\"\r\nContent-Type: text/csv\r\n\r\n{content}\r\n--b--\r\n"
        );
        let headers =
            [("origin", app.url.as_str()), ("content-type", "multipart/form-data; boundary=b")];
        client::post(&format!("{}/campaigns/spring/outcomes", app.url), &headers, body.as_bytes())
    };
    let wrong = upload("outcome_id,customer_id,occurred_at,amount\no1,c001,soon,1\n");
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.text().contains("Nothing was kept") && wrong.text().contains("occurred_at"),
        "{}",
        wrong.text()
    );
    let sent = upload(&csv);
    assert_eq!(sent.status, 200, "{}", sent.text());
    assert!(sent.text().contains("50 rows are new, 0 were known already"), "{}", sent.text());
    let effect = app.get("/v1/campaigns/spring/effect").json();
    let sentence = effect["sentence"].as_str().unwrap().to_owned();
    until("the effect is worked out", || app.get("/campaigns/spring").text.contains(&sentence));
    let page = app.get("/campaigns/spring").text;
    assert!(page.contains("+15.8"), "{page}");
    assert!(app.get("/").text.contains("Spring &lt;script&gt;"));
    let list = app.get("/campaigns/spring/list.csv?action=letter");
    assert!(list.text.contains("c001,letter"), "{}", list.text);
}

#[test]
fn without_a_store_or_a_model_pages_say_what_to_do() {
    let app = spawn_app_with(registry_of(&[]), |_| {});
    let page = app.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("rekindle demo") && page.text.contains("No store of customers yet"),
        "{}",
        page.text
    );
    assert!(app.get("/customers/x").text.contains("There is no store of customers"));
    let folder = tempfile::tempdir().unwrap();
    let file = filled(folder.path());
    let app = spawn_app_with(registry_of(&[]), |settings| settings.store = Some(Secret(file)));
    until("customers are read", || app.get("/").text.contains("121 customers"));
    assert!(app.get("/").text.contains("rekindle run -o registry/"));
}

#[test]
fn pages_that_are_not_wanted_are_not_there() {
    let app = spawn_app_with(registry_of(&[]), |settings| settings.pages = false);
    assert_eq!(app.get("/").status, 404);
    assert_eq!(app.get("/sign-in").status, 404);
}

#[test]
fn an_erased_customer_leaves_the_pages_and_what_is_chosen_stays() {
    let (app, folder) = site();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let file = folder.path().join("customers.db").display().to_string();
    runtime.block_on(async {
        let store = Store::open_existing(&file).await.unwrap();
        store.erase("c005").await.unwrap();
        store.close().await;
    });
    until("the customer is gone", || app.get("/").text.contains("120 customers"));
    assert!(app.get("/customers?id=c005").text.contains("0 of 120"));
    let chosen = client::get(&format!("{}/choose?language=zh&next=//evil.example", app.url), &[]);
    assert_eq!((chosen.status, chosen.header("location")), (303, Some("/")));
    assert!(chosen.header("set-cookie").unwrap().starts_with("rekindle_language=zh;"));
    let style = app.get("/").text;
    let style = style.split("href=\"/assets/style.css").nth(1).unwrap().split('"').next().unwrap();
    let style = app.get(&format!("/assets/style.css{style}"));
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
}

#[test]
fn whatever_is_filtered_is_kept_by_the_forms_of_the_list_and_of_a_plan() {
    let (app, _folder) = site();
    for (filter, kept) in [
        ("advised=yes", "name=\"advised\" value=\"yes\" checked"),
        ("was_tier=none", "<option value=\"none\" selected>"),
        ("advice=ended", "<option value=\"ended\" selected>ended"),
        ("reason=gone", "<option value=\"gone\" selected>gone"),
        ("tier=drowsy&grade=none", "name=\"grade\" value=\"none\" checked"),
        ("probability_from=20&value_until=7", "name=\"value_until\" value=\"7\""),
        ("model=churn", "<option value=\"churn\" selected>"),
        ("id=c0", "name=\"id\" value=\"c0\""),
    ] {
        let list = app.get(&format!("/customers?{filter}")).text;
        assert!(list.contains(kept), "{filter}: {list}");
        let link = format!("/plan?{}", filter.replace('&', "&amp;"));
        assert!(list.contains(&link), "{filter}: {list}");
        let plan = app.get(&format!("/plan?{filter}")).text;
        assert!(plan.contains(kept), "{filter}: {plan}");
    }
    // Only so much is taken as a person types.
    let long = "column=tier&".repeat(101);
    assert_eq!(app.get(&format!("/customers?{long}")).status, 400);
    let wide = app.get(&format!("/customers?{}", "column=tier&".repeat(90))).text;
    assert_eq!(wide.matches(" scope=\"col\"").count(), 2);
    let body = "x=1&".repeat(20_000);
    let headers = [("origin", app.url.as_str())];
    let flood = client::post(&format!("{}/sign-in", app.url), &headers, body.as_bytes());
    assert_eq!(flood.status, 413);
}
