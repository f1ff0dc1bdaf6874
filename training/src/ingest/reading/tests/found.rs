//! Files, folders, globs and lists: which are taken, and what is said of those that are not there.

use super::*;

const HEADER: &str = "customer,time,kind,amount\n";

fn file(customer: &str) -> Vec<u8> {
    format!("{HEADER}{customer},2024-01-01,visit,\n").into_bytes()
}

/// The customers whose files a path takes.
fn taken(folder: &Path, path: &str) -> Result<Vec<String>> {
    let found = read_log(folder, &plain("x").replace("\"x\"", path), &Asked::default())?;
    assert_eq!(found.report.sources[0].files, found.events.len(), "{path}");
    Ok(found.events.into_keys().collect())
}

#[test]
fn a_folder_a_glob_and_a_list_take_the_files_they_should() {
    let folder = folder(&[
        ("events/a.csv", &file("a")),
        ("events/b.csv.gz", &gzipped(&file("b"))),
        ("events/deep/c.CSV", &file("c")),
        ("events/d.ndjson", b"{\"customer\":\"d\",\"time\":\"2024-01-01\",\"kind\":\"visit\"}"),
        ("events/.hidden.csv", &file("hidden")),
        ("events/.hidden/e.csv", &file("hidden")),
        ("events/_SUCCESS", b""),
        ("events/_tmp/f.csv", &file("hidden")),
        ("events/notes.md", b"notes"),
        ("other.csv", &file("o")),
        ("odd.log", &file("odd")),
    ]);
    let check = |path: &str, expected: &[&str]| {
        assert_eq!(taken(folder.path(), path).unwrap(), expected, "{path}");
    };
    check("\"events\"", &["a", "b", "c", "d"]);
    check("\"events/\"", &["a", "b", "c", "d"]);
    check("\"events/*.csv\"", &["a"]);
    check("\"events/*.csv*\"", &["a", "b"]);
    check("\"events/**/*.CSV\"", &["c"]);
    check("\"*/[ab].csv*\"", &["a", "b"]);
    check("[\"other.csv\", \"events/a.csv\"]", &["a", "o"]);
    // What is named is taken, whatever its name.
    check("\"odd.log\"", &["odd"]);
    check("\"events/.hidden.csv\"", &["hidden"]);
    let whole = folder.path().join("other.csv").display().to_string();
    check(&format!("'{whole}'"), &["o"]);
    check("\"*.csv\"", &["o"]);
    // The folder of a project is no pattern.
    let odd = folder.path().join("odd [1]");
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("z.csv"), file("z")).unwrap();
    assert_eq!(taken(&odd, "\"*.csv\"").unwrap(), ["z"]);
}

#[test]
fn a_file_is_read_once_whatever_ways_lead_to_it() {
    let folder = folder(&[("logs/a.csv", &file("a")), ("logs/deep/b.csv", &file("b"))]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    link(".", "logs/all");
    link("..", "logs/deep/up");
    link("deep", "logs/same");
    link("a.csv", "logs/c.csv");
    for (path, expected) in [
        ("\"logs\"", &["a", "b"][..]),
        ("\"logs/all\"", &["a", "b"]),
        ("\"logs/**/*.csv\"", &["a", "b"]),
        ("\"logs/*.csv\"", &["a"]),
        // A folder within itself is not entered again.
        ("\"logs/*/*.csv\"", &["b"]),
        ("[\"logs/a.csv\", \"logs/*.csv\"]", &["a"]),
        ("[\"logs\", \"logs/deep\", \"logs/../logs/a.csv\"]", &["a", "b"]),
    ] {
        let found = read_log(folder.path(), &plain("x").replace("\"x\"", path), &Asked::default());
        let found = found.unwrap();
        assert!(found.events.keys().eq(expected), "{path}: {:?}", found.events);
        assert_eq!(found.report.sources[0].tally.events, expected.len() as u64, "{path}");
    }
}

#[test]
fn a_folder_that_cannot_be_read_stops_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("logs/a/a.csv", &file("a")), ("logs/b/b.csv", &file("b"))]);
    let closed = folder.path().join("logs/b");
    let allow = |mode| fs::set_permissions(&closed, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o000, 0o300, 0o600] {
        allow(mode);
        // A superuser may read what is closed to all.
        if fs::read(closed.join("b.csv")).is_ok() && fs::read_dir(&closed).is_ok() {
            continue;
        }
        for path in ["\"logs\"", "\"logs/*/*.csv\"", "\"logs/**/*.csv\""] {
            let error = taken(folder.path(), path).unwrap_err().to_string();
            assert!(error.contains("logs/b"), "{mode:o} {path}: {error}");
        }
    }
    allow(0o700);
}

#[test]
fn names_that_are_no_unicode_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder(&[("a.csv", &file("a"))]);
    let odd = std::ffi::OsStr::from_bytes(b"b\xff.csv");
    fs::write(folder.path().join(odd), file("b")).unwrap();
    assert_eq!(taken(folder.path(), "\"*.csv\"").unwrap(), ["a", "b"]);
}

#[test]
fn what_is_not_there_is_told() {
    let folder = folder(&[("empty/notes.md", b""), ("a.csv", &file("a"))]);
    let check = |path: &str, expected: &[&str]| {
        let error = taken(folder.path(), path).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    check("\"b.csv\"", &["b.csv: failed to read it"]);
    check("[\"a.csv\", \"b.csv\"]", &["b.csv: failed to read it"]);
    check("\"*.parquet\"", &["*.parquet has no file", "source 1", "expected a file, a glob"]);
    check("\"empty\"", &["empty has no file", ".ndjson"]);
    check("\"a[.csv\"", &["a[.csv", "expected a glob"]);
    check("\"file:///a.csv\"", &["expected the plain path"]);
    check("\"ftp://host/a.csv\"", &["ftp://host/a.csv", "s3://"]);
}

#[test]
fn a_missing_column_names_the_file_that_lacks_it() {
    let folder =
        folder(&[("events/a.csv", &file("a")), ("events/b.csv", b"customer,when,kind,amount\n")]);
    let error = taken(folder.path(), "\"events\"").unwrap_err().to_string();
    assert!(error.contains("b.csv: it has no column \"time\""), "{error}");
    assert!(error.contains("it has customer, when, kind, amount"), "{error}");
}
