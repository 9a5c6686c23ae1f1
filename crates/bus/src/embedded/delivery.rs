//! One activation on its way, as its sender and its receiver hold it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::{ActivationMessage, BusError, Delivery, SentActivation};

use super::Journal;

/// Whether the journal has the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journaled {
    No,
    /// An append was begun, and its caller went away or was told that it failed.
    Perhaps,
    Yes,
}

/// How far an activation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Started,
    Finished,
    Withdrawn,
}

/// What sender and receiver must agree on.
#[derive(Debug)]
struct State {
    journaled: Journaled,
    progress: Progress,
}

/// An activation on its way.
///
/// Every change of the journal is made under `state`, so that sender and receiver change it one after
/// the other: an activation that is started while it is being persisted is either appended as started,
/// or marked after. The record's transaction needs no lock: the journal itself takes no entry for an
/// activation whose record is there, and `recorded` says so here for the time when the record is gone too.
#[derive(Debug)]
pub(super) struct Shipment {
    message: Arc<ActivationMessage>,
    journal: Arc<dyn Journal>,
    was_started: bool,
    /// Its receiver has dropped it.
    was_dropped: AtomicBool,
    /// Its sender has taken it back. Set under `state`; read without it by the queue, which skips such messages.
    was_withdrawn: AtomicBool,
    /// Held while the journal is written, hence an async lock; only one sender and one receiver contend.
    state: Mutex<State>,
}

impl Shipment {
    pub(super) fn new(
        message: Arc<ActivationMessage>,
        journal: Arc<dyn Journal>,
        journaled: Journaled,
        was_started: bool,
    ) -> Self {
        let progress = if was_started {
            Progress::Started
        } else {
            Progress::Waiting
        };
        Self {
            message,
            journal,
            was_started,
            was_dropped: AtomicBool::new(false),
            was_withdrawn: AtomicBool::new(false),
            state: Mutex::new(State {
                journaled,
                progress,
            }),
        }
    }

    pub(super) fn message(&self) -> &Arc<ActivationMessage> {
        &self.message
    }

    pub(super) fn was_withdrawn(&self) -> bool {
        self.was_withdrawn.load(Ordering::Acquire)
    }

    /// Appends the message unless it is there or no longer needed.
    pub(super) async fn append(&self) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        match state.progress {
            Progress::Waiting | Progress::Started => {}
            Progress::Finished => return Ok(()),
            Progress::Withdrawn => return Err(BusError::Withdrawn),
        }
        if state.journaled == Journaled::Yes {
            return Ok(());
        }
        let message = serde_json::to_vec(&*self.message).map_err(unavailable)?;
        // Before the call: if this future is dropped the append may be done all the same.
        state.journaled = Journaled::Perhaps;
        let started = state.progress == Progress::Started;
        self.journal
            .append(self.message.activation_id, message, started)
            .await
            .map_err(BusError::Unavailable)?;
        state.journaled = Journaled::Yes;
        Ok(())
    }

    async fn start(&self) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        if state.progress == Progress::Withdrawn {
            return Err(BusError::Withdrawn);
        }
        match state.journaled {
            Journaled::No => {}
            Journaled::Perhaps | Journaled::Yes => self
                .journal
                .mark_started(self.message.activation_id)
                .await
                .map_err(BusError::Unavailable)?,
        }
        // After the mark: what could not be marked must not be run, so it has not begun and can be withdrawn.
        if state.progress == Progress::Waiting {
            state.progress = Progress::Started;
        }
        Ok(())
    }

    async fn withdraw(&self) -> Result<bool, BusError> {
        let mut state = self.state.lock().await;
        match state.progress {
            Progress::Waiting => {}
            Progress::Withdrawn => return Ok(true),
            Progress::Started | Progress::Finished => return Ok(false),
        }
        let id = self.message.activation_id;
        match state.journaled {
            Journaled::No => {}
            Journaled::Perhaps => {
                // Most often the append that failed has left nothing. If it has, and the journal cannot be reached now
                // either, the worst is that an activation of which nobody was told is run after a restart.
                if let Err(error) = self.journal.remove(id).await {
                    tracing::debug!(activation_id = %id, %error, "withdrawn without the journal");
                }
            }
            Journaled::Yes => self
                .journal
                .remove(id)
                .await
                .map_err(BusError::Unavailable)?,
        }
        state.progress = Progress::Withdrawn;
        self.was_withdrawn.store(true, Ordering::Release);
        Ok(true)
    }

    async fn finish(&self) -> Result<(), BusError> {
        let mut state = self.state.lock().await;
        if state.progress == Progress::Withdrawn {
            return Ok(());
        }
        state.progress = Progress::Finished;
        match state.journaled {
            Journaled::No => Ok(()),
            Journaled::Perhaps | Journaled::Yes => self
                .journal
                .remove(self.message.activation_id)
                .await
                .map_err(BusError::Unavailable),
        }
    }

    /// Remembers that the record has ended the journal's entry.
    async fn recorded(&self) {
        self.state.lock().await.progress = Progress::Finished;
    }
}

fn unavailable(error: serde_json::Error) -> BusError {
    BusError::Unavailable(Box::new(error))
}

/// The sender's side.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Arc<Shipment>);

#[async_trait]
impl SentActivation for Sent {
    async fn persist(&self) -> Result<(), BusError> {
        self.0.append().await
    }

    async fn release(&self) -> Result<(), BusError> {
        self.0.finish().await
    }

    async fn withdraw(&self) -> Result<bool, BusError> {
        self.0.withdraw().await
    }

    fn is_held(&self) -> bool {
        !self.0.was_dropped.load(Ordering::Acquire)
    }
}

/// The receiver's side.
#[derive(Debug)]
pub(super) struct Received(pub(super) Arc<Shipment>);

impl Drop for Received {
    fn drop(&mut self) {
        self.0.was_dropped.store(true, Ordering::Release);
    }
}

#[async_trait]
impl Delivery for Received {
    fn message(&self) -> &Arc<ActivationMessage> {
        self.0.message()
    }

    fn was_started(&self) -> bool {
        self.0.was_started
    }

    async fn start(&self) -> Result<(), BusError> {
        self.0.start().await
    }

    async fn finish(&self) -> Result<(), BusError> {
        self.0.finish().await
    }

    async fn recorded(&self) -> Result<(), BusError> {
        self.0.recorded().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
