//! What reaches an action of a request.

use oxwhisk_controller::Limits;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const WEB: &str = "/api/v1/web/guest/b/a";

/// A controller with an action `a` behind package `p` and binding `b`, a trigger `t` and a rule; all have parameters.
async fn with_parameters() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let parameters = |of: &str, more: Value| {
        let mut all = vec![
            json!({"key": of, "value": of}),
            json!({"key": "who", "value": {of: 1}}),
        ];
        all.extend(more.as_array().unwrap().iter().cloned());
        Value::from(all)
    };
    let binding = json!({"namespace": "_", "name": "p"});
    let action = json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": "web-export", "value": true}],
        "parameters": parameters("action", json!([{"key": "nothing", "value": null}])),
    });
    harness.put_all([
        (
            "packages/p",
            json!({"parameters": parameters("package", json!([]))}),
        ),
        (
            "packages/b",
            json!({"binding": binding, "parameters": parameters("binding", json!([]))}),
        ),
        ("actions/p/a", action),
        (
            "triggers/t",
            json!({"parameters": parameters("trigger", json!([{"key": "x", "value": "trigger"}]))}),
        ),
        ("rules/r", json!({"trigger": "/_/t", "action": "/_/b/a"})),
    ]).await;
    harness
}

/// Sends a request that runs the action, and returns its arguments and the transaction.
async fn given(
    harness: &Harness,
    target: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> (Value, String) {
    let mut feed = harness.feed().await;
    let json = [("content-type", "application/json")];
    let headers = [&json, headers].concat();
    let body = Some(body.to_string().into_bytes());
    let (answer, given) =
        tokio::join!(harness.client.send("POST", target, &headers, body), async {
            let delivery = feed.next().await.unwrap();
            harness.complete(delivery.as_ref(), r#"{"body":"x"}"#).await;
            let message = delivery.message();
            let content = serde_json::from_str(message.content.as_ref().unwrap().text()).unwrap();
            (content, message.transid.id.to_string())
        });
    assert!(answer.unwrap().status() < 300, "{target}");
    given
}

/// invocation §2.1, §4.1; rest-api §10: the nearer set of parameters wins, key by key and not inside a value; `null` is a
/// value like others.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_merged_key_by_key() {
    let harness = with_parameters().await;
    let body = json!({"binding": null, "x": "body"});
    let all = [
        ("package", json!("package")),
        ("binding", json!(null)),
        ("action", json!("action")),
        ("nothing", json!(null)),
    ];
    for (target, who) in [
        (path("actions/b/a?blocking=true"), "action"),
        (format!("{WEB}?x=query&action=query"), "action"),
        (path("triggers/t"), "trigger"),
    ] {
        let (content, _) = given(&harness, &target, &[], &body).await;
        for (key, value) in &all {
            let expected = match (*key, target.contains("/web/")) {
                ("action", true) => json!("query"),
                _ => value.clone(),
            };
            assert_eq!(content[*key], expected, "{target}: {key}");
        }
        assert_eq!(content["who"], json!({who: 1}), "{target}");
        assert_eq!(content["x"], "body", "{target}");
        assert_eq!(
            content.get("trigger").is_some(),
            target.contains("triggers")
        );
    }
}

/// rest-api §2.1, §2.2; invocation §4.1: the transaction of a request is that of what it causes, and the switch for more
/// logging is for the platform only.
#[tokio::test(flavor = "multi_thread")]
async fn headers_for_the_platform_do_not_reach_the_action() {
    let harness = with_parameters().await;
    let headers = [
        ("X-Request-ID", "my-transaction"),
        ("X-OW-EXTRA-LOGGING", "on"),
        ("X-Mine", "yes"),
    ];
    for target in [
        path("actions/b/a?blocking=true"),
        WEB.to_owned(),
        path("triggers/t"),
    ] {
        let (content, transaction) = given(&harness, &target, &headers, &json!({})).await;
        assert_eq!(transaction, "my-transaction", "{target}");
        let Some(passed) = content.get("__ow_headers") else {
            continue;
        };
        assert_eq!(passed["x-mine"], "yes", "{target}");
        assert_eq!(passed.get("x-ow-extra-logging"), None, "{target}");
        assert!(passed["authorization"].is_string(), "{target}");
    }
}
