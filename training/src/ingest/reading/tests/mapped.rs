//! What a `[[source]]` may say of its columns: how texts become events.

use super::*;

/// Times (in days since 2024-01-01) and the rest of each event.
fn told(found: &Found) -> Vec<String> {
    let short = |text: &String| {
        let (customer, event) = text.split_once(": ").unwrap();
        let words: Vec<&str> = event.split(' ').collect();
        let days = (words[0].parse::<i64>().unwrap() - NEW_YEAR) as f64 / 86_400_000.0;
        format!("{customer} {days} {} {}", words[1], words[6..].join(" "))
    };
    found.all().iter().map(short).collect()
}

fn check(text: &[u8], more: &str, expected: &[&str]) {
    assert_eq!(told(&csv(text, more).unwrap()), expected, "{more}");
}

#[test]
fn files_of_other_programs_are_read_as_they_are() {
    let event = ["a 1 buy 2.5"];
    check(b"customer,time,kind,amount\na,2024-01-02,buy,2.5\n", "", &event);
    check(b"\xef\xbb\xbfcustomer,time,kind,amount\r\na,2024-01-02,buy,2.5\r\n", "", &event);
    check(b"customer;time;kind;amount\na;2024-01-02;buy;2.5", "", &event);
    check(b"customer\ttime\tkind\tamount\na\t2024-01-02\tbuy\t2.5", "", &event);
    check(b"customer|time|kind|amount\na|2024-01-02|buy|2.5", "delimiter = \"|\"", &event);
    check(b"amount,\"kind\",time,customer\n 2.5 ,\"buy\", 2024-01-02 , a \n", "", &event);
    let ndjson = b"\xef\xbb\xbf{\"customer\":\"a\",\"time\":\"2024-01-02\",\"kind\":\"buy\",\"amount\":2.5}\r\n";
    check(ndjson, "", &event);
}

#[test]
fn missing_markers_are_missing() {
    let log = b"customer,time,kind,amount\nNA,2024-01-02,buy,1\na,2024-01-02,buy,NA\na,2024-01-02,buy,-\n";
    let found = csv(log, "missing = [\"-\"]").unwrap();
    assert_eq!(told(&found), ["NA 1 buy 1", "a 1 buy NaN", "a 1 buy NaN"]);
    assert_eq!(found.tally().faults[&Fault::NotANumber].lines, 1);
    let found = csv(log, "").unwrap();
    assert_eq!(found.tally().faults[&Fault::NoCustomer].lines, 1);
    assert_eq!(
        found.faults(Fault::NotANumber),
        ["log.csv: line 4: found amount \"-\", expected a finite number"]
    );
}

#[test]
fn times_are_of_the_zone_and_the_format_that_is_said() {
    let at = |time: &str, more: &str, expected: &str| {
        let log = format!("customer,time,kind,amount\na,{time},buy,1\n");
        check(log.as_bytes(), more, &[expected]);
    };
    at("2024-01-02 06:00:00", "", "a 1.25 buy 1");
    at("2024-01-02 06:00:00", "timezone = \"America/New_York\"", "a 1.4583333333333333 buy 1");
    at("2024-01-02T06:00:00+03:00", "timezone = \"America/New_York\"", "a 1.125 buy 1");
    at("2024-01-02T06:00:00Z", "timezone = \"Asia/Tokyo\"", "a 1.25 buy 1");
    at("1704153600", "time_format = \"epoch_s\"", "a 1 buy 1");
    at("1704153600000", "time_format = \"epoch_ms\"", "a 1 buy 1");
    at("1704153600000000", "time_format = \"epoch_us\"", "a 1 buy 1");
    at("02.01.2024 12:00", "time_format = \"%d.%m.%Y %H:%M\"", "a 1.5 buy 1");
}

#[test]
fn the_least_number_of_64_bits_is_a_bad_time() {
    // pandas' NaT, written as a number.
    let log = b"customer,time,kind,amount\na,1704153600000,buy,1\na,-9223372036854775808,buy,1\n";
    let found = csv(log, "time_format = \"epoch_ms\"").unwrap();
    assert_eq!(told(&found), ["a 1 buy 1"]);
    let bad =
        "log.csv: line 3: found time \"-9223372036854775808\", expected milliseconds since 1970";
    assert_eq!(found.faults(Fault::BadTime), [bad]);
}

#[test]
fn a_received_time_that_cannot_be_read_is_a_bad_time() {
    let log =
        b"customer,time,kind,amount,got\na,2024-01-02,buy,1,2024-01-03\na,2024-01-02,buy,2,\n\
        a,2024-01-02,buy,3,soon\n";
    let found = csv(log, "received_at = \"got\"").unwrap();
    let day = NEW_YEAR + 86_400_000;
    let expected = [
        format!("a: {day} buy - - - {day} 2"),
        format!("a: {day} buy - - - {} 1", day + 86_400_000),
    ];
    let mut all = found.all();
    all.sort();
    assert_eq!(all, expected);
    assert_eq!(
        found.faults(Fault::BadTime),
        [
            "log.csv: line 4: found received_at \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\""
        ]
    );
}

#[test]
fn filters_leave_lines_out_and_are_counted() {
    let log =
        b"customer,time,kind,amount,test\na,2024-01-02,buy,1,false\na,2024-01-02,buy,2,true\n\
        a,2024-01-02,buy,3,\n";
    let found = csv(log, "filter = \"not test\"").unwrap();
    assert_eq!(told(&found), ["a 1 buy 1"]);
    assert_eq!((found.tally().lines, found.tally().filtered), (3, 2));
    assert_eq!(found.tally().bad_lines(), 0);
}

