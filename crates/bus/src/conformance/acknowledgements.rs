//! Promises about acknowledgements.

use crate::{AckFeed, Acknowledgement, BusError};

use super::messages::{controller, id, invoker};
use super::{BusUnderTest, DEADLINE};

fn completion(number: u64) -> Acknowledgement {
    Acknowledgement::Completion {
        activation_id: id(number),
        invoker: invoker(0),
        is_system_error: false,
    }
}

async fn next(feed: &mut dyn AckFeed) -> Acknowledgement {
    let ack = tokio::time::timeout(DEADLINE, feed.next()).await;
    ack.unwrap().unwrap()
}

/// Acknowledgements keep their order and come unchanged.
pub async fn acknowledgements_come_in_order(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut feed = bus.acknowledgements(&controller("0")).await.unwrap();
    for number in 1..=5 {
        bus.acknowledge(&controller("0"), completion(number))
            .await
            .unwrap();
    }
    for number in 1..=5 {
        assert_eq!(next(&mut *feed).await, completion(number));
    }
}

/// A controller receives its own acknowledgements only.
pub async fn controllers_have_queues_of_their_own(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let mut zero = bus.acknowledgements(&controller("0")).await.unwrap();
    let mut one = bus.acknowledgements(&controller("1")).await.unwrap();
    for (name, number) in [("1", 1), ("0", 2)] {
        bus.acknowledge(&controller(name), completion(number))
            .await
            .unwrap();
    }
    assert_eq!(next(&mut *zero).await, completion(2));
    assert_eq!(next(&mut *one).await, completion(1));
}

/// A second receiver is refused until the first is dropped.
pub async fn a_controller_has_one_receiver_at_a_time(under_test: &dyn BusUnderTest) {
    let bus = under_test.start_process().await;
    let feed = bus.acknowledgements(&controller("0")).await.unwrap();
    let second = bus.acknowledgements(&controller("0")).await;
    assert!(matches!(second, Err(BusError::Unavailable(_))));
    drop(feed);
    bus.acknowledgements(&controller("0")).await.unwrap();
}
