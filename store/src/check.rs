//! What a row must be to be kept; what is not says its place, its field, what stands there and what should.

use crate::error::{Error, Result};

/// A row being looked at.
#[derive(Clone, Copy)]
pub struct Check {
    /// What it is.
    pub noun: &'static str,
    /// Its place among those given, from 1.
    pub place: usize,
}

impl Check {
    /// The error of a field.
    ///
    /// # Errors
    /// Always.
    pub fn bad(
        self,
        field: &'static str,
        found: &dyn ToString,
        expected: &'static str,
    ) -> Result<()> {
        let Check { noun, place } = self;
        Err(Error::BadRow { noun, place, field, found: found.to_string(), expected })
    }

    /// A text that must be there.
    pub fn text(self, field: &'static str, text: &str) -> Result<()> {
        match text.is_empty() {
            true => self.bad(field, &"empty", "a text"),
            false => self.may_be_text(field, Some(text)),
        }
    }

    /// A text that something is found by: one that must be there, and short, for indices of databases take no long ones.
    pub fn key(self, field: &'static str, text: &str) -> Result<()> {
        match text.len() <= 1_000 {
            true => self.text(field, text),
            false => self.bad(field, &format!("a text of {} bytes", text.len()), "at most 1000"),
        }
    }

    /// An amount of money. Sums of these are finite.
    pub fn money(self, field: &'static str, amount: f64) -> Result<()> {
        match amount.abs() <= 1e15 {
            true => Ok(()),
            false => self.bad(field, &amount, "a number from -1e15 to 1e15"),
        }
    }

    /// What something is known by in addresses.
    pub fn id(self, field: &'static str, id: &str) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match (1..=64).contains(&id.len()) && id.bytes().all(fits) && id != "." && id != ".." {
            true => Ok(()),
            false => {
                let found: String = id.chars().take(80).collect();
                self.bad(
                    field,
                    &format!("{found:?}"),
                    "1 to 64 letters (a to z), digits, '-', '_' and '.'",
                )
            }
        }
    }

    /// A text that may be missing. PostgreSQL keeps none with a NUL.
    pub fn may_be_text(self, field: &'static str, text: Option<&str>) -> Result<()> {
        match text {
            Some(text) if text.contains('\0') => {
                self.bad(field, &"a text with a NUL byte", "one without")
            }
            _ => Ok(()),
        }
    }

    /// A day as `2025-06-01`, which may be missing.
    pub fn may_be_date(self, field: &'static str, date: Option<&str>) -> Result<()> {
        match date {
            Some(date) if !is_date(date) => {
                let found: String = date.chars().take(80).collect();
                self.bad(field, &format!("{found:?}"), "a date as 2025-06-01")
            }
            _ => Ok(()),
        }
    }

    /// A number.
    pub fn number(self, field: &'static str, number: f64) -> Result<()> {
        match number.is_finite() {
            true => Ok(()),
            false => self.bad(field, &number, "a finite number"),
        }
    }

    /// A number that may be missing.
    pub fn may_be_number(self, field: &'static str, number: Option<f64>) -> Result<()> {
        number.map_or(Ok(()), |number| self.number(field, number))
    }

    /// A probability.
    pub fn share(self, field: &'static str, number: f64) -> Result<()> {
        match (0.0..=1.0).contains(&number) {
            true => Ok(()),
            false => self.bad(field, &number, "a number from 0 to 1"),
        }
    }

    /// A probability that may be missing.
    pub fn may_be_share(self, field: &'static str, number: Option<f64>) -> Result<()> {
        number.map_or(Ok(()), |number| self.share(field, number))
    }
}

/// Whether a text has the form of a date. Months are not asked how long they are.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes[from..to].iter().all(u8::is_ascii_digit);
    let form = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    form && digits(0, 4)
        && digits(5, 7)
        && digits(8, 10)
        && ("01"..="12").contains(&&text[5..7])
        && ("01"..="31").contains(&&text[8..])
}
