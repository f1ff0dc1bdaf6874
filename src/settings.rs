//! The service's settings: as given by flags, environment and file, then validated once, at the
//! start. Nothing after this reads a flag or an environment variable.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// Settings as given. Every one may stand in the file of `--config` under the same name with `_`
/// for `-`, in the environment, or on the command line; the later of these three wins.
#[derive(Debug, Clone, Default, Parser, Deserialize)]
#[command(name = "rekindle-server", version, about, after_help = EXAMPLES)]
#[serde(deny_unknown_fields, default)]
pub struct Flags {
    /// Folder of models that `rekindle fit ... -o FOLDER` wrote, or its copy in an object store (s3://, gs://, az://,
    /// file://, https://)
    #[arg(long, env = "REKINDLE_REGISTRY", value_name = "FOLDER|URL")]
    pub registry: Option<String>,
    /// Folder that keeps the models of a registry in an object store, so that a start goes without it
    #[arg(long, env = "REKINDLE_REGISTRY_CACHE", value_name = "FOLDER")]
    pub registry_cache: Option<PathBuf>,
    /// How often the registry is looked at for new versions in force [default: 2]
    #[arg(long, env = "REKINDLE_REGISTRY_POLL_SECONDS", value_name = "SECONDS")]
    pub registry_poll_seconds: Option<u64>,
    /// What is known of customers (`rekindle score --store` makes it): an SQLite file or a PostgreSQL URL
    #[arg(long, env = "REKINDLE_STORE", value_name = "FILE|URL", hide_env_values = true)]
    pub store: Option<String>,
    /// File of the programs that lists of campaigns may be sent to, with their secrets (TOML)
    #[arg(long, env = "REKINDLE_WEBHOOKS", value_name = "FILE")]
    pub webhooks: Option<PathBuf>,
    /// Whether the pages for marketing people are served at /; with a store its customers then lie in memory, some 100 MB
    /// a million [default: true]
    #[arg(long, env = "REKINDLE_PAGES", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub pages: Option<bool>,
    /// The currency of all money, as EUR, for the pages [default: numbers alone]
    #[arg(long, env = "REKINDLE_CURRENCY", value_name = "CODE")]
    pub currency: Option<String>,
    /// Where people reach the pages, where that is not the address of --listen, as https://rekindle.example.com: for a proxy
    /// that speaks TLS [default: none]
    #[arg(long, env = "REKINDLE_PUBLIC_URL", value_name = "ORIGIN")]
    pub public_url: Option<String>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "REKINDLE_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Address and port where health and metrics are answered on a thread of their own, or `off` [default: the
    /// address of --listen with the next port]
    #[arg(long, env = "REKINDLE_MONITOR", value_name = "ADDRESS:PORT")]
    pub monitor: Option<String>,
    /// Threads that answer requests [default: the machine's cores]
    #[arg(long, env = "REKINDLE_WORKERS", value_name = "COUNT")]
    pub workers: Option<usize>,
    /// File of API keys, made by `rekindle-server keys create`
    #[arg(long, env = "REKINDLE_KEYS", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Listen beyond loopback although there are no keys: anyone who reaches the port may ask
    #[arg(long, env = "REKINDLE_ALLOW_WITHOUT_KEYS", num_args = 0..=1, default_missing_value = "true")]
    pub allow_without_keys: Option<bool>,
    /// Certificate chain (PEM) to speak TLS with; it is read again when it changes
    #[arg(long, env = "REKINDLE_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, env = "REKINDLE_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Origins whose pages may call the service from a browser, as https://crm.example.com [default: none]
    #[arg(long, env = "REKINDLE_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origins: Option<Vec<String>>,
    /// File that administrative calls are written to, one JSON object a line
    #[arg(long, env = "REKINDLE_AUDIT_LOG", value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Requests a second of each key, or of each address where there are no keys; 0: no limit [default: 0]
    #[arg(long, env = "REKINDLE_REQUESTS_PER_SECOND", value_name = "COUNT")]
    pub requests_per_second: Option<u32>,
    /// Requests that may come at once before that limit counts [default: the limit]
    #[arg(long, env = "REKINDLE_BURST", value_name = "COUNT")]
    pub burst: Option<u32>,
    /// Largest request body, and largest after decompression [default: 8388608]
    #[arg(long, env = "REKINDLE_MAX_BODY_BYTES", value_name = "BYTES")]
    pub max_body_bytes: Option<usize>,
    /// Bytes that the bodies of all requests under way may hold together [default: 536870912]
    #[arg(long, env = "REKINDLE_MAX_BODIES_BYTES", value_name = "BYTES")]
    pub max_bodies_bytes: Option<usize>,
    /// Most customers in one request, but for POST /v1/score/batch, which has no limit [default: 10000]
    #[arg(long, env = "REKINDLE_MAX_CUSTOMERS", value_name = "COUNT")]
    pub max_customers: Option<usize>,
    /// Most fields of a customer, or columns of a table [default: 10000]
    #[arg(long, env = "REKINDLE_MAX_FIELDS", value_name = "COUNT")]
    pub max_fields: Option<usize>,
    /// Longest text of a field [default: 65536]
    #[arg(long, env = "REKINDLE_MAX_TEXT_BYTES", value_name = "BYTES")]
    pub max_text_bytes: Option<usize>,
    /// Longest row of a batch, as text [default: 1048576]
    #[arg(long, env = "REKINDLE_MAX_ROW_BYTES", value_name = "BYTES")]
    pub max_row_bytes: Option<usize>,
    /// Largest part of a batch's answer that waits on disk while the client does not take it [default: 4294967296]
    #[arg(long, env = "REKINDLE_MAX_ANSWER_BYTES", value_name = "BYTES")]
    pub max_answer_bytes: Option<u64>,
    /// Most connections at a time [default: 10000]
    #[arg(long, env = "REKINDLE_MAX_CONNECTIONS", value_name = "COUNT")]
    pub max_connections: Option<usize>,
    /// How long a client may take to send a request's head [default: 5000]
    #[arg(long, env = "REKINDLE_HEADER_TIMEOUT_MS", value_name = "MILLISECONDS")]
    pub header_timeout_ms: Option<u64>,
    /// How long a request may take, from its head to its answer; of a batch, how long nothing may come or go
    /// [default: 10000]
    #[arg(long, env = "REKINDLE_REQUEST_TIMEOUT_MS", value_name = "MILLISECONDS")]
    pub request_timeout_ms: Option<u64>,
    /// How late the threads that answer requests may be before requests are refused [default: 250]
    #[arg(long, env = "REKINDLE_MAX_LAG_MS", value_name = "MILLISECONDS")]
    pub max_lag_ms: Option<u64>,
    /// Large requests that may wait for a core before further ones are refused [default: 64]
    #[arg(long, env = "REKINDLE_QUEUE", value_name = "COUNT")]
    pub queue: Option<usize>,
    /// Batches that are read at a time, each on a thread of its own [default: 8]
    #[arg(long, env = "REKINDLE_MAX_BATCHES", value_name = "COUNT")]
    pub max_batches: Option<usize>,
    /// How long requests in flight may take to finish after SIGTERM [default: 30]
    #[arg(long, env = "REKINDLE_SHUTDOWN_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub shutdown_timeout_seconds: Option<u64>,
    /// How log lines are written to standard error [default: text]
    #[arg(long, env = "REKINDLE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The least severe log lines to write; requests are `info` [default: info]
    #[arg(long, env = "REKINDLE_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// OpenTelemetry collector that spans are sent to (OTLP over HTTP), as http://127.0.0.1:4318 [default: none]
    #[arg(long, env = "REKINDLE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// TOML file with any of these settings
    #[arg(long, env = "REKINDLE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Print the settings in force as TOML and exit; the files that they name are not opened
    #[arg(long)]
    #[serde(skip)]
    pub check: bool,
}

