//! Numbers that are written with a decimal comma, as `9,99` and `1.234,50`. Reads no others.

/// The text with a decimal point; `None` where it is no number of this kind. Points and blanks may part
/// thousands, in groups of three.
pub fn with_point(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = &text[..text.len() - unsigned.len()];
    let (whole, part) = match unsigned.split_once(',') {
        Some((whole, part)) => (whole, Some(part)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<&str> = whole.split(['.', ' ', '\u{a0}', '\u{202f}']).collect();
    let (first, others) = groups.split_first()?;
    let grouped = others.is_empty() || first.len() <= 3;
    let sound = grouped && digits(first) && others.iter().all(|g| g.len() == 3 && digits(g));
    let point = part.map_or_else(String::new, |part| format!(".{part}"));
    (sound && part.is_none_or(digits)).then(|| format!("{sign}{}{point}", groups.concat()))
}

/// A cell of a column of such numbers as the rest of the reader takes it. What is a number by its point only
/// must not be read as one: a point parts thousands here.
pub(super) fn cell(text: &str) -> String {
    match with_point(text) {
        Some(number) => number,
        None if text.parse::<f64>().is_ok() => format!("{text} (a decimal point)"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commas_are_decimal_and_points_part_thousands() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(with_point(text).as_deref(), expected, "{text}");
        };
        check("9,99", Some("9.99"));
        check("-1.234.567,5", Some("-1234567.5"));
        check("1 234,50", Some("1234.50"));
        check("1.234", Some("1234"));
        check("+12", Some("+12"));
        for none in
            ["", ",5", "5,", "1.23,4", "1234.567,8", "1,2,3", "9.99", "9,99 EUR", "é,5", "-"]
        {
            check(none, None);
        }
        assert_eq!(cell("9.99"), "9.99 (a decimal point)");
        assert_eq!(cell("free"), "free");
    }

    proptest! {
        #[test]
        fn a_number_is_the_same_whichever_way_it_is_written(cents in -1_000_000_000_i64..1_000_000_000) {
            let sign = if cents < 0 { "-" } else { "" };
            let (whole, part) = (cents.abs() / 100, cents.abs() % 100);
            let read = with_point(&format!("{sign}{whole},{part:02}")).unwrap();
            prop_assert_eq!(read, format!("{sign}{whole}.{part:02}"));
        }
    }
}
