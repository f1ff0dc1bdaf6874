//! Logs over HTTP: a small server on this machine stands for an object store.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};

use super::*;

/// Serves some files by `GET`, with ranges, and `HEAD`, until the test ends; returns where.
fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let files = files.clone();
            std::thread::spawn(move || answer(stream.unwrap(), &files));
        }
    });
    root
}

/// Answers the requests of one connection.
fn answer(stream: TcpStream, files: &[(&'static str, Vec<u8>)]) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut to = stream;
    while let Some(Ok(request)) = lines.next() {
        let head: Vec<String> =
            lines.by_ref().map_while(|l| l.ok()).take_while(|line| !line.is_empty()).collect();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let Some((_, bytes)) = files.iter().find(|(name, _)| *name == path) else {
            to.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
            continue;
        };
        let range = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
            let end = end.parse::<usize>().map_or(bytes.len(), |end| (end + 1).min(bytes.len()));
            name.eq_ignore_ascii_case("range").then(|| start.parse().unwrap()..end)
        });
        let (status, said) = match &range {
            Some(part) => {
                let (start, end, all) = (part.start, part.end - 1, bytes.len());
                ("206 Partial Content", format!("Content-Range: bytes {start}-{end}/{all}\r\n"))
            }
            None => ("200 OK", String::new()),
        };
        let body = &bytes[range.unwrap_or(0..bytes.len())];
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{said}Accept-Ranges: bytes\r\n\
             ETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n",
            body.len()
        );
        to.write_all(head.as_bytes()).unwrap();
        // Who hangs up early has read enough.
        if method == "GET" && to.write_all(body).is_err() {
            return;
        }
    }
}

#[test]
fn files_of_a_store_are_read_as_those_of_a_disk() {
    let (parquet, csv) = formats::two_files();
    let local = folder(&[("log.parquet", &parquet)]);
    let source = formats::source("log.parquet");
    let expected = read_log(local.path(), &source, &Asked::default()).unwrap();
    let root = serve(vec![("/logs/log.csv.gz", csv), ("/logs/log.parquet", parquet)]);
    for file in ["log.csv.gz", "log.parquet"] {
        let source = formats::source(&format!("{root}/logs/{file}"));
        let found = read_log(Path::new(""), &source, &Asked::default()).unwrap();
        assert!(found.events == expected.events, "{file}");
        assert_eq!(found.tally().lines, expected.tally().lines, "{file}");
    }
}

#[test]
fn faults_in_a_store_name_its_url() {
    let log = b"customer,time,kind,amount\na,soon,visit,\n".to_vec();
    let root = serve(vec![("/log.csv", log)]);
    let url = format!("{root}/log.csv");
    let found = read_log(Path::new(""), &plain(&url), &Asked::default()).unwrap();
    let example = &found.tally().faults[&Fault::BadTime].examples[0];
    assert_eq!(
        *example,
        format!(
            "{url}: line 2: found time \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\""
        )
    );
}

#[test]
fn what_a_store_does_not_have_is_told_with_what_to_do_and_without_secrets() {
    let root = serve(Vec::new());
    let check = |url: &str| {
        let error =
            read_log(Path::new(""), &plain(url), &Asked::default()).unwrap_err().to_string();
        assert!(error.contains("/none.csv"), "{error}");
        assert!(error.contains("expected a URL"), "{error}");
        assert!(!error.contains("SECRET"), "{error}");
    };
    check(&format!("{root}/none.csv"));
    check(&format!("{}/none.csv", root.replace("http://", "http://user:SECRET@")));
    check(&format!("{root}/none.csv?signature=SECRET"));
}
