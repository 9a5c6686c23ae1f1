//! What all clients use: a few actions that nobody changes, lists, and requests that are refused.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::actions::{CONDUCTOR, ECHO, FAILS, PYTHON_ECHO, WEB, node};
use super::client::{Client, Expected, NAMESPACE};

/// Creates the shared actions.
///
/// # Errors
/// An action that is refused.
pub(super) async fn create(client: &Client) -> Result<()> {
    let annotated = |code, annotation: &str| {
        let mut action = node(code);
        if let Some(members) = action.as_object_mut() {
            let annotations = json!([{"key": annotation, "value": true}]);
            members.insert("annotations".to_owned(), annotations);
        }
        action
    };
    let steps = ["/_/soak-echo", "/_/soak-python", "/_/soak-echo"];
    let actions = [
        ("soak-echo", node(ECHO)),
        (
            "soak-python",
            json!({"exec": {"kind": "python:default", "code": PYTHON_ECHO}, "limits": {"memory": 128}}),
        ),
        ("soak-fails", node(FAILS)),
        ("soak-conductor", annotated(CONDUCTOR, "conductor")),
        ("soak-web", annotated(WEB, "web-export")),
        (
            "soak-sequence",
            json!({"exec": {"kind": "sequence", "components": steps}}),
        ),
    ];
    for (name, action) in actions {
        let path = format!("{NAMESPACE}/actions/{name}");
        let answer = client.rest.put(&path, &action).await?;
        ensure!(answer.status() == 200, "{name}: {}", answer.text());
    }
    Ok(())
}

impl Client {
    pub(super) async fn use_shared_actions(&mut self) {
        let n = self.random.u32(0..1_000_000);
        let result = json!({ "n": n });
        let composite = |n: u32, steps| Expected::Composite {
            result: json!({ "n": n }),
            steps,
        };
        match self.random.u8(0..20) {
            0..8 => self.result_of(n).await,
            8..11 => {
                let kind = "invoke";
                self.invoke(kind, "soak-python", n, Expected::Result(result))
                    .await;
            }
            11..13 => {
                let error = Expected::Failure(json!(format!("no {n}")));
                self.invoke("invoke failing", "soak-fails", n, error).await;
            }
            13..15 => {
                self.invoke("sequence", "soak-sequence", n, composite(n, 3))
                    .await
            }
            15..17 => {
                let conducted = composite(n + 2, 5);
                self.invoke("conductor", "soak-conductor", n, conducted)
                    .await;
            }
            _ => self.web_page(n).await,
        }
    }

    async fn result_of(&mut self, n: u32) {
        let path = format!("{NAMESPACE}/actions/soak-echo?blocking=true&result=true");
        let body = json!({ "n": n });
        let answer = self.json(
            "invoke for result",
            ("POST", &path),
            Some(&body),
            &[200, 202],
        );
        match answer.await {
            Some((200, found)) => self.expect(&path, &found, &body),
            Some((_, accepted)) => self.accept(&path, &accepted, Expected::Result(body)),
            None => {}
        }
    }

    /// Invokes an action, waiting or not; in either case the record is looked up later.
    async fn invoke(&mut self, kind: &'static str, action: &str, n: u32, expected: Expected) {
        let is_blocking = self.random.bool();
        let path = format!("{NAMESPACE}/actions/{action}?blocking={is_blocking}");
        let done = match expected {
            Expected::Failure(_) => 502,
            Expected::Result(_) | Expected::Firing { .. } | Expected::Composite { .. } => 200,
        };
        let allowed: &[u16] = if is_blocking { &[done, 202] } else { &[202] };
        let body = json!({ "n": n });
        if let Some((_, answer)) = self.json(kind, ("POST", &path), Some(&body), allowed).await {
            self.accept(&path, &answer, expected);
        }
    }

    async fn web_page(&self, n: u32) {
        let path = format!("/api/v1/web/guest/default/soak-web.http?n={n}");
        if let Some(answer) = self.call("web action", ("GET", &path), None, &[200]).await {
            let header = answer.header("x-n").map(Value::from).unwrap_or_default();
            self.expect(&path, &header, &json!(n.to_string()));
            self.expect(&path, &json!(answer.text()), &json!(format!("<p>{n}</p>")));
        }
    }

    pub(super) async fn list_something(&mut self) {
        let limit = self.random.usize(1..=20);
        let collections = ["actions", "packages", "triggers", "rules", "activations"];
        let collection = self.random.choice(collections).unwrap_or("actions");
        if self.random.u8(0..5) == 0 {
            let path = format!("{NAMESPACE}/{collection}?count=true");
            if let Some((_, count)) = self.json("count", ("GET", &path), None, &[200]).await
                && !count.get(collection).is_some_and(Value::is_u64)
            {
                self.ledger.fault(format!("{path}: {count} is no count"));
            }
            return;
        }
        let docs = collection == "activations" && self.random.bool();
        let path = format!("{NAMESPACE}/{collection}?limit={limit}&docs={docs}");
        if let Some((_, list)) = self.json("list", ("GET", &path), None, &[200]).await
            && list.as_array().is_none_or(|list| list.len() > limit)
        {
            self.ledger
                .fault(format!("{path}: no list of up to {limit}"));
        }
    }

    pub(super) async fn send_something_bad(&mut self) {
        let kind = "bad request";
        let path = |rest: &str| format!("{NAMESPACE}/{rest}");
        let (method, path, body, status) = match self.random.u8(0..7) {
            0 => ("GET", path("actions?limit=x"), None, 400),
            1 => ("GET", path("actions/soak-missing"), None, 404),
            2 => ("POST", path("actions/soak-echo"), Some(json!([1])), 400),
            3 => (
                "PUT",
                path("actions/soak-bad"),
                Some(json!({"exec": 1})),
                400,
            ),
            4 => ("PUT", path("actions/soak-echo"), Some(node(ECHO)), 409),
            5 => ("PATCH", path("actions/soak-echo"), None, 404),
            _ => (
                "GET",
                "/api/v1/namespaces/other/actions".to_owned(),
                None,
                403,
            ),
        };
        let answer = self
            .call(kind, (method, &path), body.as_ref(), &[status])
            .await;
        let error = answer.and_then(|answer| answer.json().ok());
        if error.is_some_and(|error| error.get("error").is_none()) {
            self.ledger
                .fault(format!("{method} {path}: no error in the answer"));
        }
    }

    /// Sends a request, or a part of one, and hangs up. What it started runs on, unknown to this client.
    pub(super) async fn go_away(&mut self) {
        let Ok(mut stream) = TcpStream::connect(&self.authority).await else {
            return self.ledger.fault("no connection".to_owned());
        };
        let body = r#"{"n":1}"#;
        let action = self.random.choice(["soak-echo", "soak-sequence"]);
        let request = format!(
            "POST {NAMESPACE}/actions/{}?blocking=true HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            action.unwrap_or("soak-echo"),
            self.authorization,
            body.len()
        );
        let length = if self.random.bool() {
            request.len()
        } else {
            self.random.usize(0..request.len())
        };
        let part = request.as_bytes().get(..length).unwrap_or_default();
        // The server may hang up as well.
        let _ = stream.write_all(part).await;
    }
}
