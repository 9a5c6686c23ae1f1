//! The thread that writes.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior, ffi};
use tracing::warn;

use crate::StoreError;

use super::EmbeddedConfig;
use super::lock::DirectoryLock;
use super::open::Opened;
use super::pending::Pending;
use super::queue::{Queue, Taken};
use super::request::{Done, Operation, Request};
use super::retention::Retention;
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
    group_window: Duration,
    retention: Retention,
    totals: Totals,
    _lock: Option<DirectoryLock>,
}

/// However the writer ends, nobody waits for it afterwards.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        queue: Arc<Queue>,
        pending: Arc<Pending>,
        config: &EmbeddedConfig,
    ) -> Result<Self, BoxError> {
        Ok(Self {
            totals: Totals::read(&opened.connection)?,
            connection: opened.connection,
            queue,
            pending,
            group_window: config.group_window.min(EmbeddedConfig::MAX_GROUP_WINDOW),
            retention: Retention::new(config),
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
        let mut ready = Instant::now();
        loop {
            match self.queue.take(self.retention.idle(), ready) {
                Taken::Requests(requests) => {
                    ready = Instant::now() + self.group_window;
                    let mut requests = requests.into_iter().peekable();
                    while requests.peek().is_some() {
                        self.write(requests.by_ref().take(GROUP).collect());
                    }
                }
                Taken::Idle => {}
                Taken::Closed => return,
            }
            if self.retention.is_due(self.totals)
                && let Err(failure) = self.retain()
            {
                warn!(error = %failure, "could not remove old records");
                self.retention.postpone();
            }
        }
    }

    /// Removes some old records.
    fn retain(&mut self) -> rusqlite::Result<()> {
        let mut totals = self.totals;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.retention.step(&transaction, &mut totals)?;
        totals.write(self.totals, &transaction)?;
        transaction.commit()?;
        self.totals = totals;
        Ok(())
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
            Err(failure) if requests.len() > 1 && !hits_all(&failure) => {
                let second = requests.split_off(requests.len() / 2);
                self.write(requests);
                self.write(second);
            }
            Err(failure) => {
                self.forget(&requests);
                for request in requests {
                    let _ = request.reply.send(Err(classify(&failure)));
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
        totals.write(self.totals, &transaction)?;
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

/// Tells a failure that other changes would meet as well; trying each would only make all wait.
fn hits_all(failure: &rusqlite::Error) -> bool {
    matches!(
        failure.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
        )
    )
}

/// Names the failure of a transaction that was rolled back.
fn classify(failure: &rusqlite::Error) -> StoreError {
    if is_full(failure) {
        return StoreError::Full;
    }
    StoreError::Unavailable(failure.to_string().into())
}

/// Tells a full disk, or a quota that is used up, from other failures.
pub(super) fn is_full(failure: &rusqlite::Error) -> bool {
    let extended = failure.sqlite_error().map(|error| error.extended_code);
    failure.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || matches!(
            extended,
            Some(ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE)
        )
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::{self, Receiver};

    use super::*;
    use crate::conformance::activations::record;
    use crate::embedded::open::{Location, open};
    use crate::embedded::request::RecordRow;

    type Answer = Receiver<Result<Done, StoreError>>;

    fn writer(name: &str) -> Writer {
        let opened = open(&Location::Memory(name.to_owned()), &[]).unwrap();
        let queue = Arc::new(Queue::new());
        Writer::new(opened, queue, Arc::default(), &EmbeddedConfig::default()).unwrap()
    }

    fn request(number: u64, bytes: usize) -> (Request, Answer) {
        let (reply, answer) = oneshot::channel();
        let operation = Operation::Record(RecordRow {
            record: Arc::new(record("hello", number, 0)),
            filter_key: "hello".to_owned(),
            body: "x".repeat(bytes),
        });
        (Request { operation, reply }, answer)
    }

    /// Writes records of these sizes as one group; returns which were written.
    fn write_group(writer: &mut Writer, first: u64, sizes: &[usize]) -> Vec<bool> {
        let numbered = (first..)
            .zip(sizes)
            .map(|(number, &size)| request(number, size));
        let (requests, answers): (Vec<_>, Vec<_>) = numbered.unzip();
        writer.write(requests);
        let written = |mut answer: Answer| match answer.try_recv().unwrap() {
            Ok(_) => true,
            Err(StoreError::Full) => false,
            Err(other) => panic!("{other:?}"),
        };
        answers.into_iter().map(written).collect()
    }

    fn rows(writer: &Writer) -> i64 {
        let count = "SELECT count(*) FROM activations";
        writer
            .connection
            .query_row(count, [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn only_what_finds_no_space_is_refused() {
        let mut writer = writer("only-what-finds-no-space");
        let pages: i64 = writer
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        let limit = |writer: &Writer, pages: i64| {
            let set = format!("PRAGMA max_page_count={pages}");
            writer.connection.query_row(&set, [], |_| Ok(())).unwrap();
        };
        limit(&writer, pages + 20);
        let written = write_group(&mut writer, 1, &[100, 500_000, 200, 600_000, 300]);
        assert_eq!(written, [true, false, true, false, true]);
        assert_eq!(rows(&writer), 3);
        let before = writer.totals;
        assert_eq!(write_group(&mut writer, 10, &[500_000]), [false]);
        assert_eq!(writer.totals, before);
        limit(&writer, pages + 1000);
        assert_eq!(write_group(&mut writer, 20, &[500_000, 10]), [true, true]);
        assert_eq!(rows(&writer), 5);
        assert_eq!(Totals::read(&writer.connection).unwrap(), writer.totals);
    }
}
