//! Bins, blocks, packed gradients and histograms against their slow twins.

use proptest::prelude::*;

use crate::classifiers::boosting::binning::{Bins, Searcher};
use crate::classifiers::boosting::histogram::{Histogram, fill, subtract};
use crate::classifiers::boosting::loss::{Answers, Packed, pack, probability};
use crate::classifiers::boosting::table::Cells;
use crate::classifiers::boosting::tests::{Case, draw};
use crate::classifiers::boosting::*;
use crate::frame::{Column, Field, Frame, Kind, Schema};

#[test]
fn every_cell_has_the_bin_that_its_cuts_say() {
    let case = Case::new(3_000);
    for max_bin in [2, 3, 15, 16, 63, 255] {
        let table = BinnedTable::new(&case.data(), max_bin);
        for feature in 0..case.features.len() {
            let bins = &table.bins[feature];
            assert!(bins.count() <= max_bin, "feature {feature}: {} bins", bins.count());
            let Some(place) = table.places[feature] else { continue };
            for (row, cell) in case.data().cells(feature).into_iter().enumerate() {
                let expected = match bins {
                    _ if cell.is_nan() => bins.count() as u8,
                    Bins::Number { cuts } => cuts.iter().filter(|cut| cell > **cut).count() as u8,
                    Bins::Levels { bin, .. } => bin[cell as usize],
                };
                assert_eq!(
                    table.bin(place, row as u32),
                    expected,
                    "feature {feature}, cell {cell}"
                );
            }
        }
        let told: Vec<bool> = table.places.iter().map(Option::is_some).collect();
        assert_eq!(told, [true, true, true, false, false, true, true, true]);
    }
}

#[test]
fn zero_has_a_bin_of_its_own_where_it_is_frequent() {
    let case = Case::new(5_000);
    let Bins::Number { cuts } = Bins::fit(&case.data(), 5, 16) else { unreachable!() };
    let cells = case.data().cells(5);
    let alone = cells.iter().filter(|x| Bins::Number { cuts: cuts.clone() }.bin(**x) == 0);
    assert!(alone.clone().count() > 4_000 && alone.into_iter().all(|x| *x == 0.0));
}

#[test]
fn few_values_have_a_bin_each_and_cuts_half_way() {
    let case = Case::new(500);
    let Bins::Number { cuts } = Bins::fit(&case.data(), 2, 255) else { unreachable!() };
    // -inf, -1, 0, 2.5, inf: no number is half way to an infinity, so the cut is the number before.
    assert_eq!(cuts, [f64::NEG_INFINITY, -0.5, 1.25, 2.5]);
}

#[test]
fn blocks_are_of_all_three_kinds() {
    let case = Case::new(5_000);
    let table = BinnedTable::new(&case.data(), 255);
    let count = |kind: fn(&Cells) -> bool| table.blocks.iter().filter(|b| kind(&b.cells)).count();
    let kinds = [
        count(|cells| matches!(cells, Cells::Bytes(_))),
        count(|cells| matches!(cells, Cells::Nibbles(_))),
        count(|cells| matches!(cells, Cells::Sparse { .. })),
    ];
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    let sparse = table.blocks.iter().find(|b| matches!(b.cells, Cells::Sparse { .. })).unwrap();
    assert_eq!(sparse.features, [5]);
}

proptest! {
    #[test]
    fn a_search_counts_the_cuts_below(
        mut cuts in prop::collection::vec(-50_i32..50, 0..255),
        cells in prop::collection::vec(-52_i32..52, 1..50),
    ) {
        cuts.sort_unstable();
        cuts.dedup();
        let cuts: Vec<f64> = cuts.into_iter().map(f64::from).collect();
        let mut cells: Vec<f64> = cells.into_iter().map(|x| f64::from(x) / 2.0).collect();
        cells.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
        let mut bins = vec![0; cells.len()];
        Searcher::new(&cuts, 255).bins(&cells, &mut bins);
        for (cell, bin) in cells.iter().zip(bins) {
            let expected = cuts.iter().filter(|cut| cell > *cut).count() as u8;
            prop_assert_eq!(bin, if cell.is_nan() { 255 } else { expected });
        }
    }
}

#[test]
fn histograms_are_the_sums_of_their_rows() {
    let case = Case::new(4_000);
    let table = BinnedTable::new(&case.data(), 255);
    let rows: Vec<u32> = (0..4_000).filter(|row| row % 3 != 1).collect();
    let gradient =
        |row: u32| (u64::from(row % 7) << 32).wrapping_sub(3 << 32).wrapping_add(row as u64);
    let packed: Vec<Packed> = rows.iter().map(|&row| gradient(row)).collect();
    let total = packed.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
    for block in &table.blocks {
        let naive = |rows: &[u32]| {
            let mut sums: Histogram = vec![0; block.slots()];
            for &row in rows {
                for lane in 0..block.features.len() {
                    let sum = &mut sums[lane * block.stride + block.bin(lane, row) as usize];
                    *sum = sum.wrapping_add(gradient(row));
                }
            }
            sums
        };
        let lanes: Vec<usize> = (0..block.features.len()).collect();
        let mut found = Histogram::new();
        fill(block, &lanes, &rows, &packed, total, &mut found);
        assert_eq!(found, naive(&rows));
        let (some, others) = rows.split_at(100);
        let part = packed[..100].iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        let mut child = Histogram::new();
        fill(block, &lanes, some, &packed[..100], part, &mut child);
        subtract(&mut found, &child);
        assert_eq!(found, naive(others));
    }
}

