//! What a model's reference population was like: how its features and its probabilities were spread. Wire types: what
//! later rows are compared with. Nobody's data is in it: every bin and every named level holds at least
//! [`FEWEST_ROWS`] rows, ends of bins are rounded, and neither the least nor the largest value is kept. Counts of missing
//! cells and of rare levels together are exact, but tell no value. It is no differential privacy: who knows all rows but
//! one can learn from exact shares which bin that one lies in.

use serde::{Deserialize, Serialize};

use crate::frame::UNKNOWN_LEVEL;

/// Fewest rows of a bin, or of a level by its name.
pub const FEWEST_ROWS: usize = 20;

/// The rows that percentiles and later tables are compared with: the calibration rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferencePopulation {
    /// Rows.
    pub rows: usize,
    /// Rows of equal weight that tell as much, at most as many as there are customers.
    pub effective_rows: f64,
    /// How each feature was spread, in the manifest's order.
    pub features: Vec<Distribution>,
    /// How the probabilities were spread.
    pub probabilities: Distribution,
    /// The mean probability, by weight.
    pub mean_probability: f64,
    /// The share predicted positive, by weight.
    pub predicted_positive: f64,
    /// How far probabilities were off on rows with known answers; `None` where there were none.
    pub calibration: Option<CalibrationCheck>,
}

/// How the cells of a feature are spread, as shares of the weight; all shares of one add up to 1 but for rounding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Distribution {
    /// Numbers, booleans and dates.
    Numbers {
        /// Share of missing cells.
        missing: f64,
        /// Share of cells that are exactly 0, where these are many; then they are in no bin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zero: Option<f64>,
        /// Where bins end, rising: the first holds `x <= edges[0]`, the next `edges[0] < x <= edges[1]`, the last all
        /// above.
        edges: Vec<f64>,
        /// Share of each bin: one more than there are edges.
        shares: Vec<f64>,
    },
    /// Levels.
    Levels {
        /// Share of missing cells.
        missing: f64,
        /// The most frequent levels: places among those of the manifest's feature, rising.
        levels: Vec<u32>,
        /// Share of each of these.
        shares: Vec<f64>,
        /// Share of all other levels together.
        others: f64,
    },
}

/// How far probabilities were off on rows with known answers: the log odds that would have been right are
/// `z + offset + slope (z - centre)`, where `z` are those that were said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationCheck {
    /// Rows.
    pub rows: usize,
    /// Whether the calibration was fitted on other rows than these.
    pub held_out: bool,
    /// Log odds at which the slope turns.
    pub centre: f64,
    /// How much the log odds were too low at the centre.
    pub offset: f64,
    /// Standard error of the offset.
    pub offset_error: f64,
    /// By how much the log odds should have spread more: 0 where they are right.
    pub slope: f64,
    /// Standard error of the slope.
    pub slope_error: f64,
}

/// The place of missing cells among the cells of a distribution.
pub const MISSING_CELL: usize = 0;
/// The place of zeros among the cells of numbers, of the other levels among the cells of levels.
const APART_CELL: usize = 1;
/// The place of levels that the model does not know, among the cells of levels.
const UNKNOWN_CELL: usize = 2;

impl Distribution {
    /// The shares that were: missing, then zeros and the bins, or other levels, unknown ones (none were) and the levels.
    pub fn cells(&self) -> Vec<f64> {
        match self {
            Distribution::Numbers { missing, zero, shares, .. } => {
                [&[*missing, zero.unwrap_or(0.0)], shares.as_slice()].concat()
            }
            Distribution::Levels { missing, shares, others, .. } => {
                [&[*missing, *others, 0.0], shares.as_slice()].concat()
            }
        }
    }

    /// The place among [`Distribution::cells`] of a cell as [`Rows`](crate::frame::Rows) holds it.
    pub fn cell_of(&self, value: f64) -> usize {
        if value.is_nan() {
            return MISSING_CELL;
        }
        match self {
            Distribution::Numbers { zero: Some(_), .. } if value == 0.0 => APART_CELL,
            Distribution::Numbers { edges, .. } => 2 + edges.partition_point(|&edge| edge < value),
            Distribution::Levels { .. } if value == UNKNOWN_LEVEL => UNKNOWN_CELL,
            Distribution::Levels { levels, .. } => {
                let place = levels.iter().position(|&level| f64::from(level) == value);
                place.map_or(APART_CELL, |place| place + UNKNOWN_CELL + 1)
            }
        }
    }

