//! Laws of uplift, on experiments whose truth is known.

use rekindle_models::artifact::{UpliftArtifact, UpliftManifest};
use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};
use rekindle_models::uplift::Outcome;

use crate::simulate::experiment::{EXPERIMENT_ACTIONS, Experiment as World, Subject, arm_name};
use crate::uplift::*;
use crate::verdict::Word;

const VALUE: f64 = 40.0;

fn frame(subjects: &[Subject]) -> Frame {
    let features = subjects[0].features.len();
    let number = |of: &dyn Fn(&Subject) -> f64| Column::Number(subjects.iter().map(of).collect());
    let field = |name: String, kind: Kind| Field { name, kind };
    let mut columns: Vec<Column> = (0..features).map(|f| number(&|s| s.features[f])).collect();
    let mut fields: Vec<Field> =
        (0..features).map(|f| field(format!("x{f}"), Kind::Numeric)).collect();
    let levels: std::sync::Arc<[String]> = (0..4).map(|arm| arm_name(arm).to_owned()).collect();
    columns.push(Column::Category(subjects.iter().map(|s| s.arm as u32).collect()));
    fields.push(field("action".to_owned(), Kind::Categorical(levels)));
    Frame::new(Schema::new(fields).unwrap(), columns).unwrap()
}

fn columns(subjects: &[Subject], outcome: Vec<f64>, kind: Outcome) -> Columns<'static> {
    let features = subjects[0].features.len();
    let keys = (0..subjects.len() as u64).collect();
    Columns {
        action: features,
        control: "none",
        features: (0..features).collect(),
        outcome,
        kind,
        keys,
    }
}

fn bought(subjects: &[Subject]) -> Vec<f64> {
    subjects.iter().map(|s| f64::from(u8::from(s.bought))).collect()
}

fn world(customers: usize, effect: f64, targeted: bool) -> Vec<Subject> {
    World { seed: 11, customers, effect, targeted }.draw()
}

fn worth() -> Worth {
    Worth { value: VALUE, costs: EXPERIMENT_ACTIONS.map(|(_, cost)| cost).to_vec() }
}

/// What a choice of arms brings with the customers, in truth.
fn profit(subjects: &[Subject], arm: impl Fn(usize) -> usize) -> f64 {
    let one = |(place, subject): (usize, &Subject)| match arm(place) {
        0 => 0.0,
        arm => VALUE * subject.uplift[arm - 1] - EXPERIMENT_ACTIONS[arm - 1].1,
    };
    subjects.iter().enumerate().map(one).sum()
}

fn best(uplift: impl Fn(usize) -> f64) -> usize {
    let expected = |action: usize| VALUE * uplift(action) - EXPERIMENT_ACTIONS[action].1;
    let best = (0..3).max_by(|a, b| expected(*a).total_cmp(&expected(*b))).unwrap();
    if expected(best) > 0.0 { best + 1 } else { 0 }
}

/// The share of the oracle's profit that a learned policy earns with customers it has not seen.
fn share_of_oracle(learner: Learner, customers: usize) -> f64 {
    let subjects = world(customers, 1.0, false);
    let frame = frame(&subjects);
    let experiment =
        Experiment::new(&frame, columns(&subjects, bought(&subjects), Outcome::YesNo)).unwrap();
    let propensities = Propensities::estimate(&experiment, 1).unwrap();
    assert_eq!(propensities.assignment, Assignment::Random);
    let learning = Learning::usual(learner, 3);
    let learned = learning.fit(&experiment, &experiment.rows, &propensities.of).unwrap();
    let others = World { seed: 12, customers: 20_000, effect: 1.0, targeted: false }.draw();
    let cells = others.iter().flat_map(|s| s.features.iter().copied()).collect();
    let rows = rekindle_models::frame::Rows::from_cells(subjects[0].features.len(), cells);
    let uplifts = learned.uplift.uplifts(&rows);
    // Levels are in the frame's order; actions in that of their names.
    let place = |action: usize| {
        let name = EXPERIMENT_ACTIONS[action].0;
        learned.uplift.actions.iter().position(|a| a.name == name).unwrap()
    };
    let places: Vec<usize> = (0..3).map(place).collect();
    let earned = profit(&others, |row| best(|action| uplifts[places[action]][row]));
    let oracle = profit(&others, |row| best(|action| others[row].uplift[action]));
    earned / oracle
}

