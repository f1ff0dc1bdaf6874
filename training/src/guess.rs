//! What a log's columns may mean, by their names and cells, and the project file that says so. Reads no
//! files.

use std::collections::BTreeSet;
use std::fmt::Write;

use rekindle_models::behaviour::{DAY_MS, Zone};

use crate::error::Result;
use crate::ingest::{
    LogNames, LogRules, Look, NEARLY_ALL, Paths, Preset, ReadReport, Sampled, Source, SourceSpec,
    Stray, other_way, time_format, with_point,
};

/// What was guessed of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    spec: SourceSpec,
    columns: Vec<String>,
    files: usize,
    /// Whether another format reads the times as well.
    either_way: bool,
}

/// What the log holds when it is read so.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The first event and just after the last, in milliseconds; misdated ones left out.
    span: Option<(i64, i64)>,
    /// Where the log ends, and how many events are most likely misdated.
    stray: Option<Stray>,
    /// Kinds with the number of events, the most frequent first, and those of them with an amount.
    kinds: Vec<(String, u64, u64)>,
    lines: u64,
    bad: u64,
    /// Whether kinds are columns of counts: none of them is a purchase because it has amounts.
    unpivoted: bool,
}

/// Names by which columns are known, the surest first. Compared without case, blanks and underscores.
const CUSTOMER: &[&str] = &[
    "customerid",
    "userid",
    "clientid",
    "memberid",
    "accountid",
    "subscriberid",
    "playerid",
    "customer",
    "user",
    "client",
    "member",
    "account",
    "enrollmentid",
    "householdkey",
    "msno",
    "visitorid",
    "email",
];
const TIME: &[&str] = &[
    "time",
    "timestamp",
    "eventtime",
    "datetime",
    "createdat",
    "occurredat",
    "date",
    "invoicedate",
    "orderdate",
    "transdate",
    "transactiondate",
    "purchasedate",
    "eventdate",
    "day",
    "ts",
];
const RECEIVED: &[&str] = &["receivedat", "ingestedat", "loadedat", "arrivedat"];
const KIND: &[&str] =
    &["kind", "event", "eventtype", "eventname", "action", "type", "activity", "behavior"];
const AMOUNT: &[&str] = &[
    "amount",
    "revenue",
    "total",
    "totalprice",
    "price",
    "sales",
    "salesvalue",
    "value",
    "tranamount",
    "payment",
    "spend",
];
const PRODUCT: &[&str] =
    &["product", "productid", "sku", "stockcode", "itemid", "item", "productcode", "articleid"];
const GROUP: &[&str] =
    &["productgroup", "category", "productcategory", "department", "categorycode"];
const CHANNEL: &[&str] = &["channel", "source", "medium", "platform", "device"];
/// Parts of names of kinds that are purchases.
const PURCHASES: [&str; 7] =
    ["purchase", "order completed", "order", "buy", "transaction", "sale", "payment"];

