//! Features of one customer from a history: one pass over the events, newest first, then one number
//! after the other. The batch and the service both call [`Kernel::fill`].

use crate::behaviour::counts::{Calendar, Cell, Met, Place, entropy};
use crate::behaviour::metric::{Metric, Part};
use crate::behaviour::plan::{Op, Plan, needs};
use crate::behaviour::{DAY_MS, FeatureSpec, History, NONE, Timeline, Zone};
use crate::error::Result;
use crate::seed::mix2;

/// Fills the features of a spec.
#[derive(Debug, Clone)]
pub struct Kernel {
    plan: Plan,
    zone: Zone,
    /// Whether any track needs local time.
    local: bool,
}

/// Room for one customer's counts, used again for the next. Make one per thread.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// By track, then by window.
    cells: Vec<Cell>,
    places: Vec<Place>,
    calendars: Vec<Calendar>,
    /// By pair, then by window.
    followed: Vec<u32>,
    /// By track: the gaps in days, newest first.
    gaps: Vec<Vec<u32>>,
    sorted: Vec<u32>,
    met: Met,
    touched: Vec<u16>,
}

/// One event, with what all tracks need of it.
struct Met1<'a> {
    events: &'a Timeline<'a>,
    place: usize,
    time: i64,
    kind: u16,
    channel: u16,
    group: u16,
    product: u64,
    local: i64,
    day: i64,
    window: usize,
}

impl Kernel {
    /// # Errors
    /// When the time zone is unknown or a feature is malformed.
    pub fn new(spec: &FeatureSpec) -> Result<Kernel> {
        let plan = Plan::new(spec)?;
        let zone = Zone::named(&spec.timezone)?;
        let local = plan.tracks.iter().any(|t| t.needs & (needs::DAYS | needs::CALENDAR) != 0);
        Ok(Kernel { plan, zone, local })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.plan.ops.len()
    }

    /// Room for the counts of this kernel.
    pub fn scratch(&self) -> Scratch {
        let (tracks, windows) = (self.plan.tracks.len(), self.plan.days.len());
        let calendars = self.plan.tracks.iter().any(|t| t.needs & needs::CALENDAR != 0);
        Scratch {
            cells: vec![Cell::EMPTY; tracks * windows],
            places: vec![Place::START; tracks],
            calendars: vec![Calendar::EMPTY; if calendars { tracks * windows } else { 0 }],
            followed: vec![0; self.plan.pairs.len() * windows],
            gaps: vec![Vec::new(); tracks],
            sorted: Vec::new(),
            met: Met::default(),
            touched: Vec::with_capacity(tracks),
        }
    }

    /// Fills the features of a history, in the spec's order, NaN where missing. Depends on the history
    /// alone, not on what the scratch was used for before.
    pub fn fill(&self, history: &History<'_>, scratch: &mut Scratch, features: &mut [f64]) {
        assert_eq!(features.len(), self.width(), "a cell for each feature");
        scratch.met.clear();
        let events = history.events();
        let (times, kinds) = (events.times(), events.kinds());
        let (channels, groups) = (events.channels(), events.groups());
        let products = events.products();
        let mut window = 0;
        for place in (0..events.len()).rev() {
            let time = times[place];
            let age = history.cutoff() - time;
            while self.plan.limits.get(window).is_some_and(|&limit| age > limit) {
                window += 1;
            }
            let (local, day) = if self.local { self.zone.clock(time) } else { (0, 0) };
            let event = Met1 {
                events: &events,
                place,
                time,
                kind: kinds[place],
                channel: channels.get(place).copied().unwrap_or(NONE),
                group: groups.get(place).copied().unwrap_or(NONE),
                product: products.get(place).copied().unwrap_or(0),
                local,
                day,
                window,
            };
            self.meet(&event, scratch);
        }
        self.add_up(scratch);
        let told = Told { kernel: self, cutoff: history.cutoff() };
        for (op, feature) in self.plan.ops.iter().zip(features) {
            *feature = told.number(op, scratch);
        }
        for track in scratch.touched.drain(..) {
            let windows = self.plan.days.len();
            let start = usize::from(track) * windows;
            scratch.cells[start..start + windows].fill(Cell::EMPTY);
            if let Some(calendars) = scratch.calendars.get_mut(start..start + windows) {
                calendars.fill(Calendar::EMPTY);
            }
            scratch.places[usize::from(track)] = Place::START;
            scratch.gaps[usize::from(track)].clear();
            for &pair in &self.plan.tracks[usize::from(track)].pairs {
                let start = usize::from(pair) * windows;
                scratch.followed[start..start + windows].fill(0);
            }
        }
    }

