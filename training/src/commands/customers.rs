//! `rekindle customers`: what every customer of a log is at a cutoff, and how they got there.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use rekindle_models::behaviour::{DAY_MS, Zone};
use rekindle_models::customer;
use rekindle_store::{CustomerState, NextOrder};
use serde_json::json;

use crate::commands::keeping::Held;
use crate::commands::log::{LogArgs, gather, log_end, settled};
use crate::commands::{Talk, format_of, print, write_whole};
use crate::customers::{Customers, bound};
use crate::newest::Newest;
use crate::panel::check_begun;
use crate::project::Project;
use crate::report::{passages_terminal, shares_terminal};

/// Tell every customer's lapse tier, lifecycle stage, grade and loyalty type
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle customers rekindle.toml -o customers.csv\n  rekindle customers \
rekindle.toml --cutoff 2025-06-01 -o customers.parquet\n  rekindle customers rekindle.toml --store \
customers.db\n\nWith several cutoffs in [panel], the passages \
from cutoff to cutoff are counted. The rules are\nthose of [customers]."
)]
pub struct CustomersCommand {
    /// The project
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// File to write a row for each customer to: .csv, .parquet or .ndjson
    #[arg(short, long, value_name = "FILE", default_value = "customers.csv")]
    output: PathBuf,
    /// Look at customers at this date or instant alone [default: the cutoffs of [panel]]
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    #[command(flatten)]
    log: LogArgs,
    /// Put each customer's tier, stage and grade at the last cutoff into a store, which keeps when they
    /// changed: a SQLite file (customers.db, sqlite:FILE) or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
    /// Put so many of each customer's newest events before the last cutoff into the store, too, in the place of
    /// those that are there
    #[arg(long, value_name = "NUMBER", default_value_t = 0, requires = "store", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    events: u16,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

impl CustomersCommand {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let project = Project::read(&self.project)?;
        let format = format_of(&self.output)?;
        let cutoffs = match &self.cutoff {
            Some(text) => vec![project.instant("--cutoff", text)?],
            None => project.cutoffs().context("name one: --cutoff 2025-06-01")?,
        };
        let held = self.store.as_deref().map(Held::open).transpose()?;
        let (mut log, report, told) =
            gather(&self.log.folder(&self.project), &project, &self.log, talk)?;
        let zone = Zone::named(&project.log.timezone)?;
        // Of the day of its end, the log may be taken to know all.
        let last = log_end(&project, &report, &zone)? - 1;
        let end = zone.instant((zone.day(last) + 1) * DAY_MS);
        if let Some(late) = cutoffs.iter().find(|cutoff| **cutoff > end) {
            bail!(
                "the cutoff {} is after the log's end, {}; expected one that the log reaches: silence after \
                 its end is no silence. Where the log is complete until later, say so: end in [log]",
                zone.text(*late),
                zone.text(end)
            );
        }
        // Attributes may tell of customers before the first event.
        if project.attributes.is_empty() {
            check_begun(&cutoffs, report.first_event().unwrap_or(end), &zone)?;
        }
        let before = cutoffs.iter().copied().max().unwrap_or(i64::MAX);
        log.attributes = settled(told, &zone, before, talk)?;
        let rules = project.customer_rules();
        let rules = bound(&rules, &project.log.returned, &log.names.dictionaries().kinds)?;
        let customers = Customers::describe(&log, &rules, &zone, &cutoffs)?;
        write_whole(&self.output, |mut to| customers.sheet().write(&mut to, format))?;
        if let Some(held) = held {
            let newest = Newest { cutoff: customers.cutoff, most: usize::from(self.events) };
            if newest.most > 0 {
                held.keep_events(&log, newest, talk)?;
            }
            held.keep_states(customers.cutoff, &states(&customers), talk)?;
        }
        let cutoff = zone.text(customers.cutoff);
        if self.json {
            let summary = json!({
                "output": self.output.display().to_string(),
                "cutoff": cutoff,
                "customers": customers.known.len(),
                "shares": customers.shares(),
                "grade_cuts": customers.cuts,
                "passages": customers.passages,
            });
            print(&format!("{summary:#}\n"))?;
            return Ok(0);
        }
        let passages = customers.passages.as_ref().map(passages_terminal);
        print(&format!(
            "{}: {} customers at {cutoff}\n\n{}\n{}",
            self.output.display(),
            customers.known.len(),
            shares_terminal(&customers.shares()),
            passages.unwrap_or_default()
        ))?;
        Ok(0)
    }
}

/// What each customer is at the cutoff.
pub(super) fn states(customers: &Customers) -> Vec<CustomerState> {
    let state = |(id, state): &(String, customer::CustomerState)| CustomerState {
        customer_id: id.clone(),
        lapse_tier: state.lapse_tier.map(|tier| tier.text().to_owned()),
        lifecycle_stage: Some(state.lifecycle_stage.text().to_owned()),
        grade: customers.grade(state).map(|grade| grade.text().to_owned()),
        historic_value: None,
        predicted_value: None,
        probability_alive: None,
        predicted_orders: None,
        next_order: NextOrder::default(),
    };
    customers.known.iter().map(state).collect()
}
