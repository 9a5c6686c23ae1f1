//! Activations that do not end well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oxwhisk_bus::Acknowledgement;
use oxwhisk_container::{ContainerError, CreateError, LogOutcome};
use oxwhisk_entity::{Json, UserLimits, WhiskActivation};
use oxwhisk_invoker::machine::StateName;
use oxwhisk_store::Collection;

use crate::support::{
    ActionSpec, DeliveryEvent, Harness, MessageSpec, eventually, id, response, settle,
};

#[track_caller]
fn assert_failed(record: &WhiskActivation, code: u8, error: &str) {
    let result = record.response.result.as_ref().unwrap().text();
    let expected = Json::error(&Json::from(error));
    assert_eq!(
        (record.response.status.code(), result),
        (code, expected.text())
    );
}

fn annotation(record: &WhiskActivation, key: &str) -> Option<String> {
    record
        .annotations
        .get(key)
        .map(|value| value.text().to_owned())
}

/// invocation §3.3, §7.
#[tokio::test]
async fn a_developer_error_costs_the_container_its_life() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory
        .on_run(|_, _| response(502, r#"{"error":"boom"}"#));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_failed(&record, 2, "boom");
    let last = record.logs.last().unwrap();
    assert!(last.ends_with(
        "stderr: The action did not initialize or run as expected. Log data might be missing."
    ));
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    it.factory
        .on_run(|_, _| response(200, r#"{"error":"mine"}"#));
    assert_failed(&*it.invoke(MessageSpec::new(2, "guest/a")).await, 1, "mine");
    it.invoke(MessageSpec::new(3, "guest/a")).await;
    assert_eq!((it.factory.created(), it.factory.destroyed()), (2, 1));
}

/// invocation §3.3.
#[tokio::test]
async fn a_failed_initialisation_ends_the_activation_and_the_container() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory
        .on_init(|_, _| response(502, r#"{"error":"no such thing"}"#));
    let record = it.invoke(MessageSpec::new(1, "guest/a").blocking()).await;
    assert_failed(&record, 2, "no such thing");
    assert_eq!(annotation(&record, "initTime").unwrap(), "0");
    assert_eq!(annotation(&record, "waitTime").unwrap(), "5");
    assert_eq!(it.factory.runs_by_container(), []);
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    assert!(matches!(it.bus.acks(id(1))[0], Acknowledgement::Result(_)));
}

/// invocation §3.3, entities §9.3.
#[tokio::test]
async fn a_run_over_its_time_is_a_developer_error() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_run(|_, _| Err(ContainerError::Timeout));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_failed(
        &record,
        2,
        "The action exceeded its time limits of 60000 milliseconds.",
    );
    assert_eq!(annotation(&record, "timeout").unwrap(), "true");
}

/// invocation §3.3, entities §9.1, §9.3.
#[tokio::test]
async fn times_are_those_of_initialisation_and_run() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.inits.hold();
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    it.pass(Duration::from_millis(30)).await;
    it.factory.inits.release(1);
    it.pass(Duration::from_millis(12)).await;
    it.factory.runs.release(1);
    let record = it.completed(id(1)).await;
    assert_eq!(annotation(&record, "initTime").unwrap(), "30");
    assert_eq!(annotation(&record, "waitTime").unwrap(), "5");
    assert_eq!(record.duration, Some(42));
    assert_eq!(record.end - record.start, 42);
}

/// invocation §3.3 (503 of a container).
#[tokio::test]
async fn a_container_that_is_leaving_hands_its_activation_on() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    let refusals = AtomicUsize::new(1);
    it.factory.on_run(move |_, _| {
        let left =
            refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if left.is_ok() {
            response(503, "{}")
        } else {
            response(200, "{}")
        }
    });
    let record = it.invoke(MessageSpec::new(2, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert_eq!((it.factory.created(), it.factory.destroyed()), (2, 1));
    let starts = it
        .bus
        .events(id(2))
        .into_iter()
        .filter(|e| *e == DeliveryEvent::Started);
    assert_eq!(starts.count(), 1);
}

#[tokio::test]
async fn an_activation_is_handed_on_three_times_at_most() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_run(|_, _| Err(ContainerError::Unhealthy));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_failed(
        &record,
        3,
        "The action did not produce a valid response and exited unexpectedly.",
    );
    assert_eq!(it.factory.created(), 4);
    assert!(matches!(
        it.bus.acks(id(1))[0],
        Acknowledgement::CombinedCompletionAndResult {
            is_system_error: true,
            ..
        }
    ));
}

/// invocation §6.
#[tokio::test]
async fn containers_that_cannot_be_made_fail_their_activations() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    it.put(
        &ActionSpec::new("guest/image")
            .exec(r#"{"kind":"blackbox","image":"img:1","binary":false}"#),
    );
    it.put(&ActionSpec::new("guest/kind").exec(r#"{"kind":"cobol:1","code":"x","binary":false}"#));
    it.factory.on_create(|id, _| {
        Err(CreateError::Step {
            id: id.clone(),
            step: "create the namespaces".into(),
            source: std::io::Error::other("no"),
        })
    });
    let provisioning = "Failed to provision resources to run the action.";
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_failed(&record, 3, provisioning);
    assert_eq!(annotation(&record, "kind").unwrap(), r#""nodejs:20""#);
    assert_eq!(annotation(&record, "timeout").unwrap(), "false");
    assert_eq!((record.end - record.start, record.duration), (0, Some(0)));
    let record = it.invoke(MessageSpec::new(2, "guest/image")).await;
    assert_failed(&record, 2, "Failed to pull container image 'img:1'.");
    let record = it.invoke(MessageSpec::new(3, "guest/kind")).await;
    assert_failed(&record, 3, provisioning);
    it.until_status("nothing is left", |s| {
        s.containers.is_empty() && s.used_mb == 0
    })
    .await;
}

/// invocation §6.
#[tokio::test]
async fn an_action_that_needs_more_memory_than_there_is_fails() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a").memory(512, 1));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_failed(
        &record,
        3,
        "Failed to provision resources to run the action.",
    );
}

/// invocation §6, entities §9.3 (column of records without a run).
#[tokio::test]
async fn actions_that_cannot_be_had_fail_their_activations() {
    let it = Harness::start(256);
    it.artifacts.put_body(
        "guest/sequence",
        "1",
        Collection::Actions,
        &ActionSpec::new("guest/sequence")
            .exec(r#"{"kind":"sequence","components":["/guest/a"]}"#)
            .document(),
    );
    it.artifacts
        .put_body("guest/trigger", "1", Collection::Triggers, "{}");
    let record = it.invoke(MessageSpec::new(1, "guest/gone")).await;
    assert_failed(
        &record,
        1,
        "Action could not be found or may have been deleted.",
    );
    assert_eq!(annotation(&record, "kind").unwrap(), r#""unknown""#);
    assert_eq!(annotation(&record, "path").unwrap(), r#""guest/gone""#);
    assert_eq!(annotation(&record, "limits"), None);
    for (number, action) in [(2, "guest/sequence"), (3, "guest/trigger")] {
        let record = it.invoke(MessageSpec::new(number, action)).await;
        assert_failed(
            &record,
            3,
            "Action version is not compatible and cannot be invoked.",
        );
    }
    it.artifacts.go_away(true);
    it.deliver(MessageSpec::new(4, "guest/gone"));
    it.pass(Duration::from_millis(100)).await;
    it.pass(Duration::from_millis(100)).await;
    assert_failed(
        &*it.completed(id(4)).await,
        3,
        "Action could not be fetched.",
    );
}

/// invocation §6, entities §6.1
#[tokio::test]
async fn limits_are_checked_again() {
    let it = Harness::start(1024);
    it.put(&ActionSpec::new("guest/a"));
    let limits = UserLimits {
        max_action_memory: Some(128),
        ..UserLimits::default()
    };
    let record = it
        .invoke(MessageSpec::new(1, "guest/a").user_limits(limits))
        .await;
    assert_failed(
        &record,
        1,
        "requirement failed: memory size 256 MB exceeds allowed threshold of 128 MB",
    );
}

/// invocation §7.
#[tokio::test]
async fn a_log_that_is_not_whole_costs_the_container_its_life() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_logs(LogOutcome::Truncated, &["one"]);
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert!(record.logs[1].ends_with(
        "stderr: Logs were truncated because the total bytes size exceeds the limit of 10485760 bytes."
    ));
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    it.factory.on_logs(LogOutcome::Incomplete, &[]);
    let record = it.invoke(MessageSpec::new(2, "guest/a")).await;
    assert!(record.logs[0].ends_with(
        "stderr: There was an issue while collecting your logs. Data might be missing."
    ));
    eventually("the container goes", || it.factory.destroyed() == 2).await;
}

/// invocation §7.
#[tokio::test]
async fn without_a_log_limit_nothing_is_collected() {
    let it = Harness::start(256);
    it.put(
        &ActionSpec::new("guest/a")
            .limits(r#"{"timeout":60000,"memory":256,"logs":0,"concurrency":1}"#),
    );
    it.factory.on_run(|_, _| response(200, "{}"));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_eq!(record.logs, Vec::<String>::new());
    it.invoke(MessageSpec::new(2, "guest/a")).await;
    assert_eq!((it.factory.created(), it.factory.destroyed()), (1, 0));
}

#[tokio::test]
async fn an_activation_that_a_crash_interrupted_is_recorded_and_not_run() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    for (number, action) in [(1, "guest/a"), (2, "guest/gone")] {
        it.bus
            .deliver_started(MessageSpec::new(number, action).message);
        let record = it.completed(id(number)).await;
        assert_failed(
            &record,
            3,
            "The activation was interrupted by a restart of the platform and was not run again.",
        );
        assert_eq!(annotation(&record, "kind").unwrap(), r#""unknown""#);
    }
    assert_eq!(it.factory.created(), 0);
}

#[tokio::test]
async fn an_action_may_ask_to_be_run_again_after_a_crash() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a").annotations(r#"[{"key":"retry-on-crash","value":true}]"#));
    it.bus
        .deliver_started(MessageSpec::new(1, "guest/a").message);
    assert_eq!(it.completed(id(1)).await.response.status.code(), 0);
}

#[tokio::test]
async fn nothing_runs_before_its_start_is_written_down() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.bus.fail_starts(true);
    it.deliver(MessageSpec::new(1, "guest/a"));
    it.pass(Duration::from_secs(1)).await;
    assert_eq!(it.factory.init_bodies(), Vec::<String>::new());
    it.bus.fail_starts(false);
    it.pass(Duration::from_secs(10)).await;
    it.completed(id(1)).await;
}

#[tokio::test]
async fn a_full_store_stops_the_intake_and_loses_nothing() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    it.records.fill(true);
    it.deliver(MessageSpec::new(1, "guest/a").blocking());
    eventually("it was tried", || it.records.attempts() == 1).await;
    settle().await;
    for number in 2..=5 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    it.pass(Duration::from_secs(5)).await;
    // One may have been taken while the first was about to be stored.
    assert!(it.bus.count(DeliveryEvent::Taken) <= 2, "intake goes on");
    assert!(it.status().await.stuck >= 1);
    assert_eq!(it.records.count(), 0);
    it.records.fill(false);
    for _ in 0..8 {
        it.pass(Duration::from_secs(5)).await;
    }
    for number in 1..=5 {
        it.completed(id(number)).await;
    }
}

/// entities §10, rest-api §15.
#[tokio::test]
async fn a_namespace_may_want_no_records() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    let limits = UserLimits {
        store_activations: Some(false),
        ..UserLimits::default()
    };
    it.deliver(MessageSpec::new(1, "guest/a").user_limits(limits));
    eventually("it is complete", || it.bus.is_complete(id(1))).await;
    assert_eq!(it.records.count(), 0);
    assert_eq!(it.bus.events(id(1)).last(), Some(&DeliveryEvent::Finished));
}

#[tokio::test]
async fn what_does_not_fit_in_the_queue_stays_on_the_bus() {
    let it = Harness::start_with(256, |config| config.max_waiting = 2, "[]");
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    for number in 1..=6 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    it.until_status("one runs and two wait", |s| {
        s.waiting == 2 && s.count(StateName::Running) == 1
    })
    .await;
    settle().await;
    assert_eq!(it.bus.count(DeliveryEvent::Taken), 3);
    it.factory.runs.release(6);
    eventually("all are recorded", || it.records.count() == 6).await;
}

#[tokio::test]
async fn large_arguments_fill_the_queue_sooner() {
    let it = Harness::start_with(
        256,
        |config| config.max_waiting_size = oxwhisk_entity::ByteSize::bytes(100),
        "[]",
    );
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    let content = format!(r#"{{"text":"{}"}}"#, "x".repeat(80));
    for number in 1..=6 {
        it.deliver(MessageSpec::new(number, "guest/a").content(&content));
    }
    it.until_status("two wait", |s| s.waiting == 2).await;
    settle().await;
    assert_eq!(it.bus.count(DeliveryEvent::Taken), 3);
    it.factory.runs.release(6);
    eventually("all are recorded", || it.records.count() == 6).await;
}

/// What waits does not run on while records cannot be stored: its results would pile up.
#[tokio::test]
async fn nothing_begins_while_records_cannot_be_stored() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    for number in 1..=4 {
        it.deliver(MessageSpec::new(number, "guest/a").blocking());
    }
    it.until_status("three wait", |s| {
        s.waiting == 3 && s.count(StateName::Running) == 1
    })
    .await;
    it.records.fill(true);
    it.factory.runs.release(1);
    it.until_status("one is stuck", |s| s.stuck == 1).await;
    // The second may have begun before the first could not be stored.
    it.factory.runs.release(3);
    settle().await;
    assert!(it.factory.runs_by_container().len() <= 2);
    it.records.fill(false);
    for _ in 0..8 {
        it.pass(Duration::from_secs(5)).await;
    }
    for number in 1..=4 {
        it.completed(id(number)).await;
    }
}

/// invocation §6: the code of an old document goes with it: the activation runs the new one.
#[tokio::test]
async fn code_that_was_replaced_meanwhile_is_looked_up_again() {
    let it = Harness::start(256);
    let attached = r#"{"kind":"nodejs:20","code":{"attachmentName":"c1","attachmentType":"x"},"binary":false}"#;
    it.put(&ActionSpec::new("guest/a").exec(attached));
    it.factory.creations.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("the action was read", || it.artifacts.reads() == 1).await;
    it.artifacts.put_action(&ActionSpec::new("guest/a"), "2");
    it.factory.creations.release(2);
    let record = it.completed(id(1)).await;
    assert_eq!(record.response.status.code(), 0);
    assert!(it.factory.init_bodies()[0].contains("function main"));
}

#[tokio::test]
async fn a_container_that_leaves_before_its_initialisation_is_replaced() {
    let it = Harness::start(512);
    it.put(&ActionSpec::new("guest/a"));
    let refusals = AtomicUsize::new(1);
    it.factory.on_init(move |_, _| {
        let left =
            refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if left.is_ok() {
            Err(ContainerError::Unhealthy)
        } else {
            response(200, "{}")
        }
    });
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert_eq!(it.factory.init_bodies().len(), 2);
    assert_eq!((it.factory.created(), it.factory.destroyed()), (2, 1));
}

/// Overlapping runs end by themselves though one of them spoilt the container.
#[tokio::test]
async fn a_spoilt_container_lets_its_other_runs_end() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a").memory(256, 2));
    it.factory.runs.hold();
    it.factory.on_run(|_, body| {
        if body.contains(r#""bad":true"#) {
            response(502, r#"{"error":"boom"}"#)
        } else {
            response(200, "{}")
        }
    });
    it.deliver(MessageSpec::new(1, "guest/a").content(r#"{"bad":true}"#));
    it.deliver(MessageSpec::new(2, "guest/a"));
    eventually("both run", || it.factory.runs_by_container().len() == 2).await;
    it.factory.runs.release(1);
    it.completed(id(1)).await;
    settle().await;
    assert_eq!(it.factory.destroyed(), 0);
    it.factory.runs.release(1);
    assert_eq!(it.completed(id(2)).await.response.status.code(), 0);
    eventually("the container goes", || it.factory.destroyed() == 1).await;
}
