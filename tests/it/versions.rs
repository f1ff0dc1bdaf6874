//! Which versions answer, while the service runs: put in force, rolled back, beside others, and swapped under load.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rekindle_models::artifact::{Artifact, Registry};
use rekindle_models::frame::Rows;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{App, spawn_app_with};
use crate::client::{self, until};
use crate::customers;
use crate::small_model;

/// Versions 1 to 3 of `churn`: each says a higher probability than the one before.
fn versions() -> Vec<Artifact> {
    [0.0, 1.0, 2.0].map(|shift| small_model::artifact("churn", shift)).into()
}

/// A registry with these versions, the first in force.
fn registry(versions: &[Artifact]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(folder.path()).unwrap();
    for version in versions {
        registry.add(version, &[]).unwrap();
    }
    registry.promote("churn", 1).unwrap();
    folder
}

fn spawn(versions: &[Artifact]) -> App {
    spawn_app_with(registry(versions), |_| {})
}

fn change(app: &App, action: &str) -> (u16, Value) {
    let answer = app.post(&format!("/v1/models/churn{action}"), "");
    (answer.status, answer.json())
}

/// The version that answers for a nameless customer, and its probability.
fn in_force(app: &App) -> (u64, f64) {
    let reply = app.score("{\"recency_days\": 40}");
    (reply["model_version"].as_u64().unwrap(), reply["scores"][0]["probability"].as_f64().unwrap())
}

fn probability(version: &Artifact) -> f64 {
    version.scorer.score(&Rows::from_cells(4, vec![40.0, f64::NAN, f64::NAN, f64::NAN]))[0]
        .probability
}

fn degraded(app: &App) -> Value {
    let answer = app.get("/health/ready");
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().get("degraded").cloned().unwrap_or(json!([]))
}

