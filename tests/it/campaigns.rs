//! A campaign over HTTP: made, started, listed, delivered, told of contacts and outcomes, judged.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use rekindle::settings::Secret;
use rekindle_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, registry_of, spawn_app_with};
use crate::client::{self, until};
use crate::small_model;

/// The service with an empty store, and the store's folder.
fn app(webhooks: Option<&str>) -> (App, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.db").display().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { Store::open(&file).await.unwrap().close().await });
    let hooks = webhooks.map(|text| {
        let hooks = folder.path().join("webhooks.toml");
        std::fs::write(&hooks, text).unwrap();
        hooks
    });
    (serve(&file, hooks), folder)
}

fn serve(store: &str, webhooks: Option<std::path::PathBuf>) -> App {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.store = Some(Secret(store.to_owned()));
        settings.webhooks = webhooks;
    });
    until("the store is reached", || app.get("/v1/campaigns").status == 200);
    app
}

fn spec() -> Value {
    json!({
        "plan": {"control_share": 0.3, "consent_default": true, "value": 40.0, "seed": 3, "watch_days": 20},
        "actions": [
            {"name": "reminder", "channel": "email", "cost": 0.1},
            {"name": "letter", "offer": "voucher", "channel": "post", "cost": 1.0, "offer_cost": 5.0},
        ],
    })
}

/// 1,200 customers: for the first half the letter is best, for most others the reminder, and for the last 100 nothing.
fn customers() -> Vec<Value> {
    let customer = |place: usize| {
        let (letter, reminder) = match place {
            0..600 => (0.4, 0.1),
            600..1_100 => (0.05, 0.2),
            _ => (-0.1, -0.1),
        };
        json!({
            "customer_id": format!("c{place:04}"), "lifecycle_stage": "lapsed",
            "lapse_tier": (["drowsy", "dormant"][place % 2]), "grade": (["A", "B", "C"][place % 3]),
            "baseline": 0.05, "uplift": {"letter": letter, "reminder": reminder},
        })
    };
    (0..1_200).map(customer).collect()
}

fn made(app: &App, id: &str) -> Value {
    let body =
        json!({"campaign_id": id, "name": "Spring", "spec": spec(), "customers": customers()});
    let reply = app.post("/v1/campaigns", &body.to_string());
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()
}

fn now() -> String {
    let now: chrono::DateTime<chrono::Utc> = SystemTime::now().into();
    now.to_rfc3339()
}

fn send(app: &App, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let reply =
        client::post(&format!("{}{path}", app.url), &[("content-type", kind)], body.as_bytes());
    (reply.status, reply.json())
}

