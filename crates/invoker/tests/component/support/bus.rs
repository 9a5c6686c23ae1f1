use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oxwhisk_bus::{
    AckFeed, Acknowledgement, ActivationFeed, ActivationMessage, BusError, ControllerId, Delivery,
    Durability, InvokerId, MessageBus, SentActivation,
};
use oxwhisk_entity::ActivationId;
use tokio::sync::mpsc;

/// What an invoker did with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEvent {
    Taken,
    Started,
    Finished,
    Recorded,
    /// Dropped without a start: delivered again to the next process.
    HandedBack,
    /// Dropped without a record after a start: recorded as lost by the next process.
    Lost,
}

type Events = Arc<Mutex<Vec<(ActivationId, DeliveryEvent)>>>;
type Withdrawn = Arc<Mutex<HashSet<ActivationId>>>;
type Queued = (Arc<ActivationMessage>, bool);

/// A bus with one invoker and any controllers, which keeps what it is told.
#[derive(Debug)]
pub struct FakeBus {
    sender: mpsc::Sender<Queued>,
    receiver: Mutex<Option<mpsc::Receiver<Queued>>>,
    events: Events,
    acks: Mutex<Vec<Acknowledgement>>,
    starts_fail: Arc<Mutex<bool>>,
    finishes_fail: Arc<Mutex<bool>>,
    withdrawn: Withdrawn,
}

impl FakeBus {
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(4096);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            events: Events::default(),
            acks: Mutex::default(),
            starts_fail: Arc::default(),
            finishes_fail: Arc::default(),
            withdrawn: Withdrawn::default(),
        }
    }

    /// Puts a message on the bus, where it stays if the invoker has stopped taking any.
    pub fn deliver(&self, message: ActivationMessage) {
        let _ = self.sender.try_send((Arc::new(message), false));
    }

    /// Delivers what an earlier process had started.
    pub fn deliver_started(&self, message: ActivationMessage) {
        self.sender.try_send((Arc::new(message), true)).unwrap();
    }

    pub fn fail_starts(&self, fail: bool) {
        *self.starts_fail.lock().unwrap() = fail;
    }

    /// Takes an activation back that has not been started.
    pub fn withdraw(&self, id: ActivationId) {
        self.withdrawn.lock().unwrap().insert(id);
    }

    pub fn fail_finishes(&self, fail: bool) {
        *self.finishes_fail.lock().unwrap() = fail;
    }

    pub fn events(&self, id: ActivationId) -> Vec<DeliveryEvent> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter(|(of, _)| *of == id)
            .map(|(_, event)| *event)
            .collect()
    }

    pub fn count(&self, event: DeliveryEvent) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|(_, found)| *found == event).count()
    }

    pub fn acks(&self, id: ActivationId) -> Vec<Acknowledgement> {
        let acks = self.acks.lock().unwrap();
        acks.iter()
            .filter(|ack| ack.activation_id() == id)
            .cloned()
            .collect()
    }

    /// How often the slot of an activation was given back.
    pub fn completions(&self, id: ActivationId) -> usize {
        let acks = self.acks(id);
        let frees = |ack: &&Acknowledgement| !matches!(ack, Acknowledgement::Result(_));
        acks.iter().filter(frees).count()
    }

    /// Whether the slot of an activation was given back.
    pub fn is_complete(&self, id: ActivationId) -> bool {
        self.acks(id)
            .iter()
            .any(|ack| !matches!(ack, Acknowledgement::Result(_)))
    }
}

