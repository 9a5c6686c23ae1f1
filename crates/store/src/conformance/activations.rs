//! Promises of [`ActivationStore`].

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use oxwhisk_entity::{
    ActivationId, ActivationResponse, EntityName, EntityPath, Json, Parameter, Parameters, SemVer,
    WhiskActivation,
};

use crate::{ActivationQuery, ActivationStore, PAGE_BYTES};

use super::poll_once;

/// A record of the namespace `guest` that started at `start` milliseconds.
#[must_use]
pub fn record(name: &str, start: u64, random: u128) -> WhiskActivation {
    WhiskActivation {
        namespace: EntityPath::new("guest").unwrap(),
        name: EntityName::new(name).unwrap(),
        subject: "guest".to_owned(),
        activation_id: ActivationId::new(start, random),
        start,
        end: start + 7,
        cause: None,
        response: ActivationResponse::success(
            Some(Json::from_canonical(r#"{"n":1E+3,"text":"ü"}"#.to_owned())),
            Some(21),
        ),
        logs: vec!["2026-11-24T20:39:00.000000000Z stdout: hi".to_owned()],
        version: SemVer::FIRST,
        publish: false,
        annotations: path_annotation(&format!("guest/{name}")),
        duration: Some(7),
    }
}

fn path_annotation(path: &str) -> Parameters {
    Parameters::new([Parameter {
        key: "path".to_owned(),
        value: Json::from(path),
        init: false,
        encryption: None,
    }])
}

/// The newest `limit` records of `guest`.
fn newest(limit: u32) -> ActivationQuery {
    ActivationQuery {
        namespace: "guest".to_owned(),
        limit,
        ..ActivationQuery::default()
    }
}

async fn starts(store: &dyn ActivationStore, query: &ActivationQuery) -> Vec<u64> {
    let records = store.list(query).await.unwrap().found;
    records.iter().map(|record| record.start).collect()
}

async fn store_all(store: &dyn ActivationStore, starts: impl IntoIterator<Item = u64>) {
    for start in starts {
        store.store(record("hello", start, 0).into()).await.unwrap();
    }
}

/// All members of a record come back.
pub async fn a_record_is_read_back_as_it_was_stored(store: &dyn ActivationStore) {
    let mut stored = record("hello", 1_700_000_000_000, 5);
    stored.cause = Some(ActivationId::from(77));
    let stored = Arc::new(stored);
    store.store(Arc::clone(&stored)).await.unwrap();
    let id = stored.activation_id;
    assert_eq!(store.get("guest", id).await.unwrap().unwrap(), stored);
    assert_eq!(store.list(&newest(0)).await.unwrap().found, [stored]);
    let unknown = store.get("guest", ActivationId::from(1)).await.unwrap();
    assert!(unknown.is_none());
}

/// A record is not shown to another namespace.
pub async fn a_record_belongs_to_its_namespace(store: &dyn ActivationStore) {
    store_all(store, [5]).await;
    let id = record("hello", 5, 0).activation_id;
    assert!(store.get("other", id).await.unwrap().is_none());
    assert!(store.get("gues", id).await.unwrap().is_none());
    let mut query = newest(0);
    query.namespace = "gues".to_owned();
    assert!(starts(store, &query).await.is_empty());
    assert_eq!(store.count(&query).await.unwrap(), 0);
}

/// A long list is whole up to a size; what follows is named, in order and none twice, whether it is stored or on the
/// way there.
pub async fn long_lists_name_what_does_not_fit(store: &dyn ActivationStore) {
    const COUNT: u64 = 12;
    /// More than a record has beside its log.
    const REST: usize = 1024;
    let large = |start| {
        let mut record = record("hello", start, 0);
        record.logs = vec!["x".repeat(PAGE_BYTES / 4 - 2 * REST)];
        Arc::new(record)
    };
    for start in 1..COUNT {
        store.store(large(start)).await.unwrap();
    }
    let mut storing = pin!(store.store(large(COUNT)));
    let at_once = poll_once(storing.as_mut()).await;
    for is_stored in [false, true] {
        let page = store.list(&newest(0)).await.unwrap();
        let starts: Vec<u64> = page.found.iter().map(|record| record.start).collect();
        assert_eq!(starts, [12, 11, 10, 9], "as soon as stored: {is_stored}");
        let rest: Vec<_> = (1..9)
            .rev()
            .map(|start| large(start).activation_id)
            .collect();
        assert_eq!(page.rest, rest);
        let limited = store.list(&newest(6)).await.unwrap();
        assert!(limited.rest.len() == 2 && rest.starts_with(&limited.rest));
        if is_stored {
            return;
        }
        if at_once.is_none() {
            storing.as_mut().await.unwrap();
        }
    }
}

/// A record can be read from the moment it was handed over, before the call returns.
pub async fn a_record_can_be_read_while_it_is_stored(store: &dyn ActivationStore) {
    let handed_over = Arc::new(record("hello", 5, 0));
    let id = handed_over.activation_id;
    let mut storing = pin!(store.store(Arc::clone(&handed_over)));
    let at_once = poll_once(storing.as_mut()).await;
    assert_eq!(
        store.get("guest", id).await.unwrap(),
        Some(Arc::clone(&handed_over))
    );
    assert!(store.get("other", id).await.unwrap().is_none());
    assert_eq!(store.list(&newest(1)).await.unwrap().found, [handed_over]);
    assert_eq!(store.count(&newest(0)).await.unwrap(), 1);
    match at_once {
        Some(result) => result.unwrap(),
        None => storing.await.unwrap(),
    }
    assert_eq!(store.count(&newest(0)).await.unwrap(), 1);
}

/// Newest first by `start`; `skip` and `limit` cut a page out and do not change the count.
pub async fn lists_are_newest_first_and_paged(store: &dyn ActivationStore) {
    store_all(store, [20, 40, 10, 30]).await;
    let mut query = newest(0);
    assert_eq!(starts(store, &query).await, [40, 30, 20, 10]);
    query.skip = 1;
    query.limit = 2;
    assert_eq!(starts(store, &query).await, [30, 20]);
    assert_eq!(store.count(&query).await.unwrap(), 4);
    query.skip = 4;
    assert!(starts(store, &query).await.is_empty());
}

/// Pages are the same while some of the records are still being stored.
pub async fn pages_hold_while_records_are_stored(store: &dyn ActivationStore) {
    store_all(store, [10, 20, 40, 60]).await;
    let mut late = pin!(store.store(record("hello", 50, 0).into()));
    let mut later = pin!(store.store(record("hello", 30, 0).into()));
    let late_done = poll_once(late.as_mut()).await;
    let later_done = poll_once(later.as_mut()).await;
    let all = [60, 50, 40, 30, 20, 10];
    for skip in 0..6 {
        for limit in 1..6 {
            let mut query = newest(limit);
            query.skip = skip;
            let expected = all.iter().skip(skip as usize).take(limit as usize);
            let expected: Vec<u64> = expected.copied().collect();
            assert_eq!(
                starts(store, &query).await,
                expected,
                "skip {skip} limit {limit}"
            );
            assert_eq!(store.count(&query).await.unwrap(), 6);
        }
    }
    if late_done.is_none() {
        late.await.unwrap();
    }
    if later_done.is_none() {
        later.await.unwrap();
    }
}

/// `since` and `upto` include their own millisecond.
pub async fn times_are_inclusive(store: &dyn ActivationStore) {
    store_all(store, [10, 20, 30, 40]).await;
    let mut query = newest(0);
    query.since = Some(20);
    assert_eq!(starts(store, &query).await, [40, 30, 20]);
    query.upto = Some(30);
    assert_eq!(starts(store, &query).await, [30, 20]);
    assert_eq!(store.count(&query).await.unwrap(), 2);
    query.since = Some(-1);
    assert_eq!(starts(store, &query).await, [30, 20, 10]);
}

/// The name filter compares with `[package/]name`.
pub async fn names_match_with_their_package(store: &dyn ActivationStore) {
    let mut packaged = record("hello", 10, 0);
    packaged.annotations = path_annotation("guest/pkg/hello");
    store.store(packaged.into()).await.unwrap();
    store.store(record("hello", 20, 0).into()).await.unwrap();
    store.store(record("hello2", 30, 0).into()).await.unwrap();
    for (name, expected) in [
        ("hello", vec![20]),
        ("pkg/hello", vec![10]),
        ("pkg", vec![]),
    ] {
        let mut query = newest(0);
        query.name = Some(name.to_owned());
        assert_eq!(starts(store, &query).await, expected, "{name}");
        assert_eq!(store.count(&query).await.unwrap(), expected.len() as u64);
    }
}

/// A list misses nothing that was stored before it and shows nothing twice, however much is stored meanwhile.
pub async fn lists_never_miss_what_was_stored(store: &dyn ActivationStore) {
    const ALL: usize = 4 * 50;
    let known = std::sync::Mutex::new(HashSet::new());
    let write = async |writer: u64| {
        for round in 0..50 {
            let record = record("hello", round, writer.into());
            let id = record.activation_id;
            store.store(record.into()).await.unwrap();
            known.lock().unwrap().insert(id);
        }
    };
    let read = async {
        while known.lock().unwrap().len() < ALL {
            let before = known.lock().unwrap().clone();
            let count = store.count(&newest(0)).await.unwrap();
            assert!(count >= before.len() as u64);
            let listed = store.list(&newest(0)).await.unwrap().found;
            assert!(listed.is_sorted_by_key(|record| std::cmp::Reverse(record.start)));
            let ids: HashSet<_> = listed.iter().map(|record| record.activation_id).collect();
            assert_eq!(ids.len(), listed.len());
            assert!(before.is_subset(&ids));
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write(0), write(1), write(2), write(3), read);
    assert_eq!(store.count(&newest(0)).await.unwrap(), ALL as u64);
}
