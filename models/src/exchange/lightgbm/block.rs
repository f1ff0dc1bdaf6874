//! Lines of `key=value`, each with its number in the file, and the numbers they hold. What they
//! mean is not here.

use std::collections::HashMap;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Characters of a bad value that a message repeats.
const SHOWN: usize = 40;

/// Lines that belong together: the header, or a tree.
#[derive(Debug)]
pub(super) struct Block<'a> {
    path: &'a str,
    /// Its first line.
    pub line: usize,
    entries: HashMap<&'a str, Entry<'a>>,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub line: usize,
    pub value: &'a str,
}

/// An error that names a line.
pub(super) fn bad(path: &str, line: usize, reason: String) -> Error {
    Error::BadLine { path: path.to_owned(), line: line as u64, reason }
}

/// A text for a message, shortened when long.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

impl<'a> Block<'a> {
    /// No lines yet; `line` is the first one's number.
    pub fn new(path: &'a str, line: usize) -> Block<'a> {
        Block { path, line, entries: HashMap::new() }
    }

    /// Takes a line in. One without `=` is a key with an empty value.
    ///
    /// # Errors
    /// When the key stood before.
    pub fn push(&mut self, line: usize, text: &'a str) -> Result<()> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let entry = Entry { line, value: value.trim() };
        match self.entries.insert(key.trim(), entry) {
            None => Ok(()),
            Some(first) => Err(self.bad(
                line,
                format!("{} stands twice, first in line {}; delete one", shown(key), first.line),
            )),
        }
    }

    /// An error in a line of this block.
    pub fn bad(&self, line: usize, reason: String) -> Error {
        bad(self.path, line, reason)
    }

    /// The value of a key that may be absent.
    pub fn get(&self, key: &str) -> Option<Entry<'a>> {
        self.entries.get(key).copied()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is absent; the line named is the block's first.
    pub fn require(&self, key: &str) -> Result<Entry<'a>> {
        self.get(key).ok_or_else(|| {
            let reason = format!(
                "the part that starts here has no {key}; expected a model as LightGBM saves it, \
                 whole; save it again"
            );
            self.bad(self.line, reason)
        })
    }

    /// A key's only number.
    ///
    /// # Errors
    /// When the key is absent or its value no such number.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let Entry { line, value } = self.require(key)?;
        value.parse().map_err(|_| {
            self.bad(line, format!("{key}: found {}, expected a whole number", shown(value)))
        })
    }

    /// A key's numbers.
    ///
    /// # Errors
    /// When the key is absent, a number is none or NaN, or there are not `count` of them.
    pub fn numbers<T: FromStr + PartialEq>(&self, key: &str, count: usize) -> Result<Vec<T>> {
        let Entry { line, value } = self.require(key)?;
        let mut numbers = Vec::new();
        for (place, word) in value.split_ascii_whitespace().enumerate() {
            // NaN is the one number that differs from itself.
            #[expect(clippy::eq_op, reason = "NaN is the one number that differs from itself")]
            let number = word.parse::<T>().ok().filter(|number| number == number);
            numbers.push(number.ok_or_else(|| {
                self.bad(
                    line,
                    format!(
                        "{key}: number {} is {}, expected {}; save the model again",
                        place + 1,
                        shown(word),
                        wanted::<T>(),
                    ),
                )
            })?);
        }
        if numbers.len() != count {
            let found = numbers.len();
            return Err(self.bad(
                line,
                format!("{key}: found {found} numbers, expected {count}; save the model again"),
            ));
        }
        Ok(numbers)
    }

    /// A key's amounts, which explain and do not score: zeros where LightGBM left them out.
    /// Differences of sums may fall below zero by rounding; they count as zero.
    ///
    /// # Errors
    /// As [`Block::numbers`], and for an infinite amount.
    pub fn amounts(&self, key: &str, count: usize) -> Result<Vec<f64>> {
        let given = self.get(key).is_some_and(|entry| !entry.value.is_empty());
        if !given {
            return Ok(vec![0.0; count]);
        }
        Ok(self.finite(key, count)?.into_iter().map(|amount| amount.max(0.0)).collect())
    }

    /// A key's numbers, none of them infinite.
    ///
    /// # Errors
    /// As [`Block::numbers`], and for an infinite number.
    pub fn finite(&self, key: &str, count: usize) -> Result<Vec<f64>> {
        let numbers = self.numbers::<f64>(key, count)?;
        match numbers.iter().position(|number| number.is_infinite()) {
            None => Ok(numbers),
            Some(place) => Err(self.bad(
                self.require(key)?.line,
                format!("{key}: number {} is infinite, expected a finite one", place + 1),
            )),
        }
    }
}

/// What a number of a type is called.
fn wanted<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "f64" => "a number",
        _ => "a whole number within its range",
    }
}