    /// Counts an event in all tracks it belongs to.
    fn meet(&self, event: &Met1<'_>, scratch: &mut Scratch) {
        let plan = &self.plan;
        let of = |lists: &'_ [Vec<u16>], code: u16| -> usize {
            if code == NONE { lists.len() } else { usize::from(code).min(lists.len() - 1) }
        };
        let by_kind = &plan.by_kind[of(&plan.by_kind, event.kind).min(plan.by_kind.len() - 1)];
        let by_channel = plan.by_channel.get(of(&plan.by_channel, event.channel));
        let by_group = plan.by_group.get(of(&plan.by_group, event.group));
        let lists = [Some(&plan.always), Some(by_kind), by_channel, by_group];
        for &track in lists.iter().flatten().copied().flatten() {
            self.count(track, event, scratch);
        }
        for &track in &plan.tested {
            if plan.tracks[usize::from(track)].test.passes(event.events, event.place) {
                self.count(track, event, scratch);
            }
        }
        if plan.pairs.is_empty() {
            return;
        }
        // Only now have all tracks met this instant.
        for &track in lists.iter().flatten().copied().flatten() {
            self.follow(track, event, scratch);
        }
        for &track in &plan.tested {
            if plan.tracks[usize::from(track)].test.passes(event.events, event.place) {
                self.follow(track, event, scratch);
            }
        }
    }

    fn count(&self, track: u16, event: &Met1<'_>, scratch: &mut Scratch) {
        let id = usize::from(track);
        let what = &self.plan.tracks[id];
        let slot = id * self.plan.days.len() + event.window;
        let (cell, place) = (&mut scratch.cells[slot], &mut scratch.places[id]);
        if place.newest == i64::MIN {
            scratch.touched.push(track);
        }
        let same_time = place.meet(event.time);
        cell.count += 1;
        cell.oldest = event.time;
        if what.needs == 0 {
            return;
        }
        if what.needs & needs::VALUES != 0 {
            let value = event.events.measure(what.measure).get(event.place).copied();
            if let Some(value) = value.filter(|v| !v.is_nan()) {
                if place.newest_value.is_nan() {
                    place.newest_value = value;
                }
                cell.value(value, place.newest_value);
            }
        }
        if what.needs & needs::DAYS != 0 {
            let gap = place.meet_day(event.day as i32, cell);
            if what.needs & needs::MEDIAN != 0 {
                scratch.gaps[id].extend(gap);
            }
        }
        if what.needs & needs::BASKETS != 0 {
            place.basket = if same_time { place.basket + 1 } else { 1 };
            cell.baskets += u32::from(!same_time);
            cell.basket_max = cell.basket_max.max(place.basket);
        }
        if what.needs & needs::CALENDAR != 0 {
            scratch.calendars[slot].count(event.local);
        }
        let window = event.window as u8;
        if what.needs & needs::PRODUCTS != 0 && event.product != 0 {
            cell.with_product += 1;
            let key = mix2(event.product, u64::from(track));
            cell.products += u32::from(scratch.met.meet(key, track, window));
        }
        if what.needs & needs::NAMES != 0 {
            let codes = [event.kind, event.channel, event.group];
            for (tag, (code, count)) in codes.into_iter().zip(&mut cell.names).enumerate() {
                let key = mix2(u64::from(code), (tag as u64 + 1) << 32 | u64::from(track));
                if code != NONE {
                    *count += u32::from(scratch.met.meet(key, NO_TRACK, window));
                }
            }
        }
    }

    fn follow(&self, track: u16, event: &Met1<'_>, scratch: &mut Scratch) {
        for &pair in &self.plan.tracks[usize::from(track)].pairs {
            let second = usize::from(self.plan.pairs[usize::from(pair)]);
            let soon = scratch.places[second].until_next(event.time) <= DAY_MS;
            let slot = usize::from(pair) * self.plan.days.len() + event.window;
            scratch.followed[slot] += u32::from(soon);
        }
    }

    /// Makes the counts of each window those of all that lies in it.
    fn add_up(&self, scratch: &mut Scratch) {
        let windows = self.plan.days.len();
        for (track, window) in scratch.met.entries.iter().filter(|(track, _)| *track != NO_TRACK) {
            scratch.cells[usize::from(*track) * windows + usize::from(*window)].first_products += 1;
        }
        for &track in &scratch.touched {
            let start = usize::from(track) * windows;
            for window in start + 1..start + windows {
                let inner = scratch.cells[window - 1];
                scratch.cells[window].add(&inner);
            }
            if self.plan.tracks[usize::from(track)].needs & needs::CALENDAR != 0 {
                for window in start + 1..start + windows {
                    let inner = scratch.calendars[window - 1];
                    scratch.calendars[window].add(&inner);
                }
            }
            for &pair in &self.plan.tracks[usize::from(track)].pairs {
                let start = usize::from(pair) * windows;
                for window in start + 1..start + windows {
                    scratch.followed[window] += scratch.followed[window - 1];
                }
            }
        }
    }
}

