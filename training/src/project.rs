//! The project's TOML file, `rekindle.toml`: as typed, then checked. Reads no log.

use std::collections::BTreeMap;
use std::path::Path;

use rekindle_models::behaviour::{Duplicates, Zone};
use rekindle_models::customer::CustomerRules;
use rekindle_models::frame::nearest_name;
use rekindle_models::metrics::Campaign;
use serde::{Deserialize, Serialize};

use crate::attributes::AttributesSpec;
use crate::error::{Error, Result};
use crate::families::Features;
use crate::ingest::{LogRules, Source, SourceSpec};
use crate::marks::{Groups, Marketing};
use crate::question::{Days, Eligible, PRESETS, Question, Questions};
use crate::terms::ValueTable;
use crate::verdict::Limits;

/// All of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Where the logs are and what their columns mean; at least one.
    #[serde(rename = "source")]
    pub sources: Vec<SourceSpec>,
    /// What is known of customers besides, and since when.
    #[serde(default)]
    pub attributes: Vec<AttributesSpec>,
    /// What holds for all logs.
    #[serde(default)]
    pub log: Log,
    /// When customers are looked at.
    #[serde(default)]
    pub panel: PanelTable,
    /// By what rules they are lapsed, loyal or of a grade.
    #[serde(default)]
    pub customers: CustomerRules,
    /// What is told of them.
    #[serde(default)]
    pub features: Features,
    /// What is asked of them, by name.
    #[serde(default)]
    pub targets: BTreeMap<String, TargetTable>,
    /// Labels that are given, instead of questions.
    #[serde(default)]
    pub labels: Option<Labels>,
    /// Groups of features by names of one's own: patterns with `*`.
    #[serde(default)]
    pub groups: Groups,
    /// What marketing is told of features, as reasons.
    #[serde(default)]
    pub marketing: Marketing,
    /// What wrong decisions cost: the threshold is then the cheapest.
    #[serde(default)]
    pub costs: Option<Costs>,
    /// The campaign that those predicted positive are contacted by: the threshold is then the most profitable.
    #[serde(default)]
    pub profit: Option<Campaign>,
    /// What customers are worth by: margins and costs.
    #[serde(default)]
    pub value: ValueTable,
    /// What is asked of the models.
    #[serde(default)]
    pub limits: Limits,
}

/// The `[log]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Time zone of local days and hours.
    pub timezone: String,
    /// The instant the log ends at; without it, just after its last event.
    pub end: Option<String>,
    /// What happens to events equal in all they hold.
    pub duplicates: Duplicates,
    /// Share of bad lines above which nothing is built; 0 to 1.
    pub max_bad_lines: f64,
    /// The kind of purchases.
    pub purchase: String,
    /// The kind of returns: purchases with an amount below 0 are some.
    pub returned: String,
    /// The currency of amounts: those in another one are missing.
    pub currency: Option<String>,
}

impl Default for Log {
    fn default() -> Log {
        Log {
            timezone: "UTC".to_owned(),
            end: None,
            duplicates: Duplicates::Keep,
            max_bad_lines: 0.01,
            purchase: "purchase".to_owned(),
            returned: "return".to_owned(),
            currency: None,
        }
    }
}

/// The `[panel]` table: cutoffs one by one, or from `first` to `last` every so many days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PanelTable {
    /// Dates or instants.
    pub cutoffs: Vec<String>,
    /// The first cutoff.
    pub first: Option<String>,
    /// The last one at most.
    pub last: Option<String>,
    /// The days between.
    pub every: Option<Days>,
}

