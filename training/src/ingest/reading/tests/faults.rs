//! What is not as it should be is counted with its place, and treated as it is said.

use super::*;

const LOG: &str = "customer,time,kind,amount,currency\n\
    a,2024-01-01,purchase,5,EUR\n\
    a,2024-01-02,purchase\n\
    ,2024-01-02,purchase,1,EUR\n\
    a,soon,purchase,1,EUR\n\
    a,,purchase,1,EUR\n\
    a,2024-01-03,,1,EUR\n\
    a,2024-01-04,purchase,many,EUR\n\
    a,2025-01-01,purchase,1,EUR\n\
    a,2024-01-05,purchase,-3,EUR\n\
    a,2024-01-06,purchase,4,USD\n\
    \n\
    b,2024-01-07,visit,,\n";

fn asked() -> Asked {
    let mut asked = Asked { end: Some(NEW_YEAR + 366 * 86_400_000), ..Asked::default() };
    asked.rules.currency = Some("EUR".to_owned());
    asked
}

/// As JSON lines, one for each line of the text: the line that is no record is none here either.
fn ndjson() -> String {
    let mut rows = ::csv::ReaderBuilder::new().flexible(true).from_reader(LOG.as_bytes());
    let header = rows.headers().unwrap().clone();
    // A blank line where the CSV file has its header.
    let mut text = "\n".to_owned();
    for row in rows.records().map(|row| row.unwrap()) {
        if row.len() < 5 {
            text += "{\"customer\": \"a\",\n";
            continue;
        }
        let cells = header.iter().zip(&row).filter(|(_, cell)| !cell.is_empty());
        let cells: Vec<String> = cells.map(|(name, cell)| format!("{name:?}: {cell:?}")).collect();
        text += &format!("{{{}}}\n", cells.join(", "));
    }
    text
}

#[test]
fn every_sort_of_fault_is_counted_and_treated_as_it_is_said() {
    let folder = folder(&[("log.csv", LOG.as_bytes()), ("log.ndjson", ndjson().as_bytes())]);
    for file in ["log.csv", "log.ndjson"] {
        let spec = plain(file) + "currency = \"currency\"\n";
        let found = read_log(folder.path(), &spec, &asked()).unwrap();
        let day = |n: i64| NEW_YEAR + n * 86_400_000;
        let expected = [
            format!("a: {0} purchase - - - {0} 5", day(0)),
            format!("a: {0} purchase - - - {0} NaN", day(3)),
            format!("a: {0} return - - - {0} -3", day(4)),
            format!("a: {0} purchase - - - {0} NaN", day(5)),
            format!("b: {0} visit - - - {0} NaN", day(6)),
        ];
        assert_eq!(found.all(), expected, "{file}");
        let check = |fault: Fault, expected: &[(u64, &str)]| {
            let lines = |(line, text): &(u64, &str)| format!("{file}: line {line}: {text}");
            let expected: Vec<String> = expected.iter().map(lines).collect();
            assert_eq!(found.faults(fault), expected, "{file} {fault:?}");
            assert_eq!(found.tally().faults[&fault].lines, expected.len() as u64, "{file}");
        };
        match file {
            "log.csv" => check(Fault::Malformed, &[(3, "found 3 fields, expected 5")]),
            _ => check(
                Fault::Malformed,
                &[(3, "not a JSON object: EOF while parsing a value at column 17")],
            ),
        }
        check(Fault::NoCustomer, &[(4, "found none")]);
        check(
            Fault::BadTime,
            &[
                (
                    5,
                    "found time \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\"",
                ),
                (
                    6,
                    "found time none, expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\"",
                ),
            ],
        );
        check(Fault::NoKind, &[(7, "found none")]);
        check(Fault::NotANumber, &[(8, "found amount \"many\", expected a finite number")]);
        check(Fault::AfterEnd, &[(9, "found time \"2025-01-01\"")]);
        check(Fault::NegativePurchase, &[(10, "found the amount -3")]);
        check(Fault::OtherCurrency, &[(11, "found the amount 4")]);
        let tally = found.tally();
        assert_eq!((tally.lines, tally.events), (11, 5), "{file}");
        assert_eq!(tally.bad_lines(), 6, "{file}");
        // Everything that was counted is told, with what was done.
        let text = found.report.to_string();
        for fault in tally.faults.keys() {
            let (what, done) = fault.about();
            assert!(text.contains(&format!("{what}: {done}")), "{text}");
        }
    }
}

#[test]
fn a_refund_in_another_currency_is_a_return_without_its_amount() {
    let log = b"customer,time,kind,amount,currency\na,2024-01-01,purchase,-10,USD\n";
    let folder = folder(&[("log.csv", log)]);
    let spec = plain("log.csv") + "currency = \"currency\"\n";
    let found = read_log(folder.path(), &spec, &asked()).unwrap();
    assert_eq!(found.all(), [format!("a: {NEW_YEAR} return - - - {NEW_YEAR} NaN")]);
    for fault in [Fault::NegativePurchase, Fault::OtherCurrency] {
        assert_eq!(found.faults(fault), ["log.csv: line 2: found the amount -10"]);
    }
}

