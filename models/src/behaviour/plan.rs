//! Features put into an order of work: which sets of events are followed (tracks), what is counted of
//! each, and which number every feature takes from that. Sees no events.

use crate::behaviour::event::Dictionaries;
use crate::behaviour::feature::{Feature, Selector, Window};
use crate::behaviour::matcher::Matcher;
use crate::behaviour::metric::{Metric, Part};
use crate::behaviour::{DAY_MS, FeatureSpec};
use crate::error::{Error, Result};

/// What is counted of a track, as bits.
pub(super) mod needs {
    pub const VALUES: u16 = 1;
    pub const DAYS: u16 = 2;
    pub const MEDIAN: u16 = 4;
    pub const PRODUCTS: u16 = 8;
    pub const BASKETS: u16 = 16;
    pub const CALENDAR: u16 = 32;
    pub const NAMES: u16 = 64;
}

/// A set of events that is followed, with one measure of them.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub test: Matcher,
    pub measure: usize,
    pub needs: u16,
    /// Places of pairs whose first event is this track's.
    pub pairs: Vec<u16>,
}

/// What a feature takes from the counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Op {
    pub metric: Metric,
    pub track: u16,
    /// The track compared with, or the pair.
    pub with: u16,
    /// Whether sums are meant where counts could be.
    pub sums: bool,
    pub part: Option<Part>,
    /// Places of the windows.
    pub windows: [u8; 3],
}

/// The work of a kernel.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Days of the windows, rising; then all time, as infinite.
    pub days: Vec<f64>,
    /// The same in milliseconds, without all time.
    pub limits: Vec<i64>,
    pub tracks: Vec<Track>,
    /// Tracks of every event.
    pub always: Vec<u16>,
    /// Tracks by code of kind, channel and group alone; the last entry is that of other names.
    pub by_kind: Vec<Vec<u16>>,
    pub by_channel: Vec<Vec<u16>>,
    pub by_group: Vec<Vec<u16>>,
    /// Tracks whose test must be made.
    pub tested: Vec<u16>,
    /// For each pair, the track of the second event.
    pub pairs: Vec<u16>,
    pub ops: Vec<Op>,
}

impl Plan {
    pub fn new(spec: &FeatureSpec) -> Result<Plan> {
        spec.validate()?;
        let mut windows = spec.windows.clone();
        windows.push(Window::All);
        windows.sort_unstable();
        windows.dedup();
        if windows.len() > usize::from(u8::MAX) {
            return Err(Error::BadParameter {
                parameter: "windows",
                found: format!("{} different ones", windows.len()),
                expected: "at most 255",
            });
        }
        let days = |w: &Window| match w {
            Window::Days(days) => f64::from(*days),
            Window::All => f64::INFINITY,
        };
        let limit = |w: &Window| match w {
            Window::Days(days) => Some(i64::from(*days) * DAY_MS),
            Window::All => None,
        };
        let mut plan = Plan {
            days: windows.iter().map(days).collect(),
            limits: windows.iter().filter_map(limit).collect(),
            tracks: Vec::new(),
            always: Vec::new(),
            by_kind: vec![Vec::new(); spec.kinds.len() + 1],
            by_channel: vec![Vec::new(); spec.channels.len() + 1],
            by_group: vec![Vec::new(); spec.groups.len() + 1],
            tested: Vec::new(),
            pairs: Vec::new(),
            ops: Vec::with_capacity(spec.features.len()),
        };
        let names = spec.dictionaries();
        for feature in &spec.features {
            plan.add(feature, spec, &names, &windows)?;
        }
        plan.dispatch();
        Ok(plan)
    }

