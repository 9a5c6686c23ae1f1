//! Activations in flight: sent to an invoker, waited for, counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oxwhisk_bus::{
    AckFeed, Acknowledgement, ActivationMessage, BusError, Durability, InvokerId, MessageBus,
    SentActivation,
};
use oxwhisk_entity::{ActivationId, WhiskActivation};
use tokio::sync::{oneshot, watch};

use crate::config::Clock;

/// Sends activations and keeps account of those that have not ended.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    bus: Arc<dyn MessageBus>,
    invoker: InvokerId,
    clock: Arc<dyn Clock>,
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
    /// `ns/[pkg/]name@version`
    action: String,
    /// Takes the result; taken itself by the first that comes.
    result: Option<oneshot::Sender<Arc<WhiskActivation>>>,
    /// Closed when the activation has ended and its record is stored.
    ended: watch::Sender<()>,
    /// When it is taken for lost, milliseconds since the epoch.
    expires_ms: u64,
}

/// An activation that was sent.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Gives the record, without logs, when the action has answered.
    pub(crate) result: oneshot::Receiver<Arc<WhiskActivation>>,
    /// The bus's hold on it.
    pub(crate) sent: Box<dyn SentActivation>,
}

/// A stuck activation is given up after twice the longer of its time limit and a minute, and a minute more
/// (invocation §12).
const FLOOR: Duration = Duration::from_secs(60);

impl LoadBalancer {
    pub(crate) fn new(bus: Arc<dyn MessageBus>, invoker: InvokerId, clock: Arc<dyn Clock>) -> Self {
        Self {
            bus,
            invoker,
            clock,
            flights: Mutex::default(),
        }
    }

    /// Sends an activation of an action with this time limit.
    pub(crate) async fn publish(
        &self,
        message: ActivationMessage,
        timeout: Duration,
        durability: Durability,
    ) -> Result<InFlight, BusError> {
        let id = message.activation_id;
        let (sender, result) = oneshot::channel();
        let patience = timeout.max(FLOOR) * 2 + FLOOR;
        let version = message
            .action
            .version
            .map(|version| format!("@{version}"))
            .unwrap_or_default();
        let flight = Flight {
            namespace_uuid: message.user.namespace.uuid.clone(),
            action: format!("{}{version}", message.action),
            result: Some(sender),
            ended: watch::Sender::new(()),
            expires_ms: self.clock.epoch_ms()
                + u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
        };
        self.add(id, flight);
        match self
            .bus
            .send_activation(&self.invoker, Arc::new(message), durability)
            .await
        {
            Ok(sent) => Ok(InFlight { result, sent }),
            Err(error) => {
                self.remove(id);
                Err(error)
            }
        }
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
            .map(|(id, flight)| (*id, flight.action.clone()))
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
        let mut sweep = tokio::time::interval(FLOOR);
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

    fn give_up_stuck(&self) {
        let now = self.clock.epoch_ms();
        let stuck: Vec<ActivationId> = self
            .lock()
            .by_id
            .iter()
            .filter(|(_, flight)| flight.expires_ms < now)
            .map(|(id, _)| *id)
            .collect();
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
mod tests;
