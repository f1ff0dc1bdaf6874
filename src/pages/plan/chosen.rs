//! The customers that a plan is for, out of all in memory: all of them, or a sample that is like them. Decides nothing.

use rekindle_models::customer::{Grade, LapseTier};
use rekindle_models::policy::Customers;
use rekindle_models::seed::{mix2, unit};

use crate::pages::plan::typed::Asked;
use crate::population::{Filter, Population};

/// Keeps these draws apart from others made of the same numbers.
const SAMPLE: u64 = 0x7361_6d70_6c65_0000;
/// Strata: tiers and none, times grades and none.
const STRATA: usize = (LapseTier::ALL.len() + 1) * (Grade::ALL.len() + 1);

/// Whom a plan is for.
pub struct Chosen {
    /// Their rows, by id.
    pub rows: Vec<u32>,
    /// Customers that pass the filter, but whose lifecycle stage is not known: no uplift can be assumed of them.
    pub unstaged: u64,
}

impl Chosen {
    /// Those that pass a filter.
    pub fn by(population: &Population, filter: &Filter) -> Chosen {
        let mut rows = population.rows(filter);
        let all = rows.len();
        rows.retain(|row| population.stage_of(*row as usize).is_some());
        Chosen { unstaged: (all - rows.len()) as u64, rows }
    }

    /// Some `most` of them, all where they are no more: the same share of every stratum of tier and grade, within one
    /// customer. The same customers give the same sample.
    pub fn sample(&self, population: &Population, most: usize) -> Vec<u32> {
        if self.rows.len() <= most {
            return self.rows.clone();
        }
        // Of every `step` customers of a stratum that follow each other one is drawn.
        let step = self.rows.len() as f64 / most as f64;
        let drawn = |stratum: u64, block: u64| {
            let place = unit(mix2(mix2(SAMPLE, stratum), block));
            ((block as f64 + place) * step) as u64
        };
        let mut met = [0_u64; STRATA];
        let mut block = [0_u64; STRATA];
        let mut next: [u64; STRATA] = std::array::from_fn(|stratum| drawn(stratum as u64, 0));
        let mut sample = Vec::with_capacity(most + STRATA);
        for row in &self.rows {
            let stratum = stratum(population, *row as usize);
            // Two that are drawn for the same place become neighbours.
            if met[stratum] >= next[stratum] {
                sample.push(*row);
                block[stratum] += 1;
                next[stratum] = drawn(stratum as u64, block[stratum]);
            }
            met[stratum] += 1;
        }
        sample
    }
}

fn stratum(population: &Population, row: usize) -> usize {
    let tier = usize::from(population.tier[row]).min(LapseTier::ALL.len());
    let grade = usize::from(population.grade[row]).min(Grade::ALL.len());
    tier * (Grade::ALL.len() + 1) + grade
}

/// Customers as a plan takes them.
pub fn columns(population: &Population, rows: &[u32], asked: &Asked) -> Customers {
    let each = || rows.iter().map(|row| *row as usize);
    let baseline = asked.baseline.map(|model| &population.scores[model].probability);
    Customers {
        ids: each().map(|row| population.id(row).to_owned()).collect(),
        stages: Some(each().map(|row| population.stage_of(row)).collect()),
        tiers: Some(each().map(|row| population.tier_of(row)).collect()),
        grades: Some(each().map(|row| population.grade_of(row)).collect()),
        // What an order brings: the whole of what is expected comes without a contact, too.
        values: asked.each_value.then(|| {
            each().map(|row| population.predicted[row] / population.orders[row]).collect()
        }),
        baselines: baseline.map(|column| each().map(|row| column[row]).collect()),
        // The store keeps no learned uplift.
        uplifts: vec![None; asked.spec.actions.len()],
        ..Customers::default()
    }
}

#[cfg(test)]
pub(super) mod tests {

    use rekindle_store::{PersonRow, PersonState};

    use super::*;
    use crate::population::Gathering;

    /// Customers whose tier and grade come round with their number, of whom every 50th has no stage.
    pub fn population(customers: usize) -> Population {
        let mut gathering = Gathering::default();
        gathering.take(PersonRow::Snapshots { last: Some(1), before: None });
        for place in 0..customers {
            let tier = LapseTier::ALL[place % 4].text();
            let stage = if place % 50 == 49 { None } else { Some("lapsed".to_owned()) };
            gathering.take(PersonRow::State(PersonState {
                customer_id: format!("c{place:06}"),
                valid_from_micros: 1,
                predicted_orders: Some(2.0),
                lapse_tier: Some(tier.to_owned()),
                lifecycle_stage: stage,
                grade: (place % 3 > 0).then(|| Grade::ALL[place % 3].text().to_owned()),
                historic_value: None,
                predicted_value: Some(place as f64),
                probability_alive: None,
            }));
        }
        gathering.finish()
    }

    #[test]
    fn a_sample_has_its_share_of_every_tier_and_grade() {
        let population = population(60_000);
        let chosen = Chosen::by(&population, &Filter { tiers: vec![1, 2, 3], ..Filter::default() });
        assert_eq!((chosen.rows.len() as u64 + chosen.unstaged, chosen.unstaged), (45_000, 1_200));
        let count = |rows: &[u32]| {
            let mut count = [0_usize; STRATA];
            rows.iter().for_each(|row| count[stratum(&population, *row as usize)] += 1);
            count
        };
        let mean = |rows: &[u32]| {
            let sum = rows.iter().map(|row| population.predicted[*row as usize]).sum::<f64>();
            sum / rows.len() as f64
        };
        for most in [4_000, 20_000, 30_000, 43_000] {
            let sample = chosen.sample(&population, most);
            let step = chosen.rows.len() as f64 / most as f64;
            for (all, drawn) in count(&chosen.rows).iter().zip(count(&sample)) {
                assert!((*all as f64 / step - drawn as f64).abs() <= 2.0, "{most}: {all} {drawn}");
            }
            // Drawn over the whole stratum, not from its beginning.
            assert!((mean(&sample) / mean(&chosen.rows) - 1.0).abs() < 0.01, "{most}");
            assert_eq!(sample, chosen.sample(&population, most));
        }
        assert_eq!(chosen.sample(&population, 43_800), chosen.rows);
    }
}
