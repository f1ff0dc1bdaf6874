//! Whole customers: examples, local days, and laws over random histories.

mod twin;

use chrono::DateTime;
use chrono_tz::Tz;
use proptest::prelude::*;

use self::twin::{date, twin};
use super::*;
use crate::behaviour::{DAY_MS, Dictionary, Duplicates, Events, Timeline, Zone};

/// Time, kind (a place in `KINDS`), amount, time of receiving: all a test's event holds.
type Event = (i64, u16, f64, i64);

const KINDS: [&str; 3] = ["purchase", "return", "session"];
const PURCHASE: u16 = 0;
const RETURN: u16 = 1;
const SESSION: u16 = 2;

fn bound(text: &str) -> BoundRules {
    let rules: CustomerRules = toml::from_str(text).unwrap();
    rules.bind(&Dictionary::new(KINDS.map(str::to_owned).to_vec())).unwrap()
}

fn described(events: &[Event], cutoff: i64, rules: &BoundRules, zone: &Zone) -> CustomerState {
    let unordered = Events {
        times: events.iter().map(|e| e.0).collect(),
        kinds: events.iter().map(|e| e.1).collect(),
        measures: vec![events.iter().map(|e| e.2).collect()],
        received: events.iter().map(|e| e.3).collect(),
        ..Events::default()
    };
    let (mut order, mut ordered) = (Vec::new(), unordered.clone());
    unordered.order(Duplicates::Keep, &mut order);
    ordered.clear();
    order.iter().for_each(|&place| ordered.push_from(&unordered, place as usize));
    let mut kept = Events::default();
    let history = Timeline::new(&ordered, 0..ordered.len()).history(cutoff, &mut kept);
    let mut scratch = Scratch::default();
    let first = describe(&history, rules, zone, &mut scratch);
    // What is left of another customer in the scratch plays no part.
    assert_eq!(bits(&describe(&history, rules, zone, &mut scratch)), bits(&first));
    first
}

/// Equal for equal bits, NaN too.
fn bits(state: &CustomerState) -> String {
    format!("{state:?}")
}

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn purchase(text: &str) -> Event {
    (ms(text), PURCHASE, 10.0, ms(text))
}

// ---- examples ----

#[test]
fn a_customer_with_one_event() {
    let zone = Zone::default();
    let state = described(
        &[purchase("2024-02-28T12:00:00Z")],
        ms("2024-03-29T00:00:00Z"),
        &bound(""),
        &zone,
    );
    // 2024 has a 29th of February: 30 days.
    assert_eq!(state.recency_days, Some(30));
    assert_eq!(state.lapse_tier, Some(LapseTier::Drowsy));
    assert_eq!(state.lifecycle_stage, LifecycleStage::FirstTime);
    assert_eq!((state.loyalty_type, state.median_gap_days), (None, None));
    assert_eq!((state.purchases, state.purchase_days, state.amount_sum), (1, 1, 10.0));
    let cuts = GradeCuts::learn(&[10.0, 5.0], &[1.0, 1.0], &Grades { a: 0.5, ..Grades::default() });
    assert_eq!(state.grade(&cuts.unwrap()), Some(Grade::B));
    let state = described(
        &[purchase("2023-02-28T12:00:00Z")],
        ms("2023-03-29T00:00:00Z"),
        &bound(""),
        &zone,
    );
    assert_eq!((state.recency_days, state.lapse_tier), (Some(29), Some(LapseTier::Awake)));
}

#[test]
fn a_customer_without_a_purchase_is_potential_and_has_no_more() {
    let cuts = GradeCuts::learn(&[1.0], &[1.0], &Grades::default()).unwrap();
    for events in [&[][..], &[(0, SESSION, f64::NAN, 0), (5, SESSION, 3.0, 5)][..]] {
        let state = described(events, 100 * DAY_MS, &bound(""), &Zone::default());
        assert_eq!(state.lifecycle_stage, LifecycleStage::Potential);
        assert_eq!((state.lapse_tier, state.loyalty_type, state.recency_days), (None, None, None));
        assert_eq!((state.tenure_days, state.amount_sum, state.grade(&cuts)), (None, 0.0, None));
    }
}