/// Fewest columns of numbers that are taken for counts to unpivot.
const UNPIVOTED: usize = 3;

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// An expression that is this column.
fn quoted(name: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    match starts && name.chars().all(word) && !["and", "or", "not", "true", "false"].contains(&name)
    {
        true => name.to_owned(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

impl Guess {
    /// Guesses what the columns of a log at `path` mean.
    pub fn new(path: &str, look: &Look) -> Guess {
        let columns: Vec<String> = look.columns.iter().map(|column| column.name.clone()).collect();
        let has = |name: &str| columns.iter().any(|column| column == name);
        let path = Paths::One(path.to_owned());
        let spec = match has("type") && has("timestamp") && (has("userId") || has("anonymousId")) {
            true => SourceSpec { path, preset: Some(Preset::Segment), ..SourceSpec::default() },
            false => by_columns(path, &look.columns),
        };
        Guess { spec, columns, files: look.files, either_way: false }
    }

    /// The same with day and month of times the other way round, where they may be so.
    pub fn other_way(&self) -> Option<Guess> {
        let other = other_way(self.spec.time_format.as_deref()?)?;
        let spec = SourceSpec { time_format: Some(other.to_owned()), ..self.spec.clone() };
        Some(Guess { spec, ..self.clone() })
    }

    /// Notes that the other way round reads as many lines, and says so.
    pub fn note_either_way(&mut self, other: &Guess) -> String {
        self.either_way = true;
        let format = |guess: &Guess| guess.spec.time_format.clone().unwrap_or_default();
        format!(
            "warning: times may be {} or {}, and all lines fit both: {} was taken; correct time_format where \
             months come first",
            format(self),
            format(other),
            format(self)
        )
    }

    /// The source that was guessed, checked.
    ///
    /// # Errors
    /// When no column tells the customer or the time.
    pub fn source(&self) -> Result<Source> {
        Source::new(&self.spec, 1, &LogRules::default()).map_err(|e| {
            crate::Error::BadOptions(format!(
                "{e}. No column's name says so among {}; write the [[source]] by hand, as the README shows",
                self.columns.join(", ")
            ))
        })
    }
}

fn by_columns(path: Paths, columns: &[Sampled]) -> SourceSpec {
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut find = |names: &[&str], fits: &dyn Fn(&Sampled) -> bool| -> Option<&Sampled> {
        let found = names.iter().find_map(|name| {
            let named =
                |c: &&Sampled| plain(c.name.rsplit('.').next().unwrap_or(&c.name)) == **name;
            let mut named = columns.iter().filter(named);
            named.find(|c| fits(c) && !taken.contains(c.name.as_str()))
        });
        taken.extend(found.map(|column| column.name.as_str()));
        found
    };
    let is_time = |c: &Sampled| time_format(&c.cells).is_some();
    // By its cells where no name tells: a column of dates is hard to mistake, one of numbers is not.
    let unnamed = || columns.iter().find(|c| is_time(c) && !is_number(c));
    let time = find(TIME, &is_time).or_else(unnamed);
    let received = find(RECEIVED, &|c| time_format(&c.cells).is_some());
    let customer = find(CUSTOMER, &|_| true);
    let kind = find(KIND, &|c| c.cells.iter().flatten().collect::<BTreeSet<_>>().len() <= 100);
    let of_numbers = |c: &Sampled| is_number(c) || has_commas(c);
    let quantity = find(&["quantity", "qty"], &of_numbers);
    let price = find(&["unitprice"], &of_numbers);
    let (numbers, amount) = match (quantity, price) {
        (Some(quantity), Some(price)) => {
            let product = format!("{} * {}", quoted(&quantity.name), quoted(&price.name));
            (vec![quantity, price], Some(product))
        }
        _ => {
            let amount = find(AMOUNT, &of_numbers);
            (Vec::from_iter(amount), amount.map(|column| quoted(&column.name)))
        }
    };
    let commas = numbers.into_iter().any(has_commas);
    let product = find(PRODUCT, &|_| true);
    let group = find(GROUP, &|_| true);
    let channel = find(CHANNEL, &|c| c.cells.iter().flatten().collect::<BTreeSet<_>>().len() <= 50);
    let name = |column: Option<&Sampled>| column.map(|column| quoted(&column.name));
    let format = time.and_then(|time| time_format(&time.cells)).filter(|format| *format != "iso");
    // A name that stands twice in a header is that of its first column.
    let first = |place: usize| columns[..place].iter().all(|c| c.name != columns[place].name);
    let counts: Vec<String> = columns
        .iter()
        .enumerate()
        .filter(|(place, c)| is_number(c) && !taken.contains(c.name.as_str()) && first(*place))
        .map(|(_, c)| c.name.clone())
        .collect();
    let unpivot = kind.is_none() && amount.is_none() && counts.len() >= UNPIVOTED;
    SourceSpec {
        path,
        customer: name(customer),
        time: name(time),
        time_format: format.map(str::to_owned),
        received_at: name(received),
        kind: match unpivot {
            true => None,
            false => Some(name(kind).unwrap_or_else(|| "'purchase'".to_owned())),
        },
        amount,
        decimal: commas.then_some(','),
        product: name(product),
        product_group: name(group),
        channel: name(channel),
        unpivot: if unpivot { counts } else { Vec::new() },
        ..SourceSpec::default()
    }
}

/// Whether a column has numbers with a decimal comma, and not with one that parts thousands only.
fn has_commas(column: &Sampled) -> bool {
    let cells = || column.cells.iter().flatten();
    let read = cells().filter(|cell| with_point(cell).is_some()).count();
    let part = |cell: &&String| cell.split_once(',').is_some_and(|(_, part)| part.len() != 3);
    let there = cells().count();
    !is_number(column) && read as f64 >= NEARLY_ALL * there as f64 && cells().any(|c| part(&c))
}

fn is_number(column: &Sampled) -> bool {
    let there = column.cells.iter().flatten().count();
    let numbers = column.cells.iter().flatten().filter(|cell| cell.parse::<f64>().is_ok()).count();
    there > 0 && numbers as f64 >= NEARLY_ALL * there as f64
}

impl Seen {
    /// What a report and the names met say; `paid` has for each kind's code its events and those with an
    /// amount.
    pub fn new(guess: &Guess, report: &ReadReport, names: &LogNames, paid: &[(u64, u64)]) -> Seen {
        let unpivoted = !guess.spec.unpivot.is_empty();
        let count = |code: u16| paid.get(usize::from(code)).copied().unwrap_or((0, 0));
        let mut kinds: Vec<(String, u64, u64)> = names
            .kinds
            .sorted()
            .into_iter()
            .map(|(name, code)| (name, count(code).0, count(code).1))
            .collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let stray = report.stray();
        let end = stray.map(|stray| stray.end).or(report.last_event().map(|last| last + 1));
        Seen {
            span: report.first_event().zip(end),
            stray,
            kinds,
            lines: report.sources.iter().map(|source| source.tally.lines).sum(),
            bad: report.sources.iter().map(|source| source.tally.bad_lines()).sum(),
            unpivoted,
        }
    }

    /// Lines that could not be read.
    pub fn bad_lines(&self) -> u64 {
        self.bad
    }

    /// The kind that is most likely a purchase.
    fn purchase(&self) -> Option<&str> {
        let named = |part: &&str| {
            let has = |kind: &&(String, u64, u64)| kind.0.to_lowercase().contains(*part);
            self.kinds.iter().find(has)
        };
        let paid = || {
            let with_amount = self.kinds.iter().filter(|kind| kind.2 > 0 && !self.unpivoted);
            with_amount.max_by_key(|kind| kind.2)
        };
        PURCHASES.iter().find_map(named).or_else(paid).map(|kind| kind.0.as_str())
    }
}

/// A text of TOML.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Guess {
    /// The project file.
    pub fn project(&self, seen: &Seen) -> String {
        let mut text = String::from(
            "# A first project, guessed by `rekindle init`: read it, and correct what is wrong.\n\
             # `rekindle features rekindle.toml --list` explains every feature,\n\
             # `rekindle run rekindle.toml` goes from the log to judged models.\n\n",
        );
        self.source_table(seen, &mut text);
        self.log_table(seen, &mut text);
        panel_and_targets(seen, &mut text);
        text.push_str(
            "\n# What is asked of the models: without limits, a verdict tells only whether a model beats a \
             simple rule.\n# [limits]\n# max_error_rate = 0.45  # of those predicted, the share that was \
             not\n# max_miss_rate = 0.30  # of those who were, the share not found\n",
        );
        text
    }

    fn source_table(&self, seen: &Seen, text: &mut String) {
        let spec = &self.spec;
        let mut line = |key: &str, value: &Option<String>, about: &str| {
            let Some(value) = value else { return };
            let line = format!("{key} = {}", toml_text(value));
            let gap = if about.is_empty() { String::new() } else { format!("  # {about}") };
            writeln!(text, "{line}{gap}").expect("a text takes all that is written to it");
        };
        let path = match &spec.path {
            Paths::One(path) => path.clone(),
            Paths::Several(paths) => paths.join(", "),
        };
        let files =
            if self.files == 1 { "1 file".to_owned() } else { format!("{} files", self.files) };
        line("[[source]]\npath", &Some(path), &format!("{files}, {} lines", seen.lines));
        if spec.preset == Some(Preset::Segment) {
            let about = "track, page and screen calls are events; identify tells attributes";
            line("preset", &Some("segment".to_owned()), about);
        }
        line("customer", &spec.customer, "");
        line("time", &spec.time, "");
        let about = match spec.time_format.as_deref().and_then(other_way) {
            Some(other) if self.either_way => &format!("TODO: {other} fits as well: which is it?"),
            _ => "iso where it is not said",
        };
        line("time_format", &spec.time_format, about);
        line("received_at", &spec.received_at, "when the company came to know it");
        let kinds: Vec<&str> = seen.kinds.iter().take(12).map(|kind| kind.0.as_str()).collect();
        line("kind", &spec.kind, &format!("found: {}", kinds.join(", ")));
        line("amount", &spec.amount, "");
        line("decimal", &spec.decimal.map(String::from), "numbers as 1.234,50");
        line("product", &spec.product, "");
        line("product_group", &spec.product_group, "");
        line("channel", &spec.channel, "");
        if !spec.unpivot.is_empty() {
            let list: Vec<String> = spec.unpivot.iter().map(|name| toml_text(name)).collect();
            writeln!(
                text,
                "# Every number above 0 in these columns becomes an event of that kind.\nunpivot = [{}]",
                list.join(", ")
            )
            .expect("a text takes all that is written to it");
        }
        let used = |name: &&String| {
            let all = [&spec.customer, &spec.time, &spec.received_at, &spec.kind, &spec.amount];
            let more = [&spec.product, &spec.product_group, &spec.channel];
            let named = |e: &Option<String>| e.as_ref().is_some_and(|e| e.contains(name.as_str()));
            !all.into_iter().chain(more).any(named) && !spec.unpivot.contains(*name)
        };
        let unused: Vec<&str> = self.columns.iter().filter(used).map(String::as_str).collect();
        if !unused.is_empty() && spec.preset.is_none() {
            writeln!(text, "# Not used: {}.", unused.join(", ").replace('\n', " "))
                .expect("a text takes all that is written to it");
        }
        text.push('\n');
    }

    fn log_table(&self, seen: &Seen, text: &mut String) {
        text.push_str(
            "[log]\ntimezone = \"UTC\"  # of days and hours, and of times that tell no zone\n",
        );
        if let Some(purchase) = seen.purchase().filter(|purchase| *purchase != "purchase") {
            *text += &format!("purchase = {}  # the kind of purchases\n", toml_text(purchase));
        }
        if let Some(stray) = seen.stray {
            *text += &format!(
                "# {} events come more than 30 days after all others: they are left out.\nend = \"{}\"\n",
                stray.events,
                Zone::default().text(stray.end)
            );
        }
        let share = seen.bad as f64 / seen.lines.max(1) as f64;
        if share > 0.01 {
            *text += &format!(
                "# {:.1} % of the lines are bad, as `rekindle init` told: above 1 % nothing is built. Where they \
                 are known\n# to be worthless, say so:\n# max_bad_lines = {:.2}\n",
                100.0 * share,
                (share * 100.0).ceil() / 100.0
            );
        }
        text.push('\n');
    }
}

fn panel_and_targets(seen: &Seen, text: &mut String) {
    let zone = Zone::default();
    let (first, end) = seen.span.unwrap_or((0, DAY_MS));
    let days = (end - first) / DAY_MS;
    // A third of the log for histories at least, and a horizon after the last cutoff.
    let horizon = match days {
        270.. => 90,
        90.. => 30,
        28.. => 7,
        _ => (days / 4).max(1),
    };
    let last = (end - horizon * DAY_MS).div_euclid(DAY_MS);
    let least = (first.div_euclid(DAY_MS) + 1 + days / 3).min(last);
    let third = (horizon / 3).max(1);
    let steps = ((last - least) / third).min(8);
    let day = |day: i64| zone.text(day * DAY_MS);
    *text += &format!(
        "# The days at whose beginning customers are looked at. The latest judge, as few as have a fifth of the rows;\n# of the others those are learned from whose horizon had ended by then.\n[panel]\nfirst = \
         \"{}\"\nlast = \"{}\"\nevery = \"{third}d\"\n\n",
        day(last - steps * third),
        day(last)
    );
    text.push_str(
        "# More windows or families widen what is told of every customer.\n[features]\nwindows = [\"7d\", \
         \"30d\", \"90d\", \"180d\", \"365d\", \"all\"]\n\n",
    );
    match seen.purchase() {
        Some(_) => {
            *text += &format!(
                "# Who bought in the last {horizon} days and will not in the next {horizon}?\n\
                 [targets.churned]\nhorizon = \"{horizon}d\"\n\n# Who is lapsed and comes back?\n\
                 [targets.reactivated]\nhorizon = \"{horizon}d\"\n\n# Drowsy, half asleep, and dormant, which is \
                 lapsed: from so many days after the last purchase.\n[customers]\ntiers = {{ days = [{third}, {}, \
                 {}] }}\n",
                2 * third,
                horizon.max(3 * third)
            );
        }
        None => {
            *text += &format!(
                "# Who did anything in the last {horizon} days and will do nothing in the next {horizon}?\n\
                 [targets.silent]\ndo_not = {{}}\nhorizon = \"{horizon}d\"\neligible = {{ did = {{}}, within = \
                 \"{horizon}d\" }}\n"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::FileFormat;

    #[test]
    fn a_column_of_counts_that_stands_twice_is_unpivoted_once() {
        let column = |name: &str, cell: &str| Sampled {
            name: name.to_owned(),
            cells: vec![Some(cell.to_owned())],
        };
        let mut columns = vec![column("user", "a"), column("day", "2024-05-01")];
        columns.extend(["calls", "texts", "calls", "views"].map(|name| column(name, "3")));
        let look = Look { files: 1, format: FileFormat::Csv, columns };
        let guess = Guess::new("log.csv", &look);
        assert_eq!(guess.spec.unpivot, ["calls", "texts", "views"]);
        assert!(guess.source().is_ok());
    }
}
