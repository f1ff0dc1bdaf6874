//! Plans as a whole: who is left alone and why, in words too.

use super::*;
use crate::customer::{Grade, LapseTier, LifecycleStage};
use crate::language::Language;

fn spec(text: &str) -> PlanSpec {
    toml::from_str(text).unwrap()
}

const TWO: &str = r#"
[plan]
control_share = 0.0
consent_default = true
value = 40.0

[[actions]]
name = "letter"
offer = "voucher"
channel = "post"
cost = 1.0
offer_cost = 4.0

[[actions]]
name = "reminder"
channel = "email"
cost = 0.1
"#;

/// Lapsed customers of these tiers.
fn lapsed(tiers: &[LapseTier]) -> Customers {
    Customers {
        ids: (0..tiers.len()).map(|row| format!("c{row}")).collect(),
        stages: Some(vec![Some(LifecycleStage::Lapsed); tiers.len()]),
        tiers: Some(tiers.iter().map(|tier| Some(*tier)).collect()),
        ..Customers::default()
    }
}

fn sentences(spec: &PlanSpec, customers: &Customers, language: Language) -> Vec<String> {
    let plan = decide(spec, customers).unwrap();
    let speaker = Speaker { spec, customers, plan: &plan, language };
    (0..customers.ids.len()).map(|customer| speaker.sentence(customer)).collect()
}

#[test]
fn every_decision_says_why() {
    let mut spec = spec(TWO);
    spec.plan.max_contacts = Some(2);
    spec.plan.within_days = Some(30);
    spec.plan.minimum_profit = 2.6;
    spec.plan.start = Some("2026-03-01".to_owned());
    spec.plan.end = Some("2026-03-31".to_owned());
    spec.plan.occasions = Occasion::ALL.to_vec();
    let mut customers = lapsed(&[LapseTier::Drowsy; 7]);
    customers.tiers.as_mut().unwrap()[4] = Some(LapseTier::Dormant);
    customers.excluded = Some([true, false, false, false, false, false, false].to_vec());
    customers.contacts = Some(vec![0.0, 2.0, 1.0, f64::NAN, 0.0, 0.0, 0.0]);
    let consents = [None, None, Some(false), None, None, None, None].to_vec();
    customers.consents = ["post", "email"].map(|c| (c.to_owned(), consents.clone())).into();
    customers.birthdays = Some(vec![f64::from(day_of("1970-03-09").unwrap()); 7]);
    spec.channels.insert("email".to_owned(), Channel { capacity: Some(2) });
    spec.plan.budget = Some(0.2);
    let found = sentences(&spec, &customers, Language::English);
    assert_eq!(found[0], "Not contacted: excluded.");
    assert_eq!(
        found[1],
        "Not contacted: 2 contacts in the last 30 days, and 2 are allowed with this one."
    );
    assert_eq!(found[2], "Not contacted: no consent to post or email.");
    assert_eq!(
        found[4],
        "Not contacted: reminder, the best action, would bring 2.30, below the minimum of 2.60."
    );
    let chosen = "reminder (by email) is expected to bring 5.90 after costs of 0.10, by an assumed uplift of 15.0 %. On \
                  2026-03-09, the birthday.";
    let alike = [&found[3], &found[5], &found[6]];
    assert_eq!(alike.iter().filter(|text| **text == chosen).count(), 2, "{found:#?}");
    let left = alike.iter().find(|text| **text != chosen).unwrap();
    assert!(
        left.starts_with("Not contacted: the budget is spent, and reminder would bring 5.90")
            || left.starts_with(
                "Not contacted: no place is left for reminder, which would bring 5.90"
            ),
        "{left}"
    );
    let chinese = sentences(&spec, &customers, Language::Chinese);
    assert_eq!(chinese[2], "不联系:未同意通过post或email联系。");
}

#[test]
fn without_a_word_there_is_no_consent() {
    let mut spec = spec(TWO);
    spec.plan.consent_default = false;
    let mut customers = lapsed(&[LapseTier::Drowsy; 2]);
    customers.consents.insert("post".to_owned(), vec![Some(true), None]);
    let plan = decide(&spec, &customers).unwrap();
    assert_eq!(plan.decisions[0].action, Some(0));
    assert_eq!(plan.decisions[1].why, Why::NoConsent);
}

