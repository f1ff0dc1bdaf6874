//! How a feature's values go with the target: counts by bin, in parts of the customers, and what ranks by
//! them. Knows no names and accuses nobody.

use rayon::prelude::*;
use rekindle_models::frame::{Column, Kind};
use rekindle_models::seed::mix2;

/// Most bins of a number, and most values of one that is told value by value.
const BINS: usize = 32;
/// Cells that the cuts of a number are told from.
const CUT_CELLS: usize = 4_096;
/// Weight of the base rate in a bin's rate, in rows: a level of one row says nothing of other rows.
const SMOOTHING: f64 = 20.0;
/// Most rows of a class that are looked at. At an AUC of 0.95 that many tell it to about 0.001.
const MOST_OF_A_CLASS: usize = 20_000;
/// Fewest rows of each class in a part: with fewer, some of many features rank well by luck.
const FEWEST_OF_A_CLASS: u32 = 10;

/// Rows to look at. Those of a class beyond [`MOST_OF_A_CLASS`] are left out, which moves no AUC, and
/// customers are dealt into two halves: what is learned on one is judged on the other.
#[derive(Debug)]
pub(super) struct Sample {
    /// Places of the rows, rising.
    pub rows: Vec<u32>,
    /// For each: `4 * half + 2 * late + positive`.
    pub part: Vec<u8>,
    /// How many rows of the table a sampled row stands for: without the target, with it.
    pub stands_for: [f64; 2],
}

/// Which rows of a [`Sample`]: a half of the customers, and where there is time, the early or the late ones.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rows {
    All(usize),
    Early(usize),
    Late(usize),
}

/// Where a feature's values are cut. Missing cells have the last bin, which is always there.
#[derive(Debug)]
pub(super) enum Bins {
    /// `cuts[i - 1] < x <= cuts[i]`.
    Numbers(Vec<f64>),
    /// A bin a level.
    Levels(usize),
}

/// Rows by bin and part, in a [`Sample`]'s order of parts.
#[derive(Debug)]
pub(super) struct Counts(Vec<[u32; 8]>);

impl Sample {
    /// Of `rows`; late are those whose time is that of the median row or later.
    pub fn new(rows: &[u32], target: &[bool], keys: &[u64], time: Option<&[f64]>) -> Sample {
        let [negative, positive] = [false, true].map(|class| {
            let of_class: Vec<u32> =
                rows.iter().copied().filter(|&row| target[row as usize] == class).collect();
            (of_class.len() as f64, thin(of_class, MOST_OF_A_CLASS))
        });
        let stands_for = [&negative, &positive].map(|(all, kept)| all / kept.len().max(1) as f64);
        let mut rows = [negative.1, positive.1].concat();
        rows.sort_unstable();
        let middle = time.map(|time| {
            let mut times: Vec<f64> = rows.iter().map(|&row| time[row as usize]).collect();
            times.sort_unstable_by(f64::total_cmp);
            (time, times.get(times.len() / 2).copied().unwrap_or_default())
        });
        let part = |&row: &u32| {
            let row = row as usize;
            let half = (mix2(HALVES, keys[row]) & 1) as u8;
            let late = middle.is_some_and(|(time, middle)| time[row] >= middle);
            4 * half + 2 * u8::from(late) + u8::from(target[row])
        };
        let part = rows.iter().map(part).collect();
        Sample { rows, part, stands_for }
    }
}

/// The seed of the halves: none that splits or fits.
const HALVES: u64 = 0x0067_7561_7264;

