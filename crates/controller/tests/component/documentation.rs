//! What the documentation of OpenWhisk says otherwise than its code does: the code is right.

use std::sync::Arc;

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ActivationResponse, Json, ResponseStatus};
use oxwhisk_store::ActivationStore as _;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_testing::RestAnswer;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const WEB: &str = "/api/v1/web/guest/default/a";

/// A controller with a web action `a`, a trigger `t` and an active rule `r`.
async fn with_rule() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let action = json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": "web-export", "value": true}],
    });
    harness
        .put_all([
            ("actions/a", action),
            ("triggers/t", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    harness
}

/// Asks and plays the action; returns the answer and the arguments.
async fn run(
    harness: &Harness,
    method: &str,
    target: &str,
    response: ActivationResponse,
) -> (RestAnswer, Value) {
    let mut feed = harness.feed().await;
    let call = harness.client.send(method, target, &[], None);
    let (answer, content) = tokio::join!(call, async {
        let delivery = feed.next().await.unwrap();
        harness.complete_with(delivery.as_ref(), response).await;
        let content = delivery.message().content.clone().unwrap();
        serde_json::from_str(content.text()).unwrap()
    });
    (answer.unwrap(), content)
}

fn success(result: &str) -> ActivationResponse {
    ActivationResponse::success(Some(Json::parse(result.as_bytes()).unwrap()), None)
}

/// invocation §13 (`__ow_user`, default content type), §9.4, §9.5, §9.8: credentials are told wherever they are valid; a
/// string is a page, anything else JSON.
#[tokio::test(flavor = "multi_thread")]
async fn web_actions_learn_who_asks_and_answer_pages() {
    let harness = with_rule().await;
    for (result, media_type) in [
        (r#"{"body":"<b>x</b>"}"#, "text/html; charset=UTF-8"),
        (r#"{"body":{"x":1}}"#, "application/json"),
        (r#"{"body":5}"#, "application/json"),
    ] {
        let (answer, arguments) = run(&harness, "GET", WEB, success(result)).await;
        assert_eq!(arguments["__ow_user"], "guest");
        assert_eq!(
            (answer.status(), answer.header("content-type")),
            (200, Some(media_type))
        );
    }
}

/// invocation §13 (trigger fire, application errors, `response.statusCode`), §3.2, §4.1; entities §9.2.
#[tokio::test(flavor = "multi_thread")]
async fn fires_and_failures_are_told_by_the_status_of_the_answer() {
    let harness = with_rule().await;
    let fire = async || {
        harness
            .client
            .post(&path("triggers/t"), &json!({}))
            .await
            .unwrap()
    };
    assert_eq!(fire().await.status(), 202);
    let inactive = json!({"status": "inactive"});
    harness
        .client
        .post(&path("rules/r"), &inactive)
        .await
        .unwrap();
    let nobody = fire().await;
    assert_eq!((nobody.status(), nobody.text()), (204, String::new()));
    assert_eq!(nobody.header("x-openwhisk-activation-id"), None);
    // What the rule has posted is answered first, whoever waits.
    let mut feed = harness.feed().await;
    let posted = feed.next().await.unwrap();
    harness.complete(posted.as_ref(), "{}").await;
    drop((posted, feed));
    for (status, code) in [
        (ResponseStatus::ApplicationError, 502),
        (ResponseStatus::DeveloperError, 502),
        (ResponseStatus::WhiskError, 500),
    ] {
        for query in ["blocking=true", "blocking=true&result=true"] {
            let target = path(&format!("actions/a?{query}"));
            let response = ActivationResponse::error(status, "no");
            let (answer, _) = run(&harness, "POST", &target, response).await;
            assert_eq!(answer.status(), code);
            let id = answer
                .header("x-openwhisk-activation-id")
                .unwrap()
                .to_owned();
            let body = answer.json().unwrap();
            if query.ends_with("result=true") {
                assert_eq!(body, json!({"error": "no"}));
                continue;
            }
            let shown =
                json!({"status": status.text(), "success": false, "result": {"error": "no"}});
            assert_eq!((&body["response"], &body["logs"]), (&shown, &json!([])));
            assert_eq!(body.get("code"), None);
            for part in [String::new(), "/result".to_owned()] {
                let stored = path(&format!("activations/{id}{part}"));
                let stored = harness.client.get(&stored).await.unwrap().json().unwrap();
                let response = stored.get("response").unwrap_or(&stored);
                assert_eq!(*response, shown);
            }
        }
    }
}

/// invocation §13 (rule must be inactive), rest-api §11; entities §2, §8.2: an active rule can be changed and deleted,
/// and what its status is changes neither its version nor its time.
#[tokio::test(flavor = "multi_thread")]
async fn active_rules_are_changed_and_deleted() {
    let harness = with_rule().await;
    let get = async |rest: &str| {
        harness
            .client
            .get(&path(rest))
            .await
            .unwrap()
            .json()
            .unwrap()
    };
    let made = get("rules/r").await;
    let trigger = get("triggers/t").await;
    harness.clock.advance(1_000);
    for status in ["inactive", "inactive", "active", "active"] {
        let body = json!({"status": status});
        let answer = harness.client.post(&path("rules/r"), &body).await.unwrap();
        assert_eq!((answer.status(), answer.text()), (200, "OK".to_owned()));
        let shown = get("rules/r").await;
        assert_eq!(shown["status"], status);
        for member in ["version", "updated"] {
            assert_eq!(shown[member], made[member], "{member} of the rule");
            assert_eq!(
                get("triggers/t").await[member],
                trigger[member],
                "{member} of the trigger"
            );
        }
    }
    let body = json!({"annotations": [{"key": "k", "value": 1}]});
    let update = harness
        .client
        .put(&path("rules/r?overwrite=true"), &body)
        .await;
    let update = update.unwrap().json().unwrap();
    assert_eq!(
        (&update["status"], &update["version"]),
        (&json!("active"), &json!("0.0.2"))
    );
    let deleted = harness.client.delete(&path("rules/r")).await.unwrap();
    assert_eq!(
        (deleted.status(), &deleted.json().unwrap()["status"]),
        (200, &json!("inactive"))
    );
}

/// invocation §13 (`since` and `upto`), §10; rest-api §12.1: milliseconds, both inclusive.
#[tokio::test(flavor = "multi_thread")]
async fn activations_are_sought_by_the_millisecond() {
    let harness = with_rule().await;
    for start in [1_999, 2_000, 2_001, 2_002] {
        harness
            .store
            .store(Arc::new(record("hello", start, 1)))
            .await
            .unwrap();
    }
    for (query, starts) in [
        ("since=2000&upto=2001", vec![2_001, 2_000]),
        ("since=2002", vec![2_002]),
        ("upto=1999", vec![1_999]),
        ("since=2&upto=3", vec![]),
        ("since=2000&limit=1&skip=1", vec![2_001]),
    ] {
        let list = harness
            .client
            .get(&path(&format!("activations?{query}")))
            .await
            .unwrap();
        let list = list.json().unwrap();
        let found: Vec<u64> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["start"].as_u64().unwrap())
            .collect();
        assert_eq!(found, starts, "{query}");
    }
    for (query, count) in [
        ("since=2000&upto=2001", 2),
        ("since=2000&skip=2", 1),
        ("since=2000&skip=9", 0),
        ("name=hello", 4),
    ] {
        let counted = harness
            .client
            .get(&path(&format!("activations?count=true&{query}")))
            .await
            .unwrap();
        assert_eq!(
            counted.json().unwrap(),
            json!({"activations": count}),
            "{query}"
        );
    }
}

/// invocation §13 (rates, name pattern); entities §1.1, §6.2; rest-api §1.1.
#[tokio::test(flavor = "multi_thread")]
async fn defaults_and_names_are_those_of_the_code() {
    let harness = with_rule().await;
    let info = harness.client.without_key().get("/").await.unwrap();
    let limits = info.json().unwrap()["limits"].clone();
    for (member, value) in [
        ("actions_per_minute", 60),
        ("triggers_per_minute", 60),
        ("concurrent_actions", 30),
        ("sequence_length", 50),
    ] {
        assert_eq!(limits[member], value, "{member}");
    }
    let longest = "n".repeat(256);
    for name in ["a&b@c.d-e%20f&", &longest] {
        let put = harness
            .client
            .put(&path(&format!("triggers/{name}")), &json!({}))
            .await;
        assert_eq!(put.unwrap().status(), 200, "{name}");
    }
    let too_long = harness
        .client
        .put(&path(&format!("triggers/n{longest}")), &json!({}))
        .await;
    assert_eq!(too_long.unwrap().status(), 400);
}
