//! Servers with settings, and what tests ask of them.

use std::process::Command;
use std::time::Duration;

use oxwhisk_testing::{RestAnswer, RestClient, ServerOptions, TestServer, eventually};
use serde_json::{Value, json};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_oxwhisk");
/// How long something that happens by itself may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with settings by their variables, without `OXWHISK_`.
pub(crate) fn server(settings: &[(&str, &str)]) -> TestServer {
    let mut options = ServerOptions::new(PROGRAM).without_throttles();
    for (name, value) in settings {
        options = options.variable(format!("OXWHISK_{name}"), value);
    }
    options.start().unwrap()
}

/// The path of something in the caller's namespace.
pub(crate) fn own(rest: &str) -> String {
    format!("/api/v1/namespaces/_/{rest}")
}

/// What makes an action of code.
pub(crate) fn action(code: &str) -> Value {
    json!({"exec": {"kind": "nodejs:default", "code": code}})
}

/// What makes a sequence.
pub(crate) fn sequence(components: &[&str]) -> Value {
    json!({"exec": {"kind": "sequence", "components": components}})
}

/// Writes entities of the caller's namespace, each by its path.
pub(crate) async fn put_all(client: &RestClient, entities: &[(&str, Value)]) {
    for (rest, body) in entities {
        let answer = client.put(&own(rest), body).await.unwrap();
        assert_eq!(answer.status(), 200, "{rest}: {}", answer.text());
    }
}

/// Sends a request with a header that asks for a record at any level.
pub(crate) async fn post_recorded(client: &RestClient, rest: &str) -> RestAnswer {
    let headers = [
        ("content-type", "application/json"),
        ("x-ow-extra-logging", "On"),
    ];
    let body = Some(b"{}".to_vec());
    client
        .send("POST", &own(rest), &headers, body)
        .await
        .unwrap()
}

pub(crate) async fn post(client: &RestClient, rest: &str) -> RestAnswer {
    client.post(&own(rest), &json!({})).await.unwrap()
}

/// The activation that an answer names.
#[track_caller]
pub(crate) fn activation(answer: &RestAnswer) -> String {
    let id = answer.header("x-openwhisk-activation-id");
    id.unwrap_or_else(|| panic!("no activation: {} {}", answer.status(), answer.text()))
        .to_owned()
}

/// Waits until no activation is in flight: whatever is recorded then can be read.
pub(crate) async fn all_ended(client: &RestClient) {
    let ended = eventually(PATIENCE, async || {
        let answer = client.get("/activation/count").await.ok()?;
        (answer.json().ok()? == json!(0)).then_some(())
    });
    ended.await.unwrap();
}

/// Whether an activation has a record; its parts and the list must say the same.
pub(crate) async fn is_recorded(client: &RestClient, id: &str) -> bool {
    let mut statuses = Vec::new();
    for part in ["", "/result", "/logs"] {
        let answer = client.get(&own(&format!("activations/{id}{part}"))).await;
        statuses.push(answer.unwrap().status());
    }
    let listed = client.get(&own("activations?limit=200")).await.unwrap();
    let listed = listed.json().unwrap();
    let is_listed = listed
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| entry["activationId"] == id);
    let expected = if is_listed { 200 } else { 404 };
    assert_eq!(statuses, [expected; 3], "listed: {is_listed}");
    is_listed
}

/// The record of an activation that has one.
pub(crate) async fn record(client: &RestClient, id: &str) -> Value {
    let answer = client
        .get(&own(&format!("activations/{id}")))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json().unwrap()
}

/// Sets the limits of `guest`.
pub(crate) fn set_limits(server: &TestServer, arguments: &[&str]) {
    let output = Command::new(PROGRAM)
        .args(["admin", "--data-dir"])
        .arg(server.data_dir())
        .args(["limits", "set", "guest"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Checks the text of a refusal.
#[track_caller]
pub(crate) fn assert_refused(answer: &RestAnswer, status: u16, text: &str) {
    let body = answer.json().unwrap();
    assert_eq!((answer.status(), &body["error"]), (status, &json!(text)));
}