/// A `[targets.NAME]` table. One with a name that every business knows (`retained`, `churned`, `paid`,
/// `repaid`, `reactivated`, `converted`) needs its horizon only.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// See [`Question`].
    #[serde(default, rename = "do")]
    pub does: Option<rekindle_models::behaviour::Selector>,
    /// See [`Question`].
    #[serde(default)]
    pub do_not: Option<rekindle_models::behaviour::Selector>,
    /// See [`Question`]; 1.
    #[serde(default)]
    pub times: Option<u32>,
    /// See [`Question`].
    pub horizon: Days,
    /// See [`Question`]; none.
    #[serde(default)]
    pub gap: Days,
    /// See [`Question`]; everybody with a history, or as the name has it.
    #[serde(default)]
    pub eligible: Option<Eligible>,
}

/// The `[labels]` table: who had the target, as given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The target's name.
    pub target: String,
    /// The table: CSV, Parquet or Arrow IPC.
    pub path: String,
    /// Its column of customers.
    pub customer: String,
    /// Its column of labels: 1 and 0, true and false, or see `yes`.
    pub label: String,
    /// The value that counts as yes.
    #[serde(default)]
    pub yes: Option<String>,
    /// Its column of cutoffs, where each customer has one.
    #[serde(default)]
    pub cutoff: Option<String>,
    /// Without such a column: the cutoff of all,
    #[serde(default)]
    pub cutoff_at: Option<String>,
    /// or the start of the day so many days after the day of the customer's last line in the log (`1d`: the
    /// next day), lines without events included.
    #[serde(default)]
    pub cutoff_after_last_line: Option<Days>,
    /// How long after its cutoff a label is known. Must be said where there are several cutoffs.
    #[serde(default)]
    pub known_after: Option<Days>,
}

/// The `[costs]` table, in money.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Of contacting one who did not need it.
    pub false_positive: f64,
    /// Of missing one who did.
    pub miss: f64,
}

impl Project {
    /// Reads a project.
    ///
    /// # Errors
    /// When the file cannot be read, or is not as it should be: with the line, and the nearest right
    /// word where one is misspelt.
    pub fn read(path: &Path) -> Result<Project> {
        let text = std::fs::read_to_string(path).map_err(|source| {
            Error::BadOptions(format!(
                "{}: failed to read it: {source}; `rekindle init LOG` writes a first one",
                path.display()
            ))
        })?;
        Project::parse(&text, &path.display().to_string())
    }

    /// The same from text; `name` is the file's, for messages.
    ///
    /// # Errors
    /// As [`Project::read`].
    pub fn parse(text: &str, name: &str) -> Result<Project> {
        let project: Project =
            toml::from_str(text).map_err(|e| Error::BadOptions(explained(name, text, &e)))?;
        project.validate().map_err(|e| match e {
            Error::BadOptions(reason) => Error::BadOptions(format!("{name}: {reason}")),
            other => other,
        })?;
        Ok(project)
    }

