//! What is outside of the API of namespaces.

use oxwhisk_controller::Limits;
use serde_json::json;

use crate::support::Harness;

const NO_ROUTE: &str = "The requested resource could not be found.";
const OUTSIDE: &str = "HTTP method not allowed, supported methods: OPTIONS";

/// rest-api §1, §2.3, §4.4: endpoints that are switched off, that only operators may use, or that there are none of.
#[tokio::test(flavor = "multi_thread")]
async fn endpoints_for_operators_are_closed() {
    let harness = Harness::start(Limits::default()).await;
    let cors = "access-control-allow-methods";
    let server = Some("OPTIONS, GET, POST");
    for (method, path, status, text, methods) in [
        ("GET", "/metrics", 405, OUTSIDE, None),
        ("GET", "/disable", 405, OUTSIDE, None),
        (
            "POST",
            "/disable",
            401,
            "username or password are wrong.",
            server,
        ),
        ("GET", "/nowhere", 405, OUTSIDE, None),
        ("GET", "/docs/other.html", 405, OUTSIDE, None),
        ("GET", "/api/v1/docs/other.html", 404, NO_ROUTE, None),
    ] {
        // The key of a namespace is no operator's.
        let answer = harness.client.send(method, path, &[], None).await.unwrap();
        let id = answer.header("x-request-id").unwrap();
        let body = json!({"error": text, "code": id});
        assert_eq!(
            (answer.status(), answer.json().unwrap()),
            (status, body),
            "{path}"
        );
        assert_eq!(answer.header(cors), methods, "{path}");
    }
    for (path, status, body) in [
        ("/invokers", 200, json!({})),
        ("/invokers/healthy/count", 200, json!(0)),
        ("/invokers/ready", 500, json!({"unhealthy": "0/0"})),
        ("/activation", 200, json!([])),
        ("/activation/count", 200, json!(0)),
    ] {
        let answer = harness.client.without_key().get(path).await.unwrap();
        assert_eq!(
            (answer.status(), answer.json().unwrap()),
            (status, body),
            "{path}"
        );
        assert_eq!(answer.header(cors), server, "{path}");
    }
}

/// rest-api §2.1, §2.2: the transaction is the client's word if it is fit, else one of the server's own.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_names_its_transaction() {
    let harness = Harness::start(Limits::default()).await;
    let mut made = Vec::new();
    for (sent, kept) in [
        (None, false),
        (Some("sid_mine"), false),
        (Some("mine"), true),
        (Some("sid-mine"), true),
        (None, false),
    ] {
        for path in ["/ping", "/api/v1/namespaces", "/api/v1/nowhere", "/nowhere"] {
            let headers: Vec<_> = sent.map(|id| ("X-Request-ID", id)).into_iter().collect();
            let answer = harness
                .client
                .send("GET", path, &headers, None)
                .await
                .unwrap();
            let id = answer.header("x-request-id").unwrap().to_owned();
            if kept {
                assert_eq!(Some(id.as_str()), sent, "{path}");
                continue;
            }
            let is_fit = id.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(id.len() == 32 && is_fit, "{path}: {id}");
            made.push(id);
        }
    }
    let all = made.len();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), all);
}
