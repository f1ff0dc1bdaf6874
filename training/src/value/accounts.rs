//! Every customer's account, read off a log: what each bought and brought until now and until an earlier
//! date or two, for models to learn from and to be judged on.

use rayon::prelude::*;
use rekindle_models::behaviour::{Events, Timeline, Zone};
use rekindle_models::customer::{BoundRules, CustomerState, Scratch, describe};
use rekindle_models::value::{Ledger, PurchaseDay, Repeats, Spend, Terms};

use crate::build::GatheredLog;
use crate::error::{Error, Result};
use crate::ingest::Room;

/// When accounts are looked at, in milliseconds: `earliest` < `earlier` < `now`, each `days` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// The cutoff.
    pub now: i64,
    /// Where what came after is known; `None` where the log is too short.
    pub earlier: Option<i64>,
    /// The same before that.
    pub earliest: Option<i64>,
    /// Days between them.
    pub days: u32,
    /// Days of each of the two windows that key customers are watched by.
    pub window_days: i64,
}

/// Features that a boosted regression learns from.
pub const FEATURES: [&str; 12] = [
    "repeats",
    "age_days",
    "recency_days",
    "mean_gap_days",
    "mean_margin",
    "profit",
    "orders_30d",
    "orders_90d",
    "orders_365d",
    "margin_90d",
    "margin_365d",
    "last_margin",
];

/// An account at a date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Snapshot {
    /// Repeat purchases; `None` without a purchase.
    pub repeats: Option<Repeats>,
    /// What repeats brought.
    pub spend: Spend,
    /// Days with a purchase.
    pub orders: u32,
    /// Profit minus cost so far; NaN where no amount is known.
    pub profit: f64,
    /// Contacts so far.
    pub contacts: u32,
    /// Days with a purchase within the last [`Dates::days`].
    pub recent_orders: u32,
    /// What they brought, less the cost to serve.
    pub recent_profit: f64,
    /// By [`FEATURES`], NaN where missing.
    pub features: [f32; FEATURES.len()],
}

/// What a key customer is watched by.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Watch {
    /// Days with a purchase in the last window and in the one before.
    pub orders: [u32; 2],
    /// Margins of the two.
    pub margins: [f64; 2],
    /// Whether the customer was one throughout both.
    pub covered: bool,
    /// Days since the last purchase.
    pub silence_days: i64,
    /// Days between purchase days: how many, the median, and what nine in ten are at most.
    pub gaps: (usize, i64, i64),
    /// Mean margin of the last three purchase days, and of those before; NaN where there are too few.
    pub last_margins: [f64; 2],
    /// Repeat purchases as they were [`BEFORE_DAYS`] ago.
    pub before: Option<Repeats>,
}

/// How long ago the chance of being a customer is compared with.
pub const BEFORE_DAYS: i64 = 30;

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The id in the log.
    pub id: String,
    /// Stage, tier and the like, now.
    pub state: CustomerState,
    /// Now.
    pub now: Snapshot,
    /// At the earlier date, where known then.
    pub earlier: Option<Snapshot>,
    /// At the earliest.
    pub earliest: Option<Snapshot>,
    /// Mean amount of a day with a purchase; NaN where none is known.
    pub mean_order: f64,
    /// For the list of key customers.
    pub watch: Watch,
}

/// Sums over customers at a date.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// Days with a purchase.
    pub orders: f64,
    /// Those whose margin is known.
    pub known: f64,
    /// Those whose margin is above 0.
    pub paying: f64,
    /// Sum of the margins above 0.
    pub margin: f64,
    /// What returns took back.
    pub returned: f64,
    /// Returns.
    pub returns: f64,
}

/// All accounts of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Accounts {
    /// By partition of the log and in it by id.
    pub all: Vec<Account>,
    /// When they were looked at.
    pub dates: Dates,
    /// Sums now.
    pub totals: Totals,
    /// Sums at the earlier date.
    pub earlier_totals: Totals,
    /// The last known day, in days since 1970.
    pub last_day: i64,
}

impl Totals {
    fn add(&mut self, ledger: &Ledger<'_>) {
        self.orders += ledger.days.len() as f64;
        let known = ledger.days.iter().map(|day| day.margin).filter(|margin| !margin.is_nan());
        for margin in known {
            self.known += 1.0;
            if margin > 0.0 {
                self.paying += 1.0;
                self.margin += margin;
            }
        }
        self.returned += ledger.returned;
        self.returns += f64::from(ledger.returns);
    }

    fn merge(&mut self, other: &Totals) {
        self.orders += other.orders;
        self.known += other.known;
        self.paying += other.paying;
        self.margin += other.margin;
        self.returned += other.returned;
        self.returns += other.returns;
    }
}

impl Accounts {
    /// Reads the accounts of all customers with an event before the cutoff.
    ///
    /// # Errors
    /// When spilled events cannot be read.
    pub fn read(
        log: &GatheredLog,
        rules: &BoundRules,
        terms: &Terms,
        zone: &Zone,
        dates: Dates,
    ) -> Result<Accounts> {
        let recoding = log.names.recoding(&log.names.dictionaries());
        let reading = Reading { rules, terms, zone, dates };
        let parts: Vec<(Vec<Account>, [Totals; 2])> = (0..log.events.partitions())
            .into_par_iter()
            .map_init(
                || (Room::default(), Desk::default()),
                |(room, desk), partition| {
                    let (mut accounts, mut totals) = (Vec::new(), [Totals::default(); 2]);
                    let loaded = log.events.load(partition, &recoding, log.duplicates, room)?;
                    for (customer, span) in loaded.customers() {
                        let timeline = Timeline::new(loaded.events(), span);
                        let id = || customer.to_string();
                        accounts.extend(reading.account(id, &timeline, desk, &mut totals));
                    }
                    Ok::<_, Error>((accounts, totals))
                },
            )
            .collect::<Result<_>>()?;
        let (mut all, mut sums) = (Vec::new(), [Totals::default(); 2]);
        for (accounts, totals) in parts {
            all.extend(accounts);
            sums.iter_mut().zip(&totals).for_each(|(sum, more)| sum.merge(more));
        }
        let last_day = zone.day(dates.now.saturating_sub(1));
        Ok(Accounts { all, dates, totals: sums[0], earlier_totals: sums[1], last_day })
    }
}

