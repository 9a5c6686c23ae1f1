//! Lists whose elements are long.

use std::sync::Arc;

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ActivationId, WhiskActivation};
use oxwhisk_store::ActivationStore as _;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_testing::RestClient;
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

/// rest-api §5.6, §8.2, §9.1: the actions of a package are for those who may read it; of the packages of others the
/// public ones are listed and counted.
#[tokio::test(flavor = "multi_thread")]
async fn lists_show_strangers_what_is_public() {
    let harness = Harness::start(Limits::default()).await;
    let stranger = harness.stranger().await;
    let path = |rest: &str| format!("/api/v1/namespaces/guest/{rest}");
    let action = json!({"exec": {"kind": "nodejs:20", "code": "x"}});
    let binding = json!({"binding": {"namespace": "_", "name": "open"}, "publish": true});
    harness
        .put_all([
            ("packages/open", json!({"publish": true})),
            ("packages/shut", json!({"publish": false})),
            ("packages/bound", binding),
            ("actions/open/a", action.clone()),
            ("actions/shut/a", action),
        ])
        .await;
    let get = async |client: &RestClient, rest: &str| {
        let answer = client.get(&path(rest)).await.unwrap();
        (answer.status(), answer.json().unwrap())
    };
    let names = |list: &Value| -> Vec<Value> {
        let list = list.as_array().unwrap().iter();
        list.map(|element| element["name"].clone()).collect()
    };
    let (status, list) = get(&stranger, "actions/open/").await;
    assert_eq!((status, names(&list)), (200, vec![json!("a")]));
    for private in ["shut", "bound", "none"] {
        let (status, told) = get(&stranger, &format!("actions/{private}/")).await;
        let text =
            format!("The supplied authentication is not authorized to access 'guest/{private}'.");
        assert_eq!((status, &told["error"]), (403, &json!(text)));
    }
    let (_, bound) = get(&harness.client, "actions/bound/").await;
    assert_eq!(bound[0]["namespace"], "guest/open");
    let (_, list) = get(&stranger, "packages").await;
    assert_eq!(names(&list), ["open"]);
    for (client, count) in [(&stranger, 1), (&harness.client, 3)] {
        let counted = get(client, "packages?count=true").await.1;
        assert_eq!(counted, json!({"packages": count}));
        let counted = get(client, "packages?count=true&skip=2").await.1;
        assert_eq!(counted, json!({"packages": count.max(2) - 2}));
    }
}
