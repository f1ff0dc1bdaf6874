//! The pages that score a file and that show models: what they say, and what they refuse.

use std::fs;

use rekindle::settings::Secret;
use rekindle_models::artifact::{Artifact, Registry, VerdictEntry};
use rekindle_store::Store;
use serde_json::json;
use tempfile::TempDir;

use crate::app::{App, registry_of, spawn_app, spawn_app_with};
use crate::client::{self, Reply, until};
use crate::security::create;
use crate::small_model;

/// The value of an attribute behind a place of a page.
fn value<'p>(page: &'p str, behind: &str, attribute: &str) -> &'p str {
    let rest = page.split_once(behind).unwrap_or_else(|| panic!("no {behind} in {page}")).1;
    let rest = rest.split_once(&format!("{attribute}=\"")).unwrap().1;
    rest.split('"').next().unwrap()
}

fn token(page: &str) -> String {
    value(page, "name=\"form_token\"", "value").to_owned()
}

/// A browser: its cookie and language.
#[derive(Default)]
struct Browser {
    cookie: String,
    language: &'static str,
}

impl Browser {
    fn headers(&self) -> Vec<(&str, &str)> {
        vec![("cookie", self.cookie.as_str()), ("accept-language", self.language)]
    }

    fn get(&self, app: &App, path: &str) -> Reply {
        client::get(&format!("{}{path}", app.url), &self.headers())
    }

    fn post(&self, app: &App, path: &str, kind: &str, body: &[u8]) -> Reply {
        let mut headers = self.headers();
        headers.extend([("origin", app.url.as_str()), ("content-type", kind)]);
        client::post(&format!("{}{path}", app.url), &headers, body)
    }

    /// Sends a form.
    fn act(&self, app: &App, path: &str, token: &str, fields: &str) -> Reply {
        let body = format!("form_token={token}&{fields}");
        self.post(app, path, "application/x-www-form-urlencoded", body.as_bytes())
    }

