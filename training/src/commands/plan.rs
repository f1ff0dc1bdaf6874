//! `rekindle plan`: whom to contact, with what and when, and whom to leave alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use rekindle_models::artifact::UpliftArtifact;
use rekindle_models::frame::read;
use rekindle_models::language::Language;
use rekindle_models::policy::{PlanSpec, Speaker, decide, total};
use rekindle_store::{Decision, NewCampaign};
use serde_json::json;

use crate::commands::keeping::{Held, now_micros};
use crate::commands::{ReadArgs, Talk, format_of, print, write_whole};
use crate::planning::{
    customers, learned, reading, reading_features, remarks, sheet, told_by_plan,
};
use crate::project::explained;
use crate::report::plan_terminal;
use crate::verdict::Word;

/// A plan file to begin with.
const EXAMPLE: &str = include_str!("../../../examples/plan.toml");

/// Plan a campaign: one action or none for each customer, for the most expected profit
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle plan plan.toml --init\n  rekindle plan plan.toml customers.csv -o \
plan.csv\n  rekindle plan plan.toml customers.parquet -o plan.parquet --report plan.json\n  rekindle plan plan.toml customers.csv --uplift uplift.rekindle\n  rekindle plan \
plan.toml customers.csv --store customers.db --campaign spring --name \"Spring letters\"\n\nColumns of the table: \
customer_id; lifecycle_stage, lapse_tier, grade; predicted_value;\nuplift_ACTION (without it, uplift is assumed by \
stage and tier); consent_CHANNEL; contacts;\nexcluded; and for occasions last_purchase (or cutoff and recency_days), \
median_gap_days,\nbirthday, season_month."
)]
pub struct PlanCommand {
    /// The plan file: budget, actions, channels, offers (TOML)
    plan: PathBuf,
    /// Table of customers: CSV, Parquet or Arrow IPC; - for standard input
    #[arg(required_unless_present = "init")]
    customers: Option<PathBuf>,
    /// File to write a decision for each customer to: .csv, .parquet or .ndjson
    #[arg(short, long, value_name = "FILE", default_value = "plan.csv")]
    output: PathBuf,
    /// Model of `rekindle fit-uplift`: uplifts are what it expects of the table's customers
    #[arg(long, value_name = "FILE")]
    uplift: Option<PathBuf>,
    /// Plan with a model of uplift that is not usable, too: the report says so
    #[arg(long, requires = "uplift")]
    even_unusable: bool,
    /// Features of the model of uplift that are no columns of the table count as missing
    #[arg(long, requires = "uplift")]
    allow_absent: bool,
    /// Keep the plan as a campaign, a draft, in a store: a SQLite file (customers.db, sqlite:FILE) or
    /// postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "ADDRESS", requires = "campaign")]
    store: Option<String>,
    /// Id of the campaign; one that the store does not have yet
    #[arg(long, value_name = "ID", requires = "store", value_parser = NonEmptyStringValueParser::new())]
    campaign: Option<String>,
    /// What people call the campaign [default: its id]
    #[arg(long, requires = "campaign", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// JSON file to write the totals to
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the totals as JSON
    #[arg(long)]
    json: bool,
    /// The language of reasons: en, zh
    #[arg(long, value_name = "CODE", default_value = "en")]
    language: Language,
    /// Write a plan file with comments to begin with, and plan nothing
    #[arg(long, conflicts_with_all = ["customers", "report", "json"])]
    init: bool,
    #[command(flatten)]
    read: ReadArgs,
}

