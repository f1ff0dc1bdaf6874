//! What every classifier owes its user, on small tables built here.

use super::forest::Forest;
use super::logistic::Logistic;
use super::*;
use crate::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema, UNKNOWN_LEVEL};
use crate::seed::{mix2, unit};

/// A table with its target and weights.
struct Table {
    frame: Frame,
    target: Vec<bool>,
    weight: Vec<f64>,
}

impl Table {
    fn new(columns: Vec<Column>, target: Vec<bool>) -> Table {
        let field = |(place, column): (usize, &Column)| {
            let kind = match column {
                Column::Number(_) => Kind::Numeric,
                Column::Category(codes) => {
                    let levels =
                        codes.iter().filter(|c| **c != MISSING_CODE).max().map_or(0, |m| m + 1);
                    Kind::Categorical((0..levels).map(|level| format!("l{level:04}")).collect())
                }
            };
            Field { name: format!("x{place}"), kind }
        };
        let fields = columns.iter().enumerate().map(field).collect();
        let frame = Frame::new(Schema::new(fields).unwrap(), columns).unwrap();
        Table { frame, weight: vec![1.0; target.len()], target }
    }

    fn weighted(mut self, weight: impl Fn(usize) -> f64) -> Table {
        self.weight = (0..self.target.len()).map(weight).collect();
        self
    }

    /// Calls `f` with the dataset of some rows and all columns.
    fn with_rows<T>(&self, rows: &[u32], f: impl FnOnce(&Dataset<'_>) -> T) -> T {
        let features: Vec<usize> = (0..self.frame.schema().len()).collect();
        f(&Dataset {
            frame: &self.frame,
            features: &features,
            rows,
            target: &self.target,
            weight: &self.weight,
        })
    }

    fn try_fit(&self, classifier: &dyn Classifier) -> Result<Fitted> {
        let rows: Vec<u32> = (0..self.target.len() as u32).collect();
        self.with_rows(&rows, |data| classifier.fit(data))
    }

    fn fit(&self, classifier: &dyn Classifier) -> Fitted {
        self.try_fit(classifier).unwrap_or_else(|e| panic!("{}: {e}", classifier.name()))
    }

    fn rows(&self) -> Rows {
        let rows: Vec<u32> = (0..self.target.len() as u32).collect();
        self.with_rows(&rows, |data| data.to_rows())
    }

    fn margins(&self, classifier: &dyn Classifier) -> Vec<f64> {
        self.fit(classifier).margins(&self.rows())
    }
}

fn both() -> [Box<dyn Classifier>; 2] {
    [Box::new(Logistic::default()), Box::new(Forest { trees: 40, ..Forest::default() })]
}

/// A number from 0 to 1 that looks random.
fn draw(row: usize, stream: u64) -> f64 {
    unit(mix2(stream, row as u64))
}

fn numbers(rows: usize, cell: impl Fn(usize) -> f64) -> Column {
    Column::Number((0..rows).map(cell).collect())
}

/// A table with every kind of column and a target that follows some of them.
fn mixed(rows: usize) -> Table {
    let score = |row: usize| draw(row, 1) + 0.4 * draw(row, 2) + 0.3 * ((row % 5) as f64 / 4.0);
    let columns = vec![
        numbers(rows, |row| if row % 11 == 0 { f64::NAN } else { draw(row, 1) * 100.0 }),
        numbers(rows, |row| draw(row, 3)),
        numbers(rows, |row| (6.0 * draw(row, 2)).exp()),
        Column::Category(
            (0..rows)
                .map(|row| if row % 13 == 0 { MISSING_CODE } else { row as u32 % 5 })
                .collect(),
        ),
        Column::Category((0..rows).map(|row| (draw(row, 5) * rows as f64 / 15.0) as u32).collect()),
    ];
    Table::new(columns, (0..rows).map(|row| score(row) > 0.9 + 0.2 * draw(row, 4)).collect())
}

#[test]
fn margins_are_of_the_target_whichever_class_is_more_frequent() {
    for positives in [2, 8] {
        let target: Vec<bool> = (0..300).map(|row| row * 7 % 10 < positives).collect();
        let number = numbers(300, |row| f64::from(u8::from(target[row])));
        let level = Column::Category(target.iter().map(|&t| u32::from(t)).collect());
        for column in [number, level] {
            let table = Table::new(vec![column], target.clone());
            for classifier in both() {
                for (margin, target) in table.margins(&*classifier).iter().zip(&target) {
                    assert_eq!(*margin > 0.0, *target, "{} {positives}0 %", classifier.name());
                }
            }
        }
    }
}

#[test]
fn any_cell_gets_a_finite_margin() {
    let table = mixed(600);
    for classifier in both() {
        let fitted = table.fit(&*classifier);
        let odd =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 0.0, -1.0, 1e-300];
        let mut rows = Rows::new(5);
        for cell in odd {
            for level in [UNKNOWN_LEVEL, f64::NAN, 0.0, 4.0] {
                rows.push_missing().copy_from_slice(&[cell, cell, cell, level, level]);
            }
        }
        assert!(fitted.margins(&rows).iter().all(|m| m.is_finite()), "{}", classifier.name());
    }
}

