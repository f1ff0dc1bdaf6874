//! What a key may do. Which URL asks for which scope is said where the URLs are, not here.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One thing that a caller may do. The words are those of the key file and the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask for scores.
    Score,
    /// See what there is: models, versions, metrics, what is kept of a customer, campaigns and their effects.
    Read,
    /// Make plans and campaigns, get their lists, tell what came of them.
    Plan,
    /// Change what is served; includes the other three.
    Admin,
}

impl Scope {
    /// Every scope, in the order in which they are written.
    const ALL: [Scope; 4] = [Scope::Score, Scope::Read, Scope::Plan, Scope::Admin];

    /// Its word, as in the key file.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Score => "score",
            Scope::Read => "read",
            Scope::Plan => "plan",
            Scope::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The set of these scopes; one named twice counts once.
    pub fn of(scopes: &[Scope]) -> Scopes {
        Scopes(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether a caller with this set may do what `scope` stands for: the set holds it, or
    /// [`Scope::Admin`].
    pub fn allows(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// The scopes that were given, without those that admin includes.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }
}

/// `score,read`, as the command line takes it.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::word).collect();
        f.pad(&words.join(","))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_includes_every_other_scope_and_no_other_does() {
        for given in Scope::ALL {
            for asked in Scope::ALL {
                let expected = given == asked || given == Scope::Admin;
                assert_eq!(Scopes::of(&[given]).allows(asked), expected, "{given:?} {asked:?}");
            }
            assert!(!Scopes::of(&[]).allows(given));
        }
    }

    #[test]
    fn a_set_is_written_in_one_order_without_doubles() {
        let set = Scopes::of(&[Scope::Read, Scope::Score, Scope::Read]);
        assert_eq!(set.to_string(), "score,read");
    }
}
