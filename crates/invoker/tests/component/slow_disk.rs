//! Records that are not written as fast as activations end.

use std::time::Duration;

use oxwhisk_entity::{ByteSize, RecordDurability};

use crate::support::{ActionSpec, Harness, MessageSpec, eventually, id, response, settle};

/// How many activations began.
fn runs(it: &Harness) -> usize {
    it.factory.runs_by_container().len()
}

/// One who calls when the last call was answered has one activation in flight, however slow the disk is.
#[tokio::test]
async fn a_slot_is_given_back_when_the_record_can_be_read() {
    let it = Harness::start(256);
    it.put(&ActionSpec::new("guest/a"));
    it.records.writes.hold();
    for number in 1..=40 {
        let message = MessageSpec::new(number, "guest/a").blocking();
        let record = it.invoke(message).await;
        assert_eq!(record.activation_id, id(number));
    }
    assert_eq!(it.records.count(), 0);
    it.records.writes.release(40);
    eventually("all are written", || it.records.count() == 40).await;
    for number in 1..=40 {
        assert_eq!(it.bus.completions(id(number)), 1);
    }
}

/// With `durability = "sync"` nobody gets a result whose record may still be lost.
#[tokio::test]
async fn result_comes_after_the_record_where_that_is_wanted() {
    let change = |config: &mut oxwhisk_invoker::InvokerConfig| {
        config.records.durability = RecordDurability::Sync;
    };
    let it = Harness::start_with(256, change, "[]");
    it.put(&ActionSpec::new("guest/a"));
    it.records.writes.hold();
    it.deliver(MessageSpec::new(1, "guest/a").blocking());
    eventually("it has run", || runs(&it) == 1).await;
    settle().await;
    assert_eq!(it.bus.acks(id(1)), []);
    // Its container has nothing to do with that.
    it.deliver(MessageSpec::new(2, "guest/a").blocking());
    eventually("the next has run", || runs(&it) == 2).await;
    it.records.writes.release(2);
    for number in 1..=2 {
        let record = it.completed(id(number)).await;
        assert_eq!(it.records.find(id(number)), Some(record));
        assert_eq!(it.bus.acks(id(number)).len(), 1);
    }
}

#[tokio::test]
async fn what_is_not_written_is_bounded_for_each_namespace() {
    let change = |config: &mut oxwhisk_invoker::InvokerConfig| {
        config.max_unwritten = ByteSize::bytes(80 * 1024);
    };
    let it = Harness::start_with(1024, change, "[]");
    for path in ["guest/a", "other/a"] {
        it.put(&ActionSpec::new(path));
    }
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(9 * 1024));
    it.factory.on_run(move |_, _| response(200, &long));
    it.records.writes.hold();
    // Two of some 10 KiB fill the 20 KiB that a namespace has.
    for number in 1..=2 {
        it.invoke(MessageSpec::new(number, "guest/a")).await;
    }
    for number in 3..=4 {
        it.deliver(MessageSpec::new(number, "guest/a"));
    }
    settle().await;
    assert_eq!(runs(&it), 2, "more begin than is bounded");
    let other = MessageSpec::new(5, "other/a").namespace("other");
    it.invoke(other).await;
    it.records.writes.release(1);
    eventually("the others begin", || runs(&it) == 5).await;
    it.records.writes.release(4);
    eventually("all are written", || it.records.count() == 5).await;
}

/// A shutdown does not wait for a disk that takes nothing any more.
#[tokio::test]
async fn what_waits_for_the_disk_is_handed_back_at_shutdown() {
    let change = |config: &mut oxwhisk_invoker::InvokerConfig| {
        config.max_unwritten = ByteSize::bytes(1024);
    };
    let mut it = Harness::start_with(256, change, "[]");
    it.put(&ActionSpec::new("guest/a"));
    it.records.writes.hold();
    it.invoke(MessageSpec::new(1, "guest/a")).await;
    it.deliver(MessageSpec::new(2, "guest/a"));
    settle().await;
    assert_eq!(runs(&it), 1);
    it.ask_to_stop();
    for _ in 0..40 {
        it.pass(Duration::from_secs(2)).await;
    }
    let bus = it.bus.clone();
    it.stopped().await;
    assert!(!bus.is_complete(id(2)));
}
