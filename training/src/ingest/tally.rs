//! What became of the lines of a log: how many were events, which were not and why, with the places of
//! the first of each sort. The same whatever order lines were read in.

use std::collections::BTreeMap;
use std::fmt;

use rekindle_models::behaviour::DAY_MS;
use serde::{Deserialize, Serialize};

/// Why a line, or something in it, is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is no record: too few or too many fields, no JSON, no UTF-8.
    Malformed,
    /// It does not say whose it is.
    NoCustomer,
    /// It has no time, or one that cannot be read.
    BadTime,
    /// It does not say what happened.
    NoKind,
    /// A text, or an infinite number, stands where a finite number belongs.
    NotANumber,
    /// A number below 0 stands where a count belongs that would be an event.
    NegativeCount,
    /// It tells an attribute as a list, or attributes as what cannot be read as an object.
    TraitLeftOut,
    /// It is at or after the log's stated end.
    AfterEnd,
    /// It is a purchase with an amount below 0.
    NegativePurchase,
    /// Its amount is in another currency than the first one's.
    OtherCurrency,
}

/// Lines of one sort.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// How many.
    pub lines: u64,
    /// The first of them: place and what was found.
    pub examples: Vec<String>,
    #[serde(skip)]
    places: Vec<(usize, u64)>,
}

/// What became of some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Lines read, without headers and blank ones.
    pub lines: u64,
    /// Lines that the filter left out.
    pub filtered: u64,
    /// Events they became.
    pub events: u64,
    /// Attributes of customers that they told.
    pub attributes: u64,
    /// What was not as it should be.
    pub faults: BTreeMap<Fault, Faults>,
    /// The time of the first event, in milliseconds.
    pub first_event: Option<i64>,
    /// The time of the last event, in milliseconds.
    pub last_event: Option<i64>,
    /// Events of each day since 1970 UTC.
    #[serde(skip)]
    pub(super) days: BTreeMap<i64, u64>,
}

/// A tally on its way to whoever adds it up, with what reports do not show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentTally {
    shown: Tally,
    places: Vec<Vec<(usize, u64)>>,
    days: BTreeMap<i64, u64>,
}

impl From<Tally> for SentTally {
    fn from(shown: Tally) -> SentTally {
        let places = shown.faults.values().map(|faults| faults.places.clone()).collect();
        SentTally { places, days: shown.days.clone(), shown }
    }
}

impl From<SentTally> for Tally {
    fn from(sent: SentTally) -> Tally {
        let mut tally = Tally { days: sent.days, ..sent.shown };
        for (faults, places) in tally.faults.values_mut().zip(sent.places) {
            faults.places = places;
        }
        tally
    }
}

/// Examples that are shown of each sort.
const EXAMPLES: usize = 3;

impl Fault {
    /// Whether such lines count as bad: too many of them stop a run. Those that are as a project says
    /// they may be, by its end of the log or its currency, do not.
    pub fn is_bad(self) -> bool {
        use Fault::{AfterEnd, NegativePurchase, OtherCurrency, TraitLeftOut};
        !matches!(self, AfterEnd | NegativePurchase | OtherCurrency | TraitLeftOut)
    }

    /// What is wrong, and what is done about it.
    pub fn about(self) -> (&'static str, &'static str) {
        match self {
            Fault::Malformed => ("not a record", "left out"),
            Fault::NoCustomer => ("no customer", "left out"),
            Fault::BadTime => ("no time that can be read", "left out"),
            Fault::NoKind => ("no kind", "left out"),
            Fault::NotANumber => {
                ("no finite number where one belongs", "kept, the number is missing")
            }
            Fault::NegativeCount => ("counts below 0", "make no event"),
            Fault::TraitLeftOut => ("traits that are lists, or cannot be read", "left out"),
            Fault::AfterEnd => ("at or after the log's end", "left out"),
            Fault::NegativePurchase => ("purchases with an amount below 0", "count as returns"),
            Fault::OtherCurrency => ("amounts in another currency", "kept, the amount is missing"),
        }
    }
}