/// Room for one customer at a time.
#[derive(Default)]
struct Desk {
    scratch: Scratch,
    kept: Events,
    days: Vec<PurchaseDay>,
}

struct Reading<'a> {
    rules: &'a BoundRules,
    terms: &'a Terms,
    zone: &'a Zone,
    dates: Dates,
}

impl Reading<'_> {
    fn account(
        &self,
        id: impl Fn() -> String,
        timeline: &Timeline<'_>,
        desk: &mut Desk,
        totals: &mut [Totals; 2],
    ) -> Option<Account> {
        let Desk { scratch, kept, days } = desk;
        let mut at = |date: Option<i64>, totals: Option<&mut Totals>| {
            let history = timeline.history(date?, kept);
            let ledger = Ledger::read(&history, self.rules, self.terms, self.zone, days);
            if let Some(totals) = totals {
                totals.add(&ledger);
            }
            ledger.repeats()?;
            Some(self.snapshot(&ledger))
        };
        let earliest = at(self.dates.earliest, None);
        let earlier = at(self.dates.earlier, Some(&mut totals[1]));
        let history = timeline.history(self.dates.now, kept);
        if history.events().is_empty() {
            return None;
        }
        let state = describe(&history, self.rules, self.zone, scratch);
        let ledger = Ledger::read(&history, self.rules, self.terms, self.zone, days);
        totals[0].add(&ledger);
        Some(Account {
            id: id(),
            state,
            now: self.snapshot(&ledger),
            earlier,
            earliest,
            mean_order: mean(ledger.days.iter().map(|day| day.amount)),
            watch: self.watch(&ledger),
        })
    }

    fn snapshot(&self, ledger: &Ledger<'_>) -> Snapshot {
        let recent = ledger.within(i64::from(self.dates.days), 0);
        let served = self.terms.cost_to_serve * recent.len() as f64;
        let (repeats, spend, profit) =
            (ledger.repeats(), ledger.spend(), ledger.profit(self.terms));
        Snapshot {
            repeats,
            spend,
            orders: ledger.days.len() as u32,
            profit,
            contacts: ledger.contacts,
            recent_orders: recent.len() as u32,
            recent_profit: sum(recent) - served,
            features: features(ledger, repeats, &spend, profit),
        }
    }

    fn watch(&self, ledger: &Ledger<'_>) -> Watch {
        let (Some(first), Some(last)) = (ledger.days.first(), ledger.days.last()) else {
            return Watch::default();
        };
        let window = self.dates.window_days;
        let windows = [ledger.within(window, 0), ledger.within(window, window)];
        let mut gaps: Vec<i64> = ledger.days.windows(2).map(|w| w[1].day - w[0].day).collect();
        gaps.sort_unstable();
        let rank = |share: f64| {
            let place = (share * gaps.len() as f64).ceil() as usize;
            gaps.get(place.max(1) - 1).copied().unwrap_or(0)
        };
        let (before, latest) = ledger.days.split_at(ledger.days.len().saturating_sub(3));
        let margins = |days: &[PurchaseDay]| mean(days.iter().map(|day| day.margin));
        let enough = before.len() >= 3;
        let then = ledger.last_known_day - BEFORE_DAYS;
        let days_then = ledger.days.partition_point(|day| day.day <= then);
        let of_then = Ledger { days: &ledger.days[..days_then], last_known_day: then, ..*ledger };
        Watch {
            orders: windows.map(|days| days.len() as u32),
            margins: windows.map(sum),
            covered: ledger.last_known_day - first.day + 1 >= 2 * window,
            silence_days: ledger.last_known_day - last.day,
            gaps: (gaps.len(), rank(0.5), rank(0.9)),
            last_margins: [latest, before].map(|d| if enough { margins(d) } else { f64::NAN }),
            before: of_then.repeats(),
        }
    }
}

fn features(
    ledger: &Ledger<'_>,
    repeats: Option<Repeats>,
    spend: &Spend,
    profit: f64,
) -> [f32; FEATURES.len()] {
    let Some(of) = repeats else { return [f32::NAN; FEATURES.len()] };
    let count = f64::from(of.count());
    let some = |number: f64, there: bool| if there { number } else { f64::NAN };
    let orders = |days: i64| ledger.within(days, 0).len() as f64;
    [
        count,
        of.age(),
        of.age() - of.last_age(),
        some(of.last_age() / count, count > 0.0),
        some(spend.mean, spend.days > 0),
        profit,
        orders(30),
        orders(90),
        orders(365),
        sum(ledger.within(90, 0)),
        sum(ledger.within(365, 0)),
        ledger.days.last().map_or(f64::NAN, |day| day.margin),
    ]
    .map(|number| number as f32)
}

/// Of the margins that are known.
fn sum(days: &[PurchaseDay]) -> f64 {
    days.iter().map(|day| day.margin).filter(|margin| !margin.is_nan()).fold(0.0, |a, b| a + b)
}

/// Of the numbers that are some; NaN without one.
fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let known = numbers.filter(|number| !number.is_nan());
    let (n, sum) = known.fold((0.0, 0.0), |(n, sum), number| (n + 1.0, sum + number));
    if n > 0.0 { sum / n } else { f64::NAN }
}
