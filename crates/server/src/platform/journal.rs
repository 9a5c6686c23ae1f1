//! The bus's journal in the store's file.

use async_trait::async_trait;
use oxwhisk_bus::embedded::{Journal, JournalError, UnfinishedMessage};
use oxwhisk_entity::ActivationId;
use oxwhisk_store::embedded;

/// Passes what the bus must keep on to the store.
#[derive(Debug)]
pub(super) struct StoreJournal(pub(super) embedded::Journal);

#[async_trait]
impl Journal for StoreJournal {
    async fn append(
        &self,
        id: ActivationId,
        message: Vec<u8>,
        started: bool,
    ) -> Result<(), JournalError> {
        Ok(self.0.append(id, message, started).await?)
    }

    async fn mark_started(&self, id: ActivationId) -> Result<(), JournalError> {
        Ok(self.0.mark_started(id).await?)
    }

    async fn remove(&self, id: ActivationId) -> Result<(), JournalError> {
        Ok(self.0.remove(id).await?)
    }

    async fn unfinished(&self) -> Result<Vec<UnfinishedMessage>, JournalError> {
        let entries = self.0.unfinished().await?;
        let entry = |e: embedded::UnfinishedMessage| UnfinishedMessage {
            id: e.id,
            message: e.message,
            started: e.started,
        };
        Ok(entries.into_iter().map(entry).collect())
    }
}

#[cfg(test)]
mod tests;
