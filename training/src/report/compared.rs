//! Two models on the same rows, for people and machines: on the terminal, as Markdown, JSON and JUnit XML.

use quick_junit::{NonSuccessKind, Property, Report as Xml, TestCase, TestCaseStatus, TestSuite};
use rekindle_models::metrics::{Interval, Sides};
use serde::Serialize;

use crate::compare::{Compared, Comparison, Letter, Pair, Size, Speed};
use crate::report::annotations::command_of;
use crate::report::junit::{case, written};
use crate::report::markdown::cell;
use crate::report::terminal::sentence;
use crate::report::{figure, grouped, outcome, percent, rate, table};
use crate::verdict::Outcome;

/// The version of `compare.json`: it changes when a field goes or changes its meaning.
pub const COMPARED_VERSION: u32 = 1;

/// All that a comparison shows. Serialised, it is `compare.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedReport<'a> {
    /// The version of this form.
    pub schema_version: u32,
    /// 0 passed, or nothing was asked; 1 not passed; 2 could not judge.
    pub exit_code: u8,
    /// The question: `column=value`.
    pub target: String,
    /// Who it is asked of.
    pub population: &'a str,
    /// What the rows are.
    pub judged_on: String,
    /// Whether the two are the same model.
    pub same_model: bool,
    /// What is compared.
    pub models: Pair<ComparedModel<'a>>,
    /// The figures.
    #[serde(flatten)]
    pub comparison: &'a Comparison,
    /// How large each is.
    pub size: Pair<Size>,
    /// How fast each is; null where it was not measured.
    pub speed: Option<Pair<Speed>>,
    /// What the user should know.
    pub warnings: &'a [String],
}

/// One of the two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedModel<'a> {
    /// Its name.
    pub model_name: &'a str,
    /// Its version in the registry, where it has one.
    pub model_version: Option<u32>,
    /// What wrote its file.
    pub format: &'static str,
    /// Its classifier.
    pub classifier: &'a str,
    /// How margins become probabilities.
    pub calibration: &'a str,
    /// Predicted positive: `probability >= threshold`.
    pub threshold: f64,
    /// How that was chosen.
    pub threshold_rule: &'a str,
}

impl ComparedModel<'_> {
    fn name(&self) -> String {
        match self.model_version {
            Some(version) => format!("{} version {version}", self.model_name),
            None => self.model_name.to_owned(),
        }
    }

    fn facts(&self) -> String {
        format!(
            "{} ({}), threshold {:.4}: {}",
            self.name(),
            match self.format {
                "rekindle" => self.classifier.to_owned(),
                other => format!("{}, read from {other}", self.classifier),
            },
            self.threshold,
            self.threshold_rule
        )
    }
}

