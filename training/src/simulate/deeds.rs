//! The log of a life: which events a customer leaves behind, column by column. Decides nothing that
//! the truth depends on.

use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;
use rekindle_models::seed::mix2;

use crate::simulate::calendar::Calendar;
use crate::simulate::catalogue::{Catalogue, NO_CODE, NO_PRODUCT, channel, kind};
use crate::simulate::character::{ACTS, pick, unit16};
use crate::simulate::life::{Decision, Life, Purchase};

/// Share of events that reach the company late: up to 12 days.
const LATE: f64 = 0.03;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Events as columns of equal length, in no order.
#[derive(Debug, Clone, Default)]
pub(super) struct Deeds {
    /// Index of the customer in the world.
    pub(super) customers: Vec<u32>,
    /// Milliseconds since 1970.
    pub(super) times: Vec<i64>,
    pub(super) kinds: Vec<u8>,
    pub(super) channels: Vec<u8>,
    pub(super) groups: Vec<u8>,
    pub(super) products: Vec<u16>,
    /// NaN where missing.
    pub(super) amounts: Vec<f64>,
    /// NaN where missing.
    pub(super) discounts: Vec<f64>,
    /// Milliseconds since 1970, never before `times`.
    pub(super) received: Vec<i64>,
}

/// What is done at a time.
#[derive(Clone, Copy)]
struct Deed {
    time: i64,
    kind: u8,
    channel: u8,
    group: u8,
    product: u16,
    amount: f64,
    discount: f64,
}

/// Kinds by the low 7 bits of a draw: for each mood, without the app and with it.
#[derive(Debug, Clone)]
pub(super) struct Habits {
    kinds: [[[u8; 128]; 2]; 4],
    /// Milliseconds of the day by 64ths of the day's events, for four sorts of people.
    hours: [[i64; 65]; 4],
}

/// Of 128 deeds of a content, upset, fading and lapsed customer with the app, how many are of
/// which kind.
const DEEDS: [(u8, [usize; 4]); 12] = [
    (kind::SESSION, [30, 26, 34, 24]),
    (kind::APP_OPEN, [30, 26, 24, 14]),
    (kind::SEARCH, [13, 12, 14, 8]),
    (kind::PRODUCT_VIEW, [18, 14, 22, 16]),
    (kind::WISHLIST, [3, 2, 2, 0]),
    (kind::CART, [4, 4, 6, 2]),
    (kind::EMAIL_OPEN, [15, 11, 10, 44]),
    (kind::EMAIL_CLICK, [5, 2, 2, 6]),
    (kind::PUSH_OPEN, [5, 4, 4, 8]),
    (kind::SUPPORT_TICKET, [1, 22, 6, 2]),
    (kind::REVIEW, [2, 4, 2, 2]),
    (kind::REFERRAL, [2, 1, 2, 2]),
];

/// Hours of the day by how busy they are: early, at work, in the evening, at night.
const HOURS: [[u8; 24]; 4] = [
    [1, 0, 0, 0, 1, 4, 9, 12, 11, 9, 7, 6, 6, 5, 4, 4, 4, 4, 4, 3, 2, 2, 1, 1],
    [1, 0, 0, 0, 0, 1, 3, 5, 8, 10, 10, 9, 12, 10, 8, 7, 6, 4, 3, 3, 3, 2, 1, 1],
    [2, 1, 0, 0, 0, 1, 2, 3, 3, 3, 3, 4, 5, 4, 4, 4, 5, 7, 10, 13, 14, 12, 8, 4],
    [12, 10, 7, 4, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 5, 7, 9, 12, 13],
];

impl Habits {
    pub(super) fn new() -> Habits {
        let mut kinds = [[[kind::SESSION; 128]; 2]; 4];
        for (mood, tables) in kinds.iter_mut().enumerate() {
            for (has_app, table) in tables.iter_mut().enumerate() {
                let mut place = 0;
                for (code, counts) in DEEDS {
                    let of_app = matches!(code, kind::APP_OPEN | kind::PUSH_OPEN);
                    let shown = if of_app && has_app == 0 { kind::SESSION } else { code };
                    let end = (place + counts[mood]).min(table.len());
                    table[place..end].fill(shown);
                    place = end;
                }
            }
        }
        let hours = HOURS.map(|hours| {
            let total: usize = hours.iter().map(|h| usize::from(*h)).sum();
            std::array::from_fn(|part| {
                let mut left = part as f64 / 64.0 * total as f64;
                let mut hour = 0;
                while hour < 23 && left > f64::from(hours[hour]) {
                    left -= f64::from(hours[hour]);
                    hour += 1;
                }
                let within = (left / f64::from(hours[hour]).max(1.0)).min(1.0);
                ((hour as f64 + within) * HOUR as f64) as i64
            })
        });
        Habits { kinds, hours }
    }
}

