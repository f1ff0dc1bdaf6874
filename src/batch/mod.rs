//! A table of any length scored while it is read: rows in, blocks through the models, lines out. A row that cannot be
//! read is told by its place and stops nothing. Runs on a thread of its own; knows no HTTP.

mod output;
mod spool;

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use rekindle_models::scorer::Score;
use serde::Serialize;

use crate::counters::Counters;
use crate::customers::{Gathering, Heading, Limits};
use crate::error::{ApiError, BadField};
use crate::model::{Canary, Model};
use crate::rows::Broken;
use crate::rows::arrow::{Batches, Cells};
use crate::rows::csv::{Record, Records};
use crate::rows::lines::Lines;
use crate::scoring::{self, CanaryPart, Choice, Scored};

pub use output::{Form, Output};
pub use spool::{Gone, Spool};

/// What a batch is asked.
pub struct Job {
    /// Who answers; at least one.
    pub choices: Vec<Choice>,
    /// How much a row may hold.
    pub limits: Limits,
    /// Longest row as text.
    pub row_bytes: usize,
    /// Longest record batch.
    pub block_bytes: usize,
    /// What is counted.
    pub counters: Counters,
}

/// What came of a batch, in its last line.
#[derive(Debug, Clone, Serialize)]
pub struct Trailer {
    /// Rows read.
    pub rows: u64,
    /// Those of them that were scored.
    pub scored: u64,
    /// Those that could not be read.
    pub failed: u64,
    /// Whether the body was read to its end.
    pub complete: bool,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who answered.
    pub models: Vec<Answered>,
}

/// A model that answered.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    /// Its name.
    pub model_name: String,
    /// Its version.
    pub model_version: u32,
}

/// Cells scored at a time: enough to pay for the hand-over, few enough to stay in cache and to answer soon.
const CELLS: usize = 64 << 10;
/// Most rows scored at a time.
const ROWS: usize = 1_024;

/// One version that has a say, and the rows that it has been handed.
struct Lane<'m> {
    model: &'m Arc<Model>,
    gathering: Gathering<'m>,
    heading: Option<Heading<'m>>,
}

/// A choice, its canary and its shadow.
struct Lanes<'m> {
    main: Lane<'m>,
    canary: Option<(&'m Canary, Lane<'m>, Vec<usize>)>,
    shadow: Option<(Lane<'m>, Vec<usize>)>,
}

/// A row of the block that is being gathered.
pub enum Row {
    /// It has a score at this place of the block.
    Scored(usize),
    /// It could not be read; the line of the body that it ends in, where there are lines.
    Failed(BadField, Option<u64>),
}

