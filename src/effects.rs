//! What a campaign changed, from its decisions and what came of them: customers who were to be contacted against those
//! held out, in all and by action, tier and grade. Asks no store, reads no clock.

use std::collections::BTreeMap;

use rekindle_models::customer::LapseTier;
use rekindle_models::effect::{Effect, FEWEST, FEWEST_OUTCOMES, Sides, daily_quantile};
use rekindle_models::language::Language;
use rekindle_models::metrics::Interval;
use rekindle_models::policy::{Action, Outcome, PlanSpec};
use rekindle_store::{Campaign, CampaignState, Trial};
use serde::Serialize;
use utoipa::ToSchema;

use crate::campaigns::told_time;

/// How sure intervals are, on all days together.
pub const CONFIDENCE: f64 = 0.95;
const DAY: i64 = 86_400_000_000;

/// What a campaign changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct EffectReply {
    pub campaign_id: String,
    /// `running` or `finished`.
    pub state: &'static str,
    /// The kind of outcomes that count.
    pub kind: String,
    /// Outcomes from here on count: from the beginning (UTC) of the day of the start, for many are known by day alone.
    pub since: String,
    /// Outcomes before it count.
    pub until: String,
    /// The day of the campaign, from 1.
    pub day: u32,
    /// How many days it was to be watched, as was said before it began (`watch_days` of the plan).
    pub planned_days: u32,
    /// Of a figure's intervals on all days together: who looks at it every day is misled with a probability of 1 less
    /// it at most. Each figure and group holds for itself.
    pub confidence: f64,
    /// Actions of which contacts were recorded, so that those count as costs. Of the others a contact with each customer
    /// is taken to have been made.
    pub recorded: Vec<String>,
    /// Customers of these actions of whom no contact was recorded. They count as treated: who can be reached is not who
    /// can be compared.
    pub not_reached: u64,
    /// Customers held out who were contacted against the plan. They count as held out, which makes effects look smaller.
    pub contacted_controls: u64,
    /// All who were planned to be contacted.
    pub all: GroupEffect,
    /// By action; of those held out, the one they would have had.
    pub actions: Vec<GroupEffect>,
    /// By lapse tier when it was planned.
    pub lapse_tiers: Vec<GroupEffect>,
    /// By grade when it was planned.
    pub grades: Vec<GroupEffect>,
    /// What it means.
    pub sentence: String,
}

/// What changed for some customers.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupEffect {
    /// The action, tier or grade; `all`.
    pub name: String,
    /// Customers who were to be contacted.
    pub treated: usize,
    /// Customers held out.
    pub control: usize,
    /// Shares of customers with an outcome; missing while it is too early to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Measured>,
    /// Money a customer, as outcomes brought it; missing while it is too early to say, or none brought any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Measured>,
    /// Profit after the costs of contacts and offers; missing, too, where the kind is not the plan's success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profit: Option<ProfitEffect>,
}

/// Treated against held out, a customer.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Measured {
    /// Mean of those held out.
    pub control_mean: f64,
    /// Mean of the treated, less what they were more likely to do anyway.
    pub treated_mean: f64,
    /// The difference.
    pub absolute: Between,
    /// The difference over the mean of those held out.
    pub relative: Ratio,
    /// The share of the differences between customers that was known before (CUPED): by so much fewer customers it took.
    pub known_before: f64,
}

/// A number between its bounds.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Between {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A ratio between its bounds; `null` where it has none, as those held out may have had next to nothing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Ratio {
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Profit that there would not have been.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ProfitEffect {
    /// A treated customer.
    pub a_customer: Between,
    /// All treated customers.
    pub total: Between,
    /// What contacts with the treated, and their offers, cost: it is taken off.
    pub cost: f64,
}

impl From<Interval> for Between {
    fn from(Interval { value, low, high }: Interval) -> Between {
        Between { value, low, high }
    }
}

impl From<Interval> for Ratio {
    fn from(Interval { value, low, high }: Interval) -> Ratio {
        let known = |bound: f64| Some(bound).filter(|bound| bound.is_finite());
        Ratio { value: known(value), low: known(low), high: known(high) }
    }
}

impl From<Effect> for Measured {
    fn from(effect: Effect) -> Measured {
        Measured {
            control_mean: effect.control_mean,
            treated_mean: effect.treated_mean,
            absolute: effect.absolute.into(),
            relative: effect.relative.into(),
            known_before: effect.known_before,
        }
    }
}

