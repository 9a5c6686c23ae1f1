//! What answers to writes say of the entity, and what new actions are told of their caller.

use oxwhisk_testing::{RestAnswer, RestClient, TestServer};
use serde_json::{Value, json};

use crate::support::{action, assert_refused, own, put_all, server};

/// Its result is the key that it is given, by either way.
const KEY: &str = "main = () => ({ key: process.env.__OW_API_KEY || null })";
const WITHOUT_ENTITY: (&str, &str) = ("FEATURE_FLAGS_REQUIRE_RESPONSE_PAYLOAD", "false");

/// Sends a write from which a client that takes nothing but JSON must not be turned away.
async fn write(client: &RestClient, method: &str, rest: &str, body: &Value) -> RestAnswer {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ];
    let body = (method == "PUT").then(|| body.to_string().into_bytes());
    let answer = client.send(method, &own(rest), &headers, body).await;
    answer.unwrap()
}

/// All writes that may answer without the entity: method, path and body.
fn writes() -> Vec<(&'static str, &'static str, Value)> {
    let code = action("main = () => ({})");
    vec![
        ("PUT", "actions/a", code.clone()),
        (
            "PUT",
            "actions/a?overwrite=true",
            json!({"annotations": [{"key": "x", "value": 1}]}),
        ),
        ("PUT", "packages/p", json!({})),
        ("PUT", "packages/p?overwrite=true", json!({"publish": true})),
        (
            "PUT",
            "packages/bound",
            json!({"binding": {"namespace": "_", "name": "p"}}),
        ),
        ("PUT", "actions/p/a", code),
        (
            "PUT",
            "actions/s",
            json!({"exec": {"kind": "sequence", "components": ["/_/a"]}}),
        ),
        ("DELETE", "actions/p/a", Value::Null),
        ("DELETE", "actions/a", Value::Null),
        ("DELETE", "actions/s", Value::Null),
        ("DELETE", "packages/bound", Value::Null),
        ("DELETE", "packages/p", Value::Null),
    ]
}

/// Triggers and rules are shown whatever the setting says, and errors are told as ever.
async fn check_the_rest(client: &RestClient) {
    put_all(client, &[("actions/kept", action("main = () => ({})"))]).await;
    let link = json!({"trigger": "/_/t", "action": "/_/kept"});
    for (method, rest, body) in [
        ("PUT", "triggers/t", json!({})),
        ("PUT", "triggers/t?overwrite=true", json!({})),
        ("PUT", "rules/r", link.clone()),
        ("PUT", "rules/r?overwrite=true", link),
        ("DELETE", "rules/r", Value::Null),
        ("DELETE", "triggers/t", Value::Null),
    ] {
        let answer = write(client, method, rest, &body).await;
        assert_eq!(answer.status(), 200, "{method} {rest}: {}", answer.text());
        assert_eq!(answer.json().unwrap()["namespace"], "guest", "{rest}");
    }
    let taken = write(client, "PUT", "actions/kept", &action("x")).await;
    assert_refused(&taken, 409, "resource already exists");
    let missing = write(client, "DELETE", "packages/none", &Value::Null).await;
    assert_refused(&missing, 404, "The requested resource does not exist.");
}

async fn status(client: &RestClient, rest: &str) -> u16 {
    let path = own(rest.split('?').next().unwrap());
    client.get(&path).await.unwrap().status()
}

/// rest-api §15, §8.4, §8.5, §9.3, §9.4
#[tokio::test(flavor = "multi_thread")]
async fn writes_of_actions_and_packages_answer_the_entity() {
    let server = server(&[]);
    for (method, rest, body) in writes() {
        let answer = write(&server.client(), method, rest, &body).await;
        assert_eq!(answer.status(), 200, "{method} {rest}: {}", answer.text());
        let entity = answer.json().unwrap();
        assert!(entity["version"].is_string(), "{method} {rest}: {entity}");
    }
    check_the_rest(&server.client()).await;
}

/// rest-api §15, §8.4, §8.5, §9.3, §9.4: `require-response-payload=false`.
#[tokio::test(flavor = "multi_thread")]
async fn writes_of_actions_and_packages_answer_no_entity_where_none_is_wanted() {
    let server = server(&[WITHOUT_ENTITY]);
    let client = server.client();
    for (method, rest, body) in writes() {
        let answer = write(&client, method, rest, &body).await;
        let said = (
            answer.status(),
            answer.header("content-type"),
            answer.text(),
        );
        let expected = match method {
            "PUT" => (200, Some("text/plain; charset=UTF-8"), "OK".to_owned()),
            _ => (204, None, String::new()),
        };
        assert_eq!(said, expected, "{method} {rest}");
        let expected = if method == "PUT" { 200 } else { 404 };
        assert_eq!(status(&client, rest).await, expected, "{method} {rest}");
    }
    check_the_rest(&client).await;
}

/// The annotation of an action, and the key that it was given.
async fn told(server: &TestServer, name: &str) -> (Option<Value>, Value) {
    let found = server.client().get(&own(&format!("actions/{name}"))).await;
    let found = found.unwrap().json().unwrap();
    let annotations = found["annotations"].as_array().unwrap();
    let annotation = annotations
        .iter()
        .find(|annotation| annotation["key"] == "provide-api-key")
        .map(|annotation| annotation["value"].clone());
    let result = server.user().result(name, &json!({})).await;
    (annotation, result["key"].clone())
}

/// An action with the annotation `provide-api-key`.
fn annotated(value: Value) -> Value {
    let mut action = action(KEY);
    action["annotations"] = json!([{"key": "provide-api-key", "value": value}]);
    action
}

/// rest-api §15, invocation §2.4: `require-api-key-annotation` in both positions.
#[tokio::test(flavor = "multi_thread")]
async fn new_actions_are_given_the_key_unless_the_annotation_is_required() {
    for (required, expected) in [("true", Some(json!(false))), ("false", None)] {
        let server = server(&[("FEATURE_FLAGS_REQUIRE_API_KEY_ANNOTATION", required)]);
        let entities = [
            ("actions/silent", action(KEY)),
            ("actions/asks", annotated(json!(true))),
            ("actions/declines", annotated(json!(false))),
        ];
        put_all(&server.client(), &entities).await;
        let key = json!(server.guest_key());
        let given = match expected {
            Some(_) => Value::Null,
            None => key.clone(),
        };
        assert_eq!(told(&server, "silent").await, (expected.clone(), given));
        assert_eq!(
            told(&server, "asks").await,
            (Some(json!(true)), key.clone())
        );
        let declined = (Some(json!(false)), Value::Null);
        assert_eq!(told(&server, "declines").await, declined);
        // An update never adds it (entities §3.3).
        let update = ("actions/silent?overwrite=true", action(KEY));
        put_all(&server.client(), &[update]).await;
        assert_eq!(told(&server, "silent").await.0, expected);
    }
}
