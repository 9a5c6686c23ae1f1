//! Activation records.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oxwhisk_entity::{ActivationId, WhiskActivation};

use crate::{Page, StoreError};

/// Which records to list. Newest first, by `start`.
#[derive(Debug, Clone, Default)]
pub struct ActivationQuery {
    /// The namespace that they are charged to.
    pub namespace: String,
    /// Only those with this [`WhiskActivation::filter_key`].
    pub name: Option<String>,
    /// Least `start`, milliseconds since the epoch.
    pub since: Option<i64>,
    /// Greatest `start`, milliseconds since the epoch.
    pub upto: Option<i64>,
    /// How many to leave out.
    pub skip: u32,
    /// At most how many; 0 for all.
    pub limit: u32,
}

/// Keeps records.
#[async_trait]
pub trait ActivationStore: Send + Sync + fmt::Debug {
    /// Takes a record; it can be read from the first poll on, unless that fails, and is durable when the call returns.
    /// Records are written in groups. Where the message bus shares the database the activation leaves the bus in the same transaction.
    ///
    /// # Errors
    /// `Full` or `Unavailable`.
    async fn store(&self, record: Arc<WhiskActivation>) -> Result<(), StoreError>;

    /// Returns a record of a namespace, or `None`.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable`.
    async fn get(
        &self,
        namespace: &str,
        id: ActivationId,
    ) -> Result<Option<Arc<WhiskActivation>>, StoreError>;

    /// Lists records, newest first. What does not fit in the page is to be read with [`ActivationStore::get`].
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list(
        &self,
        query: &ActivationQuery,
    ) -> Result<Page<Arc<WhiskActivation>, ActivationId>, StoreError>;

    /// Counts what [`ActivationStore::list`] would list without `skip` and `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self, query: &ActivationQuery) -> Result<u64, StoreError>;
}
