//! The demo's store: what a shop would have kept of its customers, so that there is something to look at. All its instants
//! are those of the log moved by whole days, so that the log's end is this morning.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rekindle_models::artifact::Artifact;
use rekindle_models::behaviour::{DAY_MS, Zone};
use rekindle_models::customer::BoundRules;
use rekindle_models::frame::{Binding, Frame};
use rekindle_models::policy::{date_text, day_of};
use rekindle_models::reasons::Reasons;
use rekindle_store::{CustomerState, NextOrder, StoredReason, StoredScore};

use crate::build::GatheredLog;
use crate::commands::customers::states;
use crate::commands::demo::campaigns::{Basis, ROUNDS};
use crate::commands::keeping::{Held, now_micros};
use crate::commands::log::{LogArgs, gather, log_end, settled};
use crate::commands::value::dates;
use crate::commands::{Found, Talk, load_model};
use crate::customers::{Customers, bound};
use crate::ingest::Room;
use crate::newest::Newest;
use crate::project::Project;
use crate::snapshot::{CUSTOMER, CUTOFF};
use crate::value::{Accounts, Dates, Valued};
use crate::why::stored;

/// Events of a customer.
const EVENTS: usize = 50;
/// Reasons of a score.
const REASONS: usize = 3;
/// How far ahead values look.
const SPAN_DAYS: u32 = 365;
/// The target that tells who comes back: what campaigns expect of customers whom nobody contacts.
const COMES_BACK: &str = "repaid";

/// What the demo has made so far.
pub(super) struct Made<'a> {
    pub folder: &'a Path,
    pub project: &'a Project,
    /// The rows that models were learned from.
    pub snapshots: &'a Frame,
    pub registry: &'a Path,
    pub seed: u64,
}

/// Probabilities by customer.
type ByCustomer = HashMap<String, f64>;

/// Customers as they were at cutoffs, the oldest first.
struct Described {
    log: GatheredLog,
    zone: Zone,
    /// The last of them is at the log's end.
    at: Vec<Customers>,
    /// At the log's end, with values and next orders.
    valued: Vec<CustomerState>,
    /// The profit of an order.
    per_order: ByCustomer,
    /// Milliseconds from the log's time to the store's.
    moved: i64,
}

