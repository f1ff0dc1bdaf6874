//! Grows one tree, best leaf first. What a leaf's value is and how trees add up is not here.
//!
//! The rows of a leaf are a span of one list, in rising order; a split divides the span:
//!
//! ```text
//! rows:  | leaf 0         | leaf 1    | leaf 2 |
//!        | leaf 0 | leaf 3            ^ unchanged
//! ```

use std::ops::Range;

use rayon::prelude::*;

use crate::classifiers::boosting::binning::Bins;
use crate::classifiers::boosting::histogram::{Histogram, fill, subtract};
use crate::classifiers::boosting::loss::{Packed, Scale};
use crate::classifiers::boosting::params::Boosting;
use crate::classifiers::boosting::splitting::{Leaf, Rules, Split, Sums, has};
use crate::classifiers::boosting::table::{BinnedTable, Block, Cells, Place, WIDTH};
use crate::classifiers::boosting::tree::Child;
use crate::seed::{mix2, unit};

/// From so many features on, those that are counted together are also drawn together.
const MANY_FEATURES: usize = 256;
/// Rows of a leaf that are divided at a time.
const CHUNK: usize = 16_384;

/// What trees are grown from: the same for all trees of a model.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The cells.
    pub table: &'a BinnedTable,
    /// As the user gave them.
    pub params: &'a Boosting,
    /// The table's row of each row learned from.
    pub rows: &'a [u32],
    /// Weight of each row learned from; `None` where all are 1.
    pub weights: Option<Vec<f64>>,
    /// By feature of the table: its place among the model's features, `None` where the model may not
    /// use it.
    pub features: Vec<Option<u32>>,
    /// By feature: how the margin may move with it.
    pub signs: Vec<i8>,
    /// By feature: the sets it may stand in on a path; empty where there are no constraints.
    pub groups: Vec<Vec<u32>>,
}

/// A tree in bins.
#[derive(Debug)]
pub struct GrownTree {
    /// Split nodes, parents first.
    pub nodes: Vec<GrownNode>,
    /// Leaves.
    pub leaves: Vec<GrownLeaf>,
    /// Places among the rows learned from, leaf by leaf.
    pub rows: Vec<u32>,
}

/// A split node in bins.
#[derive(Debug)]
pub struct GrownNode {
    /// The split.
    pub split: Split,
    /// Where its feature stands.
    pub place: Place,
    /// The node as a leaf.
    pub leaf: Leaf,
    /// Rows, not by weight.
    pub rows: usize,
    /// Below.
    pub left: Child,
    /// Below.
    pub right: Child,
}

/// A leaf of a grown tree.
#[derive(Debug)]
pub struct GrownLeaf {
    /// Its sums and bounds.
    pub leaf: Leaf,
    /// Its rows in [`GrownTree::rows`].
    pub span: Range<usize>,
}

impl GrownTree {
    /// The leaf that a row of the table ends in.
    pub fn leaf(&self, table: &BinnedTable, row: u32) -> usize {
        let mut at = if self.nodes.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
        loop {
            match at {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Node(node) => {
                    let node = &self.nodes[node as usize];
                    let left = has(&node.split.left_bins, table.bin(node.place, row));
                    at = if left { node.left } else { node.right };
                }
            }
        }
    }
}

/// A leaf that may be split.
struct Open {
    leaf: Leaf,
    span: Range<usize>,
    depth: usize,
    /// The node above and the side, to be told where the leaf went.
    parent: Option<(usize, bool)>,
    split: Option<Split>,
    /// By block; empty where nothing is to be split.
    histograms: Vec<Histogram>,
    /// Sets of features that the path allows, as places; `None` for all.
    groups: Option<Vec<u32>>,
    /// For draws of features.
    seed: u64,
}

/// Grows trees, one after the other, in the same memory.
pub struct Grower<'a> {
    ground: &'a Ground<'a>,
    /// Histograms that are free.
    pool: Vec<Vec<Histogram>>,
    spare: Vec<u32>,
    /// Of the leaf being counted: table rows and gradients side by side.
    leaf_rows: Vec<u32>,
    leaf_packed: Vec<Packed>,
}

