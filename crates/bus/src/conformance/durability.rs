//! Promises about crashes.

use crate::{Delivery, Durability, MessageBus, SentActivation};

use super::messages::{id, invoker, message};
use super::{BusUnderTest, next};

async fn send(
    bus: &dyn MessageBus,
    number: u64,
    durability: Durability,
) -> Box<dyn SentActivation> {
    bus.send_activation(&invoker(0), message(number), durability)
        .await
        .unwrap()
}

/// Sends a message and receives it.
async fn exchange(
    bus: &dyn MessageBus,
    number: u64,
    durability: Durability,
) -> (Box<dyn SentActivation>, Box<dyn Delivery>) {
    let sent = send(bus, number, durability).await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    (sent, next(&mut *feed).await)
}

/// Stores the record of an activation.
async fn record(under_test: &dyn BusUnderTest, number: u64, delivery: &dyn Delivery) {
    under_test.store_record(id(number)).await;
    delivery.recorded().await.unwrap();
}

/// Crashes, and returns which activations come back and whether each was started.
async fn after_crash(under_test: &dyn BusUnderTest) -> Vec<(u64, bool)> {
    let marker = 1 << 40;
    let bus = under_test.start_process().await;
    send(&*bus, marker, Durability::Volatile).await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let mut back = Vec::new();
    loop {
        let delivery = next(&mut *feed).await;
        let number = delivery.message().transid.start_ms;
        if number == marker {
            return back;
        }
        assert_eq!(*delivery.message(), message(number));
        back.push((number, delivery.was_started()));
    }
}

/// A durable message that was not started comes again, and again until it is dealt with.
pub async fn durable_messages_survive_a_crash(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (_sent, delivery) = exchange(&*bus, 1, Durability::Durable).await;
    drop(delivery);
    assert_eq!(after_crash(under_test).await, [(1, false)]);
    assert_eq!(after_crash(under_test).await, [(1, false)]);
}

/// What an earlier process left comes before what this one sends, in the order of acceptance, even if it
/// is more than the queue holds.
pub async fn recovered_messages_come_first_and_in_order(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    // Identifiers do not follow the order of acceptance.
    let numbers: Vec<u64> = (1..=20).map(|number| (number * 7) % 23).collect();
    for &number in &numbers {
        send(&*bus, number, Durability::Durable).await;
        next(&mut *feed).await;
    }
    let back = after_crash(under_test).await;
    let back: Vec<u64> = back.into_iter().map(|(number, _)| number).collect();
    assert_eq!(back, numbers);
}

/// What was started is told apart, so that it is not run twice.
pub async fn started_messages_come_back_as_started(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (_first, first) = exchange(&*bus, 1, Durability::Durable).await;
    let (_second, _not_started) = exchange(&*bus, 2, Durability::Durable).await;
    first.start().await.unwrap();
    assert_eq!(after_crash(under_test).await, [(1, true), (2, false)]);
}

/// `finish` takes a message off, started or not.
pub async fn finished_messages_do_not_come_back(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (_first, first) = exchange(&*bus, 1, Durability::Durable).await;
    first.start().await.unwrap();
    first.finish().await.unwrap();
    let (_second, second) = exchange(&*bus, 2, Durability::Durable).await;
    second.finish().await.unwrap();
    assert_eq!(after_crash(under_test).await, []);
}

/// A stored record ends the message.
pub async fn recorded_messages_do_not_come_back(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (_sent, delivery) = exchange(&*bus, 1, Durability::Durable).await;
    delivery.start().await.unwrap();
    record(under_test, 1, &*delivery).await;
    assert_eq!(after_crash(under_test).await, []);
}

/// An accepted message needs no receiver to be safe.
pub async fn a_message_without_receiver_survives_a_crash(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    send(&*bus, 1, Durability::Durable).await;
    assert_eq!(after_crash(under_test).await, [(1, false)]);
}