#[test]
fn what_each_cell_adds_sums_up_to_the_margin() {
    let table = mixed(600);
    let Fitted::Logistic(fitted) = table.fit(&Logistic::default()) else { panic!("as asked") };
    let mut addends = vec![0.0; 5];
    for row in table.rows().iter().take(50) {
        fitted.addends_into(row, &mut addends);
        let sum = fitted.intercept + addends.iter().sum::<f64>();
        assert!((sum - fitted.margin(row)).abs() < 1e-9, "{sum}");
    }
}

#[test]
fn missing_cells_tell_as_much_as_values_do() {
    let target: Vec<bool> = (0..400).map(|row| row % 3 == 0).collect();
    let number = numbers(400, |row| if target[row] { f64::NAN } else { draw(row, 1) });
    let level = target.iter().map(|&t| if t { MISSING_CODE } else { 0 }).collect();
    for column in [number, Column::Category(level)] {
        let table = Table::new(vec![column], target.clone());
        for classifier in both() {
            let margins = table.margins(&*classifier);
            assert!(
                margins.iter().zip(&target).all(|(m, t)| (*m > 0.0) == *t),
                "{}",
                classifier.name()
            );
        }
    }
}

#[test]
fn columns_that_tell_nothing_leave_the_base_rate() {
    let target: Vec<bool> = (0..400).map(|row| row % 4 == 0).collect();
    let columns = vec![
        numbers(400, |_| 7.0),
        numbers(400, |_| f64::NAN),
        Column::Category(vec![0; 400]),
        Column::Category(vec![MISSING_CODE; 400]),
        numbers(400, |row| if row % 2 == 0 { f64::INFINITY } else { f64::NEG_INFINITY }),
    ];
    let base = (0.25_f64 / 0.75).ln();
    for columns in [columns[..4].to_vec(), columns] {
        // Infinities alone have no finite range: they are all alike.
        let table = Table::new(columns, target.clone());
        for classifier in both() {
            for margin in table.margins(&*classifier) {
                assert!((margin - base).abs() < 0.25, "{}: {margin}", classifier.name());
            }
        }
    }
}

#[test]
fn few_infinities_and_huge_numbers_spoil_nothing() {
    let target: Vec<bool> = (0..400).map(|row| draw(row, 1) > 0.6).collect();
    for huge in [f64::INFINITY, f64::NEG_INFINITY, 1e9, -1e20, 1e200, 1e308, f64::MAX, f64::MIN] {
        let cell = |row: usize| if row % 100 == 7 { huge } else { draw(row, 1) };
        let table =
            Table::new(vec![numbers(400, cell), numbers(400, |row| draw(row, 2))], target.clone());
        for classifier in both() {
            let margins = table.margins(&*classifier);
            assert!(margins.iter().all(|m| m.is_finite()), "{} {huge}", classifier.name());
            let right = (0..400).filter(|&row| (margins[row] > 0.0) == target[row]).count();
            // A line cannot be steep among the rest and end at a far outlier as well.
            let far = huge.is_finite() && classifier.name() == logistic::NAME;
            let enough = if far { 200 } else { 360 };
            assert!(right > enough, "{} {huge:e}: {right} of 400", classifier.name());
        }
    }
}

#[test]
fn one_positive_row_and_perfect_separation_are_fitted() {
    for edge in [0, 150] {
        let target: Vec<bool> = (0..300).map(|row| row <= edge).collect();
        let table = Table::new(vec![numbers(300, |row| -(row as f64))], target);
        for classifier in both() {
            let margins = table.margins(&*classifier);
            assert!(margins.iter().all(|m| m.is_finite()), "{}", classifier.name());
            assert!(margins[0] > margins[299], "{}", classifier.name());
        }
        let free = Logistic { lambda_l2: 0.0, ..Logistic::default() };
        // Without a penalty the best coefficients are infinite: an error or finite margins.
        if let Ok(fitted) = table.try_fit(&free) {
            assert!(fitted.margins(&table.rows()).iter().all(|m| m.is_finite()));
        }
    }
}

#[test]
fn the_same_model_is_fitted_on_any_number_of_threads() {
    let table = mixed(900).weighted(|row| 1.0 + (row % 3) as f64 / 2.0);
    for classifier in both() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| table.fit(&*classifier))
        };
        let one = on(1);
        for threads in [2, 3, 8] {
            assert!(on(threads) == one, "{} on {threads} threads", classifier.name());
        }
    }
}

