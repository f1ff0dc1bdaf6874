//! Widens the features a model is learned from, batch by batch, and prunes them again: what is no better than
//! noise goes, of those that tell the same one stays, and nothing is added once a batch brings nothing. Rows that
//! calibrate or judge are never looked at. Reads and writes no files.

mod alike;
mod batches;
mod figures;
mod worth;

use std::collections::BTreeMap;

use rekindle_models::artifact::SelectionStep;
use rekindle_models::classifiers::boosting::{BinnedTable, Boosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::Frame;
use rekindle_models::metrics::Interval;
use rekindle_models::seed::{hash_text, mix2};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::options::FitOptions;
use crate::roles::Roles;
use crate::select::alike::alike;
use crate::select::figures::Figures;
use crate::shadow::Shadowed;
use crate::task::{Asked, Chooser, Task, common_table};

pub use batches::{Batches, parse_list};
pub use worth::worth;

/// Deals of the customers over which a feature's worth is averaged. What a feature that knows nothing learned by heart is
/// another thing in each, so that chance grows less with their number; more are worth their time where rows are few.
const ROUNDS: (u64, u64) = (3, 8);
/// Rows from which the fewest deals do.
const MANY_ROWS: u64 = 100_000;
/// What a feature must be worth to stay in a batch, and in the end, whatever the shadows say: in the mean of
/// three deals one in 25 that knows nothing is worth 1 by chance, one in 4,000 is worth 2.
const LEAST_WORTH: [f64; 2] = [1.0, 2.0];
/// Of the shadows, the share that a feature must be worth more than to stay in a batch; in the end, more than all.
const BATCH_SHADOWS: f64 = 0.9;
/// ROC AUC on validation rows that pruning may cost.
const MOST_LOST: f64 = 0.001;
/// Rounds of pruning after the last batch.
const MOST_PRUNINGS: usize = 3;

/// What to select from, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectOptions {
    /// What is learned, as for a fit.
    pub fit: FitOptions,
    /// In what order features are tried.
    pub batches: Batches,
    /// Batches in a row that bring nothing after which no more are tried; at least 1.
    pub patience: usize,
    /// Most features chosen for a target.
    pub most: Option<usize>,
    /// Rank correlation from which features count as alike, above 0; above 1: none are.
    pub alike: f64,
}

impl SelectOptions {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let bad = |text: String| Err(Error::BadOptions(text));
        match self {
            SelectOptions { patience: 0, .. } => bad("--patience 0: expected 1 or more".to_owned()),
            SelectOptions { most: Some(0), .. } => {
                bad("--max-features 0: expected 1 or more".to_owned())
            }
            SelectOptions { alike, .. } if alike.is_nan() || *alike <= 0.0 => {
                bad(format!("--alike {alike}: expected a correlation above 0, as 0.95"))
            }
            _ => Ok(()),
        }
    }

    /// What the same selection of the same table is known by.
    pub fn fingerprint(&self, table: &str) -> String {
        format!("{:016x}", hash_text(&format!("{table} {self:?}")))
    }
}

/// A line of the curve: figures of a model on the validation rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What was done.
    pub step: String,
    /// Features that were tried.
    pub tried: usize,
    /// Features that were kept.
    pub dimensions: usize,
    /// FP / (TP + FP), with Wilson's interval; NaN where nobody is predicted positive.
    pub error_rate: Interval,
    /// FN / (TP + FN), with Wilson's interval.
    pub miss_rate: Interval,
    /// Area under the ROC curve, with a bootstrap interval.
    pub roc_auc: Interval,
    /// How much higher it is than at the step before, over the same draws; at the first, than a half. Each end
    /// holds one-sided.
    pub gain: Interval,
}

impl Step {
    /// What a saved model keeps of it: figures that there are. `None` where it has none.
    pub fn entry(&self) -> Option<SelectionStep> {
        let there = |i: &Interval| [i.value, i.low, i.high].iter().all(|end| end.is_finite());
        let rate = |rate: &Interval| Some(*rate).filter(there);
        Some(SelectionStep {
            step: self.step.clone(),
            tried: self.tried,
            dimensions: self.dimensions,
            error_rate: rate(&self.error_rate),
            miss_rate: rate(&self.miss_rate),
            roc_auc: rate(&self.roc_auc)?,
        })
    }
}

