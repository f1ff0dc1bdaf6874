//! Opening stores, and scores in them.

use std::fmt::Write;
use std::time::Instant;

use rekindle_store::{PastScore, Store, StoredReason, StoredScore};

use crate::both::{in_both, statement};

pub fn score(customer: &str, model: &str, at: i64) -> StoredScore {
    StoredScore {
        customer_id: customer.to_owned(),
        model_name: model.to_owned(),
        model_version: 3,
        probability: 0.1 + 0.2,
        percentile: 71,
        positive: true,
        lapse_tier: Some("drowsy".to_owned()),
        lifecycle_stage: None,
        grade: Some("A".to_owned()),
        cutoff: Some("2025-02-01".to_owned()),
        scored_at_micros: at,
        reasons: Vec::new(),
    }
}

#[test]
fn a_score_comes_back_as_it_was_put() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        store.ping().await.unwrap();
        assert_eq!(store.scores_of("ann").await.unwrap(), []);
        store.put_scores(&[]).await.unwrap();
        let extremes = |customer: &str, probability: f64, percentile, version| StoredScore {
            probability,
            percentile,
            model_version: version,
            positive: false,
            lapse_tier: None,
            lifecycle_stage: Some("first_time".to_owned()),
            grade: None,
            cutoff: None,
            scored_at_micros: -1,
            ..score(customer, "churn", 0)
        };
        let odd = "o'hara\t\"\\N\" \\. %_,;--\r\n\u{1f98a} \u{7f}";
        let scores = [
            score(odd, "chu\trn", i64::MAX),
            extremes("tiny", 5e-324, 1, 1),
            extremes("one", 1.0, 100, u32::MAX),
            extremes("zero", 0.0, 1, 1),
            extremes("\\N", 1.0 / 3.0, 50, 1),
        ];
        store.put_scores(&scores).await.unwrap();
        for score in &scores {
            let found = store.scores_of(&score.customer_id).await.unwrap();
            assert_eq!(found, std::slice::from_ref(score));
            assert_eq!(found[0].probability.to_bits(), score.probability.to_bits());
        }
        assert_eq!(store.scores_of("nul\0").await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn of_each_model_the_newest_score_is_kept_and_of_equally_new_ones_the_last() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let versioned = |at, version| StoredScore {
            model_version: version,
            grade: None,
            ..score("ann", "churn", at)
        };
        let kept = async || store.scores_of("ann").await.unwrap();
        store.put_scores(&[versioned(10, 1)]).await.unwrap();
        store.put_scores(&[versioned(9, 2)]).await.unwrap();
        assert_eq!(kept().await, [versioned(10, 1)]);
        store.put_scores(&[versioned(10, 3)]).await.unwrap();
        assert_eq!(kept().await, [versioned(10, 3)]);
        // Several of one customer at once, the newest not last.
        let several = [versioned(11, 4), versioned(12, 5), versioned(12, 6), versioned(11, 7)];
        store.put_scores(&several).await.unwrap();
        assert_eq!(kept().await, [versioned(12, 6)]);
        // Another model, and another customer, are others.
        store.put_scores(&[score("ann", "Paid", 1), score("bob", "churn", 99)]).await.unwrap();
        store.put_scores(&[score("ann", "a", 1)]).await.unwrap();
        let expected = [score("ann", "Paid", 1), score("ann", "a", 1), versioned(12, 6)];
        assert_eq!(kept().await, expected);
        store.close().await;
    });
}

#[test]
fn a_score_that_cannot_be_is_refused_and_none_is_kept() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let good = score("ann", "churn", 1);
        let cases = [
            (StoredScore { probability: f64::NAN, ..good.clone() }, "probability is NaN"),
            (StoredScore { probability: 1.1, ..good.clone() }, "expected a number from 0 to 1"),
            (StoredScore { percentile: 0, ..good.clone() }, "percentile is 0"),
            (StoredScore { percentile: 101, ..good.clone() }, "percentile is 101"),
            (StoredScore { model_version: 0, ..good.clone() }, "model_version is 0"),
            (StoredScore { customer_id: String::new(), ..good.clone() }, "customer_id is empty"),
            (StoredScore { grade: Some("\0".to_owned()), ..good.clone() }, "grade is a text with"),
            (because(f64::INFINITY, "so"), "a reason's contribution is inf"),
            (because(1.0, "nul\0"), "a reason's english is a text with a NUL"),
        ];
        for (bad, expected) in cases {
            let said = store.put_scores(&[good.clone(), bad]).await.unwrap_err().to_string();
            assert!(said.contains("score 2: ") && said.contains(expected), "{said}");
            assert_eq!(store.scores_of("ann").await.unwrap(), []);
        }
        store.close().await;
    });
}

