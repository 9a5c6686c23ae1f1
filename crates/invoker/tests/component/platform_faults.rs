//! Faults of the platform's own parts: what they cost, and who is blamed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oxwhisk_container::{ContainerError, CreateError, LogOutcome, Logs, Response};
use oxwhisk_entity::{UserLimits, WhiskActivation};

use crate::support::{
    ActionSpec, DeliveryEvent, Harness, MessageSpec, eventually, id, response, settle,
};

const LOST: &str = "The platform lost the container of the activation.";

#[track_caller]
fn assert_platform_failed(record: &WhiskActivation, error: &str) {
    let result = record.response.result.as_ref().unwrap().text();
    assert_eq!(record.response.status.code(), 3, "{result}");
    assert!(result.contains(error), "{result}");
}

/// Returns a closure that panics the first time and answers later.
fn panics_once<T>(
    answer: impl Fn() -> T + Send + Sync + 'static,
) -> impl Fn(&oxwhisk_container::ContainerId, &str) -> T + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |_, _| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        assert!(call > 0, "the backend is broken");
        answer()
    }
}

async fn nothing_is_held(it: &Harness) {
    it.until_status("nothing is held", |s| {
        s.containers.is_empty() && s.used_mb == 0 && s.waiting == 0
    })
    .await;
}

/// There is memory for one container only, so that what a fault kept would be missed at once.
async fn works_again(it: &Harness, number: u64) {
    let record = it.invoke(MessageSpec::new(number, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert_eq!(it.bus.completions(id(number)), 1);
}

#[tokio::test]
async fn factory_that_panics_fails_the_activation_and_keeps_no_memory() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory
        .on_create(panics_once(|| Ok::<(), CreateError>(())));
    let record = it.invoke(MessageSpec::new(1, "guest/a").blocking()).await;
    assert_platform_failed(&record, "Failed to provision resources to run the action.");
    nothing_is_held(&it).await;
    works_again(&it, 2).await;
}

#[tokio::test]
async fn container_that_panics_in_init_is_destroyed_and_its_activation_recorded() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_init(panics_once(|| response(200, "{}")));
    let record = it.invoke(MessageSpec::new(1, "guest/a").blocking()).await;
    assert_platform_failed(&record, LOST);
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    works_again(&it, 2).await;
}

#[tokio::test]
async fn container_that_panics_in_a_run_is_destroyed_and_its_activation_recorded() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_run(panics_once(|| response(200, "{}")));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_platform_failed(&record, LOST);
    assert_eq!(it.bus.completions(id(1)), 1);
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    works_again(&it, 2).await;
}

#[tokio::test]
async fn container_that_panics_over_its_log_keeps_the_result_and_is_destroyed() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.on_any_logs(panics_once(|| Logs {
        lines: Vec::new(),
        outcome: LogOutcome::Complete,
    }));
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_eq!(record.response.status.code(), 0);
    assert!(record.logs[0].contains("There was an issue while collecting your logs."));
    eventually("the container goes", || it.factory.destroyed() == 1).await;
    works_again(&it, 2).await;
}

/// The task of the container dies with it; its memory must not.
#[tokio::test]
async fn container_whose_end_panics_keeps_no_memory() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory
        .on_run(|_, _| response(502, r#"{"error":"boom"}"#));
    it.factory.panic_in_destroy(true);
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    nothing_is_held(&it).await;
    it.factory.panic_in_destroy(false);
    it.factory.on_run(|_, _| response(200, "{}"));
    works_again(&it, 2).await;
}

#[tokio::test]
async fn store_that_panics_fails_all_that_wait_for_the_document() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.artifacts.panic_in_reads(true);
    for number in 1..=3 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    for number in 1..=3 {
        let record = it.completed(id(number)).await;
        assert_platform_failed(&record, "Action could not be fetched.");
    }
    nothing_is_held(&it).await;
    it.artifacts.panic_in_reads(false);
    works_again(&it, 4).await;
}

/// What the action did or used up to then does not count: not even its time.
#[tokio::test]
async fn lost_container_is_the_fault_of_the_platform() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    let lost = || Err::<Response, _>(ContainerError::PlatformLost);
    it.factory.on_init(move |_, _| lost());
    let record = it.invoke(MessageSpec::new(1, "guest/a")).await;
    assert_platform_failed(&record, LOST);
    it.factory.on_init(|_, _| response(200, "{}"));
    it.factory.on_run(move |_, _| lost());
    let record = it.invoke(MessageSpec::new(2, "guest/a").blocking()).await;
    assert_platform_failed(&record, LOST);
    eventually("both containers go", || it.factory.destroyed() == 2).await;
}

/// What the next process finds on the bus it would take for interrupted, and perhaps run again.
#[tokio::test]
async fn activation_without_a_record_is_taken_off_the_bus_however_often_that_fails() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a").annotations(r#"[{"key":"retry-on-crash","value":true}]"#));
    let limits = UserLimits {
        store_activations: Some(false),
        ..UserLimits::default()
    };
    it.bus.fail_finishes(true);
    it.deliver(MessageSpec::new(1, "guest/a").user_limits(limits));
    it.pass(Duration::from_secs(5)).await;
    settle().await;
    assert!(!it.bus.is_complete(id(1)));
    assert_eq!(it.status().await.stuck, 1);
    it.bus.fail_finishes(false);
    it.pass(Duration::from_secs(5)).await;
    eventually("it is complete", || it.bus.is_complete(id(1))).await;
    assert_eq!(it.bus.events(id(1)).last(), Some(&DeliveryEvent::Finished));
}

/// Its caller was told that it is not accepted, while it waited for a place here.
#[tokio::test]
async fn what_was_withdrawn_does_not_run_and_leaves_its_place() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a").blocking());
    eventually("one runs", || it.factory.runs_by_container().len() == 1).await;
    it.deliver(MessageSpec::new(2, "guest/a").blocking());
    it.until_status("one waits", |s| s.waiting == 1).await;
    it.bus.withdraw(id(2));
    it.factory.runs.release(2);
    it.completed(id(1)).await;
    works_again(&it, 3).await;
    let expected = [DeliveryEvent::Taken, DeliveryEvent::HandedBack];
    assert_eq!(it.bus.events(id(2)), expected);
    assert!(it.bus.acks(id(2)).is_empty());
    assert!(it.records.find(id(2)).is_none());
}
