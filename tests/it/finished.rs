//! From a plan to a campaign, and back from what came of it to a better plan.

use std::fmt::Write;
use std::path::Path;

use rekindle_models::seed::{mix2, unit};
use rekindle_store::{CampaignState, Choice, Contact, Decision, NewCampaign, Outcome, Store};
use tempfile::TempDir;

use crate::programs::{done, refused, run};

const DAY: i64 = 86_400_000_000;
const START: i64 = 20_000 * DAY;

fn draw(customer: usize, of: u64) -> f64 {
    unit(mix2(customer as u64, of))
}

/// Customers whom a letter wakes when their grade is A, and annoys when it is C.
fn customers(count: usize) -> String {
    let mut text =
        "customer_id,lifecycle_stage,lapse_tier,grade,visits,probability,predicted_value\n"
            .to_owned();
    for n in 0..count {
        let (grade, visits) = (["A", "B", "C"][n % 3], (10.0 * draw(n, 1)).round());
        writeln!(text, "{n:04},lapsed,drowsy,{grade},{visits},0.{},30", 1 + n % 2).unwrap();
    }
    text
}

fn plan(control_share: f64) -> String {
    format!(
        "[plan]\nconsent_default = true\ncontrol_share = {control_share}\nbaseline = \"probability\"\n\n\
         [[actions]]\nname = \"letter\"\nchannel = \"post\"\ncost = 0.5\n\n[[assumed]]\naction = \"letter\"\nsuccess = 0.5\n"
    )
}

fn folder(count: usize, control_share: f64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("customers.csv"), customers(count)).unwrap();
    std::fs::write(folder.path().join("plan.toml"), plan(control_share)).unwrap();
    folder
}

fn planned(at: &Path, campaign: &str) {
    let words = ["plan", "plan.toml", "customers.csv", "--store", "customers.db", "--campaign"];
    done(at, &[&words[..], &[campaign]].concat());
}

