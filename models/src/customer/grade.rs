//! Grades: whom to put effort into, by value and by how often they come, among a population. The cuts
//! are learned once and kept, so that one customer is graded as the batch was.

use serde::{Deserialize, Serialize};

use crate::customer::rules::check;
use crate::error::{Error, Result};

/// Whom to put effort into, `A` the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grade {
    /// The top.
    A,
    /// Between.
    B,
    /// The rest.
    C,
}

/// How a population is cut into grades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grades {
    /// Share of the population that is `A`, above 0.
    pub a: f64,
    /// Share that is `B`, at least 0; with `a` at most 1.
    pub b: f64,
    /// Only the last so many days count, at least 1; all of the history where it is not given.
    pub span_days: Option<u32>,
}

/// Where the grades of one measure begin: at or above `a` is A, at or above `b` is B.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cuts {
    /// From where on A; `None`: nobody is.
    pub a: Option<f64>,
    /// From where on at least B, at most `a`; `None`: nobody is.
    pub b: Option<f64>,
}

/// The cuts of a population at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradeCuts {
    /// Of the value: profit minus cost, so far and expected, where it is known (`rekindle value`), else
    /// the sum of amounts. In the amounts' currency.
    pub value: Cuts,
    /// Of the number of days with a visit.
    pub frequency: Cuts,
}

impl Grade {
    /// All grades, in order.
    pub const ALL: [Grade; 3] = [Grade::A, Grade::B, Grade::C];

    /// Its name as it stands in files and replies.
    pub fn text(self) -> &'static str {
        match self {
            Grade::A => "A",
            Grade::B => "B",
            Grade::C => "C",
        }
    }
}

impl Default for Grades {
    fn default() -> Grades {
        Grades { a: 0.2, b: 0.3, span_days: None }
    }
}

impl Grades {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        check(
            self.a > 0.0 && self.a <= 1.0,
            "customers.grades.a",
            &self.a,
            "above 0 and at most 1",
        )?;
        let rest = self.b >= 0.0 && self.a + self.b <= 1.0 + ROUNDING;
        check(rest, "customers.grades.b", &self.b, "at least 0, and with a at most 1")?;
        let span = self.span_days.unwrap_or(1);
        check(span >= 1, "customers.grades.span_days", &span, "at least 1")
    }
}

/// Sums of shares such as 0.7 + 0.1 fall a rounding short of the share that is meant.
const ROUNDING: f64 = 1e-9;

impl GradeCuts {
    /// Learns the cuts of a population: one value and one frequency for each customer, of those who
    /// bought at least once. A missing value (NaN) counts for no cut of values.
    ///
    /// A cut is the lowest value such that no more than the share of the population is at or above it.
    /// Customers who are equal get equal grades: where more than the share of them share the top value,
    /// nobody is in the grade by that measure. Cost: two sorts.
    ///
    /// # Errors
    /// When the rules are out of range, there is no customer, or the two do not have the same length.
    pub fn learn(values: &[f64], frequencies: &[f64], grades: &Grades) -> Result<GradeCuts> {
        grades.validate()?;
        if values.is_empty() || values.len() != frequencies.len() {
            return Err(Error::BadParameter {
                parameter: "population to learn grades from",
                found: format!("{} values and {} frequencies", values.len(), frequencies.len()),
                expected: "as many of each, and one customer at least",
            });
        }
        Ok(GradeCuts {
            value: Cuts::learn(values, grades),
            frequency: Cuts::learn(frequencies, grades),
        })
    }

    /// The grade of one customer. By value and by frequency there is one each; the two make:
    ///
    /// | | A by frequency | B | C |
    /// |---|---|---|---|
    /// | A by value | A | A | B |
    /// | B by value | B | B | B |
    /// | C by value | B | C | C |
    ///
    /// that is, the value's grade, but B where the two are as far apart as can be. A missing value (NaN)
    /// leaves the grade to the frequency alone.
    pub fn grade(&self, value: f64, frequency: f64) -> Grade {
        let by_frequency = self.frequency.grade(frequency);
        if value.is_nan() {
            return by_frequency;
        }
        match (self.value.grade(value), by_frequency) {
            (Grade::A, Grade::C) | (Grade::C, Grade::A) => Grade::B,
            (by_value, _) => by_value,
        }
    }

    /// # Errors
    /// When saved cuts are not numbers, or B begins above A.
    pub fn validate(&self) -> Result<()> {
        for (parameter, cuts) in
            [("value cuts of grades", self.value), ("frequency cuts of grades", self.frequency)]
        {
            let numbers = [cuts.a, cuts.b].into_iter().flatten().all(|cut| !cut.is_nan());
            let ordered = cuts.a.is_none_or(|a| cuts.b.is_some_and(|b| b <= a));
            check(numbers && ordered, parameter, &format!("{cuts:?}"), "numbers, b at most a")?;
        }
        Ok(())
    }
}

impl Cuts {
    fn learn(measures: &[f64], grades: &Grades) -> Cuts {
        let mut falling: Vec<f64> = measures.iter().copied().filter(|x| !x.is_nan()).collect();
        falling.sort_unstable_by(|x, y| y.total_cmp(x));
        Cuts { a: cut(&falling, grades.a), b: cut(&falling, grades.a + grades.b) }
    }

    fn grade(&self, measure: f64) -> Grade {
        let from = |cut: Option<f64>| cut.is_some_and(|cut| measure >= cut);
        match (from(self.a), from(self.b)) {
            (true, _) => Grade::A,
            (false, true) => Grade::B,
            (false, false) => Grade::C,
        }
    }
}

