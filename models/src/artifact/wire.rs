//! The forms that models have in saved files, apart from those they have in memory: what is read is
//! checked here before anything is scored with it.

use serde::{Deserialize, Serialize};

use crate::artifact::file::Artifact;
use crate::artifact::manifest::Manifest;
use crate::baseline::{Baseline, Rule};
use crate::calibration;
use crate::classifiers::Fitted;
use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree as boosted;
use crate::classifiers::forest::{Coding, FittedForest, Tree, TreeNode};
use crate::classifiers::logistic::{Addends, FittedLogistic, Line};
use crate::frame::{Kind, Schema};
use crate::scorer::{Reference, Scorer};

/// A calibration's numbers, as they stand in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", deny_unknown_fields)]
pub enum Calibration {
    /// `1 / (1 + exp(-(slope * margin + intercept)))`.
    Platt {
        /// At least 0.
        slope: f64,
        /// The log odds at margin 0.
        intercept: f64,
    },
    /// Straight lines between points, level beyond the ends.
    Isotonic {
        /// Rising.
        margins: Vec<f64>,
        /// Never falling, 0 to 1.
        probabilities: Vec<f64>,
    },
}

impl Calibration {
    /// The saved form of a calibration.
    pub fn of(live: &calibration::Calibration) -> Calibration {
        match live {
            calibration::Calibration::Platt(platt) => {
                Calibration::Platt { slope: platt.slope(), intercept: platt.intercept() }
            }
            calibration::Calibration::Isotonic(isotonic) => Calibration::Isotonic {
                margins: isotonic.margins().to_vec(),
                probabilities: isotonic.probabilities().to_vec(),
            },
        }
    }

    fn live(&self) -> Option<calibration::Calibration> {
        match self {
            Calibration::Platt { slope, intercept } => {
                calibration::Platt::from_saved(*slope, *intercept)
                    .map(calibration::Calibration::Platt)
            }
            Calibration::Isotonic { margins, probabilities } => {
                calibration::Isotonic::from_saved(margins.clone(), probabilities.clone())
                    .map(calibration::Calibration::Isotonic)
            }
        }
    }
}

/// The binary part of a saved model.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    model: Model,
    reference: Vec<f64>,
    baseline_feature: u32,
    baseline: WireRule,
}

#[derive(Debug, Serialize, Deserialize)]
enum Model {
    Logistic { intercept: f64, numbers: Vec<WireLine>, categories: Vec<WireAddends> },
    Forest { codings: Vec<WireCoding>, trees: Vec<WireTree> },
    Boosting { trees: Vec<WireBoostedTree>, average: bool, sigmoid: f64 },
}

/// Feature, low, high, squash, slope, missing.
#[derive(Debug, Serialize, Deserialize)]
struct WireLine(u32, f64, f64, Option<f64>, f64, f64);

/// Feature, levels, unknown, missing.
#[derive(Debug, Serialize, Deserialize)]
struct WireAddends(u32, Vec<f64>, f64, f64);

#[derive(Debug, Serialize, Deserialize)]
enum WireCoding {
    Number { low: f64, high: f64, missing: f64 },
    Rates { levels: Vec<f64>, unknown: f64, missing: f64 },
}

/// Nodes as (value, feature, left, right).
#[derive(Debug, Serialize, Deserialize)]
struct WireTree(Vec<(f64, u32, u32, u32)>);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireBoostedTree {
    nodes: Vec<WireBoostedNode>,
    /// Value, weight, count.
    leaves: Vec<(f64, f64, f64)>,
}

/// Children are places of nodes from 0, or of leaves from -1 down.
#[derive(Debug, Serialize, Deserialize)]
struct WireBoostedNode {
    feature: u32,
    test: WireTest,
    left: i32,
    right: i32,
    gain: f64,
    value: f64,
    weight: f64,
    count: f64,
}

#[derive(Debug, Serialize, Deserialize)]
enum WireTest {
    Number {
        threshold: f64,
        missing: WireMissing,
        missing_left: bool,
    },
    /// Bits of the levels that go left.
    Levels(Vec<u32>),
}

#[derive(Debug, Serialize, Deserialize)]
enum WireMissing {
    None,
    Zero,
    Nan,
}

#[derive(Debug, Serialize, Deserialize)]
enum WireRule {
    Recency { sign: f64, missing: f64 },
    Bins { cuts: Vec<f64>, rates: Vec<f64>, missing: f64 },
    Levels { rates: Vec<f64>, unknown: f64, missing: f64 },
}

