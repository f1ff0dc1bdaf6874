//! Decisions in words: why a customer has this action, or none. Decides nothing.

use crate::language::Language;
use crate::policy::customers::Customers;
use crate::policy::decide::{Decision, Plan, Why};
use crate::policy::occasion::{Occasion, date_text};
use crate::policy::spec::{Outcome, PlanSpec};

/// Speaks of one plan's decisions.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// What the plan was made by.
    pub spec: &'a PlanSpec,
    /// For whom.
    pub customers: &'a Customers,
    /// The plan.
    pub plan: &'a Plan,
    /// In which language.
    pub language: Language,
}

impl Speaker<'_> {
    /// Why a customer has its decision, in a sentence.
    pub fn sentence(&self, customer: usize) -> String {
        match self.language {
            Language::English => self.english(customer),
            Language::Chinese => self.chinese(customer),
        }
    }

    fn name(&self, action: usize) -> &str {
        &self.spec.actions[action].name
    }

    fn english(&self, customer: usize) -> String {
        let decision = &self.plan.decisions[customer];
        match decision.why {
            Why::Chosen => self.chosen(decision),
            Why::Control => format!(
                "Held out at random as control; would have had {}.",
                decision.planned.map_or("none", |action| self.name(action))
            ),
            Why::Excluded => "Not contacted: excluded.".to_owned(),
            Why::ContactCap => {
                let (contacts, most, days) = self.contacts(customer);
                format!(
                    "Not contacted: {contacts} contacts in the last {days} days, and {most} are allowed with this one."
                )
            }
            Why::NoConsent => format!("Not contacted: no consent to {}.", self.channels(" or ")),
            Why::NoValue => "Not contacted: its value or the uplift is not known.".to_owned(),
            Why::BelowMinimum { best, profit } => {
                let name = self.name(best);
                match profit > 0.0 {
                    true => format!(
                        "Not contacted: {name}, the best action, would bring {}, below the minimum of {}.",
                        money(profit),
                        money(self.spec.plan.minimum_profit)
                    ),
                    false => format!(
                        "Not contacted: {name}, the best action, would bring {}.",
                        money(profit)
                    ),
                }
            }
            Why::Budget { best, profit, charge } => format!(
                "Not contacted: the budget is spent, and {} would bring {}{}.",
                self.name(best),
                money(profit),
                elsewhere(profit, charge, |c| format!(
                    ", while what it takes brings {c} with others"
                ))
            ),
            Why::Places { best, profit, charge } => format!(
                "Not contacted: no place is left for {}, which would bring {}{}.",
                self.name(best),
                money(profit),
                elsewhere(profit, charge, |c| format!(", while its place brings {c} with others"))
            ),
        }
    }

    fn chosen(&self, decision: &Decision) -> String {
        let action = decision.action.unwrap_or_default();
        let own = &self.spec.actions[action];
        let how = if self.plan.assumed[action] { "an assumed" } else { "a learned" };
        let offer = match own.offer.as_str() {
            "" => String::new(),
            offer => format!("{offer} "),
        };
        let when = match (decision.contact_on, decision.occasion) {
            (Some(day), Some(occasion)) => {
                let what = match occasion {
                    Occasion::AfterPurchase => "the day after a purchase",
                    Occasion::Birthday => "the birthday",
                    Occasion::Season => "in the customer's season",
                    Occasion::Overdue => "as the usual gap between purchases has passed",
                };
                format!(" On {}, {what}.", date_text(day))
            }
            (Some(day), None) => format!(" On {}.", date_text(day)),
            (None, _) => String::new(),
        };
        format!(
            "{} ({offer}by {}) is expected to bring {} after costs of {}, by {how} uplift of {}.{when}",
            own.name,
            own.channel,
            money(decision.expected_profit),
            money(decision.cost + decision.offer_cost),
            self.uplift(action, decision.uplift)
        )
    }

    fn chinese(&self, customer: usize) -> String {
        let decision = &self.plan.decisions[customer];
        match decision.why {
            Why::Chosen => self.chosen_in_chinese(decision),
            Why::Control => format!(
                "随机留作对照组;否则会采用{}。",
                decision.planned.map_or("none", |action| self.name(action))
            ),
            Why::Excluded => "不联系:已被排除。".to_owned(),
            Why::ContactCap => {
                let (contacts, most, days) = self.contacts(customer);
                format!("不联系:最近{days}天已联系{contacts}次,连同本次最多{most}次。")
            }
            Why::NoConsent => format!("不联系:未同意通过{}联系。", self.channels("或")),
            Why::NoValue => "不联系:价值或增量未知。".to_owned(),
            Why::BelowMinimum { best, profit } => {
                let limit = match profit > 0.0 {
                    true => format!(",低于下限{}", money(self.spec.plan.minimum_profit)),
                    false => String::new(),
                };
                format!("不联系:最佳动作{}预计带来{}{limit}。", self.name(best), money(profit))
            }
            Why::Budget { best, profit, charge } => format!(
                "不联系:预算已用完,{}预计带来{}{}。",
                self.name(best),
                money(profit),
                elsewhere(profit, charge, |c| format!(",其占用的资源用于其他客户可带来{c}"))
            ),
            Why::Places { best, profit, charge } => format!(
                "不联系:{}名额已满,预计带来{}{}。",
                self.name(best),
                money(profit),
                elsewhere(profit, charge, |c| format!(",其名额用于其他客户可带来{c}"))
            ),
        }
    }

    fn chosen_in_chinese(&self, decision: &Decision) -> String {
        let action = decision.action.unwrap_or_default();
        let own = &self.spec.actions[action];
        let how = if self.plan.assumed[action] { "假定" } else { "学得" };
        let offer = match own.offer.as_str() {
            "" => String::new(),
            offer => format!("{offer},"),
        };
        let when = decision.contact_on.map_or(String::new(), |day| {
            let what = match decision.occasion {
                Some(Occasion::AfterPurchase) => "购买次日",
                Some(Occasion::Birthday) => "生日",
                Some(Occasion::Season) => "客户的购买季",
                Some(Occasion::Overdue) => "已超过通常的购买间隔",
                None => return format!("联系日期{}。", date_text(day)),
            };
            format!("联系日期{}({what})。", date_text(day))
        });
        format!(
            "{}({offer}通过{})扣除成本{}后预计带来{},{how}增量为{}。{when}",
            own.name,
            own.channel,
            money(decision.cost + decision.offer_cost),
            money(decision.expected_profit),
            self.uplift(action, decision.uplift)
        )
    }

    /// In per cent, or in money where the learned uplift is in money.
    fn uplift(&self, action: usize, uplift: f64) -> String {
        match self.spec.plan.outcome == Outcome::Money && !self.plan.assumed[action] {
            true => money(uplift),
            false => format!("{:.1} %", 100.0 * uplift),
        }
    }

    /// Contacts so far, the most with this one, within how many days.
    fn contacts(&self, customer: usize) -> (f64, u32, u32) {
        let contacts = self.customers.contacts.as_ref().map_or(0.0, |all| all[customer]);
        let rules = &self.spec.plan;
        (contacts, rules.max_contacts.unwrap_or(0), rules.within_days.unwrap_or(0))
    }

    /// The plan's channels, each once.
    fn channels(&self, or: &str) -> String {
        let mut channels: Vec<&str> = Vec::new();
        for action in &self.spec.actions {
            if !channels.contains(&action.channel.as_str()) {
                channels.push(&action.channel);
            }
        }
        channels.join(or)
    }
}

/// Said only where it explains something: more is brought elsewhere.
fn elsewhere(profit: f64, charge: f64, said: impl Fn(String) -> String) -> String {
    if charge.is_finite() && charge >= profit { said(money(charge)) } else { String::new() }
}

/// With two decimals.
fn money(amount: f64) -> String {
    // No minus before nothing.
    let text = format!("{amount:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}
