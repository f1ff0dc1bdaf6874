//! A program that is killed (SIGKILL) while it writes: what it was told is kept, is; of what it was not told, all or
//! nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use rekindle_store::{Outcome, Store};

use crate::both::in_both;
use crate::campaigns::{campaign, decision, outcome};

/// Outcomes of a transaction.
const BATCH: usize = 7;
/// Where the program to be killed finds its store, and which of its lives it is.
const STORE: &str = "REKINDLE_TEST_KILLED_STORE";
const LIFE: &str = "REKINDLE_TEST_KILLED_LIFE";

fn batch(life: &str, number: usize) -> Vec<Outcome> {
    let one = |row| outcome(&format!("{life} {number} {row}"), "ann", 1.0, number as i64);
    (0..BATCH).map(one).collect()
}

/// The program that is killed: this test, run by the other one.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(address), Ok(life)) = (std::env::var(STORE), std::env::var(LIFE)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open_existing(&address).await.unwrap();
        for number in 0.. {
            store.record_outcomes("spring", &batch(&life, number)).await.unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nkept {number}").unwrap();
            out.flush().unwrap();
        }
    });
}

/// Starts the program, lets it live for so long after its first batch, kills it, and says how many it had been told.
fn live_and_die(address: &str, life: &str, micros: u64) -> usize {
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::writes_until_it_is_killed", "--nocapture", "--test-threads=1"])
        .env(STORE, address)
        .env(LIFE, life)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let kept = |line: String| line.strip_prefix("kept ").map(|n| n.parse::<usize>().unwrap() + 1);
    let mut told = lines.by_ref().find_map(|line| kept(line.unwrap())).unwrap();
    std::thread::sleep(Duration::from_micros(micros));
    program.kill().unwrap();
    program.wait().unwrap();
    for line in lines {
        told = kept(line.unwrap()).unwrap_or(told);
    }
    told
}

#[test]
fn what_was_told_to_be_kept_outlives_a_kill_and_nothing_is_kept_by_halves() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        store
            .create_campaign(&campaign("spring"), &[decision("ann", "voucher", false)])
            .await
            .unwrap();
        store.close().await;
        let mut lives = Vec::new();
        for life in 0..12_u64 {
            let (address, name) = (address.clone(), format!("life-{life}"));
            let micros = life.wrapping_mul(2_654_435_769) % 40_000;
            let told = tokio::task::spawn_blocking({
                let name = name.clone();
                move || live_and_die(&address, &name, micros)
            });
            lives.push((name, told.await.unwrap()));
        }
        // Opened again, as after any start.
        let store = Store::open(&address).await.unwrap();
        let kept = store.customer("ann").await.unwrap().outcomes;
        let mut batches = 0;
        for (life, told) in &lives {
            let of = |number: usize| {
                let prefix = format!("{life} {number} ");
                kept.iter().filter(|o| o.of.outcome_id.starts_with(&prefix)).count()
            };
            for number in 0..*told {
                assert_eq!(of(number), BATCH, "{life} was told that {number} is kept");
            }
            // One may have been kept without a word.
            let untold = of(*told);
            assert!(untold == 0 || untold == BATCH, "{untold} of {BATCH} of {life}");
            batches += told + usize::from(untold > 0);
        }
        assert_eq!(kept.len(), batches * BATCH);
        println!("{} kills, {batches} batches: {store:?}", lives.len());
        // The same again is known, and the store goes on.
        let again = store.record_outcomes("spring", &batch(&lives[0].0, 0)).await.unwrap();
        assert_eq!((again.new, again.known), (0, BATCH as u64));
        store.close().await;
    });
}
