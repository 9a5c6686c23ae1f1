//! How long a caller may wait.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{action, activation, assert_refused, own, put_all, server};

const NAP: &str = "main = ({ms}) => new Promise(r => setTimeout(() => r({}), ms || 0))";
const WAIT: &str = "CONTROLLER_MAX_WAIT_FOR_BLOCKING_ACTIVATION";

fn bad_timeout(max: u32) -> String {
    format!(
        "The query parameter 'timeout' was malformed:\nTimeout must be number of milliseconds up to {max}."
    )
}

/// rest-api §15, §8.6: `max-wait-for-blocking-activation` is what may be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn callers_may_ask_for_waits_up_to_the_longest() {
    for (settings, max) in [(&[][..], 60_000), (&[(WAIT, "1500ms")][..], 1500)] {
        let server = server(settings);
        let client = server.client();
        put_all(&client, &[("actions/nap", action(NAP))]).await;
        for blocking in [true, false] {
            let post = async |timeout: String| {
                let rest = format!("actions/nap?blocking={blocking}&timeout={timeout}");
                client.post(&own(&rest), &json!({})).await.unwrap()
            };
            // A slow machine may take longer than the shorter wait.
            let accepted = post(max.to_string()).await;
            let statuses: &[u16] = if blocking { &[200, 202] } else { &[202] };
            assert!(statuses.contains(&accepted.status()), "{}", accepted.text());
            for timeout in ["0".to_owned(), (max + 1).to_string(), "x".to_owned()] {
                assert_refused(&post(timeout).await, 400, &bad_timeout(max));
            }
        }
    }
}

/// rest-api §15, §8.6, invocation §9.6: after that the identifier is answered, and the activation goes on.
#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_after_the_longest_if_none_was_asked_for() {
    for (setting, least) in [("1s", 1000), ("0s", 0)] {
        let server = server(&[(WAIT, setting)]);
        let client = server.client();
        let mut exported = action(NAP);
        exported["annotations"] = json!([{"key": "web-export", "value": true}]);
        let entities = [
            ("actions/nap", exported),
            (
                "actions/naps",
                json!({"exec": {"kind": "sequence", "components": ["/_/nap"]}}),
            ),
        ];
        put_all(&client, &entities).await;
        let mut late = Vec::new();
        for path in [
            own("actions/nap?blocking=true"),
            own("actions/naps?blocking=true"),
            "/api/v1/web/guest/default/nap.json".to_owned(),
        ] {
            let began = Instant::now();
            let answer = client.post(&path, &json!({"ms": 3000})).await.unwrap();
            let took = began.elapsed();
            // Had it been waited for, the answer would be 200.
            assert_eq!(answer.status(), 202, "{path}: {}", answer.text());
            assert!(took >= Duration::from_millis(least), "{path}: {took:?}");
            late.push(activation(&answer));
        }
        for id in late {
            let record = server.user().record(&id).await;
            assert_eq!(record["response"]["status"], "success", "{record}");
        }
    }
}
