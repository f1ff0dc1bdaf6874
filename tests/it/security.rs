//! Who may ask, and what nobody is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rekindle::settings::Settings;
use serde_json::{Value, json};

use crate::app::{App, registry_of, spawn_app, spawn_app_with};
use crate::client::{self, Process, Reply, raw, until};
use crate::small_model;

/// `rekindle-server keys ...`; what it prints.
pub fn keys(arguments: &[&str]) -> String {
    let done = assert_cmd::Command::cargo_bin("rekindle-server").unwrap();
    let done = { done }.arg("keys").args(arguments).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap().trim().to_owned()
}

/// A new key: its token.
pub fn create(file: &Path, scope: &str, more: &[&str]) -> String {
    let file = file.to_str().unwrap();
    keys(&[&["create", "--keys", file, "--name", scope, "--scope", scope], more].concat())
}

fn id(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

pub fn churn() -> tempfile::TempDir {
    registry_of(&[small_model::artifact("churn", 0.0)])
}

/// The service with a file of keys in `folder`.
pub fn spawn_with_keys(folder: &Path, change: impl FnOnce(&mut Settings)) -> (App, PathBuf) {
    let file = folder.join("keys.toml");
    if !file.exists() {
        create(&file, "plan", &[]);
    }
    let app = spawn_app_with(churn(), |settings| {
        settings.keys = Some(file.clone());
        change(settings);
    });
    (app, file)
}

pub fn ask(app: &App, method: &str, path: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> =
        bearer.as_deref().map(|bearer| ("authorization", bearer)).into_iter().collect();
    let url = format!("{}{path}", app.url);
    match method {
        "GET" => client::get(&url, &headers),
        _ => client::post(&url, &headers, b"{}"),
    }
}

/// Every URL of the service, and the scope that it asks for.
const ROUTES: [(&str, &str, &str); 50] = [
    ("POST", "/v1/score", "score"),
    ("POST", "/v1/score/events", "score"),
    ("POST", "/v1/score/batch", "score"),
    ("POST", "/v2/models/churn/infer", "score"),
    ("POST", "/v2/models/churn/versions/1/infer", "score"),
    ("POST", "/invocations", "score"),
    ("GET", "/v1/models", "read"),
    ("GET", "/v1/models/churn", "read"),
    ("GET", "/v2/models/churn", "read"),
    ("GET", "/v2/models/churn/ready", "read"),
    ("GET", "/v2/models/churn/versions/1", "read"),
    ("GET", "/v2/models/churn/versions/1/ready", "read"),
    ("GET", "/metrics", "read"),
    ("GET", "/v1/customers/c-1", "read"),
    ("POST", "/v1/reactivation/plan", "plan"),
    ("POST", "/v1/campaigns", "plan"),
    ("GET", "/v1/campaigns", "read"),
    ("GET", "/v1/campaigns/c-1", "read"),
    ("POST", "/v1/campaigns/c-1:start", "plan"),
    ("POST", "/v1/campaigns/c-1:finish", "plan"),
    ("POST", "/v1/campaigns/c-1:deliver", "plan"),
    ("GET", "/v1/campaigns/c-1/list", "plan"),
    ("POST", "/v1/campaigns/c-1/contacts", "plan"),
    ("POST", "/v1/campaigns/c-1/outcomes", "plan"),
    ("GET", "/v1/campaigns/c-1/effect", "read"),
    ("POST", "/v1/c%61mpaigns/c-1:start", "plan"),
    ("GET", "/v1/campaigns/c-1/l%69st", "plan"),
    ("POST", "/v1/models/churn/versions/1:promote", "admin"),
    ("POST", "/v1/models/churn/versions/1:shadow", "admin"),
    ("POST", "/v1/models/churn/versions/1:canary", "admin"),
    ("POST", "/v1/models/churn:rollback", "admin"),
    ("POST", "/v1/models/churn:end-shadow", "admin"),
    ("POST", "/v1/models/churn:end-canary", "admin"),
    // What is escaped is what it is.
    ("POST", "/v1/models/churn/versions/1%3Apromote", "admin"),
    ("POST", "/v1/models/churn/versions/1%3ashadow", "admin"),
    ("POST", "/v1/models/churn%3Arollback", "admin"),
    ("POST", "/v1/%6dodels/churn:end-canary", "admin"),
    ("POST", "/%761/models/churn%3aend-shadow", "admin"),
    // What is not there tells nobody so who has no key.
    ("GET", "/v1/secret", "read"),
    ("POST", "/v1/secret", "score"),
    ("GET", "/health/live", ""),
    ("GET", "/health/ready", ""),
    ("GET", "/v2", ""),
    ("GET", "/v2/health/live", ""),
    ("GET", "/v2/health/ready", ""),
    ("GET", "/ping", ""),
    ("GET", "/health", ""),
    ("GET", "/version", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/docs/", ""),
];

#[test]
fn every_url_asks_for_a_key_with_its_scope_and_health_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let (app, file) = spawn_with_keys(folder.path(), |_| {});
    let scopes = ["score", "read", "plan", "admin"];
    let tokens = scopes.map(|scope| create(&file, scope, &[]));
    until("the keys are read", || ask(&app, "GET", "/metrics", Some(&tokens[3])).status == 200);
    for (method, path, needs) in ROUTES {
        let without = ask(&app, method, path, None);
        if needs.is_empty() {
            assert_eq!(without.status, 200, "{method} {path}");
            continue;
        }
        assert_eq!(without.status, 401, "{method} {path}: {}", without.text());
        assert_eq!(without.header("www-authenticate"), Some("Bearer"));
        for (scope, token) in scopes.iter().zip(&tokens) {
            let answer = ask(&app, method, path, Some(token));
            let refused = answer.status == 403 && answer.text().contains("scope");
            let expected = *scope != needs && *scope != "admin";
            assert_eq!(refused, expected, "{method} {path} with {scope}: {}", answer.text());
            assert_ne!(answer.status, 401);
        }
    }
    // The list is whole: nothing that the document has is missing in it.
    let document = app.get("/openapi.json").json();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{name}", "churn").replace("{version}", "1").replace("{id}", "c-1");
        for method in item.as_object().unwrap().keys() {
            let known = ROUTES.iter().any(|(m, p, _)| m.eq_ignore_ascii_case(method) && *p == path);
            assert!(known, "{method} {path} is in no test");
        }
    }
    // Refusals have the form of their protocol.
    assert!(ask(&app, "POST", "/v2/models/churn/infer", None).json()["error"].is_string());
    assert!(ask(&app, "POST", "/invocations", None).json()["error_code"].is_string());
    assert_eq!(ask(&app, "POST", "/v1/score", None).json()["code"], "unauthorized");
    // Before a byte of the body is read.
    let address = app.url.strip_prefix("http://").unwrap();
    let start = Instant::now();
    let answer = raw(
        address,
        b"POST /v1/score HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{",
    );
    assert!(
        answer.starts_with("HTTP/1.1 401") && start.elapsed() < Duration::from_secs(5),
        "{answer}"
    );
}