/// A campaign being judged.
pub struct Watched<'a> {
    /// The campaign, which has begun.
    pub campaign: &'a Campaign,
    /// What it was made by.
    pub spec: &'a PlanSpec,
    /// The kind of outcomes that count.
    pub kind: String,
    /// Until when outcomes count: its end, or now.
    pub until_micros: i64,
}

/// Its customers who were planned to be contacted, column by column.
#[derive(Default)]
pub struct Columns {
    treated: Vec<bool>,
    propensity: Vec<f64>,
    score: Vec<f64>,
    value: Vec<f64>,
    responded: Vec<f64>,
    amount: Vec<f64>,
    contacts: Vec<u64>,
    /// When the first outcome occurred, in microseconds; the largest number where there was none.
    first: Vec<i64>,
    /// Places in `names`.
    action: Vec<u32>,
    tier: Vec<u32>,
    grade: Vec<u32>,
    names: Vec<String>,
    places: BTreeMap<String, u32>,
}

impl Columns {
    /// Adds what came of a decision.
    pub fn add(&mut self, trial: &Trial) {
        self.treated.push(!trial.control);
        // Without a draw there is but one side.
        self.propensity.push(if trial.propensity > 0.0 { trial.propensity } else { 1.0 });
        self.score.push(trial.score.unwrap_or(f64::NAN));
        self.value.push(trial.predicted_value.unwrap_or(f64::NAN));
        self.responded.push(f64::from(u8::from(trial.outcomes > 0)));
        self.amount.push(trial.amount);
        self.contacts.push(trial.contacts);
        self.first.push(trial.first_outcome_micros.unwrap_or(i64::MAX));
        let unknown = "unknown";
        let action = self.place(&trial.action);
        let tier = self.place(trial.lapse_tier.as_deref().unwrap_or(unknown));
        let grade = self.place(trial.grade.as_deref().unwrap_or(unknown));
        self.action.push(action);
        self.tier.push(tier);
        self.grade.push(grade);
    }

    fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }

    /// What was known of each before: score or value, whichever is known of more.
    fn before(&self) -> &[f64] {
        let known = |column: &[f64]| column.iter().filter(|number| !number.is_nan()).count();
        match known(&self.value) > known(&self.score) {
            true => &self.value,
            false => &self.score,
        }
    }
}

/// What customers brought, and cost.
struct Money {
    /// Profit of each after costs; NaN where what an outcome is worth is not known.
    profit: Vec<f64>,
    cost: Vec<f64>,
    /// By place of the name of an action: whether contacts of it were recorded.
    recorded: Vec<bool>,
}