impl Tally {
    /// Counts a line; `file` and `line` say where it is, `text` what was found.
    pub fn count(
        &mut self,
        fault: Fault,
        (file, line): (usize, u64),
        text: impl FnOnce() -> String,
    ) {
        let faults = self.faults.entry(fault).or_default();
        faults.lines += 1;
        let place = faults.places.partition_point(|other| *other < (file, line));
        if place < EXAMPLES {
            faults.places.insert(place, (file, line));
            faults.examples.insert(place, text());
            faults.places.truncate(EXAMPLES);
            faults.examples.truncate(EXAMPLES);
        }
    }

    /// Adds what became of other lines.
    pub fn add(&mut self, other: Tally) {
        self.lines += other.lines;
        self.filtered += other.filtered;
        self.events += other.events;
        self.attributes += other.attributes;
        for (fault, faults) in other.faults {
            let all = self.faults.entry(fault).or_default();
            all.lines += faults.lines;
            let both =
                std::mem::take(&mut all.places).into_iter().zip(std::mem::take(&mut all.examples));
            let mut both: Vec<_> =
                both.chain(faults.places.into_iter().zip(faults.examples)).collect();
            both.sort();
            both.truncate(EXAMPLES);
            (all.places, all.examples) = both.into_iter().unzip();
        }
        let both = [self.first_event, other.first_event];
        self.first_event = both.into_iter().flatten().min();
        self.last_event = self.last_event.max(other.last_event);
        for (day, events) in other.days {
            *self.days.entry(day).or_default() += events;
        }
    }

    /// Counts the times of events.
    pub fn times(&mut self, times: &[i64]) {
        let (Some(&first), Some(&last)) = (times.iter().min(), times.iter().max()) else { return };
        self.events += times.len() as u64;
        self.first_event = Some(self.first_event.map_or(first, |before| before.min(first)));
        self.last_event = self.last_event.max(Some(last));
        // Times lie within some centuries: a list of days is short, and quicker than a map.
        let day = |time: i64| time.div_euclid(DAY_MS);
        let mut days = vec![0_u64; (day(last) - day(first)) as usize + 1];
        times.iter().for_each(|&time| days[(day(time) - day(first)) as usize] += 1);
        for (day, events) in (day(first)..).zip(days).filter(|(_, events)| *events > 0) {
            *self.days.entry(day).or_default() += events;
        }
    }

    /// Lines that are not as they should be.
    pub fn bad_lines(&self) -> u64 {
        self.faults.iter().filter(|(fault, _)| fault.is_bad()).map(|(_, f)| f.lines).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines, {} events", self.lines, self.events)?;
        if self.attributes > 0 {
            write!(f, ", {} attributes", self.attributes)?;
        }
        if self.filtered > 0 {
            write!(f, "\n  {} left out by the filter", self.filtered)?;
        }
        for (fault, faults) in &self.faults {
            let (what, done) = fault.about();
            let share = 100.0 * faults.lines as f64 / self.lines.max(1) as f64;
            write!(f, "\n  {} ({share:.2} %) {what}: {done}", faults.lines)?;
            for example in &faults.examples {
                write!(f, "\n    {example}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_that_was_sent_adds_up_as_before() {
        let mut tally = Tally::default();
        tally.times(&[5, 86_400_000 * 3]);
        tally.count(Fault::BadTime, (1, 7), || "here".to_owned());
        tally.count(Fault::NoKind, (0, 2), || "there".to_owned());
        let json = serde_json::to_string(&SentTally::from(tally.clone())).unwrap();
        let sent: SentTally = serde_json::from_str(&json).unwrap();
        assert_eq!(Tally::from(sent), tally);
    }

    #[test]
    fn examples_are_the_first_lines_whatever_order_they_came_in() {
        let tally = |places: &[(usize, u64)]| {
            let mut tally = Tally::default();
            for place in places {
                tally.count(Fault::BadTime, *place, || format!("{place:?}"));
            }
            tally
        };
        let all = [(1, 9), (0, 7), (0, 3), (2, 1), (0, 5)];
        let one = tally(&all);
        let mut two = tally(&all[3..]);
        two.add(tally(&all[..3]));
        assert_eq!(one, two);
        assert_eq!(one.faults[&Fault::BadTime].examples, ["(0, 3)", "(0, 5)", "(0, 7)"]);
        assert_eq!(one.bad_lines(), 5);
    }
}
