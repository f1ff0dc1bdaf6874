//! Keys from the command that makes them to the caller they stand for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: KeysCommand,
}

/// A folder with a key file that may not be there yet, and a clock.
struct Desk {
    folder: TempDir,
    now: SystemTime,
}

impl Desk {
    fn new() -> Desk {
        let now = humantime::parse_rfc3339("2026-06-01T12:00:00Z").unwrap();
        Desk { folder: tempfile::tempdir().unwrap(), now }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.toml")
    }

    /// What a command prints to standard output.
    fn run(&self, line: &str) -> anyhow::Result<String> {
        let words = ["keys"].into_iter().chain(line.split(' ')).map(str::to_owned);
        let words = words.chain(["--keys".to_owned(), self.path().display().to_string()]);
        let (mut out, mut log) = (Vec::new(), Vec::new());
        Line::try_parse_from(words)?.command.run_at(self.now, &mut out, &mut log)?;
        let out = String::from_utf8(out).unwrap();
        assert!(!String::from_utf8(log).unwrap().contains("rk_"), "a token in the messages");
        Ok(out.trim_end().to_owned())
    }

    fn create(&self, flags: &str) -> String {
        self.run(&format!("create {flags}")).unwrap()
    }

    fn keys(&self) -> Keys {
        Keys::parse(&fs::read_to_string(self.path()).unwrap(), &self.path()).unwrap()
    }

    fn verify(&self, token: &str) -> Result<Caller, Refused> {
        self.keys().verify(token, self.now)
    }

    fn pass(&mut self, time: &str) {
        self.now += humantime::parse_duration(time).unwrap();
    }
}

fn id(token: &str) -> &str {
    claimed_id(token).unwrap()
}

/// The same key with another secret.
fn forged(token: &str) -> String {
    let last = if token.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &token[..token.len() - 1])
}

#[test]
fn a_made_key_is_its_caller_and_another_secret_is_nobody() {
    let desk = Desk::new();
    let token = desk.create("--name shop --scope score,read --per-second 7");
    let caller = desk.verify(&token).unwrap();
    assert_eq!((&*caller.id, &*caller.name), (id(&token), "shop"));
    assert!(caller.allows(Scope::Score) && caller.allows(Scope::Read));
    assert!(!caller.allows(Scope::Plan) && !caller.allows(Scope::Admin));
    assert_eq!(caller.per_second.unwrap().get(), 7);
    assert_eq!(desk.verify(&forged(&token)), Err(Refused::Unknown));
    assert_eq!(desk.verify(&token.replace(id(&token), "00000000")), Err(Refused::Unknown));
    assert_eq!(desk.verify("rk_hello"), Err(Refused::Malformed));
}

#[test]
fn a_key_ends_at_its_time_and_not_before() {
    let mut desk = Desk::new();
    let hours = desk.create("--name a --scope score --expires 2h");
    let date = desk.create("--name b --scope score --expires 2026-06-03");
    desk.now += Duration::from_secs(2 * 3_600 - 1);
    assert!(desk.verify(&hours).is_ok());
    desk.pass("1s");
    assert_eq!(desk.verify(&hours), Err(Refused::Expired));
    assert_eq!(desk.verify(&forged(&hours)), Err(Refused::Unknown));
    desk.pass("33h 59m 59s");
    assert!(desk.verify(&date).is_ok());
    desk.pass("1s");
    assert_eq!(desk.verify(&date), Err(Refused::Expired));
}

#[test]
fn a_revoked_key_is_refused_and_stays_listed() {
    let desk = Desk::new();
    let token = desk.create("--name shop --scope admin");
    desk.run(&format!("revoke {}", id(&token))).unwrap();
    assert_eq!(desk.verify(&token), Err(Refused::Revoked));
    assert_eq!(desk.verify(&forged(&token)), Err(Refused::Unknown));
    assert!(desk.run("list").unwrap().contains("revoked"));
    let again = desk.run(&format!("revoke {}", id(&token))).unwrap_err().to_string();
    assert!(again.contains("already revoked at 2026-06-01T12:00:00Z"), "{again}");
    let unknown = desk.run("revoke 00000000").unwrap_err().to_string();
    assert!(unknown.contains("`keys list`"), "{unknown}");
    // A token in the place of an id names its key and is not repeated.
    let pasted = desk.run(&format!("revoke {token}")).unwrap_err().to_string();
    assert!(pasted.contains("already revoked") && !pasted.contains("rk_"), "{pasted}");
}

#[test]
fn a_rotated_key_works_until_its_grace_is_over() {
    let mut desk = Desk::new();
    let old = desk.create("--name shop --scope plan --per-second 3 --expires 90d");
    desk.pass("80d");
    let new = desk.run(&format!("rotate {} --grace 24h", id(&old))).unwrap();
    let (before, after) = (desk.verify(&old).unwrap(), desk.verify(&new).unwrap());
    assert_ne!(before.id, after.id);
    assert_eq!(Caller { id: before.id.clone(), ..after }, before);
    let twice = desk.run(&format!("rotate {}", id(&old))).unwrap_err().to_string();
    assert!(twice.contains(&format!("already replaced by {}", id(&new))), "{twice}");
    desk.pass("24h");
    assert_eq!(desk.verify(&old), Err(Refused::Expired));
    // The new key has the old one's 90 days from its own beginning.
    desk.pass("88d");
    assert!(desk.verify(&new).is_ok());
    desk.pass("1d");
    assert_eq!(desk.verify(&new), Err(Refused::Expired));
}

