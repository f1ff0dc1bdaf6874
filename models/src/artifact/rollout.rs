//! How a version comes into force step by step, in a model's file `rollout`: beside the version in force as a shadow,
//! which scores and never answers, or as a canary, which answers for a share of the customers. Who that is and what is
//! compared is the service's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::artifact::registry::{Registry, io, write_whole};
use crate::error::{Error, Result};

/// The versions beside the one in force; by default none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rollout {
    /// The version that scores what is asked, and whose scores nobody is told.
    pub shadow: Option<u32>,
    /// The version that answers for some customers.
    pub canary: Option<Canary>,
}

/// A version that answers for some customers in place of the one in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canary {
    /// The version.
    pub version: u32,
    /// Its share of the customers: above 0 and below 1.
    pub share: f64,
}

const ROLLOUT_FILE: &str = "rollout";
const SHARES: &str = "a number above 0 and below 1";

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRollout {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shadow: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    canary: Option<WireCanary>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCanary {
    version: u32,
    share: f64,
}

impl Rollout {
    /// What is left when a version comes into force.
    fn without(self, version: u32) -> Rollout {
        Rollout {
            shadow: self.shadow.filter(|shadow| *shadow != version),
            canary: self.canary.filter(|canary| canary.version != version),
        }
    }

    fn versions(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let canary = self.canary.map(|canary| ("canary", canary.version));
        self.shadow.map(|shadow| ("shadow", shadow)).into_iter().chain(canary)
    }
}

impl Registry {
    /// The versions beside the one in force; none where nothing was set.
    ///
    /// # Errors
    /// When there is no such model, or its file cannot be read, or names a version that is not there.
    pub fn rollout(&self, model: &str) -> Result<Rollout> {
        let versions = self.require_model(model)?;
        let path = self.rollout_path(model);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Rollout::default()),
            Err(e) => return Err(io(&path, "read", e)),
        };
        let bad = |found: String| Error::BadFile {
            path: path.display().to_string(),
            reason: format!(
                "{found}; delete the file and run `rekindle models shadow` or `canary` again"
            ),
        };
        let wire: WireRollout = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        let canary = wire.canary.map(|wire| Canary { version: wire.version, share: wire.share });
        if let Some(canary) = canary.filter(|canary| !is_share(canary.share)) {
            return Err(bad(format!("found a share of {}, expected {SHARES}", canary.share)));
        }
        let rollout = Rollout { shadow: wire.shadow, canary };
        match rollout.versions().find(|(_, version)| !versions.contains(version)) {
            Some((role, version)) => {
                Err(bad(format!("found version {version} as {role}, expected one of {versions:?}")))
            }
            None => Ok(rollout),
        }
    }

    /// Sets the versions beside the one in force.
    ///
    /// # Errors
    /// When there is no such version, it is in force itself, it is shadow and canary at once, none is in force, the
    /// share is out of range, or the file cannot be written.
    pub fn set_rollout(&self, model: &str, rollout: &Rollout) -> Result<()> {
        let current = self.current(model)?;
        if let Some(canary) = rollout.canary.filter(|canary| !is_share(canary.share)) {
            return Err(Error::BadParameter {
                parameter: "the canary's share",
                found: canary.share.to_string(),
                expected: SHARES,
            });
        }
        for (role, version) in rollout.versions() {
            self.require(model, version)?;
            match current {
                Some(current) if current == version => {
                    return Err(self.error(format!(
                        "version {version} of model {model} is in force and cannot be its own \
                         {role}; name another version"
                    )));
                }
                Some(_) => {}
                None => {
                    return Err(self.error(format!(
                        "no version of model {model} is in force for a {role} to stand beside; \
                         promote one: rekindle models promote"
                    )));
                }
            }
        }
        if let (Some(shadow), Some(canary)) = (rollout.shadow, rollout.canary)
            && shadow == canary.version
        {
            return Err(self.error(format!(
                "version {shadow} of model {model} cannot be shadow and canary at once: a shadow \
                 never answers; end one of them"
            )));
        }
        self.write_rollout(model, rollout)
    }

    /// Ends a shadow or canary of a version that comes into force.
    pub(super) fn end_rollout_of(&self, model: &str, version: u32) -> Result<()> {
        let before = self.rollout(model)?;
        let after = before.without(version);
        if before == after {
            return Ok(());
        }
        self.write_rollout(model, &after)
    }

    fn write_rollout(&self, model: &str, rollout: &Rollout) -> Result<()> {
        self.require_model(model)?;
        let canary = rollout.canary.map(|c| WireCanary { version: c.version, share: c.share });
        let wire = WireRollout { shadow: rollout.shadow, canary };
        let text = serde_json::to_string(&wire).expect("two versions and a share have a JSON form");
        write_whole(&self.rollout_path(model), (text + "\n").as_bytes())
    }

    fn rollout_path(&self, model: &str) -> PathBuf {
        self.root().join(model).join(ROLLOUT_FILE)
    }
}

fn is_share(share: f64) -> bool {
    share > 0.0 && share < 1.0
}
