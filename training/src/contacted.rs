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

/// What campaigns did with customers.
#[derive(Debug, Clone, Default)]
pub struct Contacted {
    /// By campaign: when it began and when it contacted anybody, in milliseconds, rising.
    campaigns: Vec<Vec<i64>>,
    customers: HashMap<String, Customer>,
}

#[derive(Debug, Clone, Default)]
struct Customer {
    /// When the customer was contacted, in milliseconds.
    contacts: Vec<i64>,
    parts: Vec<(usize, Part)>,
}

impl Contacted {
    /// Takes a campaign: when it began, in milliseconds, where it did, its customers' parts, and the contacts that were
    /// made (customer, milliseconds).
    pub fn add(
        &mut self,
        began: Option<i64>,
        parts: impl IntoIterator<Item = (String, Part)>,
        contacts: impl IntoIterator<Item = (String, i64)>,
    ) {
        let place = self.campaigns.len();
        let mut times: Vec<i64> = began.into_iter().collect();
        for (customer, time) in contacts {
            times.push(time);
            self.customers.entry(customer).or_default().contacts.push(time);
        }
        for (customer, part) in parts {
            self.customers.entry(customer).or_default().parts.push((place, part));
        }
        times.sort_unstable();
        self.campaigns.push(times);
    }

    /// How many rows a customer's row stands for, when what is asked of it happens from `from` on and before `until`, in
    /// milliseconds: 1, or more for who was held out then; `None` for who was contacted then, or was to be in a campaign
    /// that reached anybody then.
    ///
    /// A campaign draws who is held out. So of all whom it would have contacted, those held out stand for all of them
    /// with the inverse of their probability, whether every contact was made or not. Each campaign draws anew.
    pub fn weight(&self, customer: &str, from: i64, until: i64) -> Option<f64> {
        let Some(customer) = self.customers.get(customer) else { return Some(1.0) };
        let within = |time: &i64| (from..until).contains(time);
        if customer.contacts.iter().any(within) {
            return None;
        }
        let mut weight = 1.0;
        for (campaign, part) in &customer.parts {
            let times = &self.campaigns[*campaign];
            let first = times.partition_point(|time| *time < from);
            if times.get(first).is_some_and(within) {
                let Part::HeldOut(share) = *part else { return None };
                weight /= share;
            }
        }
        Some(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contacted() -> Contacted {
        let mut contacted = Contacted::default();
        let part = |customer: &str, part| (customer.to_owned(), part);
        contacted.add(
            Some(100),
            [
                part("ann", Part::Assigned),
                part("bob", Part::HeldOut(0.25)),
                part("cem", Part::HeldOut(0.25)),
                part("dan", Part::Assigned),
            ],
            [("ann".to_owned(), 150)],
        );
        contacted.add(Some(120), [part("cem", Part::HeldOut(0.5))], []);
        contacted
    }

    #[test]
    fn who_was_or_was_to_be_contacted_in_the_window_has_no_answer() {
        let contacted = contacted();
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
    fn draws_of_campaigns_are_independent() {
        assert_eq!(contacted().weight("cem", 0, 900), Some(8.0));
    }
}
