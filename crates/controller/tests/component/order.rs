//! What is told first where several things are wrong.

use oxwhisk_controller::Limits;
use oxwhisk_entity::UserLimits;
use oxwhisk_store::SubjectStore as _;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn put(harness: &Harness, rest: &str, body: &Value) -> (u16, Value) {
    let answer = harness.client.put(&path(rest), body).await.unwrap();
    let error = answer.json().unwrap().get("error").cloned();
    (answer.status(), error.unwrap_or_default())
}

fn action() -> Value {
    json!({"exec": {"kind": "nodejs:20", "code": "some text"}})
}

/// rest-api §8.4: the package of an action comes before what the request says.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_cannot_be_written_to_is_told_before_the_request_is_read() {
    let harness = Harness::start(Limits::default()).await;
    put(&harness, "packages/p", &json!({})).await;
    let binding = json!({"binding": {"namespace": "_", "name": "p"}});
    put(&harness, "packages/b", &binding).await;
    for (package, status, text) in [
        ("none", 404, "The requested resource does not exist."),
        ("b", 400, "Operation not permitted on package binding."),
    ] {
        let place = path(&format!("actions/{package}/a"));
        let unreadable = harness
            .client
            .send("PUT", &place, &[JSON], Some(b"{".to_vec()));
        let unreadable = unreadable.await.unwrap();
        assert_eq!(unreadable.status(), status);
        assert_eq!(unreadable.json().unwrap()["error"], text);
    }
}

/// rest-api §5.6, entities §10: the kinds of a namespace restrict what is asked for, and an empty list nothing. What is
/// there may be changed without naming its kind; whether it is there comes last.
#[tokio::test(flavor = "multi_thread")]
async fn restricted_kinds_are_told_before_conflicts_and_leave_what_is_there_alone() {
    let harness = Harness::start(Limits::default()).await;
    put(&harness, "actions/a", &action()).await;
    let restrict = async |kinds: &[&str]| {
        let allowed_kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
        let limits = UserLimits {
            allowed_kinds: Some(allowed_kinds),
            ..UserLimits::default()
        };
        let stored = harness.store.put_limits("guest", Some(&limits)).await;
        stored.unwrap();
        // Identities are believed for a while.
        harness.clock.advance(60_000);
    };
    restrict(&["python:3"]).await;
    let refusal = json!(
        "The supplied authentication is not authorized to access actions of kind 'nodejs:20'."
    );
    assert_eq!(
        put(&harness, "actions/a", &action()).await,
        (403, refusal.clone())
    );
    assert_eq!(
        put(&harness, "actions/a?overwrite=true", &action()).await,
        (403, refusal)
    );
    let change = json!({"annotations": [{"key": "k", "value": 1}]});
    assert_eq!(
        put(&harness, "actions/a?overwrite=true", &change).await,
        (200, Value::Null)
    );
    restrict(&[]).await;
    assert_eq!(
        put(&harness, "actions/a?overwrite=true", &action()).await,
        (200, Value::Null)
    );
}

/// rest-api §8.4: the number of containers is compared only when the action may be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_before_too_many_containers() {
    let harness = Harness::start(Limits::default()).await;
    put(&harness, "actions/a", &action()).await;
    let greedy = json!({"exec": action()["exec"], "limits": {"instances": 1_000_000}});
    let (status, text) = put(&harness, "actions/a", &greedy).await;
    assert_eq!((status, text), (409, json!("resource already exists")));
    let (status, text) = put(&harness, "actions/a?overwrite=true", &greedy).await;
    assert_eq!(status, 400);
    let beginning = "Max action instance concurrency must not exceed";
    assert!(text.as_str().unwrap().starts_with(beginning), "{text}");
}

/// entities §6.3, rest-api §11: sizes come before names, which come before what they name.
#[tokio::test(flavor = "multi_thread")]
async fn annotations_of_a_rule_are_measured_before_its_references_are_read() {
    let harness = Harness::start(Limits::default()).await;
    let large = json!([{"key": "k", "value": "x".repeat(1_048_576)}]);
    let bare = json!({"trigger": "t", "action": "a", "annotations": large});
    for rest in ["rules/r", "rules/r?overwrite=true"] {
        let (status, text) = put(&harness, rest, &bare).await;
        let expected = "annotations larger than allowed: 1048579 > 1048576 bytes.";
        assert_eq!((status, text), (413, json!(expected)));
    }
    let (status, text) = put(
        &harness,
        "rules/r?overwrite=maybe",
        &json!({"trigger": "t"}),
    )
    .await;
    assert_eq!(status, 400);
    let query = "The query parameter 'overwrite' was malformed";
    assert!(text.as_str().unwrap().starts_with(query), "{text}");
}

/// rest-api §9.3: the name, then what may be read, then what is there, then whether it may be bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_there_is_told_before_what_it_cannot_be_bound_to() {
    let harness = Harness::start(Limits::default()).await;
    let bound_to = |name: &str| json!({"binding": {"namespace": "_", "name": name}});
    put(&harness, "packages/p", &json!({})).await;
    put(&harness, "packages/b", &bound_to("p")).await;
    let refusals = [
        (
            "packages/default",
            json!({"binding": null}),
            400,
            "Package name 'default' is reserved.",
        ),
        (
            "packages/p",
            bound_to("none"),
            400,
            "Binding references a package that does not exist.",
        ),
        ("packages/p", bound_to("b"), 409, "resource already exists"),
        (
            "packages/p?overwrite=true",
            bound_to("b"),
            409,
            "Resource is a package and cannot be converted into a binding.",
        ),
        (
            "packages/b?overwrite=true",
            bound_to("b"),
            400,
            "Cannot bind to another package binding.",
        ),
        (
            "packages/new",
            bound_to("b"),
            400,
            "Cannot bind to another package binding.",
        ),
    ];
    for (rest, body, status, text) in refusals {
        assert_eq!(
            put(&harness, rest, &body).await,
            (status, json!(text)),
            "{rest}"
        );
    }
}
