//! Invocations: waiting, throttles, promises.

use std::time::Duration;

use oxwhisk_bus::BusError;
use oxwhisk_bus::embedded::Journal as _;
use oxwhisk_controller::Limits;
use oxwhisk_testing::eventually;
use serde_json::json;

use crate::support::Harness;

const ACTION: &str = "/api/v1/namespaces/_/actions/a";
const DEADLINE: Duration = Duration::from_secs(20);

async fn with_action(limits: Limits) -> Harness {
    let harness = Harness::start(limits).await;
    let body = json!({"exec": {"kind": "nodejs:20", "code": "some text"}, "parameters": [{"key": "p", "value": 1}]});
    assert_eq!(
        harness.client.put(ACTION, &body).await.unwrap().status(),
        200
    );
    harness
}

/// invocation §2.1, §3.1, §3.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_call_gets_the_result_and_leaves_nothing_in_the_journal() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    let (path, body) = (
        format!("{ACTION}?blocking=true&result=true"),
        json!({"q": 2}),
    );
    let call = harness.client.post(&path, &body);
    let (answer, ()) = tokio::join!(call, async {
        let delivery = feed.next().await.unwrap();
        assert_eq!(
            delivery.message().content.as_ref().unwrap().text(),
            r#"{"p":1,"q":2}"#
        );
        assert!(delivery.message().blocking);
        harness
            .complete(delivery.as_ref(), r#"{"done":true}"#)
            .await;
    });
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status(), answer.json().unwrap()),
        (200, json!({"done": true}))
    );
    assert_eq!(harness.journal.unfinished().await.unwrap(), []);
}

/// A `202` is a promise: the message is in the journal when the caller reads it.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_activations_are_in_the_journal() {
    let harness = with_action(Limits::default()).await;
    let answer = harness.client.post(ACTION, &json!({})).await.unwrap();
    assert_eq!(answer.status(), 202);
    let unfinished = harness.journal.unfinished().await.unwrap();
    let ids: Vec<String> = unfinished
        .iter()
        .map(|entry| entry.id.to_string())
        .collect();
    assert_eq!(json!(ids), json!([answer.json().unwrap()["activationId"]]));
    assert!(!unfinished[0].started);
}

/// invocation §3.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_call_whose_wait_ends_becomes_a_promise() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    let answer = harness
        .client
        .post(&format!("{ACTION}?blocking=true&timeout=50"), &json!({}))
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(harness.journal.unfinished().await.unwrap().len(), 1);
    let id = answer.json().unwrap()["activationId"]
        .as_str()
        .unwrap()
        .to_owned();
    let record = format!("/api/v1/namespaces/_/activations/{id}");
    assert_eq!(harness.client.get(&record).await.unwrap().status(), 404);
    let delivery = feed.next().await.unwrap();
    harness.complete(delivery.as_ref(), "{}").await;
    assert_eq!(harness.client.get(&record).await.unwrap().status(), 200);
    assert_eq!(harness.journal.unfinished().await.unwrap(), []);
}

/// invocation §6: nothing is accepted that cannot be kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_journal_refuses_what_must_be_durable() {
    let harness = with_action(Limits::default()).await;
    harness.journal.set_failing(true);
    assert_eq!(
        harness
            .client
            .post(ACTION, &json!({}))
            .await
            .unwrap()
            .status(),
        503
    );
    let count = harness.client.get("/activation/count").await.unwrap();
    assert_eq!(count.text(), "0");
    harness.journal.set_failing(false);
    assert_eq!(
        harness
            .client
            .post(ACTION, &json!({}))
            .await
            .unwrap()
            .status(),
        202
    );
}

/// A wait that ends with nothing to promise is answered then, and leaves nothing behind if nothing has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_promised_is_taken_back() {
    let harness = with_action(Limits::default()).await;
    harness.journal.set_failing(true);
    let mut feed = harness.feed().await;
    let path = format!("{ACTION}?blocking=true&timeout=50");
    let body = json!({});
    let waits = harness.client.post(&path, &json!({})).await.unwrap();
    let (received, delivery) = tokio::join!(harness.client.post(&path, &body), async {
        // The one that was taken back while it waited does not come.
        feed.next().await.unwrap()
    });
    let received = received.unwrap();
    for answer in [waits, received] {
        assert_eq!(answer.status(), 503, "{}", answer.text());
        assert!(answer.header("x-openwhisk-activation-id").is_none());
    }
    let started = delivery.start().await;
    assert!(matches!(started, Err(BusError::Withdrawn)), "{started:?}");
    let count = harness.client.get("/activation/count").await.unwrap();
    assert_eq!(count.text(), "0", "places are still taken");
    assert_eq!(harness.journal.unfinished().await.unwrap(), []);
}

/// What runs is not waited for much longer than asked, but recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_and_cannot_be_promised_is_answered_and_recorded() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    let path = format!("{ACTION}?blocking=true&timeout=500");
    let body = json!({});
    let (answer, delivery) = tokio::join!(harness.client.post(&path, &body), async {
        let delivery = feed.next().await.unwrap();
        delivery.start().await.unwrap();
        harness.journal.set_failing(true);
        delivery
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 503, "{}", answer.text());
    harness.journal.set_failing(false);
    harness.complete(delivery.as_ref(), "{}").await;
    let id = delivery.message().activation_id;
    let record = format!("/api/v1/namespaces/_/activations/{id}");
    assert_eq!(harness.client.get(&record).await.unwrap().status(), 200);
}

