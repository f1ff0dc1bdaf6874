//! How often the intervals of reports hold the truth: so many evaluations of so many rows each, at a base rate, by a
//! calibrated model and by one that says too much. `cargo run --release -p rekindle-models --example intervals -- 1000 500 0.1`

mod world;

use world::World;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [evaluations, rows, base_rate] = words.as_slice() else {
        return Err("expected how many evaluations, how many rows and the base rate".into());
    };
    let (evaluations, rows) = (evaluations.parse()?, rows.parse()?);
    let base_rate: f64 = base_rate.parse()?;
    for (name, said) in [("calibrated", (1.0, 0.0)), ("says too much", (1.3, 1.0))] {
        println!("{name}: {evaluations} evaluations of {rows} rows at a base rate of {base_rate}");
        println!("{:<20} {:>9} {:>9} {:>9} {:>9}", "", "truth", "held", "above it", "width");
        for found in World::new(base_rate, 1.2, said).coverage(evaluations, rows) {
            println!(
                "{:<20} {:>9.4} {:>8.1}% {:>8.1}% {:>9.4}",
                found.figure,
                found.truth,
                100.0 * found.share,
                100.0 * found.above,
                found.width
            );
        }
    }
    Ok(())
}