    /// Sends a file to be scored.
    fn send(&self, app: &App, token: &str, model: &str, name: &str, file: &[u8]) -> Reply {
        let part = |name: &str, value: &str| {
            format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let mut body = part("form_token", token) + &part("model", model);
        body += &format!(
            "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: text/csv\r\n\r\n"
        );
        let body = [body.as_bytes(), file, b"\r\n--cut--\r\n"].concat();
        self.post(app, "/score", "multipart/form-data; boundary=cut", &body)
    }

    /// Sends a file with the token of the form.
    fn score(&self, app: &App, file: &[u8]) -> Reply {
        let token = token(&self.get(app, "/score").text());
        self.send(app, &token, "churn", "spring.csv", file)
    }
}

/// A downloaded file's rows, its header first.
fn rows(reply: &Reply) -> Vec<Vec<String>> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let text = text.strip_prefix('\u{feff}').expect("spreadsheets see that it is UTF-8");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

const FILE: &str = "\
customer,recency_days,Spend,plan,lapse_tier,colour
c1,90,30,gold,dormant,red
<script>alert(1)</script>,1,30,basic,awake,red
c3,soon,30,gold,awake,red
=1+1,5,30,silver,,red
";

#[test]
fn a_file_is_scored_and_comes_back_with_what_was_wrong() {
    let (app, browser) = (spawn_app(), Browser::default());
    let reply = browser.score(&app, FILE.as_bytes());
    let page = reply.text();
    assert_eq!(reply.status, 200, "{page}");
    assert!(page.contains("spring.csv") && page.contains("did you mean spend?"), "{page}");
    assert!(page.contains("colour") && page.contains("subscribed"), "{page}");
    // Line 4 is told by its number, field, what was found and what was expected.
    assert!(page.contains("<th class=\"number\" scope=\"row\">4</th>"), "{page}");
    assert!(page.contains("text &quot;soon&quot;") && page.contains("a number or a missing cell"));
    assert!(page.contains("silver"), "a level that was never seen is told: {page}");
    // What a file holds is a text wherever it stands.
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");

    let path = value(&page, "class=\"button primary\"", "href").to_owned();
    let file = rows(&browser.get(&app, &path));
    assert_eq!(
        file[0],
        [
            "line",
            "customer",
            "probability",
            "percentile",
            "positive",
            "lapse_tier",
            "reason",
            "advice",
            "channel",
            "error"
        ]
    );
    assert_eq!((&*file[1][0], &*file[1][1], &*file[1][5]), ("2", "c1", "dormant"));
    assert_eq!((&*file[4][1], &*file[4][5]), ("'=1+1", ""), "no spreadsheet works it out");
    assert_eq!((&*file[3][2], file[3][9].contains("recency_days")), ("", true), "{:?}", file[3]);
    // The same scorer as the API's.
    let row = "customer,recency_days,plan\nc1,90,gold\n";
    let api = client::post(
        &format!("{}/v1/score/batch", app.url),
        &[("content-type", "text/csv")],
        row.as_bytes(),
    );
    let probability = api.text().lines().nth(1).unwrap().split(',').nth(3).unwrap().to_owned();
    assert_eq!(file[1][2], probability);
}

#[test]
fn a_page_speaks_chinese_to_who_reads_it() {
    let (app, browser) = (spawn_app(), Browser { language: "zh-CN", ..Browser::default() });
    let page = browser.score(&app, FILE.as_bytes()).text();
    assert!(page.contains("无法读取的行") && page.contains("是否指 spend？"), "{page}");
}

#[test]
fn files_that_are_no_table_are_refused_with_what_to_do() {
    let (app, browser) =
        (spawn_app_with(churn(), |s| s.max_body_bytes = 4_096), Browser::default());
    let form = token(&browser.get(&app, "/score").text());
    let check = |name: &str, file: &[u8], status: u16, told: &str| {
        let reply = browser.send(&app, &form, "churn", name, file);
        let page = reply.text();
        assert_eq!(reply.status, status, "{told}: {page}");
        assert!(page.contains(told) && page.contains("role=\"alert\""), "{told}: {page}");
        assert!(page.contains("type=\"file\""), "the form stands there again: {page}");
    };
    check("", b"", 422, "No file was chosen");
    check("a.csv", b"", 422, "The file is empty");
    check("a.xlsx", b"PK\x03\x04rest", 422, "packed file or a spreadsheet");
    check("a.csv", b"c\0u\0s\0t\0", 422, "This is not text");
    check("a.csv", b"customer;spend\n1;2\n", 422, "not separated by commas");
    check("a.csv", b"customer,spend\n", 422, "no customers below it");
    check("a.csv", b"spend,spend\n1,2\n", 422, "a name of its own");
    check("a.csv", b"colour,Spend\nred,2\n", 422, "did you mean spend?");
    check("a.csv", &b"spend\n1\n".repeat(16_384), 413, "larger than 64 KiB");
    let reply = browser.send(&app, &form, "gone", "a.csv", b"spend\n1\n");
    assert!(reply.status == 422 && reply.text().contains("no model gone any more"));
    let reply = browser.send(&app, &form, "churn", "a.csv", b"customer,spend\nc1,x\nc2,y\n");
    let page = reply.text();
    assert!(reply.status == 422 && page.contains("No line could be read"), "{page}");
    assert!(!page.contains("/score/files/"), "{page}");
    // An unclosed quote: what stands before it was scored, and that is said.
    let reply = browser.send(&app, &form, "churn", "a.csv", b"customer,spend\nc1,1\n\"c2,3\n");
    let page = reply.text();
    assert!(reply.status == 200 && page.contains("could not be read to its end"), "{page}");
}

fn churn() -> TempDir {
    registry_of(&[small_model::artifact("churn", 0.0)])
}

#[test]
fn a_file_is_taken_from_our_own_form_alone() {
    let (app, browser) = (spawn_app(), Browser::default());
    let form = token(&browser.get(&app, "/score").text());
    let foreign = browser.send(&app, "0000", "churn", "a.csv", b"spend\n1\n");
    assert_eq!(foreign.status, 403, "{}", foreign.text());
    let none = browser.post(&app, "/score", "multipart/form-data; boundary=cut", b"--cut--\r\n");
    assert_eq!(none.status, 403, "{}", none.text());
    let kind = ("content-type", "multipart/form-data; boundary=cut");
    let headers = [("origin", "https://evil.example"), kind];
    assert_eq!(client::post(&format!("{}/score", app.url), &headers, b"--cut--\r\n").status, 403);
    assert_eq!(browser.send(&app, &form, "churn", "a.csv", b"spend\n1\n").status, 200);
    let gone = browser.get(&app, "/score/files/0123");
    assert!(gone.status == 404 && gone.text().contains("not kept any more"), "{}", gone.text());
}

/// The service with keys, and a browser that has signed in for each scope.
fn signed_in<const N: usize>(
    registry: TempDir,
    folder: &TempDir,
    scopes: [&str; N],
) -> (App, [Browser; N]) {
    let file = folder.path().join("keys.toml");
    let keys = scopes.map(|scope| create(&file, scope, &[]));
    let app = spawn_app_with(registry, |settings| {
        settings.keys = Some(file);
        settings.audit_log = Some(folder.path().join("audit.log"));
    });
    let browsers = keys.map(|key| {
        let stranger = Browser::default();
        let form = token(&stranger.get(&app, "/sign-in").text());
        let reply = stranger.act(&app, "/sign-in", &form, &format!("key={key}&next=/"));
        assert_eq!(reply.status, 303, "{}", reply.text());
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Browser { cookie, ..Browser::default() }
    });
    (app, browsers)
}

#[test]
fn a_scored_file_is_for_the_session_that_sent_it() {
    let folder = tempfile::tempdir().unwrap();
    let (app, [one, other, reader]) = signed_in(churn(), &folder, ["score", "score", "read"]);
    let page = one.score(&app, FILE.as_bytes()).text();
    let path = value(&page, "class=\"button primary\"", "href").to_owned();
    assert_eq!(one.get(&app, &path).status, 200);
    assert_eq!(other.get(&app, &path).status, 404);
    assert_eq!(reader.get(&app, &path).status, 403);
    assert_eq!(reader.get(&app, "/score").status, 403);
    assert_eq!(Browser::default().get(&app, &path).status, 303);
}

#[test]
fn tiers_and_advice_come_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.db").display().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { Store::open(&file).await.unwrap().close().await });
    let app = spawn_app_with(churn(), |settings| settings.store = Some(Secret(file)));
    until("the store is reached", || app.get("/v1/campaigns").status == 200);
    let customers: Vec<_> = (0..200)
        .map(|place| {
            json!({"customer_id": format!("c{place}"), "lifecycle_stage": "lapsed", "lapse_tier": "drowsy",
                   "grade": "A", "baseline": 0.05, "uplift": {"letter": 0.4}})
        })
        .collect();
    let spec = json!({
        "plan": {"control_share": 0.3, "consent_default": true, "value": 40.0, "seed": 3, "watch_days": 20},
        "actions": [{"name": "letter", "channel": "post", "cost": 1.0}],
    });
    let body =
        json!({"campaign_id": "spring", "name": "Spring", "spec": spec, "customers": customers});
    assert_eq!(app.post("/v1/campaigns", &body.to_string()).status, 201);
    assert_eq!(app.post("/v1/campaigns/spring:start", "").status, 200);
    until("the customers are read", || app.get("/customers?advised=yes").text.contains("letter"));
    let lines: String = (0..200).map(|place| format!("c{place},5\n")).collect();
    let browser = Browser::default();
    let page = browser.score(&app, format!("customer,spend\n{lines}").as_bytes()).text();
    assert!(page.contains("href=\"/customers/c0\""), "{page}");
    let file = rows(&browser.get(&app, value(&page, "class=\"button primary\"", "href")));
    let with = |advice: &str, channel: &str| {
        file[1..].iter().filter(|row| row[7] == advice && row[8] == channel).count()
    };
    let (contacted, held_out) = (with("letter", "post"), with("held out", ""));
    assert!(
        contacted + held_out == 200 && held_out > 30 && contacted > 100,
        "{contacted} {held_out}"
    );
}

