//! What all customers come to: counts of tiers and stages, who moved between them, value by grade.

use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};

use crate::population::{ABSENT, Place, Population};

/// Tiers, and nothing known.
pub const TIERS: usize = LapseTier::ALL.len() + 1;
/// Stages, and nothing known.
pub const STAGES: usize = LifecycleStage::ALL.len() + 1;
/// Grades, and none.
const GRADES: usize = Grade::ALL.len() + 1;

/// What all customers come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Customers by lapse tier; the last: not known.
    pub tiers: [u64; TIERS],
    /// Customers by lifecycle stage; the last: not known.
    pub stages: [u64; STAGES],
    /// From the tier before (the row behind the last: was not there) to the tier now.
    pub tier_moves: [[u64; TIERS]; TIERS + 1],
    /// From the stage before to the stage now, likewise.
    pub stage_moves: [[u64; STAGES]; STAGES + 1],
    /// By grade; the last: none.
    pub grades: [GradeLine; GRADES],
    /// Customers whose value is known.
    pub valued: u64,
}

/// Customers of a grade.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GradeLine {
    /// How many.
    pub customers: u64,
    /// Profit minus cost so far, in money.
    pub historic: f64,
    /// What is expected of them, in money.
    pub predicted: f64,
    /// Those who are drowsy or half asleep.
    pub at_risk: u64,
    /// What is expected of those.
    pub predicted_at_risk: f64,
}

impl Summary {
    /// Adds up.
    pub fn of(population: &Population) -> Summary {
        let mut summary = Summary::default();
        for row in 0..population.len() {
            let tier = index(population.tier[row], TIERS - 1);
            let stage = index(population.stage[row], STAGES - 1);
            summary.tiers[tier] += 1;
            summary.stages[stage] += 1;
            if population.before_micros.is_some() {
                summary.tier_moves[index_before(population.was_tier[row], TIERS - 1)][tier] += 1;
                summary.stage_moves[index_before(population.was_stage[row], STAGES - 1)][stage] +=
                    1;
            }
            let line = &mut summary.grades[index(population.grade[row], GRADES - 1)];
            let known = |value: f64| if value.is_nan() { 0.0 } else { value };
            let predicted = known(population.predicted[row]);
            summary.valued += u64::from(!population.predicted[row].is_nan());
            line.customers += 1;
            line.historic += known(population.historic[row]);
            line.predicted += predicted;
            if is_at_risk(population.tier_of(row)) {
                line.at_risk += 1;
                line.predicted_at_risk += predicted;
            }
        }
        summary
    }

    /// Customers who are in another tier than before, those who were not there left out.
    pub fn moved(&self) -> u64 {
        let from = self.tier_moves.iter().take(TIERS).enumerate();
        from.map(|(from, to)| to.iter().sum::<u64>() - to[from]).sum()
    }
}

/// Whether a customer is still one, but slipping away.
pub fn is_at_risk(tier: Option<LapseTier>) -> bool {
    matches!(tier, Some(LapseTier::Drowsy | LapseTier::HalfAsleep))
}

fn index(place: Place, unknown: usize) -> usize {
    usize::from(place).min(unknown)
}

fn index_before(place: Place, unknown: usize) -> usize {
    if place == ABSENT { unknown + 1 } else { index(place, unknown) }
}
