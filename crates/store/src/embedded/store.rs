//! The store.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::StoreError;

use super::open::{self, Location, OpenError};
use super::pending::Pending;
use super::queue::Queue;
use super::readers::Readers;
use super::writer::Writer;
use super::{EmbeddedConfig, Journal};

/// A store in one SQLite file. Clones share it; when the last one is dropped what was handed over is
/// written and the file closed.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) queue: Arc<Queue>,
    pub(super) pending: Arc<Pending>,
    pub(super) readers: Readers,
    /// Taken once, when the store is dropped.
    writer: Mutex<Option<JoinHandle<()>>>,
    #[cfg(feature = "test-util")]
    directory: Option<tempfile::TempDir>,
}

impl EmbeddedStore {
    /// Opens a database file; makes it and its directory, for the owner only, if they are not there.
    ///
    /// Blocks the thread for some milliseconds: a new file is synced to the disk.
    ///
    /// # Errors
    /// [`OpenError`]; one process at a time can have it open.
    pub fn open(path: &Path, config: EmbeddedConfig) -> Result<Self, OpenError> {
        Self::start(Location::File(path.to_owned()), &config)
    }

    /// Opens an empty store in memory, which is gone when it is dropped. Nothing of it is durable.
    ///
    /// # Errors
    /// [`OpenError::Failed`].
    pub fn in_memory(config: EmbeddedConfig) -> Result<Self, OpenError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::start(Location::Memory(format!("oxwhisk-{number}")), &config)
    }

    /// Opens an empty store in a directory that is removed when it is dropped.
    ///
    /// # Errors
    /// [`OpenError`].
    #[cfg(feature = "test-util")]
    pub fn in_temp_dir() -> Result<Self, OpenError> {
        let directory = tempfile::tempdir().map_err(|source| OpenError::Unwritable {
            path: std::env::temp_dir(),
            source: Box::new(source),
        })?;
        let path = directory.path().join("oxwhisk.db");
        let mut store = Self::open(&path, EmbeddedConfig::default())?;
        if let Some(inner) = Arc::get_mut(&mut store.inner) {
            inner.directory = Some(directory);
        }
        Ok(store)
    }

    fn start(location: Location, config: &EmbeddedConfig) -> Result<Self, OpenError> {
        let path = location.path();
        let opened = open::open(&location, &config.initial_subjects)?;
        let queue = Arc::new(Queue::new());
        let pending = Arc::new(Pending::default());
        let writer = Writer::new(opened, Arc::clone(&queue), Arc::clone(&pending), config)
            .and_then(Writer::spawn)
            .map_err(|source| OpenError::Failed { path, source })?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue,
                pending,
                readers: Readers::new(location),
                writer: Mutex::new(Some(writer)),
                #[cfg(feature = "test-util")]
                directory: None,
            }),
        })
    }

    /// Returns the journal for the embedded message bus, which shares the transactions of the records.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::new(self.clone())
    }

    /// Reads one row or so on the calling thread.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.inner.readers.read(query).map_err(unavailable)
    }

    /// Reads what may take longer than half a millisecond, on a thread for that.
    pub(super) async fn read_much<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.inner.readers.long_reads.acquire().await;
        let _permit = permit.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || inner.readers.read(query).map_err(unavailable))
            .await
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?
    }
}

/// Wraps what SQLite says about a read.
pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

impl Drop for Inner {
    /// Waits for the writer, so that the file is closed and its lock is free afterwards.
    fn drop(&mut self) {
        self.queue.close();
        self.readers.close();
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // A panic of the writer was reported by the panic hook; there is nothing to undo here.
        let _ = writer.map(JoinHandle::join);
    }
}