#[test]
fn without_grace_a_rotated_key_ends_at_once() {
    let desk = Desk::new();
    let old = desk.create("--name shop --scope score");
    let new = desk.run(&format!("rotate {}", id(&old))).unwrap();
    assert_eq!(desk.verify(&old), Err(Refused::Expired));
    assert!(desk.verify(&new).is_ok());
    let dead = desk
        .run(&format!("revoke {}", id(&new)))
        .and_then(|_| desk.run(&format!("rotate {}", id(&new))));
    assert!(dead.unwrap_err().to_string().contains("is revoked; make a new one"));
}

#[test]
fn neither_file_nor_lists_nor_debug_output_hold_a_secret() {
    let desk = Desk::new();
    let token = desk.create("--name shop --scope score");
    let secret = token.rsplit('_').next().unwrap();
    let file = fs::read_to_string(desk.path()).unwrap();
    assert!(!file.contains(secret));
    let hash = blake3::hash(secret.as_bytes()).to_string();
    assert!(file.contains(&hash));
    let json = desk.run("list --json").unwrap();
    let ring = KeyRing::open(&desk.path()).unwrap();
    let shown = format!("{json} {} {ring:?} {:?}", desk.run("list").unwrap(), desk.verify(&token));
    assert!(!shown.contains(secret) && !shown.contains(&hash), "{shown}");
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(listed[0]["state"], "active");
    assert_eq!(listed[0]["scopes"][0], "score");
}

#[test]
fn commands_at_the_same_time_lose_no_key() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| drop(desk.create("--name x --scope score"))));
        }
    });
    assert_eq!(desk.keys().len(), 40);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_keeps_a_group_that_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.create("--name a --scope score");
    let mode = || fs::metadata(desk.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    fs::set_permissions(desk.path(), fs::Permissions::from_mode(0o644)).unwrap();
    desk.create("--name b --scope score");
    assert_eq!(mode(), 0o640);
    // A link stays a link.
    let real = desk.folder.path().join("real.toml");
    fs::rename(desk.path(), &real).unwrap();
    std::os::unix::fs::symlink(&real, desk.path()).unwrap();
    desk.create("--name c --scope score");
    assert!(fs::symlink_metadata(desk.path()).unwrap().is_symlink());
    assert_eq!(desk.keys().len(), 3);
}

#[test]
fn a_ring_takes_changed_keys_and_keeps_the_old_ones_over_a_damaged_file() {
    let desk = Desk::new();
    let first = desk.create("--name a --scope score");
    let ring = KeyRing::open(&desk.path()).unwrap();
    assert!(!ring.reload_if_changed().unwrap());
    let second = desk.create("--name b --scope score");
    assert_eq!(ring.verify(&second, desk.now), Err(Refused::Unknown));
    assert!(ring.reload_if_changed().unwrap());
    assert!(ring.verify(&second, desk.now).is_ok());
    fs::write(desk.path(), "version = 1\n[[keys]]\nid = 5\n").unwrap();
    assert!(ring.reload_if_changed().is_err());
    assert!(ring.reload_if_changed().is_err());
    fs::remove_file(desk.path()).unwrap();
    assert!(ring.reload_if_changed().is_err());
    assert!(ring.verify(&first, desk.now).is_ok());
    assert_eq!(ring.current().len(), 2);
}

#[test]
fn a_file_that_is_not_sound_is_refused_with_its_place() {
    let desk = Desk::new();
    desk.create("--name shop --scope score --per-second 5");
    let good = fs::read_to_string(desk.path()).unwrap();
    let check = |from: &str, to: &str, expected: &str| {
        assert!(good.contains(from), "{from} in {good}");
        let error = Keys::parse(&good.replace(from, to), Path::new("k.toml")).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("key file k.toml: ") && error.contains(expected), "{error}");
        let hash = good.lines().find(|line| line.starts_with("hash")).unwrap();
        assert!(!error.contains(&hash[10..30]), "{error}");
    };
    check("version = 1", "version = 2", "version: found version 2, expected version 1");
    check("name = ", "nmae = ", "unknown field `nmae`");
    check("name = \"shop\"", "name = \"\"", "key 1 (): found name \"\", expected 1 to 64");
    check("[\"score\"]", "[]", "key 1 (shop): found no scopes");
    check("[\"score\"]", "[\"sorce\"]", "line 7: found unknown variant `sorce`");
    check("per_second = 5", "per_second = 0", "line 9: found invalid value: integer `0`");
    check("2026-06-01T12:00:00Z", "yesterday", "found time \"yesterday\", expected UTC like");
    check("hash = \"", "hash = \"0", "found another hash, expected 64");
    check("hash = \"", "hash = ", "expected a key file");
    let keys = good.split_once("[[keys]]").unwrap().1;
    let twice = format!("{good}\n[[keys]]{keys}");
    let error = Keys::parse(&twice, Path::new("k.toml")).unwrap_err().to_string();
    assert!(error.contains("key 2: found id ") && error.contains(" twice"), "{error}");
}

#[test]
fn a_command_that_is_refused_leaves_the_file_as_it_was() {
    let desk = Desk::new();
    for (line, expected) in [
        ("create --name a --scope score --expires 2020-01-01", "lies in the past"),
        ("create --name a --scope score --expires soon", "expected a time like 90d"),
        ("create --name a --scope score --expires 9000y", "after the year 9999"),
        ("create --name a --scope write", "possible values: score, read, plan, admin"),
        ("create --name a", "--scope"),
        ("revoke 00000000", "keys create"),
        ("list", "No such file"),
    ] {
        let error = desk.run(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected} in {error}");
        assert!(!desk.path().exists());
    }
    desk.create("--name a --scope score");
    fs::write(desk.path(), "version = 1\nrest = 0\n").unwrap();
    assert!(desk.run("create --name b --scope score").is_err());
    assert_eq!(fs::read_to_string(desk.path()).unwrap(), "version = 1\nrest = 0\n");
}