/// The rows of the list, as its CSV has them.
fn listed(app: &App, path: &str) -> Vec<Vec<String>> {
    let reply = app.get(path);
    assert_eq!(reply.status, 200, "{}", reply.text);
    let mut reader = csv::Reader::from_reader(reply.text.as_bytes());
    assert_eq!(reader.headers().unwrap().get(0), Some("customer_id"));
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_campaign_goes_from_plan_to_effect() {
    let (app, _folder) = app(None);
    let totals = &made(&app, "spring")["totals"];
    let contacted = totals["contacted"].as_u64().unwrap();
    let held = totals["control"].as_u64().unwrap();
    assert!(contacted + held == 1_100 && held > 280 && held < 380, "{totals}");
    let page = app.get("/v1/campaigns/spring").json();
    assert_eq!(page["state"], "draft");
    assert_eq!(page["customers"], 1_200);
    assert_eq!((&page["contacted"], &page["control"]), (&json!(contacted), &json!(held)));
    assert_eq!(page["spec"]["plan"]["watch_days"], 20);
    assert_eq!(page["actions"].as_array().unwrap().len(), 2);

    // Nothing comes in before it is started, and there is no effect.
    for path in ["/v1/campaigns/spring/contacts", "/v1/campaigns/spring/outcomes"] {
        assert_eq!(app.post(path, "[]").code(), "conflict");
    }
    assert_eq!(app.get("/v1/campaigns/spring/effect").code(), "conflict");
    assert_eq!(app.post("/v1/campaigns/spring:start", "").json()["state"], "running");

    // The list holds whom to contact, and no one who is held out.
    let rows = listed(&app, "/v1/campaigns/spring/list");
    assert_eq!(rows.len() as u64, contacted);
    let letters = listed(&app, "/v1/campaigns/spring/list?action=letter");
    assert!(
        !letters.is_empty() && letters.iter().all(|row| row[1] == "letter" && row[2] == "voucher")
    );
    let mails = listed(&app, "/v1/campaigns/spring/list?channel=email");
    assert_eq!(letters.len() + mails.len(), rows.len());
    let url = format!("{}/v1/campaigns/spring/list?channel=email", app.url);
    let lines = client::get(&url, &[("accept", "application/x-ndjson")]).text();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(lines.lines().count(), mails.len());
    assert_eq!(first["customer_id"], mails[0][0]);
    assert_eq!(first["propensity"], 0.7);
    assert!(first["reason"].as_str().unwrap().contains("reminder"), "{first}");

    let early = app.get("/v1/campaigns/spring/effect").json();
    assert!(early["all"].get("response").is_none());
    assert!(early["sentence"].as_str().unwrap().starts_with("Too early to say"), "{early}");

    // Contacts: as CSV, twice.
    let at = now();
    let mut table = "customer_id,action,contacted_at\n".to_owned();
    rows.iter().for_each(|row| table += &format!("{},{},{at}\n", row[0], row[1]));
    let (status, told) = send(&app, "/v1/campaigns/spring/contacts", "text/csv", &table);
    assert_eq!((status, &told["new"], &told["known"]), (200, &json!(contacted), &json!(0)));
    let (_, told) = send(&app, "/v1/campaigns/spring/contacts", "text/csv", &table);
    assert_eq!((&told["new"], &told["known"]), (&json!(0), &json!(contacted)));

    // Outcomes: of those contacted every second buys, of all others every tenth.
    let treated: std::collections::BTreeSet<&str> =
        rows.iter().map(|row| row[0].as_str()).collect();
    let buys = |place: usize| {
        let of = if treated.contains(format!("c{place:04}").as_str()) { 2 } else { 10 };
        (place / 6).is_multiple_of(of)
    };
    let outcome = |place: usize| json!({"outcome_id": format!("o{place}"), "customer_id": format!("c{place:04}"), "amount": 60, "occurred_at": at});
    let outcomes: Vec<Value> = (0..1_200).filter(|place| buys(*place)).map(outcome).collect();
    let body = json!(outcomes).to_string();
    let (status, told) = send(&app, "/v1/campaigns/spring/outcomes", "application/json", &body);
    assert_eq!((status, &told["new"]), (200, &json!(outcomes.len())), "{told}");
    let lines: Vec<String> = outcomes.iter().map(Value::to_string).collect();
    let stranger = json!({"outcome_id": "x", "customer_id": "nobody", "occurred_at": at});
    let lines = format!("{}\n{stranger}\n", lines.join("\n"));
    let (_, told) = send(&app, "/v1/campaigns/spring/outcomes", "application/x-ndjson", &lines);
    assert_eq!((&told["new"], &told["unknown"]), (&json!(0), &json!(1)), "{told}");

    let effect = app.get("/v1/campaigns/spring/effect").json();
    assert_eq!((&effect["day"], &effect["planned_days"]), (&json!(1), &json!(20)));
    assert_eq!((&effect["not_reached"], &effect["contacted_controls"]), (&json!(0), &json!(0)));
    assert_eq!(effect["recorded"].as_array().unwrap().len(), 2);
    assert_eq!(effect["kind"], "purchase");
    let all = &effect["all"];
    assert_eq!((&all["treated"], &all["control"]), (&json!(contacted), &json!(held)));
    let figure = |of: &Value, part: &str| of["response"]["absolute"][part].as_f64().unwrap();
    let (low, value, high) = (figure(all, "low"), figure(all, "value"), figure(all, "high"));
    assert!(low > 0.2 && low < value && value < high && (value - 0.4).abs() < 0.05, "{all}");
    // The profit, by hand: 40 a buyer, 0.1 a mail, 1 a letter and 5 a voucher redeemed.
    let place = |row: &[String]| row[0][1..].parse::<usize>().unwrap();
    let earned: f64 = rows
        .iter()
        .map(|row| {
            let (cost, voucher) = if row[1] == "letter" { (1.0, 5.0) } else { (0.1, 0.0) };
            if buys(place(row)) { 40.0 - voucher - cost } else { -cost }
        })
        .sum();
    let cost: f64 = rows
        .iter()
        .map(|row| {
            let (cost, voucher) = if row[1] == "letter" { (1.0, 5.0) } else { (0.1, 0.0) };
            cost + if buys(place(row)) { voucher } else { 0.0 }
        })
        .sum();
    let controls = (0..1_100).filter(|place| !treated.contains(format!("c{place:04}").as_str()));
    let alone = controls.clone().filter(|place| buys(*place)).count() as f64 * 40.0
        / controls.count() as f64;
    let profit = &all["profit"];
    let expected = earned / contacted as f64 - alone;
    let found = profit["a_customer"]["value"].as_f64().unwrap();
    // What was known before (nothing differs between customers' scores) moves it not at all.
    assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    assert!((profit["cost"].as_f64().unwrap() - cost).abs() < 1e-6);
    assert!(
        (profit["total"]["value"].as_f64().unwrap() - expected * contacted as f64).abs() < 1e-6
    );
    let names = |key: &str| -> Vec<String> {
        let groups = effect[key].as_array().unwrap().iter();
        groups.map(|group| group["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("actions"), ["letter", "reminder"]);
    assert_eq!(names("lapse_tiers"), ["drowsy", "dormant"]);
    assert_eq!(names("grades"), ["A", "B", "C"]);
    let letter = &effect["actions"][0];
    assert_eq!(letter["treated"], letters.len());
    let sentence = effect["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("It works: of 100 customers ") && sentence.contains("earned"),
        "{sentence}"
    );
    let chinese = app.get("/v1/campaigns/spring/effect?language=zh").json();
    assert!(chinese["sentence"].as_str().unwrap().starts_with("有效"), "{chinese}");
    assert!(all["profit"].is_object());
    let other = app.get("/v1/campaigns/spring/effect?kind=visit").json();
    assert!(other["sentence"].as_str().unwrap().starts_with("Too early"), "{other}");

    // A customer knows what was decided, done and what came of it.
    let customer = app.get(&format!("/v1/customers/{}", rows[0][0])).json();
    assert_eq!(customer["advice"]["campaign_id"], "spring", "{customer}");
    assert_eq!(customer["advice"]["action"], rows[0][1].as_str());
    assert_eq!(customer["contacts"][0]["action"], rows[0][1].as_str());
    assert_eq!(customer["outcomes"].as_array().unwrap().len(), usize::from(buys(place(&rows[0]))));

    // What came before the start's day, or comes after the end, does not count: of contacted customers who bought nothing.
    let idle = rows.iter().map(|row| place(row)).find(|place| !buys(*place)).unwrap();
    let one = |id: &str, at: &str| json!([{"outcome_id": id, "customer_id": format!("c{idle:04}"), "amount": 9e5, "occurred_at": at}]);
    let outcomes = "/v1/campaigns/spring/outcomes";
    assert_eq!(app.post(outcomes, &one("early", "2020-01-01").to_string()).json()["new"], 1);
    assert_eq!(app.get("/v1/campaigns/spring/effect").json()["all"], effect["all"]);
    // One held out who is contacted all the same is told, and stays where it was drawn.
    let held_out =
        (0..1_100).find(|place| !treated.contains(format!("c{place:04}").as_str())).unwrap();
    let against =
        json!([{"customer_id": format!("c{held_out:04}"), "action": "letter", "contacted_at": at}]);
    app.post("/v1/campaigns/spring/contacts", &against.to_string());
    let told = app.get("/v1/campaigns/spring/effect").json();
    assert_eq!((&told["contacted_controls"], &told["all"]), (&json!(1), &effect["all"]));
    assert_eq!(app.post("/v1/campaigns/spring:finish", "").json()["state"], "finished");
    assert_eq!(app.post(outcomes, &one("late", "2999-01-01").to_string()).json()["new"], 1);
    assert_eq!(app.get("/v1/campaigns/spring/effect").json()["all"], effect["all"]);
    assert_eq!(app.post("/v1/campaigns/spring:start", "").code(), "conflict");
    assert!(app.get(&format!("/v1/customers/{}", rows[0][0])).json().get("advice").is_none());
    assert_eq!(app.get("/v1/campaigns").json()["campaigns"][0]["state"], "finished");
}

#[test]
fn what_is_no_campaign_or_no_row_is_told() {
    let (app, _folder) = app(None);
    made(&app, "spring");
    let body =
        |id: &str| json!({"campaign_id": id, "spec": spec(), "customers": customers()}).to_string();
    let again = app.post("/v1/campaigns", &body("spring"));
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    let odd = app.post("/v1/campaigns", &body("spring/summer"));
    assert!(
        odd.status == 422 && odd.text.contains("campaign_id is \\\"spring/summer\\\""),
        "{}",
        odd.text
    );
    let wrong =
        app.post("/v1/campaigns", &json!({"campaign_id": "x", "customers": []}).to_string());
    assert!(wrong.status == 422 && wrong.text.contains("missing field `spec`"), "{}", wrong.text);
    for path in ["/v1/campaigns/autumn", "/v1/campaigns/autumn/list", "/v1/campaigns/autumn/effect"]
    {
        assert_eq!(app.get(path).code(), "unknown_campaign");
    }
    for action in ["start", "finish", "deliver?webhook=crm"] {
        assert_eq!(
            app.post(&format!("/v1/campaigns/autumn:{action}"), "").code(),
            "unknown_campaign"
        );
    }
    assert_eq!(app.post("/v1/campaigns/autumn/outcomes", "[]").code(), "unknown_campaign");
    assert_eq!(app.delete("/v1/campaigns").header("allow"), Some("GET, POST"));
    app.post("/v1/campaigns/spring:start", "");
    assert_eq!(app.post("/v1/campaigns/spring:deliver?webhook=crm", "").code(), "conflict");
    let outcomes = "/v1/campaigns/spring/outcomes";
    let (status, said) =
        send(&app, outcomes, "text/csv", "outcome_id,customer_id,occurred_at\no1,c0001,soon\n");
    assert_eq!((status, &said["code"]), (422, &json!("invalid_rows")));
    assert!(
        said["message"].as_str().unwrap().contains("line 2, occurred_at: found string \"soon\""),
        "{said}"
    );
    // One that comes again as another is refused, and with it all that came along.
    let row = |id: &str, amount: f64| json!({"outcome_id": id, "customer_id": "c0001", "amount": amount, "occurred_at": "2026-01-02"});
    assert_eq!(app.post(outcomes, &json!([row("o1", 1.0)]).to_string()).status, 200);
    let differs = app.post(outcomes, &json!([row("o2", 1.0), row("o1", 2.0)]).to_string());
    assert_eq!(differs.code(), "conflict");
    assert!(differs.text.contains("amount is 2, but 1"), "{}", differs.text);
    assert_eq!(app.get("/v1/campaigns/spring").json()["outcomes"], 1);
    let typed = json!([{"customer_id": "c0001", "action": "leter", "contacted_at": "2026-01-02"}])
        .to_string();
    let typed = app.post("/v1/campaigns/spring/contacts", &typed);
    assert!(
        typed.status == 422 && typed.text.contains("expected one of the plan: letter, reminder"),
        "{}",
        typed.text
    );
    let none = app.get("/v1/campaigns/spring/list?action=call");
    assert!(none.code() == "invalid_query" && none.text.contains("action is"), "{}", none.text);
    assert_eq!(app.get("/v1/campaigns/spring/list?channel=").code(), "invalid_query");
    let url = format!("{}/v1/campaigns/spring/list", app.url);
    assert_eq!(client::get(&url, &[("accept", "image/png")]).status, 406);
    made(&app, "winter");
    assert_eq!(app.get("/v1/campaigns/winter/list").code(), "conflict");
    let page = client::post(
        &format!("{}/v1/campaigns/spring:finish", app.url),
        &[("origin", "https://evil.example")],
        b"",
    );
    assert_eq!(page.status, 403);
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as a program gets it.
#[derive(Debug, Clone)]
struct Got {
    headers: Vec<String>,
    text: Vec<u8>,
    body: Value,
}

impl Got {
    /// What the signature must be, by the secret of these tests.
    fn signature(&self) -> String {
        use base64::Engine;
        use hmac::{KeyInit, Mac};
        let base64 = base64::engine::general_purpose::STANDARD;
        let key = base64.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        let lead = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(lead.as_bytes());
        mac.update(&self.text);
        format!("v1,{}", base64.encode(mac.finalize().into_bytes()))
    }

    fn header(&self, name: &str) -> &str {
        let lead = format!("{name}: ");
        self.headers.iter().find_map(|line| line.strip_prefix(&lead)).unwrap()
    }
}

/// A program that answers with these statuses one after the other, then with 204; and what it got.
fn program(statuses: Vec<u16>) -> (String, Arc<Mutex<Vec<Got>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    thread::spawn(move || {
        let mut statuses = statuses.into_iter();
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => headers.push(line.to_owned()),
                }
            }
            let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            let text = body;
            let body = serde_json::from_slice(&text).unwrap();
            kept.lock().unwrap().push(Got { headers, text, body });
            let status = statuses.next().unwrap_or(204);
            let answer = format!(
                "HTTP/1.1 {status} X\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, got)
}

#[test]
fn a_list_is_delivered_whole_signed_and_once_although_the_program_fails_at_first() {
    let (url, got) = program(vec![503, 200, 500]);
    let hooks = format!("[crm]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n");
    let (app, folder) = app(Some(&hooks));
    made(&app, "spring");
    let deliver = "/v1/campaigns/spring:deliver?webhook=crm";
    assert_eq!(app.post(deliver, "").code(), "conflict");
    app.post("/v1/campaigns/spring:start", "");
    assert_eq!(app.post("/v1/campaigns/spring:deliver?webhook=sms", "").code(), "invalid_query");
    let begun = app.post(deliver, "");
    assert_eq!((begun.status, &begun.json()["state"]), (202, &json!("sending")));
    assert_eq!(app.post(deliver, "").status, 202);
    // A part of what is on its way is not sent a second time.
    let part = app.post("/v1/campaigns/spring:deliver?webhook=crm&action=letter", "");
    assert!(part.code() == "conflict" && part.text.contains("not sent twice"), "{}", part.text);
    assert_eq!(
        app.post("/v1/campaigns/spring:deliver?webhook=crm&action=leter", "").code(),
        "invalid_query"
    );
    let state = |app: &App| app.get("/v1/campaigns/spring").json()["deliveries"][0].clone();
    until("a page has arrived", || state(&app)["customers"].as_u64() >= Some(500));
    until("the list has arrived", || state(&app)["state"] == "sent");
    let expected: Vec<String> =
        listed(&app, "/v1/campaigns/spring/list").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(state(&app)["customers"], expected.len());
    let got = got.lock().unwrap().clone();
    let ids: Vec<&str> = got.iter().map(|one| one.header("webhook-id")).collect();
    // The first page came twice, the second twice, each under its own id.
    assert_eq!(
        (ids.len(), ids[0] == ids[1], ids[2] == ids[3], ids[1] == ids[2]),
        (4, true, true, false)
    );
    let taken = [&got[1], &got[3]];
    let arrived: Vec<String> = (taken.iter())
        .flat_map(|one| one.body["contacts"].as_array().unwrap())
        .map(|row| row["customer_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arrived, expected);
    assert_eq!(got[0].body, got[1].body);
    for one in &got {
        assert_eq!(one.header("webhook-signature"), one.signature());
        let sent: i64 = one.header("webhook-timestamp").parse().unwrap();
        assert!((0..60).contains(&(chrono::Utc::now().timestamp() - sent)), "{sent}");
        assert_eq!(one.body["campaign_id"], "spring");
    }
    drop((app, folder));
}

#[test]
fn a_delivery_that_is_refused_is_given_up_and_goes_on_when_it_is_begun_again() {
    let (url, got) = program(vec![200, 400]);
    let hooks = format!("[crm]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n");
    let (app, folder) = app(Some(&hooks));
    made(&app, "spring");
    app.post("/v1/campaigns/spring:start", "");
    app.post("/v1/campaigns/spring:deliver?webhook=crm", "");
    let state = |app: &App| app.get("/v1/campaigns/spring").json()["deliveries"][0].clone();
    until("it is given up", || state(&app)["state"] == "failed");
    let failed = state(&app);
    assert_eq!((&failed["customers"], &failed["attempts"]), (&json!(500), &json!(1)));
    assert!(failed["fault"].as_str().unwrap().contains("400"), "{failed}");
    // Another service with the same store goes on where the first stopped.
    drop(app);
    let file = folder.path().join("customers.db").display().to_string();
    let app = serve(&file, Some(folder.path().join("webhooks.toml")));
    app.post("/v1/campaigns/spring:deliver?webhook=crm", "");
    until("the list has arrived", || state(&app)["state"] == "sent");
    let got = got.lock().unwrap();
    assert_eq!(got.len(), 3);
    assert_eq!(got[1].header("webhook-id"), got[2].header("webhook-id"));
}

#[test]
fn campaigns_hold_out_others_each() {
    let (app, _folder) = app(None);
    let held = |id: &str| -> Vec<bool> {
        made(&app, id);
        let held_out = |place: usize| {
            let page = app.get(&format!("/v1/customers/c{place:04}")).json();
            let decisions = page["decisions"].as_array().unwrap();
            let own = decisions.iter().find(|decision| decision["campaign_id"] == id).unwrap();
            let control = own["control"] == true;
            assert!(!control || (own["action"] == "none" && own["planned"] != "none"), "{own}");
            control
        };
        (0..100).map(held_out).collect()
    };
    let (spring, autumn) = (held("spring"), held("autumn"));
    let both = spring.iter().zip(&autumn).filter(|(a, b)| **a && **b).count();
    let one = spring.iter().filter(|held| **held).count();
    assert!(one > 15 && both < one / 2 + 5, "{both} of {one}");
}
