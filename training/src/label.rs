//! Targets: which rows of a table answer a question with yes.

use std::collections::BTreeMap;

use rekindle_models::frame::{Column, Frame, Kind};

use crate::error::{Error, Result};

/// A target as the user names it: `COLUMN=VALUE`, or `COLUMN` where its values are 0 and 1, -1 and 1,
/// or true and false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// The words of the command line.
    pub given: String,
}

/// The answer of every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Place of the target's column.
    pub place: usize,
    /// Its name.
    pub column: String,
    /// The value that counts as yes.
    pub value: String,
    /// Which rows have it; `false` where the answer is missing.
    pub positive: Vec<bool>,
    /// The rows that have an answer.
    pub answered: Vec<u32>,
}

impl Target {
    /// Column and value, as a target is named in files.
    pub fn name(&self) -> String {
        format!("{}={}", self.column, self.value)
    }
}

impl TargetSpec {
    /// Column and value in a table. `=` may stand in both: the longest column name that fits wins.
    fn parts<'a>(&'a self, frame: &Frame) -> Result<(usize, Option<&'a str>)> {
        if let Some(place) = frame.schema().place(&self.given) {
            return Ok((place, None));
        }
        for (at, _) in self.given.rmatch_indices('=') {
            if let Some(place) = frame.schema().place(self.given[..at].trim()) {
                return Ok((place, Some(self.given[at + 1..].trim())));
            }
        }
        let name = self.given.split('=').next().unwrap_or_default();
        Ok((frame.schema().require(name)?, None))
    }

    /// Finds the answers in a table.
    ///
    /// # Errors
    /// When there is no such column, its values are no yes and no, or only one of the two is there.
    pub fn find(&self, frame: &Frame) -> Result<Target> {
        let (place, value) = self.parts(frame)?;
        let column = frame.schema().fields()[place].name.clone();
        let value = match value {
            Some(value) => value.to_owned(),
            None => yes_value(frame, place)?,
        };
        let mut positive = vec![false; frame.rows()];
        let mut answered = Vec::with_capacity(frame.rows());
        match (&frame.columns()[place], &frame.schema().fields()[place].kind) {
            (Column::Number(cells), kind) => {
                let yes = match kind {
                    Kind::Boolean if value.eq_ignore_ascii_case("true") => Some(1.0),
                    Kind::Boolean if value.eq_ignore_ascii_case("false") => Some(0.0),
                    _ => value.parse().ok(),
                };
                for (row, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_nan()) {
                    positive[row] = Some(*cell) == yes;
                    answered.push(row as u32);
                }
            }
            (Column::Category(codes), Kind::Categorical(levels)) => {
                let yes = levels.iter().position(|level| *level == value);
                for (row, &code) in codes.iter().enumerate() {
                    if (code as usize) < levels.len() {
                        positive[row] = Some(code as usize) == yes;
                        answered.push(row as u32);
                    }
                }
            }
            (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
        }
        let count = positive.iter().filter(|p| **p).count();
        if count == 0 || count == answered.len() {
            let found = format!(
                "{count} of {} rows have it (values: {})",
                answered.len(),
                values(frame, place)
            );
            return Err(Error::OneClass { column, value, found });
        }
        Ok(Target { place, column, value, positive, answered })
    }
}

/// The value that counts as yes where none was named.
fn yes_value(frame: &Frame, place: usize) -> Result<String> {
    let refuse = || Error::NoYesOrNo {
        column: frame.schema().fields()[place].name.clone(),
        found: values(frame, place),
    };
    if frame.schema().fields()[place].kind == Kind::Boolean {
        return Ok("true".to_owned());
    }
    let cells = frame.numbers(place).ok_or_else(refuse)?;
    let mut given: Vec<f64> = cells.iter().copied().filter(|x| !x.is_nan()).collect();
    given.sort_by(f64::total_cmp);
    given.dedup();
    match given.as_slice() {
        // A table with one class only is refused later, with its count.
        [0.0, 1.0] | [-1.0, 1.0] | [0.0] | [1.0] | [-1.0] => Ok("1".to_owned()),
        _ => Err(refuse()),
    }
}

/// A column's values with their counts, the most frequent first, for messages.
fn values(frame: &Frame, place: usize) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in 0..frame.rows() {
        let text = frame.text(place, row).unwrap_or("missing".into());
        *counts.entry(text.into_owned()).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = if counts.len() > 5 { ", ..." } else { "" };
    let shown: Vec<String> = counts.iter().take(5).map(|(v, n)| format!("{v} ({n})")).collect();
    shown.join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_models::frame::{Field, Schema};
    use std::sync::Arc;

    fn table(kind: Kind, column: Column) -> Frame {
        Frame::new(Schema::new(vec![Field { name: "a=b".into(), kind }]).unwrap(), vec![column])
            .unwrap()
    }

    fn find(spec: &str, frame: &Frame) -> Result<Target> {
        TargetSpec { given: spec.to_owned() }.find(frame)
    }

    #[test]
    fn yes_is_the_value_named_or_the_1_of_a_pair() {
        let levels: Arc<[String]> = Arc::from(["No".to_owned(), "Yes".to_owned()]);
        let text = table(Kind::Categorical(levels), Column::Category(vec![0, 1, u32::MAX, 1]));
        let found = find("a=b=Yes", &text).unwrap();
        assert_eq!(found.positive, [false, true, false, true]);
        assert_eq!(found.answered, [0, 1, 3]);
        for (values, expected) in [
            (vec![0.0, 1.0, 1.0], [false, true, true]),
            (vec![-1.0, 1.0, -1.0], [false, true, false]),
        ] {
            let frame = table(Kind::Numeric, Column::Number(values));
            assert_eq!(find("a=b", &frame).unwrap().positive, expected);
        }
        let booleans = table(Kind::Boolean, Column::Number(vec![0.0, 1.0, f64::NAN]));
        assert_eq!(find("a=b", &booleans).unwrap().positive, [false, true, false]);
        assert_eq!(find("a=b=false", &booleans).unwrap().positive, [true, false, false]);
        assert_eq!(find("a=b=1.0", &booleans).unwrap().positive, [false, true, false]);
    }

    #[test]
    fn what_is_no_question_is_refused_with_its_values() {
        let three = table(Kind::Numeric, Column::Number(vec![1.0, 2.0, 3.0]));
        let text = find("a=b", &three).unwrap_err().to_string();
        assert!(
            text.contains("1 (1), 2 (1), 3 (1)") && text.contains("--target a=b=VALUE"),
            "{text}"
        );
        let text = find("a=b=7", &three).unwrap_err().to_string();
        assert!(text.contains("0 of 3 rows have it"), "{text}");
        let ones = table(Kind::Numeric, Column::Number(vec![1.0, 1.0]));
        assert!(find("a=b", &ones).unwrap_err().to_string().contains("2 of 2 rows"));
        assert!(find("c=1", &ones).unwrap_err().to_string().contains("no column \"c\""));
    }
}
