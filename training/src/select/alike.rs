//! Features that tell nearly the same: one of them stands for all.

use rayon::prelude::*;
use rekindle_models::dataset::Dataset;
use rekindle_models::seed::mix2;

use crate::ranks::{correlation, ranks};

/// Most rows that features are compared on.
const MOST_ROWS: usize = 20_000;

/// A feature and those it stands for, as places among the dataset's features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// The one that stays.
    pub kept: usize,
    /// Those that are left out for it, in the order given.
    pub dropped: Vec<usize>,
}

/// Groups features whose rank correlation (Spearman's, of either sign) with the one that is kept is at least
/// `least`, 0 to 1. `order` are the features, the best first: a feature joins the first that is kept already and is
/// like it. Missing cells rank below all others; categories are like nothing.
pub fn alike(data: &Dataset<'_>, order: &[usize], least: f64) -> Vec<Alike> {
    let mut rows = data.rows.to_vec();
    if rows.len() > MOST_ROWS {
        rows.sort_unstable_by_key(|&row| mix2(3, u64::from(row)));
        rows.truncate(MOST_ROWS);
    }
    let data = data.with_rows(&rows);
    let ranks: Vec<Option<Vec<f32>>> =
        order.par_iter().map(|&feature| ranks_of(&data, feature)).collect();
    let mut groups: Vec<(usize, Alike)> = Vec::new();
    for (place, &feature) in order.iter().enumerate() {
        let like = |of: usize| match (&ranks[of], &ranks[place]) {
            (Some(a), Some(b)) => correlation(a, b).abs() >= least,
            _ => false,
        };
        match groups.par_iter().position_first(|(of, _)| like(*of)) {
            Some(found) => groups[found].1.dropped.push(feature),
            None => groups.push((place, Alike { kept: feature, dropped: Vec::new() })),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The ranks of a feature; `None` for categories, too.
fn ranks_of(data: &Dataset<'_>, feature: usize) -> Option<Vec<f32>> {
    if data.levels(feature).is_some() {
        return None;
    }
    let missing_last = |cell: f64| if cell.is_nan() { f64::NEG_INFINITY } else { cell };
    ranks(&data.cells(feature).into_iter().map(missing_last).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};

    #[test]
    fn the_first_of_those_that_rank_alike_stands_for_them() {
        let rows = 200;
        let x: Vec<f64> = (0..rows).map(|row| mix2(1, row) as f64).collect();
        let y: Vec<f64> = (0..rows).map(|row| mix2(2, row) as f64).collect();
        let columns = vec![
            Column::Number(x.clone()),
            Column::Number(y),
            Column::Number(x.iter().map(|x| -x.ln()).collect()),
            Column::Number(vec![1.0; rows as usize]),
            Column::Category((0..rows as u32).map(|row| row % 2).collect()),
        ];
        let field = |(place, kind): (usize, Kind)| Field { name: format!("x{place}"), kind };
        let levels = Kind::Categorical(["a".to_owned(), "b".to_owned()].as_slice().into());
        let kinds = [Kind::Numeric, Kind::Numeric, Kind::Numeric, Kind::Numeric, levels];
        let schema = Schema::new(kinds.into_iter().enumerate().map(field).collect()).unwrap();
        let frame = Frame::new(schema, columns).unwrap();
        let all: Vec<u32> = (0..rows as u32).collect();
        let (target, weight) = (vec![false; rows as usize], vec![1.0; rows as usize]);
        let features = [0, 1, 2, 3, 4];
        let data = Dataset {
            frame: &frame,
            features: &features,
            rows: &all,
            target: &target,
            weight: &weight,
        };
        let groups = alike(&data, &[2, 1, 0, 3, 4], 0.95);
        let alone = |kept| Alike { kept, dropped: Vec::new() };
        let expected = [Alike { kept: 2, dropped: vec![0] }, alone(1), alone(3), alone(4)];
        assert_eq!(groups, expected);
        assert_eq!(alike(&data, &[0, 1, 2], 1.1).len(), 3);
    }
}
