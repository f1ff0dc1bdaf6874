//! A file of customers scored for somebody who looks at a page: which columns the model took, which lines could not be
//! read, what came of the others, and the file that they get back. Written by the same scorer and reader as batches are;
//! says nothing in words and speaks no HTTP.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use rekindle_models::customer::LapseTier;
use rekindle_models::frame::nearest_name;
use rekindle_models::language::Language;
use rekindle_models::scorer::Score;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::batch::{self, Form, Gone, Job, Row, Taker, Trailer};
use crate::error::{ApiError, BadField};
use crate::fields::{Fields, Role};
use crate::population::Population;
use crate::rows::csv::Record;
use crate::scoring::{Choice, Scored, Why};
use crate::spreadsheet::{self, plain};
use crate::state::AppState;
use crate::values::shorten;

/// Wrong lines that are told.
const WRONG: usize = 50;
/// Scored rows that are shown.
const SHOWN: usize = 20;
/// Values that a model has never seen that are told.
const LEVELS: usize = 20;
/// Cells of a row of the scored file.
const CELLS: usize = 10;
/// The column of tiers, as every file of Rekindle's has it.
const TIER: &str = "lapse_tier";

/// What a file is to be scored by, and for whom.
pub struct Order {
    /// The model.
    pub choice: Choice,
    /// The language of reasons.
    pub language: Language,
    /// Where tiers and advice come from; `None` where there is no store, or it is not for the visitor.
    pub people: Option<Arc<Population>>,
}

/// What came of a file.
pub struct ScoredFile {
    /// Which columns the model took.
    pub columns: Columns,
    /// Counts; whether the file was read to its end.
    pub trailer: Trailer,
    /// The first lines that could not be read.
    pub wrong: Vec<Wrong>,
    /// The first rows that were scored.
    pub shown: Vec<Line>,
    /// Scored rows by lapse tier, in the tiers' order; the last of those whose tier is not known.
    pub tiers: [u64; LapseTier::ALL.len() + 1],
    /// Scored rows that are predicted positive.
    pub positives: u64,
    /// Values that the model has never seen, by feature: the first of them.
    pub unknown_levels: BTreeSet<(String, String)>,
    /// How many cells have such a value.
    pub unknown_level_cells: u64,
    /// Whether there are reasons.
    pub reasons: bool,
    /// Whether there is advice.
    pub advice: bool,
    /// How long it took.
    pub took: Duration,
    /// The scored file, as CSV.
    pub file: File,
    /// Its length.
    pub bytes: u64,
}

/// A file that could not be scored.
pub struct Refused {
    /// Why.
    pub error: ApiError,
    /// Its columns, where it had a header.
    pub columns: Option<Box<Columns>>,
}

/// The columns of a file beside the model's.
#[derive(Debug, Default, PartialEq)]
pub struct Columns {
    /// The model's column of customers' names, where it has one.
    pub id: Option<String>,
    /// Whether the file has it.
    pub has_id: bool,
    /// Features that the file has.
    pub known: Vec<String>,
    /// Features that it has not: they count as missing cells.
    pub missing: Vec<String>,
    /// Columns that were in the training table and are no features.
    pub ignored: Vec<String>,
    /// Columns that the model does not know, each with the missing one that may be meant.
    pub unknown: Vec<(String, Option<String>)>,
}

/// A line that could not be read.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    /// The line of the file, from 1.
    pub line: u64,
    /// How the customer is named.
    pub id: String,
    /// What of it.
    pub field: Option<String>,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
}

/// A row that was scored.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// How the customer is named; empty where the file does not say.
    pub id: String,
    /// The probability.
    pub probability: f64,
    /// Of 100 customers, those below.
    pub percentile: u8,
    /// Whether the probability reaches the threshold.
    pub positive: bool,
    /// The tier as the file or the store has it.
    pub tier: Option<String>,
    /// What moved the score most, in words.
    pub reason: Option<String>,
    /// What running campaigns do with the customer.
    pub advice: Option<Advice>,
    /// Whether the store knows the customer.
    pub is_kept: bool,
}

/// What running campaigns do with a customer.
#[derive(Debug, PartialEq)]
pub struct Advice {
    /// The action.
    pub action: String,
    /// By which way.
    pub channel: String,
    /// Whether the customer is held out of it, and must not be contacted.
    pub held_out: bool,
}

