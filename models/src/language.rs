//! The languages that people are spoken to in, and the user's own words in them.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Language {
    /// `en`.
    #[default]
    #[serde(rename = "en")]
    English,
    /// `zh`, in simplified characters.
    #[serde(rename = "zh")]
    Chinese,
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Language, String> {
        match text {
            "en" => Ok(Language::English),
            "zh" => Ok(Language::Chinese),
            _ => Err(format!("found {text:?}, expected en or zh")),
        }
    }
}

/// The user's own words for names of kinds, channels, product groups, measures, columns, their levels, and groups of
/// features.
pub type Words = BTreeMap<Language, BTreeMap<String, String>>;
