//! Packages that others may use and not read.

use oxwhisk_testing::{RestClient, TestServer};
use serde_json::json;

use crate::support::{action, assert_refused, own, put_all, server};

const SECRET: &str = "main = () => ({ secret: 1 })";

/// A package of `whisk.system` that all may use, bindings of both to it, and a package of each one's own.
async fn start(settings: &[(&str, &str)]) -> (TestServer, RestClient, RestClient) {
    let server = server(settings);
    let (guest, owner) = (
        server.client(),
        server.client().with_key(server.system_key()),
    );
    let shared = json!({"publish": true, "parameters": [{"key": "password", "value": "p"}]});
    let bind = json!({"binding": {"namespace": "whisk.system", "name": "shared"}});
    let entities = [
        ("packages/shared", shared),
        ("actions/shared/a", action(SECRET)),
        ("packages/bound", bind.clone()),
    ];
    put_all(&owner, &entities).await;
    let entities = [
        ("packages/bound", bind),
        ("packages/mine", json!({})),
        ("actions/mine/a", action(SECRET)),
        (
            "packages/bound_to_mine",
            json!({"binding": {"namespace": "_", "name": "mine"}}),
        ),
        ("actions/b", action(SECRET)),
    ];
    put_all(&guest, &entities).await;
    (server, guest, owner)
}

fn theirs(rest: &str) -> String {
    format!("/api/v1/namespaces/whisk.system/{rest}")
}

/// What shows code or parameters of the shared package to `guest`, and how it is refused.
fn revealing() -> Vec<(String, &'static str)> {
    let action =
        "GET not permitted for 'whisk.system/shared' since it's an action in a shared package";
    vec![
        (
            theirs("packages/shared"),
            "GET not permitted for 'whisk.system/shared' since it's a shared package",
        ),
        (theirs("actions/shared/a"), action),
        (theirs("actions/shared/a?code=false"), action),
        (
            own("packages/bound"),
            "GET not permitted since bound is a binding of a shared package",
        ),
        (
            own("actions/bound/a"),
            "GET not permitted for 'guest/bound/a'. Resource does not exist or is an action in a shared package binding.",
        ),
        (
            own("actions/bound/a?code=false"),
            "GET not permitted for 'guest/bound/a'. Resource does not exist or is an action in a shared package binding.",
        ),
    ]
}

/// What stays as it is: lists, running, and everything of one's own.
async fn check_the_rest(guest: &RestClient, owner: &RestClient) {
    for path in [
        theirs("packages"),
        theirs("actions/shared/"),
        own("actions/bound/"),
        own("packages"),
        own("packages/mine"),
        own("actions/mine/a"),
        own("packages/bound_to_mine"),
        own("actions/bound_to_mine/a"),
        own("actions/b"),
    ] {
        let answer = guest.get(&path).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
    }
    for rest in [
        "packages/shared",
        "actions/shared/a",
        "packages/bound",
        "actions/bound/a",
    ] {
        let answer = owner.get(&own(rest)).await.unwrap();
        assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    }
    for path in [theirs("actions/shared/a"), own("actions/bound/a")] {
        let path = format!("{path}?blocking=true&result=true");
        let answer = guest.post(&path, &json!({})).await.unwrap();
        assert_eq!(answer.json().unwrap(), json!({"secret": 1}), "{path}");
    }
    let bad = guest.get(&own("actions/b?code=maybe")).await.unwrap();
    assert_eq!(bad.status(), 400);
}

/// rest-api §15, §8.3, §9.2
#[tokio::test(flavor = "multi_thread")]
async fn shared_packages_are_shown_with_their_actions() {
    let (_server, guest, owner) = start(&[]).await;
    for (path, _) in revealing() {
        let answer = guest.get(&path).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let shown = answer.json().unwrap();
        assert_eq!(
            shown["parameters"],
            json!([{"key": "password", "value": "p"}]),
            "{path}"
        );
    }
    check_the_rest(&guest, &owner).await;
}

/// rest-api §15, §8.3, §9.2: `shared-packages-execute-only=true`.
#[tokio::test(flavor = "multi_thread")]
async fn shared_packages_are_run_and_not_shown_where_they_are_execute_only() {
    let (_server, guest, owner) = start(&[("SHARED_PACKAGES_EXECUTE_ONLY", "true")]).await;
    for (path, text) in revealing() {
        assert_refused(&guest.get(&path).await.unwrap(), 403, text);
    }
    // Nobody learns which actions there are.
    let missing = guest.get(&own("actions/bound/none")).await.unwrap();
    let text = "GET not permitted for 'guest/bound/none'. Resource does not exist or is an action in a shared package binding.";
    assert_refused(&missing, 403, text);
    // What is not shared is refused as ever.
    let private = owner
        .get("/api/v1/namespaces/guest/packages/mine")
        .await
        .unwrap();
    let text = "The supplied authentication is not authorized to access 'guest/mine'.";
    assert_refused(&private, 403, text);
    check_the_rest(&guest, &owner).await;
}
