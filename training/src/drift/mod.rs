//! Whether a table is still like the rows that a model's probabilities and percentiles stand on, feature by feature with
//! what matters first; how often the model is likely to err on it; and, once answers are known, how often it did. Fits
//! nothing and reads no log.

mod estimate;
mod matured;
mod odds;
mod present;
mod stability;
mod tally;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use rekindle_models::artifact::{Artifact, MISSING_CELL, ReferencePopulation, Share};
use rekindle_models::behaviour::Metric;
use rekindle_models::metrics::Judged;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::reference::independent_rows;

pub use estimate::{Estimate, Unanswered, estimate};
pub use matured::{CameTrue, Matured};
pub use present::Present;
pub use stability::{Spread, Test, corrected, homogeneity, psi, psi_by_chance};
pub use tally::{NewLevels, Tally, tally};

/// From which PSI on a drift is moderate; below it is stable.
const MODERATE: f64 = 0.1;
/// From which PSI on a drift is large.
const LARGE: f64 = 0.25;
/// Share of false discoveries among the features called drifted.
const FALSE_DISCOVERIES: f64 = 0.05;
/// The influence share from which on a feature's own drift is held against the limit; others count in the weighted one.
const SHARE_THAT_MATTERS: f64 = 0.01;

/// What drift is allowed: each PSI counts with what chance gives taken off, since few rows alone make it large.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DriftLimits {
    /// Highest PSI of a feature that matters, and of the probabilities.
    pub max_psi: f64,
    /// Highest sum of PSI times influence share.
    pub max_weighted_psi: f64,
    /// Fewest effective rows that are compared.
    pub fewest_rows: usize,
    /// Confidence of the estimate's intervals.
    pub confidence: f64,
}

impl Default for DriftLimits {
    fn default() -> Self {
        DriftLimits { max_psi: LARGE, max_weighted_psi: 0.1, fewest_rows: 200, confidence: 0.95 }
    }
}

impl DriftLimits {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let bad = |name: &str, found: f64, expected: &str| {
            Err(Error::BadOptions(format!("{name} {found}: expected {expected}")))
        };
        for (name, limit) in
            [("--max-psi", self.max_psi), ("--max-weighted-psi", self.max_weighted_psi)]
        {
            if !(limit.is_finite() && limit >= 0.0) {
                return bad(name, limit, "a number of at least 0, as 0.25");
            }
        }
        match (0.5..1.0).contains(&self.confidence) {
            true => Ok(()),
            false => bad("--confidence", self.confidence, "0.5 to below 1, as 0.95"),
        }
    }
}

/// What came of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DriftWord {
    /// Within the limits.
    #[serde(rename = "no drift")]
    None,
    /// Beyond a limit.
    #[serde(rename = "drift")]
    Beyond,
    /// Too few rows.
    #[serde(rename = "not enough data")]
    NotEnoughData,
}

impl DriftWord {
    /// The word.
    pub fn text(self) -> &'static str {
        match self {
            DriftWord::None => "no drift",
            DriftWord::Beyond => "drift",
            DriftWord::NotEnoughData => "not enough data",
        }
    }

    /// 0 no drift, 1 drift beyond a limit, 2 could not judge.
    pub fn exit_code(self) -> u8 {
        match self {
            DriftWord::None => 0,
            DriftWord::Beyond => 1,
            DriftWord::NotEnoughData => 2,
        }
    }
}

/// How far a spread has moved, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moved {
    /// A PSI beyond chance below 0.1, or a difference that is not significant.
    Stable,
    /// From 0.1 to 0.25.
    Moderate,
    /// Above 0.25.
    Large,
}

impl Moved {
    /// `psi` is what lies beyond chance.
    fn new(psi: f64, corrected_p: f64) -> Moved {
        match psi {
            _ if corrected_p > FALSE_DISCOVERIES => Moved::Stable,
            psi if psi < MODERATE => Moved::Stable,
            psi if psi <= LARGE => Moved::Moderate,
            _ => Moved::Large,
        }
    }