impl<'a> Grower<'a> {
    /// A grower of trees from a ground.
    pub fn new(ground: &'a Ground<'a>) -> Grower<'a> {
        let (pool, spare, leaf_rows, leaf_packed) = Default::default();
        Grower { ground, pool, spare, leaf_rows, leaf_packed }
    }

    /// Grows a tree on some of the rows (places among the ground's rows, rising).
    pub fn grow(
        &mut self,
        rows: Vec<u32>,
        packed: &[Packed],
        scale: Scale,
        seed: u64,
    ) -> GrownTree {
        let params = self.ground.params;
        let table = self.ground.table;
        let by_part = table.bins.len() >= MANY_FEATURES;
        let drawn = |block: usize, lane: usize| {
            let Block { features, .. } = &table.blocks[block];
            let key = match by_part {
                true => (block << 32) | (lane / table.blocks[block].lanes_together()),
                false => features[lane],
            };
            self.ground.features[features[lane]].is_some()
                && unit(mix2(seed, key as u64)) < params.feature_fraction
        };
        let lanes = |block: usize| {
            let all = 0..table.blocks[block].features.len();
            all.filter(|&lane| drawn(block, lane)).collect::<Vec<usize>>()
        };
        let mut active: Vec<Vec<usize>> = (0..table.blocks.len()).map(lanes).collect();
        // A tree that drew nothing gets the feature that was nearest to be drawn.
        if active.iter().all(Vec::is_empty) {
            let mine = |feature: &usize| self.ground.features[*feature].is_some();
            let nearest = (0..table.bins.len())
                .filter(|feature| mine(feature) && table.places[*feature].is_some())
                .min_by_key(|&feature| mix2(seed, feature as u64));
            if let Some(Place { block, lane }) = nearest.and_then(|feature| table.places[feature]) {
                active[block].push(lane);
            }
        }
        self.spare.resize(rows.len(), 0);
        let rules = Rules { params, scale };
        Growth { ground: self.ground, rules, active, packed, rows, memory: self }.grow(seed)
    }
}

/// One tree in the making.
struct Growth<'a, 'm> {
    ground: &'a Ground<'a>,
    rules: Rules<'a>,
    /// By block, the lanes that this tree may use.
    active: Vec<Vec<usize>>,
    /// By place among the rows learned from.
    packed: &'m [Packed],
    rows: Vec<u32>,
    memory: &'m mut Grower<'a>,
}

impl Growth<'_, '_> {
    fn grow(mut self, seed: u64) -> GrownTree {
        let mut nodes: Vec<GrownNode> = Vec::new();
        let mut open = vec![self.root(seed)];
        while open.len() < self.ground.params.num_leaves {
            let best = open.iter().enumerate().filter_map(|(i, leaf)| Some((i, leaf.split?.gain)));
            // The first among equals.
            let best = best.reduce(|a, b| if b.1 > a.1 { b } else { a });
            let Some((place, _)) = best else { break };
            let last = open.len() + 1 == self.ground.params.num_leaves;
            let node = nodes.len();
            let parent = std::mem::replace(&mut open[place], Open::nothing());
            let split = parent.split.expect("only leaves with a split are chosen");
            if let Some((above, left)) = parent.parent {
                let side = if left { &mut nodes[above].left } else { &mut nodes[above].right };
                *side = Child::Node(node as u32);
            }
            nodes.push(GrownNode {
                split,
                place: self.place(split.feature),
                leaf: parent.leaf,
                rows: parent.span.len(),
                left: Child::Leaf(0),
                right: Child::Leaf(0),
            });
            let (left, right) = self.split(parent, node, last);
            open[place] = left;
            open.push(right);
        }
        for (place, leaf) in open.iter().enumerate() {
            if let Some((above, left)) = leaf.parent {
                let side = if left { &mut nodes[above].left } else { &mut nodes[above].right };
                *side = Child::Leaf(place as u32);
            }
        }
        let mut leaves = Vec::with_capacity(open.len());
        for open in open {
            self.free(open.histograms);
            leaves.push(GrownLeaf { leaf: open.leaf, span: open.span });
        }
        GrownTree { nodes, leaves, rows: std::mem::take(&mut self.rows) }
    }

    fn place(&self, feature: usize) -> Place {
        self.ground.table.places[feature].expect("splits are by features with a place")
    }

    fn root(&mut self, seed: u64) -> Open {
        let span = 0..self.rows.len();
        let total = self.gather(span.clone());
        let leaf = Leaf {
            total,
            count: self.weight(span.clone()),
            bounds: (f64::NEG_INFINITY, f64::INFINITY),
        };
        let mut root = Open { leaf, span, seed, ..Open::nothing() };
        let mut histograms = self.fresh();
        root.split = self.search(&mut histograms, &root, None);
        root.histograms = histograms;
        root
    }

