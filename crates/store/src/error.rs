//! What can go wrong in a store.

use crate::DocumentId;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The document changed, or came into being, since it was read.
    #[error("document `{id}` changed since it was read")]
    Conflict {
        /// The document.
        id: DocumentId,
    },
    /// The document is not there (any more).
    #[error("document `{id}` does not exist")]
    Missing {
        /// The document.
        id: DocumentId,
    },
    /// What is stored cannot be read.
    #[error("document `{id}` is corrupted")]
    Corrupt {
        /// The document.
        id: DocumentId,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No space is left; nothing was changed.
    #[error("the store is full")]
    Full,
    /// Storage or network failed; a write may or may not have been done.
    #[error("could not reach the store")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