/// A version of `churn` that was judged so.
fn judged(shift: f64, miss: f64, half: f64) -> Artifact {
    let interval = |value: f64| json!({"value": value, "low": value - half, "high": value + half});
    let mut artifact = small_model::artifact("churn", shift);
    artifact.manifest.metrics = Some(json!({
        "rows": 2_000, "limits": {"confidence": 0.95}, "base_rate": interval(0.2),
        "miss_rate": interval(miss), "error_rate": interval(0.3), "roc_auc": interval(0.8),
        "log_loss": interval(0.4), "ece": interval(0.02), "average_precision": interval(0.6),
    }));
    artifact.manifest.verdict = Some(VerdictEntry {
        verdict: "usable".to_owned(),
        reason: "It keeps <b>all</b> limits.".to_owned(),
    });
    artifact
}

/// Three versions of `churn`, the first in force; the second has a report.
fn versions() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(folder.path()).unwrap();
    registry.add(&judged(0.0, 0.30, 0.02), &[]).unwrap();
    let report = b"<!doctype html><script>alert(1)</script><p>report of version 2</p>";
    registry.add(&judged(1.0, 0.20, 0.02), &[("report.html", report)]).unwrap();
    registry.add(&judged(2.0, 0.29, 0.02), &[]).unwrap();
    registry.promote("churn", 1).unwrap();
    folder
}

