//! Who is held out as control: by a seeded hash of the customer's id alone, so that other customers, their order and
//! their number move nobody.

use crate::seed::{hash_text, mix2, unit};

/// Keeps these draws apart from others made of the same ids.
const CONTROL: u64 = 0x636f_6e74_726f_6c00;

/// Whether a customer is held out, with probability `share`.
///
/// Membership is independent of everything but id and seed, and so of tier and grade: in each of their strata the share
/// held out is `share` but for chance. Exact shares are not to be had without moving members when customers are added.
pub fn held_out(id: &str, seed: u64, share: f64) -> bool {
    unit(mix2(mix2(CONTROL, seed), hash_text(id))) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_holds_whatever_the_seed_and_memberships_differ() {
        let ids: Vec<String> = (0..20_000).map(|id| format!("c{id}")).collect();
        let members = |seed: u64, share: f64| -> Vec<bool> {
            ids.iter().map(|id| held_out(id, seed, share)).collect()
        };
        let count = |members: &[bool]| members.iter().filter(|member| **member).count();
        for seed in [0, 1, 2] {
            // Four standard errors.
            assert!((count(&members(seed, 0.1)) as i64 - 2_000).abs() < 170);
            assert_eq!(count(&members(seed, 0.0)), 0);
        }
        let both = members(1, 0.5).iter().zip(members(2, 0.5)).filter(|(a, b)| **a && *b).count();
        assert!((both as i64 - 5_000).abs() < 250);
        // Raising the share keeps who was held out.
        let (few, many) = (members(1, 0.1), members(1, 0.2));
        assert!(few.iter().zip(&many).all(|(few, many)| !few || *many));
    }
}