#[test]
fn days_are_those_of_the_customers_clocks() {
    let check = |zone: &str, bought: &str, cutoff: &str, expected| {
        let zone = Zone::named(zone).unwrap();
        let state = described(&[purchase(bought)], ms(cutoff), &bound(""), &zone);
        assert_eq!(state.recency_days, Some(expected), "{bought} {cutoff}");
    };
    // 22:30 UTC in summer is half past midnight in Paris.
    check("UTC", "2024-06-01T22:30:00Z", "2024-06-02T00:00:00Z", 1);
    check("Europe/Paris", "2024-06-01T22:30:00Z", "2024-06-02T00:00:00Z", 0);
    check("America/New_York", "2024-06-02T03:30:00Z", "2024-06-02T04:00:00Z", 1);
    // A day of 23 hours and one of 25 are a day each.
    check("Europe/Paris", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z", 1);
    check("Europe/Paris", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59.999Z", 0);
    check("Europe/Paris", "2024-10-26T22:00:00Z", "2024-10-27T22:59:59.999Z", 0);
    check("Europe/Paris", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z", 1);
    // At 00:01 of the 30th it was 23:01 of the 29th again: the 30th had begun.
    check("America/St_Johns", "2005-10-30T02:30:30Z", "2005-10-30T02:45:00Z", 0);
    check("America/St_Johns", "2005-10-30T02:29:30Z", "2005-10-30T02:45:00Z", 1);
    check("America/St_Johns", "2005-10-30T02:45:00Z", "2005-10-30T04:00:00Z", 0);
}

#[test]
fn returns_are_taken_off_whatever_their_sign() {
    let rules = bound("return = 'return'\ngrades = { span_days = 10 }\nvisit = 'session'");
    let day = |day: i64| day * DAY_MS;
    let events = [
        (day(0), PURCHASE, 100.0, day(0)),
        (day(1), RETURN, 30.0, day(1)),
        (day(2), RETURN, -20.0, day(2)),
        (day(90), PURCHASE, 7.0, day(90)),
        (day(91), PURCHASE, f64::NAN, day(91)),
        (day(89), SESSION, f64::NAN, day(89)),
        (day(95), SESSION, f64::NAN, day(95)),
        (day(95) + 1, SESSION, f64::NAN, day(95) + 1),
        (day(99), SESSION, f64::NAN, day(99)),
    ];
    let state = described(&events, day(100), &rules, &Zone::default());
    assert_eq!((state.amount_sum, state.graded_amount), (57.0, 7.0));
    assert_eq!((state.purchases, state.purchase_days, state.graded_visit_days), (3, 3, 2));
    let unknown = [(day(0), PURCHASE, f64::NAN, day(0)), (day(1), RETURN, 5.0, day(1))];
    let state = described(&unknown, day(2), &rules, &Zone::default());
    assert!(state.amount_sum.is_nan() && state.graded_amount.is_nan());
}

#[test]
fn a_state_is_written_with_fixed_names() {
    let state = described(
        &[purchase("2024-02-28T12:00:00Z")],
        ms("2024-03-30T00:00:00Z"),
        &bound(""),
        &Zone::default(),
    );
    assert_eq!(
        serde_json::to_string(&state).unwrap(),
        "{\"lapse_tier\":\"drowsy\",\"lifecycle_stage\":\"first_time\",\"loyalty_type\":null,\
         \"recency_days\":31,\"tenure_days\":31,\"median_gap_days\":null,\"purchases\":1,\
         \"purchase_days\":1,\"amount_sum\":10.0,\"graded_amount\":10.0,\"graded_visit_days\":1}"
    );
}

// ---- laws over random histories ----

const ZONES: [&str; 5] =
    ["UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"];
const RULES: [&str; 4] = [
    "",
    "tiers = { gaps = [2, 4, 8] }\nreturn = 'return'\nvisit = ['session', 'purchase']",
    "tiers = { days = [1, 2, 5], gaps = [0.5, 1.7, 3], floor_days = 2, min_purchase_days = 2 }\n\
     lapsed_from = 'half_asleep'\nloyal = { purchase_days = 2, window_days = 30, by = 'count' }\n\
     loyalty = { period_days = 3, span_days = 31, recent_periods = 1, min_periods = 2 }",
    "purchase = ['purchase', 'session']\nloyal = { purchase_days = 3 }\n\
     loyalty = { period_days = 7, span_days = 700, recent_periods = 2, loyal_share = 0.2 }\n\
     grades = { span_days = 50 }",
];
/// From when random events are: the Octobers and Marches of 2005 and 2006 lie within.
const START: i64 = 1_125_000_000_000;

const MOSTLY_PURCHASES: [u16; 5] = [PURCHASE, PURCHASE, PURCHASE, RETURN, SESSION];

prop_compose! {
    /// Close together or far apart, some at the same instant, some received late.
    fn events()(
        minutes in prop::sample::select(vec![30_i64, 24 * 60, 6 * 24 * 60, 20 * 24 * 60]),
        steps in prop::collection::vec(
            (0_i64..5, 0_i64..120_000, prop::sample::select(&MOSTLY_PURCHASES), 0_i32..6, 0_i64..4),
            0..40,
        ),
    ) -> Vec<Event> {
        let mut time = START;
        steps.into_iter().map(|(step, odd, kind, amount, late)| {
            time += if step == 0 { 0 } else { step * minutes * 60_000 + odd };
            let amount = if amount == 0 { f64::NAN } else { f64::from(amount) * 0.1 };
            (time, kind, amount, time + (late / 3) * 40 * DAY_MS)
        }).collect()
    }
}

fn place() -> impl Strategy<Value = (BoundRules, Zone)> {
    (prop::sample::select(&RULES), prop::sample::select(&ZONES))
        .prop_map(|(rules, zone)| (bound(rules), Zone::named(zone).unwrap()))
}

/// A cutoff so many days after one of the latest events, half of them at a local midnight, where windows
/// are cut.
fn cutoff(events: &[Event], zone: &Zone, (days, place, midnight): (i64, usize, bool)) -> i64 {
    let near = events.iter().rev().nth(place).map_or(START, |event| event.0);
    let cutoff = near + days * DAY_MS;
    if midnight { zone.instant(zone.day(cutoff) * DAY_MS) } else { cutoff }
}

fn when() -> impl Strategy<Value = (i64, usize, bool)> {
    (prop_oneof![0_i64..8, 25_i64..35, 85_i64..95, 0_i64..400], 0_usize..12, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn describing_agrees_with_the_slow_twin(
        events in events(),
        (rules, zone) in place(),
        when in when(),
    ) {
        let cutoff = cutoff(&events, &zone, when);
        let found = described(&events, cutoff, &rules, &zone);
        prop_assert_eq!(bits(&found), bits(&twin(&events, cutoff, &rules, &zone)));
    }

    #[test]
    fn what_comes_after_the_cutoff_changes_nothing(
        events in events(),
        later in events(),
        (rules, zone) in place(),
        when in when(),
    ) {
        let cutoff = cutoff(&events, &zone, when);
        let known: Vec<Event> =
            events.iter().copied().filter(|e| e.0 < cutoff && e.3 < cutoff).collect();
        let mut with_later = events;
        // Some happen at the cutoff or later, some before it and are received then.
        with_later.extend(later.iter().map(|e| {
            let ahead = e.0 - START;
            if e.1 == 0 { (START, e.1, e.2, cutoff + ahead) } else { (cutoff + ahead, e.1, e.2, 0) }
        }));
        let expected = described(&known, cutoff, &rules, &zone);
        prop_assert_eq!(bits(&described(&with_later, cutoff, &rules, &zone)), bits(&expected));
        let mut backwards = with_later;
        backwards.reverse();
        prop_assert_eq!(bits(&described(&backwards, cutoff, &rules, &zone)), bits(&expected));
    }

    #[test]
    fn nobody_wakes_without_a_purchase(
        events in events(),
        (rules, zone) in place(),
        steps in prop::collection::vec(1_i64..4_000, 1..60),
    ) {
        // All is received: what becomes known late may wake a customer.
        let mut cutoff = events.iter().map(|e| e.3).max().unwrap_or(START) + 1;
        let mut before = described(&events, cutoff, &rules, &zone);
        for minutes in steps {
            cutoff += minutes * 60_000;
            let now = described(&events, cutoff, &rules, &zone);
            prop_assert!(now.lapse_tier >= before.lapse_tier);
            prop_assert!(now.recency_days >= before.recency_days);
            let lapsed = |s: &CustomerState| s.lifecycle_stage == LifecycleStage::Lapsed;
            prop_assert!(lapsed(&now) || !lapsed(&before));
            before = now;
        }
    }

    #[test]
    fn a_stage_says_what_its_words_say(
        events in events(),
        (rules, zone) in place(),
        when in when(),
    ) {
        let state = described(&events, cutoff(&events, &zone, when), &rules, &zone);
        let days = state.purchase_days;
        let holds = match state.lifecycle_stage {
            LifecycleStage::Potential => days == 0,
            LifecycleStage::FirstTime => days == 1,
            LifecycleStage::Repeat | LifecycleStage::Loyal => days >= 2,
            LifecycleStage::Lapsed => state.lapse_tier >= Some(rules.rules().lapsed_from),
        };
        prop_assert!(holds, "{:?}", state);
        prop_assert_eq!(days == 0, state.lapse_tier.is_none());
        prop_assert_eq!(days == 0, state.recency_days.is_none());
        prop_assert!(days <= state.purchases);
    }

    #[test]
    fn a_day_is_the_latest_date_that_clocks_have_shown(
        zone in prop::sample::select(&ZONES),
        minutes in 0_i64..60 * 365 * 24 * 60,
    ) {
        let found = Zone::named(zone).unwrap().day(minutes * 60_000);
        prop_assert_eq!(found, date(minutes * 60_000, zone.parse().unwrap()));
    }
}

#[test]
fn days_around_every_change_of_clocks_are_right() {
    for zone in ZONES {
        let (rules, listed): (Tz, _) = (zone.parse().unwrap(), Zone::named(zone).unwrap());
        let hours = (0..60 * 365 * 24).map(|hour| hour * 3_600_000);
        let changes = hours.filter(|&ms| listed.offset(ms) != listed.offset(ms + 3_600_000));
        for minute in changes.flat_map(|ms| (-90..90).map(move |m| ms + m * 60_000)) {
            assert_eq!(listed.day(minute), date(minute, rules), "{zone} {minute}");
        }
    }
}
