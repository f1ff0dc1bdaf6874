//! Requests that say more than `App::post` does, answers as bytes, and the real binary in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// POST of bytes.
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .max_redirects(0)
        .build();
    let agent = ureq::Agent::new_with_config(config);
    let request = headers.iter().fold(agent.post(url), |r, (name, value)| r.header(*name, *value));
    reply(request.send(body).unwrap())
}

/// GET.
pub fn get(url: &str, headers: &[(&str, &str)]) -> Reply {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
    let agent = ureq::Agent::new_with_config(config);
    let request = headers.iter().fold(agent.get(url), |r, (name, value)| r.header(*name, *value));
    reply(request.call().unwrap())
}

fn reply(mut response: ureq::http::Response<ureq::Body>) -> Reply {
    let headers = response.headers().iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    let status = response.status().as_u16();
    let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
    Reply { status, headers, bytes }
}

/// All that comes back for bytes sent as they are; what stands before the connection ends or nothing comes for 20 s.
pub fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A server that has refused the head may close before all has been sent.
    drop(stream.write_all(request));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks again and again, for 10 seconds at most.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < patience, "{what} has not come true");
        thread::sleep(Duration::from_millis(25));
    }
}

/// `rekindle-server` in a process of its own; killed when this is dropped.
pub struct Process {
    pub child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The same for health and metrics.
    pub monitor: String,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it on free ports, with log lines in JSON.
    pub fn start(registry: &Path, arguments: &[&str]) -> Process {
        Process::start_in(registry, arguments, &[])
    }

    /// The same with variables of its environment.
    pub fn start_in(registry: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("rekindle-server"))
            .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--workers", "2"])
            .args(["--registry-poll-seconds", "1", "--registry"])
            .arg(registry)
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let log = Arc::new(Mutex::new(String::new()));
        let line = lines.by_ref().find(|line| {
            log.lock().unwrap().push_str(&format!("{line}\n"));
            line.contains("\"listening\"")
        });
        let line = line.unwrap_or_else(|| panic!("it did not start: {}", log.lock().unwrap()));
        let line: Value = serde_json::from_str(&line).unwrap();
        let written = Arc::clone(&log);
        thread::spawn(move || {
            lines.for_each(|line| written.lock().unwrap().push_str(&format!("{line}\n")));
        });
        let told = |name: &str| line[name].as_str().unwrap().to_owned();
        Process { child, address: told("address"), monitor: told("monitor"), log }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Memory of its own that it holds, in bytes.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
