//! Whose answers say what happens when customers are left alone: who was contacted has none, who was held out in their
//! place stands for them. Reads no store.

use std::collections::HashMap;

/// What a customer was in a campaign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// To be contacted.
    Assigned,
    /// Held out at random, with this probability, above 0.
    HeldOut(f64),
}

/// A campaign as it reached customers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reach {
    /// When it began, in milliseconds; `None` where it never did.
    pub began: Option<i64>,
    /// The seed that decided who was held out; with the same one, campaigns hold out the same customers.
    pub seed: Option<u64>,
}

/// What campaigns did with customers.
#[derive(Debug, Clone, Default)]
pub struct Contacted {
    campaigns: Vec<Campaign>,
    customers: HashMap<String, Customer>,
}

#[derive(Debug, Clone)]
struct Campaign {
    seed: Option<u64>,
    /// When it began and when it contacted anybody, in milliseconds, rising.
    times: Vec<i64>,
}

#[derive(Debug, Clone, Default)]
struct Customer {
    /// When the customer was contacted, in milliseconds.
    contacts: Vec<i64>,
    parts: Vec<(usize, Part)>,
}

impl Contacted {
    /// Takes a campaign, with its customers' parts and the contacts that were made (customer, milliseconds).
    pub fn add(
        &mut self,
        reach: Reach,
        parts: impl IntoIterator<Item = (String, Part)>,
        contacts: impl IntoIterator<Item = (String, i64)>,
    ) {
        let place = self.campaigns.len();
        let mut times: Vec<i64> = reach.began.into_iter().collect();
        for (customer, time) in contacts {
            times.push(time);
            self.customers.entry(customer).or_default().contacts.push(time);
        }
        for (customer, part) in parts {
            self.customers.entry(customer).or_default().parts.push((place, part));
        }
        times.sort_unstable();
        self.campaigns.push(Campaign { seed: reach.seed, times });
    }

    /// How many rows a customer's row stands for, when what is asked of it happens from `from` on and before `until`, in
    /// milliseconds: 1, or more for who was held out then; `None` for who was contacted then, or was to be in a campaign
    /// that reached anybody then.
    ///
    /// A campaign draws who is held out. So of all whom it would have contacted, those held out stand for all of them
    /// with the inverse of their probability, whether every contact was made or not.
    pub fn weight(&self, customer: &str, from: i64, until: i64) -> Option<f64> {
        let Some(customer) = self.customers.get(customer) else { return Some(1.0) };
        let within = |time: &i64| (from..until).contains(time);
        if customer.contacts.iter().any(within) {
            return None;
        }
        // Draws by the same seed are one draw: who is held out by the smaller share is by the larger.
        let mut shares: Vec<(Option<u64>, f64)> = Vec::new();
        for (place, part) in &customer.parts {
            let campaign = &self.campaigns[*place];
            let first = campaign.times.partition_point(|time| *time < from);
            if !campaign.times.get(first).is_some_and(within) {
                continue;
            }
            let Part::HeldOut(share) = *part else { return None };
            let known =
                |(seed, _): &&mut (Option<u64>, f64)| seed.is_some() && *seed == campaign.seed;
            match shares.iter_mut().find(known) {
                Some((_, least)) => *least = least.min(share),
                None => shares.push((campaign.seed, share)),
            }
        }
        Some(shares.into_iter().map(|(_, share)| 1.0 / share).product())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacted(seeds: [Option<u64>; 2]) -> Contacted {
        let mut contacted = Contacted::default();
        let part = |customer: &str, part| (customer.to_owned(), part);
        let reach = |seed, began| Reach { began: Some(began), seed };
        contacted.add(
            reach(seeds[0], 100),
            [
                part("ann", Part::Assigned),
                part("bob", Part::HeldOut(0.25)),
                part("cem", Part::HeldOut(0.25)),
                part("dan", Part::Assigned),
            ],
            [("ann".to_owned(), 150)],
        );
        contacted.add(reach(seeds[1], 120), [part("cem", Part::HeldOut(0.5))], []);
        contacted
    }

    #[test]
    fn who_was_or_was_to_be_contacted_in_the_window_has_no_answer() {
        let contacted = contacted([None, None]);
        let check = |customer: &str, from, until, expected: Option<f64>| {
            assert_eq!(
                contacted.weight(customer, from, until),
                expected,
                "{customer} {from} {until}"
            );
        };
        check("ann", 150, 151, None);
        check("ann", 0, 150, None);
        check("ann", 0, 100, Some(1.0));
        check("ann", 151, 900, Some(1.0));
        // Not contacted, but those like him who were held out stand for him.
        check("dan", 100, 101, None);
        check("dan", 101, 150, Some(1.0));
        check("bob", 100, 101, Some(4.0));
        // The campaign went on until it contacted somebody.
        check("bob", 140, 900, Some(4.0));
        check("bob", 151, 900, Some(1.0));
        check("eve", 0, 900, Some(1.0));
    }

    #[test]
    fn draws_by_the_same_seed_are_one_draw() {
        let weight = |seeds| contacted(seeds).weight("cem", 0, 900);
        assert_eq!(weight([Some(1), Some(1)]), Some(4.0));
        assert_eq!(weight([Some(1), Some(2)]), Some(8.0));
        assert_eq!(weight([None, None]), Some(8.0));
    }
}
