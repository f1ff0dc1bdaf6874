//! `rekindle score --store`: a run's scores, kept for other programs to ask for.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rekindle_models::artifact::Registry;
use rekindle_store::{Decision, NewCampaign, Outcome, Store, StoredScore};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{self, Process};
use crate::programs::{done, refused, run};
use crate::small_model;

const TABLE: &str = "customer,recency_days,spend,subscribed,plan\n\
                     ann,3,120.5,true,gold\nbob,90,,false,basic\n,50,10,true,basic\n0017,60,7,true,none\n";

/// A registry with two versions of `churn`, the first in force, and a table of customers.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(&folder.path().join("registry")).unwrap();
    for shift in [0.0, 0.5] {
        registry.add(&small_model::artifact("churn", shift), &[]).unwrap();
    }
    registry.promote("churn", 1).unwrap();
    fs::write(folder.path().join("customers.csv"), TABLE).unwrap();
    folder
}

fn kept(at: &Path, customer: &str) -> Vec<StoredScore> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let file = at.join("customers.db").display().to_string();
    runtime.block_on(async {
        let store = Store::open_existing(&file).await.unwrap();
        let scores = store.scores_of(customer).await.unwrap();
        store.close().await;
        scores
    })
}

fn micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

#[test]
fn the_scores_of_a_run_are_kept_until_a_later_run_brings_others() {
    let folder = folder();
    let at = folder.path();
    let before = micros();
    let first = run(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    let said = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success() && first.stdout.is_empty(), "{said}");
    assert!(said.contains("warning: 1 rows have no id and were not stored"), "{said}");
    assert!(said.contains("3 scores put into customers.db"), "{said}");
    // The same numbers as in a file, to the bit, with the model's name and version and the time.
    let table = done(at, &["score", "registry/churn", "customers.csv"]);
    for line in table.lines().skip(1).filter(|line| !line.starts_with(',')) {
        let cells: Vec<&str> = line.split(',').collect();
        let [score] = &kept(at, cells[0])[..] else { panic!("{} has not one score", cells[0]) };
        assert_eq!(score.probability.to_string(), cells[1]);
        assert_eq!(score.percentile.to_string(), cells[2]);
        assert_eq!(score.positive.to_string(), cells[3]);
        assert_eq!((score.model_name.as_str(), score.model_version), ("churn", 1));
        assert!((before..=micros()).contains(&score.scored_at_micros), "{score:?}");
    }
    assert_eq!(table.lines().count(), 5);

    done(at, &["models", "promote", "registry/churn", "2"]);
    fs::write(at.join("customers.csv"), &TABLE[..TABLE.find("bob").unwrap()]).unwrap();
    let words = ["score", "registry/churn", "customers.csv", "--store", "sqlite:customers.db"];
    done(at, &[&words[..], &["-o", "scores.csv"]].concat());
    assert_eq!(fs::read_to_string(at.join("scores.csv")).unwrap().lines().count(), 2);
    assert_eq!(kept(at, "ann")[0].model_version, 2);
    assert_eq!(kept(at, "bob")[0].model_version, 1);
}