/// Scores a file on a thread of its own, in the place of a batch.
///
/// # Errors
/// When it is no table of the model's, or the disk does not take the scored file.
pub async fn score(
    state: &web::Data<AppState>,
    place: OwnedSemaphorePermit,
    order: Order,
    file: File,
) -> Result<ScoredFile, Refused> {
    let internal = |reason: String| Refused { error: ApiError::Internal { reason }, columns: None };
    let (answer, done) = oneshot::channel();
    let data = state.clone();
    let work = move || {
        let scored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            on_thread(&data, order, file, &|| answer.is_closed())
        }));
        let scored = scored.unwrap_or_else(|_| Err(internal("a batch panicked".to_owned())));
        let outcome = scored.as_ref().map_or_else(|refused| refused.error.code(), |_| "answered");
        data.counters.batch(outcome);
        drop(place);
        // Whoever asked may have gone.
        drop(answer.send(scored));
    };
    let thread = std::thread::Builder::new().name("batch".to_owned()).spawn(work);
    thread.map_err(|error| internal(error.to_string()))?;
    done.await.unwrap_or_else(|error| Err(internal(error.to_string())))
}

fn on_thread(
    state: &AppState,
    order: Order,
    mut file: File,
    gone: &dyn Fn() -> bool,
) -> Result<ScoredFile, Refused> {
    let began = Instant::now();
    let io = |error: std::io::Error| ApiError::Internal { reason: error.to_string() };
    let early = |error: ApiError| Refused { error, columns: None };
    let reasons = order.choice.model().reasons.is_ok();
    let job = Job {
        choices: vec![order.choice],
        limits: state.limits,
        row_bytes: state.settings.max_row_bytes,
        block_bytes: state.settings.max_body_bytes,
        counters: state.counters.clone(),
    };
    let model = job.choices[0].model();
    file.seek(SeekFrom::Start(0)).map_err(|error| early(io(error)))?;
    let written = tempfile::tempfile().map_err(|error| early(io(error)))?;
    let why = Why { reasons: u8::from(reasons), language: order.language };
    let most = state.kept_files.most_bytes();
    let mut taking = Taking::new(&model.fields, why, order.people, written, most);
    taking.gone = Some(gone);
    let done = taking.begin().map_err(|reason| ApiError::Internal { reason });
    let done = done.and_then(|()| batch::score(&job, Form::Csv, file, &mut taking));
    match done {
        Ok(()) => taking.finish(began.elapsed()).map_err(early),
        Err(error) => {
            let error = taking.stopped.take().unwrap_or(error);
            Err(Refused { error, columns: taking.columns.map(Box::new) })
        }
    }
}

/// Takes what comes of the rows.
struct Taking<'m> {
    fields: &'m Fields,
    why: Why,
    people: Option<Arc<Population>>,
    columns: Option<Columns>,
    /// Where the id and the tier stand in a row.
    places: (Option<usize>, Option<usize>),
    /// The rows of the block as they stand.
    noted: Vec<Noted>,
    writer: csv::Writer<Counted>,
    most: u64,
    trailer: Option<Trailer>,
    wrong: Vec<Wrong>,
    shown: Vec<Line>,
    tiers: [u64; LapseTier::ALL.len() + 1],
    positives: u64,
    unknown_levels: BTreeSet<(String, String)>,
    unknown_level_cells: u64,
    /// Whether whoever asked has gone.
    gone: Option<&'m dyn Fn() -> bool>,
    /// What the scored file was given up for.
    stopped: Option<ApiError>,
}

/// What of a row is kept as it stands.
struct Noted {
    line: u64,
    id: String,
    tier: Option<String>,
}

