//! Why a customer's score changed: two scores, and the difference between them in parts. Puts nothing into words but what
//! reasons do.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use rekindle_models::artifact::Artifact;
use rekindle_models::behaviour::{
    DAY_MS, Duplicates, Events, FeatureSpec, History, Kernel, Recoding, Timeline, Zone,
};
use rekindle_models::customer;
use rekindle_models::frame::{ReadOptions, Rows, read};
use rekindle_models::language::Language;
use rekindle_models::reasons::{Moves, NoReasons, Reasons};
use rekindle_models::scorer::Scorer;
use serde::Serialize;

use crate::build::GatheredLog;
use crate::error::{Error, Result};
use crate::holdout::bind;
use crate::ingest::{CustomerId, Room};
use crate::panel::{Block, places_of};
use crate::question::{Asked, Questions};
use crate::snapshot::{About, CUSTOMER, Snapshots};

/// A customer of a log.
#[derive(Debug, Clone, Copy)]
pub struct Customer<'a> {
    /// The log, with the attributes known before the later score.
    pub log: &'a GatheredLog,
    /// Who it is.
    pub id: &'a str,
}

/// A model and an instant: what a score is of.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The model.
    pub artifact: &'a Artifact,
    /// Its version, where it lies in a registry.
    pub version: Option<u32>,
    /// In milliseconds.
    pub cutoff: i64,
}

/// A score, with what it follows from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreThen {
    /// The model.
    pub model_name: String,
    /// Its version in the registry.
    pub model_version: Option<u32>,
    /// When, as [`Zone::text`] has it.
    pub cutoff: String,
    /// Events known then.
    pub events: usize,
    /// Calibrated probability.
    pub probability: f64,
    /// Log odds before calibration.
    pub margin: f64,
    /// Place in the model's reference population, 1 to 100.
    pub percentile: u8,
    /// The model's threshold.
    pub threshold: f64,
    /// Whether the probability reaches it.
    pub positive: bool,
    /// Whether the customer is one of those whom the project's target of this name is asked of; null without such a target.
    pub asked: Option<bool>,
}

/// A difference on two scales.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Part {
    /// Of the calibrated probability.
    pub probability: f64,
    /// Of the margin: log odds before calibration.
    pub margin: f64,
}

/// The difference of two scores in three parts, which add up to it on either scale.
///
/// The way goes from the first score over three steps, since what each brings depends on what was there before it: what
/// became known late first, as the first score would have had it had it come in time; then what happened between, by the
/// model that gave the first score; the other model last, on the customer as it is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Parts {
    /// What was known at the second cutoff, but not at the first, of the time before the first.
    pub late_data: Part,
    /// What happened between the cutoffs, and that time passed.
    pub behaviour: Part,
    /// The second model in place of the first.
    pub model: Part,
    /// Of `model`: the margins of the second model by the calibration of the first.
    pub model_margin: f64,
    /// Of `model`: the second model's calibration, in probability.
    pub model_calibration: f64,
}

/// Events of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// How many.
    pub events: usize,
    /// The sum of their amounts; null where none has one.
    pub amount: Option<f64>,
}

/// Events that the second score knows and the first does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewEvents {
    /// Those between the cutoffs, by kind.
    pub between: Vec<KindCount>,
    /// Those before the first cutoff that were received after it, by kind.
    pub late: Vec<KindCount>,
    /// Events before the second cutoff that were received after it: in neither score.
    pub not_yet_received: usize,
    /// Days from the customer's last known event to each cutoff; null where it has none.
    pub silent_days: [Option<f64>; 2],
}

/// Why a score changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<'a> {
    /// The customer.
    pub customer_id: &'a str,
    /// The question of both models: `column=value`.
    pub target: String,
    /// The first score.
    pub from: ScoreThen,
    /// The second.
    pub to: ScoreThen,
    /// The difference in parts.
    pub parts: Parts,
    /// What became known late moved so; null where the model tells no reasons.
    pub late_data: Option<Moves<'a>>,
    /// What happened and time moved so.
    pub behaviour: Option<Moves<'a>>,
    /// Why the model tells no reasons, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_reasons: Option<String>,
    /// The events that the second score knows and the first does not.
    pub events: NewEvents,
    /// Features that the second model asks for and the first does not.
    pub features_added: Vec<String>,
    /// Features that the first model asks for and the second does not.
    pub features_removed: Vec<String>,
}

