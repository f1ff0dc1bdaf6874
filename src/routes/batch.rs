//! Tables of any length in, their scores out as a stream, while the table is still coming.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use actix_web::http::header::{ACCEPT, Accept, CONTENT_TYPE, Header, Quality, QualityItem};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, rt};
use flate2::read::MultiGzDecoder;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver};

use crate::batch::{self, Form, Gone, Job, Output, Spool};
use crate::error::ApiError;
use crate::pace::Pace;
use crate::routes::answer::ScoreQuery;
use crate::routes::receive::{Encoding, encoding};
use crate::scoring::{Choice, Why, reasons_of};
use crate::state::AppState;

/// A piece of the answer, or why there will be none.
type Piece = Result<Bytes, ApiError>;

/// Pieces of the body, and of the answer, that wait for the other side.
const PIECES: usize = 8;

/// Scores a table of any length as CSV (with a header), NDJSON (an object a line) or an Arrow stream.
///
/// The answer comes while the table is read, row after row in its order, in the form that `Accept` names, else in that of
/// the table. A row that cannot be read has an error in the place of scores and stops nothing. The end counts: a last
/// line `# rows=.. scored=.. failed=.. complete=true` of CSV, `{"trailer": ..}` of NDJSON, metadata `rekindle.trailer` of
/// a last, empty record batch of Arrow. Without it, or with `complete=false`, the answer is not whole.
#[utoipa::path(
    post,
    path = "/v1/score/batch",
    tag = "scoring",
    params(ScoreQuery),
    request_body(
        content(
            (String = "text/csv", example = json!("customer,recency_days,spend,plan\n7590-VHVEG,12.5,30,gold\n")),
            (String = "application/x-ndjson",
                example = json!("{\"customer\": \"7590-VHVEG\", \"recency_days\": 12.5, \"plan\": \"gold\"}\n")),
            (Vec<u8> = "application/vnd.apache.arrow.stream"),
        ),
        description = "The table, of any length; `Content-Encoding: gzip` is taken.",
    ),
    responses((status = 200, description = "A row for each row of the table, and counts at the end.",
        content(
            (String = "text/csv", example = json!(
                "row,customer_id,model_version,probability,percentile,positive,error\n\
                 1,7590-VHVEG,1,0.64,93,true,\n# rows=1 scored=1 failed=0 complete=true\n")),
            (String = "application/x-ndjson"),
            (Vec<u8> = "application/vnd.apache.arrow.stream"),
        ))),
)]
pub async fn score_batch(
    state: web::Data<AppState>,
    query: web::Query<ScoreQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let (why, several) = (query.why()?, query.asks_several());
    let form_in = form_in(&request)?;
    let form_out = form_out(&request, form_in)?;
    let encoding = encoding(&request)?;
    let choices = query.choices(&state, state.deadline()).await?;
    choices.iter().try_for_each(|choice| tells(choice, why))?;
    let Ok(place) = state.batches.clone().try_acquire_owned() else {
        state.counters.shed("batches");
        return Err(ApiError::Overloaded);
    };
    let patience = Duration::from_millis(state.settings.request_timeout_ms);
    let (to_client, mut from_thread) = mpsc::channel::<Piece>(PIECES);
    let incoming = Incoming { pieces: forward(body, patience), piece: Bytes::new() };
    let job = Job {
        choices,
        limits: state.limits,
        row_bytes: state.settings.max_row_bytes,
        block_bytes: state.settings.max_body_bytes,
        counters: state.counters.clone(),
    };
    let (most, data) = (state.settings.max_answer_bytes, state.clone());
    let work = move || {
        let body: Box<dyn Read> = match encoding {
            Encoding::Plain => Box::new(incoming),
            Encoding::Gzip => Box::new(MultiGzDecoder::new(incoming)),
        };
        let mut spool = Spool::new(to_client.clone(), Ok, patience, most);
        let mut send = |piece: Vec<u8>| spool.send(piece);
        let mut output = Output::new(form_out, several, why, &mut send);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            batch::score(&job, form_in, body, &mut output)
        }));
        let done = done
            .unwrap_or_else(|_| Err(ApiError::Internal { reason: "a batch panicked".to_owned() }));
        if let Some(disk) = spool.disk() {
            data.faults.set("batch answers", disk.err());
        }
        let finished = done.and_then(|()| {
            spool.finish().map_err(|gone| ApiError::Unreceived { reason: gone.to_string() })
        });
        data.counters.batch(finished.as_ref().map_or_else(ApiError::code, |()| "answered"));
        if let Err(error) = finished {
            // Other errors may tell what stands in the table.
            let reason = match &error {
                ApiError::Internal { reason } | ApiError::Unreceived { reason } => Some(reason),
                _ => None,
            };
            tracing::warn!(code = error.code(), reason, "a batch was not answered to its end");
            told_within(&to_client, error, patience);
        }
        drop(place);
    };
    let thread = std::thread::Builder::new().name("batch".to_owned()).spawn(work);
    thread.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    // A table that cannot be read at all gets a status that says so.
    let first = match from_thread.recv().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(error),
        None => {
            return Err(ApiError::Internal {
                reason: "a batch ended without an answer".to_owned(),
            });
        }
    };
    Ok(HttpResponse::Ok().content_type(form_out.media_type()).streaming(answer(first, from_thread)))
}