/// What all customers of a world share.
pub(super) struct Shop<'a> {
    pub(super) calendar: &'a Calendar,
    pub(super) catalogue: &'a Catalogue,
    pub(super) habits: &'a Habits,
    /// Multiplies the rate of all deeds but purchases and what goes with them.
    pub(super) activity: f64,
}

impl Deeds {
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The same events by time, then in the order they stand in here.
    pub(super) fn by_time(&self) -> Deeds {
        // The place fits below the time: 2^42 milliseconds are 139 years, 2^22 places 4 million.
        let first = self.times.iter().copied().min().unwrap_or(0);
        let key = |(place, time): (usize, &i64)| ((time - first) as u64) << 22 | place as u64;
        let mut keys: Vec<u64> = self.times.iter().enumerate().map(key).collect();
        keys.sort_unstable();
        let order: Vec<u32> = keys.into_iter().map(|key| (key & 0x3f_ffff) as u32).collect();
        Deeds {
            customers: taken(&self.customers, &order),
            times: taken(&self.times, &order),
            kinds: taken(&self.kinds, &order),
            channels: taken(&self.channels, &order),
            groups: taken(&self.groups, &order),
            products: taken(&self.products, &order),
            amounts: taken(&self.amounts, &order),
            discounts: taken(&self.discounts, &order),
            received: taken(&self.received, &order),
        }
    }

    /// Appends all that one customer did.
    pub(super) fn record(&mut self, shop: &Shop, seed: u64, index: usize, life: &Life) {
        // Not the generator of the life: how much is logged changes nobody's life.
        let rng = Xoshiro256PlusPlus::seed_from_u64(mix2(seed, 2 * index as u64 + 1));
        let mut pen = Pen { deeds: self, shop, life, rng, customer: index as u32 };
        if life.who.bot {
            pen.crawl();
            return;
        }
        if let Ok(day) = u32::try_from(life.who.sign_up) {
            let bits = pen.rng.next_u64();
            let time = pen.time(day, bits);
            pen.write(Deed::plain(time, kind::SIGN_UP, life.who.channels[0]), bits);
        }
        pen.pass_the_time();
        life.purchases.iter().for_each(|purchase| pen.shop(*purchase));
        life.troubles.iter().for_each(|day| pen.complain(*day));
        life.decisions.iter().for_each(|decision| pen.answer(*decision));
    }
}

impl Deed {
    fn plain(time: i64, kind: u8, channel: u8) -> Deed {
        Deed {
            time,
            kind,
            channel,
            group: NO_CODE,
            product: NO_PRODUCT,
            amount: f64::NAN,
            discount: f64::NAN,
        }
    }
}

/// Writes one customer's events.
struct Pen<'a> {
    deeds: &'a mut Deeds,
    shop: &'a Shop<'a>,
    life: &'a Life,
    rng: Xoshiro256PlusPlus,
    customer: u32,
}

