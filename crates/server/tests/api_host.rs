//! Actions use the API from inside their sandbox.
//!
//! The npm packages of `runtimes/nodejs` must be there: `cargo xtask test` installs them.

use oxwhisk_testing::ServerOptions;
use serde_json::json;

const CALLS_ANOTHER: &str = "
const openwhisk = require('openwhisk')
async function main({name}) {
  const ow = openwhisk({apihost: process.env.__OW_API_HOST, api_key: process.env.__OW_API_KEY})
  const greeting = await ow.actions.invoke({name: 'greet', params: {name}, blocking: true, result: true})
  const names = (await ow.actions.list()).map(action => action.name).sort()
  return {greeting, names}
}";
const GREET: &str = "def main(args):\n    return {'text': 'Hello, ' + args['name']}\n";

/// What `urllib` reaches: the API, and nothing else.
const CALLS_PLAINLY: &str = "
import json, os, urllib.request
def main(args):
    with urllib.request.urlopen(os.environ['__OW_API_HOST'] + '/api/v1') as answer:
        return {'description': json.load(answer)['description']}
";

#[tokio::test(flavor = "multi_thread")]
async fn action_invokes_another_with_the_openwhisk_package() {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .without_throttles()
        .start()
        .unwrap();
    let user = server.user();
    user.put_action("greet", "python:default", GREET, json!({}))
        .await;
    // Without the annotation an action gets no key.
    let action = json!({
        "exec": {"kind": "nodejs:default", "code": CALLS_ANOTHER},
        "annotations": [{"key": "provide-api-key", "value": true}],
    });
    let stored = user
        .client()
        .put("/api/v1/namespaces/_/actions/calls", &action)
        .await
        .unwrap();
    assert_eq!(stored.status(), 200, "{}", stored.text());
    let answer = user.invoke("calls", &json!({"name": "World"})).await;
    assert_eq!(
        answer.status(),
        200,
        "{}\n(are the npm packages of runtimes/nodejs installed?)",
        answer.text()
    );
    let expected = json!({"greeting": {"text": "Hello, World"}, "names": ["calls", "greet"]});
    assert_eq!(answer.json().unwrap()["response"]["result"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn api_is_reached_without_any_package() {
    let server = ServerOptions::new(env!("CARGO_BIN_EXE_oxwhisk"))
        .start()
        .unwrap();
    let user = server.user();
    user.put_action("plain", "python:default", CALLS_PLAINLY, json!({}))
        .await;
    assert_eq!(
        user.result("plain", &json!({})).await,
        json!({"description": "OpenWhisk API"})
    );
}
