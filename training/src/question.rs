//! Targets asked of behaviour: what a customer does in the horizon after a cutoff, and who is asked.
//! Knows no table.

use std::fmt;
use std::str::FromStr;

use rekindle_models::behaviour::{
    DAY_MS, Dictionaries, History, Matcher, Selector, Timeline, Zone,
};
use rekindle_models::customer::{
    BoundRules, CustomerRules, LapseTier, LifecycleStage, Scratch, describe,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A span of days of 24 hours, written `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub struct Days(pub u32);

impl Days {
    /// Its milliseconds.
    pub fn ms(self) -> i64 {
        i64::from(self.0) * DAY_MS
    }
}

impl TryFrom<String> for Days {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Days, String> {
        text.parse()
    }
}

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Days, String> {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
        days.filter(|days| *days <= 36_500)
            .map(Days)
            .ok_or_else(|| format!("{text:?}: expected days, as \"90d\", at most 36500d"))
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl From<Days> for String {
    fn from(days: Days) -> String {
        days.to_string()
    }
}

/// A `[targets.NAME]` table: `do` or `do_not` something within a horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Yes when the customer does this.
    #[serde(default, rename = "do", skip_serializing_if = "Option::is_none")]
    pub does: Option<Selector>,
    /// Yes when the customer does not do this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_not: Option<Selector>,
    /// How often at least.
    #[serde(default = "once")]
    pub times: u32,
    /// How long it is watched for: `[cutoff + gap, cutoff + gap + horizon)`.
    pub horizon: Days,
    /// How long after the cutoff the horizon begins.
    #[serde(default)]
    pub gap: Days,
    /// Who is asked; all of the conditions hold. Everybody with a history (events, or attributes with a
    /// time of knowing) where there is none.
    #[serde(default)]
    pub eligible: Eligible,
}

/// Conditions on the history of those who are asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Eligible {
    /// Who did this,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did: Option<Selector>,
    /// within so many days before the cutoff (without it: ever).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Days>,
    /// So often at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Who did not do it for so many days before the cutoff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent_for: Option<Days>,
    /// Who never did this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never: Option<Selector>,
    /// Who is in one of these lapse tiers at the cutoff, by the rules of `[customers]`; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<LapseTier>,
    /// Who is in one of these lifecycle stages at the cutoff, by the same rules; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<LifecycleStage>,
}

/// All that is asked, and the rules by which lapse tiers and stages of the eligible are told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Questions {
    /// The questions by target.
    pub by_name: Vec<(String, Question)>,
    /// Who is lapsed, loyal or of a tier.
    pub customers: CustomerRules,
}

impl Questions {
    /// The names of the targets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.iter().map(|(name, _)| name.as_str())
    }

    /// What events the questions look at, each a selector; the purchases behind tiers and stages among them.
    pub fn selectors(&self) -> Vec<Selector> {
        let mut questions = self.by_name.iter().map(|(_, question)| question);
        let asked = questions.clone().flat_map(Question::selectors).cloned();
        let purchases = questions.any(|question| question.eligible.by_state());
        let kinds = purchases
            .then(|| Selector { kinds: self.customers.purchase.clone(), ..Selector::default() });
        asked.chain(kinds).collect()
    }
}

impl Eligible {
    /// Whether it asks for a lapse tier or a lifecycle stage.
    fn by_state(&self) -> bool {
        !(self.tiers.is_empty() && self.stages.is_empty())
    }
}

fn once() -> u32 {
    1
}

/// The names of targets that every business asks.
pub const PRESETS: [&str; 6] =
    ["retained", "churned", "paid", "repaid", "reactivated", "converted"];

impl Question {
    /// One of the targets that every business asks, about purchases of a kind.
    ///
    /// `retained` and `churned` are asked of who purchased in the horizon's length before the cutoff,
    /// `paid` of all, `repaid` of who has purchased once at least, `reactivated` of who is lapsed,
    /// `converted` of who never has purchased.
    pub fn preset(name: &str, purchase: &str, horizon: Days) -> Option<Question> {
        let bought = || Some(Selector::kind(purchase));
        let active = || Eligible { did: bought(), within: Some(horizon), ..Eligible::default() };
        let customer = || Eligible { did: bought(), ..Eligible::default() };
        let (yes, eligible) = match name {
            "retained" => (true, active()),
            "churned" => (false, active()),
            "paid" => (true, Eligible::default()),
            "repaid" => (true, customer()),
            "reactivated" => {
                (true, Eligible { stages: vec![LifecycleStage::Lapsed], ..Eligible::default() })
            }
            "converted" => (true, Eligible { never: bought(), ..Eligible::default() }),
            _ => return None,
        };
        Some(Question {
            does: bought().filter(|_| yes),
            do_not: bought().filter(|_| !yes),
            times: 1,
            horizon,
            gap: Days::default(),
            eligible,
        })
    }

    /// How long after a cutoff the log must go on for the answer to be known, in milliseconds.
    pub fn reach_ms(&self) -> i64 {
        self.gap.ms() + self.horizon.ms()
    }

    /// # Errors
    /// When the parts contradict each other; `name` is the target's.
    pub fn validate(&self, name: &str) -> Result<()> {
        let bad = |found: &str, expected: &str| {
            Err(Error::BadOptions(format!("targets.{name}: found {found}, expected {expected}")))
        };
        if self.does.is_some() == self.do_not.is_some() {
            let found = if self.does.is_some() { "do and do_not" } else { "no do and no do_not" };
            return bad(found, "one of them, as do = { kinds = [\"purchase\"] }");
        }
        if self.horizon.0 == 0 {
            return bad("horizon = \"0d\"", "at least one day");
        }
        if self.times == 0 || self.eligible.times == Some(0) {
            return bad("times = 0", "at least 1");
        }
        let needs_did = self.eligible.within.is_some()
            || self.eligible.times.is_some()
            || self.eligible.silent_for.is_some();
        if needs_did && self.eligible.did.is_none() {
            return bad(
                "eligible without did",
                "did = { kinds = [...] }: within, times and silent_for say more of it",
            );
        }
        Ok(())
    }

    /// The kinds, channels and product groups that it names.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        let asked = [&self.does, &self.do_not, &self.eligible.did, &self.eligible.never];
        asked.into_iter().flatten()
    }
}

/// Questions ready to be put to customers.
#[derive(Debug, Clone)]
pub struct Asked {
    questions: Vec<Matched>,
    /// Where a question asks for a tier or a stage.
    rules: Option<(BoundRules, Zone)>,
}

/// A question with matchers for its selectors.
#[derive(Debug, Clone)]
struct Matched {
    question: Question,
    asked: Matcher,
    did: Option<Matcher>,
    never: Option<Matcher>,
}

impl Asked {
    /// # Errors
    /// When a question is malformed, or names a kind, channel or product group that `names` does not.
    pub fn new(questions: &Questions, zone: &Zone, names: &Dictionaries) -> Result<Asked> {
        let matched = |(name, question): &(String, Question)| {
            question.validate(name)?;
            let what = format!("targets.{name}");
            let matcher = |selector: &Selector| Matcher::new(&what, selector, names);
            let asked = question.does.as_ref().or(question.do_not.as_ref());
            Ok(Matched {
                asked: matcher(asked.expect("a validated question asks for something"))?,
                did: question.eligible.did.as_ref().map(matcher).transpose()?,
                never: question.eligible.never.as_ref().map(matcher).transpose()?,
                question: question.clone(),
            })
        };
        let by_name = &questions.by_name;
        let by_state = by_name.iter().any(|(_, question)| question.eligible.by_state());
        // Tiers and stages follow from purchases alone.
        let rules =
            CustomerRules { returns: Vec::new(), visit: Vec::new(), ..questions.customers.clone() };
        let rules = by_state.then(|| rules.bind(&names.kinds)).transpose()?;
        Ok(Asked {
            questions: by_name.iter().map(matched).collect::<Result<_>>()?,
            rules: rules.map(|rules| (rules, zone.clone())),
        })
    }

    /// Number of questions.
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// The answers for a customer, in the order of the questions: 1 for yes, 0 for no, NaN for who is
    /// not asked. Who is asked follows from what was known before the cutoff alone; the horizon counts what
    /// happened in it, whenever it was received. Who has no history is not asked, unless attributes were
    /// `known` before the cutoff.
    pub fn answer(
        &self,
        timeline: &Timeline<'_>,
        history: &History<'_>,
        known: bool,
        scratch: &mut Scratch,
        answers: &mut [f64],
    ) {
        let known = known || !history.events().is_empty();
        let state =
            self.rules.as_ref().map(|(rules, zone)| describe(history, rules, zone, scratch));
        let fits = |eligible: &Eligible| {
            state.as_ref().is_none_or(|state| {
                let tier =
                    |tiers: &[LapseTier]| state.lapse_tier.is_some_and(|t| tiers.contains(&t));
                (eligible.tiers.is_empty() || tier(&eligible.tiers))
                    && (eligible.stages.is_empty()
                        || eligible.stages.contains(&state.lifecycle_stage))
            })
        };
        for (matched, answer) in self.questions.iter().zip(answers) {
            let is_asked = known && fits(&matched.question.eligible) && matched.is_asked(history);
            *answer = match is_asked {
                true => f64::from(u8::from(matched.answer(timeline, history.cutoff()))),
                false => f64::NAN,
            };
        }
    }
}

impl Matched {
    fn is_asked(&self, history: &History<'_>) -> bool {
        let events = history.events();
        let passing = |matcher: &'_ Matcher, from: i64| {
            let events = events.between(from, history.cutoff());
            (0..events.len()).filter(|&place| matcher.passes(&events, place)).count()
        };
        let eligible = &self.question.eligible;
        let back = |days: Option<Days>| days.map_or(i64::MIN, |d| history.cutoff() - d.ms());
        let did = self.did.as_ref().is_none_or(|did| {
            let silent =
                eligible.silent_for.is_none_or(|_| passing(did, back(eligible.silent_for)) == 0);
            silent && passing(did, back(eligible.within)) >= eligible.times.unwrap_or(1) as usize
        });
        did && self.never.as_ref().is_none_or(|never| passing(never, i64::MIN) == 0)
    }

    fn answer(&self, timeline: &Timeline<'_>, cutoff: i64) -> bool {
        let question = &self.question;
        let events = timeline.between(cutoff + question.gap.ms(), cutoff + question.reach_ms());
        let passing = (0..events.len()).filter(|&place| self.asked.passes(&events, place)).count();
        (passing >= question.times as usize) == question.does.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_models::behaviour::{Dictionary, Events};

    const CUTOFF: i64 = 1_000 * DAY_MS;

    fn names() -> Dictionaries {
        let kinds = Dictionary::new(vec!["purchase".to_owned(), "visit".to_owned()]);
        Dictionaries { kinds, ..Dictionaries::default() }
    }

    /// The answer for purchases and visits so many days after the cutoff.
    fn answer(question: &Question, purchases: &[f64], visits: &[f64]) -> Option<bool> {
        answer_knowing(question, purchases, visits, false)
    }

    /// The same of one whose attributes were known.
    fn answer_knowing(
        question: &Question,
        purchases: &[f64],
        visits: &[f64],
        known: bool,
    ) -> Option<bool> {
        let mut events = Events { measures: vec![Vec::new()], ..Events::default() };
        let mut all: Vec<(f64, u16)> = purchases.iter().map(|d| (*d, 0)).collect();
        all.extend(visits.iter().map(|d| (*d, 1)));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (days, kind) in all {
            events.times.push(CUTOFF + (days * DAY_MS as f64) as i64);
            events.kinds.push(kind);
            events.measures[0].push(days.abs());
        }
        let timeline = Timeline::new(&events, 0..events.len());
        let mut kept = Events::default();
        let history = timeline.history(CUTOFF, &mut kept);
        let mut answers = [0.5];
        let name = "asked".to_owned();
        let questions =
            Questions { by_name: vec![(name, question.clone())], ..Questions::default() };
        let asked = Asked::new(&questions, &Zone::default(), &names()).unwrap();
        asked.answer(&timeline, &history, known, &mut Scratch::default(), &mut answers);
        (!answers[0].is_nan()).then_some(answers[0] == 1.0)
    }

    fn preset(name: &str) -> Question {
        Question::preset(name, "purchase", Days(90)).unwrap()
    }

    #[test]
    fn presets_ask_whom_they_say() {
        let check = |name: &str, purchases: &[f64], visits: &[f64], expected: Option<bool>| {
            assert_eq!(answer(&preset(name), purchases, visits), expected, "{name} {purchases:?}");
        };
        check("churned", &[-10.0], &[], Some(true));
        check("churned", &[-10.0, 89.9], &[], Some(false));
        check("churned", &[-10.0, 90.0], &[], Some(true));
        check("churned", &[-90.0], &[], Some(true));
        check("churned", &[-90.1], &[-1.0], None);
        check("retained", &[-10.0, 0.0], &[], Some(true));
        check("retained", &[-10.0], &[5.0], Some(false));
        check("paid", &[5.0], &[-1.0], Some(true));
        check("paid", &[5.0], &[], None);
        check("repaid", &[-500.0, 5.0], &[], Some(true));
        check("repaid", &[5.0], &[-1.0], None);
        check("reactivated", &[-180.0, 5.0], &[-1.0], Some(true));
        check("reactivated", &[-180.0, 90.0], &[], Some(false));
        check("reactivated", &[-179.0, 5.0], &[], None);
        check("reactivated", &[5.0], &[-200.0], None);
        check("converted", &[5.0], &[-1.0], Some(true));
        check("converted", &[-400.0, 5.0], &[-1.0], None);
        assert_eq!(Question::preset("left", "purchase", Days(90)), None);
    }

    #[test]
    fn who_is_known_by_attributes_alone_is_asked_what_needs_no_purchase() {
        let check = |name: &str, purchases: &[f64], unknown: Option<bool>, known: Option<bool>| {
            let answers = [false, true].map(|k| answer_knowing(&preset(name), purchases, &[], k));
            assert_eq!(answers, [unknown, known], "{name} {purchases:?}");
        };
        check("converted", &[5.0], None, Some(true));
        check("converted", &[90.0], None, Some(false));
        check("converted", &[-5.0], None, None);
        check("paid", &[5.0], None, Some(true));
        for name in ["churned", "retained", "repaid", "reactivated"] {
            check(name, &[5.0], None, None);
        }
    }

    #[test]
    fn tiers_and_stages_say_who_is_asked() {
        let asked = |eligible: &str, purchases: &[f64]| {
            let text = format!("do = {{}}\nhorizon = \"9d\"\neligible = {{ {eligible} }}");
            answer(&toml::from_str(&text).unwrap(), purchases, &[-400.0]).is_some()
        };
        assert!(asked("tiers = ['drowsy', 'dormant']", &[-30.0]));
        assert!(!asked("tiers = ['drowsy', 'dormant']", &[-29.0]));
        assert!(!asked("tiers = ['drowsy', 'dormant']", &[-90.0]));
        assert!(!asked("tiers = ['awake']", &[]));
        assert!(asked("stages = ['potential']", &[]));
        assert!(asked("stages = ['repeat']", &[-40.0, -20.0]));
        assert!(!asked("stages = ['repeat'], tiers = ['drowsy']", &[-40.0, -20.0]));
    }

    #[test]
    fn conditions_gaps_and_numbers_of_times_count() {
        let from = |text: &str| toml::from_str::<Question>(text).unwrap();
        let question = from(
            "do = { kinds = [\"purchase\"], min_amount = 5 }\nhorizon = \"10d\"\ngap = \"2d\"\ntimes = 2",
        );
        assert_eq!(answer(&question, &[-1.0, 1.9, 6.0, 7.0], &[]), Some(true));
        assert_eq!(answer(&question, &[-1.0, 4.0, 7.0, 12.0], &[]), Some(false));
        assert_eq!(answer(&question, &[-1.0, 6.0, 11.99], &[]), Some(true));
        let error = |text: &str| from(text).validate("x").unwrap_err().to_string();
        assert!(error("horizon = \"3d\"").contains("no do and no do_not"));
        assert!(error("do = {}\nhorizon = \"0d\"").contains("at least one day"));
        assert!(error("do = {}\nhorizon = \"1d\"\ntimes = 0").contains("at least 1"));
        let without = "do = {}\nhorizon = \"1d\"\neligible = { within = \"3d\" }";
        assert!(error(without).contains("did = "));
        let typed = toml::from_str::<Question>("do = {}\nhorizon = \"1 day\"").unwrap_err();
        assert!(typed.to_string().contains("expected days"));
    }

    #[test]
    fn a_kind_that_is_nowhere_is_refused() {
        let question = Question::preset("paid", "purchse", Days(3)).unwrap();
        let by_name = vec![("paid".to_owned(), question)];
        let questions = Questions { by_name, ..Questions::default() };
        let error = Asked::new(&questions, &Zone::default(), &names()).unwrap_err();
        assert!(error.to_string().contains("did you mean \"purchase\""), "{error}");
    }
}
