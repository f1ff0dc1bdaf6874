//! The `[customers]` table of a project: as typed, and bound to the kinds that a log has.

use serde::{Deserialize, Deserializer, Serialize};

use crate::behaviour::{Dictionary, OTHER};
use crate::customer::grade::Grades;
use crate::customer::loyalty::Loyalty;
use crate::customer::stage::Loyal;
use crate::customer::tier::{LapseTier, Tiers};
use crate::error::{Error, Result};

/// By what rules customers are described, as the user writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerRules {
    /// The kind of event that is a purchase, or several; at least one. Every event of it is a purchase,
    /// whatever its amount.
    #[serde(deserialize_with = "one_or_many")]
    pub purchase: Vec<String>,
    /// Kinds whose amounts, of either sign, are taken off the amounts of purchases. None of them is a
    /// purchase.
    #[serde(deserialize_with = "one_or_many", rename = "return")]
    pub returns: Vec<String>,
    /// Kinds that count as visits for the grades; none: purchases do.
    #[serde(deserialize_with = "one_or_many")]
    pub visit: Vec<String>,
    /// Where lapse tiers begin.
    pub tiers: Tiers,
    /// The tier from which on a customer is `lapsed`; not `awake`.
    pub lapsed_from: LapseTier,
    /// Who is in the lifecycle stage `loyal`.
    pub loyal: Loyal,
    /// How loyalty types are told.
    pub loyalty: Loyalty,
    /// How grades are cut.
    pub grades: Grades,
}

/// Valid rules with the codes of a log's kinds in the place of names.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundRules {
    rules: CustomerRules,
    purchase: Vec<u16>,
    returns: Vec<u16>,
    visit: Vec<u16>,
}

impl Default for CustomerRules {
    fn default() -> CustomerRules {
        CustomerRules {
            purchase: vec!["purchase".to_owned()],
            returns: Vec::new(),
            visit: Vec::new(),
            tiers: Tiers::default(),
            lapsed_from: LapseTier::Dormant,
            loyal: Loyal::default(),
            loyalty: Loyalty::default(),
            grades: Grades::default(),
        }
    }
}

impl CustomerRules {
    /// # Errors
    /// When a rule is out of its range or contradicts another.
    pub fn validate(&self) -> Result<()> {
        check(!self.purchase.is_empty(), "customers.purchase", &"empty", "a kind's name")?;
        if let Some(both) = self.returns.iter().find(|kind| self.purchase.contains(kind)) {
            let expected = "kinds that are no purchases";
            return check(false, "customers.return", &format!("{both:?}, a purchase"), expected);
        }
        let awake = self.lapsed_from == LapseTier::Awake;
        let tiers = "drowsy, half_asleep or dormant";
        check(!awake, "customers.lapsed_from", &self.lapsed_from.text(), tiers)?;
        self.tiers.validate()?;
        self.loyal.validate()?;
        self.loyalty.validate()?;
        self.grades.validate()
    }

    /// The rules with the codes of `kinds`.
    ///
    /// # Errors
    /// When they are not valid, or name a kind that is not among `kinds`.
    pub fn bind(&self, kinds: &Dictionary) -> Result<BoundRules> {
        self.validate()?;
        let codes = |parameter, names: &[String]| -> Result<Vec<u16>> {
            names.iter().map(|name| code(kinds, parameter, name)).collect()
        };
        let purchase = codes("customers.purchase", &self.purchase)?;
        let visit = match self.visit.is_empty() {
            true => purchase.clone(),
            false => codes("customers.visit", &self.visit)?,
        };
        let returns = codes("customers.return", &self.returns)?;
        Ok(BoundRules { rules: self.clone(), purchase, returns, visit })
    }
}

impl BoundRules {
    /// The rules as they were typed.
    pub fn rules(&self) -> &CustomerRules {
        &self.rules
    }

    /// Whether an event of this kind is a purchase.
    pub fn is_purchase(&self, kind: u16) -> bool {
        self.purchase.contains(&kind)
    }

    /// Whether its amount is taken off.
    pub fn is_return(&self, kind: u16) -> bool {
        self.returns.contains(&kind)
    }

    /// Whether it is a visit.
    pub fn is_visit(&self, kind: u16) -> bool {
        self.visit.contains(&kind)
    }

    /// The days that grades look at, `None` for all.
    pub fn graded_span_days(&self) -> Option<i64> {
        self.rules.grades.span_days.map(i64::from)
    }
}

