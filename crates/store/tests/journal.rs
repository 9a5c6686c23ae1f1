//! The journal of the embedded bus.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;

use oxwhisk_entity::ActivationId;
use oxwhisk_store::ActivationStore;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore, Journal};

fn id(number: u64) -> ActivationId {
    record("hello", number, 0).activation_id
}

async fn append(journal: &Journal, number: u64, started: bool) {
    let message = format!(r#"{{"n":{number}}}"#).into_bytes();
    journal.append(id(number), message, started).await.unwrap();
}

/// The entries as (number of the activation, started).
async fn entries(journal: &Journal) -> Vec<(u64, bool)> {
    let unfinished = journal.unfinished().await.unwrap();
    let number = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        text.trim_matches(|c: char| !c.is_ascii_digit())
            .parse()
            .unwrap()
    };
    let entry = |entry: &oxwhisk_store::embedded::UnfinishedMessage| {
        assert_eq!(entry.id, id(number(&entry.message)));
        (number(&entry.message), entry.started)
    };
    unfinished.iter().map(entry).collect()
}

#[tokio::test]
async fn entries_keep_the_order_of_acceptance_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    let open = || EmbeddedStore::open(&path, EmbeddedConfig::default()).unwrap();
    let journal = open().journal();
    for number in [3, 1, 2] {
        append(&journal, number, false).await;
    }
    journal.mark_started(id(1)).await.unwrap();
    drop(journal);
    let journal = open().journal();
    append(&journal, 0, false).await;
    assert_eq!(
        entries(&journal).await,
        [(3, false), (1, true), (2, false), (0, false)]
    );
}

#[tokio::test]
async fn a_record_ends_its_entry_and_no_other() {
    let store = EmbeddedStore::in_temp_dir().unwrap();
    let journal = store.journal();
    append(&journal, 1, false).await;
    append(&journal, 2, true).await;
    store.store(Arc::new(record("hello", 1, 0))).await.unwrap();
    assert_eq!(entries(&journal).await, [(2, true)]);
}

#[tokio::test]
async fn no_entry_comes_after_the_record() {
    let store = EmbeddedStore::in_temp_dir().unwrap();
    let journal = store.journal();
    store.store(Arc::new(record("hello", 1, 0))).await.unwrap();
    append(&journal, 1, true).await;
    journal.mark_started(id(1)).await.unwrap();
    assert!(entries(&journal).await.is_empty());
}

#[tokio::test]
async fn an_entry_can_be_removed_and_appended_twice() {
    let store = EmbeddedStore::in_temp_dir().unwrap();
    let journal = store.journal();
    append(&journal, 1, true).await;
    append(&journal, 1, false).await;
    assert_eq!(entries(&journal).await, [(1, true)]);
    journal.remove(id(1)).await.unwrap();
    journal.remove(id(1)).await.unwrap();
    assert!(entries(&journal).await.is_empty());
}

/// However appends, starts and records of one activation are mixed by two tasks, no entry stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_race_with_records() {
    let store = EmbeddedStore::in_temp_dir().unwrap();
    let journal = store.journal();
    for number in 1..=200 {
        let appending = {
            let journal = journal.clone();
            tokio::spawn(async move { append(&journal, number, number % 2 == 0).await })
        };
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        journal.mark_started(id(number)).await.unwrap();
        store
            .store(Arc::new(record("hello", number, 0)))
            .await
            .unwrap();
        appending.await.unwrap();
    }
    assert!(entries(&journal).await.is_empty());
}