#[test]
fn scores_are_kept_with_what_the_table_says_of_cutoff_and_state() {
    let folder = folder();
    let at = folder.path();
    let table = "grade,customer,recency_days,spend,subscribed,plan,cutoff,lapse_tier,lifecycle_stage\n\
                 A,ann,3,120.5,true,gold,2025-06-01,drowsy,repeat\n,bob,90,,false,basic,2025-06-01,,potential\n";
    fs::write(at.join("customers.csv"), table).unwrap();
    done(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    let told = |customer: &str| {
        let StoredScore { cutoff, lapse_tier, lifecycle_stage, grade, .. } =
            kept(at, customer).remove(0);
        [cutoff, lapse_tier, lifecycle_stage, grade]
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told("ann"), [some("2025-06-01"), some("drowsy"), some("repeat"), some("A")]);
    assert_eq!(told("bob"), [some("2025-06-01"), None, some("potential"), None]);
    // They are no features: the numbers are the same without them.
    let with = kept(at, "ann")[0].probability;
    fs::write(at.join("customers.csv"), TABLE).unwrap();
    done(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    assert_eq!(kept(at, "ann")[0].probability, with);
}

#[test]
fn states_are_kept_from_cutoff_to_cutoff() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let log = "customer_id,time,kind,amount\nann,2024-01-05,purchase,10\nann,2024-01-20,purchase,10\n\
               bob,2024-01-25,session,\nbob,2024-06-20,purchase,5\n";
    fs::write(at.join("events.csv"), log).unwrap();
    let project = "[[source]]\npath = \"events.csv\"\ncustomer = \"customer_id\"\ntime = \"time\"\n\
                   kind = \"kind\"\namount = \"amount\"\n[log]\nend = \"2024-07-01\"\n[panel]\n\
                   cutoffs = [\"2024-02-01\"]\n";
    fs::write(at.join("rekindle.toml"), project).unwrap();
    let said = |cutoff: &str| {
        let words = ["customers", "--cutoff", cutoff, "--store", "customers.db", "--events", "2"];
        String::from_utf8(run(at, &words).stderr).unwrap()
    };
    let first = said("2024-02-01");
    assert!(
        first.contains("states put into customers.db: 2 new or changed, 0 as they were"),
        "{first}"
    );
    assert!(said("2024-02-02").contains("0 new or changed, 2 as they were"));
    assert!(said("2024-07-01").contains("2 new or changed, 0 as they were"));
    let late = said("2024-03-01");
    assert!(late.contains("warning: of 2 customers customers.db keeps a later state"), "{late}");
    let told: serde_json::Value =
        serde_json::from_str(&done(at, &["store", "export", "customers.db", "bob"])).unwrap();
    let states = told["states"].as_array().unwrap();
    assert_eq!(states.len(), 2, "{told}");
    assert_eq!(states[0]["lifecycle_stage"], "potential");
    assert_eq!(states[0]["valid_from"], "2024-02-01T00:00:00.000000Z");
    assert_eq!(states[0]["as_of"], "2024-02-02T00:00:00.000000Z");
    assert_eq!(states[1]["lifecycle_stage"], "first_time");
    // The newest events before the cutoff that was asked for last.
    let told = |customer: &str| -> serde_json::Value {
        let text = done(at, &["store", "export", "customers.db", customer]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["events"].clone()
    };
    let event = |time: &str, kind: &str, amount: Option<f64>| {
        let (product, channel) = (None::<&str>, None::<&str>);
        json!({ "occurred_at": format!("{time}T00:00:00.000000Z"), "kind": kind, "amount": amount,
                "product": product, "channel": channel })
    };
    assert_eq!(told("bob"), json!([event("2024-01-25", "session", None)]));
    assert!(said("2024-07-01").contains("events of 2 customers put into customers.db"));
    let newest = [event("2024-06-20", "purchase", Some(5.0)), event("2024-01-25", "session", None)];
    assert_eq!(told("bob"), json!(newest));
    assert_eq!(told("ann").as_array().unwrap().len(), 2);
}

#[test]
fn reasons_are_kept_in_every_language_and_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut model = small_model::artifact("churn", 0.0);
    model.manifest.expected_addends = Some(vec![0.0; 4]);
    let registry = Registry::create(&at.join("registry")).unwrap();
    registry.add(&model, &[]).unwrap();
    registry.promote("churn", 1).unwrap();
    fs::write(at.join("customers.csv"), TABLE).unwrap();
    let words = ["score", "registry/churn", "customers.csv", "--reasons", "2", "-o", "scores.csv"];
    done(at, &[&words[..], &["--store", "customers.db", "--language", "zh"]].concat());
    let with = fs::read_to_string(at.join("scores.csv")).unwrap();
    let chinese = done(at, &[&words[..5], &["--language", "zh"]].concat());
    assert_eq!(with, chinese);
    let english = done(at, &words[..5]);
    let cells = |table: &str, customer: &str| -> Vec<String> {
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let rows = reader.records().map(|row| row.unwrap());
        let row = rows.into_iter().find(|row| &row[0] == customer).unwrap();
        row.iter().skip(6).map(str::to_owned).collect()
    };
    for customer in ["ann", "bob", "0017"] {
        let reasons = &kept(at, customer)[0].reasons;
        let english_texts: Vec<_> = reasons.iter().map(|reason| reason.english.clone()).collect();
        let chinese_texts: Vec<_> = reasons.iter().map(|reason| reason.chinese.clone()).collect();
        assert_eq!(english_texts, cells(&english, customer));
        assert_eq!(chinese_texts, cells(&chinese, customer));
        assert!(reasons[0].contribution.abs() >= reasons[1].contribution.abs());
    }
    let told: serde_json::Value =
        serde_json::from_str(&done(at, &["store", "export", "customers.db", "ann"])).unwrap();
    assert_eq!(told["scores"][0]["reasons"], json!(kept(at, "ann")[0].reasons));
    // Kept without reasons again, there are none.
    done(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    assert!(kept(at, "ann")[0].reasons.is_empty());
}

#[test]
fn a_customer_is_exported_and_erased_at_the_command_line() {
    let folder = folder();
    let at = folder.path();
    done(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = at.join("customers.db").display().to_string();
        let store = Store::open_existing(&file).await.unwrap();
        let campaign = NewCampaign {
            campaign_id: "spring".to_owned(),
            name: "Spring".to_owned(),
            settings: "{}".to_owned(),
            assumed: true,
            created_at_micros: 1,
        };
        store.create_campaign(&campaign, &[voucher("ann"), voucher("bob")]).await.unwrap();
        let outcome = Outcome {
            outcome_id: "o1".to_owned(),
            customer_id: "ann".to_owned(),
            kind: "purchase".to_owned(),
            amount: 12.5,
            occurred_at_micros: 1_700_000_000_000_000,
            received_at_micros: 1_700_000_000_000_001,
        };
        store.record_outcomes("spring", &[outcome]).await.unwrap();
        store.close().await;
    });
    done(at, &["store", "export", "customers.db", "ann", "-o", "ann.json"]);
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("ann.json")).unwrap()).unwrap();
    assert_eq!(told["customer_id"], "ann");
    assert_eq!(told["scores"][0]["probability"], kept(at, "ann")[0].probability);
    assert_eq!(told["past_scores"][0]["percentile"], kept(at, "ann")[0].percentile);
    assert_eq!(told["decisions"][0]["campaign"], "spring");
    assert_eq!(told["decisions"][0]["action"], "voucher");
    assert_eq!(told["outcomes"][0]["occurred_at"], "2023-11-14T22:13:20.000000Z");
    let erased = run(at, &["store", "erase", "customers.db", "ann"]);
    let said = String::from_utf8(erased.stderr).unwrap();
    let expected = "customers.db: 4 rows of ann erased (decisions 1, contacts 0, outcomes 1, \
                    customer_states 0, customer_scores 1, score_history 1, customer_events 0)";
    assert!(erased.status.success() && said.contains(expected), "{said}");
    let gone = refused(at, &["store", "export", "customers.db", "ann"]);
    assert!(gone.contains("nothing is held of customer \"ann\""), "{gone}");
    assert_eq!(kept(at, "bob").len(), 1);
    assert!(refused(at, &["store", "erase", "none.db", "ann"]).contains("no such file"));
}

