//! Campaigns: made with all their decisions at once, then running, then finished.

use crate::cell::{Batch, Cell, Fields, Told, misfit};
use crate::check::Check;
use crate::database::Transaction;
use crate::decision::{self, DECISIONS, Decision};
use crate::delivery;
use crate::error::{Error, Result};
use crate::revision::{self, Noun};
use crate::store::Store;

/// Where a campaign stands. It goes on and not back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignState {
    /// Planned; nobody has been contacted.
    Draft,
    /// Contacts are made, outcomes come in.
    Running,
    /// Over: what came of it may be learned from.
    Finished,
}

impl CampaignState {
    /// Its word: `draft`, `running`, `finished`.
    pub fn text(self) -> &'static str {
        match self {
            CampaignState::Draft => "draft",
            CampaignState::Running => "running",
            CampaignState::Finished => "finished",
        }
    }
}

/// A campaign to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCampaign {
    /// What it is known by: 1 to 64 letters, digits, `-`, `_` and `.`, for it stands in addresses and file names.
    pub campaign_id: String,
    /// What people call it; not empty.
    pub name: String,
    /// The plan's settings, as JSON. The store does not look into them.
    pub settings: String,
    /// Whether the plan's uplift was assumed, not learned.
    pub assumed: bool,
    /// When it is made, in microseconds since 1970-01-01T00:00:00Z.
    pub created_at_micros: i64,
}

impl NewCampaign {
    /// That it can be made.
    ///
    /// # Errors
    /// When its id, name or settings are not as they must be.
    pub fn check(&self) -> Result<()> {
        let check = Check { noun: "campaign", place: 1 };
        check.id("campaign_id", &self.campaign_id)?;
        check.key("name", &self.name)?;
        check.text("settings", &self.settings)
    }
}

/// A campaign as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// What it was made as.
    pub made: NewCampaign,
    /// Where it stands.
    pub state: CampaignState,
    /// When it began to run, in microseconds; `None` for a draft, and one that never ran.
    pub started_at_micros: Option<i64>,
    /// When it was finished, in microseconds; `None` before.
    pub finished_at_micros: Option<i64>,
}

impl Campaign {
    /// From when on its outcomes count, in microseconds: the beginning, in UTC, of the day on which it began to run, as many
    /// outcomes are known by their day alone; `None` where it never ran.
    pub fn counts_from_micros(&self) -> Option<i64> {
        const DAY: i64 = 86_400_000_000;
        Some(self.started_at_micros?.div_euclid(DAY) * DAY)
    }
}

const COLUMNS: &str = "campaign_id, name, settings, assumed, created_at_micros, state, started_at_micros, \
     finished_at_micros";

impl Store {
    /// Makes a campaign, a draft, with its decisions, one for a customer: all of it or, on an error, nothing.
    ///
    /// # Errors
    /// When there is a campaign of that id, a decision is out of range or a customer has two, or the database refuses.
    pub async fn create_campaign(
        &self,
        campaign: &NewCampaign,
        decisions: &[Decision],
    ) -> Result<()> {
        const ACTION: &str = "make a campaign";
        campaign.check()?;
        decision::check(decisions)?;
        let mut all = self.write(ACTION).await?;
        let made = make(&mut all, campaign).await.map_err(|source| self.failed(ACTION, source))?;
        if !made {
            let (store, campaign) = (self.shown().to_owned(), campaign.campaign_id.clone());
            return Err(Error::CampaignExists { store, campaign });
        }
        let lead = [Cell::Text(&campaign.campaign_id)];
        // In the order of the key, neighbours fall into one page.
        let mut rows: Vec<&Decision> = decisions.iter().collect();
        rows.sort_by(|a, b| a.customer_id.cmp(&b.customer_id));
        let batch = Batch { table: &DECISIONS, lead: &lead, rows: &rows };
        all.insert(&batch).await.map_err(|source| self.failed(ACTION, source))?;
        let raised = revision::raise(&mut all, Noun::Campaigns).await;
        raised.map_err(|source| self.failed(ACTION, source))?;
        all.commit().await.map_err(|source| self.failed(ACTION, source))
    }

