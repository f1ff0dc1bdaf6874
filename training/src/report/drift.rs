//! A model's drift for people and machines: on the terminal, as Markdown, as JSON.

use rekindle_models::artifact::Manifest;
use rekindle_models::metrics::Interval;
use serde::Serialize;

use crate::drift::{CameTrue, Drift, DriftWord, FeatureDrift, Moved};
use crate::report::markdown::cell;
use crate::report::{figure, grouped, percent, rate, table};

/// The version of `drift.json`: it changes when a field goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;
/// Most features that are shown on the terminal, and on a page.
const FEATURES: (usize, usize) = (15, 60);
/// Width of the names on the left.
const NAME: usize = 14;

/// A model beside one table or several, as at several cutoffs. Serialised, it is `drift.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftDocument {
    /// The version of this form.
    pub schema_version: u32,
    /// The model's name.
    pub model_name: String,
    /// Its version in the registry, where it lies in one.
    pub model_version: Option<u32>,
    /// The question: `column=value`.
    pub target: String,
    /// The worst verdict: `drift` before `not enough data` before `no drift`.
    pub verdict: DriftWord,
    /// 0 no drift, 1 drift beyond a limit, 2 could not judge.
    pub exit_code: u8,
    /// The tables in the order they were given.
    pub tables: Vec<Compared>,
}

/// A table beside the reference population.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The table, in words.
    pub table: String,
    /// What came of it.
    #[serde(flatten)]
    pub drift: Drift,
}

impl DriftDocument {
    /// A document of at least one table.
    pub fn new(manifest: &Manifest, version: Option<u32>, tables: Vec<Compared>) -> DriftDocument {
        let verdict = [DriftWord::Beyond, DriftWord::NotEnoughData]
            .into_iter()
            .find(|word| tables.iter().any(|table| table.drift.verdict == *word))
            .unwrap_or(DriftWord::None);
        DriftDocument {
            schema_version: SCHEMA_VERSION,
            model_name: manifest.model_name.clone(),
            model_version: version,
            target: format!("{}={}", manifest.target.column, manifest.target.value),
            verdict,
            exit_code: verdict.exit_code(),
            tables,
        }
    }

    /// The document as JSON, ending in a line end.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a document has a JSON form") + "\n"
    }

    fn model(&self) -> String {
        match self.model_version {
            Some(version) => format!("{} version {version}", self.model_name),
            None => self.model_name.clone(),
        }
    }

    /// The document as lines of text; `colour` where it goes to a terminal that wants it.
    pub fn terminal(&self, colour: bool) -> String {
        let one = |compared: &Compared| {
            format!(
                "{}: {} on {}\n{}",
                self.model(),
                self.target,
                compared.table,
                compared.terminal(colour)
            )
        };
        let mut text = self.tables.iter().map(one).collect::<Vec<_>>().join("\n");
        if self.tables.len() > 1 {
            text += &format!("\n{}", table(&BESIDE, 2, self.tables.iter().map(beside)));
        }
        text
    }

    /// The document as one Markdown page.
    pub fn markdown(&self) -> String {
        let mut page = format!("# Drift of {}: {}\n", cell(&self.model()), cell(&self.target));
        if self.tables.len() > 1 {
            page += &format!("\n{}", markdown_table(&BESIDE, 2, self.tables.iter().map(beside)));
        }
        page.extend(self.tables.iter().map(Compared::markdown));
        page
    }

    /// In short, for a pull request: a line for each table.
    pub fn summary(&self) -> String {
        let mut text = format!("### Drift of {}\n\n", cell(&self.model()));
        text += &markdown_table(&BESIDE, 2, self.tables.iter().map(beside));
        let reason = |t: &Compared| format!("\n{}: {}.\n", cell(&t.table), cell(&t.drift.reason));
        text.extend(self.tables.iter().map(reason));
        text
    }
}

/// What is told of tables beside each other.
const BESIDE: [&str; 9] = [
    "table",
    "verdict",
    "rows",
    "weighted PSI",
    "probabilities' PSI",
    "error rate estimated",
    "came true",
    "miss rate estimated",
    "came true",
];