/// How far the selection of one target is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Batches done.
    pub batches: usize,
    /// Of them the last in a row that brought nothing.
    pub fruitless: usize,
    /// Features tried so far.
    pub tried: Vec<String>,
    /// Of them those kept.
    pub kept: Vec<String>,
    /// The curve so far.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// How far a selection is: by target. What is kept in a file to go on after an interruption.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// [`SelectOptions::fingerprint`] of what was asked.
    pub asked: String,
    /// By model's name.
    #[serde(default)]
    pub targets: BTreeMap<String, State>,
}

/// What was chosen for a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The features, in the table's order.
    pub features: Vec<String>,
    /// Those left out because a feature that stays tells the same, by that feature.
    #[serde(default)]
    pub alike: BTreeMap<String, Vec<String>>,
    /// The curve that led to them.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// The selection of one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selected {
    /// `column=value`.
    pub target: String,
    /// What was chosen, and the curve.
    #[serde(flatten)]
    pub chosen: Chosen,
}

/// A table made ready to select from.
#[derive(Debug)]
pub struct Ground {
    shadowed: Shadowed,
    roles: Roles,
    choosers: Vec<Chooser>,
}

impl Ground {
    /// Finds targets, features and rows, and adds shadows to the table.
    ///
    /// # Errors
    /// As a fit, and when a column has a shadow's name.
    pub fn new(frame: Frame, options: &SelectOptions, say: &dyn Fn(&str)) -> Result<Ground> {
        options.validate()?;
        let asked = Asked::find(&frame, &options.fit)?;
        let tasks = asked.tasks(&frame, &options.fit, say)?;
        let choosers: Vec<Chooser> = tasks.iter().map(Task::chooser).collect::<Result<_>>()?;
        let mut features: Vec<usize> = choosers.iter().flat_map(|c| c.features.clone()).collect();
        features.sort_unstable();
        features.dedup();
        let shadowed = Shadowed::new(frame, &features, options.fit.seed)?;
        Ok(Ground { shadowed, roles: asked.roles, choosers })
    }

    /// The table as it was.
    pub fn into_frame(self) -> Frame {
        self.shadowed.into_frame()
    }

    /// Selects the features of every target, on from `progress`, which `save` is given after every batch.
    ///
    /// # Errors
    /// When a fit fails, `progress` is of another table, or `save` fails.
    pub fn select(
        &self,
        options: &SelectOptions,
        progress: &mut Progress,
        save: &mut dyn FnMut(&Progress) -> Result<()>,
        say: &dyn Fn(&str),
    ) -> Result<Vec<Selected>> {
        let learned: Vec<&[u32]> = self.choosers.iter().map(|c| c.learn.as_slice()).collect();
        let all: Vec<usize> = self.choosers.iter().flat_map(|c| c.features.clone()).collect();
        let max_bin = options.fit.boosting.max_bin;
        let all = self.with_shadows(all);
        let common = common_table(&self.data(&self.choosers[0], &all, &[]), &learned, max_bin);
        let mut selected = Vec::new();
        for chooser in &self.choosers {
            let own = match &common {
                Some(_) => None,
                None => {
                    let features = self.with_shadows(chooser.features.clone());
                    let data = self.data(chooser, &features, &chooser.learn);
                    Some(BinnedTable::new(&data, max_bin))
                }
            };
            let table =
                common.as_ref().or(own.as_ref()).expect("a table of all, or of this target");
            let search = Search { ground: self, chooser, options, table, say };
            let mut state = progress.targets.remove(&chooser.name).unwrap_or_default();
            search.widen(&mut state, &mut |state| {
                progress.targets.insert(chooser.name.clone(), state.clone());
                save(progress)
            })?;
            progress.targets.insert(chooser.name.clone(), state.clone());
            selected.push(search.prune(state)?);
        }
        Ok(selected)
    }

    /// Features and shadows, each once.
    fn with_shadows(&self, mut features: Vec<usize>) -> Vec<usize> {
        features.extend(&self.shadowed.shadows);
        features.sort_unstable();
        features.dedup();
        features
    }

    fn data<'a>(
        &'a self,
        chooser: &'a Chooser,
        features: &'a [usize],
        rows: &'a [u32],
    ) -> Dataset<'a> {
        let (target, weight) = (&chooser.target.positive, &self.roles.weight);
        Dataset { frame: &self.shadowed.frame, features, rows, target, weight }
    }
}

/// The selection of one target in the making.
struct Search<'a> {
    ground: &'a Ground,
    chooser: &'a Chooser,
    options: &'a SelectOptions,
    table: &'a BinnedTable,
    say: &'a dyn Fn(&str),
}

/// Features with what they are worth, and what the shadows are, rising.
struct Weighed {
    features: Vec<usize>,
    worth: Vec<f64>,
    shadows: Vec<f64>,
}

