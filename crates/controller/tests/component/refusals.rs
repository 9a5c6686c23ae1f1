//! How refusals look, whatever refuses.

use oxwhisk_controller::Limits;
use oxwhisk_testing::RestAnswer;
use serde_json::{Value, json};

use crate::support::{Harness, path};

const JSON: (&str, &str) = ("content-type", "application/json");
const CORS: &str = "access-control-allow-methods";

/// An error has exactly two members; `code` is the transaction id.
#[track_caller]
fn is_error(answer: &RestAnswer, status: u16, text: &str) {
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(
        (answer.status(), answer.json().unwrap()),
        (status, json!({"code": id, "error": text}))
    );
}

async fn with_rule(limits: Limits) -> Harness {
    let harness = Harness::start(limits).await;
    let action = json!({"exec": {"kind": "nodejs:20", "code": "some text"}});
    harness
        .put_all([
            ("actions/a", action),
            ("triggers/t", json!({})),
            ("rules/r", json!({"trigger": "/_/t", "action": "/_/a"})),
        ])
        .await;
    harness
}

/// rest-api §5.1, §5.3: the default texts.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_without_a_text_of_its_own_gets_the_default_one() {
    let harness = with_rule(Limits::default()).await;
    let missing = harness.client.get(&path("actions/none")).await.unwrap();
    is_error(&missing, 404, "The requested resource does not exist.");
    let nowhere = harness.client.get(&path("nowhere")).await.unwrap();
    is_error(&nowhere, 404, "The requested resource could not be found.");
    let disable = harness.client.without_key();
    let refused = disable.send("POST", "/disable", &[], None).await.unwrap();
    let text = "Authentication is possible but has failed or not yet been provided.";
    is_error(&refused, 401, text);
    let undecodable = json!({"exec": {"kind": "nodejs:20", "code": " YWJj "}});
    let answer = harness
        .client
        .put(&path("actions/b"), &undecodable)
        .await
        .unwrap();
    is_error(&answer, 500, "There was an internal server error.");
    harness.journal.set_failing(true);
    let answer = harness
        .client
        .post(&path("actions/a"), &json!({}))
        .await
        .unwrap();
    let text =
        "The server is currently unavailable (because it is overloaded or down for maintenance).";
    is_error(&answer, 503, text);
    assert!(answer.header(CORS).is_some());
}

/// rest-api §5.5, §11; entities §6.3: what activates is bounded before it is read: actions, triggers and rules alike.
#[tokio::test(flavor = "multi_thread")]
async fn large_requests_are_refused_unread() {
    let harness = with_rule(Limits::default()).await;
    let body = vec![b'x'; (1 << 20) + 1];
    for rest in ["actions/a", "triggers/t", "rules/r", "actions/none"] {
        let answer = harness
            .client
            .send("POST", &path(rest), &[JSON], Some(body.clone()))
            .await
            .unwrap();
        let text = "Request larger than allowed: 1048577 > 1048576 bytes.";
        is_error(&answer, 413, text);
    }
    let allowed = json!({"x": "x".repeat((1 << 20) - 8)});
    let answer = harness
        .client
        .post(&path("actions/a"), &allowed)
        .await
        .unwrap();
    assert_eq!(answer.status(), 202, "{:.200}", answer.text());
}

/// rest-api §5.2: of several faults the one that is checked first is told.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_in_the_order_of_the_checks() {
    let limits = Limits {
        invocations_per_minute: 1,
        ..Limits::default()
    };
    let harness = with_rule(limits).await;
    let long = vec![b'x'; (1 << 20) + 1];
    let send = async |namespace: &str, name: &str, query: &str, body: &[u8]| -> (u16, Value) {
        let path = format!("/api/v1/namespaces/{namespace}/actions/{name}{query}");
        let answer = harness
            .client
            .send("POST", &path, &[JSON], Some(body.to_vec()))
            .await
            .unwrap();
        (answer.status(), answer.json().unwrap()["error"].clone())
    };
    // A bad name is found before the request is counted.
    let (status, _) = send("elsewhere", "-bad", "?timeout=x", &long).await;
    assert_eq!(status, 400);
    // A forbidden request counts.
    let (status, text) = send("elsewhere", "a", "?timeout=x", &long).await;
    assert_eq!(
        (status, text),
        (
            403,
            json!("The supplied authentication is not authorized to access 'elsewhere/a'.")
        )
    );
    let (status, _) = send("elsewhere", "a", "", b"{}").await;
    assert_eq!(status, 429);
    harness.clock.advance(60_000);
    let (status, _) = send("_", "a", "?timeout=x", &long).await;
    assert_eq!(status, 413);
    harness.clock.advance(60_000);
    let (status, text) = send("_", "a", "?timeout=x", b"nonsense").await;
    assert_eq!(
        (status, text),
        (
            400,
            json!(
                "The query parameter 'timeout' was malformed:\nTimeout must be number of milliseconds up to 60000."
            )
        )
    );
    harness.clock.advance(60_000);
    let (status, _) = send("_", "none", "", b"nonsense").await;
    assert_eq!(status, 400);
    harness.clock.advance(60_000);
    let (status, _) = send("_", "none", "", b"{}").await;
    assert_eq!(status, 404);
}

/// rest-api §2.1: `Accept` is for answers that say something; a bare status ignores it.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_status_is_given_to_everybody() {
    let harness = with_rule(Limits::default()).await;
    let accept = ("accept", "application/json");
    let status = br#"{"status":"inactive"}"#.to_vec();
    for (method, target, body) in [
        ("POST", path("rules/r"), Some(status)),
        ("OPTIONS", path("actions"), None),
        ("OPTIONS", "/ping".to_owned(), None),
    ] {
        let answer = harness
            .client
            .send(method, &target, &[accept, JSON], body)
            .await
            .unwrap();
        assert_eq!((answer.status(), answer.text()), (200, "OK".to_owned()));
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
    }
    let ping = harness
        .client
        .send("GET", "/ping", &[accept], None)
        .await
        .unwrap();
    assert_eq!(ping.status(), 406);
}
