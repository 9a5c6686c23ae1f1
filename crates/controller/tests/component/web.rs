//! Web actions: who pays, in which order requests are checked, how failures look.

use oxwhisk_controller::Limits;
use oxwhisk_testing::RestAnswer;
use serde_json::{Value, json};

use crate::support::Harness;

const ACTION: &str = "/api/v1/namespaces/_/actions/w";
const WEB: &str = "/api/v1/web/guest/default/w";
const METHODS: &str = "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH";

/// A controller with a web action `w` that has these annotations besides.
async fn with_web_action(limits: Limits, annotations: &[(&str, Value)]) -> Harness {
    let harness = Harness::start(limits).await;
    let annotations: Vec<Value> = [("web-export", json!(true))]
        .iter()
        .chain(annotations)
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let body =
        json!({"exec": {"kind": "nodejs:20", "code": "some text"}, "annotations": annotations});
    let created = harness.client.put(ACTION, &body).await.unwrap();
    assert_eq!(created.status(), 200);
    harness
}

/// What a `GET` answers when the action gives this result.
async fn answer(harness: &Harness, path: &str, result: &str) -> RestAnswer {
    let mut feed = harness.feed().await;
    let client = harness.client.without_key();
    let (answer, ()) = tokio::join!(client.get(path), async {
        let delivery = feed.next().await.unwrap();
        harness.complete(delivery.as_ref(), result).await;
    });
    answer.unwrap()
}

/// invocation §1, §9.9: the activation belongs to the owner of the namespace; who asked is an argument.
#[tokio::test(flavor = "multi_thread")]
async fn the_owner_pays_whoever_asks() {
    let harness = with_web_action(Limits::default(), &[]).await;
    let client = harness.stranger().await;
    let mut feed = harness.feed().await;
    let path = format!("{WEB}/rest?q=1");
    let (answer, ()) = tokio::join!(client.get(&path), async {
        let delivery = feed.next().await.unwrap();
        let message = delivery.message();
        assert_eq!(message.user.namespace.name.as_str(), "guest");
        let content: Value =
            serde_json::from_str(message.content.as_ref().unwrap().text()).unwrap();
        assert_eq!(content["__ow_user"], "elsewhere");
        assert_eq!(content["__ow_path"], "/rest");
        assert_eq!(content["q"], "1");
        let result = r#"{"statusCode":201,"body":"done"}"#;
        harness.complete(delivery.as_ref(), result).await;
    });
    let answer = answer.unwrap();
    assert_eq!((answer.status(), answer.text()), (201, "done".to_owned()));
}

/// invocation §9.2: the throttle comes before the secret, and answers without CORS headers.
#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_use_up_the_rate_of_the_owner() {
    let limits = Limits {
        invocations_per_minute: 1,
        ..Limits::default()
    };
    let harness = with_web_action(limits, &[("require-whisk-auth", json!("secret"))]).await;
    let client = harness.client.without_key();
    let refused = client.get(WEB).await.unwrap();
    let methods = "access-control-allow-methods";
    assert_eq!(
        (refused.status(), refused.header(methods)),
        (401, Some(METHODS))
    );
    let throttled = client.get(WEB).await.unwrap();
    assert_eq!((throttled.status(), throttled.header(methods)), (429, None));
    let text = throttled.text();
    let count = "Too many requests in the last minute (count: 2, allowed: 1).";
    assert!(
        text.starts_with("{\n  \"code\": \"") && text.contains(count) && text.ends_with("\"\n}"),
        "{text}"
    );
}

/// invocation §9.3: a preflight does not run the action, but it counts.
#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_without_the_action() {
    let harness = with_web_action(Limits::default(), &[("require-whisk-auth", json!(true))]).await;
    let asked = [("Access-Control-Request-Headers", "x-a, x-b")];
    let client = harness.client.without_key();
    let preflight = client.send("OPTIONS", WEB, &asked, None).await.unwrap();
    let allowed = preflight.header("access-control-allow-headers");
    assert_eq!((preflight.status(), allowed), (200, Some("x-a, x-b")));
    let in_flight = harness.client.get("/activation/count").await.unwrap();
    assert_eq!(in_flight.text(), "0");
}

/// observed.md on invocation §9.6: the answer of the original's crash handler.
#[tokio::test(flavor = "multi_thread")]
async fn an_array_is_no_answer() {
    let harness = with_web_action(Limits::default(), &[]).await;
    let answer = answer(&harness, WEB, "[1,2]").await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.text(), "There was an internal server error.");
    assert_eq!(answer.header("x-request-id"), None);
}

