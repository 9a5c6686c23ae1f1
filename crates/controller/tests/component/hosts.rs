//! Hosts of namespaces: `http://guest.localhost/…` is served as `/api/v1/web/guest/…`, and nothing else is there.

use oxwhisk_controller::Limits;
use oxwhisk_testing::{RestAnswer, RestClient};
use serde_json::{Value, json};

use crate::support::Harness;

const HOST: (&str, &str) = ("host", "guest.localhost:3233");
const WEB: &str = "/api/v1/web/guest";

/// A controller with the web actions `default/w`, `p/w` and `public/index.html`.
async fn with_web_actions(limits: Limits) -> Harness {
    let harness = Harness::start(limits).await;
    for name in ["w", "p/w", "public/index"] {
        if let Some((package, _)) = name.split_once('/') {
            let path = format!("/api/v1/namespaces/_/packages/{package}");
            let created = harness.client.put(&path, &json!({})).await.unwrap();
            assert_eq!(created.status(), 200, "{package}");
        }
        put_web_action(&harness.client, name).await;
    }
    harness
}

async fn put_web_action(client: &RestClient, name: &str) {
    let action = json!({
        "exec": {"kind": "nodejs:20", "code": "some text"},
        "annotations": [{"key": "web-export", "value": true}],
    });
    let path = format!("/api/v1/namespaces/_/actions/{name}");
    let created = client.put(&path, &action).await.unwrap();
    assert_eq!(created.status(), 200, "{name}");
}

/// One request, apart from where it goes.
struct Asked<'a> {
    method: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a str>,
}

const GET: Asked<'static> = Asked {
    method: "GET",
    headers: &[],
    body: None,
};

impl Asked<'_> {
    async fn at(&self, client: &RestClient, path: &str) -> RestAnswer {
        self.send(client, path, self.headers).await
    }

    async fn at_host(&self, client: &RestClient, path: &str) -> RestAnswer {
        let headers = [&[HOST], self.headers].concat();
        self.send(client, path, &headers).await
    }

    async fn send(&self, client: &RestClient, path: &str, headers: &[(&str, &str)]) -> RestAnswer {
        let body = self.body.map(|body| body.as_bytes().to_vec());
        client.send(self.method, path, headers, body).await.unwrap()
    }
}

/// What a client sees of an answer, without what is new each time.
fn shown(answer: &RestAnswer) -> (u16, Vec<(String, String)>, String) {
    let text = answer.text();
    let code = text.split("\"code\":").nth(1).unwrap_or_default();
    let code = code.split('"').nth(1).unwrap_or_default();
    let text = if code.is_empty() {
        text
    } else {
        text.replace(code, "<code>")
    };
    let fleeting = ["date", "x-request-id", "x-openwhisk-activation-id"];
    let headers = answer.headers().iter();
    let mut headers: Vec<(String, String)> = headers
        .filter(|(name, _)| !fleeting.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status(), headers, text)
}

/// Waits for an activation, answers it, and returns the action and its arguments.
async fn run(harness: &Harness) -> (String, Value) {
    let mut feed = harness.feed().await;
    let delivery = feed.next().await.unwrap();
    let message = delivery.message();
    let content = message.content.as_ref().unwrap().text();
    let seen = (
        message.action.to_string(),
        serde_json::from_str(content).unwrap(),
    );
    let result = r#"{"statusCode":203,"headers":{"x-mine":"yes"},"body":{"done":true}}"#;
    harness.complete(delivery.as_ref(), result).await;
    seen
}