fn metric(app: &App, line: &str) -> f64 {
    let text = app.get("/metrics").text;
    let found = text.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

#[test]
fn a_version_promoted_in_the_registry_answers_without_a_restart() {
    let all = versions();
    let app = spawn(&all[..1]);
    assert_eq!(in_force(&app), (1, probability(&all[0])));
    let registry = Registry::open(app.registry.path()).unwrap();
    registry.add(&all[1], &[]).unwrap();
    assert_eq!(in_force(&app).0, 1);
    registry.promote("churn", 2).unwrap();
    until("version 2", || in_force(&app).0 == 2);
    assert_eq!(in_force(&app), (2, probability(&all[1])));
    assert_eq!(metric(&app, "rekindle_model_swaps_total{model=\"churn\"}"), 1.0);
    // A model that is new in the registry is served, too.
    registry.add(&small_model::artifact("repaid", 0.0), &[]).unwrap();
    registry.promote("repaid", 1).unwrap();
    until("a second model", || app.get("/v1/models/repaid").status == 200);
    assert_eq!(degraded(&app), json!([]));
}

#[test]
fn versions_are_promoted_and_rolled_back_over_http() {
    let all = versions();
    let app = spawn(&all);
    let current = || fs::read_to_string(app.registry.path().join("churn/current")).unwrap();
    let (status, now) = change(&app, "/versions/2:promote");
    assert_eq!(
        (status, &now["model_name"], &now["model_version"]),
        (200, &json!("churn"), &json!(2))
    );
    assert_eq!(in_force(&app), (2, probability(&all[1])));
    assert_eq!(current(), "1\n2\n");
    assert_eq!(change(&app, "/versions/3:promote").0, 200);
    let (status, now) = change(&app, ":rollback");
    assert_eq!((status, &now["model_version"]), (200, &json!(2)));
    assert_eq!((in_force(&app).0, current()), (2, "1\n2\n".to_owned()));
    assert_eq!(change(&app, ":rollback").0, 200);
    let (status, said) = change(&app, ":rollback");
    assert_eq!((status, &said["code"]), (409, &json!("conflict")), "{said}");
    assert!(said["message"].as_str().unwrap().contains("no earlier promotion"), "{said}");
    let (status, said) = change(&app, "/versions/9:promote");
    assert_eq!((status, &said["details"]), (404, &json!({"versions": [1, 2, 3]})));
    for (path, status) in [
        ("/v1/models/none/versions/1:promote", 404),
        ("/v1/models/none:rollback", 404),
        ("/v1/models/churn/versions/x:promote", 404),
        ("/v1/models/churn:restart", 405),
        ("/v1/models/..%2fchurn/versions/1:promote", 404),
    ] {
        assert_eq!(app.post(path, "").status, status, "{path}");
    }
    assert_eq!(app.get("/v1/models/churn:rollback").status, 405);
    // A model of which no version was in force yet.
    let registry = Registry::open(app.registry.path()).unwrap();
    registry.add(&small_model::artifact("fresh", 0.0), &[]).unwrap();
    assert_eq!(app.post("/v1/models/fresh:rollback", "").status, 404);
    let answer = app.post("/v1/models/fresh/versions/1:promote", "");
    assert_eq!((answer.status, &answer.json()["model_version"]), (200, &json!(1)));
    assert_eq!(app.post("/v1/score?model=fresh", "{}").status, 200);
    assert_eq!(app.post("/v1/score?model=churn", "{}").json()["model_version"], 1);
}

#[test]
fn a_shadow_is_compared_and_never_answers() {
    let all = versions();
    let app = spawn(&all);
    let before = in_force(&app);
    assert_eq!(change(&app, "/versions/2:shadow").1["shadow"], 2);
    assert_eq!(app.get("/v1/models").json()["models"][0]["shadow"], 2);
    assert_eq!(in_force(&app), before);
    let many = json!(customers::random(500).iter().map(|c| c.json()).collect::<Vec<_>>());
    let reply = app.score(&many.to_string());
    assert!(reply["scores"].as_array().unwrap().iter().all(|s| s.get("model_version").is_none()));
    let batch = customers::csv(&customers::random(2_000));
    let url = format!("{}/v1/score/batch", app.url);
    assert_eq!(client::post(&url, &[("content-type", "text/csv")], batch.as_bytes()).status, 200);
    let counted = "rekindle_shadow_customers_total{model=\"churn\",version=\"2\"}";
    until("2,501 comparisons", || metric(&app, counted) == 2_501.0);
    assert!(metric(&app, "rekindle_shadow_flips_total{model=\"churn\",version=\"2\"}") > 100.0);
    let sum = metric(&app, "rekindle_shadow_difference_sum{model=\"churn\",version=\"2\"}");
    assert!(sum > 50.0, "{sum}");
    assert_eq!(metric(&app, "rekindle_customers_scored_total{model=\"churn\",version=\"2\"}"), 0.0);
    assert_eq!(change(&app, ":end-shadow").1.get("shadow"), None);
    in_force(&app);
    app.score(&many.to_string());
    assert_eq!(metric(&app, counted), 2_501.0);
    // It ends by itself when it comes into force, and cannot be its own.
    change(&app, "/versions/2:shadow");
    assert_eq!(change(&app, "/versions/2:promote").1.get("shadow"), None);
    let (status, said) = change(&app, "/versions/2:shadow");
    assert_eq!((status, &said["code"]), (409, &json!("conflict")), "{said}");
    assert_eq!(change(&app, "/versions/9:shadow").0, 404);
}

#[test]
fn a_canary_answers_for_its_share_of_the_customers_and_always_for_the_same() {
    let all = versions();
    let app = spawn(&all);
    for share in ["0", "1", "-0.5", "NaN", "x", "2"] {
        let (status, said) = change(&app, &format!("/versions/2:canary?share={share}"));
        assert_eq!((status, &said["code"]), (400, &json!("invalid_query")), "{share}");
    }
    assert_eq!(change(&app, "/versions/2:canary").0, 400);
    let (_, now) = change(&app, "/versions/2:canary?share=0.3");
    assert_eq!(now["canary"], json!({"model_version": 2, "share": 0.3}));
    let body = |i: usize, text: bool| match text {
        true => json!({"customer": i.to_string(), "recency_days": i % 100}),
        false => json!({"customer": i, "recency_days": i % 100}),
    };
    let bodies: Vec<Value> = (0..2_000).map(|i| body(i, false)).collect();
    let reply = app.score(&json!(bodies).to_string());
    assert_eq!(reply["model_version"], 1);
    let told = |reply: &Value, at: usize| -> (u64, f64) {
        let score = &reply["scores"][at];
        let version = score["model_version"].as_u64().or(reply["model_version"].as_u64());
        (version.unwrap(), score["probability"].as_f64().unwrap())
    };
    let expected: Vec<(u64, f64)> = (0..2_000).map(|at| told(&reply, at)).collect();
    let theirs = expected.iter().filter(|(version, _)| *version == 2).count();
    assert!((520..680).contains(&theirs), "{theirs} of 2,000 at a share of 0.3");
    let cells: Vec<f64> =
        (0..2_000).flat_map(|i| [f64::from(i % 100), f64::NAN, f64::NAN, f64::NAN]).collect();
    let by_version = [0, 1].map(|v| all[v].scorer.score(&Rows::from_cells(4, cells.clone())));
    for (at, (version, probability)) in expected.iter().enumerate() {
        assert_eq!(*probability, by_version[*version as usize - 1][at].probability, "{at}");
    }
    // Alone, as text, in few, by reasons' path, and in batches of every form.
    for (at, expected) in expected.iter().take(60).enumerate() {
        assert_eq!(told(&app.score(&body(at, false).to_string()), 0), *expected, "{at}");
        assert_eq!(told(&app.score(&body(at, true).to_string()), 0), *expected, "{at} as text");
    }
    let csv: String = (0..2_000).map(|i| format!("{i},{}\n", i % 100)).collect();
    let csv = format!("customer,recency_days\n{csv}");
    let ndjson: String = bodies.iter().map(|body| format!("{body}\n")).collect();
    for (kind, body) in [("text/csv", csv), ("application/x-ndjson", ndjson)] {
        let headers = [("content-type", kind), ("accept", "application/x-ndjson")];
        let answer =
            client::post(&format!("{}/v1/score/batch", app.url), &headers, body.as_bytes());
        for (line, expected) in answer.text().lines().zip(&expected) {
            let line: Value = serde_json::from_str(line).unwrap();
            let found =
                (line["model_version"].as_u64().unwrap(), line["probability"].as_f64().unwrap());
            assert_eq!(found, *expected, "{kind}: {line}");
        }
    }
    let split = json!({"dataframe_records": bodies}).to_string();
    let answer = app.post("/invocations", &split).json();
    let probabilities = |answer: &Value| -> Vec<f64> {
        answer["predictions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["probability"].as_f64().unwrap())
            .collect()
    };
    assert_eq!(probabilities(&answer), expected.iter().map(|e| e.1).collect::<Vec<_>>());
    // Nobody without a name is among them; a version that is named answers for all.
    assert_eq!(in_force(&app).0, 1);
    let named = app.post("/v1/score?version=2", &json!(bodies).to_string()).json();
    assert_eq!(named["model_version"], 2);
    // A larger share holds the smaller one.
    change(&app, "/versions/2:canary?share=0.6");
    let reply = app.score(&json!(bodies).to_string());
    let wider = (0..2_000).filter(|at| told(&reply, *at).0 == 2).count();
    assert!((1_100..1_300).contains(&wider), "{wider}");
    assert!((0..2_000).all(|at| expected[at].0 == 1 || told(&reply, at).0 == 2));
    assert_eq!(change(&app, ":end-canary").1.get("canary"), None);
    let reply = app.score(&json!(bodies).to_string());
    assert!((0..2_000).all(|at| told(&reply, at).0 == 1));
}

/// Changes a byte of a version's file.
fn damage(registry: &Path, version: u32) {
    let path = registry.join(format!("churn/{version}/model.rekindle"));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_version_that_is_not_sound_is_refused_while_the_old_one_answers() {
    let mut all = versions();
    // The third version's golden rows are those of another model.
    all[2].golden = small_model::artifact("churn", 0.5).golden;
    let app = spawn(&all);
    damage(app.registry.path(), 2);
    let before = in_force(&app);
    for (action, version) in
        [("promote", 2), ("promote", 3), ("shadow", 2), ("canary?share=0.5", 3)]
    {
        let (status, said) = change(&app, &format!("/versions/{version}:{action}"));
        assert_eq!((status, &said["code"]), (409, &json!("version_refused")), "{action} {said}");
        let text = said.to_string();
        assert!(
            !text.contains(app.registry.path().to_str().unwrap())
                && !text.contains("model.rekindle"),
            "{text}"
        );
    }
    assert_eq!((in_force(&app), degraded(&app)), (before, json!([])));
    assert_eq!(fs::read_to_string(app.registry.path().join("churn/current")).unwrap(), "1\n");
    // Each version is told once, however often it is asked for.
    assert_eq!(metric(&app, "rekindle_model_refused_total{model=\"churn\"}"), 2.0);
    // Put in force by the registry's file.
    let registry = Registry::open(app.registry.path()).unwrap();
    for version in [2, 3] {
        registry.promote("churn", version).unwrap();
        until("degraded", || degraded(&app) == json!(["registry"]));
        assert_eq!(in_force(&app), before);
        assert_eq!(metric(&app, "rekindle_degraded{part=\"registry\"}"), 1.0);
        registry.promote("churn", 1).unwrap();
        until("well again", || degraded(&app) == json!([]));
    }
    // A rollback to what is damaged changes nothing.
    let mut all = versions();
    let app = spawn(&all);
    change(&app, "/versions/2:promote");
    change(&app, "/versions/3:canary?share=0.5");
    damage(app.registry.path(), 1);
    let (status, said) = change(&app, ":rollback");
    assert_eq!((status, &said["code"]), (409, &json!("version_refused")), "{said}");
    assert_eq!(in_force(&app), (2, probability(&all.remove(1))));
    assert_eq!(fs::read_to_string(app.registry.path().join("churn/current")).unwrap(), "1\n2\n");
    let now = app.get("/v1/models").json();
    assert_eq!(now["models"][0]["canary"]["share"], 0.5);
}

#[test]
fn scoring_goes_on_when_the_registry_is_gone() {
    let app = spawn(&versions());
    let away = app.registry.path().with_extension("away");
    let before = in_force(&app);
    fs::rename(app.registry.path(), &away).unwrap();
    until("degraded", || degraded(&app) == json!(["registry"]));
    assert_eq!(in_force(&app), before);
    let path = app.registry.path().to_str().unwrap();
    for answer in [
        app.get("/v1/models/churn"),
        app.post("/v1/score?version=2", "{}"),
        app.post("/v1/models/churn/versions/2:promote", ""),
        app.post("/v1/models/churn:rollback", ""),
        app.get("/v2/models/churn"),
        app.get("/health/ready"),
    ] {
        assert!(!answer.text.contains(path), "{}", answer.text);
    }
    assert_eq!(app.get("/v1/models").status, 200);
    fs::rename(&away, app.registry.path()).unwrap();
    until("well again", || degraded(&app) == json!([]));
    assert_eq!(change(&app, "/versions/2:promote").0, 200);
}

#[test]
fn answers_are_wholly_of_one_version_while_versions_are_swapped_under_load() {
    let all = versions();
    let app = spawn(&all);
    let rows = customers::random(40);
    let expected: Vec<Vec<f64>> = all
        .iter()
        .map(|v| v.scorer.score(&customers::rows(&rows)).iter().map(|s| s.probability).collect())
        .collect();
    let bodies = [1, 5, 40]
        .map(|n| json!(rows[..n].iter().map(|c| c.json()).collect::<Vec<_>>()).to_string());
    let done = AtomicBool::new(false);
    let score = |bodies: &[String]| {
        let mut seen = [0; 3];
        while !done.load(Ordering::Relaxed) {
            for body in bodies {
                let reply = app.score(body);
                let version = reply["model_version"].as_u64().unwrap() as usize;
                let scores = reply["scores"].as_array().unwrap();
                for (score, expected) in scores.iter().zip(&expected[version - 1]) {
                    assert_eq!(score["probability"].as_f64(), Some(*expected), "version {version}");
                }
                seen[version - 1] += 1;
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| score(&bodies))).collect();
        for swap in 0..50 {
            let (status, said) = change(&app, &format!("/versions/{}:promote", 1 + (swap + 1) % 3));
            if status != 200 {
                done.store(true, Ordering::Relaxed);
                panic!("{said}");
            }
        }
        done.store(true, Ordering::Relaxed);
        for thread in threads {
            let seen = thread.join().unwrap();
            assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
        }
    });
    assert_eq!(metric(&app, "rekindle_model_swaps_total{model=\"churn\"}"), 50.0);
}