/// Who takes what comes of a batch.
pub trait Taker {
    /// The names of the columns, before the first row; not called of NDJSON, whose rows name their own.
    fn head(&mut self, _names: &[Cow<'_, str>]) {}

    /// A row of CSV as it stands, and the line that it ends in: in the order of the rows of the block that it will be
    /// part of.
    fn record(&mut self, _record: &Record<'_>, _line: u64) {}

    /// A block: its rows, and what each of the models says of those that were scored.
    ///
    /// # Errors
    /// When nobody wants it any more.
    fn block(&mut self, rows: &[Row], blocks: &[Scored]) -> Result<(), Gone>;

    /// The counts, at the end.
    ///
    /// # Errors
    /// When nobody wants them any more.
    fn end(&mut self, trailer: &Trailer) -> Result<(), Gone>;
}

/// Scores the rows of a body of the given form and hands what comes of them to `output`, the counts at the end.
///
/// # Errors
/// What keeps the body from being a table at all, before anything was answered; [`ApiError::Unreceived`] when nobody
/// takes the answer any more.
pub fn score(
    job: &Job,
    form: Form,
    body: impl Read,
    output: &mut impl Taker,
) -> Result<(), ApiError> {
    let mut batch = Batch::new(job);
    let read = match form {
        Form::Csv => batch.csv(body, output),
        Form::Ndjson => batch.ndjson(body, output),
        Form::Arrow => batch.arrow(body, output),
    };
    let broken = match read {
        Ok(()) => None,
        Err(Stop::Refused(error)) if batch.trailer.rows == 0 => return Err(error),
        Err(Stop::Gone(gone)) => return Err(ApiError::Unreceived { reason: gone.to_string() }),
        Err(Stop::Refused(error)) => Some(error.to_string()),
        Err(Stop::Broken(broken)) if batch.trailer.rows == 0 => {
            return Err(match broken {
                Broken::Received(reason) => ApiError::Unreceived { reason },
                Broken::Table(reason) => ApiError::InvalidTable { reason },
            });
        }
        Err(Stop::Broken(broken)) => Some(broken.to_string()),
    };
    let gone = |gone: Gone| ApiError::Unreceived { reason: gone.to_string() };
    batch.flush(output).map_err(gone)?;
    batch.trailer.complete = broken.is_none();
    batch.trailer.error = broken;
    output.end(&batch.trailer).map_err(gone)
}

/// Why a batch is not read further.
enum Stop {
    Refused(ApiError),
    Broken(Broken),
    Gone(Gone),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        Stop::Refused(error)
    }
}

impl From<Gone> for Stop {
    fn from(gone: Gone) -> Stop {
        Stop::Gone(gone)
    }
}

struct Batch<'m> {
    job: &'m Job,
    lanes: Vec<Lanes<'m>>,
    /// The rows of the block.
    rows: Vec<Row>,
    /// Rows of a block.
    block: usize,
    trailer: Trailer,
}

impl<'m> Batch<'m> {
    fn new(job: &'m Job) -> Batch<'m> {
        // Blocks are taken before there are more.
        let limits = Limits { customers: usize::MAX, ..job.limits };
        let lane = |model: &'m Arc<Model>| Lane {
            model,
            gathering: Gathering::new(&model.fields, limits),
            heading: None,
        };
        let lanes = job.choices.iter().map(|choice| {
            let (canary, shadow) = match choice {
                Choice::Version(_) => (None, None),
                Choice::Served(served) => (served.canary.as_ref(), served.shadow.as_ref()),
            };
            Lanes {
                main: lane(choice.model()),
                canary: canary.map(|canary| (canary, lane(&canary.model), Vec::new())),
                shadow: shadow.map(|model| (lane(model), Vec::new())),
            }
        });
        let widest =
            job.choices.iter().map(|choice| choice.model().fields.width()).max().unwrap_or(1);
        let answered = job.choices.iter().map(|choice| Answered {
            model_name: choice.model().name().to_owned(),
            model_version: choice.model().version,
        });
        let trailer = Trailer {
            rows: 0,
            scored: 0,
            failed: 0,
            complete: false,
            error: None,
            models: answered.collect(),
        };
        let block = (CELLS / widest).clamp(1, ROWS);
        Batch { job, lanes: lanes.collect(), rows: Vec::new(), block, trailer }
    }

    /// Says where the columns go, in every lane.
    fn head(&mut self, names: &[Cow<'_, str>]) -> Result<(), ApiError> {
        for lanes in &mut self.lanes {
            lanes.main.heading = Some(lanes.main.gathering.heading(names)?);
            // A version on trial that cannot read the table has no say: the one in force answers.
            if let Some((_, lane, _)) = &mut lanes.canary {
                lane.heading = lane.gathering.heading(names).ok();
                if lane.heading.is_none() {
                    self.job.counters.canary_failed.inc();
                    lanes.canary = None;
                }
            }
            if let Some((lane, _)) = &mut lanes.shadow {
                lane.heading = lane.gathering.heading(names).ok();
                if lane.heading.is_none() {
                    lanes.shadow = None;
                }
            }
        }
        Ok(())
    }

    fn csv(&mut self, body: impl Read, output: &mut impl Taker) -> Result<(), Stop> {
        let mut records = Records::new(body, self.job.row_bytes)?;
        let names = records.names();
        output.head(&names);
        self.head(&names)?;
        while let Some((record, line)) = records.next()? {
            output.record(&record, line);
            self.row(Some(line), |lane, _, _| {
                let heading = lane.heading.as_ref().expect("the header was read");
                record.read(&mut lane.gathering, heading);
            });
            if self.rows.len() >= self.block {
                self.flush(output)?;
            }
        }
        Ok(())
    }

    fn ndjson(&mut self, body: impl Read, output: &mut impl Taker) -> Result<(), Stop> {
        let mut lines = Lines::new(body, self.job.row_bytes);
        while let Some((length, whole)) = lines.peek()? {
            lines.take(whole, 1);
            let number = lines.number();
            let line = &lines.taken(whole)[..length];
            // Some programs begin their files with a mark of the encoding.
            let mark = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1);
            let line = mark.unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.row(Some(number), |lane, _, _| {
                let before = lane.gathering.len();
                if let Err(error) = crate::payload::parse_one(line, &mut lane.gathering) {
                    if lane.gathering.len() == before {
                        lane.gathering.add();
                    }
                    lane.gathering.bad(
                        None,
                        format!("no JSON object: {error}"),
                        "one a line".to_owned(),
                    );
                }
            });
            if self.rows.len() >= self.block {
                self.flush(output)?;
            }
        }
        Ok(())
    }

