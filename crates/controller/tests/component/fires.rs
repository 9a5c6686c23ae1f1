//! What a fired trigger gives to the actions of its rules.

use oxwhisk_controller::Limits;
use serde_json::{Value, json};

use crate::support::{Harness, path};

/// The entry of the only rule in the record of a fired trigger.
async fn fired(harness: &Harness, body: &Value) -> Value {
    let answer = harness.client.post(&path("triggers/t"), body).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text());
    let id = answer.header("x-openwhisk-activation-id").unwrap();
    let place = path(&format!("activations/{id}"));
    let record = harness.client.get(&place).await.unwrap();
    let record = record.json().unwrap();
    let entry = record.pointer("/logs/0").and_then(Value::as_str);
    serde_json::from_str(entry.unwrap()).unwrap()
}

/// invocation §4.1, entities §6.3: what a rule posts is bounded like any other invocation, with the trigger's parameters
/// and the headers in it.
#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_a_rule_are_bounded_with_those_of_its_trigger() {
    let harness = Harness::start(Limits::default()).await;
    let half = json!([{"key": "stored", "value": "x".repeat(600_000)}]);
    harness
        .put_all([
            (
                "actions/a",
                json!({"exec": {"kind": "nodejs:20", "code": "some text"}}),
            ),
            ("triggers/t", json!({"parameters": half})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    let small = fired(&harness, &json!({"sent": "x"})).await;
    assert_eq!(small.get("statusCode"), Some(&json!(0)), "{small}");
    let large = fired(&harness, &json!({"sent": "x".repeat(600_000)})).await;
    assert_eq!(large.get("statusCode"), Some(&json!(1)), "{large}");
    let error = large.get("error").and_then(Value::as_str).unwrap();
    assert!(
        error.starts_with("Request larger than allowed: 120")
            && error.ends_with("> 1048576 bytes."),
        "{error}"
    );
    // What takes the place of a parameter does not count twice.
    let instead = fired(&harness, &json!({"stored": "y".repeat(900_000)})).await;
    assert_eq!(instead.get("statusCode"), Some(&json!(0)), "{instead}");
}
