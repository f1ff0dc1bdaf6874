//! Why the customers of a table have their scores: found once, told in any language.

use std::ops::Range;

use rayon::prelude::*;
use rekindle_models::artifact::Manifest;
use rekindle_models::frame::{Binding, Frame, Rows};
use rekindle_models::language::Language;
use rekindle_models::reasons::{Cause, Reason, Reasons};
use rekindle_models::scorer::Scorer;
use rekindle_store::StoredReason;

use crate::error::{Error, Result};

/// Rows whose contributions are found together.
const TOGETHER: usize = 8_192;

/// What moved the scores of all rows of a table.
pub struct Why<'a> {
    reasons: Reasons,
    causes: Vec<Vec<Cause>>,
    binding: &'a Binding,
    frame: &'a Frame,
}

impl<'a> Why<'a> {
    /// The same of a model whose reasons are not prepared yet.
    ///
    /// # Errors
    /// When the model is of a kind that tells none.
    pub fn of(
        manifest: &Manifest,
        scorer: &Scorer,
        table: (&'a Binding, &'a Frame),
        most: usize,
    ) -> Result<Why<'a>> {
        let reasons = Reasons::new(manifest, scorer);
        let reasons = reasons.map_err(|why| Error::BadOptions(format!("--reasons: {why}")))?;
        Ok(Why::find(reasons, scorer, table, most))
    }

    /// Finds at most `most` causes of each row. `reasons` were prepared of the scorer.
    pub fn find(
        reasons: Reasons,
        scorer: &Scorer,
        (binding, frame): (&'a Binding, &'a Frame),
        most: usize,
    ) -> Why<'a> {
        let mut causes = Vec::with_capacity(frame.rows());
        for first in (0..frame.rows()).step_by(TOGETHER) {
            let rows = binding.rows(frame, first..(first + TOGETHER).min(frame.rows()));
            causes.extend(reasons.causes(&scorer.model, &rows, most));
        }
        Why { reasons, causes, binding, frame }
    }

    /// In words.
    pub fn told(&self, span: Range<usize>, language: Language) -> Vec<Vec<Reason<'_>>> {
        self.each(span, |row, causes| self.reasons.told(row, causes, language))
    }

    /// In all languages, as a store keeps them.
    pub fn stored(&self, span: Range<usize>) -> Vec<Vec<StoredReason>> {
        self.each(span, |row, causes| stored(&self.reasons, row, causes))
    }

    fn each<T: Send>(
        &self,
        span: Range<usize>,
        tell: impl Fn(&[f64], &[Cause]) -> T + Sync,
    ) -> Vec<T> {
        let rows: Rows = self.binding.rows(self.frame, span.clone());
        let causes = &self.causes[span];
        (0..causes.len()).into_par_iter().map(|row| tell(rows.row(row), &causes[row])).collect()
    }
}

/// Causes of a row in all languages.
pub(crate) fn stored(reasons: &Reasons, row: &[f64], causes: &[Cause]) -> Vec<StoredReason> {
    let told = |language| reasons.told(row, causes, language).into_iter();
    let both = told(Language::English).zip(told(Language::Chinese));
    let reason = |(english, chinese): (Reason<'_>, Reason<'_>)| StoredReason {
        feature: english.feature.to_owned(),
        contribution: english.contribution,
        english: english.text,
        chinese: chinese.text,
    };
    both.map(reason).collect()
}