impl PlanCommand {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let Some(table) = self.customers.as_ref().filter(|_| !self.init) else {
            return self.begin(talk);
        };
        let format = format_of(&self.output)?;
        let mut spec = parse(&self.plan)?;
        if let Some(id) = &self.campaign {
            spec.draw_for(id);
        }
        let model = self.model()?;
        let draft = self.draft(&spec)?;
        let mut options = reading(&spec, self.read.options());
        if let Some(model) = &model {
            options = reading_features(options, model);
        }
        let mut frame = read(table, &options)?;
        let at = || table.display().to_string();
        let mut customers = customers(&frame, &spec).with_context(at)?;
        let mut notes = Vec::new();
        if let Some(model) = &model {
            let (verdict, reason) = (&model.manifest.verdict, &model.manifest.reason);
            if verdict != Word::Usable.text() {
                notes.push(format!("the verdict on the model of uplift is {verdict}: {reason}"));
            }
            frame = told_by_plan(frame, &customers, model)?;
            let more = learned(&mut customers, &spec, model, &frame, self.allow_absent);
            notes.extend(more.with_context(at)?);
        }
        drop(frame);
        let plan = decide(&spec, &customers)
            .with_context(|| format!("{} with {}", self.plan.display(), table.display()))?;
        notes.extend(remarks(&spec, &customers));
        let remarks = notes;
        remarks.iter().for_each(|remark| talk.say(&format!("note: {remark}")));
        let language = self.language;
        let speaker = Speaker { spec: &spec, customers: &customers, plan: &plan, language };
        let decisions = sheet(&customers, &plan, &speaker);
        write_whole(&self.output, |mut to| decisions.write(&mut to, format))?;
        let totals = total(&spec, &customers, &plan);
        let mut report = json!(totals);
        report["output"] = json!(self.output.display().to_string());
        report["notes"] = json!(remarks);
        if let Some(draft) = draft {
            report["campaign"] = json!(draft.campaign.campaign_id);
            let decided = (0..customers.ids.len()).map(|place| speaker.decided(place).into());
            draft.keep(&decided.collect::<Vec<_>>(), totals.assumed, talk)?;
        }
        report["uplift_model"] = json!(model.as_ref().map(|model| json!({
            "verdict": model.manifest.verdict,
            "data_fingerprint": model.manifest.data_fingerprint,
        })));
        let report = format!("{report:#}\n");
        if let Some(path) = &self.report {
            write_whole(path, |to| to.write_all(report.as_bytes()))?;
        }
        if self.json {
            print(&report)?;
            return Ok(0);
        }
        print(&format!("{}: a plan\n{}\n", self.output.display(), plan_terminal(&totals)))?;
        Ok(0)
    }

    /// The model of uplift, where one is named and may be planned with.
    fn model(&self) -> Result<Option<UpliftArtifact>> {
        let Some(path) = &self.uplift else { return Ok(None) };
        let model = UpliftArtifact::load(path)?;
        let (verdict, reason) = (&model.manifest.verdict, &model.manifest.reason);
        if verdict != Word::Usable.text() {
            let said =
                format!("{}: the verdict on this model is {verdict}: {reason}", path.display());
            if !self.even_unusable {
                bail!("{said}. Plan without it (uplift is then assumed), or say --even-unusable");
            }
        }
        Ok(Some(model))
    }

    /// The campaign that the plan is to become, where it is kept.
    fn draft(&self, spec: &PlanSpec) -> Result<Option<Draft>> {
        let (Some(address), Some(id)) = (&self.store, &self.campaign) else { return Ok(None) };
        let held = Held::open(address)?;
        if held.wait(held.store.campaign(id))?.is_some() {
            bail!(
                "{}: there is a campaign {id:?} already; expected an id that is new: --campaign ID",
                held.store.shown()
            );
        }
        let campaign = NewCampaign {
            campaign_id: id.clone(),
            name: self.name.as_ref().unwrap_or(id).clone(),
            settings: serde_json::to_string(spec).context("failed to write the plan's settings")?,
            assumed: false,
            created_at_micros: now_micros()?,
        };
        campaign.check()?;
        Ok(Some(Draft { held, campaign }))
    }

    fn begin(&self, talk: Talk) -> Result<u8> {
        if self.plan.exists() {
            bail!("{}: it is there already; name another file", self.plan.display());
        }
        write_whole(&self.plan, |to| to.write_all(EXAMPLE.as_bytes()))?;
        talk.say(&format!("{}: read it, and put your own figures in", self.plan.display()));
        Ok(0)
    }
}

/// A campaign to be made, and the store that it is made in.
struct Draft {
    held: Held,
    campaign: NewCampaign,
}

impl Draft {
    /// Makes the campaign, with what was decided for every customer.
    fn keep(self, decisions: &[Decision], assumed: bool, talk: Talk) -> Result<()> {
        let Draft { held, campaign } = self;
        let campaign = NewCampaign { assumed, ..campaign };
        held.wait(held.store.create_campaign(&campaign, decisions))?;
        talk.say(&format!(
            "campaign {} put into {}: a draft of {} decisions",
            campaign.campaign_id,
            held.store.shown(),
            decisions.len()
        ));
        held.close();
        Ok(())
    }
}

fn parse(path: &Path) -> Result<PlanSpec> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let name = path.display().to_string();
    let spec: PlanSpec =
        toml::from_str(&text).map_err(|error| anyhow::anyhow!(explained(&name, &text, &error)))?;
    spec.validate().context(name)?;
    Ok(spec)
}
