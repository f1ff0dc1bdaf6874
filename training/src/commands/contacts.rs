//! Who was contacted and who was held out, as a store says, for labels that are to tell what happens when customers are
//! left alone.

use anyhow::{Result, bail};
use clap::Args;
use rekindle_store::{Choice, Decision};

use crate::commands::Talk;
use crate::commands::keeping::Held;
use crate::contacted::{Contacted, Part};

/// Decisions read at a time.
const PAGE: u32 = 50_000;

/// Where contacts are recorded.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ContactArgs {
    /// Learn what happens when customers are left alone: who was contacted before their answer was known has no row,
    /// who was held out as control then stands for them. The store that campaigns are kept in: a SQLite file
    /// (customers.db, sqlite:FILE) or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "ADDRESS")]
    pub contacts: Option<String>,
}

/// What campaigns did from one instant on and before another, in milliseconds.
///
/// # Errors
/// When the store is not there or cannot be read.
pub(super) fn contacted(address: &str, (from, until): (i64, i64), talk: Talk) -> Result<Contacted> {
    let held = Held::open_existing(address)?;
    let made = held.wait(held.store.contacts_between(from * 1_000, until * 1_000))?;
    let mut made = made.into_iter().peekable();
    let (mut contacted, mut counted, mut contacts) = (Contacted::default(), 0_u64, 0_u64);
    let mut campaigns = held.wait(held.store.campaigns())?;
    campaigns.sort_by(|a, b| a.made.campaign_id.cmp(&b.made.campaign_id));
    for campaign in campaigns {
        let id = campaign.made.campaign_id.as_str();
        let mut own = Vec::new();
        while let Some((_, customer, micros)) = made.next_if(|(campaign, ..)| campaign == id) {
            own.push((customer, micros.div_euclid(1_000)));
        }
        let began = campaign.started_at_micros.map(|micros| micros.div_euclid(1_000));
        let began = began.filter(|began| (from..until).contains(began));
        if began.is_none() && own.is_empty() {
            continue;
        }
        (counted, contacts) = (counted + 1, contacts + own.len() as u64);
        let parts = parts(&held, id)?;
        contacted.add(began, parts, own);
    }
    if let Some((campaign, ..)) = made.next() {
        bail!("{}: a contact is of campaign {campaign:?}, which is not there", held.store.shown());
    }
    talk.say(&format!(
        "{}: {counted} campaigns with {contacts} contacts between the first cutoff and the last answer",
        held.store.shown()
    ));
    held.close();
    Ok(contacted)
}

/// The parts of a campaign's customers: of those who were planned to have something.
fn parts(held: &Held, campaign_id: &str) -> Result<Vec<(String, Part)>> {
    let (mut parts, mut last) = (Vec::new(), String::new());
    loop {
        let choice = Choice::default();
        let page = held.wait(held.store.decisions(campaign_id, &choice, &last, PAGE))?;
        let Some(end) = page.last() else { return Ok(parts) };
        last.clone_from(&end.customer_id);
        parts.extend(page.into_iter().filter_map(part));
    }
}

fn part(decision: Decision) -> Option<(String, Part)> {
    let Decision { customer_id, action, control, propensity, .. } = decision;
    match control {
        true if propensity > 0.0 => Some((customer_id, Part::HeldOut(propensity))),
        // Nobody knows whom it stands for.
        true => None,
        false => (action != "none").then_some((customer_id, Part::Assigned)),
    }
}