/// The track of entries that are no products.
const NO_TRACK: u16 = u16::MAX;

/// Numbers from counts.
struct Told<'a> {
    kernel: &'a Kernel,
    cutoff: i64,
}

impl Told<'_> {
    fn number(&self, op: &Op, scratch: &mut Scratch) -> f64 {
        use Metric::*;
        let track = usize::from(op.track);
        let cell = self.cell(scratch, track, op.windows[0]);
        let place = &scratch.places[track];
        let sum_or_count = |window: u8| {
            let cell = self.cell(scratch, track, window);
            if op.sums { cell.sum } else { f64::from(cell.count) }
        };
        let all = self.kernel.plan.days.len() as u8 - 1;
        let met = f64::from(cell.count) > 0.0;
        match op.metric {
            Count => f64::from(cell.count),
            Days => f64::from(cell.days),
            Sum => cell.sum,
            Mean => over(cell.sum, f64::from(cell.values)),
            Max => if_any(cell.values, cell.max),
            Min => if_any(cell.values, cell.min),
            Spread => cell.spread(),
            Share | Rate => {
                let other = self.cell(scratch, usize::from(op.with), op.windows[0]);
                let below = if op.sums { other.sum } else { f64::from(other.count) };
                over(sum_or_count(op.windows[0]), below)
            }
            RecencyDays | LatestDays if met => self.days_since(place.newest),
            FirstDays | EarliestDays if met => self.days_since(cell.oldest),
            RecencyDays | LatestDays | FirstDays | EarliestDays => f64::NAN,
            GapMean => over(cell.gap_sum as f64, f64::from(cell.gaps)),
            GapMedian => {
                let gaps = cell.gaps as usize;
                median(&scratch.gaps[track][..gaps], &mut scratch.sorted)
            }
            GapSpread => cell.gap_spread(),
            GapMax => if_any(cell.gaps, f64::from(cell.gap_max)),
            GapRatio if cell.gaps == 0 => f64::NAN,
            GapRatio => {
                over(self.days_since(place.newest) * f64::from(cell.gaps), cell.gap_sum as f64)
            }
            Ratio => over(sum_or_count(op.windows[0]), sum_or_count(op.windows[1])),
            Trend => self.trend(op.windows[0], op.windows[1], &sum_or_count),
            Acceleration => {
                self.trend(op.windows[0], op.windows[1], &sum_or_count)
                    - self.trend(op.windows[1], op.windows[2], &sum_or_count)
            }
            StreakMax => f64::from(cell.streak),
            StreakNow => f64::from(place.first_run),
            IdleMax if place.newest == i64::MIN => f64::NAN,
            IdleMax => f64::from(cell.gap_max).max(self.local_days_since(place.newest_day)),
            WeekdayShare | HourShare | WeekdayEntropy | HourEntropy => {
                self.calendar(op, scratch, cell.count)
            }
            Followed => f64::from(self.followed(op, scratch)),
            FollowedShare => over(f64::from(self.followed(op, scratch)), f64::from(cell.count)),
            Baskets => f64::from(cell.baskets),
            BasketMean => over(f64::from(cell.count), f64::from(cell.baskets)),
            BasketMax => f64::from(cell.basket_max),
            BasketValue => over(cell.sum, f64::from(cell.baskets)),
            PriceLevel => {
                let usual = self.cell(scratch, track, all);
                let mean = over(cell.sum, f64::from(cell.values));
                over(mean, over(usual.sum, f64::from(usual.values)))
            }
            Products => f64::from(cell.products),
            Variety => over(f64::from(cell.products), f64::from(cell.with_product)),
            RepeatShare => over(
                f64::from(cell.with_product) - f64::from(cell.first_products),
                f64::from(cell.with_product),
            ),
            Kinds => f64::from(cell.names[0]),
            Channels => f64::from(cell.names[1]),
            Groups => f64::from(cell.names[2]),
            Frequency if met => f64::from(cell.days) * 30.0 / self.days_since(cell.oldest).max(1.0),
            Frequency => f64::NAN,
            Monetary => over(cell.sum, f64::from(cell.days)),
            BtydX | BtydTx | BtydT if !met => f64::NAN,
            BtydX => f64::from(cell.days - 1),
            BtydTx => f64::from(place.newest_day) - f64::from(place.last_day),
            BtydT => self.local_days_since(place.last_day),
        }
    }

    fn cell<'s>(&self, scratch: &'s Scratch, track: usize, window: u8) -> &'s Cell {
        &scratch.cells[track * self.kernel.plan.days.len() + usize::from(window)]
    }

    /// Days of 24 hours from `time` to the cutoff.
    fn days_since(&self, time: i64) -> f64 {
        (self.cutoff - time) as f64 / DAY_MS as f64
    }

    /// Local days from `day` to that of the last instant before the cutoff.
    fn local_days_since(&self, day: i32) -> f64 {
        let today = self.kernel.zone.day(self.cutoff - 1);
        today as f64 - f64::from(day)
    }

    fn trend(&self, near: u8, wide: u8, number: &impl Fn(u8) -> f64) -> f64 {
        let days = |window: u8| self.kernel.plan.days[usize::from(window)];
        let before = number(wide) - number(near);
        number(near) / days(near) - before / (days(wide) - days(near))
    }

    fn followed(&self, op: &Op, scratch: &Scratch) -> u32 {
        let windows = self.kernel.plan.days.len();
        scratch.followed[usize::from(op.with) * windows + usize::from(op.windows[0])]
    }

    fn calendar(&self, op: &Op, scratch: &Scratch, count: u32) -> f64 {
        let windows = self.kernel.plan.days.len();
        let at = usize::from(op.track) * windows + usize::from(op.windows[0]);
        let calendar = &scratch.calendars[at];
        let part = op.part.map_or(0, |part| part as usize);
        let night = Part::Night as usize;
        let of_day = |part: usize| calendar.hours[part * 6..part * 6 + 6].iter().sum::<u32>();
        match op.metric {
            Metric::WeekdayEntropy => entropy(&calendar.weekdays),
            Metric::HourEntropy => entropy(&calendar.hours),
            _ if part < night => over(f64::from(calendar.weekdays[part]), f64::from(count)),
            _ => over(f64::from(of_day(part - night)), f64::from(count)),
        }
    }
}

/// A ratio, missing where there is nothing below the line.
fn over(above: f64, below: f64) -> f64 {
    if below == 0.0 { f64::NAN } else { above / below }
}

fn if_any(count: u32, value: f64) -> f64 {
    if count == 0 { f64::NAN } else { value }
}

/// The middle of the gaps, or the mean of the two in the middle.
fn median(gaps: &[u32], sorted: &mut Vec<u32>) -> f64 {
    if gaps.is_empty() {
        return f64::NAN;
    }
    sorted.clear();
    sorted.extend_from_slice(gaps);
    let middle = sorted.len() / 2;
    let (below, &mut upper, _) = sorted.select_nth_unstable(middle);
    let lower = match gaps.len() % 2 {
        0 => below.iter().max().copied().unwrap_or(upper),
        _ => upper,
    };
    (f64::from(lower) + f64::from(upper)) / 2.0
}
