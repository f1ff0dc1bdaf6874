//! The finished campaigns of a store, read as the table of an experiment.

use anyhow::{Result, bail};
use rekindle_models::frame::Frame;
use rekindle_models::policy::PlanSpec;
use rekindle_store::{Campaign, CampaignState, Counted};

use crate::commands::Talk;
use crate::commands::keeping::Held;
use crate::trials::{TrialCounts, TrialRules, Trials};

/// Decisions read at a time.
const PAGE: u32 = 50_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// Which outcomes count, and of whom.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    /// Outcomes of this kind; `None`: of the kind that is a success by the campaign's plan, where it says so.
    pub kind: Option<String>,
    /// Those of so many days from a campaign's start on; `None`: until its end.
    pub within_days: Option<u32>,
    /// Which decisions.
    pub rules: TrialRules,
}

impl Finished {
    /// A row for each decision that was drawn.
    ///
    /// # Errors
    /// When the store cannot be read, no campaign is finished, or there is nothing to learn from: nobody was planned to
    /// have an action, nobody was held out, or nothing came of it.
    pub fn read(self, address: &str, talk: Talk) -> Result<Frame> {
        let held = Held::open_existing(address)?;
        let shown = held.store.shown().to_owned();
        let all = held.wait(held.store.campaigns())?;
        let campaigns: Vec<(&Campaign, i64, i64)> =
            all.iter().filter_map(|campaign| self.window(campaign)).collect();
        if campaigns.is_empty() {
            bail!(
                "{shown}: none of its {} campaigns has run and is finished; expected one at least: uplift is learned from what \
                 came of campaigns. Finish one (POST /v1/campaigns/ID:finish), or learn from a table: rekindle fit-uplift TABLE --action COLUMN",
                all.len()
            );
        }
        let mut trials = Trials::new(self.rules.clone());
        for &(campaign, from_micros, until_micros) in &campaigns {
            let ran = campaign.finished_at_micros.unwrap_or(until_micros) - from_micros;
            if until_micros - from_micros > ran {
                talk.say(&format!(
                    "note: campaign {} ran for {:.1} days; what came later, up to {} days, counts where it was recorded",
                    campaign.made.campaign_id,
                    ran as f64 / DAY_MICROS as f64,
                    self.within_days.unwrap_or_default()
                ));
            }
            let kind = self.kind.clone().or_else(|| success_of(campaign));
            let counted = Counted { kind, from_micros, until_micros };
            let of = &campaign.made.campaign_id;
            let mut last = String::new();
            loop {
                let page = held.wait(held.store.trials(of, &counted, &last, PAGE))?;
                let Some(end) = page.last() else { break };
                last = end.customer_id.clone();
                page.into_iter().for_each(|trial| trials.push(trial));
            }
        }
        held.close();
        self.check(&shown, &trials)?;
        tell(&trials, campaigns.len(), talk);
        Ok(trials.frame()?)
    }

    /// From when until when outcomes of a campaign count; `None` for one that has not run, or runs.
    fn window<'a>(&self, campaign: &'a Campaign) -> Option<(&'a Campaign, i64, i64)> {
        let over = campaign.state == CampaignState::Finished;
        let from = campaign.counts_from_micros().filter(|_| over)?;
        let until = match self.within_days {
            Some(days) => from.saturating_add(i64::from(days) * DAY_MICROS),
            None => campaign.finished_at_micros?,
        };
        Some((campaign, from, until))
    }

    fn check(&self, shown: &str, trials: &Trials) -> Result<()> {
        let TrialCounts { decisions, not_planned, not_drawn, held_out, with_outcome, .. } =
            trials.counts;
        let planned = decisions - not_planned;
        if planned == 0 {
            bail!(
                "{shown}: no decision of finished campaigns is {}; expected some to learn from",
                match &self.rules.only {
                    Some(only) => format!("to have {only:?} (--only)"),
                    None => "to have an action".to_owned(),
                }
            );
        }
        if held_out == 0 {
            bail!(
                "{shown}: of {planned} customers planned to have an action nobody was held out ({not_drawn} decisions were \
                 not drawn at random); expected a control group, without which nothing tells what the contact changed: \
                 plan the next campaign with control_share above 0"
            );
        }
        if with_outcome == 0 {
            bail!(
                "{shown}: no outcome{} is counted for {} decisions; expected some: record what customers did, or count \
                 more of it (--outcome KIND, --within DAYS)",
                self.kind.as_ref().map_or_else(String::new, |kind| format!(" of kind {kind:?}")),
                trials.len()
            );
        }
        Ok(())
    }
}

/// The kind of outcomes that is a success, as the plan of a campaign says.
fn success_of(campaign: &Campaign) -> Option<String> {
    let spec: PlanSpec = serde_json::from_str(&campaign.made.settings).ok()?;
    Some(spec.plan.success)
}

/// What was learned from, and what was not.
fn tell(trials: &Trials, campaigns: usize, talk: Talk) {
    let TrialCounts { decisions, not_planned, not_drawn, held_out, with_outcome, .. } =
        trials.counts;
    talk.say(&format!(
        "{campaigns} finished campaigns, {decisions} decisions: {} drawn at random ({held_out} held out), \
         {with_outcome} with an outcome; left out: {not_planned} not planned to have the action, {not_drawn} not drawn",
        trials.len()
    ));
    let TrialCounts { contacted_controls, without_contact, .. } = trials.counts;
    if contacted_controls > 0 {
        talk.say(&format!(
            "warning: {contacted_controls} customers who were held out were contacted all the same; they count as held \
             out, so that the uplift comes out too small"
        ));
    }
    if without_contact > 0 {
        talk.say(&format!(
            "note: of {without_contact} customers who were to be contacted no contact is recorded; they count as \
             contacted: what is learned is the effect of deciding to"
        ));
    }
}
