//! Arbitrary and mutated bytes: read or refused, never a panic, and every line accounted for.

use proptest::prelude::*;

use super::*;

fn survives(file: &str, bytes: &[u8]) {
    let folder = folder(&[(file, bytes)]);
    let format = if file.ends_with("csv") { "csv" } else { "ndjson" };
    let more = format!(
        "format = \"{format}\"\nfilter = \"not (amount * 2 > 900)\"\nchannel = \"lower(channel)\"\n\
         currency = \"currency\"\nreceived_at = \"received\"\nproduct = \"product\"\n"
    );
    match read_log(folder.path(), &(plain(file) + &more), &Asked::default()) {
        Ok(found) => {
            let tally = found.tally();
            let events: u64 = found.events.values().map(|events| events.len() as u64).sum();
            assert_eq!(tally.events, events);
            let lost: u64 = [Fault::Malformed, Fault::NoCustomer, Fault::BadTime, Fault::NoKind]
                .iter()
                .filter_map(|fault| tally.faults.get(fault))
                .map(|faults| faults.lines)
                .sum();
            assert_eq!(tally.lines, events + lost + tally.filtered, "{tally}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

const HEADER: &str = "customer,time,kind,amount,channel,currency,received,product\n";

/// Lines that are nearly right.
fn lines() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof![
        4 => prop::sample::select(vec![
            "a", "7", "2024-01-02", "2024-02-30", "2024-01-02T03:04:05.678Z", "purchase", "-1", "inf",
            "1e999", "", "NaN", "\"", "true", "\u{feff}", "\\", "9223372036854775808", "null",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    prop::collection::vec(prop::collection::vec(cell, 7..9), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives("log.csv", &bytes);
        survives("log.csv", &[HEADER.as_bytes(), &bytes].concat());
        survives("log.ndjson", &bytes);
    }

    #[test]
    fn mutated_lines_never_panic(lines in lines(), flips in prop::collection::vec((any::<u16>(), any::<u8>()), 0..4)) {
        let csv: String = lines.iter().map(|cells| cells.join(",") + "\n").collect();
        let names: Vec<&str> = HEADER.trim().split(',').collect();
        let object = |cells: &Vec<String>| {
            let pairs = names.iter().zip(cells).map(|(name, cell)| {
                let value = serde_json::from_str::<serde_json::Value>(cell);
                format!("{name:?}:{}", value.unwrap_or_else(|_| cell.as_str().into()))
            });
            format!("{{{}}}\n", pairs.collect::<Vec<_>>().join(","))
        };
        let json: String = lines.iter().map(object).collect();
        for (file, text) in [("log.csv", HEADER.to_owned() + &csv), ("log.ndjson", json)] {
            let mut bytes = text.into_bytes();
            for (place, byte) in &flips {
                if !bytes.is_empty() {
                    let place = usize::from(*place) % bytes.len();
                    bytes[place] = *byte;
                }
            }
            survives(file, &bytes);
        }
    }
}
