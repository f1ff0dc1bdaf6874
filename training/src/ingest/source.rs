//! A `[[source]]` of a project: where a log is and what its columns mean, as typed and then checked.
//! Opens no file.

use std::collections::BTreeMap;

use rekindle_models::behaviour::Zone;
use rekindle_models::frame::ReadOptions;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ingest::expression::Expression;
use crate::ingest::times::{self, TimeFormat};

/// A `[[source]]` table. What an event is made of is told by expressions over the columns; a column's name
/// is the simplest one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceSpec {
    /// Files, globs, folders or URLs; relative ones are beside the project's file.
    pub path: Paths,
    /// The files' format; without it each is told by its content.
    pub format: Option<FileFormat>,
    /// The character between the fields of CSV files; without it the likeliest of `,` `;` tab and `|`.
    pub delimiter: Option<char>,
    /// What parts the fraction of a number in CSV files: `.` without it, or `,`, as in `1.234,50`. Of the columns
    /// in `amount`, `measures` and `unpivot`.
    pub decimal: Option<char>,
    /// Cells of CSV files that count as missing, besides empty ones.
    pub missing: Option<Vec<String>>,
    /// A service whose exports need no mapping; what is said besides it wins.
    pub preset: Option<Preset>,
    /// Whose the event is.
    pub customer: Option<String>,
    /// When it happened.
    pub time: Option<String>,
    /// How times are written; `iso` without it.
    pub time_format: Option<String>,
    /// The zone of times that do not tell one; the log's without it.
    pub timezone: Option<String>,
    /// What kind of event it is.
    pub kind: Option<String>,
    /// Its amount of money.
    pub amount: Option<String>,
    /// The currency of that amount, and of no other measure.
    pub currency: Option<String>,
    /// The product it is about.
    pub product: Option<String>,
    /// The group of that product.
    pub product_group: Option<String>,
    /// The channel it came through.
    pub channel: Option<String>,
    /// When the company came to know it.
    pub received_at: Option<String>,
    /// Further numbers, by name.
    pub measures: BTreeMap<String, String>,
    /// Lines that count: those for which this is true.
    pub filter: Option<String>,
    /// Columns of counts: every number above 0 becomes an event, the column's name its kind and the
    /// number its amount.
    pub unpivot: Vec<String>,
}

/// One path or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// The format of a log's files, gzipped or not (Parquet never is).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// CSV with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// Parquet.
    Parquet,
}

/// Services whose exports are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Segment's calls: `track`, `page` and `screen` are events, `identify` tells attributes.
    Segment,
}

/// What holds for all sources of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRules {
    /// The zone of times that do not tell one.
    pub timezone: String,
    /// The kind of purchases.
    pub purchase: String,
    /// The kind of returns: a purchase with an amount below 0 is one.
    pub returned: String,
    /// The currency of amounts: those in another one are missing. Without it a log of several
    /// currencies is refused.
    pub currency: Option<String>,
    /// The measures of events; the amount first.
    pub measures: Vec<String>,
}

/// A source that has been checked.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in messages.
    pub(super) name: String,
    pub(super) paths: Vec<String>,
    pub(super) format: Option<FileFormat>,
    pub(super) delimiter: Option<u8>,
    /// Whether numbers of CSV files have a decimal comma.
    pub(super) comma: bool,
    pub(super) missing: Vec<String>,
    pub(super) mapping: Mapping,
    /// Those of the mapping's columns that the project names itself, not its preset.
    pub(super) named: Vec<String>,
}

/// What lines become.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    pub customer: Expression,
    pub time: Expression,
    pub time_format: TimeFormat,
    pub zone: Zone,
    pub received: Option<Expression>,
    /// `None` where columns are unpivoted.
    pub kind: Option<Expression>,
    pub product: Option<Expression>,
    pub group: Option<Expression>,
    pub channel: Option<Expression>,
    /// The amount, then the log's other measures; those that this source has.
    pub measures: Vec<Option<Expression>>,
    pub currency: Option<Expression>,
    pub wanted_currency: Option<String>,
    pub filter: Option<Expression>,
    pub unpivot: Vec<String>,
    pub purchase: String,
    pub returned: String,
    /// Whether lines that are no events may tell attributes, as Segment's `identify` does.
    pub identifies: bool,
}

impl Default for LogRules {
    /// Purchases and returns by these names, in UTC, with no measure but the amount.
    fn default() -> LogRules {
        LogRules {
            timezone: "UTC".to_owned(),
            purchase: "purchase".to_owned(),
            returned: "return".to_owned(),
            currency: None,
            measures: vec!["amount".to_owned()],
        }
    }
}

impl Default for Paths {
    fn default() -> Paths {
        Paths::Several(Vec::new())
    }
}