    fn validate(&self) -> Result<()> {
        let bad = |text: String| Err(Error::BadOptions(text));
        if self.sources.is_empty() {
            return bad("no [[source]]; expected at least one log".to_owned());
        }
        self.check_zones()?;
        for (key, share) in [
            ("log.max_bad_lines", self.log.max_bad_lines),
            ("features.min_support", self.features.min_support),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return bad(format!("{key} = {share}: expected 0 to 1"));
            }
        }
        let Features { windows, families, own, .. } = &self.features;
        if own.is_empty() && (windows.is_empty() || families.is_empty()) {
            return bad(
                "[features] has no windows or no families, and no own features; expected some"
                    .to_owned(),
            );
        }
        if let Some(labels) = &self.labels {
            let ways = [
                labels.cutoff.is_some(),
                labels.cutoff_at.is_some(),
                labels.cutoff_after_last_line.is_some(),
            ];
            if ways.iter().filter(|way| **way).count() != 1 {
                return bad("[labels]: expected one of cutoff (a column), cutoff_at (an instant) \
                            and cutoff_after_last_line (days)"
                    .to_owned());
            }
            if !self.targets.is_empty() {
                return bad(
                    "[labels] and [targets]: expected one of them; labels have cutoffs of \
                            their own"
                        .to_owned(),
                );
            }
        }
        for (key, cost) in self
            .costs
            .iter()
            .flat_map(|costs| [("false_positive", costs.false_positive), ("miss", costs.miss)])
        {
            if !(cost > 0.0 && cost.is_finite()) {
                return bad(format!("costs.{key} = {cost}: expected a number above 0"));
            }
        }
        if self.costs.is_some() && self.profit.is_some() {
            return bad(
                "[costs] and [profit]: expected one of them: each chooses the threshold".to_owned()
            );
        }
        if let Some(profit) = &self.profit {
            profit.validate()?;
        }
        self.limits.validate()?;
        self.value.validate()?;
        self.questions()?;
        if self.labels.is_none() {
            self.cutoffs()?;
        }
        self.log_end()?;
        self.checked_sources()?;
        self.customers.validate()?;
        self.attributes.iter().try_for_each(AttributesSpec::validate)
    }

    /// Whether time zones are some, of the log and of its sources.
    fn check_zones(&self) -> Result<()> {
        let sources = (1..).zip(&self.sources);
        let of_sources = sources.filter_map(|(number, source)| {
            Some((format!("timezone of source {number}"), source.timezone.as_ref()?))
        });
        let all =
            std::iter::once(("log.timezone".to_owned(), &self.log.timezone)).chain(of_sources);
        for (key, name) in all {
            if let Err(error) = Zone::named(name) {
                let near = Zone::nearest(name);
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                return Err(Error::BadOptions(format!("{key}: {error}{near}")));
            }
        }
        Ok(())
    }

    /// The sources, checked.
    ///
    /// # Errors
    /// When one of them lacks something or cannot be.
    pub fn checked_sources(&self) -> Result<Vec<Source>> {
        let rules = LogRules {
            timezone: self.log.timezone.clone(),
            purchase: self.log.purchase.clone(),
            returned: self.log.returned.clone(),
            currency: self.log.currency.clone(),
            measures: self.measures(),
        };
        (1..).zip(&self.sources).map(|(number, spec)| Source::new(spec, number, &rules)).collect()
    }

    /// The rules of `[customers]`; purchases are the log's where they do not say.
    pub fn customer_rules(&self) -> CustomerRules {
        let mut rules = self.customers.clone();
        if rules.purchase == CustomerRules::default().purchase {
            rules.purchase = vec![self.log.purchase.clone()];
        }
        rules
    }

    /// The measures of events; the amount first.
    pub fn measures(&self) -> Vec<String> {
        let mut more: Vec<String> =
            self.sources.iter().flat_map(|s| s.measures.keys().cloned()).collect();
        more.sort_unstable();
        more.dedup();
        [vec!["amount".to_owned()], more].concat()
    }

    /// The targets, by name.
    ///
    /// # Errors
    /// When a target is malformed.
    pub fn questions(&self) -> Result<Questions> {
        let question = |(name, table): (&String, &TargetTable)| {
            Ok((name.clone(), self.question(name, table)?))
        };
        let by_name = self.targets.iter().map(question).collect::<Result<_>>()?;
        Ok(Questions { by_name, customers: self.customer_rules() })
    }

    fn question(&self, name: &str, table: &TargetTable) -> Result<Question> {
        let known = Question::preset(name, &self.log.purchase, table.horizon);
        let own = table.does.is_some() || table.do_not.is_some();
        if let Some(near) =
            nearest_name(name, PRESETS.into_iter()).filter(|_| known.is_none() && !own)
        {
            return Err(Error::BadOptions(format!(
                "targets.{name}: found no do and no do_not, expected one of them; did you mean {near:?}, which \
                 needs none?"
            )));
        }
        let mut question = known.unwrap_or_else(|| Question {
            does: None,
            do_not: None,
            times: 1,
            horizon: table.horizon,
            gap: Days::default(),
            eligible: Eligible::default(),
        });
        if own {
            // Another deed, asked of the same people.
            (question.does, question.do_not) = (table.does.clone(), table.do_not.clone());
        }
        question.times = table.times.unwrap_or(question.times);
        question.gap = table.gap;
        if let Some(eligible) = &table.eligible {
            question.eligible = eligible.clone();
        }
        question.validate(name)?;
        Ok(question)
    }

    /// The cutoffs in milliseconds, rising.
    ///
    /// # Errors
    /// When there is none, or one is no date.
    pub fn cutoffs(&self) -> Result<Vec<i64>> {
        let panel = &self.panel;
        let at = |key: &str, text: &str| self.instant(&format!("panel.{key}"), text);
        let mut cutoffs: Vec<i64> =
            panel.cutoffs.iter().map(|text| at("cutoffs", text)).collect::<Result<_>>()?;
        match (&panel.first, &panel.last, panel.every) {
            (Some(first), Some(last), Some(every)) if every.0 > 0 => {
                let (from, to) = (first, last);
                let (first, last) = (at("first", first)?, at("last", last)?);
                if first > last {
                    return Err(Error::BadOptions(format!(
                        "[panel]: first = {from:?} is after last = {to:?}; expected it before"
                    )));
                }
                // Days of the local clock: a step over a change of it is an hour shorter or longer.
                let zone = Zone::named(&self.log.timezone)?;
                let start = zone.local(first);
                let steps = (0..).map(|i| zone.instant(start + i * every.ms()));
                cutoffs.extend(steps.take_while(|c| *c <= last));
            }
            (None, None, None) => {}
            _ => {
                return Err(Error::BadOptions(
                    "[panel]: expected first, last and every (above 0d) together".to_owned(),
                ));
            }
        }
        cutoffs.sort_unstable();
        cutoffs.dedup();
        match cutoffs.is_empty() {
            true => Err(Error::BadOptions(
                "[panel] has no cutoff; expected cutoffs = [\"2024-06-01\"], or first, last and every"
                    .to_owned(),
            )),
            false => Ok(cutoffs),
        }
    }

    /// The log's stated end in milliseconds.
    ///
    /// # Errors
    /// When it is no date.
    pub fn log_end(&self) -> Result<Option<i64>> {
        self.log.end.as_deref().map(|text| self.instant("log.end", text)).transpose()
    }

    /// An instant of the file: a date (its start in the log's time zone), or a date and a time, with a
    /// zone or in the log's.
    ///
    /// # Errors
    /// When it is neither.
    pub fn instant(&self, key: &str, text: &str) -> Result<i64> {
        Zone::named(&self.log.timezone)?.parse(text).ok_or_else(|| {
            Error::BadOptions(format!(
                "{key}: found {text:?}, expected a date as \"2024-06-01\" or an instant as \
                 \"2024-06-01T12:00:00Z\""
            ))
        })
    }
}