impl Payload {
    /// The saved form of an artefact's models.
    pub fn of(artifact: &Artifact) -> Payload {
        Payload {
            model: Model::of(&artifact.scorer.model),
            reference: artifact.scorer.reference.cuts().to_vec(),
            baseline_feature: artifact.baseline.feature as u32,
            baseline: match artifact.baseline.rule.clone() {
                Rule::Recency { sign, missing } => WireRule::Recency { sign, missing },
                Rule::Bins { cuts, rates, missing } => WireRule::Bins { cuts, rates, missing },
                Rule::Levels { rates, unknown, missing } => {
                    WireRule::Levels { rates, unknown, missing }
                }
            },
        }
    }

    /// The models, or which of their numbers cannot be.
    pub fn into_parts(self, manifest: &Manifest) -> Result<(Scorer, Baseline), String> {
        let broken = |what: &str| format!("its {what} cannot be; fit the model again");
        let schema = manifest.schema().map_err(|e| e.to_string())?;
        if schema.is_empty() {
            return Err(broken("list of features is empty and"));
        }
        let model = self.model.live(&schema).ok_or_else(|| broken("classifier"))?;
        if model.name() != manifest.classifier {
            return Err(broken("classifier's name"));
        }
        let calibration = manifest.calibration.live().ok_or_else(|| broken("calibration"))?;
        let reference =
            Reference::from_cuts(self.reference).ok_or_else(|| broken("reference population"))?;
        let threshold = manifest.threshold.value;
        if threshold.is_nan() {
            return Err(broken("threshold"));
        }
        let feature = self.baseline_feature as usize;
        let rule = match self.baseline {
            WireRule::Recency { sign, missing } => Rule::Recency { sign, missing },
            WireRule::Bins { cuts, rates, missing } => Rule::Bins { cuts, rates, missing },
            WireRule::Levels { rates, unknown, missing } => {
                Rule::Levels { rates, unknown, missing }
            }
        };
        if feature >= schema.len() || !rule.is_sound(levels(&schema, feature)) {
            return Err(broken("baseline"));
        }
        let finite = |all: &Vec<f64>| all.iter().all(|addend| addend.is_finite());
        let sound = |all: &Vec<f64>| all.len() == schema.len() && finite(all);
        if !manifest.expected_addends.as_ref().is_none_or(sound) {
            return Err(broken("expected addends"));
        }
        if let Some(population) = &manifest.reference {
            let known: Vec<_> = (0..schema.len()).map(|feature| levels(&schema, feature)).collect();
            population.check(&known)?;
        }
        let scorer = Scorer { schema, model, calibration, threshold, reference };
        Ok((scorer, Baseline { feature, rule }))
    }
}

fn levels(schema: &Schema, feature: usize) -> Option<usize> {
    match &schema.fields()[feature].kind {
        Kind::Categorical(levels) => Some(levels.len()),
        Kind::Numeric | Kind::Boolean | Kind::Date(_) => None,
    }
}

impl Model {
    fn of(fitted: &Fitted) -> Model {
        match fitted {
            Fitted::Logistic(model) => Model::Logistic {
                intercept: model.intercept,
                numbers: model
                    .numbers
                    .iter()
                    .map(|l| {
                        WireLine(l.feature as u32, l.low, l.high, l.squash, l.slope, l.missing)
                    })
                    .collect(),
                categories: model
                    .categories
                    .iter()
                    .map(|a| WireAddends(a.feature as u32, a.levels.clone(), a.unknown, a.missing))
                    .collect(),
            },
            Fitted::Forest(model) => Model::Forest {
                codings: model.codings.iter().map(WireCoding::of).collect(),
                trees: model.trees.iter().map(WireTree::of).collect(),
            },
            Fitted::Boosting(model) => Model::Boosting {
                trees: model.trees().iter().map(WireBoostedTree::of).collect(),
                average: model.average(),
                sigmoid: model.sigmoid(),
            },
        }
    }

    /// The model, `None` unless it can score every row of the schema.
    fn live(self, schema: &Schema) -> Option<Fitted> {
        match self {
            Model::Logistic { intercept, numbers, categories } => {
                let number = |WireLine(feature, low, high, squash, slope, missing)| Line {
                    feature: feature as usize,
                    low,
                    high,
                    squash,
                    slope,
                    missing,
                };
                let category = |WireAddends(feature, levels, unknown, missing)| Addends {
                    feature: feature as usize,
                    levels,
                    unknown,
                    missing,
                };
                let model = FittedLogistic {
                    intercept,
                    numbers: numbers.into_iter().map(number).collect(),
                    categories: categories.into_iter().map(category).collect(),
                };
                let number =
                    |l: &Line| l.feature < schema.len() && levels(schema, l.feature).is_none();
                let category = |a: &Addends| {
                    a.feature < schema.len() && levels(schema, a.feature) == Some(a.levels.len())
                };
                let sound = model.is_finite()
                    && model.numbers.iter().all(number)
                    && model.categories.iter().all(category);
                sound.then_some(Fitted::Logistic(model))
            }
            Model::Forest { codings, trees } => {
                let codings: Vec<Coding> = codings.into_iter().map(WireCoding::live).collect();
                let trees: Vec<Tree> = trees.into_iter().map(WireTree::live).collect();
                let fits =
                    |(feature, coding): (usize, &Coding)| match (coding, levels(schema, feature)) {
                        (Coding::Number { low, high, missing }, None) => {
                            low <= high && [low, high, missing].iter().all(|x| x.is_finite())
                        }
                        (Coding::Rates { levels, unknown, missing }, Some(count)) => {
                            let finite =
                                levels.iter().chain([unknown, missing]).all(|x| x.is_finite());
                            levels.len() == count && finite
                        }
                        _ => false,
                    };
                let sound = codings.len() == schema.len()
                    && codings.iter().enumerate().all(fits)
                    && !trees.is_empty()
                    && trees.iter().all(|tree| tree.is_sound(schema.len()));
                sound.then_some(Fitted::Forest(FittedForest { codings, trees }))
            }
            Model::Boosting { trees, average, sigmoid } => {
                let trees = trees.into_iter().map(WireBoostedTree::live).collect();
                FittedBoosting::new(schema.len(), trees, average, sigmoid).map(Fitted::Boosting)
            }
        }
    }
}

