//! More to do than can be done: refused at once, and those who look after the service still get in.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{registry_of, spawn_app_with};
use crate::client::{self, Process};
use crate::small_model;

/// A request that takes a core for a while: some megabytes of customers.
fn heavy() -> String {
    let customer = json!({"customer": "c", "recency_days": 12.25, "spend": 99.5, "plan": "gold", "note": "n".repeat(300)});
    json!(vec![customer; 9_000]).to_string()
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_come_again() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let app = spawn_app_with(registry, |settings| {
        (settings.workers, settings.queue, settings.max_lag_ms) = (1, 1, 60_000);
    });
    let (body, answers) = (heavy(), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let answer = app.post("/v1/score", &body);
                    answers
                        .lock()
                        .unwrap()
                        .push((answer.status, answer.header("retry-after").map(str::to_owned)));
                }
            });
        }
    });
    let answers = answers.into_inner().unwrap();
    let refused = answers.iter().filter(|(status, _)| *status == 503).count();
    assert!(refused > 0 && refused < 36, "{answers:?}");
    for (status, retry) in &answers {
        assert!(
            *status == 200 && retry.is_none() || *status == 503 && retry.as_deref() == Some("1"),
            "{answers:?}"
        );
    }
    let metrics = app.get("/metrics").text;
    let line = format!("rekindle_requests_shed_total{{reason=\"queue\"}} {refused}");
    assert!(metrics.lines().any(|l| l == line), "{line} in {metrics}");
    // All is as before.
    assert_eq!(app.post("/v1/score", &body).status, 200);
    assert!(app.get("/metrics").text.contains("rekindle_requests_in_flight 1\n"));
}

#[test]
fn an_answer_that_would_come_too_late_is_not_waited_for() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let app = spawn_app_with(registry, |settings| {
        (settings.workers, settings.queue, settings.request_timeout_ms) = (1, 1_000, 15);
        settings.max_lag_ms = 60_000;
    });
    let body = heavy();
    let late: usize = std::thread::scope(|scope| {
        let ask = || {
            (0..3)
                .filter(|_| {
                    let answer = app.post("/v1/score", &body);
                    if answer.status == 504 {
                        assert_eq!(
                            (&*answer.code(), answer.header("retry-after")),
                            ("deadline_exceeded", Some("1"))
                        );
                    }
                    answer.status == 504
                })
                .count()
        };
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(late > 0);
    let line = format!("rekindle_requests_shed_total{{reason=\"deadline\"}} {late}");
    let metrics = app.get("/metrics").text;
    assert!(metrics.lines().any(|l| l == line), "{line} in {metrics}");
}

#[test]
fn health_and_metrics_are_answered_while_all_workers_are_busy() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let server = Process::start(registry.path(), &["--max-lag-ms", "20"]);
    let (body, done) = (heavy(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let answer = client::post(&server.url("/v1/score"), &[], body.as_bytes());
                    assert!([200, 503, 504].contains(&answer.status), "{}", answer.text());
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for path in ["/health/live", "/health/ready", "/metrics"].iter().cycle().take(60) {
            let start = Instant::now();
            let answer = client::get(&format!("http://{}{path}", server.monitor), &[]);
            slowest = slowest.max(start.elapsed());
            if answer.status != 200 {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(answer.status, 200, "{path}");
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    });
    // The monitor answers nothing else.
    assert_eq!(
        client::post(&format!("http://{}/v1/score", server.monitor), &[], b"{}").status,
        404
    );
    assert_eq!(client::get(&server.url("/health/ready"), &[]).status, 200);
}
