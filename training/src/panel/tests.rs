//! Rows at cutoffs, of customers with and without events, labels and attributes.

use super::*;
use crate::attributes::{ALWAYS, AttributeLog, AttributeValue};
use crate::question::{Days, Question};
use rekindle_models::behaviour::{AttributeKind, Duplicates, Feature, Metric, Selector, Window};

const START: i64 = 15_000 * DAY_MS;

fn spec() -> FeatureSpec {
    let count = Feature::new(Metric::Count, Selector::default(), Window::All);
    FeatureSpec {
        timezone: "UTC".to_owned(),
        kinds: vec!["purchase".to_owned()],
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: vec![Window::All],
        duplicates: Duplicates::Keep,
        features: vec![count],
        attributes: Vec::new(),
    }
}

fn asking(name: &str, question: Question) -> Questions {
    Questions { by_name: vec![(name.to_owned(), question)], ..Questions::default() }
}

fn purchases(days: &[i64]) -> Events {
    Events {
        times: days.iter().map(|d| START + d * DAY_MS).collect(),
        kinds: vec![0; days.len()],
        ..Events::default()
    }
}

#[test]
fn a_row_stands_for_each_cutoff_at_which_a_customer_is_asked() {
    let churned = Question::preset("churned", "purchase", Days(30)).unwrap();
    let cutoffs: Vec<i64> = [0, 30, 60, 90].map(|d| START + d * DAY_MS).to_vec();
    let questions = asking("churned", churned);
    let panel = Panel::new(&spec(), &questions, None, Cutoffs::Common(cutoffs.clone())).unwrap();
    let (mut room, mut block) = (panel.scratch(), Block::default());
    let events = purchases(&[10, 20, 40, 200]);
    panel.add("a", &Timeline::new(&events, 0..4), &mut room, &mut block);
    assert_eq!(block.cutoffs, cutoffs[1..3]);
    assert_eq!(block.features, [2.0, 3.0]);
    assert_eq!(block.answers, [0.0, 1.0]);
    let populations = panel.populations([&block].into_iter());
    let asked: Vec<u64> = populations.iter().map(|p| p.eligible).collect();
    assert_eq!(asked, [0, 1, 1, 0]);
    assert_eq!(populations[2].positives, 1);
    assert_eq!(populations[2].cutoff.as_deref(), Some("2011-03-27"));
}

#[test]
fn labelled_customers_have_a_row_each_though_they_never_did_anything() {
    let labels = HashMap::from([
        ("a".to_owned(), vec![(START + 15 * DAY_MS, 1.0)]),
        ("b".to_owned(), vec![(START, 0.0)]),
    ]);
    let panel =
        Panel::new(&spec(), &Questions::default(), Some("dropout"), Cutoffs::Each(labels)).unwrap();
    let (mut room, mut block) = (panel.scratch(), Block::default());
    let events = purchases(&[10, 20]);
    panel.add("a", &Timeline::new(&events, 0..2), &mut room, &mut block);
    panel.add("stranger", &Timeline::new(&events, 0..2), &mut room, &mut block);
    panel.add_silent(["b"].into_iter(), &mut room, &mut block);
    assert_eq!(block.customers, ["a", "b"]);
    assert_eq!(
        (block.features.as_slice(), block.answers.as_slice()),
        (&[1.0, 0.0][..], &[1.0, 0.0][..])
    );
    let populations = panel.populations([&block].into_iter());
    assert_eq!((populations[0].eligible, populations[0].positives), (2, 1));
}

fn told(spec: &mut FeatureSpec) -> Arc<Attributes> {
    let mut log = AttributeLog::default();
    let mut add = |customer, day, name, value| {
        let customer = CustomerId::of_text(customer);
        log.add(customer, START + day * DAY_MS, name, value).unwrap();
    };
    add("a", 5, "age", AttributeValue::Number(41.0));
    add("7", 20, "city", AttributeValue::Text("Ghent"));
    add("7", 30, "city", AttributeValue::Text("Aalst"));
    add("7", 25, "sign_up", AttributeValue::Text("2011-01-26"));
    let customer = CustomerId::of_text("b");
    log.add(customer, ALWAYS, "age", AttributeValue::Number(30.0)).unwrap();
    let attributes = Arc::new(log.finish(&Zone::default(), i64::MAX).unwrap());
    spec.attributes = attributes.list().to_vec();
    attributes
}