const EXAMPLES: &str = "\
Examples:
  rekindle-server --registry registry/
  rekindle-server --config server.toml --listen 0.0.0.0:8080 --check
  REKINDLE_REGISTRY=registry/ REKINDLE_LOG_FORMAT=json rekindle-server
  curl -d @customer.json localhost:8080/v1/score

Exit codes: 0 stopped on request, 1 could not start or run, 2 wrong settings.";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least severe log lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What somebody should look at.
    Warn,
    /// A line for every request.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// Settings in force: complete and within their ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Where the models are.
    pub registry: RegistryAt,
    /// Where models of a registry in an object store are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry_cache: Option<PathBuf>,
    /// Seconds between looks at the registry, 1 to 3,600.
    pub registry_poll_seconds: u64,
    /// Where what is known of customers is kept; it may hold a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Secret>,
    /// The file of the programs that lists may be sent to; there is a store as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<PathBuf>,
    /// Whether pages for people are served.
    pub pages: bool,
    /// The currency of money on them: three capital letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The origin that people reach the pages at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where health and metrics are answered on a thread of their own.
    pub monitor: Monitor,
    /// Threads that answer requests, 1 to 1,024.
    pub workers: usize,
    /// The file of API keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// Whether anyone may ask who reaches the port.
    pub allow_without_keys: bool,
    /// The certificate chain; there is a key as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Origins whose pages may call.
    pub cors_origins: Vec<String>,
    /// Where administrative calls are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_log: Option<PathBuf>,
    /// Requests a second of each caller; 0: no limit.
    pub requests_per_second: u32,
    /// Requests at once; as many as come in a second where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Largest request body in bytes, 1 KiB to 1 GiB.
    pub max_body_bytes: usize,
    /// Most bytes of the bodies under way together, from twice `max_body_bytes` to 1 TiB.
    pub max_bodies_bytes: usize,
    /// Most customers in one request, 1 to 1,000,000.
    pub max_customers: usize,
    /// Most fields of a customer, 1 to 1,000,000.
    pub max_fields: usize,
    /// Longest text of a field, 16 bytes to 16 MiB.
    pub max_text_bytes: usize,
    /// Longest row of a batch, 1 KiB to 64 MiB.
    pub max_row_bytes: usize,
    /// Largest part of a batch's answer on disk, 0 to 1 TiB.
    pub max_answer_bytes: u64,
    /// Most connections, 1 to 1,000,000.
    pub max_connections: usize,
    /// Milliseconds for a request's head, 10 to 600,000.
    pub header_timeout_ms: u64,
    /// Milliseconds for a request, 10 to 600,000.
    pub request_timeout_ms: u64,
    /// Milliseconds of lag before requests are refused, 1 to 60,000.
    pub max_lag_ms: u64,
    /// Large requests that may wait, 0 to 100,000.
    pub queue: usize,
    /// Batches at a time, 1 to 1,024.
    pub max_batches: usize,
    /// How long requests in flight may take to finish, 0 to 3,600.
    pub shutdown_timeout_seconds: u64,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The least severe log lines that are written.
    pub log_level: LogLevel,
    /// Where spans are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
}