    fn arrow(&mut self, body: impl Read, output: &mut impl Taker) -> Result<(), Stop> {
        let mut batches = Batches::new(body, self.job.block_bytes)?;
        let names: Vec<_> = batches.names().iter().map(|n| n.to_string().into()).collect();
        output.head(&names);
        self.head(&names)?;
        while let Some(batch) = batches.next()? {
            let cells_of = |lane: &Lane<'_>| {
                Cells::new(&batch, &names, lane.heading.as_ref().expect("the schema was read"))
            };
            // In the order in which `row` asks the lanes.
            let mut cells: Vec<[Option<Cells>; 3]> = Vec::new();
            for lanes in &self.lanes {
                cells.push([
                    Some(cells_of(&lanes.main)?),
                    lanes.canary.as_ref().and_then(|(_, lane, _)| cells_of(lane).ok()),
                    lanes.shadow.as_ref().and_then(|(lane, _)| cells_of(lane).ok()),
                ]);
            }
            for row in 0..batch.num_rows() {
                self.row(None, |lane, choice, part| match &cells[choice][part] {
                    Some(cells) => cells.read(row, &mut lane.gathering),
                    None => {
                        lane.gathering.add();
                        lane.gathering.bad(None, "other columns".to_owned(), "its own".to_owned());
                    }
                });
                if self.rows.len() >= self.block {
                    self.flush(output)?;
                }
            }
        }
        Ok(())
    }

    /// Hands a row to every lane: `read` adds it as a customer to the one that it is given, with the place of the
    /// choice and which of its lanes it is. A row that one choice cannot read fails for all of them.
    fn row(&mut self, line: Option<u64>, mut read: impl FnMut(&mut Lane<'m>, usize, usize)) {
        self.trailer.rows += 1;
        let mut failed = None;
        for (choice, lanes) in self.lanes.iter_mut().enumerate() {
            read(&mut lanes.main, choice, 0);
            if lanes.main.gathering.is_bad() {
                failed = Some(choice);
                break;
            }
        }
        if let Some(last) = failed {
            let mut bad = None;
            for lanes in &mut self.lanes[..=last] {
                bad = lanes.main.gathering.reject_last().or(bad);
            }
            let bad = bad.expect("a lane has found the row bad");
            self.trailer.failed += 1;
            return self.rows.push(Row::Failed(bad, line));
        }
        let place = self.lanes[0].main.gathering.len() - 1;
        for (choice, lanes) in self.lanes.iter_mut().enumerate() {
            if let Some((canary, lane, places)) = &mut lanes.canary
                && canary.answers_for(lanes.main.gathering.last_id())
            {
                read(lane, choice, 1);
                match lane.gathering.is_bad() {
                    true => {
                        lane.gathering.reject_last();
                        self.job.counters.canary_failed.inc();
                    }
                    false => places.push(place),
                }
            }
            if let Some((lane, places)) = &mut lanes.shadow {
                read(lane, choice, 2);
                match lane.gathering.is_bad() {
                    true => drop(lane.gathering.reject_last()),
                    false => places.push(place),
                }
            }
        }
        self.trailer.scored += 1;
        self.rows.push(Row::Scored(place));
    }

    /// Scores the block and hands it on.
    fn flush(&mut self, output: &mut impl Taker) -> Result<(), Gone> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let counters = &self.job.counters;
        let blocks: Vec<Scored> =
            self.lanes.iter_mut().map(|lanes| lanes.score(counters)).collect();
        let rows = std::mem::take(&mut self.rows);
        output.block(&rows, &blocks)
    }
}

impl Lanes<'_> {
    fn score(&mut self, counters: &Counters) -> Scored {
        let customers = self.main.gathering.take();
        let part = self.canary.as_mut().filter(|(_, _, places)| !places.is_empty());
        let part = part.map(|(_, lane, places)| CanaryPart {
            model: Arc::clone(lane.model),
            places: std::mem::take(places),
            rows: lane.gathering.take().rows,
        });
        let scored = Scored::new(self.main.model, customers, part);
        if let Some((lane, places)) = &mut self.shadow
            && !places.is_empty()
        {
            let theirs = lane.model.scorer.score(&lane.gathering.take().rows);
            let answered: Vec<Score> = places.drain(..).map(|place| scored.scores[place]).collect();
            scoring::told(lane.model, &answered, &theirs, counters);
        }
        scored
    }
}
