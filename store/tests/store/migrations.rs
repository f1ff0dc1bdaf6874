//! Stores of older programs, brought up to date with what is in them.

use rekindle_store::Store;
use sqlx::migrate::{Migrate, Migration, MigrationType};
use sqlx::{Connection, PgConnection, SqlSafeStr, SqliteConnection};

use crate::both::{dump, in_both, statement};
use crate::campaigns::{campaign, decision};
use crate::scores::score;
use crate::states::state;

/// The tables of the first released store, and nothing else.
async fn first_tables(connection: &mut impl Migrate) {
    let text = include_str!("../../migrations/0001_customer_scores.sql").into_sql_str();
    let step = Migration::new(1, "customer scores".into(), MigrationType::Simple, text, false);
    connection.ensure_migrations_table("rekindle_migrations").await.unwrap();
    connection.apply("rekindle_migrations", &step).await.unwrap();
}

#[test]
fn a_store_of_the_first_release_keeps_its_scores_and_takes_all_else() {
    in_both(|address| async move {
        if address.starts_with("postgres") {
            first_tables(&mut PgConnection::connect(&address).await.unwrap()).await;
        } else {
            let url = format!("sqlite:{address}?mode=rwc");
            first_tables(&mut SqliteConnection::connect(&url).await.unwrap()).await;
        }
        let old = "INSERT INTO customer_scores VALUES \
                   ('ann', 'churn', 3, 0.30000000000000004, 71, TRUE, 'drowsy', NULL, 'A', '2025-02-01', 1)";
        statement(&address, old).await;
        let said = Store::open_existing(&address).await.unwrap_err().to_string();
        assert!(said.contains("older than this program"), "{said}");
        let store = Store::open(&address).await.unwrap();
        assert_eq!(store.scores_of("ann").await.unwrap(), [score("ann", "churn", 1)]);
        // What was the latest score is history, too.
        let past = store.customer("ann").await.unwrap().past_scores;
        assert_eq!((past.len(), past[0].scored_at_micros, past[0].percentile), (1, 1, 71));
        store.put_scores(&[score("ann", "churn", 2)]).await.unwrap();
        store.put_states(1, &[state("ann", None)]).await.unwrap();
        store
            .create_campaign(&campaign("spring"), &[decision("ann", "none", false)])
            .await
            .unwrap();
        store.close().await;
        let store = Store::open_existing(&address).await.unwrap();
        let ann = store.customer("ann").await.unwrap();
        assert_eq!((ann.scores.len(), ann.states.len(), ann.decisions.len()), (1, 1, 1));
        store.close().await;
    });
}

#[test]
fn of_many_who_bring_a_store_up_to_date_each_finds_all_tables() {
    in_both(|address| async move {
        let mut openers = Vec::new();
        for _ in 0..6 {
            let address = address.clone();
            openers.push(tokio::spawn(async move {
                let store = Store::open(&address).await.unwrap();
                store.erase("ann").await.unwrap();
                store.close().await;
            }));
        }
        for opener in openers {
            opener.await.unwrap();
        }
        let steps = dump(&address).await;
        assert_eq!(steps.iter().filter(|row| row.starts_with("rekindle_migrations")).count(), 5);
    });
}