/// rest-api §14: method, query, body and headers reach the action as by its path; it sees the host that was asked.
#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_host_reach_the_action_as_by_its_path() {
    let harness = with_web_actions(Limits::default()).await;
    let client = harness.stranger().await;
    let json_type = [("content-type", "application/json"), ("x-a", "b")];
    let form_type = [("content-type", "application/x-www-form-urlencoded")];
    for (path, method, headers, body) in [
        ("/default/w", "GET", &[][..], None),
        ("/default/w/", "GET", &[], None),
        ("/p/w.http/a%20b/c?x=1&y=%2F..%2f", "GET", &[], None),
        ("/p/w.json?x", "POST", &json_type, Some(r#"{"z": [1]}"#)),
        ("/p/w.text", "PUT", &form_type, Some("a=b+c")),
        ("/p/w", "HEAD", &[], None),
        ("/p/w", "DELETE", &[], None),
        ("/p/w", "PATCH", &json_type, Some("[1]")),
    ] {
        let asked = Asked {
            method,
            headers,
            body,
        };
        let by_path = format!("{WEB}{path}");
        let (expected, (action, mut arguments)) =
            tokio::join!(asked.at(&client, &by_path), run(&harness));
        let (answer, (found, seen)) = tokio::join!(asked.at_host(&client, path), run(&harness));
        assert_eq!(found, action, "{method} {path}");
        arguments["__ow_headers"]["host"] = json!(HOST.1);
        assert_eq!(seen, arguments, "{method} {path}");
        assert_eq!(shown(&answer), shown(&expected), "{method} {path}");
    }
}

/// rest-api §14: the root is the page `index.html` of the package `public`; slashes and dots are resolved as nginx does.
#[tokio::test(flavor = "multi_thread")]
async fn root_of_the_host_is_its_public_index() {
    let harness = with_web_actions(Limits::default()).await;
    for path in [
        "/",
        "/?x=1",
        "/?/../../api/v1/namespaces",
        "//",
        "/../",
        "/p/%2e%2e",
    ] {
        let (answer, (action, seen)) =
            tokio::join!(GET.at_host(&harness.client, path), run(&harness));
        assert_eq!(action, "guest/public/index", "{path}");
        assert_eq!(seen["__ow_path"], "", "{path}");
        // By its ending the page is HTML, which the result holds none of.
        assert_eq!(answer.status(), 400, "{path}");
    }
    for (path, rest) in [
        ("//p//w//a%2fb/", "/a/b/"),
        ("/p/w/x/..%2F../w/a/./b", "/a/b"),
    ] {
        let (_, (action, seen)) = tokio::join!(GET.at_host(&harness.client, path), run(&harness));
        assert_eq!(
            (action.as_str(), &seen["__ow_path"]),
            ("guest/p/w", &json!(rest)),
            "{path}"
        );
    }
}

/// rest-api §14: neither the API nor another namespace is to be had at the host, whatever the path and the key.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_web_actions_of_the_namespace_is_at_its_host() {
    let harness = with_web_actions(Limits::default()).await;
    let stranger = harness.stranger().await;
    put_web_action(&stranger, "s").await;
    let nobody = harness.client.without_key();
    let refused = shown(&GET.at(&nobody, &format!("{WEB}/x")).await);
    let missing = shown(&GET.at(&harness.client, &format!("{WEB}/default/x")).await);
    let unmatched = shown(&GET.at(&harness.client, &format!("{WEB}/x")).await);
    assert_eq!((refused.0, missing.0, unmatched.0), (401, 404, 404));
    for path in [
        "/ping",
        "/invokers",
        "/api/v1",
        "/api/v1/",
        "/api/v1/api-docs",
        "/api/v1/namespaces",
        "/api/v1/namespaces/_/actions/w",
        "/api/v1/web/elsewhere/default/s",
        "/../../v1/namespaces",
        "/../../../api/v1/namespaces",
        "/../elsewhere/default/s",
        "/..%2felsewhere/default/s",
        "/%2e%2e/%2E%2e/v1/namespaces",
        "/.%2e%2f.%2e%2F..%2fapi/v1/namespaces",
        "/%252e%252e/elsewhere/default/s",
        "/..;/elsewhere/default/s",
        "/x/../../../../api/v1/namespaces",
        "/%2Fapi/v1/namespaces",
        "//localhost/api/v1/namespaces",
        "/%5c..%5c../v1/namespaces",
        "/%00/../../api/v1/namespaces",
    ] {
        let answer = shown(&GET.at_host(&harness.client, path).await);
        assert!(
            [&missing, &unmatched].contains(&&answer),
            "{path}: {answer:?}"
        );
        let answer = shown(&GET.at_host(&nobody, path).await);
        assert!(
            [&missing, &refused].contains(&&answer),
            "{path}: {answer:?}"
        );
    }
    // They are not there for writing either.
    for (method, path) in [
        ("PUT", "/api/v1/namespaces/_/triggers/t"),
        ("POST", "/disable"),
    ] {
        let asked = Asked {
            method,
            body: Some("{}"),
            ..GET
        };
        assert_eq!(
            asked.at_host(&harness.client, path).await.status(),
            404,
            "{path}"
        );
    }
}

