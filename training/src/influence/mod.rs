//! Influence shares: what part each feature has in a model's predictions, on rows that were not learned from, and which
//! shares are noise. Changes no model.

mod contributions;
mod direction;
mod groups;
mod tally;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rekindle_models::artifact::{Influence, Share};
use rekindle_models::classifiers::Fitted;
use rekindle_models::classifiers::boosting::BinnedTable;
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::Frame;
use rekindle_models::seed::mix2;

use crate::error::Result;
use crate::influence::contributions::Contributions;
use crate::influence::direction::{BOTH_WAYS, direction};
use crate::influence::groups::Groups;
use crate::influence::tally::Tally;
use crate::options::FitOptions;
use crate::pipeline::{Trained, fit_again};
use crate::shadow::Shadowed;
use crate::task::{Asked, common_table};

/// Most rows that are explained; of forests, which are asked once for every feature.
const MOST_ROWS: (usize, usize) = (20_000, 1_000);
/// Part of a group's share that goes one way where the group is said to.
const MOST_OF_IT: f64 = 0.75;
/// Rows by which directions are told.
const DIRECTION_ROWS: usize = 2_000;

/// Adds to every model's manifest what part each feature has in its predictions.
///
/// A feature's share is its mean absolute contribution to the margin over test rows (calibration rows where there are
/// none; at most 20,000, of forests 1,000), divided by the sum over all features. Contributions are exact Shapley values
/// for boosting and logistic regression; for forests, how far a cell taken from another customer moves the margin.
///
/// The null test: beside the features stand up to 100 shadows, copies with shuffled rows, and the same classifier is
/// fitted once more on all of them. The largest share that a shadow gets is the line: what has less may be noise.
///
/// # Errors
/// When a fit fails, or a column has a shadow's name.
pub fn add_influence(
    frame: Frame,
    options: &FitOptions,
    trained: &mut [Trained],
    progress: &dyn Fn(&str),
) -> Result<()> {
    let asked = Asked::find(&frame, options)?;
    let places = |model: &Trained| -> Vec<usize> {
        let fields = model.artifact.scorer.schema.fields().iter();
        fields.filter_map(|field| frame.schema().place(&field.name)).collect()
    };
    let features: Vec<Vec<usize>> = trained.iter().map(places).collect();
    let mut all = features.concat();
    all.sort_unstable();
    all.dedup();
    let Shadowed { frame, shadows } = Shadowed::new(frame, &all, mix2(options.seed, 2))?;
    all.extend(&shadows);
    let boosted = |model: &&Trained| matches!(model.artifact.scorer.model, Fitted::Boosting(_));
    let learned: Vec<&[u32]> = trained.iter().map(|model| model.split.train.as_slice()).collect();
    let table = trained.iter().find(boosted).and_then(|model| {
        let (target, weight) = (&model.target.positive, &asked.roles.weight);
        let data = Dataset { frame: &frame, features: &all, rows: &[], target, weight };
        common_table(&data, &learned, options.boosting.max_bin)
    });
    let found: Vec<Influence> = trained
        .iter()
        .zip(&features)
        .map(|(model, features)| {
            let rows = sample(model, &asked.roles.keys, options.seed);
            let name = &model.artifact.manifest.model_name;
            progress(&format!("{name}: influence of {} features", features.len()));
            let (frame, asked, rows, shadows) = (&frame, &asked, &rows, &shadows);
            let ground = Ground { frame, asked, options, model, features, shadows, rows };
            Ok(ground.shares(ground.noise_line(table.as_ref())?))
        })
        .collect::<Result<_>>()?;
    for (model, influence) in trained.iter_mut().zip(found) {
        model.artifact.manifest.influence = Some(influence);
    }
    Ok(())
}

/// Rows that the model has not seen, in an order that follows from their customers' hashes.
fn sample(model: &Trained, keys: &[u64], seed: u64) -> Vec<u32> {
    let split = &model.split;
    let mut rows = if split.test.is_empty() { &split.calibration } else { &split.test }.clone();
    rows.sort_by_key(|&row| (mix2(mix2(seed, 3), keys[row as usize]), row));
    rows.truncate(match model.artifact.scorer.model {
        Fitted::Forest(_) => MOST_ROWS.1,
        Fitted::Boosting(_) | Fitted::Logistic(_) => MOST_ROWS.0,
    });
    rows
}

