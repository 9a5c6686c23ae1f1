//! The thread that writes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};
use tracing::{error, warn};

use crate::StoreError;

use super::EmbeddedConfig;
use super::lock::DirectoryLock;
use super::open::Opened;
use super::pending::Pending;
use super::queue::{Queue, Taken};
use super::request::{Done, Operation, Request};
use super::write::{Totals, apply};

/// Greatest number of changes in one transaction. More would only make the first wait longer.
const GROUP: usize = 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Writes what the queue brings, in groups.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    queue: Arc<Queue>,
    pending: Arc<Pending>,
    config: EmbeddedConfig,
    totals: Totals,
    _lock: Option<DirectoryLock>,
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        queue: Arc<Queue>,
        pending: Arc<Pending>,
        mut config: EmbeddedConfig,
    ) -> Result<Self, BoxError> {
        config.group_window = config.group_window.min(EmbeddedConfig::MAX_GROUP_WINDOW);
        Ok(Self {
            totals: Totals::read(&opened.connection)?,
            connection: opened.connection,
            queue,
            pending,
            config,
            _lock: opened.lock,
        })
    }

    pub(super) fn spawn(self) -> Result<JoinHandle<()>, BoxError> {
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || self.run())?;
        Ok(thread)
    }

    fn run(mut self) {
        loop {
            match self
                .queue
                .take(Duration::from_secs(60), self.config.group_window)
            {
                Taken::Requests(requests) => {
                    let mut requests = requests.into_iter().peekable();
                    while requests.peek().is_some() {
                        self.write(requests.by_ref().take(GROUP).collect());
                    }
                }
                Taken::Idle => {}
                Taken::Closed => return,
            }
        }
    }

    /// Writes changes in one transaction, or in several if that fails, and answers.
    fn write(&mut self, mut requests: Vec<Request>) {
        match self.transact(&requests) {
            Ok(outcomes) => {
                self.forget(&requests);
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    // Whoever asked may have gone away.
                    let _ = request.reply.send(outcome);
                }
            }
            // Only those changes are to fail that cannot be written by themselves.
            Err(_) if requests.len() > 1 => {
                let second = requests.split_off(requests.len() / 2);
                self.write(requests);
                self.write(second);
            }
            Err(failure) => {
                self.forget(&requests);
                for request in requests {
                    let failure = classify(&failure);
                    if matches!(failure, StoreError::Full) {
                        warn!("no space is left for the store");
                    }
                    let _ = request.reply.send(Err(failure));
                }
            }
        }
    }

    /// Does all changes or none. A refused change is an outcome and does not hinder the others.
    fn transact(
        &mut self,
        requests: &[Request],
    ) -> rusqlite::Result<Vec<Result<Done, StoreError>>> {
        let mut totals = self.totals;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let outcomes = requests
            .iter()
            .map(|request| apply(&transaction, &mut totals, &request.operation))
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if totals != self.totals {
            totals.write(&transaction)?;
        }
        transaction.commit()?;
        self.totals = totals;
        Ok(outcomes)
    }

    /// Takes records out of those under way: they are committed, or never will be.
    fn forget(&self, requests: &[Request]) {
        let records = requests
            .iter()
            .filter_map(|request| match &request.operation {
                Operation::Record(row) => Some(&row.record),
                _ => None,
            });
        self.pending.remove(records);
    }
}

/// Tells a full disk from other failures of a transaction that was rolled back.
fn classify(failure: &rusqlite::Error) -> StoreError {
    let extended = failure.sqlite_error().map(|error| error.extended_code);
    let full = failure.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || matches!(
            extended,
            Some(ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE)
        );
    if full {
        return StoreError::Full;
    }
    error!(error = %failure, "could not write to the store");
    StoreError::Unavailable(failure.to_string().into())
}