/// rest-api §14: errors, preflights and methods are answered as by the path.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_the_host_are_those_of_the_path() {
    let harness = with_web_actions(Limits::default()).await;
    let preflight = [
        ("access-control-request-headers", "x-a, x-b"),
        ("origin", "http://o"),
    ];
    for (method, path) in [
        ("OPTIONS", "/p/w"),
        ("OPTIONS", "/p/missing"),
        ("OPTIONS", "/p"),
        ("TRACE", "/p/w"),
        ("GET", "/p/missing"),
        ("GET", "/missing/w"),
        ("GET", "/defaults/w"),
        ("GET", "/p/w?__ow_path=x"),
        ("FOO", "/p/w"),
        ("GET", "/p/w/%zz"),
    ] {
        let asked = Asked {
            method,
            headers: &preflight,
            body: None,
        };
        let expected = asked.at(&harness.client, &format!("{WEB}{path}")).await;
        let answer = asked.at_host(&harness.client, path).await;
        let (answer, expected) = (shown(&answer), shown(&expected));
        // It names the column in the path that was sent.
        if path.contains("%zz") {
            assert_eq!(answer.0, expected.0);
        } else {
            assert_eq!(answer, expected, "{method} {path}");
        }
    }
    for host in ["nobody.localhost", "-.localhost"] {
        let headers = [("host", host)];
        let answer = GET.send(&harness.client, "/default/w", &headers).await;
        assert_eq!(answer.status(), 404, "{host}");
    }
}

/// rest-api §14, §11: the rate is that of the namespace, by whichever address.
#[tokio::test(flavor = "multi_thread")]
async fn the_host_and_the_path_use_up_one_rate() {
    let limits = Limits {
        invocations_per_minute: 1,
        ..Limits::default()
    };
    let harness = with_web_actions(limits).await;
    let client = harness.client.without_key();
    let (answer, _) = tokio::join!(GET.at_host(&client, "/p/w"), run(&harness));
    assert_eq!(answer.status(), 203);
    assert_eq!(GET.at_host(&client, "/p/w").await.status(), 429);
    let by_path = format!("{WEB}/p/w");
    assert_eq!(GET.at(&client, &by_path).await.status(), 429);
}

/// rest-api §14, §2.1: the transaction id is the caller's or a new one, as everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn answers_at_the_host_carry_the_transaction_id() {
    let harness = with_web_actions(Limits::default()).await;
    let asked = Asked {
        headers: &[("x-request-id", "mine")],
        ..GET
    };
    let (answer, _) = tokio::join!(asked.at_host(&harness.client, "/p/w"), run(&harness));
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let answer = GET.at_host(&harness.client, "/p/missing").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));
}

/// rest-api §14: the server's own name, addresses and names below a namespace's are the server itself.
#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_show_the_server() {
    let harness = with_web_actions(Limits::default()).await;
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "[::1]:80",
        "a.guest.localhost",
        "guest.example.com",
        "",
    ] {
        let answer = GET.send(&harness.client, "/ping", &[("host", host)]).await;
        assert_eq!(
            (answer.status(), answer.text()),
            (200, "pong".to_owned()),
            "{host}"
        );
    }
    let answer = GET
        .send(&harness.client, "/ping", &[("host", "guest.LOCALHOST.")])
        .await;
    assert_eq!(answer.status(), 404);
}

/// RFC 9112 §3.2. What a proxy let through by one host must not be answered by another.
#[tokio::test(flavor = "multi_thread")]
async fn request_for_two_hosts_is_refused() {
    let harness = with_web_actions(Limits::default()).await;
    for hosts in [
        ["localhost", "guest.localhost"],
        ["guest.localhost", "localhost"],
        ["localhost", "localhost"],
    ] {
        let headers = hosts.map(|host| ("host", host));
        let answer = GET.send(&harness.client, "/ping", &headers).await;
        assert_eq!(answer.status(), 400, "{hosts:?}");
        let text = "HTTP message must not contain more than one Host header";
        assert_eq!(answer.text(), text);
    }
}
