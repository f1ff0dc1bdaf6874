//! `POST /v1/score/batch` of tables that are long, slow, or break off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::app::{registry_of, spawn_app_with};
use crate::batches::{CSV, send};
use crate::client::{self, Process};
use crate::small_model;

/// The head of a batch in pieces.
fn head(kind: &str) -> String {
    format!(
        "POST /v1/score/batch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
}

fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&chunk)
}

/// Sends the rows of a long table in chunks.
fn send_rows(stream: &mut TcpStream, rows: usize) -> std::io::Result<()> {
    chunk(stream, b"customer,recency_days,spend,subscribed,plan\n")?;
    for start in (0..rows).step_by(1_000) {
        let row = |i: usize| format!("c{i},{}.5,{},true,gold\n", i % 90, i % 200);
        chunk(stream, (start..start + 1_000).map(row).collect::<String>().as_bytes())?;
    }
    stream.write_all(b"0\r\n\r\n")
}

/// The lines of an answer that is still coming, and its last one.
fn count_lines(stream: TcpStream) -> (usize, String) {
    let mut lines = BufReader::new(stream).lines();
    let mut scores = 0;
    let mut last = String::new();
    while let Some(Ok(line)) = lines.next() {
        scores += usize::from(line.contains(",true,") || line.contains(",false,"));
        if line.starts_with('#') {
            last = line;
        }
    }
    (scores, last)
}

#[test]
fn a_table_of_any_length_is_answered_while_it_comes_in_memory_that_does_not_grow() {
    const ROWS: usize = 200_000;
    let registry = registry_of(&[small_model::artifact("churn", 0.0)]);
    let server = Process::start(registry.path(), &[]);
    let end = format!("# rows={ROWS} scored={ROWS} failed=0 complete=true");
    let connect = || {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head(CSV).as_bytes()).unwrap();
        stream
    };
    // A first, short table, so that what every server needs is there.
    let mut stream = connect();
    send_rows(&mut stream, 5_000).unwrap();
    count_lines(stream);
    let before = server.memory();
    let mut stream = connect();
    let reading = stream.try_clone().unwrap();
    let reader = std::thread::spawn(move || count_lines(reading));
    send_rows(&mut stream, ROWS).unwrap();
    assert_eq!(reader.join().unwrap(), (ROWS, end.clone()));
    let during = server.memory();
    assert!(during < before + (40 << 20), "from {before} to {during} bytes");
    // Many clients send all before they read anything.
    let mut stream = connect();
    send_rows(&mut stream, ROWS).unwrap();
    let during = server.memory();
    assert_eq!(count_lines(stream), (ROWS, end));
    assert!(during < before + (40 << 20), "from {before} to {during} bytes");
    assert!(client::get(&server.url("/health/ready"), &[]).status == 200);
}

#[test]
fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.request_timeout_ms = 700;
        settings.max_batches = 1;
    });
    let address = app.url.strip_prefix("http://").unwrap();
    let body = "customer,spend\n".to_owned() + &"a,1\n".repeat(3_000);
    // One client closes its side, the other one just stops.
    for closes in [true, false] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(head(CSV).as_bytes()).unwrap();
        chunk(&mut stream, body.as_bytes()).unwrap();
        stream.write_all(b"64\r\na,1\n").unwrap();
        if closes {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        let whole = answer.contains("complete=true")
            || answer.ends_with("0\r\n\r\n") && !answer.contains("complete=false");
        assert!(!whole, "closes: {closes}: {}", &answer[answer.len().saturating_sub(300)..]);
        if !closes {
            assert!(
                answer.contains("complete=false error=\"nothing came for 700 ms\""),
                "{}",
                &answer[answer.len().saturating_sub(300)..]
            );
        }
    }
    // Their places are free again.
    client::until("a batch has a place again", || {
        send(&app, "", CSV, CSV, b"spend\n1\n").status == 200
    });
}

#[test]
fn a_table_that_trickles_does_not_hold_its_place() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.request_timeout_ms = 500;
        settings.max_batches = 1;
    });
    let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(head(CSV).as_bytes()).unwrap();
    chunk(&mut stream, b"customer,spend\na,1\n").unwrap();
    let start = std::time::Instant::now();
    // A byte now and then: never nothing for as long as may be.
    client::until("its place is free", || {
        std::thread::sleep(Duration::from_millis(50));
        drop(chunk(&mut stream, b"1"));
        send(&app, "", CSV, CSV, b"spend\n1\n").status == 200
    });
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn no_more_batches_are_read_at_a_time_than_allowed() {
    let app = spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |settings| {
        settings.max_batches = 1;
    });
    let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(head(CSV).as_bytes()).unwrap();
    chunk(&mut stream, ("spend\n".to_owned() + &"1\n".repeat(2_000)).as_bytes()).unwrap();
    // It has its place once its answer begins.
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let answer = send(&app, "", CSV, CSV, b"spend\n1\n");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(app.get("/metrics").text.contains("rekindle_requests_shed_total{reason=\"batches\"}"));
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("# rows=2000 scored=2000 failed=0 complete=true"), "{answer}");
    client::until("the next one is read", || send(&app, "", CSV, CSV, b"spend\n1\n").status == 200);
}