/// A file and how much was written to it.
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl<'m> Taking<'m> {
    fn new(
        fields: &'m Fields,
        why: Why,
        people: Option<Arc<Population>>,
        file: File,
        most: u64,
    ) -> Taking<'m> {
        let counted = Counted { file: BufWriter::new(file), bytes: 0 };
        Taking {
            fields,
            why,
            people,
            columns: None,
            places: (None, None),
            noted: Vec::new(),
            writer: csv::Writer::from_writer(counted),
            most,
            trailer: None,
            wrong: Vec::new(),
            shown: Vec::new(),
            tiers: Default::default(),
            positives: 0,
            unknown_levels: BTreeSet::new(),
            unknown_level_cells: 0,
            gone: None,
            stopped: None,
        }
    }

    /// Writes the header.
    fn begin(&mut self) -> Result<(), String> {
        let id = id_of(self.fields).unwrap_or("customer_id");
        let names: [&str; CELLS] = [
            "line",
            id,
            "probability",
            "percentile",
            "positive",
            TIER,
            "reason",
            "advice",
            "channel",
            "error",
        ];
        // The mark stands before the header's first letter.
        let mut first = spreadsheet::MARK.as_bytes().to_vec();
        first.extend_from_slice(names[0].as_bytes());
        let header = std::iter::once(first).chain(names[1..].iter().map(|n| plain(n).into_bytes()));
        self.writer.write_record(header).map_err(|error| error.to_string())
    }

    fn scored(
        &mut self,
        noted: Noted,
        score: &Score,
        reason: Option<&str>,
    ) -> Result<(), csv::Error> {
        let Noted { line, id, tier } = noted;
        let row = self.people.as_ref().and_then(|people| people.find(&id));
        let people = self.people.as_ref().zip(row);
        let tier = tier.or_else(|| {
            people.and_then(|(people, row)| people.tier_of(row)).map(|tier| tier.text().to_owned())
        });
        let advice = people.and_then(|(people, row)| {
            Some(Advice {
                action: people.action_of(row)?.to_owned(),
                channel: people.channel_of(row).unwrap_or_default().to_owned(),
                held_out: people.held_out[row],
            })
        });
        let known = |known: &LapseTier| Some(known.text()) == tier.as_deref();
        let place = LapseTier::ALL.iter().position(known).unwrap_or(LapseTier::ALL.len());
        self.tiers[place] += 1;
        self.positives += u64::from(score.positive);
        let (action, channel) = match &advice {
            None => ("", ""),
            // Whoever looks at the column of actions alone contacts nobody who is held out.
            Some(advice) if advice.held_out => ("held out", ""),
            Some(advice) => (advice.action.as_str(), advice.channel.as_str()),
        };
        self.writer.write_record([
            line.to_string(),
            plain(&id),
            score.probability.to_string(),
            score.percentile.to_string(),
            score.positive.to_string(),
            plain(tier.as_deref().unwrap_or_default()),
            plain(reason.unwrap_or_default()),
            plain(action),
            plain(channel),
            String::new(),
        ])?;
        if self.shown.len() < SHOWN {
            self.shown.push(Line {
                id,
                probability: score.probability,
                percentile: score.percentile,
                positive: score.positive,
                tier,
                reason: reason.map(str::to_owned),
                advice,
                is_kept: row.is_some(),
            });
        }
        Ok(())
    }

    fn failed(&mut self, noted: Noted, bad: &BadField) -> Result<(), csv::Error> {
        let Noted { line, id, .. } = noted;
        let field = bad.field.as_deref().map_or_else(String::new, |field| format!("{field}: "));
        let told = format!("{field}found {}, expected {}", bad.found, bad.expected);
        let mut cells = [const { String::new() }; CELLS];
        (cells[0], cells[1]) = (line.to_string(), plain(&id));
        cells[CELLS - 1] = plain(&told);
        self.writer.write_record(cells)?;
        if self.wrong.len() < WRONG {
            let (found, expected) = (bad.found.clone(), bad.expected.clone());
            self.wrong.push(Wrong { line, id, field: bad.field.clone(), found, expected });
        }
        Ok(())
    }

    fn written(&mut self, rows: &[Row], block: &Scored) -> Result<(), csv::Error> {
        let reasons = block.reasons(self.why).ok().flatten();
        let noted = std::mem::take(&mut self.noted);
        for (row, noted) in rows.iter().zip(noted) {
            match row {
                Row::Failed(bad, _) => self.failed(noted, bad)?,
                Row::Scored(place) => {
                    let reason = reasons.as_ref().and_then(|all| all[*place].first());
                    self.scored(noted, &block.scores[*place], reason.map(|r| r.text.as_str()))?;
                }
            }
        }
        self.unknown_level_cells += block.customers.unknown_levels;
        for (feature, value) in block.customers.warnings.levels() {
            if self.unknown_levels.len() < LEVELS {
                self.unknown_levels.insert((feature.to_owned(), value.to_owned()));
            }
        }
        Ok(())
    }

    fn finish(mut self, took: Duration) -> Result<ScoredFile, ApiError> {
        let internal = |reason: String| ApiError::Internal { reason };
        self.writer.flush().map_err(|error| internal(error.to_string()))?;
        let counted = self.writer.into_inner().map_err(|error| internal(error.to_string()))?;
        let bytes = counted.bytes;
        let file = counted.file.into_inner().map_err(|error| internal(error.to_string()))?;
        Ok(ScoredFile {
            columns: self.columns.unwrap_or_default(),
            trailer: self.trailer.ok_or_else(|| internal("a batch without an end".to_owned()))?,
            wrong: self.wrong,
            shown: self.shown,
            tiers: self.tiers,
            positives: self.positives,
            unknown_levels: self.unknown_levels,
            unknown_level_cells: self.unknown_level_cells,
            reasons: self.why.reasons > 0,
            advice: self.people.is_some(),
            took,
            file,
            bytes,
        })
    }
}

