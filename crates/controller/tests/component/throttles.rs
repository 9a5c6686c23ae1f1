//! What is counted against the limits of a namespace, and when.

use std::time::Duration;

use oxwhisk_controller::Limits;
use oxwhisk_entity::UserLimits;
use oxwhisk_store::{Subject, SubjectNamespace, SubjectStore as _};
use oxwhisk_testing::{RestAnswer, RestClient, eventually};
use serde_json::{Value, json};

use crate::support::{Harness, path};

const DEADLINE: Duration = Duration::from_secs(20);
/// How long an identity is believed, and a little more.
const BELIEVED_MS: u64 = 1_001;

/// A controller with an action `a`, a web action `w`, a sequence `s` of two, a trigger `t` and a rule over it.
async fn with_entities(limits: Limits) -> Harness {
    let harness = Harness::start(limits).await;
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    let mut web = action.clone();
    web["annotations"] = json!([{"key": "web-export", "value": true}]);
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/a", "/_/a"]}});
    harness
        .put_all([
            ("actions/a", action),
            ("actions/w", web),
            ("actions/s", sequence),
            ("triggers/t", json!({})),
            ("triggers/bare", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    harness
}

async fn post(client: &RestClient, rest: &str) -> RestAnswer {
    client.post(&path(rest), &json!({})).await.unwrap()
}

fn rate(count: u32, allowed: u32) -> Value {
    json!(format!(
        "Too many requests in the last minute (count: {count}, allowed: {allowed})."
    ))
}

#[track_caller]
fn refused(answer: &RestAnswer, text: &Value) {
    let body = answer.json().unwrap();
    assert_eq!((answer.status(), &body["error"]), (429, text));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(body["code"], answer.header("x-request-id").unwrap());
}

/// invocation §8: fires have a rate of their own, with or without a rule; what a rule posts counts as an invocation.
#[tokio::test(flavor = "multi_thread")]
async fn fires_and_invocations_are_counted_apart() {
    let limits = Limits {
        invocations_per_minute: 2,
        fires_per_minute: 3,
        ..Limits::default()
    };
    let harness = with_entities(limits).await;
    let fire = async |rest: &str| post(&harness.client, rest).await;
    assert_eq!(fire("triggers/t").await.status(), 202);
    assert_eq!(fire("triggers/bare").await.status(), 204);
    assert_eq!(post(&harness.client, "actions/a").await.status(), 202);
    refused(&post(&harness.client, "actions/a").await, &rate(3, 2));
    let last = fire("triggers/t").await;
    let id = last.json().unwrap()["activationId"].clone();
    let record = path(&format!("activations/{}", id.as_str().unwrap()));
    let record = harness.client.get(&record).await.unwrap().json().unwrap();
    let entry: Value = serde_json::from_str(record["logs"][0].as_str().unwrap()).unwrap();
    assert_eq!(
        (&entry["statusCode"], &entry["error"]),
        (&json!(1), &rate(4, 2))
    );
    refused(&fire("triggers/t").await, &rate(4, 3));
    refused(&fire("triggers/missing").await, &rate(5, 3));
    harness.clock.advance(60_000);
    assert_eq!(fire("triggers/t").await.status(), 202);
}

/// invocation §8: setting a rule's status, reading and writing are free.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_nothing_is_not_counted() {
    let limits = Limits {
        invocations_per_minute: 0,
        fires_per_minute: 0,
        concurrent_invocations: 0,
        ..Limits::default()
    };
    let harness = with_entities(limits).await;
    for status in ["inactive", "active"] {
        let body = json!({"status": status});
        let answer = harness.client.post(&path("rules/r"), &body).await.unwrap();
        assert_eq!((answer.status(), answer.text()), (200, "OK".to_owned()));
    }
    let read = harness.client.get(&path("actions/a")).await.unwrap();
    assert_eq!(read.status(), 200);
    // A limit of zero refuses all, the first one too.
    refused(&post(&harness.client, "actions/a").await, &rate(1, 0));
    refused(&post(&harness.client, "triggers/t").await, &rate(1, 0));
}

/// invocation §8: rate before concurrency, both before entitlement; those of web actions are the owner's.
#[tokio::test(flavor = "multi_thread")]
async fn throttles_come_in_order_and_before_rights() {
    let limits = Limits {
        invocations_per_minute: 3,
        concurrent_invocations: 0,
        ..Limits::default()
    };
    let harness = with_entities(limits).await;
    let full = json!("Too many concurrent requests in flight (count: 0, allowed: 0).");
    refused(&post(&harness.client, "actions/a").await, &full);
    let foreign = "/api/v1/namespaces/elsewhere/actions/a";
    let foreign = harness.client.post(foreign, &json!({})).await.unwrap();
    refused(&foreign, &full);
    let anonymous = harness.client.without_key();
    let web = "/api/v1/web/guest/default/w";
    refused(&anonymous.get(web).await.unwrap(), &full);
    refused(&anonymous.get(web).await.unwrap(), &rate(4, 3));
    refused(&post(&harness.client, "actions/a").await, &rate(5, 3));
}

/// invocation §8, §5.1: a sequence is charged once and takes no place, its running component does.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_is_charged_once_and_its_components_take_places() {
    let limits = Limits {
        invocations_per_minute: 2,
        concurrent_invocations: 1,
        ..Limits::default()
    };
    let harness = with_entities(limits).await;
    let mut feed = harness.feed().await;
    assert_eq!(post(&harness.client, "actions/s").await.status(), 202);
    for step in 0..2 {
        let delivery = feed.next().await.unwrap();
        let count = harness.client.get("/activation/count").await.unwrap();
        assert_eq!(count.text(), "1", "step {step}");
        if step == 1 {
            let full = json!("Too many concurrent requests in flight (count: 1, allowed: 1).");
            refused(&post(&harness.client, "actions/a").await, &full);
        }
        harness.complete(delivery.as_ref(), "{}").await;
    }
    let free = eventually(DEADLINE, || async {
        let count = harness.client.get("/activation/count").await.ok()?;
        (count.text() == "0").then_some(())
    });
    free.await.unwrap();
    // Two were counted so far: the sequence and the one that was refused.
    refused(&post(&harness.client, "actions/a").await, &rate(3, 2));
}

/// rest-api §1, invocation §8: what is in flight is told with its action and version.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_flight_is_listed() {
    let harness = with_entities(Limits::default()).await;
    let put = harness.client.put(&path("packages/p"), &json!({})).await;
    assert_eq!(put.unwrap().status(), 200);
    let action = json!({"exec": {"kind": "nodejs:20", "code": "x"}, "version": "1.2.3"});
    let put = harness.client.put(&path("actions/p/a"), &action).await;
    assert_eq!(put.unwrap().status(), 200);
    let accepted = post(&harness.client, "actions/p/a").await.json().unwrap();
    let list = harness
        .client
        .without_key()
        .get("/activation")
        .await
        .unwrap();
    let expected = json!([[accepted["activationId"], "guest/p/a@1.2.3"]]);
    assert_eq!((list.status(), list.json().unwrap()), (200, expected));
    let methods = list.header("access-control-allow-methods");
    assert_eq!(methods, Some("OPTIONS, GET, POST"));
}