#[test]
fn every_learner_earns_most_of_what_the_truth_would() {
    for (learner, customers, least) in [
        (Learner::T, 20_000, 0.5),
        (Learner::X, 20_000, 0.5),
        (Learner::Dr, 20_000, 0.5),
        (Learner::Auto, 100_000, 0.85),
    ] {
        let share = share_of_oracle(learner, customers);
        println!(
            "{learner:?}, {customers} customers: {share:.3} of the oracle's incremental profit"
        );
        assert!(share > least && share <= 1.0, "{learner:?} earns {share} of the oracle's profit");
    }
}

fn judged(subjects: &[Subject], logged: bool) -> (Propensities, Figures, UpliftVerdict) {
    let frame = frame(subjects);
    let experiment =
        Experiment::new(&frame, columns(subjects, bought(subjects), Outcome::YesNo)).unwrap();
    let propensities = match logged {
        true => Propensities::logged(&experiment, subjects.iter().map(|s| s.propensity).collect())
            .unwrap(),
        false => Propensities::estimate(&experiment, 1).unwrap(),
    };
    let learning = Learning::usual(Learner::Auto, 3);
    let fitted = CrossFitted::new(&experiment, &learning, &propensities.of).unwrap();
    let figures = Judge {
        experiment: &experiment,
        fitted: &fitted,
        propensity: &propensities.of,
        worth: &worth(),
        recency: None,
        confidence: 0.95,
        seed: 5,
    }
    .figures();
    let verdict = judge(&figures.policies, experiment.rows.len(), propensities.thin);
    (propensities, figures, verdict)
}

#[test]
fn an_experiment_with_effects_is_usable_and_its_policy_is_worth_what_is_said() {
    let subjects = world(30_000, 1.0, false);
    let (_, figures, verdict) = judged(&subjects, false);
    assert_eq!(verdict.word, Word::Usable, "{}", verdict.reason);
    for (action, (name, _)) in EXPERIMENT_ACTIONS.iter().enumerate() {
        let found = figures.actions.iter().find(|a| a.action == *name).unwrap();
        let truth = subjects.iter().map(|s| s.uplift[action]).sum::<f64>() / 30_000.0;
        let interval = found.mean_uplift;
        let far = 1.5 * (interval.high - interval.low) / 2.0;
        assert!((interval.value - truth).abs() < far, "{name}: {interval:?}, true {truth}");
        assert!(found.qini.low > 0.0, "{name}: {:?}", found.qini);
        assert_eq!(found.deciles.iter().map(|d| d.rows).sum::<usize>(), 30_000);
    }
}

#[test]
fn where_no_action_changes_anything_the_model_is_not_usable() {
    let (_, figures, verdict) = judged(&world(20_000, 0.0, false), false);
    assert_ne!(verdict.word, Word::Usable, "{}", verdict.reason);
    for action in &figures.actions {
        assert!(action.mean_uplift.low < 0.01 && action.mean_uplift.high > -0.01);
    }
}

#[test]
fn targeted_contacts_are_seen_as_such_and_do_not_deceive() {
    let subjects = world(30_000, 1.0, true);
    let truth = |action: usize| subjects.iter().map(|s| s.uplift[action]).sum::<f64>() / 30_000.0;
    // Who would have bought anyway was contacted more often: compared as they are, contacts look better than they are.
    let mean = |arm: usize| {
        let rows = subjects.iter().filter(|s| s.arm == arm);
        rows.clone().map(|s| f64::from(u8::from(s.bought))).sum::<f64>() / rows.count() as f64
    };
    assert!(mean(1) - mean(0) - truth(0) > 0.05);
    for logged in [true, false] {
        let (propensities, figures, _) = judged(&subjects, logged);
        let expected = if logged { Assignment::Logged } else { Assignment::Estimated };
        assert_eq!(propensities.assignment, expected);
        for (action, (name, _)) in EXPERIMENT_ACTIONS.iter().enumerate() {
            let found = figures.actions.iter().find(|a| a.action == *name).unwrap().mean_uplift;
            let far = (found.value - truth(action)).abs();
            assert!(far < 0.025, "{name}: {found:?}, true {}", truth(action));
        }
    }
}

