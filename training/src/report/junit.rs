//! What was asked as JUnit XML, which GitHub, GitLab and Jenkins read: a suite for each model and target, a case for each
//! condition.

use quick_junit::{NonSuccessKind, Property, Report as Xml, TestCase, TestCaseStatus, TestSuite};

use crate::report::{Document, Report, asked};
use crate::verdict::{Outcome, Verdict, Word};

/// The document as JUnit XML. What is broken is a failure; what the rows do not tell is an error.
pub fn junit(document: &Document<'_>) -> String {
    let mut xml = Xml::new("rekindle evaluate");
    xml.add_test_suites(document.reports.iter().map(suite));
    written(&xml)
}

/// That nothing could be judged, as JUnit XML: an error, so that no job takes silence for success.
pub fn could_not_judge(message: &str) -> String {
    let mut xml = Xml::new("rekindle evaluate");
    let mut suite = TestSuite::new("rekindle evaluate");
    let kind = Some((NonSuccessKind::Error, "could not judge"));
    suite.add_test_case(case("verdict".to_owned(), "rekindle.evaluate", kind, message));
    xml.add_test_suite(suite);
    written(&xml)
}

/// The XML without what Jenkins' schema does not know: nothing here is ever disabled. In texts quotes are escaped.
pub(super) fn written(xml: &Xml) -> String {
    let text = xml.to_string().expect("writing into memory does not fail");
    text.replace(" disabled=\"0\"", "") + "\n"
}

fn suite(report: &Report<'_>) -> TestSuite {
    let mut suite = TestSuite::new(format!("{} ({})", report.model(), report.target));
    let class = format!("{}.{}", report.model_name, report.target);
    for (segment, condition) in asked(report) {
        let name = match &segment {
            None => condition.asks.clone(),
            Some(segment) => format!("{segment}: {}", condition.asks),
        };
        let kind = match condition.outcome {
            Outcome::Kept => None,
            Outcome::Broken => Some((NonSuccessKind::Failure, "broken")),
            Outcome::NotSure => Some((NonSuccessKind::Error, "not enough data")),
        };
        suite.add_test_case(case(name, &class, kind, &condition.reason));
    }
    for segment in report.segments.iter().filter(|segment| segment.asked && !segment.judged) {
        let name = format!("{}: too few rows to judge", segment.name());
        let mut skipped = TestCase::new(name, TestCaseStatus::skipped());
        skipped.set_classname(&class);
        suite.add_test_case(skipped);
    }
    match report.evaluation {
        None => {
            let mut skipped = TestCase::new("verdict", TestCaseStatus::skipped());
            skipped.set_classname(class);
            suite.add_test_case(skipped);
        }
        Some(evaluation) => {
            suite.add_test_case(verdict(&evaluation.verdict, &class));
            for (name, figure) in [
                ("rows", evaluation.rows as f64),
                ("positives", evaluation.positives as f64),
                ("threshold", evaluation.threshold),
                ("error_rate", evaluation.error_rate.value),
                ("miss_rate", evaluation.miss_rate.value),
                ("roc_auc", evaluation.roc_auc.value),
            ] {
                suite.add_property(Property::new(name, figure.to_string()));
            }
        }
    }
    suite
}

fn verdict(verdict: &Verdict, class: &str) -> TestCase {
    let kind = match verdict.verdict {
        Word::Usable => None,
        Word::Unusable => Some((NonSuccessKind::Failure, "unusable")),
        Word::NotEnoughData => Some((NonSuccessKind::Error, "not enough data")),
    };
    case("verdict".to_owned(), class, kind, &verdict.reason)
}

pub(super) fn case(
    name: String,
    class: &str,
    kind: Option<(NonSuccessKind, &'static str)>,
    reason: &str,
) -> TestCase {
    let status = match kind {
        None => TestCaseStatus::success(),
        Some((kind, what)) => {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(what).set_message(reason);
            status
        }
    };
    let succeeded = kind.is_none();
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    if succeeded {
        case.set_system_out(reason);
    }
    case
}
