//! TLS of the service: a certificate chain and its key from PEM files, swapped when the files
//! change. Checks no client certificates and fetches none of its own.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig};

/// A certificate and its key, in force and on disk.
pub struct Tls {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    in_force: Arc<Resolver>,
    /// The two files that `in_force` was read from, hashed.
    read: Mutex<blake3::Hash>,
}

/// Why a certificate and its key cannot be used. Never holds a part of the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {reason}; the service's user must be able to read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: found {found}, expected {expected}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// Two sound files that do not belong together.
    #[error(
        "the key in {} is not that of the first certificate in {}; put the server's own \
         certificate first, and replace both files when renewing",
        key.display(),
        chain.display()
    )]
    Mismatch {
        /// The file of certificates.
        chain: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// What a handshake takes: swapped as a whole.
struct InForce {
    certified: Arc<CertifiedKey>,
    not_after: SystemTime,
}

struct Resolver(ArcSwap<InForce>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

/// rustls asks for it; the key stays out.
impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Tls {
    /// Reads a chain of certificates (PEM, the server's own first) and its private key (PEM, not
    /// encrypted; PKCS #8, PKCS #1 or SEC1). Both may be one file. A certificate whose time is
    /// over is taken: [`Tls::not_after`] tells.
    ///
    /// # Errors
    /// When a file cannot be read or is not PEM, or the two do not belong together.
    pub fn open(chain: &Path, key: &Path) -> Result<Tls, TlsError> {
        // Named here, and not installed for the process: other crates may install theirs.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files::read(chain, key)?;
        let in_force = files.parse(chain, key, &provider)?;
        Ok(Tls {
            chain: chain.to_owned(),
            key: key.to_owned(),
            provider,
            in_force: Arc::new(Resolver(ArcSwap::from_pointee(in_force))),
            read: Mutex::new(files.hash()),
        })
    }

    /// The configuration of a server: TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, and always the
    /// certificate that is in force when a handshake begins.
    pub fn server_config(&self) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("aws-lc-rs has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(self.in_force.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }

    /// Reads the files again and swaps the certificate where they have changed: true then.
    /// Connections that are open keep the one they began with. Blocks for as long as the disk does.
    ///
    /// # Errors
    /// As [`Tls::open`]. The old certificate stays in force, and every call says so again until
    /// the files are sound. Two files cannot be replaced at once, so a [`TlsError::Mismatch`] that
    /// is gone at the next call is harmless.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(&self.chain, &self.key)?;
        let now = files.hash();
        if now == *read {
            return Ok(false);
        }
        let fresh = files.parse(&self.chain, &self.key, &self.provider)?;
        self.in_force.0.store(Arc::new(fresh));
        *read = now;
        Ok(true)
    }

    /// The last moment at which clients take the server's certificate in force.
    pub fn not_after(&self) -> SystemTime {
        self.in_force.0.load().not_after
    }

    /// Days from `now` until [`Tls::not_after`]; below 0 where its time is over.
    pub fn days_left(&self, now: SystemTime) -> f64 {
        const DAY: f64 = 86_400.0;
        match self.not_after().duration_since(now) {
            Ok(left) => left.as_secs_f64() / DAY,
            Err(over) => -over.duration().as_secs_f64() / DAY,
        }
    }
}

/// The paths alone.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("chain", &self.chain).field("key", &self.key).finish()
    }
}

/// Two files as they are on disk.
struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(chain: &Path, key: &Path) -> Result<Files, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|reason| TlsError::Unreadable { path: path.to_owned(), reason })
        };
        Ok(Files { chain: read(chain)?, key: read(key)? })
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        // The length keeps bytes that move from one file to the other from hashing alike.
        hasher.update(&(self.chain.len() as u64).to_le_bytes());
        hasher.update(&self.chain).update(&self.key);
        hasher.finalize()
    }

    /// `chain` and `key` are for errors only.
    fn parse(
        &self,
        chain: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<InForce, TlsError> {
        let wrong = |path: &Path, found: String, expected| TlsError::Wrong {
            path: path.to_owned(),
            found,
            expected,
        };
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&self.chain)
                .collect::<Result<_, _>>()
                .map_err(|e| wrong(chain, damage(&e).to_owned(), CHAIN))?;
        let Some(own) = certificates.first() else {
            return Err(wrong(chain, "no certificate".to_owned(), CHAIN));
        };
        let not_after = not_after(own)
            .map_err(|e| wrong(chain, format!("a certificate that cannot be read ({e})"), CHAIN))?;
        let private = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|e| wrong(key, damage(&e).to_owned(), KEY))?;
        let private = provider
            .key_provider
            .load_private_key(private)
            .map_err(|_| wrong(key, "a key of another kind".to_owned(), KEY))?;
        let certified = CertifiedKey::new(certificates, private);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(InForce { certified: Arc::new(certified), not_after })
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(TlsError::Mismatch { chain: chain.to_owned(), key: key.to_owned() })
            }
            Err(e) => Err(wrong(chain, format!("a certificate that cannot be used ({e})"), CHAIN)),
        }
    }
}

const CHAIN: &str = "certificates in PEM, the server's own first and then those that vouch for it";
const KEY: &str = "an RSA, ECDSA or Ed25519 private key in PEM, not encrypted";

/// What is wrong with a PEM file, in words of our own: those of the parser may hold its bytes.
fn damage(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => "none in it",
        _ => "damaged PEM",
    }
}

/// The `notAfter` of a certificate (RFC 5280, section 4.1).
fn not_after(certificate: &[u8]) -> der::Result<SystemTime> {
    fn inside<'r>(reader: &mut SliceReader<'r>) -> der::Result<AnyRef<'r>> {
        reader.decode()
    }
    let mut outer = SliceReader::new(AnyRef::from_der(certificate)?.value())?;
    let mut to_be_signed = SliceReader::new(inside(&mut outer)?.value())?;
    // The version, tagged [0], is left out by certificates of version 1.
    if to_be_signed.peek_byte() == Some(0xa0) {
        inside(&mut to_be_signed)?;
    }
    for _serial_signature_issuer in 0..3 {
        inside(&mut to_be_signed)?;
    }
    let mut validity = SliceReader::new(inside(&mut to_be_signed)?.value())?;
    inside(&mut validity)?;
    let end = inside(&mut validity)?;
    Ok(match end.tag() {
        Tag::UtcTime => end.decode_as::<UtcTime>()?.to_system_time(),
        _ => end.decode_as::<GeneralizedTime>()?.to_system_time(),
    })
}

#[cfg(test)]
mod tests;