    fn add(
        &mut self,
        feature: &Feature,
        spec: &FeatureSpec,
        names: &Dictionaries,
        windows: &[Window],
    ) -> Result<()> {
        use Metric::*;
        let endless = feature.windows.contains(&Window::All);
        if matches!(feature.metric, Trend | Acceleration) && endless {
            return Err(Error::BadFeature {
                feature: feature.name(),
                found: "the window \"all\"".to_owned(),
                expected: "windows in days: a trend is a number a day".to_owned(),
            });
        }
        let measure = self.measure(feature, spec)?;
        let sums = feature.measure.is_some();
        let track = self.track(
            Matcher::new(&feature.name(), &feature.of, names)?,
            measure,
            needs_of(feature),
        );
        let everything = Selector::default();
        let with = match (feature.metric, &feature.with) {
            (Share, _) => self.track(
                Matcher::new(&feature.name(), &everything, names)?,
                measure,
                needs_of(feature),
            ),
            (Rate, Some(with)) => {
                self.track(Matcher::new(&feature.name(), with, names)?, measure, needs_of(feature))
            }
            (Followed | FollowedShare, Some(with)) => {
                let second = self.track(Matcher::new(&feature.name(), with, names)?, measure, 0);
                self.pair(track, second)
            }
            _ => 0,
        };
        let place = |w: &Window| windows.binary_search(w).expect("all windows are listed") as u8;
        let mut places = [windows.len() as u8 - 1; 3];
        for (to, from) in places.iter_mut().zip(&feature.windows) {
            *to = place(from);
        }
        let (metric, part) = (feature.metric, feature.part);
        self.ops.push(Op { metric, track, with, sums, part, windows: places });
        Ok(())
    }

    fn measure(&self, feature: &Feature, spec: &FeatureSpec) -> Result<usize> {
        let Some(name) = &feature.measure else { return Ok(0) };
        spec.measures.iter().position(|m| m == name).ok_or_else(|| Error::BadFeature {
            feature: feature.name(),
            found: format!("measure {name:?}"),
            expected: format!("one of {}", spec.measures.join(", ")),
        })
    }

    /// The track of a test and a measure, a new one where there is none yet.
    fn track(&mut self, test: Matcher, measure: usize, needs: u16) -> u16 {
        let found = self.tracks.iter().position(|t| t.test == test && t.measure == measure);
        let place = found.unwrap_or_else(|| {
            self.tracks.push(Track { test, measure, needs: 0, pairs: Vec::new() });
            self.tracks.len() - 1
        });
        self.tracks[place].needs |= needs;
        place as u16
    }

    fn pair(&mut self, first: u16, second: u16) -> u16 {
        let known = &self.tracks[usize::from(first)].pairs;
        if let Some(&pair) = known.iter().find(|&&pair| self.pairs[usize::from(pair)] == second) {
            return pair;
        }
        let pair = self.pairs.len() as u16;
        self.pairs.push(second);
        self.tracks[usize::from(first)].pairs.push(pair);
        pair
    }

    /// Finds for each track the shortest way to its events.
    fn dispatch(&mut self) {
        for (place, track) in self.tracks.iter().enumerate() {
            let (test, place) = (&track.test, place as u16);
            let lists = [test.kinds.len(), test.channels.len(), test.groups.len()];
            let hard = !test.products.is_empty() || test.amount.is_some();
            match lists.map(|len| len > 0) {
                [false, false, false] if !hard => self.always.push(place),
                [true, false, false] if !hard => add_to(&mut self.by_kind, &test.kinds, place),
                [false, true, false] if !hard => {
                    add_to(&mut self.by_channel, &test.channels, place)
                }
                [false, false, true] if !hard => add_to(&mut self.by_group, &test.groups, place),
                _ => self.tested.push(place),
            }
        }
    }
}

fn add_to(lists: &mut [Vec<u16>], codes: &[u16], track: u16) {
    codes.iter().for_each(|&code| lists[usize::from(code)].push(track));
}

/// What must be counted for a feature.
fn needs_of(feature: &Feature) -> u16 {
    use Metric::*;
    let sums = if feature.measure.is_some() { needs::VALUES } else { 0 };
    match feature.metric {
        Count | RecencyDays | FirstDays | LatestDays | EarliestDays => 0,
        Share | Ratio | Trend | Acceleration | Rate => sums,
        Sum | Mean | Max | Min | Spread | PriceLevel => needs::VALUES,
        Days | GapMean | GapSpread | GapMax | GapRatio | StreakMax | StreakNow | IdleMax
        | Frequency | BtydX | BtydTx | BtydT => needs::DAYS,
        GapMedian => needs::DAYS | needs::MEDIAN,
        WeekdayShare | HourShare | WeekdayEntropy | HourEntropy => needs::CALENDAR,
        Followed | FollowedShare => 0,
        Baskets | BasketMean | BasketMax => needs::BASKETS,
        BasketValue => needs::BASKETS | needs::VALUES,
        Monetary => needs::DAYS | needs::VALUES,
        Products | Variety | RepeatShare => needs::PRODUCTS,
        Kinds | Channels | Groups => needs::NAMES,
    }
}