fn in_store<T>(at: &Path, work: impl AsyncFnOnce(&Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = at.join("customers.db").display().to_string();
    runtime.block_on(async {
        let store = Store::open(&file).await.unwrap();
        let done = work(&store).await;
        store.close().await;
        done
    })
}

/// Runs a campaign of ten days: customers buy on the second, each for 20; one buys on the twentieth, too late.
async fn ran(store: &Store, campaign: &str) {
    let decisions = store.decisions(campaign, &Choice::default(), "", 100_000).await.unwrap();
    store.move_campaign(campaign, CampaignState::Running, START).await.unwrap();
    let bought = decisions.iter().filter_map(|decision| {
        let n: usize = decision.customer_id.parse().unwrap();
        let treated = decision.action == "letter" && !decision.control;
        let change = if treated { [0.3, 0.0, -0.15][n % 3] } else { 0.0 };
        let rate = if n.is_multiple_of(2) { 0.2 } else { 0.25 } + change;
        (draw(n, 2) < rate).then(|| outcome(&decision.customer_id, START + 2 * DAY))
    });
    let mut outcomes: Vec<Outcome> = bought.collect();
    outcomes.push(outcome("late", START + 20 * DAY));
    outcomes.last_mut().unwrap().customer_id = decisions[0].customer_id.clone();
    store.record_outcomes(campaign, &outcomes).await.unwrap();
    store.move_campaign(campaign, CampaignState::Finished, START + 10 * DAY).await.unwrap();
}

fn outcome(id: &str, occurred_at_micros: i64) -> Outcome {
    Outcome {
        outcome_id: id.to_owned(),
        customer_id: id.to_owned(),
        kind: "purchase".to_owned(),
        amount: 20.0,
        occurred_at_micros,
        received_at_micros: occurred_at_micros,
    }
}

const FIT: [&str; 7] = ["fit-uplift", "--store", "customers.db", "--value", "30", "--cost", "0.5"];

#[test]
fn what_came_of_a_campaign_makes_the_next_plan_better() {
    let folder = folder(6_000, 0.4);
    let at = folder.path();
    planned(at, "spring");
    in_store(at, async |store| ran(store, "spring").await);
    let fitted = run(at, &[&FIT[..], &["-o", "u.rekindle", "--json"]].concat());
    let said = String::from_utf8_lossy(&fitted.stderr);
    assert_eq!(fitted.status.code(), Some(0), "{said}");
    assert!(said.contains("1 finished campaigns, 6000 decisions: 6000 drawn at random"), "{said}");
    assert!(said.contains("no contact is recorded; they count as contacted"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&fitted.stdout).unwrap();
    assert_eq!(report["assignment"]["assignment"], "logged");
    // Tier, stage, grade, score and value.
    assert_eq!(report["features"], 5);
    assert_eq!(report["arms"][0]["action"], "letter");
    assert_eq!(report["control"]["action"], "none");
    let rows = report["control"]["rows"].as_f64().unwrap();
    assert!((rows / 6_000.0 - 0.4).abs() < 0.03, "{rows}");

    // The next plan writes to those of grade A, by what their plan says of them alone.
    let words = ["plan", "plan.toml", "customers.csv", "--uplift", "u.rekindle", "-o", "next.csv"];
    done(at, &words);
    let mut next = csv::Reader::from_path(at.join("next.csv")).unwrap();
    let place = next.headers().unwrap().iter().position(|column| column == "planned").unwrap();
    let mut planned = [0, 0, 0];
    for row in next.records() {
        let row = row.unwrap();
        planned[row[0].parse::<usize>().unwrap() % 3] += usize::from(&row[place] == "letter");
    }
    assert!(planned[0] > 1_900 && planned[2] < 100, "{planned:?}");

    // With the columns of a table besides, whose rows need not be all.
    let table: String =
        customers(6_000).lines().take(5_001).fold(String::new(), |all, line| all + line + "\n");
    std::fs::write(at.join("before.csv"), table).unwrap();
    let words = [&FIT[..], &["before.csv", "--exclude", "probability", "--json"]].concat();
    let fitted = run(at, &words);
    let said = String::from_utf8_lossy(&fitted.stderr);
    assert!(
        said.contains("1000 of 6000 decisions are of customers who are not in the table"),
        "{said}"
    );
    assert!(
        said.contains("columns lifecycle_stage, lapse_tier, grade of the table are left out"),
        "{said}"
    );
    let report: serde_json::Value = serde_json::from_slice(&fitted.stdout).unwrap();
    assert_eq!((&report["rows"], &report["features"]), (&5_000.into(), &7.into()), "{report}");

    // Money, of a span: the purchase of the twentieth day counts, and the campaign ran for ten.
    let words = [&FIT[..], &["--money", "--within", "30", "--outcome", "purchase"]].concat();
    let said = run(at, &words);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("note: campaign spring ran for 10.0 days"), "{said}");
}

#[test]
fn campaigns_that_tell_nothing_are_refused_with_what_to_do() {
    let folder = folder(300, 0.0);
    let at = folder.path();
    assert!(refused(at, &FIT).contains("customers.db: no such file"));
    planned(at, "spring");
    let said = refused(at, &FIT);
    assert!(said.contains("none of its 1 campaigns has run and is finished"), "{said}");
    in_store(at, async |store| ran(store, "spring").await);
    let said = refused(at, &FIT);
    assert!(said.contains("nobody was held out (300 decisions were not drawn"), "{said}");
    assert!(said.contains("control_share above 0"), "{said}");
    let said = refused(at, &[&FIT[..], &["--only", "leter"]].concat());
    assert!(said.contains("no decision of finished campaigns is to have \"leter\""), "{said}");
    assert!(refused(at, &[&FIT[..], &["--action", "a"]].concat()).contains("--action"));
    assert!(refused(at, &["fit-uplift", "customers.csv"]).contains("--action"));
    std::fs::write(at.join("plan.toml"), plan(0.5)).unwrap();
    planned(at, "summer");
    in_store(at, async |store| ran(store, "summer").await);
    let said = refused(at, &[&FIT[..], &["--outcome", "visit"]].concat());
    assert!(said.contains("no outcome of kind \"visit\" is counted"), "{said}");
}

#[test]
fn of_several_actions_each_is_learned_from_those_who_were_planned_to_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Who gets which is told by the grade.
    let decisions: Vec<Decision> = (0..4_002).map(|n| decision(n, draw(n, 3) < 0.5)).collect();
    in_store(at, async |store| {
        let campaign = NewCampaign {
            campaign_id: "spring".to_owned(),
            name: "Spring".to_owned(),
            settings: "{}".to_owned(),
            assumed: true,
            created_at_micros: START,
        };
        store.create_campaign(&campaign, &decisions).await.unwrap();
        ran(store, "spring").await;
    });
    let fit = |more: &[&str]| {
        let fitted = run(at, &[&FIT[..], more, &["--json"]].concat());
        let said = String::from_utf8_lossy(&fitted.stderr).into_owned();
        let report: serde_json::Value = serde_json::from_slice(&fitted.stdout).expect(&said);
        (report, said)
    };
    // What a call does with those who never get one cannot be known.
    let (both, _) = fit(&[]);
    assert_ne!(both["verdict"], "usable", "{both}");
    assert_eq!(both["assignment"]["assignment"], "estimated");
    let (letter, said) = fit(&["--only", "letter"]);
    assert!(said.contains("left out: 2001 not planned to have the action"), "{said}");
    assert_eq!(letter["rows"], 2_001);
    assert_eq!(letter["assignment"]["assignment"], "logged");
    // On average 5 points more buy, of which four standard errors are 7.5.
    let mean = letter["actions"][0]["mean_uplift"]["value"].as_f64().unwrap();
    assert!((mean - 0.05).abs() < 0.075, "{letter}");
}

fn decision(n: usize, control: bool) -> Decision {
    let letter = n % 6 < 3;
    Decision {
        customer_id: format!("{n:04}"),
        action: if letter { "letter" } else { "call" }.to_owned(),
        offer: None,
        channel: None,
        cost: 0.5,
        uplift: 0.0,
        expected_profit: 0.0,
        control,
        propensity: 0.5,
        lapse_tier: None,
        lifecycle_stage: None,
        grade: Some(if letter { "A" } else { "B" }.to_owned()),
        score: Some(draw(n, 4)),
        predicted_value: None,
        sentence: None,
        contact_on: None,
    }
}