/// Tells the client why there is no more, if it takes anything soon.
fn told_within(client: &mpsc::Sender<Piece>, error: ApiError, patience: Duration) {
    let until = Instant::now() + patience;
    let mut piece = Err(error);
    while let Err(TrySendError::Full(kept)) = client.try_send(piece) {
        if Instant::now() > until {
            return;
        }
        piece = kept;
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// That a choice tells what reasons are asked for.
fn tells(choice: &Choice, why: Why) -> Result<(), ApiError> {
    let none = rekindle_models::frame::Rows::new(choice.model().fields.width().max(1));
    if why.reasons > 0 { reasons_of(choice.model(), &none, why).map(drop) } else { Ok(()) }
}

fn form_in(request: &HttpRequest) -> Result<Form, ApiError> {
    let given = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|given| given.to_str().ok())
        .unwrap_or_default();
    Form::of(given).ok_or_else(|| ApiError::UnsupportedMediaType {
        found: match given {
            "" => "a body without a content type".to_owned(),
            given => format!("the content type {given:?}"),
        },
        expected: "Content-Type: text/csv, application/x-ndjson or application/vnd.apache.arrow.stream",
    })
}

/// What can be answered.
const FORMS: &str = "text/csv, application/x-ndjson or application/vnd.apache.arrow.stream";

/// The form that `Accept` likes best; that of the body where it takes anything.
fn form_out(request: &HttpRequest, form_in: Form) -> Result<Form, ApiError> {
    let Some(given) = request.headers().get(ACCEPT) else { return Ok(form_in) };
    let accept = Accept::parse(request).map_err(|_| ApiError::NotAcceptable {
        found: String::from_utf8_lossy(given.as_bytes()).into_owned(),
        expected: FORMS,
    })?;
    if accept.is_empty() {
        return Ok(form_in);
    }
    let refused = |item: &&QualityItem<_>| item.quality == Quality::ZERO;
    let never: Vec<String> =
        accept.iter().filter(refused).map(|item| item.item.to_string()).collect();
    let ranked = accept.ranked();
    let mut liked = ranked.iter().filter(|media| !never.contains(&media.to_string()));
    let form = liked.find_map(|media| match (media.type_().as_str(), media.subtype().as_str()) {
        ("*", "*") => Some(form_in),
        ("text", "*") => Some(Form::Csv),
        ("application", "*") if form_in == Form::Csv => Some(Form::Ndjson),
        ("application", "*") => Some(form_in),
        _ => Form::of(media.essence_str()),
    });
    form.ok_or_else(|| ApiError::NotAcceptable { found: accept.to_string(), expected: FORMS })
}

/// Hands the body on to the thread as it comes; it ends where nothing comes for too long, or so little that the place
/// of a batch would be held for nothing.
fn forward(mut body: web::Payload, patience: Duration) -> Receiver<io::Result<Bytes>> {
    let (to_thread, pieces) = mpsc::channel(PIECES);
    rt::spawn(async move {
        let mut pace = Pace::new(patience);
        while let Some(piece) = pace.next(&mut body).await {
            let ends = piece.is_err();
            if to_thread.send(piece).await.is_err() || ends {
                return;
            }
        }
    });
    pieces
}

/// The body as the thread reads it.
struct Incoming {
    pieces: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let read = buffer.len().min(self.piece.len());
        buffer[..read].copy_from_slice(&self.piece.split_to(read));
        Ok(read)
    }
}

/// The answer as it comes from the thread. When it breaks off, so does the connection: nobody takes half for the whole.
fn answer(
    first: Bytes,
    pieces: Receiver<Piece>,
) -> impl futures_util::Stream<Item = Result<Bytes, Gone>> {
    let rest = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece.map_err(|error| Gone::from(error.to_string())), pieces))
    });
    stream::once(async move { Ok(first) }).chain(rest)
}