fn voucher(customer: &str) -> Decision {
    Decision {
        customer_id: customer.to_owned(),
        action: "voucher".to_owned(),
        offer: None,
        channel: Some("mail".to_owned()),
        cost: 1.0,
        uplift: 0.1,
        expected_profit: 2.0,
        control: false,
        propensity: 0.9,
        lapse_tier: None,
        lifecycle_stage: None,
        grade: None,
        score: None,
        predicted_value: None,
        sentence: None,
        contact_on: None,
    }
}

#[test]
fn scores_without_a_customer_or_a_version_are_not_kept() {
    let folder = folder();
    let at = folder.path();
    let check = |model: &str, table: &str, store: &str, expected: &str| {
        let said = refused(at, &["score", model, table, "--store", store]);
        assert!(said.contains(expected), "{said}");
    };
    fs::write(at.join("nobody.csv"), "client,recency_days\nann,3\n").unwrap();
    check(
        "registry/churn",
        "nobody.csv",
        "a.db",
        "does not say who is who: no column \"customer\"",
    );
    let file = "registry/churn/1/model.rekindle";
    check(file, "customers.csv", "b.db", "a model file has no version");
    assert!(!at.join("b.db").exists());
    let mut nameless = small_model::artifact("nameless", 0.0);
    nameless.manifest.id_column = None;
    Registry::open(&at.join("registry")).unwrap().add(&nameless, &[]).unwrap();
    check("registry/nameless/1", "customers.csv", "c.db", "names no column of customers' ids");
    check("registry/churn", "customers.csv", "scores.csv", "not the address of a store");
    check("registry/churn", "customers.csv", "none/d.db", "no folder none; make it first");
    let address = "postgres://ann:hunter2@127.0.0.1:1/crm";
    let said = refused(at, &["score", "registry/churn", "customers.csv", "--store", address]);
    assert!(said.contains("postgres://ann@127.0.0.1:1/crm: failed to open it"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn the_service_tells_what_is_kept_of_a_customer_and_how_old_it_is() {
    let folder = folder();
    let at = folder.path();
    done(at, &["score", "registry/churn", "customers.csv", "--store", "customers.db"]);
    let registry = at.join("registry");
    let store = at.join("customers.db").display().to_string();
    let mut server = Process::start(&registry, &["--store", &store]);
    let get = |path: &str| client::get(&server.url(path), &[]);
    client::until("the store is reached", || get("/v1/customers/ann").status == 200);
    let page = get("/v1/customers/ann").json();
    let [kept] = &kept(at, "ann")[..] else { panic!("one score is kept") };
    let score = &page["scores"][0];
    assert_eq!((&page["customer_id"], &score["model_name"]), (&json!("ann"), &json!("churn")));
    assert_eq!(
        (&score["model_version"], &score["percentile"]),
        (&json!(1), &json!(kept.percentile))
    );
    assert_eq!(score["probability"].as_f64(), Some(kept.probability));
    assert!(score["age_seconds"].as_u64().unwrap() < 600, "{page}");
    assert!(score["scored_at"].as_str().unwrap().ends_with('Z'), "{page}");
    assert_eq!(get("/v1/customers/0017").status, 200);
    let unknown = get("/v1/customers/nobody");
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("unknown_customer")));
    // The store is gone: scoring goes on, and readiness says so.
    drop(server.child.kill());
    fs::remove_file(at.join("customers.db")).unwrap();
    let server = Process::start(&registry, &["--store", &store]);
    let get = |path: &str| client::get(&server.url(path), &[]);
    client::until("degraded", || get("/health/ready").json()["degraded"] == json!(["store"]));
    assert_eq!(get("/v1/customers/ann").json()["code"], "store_away");
    assert_eq!(client::post(&server.url("/v1/score"), &[], b"{}").status, 200);
    let without = Process::start(&registry, &[]);
    let answer = client::get(&without.url("/v1/customers/ann"), &[]);
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("not_kept")));
}