#[test]
fn unpivoted_columns_become_events_of_their_names() {
    let log = b"id,day,calls,texts\na,2024-01-02,3,0\na,2024-01-03,,2.5\na,2024-01-04,-1,inf\n\
        a,2024-01-05,many,1\n";
    let folder = folder(&[("log.csv", log)]);
    let spec = "[[source]]\npath = \"log.csv\"\ncustomer = \"id\"\ntime = \"day\"\n\
                unpivot = [\"calls\", \"texts\"]\n";
    let asked = Asked { want_lines: true, ..Asked::default() };
    let found = read_log(folder.path(), spec, &asked).unwrap();
    assert_eq!(told(&found), ["a 1 calls 3", "a 2 texts 2.5", "a 4 texts 1"]);
    let bad = [
        "log.csv: line 4: found texts \"inf\", expected a finite number",
        "log.csv: line 5: found calls \"many\", expected a finite number",
    ];
    assert_eq!(found.faults(Fault::NotANumber), bad);
    assert_eq!(found.lines.len(), 4);
}

#[test]
fn counts_below_0_are_no_events_and_are_counted() {
    let log = b"id,day,calls,texts\na,2024-01-02,-3,1\na,2024-01-03,-1,-2\na,2024-01-04,0,-0.0\n\
        a,2024-01-05,-1,many\n";
    let folder = folder(&[("log.csv", log)]);
    let spec = "[[source]]\npath = \"log.csv\"\ncustomer = \"id\"\ntime = \"day\"\n\
                unpivot = [\"calls\", \"texts\"]\n";
    let found = read_log(folder.path(), spec, &Asked::default()).unwrap();
    assert_eq!(told(&found), ["a 1 texts 1"]);
    let below = ["log.csv: line 2: found calls = -3", "log.csv: line 3: found calls = -1"];
    assert_eq!(found.faults(Fault::NegativeCount), below);
    // A line is bad once.
    assert_eq!(
        found.faults(Fault::NotANumber),
        ["log.csv: line 5: found texts \"many\", expected a finite number"]
    );
    assert_eq!(found.tally().bad_lines(), 3);
}

#[test]
fn measures_are_numbers_of_events_and_those_of_other_sources_are_missing() {
    let one = b"customer,time,kind,amount,off\na,2024-01-02,buy,8,2\na,2024-01-02,buy,8,x\n";
    let two = b"customer,time,kind,amount\nb,2024-01-02,buy,7\n";
    let folder = folder(&[("one.csv", one), ("two.csv", two)]);
    let mut asked = Asked::default();
    asked.rules.measures.push("discount".to_owned());
    let spec =
        plain("one.csv") + "measures = { discount = \"off / amount\" }\n" + &plain("two.csv");
    let found = read_log(folder.path(), &spec, &asked).unwrap();
    assert_eq!(told(&found), ["a 1 buy 8 0.25", "a 1 buy 8 NaN", "b 1 buy 7 NaN"]);
    assert_eq!(found.report.sources.len(), 2);
    assert_eq!(found.report.sources[1].tally.events, 1);
}

#[test]
fn latin_1_does_not_matter_in_columns_that_are_not_used() {
    let log =
        b"customer,time,kind,amount,note\na,2024-01-02,buy,1,caf\xe9\nb\xe9,2024-01-02,buy,1,x\n";
    let found = csv(log, "").unwrap();
    assert_eq!(told(&found), ["a 1 buy 1"]);
    assert_eq!(found.faults(Fault::Malformed), ["log.csv: line 3: found bytes that are not UTF-8"]);
}

#[test]
fn fields_over_several_lines_keep_the_count_of_lines() {
    let log =
        b"customer,time,kind,amount,note\na,2024-01-02,buy,1,\"two\nlines\"\na,soon,buy,1,x\n";
    let found = csv(log, "").unwrap();
    assert_eq!(
        found.faults(Fault::BadTime),
        [
            "log.csv: line 4: found time \"soon\", expected a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\""
        ]
    );
}

#[test]
fn numbers_with_a_decimal_comma_are_read_where_the_source_says_so() {
    let log = b"customer;time;kind;amount\na;2024-01-02;buy;9,99\na;2024-01-02;10;1.234,5\n\
        a;2024-01-02;buy;2.500\na;2024-01-02;buy;9.99\n";
    let found = csv(log, "decimal = \",\"").unwrap();
    let amounts: Vec<String> =
        found.all().iter().map(|e| e.rsplit(' ').next().unwrap().to_owned()).collect();
    let mut sorted = amounts.clone();
    sorted.sort();
    assert_eq!(sorted, ["1234.5", "2500", "9.99", "NaN"], "{amounts:?}");
    let bad = "log.csv: line 5: found amount \"9.99 (a decimal point)\", expected a finite number";
    assert_eq!(found.faults(Fault::NotANumber), [bad]);
    // Where it does not, the message says what to do.
    let found = csv(log, "").unwrap();
    let bad = found.faults(Fault::NotANumber);
    assert!(
        bad[0].contains("line 2: found amount \"9,99\"") && bad[0].contains("decimal = \",\""),
        "{bad:?}"
    );
    let error = csv(log, "decimal = \";\"").unwrap_err().to_string();
    assert!(error.contains("expected \".\" or \",\""), "{error}");
}

#[test]
fn a_bad_time_is_told_with_what_it_looks_like() {
    let log = b"customer,time,kind,amount\na,1704153600000,buy,1\n";
    let found = csv(log, "").unwrap();
    let bad = found.faults(Fault::BadTime);
    assert!(bad[0].contains("13 digits look like time_format = \"epoch_ms\""), "{bad:?}");
    let found = csv(log, "time_format = \"%d.%m.%Y\"").unwrap();
    let bad = found.faults(Fault::BadTime);
    assert!(bad[0].contains("expected a time as \"%d.%m.%Y\" has it"), "{bad:?}");
}
