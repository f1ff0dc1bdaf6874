//! Rows of the store on their way into columns.

use hashbrown::HashMap;
use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_store::{PersonAdvice, PersonRow, PersonScore, PersonState};

use crate::population::{ABSENT, Ids, NONE, Place, Population, Scores, Summary, UNNAMED};

/// Columns that grow, in the order in which customers are met.
#[derive(Default)]
pub struct Gathering {
    as_of_micros: Option<i64>,
    before_micros: Option<i64>,
    rows: HashMap<String, u32>,
    /// When the span that is kept began.
    since: Vec<i64>,
    was_since: Vec<i64>,
    tier: Vec<Place>,
    stage: Vec<Place>,
    grade: Vec<Place>,
    was_tier: Vec<Place>,
    was_stage: Vec<Place>,
    historic: Vec<f64>,
    predicted: Vec<f64>,
    alive: Vec<f64>,
    orders: Vec<f64>,
    models: Vec<OfModel>,
    action: Vec<u16>,
    channel: Vec<u16>,
    held_out: Vec<bool>,
    actions: Named,
    channels: Named,
}

/// Scores of a model.
#[derive(Default)]
struct OfModel {
    name: String,
    features: Named,
    probability: Vec<f64>,
    version: Vec<i64>,
    reason: Vec<u16>,
}

/// Names and their places, as many as there are places.
#[derive(Default)]
struct Named {
    names: Vec<String>,
    places: HashMap<String, u16>,
}

impl Named {
    fn place(&mut self, name: &str) -> u16 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as u16;
        if place == UNNAMED {
            return UNNAMED;
        }
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl Gathering {
    /// How many customers were met.
    pub fn len(&self) -> usize {
        self.since.len()
    }

    /// Takes a row.
    pub fn take(&mut self, row: PersonRow) {
        match row {
            PersonRow::Snapshots { last, before } => {
                (self.as_of_micros, self.before_micros) = (last, before);
            }
            PersonRow::State(state) => self.state(state),
            PersonRow::Score(score) => self.score(score),
            PersonRow::Advice(advice) => self.advice(advice),
        }
    }

    fn row(&mut self, customer_id: String) -> usize {
        let next = self.since.len() as u32;
        let row = *self.rows.entry(customer_id).or_insert(next);
        if row == next {
            self.since.push(i64::MIN);
            self.was_since.push(i64::MIN);
            self.tier.push(NONE);
            self.stage.push(NONE);
            self.grade.push(NONE);
            self.was_tier.push(ABSENT);
            self.was_stage.push(ABSENT);
            self.historic.push(f64::NAN);
            self.predicted.push(f64::NAN);
            self.alive.push(f64::NAN);
            self.orders.push(f64::NAN);
            self.action.push(UNNAMED);
            self.channel.push(UNNAMED);
            self.held_out.push(false);
        }
        row as usize
    }

    fn state(&mut self, state: PersonState) {
        let row = self.row(state.customer_id);
        let tier = place(&LapseTier::ALL.map(LapseTier::text), state.lapse_tier.as_deref());
        let stage =
            place(&LifecycleStage::ALL.map(LifecycleStage::text), state.lifecycle_stage.as_deref());
        if state.valid_from_micros >= self.since[row] {
            self.since[row] = state.valid_from_micros;
            self.tier[row] = tier;
            self.stage[row] = stage;
            self.grade[row] = place(&Grade::ALL.map(Grade::text), state.grade.as_deref());
            self.historic[row] = state.historic_value.unwrap_or(f64::NAN);
            self.predicted[row] = state.predicted_value.unwrap_or(f64::NAN);
            self.alive[row] = state.probability_alive.unwrap_or(f64::NAN);
            self.orders[row] = state.predicted_orders.unwrap_or(f64::NAN);
        }
        let before = self.before_micros.is_some_and(|before| state.valid_from_micros <= before);
        if before && state.valid_from_micros >= self.was_since[row] {
            self.was_since[row] = state.valid_from_micros;
            self.was_tier[row] = tier;
            self.was_stage[row] = stage;
        }
    }

    fn score(&mut self, score: PersonScore) {
        let row = self.row(score.customer_id);
        let place = self.models.iter().position(|model| model.name == score.model_name);
        let place = place.unwrap_or_else(|| {
            self.models.push(OfModel { name: score.model_name, ..OfModel::default() });
            self.models.len() - 1
        });
        let model = &mut self.models[place];
        if model.probability.len() <= row {
            model.probability.resize(row + 1, f64::NAN);
            model.version.resize(row + 1, 0);
            model.reason.resize(row + 1, UNNAMED);
        }
        model.probability[row] = score.probability;
        model.version[row] = score.model_version;
        model.reason[row] = score.feature.map_or(UNNAMED, |name| model.features.place(&name));
    }

    fn advice(&mut self, advice: PersonAdvice) {
        let row = self.row(advice.customer_id);
        self.action[row] = self.actions.place(&advice.action);
        self.channel[row] = advice.channel.map_or(UNNAMED, |channel| self.channels.place(&channel));
        self.held_out[row] = advice.control;
    }

    /// The columns, by id.
    pub fn finish(self) -> Population {
        let mut named: Vec<(String, u32)> = self.rows.into_iter().collect();
        named.sort_unstable();
        let order: Vec<u32> = named.iter().map(|(_, row)| *row).collect();
        let mut ids = Ids::default();
        ids.ends.reserve_exact(named.len());
        ids.text.reserve_exact(named.iter().map(|(id, _)| id.len()).sum());
        named.iter().for_each(|(id, _)| ids.push(id));
        drop(named);
        let mut models = self.models;
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let scores = models.into_iter().map(|model| Scores {
            probability: sorted(&model.probability, &order, f64::NAN),
            version: sorted(&model.version, &order, 0),
            reason: sorted(&model.reason, &order, UNNAMED),
            features: model.features.names,
            model: model.name,
        });
        let mut population = Population {
            as_of_micros: self.as_of_micros,
            before_micros: self.before_micros,
            ids,
            tier: sorted(&self.tier, &order, NONE),
            stage: sorted(&self.stage, &order, NONE),
            grade: sorted(&self.grade, &order, NONE),
            was_tier: sorted(&self.was_tier, &order, ABSENT),
            was_stage: sorted(&self.was_stage, &order, ABSENT),
            historic: sorted(&self.historic, &order, f64::NAN),
            predicted: sorted(&self.predicted, &order, f64::NAN),
            alive: sorted(&self.alive, &order, f64::NAN),
            orders: sorted(&self.orders, &order, f64::NAN),
            scores: scores.collect(),
            action: sorted(&self.action, &order, UNNAMED),
            channel: sorted(&self.channel, &order, UNNAMED),
            held_out: sorted(&self.held_out, &order, false),
            actions: self.actions.names,
            channels: self.channels.names,
            summary: Summary::default(),
        };
        population.summary = Summary::of(&population);
        population
    }
}

/// A column in another order; what lies behind its end is `missing`.
fn sorted<T: Copy>(column: &[T], order: &[u32], missing: T) -> Vec<T> {
    order.iter().map(|row| column.get(*row as usize).copied().unwrap_or(missing)).collect()
}

/// The place of a name; what is none of them is not known.
fn place<const N: usize>(names: &[&str; N], name: Option<&str>) -> Place {
    let place = name.and_then(|name| names.iter().position(|own| *own == name));
    place.map_or(NONE, |place| place as Place)
}
