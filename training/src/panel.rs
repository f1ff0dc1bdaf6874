//! Snapshots: a row of features and answers for each customer at each cutoff. Reads no log and writes no
//! file.

use std::collections::HashMap;

use rekindle_models::behaviour::{DAY_MS, Events, FeatureSpec, Kernel, Scratch, Timeline, Zone};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::question::{Asked, Question};

/// When customers are looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Cutoffs {
    /// All at the same instants, in milliseconds, rising.
    Common(Vec<i64>),
    /// Each at instants of its own, with its label (1, 0, or NaN for none): by customer.
    Each(HashMap<String, Vec<(i64, f64)>>),
}

/// What is told of customers, and when.
#[derive(Debug)]
pub struct Panel {
    kernel: Kernel,
    asked: Asked,
    targets: Vec<String>,
    cutoffs: Cutoffs,
    zone: Zone,
}

/// Rows of a panel: those of some customers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Whose each row is.
    pub customers: Vec<String>,
    /// When, in milliseconds since 1970 UTC.
    pub cutoffs: Vec<i64>,
    /// The features, row by row; NaN where missing.
    pub features: Vec<f64>,
    /// The answers, row by row: 1, 0, or NaN for who is not asked.
    pub answers: Vec<f64>,
}

/// Room for one customer at a time.
#[derive(Debug)]
pub struct PanelScratch {
    scratch: Scratch,
    kept: Events,
    row: Vec<f64>,
    answers: Vec<f64>,
}

/// Who was asked at a cutoff, and how many said yes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Population {
    /// The target.
    pub target: String,
    /// The cutoff as [`Zone::text`] has it; `None` where each customer has its own.
    pub cutoff: Option<String>,
    /// Customers asked.
    pub eligible: u64,
    /// Of them, those with the target.
    pub positives: u64,
}

impl Panel {
    /// `questions` are the targets by name; `label` is the target's name where labels are given.
    ///
    /// # Errors
    /// When a feature or a question cannot be.
    pub fn new(
        spec: &FeatureSpec,
        questions: &[(String, Question)],
        label: Option<&str>,
        cutoffs: Cutoffs,
    ) -> Result<Panel> {
        let asked = Asked::new(questions.iter().map(|(n, q)| (n, q)), &spec.dictionaries())?;
        let names = questions.iter().map(|(name, _)| name.clone());
        let targets = names.chain(label.map(str::to_owned)).collect();
        let zone = Zone::named(&spec.timezone)?;
        Ok(Panel { kernel: Kernel::new(spec)?, asked, targets, cutoffs, zone })
    }

    /// The targets, in the order of the answers.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// Features in a row.
    pub fn width(&self) -> usize {
        self.kernel.width()
    }

    /// Room to work in.
    pub fn scratch(&self) -> PanelScratch {
        PanelScratch {
            scratch: self.kernel.scratch(),
            kept: Events::default(),
            row: vec![0.0; self.kernel.width()],
            answers: vec![f64::NAN; self.targets.len()],
        }
    }

    /// Adds a customer's rows: at every cutoff where any question is asked of it; where there is no
    /// question, wherever it has a history.
    pub fn add(
        &self,
        customer: &str,
        timeline: &Timeline<'_>,
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        match &self.cutoffs {
            Cutoffs::Common(cutoffs) => {
                for &cutoff in cutoffs {
                    self.add_row(customer, timeline, (cutoff, f64::NAN), room, block);
                }
            }
            Cutoffs::Each(labels) => {
                for &label in labels.get(customer).into_iter().flatten() {
                    self.add_row(customer, timeline, label, room, block);
                }
            }
        }
    }

    /// Adds the rows of labelled customers who are not in the log at all.
    pub fn add_silent<'a>(
        &self,
        customers: impl Iterator<Item = &'a str>,
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        let nothing = Events::default();
        for customer in customers {
            self.add(customer, &Timeline::new(&nothing, 0..0), room, block);
        }
    }

    fn add_row(
        &self,
        customer: &str,
        timeline: &Timeline<'_>,
        (cutoff, label): (i64, f64),
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        let PanelScratch { scratch, kept, row, answers } = room;
        let history = timeline.history(cutoff, kept);
        let given = matches!(self.cutoffs, Cutoffs::Each(_));
        if history.events().is_empty() && !given {
            return;
        }
        self.asked.answer(timeline, &history, answers);
        if given && let Some(last) = answers.last_mut() {
            *last = label;
        }
        if !answers.is_empty() && answers.iter().all(|a| a.is_nan()) && !given {
            return;
        }
        self.kernel.fill(&history, scratch, row);
        block.customers.push(customer.to_owned());
        block.cutoffs.push(cutoff);
        block.features.extend_from_slice(row);
        block.answers.extend_from_slice(answers);
    }

    /// Who was asked, target by target and cutoff by cutoff, in blocks of rows.
    pub fn populations<'a>(&self, blocks: impl Iterator<Item = &'a Block>) -> Vec<Population> {
        let cutoffs: Vec<Option<i64>> = match &self.cutoffs {
            Cutoffs::Common(cutoffs) => cutoffs.iter().map(|c| Some(*c)).collect(),
            Cutoffs::Each(_) => vec![None],
        };
        let name = |(target, cutoff): (&String, &Option<i64>)| Population {
            target: target.clone(),
            cutoff: cutoff.map(|cutoff| self.zone.text(cutoff)),
            eligible: 0,
            positives: 0,
        };
        let pairs = self.targets.iter().flat_map(|t| cutoffs.iter().map(move |c| (t, c)));
        let mut populations: Vec<Population> = pairs.map(name).collect();
        for block in blocks {
            for (row, answers) in block.answers.chunks_exact(self.targets.len().max(1)).enumerate()
            {
                let at = match cutoffs[0] {
                    None => 0,
                    Some(_) => cutoffs.partition_point(|c| *c < Some(block.cutoffs[row])),
                };
                for (target, answer) in answers.iter().enumerate().filter(|(_, a)| !a.is_nan()) {
                    let population = &mut populations[target * cutoffs.len() + at];
                    population.eligible += 1;
                    population.positives += u64::from(*answer == 1.0);
                }
            }
        }
        populations
    }
}

