//! `rekindle explain`: why a customer's score changed between two dates, two models, or both.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use rekindle_models::behaviour::Zone;
use rekindle_models::language::Language;
use rekindle_models::reasons::Reasons;

use crate::change::{Change, Customer, Side};
use crate::commands::log::{LogArgs, check_within, gather, log_end, settled};
use crate::commands::{Found, Talk, load_model, print};
use crate::project::Project;
use crate::report::change_terminal;

/// Tell why a customer's score changed: behaviour, late data, model
#[derive(Debug, Args)]
#[command(
    after_help = "A and B, the first score and the second, are\n  - two dates, with the model of both:   2025-05-01 \
2025-06-01 --model registry/churned\n  - two models, with the date of both:   registry/churned/1 registry/churned/2 \
--cutoff 2025-06-01\n  - both, each as MODEL@DATE:            registry/churned/1@2025-05-01 \
registry/churned/2@2025-06-01\n\nExamples:\n  rekindle explain 2025-05-01 2025-06-01 --model registry/churned \
--customer C0000031\n  rekindle explain registry/churned/1 registry/churned/2 --cutoff 2025-06-01 --customer \
C0000031\n  rekindle explain registry/churned/1@2025-05-01 registry/churned/2@2025-06-01 shop.toml --customer C0000031 \
--json\n\nThe difference is told in three parts that add up to it, on the way from A to B:\n  late data  what was \
known at B but not yet at A of the time before A (events by received_at, attributes by known_at)\n  behaviour  what \
happened between A and B, and that time passed, by the model of A\n  model      the model of B in place of that of A, \
at B"
)]
pub struct Explain {
    /// The first score: DATE, MODEL or MODEL@DATE
    #[arg(value_name = "A")]
    from: String,
    /// The second score, as the first one
    #[arg(value_name = "B")]
    to: String,
    /// The project, whose log is read
    #[arg(default_value = "rekindle.toml")]
    project: PathBuf,
    /// The customer, as the log has it
    #[arg(long, value_name = "ID")]
    customer: String,
    /// The model of both scores, where A and B are dates: a folder in a registry, a version's folder, or a file
    #[arg(long, value_name = "MODEL", conflicts_with = "cutoff")]
    model: Option<String>,
    /// The date or instant of both scores, where A and B are models
    #[arg(long, value_name = "DATE")]
    cutoff: Option<String>,
    /// The language of what features say: en, zh
    #[arg(long, value_name = "CODE", default_value = "en")]
    language: Language,
    #[command(flatten)]
    log: LogArgs,
    /// Print all of it as JSON
    #[arg(long)]
    json: bool,
}

/// A model and an instant, as typed.
#[derive(Debug, PartialEq, Eq)]
struct Typed<'a> {
    model: &'a str,
    cutoff: i64,
}

impl Explain {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        let project = Project::read(&self.project)?;
        let zone = Zone::named(&project.log.timezone)?;
        let (from, to) = self.typed(&project, &zone)?;
        let (old, new) = (load_model(Path::new(from.model))?, load_model(Path::new(to.model))?);
        let folder = self.log.folder(&self.project);
        let (mut log, report, told) = gather(&folder, &project, &self.log, talk)?;
        let end = log_end(&project, &report, &zone)?;
        let span = (report.first_event().unwrap_or(end), end);
        check_within("A:", from.cutoff, span, &zone)?;
        check_within("B:", to.cutoff, span, &zone)?;
        log.attributes = settled(told, &zone, to.cutoff, talk)?;
        let reasons = Reasons::new(&old.artifact.manifest, &old.artifact.scorer);
        let change = Change::new(
            Customer { log: &log, id: &self.customer },
            (side(&old, from.cutoff), side(&new, to.cutoff)),
            &project.questions()?,
            (reasons.as_ref().map_err(|why| *why), self.language),
        )?;
        match self.json {
            true => print(&(serde_json::to_string_pretty(&change)? + "\n"))?,
            false => print(&change_terminal(&change))?,
        }
        Ok(0)
    }

    /// A and B with what they share.
    fn typed<'a>(&'a self, project: &Project, zone: &Zone) -> Result<(Typed<'a>, Typed<'a>)> {
        let cutoff = self.cutoff.as_deref().map(|text| project.instant("--cutoff", text));
        let shared = Shared { model: self.model.as_deref(), cutoff: cutoff.transpose()? };
        let from = shared.side(("A", &self.from), zone)?;
        let to = shared.side(("B", &self.to), zone)?;
        if from.cutoff > to.cutoff {
            bail!(
                "A is at {}, B at {}; expected A before B: swap them",
                zone.text(from.cutoff),
                zone.text(to.cutoff)
            );
        }
        Ok((from, to))
    }
}

