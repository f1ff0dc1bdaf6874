//! TLS: the certificate in force, and how it is replaced.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};

use crate::app::spawn_app_with;
use crate::client::{raw, until};
use crate::security::churn;

/// A certificate for `localhost` and its key, written as PEM.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// GET over TLS by a client that trusts one certificate; `None` where the handshake fails.
fn get_over_tls(address: &str, path: &str, trusted: &CertificateDer<'static>) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(client, TcpStream::connect(address).unwrap());
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn tls_is_spoken_with_the_certificate_that_is_in_the_files_now() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let app = spawn_app_with(churn(), |settings| {
        settings.tls_certificate = Some(folder.path().join("chain.pem"));
        settings.tls_key = Some(folder.path().join("key.pem"));
    });
    let address = app.url.strip_prefix("http://").unwrap();
    let answer = get_over_tls(address, "/v1/models", &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    // Whoever speaks no TLS gets nothing.
    let plain = raw(address, b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(!plain.contains("churn"), "{plain}");
    // Half-written files leave the old certificate in force.
    fs::write(folder.path().join("key.pem"), "-----BEGIN").unwrap();
    std::thread::sleep(Duration::from_millis(1_300));
    let ready = get_over_tls(address, "/health/ready", &first).unwrap();
    assert!(ready.contains("\"degraded\":[\"tls\"]"), "{ready}");
    let second = certify(folder.path());
    until("the new certificate", || get_over_tls(address, "/v1/models", &second).is_some());
    assert!(get_over_tls(address, "/v1/models", &first).is_none());
    let metrics = get_over_tls(address, "/metrics", &second).unwrap();
    assert!(metrics.contains("rekindle_certificate_days_left "), "{metrics}");
}

#[test]
fn every_refusal_reaches_a_client_of_http_2() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let app = spawn_app_with(churn(), |settings| {
        settings.tls_certificate = Some(folder.path().join("chain.pem"));
        settings.tls_key = Some(folder.path().join("key.pem"));
    });
    let port = app.url.rsplit(':').next().unwrap();
    for _ in 0..20 {
        // The body is not looked at: the model is not there.
        let asked = Command::new("curl")
            .args(["-s", "--http2", "-w", " %{http_code} %{http_version}", "--cacert"])
            .arg(folder.path().join("chain.pem"))
            .args(["--connect-to", &format!("localhost:{port}:127.0.0.1:{port}")])
            .args(["--data-binary", &"x".repeat(20_000)])
            .arg(format!("https://localhost:{port}/v1/score?model=none"))
            .output();
        let Ok(asked) = asked else { return eprintln!("SKIPPED: curl is not installed") };
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(said.ends_with(" 404 2") || said.ends_with(" 404 1.1"), "{said}: {asked:?}");
    }
}

#[test]
fn people_sign_in_over_http_2_where_the_host_is_a_part_of_the_address() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let key = crate::security::create(&folder.path().join("keys.toml"), "read", &[]);
    let (app, _) = crate::security::spawn_with_keys(folder.path(), |settings| {
        settings.tls_certificate = Some(folder.path().join("chain.pem"));
        settings.tls_key = Some(folder.path().join("key.pem"));
    });
    let origin = app.url.replace("http://127.0.0.1", "https://localhost");
    let port = app.url.rsplit(':').next().unwrap();
    let ask = |path: &str, more: &[&str]| {
        let asked = Command::new("curl")
            .args(["-s", "-i", "--http2", "--cacert"])
            .arg(folder.path().join("chain.pem"))
            .args(["--connect-to", &format!("localhost:{port}:127.0.0.1:{port}")])
            .args(more)
            .arg(format!("{origin}{path}"))
            .output();
        asked.map(|asked| String::from_utf8_lossy(&asked.stdout).into_owned())
    };
    let Ok(form) = ask("/sign-in", &[]) else {
        return eprintln!("SKIPPED: curl is not installed");
    };
    let status = |answer: &str| answer.split(' ').nth(1).map(str::to_owned).unwrap_or_default();
    assert_eq!(status(&form), "200", "{form}");
    let token = form.split("name=\"form_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let body = format!("form_token={token}&key={key}");
    let header = format!("Origin: {origin}");
    let signed_in = ask("/sign-in", &["-d", &body, "-H", &header]).unwrap();
    assert_eq!(status(&signed_in), "303", "{signed_in}");
    let cookie = "set-cookie: __Host-rekindle_session=";
    assert!(signed_in.contains(cookie) && signed_in.contains("; Secure"), "{signed_in}");
    let elsewhere = ask("/sign-in", &["-d", &body, "-H", "Origin: https://evil.example"]).unwrap();
    assert_eq!(status(&elsewhere), "403", "{elsewhere}");
}