    /// What is wrong with it, of a feature with so many levels (`None`: numbers).
    fn fault(&self, known: Option<usize>) -> Option<&'static str> {
        let share = |share: &f64| (0.0..=1.0).contains(share);
        if !self.cells().iter().all(share) {
            return Some("a share is not within 0 and 1");
        }
        match (self, known) {
            (Distribution::Numbers { edges, shares, .. }, None) => {
                let rising = edges.windows(2).all(|pair| pair[0] < pair[1]);
                let sound = rising && edges.iter().all(|edge| edge.is_finite());
                let fits = shares.len() == edges.len() + 1;
                (!sound || !fits).then_some("its bins do not follow each other")
            }
            (Distribution::Levels { levels, shares, .. }, Some(known)) => {
                let rising = levels.windows(2).all(|pair| pair[0] < pair[1]);
                let within = levels.last().is_none_or(|&last| (last as usize) < known);
                let fits = shares.len() == levels.len();
                (!rising || !within || !fits).then_some("its levels are not those of the feature")
            }
            _ => Some("it is of another kind than the feature"),
        }
    }
}

impl ReferencePopulation {
    /// Whether it can be that of a model whose features have so many levels each (`None`: numbers).
    pub(super) fn check(&self, levels: &[Option<usize>]) -> std::result::Result<(), String> {
        let (found, expected) = (self.features.len(), levels.len());
        if found != expected {
            return Err(format!(
                "its reference population has {found} features, expected {expected}"
            ));
        }
        let numbers = [self.effective_rows, self.mean_probability, self.predicted_positive];
        let check = self
            .calibration
            .iter()
            .flat_map(|c| [c.centre, c.offset, c.offset_error, c.slope, c.slope_error]);
        if !numbers.into_iter().chain(check).all(f64::is_finite) {
            return Err("a number of its reference population is not finite".to_owned());
        }
        let all = self.features.iter().zip(levels).chain([(&self.probabilities, &None)]);
        match all.enumerate().find_map(|(place, (d, known))| Some((place, d.fault(*known)?))) {
            None => Ok(()),
            Some((place, fault)) => {
                Err(format!("distribution {} of its reference population: {fault}", place + 1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_the_bin_whose_end_it_does_not_exceed() {
        let numbers = Distribution::Numbers {
            missing: 0.1,
            zero: Some(0.3),
            edges: vec![1.0, 5.0],
            shares: vec![0.2, 0.3, 0.1],
        };
        for (value, cell) in [
            (f64::NAN, 0),
            (0.0, 1),
            (-0.0, 1),
            (-7.0, 2),
            (1.0, 2),
            (1.5, 3),
            (5.0, 3),
            (f64::INFINITY, 4),
        ] {
            assert_eq!(numbers.cell_of(value), cell, "{value}");
        }
        assert_eq!(numbers.cells(), [0.1, 0.3, 0.2, 0.3, 0.1]);
    }

    #[test]
    fn levels_without_a_name_are_together_and_unknown_ones_by_themselves() {
        let levels = Distribution::Levels {
            missing: 0.0,
            levels: vec![1, 3],
            shares: vec![0.5, 0.3],
            others: 0.2,
        };
        for (value, cell) in [(f64::NAN, 0), (0.0, 1), (UNKNOWN_LEVEL, 2), (1.0, 3), (3.0, 4)] {
            assert_eq!(levels.cell_of(value), cell, "{value}");
        }
    }

    #[test]
    fn an_impossible_distribution_is_refused() {
        let numbers = |edges: &[f64], shares: &[f64]| Distribution::Numbers {
            missing: 0.0,
            zero: None,
            edges: edges.to_vec(),
            shares: shares.to_vec(),
        };
        assert_eq!(numbers(&[1.0], &[0.5, 0.5]).fault(None), None);
        for (bad, known) in [
            (numbers(&[2.0, 1.0], &[0.3, 0.3, 0.4]), None),
            (numbers(&[1.0], &[1.0]), None),
            (numbers(&[f64::NAN], &[0.5, 0.5]), None),
            (numbers(&[1.0], &[0.5, -0.5]), None),
            (numbers(&[], &[1.0]), Some(3)),
        ] {
            assert!(bad.fault(known).is_some(), "{bad:?}");
        }
        let beyond =
            Distribution::Levels { missing: 0.0, levels: vec![3], shares: vec![1.0], others: 0.0 };
        assert!(beyond.fault(Some(3)).is_some() && beyond.fault(Some(4)).is_none());
    }
}