    /// The word.
    pub fn text(self) -> &'static str {
        match self {
            Moved::Stable => "stable",
            Moved::Moderate => "moderate",
            Moved::Large => "large",
        }
    }
}

/// How far a feature has moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureDrift {
    /// The feature.
    pub feature: String,
    /// In a word.
    pub drift: Moved,
    /// Its influence share, 0 to 1; null where nobody asked for shares when the model was fitted.
    pub influence_share: Option<f64>,
    /// Whether the share is no noise; null where there is none.
    pub above_noise: Option<bool>,
    /// Whether it grows by itself as a log gets older, as the days since a customer's first event do: its drift is told,
    /// and held against no limit.
    pub grows_with_time: bool,
    /// Population stability index.
    pub psi: f64,
    /// What it would be in the mean without drift, of as few rows.
    pub psi_by_chance: f64,
    /// The chi-squared statistic of both samples being of one population.
    pub statistic: f64,
    /// How likely so large a one is without drift.
    pub p_value: f64,
    /// The same, corrected for the number of features (Benjamini-Hochberg).
    pub corrected_p_value: f64,
    /// Share of missing cells in the reference population.
    pub missing_then: f64,
    /// Share of missing cells now.
    pub missing_now: f64,
    /// Levels that the model does not know.
    pub new_levels: NewLevels,
}

impl FeatureDrift {
    /// What is held against limits: the PSI beyond chance.
    fn excess(&self) -> f64 {
        self.psi - self.psi_by_chance
    }

    /// What the list is sorted by: that times the share, or alone where shares are not known; 0 of what grows with time.
    fn weighted(&self) -> f64 {
        if self.grows_with_time {
            return 0.0;
        }
        self.excess() * self.influence_share.unwrap_or(1.0)
    }

    /// Whether its own drift is held against the limit.
    fn matters(&self) -> bool {
        let share = self.influence_share.is_none_or(|share| share >= SHARE_THAT_MATTERS);
        share && self.above_noise.unwrap_or(true) && !self.grows_with_time
    }
}

/// How far the probabilities have moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreDrift {
    /// In a word.
    pub drift: Moved,
    /// Population stability index over twentieths of the reference population.
    pub psi: f64,
    /// What it would be in the mean without drift, of as few rows.
    pub psi_by_chance: f64,
    /// The chi-squared statistic.
    pub statistic: f64,
    /// How likely so large a one is without drift; one test, so nothing is corrected.
    pub p_value: f64,
    /// Mean probability then.
    pub mean_then: f64,
    /// Mean probability now.
    pub mean_now: f64,
    /// Share predicted positive then.
    pub positive_then: f64,
    /// Share predicted positive now.
    pub positive_now: f64,
}

/// An estimate, and whether it is to be believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgedEstimate {
    /// The figures.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Whether nothing speaks against it.
    pub trusted: bool,
    /// What speaks against it; empty where nothing does.
    pub distrust: Vec<String>,
    /// What it takes for granted.
    pub assumes: &'static str,
}

/// What every estimate without answers takes for granted.
const ASSUMES: &str = "the calibration is as it was when it was checked: customers of the same features behave as they did";