/// A parser's complaint with its line and, where a word is misspelt, the nearest right one.
pub fn explained(name: &str, text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1)
        .map_or_else(String::new, |line| format!(":{line}"));
    let message = error.message().trim_end();
    let mut words = message.split('`').skip(1).step_by(2);
    let near = words.next().and_then(|found| nearest_name(found, words));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("{name}{line}: {message}{near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "[[source]]\npath = \"a.csv\"\ncustomer = \"c\"\ntime = \"t\"\nkind = \"k\"\n";

    fn error(text: &str) -> String {
        Project::parse(&format!("{SOURCE}{text}"), "rekindle.toml").unwrap_err().to_string()
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line_and_the_right_one() {
        let misspelt = error("[features]\nwindws = [\"7d\"]\n");
        assert!(misspelt.starts_with("rekindle.toml:7: "), "{misspelt}");
        assert!(misspelt.ends_with("did you mean \"windows\"?"), "{misspelt}");
        assert!(error("[pannel]\n").contains("did you mean \"panel\"?"));
        assert!(
            error("[features]\nfamilies = [\"cuonts\"]\n").contains("did you mean \"counts\"?")
        );
        assert!(
            error("[targets.churned]\nhorizn = \"9d\"\n").contains("did you mean \"horizon\"?")
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let panel = "[panel]\ncutoffs = [\"2024-06-01\"]\n";
        let check = |text: &str, expected: &str| {
            let found = error(text);
            assert!(found.contains(expected), "{found}");
        };
        check("", "[panel] has no cutoff");
        check("[panel]\nfirst = \"2024-01-01\"\n", "first, last and every");
        check("[panel]\ncutoffs = [\"1.6.2024\"]\n", "expected a date");
        check(&format!("{panel}[log]\ntimezone = \"Mars\"\n"), "log.timezone: ");
        let near = |name: &str| format!("{panel}[log]\ntimezone = \"{name}\"\n");
        check(&near("Europe/Pairs"), "did you mean \"Europe/Paris\"?");
        check(&near("berlin"), "did you mean \"Europe/Berlin\"?");
        check(&near("Mars"), "IANA");
        check(&format!("{panel}[log]\nduplicates = \"dorp\"\n"), "did you mean \"drop\"?");
        check(&format!("{panel}[targets.chruned]\nhorizon = \"9d\"\n"), "did you mean \"churned\"");
        check(
            &format!("{panel}[limits]\nmax_error_rate = 45\n"),
            "limits.max_error_rate = 45: expected 0 to 1",
        );
        check(&format!("{panel}[limits]\nconfidence = 95\n"), "limits.confidence = 95");
        check(
            &format!("{panel}[costs]\nfalse_positive = inf\nmiss = 1\n"),
            "costs.false_positive = inf",
        );
        let turned = "[panel]\nfirst = \"2024-06-01\"\nlast = \"2024-05-01\"\nevery = \"7d\"\n";
        check(turned, "first = \"2024-06-01\" is after last = \"2024-05-01\"");
        check(&format!("{panel}[log]\nmax_bad_lines = 2\n"), "expected 0 to 1");
        check(&format!("{panel}[targets.left]\nhorizon = \"9d\"\n"), "no do and no do_not");
        check(&format!("{panel}[features]\nwindows = [\"7 days\"]\n"), "expected days");
        check(&format!("{panel}[costs]\nfalse_positive = 0\nmiss = 1\n"), "above 0");
        check(&format!("{panel}[profit]\nclvv = 3\n"), "clvv");
        check(&format!("{panel}[profit]\ncontact_cost = -1\n"), "contact_cost");
        check(
            &format!("{panel}[profit]\nclv = 3\n[costs]\nfalse_positive = 1\nmiss = 1\n"),
            "[costs] and [profit]",
        );
    }

    #[test]
    fn cutoffs_are_local_midnights_and_presets_need_a_horizon_only() {
        let text = format!(
            "{SOURCE}[log]\ntimezone = \"Europe/Paris\"\n[panel]\nfirst = \"2024-06-01\"\n\
             last = \"2024-07-01\"\nevery = \"30d\"\n[targets.churned]\nhorizon = \"90d\"\n"
        );
        let project = Project::parse(&text, "rekindle.toml").unwrap();
        let first = 1_717_192_800_000; // 2024-05-31T22:00:00Z
        assert_eq!(project.cutoffs().unwrap(), [first, first + 30 * 86_400_000]);
        let questions = project.questions().unwrap();
        let churned = Question::preset("churned", "purchase", Days(90)).unwrap();
        assert_eq!(questions.by_name[0].1, churned);
        let own = format!("{text}do_not = {{ min_amount = 50 }}\n");
        let own = Project::parse(&own, "rekindle.toml").unwrap().questions().unwrap();
        assert_eq!(own.by_name[0].1.eligible, churned.eligible);
        assert_eq!(own.by_name[0].1.do_not.as_ref().unwrap().min_amount, Some(50.0));
    }
}
