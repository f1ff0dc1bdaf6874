//! What is told to those who watch the service, and to browsers: spans for a collector, and which pages may call.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::app::registry_of;
use crate::client::{self, Process};
use crate::small_model;

/// A collector that takes whatever is sent to it: its address, and the path and body of each request.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            reader.read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let Some((name, value)) = header.split_once(':') else { break };
                if name.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let reply = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\
                         Connection: close\r\n\r\n";
            stream.write_all(reply.as_bytes()).unwrap();
            drop(tell.send((path, body)));
        }
    });
    (url, told)
}

#[test]
fn a_collector_is_sent_a_span_of_every_request_in_the_trace_of_its_caller() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let (url, told) = collector();
    let mut server = Process::start(registry.path(), &["--otlp-endpoint", &url]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", &*parent), ("x-request-id", "shop-7")];
    let reply = client::post(&server.url("/v1/score"), &headers, br#"{"customer": "nobody-else"}"#);
    assert_eq!(reply.status, 200);
    assert!(
        Command::new("kill")
            .args(["-TERM", &server.child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert!(server.child.wait().unwrap().success());
    let (path, body) = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(path, "/v1/traces");
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    for part in ["POST /v1/score", "rekindle-server", "http.route", "shop-7"] {
        assert!(has(part.as_bytes()), "{part}");
    }
    let id: Vec<u8> =
        (0..16).map(|i| u8::from_str_radix(&trace[2 * i..2 * i + 2], 16).unwrap()).collect();
    assert!(has(&id), "the span is in the caller's trace");
    assert!(!has(b"nobody-else"));
    assert!(server.log().contains(trace), "the log line names the trace");
}

#[test]
fn pages_may_call_only_from_the_origins_that_are_set() {
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let ask = |server: &Process, origin: &str| {
        let address = server.url("");
        let address = address.trim_start_matches("http://");
        let request = format!(
            "OPTIONS /v1/score HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n"
        );
        client::raw(address, request.as_bytes()).to_lowercase()
    };
    let ours = "https://crm.example.com";
    let open = Process::start(registry.path(), &["--cors-origins", ours]);
    let allowed = ask(&open, ours);
    assert!(allowed.starts_with("http/1.1 200"), "{allowed}");
    assert!(allowed.contains("access-control-allow-origin: https://crm.example.com"), "{allowed}");
    assert!(!ask(&open, "https://evil.example").contains("access-control-allow-origin"));
    let closed = Process::start(registry.path(), &[]);
    assert!(!ask(&closed, ours).contains("access-control-allow-origin"));
}
