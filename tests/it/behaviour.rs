//! From events to scores: a model fitted on snapshots says the same of raw events as of its table.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;

use rekindle_models::artifact::Registry;
use rekindle_models::behaviour::{
    Attribute, AttributeKind, DAY_MS, Duplicates, Events, Feature, FeatureSpec, Metric, Selector,
    Timeline, Window, Zone,
};
use rekindle_models::seed::{mix2, unit};
use rekindle_training::attributes::{AttributeLog, AttributeValue, Attributes};
use rekindle_training::ingest::CustomerId;
use rekindle_training::panel::{Block, Cutoffs, Panel};
use rekindle_training::question::{Days, Question, Questions};
use rekindle_training::snapshot::{About, Snapshots, TargetAbout};
use serde_json::{Value, json};

use crate::app::{App, spawn_app, spawn_app_with};
use crate::programs::rekindle;

const START: i64 = 19_000 * DAY_MS;
const KINDS: [&str; 2] = ["purchase", "visit"];

fn spec() -> FeatureSpec {
    let any = Selector::default();
    let mut features = Vec::new();
    for window in [Window::Days(7), Window::Days(30), Window::All] {
        for metric in [Metric::Count, Metric::Days, Metric::GapMean, Metric::HourEntropy] {
            features.push(Feature::new(metric, any.clone(), window));
        }
        let purchases = Feature::new(Metric::Sum, Selector::kind("purchase"), window);
        features.push(Feature { measure: Some("amount".to_owned()), ..purchases });
    }
    let recency = Feature::new(Metric::RecencyDays, Selector::kind("purchase"), Window::All);
    features.push(Feature { windows: Vec::new(), ..recency });
    FeatureSpec {
        timezone: "Europe/Paris".to_owned(),
        kinds: KINDS.map(str::to_owned).to_vec(),
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes: [
            ("age", AttributeKind::Number),
            ("city", AttributeKind::Category),
            ("sign_up", AttributeKind::Date),
        ]
        .map(|(name, kind)| Attribute { name: name.to_owned(), kind })
        .to_vec(),
    }
}

/// A customer's year: some fall silent, all the more likely the fewer visits they make.
fn customer(number: u64) -> Events {
    let draw = |place: u64| unit(mix2(number, place));
    let rate = 0.02 + 0.2 * draw(0);
    let end = if draw(1) < 0.5 - rate { 200.0 * draw(2) + 60.0 } else { 365.0 };
    let (mut time, mut place) = (0.0, 3);
    let mut events = Events { measures: vec![Vec::new()], ..Events::default() };
    while time < end {
        time += -(1.0 - draw(place)).ln() / rate;
        let purchase = draw(place + 1) < 0.4;
        events.times.push(START + (time * DAY_MS as f64) as i64);
        events.kinds.push(u16::from(!purchase));
        let amount = if purchase { (draw(place + 2) * 5_000.0).round() / 100.0 } else { f64::NAN };
        events.measures[0].push(amount);
        // A tenth became known days later.
        let late = if draw(place + 3) < 0.1 { 3 * DAY_MS } else { 0 };
        events.received.push(START + (time * DAY_MS as f64) as i64 + late);
        place += 4;
    }
    events
}

const CITIES: [&str; 5] = ["Aalst", "Ghent", "NA", " Ypres", "Mons"];

/// What is said of a customer, when: those who fall silent tend to live in the first cities.
fn told(number: u64) -> Vec<(i64, &'static str, Value)> {
    let draw = |place: u64| unit(mix2(number, place));
    let sign_up = START + (draw(1_000) * 150.0 * DAY_MS as f64) as i64;
    let zone = Zone::named("Europe/Paris").unwrap();
    let mut told = vec![(sign_up, "sign_up", json!(zone.text(sign_up)))];
    if draw(1_001) < 0.7 {
        told.push((sign_up, "age", json!(18 + (draw(1_002) * 60.0) as u64)));
    }
    let city = CITIES[(draw(1) * 5.0) as usize];
    for day in [250, 160, 50] {
        let moved = CITIES[(draw(1_003 + day as u64) * 5.0) as usize];
        told.push((START + day * DAY_MS, "city", json!(if day == 160 { city } else { moved })));
    }
    told
}

fn attributes() -> Attributes {
    let mut log = AttributeLog::default();
    for number in 0..500 {
        for (known_at, name, value) in told(number) {
            let value = match &value {
                Value::String(text) => AttributeValue::Text(text),
                value => AttributeValue::Number(value.as_f64().unwrap()),
            };
            log.add(CustomerId::Number(number as i64), known_at, name, value).unwrap();
        }
    }
    log.finish(&Zone::named("Europe/Paris").unwrap(), i64::MAX).unwrap()
}

