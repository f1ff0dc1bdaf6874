//! `rekindle plan` from a plan file and a table of customers to decisions.

use std::collections::BTreeMap;
use std::path::Path;

use rekindle_store::{Campaign, CampaignState, Choice, Decision, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{done, refused, run};

const PLAN: &str = r#"
[plan]
budget = 60.0
control_share = 0.2
seed = 7
baseline = "probability"
max_contacts = 2
within_days = 30
start = "2026-03-01"
end = "2026-03-31"
occasions = ["overdue"]

[[actions]]
name = "mail"
channel = "email"
cost = 0.1

[[actions]]
name = "letter"
offer = "voucher"
channel = "post"
cost = 1.0
offer_cost = 4.0

[channels.email]
capacity = 60

[offers.voucher]
stock = 20
"#;

/// 400 customers, number `n` of them with contacts, consents and so on that follow from it.
fn table() -> String {
    let mut text = "customer_id,cutoff,lifecycle_stage,lapse_tier,grade,recency_days,median_gap_days,predicted_value,\
                    probability,uplift_mail,contacts,consent_email,consent_post,excluded\n"
        .to_owned();
    for n in 0..400 {
        let tier = ["drowsy", "half_asleep", "dormant"][n % 3];
        text += &format!(
            "007-{n},2026-03-01T00:00:00.000Z,lapsed,{tier},{},{},{},{},0.05,{},{},{},{},{}\n",
            ["A", "B", "C"][n / 3 % 3],
            n % 50,
            20 + n % 7,
            10 + n * 7 % 90,
            0.01 * (n % 11) as f64,
            n % 4,
            ["true", "false", ""][n / 2 % 3],
            ["1", "0"][n / 7 % 2],
            if n % 40 == 0 { "yes" } else { "" },
        );
    }
    text
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plan.toml"), PLAN).unwrap();
    std::fs::write(folder.path().join("customers.csv"), table()).unwrap();
    folder
}

/// Rows by column.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn a_plan_keeps_every_limit_and_says_why() {
    let folder = folder();
    let words = ["plan", "plan.toml", "customers.csv", "--report", "plan.json"];
    let said = done(folder.path(), &words);
    assert!(said.contains("one more unit of budget would bring"), "{said}");
    assert!(said.contains("uplift of letter is assumed, not learned"), "{said}");
    let decisions = rows(&std::fs::read_to_string(folder.path().join("plan.csv")).unwrap());
    let customers = rows(&table());
    assert_eq!(decisions.len(), 400);
    let mut spent = 0.0;
    let mut taken: BTreeMap<&str, u64> = BTreeMap::new();
    for (decision, customer) in decisions.iter().zip(&customers) {
        assert_eq!(decision["customer_id"], customer["customer_id"]);
        let action = decision["action"].as_str();
        *taken.entry(action).or_default() += 1;
        let (planned, control) = (decision["planned"].as_str(), decision["control"] == "true");
        let propensity = match (planned, control) {
            ("none", _) => "1",
            (_, true) => "0.2",
            (_, false) => "0.8",
        };
        assert_eq!(decision["propensity"], propensity);
        assert!(decision["reason"].ends_with('.'), "{decision:?}");
        if planned != "none" {
            assert!(customer["excluded"].is_empty() && customer["contacts"].as_str() < "2");
            let consent = if planned == "mail" { "consent_email" } else { "consent_post" };
            assert!(["true", "1"].contains(&customer[consent].as_str()), "{customer:?}");
        }
        if action != "none" {
            assert!(!control && decision["contact_on"].starts_with("2026-03-"));
            assert_eq!(decision["assumed"] == "true", action == "letter");
            let number = |name: &str| decision[name].parse::<f64>().unwrap();
            spent += number("cost") + number("offer_cost");
            assert!(number("expected_profit") > 0.0);
        }
    }
    assert!(spent <= 60.0 + 1e-9, "{spent}");
    assert!(taken["mail"] <= 60 && taken["letter"] <= 20 && taken["letter"] > 0, "{taken:?}");
    let report = std::fs::read_to_string(folder.path().join("plan.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!((report["spent"].as_f64().unwrap() - spent).abs() < 1e-6);
    assert!(report["bound"].as_f64() >= report["expected_profit"].as_f64());
    assert_eq!(report["assumed"], true);
    assert_eq!(report["assumed_actions"], serde_json::json!(["letter"]));
}

#[test]
fn formats_and_orders_of_rows_give_the_same_decisions() {
    let folder = folder();
    let plan = |table: &str, output: &str| {
        done(folder.path(), &["plan", "plan.toml", table, "-o", output]);
    };
    plan("customers.csv", "plan.csv");
    let mut lines: Vec<String> = table().lines().map(str::to_owned).collect();
    lines[1..].reverse();
    std::fs::write(folder.path().join("turned.csv"), lines.join("\n")).unwrap();
    plan("turned.csv", "turned_plan.csv");
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(read("plan.csv"), read("turned_plan.csv"));
    plan("customers.csv", "plan.parquet");
    assert!(folder.path().join("plan.parquet").metadata().unwrap().len() > 0);
}

#[test]
fn the_first_plan_file_plans_the_customers_of_a_log() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("plan.toml")).unwrap();
    let path = folder.path().join("customers.csv");
    let table = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, table.replacen("uplift_mail", "uplift_reminder", 1)).unwrap();
    done(folder.path(), &["plan", "plan.toml", "--init"]);
    refused(folder.path(), &["plan", "plan.toml", "--init"]);
    let said = done(folder.path(), &["plan", "plan.toml", "customers.csv", "--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["customers"], 400);
}

#[test]
fn what_cannot_be_planned_is_refused_with_where_and_what() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let refused_plan = |from: &str, to: &str, expected: &str| {
        assert!(PLAN.contains(from));
        write("bad.toml", &PLAN.replacen(from, to, 1));
        let said = refused(folder.path(), &["plan", "bad.toml", "customers.csv"]);
        assert!(said.contains(expected), "{said}");
    };
    refused_plan("cost = 0.1", "cost = -0.1", "[[actions]] 1 (mail): cost: found -0.1");
    refused_plan("control_share = 0.2", "control_share = 1.5", "control_share: found 1.5");
    refused_plan("[channels.email]", "[channels.emial]", "did you mean \"email\"?");
    refused_plan("budget =", "bugdet =", "did you mean \"budget\"?");
    write("bad.toml", "[plan]\nbudget = 1.0\n");
    let said = refused(folder.path(), &["plan", "bad.toml", "customers.csv"]);
    assert!(said.contains("actions: found 0 of them"), "{said}");
    let refused_table = |from: &str, to: &str, expected: &str| {
        assert!(table().contains(from));
        write("bad.csv", &table().replacen(from, to, 1));
        let said = refused(folder.path(), &["plan", "plan.toml", "bad.csv"]);
        assert!(said.contains(expected), "{said}");
    };
    refused_table("uplift_mail", "uplift_mial", "did you mean uplift_mail?");
    refused_table("007-5,", "007-4,", "row 6: found \"007-4\", as in row 5 already");
    refused_table("lapsed", "asleep", "lifecycle_stage: row 1 has \"asleep\"");
    refused_table("customer_id", "customer", "customer_id");
    refused_table(",contacts,", ",contact,", "column contacts: found no such column");
    refused_table(",probability,", ",p,", "[plan] baseline: found no such column");
    refused_table(",0.05,", ",5.5,", "column probability, row 1: found 5.5");
}

