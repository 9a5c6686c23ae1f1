//! Where messages go that must survive a crash.

use std::fmt;

use async_trait::async_trait;
use oxwhisk_entity::ActivationId;

/// Why a journal failed; passed on as the source of [`crate::BusError::Unavailable`].
pub type JournalError = Box<dyn std::error::Error + Send + Sync>;

/// A message that was accepted and whose activation has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedMessage {
    /// The activation.
    pub id: ActivationId,
    /// The message as it was appended.
    pub message: Vec<u8>,
    /// Whether the activation was started.
    pub started: bool,
}

/// Keeps accepted messages until their activations have ended.
///
/// Changes take effect in the order in which the calls were made, also those whose caller went away. An
/// entry ends with [`Journal::remove`] or when the record of its activation is stored.
#[async_trait]
pub trait Journal: Send + Sync + fmt::Debug {
    /// Adds a message (JSON), durably before it returns. Does nothing if the record of the activation is
    /// there, since it has ended then, or if the message is there.
    ///
    /// # Errors
    /// What hindered it; the message is not there then, or the storage failed.
    async fn append(
        &self,
        id: ActivationId,
        message: Vec<u8>,
        started: bool,
    ) -> Result<(), JournalError>;

    /// Writes down that an activation was started, durably before it returns. Does nothing without its message.
    ///
    /// # Errors
    /// What hindered it.
    async fn mark_started(&self, id: ActivationId) -> Result<(), JournalError>;

    /// Removes a message, durably before it returns. Does nothing if it is not there.
    ///
    /// # Errors
    /// What hindered it.
    async fn remove(&self, id: ActivationId) -> Result<(), JournalError>;

    /// Returns the messages that are there, in the order in which they were appended.
    ///
    /// # Errors
    /// What hindered it.
    async fn unfinished(&self) -> Result<Vec<UnfinishedMessage>, JournalError>;
}

#[cfg(feature = "test-util")]
pub use memory::MemoryJournal;

#[cfg(feature = "test-util")]
mod memory {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use async_trait::async_trait;
    use oxwhisk_entity::ActivationId;

    use super::{Journal, JournalError, UnfinishedMessage};

    /// A journal in memory for tests. Clones share it: a clone given to another bus is what a restarted
    /// process finds.
    #[derive(Debug, Clone, Default)]
    pub struct MemoryJournal(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        entries: Vec<UnfinishedMessage>,
        recorded: HashSet<ActivationId>,
        failing: bool,
        refusals: usize,
    }

    impl MemoryJournal {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Does what the store does when it is given the record of an activation.
        pub fn record_stored(&self, id: ActivationId) {
            let mut state = self.state();
            state.recorded.insert(id);
            state.entries.retain(|entry| entry.id != id);
        }

        /// Makes all changes fail, or work again.
        pub fn set_failing(&self, failing: bool) {
            self.state().failing = failing;
        }

        /// Returns how many changes have failed.
        #[must_use]
        pub fn refusals(&self) -> usize {
            self.state().refusals
        }

        /// Changes what is there, and lets others have a turn before and after, as a disk does.
        async fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), JournalError> {
            tokio::task::yield_now().await;
            {
                let mut state = self.state();
                if state.failing {
                    state.refusals += 1;
                    return Err("the journal fails on purpose".into());
                }
                change(&mut state);
            }
            tokio::task::yield_now().await;
            Ok(())
        }
    }

    #[async_trait]
    impl Journal for MemoryJournal {
        async fn append(
            &self,
            id: ActivationId,
            message: Vec<u8>,
            started: bool,
        ) -> Result<(), JournalError> {
            self.change(|state| {
                let known = state.recorded.contains(&id);
                if known || state.entries.iter().any(|entry| entry.id == id) {
                    return;
                }
                state.entries.push(UnfinishedMessage {
                    id,
                    message,
                    started,
                });
            })
            .await
        }

        async fn mark_started(&self, id: ActivationId) -> Result<(), JournalError> {
            self.change(|state| {
                if let Some(entry) = state.entries.iter_mut().find(|entry| entry.id == id) {
                    entry.started = true;
                }
            })
            .await
        }

        async fn remove(&self, id: ActivationId) -> Result<(), JournalError> {
            self.change(|state| state.entries.retain(|entry| entry.id != id))
                .await
        }

        async fn unfinished(&self) -> Result<Vec<UnfinishedMessage>, JournalError> {
            Ok(self.state().entries.clone())
        }
    }
}