/// Refuses cutoffs whose answers the log does not know: silence after its end is no silence.
///
/// # Errors
/// When a question's horizon reaches beyond `log_end` (milliseconds; events before it were logged).
pub fn check_covered(
    questions: &[(String, Question)],
    cutoffs: &[i64],
    log_end: i64,
    zone: &Zone,
) -> Result<()> {
    for (name, question) in questions {
        let beyond = cutoffs.iter().find(|&&cutoff| cutoff + question.reach_ms() > log_end);
        if let Some(&cutoff) = beyond {
            return Err(Error::BadOptions(format!(
                "targets.{name}: at cutoff {} its horizon ends {}, the log ends {}; expected a log \
                 that covers it: take the cutoff {} or an earlier one, or a shorter horizon",
                zone.text(cutoff),
                zone.text(cutoff + question.reach_ms()),
                zone.text(log_end),
                zone.text(zone.instant(
                    zone.local(log_end - question.reach_ms()).div_euclid(DAY_MS) * DAY_MS
                ))
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Days;
    use rekindle_models::behaviour::{Duplicates, Feature, Metric, Selector, Window};

    const START: i64 = 15_000 * DAY_MS;

    fn spec() -> FeatureSpec {
        let count = Feature::new(Metric::Count, Selector::default(), Window::All);
        FeatureSpec {
            timezone: "UTC".to_owned(),
            kinds: vec!["purchase".to_owned()],
            channels: Vec::new(),
            groups: Vec::new(),
            measures: vec!["amount".to_owned()],
            windows: vec![Window::All],
            duplicates: Duplicates::Keep,
            features: vec![count],
            attributes: Vec::new(),
        }
    }

    fn purchases(days: &[i64]) -> Events {
        Events {
            times: days.iter().map(|d| START + d * DAY_MS).collect(),
            kinds: vec![0; days.len()],
            ..Events::default()
        }
    }

    #[test]
    fn a_row_stands_for_each_cutoff_at_which_a_customer_is_asked() {
        let churned = Question::preset("churned", "purchase", Days(30)).unwrap();
        let cutoffs: Vec<i64> = [0, 30, 60, 90].map(|d| START + d * DAY_MS).to_vec();
        let questions = [("churned".to_owned(), churned)];
        let panel =
            Panel::new(&spec(), &questions, None, Cutoffs::Common(cutoffs.clone())).unwrap();
        let (mut room, mut block) = (panel.scratch(), Block::default());
        let events = purchases(&[10, 20, 40, 200]);
        panel.add("a", &Timeline::new(&events, 0..4), &mut room, &mut block);
        assert_eq!(block.cutoffs, cutoffs[1..3]);
        assert_eq!(block.features, [2.0, 3.0]);
        assert_eq!(block.answers, [0.0, 1.0]);
        let populations = panel.populations([&block].into_iter());
        let asked: Vec<u64> = populations.iter().map(|p| p.eligible).collect();
        assert_eq!(asked, [0, 1, 1, 0]);
        assert_eq!(populations[2].positives, 1);
        assert_eq!(populations[2].cutoff.as_deref(), Some("2011-03-27"));
    }

    #[test]
    fn labelled_customers_have_a_row_each_though_they_never_did_anything() {
        let labels = HashMap::from([
            ("a".to_owned(), vec![(START + 15 * DAY_MS, 1.0)]),
            ("b".to_owned(), vec![(START, 0.0)]),
        ]);
        let panel = Panel::new(&spec(), &[], Some("dropout"), Cutoffs::Each(labels)).unwrap();
        let (mut room, mut block) = (panel.scratch(), Block::default());
        let events = purchases(&[10, 20]);
        panel.add("a", &Timeline::new(&events, 0..2), &mut room, &mut block);
        panel.add("stranger", &Timeline::new(&events, 0..2), &mut room, &mut block);
        panel.add_silent(["b"].into_iter(), &mut room, &mut block);
        assert_eq!(block.customers, ["a", "b"]);
        assert_eq!(
            (block.features.as_slice(), block.answers.as_slice()),
            (&[1.0, 0.0][..], &[1.0, 0.0][..])
        );
        let populations = panel.populations([&block].into_iter());
        assert_eq!((populations[0].eligible, populations[0].positives), (2, 1));
    }

    #[test]
    fn a_horizon_beyond_the_log_is_refused() {
        let questions =
            [("paid".to_owned(), Question::preset("paid", "purchase", Days(30)).unwrap())];
        let (end, utc) = (START + 30 * DAY_MS, Zone::default());
        check_covered(&questions, &[START], end, &utc).unwrap();
        let error =
            check_covered(&questions, &[START, START + 1], end, &utc).unwrap_err().to_string();
        assert!(error.contains("take the cutoff 2011-01-26 or an earlier one"), "{error}");
    }
}
