//! The embedded bus keeps every promise of the seam, and those of its own.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use oxwhisk_bus::conformance::EmbeddedUnderTest;
use oxwhisk_bus::conformance::messages::{controller, id, invoker, message};
use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig, Journal, MemoryJournal};
use oxwhisk_bus::{
    Acknowledgement, ActivationFeed, ActivationMessage, BusError, Delivery, Durability, MessageBus,
};
use oxwhisk_entity::Json;

oxwhisk_bus::conformance_suite!(embedded, EmbeddedUnderTest::default());

async fn open(config: EmbeddedConfig, journal: &MemoryJournal) -> EmbeddedBus {
    let journal = Arc::new(journal.clone());
    EmbeddedBus::open(config, journal).await.unwrap()
}

async fn send(
    bus: &EmbeddedBus,
    message: Arc<ActivationMessage>,
    durability: Durability,
) -> Result<(), BusError> {
    let sent = bus.send_activation(&invoker(0), message, durability).await;
    sent.map(drop)
}

/// Waits for the next activation with a deadline.
async fn next(feed: &mut dyn ActivationFeed) -> Option<Box<dyn Delivery>> {
    let waiting = tokio::time::timeout(Duration::from_secs(20), feed.next());
    waiting.await.unwrap()
}

fn sized(number: u64, bytes: usize) -> Arc<ActivationMessage> {
    let mut message = (*message(number)).clone();
    message.content = Some(Json::from(&*"x".repeat(bytes)));
    Arc::new(message)
}

fn completion(number: u64) -> Acknowledgement {
    Acknowledgement::Completion {
        activation_id: id(number),
        invoker: invoker(0),
        is_system_error: false,
    }
}

