//! Scheduler and executors as processes on this machine, started by `cluster/local`: what they write is what one process
//! writes, to the bit, and stays so when some of them die, stall, or find their disk full.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod machines;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use machines::{Machines, client, log, numbers, run, said};

/// Waits until something is so; a machine that is busy may take its time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many parts of a folder are built.
fn built(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("_rekindle/built")).map_or(0, |files| files.count())
}

/// The command of a job that is under way, once some of its parts are built and others are not.
fn under_way(folder: &Path, url: &str, output: &str, parts: &str) -> std::process::Child {
    let words = ["features", "-o", output, "--parts", parts, "--cluster", url];
    let all = parts.parse::<usize>().unwrap();
    let before = built(&folder.join(output));
    let child = client(folder).args(words).stderr(Stdio::piped()).spawn().unwrap();
    until("some parts to be built", || (before + 2..all).contains(&built(&folder.join(output))));
    child
}

#[test]
fn features_scores_and_samples_are_those_of_one_machine() {
    let folder = log(1_500);
    let here = folder.path();
    run(here, &["features", "-o", "whole.parquet"]);
    let fit = ["--target", "churned", "--model", "boosting", "--no-influence"];
    run(here, &[&["fit", "whole.parquet", "-o", "registry"][..], &fit].concat());
    run(
        here,
        &["score", "registry/churned", "whole.parquet", "-o", "scores.parquet", "--reasons", "2"],
    );

    let two = Machines::start(here, "two", 2, "", "");
    let url = two.url();
    run(here, &["features", "-o", "parts", "--parts", "16", "--cluster", url]);
    assert_eq!(numbers(&here.join("parts")), numbers(&here.join("whole.parquet")));
    run(
        here,
        &["score", "registry/churned", "parts", "-o", "scores", "--reasons", "2", "--cluster", url],
    );
    assert_eq!(numbers(&here.join("scores")), numbers(&here.join("scores.parquet")));
    // Given again, there is nothing to do.
    let again = ["features", "-o", "parts", "--parts", "16", "--cluster", url];
    assert!(said(here, &again).contains("all parts are there already"));
    // A folder of parts is a table like any other.
    run(here, &[&["fit", "parts", "-o", "of-parts"][..], &fit].concat());
    let model =
        |registry: &str| std::fs::read(here.join(registry).join("churned/1/model.rekindle"));
    assert!(model("of-parts").unwrap() == model("registry").unwrap());
    let sampled = |registry: &str, url: &str| {
        let words = ["fit", "parts", "-o", registry, "--sample", "1200", "--cluster", url];
        let told = said(here, &[&words[..], &fit].concat());
        assert!(told.contains("a sample of 1"), "{told}");
    };
    sampled("sampled-2", url);
    // Its weights are the sample's: tables that are judged on have none.
    let project = std::fs::read_to_string(here.join("rekindle.toml")).unwrap();
    let (before, after) = project.split_once("[panel]").unwrap();
    let after = after.split_once("[features]").unwrap().1;
    let later = format!("{before}[panel]\ncutoffs = [\"2024-12-05\"]\n[features]{after}");
    std::fs::write(here.join("later.toml"), later).unwrap();
    run(here, &["features", "later.toml", "-o", "later.parquet"]);
    run(here, &["evaluate", "sampled-2/churned", "later.parquet"]);
    // A part that is gone is missed, with and without a cluster.
    let part = here.join("parts/part-00003.parquet");
    std::fs::rename(&part, here.join("aside")).unwrap();
    let lacks = "part-00003.parquet is not there; expected the parts that rekindle.json lists";
    let score = ["score", "registry/churned", "parts", "-o", "again"];
    assert!(machines::refused(here, &score).contains(lacks));
    assert!(machines::refused(here, &[&score[..], &["--cluster", url]].concat()).contains(lacks));
    assert!(machines::refused(here, &again).contains(lacks));
    std::fs::rename(here.join("aside"), &part).unwrap();
    drop(two);

    let one = Machines::start(here, "one", 1, "", "");
    sampled("sampled-1", one.url());
    assert!(model("sampled-1").unwrap() == model("sampled-2").unwrap());
    let names =
        std::fs::read_dir(here.join("parts")).unwrap().map(|file| file.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with('_')));
}

#[test]
fn an_executor_that_dies_or_stalls_changes_nothing() {
    let folder = log(6_000);
    let here = folder.path();
    run(here, &["features", "-o", "whole.parquet"]);
    let whole = numbers(&here.join("whole.parquet"));
    let machines = Machines::start(here, "two", 2, "--executor-timeout 8", "");
    let finished = |job: std::process::Child, output: &str| {
        let ended = job.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        assert!(numbers(&here.join(output)) == whole, "{output}");
    };
    // Slow: it stands still for a while, and goes on before it is taken for dead.
    let job = under_way(here, machines.url(), "slow", "64");
    machines.signal("executor-2", "STOP");
    std::thread::sleep(Duration::from_secs(2));
    machines.signal("executor-2", "CONT");
    finished(job, "slow");
    // Dead, with tasks at hand.
    let job = under_way(here, machines.url(), "killed", "64");
    machines.signal("executor-1", "KILL");
    finished(job, "killed");
    drop(machines);
    // Neither dead nor alive: it keeps its connections and answers nothing.
    let machines = Machines::start(here, "hung", 2, "--executor-timeout 8", "");
    let job = under_way(here, machines.url(), "hung", "64");
    machines.signal("executor-2", "STOP");
    finished(job, "hung");
}

