//! Intervals hold the truth about as often as they say. `benches/metrics/intervals.rs` does so at length.

#[path = "../../benches/metrics/world.rs"]
mod world;

use world::World;

#[test]
fn intervals_of_small_evaluations_hold_the_truth() {
    for said in [(1.0, 0.0), (1.3, 1.0)] {
        for found in World::new(0.1, 1.2, said).coverage(250, 500) {
            // 93 to 97 %, and what 250 evaluations may be off. Of a calibration error of 0 an interval can miss on one side
            // only.
            let most = if found.figure == "ece" { 1.0 } else { 0.99 };
            assert!((0.91..=most).contains(&found.share), "{said:?}: {found:?}");
        }
    }
}
