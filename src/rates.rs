//! Rate limits by caller: how many requests a second, and how many at once. Decides only; what a
//! refused client is told is not said here.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Limits of callers, each by itself. Callers are kept as 64-bit hashes under a random seed: no
/// check allocates, an entry takes some 20 bytes, and nobody can choose names that meet.
pub struct RateLimits {
    default_per_second: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
    /// A limiter per rate, because one has a single rate for all its callers.
    by_rate: RwLock<HashMap<NonZeroU32, DefaultKeyedRateLimiter<u64>>>,
    clock: DefaultClock,
    seed: RandomState,
    checks: AtomicU32,
}

/// After so many checks callers that are at rest are forgotten, whether or not anybody calls
/// [`RateLimits::tidy`]: a flood from ever new addresses must not fill the memory.
const TIDY_EVERY: u32 = 1 << 16;

impl RateLimits {
    /// Limits where callers without a rate of their own have `default_per_second` (none: they are
    /// not limited). `burst` is how many requests may come at once after a rest (none: as many as
    /// the rate lets through in a second).
    pub fn new(default_per_second: Option<NonZeroU32>, burst: Option<NonZeroU32>) -> RateLimits {
        RateLimits {
            default_per_second,
            burst,
            by_rate: RwLock::default(),
            clock: DefaultClock::default(),
            seed: RandomState::new(),
            checks: AtomicU32::new(0),
        }
    }

    /// Counts a request of a caller named by its key's id, whose own rate, if any, goes before the
    /// default.
    ///
    /// # Errors
    /// When it comes too soon: how long to wait, more than 0. It is then not counted.
    pub fn check(&self, caller: &str, per_second: Option<NonZeroU32>) -> Result<(), Duration> {
        self.count(self.seed.hash_one(caller), per_second)
    }

    /// Counts a request of a caller known by its address alone, at the default rate. IPv6 hosts
    /// have a network of 2^64 addresses each, so they are told apart by their first 64 bits.
    ///
    /// # Errors
    /// As [`RateLimits::check`].
    pub fn check_peer(&self, address: IpAddr) -> Result<(), Duration> {
        self.count(self.seed.hash_one(network(address)), None)
    }

    fn count(&self, caller: u64, per_second: Option<NonZeroU32>) -> Result<(), Duration> {
        let Some(rate) = per_second.or(self.default_per_second) else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.tidy();
        }
        let by_rate = self.by_rate.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = by_rate.get(&rate) {
            return self.ask(limiter, caller);
        }
        drop(by_rate);
        let mut by_rate = self.by_rate.write().unwrap_or_else(PoisonError::into_inner);
        let quota = Quota::per_second(rate).allow_burst(self.burst.unwrap_or(rate));
        self.ask(
            by_rate.entry(rate).or_insert_with(|| DefaultKeyedRateLimiter::keyed(quota)),
            caller,
        )
    }

    fn ask(&self, limiter: &DefaultKeyedRateLimiter<u64>, caller: u64) -> Result<(), Duration> {
        limiter.check_key(&caller).map_err(|soon| {
            // Rounding may leave nothing to wait for; a client that is refused must wait.
            soon.wait_time_from(self.clock.now()).max(Duration::from_millis(1))
        })
    }

    /// Forgets callers that are at rest, whom the next request would find as if they were new.
    /// Costs a pass over all callers; to be called every minute or so.
    pub fn tidy(&self) {
        let mut by_rate = self.by_rate.write().unwrap_or_else(PoisonError::into_inner);
        by_rate.retain(|_, limiter| {
            limiter.retain_recent();
            limiter.shrink_to_fit();
            !limiter.is_empty()
        });
    }

    /// How many callers are remembered.
    pub fn callers(&self) -> usize {
        let by_rate = self.by_rate.read().unwrap_or_else(PoisonError::into_inner);
        by_rate.values().map(|limiter| limiter.len()).sum()
    }
}

/// What stands for a host: an IPv4 address (also one written as IPv6), or an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    fn some(count: u32) -> Option<NonZeroU32> {
        NonZeroU32::new(count)
    }

    #[test]
    fn a_burst_passes_and_the_next_request_is_told_how_long_to_wait() {
        let limits = RateLimits::new(some(2), some(3));
        for _ in 0..3 {
            limits.check("a", None).unwrap();
        }
        let wait = limits.check("a", None).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
        // Waiting as told is enough.
        sleep(wait);
        limits.check("a", None).unwrap();
        assert!(limits.check("a", None).is_err());
    }

    #[test]
    fn callers_do_not_share_a_limit_and_may_have_their_own() {
        let limits = RateLimits::new(some(1), None);
        limits.check("a", None).unwrap();
        assert!(limits.check("a", None).is_err());
        limits.check("b", None).unwrap();
        for _ in 0..5 {
            limits.check("c", some(5)).unwrap();
        }
        assert!(limits.check("c", some(5)).is_err());
    }

    #[test]
    fn without_a_default_only_callers_with_their_own_rate_are_limited() {
        let limits = RateLimits::new(None, None);
        for _ in 0..1_000 {
            limits.check("a", None).unwrap();
        }
        limits.check("b", some(1)).unwrap();
        assert!(limits.check("b", some(1)).is_err());
        assert_eq!(limits.callers(), 1);
    }

    #[test]
    fn an_ipv6_host_has_one_limit_for_all_its_addresses() {
        let limits = RateLimits::new(some(1), None);
        let check = |text: &str| limits.check_peer(text.parse().unwrap()).is_ok();
        assert!(check("2001:db8::1"));
        assert!(!check("2001:db8::ffff:1:2:3"));
        assert!(check("2001:db8:0:1::1"));
        assert!(check("192.0.2.1"));
        assert!(!check("::ffff:192.0.2.1"));
        assert!(check("192.0.2.2"));
    }

    #[test]
    fn callers_at_rest_are_forgotten_and_others_are_not() {
        let limits = RateLimits::new(some(100), some(60));
        for _ in 0..60 {
            limits.check("busy for a minute", some(1)).unwrap();
        }
        for caller in 0..500 {
            limits.check(&caller.to_string(), None).unwrap();
        }
        assert_eq!(limits.callers(), 501);
        sleep(Duration::from_millis(100));
        limits.tidy();
        assert_eq!(limits.callers(), 1);
    }

    #[test]
    fn a_flood_of_new_callers_is_tidied_up_by_itself() {
        let limits = RateLimits::new(some(1_000_000), some(1));
        for caller in 0..3 * TIDY_EVERY {
            limits.check_peer(IpAddr::V4(caller.into())).unwrap();
        }
        assert!(limits.callers() <= TIDY_EVERY as usize + 1_000, "{}", limits.callers());
    }
}