impl Taker for Taking<'_> {
    fn head(&mut self, names: &[Cow<'_, str>]) {
        let place = |wanted: Option<&str>| {
            names.iter().position(|name| wanted.is_some_and(|wanted| wanted == name))
        };
        self.places = (place(id_of(self.fields)), place(Some(TIER)));
        self.columns = Some(Columns::of(names, self.fields));
    }

    fn record(&mut self, record: &Record<'_>, line: u64) {
        let (mut id, mut tier) = (String::new(), None);
        record.for_each(|place, cell| {
            let text = || shorten(String::from_utf8_lossy(cell.trim_ascii()).as_ref());
            if self.places.0 == Some(place) {
                id = String::from_utf8_lossy(cell.trim_ascii()).into_owned();
            }
            if self.places.1 == Some(place) {
                tier = Some(text()).filter(|text| !self.fields.missing.text(text));
            }
        });
        self.noted.push(Noted { line, id, tier });
    }

    fn block(&mut self, rows: &[Row], blocks: &[Scored]) -> Result<(), Gone> {
        if self.gone.is_some_and(|gone| gone()) {
            return Err(Gone::from("the client is gone".to_owned()));
        }
        if let Err(error) = self.written(rows, &blocks[0]) {
            self.stopped = Some(ApiError::Internal { reason: error.to_string() });
            return Err(Gone::from(error.to_string()));
        }
        if self.writer.get_ref().bytes > self.most {
            let limit = usize::try_from(self.most).unwrap_or(usize::MAX);
            self.stopped = Some(ApiError::BodyTooLarge { limit });
            return Err(Gone::from("the scored file is too large".to_owned()));
        }
        Ok(())
    }

    fn end(&mut self, trailer: &Trailer) -> Result<(), Gone> {
        self.trailer = Some(trailer.clone());
        Ok(())
    }
}

fn id_of(fields: &Fields) -> Option<&str> {
    let id = fields.known().iter().find(|field| matches!(field.role, Role::Id));
    id.map(|field| &*field.name)
}

/// Columns that a near name is looked for, which takes time for each.
const LOOKED_FOR: usize = 50;

impl Columns {
    /// The columns of a table beside those that a model knows.
    pub fn of(names: &[Cow<'_, str>], fields: &Fields) -> Columns {
        let has = |name: &str| names.iter().any(|own| own == name);
        let id = id_of(fields).map(str::to_owned);
        let (known, missing): (Vec<_>, Vec<_>) =
            fields.features().iter().map(|field| field.name.to_string()).partition(|n| has(n));
        let has_id = id.as_deref().is_some_and(has);
        let mut columns = Columns { id, has_id, known, missing, ..Columns::default() };
        for (guess, name) in names.iter().enumerate() {
            match fields.place(name, guess).map(|place| &fields.known()[place].role) {
                Some(Role::Ignored) => columns.ignored.push(shorten(name)),
                Some(_) => {}
                None => {
                    let own = columns.id.as_deref().filter(|_| !has_id);
                    let absent = columns.missing.iter().map(String::as_str).chain(own);
                    let looked = columns.unknown.len() < LOOKED_FOR;
                    let near = looked.then(|| nearest_name(name, absent)).flatten();
                    columns.unknown.push((shorten(name), near));
                }
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use rekindle_models::frame::{Field, Kind, Schema};

    use super::*;

    fn fields() -> Fields {
        let field = |name: &str| Field { name: name.to_owned(), kind: Kind::Numeric };
        let schema = Schema::new(vec![field("recency_days"), field("spend")]).unwrap();
        Fields::new(&schema, Some("customer"), &["churned".to_owned()], &[])
    }

    #[test]
    fn columns_are_known_missing_ignored_or_unknown_with_what_may_be_meant() {
        let names = ["Customer", "Recency_days", "spend", "churned", "colour"].map(Cow::Borrowed);
        let columns = Columns::of(&names, &fields());
        let expected = Columns {
            id: Some("customer".to_owned()),
            has_id: false,
            known: vec!["spend".to_owned()],
            missing: vec!["recency_days".to_owned()],
            ignored: vec!["churned".to_owned()],
            unknown: vec![
                ("Customer".to_owned(), Some("customer".to_owned())),
                ("Recency_days".to_owned(), Some("recency_days".to_owned())),
                ("colour".to_owned(), None),
            ],
        };
        assert_eq!(columns, expected);
    }
}