impl Weighed {
    /// The line above which a feature stays in a batch: what is below may be chance.
    fn lower_line(&self) -> f64 {
        let place = (self.shadows.len() as f64 * BATCH_SHADOWS) as usize;
        self.shadows.get(place).copied().unwrap_or(0.0).max(LEAST_WORTH[0])
    }

    /// The line above which it is hardly chance.
    fn upper_line(&self) -> f64 {
        self.shadows.last().copied().unwrap_or(0.0).max(LEAST_WORTH[1])
    }

    /// Those worth more than a line.
    fn above(&self, line: f64) -> Vec<usize> {
        let pairs = self.features.iter().zip(&self.worth);
        pairs.filter(|(_, worth)| **worth > line).map(|(feature, _)| *feature).collect()
    }

    /// Places among the features, those worth most first.
    fn best_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.features.len()).collect();
        order.sort_by(|&a, &b| self.worth[b].total_cmp(&self.worth[a]));
        order
    }

    /// The features worth most, in their order.
    fn best(&self, most: usize) -> Vec<usize> {
        let best = self.best_first().into_iter().take(most);
        let mut best: Vec<usize> = best.map(|place| self.features[place]).collect();
        best.sort_unstable();
        best
    }
}

impl Search<'_> {
    fn data<'b>(&'b self, features: &'b [usize], rows: &'b [u32]) -> Dataset<'b> {
        self.ground.data(self.chooser, features, rows)
    }

    fn name(&self, place: usize) -> String {
        self.ground.shadowed.frame.schema().fields()[place].name.clone()
    }

    /// What features are worth beside the shadows. A coarser booster than the model's will do: half the trees, each
    /// of twice the weight.
    fn weigh(&self, features: &[usize]) -> Result<Weighed> {
        let model = self.options.fit.booster();
        let params = Boosting {
            num_iterations: (model.num_iterations / 2).max(1),
            learning_rate: (model.learning_rate * 2.0).min(1.0),
            ..model
        };
        let all = [features, &self.ground.shadowed.shadows].concat();
        let data = self.data(&all, &self.chooser.learn);
        let mut mean = vec![0.0; all.len()];
        let rounds = (MANY_ROWS * ROUNDS.0 / data.rows.len() as u64).clamp(ROUNDS.0, ROUNDS.1);
        for round in 0..rounds {
            let seed = mix2(self.options.fit.seed, round);
            let worths = worth(&params, self.table, &data, &self.ground.roles.keys, seed)?;
            mean.iter_mut().zip(worths).for_each(|(sum, one)| *sum += one / rounds as f64);
        }
        let mut shadows = mean.split_off(features.len());
        shadows.sort_by(f64::total_cmp);
        Ok(Weighed { features: features.to_vec(), worth: mean, shadows })
    }

    /// The figures of the model of some features, on validation rows.
    fn figures(&self, features: &[usize]) -> Result<Option<Figures>> {
        if features.is_empty() {
            return Ok(None);
        }
        let model = self
            .options
            .fit
            .booster()
            .fit_binned(self.table, &self.data(features, &self.chooser.learn))?;
        let validation = self.data(features, &self.chooser.validation);
        Figures::new(&model, &validation, &self.ground.roles, &self.options.fit).map(Some)
    }

    /// Adds batch after batch.
    fn widen(&self, state: &mut State, save: &mut dyn FnMut(&State) -> Result<()>) -> Result<()> {
        let frame = &self.ground.shadowed.frame;
        let spec = self.options.fit.feature_spec.as_ref();
        let batches = self.options.batches.places(frame.schema(), &self.chooser.features, spec)?;
        let mut kept = self.places(&state.kept)?;
        let mut before = self.figures(&kept)?;
        while state.batches < batches.len() && state.fruitless < self.options.patience {
            let (number, of) = (state.batches + 1, batches.len());
            let mut tried = [kept.as_slice(), &batches[state.batches]].concat();
            tried.sort_unstable();
            let name = &self.chooser.name;
            (self.say)(&format!("{name}: batch {number} of {of}: {} features", tried.len()));
            let weighed = self.weigh(&tried)?;
            let found = weighed.above(weighed.lower_line());
            state.fruitless += 1;
            if let Some(figures) = self.figures(&found)? {
                let what = format!("batch {number}");
                let step = figures.step(what, (tried.len(), found.len()), before.as_ref());
                if step.gain.low > 0.0 {
                    state.fruitless = 0;
                }
                if step.gain.value >= 0.0 || before.is_none() {
                    (kept, before) = (found, Some(figures));
                }
                state.steps.push(step);
            }
            state.batches = number;
            state.tried.extend(batches[number - 1].iter().map(|&place| self.name(place)));
            state.kept = self.names(&kept);
            save(state)?;
        }
        Ok(())
    }

    fn places(&self, names: &[String]) -> Result<Vec<usize>> {
        let schema = self.ground.shadowed.frame.schema();
        names.iter().map(|name| Ok(schema.require(name)?)).collect()
    }

    fn names(&self, places: &[usize]) -> Vec<String> {
        places.iter().map(|&place| self.name(place)).collect()
    }

    /// Looks at all that was tried together, for what was dropped early may show beside what was found later, and
    /// prunes as long as that costs next to nothing.
    fn prune(&self, mut state: State) -> Result<Selected> {
        let name = &self.chooser.name;
        let mut kept = self.places(&state.tried)?;
        kept.sort_unstable();
        (self.say)(&format!("{name}: pruning {} features", kept.len()));
        let mut now = self.figures(&kept)?.expect("a batch has a feature");
        let before = self.figures(&self.places(&state.kept)?)?;
        let step = "all tried".to_owned();
        state.steps.push(now.step(step, (kept.len(), kept.len()), before.as_ref()));
        let mut weighed = self.weigh(&kept)?;
        for _ in 0..MOST_PRUNINGS {
            let lines = [weighed.upper_line(), weighed.lower_line(), 0.5, 0.0];
            let fewer = lines.map(|line| weighed.above(line));
            let Some((found, figures)) = self.fewest_as_good(&fewer, &kept, &now)? else { break };
            let step = "without noise".to_owned();
            state.steps.push(figures.step(step, (kept.len(), found.len()), Some(&now)));
            (kept, now) = (found, figures);
            weighed = self.weigh(&kept)?;
        }
        let mut groups = BTreeMap::new();
        let data = self.data(&weighed.features, &self.chooser.learn);
        let order = weighed.best_first();
        for least in [self.options.alike, (1.0 + self.options.alike) / 2.0] {
            let found = alike(&data, &order, least);
            let mut fewer: Vec<usize> =
                found.iter().map(|group| weighed.features[group.kept]).collect();
            fewer.sort_unstable();
            if fewer.len() == kept.len() {
                continue;
            }
            let figures = self.figures(&fewer)?.expect("one of each group is kept");
            let what = "one of those alike".to_owned();
            let step = figures.step(what, (kept.len(), fewer.len()), Some(&now));
            // Nothing but chance sets a copy apart: only what is surely lost counts.
            if step.gain.high >= -MOST_LOST {
                let name = |place: &usize| self.name(weighed.features[*place]);
                let group = found.iter().filter(|group| !group.dropped.is_empty());
                groups = group
                    .map(|group| (name(&group.kept), group.dropped.iter().map(name).collect()))
                    .collect();
                (kept, now) = (fewer, figures);
                state.steps.push(step);
                break;
            }
        }
        if let Some(most) = self.options.most.filter(|most| *most < kept.len()) {
            let from = kept.len();
            while kept.len() > most {
                // A third at a time: what one is worth changes when others go.
                kept = self.weigh(&kept)?.best(most.max(kept.len() * 2 / 3));
            }
            let figures = self.figures(&kept)?.expect("at least one is kept");
            let step = format!("the best {most}");
            state.steps.push(figures.step(step, (from, most), Some(&now)));
        }
        let features = self.names(&kept);
        groups.retain(|kept: &String, _| features.contains(kept));
        Ok(Selected {
            target: self.chooser.target.name(),
            chosen: Chosen { features, alike: groups, steps: state.steps },
        })
    }

    /// Of some smaller sets of features the smallest whose model ranks nearly as well as the best of theirs and of the
    /// present one; `None` where that is the present one.
    fn fewest_as_good(
        &self,
        fewer: &[Vec<usize>],
        kept: &[usize],
        now: &Figures,
    ) -> Result<Option<(Vec<usize>, Figures)>> {
        let mut sets: Vec<&Vec<usize>> =
            fewer.iter().filter(|set| set.len() < kept.len()).collect();
        sets.sort_by_key(|set| set.len());
        sets.dedup();
        let mut found = Vec::new();
        for set in sets {
            found.extend(self.figures(set)?.map(|figures| (set.clone(), figures)));
        }
        let best = found.iter().map(|(_, f)| f.roc_auc()).fold(now.roc_auc(), f64::max);
        Ok(found.into_iter().find(|(_, figures)| figures.roc_auc() >= best - MOST_LOST))
    }
}

#[cfg(test)]
mod tests;
