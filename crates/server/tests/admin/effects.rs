//! What changes mean to the users of the API.

use std::time::Duration;

use oxwhisk_store::ActivationStore as _;
use oxwhisk_store::conformance::activations::record;
use oxwhisk_store::embedded::{EmbeddedConfig, EmbeddedStore};
use oxwhisk_testing::{RestAnswer, RestClient};
use serde_json::{Value, json};

use crate::support::{Admin, GUEST, with_server, without_server};

const ACTION: &str = "/api/v1/namespaces/_/actions/hello";

async fn namespaces(client: &RestClient) -> (u16, String) {
    let answer = client.get("/api/v1/namespaces").await.unwrap();
    (answer.status(), answer.text())
}

fn error_of(answer: &RestAnswer) -> String {
    answer.json().unwrap()["error"].as_str().unwrap().to_owned()
}

async fn put_hello(client: &RestClient) -> RestAnswer {
    let code = "function main(p) { return p.size ? { text: 'x'.repeat(p.size) } : p }";
    let action = json!({"exec": {"kind": "nodejs:default", "code": code}});
    let path = format!("{ACTION}?overwrite=true");
    client.put(&path, &action).await.unwrap()
}

/// entities §11, rest-api §3
#[tokio::test(flavor = "multi_thread")]
async fn changes_on_a_running_server_hold_for_the_next_request() {
    let (server, admin) = with_server();
    let first = server
        .client()
        .with_key(&admin.ok(&["user", "create", "alice"]));
    assert_eq!(namespaces(&first).await, (200, "[\"alice\"]".to_owned()));
    assert_eq!(put_hello(&first).await.status(), 200);
    let team = admin.ok(&["user", "create", "alice", "-ns", "team"]);
    let team = server.client().with_key(&team);
    assert_eq!(namespaces(&team).await, (200, "[\"team\"]".to_owned()));
    // The other namespace of the same subject has entities of its own.
    assert_eq!(team.get(ACTION).await.unwrap().status(), 404);

    let renewed = admin.ok(&["user", "create", "alice", "-r"]);
    assert_eq!(namespaces(&first).await.0, 401);
    let renewed = server.client().with_key(&renewed);
    assert_eq!(renewed.get(ACTION).await.unwrap().status(), 200);

    admin.ok(&["user", "block", "alice"]);
    for client in [&renewed, &team] {
        let refused = client.get("/api/v1/namespaces").await.unwrap();
        assert_eq!(
            (refused.status(), error_of(&refused)),
            (401, "The supplied authentication is invalid".to_owned())
        );
    }
    admin.ok(&["user", "unblock", "alice"]);
    assert_eq!(namespaces(&renewed).await.0, 200);

    admin.ok(&["user", "delete", "alice", "-ns", "team"]);
    assert_eq!(namespaces(&team).await.0, 401);
    assert_eq!(namespaces(&renewed).await.0, 200);
    admin.ok(&["user", "delete", "alice"]);
    assert_eq!(namespaces(&renewed).await.0, 401);
}