#[test]
fn only_a_key_that_is_right_and_in_force_opens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let short = create(&file, "score", &["--expires", "3s"]);
    let made = Instant::now();
    let other = create(&folder.path().join("other.toml"), "score", &[]);
    let (app, _) = spawn_with_keys(folder.path(), |_| {});
    let status = |token: &str| ask(&app, "POST", "/v1/score", Some(token)).status;
    if made.elapsed() < Duration::from_secs(2) {
        assert_eq!(status(&short), 200);
    }
    let last = if short.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &short[..short.len() - 1]);
    for token in
        [&wrong, &other, "", "x", "rk_", &short[..20], &format!("{short}0"), &short.to_uppercase()]
    {
        assert_eq!(status(token), 401, "{token}");
    }
    let url = format!("{}/v1/score", app.url);
    for (header, expected) in [("x-api-key", 200), ("authorization", 401), ("cookie", 401)] {
        if expected == 401 || made.elapsed() < Duration::from_secs(2) {
            assert_eq!(client::post(&url, &[(header, &short)], b"{}").status, expected, "{header}");
        }
    }
    assert_eq!(client::post(&format!("{url}?key={short}"), &[], b"{}").status, 401);
    // Made, rotated and revoked while the service runs.
    let fresh = create(&file, "score", &[]);
    until("a new key opens", || status(&fresh) == 200);
    let next = keys(&["rotate", id(&fresh), "--keys", file.to_str().unwrap()]);
    until("its successor opens", || status(&next) == 200);
    assert_eq!(status(&fresh), 401);
    keys(&["revoke", id(&next), "--keys", file.to_str().unwrap()]);
    until("a revoked key opens no more", || status(&next) == 401);
    std::thread::sleep(Duration::from_secs(3).saturating_sub(made.elapsed()));
    assert_eq!(status(&short), 401);
    // A damaged file leaves the keys as they were, and says so.
    let good = create(&file, "score", &[]);
    until("one more key", || status(&good) == 200);
    fs::write(&file, "version = 1\nkeys = 7\n").unwrap();
    until("degraded", || app.get("/health/ready").json()["degraded"] == json!(["keys"]));
    assert_eq!(status(&good), 200);
}

