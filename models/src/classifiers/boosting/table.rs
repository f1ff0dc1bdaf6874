//! A table in bins: made once, used for every target, fold and selection of features. Rows are
//! those of the frame. What is learned from bins is not here.
//!
//! Features stand in blocks; one row's cells of a block lie side by side, in a whole line of cache where
//! there are features enough: the rows of a leaf lie far apart, and what is fetched should be used.
//!
//! | block | holds | a row's cells |
//! |---|---|---|
//! | bytes | 16, 32 or 64 features | a byte for each |
//! | nibbles | 32, 64 or 128 features of at most 16 bins | half a byte for each, the even one low |
//! | sparse | 64 features that are mostly one bin | a slot for each cell that is in another bin |

use rayon::prelude::*;

use crate::classifiers::boosting::binning::{Bins, Searcher, sample};
use crate::dataset::Dataset;
use crate::frame::{Column, MISSING_CODE, UNKNOWN_CODE};
use crate::seed::mix2;

/// Bytes of a row that are counted at a time: with 16 histograms beside them they stay in the nearest
/// cache. A row of a dense block has 1, 2 or 4 such parts.
pub const WIDTH: usize = 16;
/// Parts of a line of cache.
const PARTS: usize = 4;
/// Fewest blocks that a kind of cell is divided into, where it has the features: they are counted on
/// different cores.
const FEWEST_BLOCKS: usize = 6;
/// With fewer rows a narrow block stays in cache, so that there is nothing to gain from wide ones.
const MANY_ROWS: usize = 131_072;
/// Slots between lanes that hold nothing: without them the fullest bins of all lanes would lie a power
/// of two apart, and push each other out of the cache.
pub const PADDING: usize = 8;
/// Features of a sparse block.
const SPARSE_FEATURES: usize = 64;
/// Share of the rows in one bin from which a feature is stored sparsely.
const SPARSE_SHARE: f64 = 0.8;
/// Rows binned at a time: a dense block's part stays in cache.
const CHUNK: usize = 2_048;

/// A frame's features in bins.
#[derive(Debug)]
pub struct BinnedTable {
    /// How each feature is binned, in the order of the dataset's features.
    pub bins: Vec<Bins>,
    /// The blocks; together they hold every feature that is worth a split once.
    pub blocks: Vec<Block>,
    /// Where each feature stands; `None` where all its cells are alike.
    pub places: Vec<Option<Place>>,
    /// The frame's column of each feature.
    pub columns: Vec<usize>,
}

/// Where a feature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Among the table's blocks.
    pub block: usize,
    /// Among the block's features.
    pub lane: usize,
}

/// Some features with their cells.
#[derive(Debug)]
pub struct Block {
    /// The features, by lane.
    pub features: Vec<usize>,
    /// Slots of a lane in the block's histogram: a power of two that holds all bins, and [`PADDING`].
    pub stride: usize,
    /// The cells.
    pub cells: Cells,
}

/// The cells of a block, row by row.
#[derive(Debug)]
pub enum Cells {
    /// A byte for each feature.
    Bytes(Dense),
    /// A byte for two features.
    Nibbles(Dense),
    /// Row `r` has the slots `slots[starts[r]..starts[r + 1]]`, rising.
    Sparse {
        /// One more than there are rows.
        starts: Vec<u32>,
        /// `lane * stride + bin`.
        slots: Vec<u16>,
        /// By lane, the bin of all other rows.
        default: Vec<u8>,
    },
}

/// Rows of bytes.
#[derive(Debug)]
pub struct Dense {
    lines: Vec<Line>,
    /// Parts of a row: 1, 2 or 4.
    pub parts: usize,
}

/// A line of cache.
#[repr(align(64))]
#[derive(Debug, Clone, Copy)]
struct Line([[u8; WIDTH]; PARTS]);

impl Dense {
    /// A part of a row's bytes.
    #[inline(always)]
    pub fn part(&self, row: usize, part: usize) -> &[u8; WIDTH] {
        let place = row * self.parts + part;
        &self.lines[place / PARTS].0[place % PARTS]
    }