impl Watched<'_> {
    /// What it changed, told in a language.
    pub fn judge(&self, columns: &Columns, language: Language) -> EffectReply {
        let planned_days = self.spec.plan.watch_days;
        let since = self.campaign.counts_from_micros().unwrap_or(self.until_micros);
        let passed = (self.until_micros - since).max(0) / DAY;
        let day = u32::try_from(passed).unwrap_or(u32::MAX).saturating_add(1);
        let group = Group {
            columns,
            money: self.money(columns),
            quantile: daily_quantile(CONFIDENCE, day, planned_days),
            valued: self.kind == self.spec.plan.success,
        };
        let all = group.effect("all".to_owned(), |_| true);
        let rows = 0..columns.treated.len();
        let recorded = |row: &usize| group.money.recorded[columns.action[*row] as usize];
        let missed = |row: &usize| columns.treated[*row] && columns.contacts[*row] == 0;
        let against = |row: &usize| !columns.treated[*row] && columns.contacts[*row] > 0;
        let not_reached = rows.clone().filter(recorded).filter(missed).count() as u64;
        EffectReply {
            campaign_id: self.campaign.made.campaign_id.clone(),
            state: self.campaign.state.text(),
            kind: self.kind.clone(),
            since: told_time(since),
            until: told_time(self.until_micros),
            day,
            planned_days,
            confidence: CONFIDENCE,
            recorded: (columns.names.iter().zip(&group.money.recorded))
                .filter(|(_, recorded)| **recorded)
                .map(|(name, _)| name.clone())
                .collect(),
            not_reached,
            contacted_controls: rows.filter(against).count() as u64,
            sentence: self.sentence(&all, not_reached, language),
            all,
            actions: group.by(&columns.action),
            lapse_tiers: group.by(&columns.tier),
            grades: group.by(&columns.grade),
        }
    }

    fn money(&self, columns: &Columns) -> Money {
        let mut recorded = vec![false; columns.names.len()];
        for row in 0..columns.treated.len() {
            recorded[columns.action[row] as usize] |=
                columns.treated[row] && columns.contacts[row] > 0;
        }
        let rules = &self.spec.plan;
        let actions: Vec<Option<&Action>> = (columns.names.iter())
            .map(|name| self.spec.actions.iter().find(|action| action.name == *name))
            .collect();
        let cost = |row: usize| {
            let place = columns.action[row] as usize;
            // What is done with those held out against the plan is none of the plan's costs.
            let Some(action) = actions[place].filter(|_| columns.treated[row]) else { return 0.0 };
            let contacts = if recorded[place] { columns.contacts[row] as f64 } else { 1.0 };
            let redeemed = columns.responded[row] > 0.0;
            contacts * action.cost + if redeemed { action.offer_cost } else { 0.0 }
        };
        let worth = |row: usize| match (rules.outcome, columns.responded[row] > 0.0) {
            (Outcome::Money, _) => rules.margin * columns.amount[row],
            (Outcome::YesNo, false) => 0.0,
            (Outcome::YesNo, true) => match columns.value[row].is_nan() {
                true => rules.value.unwrap_or(f64::NAN),
                false => columns.value[row],
            },
        };
        let rows = 0..columns.treated.len();
        let cost: Vec<f64> = rows.clone().map(cost).collect();
        Money { profit: rows.map(|row| worth(row) - cost[row]).collect(), cost, recorded }
    }
}

/// Groups of customers being compared.
struct Group<'a> {
    columns: &'a Columns,
    money: Money,
    quantile: f64,
    /// Whether what is counted is what the plan's value is of.
    valued: bool,
}

impl Group<'_> {
    /// An effect for each name, in the order of names.
    fn by(&self, names: &[u32]) -> Vec<GroupEffect> {
        let mut places = names.to_vec();
        places.sort_unstable();
        places.dedup();
        places.sort_by_key(|place| in_order(&self.columns.names[*place as usize]));
        let effect = |place: u32| {
            let name = self.columns.names[place as usize].clone();
            self.effect(name, |row| names[row] == place)
        };
        places.into_iter().map(effect).collect()
    }

    fn effect(&self, name: String, member: impl Fn(usize) -> bool) -> GroupEffect {
        let columns = self.columns;
        let rows: Vec<usize> = (0..columns.treated.len()).filter(|row| member(*row)).collect();
        let of = |numbers: &[f64]| rows.iter().map(|row| numbers[*row]).collect::<Vec<f64>>();
        let treated: Vec<bool> = rows.iter().map(|row| columns.treated[*row]).collect();
        let (propensity, before) = (of(&columns.propensity), of(columns.before()));
        let compared = |numbers: &[f64]| {
            let outcome = of(numbers);
            let sides = Sides {
                treated: &treated,
                propensity: &propensity,
                before: &before,
                outcome: &outcome,
            };
            sides.effect(self.quantile)
        };
        let response = compared(&columns.responded);
        let count = treated.iter().filter(|treated| **treated).count();
        let known = response.as_ref().filter(|_| self.valued);
        let profit = known.and_then(|_| compared(&self.money.profit));
        let profit = profit.filter(|effect| effect.absolute.value.is_finite()).map(|effect| {
            let times = count as f64;
            let a_customer = Between::from(effect.absolute);
            let total = Between {
                value: times * a_customer.value,
                low: times * a_customer.low,
                high: times * a_customer.high,
            };
            ProfitEffect { a_customer, total, cost: of(&self.money.cost).iter().sum() }
        });
        GroupEffect {
            name,
            treated: count,
            control: treated.len() - count,
            response: response.map(Measured::from),
            amount: compared(&columns.amount).map(Measured::from),
            profit,
        }
    }
}

/// Names in their order, tiers from the awake on.
fn in_order(name: &str) -> (usize, &str) {
    let tier = LapseTier::ALL.into_iter().position(|tier| tier.text() == name);
    (tier.unwrap_or(LapseTier::ALL.len()), name)
}