/// entities §10, invocation §8
#[tokio::test(flavor = "multi_thread")]
async fn limits_on_a_running_server_hold_for_the_next_request() {
    let (server, admin) = with_server();
    let client = server
        .client()
        .with_key(&admin.ok(&["user", "create", "alice"]));
    assert_eq!(put_hello(&client).await.status(), 200);
    let set = |arguments: &[&str]| admin.ok(&[&["limits", "set", "alice"], arguments].concat());
    let invoke = async |arguments: Value| {
        let path = format!("{ACTION}?blocking=true");
        client.post(&path, &arguments).await.unwrap()
    };
    assert_eq!(invoke(json!({})).await.status(), 200);

    set(&["--maxPayloadSize", "100 B", "--truncationSize", "12 B"]);
    let refused = invoke(json!({"text": "x".repeat(100)})).await;
    assert_eq!(refused.status(), 413, "{}", refused.text());
    let cut = invoke(json!({"size": 200})).await;
    assert_eq!(cut.status(), 502, "{}", cut.text());
    assert_eq!(
        cut.json().unwrap()["response"]["result"]["error"],
        "The action produced a response that exceeded the allowed length: 211 > 100 bytes. \
         The truncated response was: {\"text\":\"xxx"
    );

    set(&[
        "--allowedKinds",
        "python:3",
        "--maxParameterSize",
        "10 KB",
        "--maxActionMemory",
        "128",
    ]);
    let refused = put_hello(&client).await;
    assert_eq!(refused.status(), 403, "{}", refused.text());
    let shown = client
        .get("/api/v1/namespaces/_/limits")
        .await
        .unwrap()
        .json()
        .unwrap();
    for (name, expected) in [
        ("maxParameterSize", json!("10240 B")),
        ("maxPayloadSize", json!("100 B")),
        ("truncationSize", json!("12 B")),
        ("maxActionMemory", json!(128)),
        ("allowedKinds", json!(["python:3"])),
    ] {
        assert_eq!(shown[name], expected, "{shown}");
    }
    let large = json!({"parameters": [{"key": "a", "value": "x".repeat(11_000)}]});
    let refused = client
        .put("/api/v1/namespaces/_/packages/p", &large)
        .await
        .unwrap();
    assert_eq!(refused.status(), 413, "{}", refused.text());

    set(&["--concurrentInvocations", "0"]);
    let refused = invoke(json!({})).await;
    assert_eq!(
        (refused.status(), error_of(&refused)),
        (
            429,
            "Too many concurrent requests in flight (count: 0, allowed: 0).".to_owned()
        )
    );
    set(&["--invocationsPerMinute", "0"]);
    let refused = invoke(json!({})).await;
    assert_eq!(refused.status(), 429);
    let text = error_of(&refused);
    assert!(
        text.starts_with("Too many requests in the last minute (count: ")
            && text.ends_with(", allowed: 0)."),
        "{text}"
    );
    admin.ok(&["limits", "delete", "alice"]);
    assert_eq!(put_hello(&client).await.status(), 200);
    // The action that is too large for the namespace now fits.
    let answer = invoke(json!({"size": 200})).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_and_blocked_stock_keys_do_not_come_back() {
    let (mut server, admin) = without_server();
    admin.ok(&["user", "block", "guest"]);
    admin.ok(&["user", "delete", "whisk.system"]);
    let key = admin.ok(&["user", "create", "alice"]);
    server.restart().unwrap();
    let guest = server.client().with_key(GUEST);
    assert_eq!(namespaces(&guest).await.0, 401);
    assert_eq!(
        namespaces(&guest.with_key(server.system_key())).await.0,
        401
    );
    assert_eq!(namespaces(&guest.with_key(&key)).await.0, 200);
    admin.ok(&["user", "delete", "guest"]);
    admin.ok(&["user", "delete", "alice"]);
    // Also with no subject left at all.
    server.restart().unwrap();
    let guest = server.client().with_key(GUEST);
    assert_eq!(namespaces(&guest).await.0, 401);
    assert_eq!(
        admin.ok(&["user", "list", "guest"]),
        "no identities found for namespace \"guest\""
    );
    // The readiness line names the key that is there.
    let key = admin.ok(&["user", "create", "guest"]);
    server.restart().unwrap();
    assert_eq!(server.guest_key(), key);
}

/// The server that uses this directory may keep more records than the administrator's settings say.
#[tokio::test]
async fn records_outlive_an_administrator_with_other_settings_than_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let admin = Admin(folder.path().join("data"));
    let open = || {
        let config = EmbeddedConfig {
            retention_age: Duration::ZERO,
            retention_bytes: 0,
            ..EmbeddedConfig::default()
        };
        EmbeddedStore::open(&admin.0.join("oxwhisk.db"), config).unwrap()
    };
    let record = record("hello", 1, 1);
    let (namespace, id) = (record.namespace.as_str().to_owned(), record.activation_id);
    let store = open();
    store.store(record.into()).await.unwrap();
    drop(store);
    let mut command = admin.command(&["user", "create", "alice"]);
    let command = command.env("OXWHISK_ACTIVATIONS_RETENTION_SIZE", "1 B");
    assert!(command.output().unwrap().status.success());
    let store = open();
    assert!(store.get(&namespace, id).await.unwrap().is_some());
}
