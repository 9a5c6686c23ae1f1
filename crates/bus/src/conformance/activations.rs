//! Promises about the way of an activation within one process.

use std::pin::pin;

use crate::{BusError, Durability, MessageBus};

use super::messages::{id, invoker, message};
use super::{BusUnderTest, next};

async fn send(bus: &dyn MessageBus, instance: u32, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let durability = if number % 2 == 0 {
            Durability::Durable
        } else {
            Durability::Volatile
        };
        bus.send_activation(&invoker(instance), message(number), durability)
            .await
            .unwrap();
    }
}

/// Durable and volatile messages keep one order, and come unchanged.
pub async fn activations_come_in_order(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    send(&*bus, 0, 1..=6).await;
    for number in 1..=6 {
        let delivery = next(&mut *feed).await;
        assert_eq!(*delivery.message(), message(number));
        assert!(!delivery.was_started());
    }
}

/// A message can be sent before its receiver is there.
pub async fn activations_wait_for_their_receiver(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    send(&*bus, 0, 1..=2).await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    for number in 1..=2 {
        assert_eq!(next(&mut *feed).await.message().activation_id, id(number));
    }
}

/// The sender can see whether an activation still has somebody who will complete it.
pub async fn a_sender_sees_that_a_delivery_was_dropped(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    for (number, durability) in [(1, Durability::Volatile), (2, Durability::Durable)] {
        let sent = bus
            .send_activation(&invoker(0), message(number), durability)
            .await
            .unwrap();
        assert!(sent.is_held(), "it waits");
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let delivery = next(&mut *feed).await;
        delivery.start().await.unwrap();
        assert!(sent.is_held(), "it was received");
        drop(delivery);
        assert!(!sent.is_held());
    }
}

/// An invoker receives its own messages only.
pub async fn invokers_have_queues_of_their_own(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut zero = bus.activations(&invoker(0)).await.unwrap();
    let mut one = bus.activations(&invoker(1)).await.unwrap();
    send(&*bus, 1, [1]).await;
    send(&*bus, 0, [2]).await;
    assert_eq!(next(&mut *zero).await.message().activation_id, id(2));
    assert_eq!(next(&mut *one).await.message().activation_id, id(1));
}

/// A second receiver is refused until the first is dropped.
pub async fn an_invoker_has_one_receiver_at_a_time(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let feed = bus.activations(&invoker(0)).await.unwrap();
    let second = bus.activations(&invoker(0)).await;
    assert!(matches!(second, Err(BusError::Unavailable(_))));
    drop(feed);
    bus.activations(&invoker(0)).await.unwrap();
}

/// What a receiver did not take is there for the next.
pub async fn a_next_receiver_goes_on_where_the_last_one_ended(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    send(&*bus, 0, 1..=3).await;
    let first = next(&mut *feed).await;
    first.start().await.unwrap();
    first.finish().await.unwrap();
    drop(feed);
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    for number in 2..=3 {
        assert_eq!(next(&mut *feed).await.message().activation_id, id(number));
    }
}

/// Dropping the future of `next` loses no message.
pub async fn waiting_can_be_given_up(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    {
        let mut waiting = pin!(feed.next());
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(waiting.as_mut().poll(context).is_ready())
        });
        assert!(!polled.await);
        send(&*bus, 0, [1]).await;
    }
    assert_eq!(next(&mut *feed).await.message().activation_id, id(1));
}

/// A sender can take back what waits, and others come in its place.
pub async fn a_withdrawn_activation_is_not_delivered(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    for durability in [Durability::Volatile, Durability::Durable] {
        let sent = bus
            .send_activation(&invoker(0), message(1), durability)
            .await
            .unwrap();
        assert!(sent.withdraw().await.unwrap());
        assert!(sent.withdraw().await.unwrap(), "once more changes nothing");
        let persisted = sent.persist().await;
        assert!(matches!(persisted, Err(BusError::Withdrawn)));
        send(&*bus, 0, [2]).await;
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        assert_eq!(next(&mut *feed).await.message().activation_id, id(2));
    }
}

/// What was received can be taken back until it is begun.
pub async fn a_delivery_that_was_withdrawn_does_not_start(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    for (number, durability) in [(1, Durability::Volatile), (2, Durability::Durable)] {
        let sent = bus
            .send_activation(&invoker(0), message(number), durability)
            .await
            .unwrap();
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let delivery = next(&mut *feed).await;
        assert!(sent.withdraw().await.unwrap());
        let started = delivery.start().await;
        assert!(matches!(started, Err(BusError::Withdrawn)), "{started:?}");
    }
}

/// Nothing that runs, has ended or is held can be taken back.
pub async fn what_has_begun_cannot_be_withdrawn(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    for (number, durability) in [(1, Durability::Volatile), (2, Durability::Durable)] {
        let sent = bus
            .send_activation(&invoker(0), message(number), durability)
            .await
            .unwrap();
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let delivery = next(&mut *feed).await;
        delivery.start().await.unwrap();
        assert!(!sent.withdraw().await.unwrap(), "it runs");
        delivery.finish().await.unwrap();
        assert!(!sent.withdraw().await.unwrap(), "it has ended");
        let held = bus
            .hold_activation(&invoker(0), message(number + 10), durability)
            .await
            .unwrap();
        assert!(!held.withdraw().await.unwrap(), "it is held");
        held.release().await.unwrap();
    }
}

/// A queue takes as many as its bound, refuses with `Full`, what it refused is gone, and it takes again
/// when there is room.
pub async fn a_full_queue_refuses_and_recovers(under_test: &dyn BusUnderTest) {
    let Some(bound) = under_test.bound().map(|bound| bound as u64) else {
        return;
    };
    let bus = under_test.start_process().await;
    send(&*bus, 0, 1..=bound).await;
    for durability in [Durability::Volatile, Durability::Durable] {
        let refused = bus
            .send_activation(&invoker(0), message(1000), durability)
            .await;
        assert!(matches!(refused, Err(BusError::Full { .. })), "{refused:?}");
    }
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    assert_eq!(next(&mut *feed).await.message().activation_id, id(1));
    send(&*bus, 0, [bound + 1]).await;
    for number in 2..=bound + 1 {
        assert_eq!(next(&mut *feed).await.message().activation_id, id(number));
    }
    let after = under_test.start_process().await;
    let mut feed = after.activations(&invoker(0)).await.unwrap();
    send(&*after, 0, [2001]).await;
    loop {
        let delivery = next(&mut *feed).await;
        assert_ne!(delivery.message().activation_id, id(1000));
        if delivery.message().activation_id == id(2001) {
            break;
        }
    }
}
