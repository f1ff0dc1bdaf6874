//! A plan as it is typed into the form, field by field, and the plan that it says. What is typed wrongly is told at its
//! field and stays there. Looks at no customer.

use std::collections::BTreeMap;

use rekindle_models::customer::{LapseTier, LifecycleStage};
use rekindle_models::policy::{
    Action, AssumedRate, Channel, MOST_MONEY, PlanRules, PlanSpec, default_success, success,
};

use crate::pages::texts::Plan as Texts;

/// Rows of actions in the form.
pub const ACTIONS: usize = 6;
/// Days that are watched where nobody says how many.
const WATCH_DAYS: u32 = 30;

/// A group of customers with one success rate: its field, and whom it holds for.
pub struct RateField {
    /// The field.
    pub key: &'static str,
    /// The stage.
    pub stage: LifecycleStage,
    /// The tier; `None`: any.
    pub tier: Option<LapseTier>,
}

/// The groups that [`default_success`] tells apart. What it says of the last holds for lapsed customers without a tier.
pub const RATES: [RateField; 7] = {
    use LapseTier::{Dormant, Drowsy, HalfAsleep};
    use LifecycleStage::{FirstTime, Lapsed, Loyal, Potential, Repeat};
    const fn field(key: &'static str, stage: LifecycleStage, tier: Option<LapseTier>) -> RateField {
        RateField { key, stage, tier }
    }
    [
        field("rate_potential", Potential, None),
        field("rate_first_time", FirstTime, None),
        field("rate_repeat", Repeat, None),
        field("rate_loyal", Loyal, None),
        field("rate_lapsed_drowsy", Lapsed, Some(Drowsy)),
        field("rate_lapsed_half_asleep", Lapsed, Some(HalfAsleep)),
        field("rate_lapsed_dormant", Lapsed, Some(Dormant)),
    ]
};

/// Fields, and what stands in them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Typed(Vec<(String, String)>);

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Wrong {
    /// The field.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

/// The plan that a form says.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What may be done.
    pub spec: PlanSpec,
    /// Whether a success brings what is expected of the customer, where that is known.
    pub each_value: bool,
    /// The model whose score is the chance of the outcome without a contact, by its place.
    pub baseline: Option<usize>,
    /// That chance, where no model says it.
    pub base_rate: f64,
    /// Whom the plan is drawn for.
    pub campaign_id: String,
    /// What people call it; empty: its id.
    pub name: String,
}

/// The keys of a plan but for its actions, and what stands there where nobody types anything.
const FIELDS: [(&str, &str); 10] = [
    ("budget", ""),
    ("control", "10"),
    ("value_of", "one"),
    ("value", "30"),
    ("baseline", ""),
    ("base_rate", "5"),
    ("watch_days", "30"),
    ("success", "purchase"),
    ("consent", "yes"),
    ("name", ""),
];

/// The columns of an action, each with the number of its row behind.
pub const COLUMNS: [&str; 7] =
    ["action", "channel", "offer", "cost", "offer_cost", "most", "strength"];

/// Whether a pair of an address belongs to a plan, and not to the filter of customers.
pub fn is_plans(key: &str) -> bool {
    let of_action = || {
        let (column, row) = key.rsplit_once('_')?;
        let row: usize = row.parse().ok()?;
        Some(COLUMNS.contains(&column) && (1..=ACTIONS).contains(&row))
    };
    FIELDS.iter().any(|(own, _)| *own == key)
        || RATES.iter().any(|rate| rate.key == key)
        || matches!(key, "campaign_id" | "whom")
        || of_action() == Some(true)
}

/// The field of an action's column.
pub fn field(column: &str, row: usize) -> String {
    format!("{column}_{row}")
}

impl Typed {
    /// Those of some pairs that belong to a plan.
    pub fn of(pairs: &[(String, String)]) -> Typed {
        Typed(pairs.iter().filter(|(key, _)| is_plans(key)).cloned().collect())
    }

