//! Activations in flight: sent to an invoker, waited for, counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use oxwhisk_bus::{
    AckFeed, Acknowledgement, ActivationMessage, BusError, Durability, InvokerId, MessageBus,
    SentActivation,
};
use oxwhisk_entity::{ActivationId, FullyQualifiedName, WhiskActivation};
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

/// Sends activations and keeps account of those that have not ended.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    bus: Arc<dyn MessageBus>,
    invoker: InvokerId,
    /// A std lock: held for a few instructions, never across an await.
    flights: Mutex<Flights>,
}

#[derive(Debug, Default)]
struct Flights {
    by_id: HashMap<ActivationId, Flight>,
    /// In flight by the uuid of the namespace.
    by_namespace: HashMap<String, u64>,
}

/// One activation that has not ended.
#[derive(Debug)]
struct Flight {
    namespace_uuid: String,
    /// With the version that was sent.
    action: FullyQualifiedName,
    /// Takes the result; taken itself by the first that comes.
    result: Option<oneshot::Sender<Arc<WhiskActivation>>>,
    /// Closed when the activation has ended and its record is stored.
    ended: watch::Sender<()>,
    /// The bus's hold on it, once it was sent.
    sent: Option<Arc<dyn SentActivation>>,
    /// A sweep found that no invoker has it any more; its completion may still be on its way.
    is_missed: bool,
}

/// An activation that was sent.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Gives the record, without logs, when the action has answered.
    pub(crate) result: oneshot::Receiver<Arc<WhiskActivation>>,
    /// The bus's hold on it.
    pub(crate) sent: Arc<dyn SentActivation>,
}

/// How often flights are looked at. One that no invoker holds is given up the second time, so that a completion
/// that was sent before has this long to come. How long an activation waits, runs and looks for a place for its
/// record does not matter: its invoker bounds the run and answers for the rest (unlike invocation §12, which counts
/// from the acceptance and so forgets what waits long in a queue).
const SWEEP: Duration = Duration::from_secs(60);

impl LoadBalancer {
    pub(crate) fn new(bus: Arc<dyn MessageBus>, invoker: InvokerId) -> Self {
        Self {
            bus,
            invoker,
            flights: Mutex::default(),
        }
    }

    /// Sends an activation.
    pub(crate) async fn publish(
        &self,
        message: ActivationMessage,
        durability: Durability,
    ) -> Result<InFlight, BusError> {
        let id = message.activation_id;
        let (sender, result) = oneshot::channel();
        let flight = Flight {
            namespace_uuid: message.user.namespace.uuid.clone(),
            action: message.action.clone(),
            result: Some(sender),
            ended: watch::Sender::new(()),
            sent: None,
            is_missed: false,
        };
        self.add(id, flight);
        match self
            .bus
            .send_activation(&self.invoker, Arc::new(message), durability)
            .await
        {
            Ok(sent) => {
                let sent: Arc<dyn SentActivation> = Arc::from(sent);
                // It may have ended already.
                if let Some(flight) = self.lock().by_id.get_mut(&id) {
                    flight.sent = Some(Arc::clone(&sent));
                }
                Ok(InFlight { result, sent })
            }
            Err(error) => {
                self.remove(id);
                Err(error)
            }
        }
    }

    /// Strikes off an activation that was withdrawn: no completion will come for it.
    pub(crate) fn forget(&self, id: ActivationId) {
        self.remove(id);
    }

    /// Returns how many activations of a namespace are in flight.
    pub(crate) fn in_flight(&self, namespace_uuid: &str) -> u64 {
        self.lock()
            .by_namespace
            .get(namespace_uuid)
            .copied()
            .unwrap_or(0)
    }

