//! `rekindle demo`: the main job from end to end on a simulated log, whose truth is known, and a store to look at.

mod campaigns;
mod kept;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::Args;
use rekindle_models::artifact::Registry;
use rekindle_models::behaviour::Zone;
use rekindle_models::frame::{Binding, Frame, read};
use rekindle_models::metrics::{Judged, Ranked};
use serde_json::json;

use crate::commands::contacts::ContactArgs;
use crate::commands::demo::kept::Made;
use crate::commands::log::LogArgs;
use crate::commands::run::{Learning, build, learn};
use crate::commands::{Talk, load_model, print, write_whole};
use crate::project::Project;
use crate::sheet::Format;
use crate::simulate::{CustomerLife, Truth, World, id};
use crate::snapshot::{self, CUSTOMER};

/// Simulate a shop's log, learn who churns and who comes back, judge and save the models, score one,
/// and fill a store for the server's pages
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rekindle demo --customers 20000 -o demo")]
pub struct Demo {
    /// Customers to simulate
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(500..=2_000_000))]
    customers: u32,
    /// Seed of the simulation and of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write the log, the project, the registry and the store to
    #[arg(short, long, value_name = "FOLDER", default_value = "demo")]
    output: PathBuf,
}

/// The project file; the world is simulated to fit its dates.
const PROJECT: &str = include_str!("demo.toml");
/// Days of the world, from 2024-01-01: to the log's end.
const DAYS: u32 = 600;
/// The target that is shown.
const TARGET: &str = "churned";

/// The last cutoff of the demo.
struct Last<'a> {
    cutoff: i64,
    truth: &'a [Truth],
    folder: &'a Path,
}

impl Demo {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let folder = &self.output;
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to write to {}", folder.display()))?;
        talk.say(&format!("1. simulating {} customers of a shop", self.customers));
        let start = NaiveDate::from_ymd_opt(2024, 1, 1).context("no such day")?;
        let customers = self.customers as usize;
        let world = World { seed: self.seed, customers, days: DAYS, start, activity: 1.0 };
        let path = folder.join("rekindle.toml");
        write_whole(&path, |to| to.write_all(PROJECT.as_bytes()))?;
        let project = Project::read(&path)?;
        let cutoff = *project.cutoffs()?.last().context("the demo's project has cutoffs")?;
        let horizon = project.targets[TARGET].horizon.0;
        let truth = world.truth(cutoff, 0, horizon)?;
        self.write_world(&world, &truth, talk)?;

        talk.say("2. from the log to snapshots");
        let (snapshots, registry) = (folder.join("snapshots.parquet"), folder.join("registry"));
        let memory = LogArgs::default();
        let left_out =
            build(&path, &project, (&memory, &ContactArgs::default()), &snapshots, talk)?;

        talk.say("3. learning, judging, saving");
        let learning = Learning { seed: self.seed, no_promote: false, json: false, left_out };
        let code = learn(&project, &snapshots, &registry, learning, talk)?;

        talk.say("4. filling a store: states, scores, events, campaigns");
        let about = snapshot::about(&snapshots)?.context("the snapshots say what they are")?;
        let frame = read(&snapshots, &snapshot::reading(&snapshots, &about))?;
        let made = Made {
            folder,
            project: &project,
            snapshots: &frame,
            registry: &registry,
            seed: self.seed,
        };
        let store = made.fill()?;
        Last { cutoff, truth: &truth, folder }.show(&world, &frame, (&registry, &store))?;
        Ok(code)
    }

    fn write_world(&self, world: &World, truth: &[Truth], talk: Talk) -> Result<()> {
        let mut events = 0;
        let log = self.output.join("events.parquet");
        write_whole(&log, |mut file| {
            events = world.write_events(&mut file, Format::Parquet, &|_| {})?.events;
            Ok(())
        })?;
        talk.say(&format!("   log: {} ({events} events)", log.display()));
        let attributes = world.attributes()?;
        let beside = self.output.join("attributes.csv");
        write_whole(&beside, |mut to| attributes.write(&mut to, Format::Csv))?;
        let truth = World::truth_sheet(truth);
        write_whole(&self.output.join("truth.csv"), |mut to| truth.write(&mut to, Format::Csv))
    }
}

