//! What is told of every customer: the features with all that their numbers depend on. It is frozen
//! when a model is fitted and saved with it, so that the service computes what the batch did.

use serde::{Deserialize, Serialize};

use crate::behaviour::attribute::Attribute;
use crate::behaviour::event::{Dictionaries, Dictionary, Duplicates};
use crate::behaviour::feature::{Feature, Window};
use crate::error::{Error, Result};

/// The features and what they depend on besides the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// The time zone of local days and hours, as the IANA database has it.
    pub timezone: String,
    /// Kinds that are told apart, sorted; all others count as one.
    pub kinds: Vec<String>,
    /// Channels that are told apart, sorted.
    pub channels: Vec<String>,
    /// Product groups that are told apart, sorted.
    pub groups: Vec<String>,
    /// The numbers of an event; the first is `amount`.
    pub measures: Vec<String>,
    /// The windows that events are counted in, rising: those of the features and perhaps more. Sums are
    /// added window by window, so their last digit depends on these.
    pub windows: Vec<Window>,
    /// What happens to events that are equal in all they hold.
    pub duplicates: Duplicates,
    /// The features, in order; names are unique.
    pub features: Vec<Feature>,
    /// The attributes, in order; their columns stand after the features' and have names of their own.
    /// Not written where there is none, so that the fingerprint of a spec without them stays what it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl FeatureSpec {
    /// The names of kinds, channels and groups with their codes.
    pub fn dictionaries(&self) -> Dictionaries {
        Dictionaries {
            kinds: Dictionary::new(self.kinds.clone()),
            channels: Dictionary::new(self.channels.clone()),
            groups: Dictionary::new(self.groups.clone()),
        }
    }

    /// BLAKE3 of all it holds, as 64 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let json = serde_json::to_vec(self).expect("names and numbers are JSON");
        blake3::hash(&json).to_hex().to_string()
    }

    /// The windows of features, rising, each once: the least that [`FeatureSpec::windows`] can be.
    pub fn windows_of(features: &[Feature]) -> Vec<Window> {
        let mut windows: Vec<Window> =
            features.iter().flat_map(|f| f.windows.iter().copied()).collect();
        windows.sort_unstable();
        windows.dedup();
        windows
    }

    /// The names of a row's columns: features, then attributes.
    pub fn columns(&self) -> Vec<String> {
        let features = self.features.iter().map(Feature::name);
        features.chain(self.attributes.iter().map(Attribute::column)).collect()
    }

    /// The same with only some of the columns, by place among [`FeatureSpec::columns`]: features in the
    /// order given, then attributes in theirs. Their cells stay the same to the bit.
    pub fn select(&self, places: &[usize]) -> FeatureSpec {
        let first = self.features.len();
        let features = places.iter().filter(|place| **place < first);
        let attributes = places.iter().filter_map(|place| place.checked_sub(first));
        FeatureSpec {
            features: features.map(|&place| self.features[place].clone()).collect(),
            attributes: attributes.map(|place| self.attributes[place].clone()).collect(),
            ..self.clone()
        }
    }

    /// # Errors
    /// When a feature is malformed, an attribute has no name, or two columns have the same one.
    pub fn validate(&self) -> Result<()> {
        let mut names = std::collections::HashSet::new();
        for feature in &self.features {
            feature.validate()?;
            if let Some(window) = feature.windows.iter().find(|w| !self.windows.contains(w)) {
                return Err(Error::BadFeature {
                    feature: feature.name(),
                    found: format!("window {window}"),
                    expected: "a window of the spec's list".to_owned(),
                });
            }
            if !names.insert(feature.name()) {
                return Err(Error::BadFeature {
                    feature: feature.name(),
                    found: "two features of this name".to_owned(),
                    expected: "different names; leave one out or name it".to_owned(),
                });
            }
        }
        for attribute in &self.attributes {
            let bad = |found: &str, expected: &str| {
                let (found, expected) = (found.to_owned(), expected.to_owned());
                Err(Error::BadFeature { feature: attribute.column(), found, expected })
            };
            if attribute.name.trim().is_empty() {
                return bad("an attribute without a name", "a name, as \"age\"");
            }
            if !names.insert(attribute.column()) {
                return bad(
                    "two columns of this name",
                    "different names; leave one out or rename it",
                );
            }
        }
        Ok(())
    }
}