    /// Bins of columns, `put` into their rows' bytes.
    fn new(
        columns: &[Cell<'_>],
        rows: usize,
        parts: usize,
        put: impl Fn(&mut [u8; WIDTH], usize, u8),
        lanes: usize,
    ) -> Dense {
        let mut lines = vec![Line([[0; WIDTH]; PARTS]); (rows * parts).div_ceil(PARTS)];
        let mut bins = [0; CHUNK];
        for (chunk, lines) in lines.chunks_mut(CHUNK * parts / PARTS).enumerate() {
            let bins = &mut bins[..CHUNK.min(rows - chunk * CHUNK)];
            for (lane, column) in columns.iter().enumerate() {
                column.bins(chunk * CHUNK, bins);
                for (row, bin) in bins.iter().enumerate() {
                    let place = row * parts + lane / lanes;
                    put(&mut lines[place / PARTS].0[place % PARTS], lane % lanes, *bin);
                }
            }
        }
        Dense { lines, parts }
    }
}

impl BinnedTable {
    /// Bins every row of the dataset's frame; where the cuts are is learned from the dataset's rows.
    pub fn new(data: &Dataset<'_>, max_bin: usize) -> BinnedTable {
        let rows = sample(data.rows);
        let sampled = data.with_rows(&rows);
        let learned: Vec<(Bins, Shape)> = (0..data.features.len())
            .into_par_iter()
            .map(|feature| {
                let bins = Bins::fit(&sampled, feature, max_bin);
                let shape = Shape::of(&sampled, feature, &bins);
                (bins, shape)
            })
            .collect();
        let (bins, shapes): (Vec<Bins>, Vec<Shape>) = learned.into_iter().unzip();
        let plan = plan(&bins, &shapes, data.frame.rows());
        let blocks: Vec<Block> = plan
            .into_par_iter()
            .map(|(kind, features)| Block::new(data, &bins, &shapes, kind, features))
            .collect();
        let mut places = vec![None; bins.len()];
        for (block, Block { features, .. }) in blocks.iter().enumerate() {
            for (lane, &feature) in features.iter().enumerate() {
                places[feature] = Some(Place { block, lane });
            }
        }
        BinnedTable { bins, blocks, places, columns: data.features.to_vec() }
    }

    /// The bin of a cell; `row` is a row of the frame.
    pub fn bin(&self, place: Place, row: u32) -> u8 {
        self.blocks[place.block].bin(place.lane, row)
    }

    /// Bytes held by the cells.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
    }
}

impl Block {
    /// Features that are counted together: the lanes of a part of a row.
    pub fn lanes_together(&self) -> usize {
        match self.cells {
            Cells::Bytes(_) => WIDTH,
            Cells::Nibbles(_) => 2 * WIDTH,
            Cells::Sparse { .. } => 1,
        }
    }

    /// Slots of the block's histogram.
    pub fn slots(&self) -> usize {
        self.features.len() * self.stride
    }

    /// The bin of a lane's cell.
    pub fn bin(&self, lane: usize, row: u32) -> u8 {
        let row = row as usize;
        match &self.cells {
            Cells::Bytes(cells) => cells.part(row, lane / WIDTH)[lane % WIDTH],
            Cells::Nibbles(cells) => {
                let byte = lane / 2;
                cells.part(row, byte / WIDTH)[byte % WIDTH] >> (lane % 2 * 4) & 15
            }
            Cells::Sparse { starts, slots, default } => {
                let first = lane * self.stride;
                let slots = &slots[starts[row] as usize..starts[row + 1] as usize];
                let mine = slots.iter().map(|&slot| slot as usize).find(|&slot| slot >= first);
                match mine {
                    Some(slot) if slot < first + self.stride => (slot - first) as u8,
                    _ => default[lane],
                }
            }
        }
    }

    fn bytes(&self) -> usize {
        match &self.cells {
            Cells::Bytes(cells) | Cells::Nibbles(cells) => cells.lines.len() * size_of::<Line>(),
            Cells::Sparse { starts, slots, .. } => starts.len() * 4 + slots.len() * 2,
        }
    }

    fn new(
        data: &Dataset<'_>,
        bins: &[Bins],
        shapes: &[Shape],
        kind: Kind,
        features: Vec<usize>,
    ) -> Block {
        let widest = features.iter().map(|&f| bins[f].count() + 1).max().unwrap_or(1);
        let stride = widest.next_power_of_two().max(16) + PADDING;
        let rows = data.frame.rows();
        let columns: Vec<Cell<'_>> =
            features.iter().map(|&feature| Cell::new(data, feature, &bins[feature])).collect();
        let parts = |lanes: usize| features.len().div_ceil(lanes).next_power_of_two();
        let cells = match kind {
            Kind::Bytes => {
                let put = |part: &mut [u8; WIDTH], lane: usize, bin| part[lane] = bin;
                Cells::Bytes(Dense::new(&columns, rows, parts(WIDTH), put, WIDTH))
            }
            Kind::Nibbles => {
                let put = |part: &mut [u8; WIDTH], lane: usize, bin| {
                    part[lane / 2] |= bin << (lane % 2 * 4);
                };
                Cells::Nibbles(Dense::new(&columns, rows, parts(2 * WIDTH), put, 2 * WIDTH))
            }
            Kind::Sparse => {
                let default: Vec<u8> = features.iter().map(|&f| shapes[f].mode).collect();
                let (starts, slots) = sparse(&columns, rows, &default, stride);
                Cells::Sparse { starts, slots, default }
            }
        };
        Block { features, stride, cells }
    }
}

/// How the training rows of a feature lie in its bins.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// The fullest bin and its share of the rows.
    mode: u8,
    share: f64,
}

