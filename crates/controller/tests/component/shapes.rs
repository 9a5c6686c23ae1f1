//! Which members the answers have, no more and no fewer.

use oxwhisk_controller::Limits;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const COMMON: [&str; 6] = [
    "annotations",
    "name",
    "namespace",
    "publish",
    "updated",
    "version",
];

/// Puts an entity and returns the answer.
async fn put(harness: &Harness, rest: &str, body: Value) -> Value {
    let answer = harness.client.put(&path(rest), &body).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    answer.json().unwrap()
}

async fn get(harness: &Harness, rest: &str) -> Value {
    let answer = harness.client.get(&path(rest)).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    answer.json().unwrap()
}

async fn delete(harness: &Harness, rest: &str) -> Value {
    let answer = harness.client.delete(&path(rest)).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    answer.json().unwrap()
}

#[track_caller]
fn has_members(value: &Value, more: &[&str]) {
    let mut expected: Vec<&str> = COMMON.iter().chain(more).copied().collect();
    expected.sort_unstable();
    let mut found: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{value}");
}

fn action() -> Value {
    json!({"exec": {"kind": "nodejs:20", "code": "some text"}, "parameters": [{"key": "own", "value": 1}]})
}

/// entities §3.1: what `GET` merges in, `PUT` and `DELETE` leave out; `binding` is told with `code=false` only.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_shown_whole_and_summarized_in_lists() {
    let harness = Harness::start(Limits::default()).await;
    let all = ["exec", "limits", "parameters"];
    put(
        &harness,
        "packages/p",
        json!({"parameters": [{"key": "inherited", "value": 2}]}),
    )
    .await;
    put(
        &harness,
        "packages/b",
        json!({"binding": {"namespace": "_", "name": "p"}}),
    )
    .await;
    let written = put(&harness, "actions/p/a", action()).await;
    has_members(&written, &all);
    assert_eq!(written["parameters"], json!([{"key": "own", "value": 1}]));
    assert_eq!(written["namespace"], "guest/p");
    let read = get(&harness, "actions/b/a").await;
    has_members(&read, &all);
    assert_eq!(
        read["parameters"],
        json!([{"key": "inherited", "value": 2}, {"key": "own", "value": 1}])
    );
    assert_eq!(
        read["exec"],
        json!({"kind": "nodejs:20", "code": "some text", "binary": false})
    );
    let without_code = get(&harness, "actions/b/a?code=false").await;
    has_members(&without_code, &["binding", "exec", "limits", "parameters"]);
    assert_eq!(without_code["binding"], "guest/b");
    assert_eq!(
        without_code["exec"],
        json!({"kind": "nodejs:20", "binary": false})
    );
    let list = get(&harness, "actions").await;
    has_members(&list[0], &["exec", "limits"]);
    assert_eq!(list[0]["exec"], json!({"binary": false}));
    assert_eq!(
        list[0]["limits"],
        json!({"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1})
    );
    assert_eq!(delete(&harness, "actions/p/a").await, written);
}

/// entities §7: `binding` is always there, in three forms.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_tells_its_binding() {
    let harness = Harness::start(Limits::default()).await;
    let plain = put(&harness, "packages/p", json!({})).await;
    has_members(&plain, &["binding", "parameters"]);
    assert_eq!(plain["binding"], json!({}));
    let bound = put(
        &harness,
        "packages/b",
        json!({"binding": {"namespace": "_", "name": "p"}}),
    )
    .await;
    let provider = json!({"namespace": "guest", "name": "p"});
    assert_eq!(bound["binding"], provider);
    assert_eq!(
        bound["annotations"],
        json!([{"key": "binding", "value": provider}])
    );
    put(&harness, "actions/p/a", action()).await;
    let view = get(&harness, "packages/b").await;
    has_members(&view, &["actions", "binding", "feeds", "parameters"]);
    let shown: Vec<&String> = view["actions"][0].as_object().unwrap().keys().collect();
    assert_eq!(shown, ["annotations", "name", "version"]);
    let list = get(&harness, "packages").await;
    let bindings: Vec<Value> = list
        .as_array()
        .unwrap()
        .iter()
        .inspect(|package| has_members(package, &["binding"]))
        .map(|package| package["binding"].clone())
        .collect();
    assert!(bindings.contains(&json!(false)) && bindings.contains(&provider));
}

