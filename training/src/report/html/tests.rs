use rekindle_models::artifact::{
    Candidate, Influence, LeakEntry, PartCount, RowCounts, SelectionStep, Share, TimeRange,
};
use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};
use rekindle_models::metrics::{Campaign, Interval, Judged, Stakes};

use super::*;
use crate::evaluate::{Curves, Evaluation, Question, evaluate};
use crate::quality::{DataQuality, Missing, Table};
use crate::segments::{Segment, Segments, segment_rows};
use crate::verdict::Limits;

/// A name that would be more than text if it were not escaped.
const EVIL: &str = "</script><script>alert(1)</script>\"'&<b onclick=x>";

/// All that reports are made of.
struct Made {
    evaluation: Evaluation,
    curves: Option<Curves>,
    segments: Vec<Segment>,
    quality: DataQuality,
    influence: Influence,
    leaks: Vec<LeakEntry>,
    selection: Vec<SelectionStep>,
    rows: RowCounts,
    candidates: Vec<Candidate>,
    campaign: Campaign,
    warnings: Vec<String>,
    name: String,
}

/// Rows of which every fifth has the target (or, of one class, none), and features with a long name.
fn made(features: usize, name: &str, both: bool) -> Made {
    let rows = 2_000;
    let target: Vec<bool> = (0..rows).map(|row| both && row % 5 == 0).collect();
    let spread = |row: usize| ((row * 7_919) % 997) as f64 / 1_500.0;
    let probability: Vec<f64> =
        (0..rows).map(|row| spread(row) + if target[row] { 0.3 } else { 0.0 }).collect();
    let weight = vec![1.0; rows];
    let judged =
        Judged { probability: &probability, target: &target, weight: &weight, group: None };
    let limits = Limits { max_error_rate: Some(0.5), ..Limits::default() };
    let campaign = Campaign::default();
    let stakes: Stakes =
        campaign.stakes::<crate::Error>(rows, |_| unreachable!("no column is named")).unwrap();
    let question = Question {
        threshold: 0.4,
        limits: &limits,
        fitted_base_rate: 0.2,
        rule: ("best single feature", name),
        rule_scores: &probability,
        rivals: Vec::new(),
        stakes: Some(&stakes),
        seed: 0,
    };
    let (evaluation, curves) = evaluate(&judged, &question);
    let (frame, by) = table(name, rows);
    let places: Vec<u32> = (0..rows as u32).collect();
    let cuts = segment_rows(&frame, &places, &target, &by).unwrap();
    let segments = cuts.into_iter().map(|cut| cut.judge(&judged, &question, &by)).collect();
    let absent: Vec<Field> = (0..features).map(|n| field(&format!("{name}{n}"))).collect();
    let share = |n: usize| Share {
        name: format!("{name}{n}"),
        features: 1,
        share: interval(1.0 / features as f64),
        direction: "up".to_owned(),
        above_noise: n < features / 2,
    };
    Made {
        evaluation,
        curves,
        segments,
        quality: DataQuality::new(Table::Judged, &Schema::new(absent).unwrap(), &frame, &places),
        influence: Influence {
            rows,
            shadows: 20,
            noise_line: 0.01,
            features: (0..features).map(share).collect(),
            behaviours: (0..features.min(20)).map(share).collect(),
            events: Vec::new(),
            groups: (0..3).map(share).collect(),
        },
        leaks: (0..features).map(|n| leak(n, name)).collect(),
        selection: (1..9).map(|n| step(n, name)).collect(),
        rows: parts(),
        candidates: ["boosting", "logistic"]
            .map(|name| Candidate { classifier: name.to_owned(), roc_auc: Some(0.7) })
            .to_vec(),
        campaign,
        warnings: vec![format!("1 level was not seen, as {name:?}"), name.to_owned()],
        name: name.to_owned(),
    }
}

fn parts() -> RowCounts {
    let part = PartCount { rows: 10, positives: 2, weight: 10.0, positive_weight: 2.0, time: None };
    let time = Some(TimeRange { first: 19_723.0, last: 19_724.0, dates: true });
    RowCounts {
        train: PartCount { time, ..part.clone() },
        calibration: part,
        test: PartCount::default(),
    }
}

fn step(n: usize, name: &str) -> SelectionStep {
    SelectionStep {
        step: format!("batch {n} {name}"),
        tried: 100,
        dimensions: n,
        error_rate: (n > 1).then(|| interval(0.4)),
        miss_rate: Some(interval(0.3)),
        roc_auc: interval(0.7),
    }
}

fn leak(n: usize, name: &str) -> LeakEntry {
    LeakEntry {
        feature: format!("{name}{n}"),
        target: "churn=Yes".to_owned(),
        test: "by value".to_owned(),
        evidence: format!("AUC 0.99 {name}"),
        action: "excluded".to_owned(),
    }
}

