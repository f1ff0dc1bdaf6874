//! Maximum likelihood: from a sample to the parameters of a model, with their standard errors.

use rekindle_models::value::{GammaGamma, PurchaseFamily, PurchaseModel};

use crate::error::{Error, Result};
use crate::value::likelihood::{Loss, purchases, spend, within};
use crate::value::minimise::{Minimum, curvature, inverted, minimise};
use crate::value::sample::{Sample, SpendSample};

/// A fitted model of purchases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PurchaseFit {
    /// The model.
    pub model: PurchaseModel,
    /// Standard errors of its parameters, from the observed information; NaN where the data do not tell,
    /// as where a parameter is held at the end of its range.
    pub standard_errors: [f64; 4],
    /// The log-likelihood of all customers.
    pub log_likelihood: f64,
    /// Customers it was learned from.
    pub customers: u64,
    /// Steps of the search.
    pub steps: u32,
}

/// A fitted model of what a purchase brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpendFit {
    /// The model.
    pub model: GammaGamma,
    /// Standard errors, as of [`PurchaseFit`].
    pub standard_errors: [f64; 3],
    /// The log-likelihood of all customers.
    pub log_likelihood: f64,
    /// Customers it was learned from: with a repeat purchase that brought something.
    pub customers: u64,
    /// Steps of the search.
    pub steps: u32,
}

/// Fewest customers with a repeat purchase that a model is learned from.
pub const FEWEST_REPEATERS: f64 = 10.0;
/// Customers that the search starts on: the rest only moves the end a little.
const FIRST: f64 = 20_000.0;

/// Fits a model of purchases.
///
/// # Errors
/// When too few customers came again, or the search comes to no end.
pub fn fit_purchases(family: PurchaseFamily, sample: &Sample) -> Result<PurchaseFit> {
    let repeaters = sample.repeaters();
    if repeaters < FEWEST_REPEATERS {
        return Err(Error::BadOptions(format!(
            "{repeaters} of {} customers purchased on a second day; expected {FEWEST_REPEATERS} at least, to \
             learn how often customers come again; bring a longer log or more customers",
            sample.customers()
        )));
    }
    // The rate at which repeats come, for where to start.
    let [count, age] = sample.sums(|rows| {
        rows.iter().fold([0.0, 0.0], |[count, age], (of, n)| {
            [count + n * f64::from(of.count()), age + n * of.age()]
        })
    });
    let gap = age / count;
    let starts = match family {
        PurchaseFamily::BgNbd => [[0.3, 0.15 * gap, 0.8, 2.5], [1.0, gap, 0.5, 3.0]],
        PurchaseFamily::ParetoNbd => {
            let mean_age = age / sample.customers();
            [[0.5, 0.4 * gap, 0.6, 0.5 * mean_age], [1.0, gap, 1.0, 2.0 * mean_age]]
        }
    };
    let first = sample.thinned(FIRST);
    let first = if first.repeaters() < FEWEST_REPEATERS { sample.clone() } else { first };
    let start = starts
        .map(|start| minimise(start.map(f64::ln), |ln| purchases(family, ln, &first)))
        .into_iter()
        .min_by(|a, b| a.value.total_cmp(&b.value))
        .expect("there are two starts");
    let (found, standard_errors) =
        polished(start, sample.customers(), |ln| purchases(family, ln, sample), family.text())?;
    Ok(PurchaseFit {
        model: family.with(within(family, &found.at, sample).map(f64::exp))?,
        standard_errors,
        log_likelihood: -found.value * sample.customers(),
        customers: sample.customers() as u64,
        steps: start.steps + found.steps,
    })
}

/// Fits Gamma-Gamma.
///
/// # Errors
/// As [`fit_purchases`].
pub fn fit_spend(sample: &SpendSample) -> Result<SpendFit> {
    let number = sample.rows().len() as f64;
    if number < FEWEST_REPEATERS {
        return Err(Error::BadOptions(format!(
            "{number} customers have a second day whose purchases brought something; expected \
             {FEWEST_REPEATERS} at least, to learn what a purchase brings"
        )));
    }
    let [sum] = sample.sums(|rows| [rows.iter().map(|spend| spend.mean).sum::<f64>()]);
    let start = [2.0_f64, 3.0, sum / number];
    let start = minimise(start.map(f64::ln), |ln| spend(ln, sample));
    let (found, standard_errors) = polished(start, number, |ln| spend(ln, sample), "gamma_gamma")?;
    Ok(SpendFit {
        model: GammaGamma::new(found.at.map(f64::exp))?,
        standard_errors,
        log_likelihood: -found.value * number,
        customers: number as u64,
        steps: start.steps + found.steps,
    })
}

/// Ends a search on all customers by Newton's steps, then by BFGS where those do not, and tells the
/// standard errors.
fn polished<const N: usize>(
    start: Minimum<N>,
    customers: f64,
    of: impl Fn(&[f64; N]) -> Loss<N>,
    name: &'static str,
) -> Result<(Minimum<N>, [f64; N])> {
    let mut found = start;
    (found.value, found.steps) = (of(&start.at).0, 0);
    let mut hessian = curvature(&found.at, &of);
    for _ in 0..6 {
        let slope = of(&found.at).1;
        let Some(inverse) = inverted(&hessian) else { break };
        let step: [f64; N] =
            std::array::from_fn(|i| -(0..N).map(|j| inverse[i][j] * slope[j]).sum::<f64>());
        let longest = step.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        let moved = std::array::from_fn(|i| found.at[i] + step[i]);
        let (value, _) = of(&moved);
        let lower = value <= found.value + 1e-12 && longest < 1.0;
        found.converged = lower && longest < 1e-7;
        if !lower {
            break;
        }
        (found.at, found.value, found.steps) = (moved, value, found.steps + 1);
        if found.converged {
            break;
        }
        // The table of a place near by does until the end.
        if longest > 1e-2 {
            hessian = curvature(&found.at, &of);
        }
    }
    if !found.converged {
        found = minimise(found.at, &of);
    }
    if !found.converged {
        let names = found.at.map(|ln| format!("{:.4}", ln.exp())).join(", ");
        return Err(Error::BadOptions(format!(
            "{name}: the search for its parameters came to no end, at {names} after {} steps; the data do \
             not tell them; bring more customers or a longer log",
            found.steps
        )));
    }
    let mut information = curvature(&found.at, &of);
    // What is held at the end of its range is taken for known.
    let held: [bool; N] = std::array::from_fn(|i| information[i][i] == 0.0);
    (0..N).filter(|i| held[*i]).for_each(|i| information[i][i] = 1.0);
    let errors = inverted(&information).map_or([f64::NAN; N], |inverse| {
        // By the delta method: d p = p d ln p.
        let error = |i: usize| found.at[i].exp() * (inverse[i][i] / customers).sqrt();
        std::array::from_fn(|i| if held[i] { f64::NAN } else { error(i) })
    });
    Ok((found, errors))
}