#[test]
fn models_show_their_versions_and_what_may_be_concluded_of_two() {
    let (app, browser) = (spawn_app_with(versions(), |_| {}), Browser::default());
    let page = browser.get(&app, "/models").text();
    assert!(page.contains("30.0% [28.0%, 32.0%]") && page.contains("in force"), "{page}");
    assert!(page.contains("0.800 [0.780, 0.820]") && page.contains("Usable"), "{page}");
    assert!(page.contains("/models/churn/2/report") && !page.contains("/models/churn/1/report"));
    assert!(page.contains("/models/churn/compare?a=1&amp;b=2"), "{page}");
    let page = browser.get(&app, "/models/churn").text();
    assert!(page.contains("How likely is it that churned is 1?"), "{page}");
    assert!(page.contains("&lt;b&gt;all&lt;/b&gt;") && !page.contains("<b>all"), "{page}");
    let page = browser.get(&app, "/models/churn/compare?a=1&b=2").text();
    assert!(page.contains("Version 2 misses fewer: 20.0% against 30.0%."), "{page}");
    assert!(
        page.contains("version 2 is better than version 1") && page.contains("more than chance")
    );
    let page = browser.get(&app, "/models/churn/compare?a=1&b=3").text();
    assert!(page.contains("no difference between the versions that goes beyond chance"), "{page}");
    assert!(page.contains("the difference may be chance"), "{page}");
    for (path, status) in [
        ("/models/none", 404),
        ("/models/..%2fchurn", 404),
        ("/models/churn/compare?a=1&b=9", 404),
        ("/models/churn/compare?a=1", 400),
        ("/models/churn/9/report", 404),
        ("/models/churn/promote", 405),
    ] {
        assert_eq!(browser.get(&app, path).status, status, "{path}");
    }
}

#[test]
fn a_report_is_shown_and_nothing_in_it_runs() {
    let (app, browser) = (spawn_app_with(versions(), |_| {}), Browser::default());
    let reply = browser.get(&app, "/models/churn/2/report");
    assert!(reply.status == 200 && reply.text().contains("report of version 2"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
    assert_eq!(reply.header("content-security-policy"), Some(policy));
    let reply = browser.get(&app, "/models/churn/1/report");
    let page = reply.text();
    assert!(reply.status == 404 && page.contains("rekindle evaluate registry/churn/1"), "{page}");
    assert!(reply.header("content-security-policy").unwrap().contains("script-src 'self'"));
}

#[test]
fn a_damaged_version_is_told_and_hides_no_other() {
    let folder = versions();
    fs::write(folder.path().join("churn/3/model.rekindle"), "oops").unwrap();
    let (app, browser) = (spawn_app_with(folder, |_| {}), Browser::default());
    let reply = browser.get(&app, "/models");
    let page = reply.text();
    assert!(reply.status == 200 && page.contains("cannot be read:"), "{page}");
    assert!(page.contains("20.0% [18.0%, 22.0%]"), "{page}");
    assert!(
        !page.contains(app.registry.path().to_str().unwrap()),
        "no paths of the server: {page}"
    );
}

#[test]
fn versions_are_changed_by_who_may_and_that_is_audited() {
    let folder = tempfile::tempdir().unwrap();
    let (app, [admin, reader]) = signed_in(versions(), &folder, ["admin", "read"]);
    let page = reader.get(&app, "/models/churn").text();
    assert!(!page.contains("Put in force") && !page.contains("/promote"), "{page}");
    let form = token(&page);
    assert_eq!(reader.act(&app, "/models/churn/promote", &form, "version=2").status, 403);
    let page = admin.get(&app, "/models/churn").text();
    let form = token(&page);
    assert_eq!(admin.act(&app, "/models/churn/promote", "0000", "version=2").status, 403);
    let current = || fs::read_to_string(app.registry.path().join("churn/current")).unwrap();
    assert_eq!(current(), "1\n");
    let reply = admin.act(&app, "/models/churn/promote", &form, "version=2");
    assert_eq!((reply.status, reply.header("location")), (303, Some("/models/churn")));
    assert_eq!(current(), "1\n2\n");
    assert_eq!(admin.act(&app, "/models/churn/rollback", &form, "").status, 303);
    assert_eq!(current(), "1\n");
    assert_eq!(admin.act(&app, "/models/churn/rollback", &form, "").status, 409);
    assert_eq!(admin.act(&app, "/models/churn/shadow", &form, "version=3").status, 303);
    assert_eq!(admin.act(&app, "/models/churn/canary", &form, "version=2&percent=10").status, 303);
    assert_eq!(admin.act(&app, "/models/churn/canary", &form, "version=2&percent=0").status, 400);
    let page = admin.get(&app, "/models/churn").text();
    assert!(page.contains("canary, 10% of customers") && page.contains(">shadow<"), "{page}");
    assert_eq!(admin.act(&app, "/models/churn/end-shadow", &form, "").status, 303);
    assert_eq!(admin.act(&app, "/models/churn/end-canary", &form, "").status, 303);
    assert!(!admin.get(&app, "/models").text().contains("canary, 10%"));
    let audit = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    for action in ["promote", "rollback", "shadow", "end-shadow", "canary", "end-canary"] {
        let lines = audit.lines().filter(|line| line.contains(&format!("\"action\":\"{action}\"")));
        let lines: Vec<&str> = lines.collect();
        assert!(lines.len() >= 2 && lines.iter().all(|line| line.contains("\"admin\"")), "{audit}");
    }
}
