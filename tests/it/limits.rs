//! What a request may cost: time, memory, and nobody else's turn.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::app::{spawn_app, spawn_app_with};
use crate::client::{self, raw};
use crate::security::{ask, churn, create, spawn_with_keys};

#[test]
fn clients_that_are_slow_do_not_hold_a_connection() {
    let app = spawn_app_with(churn(), |settings| {
        // A busy machine may take a second to read a head that has come at once.
        (settings.header_timeout_ms, settings.request_timeout_ms) = (2_000, 500);
    });
    let address = app.url.strip_prefix("http://").unwrap();
    let trickle = |request: &[u8]| -> (String, Duration) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (start, mut answer) = (Instant::now(), Vec::new());
        for byte in request.iter().chain(std::iter::repeat(&b' ')) {
            let mut some = [0; 4_096];
            match stream.read(&mut some) {
                Ok(0) => break,
                Ok(read) => answer.extend(&some[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(_) => {}
            }
            if stream.write_all(&[*byte]).is_err() || start.elapsed() > Duration::from_secs(12) {
                break;
            }
        }
        (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
    };
    let (answer, took) = trickle(b"GET /v1/models HTTP/1.1\r\nHost: example.com\r\nX-Much: ");
    assert!(took < Duration::from_secs(8), "{took:?}: {answer}");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    for path in ["/v1/score", "/invocations", "/v2/models/churn/infer"] {
        let start = Instant::now();
        let answer = raw(address, format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 90\r\n\r\n{{").as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 504") && answer.contains("no answer within 500 ms"),
            "{answer}"
        );
        assert!(start.elapsed() < Duration::from_secs(8));
    }
    assert_eq!(app.get("/v1/models").status, 200);
}

#[test]
fn a_small_request_cannot_become_a_large_one() {
    let app = spawn_app();
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() < 100_000);
    for path in ["/v1/score", "/v1/score/events", "/invocations", "/v2/models/churn/infer"] {
        let answer =
            client::post(&format!("{}{path}", app.url), &[("content-encoding", "gzip")], &bomb);
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
    }
    let headers = [("content-encoding", "gzip"), ("content-type", "text/csv")];
    let answer = client::post(&format!("{}/v1/score/batch", app.url), &headers, &bomb);
    assert_eq!(answer.status, 422, "{}", answer.text());
    let check = |path: &str, body: String, words: &str| {
        let answer = app.post(path, &body);
        let start = &answer.text[..answer.text.len().min(500)];
        assert!((400..500).contains(&answer.status), "{path}: {start}");
        assert!(answer.text.contains(words), "{path}: {words} in {start}");
        assert!(answer.text.len() < 60_000, "{} bytes", answer.text.len());
    };
    let long = "x".repeat(70_000);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    for path in ["/v1/score", "/v1/score/events", "/invocations", "/v2/models/churn/infer"] {
        check(path, deep.clone(), "");
        check(path, format!("{{\"spend\": {deep}}}"), "");
        let answer = app.post(path, &format!("{{\"inputs\": [{deep}]}}"));
        assert!(answer.status < 500, "{path}: {}", answer.status);
    }
    check("/v1/score", json!({"plan": long}).to_string(), "text of 70000 bytes");
    check("/v1/score", json!({"customer": long}).to_string(), "text of 70000 bytes");
    check(
        "/invocations",
        json!({"instances": [{"plan": long}]}).to_string(),
        "text of 70000 bytes",
    );
    check("/v1/score", json!({ long.as_str(): 1 }).to_string(), "a name of 70000 bytes");
    let fields: serde_json::Map<String, Value> =
        (0..10_001).map(|i| (format!("x{i}"), json!(1))).collect();
    check("/v1/score", json!(fields).to_string(), "at most 10000");
    let names: Vec<String> = (0..10_001).map(|i| format!("x{i}")).collect();
    check(
        "/invocations",
        json!({"dataframe_split": {"columns": names, "data": []}}).to_string(),
        "at most 10000",
    );
    check("/v1/score", json!(vec![json!({}); 10_001]).to_string(), "more than 10000 customers");
    check("/v1/score", json!(vec![json!({"spend": "x"}); 9_000]).to_string(), "9000 fields");
    let start = Instant::now();
    let answer = raw(app.url.strip_prefix("http://").unwrap(),
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n{");
    assert!(
        answer.starts_with("HTTP/1.1 413") && start.elapsed() < Duration::from_secs(5),
        "{answer}"
    );
}

#[test]
fn the_bodies_under_way_hold_no_more_together_than_they_may() {
    let app = spawn_app_with(churn(), |settings| {
        (settings.max_body_bytes, settings.max_bodies_bytes) = (1 << 20, 2 << 20);
        settings.request_timeout_ms = 3_000;
    });
    let address = app.url.strip_prefix("http://").unwrap();
    let large = format!("{}{{}}", " ".repeat(900_000));
    assert_eq!(app.post("/v1/score", &large).status, 200);
    // Some that have sent nearly all of it, and wait.
    let held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = format!(
                "POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                large.len()
            );
            drop(stream.write_all(head.as_bytes()));
            drop(stream.write_all(&large.as_bytes()[..800_000]));
            stream
        })
        .collect();
    client::until("there is no room for another", || app.post("/v1/score", &large).status == 503);
    // A small one needs none, and what was held comes back.
    assert_eq!(app.post("/v1/score", "{}").status, 200);
    drop(held);
    client::until("there is room again", || app.post("/v1/score", &large).status == 200);
    let metrics = app.get("/metrics").text;
    assert!(metrics.contains(r#"rekindle_requests_shed_total{reason="memory"}"#), "{metrics}");
}

#[test]
fn callers_that_come_too_often_are_told_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let (slow, fast) =
        (create(&file, "score", &[]), create(&file, "score", &["--per-second", "1000"]));
    let (app, _) = spawn_with_keys(folder.path(), |settings| {
        (settings.requests_per_second, settings.burst) = (1, Some(3));
    });
    let statuses = |token: &str, count: usize| -> Vec<u16> {
        (0..count).map(|_| ask(&app, "POST", "/v1/score", Some(token)).status).collect()
    };
    let found = statuses(&slow, 8);
    assert_eq!(found[..3], [200, 200, 200]);
    assert!(found.contains(&429), "{found:?}");
    let answer = ask(&app, "POST", "/invocations", Some(&slow));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(answer.json()["error_code"], "TOO_MANY_REQUESTS");
    // Others are let in: each key has its own limit, and health has none.
    assert_eq!(statuses(&fast, 3), [200; 3]);
    assert!((0..20).all(|_| app.get("/health/live").status == 200));
    let metrics = {
        ask(&app, "POST", "/v1/score", None);
        client::get(&format!("{}/metrics", app.url), &[])
    };
    assert_eq!(metrics.status, 401);
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(statuses(&slow, 1), [200]);
    // Where there are no keys, by address.
    let app = spawn_app_with(churn(), |settings| {
        (settings.requests_per_second, settings.burst) = (1, Some(2))
    });
    let found: Vec<u16> = (0..6).map(|_| app.post("/v1/score", "{}").status).collect();
    assert!(found[..2] == [200, 200] && found.contains(&429), "{found:?}");
}

#[test]
fn a_body_that_was_refused_is_never_taken_for_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = spawn_with_keys(folder.path(), |settings| settings.max_body_bytes = 1_024);
    let open = spawn_app_with(churn(), |settings| settings.max_body_bytes = 1_024);
    let hidden = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".repeat(40);
    for (app, path, status) in [
        (&app, "/v1/score", 401),
        (&open, "/v1/score", 413),
        (&open, "/nowhere", 404),
        (&open, "/v1/models", 405),
        (&open, "/v1/score/batch", 415),
        (&open, "/v1/score?model=none", 404),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{hidden}\
             GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            hidden.len()
        );
        let answer = raw(app.url.strip_prefix("http://").unwrap(), request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(!answer.contains("{\"live\""), "{path}: {answer}");
    }
}