/// The result of what cannot be promised is still taken if it comes soon after the wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_answered_if_it_cannot_be_promised() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    let path = format!("{ACTION}?blocking=true&result=true&timeout=500");
    let body = json!({});
    let (answer, ()) = tokio::join!(harness.client.post(&path, &body), async {
        let delivery = feed.next().await.unwrap();
        delivery.start().await.unwrap();
        harness.journal.set_failing(true);
        let refused = async || (harness.journal.refusals() > 0).then_some(());
        eventually(DEADLINE, refused).await.unwrap();
        harness
            .complete(delivery.as_ref(), r#"{"late":true}"#)
            .await;
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json().unwrap(), json!({"late": true}));
}

/// A sequence that cannot be promised goes on, and its caller is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_cannot_be_promised_is_answered() {
    let harness = with_action(Limits::default()).await;
    let sequence = json!({"exec": {"kind": "sequence", "components": ["/_/a"]}});
    let path = "/api/v1/namespaces/_/actions/s";
    let made = harness.client.put(path, &sequence).await.unwrap();
    assert_eq!(made.status(), 200, "{}", made.text());
    harness.journal.set_failing(true);
    let path = format!("{path}?blocking=true&timeout=50");
    let answer = harness.client.post(&path, &json!({})).await.unwrap();
    assert_eq!(answer.status(), 503, "{}", answer.text());
}

/// An activation that is completed without a result can be promised only if that can be written down.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_result_is_lost_is_promised_or_refused() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    for (journal_fails, expected) in [(true, 503), (false, 202)] {
        let (path, arguments) = (format!("{ACTION}?blocking=true"), json!({}));
        let (answer, ()) = tokio::join!(harness.client.post(&path, &arguments), async {
            let delivery = feed.next().await.unwrap();
            harness.journal.set_failing(journal_fails);
            harness.complete_without_result(delivery.as_ref()).await;
        });
        let answer = answer.unwrap();
        assert_eq!(answer.status(), expected, "{}", answer.text());
    }
}

/// invocation §8: every attempt counts, the minute is the calendar's.
#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_limited_by_the_calendar_minute() {
    let harness = with_action(Limits {
        invocations_per_minute: 2,
        ..Limits::default()
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = harness.client.post(ACTION, &json!({})).await.unwrap();
        statuses.push(answer.status());
        if answer.status() == 429 {
            let text = answer.json().unwrap()["error"].clone();
            let expected = format!(
                "Too many requests in the last minute (count: {}, allowed: 2).",
                statuses.len()
            );
            assert_eq!(text, expected);
        }
    }
    assert_eq!(statuses, [202, 202, 429, 429]);
    harness.clock.advance(60_000);
    assert_eq!(
        harness
            .client
            .post(ACTION, &json!({}))
            .await
            .unwrap()
            .status(),
        202
    );
}

/// invocation §8: compared are the activations before this one; a completion frees the place.
#[tokio::test(flavor = "multi_thread")]
async fn activations_in_flight_are_limited() {
    let harness = with_action(Limits {
        concurrent_invocations: 1,
        ..Limits::default()
    })
    .await;
    let mut feed = harness.feed().await;
    assert_eq!(
        harness
            .client
            .post(ACTION, &json!({}))
            .await
            .unwrap()
            .status(),
        202
    );
    let refused = harness.client.post(ACTION, &json!({})).await.unwrap();
    let text = "Too many concurrent requests in flight (count: 1, allowed: 1).";
    assert_eq!(
        (refused.status(), &refused.json().unwrap()["error"]),
        (429, &json!(text))
    );
    let delivery = feed.next().await.unwrap();
    harness.complete(delivery.as_ref(), "{}").await;
    let accepted = eventually(DEADLINE, || async {
        let status = harness.client.post(ACTION, &json!({})).await.ok()?.status();
        (status == 202).then_some(())
    });
    accepted.await.unwrap();
}

/// invocation §5.1, entities §9.1: a sequence's identifier is promised before the answer, and its record keeps the promise.
#[tokio::test(flavor = "multi_thread")]
async fn sequences_are_promised_until_their_record_is_stored() {
    let harness = with_action(Limits::default()).await;
    let mut feed = harness.feed().await;
    let body = json!({"exec": {"kind": "sequence", "components": ["/_/a", "/_/a"]}});
    let path = "/api/v1/namespaces/_/actions/s";
    assert_eq!(harness.client.put(path, &body).await.unwrap().status(), 200);
    let answer = harness.client.post(path, &json!({"n": 0})).await.unwrap();
    assert_eq!(answer.status(), 202);
    let promised = harness.journal.unfinished().await.unwrap();
    assert!(promised.len() == 1 && promised[0].started);
    for step in 1..=2 {
        let delivery = feed.next().await.unwrap();
        assert_eq!(
            delivery.message().cause.unwrap().to_string(),
            answer.json().unwrap()["activationId"]
        );
        harness
            .complete(delivery.as_ref(), &format!("{{\"n\":{step}}}"))
            .await;
    }
    let id = answer.json().unwrap()["activationId"]
        .as_str()
        .unwrap()
        .to_owned();
    let record = eventually(DEADLINE, || async {
        let answer = harness
            .client
            .get(&format!("/api/v1/namespaces/_/activations/{id}"))
            .await
            .ok()?;
        (answer.status() == 200).then(|| answer.json().ok())?
    });
    let record = record.await.unwrap();
    assert_eq!(
        (&record["response"]["result"], record["duration"].as_u64()),
        (&json!({"n": 2}), Some(2))
    );
}
