//! Kinds: which there are, which are no longer, and which a namespace may use.

use oxwhisk_controller::Limits;
use oxwhisk_entity::UserLimits;
use oxwhisk_store::SubjectStore as _;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const DEPRECATED: &str = "The 'nodejs:18' runtime is no longer supported. You may read and delete but not update or invoke this action.";

fn action(kind: &str) -> Value {
    json!({"exec": {"kind": kind, "code": "some text"}, "annotations": [{"key": "web-export", "value": true}]})
}

async fn put(harness: &Harness, rest: &str, body: &Value) -> (u16, Value) {
    let answer = harness.client.put(&path(rest), body).await.unwrap();
    (answer.status(), answer.json().unwrap())
}

/// A controller with an action `old` of a kind that was deprecated since.
async fn with_old_action() -> Harness {
    let harness = Harness::start(Limits::default()).await;
    let (status, _) = put(&harness, "actions/old", &action("nodejs:20")).await;
    assert_eq!(status, 200);
    harness.deprecate("old").await;
    harness
}

/// rest-api §8.4, §8.6; entities §4.1; invocation §9.2: an action of a deprecated kind can be read and deleted.
#[tokio::test(flavor = "multi_thread")]
async fn deprecated_kinds_are_neither_written_nor_run() {
    let harness = with_old_action().await;
    let refused = |(status, body): (u16, Value), what: &str| {
        assert_eq!(
            (status, &body["error"]),
            (400, &json!(DEPRECATED)),
            "{what}"
        );
    };
    refused(
        put(&harness, "actions/new", &action("nodejs:18")).await,
        "create",
    );
    let annotations = json!({"annotations": []});
    let changed = put(&harness, "actions/old?overwrite=true", &annotations).await;
    refused(changed, "update of another member");
    for target in [
        path("actions/old"),
        "/api/v1/web/guest/default/old".to_owned(),
    ] {
        let run = harness.client.post(&target, &json!({})).await.unwrap();
        refused((run.status(), run.json().unwrap()), &target);
    }
    let read = harness.client.get(&path("actions/old")).await.unwrap();
    let kind = read.json().unwrap()["exec"]["kind"].clone();
    assert_eq!((read.status(), kind), (200, json!("nodejs:18")));
    let deleted = harness.client.delete(&path("actions/old")).await.unwrap();
    assert_eq!(deleted.status(), 200);
}

/// entities §4.1: updating an action of a deprecated kind to a current one is an update of that action.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_of_a_deprecated_kind_can_be_given_a_current_one() {
    let harness = with_old_action().await;
    let (status, shown) = put(&harness, "actions/old?overwrite=true", &action("nodejs:20")).await;
    assert_eq!((status, &shown["exec"]["kind"]), (200, &json!("nodejs:20")));
    let accepted = harness.client.post(&path("actions/old"), &json!({})).await;
    assert_eq!(accepted.unwrap().status(), 202);
}

/// invocation §4.1, §4.2: a rule's post is refused like anybody's, and only its entry says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_over_a_deprecated_kind_is_told_in_the_trigger_s_record() {
    let harness = with_old_action().await;
    let rule = json!({"trigger": "/_/t", "action": "/_/old"});
    for (rest, body) in [("triggers/t", json!({})), ("rules/r", rule)] {
        assert_eq!(put(&harness, rest, &body).await.0, 200);
    }
    let fired = harness.client.post(&path("triggers/t"), &json!({})).await;
    let fired = fired.unwrap();
    assert_eq!(fired.status(), 202);
    let id = fired.json().unwrap()["activationId"].clone();
    let record = path(&format!("activations/{}", id.as_str().unwrap()));
    let record = harness.client.get(&record).await.unwrap().json().unwrap();
    let entry: Value = serde_json::from_str(record["logs"][0].as_str().unwrap()).unwrap();
    assert_eq!(
        entry,
        json!({"statusCode": 1, "success": false, "error": DEPRECATED, "rule": "guest/r", "action": "guest/old"})
    );
    assert_eq!(record["response"]["success"], true);
}