#[test]
fn a_job_that_is_ended_or_lost_goes_on_with_what_is_not_done() {
    let folder = log(6_000);
    let here = folder.path();
    run(here, &["features", "-o", "whole.parquet"]);
    let mut machines = Machines::start(here, "two", 2, "", "");
    let job = under_way(here, machines.url(), "parts", "64");
    machines::signal(job.id(), "INT");
    let ended = job.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        ended.status.code() == Some(2) && told.contains("was ended, once the tasks under way are"),
        "{told}"
    );

    let score = ["score", "none", "parts", "-o", "scores", "--cluster", machines.url()];
    assert!(machines::refused(here, &score).contains("no such model"));
    let kept = built(&here.join("parts"));
    let job = under_way(here, machines.url(), "parts", "64");
    assert!(built(&here.join("parts")) >= kept);
    machines.restart_scheduler();
    let ended = job.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    let lost = told.contains("any more") && told.contains("the same command goes on from there");
    assert!(ended.status.code() == Some(2) && lost, "{told}");

    // Executors come back to the new scheduler by themselves.
    run(here, &["features", "-o", "parts", "--parts", "64", "--cluster", machines.url()]);
    assert_eq!(numbers(&here.join("parts")), numbers(&here.join("whole.parquet")));
}

#[test]
fn a_full_disk_is_told_and_once_there_is_room_the_job_goes_on() {
    let folder = log(1_500);
    let here = folder.path();
    run(here, &["features", "-o", "whole.parquet"]);
    let machines = Machines::start(here, "two", 2, "", "");
    let words = ["features", "-o", "small/parts", "--parts", "16", "--cluster", machines.url()];
    let Some(small) = machines::SmallDisk::mount(&here.join("small"), "300k") else {
        eprintln!("SKIPPED a full disk: no file system can be mounted here");
        return;
    };
    let told = machines::refused(here, &words);
    assert!(told.contains("No space left on device") && told.contains("small/parts"), "{told}");
    small.grow("200m");
    run(here, &words);
    assert_eq!(numbers(&here.join("small/parts")), numbers(&here.join("whole.parquet")));
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_runs() {
    let folder = log(300);
    let here = folder.path();
    let machines = Machines::start(here, "one", 1, "", "");
    let refused = |words: &[&str], expected: &str| {
        let told = machines::refused(here, &[words, &["--cluster", machines.url()]].concat());
        assert!(told.contains(expected), "{words:?}: {told}");
    };
    refused(
        &["features", "-o", "bad", "--parts", "3"],
        "--parts 3: expected 1, 2, 4 and so on up to 256",
    );
    refused(&["features", "-o", "bad", "--contacts", "customers.db"], "--contacts with --cluster");
    refused(&["features", "-o", "-"], "expected a folder or URL with --cluster");
    refused(
        &["features", "-o", "a.parquet"],
        "expected a folder's with --cluster, as -o snapshots",
    );
    refused(&["score", "model", "rekindle.toml", "-o", "scores.csv"], "model: no such model");
    refused(&["fit", "rekindle.toml", "--target", "churned"], "found a file, expected a folder");
    refused(&["fit", "nowhere", "--target", "churned=1"], "expected the name of a target");
    refused(&["fit", "nowhere", "--target", "churned", "--weight", "w"], "--weight with --cluster");
    refused(&["score", "model", "table"], "model: no such model");
    refused(
        &["fit", "nowhere", "--target", "churned"],
        "nowhere: found no file that ends in .parquet",
    );
    let nobody = ["features", "--cluster", "http://127.0.0.1:9"];
    let told = machines::refused(here, &nobody);
    assert!(told.contains("nothing answers at 127.0.0.1:9"), "{told}");
    let told = machines::refused(here, &["features", "--cluster", "https://127.0.0.1:9"]);
    assert!(told.contains("there is no encryption"), "{told}");

    // What is wrong with the log is told as on one machine.
    let project = std::fs::read_to_string(here.join("rekindle.toml")).unwrap();
    std::fs::write(here.join("rekindle.toml"), project.replace("\"kind\"", "\"kinds\"")).unwrap();
    refused(&["features", "-o", "bad"], "it has no column \"kinds\" (did you mean \"kind\"?)");
    let told =
        "[[attributes]]\npath = \"a.csv\"\ncustomer = \"customer_id\"\nalways_known = true\n";
    std::fs::write(here.join("rekindle.toml"), project + told).unwrap();
    refused(&["features", "-o", "bad"], "[[attributes]] with --cluster");
}