#[test]
fn no_secret_and_no_customer_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let token = create(&file, "admin", &[]);
    let registry = churn();
    let server = Process::start(
        registry.path(),
        &["--keys", file.to_str().unwrap(), "--log-level", "trace"],
    );
    let secret = token.split('_').nth(2).unwrap();
    let customer = "Zaphod-4711";
    let bearer = format!("Bearer {token}");
    let wrong = format!("Bearer {}{}", &token[..token.len() - 4], "ffff");
    let key = ("authorization", &*bearer);
    let post = |path: &str, kind: &str, body: &str| {
        client::post(&server.url(path), &[key, ("content-type", kind)], body.as_bytes()).status
    };
    let body = json!({"customer": customer, "spend": 3, "plan": customer, customer: 1}).to_string();
    assert_eq!(post("/v1/score", "application/json", &body), 200);
    assert_eq!(post("/v1/score", "application/json", &format!("[{body}")), 400);
    assert_eq!(post("/v1/score", "application/json", &json!({"spend": customer}).to_string()), 422);
    assert_eq!(
        post("/v1/score/events", "application/json", &json!({"customer_id": customer}).to_string()),
        422
    );
    assert_eq!(
        post(
            "/v1/score/batch",
            "text/csv",
            &format!("customer,spend\n{customer},1\n1,{customer}\n")
        ),
        200
    );
    assert_eq!(post("/v1/score/batch", "text/csv", &format!("{customer},{customer}\n")), 422);
    assert_eq!(
        post(
            "/invocations",
            "application/json",
            &json!({"inputs": [{"customer": customer}]}).to_string()
        ),
        200
    );
    assert_eq!(
        post(
            "/v2/models/churn/infer",
            "application/json",
            &json!({"id": customer, "inputs": customer}).to_string()
        ),
        422
    );
    assert_eq!(post(&format!("/v1/score?model={customer}"), "application/json", "{}"), 404);
    assert_eq!(post(&format!("/v1/score?key={token}"), "application/json", "{}"), 400);
    for path in [
        format!("/v1/customers/{customer}"),
        format!("/v1/models/{customer}"),
        format!("/v2/models/{customer}"),
    ] {
        let status = client::get(&server.url(&path), &[key]).status;
        assert!([404, 503].contains(&status), "{path}: {status}");
    }
    assert_eq!(client::get(&server.url("/metrics"), &[("authorization", &wrong)]).status, 401);
    assert_eq!(client::get(&server.url("/metrics"), &[("x-api-key", &token)]).status, 200);
    let metrics = client::get(&server.url("/metrics"), &[key]).text();
    until("all is logged", || server.log().matches("\"request\"").count() >= 16);
    let log = server.log();
    for (what, text) in [("the log", &log), ("the metrics", &metrics)] {
        assert!(!text.contains(secret) && !text.contains(&wrong[40..]), "a key in {what}: {text}");
        let line = text.lines().find(|line| line.contains(customer));
        assert!(line.is_none(), "a customer in {what}: {line:?}");
    }
    assert!(
        log.contains(&format!("\"key\":\"{}\"", id(&token))),
        "the refused key's id is told: {log}"
    );
}