/// What was known of a group on a day of the campaign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnDay {
    /// The day, from 1.
    pub day: u32,
    /// Share of customers by which more of the treated had an outcome until its end.
    pub difference: Interval,
}

/// What a group looked like day after day.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The action, tier or grade; `all`.
    pub name: String,
    /// Days of which something could be said, rising.
    pub days: Vec<OnDay>,
}

/// The courses of all groups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Courses {
    /// All who were planned to be contacted; nothing where there is nobody.
    pub all: Option<Course>,
    /// By action.
    pub actions: Vec<Course>,
    /// By lapse tier.
    pub lapse_tiers: Vec<Course>,
    /// By grade.
    pub grades: Vec<Course>,
}

/// Most days that are looked at.
const LOOKS: u32 = 32;

impl Watched<'_> {
    /// What it looked like from its first day on, on at most 32 days.
    pub fn courses(&self, columns: &Columns) -> Courses {
        let since = self.campaign.counts_from_micros().unwrap_or(self.until_micros);
        let passed =
            ((self.until_micros - since).max(0) / DAY).min(i64::from(u32::MAX - 1)) as u32 + 1;
        let step = passed.div_ceil(LOOKS);
        let days: Vec<u32> =
            (1..=passed).filter(|day| (passed - day).is_multiple_of(step)).collect();
        let all = vec![0; columns.treated.len()];
        let named = |names: &[u32]| self.courses_by(columns, names, (since, &days));
        let mut of_all = named(&all);
        of_all.iter_mut().for_each(|course| course.name = "all".to_owned());
        Courses {
            all: of_all.pop(),
            actions: named(&columns.action),
            lapse_tiers: named(&columns.tier),
            grades: named(&columns.grade),
        }
    }

    fn courses_by(
        &self,
        columns: &Columns,
        names: &[u32],
        (since, days): (i64, &[u32]),
    ) -> Vec<Course> {
        let planned = self.spec.plan.watch_days;
        let mut places = names.to_vec();
        places.sort_unstable();
        places.dedup();
        let course = |place: u32| {
            let rows: Vec<usize> = (0..names.len()).filter(|row| names[*row] == place).collect();
            let of = |numbers: &[f64]| rows.iter().map(|row| numbers[*row]).collect::<Vec<f64>>();
            let treated: Vec<bool> = rows.iter().map(|row| columns.treated[*row]).collect();
            let (propensity, before) = (of(&columns.propensity), of(columns.before()));
            let on = |day: u32| {
                let end = since + i64::from(day) * DAY;
                let had = |row: &usize| f64::from(u8::from(columns.first[*row] < end));
                let outcome: Vec<f64> = rows.iter().map(had).collect();
                let sides = Sides {
                    treated: &treated,
                    propensity: &propensity,
                    before: &before,
                    outcome: &outcome,
                };
                let effect = sides.effect(daily_quantile(CONFIDENCE, day, planned))?;
                Some(OnDay { day, difference: effect.absolute })
            };
            let days = days.iter().filter_map(|day| on(*day)).collect();
            Course { name: columns.names[place as usize].clone(), days }
        };
        let mut courses: Vec<Course> = match columns.names.is_empty() {
            true => Vec::new(),
            false => places.into_iter().map(course).collect(),
        };
        courses.sort_by(|a, b| in_order(&a.name).cmp(&in_order(&b.name)));
        courses
    }
}

impl Watched<'_> {
    /// What an effect means.
    pub fn sentence(&self, all: &GroupEffect, not_reached: u64, language: Language) -> String {
        let english = language == Language::English;
        let running = self.campaign.state == CampaignState::Running;
        let Some(response) = all.response else { return too_early(all, running, language) };
        let mut told = if english {
            response_english(&response, running)
        } else {
            response_chinese(&response)
        };
        match &all.profit {
            Some(profit) => told += &money(&profit.total, english),
            None if self.kind == self.spec.plan.success => {
                told += match english {
                    true => " What it brings after costs is not known: there are too few amounts.",
                    false => "扣除成本后的收益未知：金额太少。",
                };
            }
            None => {}
        }
        if not_reached > 0 {
            told += &match english {
                true => {
                    format!(" No contact was recorded of {not_reached} who were to be contacted.")
                }
                false => format!("计划联系的客户中有 {not_reached} 位没有联系记录。"),
            };
        }
        if self.campaign.made.assumed {
            told += match (running, english) {
                (true, true) => {
                    " The plan's uplift was assumed: once finished, it can be learned (rekindle fit-uplift --store)."
                }
                (true, false) => {
                    "计划的增量是假设的：活动结束后可由此学习（rekindle fit-uplift --store）。"
                }
                (false, true) => {
                    " The plan's uplift was assumed: now it can be learned (rekindle fit-uplift --store)."
                }
                (false, false) => {
                    "计划的增量是假设的：现在可由此学习（rekindle fit-uplift --store）。"
                }
            };
        }
        told
    }
}

