//! Segment's calls: `track`, `page` and `screen` are events, `identify` tells attributes.

use super::*;

fn calls(lines: &[&str]) -> Found {
    let folder = folder(&[("calls.ndjson", lines.join("\n").as_bytes())]);
    let spec = "[[source]]\npath = \"calls.ndjson\"\npreset = \"segment\"\n";
    read_log(folder.path(), spec, &Asked::default()).unwrap()
}

const AT: &str = "\"timestamp\": \"2024-01-01T00:00:00.000Z\"";

#[test]
fn track_page_and_screen_are_events() {
    let call = |rest: &str| format!("{{\"userId\": \"u\", {AT}, {rest}}}");
    let check = |rest: &str, expected: &str| {
        let found = calls(&[&call(rest)]);
        assert_eq!(found.all(), [format!("u: {NEW_YEAR} {expected}")], "{rest}");
    };
    check("\"type\": \"page\"", &format!("page - - - {NEW_YEAR} NaN"));
    check("\"type\": \"screen\", \"name\": \"Home\"", &format!("screen - - - {NEW_YEAR} NaN"));
    check(
        "\"type\": \"track\", \"event\": \"Signed\", \"properties\": {\"value\": 3}",
        &format!("Signed - - - {NEW_YEAR} 3"),
    );
    check(
        "\"type\": \"track\", \"event\": \"Order Completed\", \"receivedAt\": \
         \"2024-01-01T00:00:01Z\", \"properties\": {\"revenue\": 12.5, \"total\": 15, \"currency\": \
         \"EUR\", \"product_id\": \"p7\", \"category\": \"toys\"}, \"context\": {\"campaign\": \
         {\"medium\": \"mail\"}}",
        &format!("purchase mail toys p7 {} 12.5", NEW_YEAR + 1_000),
    );
    check(
        "\"type\": \"track\", \"event\": \"Order Refunded\", \"properties\": {\"total\": \"4\"}",
        &format!("return - - - {NEW_YEAR} 4"),
    );
    // A negative order is a return.
    check(
        "\"type\": \"track\", \"event\": \"Order Completed\", \"properties\": {\"revenue\": -1}",
        &format!("return - - - {NEW_YEAR} -1"),
    );
}

#[test]
fn who_is_not_known_yet_is_anonymous_and_other_calls_are_left_out() {
    let found = calls(&[
        &format!("{{\"anonymousId\": \"x\", \"userId\": null, \"type\": \"page\", {AT}}}"),
        &format!("{{\"anonymousId\": \"x\", \"userId\": \"u\", \"type\": \"page\", {AT}}}"),
        &format!("{{\"userId\": 7, \"type\": \"page\", {AT}}}"),
        &format!("{{\"userId\": \"u\", \"type\": \"group\", {AT}}}"),
        &format!("{{\"type\": \"page\", {AT}}}"),
        "{\"userId\": \"u\", \"type\": \"page\", \"originalTimestamp\": \"2024-01-01T00:00:00Z\"}",
    ]);
    let counts: Vec<(&str, usize)> =
        found.events.iter().map(|(customer, events)| (customer.as_str(), events.len())).collect();
    assert_eq!(counts, [("7", 1), ("u", 2), ("x", 1)]);
    assert_eq!(found.tally().filtered, 1);
    assert_eq!(found.tally().faults[&Fault::NoCustomer].lines, 1);
}

#[test]
fn identify_tells_attributes_from_when_they_were_known() {
    let found = calls(&[
        &format!(
            "{{\"userId\": \"u\", \"type\": \"identify\", {AT}, \"receivedAt\": \
             \"2024-01-02T00:00:00Z\", \"traits\": {{\"plan\": \"gold\", \"age\": 41, \"vip\": true, \
             \"none\": null, \"blank\": \" \", \"address\": {{\"city\": \"Bonn\", \"geo\": {{\"lat\": \
             50.7, \"path\": []}}}}, \"list\": [1]}}}}"
        ),
        // Received before it happened: a clock was wrong; it is known when both have passed.
        &format!(
            "{{\"userId\": \"w\", \"type\": \"identify\", {AT}, \"receivedAt\": \
             \"2023-12-31T00:00:00Z\", \"traits\": {{\"plan\": \"free\"}}}}"
        ),
        &format!("{{\"userId\": \"u\", \"type\": \"identify\", {AT}}}"),
        &format!("{{\"userId\": \"u\", \"type\": \"identify\", {AT}, \"traits\": \"odd\"}}"),
        &format!("{{\"type\": \"identify\", {AT}, \"traits\": {{\"plan\": \"lost\"}}}}"),
        "{\"userId\": \"u\", \"type\": \"identify\", \"traits\": {\"plan\": \"untimed\"}}",
    ]);
    let told = |customer: &str, days: i64, name: &str, value: TraitValue| Trait {
        customer: customer.to_owned(),
        known_at: NEW_YEAR + days * 86_400_000,
        name: name.to_owned(),
        value,
    };
    let text = |text: &str| TraitValue::Text(text.to_owned());
    assert_eq!(
        found.traits,
        [
            told("u", 1, "address.city", text("Bonn")),
            told("u", 1, "address.geo.lat", TraitValue::Number(50.7)),
            told("u", 1, "age", TraitValue::Number(41.0)),
            told("u", 1, "plan", text("gold")),
            told("u", 1, "vip", TraitValue::Number(1.0)),
            told("w", 0, "plan", text("free")),
        ]
    );
    assert!(found.events.is_empty());
    assert_eq!(found.tally().attributes, 6);
    let left_out = [
        "calls.ndjson: line 1: found the list address.geo.path",
        "calls.ndjson: line 4: found traits that cannot be read as an object",
    ];
    assert_eq!(found.faults(Fault::TraitLeftOut), left_out);
    assert_eq!(found.tally().bad_lines(), 2);
    assert_eq!(found.tally().faults[&Fault::NoCustomer].lines, 1);
    assert_eq!(found.tally().faults[&Fault::BadTime].lines, 1);
}

#[test]
fn junk_is_malformed_and_what_is_deep_or_repeated_does_no_harm() {
    let deep = format!(
        "{{\"userId\": \"u\", \"type\": \"page\", {AT}, \"x\": {}{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deep_traits = format!(
        "{{\"userId\": \"u\", \"type\": \"identify\", {AT}, \"traits\": {}1{}}}",
        "{\"a\": ".repeat(100_000),
        "}".repeat(100_000)
    );
    let found = calls(&[
        "not json",
        "[1, 2]",
        "\"text\"",
        "{\"userId\": \"u\"} {\"userId\": \"u\"}",
        "{\"userId\": \"\\ud800\", \"type\": \"page\"}",
        &deep,
        &deep_traits,
        &format!("{{\"userId\": \"u\", \"type\": \"page\", {AT}, \"properties\": 7}}"),
        &format!("{{\"userId\": \"w\", \"userId\": \"v\", \"type\": \"page\", {AT}}}"),
        &format!("{{\"user\\u0049d\": \"k\", \"type\": \"page\", {AT}}}"),
        &format!("{{\"userId\": \"d\", \"type\": \"page\", {AT}, \"properties.revenue\": 2}}"),
    ]);
    assert!(found.tally().faults[&Fault::Malformed].lines >= 4, "{}", found.tally());
    let deep = "calls.ndjson: line 7: found traits that cannot be read as an object";
    assert_eq!(found.faults(Fault::TraitLeftOut), [deep]);
    for customer in ["u", "v", "k", "d"] {
        assert!(found.events.contains_key(customer), "{customer}: {:?}", found.events);
    }
    assert!(found.events["d"][0].ends_with(" 2"));
}