#[async_trait]
impl MessageBus for FakeBus {
    async fn hold_activation(
        &self,
        _invoker: &InvokerId,
        _message: Arc<ActivationMessage>,
        _durability: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError> {
        Ok(Box::new(Sent))
    }

    async fn send_activation(
        &self,
        _: &InvokerId,
        message: Arc<ActivationMessage>,
        _: Durability,
    ) -> Result<Box<dyn SentActivation>, BusError> {
        self.deliver((*message).clone());
        Ok(Box::new(Sent))
    }

    async fn activations(&self, _: &InvokerId) -> Result<Box<dyn ActivationFeed>, BusError> {
        Ok(Box::new(Feed {
            receiver: self.receiver.lock().unwrap().take().unwrap(),
            events: self.events.clone(),
            starts_fail: self.starts_fail.clone(),
            finishes_fail: self.finishes_fail.clone(),
            withdrawn: self.withdrawn.clone(),
        }))
    }

    async fn acknowledge(&self, _: &ControllerId, ack: Acknowledgement) -> Result<(), BusError> {
        self.acks.lock().unwrap().push(ack);
        Ok(())
    }

    async fn acknowledgements(&self, _: &ControllerId) -> Result<Box<dyn AckFeed>, BusError> {
        unimplemented!("tests read the acknowledgements directly")
    }
}

#[derive(Debug)]
struct Sent;

#[async_trait]
impl SentActivation for Sent {
    async fn persist(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn release(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn withdraw(&self) -> Result<bool, BusError> {
        Ok(false)
    }

    fn is_held(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Feed {
    receiver: mpsc::Receiver<Queued>,
    events: Events,
    starts_fail: Arc<Mutex<bool>>,
    finishes_fail: Arc<Mutex<bool>>,
    withdrawn: Withdrawn,
}

#[async_trait]
impl ActivationFeed for Feed {
    async fn next(&mut self) -> Option<Box<dyn Delivery>> {
        let (message, was_started) = self.receiver.recv().await?;
        let delivery = FakeDelivery {
            message,
            was_started,
            is_started: AtomicBool::new(false),
            is_done: AtomicBool::new(false),
            events: self.events.clone(),
            starts_fail: self.starts_fail.clone(),
            finishes_fail: self.finishes_fail.clone(),
            withdrawn: self.withdrawn.clone(),
        };
        delivery.note(DeliveryEvent::Taken);
        Some(Box::new(delivery))
    }
}

#[derive(Debug)]
struct FakeDelivery {
    message: Arc<ActivationMessage>,
    was_started: bool,
    is_started: AtomicBool,
    is_done: AtomicBool,
    events: Events,
    starts_fail: Arc<Mutex<bool>>,
    finishes_fail: Arc<Mutex<bool>>,
    withdrawn: Withdrawn,
}

impl FakeDelivery {
    fn note(&self, event: DeliveryEvent) {
        let id = self.message.activation_id;
        self.events.lock().unwrap().push((id, event));
        match event {
            DeliveryEvent::Started => self.is_started.store(true, Ordering::Relaxed),
            DeliveryEvent::Finished | DeliveryEvent::Recorded => {
                self.is_done.store(true, Ordering::Relaxed);
            }
            DeliveryEvent::Taken | DeliveryEvent::HandedBack | DeliveryEvent::Lost => {}
        }
    }
}

#[async_trait]
impl Delivery for FakeDelivery {
    fn message(&self) -> &Arc<ActivationMessage> {
        &self.message
    }

    fn was_started(&self) -> bool {
        self.was_started
    }

    async fn start(&self) -> Result<(), BusError> {
        if self
            .withdrawn
            .lock()
            .unwrap()
            .contains(&self.message.activation_id)
        {
            return Err(BusError::Withdrawn);
        }
        if *self.starts_fail.lock().unwrap() {
            return Err(BusError::Unavailable("no".into()));
        }
        self.note(DeliveryEvent::Started);
        Ok(())
    }

    async fn finish(&self) -> Result<(), BusError> {
        if *self.finishes_fail.lock().unwrap() {
            return Err(BusError::Unavailable("no".into()));
        }
        self.note(DeliveryEvent::Finished);
        Ok(())
    }

    async fn recorded(&self) -> Result<(), BusError> {
        self.note(DeliveryEvent::Recorded);
        Ok(())
    }
}

impl Drop for FakeDelivery {
    fn drop(&mut self) {
        if self.is_done.load(Ordering::Relaxed) {
            return;
        }
        let event = if self.was_started || self.is_started.load(Ordering::Relaxed) {
            DeliveryEvent::Lost
        } else {
            DeliveryEvent::HandedBack
        };
        self.note(event);
    }
}
