//! `rekindle value`: what every customer of a log is worth, and who to keep an eye on.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rekindle_models::behaviour::{DAY_MS, Zone};
use rekindle_models::value::{PurchaseFamily, Spend};

use crate::commands::keeping::Held;
use crate::commands::log::{LogArgs, gather, log_end, settled};
use crate::commands::{Talk, format_of, print, write_whole};
use crate::customers::bound;
use crate::project::Project;
use crate::question::Days;
use crate::report::ValueDocument;
use crate::sheet::Sheet;
use crate::value::{Accounts, Bringing, Dates, RfmTable, Sample, Totals, Valued, fit_purchases};

/// Tell what every customer is worth: profit minus cost so far, expected purchases and profit, the
/// chance that they are still a customer
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle value rekindle.toml -o values.csv\n  rekindle value rekindle.toml \
--cutoff 2025-06-01 --span 180d --json\n  rekindle value rekindle.toml --store customers.db\n  rekindle value --table rfm.csv -o values.csv\n\nMargins and \
costs are those of [value] in the project; without it amounts are taken for profit.\nModels of \
purchases are BG/NBD and Pareto/NBD, with Gamma-Gamma for what a purchase brings, and a\nboosted \
regression; the one that tells the last days best, fitted without them, is taken."
)]
pub struct ValueCommand {
    /// The project
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// File to write a row for each customer to: .csv, .parquet or .ndjson
    #[arg(short, long, value_name = "FILE", default_value = "values.csv")]
    output: PathBuf,
    /// Look at customers at this date or instant [default: the log's end]
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    /// How far to look ahead
    #[arg(long, value_name = "DAYS", default_value = "365d")]
    span: Days,
    /// Fit a CSV table with the columns frequency, recency, T and, if there, monetary_value and
    /// customer_id, in the place of a project; --span then counts in the table's unit of time
    #[arg(long, value_name = "FILE", conflicts_with_all = ["project", "cutoff"])]
    table: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Put each customer's tier, stage and grade with their values into a store, which keeps when they changed:
    /// a SQLite file (customers.db, sqlite:FILE) or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "ADDRESS", conflicts_with = "table")]
    store: Option<String>,
    /// Print the models, their errors and key customers as JSON
    #[arg(long)]
    json: bool,
}

impl ValueCommand {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let format = format_of(&self.output)?;
        if self.span.0 == 0 {
            bail!("--span 0d: expected a day at least");
        }
        let (sheet, document, when) = match &self.table {
            Some(table) => self.of_table(table)?,
            None => self.of_log(talk)?,
        };
        write_whole(&self.output, |mut to| sheet.write(&mut to, format))?;
        let customers = document.customers;
        match self.json {
            true => print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?,
            false => print(&format!(
                "{}: {customers} customers{when}\n\n{}",
                self.output.display(),
                document.terminal()
            ))?,
        }
        Ok(0)
    }

    fn of_log(&self, talk: Talk) -> Result<(Sheet, ValueDocument, String)> {
        let project = Project::read(&self.project)?;
        let held = self.store.as_deref().map(Held::open).transpose()?;
        let given =
            self.cutoff.as_ref().map(|text| project.instant("--cutoff", text)).transpose()?;
        let (mut log, report, told) =
            gather(&self.log.folder(&self.project), &project, &self.log, talk)?;
        let zone = Zone::named(&project.log.timezone)?;
        // Of the day of its end, the log may be taken to know all.
        let last = log_end(&project, &report, &zone)? - 1;
        let end = zone.instant((zone.day(last) + 1) * DAY_MS);
        let now = given.unwrap_or(end);
        let first = report.first_event().unwrap_or(end);
        if now > end || now <= first {
            bail!(
                "the cutoff {}: the log is from {} to {}; expected a cutoff within it",
                zone.text(now),
                zone.text(first),
                zone.text(end)
            );
        }
        log.attributes = settled(told, &zone, now, talk)?;
        let kinds = log.names.dictionaries().kinds;
        let rules = bound(&project.customer_rules(), &project.log.returned, &kinds)?;
        let terms = project.value.bind(&kinds)?;
        if terms.margin == 1.0 && terms.margins.is_empty() {
            talk.say("[value] has no margin: amounts are taken for profit");
        }
        let dates = dates(first, now, self.span.0, &zone);
        let accounts = Accounts::read(&log, &rules, &terms, &zone, dates)?;
        let grades = &rules.rules().grades;
        let valued = Valued::new(accounts, &project.value, &terms, grades, self.span.0)?;
        if let Some(held) = held {
            held.keep_states(now, &valued.states(), talk)?;
        }
        let when = format!(" at {}", zone.text(now));
        Ok((valued.sheet(), ValueDocument::of_log(&valued), when))
    }

    fn of_table(&self, path: &Path) -> Result<(Sheet, ValueDocument, String)> {
        let table = RfmTable::read(path)?;
        let sample = Sample::new(table.repeats.iter().copied());
        let (mut fits, mut unfitted) = (Vec::new(), Vec::new());
        for family in PurchaseFamily::ALL {
            match fit_purchases(family, &sample) {
                Ok(fit) => fits.push(fit),
                Err(error) => unfitted.push((family, error.to_string())),
            }
        }
        fits.sort_by(|a, b| b.log_likelihood.total_cmp(&a.log_likelihood));
        let Some(best) = fits.first() else {
            bail!("{}: {}", path.display(), unfitted.swap_remove(0).1);
        };
        let bringing = Bringing::learn(table.spends.iter().copied(), &totals(&table.spends));
        let span = f64::from(self.span.0);
        let sheet = table.sheet(best, &bringing, span);
        let mut document = ValueDocument::of_models(&fits, &unfitted, &bringing, self.span.0);
        let orders = table.repeats.iter().map(|of| best.model.expected_purchases(of, span));
        document.predicted_number_of_orders = orders.sum();
        Ok((sheet, document, String::new()))
    }
}

/// When customers are looked at. A period is held out where it leaves enough to learn from; as long as
/// the span where the log is twice that, else a third of the log.
pub(super) fn dates(first: i64, now: i64, span_days: u32, zone: &Zone) -> Dates {
    let known_days = zone.day(now - 1) - zone.day(first) + 1;
    let span = i64::from(span_days);
    let days = if known_days >= 2 * span { span } else { known_days / 3 };
    let back = |days: i64| zone.instant(zone.local(now) - days * DAY_MS);
    let enough = days >= FEWEST_DAYS.min(span);
    Dates {
        now,
        earlier: enough.then(|| back(days)),
        earliest: (enough && days == span && known_days >= 3 * span).then(|| back(2 * days)),
        days: u32::try_from(days).unwrap_or(span_days),
        window_days: (known_days / 3).clamp(1, 365),
    }
}

/// The shortest period that is held out, where the span is not shorter.
const FEWEST_DAYS: i64 = 14;

/// Of a table: repeats alone.
fn totals(spends: &[Spend]) -> Totals {
    let paying: f64 = spends.iter().map(|spend| f64::from(spend.days)).sum();
    let margin = spends.iter().map(|spend| f64::from(spend.days) * spend.mean).sum();
    Totals { orders: paying, known: paying, paying, margin, ..Totals::default() }
}