#[test]
fn nobody_listens_beyond_loopback_without_keys_by_mistake() {
    let registry = churn();
    let run = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("rekindle-server").unwrap();
        let done = command.arg("--registry").arg(registry.path()).args(arguments).assert();
        let output = done.get_output();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let (code, said) = run(&["--listen", listen]);
        assert_eq!(code, Some(2), "{said}");
        for words in ["listen", "no keys", "keys create", "--allow-without-keys"] {
            assert!(said.contains(words), "{words} in {said}");
        }
        assert_eq!(run(&["--listen", listen, "--allow-without-keys", "--check"]).0, Some(0));
    }
    assert_eq!(run(&["--listen", "127.0.0.1:0", "--tls-certificate", "x.pem"]).0, Some(2));
    // Anyone may score then, and nobody changes what is served.
    let app = spawn_app_with(registry, |settings| {
        settings.listen = "0.0.0.0:0".parse().unwrap();
        settings.allow_without_keys = true;
    });
    let url = app.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(client::post(&format!("{url}/v1/score"), &[], b"{}").status, 200);
    for path in [
        "/v1/models/churn:rollback",
        "/v1/models/churn%3Arollback",
        "/v1/models/churn/versions/1:promote",
    ] {
        assert_eq!(client::post(&format!("{url}{path}"), &[], b"").status, 403, "{path}");
    }
}

#[test]
fn every_answer_keeps_browsers_from_doing_more_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = spawn_with_keys(folder.path(), |_| {});
    let open = spawn_app();
    for (app, method, path, status) in [
        (&open, "GET", "/v1/models", 200),
        (&open, "GET", "/nowhere", 404),
        (&open, "GET", "/v1/score", 405),
        (&open, "POST", "/v1/score", 200),
        (&open, "POST", "/invocations", 422),
        (&open, "GET", "/metrics", 200),
        (&open, "GET", "/docs/", 200),
        (&open, "GET", "/openapi.json", 200),
        (&app, "GET", "/v1/models", 401),
        (&app, "POST", "/v2/models/churn/infer", 401),
    ] {
        let answer = ask(app, method, path, None);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let policy = answer.header("content-security-policy");
        let is_page = path.starts_with("/docs");
        assert_eq!(policy.is_some_and(|p| p.contains("frame-ancestors 'none'")), is_page, "{path}");
        assert_eq!(answer.header("referrer-policy").is_some(), is_page, "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "TLS is not spoken");
    }
}

#[test]
fn administrative_calls_are_written_down_or_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    let token = create(&keys, "admin", &[]);
    let registry = registry_of(&[0.0, 1.0].map(|shift| small_model::artifact("churn", shift)));
    let audit = folder.path().join("audit.jsonl");
    let app = spawn_app_with(registry, |settings| {
        settings.keys = Some(keys.clone());
        settings.audit_log = Some(audit.clone());
    });
    let lines = || -> Vec<Value> {
        fs::read_to_string(&audit)
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let (promote, wrong) =
        ("/v1/models/churn/versions/1:promote", "/v1/models/churn/versions/9:promote");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("x-request-id", "change-17")];
    assert_eq!(client::post(&format!("{}{promote}", app.url), &headers, b"").status, 200);
    let found = lines();
    assert_eq!(found.len(), 2);
    for (line, outcome) in found.iter().zip(["asked", "done"]) {
        let told = json!([
            line["caller_id"],
            line["caller_name"],
            line["action"],
            line["model"],
            line["version"],
            line["outcome"],
            line["request_id"]
        ]);
        assert_eq!(told, json!([id(&token), "admin", "promote", "churn", 1, outcome, "change-17"]));
    }
    assert!(!fs::read_to_string(&audit).unwrap().contains(token.rsplit('_').next().unwrap()));
    // However the URL is written, it is known who asked.
    let escaped = promote.replace(':', "%3A");
    assert_eq!(ask(&app, "POST", &escaped, Some(&token)).status, 200);
    assert_eq!(lines()[2]["caller_id"], id(&token));
    assert_eq!(ask(&app, "POST", wrong, Some(&token)).status, 404);
    assert_eq!(lines()[5]["outcome"], "unknown_version");
    assert_eq!(ask(&app, "GET", "/v1/models", Some(&token)).status, 200);
    assert_eq!(lines().len(), 6);
    // What cannot be written down is not done.
    fs::remove_file(&audit).unwrap();
    fs::create_dir(&audit).unwrap();
    let answer = ask(&app, "POST", "/v1/models/churn/versions/2:promote", Some(&token));
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("not_audited")));
    assert!(!answer.text().contains("audit.jsonl"), "{}", answer.text());
    let served = ask(&app, "GET", "/v1/models", Some(&token)).json();
    assert_eq!(served["models"][0]["model_version"], 1);
    assert_eq!(app.get("/health/ready").json()["degraded"], json!(["audit"]));
}