/// Of the first cutoff of the world below, in microseconds: 2024-02-01.
const CUTOFF: i64 = 19_754 * DAY;

/// Half of all customers leave with probability 0.6 when left alone, and hardly any once they have had a letter; the
/// others leave with probability 0.1.
fn world(at: &Path, customers: usize, control: impl Fn(usize) -> bool) {
    let mut log = "customer_id,time,kind,amount\n".to_owned();
    for n in 0..customers {
        writeln!(log, "{n:04},2024-01-{:02},purchase,{}", 5 + n % 20, 5 + n % 2).unwrap();
        let leaves = match (n % 2 == 0, control(n)) {
            (true, true) => 0.6,
            (true, false) => 0.05,
            (false, _) => 0.1,
        };
        if draw(n, 5) >= leaves {
            writeln!(log, "{n:04},2024-02-15,purchase,5").unwrap();
        }
    }
    std::fs::write(at.join("events.csv"), log).unwrap();
    let project = "[[source]]\npath = \"events.csv\"\ncustomer = \"customer_id\"\ntime = \"time\"\n\
                   kind = \"kind\"\namount = \"amount\"\n[log]\nend = \"2024-03-10\"\n[panel]\n\
                   cutoffs = [\"2024-02-01\"]\n[features]\nwindows = [\"30d\"]\nfamilies = [\"counts\", \
                   \"amounts\"]\n[targets.churned]\nhorizon = \"30d\"\n";
    std::fs::write(at.join("rekindle.toml"), project).unwrap();
}

#[test]
fn churn_is_learned_as_if_nobody_were_contacted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let control = |n: usize| draw(n, 6) < 0.25;
    world(at, 3_000, control);
    let decisions: Vec<Decision> = (0..3_000)
        .filter(|n| n % 2 == 0)
        .map(|n| Decision {
            action: "letter".to_owned(),
            propensity: if control(n) { 0.25 } else { 0.75 },
            ..decision(n, control(n))
        })
        .collect();
    let contacts: Vec<Contact> = decisions.iter().filter(|d| !d.control).map(contact).collect();
    in_store(at, async |store| {
        let campaign = NewCampaign {
            campaign_id: "spring".to_owned(),
            name: "Spring".to_owned(),
            settings: "{}".to_owned(),
            assumed: true,
            created_at_micros: CUTOFF,
        };
        store.create_campaign(&campaign, &decisions).await.unwrap();
        store.move_campaign("spring", CampaignState::Running, CUTOFF + DAY).await.unwrap();
        store.record_contacts("spring", &contacts).await.unwrap();
    });
    let rate = |more: &[&str]| {
        let words = [&["features", "-o", "snapshots.csv", "--json"], more].concat();
        let built: serde_json::Value = serde_json::from_str(&done(at, &words)).unwrap();
        let asked = &built["populations"][0];
        let number = |name: &str| asked[name].as_f64().unwrap();
        (number("stand_for_positives") / number("stand_for"), built)
    };
    // When everybody is left alone, 0.35 of customers leave; what the log says is far less.
    let (logged, built) = rate(&[]);
    assert!((logged - 0.144).abs() < 0.04, "{logged}");
    assert_eq!((&built["contacted"], &built["held_out"]), (&0.into(), &0.into()));
    let (corrected, built) = rate(&["--contacts", "customers.db"]);
    // Four standard errors: of 375 who stand for half of all.
    assert!((corrected - 0.35).abs() < 0.055, "{corrected}");
    assert_eq!(built["contacted"], contacts.len());
    assert_eq!(built["held_out"], 1_500 - contacts.len());
    let stand_for = built["held_out_stand_for"].as_f64().unwrap();
    assert_eq!(stand_for, 4.0 * (1_500 - contacts.len()) as f64);

    // The weight of a row is one, and no feature.
    let table = std::fs::read_to_string(at.join("snapshots.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with(",churned,weight,spec_fingerprint"), "{table}");
    assert_eq!(table.lines().count(), 1 + 3_000 - contacts.len());
    let fit = ["fit", "snapshots.csv", "--target", "churned", "--model", "logistic", "--json"];
    let fitted = run(at, &fit);
    let said = String::from_utf8_lossy(&fitted.stderr);
    assert!(said.contains("saved"), "{said}");
    assert!(!String::from_utf8_lossy(&fitted.stdout).contains("\"feature\": \"weight\""));
    let said = run(at, &["run", "--contacts", "customers.db", "-o", "again"]);
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("customers.db: 1 campaigns with"), "{said}");
    assert!(said.contains("rows are of customers who were contacted"), "{said}");
    let said = refused(at, &["features", "--contacts", "nowhere.db"]);
    assert!(said.contains("nowhere.db: no such file"), "{said}");
}

fn contact(decision: &Decision) -> Contact {
    Contact {
        customer_id: decision.customer_id.clone(),
        action: decision.action.clone(),
        channel: None,
        contacted_at_micros: CUTOFF + 3 * DAY,
        propensity: Some(decision.propensity),
    }
}