/// A share as so many of 100.
fn hundred(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

fn response_english(response: &Measured, running: bool) -> String {
    let Between { value, low, high } = response.absolute;
    let word = if value < 0.0 { "fewer" } else { "more" };
    let many =
        format!("of 100 customers {} {word} responded than without it", hundred(value.abs()));
    let between = format!("between {} and {}", hundred(low), hundred(high));
    match (low > 0.0, high < 0.0) {
        (true, _) => format!("It works: {many} ({between})."),
        (_, true) if running => format!("It does harm: {many} ({between}); end it."),
        (_, true) => format!("It did harm: {many} ({between})."),
        _ => {
            let so_far = if running { "Nothing is shown yet" } else { "Nothing is shown" };
            format!("{so_far}: {many}, which may be chance ({between}).")
        }
    }
}

fn response_chinese(response: &Measured) -> String {
    let Between { value, low, high } = response.absolute;
    let word = if value < 0.0 { "少" } else { "多" };
    let many = format!("每 100 位客户比不联系时{word} {} 位响应", hundred(value.abs()));
    let between = format!("介于 {} 与 {} 之间", hundred(low), hundred(high));
    match (low > 0.0, high < 0.0) {
        (true, _) => format!("有效：{many}（{between}）。"),
        (_, true) => format!("有害：{many}（{between}）。"),
        _ => format!("尚无定论：{many}，可能出于偶然（{between}）。"),
    }
}

fn money(total: &Between, english: bool) -> String {
    let Between { value, low, high } = total;
    match (*low > 0.0, *high < 0.0, english) {
        (true, _, true) => {
            format!(" After costs it has earned {value:.2} (between {low:.2} and {high:.2}).")
        }
        (true, _, false) => {
            format!("扣除成本后盈利 {value:.2}（介于 {low:.2} 与 {high:.2} 之间）。")
        }
        (_, true, true) => format!(
            " After costs it has lost {:.2} (between {:.2} and {:.2}).",
            -value, -high, -low
        ),
        (_, true, false) => {
            format!("扣除成本后亏损 {:.2}（介于 {:.2} 与 {:.2} 之间）。", -value, -high, -low)
        }
        (_, _, true) => format!(
            " Whether it pays is open: {value:.2} after costs (between {low:.2} and {high:.2})."
        ),
        (_, _, false) => {
            format!("是否盈利尚不确定：扣除成本后 {value:.2}（介于 {low:.2} 与 {high:.2} 之间）。")
        }
    }
}

fn too_early(all: &GroupEffect, running: bool, language: Language) -> String {
    let (treated, control) = (all.treated, all.control);
    let early = if running { "Too early to say" } else { "It cannot be said" };
    match (treated + control, control, language) {
        (0, _, Language::English) => "Nobody was planned to be contacted.".to_owned(),
        (0, _, Language::Chinese) => "没有计划联系任何客户。".to_owned(),
        (_, 0, Language::English) => {
            "What it does cannot be told: nobody is held out (control_share of the plan)."
                .to_owned()
        }
        (_, 0, Language::Chinese) => {
            "无法得知效果：没有对照组（计划的 control_share）。".to_owned()
        }
        (_, _, Language::English) => format!(
            "{early}: it takes {FEWEST} customers on each side, {FEWEST_OUTCOMES} of them with an outcome and some \
             without; {treated} were to be contacted, {control} are held out."
        ),
        (_, _, Language::Chinese) => format!(
            "尚不能判断：每一侧至少需要 {FEWEST} 位客户，其中至少 {FEWEST_OUTCOMES} 位有响应，也须有无响应的；计划联系 \
             {treated} 位，对照 {control} 位。"
        ),
    }
}
