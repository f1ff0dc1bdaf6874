//! The slow twin of describing a customer: asks the time zone's own rules for every date, and every
//! period by itself.

use chrono::{DateTime, Datelike};
use chrono_tz::Tz;

use super::{Event, KINDS};
use crate::behaviour::Zone;
use crate::customer::*;

/// Days since 1970, the latest date that clocks showed within three hours.
pub(super) fn date(ms: i64, zone: Tz) -> i64 {
    let shown = |ms: i64| {
        let utc = DateTime::from_timestamp_millis(ms).unwrap();
        i64::from(utc.with_timezone(&zone).date_naive().num_days_from_ce()) - 719_163
    };
    (0..=180).map(|minutes| shown(ms - minutes * 60_000)).max().unwrap()
}

/// Describes a customer the long way round.
pub(super) fn twin(
    events: &[Event],
    cutoff: i64,
    rules: &BoundRules,
    zone: &Zone,
) -> CustomerState {
    let tz: Tz = zone.name().parse().unwrap();
    let rules = rules.rules();
    let is = |names: &[String], kind: u16| names.iter().any(|n| n == KINDS[usize::from(kind)]);
    let mut known: Vec<&Event> = events.iter().filter(|e| e.0 < cutoff && e.3 < cutoff).collect();
    known.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
    let (today, yesterday) = (date(cutoff, tz), date(cutoff - 1, tz));
    let ago = |e: &Event| yesterday - date(e.0, tz);
    let bought: Vec<&Event> = known.iter().copied().filter(|e| is(&rules.purchase, e.1)).collect();
    let mut days: Vec<i64> = bought.iter().map(|e| date(e.0, tz)).collect();
    days.sort_unstable();
    days.dedup();
    let within = |from: i64, to: i64| days.iter().any(|d| (from..to).contains(&(yesterday - d)));

    let amount = |span: i64| {
        let inside: Vec<&&Event> = known.iter().filter(|e| ago(e) < span).collect();
        let purchases: Vec<_> = inside.iter().filter(|e| is(&rules.purchase, e.1)).collect();
        if !purchases.is_empty() && purchases.iter().all(|e| e.2.is_nan()) {
            return f64::NAN;
        }
        let signed = inside.iter().filter(|e| !e.2.is_nan()).map(|e| {
            let purchase = is(&rules.purchase, e.1);
            if purchase {
                e.2
            } else if is(&rules.returns, e.1) {
                -e.2.abs()
            } else {
                0.0
            }
        });
        signed.fold(0.0, |sum, x| sum + x)
    };
    let span = rules.grades.span_days.map_or(i64::MAX, i64::from);
    let visits = if rules.visit.is_empty() { &rules.purchase } else { &rules.visit };
    let mut visit_days: Vec<i64> =
        known.iter().filter(|e| is(visits, e.1)).map(|e| ago(e)).filter(|a| *a < span).collect();
    visit_days.sort_unstable();
    visit_days.dedup();

    let mut gaps: Vec<f64> = days.windows(2).map(|d| (d[1] - d[0]) as f64).collect();
    gaps.sort_by(f64::total_cmp);
    let n = gaps.len();
    let median = (n > 0).then(|| (gaps[(n - 1) / 2] + gaps[n / 2]) / 2.0);
    let recency = days.last().map(|d| today - d);
    let begins = |tier: usize| match (rules.tiers.gaps, median) {
        (Some(own), Some(gap))
            if days.len() >= rules.tiers.min_purchase_days.unwrap_or(3) as usize =>
        {
            let floor = f64::from(rules.tiers.floor_days.unwrap_or(14));
            if own[0] * gap >= floor { own[tier] * gap } else { own[tier] / own[0] * floor }
        }
        _ => f64::from(rules.tiers.days[tier]),
    };
    let tier = recency.map(|days| match days as f64 {
        d if d >= begins(2) => LapseTier::Dormant,
        d if d >= begins(1) => LapseTier::HalfAsleep,
        d if d >= begins(0) => LapseTier::Drowsy,
        _ => LapseTier::Awake,
    });
    let loyalty =
        days.first().and_then(|first| twin_loyalty(&rules.loyalty, yesterday - first, within));
    let recent_days =
        days.iter().filter(|d| yesterday - **d < i64::from(rules.loyal.window_days)).count();
    let enough = recent_days >= rules.loyal.purchase_days as usize;
    let loyal = enough && (rules.loyal.by == LoyalBy::Count || loyalty == Some(LoyaltyType::Loyal));
    let stage = match (days.len(), tier) {
        (0, _) => LifecycleStage::Potential,
        (_, Some(tier)) if tier >= rules.lapsed_from => LifecycleStage::Lapsed,
        _ if loyal => LifecycleStage::Loyal,
        (1, _) => LifecycleStage::FirstTime,
        _ => LifecycleStage::Repeat,
    };
    CustomerState {
        lapse_tier: tier,
        lifecycle_stage: stage,
        loyalty_type: loyalty,
        recency_days: recency,
        tenure_days: days.first().map(|d| yesterday - d + 1),
        median_gap_days: median,
        purchases: bought.len() as u64,
        purchase_days: days.len() as u64,
        amount_sum: amount(i64::MAX),
        graded_amount: amount(span),
        graded_visit_days: visit_days.len() as u64,
    }
}

/// Period by period, each asked by itself.
fn twin_loyalty(
    rules: &Loyalty,
    first_ago: i64,
    within: impl Fn(i64, i64) -> bool,
) -> Option<LoyaltyType> {
    let length = i64::from(rules.period_days);
    let looked_back = (first_ago + 1).min(i64::from(rules.span_days));
    let periods: Vec<bool> = (0..)
        .map(|period| period * length)
        .take_while(|from| from + length <= looked_back)
        .map(|from| within(from, from + length))
        .collect();
    if periods.len() < rules.min_periods as usize {
        return None;
    }
    let recent = &periods[..rules.recent_periods as usize];
    let share = |of: &[bool]| of.iter().filter(|b| **b).count() as f64 / of.len() as f64;
    Some(if !recent.contains(&true) {
        LoyaltyType::Lost
    } else if share(&periods) >= rules.loyal_share && share(recent) >= rules.loyal_share {
        LoyaltyType::Loyal
    } else {
        LoyaltyType::Elastic
    })
}