/// Who explains scores of the first model, or why nobody does.
pub type Explained<'a> = std::result::Result<&'a Reasons, NoReasons>;

impl<'a> Change<'a> {
    /// Tells the difference between two scores of a customer; `from` is not after `to`. `questions` are those of the log's
    /// project, `reasons` those of the first model.
    ///
    /// # Errors
    /// When the models answer different questions or have no features from events, or the customer is not in the log or
    /// has no history at the first cutoff.
    pub fn new(
        customer: Customer<'a>,
        (from, to): (Side<'_>, Side<'_>),
        questions: &Questions,
        (reasons, language): (Explained<'a>, Language),
    ) -> Result<Change<'a>> {
        let target = same_target(from, to)?;
        let zone = Zone::named(&spec_of(from)?.timezone)?;
        let (early, late) = (from.cutoff, to.cutoff);
        let ours = customer.rows(from, &[(early, early), (early, late), (late, late)])?;
        let theirs = customer.rows(to, &[(late, late)])?;
        let told = customer.told(
            &from.artifact.manifest.target.column,
            questions,
            &zone,
            [early, late],
        )?;
        let (parts, margins) =
            split((&from.artifact.scorer, &ours), (&to.artifact.scorer, &theirs));
        let model = &from.artifact.scorer.model;
        let moves = |then: usize, now: usize| {
            reasons.ok().map(|r| r.moves(model, ours.row(then), ours.row(now), language))
        };
        let score = |side: Side<'_>, rows: &Rows, row: usize, margin: f64, place: usize| {
            let scored = side.artifact.scorer.score(rows)[row];
            ScoreThen {
                model_name: side.artifact.manifest.model_name.clone(),
                model_version: side.version,
                cutoff: zone.text(side.cutoff),
                events: told.known[place],
                probability: scored.probability,
                margin,
                percentile: scored.percentile,
                threshold: side.artifact.scorer.threshold,
                positive: scored.positive,
                asked: told.asked[place],
            }
        };
        let names = |side: Side<'_>| -> Vec<String> {
            let fields = side.artifact.scorer.schema.fields();
            fields.iter().map(|field| field.name.clone()).collect()
        };
        let (first, second) = (names(from), names(to));
        let lacking = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|name| !other.contains(name)).cloned().collect()
        };
        Ok(Change {
            customer_id: customer.id,
            target,
            from: score(from, &ours, 0, margins[0], 0),
            to: score(to, &theirs, 0, margins[1], 1),
            parts,
            late_data: moves(0, 1),
            behaviour: moves(1, 2),
            no_reasons: reasons.err().map(|why| why.to_string()),
            features_added: lacking(&second, &first),
            features_removed: lacking(&first, &second),
            events: told.events,
        })
    }
}

/// The three steps from the first score to the second, and the margins of both. Of the first model there are three rows:
/// as known then, as known later of the same time, as known later; of the second the last of these.
fn split((first, ours): (&Scorer, &Rows), (second, theirs): (&Scorer, &Rows)) -> (Parts, [f64; 2]) {
    let margins = first.model.margins(ours);
    let last = second.model.margins(theirs)[0];
    let by_first = |margin: f64| first.calibration.probability(margin);
    let step = |then: usize, now: usize| Part {
        probability: by_first(margins[now]) - by_first(margins[then]),
        margin: margins[now] - margins[then],
    };
    let new = second.calibration.probability(last);
    let parts = Parts {
        late_data: step(0, 1),
        behaviour: step(1, 2),
        model: Part { probability: new - by_first(margins[2]), margin: last - margins[2] },
        model_margin: by_first(last) - by_first(margins[2]),
        model_calibration: new - by_first(last),
    };
    (parts, [margins[0], last])
}

fn same_target(from: Side<'_>, to: Side<'_>) -> Result<String> {
    let target = |side: Side<'_>| {
        let target = &side.artifact.manifest.target;
        format!("{}={}", target.column, target.value)
    };
    let (first, second) = (target(from), target(to));
    if first == second {
        return Ok(first);
    }
    Err(Error::BadOptions(format!(
        "A answers {first}, B answers {second}; expected two models of one target: scores of different questions do not \
         change into each other"
    )))
}

