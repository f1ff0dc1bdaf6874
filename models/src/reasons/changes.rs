//! What moved a customer's margin from one row to another, in words: the difference of two explanations by one model.

use serde::Serialize;

use crate::classifiers::Fitted;
use crate::frame::Rows;
use crate::language::Language;
use crate::reasons::words::Speaker;
use crate::reasons::{Reasons, Topic};

/// What moved a margin between two rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Moves<'a> {
    /// What may be told, the strongest first; what moved nothing is not among it.
    pub told: Vec<Moved<'a>>,
    /// By features that marketing is not told of, together. With those told, it adds up to the difference of the margins,
    /// up to rounding.
    pub hidden: f64,
}

/// One thing that moved a margin between two rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved<'a> {
    /// The feature; of several that are told together, one that changed, and of those the one that moved most their way.
    pub feature: &'a str,
    /// Its cell in the first row, as [`crate::reasons::Reason::value`].
    pub then: serde_json::Value,
    /// Its cell in the second row.
    pub now: serde_json::Value,
    /// The user's group of the feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'a str>,
    /// How much further the margin (log odds before calibration) is moved in the second row than in the first, by the
    /// feature and those told together with it.
    pub contribution: f64,
    /// What the cell says now and said then, in words.
    pub text: String,
}

impl Reasons {
    /// What moved the margin of `model` (that of the scorer prepared) from one row to another, both of its width.
    pub fn moves(
        &self,
        model: &Fitted,
        then: &[f64],
        now: &[f64],
        language: Language,
    ) -> Moves<'_> {
        let width = then.len();
        let both = Rows::from_cells(width, [then, now].concat());
        let contributions = self.contributions(model, &both);
        let (before, after) = contributions.split_at(contributions.len() / 2);
        let apart: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).take(width).collect();
        let sum = |topic: &Topic| topic.features.iter().map(|&place| apart[place]).sum::<f64>();
        let mut moved: Vec<(f64, &Topic)> =
            self.topics.iter().map(|topic| (sum(topic), topic)).collect();
        let told: f64 = moved.iter().map(|(sum, _)| sum).sum();
        moved.retain(|(sum, _)| *sum != 0.0);
        moved.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        let speaker = Speaker { language, words: &self.words };
        let rows = (then, now);
        let moved = moved.into_iter().map(|(sum, topic)| {
            let place = topic.speaks(sum, &apart, rows);
            self.moved(sum, topic, place, rows, speaker)
        });
        // Nothing is hidden where all is told, whatever rounding leaves.
        let all = self.topics.iter().map(|topic| topic.features.len()).sum::<usize>() == width;
        let hidden = if all { 0.0 } else { apart.iter().sum::<f64>() - told };
        Moves { told: moved.collect(), hidden }
    }

    fn moved<'a>(
        &'a self,
        sum: f64,
        topic: &'a Topic,
        place: usize,
        (then, now): (&[f64], &[f64]),
        speaker: Speaker<'_>,
    ) -> Moved<'a> {
        let (value_then, said_then) = self.said(place, then, speaker);
        let (value_now, said_now) = self.said(place, now, speaker);
        let group = topic.group.as_deref();
        let (comma, before, end) = match speaker.language {
            Language::English => (", ", " (before: ", ")"),
            Language::Chinese => ("，", "（此前：", "）"),
        };
        let named = group.map_or_else(String::new, |group| speaker.word(group) + comma);
        let was = match said_then == said_now {
            true => String::new(),
            false => format!("{before}{said_then}{end}"),
        };
        Moved {
            feature: &self.told[place].field.name,
            then: value_then,
            now: value_now,
            group,
            contribution: sum,
            text: format!("{named}{said_now}{was}"),
        }
    }
}

impl Topic {
    /// Which of its features says what moved. A cell that did not change moves a margin too, by what changed beside it:
    /// it speaks only where no other can.
    fn speaks(&self, sum: f64, apart: &[f64], (then, now): (&[f64], &[f64])) -> usize {
        let changed = |place: &usize| then[*place].to_bits() != now[*place].to_bits();
        let way = |place: &usize| (changed(place), apart[*place] * sum.signum());
        let further = |a: &&usize, b: &&usize| {
            let (a, b) = (way(a), way(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        *self.features.iter().rev().max_by(further).expect("a topic has a feature")
    }
}