/// Three columns of few numbers, and segments by each.
fn table(name: &str, rows: usize) -> (Frame, Segments) {
    let numbers = |of: usize| Column::Number((0..rows).map(|row| (row % of) as f64).collect());
    let fields = ["lapse_tier", "lifecycle_stage", name].map(field);
    let by = fields.iter().map(|field| field.name.clone()).collect();
    let columns = [3, 2, 4].map(numbers).to_vec();
    let frame = Frame::new(Schema::new(fields.to_vec()).unwrap(), columns).unwrap();
    (frame, Segments { by, ..Segments::default() })
}

fn field(name: &str) -> Field {
    Field { name: name.to_owned(), kind: Kind::Numeric }
}

fn interval(value: f64) -> Interval {
    Interval { value, low: value * 0.9, high: value * 1.1 }
}

impl Made {
    fn report(&self) -> Report<'_> {
        Report {
            model_name: &self.name,
            model_version: Some(3),
            classifier: "boosting",
            target: format!("churn={}", self.name),
            population: &self.name,
            judged_on: self.name.clone(),
            features: self.influence.features.len(),
            data_fingerprint: "00ff",
            seed: 7,
            time_column: Some(&self.name),
            training_time: self.rows.train.time.as_ref(),
            model_rows: &self.rows,
            candidates: &self.candidates,
            calibration: "isotonic",
            campaign: Some(&self.campaign),
            threshold_rule: "highest F1",
            leaks: &self.leaks,
            influence: Some(&self.influence),
            selection: &self.selection,
            tuned: None,
            evaluation: Some(&self.evaluation),
            segments: &self.segments,
            curves: self.curves.as_ref(),
            data_quality: Some(&self.quality),
            warnings: &self.warnings,
        }
    }
}

/// The values of an attribute in order.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let before = format!(" {attribute}=\"");
    page.split(&before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every element that is opened is closed, in order; void ones apart.
fn check_nesting(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("a tag ends");
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "before {:?}", &rest[..rest.len().min(80)]);
            continue;
        }
        let opened = tag.split_whitespace().next().unwrap();
        if ["meta", "input"].contains(&opened) {
            continue;
        }
        // What stands in these is no markup.
        if ["script", "style"].contains(&opened) {
            let close = rest.find(&format!("</{opened}>")).expect("it is closed");
            rest = &rest[close + opened.len() + 3..];
            continue;
        }
        open.push(opened);
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn every_plot_is_drawn_and_named_and_the_page_is_well_formed() {
    let made = made(30, "sum(purchase.amount, 30d)", true);
    let page = html(&Document::new(vec![made.report()]));
    check_nesting(&page);
    let ids = values(&page, "id");
    for plot in [
        "rates",
        "profit",
        "roc",
        "precision-recall",
        "gains",
        "lift",
        "calibration",
        "scores",
        "influence-feature",
        "influence-group",
        "influence-behaviour",
        "selection-auc",
        "selection-rates",
        "selection-kept",
        "states-lapse_tier",
        "states-lifecycle_stage",
        "segments-error",
        "segments-miss",
        "segments-auc",
    ] {
        assert_eq!(ids.iter().filter(|id| **id == plot).count(), 1, "{plot}: {ids:?}");
        let figure = page.split(&format!("<figure id=\"{plot}\"")).nth(1).unwrap();
        let figure = figure.split("</figure>").next().unwrap();
        let drawn = ["<polyline", "<polygon", "<rect", "<circle"];
        assert!(drawn.iter().any(|shape| figure.contains(shape)), "{plot} has no shapes");
        assert!(!values(figure, "aria-label")[0].is_empty(), "{plot} says nothing");
        assert!(figure.contains("class=\"tells\""), "{plot} has no numbers on hover");
        assert!(!figure.contains("NaN"), "{plot}: {figure}");
    }
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an id stands twice: {ids:?}");
    for (part, expected) in [
        ("verdict", made.evaluation.verdict.reason[1..].to_owned()),
        ("time", "2024-01-01 to 2024-01-02".to_owned()),
        ("base rate of a part", "20.0 %".to_owned()),
        ("fingerprint", "00ff".to_owned()),
    ] {
        assert!(page.contains(&expected), "{part}: {expected}");
    }
}

#[test]
fn a_limit_that_was_asked_is_drawn_and_one_that_was_not_is_not() {
    let mut made = made(10, "days", true);
    let figure = |page: &str, id: &str| {
        let figure = page.split(&format!("<figure id=\"{id}\"")).nth(1).unwrap();
        figure.split("</figure>").next().unwrap().to_owned()
    };
    let page = html(&Document::new(vec![made.report()]));
    assert!(figure(&page, "rates").contains("error rate: limit 50 %"));
    assert!(!figure(&page, "rates").contains("miss rate: limit"));
    assert!(figure(&page, "segments-error").contains("limit 50 %"));
    assert!(!figure(&page, "segments-miss").contains("limit"));
    made.evaluation.limits.max_miss_rate = Some(0.455);
    let page = html(&Document::new(vec![made.report()]));
    assert!(figure(&page, "rates").contains("miss rate: limit 45.5 %"));
    assert!(figure(&page, "segments-miss").contains("limit 45.5 %"));
}