/// Where the registry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RegistryAt {
    /// In an existing folder.
    Folder(PathBuf),
    /// In an object store.
    Url(String),
}

/// Where health and metrics are answered besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Monitor {
    /// Nowhere.
    Off,
    /// At an address.
    At(SocketAddr),
}

impl Serialize for Monitor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Monitor::Off => serializer.serialize_str("off"),
            Monitor::At(address) => serializer.collect_str(address),
        }
    }
}

/// A setting that may hold a password: it is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A URL without its password; a path as it is.
impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match url::Url::parse(&self.0) {
            Ok(mut url) if !url.cannot_be_a_base() => {
                // Some databases take the password behind the question mark.
                url.set_query(None);
                let hidden = url.password().is_none() || url.set_password(Some("***")).is_ok();
                serializer.serialize_str(if hidden { url.as_str() } else { "***" })
            }
            _ if self.0.contains(['@', '?']) => serializer.serialize_str("***"),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongSetting {
    /// Its name, as in the file.
    pub setting: &'static str,
    /// The value that was given.
    pub found: String,
    /// What it should have been, and what to do.
    pub expected: String,
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting {}: found {}, expected {}", self.setting, self.found, self.expected)
    }
}

impl std::error::Error for WrongSetting {}

impl Settings {
    /// The settings in force: flags and environment (`flags` holds both, as clap reads them), then
    /// the file that they name, then defaults.
    ///
    /// # Errors
    /// With the first setting that is outside its range or of another kind.
    pub fn resolve(flags: &Flags) -> Result<Settings, WrongSetting> {
        let file = flags.config.as_deref().map_or_else(|| Ok(Flags::default()), read_file)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        macro_rules! given {
            ($setting:ident) => {
                flags.$setting.clone().or(file.$setting.clone())
            };
        }
        macro_rules! within {
            ($setting:ident, $default:expr, $range:expr) => {
                within(stringify!($setting), given!($setting), $default, $range)?
            };
        }
        let listen = address("listen", given!(listen).as_deref().unwrap_or("127.0.0.1:8080"))?;
        let requests_per_second = within!(requests_per_second, 0, 0..=1_000_000);
        let settings = Settings {
            registry: registry(given!(registry))?,
            registry_cache: given!(registry_cache),
            registry_poll_seconds: within!(registry_poll_seconds, 2, 1..=3_600),
            store: given!(store).map(Secret),
            webhooks: given!(webhooks),
            pages: given!(pages).unwrap_or(true),
            currency: currency(given!(currency))?,
            public_url: match given!(public_url) {
                None => None,
                Some(url) => origins("public_url", vec![url])?.pop(),
            },
            listen,
            monitor: monitor(given!(monitor).as_deref(), listen)?,
            workers: within!(workers, cores, 1..=1_024),
            keys: given!(keys),
            allow_without_keys: given!(allow_without_keys).unwrap_or(false),
            tls_certificate: given!(tls_certificate),
            tls_key: given!(tls_key),
            cors_origins: origins("cors_origins", given!(cors_origins).unwrap_or_default())?,
            audit_log: given!(audit_log),
            requests_per_second,
            burst: match given!(burst) {
                Some(_) => Some(within!(burst, 1, 1..=1_000_000)),
                None => None,
            },
            max_body_bytes: within!(max_body_bytes, 8 << 20, 1 << 10..=1 << 30),
            max_bodies_bytes: within!(max_bodies_bytes, 512 << 20, 1 << 10..=1 << 40),
            max_customers: within!(max_customers, 10_000, 1..=1_000_000),
            max_fields: within!(max_fields, 10_000, 1..=1_000_000),
            max_text_bytes: within!(max_text_bytes, 64 << 10, 16..=16 << 20),
            max_row_bytes: within!(max_row_bytes, 1 << 20, 1 << 10..=64 << 20),
            max_answer_bytes: within!(max_answer_bytes, 4 << 30, 0..=1 << 40),
            max_connections: within!(max_connections, 10_000, 1..=1_000_000),
            header_timeout_ms: within!(header_timeout_ms, 5_000, 10..=600_000),
            request_timeout_ms: within!(request_timeout_ms, 10_000, 10..=600_000),
            max_lag_ms: within!(max_lag_ms, 250, 1..=60_000),
            queue: within!(queue, 64, 0..=100_000),
            max_batches: within!(max_batches, 8, 1..=1_024),
            shutdown_timeout_seconds: within!(shutdown_timeout_seconds, 30, 0..=3_600),
            log_format: given!(log_format).unwrap_or(LogFormat::Text),
            log_level: given!(log_level).unwrap_or(LogLevel::Info),
            otlp_endpoint: given!(otlp_endpoint),
        };
        settings.agree()?;
        Ok(settings)
    }

