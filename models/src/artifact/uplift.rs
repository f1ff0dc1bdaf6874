//! A saved model of uplift: in the frame of a model's file, with a heading of its own.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifact::file::{Form, bytes_of, unwritable};
use crate::artifact::manifest::{FeatureEntry, Manifest, schema_of};
use crate::artifact::registry::write_whole;
use crate::artifact::wire::WireBoostedTree;
use crate::classifiers::boosting::FittedBoosting;
use crate::error::{Error, Result};
use crate::uplift::{ActionEffect, Expected, Outcome, Uplift};

const UPLIFT: Form = Form {
    magic: *b"\x89RKU\r\n\x1a\n",
    version: 1,
    what: "model of uplift",
    writer: "rekindle fit-uplift",
};
/// Most actions, and models of one action.
const MOST: usize = 64;

/// A saved model of uplift: what it says of itself, and the model.
#[derive(Debug, Clone, PartialEq)]
pub struct UpliftArtifact {
    /// What it says of itself.
    pub manifest: UpliftManifest,
    /// The model.
    pub uplift: Uplift,
}

/// What a saved model of uplift says of itself, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpliftManifest {
    /// The column of the outcome, with the value that counts as yes where it is yes or no.
    pub outcome: String,
    /// The value of the action's column for customers who were left alone.
    pub control: String,
    /// The actions besides, in the model's order.
    pub actions: Vec<String>,
    /// The features, in the order of rows.
    pub features: Vec<FeatureEntry>,
    /// The column that names a customer, if there is one.
    pub id_column: Option<String>,
    /// Cells that were read as missing, besides empty ones.
    pub missing_markers: Vec<String>,
    /// What an outcome is worth, as it was judged.
    pub value: f64,
    /// `usable`, `unusable` or `not enough data`.
    pub verdict: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The judgement, as `rekindle fit-uplift --json` prints it.
    pub report: serde_json::Value,
    /// The seed of every draw.
    pub seed: u64,
    /// BLAKE3 of the table's names, kinds and cells.
    pub data_fingerprint: String,
    /// Versions of the crates that fitted and wrote it.
    pub crate_versions: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    amount: bool,
    untreated: WireExpected,
    actions: Vec<WireEffect>,
}

/// Trees, and whether the margin is the log odds.
#[derive(Debug, Serialize, Deserialize)]
struct WireExpected(Vec<WireBoostedTree>, bool);

#[derive(Debug, Serialize, Deserialize)]
struct WireEffect {
    addends: Vec<(f64, WireExpected)>,
    centre: f64,
    mean: f64,
    slope: f64,
}

impl WireExpected {
    fn of(live: &Expected) -> WireExpected {
        WireExpected(live.model.trees().iter().map(WireBoostedTree::of).collect(), live.log_odds)
    }

    fn live(self, features: usize) -> Option<Expected> {
        let trees = self.0.into_iter().map(WireBoostedTree::live).collect();
        let model = FittedBoosting::new(features, trees, false, 1.0)?;
        Some(Expected { model, log_odds: self.1 })
    }
}

impl WireEffect {
    fn of(live: &ActionEffect) -> WireEffect {
        let addend = |(factor, model): &(f64, Expected)| (*factor, WireExpected::of(model));
        WireEffect {
            addends: live.addends.iter().map(addend).collect(),
            centre: live.centre,
            mean: live.mean,
            slope: live.slope,
        }
    }

    fn live(self, name: String, features: usize) -> Option<ActionEffect> {
        let finite = [self.centre, self.mean].iter().all(|x| x.is_finite())
            && (0.0..=1.0).contains(&self.slope)
            && self.addends.iter().all(|(factor, _)| factor.is_finite())
            && self.addends.len() <= MOST;
        let live = |(factor, model): (f64, WireExpected)| Some((factor, model.live(features)?));
        if !finite {
            return None;
        }
        Some(ActionEffect {
            name,
            addends: self.addends.into_iter().map(live).collect::<Option<_>>()?,
            centre: self.centre,
            mean: self.mean,
            slope: self.slope,
        })
    }
}

impl Payload {
    fn of(uplift: &Uplift) -> Payload {
        Payload {
            amount: uplift.outcome == Outcome::Amount,
            untreated: WireExpected::of(&uplift.untreated),
            actions: uplift.actions.iter().map(WireEffect::of).collect(),
        }
    }

    /// The model, or which of its parts cannot be.
    fn live(self, manifest: &UpliftManifest) -> std::result::Result<Uplift, String> {
        let broken = |what: &str| format!("its {what} cannot be; fit it again");
        let schema = schema_of(&manifest.features).map_err(|e| e.to_string())?;
        if schema.is_empty() {
            return Err(broken("list of features is empty and"));
        }
        let names = &manifest.actions;
        if self.actions.len() != names.len() || names.is_empty() || names.len() > MOST {
            return Err(broken("list of actions"));
        }
        let features = schema.len();
        let effect = |(effect, name): (WireEffect, &String)| {
            effect.live(name.clone(), features).ok_or_else(|| broken(&format!("model of {name}")))
        };
        let untreated =
            self.untreated.live(features).ok_or_else(|| broken("model of those left alone"))?;
        Ok(Uplift {
            outcome: if self.amount { Outcome::Amount } else { Outcome::YesNo },
            untreated,
            actions: self
                .actions
                .into_iter()
                .zip(names)
                .map(effect)
                .collect::<std::result::Result<_, _>>()?,
            schema,
        })
    }
}

impl UpliftArtifact {
    /// The file's bytes. Equal models have equal bytes.
    ///
    /// # Errors
    /// When the manifest is longer than the format allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let manifest = serde_json::to_vec(&self.manifest).map_err(|e| unwritable(&e))?;
        let payload =
            postcard::to_stdvec(&Payload::of(&self.uplift)).map_err(|e| unwritable(&e))?;
        UPLIFT.frame(&manifest, &payload)
    }

    /// Reads a file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// When they are foreign, newer than this code, truncated, damaged, or not a model.
    pub fn from_bytes(bytes: &[u8], path: &str) -> Result<UpliftArtifact> {
        let bad = |reason: String| Error::BadArtifact { path: path.to_owned(), reason };
        let (_, manifest, payload) = UPLIFT.unframe(bytes).map_err(bad)?;
        let manifest: UpliftManifest = serde_json::from_slice(manifest)
            .map_err(|e| bad(format!("its manifest does not parse: {e}")))?;
        let (payload, rest): (Payload, _) = postcard::take_from_bytes(payload)
            .map_err(|e| bad(format!("its payload does not parse: {e}")))?;
        if !rest.is_empty() {
            return Err(bad(format!("{} bytes follow its payload", rest.len())));
        }
        let uplift = payload.live(&manifest).map_err(bad)?;
        Ok(UpliftArtifact { manifest, uplift })
    }

    /// Writes the file whole or not at all: a temporary file beside it, then a rename.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &self.to_bytes()?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`UpliftArtifact::from_bytes`], and when it cannot be read.
    pub fn load(path: &Path) -> Result<UpliftArtifact> {
        UpliftArtifact::from_bytes(&bytes_of(path)?, &path.display().to_string())
    }

    /// The wire form of the model's features.
    pub fn features_of(uplift: &Uplift) -> Vec<FeatureEntry> {
        Manifest::features_of(&uplift.schema)
    }
}