    /// Divides a leaf. Where it is the last split of the tree, nobody asks for the children's.
    fn split(&mut self, mut parent: Open, node: usize, last: bool) -> (Open, Open) {
        let split = parent.split.expect("the leaf has a split");
        let middle = self.divide(parent.span.clone(), &split);
        let spans = (parent.span.start..middle, middle..parent.span.end);
        let right_total = parent.leaf.total.wrapping_sub(split.left);
        let (left_bounds, right_bounds) = self.bounds(&parent.leaf, &split);
        let groups = self.narrowed(parent.groups.as_deref(), split.feature);
        let child = |growth: &Self, left: bool| {
            let span = if left { spans.0.clone() } else { spans.1.clone() };
            let leaf = Leaf {
                total: if left { split.left } else { right_total },
                count: growth.weight(span.clone()),
                bounds: if left { left_bounds } else { right_bounds },
            };
            let seed = mix2(parent.seed, u64::from(left));
            Open {
                leaf,
                span,
                depth: parent.depth + 1,
                parent: Some((node, left)),
                split: None,
                histograms: Vec::new(),
                groups: groups.clone(),
                seed,
            }
        };
        let (mut left, mut right) = (child(self, true), child(self, false));
        let depth = self.ground.params.max_depth;
        if last || (depth > 0 && parent.depth + 1 >= depth) {
            self.free(parent.histograms);
            return (left, right);
        }
        let left_is_small = left.span.len() <= right.span.len();
        let (small, large) =
            if left_is_small { (&mut left, &mut right) } else { (&mut right, &mut left) };
        self.gather(small.span.clone());
        let mut small_histograms = self.fresh();
        let mut large_histograms = std::mem::take(&mut parent.histograms);
        let sibling = Some((&mut large_histograms[..], &mut *large));
        small.split = self.search(&mut small_histograms, small, sibling);
        for (open, histograms) in [(small, small_histograms), (large, large_histograms)] {
            match open.split {
                Some(_) => open.histograms = histograms,
                None => self.free(histograms),
            }
        }
        (left, right)
    }

    /// Fills the histograms of the leaf that was gathered and looks for its best split; where there
    /// is a sibling, takes the leaf from the histograms of their parent, and looks for its, too.
    fn search(
        &self,
        mine: &mut [Histogram],
        leaf: &Open,
        sibling: Option<(&mut [Histogram], &mut Open)>,
    ) -> Option<Split> {
        let blocks = &self.ground.table.blocks;
        let total = leaf.leaf.total;
        let one = |block: usize, mine: &mut Histogram| {
            if self.active[block].is_empty() {
                return None;
            }
            let (rows, packed) = (&self.memory.leaf_rows, &self.memory.leaf_packed);
            fill(&blocks[block], &self.active[block], rows, packed, total, mine);
            self.best(block, mine, leaf)
        };
        let Some((sibling, other)) = sibling else {
            let found: Vec<Option<Split>> =
                mine.par_iter_mut().enumerate().map(|(b, mine)| one(b, mine)).collect();
            return best_of(found);
        };
        let beside: &Open = other;
        let found: Vec<(Option<Split>, Option<Split>)> = mine
            .par_iter_mut()
            .zip(sibling.par_iter_mut())
            .enumerate()
            .map(|(block, (mine, sibling))| {
                let split = one(block, mine);
                if self.active[block].is_empty() {
                    return (None, None);
                }
                subtract(sibling, mine);
                (split, self.best(block, sibling, beside))
            })
            .collect();
        let (mine, others): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        other.split = best_of(others);
        best_of(mine)
    }

    /// The best split of a leaf by a feature of a block.
    fn best(&self, block: usize, histogram: &Histogram, open: &Open) -> Option<Split> {
        let table = self.ground.table;
        let stride = table.blocks[block].stride;
        let one = |&lane: &usize| {
            let feature = table.blocks[block].features[lane];
            if !self.allowed(feature, open) {
                return None;
            }
            let bins = &table.bins[feature];
            let sums = Sums {
                feature,
                bins,
                sums: &histogram[lane * stride..lane * stride + bins.count() + 1],
                sign: self.ground.signs[feature],
            };
            self.rules.best(&open.leaf, &sums)
        };
        best_of(self.active[block].iter().map(one))
    }

    fn allowed(&self, feature: usize, open: &Open) -> bool {
        let fraction = self.ground.params.feature_fraction_bynode;
        if fraction < 1.0 && unit(mix2(open.seed, !(feature as u64))) >= fraction {
            return false;
        }
        open.groups.as_ref().is_none_or(|allowed| {
            self.ground.groups[feature].iter().any(|group| allowed.contains(group))
        })
    }

    /// Sets of features that hold all of a path and the feature, too.
    fn narrowed(&self, allowed: Option<&[u32]>, feature: usize) -> Option<Vec<u32>> {
        let groups = self.ground.groups.get(feature)?.iter().copied();
        let fits = |group: &u32| allowed.is_none_or(|allowed| allowed.contains(group));
        Some(groups.filter(fits).collect())
    }

