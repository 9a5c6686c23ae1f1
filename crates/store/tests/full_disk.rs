//! A disk without space refuses writes, loses nothing, and is used again when there is space.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests may panic")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use oxwhisk_entity::ActivationId;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore, OpenError};
use oxwhisk_store::{ActivationQuery, ActivationStore, StoreError};

/// Tells the test that it runs in its own mount namespace, and where its small disk is.
const DIRECTORY: &str = "OXWHISK_TEST_SMALL_DISK";

/// Runs the test of this name again, alone, with a disk of 3 MiB.
fn run_on_small_disk(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    let script =
        r#"mount -t tmpfs -o size=3m tmpfs "$1" && exec "$0" --exact "$2" --nocapture --ignored"#;
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(directory.path())
        .arg(test)
        .env(DIRECTORY, directory.path())
        .status()
        .unwrap();
    assert!(status.success());
}

fn on_small_disk(test: &str, body: impl AsyncFnOnce(&Path)) {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return run_on_small_disk(test);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(body(Path::new(&directory)));
}

fn open(directory: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(&directory.join("oxwhisk.db"), EmbeddedConfig::default())
}

/// Stores a record with so many bytes of logs.
async fn store_sized(
    store: &EmbeddedStore,
    number: u64,
    bytes: usize,
) -> Result<ActivationId, StoreError> {
    let mut record = record("hello", number, 0);
    record.logs = vec!["x".repeat(bytes)];
    let id = record.activation_id;
    store.store(Arc::new(record)).await.map(|()| id)
}

/// Stores records, several at once, until none finds space. Returns those that were acknowledged.
async fn fill(store: &EmbeddedStore, numbers: std::ops::Range<u64>) -> Vec<ActivationId> {
    let mut stored = Vec::new();
    let mut numbers = numbers.step_by(4);
    loop {
        let number = numbers.next().unwrap();
        let results = tokio::join!(
            store_sized(store, number, 20_000),
            store_sized(store, number + 1, 20_000),
            store_sized(store, number + 2, 20_000),
            store_sized(store, number + 3, 20_000)
        );
        let results = [results.0, results.1, results.2, results.3];
        let mut refused = 0;
        for result in results {
            match result {
                Ok(id) => stored.push(id),
                Err(StoreError::Full) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        if refused == 4 {
            return stored;
        }
    }
}

async fn assert_stored(store: &EmbeddedStore, ids: &[ActivationId]) {
    for &id in ids {
        assert!(
            store.get("guest", id).await.unwrap().is_some(),
            "{id} is lost"
        );
    }
    let query = ActivationQuery {
        namespace: "guest".to_owned(),
        ..ActivationQuery::default()
    };
    assert_eq!(store.count(&query).await.unwrap(), ids.len() as u64);
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_refuses_and_recovers() {
    on_small_disk("a_full_disk_refuses_and_recovers", async |directory| {
        let ballast = directory.join("ballast");
        std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
        let store = open(directory).unwrap();
        let mut stored = fill(&store, 0..1000).await;
        assert!(!stored.is_empty());
        assert_stored(&store, &stored).await;
        std::fs::remove_file(&ballast).unwrap();
        stored.push(store_sized(&store, 5000, 20_000).await.unwrap());
        stored.extend(fill(&store, 6000..7000).await);
        assert_stored(&store, &stored).await;
        drop(store);
        assert_stored(&open(directory).unwrap(), &stored).await;
    });
}

#[test]
#[ignore = "needs root"]
fn a_small_write_goes_in_where_a_large_one_in_the_same_group_does_not() {
    let name = "a_small_write_goes_in_where_a_large_one_in_the_same_group_does_not";
    on_small_disk(name, async |directory| {
        let store = open(directory).unwrap();
        let (first, large, last) = tokio::join!(
            store_sized(&store, 1, 100),
            store_sized(&store, 2, 4 << 20),
            store_sized(&store, 3, 100)
        );
        assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
        assert_stored(&store, &[first.unwrap(), last.unwrap()]).await;
    });
}

#[test]
#[ignore = "needs root"]
fn a_store_opens_on_a_full_disk_or_says_why_not() {
    let name = "a_store_opens_on_a_full_disk_or_says_why_not";
    on_small_disk(name, async |directory| {
        let ballast = directory.join("ballast");
        // More than there is: the rest of the disk is taken.
        std::fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
        let refused = open(directory).unwrap_err();
        assert!(matches!(refused, OpenError::Full { .. }), "{refused:?}");
        std::fs::remove_file(&ballast).unwrap();
        let store = open(directory).unwrap();
        let stored = store_sized(&store, 1, 100).await.unwrap();
        drop(store);
        std::fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
        let refused = open(directory).unwrap_err();
        assert!(matches!(refused, OpenError::Full { .. }), "{refused:?}");
        std::fs::remove_file(&ballast).unwrap();
        assert_stored(&open(directory).unwrap(), &[stored]).await;
    });
}