impl ComparedReport<'_> {
    /// As JSON, ending in a line end.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a comparison has a JSON form") + "\n"
    }

    fn title(&self) -> String {
        let Pair { a, b } = &self.models;
        format!("{} (B) against {} (A): {}", b.name(), a.name(), self.target)
    }

    /// What the rows are, in words.
    fn rows(&self) -> String {
        let comparison = self.comparison;
        let of = comparison
            .customers
            .map_or_else(String::new, |customers| format!(" of {} customers", grouped(customers)));
        format!(
            "{}: {} rows{of}, {} with the target (base rate {})",
            self.judged_on,
            grouped(comparison.rows),
            grouped(comparison.positives),
            percent(comparison.base_rate)
        )
    }

    /// As lines of text; `colour` where it goes to a terminal that wants it.
    pub fn terminal(&self, colour: bool) -> String {
        let mut lines = vec![self.title()];
        let mut line = |name: &str, text: String| lines.push(format!("  {name:<14}{text}"));
        if let Some(gate) = &self.comparison.gate {
            line("gate", painted(gate.outcome, colour));
            line("", sentence(&gate.reason));
        }
        if self.same_model {
            line("", SAME.to_owned());
        }
        line("judged on", self.rows());
        line("population", self.population.to_owned());
        line("A", self.models.a.facts());
        line("B", self.models.b.facts());
        let mut told = |header: &[&str; 5], rows: Vec<[String; 5]>, note: &str| {
            lines.push(String::new());
            lines.extend(table(header, 1, rows.into_iter()).lines().map(str::to_owned));
            if !note.is_empty() {
                lines.push(format!("  [{note}]"));
            }
        };
        let rows = self.comparison.figures.iter().map(figure_cells).collect();
        told(&["", "A", "B", "B - A", "surely better"], rows, &self.intervals());
        let sides = self.comparison.sides();
        let [head, both, a, b, neither, _] = SIDES;
        let rows = sides.map(|(name, sides)| {
            let [both, a, b, neither, _] = side_cells(sides);
            [name.to_owned(), both, a, b, neither]
        });
        told(&[head, both, a, b, neither], rows.to_vec(), &self.changes());
        lines.push(String::new());
        let facts = table(&["", "A", "B"], 1, self.facts().into_iter());
        lines.extend(facts.lines().map(str::to_owned));
        lines.extend(self.measured().map(|note| format!("  [{note}]")));
        if !self.warnings.is_empty() {
            lines.push(String::new());
        }
        let mark = if colour { "\x1b[33mwarning\x1b[0m" } else { "warning" };
        lines.extend(self.warnings.iter().map(|warning| format!("  {mark}: {warning}")));
        lines.join("\n") + "\n"
    }

    /// As a Markdown page.
    pub fn markdown(&self) -> String {
        let mut page = format!("# {}\n\n{}", cell(&self.title()), self.gate());
        let facts = [
            ("judged on", self.rows()),
            ("population", self.population.to_owned()),
            ("A", self.models.a.facts()),
            ("B", self.models.b.facts()),
        ];
        page += "\n| | |\n|---|---|\n";
        page.extend(facts.iter().map(|(name, text)| format!("| {name} | {} |\n", cell(text))));
        page += &self.figures();
        page += &format!("\n| {} |\n|---|---:|---:|---:|---:|---:|\n", SIDES.join(" | "));
        page.extend(
            self.comparison
                .sides()
                .map(|(name, sides)| format!("| {name} | {} |\n", side_cells(sides).join(" | "))),
        );
        page += &format!("\n{}.\n", sentence_start(&self.changes()));
        page += "\n| | A | B |\n|---|---:|---:|\n";
        page.extend(self.facts().iter().map(|row| format!("| {} |\n", row.join(" | "))));
        page.extend(self.measured().map(|note| format!("\n{}.\n", sentence_start(&note))));
        for (model, calibrated) in
            [("A", &self.comparison.calibration.a), ("B", &self.comparison.calibration.b)]
        {
            page += &format!(
                "\n| {model}'s probability | share with the target | rows |\n|---:|---:|---:|\n"
            );
            page.extend(calibrated.bins.iter().map(|bin| {
                let share = Interval { value: bin.rate, low: bin.low, high: bin.high };
                let (share, rows) = (figure(&share), grouped(bin.rows));
                format!("| {:.4} | {share} | {rows} |\n", bin.probability)
            }));
        }
        if !self.warnings.is_empty() {
            page += "\n## Warnings\n\n";
            page.extend(self.warnings.iter().map(|warning| format!("- {}\n", cell(warning))));
        }
        page
    }

    /// In short, for a pull request.
    pub fn summary(&self) -> String {
        let (title, gate) = (cell(&self.title()), self.gate());
        format!("### {title}\n\n{gate}\n{}.\n{}", cell(&self.rows()), self.figures())
    }

    /// The gate as JUnit XML, a case for each figure; skipped where nothing was asked.
    pub fn junit(&self) -> String {
        let mut suite = TestSuite::new(self.title());
        let class = format!("{}.{}", self.models.b.model_name, self.target);
        for condition in self.comparison.gate.iter().flat_map(|gate| &gate.conditions) {
            let kind = match condition.outcome {
                Outcome::Kept => None,
                Outcome::Broken => Some((NonSuccessKind::Failure, "broken")),
                Outcome::NotSure => Some((NonSuccessKind::Error, "not enough data")),
            };
            suite.add_test_case(case(condition.asks.clone(), &class, kind, &condition.reason));
        }
        if self.comparison.gate.is_none() {
            let mut skipped = TestCase::new("gate", TestCaseStatus::skipped());
            skipped.set_classname(class);
            suite.add_test_case(skipped);
        }
        for figure in &self.comparison.figures {
            let (name, difference) = (figure.key, figure.difference.value.to_string());
            suite.add_property(Property::new(format!("{name}_difference"), difference));
        }
        let mut xml = Xml::new("rekindle compare");
        xml.add_test_suite(suite);
        written(&xml)
    }

    /// An error for each condition that is broken, a warning for each that is not sure, as workflow commands.
    pub fn annotations(&self) -> String {
        let told = self.comparison.gate.iter().flat_map(|gate| &gate.conditions);
        let line = |condition: &crate::verdict::Condition| {
            let command = match condition.outcome {
                Outcome::Kept => return None,
                Outcome::Broken => "error",
                Outcome::NotSure => "warning",
            };
            let title = format!("{}: {}", self.title(), condition.asks);
            Some(command_of(command, &title, &condition.reason))
        };
        told.filter_map(line).collect()
    }

    fn gate(&self) -> String {
        let mut text = String::new();
        if let Some(gate) = &self.comparison.gate {
            text += &format!("**{}**: {}.\n", word(gate.outcome), cell(&gate.reason));
            text += "\n| asked of B | outcome | better by | at worst |\n|---|---|---:|---:|\n";
            text.extend(gate.conditions.iter().map(|c| {
                let (asks, outcome) = (cell(&c.asks), outcome(c.outcome));
                format!("| {asks} | {outcome} | {} | {} |\n", signed(c.value), signed(c.at_worst))
            }));
        }
        if self.same_model {
            text += &format!("\n{SAME}\n");
        }
        text
    }

    fn figures(&self) -> String {
        let mut text =
            "\n| | A | B | B - A | surely better |\n|---|---:|---:|---:|---|\n".to_owned();
        let rows = self.comparison.figures.iter().map(figure_cells);
        text.extend(rows.map(|row| format!("| {} |\n", row.join(" | "))));
        text + &format!("\n{}.\n", sentence_start(&self.intervals()))
    }

    fn intervals(&self) -> String {
        format!(
            "intervals: {:.0} %, two-sided; B - A on the same rows: ROC AUC by DeLong, the rest by a bootstrap that draws \
             the same {} for both",
            self.comparison.confidence * 100.0,
            if self.comparison.customers.is_some() { "customers" } else { "rows" }
        )
    }

    /// Who changed side, in words.
    fn changes(&self) -> String {
        let (with, without) = (&self.comparison.with_target, &self.comparison.without_target);
        let p = |sides: &Sides| match sides.mcnemar_p {
            Some(p) if p < 0.0001 => "; McNemar p < 0.0001".to_owned(),
            Some(p) => format!("; McNemar p = {p:.4}"),
            None => String::new(),
        };
        format!(
            "B finds {} with the target that A misses, and misses {} that A finds{}; of those without it, it leaves {} \
             alone whom A names, and names {} whom A leaves alone{}",
            grouped(with.only_second.rows),
            grouped(with.only_first.rows),
            p(with),
            grouped(without.only_first.rows),
            grouped(without.only_second.rows),
            p(without)
        )
    }

    /// What each is, by itself.
    fn facts(&self) -> Vec<[String; 3]> {
        let row = |name: &str, of: Pair<String>| [name.to_owned(), of.a, of.b];
        let count = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), grouped);
        let size = &self.size;
        let mut rows = vec![
            row(
                &format!("mean probability (base rate {})", percent(self.comparison.base_rate)),
                self.comparison.calibration.map(|c| percent(c.mean_probability)),
            ),
            row("features", size.map(|s| grouped(s.features))),
            row("trees", size.map(|s| count(s.trees))),
            row("leaves", size.map(|s| count(s.leaves))),
            row("bytes of the file", size.map(|s| grouped(s.bytes as usize))),
        ];
        if let Some(speed) = &self.speed {
            rows.push(row("rows a second", speed.map(|s| grouped(s.rows_per_second as usize))));
            rows.push(row(
                "microseconds for one row",
                speed.map(|s| format!("{:.1}", s.single_microseconds)),
            ));
        }
        rows
    }

    /// How speed was measured.
    fn measured(&self) -> Option<String> {
        let speed = self.speed.as_ref()?.a;
        Some(format!(
            "speed: medians, in turns; {} rows on {} threads, and {} rows one by one",
            grouped(speed.rows),
            speed.threads,
            grouped(speed.single_rows)
        ))
    }
}