impl Made<'_> {
    /// Makes the store in place of one that is there, and says where.
    pub fn fill(&self) -> Result<PathBuf> {
        let (path, new) = (self.folder.join("customers.db"), self.folder.join("customers.db.new"));
        remove(&new)?;
        let held = Held::open(&format!("sqlite:{}", new.display()))?;
        self.put(&held)?;
        held.close();
        remove(&path)?;
        fs::rename(&new, &path)
            .with_context(|| format!("failed to write to {}", path.display()))?;
        Ok(path)
    }

    fn put(&self, held: &Held) -> Result<()> {
        let described = self.describe()?;
        let comes_back = self.put_scores(held, &described)?;
        described.put_states(held)?;
        described.put_events(held)?;
        let end = described.end();
        for round in ROUNDS {
            let before = end - i64::from(round.made_days_ago) * DAY_MS;
            let at = described.at.iter().rev().find(|at| at.cutoff <= before);
            let basis = Basis {
                customers: at.context("the demo's cutoffs begin before its campaigns")?,
                comes_back: comes_back.range(..=before).next_back().map(|(_, scores)| scores),
                per_order: &described.per_order,
                today_ms: end + described.moved,
                seed: self.seed,
            };
            round.put(held, &basis)?;
        }
        Ok(())
    }

    fn describe(&self) -> Result<Described> {
        let (project, quiet) = (self.project, Talk { quiet: true });
        let (mut log, report, told) = gather(self.folder, project, &LogArgs::default(), quiet)?;
        let zone = Zone::named(&project.log.timezone)?;
        let end = log_end(project, &report, &zone)?;
        log.attributes = settled(told, &zone, end, quiet)?;
        let kinds = log.names.dictionaries().kinds;
        let rules = bound(&project.customer_rules(), &project.log.returned, &kinds)?;
        let cutoffs = project.cutoffs()?.into_iter().chain([end]);
        let at = cutoffs.map(|cutoff| Customers::describe(&log, &rules, &zone, &[cutoff]));
        let at = at.collect::<std::result::Result<Vec<_>, _>>()?;
        let first = report.first_event().unwrap_or(end);
        let (valued, per_order) = self.value(&log, &rules, &zone, (first, end))?;
        let today = now_micros()? / 1_000 / DAY_MS * DAY_MS;
        Ok(Described { log, zone, at, valued, per_order, moved: today - end })
    }

    fn value(
        &self,
        log: &GatheredLog,
        rules: &BoundRules,
        zone: &Zone,
        (first, end): (i64, i64),
    ) -> Result<(Vec<CustomerState>, ByCustomer)> {
        let table = &self.project.value;
        let terms = table.bind(&log.names.dictionaries().kinds)?;
        // Which model is the nearest is not tried: that takes as long again.
        let dates = dates(first, end, SPAN_DAYS, zone);
        let dates = Dates { earlier: None, earliest: None, ..dates };
        let accounts = Accounts::read(log, rules, &terms, zone, dates)?;
        let valued = Valued::new(accounts, table, &terms, &rules.rules().grades, SPAN_DAYS)?;
        let pairs = valued.accounts.all.iter().zip(&valued.worth);
        let profit = pairs.map(|(account, worth)| (account.id.clone(), worth.profit_per_order));
        let per_order = profit.filter(|(_, profit)| profit.is_finite()).collect();
        Ok((valued.states(), per_order))
    }

    /// Puts the scores of all models at all cutoffs. Returns, by cutoff, who comes back.
    fn put_scores(&self, held: &Held, described: &Described) -> Result<BTreeMap<i64, ByCustomer>> {
        let mut comes_back = BTreeMap::new();
        for target in self.project.targets.keys() {
            let folder = self.registry.join(target);
            // One that all or nobody has is not learned.
            if !folder.is_dir() {
                continue;
            }
            let Found { artifact, version } = load_model(&folder)?;
            let version = version.context("a model of a registry has a version")?;
            let scoring = Scoring { artifact: &artifact, version, snapshots: self.snapshots };
            let rows = scoring.rows(target)?;
            let last = rows.keys().next_back().copied();
            for (cutoff, rows) in rows {
                let most = if Some(cutoff) == last { REASONS } else { 0 };
                let scores = scoring.scores(&rows, most, described.of(cutoff))?;
                let moved = described.moved_scores(cutoff, scores);
                held.wait(held.store.put_scores(&moved))?;
                if target == COMES_BACK {
                    let by_customer = moved.into_iter().map(|s| (s.customer_id, s.probability));
                    comes_back.insert(cutoff, by_customer.collect());
                }
            }
        }
        Ok(comes_back)
    }
}

impl Described {
    fn end(&self) -> i64 {
        self.at.last().map_or(0, |at| at.cutoff)
    }

    /// What each customer was at a cutoff.
    fn of(&self, cutoff: i64) -> HashMap<String, CustomerState> {
        let at = self.at.iter().find(|at| at.cutoff == cutoff);
        let states = at.map(states).unwrap_or_default();
        states.into_iter().map(|state| (state.customer_id.clone(), state)).collect()
    }

    fn micros(&self, ms: i64) -> i64 {
        (ms + self.moved) * 1_000
    }

    fn put_states(&self, held: &Held) -> Result<()> {
        let figures: HashMap<&str, &CustomerState> =
            self.valued.iter().map(|state| (state.customer_id.as_str(), state)).collect();
        for at in &self.at {
            let mut states = states(at);
            // Grades are by amounts at every cutoff: those by value would seem to have changed at the end.
            for state in states.iter_mut().filter(|_| at.cutoff == self.end()) {
                if let Some(valued) = figures.get(state.customer_id.as_str()) {
                    let next_order = self.moved_days(&valued.next_order);
                    let grade = state.grade.take();
                    *state = CustomerState { grade, next_order, ..(*valued).clone() };
                }
            }
            held.wait(held.store.put_states(self.micros(at.cutoff), &states))?;
        }
        Ok(())
    }

