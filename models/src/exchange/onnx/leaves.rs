//! What the leaves of an ONNX ensemble add, and what their sum is: the log odds of yes, or its probability. Walks no tree.

use std::collections::HashMap;

use crate::exchange::onnx::Scale;
use crate::exchange::onnx::ensemble::Said;
use crate::exchange::onnx::messages::NodeProto;

/// What leaves add.
pub(super) struct Leaves {
    /// By tree and node.
    pub value: HashMap<(i64, i64), f64>,
    /// What is added once.
    pub base: f64,
    /// Whether the trees' mean is meant, not their sum.
    pub average: bool,
    pub scale: Scale,
}

/// The weights of leaves: an element for each leaf and class.
struct Weights<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    classes: &'a [i64],
    weights: Vec<f64>,
    /// Whether they are all of one class.
    single: bool,
}

impl Leaves {
    /// The leaves of a node of trees; `sigmoid`: a sigmoid follows.
    pub(super) fn of(node: &NodeProto, sigmoid: bool) -> Said<Leaves> {
        let classifier = node.op_type == "TreeEnsembleClassifier";
        let given = Weights::of(node, if classifier { "class" } else { "target" })?;
        let (worth, scale) = match classifier {
            true => given.of_classes(node)?,
            false => of_target(node, sigmoid)?,
        };
        let base = node.numbers("base_values")?;
        let base = match base.as_slice() {
            [] => 0.0,
            [one] if given.single => *one,
            [no, yes] if !given.single => worth[0] * no + worth[1] * yes,
            other => return Err(format!("base_values: found {}, which is not read", other.len())),
        };
        let average = match node.text("aggregate_function").unwrap_or("SUM") {
            "SUM" => false,
            "AVERAGE" => true,
            other => return Err(unread("aggregate_function", other)),
        };
        let mut value = HashMap::with_capacity(given.weights.len());
        let leaves = given.trees.iter().zip(given.ids).zip(given.classes).zip(&given.weights);
        for (((tree, id), class), weight) in leaves {
            *value.entry((*tree, *id)).or_insert(0.0) += worth[usize::from(*class == 1)] * weight;
        }
        Ok(Leaves { value, base, average, scale })
    }
}

impl<'a> Weights<'a> {
    fn of(node: &'a NodeProto, prefix: &str) -> Said<Weights<'a>> {
        let ints = |name: &str| node.ints(&format!("{prefix}_{name}"));
        let [trees, ids, classes] = ["treeids", "nodeids", "ids"].map(ints);
        let weights = node.numbers(&format!("{prefix}_weights"))?;
        if [trees.len(), ids.len(), classes.len()] != [weights.len(); 3] {
            return Err(format!(
                "{prefix}_treeids, {prefix}_nodeids, {prefix}_ids and {prefix}_weights have {}, {}, {} and {} elements, \
                 expected as many of each",
                trees.len(),
                ids.len(),
                classes.len(),
                weights.len()
            ));
        }
        let most = if prefix == "class" { 1 } else { 0 };
        if let Some(class) = classes.iter().find(|class| !(0..=most).contains(*class)) {
            return Err(format!(
                "{prefix}_ids: found {class}, expected 0 to {most}: a yes/no question"
            ));
        }
        let single = classes.windows(2).all(|pair| pair[0] == pair[1]);
        Ok(Weights { trees, ids, classes, weights, single })
    }

    /// What a weight of no and one of yes are worth for yes, and what they add up to.
    fn of_classes(&self, node: &NodeProto) -> Said<([f64; 2], Scale)> {
        let ints = node.ints("classlabels_int64s").len();
        let labels = ints.max(node.strings("classlabels_strings").len());
        if labels != 2 {
            return Err(format!(
                "it tells {labels} classes apart, expected two: a yes/no question"
            ));
        }
        let transform = node.text("post_transform").unwrap_or("NONE");
        match (self.single, transform) {
            // Weights of one class, none of which is below 0, are taken for probabilities by onnxruntime, whatever the
            // transform says.
            (true, "NONE" | "LOGISTIC") if self.weights.iter().all(|w| *w >= 0.0) => {
                Ok(([1.0, 1.0], Scale::Probability))
            }
            (true, "LOGISTIC") => Ok(([1.0, 1.0], Scale::Margin)),
            (false, "LOGISTIC") => Ok(([0.0, 1.0], Scale::Margin)),
            (false, "SOFTMAX") => Ok(([-1.0, 1.0], Scale::Margin)),
            (false, "NONE") => Ok(([0.0, 1.0], Scale::Probability)),
            (_, other) => Err(unread("post_transform", other)),
        }
    }
}

/// The same of a regressor.
fn of_target(node: &NodeProto, sigmoid: bool) -> Said<([f64; 2], Scale)> {
    if let Some(targets) = node.int("n_targets").filter(|targets| *targets != 1) {
        return Err(format!("it has {targets} targets, expected one: a yes/no question"));
    }
    match (node.text("post_transform").unwrap_or("NONE"), sigmoid) {
        ("LOGISTIC", false) | ("NONE", true) => Ok(([1.0, 1.0], Scale::Margin)),
        ("NONE", false) => Ok(([1.0, 1.0], Scale::Probability)),
        (other, _) => Err(unread("post_transform", other)),
    }
}

fn unread(what: &str, found: &str) -> String {
    format!("{what}: found {found:?}, which is not read for these trees")
}