    /// What stands in a field; of several the last, as a box that is ticked comes behind what stands for one that is not.
    pub fn get(&self, key: &str) -> &str {
        let found = self.0.iter().rev().find(|(own, _)| own == key);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Whether a field was sent, if empty.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(own, _)| own == key)
    }

    /// Whether any action was typed.
    pub fn has_actions(&self) -> bool {
        (1..=ACTIONS).any(|row| self.has(&field("action", row)))
    }

    /// Puts something into a field that was not sent.
    pub fn fill(&mut self, key: &str, value: &str) {
        if !self.has(key) {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Fills what was not sent, but for actions and the campaign's id.
    pub fn fill_defaults(&mut self) {
        for (key, value) in FIELDS {
            self.fill(key, value);
        }
        for rate in &RATES {
            self.fill(rate.key, &percent(default_success(rate.stage, rate.tier)));
        }
    }

    /// Fills in the actions of a plan, the rates they are assumed to have, and the most contacts of their channels.
    pub fn fill_actions(&mut self, spec: &PlanSpec) {
        let rate = |action: &Action, rate: &RateField| {
            success(&spec.assumed, rate.stage, rate.tier, &action.name)
        };
        let sum = |action: &Action| RATES.iter().map(|own| rate(action, own)).sum::<f64>();
        let actions = &spec.actions[..spec.actions.len().min(ACTIONS)];
        // The strongest works by the rates as they stand, the others by a part of them.
        let strongest = actions.iter().max_by(|a, b| sum(a).total_cmp(&sum(b)));
        let Some(strongest) = strongest else { return };
        for own in &RATES {
            self.fill(own.key, &percent(rate(strongest, own)));
        }
        let mut told: Vec<&str> = Vec::new();
        for (place, action) in actions.iter().enumerate() {
            let most = spec.channels.get(&action.channel).and_then(|channel| channel.capacity);
            let most = most.filter(|_| !told.contains(&action.channel.as_str()));
            told.push(&action.channel);
            let strength = match sum(strongest) {
                all if all > 0.0 => sum(action) / all,
                _ => 1.0,
            };
            let cells = [
                action.name.clone(),
                action.channel.clone(),
                action.offer.clone(),
                action.cost.to_string(),
                action.offer_cost.to_string(),
                most.map_or_else(String::new, |most| most.to_string()),
                percent(strength),
            ];
            for (column, cell) in COLUMNS.iter().zip(&cells) {
                self.fill(&field(column, place + 1), cell);
            }
        }
    }

    /// The plan, where `models` have scored customers.
    ///
    /// # Errors
    /// With every field that says none.
    pub fn asked(&self, models: &[&str], texts: &Texts) -> Result<Asked, Vec<Wrong>> {
        let mut reading = Reading { typed: self, texts, wrong: Vec::new() };
        let asked = reading.asked(models);
        match reading.wrong {
            wrong if wrong.is_empty() => Ok(asked),
            wrong => Err(wrong),
        }
    }
}

/// The actions of a campaign that is the first.
pub fn first_plan() -> PlanSpec {
    let action = |name: &str, channel: &str, offer: &str, costs: (f64, f64)| Action {
        name: name.to_owned(),
        offer: offer.to_owned(),
        channel: channel.to_owned(),
        cost: costs.0,
        offer_cost: costs.1,
    };
    let actions = vec![
        action("reminder", "email", "", (0.02, 0.0)),
        action("letter", "post", "voucher", (0.8, 5.0)),
        action("call", "phone", "", (3.0, 0.0)),
    ];
    // The field's rates are of offers; that a mere reminder does half as much is a choice of ours.
    let assumed = rates("reminder", 0.5, &default_success);
    let (channels, offers) = Default::default();
    PlanSpec { plan: PlanRules::default(), actions, channels, offers, assumed }
}

/// What an action that works by a part of some rates is assumed to reach, stage by stage; of those that have lapsed, tier
/// by tier.
fn rates(
    action: &str,
    strength: f64,
    of: &dyn Fn(LifecycleStage, Option<LapseTier>) -> f64,
) -> Vec<AssumedRate> {
    let rate = |stage: LifecycleStage, tier: Option<LapseTier>| AssumedRate {
        stage: Some(stage),
        tier,
        action: Some(action.to_owned()),
        success: (strength * of(stage, tier)).min(1.0),
    };
    let stages = LifecycleStage::ALL.into_iter().map(|stage| rate(stage, None));
    let tiers = LapseTier::ALL.into_iter().map(|tier| rate(LifecycleStage::Lapsed, Some(tier)));
    stages.chain(tiers).collect()
}

/// A share in percent, as it is typed.
fn percent(share: f64) -> String {
    // 0.07 times 100 is no whole number.
    let rounded = (share * 1e6).round() / 1e4;
    rounded.to_string()
}

/// A form being read.
struct Reading<'a> {
    typed: &'a Typed,
    texts: &'a Texts,
    wrong: Vec<Wrong>,
}

