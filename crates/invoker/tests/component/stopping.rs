//! How an invoker ends.

use std::time::Duration;

use oxwhisk_invoker::machine::StateName;

use crate::support::{ActionSpec, DeliveryEvent, Harness, MessageSpec, eventually, id, settle};

#[tokio::test]
async fn running_activations_end_and_all_containers_go() {
    let mut it = Harness::start_with(1024, |_| {}, r#"[{"initialCount":1,"memory":"256 MB"}]"#);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("it runs", || it.factory.runs_by_container().len() == 1).await;
    it.ask_to_stop();
    settle().await;
    it.deliver(MessageSpec::new(2, "guest/a"));
    settle().await;
    assert_eq!(
        it.bus.count(DeliveryEvent::Taken),
        1,
        "nothing more is taken"
    );
    it.factory.runs.release(1);
    it.completed(id(1)).await;
    let (factory, records) = (it.factory.clone(), it.records.clone());
    it.stopped().await;
    assert_eq!(records.find(id(1)).unwrap().response.status.code(), 0);
    assert_eq!(factory.created(), factory.destroyed());
}

#[tokio::test]
async fn what_waits_goes_back_to_the_bus_unless_somebody_waits_for_it() {
    let mut it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    it.deliver(MessageSpec::new(2, "guest/a"));
    it.deliver(MessageSpec::new(3, "guest/a").blocking());
    it.until_status("two wait", |s| {
        s.waiting == 2 && s.count(StateName::Running) == 1
    })
    .await;
    it.ask_to_stop();
    eventually("one is handed back", || {
        it.bus.events(id(2)) == [DeliveryEvent::Taken, DeliveryEvent::HandedBack]
    })
    .await;
    it.factory.runs.release(2);
    it.completed(id(1)).await;
    it.completed(id(3)).await;
    it.stopped().await;
}

#[tokio::test]
async fn an_activation_that_does_not_end_in_time_is_recorded_as_interrupted() {
    let mut it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("it runs", || it.factory.runs_by_container().len() == 1).await;
    it.ask_to_stop();
    it.pass(Duration::from_secs(30)).await;
    let record = it.completed(id(1)).await;
    assert_eq!(record.response.status.code(), 3);
    assert!(
        record
            .response
            .result
            .as_ref()
            .unwrap()
            .text()
            .contains("interrupted by a restart")
    );
    let factory = it.factory.clone();
    it.stopped().await;
    assert_eq!(factory.destroyed(), 1);
}

/// Whoever stops more than the invoker has one deadline for all.
#[tokio::test]
async fn whoever_stops_it_can_give_less_time() {
    let mut it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.factory.runs.hold();
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("it runs", || it.factory.runs_by_container().len() == 1).await;
    it.ask_to_stop_within(Duration::from_secs(3));
    it.pass(Duration::from_secs(2)).await;
    assert!(!it.bus.is_complete(id(1)), "it has a second left");
    it.pass(Duration::from_secs(1)).await;
    let record = it.completed(id(1)).await;
    assert_eq!(record.response.status.code(), 3);
    it.stopped().await;
}

/// What was tried while others ran is not tried for as long again.
#[tokio::test]
async fn records_that_are_refused_already_are_given_up_sooner() {
    let mut it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.records.fill(true);
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("it was tried", || it.records.attempts() > 0).await;
    it.until_status("it is stuck", |s| s.stuck == 1).await;
    it.ask_to_stop_within(Duration::ZERO);
    it.pass(Duration::ZERO).await;
    it.pass(Duration::from_secs(5)).await;
    let bus = it.bus.clone();
    it.stopped().await;
    assert_eq!(bus.events(id(1)).last(), Some(&DeliveryEvent::Lost));
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_is_given_up_and_left_on_the_bus() {
    let mut it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.records.fill(true);
    it.deliver(MessageSpec::new(1, "guest/a"));
    eventually("it was tried", || it.records.attempts() > 0).await;
    it.ask_to_stop();
    for _ in 0..30 {
        it.pass(Duration::from_secs(2)).await;
    }
    let bus = it.bus.clone();
    it.stopped().await;
    assert_eq!(bus.events(id(1)).last(), Some(&DeliveryEvent::Lost));
}

#[tokio::test]
async fn a_container_that_is_being_made_is_given_up() {
    let mut it = Harness::start_with(256, |_| {}, r#"[{"initialCount":1,"memory":"256 MB"}]"#);
    it.factory.creations.hold();
    it.until_status("one starts", |s| s.count(StateName::Starting) == 1)
        .await;
    it.ask_to_stop();
    let factory = it.factory.clone();
    it.stopped().await;
    assert_eq!(factory.created(), 0);
}

#[tokio::test]
async fn the_handle_tells_that_the_invoker_ended() {
    let mut it = Harness::start(256);
    let handle = it.handle.clone();
    assert!(handle.status().await.is_some());
    it.ask_to_stop();
    it.stopped().await;
    assert!(handle.status().await.is_none());
}