/// entities §3.4, §4.1: what a kind wants is the manifest's to say.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_want_what_the_manifest_says() {
    let harness = Harness::start(Limits::default()).await;
    let malformed = |detail: &str| json!(format!("The request content was malformed:\n{detail}"));
    for (exec, detail) in [
        (
            json!({"kind": "java:8", "code": "x"}),
            "'main' must be a string defined in 'exec' for 'java:8' actions",
        ),
        (
            json!({"kind": "java:default", "code": "x", "main": 1}),
            "if defined, 'main' be a string in 'exec' for 'java:8' actions",
        ),
        (
            json!({"kind": "plain:1"}),
            "'code' must be a string defined in 'exec' for 'plain:1' actions",
        ),
        (
            json!({"kind": "plain:1", "code": {"attachmentName": "c"}}),
            "'code' must be a string defined in 'exec' for 'plain:1' actions",
        ),
        (
            json!({"kind": "nodejs:default"}),
            "'code' must be a string or attachment object defined in 'exec' for 'nodejs:20' actions",
        ),
    ] {
        let (status, body) = put(&harness, "actions/a", &json!({"exec": exec})).await;
        assert_eq!(
            (status, &body["error"]),
            (400, &malformed(detail)),
            "{exec}"
        );
    }
    let with_main = json!({"exec": {"kind": "java:default", "code": "x", "main": "Hello"}});
    let (status, shown) = put(&harness, "actions/a", &with_main).await;
    let expected = json!({"kind": "java:8", "code": "x", "main": "Hello", "binary": false});
    assert_eq!((status, &shown["exec"]), (200, &expected));
    let unknown = json!({"exec": {"kind": "cobol:1", "code": "x"}});
    let (_, body) = put(&harness, "actions/b", &unknown).await;
    let text = body["error"].as_str().unwrap();
    for kind in [
        "nodejs:20",
        "nodejs:18",
        "java:8",
        "plain:1",
        "sequence",
        "blackbox",
    ] {
        assert!(text.contains(&format!("'{kind}'")), "{text}");
    }
}

/// rest-api §1.1, entities §4.1: what clients learn about kinds before they use one.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_are_told_to_everybody() {
    let harness = Harness::start(Limits::default()).await;
    let anonymous = harness.client.without_key();
    let info = anonymous.get("/").await.unwrap().json().unwrap();
    let kind = |kind: &str, image: &str, [deprecated, default, attached, main]: [bool; 4]| json!({"kind": kind, "image": image, "deprecated": deprecated, "default": default, "attached": attached, "requireMain": main});
    assert_eq!(
        info["runtimes"],
        json!({
            "nodejs": [
                kind("nodejs:20", "n", [false, true, true, false]),
                kind("nodejs:18", "n", [true, false, true, false]),
            ],
            "java": [kind("java:8", "j", [false, true, true, true])],
            "plain": [kind("plain:1", "p", [false, true, false, false])],
        })
    );
}

/// rest-api §5.6, §8.4; entities §10: a namespace may be kept to some kinds.
#[tokio::test(flavor = "multi_thread")]
async fn kinds_may_be_restricted_for_a_namespace() {
    let harness = Harness::start(Limits::default()).await;
    let own = UserLimits {
        allowed_kinds: Some(vec!["plain:1".to_owned()]),
        ..UserLimits::default()
    };
    harness.store.put_limits("guest", Some(&own)).await.unwrap();
    let (status, body) = put(&harness, "actions/a", &action("nodejs:default")).await;
    let text =
        "The supplied authentication is not authorized to access actions of kind 'nodejs:20'.";
    assert_eq!((status, &body["error"]), (403, &json!(text)));
    assert_eq!(put(&harness, "actions/a", &action("plain:1")).await.0, 200);
    let stranger = harness.stranger().await;
    let elsewhere = stranger.put(&path("actions/a"), &action("nodejs:20")).await;
    assert_eq!(elsewhere.unwrap().status(), 200);
}
