//! Which records sequences, compositions and their steps leave. Source: rest-api §15.
//!
//! The original waits for every step, but counts the nested sequences, and the compositions in a composition, as if it
//! did not.

use oxwhisk_testing::{RestClient, TestServer};
use serde_json::{Value, json};

use crate::records::{BLOCKING, NON_BLOCKING};
use crate::support::{
    action, activation, all_ended, is_recorded, own, post, post_recorded, put_all, sequence, server,
};

/// Runs `component` once, then ends.
fn conductor(component: &str) -> Value {
    let code = format!(
        "main = args => args.ran ? {{ params: {{}} }} : {{ action: '{component}', state: {{ ran: true }} }}"
    );
    let mut conductor = action(&code);
    conductor["annotations"] = json!([{"key": "conductor", "value": true}]);
    conductor
}

async fn start(settings: &[(&str, &str)]) -> TestServer {
    let server = server(settings);
    let entities = [
        ("actions/ok", action("main = () => ({})")),
        ("actions/no", action("main = () => ({ error: 'no' })")),
        ("actions/inner_sequence", sequence(&["/_/ok"])),
        ("actions/inner_composition", conductor("ok")),
        (
            "actions/outer_sequence",
            sequence(&["/_/ok", "/_/inner_sequence", "/_/inner_composition"]),
        ),
        ("actions/of_sequence", conductor("inner_sequence")),
        ("actions/of_composition", conductor("inner_composition")),
        ("actions/failing", sequence(&["/_/ok", "/_/no"])),
    ];
    put_all(&server.client(), &entities).await;
    server
}

/// How many records there are by name; those of composites that nobody waits for are there when their server stopped.
async fn counts(server: &mut TestServer) -> Value {
    assert!(server.stop().unwrap().success(), "{}", server.stderr());
    server.restart().unwrap();
    let client = server.client();
    all_ended(&client).await;
    let listed = client.get(&own("activations?limit=200")).await.unwrap();
    let listed = listed.json().unwrap();
    let mut counts = json!({});
    for entry in listed.as_array().unwrap() {
        let count = &mut counts[entry["name"].as_str().unwrap()];
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    counts
}

async fn run(client: &RestClient, name: &str, query: &str) {
    let answer = post(client, &format!("actions/{name}{query}")).await;
    let expected = if query.is_empty() { 202 } else { 200 };
    assert_eq!(answer.status(), expected, "{name}: {}", answer.text());
}

/// rest-api §15: with all records of both kinds.
#[tokio::test(flavor = "multi_thread")]
async fn all_parts_are_recorded_by_default() {
    let mut server = start(&[]).await;
    run(&server.client(), "outer_sequence", "?blocking=true").await;
    run(&server.client(), "of_sequence", "").await;
    run(&server.client(), "of_composition", "?blocking=true").await;
    // A conductor has a record for each of its two runs and one for the composition.
    let expected = json!({
        "outer_sequence": 1, "inner_sequence": 2, "inner_composition": 6, "ok": 5, "of_sequence": 3, "of_composition": 3,
    });
    assert_eq!(counts(&mut server).await, expected);
}

/// rest-api §15: no successes of what nobody waits for.
#[tokio::test(flavor = "multi_thread")]
async fn nested_composites_count_as_what_nobody_waits_for() {
    let settings = [(NON_BLOCKING, "STORE_FAILURES")];
    for (name, query, expected) in [
        (
            "outer_sequence",
            "?blocking=true",
            json!({"outer_sequence": 1, "ok": 3, "inner_composition": 3}),
        ),
        (
            "outer_sequence",
            "",
            json!({"ok": 3, "inner_composition": 3}),
        ),
        (
            "of_sequence",
            "?blocking=true",
            json!({"of_sequence": 3, "ok": 1}),
        ),
        (
            "of_composition",
            "?blocking=true",
            json!({"of_composition": 3, "inner_composition": 2, "ok": 1}),
        ),
        (
            "of_composition",
            "",
            json!({"of_composition": 2, "inner_composition": 2, "ok": 1}),
        ),
    ] {
        let mut server = start(&settings).await;
        run(&server.client(), name, query).await;
        assert_eq!(counts(&mut server).await, expected, "{name}{query}");
    }
}

/// rest-api §15: no successes of what is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn steps_count_as_what_is_waited_for() {
    let settings = [(BLOCKING, "STORE_FAILURES")];
    for (name, query, expected) in [
        (
            "outer_sequence",
            "?blocking=true",
            json!({"inner_sequence": 1}),
        ),
        (
            "outer_sequence",
            "",
            json!({"outer_sequence": 1, "inner_sequence": 1}),
        ),
        (
            "of_composition",
            "",
            json!({"of_composition": 1, "inner_composition": 1}),
        ),
    ] {
        let mut server = start(&settings).await;
        run(&server.client(), name, query).await;
        assert_eq!(counts(&mut server).await, expected, "{name}{query}");
    }
}

/// rest-api §15: a sequence fails with its step, and both are recorded, or neither.
#[tokio::test(flavor = "multi_thread")]
async fn failing_sequence_is_recorded_as_its_outcome_wants() {
    for (level, expected) in [
        ("STORE_FAILURES", json!({"failing": 1, "no": 1})),
        ("STORE_FAILURES_NOT_APPLICATION_ERRORS", json!({})),
    ] {
        for query in ["?blocking=true", ""] {
            let mut server = start(&[(BLOCKING, level), (NON_BLOCKING, level)]).await;
            let answer = post(&server.client(), &format!("actions/failing{query}")).await;
            let status = if query.is_empty() { 202 } else { 502 };
            assert_eq!(answer.status(), status, "{}", answer.text());
            assert_eq!(counts(&mut server).await, expected, "{level}{query}");
            let client = server.client();
            let id = activation(&answer);
            assert_eq!(is_recorded(&client, &id).await, level == "STORE_FAILURES");
        }
    }
}

/// rest-api §15: extra logging holds for all steps.
#[tokio::test(flavor = "multi_thread")]
async fn request_with_extra_logging_records_all_steps() {
    let level = "STORE_FAILURES_NOT_APPLICATION_ERRORS";
    let mut server = start(&[(BLOCKING, level), (NON_BLOCKING, level)]).await;
    let answer = post_recorded(&server.client(), "actions/outer_sequence?blocking=true").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let expected =
        json!({"outer_sequence": 1, "inner_sequence": 1, "inner_composition": 3, "ok": 3});
    assert_eq!(counts(&mut server).await, expected);
}