impl SourceSpec {
    /// What it says, with what its preset says where it says nothing itself.
    fn with_preset(&self) -> SourceSpec {
        let Some(Preset::Segment) = self.preset else { return self.clone() };
        let or =
            |own: &Option<String>, preset: &str| Some(own.as_deref().unwrap_or(preset).to_owned());
        SourceSpec {
            format: self.format.or(Some(FileFormat::Ndjson)),
            customer: or(&self.customer, "coalesce(userId, anonymousId)"),
            time: or(&self.time, "coalesce(timestamp, originalTimestamp)"),
            received_at: or(&self.received_at, "receivedAt"),
            kind: or(
                &self.kind,
                "if(type != 'track', type, if(event = 'Order Completed', 'purchase', \
                 if(event = 'Order Refunded', 'return', event)))",
            ),
            amount: or(
                &self.amount,
                "coalesce(properties.revenue, properties.total, properties.value)",
            ),
            currency: or(&self.currency, "properties.currency"),
            product: or(&self.product, "properties.product_id"),
            product_group: or(&self.product_group, "properties.category"),
            channel: or(&self.channel, "coalesce(channel, context.campaign.medium)"),
            filter: or(&self.filter, "type = 'track' or type = 'page' or type = 'screen'"),
            ..self.clone()
        }
    }

    /// Those of some columns that its own texts name.
    fn named(&self, columns: &[String]) -> Vec<String> {
        let words = [&self.customer, &self.time, &self.kind, &self.amount, &self.currency];
        let more =
            [&self.product, &self.product_group, &self.channel, &self.received_at, &self.filter];
        let texts = words.into_iter().chain(more).flatten().chain(self.measures.values());
        let read: Vec<Expression> = texts.flat_map(|text| Expression::parse(text)).collect();
        let mut names: Vec<&str> = self.unpivot.iter().map(String::as_str).collect();
        read.iter().for_each(|expression| expression.columns(&mut names));
        columns.iter().filter(|column| names.contains(&column.as_str())).cloned().collect()
    }
}

impl Source {
    /// Checks a source; `number` is its place in the project, from 1.
    ///
    /// # Errors
    /// When something needed is not said, an expression cannot be read, or a zone or format is none.
    pub fn new(spec: &SourceSpec, number: usize, rules: &LogRules) -> Result<Source> {
        let typed = spec;
        let spec = typed.with_preset();
        let paths = match &spec.path {
            Paths::One(path) => vec![path.clone()],
            Paths::Several(paths) => paths.clone(),
        };
        let shown: Vec<String> = paths.iter().map(|path| without_secrets(path)).collect();
        let name = format!("source {number} ({})", shown.join(", "));
        let bad = |text: String| Error::BadOptions(format!("{name}: {text}"));
        if paths.iter().all(String::is_empty) {
            return Err(bad("no path; expected a file, glob, folder or URL".to_owned()));
        }
        let read = |key: &str, text: &Option<String>| {
            let read = |text: &String| {
                Expression::parse(text).map_err(|e| bad(format!("{key} = {text:?}: {e}")))
            };
            text.as_ref().map(read).transpose()
        };
        let required = |key: &str, text: &Option<String>| {
            read(key, text)?
                .ok_or_else(|| bad(format!("no {key}; expected the column that tells it")))
        };
        let kind = match spec.unpivot.is_empty() {
            true => Some(required("kind", &spec.kind)?),
            false => {
                check_unpivot(&spec).map_err(bad)?;
                None
            }
        };
        let timezone = spec.timezone.as_ref().unwrap_or(&rules.timezone);
        let format = spec.time_format.as_deref().unwrap_or("iso");
        let measure = |name: &String| match name == &rules.measures[0] {
            true => read("amount", &spec.amount),
            false => read(&format!("measures.{name}"), &spec.measures.get(name).cloned()),
        };
        let mapping = Mapping {
            customer: required("customer", &spec.customer)?,
            time: required("time", &spec.time)?,
            time_format: TimeFormat::parse(format).ok_or_else(|| {
                bad(format!("time_format = {format:?}: expected {}", times::EXPECTED))
            })?,
            zone: Zone::named(timezone).map_err(|e| bad(e.to_string()))?,
            received: read("received_at", &spec.received_at)?,
            kind,
            product: read("product", &spec.product)?,
            group: read("product_group", &spec.product_group)?,
            channel: read("channel", &spec.channel)?,
            measures: rules.measures.iter().map(measure).collect::<Result<_>>()?,
            currency: read("currency", &spec.currency)?,
            wanted_currency: rules.currency.clone(),
            filter: read("filter", &spec.filter)?,
            unpivot: spec.unpivot.clone(),
            purchase: rules.purchase.clone(),
            returned: rules.returned.clone(),
            identifies: spec.preset == Some(Preset::Segment),
        };
        let delimiter = spec.delimiter.map(|c| {
            u8::try_from(c).ok().filter(u8::is_ascii).ok_or_else(|| {
                bad(format!("delimiter = {c:?}; expected an ASCII character, as \";\""))
            })
        });
        let comma = match spec.decimal {
            None | Some('.') => false,
            Some(',') => true,
            Some(other) => {
                return Err(bad(format!("decimal = \"{other}\"; expected \".\" or \",\"")));
            }
        };
        let usual = || ReadOptions::default().missing;
        Ok(Source {
            paths,
            format: spec.format,
            delimiter: delimiter.transpose()?,
            comma,
            missing: spec.missing.clone().unwrap_or_else(usual),
            named: typed.named(&mapping.columns()),
            mapping,
            name,
        })
    }