/// A parameter that does not fit is an error that says so.
pub(crate) fn check(
    fits: bool,
    parameter: &'static str,
    found: &dyn std::fmt::Display,
    expected: &'static str,
) -> Result<()> {
    match fits {
        true => Ok(()),
        false => Err(Error::BadParameter { parameter, found: found.to_string(), expected }),
    }
}

/// Names of kinds shown in an error.
const SHOWN: usize = 10;

fn code(kinds: &Dictionary, parameter: &'static str, name: &str) -> Result<u16> {
    let code = kinds.code(name);
    if code != OTHER {
        return Ok(code);
    }
    let shown = kinds.names().iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if kinds.names().len() > SHOWN { ", ..." } else { "" };
    Err(Error::BadParameter {
        parameter,
        found: format!("{name:?}, and the events' kinds are: {shown}{more}"),
        expected: "a kind that events have",
    })
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a kind's name or a list of names")]
    enum Kinds {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Kinds::deserialize(from)? {
        Kinds::One(name) => vec![name],
        Kinds::Many(names) => names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<CustomerRules, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn an_empty_table_is_the_default_and_all_can_be_written() {
        assert_eq!(read("").unwrap(), CustomerRules::default());
        CustomerRules::default().validate().unwrap();
        let rules = read(
            "purchase = ['order', 'renewal']\nreturn = 'refund'\nvisit = 'session'\n\
             tiers = { gaps = [2, 4.5, 8], floor_days = 14, min_purchase_days = 3 }\n\
             lapsed_from = 'half_asleep'\n\
             loyal = { purchase_days = 4, window_days = 180, by = 'count' }\n\
             loyalty = { period_days = 7, span_days = 84 }\n\
             grades = { a = 0.1, b = 0.4, span_days = 365 }",
        )
        .unwrap();
        rules.validate().unwrap();
        assert_eq!(rules.purchase, ["order", "renewal"]);
        assert_eq!((&rules.returns[0][..], &rules.visit[0][..]), ("refund", "session"));
        assert_eq!(rules.tiers.gaps, Some([2.0, 4.5, 8.0]));
        assert_eq!(rules.tiers.days, [30, 90, 180]);
        assert_eq!(rules.lapsed_from, LapseTier::HalfAsleep);
        assert_eq!(read(&toml::to_string(&rules).unwrap()).unwrap(), rules);
    }

    #[test]
    fn misspelt_and_contradictory_rules_are_refused() {
        for (text, message) in [
            ("purchases = 'order'", "unknown field `purchases`"),
            ("tiers = { day = [1, 2, 3] }", "unknown field `day`"),
            ("loyal = { by = 'type' }", "unknown variant `type`"),
            ("purchase = 3", "expected a kind's name or a list of names"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        for (text, message) in [
            ("purchase = []", "customers.purchase is empty"),
            ("return = 'purchase'", "customers.return is \"purchase\", a purchase"),
            ("lapsed_from = 'awake'", "customers.lapsed_from is awake"),
            ("tiers = { days = [30, 20, 180] }", "customers.tiers.days"),
            ("loyal = { purchase_days = 1 }", "customers.loyal.purchase_days is 1"),
            ("loyal = { window_days = 0 }", "customers.loyal.window_days is 0"),
            ("loyalty = { loyal_share = 1.5 }", "customers.loyalty.loyal_share is 1.5"),
            ("grades = { a = 0.9 }", "customers.grades.b is 0.3"),
        ] {
            let error = read(text).unwrap().validate().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn kinds_that_no_event_has_are_named_with_those_there_are() {
        let kinds = Dictionary::new(vec!["order".to_owned(), "session".to_owned()]);
        let error = CustomerRules::default().bind(&kinds).unwrap_err().to_string();
        let expected = "customers.purchase is \"purchase\", and the events' kinds are: order, session, \
                        expected a kind that events have";
        assert_eq!(error, expected);
        let bound = read("purchase = 'order'").unwrap().bind(&kinds).unwrap();
        assert!(bound.is_purchase(0) && bound.is_visit(0) && !bound.is_purchase(1));
        let bound = read("purchase = 'order'\nvisit = ['session']").unwrap().bind(&kinds).unwrap();
        assert!(bound.is_visit(1) && !bound.is_visit(0) && !bound.is_purchase(OTHER));
    }
}