/// A table beside the reference population of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The verdict.
    pub verdict: DriftWord,
    /// Why, in one sentence.
    pub reason: String,
    /// What was allowed.
    pub limits: DriftLimits,
    /// Rows of the reference population.
    pub reference_rows: usize,
    /// Effective ones.
    pub reference_effective_rows: f64,
    /// Rows of the table.
    pub rows: usize,
    /// Effective ones.
    pub effective_rows: f64,
    /// Sum of PSI beyond chance times influence share; null where shares are not known.
    pub weighted_psi: Option<f64>,
    /// The probabilities.
    pub probabilities: ScoreDrift,
    /// Every feature, those first whose PSI beyond chance times influence share is largest.
    pub features: Vec<FeatureDrift>,
    /// What is to be expected of the rows, without their answers.
    pub estimate: JudgedEstimate,
    /// What came true; null where answers are not known.
    pub matured: Option<Matured>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Drift {
    /// Compares. `seed` is that of the draws of the estimate.
    ///
    /// # Errors
    /// When the model says nothing of its reference population, or the limits are out of range.
    pub fn new(
        artifact: &Artifact,
        present: &Present,
        limits: &DriftLimits,
        seed: u64,
    ) -> Result<Drift> {
        limits.validate()?;
        let reference = artifact.manifest.reference.as_ref().ok_or_else(|| {
            Error::BadOptions(format!(
                "{}: the model does not say what its reference population was like: it was fitted by an earlier \
                 version, or imported without --data; fit it again",
                artifact.manifest.model_name
            ))
        })?;
        let weight = present.weight.as_deref();
        let effective_rows = match weight {
            None => {
                independent_rows(&vec![1.0; present.probability.len()], present.group.as_deref())
            }
            Some(weight) => independent_rows(weight, present.group.as_deref()),
        };
        let features = features(artifact, reference, present, effective_rows);
        let known = features.iter().any(|feature| feature.influence_share.is_some());
        let weighted_psi =
            known.then(|| features.iter().map(FeatureDrift::weighted).sum::<f64>().max(0.0));
        let threshold = artifact.scorer.threshold;
        let probabilities = scores(reference, present, threshold, effective_rows);
        let rows = Unanswered {
            probability: &present.probability,
            weight,
            group: present.group.as_deref(),
        };
        let check = reference.calibration.as_ref();
        let estimate = estimate(&rows, threshold, check, limits.confidence, seed);
        let matured = matured(artifact, reference, present, limits, seed);
        let beyond = beyond(limits, weighted_psi, &probabilities, &features);
        let enough = effective_rows >= limits.fewest_rows as f64;
        let verdict = match (enough, beyond.is_empty()) {
            (false, _) => DriftWord::NotEnoughData,
            (true, true) => DriftWord::None,
            (true, false) => DriftWord::Beyond,
        };
        let reason = match verdict {
            DriftWord::NotEnoughData => format!(
                "{effective_rows:.0} effective rows, expected {} at least",
                limits.fewest_rows
            ),
            DriftWord::None => within(limits, weighted_psi, &probabilities),
            DriftWord::Beyond => beyond.join("; "),
        };
        let estimate = believed(estimate, reference, verdict, &reason, matured.as_ref());
        let mut warnings = present.warnings.clone();
        warnings.extend(warning(&estimate));
        Ok(Drift {
            verdict,
            reason,
            limits: *limits,
            reference_rows: reference.rows,
            reference_effective_rows: reference.effective_rows,
            rows: present.probability.len(),
            effective_rows,
            weighted_psi,
            probabilities,
            features,
            estimate,
            matured,
            warnings,
        })
    }
}