impl WireCoding {
    fn of(coding: &Coding) -> WireCoding {
        match coding.clone() {
            Coding::Number { low, high, missing } => WireCoding::Number { low, high, missing },
            Coding::Rates { levels, unknown, missing } => {
                WireCoding::Rates { levels, unknown, missing }
            }
        }
    }

    fn live(self) -> Coding {
        match self {
            WireCoding::Number { low, high, missing } => Coding::Number { low, high, missing },
            WireCoding::Rates { levels, unknown, missing } => {
                Coding::Rates { levels, unknown, missing }
            }
        }
    }
}

impl WireTree {
    fn of(tree: &Tree) -> WireTree {
        WireTree(tree.nodes.iter().map(|n| (n.value, n.feature, n.left, n.right)).collect())
    }

    fn live(self) -> Tree {
        let node = |(value, feature, left, right)| TreeNode { value, feature, left, right };
        Tree { nodes: self.0.into_iter().map(node).collect() }
    }
}

impl WireBoostedTree {
    pub(super) fn of(tree: &boosted::Tree) -> WireBoostedTree {
        WireBoostedTree {
            nodes: tree.nodes.iter().map(WireBoostedNode::of).collect(),
            leaves: tree.leaves.iter().map(|l| (l.value, l.weight, l.count)).collect(),
        }
    }

    pub(super) fn live(self) -> boosted::Tree {
        let leaf = |(value, weight, count)| boosted::Leaf { value, weight, count };
        boosted::Tree {
            nodes: self.nodes.into_iter().map(WireBoostedNode::live).collect(),
            leaves: self.leaves.into_iter().map(leaf).collect(),
        }
    }
}

impl WireBoostedNode {
    fn of(node: &boosted::Node) -> WireBoostedNode {
        let child = |child| match child {
            boosted::Child::Node(place) => place as i32,
            boosted::Child::Leaf(place) => !(place as i32),
        };
        WireBoostedNode {
            feature: node.feature,
            test: WireTest::of(&node.test),
            left: child(node.left),
            right: child(node.right),
            gain: node.gain,
            value: node.value,
            weight: node.weight,
            count: node.count,
        }
    }

    fn live(self) -> boosted::Node {
        let child = |child: i32| match child >= 0 {
            true => boosted::Child::Node(child as u32),
            false => boosted::Child::Leaf(!child as u32),
        };
        boosted::Node {
            feature: self.feature,
            test: self.test.live(),
            left: child(self.left),
            right: child(self.right),
            gain: self.gain,
            value: self.value,
            weight: self.weight,
            count: self.count,
        }
    }
}

impl WireTest {
    fn of(test: &boosted::Test) -> WireTest {
        match test {
            boosted::Test::Levels(set) => WireTest::Levels(set.words.clone()),
            boosted::Test::Number { threshold, missing, missing_left } => WireTest::Number {
                threshold: *threshold,
                missing: match missing {
                    boosted::Missing::None => WireMissing::None,
                    boosted::Missing::Zero => WireMissing::Zero,
                    boosted::Missing::Nan => WireMissing::Nan,
                },
                missing_left: *missing_left,
            },
        }
    }

    fn live(self) -> boosted::Test {
        match self {
            WireTest::Levels(words) => boosted::Test::Levels(boosted::LevelSet { words }),
            WireTest::Number { threshold, missing, missing_left } => boosted::Test::Number {
                threshold,
                missing: match missing {
                    WireMissing::None => boosted::Missing::None,
                    WireMissing::Zero => boosted::Missing::Zero,
                    WireMissing::Nan => boosted::Missing::Nan,
                },
                missing_left,
            },
        }
    }
}
