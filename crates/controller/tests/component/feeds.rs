//! Feeds, as clients drive them: the controller itself never calls a feed action.

use oxwhisk_controller::Limits;
use serde_json::{Value, json};

use crate::support::{Harness, path};

/// A controller with a feed action `changes` in package `p`.
async fn with_feed() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let action = json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": "feed", "value": true}],
        "parameters": [{"key": "interval", "value": 60}],
    });
    harness
        .put_all([("packages/p", json!({})), ("actions/p/changes", action)])
        .await;
    harness
}

fn trigger_of(feed: Value) -> Value {
    json!({"annotations": [{"key": "feed", "value": feed}]})
}

/// Invokes the feed action as clients do, and returns what it was given.
async fn invoke_feed(harness: &Harness, arguments: &Value, result: &str) -> (u16, Value) {
    let mut feed = harness.feed().await;
    let path = path("actions/p/changes?blocking=true");
    let call = harness.client.post(&path, arguments);
    let (answer, given) = tokio::join!(call, async {
        let delivery = feed.next().await.unwrap();
        let content = delivery.message().content.clone().unwrap();
        harness.complete(delivery.as_ref(), result).await;
        serde_json::from_str(content.text()).unwrap()
    });
    (answer.unwrap().status(), given)
}

/// invocation §4.3: trigger first, then the feed action; its provider fires with the key that it was given; then
/// back again in the other order.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_lives_as_its_client_says() {
    let harness = with_feed().await;
    let view = harness.client.get(&path("packages/p")).await.unwrap();
    let view = view.json().unwrap();
    assert_eq!(view["actions"], json!([]));
    assert_eq!(view["feeds"][0]["name"], "changes");
    let made = harness
        .client
        .put(&path("triggers/t"), &trigger_of(json!("/_/p/changes")))
        .await
        .unwrap();
    assert_eq!(made.status(), 200);
    let arguments =
        |event: &str| json!({"lifecycleEvent": event, "triggerName": "/guest/t", "authKey": "u:k"});
    for event in ["CREATE", "READ", "UPDATE", "PAUSE", "UNPAUSE"] {
        let (status, given) = invoke_feed(&harness, &arguments(event), "{}").await;
        let mut expected = arguments(event);
        expected["interval"] = json!(60);
        assert_eq!((status, given), (200, expected));
    }
    let fired = harness
        .client
        .post("/api/v1/namespaces/guest/triggers/t", &json!({"id": 1}))
        .await
        .unwrap();
    assert_eq!(fired.status(), 204);
    let (status, _) = invoke_feed(&harness, &arguments("DELETE"), "{}").await;
    assert_eq!(status, 200);
    let deleted = harness.client.delete(&path("triggers/t")).await.unwrap();
    assert_eq!(
        deleted.json().unwrap()["annotations"],
        trigger_of(json!("/_/p/changes"))["annotations"]
    );
}

/// invocation §4.3, rest-api §10: a new trigger's feed is a name; whether it leads anywhere is the client's business.
#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_a_new_trigger_must_be_a_name() {
    let harness = with_feed().await;
    for feed in [
        json!(""),
        json!("/"),
        json!(1),
        json!(true),
        json!({}),
        json!(null),
    ] {
        let answer = harness
            .client
            .put(&path("triggers/t"), &trigger_of(feed.clone()))
            .await
            .unwrap();
        assert_eq!(
            (answer.status(), answer.json().unwrap()["error"].clone()),
            (400, json!("Feed name is not valid")),
            "{feed}"
        );
    }
    let answer = harness
        .client
        .put(&path("triggers/t"), &trigger_of(json!("/_/no/such")))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let answer = harness
        .client
        .put(&path("triggers/t?overwrite=true"), &trigger_of(json!(1)))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}