#[test]
fn another_seed_grows_another_forest() {
    let table = mixed(300);
    let grown = |seed| table.fit(&Forest { trees: 10, seed, ..Forest::default() });
    assert!(grown(1) == grown(1) && grown(1) != grown(2));
}

#[test]
fn equal_weights_are_no_weights() {
    for classifier in both() {
        let expected = mixed(600).fit(&*classifier);
        for weight in [2.0, 0.3, 1e-6, 1e6] {
            let fitted = mixed(600).weighted(|_| weight).fit(&*classifier);
            assert!(fitted == expected, "{} weight {weight}", classifier.name());
        }
    }
}

#[test]
fn a_row_of_weight_two_counts_about_as_two_rows() {
    let heavy = |row: usize| row.is_multiple_of(3);
    let table = mixed(1_200).weighted(|row| if heavy(row) { 2.0 } else { 1.0 });
    let plain = mixed(1_200);
    let twice: Vec<u32> =
        (0..1_200).flat_map(|row| vec![row; 1 + usize::from(heavy(row as usize))]).collect();
    for classifier in both() {
        let weighted = table.margins(&*classifier);
        let doubled = plain.with_rows(&twice, |data| classifier.fit(data)).unwrap();
        let doubled = doubled.margins(&plain.rows());
        let probability = |m: &f64| 1.0 / (1.0 + (-m).exp());
        let apart =
            weighted.iter().zip(&doubled).map(|(a, b)| (probability(a) - probability(b)).abs());
        let apart = apart.sum::<f64>() / 1_200.0;
        assert!(apart < 0.05, "{}: {apart}", classifier.name());
    }
}

#[test]
fn a_row_has_the_same_margin_alone_and_among_others() {
    let table = mixed(500);
    let rows = table.rows();
    for classifier in both() {
        let fitted = table.fit(&*classifier);
        let together = fitted.margins(&rows);
        for (row, margin) in rows.iter().zip(together) {
            let alone = fitted.margins(&Rows::from_cells(5, row.to_vec()));
            assert_eq!(alone[0].to_bits(), margin.to_bits(), "{}", classifier.name());
        }
    }
}

#[test]
fn both_learn_what_there_is_to_learn() {
    let table = mixed(1_500);
    let fresh: Vec<usize> = (1_000..1_500).collect();
    let train: Vec<u32> = (0..1_000).collect();
    for classifier in both() {
        let fitted = table.with_rows(&train, |data| classifier.fit(data)).unwrap();
        let margins = fitted.margins(&table.rows());
        let pairs = fresh.iter().flat_map(|&a| fresh.iter().map(move |&b| (a, b)));
        let pairs: Vec<_> = pairs.filter(|&(a, b)| table.target[a] && !table.target[b]).collect();
        let right = pairs.iter().filter(|&&(a, b)| margins[a] > margins[b]).count();
        let auc = right as f64 / pairs.len() as f64;
        assert!(auc > 0.85, "{}: {auc}", classifier.name());
    }
}

#[test]
fn a_single_class_is_refused_with_its_counts() {
    for class in [true, false] {
        let table = Table::new(vec![numbers(10, |row| row as f64)], vec![class; 10]);
        for classifier in both() {
            let positives = if class { 10 } else { 0 };
            match table.try_fit(&*classifier) {
                Err(Error::OneClass { positives: p, rows: 10, .. }) => assert_eq!(p, positives),
                other => panic!("{}: {other:?}", classifier.name()),
            }
        }
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let table = mixed(50);
    let (l, f) = (Logistic::default(), Forest::default());
    let bad: [(&str, Box<dyn Classifier>); 8] = [
        ("lambda_l2", Box::new(Logistic { lambda_l2: -1.0, ..l.clone() })),
        ("lambda_l2", Box::new(Logistic { lambda_l2: f64::NAN, ..l.clone() })),
        ("max_iterations", Box::new(Logistic { max_iterations: 0, ..l })),
        ("trees", Box::new(Forest { trees: 0, ..f.clone() })),
        ("trees", Box::new(Forest { trees: 10_001, ..f.clone() })),
        ("max_depth", Box::new(Forest { max_depth: 0, ..f.clone() })),
        ("max_depth", Box::new(Forest { max_depth: 61, ..f.clone() })),
        ("min_samples_leaf", Box::new(Forest { min_samples_leaf: 0, ..f })),
    ];
    for (name, classifier) in bad {
        match table.try_fit(&*classifier) {
            Err(Error::BadParameter { parameter, .. }) => assert_eq!(parameter, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}