/// entities §11, invocation §8: throttles go by the uuid of a namespace, whichever subject and key it is used with.
#[tokio::test(flavor = "multi_thread")]
async fn subjects_that_share_a_namespace_keep_to_their_own_limits_by_its_uuid() {
    let harness = with_entities(Limits {
        invocations_per_minute: 1,
        ..Limits::default()
    })
    .await;
    let second = SubjectNamespace {
        name: "guest".to_owned(),
        uuid: "u-of-another".to_owned(),
        key: "z".repeat(64),
    };
    let subject = Subject {
        subject: "another".to_owned(),
        namespaces: vec![second.clone()],
        blocked: false,
    };
    harness.store.put_subject(&subject).await.unwrap();
    let another = harness
        .client
        .with_key(&format!("{}:{}", second.uuid, second.key));
    let own = another.get("/api/v1/namespaces").await.unwrap();
    assert_eq!(own.json().unwrap(), json!(["guest"]));
    let mut feed = harness.feed().await;
    for (client, subject) in [(&harness.client, "guest"), (&another, "another")] {
        assert_eq!(post(client, "actions/a").await.status(), 202, "{subject}");
        let delivery = feed.next().await.unwrap();
        assert_eq!(delivery.message().user.subject.to_string(), subject);
        refused(&post(client, "actions/a").await, &rate(2, 1));
        harness.complete(delivery.as_ref(), "{}").await;
    }
    // Limits are the namespace's, so both see them.
    let more = UserLimits {
        invocations_per_minute: Some(5),
        ..UserLimits::default()
    };
    harness
        .store
        .put_limits("guest", Some(&more))
        .await
        .unwrap();
    harness.clock.advance(BELIEVED_MS);
    for client in [&harness.client, &another] {
        assert_eq!(post(client, "actions/a").await.status(), 202);
    }
}
