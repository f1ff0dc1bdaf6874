//! What a campaign decided for each of its customers, and what was known of them then.

use std::collections::HashSet;

use rekindle_models::policy::{Action, Decided, date_text};

use crate::cell::{Cell, Fields, Table, Told, Written};
use crate::check::Check;
use crate::error::Result;
use crate::store::Store;

/// One action for one customer; `none` is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The customer; not empty.
    pub customer_id: String,
    /// The action's name; not empty. Of a control, the one it would have had.
    pub action: String,
    /// What is offered, if anything.
    pub offer: Option<String>,
    /// By which way.
    pub channel: Option<String>,
    /// What a contact costs, in money.
    pub cost: f64,
    /// What the action is expected to change: a difference of probabilities or, where the outcome is money, of money.
    pub uplift: f64,
    /// What it is expected to bring beyond its cost, in money.
    pub expected_profit: f64,
    /// Held out at random: not to be contacted.
    pub control: bool,
    /// With which probability the customer came to be treated so, 0 to 1.
    pub propensity: f64,
    /// The lapse tier then, where it was known.
    pub lapse_tier: Option<String>,
    /// The lifecycle stage then, where it was known.
    pub lifecycle_stage: Option<String>,
    /// The grade then, where it was known.
    pub grade: Option<String>,
    /// A score from before the campaign, which the effect is adjusted by (CUPED).
    pub score: Option<f64>,
    /// The value that was expected then, in money.
    pub predicted_value: Option<f64>,
    /// Why so, in a sentence.
    pub sentence: Option<String>,
    /// The day on which to contact, as `2025-06-01`.
    pub contact_on: Option<String>,
}

/// Which decisions of a campaign are looked for; `None` lets all pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those of this action.
    pub action: Option<String>,
    /// Those by this way.
    pub channel: Option<String>,
    /// Controls alone, or all others alone.
    pub control: Option<bool>,
    /// Those with an action other than `none` alone.
    pub planned: bool,
}

pub(crate) const DECISIONS: Table = Table {
    name: "decisions",
    columns: &[
        "campaign_id",
        "customer_id",
        "action",
        "offer",
        "channel",
        "cost",
        "uplift",
        "expected_profit",
        "control",
        "propensity",
        "lapse_tier",
        "lifecycle_stage",
        "grade",
        "score",
        "predicted_value",
        "sentence",
        "contact_on",
    ],
};

impl Store {
    /// At most `most` decisions of a campaign, of customers whose id comes behind `after` in the database's order of
    /// texts, in that order: `""` begins, the last customer of a page goes on, an empty page ends. Each page is as of
    /// when it was read; reading no page holds anything up. Empty where there is no such campaign.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn decisions(
        &self,
        campaign_id: &str,
        choice: &Choice,
        after: &str,
        most: u32,
    ) -> Result<Vec<Decision>> {
        let texts = [Some(campaign_id), Some(after), choice.action.as_deref()];
        if unkept(texts) || unkept([choice.channel.as_deref()]) {
            return Ok(Vec::new());
        }
        let mut text = format!(
            "SELECT {} FROM decisions WHERE campaign_id = $1 AND customer_id > $2",
            DECISIONS.list_in_campaign()
        );
        let mut cells =
            vec![Cell::Text(campaign_id), Cell::Text(after), Cell::Whole(i64::from(most))];
        let wanted = [
            ("action", choice.action.as_deref().map(Cell::Text)),
            ("channel", choice.channel.as_deref().map(Cell::Text)),
            ("control", choice.control.map(Cell::Truth)),
        ];
        for (column, cell) in wanted {
            if let Some(cell) = cell {
                cells.push(cell);
                text.push_str(&format!(" AND {column} = ${}", cells.len()));
            }
        }
        if choice.planned {
            text.push_str(" AND action <> 'none'");
        }
        text.push_str(" ORDER BY customer_id LIMIT $3");
        self.read("read decisions", &text, &cells).await
    }
}