impl Last<'_> {
    /// Prints one customer's score beside the truth, what could be reached at best, and how to go on.
    fn show(&self, world: &World, frame: &Frame, (registry, store): (&Path, &Path)) -> Result<()> {
        let rows = self.judged(frame)?;
        let scorer = load_model(&registry.join(TARGET))?.artifact.scorer;
        let binding = Binding::new(&scorer.schema, frame.schema())?;
        let Some(&(row, shown, _)) = rows.first() else { return Ok(()) };
        let score = scorer.score_blocks(1, |_| binding.rows_at(frame, &[row as u32]))[0];
        let registry = Registry::open(registry)?;
        let version = registry.current(TARGET)?.unwrap_or(1);
        print(&format!(
            "\ncustomer {}: probability {:.3}, percentile {}, predicted to churn: {} (truth: {:.3})\n",
            id(shown.customer),
            score.probability,
            score.percentile,
            if score.positive { "yes" } else { "no" },
            shown.probability
        ))?;
        let probability: Vec<f64> = rows.iter().map(|(_, truth, _)| truth.probability).collect();
        let target: Vec<bool> = rows.iter().map(|(.., churned)| *churned).collect();
        let weight = vec![1.0; target.len()];
        let judged =
            Judged { probability: &probability, target: &target, weight: &weight, group: None };
        let best = Ranked::new(&judged);
        let customer = self.folder.join("customer.json");
        let request = self.request(&world.customer(shown.customer)?);
        write_whole(&customer, |to| to.write_all(format!("{request:#}\n").as_bytes()))?;
        let project = self.folder.join("rekindle.toml");
        print(&format!(
            "nobody can rank better than the truth: ROC AUC {:.4} on the judged customers\n\
             report: {}\n\nnext: rekindle features {} --list\n      rekindle customers {} -o \
             stages.csv\n      cargo run --release --bin rekindle-server -- --registry {} --store {}\n      \
             curl -d @{} 'localhost:8080/v1/score/events?model={TARGET}'\n      \
             open http://localhost:8080/\n",
            best.roc_auc(best.weights()),
            registry.folder(TARGET, version).join("report.html").display(),
            project.display(),
            project.display(),
            registry.root().display(),
            store.display(),
            customer.display()
        ))
    }

    /// The rows of the last cutoff whom the target is asked of, with their truth and whether they had it.
    fn judged(&self, frame: &Frame) -> Result<Vec<(usize, &Truth, bool)>> {
        let column = |name: &str| frame.schema().require(name);
        let (customer, answer) = (column(CUSTOMER)?, column(TARGET)?);
        let (cutoffs, answers) = (frame.numbers(column(snapshot::CUTOFF)?), frame.numbers(answer));
        let (cutoffs, answers) = cutoffs.zip(answers).context("cutoffs and answers are numbers")?;
        let last = cutoffs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let asked = |row: &usize| cutoffs[*row] == last && !answers[*row].is_nan();
        let truth = |row: usize| {
            let name = frame.text(customer, row)?;
            let place = self.truth.binary_search_by(|truth| id(truth.customer).as_str().cmp(&name));
            place.ok().map(|place| (row, &self.truth[place], answers[row] > 0.5))
        };
        Ok((0..frame.rows()).filter(asked).filter_map(truth).collect())
    }

    /// A customer as the log knew it, as a request to the service.
    fn request(&self, life: &CustomerLife) -> serde_json::Value {
        let zone = Zone::default();
        let events: Vec<serde_json::Value> = life
            .events
            .iter()
            .filter(|event| event.time < self.cutoff)
            .map(|event| {
                let mut told = json!({ "time": zone.text(event.time), "kind": event.kind });
                let mut put = |key: &str, value: serde_json::Value| {
                    if !value.is_null() {
                        told[key] = value;
                    }
                };
                put("amount", event.amount.into());
                put("product", event.product.clone().into());
                put("product_group", event.product_group.into());
                put("channel", event.channel.into());
                put("received_at", zone.text(event.received_at).into());
                put(
                    "measures",
                    event.discount.map(|discount| json!({ "discount": discount })).into(),
                );
                told
            })
            .collect();
        let known = life.attributes.known_at < self.cutoff;
        let attributes = json!({
            "sign_up": zone.text(life.attributes.sign_up),
            "age": life.attributes.age,
            "city": life.attributes.city,
            "plan": life.attributes.plan,
        });
        json!({
            "customer_id": life.id,
            "cutoff": zone.text(self.cutoff),
            "attributes": if known { attributes } else { json!({}) },
            "events": events,
        })
    }
}