    fn put_events(&self, held: &Held) -> Result<()> {
        let newest = Newest { cutoff: self.end(), most: EVENTS };
        let mut room = Room::default();
        for partition in 0..self.log.events.partitions() {
            let mut customers = newest.of_partition(&self.log, partition, &mut room)?;
            for event in customers.iter_mut().flat_map(|(_, events)| events) {
                event.occurred_at_micros += self.moved * 1_000;
            }
            held.wait(held.store.put_events(&customers))?;
        }
        Ok(())
    }

    fn moved_days(&self, next: &NextOrder) -> NextOrder {
        let days = (self.moved / DAY_MS) as i32;
        let day = |date: &Option<String>| Some(date_text(day_of(date.as_deref()?)? + days));
        NextOrder { on: day(&next.on), from: day(&next.from), until: day(&next.until) }
    }

    fn moved_scores(&self, cutoff: i64, mut scores: Vec<StoredScore>) -> Vec<StoredScore> {
        for score in &mut scores {
            score.scored_at_micros = self.micros(cutoff);
            score.cutoff = Some(self.zone.text(cutoff + self.moved));
        }
        scores
    }
}

/// A model, and the rows that it scores.
struct Scoring<'a> {
    artifact: &'a Artifact,
    version: u32,
    snapshots: &'a Frame,
}

impl Scoring<'_> {
    /// By cutoff, in milliseconds, the rows that the target is asked of.
    fn rows(&self, target: &str) -> Result<BTreeMap<i64, Vec<u32>>> {
        let numbers = |name: &str| {
            let column = self.snapshots.numbers(self.snapshots.schema().require(name)?);
            column.with_context(|| format!("column {name} has numbers"))
        };
        let (cutoffs, answers) = (numbers(CUTOFF)?, numbers(target)?);
        let mut rows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, (days, answer)) in (0..).zip(cutoffs.iter().zip(answers)) {
            if !answer.is_nan() {
                let cutoff = (days * DAY_MS as f64).round() as i64;
                rows.entry(cutoff).or_default().push(row);
            }
        }
        Ok(rows)
    }

    /// Scores of rows, without their times.
    fn scores(
        &self,
        rows: &[u32],
        most: usize,
        states: HashMap<String, CustomerState>,
    ) -> Result<Vec<StoredScore>> {
        let (scorer, frame) = (&self.artifact.scorer, self.snapshots);
        let binding = Binding::new(&scorer.schema, frame.schema())?;
        let scores = scorer.score_blocks(rows.len(), |span| binding.rows_at(frame, &rows[span]));
        let mut reasons = self.reasons(&binding, rows, most);
        let id = frame.schema().require(CUSTOMER)?;
        let stored = rows.iter().zip(scores).enumerate().map(|(place, (row, score))| {
            let customer_id = frame.text(id, *row as usize).unwrap_or_default().into_owned();
            let state = states.get(&customer_id);
            StoredScore {
                model_name: self.artifact.manifest.model_name.clone(),
                model_version: self.version,
                probability: score.probability,
                percentile: score.percentile,
                positive: score.positive,
                lapse_tier: state.and_then(|state| state.lapse_tier.clone()),
                lifecycle_stage: state.and_then(|state| state.lifecycle_stage.clone()),
                grade: state.and_then(|state| state.grade.clone()),
                cutoff: None,
                scored_at_micros: 0,
                reasons: reasons.get_mut(place).map(std::mem::take).unwrap_or_default(),
                customer_id,
            }
        });
        Ok(stored.collect())
    }

    /// Reasons of rows; none of a model that tells none.
    fn reasons(&self, binding: &Binding, rows: &[u32], most: usize) -> Vec<Vec<StoredReason>> {
        let scorer = &self.artifact.scorer;
        match Reasons::new(&self.artifact.manifest, scorer) {
            Ok(reasons) if most > 0 => {
                let rows = binding.rows_at(self.snapshots, rows);
                let causes = reasons.causes(&scorer.model, &rows, most);
                rows.iter()
                    .zip(causes)
                    .map(|(row, causes)| stored(&reasons, row, &causes))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Removes a SQLite file with what lies beside it, if it is there.
fn remove(file: &Path) -> Result<()> {
    for beside in ["-wal", "-shm", ""] {
        let file = format!("{}{beside}", file.display());
        match fs::remove_file(&file) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("failed to remove {file}"));
            }
            _ => {}
        }
    }
    Ok(())
}
