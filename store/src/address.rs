//! Where a store lies: parsed once, shown without its password.

use std::path::PathBuf;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::error::{Error, Result};

/// A store's address.
pub struct Address {
    /// As it may be shown: without password and options.
    pub shown: String,
    /// Which database.
    pub place: Place,
}

/// Which database.
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A server's database.
    Postgres(Box<PgConnectOptions>),
}

/// Endings that say SQLite without a scheme.
const ENDINGS: [&str; 3] = [".db", ".sqlite", ".sqlite3"];
const EXPECTED: &str = "expected sqlite:FILE, a file that ends in .db, .sqlite or .sqlite3, or \
                        postgres://USER@HOST/DATABASE";
/// Options of a PostgreSQL address; a password is none of them.
const OPTIONS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
    "options",
];

impl Address {
    /// `sqlite:FILE`, a path with an ending of SQLite, or `postgres://...`. What PostgreSQL's address leaves out is
    /// taken from `PGPASSWORD` and its like, and from `~/.pgpass`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Address> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return postgres(text);
        }
        let of_scheme = text.strip_prefix("sqlite:");
        let file = of_scheme.map(|rest| rest.strip_prefix("//").unwrap_or(rest)).unwrap_or(text);
        let bad = |shown: &str, reason: String| {
            Err(Error::BadAddress { shown: shown.to_owned(), reason })
        };
        if of_scheme.is_none() && !ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            // Another scheme may hold a password.
            return match text.split_once("://") {
                Some((scheme, _)) => bad(&format!("{scheme}://"), format!("no store; {EXPECTED}")),
                None => bad(text, format!("not the address of a store; {EXPECTED}")),
            };
        }
        if file.is_empty() || file.contains(":memory:") || file.contains('?') {
            return bad(text, "expected a file's path behind sqlite:, without options".to_owned());
        }
        Ok(Address { shown: file.to_owned(), place: Place::Sqlite(PathBuf::from(file)) })
    }
}

fn postgres(text: &str) -> Result<Address> {
    // Nothing is shown of a text that cannot be taken apart: the password may lie anywhere in it.
    let bad = |reason: &str| {
        let shown = "postgres://...".to_owned();
        Error::BadAddress { shown, reason: reason.to_owned() }
    };
    let mut url = Url::parse(text).map_err(|e| {
        bad(&format!(
            "{e}; expected postgres://USER@HOST:PORT/DATABASE, with / @ : # ? and % in a password \
             written as %2F %40 %3A %23 %3F %25"
        ))
    })?;
    if url.cannot_be_a_base() {
        return Err(bad(
            "found no // behind postgres:, expected postgres://USER@HOST:PORT/DATABASE",
        ));
    }
    let behind_host = [Some(url.path()), url.query(), url.fragment()];
    if behind_host.into_iter().flatten().any(|part| part.contains('@')) || url.fragment().is_some()
    {
        return Err(bad(
            "found @ or # behind the host; in a password write / @ # and ? as %2F %40 %23 and %3F",
        ));
    }
    let unknown = |(key, _): &(_, _)| !OPTIONS.contains(&AsRef::<str>::as_ref(key));
    if let Some((key, _)) = url.query_pairs().find(unknown) {
        return Err(bad(&match &*key {
            "password" => {
                "a password stands before the host, in PGPASSWORD or in ~/.pgpass".to_owned()
            }
            key => format!("no option {key:?}; there is {}", OPTIONS.join(", ")),
        }));
    }
    let options = PgConnectOptions::from_url(&url).map_err(|e| bad(&e.to_string()))?;
    if url.password().is_some() && url.set_password(None).is_err() {
        return Err(bad("found a password but no host; expected postgres://USER@HOST/DATABASE"));
    }
    url.set_query(None);
    let place = Place::Postgres(Box::new(options.disable_statement_logging()));
    Ok(Address { shown: url.to_string(), place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_with_and_without_a_scheme() {
        for (text, file) in [
            ("customers.db", "customers.db"),
            ("sqlite:customers", "customers"),
            ("sqlite:data/customers.db", "data/customers.db"),
            ("sqlite:///srv/customers.sqlite", "/srv/customers.sqlite"),
            ("/srv/customers.sqlite3", "/srv/customers.sqlite3"),
        ] {
            let address = Address::parse(text).unwrap();
            assert!(matches!(&address.place, Place::Sqlite(found) if found.as_os_str() == file));
            assert_eq!(address.shown, file);
        }
    }

    #[test]
    fn no_password_is_shown_whatever_the_address() {
        let shown = |text: &str| match Address::parse(text) {
            Ok(address) => address.shown,
            Err(error) => format!("{error} {error:?}"),
        };
        assert_eq!(
            shown("postgres://ann:hunter2@db.example:5433/crm?sslmode=require"),
            "postgres://ann@db.example:5433/crm"
        );
        assert_eq!(shown("postgresql://ann:hun%2Fter2@h/crm"), "postgresql://ann@h/crm");
        for text in [
            "postgres://ann:hun/hunter2@h/crm",
            "postgres://ann:12/hunter2@h/crm",
            "postgres://ann:12?hunter2@h/crm",
            "postgres://ann:12#hunter2@h/crm",
            "postgres://ann:12#hunter2",
            "postgres:ann:hunter2",
            "postgres://ann@h/crm?password=hunter2",
            "postgres://ann@h/crm?pasword=hunter2",
            "postgres://ann@h/crm?port=hunter2",
            "mysql://ann:hunter2@h/crm",
        ] {
            assert!(!shown(text).contains("hunter2"), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn what_names_no_store_is_refused_with_what_does() {
        for text in ["", "customers", "customers.csv", "mysql://h/crm"] {
            let said = Address::parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("expected sqlite:FILE"), "{text}: {said}");
        }
        for text in ["sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro"] {
            let said = Address::parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("a file's path behind sqlite:"), "{text}: {said}");
        }
    }
}