    /// Which of some columns of a CSV file have numbers with a decimal comma.
    pub(super) fn with_commas(&self, columns: &[String]) -> Vec<bool> {
        let of_numbers = self.mapping.columns_of_numbers();
        columns.iter().map(|name| self.comma && of_numbers.contains(&name.as_str())).collect()
    }
}

fn check_unpivot(spec: &SourceSpec) -> std::result::Result<(), String> {
    if spec.kind.is_some() || spec.amount.is_some() {
        return Err("kind or amount beside unpivot; expected unpivot alone, which makes both of each of its \
                    columns"
            .to_owned());
    }
    if let Some(measure) = spec.measures.keys().next() {
        return Err(format!(
            "measures beside unpivot, as {measure}; expected unpivot alone: a line becomes several events, and \
             nothing says whose measure it is. Tell the column in unpivot, or leave it out"
        ));
    }
    let mut names = spec.unpivot.iter().enumerate();
    match names.find(|(place, name)| spec.unpivot[..*place].contains(name)) {
        Some((_, name)) => Err(format!(
            "unpivot names {name:?} twice; expected each column once, else its events count twice"
        )),
        None => Ok(()),
    }
}

/// A path for messages: of a URL, without a password and without what a signature may stand in.
pub(super) fn without_secrets(path: &str) -> String {
    let Some((scheme, rest)) = path.split_once("://") else { return path.to_owned() };
    let plain = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = plain.split_at(plain.find('/').unwrap_or(plain.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

impl Mapping {
    /// The columns that measures are made of, perhaps with repetition.
    pub fn columns_of_numbers(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.unpivot.iter().map(String::as_str).collect();
        self.measures.iter().flatten().for_each(|measure| measure.columns(&mut names));
        names
    }

    /// The columns that are needed, without repetition.
    pub fn columns(&self) -> Vec<String> {
        let single = [&self.received, &self.kind, &self.product, &self.group, &self.channel];
        let optional = single
            .into_iter()
            .chain(&self.measures)
            .chain([&self.currency, &self.filter])
            .flatten();
        let mut names: Vec<&str> = Vec::new();
        [&self.customer, &self.time]
            .into_iter()
            .chain(optional)
            .for_each(|e| e.columns(&mut names));
        names.extend(self.unpivot.iter().map(String::as_str));
        if self.identifies {
            names.extend(["type", "traits"]);
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> LogRules {
        let measures = vec!["amount".to_owned(), "discount".to_owned()];
        LogRules { measures, ..LogRules::default() }
    }

    fn source(text: &str) -> Result<Source> {
        Source::new(&toml::from_str(text).unwrap(), 1, &rules())
    }

    #[test]
    fn a_source_needs_the_columns_it_names_and_no_others() {
        let source = source(
            "path = [\"a.csv\", \"b/\"]\ncustomer = \"c\"\ntime = \"t\"\nkind = \"if(q < 0, 'return', 'buy')\"\n\
             amount = \"q * p\"\nfilter = \"not test\"\nmeasures = { discount = \"d\" }\n",
        )
        .unwrap();
        assert_eq!(source.mapping.columns(), ["c", "d", "p", "q", "t", "test"]);
        assert_eq!(source.paths, ["a.csv", "b/"]);
    }

    #[test]
    fn what_is_not_said_or_cannot_be_is_told() {
        let check = |text: &str, expected: &str| {
            let error = source(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        };
        let most = "path = \"a.csv\"\ncustomer = \"c\"\ntime = \"t\"\n";
        check("customer = \"c\"", "no path");
        check("path = \"a.csv\"\ntime = \"t\"\nkind = \"k\"", "source 1 (a.csv): no customer");
        check(most, "no kind; expected the column");
        check(&format!("{most}kind = \"Event Type\""), "`Order Date`");
        check(&format!("{most}kind = \"k\"\ntime_format = \"seconds\""), "epoch_s");
        check(&format!("{most}kind = \"k\"\ntimezone = \"Mars\""), "IANA");
        check(&format!("{most}kind = \"k\"\ndelimiter = \"é\""), "ASCII");
        check(&format!("{most}kind = \"k\"\nunpivot = [\"a\"]"), "unpivot alone");
        let measured = "unpivot = [\"a\"]\nmeasures = { discount = \"d\" }";
        check(&format!("{most}{measured}"), "measures beside unpivot");
        check(&format!("{most}unpivot = [\"a\", \"b\", \"a\"]"), "unpivot names \"a\" twice");
    }

    #[test]
    fn segment_needs_no_mapping_and_what_is_said_wins() {
        let source =
            source("path = \"calls.ndjson\"\npreset = \"segment\"\ncustomer = \"email\"").unwrap();
        assert_eq!(source.format, Some(FileFormat::Ndjson));
        let columns = source.mapping.columns();
        assert!(columns.contains(&"email".to_owned()) && !columns.contains(&"userId".to_owned()));
        assert!(columns.contains(&"properties.revenue".to_owned()));
    }
}