    /// All campaigns, the newest first, of equally new ones by id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn campaigns(&self) -> Result<Vec<Campaign>> {
        let text = format!("SELECT {COLUMNS} FROM campaigns");
        Ok(newest_first(self.read("read campaigns", &text, &[]).await?))
    }

    /// The campaign of an id; `None` where there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn campaign(&self, campaign_id: &str) -> Result<Option<Campaign>> {
        if campaign_id.contains('\0') {
            return Ok(None);
        }
        let text = format!("SELECT {COLUMNS} FROM campaigns WHERE campaign_id = $1");
        Ok(self.read("read a campaign", &text, &[Cell::Text(campaign_id)]).await?.pop())
    }

    /// Moves a campaign on, from draft to running, from either to finished; `at_micros` says when. One that is there
    /// already stays as it is.
    ///
    /// # Errors
    /// When there is no such campaign, it would go back, or the database refuses.
    pub async fn move_campaign(
        &self,
        campaign_id: &str,
        to: CampaignState,
        at_micros: i64,
    ) -> Result<()> {
        let Some(campaign) = self.campaign(campaign_id).await? else {
            return Err(self.no_campaign(campaign_id));
        };
        let (column, from) = match to {
            CampaignState::Draft => ("created_at_micros", "state = 'nowhere'"),
            CampaignState::Running => ("started_at_micros", "state = 'draft'"),
            CampaignState::Finished => ("finished_at_micros", "state <> 'finished'"),
        };
        let text = format!(
            "UPDATE campaigns SET state = $1, {column} = $2 WHERE campaign_id = $3 AND {from}"
        );
        let cells = [Cell::Text(to.text()), Cell::Whole(at_micros), Cell::Text(campaign_id)];
        let mut all = self.write("move a campaign").await?;
        let moved = all.execute(&text, &cells).await;
        let moved = moved.map_err(|source| self.failed("move a campaign", source))?;
        if to == CampaignState::Finished {
            let ended = all.execute(delivery::END, &[Cell::Text(campaign_id)]).await;
            ended.map_err(|source| self.failed("move a campaign", source))?;
        }
        let raised = revision::raise(&mut all, Noun::Campaigns).await;
        raised.map_err(|source| self.failed("move a campaign", source))?;
        all.commit().await.map_err(|source| self.failed("move a campaign", source))?;
        // Another may have moved it since it was looked at.
        let now = if moved == 0 { self.campaign(campaign_id).await? } else { None };
        match now.map_or(to, |now| now.state) {
            there if there == to => Ok(()),
            there => Err(Error::CampaignState {
                store: self.shown().to_owned(),
                campaign: campaign.made.campaign_id,
                from: there.text(),
                to: to.text(),
            }),
        }
    }

    /// The error of a campaign that is not there.
    pub(crate) fn no_campaign(&self, campaign_id: &str) -> Error {
        Error::NoCampaign { store: self.shown().to_owned(), campaign: campaign_id.to_owned() }
    }
}

/// The statement for all campaigns that a customer is in.
pub(crate) fn of_customer() -> String {
    format!(
        "SELECT {COLUMNS} FROM campaigns WHERE campaign_id IN (SELECT campaign_id FROM decisions WHERE customer_id = $1)"
    )
}

/// The newest first, of equally new ones by id.
pub(crate) fn newest_first(mut campaigns: Vec<Campaign>) -> Vec<Campaign> {
    campaigns.sort_by(|a, b| {
        let newer = b.made.created_at_micros.cmp(&a.made.created_at_micros);
        newer.then_with(|| a.made.campaign_id.cmp(&b.made.campaign_id))
    });
    campaigns
}

/// Whether it could be made: of two that make it at once, one can.
async fn make(all: &mut Transaction, campaign: &NewCampaign) -> sqlx::Result<bool> {
    let text = "INSERT INTO campaigns (campaign_id, name, settings, assumed, created_at_micros, state) \
                VALUES ($1, $2, $3, $4, $5, 'draft') ON CONFLICT (campaign_id) DO NOTHING";
    let cells = [
        Cell::Text(&campaign.campaign_id),
        Cell::Text(&campaign.name),
        Cell::Text(&campaign.settings),
        Cell::Truth(campaign.assumed),
        Cell::Whole(campaign.created_at_micros),
    ];
    Ok(all.execute(text, &cells).await? == 1)
}

impl Told for Campaign {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Campaign> {
        let made = NewCampaign {
            campaign_id: row.next()?,
            name: row.next()?,
            settings: row.next()?,
            assumed: row.next()?,
            created_at_micros: row.next()?,
        };
        let state: String = row.next()?;
        let states = [CampaignState::Draft, CampaignState::Running, CampaignState::Finished];
        let state = states.into_iter().find(|s| s.text() == state);
        Ok(Campaign {
            made,
            state: state.ok_or_else(|| misfit("state", &"another word"))?,
            started_at_micros: row.next()?,
            finished_at_micros: row.next()?,
        })
    }
}
