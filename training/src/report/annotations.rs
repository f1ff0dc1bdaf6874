//! What was not kept as workflow commands, which GitHub shows beside the job.

use crate::report::{Document, asked};
use crate::verdict::{Outcome, Word};

/// An annotation for each condition that is broken (an error) or not sure (a warning), a line each; where a verdict is
/// not told by any of them, one with its reason.
pub fn annotations(document: &Document<'_>) -> String {
    let mut lines = String::new();
    for report in &document.reports {
        let mut told = false;
        for (segment, condition) in asked(report) {
            let command = match condition.outcome {
                Outcome::Kept => continue,
                Outcome::Broken => "error",
                Outcome::NotSure => "warning",
            };
            told = true;
            let of = segment.map_or_else(String::new, |segment| format!(" ({segment})"));
            let title = format!("{}{of}: {}", report.model(), condition.asks);
            lines += &command_of(command, &title, &condition.reason);
        }
        for warning in report.warnings {
            lines += &command_of("warning", &report.model(), warning);
        }
        let Some(verdict) = report.evaluation.map(|e| &e.verdict) else { continue };
        if verdict.verdict != Word::Usable && !told {
            let title = format!("{}: {}", report.model(), verdict.verdict.text());
            lines += &command_of("error", &title, &verdict.reason);
        }
    }
    lines
}

/// What could not be done, as an annotation.
pub fn failed(message: &str) -> String {
    command_of("error", "rekindle", message)
}

pub(super) fn command_of(command: &str, title: &str, message: &str) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = escaped(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{command} title={title}::{}\n", escaped(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_a_command() {
        let line = command_of("error", "a: b, 5 %\n::error::x", "50 %\nsecond");
        assert_eq!(line, "::error title=a%3A b%2C 5 %25%0A%3A%3Aerror%3A%3Ax::50 %25%0Asecond\n");
    }
}