/// Whether one of some texts is none that is kept anywhere.
fn unkept<const N: usize>(texts: [Option<&str>; N]) -> bool {
    texts.into_iter().flatten().any(|text| text.contains('\0'))
}

/// Whether these can be the decisions of one campaign.
pub(crate) fn check(decisions: &[Decision]) -> Result<()> {
    let mut met = HashSet::with_capacity(decisions.len());
    for (row, decision) in decisions.iter().enumerate() {
        let check = Check { noun: "decision", place: row + 1 };
        decision.check(check)?;
        if !met.insert(decision.customer_id.as_str()) {
            let customer = format!("{:?} again", decision.customer_id);
            return check.bad("customer_id", &customer, "a customer once in a campaign");
        }
    }
    Ok(())
}

impl From<Decided<'_>> for Decision {
    /// A decision of a plan. Of one held out, action, offer, channel and cost are those that it would have had; uplift
    /// and expected profit are 0.
    fn from(decided: Decided<'_>) -> Decision {
        let Decided { decision, planned, .. } = decided;
        Decision {
            customer_id: decided.customer_id.to_owned(),
            action: planned.map_or("none", |action| &action.name).to_owned(),
            offer: planned.and_then(Action::offered).map(str::to_owned),
            channel: planned.map(|action| action.channel.clone()),
            cost: planned.map_or(0.0, |action| action.cost),
            uplift: decision.uplift,
            expected_profit: decision.expected_profit,
            control: decision.control,
            propensity: decision.propensity,
            lapse_tier: decided.lapse_tier.map(str::to_owned),
            lifecycle_stage: decided.lifecycle_stage.map(str::to_owned),
            grade: decided.grade.map(str::to_owned),
            score: decided.baseline,
            predicted_value: decided.value,
            sentence: Some(decided.reason),
            contact_on: decision.contact_on.map(date_text),
        }
    }
}

impl Decision {
    fn check(&self, check: Check) -> Result<()> {
        check.key("customer_id", &self.customer_id)?;
        check.key("action", &self.action)?;
        check.may_be_text("offer", self.offer.as_deref())?;
        check.may_be_text("channel", self.channel.as_deref())?;
        check.number("cost", self.cost)?;
        check.number("uplift", self.uplift)?;
        check.number("expected_profit", self.expected_profit)?;
        check.share("propensity", self.propensity)?;
        check.may_be_text("lapse_tier", self.lapse_tier.as_deref())?;
        check.may_be_text("lifecycle_stage", self.lifecycle_stage.as_deref())?;
        check.may_be_text("grade", self.grade.as_deref())?;
        check.may_be_number("score", self.score)?;
        check.may_be_number("predicted_value", self.predicted_value)?;
        check.may_be_text("sentence", self.sentence.as_deref())?;
        check.may_be_text("contact_on", self.contact_on.as_deref())
    }
}

impl Written for Decision {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.customer_id),
            Cell::Text(&self.action),
            Cell::MaybeText(self.offer.as_deref()),
            Cell::MaybeText(self.channel.as_deref()),
            Cell::Number(self.cost),
            Cell::Number(self.uplift),
            Cell::Number(self.expected_profit),
            Cell::Truth(self.control),
            Cell::Number(self.propensity),
            Cell::MaybeText(self.lapse_tier.as_deref()),
            Cell::MaybeText(self.lifecycle_stage.as_deref()),
            Cell::MaybeText(self.grade.as_deref()),
            Cell::MaybeNumber(self.score),
            Cell::MaybeNumber(self.predicted_value),
            Cell::MaybeText(self.sentence.as_deref()),
            Cell::MaybeText(self.contact_on.as_deref()),
        ]);
    }
}

impl Told for Decision {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Decision> {
        Ok(Decision {
            customer_id: row.next()?,
            action: row.next()?,
            offer: row.next()?,
            channel: row.next()?,
            cost: row.next()?,
            uplift: row.next()?,
            expected_profit: row.next()?,
            control: row.next()?,
            propensity: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            score: row.next()?,
            predicted_value: row.next()?,
            sentence: row.next()?,
            contact_on: row.next()?,
        })
    }
}
