//! Trees laid out for speed. What they answer is what `tree.rs` answers, to the bit.
//!
//! All nodes of all trees lie in one list; the children of a node lie side by side. A step is one
//! comparison without a branch, so that many walks run at a time:
//!
//! ```text
//! next = child + (cell ^ flip >= threshold)
//! ```
//!
//! A comparison with NaN is false, so a missing cell goes to the first child: that is the left one where
//! missing goes left, and the right one, with cell and threshold negated, where it goes right. A leaf
//! is its own child. In a batch, small trees are not walked: all their nodes are answered for some rows at a time, from
//! below, and each takes what the child that is chosen has. Questions that are no such comparison (sets of levels, zeros that count as
//! missing) are asked once a row and become cells of their own.

use std::cell::RefCell;

use crate::classifiers::boosting::tree::{Child, LevelSet, Missing, Node, Test, Tree, ZERO};

/// Rows that walk at a time in a batch.
pub const LANES: usize = 8;
/// Trees that a single row walks at a time.
const TREES: usize = 8;
/// Nodes of a tree, leaves among them, up to which it is small.
const SMALL: usize = 31;
/// In [`FlatNode::feature`]: the cell is negated.
const FLIP: u32 = 1 << 31;

/// All trees of a model.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Cells of a row as it comes.
    width: usize,
    /// The features that are looked at, each once, rising.
    used: Vec<u32>,
    /// Cells made from those, behind them.
    derived: Vec<Derived>,
    nodes: Vec<FlatNode>,
    /// By node: what a leaf adds.
    values: Vec<f64>,
    /// By tree: the root.
    roots: Vec<u32>,
    /// Nodes that are no leaves, tree after tree, in each those below first.
    splits: Vec<u32>,
    /// By tree: where its splits end.
    splits_end: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct FlatNode {
    threshold: f64,
    /// Place of the cell, and [`FLIP`].
    feature: u32,
    /// The first child; the node itself for a leaf.
    child: u32,
}

/// A cell made from a row's cells.
#[derive(Debug, Clone, PartialEq)]
enum Derived {
    /// 1 where the level is in the set, else NaN.
    Levels(u32, LevelSet),
    /// The cell, NaN where it is zero.
    ZeroMissing(u32),
}

impl Derived {
    fn cell(&self, row: &[f64]) -> f64 {
        match self {
            Derived::Levels(feature, set) => {
                if set.contains(row[*feature as usize]) {
                    1.0
                } else {
                    f64::NAN
                }
            }
            Derived::ZeroMissing(feature) => {
                let cell = row[*feature as usize];
                if cell.abs() <= ZERO { f64::NAN } else { cell }
            }
        }
    }
}

impl Engine {
    /// Lays out sound trees ([`Tree::is_sound`]) over rows of `width` cells.
    pub fn new(trees: &[Tree], width: usize) -> Engine {
        let mut engine = Engine {
            width,
            used: Vec::new(),
            derived: Vec::new(),
            nodes: Vec::new(),
            values: Vec::new(),
            roots: Vec::new(),
            splits: Vec::new(),
            splits_end: Vec::new(),
        };
        for tree in trees {
            engine.add(tree);
        }
        let mut used: Vec<u32> = Vec::new();
        let plain = engine.nodes.iter().map(|node| node.feature & !FLIP);
        used.extend(plain.filter(|&feature| (feature as usize) < width));
        used.sort_unstable();
        used.dedup();
        engine.used = used;
        engine
    }

    fn add(&mut self, tree: &Tree) {
        let first = self.nodes.len() as u32;
        self.roots.push(first);
        self.push_leaf();
        // Where each child of the tree goes, given before it is visited: parents come first.
        let mut at = vec![first; tree.nodes.len()];
        if tree.nodes.is_empty() {
            self.values[first as usize] = tree.leaves[0].value;
        }
        for (place, node) in tree.nodes.iter().enumerate() {
            let (threshold, feature, swapped) = self.comparison(node);
            let child = self.nodes.len() as u32;
            self.nodes[at[place] as usize] = FlatNode { threshold, feature, child };
            let children = if swapped { [node.right, node.left] } else { [node.left, node.right] };
            for (slot, below) in (child..).zip(children) {
                self.push_leaf();
                match below {
                    Child::Node(below) => at[below as usize] = slot,
                    Child::Leaf(leaf) => {
                        self.values[slot as usize] = tree.leaves[leaf as usize].value;
                    }
                }
            }
        }
        // Places rise from parent to child.
        at.sort_unstable();
        self.splits.extend(at[..tree.nodes.len()].iter().rev());
        self.splits_end.push(self.splits.len() as u32);
    }