/// Full blocks of 16 features of each number of bins, and of 32 nibbles: those have loops of their own.
#[test]
fn histograms_of_full_blocks_are_the_sums_of_their_rows() {
    for values in [8.0, 25.0, 60.0, 120.0, 250.0] {
        let cell = |row, column| (draw(row, column) * values).floor();
        let columns = (0..40).map(|c| Column::Number((0..900).map(|r| cell(r, c)).collect()));
        let field = |f| Field { name: format!("f{f}"), kind: Kind::Numeric };
        let schema = Schema::new((0..40).map(field).collect()).unwrap();
        let frame = Frame::new(schema, columns.collect()).unwrap();
        let (features, rows): (Vec<usize>, Vec<u32>) = ((0..40).collect(), (0..900).collect());
        let (target, weight) = (vec![true; 900], vec![1.0; 900]);
        let data = Dataset {
            frame: &frame,
            features: &features,
            rows: &rows,
            target: &target,
            weight: &weight,
        };
        let table = BinnedTable::new(&data, 255);
        let packed: Vec<Packed> = rows.iter().map(|&row| u64::from(row) << 32 | 1).collect();
        let total = packed.iter().sum();
        for block in &table.blocks {
            let lanes: Vec<usize> = (0..block.features.len()).collect();
            let (mut found, mut naive) = (Histogram::new(), vec![0; block.slots()]);
            fill(block, &lanes, &rows, &packed, total, &mut found);
            for (&row, gh) in rows.iter().zip(&packed) {
                lanes
                    .iter()
                    .for_each(|&l| naive[l * block.stride + block.bin(l, row) as usize] += gh);
            }
            assert_eq!(found, naive, "{values} values");
        }
    }
}

#[test]
fn packed_gradients_keep_their_sums() {
    let pairs: Vec<(f64, f64)> =
        (0..50_000).map(|row| (draw(row, 0).powi(9) - 0.001, draw(row, 1) * 0.01)).collect();
    let mut packed = vec![0; pairs.len()];
    let scale = pack(&pairs, 7, &mut packed);
    let total = packed.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
    let (g, h) = pairs.iter().fold((0.0, 0.0), |(g, h), pair| (g + pair.0, h + pair.1));
    assert!((scale.gradient(total) - g).abs() < 1e-3 * g.abs(), "{} {g}", scale.gradient(total));
    assert!((scale.hessian(total) - h).abs() < 1e-4 * h, "{} {h}", scale.hessian(total));
    for (packed, (g, h)) in packed.iter().zip(&pairs) {
        assert!((scale.gradient(*packed) - g).abs() <= scale.gradient);
        assert!((scale.hessian(*packed) - h).abs() <= scale.hessian);
    }
}

#[test]
fn gradients_are_the_slope_of_the_loss() {
    let margins = [-30.0, -2.0, 0.0, 0.5, 40.0];
    let loss = |m: f64, y: bool| if y { (1.0 + (-m).exp()).ln() } else { (1.0 + m.exp()).ln() };
    for y in [false, true] {
        let mut pairs = [(0.0, 0.0); 5];
        Answers::Target(vec![y; 5]).gradients(&margins, &[3.0; 5], &mut pairs);
        for (m, (g, h)) in margins.iter().zip(pairs) {
            let slope = 3.0 * (loss(m + 1e-6, y) - loss(m - 1e-6, y)) / 2e-6;
            assert!((g - slope).abs() < 1e-6, "{m}: {g} {slope}");
            let p = probability(*m);
            assert!((h - 3.0 * p * (1.0 - p)).abs() < 1e-12);
        }
    }
    let mut pairs = [(0.0, 0.0); 5];
    Answers::Response(vec![1.0; 5]).gradients(&margins, &[3.0; 5], &mut pairs);
    for (m, pair) in margins.iter().zip(pairs) {
        assert_eq!(pair, (3.0 * (m - 1.0), 3.0));
    }
}

#[test]
fn large_values_keep_their_cuts_among_many_heavy_ones() {
    // Seven heavy values with light ones between: a bin for each and one before each are too many.
    let cell = |row: usize| match draw(row, 0) {
        x if x < 0.9 => (x * 7.7).floor(),
        x => (x - 0.9) * 70.0 + 0.01,
    };
    let column = Column::Number((0..5_000).map(cell).collect());
    let schema = Schema::new(vec![Field { name: "x".into(), kind: Kind::Numeric }]).unwrap();
    let frame = Frame::new(schema, vec![column]).unwrap();
    let (rows, target, weight): (Vec<u32>, _, _) =
        ((0..5_000).collect(), vec![true; 5_000], vec![1.0; 5_000]);
    let data =
        Dataset { frame: &frame, features: &[0], rows: &rows, target: &target, weight: &weight };
    let Bins::Number { cuts } = Bins::fit(&data, 0, 8) else { unreachable!() };
    assert!(cuts.len() <= 7 && *cuts.last().unwrap() > 4.0, "{cuts:?}");
}
