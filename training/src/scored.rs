//! The scores of a table's customers as a table of their own, with reasons in words. Scores nothing.

use std::io::{self, Write};
use std::ops::Range;

use rekindle_models::frame::Frame;
use rekindle_models::language::Language;
use rekindle_models::scorer::Score;

use crate::sheet::{Cells, Format, Sheet, SheetWriter};
use crate::why::Why;

/// Rows that are written, and whose reasons are told, together.
const TOGETHER: usize = 8_192;

/// What is written.
pub struct Scores<'a> {
    /// The table.
    pub frame: &'a Frame,
    /// Its column of ids.
    pub id: Option<usize>,
    /// The score of each row.
    pub scores: &'a [Score],
    /// The model's name,
    pub model: &'a str,
    /// and its version, where it lies in a registry.
    pub version: Option<u32>,
    /// Why, how many reasons each has at most, and in what language.
    pub why: Option<(&'a Why<'a>, usize, Language)>,
}

/// Writes a row for each customer: id, probability, percentile, positive, model name and version, reasons.
///
/// # Errors
/// Those of writing.
pub fn write_scores(
    to: &mut (dyn Write + Send),
    format: Format,
    scores: &Scores<'_>,
) -> io::Result<()> {
    let mut writer = SheetWriter::new(to, format);
    // A table without rows has a header still.
    let rows = scores.scores.len();
    for first in (0..rows.max(1)).step_by(TOGETHER) {
        writer.append(&scores.sheet(first..(first + TOGETHER).min(rows)))?;
    }
    writer.finish()
}

impl Scores<'_> {
    fn sheet(&self, span: Range<usize>) -> Sheet {
        let mut sheet = Sheet::default();
        let scores = &self.scores[span.clone()];
        let same = |text: &str| Cells::Text(vec![text.to_owned(); scores.len()]);
        if let Some(id) = self.id {
            let text = |row| self.frame.text(id, row).unwrap_or_default().to_string();
            sheet.add("customer_id", Cells::Text(span.clone().map(text).collect()));
        }
        let numbers = |of: &dyn Fn(&Score) -> f64| Cells::Number(scores.iter().map(of).collect());
        sheet.add("probability", numbers(&|score| score.probability));
        sheet.add("percentile", numbers(&|score| f64::from(score.percentile)));
        sheet.add("positive", Cells::Flag(scores.iter().map(|score| score.positive).collect()));
        sheet.add("model_name", same(self.model));
        sheet.add("model_version", same(&self.version.map(|v| v.to_string()).unwrap_or_default()));
        if let Some((why, most, language)) = self.why {
            let told = why.told(span, language);
            for place in 0..most {
                let text = |told: &Vec<rekindle_models::reasons::Reason<'_>>| {
                    told.get(place).map(|reason| reason.text.clone()).unwrap_or_default()
                };
                let name = format!("reason_{}", place + 1);
                sheet.add(&name, Cells::Text(told.iter().map(text).collect()));
            }
        }
        sheet
    }
}
