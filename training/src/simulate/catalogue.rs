//! What the simulated shop sells, and the names its log uses. Knows no customer.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rekindle_models::seed::mix2;

/// Kinds of event. A kind's place is its code.
pub const KINDS: [&str; 15] = [
    "session",
    "app_open",
    "search",
    "product_view",
    "wishlist",
    "cart",
    "purchase",
    "return",
    "email_open",
    "email_click",
    "push_open",
    "support_ticket",
    "review",
    "referral",
    "sign_up",
];

/// Places in [`KINDS`].
pub(super) mod kind {
    pub(crate) const SESSION: u8 = 0;
    pub(crate) const APP_OPEN: u8 = 1;
    pub(crate) const SEARCH: u8 = 2;
    pub(crate) const PRODUCT_VIEW: u8 = 3;
    pub(crate) const WISHLIST: u8 = 4;
    pub(crate) const CART: u8 = 5;
    pub(crate) const PURCHASE: u8 = 6;
    pub(crate) const RETURN: u8 = 7;
    pub(crate) const EMAIL_OPEN: u8 = 8;
    pub(crate) const EMAIL_CLICK: u8 = 9;
    pub(crate) const PUSH_OPEN: u8 = 10;
    pub(crate) const SUPPORT_TICKET: u8 = 11;
    pub(crate) const REVIEW: u8 = 12;
    pub(crate) const REFERRAL: u8 = 13;
    pub(crate) const SIGN_UP: u8 = 14;
}

/// Channels. A channel's place is its code.
pub const CHANNELS: [&str; 6] = ["web", "app", "store", "email", "marketplace", "phone"];

/// Places in [`CHANNELS`].
pub(super) mod channel {
    pub(crate) const WEB: u8 = 0;
    pub(crate) const APP: u8 = 1;
    pub(crate) const STORE: u8 = 2;
    pub(crate) const EMAIL: u8 = 3;
    pub(crate) const MARKETPLACE: u8 = 4;
    pub(crate) const PHONE: u8 = 5;
}

/// Product groups. A group's place is its code.
pub const GROUPS: [&str; 12] = [
    "books",
    "garden",
    "toys",
    "kitchen",
    "sports",
    "beauty",
    "shoes",
    "outdoor",
    "pets",
    "office",
    "audio",
    "jewellery",
];

/// Actions of campaigns, with the channel each goes through; the first leaves the customer alone.
pub const ACTIONS: [(&str, &str); 5] =
    [("none", ""), ("email", "email"), ("coupon", "email"), ("push", "app"), ("call", "phone")];

/// The code of an event without channel, group or product.
pub(super) const NO_CODE: u8 = u8::MAX;
/// The code of an event without a product.
pub(super) const NO_PRODUCT: u16 = u16::MAX;

/// The products of a world: about 500, each of one group with one price.
#[derive(Debug, Clone)]
pub(super) struct Catalogue {
    /// Names, by product.
    pub(super) names: Vec<String>,
    prices: Vec<f64>,
    groups: Vec<u8>,
    /// Where each group's products begin, and the last ends.
    begins: [usize; GROUPS.len() + 1],
    /// Groups by quantile of popularity.
    popular: Vec<u8>,
}

impl Catalogue {
    /// The products that follow from a seed.
    pub(super) fn new(seed: u64) -> Catalogue {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix2(seed, 0x7072_6f64));
        let mut new = Catalogue {
            names: Vec::new(),
            prices: Vec::new(),
            groups: Vec::new(),
            begins: [0; GROUPS.len() + 1],
            popular: Vec::new(),
        };
        for group in 0..GROUPS.len() {
            let level: f64 = rng.random_range(2.2..4.2);
            for _ in 0..rng.random_range(28..56) {
                let spread: f64 = StandardNormal.sample(&mut rng);
                new.prices.push(((level + 0.5 * spread).exp() + 1.0).floor() - 0.01);
                new.groups.push(group as u8);
                new.names.push(format!("P{:04}", new.names.len()));
            }
            new.begins[group + 1] = new.names.len();
            // The first groups are the popular ones.
            let share = 256 / (group + 3);
            new.popular.extend(std::iter::repeat_n(group as u8, share));
        }
        new
    }

    /// A product of a group; `unit` from 0 to 1, low ones are much more frequent.
    pub(super) fn product(&self, group: u8, unit: f64) -> u16 {
        let (from, to) = (self.begins[usize::from(group)], self.begins[usize::from(group) + 1]);
        (from + (unit * unit * (to - from) as f64) as usize).min(to - 1) as u16
    }

    /// A group by popularity; any number will do.
    pub(super) fn group(&self, number: u32) -> u8 {
        self.popular[number as usize % self.popular.len()]
    }

    /// Its price, with cents.
    pub(super) fn price(&self, product: u16) -> f64 {
        self.prices[usize::from(product)]
    }

    /// Its group.
    pub(super) fn group_of(&self, product: u16) -> u8 {
        self.groups[usize::from(product)]
    }
}
