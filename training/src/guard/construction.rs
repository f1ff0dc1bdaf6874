//! Features that are fed from the horizon: dates that lie after the cutoff, which only customers of one class have. What
//! is made from events cannot be: the kernel sees no event at or after the cutoff.

use super::counts::Counts;
use super::value::{TIMES_AS_OFTEN, only_one_class};
use super::{Case, Test};

/// As [`TIMES_AS_OFTEN`], where there is no time of knowing: an appointment that those who stay are more likely to have
/// is honest where it is known when it was made.
const UNTIMED_TIMES_AS_OFTEN: f64 = 10.0;

/// Whether a date that only one class has lies after the cutoff: it tells of the target's own event, or of what followed
/// from it. A date that was agreed on before (a contract's end) lies ahead for both classes.
pub(super) fn dates_ahead(case: &mut Case<'_>) {
    for feature in 0..case.features.len() {
        let place = case.scan.features[feature];
        let days = case.scan.frame.numbers(place);
        let Some(days) = days.filter(|_| case.scan.dates.contains(&place)) else { continue };
        let ahead =
            |row: &u32| u32::from(days[*row as usize] >= 0.0 || days[*row as usize].is_nan());
        let places: Vec<u32> = case.sample.rows.iter().map(ahead).collect();
        let counts = Counts::new(2, &places, &case.sample);
        let [without, with] = counts.with_value();
        let untimed = case.scan.untimed.contains(&place);
        let times = if untimed { UNTIMED_TIMES_AS_OFTEN } else { TIMES_AS_OFTEN };
        if !only_one_class(without, with, case.sample.stands_for, times) {
            continue;
        }
        let share = |(ahead, all): (f64, f64)| 100.0 * ahead / all;
        let evidence = format!(
            "the date lies after the cutoff for {:.1} % of rows with the target and for {:.1} % of those without it: it \
             was written in the horizon; {} training rows",
            share(with),
            share(without),
            case.sample.rows.len()
        );
        let auc = 0.5 + (share(with) - share(without)).abs() / 200.0;
        case.exclude(feature, Test::Construction, auc, evidence);
    }
}