fn because(contribution: f64, english: &str) -> StoredScore {
    let (feature, chinese) = ("recency_days".to_owned(), "很久没来".to_owned());
    let reason = StoredReason { feature, contribution, english: english.to_owned(), chinese };
    StoredScore { reasons: vec![reason], ..score("ann", "churn", 1) }
}

#[test]
fn reasons_are_kept_with_the_newest_score_and_what_is_none_is_an_error() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let mut first = because(0.1 + 0.2, "it's \"long\"\t\\N\n");
        first.reasons.push(StoredReason { contribution: -5e-324, ..first.reasons[0].clone() });
        store.put_scores(std::slice::from_ref(&first)).await.unwrap();
        assert_eq!(store.scores_of("ann").await.unwrap(), [first]);
        store.put_scores(&[score("ann", "churn", 0)]).await.unwrap();
        assert_eq!(store.scores_of("ann").await.unwrap()[0].reasons.len(), 2);
        store.put_scores(&[score("ann", "churn", 2)]).await.unwrap();
        assert_eq!(store.scores_of("ann").await.unwrap(), [score("ann", "churn", 2)]);
        for bad in
            ["", "{}", "[{\"feature\": 1}]", "[{\"feature\": \"f\", \"contribution\": 1e999}]"]
        {
            statement(&address, &format!("UPDATE customer_scores SET reasons = '{bad}'")).await;
            let said = store.customer("ann").await.unwrap_err().to_string();
            assert!(said.contains("reasons is") && said.contains("another program"), "{said}");
        }
        store.close().await;
    });
}

#[test]
fn every_score_is_history_once() {
    in_both(|address| async move {
        let store = Store::open(&address).await.unwrap();
        let versioned =
            |at, version| StoredScore { model_version: version, ..score("ann", "churn", at) };
        store.put_scores(&[versioned(10, 1), score("bob", "churn", 10)]).await.unwrap();
        store.put_scores(&[versioned(9, 2), score("ann", "Paid", 30)]).await.unwrap();
        store.put_scores(&[versioned(12, 3), versioned(10, 4), versioned(10, 5)]).await.unwrap();
        let ann = store.customer("ann").await.unwrap();
        let expected =
            [score("ann", "Paid", 30), versioned(9, 2), versioned(10, 5), versioned(12, 3)];
        let expected = expected.map(|score| PastScore {
            model_name: score.model_name,
            scored_at_micros: score.scored_at_micros,
            model_version: score.model_version,
            probability: score.probability,
            percentile: score.percentile,
        });
        assert_eq!(ann.past_scores, expected);
        assert_eq!(ann.scores, [score("ann", "Paid", 30), versioned(12, 3)]);
        store.close().await;
    });
}

#[test]
fn what_was_put_is_there_when_the_store_is_opened_again() {
    in_both(|address| async move {
        let missing = Store::open_existing(&address).await.unwrap_err().to_string();
        assert!(missing.contains("`rekindle score ... --store`"), "{missing}");
        let store = Store::open(&address).await.unwrap();
        store.put_scores(&[score("ann", "churn", 1)]).await.unwrap();
        store.close().await;
        assert!(store.ping().await.is_err());
        for store in [Store::open_existing(&address).await, Store::open(&address).await] {
            let store = store.unwrap();
            assert_eq!(store.scores_of("ann").await.unwrap(), [score("ann", "churn", 1)]);
            store.close().await;
        }
    });
}

