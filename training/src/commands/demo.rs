//! `rekindle demo`: the main job from end to end on simulated customers, whose truth is known.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rekindle_models::artifact::Registry;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::{Binding, Frame, ReadKind, ReadOptions, read, write_csv};
use rekindle_models::metrics::{Judged, Ranked};
use rekindle_models::threshold::ThresholdRule;

use crate::commands::{Talk, colour, fit, print};
use crate::label::TargetSpec;
use crate::options::{FitOptions, ModelChoice};
use crate::pipeline::fit as learn;
use crate::report::terminal;
use crate::simulate::table::{ID, LEAK, Simulated, TARGET, World};
use crate::split::Shares;
use crate::verdict::Limits;

/// Simulate customers, learn who churns, judge and save the model, score one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rekindle demo --customers 20000 -o demo")]
pub struct Demo {
    /// Customers to simulate
    #[arg(long, default_value_t = 8_000, value_parser = clap::value_parser!(u32).range(500..=2_000_000))]
    customers: u32,
    /// Seed of the simulation and of every draw
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write the table and the registry to
    #[arg(short, long, value_name = "FOLDER", default_value = "demo")]
    output: PathBuf,
}

impl Demo {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let failed = || format!("failed to write to {}", self.output.display());
        fs::create_dir_all(&self.output).with_context(failed)?;
        talk.say(&format!("1. simulating {} customers", self.customers));
        let world = World { seed: self.seed, customers: self.customers as usize };
        let Simulated { table, probability } = world.simulate();
        let path = self.output.join("customers.csv");
        let file = File::create(&path).with_context(failed)?;
        write_csv(&table, &mut BufWriter::new(file)).with_context(failed)?;
        let one = one_customer(&table, 0);
        let customer = self.output.join("customer.json");
        fs::write(&customer, format!("{one:#}\n")).with_context(failed)?;
        talk.say(&format!("   table: {} ({} columns)", path.display(), table.schema().len()));

        talk.say("2. learning who churns");
        let options = FitOptions {
            targets: vec![TargetSpec { given: format!("{TARGET}=1") }],
            id: Some(ID.to_owned()),
            repeated_ids: false,
            weight: None,
            time: None,
            embargo: None,
            feature_spec: None,
            recency: Some("recency_days(purchase)".to_owned()),
            exclude: Vec::new(),
            exclude_for: vec![(TARGET.to_owned(), LEAK.to_owned())],
            model: ModelChoice::Auto,
            boosting: Boosting::default(),
            shares: Shares::default(),
            threshold: Some(ThresholdRule::F1),
            limits: Limits {
                max_error_rate: Some(0.60),
                max_miss_rate: Some(0.60),
                ..Limits::default()
            },
            seed: self.seed,
            population: "simulated customers of a shop with an app".to_owned(),
            missing: ReadOptions::default().missing,
        };
        let mut reading = ReadOptions::default();
        reading.kinds.insert(ID.to_owned(), ReadKind::Categorical);
        let frame = read(&path, &reading)?;
        let trained = learn(&frame, &options, &|step| talk.say(&format!("   {step}")))?;
        let model = &trained[0];

        talk.say("3. saving");
        let registry = Registry::create(&self.output.join("registry"))?;
        let version = fit::save(&registry, model, false, talk)?;
        print(&format!("\n{}\n", terminal(&fit::report_of(model, version), colour())))?;

        let scorer = &model.artifact.scorer;
        let binding = Binding::new(&scorer.schema, frame.schema())?;
        let scores = scorer.score_blocks(frame.rows(), |span| binding.rows(&frame, span));
        let first = scores[0];
        let place = frame.schema().require(ID)?;
        print(&format!(
            "customer {}: probability {:.3}, percentile {}, predicted to churn: {} (truth: {:.3})\n",
            frame.text(place, 0).unwrap_or_default(),
            first.probability,
            first.percentile,
            if first.positive { "yes" } else { "no" },
            probability[0]
        ))?;
        let churned = frame.numbers(frame.schema().require(TARGET)?).unwrap_or_default();
        let target: Vec<bool> = churned.iter().map(|c| *c > 0.5).collect();
        let weight = vec![1.0; target.len()];
        let judged =
            Judged { probability: &probability, target: &target, weight: &weight, group: None };
        let best = Ranked::new(&judged);
        print(&format!(
            "nobody can rank better than the truth: ROC AUC {:.4} over all customers\n",
            best.roc_auc(best.weights())
        ))?;
        let folder = registry.folder(&model.artifact.manifest.model_name, version);
        print(&format!(
            "report: {}\n\nnext: cargo run --release --bin rekindle-server -- --registry {}\n      \
             curl -d @{} localhost:8080/v1/score\n",
            folder.join("report.md").display(),
            registry.root().display(),
            customer.display()
        ))?;
        Ok(model.evaluation.as_ref().map_or(0, |e| e.verdict.verdict.exit_code()))
    }
}

/// A customer's features as a request to the service.
fn one_customer(table: &Frame, row: usize) -> serde_json::Value {
    let mut customer = serde_json::Map::new();
    for (place, field) in table.schema().fields().iter().enumerate() {
        if field.name == TARGET || field.name == LEAK {
            continue;
        }
        let value = match table.numbers(place).map(|values| values[row]) {
            Some(number) if field.name == "newsletter" && !number.is_nan() => {
                serde_json::Value::Bool(number > 0.5)
            }
            Some(number) => serde_json::Number::from_f64(number).into(),
            None => table.text(place, row).map(|t| t.into_owned()).into(),
        };
        customer.insert(field.name.clone(), value);
    }
    serde_json::Value::Object(customer)
}