    fn push_leaf(&mut self) {
        let child = self.nodes.len() as u32;
        self.nodes.push(FlatNode { threshold: f64::NAN, feature: 0, child });
        self.values.push(0.0);
    }

    /// A question as a comparison: threshold, feature, and whether the right child comes first.
    fn comparison(&mut self, node: &Node) -> (f64, u32, bool) {
        match &node.test {
            Test::Levels(set) => {
                let place = self.derive(Derived::Levels(node.feature, set.clone()));
                (1.0, place, true)
            }
            Test::Number { threshold, missing, missing_left } => {
                let (place, missing_left) = match missing {
                    Missing::Nan => (node.feature, *missing_left),
                    Missing::None => (node.feature, 0.0 <= *threshold),
                    Missing::Zero => {
                        (self.derive(Derived::ZeroMissing(node.feature)), *missing_left)
                    }
                };
                match missing_left {
                    // No number is above infinity: NaN is never reached.
                    true if *threshold == f64::INFINITY => (f64::NAN, place, false),
                    true => (threshold.next_up(), place, false),
                    false => (-threshold, place | FLIP, true),
                }
            }
        }
    }

    fn derive(&mut self, derived: Derived) -> u32 {
        let known = match derived {
            Derived::ZeroMissing(_) => self.derived.iter().position(|d| *d == derived),
            Derived::Levels(..) => None,
        };
        let place = known.unwrap_or_else(|| {
            self.derived.push(derived);
            self.derived.len() - 1
        });
        (self.width + place) as u32
    }

    /// The sum of the leaves that a row ends in, added in the order of the trees. Nothing is
    /// allocated once a thread has scored a row of this model.
    pub fn sum(&self, row: &[f64]) -> f64 {
        assert!(row.len() == self.width, "a row has the model's cells");
        if self.derived.is_empty() {
            return self.sum_cells(row);
        }
        thread_local! {
            static CELLS: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
        }
        CELLS.with_borrow_mut(|cells| {
            cells.clear();
            cells.extend_from_slice(row);
            cells.extend(self.derived.iter().map(|derived| derived.cell(row)));
            self.sum_cells(cells)
        })
    }

    /// `cells` are a row's cells and the derived ones.
    fn sum_cells(&self, cells: &[f64]) -> f64 {
        assert!(cells.len() == self.width + self.derived.len(), "all cells are there");
        let mut sum = 0.0;
        for roots in self.roots.chunks(TREES) {
            let mut at = [roots[0]; TREES];
            at[..roots.len()].copy_from_slice(roots);
            let step = |at: u32| {
                // SAFETY: places of nodes and cells were made by `add` and lie within both.
                let (node, cell) = unsafe {
                    let node = self.nodes.get_unchecked(at as usize);
                    (node, *cells.get_unchecked((node.feature & !FLIP) as usize))
                };
                node.next(cell)
            };
            walk(&mut at, |_, at| step(at));
            sum = at[..roots.len()].iter().fold(sum, |sum, &at| sum + self.values[at as usize]);
        }
        sum
    }

    /// The sums of many rows (row-major cells): the same as [`Engine::sum`] of each.
    pub fn sums(&self, rows: &[f64], out: &mut Vec<f64>) {
        let groups = rows.chunks_exact(self.width * LANES);
        let rest = groups.remainder().chunks_exact(self.width);
        self.sum_groups(groups, out);
        out.extend(rest.map(|row| self.sum(row)));
    }

