//! Why a model gave a score: exact contributions of features to the margin of boosted trees.
//!
//! Path-dependent TreeSHAP (Lundberg et al. 2018), the Shapley values of the game in which a tree,
//! asked about a feature that is not known, follows both sides by their shares of the training
//! rows. What is computed is by definition that of the textbook's recursion, by another way: see
//! `plan.rs`.

mod plan;
mod quadrature;
mod sweep;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::Leaf;
use crate::explain::plan::{Below, Plan};
use crate::explain::sweep::{LANES, sweep};
use crate::frame::Rows;

pub use crate::explain::sweep::Scratch;

/// Rows that a thread works on together: their cells and sums for some hundred features stay in its
/// own cache, and the trees' tables are read from memory once for all of them.
const BLOCK: usize = 8 * LANES;

/// A model made ready to be explained.
#[derive(Debug, Clone)]
pub struct Explainer {
    features: usize,
    plans: Vec<Plan>,
    expected: f64,
    /// The largest margin that the leaves could add up to, whatever their signs.
    largest: f64,
}

impl Explainer {
    /// Prepares a model: some kilobytes for every tree.
    pub fn new(model: &FittedBoosting) -> Explainer {
        let trees = model.trees();
        let mean = if model.average() { trees.len() as f64 } else { 1.0 };
        let scale = model.sigmoid() / mean;
        let inner = trees.iter().filter(|tree| !tree.nodes.is_empty());
        let plans: Vec<Plan> = inner.map(|tree| Plan::new(tree, scale)).collect();
        let constant = trees.iter().filter(|tree| tree.nodes.is_empty());
        let constant: f64 = constant.map(|tree| tree.leaves[0].value * scale).sum();
        let expected = constant + plans.iter().map(|plan| plan.expected).sum::<f64>();
        let largest =
            |leaves: &[Leaf]| leaves.iter().fold(0.0, |most: f64, leaf| most.max(leaf.value.abs()));
        let largest = scale * trees.iter().map(|tree| largest(&tree.leaves)).sum::<f64>();
        Explainer { features: model.features(), plans, expected, largest }
    }

    /// Number of features in a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The margin that is expected of a training row: what all contributions start from.
    pub fn expected(&self) -> f64 {
        self.expected
    }

    /// Memory for [`Explainer::contributions_into`].
    pub fn scratch(&self) -> Scratch {
        Scratch::new(&self.plans, 1)
    }

    /// How far each feature moved each row's margin from the expected one: row-major, for every row
    /// one number per feature and then the expected margin, `features + 1` in all. A row's numbers
    /// sum to its margin up to rounding. A feature that no tree asks for has 0; missing cells
    /// go where the trees send them and contribute like others.
    ///
    /// Works on all threads of the current pool; a row's numbers depend, to the bit, on that row
    /// alone. `rows` have the model's width.
    pub fn contributions(&self, rows: &Rows) -> Vec<f64> {
        assert_eq!(rows.width(), self.features, "rows have the model's width");
        let wide = self.features + 1;
        let mut out = vec![0.0; rows.len() * wide];
        let blocks = out.par_chunks_mut(BLOCK * wide);
        let cells = rows.cells().par_chunks(BLOCK * self.features);
        blocks.zip(cells).for_each_init(
            || Block::new(self),
            |block, (out, cells)| block.explain(self, cells, out),
        );
        out
    }

    /// One row's numbers, the same bits as [`Explainer::contributions`] gives, without allocation.
    /// `row` has `features` cells, `out` one more number; `scratch` comes from
    /// [`Explainer::scratch`] of this explainer.
    pub fn contributions_into(&self, row: &[f64], scratch: &mut Scratch, out: &mut [f64]) {
        assert_eq!(row.len(), self.features, "a row has the model's width");
        assert_eq!(out.len(), self.features + 1, "one number per feature and the expected margin");
        let (sums, expected) = out.split_at_mut(self.features);
        sums.fill(0.0);
        sweep::<1>(&self.plans, self.features, row, scratch, sums);
        expected[0] = self.expected;
        debug_assert!(self.adds_up(row, out));
    }

    /// Whether a row's numbers sum to what its leaves do, by walking the plans.
    fn adds_up(&self, row: &[f64], out: &[f64]) -> bool {
        let leaves = |plan: &Plan| {
            let expected = plan.expected;
            let mut at = 0;
            loop {
                let step = &plan.steps[at];
                let holds = step.question.holds(row[step.feature]);
                match if holds { step.left } else { step.right } {
                    Below::Step(below) => at = below,
                    Below::Leaf(value) => return value - expected,
                }
            }
        };
        let margin = self.expected + self.plans.iter().map(leaves).sum::<f64>();
        let sum: f64 = out.iter().sum();
        !margin.is_finite() || (sum - margin).abs() <= 1e-9 * self.largest
    }
}

/// What a thread works with.
struct Block {
    /// Cells by groups of rows, as [`sweep`] wants them.
    cells: Vec<f64>,
    sums: Vec<f64>,
    scratch: Scratch,
}

impl Block {
    fn new(explainer: &Explainer) -> Block {
        let size = BLOCK * explainer.features;
        let scratch = Scratch::new(&explainer.plans, LANES);
        Block { cells: vec![0.0; size], sums: vec![0.0; size], scratch }
    }

    /// Explains up to [`BLOCK`] rows. The last group may have fewer than [`LANES`]: what its other
    /// lanes hold is computed with and not read.
    fn explain(&mut self, explainer: &Explainer, rows: &[f64], out: &mut [f64]) {
        let features = explainer.features;
        let count = rows.len() / features;
        let size = count.next_multiple_of(LANES) * features;
        let (cells, sums) = (&mut self.cells[..size], &mut self.sums[..size]);
        for (row, from) in rows.chunks_exact(features).enumerate() {
            let lanes = cells[row / LANES * LANES * features..].as_chunks_mut::<LANES>().0;
            for (lanes, cell) in lanes.iter_mut().zip(from) {
                lanes[row % LANES] = *cell;
            }
        }
        sums.fill(0.0);
        sweep::<LANES>(&explainer.plans, features, cells, &mut self.scratch, sums);
        for (row, to) in out.chunks_exact_mut(features + 1).enumerate() {
            let lanes = sums[row / LANES * LANES * features..].as_chunks::<LANES>().0;
            for (to, lanes) in to.iter_mut().zip(&lanes[..features]) {
                *to = lanes[row % LANES];
            }
            to[features] = explainer.expected;
            debug_assert!(explainer.adds_up(&rows[row * features..][..features], to));
        }
    }
}
