//! Calls through a binding: what holds between it and its provider.

use oxwhisk_controller::Limits;
use oxwhisk_testing::RestClient;
use serde_json::{Value, json};

use crate::support::{Harness, path};

async fn put(client: &RestClient, rest: &str, body: Value) {
    let answer = client.put(&path(rest), &body).await.unwrap();
    assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
}

async fn error_of(client: &RestClient, method: &str, target: &str) -> (u16, Value) {
    let answer = client.send(method, target, &[], None).await.unwrap();
    (answer.status(), answer.json().unwrap()["error"].clone())
}

/// A controller with `guest/own` bound to a package of `guest`, and `guest/far` to a public one of `elsewhere`.
async fn with_bindings() -> (Harness, RestClient) {
    let harness = Harness::start(Limits::default()).await;
    let stranger = harness.stranger().await;
    let action = json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": "web-export", "value": true}],
    });
    for client in [&harness.client, &stranger] {
        put(
            client,
            "packages/p",
            json!({"publish": true, "parameters": [{"key": "from", "value": "provider"}]}),
        )
        .await;
        put(client, "actions/p/a", action.clone()).await;
    }
    let parameters = json!([{"key": "by", "value": "binding"}]);
    for (name, namespace) in [("own", "guest"), ("far", "elsewhere")] {
        let binding =
            json!({"binding": {"namespace": namespace, "name": "p"}, "parameters": parameters});
        put(&harness.client, &format!("packages/{name}"), binding).await;
    }
    (harness, stranger)
}

/// invocation §11, §1; entities §9.1, §9.3: directly, as a rule's action and as a component, the provider's action runs
/// as the caller, with the parameters of both packages.
#[tokio::test(flavor = "multi_thread")]
async fn actions_run_through_a_binding_as_the_caller() {
    let (harness, _) = with_bindings().await;
    let client = &harness.client;
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/far/a"]}});
    put(client, "actions/s", sequence).await;
    put(client, "triggers/t", json!({})).await;
    put(
        client,
        "rules/r",
        json!({"trigger": "/_/t", "action": "/_/far/a"}),
    )
    .await;
    let mut feed = harness.feed().await;
    for target in ["actions/far/a", "actions/s", "triggers/t"] {
        let answer = client.post(&path(target), &json!({"x": 1})).await.unwrap();
        assert_eq!(answer.status(), 202, "{target}: {}", answer.text());
        let delivery = feed.next().await.unwrap();
        let message = delivery.message();
        assert_eq!(message.user.namespace.name.as_str(), "guest", "{target}");
        assert_eq!(message.action.path.as_str(), "elsewhere/p", "{target}");
        let binding = message.action.binding.as_ref().unwrap();
        assert_eq!(binding.as_str(), "guest/far", "{target}");
        let content = message.content.as_ref().unwrap();
        let content: Value = serde_json::from_str(content.text()).unwrap();
        for (key, value) in [
            ("from", json!("provider")),
            ("by", json!("binding")),
            ("x", json!(1)),
        ] {
            assert_eq!(content[key], value, "{target}");
        }
        harness.complete(delivery.as_ref(), "{}").await;
    }
}

/// invocation §11, §9.2, §9.9; rest-api §5.6, §8.3: a provider that is gone or private takes its actions out of the binding. Only
/// what was the caller's own is told as missing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_through_a_binding_to_nothing() {
    let (harness, stranger) = with_bindings().await;
    let client = &harness.client;
    let readable = client.get(&path("actions/far/a")).await.unwrap();
    assert_eq!(readable.status(), 200);
    let forbidden = json!("The supplied authentication is not authorized to access 'guest/far'.");
    let is_forbidden = async |what: &str| {
        for method in ["GET", "POST"] {
            let told = error_of(client, method, &path("actions/far/a")).await;
            assert_eq!(told, (403, forbidden.clone()), "{what}");
        }
    };
    put(
        &stranger,
        "packages/p?overwrite=true",
        json!({"publish": false}),
    )
    .await;
    is_forbidden("made private").await;
    // A web request looks the action up first, and then asks for the provider itself.
    let web = "/api/v1/web/guest/far/a";
    let provider = json!("The supplied authentication is not authorized to access 'elsewhere/p'.");
    assert_eq!(error_of(client, "GET", web).await, (403, provider));
    put(
        &stranger,
        "packages/p?overwrite=true",
        json!({"publish": true}),
    )
    .await;
    let again = client.get(&path("actions/far/a")).await.unwrap();
    assert_eq!(again.status(), 200);
    for client in [client, &stranger] {
        let gone = client.delete(&path("packages/p?force=true")).await.unwrap();
        assert_eq!(gone.status(), 200);
    }
    is_forbidden("deleted").await;
    let missing = json!("The requested resource does not exist.");
    assert_eq!(error_of(client, "GET", web).await, (404, missing.clone()));
    for method in ["GET", "POST"] {
        let told = error_of(client, method, &path("actions/own/a")).await;
        assert_eq!(told, (404, missing.clone()));
    }
    for (method, rest) in [("DELETE", "packages/far"), ("DELETE", "packages/own")] {
        let told = client.send(method, &path(rest), &[], None).await.unwrap();
        assert_eq!(told.status(), 200, "{rest}");
    }
}

/// invocation §11, rest-api §8.4, §8.5: nothing is written through a binding.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_through_a_binding() {
    let (harness, _) = with_bindings().await;
    let body = json!({"exec": {"kind": "nodejs:20", "code": "other text"}});
    let text = json!("Operation not permitted on package binding.");
    for rest in ["actions/own/a", "actions/far/a", "actions/own/new"] {
        let target = path(&format!("{rest}?overwrite=true"));
        let answer = harness.client.put(&target, &body).await.unwrap();
        let told = (answer.status(), answer.json().unwrap()["error"].clone());
        assert_eq!(told, (400, text.clone()), "{rest}");
        let told = error_of(&harness.client, "DELETE", &path(rest)).await;
        assert_eq!(told, (400, text.clone()), "{rest}");
    }
}