/// At most so many of the rows, those with the lowest hash, in order.
pub(super) fn thin(mut rows: Vec<u32>, most: usize) -> Vec<u32> {
    if rows.len() > most {
        rows.select_nth_unstable_by_key(most, |&row| (mix2(HALVES, u64::from(row)), row));
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}

impl Rows {
    /// Their parts, without the class; one named twice is counted once.
    fn places(self) -> [usize; 2] {
        match self {
            Rows::All(half) => [4 * half, 4 * half + 2],
            Rows::Early(half) => [4 * half; 2],
            Rows::Late(half) => [4 * half + 2; 2],
        }
    }
}

impl Bins {
    /// Told from some of the rows.
    pub fn new(column: &Column, kind: &Kind, rows: &[u32]) -> Bins {
        let values = match (column, kind) {
            (_, Kind::Categorical(levels)) => return Bins::Levels(levels.len()),
            (Column::Number(values), _) => values,
            (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
        };
        let step = rows.len().div_ceil(CUT_CELLS).max(1);
        let some = rows.iter().step_by(step).map(|&row| values[row as usize]);
        let mut sorted: Vec<f64> = some.filter(|x| !x.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut values = sorted.clone();
        values.dedup();
        if values.len() <= BINS {
            values.pop();
            return Bins::Numbers(values);
        }
        let mut cuts: Vec<f64> = (1..BINS).map(|bin| sorted[sorted.len() * bin / BINS]).collect();
        cuts.dedup();
        Bins::Numbers(cuts)
    }

    /// How many there are, that of missing cells apart.
    pub fn present(&self) -> usize {
        match self {
            Bins::Numbers(cuts) => cuts.len() + 1,
            Bins::Levels(levels) => *levels,
        }
    }

    /// The bins of some rows' cells.
    pub fn places(&self, column: &Column, rows: &[u32]) -> Vec<u32> {
        let missing = self.present() as u32;
        match (self, column) {
            (Bins::Numbers(cuts), Column::Number(values)) => {
                let place = |x: f64| match x.is_nan() {
                    true => missing,
                    false => cuts.partition_point(|cut| *cut < x) as u32,
                };
                rows.iter().map(|&row| place(values[row as usize])).collect()
            }
            (_, Column::Category(codes)) => {
                rows.iter().map(|&row| codes[row as usize].min(missing)).collect()
            }
            (Bins::Levels(_), Column::Number(_)) => {
                unreachable!("a frame pairs categories with levels")
            }
        }
    }
}

impl Counts {
    /// Counts the places among `bins` of the sample's rows.
    pub fn new(bins: usize, places: &[u32], sample: &Sample) -> Counts {
        let mut counts = vec![[0; 8]; bins];
        for (&place, &part) in places.iter().zip(&sample.part) {
            counts[place as usize][usize::from(part)] += 1;
        }
        Counts(counts)
    }

    /// By bin: without the target, with it.
    fn classes(&self, rows: Rows) -> Vec<[f64; 2]> {
        let [first, second] = rows.places();
        let both = |bin: &[u32; 8], class: usize| match first == second {
            true => f64::from(bin[first + class]),
            false => f64::from(bin[first + class] + bin[second + class]),
        };
        self.0.iter().map(|bin| [both(bin, 0), both(bin, 1)]).collect()
    }

    /// Whether some rows are enough to judge on.
    pub fn enough(&self, rows: Rows) -> bool {
        totals(&self.classes(rows)).iter().all(|class| *class >= f64::from(FEWEST_OF_A_CLASS))
    }

    /// The target's rate by bin.
    pub fn rates(&self, learn: Rows) -> Vec<f64> {
        let classes = self.classes(learn);
        let [negatives, positives] = totals(&classes);
        let base = positives / (negatives + positives).max(1.0);
        let rate = |[n, p]: [f64; 2]| (p + SMOOTHING * base) / (n + p + SMOOTHING);
        classes.into_iter().map(rate).collect()
    }

    /// ROC AUC on some rows of the rates learned on others; 0.5 where a class is missing.
    pub fn auc(&self, learn: Rows, judge: Rows) -> f64 {
        let rates = self.rates(learn);
        let mut bins: Vec<(f64, [f64; 2])> = rates.into_iter().zip(self.classes(judge)).collect();
        bins.retain(|(_, [n, p])| n + p > 0.0);
        bins.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut below, mut won) = (0.0, 0.0);
        for tied in bins.chunk_by(|a, b| a.0 == b.0) {
            let [n, p] = totals(tied.iter().map(|(_, classes)| classes));
            won += p * (below + n / 2.0);
            below += n;
        }
        let [negatives, positives] = totals(bins.iter().map(|(_, classes)| classes));
        if negatives * positives == 0.0 { 0.5 } else { won / (negatives * positives) }
    }

    /// On each half, ranking by what was learned on the other.
    pub fn halves(&self) -> [f64; 2] {
        [self.auc(Rows::All(1), Rows::All(0)), self.auc(Rows::All(0), Rows::All(1))]
    }

    /// The same knowing only whether there is a value.
    pub fn missing(&self) -> Counts {
        let [mut present, missing] = [[0; 8], *self.0.last().expect("missing cells have a bin")];
        for bin in &self.0[..self.0.len() - 1] {
            present.iter_mut().zip(bin).for_each(|(sum, more)| *sum += more);
        }
        Counts(vec![present, missing])
    }

    /// Rows with a value and all rows: without the target, and with it.
    pub fn with_value(&self) -> [(f64, f64); 2] {
        let both = self.missing().0;
        let sum = |bin: &[u32; 8], class: usize| {
            bin.iter().skip(class).step_by(2).map(|n| f64::from(*n)).sum::<f64>()
        };
        [0, 1].map(|class| (sum(&both[0], class), sum(&both[0], class) + sum(&both[1], class)))
    }

    /// The share of each bin, where a row of a class stands for so many.
    pub fn shares(&self, stands_for: [f64; 2]) -> Vec<f64> {
        let weight = |bin: &[u32; 8]| {
            bin.iter().enumerate().map(|(part, n)| f64::from(*n) * stands_for[part % 2]).sum()
        };
        let weights: Vec<f64> = self.0.iter().map(weight).collect();
        let all: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / all).collect()
    }
}

fn totals<'a>(classes: impl IntoIterator<Item = &'a [f64; 2]>) -> [f64; 2] {
    classes.into_iter().fold([0.0; 2], |[n, p], [more_n, more_p]| [n + more_n, p + more_p])
}

/// How far two features say the same of the target: the correlation of the rates they give to the sample's
/// rows, each row's learned on the other half.
pub(super) fn agreement(
    first: (&Counts, &[u32]),
    second: (&Counts, &[u32]),
    sample: &Sample,
) -> f64 {
    let scores = |(counts, places): (&Counts, &[u32])| -> Vec<f64> {
        let rates = [counts.rates(Rows::All(1)), counts.rates(Rows::All(0))];
        let rate = |(&place, &part): (&u32, &u8)| rates[usize::from(part / 4)][place as usize];
        places.iter().zip(&sample.part).map(rate).collect()
    };
    let both = [first, second];
    let both: Vec<Vec<f64>> = both.into_par_iter().map(scores).collect();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (a, b) = (mean(&both[0]), mean(&both[1]));
    let sum = |x: &[f64], a: f64, y: &[f64], b: f64| {
        x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>()
    };
    let spread = sum(&both[0], a, &both[0], a) * sum(&both[1], b, &both[1], b);
    if spread > 0.0 { sum(&both[0], a, &both[1], b) / spread.sqrt() } else { 0.0 }
}
