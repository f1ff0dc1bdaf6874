//! A feature's definition: which number, of which events, over which window, and its name in words. Holds no
//! values and chooses no features.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::behaviour::metric::{Metric, Part};
use crate::error::{Error, Result};

/// Which events count. Lists that are empty, and bounds that are absent, let every event pass; what is
/// given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// Kinds, one of which the event has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Channels, one of which the event has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Product groups, one of which the event has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Products, one of which the event has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<String>,
    /// The amount is at least this; an event without an amount does not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_amount: Option<f64>,
    /// The amount is below this; an event without an amount does not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below_amount: Option<f64>,
}

impl Selector {
    /// The events of one kind.
    pub fn kind(kind: &str) -> Selector {
        Selector { kinds: vec![kind.to_owned()], ..Selector::default() }
    }

    /// The events through one channel.
    pub fn channel(channel: &str) -> Selector {
        Selector { channels: vec![channel.to_owned()], ..Selector::default() }
    }

    /// The events with a product of one group.
    pub fn group(group: &str) -> Selector {
        Selector { groups: vec![group.to_owned()], ..Selector::default() }
    }
}

/// As in a feature's name: `any`, `purchase`, `channel=web`, `purchase&amount>=100`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |what: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("{what}{}", names.join("+")))
        };
        let parts = [
            list("", &self.kinds),
            list("channel=", &self.channels),
            list("group=", &self.groups),
            list("product=", &self.products),
            self.min_amount.map(|amount| format!("amount>={amount}")),
            self.below_amount.map(|amount| format!("amount<{amount}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "any" } else { "" })?;
        f.write_str(&parts.join("&"))
    }
}

/// How far a feature looks back: events with `cutoff - days <= time < cutoff`, a day being 24 hours, or
/// all before the cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Window {
    /// Days, 1 to 36,500.
    Days(u16),
    /// All time.
    All,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Days(days) => write!(f, "{days}d"),
            Window::All => f.write_str("all"),
        }
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.to_string()
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Window, String> {
        let days = |text: &str| text.strip_suffix('d')?.parse::<u16>().ok();
        match text.as_str() {
            "all" => Ok(Window::All),
            text => {
                days(text).filter(|d| (1..=36_500).contains(d)).map(Window::Days).ok_or_else(|| {
                    format!("window {text:?}: expected days, as \"30d\" (1d to 36500d), or \"all\"")
                })
            }
        }
    }
}

/// One feature: a metric of some events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// A name of the user's own; without it the feature is called by its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which number.
    pub metric: Metric,
    /// Of which events.
    #[serde(default)]
    pub of: Selector,
    /// Which number of an event is meant, for metrics of one: `amount` or another measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Which other events, for metrics that compare two sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Selector>,
    /// Which part of the week or day, for metrics of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// As many windows as the metric compares, each wider than the one before; none for metrics that
    /// look at all time only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

impl Feature {
    /// A metric of some events over one window.
    pub fn new(metric: Metric, of: Selector, window: Window) -> Feature {
        let windows = vec![window];
        Feature { name: None, metric, of, measure: None, with: None, part: None, windows }
    }

    /// The feature's name: its own, or its definition as `sum(purchase.amount, 30d)`.
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let mut of = self.of.to_string();
        if let Some(measure) = &self.measure {
            of = format!("{of}.{measure}");
        }
        if let Some(with) = &self.with {
            let sign = if self.metric == Metric::Rate { '/' } else { '>' };
            of = format!("{of}{sign}{with}");
        }
        let part = self.part.map_or_else(String::new, |part| format!(", {}", part.word()));
        let windows: Vec<String> = self.windows.iter().map(Window::to_string).collect();
        let windows = match windows.is_empty() {
            true => String::new(),
            false => format!(", {}", windows.join("/")),
        };
        format!("{}({of}{part}{windows})", self.metric.word())
    }

    /// The feature's name without its windows, as `sum(purchase.amount)`: features of one behaviour differ in their
    /// windows only. A feature with a name of its own is a behaviour of its own.
    pub fn behaviour(&self) -> String {
        let everything = Feature { windows: Vec::new(), ..self.clone() };
        everything.name()
    }

    /// What the feature is, in a sentence with its unit and what it is where there is nothing to tell.
    pub fn explain(&self) -> String {
        let info = self.metric.info();
        let events = match self.of == Selector::default() {
            true => "all events".to_owned(),
            false => format!("events {}", self.of),
        };
        let with = self.with.as_ref().map_or_else(|| "all events".to_owned(), Selector::to_string);
        let measure = self.measure.as_deref().unwrap_or("amount");
        let part = self.part.map_or("", Part::word);
        let window = |place: usize| match self.windows.get(place) {
            Some(Window::Days(days)) => format!("in the {days} days before the cutoff"),
            Some(Window::All) | None => "at any time before the cutoff".to_owned(),
        };
        let mut text = info
            .sentence
            .replace("{of}", &events)
            .replace("{with}", &with)
            .replace("{measure}", measure)
            .replace("{part}", part)
            .replace("{window}", &window(0))
            .replace("{wider}", &window(1))
            .replace("{widest}", &window(2));
        text.push_str(&format!(" [{}; {}]", info.unit, info.missing));
        text
    }

    /// # Errors
    /// When the parts do not fit the metric.
    pub fn validate(&self) -> Result<()> {
        let info = self.metric.info();
        let bad = |found: String, expected: String| {
            Err(Error::BadFeature { feature: self.name(), found, expected })
        };
        let rising = self.windows.windows(2).all(|w| w[0] < w[1]);
        if self.windows.len() != info.windows || !rising {
            let found: Vec<String> = self.windows.iter().map(Window::to_string).collect();
            let expected = match info.windows {
                0 => "none: it looks at all time".to_owned(),
                1 => "one, as [\"30d\"]".to_owned(),
                n => format!("{n}, each wider than the one before"),
            };
            return bad(format!("windows [{}]", found.join(", ")), expected);
        }
        if self.with.is_some() != info.with {
            let word = if self.with.is_some() { "with" } else { "no with" };
            let expected = if info.with { "other events to compare with" } else { "none" };
            return bad(word.to_owned(), expected.to_owned());
        }
        if !self.part.map_or(info.part.is_none(), |part| info.part == Some(part.of())) {
            let found = self.part.map_or("no part", Part::word).to_owned();
            let expected = info.part.map_or("none".to_owned(), |p| format!("a part of the {p}"));
            return bad(found, expected);
        }
        if self.measure.is_some() && !info.measure {
            return bad("a measure".to_owned(), "none: it counts events".to_owned());
        }
        Ok(())
    }
}