/// Every feature, what matters first.
fn features(
    artifact: &Artifact,
    reference: &ReferencePopulation,
    present: &Present,
    effective_rows: f64,
) -> Vec<FeatureDrift> {
    let schema = &artifact.scorer.schema;
    let weight = present.weight.as_deref();
    let tallies = tally(&present.frame, schema, &reference.features, weight);
    let shares: HashMap<&str, &Share> = match &artifact.manifest.influence {
        Some(influence) => influence.features.iter().map(|s| (s.name.as_str(), s)).collect(),
        None => HashMap::new(),
    };
    let before: Vec<Vec<f64>> = reference.features.iter().map(|then| then.cells()).collect();
    let then = |place: usize| Spread { cells: &before[place], rows: reference.effective_rows };
    let now = |place: usize| Spread { cells: &tallies[place].cells, rows: effective_rows };
    let tests: Vec<Test> =
        (0..schema.len()).map(|place| homogeneity(then(place), now(place))).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.p_value).collect();
    let corrected = corrected(&p_values);
    let mut features: Vec<FeatureDrift> = (0..schema.len())
        .map(|place| {
            let name = &schema.fields()[place].name;
            let (psi, psi_by_chance) =
                (psi(then(place), now(place)), psi_by_chance(then(place), now(place)));
            let share = shares.get(name.as_str());
            let cells = &tallies[place].cells;
            FeatureDrift {
                feature: name.clone(),
                drift: Moved::new(psi - psi_by_chance, corrected[place]),
                influence_share: share.map(|share| share.share.value),
                above_noise: share.map(|share| share.above_noise),
                grows_with_time: grows_with_time(artifact, name),
                psi,
                psi_by_chance,
                statistic: tests[place].statistic,
                p_value: tests[place].p_value,
                corrected_p_value: corrected[place],
                missing_then: before[place][MISSING_CELL],
                missing_now: cells[MISSING_CELL] / cells.iter().sum::<f64>(),
                new_levels: tallies[place].new.clone(),
            }
        })
        .collect();
    features.sort_by(|a, b| {
        let order = b.weighted().total_cmp(&a.weighted()).then(b.psi.total_cmp(&a.psi));
        order.then_with(|| a.feature.cmp(&b.feature))
    });
    features
}

/// Whether a feature is a customer's age: it drifts wherever a log gets older than those that were learned from.
fn grows_with_time(artifact: &Artifact, name: &str) -> bool {
    let spec = artifact.manifest.feature_spec.iter();
    let mut ages = spec
        .flat_map(|spec| &spec.features)
        .filter(|feature| matches!(feature.metric, Metric::FirstDays | Metric::BtydT));
    ages.any(|feature| feature.name() == name)
}

/// The probabilities then and now.
fn scores(
    reference: &ReferencePopulation,
    present: &Present,
    threshold: f64,
    effective_rows: f64,
) -> ScoreDrift {
    let weight = present.weight.as_deref();
    let cells = tally::spread(&present.probability, &reference.probabilities, weight);
    let before = reference.probabilities.cells();
    let then = Spread { cells: &before, rows: reference.effective_rows };
    let now = Spread { cells: &cells, rows: effective_rows };
    let (psi, psi_by_chance) = (psi(then, now), psi_by_chance(then, now));
    let test = homogeneity(then, now);
    let (mut total, mut sum, mut positive) = (0.0, 0.0, 0.0);
    for (row, &p) in present.probability.iter().enumerate() {
        let w = weight.map_or(1.0, |weight| weight[row]);
        total += w;
        sum += w * p;
        positive += if p >= threshold { w } else { 0.0 };
    }
    ScoreDrift {
        drift: Moved::new(psi - psi_by_chance, test.p_value),
        psi,
        psi_by_chance,
        statistic: test.statistic,
        p_value: test.p_value,
        mean_then: reference.mean_probability,
        mean_now: sum / total,
        positive_then: reference.predicted_positive,
        positive_now: positive / total,
    }
}

/// The limits that are exceeded, a clause each.
fn beyond(
    limits: &DriftLimits,
    weighted_psi: Option<f64>,
    probabilities: &ScoreDrift,
    features: &[FeatureDrift],
) -> Vec<String> {
    let mut beyond = Vec::new();
    if let Some(psi) = weighted_psi.filter(|psi| *psi > limits.max_weighted_psi) {
        let limit = limits.max_weighted_psi;
        beyond.push(format!("PSI weighted by influence {psi:.3} above {limit}"));
    }
    let chance = |p_value: f64| p_value > FALSE_DISCOVERIES;
    let over = |f: &&FeatureDrift| {
        f.excess() > limits.max_psi && f.matters() && !chance(f.corrected_p_value)
    };
    let moved: Vec<&FeatureDrift> = features.iter().filter(over).collect();
    if !moved.is_empty() {
        let shown = moved.iter().take(3).map(|f| format!("{} {:.3}", f.feature, f.excess()));
        let rest = if moved.len() > 3 { ", ..." } else { "" };
        beyond.push(format!(
            "{} that matter{} moved by a PSI beyond chance above {}: {}{rest}",
            if moved.len() == 1 {
                "1 feature".to_owned()
            } else {
                format!("{} features", moved.len())
            },
            if moved.len() == 1 { "s" } else { "" },
            limits.max_psi,
            shown.collect::<Vec<_>>().join(", ")
        ));
    }
    let psi = probabilities.psi - probabilities.psi_by_chance;
    if psi > limits.max_psi && !chance(probabilities.p_value) {
        let limit = limits.max_psi;
        beyond.push(format!("PSI of the probabilities {psi:.3} above {limit}"));
    }
    beyond
}