    fn bounds(&self, leaf: &Leaf, split: &Split) -> ((f64, f64), (f64, f64)) {
        let (low, high) = leaf.bounds;
        let sign = self.ground.signs[split.feature];
        if sign == 0 || matches!(self.ground.table.bins[split.feature], Bins::Levels { .. }) {
            return (leaf.bounds, leaf.bounds);
        }
        let middle = self.rules.middle(leaf, split);
        match sign > 0 {
            true => ((low, middle), (middle, high)),
            false => ((middle, high), (low, middle)),
        }
    }

    fn weight(&self, span: Range<usize>) -> f64 {
        match &self.ground.weights {
            None => span.len() as f64,
            Some(weights) => self.rows[span].iter().map(|&row| weights[row as usize]).sum(),
        }
    }

    fn free(&mut self, histograms: Vec<Histogram>) {
        if !histograms.is_empty() {
            self.memory.pool.push(histograms);
        }
    }

    fn fresh(&mut self) -> Vec<Histogram> {
        let blocks = &self.ground.table.blocks;
        self.memory.pool.pop().unwrap_or_else(|| vec![Histogram::new(); blocks.len()])
    }

    /// Brings the rows and gradients of a leaf side by side. Returns the sum of the gradients.
    fn gather(&mut self, span: Range<usize>) -> Packed {
        let rows = &self.rows[span];
        self.memory.leaf_rows.clear();
        self.memory.leaf_packed.clear();
        self.memory.leaf_rows.extend(rows.iter().map(|&row| self.ground.rows[row as usize]));
        self.memory.leaf_packed.extend(rows.iter().map(|&row| self.packed[row as usize]));
        self.memory.leaf_packed.iter().fold(0, |sum: Packed, x| sum.wrapping_add(*x))
    }

    /// Brings the rows that go left before those that go right, each in their order, and returns
    /// where the right begins.
    fn divide(&mut self, span: Range<usize>, split: &Split) -> usize {
        let place = self.place(split.feature);
        let block = &self.ground.table.blocks[place.block];
        let to_row = self.ground.rows;
        let rows = &mut self.rows[span.clone()];
        let spare = &mut self.memory.spare[..rows.len()];
        let lefts: Vec<usize> = rows
            .par_chunks_mut(CHUNK)
            .zip(spare.par_chunks_mut(CHUNK))
            .map(|(rows, spare)| {
                let left = |bin: u8| has(&split.left_bins, bin);
                match &block.cells {
                    Cells::Bytes(cells) => {
                        let (part, byte) = (place.lane / WIDTH, place.lane % WIDTH);
                        part_rows(rows, spare, |row| {
                            left(cells.part(to_row[row as usize] as usize, part)[byte])
                        })
                    }
                    _ => part_rows(rows, spare, |row| {
                        left(block.bin(place.lane, to_row[row as usize]))
                    }),
                }
            })
            .collect();
        let middle = lefts.iter().sum();
        if lefts.len() > 1 {
            // Chunks are divided; now their parts are brought together.
            let (mut to_left, mut to_right) = spare.split_at_mut(middle);
            for (chunk, &left) in rows.chunks(CHUNK).zip(&lefts) {
                let (a, b) = chunk.split_at(left);
                let (first, rest) = to_left.split_at_mut(a.len());
                first.copy_from_slice(a);
                to_left = rest;
                let (first, rest) = to_right.split_at_mut(b.len());
                first.copy_from_slice(b);
                to_right = rest;
            }
            rows.copy_from_slice(spare);
        }
        span.start + middle
    }
}

impl Open {
    fn nothing() -> Open {
        let leaf = Leaf { total: 0, count: 0.0, bounds: (0.0, 0.0) };
        let (histograms, span) = (Vec::new(), 0..0);
        Open { leaf, span, depth: 0, parent: None, split: None, histograms, groups: None, seed: 0 }
    }
}

/// Brings the rows that go left to the front, each side in its order; returns how many they are.
#[inline(always)]
fn part_rows(rows: &mut [u32], spare: &mut [u32], goes_left: impl Fn(u32) -> bool) -> usize {
    // Left ones close up in place, right ones wait.
    let (mut left, mut right) = (0, 0);
    for i in 0..rows.len() {
        let row = rows[i];
        let goes_left = goes_left(row);
        rows[left] = row;
        spare[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    rows[left..].copy_from_slice(&spare[..right]);
    left
}

/// The split with the most gain; of equal ones that of the first feature.
fn best_of(splits: impl IntoIterator<Item = Option<Split>>) -> Option<Split> {
    splits.into_iter().flatten().reduce(|a, b| match a.gain.total_cmp(&b.gain) {
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Equal if b.feature < a.feature => b,
        std::cmp::Ordering::Equal => a,
    })
}
