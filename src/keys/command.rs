//! `rekindle-server keys`: makes, lists, withdraws and replaces keys in a key file. Talks to no
//! running service; one that runs reads the changed file by itself.

use std::convert::Infallible;
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

use super::file::{self, Record, shown};
use super::scope::{Scope, Scopes};
use super::token::Token;
use super::verify::claimed_id;

/// Make and manage API keys
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key and print its token, this once, to standard output
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// List the keys; tokens are not kept and cannot be shown
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Withdraw a key for good
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(Revoke),
    /// Make a key in another's place, with its name, scopes, rate and lifetime
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(Rotate),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  rekindle-server keys create --keys keys.toml --name shop --scope score
  rekindle-server keys create --keys keys.toml --name crm --scope score,read --expires 90d
  rekindle-server keys create --keys keys.toml --name ops --scope admin --expires 2027-01-31
  TOKEN=$(rekindle-server keys create --keys keys.toml --name batch --scope score --per-second 100)
  curl -H \"Authorization: Bearer $TOKEN\" -d @customer.json localhost:8080/v1/score";

const LIST_EXAMPLES: &str = "\
Examples:
  rekindle-server keys list --keys keys.toml
  rekindle-server keys list --keys keys.toml --json | jq -r '.[] | select(.state == \"active\") | .id'";

const REVOKE_EXAMPLES: &str = "\
Examples:
  rekindle-server keys revoke 5f0c1d9e82ab --keys keys.toml";

const ROTATE_EXAMPLES: &str = "\
Examples:
  rekindle-server keys rotate 5f0c1d9e82ab --keys keys.toml               # the old key ends at once
  rekindle-server keys rotate 5f0c1d9e82ab --keys keys.toml --grace 24h   # both work for a day";

/// Which key file.
#[derive(Debug, Args)]
struct Place {
    /// The key file
    #[arg(long, env = "REKINDLE_KEYS", value_name = "FILE")]
    keys: PathBuf,
}

/// Flags of `keys create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    place: Place,
    /// What people call the key: who uses it, for what
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// What it may do; admin includes the others
    #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPE,...")]
    scope: Vec<Scope>,
    /// When it ends: after a time like 90d or 12h, or at a date's start in UTC [default: never]
    #[arg(long, value_name = "TIME", value_parser = end)]
    expires: Option<End>,
    /// Requests a second [default: the service's]
    #[arg(long, value_name = "COUNT")]
    per_second: Option<NonZeroU32>,
}

/// Flags of `keys list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Flags of `keys revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The key's id, as `keys list` shows it
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    place: Place,
}

/// Flags of `keys rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The key's id, as `keys list` shows it
    #[arg(value_parser = id)]
    id: String,
    #[command(flatten)]
    place: Place,
    /// How long the old key still works, like 24h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "0s")]
    grace: Duration,
    /// When the new key ends [default: it lives as long as the old one was meant to]
    #[arg(long, value_name = "TIME", value_parser = end)]
    expires: Option<End>,
}

/// When a key ends, as typed.
#[derive(Debug, Clone, Copy)]
enum End {
    After(Duration),
    At(SystemTime),
}

impl KeysCommand {
    /// Does it: a token or a list to standard output, what was done to standard error.
    ///
    /// # Errors
    /// When the key file cannot be read or written, or holds no such key.
    pub fn run(self) -> anyhow::Result<()> {
        self.run_at(SystemTime::now(), &mut io::stdout().lock(), &mut io::stderr().lock())
    }

    /// [`KeysCommand::run`] with its clock and its outputs.
    pub(super) fn run_at(
        self,
        now: SystemTime,
        out: &mut dyn Write,
        log: &mut dyn Write,
    ) -> anyhow::Result<()> {
        match self {
            KeysCommand::Create(command) => create(command, now, out, log),
            // Whoever reads the list may have seen enough.
            KeysCommand::List(command) => match out.write_all(list(&command, now)?.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(()),
            },
            KeysCommand::Revoke(command) => revoke(&command, now, log),
            KeysCommand::Rotate(command) => rotate(&command, now, out, log),
        }
    }
}

fn create(
    command: Create,
    now: SystemTime,
    out: &mut dyn Write,
    log: &mut dyn Write,
) -> anyhow::Result<()> {
    let expires = command.expires.map(|end| end.from(now)).transpose()?;
    let token = file::edit(&command.place.keys, |records| {
        add(records, |token| Record {
            id: token.id().to_owned(),
            name: command.name,
            scopes: Scopes::of(&command.scope),
            created: now,
            expires,
            revoked: None,
            replaced_by: None,
            per_second: command.per_second,
            hash: token.hash(),
        })
    })?;
    writeln!(log, "made key {} in {}", token.id(), command.place.keys.display())?;
    hand_over(&token, out, log)
}

/// Adds a record for a token whose id is new.
fn add(records: &mut Vec<Record>, record: impl FnOnce(&Token) -> Record) -> anyhow::Result<Token> {
    let token = loop {
        let token = Token::draw()?;
        if records.iter().all(|record| record.id != token.id()) {
            break token;
        }
    };
    records.push(record(&token));
    Ok(token)
}

fn hand_over(token: &Token, out: &mut dyn Write, log: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(log, "its token is shown this once and kept nowhere; send it as a Bearer token:")?;
    writeln!(out, "{}", token.reveal()).with_context(|| {
        format!("failed to print the token; revoke key {} and make another", token.id())
    })?;
    Ok(())
}

