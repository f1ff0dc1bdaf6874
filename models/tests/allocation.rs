//! The kernel allocates nothing per event: counted by an allocator of this test's own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use rekindle_models::behaviour::{
    DAY_MS, Duplicates, Events, Feature, FeatureSpec, Kernel, Metric, Selector, Timeline, Window,
};
use rekindle_models::seed::mix2;

/// The system's allocator, counting what is asked of it by each thread: the threads of the test's own
/// harness ask too, whenever they like.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ASKED.with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it came; counting touches no memory of it,
// and a thread's counter is a number in place, made without allocating and never dropped.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const CUTOFF: i64 = 20_000 * DAY_MS;

fn customer(events: u64) -> Events {
    let mut made = Events { measures: vec![Vec::new()], ..Events::default() };
    let mut times: Vec<i64> =
        (0..events).map(|e| CUTOFF - 1 - (mix2(1, e) % (700 * DAY_MS as u64)) as i64).collect();
    times.sort_unstable();
    for (event, time) in (0..).zip(times) {
        made.times.push(time);
        made.kinds.push((mix2(2, event) % 3) as u16);
        made.measures[0].push((mix2(3, event) % 1_000) as f64 / 10.0);
    }
    made
}

fn spec() -> FeatureSpec {
    use Metric::*;
    let kinds = ["purchase", "return", "visit"].map(str::to_owned).to_vec();
    let mut features = Vec::new();
    for window in [Window::Days(7), Window::Days(90), Window::All] {
        for metric in [Count, Days, GapMedian, GapSpread, StreakMax, WeekdayEntropy, Kinds] {
            features.push(Feature::new(metric, Selector::kind("visit"), window));
        }
        for metric in [Sum, Mean, Max, Spread] {
            let feature = Feature::new(metric, Selector::kind("purchase"), window);
            features.push(Feature { measure: Some("amount".to_owned()), ..feature });
        }
    }
    FeatureSpec {
        timezone: "Europe/Paris".to_owned(),
        kinds,
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes: Vec::new(),
    }
}

#[test]
fn a_customer_with_many_events_costs_no_more_allocations_than_one_with_few() {
    let kernel = Kernel::new(&spec()).unwrap();
    let (mut scratch, mut kept) = (kernel.scratch(), Events::default());
    let mut row = vec![0.0; kernel.width()];
    let mut asked = |events: &Events| {
        let before = ASKED.get();
        let timeline = Timeline::new(events, 0..events.len());
        kernel.fill(&timeline.history(CUTOFF, &mut kept), &mut scratch, &mut row);
        ASKED.get() - before
    };
    let (many, few) = (customer(20_000), customer(20));
    // The first makes room that is kept.
    let first = asked(&many);
    assert_eq!((asked(&many), asked(&few)), (0, 0), "the first customer: {first}");
}