#[test]
fn who_is_known_by_attributes_alone_is_asked_whether_they_convert() {
    let mut spec = spec();
    let attributes = told(&mut spec);
    let converted = Question::preset("converted", "purchase", Days(10)).unwrap();
    let cutoffs = Cutoffs::Common([20, 30, 40].map(|d| START + d * DAY_MS).to_vec());
    let panel = Panel::new(&spec, &asking("converted", converted), None, cutoffs)
        .unwrap()
        .with_attributes(Arc::clone(&attributes))
        .unwrap();
    let (mut room, mut block) = (panel.scratch(), Block::default());
    let events = purchases(&[22, 200]);
    panel.add("a", &Timeline::new(&events, 0..2), &mut room, &mut block);
    let silent: Vec<String> = attributes.customers().map(|c| c.to_string()).collect();
    let silent = silent.iter().map(String::as_str).filter(|c| *c != "a");
    panel.add_silent(silent, &mut room, &mut block);
    // Nobody knows of customer 7 before day 20 is over; b has never been heard of.
    assert_eq!(block.customers, ["a", "7", "7"]);
    assert_eq!(block.answers, [1.0, 0.0, 0.0]);
    let texts: Vec<&str> = block.texts.iter().map(|t| &**t).collect();
    assert_eq!((texts, panel.width()), (vec!["Aalst", "Ghent"], 4));
    let rows: Vec<String> = block.features.chunks(4).map(|row| format!("{row:?}")).collect();
    assert_eq!(rows, ["[0.0, 41.0, NaN, NaN]", "[0.0, NaN, 1.0, 30.0]", "[0.0, NaN, 0.0, 40.0]"]);
}

#[test]
fn attributes_of_the_spec_are_there_and_of_their_kind() {
    let mut spec = spec();
    let attributes = told(&mut spec);
    let error = |change: &dyn Fn(&mut FeatureSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        let panel =
            Panel::new(&spec, &Questions::default(), None, Cutoffs::Common(Vec::new())).unwrap();
        panel.with_attributes(Arc::clone(&attributes)).unwrap_err().to_string()
    };
    let named = error(&|spec| spec.attributes[1].name = "citi".to_owned());
    assert!(named.contains("did you mean \"city\"?"), "{named}");
    let kind = error(&|spec| spec.attributes[0].kind = AttributeKind::Date);
    assert!(kind.contains("attribute age: expected a date, found a number"), "{kind}");
}

#[test]
fn a_horizon_beyond_the_log_is_refused() {
    let questions = asking("paid", Question::preset("paid", "purchase", Days(30)).unwrap());
    let (end, utc) = (START + 30 * DAY_MS, Zone::default());
    let log = (START - DAY_MS, end);
    check_covered(&questions, &[START], log, &utc).unwrap();
    let error = check_covered(&questions, &[START, START + 1], log, &utc).unwrap_err().to_string();
    assert!(error.contains("take the cutoff 2011-01-26 or an earlier one"), "{error}");
    // A log as long as the horizon has no cutoff after its first event.
    let log = (START, end);
    let error = check_covered(&questions, &[START + 1], log, &utc).unwrap_err().to_string();
    assert!(error.contains("no cutoff of this log, which begins 2011-01-26"), "{error}");
}

#[test]
fn cutoffs_before_the_log_are_told() {
    let utc = Zone::default();
    let (early, late) = (START - DAY_MS, START + DAY_MS);
    assert_eq!(check_begun(&[late], START, &utc).unwrap(), None);
    let warned = check_begun(&[early, late], START, &utc).unwrap().unwrap();
    assert!(warned.contains("1 of 2 cutoffs (2011-01-25 to 2011-01-25)"), "{warned}");
    let error = check_begun(&[early], START, &utc).unwrap_err().to_string();
    assert!(error.contains("first event, 2011-01-26"), "{error}");
}

#[test]
fn targets_that_all_or_nobody_has_are_told() {
    let of = |target: &str, eligible, positives| Population {
        target: target.to_owned(),
        cutoff: None,
        eligible,
        positives,
        stand_for: eligible as f64,
        stand_for_positives: positives as f64,
    };
    let populations = [
        of("none", 5, 0),
        of("some", 5, 0),
        of("all", 5, 5),
        of("none", 7, 0),
        of("some", 7, 1),
        of("all", 1, 1),
        of("nobody", 0, 0),
    ];
    let told = one_sided(&populations);
    let told: Vec<String> = told.iter().map(|(name, found)| format!("{name}: {found}")).collect();
    assert_eq!(told[0], "none: none of the 12 rows has the target");
    assert_eq!(told[1], "all: all of the 6 rows have the target");
    assert!(told[2].starts_with("nobody: nobody is asked") && told.len() == 3, "{told:?}");
}
