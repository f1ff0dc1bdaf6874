//! The customers to keep an eye on: who brought the most lately, with early signs of leaving, each in a
//! sentence.

use rekindle_models::value::PurchaseModel;
use serde::Serialize;

use crate::value::accounts::{Account, Accounts, BEFORE_DAYS};

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyCustomer {
    /// Their id.
    pub customer_id: String,
    /// Margin of the last window.
    pub margin: f64,
    /// Of the window before.
    pub margin_before: f64,
    /// `rising`, `steady`, `falling`, or `new` where they were no customer throughout the window before.
    pub trend: &'static str,
    /// That they are still a customer.
    pub probability_alive: f64,
    /// Signs of leaving; empty where there is none.
    pub signs: Vec<String>,
}

/// How much more or less than the window before is a trend.
const TREND: f64 = 0.2;
/// A fall of purchases to this share of the window before is a sign,
const FALL: f64 = 0.7;
/// from so many purchase days on.
const FEWEST_BEFORE: u32 = 4;
/// Fewest gaps that tell a rhythm.
const FEWEST_GAPS: usize = 3;
/// How far the chance of being a customer falls within [`BEFORE_DAYS`] to be a sign.
const ALIVE_FALL: f64 = 0.1;
/// A fall of what purchases bring to this share.
const MARGIN_FALL: f64 = 0.6;

/// The `number` customers who bought within the last window and brought the most: the last window counts
/// whole, the one before half. Ties go by id.
pub fn key_customers(
    accounts: &Accounts,
    model: &PurchaseModel,
    number: usize,
) -> Vec<KeyCustomer> {
    let worth = |a: &Account| a.watch.margins[0] + a.watch.margins[1] / 2.0;
    let mut bought: Vec<&Account> =
        accounts.all.iter().filter(|a| a.watch.orders[0] > 0 && worth(a) > 0.0).collect();
    bought.sort_by(|a, b| worth(b).total_cmp(&worth(a)).then_with(|| a.id.cmp(&b.id)));
    bought.truncate(number);
    bought.into_iter().map(|account| key_customer(account, model, accounts)).collect()
}

fn key_customer(account: &Account, model: &PurchaseModel, accounts: &Accounts) -> KeyCustomer {
    let [margin, margin_before] = account.watch.margins;
    let trend = match account.watch.covered {
        false => "new",
        true if margin > margin_before * (1.0 + TREND) => "rising",
        true if margin < margin_before * (1.0 - TREND) => "falling",
        true => "steady",
    };
    let alive = account.now.repeats.map_or(f64::NAN, |of| model.probability_alive(&of));
    let signs = signs(account, model, accounts.dates.window_days, alive);
    let customer_id = account.id.clone();
    KeyCustomer { customer_id, margin, margin_before, trend, probability_alive: alive, signs }
}

fn signs(account: &Account, model: &PurchaseModel, window: i64, alive: f64) -> Vec<String> {
    let watch = &account.watch;
    let mut signs = Vec::new();
    let (gaps, usual, long) = watch.gaps;
    if gaps >= FEWEST_GAPS && watch.silence_days > long && 2 * watch.silence_days > 3 * usual {
        signs.push(format!(
            "{} days without a purchase; nine in ten of their gaps were at most {long} days, and {usual} is \
             usual.",
            watch.silence_days
        ));
    }
    let [orders, before] = watch.orders;
    if watch.covered && before >= FEWEST_BEFORE && f64::from(orders) <= FALL * f64::from(before) {
        let day = if orders == 1 { "day" } else { "days" };
        signs.push(format!(
            "{orders} {day} with a purchase in the last {window} days, {before} in the {window} before."
        ));
    }
    let then = watch.before.map_or(f64::NAN, |of| model.probability_alive(&of));
    if then - alive >= ALIVE_FALL {
        signs.push(format!(
            "The chance that they are still a customer fell from {then:.2} to {alive:.2} within \
             {BEFORE_DAYS} days."
        ));
    }
    let [lately, usually] = watch.last_margins;
    if lately <= MARGIN_FALL * usually {
        signs.push(format!(
            "Their last three purchases brought {lately:.2} each, those before {usually:.2}."
        ));
    }
    signs
}
