//! What every bus promises, one function for each promise.
//!
//! ```text
//! oxwhisk_bus::conformance_suite!(embedded, EmbeddedUnderTest::default());
//! oxwhisk_bus::conformance_suite!(kafka, KafkaUnderTest::from_env(), ignore = "needs Kafka");
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a broken promise is a panic"
)]

pub mod acknowledgements;
pub mod activations;
pub mod durability;
mod embedded;
pub mod messages;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use oxwhisk_entity::ActivationId;

use crate::{ActivationFeed, Delivery, MessageBus};

pub use embedded::EmbeddedUnderTest;

/// A bus with what is around it.
#[async_trait]
pub trait BusUnderTest: Send + Sync + fmt::Debug {
    /// Starts a process's end of the bus. Called again it stands for the process after a crash of the
    /// earlier one, whose ends are not used any more.
    async fn start_process(&self) -> Box<dyn MessageBus>;

    /// Stores the record of an activation in the database that the bus shares, if there is one. The suite
    /// calls [`Delivery::recorded`] after it.
    async fn store_record(&self, id: ActivationId);

    /// Number of activations that may wait for one invoker, if it is small enough to be tried.
    fn bound(&self) -> Option<usize>;
}

/// How long a promise may take before it counts as broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for the next activation.
pub(crate) async fn next(feed: &mut dyn ActivationFeed) -> Box<dyn Delivery> {
    let delivery = tokio::time::timeout(DEADLINE, feed.next()).await;
    delivery.unwrap().unwrap()
}

/// Makes a module of tests, one for each promise; `$bus` is evaluated anew in each and must be a fresh
/// [`crate::conformance::BusUnderTest`].
#[macro_export]
macro_rules! conformance_suite {
    ($module:ident, $bus:expr $(, ignore = $reason:literal)?) => {
        mod $module {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $crate::conformance_suite!(@cases activations, $bus, [$(#[ignore = $reason])?],
                activations_come_in_order,
                activations_wait_for_their_receiver,
                a_sender_sees_that_a_delivery_was_dropped,
                invokers_have_queues_of_their_own,
                an_invoker_has_one_receiver_at_a_time,
                a_next_receiver_goes_on_where_the_last_one_ended,
                waiting_can_be_given_up,
                a_withdrawn_activation_is_not_delivered,
                a_delivery_that_was_withdrawn_does_not_start,
                what_has_begun_cannot_be_withdrawn,
                a_full_queue_refuses_and_recovers,
            );
            $crate::conformance_suite!(@cases durability, $bus, [$(#[ignore = $reason])?],
                durable_messages_survive_a_crash,
                recovered_messages_come_first_and_in_order,
                started_messages_come_back_as_started,
                finished_messages_do_not_come_back,
                recorded_messages_do_not_come_back,
                a_message_without_receiver_survives_a_crash,
                persisted_messages_survive_a_crash,
                messages_persisted_after_their_start_come_back_as_started,
                messages_started_after_they_were_persisted_come_back_as_started,
                persisting_after_the_record_leaves_nothing,
                persisting_after_the_end_leaves_nothing,
                persisting_twice_leaves_one_message,
                persisting_races_with_the_activation,
                withdrawn_messages_do_not_come_back,
            );
            $crate::conformance_suite!(@cases acknowledgements, $bus, [$(#[ignore = $reason])?],
                acknowledgements_come_in_order,
                controllers_have_queues_of_their_own,
                a_controller_has_one_receiver_at_a_time,
            );
        }
    };
    (@cases $topic:ident, $bus:expr, $attributes:tt, $($case:ident,)*) => {
        mod $topic {
            #[allow(unused_imports, reason = "the expression may need none of them")]
            use super::*;
            $($crate::conformance_suite!(@case $topic, $bus, $attributes, $case);)*
        }
    };
    (@case $topic:ident, $bus:expr, [$($attributes:tt)*], $case:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $($attributes)*
        async fn $case() {
            $crate::conformance::$topic::$case(&$bus).await;
        }
    };
}
