//! `rekindle simulate`: a seeded world's log in a file, and beside it what is known and what is true.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrono::NaiveDate;
use clap::Args;
use serde_json::json;

use crate::commands::{Bar, Talk, format_of, print, write_whole};
use crate::question::Days;
use crate::sheet::{Format, Sheet};
use crate::simulate::experiment::{Experiment, experiment_sheet, experiment_truth_sheet};
use crate::simulate::{Truth, World, Written, start_ms};

/// Simulate the event log of a shop's customers, whose true probabilities are known
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle simulate --customers 1000 -o events.csv\n  rekindle simulate \
--customers 1000000 --days 730 -o events.parquet\n  rekindle simulate --customers 20000 -o \
events.parquet --customers-table attributes.csv\n      --contacts contacts.parquet --truth \
truth.csv --cutoff 2025-06-01 --horizon 90d\n\nThe ending of a file's name says its format: .parquet, \
.csv, .ndjson. Events stand in blocks of\ncustomers, in each by time. The same arguments give the \
same bytes."
)]
pub struct Simulate {
    /// Customers to simulate; the first ones are the same in a larger world
    #[arg(long, default_value_t = 10_000, value_name = "NUMBER")]
    customers: usize,
    /// Days to simulate, at most 3660
    #[arg(long, default_value_t = 730, value_name = "NUMBER")]
    days: u32,
    /// The first day
    #[arg(long, default_value = "2024-01-01", value_name = "DATE")]
    start: NaiveDate,
    /// Multiplies how often customers do anything but buy, 0.01 to 1000
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    activity: f64,
    /// Seed of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write the events to
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// File to write the customers' attributes to
    #[arg(long, value_name = "FILE")]
    customers_table: Option<PathBuf>,
    /// File to write the campaigns' decisions to: who was contacted how, with which propensity
    #[arg(long, value_name = "FILE")]
    contacts: Option<PathBuf>,
    /// File to write the truth to: probability of no purchase in the horizon, whether there was
    /// none, true uplift by action
    #[arg(long, value_name = "FILE", requires = "cutoff")]
    truth: Option<PathBuf>,
    /// File to write attributes to that know the truth, each a trap for models, to try what finds them
    #[arg(long, value_name = "FILE", requires = "cutoff")]
    traps: Option<PathBuf>,
    /// File to write an experiment to: a row for each customer with features, the action that was drawn, whether it was
    /// followed by a purchase. A table of its own, not of the log's customers
    #[arg(long, value_name = "FILE")]
    experiment: Option<PathBuf>,
    /// File to write its truth to: the probability of buying when left alone, the uplift by action
    #[arg(long, value_name = "FILE", requires = "experiment")]
    experiment_truth: Option<PathBuf>,
    /// Day with whose beginning (UTC) the future of --truth and --traps begins
    #[arg(long, value_name = "DATE")]
    cutoff: Option<NaiveDate>,
    /// How long the horizon of --truth is
    #[arg(long, value_name = "DAYS", default_value = "90d")]
    horizon: Days,
    /// How long after the cutoff the horizon of --truth begins
    #[arg(long, value_name = "DAYS", default_value = "0d")]
    gap: Days,
    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

/// A file that is asked for, with its format.
struct Wanted<'a> {
    path: &'a Path,
    format: Format,
}

