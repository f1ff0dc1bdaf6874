//! Who is held out as control: drawn by a seeded hash of customers' ids, the same share in every stratum of lapse tier and
//! grade, so that both sides are alike in them.

use rayon::prelude::*;

use crate::policy::customers::Customers;
use crate::seed::{hash_text, mix2, unit};

/// Keeps these draws apart from others made of the same ids.
const CONTROL: u64 = 0x636f_6e74_726f_6c00;
/// And the draws that decide on what is left of a share.
const REST: u64 = 0x7265_7374_0000_0000;

/// Whether each customer is held out, with probability `share`, at least 0 and below 1.
///
/// Of `n` customers of a stratum `share * n` are held out, rounded up or down at random so that everybody's probability
/// is `share`. Who it is depends on seed, ids and strata alone, not on the customers' order; customers who come or go move
/// others of their stratum.
pub fn held_out(customers: &Customers, seed: u64, share: f64) -> Vec<bool> {
    let draw = mix2(CONTROL, seed);
    let drawn = |place: usize| {
        let hash = mix2(draw, hash_text(&customers.ids[place]));
        (stratum(customers, place), hash, place)
    };
    let mut order: Vec<(u8, u64, usize)> =
        (0..customers.ids.len()).into_par_iter().map(drawn).collect();
    let id = |place: usize| &customers.ids[place];
    order.par_sort_unstable_by(|a, b| (a.0, a.1, id(a.2)).cmp(&(b.0, b.1, id(b.2))));
    let mut held = vec![false; order.len()];
    for stratum in order.chunk_by(|a, b| a.0 == b.0) {
        let exact = share * stratum.len() as f64;
        let whole = exact.floor();
        for (rank, &(_, hash, place)) in stratum.iter().enumerate().take(whole as usize + 1) {
            let rest = || unit(mix2(REST, hash)) < exact - whole;
            held[place] = rank < whole as usize || rest();
        }
    }
    held
}

/// The stratum of a customer: its tier and grade, where they are known.
fn stratum(customers: &Customers, place: usize) -> u8 {
    let tier = customers.tiers.as_ref().and_then(|tiers| tiers[place]);
    let grade = customers.grades.as_ref().and_then(|grades| grades[place]);
    let (tier, grade) = (tier.map_or(0, |t| t as u8 + 1), grade.map_or(0, |g| g as u8 + 1));
    16 * tier + grade
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::{Grade, LapseTier};

    fn customers(count: usize) -> Customers {
        Customers {
            ids: (0..count).map(|id| format!("c{id}")).collect(),
            tiers: Some((0..count).map(|c| (c % 7 > 0).then_some(LapseTier::ALL[c % 4])).collect()),
            grades: Some((0..count).map(|c| Some(Grade::ALL[c % 3])).collect()),
            ..Customers::default()
        }
    }

    #[test]
    fn every_stratum_has_its_share_to_the_customer_and_seeds_draw_others() {
        let all = customers(20_000);
        for share in [0.0, 0.1, 0.37] {
            let held = held_out(&all, 1, share);
            let mut strata = std::collections::BTreeMap::<u8, (f64, f64)>::new();
            for (place, held) in held.iter().enumerate() {
                let (of, out) = strata.entry(stratum(&all, place)).or_default();
                *of += 1.0;
                *out += f64::from(u8::from(*held));
            }
            assert!(
                strata.len() == 15
                    && strata.values().all(|(of, out)| (out - share * of).abs() < 1.0)
            );
        }
        let (one, two) = (held_out(&all, 1, 0.5), held_out(&all, 2, 0.5));
        let both = one.iter().zip(&two).filter(|(a, b)| **a && **b).count();
        assert!((both as i64 - 5_000).abs() < 250, "{both}");
    }

    #[test]
    fn everybody_has_the_same_probability_also_alone_and_order_does_not_matter() {
        for count in [1, 2, 13] {
            let all = customers(count);
            let mut times = vec![0; count];
            for seed in 0..20_000 {
                let held = held_out(&all, seed, 0.3);
                times.iter_mut().zip(held).for_each(|(times, held)| *times += i64::from(held));
            }
            // Four standard errors.
            assert!(times.iter().all(|times| (times - 6_000).abs() < 260), "{times:?}");
        }
        let all = customers(500);
        let mut turned = all.clone();
        turned.ids.reverse();
        turned.tiers.as_mut().unwrap().reverse();
        turned.grades.as_mut().unwrap().reverse();
        let mut held = held_out(&turned, 5, 0.2);
        held.reverse();
        assert_eq!(held, held_out(&all, 5, 0.2));
    }
}
