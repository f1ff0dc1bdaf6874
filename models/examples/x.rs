//! x
fn main() {
    let p = std::env::args().nth(1).unwrap();
    let t = std::time::Instant::now();
    let f = rekindle_models::frame::read(std::path::Path::new(&p), &Default::default());
    let f = match f {
        Ok(f) => f,
        Err(e) => {
            println!("{e}");
            std::process::exit(2)
        }
    };
    println!("{} x {} in {:?}", f.rows(), f.schema().len(), t.elapsed());
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", s.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    if f.schema().len() < 30 {
        for (i, c) in f.schema().fields().iter().enumerate() {
            println!(
                "{} {} {:?}",
                c.name,
                c.kind.name(),
                (0..3).map(|r| f.text(i, r)).collect::<Vec<_>>()
            );
        }
    }
}
