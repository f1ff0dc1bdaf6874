//! A registry in an object store: read, watched, promoted in, and away for a while. The store is one of our own, over
//! S3's protocol as far as it is asked.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rekindle_models::artifact::Registry;
use serde_json::{Value, json};

use crate::client::{self, Process, until};
use crate::small_model;

/// A bucket `models` whose objects are the files of a folder.
struct Bucket {
    endpoint: String,
    /// Whether it answers that something is wrong in it.
    fails: Arc<AtomicBool>,
}

impl Bucket {
    fn serve(folder: &Path) -> Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (folder, fails) = (folder.to_owned(), Arc::new(AtomicBool::new(false)));
        let failing = Arc::clone(&fails);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (folder, failing) = (folder.clone(), Arc::clone(&failing));
                thread::spawn(move || while answer(&stream, &folder, &failing).is_some() {});
            }
        });
        Bucket { endpoint, fails }
    }
}

/// Answers a request; `None` at the connection's end.
fn answer(mut stream: &TcpStream, folder: &Path, fails: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, target) = line.split_once(' ')?;
    let target = target.split(' ').next()?.to_owned();
    let method = method.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let file: PathBuf = folder.join(path.trim_start_matches("/models").trim_start_matches('/'));
    let (status, body) = match &*method {
        _ if fails.load(Ordering::SeqCst) => ("503 Service Unavailable", Vec::new()),
        "PUT" => {
            (fs::write(&file, &body).map_or("500 Internal Server Error", |()| "200 OK"), Vec::new())
        }
        _ if query.contains("list-type=2") => ("200 OK", listed(folder, query)),
        _ => match fs::read(&file) {
            Ok(content) => ("200 OK", content),
            Err(_) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        },
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nLast-Modified: Sun, 29 Nov 2026 00:00:00 GMT\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()
}

/// The folders below a prefix.
fn listed(folder: &Path, query: &str) -> Vec<u8> {
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    let prefix = prefix.unwrap_or_default().replace("%2F", "/");
    let entries = fs::read_dir(folder.join(&prefix)).into_iter().flatten();
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let folders: String = folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .map(|name| format!("<CommonPrefixes><Prefix>{prefix}{name}/</Prefix></CommonPrefixes>"))
        .collect();
    format!("<?xml version=\"1.0\"?><ListBucketResult>{folders}</ListBucketResult>").into_bytes()
}

#[test]
fn a_registry_in_an_object_store_is_watched_and_promoted_in() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(&folder.path().join("registry")).unwrap();
    for shift in [0.0, 1.0, 2.0] {
        registry.add(&small_model::artifact("churn", shift), &[]).unwrap();
    }
    registry.promote("churn", 1).unwrap();
    let bucket = Bucket::serve(folder.path());
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        let environment = [
            ("AWS_ENDPOINT", &*bucket.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "here"),
            ("AWS_ACCESS_KEY_ID", "somebody"),
            ("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-store"),
        ];
        let arguments = ["--registry-cache", cache.path().to_str().unwrap()];
        Process::start_in(Path::new("s3://models/registry"), &arguments, &environment)
    };
    let server = start();
    let post = |path: &str| client::post(&server.url(path), &[], b"{}").json();
    let version = || post("/v1/score")["model_version"].as_u64().unwrap();
    assert_eq!(version(), 1);
    registry.promote("churn", 2).unwrap();
    until("version 2", || version() == 2);
    let now = post("/v1/models/churn/versions/3:promote");
    assert_eq!((&now["model_version"], version()), (&json!(3), 3), "{now}");
    assert_eq!(registry.current("churn").unwrap(), Some(3));
    post("/v1/models/churn/versions/1:shadow");
    assert_eq!(registry.rollout("churn").unwrap().shadow, Some(1));
    assert_eq!(post("/v1/models/churn:end-shadow").get("shadow"), None);
    assert_eq!(registry.rollout("churn").unwrap().shadow, None);
    assert_eq!(post("/v1/models/churn:rollback")["model_version"], 2);
    assert_eq!(registry.current("churn").unwrap(), Some(2));
    let page = client::get(&server.url("/v1/models/churn"), &[]).json();
    assert_eq!(page["versions"], json!([1, 2, 3]));
    assert_eq!(
        client::post(&server.url("/v1/models/churn/versions/9:promote"), &[], b"").status,
        404
    );
    // The store is away: scoring goes on, and nobody waits for minutes to hear of it.
    bucket.fails.store(true, Ordering::SeqCst);
    let ready = || -> Value { client::get(&server.url("/health/ready"), &[]).json() };
    let patience = Instant::now() + Duration::from_secs(25);
    while ready().get("degraded") != Some(&json!(["registry"])) {
        assert!(Instant::now() < patience, "it does not say that the registry is gone");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(version(), 2);
    assert!(!server.log().contains("a-secret-of-the-store"));
    // A start goes with what is kept of it.
    let second = start();
    let reply = client::post(&second.url("/v1/score"), &[], b"{}").json();
    assert_eq!(reply["model_version"], 2);
    bucket.fails.store(false, Ordering::SeqCst);
    until("well again", || ready().get("degraded").is_none());
    for mut server in [server, second] {
        let id = server.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(server.child.wait().unwrap().success(), "{}", server.log());
    }
}