#[test]
fn without_overlap_nothing_is_usable() {
    // Who has x0 above 0 is contacted, the others are not, and nobody buys for it: sides differ by what they are.
    let mut subjects = world(6_000, 0.0, false);
    for subject in &mut subjects {
        subject.arm = usize::from(subject.features[0] > 0.0);
    }
    let first = |subjects: &[Subject]| {
        let frame = frame(subjects);
        let columns = columns(subjects, bought(subjects), Outcome::YesNo);
        let experiment = Experiment::new(&frame, columns).unwrap();
        let propensities = Propensities::estimate(&experiment, 1).unwrap();
        let ones = vec![1.0; subjects.len()];
        assert!(Propensities::logged(&experiment, ones).is_err());
        let wrong = vec![0.05; subjects.len()];
        let error = Propensities::logged(&experiment, wrong).unwrap_err().to_string();
        assert!(error.contains("stand for"), "{error}");
        propensities
    };
    let propensities = first(&subjects);
    assert_eq!(propensities.assignment, Assignment::Estimated);
    assert!(propensities.thin > 0.5, "{}", propensities.thin);
    assert_eq!(judge(&[], 6_000, propensities.thin).word, Word::NotEnoughData);
    // Of few rows, too.
    let few = first(&subjects[..400]);
    assert_eq!(few.assignment, Assignment::Estimated);
}

#[test]
fn amounts_are_learned_as_well() {
    let subjects = world(20_000, 1.0, false);
    let frame = frame(&subjects);
    let spend = bought(&subjects).into_iter().map(|b| b * VALUE).collect();
    let experiment = Experiment::new(&frame, columns(&subjects, spend, Outcome::Amount)).unwrap();
    let propensities = Propensities::estimate(&experiment, 1).unwrap();
    let learned = Learning::usual(Learner::Auto, 3)
        .fit(&experiment, &experiment.rows, &propensities.of)
        .unwrap();
    for effect in &learned.uplift.actions {
        let action = EXPERIMENT_ACTIONS.iter().position(|(name, _)| *name == effect.name).unwrap();
        let truth = subjects.iter().map(|s| VALUE * s.uplift[action]).sum::<f64>() / 20_000.0;
        assert!((effect.mean - truth).abs() < 1.0, "{}: {} {truth}", effect.name, effect.mean);
        assert!(effect.slope > 0.0, "{}", effect.name);
    }
}

#[test]
fn the_same_on_any_number_of_threads_and_after_saving() {
    let subjects = world(4_000, 1.0, false);
    let frame = frame(&subjects);
    let experiment =
        Experiment::new(&frame, columns(&subjects, bought(&subjects), Outcome::YesNo)).unwrap();
    let fit = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let propensities = Propensities::estimate(&experiment, 1).unwrap();
            Learning::usual(Learner::Auto, 3)
                .fit(&experiment, &experiment.rows, &propensities.of)
                .unwrap()
                .uplift
        })
    };
    let uplift = fit(1);
    assert_eq!(uplift, fit(3));
    let manifest = UpliftManifest {
        outcome: "bought".to_owned(),
        control: "none".to_owned(),
        actions: uplift.actions.iter().map(|a| a.name.clone()).collect(),
        features: UpliftArtifact::features_of(&uplift),
        id_column: None,
        missing_markers: Vec::new(),
        value: VALUE,
        verdict: "usable".to_owned(),
        reason: String::new(),
        report: serde_json::Value::Null,
        seed: 3,
        data_fingerprint: frame.fingerprint(),
        crate_versions: Default::default(),
    };
    let saved = UpliftArtifact { manifest, uplift };
    let bytes = saved.to_bytes().unwrap();
    assert_eq!(UpliftArtifact::from_bytes(&bytes, "u").unwrap(), saved);
    // Any byte that is another is seen, and a cut file, too.
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut other = bytes.clone();
        other[at] ^= 0x40;
        assert!(UpliftArtifact::from_bytes(&other, "u").is_err(), "byte {at}");
        assert!(UpliftArtifact::from_bytes(&bytes[..at], "u").is_err(), "cut at {at}");
    }
    // Fewer actions than the manifest names.
    let mut fewer = saved;
    fewer.manifest.actions.pop();
    let error = UpliftArtifact::from_bytes(&fewer.to_bytes().unwrap(), "u").unwrap_err();
    assert!(error.to_string().contains("list of actions"), "{error}");
}

#[test]
fn an_experiment_without_a_side_is_refused() {
    let subjects = world(1_000, 1.0, false);
    let frame = frame(&subjects);
    let with = |control: &'static str| {
        let columns = columns(&subjects, bought(&subjects), Outcome::YesNo);
        Experiment::new(&frame, Columns { control, ..columns }).unwrap_err().to_string()
    };
    assert!(with("nobody").contains("no row has \"nobody\""), "{}", with("nobody"));
    let few = world(150, 1.0, false);
    let frame = self::frame(&few);
    let columns = columns(&few, bought(&few), Outcome::YesNo);
    let error = Experiment::new(&frame, columns).unwrap_err().to_string();
    assert!(error.contains("expected 100 at least"), "{error}");
}
