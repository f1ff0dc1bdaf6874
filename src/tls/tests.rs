//! Handshakes of rustls' own client with the server's configuration, in memory and over loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::*;

/// A certificate for `localhost` until the end of a year, and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    chain: String,
    key: String,
}

fn pair(last_year: i32) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    Pair {
        certificate: certificate.der().clone(),
        chain: certificate.pem(),
        key: key.serialize_pem(),
    }
}

struct Folder {
    _folder: TempDir,
    chain: PathBuf,
    key: PathBuf,
}

impl Folder {
    fn with(pair: &Pair) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let files = Folder { _folder: folder, chain, key };
        files.put(pair);
        files
    }

    fn put(&self, pair: &Pair) {
        fs::write(&self.chain, &pair.chain).unwrap();
        fs::write(&self.key, &pair.key).unwrap();
    }

    fn open(&self) -> Result<Tls, TlsError> {
        Tls::open(&self.chain, &self.key)
    }
}

fn client(
    trusted: &Pair,
    version: &'static SupportedProtocolVersion,
    protocol: &str,
) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// A whole handshake without a socket.
fn handshake(mut client: ClientConnection, tls: &Tls) -> Result<ClientConnection, rustls::Error> {
    let mut server = ServerConnection::new(Arc::new(tls.server_config())).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(client)
}

#[test]
fn both_versions_and_both_protocols_are_spoken() {
    let pair = pair(2090);
    let tls = Folder::with(&pair).open().unwrap();
    for (version, expected) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        for protocol in ["h2", "http/1.1"] {
            let client = handshake(client(&pair, version, protocol), &tls).unwrap();
            assert_eq!(client.protocol_version(), Some(expected));
            assert_eq!(client.alpn_protocol(), Some(protocol.as_bytes()));
            assert_eq!(
                client.peer_certificates().unwrap(),
                std::slice::from_ref(&pair.certificate)
            );
        }
    }
}

#[test]
fn a_changed_pair_is_swapped_in_and_an_unchanged_one_is_not() {
    let (old, new) = (pair(2090), pair(2091));
    let folder = Folder::with(&old);
    let tls = folder.open().unwrap();
    assert!(!tls.reload_if_changed().unwrap());
    folder.put(&new);
    handshake(client(&old, &TLS13, "h2"), &tls).unwrap();
    assert!(tls.reload_if_changed().unwrap());
    handshake(client(&new, &TLS13, "h2"), &tls).unwrap();
    assert!(handshake(client(&old, &TLS13, "h2"), &tls).is_err());
    assert!(!tls.reload_if_changed().unwrap());
}

#[test]
fn a_broken_pair_is_refused_with_its_file_and_the_old_one_stays() {
    let (old, new) = (pair(2090), pair(2091));
    let folder = Folder::with(&old);
    let tls = folder.open().unwrap();
    let check = |expected: &str| {
        for error in [tls.reload_if_changed().unwrap_err(), folder.open().unwrap_err()] {
            assert!(error.to_string().contains(expected), "{expected} in {error}");
        }
        handshake(client(&old, &TLS13, "h2"), &tls).unwrap();
    };
    fs::write(&folder.chain, &new.chain).unwrap();
    check("key.pem is not that of the first certificate in ");
    fs::write(&folder.chain, "nothing of the kind").unwrap();
    check("chain.pem: found no certificate, expected certificates in PEM");
    fs::write(&folder.chain, &new.chain[..new.chain.len() / 2]).unwrap();
    check("chain.pem: found damaged PEM");
    fs::write(&folder.chain, new.chain.replacen("MII", "AAA", 1)).unwrap();
    check("chain.pem: found a certificate that cannot be read");
    fs::write(&folder.chain, &old.chain).unwrap();
    fs::write(&folder.key, &old.chain).unwrap();
    check("key.pem: found none in it, expected an RSA, ECDSA or Ed25519 private key");
    fs::remove_file(&folder.key).unwrap();
    check("key.pem: No such file");
    folder.put(&new);
    assert!(tls.reload_if_changed().unwrap());
}

#[test]
fn errors_and_debug_output_hold_nothing_of_the_key() {
    let pair = pair(2090);
    let folder = Folder::with(&pair);
    let tls = folder.open().unwrap();
    let body = pair.key.lines().nth(1).unwrap();
    assert!(!format!("{tls:?} {:?}", tls.server_config()).contains(body));
    // A key whose last line is damaged.
    fs::write(&folder.key, pair.key.replace("-----END", "*\n-----END")).unwrap();
    let error = folder.open().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(body));
    assert!(!format!("{error} {error:?}").contains('*'));
}

#[test]
fn the_end_of_the_certificate_is_told_in_both_forms_of_dates() {
    // X.509 writes years until 2049 with two digits.
    for (year, days) in [(2025, -366.0), (2027, 364.0), (2090, 23_375.0)] {
        let tls = Folder::with(&pair(year)).open().unwrap();
        let now = humantime::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
        assert_eq!(tls.days_left(now), days, "{year}");
        let end = humantime::parse_rfc3339(&format!("{year}-12-31T00:00:00Z")).unwrap();
        assert_eq!(tls.not_after(), end);
    }
}

#[test]
fn actix_serves_with_it() {
    let pair = pair(2090);
    let tls = Folder::with(&pair).open().unwrap();
    let (tell, told) = mpsc::channel::<(SocketAddr, actix_web::dev::ServerHandle)>();
    let service = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server =
                HttpServer::new(|| App::new().route("/", web::get().to(HttpResponse::NoContent)))
                    .workers(1)
                    .disable_signals()
                    .bind_rustls_0_23("127.0.0.1:0", tls.server_config())
                    .unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            tell.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = told.recv().unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = rustls::StreamOwned::new(client(&pair, &TLS13, "http/1.1"), socket);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    // A peer may close the socket without a goodbye; what came is what counts.
    let _ = stream.read_to_string(&mut reply);
    assert!(reply.starts_with("HTTP/1.1 204 No Content"), "{reply}");
    drop(handle.stop(false));
    service.join().unwrap();
}