/// The lowest of the falling numbers such that at most `share` of them are at or above it.
fn cut(falling: &[f64], share: f64) -> Option<f64> {
    let mut cut = None;
    let mut at_or_above = 0;
    // Equal by `==`, as grading compares: 0 and -0 go together.
    for equal in falling.chunk_by(|x, y| x == y) {
        at_or_above += equal.len();
        if at_or_above as f64 / falling.len() as f64 > share + ROUNDING {
            break;
        }
        cut = Some(equal[0]);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use Grade::*;
    use proptest::prelude::*;

    fn check(population: &[f64], shares: (f64, f64), expected: (Option<f64>, Option<f64>)) {
        let grades = Grades { a: shares.0, b: shares.1, span_days: None };
        let cuts = GradeCuts::learn(population, population, &grades).unwrap();
        assert_eq!((cuts.value.a, cuts.value.b), expected, "{population:?}");
        assert_eq!(cuts.value, cuts.frequency);
        cuts.validate().unwrap();
    }

    #[test]
    fn cuts_leave_at_most_the_share_above() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        check(&ten, (0.2, 0.3), (Some(9.0), Some(6.0)));
        check(&ten, (0.7, 0.1), (Some(4.0), Some(3.0)));
        check(&ten, (0.1, 0.2), (Some(10.0), Some(8.0)));
        check(&ten, (0.19, 0.0), (Some(10.0), Some(10.0)));
        check(&ten, (0.5, 0.5), (Some(6.0), Some(1.0)));
    }

    #[test]
    fn equal_customers_are_not_torn_apart() {
        // 85 % came once: those who came twice are A, and nobody is B by it.
        let mut visits = vec![1.0; 85];
        visits.extend([2.0; 15]);
        check(&visits, (0.2, 0.3), (Some(2.0), Some(2.0)));
        check(&[5.0; 9], (0.2, 0.3), (None, None));
        check(&[0.0, -0.0, 3.0, 4.0], (0.25, 0.5), (Some(4.0), Some(3.0)));
        check(&[7.0], (0.2, 0.3), (None, None));
        check(&[f64::NAN; 3], (0.2, 0.3), (None, None));
        check(&[f64::NAN, 2.0, 1.0], (0.5, 0.5), (Some(2.0), Some(1.0)));
    }

    #[test]
    fn value_decides_unless_the_two_are_far_apart() {
        let cuts = Cuts { a: Some(9.0), b: Some(6.0) };
        let both = GradeCuts { value: cuts, frequency: cuts };
        for (value, frequency, expected) in [
            (9.0, 9.0, A),
            (9.0, 6.0, A),
            (9.0, 5.9, B),
            (8.9, 9.0, B),
            (6.0, 6.0, B),
            (6.0, 0.0, B),
            (5.9, 9.0, B),
            (5.9, 8.9, C),
            (-3.0, 0.0, C),
            (f64::NAN, 9.0, A),
            (f64::NAN, 0.0, C),
            (f64::INFINITY, 6.0, A),
        ] {
            assert_eq!(both.grade(value, frequency), expected, "{value} {frequency}");
        }
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused() {
        let grades = Grades::default();
        for (values, frequencies) in [(&[][..], &[][..]), (&[1.0][..], &[][..])] {
            let error = GradeCuts::learn(values, frequencies, &grades).unwrap_err().to_string();
            assert!(error.contains("one customer at least"), "{error}");
        }
        for wrong in [
            Grades { a: 0.0, ..Grades::default() },
            Grades { a: 0.8, ..Grades::default() },
            Grades { b: f64::NAN, ..Grades::default() },
            Grades { span_days: Some(0), ..Grades::default() },
        ] {
            GradeCuts::learn(&[1.0], &[1.0], &wrong).unwrap_err();
        }
        let cuts = Cuts { a: Some(1.0), b: Some(2.0) };
        GradeCuts { value: cuts, frequency: cuts }.validate().unwrap_err();
        let cuts = Cuts { a: Some(1.0), b: None };
        GradeCuts { value: cuts, frequency: cuts }.validate().unwrap_err();
    }

    proptest! {
        /// The slow twin counts, for each customer, how many are at or above.
        #[test]
        fn cuts_agree_with_counting(
            population in prop::collection::vec(-3_i8..8, 1..60),
            a in 1_u32..60,
            b in 0_u32..40,
        ) {
            let (a, b) = (f64::from(a) / 100.0, f64::from(b) / 100.0);
            let population: Vec<f64> = population.into_iter().map(f64::from).collect();
            let grades = Grades { a, b, span_days: None };
            let cuts = GradeCuts::learn(&population, &population, &grades).unwrap();
            for &x in &population {
                let above = population.iter().filter(|y| **y >= x).count() as f64;
                let share = above / population.len() as f64;
                let expected = match share {
                    _ if share <= a + ROUNDING => A,
                    _ if share <= a + b + ROUNDING => B,
                    _ => C,
                };
                prop_assert_eq!(cuts.grade(x, x), expected);
                prop_assert_eq!(cuts.grade(f64::NAN, x), expected);
            }
        }

        #[test]
        fn saved_cuts_grade_alike(population in prop::collection::vec(-1e9_f64..1e9, 1..40)) {
            let cuts = GradeCuts::learn(&population, &population, &Grades::default()).unwrap();
            let saved = serde_json::to_string(&cuts).unwrap();
            prop_assert_eq!(serde_json::from_str::<GradeCuts>(&saved).unwrap(), cuts);
        }
    }
}
