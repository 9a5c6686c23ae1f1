//! Connections for reading.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open::Location;

/// How many idle connections are kept.
const KEPT: usize = 4;

/// How many long reads run at once, each with a thread and a connection; more wait.
const LONG_READS: usize = 4;

/// A pool of connections, opened when they are needed first.
#[derive(Debug)]
pub(super) struct Readers {
    location: Location,
    /// Locked to take and to give back only, so a blocking lock.
    idle: Mutex<Vec<Connection>>,
    /// Has a permit for each long read.
    pub(super) long_reads: Semaphore,
}

impl Readers {
    pub(super) fn new(location: Location) -> Self {
        Self {
            location,
            idle: Mutex::default(),
            long_reads: Semaphore::new(LONG_READS),
        }
    }

    /// Reads on the calling thread. Sees every transaction that was committed before.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.location.connect_reader()?,
        };
        let result = query(&connection);
        // A connection in trouble is closed, and the next read opens a fresh one.
        if result.is_ok() {
            let mut idle = self.lock();
            if idle.len() < KEPT {
                idle.push(connection);
            }
        }
        result
    }

    /// Closes the idle connections.
    pub(super) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
