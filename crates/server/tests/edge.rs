//! What OpenWhisk has an nginx for: hosts of namespaces (`http://guest.localhost:PORT/…` shows the web actions of
//! `guest`), and what else is seen of it from outside.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use oxwhisk_testing::wire::Response;
use oxwhisk_testing::{ServerOptions, TestServer, wire};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const ECHO: &str = "function main(args) { return { statusCode: 200, body: args } }";
const INDEX: &str = "function main({name}) { return { html: `<h1>Hello, ${name || 'you'}</h1>` } }";

/// Asks the API for web actions by the host of the namespace, from where `__OW_API_HOST` leads.
const ASKS_BY_HOST: &str = "
import json, os, urllib.error, urllib.request
def main(args):
    def ask(path):
        request = urllib.request.Request(os.environ['__OW_API_HOST'] + path, headers={'Host': 'guest.localhost'})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code
    return {'page': ask('/?name=Box'), 'api': ask('/api/v1'), 'namespaces': ask('/api/v1/namespaces')}
";

fn options() -> ServerOptions {
    ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk")).without_throttles()
}

/// A server with the web actions `echo` and `public/index` in `guest`.
async fn with_web_actions(options: ServerOptions) -> TestServer {
    let server = options.start().unwrap();
    let client = server.client();
    let package = client
        .put("/api/v1/namespaces/_/packages/public", &json!({}))
        .await
        .unwrap();
    assert_eq!(package.status(), 200);
    for (name, code) in [("echo", ECHO), ("public/index", INDEX)] {
        let action = json!({
            "exec": {"kind": "nodejs:default", "code": code},
            "annotations": [{"key": "web-export", "value": true}],
        });
        let path = format!("/api/v1/namespaces/_/actions/{name}");
        assert_eq!(client.put(&path, &action).await.unwrap().status(), 200);
    }
    server
}

/// Sends a request line and headers as they are.
async fn ask(server: &TestServer, method: &str, target: &str, host: &str, body: &str) -> Response {
    let headers = [
        ("Host", host),
        ("Content-Type", "application/json"),
        ("Content-Length", &body.len().to_string()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = wire::Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.into(),
        body: body.as_bytes().to_vec(),
    };
    let authority = server.url().trim_start_matches("http://");
    wire::exchange(authority, &request, PATIENCE).await.unwrap()
}

fn text(answer: &Response) -> (u16, &str) {
    (answer.status, std::str::from_utf8(&answer.content).unwrap())
}

/// rest-api §14, invocation §9.5.
#[tokio::test(flavor = "multi_thread")]
async fn action_sees_the_path_the_query_the_body_and_the_host() {
    let server = with_web_actions(options()).await;
    let target = "/default/echo.http/a%20b//c?x=1&y=%2F";
    let host = "Guest.localhost:3233";
    let answer = ask(&server, "POST", target, host, r#"{"z":[1]}"#).await;
    let seen: Value = serde_json::from_slice(&answer.content).unwrap();
    let expected = json!({
        "__ow_method": "post",
        "__ow_path": "/a%20b/c",
        "__ow_headers": {"host": host, "content-type": "application/json"},
        "x": "1",
        "y": "/",
        "z": [1],
    });
    assert_eq!((answer.status, seen), (200, expected));
}

/// rest-api §14: by default the hosts are those below `localhost`; the request line counts more than the header.
#[tokio::test(flavor = "multi_thread")]
async fn root_shows_the_public_index() {
    let server = with_web_actions(options()).await;
    for (target, host) in [
        ("/?name=World", "guest.localhost"),
        ("http://guest.localhost:3233/?name=World", "127.0.0.1"),
        ("http://guest.localhost?name=World", "other.localhost"),
    ] {
        let answer = ask(&server, "GET", target, host, "").await;
        assert_eq!(text(&answer), (200, "<h1>Hello, World</h1>"), "{target}");
        let kind = answer.header("content-type");
        assert_eq!(kind, Some("text/html; charset=UTF-8"), "{target}");
    }
    let answer = ask(
        &server,
        "GET",
        "http://127.0.0.1/ping",
        "guest.localhost",
        "",
    )
    .await;
    assert_eq!(text(&answer), (200, "pong"));
}

/// rest-api §14: the names are a setting.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_those_below_the_names_of_the_server() {
    let names = "ow.example, Example.ORG";
    let server = with_web_actions(options().variable("OXWHISK_API_HOSTS", names)).await;
    for host in ["guest.ow.example", "guest.example.org:443"] {
        let answer = ask(&server, "GET", "/", host, "").await;
        assert_eq!(text(&answer), (200, "<h1>Hello, you</h1>"), "{host}");
        assert_eq!(
            ask(&server, "GET", "/ping", host, "").await.status,
            401,
            "{host}"
        );
    }
    for host in [
        "ow.example",
        "example.org",
        "guest.localhost",
        "guest.example",
    ] {
        let answer = ask(&server, "GET", "/ping", host, "").await;
        assert_eq!(text(&answer), (200, "pong"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_names_no_namespace_has_a_host() {
    let server = options().variable("OXWHISK_API_HOSTS", "").start().unwrap();
    let answer = ask(&server, "GET", "/ping", "guest.localhost", "").await;
    assert_eq!(text(&answer), (200, "pong"));
}

/// rest-api §14: the listener of a container serves them too, and there is no more to be had by them than by the path.
#[tokio::test(flavor = "multi_thread")]
async fn action_reaches_web_actions_by_the_host() {
    let server = with_web_actions(options()).await;
    let user = server.user();
    user.put_action("asks", "python:default", ASKS_BY_HOST, json!({}))
        .await;
    let expected = json!({"page": "<h1>Hello, Box</h1>", "api": 404, "namespaces": 404});
    assert_eq!(user.result("asks", &json!({})).await, expected);
}

/// rest-api §14: there are no metrics to deny and no downloads, and answers do not tell what the server is made of.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_edge_is_left_open() {
    let server = options().start().unwrap();
    for (target, status) in [
        ("/", 200),
        ("/metrics", 405),
        ("/cli/go/download/", 405),
        ("/blackbox.tar.gz", 405),
        ("/api/v1/namespaces", 401),
    ] {
        let answer = ask(&server, "GET", target, "localhost", "").await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.header("server"), None, "{target}");
        assert!(answer.header("x-request-id").is_some(), "{target}");
    }
}