impl Shape {
    /// From some of the rows: it decides how cells are stored, not what they are.
    fn of(data: &Dataset<'_>, feature: usize, bins: &Bins) -> Shape {
        let some: Vec<u32> =
            data.rows.iter().copied().step_by(data.rows.len() / 20_000 + 1).collect();
        let mut counts = [0_u32; 256];
        let cells = data.with_rows(&some).cells(feature);
        cells.iter().for_each(|&cell| counts[bins.bin(cell) as usize] += 1);
        let rows: u32 = counts.iter().sum();
        let mode = (0..256).rev().max_by_key(|&bin| counts[bin]).expect("256 bins");
        Shape { mode: mode as u8, share: f64::from(counts[mode]) / f64::from(rows) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bytes,
    Nibbles,
    Sparse,
}

/// Which features stand together: those of one kind and of like numbers of bins.
fn plan(bins: &[Bins], shapes: &[Shape], rows: usize) -> Vec<(Kind, Vec<usize>)> {
    let told = |&feature: &usize| {
        // One bin with something in it and nothing missing tells nothing.
        bins[feature].count() > 1 || shapes[feature].share < 1.0
    };
    let slots = |feature: usize| (bins[feature].count() + 1).next_power_of_two().max(16);
    let kind = |feature: usize| match slots(feature) {
        _ if shapes[feature].share >= SPARSE_SHARE => Kind::Sparse,
        16 => Kind::Nibbles,
        _ => Kind::Bytes,
    };
    let mut plan = Vec::new();
    for (wanted, part, most_parts) in [
        (Kind::Bytes, WIDTH, PARTS),
        (Kind::Nibbles, 2 * WIDTH, PARTS),
        (Kind::Sparse, SPARSE_FEATURES, 1),
    ] {
        let mut features: Vec<usize> =
            (0..bins.len()).filter(told).filter(|&f| kind(f) == wanted).collect();
        // Features that stand together are drawn together where there are many: neighbours in the
        // frame are often alike, so they are kept apart.
        features.sort_by_key(|&feature| (slots(feature), mix2(0, feature as u64)));
        let mut parts = if rows < MANY_ROWS { 1 } else { most_parts };
        while parts > 1 && features.len() < FEWEST_BLOCKS * parts * part {
            parts /= 2;
        }
        let alike = features.chunk_by(|&a, &b| slots(a) == slots(b));
        let groups = alike.flat_map(|same| same.chunks(parts * part));
        plan.extend(groups.map(|group| (wanted, group.to_vec())));
    }
    plan
}

/// A frame's column with its bins.
struct Cell<'a> {
    column: &'a Column,
    bins: &'a Bins,
    searcher: Option<Searcher>,
}

impl<'a> Cell<'a> {
    fn new(data: &Dataset<'a>, feature: usize, bins: &'a Bins) -> Cell<'a> {
        let searcher = match bins {
            Bins::Number { cuts } => Some(Searcher::new(cuts, bins.missing())),
            Bins::Levels { .. } => None,
        };
        Cell { column: &data.frame.columns()[data.features[feature]], bins, searcher }
    }

    /// The bins of the rows from `first` on.
    fn bins(&self, first: usize, bins: &mut [u8]) {
        let rows = first..first + bins.len();
        match (self.column, self.bins, &self.searcher) {
            (Column::Number(values), _, Some(searcher)) => searcher.bins(&values[rows], bins),
            (Column::Category(codes), Bins::Levels { bin, .. }, _) => {
                for (code, slot) in codes[rows].iter().zip(bins) {
                    *slot = match *code {
                        MISSING_CODE | UNKNOWN_CODE => self.bins.missing(),
                        code => bin[code as usize],
                    };
                }
            }
            _ => unreachable!("numbers are binned by cuts, categories by level"),
        }
    }
}

/// Starts and slots of the cells that are not in their column's default bin.
fn sparse(
    columns: &[Cell<'_>],
    rows: usize,
    default: &[u8],
    stride: usize,
) -> (Vec<u32>, Vec<u16>) {
    let (mut starts, mut slots) = (vec![0_u32], Vec::new());
    starts.reserve_exact(rows);
    let mut binned = vec![0; CHUNK * columns.len()];
    for first in (0..rows).step_by(CHUNK) {
        let count = CHUNK.min(rows - first);
        for (column, bins) in columns.iter().zip(binned.chunks_exact_mut(CHUNK)) {
            column.bins(first, &mut bins[..count]);
        }
        for row in 0..count {
            for (lane, default) in default.iter().enumerate() {
                let bin = binned[lane * CHUNK + row];
                if bin != *default {
                    slots.push((lane * stride + bin as usize) as u16);
                }
            }
            starts.push(u32::try_from(slots.len()).expect("a block has below 2^32 cells"));
        }
    }
    slots.shrink_to_fit();
    (starts, slots)
}