#[tokio::test]
async fn a_queue_is_bounded_by_bytes() {
    let config = EmbeddedConfig {
        activation_bytes: 10_000,
        ..EmbeddedConfig::default()
    };
    let bus = open(config, &MemoryJournal::default()).await;
    // Whatever its size, a message goes into an empty queue.
    send(&bus, sized(1, 20_000), Durability::Volatile)
        .await
        .unwrap();
    let refused = send(&bus, sized(2, 10), Durability::Volatile).await;
    assert!(matches!(refused, Err(BusError::Full { .. })), "{refused:?}");
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    next(&mut *feed).await.unwrap();
    send(&bus, sized(3, 9_000), Durability::Volatile)
        .await
        .unwrap();
    send(&bus, sized(4, 900), Durability::Volatile)
        .await
        .unwrap();
    let refused = send(&bus, sized(5, 900), Durability::Volatile).await;
    assert!(matches!(refused, Err(BusError::Full { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_message_that_the_journal_refuses_is_not_delivered() {
    let journal = MemoryJournal::default();
    let bus = open(EmbeddedConfig::default(), &journal).await;
    journal.set_failing(true);
    let refused = send(&bus, message(1), Durability::Durable).await;
    assert!(
        matches!(refused, Err(BusError::Unavailable(_))),
        "{refused:?}"
    );
    send(&bus, message(2), Durability::Volatile).await.unwrap();
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let delivery = next(&mut *feed).await.unwrap();
    assert_eq!(delivery.message().activation_id, id(2));
    delivery.start().await.unwrap();
}

/// What could not be made durable can be taken back though the journal is away, even while its receiver tries to begin.
#[tokio::test]
async fn a_message_that_could_not_be_persisted_is_withdrawn_without_the_journal() {
    let journal = MemoryJournal::default();
    let bus = open(EmbeddedConfig::default(), &journal).await;
    let to = invoker(0);
    let sent = bus.send_activation(&to, message(1), Durability::Volatile);
    let sent = sent.await.unwrap();
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let delivery = next(&mut *feed).await.unwrap();
    journal.set_failing(true);
    let refused = sent.persist().await;
    assert!(matches!(refused, Err(BusError::Unavailable(_))));
    let not_marked = delivery.start().await;
    assert!(matches!(not_marked, Err(BusError::Unavailable(_))));
    assert!(sent.withdraw().await.unwrap());
    journal.set_failing(false);
    let started = delivery.start().await;
    assert!(matches!(started, Err(BusError::Withdrawn)), "{started:?}");
    assert_eq!(journal.unfinished().await.unwrap(), []);
}

/// A durable message stays where it is if the journal cannot be rid of it.
#[tokio::test]
async fn a_durable_message_is_not_withdrawn_without_the_journal() {
    let journal = MemoryJournal::default();
    let bus = open(EmbeddedConfig::default(), &journal).await;
    let to = invoker(0);
    let sent = bus.send_activation(&to, message(1), Durability::Durable);
    let sent = sent.await.unwrap();
    journal.set_failing(true);
    let refused = sent.withdraw().await;
    assert!(matches!(refused, Err(BusError::Unavailable(_))));
    journal.set_failing(false);
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let delivery = next(&mut *feed).await.unwrap();
    delivery.start().await.unwrap();
}

/// A caller that goes away while its message is written cannot leave it accepted and forgotten.
#[tokio::test]
async fn a_message_whose_sender_goes_away_is_delivered() {
    let journal = MemoryJournal::default();
    for polls in 1..4 {
        let bus = open(EmbeddedConfig::default(), &journal).await;
        {
            let invoker = invoker(0);
            let mut sending = bus.send_activation(&invoker, message(polls), Durability::Durable);
            for _ in 0..polls {
                poll_fn(|context| {
                    let _ = sending.as_mut().poll(context);
                    Poll::Ready(())
                })
                .await;
            }
        }
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let delivery = next(&mut *feed).await.unwrap();
        assert_eq!(delivery.message().activation_id, id(polls));
        delivery.start().await.unwrap();
        delivery.finish().await.unwrap();
        assert!(journal.unfinished().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_damaged_entry_is_skipped_and_kept() {
    let journal = MemoryJournal::default();
    journal.append(id(1), b"{".to_vec(), false).await.unwrap();
    let text = serde_json::to_vec(&*message(2)).unwrap();
    journal.append(id(2), text, false).await.unwrap();
    let bus = open(EmbeddedConfig::default(), &journal).await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let delivery = next(&mut *feed).await.unwrap();
    assert_eq!(delivery.message().activation_id, id(2));
    assert_eq!(journal.unfinished().await.unwrap().len(), 2);
}

#[tokio::test]
async fn after_shutdown_feeds_end_with_what_waits() {
    let bus = open(EmbeddedConfig::default(), &MemoryJournal::default()).await;
    let mut feed = bus.activations(&invoker(0)).await.unwrap();
    let mut acks = bus.acknowledgements(&controller("0")).await.unwrap();
    send(&bus, message(1), Durability::Durable).await.unwrap();
    bus.acknowledge(&controller("0"), completion(1))
        .await
        .unwrap();
    bus.shut_down();
    let refused = send(&bus, message(2), Durability::Durable).await;
    assert!(
        matches!(refused, Err(BusError::Closed { .. })),
        "{refused:?}"
    );
    let delivery = next(&mut *feed).await.unwrap();
    assert_eq!(delivery.message().activation_id, id(1));
    delivery.start().await.unwrap();
    assert!(next(&mut *feed).await.is_none());
    assert_eq!(acks.next().await, Some(completion(1)));
    assert_eq!(acks.next().await, None);
}

#[tokio::test]
async fn acknowledgements_to_nobody_are_refused() {
    let bus = open(EmbeddedConfig::default(), &MemoryJournal::default()).await;
    let refused = bus.acknowledge(&controller("0"), completion(1)).await;
    assert!(
        matches!(refused, Err(BusError::Closed { .. })),
        "{refused:?}"
    );
    drop(bus.acknowledgements(&controller("0")).await.unwrap());
    let refused = bus.acknowledge(&controller("0"), completion(1)).await;
    assert!(
        matches!(refused, Err(BusError::Closed { .. })),
        "{refused:?}"
    );
}

/// An acknowledgement frees a slot, so it waits rather than being lost.
#[tokio::test]
async fn a_full_queue_of_acknowledgements_makes_the_invoker_wait() {
    let config = EmbeddedConfig {
        acknowledgements: 1,
        ..EmbeddedConfig::default()
    };
    let bus = open(config, &MemoryJournal::default()).await;
    let mut feed = bus.acknowledgements(&controller("0")).await.unwrap();
    let sender = tokio::spawn({
        let bus = bus.clone();
        async move {
            for number in 1..=10 {
                bus.acknowledge(&controller("0"), completion(number))
                    .await
                    .unwrap();
            }
        }
    });
    for number in 1..=10 {
        assert_eq!(feed.next().await, Some(completion(number)));
    }
    sender.await.unwrap();
}
