//! Old records go.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
use oxwhisk_store::{ActivationQuery, ActivationStore};

fn all() -> ActivationQuery {
    ActivationQuery {
        namespace: "guest".to_owned(),
        ..ActivationQuery::default()
    }
}

/// Waits until the number of records is as expected.
async fn wait_for_count(store: &EmbeddedStore, expected: impl Fn(u64) -> bool) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let count = store.count(&all()).await.unwrap();
        if expected(count) {
            return count;
        }
        assert!(Instant::now() < deadline, "there are {count} records");
        tokio::task::yield_now().await;
    }
}

async fn store_numbered(store: &EmbeddedStore, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let record = Arc::new(record("hello", number, number.into()));
        store.store(record).await.unwrap();
    }
}

#[tokio::test]
async fn the_oldest_records_go_when_there_are_too_many_bytes() {
    let config = EmbeddedConfig {
        retention_age: Duration::ZERO,
        retention_bytes: 100_000,
        ..EmbeddedConfig::default()
    };
    let store = EmbeddedStore::in_memory(config).unwrap();
    store_numbered(&store, 1..=1000).await;
    // A record with what is around it takes about 490 bytes.
    let kept = wait_for_count(&store, |count| (180..=215).contains(&count)).await;
    let records = store.list(&all()).await.unwrap().found;
    let starts: Vec<u64> = records.iter().map(|record| record.start).collect();
    let newest: Vec<u64> = (1001 - kept..=1000).rev().collect();
    assert_eq!(starts, newest);
}

#[tokio::test]
async fn records_go_when_they_are_too_old() {
    static NOW: AtomicU64 = AtomicU64::new(1000);
    let config = EmbeddedConfig {
        retention_age: Duration::from_millis(100_000),
        retention_bytes: 0,
        epoch_ms: || NOW.load(Ordering::Relaxed),
        ..EmbeddedConfig::default()
    };
    let store = EmbeddedStore::in_memory(config).unwrap();
    store_numbered(&store, (1..=1000).map(|number| number * 100)).await;
    assert_eq!(store.count(&all()).await.unwrap(), 1000);
    NOW.store(150_000, Ordering::Relaxed);
    // The writer looks at the clock after each group.
    store_numbered(&store, [150_000]).await;
    wait_for_count(&store, |count| count == 502).await;
}

#[tokio::test]
async fn nothing_goes_without_bounds() {
    let config = EmbeddedConfig {
        retention_age: Duration::ZERO,
        retention_bytes: 0,
        epoch_ms: || u64::MAX,
        ..EmbeddedConfig::default()
    };
    let store = EmbeddedStore::in_memory(config).unwrap();
    store_numbered(&store, 1..=600).await;
    assert_eq!(store.count(&all()).await.unwrap(), 600);
}

/// The sum of bytes survives a restart and the replacement of a record.
#[tokio::test]
async fn bytes_are_counted_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oxwhisk.db");
    let open = |retention_bytes| {
        let config = EmbeddedConfig {
            retention_bytes,
            retention_age: Duration::ZERO,
            ..EmbeddedConfig::default()
        };
        EmbeddedStore::open(&path, config).unwrap()
    };
    let store = open(0);
    for _ in 0..3 {
        store_numbered(&store, 1..=100).await;
    }
    drop(store);
    let store = open(100_000);
    store_numbered(&store, [101]).await;
    assert_eq!(store.count(&all()).await.unwrap(), 101);
    drop(store);
    let store = open(20_000);
    store_numbered(&store, [102]).await;
    wait_for_count(&store, |count| (35..=45).contains(&count)).await;
}
