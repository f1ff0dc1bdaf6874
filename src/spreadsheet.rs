//! Texts as cells of tables that people open in a spreadsheet.

/// What tells a spreadsheet that a file is UTF-8.
pub const MARK: &str = "\u{feff}";

/// A text that no spreadsheet takes for a formula.
pub fn plain(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    match formula && text.parse::<f64>().is_err() {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_work_out_is_marked_as_text_and_numbers_stay() {
        let check = |text, expected| assert_eq!(plain(text), expected);
        check("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")");
        check("@sum", "'@sum");
        check("-2+3", "'-2+3");
        check("-2.5", "-2.5");
        check("c-1", "c-1");
        check("", "");
    }
}