fn side(found: &Found, cutoff: i64) -> Side<'_> {
    Side { artifact: &found.artifact, version: found.version, cutoff }
}

/// What A and B have in common, as typed.
#[derive(Debug, Clone, Copy)]
struct Shared<'a> {
    model: Option<&'a str>,
    cutoff: Option<i64>,
}

impl<'a> Shared<'a> {
    /// One of the two: a date where the model is shared, a model where the date is, else both.
    fn side(self, (name, text): (&str, &'a str), zone: &Zone) -> Result<Typed<'a>> {
        let date = zone.parse(text);
        let both = text.rsplit_once('@').filter(|(model, _)| !model.is_empty());
        let both = both.and_then(|(model, at)| zone.parse(at).map(|cutoff| (model, cutoff)));
        match (self.model, self.cutoff, date, both) {
            (Some(model), _, Some(cutoff), _) => Ok(Typed { model, cutoff }),
            (None, Some(cutoff), None, None) => Ok(Typed { model: text, cutoff }),
            (None, None, None, Some((model, cutoff))) => Ok(Typed { model, cutoff }),
            (Some(_), _, None, Some(_)) => bail!(
                "{name}: found {text:?}, which names a model, and --model; expected dates alone with --model, or \
                 MODEL@DATE for A and B without it"
            ),
            (Some(_), _, None, None) => bail!(
                "{name}: found {text:?}, expected with --model a date, as 2025-06-01, or an instant, as \
                 2025-06-01T12:00:00Z"
            ),
            (None, Some(_), Some(_), _) => bail!(
                "{name}: found the date {text}, and --cutoff; expected models with --cutoff, or dates with --model \
                 MODEL"
            ),
            (None, Some(_), None, Some(_)) => bail!(
                "{name}: found {text:?}, which has a date, and --cutoff; expected models alone with --cutoff, or \
                 MODEL@DATE for A and B without it"
            ),
            (None, None, Some(_), _) => bail!(
                "{name}: found the date {text}, which says no model; add --model MODEL where A and B are dates, or \
                 type MODEL@{text}"
            ),
            (None, None, None, None) => bail!(
                "{name}: found {text:?}, which says no date; add --cutoff DATE where A and B are models, or type \
                 {text}@DATE, as {text}@2025-06-01"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_says_what_is_not_shared_and_nothing_else() {
        let zone = Zone::default();
        let day = |text: &str| zone.parse(text).unwrap();
        let side = |model: Option<&'static str>, cutoff: Option<&str>, text: &'static str| {
            Shared { model, cutoff: cutoff.map(day) }.side(("A", text), &zone)
        };
        let june = day("2025-06-01");
        let is = |found: Result<Typed<'_>>, model: &str| {
            let found = found.unwrap();
            assert_eq!((found.model, found.cutoff), (model, june));
        };
        is(side(Some("r/m"), None, "2025-06-01"), "r/m");
        is(side(None, Some("2025-06-01"), "r/m/2"), "r/m/2");
        is(side(None, None, "r/m/2@2025-06-01"), "r/m/2");
        is(side(None, None, "old@home/m@2025-06-01T00:00:00Z"), "old@home/m");
        is(side(None, Some("2025-06-01"), "old@home/m"), "old@home/m");
        let said = |found: Result<Typed<'_>>, expected: &str| {
            let said = found.unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        };
        said(side(None, None, "2025-06-01"), "add --model MODEL");
        said(side(None, None, "r/m"), "r/m@2025-06-01");
        said(side(None, None, "r/m@June"), "says no date");
        said(side(Some("r/m"), None, "r/m@2025-06-01"), "names a model, and --model");
        said(side(Some("r/m"), None, "1.6.2025"), "a date, as 2025-06-01");
        said(side(None, Some("2025-06-01"), "2025-06-01"), "expected models with --cutoff");
        said(side(None, Some("2025-06-01"), "r/m@2025-06-01"), "has a date, and --cutoff");
    }
}