fn spec_of(side: Side<'_>) -> Result<&FeatureSpec> {
    let manifest = &side.artifact.manifest;
    manifest.feature_spec.as_ref().ok_or_else(|| {
        Error::BadOptions(format!(
            "{}: it was fitted on a table whose features were not made from events, so that a log tells nothing of its \
             scores; expected a model of `rekindle run`, or of `rekindle fit` on what `rekindle features` wrote",
            manifest.model_name
        ))
    })
}

/// What the log tells of a customer besides features.
struct Told {
    /// Events known at each cutoff.
    known: [usize; 2],
    /// Whether the customer is asked at each.
    asked: [Option<bool>; 2],
    events: NewEvents,
}

impl Customer<'_> {
    /// A model's rows of the customer: at cutoffs, each as known at an instant. They are written and read as snapshots
    /// are, so that cells are to the bit those that the model is fitted and judged on.
    fn rows(&self, side: Side<'_>, moments: &[(i64, i64)]) -> Result<Rows> {
        let (spec, log) = (spec_of(side)?, self.log);
        let kernel = Kernel::new(spec)?;
        let places = places_of(&spec.attributes, log.attributes.list())?;
        let known = log.attributes.of(CustomerId::of_text(self.id));
        let mut room = Room::default();
        let codes = log.names.recoding(&spec.dictionaries());
        let loaded = self.load(&codes, spec.duplicates, &mut room)?;
        let (mut kept, mut scratch) = (Events::default(), kernel.scratch());
        let mut block = Block { texts: Arc::clone(log.attributes.texts()), ..Block::default() };
        let mut told = vec![f64::NAN; log.attributes.list().len()];
        for &(cutoff, at) in moments {
            let mut row = vec![f64::NAN; kernel.width()];
            kernel.fill(&loaded.as_known(cutoff, at, &mut kept), &mut scratch, &mut row);
            known.as_known(cutoff, at, &mut told);
            row.extend(places.iter().map(|&place| told[place]));
            block.customers.push(self.id.to_owned());
            block.cutoffs.push(cutoff);
            block.features.extend(row);
        }
        read_back(side, spec, &block)
    }

    /// The customer's events, in the codes given.
    fn load<'r>(
        &self,
        codes: &Recoding,
        duplicates: Duplicates,
        room: &'r mut Room,
    ) -> Result<Timeline<'r>>
    where
        Self: 'r,
    {
        let id = CustomerId::of_text(self.id);
        let events = &self.log.events;
        let loaded = events.load(events.partition_of(id), codes, duplicates, room)?;
        let span = loaded.customers().find(|(customer, _)| *customer == id).map(|(_, span)| span);
        if span.is_none() && self.log.attributes.number(id).is_none() {
            let one = (0..loaded.len()).next().map(|place| loaded.customer(place).0.to_string());
            return Err(Error::BadOptions(format!(
                "--customer {}: not in the log, which has {} customers; expected an id as the log writes it{}",
                self.id,
                events.customers(),
                one.map_or_else(String::new, |one| format!(", as {one}"))
            )));
        }
        Ok(Timeline::new(loaded.events(), span.unwrap_or(0..0)))
    }

    /// What the log tells of a customer at two cutoffs.
    fn told(
        &self,
        target: &str,
        questions: &Questions,
        zone: &Zone,
        [early, late]: [i64; 2],
    ) -> Result<Told> {
        let names = self.log.names.dictionaries();
        let (mut room, codes) = (Room::default(), self.log.names.recoding(&names));
        let timeline = self.load(&codes, self.log.duplicates, &mut room)?;
        let known = self.log.attributes.of(CustomerId::of_text(self.id));
        let mut cells = vec![f64::NAN; self.log.attributes.list().len()];
        let by_attributes = [early, late].map(|cutoff| known.at(cutoff, &mut cells));
        let (mut kept, mut kept_late) = (Events::default(), Events::default());
        let histories =
            [timeline.history(early, &mut kept), timeline.history(late, &mut kept_late)];
        let counts = histories.map(|history| history.events().len());
        if counts[0] == 0 && !by_attributes[0] {
            let first = timeline.times().first().map(|time| zone.text(*time));
            return Err(Error::BadOptions(format!(
                "--customer {}: nothing was known at {}, so that there was no score; {}",
                self.id,
                zone.text(early),
                first.map_or_else(
                    || "the log has no event of the customer".to_owned(),
                    |first| format!("the first event is at {first}: take a later date")
                )
            )));
        }
        let mut asked = [None; 2];
        let mut only = questions.clone();
        only.by_name.retain(|(name, _)| name == target);
        if let Ok(question) = Asked::new(&only, zone, &names)
            && !question.is_empty()
        {
            let mut scratch = customer::Scratch::default();
            for (place, history) in histories.iter().enumerate() {
                let (mut answer, known) = ([f64::NAN], by_attributes[place]);
                question.answer(&timeline, history, known, &mut scratch, &mut answer);
                asked[place] = Some(!answer[0].is_nan());
            }
        }
        let events = NewEvents::of(&timeline, histories, names.kinds.names());
        Ok(Told { known: counts, asked, events })
    }
}

