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
    /// Folder of models that `rekindle fit ... -o FOLDER` wrote
    #[arg(long, env = "REKINDLE_REGISTRY", value_name = "FOLDER")]
    pub registry: Option<PathBuf>,
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "REKINDLE_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Threads that answer requests [default: the machine's cores]
    #[arg(long, env = "REKINDLE_WORKERS", value_name = "COUNT")]
    pub workers: Option<usize>,
    /// Largest request body [default: 8388608]
    #[arg(long, env = "REKINDLE_MAX_BODY_BYTES", value_name = "BYTES")]
    pub max_body_bytes: Option<usize>,
    /// Most customers in one request [default: 10000]
    #[arg(long, env = "REKINDLE_MAX_CUSTOMERS", value_name = "COUNT")]
    pub max_customers: Option<usize>,
    /// How long requests in flight may take to finish after SIGTERM [default: 30]
    #[arg(long, env = "REKINDLE_SHUTDOWN_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub shutdown_timeout_seconds: Option<u64>,
    /// How log lines are written to standard error [default: text]
    #[arg(long, env = "REKINDLE_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The least severe log lines to write; requests are `info` [default: info]
    #[arg(long, env = "REKINDLE_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// TOML file with any of these settings
    #[arg(long, env = "REKINDLE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Print the settings in force as TOML and exit
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
    /// An existing folder of models.
    pub registry: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads that answer requests, 1 to 1,024.
    pub workers: usize,
    /// Largest request body in bytes, 1 KiB to 1 GiB.
    pub max_body_bytes: usize,
    /// Most customers in one request, 1 to 1,000,000.
    pub max_customers: usize,
    /// How long requests in flight may take to finish, 0 to 3,600.
    pub shutdown_timeout_seconds: u64,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// The least severe log lines that are written.
    pub log_level: LogLevel,
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
        Ok(Settings {
            registry: registry(flags.registry.clone().or(file.registry))?,
            listen: listen(flags.listen.clone().or(file.listen))?,
            workers: within("workers", flags.workers.or(file.workers), cores, 1, 1_024)?,
            max_body_bytes: within(
                "max_body_bytes",
                flags.max_body_bytes.or(file.max_body_bytes),
                8 << 20,
                1 << 10,
                1 << 30,
            )?,
            max_customers: within(
                "max_customers",
                flags.max_customers.or(file.max_customers),
                10_000,
                1,
                1_000_000,
            )?,
            shutdown_timeout_seconds: within(
                "shutdown_timeout_seconds",
                flags.shutdown_timeout_seconds.or(file.shutdown_timeout_seconds),
                30,
                0,
                3_600,
            )?,
            log_format: flags.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            log_level: flags.log_level.or(file.log_level).unwrap_or(LogLevel::Info),
        })
    }

    /// The settings as a file for `--config`.
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

fn registry(given: Option<PathBuf>) -> Result<PathBuf, WrongSetting> {
    let wrong = |found: String| WrongSetting {
        setting: "registry",
        found,
        expected: "an existing folder; `rekindle fit ... -o FOLDER` makes one, \
                   name it with --registry"
            .to_owned(),
    };
    let path = given.ok_or_else(|| wrong("nothing".to_owned()))?;
    // Also refuses paths that are no text, which a settings file cannot hold.
    if !path.is_dir() || path.to_str().is_none() {
        return Err(wrong(format!("{:?}", path.display().to_string())));
    }
    Ok(path)
}

fn listen(given: Option<String>) -> Result<SocketAddr, WrongSetting> {
    let text = given.unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    text.parse().map_err(|_| WrongSetting {
        setting: "listen",
        found: format!("{text:?}"),
        expected: "an IP address and a port, like 127.0.0.1:8080 or [::]:8080".to_owned(),
    })
}

fn within<T: Copy + PartialOrd + fmt::Display>(
    setting: &'static str,
    given: Option<T>,
    default: T,
    least: T,
    most: T,
) -> Result<T, WrongSetting> {
    let value = given.unwrap_or(default);
    if value < least || value > most {
        return Err(WrongSetting {
            setting,
            found: value.to_string(),
            expected: format!("{least} to {most}"),
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(folder: &Path) -> Flags {
        Flags { registry: Some(folder.to_owned()), ..Flags::default() }
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
        check(&|f| f.registry = None, "setting registry: found nothing, expected an existing");
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