    /// Returns how many activations are in flight.
    pub(crate) fn total(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Returns identifier and action of all activations in flight.
    pub(crate) fn all(&self) -> Vec<(ActivationId, String)> {
        self.lock()
            .by_id
            .iter()
            .map(|(id, flight)| {
                let version = flight.action.version.map(|version| format!("@{version}"));
                let action = format!("{}{}", flight.action, version.unwrap_or_default());
                (*id, action)
            })
            .collect()
    }

    /// Waits until an activation whose result is known has ended, but not longer than `patience`.
    ///
    /// Returns at once for activations that are still running or not in flight: it bridges the moment between an
    /// answer and its record, so that an identifier that was returned can be read.
    pub(crate) async fn settled(&self, id: ActivationId, patience: Duration) {
        let ended = match self.lock().by_id.get(&id) {
            Some(flight) if flight.result.is_none() => flight.ended.subscribe(),
            _ => return,
        };
        let mut ended = ended;
        // Either way the store is asked next, and answers for itself.
        let _outcome = tokio::time::timeout(patience, ended.changed()).await;
    }

    /// Receives acknowledgements until the bus ends.
    pub(crate) async fn run(&self, mut acks: Box<dyn AckFeed>) {
        let mut sweep = tokio::time::interval(SWEEP);
        // After a stall no two sweeps follow at once: a completion has its time to come.
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ack = acks.next() => match ack {
                    Some(ack) => self.take(ack),
                    None => break,
                },
                _ = sweep.tick() => self.give_up_stuck(),
            }
        }
    }

    fn take(&self, ack: Acknowledgement) {
        match ack {
            Acknowledgement::Result(activation) => self.deliver(activation),
            Acknowledgement::Completion { activation_id, .. } => self.remove(activation_id),
            Acknowledgement::CombinedCompletionAndResult { activation, .. } => {
                let id = activation.activation_id;
                self.deliver(activation);
                self.remove(id);
            }
        }
    }

    fn deliver(&self, activation: Arc<WhiskActivation>) {
        let sender = self
            .lock()
            .by_id
            .get_mut(&activation.activation_id)
            .and_then(|flight| flight.result.take());
        if let Some(sender) = sender {
            // The caller may have stopped waiting; the record tells the result then.
            let _unheard = sender.send(activation);
        }
    }

    fn add(&self, id: ActivationId, flight: Flight) {
        let mut flights = self.lock();
        match flights.by_namespace.get_mut(&flight.namespace_uuid) {
            Some(count) => *count += 1,
            None => {
                flights
                    .by_namespace
                    .insert(flight.namespace_uuid.clone(), 1);
            }
        }
        flights.by_id.insert(id, flight);
    }

    fn remove(&self, id: ActivationId) {
        let mut flights = self.lock();
        let Some(flight) = flights.by_id.remove(&id) else {
            return;
        };
        if let Some(count) = flights.by_namespace.get_mut(&flight.namespace_uuid) {
            *count -= 1;
            if *count == 0 {
                flights.by_namespace.remove(&flight.namespace_uuid);
            }
        }
    }

    /// Gives up what no invoker can complete any more.
    fn give_up_stuck(&self) {
        let mut stuck = Vec::new();
        for (id, flight) in &mut self.lock().by_id {
            let is_held = flight.sent.as_ref().is_none_or(|sent| sent.is_held());
            if flight.is_missed && !is_held {
                stuck.push(*id);
            }
            flight.is_missed = !is_held;
        }
        for id in stuck {
            tracing::error!(activation_id = %id, "no completion came for an activation");
            self.remove(id);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use oxwhisk_bus::conformance::messages::{controller, id, invoker, message};
    use oxwhisk_bus::embedded::{EmbeddedBus, EmbeddedConfig, MemoryJournal};

    use super::*;

    async fn bus_and_balancer() -> (EmbeddedBus, LoadBalancer) {
        let journal = Arc::new(MemoryJournal::default());
        let bus = EmbeddedBus::open(EmbeddedConfig::default(), journal).await;
        let bus = bus.unwrap();
        let balancer = LoadBalancer::new(Arc::new(bus.clone()), invoker(0));
        (bus, balancer)
    }

    #[tokio::test]
    async fn activation_that_waits_or_runs_for_long_is_not_given_up() {
        let (bus, balancer) = bus_and_balancer().await;
        let message = ActivationMessage::clone(&message(1));
        let sent = balancer.publish(message, Durability::Volatile).await;
        drop(sent.unwrap());
        let sweep = |times| {
            (0..times).for_each(|_| balancer.give_up_stuck());
            balancer.total()
        };
        assert_eq!(sweep(10), 1, "it waits in the queue");
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let delivery = feed.next().await.unwrap();
        assert_eq!(sweep(10), 1, "an invoker has it");
        drop(delivery);
        assert_eq!(sweep(1), 1, "its completion may be on the way");
        assert_eq!(sweep(1), 0);
        assert_eq!(balancer.in_flight("u1"), 0);
    }

    #[tokio::test]
    async fn completion_ends_a_flight_before_any_sweep() {
        let (bus, balancer) = bus_and_balancer().await;
        let message = ActivationMessage::clone(&message(2));
        let sent = balancer.publish(message, Durability::Volatile).await;
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        drop((sent.unwrap(), feed.next().await));
        balancer.give_up_stuck();
        balancer.take(Acknowledgement::Completion {
            activation_id: id(2),
            invoker: invoker(0),
            is_system_error: false,
        });
        assert_eq!(balancer.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn sweeps_do_not_follow_at_once_after_a_stall() {
        let (bus, balancer) = bus_and_balancer().await;
        let acks = bus.acknowledgements(&controller("0")).await.unwrap();
        let message = ActivationMessage::clone(&message(3));
        let sent = balancer.publish(message, Durability::Volatile).await;
        let mut feed = bus.activations(&invoker(0)).await.unwrap();
        let (mut run, mut delivery) = (Box::pin(balancer.run(acks)), feed.next().await);
        let mut turn = async || {
            let turn = tokio::time::timeout(Duration::ZERO, &mut run).await;
            assert!(turn.is_err());
            balancer.total()
        };
        assert_eq!(turn().await, 1, "an invoker has it");
        drop((sent.unwrap(), delivery.take()));
        tokio::time::advance(SWEEP * 10).await;
        assert_eq!(turn().await, 1, "its completion may be on the way");
        tokio::time::advance(SWEEP).await;
        assert_eq!(turn().await, 0);
    }
}