/// A line of `keys list --json`.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    scopes: Vec<Scope>,
    state: &'static str,
    created: String,
    expires: Option<String>,
    revoked: Option<String>,
    replaced_by: Option<&'a str>,
    per_second: Option<NonZeroU32>,
}

fn list(command: &List, now: SystemTime) -> anyhow::Result<String> {
    let path = &command.place.keys;
    let records = file::parse(&file::text(path)?, path)?;
    if command.json {
        let listed: Vec<Listed> = records.iter().map(|record| listed(record, now)).collect();
        return Ok(serde_json::to_string_pretty(&listed)? + "\n");
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ID", "NAME", "SCOPES", "STATE", "CREATED", "EXPIRES", "PER SECOND"]);
    for record in &records {
        let row = listed(record, now);
        table.add_row([
            row.id.to_owned(),
            row.name.to_owned(),
            record.scopes.to_string(),
            row.state.to_owned(),
            row.created,
            row.expires.unwrap_or_else(|| "never".to_owned()),
            row.per_second.map_or_else(|| "default".to_owned(), |rate| rate.to_string()),
        ]);
    }
    Ok(format!("{table}\n"))
}

fn listed(record: &Record, now: SystemTime) -> Listed<'_> {
    Listed {
        id: &record.id,
        name: &record.name,
        scopes: record.scopes.iter().collect(),
        state: state(record, now),
        created: shown(record.created),
        expires: record.expires.map(shown),
        revoked: record.revoked.map(shown),
        replaced_by: record.replaced_by.as_deref(),
        per_second: record.per_second,
    }
}

fn state(record: &Record, now: SystemTime) -> &'static str {
    match record {
        Record { revoked: Some(_), .. } => "revoked",
        Record { expires: Some(end), .. } if now >= *end => "expired",
        _ => "active",
    }
}

fn revoke(command: &Revoke, now: SystemTime, log: &mut dyn Write) -> anyhow::Result<()> {
    let path = &command.place.keys;
    // A file that is not there is an error, not a new file.
    file::text(path)?;
    let name = file::edit(path, |records| {
        let record = find(records, &command.id, path)?;
        if let Some(at) = record.revoked {
            bail!("key {} was already revoked at {}", record.id, shown(at));
        }
        record.revoked = Some(now);
        Ok(record.name.clone())
    })?;
    writeln!(log, "revoked key {} ({name}) in {}", command.id, path.display())?;
    Ok(())
}

fn rotate(
    command: &Rotate,
    now: SystemTime,
    out: &mut dyn Write,
    log: &mut dyn Write,
) -> anyhow::Result<()> {
    let path = &command.place.keys;
    file::text(path)?;
    let grace_ends = End::After(command.grace).from(now)?;
    let (token, old_ends) = file::edit(path, |records| {
        let old = find(records, &command.id, path)?.clone();
        if let Some(successor) = &old.replaced_by {
            bail!("key {} was already replaced by {successor}; rotate that one", old.id);
        }
        if state(&old, now) != "active" {
            bail!("key {} is {}; make a new one with `keys create`", old.id, state(&old, now));
        }
        let expires = match (command.expires, old.expires) {
            (Some(end), _) => Some(end.from(now)?),
            (None, Some(end)) => {
                let lifetime = end.duration_since(old.created).unwrap_or_default();
                Some(End::After(lifetime).from(now)?)
            }
            (None, None) => None,
        };
        let token = add(records, |token| Record {
            id: token.id().to_owned(),
            hash: token.hash(),
            created: now,
            expires,
            ..old
        })?;
        let old = find(records, &command.id, path)?;
        let old_ends = old.expires.map_or(grace_ends, |end| end.min(grace_ends));
        old.expires = Some(old_ends);
        old.replaced_by = Some(token.id().to_owned());
        Ok((token, old_ends))
    })?;
    let (new, old) = (token.id(), &command.id);
    writeln!(log, "made key {new} in {}; key {old} ends at {}", path.display(), shown(old_ends))?;
    hand_over(&token, out, log)
}

fn find<'a>(records: &'a mut [Record], id: &str, path: &Path) -> anyhow::Result<&'a mut Record> {
    records.iter_mut().find(|record| record.id == id).with_context(|| {
        format!("no key {id:?} in {}; `keys list` shows their ids", path.display())
    })
}

impl End {
    /// The moment, from `now` on.
    fn from(self, now: SystemTime) -> anyhow::Result<SystemTime> {
        let at = match self {
            End::After(time) => now.checked_add(time),
            End::At(at) if at <= now => bail!("--expires {} lies in the past", shown(at)),
            End::At(at) => Some(at),
        };
        // The last moment that RFC 3339 can write.
        let last = humantime::parse_rfc3339("9999-12-31T23:59:59Z").expect("a valid date");
        at.filter(|at| *at <= last).context("that is after the year 9999; leave the limit out")
    }
}

fn end(text: &str) -> Result<End, String> {
    let date = humantime::parse_rfc3339(text)
        .or_else(|_| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")));
    date.map(End::At).or_else(|_| humantime::parse_duration(text).map(End::After)).map_err(|_| {
        "expected a time like 90d, a date like 2027-01-31, or both parts as \
             2027-01-31T12:00:00Z"
            .to_owned()
    })
}

/// An id, also out of a whole token that somebody pasted: no message shall repeat its secret.
fn id(text: &str) -> Result<String, Infallible> {
    Ok(claimed_id(text).unwrap_or(text).to_owned())
}

fn name(text: &str) -> Result<String, String> {
    match file::is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected {}", file::NAME_RULE)),
    }
}
