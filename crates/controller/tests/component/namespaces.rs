//! Namespaces: who owns them and what they may use.

use std::time::Duration;

use oxwhisk_bus::embedded::Journal as _;
use oxwhisk_controller::Limits;
use oxwhisk_entity::UserLimits;
use oxwhisk_store::{Subject, SubjectNamespace, SubjectStore as _};
use oxwhisk_testing::eventually;
use serde_json::{Value, json};

use crate::support::Harness;

const LIMITS: &str = "/api/v1/namespaces/_/limits";
/// How long an identity is believed, and a little more.
const BELIEVED_MS: u64 = 1_001;
const DEADLINE: Duration = Duration::from_secs(20);

async fn limits(harness: &Harness) -> Value {
    harness.client.get(LIMITS).await.unwrap().json().unwrap()
}

/// entities §6.2, §10: the system's limits are filled in where the namespace has none of its own.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_system_are_told_in_full() {
    let harness = Harness::start(Limits::default()).await;
    assert_eq!(
        limits(&harness).await,
        json!({
            "invocationsPerMinute": 60, "concurrentInvocations": 30, "firesPerMinute": 60, "maxActionInstances": 30,
            "minActionMemory": 128, "maxActionMemory": 512, "minActionLogs": 0, "maxActionLogs": 10,
            "minActionTimeout": 100, "maxActionTimeout": 300_000, "minActionConcurrency": 1, "maxActionConcurrency": 1,
            "maxParameterSize": "1048576 B",
        })
    );
}

/// entities §10: own limits replace the system's, but bounds of actions only narrow them.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_a_namespace_replace_those_of_the_system() {
    let harness = Harness::start(Limits::default()).await;
    let own = UserLimits {
        invocations_per_minute: Some(7),
        concurrent_invocations: Some(3),
        max_action_memory: Some(1024),
        min_action_timeout: Some(500),
        allowed_kinds: Some(vec!["nodejs:20".to_owned()]),
        store_activations: Some(false),
        ..UserLimits::default()
    };
    harness.store.put_limits("guest", Some(&own)).await.unwrap();
    harness.clock.advance(BELIEVED_MS);
    let shown = limits(&harness).await;
    for (member, value) in [
        ("invocationsPerMinute", json!(7)),
        ("concurrentInvocations", json!(3)),
        ("maxActionInstances", json!(3)),
        ("firesPerMinute", json!(60)),
        ("maxActionMemory", json!(512)),
        ("minActionTimeout", json!(500)),
        ("allowedKinds", json!(["nodejs:20"])),
        ("storeActivations", json!(false)),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
}

/// rest-api §15: a namespace whose records are not kept gets identifiers that lead nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn records_are_not_kept_for_a_namespace_that_wants_none() {
    let harness = Harness::start(Limits::default()).await;
    let path = |rest: &str| format!("/api/v1/namespaces/_/{rest}");
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    harness
        .put_all([
            ("actions/a", action),
            ("triggers/t", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    let own = UserLimits {
        store_activations: Some(false),
        ..UserLimits::default()
    };
    harness.store.put_limits("guest", Some(&own)).await.unwrap();
    harness.clock.advance(BELIEVED_MS);
    let fired = harness
        .client
        .post(&path("triggers/t"), &json!({}))
        .await
        .unwrap();
    assert_eq!(fired.status(), 202);
    let id = fired.json().unwrap()["activationId"]
        .as_str()
        .unwrap()
        .to_owned();
    let record = harness
        .client
        .get(&path(&format!("activations/{id}")))
        .await
        .unwrap();
    assert_eq!(record.status(), 404);
}

/// rest-api §15: what stayed in the journal would be recorded by the next process.
#[tokio::test(flavor = "multi_thread")]
async fn sequence_without_a_record_is_taken_out_of_the_journal_however_often_that_fails() {
    let harness = Harness::start(Limits::default()).await;
    let path = |rest: &str| format!("/api/v1/namespaces/_/{rest}");
    for (rest, exec) in [
        (
            "actions/a",
            json!({"kind": "nodejs:20", "code": "some text"}),
        ),
        (
            "actions/s",
            json!({"kind": "sequence", "components": ["/_/a"]}),
        ),
    ] {
        let answer = harness
            .client
            .put(&path(rest), &json!({"exec": exec}))
            .await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let own = UserLimits {
        store_activations: Some(false),
        ..UserLimits::default()
    };
    harness.store.put_limits("guest", Some(&own)).await.unwrap();
    harness.clock.advance(BELIEVED_MS);
    let mut feed = harness.feed().await;
    let invoke = async || {
        let answer = harness.client.post(&path("actions/s"), &json!({})).await;
        answer.unwrap()
    };
    let accepted = invoke().await;
    assert_eq!(accepted.status(), 202, "{}", accepted.text());
    let step = feed.next().await.unwrap();
    harness.journal.set_failing(true);
    harness.complete(step.as_ref(), "{}").await;
    let tried_again = eventually(DEADLINE, async || {
        (harness.journal.refusals() > 1).then_some(())
    });
    tried_again.await.unwrap();
    assert_eq!(harness.journal.unfinished().await.unwrap().len(), 1);
    harness.journal.set_failing(false);
    let taken_out = eventually(DEADLINE, async || {
        let left = harness.journal.unfinished().await.unwrap();
        left.is_empty().then_some(())
    });
    taken_out.await.unwrap();
    let id = accepted.json().unwrap()["activationId"].clone();
    let record = path(&format!("activations/{}", id.as_str().unwrap()));
    assert_eq!(harness.client.get(&record).await.unwrap().status(), 404);
    let works = eventually(DEADLINE, async || {
        (invoke().await.status() == 202).then_some(())
    });
    works.await.unwrap();
}

/// entities §11: a subject may have several namespaces, each with a key of its own; blocked, it has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_leads_to_one_namespace_until_its_subject_is_blocked() {
    let harness = Harness::start(Limits::default()).await;
    let namespace = |name: &str| SubjectNamespace {
        name: name.to_owned(),
        uuid: format!("uuid-of-{name}"),
        key: name.repeat(64).chars().take(64).collect(),
    };
    let mut subject = Subject {
        subject: "somebody".to_owned(),
        namespaces: vec![namespace("first"), namespace("second")],
        blocked: false,
    };
    harness.store.put_subject(&subject).await.unwrap();
    for name in ["first", "second"] {
        let SubjectNamespace { uuid, key, .. } = namespace(name);
        let client = harness.client.with_key(&format!("{uuid}:{key}"));
        let answer = client.get("/api/v1/namespaces").await.unwrap();
        assert_eq!(answer.json().unwrap(), json!([name]));
        let other = if name == "first" { "second" } else { "first" };
        let foreign = format!("/api/v1/namespaces/{other}/actions");
        assert_eq!(client.get(&foreign).await.unwrap().status(), 403);
    }
    subject.blocked = true;
    harness.store.put_subject(&subject).await.unwrap();
    harness.clock.advance(BELIEVED_MS);
    for name in ["first", "second"] {
        let SubjectNamespace { uuid, key, .. } = namespace(name);
        let client = harness.client.with_key(&format!("{uuid}:{key}"));
        let answer = client.get("/api/v1/namespaces").await.unwrap();
        assert_eq!(
            (answer.status(), answer.json().unwrap()["error"].clone()),
            (401, json!("The supplied authentication is invalid"))
        );
    }
}
