//! Intervals hold the truth about as often as they say. `benches/metrics/intervals.rs` does so at length.

#[path = "../../benches/metrics/world.rs"]
mod world;

use world::World;

#[test]
fn intervals_of_small_evaluations_hold_the_truth() {
    for said in [(1.0, 0.0), (1.3, 1.0)] {
        for found in World::new(0.1, 1.2, said).coverage(250, 500) {
            // Three standard errors of 250 draws around 93 to 97 %, as far as there are so many.
            assert!((0.90..=0.99).contains(&found.share), "{said:?}: {found:?}");
        }
    }
}