/// entities §8.1, §8.2: a trigger tells its rules once it had one; a rule tells its status, but not in lists.
#[tokio::test(flavor = "multi_thread")]
async fn triggers_and_rules_tell_of_each_other() {
    let harness = Harness::start(Limits::default()).await;
    let trigger = put(&harness, "triggers/t", json!({})).await;
    has_members(&trigger, &["limits", "parameters"]);
    assert_eq!(trigger["limits"], json!({}));
    put(&harness, "actions/a", action()).await;
    let rule = json!({"trigger": "/_/t", "action": "/_/a"});
    let rule = put(&harness, "rules/r", rule).await;
    has_members(&rule, &["action", "status", "trigger"]);
    assert_eq!(rule["action"], json!({"path": "guest", "name": "a"}));
    let linked = get(&harness, "triggers/t").await;
    has_members(&linked, &["limits", "parameters", "rules"]);
    assert_eq!(
        linked["rules"],
        json!({"guest/r": {"action": {"path": "guest", "name": "a"}, "status": "active"}})
    );
    assert_eq!(linked["updated"], trigger["updated"]);
    has_members(&get(&harness, "triggers").await[0], &[]);
    has_members(&get(&harness, "rules").await[0], &["action", "trigger"]);
    assert_eq!(delete(&harness, "rules/r").await["status"], "inactive");
    assert_eq!(get(&harness, "triggers/t").await["rules"], json!({}));
}

/// entities §9.1, §9.2, §9.4, §9.5: a trigger's record has no end; what became of each rule is in its logs.
#[tokio::test(flavor = "multi_thread")]
async fn an_activation_is_shown_whole_and_summarized_in_lists() {
    let harness = Harness::start(Limits::default()).await;
    put(&harness, "actions/a", action()).await;
    put(&harness, "triggers/t", json!({})).await;
    let rule = json!({"trigger": "/_/t", "action": "/_/a"});
    put(&harness, "rules/r", rule).await;
    let mut feed = harness.feed().await;
    let fired = harness
        .client
        .post(&path("triggers/t"), &json!({"x": 1}))
        .await
        .unwrap();
    let fired = fired.json().unwrap()["activationId"]
        .as_str()
        .unwrap()
        .to_owned();
    let delivery = feed.next().await.unwrap();
    let run = delivery.message().activation_id.to_string();
    harness.complete(delivery.as_ref(), r#"{"y":2}"#).await;
    let trigger = get(&harness, &format!("activations/{fired}")).await;
    let logs = json!({"statusCode": 0, "success": true, "activationId": run, "rule": "guest/r", "action": "guest/a"});
    let line: Value = serde_json::from_str(trigger["logs"][0].as_str().unwrap()).unwrap();
    assert_eq!(line, logs);
    assert_eq!(
        trigger["response"],
        json!({"result": {"x": 1}, "success": true, "status": "success"})
    );
    assert!(trigger.get("end").is_none() && trigger.get("duration").is_none());
    let record = get(&harness, &format!("activations/{run}")).await;
    let members: Vec<&String> = record.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "activationId",
            "annotations",
            "duration",
            "end",
            "logs",
            "name",
            "namespace",
            "publish",
            "response",
            "start",
            "subject",
            "version"
        ]
    );
    let result = get(&harness, &format!("activations/{run}/result")).await;
    assert_eq!(result, record["response"]);
    let list = get(&harness, "activations").await;
    let summaries = list.as_array().unwrap();
    let of = |id: &str| {
        summaries
            .iter()
            .find(|summary| summary["activationId"] == id)
            .unwrap()
    };
    assert_eq!(of(&run)["statusCode"], 0);
    assert_eq!(of(&run)["duration"], 1);
    for summary in summaries {
        assert!(summary.get("logs").is_none() && summary.get("response").is_none());
    }
    assert!(of(&fired).get("duration").is_none());
}
