//! What a customer is at a cutoff: lapse tier, lifecycle stage, loyalty type and grade, by rules that
//! the user can change. Learns nothing but the cuts between grades, and predicts nothing.
//!
//! All days are local days ([`Zone::day`](crate::behaviour::Zone::day)). `recency_days` is the cutoff's
//! day minus the day of the last purchase. A window of n days is the n local days that end with the one
//! in which the last instant before the cutoff lies: with a cutoff at midnight, the n days before it.

mod grade;
mod loyalty;
mod purchases;
mod rules;
mod stage;
mod state;
mod tier;

#[cfg(test)]
mod tests;

pub use grade::{Cuts, Grade, GradeCuts, Grades};
pub use loyalty::{Loyalty, LoyaltyType};
pub use purchases::{Purchases, Scratch};
pub use rules::{BoundRules, CustomerRules};
pub use stage::{LifecycleStage, Loyal, LoyalBy};
pub use state::{CustomerState, describe};
pub use tier::{LapseTier, Tiers};