    /// What several settings say together.
    fn agree(&self) -> Result<(), WrongSetting> {
        let wrong = |setting, found: &str, expected: &str| {
            Err(WrongSetting { setting, found: found.to_owned(), expected: expected.to_owned() })
        };
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let expected = "both tls_certificate and tls_key, or neither";
            return wrong("tls_certificate", "one of two", expected);
        }
        if self.webhooks.is_some() && self.store.is_none() {
            let expected = "a store as well: what is on its way stands there";
            return wrong("webhooks", "a file, and no store", expected);
        }
        // A body takes up to twice its length while it comes.
        if self.max_bodies_bytes < 2 * self.max_body_bytes {
            return wrong(
                "max_bodies_bytes",
                &self.max_bodies_bytes.to_string(),
                &format!("at least twice max_body_bytes, which is {}", self.max_body_bytes),
            );
        }
        if !self.listen.ip().is_loopback() && self.keys.is_none() && !self.allow_without_keys {
            return wrong(
                "listen",
                &format!("{}, which others reach, and no keys", self.listen),
                "a file of keys (`rekindle-server keys create` makes one, name it with --keys), an address as \
                 127.0.0.1:8080, or --allow-without-keys, so that anyone may ask",
            );
        }
        Ok(())
    }

    /// The settings as a file for `--config`; passwords are left out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("paths come from text, the rest are numbers and words")
    }
}