#[test]
fn lines_are_wanted_whether_they_become_events_or_not() {
    let folder = folder(&[("log.csv", LOG.as_bytes())]);
    let asked = Asked { want_lines: true, ..asked() };
    let found = read_log(folder.path(), &plain("log.csv"), &asked).unwrap();
    let days: Vec<(&str, i64)> =
        found.lines.iter().map(|(c, t)| (c.as_str(), (t - NEW_YEAR) / 86_400_000)).collect();
    assert_eq!(days, [("a", 0), ("a", 2), ("a", 3), ("a", 4), ("a", 5), ("b", 6)]);
}

#[test]
fn more_bad_lines_than_may_be_stop_it_and_the_first_of_them_are_told() {
    let folder = folder(&[("log.csv", LOG.as_bytes())]);
    let at = |max_bad_lines| {
        let spec = plain("log.csv") + "currency = \"currency\"\n";
        read_log(folder.path(), &spec, &Asked { max_bad_lines, ..asked() })
    };
    assert!(at(6.0 / 11.0).is_ok());
    let error = at(0.4).unwrap_err().to_string();
    for part in [
        "6 of 11 lines are bad (54.5 %), more than max_bad_lines = 0.4",
        "log.csv: line 5: found time \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\"",
        "log.csv: line 3: found 3 fields, expected 5",
        "source 1 (log.csv): 1 file, 11 lines, 5 events",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn amounts_of_several_currencies_need_a_word_on_which_counts() {
    let log =
        b"customer,time,kind,amount,currency\na,2024-01-01,buy,1,EUR\na,2024-01-01,buy,1,USD\n";
    let error = csv(log, "currency = \"currency\"\n").unwrap_err().to_string();
    assert!(error.contains("2 currencies (EUR, USD)"), "{error}");
    assert!(error.contains("currency = \"EUR\""), "{error}");
    assert!(csv(&log[..58], "currency = \"currency\"\n").is_ok());
}

#[test]
fn a_path_that_no_json_line_has_is_refused_with_the_nearest() {
    let read = |lines: &str, spec: &str| {
        let folder = folder(&[("log.ndjson", lines.as_bytes())]);
        read_log(folder.path(), spec, &Asked::default()).map_err(|error| error.to_string())
    };
    let refused = |lines: &str, spec: &str, expected: &[&str]| {
        let error = read(lines, spec).unwrap_err();
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    let line = |rest: &str| {
        format!("{{\"customer\": \"a\", \"time\": \"2024-01-01\", \"kind\": \"buy\"{rest}}}\n")
    };
    let told = plain("log.ndjson");
    let amount = ["no line has \"amount\" (did you mean \"amout\"?)", "source 1 (log.ndjson)"];
    refused(&line(", \"amout\": 1"), &told, &amount);
    refused(&line(""), &told, &["no line has \"amount\"", "lines have customer, kind, time"]);
    let nested = told.clone() + "channel = \"context.medum\"\n";
    let lines = line(", \"amount\": 1, \"context\": {\"medium\": \"web\"}");
    refused(&lines, &nested, &["\"context.medum\" (did you mean \"context.medium\"?)"]);
    // A line of all is enough, and a null is there.
    assert!(read(&(line("") + &line(", \"amount\": null")), &told).is_ok());
    // Without lines nothing is misspelt.
    assert!(read("", &(told + "format = \"ndjson\"\n")).is_ok());
    // What a preset names may be absent, what is said besides it not.
    let call = "{\"userId\": \"u\", \"type\": \"page\", \"timestamp\": \"2024-01-01T00:00:00Z\"}\n";
    let segment = "[[source]]\npath = \"log.ndjson\"\npreset = \"segment\"\n";
    assert!(read(call, segment).is_ok());
    let own = segment.to_owned() + "customer = \"user_id\"\n";
    refused(call, &own, &["no line has \"user_id\" (did you mean \"userId\"?)"]);
}

#[test]
fn damaged_and_unfit_files_are_refused_with_what_to_do() {
    let check = |bytes: &[u8], file: &str, expected: &[&str]| {
        let folder = folder(&[(file, bytes)]);
        let error = read_log(folder.path(), &plain(file), &Asked::default()).unwrap_err();
        let error = error.to_string();
        for part in [file].iter().chain(expected) {
            assert!(error.contains(part), "{part}: {error}");
        }
    };
    check(b"", "log.csv", &["it is empty"]);
    check(
        b"customer,times,kind,amount\n",
        "log.csv",
        &["no column \"time\" (did you mean \"times\"?)", "source 1 (log.csv)"],
    );
    check(b"customer,time,kind,amount\na,2024-01-01,\"buy,1\nb,", "log.csv", &["line 2", "quote"]);
    check(&gzipped(b"customer,time,kind,amount\n")[..12], "log.csv.gz", &["failed to read it"]);
    check(b"PAR1 and no more", "log.parquet", &["cannot be read as Parquet"]);
    let (whole, _) = formats::two_files();
    check(&whole[..whole.len() / 2], "log.parquet", &["cannot be read as Parquet"]);
}

#[test]
fn damaged_parquet_never_panics() {
    let (whole, _) = formats::two_files();
    for start in (4..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        for byte in bytes[start..].iter_mut().take(7) {
            *byte ^= 0x5a;
        }
        let folder = folder(&[("log.parquet", &bytes)]);
        // Read to other values, or refused.
        drop(read_log(folder.path(), &formats::source("log.parquet"), &Asked::default()));
    }
}
