//! Two models on the same rows: how their figures differ and how sure that is, who changes side, and how each is calibrated.
//! Reads nothing, prints nothing, and looks at no clock.

mod gate;

use rekindle_models::metrics::{
    Auc, Bin, Bootstrap, Confusion, Decisions, Difference, Interval, Judged, LIFT_SHARES, Ranked,
    Sides, wilson,
};
use serde::{Serialize, Serializer};

pub use gate::{Ask, By, Gate};

/// Something of either model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pair<T> {
    /// Of the model that is compared with: the old one, in force.
    pub a: T,
    /// Of the candidate.
    pub b: T,
}

impl<T> Pair<T> {
    /// The same of both.
    pub fn map<'a, U>(&'a self, mut of: impl FnMut(&'a T) -> U) -> Pair<U> {
        Pair { a: of(&self.a), b: of(&self.b) }
    }
}

/// What a model says of the rows.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Calibrated probabilities.
    pub probability: &'a [f64],
    /// Predicted positive from this probability on.
    pub threshold: f64,
}

/// The rows that both models are judged on.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// What was true.
    pub target: &'a [bool],
    /// Weights, finite and positive.
    pub weight: &'a [f64],
    /// Which customer each row is of.
    pub group: Option<&'a [u64]>,
    /// What contacting each row would bring, in money, where there is a campaign.
    pub gain: Option<&'a [f64]>,
}

/// How the comparison is made.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Of all intervals, two-sided, and of the gate, one-sided; 0.5 to 1.
    pub confidence: f64,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// What the candidate must do, and by which figures; `None` without a gate.
    pub gate: Option<(Ask, Vec<By>)>,
}

/// Two models on the same rows. Serialised, it is the body of `compare.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Rows.
    pub rows: usize,
    /// Rows with the target.
    pub positives: usize,
    /// Customers that the rows are of, where some have several.
    pub customers: Option<usize>,
    /// Share of rows with the target, by weight.
    pub base_rate: f64,
    /// Of every interval, two-sided; of the gate, one-sided.
    pub confidence: f64,
    /// Figures of both, by name.
    #[serde(serialize_with = "by_name")]
    pub figures: Vec<Compared>,
    /// Who is predicted positive by whom, among those with the target.
    pub with_target: Sides,
    /// The same among those without.
    pub without_target: Sides,
    /// How far probabilities move from A to B.
    pub moved: Moved,
    /// How the probabilities of each fit.
    pub calibration: Pair<Calibrated>,
    /// Whether the candidate may be promoted; null where nothing was asked.
    pub gate: Option<Gate>,
}

/// A figure of both models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its key.
    #[serde(skip)]
    pub key: &'static str,
    /// Its name.
    #[serde(skip)]
    pub name: &'static str,
    /// Of A, with its interval.
    pub a: Interval,
    /// Of B.
    pub b: Interval,
    /// How much higher B's is, two-sided at the confidence; null where one of them has none.
    pub difference: Interval,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Who is better, where the difference is surely not 0.
    pub surely_better: Option<Letter>,
    /// How much higher B's is, with its standard error.
    #[serde(skip)]
    pub apart: Difference,
}

/// One of the two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// The one that is compared with.
    A,
    /// The candidate.
    B,
}

/// How far probabilities move from A to B.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// Mean distance, by weight.
    pub mean: f64,
    /// The largest.
    pub largest: f64,
}

/// How a model's probabilities fit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// Mean probability, by weight: beside the base rate.
    pub mean_probability: f64,
    /// Ten bins of equal weight.
    pub bins: Vec<Bin>,
}

/// How fast a model scores, as measured beside the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Speed {
    /// Rows of the batch.
    pub rows: usize,
    /// Rows of it scored a second, on all threads: the median of rounds in which both took turns.
    pub rows_per_second: f64,
    /// Those threads.
    pub threads: usize,
    /// Rows scored one by one.
    pub single_rows: usize,
    /// Median time of one, in microseconds.
    pub single_microseconds: f64,
}

/// How large a model is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Size {
    /// Bytes of its file.
    pub bytes: u64,
    /// Features.
    pub features: usize,
    /// Trees; null where it is none of trees.
    pub trees: Option<usize>,
    /// Leaves of all trees.
    pub leaves: Option<usize>,
}

impl Comparison {
    /// What a process that ends with this comparison returns: 0 without a gate.
    pub fn exit_code(&self) -> u8 {
        self.gate.as_ref().map_or(0, Gate::exit_code)
    }

    /// The figure of that key.
    pub fn figure(&self, key: &str) -> Option<&Compared> {
        self.figures.iter().find(|figure| figure.key == key)
    }
}