#[test]
fn many_may_open_a_new_store_and_write_at_once() {
    in_both(|address| async move {
        let mut writers = Vec::new();
        for writer in 0..8 {
            let address = address.clone();
            writers.push(tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                // All write the same customers, each in another order.
                let place = |row: i64| (row * (2 * writer + 1)) % 512;
                let scores: Vec<_> = (0..512)
                    .map(|row| score(&format!("c{}", place(row)), "churn", writer))
                    .collect();
                store.put_scores(&scores).await.unwrap();
                store.close().await;
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let store = Store::open_existing(&address).await.unwrap();
        for customer in 0..512 {
            let found = store.scores_of(&format!("c{customer}")).await.unwrap();
            assert_eq!(found.iter().map(|s| s.scored_at_micros).collect::<Vec<_>>(), [7]);
        }
        store.close().await;
    });
}

#[test]
fn tables_that_are_newer_or_others_are_refused_by_name() {
    in_both(|address| async move {
        Store::open(&address).await.unwrap().close().await;
        let change = async |text: &str| statement(&address, text).await;
        let refused = async |expected: &str| {
            for opened in [Store::open(&address).await, Store::open_existing(&address).await] {
                let said = opened.unwrap_err().to_string();
                assert!(said.contains(expected), "{said}");
                assert!(!address.starts_with("postgres") || said.contains("postgres://"), "{said}");
            }
        };
        change("UPDATE rekindle_migrations SET version = 99 WHERE version = 1").await;
        refused("newer: step 99 is not known to this program").await;
        change("UPDATE rekindle_migrations SET version = 1 WHERE version = 99").await;
        Store::open_existing(&address).await.unwrap().close().await;
        let other = if address.starts_with("postgres") { "'\\x00'" } else { "x'00'" };
        change(&format!("UPDATE rekindle_migrations SET checksum = {other}")).await;
        refused("step 1 differs").await;
        change("DELETE FROM rekindle_migrations").await;
        let said = Store::open_existing(&address).await.unwrap_err().to_string();
        assert!(said.contains("older than this program"), "{said}");
    });
}

#[test]
fn what_is_no_store_is_refused_without_its_password() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.db");
    std::fs::write(&file, "customer,time\n".repeat(1_000)).unwrap();
    let said = |address: &str| {
        let error = runtime.block_on(Store::open(address)).unwrap_err();
        format!("{error} {error:?}")
    };
    assert!(said(&file.display().to_string()).contains("file is not a database"));
    let nowhere = folder.path().join("none/customers.db").display().to_string();
    assert!(said(&nowhere).contains("make it first"));
    // Port 1 answers nobody.
    let refused = said("postgres://ann:hunter2@127.0.0.1:1/crm");
    assert!(refused.contains("postgres://ann@127.0.0.1:1/crm: failed to open it"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    let Ok(server) = std::env::var("REKINDLE_TEST_POSTGRES") else { return };
    let (front, host) = server.rsplit_once('@').unwrap();
    let (user, _) = front.rsplit_once(':').unwrap();
    let refused = said(&format!("{user}:hunter2@{host}"));
    assert!(refused.contains("password authentication failed"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

/// The bar is 20 s for a million, in a release build; so many rows here that a slow way would be seen.
#[test]
fn many_scores_are_put_at_once() {
    in_both(|address| async move {
        let rows: u32 =
            std::env::var("REKINDLE_TEST_ROWS").map_or(20_000, |rows| rows.parse().unwrap());
        let store = Store::open(&address).await.unwrap();
        let mut scores = Vec::new();
        for row in 0..rows {
            let mut customer = String::new();
            write!(customer, "customer-{:08x}", row.wrapping_mul(2_654_435_769)).unwrap();
            scores.push(score(&customer, "churn", 1));
        }
        for what in ["new", "known"] {
            let start = Instant::now();
            store.put_scores(&scores).await.unwrap();
            println!("{rows} {what} scores in {:.2} s: {store:?}", start.elapsed().as_secs_f64());
        }
        let last = scores.last().unwrap();
        let found = store.scores_of(&last.customer_id).await.unwrap();
        assert_eq!(found, std::slice::from_ref(last));
        store.close().await;
    });
}
