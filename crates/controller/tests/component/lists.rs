//! Lists whose elements are long.

use std::sync::Arc;

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ActivationId, WhiskActivation};
use oxwhisk_store::ActivationStore as _;
use oxwhisk_store::conformance::activations::record;
use serde_json::{Value, json};

use crate::support::Harness;

const ACTIVATIONS: &str = "/api/v1/namespaces/_/activations";

/// A record of `guest` with so many bytes of logs.
fn long(start: u64, bytes: usize) -> Arc<WhiskActivation> {
    let mut record = record("hello", start, 1);
    record.logs = vec![format!("{start}:{}", "x".repeat(bytes))];
    Arc::new(record)
}

async fn list(harness: &Harness, query: &str) -> (bool, Vec<Value>) {
    let answer = harness.client.get(&format!("{ACTIVATIONS}?{query}")).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let elements: Vec<Value> = serde_json::from_slice(answer.bytes()).unwrap();
    (answer.header("content-length").is_some(), elements)
}

/// All records come, in order and whole, though they are not in memory together; a short list has its length in the
/// head, as ever.
#[tokio::test(flavor = "multi_thread")]
async fn long_list_of_records_is_sent_while_it_is_read() {
    let harness = Harness::start(Limits::default()).await;
    let ids: Vec<ActivationId> = (1..=60).map(|start| long(start, 0).activation_id).collect();
    for start in 1..=60 {
        harness.store.store(long(start, 100_000)).await.unwrap();
    }
    for (query, count) in [
        ("limit=200&docs=true", 60),
        ("limit=45&docs=true&skip=5", 45),
    ] {
        let (has_length, records) = list(&harness, query).await;
        assert!(!has_length, "{query}");
        assert_eq!(records.len(), count);
        let skipped = if count == 60 { 0 } else { 5 };
        for (record, id) in records.iter().zip(ids.iter().rev().skip(skipped)) {
            assert_eq!(record["activationId"], id.to_string());
            assert!(record["logs"][0].as_str().unwrap().len() > 100_000);
        }
    }
    let (has_length, records) = list(&harness, "limit=3&docs=true").await;
    assert!(has_length && records.len() == 3);
    let (_, summaries) = list(&harness, "limit=200").await;
    assert!(summaries.len() == 60 && summaries.iter().all(|s| s.get("logs").is_none()));
}

/// rest-api §6.2, §8.1, §8.2, §9.2, §9.4.
#[tokio::test(flavor = "multi_thread")]
async fn long_lists_of_entities_are_complete() {
    let harness = Harness::start(Limits::default()).await;
    let package = "/api/v1/namespaces/_/packages/p";
    harness.client.put(package, &json!({})).await.unwrap();
    for number in 0..8 {
        let note = json!([{"key": "note", "value": "x".repeat(200_000)}]);
        let action = json!({"exec": {"kind": "nodejs:20", "code": "x"}, "annotations": note});
        let path = format!("/api/v1/namespaces/_/actions/p/a{number}");
        assert_eq!(
            harness.client.put(&path, &action).await.unwrap().status(),
            200
        );
    }
    let names = |list: &Value| -> Vec<String> {
        let elements = list.as_array().unwrap();
        let name = |element: &Value| element["name"].as_str().unwrap().to_owned();
        elements.iter().map(name).collect()
    };
    let expected: Vec<String> = (0..8).rev().map(|number| format!("a{number}")).collect();
    for path in [
        "/api/v1/namespaces/_/actions",
        "/api/v1/namespaces/_/actions/p/",
    ] {
        let listed = harness.client.get(path).await.unwrap().json().unwrap();
        assert_eq!(names(&listed), expected, "{path}");
    }
    let view = harness.client.get(package).await.unwrap().json().unwrap();
    assert_eq!(names(&view["actions"]), expected);
    let gone = harness
        .client
        .delete(&format!("{package}?force=true"))
        .await;
    assert_eq!(gone.unwrap().status(), 200);
    let left = harness.client.get("/api/v1/namespaces/_/actions").await;
    assert_eq!(left.unwrap().json().unwrap(), json!([]));
}