fn read_file(path: &Path) -> Result<Flags, WrongSetting> {
    let wrong = |found: String, expected: &str| WrongSetting {
        setting: "config",
        found,
        expected: expected.to_owned(),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| wrong(format!("{} ({e})", path.display()), "a readable file"))?;
    toml::from_str(&text).map_err(|e| {
        wrong(format!("{}: {}", path.display(), e.to_string().trim_end()), "TOML settings")
    })
}

fn registry(given: Option<String>) -> Result<RegistryAt, WrongSetting> {
    let wrong = |found: String| WrongSetting {
        setting: "registry",
        found,
        expected:
            "an existing folder; `rekindle fit ... -o FOLDER` makes one, name it with --registry; \
                   or the URL of its copy in an object store"
                .to_owned(),
    };
    let given = given.ok_or_else(|| wrong("nothing".to_owned()))?;
    if given.contains("://") {
        return match url::Url::parse(&given) {
            Ok(url) if url.scheme() == "file" => match url.to_file_path() {
                Ok(path) if path.is_dir() => Ok(RegistryAt::Folder(path)),
                _ => Err(wrong(format!("{given:?}"))),
            },
            Ok(_) => Ok(RegistryAt::Url(given)),
            Err(_) => Err(wrong(format!("{given:?}"))),
        };
    }
    let path = PathBuf::from(&given);
    match path.is_dir() {
        true => Ok(RegistryAt::Folder(path)),
        false => Err(wrong(format!("{given:?}"))),
    }
}

fn currency(given: Option<String>) -> Result<Option<String>, WrongSetting> {
    let sound = |code: &String| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    match given {
        Some(code) if !sound(&code) => Err(WrongSetting {
            setting: "currency",
            found: format!("{code:?}"),
            expected: "three capital letters, like EUR or CNY".to_owned(),
        }),
        given => Ok(given),
    }
}

fn address(setting: &'static str, text: &str) -> Result<SocketAddr, WrongSetting> {
    text.parse().map_err(|_| WrongSetting {
        setting,
        found: format!("{text:?}"),
        expected: "an IP address and a port, like 127.0.0.1:8080 or [::]:8080".to_owned(),
    })
}

