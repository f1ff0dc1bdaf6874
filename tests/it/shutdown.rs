//! The real binary: its start, its settings and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::app::registry_of;
use crate::small_model;

fn server(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("rekindle-server").unwrap();
    command.args(arguments);
    command
}

#[test]
fn check_prints_the_settings_in_force_and_flags_win_over_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "workers = 3\nmax_customers = 5\nmax_body_bytes = 4096\n").unwrap();
    let output = server(&["--check", "--workers", "7"])
        .env("REKINDLE_WORKERS", "6")
        .env("REKINDLE_MAX_CUSTOMERS", "6")
        .env("REKINDLE_REGISTRY", folder.path())
        .arg("--config")
        .arg(&file)
        .assert()
        .success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for line in [
        "workers = 7",
        "max_customers = 6",
        "max_body_bytes = 4096",
        "listen = \"127.0.0.1:8080\"",
        "shutdown_timeout_seconds = 30",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
}

#[test]
fn wrong_settings_end_with_exit_code_2_and_their_name() {
    let check = |arguments: &[&str], expected: &str| {
        let output = server(arguments).assert().code(2);
        let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(text.contains(expected), "{expected} in\n{text}");
    };
    check(&[], "setting registry: found nothing, expected an existing folder");
    check(&["--registry", ".", "--workers", "0"], "setting workers: found 0, expected 1 to 1024");
    check(&["--registry", ".", "--listen", "x"], "setting listen: found \"x\"");
    check(&["--registry", ".", "--workers", "many"], "invalid value 'many' for '--workers");
}

/// A service of its own process, and the port it listens on.
fn start(registry: &std::path::Path) -> (Child, u16) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("rekindle-server"))
        .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--registry"])
        .arg(registry)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            line["address"].as_str()?.rsplit(':').next()?.parse().ok()
        })
        .unwrap();
    // The pipe must not fill up.
    thread::spawn(move || lines.for_each(drop));
    (child, port)
}

#[test]
fn sigterm_lets_a_request_that_is_half_sent_finish_and_refuses_new_ones() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let (mut child, port) = start(registry.path());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = r#"{"recency_days": 30, "spend": 2}"#;
    let (half, rest) = body.split_at(body.len() / 2);
    write!(
        stream,
        "POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{half}",
        body.len()
    )
    .unwrap();
    // The head must have been read before the signal comes.
    thread::sleep(Duration::from_millis(300));
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < patience, "new connections are still taken");
        thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(rest.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
    assert!(reply.contains("\"probability\""), "{reply}");
    assert!(child.wait().unwrap().success());
}
