//! Sequences and compositions whose steps cannot be started, or whose records say how they are nested.

use std::time::Duration;

use oxwhisk_controller::Limits;
use oxwhisk_entity::{ActivationResponse, Json, ResponseStatus};
use oxwhisk_testing::eventually;
use serde_json::{Value, json};

use crate::support::Harness;

const DEADLINE: Duration = Duration::from_secs(20);

fn path(rest: &str) -> String {
    format!("/api/v1/namespaces/_/{rest}")
}

async fn record_of(harness: &Harness, id: &Value) -> Value {
    let path = path(&format!("activations/{}", id.as_str().unwrap()));
    let record = eventually(DEADLINE, || async {
        let answer = harness.client.get(&path).await.ok()?;
        (answer.status() == 200).then(|| answer.json().ok())?
    });
    record.await.unwrap()
}

/// A controller with actions `a` and `old`, whose kind is deprecated, a conductor `c`, and sequences `inner` of `a` and
/// `outer` of `inner` and `a`.
async fn with_steps() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    let mut conductor = action.clone();
    conductor["annotations"] = json!([{"key": "conductor", "value": "yes"}]);
    let sequence =
        |components: &[&str]| json!({"exec": {"kind": "sequence", "components": components}});
    for (name, body) in [
        ("a", action.clone()),
        ("old", action),
        ("c", conductor),
        ("inner", sequence(&["/_/a"])),
        ("outer", sequence(&["/_/inner", "/_/a"])),
        ("stale", sequence(&["/_/a", "/_/old"])),
    ] {
        let target = path(&format!("actions/{name}?overwrite=true"));
        let answer = harness.client.put(&target, &body).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}: {}", answer.text());
    }
    // Written once more, so that the controller forgets it.
    let rewritten = harness
        .client
        .put(&path("actions/old?overwrite=true"), &json!({}))
        .await;
    assert_eq!(rewritten.unwrap().status(), 200);
    let deprecate = |text: &str| {
        let text = text.replace("nodejs:20", "nodejs:18");
        Json::parse(text.as_bytes()).unwrap()
    };
    harness.change_stored("guest/old", deprecate).await;
    harness
}

/// invocation §5.1, §5.2: a step that cannot be started ends the whole, and it is not the application's fault. What ran
/// before stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_be_started_is_an_internal_error() {
    let harness = with_steps().await;
    let mut feed = harness.feed().await;
    let next = r#"{"action":"/_/old","params":{"n":1},"state":{"s":1}}"#;
    for (name, first, text) in [
        ("stale", r#"{"n":1}"#, "Sequence failed."),
        ("c", next, "Activation failure during composition."),
    ] {
        let (target, body) = (path(&format!("actions/{name}?blocking=true")), json!({}));
        let call = harness.client.post(&target, &body);
        let (answer, step) = tokio::join!(call, async {
            let delivery = feed.next().await.unwrap();
            harness.complete(delivery.as_ref(), first).await;
            delivery.message().activation_id.to_string()
        });
        let answer = answer.unwrap();
        let record = answer.json().unwrap();
        assert_eq!(answer.status(), 500, "{record}");
        assert_eq!(
            record["response"],
            json!({"status": "whisk internal error", "success": false, "result": {"error": text}})
        );
        let record = record_of(&harness, &record["activationId"]).await;
        assert_eq!(record["logs"], json!([step]), "{name}");
    }
}

/// invocation §5.1, entities §9.1, §9.2, §9.3, §9.4: an inner sequence is one step of the outer one, and says whose.
#[tokio::test(flavor = "multi_thread")]
async fn nested_sequences_tell_of_each_other() {
    let harness = with_steps().await;
    let mut feed = harness.feed().await;
    let (target, body) = (path("actions/outer?blocking=true"), json!({}));
    let call = harness.client.post(&target, &body);
    let (answer, steps) = tokio::join!(call, async {
        let mut steps = Vec::new();
        for step in 0..2 {
            let delivery = feed.next().await.unwrap();
            let message = delivery.message();
            steps.push((message.activation_id.to_string(), message.cause));
            // The last one fails, and so does the sequence, as it does.
            let response = match step {
                0 => ActivationResponse::success(Some(Json::parse(b"{\"n\":1}").unwrap()), None),
                _ => ActivationResponse::error(ResponseStatus::DeveloperError, "no"),
            };
            harness.complete_with(delivery.as_ref(), response).await;
        }
        steps
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    let outer = record_of(&harness, &answer.json().unwrap()["activationId"]).await;
    let inner = record_of(&harness, &outer["logs"][0]).await;
    let annotation = |record: &Value, key: &str| {
        let found = record["annotations"].as_array().unwrap().iter();
        let found = found.filter(|annotation| annotation["key"] == key);
        found.map(|annotation| annotation["value"].clone()).next()
    };
    let (outer_id, inner_id) = (&outer["activationId"], &inner["activationId"]);
    assert_eq!(outer["logs"], json!([inner_id, steps[1].0]));
    assert_eq!(inner["logs"], json!([steps[0].0]));
    assert_eq!(
        (outer.get("cause"), inner.get("cause")),
        (None, Some(outer_id))
    );
    assert_eq!(json!(steps[0].1.map(|id| id.to_string())), *inner_id);
    assert_eq!(json!(steps[1].1.map(|id| id.to_string())), *outer_id);
    for (record, topmost, caused_by) in [
        (&outer, true, None),
        (&inner, false, Some(json!("sequence"))),
    ] {
        assert_eq!(annotation(record, "topmost"), Some(json!(topmost)));
        assert_eq!(annotation(record, "causedBy"), caused_by);
        assert_eq!(annotation(record, "kind"), Some(json!("sequence")));
        assert_eq!(annotation(record, "conductor"), None);
        assert!(annotation(record, "waitTime").unwrap().is_u64());
    }
    // Each of the two steps took a millisecond, by what the invoker said.
    assert_eq!(
        (&outer["duration"], &inner["duration"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(outer["response"]["status"], "action developer error");
    assert_eq!(inner["response"]["status"], "success");
}