fn beside(compared: &Compared) -> [String; 9] {
    let drift = &compared.drift;
    let estimate = &drift.estimate.estimate;
    let came_true = |name: &str| {
        let of = drift.matured.as_ref().and_then(|m| m.figures.iter().find(|f| f.figure == name));
        of.map_or("-".to_owned(), |figure| percent(figure.came_true))
    };
    [
        compared.table.clone(),
        drift.verdict.text().to_owned(),
        grouped(drift.rows),
        drift.weighted_psi.map_or("-".to_owned(), |psi| format!("{psi:.3}")),
        format!("{:.3}", drift.probabilities.psi),
        rate(&estimate.error_rate),
        came_true("error_rate"),
        rate(&estimate.miss_rate),
        came_true("miss_rate"),
    ]
}

/// What is told of a feature.
const FEATURE: [&str; 10] = [
    "feature",
    "drift",
    "new levels",
    "influence",
    "PSI",
    "by chance",
    "chi-squared",
    "p, corrected",
    "missing then",
    "missing now",
];

fn feature(feature: &FeatureDrift) -> [String; 10] {
    let share = feature.influence_share.map_or("-".to_owned(), percent);
    let noise = match feature.above_noise {
        _ if feature.grows_with_time => " (grows with time)",
        Some(false) => " (noise)",
        _ => "",
    };
    let new = &feature.new_levels;
    let levels = match new.count {
        0 => "-".to_owned(),
        count => {
            let names = match new.most_frequent.is_empty() {
                true => String::new(),
                false => format!(": {}", new.most_frequent.join(", ")),
            };
            format!("{} ({}){names}", grouped(count), percent(new.share))
        }
    };
    [
        feature.feature.clone(),
        feature.drift.text().to_owned(),
        levels,
        share + noise,
        format!("{:.3}", feature.psi),
        format!("{:.3}", feature.psi_by_chance),
        format!("{:.1}", feature.statistic),
        p_value(feature.corrected_p_value),
        percent(feature.missing_then),
        percent(feature.missing_now),
    ]
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// What is told of an estimated figure.
const ESTIMATED: [&str; 4] = ["", "estimated without answers", "came true", "within"];

fn estimated(drift: &Drift) -> Vec<[String; 4]> {
    let estimate = &drift.estimate.estimate;
    let truth =
        |name: &str| drift.matured.iter().flat_map(|m| &m.figures).find(|f| f.figure == name);
    let row = |what: &str, name: &str, interval: &Interval, rates: bool| {
        let shown = |interval: &Interval| if rates { rate(interval) } else { figure(interval) };
        let came_true = |f: &CameTrue| match rates {
            true => percent(f.came_true),
            false => format!("{:.4}", f.came_true),
        };
        let matured = truth(name);
        // Of a table with some answers, the estimate of the rows that have one.
        let interval = matured.map_or(interval, |figure| &figure.estimated);
        [
            what.to_owned(),
            shown(interval),
            matured.map_or("-".to_owned(), came_true),
            match matured {
                Some(f) if f.came_true.is_finite() => {
                    (if f.within { "yes" } else { "no" }).to_owned()
                }
                _ => "-".to_owned(),
            },
        ]
    };
    vec![
        row("error rate", "error_rate", &estimate.error_rate, true),
        row("miss rate", "miss_rate", &estimate.miss_rate, true),
        row("base rate", "base_rate", &estimate.base_rate, true),
        row("ROC AUC", "roc_auc", &estimate.roc_auc, false),
    ]
}

impl Compared {
    /// What both kinds of page say in lines: names with texts.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let drift = &self.drift;
        let rows = |rows: usize, effective: f64| match (effective + 0.5).floor() < rows as f64 {
            true => format!("{} rows ({effective:.0} effective)", grouped(rows)),
            false => format!("{} rows", grouped(rows)),
        };
        let p = &drift.probabilities;
        let mut facts = vec![
            ("rows", rows(drift.rows, drift.effective_rows)),
            (
                "beside",
                format!(
                    "{} of the reference population",
                    rows(drift.reference_rows, drift.reference_effective_rows)
                ),
            ),
            (
                "probabilities",
                format!(
                    "{}: PSI {:.3} ({:.3} by chance); mean {} then, {} now; predicted positive {} then, {} now",
                    p.drift.text(),
                    p.psi,
                    p.psi_by_chance,
                    percent(p.mean_then),
                    percent(p.mean_now),
                    percent(p.positive_then),
                    percent(p.positive_now)
                ),
            ),
        ];
        if let Some(m) = &drift.matured {
            facts.push((
                "came true",
                format!(
                    "{:.0} positives, {:.0} promised by the probabilities (z {:.1}, p {})",
                    m.observed_positives,
                    m.expected_positives,
                    m.z,
                    p_value(m.p_value)
                ),
            ));
        }
        let trust = match drift.estimate.trusted {
            true => format!("trusted, as long as {}", drift.estimate.assumes),
            false => format!("not trusted: {}", drift.estimate.distrust.join("; ")),
        };
        facts.push(("estimate", trust));
        facts
    }

    /// The rest of the list, in a line.
    fn rest(&self, shown: usize) -> Option<String> {
        let rest = self.drift.features.get(shown..).filter(|rest| !rest.is_empty())?;
        let stable = rest.iter().filter(|f| f.drift == Moved::Stable).count();
        Some(format!("{} more features, {} of them stable", grouped(rest.len()), grouped(stable)))
    }

    fn terminal(&self, colour: bool) -> String {
        let drift = &self.drift;
        let code = match drift.verdict {
            DriftWord::None => 32,
            DriftWord::Beyond => 31,
            DriftWord::NotEnoughData => 33,
        };
        let word = drift.verdict.text().to_uppercase();
        let word = if colour { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word };
        let mut text = format!("  {:<NAME$}{word}\n", "verdict");
        text += &format!("  {:<NAME$}{}.\n", "", drift.reason);
        text.extend(self.facts().iter().map(|(name, fact)| format!("  {name:<NAME$}{fact}\n")));
        text += &format!("\n{}", table(&ESTIMATED, 1, estimated(drift).into_iter()));
        let shown = drift.features.iter().take(FEATURES.0).map(feature);
        text += &format!("\n{}", table(&FEATURE, 3, shown));
        text += &self.rest(FEATURES.0).map_or_else(String::new, |rest| format!("  [{rest}]\n"));
        let mark = if colour { "\x1b[33mwarning\x1b[0m" } else { "warning" };
        if !drift.warnings.is_empty() {
            text.push('\n');
        }
        text.extend(drift.warnings.iter().map(|warning| format!("  {mark}: {warning}\n")));
        text
    }

    fn markdown(&self) -> String {
        let drift = &self.drift;
        let mut page = format!(
            "\n## {}\n\n**{}**: {}.\n\n| | |\n|---|---|\n",
            cell(&self.table),
            drift.verdict.text(),
            cell(&drift.reason)
        );
        page.extend(
            self.facts().iter().map(|(name, fact)| format!("| {name} | {} |\n", cell(fact))),
        );
        page += &format!("\n{}", markdown_table(&ESTIMATED, 1, estimated(drift).into_iter()));
        page += &format!("\nIntervals: {:.0} %.\n", drift.limits.confidence * 100.0);
        let shown = drift.features.iter().take(FEATURES.1).map(feature);
        page += &format!("\n{}", markdown_table(&FEATURE, 3, shown));
        page += &self.rest(FEATURES.1).map_or_else(String::new, |rest| format!("\n{rest}.\n"));
        if !drift.warnings.is_empty() {
            page += "\n### Warnings\n\n";
            page.extend(drift.warnings.iter().map(|warning| format!("- {}\n", cell(warning))));
        }
        page
    }
}

/// A table in Markdown, whose columns from one place on are numbers.
fn markdown_table<const N: usize>(
    header: &[&str; N],
    numbers_from: usize,
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let sides = (0..N).map(|column| if column < numbers_from { "---|" } else { "---:|" });
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), sides.collect::<String>());
    text.extend(rows.map(|row| format!("| {} |\n", row.map(|text| cell(&text)).join(" | "))));
    text
}
