//! Entities under concurrent changes.

use std::sync::Arc;
use std::time::Duration;

use oxwhisk_controller::Limits;
use serde_json::json;

use crate::support::{Harness, HeldDeletes};

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(10);

const ACTION: &str = "/api/v1/namespaces/_/actions/a";

fn action(text: &str) -> serde_json::Value {
    json!({"exec": {"kind": "nodejs:20", "code": text}})
}

/// No update is lost without a 409: the version counts exactly the updates that were answered 200.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_are_counted_or_refused() {
    let harness = Harness::start(Limits::default()).await;
    assert_eq!(
        harness
            .client
            .put(ACTION, &action("first text"))
            .await
            .unwrap()
            .status(),
        200
    );
    let mut updates = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = harness.client.clone();
        updates.spawn(async move {
            let body = action(&format!("text {number}"));
            client
                .put(&format!("{ACTION}?overwrite=true"), &body)
                .await
                .unwrap()
                .status()
        });
    }
    let statuses = updates.join_all().await;
    let done = statuses.iter().filter(|&&status| status == 200).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 409)),
        "{statuses:?}"
    );
    let version = harness.client.get(ACTION).await.unwrap().json().unwrap()["version"].clone();
    assert_eq!(version, format!("0.0.{}", 1 + done));
}

/// rest-api §5.5.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_creates_wins() {
    let harness = Harness::start(Limits::default()).await;
    let mut creates = tokio::task::JoinSet::new();
    for number in 0..20 {
        let client = harness.client.clone();
        creates.spawn(async move {
            client
                .put(ACTION, &action(&format!("text {number}")))
                .await
                .unwrap()
                .status()
        });
    }
    let statuses = creates.join_all().await;
    assert_eq!(
        statuses.iter().filter(|&&status| status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 409)),
        "{statuses:?}"
    );
}

/// Rules write into their trigger's document: changes that meet there are refused, never lost.
#[tokio::test(flavor = "multi_thread")]
async fn rules_of_one_trigger_are_linked_or_refused() {
    let harness = Harness::start(Limits::default()).await;
    let path = |rest: &str| format!("/api/v1/namespaces/_/{rest}");
    harness
        .client
        .put(ACTION, &action("text here"))
        .await
        .unwrap();
    harness
        .client
        .put(&path("triggers/t"), &json!({}))
        .await
        .unwrap();
    let mut rules = tokio::task::JoinSet::new();
    for number in 0..10 {
        let client = harness.client.clone();
        let rule = path(&format!("rules/r{number}"));
        rules.spawn(async move {
            let body = json!({"trigger": "/_/t", "action": "/_/a"});
            client.put(&rule, &body).await.unwrap().status()
        });
    }
    let statuses = rules.join_all().await;
    let done = statuses.iter().filter(|&&status| status == 200).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 409)),
        "{statuses:?}"
    );
    let trigger = harness
        .client
        .get(&path("triggers/t"))
        .await
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(
        trigger["rules"].as_object().map_or(0, serde_json::Map::len),
        done
    );
}

/// entities §2.2, §5: code over 16 KB is kept beside the document and comes back as it was sent, after updates of other members too.
#[tokio::test(flavor = "multi_thread")]
async fn long_code_survives_updates_without_code() {
    let harness = Harness::start(Limits::default()).await;
    let code = "// padding\n".repeat(4_000);
    harness.client.put(ACTION, &action(&code)).await.unwrap();
    let update = json!({"annotations": [{"key": "k", "value": 1}]});
    let shown = harness
        .client
        .put(&format!("{ACTION}?overwrite=true"), &update)
        .await
        .unwrap();
    assert_eq!(shown.json().unwrap()["exec"]["code"], code);
    assert_eq!(
        harness.client.get(ACTION).await.unwrap().json().unwrap()["exec"]["code"],
        code
    );
    assert_eq!(
        harness.client.delete(ACTION).await.unwrap().json().unwrap()["exec"]["code"],
        code
    );
    assert_eq!(harness.client.get(ACTION).await.unwrap().status(), 404);
}

/// entities §5: binary code is kept decoded, so that the invoker can encode it once; it comes back as base64.
#[tokio::test(flavor = "multi_thread")]
async fn long_archives_come_back_as_base64() {
    let harness = Harness::start(Limits::default()).await;
    let code = "UEsDBAAA".repeat(4_000);
    harness.client.put(ACTION, &action(&code)).await.unwrap();
    let shown = harness.client.get(ACTION).await.unwrap().json().unwrap();
    assert_eq!(
        (&shown["exec"]["code"], &shown["exec"]["binary"]),
        (&json!(code), &json!(true))
    );
}

/// entities §3.5, invocation §5.1: changes that meet can make definitions cyclic after each was checked; running and changing them ends all the same.
#[tokio::test(flavor = "multi_thread")]
async fn cyclic_sequences_end() {
    let harness = Harness::start(Limits::default()).await;
    let path = |name: &str| format!("/api/v1/namespaces/_/actions/{name}?overwrite=true");
    let sequence = |of: &str| json!({"exec": {"kind": "sequence", "components": [of]}});
    for name in ["a", "b", "c"] {
        harness
            .client
            .put(&path(name), &action("some text"))
            .await
            .unwrap();
    }
    harness
        .client
        .put(&path("a"), &sequence("/_/b"))
        .await
        .unwrap();
    // Past the check, as two concurrent updates would be; after an update nothing of it is remembered.
    let update = json!({"annotations": []});
    harness.client.put(&path("b"), &update).await.unwrap();
    harness.make_sequence("b", "a").await;
    let run = "/api/v1/namespaces/_/actions/a?blocking=true&result=true";
    let answer = harness.client.post(run, &json!({})).await.unwrap();
    assert_eq!(
        (answer.status(), answer.json().unwrap()),
        (502, json!({"error": "Too many actions in the sequence."}))
    );
    let refused = harness
        .client
        .put(&path("c"), &sequence("/_/a"))
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
}

/// However long one namespace takes to delete a package, the others write into theirs meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_deletes_a_package_holds_up_no_other() {
    let mut held = None;
    let harness = Harness::start_over(Limits::default(), |store| {
        let deletes = Arc::new(HeldDeletes::new(store));
        held = Some(Arc::clone(&deletes));
        deletes
    });
    let harness = harness.await;
    let held = held.unwrap();
    let path = |rest: &str| format!("/api/v1/namespaces/_/{rest}");
    let stranger = harness.stranger().await;
    for client in [&harness.client, &stranger] {
        let put = client.put(&path("packages/p"), &json!({})).await;
        assert_eq!(put.unwrap().status(), 200);
        let put = client.put(&path("actions/p/a"), &action("text")).await;
        assert_eq!(put.unwrap().status(), 200);
    }
    let deleting = tokio::spawn({
        let (client, path) = (harness.client.clone(), path("packages/p?force=true"));
        async move { client.delete(&path).await.unwrap().status() }
    });
    held.waiting.acquire().await.unwrap().forget();
    let action_path = path("actions/p/a?overwrite=true");
    let edit = action("other text");
    let written = stranger.put(&action_path, &edit);
    let written = tokio::time::timeout(DEADLINE, written).await;
    let written = written.expect("it waits for another namespace");
    assert_eq!(written.unwrap().status(), 200);
    held.let_go.add_permits(2);
    assert_eq!(deleting.await.unwrap(), 200);
}