/// What a model's shares are taken from.
struct Ground<'a> {
    frame: &'a Frame,
    asked: &'a Asked,
    options: &'a FitOptions,
    model: &'a Trained,
    features: &'a [usize],
    shadows: &'a [usize],
    rows: &'a [u32],
}

impl Ground<'_> {
    /// The rows to explain, with some columns.
    fn data<'b>(&'b self, features: &'b [usize]) -> Dataset<'b> {
        let (target, weight) = (&self.model.target.positive, &self.asked.roles.weight);
        Dataset { frame: self.frame, features, rows: self.rows, target, weight }
    }

    /// The largest share that a shadow gets beside the features.
    fn noise_line(&self, table: Option<&BinnedTable>) -> Result<f64> {
        let (own, with) = (self.features.len(), [self.features, self.shadows].concat());
        let data = self.data(&with);
        let learned = data.with_rows(&self.model.split.train);
        let null = fit_again(self.model, &learned, table, self.options)?;
        let contributions = Contributions::new(&null, null.expected_addends(&learned), &data);
        let tally = Tally::new(&contributions, (&data, own), &self.asked.roles.keys, None);
        Ok(tally.values()[own..].iter().copied().fold(0.0, f64::max))
    }

    /// Shares by feature and by group, largest first.
    fn shares(&self, noise_line: f64) -> Influence {
        let data = self.data(self.features);
        let artifact = &self.model.artifact;
        let expected = artifact.manifest.expected_addends.clone();
        let contributions = Contributions::new(&artifact.scorer.model, expected, &data);
        let seed = mix2(self.options.seed, 4);
        let own = self.features.len();
        let tally = Tally::new(&contributions, (&data, own), &self.asked.roles.keys, Some(seed));
        let values = tally.values();
        let directions = self.directions(&contributions, &data);
        let one = |(name, places): (String, Vec<usize>)| Share {
            name,
            features: places.len(),
            share: tally.share(&places, self.options.limits.confidence),
            direction: together(&places, &directions, values),
            above_noise: places.iter().any(|&place| values[place] > noise_line),
        };
        let sorted = |groups: Groups| {
            let mut shares: Vec<Share> = groups.into_iter().map(one).collect();
            shares
                .sort_by(|a, b| b.share.value.total_cmp(&a.share.value).then(a.name.cmp(&b.name)));
            shares
        };
        let schema = data.schema();
        let names: Vec<String> = schema.fields().iter().map(|field| field.name.clone()).collect();
        let alone = names.iter().cloned().zip((0..own).map(|place| vec![place])).collect();
        let spec = artifact.manifest.feature_spec.as_ref();
        let marked = &artifact.manifest.features;
        let groups = marked.iter().any(|feature| feature.group.is_some()).then_some(marked);
        Influence {
            rows: self.rows.len(),
            shadows: self.shadows.len(),
            noise_line,
            features: sorted(alone),
            behaviours: spec.map_or_else(Vec::new, |s| sorted(groups::behaviours(&names, s))),
            events: spec.map_or_else(Vec::new, |s| sorted(groups::events(&names, s))),
            groups: groups.map_or_else(Vec::new, |g| sorted(groups::own(&names, g))),
        }
    }

    fn directions(&self, contributions: &Contributions<'_>, data: &Dataset<'_>) -> Vec<String> {
        let data = data.with_rows(&self.rows[..self.rows.len().min(DIRECTION_ROWS)]);
        let moved = contributions.of(0, &data.to_rows());
        let width = self.features.len();
        let of_feature = |(place, field)| {
            let moved: Vec<f64> = moved.iter().skip(place).step_by(width).copied().collect();
            direction(field, &data.cells(place), &moved)
        };
        data.schema().fields().iter().enumerate().map(of_feature).collect()
    }
}

/// The direction of features together: the one in which features with [`MOST_OF_IT`] of their shares go.
fn together(places: &[usize], directions: &[String], shares: &[f64]) -> String {
    let mut by_way: BTreeMap<&str, f64> = BTreeMap::new();
    for &place in places {
        *by_way.entry(&directions[place]).or_default() += shares[place];
    }
    let whole: f64 = by_way.values().sum();
    if whole == 0.0 {
        return "none".to_owned();
    }
    let most = by_way.into_iter().find(|(_, of_way)| *of_way >= MOST_OF_IT * whole);
    most.map_or(BOTH_WAYS, |(way, _)| way).to_owned()
}
