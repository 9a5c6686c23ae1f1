//! How large things may be, and what is measured.

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ByteSize, UserLimits};
use oxwhisk_store::SubjectStore as _;
use serde_json::{Value, json};

use crate::support::{Harness, path};

async fn put(harness: &Harness, rest: &str, body: &Value) -> (u16, Value) {
    let answer = harness.client.put(&path(rest), body).await.unwrap();
    (answer.status(), answer.json().unwrap()["error"].clone())
}

fn larger(what: &str, found: usize, allowed: usize) -> Value {
    json!(format!(
        "{what} larger than allowed: {found} > {allowed} bytes."
    ))
}

/// entities §5, §6.3; rest-api §8.4: of code and its entry point the bytes count as they were sent, of a blackbox its
/// image too, of a sequence the names of its components. Exactly the limit is allowed.
#[tokio::test(flavor = "multi_thread")]
async fn size_of_an_exec_is_all_that_it_is_made_of() {
    let harness = Harness::start(Limits {
        exec: ByteSize::bytes(24),
        ..Limits::default()
    })
    .await;
    let first = put(
        &harness,
        "actions/a",
        &json!({"exec": {"kind": "nodejs:20", "code": "some text"}}),
    )
    .await;
    assert_eq!(first.0, 200);
    for (exec, size) in [
        (json!({"kind": "nodejs:20", "code": "x".repeat(23)}), 23),
        (json!({"kind": "nodejs:20", "code": "€".repeat(8)}), 24),
        (
            json!({"kind": "nodejs:20", "code": "€".repeat(8), "main": "m"}),
            25,
        ),
        (json!({"kind": "nodejs:20", "code": "YWJj".repeat(6)}), 24),
        (json!({"kind": "nodejs:20", "code": "YWJj".repeat(7)}), 28),
        (
            json!({"kind": "blackbox", "image": "0123456789", "code": "x y".repeat(5)}),
            25,
        ),
        (
            json!({"kind": "blackbox", "image": "0123456789", "code": "x y".repeat(4), "main": "mm"}),
            24,
        ),
        (
            json!({"kind": "sequence", "components": ["/_/a", "/_/a"]}),
            14,
        ),
    ] {
        let told = put(&harness, "actions/b?overwrite=true", &json!({"exec": exec})).await;
        if size > 24 {
            assert_eq!(told, (413, larger("exec", size, 24)), "{exec}");
        } else {
            assert_eq!(told, (200, Value::Null), "{exec}");
        }
    }
    let sequence = json!({"exec": {"kind": "sequence", "components": vec!["/guest/a"; 4]}});
    let (status, text) = put(&harness, "actions/s", &sequence).await;
    assert_eq!(status, 413, "{text}");
}

/// The limits that the namespace has by now.
async fn shown_limits(harness: &Harness) -> Value {
    harness.clock.advance(1_001);
    let shown = harness.client.get(&path("limits")).await.unwrap();
    shown.json().unwrap()
}

/// entities §6.3, §10; rest-api §5.5: a namespace's own sizes hold for all that takes a body or keeps parameters, and
/// only narrow the system's.
#[tokio::test(flavor = "multi_thread")]
async fn sizes_may_be_narrowed_for_a_namespace() {
    let harness = Harness::start(Limits::default()).await;
    let web = json!([{"key": "web-export", "value": true}]);
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}, "annotations": web});
    harness
        .put_all([
            ("actions/a", action),
            ("triggers/t", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    let sizes = |payload: &str, parameters: &str| -> UserLimits {
        let limits = json!({"maxPayloadSize": payload, "maxParameterSize": parameters});
        serde_json::from_value(limits).unwrap()
    };
    let own = sizes("20 b", "12 B");
    harness.store.put_limits("guest", Some(&own)).await.unwrap();
    let shown = shown_limits(&harness).await;
    assert_eq!(shown["maxParameterSize"], "12 B");
    assert!(shown["maxPayloadSize"].is_string(), "{shown}");
    let (fits, too_large) = (json!({"status": "active"}), json!({"status": "inactive"}));
    for target in [
        path("actions/a"),
        path("triggers/t"),
        path("rules/r"),
        "/api/v1/web/guest/default/a".to_owned(),
    ] {
        let refused = harness.client.post(&target, &too_large).await.unwrap();
        let told = (refused.status(), refused.json().unwrap()["error"].clone());
        assert_eq!(told, (413, larger("Request", 21, 20)), "{target}");
        if !target.contains("/web/") {
            let accepted = harness.client.post(&target, &fits).await.unwrap();
            assert!(accepted.status() < 300, "{target}: {}", accepted.text());
        }
    }
    // The key and the JSON text of the value: 3 + 9 bytes, then one more.
    let entry = |value: &str| json!([{"key": "key", "value": value}]);
    for (rest, members) in [
        ("actions/a", &["parameters", "annotations"][..]),
        ("packages/p", &["parameters", "annotations"]),
        ("triggers/t", &["parameters", "annotations"]),
        ("rules/r", &["annotations"]),
    ] {
        let target = format!("{rest}?overwrite=true");
        for member in members {
            let exact = put(&harness, &target, &json!({*member: entry("1234567")})).await;
            assert_eq!(exact.0, 200, "{rest}: {exact:?}");
            let over = put(&harness, &target, &json!({*member: entry("12345678")})).await;
            assert_eq!(over, (413, larger(member, 13, 12)), "{rest}");
        }
    }
    let wide = sizes("2 MB", "2 M");
    harness
        .store
        .put_limits("guest", Some(&wide))
        .await
        .unwrap();
    let shown = shown_limits(&harness).await;
    assert_eq!(shown["maxParameterSize"], "1048576 B");
    let large = json!({"x": "x".repeat(1 << 20)});
    let refused = harness
        .client
        .post(&path("actions/a"), &large)
        .await
        .unwrap();
    assert_eq!(refused.status(), 413);
}
