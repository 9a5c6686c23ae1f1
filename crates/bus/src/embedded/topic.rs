//! The queue of one invoker.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::BusError;

use super::EmbeddedConfig;
use super::delivery::Shipment;

/// Counts the bytes of a waiting message, until it is dropped.
#[derive(Debug)]
struct Weight {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A waiting message.
#[derive(Debug)]
pub(super) struct Waiting {
    shipment: Arc<Shipment>,
    _weight: Option<Weight>,
}

/// The receiving end of a topic.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Messages of an earlier process: beyond all bounds, since they were accepted already.
    recovered: VecDeque<Arc<Shipment>>,
    queue: mpsc::Receiver<Waiting>,
}

impl Inbox {
    /// Waits for the next message that its sender has not taken back. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Arc<Shipment>> {
        match self.recovered.pop_front() {
            Some(shipment) => Some(shipment),
            None => loop {
                let shipment = self.queue.recv().await?.shipment;
                if !shipment.was_withdrawn() {
                    return Some(shipment);
                }
            },
        }
    }

    pub(super) fn recover(&mut self, shipments: impl IntoIterator<Item = Arc<Shipment>>) {
        self.recovered.extend(shipments);
    }
}

/// A place in the queue that is kept for one message.
#[derive(Debug)]
pub(super) struct Place {
    permit: mpsc::OwnedPermit<Waiting>,
    weight: Weight,
}

impl Place {
    pub(super) fn fill(self, shipment: Arc<Shipment>) {
        self.permit.send(Waiting {
            shipment,
            _weight: Some(self.weight),
        });
    }
}

/// The queue of one invoker.
#[derive(Debug)]
pub(super) struct Topic {
    name: String,
    /// `None` after shutdown. Locked for a clone only, so a blocking lock.
    sender: Mutex<Option<mpsc::Sender<Waiting>>>,
    /// `None` while a feed has it. Locked for a swap only, so a blocking lock.
    inbox: Mutex<Option<Inbox>>,
    bytes: Arc<AtomicUsize>,
    most_bytes: usize,
}

impl Topic {
    pub(super) fn new(name: String, config: &EmbeddedConfig) -> Self {
        let (sender, queue) = mpsc::channel(config.activations.max(1));
        Self {
            name,
            sender: Mutex::new(Some(sender)),
            inbox: Mutex::new(Some(Inbox {
                recovered: VecDeque::new(),
                queue,
            })),
            bytes: Arc::default(),
            most_bytes: config.activation_bytes,
        }
    }

    /// Reserves a place for a message of so many bytes.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Place, BusError> {
        let sender = lock(&self.sender).clone();
        let full = || BusError::Full {
            topic: self.name.clone(),
        };
        let closed = || BusError::Closed {
            topic: self.name.clone(),
        };
        let permit = match sender.ok_or_else(closed)?.try_reserve_owned() {
            Ok(permit) => permit,
            Err(TrySendError::Full(_)) => return Err(full()),
            Err(TrySendError::Closed(_)) => return Err(closed()),
        };
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let weight = Weight {
            bytes,
            all: Arc::clone(&self.bytes),
        };
        if before > 0 && before.saturating_add(bytes) > self.most_bytes {
            return Err(full());
        }
        Ok(Place { permit, weight })
    }

    /// Takes the receiving end; there is one.
    pub(super) fn take_inbox(&self) -> Result<Inbox, BusError> {
        lock(&self.inbox).take().ok_or_else(|| {
            BusError::Unavailable(format!("`{}` has a receiver already", self.name).into())
        })
    }

    /// Gives the receiving end back for the next receiver.
    pub(super) fn return_inbox(&self, inbox: Inbox) {
        *lock(&self.inbox) = Some(inbox);
    }

    /// Takes no more messages; those that wait are still received.
    pub(super) fn close(&self) {
        *lock(&self.sender) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