impl Reading<'_> {
    fn asked(&mut self, models: &[&str]) -> Asked {
        let texts = self.texts;
        let budget = self.optional("budget", texts.amount, amount);
        let control = self.number("control", texts.share_held_out, |x| within(x, 0.0, 50.0));
        let each_value = self.chosen("value_of", ["one", "each"]) == "each";
        let value = self.number("value", texts.amount, amount);
        let baseline = self.baseline(models);
        let base_rate = self.number("base_rate", texts.percentage, |x| within(x, 0.0, 100.0));
        let watch_days = self.whole("watch_days", texts.days, 1..=3_650);
        let success = self.text("success", texts.kind);
        let consent_default = self.chosen("consent", ["yes", "no"]) == "yes";
        let (actions, channels) = self.actions();
        let assumed = self.assumed(&actions);
        let plan = PlanRules {
            budget,
            control_share: control / 100.0,
            consent_default,
            value: Some(value),
            baseline: baseline.map(|place| models[place].to_owned()),
            success,
            watch_days: watch_days.unwrap_or(u64::from(WATCH_DAYS)) as u32,
            ..PlanRules::default()
        };
        Asked {
            spec: PlanSpec { plan, actions, channels, offers: Default::default(), assumed },
            each_value,
            baseline,
            base_rate: base_rate / 100.0,
            campaign_id: self.typed.get("campaign_id").to_owned(),
            name: self.typed.get("name").to_owned(),
        }
    }

    fn tell(&mut self, key: &str, expected: &str) {
        let found: String = self.typed.get(key).chars().take(80).collect();
        self.wrong.push(Wrong { key: key.to_owned(), found, expected: expected.to_owned() });
    }

    /// A number that has to be there.
    fn number(&mut self, key: &str, expected: &str, fits: fn(f64) -> bool) -> f64 {
        let number = parsed(self.typed.get(key)).filter(|number| fits(*number));
        number.unwrap_or_else(|| {
            self.tell(key, expected);
            0.0
        })
    }

    fn optional(&mut self, key: &str, expected: &str, fits: fn(f64) -> bool) -> Option<f64> {
        (!self.typed.get(key).is_empty()).then(|| self.number(key, expected, fits))
    }

    /// What is not typed costs nothing.
    fn cost(&mut self, key: &str) -> f64 {
        self.optional(key, self.texts.amount, amount).unwrap_or(0.0)
    }

    /// A whole number, where one is typed.
    fn whole(
        &mut self,
        key: &str,
        expected: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.typed.get(key);
        if text.is_empty() {
            return None;
        }
        let whole = parsed(text).filter(|number| *number >= 0.0 && number.fract() == 0.0);
        let number = whole.map(|number| number as u64).filter(|number| range.contains(number));
        if number.is_none() {
            self.tell(key, expected);
        }
        number
    }

    fn text(&mut self, key: &str, expected: &str) -> String {
        let text = self.typed.get(key);
        if text.is_empty() || text.contains('\0') {
            self.tell(key, expected);
        }
        text.to_owned()
    }

    fn chosen(&mut self, key: &str, words: [&'static str; 2]) -> &'static str {
        let found = words.into_iter().find(|word| *word == self.typed.get(key));
        found.unwrap_or_else(|| {
            self.tell(key, &words.join(", "));
            words[0]
        })
    }

    fn baseline(&mut self, models: &[&str]) -> Option<usize> {
        let name = self.typed.get("baseline");
        let place = models.iter().position(|model| *model == name);
        if place.is_none() && !name.is_empty() {
            self.tell("baseline", &(self.texts.one_of)(&models.join(", ")));
        }
        place
    }

    fn actions(&mut self) -> (Vec<Action>, BTreeMap<String, Channel>) {
        let texts = self.texts;
        let mut actions: Vec<Action> = Vec::new();
        let mut channels = BTreeMap::<String, Channel>::new();
        for row in 1..=ACTIONS {
            // Numbers stand in rows that nobody uses, too.
            let named = ["action", "channel", "offer"];
            if named.iter().all(|column| self.typed.get(&field(column, row)).is_empty()) {
                continue;
            }
            let key = field("action", row);
            let name = self.text(&key, texts.action_name);
            if name == "none" {
                self.tell(&key, texts.action_name);
            } else if !name.is_empty() && actions.iter().any(|other| other.name == name) {
                self.tell(&key, texts.own_name);
            }
            let channel = self.text(&field("channel", row), texts.channel_name);
            let key = field("most", row);
            if let Some(most) = self.whole(&key, texts.whole_number, 0..=u64::MAX) {
                let before = channels.insert(channel.clone(), Channel { capacity: Some(most) });
                let before = before.and_then(|channel| channel.capacity);
                if let Some(before) = before.filter(|before| *before != most) {
                    self.tell(&key, &(texts.same_most)(&channel, before));
                }
            }
            actions.push(Action {
                name,
                offer: self.typed.get(&field("offer", row)).to_owned(),
                channel,
                cost: self.cost(&field("cost", row)),
                offer_cost: self.cost(&field("offer_cost", row)),
            });
        }
        if actions.is_empty() {
            self.tell("action_1", texts.some_action);
        }
        (actions, channels)
    }

    /// Success rates, where they are others than those that hold anyway.
    fn assumed(&mut self, actions: &[Action]) -> Vec<AssumedRate> {
        let texts = self.texts;
        let typed: Vec<f64> = RATES
            .iter()
            .map(|rate| self.number(rate.key, texts.percentage, |x| within(x, 0.0, 100.0)) / 100.0)
            .collect();
        let of = |stage: LifecycleStage, tier: Option<LapseTier>| {
            // As by default: awake ones as drowsy ones, those without a tier as dormant ones.
            let tier = match tier {
                Some(LapseTier::Awake) => Some(LapseTier::Drowsy),
                None => Some(LapseTier::Dormant),
                tier => tier,
            };
            let of = |rate: &RateField| {
                rate.stage == stage && (rate.tier.is_none() || rate.tier == tier)
            };
            RATES.iter().position(of).map_or(0.0, |place| typed[place])
        };
        let mut assumed = Vec::new();
        let rows = (1..=ACTIONS).filter(|row| !self.typed.get(&field("action", *row)).is_empty());
        for row in rows.collect::<Vec<_>>() {
            let key = field("strength", row);
            let strength = self.optional(&key, texts.strength_range, |x| within(x, 0.0, 1_000.0));
            let name = self.typed.get(&field("action", row));
            if !actions.iter().any(|action| action.name == name) {
                continue;
            }
            let own = rates(name, strength.unwrap_or(100.0) / 100.0, &of);
            let usual = |rate: &AssumedRate| {
                let stage = rate.stage.unwrap_or(LifecycleStage::Potential);
                (rate.success - default_success(stage, rate.tier)).abs() < 1e-12
            };
            if !own.iter().all(usual) {
                assumed.extend(own);
            }
        }
        assumed
    }
}

/// A number as people type it: thousands may be grouped by commas.
fn parsed(text: &str) -> Option<f64> {
    let grouped =
        text.split(',').skip(1).all(|part| part.split('.').next().is_some_and(|d| d.len() == 3));
    let text = if grouped { text.replace(',', "") } else { text.to_owned() };
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn amount(number: f64) -> bool {
    within(number, 0.0, MOST_MONEY)
}

fn within(number: f64, low: f64, high: f64) -> bool {
    (low..=high).contains(&number)
}

#[cfg(test)]
mod tests {
    use rekindle_models::language::Language;

    use super::*;

    fn texts() -> &'static Texts {
        &crate::pages::texts::Texts::of(Language::English).plan
    }

    fn typed(pairs: &[(&str, &str)]) -> Typed {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut typed = Typed::of(&pairs);
        if !typed.has_actions() {
            typed.fill_actions(&first_plan());
        }
        typed.fill_defaults();
        typed
    }

    #[test]
    fn a_plan_becomes_a_form_and_the_same_plan_again() {
        let asked = typed(&[("budget", "1,500.5"), ("most_2", "300"), ("control", "20")]);
        let asked = asked.asked(&["churned"], texts()).unwrap();
        asked.spec.validate().unwrap();
        assert_eq!((asked.spec.plan.budget, asked.spec.plan.control_share), (Some(1_500.5), 0.2));
        assert_eq!(asked.spec.channels["post"].capacity, Some(300));
        let first = first_plan();
        assert_eq!((&asked.spec.actions, &asked.spec.assumed), (&first.actions, &first.assumed));
        let mut again = Typed::default();
        again.fill_actions(&asked.spec);
        again.fill_defaults();
        let again = again.asked(&[], texts()).unwrap().spec;
        assert_eq!((&again.actions, &again.assumed), (&asked.spec.actions, &asked.spec.assumed));
        assert_eq!(again.channels, asked.spec.channels);
    }

    #[test]
    fn rates_that_are_typed_hold_for_their_customers_and_actions() {
        let asked =
            typed(&[("rate_lapsed_dormant", "2"), ("rate_repeat", "40"), ("strength_3", "150")]);
        let spec = asked.asked(&[], texts()).unwrap().spec;
        let check = |stage, tier, action: &str, expected: f64| {
            let found = success(&spec.assumed, stage, tier, action);
            assert!((found - expected).abs() < 1e-12, "{stage:?} {tier:?} {action}: {found}");
        };
        use LapseTier::{Awake, Dormant, Drowsy};
        use LifecycleStage::{Lapsed, Repeat};
        check(Lapsed, Some(Dormant), "letter", 0.02);
        check(Lapsed, None, "letter", 0.02);
        check(Lapsed, Some(Awake), "letter", 0.15);
        check(Lapsed, Some(Dormant), "reminder", 0.01);
        check(Repeat, Some(Drowsy), "call", 0.6);
        // What is as it is anyway is not said.
        let usual = typed(&[("strength_1", "100")]).asked(&[], texts()).unwrap().spec;
        assert_eq!(usual.assumed, []);
    }

    #[test]
    fn what_is_typed_wrongly_is_told_at_its_field() {
        let check = |pairs: &[(&str, &str)], key: &str, found: &str| {
            let wrong = typed(pairs).asked(&["churned"], texts()).unwrap_err();
            let keys: Vec<&str> = wrong.iter().map(|wrong| wrong.key.as_str()).collect();
            assert_eq!((keys, wrong[0].found.as_str()), (vec![key], found), "{pairs:?}");
            assert!(!wrong[0].expected.is_empty());
        };
        check(&[("budget", "abc")], "budget", "abc");
        check(&[("budget", "-1")], "budget", "-1");
        check(&[("budget", "1,5")], "budget", "1,5");
        check(&[("control", "60")], "control", "60");
        check(&[("value", "")], "value", "");
        check(&[("watch_days", "0")], "watch_days", "0");
        check(&[("success", " ")], "success", "");
        check(&[("baseline", "other")], "baseline", "other");
        check(&[("rate_loyal", "101")], "rate_loyal", "101");
        check(&[("strength_1", "x")], "strength_1", "x");
        check(&[("action_1", "")], "action_1", "");
        let two = [
            ("action_1", "mail"),
            ("channel_1", "email"),
            ("most_1", "5"),
            ("action_2", "mail"),
            ("channel_2", "post"),
        ];
        check(&two, "action_2", "mail");
        let most = [
            ("action_1", "mail"),
            ("channel_1", "email"),
            ("most_1", "5"),
            ("action_2", "second"),
            ("channel_2", "email"),
            ("most_2", "6"),
        ];
        check(&most, "most_2", "6");
        check(&[("action_1", "mail")], "channel_1", "");
        check(&[("action_1", ""), ("channel_1", "email")], "action_1", "");
        check(&[("action_1", "none"), ("channel_1", "email")], "action_1", "none");
        check(&[("cost_1", "5 per")], "cost_1", "5 per");
    }
}