/// The snapshots of 500 customers, written to a file.
fn snapshots(path: &std::path::Path) -> Block {
    let churned = Question::preset("churned", "purchase", Days(60)).unwrap();
    let cutoffs: Vec<i64> = [100, 160, 220, 280].map(|day| START + day * DAY_MS).to_vec();
    let by_name = vec![("churned".to_owned(), churned)];
    let questions = Questions { by_name, ..Questions::default() };
    let panel = Panel::new(&spec(), &questions, None, Cutoffs::Common(cutoffs.clone())).unwrap();
    let panel = panel.with_attributes(Arc::new(attributes())).unwrap();
    let (mut room, mut block) = (panel.scratch(), Block::default());
    for number in 0..500 {
        let events = customer(number);
        let timeline = Timeline::new(&events, 0..events.len());
        panel.add(&number.to_string(), &timeline, &mut room, &mut block);
    }
    let about = About {
        fingerprint: spec().fingerprint(),
        features: spec(),
        cutoffs: cutoffs.len(),
        targets: vec![TargetAbout { name: "churned".to_owned(), known_after_days: 60 }],
        untimed: Vec::new(),
        weighted: false,
    };
    let mut writer = Snapshots::parquet(File::create(path).unwrap(), &about).unwrap();
    let mut rows = writer.encoder().open();
    writer.encoder().add(&block, &mut rows).unwrap();
    writer.append(rows.close().unwrap()).unwrap();
    writer.finish().unwrap();
    block
}

/// A request for one customer, its events in no order, those after the cutoff included.
fn request(number: u64, cutoff: i64) -> Value {
    let events = customer(number);
    let zone = Zone::named("Europe/Paris").unwrap();
    let instant = |ms: i64| zone.text(ms);
    let mut list: Vec<Value> = (0..events.len())
        .map(|i| {
            let amount = events.measures[0][i];
            json!({
                "time": instant(events.times[i]),
                "received_at": instant(events.received[i]),
                "kind": KINDS[usize::from(events.kinds[i])],
                "amount": (!amount.is_nan()).then_some(amount),
            })
        })
        .collect();
    let turn = list.len() / 2;
    list.rotate_left(turn);
    let mut known: Vec<(i64, &str, Value)> = told(number);
    known.retain(|(known_at, ..)| *known_at < cutoff);
    known.sort_by_key(|(known_at, ..)| *known_at);
    // A later value takes the place of the one before.
    let attributes: serde_json::Map<String, Value> =
        known.into_iter().map(|(_, name, value)| (name.to_owned(), value)).collect();
    json!({
        "customer_id": number.to_string(), "cutoff": instant(cutoff), "events": list,
        "attributes": attributes
    })
}

fn run(arguments: &[&str], folder: &std::path::Path) {
    let output = Command::new(rekindle()).args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Which verdict a model gets is not what is tested: one that was judged was saved.
    assert!(output.status.success() || said.contains("now in force"), "{said}");
}

