//! A file of customers: sent, and what is wrong with it where it cannot be scored. What came of it is told by `scored`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

use actix_multipart::Multipart;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::web::{self, Bytes};
use futures_util::stream;
use maud::{Markup, html};

use crate::error::ApiError;
use crate::fields::{KnownField, Role};
use crate::keys::Scope;
use crate::model::{Model, Served};
use crate::pages::empty;
use crate::pages::frame::{self, Section};
use crate::pages::locale::{count, size};
use crate::pages::scored;
use crate::pages::uploaded::Spooled;
use crate::pages::visitor::Visitor;
use crate::scored_file::{self, Columns, Order, Refused};
use crate::scoring::Choice;
use crate::state::AppState;

/// Columns of a model that are named.
const COLUMNS: usize = 300;
/// Levels of a column that are named.
const LEVELS: usize = 8;
/// Bytes at a file's beginning that tell what it is.
const BEGINNING: usize = 4_096;
/// Bytes of a scored file handed on at a time.
const PIECE: u64 = 256 << 10;

/// The form.
pub async fn form(state: web::Data<AppState>, visitor: Visitor) -> HttpResponse {
    shown(&state, &visitor, None, html! {})
}

/// The form, and above it what became of a file.
fn shown(state: &AppState, visitor: &Visitor, chosen: Option<&str>, told: Markup) -> HttpResponse {
    let texts = &visitor.texts().score;
    let served = state.models.served();
    let limit = Spooled::limit(state) as u64;
    let body = html! {
        div.heading { h1 { (texts.title) } p.lead { (texts.what) } }
        (told)
        @if served.is_empty() {
            (empty::no_model(visitor))
        } @else {
            form.card method="post" action="/score" enctype="multipart/form-data" data-upload=(limit)
                data-sending=(texts.sending) data-scoring=(texts.scoring) data-broke-off=(texts.broke_off)
                data-too-long=((texts.too_long)(&size(limit))) {
                (frame::form_token(visitor))
                label { (texts.model)
                    select name="model" {
                        @for name in served.keys() {
                            option value=(name) selected[chosen == Some(name)] { (name) }
                        }
                    }
                }
                label.drop { (texts.drop)
                    input type="file" name="file" required accept=".csv,text/csv" aria-describedby="limit";
                }
                p.note #limit { ((texts.limit)(&size(limit))) }
                div.actions { button.primary type="submit" { (texts.send) } }
                div.sending hidden { progress max="1" {} p role="status" {} }
            }
            section aria-labelledby="how" {
                h2 #how { (texts.how) }
                ol { @for step in texts.steps { li { (step) } } }
                @for one in served.values() { (expected(visitor, &one.current)) }
            }
        }
    };
    frame::page(visitor, Section::Score, texts.title, body)
}

/// The columns that a model knows.
fn expected(visitor: &Visitor, model: &Model) -> Markup {
    let texts = &visitor.texts().score;
    let features = model.fields.features();
    let left = features.len().saturating_sub(COLUMNS);
    html! {
        details {
            summary { ((texts.expected)(model.name(), &count(features.len() as u64))) }
            p {
                @match &model.manifest.id_column {
                    Some(id) => ((texts.id_is)(id)),
                    None => (texts.no_id),
                }
            }
            div.box tabindex="0" role="region" aria-label=((texts.expected)(model.name(), &count(features.len() as u64))) {
                table {
                    thead { tr { th scope="col" { (texts.column) } th scope="col" { (texts.kind) } } }
                    tbody {
                        @for field in features.iter().take(COLUMNS) {
                            tr { th scope="row" { (field.name) } td { (kind(visitor, field)) } }
                        }
                    }
                }
            }
            @if left > 0 { p.note { ((texts.and_more)(&count(left as u64))) } }
        }
    }
}