impl Pen<'_> {
    /// An instant of a day at the customer's hours, from the upper 32 bits.
    fn time(&self, day: u32, bits: u64) -> i64 {
        let hours = &self.shop.habits.hours[self.life.who.hours];
        let part = (bits >> 58) as usize;
        let (from, to) = (hours[part], hours[part + 1]);
        let within = ((bits >> 32) & 0x3ff_ffff) as i64;
        self.shop.calendar.begins(day) + from + (((to - from) * within) >> 26)
    }

    /// Appends an event, unless the world has ended by then; `bits` must be fresh in the lower 32.
    fn write(&mut self, deed: Deed, bits: u64) {
        if deed.time >= self.shop.calendar.end() {
            return;
        }
        let late = unit16(bits) < LATE;
        let delay = match late {
            // From a second to 12 days, each doubling as likely as the other.
            true => (SECOND as f64 * (20.0 * unit16(bits >> 16)).exp2()) as i64,
            false => ((bits >> 16) & 0x3ff) as i64,
        };
        let deeds = &mut *self.deeds;
        deeds.customers.push(self.customer);
        deeds.times.push(deed.time);
        deeds.kinds.push(deed.kind);
        deeds.channels.push(deed.channel);
        deeds.groups.push(deed.group);
        deeds.products.push(deed.product);
        deeds.amounts.push(deed.amount);
        deeds.discounts.push(deed.discount);
        deeds.received.push(deed.time + delay);
    }

    /// A product by taste: mostly of two favourite groups.
    fn choose(&mut self, bits: u64) -> u16 {
        let group = match bits & 7 {
            0..=3 => self.life.who.favourites[0],
            4 | 5 => self.life.who.favourites[1],
            _ => self.shop.catalogue.group((bits >> 8) as u32 & 0xffff),
        };
        self.shop.catalogue.product(group, unit16(bits >> 24))
    }

    /// Everything that does not go with a purchase.
    fn pass_the_time(&mut self) {
        let who = &self.life.who;
        let rhythm = who.rhythm;
        let mut left: f64 = Exp1.sample(&mut self.rng);
        for spell in &self.life.spells {
            let mood = spell.state.mood as usize;
            let rate = who.deed_rate * self.shop.activity * ACTS[mood];
            let mut at = self.shop.calendar.before(rhythm, spell.from);
            let end = self.shop.calendar.before(rhythm, spell.to);
            loop {
                let next = at + left / rate;
                if next >= end {
                    left -= rate * (end - at);
                    break;
                }
                at = next;
                left = Exp1.sample(&mut self.rng);
                let day = self.shop.calendar.day(rhythm, at);
                self.deed(day, mood);
            }
        }
    }

    fn deed(&mut self, day: u32, mood: usize) {
        let who = &self.life.who;
        let bits = self.rng.next_u64();
        let more = self.rng.next_u64();
        let kind = self.shop.habits.kinds[mood][usize::from(who.has_app)][(more & 127) as usize];
        let usual = who.channels[usize::from((more >> 7) & 3 == 0)];
        let channel = match kind {
            kind::EMAIL_OPEN | kind::EMAIL_CLICK => channel::EMAIL,
            kind::APP_OPEN | kind::PUSH_OPEN => channel::APP,
            kind::SUPPORT_TICKET if (more >> 9) & 1 == 0 => channel::PHONE,
            kind::SUPPORT_TICKET => channel::EMAIL,
            // Nobody browses in a store or by phone.
            _ if who.has_app && (more >> 7) & 3 < 2 => channel::APP,
            _ if usual == channel::MARKETPLACE => channel::MARKETPLACE,
            _ => channel::WEB,
        };
        let mut deed = Deed::plain(self.time(day, bits), kind, channel);
        match kind {
            kind::PRODUCT_VIEW | kind::WISHLIST | kind::REVIEW | kind::CART => {
                deed.product = self.choose(more >> 16);
                deed.group = self.shop.catalogue.group_of(deed.product);
            }
            kind::SEARCH => {
                let product = self.choose(more >> 16);
                deed.group = self.shop.catalogue.group_of(product);
            }
            _ => {}
        }
        if kind == kind::CART {
            deed.amount = self.shop.catalogue.price(deed.product);
        }
        self.write(deed, bits);
    }

    /// A purchase: a visit and a cart before it, one line a product, and what comes of it.
    fn shop(&mut self, purchase: Purchase) {
        let who = &self.life.who;
        let bits = self.rng.next_u64();
        let time = self.time(purchase.day, bits);
        let begins = self.shop.calendar.begins(purchase.day);
        let channel = who.channels[usize::from(self.rng.random::<f32>() < 0.25)];
        let online = !matches!(channel, channel::STORE | channel::PHONE);
        let discount = self.discount(purchase.day);
        let lines = 1 + pick(&mut self.rng, &[0.68, 0.22, 0.07]);
        for line in 0..lines {
            let bits = self.rng.next_u64();
            let product = self.choose(bits >> 24);
            let group = self.shop.catalogue.group_of(product);
            let price = self.shop.catalogue.price(product);
            let amount = cents(price * (1.0 - discount));
            let bought =
                Deed { time, kind: kind::PURCHASE, channel, group, product, amount, discount };
            self.write(bought, bits);
            if line == 0 && online && bits >> 63 == 0 {
                // Within the day, so that a day's events do not begin the day before.
                let before = (time - MINUTE * (1 + (bits >> 40 & 15) as i64)).max(begins);
                let cart = Deed {
                    kind: kind::CART,
                    time: before,
                    amount: price,
                    discount: f64::NAN,
                    ..bought
                };
                let visit = if channel == channel::APP { kind::APP_OPEN } else { kind::SESSION };
                let bits = self.rng.next_u64();
                self.write(cart, bits);
                let arrives = (before - MINUTE * (1 + (bits >> 40 & 15) as i64)).max(begins);
                self.write(Deed::plain(arrives, visit, channel), bits.rotate_right(32));
            }
            let back = if purchase.disappoints { 0.6 } else { 0.03 };
            if self.rng.random::<f64>() < back {
                let after = self.rng.random_range(2 * 24 * HOUR..15 * 24 * HOUR);
                let time = time + after;
                let bits = self.rng.next_u64();
                self.write(Deed { kind: kind::RETURN, time, amount: -amount, ..bought }, bits);
            }
        }
        self.afterwards(purchase, time);
    }

    /// A ticket after a disappointment, a review now and then.
    fn afterwards(&mut self, purchase: Purchase, time: i64) {
        let bits = self.rng.next_u64();
        let after = 24 * HOUR + (((bits >> 32) as i64 * 4 * 24 * HOUR) >> 32);
        if purchase.disappoints && self.rng.random::<f64>() < 0.4 {
            self.write(Deed::plain(time + after, kind::SUPPORT_TICKET, channel::PHONE), bits);
        } else if self.rng.random::<f64>() < 0.05 {
            self.write(Deed::plain(time + 3 * after, kind::REVIEW, channel::WEB), bits);
        }
    }

    /// A share of the price: sales in January, July and November, coupons for those who look for them.
    fn discount(&mut self, day: u32) -> f64 {
        let week = (self.shop.calendar.begins(day) / (7 * 24 * HOUR)) % 52;
        let sale = if matches!(week, 0..=2 | 26..=29 | 46..=47) { 0.5 } else { 0.0 };
        let tempted = 0.10 + 0.35 * self.life.who.bargains + sale;
        if self.rng.random::<f64>() >= tempted {
            return 0.0;
        }
        [0.05, 0.10, 0.10, 0.15, 0.20, 0.20, 0.30, 0.50][(self.rng.next_u64() >> 61) as usize]
    }

    /// What upset a customer mostly leaves a ticket.
    fn complain(&mut self, day: u32) {
        let bits = self.rng.next_u64();
        if self.rng.random::<f64>() < 0.7 {
            let time = self.time(day, bits);
            self.write(Deed::plain(time, kind::SUPPORT_TICKET, channel::EMAIL), bits);
        }
    }

    /// A contact by e-mail or push may be opened, whether or not something is bought.
    fn answer(&mut self, decision: Decision) {
        let bits = self.rng.next_u64();
        let opens = decision.bought || self.rng.random::<f64>() < 0.25;
        let time = self.shop.calendar.begins(decision.day) + 9 * HOUR + (bits >> 40) as i64;
        match decision.action {
            1 | 2 if opens => self.write(Deed::plain(time, kind::EMAIL_OPEN, channel::EMAIL), bits),
            3 if opens && self.life.who.has_app => {
                self.write(Deed::plain(time, kind::PUSH_OPEN, channel::APP), bits);
            }
            _ => {}
        }
    }

    /// A program that looks at everything, at any hour, for some days, and buys nothing.
    fn crawl(&mut self) {
        let calendar = self.shop.calendar;
        let first = self.rng.random_range(self.life.who.sign_up.max(0) as u32..calendar.days());
        let last = (first + self.rng.random_range(1..=3)).min(calendar.days());
        for day in first..last {
            for _ in 0..self.rng.random_range(1_000..3_000) {
                let bits = self.rng.next_u64();
                // Mostly between one and five at night.
                let hours = if bits >> 63 == 0 { (1, 5) } else { (0, 24) };
                let within = self.rng.random_range(hours.0 * HOUR..hours.1 * HOUR);
                let time = calendar.begins(day) + within;
                let product = self.choose(bits >> 32);
                let group = self.shop.catalogue.group_of(product);
                let view = Deed::plain(time, kind::PRODUCT_VIEW, channel::WEB);
                self.write(Deed { product, group, ..view }, bits);
            }
        }
    }
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn taken<T: Copy>(column: &[T], order: &[u32]) -> Vec<T> {
    order.iter().map(|place| column[*place as usize]).collect()
}