#[test]
fn events_score_as_their_snapshot_does_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let block = snapshots(&folder.path().join("snapshots.parquet"));
    let registry = tempfile::tempdir().unwrap();
    let (to, model) = (registry.path(), registry.path().join("churned"));
    let (to, model) = (to.to_str().unwrap(), model.to_str().unwrap());
    run(
        &["fit", "snapshots.parquet", "--target", "churned", "-o", to, "--model", "boosting"],
        folder.path(),
    );
    let why = ["--reasons", "2"];
    let score = ["score", model, "snapshots.parquet", "-o", "scores.csv"];
    run(&[&score[..], &why].concat(), folder.path());
    let mut reader = csv::Reader::from_path(folder.path().join("scores.csv")).unwrap();
    let scored: Vec<(String, f64, [String; 2])> = reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| {
            let why = [record[6].to_owned(), record[7].to_owned()];
            (record[0].to_owned(), record[1].parse().unwrap(), why)
        })
        .collect();
    assert_eq!(scored.len(), block.customers.len());
    let manifest = Registry::open(registry.path()).unwrap().load("churned", 1).unwrap().manifest;
    let kept = manifest.feature_spec.expect("snapshots say how they were made");
    assert_eq!((&kept, kept.fingerprint()), (&spec(), spec().fingerprint()));
    let city = manifest.features.iter().find(|f| f.name == "attribute(city)").unwrap();
    assert!(serde_json::to_string(city).unwrap().contains(r#""Ghent","Mons","Ypres""#), "{city:?}");
    let app = spawn_app_with(registry, |_| {});
    let mut later = 0;
    for (row, (customer, probability, why)) in scored.iter().enumerate().step_by(7) {
        assert_eq!(*customer, block.customers[row]);
        let body = request(customer.parse().unwrap(), block.cutoffs[row]);
        let answer = app.post("/v1/score/events?reasons=2", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text);
        let reply = answer.json();
        assert_eq!(reply["probability"].as_f64().unwrap().to_bits(), probability.to_bits());
        assert_eq!(reply["customer_id"], json!(customer));
        let told = |place: usize| reply["reasons"][place]["text"].as_str().unwrap_or_default();
        assert_eq!([told(0), told(1)], *why);
        later +=
            reply["events"].as_u64().unwrap() - reply["events_before_cutoff"].as_u64().unwrap();
    }
    assert!(later > 1_000, "events after the cutoff were sent, too");
    refusals(&app);
    attributes_as_the_model_knows_them(&app);
}

/// What is no event is refused with its place and what was expected.
fn refusals(app: &App) {
    let check = |body: &str, status: u16, code: &str, expected: &str| {
        let answer = app.post("/v1/score/events", body);
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.code(), code);
        assert!(answer.text.contains(expected), "{}", answer.text);
    };
    let event = |text: &str| format!(r#"{{"cutoff": "2022-06-01", "events": [{{{text}}}]}}"#);
    check("{", 400, "malformed_json", "EOF");
    check(r#"{"events": []}"#, 422, "invalid_events", "missing field `cutoff`");
    check(r#"{"cutoff": "soon", "events": []}"#, 422, "invalid_events", "expected a date");
    check(&event(r#""kind": "visit""#), 422, "invalid_events", "missing field `time`");
    check(&event(r#""kind": "visit", "time": "1.1.22""#), 422, "invalid_events", "events[0].time");
    check(&event(r#""kind": "visit", "tme": 1"#), 422, "invalid_events", "unknown field `tme`");
    let measure = r#""kind": "visit", "time": "2022-01-01", "measures": {"discount": 1}"#;
    check(&event(measure), 422, "invalid_events", "the model knows the amount only");
    let text = r#""kind": "visit", "time": "2022-01-01", "amount": "15,3""#;
    let found = r#"events[0].amount: found string \"15,3\", expected a number"#;
    check(&event(text), 422, "invalid_events", found);
    let id = r#"{"cutoff": "2022-06-01", "events": [], "customer_id": 1.5}"#;
    check(
        id,
        422,
        "invalid_events",
        "customer_id: found number 1.5, expected text, a whole number",
    );
    let nothing = app.post("/v1/score/events", r#"{"cutoff": "2022-06-01", "events": []}"#);
    assert_eq!(nothing.status, 200, "{}", nothing.text);
    assert_eq!(nothing.json()["warnings"], json!({"no_history": true}));
    let misspelt = app.post(
        "/v1/score/events",
        &event(r#""kind": "vissit", "time": "2022-01-01"}, {"kind": "rare", "time": "2022-01-01""#),
    );
    let warned = json!({"unknown_kinds": [{"kind": "vissit", "nearest": "visit"}]});
    assert_eq!(misspelt.json()["warnings"], warned, "{}", misspelt.text);
}

/// Attributes are refused with their place, levels never seen are missing as the scorer has it and said.
fn attributes_as_the_model_knows_them(app: &App) {
    let send = |attributes: &str| {
        let body =
            format!(r#"{{"cutoff": "2022-06-01", "events": [], "attributes": {attributes}}}"#);
        app.post("/v1/score/events", &body)
    };
    let check = |attributes: &str, expected: &str| {
        let answer = send(attributes);
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(answer.code(), "invalid_events");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(expected), "{message}");
    };
    check(
        r#"{"agee": 41}"#,
        r#"found "agee", expected one of age, city, sign_up; did you mean "age"?"#,
    );
    check(r#"{"age": "old"}"#, r#"attributes.age: found text "old", expected a number or null"#);
    check(r#"{"city": 1.5}"#, "attributes.city: found number 1.5, expected text");
    check(r#"{"sign_up": 3}"#, "attributes.sign_up: found number 3, expected a date");
    check(r#"{"sign_up": "3 May"}"#, r#"attributes.sign_up: found text "3 May", expected a date"#);
    check(r#"{"age": 1, "age": 2}"#, "attributes.age: found the key twice");
    check("[]", "expected an object of named attributes");
    let probability = |attributes: &str| {
        let answer = send(attributes);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["probability"].as_f64().unwrap().to_bits()
    };
    let nothing = probability("{}");
    assert_eq!(probability(r#"{"age": null, "city": null, "sign_up": null}"#), nothing);
    assert_eq!(probability(r#"{"city": "NA"}"#), nothing);
    assert_eq!(probability(r#"{"city": " Ghent"}"#), probability(r#"{"city": "Ghent"}"#));
    let unseen = send(r#"{"city": "Atlantis"}"#);
    let warned = &unseen.json()["warnings"]["unknown_levels"][0];
    assert_eq!(*warned, json!({"feature": "city", "value": "Atlantis"}));
}

#[test]
fn a_model_that_was_not_made_from_events_says_so() {
    let body = r#"{"cutoff": "2022-06-01", "events": []}"#;
    let answer = spawn_app().post("/v1/score/events", body);
    assert_eq!(answer.status, 422);
    assert_eq!(answer.code(), "not_from_events");
}