fn kind(visitor: &Visitor, field: &KnownField) -> String {
    let texts = &visitor.texts().score;
    match &field.role {
        Role::Numeric => texts.number.to_owned(),
        Role::Boolean => texts.boolean.to_owned(),
        Role::Date(format) if format.0.is_empty() => (texts.date)("2026-03-01"),
        Role::Date(format) => (texts.date)(&format.0),
        Role::Categorical(levels) => {
            let mut names: Vec<&str> = levels.keys().map(|level| &**level).collect();
            names.sort_unstable();
            let left = names.len().saturating_sub(LEVELS);
            names.truncate(LEVELS);
            let mut told = (texts.levels)(&names.join(", "));
            if left > 0 {
                told.push_str(", ");
                told.push_str(&(texts.and_more)(&count(left as u64)));
            }
            told
        }
        Role::Id | Role::Ignored => String::new(),
    }
}

/// Why a file was not scored.
#[derive(Debug, PartialEq)]
enum Trouble {
    NoFile,
    Empty,
    Packed,
    Binary,
    Separator,
    NoRows,
    ModelGone(String),
    TooLarge(usize),
    /// It is no table, with the reader's words.
    Table(String),
}

impl Trouble {
    fn status(&self) -> StatusCode {
        match self {
            Trouble::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn said(&self, visitor: &Visitor) -> String {
        let texts = &visitor.texts().score;
        match self {
            Trouble::NoFile => texts.no_file.to_owned(),
            Trouble::Empty => texts.empty.to_owned(),
            Trouble::Packed => texts.packed.to_owned(),
            Trouble::Binary => texts.binary.to_owned(),
            Trouble::Separator => texts.separator.to_owned(),
            Trouble::NoRows => texts.no_rows.to_owned(),
            Trouble::ModelGone(model) => (texts.model_gone)(model),
            Trouble::TooLarge(limit) => (texts.too_large)(&size(*limit as u64)),
            Trouble::Table(reason) if reason.contains(" stands twice") => texts.twice.to_owned(),
            Trouble::Table(_) => texts.no_table.to_owned(),
        }
    }

    /// What a file that begins so can not be scored for, whatever the model.
    fn at_sight(beginning: &[u8]) -> Option<Trouble> {
        const PACKED: [&[u8]; 4] =
            [b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"\x28\xb5\x2f\xfd"];
        if PACKED.iter().any(|magic| beginning.starts_with(magic)) {
            return Some(Trouble::Packed);
        }
        // Text of two bytes a letter has them, too.
        if beginning.contains(&0) {
            return Some(Trouble::Binary);
        }
        let header = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let other = header.contains(&b';') || header.contains(&b'\t');
        (other && !header.contains(&b',')).then_some(Trouble::Separator)
    }
}

/// Scores a file and tells what came of it.
pub async fn send(
    state: web::Data<AppState>,
    visitor: Visitor,
    form: Multipart,
) -> Result<HttpResponse, ApiError> {
    // It is taken before the file, so that no more files come in than are scored.
    let Ok(place) = state.batches.clone().try_acquire_owned() else {
        state.counters.shed("batches");
        return Err(ApiError::Overloaded);
    };
    let sent = match Spooled::read(&state, &visitor, form).await {
        Ok(sent) => sent,
        Err(ApiError::BodyTooLarge { limit }) => {
            return Ok(refused(&state, &visitor, None, (Trouble::TooLarge(limit), None)));
        }
        Err(error) => return Err(error),
    };
    let model = sent.get("model").filter(|name| !name.is_empty()).map(str::to_owned);
    let chosen = model.as_deref();
    let served = match found(&state, &sent) {
        Ok(served) => served,
        Err(trouble) => return Ok(refused(&state, &visitor, chosen, (trouble, None))),
    };
    let people = visitor.may(Scope::Read).then(|| state.people.now()).flatten();
    let order =
        Order { choice: Choice::Served(Arc::clone(&served)), language: visitor.language, people };
    let Spooled { name, file, .. } = sent;
    match scored_file::score(&state, place, order, file).await {
        Ok(scored) if scored.trailer.rows == 0 => {
            let told = (Trouble::NoRows, Some(Box::new(scored.columns)));
            Ok(refused(&state, &visitor, chosen, told))
        }
        Ok(scored) => scored::page(&state, &visitor, &served.current, name.as_deref(), scored),
        Err(Refused { error, columns }) => {
            let trouble = match error {
                ApiError::InvalidTable { reason } => Trouble::Table(reason),
                ApiError::BodyTooLarge { limit } => Trouble::TooLarge(limit),
                error => return Err(error),
            };
            Ok(refused(&state, &visitor, chosen, (trouble, columns)))
        }
    }
}

/// The model that a form names, once its file may be a table.
fn found(state: &AppState, sent: &Spooled) -> Result<Arc<Served>, Trouble> {
    let name = sent.get("model").filter(|name| !name.is_empty());
    let gone = || Trouble::ModelGone(name.unwrap_or_default().chars().take(80).collect());
    if sent.bytes == 0 {
        return Err(if sent.name.is_none() { Trouble::NoFile } else { Trouble::Empty });
    }
    let mut beginning = vec![0; BEGINNING.min(sent.bytes as usize)];
    let read = sent.file.read_exact_at(&mut beginning, 0);
    match read.ok().and_then(|()| Trouble::at_sight(&beginning)) {
        Some(trouble) => Err(trouble),
        None => state.models.find(name).map_err(|_| gone()),
    }
}

/// The form again, with what is wrong.
fn refused(
    state: &AppState,
    visitor: &Visitor,
    chosen: Option<&str>,
    (trouble, columns): (Trouble, Option<Box<Columns>>),
) -> HttpResponse {
    let texts = &visitor.texts().score;
    let told = html! {
        div.card.bad role="alert" {
            p { strong { (texts.refused) } }
            p { (trouble.said(visitor)) }
            @if let Trouble::Table(reason) = &trouble { p lang="en" { (reason) } }
        }
        @if let Some(columns) = &columns { (scored::columns(visitor, columns)) }
    };
    let mut response = shown(state, visitor, chosen, told);
    *response.status_mut() = trouble.status();
    response
}

/// A scored file, for the session that sent it.
pub async fn download(
    state: web::Data<AppState>,
    visitor: Visitor,
    name: web::Path<String>,
) -> HttpResponse {
    let Some((file, bytes)) = state.kept_files.find(&visitor.form_token, &name, Instant::now())
    else {
        let (title, advice) = visitor.texts().score.gone;
        let again = visitor.texts().score.another;
        let body = html! {
            div.empty { h1 { (title) } p { (advice) } p { a href="/score" { (again) } } }
        };
        let mut response = frame::page(&visitor, Section::Score, title, body);
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let pieces = stream::unfold(0, move |at| {
        let file = Arc::clone(&file);
        async move {
            match at < bytes {
                true => Some(piece(file, at, bytes).await),
                false => None,
            }
        }
    });
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"scored.csv\""))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(pieces))
}

/// A piece of a file, and where the next one begins.
async fn piece(file: Arc<File>, at: u64, end: u64) -> (std::io::Result<Bytes>, u64) {
    let length = PIECE.min(end - at);
    let read = web::block(move || {
        let mut piece = vec![0; length as usize];
        file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece))
    });
    let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())));
    // A file that cannot be read breaks the download off, so that nobody takes half for the whole.
    let next = if read.is_ok() { at + length } else { end };
    (read, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_with_commas_is_seen_at_its_beginning() {
        let check = |beginning: &[u8], expected| assert_eq!(Trouble::at_sight(beginning), expected);
        check(b"customer,spend\n1,2\n", None);
        check(b"spend\n2;3\n", None);
        check(b"customer;spend\n1;2,5\n", Some(Trouble::Separator));
        check(b"customer\tspend\n", Some(Trouble::Separator));
        check(b"a,\"b;c\"\n", None);
        check(b"PK\x03\x04...", Some(Trouble::Packed));
        check(b"\x1f\x8b\x08", Some(Trouble::Packed));
        check(b"c\0u\0s\0", Some(Trouble::Binary));
    }
}
