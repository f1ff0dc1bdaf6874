//! Which events a selector lets pass, in codes.

use crate::behaviour::event::{Dictionaries, Dictionary, NONE, OTHER, product_key};
use crate::behaviour::feature::Selector;
use crate::behaviour::history::Timeline;
use crate::error::{Error, Result};

/// A selector in codes; empty lists let every event pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    pub(super) kinds: Vec<u16>,
    pub(super) channels: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) products: Vec<u64>,
    /// `min <= amount < below`; `None`: an event needs no amount.
    pub(super) amount: Option<(f64, f64)>,
}

impl Matcher {
    /// # Errors
    /// When the selector names a kind, channel or group that the dictionaries do not; `what` asks for
    /// it, as a feature's name.
    pub fn new(what: &str, selector: &Selector, names: &Dictionaries) -> Result<Matcher> {
        let bounds = (selector.min_amount, selector.below_amount);
        Ok(Matcher {
            kinds: codes(what, "kind", &selector.kinds, &names.kinds)?,
            channels: codes(what, "channel", &selector.channels, &names.channels)?,
            groups: codes(what, "product group", &selector.groups, &names.groups)?,
            products: selector.products.iter().map(|name| product_key(name)).collect(),
            amount: (bounds != (None, None)).then(|| {
                (bounds.0.unwrap_or(f64::NEG_INFINITY), bounds.1.unwrap_or(f64::INFINITY))
            }),
        })
    }

    /// Whether the event at `place` passes.
    pub fn passes(&self, events: &Timeline<'_>, place: usize) -> bool {
        let listed = |codes: &[u16], column: &[u16]| {
            codes.is_empty() || codes.contains(&column.get(place).copied().unwrap_or(NONE))
        };
        listed(&self.kinds, events.kinds())
            && listed(&self.channels, events.channels())
            && listed(&self.groups, events.groups())
            && (self.products.is_empty()
                || events.products().get(place).is_some_and(|p| self.products.contains(p)))
            && self.amount.is_none_or(|(min, below)| {
                events.measure(0).get(place).is_some_and(|a| *a >= min && *a < below)
            })
    }
}

fn codes(what: &str, of: &str, names: &[String], known: &Dictionary) -> Result<Vec<u16>> {
    let mut codes = Vec::with_capacity(names.len());
    for name in names {
        let code = known.code(name);
        if code == OTHER {
            let nearest =
                crate::frame::nearest_name(name, known.names().iter().map(String::as_str));
            return Err(Error::BadFeature {
                feature: what.to_owned(),
                found: format!("{of} {name:?}"),
                expected: match nearest {
                    Some(near) => format!("a {of} that is listed; did you mean {near:?}?"),
                    None => format!("a {of} that is listed: {}", known.names().join(", ")),
                },
            });
        }
        codes.push(code);
    }
    codes.sort_unstable();
    codes.dedup();
    Ok(codes)
}
