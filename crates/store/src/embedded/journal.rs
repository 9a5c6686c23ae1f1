//! The journal of the embedded message bus.

use oxwhisk_entity::ActivationId;

use crate::StoreError;

use super::EmbeddedStore;
use super::request::Operation;

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

/// Messages that must survive a crash, in the file of the records: storing a record removes the entry
/// of its activation in the same transaction.
#[derive(Debug, Clone)]
pub struct Journal {
    store: EmbeddedStore,
}

impl Journal {
    pub(super) fn new(store: EmbeddedStore) -> Self {
        Self { store }
    }

    async fn write(&self, operation: Operation) -> Result<(), StoreError> {
        self.store.inner.queue.call(operation).await.map(|_| ())
    }

    /// Adds a message, durably before it returns. Does nothing if the record of the activation is there,
    /// since it has ended then, or if the message is there.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn append(
        &self,
        id: ActivationId,
        message: Vec<u8>,
        started: bool,
    ) -> Result<(), StoreError> {
        let operation = Operation::Append {
            id,
            started,
            message,
        };
        self.write(operation).await
    }

    /// Writes down that an activation was started, durably before it returns. Does nothing without its message.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn mark_started(&self, id: ActivationId) -> Result<(), StoreError> {
        self.write(Operation::MarkStarted(id)).await
    }

    /// Removes a message, durably before it returns. Does nothing if it is not there.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    pub async fn remove(&self, id: ActivationId) -> Result<(), StoreError> {
        self.write(Operation::Remove(id)).await
    }

    /// Returns the messages that are there, in the order in which they were appended.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn unfinished(&self) -> Result<Vec<UnfinishedMessage>, StoreError> {
        self.store
            .read_much(|db| {
                db.prepare("SELECT id, message, started FROM journal ORDER BY position")?
                    .query_map([], |row| {
                        Ok(UnfinishedMessage {
                            id: u128::from_be_bytes(row.get(0)?).into(),
                            message: row.get(1)?,
                            started: row.get(2)?,
                        })
                    })?
                    .collect()
            })
            .await
    }
}
