//! What users say of features by patterns of their names: groups of their own, and what marketing is told of them.

use std::collections::BTreeMap;

use glob::Pattern;
use rekindle_models::artifact::FeatureEntry;
use rekindle_models::frame::nearest_name;
use rekindle_models::language::Words;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Groups of features by the user's own names: patterns, in which `*` stands for any letters.
pub type Groups = BTreeMap<String, Vec<String>>;

/// What marketing is told of features, as reasons: those shown and not hidden.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Marketing {
    /// Patterns of features that are told; all.
    pub show: Vec<String>,
    /// Patterns of features that are not; none.
    pub hide: Vec<String>,
    /// Words of one's own by language (`en`, `zh`) and name.
    pub words: Words,
}

impl Default for Marketing {
    fn default() -> Marketing {
        Marketing { show: vec!["*".to_owned()], hide: Vec::new(), words: Words::new() }
    }
}

/// Every pattern is one, and means a column.
///
/// # Errors
/// When one is not, or does not: with the nearest name.
pub fn check(columns: &[&str], groups: &Groups, marketing: &Marketing) -> Result<()> {
    for (group, texts) in groups {
        check_patterns(&format!("group {group}"), texts, columns)?;
    }
    check_patterns("marketing show", &marketing.show, columns)?;
    check_patterns("marketing hide", &marketing.hide, columns)
}

fn check_patterns(what: &str, texts: &[String], columns: &[&str]) -> Result<()> {
    for text in texts {
        let bad = |why: &str| {
            Err(Error::BadOptions(format!(
                "{what}: the pattern {text} {why}; expected a name of a column, in which * stands for any letters"
            )))
        };
        match Pattern::new(text) {
            Err(error) => return bad(&format!("cannot be read: {error}")),
            Ok(pattern) if !columns.iter().any(|name| pattern.matches(name)) => {
                let near = nearest_name(text, columns.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("; the nearest is {near}"));
                return bad(&format!("means no column{near}"));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Marks features by patterns that can be read: with the first group by name that means it, and as hidden.
pub fn mark(features: &mut [FeatureEntry], groups: &Groups, marketing: &Marketing) {
    let compiled = |texts: &[String]| -> Vec<Pattern> {
        texts.iter().filter_map(|text| Pattern::new(text).ok()).collect()
    };
    let meant = |patterns: &[Pattern], name: &str| patterns.iter().any(|p| p.matches(name));
    let groups: Vec<(&String, Vec<Pattern>)> =
        groups.iter().map(|(group, texts)| (group, compiled(texts))).collect();
    let (show, hide) = (compiled(&marketing.show), compiled(&marketing.hide));
    for feature in features {
        let group = groups.iter().find(|(_, patterns)| meant(patterns, &feature.name));
        feature.group = group.map(|(group, _)| (*group).clone());
        feature.hidden = !meant(&show, &feature.name) || meant(&hide, &feature.name);
    }
}