/// invocation §9.8: several lines of one name, the platform's own first.
#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_action_follow_those_of_the_platform() {
    let harness = with_web_action(Limits::default(), &[]).await;
    let result = r#"{"headers":{"Set-Cookie":["a=1","b=2"],"Access-Control-Allow-Origin":"http://mine"},"body":"x"}"#;
    let answer = answer(&harness, WEB, result).await;
    let lines = |wanted: &str| -> Vec<&str> {
        let values = answer.headers().get_all(wanted).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(lines("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(lines("access-control-allow-origin"), ["*", "http://mine"]);
}

/// invocation §9.2: what is no web action looks like what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn actions_that_are_not_exported_are_not_found() {
    let harness = with_web_action(Limits::default(), &[("web-export", json!(false))]).await;
    let body = json!({"exec": {"kind": "nodejs:20", "code": "x"}});
    let plain = "/api/v1/namespaces/_/actions/plain";
    harness.client.put(plain, &body).await.unwrap();
    let mut texts = Vec::new();
    for path in [
        WEB,
        "/api/v1/web/guest/default/plain",
        "/api/v1/web/nobody/default/w",
    ] {
        let answer = harness.client.get(path).await.unwrap();
        texts.push((answer.status(), answer.json().unwrap()["error"].clone()));
    }
    let expected = (404, json!("The requested resource does not exist."));
    assert_eq!(texts, vec![expected; 3]);
}

/// rest-api §13, invocation §9.1: seven methods reach the action, on its own path, below it and with each extension, and
/// nobody needs a key.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_extension_reaches_the_action() {
    let custom = [("web-custom-options", json!(true))];
    let harness = with_web_action(Limits::default(), &custom).await;
    let client = harness.client.without_key();
    let mut feed = harness.feed().await;
    for method in ["GET", "DELETE", "POST", "PUT", "HEAD", "OPTIONS", "PATCH"] {
        for rest in [
            "", ".http", ".json", ".html", ".svg", ".text", "/a/b", ".json/a",
        ] {
            let path = format!("{WEB}{rest}");
            let (answer, content) = tokio::join!(client.send(method, &path, &[], None), async {
                let delivery = feed.next().await.unwrap();
                harness.complete(delivery.as_ref(), r#"{"body":"x"}"#).await;
                delivery.message().content.clone().unwrap()
            });
            assert_eq!(answer.unwrap().status(), 200, "{method} {path}");
            let content: Value = serde_json::from_str(content.text()).unwrap();
            let below = rest.split_once('/').map_or("", |(_, below)| below);
            let below = if below.is_empty() {
                String::new()
            } else {
                format!("/{below}")
            };
            assert_eq!(content["__ow_method"], method.to_lowercase());
            assert_eq!(content["__ow_path"], below);
        }
    }
    let exotic = client.send("TRACE", WEB, &[], None).await.unwrap();
    let allowed = "GET, DELETE, POST, PUT, HEAD, OPTIONS, PATCH";
    assert_eq!(
        (exotic.status(), exotic.header("allow")),
        (405, Some(allowed))
    );
}

/// invocation §9.2: of several faults the one that is checked first is told; each request has all faults from one on.
#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_in_the_order_of_the_checks() {
    let annotations = [
        ("require-whisk-auth", json!("secret")),
        ("final", json!(true)),
    ];
    let harness = with_web_action(Limits::default(), &annotations).await;
    let client = harness.client.without_key();
    let (json, secret) = (
        ("content-type", "application/json"),
        ("x-require-whisk-auth", "secret"),
    );
    let large = vec![b'{'; (1 << 20) + 1];
    let missing = "The requested resource does not exist.";
    let unauthorized = "Authentication is possible but has failed or not yet been provided.";
    let reserved = "Request defines parameters that are not allowed (e.g., reserved properties).";
    let (anonymous, admitted) = (&[json][..], &[json, secret][..]);
    let absent = "/api/v1/web/guest/default/none";
    let too_large = "Request larger than allowed: 1048577 > 1048576 bytes.";
    let malformed = "The request content was malformed:";
    for (path, headers, body, status, text) in [
        (absent, anonymous, &large[..], 404, missing),
        (WEB, anonymous, &large, 413, too_large),
        (WEB, anonymous, b"{", 401, unauthorized),
        (WEB, admitted, b"{", 400, malformed),
        (WEB, admitted, br#"{"__ow_path":1}"#, 400, reserved),
    ] {
        let path = format!("{path}?__ow_method=x");
        let answer = client
            .send("POST", &path, headers, Some(body.to_vec()))
            .await
            .unwrap();
        let told = answer.json().unwrap()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status(), status, "{told}");
        assert!(told.starts_with(text), "{told}");
        // What comes before the action's own annotations is told without its headers, and so is a malformed body.
        let has_cors = answer.header("access-control-allow-methods") == Some(METHODS);
        assert_eq!(has_cors, [unauthorized, reserved].contains(&text), "{told}");
    }
    let in_flight = harness.client.get("/activation/count").await.unwrap();
    assert_eq!(in_flight.text(), "0");
}