#[test]
fn next_to_nothing_is_a_short_bar_and_its_axis_is_written_within_the_picture() {
    let mut made = made(10, "days", true);
    made.quality.missing = vec![Missing { feature: "days".to_owned(), share: 0.001 }];
    let page = html(&Document::new(vec![made.report()]));
    let figure = page.split("<figure id=\"missing\"").nth(1).unwrap();
    let figure = figure.split("</figure>").next().unwrap();
    for written in ["0 %", "10 %"] {
        assert!(figure.lines().any(|line| line.trim() == written), "{written}: {figure}");
    }
    let bar = figure.split("<rect ").find(|rect| rect.contains("fill=\"#0072B2\"")).unwrap();
    let width = bar.split("width=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(width.parse::<u32>().unwrap() < 10, "{bar}");
}

#[test]
fn warnings_stand_below_the_verdict_and_words_are_told_once() {
    let both = made(10, "days", true);
    let unjudged = Report { evaluation: None, curves: None, segments: &[], ..both.report() };
    let page = html(&Document::new(vec![both.report(), unjudged]));
    for article in page.split("<article").skip(1) {
        let head = article.split("</header>").next().unwrap();
        assert_eq!(head.matches("1 level was not seen").count(), 1);
    }
    assert_eq!(page.matches("1 level was not seen").count(), 2);
    for word in ["error rate", "miss rate", "ECE", "lift", "target", "interval"] {
        let told = format!("<dt>{word}</dt>");
        assert_eq!(page.split("id=\"words\"").nth(1).unwrap().matches(&told).count(), 1, "{word}");
    }
}

#[test]
fn names_are_text_wherever_they_stand() {
    let made = made(30, EVIL, true);
    let page = html(&Document::new(vec![made.report(), made.report()]));
    check_nesting(&page);
    let ours = 1 + 2;
    assert_eq!(page.matches("<script").count(), ours, "the script, and each report's points");
    assert!(!page.contains("<b onclick"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is loaded");
}

#[test]
fn a_page_stays_small_however_many_features_there_are_and_long_their_names() {
    let long = "x".repeat(2_000);
    let made = made(5_000, &long, true);
    let page = html(&Document::new(vec![made.report()]));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("4,940 more rows are in report.json"));
}

#[test]
fn several_models_have_a_table_of_verdicts_and_ids_of_their_own() {
    let made = made(10, "days", true);
    let page = html(&Document::new(vec![made.report(), made.report()]));
    check_nesting(&page);
    assert!(page.contains("<h1>2 models</h1>"));
    let ids = values(&page, "id");
    for id in ["m1-verdict", "m2-verdict", "m1-roc", "m2-roc", "m1-points", "m2-points"] {
        assert_eq!(ids.iter().filter(|other| **other == id).count(), 1, "{id}");
    }
    let targets = values(&page, "href");
    let missing = targets.iter().find(|to| !ids.contains(&to.trim_start_matches('#')));
    assert_eq!(missing, None, "every link leads somewhere");
}

#[test]
fn what_was_not_judged_and_what_has_one_class_only_are_told_too() {
    let both = made(10, "days", true);
    let unjudged = Report { evaluation: None, curves: None, segments: &[], ..both.report() };
    let page = html(&Document::new(vec![unjudged]));
    check_nesting(&page);
    assert!(page.contains("not judged") && page.contains("id=\"influence-feature\""));
    assert!(!page.contains("type=\"range\""));
    let one = made(10, "days", false);
    assert!(one.curves.is_none());
    let page = html(&Document::new(vec![one.report()]));
    check_nesting(&page);
    assert!(page.contains("not enough data") && page.contains("id=\"calibration\""));
    assert!(!page.contains("type=\"range\"") && !page.contains("NaN"));
}

#[test]
fn the_script_is_given_what_every_threshold_does() {
    let made = made(10, "days", true);
    let page = html(&Document::new(vec![made.report()]));
    let json = page.split("type=\"application/json\" id=\"points\">").nth(1).unwrap();
    let known: serde_json::Value =
        serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
    let points = known["points"].as_array().unwrap();
    assert_eq!(points.len(), made.curves.as_ref().unwrap().thresholds.len());
    let chosen = &points[known["chosen"].as_u64().unwrap() as usize];
    let counts = &made.evaluation.confusion;
    assert_eq!(chosen[1].as_u64().unwrap() as usize, counts.predicted_positive_rows);
    assert_eq!(chosen[3].as_f64().unwrap(), counts.true_positives);
    assert_eq!(chosen[4][1].as_f64().unwrap(), made.evaluation.error_rate.high);
    let profit = made.evaluation.money.as_ref().unwrap().profit.value;
    assert!((chosen[6].as_f64().unwrap() - profit).abs() < 1e-9);
}
