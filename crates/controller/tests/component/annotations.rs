//! The annotations that mean something, and that the others do not.

use oxwhisk_controller::Limits;
use serde_json::{Value, json};

use crate::support::{Harness, path};

fn annotated(key: &str, value: &Value) -> Value {
    json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": key, "value": value}],
        "parameters": [{"key": "p", "value": 1}],
    })
}

async fn put(harness: &Harness, rest: &str, body: &Value) -> Value {
    let target = path(&format!("{rest}?overwrite=true"));
    let answer = harness.client.put(&target, body).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    answer.json().unwrap()
}

fn value_of<'a>(entity: &'a Value, key: &str) -> Option<&'a Value> {
    let annotations = entity["annotations"].as_array().unwrap();
    let found = annotations.iter().find(|found| found["key"] == key);
    found.map(|found| &found["value"])
}

/// entities §12, §2.1: only `true` itself switches a web action or final parameters on.
#[tokio::test(flavor = "multi_thread")]
async fn switches_are_on_by_true_only() {
    let harness = Harness::start(Limits::default()).await;
    let web = "/api/v1/web/guest/default/a";
    for value in [
        json!(true),
        json!("true"),
        json!(1),
        json!("yes"),
        json!({}),
        json!(null),
        json!(false),
    ] {
        let on = value == json!(true);
        put(&harness, "actions/a", &annotated("web-export", &value)).await;
        let preflight = harness
            .client
            .send("OPTIONS", web, &[], None)
            .await
            .unwrap();
        assert_eq!(preflight.status() == 200, on, "web-export {value}");
        put(&harness, "actions/a", &annotated("final", &value)).await;
        let overridden = harness
            .client
            .post(&path("actions/a"), &json!({"p": 2}))
            .await
            .unwrap();
        assert_eq!(overridden.status() == 400, on, "final {value}");
    }
}

/// entities §12, §2.1; composer §1: an action steers a composition by any value that is not empty, an object too.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_steers_by_whatever_is_not_empty() {
    let harness = Harness::start(Limits::default()).await;
    let mut feed = harness.feed().await;
    for (value, steers) in [
        (json!(true), true),
        (json!("no"), true),
        (json!({"type": "sequence"}), true),
        (json!(0.0), false),
        (json!(""), false),
        (json!(null), false),
    ] {
        put(&harness, "actions/c", &annotated("conductor", &value)).await;
        let (target, body) = (path("actions/c?blocking=true&result=true"), json!({}));
        let (answer, ()) = tokio::join!(harness.client.post(&target, &body), async {
            let delivery = feed.next().await.unwrap();
            harness
                .complete(delivery.as_ref(), r#"{"params":{"end":1},"more":2}"#)
                .await;
        });
        let expected = match steers {
            true => json!({"end": 1}),
            false => json!({"params": {"end": 1}, "more": 2}),
        };
        assert_eq!(
            answer.unwrap().json().unwrap(),
            expected,
            "conductor {value}"
        );
    }
}

/// entities §12, §3.3: annotations that describe are kept as they are, on anything, and change nothing; nor do those by
/// which OpenWhisk's scheduler picks invokers.
#[tokio::test(flavor = "multi_thread")]
async fn descriptions_are_kept_and_change_nothing() {
    let harness = Harness::start(Limits::default()).await;
    let mut feed = harness.feed().await;
    put(&harness, "packages/p", &json!({})).await;
    put(&harness, "triggers/t", &json!({})).await;
    put(&harness, "actions/p/a", &annotated("other", &json!(1))).await;
    let rule = json!({"trigger": "/_/t", "action": "/_/p/a"});
    put(&harness, "rules/r", &rule).await;
    for (key, value) in [
        ("description", json!("does something")),
        (
            "parameters",
            json!([{"name": "p", "required": true, "bindTime": true}]),
        ),
        ("sampleInput", json!({"p": 1})),
        ("sampleOutput", json!({"q": [1, 2]})),
        ("url", json!("https://example.com/")),
        ("invoker-resources", json!(["gpu"])),
        ("invoker-resources-strict-policy", json!(true)),
    ] {
        for rest in ["actions/p/a", "packages/p", "triggers/t", "rules/r"] {
            let body = json!({"annotations": [{"key": key, "value": value}]});
            let shown = put(&harness, rest, &body).await;
            assert_eq!(value_of(&shown, key), Some(&value), "{rest}: {key}");
        }
        let (target, body) = (
            path("actions/p/a?blocking=true&result=true"),
            json!({"x": 1}),
        );
        let (answer, content) = tokio::join!(harness.client.post(&target, &body), async {
            let delivery = feed.next().await.unwrap();
            harness
                .complete(delivery.as_ref(), r#"{"done":true}"#)
                .await;
            delivery.message().content.clone().unwrap()
        });
        assert_eq!(
            answer.unwrap().json().unwrap(),
            json!({"done": true}),
            "{key}"
        );
        let content: Value = serde_json::from_str(content.text()).unwrap();
        assert_eq!(content, json!({"p": 1, "x": 1}), "{key}");
    }
}

/// entities §12, §3.3, §7: `exec`, `provide-api-key` and `binding` are the server's to set; `feed` says where an action
/// is listed.
#[tokio::test(flavor = "multi_thread")]
async fn some_annotations_are_the_server_s() {
    let harness = Harness::start(Limits::default()).await;
    put(&harness, "packages/p", &json!({})).await;
    let made = put(&harness, "actions/p/a", &annotated("exec", &json!("mine"))).await;
    assert_eq!(value_of(&made, "exec"), Some(&json!("nodejs:20")));
    assert_eq!(value_of(&made, "provide-api-key"), Some(&json!(false)));
    let asked = put(
        &harness,
        "actions/p/k",
        &annotated("provide-api-key", &json!("yes")),
    )
    .await;
    assert_eq!(value_of(&asked, "provide-api-key"), Some(&json!("yes")));
    for value in [json!("x"), json!(false), json!(null)] {
        put(&harness, "actions/p/f", &annotated("feed", &value)).await;
        let package = harness
            .client
            .get(&path("packages/p"))
            .await
            .unwrap()
            .json()
            .unwrap();
        let names = |list: &str| -> Vec<Value> {
            let list = package[list].as_array().unwrap();
            let mut names: Vec<Value> = list.iter().map(|action| action["name"].clone()).collect();
            names.sort_by_key(Value::to_string);
            names
        };
        assert_eq!(names("feeds"), [json!("f")], "{value}");
        assert_eq!(names("actions"), [json!("a"), json!("k")], "{value}");
    }
    let client_s = json!([{"key": "binding", "value": "mine"}]);
    let plain = put(&harness, "packages/p", &json!({"annotations": client_s})).await;
    assert_eq!(value_of(&plain, "binding"), None);
    let target = json!({"namespace": "_", "name": "p"});
    let bound = put(
        &harness,
        "packages/b",
        &json!({"binding": target, "annotations": client_s}),
    )
    .await;
    let provider = json!({"namespace": "guest", "name": "p"});
    assert_eq!(value_of(&bound, "binding"), Some(&provider));
}