/// Compares what two models say of the same rows, of which there is at least one.
pub fn compare(said: &Pair<Said<'_>>, truth: &Truth<'_>, asked: &Asked) -> Comparison {
    let both = said.map(|said| Judged {
        probability: said.probability,
        target: truth.target,
        weight: truth.weight,
        group: truth.group,
    });
    let ranked = both.map(Ranked::new);
    let positive = said
        .map(|said| said.probability.iter().map(|p| *p >= said.threshold).collect::<Vec<bool>>());
    let decisions = Decisions {
        first: &positive.a,
        second: &positive.b,
        target: truth.target,
        weight: truth.weight,
        gain: truth.gain,
    };
    let customers = customers(truth.group);
    let [with_target, without_target] = decisions.sides(customers.is_none());
    let figures = figures(&both, &ranked, &decisions, asked);
    let calibrated = |said: &Said<'_>, ranked: &Ranked| Calibrated {
        mean_probability: mean(said.probability.iter().copied(), truth.weight),
        bins: ranked.bins(asked.confidence),
    };
    let apart = || said.a.probability.iter().zip(said.b.probability).map(|(a, b)| (b - a).abs());
    let mut comparison = Comparison {
        rows: both.a.len(),
        positives: both.a.positives(),
        customers,
        base_rate: both.a.base_rate(),
        confidence: asked.confidence,
        figures,
        with_target,
        without_target,
        moved: Moved { mean: mean(apart(), truth.weight), largest: apart().fold(0.0, f64::max) },
        calibration: Pair { a: calibrated(&said.a, &ranked.a), b: calibrated(&said.b, &ranked.b) },
        gate: None,
    };
    comparison.gate =
        asked.gate.as_ref().map(|(ask, figures)| Gate::judge(&comparison, *ask, figures));
    comparison
}

/// How many customers the rows are of, where some have several.
fn customers(group: Option<&[u64]>) -> Option<usize> {
    let mut customers = group?.to_vec();
    customers.sort_unstable();
    customers.dedup();
    (customers.len() < group?.len()).then_some(customers.len())
}

fn mean(values: impl Iterator<Item = f64>, weight: &[f64]) -> f64 {
    values.zip(weight).map(|(v, w)| v * w).sum::<f64>() / weight.iter().sum::<f64>()
}

/// Every figure of both, in the order of reports.
fn figures(
    both: &Pair<Judged<'_>>,
    ranked: &Pair<Ranked>,
    decisions: &Decisions<'_>,
    asked: &Asked,
) -> Vec<Compared> {
    let (group, confidence) = (both.a.group, asked.confidence);
    let bootstrap = Bootstrap::new(&both.a, asked.seed, confidence);
    let auc = ranked.map(Auc::new);
    let areas = auc.map(|auc| auc.interval(group, confidence));
    let rates = bootstrap.rates(decisions);
    let [error, miss] = rates_of(decisions, group, confidence);
    let ([a, b], apart) = bootstrap.beside(&ranked.a, &ranked.b);
    let figure = |(key, name), higher_is_better: bool, of: Pair<Interval>, apart: Difference| {
        let difference = apart.two_sided(confidence);
        let surely_better = match () {
            () if difference.low > 0.0 => Some(higher_is_better),
            () if difference.high < 0.0 => Some(!higher_is_better),
            () => None,
        };
        let surely_better = surely_better.map(|b| if b { Letter::B } else { Letter::A });
        let Pair { a, b } = of;
        Compared { key, name, a, b, difference, higher_is_better, surely_better, apart }
    };
    let pair = |a, b| Pair { a, b };
    let mut all = vec![
        figure(("roc_auc", "ROC AUC"), true, areas, auc.b.difference(&auc.a, group)),
        figure(
            ("average_precision", "average precision"),
            true,
            pair(a.average_precision, b.average_precision),
            apart.average_precision,
        ),
        figure(("error_rate", "error rate"), false, error, rates.error_rate),
        figure(("miss_rate", "miss rate"), false, miss, rates.miss_rate),
        figure(("log_loss", "log loss"), false, pair(a.log_loss, b.log_loss), apart.log_loss),
        figure(
            ("brier_score", "Brier score"),
            false,
            pair(a.brier_score, b.brier_score),
            apart.brier_score,
        ),
        figure(("ece", "ECE"), false, pair(a.ece, b.ece), apart.ece),
    ];
    for (place, names) in LIFTS.into_iter().enumerate() {
        all.push(figure(names, true, pair(a.lift[place], b.lift[place]), apart.lift[place]));
    }
    if let Some(([a, b], apart)) = rates.profit {
        all.push(figure(("profit", "profit per customer"), true, pair(a, b), apart));
    }
    all
}

/// Keys and names of the lifts at [`LIFT_SHARES`].
const LIFTS: [(&str, &str); LIFT_SHARES.len()] =
    [("lift_at_1", "lift at 1 %"), ("lift_at_5", "lift at 5 %"), ("lift_at_10", "lift at 10 %")];

/// Error rate and miss rate of both with Wilson's intervals.
fn rates_of(
    decisions: &Decisions<'_>,
    group: Option<&[u64]>,
    confidence: f64,
) -> [Pair<Interval>; 2] {
    let of = |positive: &[bool]| {
        let said: Vec<f64> = positive.iter().map(|p| f64::from(u8::from(*p))).collect();
        let (target, weight) = (decisions.target, decisions.weight);
        let judged = Judged { probability: &said, target, weight, group };
        let counts = Confusion::at(&judged, 0.5);
        let effective = |keep: &[bool]| judged.effective_rows(|row| keep[row]);
        let interval = |rate: Option<f64>, rows: f64| {
            let value = rate.unwrap_or(f64::NAN);
            let (low, high) = rate.map_or((f64::NAN, f64::NAN), |r| wilson(r, rows, confidence));
            Interval { value, low, high }
        };
        [
            interval(counts.error_rate(), effective(positive)),
            interval(counts.miss_rate(), effective(target)),
        ]
    };
    let ([first, second], [third, fourth]) = (of(decisions.first), of(decisions.second));
    [Pair { a: first, b: third }, Pair { a: second, b: fourth }]
}

fn by_name<S: Serializer>(figures: &[Compared], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_map(figures.iter().map(|figure| (figure.key, figure)))
}

#[cfg(test)]
mod tests;