#[test]
fn those_held_out_are_the_share_of_their_stratum_and_each_side_has_its_propensity() {
    let mut spec = spec(TWO);
    spec.plan.control_share = 0.2;
    let many = decide(&spec, &lapsed(&[LapseTier::Drowsy; 2_000])).unwrap();
    assert_eq!(many.decisions.iter().filter(|d| d.control).count(), 400);
    for decision in &many.decisions {
        let expected = if decision.control { 0.2 } else { 0.8 };
        assert_eq!(decision.propensity, expected);
        assert_eq!(decision.control, decision.action.is_none());
        assert!(decision.planned.is_some());
    }
}

#[test]
fn totals_add_up_and_hold_the_limits() {
    let mut spec = spec(TWO);
    spec.plan.control_share = 0.1;
    spec.plan.budget = Some(150.0);
    spec.channels.insert("email".to_owned(), Channel { capacity: Some(300) });
    spec.offers.insert("voucher".to_owned(), Offer { stock: Some(50) });
    let mut customers = lapsed(&[LapseTier::HalfAsleep; 1_000]);
    customers.values = Some((0..1_000).map(|row| f64::from(row) / 10.0).collect());
    customers.grades = Some((0..1_000).map(|row| (row > 500).then_some(Grade::A)).collect());
    let plan = decide(&spec, &customers).unwrap();
    let totals = total(&spec, &customers, &plan);
    assert!(totals.spent <= 150.0 && totals.gap < 1e-3);
    assert!((totals.expected_profit - plan.allocation.profit).abs() < 1e-6);
    assert!((totals.spent - plan.allocation.cost).abs() < 1e-6);
    assert!(totals.places.iter().all(|places| places.taken <= places.most));
    for what in ["action", "channel", "lapse_tier", "grade"] {
        let groups = totals.groups.iter().filter(|group| group.what == what);
        let sums = groups.fold((0, 0), |(a, b), g| (a + g.contacted, b + g.control));
        assert_eq!(sums, (totals.contacted, totals.control), "{what}");
    }
    let strata = totals.strata.iter().map(|s| s.contacted + s.control).sum::<u64>();
    assert_eq!(strata, totals.contacted + totals.control);
    assert_eq!(totals.why.values().sum::<u64>(), 1_000);
    assert_eq!(totals.assumed_actions, ["letter", "reminder"]);
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let refused = |change: &dyn Fn(&mut PlanSpec, &mut Customers), text: &str| {
        let (mut spec, mut customers) = (spec(TWO), lapsed(&[LapseTier::Drowsy; 3]));
        change(&mut spec, &mut customers);
        let error = decide(&spec, &customers).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(&|spec, _| spec.actions.clear(), "actions: found 0 of them");
    refused(&|spec, _| spec.actions[1].cost = -1.0, "[[actions]] 2 (reminder): cost: found -1");
    refused(&|spec, _| spec.actions[1].name = "letter".to_owned(), "a second time");
    refused(&|spec, _| spec.plan.control_share = 1.0, "control_share: found 1");
    refused(&|spec, _| spec.plan.control_share = f64::NAN, "control_share: found NaN");
    refused(&|spec, _| spec.plan.max_contacts = Some(2), "both or none");
    refused(&|spec, _| spec.plan.start = Some("soon".to_owned()), "one of start and end");
    refused(&|spec, _| spec.plan.occasions = vec![Occasion::Birthday], "without start and end");
    refused(&|_, customers| customers.ids[2] = "c0".to_owned(), "as in row 1 already");
    refused(&|_, customers| customers.stages = None, "no column uplift_letter");
    refused(&|_, customers| customers.stages.as_mut().unwrap()[1] = None, "lifecycle_stage, row 2");
    refused(&|spec, _| spec.plan.value = None, "column predicted_value");
    let wide = vec![Some(vec![0.1, 2.0, 0.1]), None];
    refused(
        &|_, customers| customers.uplifts = wide.clone(),
        "column uplift_letter, row 2: found 2",
    );
    let capacity = Channel { capacity: Some(1) };
    refused(
        &|spec, _| {
            spec.channels.insert("emial".to_owned(), capacity.clone());
        },
        "did you mean \"email\"?",
    );
}