#[test]
fn a_plan_becomes_a_campaign_once() {
    let folder = folder();
    let at = folder.path();
    let table = ["plan", "plan.toml", "customers.csv"];
    let store = ["--store", "customers.db", "--campaign", "spring", "--name", "Spring letters"];
    let said = run(at, &[&table[..], &store, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&said.stderr);
    assert!(
        stderr.contains("campaign spring put into customers.db: a draft of 400 decisions"),
        "{stderr}"
    );
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(report["campaign"], "spring");
    let (campaign, decisions) = kept(at);
    assert_eq!(campaign.made.name, "Spring letters");
    assert_eq!(campaign.state, CampaignState::Draft);
    assert!(campaign.made.assumed);
    let settings: Value = serde_json::from_str(&campaign.made.settings).unwrap();
    assert_eq!(settings["plan"]["control_share"], 0.2);
    // What stands in the file is what is kept, of those without an action, too.
    let rows = rows(&std::fs::read_to_string(at.join("plan.csv")).unwrap());
    assert_eq!((decisions.len(), rows.len()), (400, 400));
    for row in &rows {
        let decision = decisions.iter().find(|d| d.customer_id == row["customer_id"]).unwrap();
        assert_eq!(decision.action, row["planned"]);
        assert_eq!(decision.control, row["control"] == "true");
        assert_eq!(decision.propensity.to_string(), row["propensity"]);
        assert_eq!(decision.sentence.as_ref(), Some(&row["reason"]));
        assert!(decision.grade.is_some() && decision.lapse_tier.is_some());
    }
    // Nothing is planned or written of a campaign that is there.
    std::fs::remove_file(at.join("plan.csv")).unwrap();
    let said = refused(at, &[&table[..], &store].concat());
    assert!(said.contains("customers.db: there is a campaign \"spring\" already"), "{said}");
    assert!(!at.join("plan.csv").exists());
    refused(at, &[&table[..], &["--store", "customers.db"]].concat());
    refused(at, &[&table[..], &["--campaign", "summer"]].concat());
    let empty = ["--store", "customers.db", "--campaign", ""];
    assert!(refused(at, &[&table[..], &empty].concat()).contains("--campaign"));
}

/// The campaign `spring` with its decisions.
fn kept(at: &Path) -> (Campaign, Vec<Decision>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = at.join("customers.db").display().to_string();
    runtime.block_on(async {
        let store = Store::open_existing(&file).await.unwrap();
        let campaign = store.campaign("spring").await.unwrap().unwrap();
        let decisions = store.decisions("spring", &Choice::default(), "", 1_000).await.unwrap();
        store.close().await;
        (campaign, decisions)
    })
}
