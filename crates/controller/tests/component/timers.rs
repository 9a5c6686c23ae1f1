//! How long things are waited for. Time is not let pass here but moved, on one thread, between two steps of a test.

use std::io::ErrorKind;
use std::time::Duration;

use oxwhisk_controller::Limits;
use oxwhisk_testing::{RestClient, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Harness, path};

const DEADLINE: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// The time limit of the actions, in milliseconds: far from any wait.
const TIME_LIMIT: u64 = 5_000;

/// Moves the time, then lets everybody act on it.
async fn pass(harness: &Harness, time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
    let ping = harness.client.get("/ping").await.unwrap();
    assert_eq!(ping.text(), "pong");
}

/// A controller with a web action `a`, a conductor `c` and a sequence `s` of `a`, and a client with all the time there is.
async fn with_actions() -> (Harness, RestClient) {
    let harness = Harness::start(Limits::default()).await;
    let action = |annotation: &str| {
        json!({
            "exec": {"kind": "nodejs:20", "code": "some text"},
            "limits": {"timeout": TIME_LIMIT},
            "annotations": [{"key": annotation, "value": true}],
        })
    };
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/a"]}});
    let actions = [
        ("a", action("web-export")),
        ("c", action("conductor")),
        ("s", sequence),
    ];
    let actions = actions
        .into_iter()
        .map(|(name, body)| (format!("actions/{name}"), body));
    harness.put_all(actions).await;
    let client = harness.client.with_patience(SECOND * 100_000);
    (harness, client)
}

/// invocation §12, §3.1, §13: a caller waits a minute, or as long as it says, whatever the action's own limit is.
#[tokio::test]
async fn a_blocking_call_waits_a_minute_or_as_long_as_it_says() {
    let (harness, client) = with_actions().await;
    let mut feed = harness.feed().await;
    for (query, seconds) in [("", 60), ("&timeout=60000", 60), ("&timeout=20000", 20)] {
        let call = tokio::spawn({
            let (client, target) = (
                client.clone(),
                path(&format!("actions/a?blocking=true{query}")),
            );
            async move { client.post(&target, &json!({})).await.unwrap() }
        });
        let delivery = feed.next().await.unwrap();
        pass(&harness, SECOND * (seconds - 1)).await;
        assert!(!call.is_finished(), "{query}: it was not waited for");
        pass(&harness, SECOND * 2).await;
        let answer = call.await.unwrap();
        let id = delivery.message().activation_id.to_string();
        assert_eq!(answer.header("x-openwhisk-activation-id"), Some(&*id));
        let body = answer.json().unwrap();
        assert_eq!((answer.status(), body), (202, json!({"activationId": id})));
        harness.complete(delivery.as_ref(), "{}").await;
    }
}

/// invocation §12, §9.6: a web request waits a minute, and is told the activation then.
#[tokio::test]
async fn a_web_request_waits_a_minute() {
    let (harness, client) = with_actions().await;
    let mut feed = harness.feed().await;
    let call = tokio::spawn(async move {
        let web = "/api/v1/web/guest/default/a.json";
        client.without_key().get(web).await.unwrap()
    });
    let delivery = feed.next().await.unwrap();
    pass(&harness, SECOND * 59).await;
    assert!(!call.is_finished(), "it was not waited for");
    pass(&harness, SECOND * 2).await;
    let answer = call.await.unwrap();
    assert_eq!(answer.status(), 202);
    let body = answer.json().unwrap();
    assert_eq!(body["error"], "Response not yet ready.");
    assert_eq!(body["code"], answer.header("x-request-id").unwrap());
    let id = delivery.message().activation_id.to_string();
    assert_eq!(answer.header("x-openwhisk-activation-id"), Some(&*id));
}

/// invocation §12, §5.1, §5.2; composer §2: a step is waited for a minute beyond its own limit; then the whole fails.
#[tokio::test]
async fn a_step_is_waited_for_a_minute_beyond_its_limit() {
    let (harness, client) = with_actions().await;
    let mut feed = harness.feed().await;
    let next = r#"{"action":"a","params":{}}"#;
    for (name, conductor, part) in [
        ("s", None, "for sequence component"),
        ("c", None, "during composition"),
        ("c", Some(next), "during composition"),
    ] {
        let target = path(&format!("actions/{name}"));
        let accepted = client.post(&target, &json!({})).await.unwrap();
        let accepted = accepted.json().unwrap()["activationId"].clone();
        let mut delivery = feed.next().await.unwrap();
        if let Some(result) = conductor {
            harness.complete(delivery.as_ref(), result).await;
            delivery = feed.next().await.unwrap();
        }
        let id = delivery.message().activation_id.to_string();
        let record = path(&format!("activations/{}", accepted.as_str().unwrap()));
        pass(&harness, Duration::from_millis(TIME_LIMIT) + SECOND * 59).await;
        assert_eq!(client.get(&record).await.unwrap().status(), 404, "{name}");
        pass(&harness, SECOND * 2).await;
        let stored: Value = eventually(DEADLINE, || async {
            let answer = client.get(&record).await.ok()?;
            (answer.status() == 200).then(|| answer.json().ok())?
        })
        .await
        .unwrap();
        let text = format!("Timeout reached when retrieving activation {id} {part}.");
        let response =
            json!({"status": "whisk internal error", "success": false, "result": {"error": text}});
        assert_eq!(stored["response"], response, "{name}");
    }
}

/// Nothing has come, and the connection is still there.
#[track_caller]
fn is_quiet(stream: &TcpStream) {
    let read = stream.try_read(&mut [0; 1]);
    assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// invocation §12, rest-api §5.2, §5.5: the body of a request has half a minute to come.
#[tokio::test]
async fn a_body_has_half_a_minute() {
    let (harness, _) = with_actions().await;
    let mut stream = TcpStream::connect(harness.address).await.unwrap();
    let head = "PUT /api/v1/namespaces/_/triggers/t HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    pass(&harness, Duration::ZERO).await;
    pass(&harness, SECOND * 29).await;
    is_quiet(&stream);
    pass(&harness, SECOND * 2).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

/// invocation §12: a connection on which nothing is asked ends after seventy seconds, used before or not.
#[tokio::test]
async fn an_idle_connection_is_kept_for_seventy_seconds() {
    let (harness, _) = with_actions().await;
    let unused = TcpStream::connect(harness.address).await.unwrap();
    let mut used = TcpStream::connect(harness.address).await.unwrap();
    used.write_all(b"GET /ping HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let mut length = 0;
    while !answer[..length].ends_with(b"pong") {
        length += used.read(&mut answer[length..]).await.unwrap();
    }
    pass(&harness, SECOND * 68).await;
    is_quiet(&unused);
    is_quiet(&used);
    pass(&harness, SECOND * 4).await;
    for mut stream in [unused, used] {
        let read = stream.read(&mut answer).await.unwrap();
        assert_eq!(read, 0, "it is still open");
    }
}