const SAME: &str = "A and B are the same model.";

/// Columns of who changed side.
const SIDES: [&str; 6] =
    ["predicted positive", "by both", "by A alone", "by B alone", "by neither", "McNemar p"];

impl Comparison {
    fn sides(&self) -> [(&'static str, &Sides); 2] {
        [("with the target", &self.with_target), ("without it", &self.without_target)]
    }
}

fn side_cells(sides: &Sides) -> [String; 5] {
    let Sides { both, only_first, only_second, neither, mcnemar_p } = sides;
    let [both, a, b, neither] =
        [both, only_first, only_second, neither].map(|crowd| grouped(crowd.rows));
    [both, a, b, neither, mcnemar_p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"))]
}

/// A figure's line.
fn figure_cells(of: &Compared) -> [String; 5] {
    let better = match of.surely_better {
        Some(Letter::A) => "A",
        Some(Letter::B) => "B",
        None => "-",
    };
    let money = |i: &Interval| match i.value.is_nan() {
        true => "none".to_owned(),
        false => format!("{:.2} [{:.2}, {:.2}]", i.value, i.low, i.high),
    };
    let apart = |digits: usize, times: f64| {
        let Interval { value, low, high } = of.difference;
        let number = |x: f64| match x * times {
            // No sign before what is shown as nought.
            x if x.abs() < 0.5 * 10_f64.powi(-(digits as i32)) => format!("{:.digits$}", 0.0),
            x => format!("{x:+.digits$}"),
        };
        match () {
            () if value.is_nan() => "none".to_owned(),
            () if low.is_nan() => number(value),
            () => format!("{} [{}, {}]", number(value), number(low), number(high)),
        }
    };
    let (a, b, difference) = match of.key {
        "error_rate" | "miss_rate" => (rate(&of.a), rate(&of.b), apart(1, 100.0)),
        key if key.starts_with("lift") || key == "profit" => {
            (money(&of.a), money(&of.b), apart(2, 1.0))
        }
        _ => (figure(&of.a), figure(&of.b), apart(4, 1.0)),
    };
    [of.name.to_owned(), a, b, difference, better.to_owned()]
}

fn signed(value: f64) -> String {
    if value.is_nan() { "none".to_owned() } else { format!("{value:+.4}") }
}

/// With a capital letter.
fn sentence_start(text: &str) -> String {
    let sentence = sentence(text);
    sentence.strip_suffix('.').unwrap_or(&sentence).to_owned()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "passed",
        Outcome::Broken => "not passed",
        Outcome::NotSure => "not enough data",
    }
}

fn painted(outcome: Outcome, colour: bool) -> String {
    let text = word(outcome).to_uppercase();
    let code = match outcome {
        Outcome::Kept => 32,
        Outcome::Broken => 31,
        Outcome::NotSure => 33,
    };
    if colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text }
}