/// A block's rows as a model takes them.
fn read_back(side: Side<'_>, spec: &FeatureSpec, block: &Block) -> Result<Rows> {
    let about = About {
        features: spec.clone(),
        fingerprint: spec.fingerprint(),
        cutoffs: 1,
        targets: Vec::new(),
        untimed: Vec::new(),
        weighted: false,
    };
    let failed = |why: &dyn std::fmt::Display| {
        Error::BadOptions(format!("failed to write a temporary file of snapshots: {why}"))
    };
    let file = tempfile::Builder::new().suffix(".parquet").tempfile().map_err(|e| failed(&e))?;
    let to = File::create(file.path()).map_err(|e| failed(&e))?;
    let write = || {
        let mut snapshots = Snapshots::parquet(to, &about)?;
        let encoder = snapshots.encoder();
        let mut open = encoder.open();
        encoder.add(block, &mut open)?;
        snapshots.append(open.close()?)?;
        snapshots.finish()
    };
    write().map_err(|e| failed(&e))?;
    let (scorer, manifest) = (&side.artifact.scorer, &side.artifact.manifest);
    let reading =
        ReadOptions::for_model(&scorer.schema, &manifest.missing_markers, Some(CUSTOMER), &[]);
    let frame = read(file.path(), &reading)?;
    Ok(bind(&scorer.schema, &frame, &mut Vec::new())?.rows(&frame, 0..frame.rows()))
}

impl NewEvents {
    fn of(timeline: &Timeline<'_>, histories: [History<'_>; 2], kinds: &[String]) -> NewEvents {
        let [early, late] = histories.each_ref().map(History::cutoff);
        let all = timeline.between(i64::MIN, late);
        let (times, received) = (all.times(), all.received());
        let at = |place: usize| received.get(place).copied().unwrap_or(times[place]);
        let count = |keep: &dyn Fn(usize) -> bool| {
            let mut by_kind: BTreeMap<u16, (usize, Option<f64>)> = BTreeMap::new();
            for place in (0..all.len()).filter(|&place| at(place) < late && keep(place)) {
                let (events, amount) = by_kind.entry(all.kinds()[place]).or_default();
                *events += 1;
                let more = all.measure(0).get(place).copied().filter(|more| !more.is_nan());
                if let Some(more) = more {
                    *amount = Some(amount.unwrap_or(0.0) + more);
                }
            }
            let name = |code: u16| kinds.get(usize::from(code)).cloned().unwrap_or_default();
            let counted = by_kind.into_iter();
            counted
                .map(|(code, (events, amount))| KindCount { kind: name(code), events, amount })
                .collect()
        };
        let silent = |history: &History<'_>| {
            let last = history.events().times().last().copied();
            last.map(|last| (history.cutoff() - last) as f64 / DAY_MS as f64)
        };
        NewEvents {
            between: count(&|place| times[place] >= early),
            late: count(&|place| times[place] < early && at(place) >= early),
            not_yet_received: (0..all.len()).filter(|&place| at(place) >= late).count(),
            silent_days: histories.each_ref().map(silent),
        }
    }
}