/// `persist` makes a waiting volatile message durable.
pub async fn persisted_messages_survive_a_crash(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let sent = send(&*bus, 1, Durability::Volatile).await;
    sent.persist().await.unwrap();
    assert_eq!(after_crash(under_test).await, [(1, false)]);
}

/// `persist` knows that the message was started before.
pub async fn messages_persisted_after_their_start_come_back_as_started(
    under_test: &dyn BusUnderTest,
) {
    let bus = under_test.start_process().await;
    let (sent, delivery) = exchange(&*bus, 1, Durability::Volatile).await;
    delivery.start().await.unwrap();
    sent.persist().await.unwrap();
    assert_eq!(after_crash(under_test).await, [(1, true)]);
}

/// `start` knows that the message was persisted before.
pub async fn messages_started_after_they_were_persisted_come_back_as_started(
    under_test: &dyn BusUnderTest,
) {
    let bus = under_test.start_process().await;
    let (sent, delivery) = exchange(&*bus, 1, Durability::Volatile).await;
    sent.persist().await.unwrap();
    delivery.start().await.unwrap();
    assert_eq!(after_crash(under_test).await, [(1, true)]);
}

/// `persist` after the record leaves no message behind.
pub async fn persisting_after_the_record_leaves_nothing(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (sent, delivery) = exchange(&*bus, 1, Durability::Volatile).await;
    delivery.start().await.unwrap();
    record(under_test, 1, &*delivery).await;
    sent.persist().await.unwrap();
    assert_eq!(after_crash(under_test).await, []);
}

/// `persist` after `finish` leaves no message behind.
pub async fn persisting_after_the_end_leaves_nothing(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (sent, delivery) = exchange(&*bus, 1, Durability::Volatile).await;
    delivery.start().await.unwrap();
    delivery.finish().await.unwrap();
    sent.persist().await.unwrap();
    assert_eq!(after_crash(under_test).await, []);
}

/// `persist` on a durable message, and `persist` twice, change nothing.
pub async fn persisting_twice_leaves_one_message(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let sent = send(&*bus, 1, Durability::Durable).await;
    sent.persist().await.unwrap();
    let sent = send(&*bus, 2, Durability::Volatile).await;
    sent.persist().await.unwrap();
    sent.persist().await.unwrap();
    assert_eq!(after_crash(under_test).await, [(1, false), (2, false)]);
}

/// However `persist` and the steps of an activation interleave: what has ended leaves nothing, and what
/// was started comes back as started.
pub async fn persisting_races_with_the_activation(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let mut expected = Vec::new();
    for number in 1..=120 {
        let sent = send(&*bus, number, Durability::Volatile).await;
        let delivery = next(&mut *feed).await;
        // A few different delays on both sides: the runtime's two threads do the rest.
        let (early, late) = (number % 5, (number / 5) % 5);
        let persist = tokio::spawn(async move {
            pause(early).await;
            sent.persist().await.unwrap();
        });
        pause(late).await;
        delivery.start().await.unwrap();
        match number % 3 {
            0 => expected.push((number, true)),
            1 => delivery.finish().await.unwrap(),
            _ => record(under_test, number, &*delivery).await,
        }
        persist.await.unwrap();
    }
    let mut back = after_crash(under_test).await;
    back.sort_unstable();
    assert_eq!(back, expected);
}

async fn pause(turns: u64) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// A durable message that was taken back is gone for good, and one that runs is not.
pub async fn withdrawn_messages_do_not_come_back(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let (first, _received) = exchange(&*bus, 1, Durability::Durable).await;
    let (second, started) = exchange(&*bus, 2, Durability::Durable).await;
    started.start().await.unwrap();
    let third = send(&*bus, 3, Durability::Volatile).await;
    third.persist().await.unwrap();
    for (sent, expected) in [(first, true), (second, false), (third, true)] {
        assert_eq!(sent.withdraw().await.unwrap(), expected);
    }
    assert_eq!(after_crash(under_test).await, [(2, true)]);
}
