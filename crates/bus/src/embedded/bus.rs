//! The bus.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::mpsc;
use tracing::error;

use crate::{
    AckFeed, Acknowledgement, ActivationFeed, ActivationMessage, BusError, ControllerId,
    Durability, InvokerId, MessageBus, SentActivation,
};

use super::delivery::{Journaled, Sent, Shipment};
use super::feed::{Acknowledgements, Activations};
use super::topic::{Place, Topic};
use super::{EmbeddedConfig, Journal, UnfinishedMessage};

/// A bus within this process. Clones share it.
#[derive(Debug, Clone)]
pub struct EmbeddedBus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: EmbeddedConfig,
    journal: Arc<dyn Journal>,
    /// Locked to look a topic up or to add one, never across an await, so a blocking lock.
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    invokers: HashMap<u32, Arc<Topic>>,
    controllers: HashMap<ControllerId, mpsc::Sender<Acknowledgement>>,
    /// What an earlier process left; goes to the first invoker that receives.
    unfinished: Vec<Arc<Shipment>>,
    closed: bool,
}

impl EmbeddedBus {
    /// Opens the bus, and reads what an earlier process accepted and did not finish.
    ///
    /// An entry of the journal that cannot be read is reported in the log, left where it is and skipped.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] if the journal cannot be read.
    pub async fn open(config: EmbeddedConfig, journal: Arc<dyn Journal>) -> Result<Self, BusError> {
        let entries = journal.unfinished().await.map_err(BusError::Unavailable)?;
        let unfinished = entries
            .into_iter()
            .filter_map(|entry| recovered(&entry, &journal))
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                journal,
                state: RwLock::new(State {
                    unfinished,
                    ..State::default()
                }),
            }),
        })
    }

    /// Ends the bus: nothing more is taken, and feeds end after what waits in them.
    pub fn shut_down(&self) {
        let mut state = self.inner.write();
        state.closed = true;
        state.controllers.clear();
        state.invokers.values().for_each(|topic| topic.close());
    }
}

fn recovered(entry: &UnfinishedMessage, journal: &Arc<dyn Journal>) -> Option<Arc<Shipment>> {
    match serde_json::from_slice::<ActivationMessage>(&entry.message) {
        Ok(message) => Some(Arc::new(Shipment::new(
            Arc::new(message),
            Arc::clone(journal),
            Journaled::Yes,
            entry.started,
        ))),
        Err(error) => {
            error!(activation_id = %entry.id, %error, "skipped a damaged message in the journal");
            None
        }
    }
}

impl Inner {
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the topic of an invoker, which is made when it is named first.
    fn topic(&self, invoker: &InvokerId) -> Result<Arc<Topic>, BusError> {
        if let Some(topic) = self.read().invokers.get(&invoker.instance) {
            return Ok(Arc::clone(topic));
        }
        let name = format!("invoker{}", invoker.instance);
        let mut state = self.write();
        if state.closed {
            return Err(BusError::Closed { topic: name });
        }
        let topic = state
            .invokers
            .entry(invoker.instance)
            .or_insert_with(|| Arc::new(Topic::new(name, &self.config)));
        Ok(Arc::clone(topic))
    }
}

/// Puts a message into the queue, unless told not to. Thereby a message whose sender went away while it was
/// written to the journal is not left there, accepted and waiting for a restart.
struct Admission {
    place: Option<Place>,
    shipment: Arc<Shipment>,
}

impl Admission {
    fn refuse(mut self) {
        self.place = None;
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            place.fill(Arc::clone(&self.shipment));
        }
    }
}

#[async_trait]
impl MessageBus for EmbeddedBus {
    async fn send_activation(
        &self,
        invoker: &InvokerId,
        message: Arc<ActivationMessage>,
        durability: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError> {
        let topic = self.inner.topic(invoker)?;
        let bytes = message.content.as_ref().map_or(0, |content| content.size());
        let place = topic.reserve(bytes)?;
        let journal = Arc::clone(&self.inner.journal);
        let shipment = Arc::new(Shipment::new(message, journal, Journaled::No, false));
        let admission = Admission {
            place: Some(place),
            shipment: Arc::clone(&shipment),
        };
        match durability {
            Durability::Volatile => {}
            Durability::Durable => {
                if let Err(failure) = shipment.append().await {
                    admission.refuse();
                    return Err(failure);
                }
            }
        }
        drop(admission);
        Ok(Box::new(Sent(shipment)))
    }

    async fn hold_activation(
        &self,
        _invoker: &InvokerId,
        message: Arc<ActivationMessage>,
        durability: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError> {
        let journal = Arc::clone(&self.inner.journal);
        let shipment = Arc::new(Shipment::new(message, journal, Journaled::No, true));
        match durability {
            Durability::Volatile => {}
            Durability::Durable => shipment.append().await?,
        }
        Ok(Box::new(Sent(shipment)))
    }

    async fn activations(&self, invoker: &InvokerId) -> Result<Box<dyn ActivationFeed>, BusError> {
        let topic = self.inner.topic(invoker)?;
        let mut inbox = topic.take_inbox()?;
        inbox.recover(std::mem::take(&mut self.inner.write().unfinished));
        Ok(Box::new(Activations::new(topic, inbox)))
    }

    async fn acknowledge(
        &self,
        controller: &ControllerId,
        ack: Acknowledgement,
    ) -> Result<(), BusError> {
        let closed = || BusError::Closed {
            topic: format!("completed{}", controller.0),
        };
        let sender = self.inner.read().controllers.get(controller).cloned();
        // A full queue makes the invoker wait: an acknowledgement frees a slot, so it must not be lost.
        sender
            .ok_or_else(closed)?
            .send(ack)
            .await
            .map_err(|_| closed())
    }

    async fn acknowledgements(
        &self,
        controller: &ControllerId,
    ) -> Result<Box<dyn AckFeed>, BusError> {
        let mut state = self.inner.write();
        let name = || format!("completed{}", controller.0);
        if state.closed {
            return Err(BusError::Closed { topic: name() });
        }
        let present = state.controllers.get(controller);
        if present.is_some_and(|sender| !sender.is_closed()) {
            return Err(BusError::Unavailable(
                format!("`{}` has a receiver already", name()).into(),
            ));
        }
        let (sender, receiver) = mpsc::channel(self.inner.config.acknowledgements.max(1));
        state.controllers.insert(controller.clone(), sender);
        Ok(Box::new(Acknowledgements(receiver)))
    }
}