/// That all limits are kept.
fn within(limits: &DriftLimits, weighted: Option<f64>, probabilities: &ScoreDrift) -> String {
    let of_features = match weighted {
        Some(psi) => {
            format!("PSI weighted by influence {psi:.3}, at most {}", limits.max_weighted_psi)
        }
        None => "influence shares are not known, each feature counted alike".to_owned(),
    };
    format!(
        "{of_features}; PSI of the probabilities {:.3}, at most {}",
        (probabilities.psi - probabilities.psi_by_chance).max(0.0),
        limits.max_psi
    )
}

/// The rows whose answers are known beside what was estimated of them.
fn matured(
    artifact: &Artifact,
    reference: &ReferencePopulation,
    present: &Present,
    limits: &DriftLimits,
    seed: u64,
) -> Option<Matured> {
    let (rows, positive) = present.answers.as_ref()?;
    let at = |row: &u32| *row as usize;
    let probability: Vec<f64> = rows.iter().map(|row| present.probability[at(row)]).collect();
    let target: Vec<bool> = rows.iter().map(|row| positive[at(row)]).collect();
    let weight: Vec<f64> =
        rows.iter().map(|row| present.weight.as_ref().map_or(1.0, |w| w[at(row)])).collect();
    let group: Option<Vec<u64>> =
        present.group.as_ref().map(|group| rows.iter().map(|row| group[at(row)]).collect());
    let judged = Judged {
        probability: &probability,
        target: &target,
        weight: &weight,
        group: group.as_deref(),
    };
    let unanswered =
        Unanswered { probability: &probability, weight: Some(&weight), group: group.as_deref() };
    let threshold = artifact.scorer.threshold;
    let check = reference.calibration.as_ref();
    let estimate = estimate(&unanswered, threshold, check, limits.confidence, seed);
    Some(Matured::new(&judged, threshold, &estimate))
}

/// An estimate with what speaks against it.
fn believed(
    estimate: Estimate,
    reference: &ReferencePopulation,
    verdict: DriftWord,
    reason: &str,
    matured: Option<&Matured>,
) -> JudgedEstimate {
    let mut distrust = Vec::new();
    match verdict {
        DriftWord::Beyond => distrust.push(format!("the rows have drifted ({reason})")),
        DriftWord::NotEnoughData => distrust.push(format!("too few rows ({reason})")),
        DriftWord::None => {}
    }
    match &reference.calibration {
        None => distrust.push("the calibration was never checked on known answers".to_owned()),
        Some(check) if !check.held_out => distrust.push(
            "the calibration was checked on no other rows than it was fitted on: test rows were not kept".to_owned(),
        ),
        Some(_) => {}
    }
    if matured.is_some_and(|matured| !matured.held()) {
        distrust.push("what came true lies outside of what was estimated".to_owned());
    }
    JudgedEstimate { estimate, trusted: distrust.is_empty(), distrust, assumes: ASSUMES }
}

fn warning(estimate: &JudgedEstimate) -> Option<String> {
    let why = estimate.distrust.join("; ");
    (!estimate.trusted).then(|| format!("the estimate of the rates is not to be trusted: {why}"))
}
