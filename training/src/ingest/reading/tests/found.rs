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