    fn sum_groups(&self, groups: std::slice::ChunksExact<'_, f64>, out: &mut Vec<f64>) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { self.sum_groups_avx512(groups, out) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { self.sum_groups_avx2(groups, out) };
            }
        }
        self.sum_groups_portable::<0>(groups, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn sum_groups_avx512(&self, groups: std::slice::ChunksExact<'_, f64>, out: &mut Vec<f64>) {
        self.sum_groups_portable::<SMALL>(groups, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn sum_groups_avx2(&self, groups: std::slice::ChunksExact<'_, f64>, out: &mut Vec<f64>) {
        self.sum_groups_portable::<SMALL>(groups, out);
    }

    /// `MOST` are the nodes up to which a tree is answered as a whole: it takes wide registers to be worth it.
    #[inline(always)]
    fn sum_groups_portable<const MOST: usize>(
        &self,
        groups: std::slice::ChunksExact<'_, f64>,
        out: &mut Vec<f64>,
    ) {
        let mut cells = vec![0.0; (self.width + self.derived.len()) * LANES];
        for group in groups {
            self.turn(group, &mut cells);
            out.extend_from_slice(&self.sum_lanes::<MOST>(&cells));
        }
    }

    /// Brings the same cell of all rows side by side.
    fn turn(&self, rows: &[f64], cells: &mut [f64]) {
        for &feature in &self.used {
            let feature = feature as usize;
            let cells = &mut cells[feature * LANES..(feature + 1) * LANES];
            for (cell, row) in cells.iter_mut().zip(rows.chunks_exact(self.width)) {
                *cell = row[feature];
            }
        }
        for (place, derived) in (self.width..).zip(&self.derived) {
            let cells = &mut cells[place * LANES..(place + 1) * LANES];
            for (cell, row) in cells.iter_mut().zip(rows.chunks_exact(self.width)) {
                *cell = derived.cell(row);
            }
        }
    }

    /// Asks for a tree's nodes before they are needed.
    #[inline(always)]
    fn fetch(&self, tree: usize) {
        let Some(&first) = self.roots.get(tree) else { return };
        let last = self.roots.get(tree + 1).map_or(self.nodes.len(), |&next| next as usize);
        #[cfg(target_arch = "x86_64")]
        for node in self.nodes[first as usize..last].iter().step_by(64 / size_of::<FlatNode>()) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that can be seen, and the address is of a live
            // reference.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(node).cast()) };
        }
    }

    #[inline(always)]
    fn sum_lanes<const MOST: usize>(&self, cells: &[f64]) -> [f64; LANES] {
        assert!(cells.len() == (self.width + self.derived.len()) * LANES, "all cells are there");
        let mut sums = [0.0; LANES];
        let mut splits = 0;
        for (tree, &root) in self.roots.iter().enumerate() {
            let splits_end = self.splits_end[tree] as usize;
            let nodes = 2 * (splits_end - splits) + 1;
            if nodes <= MOST {
                self.add_small(root as usize, &self.splits[splits..splits_end], cells, &mut sums);
            } else {
                self.fetch(tree + 1);
                self.add_walked(root, cells, &mut sums);
            }
            splits = splits_end;
        }
        sums
    }

    /// Adds a tree of at most [`SMALL`] nodes, answered from below.
    #[inline(always)]
    fn add_small(&self, root: usize, splits: &[u32], cells: &[f64], sums: &mut [f64; LANES]) {
        let mut values = [[0.0; LANES]; SMALL];
        let leaves = &self.values[root..=root + 2 * splits.len()];
        for (values, value) in values.iter_mut().zip(leaves) {
            *values = [*value; LANES];
        }
        for &split in splits {
            let node = &self.nodes[split as usize];
            let flip = u64::from(node.feature & FLIP) << 32;
            let place = (node.feature & !FLIP) as usize * LANES;
            let cells = &cells[place..place + LANES];
            let child = node.child as usize - root;
            let (first, second) = (values[child], values[child + 1]);
            let value = &mut values[split as usize - root];
            for lane in 0..LANES {
                let cell = f64::from_bits(cells[lane].to_bits() ^ flip);
                value[lane] = if cell >= node.threshold { second[lane] } else { first[lane] };
            }
        }
        sums.iter_mut().zip(values[0]).for_each(|(sum, value)| *sum += value);
    }

    /// Adds a tree of any size, walked.
    #[inline(always)]
    fn add_walked(&self, root: u32, cells: &[f64], sums: &mut [f64; LANES]) {
        let mut at = [root; LANES];
        walk(&mut at, |lane, at| {
            // SAFETY: places of nodes and cells were made by `add` and lie within both.
            let (node, cell) = unsafe {
                let node = self.nodes.get_unchecked(at as usize);
                let place = (node.feature & !FLIP) as usize * LANES + lane;
                (node, *cells.get_unchecked(place))
            };
            node.next(cell)
        });
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += self.values[at as usize];
        }
    }
}

/// Steps until all walks have ended: `step` says where a walk goes from a place. Whether they have is
/// asked at every third step: a leaf leads to itself.
#[inline(always)]
fn walk<const WALKS: usize>(at: &mut [u32; WALKS], step: impl Fn(usize, u32) -> u32) {
    loop {
        for _ in 0..2 {
            for (walk, at) in at.iter_mut().enumerate() {
                *at = step(walk, *at);
            }
        }
        let mut moved = 0;
        for (walk, at) in at.iter_mut().enumerate() {
            let next = step(walk, *at);
            moved |= next ^ *at;
            *at = next;
        }
        if moved == 0 {
            return;
        }
    }
}

impl FlatNode {
    #[inline(always)]
    fn next(&self, cell: f64) -> u32 {
        let flip = u64::from(self.feature & FLIP) << 32;
        self.child + u32::from(f64::from_bits(cell.to_bits() ^ flip) >= self.threshold)
    }
}