impl Simulate {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let Simulate { seed, customers, days, start, activity, .. } = self;
        let world = World { seed, customers, days, start, activity };
        world.check()?;
        // All that can be wrong with the arguments is said before the long work.
        let log = wanted(&self.output)?;
        let attributes = self.customers_table.as_deref().map(wanted).transpose()?;
        let contacts = self.contacts.as_deref().map(wanted).transpose()?;
        let truth = self.truth.as_deref().map(wanted).transpose()?;
        self.check_apart()?;
        if self.cutoff.is_some() && self.truth.is_none() && self.traps.is_none() {
            bail!(
                "--cutoff: found no --truth and no --traps, expected one of them: it begins their future"
            );
        }
        let traps = self.traps.as_deref().map(wanted).transpose()?;
        let experiment = self.experiment.as_deref().map(wanted).transpose()?;
        let experiment_truth = self.experiment_truth.as_deref().map(wanted).transpose()?;
        let answers = match self.cutoff {
            Some(cutoff) => {
                let answers = world.truth(start_ms(cutoff), self.gap.0, self.horizon.0);
                answers.with_context(|| format!("--cutoff {cutoff}"))?
            }
            None => Vec::new(),
        };
        let written = write_log(&world, &log, talk)?;
        let add = |wanted: Option<Wanted<'_>>, sheet: &dyn Fn() -> Result<Sheet>| -> Result<()> {
            let Some(Wanted { path, format }) = wanted else { return Ok(()) };
            let sheet = sheet()?;
            write_whole(path, |mut to| sheet.write(&mut to, format))?;
            talk.say(&format!("{} rows in {}", sheet.rows(), path.display()));
            Ok(())
        };
        add(attributes, &|| Ok(world.attributes()?))?;
        add(contacts, &|| Ok(world.contacts()?))?;
        add(truth, &|| Ok(World::truth_sheet(&answers)))?;
        if let Some(cutoff) = self.cutoff {
            let horizon = self.gap.0 + self.horizon.0;
            add(traps, &|| Ok(world.traps_sheet(&answers, start_ms(cutoff), horizon)))?;
        }
        if experiment.is_some() {
            let subjects = Experiment { seed, customers, effect: 1.0, targeted: false }.draw();
            add(experiment, &|| Ok(experiment_sheet(&subjects)))?;
            add(experiment_truth, &|| Ok(experiment_truth_sheet(&subjects)))?;
        }
        self.summary(&world, written, &answers)?;
        Ok(0)
    }

    /// Two tables in one file: the second would take the place of the first.
    fn check_apart(&self) -> Result<()> {
        let files = [Some(&self.output), self.customers_table.as_ref()];
        let files = files.into_iter().chain(
            [&self.contacts, &self.truth, &self.traps, &self.experiment, &self.experiment_truth]
                .map(Option::as_ref),
        );
        let mut seen: Vec<&PathBuf> = Vec::new();
        for file in files.flatten() {
            if seen.contains(&file) {
                bail!("{}: found two tables to write there, expected a file each", file.display());
            }
            seen.push(file);
        }
        Ok(())
    }

    fn summary(&self, world: &World, written: Written, truth: &[Truth]) -> Result<()> {
        let years = f64::from(world.days) / 365.0;
        let yearly = written.events as f64 / world.customers as f64 / years;
        let last = world.start + chrono::Days::new(u64::from(world.days) - 1);
        if !self.json {
            return print(&format!(
                "{} events of {} customers, {} to {last}, in {} ({yearly:.1} a customer and year)\n",
                written.events,
                world.customers,
                world.start,
                self.output.display()
            ));
        }
        let mean = |of: &dyn Fn(&Truth) -> f64| {
            (!truth.is_empty()).then(|| truth.iter().map(of).sum::<f64>() / truth.len() as f64)
        };
        let summary = json!({
            "events": written.events,
            "late_events": written.late,
            "customers": world.customers,
            "days": world.days,
            "start": world.start.to_string(),
            "last_day": last.to_string(),
            "seed": world.seed,
            "activity": world.activity,
            "events_per_customer_year": yearly,
            "output": self.output.display().to_string(),
            "truth": self.truth.as_ref().map(|path| json!({
                "output": path.display().to_string(),
                "cutoff": self.cutoff.map(|day| day.to_string()),
                "gap_days": self.gap.0,
                "horizon_days": self.horizon.0,
                "customers": truth.len(),
                "mean_probability": mean(&|t| t.probability),
                "churned_share": mean(&|t| f64::from(u8::from(t.churned))),
            })),
        });
        print(&format!("{summary:#}\n"))
    }
}

fn wanted(path: &Path) -> Result<Wanted<'_>> {
    Ok(Wanted { path, format: format_of(path)? })
}

/// Writes the events.
fn write_log(world: &World, to: &Wanted<'_>, talk: Talk) -> Result<Written> {
    let bar = Bar::new(talk, "customers");
    let progress = |done: usize| bar.show(done as u64, world.customers as u64, done as u64);
    let mut written = Written::default();
    let done = write_whole(to.path, |mut file| {
        written = world.write_events(&mut file, to.format, &progress)?;
        Ok(())
    });
    bar.end();
    done.map(|()| written)
}