fn monitor(given: Option<&str>, listen: SocketAddr) -> Result<Monitor, WrongSetting> {
    match given {
        Some("off") => Ok(Monitor::Off),
        Some(text) => address("monitor", text).map(Monitor::At),
        None => {
            let port = if listen.port() == 0 { 0 } else { listen.port().wrapping_add(1) };
            Ok(Monitor::At(SocketAddr::new(listen.ip(), port)))
        }
    }
}

fn origins(setting: &'static str, given: Vec<String>) -> Result<Vec<String>, WrongSetting> {
    let is_origin = |text: &String| {
        let parsed = url::Url::parse(text);
        parsed
            .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == *text)
    };
    match given.iter().find(|text| !is_origin(text)) {
        None => Ok(given),
        Some(text) => Err(WrongSetting {
            setting,
            found: format!("{text:?}"),
            expected: "an origin, like https://crm.example.com, without a path".to_owned(),
        }),
    }
}

fn within<T: Copy + PartialOrd + fmt::Display>(
    setting: &'static str,
    given: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, WrongSetting> {
    let value = given.unwrap_or(default);
    if !range.contains(&value) {
        return Err(WrongSetting {
            setting,
            found: value.to_string(),
            expected: format!("{} to {}", range.start(), range.end()),
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(folder: &Path) -> Flags {
        Flags { registry: Some(folder.to_str().unwrap().to_owned()), ..Flags::default() }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.toml");
        std::fs::write(&file, "workers = 3\nmax_customers = 7\nlog_format = \"json\"\n").unwrap();
        let mut given = flags(folder.path());
        given.config = Some(file);
        given.max_customers = Some(9);
        let settings = Settings::resolve(&given).unwrap();
        assert_eq!((settings.workers, settings.max_customers), (3, 9));
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.max_body_bytes, 8 << 20);
    }

    #[test]
    fn a_folder_may_be_named_by_a_url() {
        let folder = tempfile::tempdir().unwrap();
        let url = |path: &Path| format!("file://{}", path.display());
        let given = Flags { registry: Some(url(folder.path())), ..Flags::default() };
        let settings = Settings::resolve(&given).unwrap();
        assert_eq!(settings.registry, RegistryAt::Folder(folder.path().to_owned()));
        let given = Flags { registry: Some(url(&folder.path().join("none"))), ..given };
        assert_eq!(Settings::resolve(&given).unwrap_err().setting, "registry");
    }

    #[test]
    fn printed_settings_are_a_settings_file() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::resolve(&flags(folder.path())).unwrap();
        let file = folder.path().join("server.toml");
        std::fs::write(&file, settings.to_toml()).unwrap();
        let given = Flags { config: Some(file), ..Flags::default() };
        assert_eq!(Settings::resolve(&given).unwrap(), settings);
    }

    #[test]
    fn wrong_settings_are_named_with_what_was_found_and_expected() {
        let folder = tempfile::tempdir().unwrap();
        let check = |change: &dyn Fn(&mut Flags), expected: &str| {
            let mut given = flags(folder.path());
            change(&mut given);
            let error = Settings::resolve(&given).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(&|f| f.workers = Some(0), "setting workers: found 0, expected 1 to 1024");
        check(
            &|f| f.listen = Some("here".into()),
            "setting listen: found \"here\", expected an IP",
        );
        check(
            &|f| f.currency = Some("euro".into()),
            "setting currency: found \"euro\", expected three",
        );
        check(&|f| f.registry = None, "setting registry: found nothing, expected an existing");
        check(
            &|f| f.max_bodies_bytes = Some(9 << 20),
            "setting max_bodies_bytes: found 9437184, expected at least twice max_body_bytes, which is 8388608",
        );
        check(&|f| f.max_body_bytes = Some(5), "setting max_body_bytes: found 5, expected 1024 to");
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.toml");
        std::fs::write(&file, "wrokers = 3\n").unwrap();
        let mut given = flags(folder.path());
        given.config = Some(file);
        let error = Settings::resolve(&given).unwrap_err().to_string();
        assert!(error.contains("unknown field `wrokers`"), "{error}");
    }
}
